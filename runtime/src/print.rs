//! Prints of kernels: from the words of the log to lines of text.
//!
//! The format strings are a part of Rust's: `{}` takes the next value, with an optional
//! specification after a colon, `[fill][<^>][+][#][0][width][.precision][kind]`, where the kind is
//! nothing, `?`, `x`, `X`, `o`, `b` or `e`. `{{` and `}}` are braces. Where a kernel's
//! format string is not one of these, the text is left as it is.

use std::fmt::Write;

use firesteel_ptx::channel as layout;
use half::{bf16, f16};

use crate::expansion::{KernelDef, PrintArg, SiteKind};
use crate::narrow::{e4m3, e5m2};

/// The lines in the log, and how many words they took.
///
/// Records are as long as their site says; a kernel number of 0 marks the end, see
/// [`layout`](firesteel_ptx::channel).
pub(crate) fn decode(
    words: &[u32],
    kernel: impl Fn(u32) -> Option<&'static KernelDef>,
) -> (Vec<String>, u32) {
    let mut lines = Vec::new();
    let mut at = 0;
    while let Some((line, length)) = words.get(at..).and_then(|rest| record(rest, &kernel)) {
        lines.push(line);
        at += length;
    }
    (lines, at as u32)
}

fn record(
    words: &[u32],
    kernel: impl Fn(u32) -> Option<&'static KernelDef>,
) -> Option<(String, usize)> {
    let kernel = kernel(*words.get(layout::PRINT_KERNEL_WORD as usize)?)?;
    let site = kernel.sites().get(*words.get(layout::PRINT_SITE_WORD as usize)? as usize)?;
    let SiteKind::Print { format, args } = site.kind else { return None };
    let length = layout::print_record_words(args.len() as u32) as usize;
    let values = words.get(layout::PRINT_HEADER_WORDS as usize..length)?;
    let values = values.chunks_exact(2).map(|it| u64::from(it[0]) | u64::from(it[1]) << 32);
    Some((render(format, args.iter().copied().zip(values)), length))
}

