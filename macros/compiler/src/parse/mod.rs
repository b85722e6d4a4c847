//! Tokens to [`Ast`]: syntax, names and labels.
//!
//! What a kernel cannot have is reported here, and what is named is looked up here: each name
//! becomes the variable, constant, slice or intrinsic that it means. Reading goes on after a
//! mistake, with [`ExprKind::Error`] in its place.

mod assign;
mod attributes;
mod closure;
mod control;
mod device;
mod expr;
mod generics;
mod item;
mod lit;
mod macros;
mod pat;
mod path;
mod scope;
mod stmt;
mod structs;
mod ty;
mod view;

use std::collections::HashMap;
use std::rc::Rc;

use proc_macro2::TokenStream;

use crate::ast::{
    Ast, Block, ConstDecl, ConstId, Expr, ExprKind, LocalDecl, NodeId, SharedDecl, Stmt,
    StructDecl, StructId, TyExpr, TyExprKind, TypeDecl, ViewDecl,
};
use crate::diag::{Code, Diag, Diags};
use crate::hir::{LocalId, LoopId, Options, Param, Signature};
use crate::instances::Instance;
use crate::link::{Item, Linker};
use crate::span::SpanRange;
use scope::Scopes;

pub(crate) use device::is_generic;
pub(crate) use generics::class_of;
pub(crate) use path::is_constant_name;
pub use path::{associated_constant, associated_type};
pub(crate) use structs::{as_constant, as_function};

/// The function under the attribute; `None` if it is no function, or a method.
pub(crate) fn function(item: TokenStream, diags: &mut Diags) -> Option<syn::ItemFn> {
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
    Some(function)
}

/// Reads an instance of a kernel. Reports say whether the tree is sound.
pub(crate) fn kernel(
    options: Options,
    function: &syn::ItemFn,
    instance: &Instance,
    linker: &mut Linker<'_>,
    diags: &mut Diags,
) -> Ast {
    let mut cx = Parser::new(linker, diags);
    let (params, aliases) = cx.instance(instance);
    let signature = cx.signature(options, function, instance);
    let body = cx.body(&function.block);
    Ast { params, aliases, ..cx.finish(signature, body) }
}

/// Whether a function can be one of the device, going by its signature. If not, it is reported.
pub(crate) fn device_shape(
    function: &syn::ItemFn,
    linker: &mut Linker<'_>,
    diags: &mut Diags,
) -> bool {
    Parser::new(linker, diags).device_shape(function);
    diags.is_empty()
}

/// Reads a device function by itself: a tree whose only statement is the function, called.
pub(crate) fn device_function(
    function: &syn::ItemFn,
    linker: &mut Linker<'_>,
    diags: &mut Diags,
) -> Ast {
    let mut cx = Parser::new(linker, diags);
    cx.inside.extend(cx.linker.own_impl.clone());
    cx.check_attributes(&function.block);
    let generics = cx.generic_parameters(function);
    let inline = cx.device_body(function.sig.ident.clone().into(), function, generics, &[]);
    let span = inline.body.span;
    let call = cx.node(ExprKind::Inline(Box::new(inline)), span);
    let body = Block { consts: Vec::new(), stmts: vec![Stmt::Expr(call, true)], tail: None, span };
    let signature = Signature {
        name: function.sig.ident.clone(),
        entry: function.sig.ident.to_string(),
        vis: function.vis.clone(),
        attrs: function.attrs.clone(),
        options: Options::DEVICE,
        params: std::mem::take(&mut cx.slices),
        origin: None,
    };
    cx.finish(signature, body)
}

/// Reads a device constant by itself.
pub(crate) fn device_constant(
    item: &syn::ItemConst,
    linker: &mut Linker<'_>,
    diags: &mut Diags,
) -> Ast {
    let mut cx = Parser::new(linker, diags);
    cx.inside.extend(cx.linker.own_impl.clone());
    let consts = vec![cx.const_item(item)];
    let span = item.ident.span().into();
    let body = Block { consts, stmts: Vec::new(), tail: None, span };
    let signature = Signature {
        name: item.ident.clone(),
        entry: item.ident.to_string(),
        vis: item.vis.clone(),
        attrs: Vec::new(),
        options: Options::DEVICE,
        params: Vec::new(),
        origin: None,
    };
    cx.finish(signature, body)
}

