//! A warp: 32 lanes that run together while they can.
//!
//! Each lane has its own place in the program (independent thread scheduling). Lanes at one place
//! form a group. The group that is furthest behind runs, which brings structured code together
//! again; if a group takes long, the others get turns, so that lanes may wait for each other in
//! loops. At a `.sync` instruction a group waits until all lanes of its mask are there.

use super::asynchrony::Copies;
use super::block::BlockState;
use super::bulk::Stores;
use super::call::Stacks;
use super::cluster::AtCluster;
use super::launch::Launch;
use super::link::frame::file_index;
use super::memory::{Cache, LocalMemory};
use super::program::{Action, Collective, Program, Step, Tracking};
use super::race::Party;
use super::registers::{File, Lanes, Registers, Slot};
use super::report::{Fault, Violation};
use super::warpgroup::Matrices;

/// Steps that a diverged group may run while others are ready.
const PATIENCE: u64 = 4096;
/// Accesses that may be waiting for another thread, after which a group gives way.
const SIGNALS: u32 = 32;

/// What a group of lanes waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing.
    Ready,
    /// The other lanes of a mask.
    Meeting { members: u32, anywhere: bool },
    /// A barrier of the block.
    Waiting { barrier: u32 },
    /// The barrier of the cluster.
    Cluster,
}

/// Lanes at one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) pc: u32,
    pub(crate) mask: u32,
    pub(crate) state: State,
    /// When it ran last, in turns of the warp.
    turn: u64,
}

/// Why a warp stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It may go on, but others should have a turn.
    Turn {
        /// It seems to wait for another thread.
        spinning: bool,
    },
    /// It has let a barrier go.
    Released,
    /// All of its groups wait.
    Blocked,
    /// All of its lanes have exited.
    Done,
}

/// Something that went wrong, and where.
pub(crate) struct Failure {
    pub(crate) pc: u32,
    pub(crate) warp: u32,
    pub(crate) violation: Box<Violation>,
}

/// Memory that belongs to one warp.
pub(crate) struct WarpMemory {
    pub(crate) local: LocalMemory,
    pub(crate) cache: Cache,
    pub(crate) copies: Copies,
    pub(crate) stores: Stores,
    pub(crate) matrices: Matrices,
    pub(crate) stacks: Stacks,
}

/// What an instruction may touch.
pub(crate) struct Cx<'a> {
    pub(crate) regs: &'a mut Registers,
    pub(crate) memory: &'a mut WarpMemory,
    pub(crate) block: &'a mut BlockState,
    pub(crate) launch: &'a Launch<'a>,
    /// Index in the block.
    pub(crate) warp: u32,
    pub(crate) pc: u32,
    /// Lanes that have not exited.
    pub(crate) live: u32,
}

/// Who accesses memory, for its checks. A macro, because it borrows only a part of the [`Cx`].
macro_rules! actor {
    ($cx:expr) => {
        $crate::sim::race::Actor { clocks: $cx.block.clocks.as_ref(), warp: $cx.warp, pc: $cx.pc }
    };
}

pub(crate) use actor;

/// A warp of a running block.
pub(crate) struct Warp {
    pub(crate) index: u32,
    /// Lanes that stand for a thread of the block.
    pub(crate) existing: u32,
    pub(crate) exited: u32,
    pub(crate) groups: Vec<Group>,
    pub(crate) regs: Registers,
    pub(crate) memory: WarpMemory,
    pub(crate) cluster: AtCluster,
    /// Lanes that have written each row, for rows that are tracked.
    written: [Vec<u32>; 4],
    turns: u64,
    /// Steps and possible waits since the group in turn was chosen.
    patience: u64,
    signals: u32,
    /// Instructions executed, by lanes.
    pub(crate) lane_steps: u64,
}

fn violation(lane: usize, fault: Fault<Party>) -> Box<Violation> {
    Box::new(Violation { lane: lane as u32, fault })
}

/// The group that runs, taken out of the list while it does.
struct Current {
    pc: u32,
    mask: u32,
    /// The place of another group, at which this one must stop to join it.
    limit: u32,
}

