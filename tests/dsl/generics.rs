//! Generic device functions and kernels.

use firesteel::prelude::*;

use crate::device;

/// A sum of products.
#[gpu_fn]
fn dot<const N: usize>(a: [f32; N], b: [f32; N]) -> f32 {
    let mut sum = 0.0;
    for i in 0..N as u32 {
        sum = a[i].mul_add(b[i], sum);
    }
    sum
}

/// The first powers of a number, twice as many as `N` says.
#[gpu_fn]
fn power_sum<const N: usize>(x: f32) -> f32 {
    const TWICE: usize = 2;
    let mut powers = [1.0; N * TWICE];
    for i in 1..N * TWICE {
        powers[i] = powers[i - 1] * x;
    }
    let mut sum = 0.0;
    for i in 0..powers.len() {
        sum += powers[i];
    }
    sum
}

#[gpu_fn]
fn twice_as_many<const N: usize>(x: f32) -> f32 {
    power_sum::<{ N * 2 }>(x)
}

/// The last of the elements that there are.
#[gpu_fn]
fn pick<const N: usize>(x: [f32; N]) -> f32 {
    if N == 4 {
        x[3]
    } else if N == 2 {
        x[1]
    } else {
        x[0]
    }
}

#[gpu_kernel(block_size = 32)]
fn of_lengths(x: &[f32], y: &mut [f32], n: u32) {
    let i = thread_idx_x();
    if i < n {
        const HALF: usize = 2;
        let v = x[i];
        let pair = dot([v, 1.0], [2.0, 3.0]);
        let four = dot::<4>([v; 4], [1.0, 2.0, 3.0, 4.0]);
        let eight = power_sum::<HALF>(v) + twice_as_many::<1>(v);
        y[i] = pair + 100.0 * four + eight + pick([v, v + 1.0]) + pick([1.0]) + pick([v; 4]);
    }
}

#[test]
fn const_parameters_are_written_or_follow_from_lengths() {
    let device = device();
    let x: Vec<f32> = (0..32).map(|i| i as f32 / 4.0).collect();
    let mut y = device.alloc_zeros::<f32>(32).unwrap();
    of_lengths::launch(&device, &device.alloc_from(&x).unwrap(), &mut y, 32).unwrap();
    let want = x.iter().map(|x| {
        let powers = 1.0 + x + x * x + x * x * x;
        (2.0 * x + 3.0) + 100.0 * (10.0 * x) + 2.0 * powers + (x + 1.0) + 1.0 + x
    });
    let got = y.to_host(&device).unwrap();
    for (got, want) in got.into_iter().zip(want) {
        assert!((got - want).abs() <= 1e-3 * want, "{got} {want}");
    }
}

/// Sums of `WIDTH` neighbours, by a block for each tile of `ROWS` rows.
#[gpu_kernel(
    block_size = ROWS / 2 * 4,
    instances((ROWS = 16, WIDTH = 2), (ROWS = 32, WIDTH = 3), SIGN = [true, false]),
)]
fn neighbours<const ROWS: u32, const WIDTH: usize, const SIGN: bool>(x: &[i32], y: &mut [i32]) {
    let tile = shared_mem![i32; ROWS as usize * WIDTH];
    let lane = thread_idx_x();
    if lane < ROWS {
        for i in 0..WIDTH as u32 {
            tile[lane * WIDTH as u32 + i] = x[lane + i];
        }
    }
    bar_sync();
    let mut parts = [0; WIDTH];
    if lane < ROWS {
        for i in 0..WIDTH {
            parts[i] = tile[lane as usize * WIDTH + i];
        }
        let mut sum = parts[0] + parts[1];
        if WIDTH > 2 {
            sum += parts[2];
        }
        y[lane] = if SIGN { sum } else { -sum };
    }
}

fn sums(device: &Device, launch: impl Fn(&GpuBuffer<i32>, &mut GpuBuffer<i32>)) -> Vec<i32> {
    let x = device.alloc_from(&(0..40).collect::<Vec<_>>()).unwrap();
    let mut y = device.alloc_zeros::<i32>(32).unwrap();
    launch(&x, &mut y);
    y.to_host(device).unwrap()
}

