//! The typed tree between the front of the compiler (`parse`, `infer`, `desugar`) and its back
//! (`fold`, `lower`).
//!
//! What the front promises about a [`Kernel`], and the back relies on:
//! - **Resolved.** Each variable is a [`LocalId`] declared by exactly one [`StmtKind::Let`],
//!   [`For`] or scalar parameter; shadowing is gone. Each jump names the [`LoopId`] that it leaves.
//! - **Typed.** Each expression has its final [`Ty`]; no inference variable and no [`Ty::Error`]
//!   is left. Operands have the types that Rust demands: equal on both sides of an operator,
//!   except that the right side of a shift may be any integer. There are no implicit conversions.
//! - **Checked.** Literals fit their types, array lengths are known, assigned variables are `mut`
//!   or declared without a value, arguments fit their intrinsic's row, casts are casts of Rust.
//! - **Small.** `match` is a chain of `if`, tuple patterns are single `let`s, methods and free
//!   functions are [`Call`]s with the receiver first, constants are [`Value`]s, a projection of
//!   a temporary is a projection of a fresh local.
//!
//! Left to the back, because only unrolling decides them: whether the index of a register array
//! is constant and in bounds, and whether arguments that must be constant are. Bounds checks,
//! division checks, fault sites and print sites are also the back's: nothing here mentions them.
//!
//! Evaluation order is Rust's: operands and arguments from left to right; an assignment, compound
//! or not, evaluates its value before its place (Rust does so for primitive types).

use proc_macro2::{Ident, TokenStream};

pub use crate::fragment::{Fragment, FragmentKind};
pub use crate::intrinsics::Op;
pub use crate::span::SpanRange;
pub use crate::value::{BinOp, Scalar, UnOp, Value};

/// A kernel, checked.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What the host sees of it.
    pub signature: Signature,
    /// Every variable of the body, scalar parameters first; [`LocalId`] indexes it.
    pub locals: Vec<Local>,
    /// Every shared array; [`SharedId`] indexes it.
    pub shared: Vec<Shared>,
    /// Every view; [`ViewId`] indexes it.
    pub views: Vec<View>,
    /// The structs that [`Elem::Struct`] means, as the tuples of their fields.
    pub structs: Vec<Ty>,
    /// The number of [`LoopId`]s in the body.
    pub n_loops: usize,
    /// The statements. Its type is unit.
    pub body: Block,
}

/// Name, attributes and parameters: all that a stub needs when the body has errors.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The function's name, which becomes the module's.
    pub name: Ident,
    /// The name in PTX: that of the function, with the arguments of the instance.
    pub entry: String,
    /// The function's visibility, as written.
    pub vis: syn::Visibility,
    /// The function's own attributes (documentation, `#[allow]`, `#[cfg]`), as written.
    pub attrs: Vec<syn::Attribute>,
    /// What `#[gpu_kernel(..)]` said.
    pub options: Options,
    /// The parameters in their order; [`ParamId`] indexes it.
    pub params: Vec<Param>,
    /// The kernel whose text it is, if that stands elsewhere.
    pub origin: Option<syn::Path>,
}

impl Options {
    /// Those of a kernel that says nothing.
    pub(crate) const DEFAULT: Self = Self {
        block: [1; 3],
        axes: 1,
        cluster: [1; 3],
        min_blocks: None,
        unchecked: false,
        fast_math: false,
        sm: 70,
    };
    /// Those under which a device function is checked by itself: every kernel's demands hold.
    pub(crate) const DEVICE: Self = Self { block: [32, 1, 1], sm: u32::MAX, ..Self::DEFAULT };
}

/// The arguments of `#[gpu_kernel(..)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads of a block in x, y, z; 1 in the axes not given. The product is at most 1024.
    pub block: [u32; 3],
    /// How many axes were written: 1 for `256`, 2 for `(16, 16)`, 3 for `(8, 8, 4)`.
    pub axes: u32,
    /// Blocks of a cluster in x, y, z; 1 in the axes not given.
    pub cluster: [u32; 3],
    /// Blocks that a multiprocessor is to hold at once, which bounds the registers of a thread.
    pub min_blocks: Option<u32>,
    /// No bounds and division checks; `launch` is `unsafe`.
    pub unchecked: bool,
    /// Contraction, flush to zero and approximate division are allowed.
    pub fast_math: bool,
    /// The lowest architecture that the kernel asks for: 70 for `sm_70`, the default.
    pub sm: u32,
}

