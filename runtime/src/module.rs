//! PTX that was not compiled here: loaded by its text, launched by name.

use std::ffi::c_void;
use std::fmt;
use std::ptr;
use std::sync::Arc;

use crate::backend::{Backend, Queue};
use crate::buffer::{GpuBuffer, Memory};
use crate::cuda::{Function, RawModule};
use crate::device::Device;
use crate::dispatch::{self, Launch};
use crate::element::DeviceCopy;
use crate::error::{Error, Result};
use crate::launch::LaunchConfig;
use crate::signature::{self, Entry};
use crate::sim_seam::{SimKernel, SimModule};
use crate::simulated::{self, Op};
use crate::stream::Stream;

impl Device {
    /// Loads PTX text: compiles it on a GPU, decodes it on the simulator.
    ///
    /// ```no_run
    /// use firesteel::{Arg, Device, Grid};
    ///
    /// # fn main() -> firesteel::Result<()> {
    /// const FILL: &str = "
    ///     .version 7.0
    ///     .target sm_70
    ///     .address_size 64
    ///     .visible .entry fill(.param .u64 to, .param .u32 value) {
    ///         .reg .b32 %r<3>;
    ///         .reg .b64 %rd<4>;
    ///         ld.param.u64 %rd1, [to];
    ///         ld.param.u32 %r1, [value];
    ///         mov.u32 %r2, %tid.x;
    ///         mul.wide.u32 %rd2, %r2, 4;
    ///         add.u64 %rd3, %rd1, %rd2;
    ///         st.global.u32 [%rd3], %r1;
    ///         ret;
    ///     }";
    /// let device = Device::new(0)?;
    /// let mut x = device.alloc_zeros::<u32>(4)?;
    /// let fill = device.load_ptx(FILL)?.kernel("fill")?;
    /// fill.launch(&device.stream(), Grid::cover(4, 4), [4, 1, 1], &[Arg::from(&mut x), Arg::from(7u32)])?;
    /// assert_eq!(x.to_host(&device)?, [7; 4]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Ptx`] with what the driver or the simulator said and the line it names.
    pub fn load_ptx(&self, ptx: &str) -> Result<Module> {
        let code = match self.backend() {
            Backend::Cuda(context) => Code::Cuda(RawModule::load(context, ptx, None)?),
            Backend::Sim(sim) => Code::Sim(Arc::new(sim.load(ptx, None)?)),
        };
        Ok(Module { device: self.clone(), entries: signature::entries(ptx), code })
    }
}

/// Loaded PTX, see [`Device::load_ptx`].
pub struct Module {
    device: Device,
    entries: Vec<Entry>,
    code: Code,
}

enum Code {
    Cuda(Arc<RawModule>),
    Sim(Arc<SimModule>),
}

impl Module {
    /// The kernel `name`.
    ///
    /// # Errors
    /// [`Error::NoKernel`] with the names that there are.
    pub fn kernel(&self, name: &str) -> Result<Kernel> {
        let entry = self.entries.iter().find(|it| it.name == name);
        let entry = entry.ok_or_else(|| Error::NoKernel {
            name: name.to_owned(),
            have: self.kernel_names().map(str::to_owned).collect(),
        })?;
        let code = match &self.code {
            Code::Cuda(module) => Entered::Cuda(module.function(name)?),
            Code::Sim(module) => Entered::Sim(Arc::new(simulated::entry(module, name)?)),
        };
        Ok(Kernel { device: self.device.clone(), entry: entry.clone(), code })
    }

    /// The names of the module's kernels.
    pub fn kernel_names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|it| it.name.as_str())
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.kernel_names().collect();
        f.debug_struct("Module").field("device", &self.device).field("kernels", &names).finish()
    }
}

/// A kernel of a [`Module`].
pub struct Kernel {
    device: Device,
    entry: Entry,
    code: Entered,
}

enum Entered {
    Cuda(Function),
    Sim(Arc<SimKernel>),
}

