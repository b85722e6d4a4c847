//! What can go wrong on the host side: one enum, whose messages say what was wanted, what came and
//! what to do.

use std::fmt;
use std::path::Path;

use crate::sim::HostError;
use crate::sim::report::Report;
use crate::tensor_map::TensorMapFault;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
///
/// Variants carry data, so that a program can act on them; `Display` is for people and ends in a
/// line that starts with `help:` where there is something to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No NVIDIA driver could be opened.
    #[error(
        "no NVIDIA driver on this machine: {reason}\n\
         help: install the driver, or run on the simulator with `Device::sim()` or FIRESTEEL_DEVICE=sim"
    )]
    NoDriver {
        /// What the driver's absence looked like.
        reason: String,
    },

    /// The driver is older than the functions that the runtime calls.
    #[error(
        "the NVIDIA driver must support CUDA {}.{} or later, this one supports {}.{}\n\
         help: update the driver, or set FIRESTEEL_DEVICE=sim",
        want.0, want.1, got.0, got.1
    )]
    DriverTooOld {
        /// The lowest version that works.
        want: (u32, u32),
        /// The version that the driver stated.
        got: (u32, u32),
    },

    /// No device has the ordinal asked for.
    #[error(
        "no device `cuda:{ordinal}`, the driver sees {count}\n\
         help: `firesteel::devices()` lists the devices"
    )]
    NoDevice {
        /// The ordinal asked for.
        ordinal: usize,
        /// How many devices there are.
        count: usize,
    },

    /// `FIRESTEEL_DEVICE` names no device.
    #[error("FIRESTEEL_DEVICE must be `sim` or `cuda:N`, got `{got}`")]
    DeviceName {
        /// The variable's value.
        got: String,
    },

    /// The device has too little free memory.
    #[error(
        "out of memory on {device}: wanted {want} bytes, {free} of {total} are free\n\
         help: drop buffers that are no longer needed, or allocate less"
    )]
    OutOfMemory {
        /// The device's name.
        device: String,
        /// Bytes asked for.
        want: u64,
        /// Bytes free.
        free: u64,
        /// Bytes in all.
        total: u64,
    },

    /// An allocation or copy whose size does not fit 64 bits.
    #[error("{count} elements of {size} bytes are more than an address space holds")]
    SizeOverflow {
        /// Number of elements.
        count: usize,
        /// Bytes of one.
        size: usize,
    },

    /// The driver refused a call.
    #[error("{0}")]
    Driver(Box<DriverFailure>),

    /// PTX text that does not parse, or that the driver cannot compile for the device.
    #[error("{0}")]
    Ptx(Box<PtxFailure>),

    /// A module has no entry of the name asked for.
    #[error("no kernel `{name}` in the module\nhelp: it holds {}", list(have))]
    NoKernel {
        /// The name asked for.
        name: String,
        /// The entries that there are.
        have: Vec<String>,
    },

    /// A launch with too few or too many arguments.
    #[error(
        "kernel `{kernel}` takes {want} arguments, got {got}\n\
         help: its parameters are ({signature})"
    )]
    ArgumentCount {
        /// The kernel.
        kernel: String,
        /// Number of parameters.
        want: usize,
        /// Number of arguments.
        got: usize,
        /// The parameters as the PTX spells them.
        signature: String,
    },

    /// An argument whose size is not its parameter's.
    #[error(
        "argument {index} of kernel `{kernel}` must have {want} bytes (`{param}`), got {got} (`{ty}`)\n\
         help: spell the type out, as in `Arg::from(1u32)`"
    )]
    ArgumentSize {
        /// The kernel.
        kernel: String,
        /// Position of the argument, from 0.
        index: usize,
        /// The parameter as the PTX spells it.
        param: Box<str>,
        /// Bytes of the parameter.
        want: u32,
        /// Bytes of the argument.
        got: u32,
        /// Type of the argument.
        ty: &'static str,
    },

    /// A block larger than the device or the kernel allows.
    #[error(
        "block {got:?} of kernel `{kernel}` is too large: the limit is {per_axis:?} and {threads} threads in all\n\
         help: {}",
        block_help(*.got, *.per_axis)
    )]
    BlockTooLarge {
        /// The kernel.
        kernel: String,
        /// The block asked for.
        got: [u32; 3],
        /// Most threads along each axis.
        per_axis: [u32; 3],
        /// Most threads in a block of this kernel.
        threads: u32,
    },

    /// A block of another shape than the PTX requires with `.reqntid`.
    #[error("kernel `{kernel}` is compiled for blocks of {want:?} threads, got {got:?}")]
    BlockMismatch {
        /// The kernel.
        kernel: String,
        /// The block that it requires.
        want: [u32; 3],
        /// The block asked for.
        got: [u32; 3],
    },

    /// A grid larger than the device allows.
    #[error(
        "grid {got:?} of kernel `{kernel}` is too large: the limit is {want:?}\n\
         help: put the long dimension in x, or let each block do more"
    )]
    GridTooLarge {
        /// The kernel.
        kernel: String,
        /// The grid asked for.
        got: [u32; 3],
        /// Most blocks along each axis.
        want: [u32; 3],
    },

    /// A grid that does not consist of whole clusters.
    #[error(
        "grid {got:?} of kernel `{kernel}` must be a multiple of its cluster {want:?}\n\
         help: round it up with `LaunchConfig::in_clusters`, and let the blocks beyond the end do nothing"
    )]
    GridOfClusters {
        /// The kernel.
        kernel: String,
        /// The grid asked for.
        got: [u32; 3],
        /// Blocks of a cluster along each axis.
        want: [u32; 3],
    },

    /// A tensor map that the hardware or the buffer does not allow.
    #[error("{0}")]
    TensorMap(Box<TensorMapFault>),

    /// More shared memory than the device has for one block.
    #[error(
        "kernel `{kernel}` may have at most {limit} bytes of shared memory, got {fixed} static and {dynamic} dynamic\n\
         help: use smaller tiles"
    )]
    SharedMemory {
        /// The kernel.
        kernel: String,
        /// Bytes that the kernel declares.
        fixed: u32,
        /// Bytes that the launch asks for.
        dynamic: u32,
        /// Most bytes in all.
        limit: u32,
    },

    /// Memory of one device was given to another.
    #[error(
        "{what} must be on {want}, got one on {got}\n\
         help: allocate it there, or copy it with `GpuBuffer::copy_from_buffer`"
    )]
    OtherDevice {
        /// Argument, buffer or event.
        what: Box<str>,
        /// The device that is to work on it.
        want: String,
        /// The device that it is on.
        got: String,
    },

    /// Two lengths that must agree do not.
    #[error("{what}: wanted {want} elements, got {got}")]
    Length {
        /// What was to be done.
        what: &'static str,
        /// The length wanted.
        want: usize,
        /// The length given.
        got: usize,
    },

    /// Use of a stream after `Stream::destroy`.
    #[error("the stream was destroyed\nhelp: make another with `Device::create_stream`")]
    StreamDestroyed,

    /// Something that a stream cannot do while it is captured.
    #[error(
        "{what} cannot be captured in a graph\n\
         help: do it before `Stream::capture`, or after the graph's launch"
    )]
    Capture {
        /// What was tried.
        what: &'static str,
    },

    /// Elapsed time asked of an event that was never recorded, or not yet reached.
    #[error("the event has not been reached\nhelp: call `Event::synchronize` first")]
    EventNotReached,

    /// None of the configurations of an operation works.
    #[error("{0}")]
    Tune(Box<TuneFailure>),

    /// The file of a [`Tuner`](crate::tune::Tuner) cannot be read or written.
    #[error(
        "the choices of the tuner are not in `{}`: {error}\n\
         help: name another file, or use `Tuner::new()`, which needs none",
        path.display()
    )]
    TuneCache {
        /// The file.
        path: Box<Path>,
        /// What the system said.
        error: Box<std::io::Error>,
    },

    /// A check in a kernel failed.
    #[error("{0}")]
    Fault(Box<Fault>),

    /// A check in a kernel failed, and other threads wait for the thread that failed it: the
    /// kernel does not end.
    #[error(
        "threads wait for one that failed a check, and keep the device busy until this process \
         ends: {0}"
    )]
    Stuck(Box<Fault>),

    /// The simulator found a violation.
    #[error("{0}")]
    Sim(Box<Report>),

    /// The host used an address that is not of the simulator's memory, through a buffer made with
    /// `GpuBuffer::from_raw`.
    #[error("simulator: {0}")]
    SimMemory(#[from] HostError),
}

