//! A launch: the grid's clusters spread over the host's threads; mostly they are single blocks.
//!
//! A host thread keeps one cluster until it is done, unless it seems to wait for another one: then it begins or continues others in turn. How many it holds grows as long as none of
//! them finishes, so that a grid whose blocks all wait for each other goes on in the end.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use firesteel_ptx::channel;
use firesteel_ptx::operand::Special;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::block::BlockStop;
use super::cluster::Cluster;
use super::memory::{GlobalView, Memory, Variable};
use super::program::Program;
use super::race::{LaunchSync, Party};
use super::registers::{Lanes, Registers, Row, WARP, store_any};
use super::report::{self, Fault, Report, ThreadId, Violation, unflatten};
use super::warp::Failure;

/// Steps of a block before its worker looks around.
const SLICE: u64 = 1 << 18;

/// Everything that the blocks of a launch read.
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Program,
    pub(crate) memory: &'a Memory,
    pub(crate) global: GlobalView<'a>,
    pub(crate) sync: LaunchSync,
    /// The kernel's parameters as they lie in parameter space.
    pub(crate) params: Vec<u8>,
    pub(crate) grid: [u32; 3],
    /// Blocks of a cluster, of which the grid is a multiple.
    pub(crate) cluster: [u32; 3],
    pub(crate) block: [u32; 3],
    /// Bytes of shared memory of a block, and how many of them the launch asked for.
    pub(crate) shared_bytes: u32,
    pub(crate) dynamic_shared: u32,
    pub(crate) shared_variables: Arc<[Variable]>,
    pub(crate) checked: bool,
    pub(crate) step_limit: u64,
    pub(crate) number: u64,
    pub(crate) start: Instant,
}

/// What the workers of a launch share.
#[derive(Default)]
struct Progress {
    next: AtomicU32,
    failed: AtomicBool,
    steps: AtomicU64,
    lane_steps: AtomicU64,
    /// The failure in the first block that has one.
    failure: Mutex<Option<(u32, Failure)>>,
}

/// What a launch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaunchStats {
    /// Blocks executed.
    pub blocks: u64,
    /// Instructions executed, counted once a warp.
    pub instructions: u64,
    /// Instructions executed, counted once a thread.
    pub thread_instructions: u64,
}

/// The parameters of a kernel as they lie in parameter space; `args` holds as many words for
/// each as it has pieces of 8 bytes.
pub(crate) fn launch_params(program: &Program, args: &[u64]) -> Vec<u8> {
    let mut bytes = vec![0; program.param_bytes as usize];
    let mut args = args.iter();
    for param in &program.params {
        let start = param.offset as usize;
        let pieces = bytes[start..start + param.bytes as usize].chunks_mut(8);
        for (piece, arg) in pieces.zip(args.by_ref().take(param.words())) {
            piece.copy_from_slice(&arg.to_le_bytes()[..piece.len()]);
        }
    }
    bytes
}

