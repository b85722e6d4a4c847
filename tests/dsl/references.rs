//! References to registers: parameters `&T` and `&mut T` of device functions.

use firesteel::prelude::*;

use crate::device;

#[gpu_fn]
fn add(sum: &mut f32, x: f32) {
    *sum += x;
}

#[gpu_fn]
fn larger(best: &mut (u32, f32), at: u32, x: &f32) {
    if *x > best.1 {
        *best = (at, *x);
    }
}

#[gpu_fn]
fn accumulate<const N: usize, T: Float>(sums: &mut [T; N], x: &[T; N]) {
    for i in 0..N {
        sums[i] += x[i];
    }
}

/// Passes parts of a reference on, by both forms.
#[gpu_fn]
fn rows(table: &mut [[f32; 4]; 2], x: &[f32; 4]) {
    for row in 0..2 {
        accumulate(&mut table[row], x);
        add(&mut table[row][3], 100.0);
    }
    accumulate(&mut table[1], x);
    scaled(table, x.len() as f32);
}

#[gpu_fn]
fn scaled(table: &mut [[f32; 4]; 2], by: f32) {
    for i in 0..4 {
        table[0][i] *= by;
    }
}

#[gpu_kernel(block_size = 32)]
fn tables(x: &[f32], y: &mut [f32], best: &mut [u32]) {
    let lane = thread_idx_x();
    let own = [x[lane], x[lane] + 1.0, 2.0, 3.0];
    let mut table = [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]];
    rows(&mut table, &own);
    for row in 0..2u32 {
        for i in 0..4u32 {
            y[lane * 8 + row * 4 + i] = table[row][i];
        }
    }
    let mut found = (0, f32::NEG_INFINITY);
    for i in 0..4u32 {
        larger(&mut found, i, &own[i]);
    }
    best[lane] = found.0;
}

#[test]
fn what_a_function_writes_the_caller_reads() {
    let device = device();
    let x: Vec<f32> = (0..32).map(|i| i as f32 - 16.0).collect();
    let mut y = device.alloc_zeros::<f32>(256).unwrap();
    let mut best = device.alloc_zeros::<u32>(32).unwrap();
    tables::launch(&device, &device.alloc_from(&x).unwrap(), &mut y, &mut best, (1, 1, 1)).unwrap();
    let (mut want, mut want_best) = (Vec::new(), Vec::new());
    for x in x {
        let own = [x, x + 1.0, 2.0, 3.0];
        let more = |i| if i == 3 { 100.0 } else { 0.0 };
        want.extend(own.iter().enumerate().map(|(i, own)| (i as f32 + own + more(i)) * 4.0));
        want.extend(own.iter().enumerate().map(|(i, own)| 4.0 + i as f32 + 2.0 * own + more(i)));
        want_best.push(if x >= 2.0 { 1 } else { 3 });
    }
    assert_eq!(y.to_host(&device).unwrap(), want);
    assert_eq!(best.to_host(&device).unwrap(), want_best);
}

#[gpu_fn]
fn swap(a: &mut u32, b: &mut u32) {
    let old = *a;
    *a = *b;
    *b = old;
}

#[gpu_fn]
fn next(i: &mut u32) -> u32 {
    *i += 1;
    *i - 1
}

/// An element of memory is one as well; its index is that of the call, whatever becomes of `at`.
#[gpu_fn]
fn put(to: &mut u32, at: &mut u32) {
    *at += 7;
    *to += *at;
    *to *= 2;
}

#[gpu_kernel(block_size = 1)]
fn order(y: &mut [u32]) {
    let mut i = 0;
    let mut pair = [10, 20];
    let (mut a, mut b) = (1, 2);
    swap(&mut a, &mut b);
    y[next(&mut i)] = a;
    y[next(&mut i)] = b;
    let seen = next(&mut i) * 10 + next(&mut i);
    y[2] = seen;
    put(&mut y[i], &mut i);
    y[5] = i;
    let mut k = 1;
    put(&mut pair[1], &mut k);
    y[6] = pair[1] + k;
}

#[test]
fn references_are_taken_in_order() {
    let device = device();
    let mut y = device.alloc_from(&[0, 0, 0, 0, 5, 0, 0]).unwrap();
    order::launch(&device, &mut y, (1, 1, 1)).unwrap();
    let want = [2, 1, 23, 0, (5 + 11) * 2, 11, (20 + 8) * 2 + 8];
    assert_eq!(y.to_host(&device).unwrap(), want);
}

#[gpu_fn]
fn step(sums: &mut [[FragC<f32>; 2]; 2], a: [FragA<bf16>; 2], b: [FragB<bf16>; 2]) {
    for i in 0..2 {
        across(&mut sums[i], a[i], b);
    }
}