/// A call that the driver refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverFailure {
    /// The driver's function.
    pub call: &'static str,
    /// What it returned.
    pub code: u32,
    /// The name of that code.
    pub name: String,
    /// The driver's own words for it.
    pub text: String,
}

impl fmt::Display for DriverFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}, {})", self.call, self.text, self.name, self.code)?;
        match driver_help(self.code) {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

/// What to do about the codes that a user's kernel can cause.
fn driver_help(code: u32) -> Option<&'static str> {
    const LOST: &str = "a kernel broke the context, and this process can no longer use the device; \
                        run it on the simulator (FIRESTEEL_DEVICE=sim) to find the access";
    match code {
        700 | 714..=719 => Some(LOST),
        702 => Some("a kernel ran longer than the display driver allows"),
        701 => Some("the kernel needs more registers than a block of this size has"),
        720 => Some(
            "all blocks of a cooperative launch run at once: use a smaller grid or smaller blocks",
        ),
        803 => Some(
            "the driver's kernel module and its library differ in version: restart the machine",
        ),
        900..=908 => {
            Some("a stream under capture can only be launched on, copied on and waited for")
        }
        _ => None,
    }
}

/// An operation none of whose configurations works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TuneFailure {
    /// The operation.
    pub operation: String,
    /// The shape that it was to be done for.
    pub shape: String,
    /// What was wrong with each configuration.
    pub reasons: Vec<String>,
}

