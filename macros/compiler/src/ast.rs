//! The tree that `parse` builds: what the user wrote, names resolved, types not yet known.
//!
//! It keeps the user's own tokens where the shadow function shows them again (names, literals).
//! Each expression and pattern has a [`NodeId`], under which `infer` notes its type.

use proc_macro2::{Ident, Span};
use syn::Lifetime;

use crate::fragment::FragmentKind;
use crate::hir::{LocalId, LoopId, Memory, Order, ParamId, Scope, Signature, Unroll};
use crate::intrinsics::{Class, Row};
use crate::span::SpanRange;
use crate::value::{BinOp, Scalar, UnOp};

/// A kernel as it was written.
#[derive(Debug)]
pub struct Ast {
    /// Name, attributes and parameters.
    pub signature: Signature,
    /// The const parameters of a generic kernel, with their values in this instance.
    pub params: Vec<ConstId>,
    /// The type parameters of a generic kernel, with what they are in this instance.
    pub aliases: Vec<(Ident, Scalar)>,
    /// The type parameters of the device functions, once for each call.
    pub types: Vec<TypeDecl>,
    /// Every struct of the device that is named.
    pub structs: Vec<StructDecl>,
    /// Every variable, the scalar parameters first.
    pub locals: Vec<LocalDecl>,
    /// Every shared array.
    pub shared: Vec<SharedDecl>,
    /// Every view of memory.
    pub views: Vec<ViewDecl>,
    /// Every `const` item, array length and constant argument.
    pub consts: Vec<ConstDecl>,
    /// The number of loops and labelled blocks.
    pub n_loops: usize,
    /// The number of expressions and patterns.
    pub n_nodes: usize,
    /// The body.
    pub body: Block,
}

/// An expression or a pattern, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub usize);

/// A constant, an index into [`Ast::consts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConstId(pub usize);

/// A type parameter of a call of a device function, an index into [`Ast::types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeId(pub usize);

/// A struct, an index into [`Ast::structs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StructId(pub usize);

/// A struct of the device.
#[derive(Debug)]
pub struct StructDecl {
    /// Its name.
    pub name: String,
    /// Whether it is `#[repr(C)]`, so that memory may hold it.
    pub in_memory: bool,
    /// Its fields in order: their names, or numbers, and types.
    pub fields: Vec<(String, TyExpr)>,
}

/// A type parameter of a call of a device function.
#[derive(Debug)]
pub struct TypeDecl {
    /// Its name.
    pub ident: Ident,
    /// What it must belong to.
    pub bounds: Vec<Class>,
    /// What the call says that it is.
    pub written: Option<TyExpr>,
}

/// A variable.
#[derive(Debug)]
pub struct LocalDecl {
    /// Its name.
    pub ident: Ident,
    /// Whether it is `mut`.
    pub mutable: bool,
    /// Whether its `let` has no value, so that an assignment gives the first one.
    pub deferred: bool,
    /// The type of a scalar parameter.
    pub param: Option<Scalar>,
    /// Of a parameter `&T` or `&mut T` of a device function, whether it may write what it stands
    /// for: it is another name of the argument.
    pub reference: Option<bool>,
}

/// A shared array.
#[derive(Debug)]
pub struct SharedDecl {
    /// The name of its `let`.
    pub ident: Ident,
    /// The type of an element.
    pub elem: TyExpr,
    /// Its length; `None` for a dynamic array.
    pub len: Option<ConstId>,
    /// What its address is a multiple of.
    pub align: u32,
    /// The macro call.
    pub span: SpanRange,
}

/// A view of a slice or shared array.
#[derive(Debug)]
pub struct ViewDecl {
    /// The name of its `let`.
    pub ident: Ident,
    /// What it shows.
    pub of: crate::hir::Memory,
    /// The name of that.
    pub of_ident: Ident,
    /// The type of an element.
    pub elem: TyExpr,
    /// The call that makes it.
    pub span: SpanRange,
}

