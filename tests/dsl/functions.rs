//! Device functions and constants: from the same module, others and another crate.

use firesteel::prelude::*;
use firesteel_tests::device::{self as elsewhere, clamp};

use crate::device;

mod steps {
    use firesteel::prelude::*;

    #[gpu_const]
    pub(super) const LIMIT: u32 = 1000;

    #[gpu_const]
    pub(super) const TABLE: [u32; 4] = [1, 10, 100, LIMIT];

    /// Steps of the Collatz sequence down to 1.
    #[gpu_fn]
    pub(super) fn collatz(start: u32) -> u32 {
        let mut x = start;
        let mut n = 0;
        loop {
            if x == 1 {
                return n;
            }
            for _ in 0..1 {
                if n >= LIMIT {
                    return LIMIT;
                }
            }
            x = next(x);
            n += 1;
        }
    }

    #[gpu_fn]
    fn next(x: u32) -> u32 {
        if x % 2 == 0 { x / 2 } else { 3 * x + 1 }
    }
}

#[gpu_kernel(block_size = 64)]
fn collatz_of(x: &[u32], y: &mut [u32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < n {
        y[i] = steps::collatz(x[i]) + steps::TABLE[3];
    }
}

#[test]
fn a_function_of_another_module_brings_its_private_helper() {
    fn collatz(mut x: u32) -> u32 {
        let mut n = 0;
        while x != 1 {
            x = if x.is_multiple_of(2) { x / 2 } else { 3 * x + 1 };
            n += 1;
        }
        n
    }
    let device = device();
    let x: Vec<u32> = (1..=100).collect();
    let mut y = device.alloc_zeros::<u32>(100).unwrap();
    collatz_of::launch(&device, &device.alloc_from(&x).unwrap(), &mut y, 100).unwrap();
    let want: Vec<u32> = (0..100).map(|i| collatz(x[i]) + steps::TABLE[3]).collect();
    assert_eq!(y.to_host(&device).unwrap(), want);
}

#[gpu_kernel(block_size = 64)]
fn clamped(x: &[f32], y: &mut [f32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < n {
        y[i] = clamp(x[i], -1.0, elsewhere::TILE as f32);
    }
}

#[test]
fn a_function_of_another_crate_brings_its_private_helpers() {
    let device = device();
    let x: Vec<f32> = (-50..50).map(|i| i as f32 / 4.0).collect();
    let mut y = device.alloc_zeros::<f32>(100).unwrap();
    clamped::launch(&device, &device.alloc_from(&x).unwrap(), &mut y, 100).unwrap();
    let want: Vec<f32> = x.iter().map(|x| x.clamp(-1.0, 8.0)).collect();
    assert_eq!(y.to_host(&device).unwrap(), want);
}

#[gpu_fn]
fn reverse(from: &[u32], to: &mut [u32], lane: u32) {
    let last = from.len() - 1;
    to[lane] = from[last - lane as usize];
}

#[gpu_fn]
fn sum_of_products(a: [f32; 4], (b, scale): (f32, f32)) -> (f32, f32) {
    let mut sum = 0.0;
    for i in 0..4 {
        sum += a[i] * b;
    }
    (sum, sum * scale)
}

#[gpu_kernel(block_size = 64)]
fn through_memory(x: &[u32], y: &mut [u32], z: &mut [f32]) {
    let tile = shared_mem![u32; 8 * elsewhere::TILE];
    let lane = thread_idx_x();
    reverse(x, &mut tile, lane);
    bar_sync();
    reverse(&tile, y, lane);
    let v = lane as f32;
    let (sum, scaled) = sum_of_products([v, 1.0, 2.0, 3.0], (2.0, 0.5));
    z[2 * lane] = sum;
    z[2 * lane + 1] = scaled;
}

#[test]
fn slices_shared_arrays_arrays_and_tuples_are_arguments() {
    let device = device();
    let x: Vec<u32> = (0..64).map(|i| i * i).collect();
    let mut y = device.alloc_zeros::<u32>(64).unwrap();
    let mut z = device.alloc_zeros::<f32>(128).unwrap();
    let x_device = device.alloc_from(&x).unwrap();
    through_memory::launch(&device, &x_device, &mut y, &mut z, (1, 1, 1)).unwrap();
    assert_eq!(y.to_host(&device).unwrap(), x);
    let want = (0..64).flat_map(|lane| {
        let sum = 2.0 * (lane as f32 + 6.0);
        [sum, sum * 0.5]
    });
    assert_eq!(z.to_host(&device).unwrap(), want.collect::<Vec<_>>());
}

#[test]
fn a_kernel_in_a_function_finds_what_stands_beside_it() {
    #[gpu_const]
    const STEP: u32 = 3;

    #[gpu_fn]
    fn twice(x: u32) -> u32 {
        2 * x + STEP
    }

    #[gpu_kernel(block_size = 32)]
    fn apply(y: &mut [u32], n: u32) {
        let i = thread_idx_x();
        if i < n {
            y[i] = match i {
                STEP => 0,
                other => twice(twice(other)),
            };
        }
    }

    let device = device();
    let mut y = device.alloc_zeros::<u32>(32).unwrap();
    apply::launch(&device, &mut y, 32).unwrap();
    let want: Vec<u32> = (0..32).map(|i| if i == 3 { 0 } else { 4 * i + 9 }).collect();
    assert_eq!(y.to_host(&device).unwrap(), want);
}

/// `to[i] = from[i] * factor + bias[i % len]`, where a shared array may stand for any of them.
#[gpu_fn]
fn scaled<T: Float>((from, bias): (&[T], &[f32]), (to, factor): (&mut [T], f32), i: u32) {
    let bias = bias[i % bias.len() as u32];
    to[i] = T::from_f32(from[i].to_f32() * factor + bias);
}

#[gpu_fn]
fn through_shared((x, y): (&[f32], &mut [f32]), bias: &[f32], i: u32) {
    let tile = shared_mem![f32; 32];
    scaled((x, bias), (tile, 2.0), i);
    bar_sync();
    scaled((tile, bias), (y, 0.5), i);
}

#[gpu_kernel(block_size = 32)]
fn grouped(x: &[f32], bias: &[f32], y: &mut [f32]) {
    let i = thread_idx_x();
    through_shared((x, y), bias, i);
    if i == 0 {
        scaled((bias, x), (y, 1.0), 0);
    }
}

#[test]
fn slices_come_in_tuples() {
    let device = device();
    let x: Vec<f32> = (0..32).map(|i| i as f32).collect();
    let (from, bias) = (device.alloc_from(&x).unwrap(), device.alloc_from(&[4.0f32, 8.0]).unwrap());
    let mut y = device.alloc_zeros::<f32>(32).unwrap();
    grouped::launch(&device, &from, &bias, &mut y, (1, 1, 1)).unwrap();
    let bias = |i: usize| [4.0f32, 8.0][i % 2];
    let mut want: Vec<f32> = (0..32).map(|i| (x[i] * 2.0 + bias(i)) * 0.5 + bias(i)).collect();
    want[0] = 4.0;
    assert_eq!(y.to_host(&device).unwrap(), want);
}
