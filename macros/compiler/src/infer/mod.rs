//! Types: [`Ast`] to [`Facts`], by unification, as Rust infers them.
//!
//! One walk gives each expression a type, perhaps with holes, and makes those equal that must be.
//! What depends on a type that is not known yet (does it have this operator? can it be cast?)
//! waits in a list until the walk is over. Then literals take their defaults and the list is
//! checked. The facts agree with rustc's: `shadow` writes them back into the function that rustc
//! checks, so that a disagreement is an error and never a wrong program.

mod call;
mod check;
mod consteval;
mod control;
mod expr;
mod inline;
mod literal;
mod place;
mod structs;
mod ty;

use std::collections::{HashMap, HashSet};

use crate::ast::{Ast, ConstId, Expr, LocalDecl, NodeId, TyExpr, TyExprKind};
use crate::diag::{Code, Diag, Diags};
use crate::hir;
use crate::hir::LoopId;
use crate::layout;
use crate::span::SpanRange;
use check::Pending;
use ty::{Kind, Ty, Vars};

pub use consteval::Constant;
pub use literal::literal;
pub(crate) use place::lane;

/// What is known about the tree.
#[derive(Debug)]
pub struct Facts {
    /// The type of each expression and pattern, by its number.
    pub nodes: Vec<hir::Ty>,
    /// The type of each variable.
    pub locals: Vec<hir::Ty>,
    /// The value of each constant; `None` if it was reported, or never needed.
    pub consts: Vec<Option<Constant>>,
    /// The `if`s whose conditions are constant, with their values. The other branch has no types.
    pub folded: HashMap<NodeId, bool>,
    /// What is known of each shared array that is declared in code that is compiled: the type of
    /// its elements.
    pub shared: Vec<Option<hir::Elem>>,
    /// The same of each view.
    pub views: Vec<Option<hir::Scalar>>,
    /// What each type parameter of a call is.
    pub types: Vec<Option<hir::Scalar>>,
    /// The structs, as tuples of their fields.
    pub structs: Vec<hir::Ty>,
    /// The numbers of fields that are read by their names.
    pub fields: HashMap<NodeId, u32>,
    /// Which candidate a call of a method means, if it is one of a struct.
    pub methods: HashMap<NodeId, usize>,
    /// The expressions and patterns whose types have names of the user's.
    pub named: HashSet<NodeId>,
}

impl Facts {
    /// Of a generic function by itself, whose types depend on its callers.
    pub(crate) fn unknown(ast: &Ast) -> Self {
        Self {
            nodes: vec![hir::Ty::Error; ast.n_nodes],
            locals: vec![hir::Ty::Error; ast.locals.len()],
            consts: vec![None; ast.consts.len()],
            folded: HashMap::new(),
            shared: vec![None; ast.shared.len()],
            views: vec![None; ast.views.len()],
            types: vec![None; ast.types.len()],
            structs: vec![hir::Ty::Error; ast.structs.len()],
            fields: HashMap::new(),
            methods: HashMap::new(),
            named: HashSet::new(),
        }
    }
}

/// A constant on its way.
#[derive(Debug)]
enum ConstState {
    Open,
    /// In evaluation: to meet it again is a cycle.
    Active,
    Done(Option<Constant>),
}

struct Infer<'a> {
    ast: &'a Ast,
    diags: &'a mut Diags,
    vars: Vars,
    nodes: Vec<Ty>,
    /// Where each expression stands.
    spans: Vec<Option<SpanRange>>,
    locals: Vec<Ty>,
    consts: Vec<ConstState>,
    /// The type of the `break`s of each loop, once there is one.
    breaks: Vec<Option<Ty>>,
    pending: Vec<Pending<'a>>,
    folded: HashMap<NodeId, bool>,
    /// Those in code that is compiled, with the types of their elements.
    shared: Vec<Option<Ty>>,
    /// The same of views.
    views: Vec<Option<Ty>>,
    types: Vec<Ty>,
    fields: HashMap<NodeId, u32>,
    methods: HashMap<NodeId, usize>,
    /// The size of the static shared arrays so far.
    shared_bytes: u64,
    /// Memory that a device function writes and may not, which was reported at the call.
    excused: Vec<hir::Memory>,
    /// The same for tensor maps.
    excused_maps: Vec<hir::ParamId>,
    /// The places whose parts or methods are meant: where such a place is a parameter `&T`, Rust
    /// takes what it refers to.
    dereferenced: HashSet<NodeId>,
}