/// Puts values into a format string.
fn render(format: &str, mut values: impl Iterator<Item = (PrintArg, u64)>) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
            continue;
        }
        let inside = rest.split_once('}').filter(|_| brace == "{");
        let Some((spec, after)) = inside else {
            out.push_str(brace);
            continue;
        };
        match (Spec::parse(spec), values.next()) {
            (Some(spec), Some(value)) => spec.write(&mut out, value),
            (Some(_), None) | (None, _) => {
                let _ = write!(out, "{{{spec}}}");
            }
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What stands between the braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spec {
    fill: char,
    align: Option<Align>,
    plus: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Centre,
    Right,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Display,
    Debug,
    LowerHex,
    UpperHex,
    Octal,
    Binary,
    Exponent,
}

impl Spec {
    fn parse(text: &str) -> Option<Self> {
        let text = match text {
            "" => "",
            text => text.strip_prefix(':')?,
        };
        let mut rest = text.chars().peekable();
        let (fill, align) = alignment(&mut rest);
        let plus = rest.next_if_eq(&'+').is_some();
        let alternate = rest.next_if_eq(&'#').is_some();
        let zero = rest.next_if_eq(&'0').is_some();
        let width = number(&mut rest).unwrap_or(0);
        let precision = match rest.next_if_eq(&'.') {
            Some(_) => Some(number(&mut rest)?),
            None => None,
        };
        let kind = match rest.collect::<String>().as_str() {
            "" => Kind::Display,
            "?" => Kind::Debug,
            "x" => Kind::LowerHex,
            "X" => Kind::UpperHex,
            "o" => Kind::Octal,
            "b" => Kind::Binary,
            "e" => Kind::Exponent,
            _ => return None,
        };
        Some(Self { fill, align, plus, alternate, zero, width, precision, kind })
    }

    /// Writes one value, padded.
    fn write(self, out: &mut String, (ty, bits): (PrintArg, u64)) {
        let text = self.body(ty, bits);
        let missing = self.width.saturating_sub(text.chars().count());
        let number = ty != PrintArg::Bool;
        if self.zero && number {
            let digits = text.find(|c: char| c.is_ascii_alphanumeric()).unwrap_or(0);
            let digits = digits + if self.alternate { prefix(self.kind).len() } else { 0 };
            out.push_str(&text[..digits]);
            out.extend(std::iter::repeat_n('0', missing));
            out.push_str(&text[digits..]);
            return;
        }
        let left = match self.align {
            Some(Align::Left) => 0,
            Some(Align::Centre) => missing / 2,
            Some(Align::Right) => missing,
            None if number => missing,
            None => 0,
        };
        out.extend(std::iter::repeat_n(self.fill, left));
        out.push_str(&text);
        out.extend(std::iter::repeat_n(self.fill, missing - left));
    }

    /// The value without padding.
    fn body(self, ty: PrintArg, bits: u64) -> String {
        let text = match ty {
            PrintArg::Bool => (bits as u8 != 0).to_string(),
            PrintArg::U8 => self.integer(u64::from(bits as u8), (bits as u8).into()),
            PrintArg::U16 => self.integer(u64::from(bits as u16), (bits as u16).into()),
            PrintArg::U32 => self.integer(u64::from(bits as u32), (bits as u32).into()),
            PrintArg::U64 | PrintArg::Usize => self.integer(bits, bits.into()),
            PrintArg::I8 => self.integer(u64::from(bits as u8), (bits as i8).into()),
            PrintArg::I16 => self.integer(u64::from(bits as u16), (bits as i16).into()),
            PrintArg::I32 => self.integer(u64::from(bits as u32), (bits as i32).into()),
            PrintArg::I64 | PrintArg::Isize => self.integer(bits, (bits as i64).into()),
            PrintArg::E4m3 => self.float(e4m3::from_bits(bits as u8).to_f32()),
            PrintArg::E5m2 => self.float(e5m2::from_bits(bits as u8).to_f32()),
            PrintArg::F16 => self.float(f16::from_bits(bits as u16).to_f32()),
            PrintArg::Bf16 => self.float(bf16::from_bits(bits as u16).to_f32()),
            PrintArg::F32 => self.float(f32::from_bits(bits as u32)),
            PrintArg::F64 => self.float(f64::from_bits(bits)),
        };
        let signed = text.starts_with('-') || ty == PrintArg::Bool;
        if self.plus && !signed { format!("+{text}") } else { text }
    }

    /// `bits` for the kinds that show bits, as Rust does for signed types, `value` for the others.
    fn integer(self, bits: u64, value: i128) -> String {
        let prefix = if self.alternate { prefix(self.kind) } else { "" };
        match self.kind {
            Kind::Display | Kind::Debug => value.to_string(),
            Kind::LowerHex => format!("{prefix}{bits:x}"),
            Kind::UpperHex => format!("{prefix}{bits:X}"),
            Kind::Octal => format!("{prefix}{bits:o}"),
            Kind::Binary => format!("{prefix}{bits:b}"),
            Kind::Exponent => format!("{value:e}"),
        }
    }

    fn float<F: std::fmt::Display + std::fmt::Debug + std::fmt::LowerExp>(
        self,
        value: F,
    ) -> String {
        match (self.kind, self.precision) {
            (Kind::Exponent, Some(digits)) => format!("{value:.digits$e}"),
            (Kind::Exponent, None) => format!("{value:e}"),
            (Kind::Debug, None) => format!("{value:?}"),
            (_, Some(digits)) => format!("{value:.digits$}"),
            (_, None) => format!("{value}"),
        }
    }
}

fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::LowerHex | Kind::UpperHex => "0x",
        Kind::Octal => "0o",
        Kind::Binary => "0b",
        Kind::Display | Kind::Debug | Kind::Exponent => "",
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn alignment(rest: &mut Chars<'_>) -> (char, Option<Align>) {
    let align = |c: Option<char>| match c? {
        '<' => Some(Align::Left),
        '^' => Some(Align::Centre),
        '>' => Some(Align::Right),
        _ => None,
    };
    let mut ahead = rest.clone();
    let first = ahead.next();
    if let (Some(fill), Some(side)) = (first, align(ahead.next())) {
        *rest = ahead;
        return (fill, Some(side));
    }
    match align(first) {
        Some(side) => {
            rest.next();
            (' ', Some(side))
        }
        None => (' ', None),
    }
}

fn number(rest: &mut Chars<'_>) -> Option<usize> {
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(format: &str, ty: PrintArg, bits: u64) -> String {
        render(format, [(ty, bits)].into_iter())
    }

    /// Formats with Rust and with ours, and compares.
    macro_rules! same_as_rust {
        ($ty:ident, $value:expr, $bits:expr; $($format:literal)*) => { $(
            assert_eq!(one($format, PrintArg::$ty, $bits), format!($format, $value), "{}", $format);
        )* };
    }

    #[test]
    fn values_read_as_rust_formats_them() {
        same_as_rust!(I32, -42i32, -42i32 as u32 as u64;
            "{}" "{:?}" "{:x}" "{:#X}" "{:b}" "{:6}" "{:<6}|" "{:^7}|" "{:*>8}" "{:06}" "{:+}" "{{{}}}");
        same_as_rust!(U8, 200u8, 200; "{:o}" "{:#010b}" "{:+}" "{:>4}" "{:x}");
        same_as_rust!(I64, i64::MIN, i64::MIN as u64; "{}" "{:x}" "{:e}");
        same_as_rust!(F32, 0.1f32, 0.1f32.to_bits().into();
            "{}" "{:?}" "{:.3}" "{:8.2}" "{:08.2}" "{:e}" "{:.2e}" "{:+}" "{:<9.1}|");
        same_as_rust!(F64, -1e300, (-1e300f64).to_bits(); "{:e}" "{:?}" "{:.0}");
        same_as_rust!(F32, f32::NAN, f32::NAN.to_bits().into(); "{}" "{:5}");
        same_as_rust!(Bool, true, 1; "{}" "{:?}" "{:6}|" "{:>6}");
        same_as_rust!(F16, 1.5f32, f16::from_f32(1.5).to_bits().into(); "{}" "{:?}");
    }

    #[test]
    fn odd_formats_are_left_as_they_are() {
        assert_eq!(one("{:q}", PrintArg::U32, 1), "{:q}");
        assert_eq!(one("{", PrintArg::U32, 1), "{");
        assert_eq!(one("{} {}", PrintArg::U32, 1), "1 {}");
        assert_eq!(one("é{}ü", PrintArg::U32, 1), "é1ü");
    }

    #[test]
    fn an_unwritten_record_ends_the_log() {
        assert_eq!(decode(&[0; 32], |_| None), (Vec::new(), 0));
        assert_eq!(decode(&[], |_| None), (Vec::new(), 0));
    }
}
