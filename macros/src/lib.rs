//! The attributes of Firesteel: the proc-macro shell around its compiler.

#![forbid(unsafe_code)]

use proc_macro::TokenStream;

/// Makes a function a GPU kernel: compiles its body to PTX and replaces it by a module of the same
/// name with a `launch` function.
///
/// Arguments: `block_size = 256`, `block_size = (16, 16)` or `block_size = (8, 8, 4)`;
/// `arch = "sm_80"` for the lowest architecture (`sm_70` if left out); `fast_math`; `unchecked`,
/// which drops the bounds checks and makes `launch` unsafe; `instances(N = [64, 128], T = [f16, f32])`
/// for what the generic parameters are.
#[proc_macro_attribute]
pub fn gpu_kernel(attr: TokenStream, item: TokenStream) -> TokenStream {
    firesteel_compiler::compile_kernel(attr.into(), item.into()).into()
}

/// Makes a function one of the device: kernels and other device functions can call it.
///
/// Parameters are scalars, short vectors, parts of matrices, tuples and arrays of those, references
/// to them, which are the argument itself under another name, `&[T]` and `&mut [T]`; slices take
/// slices and shared arrays. A parameter `impl Fn(A) -> B` takes a closure. Generic parameters
/// are constants, and types with bounds from `firesteel::dsl`. The body is what a kernel's may be. It is inlined at every call,
/// so it cannot call itself, and an array that it puts into shared memory is one for each call.
#[proc_macro_attribute]
pub fn gpu_fn(_: TokenStream, item: TokenStream) -> TokenStream {
    firesteel_compiler::device_function(item.into()).into()
}

/// Makes a constant one of the device: kernels and device functions can name it, and so can the
/// host.
#[proc_macro_attribute]
pub fn gpu_const(_: TokenStream, item: TokenStream) -> TokenStream {
    firesteel_compiler::device_constant(item.into()).into()
}

/// Makes a struct one of the device: kernels and device functions make it, take it apart and pass
/// it on, in registers.
///
/// `#[gpu_struct(methods)]` says that its `impl`, under `#[gpu_struct]`, has functions and constants
/// of the device: `block.scale(i)`, `Block::new(..)`, `Block::BITS`. With `#[repr(C)]` it may be the
/// element of slices and buffers.
#[proc_macro_attribute]
pub fn gpu_struct(attr: TokenStream, item: TokenStream) -> TokenStream {
    firesteel_compiler::device_struct(attr.into(), item.into()).into()
}

/// Compiles a generic kernel for arguments that its own attribute does not name, as a module that
/// is the kernel's in all else.
///
/// ```ignore
/// gpu_instantiate!(pub mod wide = attention::attend, instances(D = [96], T = [f16, bf16]));
///
/// wide::launch::<96, bf16>(&device, ..)?;
/// ```
///
/// The kernel may be of another module or crate, as far as its visibility goes; the list is that of
/// `#[gpu_kernel(.., instances(..))]`.
#[proc_macro]
pub fn gpu_instantiate(item: TokenStream) -> TokenStream {
    firesteel_compiler::instantiate(item.into()).into()
}

/// Goes on with an expansion that waited for a device item.
#[doc(hidden)]
#[proc_macro]
pub fn __link(input: TokenStream) -> TokenStream {
    firesteel_compiler::link(input.into()).into()
}

/// The intrinsics as Rust functions, for `firesteel::dsl`.
#[doc(hidden)]
#[proc_macro]
pub fn __intrinsics(_: TokenStream) -> TokenStream {
    firesteel_compiler::intrinsics::shims().into()
}