/// What to do after a step.
enum Next {
    /// Go on in this group.
    Continue,
    /// The group has changed: choose again.
    Choose,
    /// Give way to other warps.
    Leave(Stop),
}

impl Warp {
    pub(crate) fn new(program: &Program, index: u32, checked: bool) -> Self {
        let memory = WarpMemory {
            local: LocalMemory::new(program.local_bytes() as usize, checked),
            cache: Cache::default(),
            copies: Copies::default(),
            stores: Stores::default(),
            matrices: Matrices::default(),
            stacks: Stacks::new(program),
        };
        Self {
            index,
            existing: 0,
            exited: 0,
            groups: Vec::new(),
            regs: Registers::default(),
            memory,
            cluster: AtCluster::default(),
            written: Default::default(),
            turns: 0,
            patience: 0,
            signals: 0,
            lane_steps: 0,
        }
    }

    /// Prepares for the first instruction in a block with `threads` threads.
    pub(crate) fn begin(&mut self, launch: &Launch<'_>, threads: u32, block: u32) {
        let lanes = threads.saturating_sub(self.index * 32).min(32);
        self.existing = u32::MAX.checked_shr(32 - lanes).unwrap_or(0);
        self.exited = 0;
        self.cluster = AtCluster::default();
        self.groups.clear();
        self.groups.push(Group { pc: 0, mask: self.existing, state: State::Ready, turn: 0 });
        (self.turns, self.patience, self.signals) = (0, 0, 0);
        self.regs.clone_from(&launch.program.template.initial);
        launch.fill_specials(&mut self.regs, self.index, block);
        self.memory.local.begin_block();
        self.memory.copies.clear();
        self.memory.stores.clear();
        self.memory.matrices.begin(launch.program.extent.rows[file_index(File::Word)]);
        self.memory.stacks.begin();
        if launch.checked {
            for (file, rows) in self.written.iter_mut().zip(launch.program.extent.rows) {
                file.clear();
                file.resize(rows as usize, 0);
            }
        }
    }

    /// Runs until something else should run; `budget` are the steps that it may take.
    pub(crate) fn run(
        &mut self,
        block: &mut BlockState,
        launch: &Launch<'_>,
        budget: &mut u64,
    ) -> Result<Stop, Failure> {
        loop {
            let Some(mut current) = self.choose() else {
                return Ok(if self.groups.is_empty() { Stop::Done } else { Stop::Blocked });
            };
            let stop = self.run_group(&mut current, block, launch, budget);
            match stop {
                Ok(Next::Continue | Next::Choose) => {}
                Ok(Next::Leave(stop)) => return Ok(stop),
                Err(violation) => {
                    return Err(Failure { pc: current.pc, warp: self.index, violation });
                }
            }
        }
    }

    /// Takes the group that is to run out of the list.
    fn choose(&mut self) -> Option<Current> {
        if let [group] = self.groups[..] {
            if group.state != State::Ready {
                return None;
            }
            self.groups.clear();
            return Some(Current { pc: group.pc, mask: group.mask, limit: u32::MAX });
        }
        self.join_groups();
        let ready = self.groups.iter().enumerate().filter(|(_, it)| it.state == State::Ready);
        let impatient = self.patience >= PATIENCE || self.signals >= SIGNALS;
        let index = if impatient {
            (self.patience, self.signals) = (0, 0);
            ready.min_by_key(|(_, it)| it.turn)?.0
        } else {
            ready.min_by_key(|(_, it)| it.pc)?.0
        };
        self.turns += 1;
        let Group { pc, mask, .. } = self.groups.swap_remove(index);
        let stays = |it: &&Group| matches!(it.state, State::Waiting { .. } | State::Cluster);
        let others = self.groups.iter().filter(|it| !stays(it));
        let limit = others.map(|it| it.pc).filter(|it| *it > pc).min().unwrap_or(u32::MAX);
        Some(Current { pc, mask, limit })
    }

