//! The parts of a module: plain data, printed by [`crate::emit`], read by [`crate::parse`].

use crate::isa::Op;
use crate::modifier::Space;
use crate::operand::{PartMut, Value};
use crate::ty::{Since, Ty, since};

/// A module: what one `.ptx` file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// `.version`, major and minor.
    pub version: (u8, u8),
    /// `.target`.
    pub target: Target,
    /// `.file`: numbers that `.loc` refers to, and paths.
    pub files: Vec<(u32, String)>,
    /// Variables outside of functions.
    pub vars: Vec<Var>,
    /// Kernels and functions, callees before callers.
    pub functions: Vec<Function>,
}

/// `.target`: the machine that a module is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// 80 for `sm_80`.
    pub sm: u32,
    /// `a` (this architecture alone) or `f` (its family), if any.
    pub suffix: Option<char>,
    /// Unoptimised, for debuggers.
    pub debug: bool,
}

impl Target {
    /// `sm_NN`.
    #[must_use]
    pub const fn sm(sm: u32) -> Self {
        Self { sm, suffix: None, debug: false }
    }

    /// The first PTX version that has it. PTX ISA, "Release Notes" and `.target`.
    ///
    /// ```
    /// assert_eq!(firesteel_ptx::ir::Target::sm(86).version(), (7, 1));
    /// ```
    #[must_use]
    pub const fn version(self) -> (u8, u8) {
        let plain = match self.sm {
            0..=70 => (6, 0),
            71..=72 => (6, 1),
            73..=75 => (6, 3),
            76..=80 => (7, 0),
            81..=86 => (7, 1),
            87 => (7, 4),
            89..=90 => (7, 8),
            91..=101 => (8, 6),
            102..=103 | 121 => (8, 8),
            120 => (8, 7),
            88 | 104.. => (9, 0),
        };
        match (self.sm, self.suffix) {
            (90, Some(_)) => (8, 0),
            (100..=120, Some('f')) if plain.0 == 8 => (8, 8),
            _ => plain,
        }
    }
}

/// Whether a name is visible outside of its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// Defined elsewhere.
    Extern,
    /// Defined here, for all.
    Visible,
    /// Defined here, for all, unless somebody else defines it too.
    Weak,
    /// Merged with others of its name.
    Common,
}

impl Linkage {
    /// Every linkage.
    pub const ALL: &'static [Self] = &[Self::Extern, Self::Visible, Self::Weak, Self::Common];

    /// Its directive.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Extern => ".extern",
            Self::Visible => ".visible",
            Self::Weak => ".weak",
            Self::Common => ".common",
        }
    }
}

/// A variable in memory, or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Var {
    /// Visibility; `None` inside functions and for private variables.
    pub linkage: Option<Linkage>,
    /// Where it lives.
    pub space: Space,
    /// Alignment in bytes, if not its type's own.
    pub align: Option<u32>,
    /// Type of an element.
    pub ty: Ty,
    /// Name.
    pub name: String,
    /// One element or an array.
    pub len: Len,
    /// Initial elements; empty means zero (or nothing, in shared memory).
    pub init: Vec<Init>,
}

impl Var {
    /// Bytes that it occupies; zero for an array without a size.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let count = match self.len {
            Len::One => 1,
            Len::Array(n) => n,
            Len::Unsized => 0,
        };
        count * u64::from(self.ty.bits().div_ceil(8))
    }

    /// Its alignment in bytes.
    #[must_use]
    pub fn alignment(&self) -> u32 {
        self.align.unwrap_or_else(|| self.ty.bits().div_ceil(8))
    }
}

/// How many elements a variable has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Len {
    /// One, no array.
    One,
    /// An array of that many.
    Array(u64),
    /// An array whose size the launch decides (`extern .shared x[]`).
    Unsized,
}

/// An element of an initialiser.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// An integer.
    Int(i64),
    /// The bits of a float of the variable's type (`0f…`, `0d…`).
    Float(u64),
    /// The address of another variable, plus an offset.
    Address(String, i64),
}

