//! Devices: which there are, and what they can do.

use std::fmt;
use std::io::Write;
use std::str::FromStr;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError, Weak};

use crate::backend::Backend;
use crate::buffer::GpuBuffer;
use crate::cuda::{self, Context, MAX_DEVICES};
use crate::element::{DeviceCopy, Plain};
use crate::error::{Error, Result};
use crate::pinned::PinnedBuffer;
use crate::sim::SimOptions;
use crate::simulated::Simulated;
use crate::stream::{Stream, StreamState};

/// The variable that chooses the device: `sim` or `cuda:N`.
const DEVICE_VARIABLE: &str = "FIRESTEEL_DEVICE";

/// A GPU, or the simulator.
///
/// A clone is the same device, and so is every `Device` of the same GPU. Methods without a stream
/// use the default stream, [`Device::stream`].
///
/// ```
/// use firesteel::Device;
///
/// # fn main() -> firesteel::Result<()> {
/// let device = Device::new(0)?;
/// println!("running on {device}");
/// let x = device.alloc_from(&[1.0f32, 2.0])?;
/// assert_eq!(x.to_host(&device)?, [1.0, 2.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Device {
    inner: Arc<Inner>,
}

struct Inner {
    id: DeviceId,
    backend: Backend,
    default: Arc<StreamState>,
    /// The other streams, which [`Device::synchronize`] drains too.
    streams: Mutex<Vec<Weak<StreamState>>>,
    sink: Mutex<Option<Sink>>,
}

/// Takes the lines that kernels print.
type Sink = Box<dyn Fn(&str) + Send>;

impl Device {
    /// The GPU `ordinal`, from 0.
    ///
    /// If this machine has no GPU, 0 is the simulator, and a note on standard error says so once.
    /// The variable `FIRESTEEL_DEVICE` (`sim` or `cuda:N`) overrides the choice.
    ///
    /// # Errors
    /// [`Error::NoDevice`], [`Error::DeviceName`], errors of the driver.
    pub fn new(ordinal: usize) -> Result<Self> {
        match chosen()? {
            Some(id) => Self::open(id),
            None => Self::gpu_or_simulator(ordinal),
        }
    }

    /// The device that `FIRESTEEL_DEVICE` names, else as `Device::new(0)`.
    ///
    /// # Errors
    /// As [`Device::new`].
    pub fn from_env() -> Result<Self> {
        Self::new(0)
    }

    /// The device of an identifier, whatever `FIRESTEEL_DEVICE` says. The simulator is one device
    /// for the whole process here, as a GPU is.
    ///
    /// # Errors
    /// [`Error::NoDriver`], [`Error::NoDevice`], errors of the driver.
    pub fn open(id: DeviceId) -> Result<Self> {
        static SIMULATOR: OnceLock<Device> = OnceLock::new();
        match id {
            DeviceId::Cuda(ordinal) => Self::cuda(ordinal),
            DeviceId::Sim => Ok(SIMULATOR.get_or_init(Self::sim).clone()),
        }
    }

    /// A simulator of its own, with all checks.
    #[must_use]
    pub fn sim() -> Self {
        Self::sim_with(SimOptions::default())
    }

    /// A simulator of its own.
    #[must_use]
    pub fn sim_with(options: SimOptions) -> Self {
        let backend = Backend::Sim(Arc::new(Simulated::new(options)));
        match Self::with_backend(DeviceId::Sim, backend) {
            Ok(device) => device,
            Err(error) => unreachable!("a queue of the simulator is made without a call: {error}"),
        }
    }

    fn gpu_or_simulator(ordinal: usize) -> Result<Self> {
        static NOTE: Once = Once::new();
        let reason = match cuda::count() {
            Ok(0) => "the driver sees no device".to_owned(),
            Ok(_) => return Self::cuda(ordinal),
            Err(Error::NoDriver { reason }) => reason,
            Err(error) => return Err(error),
        };
        if ordinal > 0 {
            return Err(Error::NoDevice { ordinal, count: 0 });
        }
        NOTE.call_once(|| eprintln!("firesteel: no GPU ({reason}), running on the simulator"));
        Self::open(DeviceId::Sim)
    }

    fn cuda(ordinal: usize) -> Result<Self> {
        static DEVICES: [OnceLock<Device>; MAX_DEVICES] = [const { OnceLock::new() }; MAX_DEVICES];
        let context = Context::get(ordinal)?;
        let slot = &DEVICES[context.ordinal];
        if let Some(device) = slot.get() {
            return Ok(device.clone());
        }
        let device = Self::with_backend(DeviceId::Cuda(ordinal), Backend::Cuda(context))?;
        Ok(slot.get_or_init(|| device).clone())
    }

    fn with_backend(id: DeviceId, backend: Backend) -> Result<Self> {
        let default = Arc::new(StreamState::new(backend.queue()?));
        let (streams, sink) = (Mutex::default(), Mutex::default());
        Ok(Self { inner: Arc::new(Inner { id, backend, default, streams, sink }) })
    }

