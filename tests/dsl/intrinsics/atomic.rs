//! Atomics on global and on shared memory.

use firesteel::half::{bf16, f16};

use super::{Element, device, run_grid};

const BLOCKS: u32 = 3;
const THREADS: u32 = 64;

/// Runs `body` in every thread of three blocks; `g` is the thread's number among all.
fn run<R: Element>(ty: &str, attributes: &str, body: &str, out: &[R]) -> Vec<R> {
    let body = format!("let g = block_idx_x() * {THREADS} + t; {body}");
    let block = [THREADS, 1, 1];
    run_grid(&device(), BLOCKS, block, attributes, ["u8", ty], &body, &[0u8], out)
}

fn check_adds<R: Element>(ty: &str, of: fn(f64) -> R) {
    let total = f64::from(BLOCKS * THREADS);
    let out = [of(0.0), of(0.0)];
    for arch in [70, 90] {
        let arch = format!(", arch = \"sm_{arch}\"");
        let body = format!(
            "atomic_add(&mut y[0], 1 as {ty});
             atomic_sub_with(&mut y[1], 1 as {ty}, Scope::System, Order::AcqRel);
             atomic_add(&mut y[1], 2 as {ty});"
        );
        let got = run(ty, &arch, &body, &out).into_iter().map(Element::bits);
        assert!(got.eq([of(total).bits(); 2]), "{ty} for {arch}");
    }
    let body = format!(
        "let mut s = shared_mem![{ty}; 2];
         if t == 0 {{ s[1] = 0 as {ty}; }}
         bar_sync();
         atomic_add_with(&mut s[1], 1 as {ty}, Scope::Block, Order::Relaxed);
         bar_sync();
         if t == 0 {{ atomic_add(&mut y[0], s[1]); }}"
    );
    let got = run(ty, "", &body, &out);
    assert_eq!(got[0].bits(), of(total).bits(), "{ty} in shared memory");
}

#[test]
fn sums_of_every_type() {
    check_adds::<i32>("i32", |x| x as i32);
    check_adds::<u32>("u32", |x| x as u32);
    check_adds::<i64>("i64", |x| x as i64);
    check_adds::<u64>("u64", |x| x as u64);
    check_adds::<isize>("isize", |x| x as isize);
    check_adds::<usize>("usize", |x| x as usize);
    check_adds::<f16>("f16", f16::from_f64);
    check_adds::<bf16>("bf16", bf16::from_f64);
    check_adds::<f32>("f32", |x| x as f32);
    check_adds::<f64>("f64", |x| x);
}

macro_rules! integers {
    ($($test:ident $ty:ident;)*) => { $(
        #[test]
        fn $test() {
            let ty = stringify!($ty);
            let body = format!(
                "let v = g as {ty};
                 let bit = (1 as {ty}) << (g % 30);
                 atomic_min(&mut y[0], v - 5);
                 atomic_max_with(&mut y[1], v, Scope::Device, Order::Release);
                 atomic_and(&mut y[2], !bit);
                 atomic_or(&mut y[3], bit);
                 atomic_xor_with(&mut y[4], v, Scope::Device, Order::Acquire);"
            );
            let all: $ty = !0;
            let got = run(ty, "", &body, &[50, 3, all, 0, 0]);
            let total = (BLOCKS * THREADS) as $ty;
            let least = (0..total).map(|g| g.wrapping_sub(5)).min().unwrap();
            let bits: $ty = (1 << 30) - 1;
            let odd = (0..total).fold(0, |a, b| a ^ b);
            assert_eq!(got, [least.min(50), total - 1, !bits, bits, odd]);
        }
    )* };
}

integers! {
    extremes_and_bits_of_i32 i32;
    extremes_and_bits_of_u32 u32;
    extremes_and_bits_of_i64 i64;
    extremes_and_bits_of_u64 u64;
    extremes_and_bits_of_usize usize;
}

