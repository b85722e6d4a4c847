//! Scalar types, constants of them, and the arithmetic on constants.
//!
//! The arithmetic is what the kernel would compute: integers wrap, shifts mask their amount,
//! floats round to nearest even, casts saturate. Const evaluation (array lengths, `const` items)
//! and folding both use it, so a folded program gives the bits of an unfolded one.

use crate::short_float;

/// A scalar type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the variants are Rust's own type names")]
pub enum Scalar {
    Bool,
    I8,
    I16,
    I32,
    I64,
    Isize,
    U8,
    U16,
    U32,
    U64,
    Usize,
    E4m3,
    E5m2,
    F16,
    Bf16,
    F32,
    F64,
    F16x2,
    Bf16x2,
    I4x8,
    U4x8,
}

use Scalar::{
    Bf16, Bf16x2, Bool, E4m3, E5m2, F16, F16x2, F32, F64, I4x8, I8, I16, I32, I64, Isize, U4x8, U8,
    U16, U32, U64, Usize,
};

impl Scalar {
    /// Every scalar type.
    pub const ALL: [Self; 21] = [
        Bool, I8, I16, I32, I64, Isize, U8, U16, U32, U64, Usize, E4m3, E5m2, F16, Bf16, F32, F64,
        F16x2, Bf16x2, I4x8, U4x8,
    ];

    /// The name in Rust.
    pub const fn name(self) -> &'static str {
        match self {
            Bool => "bool",
            I8 => "i8",
            I16 => "i16",
            I32 => "i32",
            I64 => "i64",
            Isize => "isize",
            U8 => "u8",
            U16 => "u16",
            U32 => "u32",
            U64 => "u64",
            Usize => "usize",
            E4m3 => "e4m3",
            E5m2 => "e5m2",
            F16 => "f16",
            Bf16 => "bf16",
            F32 => "f32",
            F64 => "f64",
            F16x2 => "f16x2",
            Bf16x2 => "bf16x2",
            I4x8 => "i4x8",
            U4x8 => "u4x8",
        }
    }

    /// The type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scalar| scalar.name() == name)
    }

    /// The size in memory.
    pub const fn bytes(self) -> u32 {
        match self {
            Bool | I8 | U8 | E4m3 | E5m2 => 1,
            I16 | U16 | F16 | Bf16 => 2,
            I32 | U32 | F32 | F16x2 | Bf16x2 | I4x8 | U4x8 => 4,
            I64 | Isize | U64 | Usize | F64 => 8,
        }
    }

    /// The size in bits; 8 for `bool`.
    pub const fn bits(self) -> u32 {
        self.bytes() * 8
    }

    /// An integer type; `bool` is none.
    pub const fn is_int(self) -> bool {
        !self.is_real() && !self.is_pair() && !self.is_nibbles() && !matches!(self, Bool)
    }

    /// A floating-point type that is computed with.
    pub const fn is_float(self) -> bool {
        matches!(self, F16 | Bf16 | F32 | F64)
    }

    /// A float of 8 bits: it is stored and converted, and never computed with.
    pub const fn is_narrow(self) -> bool {
        matches!(self, E4m3 | E5m2)
    }

    /// Eight integers of 4 bits: factors of matrix products, never computed with otherwise.
    pub const fn is_nibbles(self) -> bool {
        matches!(self, I4x8 | U4x8)
    }

    /// Several numbers in one register.
    pub const fn is_packed(self) -> bool {
        self.is_pair() || self.is_nibbles()
    }

    /// Two floats of 16 bits in one register, computed with together.
    pub const fn is_pair(self) -> bool {
        matches!(self, F16x2 | Bf16x2)
    }

    /// The type of the halves of a pair.
    pub const fn half(self) -> Option<Self> {
        match self {
            F16x2 => Some(F16),
            Bf16x2 => Some(Bf16),
            Bool | I8 | I16 | I32 | I64 | Isize | U8 | U16 | U32 | U64 | Usize | E4m3 | E5m2
            | F16 | Bf16 | F32 | F64 | I4x8 | U4x8 => None,
        }
    }

    /// The pair of two values of the type.
    pub const fn pair(self) -> Option<Self> {
        match self {
            F16 => Some(F16x2),
            Bf16 => Some(Bf16x2),
            Bool | I8 | I16 | I32 | I64 | Isize | U8 | U16 | U32 | U64 | Usize | E4m3 | E5m2
            | F32 | F64 | F16x2 | Bf16x2 | I4x8 | U4x8 => None,
        }
    }

    /// A type whose values have a fraction.
    pub const fn is_real(self) -> bool {
        self.is_float() || self.is_narrow()
    }

    /// A type with negative values that is computed with.
    pub const fn is_signed(self) -> bool {
        self.is_float() || matches!(self, I8 | I16 | I32 | I64 | Isize)
    }

    /// The unsigned integer of the same size: what `to_bits` and `abs_diff` give.
    pub const fn unsigned(self) -> Self {
        match self {
            Bool | I8 | U8 | E4m3 | E5m2 => U8,
            I16 | U16 | F16 | Bf16 => U16,
            I32 | U32 | F32 | F16x2 | Bf16x2 | I4x8 | U4x8 => U32,
            I64 | U64 | F64 => U64,
            Isize | Usize => Usize,
        }
    }

    /// The smallest and the largest value of an integer type.
    pub const fn int_range(self) -> (i128, i128) {
        let bits = self.bits();
        if self.is_signed() {
            (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        } else {
            (0, (1 << bits) - 1)
        }
    }
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A binary operator of Rust other than `&&` and `||`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants are the names of Rust's operator traits")]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    BitAnd,
    BitOr,
    BitXor,
    Shl,
    Shr,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl BinOp {
    /// As it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Rem => "%",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "^",
            Self::Shl => "<<",
            Self::Shr => ">>",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }

    /// Whether it yields `bool` whatever its operands are.
    pub const fn is_comparison(self) -> bool {
        matches!(self, Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge)
    }

    /// Whether its right operand may have another type than the left one.
    pub const fn is_shift(self) -> bool {
        matches!(self, Self::Shl | Self::Shr)
    }

    /// Whether it works on bits: integers and `bool`, but no floats.
    pub const fn is_bitwise(self) -> bool {
        matches!(self, Self::BitAnd | Self::BitOr | Self::BitXor)
    }
}

