//! The launch of the kernel: its instance, its grid, and the places of its ring.

use firesteel::prelude::*;
use firesteel::{L2Promotion, TensorElement};

use super::kernel::decode_kernel::launch_on;
use super::kernel::{LIFT, PLACES};
use super::share::MAX_SEQUENCES;
use super::{Decode, DecodeWorkspace};
use crate::kv::{KvLayer, KvShape, PAGE, Pages};
use crate::shape::{Error, Result};

/// Bytes that are on their way to a multiprocessor, which keep memory busy. An H200 reads long caches
/// 3 % slower with half as much again.
const FLIGHT: u32 = 64 << 10;

/// Blocks of a multiprocessor, at most.
const MOST: u32 = 4;

/// How many blocks there are, and how many rows they take at once.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows of a tile.
    rows: u32,
    /// Tiles of the rows that a sequence and a head of keys have, at most.
    tiles: u32,
    /// Multiprocessors, and bytes of shared memory of one.
    multiprocessors: u32,
    shared: u32,
}

impl Size {
    pub(super) fn new(stream: &Stream, rows: usize) -> Result<Self> {
        let info = stream.device().info()?;
        let tile = if rows <= 16 { 16 } else { 64 };
        Ok(Self {
            rows: tile as u32,
            tiles: rows.div_ceil(tile) as u32,
            multiprocessors: info.multiprocessors,
            shared: info.limits.shared_per_block,
        })
    }

    /// Elements of the parts of all blocks.
    pub(super) fn partial(&self, head_dim: usize) -> usize {
        self.multiprocessors as usize * (2 * MOST as usize) * self.rows as usize * (head_dim + 2)
    }

    /// Items.
    pub(super) fn counters(&self, sequences: usize, kv_heads: usize) -> usize {
        sequences * kv_heads * self.tiles as usize
    }

    /// Items of a block, or blocks of an item, where all items are equally long.
    fn even(&self, sequences: u32, kv_heads: u32, blocks: u32) -> (u32, u32) {
        let items = sequences * kv_heads * self.tiles;
        (items.div_ceil(blocks), (blocks / items).max(1))
    }

    /// Blocks, the places of a block's ring, and its bytes, for pages of `bytes` a head.
    fn ring(&self, head_dim: u32, bytes: u32, scaled: bool) -> (u32, u32, u32) {
        let scales = if scaled { PLACES * PAGE * 4 } else { 4 };
        let fixed = self.rows * (head_dim + 8 + 72) * 2
            + 16 * self.rows
            + (MAX_SEQUENCES + 3) * 4
            + PLACES * 16
            + scales
            // Where the ring begins, and what the machine keeps.
            + 2048;
        // Numbers of 8 bits take longer to unpack than to read: more warps share the work.
        let narrow = self.rows == 16 && head_dim <= 128 && bytes == PAGE * head_dim;
        // Whose sums take the registers of two.
        let large = self.rows == 64 && head_dim == 256;
        let most = if narrow {
            MOST
        } else if large {
            1
        } else {
            2
        };
        let places = (FLIGHT / most / bytes).clamp(2, PLACES);
        let blocks = (self.shared / (fixed + places * bytes)).clamp(1, most);
        (self.multiprocessors * blocks, places, places * bytes)
    }
}

/// What a product is multiplied by to be a score in powers of 2, and the cap, in units of ln 2, or 0;
/// with one, the former is twice what is divided by it.
fn scales(attention: &Decode<'_>, factor: f32, dim: u32) -> (f32, f32) {
    let log2 = std::f32::consts::LOG2_E;
    let scale = attention.scale.unwrap_or(1.0 / (dim as f32).sqrt()) * factor;
    match attention.softcap {
        Some(cap) => (2.0 * log2 * scale / cap, cap * log2),
        None => (scale * log2, 0.0),
    }
}

/// Boxes of a page's rows of one head, in lines of 128 bytes where rows are multiples of them.
fn map<'a, T: TensorElement>(
    pages: &'a GpuBuffer<T>,
    shape: &KvShape,
) -> Result<TensorMap<'a, T, 3>> {
    let (dim, rows) = (shape.head_dim, shape.rows() as u64);
    let wide = 128 / size_of::<T>();
    let (width, swizzle) =
        if dim.is_multiple_of(wide) { (wide, Swizzle::B128) } else { (dim, Swizzle::None) };
    let lines = dim / width;
    let (dims, boxes) = ([width as u64, lines as u64, rows], [width as u32, lines as u32, PAGE]);
    let tiling = Tiling::new(dims, boxes).swizzle(swizzle);
    Ok(TensorMap::tiled(pages, tiling.l2_promotion(L2Promotion::B256))?)
}

/// The types of queries and results: `f16` and `bf16`.
pub trait DecodeElement: sealed::Launch {}

pub(super) mod sealed {
    use super::{Decode, DecodeWorkspace, DeviceCopy, GpuBuffer, KvLayer, Result, Size, Stream};

    /// What a type's kernels are.
    pub trait Launch: DeviceCopy {
        /// Computes attention; lengths are right.
        fn launch(
            stream: &Stream,
            of: (&mut GpuBuffer<Self>, &GpuBuffer<Self>),
            layer: &KvLayer,
            sequences: (&GpuBuffer<u32>, &GpuBuffer<u32>),
            workspace: &mut DecodeWorkspace,
            attention: (&Decode<'_>, Size),
        ) -> Result<()>;
    }
}

/// What one format's instance is launched with.
struct Call<'a, X, T> {
    of: (&'a mut GpuBuffer<X>, &'a GpuBuffer<X>),
    pages: (&'a GpuBuffer<T>, &'a GpuBuffer<T>),
    scales: (&'a GpuBuffer<f32>, &'a GpuBuffer<f32>),
    /// Factors of keys and of results.
    factors: (f32, f32),
}