#[test]
fn instances_are_chosen_by_their_arguments() {
    let device = device();
    let of = |n: i32, width: i32, sign: i32| -> Vec<i32> {
        let sum = |i: i32| sign * (0..width).map(|k| i + k).sum::<i32>();
        (0..32).map(|i| if i < n { sum(i) } else { 0 }).collect()
    };
    let pairs = sums(&device, |x, y| {
        neighbours::launch::<16, 2, true>(&device, x, y, (1, 1, 1)).unwrap();
    });
    assert_eq!(pairs, of(16, 2, 1));
    let triples = sums(&device, |x, y| {
        let config = LaunchConfig::from((1, 1, 1));
        neighbours::launch_on::<32, 3, false>(&device.stream(), config, x, y).unwrap();
    });
    assert_eq!(triples, of(32, 3, -1));
}

#[test]
fn instances_have_names_blocks_and_text_of_their_own() {
    let names: Vec<_> = neighbours::INSTANCES.iter().map(|kernel| kernel.name()).collect();
    let want = [
        "neighbours_16_2_true",
        "neighbours_16_2_false",
        "neighbours_32_3_true",
        "neighbours_32_3_false",
    ];
    assert_eq!(names, want);
    let kernel = neighbours::kernel::<32, 3, true>();
    assert_eq!((kernel.block(), kernel.static_shared()), ([64, 1, 1], 32 * 3 * 4));
    assert!(kernel.ptx().contains(".entry neighbours_32_3_true("));
}

/// `a * x + y` in `f32`, whatever the type.
#[gpu_fn]
fn axpy<T: Float>(a: T, x: T, y: T) -> T {
    T::from_f32(a.to_f32() * x.to_f32() + y.to_f32())
}

#[gpu_fn]
fn largest<const N: usize, T: Number>(x: [T; N]) -> T {
    let mut largest = T::MIN;
    for i in 0..N {
        largest = largest.max(x[i]);
    }
    largest
}

/// Bits of the bytes that a number takes, in a way of its own for each size.
#[gpu_fn]
fn width<T: Scalar>(_x: T) -> u32 {
    if T::BYTES == 2 {
        16
    } else if T::BITS == 8 {
        1 + 7
    } else {
        let many = [0u32; T::BYTES as usize];
        many.len() as u32 * 8
    }
}

#[gpu_fn]
fn reversed<T: Number>(from: &[T], to: &mut [T], n: u32) {
    let tile = shared_mem![T; 64];
    let lane = thread_idx_x();
    if lane < n {
        tile[lane] = from[lane];
    }
    bar_sync();
    if lane < n {
        to[lane] = tile[n - 1 - lane] + T::ONE;
    }
}

#[gpu_fn]
fn bits_below<T: Int>(x: T, shift: u32) -> T {
    let mask: T = (T::ONE << shift) - T::ONE;
    (x & mask) | T::ZERO
}

#[gpu_fn]
fn softplus<T: Float>(x: T) -> T {
    let limit = T::from_f32(20.0);
    if x > limit { x } else { (x.exp() + T::ONE).ln() }
}

#[gpu_kernel(block_size = 64)]
fn of_types(x: &[f32], h: &[f16], y: &mut [f32], z: &mut [f16], w: &mut [u32], n: u32) {
    reversed(x, y, n);
    reversed::<f16>(h, z, n);
    let i = thread_idx_x();
    if i < n {
        w[i] = width(1.0) + width(h[i]) + width(true) + width(2u64) + bits_below(i, 2);
        y[i] += largest([x[i], 3.0]) + largest::<2, i32>([-4, 5]) as f32;
        z[i] = axpy(h[i], z[i], axpy::<f16>(f16::ONE, h[i], f16::ZERO));
        y[i] = y[i] + softplus(x[i]) - x[i].exp().ln_1p();
    }
}

