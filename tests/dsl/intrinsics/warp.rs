//! What the lanes of a warp do together.

use firesteel::Device;
use firesteel::half::{bf16, f16};

use super::{Element, device, run_block};

/// Two warps.
const THREADS: usize = 64;
const BLOCK: [u32; 3] = [16, 2, 2];

/// Runs `body` in two warps of one block of three dimensions.
fn run<A: Element, R: Element + Default>(
    device: &Device,
    types: [&str; 2],
    body: &str,
    x: &[A],
) -> Vec<R> {
    run_block(device, BLOCK, ", arch = \"sm_80\"", types, body, x, &[R::default(); THREADS])
}

/// The lane that a shuffle reads: PTX ISA, `shfl.sync`.
fn source(mode: &str, lane: usize, b: usize, width: usize) -> usize {
    let part = lane / width * width;
    let from = match mode {
        "down" => lane + b,
        "up" if lane < part + b => return lane,
        "up" => lane - b,
        "bfly" => lane ^ b,
        _ => part + b % width,
    };
    if from < part + width && from >= part { from } else { lane }
}

/// Shuffles values of a type in every way and looks where they went.
fn check_shuffles<T: Element + Default + PartialEq>(ty: &str, value: fn(usize) -> T) {
    let device = device();
    let x: Vec<T> = (0..THREADS).map(value).collect();
    for mode in ["down", "up", "bfly", "idx"] {
        for (b, width) in [(1, 32), (5, 32), (3, 8), (0, 32), (1, 2), (7, 16)] {
            let body = format!("y[t] = shfl_sync_{mode}(x[t], {b}, {width});");
            let got: Vec<T> = run(&device, [ty; 2], &body, &x);
            for (t, got) in got.into_iter().enumerate() {
                let want = x[t / 32 * 32 + source(mode, t % 32, b, width)];
                assert_eq!(got, want, "{body} in {t}, {ty}");
            }
        }
    }
}

#[test]
fn shuffles_of_every_type() {
    check_shuffles::<bool>("bool", |t| t * t % 7 < 3);
    check_shuffles::<i8>("i8", |t| (t as i8).wrapping_mul(-37));
    check_shuffles::<u8>("u8", |t| (t as u8).wrapping_mul(37));
    check_shuffles::<i16>("i16", |t| (t as i16).wrapping_mul(-3701));
    check_shuffles::<u16>("u16", |t| (t as u16).wrapping_mul(3701));
    check_shuffles::<i32>("i32", |t| (t as i32).wrapping_mul(-370_113_457));
    check_shuffles::<u32>("u32", |t| (t as u32).wrapping_mul(370_113_457));
    check_shuffles::<i64>("i64", |t| (t as i64).wrapping_mul(-0x3701_1345_7123_4567));
    check_shuffles::<u64>("u64", |t| (t as u64).wrapping_mul(0x3701_1345_7123_4567));
    check_shuffles::<isize>("isize", |t| (t as isize).wrapping_mul(-0x3701_1345_7123_4567));
    check_shuffles::<usize>("usize", |t| t.wrapping_mul(0x3701_1345_7123_4567));
    check_shuffles::<f16>("f16", |t| f16::from_f32(t as f32 * -1.25));
    check_shuffles::<bf16>("bf16", |t| bf16::from_f32(t as f32 * -1.25));
    check_shuffles::<f32>("f32", |t| t as f32 * -1.1);
    check_shuffles::<f64>("f64", |t| t as f64 * -1.1);
}

#[test]
fn shuffles_with_run_time_operands_and_masks() {
    let device = device();
    let x: Vec<u32> = (0..THREADS as u32).map(|t| t * 3).collect();
    let body = "let lane = lane_id(); let w = x[0] + 8;
        y[t] = shfl_idx_mask(0xffff_ffff, x[t], (lane + 1) % 8, w);";
    let got: Vec<u32> = run(&device, ["u32"; 2], body, &x);
    for (t, got) in got.into_iter().enumerate() {
        assert_eq!(got, x[t / 8 * 8 + (t + 1) % 8]);
    }
    let body = "if lane_id() < 16 { y[t] = shfl_bfly_mask(0xffff, x[t], 1, 32); }";
    let got: Vec<u32> = run(&device, ["u32"; 2], body, &x);
    for (t, got) in got.into_iter().enumerate() {
        assert_eq!(got, if t % 32 < 16 { x[t ^ 1] } else { 0 });
    }
}

#[test]
fn votes() {
    let device = device();
    let x: Vec<u32> = (0..THREADS as u32).collect();
    let ask = |body: &str| -> Vec<u32> { run(&device, ["u32"; 2], body, &x) };
    // In the first warp some hold, in the second all.
    let p = "let p = t > 20;";
    let halves = |first: u32, second: u32| {
        (0..THREADS).map(|t| if t < 32 { first } else { second }).collect::<Vec<_>>()
    };
    assert_eq!(ask(&format!("{p} y[t] = vote_any(p) as u32;")), halves(1, 1));
    assert_eq!(ask(&format!("{p} y[t] = vote_all(p) as u32;")), halves(0, 1));
    assert_eq!(ask(&format!("{p} y[t] = vote_uni(p) as u32;")), halves(0, 1));
    assert_eq!(ask(&format!("{p} y[t] = ballot(p);")), halves(!0 << 21, !0));
    assert_eq!(ask("y[t] = active_mask();"), halves(!0, !0));
    assert_eq!(
        ask("if lane_id() < 4 { y[t] = ballot_mask(0xf, t % 2 == 1); }")[..5],
        [10, 10, 10, 10, 0]
    );
}

