//! Results read from an H200, compared bit for bit; those of `.approx` within PTX's error.
//!
//! Each line of `tests/golden/instructions/h200.txt` is `op operands = result`, all in hexadecimal: low bits of 64.

use super::bits::{self, Beyond, Prmt};
use super::convert::{self, Cvt, IntType};
use super::int::Int;
use super::narrow::{Narrow, NarrowMode};
use super::single::MinMax;
use super::soft::{self, Format};
use super::{Class, Compare, Mode, Rounding, approx, dot, double, int, single};

/// The parts of an instruction's name.
struct Op<'a> {
    head: &'a str,
    parts: Vec<&'a str>,
}

impl<'a> Op<'a> {
    fn parse(name: &'a str) -> Op<'a> {
        let mut parts = name.split('.');
        let head = parts.next().expect("a name");
        Op { head, parts: parts.collect() }
    }

    fn has(&self, part: &str) -> bool {
        self.parts.contains(&part)
    }

    fn ty(&self) -> &'a str {
        self.parts.last().expect("a type")
    }

    fn round(&self) -> Rounding {
        let of = |part: &&str| match part.trim_end_matches('i') {
            "rn" => Some(Rounding::Nearest),
            "rz" => Some(Rounding::Zero),
            "rm" => Some(Rounding::Down),
            "rp" => Some(Rounding::Up),
            "rna" => Some(Rounding::NearestAway),
            _ => None,
        };
        self.parts.iter().find_map(of).unwrap_or(Rounding::Nearest)
    }

    fn mode(&self) -> Mode {
        Mode { round: self.round(), ftz: self.has("ftz"), sat: self.has("sat") }
    }

    fn min_max(&self) -> MinMax {
        MinMax { ftz: self.has("ftz"), nan: self.has("NaN"), xorsign_abs: self.has("xorsign") }
    }

    fn compare(&self) -> Compare {
        use Compare as C;
        match self.parts[0] {
            "eq" => C::Eq,
            "ne" => C::Ne,
            "lt" => C::Lt,
            "le" => C::Le,
            "gt" => C::Gt,
            "ge" => C::Ge,
            "equ" => C::Equ,
            "neu" => C::Neu,
            "ltu" => C::Ltu,
            "leu" => C::Leu,
            "gtu" => C::Gtu,
            "geu" => C::Geu,
            "num" => C::Num,
            _ => C::Nan,
        }
    }

    fn class(&self) -> Class {
        match self.parts[0] {
            "finite" => Class::Finite,
            "infinite" => Class::Infinite,
            "number" => Class::Number,
            "notanumber" => Class::NotANumber,
            "normal" => Class::Normal,
            _ => Class::Subnormal,
        }
    }

    fn beyond(&self) -> Beyond {
        if self.has("clamp") { Beyond::Clamp } else { Beyond::Wrap }
    }

    fn signed(&self) -> bool {
        self.ty().starts_with('s')
    }

    fn bits(&self) -> u32 {
        self.ty()[1..].parse().expect("a width")
    }

    fn evaluate(&self, a: &[u64]) -> u64 {
        match self.ty() {
            _ if self.head == "cvt" => self.convert(a),
            _ if self.has("approx") || self.has("full") => self.approximate(a),
            "f32" => self.single(a),
            "f64" => self.double(a),
            "f16" => self.narrow(Narrow::F16, a).into(),
            "bf16" => self.narrow(Narrow::Bf16, a).into(),
            _ => self.integer(a),
        }
    }

    fn single(&self, a: &[u64]) -> u64 {
        let (mode, ftz) = (self.mode(), self.has("ftz"));
        let a: Vec<u32> = a.iter().map(|it| *it as u32).collect();
        let r = match self.head {
            "add" => single::add(a[0], a[1], mode),
            "sub" => single::sub(a[0], a[1], mode),
            "mul" => single::mul(a[0], a[1], mode),
            "fma" => single::fma(a[0], a[1], a[2], mode),
            "div" => single::div(a[0], a[1], mode),
            "sqrt" => single::sqrt(a[0], mode),
            "rcp" => single::rcp(a[0], mode),
            "min" => single::min(a[0], a[1], self.min_max()),
            "max" => single::max(a[0], a[1], self.min_max()),
            "copysign" => single::copysign(a[0], a[1]),
            "neg" => single::neg(a[0], ftz),
            "abs" => single::abs(a[0], ftz),
            "testp" => single::test(self.class(), a[0]).into(),
            "setp" => single::compare(self.compare(), a[0], a[1], ftz).into(),
            other => panic!("{other}"),
        };
        r.into()
    }

