//! All that the output of `#[gpu_kernel]` may name. Not for people: it changes without notice.

pub use firesteel_macros::__link as link;

pub use crate::__firesteel_nothing as nothing;

/// What asks whether there is a device function of a name, and wants nothing else of it.
#[macro_export]
#[doc(hidden)]
macro_rules! __firesteel_nothing {
    ($($tokens:tt)*) => {};
}

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::backend::Queue;
use crate::buffer::GpuBuffer;
use crate::cuda::{Context, Function, MAX_DEVICES, RawModule};
use crate::dispatch::{self, Behind, Launch};
pub use bytemuck;

pub use crate::element::DeviceStruct;
use crate::element::{DeviceCopy, DeviceScalar};
use crate::error::Result;
use crate::launch::LaunchConfig;
use crate::simulated::Op;
use crate::stream::Stream;
use crate::tensor_map::{TensorMap, TensorMapMut};

/// The kinds of parameter that a kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// One PTX parameter.
    Scalar,
    /// Two PTX parameters: address and length in elements.
    Slice,
    /// As `Slice`, and the kernel may write.
    SliceMut,
    /// One PTX parameter of 128 bytes.
    TensorMap,
    /// As `TensorMap`, and the kernel may write.
    TensorMapMut,
}

impl ParamKind {
    /// How many PTX parameters it has.
    const fn arguments(self) -> usize {
        match self {
            Self::Scalar | Self::TensorMap | Self::TensorMapMut => 1,
            Self::Slice | Self::SliceMut => 2,
        }
    }
}

/// A kernel's parameter, as its author wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamDef {
    /// Its name.
    pub name: &'static str,
    /// Its type, of a slice or tensor map the element's.
    pub ty: &'static str,
    /// Its kind.
    pub kind: ParamKind,
}

/// A place in a kernel that can fail or print; kernels name it by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// The source file.
    pub file: &'static str,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is there.
    pub kind: SiteKind,
}

/// What is at a [`Site`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteKind {
    /// An index; it records the index and the length.
    Bounds {
        /// The name of what is indexed.
        array: &'static str,
    },
    /// An integer division or remainder.
    DivisionByZero,
    /// An `assert!`.
    Assert {
        /// Its message, or its condition.
        message: &'static str,
    },
    /// A print.
    Print {
        /// Its format string, see `print.rs`.
        format: &'static str,
        /// The types of its values.
        args: &'static [PrintArg],
    },
}

/// The type of a printed value, which the log holds in the low bits of 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the Rust type of its name")]
pub enum PrintArg {
    Bool,
    U8,
    U16,
    U32,
    U64,
    Usize,
    I8,
    I16,
    I32,
    I64,
    Isize,
    E4m3,
    E5m2,
    F16,
    Bf16,
    F32,
    F64,
}

/// What [`KernelDef::new`] takes.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "each is a method of `KernelDef`")]
pub struct KernelSpec {
    pub name: &'static str,
    pub file: &'static str,
    pub line: u32,
    pub ptx: &'static str,
    pub block: [u32; 3],
    pub cluster: [u32; 3],
    pub params: &'static [ParamDef],
    pub sites: &'static [Site],
    pub uses_channel: bool,
    pub static_shared: u32,
    pub reserved_shared: u32,
}

/// A compiled kernel: its text, what the host must know of it, and where it has been loaded.
#[derive(Debug)]
pub struct KernelDef {
    spec: KernelSpec,
    arguments: usize,
    /// The kernel's number in the channel; 0 until it is first asked for.
    id: AtomicU32,
    loaded: [OnceLock<Function>; MAX_DEVICES],
}

impl KernelDef {
    /// A kernel that is not loaded anywhere.
    #[must_use]
    pub const fn new(spec: KernelSpec) -> Self {
        let mut arguments = if spec.uses_channel { 2 } else { 0 };
        let mut param = 0;
        while param < spec.params.len() {
            arguments += spec.params[param].kind.arguments();
            param += 1;
        }
        let loaded = [const { OnceLock::new() }; MAX_DEVICES];
        Self { spec, arguments, id: AtomicU32::new(0), loaded }
    }