#[gpu_fn]
fn across(sums: &mut [FragC<f32>; 2], a: FragA<bf16>, b: [FragB<bf16>; 2]) {
    for j in 0..2 {
        one(&mut sums[j], a, b[j]);
    }
}

#[gpu_fn]
fn one(sum: &mut FragC<f32>, a: FragA<bf16>, b: FragB<bf16>) {
    mma(sum, a, b);
}

#[gpu_kernel(block_size = 32, arch = "sm_80")]
fn through_functions(x: &[bf16], y: &mut [f32], turns: u32) {
    let tile = shared_mem![bf16; 512];
    for i in 0..16u32 {
        tile[i * 32 + lane_id()] = x[i * 32 + lane_id()];
    }
    bar_sync();
    let at = lane_id() % 16 * 16 + lane_id() / 16 * 8;
    let a = [ldmatrix_a(tile, at), ldmatrix_a(tile, at + 256)];
    let b = [ldmatrix_b(tile, at % 128), ldmatrix_b(tile, at % 128 + 256)];
    let mut sums = [[FragC::<f32>::zero(); 2]; 2];
    for _ in 0..turns {
        step(&mut sums, a, b);
    }
    for i in 0..4u32 {
        y[i * 32 + lane_id()] = sums[0][0][i] + sums[0][1][i] + sums[1][0][i] + sums[1][1][i];
    }
}

#[gpu_kernel(block_size = 32, arch = "sm_80")]
fn written_out(x: &[bf16], y: &mut [f32], turns: u32) {
    let tile = shared_mem![bf16; 512];
    for i in 0..16u32 {
        tile[i * 32 + lane_id()] = x[i * 32 + lane_id()];
    }
    bar_sync();
    let at = lane_id() % 16 * 16 + lane_id() / 16 * 8;
    let a = [ldmatrix_a(tile, at), ldmatrix_a(tile, at + 256)];
    let b = [ldmatrix_b(tile, at % 128), ldmatrix_b(tile, at % 128 + 256)];
    let mut sums = [[FragC::<f32>::zero(); 2]; 2];
    for _ in 0..turns {
        for i in 0..2 {
            for j in 0..2 {
                mma(&mut sums[i][j], a[i], b[j]);
            }
        }
    }
    for i in 0..4u32 {
        y[i * 32 + lane_id()] = sums[0][0][i] + sums[0][1][i] + sums[1][0][i] + sums[1][1][i];
    }
}

#[gpu_fn]
fn product(sum: &mut WarpgroupC<f32, 64>, left: TileK<bf16>, right: TileK<bf16>) {
    wgmma_fence();
    wgmma(sum, left, right);
    wgmma(&mut *sum, left, right);
    wgmma_commit();
    wgmma_wait(0);
}

#[gpu_kernel(block_size = 128, arch = "sm_90")]
fn warpgroup_through(y: &mut [f32], turns: u32) {
    let tile = shared_mem![bf16; 4096, align = 1024];
    let mut sum = WarpgroupC::<f32, 64>::zero();
    for _ in 0..turns {
        product(&mut sum, tile_k(tile, 0, 128), tile_k(tile, 0, 128));
    }
    y[thread_idx_x()] = sum[0] + sum[31];
}

#[gpu_kernel(block_size = 128, arch = "sm_90")]
fn warpgroup_written_out(y: &mut [f32], turns: u32) {
    let tile = shared_mem![bf16; 4096, align = 1024];
    let mut sum = WarpgroupC::<f32, 64>::zero();
    for _ in 0..turns {
        let (left, right) = (tile_k(tile, 0, 128), tile_k(tile, 0, 128));
        wgmma_fence();
        wgmma(&mut sum, left, right);
        wgmma(&mut sum, left, right);
        wgmma_commit();
        wgmma_wait(0);
    }
    y[thread_idx_x()] = sum[0] + sum[31];
}

/// The instructions of a module, without names and places in the source.
fn instructions(ptx: &str) -> Vec<&str> {
    let lines = ptx.lines().map(str::trim);
    let is_instruction = |line: &&str| line.ends_with(';') && !line.starts_with('.');
    lines.filter(is_instruction).filter(|line| !line.contains("ld.param")).collect()
}

#[test]
fn sums_of_matrix_products_stay_where_they_are() {
    let pairs = [
        (through_functions::PTX, written_out::PTX),
        (warpgroup_through::PTX, warpgroup_written_out::PTX),
    ];
    for (through, written_out) in pairs {
        let (through, written_out) = (instructions(through), instructions(written_out));
        assert!(through.iter().any(|it| it.contains("mma")));
        let mnemonics = |of: &[&str]| -> Vec<String> {
            of.iter().map(|it| it.split_whitespace().next().unwrap_or("").to_owned()).collect()
        };
        assert_eq!(mnemonics(&through), mnemonics(&written_out));
    }
}
