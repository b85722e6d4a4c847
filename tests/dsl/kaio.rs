//! KAIO's surface: its builtins, parameter forms, block sizes and launch convention, each used as
//! KAIO's documentation uses them.

use firesteel::prelude::*;

fn ramp(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32).collect()
}

#[gpu_kernel(block_size = 256)]
fn all_four_spellings(a: &[f32], b: *const [f32], c: &mut [f32], d: *mut [f32], n: u32) {
    let idx = thread_idx_x() + block_idx_x() * block_dim_x();
    if idx < n {
        c[idx] = a[idx] + b[idx];
        d[idx] = a[idx] - b[idx];
    }
}

#[test]
fn pointers_and_references_mean_the_same() -> Result<()> {
    let device = crate::device();
    let (a, b) = (device.alloc_from(&ramp(1000))?, device.alloc_from(&vec![2.0f32; 1000])?);
    let mut c = device.alloc_zeros::<f32>(1000)?;
    let mut d = device.alloc_zeros::<f32>(1000)?;
    all_four_spellings::launch(&device, &a, &b, &mut c, &mut d, 1000)?;
    let (c, d) = (c.to_host(&device)?, d.to_host(&device)?);
    for i in 0..1000 {
        assert_eq!((c[i], d[i]), (i as f32 + 2.0, i as f32 - 2.0));
    }
    Ok(())
}

#[gpu_kernel(block_size = 32)]
fn bit_operators(x: &[u32], y: &[i32], out: &mut [u32], n: u32) {
    let i = thread_idx_x();
    if i < n {
        let word = x[i];
        let signed = y[i];
        let mixed = ((word & 0xFF) | (word ^ 0x0F0F) << 3) >> 1;
        let arithmetic = (signed >> 4) as u32;
        let logical = (signed as u32) >> 4;
        out[i] = mixed ^ arithmetic ^ !logical;
    }
}

#[test]
fn shifts_are_logical_or_arithmetic_by_type() -> Result<()> {
    let device = crate::device();
    let x: Vec<u32> = (0..32).map(|i| 0x9E37_79B9_u32.wrapping_mul(i)).collect();
    let y: Vec<i32> = (0..32).map(|i| (i - 16) * 1_000_003).collect();
    let mut out = device.alloc_zeros::<u32>(32)?;
    let (dx, dy) = (device.alloc_from(&x)?, device.alloc_from(&y)?);
    bit_operators::launch(&device, &dx, &dy, &mut out, 32)?;
    for (i, got) in out.to_host(&device)?.into_iter().enumerate() {
        let mixed = ((x[i] & 0xFF) | ((x[i] ^ 0x0F0F) << 3)) >> 1;
        assert_eq!(got, mixed ^ (y[i] >> 4) as u32 ^ !((y[i] as u32) >> 4));
    }
    Ok(())
}

#[gpu_kernel(block_size = 64)]
fn compound_on_elements(out: &mut [u32], mask: u32, n: u32) {
    let i = thread_idx_x();
    if i < n {
        out[i] |= mask;
        out[i] &= 0xFFF0;
        out[i] ^= i;
        out[i] <<= 2;
        out[i] >>= 1;
        out[i] += 5;
        out[i] -= 3;
        out[i] *= 7;
        out[i] /= 2;
        out[i] %= 1000;
    }
}

#[test]
fn compound_assignment_works_on_elements() -> Result<()> {
    let device = crate::device();
    let start: Vec<u32> = (0..50).map(|i| i * 977).collect();
    let mut out = device.alloc_from(&start)?;
    compound_on_elements::launch(&device, &mut out, 0x1234, 50)?;
    for (i, got) in out.to_host(&device)?.into_iter().enumerate() {
        let mut want = (start[i] | 0x1234) & 0xFFF0;
        want = (((want ^ i as u32) << 2) >> 1) + 5 - 3;
        assert_eq!(got, want * 7 / 2 % 1000);
    }
    Ok(())
}

#[gpu_kernel(block_size = 64)]
fn short_circuit(x: &[f32], out: &mut [u32], n: u32) {
    let i = thread_idx_x();
    // The right side would be out of bounds where the left one fails.
    if i < n && x[i] > 10.0 {
        out[i] = 1;
    }
    if i >= n || x[i] < 5.0 {
        out[i] += 2;
    }
    let both = (i < n && x[i] > 3.0 && x[i] < 7.0) || i == 63;
    if both {
        out[i] += 4;
    }
}

