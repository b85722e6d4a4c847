//! What waits for types to be known, and is then checked.

use proc_macro2::Ident;

use super::literal::literal;
use super::ty::{Kind, Ty};
use super::{Constant, Infer, consteval};
use crate::ast::{Expr, ExprKind, Lit, TypeId};
use crate::diag::Code;
use crate::hir::{Memory, SharedId, Vector, ViewId};
use crate::intrinsics::Class;
use crate::parse::associated_constant;
use crate::span::SpanRange;
use crate::value::{BinOp, Scalar, UnOp, Value};

/// A condition on types.
#[derive(Debug)]
pub(super) enum Pending<'a> {
    /// `is` follows from `of`: the unsigned integer of its size, the type of its sums.
    Follows { of: Ty, is: Ty, how: fn(Scalar) -> Scalar, at: SpanRange },
    /// The argument of `what` belongs to the class.
    Class { ty: Ty, class: Class, what: String, help: &'static str, at: SpanRange },
    /// The type has the binary operator; the span is that of the whole expression.
    Binary { op: BinOp, ty: Ty, right: &'a Expr, at: SpanRange },
    /// The type has the unary operator.
    Unary { op: UnOp, ty: Ty, at: SpanRange },
    /// Rust casts the one to the other.
    Cast { from: Ty, to: Ty, at: SpanRange },
    /// The conversion loses nothing.
    From { from: Ty, to: Ty, at: SpanRange },
    /// The index is an integer, and fits if it is constant.
    Index { index: &'a Expr, ty: Ty, of: Indexed, at: SpanRange },
    /// The literal fits its type.
    Literal { lit: &'a Lit, ty: Ty, negative: bool, at: SpanRange },
    /// There is a vector of so many lanes.
    Vector { elem: Ty, lanes: u32, at: SpanRange },
    /// The type has the constant.
    Constant { of: Ty, name: &'a Ident, at: SpanRange },
    /// The shared array has room.
    Shared { id: SharedId, elem: Ty, len: u32 },
    /// The memory can be seen as elements of the view.
    View { id: ViewId },
    /// Something says what the type parameter is.
    Known { id: TypeId, function: String, at: SpanRange },
    /// The value can be printed.
    Print { ty: Ty, at: SpanRange },
    /// Nothing: it has been dealt with.
    Done,
}

/// The help for a value of a wrong class.
pub(super) const CONVERT: &str = "convert it with `as`";

/// What is indexed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Indexed {
    /// A slice or a dynamic shared array.
    Unbounded,
    /// A shared array.
    Shared(u32),
    /// A register array or a vector.
    Register(u32),
}

impl<'a> Infer<'a> {
    /// Fills the holes that follow from types already known.
    pub(super) fn solve(&mut self) {
        for i in 0..self.pending.len() {
            let Pending::Follows { of, is, how, at } = &self.pending[i] else { continue };
            let (Ty::Scalar(of), is, how, at) = (self.vars.shallow(of), is.clone(), *how, *at)
            else {
                continue;
            };
            self.expect(&Ty::Scalar(how(of)), &is, at);
            self.pending[i] = Pending::Done;
        }
    }

    /// Gives literals their defaults and checks everything that waited.
    pub(super) fn settle(&mut self) {
        self.solve();
        // Rust gives the index of an array the type `usize` if nothing else is known.
        for i in 0..self.pending.len() {
            if let Pending::Index { ty, of: Indexed::Register(_), .. } = &self.pending[i]
                && self.vars.kind(ty) == Some(Kind::Int)
            {
                let ty = ty.clone();
                // An integer hole takes any integer type.
                let _ = self.vars.unify(&ty, &Ty::Scalar(Scalar::Usize));
            }
        }
        self.solve();
        self.vars.default_from(0);
        self.check_pending();
    }

    pub(super) fn check_pending(&mut self) {
        self.solve();
        for pending in std::mem::take(&mut self.pending) {
            self.check(pending);
        }
    }

    fn check(&mut self, pending: Pending<'a>) {
        match pending {
            Pending::Follows { .. } | Pending::Done => {}
            Pending::Class { ty, class, what, help, at } => {
                if let Some(message) = self.class_message(&ty, class, &what) {
                    self.error(Code::BadArgument, at, message, help);
                } else if class == Class::MmaFactor {
                    self.check_narrow(&ty, &format!("`{what}` of"), at);
                }
            }
            Pending::Binary { op, ty, right, at } => self.check_binary(op, &ty, right, at),
            Pending::Unary { op, ty, at } => self.check_unary(op, &ty, at),
            Pending::Cast { from, to, at } => self.check_cast(&from, &to, at),
            Pending::From { from, to, at } => {
                if let Ty::Scalar(to) = self.vars.shallow(&to) {
                    self.check_from(&from, to, at);
                }
            }
            Pending::Index { index, ty, of, at } => self.check_index(index, &ty, of, at),
            Pending::Literal { lit, ty, negative, at } => {
                self.check_literal(lit, &ty, negative, at);
            }
            Pending::Vector { elem, lanes, at } => self.check_vector(&elem, lanes, at),
            Pending::Constant { of, name, at } => {
                if let Ty::Scalar(of) = self.vars.shallow(&of)
                    && associated_constant(of, &name.to_string()).is_none()
                {
                    let message = format!("`{of}` has no constant `{name}`");
                    self.error(Code::UnknownAssociated, at, message, "use one that it has");
                }
            }
            Pending::Shared { id, elem, len } => self.shared_size(id, &elem, len),
            Pending::View { id } => self.check_view(id),
            Pending::Known { id, function, at } => {
                if let Ty::Var(_) = self.vars.shallow(&self.types[id.0]) {
                    let name = &self.ast.types[id.0].ident;
                    let message = format!("nothing says what the type `{name}` of `{function}` is");
                    let help = format!("write it: `{function}::<..>(..)`");
                    self.error(Code::CannotInfer, at, message, help);
                }
            }
            Pending::Print { ty, at } => {
                let fits = match self.vars.shallow(&ty) {
                    Ty::Scalar(scalar) => !scalar.is_packed(),
                    Ty::Error | Ty::Var(_) => true,
                    _ => false,
                };
                if !fits {
                    let message =
                        format!("only numbers and `bool` can be printed, not {}", self.show(&ty));
                    self.error(Code::BadFormat, at, message, "print each part by itself");
                }
            }
        }
    }

    fn show(&self, ty: &Ty) -> String {
        self.vars.show(ty)
    }

    /// What is wrong if the type is not of the class.
    fn class_message(&self, ty: &Ty, class: Class, what: &str) -> Option<String> {
        let fits = match self.vars.shallow(ty) {
            Ty::Scalar(scalar) => class.contains(scalar),
            Ty::Error | Ty::Var(_) | Ty::Never => true,
            Ty::Vector(..)
            | Ty::Fragment(..)
            | Ty::Unit
            | Ty::Tuple(_)
            | Ty::Array(..)
            | Ty::Struct(_) => false,
        };
        let message = || format!("`{what}` wants {}, not {}", class.words(), self.show(ty));
        (!fits).then(message)
    }

    fn check_binary(&mut self, op: BinOp, ty: &Ty, right: &Expr, at: SpanRange) {
        let fits = match self.vars.shallow(ty) {
            Ty::Error | Ty::Var(_) | Ty::Never => return,
            Ty::Scalar(scalar) if scalar.is_narrow() || scalar.is_nibbles() => false,
            Ty::Scalar(scalar) if scalar.is_pair() => {
                matches!(op, BinOp::Add | BinOp::Sub | BinOp::Mul)
            }
            Ty::Scalar(scalar) if op.is_comparison() || op.is_bitwise() => {
                op.is_comparison() || !scalar.is_float()
            }
            Ty::Scalar(scalar) if op.is_shift() => scalar.is_int(),
            Ty::Scalar(scalar) => scalar != Scalar::Bool,
            Ty::Vector(..)
            | Ty::Fragment(..)
            | Ty::Unit
            | Ty::Tuple(_)
            | Ty::Array(..)
            | Ty::Struct(_) => false,
        };
        if !fits {
            let (symbol, shown) = (op.symbol(), self.show(ty));
            let help = match self.vars.shallow(ty) {
                Ty::Scalar(scalar) if scalar.is_narrow() => NARROW,
                Ty::Scalar(scalar) if scalar.is_pair() => PAIR,
                Ty::Scalar(scalar) if scalar.is_nibbles() => NIBBLES,
                Ty::Scalar(scalar) if scalar.is_float() => "use `to_bits` to work on the bits",
                Ty::Scalar(_) => "convert it first: `.. as u32`",
                _ => "apply it to each part",
            };
            let message = format!("{shown} does not have the operator `{symbol}`");
            self.error(Code::BadOperator, at, message, help);
        } else if matches!(op, BinOp::Div | BinOp::Rem)
            && let ExprKind::Lit(Lit::Int(0, None)) = right.kind
            && matches!(self.vars.shallow(ty), Ty::Scalar(scalar) if scalar.is_int())
        {
            self.error(Code::BadConstant, at, "division by zero", "use another divisor");
        }
    }

    fn check_unary(&mut self, op: UnOp, ty: &Ty, at: SpanRange) {
        let (symbol, fits) = match (op, self.vars.shallow(ty)) {
            (_, Ty::Error | Ty::Var(_) | Ty::Never) => return,
            (UnOp::Neg, Ty::Scalar(scalar)) => ("-", scalar.is_signed() || scalar.is_pair()),
            (UnOp::Not, Ty::Scalar(scalar)) => ("!", !scalar.is_real() && !scalar.is_packed()),
            (UnOp::Neg, _) => ("-", false),
            (UnOp::Not, _) => ("!", false),
        };
        if !fits {
            let help = match op {
                _ if matches!(self.vars.shallow(ty), Ty::Scalar(it) if it.is_narrow()) => NARROW,
                _ if matches!(self.vars.shallow(ty), Ty::Scalar(it) if it.is_pair()) => PAIR,
                UnOp::Neg => "convert it to a signed type, or use `wrapping_neg`",
                UnOp::Not => "use `-` for the opposite number",
            };
            let message = format!("{} does not have the operator `{symbol}`", self.show(ty));
            self.error(Code::BadOperator, at, message, help);
        }
    }

    fn check_cast(&mut self, from: &Ty, to: &Ty, at: SpanRange) {
        let (from, to) = match (self.vars.shallow(from), self.vars.shallow(to)) {
            (Ty::Error | Ty::Var(_) | Ty::Never, _) | (_, Ty::Error | Ty::Var(_)) => return,
            (Ty::Scalar(from), Ty::Scalar(to)) => (from, to),
            (from, to) => {
                let message = format!("no cast from {} to {}", self.show(&from), self.show(&to));
                self.error(Code::BadCast, at, message, "only scalars can be cast");
                return;
            }
        };
        if from != to && (from.is_packed() || to.is_packed()) {
            let message = format!("no cast from `{from}` to `{to}`");
            let help = match from.is_nibbles() || to.is_nibbles() {
                true => "use `from_bits` and `to_bits`",
                false => {
                    "a pair is made by `new` or `from_f32`, and read by `lo`, `hi` or `to_f32`"
                }
            };
            self.error(Code::BadCast, at, message, help);
        } else if to == Scalar::Bool && from != Scalar::Bool {
            let message = format!("no cast from `{from}` to `bool`");
            self.error(Code::BadCast, at, message, "compare it: `x != 0`");
        } else if from == Scalar::Bool && to.is_real() {
            let message = format!("no cast from `bool` to `{to}`");
            let help = format!("cast it to an integer first: `x as u32 as {to}`");
            self.error(Code::BadCast, at, message, help);
        } else if from != to {
            self.check_conversion(from, to, at);
        }
    }

    /// Floats of 8 bits are converted by an instruction that older machines do not have.
    fn check_conversion(&mut self, from: Scalar, to: Scalar, at: SpanRange) {
        if let Some(narrow) = [from, to].into_iter().find(|ty| ty.is_narrow()) {
            self.check_narrow(&Ty::Scalar(narrow), "a conversion of", at);
        }
    }

    /// Reports what does more with a float of 8 bits than the kernel's machine can.
    fn check_narrow(&mut self, ty: &Ty, what: &str, at: SpanRange) {
        if let Ty::Scalar(scalar) = self.vars.shallow(ty)
            && scalar.is_narrow()
            && self.ast.signature.options.sm < NARROW_SM
        {
            self.needs_arch(&format!("{what} `{scalar}`"), NARROW_SM, at);
        }
    }

    /// The conversions that Rust has as `From`, and those from and to the short floats.
    fn check_from(&mut self, from: &Ty, to: Scalar, at: SpanRange) {
        let from = match self.vars.shallow(from) {
            Ty::Scalar(from) => from,
            Ty::Error | Ty::Var(_) | Ty::Never => return,
            Ty::Vector(..)
            | Ty::Fragment(..)
            | Ty::Unit
            | Ty::Tuple(_)
            | Ty::Array(..)
            | Ty::Struct(_) => {
                let message = format!("no `{to}` from {}", self.show(from));
                self.error(Code::BadCast, at, message, "only scalars can be converted");
                return;
            }
        };
        if !is_lossless(from, to) {
            let message = format!("`{to}::from` does not take `{from}`: it may lose something");
            self.error(Code::BadCast, at, message, format!("write `.. as {to}`"));
        } else if from != to {
            self.check_conversion(from, to, at);
        }
    }

    fn check_index(&mut self, index: &'a Expr, ty: &Ty, of: Indexed, at: SpanRange) {
        match self.vars.shallow(ty) {
            Ty::Scalar(scalar) if scalar.is_int() => {}
            Ty::Error | Ty::Var(_) | Ty::Never => return,
            _ => {
                let message = format!("an index is an integer, not {}", self.show(ty));
                self.error(Code::BadIndex, at, message, "convert it: `.. as u32`");
                return;
            }
        }
        let Some(value) = self.constant(index) else { return };
        let (what, len) = match of {
            Indexed::Unbounded if value.as_int() < 0 => ("a slice", None),
            Indexed::Unbounded => return,
            Indexed::Shared(len) => ("a shared array", Some(len)),
            Indexed::Register(len) => ("an array", Some(len)),
        };
        let in_bounds = len.is_none_or(|len| value.as_int() < i128::from(len));
        if value.as_int() < 0 || !in_bounds {
            let of = len.map(|len| format!(" of {len}")).unwrap_or_default();
            let message = format!("index {} is outside of {what}{of}", value.as_int());
            self.error(Code::BadLength, at, message, "use an index from 0 on, below the length");
        }
    }

    /// The value of an index that is plainly constant.
    fn constant(&mut self, expr: &'a Expr) -> Option<Value> {
        let plain = match &expr.kind {
            ExprKind::Lit(_) | ExprKind::Const(..) => true,
            ExprKind::Unary(_, _, inner) => matches!(inner.kind, ExprKind::Lit(_)),
            _ => false,
        };
        if !plain {
            return None;
        }
        match consteval::eval(self, expr) {
            Ok(Constant::Scalar(value)) => Some(value),
            Ok(Constant::Tuple(_) | Constant::Array(_)) | Err(_) => None,
        }
    }

    fn check_literal(&mut self, lit: &Lit, ty: &Ty, negative: bool, at: SpanRange) {
        let Ty::Scalar(ty) = self.vars.shallow(ty) else { return };
        // The sign of an unsigned type is reported as an operator.
        if negative && !ty.is_signed() || literal(lit, ty, negative).is_some() {
            return;
        }
        let help = if ty.is_int() {
            let (low, high) = ty.int_range();
            format!("`{ty}` holds {low} to {high}")
        } else {
            format!("it is too large for `{ty}`")
        };
        let message = format!("the literal does not fit `{ty}`");
        self.error(Code::LiteralOutOfRange, at, message, help);
    }

    /// Both types have fixed sizes, and the elements fill a shared array.
    fn check_view(&mut self, id: ViewId) {
        let decl = &self.ast.views[id.0];
        let (from, _) = self.memory(decl.of);
        let (to, _) = self.memory(Memory::View(id));
        let name = &decl.of_ident;
        let (from, to) = match (self.vars.shallow(&from), self.vars.shallow(&to)) {
            (Ty::Scalar(from), Ty::Scalar(to)) => (from, to),
            (Ty::Struct(_), _) => {
                let message =
                    format!("`cast_slice` wants scalars, and those of `{name}` are structs");
                self.error(Code::BadArgument, decl.span, message, "read the fields instead");
                return;
            }
            _ => return,
        };
        if let Some(bad) = [from, to].into_iter().find(|ty| !Class::Lane.contains(*ty)) {
            let message = format!("`cast_slice` wants {}, not `{bad}`", Class::Lane.words());
            self.error(Code::BadArgument, decl.span, message, "use a type such as `u32`");
        } else if let Some(bytes) = self.shared_bytes_of(decl.of)
            && !bytes.is_multiple_of(to.bytes())
        {
            let message =
                format!("`{name}` has {bytes} bytes, no multiple of the {} of `{to}`", to.bytes());
            let help = "make the array longer, or the elements smaller";
            self.error(Code::BadLength, decl.span, message, help);
        }
    }

    /// The bytes of a memory that is a static shared array or a view of one.
    fn shared_bytes_of(&mut self, memory: Memory) -> Option<u32> {
        match memory {
            Memory::Slice(_) => None,
            Memory::View(id) => self.shared_bytes_of(self.ast.views[id.0].of),
            Memory::Shared(id) => {
                let len = self.ast.shared[id.0].len.and_then(|len| self.length(len))?;
                let (elem, _) = self.memory(memory);
                match self.vars.shallow(&elem) {
                    Ty::Scalar(elem) => len.checked_mul(elem.bytes()),
                    _ => None,
                }
            }
        }
    }

    fn check_vector(&mut self, elem: &Ty, lanes: u32, at: SpanRange) {
        let Ty::Scalar(elem) = self.vars.shallow(elem) else { return };
        let is_pair = lanes == 2 && elem.pair().is_some();
        if Vector::new(elem, lanes).is_none() && !is_pair {
            let message = format!("there is no vector of {lanes} `{elem}`");
            let help = "a vector has 2, 4, 8 or 16 lanes and at most 32 bytes";
            self.error(Code::BadArgument, at, message, help);
        } else if lanes * elem.bytes() > 16 && self.ast.signature.options.sm < WIDE_SM {
            self.needs_arch(&format!("an access of {lanes} `{elem}`"), WIDE_SM, at);
        }
    }
}

/// What to do with a float of 8 bits.
const NARROW: &str = "convert it first: `.. as f32`";
/// What to do with integers of 4 bits.
const NIBBLES: &str = "use `to_bits` to work on the bits";
/// What to do with a pair.
const PAIR: &str = "apply it to each half, `x.lo()` and `x.hi()`";
/// The lowest architecture that moves 32 bytes at once.
const WIDE_SM: u32 = 100;
/// The lowest architecture that converts and multiplies floats of 8 bits.
const NARROW_SM: u32 = 89;

/// Rust's `From` between numbers, extended to the short floats.
fn is_lossless(from: Scalar, to: Scalar) -> bool {
    let mantissa = |ty| match ty {
        Scalar::E4m3 => 4,
        Scalar::E5m2 => 3,
        Scalar::F16 => 11,
        Scalar::Bf16 => 8,
        Scalar::F32 => 24,
        _ => 53,
    };
    if from == to {
        return true;
    }
    match (from, to) {
        (from, to) if from.is_packed() || to.is_packed() => false,
        (Scalar::Bool, to) => to.is_int(),
        // Of the types whose size Rust leaves open, only these.
        (from, Scalar::Usize) => matches!(from, Scalar::U8 | Scalar::U16),
        (from, Scalar::Isize) => matches!(from, Scalar::U8 | Scalar::I8 | Scalar::I16),
        (Scalar::Usize | Scalar::Isize, _) | (_, Scalar::Bool) => false,
        (from, to) if from.is_int() && to.is_int() => {
            let room = to.bits() - u32::from(to.is_signed());
            let need = from.bits() - u32::from(from.is_signed());
            room >= need && (to.is_signed() || !from.is_signed())
        }
        (from, to) if from.is_int() => {
            from.bits() - u32::from(from.is_signed()) <= mantissa(to) && to != Scalar::Bf16
        }
        (from, to) if to.is_float() => from.bytes() < to.bytes() && mantissa(from) <= mantissa(to),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_without_loss() {
        assert!(is_lossless(Scalar::U8, Scalar::I16) && !is_lossless(Scalar::I8, Scalar::U16));
        assert!(is_lossless(Scalar::U16, Scalar::F32) && !is_lossless(Scalar::U32, Scalar::F32));
        assert!(is_lossless(Scalar::I32, Scalar::F64) && !is_lossless(Scalar::F64, Scalar::F32));
        assert!(is_lossless(Scalar::E4m3, Scalar::F16) && is_lossless(Scalar::E5m2, Scalar::Bf16));
        assert!(!is_lossless(Scalar::U8, Scalar::E4m3) && !is_lossless(Scalar::E4m3, Scalar::E5m2));
        assert!(is_lossless(Scalar::Bf16, Scalar::F32) && !is_lossless(Scalar::Bf16, Scalar::F16));
        assert!(!is_lossless(Scalar::U32, Scalar::Usize));
    }
}
