//! The language against rustc: the same expression, compiled for the device and for the host.
//!
//! The device is the one that `FIRESTEEL_DEVICE` names, else the simulator.

mod blocks;
mod bulk;
mod casts;
mod channel;
mod clusters;
mod control;
mod faults;
mod functions;
mod generate;
mod generics;
mod hopper;
mod intrinsics;
mod kaio;
mod matrix;
mod narrow;
mod nibbles;
mod operators;
mod pairs;
mod random;
mod references;
mod structs;
mod tensor_maps;
mod views;
mod waiting;
mod wide;

use firesteel::{Arg, Device, DeviceCopy, GpuBuffer, Kernel};

use crate::{compile, device};

/// Threads of the blocks of these tests.
const BLOCK: u32 = 64;

/// Compiles the kernel `kernel` from its source and loads it.
fn load(device: &Device, attributes: &str, source: &str) -> Kernel {
    let ptx = compile(attributes, source);
    let module = device.load_ptx(&ptx).unwrap_or_else(|e| panic!("{e}\n{ptx}"));
    module.kernel("kernel").unwrap()
}

/// A value whose bits can be compared.
trait Element: DeviceCopy + std::fmt::Debug {
    fn bits(self) -> u64;
    /// Whether it is NaN, of which one is as good as the other.
    fn is_nan(self) -> bool;
}

macro_rules! elements {
    ($($ty:ty: |$it:ident| $bits:expr, $nan:expr;)*) => { $(
        impl Element for $ty {
            fn bits(self) -> u64 {
                let $it = self;
                $bits
            }
            fn is_nan(self) -> bool {
                let $it = self;
                let _ = $it;
                $nan
            }
        }
    )* };
}

elements! {
    i8: |it| it as u8 as u64, false;
    i16: |it| it as u16 as u64, false;
    i32: |it| it as u32 as u64, false;
    i64: |it| it as u64, false;
    isize: |it| it as u64, false;
    u8: |it| it as u64, false;
    u16: |it| it as u64, false;
    u32: |it| it as u64, false;
    u64: |it| it, false;
    usize: |it| it as u64, false;
    bool: |it| it as u64, false;
    f32: |it| it.to_bits() as u64, it.is_nan();
    f64: |it| it.to_bits(), it.is_nan();
    firesteel::e4m3: |it| it.to_bits() as u64, it.is_nan();
    firesteel::e5m2: |it| it.to_bits() as u64, it.is_nan();
    firesteel::half::f16: |it| it.to_bits() as u64, it.is_nan();
    firesteel::half::bf16: |it| it.to_bits() as u64, it.is_nan();
}

/// Runs `out[i] = expr` over pairs `x`, `y` on the device and compares with `want`.
fn check_pairs<A: Element, B: Element, R: Element>(
    device: &Device,
    types: [&str; 3],
    expr: &str,
    pairs: &[(A, B)],
    want: impl Fn(A, B) -> R,
) {
    let [a, b, r] = types;
    let source = format!(
        "fn kernel(a: &[{a}], b: &[{b}], out: &mut [{r}], n: u32) {{
            let i = block_idx_x() * block_dim_x() + thread_idx_x();
            if i < n {{ let x = a[i]; let y = b[i]; out[i] = {{ {expr} }}; }}
        }}"
    );
    let narrow = types.iter().any(|ty| matches!(*ty, "e4m3" | "e5m2"));
    let arch = if narrow { "sm_89" } else { "sm_70" };
    let attributes = format!("block_size = 64, unchecked, arch = \"{arch}\"");
    let kernel = load(device, &attributes, &source);
    let (xs, ys): (Vec<A>, Vec<B>) = pairs.iter().copied().unzip();
    let (x, y) = (device.alloc_from(&xs).unwrap(), device.alloc_from(&ys).unwrap());
    let out: GpuBuffer<R> = device.alloc_zeros(pairs.len()).unwrap();
    let n = pairs.len() as u32;
    let len = pairs.len() as u64;
    let args: [Arg<'_>; 7] =
        [(&x).into(), len.into(), (&y).into(), len.into(), (&out).into(), len.into(), n.into()];
    kernel.launch(&device.stream(), [n.div_ceil(BLOCK), 1, 1], [BLOCK, 1, 1], &args).unwrap();
    let got = out.to_host(device).unwrap();
    for ((x, y), got) in pairs.iter().zip(got) {
        let want = want(*x, *y);
        assert!(
            got.bits() == want.bits() || got.is_nan() && want.is_nan(),
            "`{expr}` of {x:?}: {a} and {y:?}: {b} is {want:?}: {r}, not {got:?}"
        );
    }
}

/// Every pair of two lists.
fn pairs<A: Copy, B: Copy>(a: &[A], b: &[B]) -> Vec<(A, B)> {
    a.iter().flat_map(|x| b.iter().map(|y| (*x, *y))).collect()
}
