//! The CUDA backend: the driver API through cudarc, opened at run time.
//!
//! The only user of cudarc. Each type owns one driver object and makes its calls safe; what the
//! types cannot promise (that device code keeps to its buffers) is the launching kernel's promise.
//!
//! Invariants that the `SAFETY` comments lean on:
//! - *Loaded*: a [`Context`] exists only if [`driver::open`] succeeded, so every `sys` function
//!   finds its library, and the symbols, which all are in drivers of [`driver::MIN_VERSION`].
//! - *Current*: calls on a context's objects follow [`Context::bind`] on the same thread.
//! - *Alive*: contexts are never released (see [`Context::get`]); streams, events, graphs and
//!   modules are destroyed in `Drop` only, so a handle in a live object is valid.
//!
//! Source: CUDA Driver API reference, <https://docs.nvidia.com/cuda/cuda-driver-api/>.

mod captures;
mod context;
mod driver;
mod graph;
mod memory;
mod module;
mod stream;
mod tensor_map;

pub(crate) use context::{Context, MAX_DEVICES, info};
pub(crate) use driver::{count, version};
pub(crate) use graph::RawGraph;
pub(crate) use memory::HostMemory;
pub(crate) use module::{Function, RawModule};
pub(crate) use stream::{RawEvent, RawStream};
pub(crate) use tensor_map::encode_tiled;

/// A driver handle. The driver's functions may be called with it from any thread.
#[derive(Debug)]
struct Handle<T>(*mut T);

// SAFETY: CUDA driver objects are not tied to threads; the driver locks internally.
unsafe impl<T> Send for Handle<T> {}
// SAFETY: As above.
unsafe impl<T> Sync for Handle<T> {}
