//! The elementary functions: within two units in the last place, and their special cases.

use firesteel::Device;
use firesteel::half::{bf16, f16};

use super::{Element, Random, check_pairs, device, pairs, run_grid};

/// Threads of the blocks.
const BLOCK: u32 = 128;

/// A function of one number in Rust, and on the host.
type Function = (&'static str, fn(f64) -> f64);

const FUNCTIONS: &[Function] = &[
    ("exp", f64::exp),
    ("exp2", f64::exp2),
    ("exp_m1", f64::exp_m1),
    ("ln", f64::ln),
    ("ln_1p", f64::ln_1p),
    ("log2", f64::log2),
    ("log10", f64::log10),
    ("sin", f64::sin),
    ("cos", f64::cos),
    ("tan", f64::tan),
    ("tanh", f64::tanh),
    ("rsqrt", |x| 1.0 / x.sqrt()),
];

fn map<T: Element + Default>(device: &Device, ty: &str, call: &str, x: &[T]) -> Vec<T> {
    let body = format!(
        "let i = (block_idx_x() * {BLOCK} + t) as usize; if i < x.len() {{ y[i] = {call}; }}"
    );
    let grid = (x.len() as u32).div_ceil(BLOCK);
    let out = vec![T::default(); x.len()];
    run_grid(device, grid, [BLOCK, 1, 1], "", [ty, ty], &body, x, &out)
}

/// How far `got` is from the exact value, in units of the last place of a float with so many bits
/// of fraction and this lowest exponent.
fn error_in_units(got: f64, want: f64, fraction: i32, lowest: i32, largest: f64) -> f64 {
    if want.is_nan() || got.is_nan() {
        return if want.is_nan() && got.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if want == 0.0 || want.is_infinite() {
        let same = got == want && got.is_sign_negative() == want.is_sign_negative();
        return if same { 0.0 } else { f64::INFINITY };
    }
    if got.is_infinite() {
        // The largest number, rounded up by half a unit and more, is infinite.
        let beyond = want.abs() > largest && got.signum() == want.signum();
        return if beyond { 0.0 } else { f64::INFINITY };
    }
    let exponent = ((want.abs().to_bits() >> 52) as i32 - 1023).max(lowest);
    (got - want).abs() / 2f64.powi(exponent - fraction)
}

/// All signs and exponents with many fractions, and what is next to special points.
fn singles() -> Vec<f32> {
    let mut values = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let special =
        [0.0_f32, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-38, f32::MAX, f32::MIN, 0.6, 65536.0, 89.0, -104.0];
    for at in special {
        values.extend((0..40).flat_map(|n| {
            [at.to_bits().wrapping_add(n), at.to_bits().wrapping_sub(n)].map(f32::from_bits)
        }));
    }
    let mut random = Random::new();
    values.extend(
        (0..=u32::MAX >> 18).map(|n| f32::from_bits(n << 18 | (random.bits() >> 46) as u32)),
    );
    values.extend((0..4000).map(|_| (random.unit() as f32 - 0.5) * 20.0));
    values.extend((0..4000).map(|_| (random.unit() as f32 - 0.5) * 200.0));
    // Near multiples of a right angle.
    values.extend((0..2000).map(|n| (f64::from(n * 37) * std::f64::consts::FRAC_PI_2) as f32));
    values
}

#[test]
fn functions_of_f32_are_within_two_units() {
    let device = device();
    let values = singles();
    for (name, want) in FUNCTIONS {
        let got = map(&device, "f32", &format!("x[i].{name}()"), &values);
        for (x, got) in values.iter().zip(got) {
            let want = want(f64::from(*x));
            let error = error_in_units(got.into(), want, 23, -126, f32::MAX.into());
            assert!(error <= 2.0, "{name}({x:e}) is {want:e}, not {got:e}: {error} units");
        }
    }
}

#[test]
fn functions_of_short_floats_are_within_one_unit() {
    let device = device();
    let bits: Vec<u16> = (0..=u16::MAX).step_by(5).collect();
    for (name, want) in FUNCTIONS {
        let call = |ty| format!("{ty}::from_bits(x[i]).{name}().to_bits()");
        let got = map(&device, "u16", &call("f16"), &bits);
        for (x, got) in bits.iter().zip(got) {
            let (x, got) = (f16::from_bits(*x).to_f64(), f16::from_bits(got).to_f64());
            let error = error_in_units(got, want(x), 10, -14, 65504.0);
            assert!(error <= 1.0, "{name}({x:e}) is {:e}, not {got:e}: {error} units", want(x));
        }
        let got = map(&device, "u16", &call("bf16"), &bits);
        for (x, got) in bits.iter().zip(got) {
            let (x, got) = (bf16::from_bits(*x).to_f64(), bf16::from_bits(got).to_f64());
            let error = error_in_units(got, want(x), 7, -126, bf16::MAX.to_f64());
            assert!(error <= 1.0, "{name}({x:e}) is {:e}, not {got:e}: {error} units", want(x));
        }
    }
}

fn doubles() -> Vec<f64> {
    let mut values = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for at in [0.0, -0.0, 1.0, -1.0, 0.5, f64::MIN_POSITIVE, f64::MAX, f64::MIN, 0.6, 33554432.0] {
        values.extend((0..20).flat_map(|n| {
            [at.to_bits().wrapping_add(n), at.to_bits().wrapping_sub(n)].map(f64::from_bits)
        }));
    }
    let mut random = Random::new();
    values.extend((0..6000).map(|_| f64::from_bits(random.bits())));
    for size in [2.0, 20.0, 200.0, 2000.0] {
        values.extend((0..2000).map(|_| (random.unit() - 0.5) * size));
    }
    values.extend((0..2000).map(|n| f64::from(n * 37) * std::f64::consts::FRAC_PI_2));
    values
}

/// The steps between two numbers of the type.
fn steps_between(a: f64, b: f64) -> u64 {
    let order = |x: f64| match x.to_bits().cast_signed() {
        bits if bits < 0 => i64::MIN.wrapping_sub(bits),
        bits => bits,
    };
    order(a).abs_diff(order(b))
}

fn demand_close(got: f64, want: f64, what: &str) {
    if want.is_nan() && got.is_nan() {
        return;
    }
    let zeros = want != 0.0 || got.is_sign_negative() == want.is_sign_negative();
    // Two units of ours and one of the host's library.
    assert!(zeros && steps_between(got, want) <= 3, "{what} is {want:e}, not {got:e}");
}

#[test]
fn functions_of_f64_are_within_two_units() {
    let device = device();
    let values = doubles();
    for (name, want) in FUNCTIONS {
        let got = map(&device, "f64", &format!("x[i].{name}()"), &values);
        for (x, got) in values.iter().zip(got) {
            demand_close(got, want(*x), &format!("{name}({x:e})"));
        }
    }
}

/// Every pair of these is a special case or at the edge of one.
const EDGES: [f64; 24] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    2.0,
    -2.0,
    3.0,
    -3.0,
    0.5,
    -0.5,
    1e-45,
    -1e-45,
    3.402_823_466_385_288_6e38,
    -3.402_823_466_385_288_6e38,
    16_777_215.0,
    16_777_216.0,
    1.000_000_119_209_289_6,
    -0.999_999_940_395_355_2,
    1.5,
    2.5,
    8_388_609.0,
];

#[test]
fn powers_are_within_two_units() {
    let device = device();
    let mut random = Random::new();
    let mut all = pairs(&EDGES, &EDGES);
    for _ in 0..4000 {
        let x = 0.5 + 1.5 * random.unit();
        all.push((x, (random.unit() - 0.5) * 300.0 / x.log2()));
        let x = 2f64.powf((random.unit() - 0.5) * 250.0);
        all.push((x, (random.unit() - 0.5) * 280.0 / x.log2()));
    }
    let single: Vec<_> = all.iter().map(|(x, y)| (*x as f32, *y as f32)).collect();
    let flat: Vec<f32> = single.iter().flat_map(|(x, y)| [*x, *y]).collect();
    let got = map(&device, "f32", "if i % 2 == 0 { x[i].powf(x[i + 1]) } else { 0.0 }", &flat);
    for (at, (x, y)) in single.iter().enumerate() {
        let (got, want) = (got[2 * at], f64::from(*x).powf(f64::from(*y)));
        let error = error_in_units(got.into(), want, 23, -126, f32::MAX.into());
        assert!(error <= 2.0, "{x:e}.powf({y:e}) is {want:e}, not {got:e}: {error} units");
    }
    let flat: Vec<f64> = all.iter().flat_map(|(x, y)| [*x, *y]).collect();
    let got = map(&device, "f64", "if i % 2 == 0 { x[i].powf(x[i + 1]) } else { 0.0 }", &flat);
    for (at, (x, y)) in all.iter().enumerate() {
        demand_close(got[2 * at], x.powf(*y), &format!("{x:e}.powf({y:e})"));
    }
}

#[test]
fn powers_of_integers_are_within_two_units() {
    let device = device();
    let powers = [
        0,
        1,
        -1,
        2,
        -2,
        3,
        7,
        10,
        31,
        255,
        256,
        257,
        -255,
        16_777_217,
        -33_554_433,
        i32::MAX,
        i32::MIN,
    ];
    for n in powers {
        let mut values: Vec<f32> = EDGES.iter().map(|x| *x as f32).collect();
        let mut random = Random::new();
        // Close enough to 1 that the power is neither 0 nor infinite.
        let reach = 100.0 / f64::from(n).abs().max(1.0);
        values.extend((0..400).map(|_| 2f64.powf((random.unit() - 0.5) * reach) as f32));
        let got = map(&device, "f32", &format!("x[i].powi({n})"), &values);
        for (x, got) in values.iter().zip(got) {
            let want = f64::from(*x).powf(f64::from(n));
            let error = error_in_units(got.into(), want, 23, -126, f32::MAX.into());
            assert!(error <= 2.0, "{x:e}.powi({n}) is {want:e}, not {got:e}: {error} units");
        }
        let wide: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
        let got = map(&device, "f64", &format!("x[i].powi({n})"), &wide);
        for (x, got) in wide.iter().zip(got) {
            demand_close(got, x.powf(f64::from(n)), &format!("{x:e}.powi({n})"));
        }
    }
}

#[test]
fn known_values_are_exact() {
    let device = device();
    let whole: Vec<i32> = (-149..128).collect();
    let none = pairs(&whole, &[0u8]);
    check_pairs(&device, ["i32", "u8", "f32"], "(x as f32).exp2()", &none, |x, _| {
        2f64.powi(x) as f32
    });
    check_pairs(&device, ["i32", "u8", "f32"], "(x as f32).exp2().log2()", &none, |x, _| x as f32);
    check_pairs(&device, ["i32", "u8", "f64"], "(x as f64).exp2().log2()", &none, |x, _| {
        f64::from(x)
    });
    let ones = [(0.0_f32, 0u8)];
    for call in ["x.exp()", "x.cos()", "x.exp_m1() + 1.0", "x.powf(x)", "(x + 1.0).ln() + 1.0"] {
        check_pairs(&device, ["f32", "u8", "f32"], call, &ones, |_, _| 1.0_f32);
    }
    // The number whose distance to a multiple of pi / 2 is the least of all, from "Elementary
    // Functions" by Muller; the C library of some hosts has it wrong.
    let nearest = 6_381_956_970_095_103.0 * 2f64.powi(797);
    demand_close(
        map(&device, "f64", "x[i].cos()", &[nearest])[0],
        -4.687_165_924_254_628e-19,
        "cos",
    );
}
