//! Methods of floats that are exact, bit for bit.

use firesteel::half::{bf16, f16};
use firesteel_compiler::value::{Scalar, Value};

use super::{Random, check_pairs, device, pairs};

/// Numbers of every kind, without NaN.
fn numbers() -> Vec<f64> {
    let mut values = vec![
        0.0,
        -0.0,
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        0.49999997,
        0.1,
        -7.75,
        1e-7,
        8388607.5,
        1e30,
        -1e30,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e-45,
        6e-8,
        1.0,
        -1.0,
        1023.5,
        0.999_999_999_999_999_9,
    ];
    let mut random = Random::new();
    values.extend(
        (0..40).map(|_| (random.unit() - 0.5) * 2f64.powi((random.bits() % 40) as i32 - 10)),
    );
    values
}

macro_rules! one_argument {
    ($device:ident $name:ident $values:ident $wide:expr, $narrow:expr; $($method:ident)*) => { $(
        let call = concat!("x.", stringify!($method), "()");
        check_pairs(&$device, [$name, "u8", $name], call, &$values, |x, _| {
            $narrow($wide(x).$method())
        });
    )* };
}

macro_rules! questions {
    ($device:ident $name:ident $values:ident $wide:expr; $($method:ident)*) => { $(
        let call = concat!("x.", stringify!($method), "()");
        check_pairs(&$device, [$name, "u8", "bool"], call, &$values, |x, _| $wide(x).$method());
    )* };
}

macro_rules! floats {
    ($($test:ident $ty:ident $bits:ident $of:expr, $wide:expr, $narrow:expr;)*) => { $(
        #[test]
        fn $test() {
            let device = device();
            let name = stringify!($ty);
            let finite: Vec<$ty> = numbers().into_iter().map($of).collect();
            let mut all = finite.clone();
            all.push($of(f64::NAN));
            let values = pairs(&all, &[0u8]);
            one_argument! { device name values $wide, $narrow;
                floor ceil round round_ties_even trunc fract abs signum sqrt recip
            }
            questions! { device name values $wide;
                is_nan is_finite is_infinite is_sign_negative
            }
            let numbers = pairs(&finite, &[0u8]);
            let bits = [name, "u8", stringify!($bits)];
            check_pairs(&device, bits, "x.to_bits()", &numbers, |x, _| x.to_bits());
            let back = [name, "u8", name];
            let call = concat!(stringify!($ty), "::from_bits(x.to_bits())");
            check_pairs(&device, back, call, &numbers, |x, _| x);
            // Of two zeros either one is the smaller.
            let unequal: Vec<_> = pairs(&all, &all)
                .into_iter()
                .filter(|(x, y)| $wide(*x) != 0.0 || $wide(*y) != 0.0)
                .collect();
            let same = [name; 3];
            check_pairs(&device, same, "x.min(y)", &unequal, |x, y| $narrow($wide(x).min($wide(y))));
            check_pairs(&device, same, "x.max(y)", &unequal, |x, y| $narrow($wide(x).max($wide(y))));
            check_pairs(&device, same, "x.copysign(y)", &pairs(&all, &all), |x, y| {
                $narrow($wide(x).copysign($wide(y)))
            });
            let ordered = pairs(&all, &finite);
            let clamp = "x.clamp(y.min(1.0), y.max(1.0))";
            check_pairs(&device, same, clamp, &ordered, |x, y| {
                $narrow($wide(x).clamp($wide(y).min(1.0), $wide(y).max(1.0)))
            });
        }
    )* };
}

floats! {
    methods_of_f16 f16 u16 f16::from_f64, f16::to_f32, f16::from_f32;
    methods_of_bf16 bf16 u16 bf16::from_f64, bf16::to_f32, bf16::from_f32;
    methods_of_f32 f32 u32 |x: f64| x as f32, |x: f32| x, |x: f32| x;
    methods_of_f64 f64 u64 |x: f64| x, |x: f64| x, |x: f64| x;
}

#[test]
fn fused_sums_round_once() {
    let device = device();
    let mut random = Random::new();
    let mut numbers = || -> Vec<f64> {
        (0..60)
            .map(|_| (random.unit() - 0.5) * 2f64.powi((random.bits() % 24) as i32 - 12))
            .collect()
    };
    let all = pairs(&numbers(), &numbers());
    let single: Vec<_> = all.iter().map(|(x, y)| (*x as f32, *y as f32)).collect();
    let call = "x.mul_add(y, x)";
    check_pairs(&device, ["f64"; 3], call, &all, |x, y| x.mul_add(y, x));
    check_pairs(&device, ["f32"; 3], call, &single, |x, y| x.mul_add(y, x));
    check_pairs(&device, ["f32"; 3], "fma(x, y, 1.0)", &single, |x, y| x.mul_add(y, 1.0));
}

/// Products of short floats and their sums fit in `f64` here, so only the last step rounds.
#[test]
fn fused_sums_of_short_floats_round_once() {
    let device = device();
    let steps = |unit: f64| -> Vec<f64> { (1..40).map(|n| 1.0 + f64::from(n) * unit).collect() };
    for (name, scalar, unit) in
        [("f16", Scalar::F16, 2f64.powi(-10)), ("bf16", Scalar::Bf16, 2f64.powi(-7))]
    {
        for c in
            [1.0, -1.0, 0.0, 2f64.powi(-20), -(2f64.powi(-20)), 300.0, unit / 2.0, 2f64.powi(9)]
        {
            let values = steps(unit);
            let bits = |x: f64| Value::float(scalar, x).bits() as u16;
            let all = pairs(&values, &values);
            let all: Vec<_> = all.into_iter().map(|(x, y)| (bits(x), bits(y))).collect();
            let value = |x: u16| Value::from_bits(scalar, u64::from(x)).as_f64();
            let c = value(bits(c));
            let call = format!(
                "{name}::from_bits(x).mul_add({name}::from_bits(y), {name}::from_bits({})).to_bits()",
                bits(c)
            );
            check_pairs(&device, ["u16"; 3], &call, &all, |x, y| bits(value(x) * value(y) + c));
        }
    }
}

#[test]
fn short_floats_widen_and_round() {
    let device = device();
    let values: Vec<f32> = numbers().into_iter().map(|x| x as f32).collect();
    let none = pairs(&values, &[0u8]);
    let half = ["f32", "u8", "u16"];
    check_pairs(&device, half, "f16::from_f32(x).to_bits()", &none, |x, _| {
        f16::from_f32(x).to_bits()
    });
    check_pairs(&device, half, "bf16::from_f32(x).to_bits()", &none, |x, _| {
        bf16::from_f32(x).to_bits()
    });
    let shorts: Vec<u16> = (0..=u16::MAX).step_by(7).collect();
    let none = pairs(&shorts, &[0u8]);
    check_pairs(&device, ["u16", "u8", "f32"], "f16::from_bits(x).to_f32()", &none, |x, _| {
        f16::from_bits(x).to_f32()
    });
    check_pairs(&device, ["u16", "u8", "f32"], "bf16::from_bits(x).to_f32()", &none, |x, _| {
        bf16::from_bits(x).to_f32()
    });
}
