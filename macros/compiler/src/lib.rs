//! The Firesteel compiler: a subset of Rust, as tokens, to PTX text.

#![forbid(unsafe_code)]

pub mod ast;
mod attr;
mod desugar;
pub mod diag;
mod expand;
mod fold;
pub mod fragment;
pub mod hir;
pub mod infer;
mod instances;
pub mod intrinsics;
mod layout;
pub mod link;
pub mod lower;
pub mod parse;
mod shadow;
mod short_float;
mod source;
pub mod span;
pub mod value;
mod walk;

use proc_macro2::TokenStream;

use diag::Diags;

/// Expands `#[gpu_kernel(attr)]` on a function: the module that takes its place, or errors at the
/// user's tokens and a stub, and always the shadow function that rustc and editors see.
pub fn compile_kernel(attr: TokenStream, item: TokenStream) -> TokenStream {
    link::kernel(attr, item)
}

/// Expands `#[gpu_fn]` on a function: the function for rustc and editors, and the macro that
/// brings it to kernels.
pub fn device_function(item: TokenStream) -> TokenStream {
    link::function(item)
}

/// Expands `#[gpu_const]` on a constant: the constant, and the macro that brings it to kernels.
pub fn device_constant(item: TokenStream) -> TokenStream {
    link::constant(item)
}

/// Expands `#[gpu_struct(attr)]` on a struct or its `impl`: the same for rustc and editors, and the
/// macro that brings it to kernels.
pub fn device_struct(attr: TokenStream, item: TokenStream) -> TokenStream {
    link::structure(attr, item)
}

/// Expands `gpu_instantiate!`: the module of a generic kernel of another place, for other arguments.
pub fn instantiate(item: TokenStream) -> TokenStream {
    link::instantiate(item)
}

/// Goes on with an expansion that waited for a device item.
pub fn link(input: TokenStream) -> TokenStream {
    link::link(input)
}

