//! Device functions and constants from elsewhere.
//!
//! A macro sees its own item alone. So each `#[gpu_fn]` and `#[gpu_const]` exports its tokens as a
//! hidden `macro_rules` macro of the same name, which every `use` and path of the item leads to as
//! well. A kernel that names `quants::unpack` expands to `quants::unpack! { {link} {job} }`; that
//! macro calls `link` with what it exports, and `link` asks for the next name or, when it has all,
//! compiles.
//!
//! An item is exported *linked*: with all that it names itself, found where it is defined. So
//! private helpers and other crates need no more than Rust's own paths.

mod codec;
mod instantiate;
mod structs;

use std::collections::BTreeMap;
use std::rc::Rc;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::Parser as _;

use crate::diag::{Code, Diag, Diags};
use crate::span::SpanRange;

/// An item of the device.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its identity: made of the place of its definition.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// The identities of what its paths mean.
    names: BTreeMap<String, String>,
}

/// What an item is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `#[gpu_fn]`.
    Function(Rc<syn::ItemFn>),
    /// `#[gpu_const]`.
    Const(Rc<syn::ItemConst>),
    /// `#[gpu_struct]` on a struct; whether an `impl` brings its methods.
    Struct(Rc<syn::ItemStruct>, bool),
    /// `#[gpu_struct]` on the `impl` of the struct of this identity.
    Impl(String, Rc<syn::ItemImpl>),
    /// `#[gpu_kernel(attr)]` on a generic kernel, for `gpu_instantiate!`.
    Kernel(TokenStream, Rc<syn::ItemFn>),
    /// Reported where it is defined.
    Broken,
}

/// The items that are known so far.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// By their identities.
    items: BTreeMap<String, Rc<Item>>,
    /// What the paths of the item that is compiled mean.
    names: BTreeMap<String, String>,
}

impl Links {
    /// What a path means inside of an item, or inside of the one that is compiled.
    pub(crate) fn find(&self, inside: Option<&Item>, path: &syn::Path) -> Option<Rc<Item>> {
        let names = inside.map_or(&self.names, |item| &item.names);
        self.items.get(names.get(&key(path))?).map(Rc::clone)
    }

    /// The item of an identity.
    pub(crate) fn get(&self, id: &str) -> Option<Rc<Item>> {
        self.items.get(id).map(Rc::clone)
    }

    /// The items that are known.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Rc<Item>> {
        self.items.values()
    }
}

/// A path as a name: without generic arguments and spaces.
pub(crate) fn key(path: &syn::Path) -> String {
    let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let root = if path.leading_colon.is_some() { "::" } else { "" };
    format!("{root}{}", names.join("::"))
}

/// What is known, and what else is wanted.
#[derive(Debug)]
pub struct Linker<'a> {
    /// What is known.
    pub(crate) links: &'a Links,
    wanted: Vec<syn::Path>,
    /// The item that is compiled, if it is one of the device.
    own: Option<Ident>,
    /// The `impl` that is compiled.
    pub(crate) own_impl: Option<Rc<Item>>,
    /// Whether an item was named that is reported where it is defined.
    pub(crate) broken: bool,
}

impl<'a> Linker<'a> {
    /// Nothing is wanted yet.
    pub fn new(links: &'a Links) -> Self {
        Self { links, wanted: Vec::new(), own: None, own_impl: None, broken: false }
    }

    /// Whether a path is the name of the item that is compiled. Device code is inlined, so an item
    /// cannot need itself. (A longer circle ends in rustc's error at each of its calls, since each
    /// of their macros waits for the next.)
    pub(crate) fn is_own(&self, path: &syn::Path) -> bool {
        self.own.as_ref().is_some_and(|own| path.is_ident(own))
    }

    /// Notes a path that nothing is known of.
    pub(crate) fn want(&mut self, path: &syn::Path) {
        if !self.wanted.iter().any(|known| key(known) == key(path)) {
            let mut path = path.clone();
            for segment in &mut path.segments {
                segment.arguments = syn::PathArguments::None;
            }
            self.wanted.push(path);
        }
    }

