//! The dotted parts of an opcode: rounding, state space, comparison, scope and so on.

#[cfg(feature = "sample")]
use crate::sample::Sampler;
use crate::ty::{Since, since};

/// The dotted parts of an opcode that are still to be read.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    rest: &'a [&'a str],
}

impl<'a> Parts<'a> {
    /// Reads `parts` from the left.
    #[must_use]
    pub const fn new(parts: &'a [&'a str]) -> Self {
        Self { rest: parts }
    }

    /// Takes the next part if `accept` makes something of it.
    pub fn take_if<T>(&mut self, accept: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let (first, rest) = self.rest.split_first()?;
        let value = accept(first)?;
        self.rest = rest;
        Some(value)
    }

    /// Takes the parts of `text`, which may hold dots itself, if they come next.
    pub fn take_text(&mut self, text: &str) -> bool {
        let mut rest = self.rest;
        for want in text.split('.') {
            match rest.split_first() {
                Some((first, tail)) if *first == want => rest = tail,
                _ => return false,
            }
        }
        self.rest = rest;
        true
    }

    /// The first part that nobody has taken.
    #[must_use]
    pub fn first(&self) -> Option<&'a str> {
        self.rest.first().copied()
    }

    /// How many parts nobody has taken.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether all parts are taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// A part of an opcode: read, written, and what it asks of the machine.
pub trait Modifier: Sized {
    /// Takes itself from the front of `parts`, or leaves them.
    fn parse(parts: &mut Parts<'_>) -> Option<Self>;
    /// Writes itself, with its dot.
    fn print(&self, out: &mut String);
    /// What it asks of the machine.
    fn since(&self) -> Since;
    /// One of its values.
    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self;
}

impl<M: Modifier> Modifier for Option<M> {
    fn parse(parts: &mut Parts<'_>) -> Option<Self> {
        Some(M::parse(parts))
    }

    fn print(&self, out: &mut String) {
        if let Some(modifier) = self {
            modifier.print(out);
        }
    }

    fn since(&self) -> Since {
        self.as_ref().map_or(Since::BASE, Modifier::since)
    }

    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        from.modifier(&[false, true]).then(|| M::sample(from))
    }
}