/// Reads a struct by itself.
pub(crate) fn device_struct(
    item: &syn::ItemStruct,
    linker: &mut Linker<'_>,
    diags: &mut Diags,
) -> Ast {
    let mut cx = Parser::new(linker, diags);
    if cx.struct_shape(item) {
        let decl = cx.struct_decl(item);
        cx.structs.push(decl);
    }
    let span = item.ident.span().into();
    let body = Block { consts: Vec::new(), stmts: Vec::new(), tail: None, span };
    let signature = Signature {
        name: item.ident.clone(),
        entry: item.ident.to_string(),
        vis: item.vis.clone(),
        attrs: Vec::new(),
        options: Options::DEVICE,
        params: Vec::new(),
        origin: None,
    };
    cx.finish(signature, body)
}

/// What `return` means.
#[derive(Clone, Copy)]
enum Returns {
    /// The thread ends.
    Nothing,
    /// The same; the signature promises a value, which was reported, so `return value` need not be.
    Reported,
    /// A device function has its value.
    Value(LoopId),
    /// A closure, which has none.
    Closure,
}

/// The state of reading a kernel.
struct Parser<'a, 'b> {
    diags: &'a mut Diags,
    linker: &'a mut Linker<'b>,
    /// The device items whose bodies are being read, outermost first.
    inside: Vec<Rc<Item>>,
    /// The slices and tensor maps of a device function that is read by itself.
    slices: Vec<Param>,
    /// The device constants so far, by their identity.
    linked_consts: HashMap<String, ConstId>,
    /// The structs so far, by their identity.
    linked_structs: HashMap<String, StructId>,
    structs: Vec<StructDecl>,
    /// The functions of structs whose bodies are being read.
    calls: Vec<(String, String)>,
    scopes: Scopes,
    locals: Vec<LocalDecl>,
    shared: Vec<SharedDecl>,
    views: Vec<ViewDecl>,
    consts: Vec<ConstDecl>,
    types: Vec<TypeDecl>,
    n_loops: usize,
    n_nodes: usize,
    returns: Returns,
    /// The closures so far, with what they mean.
    closures: Vec<Rc<closure::Meaning>>,
    /// The number of variables before the closure that is being read: those that it captures.
    captured: usize,
}

impl<'a, 'b> Parser<'a, 'b> {
    fn new(linker: &'a mut Linker<'b>, diags: &'a mut Diags) -> Self {
        Self {
            diags,
            linker,
            inside: Vec::new(),
            slices: Vec::new(),
            linked_consts: HashMap::new(),
            linked_structs: HashMap::new(),
            structs: Vec::new(),
            calls: Vec::new(),
            scopes: Scopes::new(),
            locals: Vec::new(),
            shared: Vec::new(),
            views: Vec::new(),
            consts: Vec::new(),
            types: Vec::new(),
            n_loops: 0,
            n_nodes: 0,
            returns: Returns::Nothing,
            closures: Vec::new(),
            captured: 0,
        }
    }

    fn finish(self, signature: Signature, body: Block) -> Ast {
        Ast {
            signature,
            params: Vec::new(),
            aliases: Vec::new(),
            structs: self.structs,
            locals: self.locals,
            shared: self.shared,
            views: self.views,
            consts: self.consts,
            types: self.types,
            n_loops: self.n_loops,
            n_nodes: self.n_nodes,
            body,
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

    fn declare_const(&mut self, decl: ConstDecl) -> ConstId {
        self.consts.push(decl);
        ConstId(self.consts.len() - 1)
    }

    /// Notes a constant and reads its value where no variable is visible.
    fn anonymous_const(&mut self, ty: TyExprKind, expr: &syn::Expr) -> ConstId {
        let expr = self.const_expr(expr);
        let ty = TyExpr { kind: ty, span: expr.span };
        let span = expr.span;
        self.declare_const(ConstDecl { ident: None, ty, expr: Some(expr), span })
    }

    fn const_expr(&mut self, expr: &syn::Expr) -> Expr {
        self.scopes.enter_const();
        let expr = self.expr(expr);
        self.scopes.leave();
        expr
    }
}