/// Every value that was put in comes out once, but for the one that stays.
#[test]
fn exchanges_lose_nothing() {
    for ty in ["i32", "u32", "u64", "i64", "f32", "f64"] {
        let body = format!("let old = atomic_exch(&mut y[0], (g + 1) as {ty}); y[g + 1] = old;");
        let n = (BLOCKS * THREADS) as usize;
        let got: Vec<f64> = match ty {
            "i32" | "u32" => {
                run(ty, "", &body, &vec![0u32; n + 1]).into_iter().map(f64::from).collect()
            }
            "f32" => run(ty, "", &body, &vec![0f32; n + 1]).into_iter().map(f64::from).collect(),
            "f64" => run(ty, "", &body, &vec![0f64; n + 1]),
            _ => run(ty, "", &body, &vec![0u64; n + 1]).into_iter().map(|it| it as f64).collect(),
        };
        let mut got: Vec<u64> = got.into_iter().map(|it| it as u64).collect();
        got.sort_unstable();
        assert!(got.into_iter().eq(0..=n as u64), "{ty}");
    }
}

/// A sum by compare and swap.
#[test]
fn swaps_of_every_type() {
    fn check<R: Element>(ty: &str, of: fn(f64) -> R) {
        let body = format!(
            "let mut old = 0 as {ty};
             loop {{
                 let seen = atomic_cas(&mut y[1], old, old + 1 as {ty});
                 if seen == old {{ break; }}
                 old = seen;
             }}"
        );
        let got = run(ty, "", &body, &[of(7.0), of(0.0)]);
        let want = [of(7.0).bits(), of(f64::from(BLOCKS * THREADS)).bits()];
        assert!(got.into_iter().map(Element::bits).eq(want), "{ty}");
    }
    check::<i16>("i16", |x| x as i16);
    check::<u16>("u16", |x| x as u16);
    check::<f16>("f16", f16::from_f64);
    check::<bf16>("bf16", bf16::from_f64);
    check::<i32>("i32", |x| x as i32);
    check::<u32>("u32", |x| x as u32);
    check::<f32>("f32", |x| x as f32);
    check::<u64>("u64", |x| x as u64);
    check::<f64>("f64", |x| x);
}

#[test]
fn counters_wrap_at_their_bound() {
    let body = "atomic_inc(&mut y[0], 9); atomic_dec(&mut y[1], 9);
        atomic_inc_with(&mut y[2], 1000, Scope::System, Order::Relaxed);";
    let total = BLOCKS * THREADS;
    let got = run("u32", "", body, &[0u32, 0, 0]);
    assert_eq!(got, [total % 10, (10 - total % 10) % 10, total]);
}

#[test]
fn loads_and_stores() {
    for ty in ["i32", "u64"] {
        for (load, store) in [
            ("atomic_load(&y[g])", "atomic_store(&mut y[g], v + 1);"),
            (
                "atomic_load_with(&y[g], Scope::Device, Order::Acquire)",
                "atomic_store_with(&mut y[g], v + 1, Scope::Block, Order::Release);",
            ),
        ] {
            let n = u64::from(BLOCKS * THREADS);
            let body = format!("let v = {load}; {store}");
            if ty == "i32" {
                let got = run(ty, "", &body, &(0..n as i32).collect::<Vec<_>>());
                assert!(got.into_iter().eq(1..=n as i32));
            } else {
                let got = run(ty, "", &body, &(0..n).collect::<Vec<_>>());
                assert!(got.into_iter().eq(1..=n));
            }
        }
    }
}

#[test]
fn pairs_are_added() {
    for arch in [70, 90] {
        let arch = format!(", arch = \"sm_{arch}\"");
        let total = f64::from(BLOCKS * THREADS);
        let body = "let v = f16x2::new(1 as f16, -1 as f16); atomic_add_vec2(y, 2, v);";
        let got = run("f16", &arch, body, &[f16::ZERO; 4]);
        assert_eq!(got, [0.0, 0.0, total, -total].map(f16::from_f64));
        let body = body.replace("f16", "bf16");
        let got = run("bf16", &arch, &body, &[bf16::ZERO; 4]);
        assert_eq!(got, [0.0, 0.0, total, -total].map(bf16::from_f64));
    }
}