/// A parameter of the kernel.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name.
    pub name: Ident,
    /// Its attributes, as written.
    pub attrs: Vec<syn::Attribute>,
    /// The tokens of its type, as written.
    pub written: TokenStream,
    /// The type parameter of a generic kernel that its type, or that of its elements, is.
    pub generic: Option<Ident>,
    /// The path of the struct that the elements of a slice are.
    pub structure: Option<syn::Path>,
    /// What it is.
    pub kind: ParamKind,
}

/// What a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// A scalar by value; in the body it is a variable.
    Scalar {
        /// Its type.
        ty: Scalar,
        /// The variable that holds it.
        local: LocalId,
    },
    /// A slice in global memory.
    Slice {
        /// The type of an element.
        elem: Elem,
        /// Whether the kernel may write it: `&mut [T]` or `*mut [T]`.
        mutable: bool,
    },
    /// `&TensorMap<T, 2>` or `&mut TensorMap<T, 2>`: a tensor in global memory, which copies of
    /// whole boxes reach.
    TensorMap {
        /// The type of an element.
        elem: Scalar,
        /// The number of dimensions, 1 to 5.
        rank: u32,
        /// Whether the kernel may write the tensor.
        mutable: bool,
    },
}

/// The type of an element of a slice or a shared array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elem {
    /// A scalar.
    Scalar(Scalar),
    /// A struct, an index into [`Kernel::structs`].
    Struct(usize),
}

impl Elem {
    /// The scalar that it is, if it is one.
    pub const fn scalar(self) -> Option<Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            Self::Struct(_) => None,
        }
    }
}

/// A parameter, by its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParamId(pub usize);

/// A variable, an index into [`Kernel::locals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalId(pub usize);

/// A shared array, an index into [`Kernel::shared`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharedId(pub usize);

/// A view of memory, an index into [`Kernel::views`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ViewId(pub usize);

/// A loop or a labelled block: what `break` and `continue` name. Below [`Kernel::n_loops`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoopId(pub usize);

/// A variable. It lives in registers.
#[derive(Clone, Debug)]
pub struct Local {
    /// The name that the user gave, or a word for what the front made it for (`match`, `tuple`).
    pub name: String,
    /// Its type: a scalar, a vector, unit, or tuples and arrays of those.
    pub ty: Ty,
    /// Whether it may be assigned after its first value.
    pub mutable: bool,
    /// Where it is declared.
    pub span: SpanRange,
}

/// A shared array. All threads of a block see the same one.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The name of the `let` that binds it.
    pub name: String,
    /// The type of an element; of a dynamic array a scalar.
    pub elem: Elem,
    /// Elements of a static array; `None` for a dynamic one, whose size the launch gives.
    pub len: Option<u32>,
    /// What its address is a multiple of, a power of two from 16 on.
    pub align: u32,
    /// Where it is declared.
    pub span: SpanRange,
}

/// A slice or shared array as elements of another type.
#[derive(Clone, Debug)]
pub struct View {
    /// The name of the `let` that binds it.
    pub name: String,
    /// What it shows; perhaps a view itself.
    pub of: Memory,
    /// The type of an element.
    pub elem: Scalar,
}

/// The slice or shared array that a memory is a view of, or is.
pub fn root_of(views: &[View], memory: Memory) -> Memory {
    match memory {
        Memory::View(view) => root_of(views, views[view.0].of),
        Memory::Slice(_) | Memory::Shared(_) => memory,
    }
}

