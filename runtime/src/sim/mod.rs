//! The simulator: runs PTX on the CPU, thread by thread, and checks what each thread does.
//!
//! | module | what |
//! | --- | --- |
//! | [`Sim`] | the device: memory, modules, launches |
//! | `module` | PTX text to kernels that can be launched |
//! | `link` | functions laid out, labels and symbols resolved, registers given rows |
//! | `exec` | each instruction as an action over rows |
//! | `program`, `registers` | what the two meet in |
//! | `launch` | blocks over the host's threads |
//! | `cluster` | blocks taking turns, and how they reach each other |
//! | `block`, `stuck` | warps taking turns, barriers, and what to say if nobody can go on |
//! | `warp`, `call` | lanes: divergence, convergence, calls |
//! | `asynchrony`, `bulk`, `mbarrier` | background copies, barriers in memory |
//! | `warpgroup`, `proxy` | matrix instructions under way, what they may see of memory |
//! | [`tensor_map`] | tensors that copies move boxes of |
//! | [`memory`], [`race`] | memories and their checks |
//! | [`num`] | arithmetic to the bit |
//! | [`report`] | what was found wrong |
//!
//! ```
//! use firesteel::sim::{Sim, SimOptions};
//!
//! let sim = Sim::new(SimOptions::default());
//! let module = sim.load(
//!     ".version 7.0\n.target sm_70\n.address_size 64\n\
//!      .visible .entry set(.param .u64 to) {\n\
//!          .reg .b64 %rd<2>;\n\
//!          ld.param.u64 %rd1, [to];\n\
//!          st.global.u32 [%rd1], 42;\n\
//!          ret;\n\
//!      }",
//! )?;
//! let to = sim.alloc(4);
//! let kernel = module.kernel("set").ok_or("no such kernel")?;
//! sim.launch(&kernel, [1; 3], [1; 3], 0, &[to])?;
//! let mut value = [0; 4];
//! sim.read(to, &mut value)?;
//! assert_eq!(u32::from_le_bytes(value), 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asynchrony;
mod block;
mod bulk;
mod call;
mod cluster;
mod exec;
mod launch;
mod link;
mod mbarrier;
pub mod memory;
mod module;
pub mod num;
mod program;
mod proxy;
pub mod race;
mod registers;
pub mod report;
mod stuck;
pub mod tensor_map;
mod warp;
mod warpgroup;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

pub use launch::LaunchStats;
use launch::{Launch, launch_params};
pub use memory::HostError;
use memory::Memory;
pub use module::{SimError, SimKernel, SimModule};
use report::{Fault, Report};

/// What is checked while a kernel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checks {
    /// Everything.
    All,
    /// Only what the simulator itself needs: bounds, alignment, divergence.
    None,
}

/// How a simulated device behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOptions {
    /// What is checked.
    pub checks: Checks,
    /// Instructions that a launch may execute, counted once a warp, before it counts as hanging.
    pub step_limit: u64,
    /// The architecture that it stands for: 90 for `sm_90`.
    pub sm: u32,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self { checks: Checks::All, step_limit: 1 << 36, sm: 90 }
    }
}

/// Largest block.
const MAX_THREADS: u64 = 1024;
/// Largest shared memory of a block in bytes: that of Hopper, 227 KiB.
const MAX_SHARED: u64 = 227 << 10;

/// A simulated device. Launches are synchronous; several host threads may use one device.
#[derive(Debug)]
pub struct Sim {
    options: SimOptions,
    memory: Arc<Memory>,
    launches: AtomicU64,
    start: Instant,
}

impl Sim {
    /// A device with empty memory.
    #[must_use]
    pub fn new(options: SimOptions) -> Self {
        let memory = Arc::new(Memory::new(options.checks == Checks::All));
        Self { options, memory, launches: AtomicU64::new(0), start: Instant::now() }
    }

    /// Its options.
    #[must_use]
    pub fn options(&self) -> &SimOptions {
        &self.options
    }

    /// Its global memory.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Allocates `bytes` bytes, aligned to 256.
    #[must_use]
    pub fn alloc(&self, bytes: u64) -> u64 {
        self.memory.alloc(bytes)
    }

    /// Frees the allocation that begins at `address`.
    ///
    /// # Errors
    /// If none does.
    pub fn free(&self, address: u64) -> Result<(), HostError> {
        self.memory.free(address)
    }

    /// Copies from the device.
    ///
    /// # Errors
    /// If the range is not inside one live allocation.
    pub fn read(&self, address: u64, to: &mut [u8]) -> Result<(), HostError> {
        self.memory.read(address, to)
    }

    /// Copies to the device.
    ///
    /// # Errors
    /// If the range is not inside one live allocation.
    pub fn write(&self, address: u64, from: &[u8]) -> Result<(), HostError> {
        self.memory.write(address, from)
    }