    /// The kernel's name, which is also its PTX entry.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.spec.name
    }

    /// The source file.
    #[must_use]
    pub fn file(&self) -> &'static str {
        self.spec.file
    }

    /// The line of the kernel's name.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.spec.line
    }

    /// The PTX text.
    #[must_use]
    pub fn ptx(&self) -> &'static str {
        self.spec.ptx
    }

    /// Threads of a block.
    #[must_use]
    pub fn block(&self) -> [u32; 3] {
        self.spec.block
    }

    /// Blocks of a cluster.
    #[must_use]
    pub fn cluster(&self) -> [u32; 3] {
        self.spec.cluster
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &'static [ParamDef] {
        self.spec.params
    }

    /// The places that can fail or print.
    #[must_use]
    pub fn sites(&self) -> &'static [Site] {
        self.spec.sites
    }

    /// Bytes of static shared memory.
    #[must_use]
    pub fn static_shared(&self) -> u32 {
        self.spec.static_shared
    }

    /// Bytes of dynamic shared memory that every launch adds for the kernel's own arrays.
    #[must_use]
    pub fn reserved_shared(&self) -> u32 {
        self.spec.reserved_shared
    }

    /// The kernel's number, given at first use.
    pub(crate) fn id(&'static self) -> u32 {
        match self.id.load(Ordering::Acquire) {
            0 => register(self),
            id => id,
        }
    }

    /// The kernel on a CUDA device, loaded at first use.
    #[inline]
    pub(crate) fn function(&'static self, context: &'static Context) -> Result<&'static Function> {
        match self.loaded[context.ordinal].get() {
            Some(function) => Ok(function),
            None => self.load(context),
        }
    }

    #[cold]
    fn load(&'static self, context: &'static Context) -> Result<&'static Function> {
        let slot = &self.loaded[context.ordinal];
        let _loading = Function::loading(context);
        if let Some(function) = slot.get() {
            return Ok(function);
        }
        let module = RawModule::load(context, self.spec.ptx, Some(self.spec.name))?;
        let function = module.function(self.spec.name, self.spec.cluster)?;
        Ok(slot.get_or_init(|| function))
    }
}

/// The kernels that have numbers, in their order from 1.
static KERNELS: Mutex<Vec<&'static KernelDef>> = Mutex::new(Vec::new());

#[cold]
fn register(kernel: &'static KernelDef) -> u32 {
    let mut kernels = KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = kernel.id.load(Ordering::Acquire);
    if known != 0 {
        return known;
    }
    kernels.push(kernel);
    let id = kernels.len() as u32;
    kernel.id.store(id, Ordering::Release);
    id
}

/// The kernel of a number.
pub(crate) fn kernel_of(id: u32) -> Option<&'static KernelDef> {
    let kernels = KERNELS.lock().unwrap_or_else(PoisonError::into_inner);
    kernels.get((id as usize).checked_sub(1)?).copied()
}

/// The arguments of one launch. `N` is the number of PTX parameters, the channel's two included.
#[derive(Debug)]
pub struct Args<'a, const N: usize> {
    values: [u64; N],
    behind: [Behind<'a>; N],
    len: usize,
}

impl<'a, const N: usize> Args<'a, N> {
    /// No arguments yet, for `kernel`.
    ///
    /// # Panics
    /// If `N` is not the kernel's number of PTX parameters, which is a defect of the macro.
    #[inline]
    #[must_use]
    pub fn new(kernel: &KernelDef) -> Self {
        assert_eq!(N, kernel.arguments, "PTX parameters of kernel `{}`", kernel.spec.name);
        Self { values: [0; N], behind: [Behind::Nothing; N], len: 0 }
    }

    /// Adds a slice that the kernel reads.
    ///
    /// # Errors
    /// None at present: the launch compares the buffer's device with the stream's.
    #[inline]
    pub fn slice<T: DeviceCopy>(&mut self, _name: &str, buffer: &'a GpuBuffer<T>) -> Result<()> {
        self.behind[self.len] = Behind::Memory(buffer.memory());
        self.push(buffer.address());
        self.push(buffer.len() as u64);
        Ok(())
    }

    /// Adds a slice that the kernel writes.
    ///
    /// # Errors
    /// As [`Args::slice`].
    #[inline]
    pub fn slice_mut<T: DeviceCopy>(
        &mut self,
        name: &str,
        buffer: &'a mut GpuBuffer<T>,
    ) -> Result<()> {
        self.slice(name, buffer)
    }

    /// Adds a tensor that the kernel reads.
    #[inline]
    pub fn tensor_map<T, const RANK: usize>(&mut self, map: &'a TensorMap<'_, T, RANK>) {
        self.behind[self.len] = Behind::Map(map.map());
        self.push(0);
    }

