//! Reductions over warps and blocks of every shape and type.

use firesteel::half::{bf16, f16};

use super::{Element, device, run_block};

const SHAPES: &[[u32; 3]] = &[
    [1, 1, 1],
    [7, 1, 1],
    [16, 1, 1],
    [32, 1, 1],
    [48, 1, 1],
    [64, 1, 1],
    [16, 6, 1],
    [8, 3, 2],
    [16, 16, 1],
    [993, 1, 1],
    [1024, 1, 1],
];

/// Small whole numbers, so that sums are exact in every type.
fn numbers(count: u32) -> Vec<i64> {
    (0..i64::from(count)).map(|t| (t * 37 + 11) % 23 - if t % 2 == 0 { 9 } else { 0 }).collect()
}

/// Reduces a block three times in a row, which would race if the shared array were not guarded.
fn check_block<T: Element + Default>(ty: &str, of: fn(i64) -> T, signed: bool) {
    let device = device();
    for arch in ["sm_70", "sm_80"] {
        for shape in SHAPES {
            let count: u32 = shape.iter().product();
            let mut values = numbers(count);
            if !signed {
                values.iter_mut().for_each(|value| *value = value.abs());
            }
            if ty.ends_with('8') || ty.ends_with("f16") {
                // Their sums stay in the range of the type.
                values.iter_mut().for_each(|value| *value /= 16);
            }
            let x: Vec<T> = values.iter().map(|value| of(*value)).collect();
            let body = "let v = x[t];
                let sum = block_reduce_sum(v);
                let most = block_reduce_max(v);
                let least = block_reduce_min(v);
                y[t * 3] = sum; y[t * 3 + 1] = most; y[t * 3 + 2] = least;";
            let out = vec![T::default(); 3 * count as usize];
            let arch = format!(", arch = \"{arch}\"");
            let got = run_block(&device, *shape, &arch, [ty; 2], body, &x, &out);
            let sum = values.iter().sum::<i64>();
            let (most, least) = (values.iter().max().unwrap(), values.iter().min().unwrap());
            let want = [sum, *most, *least].map(|value| of(value).bits());
            for (t, got) in got.chunks(3).enumerate() {
                let got: Vec<u64> = got.iter().map(|it| it.bits()).collect();
                assert_eq!(got, want, "{ty} in thread {t} of {shape:?}");
            }
        }
    }
}

macro_rules! blocks {
    ($($test:ident $ty:ident $of:expr, $signed:expr;)*) => { $(
        #[test]
        fn $test() {
            check_block::<$ty>(stringify!($ty), $of, $signed);
        }
    )* };
}

blocks! {
    blocks_of_i8 i8 |x| x as i8, true;
    blocks_of_u8 u8 |x| x as u8, false;
    blocks_of_i16 i16 |x| x as i16, true;
    blocks_of_u16 u16 |x| x as u16, false;
    blocks_of_i32 i32 |x| x as i32, true;
    blocks_of_u32 u32 |x| x as u32, false;
    blocks_of_i64 i64 |x| x, true;
    blocks_of_u64 u64 |x| x as u64, false;
    blocks_of_isize isize |x| x as isize, true;
    blocks_of_usize usize |x| x as usize, false;
    blocks_of_f16 f16 |x| f16::from_f32(x as f32), true;
    blocks_of_bf16 bf16 |x| bf16::from_f32(x as f32), true;
    blocks_of_f32 f32 |x| x as f32, true;
    blocks_of_f64 f64 |x| x as f64, true;
}

#[test]
fn warps_reduce_on_their_own() {
    let device = device();
    let x: Vec<f32> = (0..256).map(|t| (t * 7 % 41) as f32 - 20.0).collect();
    let body = "y[t] = warp_reduce_sum(x[t]) * 10000.0 + warp_reduce_max(x[t]) * 100.0
        + warp_reduce_min(x[t]);";
    let got = run_block(&device, [8, 16, 2], "", ["f32"; 2], body, &x, &[0f32; 256]);
    for (t, got) in got.into_iter().enumerate() {
        let warp = &x[t / 32 * 32..][..32];
        let sum: f32 = warp.iter().sum();
        let most = warp.iter().copied().fold(f32::MIN, f32::max);
        let least = warp.iter().copied().fold(f32::MAX, f32::min);
        assert_eq!(got, sum * 10000.0 + most * 100.0 + least);
    }
}

#[test]
fn a_nan_does_not_win_an_extreme() {
    let device = device();
    let mut x: Vec<f32> = (0..96).map(|t| t as f32).collect();
    x[40] = f32::NAN;
    let body = "y[t] = block_reduce_max(x[t]) + block_reduce_min(x[t]) * 1000.0;";
    let got = run_block(&device, [96, 1, 1], "", ["f32"; 2], body, &x, &[0f32; 96]);
    assert_eq!(got, [95.0; 96]);
}