#[test]
fn the_right_side_is_evaluated_only_if_needed() -> Result<()> {
    let device = crate::device();
    let x = device.alloc_from(&ramp(20))?;
    let mut out = device.alloc_zeros::<u32>(64)?;
    short_circuit::launch(&device, &x, &mut out, 20)?;
    for (i, got) in out.to_host(&device)?.into_iter().enumerate() {
        let inside = i < 20;
        let want = u32::from(inside && i > 10)
            + 2 * u32::from(!inside || i < 5)
            + 4 * u32::from((inside && i > 3 && i < 7) || i == 63);
        assert_eq!(got, want, "{i}");
    }
    Ok(())
}

#[gpu_kernel(block_size = 32)]
fn loops(out: &mut [u32], n: u32) {
    let tid = thread_idx_x();
    let mut sum = 0u32;
    for i in 0..tid {
        sum += i;
    }
    let mut halvings = 0u32;
    let mut rest = n * tid;
    while rest > 1 {
        rest /= 2;
        halvings += 1;
    }
    if tid < n {
        out[tid] = sum * 100 + halvings;
    }
}

#[test]
fn loops_run_as_often_as_in_rust() -> Result<()> {
    let device = crate::device();
    let mut out = device.alloc_zeros::<u32>(32)?;
    loops::launch(&device, &mut out, 32)?;
    for (tid, got) in (0u32..).zip(out.to_host(&device)?) {
        let halvings = (32 * tid).checked_ilog2().unwrap_or(0);
        assert_eq!(got, (0..tid).sum::<u32>() * 100 + halvings);
    }
    Ok(())
}

#[gpu_kernel(block_size = (16, 4))]
fn write_2d(out: &mut [u32], width: u32, height: u32) {
    let x = thread_idx_x() + block_idx_x() * block_dim_x();
    let y = thread_idx_y() + block_idx_y() * block_dim_y();
    if x < width && y < height {
        out[y * width + x] = y * 1000 + x;
    }
}

#[test]
fn a_block_of_two_dimensions_takes_the_grid() -> Result<()> {
    let device = crate::device();
    let mut out = device.alloc_zeros::<u32>(50 * 9)?;
    write_2d::launch(&device, &mut out, 50, 9, (4, 3, 1))?;
    for (i, got) in (0u32..).zip(out.to_host(&device)?) {
        assert_eq!(got, i / 50 * 1000 + i % 50);
    }
    Ok(())
}

#[gpu_kernel(block_size = 128)]
fn shared_arrays_and_reduction(x: &[f32], out: &mut [f32], n: u32) {
    let tid = thread_idx_x();
    let first = shared_mem![f32; 128];
    let second = shared_mem![u32; 128];
    let mut value = 0.0f32;
    if tid < n {
        value = x[tid];
    }
    first[tid] = value;
    second[127 - tid] = tid;
    bar_sync();
    let mirrored = first[second[tid]];
    let sum = block_reduce_sum(mirrored);
    let largest = block_reduce_max(mirrored);
    let least = block_reduce_min(mirrored);
    if tid < n {
        out[tid] = sum + 1000.0 * largest + least;
    }
}

#[test]
fn consecutive_block_reductions_do_not_race() -> Result<()> {
    let device = crate::device();
    let x = device.alloc_from(&ramp(100))?;
    let mut out = device.alloc_zeros::<f32>(100)?;
    shared_arrays_and_reduction::launch(&device, &x, &mut out, 100)?;
    assert_eq!(out.to_host(&device)?, vec![4950.0 + 99_000.0; 100]);
    Ok(())
}

/// The block size arrives through a macro's variable.
macro_rules! sums {
    ($($name:ident $block:literal;)*) => {$(
        #[gpu_kernel(block_size = $block)]
        fn $name(x: &[f32], out: &mut [f32], n: u32) {
            let i = thread_idx_x() + block_idx_x() * block_dim_x();
            let mut value = 0.0f32;
            if i < n {
                value = x[i];
            }
            let sum = block_reduce_sum(value);
            if thread_idx_x() == 0 {
                out[block_idx_x()] = sum;
            }
        }

        #[test]
        fn $name() -> Result<()> {
            let (device, n) = (crate::device(), 2 * $block + 7);
            let x = device.alloc_from(&vec![1.0f32; n])?;
            let mut out = device.alloc_zeros::<f32>(3)?;
            $name::launch(&device, &x, &mut out, n as u32)?;
            assert_eq!(out.to_host(&device)?, [$block as f32, $block as f32, 7.0]);
            Ok(())
        }
    )*};
}

sums! {
    sum_32 32;
    sum_48 48;
    sum_64 64;
    sum_100 100;
    sum_512 512;
    sum_1024 1024;
}