/// A unary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnOp {
    /// `-a` of a signed integer (wrapping) or a float.
    Neg,
    /// `!a` of an integer or a `bool`.
    Not,
}

/// A constant of a scalar type.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Value {
    ty: Scalar,
    /// As in memory: the low `ty.bits()` bits, the others 0.
    bits: u64,
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ty {
            Bool => write!(f, "{}", self.bits != 0),
            _ if self.ty.is_pair() || self.ty.is_nibbles() => {
                write!(f, "{:#010x}{}", self.bits, self.ty)
            }
            _ if self.ty.is_real() => write!(f, "{:?}{}", self.as_f64(), self.ty),
            _ => write!(f, "{}{}", self.as_int(), self.ty),
        }
    }
}

impl Value {
    /// The constant whose memory holds `bits`; those above the type's size are ignored.
    pub const fn from_bits(ty: Scalar, bits: u64) -> Self {
        let mask = u64::MAX >> (64 - ty.bits());
        Self { ty, bits: bits & mask }
    }

    /// A truth value.
    pub const fn bool(value: bool) -> Self {
        Self { ty: Bool, bits: value as u64 }
    }

    /// An integer, wrapped to the type.
    pub const fn int(ty: Scalar, value: i128) -> Self {
        Self::from_bits(ty, value as u64)
    }

    /// A float, rounded once to the type.
    pub fn float(ty: Scalar, value: f64) -> Self {
        let bits = match ty {
            E4m3 => short_float::E4M3.round(value),
            E5m2 => short_float::E5M2.round(value),
            F16 => short_float::F16.round(value),
            Bf16 => short_float::BF16.round(value),
            F32 => u64::from((value as f32).to_bits()),
            F64 => value.to_bits(),
            Bool | I8 | I16 | I32 | I64 | Isize | U8 | U16 | U32 | U64 | Usize | F16x2 | Bf16x2
            | I4x8 | U4x8 => {
                unreachable!("a float constant has a float type, not {ty}")
            }
        };
        Self { ty, bits }
    }

    /// The type.
    pub const fn ty(self) -> Scalar {
        self.ty
    }

