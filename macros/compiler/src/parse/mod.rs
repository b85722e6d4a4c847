//! Tokens to [`Ast`]: syntax, names and labels.
//!
//! What a kernel cannot have is reported here, and what is named is looked up here: each name
//! becomes the variable, constant, slice or intrinsic that it means. Reading goes on after a
//! mistake, with [`ExprKind::Error`] in its place.

mod attributes;
mod control;
mod expr;
mod item;
mod lit;
mod macros;
mod pat;
mod path;
mod scope;
mod stmt;
mod ty;

use proc_macro2::TokenStream;

use crate::ast::{
    Ast, ConstDecl, ConstId, Expr, ExprKind, LocalDecl, NodeId, SharedDecl, TyExpr, TyExprKind,
};
use crate::diag::{Code, Diag, Diags};
use crate::hir::{LocalId, LoopId, Options};
use crate::span::SpanRange;
use scope::Scopes;

pub use path::associated_constant;

/// Reads the function under the attribute.
///
/// `None` if it is no function, or a method. Otherwise reports say whether the tree is sound.
pub fn parse(options: Options, item: TokenStream, diags: &mut Diags) -> Option<Ast> {
    let function: syn::ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            item::not_a_function(item, &error, diags);
            return None;
        }
    };
    if let Some(receiver) = function.sig.receiver() {
        let message = "a kernel is a free function";
        let diag = Diag::new(Code::BadParameter, SpanRange::of(receiver), message);
        diags.push(diag.help("move it out of the `impl`"));
        // A module cannot stand in an `impl` either, so nothing else is made of it.
        return None;
    }
    let mut cx = Parser::new(diags);
    let signature = cx.signature(options, &function);
    let body = cx.body(&function.block);
    Some(Ast {
        signature,
        locals: cx.locals,
        shared: cx.shared,
        consts: cx.consts,
        n_loops: cx.n_loops,
        n_nodes: cx.n_nodes,
        body,
    })
}

/// The state of reading a kernel.
struct Parser<'a> {
    diags: &'a mut Diags,
    scopes: Scopes,
    locals: Vec<LocalDecl>,
    shared: Vec<SharedDecl>,
    consts: Vec<ConstDecl>,
    n_loops: usize,
    n_nodes: usize,
    /// The signature promises a value, which was reported: `return value` need not be.
    returns: bool,
}

impl<'a> Parser<'a> {
    fn new(diags: &'a mut Diags) -> Self {
        Self {
            diags,
            scopes: Scopes::new(),
            locals: Vec::new(),
            shared: Vec::new(),
            consts: Vec::new(),
            n_loops: 0,
            n_nodes: 0,
            returns: false,
        }
    }

    fn error(
        &mut self,
        code: Code,
        span: impl Into<SpanRange>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.diags.push(Diag::new(code, span, message).help(help));
    }

    fn unsupported(&mut self, span: impl Into<SpanRange>, what: &str, help: &str) {
        self.error(Code::Unsupported, span, format!("kernels do not have {what}"), help);
    }

    fn node_id(&mut self) -> NodeId {
        self.n_nodes += 1;
        NodeId(self.n_nodes - 1)
    }

    fn loop_id(&mut self) -> LoopId {
        self.n_loops += 1;
        LoopId(self.n_loops - 1)
    }

    fn node(&mut self, kind: ExprKind, span: impl Into<SpanRange>) -> Expr {
        Expr { id: self.node_id(), kind, span: span.into() }
    }

    fn error_node(&mut self, span: impl Into<SpanRange>) -> Expr {
        self.node(ExprKind::Error(Vec::new()), span)
    }

    fn declare_local(&mut self, local: LocalDecl) -> LocalId {
        self.locals.push(local);
        LocalId(self.locals.len() - 1)
    }

    /// Notes a constant and reads its value where no variable is visible.
    fn anonymous_const(&mut self, ty: TyExprKind, expr: &syn::Expr) -> ConstId {
        let expr = self.const_expr(expr);
        let ty = TyExpr { kind: ty, span: expr.span };
        self.consts.push(ConstDecl { ident: None, ty, expr });
        ConstId(self.consts.len() - 1)
    }

    fn const_expr(&mut self, expr: &syn::Expr) -> Expr {
        self.scopes.enter_const();
        let expr = self.expr(expr);
        self.scopes.leave();
        expr
    }
}