    fn double(&self, a: &[u64]) -> u64 {
        let round = self.round();
        match self.head {
            "add" => double::add(a[0], a[1], round),
            "mul" => double::mul(a[0], a[1], round),
            "fma" => double::fma(a[0], a[1], a[2], round),
            "div" => double::div(a[0], a[1], round),
            "sqrt" => double::sqrt(a[0], round),
            "rcp" => double::rcp(a[0], round),
            "min" => double::min(a[0], a[1]),
            "max" => double::max(a[0], a[1]),
            "neg" => double::neg(a[0]),
            "abs" => double::abs(a[0]),
            "testp" => double::test(self.class(), a[0]).into(),
            other => panic!("{other}"),
        }
    }

    fn narrow(&self, format: Narrow, a: &[u64]) -> u16 {
        let ftz = self.has("ftz");
        let mode = NarrowMode { ftz, sat: self.has("sat"), relu: self.has("relu") };
        let a: Vec<u16> = a.iter().map(|it| *it as u16).collect();
        match self.head {
            "add" => format.add(a[0], a[1], mode),
            "sub" => format.sub(a[0], a[1], mode),
            "mul" => format.mul(a[0], a[1], mode),
            "fma" => format.fma(a[0], a[1], a[2], mode),
            "min" => format.min(a[0], a[1], self.min_max()),
            "max" => format.max(a[0], a[1], self.min_max()),
            "neg" => format.neg(a[0], ftz),
            "abs" => format.abs(a[0], ftz),
            other => panic!("{other}"),
        }
    }

    fn convert(&self, a: &[u64]) -> u64 {
        let n = self.parts.len();
        if self.has("pack") {
            let to = int_type(self.parts[2]).expect("an integer");
            let c = a.get(2).map_or(0, |it| *it as u32);
            return convert::pack_int(a[0] as i32, a[1] as i32, c, to).into();
        }
        let (to, from) = (self.parts[n - 2], self.parts[n - 1]);
        let cvt = Cvt {
            round: self.round(),
            ftz: self.has("ftz"),
            sat: self.has("sat"),
            relu: self.has("relu"),
            satfinite: self.has("satfinite"),
        };
        match (to, from) {
            ("f16x2" | "bf16x2", "f32") => {
                convert::pack_f32x2(a[0] as u32, a[1] as u32, format(&to[..to.len() - 2]), cvt)
                    .into()
            }
            ("e4m3x2" | "e5m2x2", "f32") => {
                convert::pack_fp8x2(a[0] as u32, a[1] as u32, format(to), cvt.relu).into()
            }
            ("e4m3x2" | "e5m2x2", _) => {
                convert::fp8x2_from_f16x2(a[0] as u32, format(to), cvt.relu).into()
            }
            (_, "e4m3x2" | "e5m2x2") => {
                convert::fp8x2_to_f16x2(a[0] as u16, format(from), cvt.relu).into()
            }
            _ => match (int_type(to), int_type(from)) {
                (Some(to), Some(from)) => convert::int_to_int(a[0], from, to, cvt.sat),
                (Some(to), None) => convert::float_to_int(a[0], format(from), to, cvt),
                (None, Some(from)) => convert::int_to_float(a[0], from, format(to), cvt),
                (None, None) if to == from && self.parts.iter().any(|it| it.ends_with('i')) => {
                    convert::float_to_integral(a[0], format(from), cvt)
                }
                (None, None) => convert::float_to_float(a[0], format(from), format(to), cvt),
            },
        }
    }