/// A constant: `const N: u32 = 4;`, or an expression where only a constant can be.
#[derive(Debug)]
pub struct ConstDecl {
    /// Its name, if it is an item.
    pub ident: Option<Ident>,
    /// Its type. An unnamed constant may leave it open (`_`): any integer.
    pub ty: TyExpr,
    /// Its value. A const parameter of a device function has none where it is not written: then
    /// the lengths of the arguments say it.
    pub expr: Option<Expr>,
    /// Where it, or else its name, is written.
    pub span: SpanRange,
}

/// A type as it is written.
#[derive(Clone, Debug)]
pub struct TyExpr {
    /// Which.
    pub kind: TyExprKind,
    /// Where.
    pub span: SpanRange,
}

/// The forms of types.
#[derive(Clone, Debug)]
pub enum TyExprKind {
    /// `f32`.
    Scalar(Scalar),
    /// `f32x4`.
    Vector(Scalar, u32),
    /// `FragA<bf16>`, `WarpgroupC<f32, 128>`.
    Fragment(FragmentKind, Box<TyExpr>, Option<ConstId>),
    /// `()`.
    Unit,
    /// `(A, B)`.
    Tuple(Vec<TyExpr>),
    /// `[T; N]`.
    Array(Box<TyExpr>, ConstId),
    /// A type parameter of a device function.
    Param(TypeId, Ident),
    /// A struct of the device, by its path.
    Struct(StructId, syn::Path),
    /// `_`.
    Infer,
    /// Reported already.
    Error,
}

/// A block.
#[derive(Debug)]
pub struct Block {
    /// The constants whose items stand in it, in order.
    pub consts: Vec<ConstId>,
    /// The statements.
    pub stmts: Vec<Stmt>,
    /// The value.
    pub tail: Option<Box<Expr>>,
    /// The braces and what is between.
    pub span: SpanRange,
}

/// A statement.
#[derive(Debug)]
pub enum Stmt {
    /// `let`.
    Let(Box<Let>),
    /// `let name = shared_mem![..];`.
    Shared(crate::hir::SharedId, SpanRange),
    /// `let name = cast_slice::<T>(memory);`.
    View(crate::hir::ViewId, SpanRange),
    /// An expression; whether a semicolon follows.
    Expr(Expr, bool),
}

/// `let pat: ty = init;`
#[derive(Debug)]
pub struct Let {
    /// Attributes for rustc's lints.
    pub attrs: Vec<syn::Attribute>,
    /// What is bound.
    pub pat: Pat,
    /// The type, if written.
    pub ty: Option<TyExpr>,
    /// The value, if any.
    pub init: Option<Expr>,
    /// The whole statement.
    pub span: SpanRange,
}

/// A pattern.
#[derive(Debug)]
pub struct Pat {
    /// Its number.
    pub id: NodeId,
    /// Which.
    pub kind: PatKind,
    /// Where.
    pub span: SpanRange,
}

/// The forms of patterns.
#[derive(Debug)]
pub enum PatKind {
    /// `_`.
    Wild,
    /// `name`, `name @ pattern`.
    Bind(LocalId, Option<Box<Pat>>),
    /// `(a, b)`.
    Tuple(Vec<Pat>),
    /// `Point { x, y: 0, .. }`, `Pair(a, b)`.
    Struct(StructOf<Pat>, bool),
    /// `3`, `-3`, `true`, `N`: an expression that is constant.
    Value(Expr),
    /// `a..=b`, `a..b`, `a..`, `..=b`.
    Range {
        /// The first value, if bounded.
        start: Option<Expr>,
        /// The last, if bounded.
        end: Option<Expr>,
        /// Whether the end belongs to it.
        inclusive: bool,
    },
    /// `a | b`.
    Or(Vec<Pat>),
    /// Reported already.
    Error,
}

/// An expression.
#[derive(Debug)]
pub struct Expr {
    /// Its number.
    pub id: NodeId,
    /// Which.
    pub kind: ExprKind,
    /// Where.
    pub span: SpanRange,
}

