//! Literals of a known type.

use crate::ast::Lit;
use crate::value::{Scalar, Value};

/// The value of a literal of this type, or of its negation; `None` if it does not fit.
///
/// A float too large for its type is no literal of it either, as in Rust.
pub fn literal(lit: &Lit, ty: Scalar, negative: bool) -> Option<Value> {
    match lit {
        Lit::Bool(value) => (ty == Scalar::Bool).then(|| Value::bool(*value)),
        Lit::Int(digits, _) if ty.is_int() => {
            let value = i128::try_from(*digits).ok()?;
            let value = if negative { -value } else { value };
            let (low, high) = ty.int_range();
            (low..=high).contains(&value).then(|| Value::int(ty, value))
        }
        Lit::Int(digits, _) => float(&digits.to_string(), ty, negative),
        Lit::Float(digits, _) => float(digits, ty, negative),
    }
}

/// Parsed in the type itself where Rust can, so that it is rounded once.
fn float(digits: &str, ty: Scalar, negative: bool) -> Option<Value> {
    let value = match ty {
        Scalar::F32 => {
            let value: f32 = digits.parse().ok()?;
            Value::from_bits(ty, u64::from(value.to_bits()))
        }
        Scalar::F16 | Scalar::Bf16 | Scalar::F64 => Value::float(ty, digits.parse().ok()?),
        _ => return None,
    };
    let value = if negative { value.unary(crate::value::UnOp::Neg)? } else { value };
    value.as_f64().is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_fit_or_not() {
        let int = |digits| Lit::Int(digits, None);
        assert_eq!(literal(&int(128), Scalar::I8, true), Some(Value::int(Scalar::I8, -128)));
        assert_eq!(literal(&int(128), Scalar::I8, false), None);
        assert_eq!(literal(&int(1), Scalar::U8, true), None);
        assert_eq!(literal(&Lit::Bool(true), Scalar::U8, false), None);
        let float = |digits: &str| Lit::Float(digits.to_owned(), None);
        assert_eq!(literal(&float("1e40"), Scalar::F32, false), None);
        let tenth = literal(&float("0.1"), Scalar::F32, true).unwrap();
        assert_eq!(tenth.bits(), u64::from((-0.1_f32).to_bits()));
    }
}