fn expand_kernel(
    attr: TokenStream,
    item: TokenStream,
    linker: &mut link::Linker<'_>,
) -> TokenStream {
    let mut diags = Diags::new();
    let Some(source) = source::Source::read(attr.clone(), item, &mut diags) else {
        return diags.take_tokens();
    };
    let (mut shadows, mut compiled) = (TokenStream::new(), Vec::new());
    for (i, instance) in source.instances.iter().enumerate() {
        let before = diags.iter().len();
        let Some((ast, facts)) = front(&source, instance, linker, &mut diags) else {
            return diags.take_tokens();
        };
        let show = shadow::Show {
            editor_only: linker.broken || diags.rustc_agrees(),
            // One shadow is enough to say what is unused.
            quiet: i > 0,
        };
        shadows.extend(shadow::shadow(&ast, &facts, show));
        if diags.is_empty() && !linker.broken {
            compiled.extend(back(desugar::desugar(ast, &facts), &mut diags));
        }
        if i > 0 {
            diags.say_where(before, &format!(" in the instance `{}`", instance.text()));
        }
        if compiled.len() <= i {
            break;
        }
    }
    let whole = compiled.len() == source.instances.len() && diags.is_empty();
    let module = match compiled.as_slice() {
        [one] if whole && !source.is_generic() => expand::module(one),
        [_, ..] if whole => expand::generic::module(&source, &compiled),
        _ if source.is_generic() => expand::generic::stub(&source, linker.links),
        _ => expand::stub(&source.stub_signature(linker.links)),
    };
    let errors = diags.take_tokens();
    let exported = source
        .is_generic()
        .then(|| link::export_kernel(&attr, source.function(), whole, linker.links));
    quote::quote!(#module #shadows #exported #errors)
}

/// The module of a kernel whose text stands elsewhere. What is wrong with it in one of its instances
/// is reported where that is named.
fn expand_again(
    source: &source::Source,
    at: span::SpanRange,
    links: &link::Links,
    mut diags: Diags,
) -> TokenStream {
    let (mut linker, mut compiled) = (link::Linker::new(links), Vec::new());
    for instance in &source.instances {
        let before = diags.iter().len();
        if let Some((ast, facts)) = front(source, instance, &mut linker, &mut diags)
            && diags.is_empty()
        {
            compiled.extend(back(desugar::desugar(ast, &facts), &mut diags));
        }
        if diags.iter().len() > before {
            diags.say_where(before, &format!(" in the instance `{}`", instance.text()));
            diags.move_to(before, at);
            break;
        }
    }
    linker.report(&mut diags);
    let module = match diags.is_empty() && !compiled.is_empty() {
        true => expand::generic::module(source, &compiled),
        false => expand::generic::stub(source, links),
    };
    let errors = diags.take_tokens();
    quote::quote!(#module #errors)
}

/// Compiles the function under `#[gpu_kernel(attr)]` as far as the typed tree, of a generic one
/// the first instance.
///
/// # Errors
/// What is wrong with it, all of it.
pub fn analyze(attr: TokenStream, item: TokenStream) -> Result<hir::Kernel, Vec<diag::Diag>> {
    let (mut diags, links) = (Diags::new(), link::Links::default());
    let mut linker = link::Linker::new(&links);
    let source = source::Source::read(attr, item, &mut diags);
    let front = source.as_ref().and_then(|source| {
        let instance = source.instances.first()?;
        front(source, instance, &mut linker, &mut diags)
    });
    linker.report(&mut diags);
    match front {
        Some((ast, facts)) if diags.is_empty() => Ok(desugar::desugar(ast, &facts)),
        Some(_) | None => Err(diags.take()),
    }
}

/// Checks the function under `#[gpu_fn]` or the constant under `#[gpu_const]`, as far as it can be
/// without the items that it names.
///
/// # Errors
/// What is wrong with it, all of it.
pub fn check_device_item(item: TokenStream) -> Result<(), Vec<diag::Diag>> {
    let mut diags = Diags::new();
    link::check(item, &mut diags);
    if diags.is_empty() { Ok(()) } else { Err(diags.take()) }
}

/// A compiled kernel.
#[derive(Debug)]
pub struct Compiled {
    /// What the host sees of it.
    pub signature: hir::Signature,
    /// The function, and what the host must know of it.
    pub lowered: lower::Lowered,
    /// The module as text.
    pub ptx: String,
}

/// Compiles the function under `#[gpu_kernel(attr)]` to PTX.
///
/// # Errors
/// What is wrong with it, all of it.
pub fn compile(attr: TokenStream, item: TokenStream) -> Result<Compiled, Vec<diag::Diag>> {
    let kernel = analyze(attr, item)?;
    let mut diags = Diags::new();
    back(kernel, &mut diags).ok_or_else(|| diags.take())
}

/// The passes of the back: constants, then PTX that verifies, or reports.
fn back(kernel: hir::Kernel, diags: &mut Diags) -> Option<Compiled> {
    let kernel = fold::fold(kernel, diags);
    if !diags.is_empty() {
        return None;
    }
    let lowered = lower::lower(&kernel);
    let ptx = firesteel_ptx::emit(&lowered.module);
    if let Err(error) = firesteel_ptx::verify(&lowered.module) {
        let at = kernel.signature.name.span();
        let message = format!("the compiler made PTX that is wrong: {error}\n{ptx}");
        diags.push(
            diag::Diag::new(diag::Code::Internal, at, message)
                .help("this is a defect of Firesteel; please report it with the kernel"),
        );
        return None;
    }
    let (need, stated) = (lowered.module.target.sm, kernel.signature.options.sm);
    if need > stated {
        let message = format!("this kernel needs sm_{need}, and it is for sm_{stated}");
        let at = kernel.signature.name.span();
        let help = format!("write `#[gpu_kernel(.., arch = \"sm_{need}\")]`");
        diags.push(diag::Diag::new(diag::Code::NeedsArch, at, message).help(help));
        return None;
    }
    Some(Compiled { signature: kernel.signature, lowered, ptx })
}

/// The passes of the front: a tree with its types, and reports.
fn front(
    source: &source::Source,
    instance: &instances::Instance,
    linker: &mut link::Linker<'_>,
    diags: &mut Diags,
) -> Option<(ast::Ast, infer::Facts)> {
    let ast = source.parse(instance, linker, diags);
    // What is wanted comes first: the kernel is read again when it is there.
    if linker.is_waiting() {
        return None;
    }
    let facts = infer::infer(&ast, diags);
    Some((ast, facts))
}