    /// What the device is: `cuda:N`, or `sim` for every simulator.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.inner.id
    }

    /// Whether it is a simulator.
    #[must_use]
    pub fn is_sim(&self) -> bool {
        self.inner.id == DeviceId::Sim
    }

    /// Name, architecture, memory and limits.
    ///
    /// # Errors
    /// None at present.
    pub fn info(&self) -> Result<DeviceInfo> {
        Ok(self.describe().clone())
    }

    fn describe(&self) -> &DeviceInfo {
        match &self.inner.backend {
            Backend::Cuda(context) => &context.info,
            Backend::Sim(sim) => &sim.info,
        }
    }

    /// The default stream.
    #[must_use]
    #[inline]
    pub fn stream(&self) -> Stream {
        Stream::new(self.clone(), Arc::clone(&self.inner.default))
    }

    /// A new stream.
    ///
    /// # Errors
    /// Errors of the driver.
    pub fn create_stream(&self) -> Result<Stream> {
        let state = Arc::new(StreamState::new(self.inner.backend.queue()?));
        let mut streams = self.inner.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|it| it.strong_count() > 0);
        streams.push(Arc::downgrade(&state));
        Ok(Stream::new(self.clone(), state))
    }

    /// Waits for all work on the device, writes what kernels printed, and reports the first check
    /// that failed in one of them.
    ///
    /// # Errors
    /// [`Error::Fault`], [`Error::Stuck`], errors of the driver, also of earlier work.
    pub fn synchronize(&self) -> Result<()> {
        let streams: Vec<_> = {
            let streams = self.inner.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.iter().filter_map(Weak::upgrade).collect()
        };
        self.inner.default.wait()?;
        streams.iter().try_for_each(|it| it.wait())?;
        self.inner.backend.synchronize()?;
        let mut result = self.inner.default.drain(self);
        for stream in streams {
            let drained = stream.drain(self);
            if result.is_ok() {
                result = drained;
            }
        }
        result
    }

    /// Allocates a copy of `values`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], errors of the driver.
    pub fn alloc_from<T: DeviceCopy>(&self, values: &[T]) -> Result<GpuBuffer<T>> {
        self.stream().alloc_from(values)
    }

    /// Allocates `len` zeros.
    ///
    /// # Errors
    /// As [`Device::alloc_from`].
    pub fn alloc_zeros<T: DeviceCopy>(&self, len: usize) -> Result<GpuBuffer<T>> {
        self.stream().alloc_zeros(len)
    }

    /// Allocates `len` elements of unspecified contents. The simulator reports a kernel that reads
    /// them before they are written.
    ///
    /// # Errors
    /// As [`Device::alloc_from`].
    pub fn alloc_uninit<T: DeviceCopy>(&self, len: usize) -> Result<GpuBuffer<T>> {
        self.stream().alloc_uninit(len)
    }

    /// Allocates `len` zeros of host memory that the device copies from and to by itself.
    ///
    /// # Errors
    /// Errors of the driver.
    pub fn alloc_pinned<T: Plain>(&self, len: usize) -> Result<PinnedBuffer<T>> {
        PinnedBuffer::new(self, len)
    }

    /// Free and total bytes of memory at the moment; on the simulator those of the host.
    ///
    /// # Errors
    /// Errors of the driver.
    pub fn memory(&self) -> Result<(u64, u64)> {
        match &self.inner.backend {
            Backend::Cuda(context) => context.memory(),
            Backend::Sim(_) => Ok(crate::simulated::host_memory()),
        }
    }

    /// Gives the lines that this device's kernels print to `sink`, instead of standard output.
    pub fn print_to(&self, sink: impl Fn(&str) + Send + 'static) {
        let mut place = self.inner.sink.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(Box::new(sink));
    }

    pub(crate) fn print(&self, lines: &[String]) {
        let sink = self.inner.sink.lock().unwrap_or_else(PoisonError::into_inner);
        match &*sink {
            Some(sink) => lines.iter().for_each(|line| sink(line)),
            None => {
                let mut out = std::io::stdout().lock();
                for line in lines {
                    // A closed standard output is no reason to fail the computation.
                    let _ = writeln!(out, "{line}");
                }
                let _ = out.flush();
            }
        }
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.inner.backend
    }

    pub(crate) fn default_state(&self) -> &Arc<StreamState> {
        &self.inner.default
    }

    /// Whether both are the same device.
    #[inline]
    pub(crate) fn is(&self, other: &Device) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// An error that names `what` where the devices differ.
    #[inline]
    pub(crate) fn same(&self, other: &Device, what: impl FnOnce() -> String) -> Result<()> {
        match self.is(other) {
            true => Ok(()),
            false => Err(Error::OtherDevice {
                what: what().into(),
                want: self.to_string(),
                got: match self.inner.id == other.inner.id {
                    true => format!("another {other}"),
                    false => other.to_string(),
                },
            }),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inner.id {
            DeviceId::Cuda(_) => write!(f, "{} ({})", self.inner.id, self.describe().name),
            DeviceId::Sim => f.write_str("the simulator"),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Device").field(&self.inner.id).finish()
    }
}

/// Which device: printed and parsed as `cuda:0` or `sim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceId {
    /// The GPU of this ordinal.
    Cuda(usize),
    /// The simulator.
    Sim,
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceId::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            DeviceId::Sim => f.write_str("sim"),
        }
    }
}