    /// Joins ready groups at one place.
    fn join_groups(&mut self) {
        let mut index = 0;
        while index < self.groups.len() {
            let group = self.groups[index];
            let same = |it: &Group| it.state == State::Ready && it.pc == group.pc;
            let twin = self.groups[index + 1..].iter().position(same);
            match twin.filter(|_| group.state == State::Ready) {
                Some(twin) => {
                    let other = self.groups.swap_remove(index + 1 + twin);
                    self.groups[index].mask |= other.mask;
                    self.groups[index].turn = group.turn.min(other.turn);
                }
                None => index += 1,
            }
        }
    }

    pub(crate) fn push(&mut self, pc: u32, mask: u32, state: State) {
        if mask != 0 {
            self.groups.push(Group { pc, mask, state, turn: self.turns });
        }
    }

    /// Runs `current` until it splits, waits, meets another group, or has run long enough.
    fn run_group(
        &mut self,
        current: &mut Current,
        block: &mut BlockState,
        launch: &Launch<'_>,
        budget: &mut u64,
    ) -> Result<Next, Box<Violation>> {
        let steps = &launch.program.steps[..];
        // Without other groups there is nobody to be fair to, except other warps.
        let alone = self.groups.is_empty();
        let mut left = if alone { *budget } else { (*budget).min(PATIENCE) };
        let start = left;
        let result = loop {
            if current.pc >= current.limit || left == 0 {
                self.push(current.pc, current.mask, State::Ready);
                break Ok(Next::Choose);
            }
            left -= 1;
            let next = self.step(steps, current, block, launch);
            match next {
                Ok(Next::Continue) => {}
                other => break other,
            }
        };
        let ran = start - left;
        *budget -= ran;
        self.patience = if self.groups.len() > 1 { self.patience + ran } else { 0 };
        match result {
            Ok(Next::Choose) if *budget == 0 && !self.groups.is_empty() => {
                Ok(Next::Leave(Stop::Turn { spinning: false }))
            }
            other => other,
        }
    }

    /// Executes one instruction of `current`.
    #[inline(always)]
    fn step(
        &mut self,
        steps: &[Step],
        current: &mut Current,
        block: &mut BlockState,
        launch: &Launch<'_>,
    ) -> Result<Next, Box<Violation>> {
        let step = &steps[current.pc as usize];
        let active = current.mask & (self.regs.pred(step.guard) ^ step.invert);
        self.lane_steps += u64::from(active.count_ones());
        if launch.checked
            && let Some(tracking) = &step.tracking
        {
            self.track(tracking, current, active, launch)?;
        }
        match &step.action {
            Action::Compute(run) => {
                if active != 0 {
                    run(&mut self.regs, active);
                }
                current.pc += 1;
                Ok(Next::Continue)
            }
            Action::Access(run) => {
                if active != 0 {
                    block.activity = block.activity.wrapping_add(1);
                    run(&mut self.cx(current.pc, block, launch), active)?;
                }
                current.pc += 1;
                Ok(Next::Continue)
            }
            Action::Recall(run) => {
                if active != 0 {
                    run(&mut self.cx(current.pc, block, launch), active)?;
                }
                current.pc += 1;
                Ok(Next::Continue)
            }
            Action::Jump(target) => Ok(self.jump(current, active, *target)),
            Action::Nothing => {
                current.pc += 1;
                Ok(Next::Continue)
            }
            other => self.rare(other, current, active, (block, launch)),
        }
    }

