//! The table of instructions.
//!
//! To add an instruction, add a row; the compiler then asks for the method of [`Execute`] in
//! the simulator. Each row's doc names its entry in the PTX ISA 8.7.

mod bulk;
mod row;
mod rules;

use std::any::Any;

use crate::emit::Printer;
use crate::ir::Reg;
use crate::modifier::*;
use crate::operand::*;
use crate::parse::{OperandParser, ParseError};
#[cfg(feature = "sample")]
use crate::sample::Sampler;
use crate::ty::*;
pub use bulk::wgmma_registers;
use bulk::*;
use row::instructions;
pub use rules::mma_registers;
use rules::*;

/// Reads the operands of one row, given the opcode's parts.
pub(crate) type Reader = fn(&[&str], &mut OperandParser<'_>) -> Result<Op, ParseError>;

/// The state space, if the modifier is one.
fn space(modifier: &dyn Any) -> Option<Space> {
    let optional = modifier.downcast_ref::<Option<Space>>().copied().flatten();
    optional.or_else(|| modifier.downcast_ref::<Space>().copied())
}

instructions! {
    // ---- Integer arithmetic ----

    /// `d = a + b`, wrapping, or clamped to `s32`. PTX ISA: integer `add`.
    AddInt / add_int "add" { sat: Option<Sat>, ty: IntTy } (d: Def[*ty], a: Use[*ty], b: Use[*ty])
        if sat.is_none() || *ty == IntTy::S32 => "`.sat` needs `.s32`",
        since Since::BASE;
    /// `d = a - b`, wrapping, or clamped to `s32`. PTX ISA: integer `sub`.
    SubInt / sub_int "sub" { sat: Option<Sat>, ty: IntTy } (d: Def[*ty], a: Use[*ty], b: Use[*ty])
        if sat.is_none() || *ty == IntTy::S32 => "`.sat` needs `.s32`",
        since Since::BASE;
    /// `d = a + b`, with the carry out. PTX ISA: `add.cc`.
    AddCarryOut / add_carry_out "add.cc" { ty: IntWordTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// `d = a + b + carry`. PTX ISA: `addc`.
    AddCarry / add_carry "addc" { out: Option<CarryOut>, ty: IntWordTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// `d = a - b`, with the borrow out. PTX ISA: `sub.cc`.
    SubCarryOut / sub_carry_out "sub.cc" { ty: IntWordTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// `d = a - b - borrow`. PTX ISA: `subc`.
    SubCarry / sub_carry "subc" { out: Option<CarryOut>, ty: IntWordTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// Half of the product. PTX ISA: integer `mul.hi`, `mul.lo`.
    MulInt / mul_int "mul" { half: Half, ty: IntTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// The whole product, twice as wide. PTX ISA: integer `mul.wide`.
    MulWide / mul_wide "mul.wide" { ty: WideTy }
        (d: Def[ty.ty().widened()], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// Half of the product, plus `c`. PTX ISA: integer `mad.hi`, `mad.lo`.
    MadInt / mad_int "mad" { half: Half, sat: Option<Sat>, ty: IntTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[*ty])
        if sat.is_none() || (*ty == IntTy::S32 && *half == Half::Hi) => "`.sat` needs `.hi.s32`",
        since Since::BASE;
    /// The whole product, plus `c`. PTX ISA: integer `mad.wide`.
    MadWide / mad_wide "mad.wide" { ty: WideTy }
        (d: Def[ty.ty().widened()], a: Use[*ty], b: Use[*ty], c: Use[ty.ty().widened()])
        since Since::BASE;
    /// Half of the product, plus `c`, with the carry out. PTX ISA: `mad.cc`.
    MadCarryOut / mad_carry_out "mad" { half: Half, out: CarryOut, ty: IntWordTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[*ty]) since Since::BASE;
    /// Half of the product, plus `c`, plus carry. PTX ISA: `madc`.
    MadCarry / mad_carry "madc" { half: Half, out: Option<CarryOut>, ty: IntWordTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[*ty]) since Since::BASE;
    /// The high (bits 47..16) or low (31..0) word of the product of the operands' low 24 bits.
    /// PTX ISA: `mul24`.
    Mul24 / mul24 "mul24" { half: Half, ty: Int32Ty }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// [`Mul24`], plus `c`. PTX ISA: `mad24`.
    Mad24 / mad24 "mad24" { half: Half, sat: Option<Sat>, ty: Int32Ty }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[*ty])
        if sat.is_none() || (*ty == Int32Ty::S32 && *half == Half::Hi) => "`.sat` needs `.hi.s32`",
        since Since::BASE;
    /// `d = c + |a - b|`. PTX ISA: `sad`.
    Sad / sad "sad" { ty: IntTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[*ty]) since Since::BASE;
    /// Quotient, truncated. PTX ISA: integer `div`.
    DivInt / div_int "div" { ty: IntTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// Remainder, with the sign of `a`. PTX ISA: `rem`.
    RemInt / rem_int "rem" { ty: IntTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// Absolute value; of the least integer, itself. PTX ISA: integer `abs`.
    AbsInt / abs_int "abs" { ty: SignedTy } (d: Def[*ty], a: Use[*ty]) since Since::BASE;
    /// `d = -a`, wrapping. PTX ISA: integer `neg`.
    NegInt / neg_int "neg" { ty: SignedTy } (d: Def[*ty], a: Use[*ty]) since Since::BASE;
    /// The lesser. PTX ISA: integer `min`.
    MinInt / min_int "min" { ty: IntTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// The greater. PTX ISA: integer `max`.
    MaxInt / max_int "max" { ty: IntTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// Number of ones. PTX ISA: `popc`.
    Popc / popc "popc" { ty: WordTy } (d: Def[Ty::U32], a: Use[*ty]) since Since::BASE;
    /// Number of leading zeros. PTX ISA: `clz`.
    Clz / clz "clz" { ty: WordTy } (d: Def[Ty::U32], a: Use[*ty]) since Since::BASE;
    /// Position of the highest bit that is not a sign bit, or all ones. PTX ISA: `bfind`.
    Bfind / bfind "bfind" { amount: Option<ShiftAmount>, ty: IntWordTy }
        (d: Def[Ty::U32], a: Use[*ty]) since Since::BASE;
    /// The bits in reverse. PTX ISA: `brev`.
    Brev / brev "brev" { ty: WordTy } (d: Def[*ty], a: Use[*ty]) since Since::BASE;
    /// The field of `c` bits at bit `b`. PTX ISA: `bfe`.
    Bfe / bfe "bfe" { ty: IntWordTy }
        (d: Def[*ty], a: Use[*ty], b: Use[Ty::U32], c: Use[Ty::U32]) since Since::BASE;
    /// `b` with its field of `e` bits at bit `c` replaced by `a`. PTX ISA: `bfi`.
    Bfi / bfi "bfi" { ty: WordTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[Ty::U32], e: Use[Ty::U32])
        since Since::BASE;
    /// The low `b` bits of `a`, sign- or zero-extended. PTX ISA: `szext`.
    Szext / szext "szext" { mode: ShiftMode, ty: Int32Ty }
        (d: Def[*ty], a: Use[*ty], b: Use[Ty::U32]) since since(7, 6, 70);
    /// A mask of `b` ones from bit `a` up. PTX ISA: `bmsk`.
    Bmsk / bmsk "bmsk" { mode: ShiftMode, ty: B32Ty }
        (d: Def[Ty::U32], a: Use[Ty::U32], b: Use[Ty::U32]) since since(7, 6, 70);
    /// Position of the `offset`-th set bit of `mask`, counted from bit `base` (upwards if
    /// positive, downwards if negative), or all ones. PTX ISA: `fns`.
    Fns / fns "fns" { ty: B32Ty }
        (d: Def[*ty], mask: Use[*ty], base: Use[Ty::B32], offset: Use[Ty::S32])
        since since(6, 0, 30);
    /// `d = c + Σ a.8[k] * b.8[k]` over the bytes of each word. PTX ISA: `dp4a`.
    Dp4a / dp4a "dp4a" { aty: Int32Ty, bty: Int32Ty }
        (d: Def[Ty::U32], a: Use[Ty::U32], b: Use[Ty::U32], c: Use[Ty::U32])
        since since(5, 0, 61);
    /// `d = c + Σ a.16[k] * b.8[k]`, with the low or high bytes of `b`. PTX ISA: `dp2a`.
    Dp2a / dp2a "dp2a" { half: Half, aty: Int32Ty, bty: Int32Ty }
        (d: Def[Ty::U32], a: Use[Ty::U32], b: Use[Ty::U32], c: Use[Ty::U32])
        since since(5, 0, 61);

    // ---- Floating point ----

    /// `d = a + b`. Without a rounding, `ptxas` may contract it with a product into an `fma`.
    /// PTX ISA: floating-point and half-precision `add`.
    AddFloat / add_float "add" { round: Option<Round>, ftz: Option<Ftz>, sat: Option<Sat>, ty: FloatTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`, `.f16` or `.f16x2`",
        if sat_fits(*sat, ty.ty()) => "`.sat` needs `.f32`, `.f16` or `.f16x2`",
        if round_fits(*round, ty.ty()) => "halves round to nearest alone",
        since float_since(*ty);
    /// `d = a - b`. PTX ISA: floating-point and half-precision `sub`.
    SubFloat / sub_float "sub" { round: Option<Round>, ftz: Option<Ftz>, sat: Option<Sat>, ty: FloatTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`, `.f16` or `.f16x2`",
        if sat_fits(*sat, ty.ty()) => "`.sat` needs `.f32`, `.f16` or `.f16x2`",
        if round_fits(*round, ty.ty()) => "halves round to nearest alone",
        since float_since(*ty);
    /// `d = a * b`. PTX ISA: floating-point and half-precision `mul`.
    MulFloat / mul_float "mul" { round: Option<Round>, ftz: Option<Ftz>, sat: Option<Sat>, ty: FloatTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`, `.f16` or `.f16x2`",
        if sat_fits(*sat, ty.ty()) => "`.sat` needs `.f32`, `.f16` or `.f16x2`",
        if round_fits(*round, ty.ty()) => "halves round to nearest alone",
        since float_since(*ty);
    /// `d = a * b + c`, rounded once. PTX ISA: `fma`.
    FmaFloat / fma_float "fma"
        { round: Round, ftz: Option<Ftz>, sat: Option<Sat>, relu: Option<Relu>, ty: FloatTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`, `.f16` or `.f16x2`",
        if sat_fits(*sat, ty.ty()) => "`.sat` needs `.f32`, `.f16` or `.f16x2`",
        if relu.is_none() || is_half(ty.ty()) => "`.relu` needs a half type",
        if relu.is_none() || sat.is_none() => "`.relu` and `.sat` exclude each other",
        if round_fits(Some(*round), ty.ty()) => "halves round to nearest alone",
        since half_since(*ty);
    /// The older name of [`FmaFloat`]. PTX ISA: floating-point `mad`.
    MadFloat / mad_float "mad" { round: Round, ftz: Option<Ftz>, sat: Option<Sat>, ty: RealTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`",
        if sat_fits(*sat, ty.ty()) => "`.sat` needs `.f32`",
        since Since::BASE;
    /// `d = a / b`, rounded. PTX ISA: floating-point `div`.
    DivFloat / div_float "div" { round: Round, ftz: Option<Ftz>, ty: RealTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`",
        since Since::BASE;
    /// `d = a / b`, within 2 units in the last place. PTX ISA: `div.approx`, `div.full`.
    DivApprox / div_approx "div" { mode: DivMode, ftz: Option<Ftz>, ty: SingleTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// Absolute value: clears the sign. PTX ISA: floating-point and half-precision `abs`.
    AbsFloat / abs_float "abs" { ftz: Option<Ftz>, ty: FloatTy } (d: Def[*ty], a: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`, `.f16` or `.f16x2`",
        since half_since(*ty).and(if is_half(ty.ty()) { since(6, 5, 53) } else { Since::BASE });
    /// Flips the sign. PTX ISA: floating-point and half-precision `neg`.
    NegFloat / neg_float "neg" { ftz: Option<Ftz>, ty: FloatTy } (d: Def[*ty], a: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`, `.f16` or `.f16x2`",
        since half_since(*ty);
    /// The lesser; of a number and a `NaN`, the number. PTX ISA: floating-point `min`.
    MinFloat / min_float "min" { ftz: Option<Ftz>, nan: Option<NanMode>, ty: FloatTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`, `.f16` or `.f16x2`",
        if nan.is_none() || *ty != FloatTy::F64 => "`.NaN` is not for `.f64`",
        since if is_half(ty.ty()) { since(7, 0, 80) } else { Since::BASE };
    /// The greater; of a number and a `NaN`, the number. PTX ISA: floating-point `max`.
    MaxFloat / max_float "max" { ftz: Option<Ftz>, nan: Option<NanMode>, ty: FloatTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`, `.f16` or `.f16x2`",
        if nan.is_none() || *ty != FloatTy::F64 => "`.NaN` is not for `.f64`",
        since if is_half(ty.ty()) { since(7, 0, 80) } else { Since::BASE };
    /// `d = 1 / a`, rounded. PTX ISA: `rcp.rnd`.
    Rcp / rcp "rcp" { round: Round, ftz: Option<Ftz>, ty: RealTy } (d: Def[*ty], a: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`",
        since Since::BASE;
    /// `d = 1 / a`, within 1 unit in the last place. PTX ISA: `rcp.approx`.
    RcpApprox / rcp_approx "rcp.approx" { ftz: Option<Ftz>, ty: RealTy }
        (d: Def[*ty], a: Use[*ty])
        if *ty == RealTy::F32 || ftz.is_some() => "`.f64` needs `.ftz`",
        since Since::BASE;
    /// Square root, rounded. PTX ISA: `sqrt.rnd`.
    Sqrt / sqrt "sqrt" { round: Round, ftz: Option<Ftz>, ty: RealTy } (d: Def[*ty], a: Use[*ty])
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`",
        since Since::BASE;
    /// Square root, approximate. PTX ISA: `sqrt.approx`.
    SqrtApprox / sqrt_approx "sqrt.approx" { ftz: Option<Ftz>, ty: SingleTy }
        (d: Def[*ty], a: Use[*ty]) since Since::BASE;
    /// `d = 1 / sqrt(a)`, approximate. PTX ISA: `rsqrt`.
    Rsqrt / rsqrt "rsqrt.approx" { ftz: Option<Ftz>, ty: RealTy } (d: Def[*ty], a: Use[*ty])
        since Since::BASE;
    /// Sine, approximate. PTX ISA: `sin`.
    Sin / sin "sin.approx" { ftz: Option<Ftz>, ty: SingleTy } (d: Def[*ty], a: Use[*ty])
        since Since::BASE;
    /// Cosine, approximate. PTX ISA: `cos`.
    Cos / cos "cos.approx" { ftz: Option<Ftz>, ty: SingleTy } (d: Def[*ty], a: Use[*ty])
        since Since::BASE;
    /// Binary logarithm, approximate. PTX ISA: `lg2`.
    Lg2 / lg2 "lg2.approx" { ftz: Option<Ftz>, ty: SingleTy } (d: Def[*ty], a: Use[*ty])
        since Since::BASE;
    /// Power of two, approximate. PTX ISA: `ex2`.
    Ex2 / ex2 "ex2.approx" { ftz: Option<Ftz>, ty: Ex2Ty } (d: Def[*ty], a: Use[*ty])
        if matches!(ty, Ex2Ty::F32) || ftz.is_some() == matches!(ty, Ex2Ty::BF16 | Ex2Ty::BF16x2)
            => "`.ftz` is for `.f32`, and must be there for bfloat16",
        since match ty {
            Ex2Ty::F32 => Since::BASE,
            Ex2Ty::F16 | Ex2Ty::F16x2 => since(7, 0, 75),
            Ex2Ty::BF16 | Ex2Ty::BF16x2 => since(7, 8, 90),
        };
    /// Hyperbolic tangent, approximate. PTX ISA: `tanh`.
    Tanh / tanh "tanh.approx" { ty: Ex2Ty } (d: Def[*ty], a: Use[*ty])
        since match ty {
            Ex2Ty::F32 | Ex2Ty::F16 | Ex2Ty::F16x2 => since(7, 0, 75),
            Ex2Ty::BF16 | Ex2Ty::BF16x2 => since(7, 8, 90),
        };
    /// `b` with the sign of `a`. PTX ISA: `copysign`.
    Copysign / copysign "copysign" { ty: RealTy } (d: Def[*ty], a: Use[*ty], b: Use[*ty])
        since Since::BASE;
    /// Whether `a` is of a class. PTX ISA: `testp`.
    Testp / testp "testp" { class: FloatClass, ty: RealTy } (p: Def[Ty::Pred], a: Use[*ty])
        since Since::BASE;

    // ---- Comparison, selection, logic ----

    /// `p = a cmp b`, and `q` its negation; of pairs, `p` is for the low and `q` for the high
    /// halves. PTX ISA: `setp`.
    Setp / setp "setp" { cmp: Cmp, ftz: Option<Ftz>, ty: CompareTy }
        (p: PairDef[Ty::Pred], a: Use[*ty], b: Use[*ty])
        if cmp_fits(*cmp, ty.ty()) => "this comparison is not for this type",
        if pair_fits(p, ty.ty()) => "a pair of halves gives two predicates, a lone half one",
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`, `.f16` or `.f16x2`",
        since compare_since(*ty);
    /// `p = (a cmp b) op c`, `q = !(a cmp b) op c`; of pairs, as in [`Setp`]. PTX ISA: `setp`.
    SetpBool / setp_bool "setp" { cmp: Cmp, op: BoolOp, ftz: Option<Ftz>, ty: CompareTy }
        (p: PairDef[Ty::Pred], a: Use[*ty], b: Use[*ty], c: PredUse[Ty::Pred])
        if cmp_fits(*cmp, ty.ty()) => "this comparison is not for this type",
        if pair_fits(p, ty.ty()) => "a pair of halves gives two predicates, a lone half one",
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`, `.f16` or `.f16x2`",
        since compare_since(*ty);
    /// All ones (or 1.0) if `a cmp b`, else zero. PTX ISA: `set`.
    Set / set "set" { cmp: Cmp, ftz: Option<Ftz>, dty: CvtTy, ty: CompareTy }
        (d: Def[*dty], a: Use[*ty], b: Use[*ty])
        if matches!(dty, CvtTy::U32 | CvtTy::S32 | CvtTy::F32)
            => "`set` gives `.u32`, `.s32` or `.f32`",
        if !is_half(ty.ty()) => "`set` of halves is not supported",
        if cmp_fits(*cmp, ty.ty()) => "this comparison is not for this type",
        if ftz_fits(*ftz, ty.ty()) => "`.ftz` needs `.f32`",
        since Since::BASE;
    /// `d = c ? a : b`. PTX ISA: `selp`.
    Selp / selp "selp" { ty: CompareTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: PredUse[Ty::Pred])
        if !is_half(ty.ty()) => "halves are selected as `.b16` or `.b32`",
        since Since::BASE;
    /// `d = c >= 0 ? a : b`. PTX ISA: `slct`.
    Slct / slct "slct" { ftz: Option<Ftz>, ty: CompareTy, cty: CvtTy }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[*cty])
        if matches!(cty, CvtTy::S32 | CvtTy::F32) => "`slct` asks an `.s32` or an `.f32`",
        if !is_half(ty.ty()) => "halves are selected as `.b16` or `.b32`",
        if ftz_fits(*ftz, cty.ty()) => "`.ftz` needs an `.f32` to ask",
        since Since::BASE;
    /// Bitwise and. PTX ISA: `and`.
    And / and "and" { ty: LogicTy } (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// Bitwise or. PTX ISA: `or`.
    Or / or "or" { ty: LogicTy } (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// Bitwise exclusive or. PTX ISA: `xor`.
    Xor / xor "xor" { ty: LogicTy } (d: Def[*ty], a: Use[*ty], b: Use[*ty]) since Since::BASE;
    /// Bitwise not. PTX ISA: `not`.
    Not / not "not" { ty: LogicTy } (d: Def[*ty], a: Use[*ty]) since Since::BASE;
    /// 1 if `a` is zero, else 0. PTX ISA: `cnot`.
    Cnot / cnot "cnot" { ty: BitsTy } (d: Def[*ty], a: Use[*ty]) since Since::BASE;
    /// Any logic function of three words; `lut` is its truth table. PTX ISA: `lop3`.
    Lop3 / lop3 "lop3" { ty: B32Ty }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[*ty], lut: Use[Ty::B32])
        if matches!(lut.0, Value::Int(0..=255)) => "the truth table is a number below 256",
        since since(4, 3, 50);
    /// `d = a << b`, zero if `b` is the width or more. PTX ISA: `shl`.
    Shl / shl "shl" { ty: BitsTy } (d: Def[*ty], a: Use[*ty], b: Use[Ty::U32]) since Since::BASE;
    /// `d = a >> b`, with `b` clamped to the width. PTX ISA: `shr`.
    Shr / shr "shr" { ty: ShrTy } (d: Def[*ty], a: Use[*ty], b: Use[Ty::U32]) since Since::BASE;
    /// Shifts the 64 bits `b:a` and keeps 32 of them. PTX ISA: `shf`.
    Shf / shf "shf" { direction: Direction, mode: ShiftMode, ty: B32Ty }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[Ty::U32]) since Since::BASE;
    /// Four bytes picked from the eight of `b:a`. PTX ISA: `prmt`.
    Prmt / prmt "prmt" { ty: B32Ty, mode: Option<PrmtMode> }
        (d: Def[*ty], a: Use[*ty], b: Use[*ty], c: Use[*ty]) since Since::BASE;

    // ---- Moves and conversions ----

    /// `d = a`: a register, an immediate, a special register or an address. PTX ISA: `mov`.
    Mov / mov "mov" { ty: MovTy } (d: Def[*ty], a: Use[*ty])
        if !is_half(ty.ty()) => "halves move as `.b16`",
        since Since::BASE;
    /// Packs elements into one register, the first in the low bits. PTX ISA: `mov`.
    MovPack / mov_pack "mov" { ty: BitsTy }
        (d: Def[*ty], a: VecUse[element(ty.ty(), a.0.len())])
        if pack_fits(*ty, a.0.len()) => "a register has 2 or 4 elements, of 8 bits at least",
        since Since::BASE;
    /// Unpacks a register into elements, the first from the low bits. PTX ISA: `mov`.
    MovUnpack / mov_unpack "mov" { ty: BitsTy }
        (d: VecDef[element(ty.ty(), d.0.len())], a: Use[*ty])
        if pack_fits(*ty, d.0.len()) => "a register has 2 or 4 elements, of 8 bits at least",
        if d.0.iter().any(Option::is_some) => "at least one element goes to a register",
        since Since::BASE;
    /// Address in a space to generic address, or back. PTX ISA: `cvta`.
    Cvta / cvta "cvta" { to: Option<ToSpace>, space: Space, ty: AddressTy }
        (d: Def[*ty], a: Use[*ty])
        if *ty == AddressTy::U64 => "addresses have 64 bits",
        since window_since(*space);
    /// Whether a generic address is in a space. PTX ISA: `isspacep`.
    Isspacep / isspacep "isspacep" { space: Space } (p: Def[Ty::Pred], a: Use[Ty::U64])
        since window_since(*space);
    /// Converts a number. PTX ISA: `cvt`.
    Cvt / cvt "cvt" { round: Option<CvtRound>, relu: Option<Relu>, ftz: Option<Ftz>,
                      satfinite: Option<SatFinite>, sat: Option<Sat>, dty: CvtTy, aty: CvtTy }
        (d: WideDef[*dty], a: WideUse[*aty])
        if cvt_round_fits(*round, *dty, *aty) => "this conversion takes another rounding, or none",
        if relu.is_none() || cvt_small_fits(*round, *dty, *aty)
            => "`.relu` is for `.rn` and `.rz` of `.f32` to a small float",
        if ftz_cvt_fits(*ftz, *dty, *aty) => "`.ftz` needs `.f32`",
        if satfinite_fits(*satfinite, *round, *dty, *aty)
            => "`.satfinite` is for `.f32` to a small float",
        if sat_cvt_fits(*sat, *dty, *aty) => "`.sat` is not for this conversion",
        if [satfinite.is_some() || relu.is_some(), ftz.is_some() || sat.is_some()] != [true; 2]
            => "`.relu` and `.satfinite` exclude `.ftz` and `.sat`",
        since cvt_since(*round, *dty, *aty)
            .and(if satfinite.is_some() { since(8, 1, 80) } else { Since::BASE });
    /// Converts two singles and packs them, `b` into the low half. PTX ISA: `cvt`.
    CvtPack / cvt_pack "cvt" { round: CvtRound, satfinite: Option<SatFinite>, relu: Option<Relu>,
                               dty: PackTy, aty: SingleTy }
        (d: Def[*dty], a: Use[*aty], b: Use[*aty])
        if cvt_pack_fits(*round, satfinite.is_some(), *dty)
            => "8-bit floats need `.rn.satfinite`, halves `.rn` or `.rz`",
        since match dty {
            PackTy::E4m3x2 | PackTy::E5m2x2 => since(8, 1, 89),
            PackTy::F16x2 | PackTy::BF16x2 if satfinite.is_some() => since(8, 1, 80),
            PackTy::F16x2 | PackTy::BF16x2 => since(7, 0, 80),
        };
    /// Unpacks a pair of 8-bit floats into halves. PTX ISA: `cvt`.
    CvtFromFp8 / cvt_from_fp8 "cvt.rn" { relu: Option<Relu>, dty: HalfPairTy, aty: Fp8PairTy }
        (d: Def[*dty], a: Use[*aty]) since since(8, 1, 89);
    /// Narrows a pair of halves to 8-bit floats. PTX ISA: `cvt`.
    CvtToFp8 / cvt_to_fp8 "cvt.rn.satfinite" { relu: Option<Relu>, dty: Fp8PairTy, aty: HalfPairTy }
        (d: Def[*dty], a: Use[*aty]) since since(8, 1, 89);
    /// Saturates two integers to 16 bits and packs them, `b` into the low half.
    /// PTX ISA: `cvt.pack`.
    CvtPackHalves / cvt_pack_halves "cvt.pack.sat" { dty: PackHalfTy, aty: S32Ty }
        (d: Def[Ty::U32], a: Use[*aty], b: Use[*aty]) since since(6, 5, 72);
    /// Saturates two integers to 8 bits, `b` into the lowest byte, `a` into the next, and puts
    /// the low half of `c` above them. PTX ISA: `cvt.pack`.
    CvtPackBytes / cvt_pack_bytes "cvt.pack.sat" { dty: PackByteTy, aty: S32Ty, cty: B32Ty }
        (d: Def[Ty::U32], a: Use[*aty], b: Use[*aty], c: Use[Ty::U32]) since since(6, 5, 72);

    // ---- Memory ----

    /// Loads one element or a vector. PTX ISA: `ld`.
    Ld / ld "ld" { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>,
                   cache: Option<LoadCache>, evict: Option<L1Evict>, hint: Option<CacheHint>,
                   prefetch: Option<L2Prefetch>, vec: Option<VecLen>, ty: MemTy }
        (d: Defs[*ty], addr: Addr[Ty::U64], policy: Option<Use>[Ty::U64])
        if vec_fits(*vec, d.0.len()) => "the number of registers must match the vector length",
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if memory_fits(ty.ty()) => "halves travel as `.b16` or `.b32`",
        if width_fits(*vec, ty.ty(), *space) => "at most 16 bytes, or 32 of global memory",
        if matches!(sem, None | Some(Sem::Weak | Sem::Volatile | Sem::Relaxed | Sem::Acquire))
            => "a load is `.weak`, `.volatile`, `.relaxed` or `.acquire`",
        if ordered(*sem, *scope) => "an ordering needs a scope, and a scope needs an ordering",
        if ordered_space(*sem, *space) => "this ordering is for global and shared memory",
        if cache.is_none() || plain(*sem) => "an ordered access takes no cache operator",
        if cache.is_none() || evict.is_none() => "a cache operator excludes an eviction priority",
        if evict.is_none() && hint.is_none() || *sem != Some(Sem::Volatile)
            => "a volatile access takes no eviction priority and no policy",
        if !(evict.is_some() || hint.is_some() || prefetch.is_some())
            || matches!(space, None | Some(Space::Global)) => "cache hints are for global memory",
        since width_since(*vec, ty.ty());
    /// Loads through the read-only path. PTX ISA: `ld.global.nc`.
    LdNc / ld_nc "ld.global" { cache: Option<LoadCache>, nc: NonCoherent, evict: Option<L1Evict>,
                   hint: Option<CacheHint>, prefetch: Option<L2Prefetch>, vec: Option<VecLen>, ty: MemTy }
        (d: Defs[*ty], addr: Addr[Ty::U64], policy: Option<Use>[Ty::U64])
        if vec_fits(*vec, d.0.len()) => "the number of registers must match the vector length",
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if memory_fits(ty.ty()) => "halves travel as `.b16` or `.b32`",
        if width_fits(*vec, ty.ty(), Some(Space::Global)) => "at most 16 bytes, or 32 of global memory",
        if !matches!(cache, Some(LoadCache::Lu | LoadCache::Cv))
            => "the read-only path takes `.ca`, `.cg` and `.cs`",
        if cache.is_none() || evict.is_none() => "a cache operator excludes an eviction priority",
        since width_since(*vec, ty.ty());
    /// Stores one element or a vector. PTX ISA: `st`.
    St / st "st" { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>,
                   cache: Option<StoreCache>, evict: Option<L1Evict>, hint: Option<CacheHint>,
                   vec: Option<VecLen>, ty: MemTy }
        (addr: Addr[Ty::U64], a: Uses[*ty], policy: Option<Use>[Ty::U64])
        if vec_fits(*vec, a.0.len()) => "the number of values must match the vector length",
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if memory_fits(ty.ty()) => "halves travel as `.b16` or `.b32`",
        if width_fits(*vec, ty.ty(), *space) => "at most 16 bytes, or 32 of global memory",
        if matches!(sem, None | Some(Sem::Weak | Sem::Volatile | Sem::Relaxed | Sem::Release))
            => "a store is `.weak`, `.volatile`, `.relaxed` or `.release`",
        if *space != Some(Space::Const) => "constant memory is read-only",
        if ordered(*sem, *scope) => "an ordering needs a scope, and a scope needs an ordering",
        if ordered_space(*sem, *space) => "this ordering is for global and shared memory",
        if cache.is_none() || plain(*sem) => "an ordered access takes no cache operator",
        if cache.is_none() || evict.is_none() => "a cache operator excludes an eviction priority",
        if evict.is_none() && hint.is_none() || *sem != Some(Sem::Volatile)
            => "a volatile access takes no eviction priority and no policy",
        if !(evict.is_some() || hint.is_some())
            || matches!(space, None | Some(Space::Global)) => "cache hints are for global memory",
        since width_since(*vec, ty.ty());
    /// Brings a line into a cache. PTX ISA: `prefetch`.
    Prefetch / prefetch "prefetch" { space: Option<Space>, level: PrefetchLevel }
        (addr: Addr[Ty::U64])
        if matches!(space, None | Some(Space::Global | Space::Local))
            => "`prefetch` is for global and local memory",
        since Since::BASE;
    /// Brings the description of a tensor near. PTX ISA: `prefetch.tensormap`.
    PrefetchTensormap / prefetch_tensormap "prefetch" { space: Option<Space>, kind: PrefetchKind }
        (addr: Addr[Ty::U64])
        if matches!(space, None | Some(Space::Param | Space::Const))
            => "a tensor map is prefetched by its generic, parameter or constant address",
        since since(8, 0, 90);
    /// Brings a line into the uniform cache. PTX ISA: `prefetchu`.
    Prefetchu / prefetchu "prefetchu.L1" {} (addr: Addr[Ty::U64]) since Since::BASE;
    /// Gives lines of the second level the default priority again. PTX ISA: `applypriority`.
    ApplyPriority / apply_priority "applypriority" { space: Option<Space>, level: PriorityLevel }
        (addr: Addr[Ty::U64], size: Use[Ty::U32])
        if matches!(space, None | Some(Space::Global)) => "`applypriority` is for global memory",
        if size.0 == Value::Int(128) => "`applypriority` is for 128 bytes",
        since since(7, 4, 80);
    /// A cache policy: `primary` for `fraction` of the accesses, `secondary` for the rest.
    /// PTX ISA: `createpolicy`.
    CreatePolicy / create_policy "createpolicy.fractional"
        { primary: PolicyPrimary, secondary: Option<PolicySecondary>, ty: B64Ty }
        (d: Def[Ty::U64], fraction: Option<Use>[Ty::F32])
        if fraction_fits(fraction) => "the fraction is above 0 and at most 1",
        since since(7, 4, 80);
    /// Read-modify-write that gives the old value. PTX ISA: `atom`.
    Atom / atom "atom" { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>,
                         op: AtomOp, noftz: Option<NoFtz>, ty: AtomTy }
        (d: SinkDef[*ty], addr: Addr[Ty::U64], b: Use[*ty])
        if atom_space(*space) => "atomic operations are for global and shared memory",
        if atom_sem(*sem) => "`.relaxed`, `.acquire`, `.release` or `.acq_rel`",
        if atom_fits(*op, *ty) => "this atomic operation does not take this type",
        if noftz_fits(*noftz, ty.ty()) => "half types need `.noftz`, others must not have it",
        since atom_since(*op, *ty, *scope);
    /// Compare and swap: stores `c` if `b` is there, gives the old value. PTX ISA: `atom.cas`.
    AtomCas / atom_cas "atom" { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>,
                                cas: CasOp, ty: CasTy }
        (d: SinkDef[*ty], addr: Addr[Ty::U64], b: Use[*ty], c: Use[*ty])
        if atom_space(*space) => "atomic operations are for global and shared memory",
        if atom_sem(*sem) => "`.relaxed`, `.acquire`, `.release` or `.acq_rel`",
        since cas_since(*ty, *scope);
    /// Read-modify-write that gives nothing. PTX ISA: `red`.
    Red / red "red" { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>,
                      op: AtomOp, noftz: Option<NoFtz>, ty: AtomTy }
        (addr: Addr[Ty::U64], b: Use[*ty])
        if atom_space(*space) => "reductions are for global and shared memory",
        if matches!(sem, None | Some(Sem::Relaxed | Sem::Release))
            => "a reduction is `.relaxed` or `.release`",
        if *op != AtomOp::Exch && atom_fits(*op, *ty) => "this reduction does not take this type",
        if noftz_fits(*noftz, ty.ty()) => "half types need `.noftz`, others must not have it",
        since atom_since(*op, *ty, *scope);
    /// Copies 4, 8 or 16 bytes to shared memory in the background; of them, `source` bytes are
    /// read and the rest is zero. PTX ISA: `cp.async`.
    CpAsync / cp_async "cp.async" { cache: CpCache, route: SharedGlobal, hint: Option<CacheHint>,
                                    prefetch: Option<L2Prefetch> }
        (to: Addr[Ty::U64], from: Addr[Ty::U64], bytes: Use[Ty::U32], source: Option<Use>[Ty::U32],
         policy: Option<Use>[Ty::U64])
        if *cache == CpCache::Ca || bytes.0 == Value::Int(16) => "`.cg` copies 16 bytes",
        if matches!(bytes.0, Value::Int(4 | 8 | 16)) => "`cp.async` copies 4, 8 or 16 bytes",
        if source_fits(bytes, source) => "at most the copied bytes are read",
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if policy.is_none() || source.is_some()
            => "a policy stands behind the number of bytes that are read",
        since since(7, 0, 80);
    /// Closes a group of background copies. PTX ISA: `cp.async.commit_group`.
    CpAsyncCommit / cp_async_commit "cp.async.commit_group" {} () since since(7, 0, 80);
    /// Waits until at most `n` groups are under way. PTX ISA: `cp.async.wait_group`.
    CpAsyncWait / cp_async_wait "cp.async.wait_group" {} (n: Use[Ty::U32])
        if matches!(n.0, Value::Int(0..)) => "the number of groups is a constant",
        since since(7, 0, 80);
    /// Waits for all background copies. PTX ISA: `cp.async.wait_all`.
    CpAsyncWaitAll / cp_async_wait_all "cp.async.wait_all" {} () since since(7, 0, 80);
    /// The thread arrives at the `mbarrier` once its background copies so far are complete.
    /// PTX ISA: `cp.async.mbarrier.arrive`.
    CpAsyncMbarrierArrive / cp_async_mbarrier_arrive "cp.async.mbarrier.arrive"
        { noinc: Option<NoInc>, space: Option<Space>, ty: B64Ty } (addr: Addr[Ty::U64])
        if shared_cta(*space) => "an mbarrier is in shared memory of the block",
        since since(7, 0, 80);

    // ---- Bulk copies ----

    /// Copies `bytes` bytes from global to shared memory in the background; the `mbarrier` counts
    /// them. PTX ISA: `cp.async.bulk`.
    CpAsyncBulkLoad / cp_async_bulk_load "cp.async.bulk"
        { route: BulkRoute, tx: CompleteTx, hint: Option<CacheHint> }
        (to: Addr[Ty::U64], from: Addr[Ty::U64], bytes: Use[Ty::U32], barrier: Addr[Ty::U64],
         policy: Option<Use>[Ty::U64])
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if bulk_bytes_fit(bytes) => "a bulk copy moves a multiple of 16 bytes, below 2^20",
        since since(8, 0, 90);
    /// [`CpAsyncBulkLoad`] to each block of the cluster whose bit in `mask` is set. PTX ISA:
    /// `cp.async.bulk`.
    CpAsyncBulkMulticast / cp_async_bulk_multicast "cp.async.bulk"
        { route: BulkRoute, tx: CompleteTx, multicast: Multicast, hint: Option<CacheHint> }
        (to: Addr[Ty::U64], from: Addr[Ty::U64], bytes: Use[Ty::U32], barrier: Addr[Ty::U64],
         mask: Use[Ty::U16], policy: Option<Use>[Ty::U64])
        if *route == BulkRoute::Cluster => "a multicast goes to `.shared::cluster`",
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if bulk_bytes_fit(bytes) => "a bulk copy moves a multiple of 16 bytes, below 2^20",
        since since(8, 0, 90);
    /// Copies from shared memory of this block to that of a block of the cluster, whose
    /// `mbarrier` counts the bytes. PTX ISA: `cp.async.bulk`.
    CpAsyncBulkShare / cp_async_bulk_share
        "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes" {}
        (to: Addr[Ty::U64], from: Addr[Ty::U64], bytes: Use[Ty::U32], barrier: Addr[Ty::U64])
        if bulk_bytes_fit(bytes) => "a bulk copy moves a multiple of 16 bytes, below 2^20",
        since since(8, 0, 90);
    /// Stores to shared memory of a block of the cluster in the background; an `mbarrier` of that
    /// block counts the bytes. PTX ISA: `st.async`.
    StAsync / st_async "st.async"
        { sem: Option<Sem>, space: Option<Space>, tx: CompleteTx, vec: Option<VecLen>, ty: MemTy }
        (addr: Addr[Ty::U64], a: Uses[*ty], barrier: Addr[Ty::U64])
        if vec_fits(*vec, a.0.len()) => "the number of values must match the vector length",
        if matches!(sem, None | Some(Sem::Weak)) => "an asynchronous store is `.weak`",
        if *space == Some(Space::SharedCluster) => "an asynchronous store is to `.shared::cluster`",
        if store_async_fits(ty.ty()) => "an asynchronous store is of elements of 32 or 64 bits",
        if width_fits(*vec, ty.ty(), *space) => "at most 16 bytes",
        since since(8, 1, 90);
    /// Copies from shared to global memory in the background. PTX ISA: `cp.async.bulk`.
    CpAsyncBulkStore / cp_async_bulk_store "cp.async.bulk"
        { route: BulkStoreRoute, group: BulkGroup, hint: Option<CacheHint> }
        (to: Addr[Ty::U64], from: Addr[Ty::U64], bytes: Use[Ty::U32], policy: Option<Use>[Ty::U64])
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if bulk_bytes_fit(bytes) => "a bulk copy moves a multiple of 16 bytes, below 2^20",
        since since(8, 0, 90);
    /// Combines each element of global memory with one of shared memory in the background.
    /// PTX ISA: `cp.reduce.async.bulk`.
    CpReduceAsyncBulk / cp_reduce_async_bulk "cp.reduce.async.bulk"
        { route: BulkStoreRoute, group: BulkGroup, hint: Option<CacheHint>, op: BulkOp,
          noftz: Option<NoFtz>, ty: BulkTy }
        (to: Addr[Ty::U64], from: Addr[Ty::U64], bytes: Use[Ty::U32], policy: Option<Use>[Ty::U64])
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if bulk_bytes_fit(bytes) => "a bulk copy moves a multiple of 16 bytes, below 2^20",
        if bulk_op_fits(*op, *ty) => "this reduction does not take this type",
        if bulk_noftz_fits(*noftz, *op, *ty) => "sums of halves need `.noftz`, others must not have it",
        since since(8, 0, 90);
    /// Brings bytes of global memory into the second level of the cache. PTX ISA:
    /// `cp.async.bulk.prefetch`.
    CpAsyncBulkPrefetch / cp_async_bulk_prefetch "cp.async.bulk.prefetch"
        { route: BulkPrefetchRoute, hint: Option<CacheHint> }
        (from: Addr[Ty::U64], bytes: Use[Ty::U32], policy: Option<Use>[Ty::U64])
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if bulk_bytes_fit(bytes) => "a bulk copy moves a multiple of 16 bytes, below 2^20",
        since since(8, 0, 90);
    /// Copies a box of a tensor to shared memory in the background; the `mbarrier` counts the
    /// bytes. PTX ISA: `cp.async.bulk.tensor`.
    CpAsyncBulkTensorLoad / cp_async_bulk_tensor_load "cp.async.bulk.tensor"
        { dim: TensorDim, route: BulkRoute, mode: Option<LoadMode>, tx: CompleteTx,
          hint: Option<CacheHint> }
        (to: Addr[Ty::U64], from: TensorAddr[Ty::S32], barrier: Addr[Ty::U64],
         policy: Option<Use>[Ty::U64])
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if coords_fit(*dim, from) => "a tensor has as many coordinates as dimensions",
        since since(8, 0, 90);
    /// [`CpAsyncBulkTensorLoad`] to each block of the cluster whose bit in `mask` is set. PTX
    /// ISA: `cp.async.bulk.tensor`.
    CpAsyncBulkTensorMulticast / cp_async_bulk_tensor_multicast "cp.async.bulk.tensor"
        { dim: TensorDim, route: BulkRoute, mode: Option<LoadMode>, tx: CompleteTx,
          multicast: Multicast, hint: Option<CacheHint> }
        (to: Addr[Ty::U64], from: TensorAddr[Ty::S32], barrier: Addr[Ty::U64],
         mask: Use[Ty::U16], policy: Option<Use>[Ty::U64])
        if *route == BulkRoute::Cluster => "a multicast goes to `.shared::cluster`",
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if coords_fit(*dim, from) => "a tensor has as many coordinates as dimensions",
        since since(8, 0, 90);
    /// Copies from shared memory to a box of a tensor in the background. PTX ISA:
    /// `cp.async.bulk.tensor`.
    CpAsyncBulkTensorStore / cp_async_bulk_tensor_store "cp.async.bulk.tensor"
        { dim: TensorDim, route: BulkStoreRoute, mode: Option<LoadMode>, group: BulkGroup,
          hint: Option<CacheHint> }
        (to: TensorAddr[Ty::S32], from: Addr[Ty::U64], policy: Option<Use>[Ty::U64])
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if coords_fit(*dim, to) => "a tensor has as many coordinates as dimensions",
        since since(8, 0, 90);
    /// Combines each element of a box of a tensor with one of shared memory in the background.
    /// PTX ISA: `cp.reduce.async.bulk.tensor`.
    CpReduceAsyncBulkTensor / cp_reduce_async_bulk_tensor "cp.reduce.async.bulk.tensor"
        { dim: TensorDim, route: BulkStoreRoute, op: BulkOp, mode: Option<LoadMode>,
          group: BulkGroup, hint: Option<CacheHint> }
        (to: TensorAddr[Ty::S32], from: Addr[Ty::U64], policy: Option<Use>[Ty::U64])
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if coords_fit(*dim, to) => "a tensor has as many coordinates as dimensions",
        since since(8, 0, 90);
    /// Brings a box of a tensor into the second level of the cache. PTX ISA:
    /// `cp.async.bulk.prefetch.tensor`.
    CpAsyncBulkTensorPrefetch / cp_async_bulk_tensor_prefetch "cp.async.bulk.prefetch.tensor"
        { dim: TensorDim, route: BulkPrefetchRoute, mode: Option<LoadMode>, hint: Option<CacheHint> }
        (from: TensorAddr[Ty::S32], policy: Option<Use>[Ty::U64])
        if hint.is_some() == policy.is_some() => "`.L2::cache_hint` and a policy go together",
        if coords_fit(*dim, from) => "a tensor has as many coordinates as dimensions",
        since since(8, 0, 90);
    /// Closes a group of bulk copies to global memory. PTX ISA: `cp.async.bulk.commit_group`.
    CpAsyncBulkCommit / cp_async_bulk_commit "cp.async.bulk.commit_group" {} ()
        since since(8, 0, 90);
    /// Waits until at most `n` groups of bulk copies are under way, or still read their sources.
    /// PTX ISA: `cp.async.bulk.wait_group`.
    CpAsyncBulkWait / cp_async_bulk_wait "cp.async.bulk.wait_group" { read: Option<ReadOnly> }
        (n: Use[Ty::U32])
        if matches!(n.0, Value::Int(0..)) => "the number of groups is a constant",
        since since(8, 0, 90);

    // ---- Order and convergence ----

    /// Waits for the threads of the block, or for `count` of them. PTX ISA: `bar.sync`.
    BarSync / bar_sync "bar.sync" {} (id: Use[Ty::U32], count: Option<Use>[Ty::U32])
        if barrier_fits(id) => "a block has the barriers 0 to 15",
        if threads_fit(count.as_ref().map(|it| &it.0)) => "a barrier is for whole warps: a multiple of 32 threads",
        since Since::BASE;
    /// The same under its newer name. PTX ISA: `barrier.sync`.
    BarrierSync / barrier_sync "barrier" { cta: Option<CtaLevel>, sync: SyncWord, aligned: Option<Aligned> }
        (id: Use[Ty::U32], count: Option<Use>[Ty::U32])
        if barrier_fits(id) => "a block has the barriers 0 to 15",
        if threads_fit(count.as_ref().map(|it| &it.0)) => "a barrier is for whole warps: a multiple of 32 threads",
        since since(6, 0, 30);
    /// Arrives at a barrier without waiting. PTX ISA: `bar.arrive`.
    BarArrive / bar_arrive "bar.arrive" {} (id: Use[Ty::U32], count: Use[Ty::U32])
        if barrier_fits(id) => "a block has the barriers 0 to 15",
        if threads_fit(Some(&count.0)) => "a barrier is for whole warps: a multiple of 32 threads",
        since Since::BASE;
    /// The same under its newer name. PTX ISA: `barrier.arrive`.
    BarrierArrive / barrier_arrive "barrier"
        { cta: Option<CtaLevel>, arrive: ArriveWord, aligned: Option<Aligned> }
        (id: Use[Ty::U32], count: Use[Ty::U32])
        if barrier_fits(id) => "a block has the barriers 0 to 15",
        if threads_fit(Some(&count.0)) => "a barrier is for whole warps: a multiple of 32 threads",
        since since(6, 0, 30);
    /// Waits, and gives the number of threads whose predicate held. PTX ISA: `bar.red.popc`.
    BarRedPopc / bar_red_popc "bar.red.popc" { ty: Int32Ty }
        (d: Def[*ty], id: Use[Ty::U32], count: MiddleUse[Ty::U32], c: PredUse[Ty::Pred])
        if *ty == Int32Ty::U32 => "`bar.red.popc` counts in `.u32`",
        if barrier_fits(id) => "a block has the barriers 0 to 15",
        if threads_fit(count.0.as_ref()) => "a barrier is for whole warps: a multiple of 32 threads",
        since Since::BASE;
    /// Waits, and gives whether all or some predicates held. PTX ISA: `bar.red`.
    BarRed / bar_red "bar.red" { op: BarRedOp, ty: PredTy }
        (d: Def[Ty::Pred], id: Use[Ty::U32], count: MiddleUse[Ty::U32], c: PredUse[Ty::Pred])
        if barrier_fits(id) => "a block has the barriers 0 to 15",
        if threads_fit(count.0.as_ref()) => "a barrier is for whole warps: a multiple of 32 threads",
        since Since::BASE;
    /// [`BarRedPopc`] under its newer name. PTX ISA: `barrier.red.popc`.
    BarrierRedPopc / barrier_red_popc "barrier"
        { cta: Option<CtaLevel>, red: RedPopcWord, aligned: Option<Aligned>, ty: U32Ty }
        (d: Def[*ty], id: Use[Ty::U32], count: MiddleUse[Ty::U32], c: PredUse[Ty::Pred])
        if barrier_fits(id) => "a block has the barriers 0 to 15",
        if threads_fit(count.0.as_ref()) => "a barrier is for whole warps: a multiple of 32 threads",
        since since(6, 0, 30);
    /// [`BarRed`] under its newer name. PTX ISA: `barrier.red`.
    BarrierRed / barrier_red "barrier"
        { cta: Option<CtaLevel>, red: RedWord, op: BarRedOp, aligned: Option<Aligned>, ty: PredTy }
        (d: Def[Ty::Pred], id: Use[Ty::U32], count: MiddleUse[Ty::U32], c: PredUse[Ty::Pred])
        if barrier_fits(id) => "a block has the barriers 0 to 15",
        if threads_fit(count.0.as_ref()) => "a barrier is for whole warps: a multiple of 32 threads",
        since since(6, 0, 30);
    /// Waits for the lanes of `mask` and orders their memory. PTX ISA: `bar.warp.sync`.
    BarWarpSync / bar_warp_sync "bar.warp.sync" {} (mask: Use[Ty::U32]) since since(6, 0, 30);
    /// Orders the thread's accesses. PTX ISA: `membar`.
    Membar / membar "membar" { level: BarLevel } () since Since::BASE;
    /// Orders the thread's accesses. PTX ISA: `fence`.
    Fence / fence "fence" { sem: Sem, scope: Scope } ()
        if matches!(sem, Sem::Sc | Sem::AcqRel | Sem::Acquire | Sem::Release)
            => "a fence is `.sc`, `.acq_rel`, `.acquire` or `.release`",
        since since(6, 0, 70).and(
            if matches!(sem, Sem::Acquire | Sem::Release) { since(8, 6, 90) } else { Since::BASE });
    /// Orders accesses of one kind with those of another. PTX ISA: `fence.proxy`.
    FenceProxy / fence_proxy "fence.proxy" { proxy: Proxy } () since since(7, 5, 70);
    /// The lane's value at another lane; `p` says whether that lane was in range.
    /// PTX ISA: `shfl.sync`.
    Shfl / shfl "shfl.sync" { mode: ShflMode, ty: B32Ty }
        (d: PairDef[*ty], a: Use[*ty], b: Use[Ty::U32], c: Use[Ty::U32], mask: Use[Ty::U32])
        since since(6, 0, 30);
    /// Whether all, some or equal predicates hold in the warp. PTX ISA: `vote.sync`.
    Vote / vote "vote.sync" { mode: VoteMode, ty: PredTy }
        (p: Def[Ty::Pred], a: PredUse[Ty::Pred], mask: Use[Ty::U32]) since since(6, 0, 30);
    /// The lanes whose predicate holds. PTX ISA: `vote.sync.ballot`.
    Ballot / ballot "vote.sync.ballot" { ty: B32Ty }
        (d: Def[Ty::U32], a: PredUse[Ty::Pred], mask: Use[Ty::U32]) since since(6, 0, 30);
    /// The lanes that execute this. PTX ISA: `activemask`.
    Activemask / activemask "activemask" { ty: B32Ty } (d: Def[*ty]) since since(6, 2, 30);
    /// The lanes with the same value. PTX ISA: `match.any.sync`.
    MatchAny / match_any "match.any.sync" { ty: WordTy }
        (d: Def[Ty::U32], a: Use[*ty], mask: Use[Ty::U32]) since since(6, 0, 70);
    /// The mask if all lanes have the same value, else zero. PTX ISA: `match.all.sync`.
    MatchAll / match_all "match.all.sync" { ty: WordTy }
        (d: PairDef[Ty::U32], a: Use[*ty], mask: Use[Ty::U32]) since since(6, 0, 70);
    /// Reduction over the lanes of `mask`. PTX ISA: `redux.sync`.
    Redux / redux "redux.sync" { op: ReduxOp, ty: ReduxTy }
        (d: Def[redux_ty(*ty)], a: Use[redux_ty(*ty)], mask: Use[Ty::U32])
        if matches!((op, ty), (ReduxOp::And | ReduxOp::Or | ReduxOp::Xor, ReduxTy::B32)
            | (ReduxOp::Add, ReduxTy::U32 | ReduxTy::S32)
            | (ReduxOp::Min | ReduxOp::Max, ReduxTy::U32 | ReduxTy::S32 | ReduxTy::F32))
            => "this reduction does not take this type",
        since if *ty == ReduxTy::F32 { since_exact(8, 6, 100) } else { since(7, 0, 80) };
    /// Chooses one lane of the mask. PTX ISA: `elect.sync`.
    Elect / elect "elect.sync" {} (d: ElectDef[Ty::U32], mask: Use[Ty::U32]) since since(8, 0, 90);

    // ---- Barriers in shared memory ----

    /// Makes an `mbarrier` whose phases complete after `count` arrivals. PTX ISA: `mbarrier.init`.
    MbarrierInit / mbarrier_init "mbarrier.init" { space: Option<Space>, ty: B64Ty }
        (addr: Addr[Ty::U64], count: Use[Ty::U32])
        if !matches!(count.0, Value::Int(..=0)) => "an mbarrier waits for at least one arrival",
        if shared_cta(*space) => "an mbarrier is in shared memory of the block",
        since since(7, 0, 80);
    /// Ends an `mbarrier`, whose memory is then free for other use. PTX ISA: `mbarrier.inval`.
    MbarrierInval / mbarrier_inval "mbarrier.inval" { space: Option<Space>, ty: B64Ty }
        (addr: Addr[Ty::U64])
        if shared_cta(*space) => "an mbarrier is in shared memory of the block",
        since since(7, 0, 80);
    /// Arrives `count` times (once if absent), and gives the state before. PTX ISA:
    /// `mbarrier.arrive`.
    MbarrierArrive / mbarrier_arrive "mbarrier.arrive"
        { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>, ty: B64Ty }
        (state: SinkDef[Ty::U64], addr: Addr[Ty::U64], count: Option<Use>[Ty::U32])
        if !matches!(count, Some(Use(Value::Int(..=0)))) => "a thread arrives at least once",
        if arrive_fits(*sem, *scope) => "an arrival is `.release` or `.relaxed`, with a scope",
        if shared(*space) => "an mbarrier is in shared memory",
        if remote_fits(*space, state) => "an arrival at another block's mbarrier gives no state",
        since mbarrier_since(*sem, *space, state)
            .and(if count.is_some() { since(7, 8, 90) } else { Since::BASE });
    /// [`MbarrierArrive`] that first adds `tx` to the bytes which the phase waits for. PTX ISA:
    /// `mbarrier.arrive.expect_tx`.
    MbarrierArriveExpectTx / mbarrier_arrive_expect_tx "mbarrier.arrive.expect_tx"
        { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>, ty: B64Ty }
        (state: SinkDef[Ty::U64], addr: Addr[Ty::U64], tx: Use[Ty::U32])
        if arrive_fits(*sem, *scope) => "an arrival is `.release` or `.relaxed`, with a scope",
        if shared(*space) => "an mbarrier is in shared memory",
        if remote_fits(*space, state) => "an arrival at another block's mbarrier gives no state",
        since since(8, 0, 90).and(order_since(*sem));
    /// [`MbarrierArrive`] that must not complete the phase. PTX ISA:
    /// `mbarrier.arrive.noComplete`.
    MbarrierArriveNoComplete / mbarrier_arrive_no_complete "mbarrier.arrive.noComplete"
        { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>, ty: B64Ty }
        (state: Def[Ty::U64], addr: Addr[Ty::U64], count: Use[Ty::U32])
        if !matches!(count.0, Value::Int(..=0)) => "a thread arrives at least once",
        if matches!((sem, scope), (None, None) | (Some(Sem::Release), Some(Scope::Cta)))
            => "`.noComplete` is `.release.cta`",
        if shared_cta(*space) => "an mbarrier is in shared memory of the block",
        since since(7, 0, 80).and(order_since(*sem));
    /// [`MbarrierArrive`] after which the barrier expects `count` arrivals fewer in each later
    /// phase. PTX ISA: `mbarrier.arrive_drop`.
    MbarrierArriveDrop / mbarrier_arrive_drop "mbarrier.arrive_drop"
        { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>, ty: B64Ty }
        (state: SinkDef[Ty::U64], addr: Addr[Ty::U64], count: Option<Use>[Ty::U32])
        if !matches!(count, Some(Use(Value::Int(..=0)))) => "a thread arrives at least once",
        if arrive_fits(*sem, *scope) => "an arrival is `.release` or `.relaxed`, with a scope",
        if shared(*space) => "an mbarrier is in shared memory",
        if remote_fits(*space, state) => "an arrival at another block's mbarrier gives no state",
        since mbarrier_since(*sem, *space, state)
            .and(if count.is_some() { since(7, 8, 90) } else { Since::BASE });
    /// Adds `tx` to the bytes that the phase waits for. PTX ISA: `mbarrier.expect_tx`.
    MbarrierExpectTx / mbarrier_expect_tx "mbarrier.expect_tx"
        { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>, ty: B64Ty }
        (addr: Addr[Ty::U64], tx: Use[Ty::U32])
        if matches!((sem, scope), (None, None) | (Some(Sem::Relaxed), Some(Scope::Cta | Scope::Cluster)))
            => "`mbarrier.expect_tx` is `.relaxed`, with a scope",
        if shared(*space) => "an mbarrier is in shared memory",
        since since(8, 0, 90);
    /// Whether the phase of `state` is complete. PTX ISA: `mbarrier.test_wait`.
    MbarrierTestWait / mbarrier_test_wait "mbarrier.test_wait"
        { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>, ty: B64Ty }
        (p: Def[Ty::Pred], addr: Addr[Ty::U64], state: Use[Ty::U64])
        if wait_fits(*sem, *scope) => "a wait is `.acquire` or `.relaxed`, with a scope",
        if shared_cta(*space) => "an mbarrier is in shared memory of the block",
        since since(7, 0, 80).and(order_since(*sem));
    /// Whether the phase of that parity is complete. PTX ISA: `mbarrier.test_wait.parity`.
    MbarrierTestWaitParity / mbarrier_test_wait_parity "mbarrier.test_wait.parity"
        { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>, ty: B64Ty }
        (p: Def[Ty::Pred], addr: Addr[Ty::U64], parity: Use[Ty::U32])
        if parity_fits(parity) => "a parity is 0 or 1",
        if wait_fits(*sem, *scope) => "a wait is `.acquire` or `.relaxed`, with a scope",
        if shared_cta(*space) => "an mbarrier is in shared memory of the block",
        since since(7, 1, 80).and(order_since(*sem));
    /// [`MbarrierTestWait`] that may sleep for a while, at most about `hint` nanoseconds.
    /// PTX ISA: `mbarrier.try_wait`.
    MbarrierTryWait / mbarrier_try_wait "mbarrier.try_wait"
        { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>, ty: B64Ty }
        (p: Def[Ty::Pred], addr: Addr[Ty::U64], state: Use[Ty::U64], hint: Option<Use>[Ty::U32])
        if wait_fits(*sem, *scope) => "a wait is `.acquire` or `.relaxed`, with a scope",
        if shared_cta(*space) => "an mbarrier is in shared memory of the block",
        since since(7, 8, 90).and(order_since(*sem));
    /// [`MbarrierTestWaitParity`] that may sleep for a while. PTX ISA:
    /// `mbarrier.try_wait.parity`.
    MbarrierTryWaitParity / mbarrier_try_wait_parity "mbarrier.try_wait.parity"
        { sem: Option<Sem>, scope: Option<Scope>, space: Option<Space>, ty: B64Ty }
        (p: Def[Ty::Pred], addr: Addr[Ty::U64], parity: Use[Ty::U32], hint: Option<Use>[Ty::U32])
        if parity_fits(parity) => "a parity is 0 or 1",
        if wait_fits(*sem, *scope) => "a wait is `.acquire` or `.relaxed`, with a scope",
        if shared_cta(*space) => "an mbarrier is in shared memory of the block",
        since since(7, 8, 90).and(order_since(*sem));
    /// The arrivals that the phase of `state` still waited for. PTX ISA:
    /// `mbarrier.pending_count`.
    MbarrierPendingCount / mbarrier_pending_count "mbarrier.pending_count" { ty: B64Ty }
        (d: Def[Ty::U32], state: Use[Ty::U64]) since since(7, 0, 80);
    /// Orders the making of `mbarrier`s before what the cluster does with them. PTX ISA:
    /// `fence.mbarrier_init`.
    FenceMbarrierInit / fence_mbarrier_init "fence.mbarrier_init.release.cluster" {} ()
        since since(8, 0, 90);

    // ---- Clusters and grids ----

    /// Arrives at the barrier of the cluster. PTX ISA: `barrier.cluster.arrive`.
    ClusterArrive / cluster_arrive "barrier.cluster.arrive"
        { sem: Option<Sem>, aligned: Option<Aligned> } ()
        if matches!(sem, None | Some(Sem::Release | Sem::Relaxed))
            => "an arrival is `.release` or `.relaxed`",
        since since(7, 8, 90).and(if sem.is_some() { since(8, 0, 90) } else { Since::BASE });
    /// Waits at the barrier of the cluster. PTX ISA: `barrier.cluster.wait`.
    ClusterWait / cluster_wait "barrier.cluster.wait"
        { sem: Option<Sem>, aligned: Option<Aligned> } ()
        if matches!(sem, None | Some(Sem::Acquire)) => "a wait is `.acquire`",
        since since(7, 8, 90).and(if sem.is_some() { since(8, 0, 90) } else { Since::BASE });
    /// The address that corresponds to `a` in the shared memory of block `rank` of the cluster.
    /// PTX ISA: `mapa`.
    Mapa / mapa "mapa" { space: Option<Space>, ty: AddressTy }
        (d: Def[*ty], a: Use[*ty], rank: Use[Ty::U32])
        if matches!(space, None | Some(Space::SharedCluster)) => "`mapa` is for `.shared::cluster`",
        if space.is_some() || *ty == AddressTy::U64 => "generic addresses have 64 bits",
        since since(7, 8, 90);
    /// The rank in the cluster of the block whose shared memory `a` is in. PTX ISA: `getctarank`.
    Getctarank / getctarank "getctarank" { space: Option<Space>, ty: AddressTy }
        (d: Def[Ty::U32], a: Use[*ty])
        if matches!(space, None | Some(Space::SharedCluster))
            => "`getctarank` is for `.shared::cluster`",
        if space.is_some() || *ty == AddressTy::U64 => "generic addresses have 64 bits",
        since since(7, 8, 90);
    /// Order between a grid and those that depend on it. PTX ISA: `griddepcontrol`.
    Griddepcontrol / griddepcontrol "griddepcontrol" { action: GridAction } ()
        since since(7, 8, 90);
    /// Changes the number of registers that each thread of the warp has. PTX ISA: `setmaxnreg`.
    Setmaxnreg / setmaxnreg "setmaxnreg" { change: RegisterChange, ty: U32Ty } (n: Use[Ty::U32])
        if matches!(n.0, Value::Int(24..=256)) && matches!(n.0, Value::Int(n) if n % 8 == 0)
            => "`setmaxnreg` takes a multiple of 8 from 24 to 256",
        since since_exact(8, 0, 90);

    // ---- Matrices ----

    /// Loads 8 by 8 matrices of 16-bit elements, a row per lane address. PTX ISA: `ldmatrix`.
    Ldmatrix / ldmatrix "ldmatrix.sync.aligned.m8n8" { count: MatrixCount, trans: Option<Trans>,
                                                       space: Option<Space>, ty: MatrixTy }
        (d: VecDef[Ty::B32], addr: Addr[Ty::U64])
        if d.0.len() == matrices(*count) => "one register for each matrix",
        if d.0.iter().any(Option::is_some) => "at least one matrix goes to a register",
        if shared_cta(*space) => "`ldmatrix` reads shared memory",
        since since(6, 5, 75);
    /// Stores 8 by 8 matrices of 16-bit elements. PTX ISA: `stmatrix`.
    Stmatrix / stmatrix "stmatrix.sync.aligned.m8n8" { count: MatrixCount, trans: Option<Trans>,
                                                       space: Option<Space>, ty: MatrixTy }
        (addr: Addr[Ty::U64], a: VecUse[Ty::B32])
        if a.0.len() == matrices(*count) => "one register for each matrix",
        if registers(a) => "the matrices are in registers",
        if shared_cta(*space) => "`stmatrix` writes shared memory",
        since since(7, 8, 90);
    /// `d = a * b + c` over the tiles of a warp. PTX ISA: `mma`.
    Mma / mma "mma.sync.aligned" { shape: MmaShape, alayout: Layout, blayout: Layout,
                                   satfinite: Option<SatFinite>,
                                   dty: MmaAccTy, aty: MmaTy, bty: MmaTy, cty: MmaAccTy }
        (d: VecDef[fragment(dty.ty())], a: VecUse[fragment(aty.ty())],
         b: VecUse[fragment(bty.ty())], c: VecUse[fragment(cty.ty())])
        if mma_fits(*shape, *aty, *dty, [d.0.len(), a.0.len(), b.0.len(), c.0.len()])
            => "this shape does not have these types, or has another number of registers",
        if dty == cty => "both accumulators have one type",
        if factors_fit(*aty, *bty) => "these factors do not go together",
        if *shape == MmaShape::M8n8k4 && *aty == MmaTy::F16
            || (*alayout, *blayout) == (Layout::Row, Layout::Col)
            => "this shape is `.row.col`",
        if satfinite.is_none() || *dty == MmaAccTy::S32 => "`.satfinite` is for integers",
        if registers(a) && registers(b) => "the factors are in registers",
        since mma_since(*shape, *aty, *dty);

    // ---- Matrices of a warpgroup ----

    /// Orders accesses to registers before the matrix instructions that follow. PTX ISA:
    /// `wgmma.fence`.
    WgmmaFence / wgmma_fence "wgmma.fence.sync.aligned" {} () since since_exact(8, 0, 90);
    /// Closes a group of matrix instructions. PTX ISA: `wgmma.commit_group`.
    WgmmaCommit / wgmma_commit "wgmma.commit_group.sync.aligned" {} () since since_exact(8, 0, 90);
    /// Waits until at most `n` groups of matrix instructions are under way. PTX ISA:
    /// `wgmma.wait_group`.
    WgmmaWait / wgmma_wait "wgmma.wait_group.sync.aligned" {} (n: Use[Ty::U32])
        if matches!(n.0, Value::Int(0..)) => "the number of groups is a constant",
        since since_exact(8, 0, 90);
    /// `d = a * b`, plus `d` if `add` holds, by four warps in the background; both factors are in
    /// shared memory. `a_scale` and `b_scale` are the signs of float factors; `a_trans` and
    /// `b_trans` say whether factors of 16 bits lie along M and N. PTX ISA: `wgmma.mma_async`.
    Wgmma / wgmma "wgmma.mma_async.sync.aligned"
        { shape: WgmmaShape, satfinite: Option<SatFinite>, dty: MmaAccTy, aty: MmaTy, bty: MmaTy }
        (d: VecChange[fragment(dty.ty())], a: Use[Ty::U64], b: Use[Ty::U64], add: Switch[Ty::Pred],
         a_scale: Option<Use>[Ty::S32], b_scale: Option<Use>[Ty::S32],
         a_trans: Option<Use>[Ty::S32], b_trans: Option<Use>[Ty::S32])
        if wgmma_fits(*shape, (*aty, *bty), *dty, d.0.len())
            => "this shape does not have these types, or has another number of registers",
        if satfinite.is_none() || *dty == MmaAccTy::S32 => "`.satfinite` is for integers",
        if wgmma_scales_fit(*aty, [a_scale, b_scale])
            => "float factors have the scales 1 or -1, integers none",
        if wgmma_trans_fits(*aty, a_trans) && wgmma_trans_fits(*aty, b_trans)
            => "factors of 16 bits say 0 or 1 for their transposition, others nothing",
        since wgmma_since(*aty, *bty);
    /// [`Wgmma`] with its left factor in registers. PTX ISA: `wgmma.mma_async`.
    WgmmaRegisters / wgmma_registers "wgmma.mma_async.sync.aligned"
        { shape: WgmmaShape, satfinite: Option<SatFinite>, dty: MmaAccTy, aty: MmaTy, bty: MmaTy }
        (d: VecChange[fragment(dty.ty())], a: VecUse[wgmma_factor(*aty)], b: Use[Ty::U64],
         add: Switch[Ty::Pred], a_scale: Option<Use>[Ty::S32], b_scale: Option<Use>[Ty::S32],
         b_trans: Option<Use>[Ty::S32])
        if wgmma_fits(*shape, (*aty, *bty), *dty, d.0.len())
            => "this shape does not have these types, or has another number of registers",
        if a.0.len() == 4 && registers(a) => "the left factor is in four registers",
        if satfinite.is_none() || *dty == MmaAccTy::S32 => "`.satfinite` is for integers",
        if wgmma_scales_fit(*aty, [a_scale, b_scale])
            => "float factors have the scales 1 or -1, integers none",
        if wgmma_trans_fits(*aty, b_trans)
            => "factors of 16 bits say 0 or 1 for their transposition, others nothing",
        since wgmma_since(*aty, *bty);

    // ---- Control ----

    /// Jumps. PTX ISA: `bra`.
    Bra / bra "bra" { uni: Option<Uni> } (to: Target[Ty::U64]) since Since::BASE;
    /// Jumps to one of several places, by number. PTX ISA: `brx.idx`.
    BrxIdx / brx_idx "brx.idx" { uni: Option<Uni> } (index: Use[Ty::U32], to: Targets[Ty::U64])
        since since(6, 0, 30);
    /// Calls a function. PTX ISA: `call`.
    Call / call "call" { uni: Option<Uni> }
        (results: LeadingParams[Ty::U64], callee: Callee[Ty::U64], args: Params[Ty::U64])
        since Since::BASE;
    /// Returns from a function or ends the thread. PTX ISA: `ret`.
    Ret / ret "ret" { uni: Option<Uni> } () since Since::BASE;
    /// Ends the thread. PTX ISA: `exit`.
    Exit / exit "exit" {} () since Since::BASE;
    /// Aborts the launch. PTX ISA: `trap`.
    Trap / trap "trap" {} () since Since::BASE;
    /// A breakpoint. PTX ISA: `brkpt`.
    Brkpt / brkpt "brkpt" {} () since Since::BASE;
    /// Sleeps for about `t` nanoseconds. PTX ISA: `nanosleep`.
    Nanosleep / nanosleep "nanosleep" { ty: U32Ty } (t: Use[Ty::U32]) since since(6, 3, 70);
}