    fn approximate(&self, a: &[u64]) -> u64 {
        let (ftz, x) = (self.has("ftz"), a[0] as u32);
        let y = a.get(1).map_or(0, |it| *it as u32);
        match (self.head, self.ty()) {
            ("ex2", "f32") => approx::ex2(x, ftz).into(),
            ("lg2", _) => approx::lg2(x, ftz).into(),
            ("sin", _) => approx::sin(x, ftz).into(),
            ("cos", _) => approx::cos(x, ftz).into(),
            ("rcp", "f32") => approx::rcp(x, ftz).into(),
            ("rsqrt", "f32") => approx::rsqrt(x, ftz).into(),
            ("sqrt", _) => approx::sqrt(x, ftz).into(),
            ("div", _) if self.has("full") => approx::div_full(x, y, ftz).into(),
            ("div", _) => approx::div(x, y, ftz).into(),
            ("tanh", "f32") => approx::tanh(x).into(),
            ("ex2", "f16") => approx::ex2_narrow(Narrow::F16, x as u16).into(),
            ("ex2", _) => approx::ex2_narrow(Narrow::Bf16, x as u16).into(),
            ("tanh", "f16") => approx::tanh_narrow(Narrow::F16, x as u16).into(),
            ("tanh", _) => approx::tanh_narrow(Narrow::Bf16, x as u16).into(),
            ("rcp", _) => approx::rcp_f64(a[0]),
            (_, _) => approx::rsqrt_f64(a[0], ftz),
        }
    }

    fn integer(&self, a: &[u64]) -> u64 {
        match self.head {
            "shl" => bits::shl(a[0], a[1] as u32, self.bits()),
            "shr" if self.signed() => bits::shr_signed(a[0], a[1] as u32, self.bits()),
            "shr" => bits::shr(a[0], a[1] as u32, self.bits()),
            "bfe" => bits::bfe(a[0], a[1] as u32, a[2] as u32, self.bits(), self.signed()),
            "bfi" => bits::bfi(a[0], a[1], a[2] as u32, a[3] as u32, self.bits()),
            "bfind" => {
                let shiftamt = self.has("shiftamt");
                bits::bfind(a[0], self.bits(), self.signed(), shiftamt).into()
            }
            "clz" => bits::clz(a[0], self.bits()).into(),
            "popc" => bits::popc(a[0], self.bits()).into(),
            "brev" => bits::brev(a[0], self.bits()),
            "shf" | "bmsk" | "szext" | "prmt" | "lop3" | "fns" | "dp4a" | "dp2a" => {
                let a: Vec<u32> = a.iter().map(|it| *it as u32).collect();
                self.word(&a).into()
            }
            _ => match (self.bits(), self.signed()) {
                (16, false) => self.arithmetic::<u16>(a),
                (16, true) => self.arithmetic::<i16>(a),
                (32, false) => self.arithmetic::<u32>(a),
                (32, true) => self.arithmetic::<i32>(a),
                (_, false) => self.arithmetic::<u64>(a),
                (_, true) => self.arithmetic::<i64>(a),
            },
        }
    }

    fn word(&self, a: &[u32]) -> u32 {
        let (last, before) = (self.ty(), self.parts[self.parts.len().saturating_sub(2)]);
        match self.head {
            "shf" if self.has("l") => bits::shf_l(a[0], a[1], a[2], self.beyond()),
            "shf" => bits::shf_r(a[0], a[1], a[2], self.beyond()),
            "bmsk" => bits::bmsk(a[0], a[1], self.beyond()),
            "szext" => bits::szext(a[0], a[1], self.signed(), self.beyond()),
            "fns" => bits::fns(a[0], a[1], a[2] as i32),
            "dp4a" => dot::dp4a(a[0], a[1], a[2], before == "s32", last == "s32"),
            "dp2a" => dot::dp2a(a[0], a[1], a[2], (before == "s32", last == "s32"), self.has("hi")),
            "lop3" => {
                let table = u8::from_str_radix(last.trim_start_matches("0x"), 16);
                bits::lop3(a[0], a[1], a[2], table.expect("a table"))
            }
            _ => {
                let mode = match last {
                    "f4e" => Prmt::F4e,
                    "b4e" => Prmt::B4e,
                    "rc8" => Prmt::Rc8,
                    "ecl" => Prmt::Ecl,
                    "ecr" => Prmt::Ecr,
                    "rc16" => Prmt::Rc16,
                    _ => Prmt::Generic,
                };
                bits::prmt(a[0], a[1], a[2], mode)
            }
        }
    }

