//! Numbers of PTX. PTX ISA, "Constants".

use crate::ty::Ty;

/// A floating point constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Float {
    /// `0f` and 8 hexadecimal digits.
    Single(u32),
    /// `0d` and 16 hexadecimal digits, or a decimal number.
    Double(u64),
}

impl Float {
    /// The bits of an initial value of type `ty`: a double only if the type has 64 bits.
    pub(super) fn bits_as(self, ty: Ty, negative: bool) -> u64 {
        let sign = |bit: u32| if negative { 1 << bit } else { 0 };
        match self {
            Self::Single(bits) if ty == Ty::F64 => {
                f64::from(f32::from_bits(bits)).to_bits() ^ sign(63)
            }
            Self::Single(bits) => u64::from(bits) ^ sign(31),
            Self::Double(bits) if ty.bits() == 64 => bits ^ sign(63),
            #[allow(clippy::cast_possible_truncation, reason = "rounds to the type")]
            Self::Double(bits) => u64::from((f64::from_bits(bits) as f32).to_bits()) ^ sign(31),
        }
    }
}

/// `0f…`, `0d…` or a decimal number with a point.
pub(super) fn float(word: &str) -> Option<Float> {
    let hex = |prefix: [&str; 2], digits: usize| {
        let rest = word.strip_prefix(prefix[0]).or_else(|| word.strip_prefix(prefix[1]))?;
        (rest.len() == digits).then(|| u64::from_str_radix(rest, 16).ok())?
    };
    if let Some(bits) = hex(["0f", "0F"], 8) {
        return u32::try_from(bits).ok().map(Float::Single);
    }
    if let Some(bits) = hex(["0d", "0D"], 16) {
        return Some(Float::Double(bits));
    }
    let decimal = word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
    decimal.then(|| word.parse().ok().map(|value: f64| Float::Double(value.to_bits())))?
}

/// Decimal, `0x`, `0b` or octal, with an optional `U`. Values above `i64::MAX` wrap.
pub(super) fn integer(word: &str) -> Option<i64> {
    let digits = word.strip_suffix(['U', 'u']).unwrap_or(word);
    let lower = digits.to_ascii_lowercase();
    let (digits, radix) = if let Some(hex) = lower.strip_prefix("0x") {
        (hex, 16)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        (binary, 2)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (&lower[1..], 8)
    } else {
        (lower.as_str(), 10)
    };
    u64::from_str_radix(digits, radix).ok().map(u64::cast_signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_each_radix() {
        assert_eq!(integer("0x1F"), Some(31));
        assert_eq!(integer("0b101U"), Some(5));
        assert_eq!(integer("017"), Some(15));
        assert_eq!(integer("18446744073709551615"), Some(-1));
        assert_eq!(integer("12x"), None);
        assert_eq!(float("0f3F800000"), Some(Float::Single(0x3F80_0000)));
        assert_eq!(float("1.5"), Some(Float::Double(1.5f64.to_bits())));
        assert_eq!(float("0f3F8"), None);
    }
}
