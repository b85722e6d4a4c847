//! The Firesteel compiler: a subset of Rust, as tokens, to PTX text.

#![forbid(unsafe_code)]

pub mod ast;
mod attr;
mod desugar;
pub mod diag;
pub mod hir;
pub mod infer;
pub mod intrinsics;
pub mod lower;
pub mod parse;
mod short_float;
pub mod span;
pub mod value;
mod walk;

use proc_macro2::TokenStream;

use diag::Diags;

/// Compiles the function under `#[gpu_kernel(attr)]` as far as the typed tree.
///
/// # Errors
/// What is wrong with it, all of it.
pub fn analyze(attr: TokenStream, item: TokenStream) -> Result<hir::Kernel, Vec<diag::Diag>> {
    let mut diags = Diags::new();
    match front(attr, item, &mut diags) {
        Some((ast, facts)) if diags.is_empty() => Ok(desugar::desugar(ast, &facts)),
        Some(_) | None => Err(diags.take()),
    }
}

/// The passes of the front: a tree with its types, and reports.
fn front(
    attr: TokenStream,
    item: TokenStream,
    diags: &mut Diags,
) -> Option<(ast::Ast, infer::Facts)> {
    let options = attr::parse(attr, diags);
    let ast = parse::parse(options, item, diags)?;
    let facts = infer::infer(&ast, diags);
    Some((ast, facts))
}