/// The elements of a memory whose size is known at build time.
pub fn static_len(shared: &[Shared], views: &[View], memory: Memory) -> Option<u32> {
    match (memory, root_of(views, memory)) {
        (_, Memory::Slice(_) | Memory::View(_)) => None,
        (Memory::View(view), Memory::Shared(root)) => {
            let root = &shared[root.0];
            // `infer` lets views show scalars alone.
            let bytes = root.elem.scalar()?.bytes();
            root.len.map(|len| len * bytes / views[view.0].elem.bytes())
        }
        (Memory::Slice(_) | Memory::Shared(_), Memory::Shared(root)) => shared[root.0].len,
    }
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    /// A number or a boolean.
    Scalar(Scalar),
    /// A short vector, such as `f32x4`.
    Vector(Vector),
    /// A part of a matrix, such as `FragA<bf16>`.
    Fragment(Fragment),
    /// `()`.
    Unit,
    /// `!`, of an expression that does not return.
    Never,
    /// `(A, B, ..)` with one element at least.
    Tuple(Vec<Ty>),
    /// `[T; N]`, in registers.
    Array(Box<Ty>, u32),
    /// The type of what has been reported already: agrees with every type. Never in a [`Kernel`].
    Error,
}

/// A short vector: what one wide access moves, or a packed pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vector {
    /// The type of a lane.
    pub elem: Scalar,
    /// 2, 4, 8 or 16; `lanes * elem.bytes()` is at most 32.
    pub lanes: u32,
}

impl Vector {
    /// The vector of so many lanes, if there is one: 2, 4, 8 or 16 lanes of a number of fixed
    /// size, at most 32 bytes in all. Two halves are no vector but a scalar, see [`Scalar::pair`].
    pub fn new(elem: Scalar, lanes: u32) -> Option<Self> {
        let is_pair = lanes == 2 && elem.pair().is_some();
        let fits = matches!(lanes, 2 | 4 | 8 | 16) && lanes * elem.bytes() <= 32 && !is_pair;
        (fits && crate::intrinsics::Class::Lane.contains(elem)).then_some(Self { elem, lanes })
    }
}

impl std::fmt::Display for Vector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.elem, self.lanes)
    }
}

impl Ty {
    /// The scalar that the type is, if it is one.
    pub fn scalar(&self) -> Option<Scalar> {
        match self {
            Self::Scalar(scalar) => Some(*scalar),
            Self::Vector(_)
            | Self::Fragment(_)
            | Self::Unit
            | Self::Never
            | Self::Tuple(_)
            | Self::Array(..)
            | Self::Error => None,
        }
    }
}

/// Statements and the value of the last.
#[derive(Clone, Debug)]
pub struct Block {
    /// The statements, in order.
    pub stmts: Vec<Stmt>,
    /// The value of the block; unit if there is none.
    pub tail: Option<Box<Expr>>,
    /// The type of the value. `Never` if the end is not reached.
    pub ty: Ty,
    /// The whole block.
    pub span: SpanRange,
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// What it does.
    pub kind: StmtKind,
    /// The whole statement.
    pub span: SpanRange,
}

/// What a statement does.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// Declares a variable; without a value it is assigned later, as Rust's own check in the
    /// shadow function makes sure.
    Let {
        /// The variable.
        local: LocalId,
        /// Its first value.
        init: Option<Expr>,
    },
    /// Declares a view. The memory must begin where an element of it may begin.
    View(ViewId),
    /// Evaluates an expression and drops its value.
    Expr(Expr),
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it computes.
    pub kind: ExprKind,
    /// The type of its value.
    pub ty: Ty,
    /// Where it stands.
    pub span: SpanRange,
}