impl fmt::Display for TuneFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no configuration of `{}` works for {}:", self.operation, self.shape)?;
        for reason in &self.reasons {
            write!(f, "\n  {}", reason.replace('\n', "\n    "))?;
        }
        write!(f, "\nhelp: add one with smaller tiles")
    }
}

/// PTX that could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PtxFailure {
    /// The kernel, where the text is that of one.
    pub kernel: Option<&'static str>,
    /// The device's name.
    pub device: String,
    /// What the driver or the simulator said.
    pub log: String,
    /// The first line of the text that the log names, from 1.
    pub line: Option<u32>,
    /// That line.
    pub source: Option<String>,
}

impl fmt::Display for PtxFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kernel {
            Some(kernel) => write!(f, "kernel `{kernel}` does not load on {}", self.device)?,
            None => write!(f, "PTX does not load on {}", self.device)?,
        }
        write!(f, ": {}", self.log.trim_end())?;
        if let (Some(line), Some(source)) = (self.line, &self.source) {
            write!(f, "\n  {line} | {}", source.trim_end())?;
        }
        Ok(())
    }
}

/// A check that failed in a kernel, as the first thread that failed one recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The kernel.
    pub kernel: &'static str,
    /// The source file.
    pub file: &'static str,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// The check.
    pub what: FaultKind,
    /// The block's index.
    pub block: [u32; 3],
    /// The thread's index in the block.
    pub thread: [u32; 3],
}

/// Which check failed, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// An index outside its slice or array.
    OutOfBounds {
        /// The slice's name in the kernel.
        array: &'static str,
        /// The index; negative if the kernel computed it so.
        index: i128,
        /// The slice's length.
        length: u64,
    },
    /// An integer division or remainder by zero.
    DivisionByZero,
    /// An `assert!` that did not hold.
    Assert {
        /// Its message, or its condition.
        message: &'static str,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            FaultKind::OutOfBounds { array, index, length } => {
                write!(f, "index {index} is out of bounds for `{array}` of length {length}")?;
            }
            FaultKind::DivisionByZero => write!(f, "division by zero")?,
            FaultKind::Assert { message } => write!(f, "assertion failed: {message}")?,
        }
        let Fault { kernel, file, line, column, block, thread, .. } = self;
        write!(f, " in kernel `{kernel}` at {file}:{line}:{column}")?;
        write!(f, ", block {block:?}, thread {thread:?}")?;
        match &self.what {
            FaultKind::OutOfBounds { .. } => {
                write!(f, "\nhelp: guard the access, as in `if i < n`, or launch fewer threads")
            }
            FaultKind::DivisionByZero => write!(f, "\nhelp: test the divisor first"),
            FaultKind::Assert { .. } => Ok(()),
        }
    }
}

impl From<DriverFailure> for Error {
    fn from(failure: DriverFailure) -> Self {
        Error::Driver(Box::new(failure))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error::Fault(Box::new(fault))
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "no kernel at all".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

fn block_help(got: [u32; 3], per_axis: [u32; 3]) -> &'static str {
    match got {
        [0, _, _] | [_, 0, _] | [_, _, 0] => "a block has at least one thread along each axis",
        _ if (0..3).any(|axis| got[axis] > per_axis[axis]) => "put the long dimension in x",
        _ => "use a smaller block, or a kernel that needs fewer registers",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_as_a_sentence() {
        let fault = Fault {
            kernel: "saxpy",
            file: "src/lib.rs",
            line: 7,
            column: 5,
            what: FaultKind::OutOfBounds { array: "y", index: 1024, length: 1000 },
            block: [4, 0, 0],
            thread: [0, 0, 0],
        };
        assert_eq!(
            Error::from(fault).to_string(),
            "index 1024 is out of bounds for `y` of length 1000 in kernel `saxpy` at src/lib.rs:7:5, \
             block [4, 0, 0], thread [0, 0, 0]\n\
             help: guard the access, as in `if i < n`, or launch fewer threads"
        );
    }

    #[test]
    fn an_illegal_access_says_that_the_context_is_lost() {
        let failure = DriverFailure {
            call: "cuStreamSynchronize",
            code: 700,
            name: "CUDA_ERROR_ILLEGAL_ADDRESS".into(),
            text: "an illegal memory access was encountered".into(),
        };
        assert!(failure.to_string().contains("FIRESTEEL_DEVICE=sim"), "{failure}");
    }

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<Error>() <= 72, "{} bytes", size_of::<Error>());
    }
}