/// Enums of modifiers, and their words. A variant that a newer machine introduced says so after `since`.
macro_rules! modifiers {
    ($($(#[doc = $doc:literal])* $Name:ident {
        $($(#[doc = $vdoc:literal])* $Variant:ident $text:literal $(since $since:expr)?,)*
    })*) => {
        /// The text of each modifier here, without the leading dot.
        pub(crate) const WORDS: &[&str] = &[$($($text,)*)*];

    $(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $Name { $($(#[doc = $vdoc])* #[doc = concat!("`.", $text, "`")] $Variant,)* }

        impl $Name {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$Variant),*];

            /// Its text, without the leading dot.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$Variant => $text,)* }
            }
        }

        impl Modifier for $Name {
            fn parse(parts: &mut Parts<'_>) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| parts.take_text(it.text()))
            }

            fn print(&self, out: &mut String) {
                out.push('.');
                out.push_str(self.text());
            }

            fn since(&self) -> Since {
                match self { $(Self::$Variant => Since::BASE $(.and($since))?,)* }
            }

            #[cfg(feature = "sample")]
            fn sample(from: &mut Sampler<'_>) -> Self {
                from.modifier(Self::ALL)
            }
        }
    )*};
}

mod bulk;

pub use bulk::*;

/// Text of modifiers, without the leading dot.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().chain(bulk::WORDS).copied()
}

modifiers! {
    /// Rounding of a floating point result.
    Round {
        /// To nearest, ties to even.
        Rn "rn",
        /// Towards zero.
        Rz "rz",
        /// Towards negative infinity.
        Rm "rm",
        /// Towards positive infinity.
        Rp "rp",
    }
    /// Rounding of a conversion: of the float result, or to an integral value.
    CvtRound {
        /// To nearest integer, ties to even.
        Rni "rni",
        /// To integer, towards zero.
        Rzi "rzi",
        /// To integer, towards negative infinity.
        Rmi "rmi",
        /// To integer, towards positive infinity.
        Rpi "rpi",
        /// To nearest, ties to even.
        Rn "rn",
        /// To nearest, ties away from zero.
        Rna "rna",
        /// Towards zero.
        Rz "rz",
        /// Towards negative infinity.
        Rm "rm",
        /// Towards positive infinity.
        Rp "rp",
    }
    /// Subnormal inputs and results become zero.
    Ftz {
        /// Flush to zero.
        Ftz "ftz",
    }
    /// Subnormals are kept although the type's default would flush them.
    NoFtz {
        /// No flush to zero.
        NoFtz "noftz",
    }
    /// Integers clamp to their range, floats to `[0, 1]`.
    Sat {
        /// Saturate.
        Sat "sat",
    }
    /// Results beyond the range of the small float become its largest finite value.
    SatFinite {
        /// Saturate to finite.
        SatFinite "satfinite",
    }
    /// Negative results become zero.
    Relu {
        /// Rectify.
        Relu "relu" since since(7, 0, 80),
    }
    /// `NaN` inputs give `NaN`, where the default is the other operand.
    NanMode {
        /// Propagate `NaN`.
        Nan "NaN" since since(7, 0, 80),
    }
    /// The approximate form of an operation.
    Approx {
        /// Approximate.
        Approx "approx",
    }
    /// Which division `div` approximates.
    DivMode {
        /// A reciprocal and a product: the divisor must be within `2^126`.
        Approx "approx",
        /// Scaled, so that the whole range of divisors works.
        Full "full",
    }
    /// Which half of a product.
    Half {
        /// The high half.
        Hi "hi",
        /// The low half.
        Lo "lo",
    }
    /// Carry out of an addition or subtraction.
    CarryOut {
        /// Writes the carry flag.
        Cc "cc",
    }
    /// Comparison.
    Cmp {
        /// Equal.
        Eq "eq",
        /// Not equal, and neither is `NaN`.
        Ne "ne",
        /// Less.
        Lt "lt",
        /// Less or equal.
        Le "le",
        /// Greater.
        Gt "gt",
        /// Greater or equal.
        Ge "ge",
        /// Lower (unsigned).
        Lo "lo",
        /// Lower or same (unsigned).
        Ls "ls",
        /// Higher (unsigned).
        Hi "hi",
        /// Higher or same (unsigned).
        Hs "hs",
        /// Equal, or a `NaN`.
        Equ "equ",
        /// Not equal, or a `NaN`.
        Neu "neu",
        /// Less, or a `NaN`.
        Ltu "ltu",
        /// Less or equal, or a `NaN`.
        Leu "leu",
        /// Greater, or a `NaN`.
        Gtu "gtu",
        /// Greater or equal, or a `NaN`.
        Geu "geu",
        /// Neither is `NaN`.
        Num "num",
        /// One is `NaN`.
        Nan "nan",
    }
    /// Combination of a comparison with another predicate.
    BoolOp {
        /// Both.
        And "and",
        /// Either.
        Or "or",
        /// Exactly one.
        Xor "xor",
    }
    /// Class of a floating point number.
    FloatClass {
        /// Neither infinite nor `NaN`.
        Finite "finite",
        /// Infinite.
        Infinite "infinite",
        /// A number.
        Number "number",
        /// `NaN`.
        NotANumber "notanumber",
        /// Normal.
        Normal "normal",
        /// Subnormal.
        Subnormal "subnormal",
    }
    /// Direction of a funnel shift.
    Direction {
        /// Left.
        L "l",
        /// Right.
        R "r",
    }
    /// What a funnel shift does with amounts above 32.
    ShiftMode {
        /// Clamps them to 32.
        Clamp "clamp",
        /// Takes them modulo 32.
        Wrap "wrap",
    }
    /// Special selection patterns of `prmt`.
    PrmtMode {
        /// Forward 4 extract.
        F4e "f4e",
        /// Backward 4 extract.
        B4e "b4e",
        /// Replicate 8.
        Rc8 "rc8",
        /// Edge clamp left.
        Ecl "ecl",
        /// Edge clamp right.
        Ecr "ecr",
        /// Replicate 16.
        Rc16 "rc16",
    }
    /// `bfind` gives the shift that brings the bit to the top.
    ShiftAmount {
        /// Shift amount.
        Shiftamt "shiftamt",
    }
    /// State space of an access or a variable.
    Space {
        /// Shared memory of this block's window. Before `Shared`, which it starts with.
        SharedCta "shared::cta" since since(7, 8, 30),
        /// Shared memory of the blocks of a cluster.
        SharedCluster "shared::cluster" since since(7, 8, 90),
        /// Global memory.
        Global "global",
        /// Shared memory.
        Shared "shared",
        /// Private memory of a thread.
        Local "local",
        /// Parameters.
        Param "param",
        /// Constant memory.
        Const "const",
    }
    /// The direction of `cvta`: from a generic address.
    ToSpace {
        /// To the named space.
        To "to",
    }
    /// Memory ordering of an access.
    Sem {
        /// The default: no ordering.
        Weak "weak" since since(6, 0, 70),
        /// Not to be optimised away or reordered by the compiler.
        Volatile "volatile",
        /// Atomic, unordered.
        Relaxed "relaxed" since since(6, 0, 70),
        /// Later accesses stay behind it.
        Acquire "acquire" since since(6, 0, 70),
        /// Earlier accesses stay before it.
        Release "release" since since(6, 0, 70),
        /// Both.
        AcqRel "acq_rel" since since(6, 0, 70),
        /// Sequentially consistent.
        Sc "sc" since since(6, 0, 70),
    }
    /// Which threads an ordering speaks of.
    Scope {
        /// Of the block.
        Cta "cta",
        /// Of the cluster.
        Cluster "cluster" since since(7, 8, 90),
        /// Of the device.
        Gpu "gpu",
        /// Of the machine.
        Sys "sys",
    }
    /// Which threads `membar` speaks of.
    BarLevel {
        /// Of the block.
        Cta "cta",
        /// Of the device.
        Gl "gl",
        /// Of the machine.
        Sys "sys",
    }
    /// The read-only path.
    NonCoherent {
        /// Non-coherent.
        Nc "nc",
    }
    /// Cache operator of a load.
    LoadCache {
        /// At all levels.
        Ca "ca",
        /// At the global level.
        Cg "cg",
        /// Streaming: likely accessed once.
        Cs "cs",
        /// Last use.
        Lu "lu",
        /// Do not cache, fetch again.
        Cv "cv",
    }
    /// Cache operator of a store.
    StoreCache {
        /// Write back.
        Wb "wb",
        /// At the global level.
        Cg "cg",
        /// Streaming.
        Cs "cs",
        /// Write through.
        Wt "wt",
    }
    /// Eviction priority in the first level.
    L1Evict {
        /// Normal.
        Normal "L1::evict_normal" since since(7, 4, 70),
        /// Kept longest.
        Last "L1::evict_last" since since(7, 4, 70),
        /// Leaves first.
        First "L1::evict_first" since since(7, 4, 70),
        /// Unchanged.
        Unchanged "L1::evict_unchanged" since since(7, 4, 70),
        /// Not allocated.
        NoAllocate "L1::no_allocate" since since(7, 4, 70),
    }
    /// How much the second level fetches ahead.
    L2Prefetch {
        /// 64 bytes.
        B64 "L2::64B" since since(7, 4, 75),
        /// 128 bytes.
        B128 "L2::128B" since since(7, 4, 75),
        /// 256 bytes.
        B256 "L2::256B" since since(7, 4, 80),
    }
    /// An explicit cache policy operand follows.
    CacheHint {
        /// Cache hint.
        Hint "L2::cache_hint" since since(7, 4, 80),
    }
    /// Elements of a vector access.
    VecLen {
        /// Two.
        V2 "v2",
        /// Four.
        V4 "v4",
        /// Eight.
        V8 "v8" since since(8, 8, 100),
    }
    /// Cache level of a prefetch.
    PrefetchLevel {
        /// First.
        L1 "L1",
        /// Second.
        L2 "L2",
    }
    /// Cache operator of `cp.async`.
    CpCache {
        /// At all levels.
        Ca "ca",
        /// At the global level.
        Cg "cg",
    }
    /// From global to shared memory.
    SharedGlobal {
        /// The explicit block window.
        SharedCta "shared::cta.global" since since(7, 8, 80),
        /// The default window.
        Shared "shared.global",
    }
    /// Read-modify-write operation.
    AtomOp {
        /// Addition.
        Add "add",
        /// Minimum.
        Min "min",
        /// Maximum.
        Max "max",
        /// Counts up to the operand, then wraps to zero.
        Inc "inc",
        /// Counts down to zero, then wraps to the operand.
        Dec "dec",
        /// Bitwise and.
        And "and",
        /// Bitwise or.
        Or "or",
        /// Bitwise exclusive or.
        Xor "xor",
        /// Exchange.
        Exch "exch",
    }
    /// Compare and swap.
    CasOp {
        /// Compare and swap.
        Cas "cas",
    }
    /// The barrier is the block's.
    CtaLevel {
        /// Of the block.
        Cta "cta" since since(7, 8, 30),
    }
    /// The waiting form of `barrier`.
    SyncWord {
        /// Wait.
        Sync "sync",
    }
    /// All threads of the warp execute it together.
    Aligned {
        /// Aligned.
        Aligned "aligned",
    }
    /// Operation of a warp or block reduction.
    ReduxOp {
        /// Addition.
        Add "add",
        /// Minimum.
        Min "min",
        /// Maximum.
        Max "max",
        /// Bitwise and.
        And "and",
        /// Bitwise or.
        Or "or",
        /// Bitwise exclusive or.
        Xor "xor",
    }
    /// The lane that a shuffle reads.
    ShflMode {
        /// `lane - b`.
        Up "up",
        /// `lane + b`.
        Down "down",
        /// `lane ^ b`.
        Bfly "bfly",
        /// `b`.
        Idx "idx",
    }
    /// What a vote asks.
    VoteMode {
        /// Whether all lanes hold.
        All "all",
        /// Whether some lane holds.
        Any "any",
        /// Whether all lanes agree.
        Uni "uni",
    }
    /// The form of `barrier` that does not wait.
    ArriveWord {
        /// Arrive.
        Arrive "arrive",
    }
    /// The form of `barrier` that reduces predicates.
    RedWord {
        /// Reduce.
        Red "red",
    }
    /// The form of `barrier` that counts predicates.
    RedPopcWord {
        /// Count.
        RedPopc "red.popc",
    }
    /// Reduction of predicates at a barrier.
    BarRedOp {
        /// All.
        And "and",
        /// Any.
        Or "or",
    }
    /// All threads of the warp take the same way.
    Uni {
        /// Uniform.
        Uni "uni",
    }
    /// Layout of a matrix operand.
    Layout {
        /// Row major.
        Row "row",
        /// Column major.
        Col "col",
    }
    /// Matrices per `ldmatrix`.
    MatrixCount {
        /// One.
        X1 "x1",
        /// Two.
        X2 "x2",
        /// Four.
        X4 "x4",
    }
    /// The matrix is transposed on its way.
    Trans {
        /// Transpose.
        Trans "trans",
    }
    /// Shape of a matrix instruction, M by N by K.
    MmaShape {
        /// 8 by 8 by 4.
        M8n8k4 "m8n8k4",
        /// 8 by 8 by 16.
        M8n8k16 "m8n8k16",
        /// 8 by 8 by 32.
        M8n8k32 "m8n8k32",
        /// 16 by 8 by 4.
        M16n8k4 "m16n8k4",
        /// 16 by 8 by 8.
        M16n8k8 "m16n8k8",
        /// 16 by 8 by 16.
        M16n8k16 "m16n8k16",
        /// 16 by 8 by 32.
        M16n8k32 "m16n8k32",
        /// 16 by 8 by 64.
        M16n8k64 "m16n8k64",
    }
    /// The other half of the fence: which accesses it orders with the generic ones.
    Proxy {
        /// The asynchronous copies and matrix units, shared memory alone.
        AsyncShared "async.shared::cta" since since(8, 0, 90),
        /// The asynchronous copies and matrix units, shared memory of the cluster alone.
        AsyncSharedCluster "async.shared::cluster" since since(8, 0, 90),
        /// The asynchronous copies and matrix units, global memory alone.
        AsyncGlobal "async.global" since since(8, 0, 90),
        /// The asynchronous copies and matrix units.
        Async "async" since since(8, 0, 90),
        /// Aliases of one address.
        Alias "alias" since since(7, 5, 70),
    }
    /// The background copies do not count as an arrival of their own.
    NoInc {
        /// No increment: the arrival is one of those that the barrier was made for.
        NoInc "noinc",
    }
    /// What a grid tells or asks of those it depends on.
    GridAction {
        /// The grids that wait for this one may start.
        LaunchDependents "launch_dependents",
        /// Waits until the grids before this one are complete.
        Wait "wait",
    }
    /// How `setmaxnreg` changes the number of registers.
    RegisterChange {
        /// Asks for more.
        Inc "inc.sync.aligned",
        /// Gives some back.
        Dec "dec.sync.aligned",
    }
    /// What a cache policy does with the accesses that it is for.
    PolicyPrimary {
        /// Kept longest.
        EvictLast "L2::evict_last",
        /// The default.
        EvictNormal "L2::evict_normal",
        /// Leaves first.
        EvictFirst "L2::evict_first",
        /// As it was.
        EvictUnchanged "L2::evict_unchanged",
    }
    /// What a cache policy does with the other accesses.
    PolicySecondary {
        /// Leaves first.
        EvictFirst "L2::evict_first",
        /// As it was.
        EvictUnchanged "L2::evict_unchanged",
    }
    /// The priority that `applypriority` gives back.
    PriorityLevel {
        /// The default.
        EvictNormal "L2::evict_normal",
    }
}
