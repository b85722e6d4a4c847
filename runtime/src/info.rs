//! What a device made of a kernel.

use std::fmt;
use std::time::Duration;

use crate::backend::Backend;
use crate::device::Device;
use crate::error::Result;
use crate::expansion::KernelDef;

/// What a kernel takes on a device, see `info` in the module of a kernel.
///
/// What only a GPU's own compiler decides is `None` on the simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelInfo {
    /// The kernel.
    pub name: &'static str,
    /// The device's name.
    pub device: String,
    /// Threads of a block.
    pub block: [u32; 3],
    /// Blocks of a cluster.
    pub cluster: [u32; 3],
    /// Bytes of the PTX text.
    pub ptx_bytes: usize,
    /// Registers of a thread.
    pub registers: Option<u32>,
    /// Bytes of local memory of a thread: registers that did not fit, and arrays.
    pub local_bytes: Option<u32>,
    /// Bytes of shared memory that the kernel declares.
    pub static_shared: u32,
    /// Bytes of dynamic shared memory of a block that this is about.
    pub dynamic_shared: u32,
    /// Most threads that a block may have, given its registers.
    pub max_threads: Option<u32>,
    /// How many fit a multiprocessor.
    pub occupancy: Option<Occupancy>,
    /// The time that the driver took to compile and load the kernel; less where it found it in its
    /// own cache on disk.
    pub load_time: Option<Duration>,
}

/// How much of a kernel a multiprocessor holds at once. Clusters, whose blocks begin together, may
/// leave room unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupancy {
    /// Blocks.
    pub blocks: u32,
    /// Their warps.
    pub warps: u32,
    /// The warps that the multiprocessor has room for.
    pub max_warps: u32,
}

impl KernelDef {
    /// What the kernel takes on a device, where it is loaded for that.
    ///
    /// # Errors
    /// Those of loading the kernel, and errors of the driver.
    pub fn info(&'static self, device: &Device, dynamic_shared: u32) -> Result<KernelInfo> {
        let info = KernelInfo {
            name: self.name(),
            device: device.info()?.name,
            block: self.block(),
            cluster: self.cluster(),
            ptx_bytes: self.ptx().len(),
            registers: None,
            local_bytes: None,
            static_shared: self.static_shared(),
            dynamic_shared,
            max_threads: None,
            occupancy: None,
            load_time: None,
        };
        match device.backend() {
            Backend::Sim(sim) => {
                let static_shared = sim.kernel(self)?.static_shared();
                Ok(KernelInfo { static_shared, ..info })
            }
            Backend::Cuda(context) => {
                let function = self.function(context)?;
                let threads = info.block.iter().product();
                let blocks = function.blocks_per_multiprocessor(threads, dynamic_shared)?;
                let warp = context.info.warp_size;
                Ok(KernelInfo {
                    registers: Some(function.registers()?),
                    local_bytes: Some(function.local_bytes()?),
                    static_shared: function.static_shared,
                    max_threads: Some(function.threads_per_block),
                    occupancy: Some(Occupancy {
                        blocks,
                        warps: blocks * threads.div_ceil(warp),
                        max_warps: context.threads_per_multiprocessor()? / warp,
                    }),
                    load_time: Some(function.module().load_time),
                    ..info
                })
            }
        }
    }
}

impl fmt::Display for KernelInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = || "unknown here".to_owned();
        let number = |it: Option<u32>| it.map_or_else(unknown, |it| it.to_string());
        let occupancy =
            self.occupancy.map_or_else(unknown, |Occupancy { blocks, warps, max_warps }| {
                format!("{blocks} blocks, {warps} of {max_warps} warps a multiprocessor")
            });
        let load = |it: Duration| format!("{:.1} ms", it.as_secs_f64() * 1e3);
        writeln!(f, "{} on {}", self.name, self.device)?;
        writeln!(f, "block            {:?}, clusters of {:?}", self.block, self.cluster)?;
        writeln!(f, "registers        {}", number(self.registers))?;
        writeln!(f, "local memory     {} bytes a thread", number(self.local_bytes))?;
        writeln!(
            f,
            "shared memory    {} bytes static, {} dynamic",
            self.static_shared, self.dynamic_shared
        )?;
        writeln!(f, "largest block    {} threads", number(self.max_threads))?;
        writeln!(f, "occupancy        {occupancy}")?;
        writeln!(f, "PTX              {} bytes", self.ptx_bytes)?;
        write!(f, "loading took     {}", self.load_time.map_or_else(unknown, load))
    }
}