    /// Adds a tensor that the kernel writes.
    #[inline]
    pub fn tensor_map_mut<T, const RANK: usize>(&mut self, map: &'a mut TensorMapMut<'_, T, RANK>) {
        self.behind[self.len] = Behind::Map(map.map());
        self.push(0);
    }

    /// Adds a scalar.
    #[inline]
    pub fn scalar<T: DeviceScalar>(&mut self, value: T) {
        self.push(value.argument());
    }

    #[inline]
    fn push(&mut self, value: u64) {
        self.values[self.len] = value;
        self.len += 1;
    }
}

/// Puts a launch on a stream, with the block that the kernel was compiled for.
///
/// # Errors
/// Those of the checks before the launch, of loading the kernel and of the driver; on the
/// simulator also those of the run.
#[inline]
pub fn launch<const N: usize>(
    kernel: &'static KernelDef,
    stream: &Stream,
    config: LaunchConfig,
    mut args: Args<'_, N>,
) -> Result<()> {
    let mut pointers: [*mut c_void; N] = [ptr::null_mut(); N];
    let set = if kernel.spec.uses_channel { N - 2 } else { N };
    assert_eq!(args.len, set, "arguments of kernel `{}`", kernel.spec.name);
    launch_dynamic(kernel, stream, config, (&mut args.values, &args.behind), &mut pointers)
}

/// The time of `count` calls of the driver's own launch with these arguments, for comparison with
/// as many of [`launch`]; none on the simulator.
///
/// # Errors
/// As [`launch`].
pub fn time_raw_launches<const N: usize>(
    kernel: &'static KernelDef,
    stream: &Stream,
    config: LaunchConfig,
    mut args: Args<'_, N>,
    count: u32,
) -> Result<Option<Duration>> {
    let mut pointers: [*mut c_void; N] = [ptr::null_mut(); N];
    let (values, behind, block) = (&mut args.values, &args.behind, kernel.spec.block);
    launch_dynamic(kernel, stream, config, (values, behind), &mut pointers)?;
    match &stream.state()?.queue {
        Queue::Cuda(queue) => {
            let function = kernel.function(queue.context())?;
            let (args, pointers) = ((&values[..], &behind[..]), &mut pointers);
            function.time_raw_launches(queue, &config, block, args, pointers, count).map(Some)
        }
        Queue::Sim(_) => Ok(None),
    }
}

/// [`launch`] for any number of arguments, so that there is one of it.
fn launch_dynamic(
    kernel: &'static KernelDef,
    stream: &Stream,
    config: LaunchConfig,
    (values, behind): (&mut [u64], &[Behind<'_>]),
    pointers: &mut [*mut c_void],
) -> Result<()> {
    let dynamic_shared = config.dynamic_shared.saturating_add(kernel.spec.reserved_shared);
    let config = LaunchConfig { dynamic_shared, ..config };
    let KernelSpec { name, block, cluster, .. } = kernel.spec;
    let launch = Launch { name, config, block, cluster, behind };
    let Some(ready) = launch.prepare(stream, |at| argument_name(kernel, at))? else {
        return Ok(());
    };
    if kernel.spec.uses_channel {
        let channel = ready.channel()?;
        let at = values.len() - 2;
        values[at] = channel;
        values[at + 1] = u64::from(kernel.id());
    }
    match &ready.state.queue {
        Queue::Cuda(queue) => {
            let function = kernel.function(queue.context())?;
            dispatch::on_cuda(&launch, &ready, (function, queue), values, pointers)
        }
        Queue::Sim(sim) => {
            let threads = sim.info.limits.threads_per_block;
            let loaded = sim.kernel(kernel)?;
            launch.check(&sim.info.limits, threads, loaded.static_shared())?;
            let op = Op::Launch {
                kernel: loaded,
                grid: config.grid,
                block: kernel.spec.block,
                dynamic_shared: config.dynamic_shared,
                arguments: dispatch::words(values, behind),
            };
            ready.recording.get().or_run(sim, op)
        }
    }
}

/// Name of the parameter that the PTX parameter `at` belongs to.
fn argument_name(kernel: &KernelDef, at: usize) -> &'static str {
    let mut next = 0;
    for param in kernel.spec.params {
        next += param.kind.arguments();
        if at < next {
            return param.name;
        }
    }
    "channel"
}

/// Which struct the elements of a slice are that a kernel takes: `PARAM` stands for its name.
pub trait Element<const PARAM: u64> {
    /// The struct.
    type Element: DeviceCopy;
}
