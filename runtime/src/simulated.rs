//! The simulator as a backend: what a stream does on it, and its limits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::device::{DeviceInfo, Limits};
use crate::error::{Error, PtxFailure, Result};
use crate::expansion::KernelDef;
use crate::sim::{Sim, SimKernel, SimModule, SimOptions};

/// One simulated device. Everything on it runs at once, in the calling thread.
#[derive(Debug)]
pub(crate) struct Simulated {
    sim: Sim,
    pub(crate) info: DeviceInfo,
    /// The loaded kernels, by the address of their definition.
    kernels: Mutex<HashMap<usize, Arc<SimKernel>>>,
}

/// One launch, copy or fill, as a capture records it.
#[derive(Debug)]
pub(crate) enum Op {
    Launch {
        kernel: Arc<SimKernel>,
        grid: [u32; 3],
        block: [u32; 3],
        dynamic_shared: u32,
        arguments: Vec<u64>,
    },
    Copy {
        to: u64,
        from: u64,
        bytes: u64,
    },
    Clear {
        address: u64,
        bytes: u64,
    },
}

impl Simulated {
    pub(crate) fn new(options: SimOptions) -> Self {
        let info = describe(&options);
        Self { sim: Sim::new(options), info, kernels: Mutex::default() }
    }

    pub(crate) fn alloc(&self, bytes: u64) -> u64 {
        self.sim.alloc(bytes)
    }

    pub(crate) fn free(&self, address: u64) -> Result<()> {
        Ok(self.sim.free(address)?)
    }

    pub(crate) fn write(&self, to: u64, from: &[u8]) -> Result<()> {
        Ok(self.sim.write(to, from)?)
    }

    pub(crate) fn read(&self, to: &mut [u8], from: u64) -> Result<()> {
        Ok(self.sim.read(from, to)?)
    }

    /// Does one operation.
    pub(crate) fn run(&self, op: &Op) -> Result<()> {
        match op {
            Op::Launch { kernel, grid, block, dynamic_shared, arguments } => self
                .sim
                .launch(kernel, *grid, *block, *dynamic_shared, arguments)
                .map(|_stats| ())
                .map_err(Error::Sim),
            Op::Copy { to, from, bytes } => Ok(self.sim.memory().copy(*to, *from, *bytes)?),
            Op::Clear { address, bytes } => Ok(self.sim.memory().fill(*address, 0, *bytes)?),
        }
    }

    /// Decodes PTX text. `kernel` names it in errors.
    pub(crate) fn load(&self, ptx: &str, kernel: Option<&'static str>) -> Result<SimModule> {
        self.sim.load(ptx).map_err(|error| {
            let source =
                error.line.and_then(|line| ptx.lines().nth(line.saturating_sub(1) as usize));
            Error::Ptx(Box::new(PtxFailure {
                kernel,
                device: self.info.name.clone(),
                log: error.message,
                line: error.line,
                source: source.map(str::to_owned),
            }))
        })
    }

    /// The kernel of a definition, decoded at first use.
    pub(crate) fn kernel(&self, def: &'static KernelDef) -> Result<Arc<SimKernel>> {
        let key = std::ptr::from_ref(def).addr();
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = kernels.get(&key) {
            return Ok(Arc::clone(kernel));
        }
        let kernel = Arc::new(entry(&self.load(def.ptx(), Some(def.name()))?, def.name())?);
        kernels.insert(key, Arc::clone(&kernel));
        Ok(kernel)
    }
}

/// The entry `name` of a decoded module.
pub(crate) fn entry(module: &SimModule, name: &str) -> Result<SimKernel> {
    let missing = || Error::NoKernel { name: name.to_owned(), have: Vec::new() };
    module.kernel(name).ok_or_else(missing)
}

/// The limits of Hopper, whatever architecture is asked for: those of older ones are no larger in
/// threads and grids, and a kernel that needs more shared memory than they have is still correct.
fn describe(options: &SimOptions) -> DeviceInfo {
    DeviceInfo {
        name: "simulator".to_owned(),
        compute_capability: (options.sm / 10, options.sm % 10),
        total_memory: host_memory().1 as usize,
        multiprocessors: rayon::current_num_threads() as u32,
        warp_size: 32,
        limits: Limits {
            threads_per_block: 1024,
            block: [1024, 1024, 64],
            grid: [i32::MAX as u32, 65535, 65535],
            shared_per_block: 227 << 10,
            registers_per_block: 65536,
        },
    }
}

/// Free and total bytes of the host's memory, which is what simulated devices use; 0 where the
/// system does not say.
pub(crate) fn host_memory() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_end_matches("kB").trim().parse().ok()
    };
    let bytes = |name| kilobytes(name).unwrap_or(0) * 1024;
    (bytes("MemAvailable:"), bytes("MemTotal:"))
}
