//! The attributes of Firesteel: the proc-macro shell around its compiler.

#![forbid(unsafe_code)]

use proc_macro::TokenStream;

/// Makes a function a GPU kernel: compiles its body to PTX and replaces it by a module of the same
/// name with a `launch` function.
///
/// Arguments: `block_size = 256`, `block_size = (16, 16)` or `block_size = (8, 8, 4)`;
/// `arch = "sm_80"` for the lowest architecture (`sm_70` if left out); `fast_math`; `unchecked`,
/// which drops the bounds checks and makes `launch` unsafe.
#[proc_macro_attribute]
pub fn gpu_kernel(attr: TokenStream, item: TokenStream) -> TokenStream {
    firesteel_compiler::compile_kernel(attr.into(), item.into()).into()
}

/// The intrinsics as Rust functions, for `firesteel::dsl`.
#[doc(hidden)]
#[proc_macro]
pub fn __intrinsics(_: TokenStream) -> TokenStream {
    firesteel_compiler::intrinsics::shims().into()
}