    /// Reads a module: parses, verifies and decodes it, and places its variables.
    ///
    /// # Errors
    /// What is wrong with the text, or what the simulator does not do.
    pub fn load(&self, ptx: &str) -> Result<SimModule, SimError> {
        SimModule::load(&self.memory, self.options.sm, ptx)
    }

    /// Runs a kernel to its end. `args` holds a value for each parameter, in the low bits; a
    /// parameter of more than 8 bytes takes a word for each 8 of them.
    ///
    /// # Errors
    /// The first violation, or what is wrong with the launch itself.
    pub fn launch(
        &self,
        kernel: &SimKernel,
        grid: [u32; 3],
        block: [u32; 3],
        dynamic_shared: u32,
        args: &[u64],
    ) -> Result<LaunchStats, Box<Report>> {
        let cluster = kernel.program().cluster.unwrap_or([1; 3]);
        self.launch_clusters(kernel, (grid, cluster), block, dynamic_shared, args)
    }

    /// [`Sim::launch`], in clusters of that size: what the cluster attribute of a launch says. A
    /// kernel with `.reqnctapercluster` takes no other.
    ///
    /// # Errors
    /// The first violation, or what is wrong with the launch itself.
    pub fn launch_clusters(
        &self,
        kernel: &SimKernel,
        (grid, cluster): ([u32; 3], [u32; 3]),
        block: [u32; 3],
        dynamic_shared: u32,
        args: &[u64],
    ) -> Result<LaunchStats, Box<Report>> {
        let program = kernel.program();
        let shared = u64::from(program.dynamic_start) + u64::from(dynamic_shared);
        let unused = program.extent.shared == 0 && dynamic_shared == 0;
        self.check(kernel, grid, block, args)
            .and_then(|()| check_cluster(program.cluster, grid, cluster))
            .and_then(|()| match shared <= MAX_SHARED {
                true => Ok(()),
                false => Err(format!("wants {shared} bytes of shared memory, of {MAX_SHARED}")),
            })
            .map_err(|reason| refusal(kernel, reason))?;
        let blocks = grid.iter().product();
        let launch = Launch {
            program,
            memory: &self.memory,
            global: self.memory.view(),
            sync: self.memory.begin_launch(blocks),
            params: launch_params(program, args),
            grid,
            cluster,
            block,
            shared_bytes: if unused { 0 } else { shared as u32 },
            dynamic_shared,
            shared_variables: program.shared_variables.clone().into(),
            checked: self.options.checks == Checks::All,
            step_limit: self.options.step_limit,
            number: self.launches.fetch_add(1, Relaxed),
            start: self.start,
        };
        launch.run()
    }

    /// Whether the shape of a launch is possible.
    fn check(
        &self,
        kernel: &SimKernel,
        grid: [u32; 3],
        block: [u32; 3],
        args: &[u64],
    ) -> Result<(), String> {
        let program = kernel.program();
        let words: usize = program.params.iter().map(|it| it.words()).sum();
        if args.len() != words {
            return Err(format!("wants {words} words of arguments, got {}", args.len()));
        }
        let size = |of: [u32; 3]| of.iter().map(|it| u64::from(*it)).product::<u64>();
        let largest = program.max_threads.map_or(MAX_THREADS, |it| size(it).min(MAX_THREADS));
        if size(block) == 0 || size(block) > largest {
            return Err(format!("wants blocks of 1 to {largest} threads, got {block:?}"));
        }
        if let Some(required) = program.required_threads
            && required.map(|it| it.max(1)) != block
        {
            return Err(format!("wants blocks of {required:?} threads, got {block:?}"));
        }
        if size(grid) == 0 || size(grid) >= u32::MAX.into() {
            return Err(format!("wants a grid of at least one block, got {grid:?}"));
        }
        Ok(())
    }
}

/// Whether a grid can have such clusters.
fn check_cluster(
    required: Option<[u32; 3]>,
    grid: [u32; 3],
    cluster: [u32; 3],
) -> Result<(), String> {
    let blocks: u64 = cluster.iter().map(|it| u64::from(*it)).product();
    if blocks == 0 || blocks > cluster::MAX_BLOCKS {
        let most = cluster::MAX_BLOCKS;
        return Err(format!("wants clusters of 1 to {most} blocks, got {cluster:?}"));
    }
    if let Some(required) = required
        && required != cluster
    {
        return Err(format!("wants clusters of {required:?} blocks, got {cluster:?}"));
    }
    if (0..3).any(|axis| !grid[axis].is_multiple_of(cluster[axis])) {
        return Err(format!("wants a grid of whole clusters of {cluster:?} blocks, got {grid:?}"));
    }
    Ok(())
}

fn refusal(kernel: &SimKernel, reason: String) -> Box<Report> {
    let kernel = kernel.name().to_owned();
    let fault = Fault::Illegal { reason };
    Box::new(Report { kernel, fault, place: None, instruction: None, thread: None })
}
