//! The module that takes the kernel's place: its PTX, what the host must know of it, and `launch`.
//!
//! Names of ours are hygienic, so a parameter may be called `device`. All else is named by its
//! path from `::firesteel`.

pub(crate) mod generic;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::Compiled;
use crate::hir::{Elem, Param, ParamKind, Scalar, Signature};
use crate::lower::{Lowered, Site, SiteKind};

/// The module of a kernel.
pub(crate) fn module(compiled: &Compiled) -> TokenStream {
    let (items, inspection) = (compiled_items(compiled), inspection());
    around(&compiled.signature, &quote!(#items #inspection))
}

/// The items of one compiled kernel: its text, what the runtime knows of it, and `run`.
fn compiled_items(Compiled { signature, lowered, ptx }: &Compiled) -> TokenStream {
    let constants = constants(signature);
    let kernel = kernel(signature, lowered);
    let run = run(signature, lowered.uses_channel);
    quote! {
        #constants
        /// The kernel as PTX text.
        pub const PTX: &str = #ptx;
        #kernel
        #run
    }
}

/// The module of a kernel with errors: it can be called as the right one could, so that nothing
/// else is reported.
pub(crate) fn stub(signature: &Signature) -> TokenStream {
    let constants = constants(signature);
    let names = names(signature);
    let params = host_params(signature);
    around(
        signature,
        &quote! {
            #constants
            fn run(
                _: &::firesteel::Stream, _: ::firesteel::LaunchConfig, #(#params),*
            ) -> ::firesteel::Result<()> {
                let _ = (#(#names,)*);
                ::core::panic!("the kernel did not compile")
            }
        },
    )
}

/// The module around what differs between a kernel and a stub.
fn around(signature: &Signature, inside: &TokenStream) -> TokenStream {
    let Signature { name, vis, attrs, .. } = signature;
    let launch = launch(signature);
    let launch_on = launch_on(signature);
    let (elements, beside) = elements(signature);
    quote! {
        #(#attrs)*
        #[allow(non_snake_case, private_interfaces, clippy::too_many_arguments)]
        #vis mod #name {
            #elements
            #inside
            #launch
            #launch_on
        }
        #beside
    }
}

fn constants(signature: &Signature) -> TokenStream {
    let [x, y, z] = signature.options.block;
    quote! {
        /// Threads of a block along x, y and z.
        pub const BLOCK: [u32; 3] = [#x, #y, #z];
    }
}

/// A name that no parameter can have.
fn ours(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

fn names(signature: &Signature) -> Vec<&Ident> {
    signature.params.iter().map(|param| &param.name).collect()
}

/// The type of a scalar on the host.
fn host_scalar(ty: Scalar) -> TokenStream {
    let name = Ident::new(ty.name(), Span::call_site());
    match ty {
        Scalar::F16 | Scalar::Bf16 => quote!(::firesteel::half::#name),
        Scalar::E4m3
        | Scalar::E5m2
        | Scalar::F16x2
        | Scalar::Bf16x2
        | Scalar::I4x8
        | Scalar::U4x8 => {
            quote!(::firesteel::#name)
        }
        Scalar::Bool
        | Scalar::I8
        | Scalar::I16
        | Scalar::I32
        | Scalar::I64
        | Scalar::Isize
        | Scalar::U8
        | Scalar::U16
        | Scalar::U32
        | Scalar::U64
        | Scalar::Usize
        | Scalar::F32
        | Scalar::F64 => quote!(::core::primitive::#name),
    }
}

/// The parameters of `launch`: buffers for slices.
fn host_params(signature: &Signature) -> Vec<TokenStream> {
    signature.params.iter().map(host_param).collect()
}

fn host_param(param: &Param) -> TokenStream {
    host_param_of(param, &host_scalar)
}

/// The same, where something else says what the type, or that of an element, is on the host.
fn host_param_of(param: &Param, elem_ty: &dyn Fn(Scalar) -> TokenStream) -> TokenStream {
    let name = &param.name;
    match param.kind {
        ParamKind::Scalar { ty, .. } => {
            let ty = elem_ty(ty);
            quote!(#name: #ty)
        }
        ParamKind::Slice { elem, mutable } => {
            let elem = match elem {
                Elem::Scalar(elem) => elem_ty(elem),
                // A path of the user's means nothing in this module.
                Elem::Struct(_) => {
                    let of = param.name.to_string();
                    let of = element_of(&of);
                    quote!(<Elements as ::firesteel::expansion::Element<#of>>::Element)
                }
            };
            let reference = if mutable { quote!(&mut) } else { quote!(&) };
            quote!(#name: #reference ::firesteel::GpuBuffer<#elem>)
        }
        ParamKind::TensorMap { elem, rank, mutable } => {
            let (elem, rank) = (elem_ty(elem), rank as usize);
            match mutable {
                false => quote!(#name: &::firesteel::TensorMap<'_, #elem, #rank>),
                true => quote!(#name: &mut ::firesteel::TensorMapMut<'_, #elem, #rank>),
            }
        }
    }
}

/// The parameter that counts elements: of a kernel with a block of one axis, the last `u32`.
fn count(signature: &Signature) -> Option<&Ident> {
    let is_u32 = |param: &&Param| matches!(param.kind, ParamKind::Scalar { ty: Scalar::U32, .. });
    let count = signature.params.iter().rev().find(is_u32);
    count.filter(|_| signature.options.axes == 1).map(|param| &param.name)
}

/// The grid of whole clusters that covers so many elements.
fn covering(signature: &Signature, count: &Ident) -> TokenStream {
    let grid = quote!(::firesteel::Grid::cover(#count, BLOCK[0]));
    match signature.options.cluster {
        [1, 1, 1] => grid,
        [x, y, z] => quote!(#grid.in_clusters([#x, #y, #z])),
    }
}

/// `launch`: on the device's own stream, with a grid that covers the elements.
fn launch(signature: &Signature) -> TokenStream {
    let (params, names) = (host_params(signature), names(signature));
    let (device, grid) = (ours("device"), ours("grid"));
    let docs = launch_docs(signature);
    let (extra, config) = match count(signature) {
        Some(count) => (quote!(), covering(signature, count)),
        None => (quote!(#grid: (u32, u32, u32),), quote!(::firesteel::LaunchConfig::from(#grid))),
    };
    let unsafety = signature.options.unchecked.then(|| quote!(unsafe));
    quote! {
        #(#[doc = #docs])*
        pub #unsafety fn launch(
            #device: &::firesteel::Device, #(#params,)* #extra
        ) -> ::firesteel::Result<()> {
            run(&#device.stream(), #config, #(#names),*)
        }
    }
}

/// `launch_on`: on a stream, with everything said.
fn launch_on(signature: &Signature) -> TokenStream {
    let (params, names) = (host_params(signature), names(signature));
    let (stream, config) = (ours("stream"), ours("config"));
    let mut docs = vec![
        " [`launch`] on a stream, with the number of blocks and the dynamic shared memory given."
            .to_owned(),
        String::new(),
    ];
    docs.extend(contract(signature));
    let unsafety = signature.options.unchecked.then(|| quote!(unsafe));
    quote! {
        #(#[doc = #docs])*
        pub #unsafety fn launch_on(
            #stream: &::firesteel::Stream, #config: ::firesteel::LaunchConfig, #(#params),*
        ) -> ::firesteel::Result<()> {
            run(#stream, #config, #(#names),*)
        }
    }
}

fn launch_docs(signature: &Signature) -> Vec<String> {
    let mut docs =
        vec![format!(" Launches `{}` on the stream of a device.", signature.name), String::new()];
    let count = count(signature);
    for param in &signature.params {
        let name = &param.name;
        let mut line = match param.kind {
            ParamKind::Scalar { ty, .. } => format!(" - `{name}`: `{ty}`"),
            ParamKind::Slice { elem, mutable } => {
                let (elem, use_of) =
                    (elem_name(param, elem), if mutable { "written" } else { "read" });
                format!(" - `{name}`: `[{elem}]`, {use_of}")
            }
            ParamKind::TensorMap { elem, rank, mutable } => {
                let use_of = if mutable { "written" } else { "read" };
                format!(" - `{name}`: a tensor of `{elem}` with {rank} dimensions, {use_of}")
            }
        };
        if count == Some(name) {
            let threads = signature.options.block[0];
            line += &format!("; as many blocks of {threads} threads as cover this number");
        }
        docs.push(line);
    }
    if count.is_none() {
        docs.push(" - `grid`: blocks along x, y and z".to_owned());
    }
    docs.push(String::new());
    docs.extend(contract(signature));
    docs
}

/// What the caller must know of errors and, for an unchecked kernel, promise.
fn contract(signature: &Signature) -> Vec<String> {
    let mut docs = vec![
        " # Errors".to_owned(),
        " What keeps the launch from starting. What goes wrong on the device is reported by the \
         next synchronisation."
            .to_owned(),
    ];
    if signature.options.unchecked {
        docs.extend([
            String::new(),
            " # Safety".to_owned(),
            " Every index is in bounds and no integer is divided by zero.".to_owned(),
        ]);
    }
    docs
}

/// `KERNEL`: what the runtime knows of the kernel.
fn kernel(signature: &Signature, lowered: &Lowered) -> TokenStream {
    let span = crate::span::SpanRange::from(signature.name.span());
    let (name, file, line) = (entry_name(lowered), span.file(), span.line());
    let params = signature.params.iter().map(param_def);
    let sites = lowered.sites.iter().map(site);
    let (uses_channel, static_shared) = (lowered.uses_channel, lowered.static_shared);
    let [x, y, z] = signature.options.cluster;
    let reserved_shared = lowered.reserved_shared;
    quote! {
        /// The kernel, as the runtime loads it.
        pub static KERNEL: ::firesteel::expansion::KernelDef =
            ::firesteel::expansion::KernelDef::new(::firesteel::expansion::KernelSpec {
                name: #name,
                file: #file,
                line: #line,
                ptx: PTX,
                block: BLOCK,
                cluster: [#x, #y, #z],
                params: &[#(#params),*],
                sites: &[#(#sites),*],
                uses_channel: #uses_channel,
                static_shared: #static_shared,
                reserved_shared: #reserved_shared,
            });
    }
}

/// `ptx` and `info`: for people and tools that look at the kernel.
fn inspection() -> TokenStream {
    let (device, dynamic_shared) = (ours("device"), ours("dynamic_shared"));
    quote! {
        /// The kernel as PTX text.
        #[must_use]
        pub fn ptx() -> &'static str {
            PTX
        }

        /// What the kernel takes on a device (registers, shared memory, occupancy), where it is
        /// loaded for that, without dynamic shared memory.
        ///
        /// # Errors
        /// Those of loading the kernel.
        pub fn info(
            #device: &::firesteel::Device,
        ) -> ::firesteel::Result<::firesteel::KernelInfo> {
            KERNEL.info(#device, 0)
        }

        /// [`info`] for blocks with so many bytes of dynamic shared memory.
        ///
        /// # Errors
        /// As [`info`].
        pub fn info_with_dynamic_shared(
            #device: &::firesteel::Device, #dynamic_shared: u32,
        ) -> ::firesteel::Result<::firesteel::KernelInfo> {
            KERNEL.info(#device, #dynamic_shared)
        }
    }
}

/// The name of the function in PTX.
fn entry_name(lowered: &Lowered) -> &str {
    lowered.module.functions.first().map_or("", |function| &function.name)
}

/// The name of the type of an element.
fn elem_name(param: &Param, elem: Elem) -> String {
    match (elem, &param.structure) {
        (Elem::Scalar(elem), _) => elem.name().to_owned(),
        (Elem::Struct(_), path) => {
            let last = path.as_ref().and_then(|path| path.segments.last());
            last.map_or_else(|| "struct".to_owned(), |last| last.ident.to_string())
        }
    }
}

/// A number for a parameter, which its name gives.
fn element_of(name: &str) -> u64 {
    // FNV-1a.
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// In the module, what says which structs the elements of slices are; beside it, where the user's
/// paths mean what they meant, which. `Elements` is as visible as the kernel,
/// so a struct must be that too.
fn elements(signature: &Signature) -> (TokenStream, TokenStream) {
    let structs: Vec<_> = signature
        .params
        .iter()
        .filter_map(|param| Some((element_of(&param.name.to_string()), param.structure.as_ref()?)))
        .collect();
    if structs.is_empty() {
        return (TokenStream::new(), TokenStream::new());
    }
    let (name, vis) = (&signature.name, inside_module(&signature.vis));
    let is = |(id, path)| match &signature.origin {
        None => quote!(#path),
        // The path means something there alone.
        Some(origin) => {
            quote!(<#origin::Elements as ::firesteel::expansion::Element<#id>>::Element)
        }
    };
    let paths: Vec<_> = structs.iter().copied().map(is).collect();
    let ids = structs.iter().map(|(id, _)| id);
    let inside = quote! {
        /// The structs in the slices that the kernel takes.
        #[doc(hidden)]
        #[derive(Debug)]
        #[allow(unreachable_pub)]
        #vis enum Elements {}
    };
    let beside = quote! {
        #(
            impl ::firesteel::expansion::Element<#ids> for #name::Elements {
                type Element = #paths;
            }
        )*
    };
    (inside, beside)
}

/// The same visibility in a module that stands where the item does.
fn inside_module(vis: &syn::Visibility) -> TokenStream {
    let syn::Visibility::Restricted(restricted) = vis else {
        return match vis {
            syn::Visibility::Inherited => quote!(pub(super)),
            other => quote!(#other),
        };
    };
    let path = &restricted.path;
    match path.segments.first().map(|first| first.ident.to_string()).as_deref() {
        Some("crate") => quote!(#vis),
        Some("self") => quote!(pub(super)),
        _ => quote!(pub(in super::#path)),
    }
}

fn param_def(param: &Param) -> TokenStream {
    let name = param.name.to_string();
    let scalar = |ty: Scalar| ty.name().to_owned();
    let (ty, kind) = match param.kind {
        ParamKind::Scalar { ty, .. } => (scalar(ty), quote!(Scalar)),
        ParamKind::Slice { elem, mutable: false } => (elem_name(param, elem), quote!(Slice)),
        ParamKind::Slice { elem, mutable: true } => (elem_name(param, elem), quote!(SliceMut)),
        ParamKind::TensorMap { elem, mutable: false, .. } => (scalar(elem), quote!(TensorMap)),
        ParamKind::TensorMap { elem, mutable: true, .. } => (scalar(elem), quote!(TensorMapMut)),
    };
    quote! {
        ::firesteel::expansion::ParamDef {
            name: #name, ty: #ty, kind: ::firesteel::expansion::ParamKind::#kind,
        }
    }
}

fn site(site: &Site) -> TokenStream {
    let (file, line, column) = (site.span.file(), site.span.line(), site.span.column());
    let kind = match &site.kind {
        SiteKind::Bounds { array } => quote!(Bounds { array: #array }),
        SiteKind::DivisionByZero => quote!(DivisionByZero),
        SiteKind::Assert { message } => quote!(Assert { message: #message }),
        SiteKind::Print { format, args } => {
            let args = args.iter().map(|ty| print_arg(*ty));
            quote! {
                Print { format: #format, args: &[#(::firesteel::expansion::PrintArg::#args),*] }
            }
        }
    };
    quote! {
        ::firesteel::expansion::Site {
            file: #file, line: #line, column: #column,
            kind: ::firesteel::expansion::SiteKind::#kind,
        }
    }
}

/// The variant of `PrintArg`: the type's name with a capital.
fn print_arg(ty: Scalar) -> Ident {
    let mut name = ty.name().to_owned();
    name[..1].make_ascii_uppercase();
    Ident::new(&name, Span::call_site())
}

/// `run`: collects the arguments and launches.
fn run(signature: &Signature, uses_channel: bool) -> TokenStream {
    let params = host_params(signature);
    let (stream, config, args) = (ours("stream"), ours("config"), ours("args"));
    let mut n_args = if uses_channel { 2_usize } else { 0 };
    let mut pushes = TokenStream::new();
    for param in &signature.params {
        let (ident, name) = (&param.name, param.name.to_string());
        pushes.extend(match param.kind {
            ParamKind::Scalar { .. } => quote!(#args.scalar(#ident);),
            ParamKind::Slice { mutable: false, .. } => quote!(#args.slice(#name, #ident)?;),
            ParamKind::Slice { mutable: true, .. } => quote!(#args.slice_mut(#name, #ident)?;),
            ParamKind::TensorMap { mutable: false, .. } => quote!(#args.tensor_map(#ident);),
            ParamKind::TensorMap { mutable: true, .. } => quote!(#args.tensor_map_mut(#ident);),
        });
        n_args += match param.kind {
            ParamKind::Scalar { .. } | ParamKind::TensorMap { .. } => 1,
            ParamKind::Slice { .. } => 2,
        };
    }
    quote! {
        pub(super) fn run(
            #stream: &::firesteel::Stream, #config: ::firesteel::LaunchConfig, #(#params),*
        ) -> ::firesteel::Result<()> {
            #[allow(unused_mut)]
            let mut #args = ::firesteel::expansion::Args::<#n_args>::new(&KERNEL);
            #pushes
            ::firesteel::expansion::launch(&KERNEL, #stream, #config, #args)
        }
    }
}
