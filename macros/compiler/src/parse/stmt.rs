//! Blocks and statements.

use syn::Item;
use syn::spanned::Spanned;

use super::Parser;
use super::attributes::is_lint;
use super::pat::At;
use super::scope::Def;
use crate::ast::{Block, ConstDecl, ConstId, Let, Stmt, TyExpr, TyExprKind};
use crate::diag::Code;
use crate::span::SpanRange;

impl Parser<'_, '_> {
    pub(super) fn block(&mut self, block: &syn::Block) -> Block {
        self.scopes.enter();
        let result = self.block_here(block);
        self.scopes.leave();
        result
    }

    fn block_here(&mut self, block: &syn::Block) -> Block {
        let consts = self.declare_consts(block);
        let mut stmts = Vec::new();
        let mut tail = None;
        for (i, stmt) in block.stmts.iter().enumerate() {
            let last = i + 1 == block.stmts.len();
            match stmt {
                syn::Stmt::Local(local) => stmts.push(self.local(local)),
                syn::Stmt::Item(item) => self.item(item),
                syn::Stmt::Expr(expr, None) if last => tail = Some(Box::new(self.expr(expr))),
                syn::Stmt::Expr(expr, semi) => {
                    let expr = self.expr(expr);
                    stmts.push(Stmt::Expr(expr, semi.is_some()));
                }
                syn::Stmt::Macro(mac) => {
                    let expr = self.macro_call(&mac.mac);
                    if last && mac.semi_token.is_none() {
                        tail = Some(Box::new(expr));
                    } else {
                        stmts.push(Stmt::Expr(expr, mac.semi_token.is_some()));
                    }
                }
            }
        }
        let span = block.brace_token.span;
        let span = SpanRange { start: span.open(), end: span.close() };
        Block { consts, stmts, tail, span }
    }

    /// Items are visible in the whole block, so they are declared before its statements.
    fn declare_consts(&mut self, block: &syn::Block) -> Vec<ConstId> {
        let items = block.stmts.iter().filter_map(|stmt| match stmt {
            syn::Stmt::Item(Item::Const(item)) => Some(item),
            _ => None,
        });
        let items: Vec<_> = items.collect();
        let mut ids = Vec::new();
        for item in &items {
            let span = SpanRange::from(item.ident.span());
            let ty = TyExpr { kind: TyExprKind::Error, span };
            let ident = Some(item.ident.clone());
            let id = self.declare_const(ConstDecl { ident, ty, expr: None, span });
            self.scopes.define(item.ident.to_string(), Def::Const(id));
            ids.push(id);
        }
        for (item, id) in items.iter().zip(&ids) {
            let ty = self.ty(&item.ty);
            let expr = self.const_expr(&item.expr);
            let slot = &mut self.consts[id.0];
            (slot.ty, slot.span, slot.expr) = (ty, expr.span, Some(expr));
        }
        ids
    }

    fn item(&mut self, item: &Item) {
        let (what, help) = match item {
            Item::Const(_) => return,
            Item::Fn(_) => {
                ("functions of their own", "move it out of the kernel and put `#[gpu_fn]` on it")
            }
            Item::Static(_) => ("`static`s", "use a `const`, or `shared_mem!` for shared memory"),
            Item::Use(_) => ("`use`", "import outside of the kernel"),
            Item::Struct(_) | Item::Enum(_) | Item::Union(_) => {
                ("types of their own", "use tuples and separate variables")
            }
            _ => ("this item", "declare it outside of the kernel"),
        };
        if let Item::Fn(function) = item {
            self.scopes.define(function.sig.ident.to_string(), Def::Error);
        }
        self.unsupported(SpanRange::of(item), what, help);
    }

    fn local(&mut self, local: &syn::Local) -> Stmt {
        let span = SpanRange { start: local.let_token.span, end: local.semi_token.span };
        let (pat, ty) = match &local.pat {
            syn::Pat::Type(typed) => (&*typed.pat, Some(&*typed.ty)),
            other => (other, None),
        };
        if let Some(init) = &local.init
            && let Some(mac) = super::macros::shared_array(&init.expr)
        {
            return self.shared_let(pat, ty, mac, span);
        }
        if let Some(init) = &local.init
            && let Some(call) = super::view::view_call(&init.expr)
        {
            return self.view_let(pat, ty, call, span);
        }
        // The value does not see the names that it is given to.
        let ty = ty.map(|ty| self.ty(ty));
        let init = local.init.as_ref().map(|init| self.expr(&init.expr));
        let at = if init.is_some() { At::Let } else { At::Deferred };
        let diverge = local.init.as_ref().and_then(|init| init.diverge.as_ref());
        let pat = match diverge {
            Some((token, _)) => {
                self.unsupported(token.span, "`let .. else`", "use `if`");
                self.bad_pat(pat)
            }
            None => self.pat(pat, at),
        };
        let attrs = local.attrs.iter().filter(|attr| is_lint(attr)).cloned().collect();
        Stmt::Let(Box::new(Let { attrs, pat, ty, init, span }))
    }

    pub(super) fn type_not_wanted(&mut self, ty: &syn::Type) {
        let message = "a shared array has no type annotation";
        let help = "the macro says the type: `let tile = shared_mem![f32; 256];`";
        self.error(Code::BadSharedMemory, ty.span(), message, help);
    }
}