/// Finds the types. What does not fit is reported and has the type `Error`.
pub fn infer(ast: &Ast, diags: &mut Diags) -> Facts {
    // A variable takes its type where its pattern stands, if that is compiled.
    let local = |local: &LocalDecl| local.param.map_or(Ty::Error, Ty::Scalar);
    let locals = ast.locals.iter().map(local).collect();
    let mut cx = Infer {
        ast,
        diags,
        vars: Vars::default(),
        nodes: vec![Ty::Error; ast.n_nodes],
        spans: vec![None; ast.n_nodes],
        locals,
        consts: ast.consts.iter().map(|_| ConstState::Open).collect(),
        breaks: vec![None; ast.n_loops],
        pending: Vec::new(),
        folded: HashMap::new(),
        shared: vec![None; ast.shared.len()],
        views: vec![None; ast.views.len()],
        types: vec![Ty::Error; ast.types.len()],
        fields: HashMap::new(),
        methods: HashMap::new(),
        shared_bytes: 0,
        excused: Vec::new(),
        excused_maps: Vec::new(),
        dereferenced: HashSet::new(),
    };
    cx.structs();
    cx.kernel_body();
    cx.settle();
    cx.finish()
}

impl<'a> Infer<'a> {
    fn error(
        &mut self,
        code: Code,
        span: impl Into<SpanRange>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.diags.push(Diag::new(code, span, message).help(help));
    }

    fn fresh(&mut self) -> Ty {
        self.vars.fresh(Kind::Any)
    }

    fn kernel_body(&mut self) {
        let body = &self.ast.body;
        let ty = self.block(body);
        let at = body.tail.as_ref().map_or(body.span, |tail| tail.span);
        if !self.coerce(&Ty::Unit, &ty) {
            let message = format!("a kernel returns nothing, not {}", self.vars.show(&ty));
            let help = "end the line with `;`, or write the value to a `&mut [T]` parameter";
            self.error(Code::MismatchedTypes, at, message, help);
        }
    }

    /// Makes the type of a value the one that is wanted. `!` becomes every type.
    fn coerce(&mut self, want: &Ty, got: &Ty) -> bool {
        self.vars.shallow(got) == Ty::Never || self.vars.unify(want, got).is_ok()
    }

    /// The same, and reports.
    fn expect(&mut self, want: &Ty, got: &Ty, at: SpanRange) {
        if self.coerce(want, got) {
            return;
        }
        let (want_name, got_name) = (self.vars.show(want), self.vars.show(got));
        let message = format!("mismatched types: expected {want_name}, found {got_name}");
        let help = self.conversion_help(want, got);
        self.error(Code::MismatchedTypes, at, message, help);
    }

    /// How to make the one type from the other.
    fn conversion_help(&self, want: &Ty, got: &Ty) -> String {
        match (self.vars.kind(want), self.vars.kind(got)) {
            (Some(Kind::Float), Some(Kind::Int)) => {
                return "write the number with a point: `1.0`".to_owned();
            }
            (Some(Kind::Int), Some(Kind::Float)) => {
                return "write the number without a point".to_owned();
            }
            _ => {}
        }
        match (self.vars.shallow(want), self.vars.shallow(got)) {
            (Ty::Scalar(want), _) if want.is_float() && self.vars.kind(got) == Some(Kind::Int) => {
                "write the number with a point: `1.0`".to_owned()
            }
            (Ty::Scalar(want), _) if want.is_int() && self.vars.kind(got) == Some(Kind::Float) => {
                "write the number without a point".to_owned()
            }
            (Ty::Scalar(hir::Scalar::Bool), Ty::Scalar(_)) => "compare it: `x != 0`".to_owned(),
            (Ty::Scalar(want), Ty::Scalar(_)) => format!("convert it: `.. as {want}`"),
            (Ty::Unit, _) => "end the line with `;`".to_owned(),
            (_, Ty::Unit) => "remove the `;` after the value, or add a value".to_owned(),
            _ => "use a value of the wanted type".to_owned(),
        }
    }

    /// The type that both branches have. `None` if they differ.
    fn join(&mut self, a: &Ty, b: &Ty) -> Option<Ty> {
        if self.vars.shallow(a) == Ty::Never {
            return Some(b.clone());
        }
        self.coerce(a, b).then(|| a.clone())
    }

