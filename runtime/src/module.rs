//! PTX that was not compiled here: loaded by its text, launched by name.

use std::ffi::c_void;
use std::fmt;
use std::ptr;
use std::sync::Arc;

use crate::backend::{Backend, Queue};
use crate::buffer::GpuBuffer;
use crate::cuda::{Function, RawModule};
use crate::device::Device;
use crate::dispatch::{self, Behind, Launch};
use crate::element::{DeviceCopy, DeviceScalar};
use crate::error::{Error, Result};
use crate::launch::LaunchConfig;
use crate::signature::{self, Entry};
use crate::sim::{SimKernel, SimModule};
use crate::simulated::{self, Op};
use crate::stream::Stream;
use crate::tensor_map::{TensorMap, TensorMapMut};

impl Device {
    /// Loads PTX text: compiles it on a GPU, decodes it on the simulator.
    ///
    /// ```
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
            Code::Cuda(module) => Entered::Cuda(module.function(name, entry.cluster)?),
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
        self.check_block(block)?;
        // Most kernels have few parameters; only more than these are put on the heap.
        const FEW: usize = 16;
        match args.len() {
            0..=FEW => {
                let mut values = [0; FEW];
                let mut behind = [Behind::Nothing; FEW];
                let mut pointers = [ptr::null_mut(); FEW];
                let of = ..args.len();
                let scratch = (&mut values[of], &mut behind[of], &mut pointers[of]);
                self.launch_with(stream, config.into(), block, args, scratch)
            }
            count => {
                let (mut values, mut behind) = (vec![0; count], vec![Behind::Nothing; count]);
                let mut pointers = vec![ptr::null_mut(); count];
                let scratch = (&mut *values, &mut *behind, &mut *pointers);
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
        (values, behind, pointers): Scratch<'_, 'a>,
    ) -> Result<()> {
        for (at, arg) in args.iter().enumerate() {
            (values[at], behind[at]) = (arg.value, arg.behind);
        }
        let cluster = self.entry.cluster;
        let launch = Launch { name: self.name(), config, block, cluster, behind };
        let Some(ready) = launch.prepare(stream, |_| "")? else { return Ok(()) };
        match (&self.code, &ready.state.queue) {
            (Entered::Cuda(function), Queue::Cuda(queue)) => {
                dispatch::on_cuda(&launch, &ready, (function, queue), values, pointers)
            }
            (Entered::Sim(kernel), Queue::Sim(sim)) => {
                let threads = sim.info.limits.threads_per_block;
                launch.check(&sim.info.limits, threads, kernel.static_shared())?;
                let op = Op::Launch {
                    kernel: Arc::clone(kernel),
                    grid: config.grid,
                    block,
                    dynamic_shared: config.dynamic_shared,
                    arguments: dispatch::words(values, behind),
                };
                ready.recording.get().or_run(sim, op)
            }
            (Entered::Cuda(_), Queue::Sim(_)) | (Entered::Sim(_), Queue::Cuda(_)) => {
                unreachable!("kernel and stream are of one device, as `launch` compares")
            }
        }
    }

    fn check_block(&self, got: [u32; 3]) -> Result<()> {
        match self.entry.block {
            Some(want) if want != got => {
                Err(Error::BlockMismatch { kernel: self.name().to_owned(), want, got })
            }
            Some(_) | None => Ok(()),
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

/// Room for the values of the arguments, what is behind them, and pointers to the values.
type Scratch<'s, 'a> = (&'s mut [u64], &'s mut [Behind<'a>], &'s mut [*mut c_void]);

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("device", &self.device).field("entry", &self.entry).finish()
    }
}

/// An argument of a [`Kernel`]: a scalar, the address of a buffer, or a tensor map.
#[derive(Debug, Clone, Copy)]
pub struct Arg<'a> {
    value: u64,
    bytes: u32,
    ty: &'static str,
    behind: Behind<'a>,
}

impl<T: DeviceScalar> From<T> for Arg<'_> {
    fn from(value: T) -> Self {
        let bytes = size_of::<T>() as u32;
        Arg { value: value.argument(), bytes, ty: T::NAME, behind: Behind::Nothing }
    }
}

impl<'a, T: DeviceCopy> From<&'a GpuBuffer<T>> for Arg<'a> {
    fn from(buffer: &'a GpuBuffer<T>) -> Self {
        let behind = Behind::Memory(buffer.memory());
        Arg { value: buffer.address(), bytes: 8, ty: "a buffer", behind }
    }
}

impl<'a, T, const RANK: usize> From<&'a TensorMap<'_, T, RANK>> for Arg<'a> {
    fn from(map: &'a TensorMap<'_, T, RANK>) -> Self {
        Arg { value: 0, bytes: 128, ty: "a tensor map", behind: Behind::Map(map.map()) }
    }
}

impl<'a, T, const RANK: usize> From<&'a mut TensorMapMut<'_, T, RANK>> for Arg<'a> {
    fn from(map: &'a mut TensorMapMut<'_, T, RANK>) -> Self {
        Arg { value: 0, bytes: 128, ty: "a tensor map", behind: Behind::Map(map.map()) }
    }
}