#[gpu_kernel(block_size = (32, 8))]
fn identity_2d(out: &mut [f32]) {
    let rank = thread_idx_x() + thread_idx_y() * block_dim_x();
    let least = block_reduce_min(rank as f32 + 3.0);
    let sum = block_reduce_sum(1.0f32);
    out[rank] = sum + least;
}

#[test]
fn a_kernel_without_a_count_takes_the_grid() -> Result<()> {
    let device = crate::device();
    let mut out = device.alloc_zeros::<f32>(256)?;
    identity_2d::launch(&device, &mut out, (1, 1, 1))?;
    assert_eq!(out.to_host(&device)?, vec![259.0; 256]);
    Ok(())
}

#[gpu_kernel(block_size = (8, 4))]
fn warp_of_two_dimensions(out: &mut [f32], n: u32) {
    let rank = thread_idx_x() + thread_idx_y() * 8;
    let sum = warp_reduce_sum(rank as f32);
    let largest = warp_reduce_max(rank as f32);
    let least = warp_reduce_min(rank as f32 + 1.0);
    if rank < n {
        out[rank] = sum * 10000.0 + largest * 100.0 + least;
    }
}

#[test]
fn a_warp_is_linear_over_the_block() -> Result<()> {
    let device = crate::device();
    let mut out = device.alloc_zeros::<f32>(32)?;
    warp_of_two_dimensions::launch(&device, &mut out, 32, (1, 1, 1))?;
    assert_eq!(out.to_host(&device)?, vec![496.0 * 10000.0 + 3101.0; 32]);
    Ok(())
}

#[gpu_kernel(block_size = 64)]
fn shuffles(out: &mut [f32], n: u32) {
    let tid = thread_idx_x();
    let value = tid as f32;
    let down = shfl_sync_down(value, 1, 32);
    let up = shfl_sync_up(value, 2, 32);
    let across = shfl_sync_bfly(value, 5, 32);
    if tid < n {
        out[tid] = down + up * 100.0 + across * 10000.0;
    }
}

#[test]
fn shuffles_stay_in_their_warp() -> Result<()> {
    let device = crate::device();
    let mut out = device.alloc_zeros::<f32>(64)?;
    shuffles::launch(&device, &mut out, 64)?;
    for (tid, got) in out.to_host(&device)?.into_iter().enumerate() {
        let lane = tid % 32;
        let down = if lane == 31 { tid } else { tid + 1 };
        let up = if lane < 2 { tid } else { tid - 2 };
        assert_eq!(got, (down + up * 100 + (tid ^ 5) * 10000) as f32, "{tid}");
    }
    Ok(())
}

#[gpu_kernel(block_size = 128)]
fn functions(x: &[f32], out: &mut [f32], n: u32) {
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    if i < n {
        let v = x[i];
        let e = exp(v * 0.1) + log(abs(v) + 1.0) + sqrt(abs(v)) + tanh(v);
        out[i] = fma(e, 2.0, min(v, 3.0)) + max(v, -3.0);
    }
}

#[test]
fn functions_are_close_and_tanh_does_not_overflow() -> Result<()> {
    let device = crate::device();
    let x: Vec<f32> = (0..400).map(|i| (i as f32 - 200.0) * 0.37).collect();
    let (dx, mut out) = (device.alloc_from(&x)?, device.alloc_zeros::<f32>(x.len())?);
    functions::launch(&device, &dx, &mut out, x.len() as u32)?;
    for (x, got) in x.iter().zip(out.to_host(&device)?) {
        let v = f64::from(*x);
        let e = (v * 0.1).exp() + (v.abs() + 1.0).ln() + v.abs().sqrt() + v.tanh();
        let want = e * 2.0 + v.min(3.0) + v.max(-3.0);
        assert!((f64::from(got) - want).abs() <= 1e-5 * want.abs().max(1.0), "{x}: {got}, {want}");
    }
    Ok(())
}

#[gpu_kernel(block_size = 32)]
fn scopes(out: &mut [f32], n: u32) {
    let tid = thread_idx_x();
    let x = 1.0f32;
    if tid < n {
        let x = 2.0f32;
        if x > 100.0 {
            out[0] = x;
        }
    }
    if tid < n {
        out[tid] = x;
    }
}

#[test]
fn a_name_of_an_inner_block_stays_there() -> Result<()> {
    let device = crate::device();
    let mut out = device.alloc_zeros::<f32>(32)?;
    scopes::launch(&device, &mut out, 32)?;
    assert_eq!(out.to_host(&device)?, vec![1.0; 32]);
    Ok(())
}

#[test]
fn zero_elements_launch_nothing() -> Result<()> {
    let device = crate::device();
    let mut out = device.alloc_zeros::<f32>(0)?;
    scopes::launch(&device, &mut out, 0)?;
    device.synchronize()
}