    /// The value as memory holds it, zero-extended.
    pub const fn bits(self) -> u64 {
        self.bits
    }

    /// The value of a `bool`.
    pub const fn as_bool(self) -> bool {
        self.bits != 0
    }

    /// The value of an integer, or 0 or 1 for a `bool`.
    pub const fn as_int(self) -> i128 {
        let unused = 64 - self.ty.bits();
        if self.ty.is_signed() {
            (((self.bits << unused) as i64) >> unused) as i128
        } else {
            self.bits as i128
        }
    }

    /// The value of a float, exactly.
    pub fn as_f64(self) -> f64 {
        match self.ty {
            E4m3 => short_float::E4M3.widen(self.bits),
            E5m2 => short_float::E5M2.widen(self.bits),
            F16 => short_float::F16.widen(self.bits),
            Bf16 => short_float::BF16.widen(self.bits),
            F32 => f64::from(f32::from_bits(self.bits as u32)),
            F64 => f64::from_bits(self.bits),
            Bool | I8 | I16 | I32 | I64 | Isize | U8 | U16 | U32 | U64 | Usize | F16x2 | Bf16x2
            | I4x8 | U4x8 => {
                unreachable!("a constant of type {} is read as an integer", self.ty)
            }
        }
    }

    /// `self as ty`: integers wrap, floats saturate and take NaN to 0. What is too large for a
    /// float of 8 bits becomes its largest number.
    ///
    /// A cast from an integer goes to a float in one rounding.
    #[must_use]
    pub fn cast(self, ty: Scalar) -> Self {
        match (self.ty.is_real(), ty.is_real()) {
            (false, false) => Self::int(ty, self.as_int()),
            (true, true) => Self::float(ty, self.as_f64()),
            (false, true) => Self::int_to_float(ty, self.as_int()),
            (true, false) => {
                let (low, high) = ty.int_range();
                Self::int(ty, (self.as_f64() as i128).clamp(low, high))
            }
        }
    }

    /// Rounds an integer to a float once. For the short formats the integer is first made odd
    /// where bits get lost ("round to odd"), so that the second rounding is the only one.
    fn int_to_float(ty: Scalar, value: i128) -> Self {
        match ty {
            F64 => Self::float(ty, value as f64),
            F32 => Self::from_bits(ty, u64::from((value as f32).to_bits())),
            _ => {
                let magnitude = value.unsigned_abs();
                let lost = (128 - magnitude.leading_zeros()).saturating_sub(50);
                let kept = magnitude >> lost;
                let sticky = u128::from(magnitude != kept << lost);
                let odd = ((kept | sticky) << lost) as f64;
                Self::float(ty, if value < 0 { -odd } else { odd })
            }
        }
    }

    /// A pair of two floats of 16 bits.
    pub const fn pair(ty: Scalar, low: Self, high: Self) -> Self {
        Self::from_bits(ty, low.bits | high.bits << 16)
    }

    /// The halves of a pair; `None` of what is none.
    pub const fn halves(self) -> Option<[Self; 2]> {
        match self.ty.half() {
            Some(half) => {
                Some([Self::from_bits(half, self.bits), Self::from_bits(half, self.bits >> 16)])
            }
            None => None,
        }
    }

    /// `op self`; `None` where the operator does not apply to the type.
    pub fn unary(self, op: UnOp) -> Option<Self> {
        match op {
            UnOp::Neg if self.ty.is_float() => {
                Some(Self::from_bits(self.ty, self.bits ^ (1 << (self.ty.bits() - 1))))
            }
            UnOp::Neg if self.ty.is_pair() => {
                Some(Self::from_bits(self.ty, self.bits ^ 0x8000_8000))
            }
            UnOp::Neg if self.ty.is_signed() => Some(Self::int(self.ty, -self.as_int())),
            UnOp::Not if self.ty == Bool => Some(Self::bool(!self.as_bool())),
            UnOp::Not if self.ty.is_int() => Some(Self::from_bits(self.ty, !self.bits)),
            UnOp::Neg | UnOp::Not => None,
        }
    }