    /// A written type.
    fn written(&mut self, ty: &TyExpr) -> Ty {
        match &ty.kind {
            TyExprKind::Scalar(scalar) => Ty::Scalar(*scalar),
            TyExprKind::Vector(elem, lanes) => Ty::Vector(Box::new(Ty::Scalar(*elem)), *lanes),
            TyExprKind::Fragment(kind, elem, cols) => {
                let elem = self.written(elem);
                match cols.map(|cols| self.columns(cols, ty.span)) {
                    None => Ty::Fragment(*kind, Box::new(elem), 0),
                    Some(Some(cols)) => Ty::Fragment(*kind, Box::new(elem), cols),
                    Some(None) => Ty::Error,
                }
            }
            TyExprKind::Unit => Ty::Unit,
            TyExprKind::Tuple(elems) => {
                Ty::Tuple(elems.iter().map(|elem| self.written(elem)).collect())
            }
            TyExprKind::Array(elem, len) => {
                let elem = self.written(elem);
                match self.length(*len) {
                    Some(len) => Ty::Array(Box::new(elem), len),
                    None => Ty::Error,
                }
            }
            TyExprKind::Param(id, _) => self.types[id.0].clone(),
            TyExprKind::Struct(id, _) => Ty::Struct(id.0),
            TyExprKind::Infer => self.fresh(),
            TyExprKind::Error => Ty::Error,
        }
    }

    /// The value of a constant that is a length.
    fn length(&mut self, id: ConstId) -> Option<u32> {
        let at = self.ast.consts[id.0].span;
        let Some(Constant::Scalar(value)) = self.const_value(id) else { return None };
        if !value.ty().is_int() {
            let message = format!("a length is an integer, not `{}`", value.ty());
            self.error(Code::BadLength, at, message, "use an integer");
            return None;
        }
        match u32::try_from(value.as_int()) {
            Ok(len) if len > 0 => Some(len),
            _ => {
                let message = format!("an array cannot have {} elements", value.as_int());
                self.error(Code::BadLength, at, message, "use a length from 1 to 2^32 - 1");
                None
            }
        }
    }

    /// The columns of a warpgroup's sum. PTX ISA, `wgmma`: a multiple of 8 up to 256.
    fn columns(&mut self, id: ConstId, at: SpanRange) -> Option<u32> {
        let Some(Constant::Scalar(value)) = self.const_value(id) else { return None };
        match u32::try_from(value.as_int()) {
            Ok(cols) if cols > 0 && cols <= 256 && cols.is_multiple_of(8) => Some(cols),
            Ok(_) | Err(_) => {
                let message = format!("a warpgroup's sum cannot have {} columns", value.as_int());
                let help = "use a multiple of 8, at most 256";
                self.error(Code::BadLength, at, message, help);
                None
            }
        }
    }

    /// The value of a constant, inferred and evaluated when it is first needed.
    fn const_value(&mut self, id: ConstId) -> Option<Constant> {
        let decl = &self.ast.consts[id.0];
        match &self.consts[id.0] {
            ConstState::Done(value) => return value.clone(),
            ConstState::Active => {
                let name = decl.ident.as_ref().map(ToString::to_string).unwrap_or_default();
                let message = format!("the value of the constant `{name}` needs itself");
                self.error(Code::BadConstant, decl.span, message, "give it a value of its own");
                return None;
            }
            ConstState::Open => self.consts[id.0] = ConstState::Active,
        }
        // A parameter without a value was reported at its call.
        let value = decl.expr.as_ref().and_then(|expr| self.const_init(&decl.ty, expr));
        self.consts[id.0] = ConstState::Done(value.clone());
        value
    }

    /// A constant depends on nothing around it, so its types are settled at once.
    fn const_init(&mut self, ty: &TyExpr, expr: &'a Expr) -> Option<Constant> {
        let mark = self.vars.mark();
        let want = self.written(ty);
        let pending = std::mem::take(&mut self.pending);
        let before = self.diags.iter().len();
        let got = self.expr(expr);
        self.expect(&want, &got, expr.span);
        self.solve();
        self.vars.default_from(mark);
        self.check_pending();
        self.pending = pending;
        if self.diags.iter().len() > before {
            return None;
        }
        match consteval::eval(self, expr) {
            Ok(value) => Some(value),
            Err(diag) => {
                if let Some(diag) = diag {
                    self.diags.push(*diag);
                }
                None
            }
        }
    }