impl Launch<'_> {
    /// Time since the device was made.
    pub(crate) fn nanoseconds(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Threads of a block.
    pub(crate) fn threads(&self) -> u32 {
        self.block.iter().product()
    }

    fn blocks(&self) -> u32 {
        self.grid.iter().product()
    }

    /// Clusters along each axis.
    fn clusters(&self) -> [u32; 3] {
        std::array::from_fn(|axis| self.grid[axis] / self.cluster[axis])
    }

    /// The linear index of the block with that rank in the cluster with linear index `cluster`.
    pub(crate) fn block_of(&self, cluster: u32, rank: u32) -> u32 {
        let (at, inside) = (unflatten(cluster, self.clusters()), unflatten(rank, self.cluster));
        let [x, y, z] = std::array::from_fn(|axis| at[axis] * self.cluster[axis] + inside[axis]);
        (z * self.grid[1] + y) * self.grid[0] + x
    }

    /// The index of the block with linear index `index`.
    pub(crate) fn coordinates(&self, index: u32) -> [u32; 3] {
        unflatten(index, self.grid)
    }

    pub(crate) fn thread(&self, block: u32, thread: u32) -> ThreadId {
        self.names(&|_| None, &|_| None).thread(block, thread)
    }

    fn names<'n>(
        &'n self,
        place: &'n dyn Fn(u32) -> Option<report::Place>,
        instruction: &'n dyn Fn(u32) -> Option<String>,
    ) -> report::Launch<'n> {
        let kernel = &self.program.name;
        report::Launch { kernel, grid: self.grid, block: self.block, place, instruction }
    }

    /// Whether a thread has claimed the fault record of the channel. Then threads are leaving
    /// early, and others that wait for them in vain are no fault of their own.
    pub(crate) fn fault_claimed(&self) -> bool {
        let Some(address) = self.claim_address() else { return false };
        let mut claimed = [0; 4];
        let read = self.memory.read(address, &mut claimed);
        read.is_ok() && u32::from_le_bytes(claimed) != 0
    }

    /// Where threads that fail claim the fault record.
    fn claim_address(&self) -> Option<u64> {
        let offset = self.program.channel? as usize;
        let mut address = [0; 8];
        address.copy_from_slice(&self.params[offset..offset + 8]);
        Some(u64::from_le_bytes(address) + u64::from(channel::CLAIMED))
    }

    /// Whether lanes that load from these addresses want to know whether a thread has failed.
    pub(crate) fn asks_for_faults(&self, addresses: &Row<u64>, mask: u32) -> bool {
        let claim = self.claim_address();
        claim.is_some_and(|claim| Lanes(mask).all(|lane| addresses[lane] == claim))
    }

    /// Runs all blocks.
    pub(crate) fn run(&self) -> Result<LaunchStats, Box<Report>> {
        let progress = Progress::default();
        let clusters: u32 = self.clusters().iter().product();
        let workers = rayon::current_num_threads().min(clusters as usize);
        if workers <= 1 {
            self.work(&progress);
        } else {
            (0..workers).into_par_iter().for_each(|_| self.work(&progress));
        }
        let failure = progress.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some((block, failure)) => Err(Box::new(self.report(block, failure))),
            None => Ok(LaunchStats {
                blocks: self.blocks().into(),
                instructions: progress.steps.into_inner(),
                thread_instructions: progress.lane_steps.into_inner(),
            }),
        }
    }

    fn report(&self, block: u32, Failure { pc, warp, violation }: Failure) -> Report {
        let place = |pc| self.program.place(pc);
        let text = |pc| self.program.text(pc);
        let thread = warp * 32 + violation.lane;
        self.names(&place, &text).report(block, thread, pc, violation.fault)
    }

    /// Takes clusters until none is left.
    fn work(&self, progress: &Progress) {
        let mut worker = Worker { running: Vec::new(), idle: Vec::new(), room: 1, at: 0 };
        loop {
            if progress.failed.load(Relaxed) {
                break;
            }
            if worker.running.len() < worker.room
                && let Some(index) = self.claim(progress)
            {
                worker.begin(self, index);
            }
            if worker.running.is_empty() {
                break;
            }
            self.slice(&mut worker, progress);
        }
        let all = worker.running.iter().chain(&worker.idle);
        let warps = all.flat_map(Cluster::blocks).flat_map(|it| &it.warps);
        let lane_steps = warps.map(|it| it.lane_steps).sum();
        progress.lane_steps.fetch_add(lane_steps, Relaxed);
    }

    fn claim(&self, progress: &Progress) -> Option<u32> {
        let end = self.clusters().iter().product();
        // A plain increment could wrap around for the largest grids.
        let next = progress.next.fetch_update(Relaxed, Relaxed, |it| (it < end).then(|| it + 1));
        next.ok()
    }

    /// Runs the cluster whose turn it is for a while.
    fn slice(&self, worker: &mut Worker, progress: &Progress) {
        worker.at %= worker.running.len();
        let cluster = &mut worker.running[worker.at];
        let mut budget = SLICE;
        let stop = cluster.run(self, &mut budget);
        let block = &cluster.block;
        let index = block.state.index;
        let steps = progress.steps.fetch_add(SLICE - budget, Relaxed) + (SLICE - budget);
        match stop {
            Err(failure) => progress.fail(index, failure),
            Ok(BlockStop::Done) => {
                let cluster = worker.running.swap_remove(worker.at);
                worker.idle.push(cluster);
                worker.room = worker.running.len().max(1);
            }
            Ok(BlockStop::Turn { .. }) if steps > self.step_limit => {
                let warp = block.warps.iter().find(|it| !it.groups.is_empty());
                let group = warp.and_then(|it| it.groups.first().map(|group| (it.index, group.pc)));
                let (warp, pc) = group.unwrap_or_default();
                let fault: Fault<Party> = Fault::StepLimit { limit: self.step_limit };
                let violation = Box::new(Violation { lane: 0, fault });
                progress.fail(index, Failure { pc, warp, violation });
            }
            Ok(BlockStop::Turn { .. }) => {
                worker.at += 1;
                // Everybody had a turn and nobody finished: one more may be what they wait for.
                if worker.at >= worker.running.len() {
                    worker.room = worker.running.len() + worker.running.len().div_ceil(2);
                }
            }
        }
    }

    /// Fills the rows of special registers, in the block with linear index `block`.
    pub(crate) fn fill_specials(&self, regs: &mut Registers, warp: u32, block: u32) {
        let block = self.coordinates(block);
        for (special, file, slot) in &self.program.template.specials {
            let row: [u64; WARP] =
                std::array::from_fn(|lane| self.special(*special, warp, lane as u32, block));
            store_any(regs, (*file, *slot), u32::MAX, |lane| row[lane]);
        }
    }

    fn special(&self, special: Special, warp: u32, lane: u32, block: [u32; 3]) -> u64 {
        let thread = warp * 32 + lane;
        let [x, y, _] = self.block;
        let cluster: [u32; 3] = std::array::from_fn(|axis| block[axis] / self.cluster[axis]);
        let inside: [u32; 3] = std::array::from_fn(|axis| block[axis] % self.cluster[axis]);
        let value = match special {
            Special::TidX => thread % x,
            Special::TidY => thread / x % y,
            Special::TidZ => thread / x / y,
            Special::NtidX => self.block[0],
            Special::NtidY => self.block[1],
            Special::NtidZ => self.block[2],
            Special::CtaidX => block[0],
            Special::CtaidY => block[1],
            Special::CtaidZ => block[2],
            Special::NctaidX => self.grid[0],
            Special::NctaidY => self.grid[1],
            Special::NctaidZ => self.grid[2],
            Special::ClusteridX => cluster[0],
            Special::ClusteridY => cluster[1],
            Special::ClusteridZ => cluster[2],
            Special::NclusteridX => self.clusters()[0],
            Special::NclusteridY => self.clusters()[1],
            Special::NclusteridZ => self.clusters()[2],
            Special::ClusterCtaidX => inside[0],
            Special::ClusterCtaidY => inside[1],
            Special::ClusterCtaidZ => inside[2],
            Special::ClusterCtarank => {
                (inside[2] * self.cluster[1] + inside[1]) * self.cluster[0] + inside[0]
            }
            Special::ClusterNctaidX => self.cluster[0],
            Special::ClusterNctaidY => self.cluster[1],
            Special::ClusterNctaidZ => self.cluster[2],
            Special::ClusterNctarank => self.cluster.iter().product(),
            Special::Laneid => lane,
            Special::Warpid => warp,
            Special::Nwarpid | Special::WarpSize => 32,
            Special::Smid => rayon::current_thread_index().unwrap_or(0) as u32,
            Special::Nsmid => rayon::current_num_threads() as u32,
            Special::Gridid => return self.number,
            Special::LanemaskEq => 1 << lane,
            Special::LanemaskLe => u32::MAX >> (31 - lane),
            Special::LanemaskLt => (1 << lane) - 1,
            Special::LanemaskGe => u32::MAX << lane,
            Special::LanemaskGt => (u32::MAX << lane) << 1,
            Special::DynamicSmemSize => self.dynamic_shared,
            Special::TotalSmemSize => self.shared_bytes,
            Special::Clock
            | Special::ClockHi
            | Special::Clock64
            | Special::Globaltimer
            | Special::GlobaltimerLo
            | Special::GlobaltimerHi => unreachable!("`mov` reads the clocks when it runs"),
        };
        value.into()
    }
}

/// The clusters that one host thread has begun.
struct Worker {
    running: Vec<Cluster>,
    idle: Vec<Cluster>,
    /// How many may run.
    room: usize,
    at: usize,
}

impl Worker {
    fn begin(&mut self, launch: &Launch<'_>, index: u32) {
        let mut cluster = self.idle.pop().unwrap_or_else(|| Cluster::new(launch));
        cluster.begin(launch, index);
        self.running.push(cluster);
    }
}

impl Progress {
    fn fail(&self, block: u32, failure: Failure) {
        self.failed.store(true, Relaxed);
        let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if first.as_ref().is_none_or(|it| block < it.0) {
            *first = Some((block, failure));
        }
    }
}