/// A kernel or a device function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Visibility.
    pub linkage: Option<Linkage>,
    /// A kernel (`.entry`), else a function (`.func`).
    pub entry: bool,
    /// Name.
    pub name: String,
    /// What a function gives back; none for kernels.
    pub results: Vec<Var>,
    /// Parameters in order.
    pub params: Vec<Var>,
    /// `.maxntid`, `.reqntid` and their like.
    pub directives: Vec<Directive>,
    /// Registers. [`Reg`] indexes here; names are unique.
    pub regs: Vec<RegDecl>,
    /// Shared, local and parameter variables of the body. Names are unique.
    pub vars: Vec<Var>,
    /// Names of labels. [`Label`] indexes here; names are unique.
    pub labels: Vec<String>,
    /// Statements; `None` if the function is only declared.
    pub body: Option<Vec<Stmt>>,
}

/// A performance directive of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive {
    /// `.maxntid x, y, z`: the largest block.
    MaxThreads([u32; 3]),
    /// `.reqntid x, y, z`: the block.
    RequiredThreads([u32; 3]),
    /// `.minnctapersm n`: blocks that a multiprocessor should hold.
    MinBlocks(u32),
    /// `.maxnreg n`: the most registers a thread may take.
    MaxRegisters(u32),
    /// `.noreturn`.
    NoReturn,
    /// `.pragma "text"`.
    Pragma(String),
    /// `.explicitcluster`.
    ExplicitCluster,
    /// `.maxclusterrank n`: the most blocks that a cluster may have.
    MaxClusterRank(u32),
    /// `.reqnctapercluster x, y, z`: the cluster.
    RequiredCluster([u32; 3]),
}

impl Directive {
    /// What it asks of the machine.
    #[must_use]
    pub const fn since(&self) -> Since {
        match self {
            Self::MaxThreads(_)
            | Self::RequiredThreads(_)
            | Self::MinBlocks(_)
            | Self::MaxRegisters(_)
            | Self::Pragma(_) => Since::BASE,
            Self::NoReturn => since(6, 4, 30),
            Self::ExplicitCluster | Self::MaxClusterRank(_) | Self::RequiredCluster(_) => {
                since(7, 8, 90)
            }
        }
    }
}

/// A virtual register: an index into [`Function::regs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reg(pub u32);

/// A declared register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegDecl {
    /// Name, with its `%` if it has one.
    pub name: String,
    /// Type.
    pub ty: Ty,
}

/// A place to jump to: an index into [`Function::labels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u32);

/// A statement of a body.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly all statements are instructions")]
pub enum Stmt {
    /// An instruction.
    Inst(Inst),
    /// A label.
    Label(Label),
    /// The source place of what follows.
    Loc(Loc),
    /// `.pragma "text";`
    Pragma(String),
}

/// `.loc`: a place in a source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loc {
    /// Number of the file in [`Module::files`].
    pub file: u32,
    /// Line, from one.
    pub line: u32,
    /// Column, from one; zero if unknown.
    pub column: u32,
}

/// An instruction with its guard.
#[derive(Clone, Debug, PartialEq)]
pub struct Inst {
    /// Only the threads for which it holds execute.
    pub guard: Option<Guard>,
    /// What they execute.
    pub op: Op,
}

impl From<Op> for Inst {
    fn from(op: Op) -> Self {
        Self { guard: None, op }
    }
}

impl Inst {
    /// Lets `change` replace every register that is written, read, or guards.
    pub fn regs_mut(&mut self, change: &mut dyn FnMut(&mut Reg)) {
        if let Some(guard) = &mut self.guard {
            change(&mut guard.reg);
        }
        self.op.parts_mut(&mut |part| match part {
            PartMut::Reg(reg) | PartMut::Value(Value::Reg(reg)) => change(reg),
            PartMut::Value(_) => {}
        });
    }
}

/// `@%p` or `@!%p`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The predicate.
    pub reg: Reg,
    /// Whether it is negated.
    pub negated: bool,
}

impl Module {
    /// The function of that name, if it has a body.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|it| it.name == name && it.body.is_some())
    }

    /// The kernels, in order.
    pub fn kernels(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|it| it.entry && it.body.is_some())
    }
}