#[test]
fn type_parameters_are_written_or_follow_from_arguments() {
    let device = device();
    let n = 40;
    let x: Vec<f32> = (0..n).map(|i| i as f32 / 8.0).collect();
    let h: Vec<f16> = x.iter().map(|x| f16::from_f32(*x)).collect();
    let mut y = device.alloc_zeros::<f32>(40).unwrap();
    let mut z = device.alloc_zeros::<f16>(40).unwrap();
    let mut w = device.alloc_zeros::<u32>(40).unwrap();
    let (x_device, h_device) = (device.alloc_from(&x).unwrap(), device.alloc_from(&h).unwrap());
    of_types::launch(&device, &x_device, &h_device, &mut y, &mut z, &mut w, n).unwrap();
    let (y, z) = (y.to_host(&device).unwrap(), z.to_host(&device).unwrap());
    for i in 0..n as usize {
        let back = x[n as usize - 1 - i] + 1.0;
        let want = back + x[i].max(3.0) + 5.0;
        assert!((y[i] - want).abs() < 1e-4, "{i}: {} {want}", y[i]);
        let back = f16::from_f32(back).to_f32();
        let want = f16::from_f32(x[i] * back + x[i]);
        assert_eq!(z[i], want, "{i}");
    }
    let want: Vec<u32> = (0..n).map(|i| 32 + 16 + 8 + 64 + i % 4).collect();
    assert_eq!(w.to_host(&device).unwrap(), want);
}

#[gpu_kernel(
    block_size = T::BYTES * 32,
    instances(T = [f16, bf16, f32], N = [2, 4]),
)]
fn scaled<T: Float, const N: usize>(x: &[T], y: &mut [T], scale: T, n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < n {
        let parts: [T; N] = [x[i]; N];
        let mut sum = T::ZERO;
        for k in 0..N {
            sum += parts[k] * scale;
        }
        y[i] = softplus::<T>(T::ZERO).mul_add(T::ZERO, sum) + largest([T::ZERO, T::MIN]);
    }
}

fn scale<T: DeviceCopy>(
    x: &[T],
    launch: impl Fn(&Device, &GpuBuffer<T>, &mut GpuBuffer<T>, u32) -> Result<()>,
) -> Vec<T> {
    let device = device();
    let mut y = device.alloc_zeros::<T>(x.len()).unwrap();
    launch(&device, &device.alloc_from(x).unwrap(), &mut y, x.len() as u32).unwrap();
    y.to_host(&device).unwrap()
}

#[test]
fn type_parameters_of_kernels_are_those_of_buffers() {
    let x: Vec<f32> = (0..100).map(|i| i as f32).collect();
    let half: Vec<f16> = x.iter().map(|x| f16::from_f32(*x)).collect();
    let got = scale(&half, |device, x, y, n| {
        scaled::launch::<f16, 4>(device, x, y, f16::from_f32(0.5), n)
    });
    assert_eq!(got, half.iter().map(|x| f16::from_f32(x.to_f32() * 2.0)).collect::<Vec<_>>());
    let got = scale(&x, |device, x, y, n| scaled::launch::<f32, 2>(device, x, y, 0.5, n));
    assert_eq!(got, x);
    assert_eq!(scaled::kernel::<bf16, 2>().name(), "scaled_bf16_2");
    assert_eq!(scaled::kernel::<f32, 2>().block(), [128, 1, 1]);
    assert_eq!(scaled::INSTANCES.len(), 6);
}

/// Doubles what a closure makes of each of two numbers.
#[gpu_fn]
fn twice_of(x: [f32; 2], f: impl Fn(f32, u32) -> f32) -> f32 {
    let mut sum = 0.0;
    for i in 0..2u32 {
        sum += 2.0 * f(x[i], i);
    }
    sum
}

/// Passes its closure on, with a type parameter beside it.
#[gpu_fn]
fn passed_on<T: Float>(x: T, f: impl Fn(f32, u32) -> f32) -> T {
    T::from_f32(twice_of([x.to_f32(), 1.0], &f) + twice_of([0.0, 0.0], f))
}

#[gpu_fn]
fn add_column(v: f32, column: u32) -> f32 {
    v + column as f32
}

#[gpu_kernel(block_size = 32)]
fn epilogues(x: &[f32], bias: &[f32], y: &mut [f32], alpha: f32, n: u32) {
    let i = thread_idx_x();
    if i < n {
        let offset = 1.0;
        let scaled = twice_of([x[i], 2.0], |v, column| v * alpha + bias[column] + offset);
        let named = twice_of([x[i], 2.0], add_column);
        let half = f16::from_f32(0.5);
        let both: f16 = passed_on(half, |v: f32, column| {
            let shifted = v + column as f32;
            if shifted > 1.5 { 0.0 } else { shifted }
        });
        y[i] = scaled + named + both.to_f32();
    }
}

