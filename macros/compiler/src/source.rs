//! A kernel as it stands in the source: its function, what its attribute says, and its instances.

use proc_macro2::TokenStream;
use syn::GenericParam;

use crate::ast::Ast;
use crate::attr::{self, Arguments};
use crate::diag::Diags;
use crate::hir::Signature;
use crate::instances::{self, Instance};
use crate::link::{Linker, Links};
use crate::parse;
use crate::span::SpanRange;

/// A kernel as it stands in the source.
pub(crate) struct Source {
    function: syn::ItemFn,
    arguments: Arguments,
    /// The kernel whose text it is, if that stands elsewhere.
    origin: Option<syn::Path>,
    /// Those that are compiled; none if they were reported.
    pub(crate) instances: Vec<Instance>,
}

impl Source {
    /// Reads attribute and item. `None` if the item can be no kernel.
    pub(crate) fn read(attr: TokenStream, item: TokenStream, diags: &mut Diags) -> Option<Self> {
        let arguments = attr::read(attr, diags);
        let function = parse::function(item, diags)?;
        let instances = instances::instances(&function, &arguments, diags);
        Some(Self { function, arguments, origin: None, instances })
    }

    /// The text of a kernel that stands elsewhere, with instances of its own.
    pub(crate) fn again(
        (attr, function): (TokenStream, syn::ItemFn),
        (origin, list): (syn::Path, TokenStream),
        at: SpanRange,
        diags: &mut Diags,
    ) -> Self {
        let arguments = attr::read(attr, diags).with_instances(list, at);
        let instances = instances::instances(&function, &arguments, diags);
        Self { function, arguments, origin: Some(origin), instances }
    }

    /// The function.
    pub(crate) fn function(&self) -> &syn::ItemFn {
        &self.function
    }

    /// Whether its function has generic parameters.
    pub(crate) fn is_generic(&self) -> bool {
        self.generics().params.iter().any(|it| !matches!(it, GenericParam::Lifetime(_)))
    }

    /// The generic parameters.
    pub(crate) fn generics(&self) -> &syn::Generics {
        &self.function.sig.generics
    }

    /// The signature of a kernel that was reported: what can be read of it.
    pub(crate) fn stub_signature(&self, links: &Links) -> Signature {
        let mut diags = Diags::new();
        let sample = Instance::sample(&self.function);
        let instance = self.instances.first().unwrap_or(&sample);
        let ast = self.parse(instance, &mut Linker::new(links), &mut diags);
        diags.take();
        ast.signature
    }

    /// The tree of an instance.
    pub(crate) fn parse(
        &self,
        instance: &Instance,
        linker: &mut Linker<'_>,
        diags: &mut Diags,
    ) -> Ast {
        let options = attr::options(&self.arguments, instance, diags);
        let mut ast = parse::kernel(options, &self.function, instance, linker, diags);
        ast.signature.origin.clone_from(&self.origin);
        ast
    }
}
