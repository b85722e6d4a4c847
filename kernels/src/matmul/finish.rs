//! What remains where the sums are there: `c = alpha sums + bias + beta c`, the sums being those of
//! parts of K, added in their order, so that the result is the same in every run.

use firesteel::prelude::*;

use super::Product;
use crate::shape::Result;

/// An element a thread. `parts` holds `count` dense matrices; there is one product if it holds any.
#[gpu_kernel(block_size = 256, unchecked, instances(T = [f16, bf16, f32]))]
pub(super) fn finish_kernel<T: Float>(
    parts: &[f32],
    bias: &[T],
    c: &mut [T],
    m: u32,
    n: u32,
    batch: u32,
    count: u32,
    row_stride: u32,
    stride: u32,
    alpha: f32,
    beta: f32,
) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < batch * m * n {
        let (row, col) = (i / n, i % n);
        let at = row / m * stride + row % m * row_stride + col;
        let mut sum = 0.0f32;
        for part in 0..count {
            sum += parts[part * (m * n) + i];
        }
        let mut value = sum * alpha;
        if bias.len() != 0 {
            value += bias[col].to_f32();
        }
        if beta != 0.0 {
            value += beta * c[at].to_f32();
        }
        c[at] = T::from_f32(value);
    }
}

/// The host function of a type.
macro_rules! host {
    ($name:ident) => {
        pub(super) fn $name(
            stream: &Stream,
            c: &mut GpuBuffer<$name>,
            parts: &GpuBuffer<f32>,
            bias: Option<&GpuBuffer<$name>>,
            count: u32,
            product: &Product,
        ) -> Result<()> {
            let (&Product { m, n, batch, alpha, beta, .. }, to) = (product, product.c());
            let (rows, stride) = (to.row_stride, to.stride as u32);
            let none = GpuBuffer::empty(stream)?;
            let bias = bias.unwrap_or(&none);
            let config = LaunchConfig::new([(batch * m * n).div_ceil(256), 1, 1]);
            // SAFETY: `parts` holds `count` matrices of C's shape, `bias` is empty or has a value a
            // column, and C has the product's length, which every index follows from.
            Ok(unsafe {
                finish_kernel::launch_on::<$name>(
                    stream, config, parts, bias, c, m, n, batch, count, rows, stride, alpha, beta,
                )?
            })
        }
    };
}

host!(f16);
host!(bf16);
host!(f32);