    /// A shared array that is declared in code that is compiled.
    fn shared_array(&mut self, id: hir::SharedId) {
        let decl = &self.ast.shared[id.0];
        let elem = self.written(&decl.elem);
        self.shared[id.0] = Some(elem.clone());
        if let Some(len) = decl.len.and_then(|len| self.length(len)) {
            self.pending.push(Pending::Shared { id, elem, len });
        }
    }

    /// A view in code that is compiled.
    fn view(&mut self, id: hir::ViewId) {
        let decl = &self.ast.views[id.0];
        let elem = self.written(&decl.elem);
        self.views[id.0] = Some(elem);
        self.pending.push(Pending::View { id });
    }

    /// The size of a shared array, whose type is known.
    fn shared_size(&mut self, id: hir::SharedId, elem: &Ty, len: u32) {
        // What the largest device gives a block; the launch compares with the device at hand.
        const LIMIT: u64 = 227 * 1024;
        let decl = &self.ast.shared[id.0];
        let Some(elem) = self.vars.finish(elem) else { return };
        let before = self.shared_bytes;
        self.shared_bytes = before.next_multiple_of(u64::from(decl.align))
            + u64::from(len) * layout::size_align(&elem).0;
        if before <= LIMIT && self.shared_bytes > LIMIT {
            let message = format!(
                "shared memory is at most {LIMIT} bytes per block; with this array it is {}",
                self.shared_bytes
            );
            let help = "use a smaller array";
            self.error(Code::TooMuchSharedMemory, decl.span, message, help);
        }
    }

    /// The types of variables that nothing determines are reported at the variable.
    fn finish(&mut self) -> Facts {
        let clean = self.diags.is_empty();
        let mut locals = Vec::new();
        for (local, ty) in self.ast.locals.iter().zip(&self.locals) {
            let ty = self.vars.finish(ty);
            if ty.is_none() && clean {
                let message = format!("nothing says what type `{}` has", local.ident);
                let help = format!("write it: `let {}: f32`", local.ident);
                let at = local.ident.span();
                self.diags.push(Diag::new(Code::CannotInfer, at, message).help(help));
            }
            locals.push(match ty {
                // A variable that never gets a value, since its `let` does not return.
                Some(hir::Ty::Never) => hir::Ty::Unit,
                Some(ty) => ty,
                None => hir::Ty::Error,
            });
        }
        let mut nodes = Vec::new();
        for (ty, span) in self.nodes.iter().zip(&self.spans) {
            let ty = self.vars.finish(ty);
            if let (None, Some(span), true) = (&ty, *span, self.diags.is_empty()) {
                let diag = Diag::new(Code::CannotInfer, span, "nothing says what type this has");
                self.diags.push(diag.help("bind it: `let value: f32 = ..`"));
            }
            nodes.push(ty.unwrap_or(hir::Ty::Error));
        }
        let consts = self.consts.drain(..).map(|state| match state {
            ConstState::Done(value) => value,
            ConstState::Open | ConstState::Active => None,
        });
        let consts = consts.collect();
        let scalar = |ty: &Ty| self.vars.finish(ty).and_then(|ty| ty.scalar());
        let elem = |ty: &Ty| match self.vars.shallow(ty) {
            Ty::Struct(id) => Some(hir::Elem::Struct(id)),
            ty => scalar(&ty).map(hir::Elem::Scalar),
        };
        let shared = self.shared.iter().map(|ty| ty.as_ref().and_then(elem)).collect();
        let views = self.views.iter().map(|elem| elem.as_ref().and_then(scalar)).collect();
        let types = self.types.iter().map(scalar).collect();
        let folded = std::mem::take(&mut self.folded);
        let named = self.nodes.iter().enumerate().filter(|(_, ty)| self.vars.is_named(ty));
        let named = named.map(|(id, _)| NodeId(id)).collect();
        let fields = std::mem::take(&mut self.fields);
        let methods = std::mem::take(&mut self.methods);
        let structs = (0..self.ast.structs.len())
            .map(|id| self.vars.finish(&Ty::Struct(id)).unwrap_or(hir::Ty::Error));
        let structs = structs.collect();
        Facts {
            nodes,
            locals,
            consts,
            folded,
            shared,
            views,
            types,
            structs,
            fields,
            methods,
            named,
        }
    }

    fn loop_type(&mut self, id: LoopId) -> Option<Ty> {
        self.breaks[id.0].clone()
    }
}
