//! The searches for the scale of a group of weights, step by step as ggml takes them: each sum in
//! the order of the weights, each operation rounded on its own.
//!
//! One thread, or the host, searches for one group; its weights stay in registers.
//!
//! Source: `make_qx_quants`, `make_q3_quants` and `make_qkx2_quants` in ggml's `ggml-quants.c`.

use firesteel::prelude::*;

use super::round::{code_of, float, level};

/// A group whose weights are all smaller is zero.
#[gpu_const]
pub(super) const NOTHING: f32 = 1e-15;

/// The first of the weights with the largest absolute value.
#[gpu_fn]
pub fn widest<const N: usize>(x: &[f32; N]) -> f32 {
    let mut widest = 0.0f32;
    for i in 0..N {
        if x[i].abs() > widest.abs() {
            widest = x[i];
        }
    }
    widest
}

/// A scale for codes from `-top` to `top - 1`: that of 19 which leaves the smallest error, weighted
/// by the squares of the weights. The codes are stored `top` larger.
#[gpu_fn]
pub fn fit_around<const N: usize>(x: &[f32; N], top: i32, codes: &mut [u32; N]) -> f32 {
    let widest = widest(x);
    let mut scale = 0.0f32;
    if widest.abs() < NOTHING {
        for i in 0..N {
            codes[i] = 0;
        }
    } else {
        let mut found = -float(top) / widest;
        let mut best = 0.0f32;
        #[no_unroll]
        for step in 0..19 {
            // The scale that uses all codes comes first, then those around it.
            let by = if step == 0 {
                0
            } else if step < 10 {
                step - 10
            } else {
                step - 9
            };
            let inverse = -(float(top) + 0.1 * float(by)) / widest;
            let mut sum_lx = 0.0f32;
            let mut sum_l2 = 0.0f32;
            #[unroll]
            for i in 0..N {
                let l = level(inverse * x[i], -top, top - 1);
                let w = x[i] * x[i];
                sum_lx += w * x[i] * l;
                sum_l2 += w * l * l;
            }
            if step == 0 {
                scale = if sum_l2 != 0.0 { sum_lx / sum_l2 } else { 0.0 };
                best = scale * sum_lx;
            } else if sum_l2 > 0.0 && sum_lx * sum_lx > best * sum_l2 {
                found = inverse;
                scale = sum_lx / sum_l2;
                best = scale * sum_lx;
            }
        }
        for i in 0..N {
            codes[i] = code_of(level(found * x[i], -top, top - 1) + float(top));
        }
    }
    scale
}

/// A scale for codes from -4 to 3: codes move one by one while the error, weighted by the squares of
/// the weights, becomes smaller. The codes are stored 4 larger.
#[gpu_fn]
pub fn fit_by_moves(x: &[f32; 16], codes: &mut [u32; 16]) -> f32 {
    let widest = widest(x);
    let mut sum_lx = 0.0f32;
    let mut sum_l2 = 0.0f32;
    // Four bits each: as floats they would not fit the registers beside a division.
    let mut levels = 0u64;
    if widest.abs() >= NOTHING {
        let inverse = -4.0 / widest;
        #[unroll]
        for i in 0..16 {
            let l = level(inverse * x[i], -4, 3);
            let w = x[i] * x[i];
            sum_lx += w * x[i] * l;
            sum_l2 += w * l * l;
            levels |= ((l + 4.0) as u32 as u64) << (4 * i);
        }
        let mut moved = true;
        let mut turn = 0;
        while moved && turn < 5 {
            moved = false;
            #[unroll]
            for i in 0..16 {
                let w = x[i] * x[i];
                let code = (levels >> (4 * i)) as u32 & 15;
                let now = code as i32 as f32 - 4.0;
                let without_lx = sum_lx - w * x[i] * now;
                if without_lx > 0.0 {
                    let without_l2 = sum_l2 - w * now * now;
                    let l = level(x[i] * without_l2 / without_lx, -4, 3);
                    if l != now {
                        let with_lx = without_lx + w * x[i] * l;
                        let with_l2 = without_l2 + w * l * l;
                        if with_l2 > 0.0 && with_lx * with_lx * sum_l2 > sum_lx * sum_lx * with_l2 {
                            levels ^= ((code ^ (l + 4.0) as u32) as u64) << (4 * i);
                            sum_lx = with_lx;
                            sum_l2 = with_l2;
                            moved = true;
                        }
                    }
                }
            }
            turn += 1;
        }
    }
    for i in 0..16 {
        codes[i] = (levels >> (4 * i)) as u32 & 15;
    }
    if sum_l2 > 0.0 { sum_lx / sum_l2 } else { 0.0 }
}