/// A number or truth value as it is written.
#[derive(Clone, Debug)]
pub enum Lit {
    /// Digits of an integer, and a suffix. The suffix may be that of a float: `1f32`.
    Int(u128, Option<Scalar>),
    /// The digits of a float, as Rust's `parse` reads them, and a suffix.
    Float(String, Option<Scalar>),
    /// `true` or `false`.
    Bool(bool),
}

/// The name after a dot.
#[derive(Clone, Debug)]
pub enum Member {
    /// `.0`.
    Index(u32, Span),
    /// `.x`.
    Named(Ident),
}

/// A label at its definition, with its identity.
#[derive(Clone, Debug)]
pub struct Label {
    /// The identity of the loop or block.
    pub id: LoopId,
    /// `'name`, if written.
    pub name: Option<Lifetime>,
}

/// The forms of expressions.
#[derive(Debug)]
pub enum ExprKind {
    /// A literal.
    Lit(Lit),
    /// A variable.
    Local(LocalId, Ident),
    /// A slice or shared array by its name.
    Memory(Memory, Ident),
    /// A tensor map by its name.
    Map(ParamId, Ident),
    /// A constant by its name or path.
    Const(ConstId, syn::Path),
    /// `f32::MAX`, `core::f32::consts::PI`: the path as written, the type and the name.
    Associated(syn::Path, Box<TyExpr>, Ident),
    /// `Scope::Block`.
    Scope(syn::Path, Scope),
    /// `Order::Acquire`.
    Order(syn::Path, Order),
    /// `-a`, `!a`.
    Unary(UnOp, Span, Box<Expr>),
    /// `a + b`.
    Binary(BinOp, SpanRange, Box<Expr>, Box<Expr>),
    /// `a && b` (true) or `a || b`.
    Logic(bool, SpanRange, Box<Expr>, Box<Expr>),
    /// `a as T`.
    Cast(Box<Expr>, TyExpr),
    /// `a[i]`.
    Index(Box<Expr>, Box<Expr>),
    /// `a.x`, `a.0`.
    Field(Box<Expr>, Member),
    /// `()`, `(a, b)`.
    Tuple(Vec<Expr>),
    /// `[a, b]`.
    Array(Vec<Expr>),
    /// `Point { x, y: 0.0, ..base }`, `Pair(a, b)`.
    Struct(StructOf<Expr>, Option<Box<Expr>>),
    /// `[a; N]`.
    Repeat(Box<Expr>, ConstId),
    /// `&a`, `&mut a`.
    Ref(bool, Box<Expr>),
    /// `*a` of a parameter `&T` or `&mut T`.
    Deref(Span, Box<Expr>),
    /// A free, fast or associated intrinsic.
    Call(Call),
    /// A device function.
    Inline(Box<Inline>),
    /// A closure as the argument of a device function.
    Closure(Box<Closure>),
    /// `a.name(b)`, a method of scalars, or `len`.
    Method(Box<Expr>, Ident, Vec<Expr>),
    /// `a.name(b)`, where structs have such a method.
    MethodCall(Box<MethodCall>),
    /// `f32x4::new(a, b, c, d)`, or with one argument `f32x4::splat(a)`.
    Vector {
        /// The type's name.
        ty: Ident,
        /// The type of a lane.
        elem: Scalar,
        /// How many.
        lanes: u32,
        /// `new` or `splat`.
        function: Ident,
        /// A value for each lane, or one for all.
        args: Vec<Expr>,
    },
    /// `FragC::<f32>::zero()`: the path as written, and the type.
    Zero(syn::Path, Box<TyExpr>),
    /// `u64::from(a)`, a conversion without loss, or `T::from_f32(a)`: the type, and the path as
    /// written.
    From(Box<TyExpr>, syn::Path, Box<Expr>),
    /// `if a { } else { }`; the last is a block or another `if`.
    If(Box<Expr>, Block, Option<Box<Expr>>),
    /// `{ }`.
    Block(Option<Label>, Block),
    /// `loop { }`.
    Loop(Label, Block),
    /// `while a { }`.
    While(Label, Box<Expr>, Block),
    /// `for i in range { }`.
    For(Box<For>),
    /// `match a { }`.
    Match(Box<Expr>, Vec<Arm>),
    /// `break 'label value`.
    Break(LoopId, Option<Lifetime>, Option<Box<Expr>>),
    /// `continue 'label`.
    Continue(LoopId, Option<Lifetime>),
    /// `return`, of the kernel's thread, or from the body of a device function with its value.
    Return(Option<Return>),
    /// `a = b`.
    Assign(Box<Expr>, Box<Expr>),
    /// `a += b`.
    AssignOp(BinOp, SpanRange, Box<Expr>, Box<Expr>),
    /// `assert!(cond, "message")`.
    Assert(Box<Expr>, String),
    /// `gpu_println!("format", a, b)`.
    Print(String, Vec<Expr>),
    /// Reported already. What could be read of it, for the shadow.
    Error(Vec<Expr>),
}