#[test]
fn closures_are_arguments() {
    let device = device();
    let x: Vec<f32> = (0..32).map(|i| i as f32).collect();
    let bias = device.alloc_from(&[10.0f32, 20.0]).unwrap();
    let mut y = device.alloc_zeros::<f32>(32).unwrap();
    epilogues::launch(&device, &device.alloc_from(&x).unwrap(), &bias, &mut y, 3.0, 32).unwrap();
    let want = x.iter().map(|x| {
        let scaled = 2.0 * (3.0 * x + 11.0) + 2.0 * (6.0 + 21.0);
        let named = 2.0 * x + 2.0 * 3.0;
        scaled + named + 2.0 * 0.5 + 2.0 * 1.0
    });
    assert_eq!(y.to_host(&device).unwrap(), want.collect::<Vec<_>>());
}

/// The constant of a pair indexes registers, although its partner is no constant.
#[gpu_kernel(block_size = 32)]
fn half_constant(x: &[u32], y: &mut [u32]) {
    let thread = thread_idx_x();
    let parts = [x[thread], x[thread] * 10];
    #[unroll]
    for half in 0..2u32 {
        let (at, part) = (half * 32 + thread, half);
        y[at] = parts[part];
    }
}

#[test]
fn a_pair_keeps_what_is_constant_in_it() {
    let device = device();
    let x: Vec<u32> = (1..=32).collect();
    let from = device.alloc_from(&x).unwrap();
    let mut to = device.alloc_zeros::<u32>(64).unwrap();
    half_constant::launch(&device, &from, &mut to, (1, 1, 1)).unwrap();
    let want: Vec<u32> = x.iter().copied().chain(x.iter().map(|x| x * 10)).collect();
    assert_eq!(to.to_host(&device).unwrap(), want);
}

gpu_instantiate! {
    /// Windows of three and four elements.
    mod wide_windows = firesteel_tests::device::windows, instances(N = [3, 4], T = [f16, f32]);
}

#[test]
fn a_kernel_of_another_crate_gets_instances() {
    use firesteel_tests::device::{Line, windows};

    let device = device();
    let x: Vec<f32> = (0..40).map(|i| i as f32 / 16.0).collect();
    let halves: Vec<f16> = x.iter().map(|x| f16::from_f32(*x)).collect();
    let lines: Vec<_> = (0..36).map(|i| Line { slope: 0.5, offset: i as f32 / 8.0 }).collect();
    let want = |n: usize| -> Vec<f32> {
        let sum = |i: usize| x[i..i + n].iter().sum::<f32>();
        (0..36).map(|i| (sum(i) * 0.5 + i as f32 / 8.0).clamp(0.0, 8.0)).collect()
    };
    let (full, half) = (device.alloc_from(&x).unwrap(), device.alloc_from(&halves).unwrap());
    let lines = device.alloc_from(&lines).unwrap();
    let mut y = device.alloc_zeros::<f32>(36).unwrap();
    windows::launch::<1, f32>(&device, &full, &lines, &mut y, 36).unwrap();
    assert_eq!(y.to_host(&device).unwrap(), want(1));
    wide_windows::launch::<4, f32>(&device, &full, &lines, &mut y, 36).unwrap();
    assert_eq!(y.to_host(&device).unwrap(), want(4));
    let mut y = device.alloc_zeros::<f16>(36).unwrap();
    wide_windows::launch::<3, f16>(&device, &half, &lines, &mut y, 36).unwrap();
    let got: Vec<f32> = y.to_host(&device).unwrap().iter().map(|y| y.to_f32()).collect();
    // All sums are multiples of 1/32 below 8: exact.
    assert_eq!(got, want(3));
    let kernel = wide_windows::kernel::<3, f16>();
    assert_eq!((kernel.name(), kernel.block()), ("wide_windows_3_f16", [96, 1, 1]));
    assert_eq!(wide_windows::INSTANCES.len(), 4);
    firesteel_tests::ptxas::demand(kernel.ptx(), &[]);
}
