//! The order of pairs by their expert.

use firesteel::prelude::*;

use crate::shape::{self, Result};

/// Warps of a block.
#[gpu_const]
const WARPS: u32 = 32;

/// A block an expert: it counts the pairs of the experts before, then writes its own in their
/// order. Warps have runs of pairs that follow each other.
#[gpu_kernel(block_size = 1024, arch = "sm_80", unchecked)]
pub(super) fn sort_kernel(
    offsets: &mut [u32],
    pairs: &mut [u32],
    places: &mut [u32],
    experts: &[u32],
    n: u32,
) {
    let of_warps = shared_mem![u32; WARPS];
    let (warp, lane, own) = (thread_idx_x() / 32, thread_idx_x() % 32, block_idx_x());
    let run = n.div_ceil(WARPS * 32) * 32;
    let (first, last) = ((warp * run).min(n), (warp * run + run).min(n));
    let (mut before, mut equal) = (0u32, 0u32);
    let mut chunk = first;
    while chunk < last {
        // Four loads are under way at once.
        let mut four = [u32::MAX; 4];
        #[unroll]
        for j in 0..4u32 {
            let i = chunk + j * 32 + lane;
            if i < last {
                four[j] = experts[i];
            }
        }
        #[unroll]
        for j in 0..4u32 {
            before += (four[j] < own) as u32;
            equal += (four[j] == own) as u32;
        }
        chunk += 128;
    }
    let equal = redux_add(equal);
    if lane == 0 {
        of_warps[warp] = equal;
    }
    // Has barriers, behind which the counts of the warps are there.
    let before = block_reduce_sum(before);
    let mut next = before;
    let mut end = before;
    #[unroll]
    for w in 0..WARPS {
        if w == warp {
            next = end;
        }
        end += of_warps[w];
    }
    if thread_idx_x() == 0 {
        offsets[own] = before;
        if own + 1 == grid_dim_x() {
            offsets[own + 1] = end;
        }
    }
    chunk = first;
    while chunk < last {
        let mut four = [u32::MAX; 4];
        #[unroll]
        for j in 0..4u32 {
            let i = chunk + j * 32 + lane;
            if i < last {
                four[j] = experts[i];
            }
        }
        #[unroll]
        for j in 0..4u32 {
            let i = chunk + j * 32 + lane;
            let mask = ballot(four[j] == own);
            if four[j] == own {
                let place = next + (mask & lane_mask_lt()).count_ones();
                pairs[place] = i;
                places[i] = place;
            }
            // Pairs of no expert have no place, and one block says so.
            if own == 0 && i < last && four[j] >= grid_dim_x() {
                places[i] = u32::MAX;
            }
            next += mask.count_ones();
        }
        chunk += 128;
    }
}

/// Pairs in the order of their experts.
#[derive(Debug)]
pub struct Permutation {
    pub(super) offsets: GpuBuffer<u32>,
    pub(super) pairs: GpuBuffer<u32>,
    pub(super) places: GpuBuffer<u32>,
}

impl Permutation {
    /// Room for the order of `pairs` pairs of tokens and experts, of which there are `experts`.
    ///
    /// # Errors
    /// [`Error::Range`](shape::Error::Range) for no experts or more than 65,535,
    /// [`Error::TooLong`](shape::Error::TooLong) for too many pairs, and those of the device.
    pub fn new(stream: &Stream, pairs: usize, experts: usize) -> Result<Self> {
        shape::range("experts", (1, 65_535), experts)?;
        shape::count("pairs", pairs + 512)?;
        Ok(Self {
            offsets: stream.alloc_zeros(experts + 1)?,
            pairs: stream.alloc_zeros(pairs)?,
            places: stream.alloc_zeros(pairs)?,
        })
    }

    /// Sorts the pairs of `experts [T, K]`, which [`route`](super::route()) gives: a stable sort,
    /// so the same in every run. One launch; each expert reads all pairs, so it is meant for up
    /// to some 100,000 of them.
    ///
    /// # Errors
    /// [`Error::Shape`](shape::Error::Shape) if there are not as many pairs as there is room for,
    /// and those of the device.
    pub fn sort(&mut self, stream: &Stream, experts: &GpuBuffer<u32>) -> Result<()> {
        shape::eq("experts", self.pairs.len(), experts.len())?;
        let n = shape::count("experts", experts.len())?;
        let config = LaunchConfig::new([self.offsets.len() as u32 - 1, 1, 1]);
        let Self { offsets, pairs, places } = self;
        // SAFETY: `pairs`, `places` and `experts` have `n` elements, `offsets` one more than there
        // are blocks. A pair is of one block's expert, which alone writes its places.
        unsafe { sort_kernel::launch_on(stream, config, offsets, pairs, places, experts, n)? };
        Ok(())
    }

    /// `[E + 1]`: where the pairs of each expert begin, and where all end.
    #[must_use]
    pub fn offsets(&self) -> &GpuBuffer<u32> {
        &self.offsets
    }

    /// `[T * K]`: the pairs, those of an expert in their own order. Pair `p` is one of token
    /// `p / K`. Behind `offsets[E]` there is nothing of use.
    #[must_use]
    pub fn pairs(&self) -> &GpuBuffer<u32> {
        &self.pairs
    }

    /// `[T * K]`: where each pair is in [`Permutation::pairs`]; `u32::MAX` for one of no expert.
    #[must_use]
    pub fn places(&self) -> &GpuBuffer<u32> {
        &self.places
    }
}

/// `offsets`, `pairs` and `places` of [`Permutation`], by the definition; all experts are below
/// `count`.
#[must_use]
pub fn permutation_reference(experts: &[u32], count: usize) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
    let offset = |e: usize| experts.iter().filter(|&&it| (it as usize) < e).count() as u32;
    let mut pairs: Vec<u32> = (0..experts.len() as u32).collect();
    pairs.sort_by_key(|&pair| experts[pair as usize]);
    let mut places = vec![0; experts.len()];
    for (place, &pair) in pairs.iter().enumerate() {
        places[pair as usize] = place as u32;
    }
    ((0..=count).map(offset).collect(), pairs, places)
}