impl FromStr for DeviceId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::DeviceName { got: text.to_owned() };
        match text.split_once(':') {
            None if text == "sim" => Ok(DeviceId::Sim),
            None if text == "cuda" => Ok(DeviceId::Cuda(0)),
            Some(("cuda", ordinal)) => Ok(DeviceId::Cuda(ordinal.parse().map_err(|_| wrong())?)),
            Some(_) | None => Err(wrong()),
        }
    }
}

/// What a device is and can do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The name that its maker gave it.
    pub name: String,
    /// The architecture, major and minor: (9, 0) is `sm_90`.
    pub compute_capability: (u32, u32),
    /// Bytes of memory; on the simulator those of the host.
    pub total_memory: usize,
    /// Streaming multiprocessors; on the simulator threads that run blocks.
    pub multiprocessors: u32,
    /// Threads of a warp.
    pub warp_size: u32,
    /// What a launch may ask for.
    pub limits: Limits,
}

/// The most that a launch may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Threads of a block.
    pub threads_per_block: u32,
    /// Threads of a block along each axis.
    pub block: [u32; 3],
    /// Blocks along each axis.
    pub grid: [u32; 3],
    /// Bytes of shared memory of a block, static and dynamic.
    pub shared_per_block: u32,
    /// 32-bit registers of a block.
    pub registers_per_block: u32,
}

/// A device that there is, not yet in use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceEntry {
    /// How to name it.
    pub id: DeviceId,
    /// What it is.
    pub info: DeviceInfo,
}

impl DeviceEntry {
    /// Opens the device.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub fn open(&self) -> Result<Device> {
        Device::open(self.id)
    }
}

/// All devices of this machine: its GPUs in the driver's order, then the simulator.
///
/// A machine without a driver has the simulator only.
///
/// ```
/// let devices = firesteel::devices();
/// assert_eq!(devices.last().unwrap().id, firesteel::DeviceId::Sim);
/// ```
#[must_use]
pub fn devices() -> Vec<DeviceEntry> {
    let gpus = (0..cuda::count().unwrap_or(0).min(MAX_DEVICES)).filter_map(|ordinal| {
        // A device that cannot even be asked for its name is of no use.
        let info = cuda::info(ordinal).ok()?;
        Some(DeviceEntry { id: DeviceId::Cuda(ordinal), info })
    });
    let sim = Simulated::new(SimOptions::default()).info;
    gpus.chain([DeviceEntry { id: DeviceId::Sim, info: sim }]).collect()
}

/// What `FIRESTEEL_DEVICE` says.
fn chosen() -> Result<Option<DeviceId>> {
    match std::env::var_os(DEVICE_VARIABLE) {
        None => Ok(None),
        Some(value) if value.is_empty() => Ok(None),
        Some(value) => value.to_string_lossy().parse().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_are_read_as_they_are_written() {
        for id in [DeviceId::Sim, DeviceId::Cuda(0), DeviceId::Cuda(7)] {
            assert_eq!(id.to_string().parse::<DeviceId>().unwrap(), id);
        }
        let error = "gpu0".parse::<DeviceId>().unwrap_err();
        assert_eq!(error.to_string(), "FIRESTEEL_DEVICE must be `sim` or `cuda:N`, got `gpu0`");
        assert!("cuda:x".parse::<DeviceId>().is_err());
    }

    #[test]
    fn a_missing_device_is_an_error_and_no_panic() {
        let error = Device::open(DeviceId::Cuda(999)).unwrap_err();
        assert!(matches!(error, Error::NoDriver { .. } | Error::NoDevice { .. }), "{error}");
        assert!(!error.to_string().contains('\n') || error.to_string().contains("help:"));
    }

    #[test]
    fn a_device_is_the_same_each_time() {
        let (first, second) = (Device::new(0).unwrap(), Device::new(0).unwrap());
        assert!(first.is(&second));
        let buffer = first.alloc_from(&[1u8]).unwrap();
        assert_eq!(buffer.to_host(&second).unwrap(), [1]);
    }

    #[test]
    fn devices_and_buffers_cross_threads() {
        fn check<T: Send + Sync>() {}
        check::<Device>();
        check::<Stream>();
        check::<GpuBuffer<f32>>();
        check::<PinnedBuffer<f32>>();
        check::<crate::Graph>();
        check::<crate::Event>();
        check::<crate::Kernel>();
    }

    #[test]
    fn the_description_is_plausible() {
        let info = Device::new(0).unwrap().info().unwrap();
        assert_eq!(info.warp_size, 32);
        assert!(info.limits.threads_per_block >= 1024 && info.total_memory > 0);
    }
}
