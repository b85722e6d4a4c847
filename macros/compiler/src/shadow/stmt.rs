//! Statements and patterns.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{Shadow, scalar, written};
use crate::ast::{Block, Let, Member, Pat, PatKind, Stmt, TyExpr, TyExprKind};
use crate::hir::{FragmentKind, SharedId, Ty, ViewId};
use crate::value::Scalar;

impl Shadow<'_> {
    pub(super) fn block(&self, block: &Block) -> TokenStream {
        let inside = self.block_inside(block);
        quote_spanned!(block.span.start=> { #inside })
    }

    pub(super) fn block_inside(&self, block: &Block) -> TokenStream {
        let consts = block.consts.iter().map(|id| self.const_item(*id));
        let stmts = block.stmts.iter().map(|stmt| self.stmt(stmt));
        let tail = block.tail.as_ref().map(|tail| self.expr(tail));
        quote!(#(#consts)* #(#stmts)* #tail)
    }

    /// A type as it was written: its lengths keep their constants.
    pub(super) fn ty(&self, ty: &TyExpr) -> TokenStream {
        let span = ty.span.start;
        match &ty.kind {
            TyExprKind::Scalar(ty) => scalar(*ty, span),
            TyExprKind::Vector(elem, lanes) => {
                let vector = crate::hir::Vector { elem: *elem, lanes: *lanes };
                written(&Ty::Vector(vector), span)
            }
            // Stable Rust has no such type; what it is follows from the value.
            TyExprKind::Fragment(_, _, Some(cols)) if self.is_computed(*cols) => {
                quote_spanned!(span=> _)
            }
            TyExprKind::Fragment(FragmentKind::CachePolicy, ..) => {
                quote_spanned!(span=> ::firesteel::dsl::CachePolicy)
            }
            TyExprKind::Fragment(kind, elem, cols) => {
                let name = proc_macro2::Ident::new(kind.name(), span);
                let elem = self.ty(elem);
                let cols = cols.map(|cols| {
                    let cols = self.length(cols);
                    quote!(, { #cols })
                });
                quote_spanned!(span=> ::firesteel::dsl::#name<#elem #cols>)
            }
            TyExprKind::Unit => quote_spanned!(span=> ()),
            TyExprKind::Tuple(elems) => {
                let elems = elems.iter().map(|elem| self.ty(elem));
                quote_spanned!(span=> (#(#elems,)*))
            }
            TyExprKind::Array(elem, len) => {
                let elem = self.ty(elem);
                if self.is_computed(*len) {
                    return quote_spanned!(span=> ::firesteel::dsl::Registers<#elem>);
                }
                let len = self.length(*len);
                quote_spanned!(span=> [#elem; #len])
            }
            TyExprKind::Param(_, name) => quote!(#name),
            TyExprKind::Struct(_, path) => quote!(#path),
            TyExprKind::Infer | TyExprKind::Error => quote_spanned!(span=> _),
        }
    }

    fn stmt(&self, stmt: &Stmt) -> TokenStream {
        match stmt {
            Stmt::Let(it) => self.let_stmt(it),
            Stmt::Shared(id, _) => self.shared(*id),
            Stmt::View(id, _) => self.view(*id),
            Stmt::Expr(expr, semi) => {
                let semi = semi.then(|| quote_spanned!(expr.span.end=> ;));
                let expr = self.expr(expr);
                quote!(#expr #semi)
            }
        }
    }

    fn let_stmt(&self, it: &Let) -> TokenStream {
        let attrs = &it.attrs;
        let pat = self.pat(&it.pat);
        let ty = match &it.ty {
            Some(ty) if !matches!(ty.kind, TyExprKind::Infer) => self.ty(ty),
            Some(_) | None => written(&self.stored(&it.pat), it.pat.span.start),
        };
        let init = it.init.as_ref().map(|init| {
            let (span, init) = (init.span.start, self.expr(init));
            quote_spanned!(span=> = #init)
        });
        let span = it.span.start;
        let semi = quote_spanned!(it.span.end=> ;);
        quote_spanned!(span=> #(#attrs)* let #pat: #ty #init #semi)
    }

    /// The type of what a pattern takes; `!` cannot be written.
    fn stored(&self, pat: &Pat) -> Ty {
        // The user's types may have no name here.
        if self.facts.named.contains(&pat.id) {
            return Ty::Error;
        }
        match &self.facts.nodes[pat.id.0] {
            Ty::Never => Ty::Error,
            ty => ty.clone(),
        }
    }

    fn view(&self, id: ViewId) -> TokenStream {
        let decl = &self.ast.views[id.0];
        let (name, of, span) = (&decl.ident, &decl.of_ident, decl.span.start);
        let elem = self.ty(&decl.elem);
        quote_spanned!(span=> let #name = ::firesteel::dsl::cast_slice::<#elem>(#of);)
    }

    fn shared(&self, id: SharedId) -> TokenStream {
        let decl = &self.ast.shared[id.0];
        let (name, span) = (&decl.ident, decl.span.start);
        let elem = self.ty(&decl.elem);
        let len = match decl.len {
            Some(len) => {
                let len = self.length_value(len);
                quote_spanned!(span=> (#len) as usize)
            }
            None => quote_spanned!(span=> 0usize),
        };
        quote_spanned!(span=> let #name = ::firesteel::dsl::shared::<#elem>(#len);)
    }

    pub(super) fn pat(&self, pat: &Pat) -> TokenStream {
        let span = pat.span.start;
        match &pat.kind {
            PatKind::Wild | PatKind::Error => quote_spanned!(span=> _),
            PatKind::Bind(local, inner) => {
                let decl = &self.ast.locals[local.0];
                let name = &decl.ident;
                let mutable = decl.mutable.then(|| quote_spanned!(span=> mut));
                let inner = inner.as_ref().map(|inner| {
                    let inner = self.pat(inner);
                    quote_spanned!(span=> @ #inner)
                });
                quote!(#mutable #name #inner)
            }
            PatKind::Tuple(parts) => {
                let parts = parts.iter().map(|part| self.pat(part));
                quote_spanned!(span=> (#(#parts,)*))
            }
            PatKind::Struct(of, has_rest) => {
                let path = &of.path;
                if of.positional {
                    let pats = of.fields.iter().map(|(_, _, pat)| self.pat(pat));
                    return quote_spanned!(span=> #path(#(#pats),*));
                }
                let fields = of.fields.iter().map(|(_, name, pat)| {
                    let shown = self.pat(pat);
                    // rustc wants a name that is that of the field written once.
                    let once = match (name, &pat.kind) {
                        (Member::Named(name), PatKind::Bind(local, None)) => {
                            self.ast.locals[local.0].ident == *name
                        }
                        _ => false,
                    };
                    let name = super::expr::member(name);
                    if once { shown } else { quote!(#name: #shown) }
                });
                let rest = has_rest.then(|| quote!(..));
                quote_spanned!(span=> #path { #(#fields,)* #rest })
            }
            PatKind::Value(value) => self.expr(value),
            PatKind::Range { start, end, inclusive } => {
                let start = start.as_ref().map(|start| self.expr(start));
                let end = end.as_ref().map(|end| self.expr(end));
                if *inclusive {
                    quote_spanned!(span=> #start..=#end)
                } else {
                    quote_spanned!(span=> #start..#end)
                }
            }
            PatKind::Or(pats) => {
                let pats = pats.iter().map(|pat| self.pat(pat));
                quote_spanned!(span=> (#(#pats)|*))
            }
        }
    }

    /// Whether the type is one of the short floats, which Rust does not know.
    pub(super) fn is_short(ty: Scalar) -> bool {
        ty.is_real() && ty.bits() < 32 || ty.is_packed()
    }
}
