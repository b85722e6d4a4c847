//! The keys and values of a sequence, read from its pages into one place.

use firesteel::prelude::*;

use super::{KvLayer, PAGE, Pages};
use crate::shape::{self, Result};

/// `out [tokens, H, D]` of the pages that `table` names from entry `first` on, a thread an element.
#[gpu_kernel(
    block_size = 256,
    arch = "sm_90",
    instances(O = [f32, f16, bf16], T = [f16, bf16, e4m3, i8])
)]
pub(super) fn gather_kernel<O: Float, T: Scalar>(
    out: &mut [O],
    pages: &[T],
    scales: &[f32],
    table: &[u32],
    first: u32,
    kv_heads: u32,
    head_dim: u32,
    scale: f32,
    count: u32,
) {
    let i = block_idx_x() * 256 + thread_idx_x();
    if i < count {
        let (row, e) = (i / head_dim, i % head_dim);
        let (token, head) = (row / kv_heads, row % kv_heads);
        let cell = (table[first + token / PAGE] * kv_heads + head) * PAGE + token % PAGE;
        let factor = if scales.len() > 0 { scales[cell] } else { scale };
        let value = pages[cell as usize * head_dim as usize + e as usize] as f32;
        out[i] = O::from_f32(value * factor);
    }
}

/// Reads the first `tokens` tokens of a sequence: `k` and `v` become `[tokens, kv_heads, head_dim]`,
/// the numbers times their scales. The sequence's pages are those that `table` names from entry
/// `first` on.
///
/// # Errors
/// If lengths do not fit, and those of the device, such as a page that the layer does not have.
pub fn gather<O: GatherElement>(
    stream: &Stream,
    k: &mut GpuBuffer<O>,
    v: &mut GpuBuffer<O>,
    layer: &KvLayer,
    (table, first): (&GpuBuffer<u32>, usize),
    tokens: usize,
) -> Result<()> {
    let len = tokens * layer.shape.kv_heads * layer.shape.head_dim;
    shape::eq("k", len, k.len())?;
    shape::eq("v", len, v.len())?;
    shape::count("k", len)?;
    shape::at_least("table", first + tokens.div_ceil(PAGE as usize), table.len())?;
    for (out, pages) in [(k, &layer.k), (v, &layer.v)] {
        O::launch(stream, out, pages, layer, (table, first as u32))?;
    }
    Ok(())
}

/// The types that [`gather`] makes: `f32`, `f16` and `bf16`.
pub trait GatherElement: sealed::Launch {}

mod sealed {
    use super::{DeviceCopy, GpuBuffer, KvLayer, Pages, Result, Stream};

    /// What a type's kernels are.
    pub trait Launch: DeviceCopy {
        /// Gathers pages; lengths are right.
        fn launch(
            stream: &Stream,
            out: &mut GpuBuffer<Self>,
            pages: &Pages,
            layer: &KvLayer,
            table: (&GpuBuffer<u32>, u32),
        ) -> Result<()>;
    }
}

macro_rules! elements {
    ($($out:ident)*) => {$(
        impl GatherElement for $out {}

        impl sealed::Launch for $out {
            fn launch(
                stream: &Stream,
                out: &mut GpuBuffer<Self>,
                pages: &Pages,
                layer: &KvLayer,
                (table, first): (&GpuBuffer<u32>, u32),
            ) -> Result<()> {
                use gather_kernel::launch_on;
                let (heads, dim) = (layer.shape.kv_heads as u32, layer.shape.head_dim as u32);
                let count = out.len() as u32;
                let config = LaunchConfig::new([count.div_ceil(256), 1, 1]);
                let none = GpuBuffer::empty(stream)?;
                match pages {
                    Pages::F16(it) => launch_on::<$out, f16>(
                        stream, config, out, it, &none, table, first, heads, dim, 1.0, count,
                    ),
                    Pages::Bf16(it) => launch_on::<$out, bf16>(
                        stream, config, out, it, &none, table, first, heads, dim, 1.0, count,
                    ),
                    Pages::E4m3(it, scale) => launch_on::<$out, e4m3>(
                        stream, config, out, it, &none, table, first, heads, dim, *scale, count,
                    ),
                    Pages::Q8(it, scales) => launch_on::<$out, i8>(
                        stream, config, out, it, scales, table, first, heads, dim, 1.0, count,
                    ),
                }?;
                Ok(())
            }
        }
    )*};
}

elements!(f32 f16 bf16);