/// What an expression computes.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A literal or a constant.
    Value(Value),
    /// `()`.
    Unit,
    /// Reads a place.
    Load(Place),
    /// The length of a slice or shared array in elements, a `usize`.
    Len(Memory),
    /// `-a`, `!a`.
    Unary(UnOp, Box<Expr>),
    /// Arithmetic, bits, shifts and comparisons. The operation is done in the type of the left
    /// operand; a comparison yields `bool`. Integers wrap; shifts mask their amount.
    Binary(BinOp, Box<Expr>, Box<Expr>),
    /// `a && b` (`and` is true) or `a || b`: `b` is evaluated only if `a` does not decide.
    Logic {
        /// Which of both.
        and: bool,
        /// Always evaluated.
        left: Box<Expr>,
        /// Evaluated if the left one does not decide.
        right: Box<Expr>,
    },
    /// `a as T` between scalars; `T` is the type of the expression.
    Cast(Box<Expr>),
    /// `(a, b, ..)`.
    Tuple(Vec<Expr>),
    /// `FragC::zero()`: all elements are zero.
    Zero,
    /// `[a, b, ..]`, or the lanes of a new vector (then the type is a [`Ty::Vector`]).
    Array(Vec<Expr>),
    /// `[a; n]`, the length being in the type; also a vector with all lanes `a`.
    Repeat(Box<Expr>),
    /// An intrinsic.
    Call(Call),
    /// `if c { .. } else { .. }`; without `else` the type is unit.
    If {
        /// The condition.
        cond: Box<Expr>,
        /// Taken if it holds.
        then: Block,
        /// Taken if not.
        otherwise: Option<Block>,
    },
    /// `{ .. }`; a labelled one can be left with `break 'label value`.
    Block {
        /// The label's identity.
        label: Option<LoopId>,
        /// What stands in it.
        block: Block,
    },
    /// `loop { .. }`; its value is that of the `break`s.
    Loop {
        /// Its identity.
        id: LoopId,
        /// What is repeated.
        body: Block,
    },
    /// `while c { .. }`.
    While {
        /// Its identity.
        id: LoopId,
        /// Evaluated before each turn.
        cond: Box<Expr>,
        /// What is repeated.
        body: Block,
    },
    /// `for i in a..b { .. }` and its relatives.
    For(Box<For>),
    /// `break`, `break 'label value`.
    Break {
        /// The loop or labelled block that is left.
        target: LoopId,
        /// Its value.
        value: Option<Box<Expr>>,
    },
    /// `continue`.
    Continue {
        /// The loop whose next turn begins.
        target: LoopId,
    },
    /// `return`: the thread is done.
    Return,
    /// `place = value`. The value is evaluated before the place.
    Assign {
        /// Where to.
        place: Place,
        /// What.
        value: Box<Expr>,
    },
    /// `place op= value`, with the place evaluated once, after the value.
    AssignOp {
        /// An operator that is not a comparison.
        op: BinOp,
        /// Read and written.
        place: Place,
        /// The right operand.
        value: Box<Expr>,
    },
    /// `assert!(cond, "message")`: if the condition is false the thread faults.
    Assert {
        /// What must hold.
        cond: Box<Expr>,
        /// The message, or the source of the condition.
        message: String,
    },
    /// `gpu_println!("x = {}", x)`. The number of `{}`-like holes equals that of arguments.
    Print {
        /// The format, as written.
        format: String,
        /// Scalars.
        args: Vec<Expr>,
    },
}

/// A loop over a range. Start, end and step are evaluated once, in this order, before the loop;
/// the body may assign to variables that they mention without moving them.
#[derive(Clone, Debug)]
pub struct For {
    /// Its identity.
    pub id: LoopId,
    /// The variable, fresh in each turn; `None` for `_`. A `mut` variable may be changed by the
    /// body without any effect on the count.
    pub local: Option<LocalId>,
    /// The type of the variable and of both bounds, an integer.
    pub ty: Scalar,
    /// The first value.
    pub start: Expr,
    /// The bound.
    pub end: Expr,
    /// Whether the bound itself belongs to the range: `..=`.
    pub inclusive: bool,
    /// `.step_by(k)`, a `usize`, which is not 0 (Rust panics; a checked kernel faults).
    pub step: Option<Expr>,
    /// Whether `.rev()` was applied, and when.
    pub rev: Rev,
    /// What the attribute on the loop says.
    pub unroll: Unroll,
    /// What is repeated.
    pub body: Block,
}

/// The direction of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rev {
    /// Upwards.
    No,
    /// `(a..b).rev()` or `(a..b).rev().step_by(k)`: from the last value of the range down, in steps.
    BeforeStep,
    /// `(a..b).step_by(k).rev()`: the values of the stepped range, last first.
    AfterStep,
}