    fn arithmetic<T: Int>(&self, a: &[u64]) -> u64 {
        let of = |index: usize| T::wrap(a[index].into());
        let r = match self.head {
            "add" => return int::add_sat(a[0] as i32, a[1] as i32) as u64,
            "sub" => return int::sub_sat(a[0] as i32, a[1] as i32) as u64,
            "mad" if self.has("sat") => {
                return int::mad_hi_sat(a[0] as i32, a[1] as i32, a[2] as i32) as u64;
            }
            "mul" if self.has("wide") => return int::mul_wide(of(0), of(1)),
            "mul24" => return int::mul24(of(0), of(1), self.has("hi")).into(),
            "div" => int::div(of(0), of(1)),
            "rem" => int::rem(of(0), of(1)),
            "min" => of(0).min(of(1)),
            "max" => of(0).max(of(1)),
            "mul" if self.has("hi") => int::mul_hi(of(0), of(1)),
            "mul" => T::wrap(of(0).wide().wrapping_mul(of(1).wide())),
            "mad" => int::mad_hi(of(0), of(1), of(2)),
            "sad" => int::sad(of(0), of(1), of(2)),
            "abs" => int::abs(of(0)),
            "neg" => int::neg(of(0)),
            other => panic!("{other}"),
        };
        r.wide() as u64
    }

    /// Bits of the result that the machine's register holds.
    fn mask(&self) -> u64 {
        let target = match self.head {
            "cvt" if !self.has("pack") => self.parts[self.parts.len() - 2],
            "mul" if self.has("wide") => return u64::MAX >> (64 - 2 * self.bits()),
            "bfind" | "clz" | "popc" | "cvt" | "testp" | "setp" => "b32",
            _ => self.ty(),
        };
        match target {
            "f64" | "s64" | "u64" | "b64" => u64::MAX,
            "f16" | "bf16" | "s16" | "u16" | "b16" if self.head != "cvt" => 0xffff,
            "f16" | "bf16" | "e4m3x2" | "e5m2x2" => 0xffff,
            _ => u64::from(u32::MAX),
        }
    }

    /// Whether two results agree: to the bit, or for `.approx` within PTX's error (its NaN too).
    fn agrees(&self, got: u64, want: u64) -> bool {
        if got == want || !(self.has("approx") || self.has("full")) {
            return got == want;
        }
        // Two units in the last place of a subnormal, which most of these flush or round coarsely.
        let tiny = match self.ty() {
            "f16" => 2f64.powi(-23),
            "bf16" => 2f64.powi(-132),
            _ => 2f64.powi(-148),
        };
        let value = |bits| convert::to_double(bits, format(self.ty()));
        let (got, want) = (value(got), value(want));
        let error = match (self.head, self.ty()) {
            ("sin" | "cos", _) => return (got - want).abs() < 2f64.powi(-19),
            ("lg2", _) => return (got - want).abs() < 2f64.powi(-20).max(want.abs() * 2e-7),
            ("tanh", "bf16") | ("ex2", "bf16") => 2f64.powi(-7),
            ("tanh" | "ex2", "f16") | ("tanh", _) => 2f64.powi(-9),
            (_, "f64") if self.has("ftz") => 2f64.powi(-19),
            _ => 2f64.powi(-21),
        };
        (got - want).abs() <= (error * want.abs()).max(tiny) || got.is_nan() && want.is_nan()
    }
}

fn int_type(name: &str) -> Option<IntType> {
    let bits = name[1..].parse().ok()?;
    match &name[..1] {
        "s" => Some(IntType::signed(bits)),
        "u" => Some(IntType::unsigned(bits)),
        _ => None,
    }
}

fn format(name: &str) -> Format {
    match name {
        "f16" => soft::F16,
        "bf16" => soft::BF16,
        "f32" => soft::F32,
        "f64" => soft::F64,
        "tf32" => soft::TF32,
        "e4m3x2" => soft::E4M3,
        "e5m2x2" => soft::E5M2,
        other => panic!("{other}"),
    }
}

#[test]
fn results_are_those_of_the_hardware() {
    let hex = |it: &str| u64::from_str_radix(it, 16).expect("a number");
    let mut wrong = Vec::new();
    for line in include_str!("../../../../tests/golden/instructions/h200.txt").lines() {
        let (left, want) = line.split_once(" = ").expect("a result");
        let mut words = left.split(' ');
        let op = Op::parse(words.next().expect("a name"));
        let operands: Vec<u64> = words.map(hex).collect();
        let got = op.evaluate(&operands) & op.mask();
        if !op.agrees(got, hex(want)) {
            wrong.push(format!("{line}, got {got:x}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
