//! Write NVIDIA GPU kernels in stable Rust; run them on the GPU or on a checking CPU simulator.
//!
//! A kernel becomes PTX text while the crate compiles. This crate runs that text: on a GPU, with
//! nothing installed but NVIDIA's driver, or on a simulator that checks every access.
//!
//! - [`Device`] is a GPU or the simulator. [`Device::new`] takes what there is, and the variable
//!   `FIRESTEEL_DEVICE` (`sim` or `cuda:N`) overrides it.
//! - [`GpuBuffer`] is memory of a device, [`PinnedBuffer`] host memory for copies beside other work.
//! - [`TensorMap`] is a buffer as a tensor, for the bulk copies of kernels.
//! - [`Stream`] orders work, [`Event`] orders streams, [`Graph`] replays recorded work.
//! - [`Module`] and [`Kernel`] run PTX that other compilers wrote.
//! - [`Error`] is everything that can go wrong; its messages say what to do.
//!
//! Launches return before the kernel is done. A check that fails in a kernel (an index out of
//! bounds, a division by zero, an `assert!`) ends its thread, and the next
//! [`Stream::synchronize`], [`Device::synchronize`] or [`GpuBuffer::to_host`] returns it as
//! [`Error::Fault`], with the line of the kernel's source.
//!
//! ```
//! use firesteel::prelude::*;
//!
//! # fn main() -> Result<()> {
//! let device = Device::new(0)?;
//! let x = device.alloc_from(&[1.0f32, 2.0, 3.0])?;
//! let mut y = device.alloc_zeros::<f32>(x.len())?;
//! y.copy_from_buffer(&x)?;
//! assert_eq!(y.to_host(&device)?, [1.0, 2.0, 3.0]);
//! # Ok(())
//! # }
//! ```

// Macro output names this crate by its name, here too.
#[allow(unused_extern_crates, reason = "used by kernels in this crate's own tests")]
extern crate self as firesteel;

mod backend;
mod buffer;
mod channel;
mod cuda;
mod device;
mod dispatch;
pub mod dsl;
mod element;
mod error;
#[doc(hidden)]
pub mod expansion;
mod graph;
mod info;
mod launch;
mod module;
mod narrow;
mod nibbles;
mod pair;
mod pinned;
pub mod prelude;
mod print;
mod signature;
pub mod sim;
mod simulated;
mod stream;
mod tensor_map;
pub mod tune;
mod watch;

pub use buffer::GpuBuffer;
pub use device::{Device, DeviceEntry, DeviceId, DeviceInfo, Limits, devices};
pub use element::{DeviceCopy, DeviceScalar, Plain};
pub use error::{DriverFailure, Error, Fault, FaultKind, PtxFailure, Result, TuneFailure};
pub use firesteel_macros::{gpu_const, gpu_fn, gpu_instantiate, gpu_kernel, gpu_struct};
pub use graph::Graph;
pub use half;
pub use info::{KernelInfo, Occupancy};
pub use launch::{Grid, LaunchConfig};
pub use module::{Arg, Kernel, Module};
pub use narrow::{e4m3, e5m2};
pub use nibbles::{i4x8, u4x8};
pub use pair::{bf16x2, f16x2};
pub use pinned::PinnedBuffer;
pub use sim::report::Report;
pub use sim::{Checks, SimOptions};
pub use stream::{Event, Stream};
#[doc(hidden)]
pub use tensor_map::ElementKind;
pub use tensor_map::{
    L2Promotion, Swizzle, TensorElement, TensorMap, TensorMapFault, TensorMapMut, Tiling,
};
