//! Calls between device functions. PTX ISA, "Abstracting the ABI".
//!
//! The registers of a function have rows of their own, so a call leaves the caller's alone. Only
//! a recursive function can find its rows in use: then the lane's values are put aside until the
//! call returns.

use super::link::frame::{Frame, STACK};
use super::program::{Action, Call, Passed, Program};
use super::race::Party;
use super::registers::{File, Lanes, Registers, load_any, store_any};
use super::report::{Fault, Violation};
use super::warp::{State, Warp};

/// Calls that a lane may be inside of.
const DEPTH: usize = 4096;

/// What a lane had in the rows and parameters of a function before it called it again.
struct Saved {
    rows: [Vec<u128>; 4],
    params: Vec<u8>,
    base: u32,
}

/// A call that has not returned.
struct Activation {
    call: u32,
    saved: Option<Box<Saved>>,
}

/// The calls that the lanes of a warp are inside of, and the parameters between functions.
#[derive(Default)]
pub(crate) struct Stacks {
    /// One part a lane.
    params: Vec<u8>,
    stride: usize,
    lanes: Vec<Vec<Activation>>,
    /// By lane: first free byte of the frames of recursive functions.
    tops: [u32; 32],
    /// By frame and lane: where its variables are.
    bases: Vec<[u32; 32]>,
}

impl Stacks {
    pub(crate) fn new(program: &Program) -> Self {
        let stride = program.extent.call_params as usize;
        let mut stacks = Self { params: vec![0; stride * 32], stride, ..Self::default() };
        if program.frames.len() > 1 {
            stacks.lanes.resize_with(32, Vec::new);
            stacks.bases = vec![[0; 32]; program.frames.len()];
        }
        stacks
    }

    pub(crate) fn begin(&mut self) {
        self.lanes.iter_mut().for_each(Vec::clear);
        self.tops = [0; 32];
    }

    /// Bytes of the parameters between functions, of one lane; `None` beyond them.
    pub(crate) fn params(&self, lane: usize, offset: u64, bytes: usize) -> Option<&[u8]> {
        let range = self.range(lane, offset, bytes)?;
        self.params.get(range)
    }

    /// [`Self::params`], to be written.
    pub(crate) fn params_mut(
        &mut self,
        lane: usize,
        offset: u64,
        bytes: usize,
    ) -> Option<&mut [u8]> {
        let range = self.range(lane, offset, bytes)?;
        self.params.get_mut(range)
    }

    fn range(&self, lane: usize, offset: u64, bytes: usize) -> Option<std::ops::Range<usize>> {
        let offset = usize::try_from(offset).ok()?;
        let fits = offset.checked_add(bytes)? <= self.stride;
        let start = lane * self.stride + offset;
        fits.then_some(start..start + bytes)
    }

    /// Offset and length of parameters that the program's own calls name.
    fn known(&mut self, lane: usize, offset: u32, bytes: usize) -> &mut [u8] {
        let start = lane * self.stride + offset as usize;
        &mut self.params[start..start + bytes]
    }
}

fn illegal(lane: usize, reason: &str) -> Box<Violation> {
    let fault: Fault<Party> = Fault::Illegal { reason: reason.to_owned() };
    Box::new(Violation { lane: lane as u32, fault })
}

const FILES: [File; 4] = [File::Pred, File::Word, File::Double, File::Quad];

/// One lane of a register.
fn get(regs: &Registers, file: File, row: usize, lane: usize) -> u128 {
    match file {
        File::Pred => u128::from(regs.preds[row] >> lane & 1),
        File::Word => regs.words[row][lane].into(),
        File::Double => regs.doubles[row][lane].into(),
        File::Quad => regs.quads[row][lane],
    }
}

fn put(regs: &mut Registers, file: File, row: usize, lane: usize, value: u128) {
    match file {
        File::Pred => {
            regs.preds[row] = (regs.preds[row] & !(1 << lane)) | (value as u32) << lane;
        }
        File::Word => regs.words[row][lane] = value as u32,
        File::Double => regs.doubles[row][lane] = value as u64,
        File::Quad => regs.quads[row][lane] = value,
    }
}

impl Warp {
    /// The lanes of `active` call; gives the place where they go on.
    pub(crate) fn call(
        &mut self,
        call: &Call,
        pc: u32,
        active: u32,
        program: &Program,
    ) -> Result<u32, Box<Violation>> {
        let callee = &program.frames[call.frame];
        for lane in Lanes(active) {
            let arguments: Vec<Vec<u8>> = call
                .arguments
                .iter()
                .map(|(from, _, bytes)| self.passed(*from, lane, *bytes as usize))
                .collect();
            let saved = callee.recursive.then(|| Box::new(self.save(call.frame, callee, lane)));
            for ((_, to, bytes), value) in call.arguments.iter().zip(&arguments) {
                let place = self.memory.stacks.known(lane, *to, *bytes as usize);
                place.copy_from_slice(value);
            }
            let stacks = &mut self.memory.stacks;
            if stacks.lanes[lane].len() >= DEPTH {
                return Err(illegal(lane, "too many nested calls"));
            }
            stacks.lanes[lane].push(Activation { call: pc, saved });
            if callee.recursive {
                self.enter_frame(call.frame, callee, lane, program)?;
            }
        }
        Ok(callee.entry)
    }