/// What the user says about unrolling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unroll {
    /// Nothing: the compiler decides.
    Auto,
    /// `#[unroll]`: completely; a trip count that is not constant is an error.
    Full,
    /// `#[unroll(n)]`: this many turns at once, with a remainder loop. At least 1.
    By(u32),
    /// `#[no_unroll]`.
    Never,
}

/// A slice parameter, a shared array or a view of one, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Memory {
    /// A slice parameter, in global memory.
    Slice(ParamId),
    /// A shared array.
    Shared(SharedId),
    /// One of both, read and written as elements of another type.
    View(ViewId),
}

/// Something that can be read and perhaps written.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where it begins.
    pub root: Root,
    /// The way from there to the part that is meant; empty for the whole.
    pub path: Vec<Step>,
    /// The type of that part.
    pub ty: Ty,
    /// Where it stands.
    pub span: SpanRange,
}

/// Where a place begins.
#[derive(Clone, Debug)]
pub enum Root {
    /// A variable.
    Local(LocalId),
    /// An element of memory. A path follows if it is a struct.
    Element {
        /// The slice or shared array.
        memory: Memory,
        /// An integer of any type. A negative one is out of bounds.
        index: Box<Expr>,
    },
}

/// From a value to a part of it.
#[derive(Clone, Debug)]
pub enum Step {
    /// An element of a tuple.
    Field(u32),
    /// A lane of a vector, smaller than its lanes.
    Lane(u32),
    /// An element of a register array, or a lane of a vector, by an integer of any type that must
    /// be constant after unrolling. In a struct in memory, an element of an array, by any integer.
    Index(Box<Expr>),
}

/// A call of an intrinsic, as a function or as a method (the receiver is the first argument).
#[derive(Clone, Debug)]
pub struct Call {
    /// Which.
    pub op: Op,
    /// The arguments, in the order that the documentation of [`Op`] gives: defaults are filled in.
    pub args: Vec<Arg>,
}

/// An argument of an intrinsic.
#[derive(Clone, Debug)]
pub enum Arg {
    /// By value.
    Value(Expr),
    /// `&x[i]`, `&mut x[i]`: an element of memory. Or `&mut c`: a variable, or a part of one,
    /// that the operation reads and writes where it is.
    Place(Place),
    /// `x`, `&x`, `&mut x`: a whole slice or shared array.
    Memory(Memory),
    /// `a`, `&a`, `&mut a`: a tensor map, which is always a parameter.
    Map(ParamId),
    /// A constant given as a generic argument: `lop3::<0x96>(..)`.
    Const(u64),
    /// The threads among which an atomic or a fence orders.
    Scope(Scope),
    /// What an atomic orders.
    Order(Order),
}

impl Arg {
    /// The parameter that is a tensor map.
    pub const fn map(&self) -> Option<ParamId> {
        match self {
            Self::Map(param) => Some(*param),
            Self::Value(_)
            | Self::Place(_)
            | Self::Memory(_)
            | Self::Const(_)
            | Self::Scope(_)
            | Self::Order(_) => None,
        }
    }

    /// The expression of an argument by value.
    pub const fn value(&self) -> Option<&Expr> {
        match self {
            Self::Value(expr) => Some(expr),
            Self::Place(_)
            | Self::Memory(_)
            | Self::Map(_)
            | Self::Const(_)
            | Self::Scope(_)
            | Self::Order(_) => None,
        }
    }
}

/// The threads among which an atomic operation is atomic: PTX `.cta`, `.gpu`, `.sys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of the block.
    Block,
    /// Those of the device.
    Device,
    /// Those of all devices and the host.
    System,
}

/// What an atomic operation orders: PTX `.relaxed`, `.acquire`, `.release`, `.acq_rel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Nothing.
    Relaxed,
    /// Later accesses stay behind it.
    Acquire,
    /// Earlier accesses stay before it.
    Release,
    /// Both.
    AcqRel,
}