impl Kernel {
    /// The kernel's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// Launches the kernel on a stream, with blocks of `block` threads.
    ///
    /// Count and sizes of the arguments are compared with the PTX's parameters. What the kernel
    /// does is not: on a GPU its code may access any memory of the device, so run it on the
    /// simulator first, which checks each access.
    ///
    /// # Errors
    /// [`Error::ArgumentCount`], [`Error::ArgumentSize`], [`Error::OtherDevice`], the limits of the
    /// device, errors of the driver; on the simulator also those of the run.
    pub fn launch(
        &self,
        stream: &Stream,
        config: impl Into<LaunchConfig>,
        block: [u32; 3],
        args: &[Arg<'_>],
    ) -> Result<()> {
        self.device.same(stream.device(), || format!("the stream of kernel `{}`", self.name()))?;
        self.check_arguments(args)?;
        // Most kernels have few parameters; only more than these are put on the heap.
        const FEW: usize = 16;
        match args.len() {
            0..=FEW => {
                let mut values = [0; FEW];
                let mut memory = [None; FEW];
                let mut pointers = [ptr::null_mut(); FEW];
                let of = ..args.len();
                let scratch = (&mut values[of], &mut memory[of], &mut pointers[of]);
                self.launch_with(stream, config.into(), block, args, scratch)
            }
            count => {
                let (mut values, mut memory) = (vec![0; count], vec![None; count]);
                let mut pointers = vec![ptr::null_mut(); count];
                let scratch = (&mut *values, &mut *memory, &mut *pointers);
                self.launch_with(stream, config.into(), block, args, scratch)
            }
        }
    }

    fn launch_with<'a>(
        &self,
        stream: &Stream,
        config: LaunchConfig,
        block: [u32; 3],
        args: &[Arg<'a>],
        (values, memory, pointers): Scratch<'_, 'a>,
    ) -> Result<()> {
        for (at, arg) in args.iter().enumerate() {
            (values[at], memory[at]) = (arg.value, arg.memory);
        }
        let launch = Launch { name: self.name(), config, block, memory };
        let Some(ready) = launch.prepare(stream, |_| "")? else { return Ok(()) };
        match (&self.code, &ready.state.queue) {
            (Entered::Cuda(function), Queue::Cuda(queue)) => {
                dispatch::on_cuda(&launch, &ready, (function, queue), values, pointers)
            }
            (Entered::Sim(kernel), Queue::Sim(sim)) => {
                // The simulator knows the static shared memory and reports an excess itself.
                launch.check(&sim.info.limits, sim.info.limits.threads_per_block, 0)?;
                let op = Op::Launch {
                    kernel: Arc::clone(kernel),
                    grid: config.grid,
                    block,
                    dynamic_shared: config.dynamic_shared,
                    arguments: values.to_vec(),
                };
                ready.recording.get().or_run(sim, op)
            }
            (Entered::Cuda(_), Queue::Sim(_)) | (Entered::Sim(_), Queue::Cuda(_)) => {
                unreachable!("kernel and stream are of one device, as `launch` compares")
            }
        }
    }

    fn check_arguments(&self, args: &[Arg<'_>]) -> Result<()> {
        let params = &self.entry.params;
        if params.len() != args.len() {
            return Err(Error::ArgumentCount {
                kernel: self.name().to_owned(),
                want: params.len(),
                got: args.len(),
                signature: self.entry.signature(),
            });
        }
        for (index, (param, arg)) in params.iter().zip(args).enumerate() {
            if param.bytes != arg.bytes {
                return Err(Error::ArgumentSize {
                    kernel: self.name().to_owned(),
                    index,
                    param: param.spelling.as_str().into(),
                    want: param.bytes,
                    got: arg.bytes,
                    ty: arg.ty,
                });
            }
        }
        Ok(())
    }
}

/// Room for the values of the arguments, the memory behind them, and pointers to the values.
type Scratch<'s, 'a> = (&'s mut [u64], &'s mut [Option<&'a Arc<Memory>>], &'s mut [*mut c_void]);

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("device", &self.device).field("entry", &self.entry).finish()
    }
}

/// An argument of a [`Kernel`]: a scalar, or the address of a buffer.
#[derive(Debug, Clone, Copy)]
pub struct Arg<'a> {
    value: u64,
    bytes: u32,
    ty: &'static str,
    memory: Option<&'a Arc<Memory>>,
}

impl<T: DeviceCopy> From<T> for Arg<'_> {
    fn from(value: T) -> Self {
        let bytes = size_of::<T>() as u32;
        Arg { value: value.argument(), bytes, ty: T::NAME, memory: None }
    }
}

impl<'a, T: DeviceCopy> From<&'a GpuBuffer<T>> for Arg<'a> {
    fn from(buffer: &'a GpuBuffer<T>) -> Self {
        Arg { value: buffer.address(), bytes: 8, ty: "a buffer", memory: Some(buffer.memory()) }
    }
}

impl<'a, T: DeviceCopy> From<&'a mut GpuBuffer<T>> for Arg<'a> {
    fn from(buffer: &'a mut GpuBuffer<T>) -> Self {
        Self::from(&*buffer)
    }
}