    /// `self op right`; `None` for a division by the integer 0 and where types do not fit.
    pub fn binary(self, op: BinOp, right: Self) -> Option<Self> {
        if op.is_shift() {
            return self.shift(op, right);
        }
        if self.ty != right.ty || self.ty.is_narrow() || self.ty.is_nibbles() {
            return None;
        }
        if let (Some(a), Some(b)) = (self.halves(), right.halves()) {
            let fits = matches!(op, BinOp::Add | BinOp::Sub | BinOp::Mul);
            let [low, high] = [0, 1].map(|i| a[i].binary(op, b[i]));
            return fits.then_some(Self::pair(self.ty, low?, high?));
        }
        if self.ty.is_float() {
            return self.float_binary(op, right);
        }
        let (a, b) = (self.as_int(), right.as_int());
        if op.is_comparison() {
            return Some(Self::bool(compare(op, &a, &b)));
        }
        if self.ty == Bool && !op.is_bitwise() {
            return None;
        }
        let result = match op {
            BinOp::Add => a + b,
            BinOp::Sub => a - b,
            // Of two 64-bit integers the product fits 128 bits, but for the unsigned largest.
            BinOp::Mul => a.wrapping_mul(b),
            BinOp::Div => a.checked_div(b)?,
            BinOp::Rem => a.checked_rem(b)?,
            BinOp::BitAnd => a & b,
            BinOp::BitOr => a | b,
            BinOp::BitXor => a ^ b,
            BinOp::Shl
            | BinOp::Shr
            | BinOp::Eq
            | BinOp::Ne
            | BinOp::Lt
            | BinOp::Le
            | BinOp::Gt
            | BinOp::Ge => unreachable!("shifts and comparisons are handled above"),
        };
        Some(Self::int(self.ty, result))
    }

    fn shift(self, op: BinOp, right: Self) -> Option<Self> {
        if !self.ty.is_int() || !right.ty.is_int() {
            return None;
        }
        let amount = right.bits as u32 & (self.ty.bits() - 1);
        let value = self.as_int();
        let result = if op == BinOp::Shl { value << amount } else { value >> amount };
        Some(Self::int(self.ty, result))
    }

    /// `f16` and `bf16` are computed in `f32` and rounded: 24 bits are more than twice their 11
    /// and 8 and two, so the two roundings equal one (Figueroa, 1995).
    fn float_binary(self, op: BinOp, right: Self) -> Option<Self> {
        let (a, b) = (self.as_f64(), right.as_f64());
        if op.is_comparison() {
            return Some(Self::bool(compare(op, &a, &b)));
        }
        if self.ty == F64 {
            return Some(Self::float(F64, arithmetic(op, a, b)?));
        }
        let result = arithmetic(op, a as f32, b as f32)?;
        Some(Self::float(self.ty, f64::from(result)))
    }
}

fn compare<T: PartialOrd>(op: BinOp, a: &T, b: &T) -> bool {
    match op {
        BinOp::Eq => a == b,
        BinOp::Ne => a != b,
        BinOp::Lt => a < b,
        BinOp::Le => a <= b,
        BinOp::Gt => a > b,
        BinOp::Ge => a >= b,
        BinOp::Add
        | BinOp::Sub
        | BinOp::Mul
        | BinOp::Div
        | BinOp::Rem
        | BinOp::BitAnd
        | BinOp::BitOr
        | BinOp::BitXor
        | BinOp::Shl
        | BinOp::Shr => unreachable!("`{}` is not a comparison", op.symbol()),
    }
}