    fn passed(&mut self, from: Passed, lane: usize, bytes: usize) -> Vec<u8> {
        match from {
            Passed::Memory(offset) => self.memory.stacks.known(lane, offset, bytes).to_vec(),
            Passed::Register(file, slot) => {
                let mut value = load_any(&self.regs, file, slot)[lane].to_le_bytes().to_vec();
                value.resize(bytes, 0);
                value
            }
        }
    }

    fn save(&mut self, index: usize, callee: &Frame, lane: usize) -> Saved {
        let rows = std::array::from_fn(|file| {
            let (first, end) = callee.rows[file];
            (first..end).map(|row| get(&self.regs, FILES[file], row as usize, lane)).collect()
        });
        let (first, end) = callee.params;
        let stacks = &mut self.memory.stacks;
        let params = stacks.known(lane, first, (end - first) as usize).to_vec();
        Saved { rows, params, base: stacks.bases[index][lane] }
    }

    fn restore(&mut self, index: usize, callee: &Frame, lane: usize, saved: &Saved) {
        for (file, values) in saved.rows.iter().enumerate() {
            let first = callee.rows[file].0 as usize;
            for (k, value) in values.iter().enumerate() {
                put(&mut self.regs, FILES[file], first + k, lane, *value);
            }
        }
        let stacks = &mut self.memory.stacks;
        let place = stacks.known(lane, callee.params.0, saved.params.len());
        place.copy_from_slice(&saved.params);
        stacks.bases[index][lane] = saved.base;
        stacks.tops[lane] -= callee.local_bytes;
    }

    /// Gives the lane new local variables for a recursive function.
    fn enter_frame(
        &mut self,
        index: usize,
        callee: &Frame,
        lane: usize,
        program: &Program,
    ) -> Result<(), Box<Violation>> {
        let stacks = &mut self.memory.stacks;
        let base = stacks.tops[lane];
        if base + callee.local_bytes > STACK {
            return Err(illegal(lane, "local variables of recursive calls take too much memory"));
        }
        stacks.tops[lane] = base + callee.local_bytes;
        stacks.bases[index][lane] = base;
        self.point_at_frame(index, lane, program);
        Ok(())
    }

    /// Sets the rows that hold addresses in the frame.
    fn point_at_frame(&mut self, index: usize, lane: usize, program: &Program) {
        let base = program.frames_start() + self.memory.stacks.bases[index][lane];
        for (frame, offset, file, slot) in &program.template.frame_places {
            if *frame == index {
                let address = u128::from(base) + u128::from(*offset);
                put(&mut self.regs, *file, slot.0 as usize, lane, address);
            }
        }
    }

    /// The lanes of `active` return, or exit if nobody called.
    pub(crate) fn leave_function(&mut self, active: u32, program: &Program) {
        if self.memory.stacks.lanes.is_empty() {
            self.exit(active);
            return;
        }
        let mut places: Vec<(u32, u32)> = Vec::new();
        for lane in Lanes(active) {
            let Some(activation) = self.memory.stacks.lanes[lane].pop() else {
                self.exit(1 << lane);
                continue;
            };
            let Action::Call(call) = &program.steps[activation.call as usize].action else {
                unreachable!("only calls push activations");
            };
            self.hand_back(call, lane, activation.saved.as_deref(), program);
            match places.iter_mut().find(|it| it.0 == activation.call + 1) {
                Some(place) => place.1 |= 1 << lane,
                None => places.push((activation.call + 1, 1 << lane)),
            }
        }
        for (pc, mask) in places {
            self.push(pc, mask, State::Ready);
        }
    }

    fn hand_back(&mut self, call: &Call, lane: usize, saved: Option<&Saved>, program: &Program) {
        let mut values = Vec::with_capacity(call.results.len());
        for (from, _, bytes) in &call.results {
            values.push(self.passed(Passed::Memory(*from), lane, *bytes as usize));
        }
        if let Some(saved) = saved {
            self.restore(call.frame, &program.frames[call.frame], lane, saved);
            self.point_at_frame(call.frame, lane, program);
        }
        for ((_, to, _), value) in call.results.iter().zip(values) {
            match to {
                Passed::Memory(offset) => {
                    self.memory.stacks.known(lane, *offset, value.len()).copy_from_slice(&value);
                }
                Passed::Register(file, slot) => {
                    let mut bits = [0; 8];
                    let len = value.len().min(8);
                    bits[..len].copy_from_slice(&value[..len]);
                    let bits = u64::from_le_bytes(bits);
                    store_any(&mut self.regs, (*file, *slot), 1 << lane, |_| bits);
                }
            }
        }
    }
}
