//! The approximate functions: within what PTX states for their instructions.

use super::{Random, device, run_grid};

/// Demands that `got` is near `want`: within `relative(x)` times 2^-22 of it, or within `beside`.
fn check(call: &str, values: &[f32], want: fn(f64) -> f64, relative: fn(f64) -> f64, beside: f64) {
    let device = device();
    let body = format!(
        "let i = block_idx_x() * 64 + t; if i < {} {{ let v = x[i]; y[i] = {call}; }}",
        values.len()
    );
    let grid = (values.len() as u32).div_ceil(64);
    let out = vec![0.0_f32; values.len()];
    let arch = if call.contains("fast::tanh") { ", arch = \"sm_75\"" } else { "" };
    let got = run_grid(&device, grid, [64, 1, 1], arch, ["f32"; 2], &body, values, &out);
    for (x, got) in values.iter().zip(got) {
        let (x, got) = (f64::from(*x), f64::from(got));
        let want = want(x);
        let room = want.abs() * relative(x) * 2f64.powi(-22) + beside;
        let near = got == want || (got - want).abs() <= room;
        assert!(near, "{call} of {x:e} is {want:e}, not {got:e}");
    }
}

fn between(low: f32, high: f32) -> Vec<f32> {
    let mut random = Random::new();
    let mut values = vec![low, high];
    values.extend((0..500).map(|_| low + random.unit() as f32 * (high - low)));
    values
}

#[test]
fn powers_and_logarithms() {
    // The argument's rounding grows with its size.
    let grown = |x: f64| 3.0 + x.abs();
    for exp in ["exp(v)", "fast::exp(v)"] {
        check(exp, &between(-80.0, 80.0), f64::exp, grown, 0.0);
    }
    check("fast::exp2(v)", &between(-120.0, 120.0), f64::exp2, |_| 2.0, 0.0);
    // Near 1 the logarithm's error is absolute.
    for log in ["log(v)", "fast::ln(v)"] {
        check(log, &between(1e-3, 4.0), f64::ln, |_| 4.0, 2f64.powi(-21));
        check(log, &between(2.0, 1e9), f64::ln, |_| 4.0, 0.0);
    }
    check("fast::log2(v)", &between(1e-3, 4.0), f64::log2, |_| 4.0, 2f64.powi(-21));
    check("fast::powf(v, 3.5)", &between(0.1, 50.0), |x| x.powf(3.5), |_| 200.0, 0.0);
}

#[test]
fn circle_functions() {
    check("fast::sin(v)", &between(-3.0, 3.0), f64::sin, |_| 0.0, 2f64.powi(-20));
    check("fast::cos(v)", &between(-3.0, 3.0), f64::cos, |_| 0.0, 2f64.powi(-20));
}

#[test]
fn hyperbolic_tangents_do_not_overflow() {
    let mut values = between(-12.0, 12.0);
    values.extend([
        44.0,
        45.0,
        89.0,
        1e4,
        3e38,
        f32::INFINITY,
        -44.0,
        -1e30,
        f32::NEG_INFINITY,
        0.0,
    ]);
    check("tanh(v)", &values, f64::tanh, |_| 4.0, 2f64.powi(-21));
    check("fast::tanh(v)", &values, f64::tanh, |_| 2048.0, 0.0);
}

#[test]
fn roots_and_quotients() {
    check("sqrt(v)", &between(0.0, 1e9), f64::sqrt, |_| 1.0, 0.0);
    check("fast::sqrt(v)", &between(1e-3, 1e9), f64::sqrt, |_| 2.0, 0.0);
    check("fast::rsqrt(v)", &between(1e-3, 1e9), |x| 1.0 / x.sqrt(), |_| 2.0, 0.0);
    check("fast::recip(v)", &between(1e-3, 1e9), f64::recip, |_| 1.0, 0.0);
    check("fast::div(v, 7.0)", &between(-1e9, 1e9), |x| x / 7.0, |_| 2.0, 0.0);
}