macro_rules! call {
    ($name:ident: $q8:literal $t:ident $c:ident $x:ident) => {
        fn $name(
            stream: &Stream,
            call: Call<'_, $x, $t>,
            shape: KvShape,
            (table, lengths): (&GpuBuffer<u32>, &GpuBuffer<u32>),
            workspace: &mut DecodeWorkspace,
            (attention, size): (&Decode<'_>, Size),
        ) -> Result<()> {
            let dim = shape.head_dim as u32;
            let page = PAGE * dim * size_of::<$t>() as u32;
            let (grid, places, bytes) = size.ring(dim, page, $q8);
            let config = LaunchConfig::new([grid, 1, 1]).with_dynamic_shared(bytes);
            let config = config.with_programmatic_dependent_launch();
            let (k, v) = (map(call.pages.0, &shape)?, map(call.pages.1, &shape)?);
            let none = GpuBuffer::empty(stream)?;
            let (q_len, starts) = attention.queries.split(&none);
            let (o, q) = call.of;
            let (sequences, heads) = (lengths.len() as u32, attention.q_heads as u32);
            let (tokens, max_pages) =
                (q.len() as u32 / heads / dim, table.len() as u32 / sequences);
            let (scale, cap) = scales(attention, call.factors.0, dim);
            let (items, parts) = size.even(sequences, shape.kv_heads as u32, grid);
            let launch = match (dim, size.rows) {
                (64, 16) => launch_on::<64, 16, $q8, $t, $c, $x>,
                (80, 16) => launch_on::<80, 16, $q8, $t, $c, $x>,
                (96, 16) => launch_on::<96, 16, $q8, $t, $c, $x>,
                (128, 16) => launch_on::<128, 16, $q8, $t, $c, $x>,
                (256, 16) => launch_on::<256, 16, $q8, $t, $c, $x>,
                (64, _) => launch_on::<64, 64, $q8, $t, $c, $x>,
                (80, _) => launch_on::<80, 64, $q8, $t, $c, $x>,
                (96, _) => launch_on::<96, 64, $q8, $t, $c, $x>,
                (128, _) => launch_on::<128, 64, $q8, $t, $c, $x>,
                _ => launch_on::<256, 64, $q8, $t, $c, $x>,
            };
            // SAFETY: Queries and results have their tokens, which the kernel compares with their
            // number; pages of the table are compared with those of the cache, lengths with the
            // table; parts and counters have room for all blocks and items; dynamic shared memory
            // holds the ring.
            unsafe {
                launch(
                    stream,
                    config,
                    o,
                    q,
                    &k,
                    &v,
                    call.scales.0,
                    call.scales.1,
                    table,
                    lengths,
                    starts,
                    &mut workspace.partial,
                    &mut workspace.counters,
                    tokens,
                    sequences,
                    heads,
                    shape.kv_heads as u32,
                    q_len,
                    attention.window.unwrap_or(0),
                    max_pages,
                    shape.pages as u32,
                    places,
                    size.tiles,
                    items,
                    parts,
                    scale,
                    cap,
                    call.factors.1,
                )?;
            }
            Ok(())
        }
    };
}

macro_rules! elements {
    ($($x:ident $own:ident: $half:ident $e4m3:ident $q8:ident;)*) => {$(
        call!($half: false $x $x $x);
        call!($e4m3: false e4m3 f16 $x);
        call!($q8: true i8 f16 $x);

        impl DecodeElement for $x {}

        impl sealed::Launch for $x {
            fn launch(
                stream: &Stream,
                of: (&mut GpuBuffer<Self>, &GpuBuffer<Self>),
                layer: &KvLayer,
                sequences: (&GpuBuffer<u32>, &GpuBuffer<u32>),
                workspace: &mut DecodeWorkspace,
                attention: (&Decode<'_>, Size),
            ) -> Result<()> {
                let none = GpuBuffer::empty(stream)?;
                let (shape, scales) = (layer.shape, (&none, &none));
                match (&layer.k, &layer.v) {
                    (Pages::$own(k), Pages::$own(v)) => {
                        let call = Call { of, pages: (k, v), scales, factors: (1.0, 1.0) };
                        $half(stream, call, shape, sequences, workspace, attention)
                    }
                    (Pages::E4m3(k, ks), Pages::E4m3(v, vs)) => {
                        let call = Call { of, pages: (k, v), scales, factors: (*ks, *vs) };
                        $e4m3(stream, call, shape, sequences, workspace, attention)
                    }
                    (Pages::Q8(k, ks), Pages::Q8(v, vs)) => {
                        let (scales, factors) = ((ks, vs), (1.0, 1.0 / LIFT));
                        let call = Call { of, pages: (k, v), scales, factors };
                        $q8(stream, call, shape, sequences, workspace, attention)
                    }
                    (Pages::F16(_), _) | (Pages::Bf16(_), _) | (Pages::E4m3(..), _)
                    | (Pages::Q8(..), _) => {
                        let (want, format) = (layer.format().queries(), layer.format());
                        Err(Error::KvQueries { want, format })
                    }
                }
            }
        }
    )*};
}

elements! {
    f16 F16: f16_pages f16_of_e4m3 f16_of_q8;
    bf16 Bf16: bf16_pages bf16_of_e4m3 bf16_of_q8;
}