/// A call of an intrinsic by its path.
#[derive(Debug)]
pub struct Call {
    /// Its row.
    pub row: &'static Row,
    /// The path as written, with generic arguments.
    pub path: syn::Path,
    /// The type before `::`, for associated functions.
    pub on: Option<Box<TyExpr>>,
    /// Generic arguments, if written.
    pub generics: Vec<Generic>,
    /// Arguments.
    pub args: Vec<Expr>,
}

/// A struct with something for its fields, in the order in which they are written.
#[derive(Debug)]
pub struct StructOf<T> {
    /// The path as written.
    pub path: syn::Path,
    /// The struct.
    pub id: StructId,
    /// Whether it is written as `Pair(a, b)`.
    pub positional: bool,
    /// The fields: which, the name as written, and what is for it.
    pub fields: Vec<(u32, Member, T)>,
}

/// A method of a struct, or perhaps of a scalar.
#[derive(Debug)]
pub struct MethodCall {
    /// What stands before the dot.
    pub receiver: Expr,
    /// The method's name.
    pub name: Ident,
    /// The generic arguments, if written.
    pub generics: Option<syn::AngleBracketedGenericArguments>,
    /// The arguments behind the receiver.
    pub args: Vec<Expr>,
    /// The methods of that name, of which the receiver's type says which is meant.
    pub candidates: Vec<Candidate>,
}

/// A method that may be meant.
#[derive(Debug)]
pub struct Candidate {
    /// The struct that has it.
    pub of: StructId,
    /// The call, without its arguments; `None` if something is wrong with it.
    pub inline: Option<Inline>,
    /// What is wrong if this one is meant.
    pub diags: Vec<crate::diag::Diag>,
}

/// A call of a device function, with its body in place.
#[derive(Debug)]
pub struct Inline {
    /// The path as written.
    pub path: syn::Path,
    /// The type parameters.
    pub types: Vec<TypeId>,
    /// The const parameters whose values the arguments say.
    pub open: Vec<ConstId>,
    /// The others.
    pub written: Vec<ConstId>,
    /// Its parameters, in order.
    pub params: Vec<InlineParam>,
    /// An argument for each; none where the function itself is checked, or of a method.
    pub args: Vec<Expr>,
    /// What `return` leaves.
    pub label: LoopId,
    /// The type of the value.
    pub ret: TyExpr,
    /// The function's body. Its names are its own.
    pub body: Block,
}

