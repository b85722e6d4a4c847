//! `gpu_instantiate!`: instances of a generic kernel beyond those that its attribute names.
//!
//! A generic kernel exports its tokens as device functions do, with all that it names. Here they are
//! compiled again, under another name and for other arguments. rustc has seen the body where the
//! kernel is defined, and would not find the names in it from here, so there is no shadow.

use proc_macro2::{Ident, TokenStream};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, ItemFn, Token, Visibility, parenthesized};

use super::{Kind, Linker, Links};
use crate::diag::{Code, Diag, Diags};
use crate::source::Source;
use crate::span::SpanRange;

const HELP: &str = "write `pub mod wide = attention::attend, instances(D = [96])`";

/// `pub mod wide = attention::attend, instances(D = [96])`.
struct Declaration {
    attrs: Vec<Attribute>,
    vis: Visibility,
    name: Ident,
    path: syn::Path,
    list: TokenStream,
    /// All from the path on.
    at: SpanRange,
}

impl Parse for Declaration {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        input.parse::<Token![mod]>()?;
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        let path = input.call(syn::Path::parse_mod_style)?;
        input.parse::<Token![,]>()?;
        let word: Ident = input.parse()?;
        if word != "instances" {
            return Err(syn::Error::new(word.span(), "expected `instances`"));
        }
        let list;
        let parens = parenthesized!(list in input);
        let list = list.parse()?;
        input.parse::<Option<Token![;]>>()?;
        let at = SpanRange::of(&path).to(parens.span.close().into());
        Ok(Self { attrs, vis, name, path, list, at })
    }
}

/// Compiles the instances, once the kernel is known.
pub(super) fn instances(item: &TokenStream, linker: &mut Linker<'_>) -> TokenStream {
    let mut diags = Diags::new();
    let declaration = match syn::parse2::<Declaration>(item.clone()) {
        Ok(declaration) => declaration,
        Err(error) => {
            let diag = Diag::new(Code::BadAttribute, error.span(), error.to_string());
            diags.push(diag.help(HELP));
            return diags.take_tokens();
        }
    };
    let Some(kernel) = linker.links.find(None, &declaration.path) else {
        linker.want(&declaration.path);
        return TokenStream::new();
    };
    match &kernel.kind {
        Kind::Kernel(attr, function) => {
            let links = Links { items: linker.links.items.clone(), names: kernel.names.clone() };
            let function = declaration.function(function);
            let Declaration { path, list, at, .. } = declaration;
            let source = Source::again((attr.clone(), function), (path, list), at, &mut diags);
            crate::expand_again(&source, at, &links, diags)
        }
        Kind::Function(_) | Kind::Const(_) | Kind::Struct(..) | Kind::Impl(..) => {
            let message = format!("`{}` is no kernel", kernel.name);
            let diag = Diag::new(Code::WrongKind, SpanRange::of(&declaration.path), message);
            diags.push(diag.help("name a generic kernel, a function under `#[gpu_kernel]`"));
            diags.take_tokens()
        }
        // Reported where it is defined.
        Kind::Broken => TokenStream::new(),
    }
}

impl Declaration {
    /// The kernel's function, as this module's.
    fn function(&self, of: &ItemFn) -> ItemFn {
        let mut function = of.clone();
        function.sig.ident = self.name.clone();
        function.vis = self.vis.clone();
        function.attrs.extend(self.attrs.iter().cloned());
        function
    }
}