    pub(crate) fn cx<'a>(
        &'a mut self,
        pc: u32,
        block: &'a mut BlockState,
        launch: &'a Launch<'a>,
    ) -> Cx<'a> {
        Cx {
            regs: &mut self.regs,
            memory: &mut self.memory,
            block,
            launch,
            warp: self.index,
            pc,
            live: self.existing & !self.exited,
        }
    }

    #[inline(always)]
    fn jump(&mut self, current: &mut Current, active: u32, target: u32) -> Next {
        if active == current.mask {
            current.pc = target;
        } else if active == 0 {
            current.pc += 1;
            return Next::Continue;
        } else {
            self.push(target, active, State::Ready);
            current.mask &= !active;
            current.pc += 1;
        }
        if self.groups.is_empty() {
            return Next::Continue;
        }
        self.push(current.pc, current.mask, State::Ready);
        Next::Choose
    }

    /// The instructions that change groups, and those that may wait.
    #[inline(never)]
    fn rare(
        &mut self,
        action: &Action,
        current: &mut Current,
        active: u32,
        (block, launch): (&mut BlockState, &Launch<'_>),
    ) -> Result<Next, Box<Violation>> {
        if active == 0 {
            current.pc += 1;
            return Ok(Next::Continue);
        }
        if let Action::Signal(run) | Action::Ask(run) = action {
            if matches!(action, Action::Signal(_)) {
                block.activity = block.activity.wrapping_add(1);
            }
            run(&mut self.cx(current.pc, block, launch), active)?;
            current.pc += 1;
            return Ok(self.signal(current));
        }
        if let Action::ClusterArrive { relaxed, aligned } = action {
            self.cluster_arrive((*relaxed, *aligned), (current.pc, active), block)?;
            current.pc += 1;
            return Ok(Next::Continue);
        }
        if !matches!(action, Action::Yield | Action::Switch { .. }) {
            block.activity = block.activity.wrapping_add(1);
        }
        // The lanes whose guard does not hold go on; the others are the group from here.
        self.push(current.pc + 1, current.mask & !active, State::Ready);
        current.mask = active;
        match action {
            Action::Collective(it) => self.meet(it, current, block, launch)?,
            Action::Barrier(it) => {
                let released = block.arrive(self, it, current.pc, active)?;
                if released {
                    return Ok(Next::Leave(Stop::Released));
                }
            }
            Action::ClusterWait { aligned } => {
                let waits = self.cluster_wait(*aligned, (current.pc, active), block)?;
                self.push(current.pc + 1, active & !waits, State::Ready);
                self.push(current.pc, waits, State::Cluster);
            }
            Action::Switch { index, targets } => self.switch(current, *index, targets)?,
            Action::Call(call) => {
                let pc = self.call(call, current.pc, active, launch.program)?;
                self.push(pc, active, State::Ready);
            }
            Action::Return => self.leave_function(active, launch.program),
            Action::Exit => self.exit(active),
            Action::Trap => {
                return Err(violation(active.trailing_zeros() as usize, Fault::Trap));
            }
            Action::Yield => {
                self.push(current.pc + 1, active, State::Ready);
                self.signals = SIGNALS;
                return Ok(Next::Leave(Stop::Turn { spinning: true }));
            }
            Action::Compute(_)
            | Action::Access(_)
            | Action::Recall(_)
            | Action::Signal(_)
            | Action::Ask(_)
            | Action::ClusterArrive { .. }
            | Action::Jump(_)
            | Action::Nothing => unreachable!("`step` executes these"),
        }
        Ok(Next::Choose)
    }

    /// Counts an access that may be one of many in a loop that waits.
    fn signal(&mut self, current: &Current) -> Next {
        self.signals = self.signals.wrapping_add(1);
        if !self.signals.is_multiple_of(SIGNALS) {
            return Next::Continue;
        }
        self.push(current.pc, current.mask, State::Ready);
        Next::Leave(Stop::Turn { spinning: true })
    }

    fn switch(
        &mut self,
        current: &Current,
        index: Slot,
        targets: &[u32],
    ) -> Result<(), Box<Violation>> {
        let indices = *self.regs.words(index);
        for lane in Lanes(current.mask) {
            let Some(target) = targets.get(indices[lane] as usize) else {
                let reason =
                    format!("jumps to entry {} of a table of {}", indices[lane], targets.len());
                return Err(violation(lane, Fault::Illegal { reason }));
            };
            self.push(*target, 1 << lane, State::Ready);
        }
        Ok(())
    }

    /// Lanes leave for good.
    pub(crate) fn exit(&mut self, mask: u32) {
        self.exited |= mask;
    }

    /// All warps of the block have ended.
    pub(crate) fn finish(
        &mut self,
        block: &mut BlockState,
        launch: &Launch<'_>,
    ) -> Result<(), Failure> {
        if self.memory.stores.busy() == 0 {
            return Ok(());
        }
        let warp = self.index;
        let ended = self.cx(0, block, launch).end_stores();
        ended.map_err(|(pc, violation)| Failure { pc, warp, violation })
    }

    /// Lanes arrive at a `.sync` instruction.
    fn meet(
        &mut self,
        it: &Collective,
        current: &Current,
        block: &mut BlockState,
        launch: &Launch<'_>,
    ) -> Result<(), Box<Violation>> {
        let masks = match it.members {
            Some(slot) => *self.regs.words(slot),
            None => [self.existing; 32],
        };
        let mut rest = current.mask;
        while rest != 0 {
            let first = rest.trailing_zeros() as usize;
            let members = masks[first];
            let own = Lanes(rest).filter(|it| masks[*it] == members);
            let own = own.fold(0, |mask, lane| mask | 1 << lane);
            rest &= !own;
            self.meet_members(it, current.pc, (own, members), block, launch)?;
        }
        Ok(())
    }

    fn meet_members(
        &mut self,
        it: &Collective,
        pc: u32,
        (own, members): (u32, u32),
        block: &mut BlockState,
        launch: &Launch<'_>,
    ) -> Result<(), Box<Violation>> {
        let meets = |group: &Group| match group.state {
            State::Meeting { members: theirs, anywhere } => {
                theirs == members && (group.pc == pc || (anywhere && it.anywhere))
            }
            State::Ready | State::Waiting { .. } | State::Cluster => false,
        };
        let met: Vec<Group> = self.groups.iter().copied().filter(meets).collect();
        let present = met.iter().fold(own, |mask, group| mask | group.mask);
        let gone = self.exited & members & self.existing;
        let forgiven = gone != 0 && launch.fault_claimed();
        if own & !members != 0 || (gone != 0 && !forgiven) {
            let fault = Fault::DivergentSync { mask: members, present };
            return Err(violation(own.trailing_zeros() as usize, fault));
        }
        if members & self.existing & !self.exited & !present != 0 {
            self.push(pc, own, State::Meeting { members, anywhere: it.anywhere });
            return Ok(());
        }
        self.groups.retain(|group| !meets(group));
        (it.run)(&mut self.cx(pc, block, launch), present)?;
        self.push(pc + 1, own, State::Ready);
        for group in met {
            self.push(group.pc + 1, group.mask, State::Ready);
        }
        Ok(())
    }

    /// Checks that tracked rows were written by the lanes that read them.
    #[cold]
    fn track(
        &mut self,
        tracking: &Tracking,
        current: &Current,
        active: u32,
        launch: &Launch<'_>,
    ) -> Result<(), Box<Violation>> {
        for (file, slot, _) in &tracking.reads {
            let written = self.written[file_index(*file)][slot.0 as usize];
            // A guard is read by all lanes, the operands by those for which it holds.
            let is_guard =
                *file == File::Pred && launch.program.steps[current.pc as usize].guard == *slot;
            let missing = if is_guard { current.mask } else { active } & !written;
            if missing != 0 {
                let register = launch.program.register_name(current.pc, *file, *slot);
                let fault = Fault::UninitialisedRegister { register };
                return Err(violation(missing.trailing_zeros() as usize, fault));
            }
        }
        if let Some((adds, sum)) = &tracking.sum
            && let adding = adds.lanes(&self.regs) & active
            && adding != 0
        {
            for slot in sum {
                let missing = adding & !self.written[file_index(File::Word)][slot.0 as usize];
                if missing != 0 {
                    let register = launch.program.register_name(current.pc, File::Word, *slot);
                    let fault = Fault::UninitialisedRegister { register };
                    return Err(violation(missing.trailing_zeros() as usize, fault));
                }
            }
        }
        for (file, slot) in &tracking.writes {
            self.written[file_index(*file)][slot.0 as usize] |= active;
        }
        if active != 0
            && let Some(slot) = self.memory.matrices.touch(&tracking.guarded)
        {
            let register = launch.program.register_name(current.pc, File::Word, slot);
            let fault = Fault::RegisterInFlight { register };
            return Err(violation(active.trailing_zeros() as usize, fault));
        }
        Ok(())
    }
}