/// A parameter of a device function.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most are values, and there are few")]
pub enum InlineParam {
    /// A value.
    Value(Pat, TyExpr),
    /// `&T` or `&mut T`: the argument itself, under another name.
    Place {
        /// That name.
        local: LocalId,
        /// The type of what it stands for.
        ty: TyExpr,
        /// Whether the body may write it.
        mutable: bool,
    },
    /// A slice or a shared array, which the body names directly.
    Memory {
        /// The parameter's name.
        name: Ident,
        /// The type of an element.
        elem: TyExpr,
        /// Whether the body may write.
        mutable: bool,
    },
    /// A tensor map, which the body names directly.
    Map(Ident, MapExpr),
    /// A closure, whose body stands where it is called.
    Closure {
        /// The parameter's name.
        name: Ident,
        /// The types of its parameters.
        params: Vec<TyExpr>,
        /// The type of its value.
        ret: TyExpr,
    },
    /// `(a, b): (&[T], &mut [U])`: parameters whose arguments come as a tuple.
    Group(Vec<InlineParam>),
    /// Reported already.
    Error,
}

/// `&TensorMap<T, 2>` or `&mut TensorMap<T, 2>` as it is written.
#[derive(Clone, Debug)]
pub struct MapExpr {
    /// The type of an element.
    pub elem: TyExpr,
    /// The number of dimensions.
    pub rank: u32,
    /// Whether the tensor may be written.
    pub mutable: bool,
}

/// The same, with its type known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapTy {
    /// The type of an element.
    pub elem: Scalar,
    /// The number of dimensions.
    pub rank: u32,
    /// Whether the tensor may be written.
    pub mutable: bool,
}

impl MapTy {
    /// The type in Rust.
    pub fn text(elem: &str, rank: u32, mutable: bool) -> String {
        let mutable = if mutable { "mut " } else { "" };
        format!("&{mutable}TensorMap<{elem}, {rank}>")
    }
}

impl std::fmt::Display for MapTy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&Self::text(self.elem.name(), self.rank, self.mutable))
    }
}

/// A closure, or the name of what stands for one, as the argument of a device function.
#[derive(Debug)]
pub struct Closure {
    /// Its number among those of the parser.
    pub id: ClosureId,
    /// What is written.
    pub kind: ClosureKind,
}

/// A closure with what it captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosureId(pub usize);

/// What is written where a closure is wanted.
#[derive(Debug)]
pub enum ClosureKind {
    /// `|x, y| x + y`: as rustc sees it. Where it is called, its body is read again.
    Written {
        /// `move`, if written.
        capture: Option<syn::Token![move]>,
        /// The parameters, with the types that are written.
        params: Vec<(Pat, Option<TyExpr>)>,
        /// The type of the value, if written.
        ret: Option<TyExpr>,
        /// The value.
        body: Box<Expr>,
    },
    /// A device function.
    Function(syn::Path),
    /// A parameter of the device function that passes it on.
    Param(Ident),
}

/// `return` from a device function.
#[derive(Debug)]
pub struct Return {
    /// The call that it leaves.
    pub target: LoopId,
    /// Its value.
    pub value: Option<Box<Expr>>,
}

/// A generic argument.
#[derive(Debug)]
pub enum Generic {
    /// A type.
    Ty(TyExpr),
    /// A constant.
    Const(ConstId),
}

/// `for pat in start..end { }`
#[derive(Debug)]
pub struct For {
    /// Label and identity.
    pub label: Label,
    /// The variable, or `_`.
    pub pat: Pat,
    /// The first value.
    pub start: Expr,
    /// The bound.
    pub end: Expr,
    /// Whether the bound belongs to the range.
    pub inclusive: bool,
    /// `.step_by(k)` and `.rev()`, in their order; the span is that of the method's name.
    pub adapters: Vec<Adapter>,
    /// What the attribute says.
    pub unroll: Unroll,
    /// The body.
    pub body: Block,
}

/// A method of ranges.
#[derive(Debug)]
pub enum Adapter {
    /// `.rev()`.
    Rev(Ident),
    /// `.step_by(k)`.
    StepBy(Ident, Expr),
}

/// An arm of a `match`.
#[derive(Debug)]
pub struct Arm {
    /// What must match.
    pub pat: Pat,
    /// What else must hold.
    pub guard: Option<Expr>,
    /// What is done.
    pub body: Expr,
}