impl<'a, T: DeviceCopy> From<&'a mut GpuBuffer<T>> for Arg<'a> {
    fn from(buffer: &'a mut GpuBuffer<T>) -> Self {
        Self::from(&*buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Grid;

    const EMPTY: &str = "
        .version 7.0
        .target sm_70
        .address_size 64
        .visible .entry empty(.param .u64 to, .param .f32 scale) { ret; }
        .visible .entry shaped() .reqntid 32, 2 { ret; }
        .visible .entry plain() { ret; }";

    fn empty(device: &Device) -> Kernel {
        device.load_ptx(EMPTY).unwrap().kernel("empty").unwrap()
    }

    #[test]
    fn arguments_are_compared_with_the_parameters() {
        let device = Device::new(0).unwrap();
        let (kernel, stream) = (empty(&device), device.stream());
        let x = device.alloc_zeros::<f32>(4).unwrap();
        let launch = |args: &[Arg<'_>]| kernel.launch(&stream, Grid::cover(1, 1), [1; 3], args);
        launch(&[Arg::from(&x), Arg::from(1.0f32)]).unwrap();
        let error = launch(&[Arg::from(&x)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "kernel `empty` takes 2 arguments, got 1\nhelp: its parameters are (.u64, .f32)"
        );
        let error = launch(&[Arg::from(&x), Arg::from(1.0f64)]).unwrap_err();
        assert!(matches!(error, Error::ArgumentSize { index: 1, want: 4, got: 8, .. }), "{error}");
    }

    #[test]
    fn a_buffer_of_another_device_is_not_launched_on() {
        let (device, other) = (Device::new(0).unwrap(), Device::sim());
        let x = other.alloc_zeros::<f32>(4).unwrap();
        let args = [Arg::from(&x), Arg::from(1.0f32)];
        let error =
            empty(&device).launch(&device.stream(), Grid::cover(1, 1), [1; 3], &args).unwrap_err();
        assert!(
            error.to_string().starts_with("argument 0 of kernel `empty` must be on"),
            "{error}"
        );
    }

    #[test]
    fn launches_stay_within_the_limits() {
        let device = Device::new(0).unwrap();
        let kernel = device.load_ptx(EMPTY).unwrap().kernel("plain").unwrap();
        let stream = device.stream();
        let launch = |config: LaunchConfig, block| kernel.launch(&stream, config, block, &[]);
        let one = LaunchConfig::new([1; 3]);
        launch(one, [1024, 1, 1]).unwrap();
        assert!(matches!(launch(one, [1025, 1, 1]), Err(Error::BlockTooLarge { .. })));
        assert!(matches!(launch(one, [64, 64, 1]), Err(Error::BlockTooLarge { .. })));
        assert!(matches!(launch(one, [0, 1, 1]), Err(Error::BlockTooLarge { .. })));
        let tall = LaunchConfig::new([1, 65536, 1]);
        assert!(matches!(launch(tall, [1; 3]), Err(Error::GridTooLarge { .. })));
        launch(one.with_dynamic_shared(64 << 10), [1; 3]).unwrap();
        let greedy = one.with_dynamic_shared(1 << 20);
        assert!(matches!(launch(greedy, [1; 3]), Err(Error::SharedMemory { .. })));
        launch(LaunchConfig::new([0, 65536, 1]), [2000, 1, 1]).unwrap();
        stream.synchronize().unwrap();
    }

    #[test]
    fn a_required_block_is_respected() {
        let device = Device::new(0).unwrap();
        let kernel = device.load_ptx(EMPTY).unwrap().kernel("shaped").unwrap();
        let launch = |block| kernel.launch(&device.stream(), [1; 3], block, &[]);
        launch([32, 2, 1]).unwrap();
        let error = launch([64, 1, 1]).unwrap_err();
        assert!(matches!(error, Error::BlockMismatch { want: [32, 2, 1], .. }), "{error}");
    }

    #[test]
    fn a_missing_kernel_is_answered_with_those_that_are() {
        let module = Device::new(0).unwrap().load_ptx(EMPTY).unwrap();
        let error = module.kernel("emtpy").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no kernel `emtpy` in the module\nhelp: it holds `empty`, `shaped`, `plain`"
        );
    }

    #[test]
    fn broken_ptx_is_shown_with_its_line() {
        let broken = EMPTY.replace(".param .u64 to", "BROKEN to");
        let error = Device::new(0).unwrap().load_ptx(&broken).unwrap_err();
        let Error::Ptx(failure) = &error else { panic!("{error}") };
        assert!(failure.line.is_some(), "{error}");
        assert!(failure.source.as_ref().unwrap().contains("BROKEN"), "{error}");
        let error = Device::new(0).unwrap().load_ptx("a \0 b").unwrap_err();
        assert!(matches!(error, Error::Ptx(_)), "{error}");
    }
}
