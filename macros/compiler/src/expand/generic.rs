//! The module of a generic kernel: a module for each instance, and functions that choose by their
//! generic arguments.
//!
//! `launch` demands `Kernel: Instance<64>`. The trait is implemented for the instances alone, so
//! an instance that was not named is an error of rustc, whose message lists those that were.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::GenericParam;

use super::{contract, count, launch_docs, names, ours};
use crate::Compiled;
use crate::hir::{Param, Signature};
use crate::instances::Is;
use crate::link::Links;
use crate::source::Source;

/// The module.
pub(crate) fn module(source: &Source, compiled: &[Compiled]) -> TokenStream {
    let Some(first) = compiled.first() else { return TokenStream::new() };
    let signature = &first.signature;
    let generics = Generics::of(source);
    let Generics { declared, .. } = &generics;
    let message = message(signature, source);
    let note = note(source);
    let instances = compiled.iter().zip(&source.instances).map(|(compiled, instance)| {
        let arguments = instance.args.iter().map(|arg| match &arg.is {
            Is::Type(scalar) => super::host_scalar(*scalar),
            Is::Const { expr, .. } => quote!(#expr),
        });
        instance_items(compiled, &quote!(#(#arguments),*))
    });
    let entries: Vec<_> = compiled.iter().map(|it| entry(&it.signature)).collect();
    let n = compiled.len();
    let params = generics.host_params(signature);
    let launches = launches(signature, &generics);
    let of = generics.used();
    let inside = quote! {
        #(#instances)*

        mod sealed {
            /// Keeps `Instance::run` from being called but by `launch`, which may be `unsafe`.
            #[derive(Debug)]
            pub struct Call;
        }

        /// What has the instances: see [`launch`].
        #[derive(Debug)]
        pub enum Kernel {}

        /// Implemented by [`Kernel`] for the arguments of each instance.
        #[diagnostic::on_unimplemented(message = #message, label = "not an instance", note = #note)]
        pub trait Instance<#(#declared),*> {
            /// The instance, as the runtime loads it.
            fn kernel() -> &'static ::firesteel::expansion::KernelDef;
            #[doc(hidden)]
            #[allow(clippy::missing_errors_doc)]
            fn run(
                _: sealed::Call, stream: &::firesteel::Stream, config: ::firesteel::LaunchConfig, #(#params),*
            ) -> ::firesteel::Result<()>;
        }

        /// Every instance.
        pub static INSTANCES: [&::firesteel::expansion::KernelDef; #n] =
            [#(&#entries::KERNEL),*];

        /// An instance, as the runtime loads it.
        #[must_use]
        pub fn kernel<#(#declared),*>() -> &'static ::firesteel::expansion::KernelDef
        where
            Kernel: Instance<#of>,
        {
            <Kernel as Instance<#of>>::kernel()
        }

        #launches
    };
    around(signature, &inside)
}

/// The module of a generic kernel with errors: it can be called as the right one could.
pub(crate) fn stub(source: &Source, links: &Links) -> TokenStream {
    let signature = &source.stub_signature(links);
    let generics = Generics::of(source);
    let Generics { declared, .. } = &generics;
    let (params, names) = (generics.host_params(signature), names(signature));
    let has_structs = signature.params.iter().any(|param| param.structure.is_some());
    let use_elements = has_structs.then(|| {
        quote!(
            use super::Elements;
        )
    });
    let grid = count(signature).is_none().then(|| quote!(_: (u32, u32, u32),));
    let unsafety = signature.options.unchecked.then(|| quote!(unsafe));
    let failed = quote!(::core::panic!("the kernel did not compile"));
    let inside = quote! {
        pub static INSTANCES: [&::firesteel::expansion::KernelDef; 0] = [];
        pub fn kernel<#(#declared),*>() -> &'static ::firesteel::expansion::KernelDef {
            #failed
        }
        pub #unsafety fn launch<#(#declared),*>(
            _: &::firesteel::Device, #(#params,)* #grid
        ) -> ::firesteel::Result<()> {
            let _ = (#(#names,)*);
            #failed
        }
        pub #unsafety fn launch_on<#(#declared),*>(
            _: &::firesteel::Stream, _: ::firesteel::LaunchConfig, #(#params),*
        ) -> ::firesteel::Result<()> {
            let _ = (#(#names,)*);
            #failed
        }
    };
    around(
        signature,
        &quote!(#[allow(missing_docs)] mod stub { #use_elements #inside } pub use stub::*;),
    )
}

fn around(signature: &Signature, inside: &TokenStream) -> TokenStream {
    let Signature { name, vis, attrs, .. } = signature;
    let (elements, beside) = super::elements(signature);
    quote! {
        #(#attrs)*
        #[allow(non_snake_case, private_interfaces, clippy::too_many_arguments)]
        #vis mod #name {
            #elements
            #inside
        }
        #beside
    }
}

/// The generic parameters on the host.
struct Generics {
    /// As they are declared: `const N: u32`.
    declared: Vec<TokenStream>,
    /// Their names.
    names: Vec<Ident>,
}

impl Generics {
    fn of(source: &Source) -> Self {
        let mut generics = Self { declared: Vec::new(), names: Vec::new() };
        for param in &source.generics().params {
            match param {
                GenericParam::Const(param) => {
                    let (name, ty) = (&param.ident, &param.ty);
                    generics.declared.push(quote!(const #name: #ty));
                    generics.names.push(name.clone());
                }
                GenericParam::Type(param) => {
                    let name = &param.ident;
                    generics.declared.push(quote!(#name: ::firesteel::DeviceCopy));
                    generics.names.push(name.clone());
                }
                GenericParam::Lifetime(_) => {}
            }
        }
        generics
    }

    fn used(&self) -> TokenStream {
        let names = &self.names;
        quote!(#(#names),*)
    }

    /// The parameters of `launch`, whose types may be type parameters.
    fn host_params(&self, signature: &Signature) -> Vec<TokenStream> {
        signature.params.iter().map(host_param).collect()
    }
}

fn host_param(param: &Param) -> TokenStream {
    let Some(ty) = &param.generic else { return super::host_param(param) };
    super::host_param_of(param, &|_| quote!(#ty))
}

/// The module of an instance.
fn entry(signature: &Signature) -> Ident {
    format_ident!("{}", signature.entry, span = Span::call_site())
}

fn instance_items(compiled: &Compiled, arguments: &TokenStream) -> TokenStream {
    let (items, signature) = (super::compiled_items(compiled), &compiled.signature);
    let (entry, params, names) =
        (entry(signature), super::host_params(signature), names(signature));
    let has_structs = signature.params.iter().any(|param| param.structure.is_some());
    let use_elements = has_structs.then(|| {
        quote!(
            use super::Elements;
        )
    });
    quote! {
        mod #entry {
            #use_elements
            #items
        }

        impl Instance<#arguments> for Kernel {
            fn kernel() -> &'static ::firesteel::expansion::KernelDef {
                &#entry::KERNEL
            }

            fn run(
                _: sealed::Call, stream: &::firesteel::Stream, config: ::firesteel::LaunchConfig, #(#params),*
            ) -> ::firesteel::Result<()> {
                #entry::run(stream, config, #(#names),*)
            }
        }
    }
}

/// `launch` and `launch_on`.
fn launches(signature: &Signature, generics: &Generics) -> TokenStream {
    let Generics { declared, .. } = generics;
    let (of, params, names) = (generics.used(), generics.host_params(signature), names(signature));
    let (device, grid) = (ours("device"), ours("grid"));
    let (stream, config) = (ours("stream"), ours("config"));
    let (docs, contract) = (launch_docs(signature), contract(signature));
    let (extra, covered) = match count(signature) {
        Some(count) => {
            let block = quote!(kernel::<#of>().block()[0]);
            let cluster = quote!(kernel::<#of>().cluster());
            (quote!(), quote!(::firesteel::Grid::cover(#count, #block).in_clusters(#cluster)))
        }
        None => (quote!(#grid: (u32, u32, u32),), quote!(::firesteel::LaunchConfig::from(#grid))),
    };
    let unsafety = signature.options.unchecked.then(|| quote!(unsafe));
    quote! {
        #(#[doc = #docs])*
        pub #unsafety fn launch<#(#declared),*>(
            #device: &::firesteel::Device, #(#params,)* #extra
        ) -> ::firesteel::Result<()>
        where
            Kernel: Instance<#of>,
        {
            let #stream = &#device.stream();
            <Kernel as Instance<#of>>::run(sealed::Call, #stream, #covered, #(#names),*)
        }

        /// [`launch`] on a stream, with the number of blocks and the dynamic shared memory given.
        ///
        #(#[doc = #contract])*
        pub #unsafety fn launch_on<#(#declared),*>(
            #stream: &::firesteel::Stream, #config: ::firesteel::LaunchConfig, #(#params),*
        ) -> ::firesteel::Result<()>
        where
            Kernel: Instance<#of>,
        {
            <Kernel as Instance<#of>>::run(sealed::Call, #stream, #config, #(#names),*)
        }
    }
}

/// What rustc says of arguments that are not those of an instance.
fn message(signature: &Signature, source: &Source) -> String {
    let args =
        Generics::of(source).names.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>();
    format!("the kernel `{}` has no instance `<{}>`", signature.name, args.join(", "))
}

fn note(source: &Source) -> String {
    let all = source.instances.iter().map(|instance| format!("`{}`", instance.arguments()));
    format!(
        "it has {}; name others in `instances(..)`, or elsewhere in `gpu_instantiate!`",
        all.collect::<Vec<_>>().join(", ")
    )
}