fn arithmetic<T>(op: BinOp, a: T, b: T) -> Option<T>
where
    T: std::ops::Add<Output = T>
        + std::ops::Sub<Output = T>
        + std::ops::Mul<Output = T>
        + std::ops::Div<Output = T>
        + std::ops::Rem<Output = T>,
{
    match op {
        BinOp::Add => Some(a + b),
        BinOp::Sub => Some(a - b),
        BinOp::Mul => Some(a * b),
        BinOp::Div => Some(a / b),
        BinOp::Rem => Some(a % b),
        BinOp::BitAnd
        | BinOp::BitOr
        | BinOp::BitXor
        | BinOp::Shl
        | BinOp::Shr
        | BinOp::Eq
        | BinOp::Ne
        | BinOp::Lt
        | BinOp::Le
        | BinOp::Gt
        | BinOp::Ge => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_wrap_and_shifts_mask() {
        let max = Value::int(I32, i128::from(i32::MAX));
        let one = Value::int(I32, 1);
        assert_eq!(max.binary(BinOp::Add, one), Some(Value::int(I32, i128::from(i32::MIN))));
        assert_eq!(one.binary(BinOp::Shl, Value::int(U8, 33)), Some(Value::int(I32, 2)));
        let min = Value::int(I32, i128::from(i32::MIN));
        assert_eq!(min.binary(BinOp::Div, Value::int(I32, -1)), Some(min));
        assert_eq!(one.binary(BinOp::Rem, Value::int(I32, 0)), None);
    }

    #[test]
    fn casts_saturate_as_in_rust() {
        let cases = [f32::NAN, f32::INFINITY, -1.5, 3e9, 255.9];
        for x in cases {
            let value = Value::float(F32, f64::from(x));
            assert_eq!(value.cast(U8).as_int(), i128::from(x as u8), "{x}");
            assert_eq!(value.cast(I32).as_int(), i128::from(x as i32), "{x}");
            assert_eq!(value.cast(U64).as_int(), i128::from(x as u64), "{x}");
        }
        assert_eq!(Value::int(I32, -1).cast(U64).bits(), u64::MAX);
        assert_eq!(
            Value::int(U64, i128::from(u64::MAX)).cast(F32).as_f64(),
            u64::MAX as f32 as f64
        );
    }

    #[test]
    fn integers_round_to_short_floats_once() {
        // Half way between two `bf16`, and a little more: only one rounding sees the little more.
        let half_way = (1_i128 << 60) + (1 << 52);
        let above = Value::int(I64, half_way + 1).cast(Bf16).as_f64();
        assert_eq!(above, ((1_i128 << 60) + (1 << 53)) as f64);
        assert_eq!(Value::int(I64, half_way).cast(Bf16).as_f64(), (1_i128 << 60) as f64);
        let above = 1.0 + 2f64.powi(-11) + 2f64.powi(-40);
        assert_eq!(Value::float(F16, above).as_f64(), 1.0 + 2f64.powi(-10));
        assert_eq!(Value::int(I32, 65520).cast(F16).as_f64(), f64::INFINITY);
    }

    #[test]
    fn floats_of_8_bits_saturate_and_are_not_computed_with() {
        let of = |x: f64| Value::float(F64, x);
        assert_eq!(of(464.0).cast(E4m3).as_f64(), 448.0);
        assert_eq!(of(f64::NEG_INFINITY).cast(E4m3).as_f64(), -448.0);
        assert_eq!(of(1e9).cast(E5m2).as_f64(), 57344.0);
        assert_eq!(of(f64::NAN).cast(E4m3).bits(), 0x7f);
        assert_eq!(Value::int(I32, -3).cast(E5m2).as_f64(), -3.0);
        assert_eq!(of(-2.75).cast(E4m3).cast(I8), Value::int(I8, -2));
        let one = of(1.0).cast(E4m3);
        assert_eq!(one.bits(), 0x38);
        assert_eq!((one.unary(UnOp::Neg), one.binary(BinOp::Eq, one)), (None, None));
    }

    #[test]
    fn pairs_are_computed_with_half_by_half() {
        let of = |low, high| Value::pair(F16x2, Value::float(F16, low), Value::float(F16, high));
        assert_eq!(of(1.5, -2.0).binary(BinOp::Mul, of(2.0, 0.0)), Some(of(3.0, -0.0)));
        assert_eq!(of(1.0, 2.0).unary(UnOp::Neg), Some(of(-1.0, -2.0)));
        assert_eq!(of(1.0, 2.0).binary(BinOp::Div, of(1.0, 1.0)), None);
        assert_eq!(of(1.0, 2.0).binary(BinOp::Lt, of(1.0, 1.0)), None);
        assert_eq!(of(1.0, 2.0).bits(), 0x4000_3c00);
    }

    #[test]
    fn negation_of_a_float_flips_the_sign_alone() {
        let zero = Value::float(F16, 0.0).unary(UnOp::Neg).unwrap();
        assert_eq!(zero.bits(), 0x8000);
        assert_eq!(Value::int(U32, 1).unary(UnOp::Neg), None);
        assert_eq!(Value::int(U8, 1).unary(UnOp::Not), Some(Value::int(U8, 254)));
    }
}