#[test]
fn matches() {
    let device = device();
    let x: Vec<u32> = (0..THREADS as u32).collect();
    for ty in ["u32", "i32", "u64", "i64", "f32", "f64", "usize"] {
        let body = format!("y[t] = match_any((x[t] % 5) as {ty});");
        let got: Vec<u32> = run(&device, ["u32"; 2], &body, &x);
        for (t, got) in got.into_iter().enumerate() {
            let first = t / 32 * 32;
            let want = (0..32).filter(|lane| (first + lane) % 5 == t % 5);
            assert_eq!(got, want.fold(0, |mask, lane| mask | 1 << lane), "{ty}, {t}");
        }
        let body = format!(
            "let r = match_all((x[t] / 40) as {ty}); y[t] = if r.1 {{ r.0 }} else {{ r.0 + 7 }};"
        );
        let got: Vec<u32> = run(&device, ["u32"; 2], &body, &x);
        assert_eq!((got[0], got[40]), (u32::MAX, 7), "{ty}");
    }
}

#[test]
fn reductions_in_hardware() {
    let device = device();
    let x: Vec<u32> = (0..THREADS as u32).map(|t| t.wrapping_mul(0x9e37_79b9)).collect();
    let signed: Vec<i32> = x.iter().map(|x| x.cast_signed()).collect();
    let ask = |op: &str| -> Vec<u32> {
        run(&device, ["u32"; 2], &format!("y[t] = redux_{op}(x[t]);"), &x)
    };
    let first = &x[..32];
    assert_eq!(ask("add")[5], first.iter().fold(0, |a: u32, b| a.wrapping_add(*b)));
    assert_eq!(ask("min")[5], *first.iter().min().unwrap());
    assert_eq!(ask("max")[5], *first.iter().max().unwrap());
    assert_eq!(ask("and")[5], first.iter().fold(!0, |a, b| a & b));
    assert_eq!(ask("or")[5], first.iter().fold(0, |a, b| a | b));
    assert_eq!(ask("xor")[40], x[32..].iter().fold(0, |a, b| a ^ b));
    let got: Vec<i32> = run(&device, ["i32"; 2], "y[t] = redux_min(x[t]);", &signed);
    assert_eq!(got[40], *signed[32..].iter().min().unwrap());
    let got: Vec<i32> = run(&device, ["i32"; 2], "y[t] = redux_max(x[t]);", &signed);
    assert_eq!(got[3], *signed[..32].iter().max().unwrap());
}

#[test]
fn indices_and_barriers() {
    let device = device();
    let x: Vec<u32> = (0..THREADS as u32).collect();
    let ask = |body: &str| -> Vec<u32> { run(&device, ["u32"; 2], body, &x) };
    let rank = "thread_idx_x() + 16 * (thread_idx_y() + 2 * thread_idx_z())";
    assert_eq!(ask(&format!("y[t] = {rank};")), x);
    assert_eq!(ask("y[t] = warp_id() * 32 + lane_id();"), x);
    assert_eq!(ask("y[t] = block_dim_x() * 100 + block_dim_y() * 10 + block_dim_z();")[0], 1622);
    assert_eq!(ask("y[t] = warps_per_block() + grid_dim_x() * 10 + block_idx_x();")[9], 12);
    assert_eq!(ask("y[t] = lane_mask_lt() + lane_mask_eq() - lane_mask_le();"), [0; THREADS]);
    assert_eq!(ask("y[t] = lane_mask_gt() + lane_mask_eq() - lane_mask_ge();"), [0; THREADS]);
    assert_eq!(ask("y[t] = lane_mask_lt();")[37], 31);
    assert_eq!(ask("y[t] = bar_any(t == 63) as u32;"), [1; THREADS]);
    assert_eq!(ask("y[t] = bar_all(t != 63) as u32;"), [0; THREADS]);
    assert_eq!(ask("y[t] = bar_count(t > 50);"), [13; THREADS]);
    let exchange = "let mut s = shared_mem![u32; 64]; s[t] = x[t];";
    let flipped: Vec<u32> = (0..64).map(|t| t ^ 33).collect();
    for barrier in ["bar_sync();", "bar_sync_named(3, 64);", "fence_block(); bar_sync();"] {
        assert_eq!(ask(&format!("{exchange} {barrier} y[t] = s[t ^ 33];")), flipped);
    }
    let flipped: Vec<u32> = (0..64).map(|t| t ^ 3).collect();
    assert_eq!(ask(&format!("{exchange} warp_sync(); y[t] = s[t ^ 3];")), flipped);
    // The first warp produces, the second waits for it.
    let body = format!(
        "{exchange} if warp_id() == 0 {{ bar_arrive(1, 64); }} else {{ bar_sync_named(1, 64);
         y[t] = s[t - 32]; }}"
    );
    assert_eq!(ask(&body)[32..], x[..32]);
}
