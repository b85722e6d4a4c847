//! Every intrinsic against rustc, or against a few lines that say what it means.

mod atomic;
mod bits;
mod fast;
mod float;
mod int;
mod math;
mod memory;
mod reduce;
mod warp;

use firesteel::{Arg, Device, GpuBuffer};

use super::{Element, check_pairs, device, load, pairs};

/// Runs `body` for one block of the shape, and gives what it leaves in `y`, which begins as
/// `out`. It sees `x`, `y` and the rank `t` of the thread.
fn run_block<A: Element, R: Element>(
    device: &Device,
    block: [u32; 3],
    attributes: &str,
    [a, r]: [&str; 2],
    body: &str,
    x: &[A],
    out: &[R],
) -> Vec<R> {
    run_grid(device, 1, block, attributes, [a, r], body, x, out)
}

/// The same for several blocks.
#[allow(clippy::too_many_arguments, reason = "what a launch is made of")]
fn run_grid<A: Element, R: Element>(
    device: &Device,
    grid: u32,
    block: [u32; 3],
    attributes: &str,
    [a, r]: [&str; 2],
    body: &str,
    x: &[A],
    out: &[R],
) -> Vec<R> {
    let source =
        format!("fn kernel(x: &[{a}], y: &mut [{r}]) {{ let t = thread_rank(); {{ {body} }} }}");
    let [bx, by, bz] = block;
    let attributes = format!("block_size = ({bx}, {by}, {bz}), unchecked{attributes}");
    let kernel = load(device, &attributes, &source);
    let input = device.alloc_from(x).unwrap();
    let output: GpuBuffer<R> = device.alloc_from(out).unwrap();
    let (n, m) = (x.len() as u64, out.len() as u64);
    let args: [Arg<'_>; 4] = [(&input).into(), n.into(), (&output).into(), m.into()];
    kernel.launch(&device.stream(), [grid, 1, 1], block, &args).unwrap();
    output.to_host(device).unwrap()
}

/// Numbers that look random and are always the same.
struct Random(u64);

impl Random {
    const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    const fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