    /// Whether something is wanted.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Reports what is wanted, where nobody can bring it.
    pub(crate) fn report(self, diags: &mut Diags) {
        for path in self.wanted {
            let message = format!("no device function, constant or struct named `{}`", key(&path));
            let diag = Diag::new(Code::UnknownFunction, SpanRange::of(&path), message);
            diags.push(diag.help("define it with `#[gpu_fn]`, `#[gpu_const]` or `#[gpu_struct]`"));
        }
    }
}

/// What is compiled.
#[derive(Clone, Debug)]
enum Target {
    Kernel { attr: TokenStream, item: TokenStream },
    Function { item: TokenStream },
    Const { item: TokenStream },
    Struct { attr: TokenStream, item: TokenStream },
    Impl { item: TokenStream },
    Instances { item: TokenStream },
}

/// A target on its way: paths that are wanted, the first of them asked for, and what is known.
#[derive(Debug)]
struct Job {
    target: Target,
    wanted: Vec<syn::Path>,
    links: Links,
}

/// Expands `#[gpu_kernel(attr)]`.
pub(crate) fn kernel(attr: TokenStream, item: TokenStream) -> TokenStream {
    start(Target::Kernel { attr, item })
}

/// Expands `gpu_instantiate!`.
pub(crate) fn instantiate(item: TokenStream) -> TokenStream {
    start(Target::Instances { item })
}

/// Expands `#[gpu_fn]`.
pub(crate) fn function(item: TokenStream) -> TokenStream {
    start(Target::Function { item })
}

/// Expands `#[gpu_const]`.
pub(crate) fn constant(item: TokenStream) -> TokenStream {
    start(Target::Const { item })
}

/// Expands `#[gpu_struct(attr)]` on a struct or an `impl`.
pub(crate) fn structure(attr: TokenStream, item: TokenStream) -> TokenStream {
    match syn::parse2::<syn::ItemImpl>(item.clone()) {
        Ok(parsed) => structs::start_impl(&attr, &parsed, item),
        Err(_) => start(Target::Struct { attr, item }),
    }
}

fn start(target: Target) -> TokenStream {
    run(Job { target, wanted: Vec::new(), links: Links::default() })
}

/// Goes on with a job: the input is what an item exports, and the job that asked for it.
pub(crate) fn link(input: TokenStream) -> TokenStream {
    let read = codec::read_answer.parse2(input);
    let (id, items, mut job) = match read {
        Ok(read) => read,
        Err(error) => return error.to_compile_error(),
    };
    let path = job.wanted.remove(0);
    if let Some(path) = structs::of_methods(&path) {
        job.links.names.insert(key(&path), id.clone());
    }
    job.links.names.insert(key(&path), id);
    for item in items {
        job.links.items.entry(item.id.clone()).or_insert_with(|| Rc::new(item));
    }
    run(job)
}