/// A scale and what is subtracted, for codes from 0 to `top`: of `steps + 1` scales from
/// `top + first` steps a range on, a tenth of a step apart, each with the minimum by least squares,
/// those which leave the smallest error. `weight` says what an error counts; with `ABSOLUTE` not
/// the square of the error is what counts.
#[gpu_fn]
pub fn fit_above<const N: usize, const ABSOLUTE: bool>(
    x: &[f32; N],
    weight: impl Fn(f32) -> f32,
    (top, first, steps): (i32, f32, i32),
    codes: &mut [u32; N],
) -> (f32, f32) {
    let mut min = x[0];
    let mut max = x[0];
    let mut sum_w = weight(x[0]);
    let mut sum_x = sum_w * x[0];
    for i in 1..N {
        if x[i] < min {
            min = x[i];
        }
        if x[i] > max {
            max = x[i];
        }
        let w = weight(x[i]);
        sum_w += w;
        sum_x += w * x[i];
    }
    if min > 0.0 {
        min = 0.0;
    }
    let mut scale = 0.0f32;
    if max == min {
        for i in 0..N {
            codes[i] = 0;
        }
    } else {
        let mut found = float(top) / (max - min);
        let mut found_min = min;
        scale = 1.0 / found;
        let mut best = 0.0f32;
        #[unroll]
        for i in 0..N {
            let l = level(found * (x[i] - min), 0, top);
            let error = scale * l + min - x[i];
            best += weight(x[i]) * if ABSOLUTE { error.abs() } else { error * error };
        }
        #[no_unroll]
        for step in 0..steps + 1 {
            // The minimum is that of the best scale so far.
            let inverse = (first + 0.1 * float(step) + float(top)) / (max - min);
            let mut levels = [0.0f32; N];
            let mut sum_l = 0.0f32;
            let mut sum_l2 = 0.0f32;
            let mut sum_lx = 0.0f32;
            #[unroll]
            for i in 0..N {
                let l = level(inverse * (x[i] - min), 0, top);
                let w = weight(x[i]);
                sum_l += w * l;
                sum_l2 += w * l * l;
                sum_lx += w * l * x[i];
                levels[i] = l;
            }
            let determinant = sum_w * sum_l2 - sum_l * sum_l;
            if determinant > 0.0 {
                let mut this_scale = (sum_w * sum_lx - sum_x * sum_l) / determinant;
                let mut this_min = (sum_l2 * sum_x - sum_l * sum_lx) / determinant;
                if this_min > 0.0 {
                    this_min = 0.0;
                    this_scale = sum_lx / sum_l2;
                }
                let mut errors = 0.0f32;
                #[unroll]
                for i in 0..N {
                    let error = this_scale * levels[i] + this_min - x[i];
                    errors += weight(x[i]) * if ABSOLUTE { error.abs() } else { error * error };
                }
                if errors < best {
                    best = errors;
                    found = inverse;
                    found_min = min;
                    scale = this_scale;
                    min = this_min;
                }
            }
        }
        for i in 0..N {
            codes[i] = code_of(level(found * (x[i] - found_min), 0, top));
        }
    }
    (scale, -min)
}