fn run(job: Job) -> TokenStream {
    let Job { target, mut wanted, links } = job;
    if wanted.is_empty() {
        let mut linker = Linker::new(&links);
        let tokens = compile(&target, &mut linker);
        wanted = linker.wanted;
        if wanted.is_empty() {
            return tokens;
        }
    }
    let path = wanted[0].clone();
    // Of a name that is nowhere, rustc says that the macro is missing. It says the better thing,
    // with the intrinsic that was meant, of a value of that name.
    let probes = links.names.is_empty().then(|| probes(&wanted));
    let job = codec::write_job(&Job { target, wanted, links });
    quote!(#probes #path! { {::firesteel::expansion::link} #job })
}

fn probes(wanted: &[syn::Path]) -> TokenStream {
    let last = |path: &syn::Path| path.segments.last().map(|last| last.ident.to_string());
    let is_constant =
        |path: &&syn::Path| last(path).is_some_and(|name| crate::parse::is_constant_name(&name));
    let constants = wanted.iter().filter(is_constant);
    // A function may be generic, and then it is no value without its arguments. But it is a macro,
    // and so is, here, the intrinsic that was perhaps meant.
    let functions = wanted.iter().filter(|path| !is_constant(path)).filter_map(|path| {
        let near = crate::intrinsics::near(&path.get_ident()?.to_string())?;
        let near = Ident::new(near, Span::call_site());
        Some(quote! {
            const _: () = {
                #[allow(unused_imports)]
                use ::firesteel::expansion::nothing as #near;
                #path! { {::firesteel::expansion::nothing} }
            };
        })
    });
    quote! {
        const _: fn() = || {
            #[allow(unused_imports)]
            use ::firesteel::dsl::*;
            #(let _ = &#constants;)*
        };
        #(#functions)*
    }
}

fn compile(target: &Target, linker: &mut Linker<'_>) -> TokenStream {
    match target {
        Target::Kernel { attr, item } => crate::expand_kernel(attr.clone(), item.clone(), linker),
        Target::Function { item } => match syn::parse2(item.clone()) {
            Ok(function) => device_function(&function, linker),
            Err(error) => not_an_item("`#[gpu_fn]` stands on a function", &error),
        },
        Target::Const { item } => match syn::parse2(item.clone()) {
            Ok(item) => device_constant(&item, linker),
            Err(error) => not_an_item("`#[gpu_const]` stands on a `const` item", &error),
        },
        Target::Struct { attr, item } => match syn::parse2(item.clone()) {
            Ok(item) => structs::device_struct(attr, &item, linker),
            Err(error) => {
                not_an_item("`#[gpu_struct]` stands on a struct or on its `impl`", &error)
            }
        },
        Target::Impl { item } => match syn::parse2(item.clone()) {
            Ok(item) => structs::device_impl(&item, linker),
            Err(error) => error.to_compile_error(),
        },
        Target::Instances { item } => instantiate::instances(item, linker),
    }
}

fn not_an_item(message: &str, error: &syn::Error) -> TokenStream {
    let mut diags = Diags::new();
    let diag = Diag::new(Code::BadSignature, error.span(), message);
    diags.push(diag.help(format!("remove the attribute; what was read: {error}")));
    diags.take_tokens()
}

/// Checks a device function or constant by itself.
pub(crate) fn check(item: TokenStream, diags: &mut Diags) {
    let links = Links::default();
    let mut linker = Linker::new(&links);
    if let Ok(function) = syn::parse2::<syn::ItemFn>(item.clone()) {
        linker.own = Some(function.sig.ident.clone());
        if crate::parse::device_shape(&function, &mut linker, diags) {
            let ast = crate::parse::device_function(&function, &mut linker, diags);
            if !crate::parse::is_generic(&function) {
                crate::infer::infer(&ast, diags);
            }
        }
    } else if let Ok(item) = syn::parse2::<syn::ItemConst>(item.clone()) {
        linker.own = Some(item.ident.clone());
        let ast = crate::parse::device_constant(&item, &mut linker, diags);
        crate::infer::infer(&ast, diags);
    } else if let Ok(item) = syn::parse2::<syn::ItemStruct>(item) {
        linker.own = Some(item.ident.clone());
        let ast = crate::parse::device_struct(&item, &mut linker, diags);
        crate::infer::infer(&ast, diags);
    }
    linker.report(diags);
}

/// A checked device function: what rustc sees of it, and its macro.
fn device_function(function: &syn::ItemFn, linker: &mut Linker<'_>) -> TokenStream {
    let mut diags = Diags::new();
    let (name, vis) = (&function.sig.ident, &function.vis);
    linker.own = Some(name.clone());
    if !crate::parse::device_shape(function, linker, &mut diags) {
        let (sig, errors) = (&function.sig, diags.take_tokens());
        let exported = export(name, vis, Kind::Broken, linker.links);
        return quote! {
            #errors
            #exported
            #[allow(unused)]
            #vis #sig { ::core::panic!("the function did not compile") }
        };
    }
    let ast = crate::parse::device_function(function, linker, &mut diags);
    if linker.is_waiting() {
        diags.take();
        return TokenStream::new();
    }
    let facts = match crate::parse::is_generic(function) {
        // Where it is called, it has types.
        true => crate::infer::Facts::unknown(&ast),
        false => crate::infer::infer(&ast, &mut diags),
    };
    let broken = linker.broken || !diags.is_empty();
    let editor_only = linker.broken || diags.rustc_agrees();
    let shadow = crate::shadow::function(function, &ast, &facts, editor_only);
    let kind = if broken { Kind::Broken } else { Kind::Function(Rc::new(function.clone())) };
    let exported = export(name, vis, kind, linker.links);
    let errors = diags.take_tokens();
    quote!(#shadow #exported #errors)
}

fn device_constant(item: &syn::ItemConst, linker: &mut Linker<'_>) -> TokenStream {
    let mut diags = Diags::new();
    linker.own = Some(item.ident.clone());
    let ast = crate::parse::device_constant(item, linker, &mut diags);
    if linker.is_waiting() {
        diags.take();
        return TokenStream::new();
    }
    crate::infer::infer(&ast, &mut diags);
    let broken = linker.broken || !diags.is_empty();
    let kind = if broken { Kind::Broken } else { Kind::Const(Rc::new(item.clone())) };
    let errors = diags.take_tokens();
    let exported = export(&item.ident, &item.vis, kind, linker.links);
    quote!(#item #exported #errors)
}

/// The macro of a generic kernel, as far as others see the kernel.
pub(crate) fn export_kernel(
    attr: &TokenStream,
    function: &syn::ItemFn,
    is_sound: bool,
    links: &Links,
) -> TokenStream {
    if matches!(function.vis, syn::Visibility::Inherited) {
        return TokenStream::new();
    }
    let kind = match is_sound {
        true => Kind::Kernel(attr.clone(), Rc::new(function.clone())),
        false => Kind::Broken,
    };
    export(&function.sig.ident, &function.vis, kind, links)
}

/// The macro of an item, under the item's own name.
fn export(name: &Ident, vis: &syn::Visibility, kind: Kind, links: &Links) -> TokenStream {
    let id = identity(name);
    let item = Item { id: id.clone(), name: name.to_string(), kind, names: links.names.clone() };
    export_as(std::slice::from_ref(name), vis, &id, &item, links)
}

/// The macro of an item under several names, which answers with this identity.
fn export_as(
    names: &[Ident],
    vis: &syn::Visibility,
    answer: &str,
    item: &Item,
    links: &Links,
) -> TokenStream {
    let hidden = format_ident!("__firesteel_{}", item.id, span = Span::call_site());
    let item = codec::write_item(item);
    let items = links.items.values().map(|item| codec::write_item(item));
    let export = matches!(vis, syn::Visibility::Public(_)).then(|| quote!(#[macro_export]));
    quote! {
        #[doc(hidden)]
        #export
        macro_rules! #hidden {
            ({ $($link:tt)* } $($job:tt)*) => {
                $($link)* ! { { #answer #item #(#items)* } $($job)* }
            };
        }
        #(
            #[doc(hidden)]
            #[allow(unused_imports)]
            #vis use #hidden as #names;
        )*
    }
}

/// A name for the item that no other of its crate has: from where it stands.
fn identity(name: &Ident) -> String {
    let span = SpanRange::from(name.span());
    let package = std::env::var("CARGO_CRATE_NAME").unwrap_or_default();
    // FNV-1a.
    let place = format!("{package}:{}:{}:{}", span.file(), span.line(), span.column());
    let hash = place.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{name}_{hash:016x}")
}
