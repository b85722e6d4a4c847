//! Rotary position embeddings: pairs of numbers of a head turn by an angle that grows with the
//! position.
//!
//! `(a, b) → m (a cos φ - b sin φ, b cos φ + a sin φ)`, with `φ = position * frequency` of the pair and
//! a magnitude `m`, which is 1 but for YaRN. Numbers behind the first `rotary` of a head stay as they
//! are. Su et al., <https://arxiv.org/abs/2104.09864>, equation 34.
//!
//! Frequencies are computed in `f64` and kept as turns in two `f32`, so that the angle loses nothing
//! with the distance: of positions below 2^24 sine and cosine are within 4e-7. An angle rounded to
//! `f32`, as other implementations have it, is off by up to 6e-8 times the position.

mod frequencies;
mod kernel;

use firesteel::prelude::*;

pub use frequencies::{Scaling, frequencies};

use self::kernel::{PAIRS, TOKENS, rope_kernel};
use crate::rows::{Element, Rows};
use crate::shape::{self, Error, Result};

/// Which numbers of a head form a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// `i` and `i + rotary / 2`: GPT-NeoX, and nearly everything since.
    Halves,
    /// `2i` and `2i + 1`: GPT-J, and GGUF files of the Llama family, whose rows are permuted to suit.
    Adjacent,
}

/// Which of a token's positions a pair turns by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axes {
    /// It has one.
    One,
    /// It has three (time, height, width), the first so many pairs the first of them, and so on:
    /// M-RoPE of Qwen2-VL, <https://arxiv.org/abs/2409.12191>, section 2.1.
    Sections([usize; 3]),
    /// It has three, which pairs take in turns, as many of height and width as are said here: Qwen3-VL.
    Interleaved([usize; 3]),
}

impl Axes {
    /// How many positions a token has.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Sections(_) | Self::Interleaved(_) => 3,
        }
    }

    /// The position of a pair.
    #[must_use]
    pub const fn of(self, pair: usize) -> usize {
        match self {
            Self::One => 0,
            Self::Sections([time, height, _]) => {
                (pair >= time) as usize + (pair >= time + height) as usize
            }
            Self::Interleaved(sections) => {
                let axis = pair % 3;
                if axis != 0 && pair < 3 * sections[axis] { axis } else { 0 }
            }
        }
    }
}

/// Frequencies on the device, and how pairs lie.
#[derive(Debug)]
pub struct Rope {
    table: GpuBuffer<f32>,
    pairs: usize,
    pairing: Pairing,
    axes: Axes,
    magnitude: f32,
}

impl Rope {
    /// For the first `rotary` numbers of heads, an even number up to 256.
    ///
    /// # Errors
    /// [`Error::Rotary`] for another number; [`Error::Shape`] if sections or factors are not as many
    /// as the pairs; and those of the device.
    pub fn new(
        stream: &Stream,
        rotary: usize,
        theta: f64,
        pairing: Pairing,
        scaling: &Scaling,
        axes: Axes,
    ) -> Result<Self> {
        let (pairs, most) = (rotary / 2, 2 * PAIRS as usize);
        if !rotary.is_multiple_of(2) || rotary == 0 || rotary > most {
            return Err(Error::Rotary { rotary, head: most });
        }
        if let Axes::Sections(sections) | Axes::Interleaved(sections) = axes {
            shape::eq("sections", pairs, sections.iter().sum())?;
        }
        if let Scaling::Factors(factors) = scaling {
            shape::eq("factors", pairs, factors.len())?;
        }
        let frequencies = frequencies(rotary, theta, scaling);
        let row = |(pair, frequency): (usize, &f64)| {
            let turns = frequency / (2.0 * std::f64::consts::PI);
            let high = turns as f32;
            let low = (turns - f64::from(high)) as f32;
            [high, low, f32::from_bits(axes.of(pair) as u32), 0.0]
        };
        let table: Vec<f32> = frequencies.iter().enumerate().flat_map(row).collect();
        let table = stream.alloc_from(&table)?;
        Ok(Self { table, pairs, pairing, axes, magnitude: scaling.magnitude() as f32 })
    }
}

/// Heads that turn, where they are.
#[derive(Debug)]
pub struct Heads<'a, T> {
    x: &'a mut GpuBuffer<T>,
    count: usize,
    len: usize,
    rows: Rows,
}

impl<'a, T> Heads<'a, T> {
    /// `count` heads of `len` numbers for each token, one behind the other.
    #[must_use]
    pub const fn new(x: &'a mut GpuBuffer<T>, count: usize, len: usize) -> Self {
        Self { x, count, len, rows: Rows::dense(len, count) }
    }

    /// The heads lie elsewhere: those of queries and keys, say, in the result of a fused product.
    #[must_use]
    pub const fn rows(self, rows: Rows) -> Self {
        Self { x: self.x, count: self.count, len: self.len, rows }
    }

    fn check(&self, what: &'static str, rope: &Rope, tokens: usize) -> Result<()> {
        if rope.pairs * 2 > self.len {
            return Err(Error::Rotary { rotary: rope.pairs * 2, head: self.len });
        }
        let heads = shape::count("heads", self.count)? as usize;
        if heads == 0 {
            return Ok(());
        }
        self.rows.check(what, (tokens * heads, heads, self.len), self.x.len())
    }
}

/// The kernels for a type of elements.
#[doc(hidden)]
pub trait Launch: Sized {
    /// Launches; lengths are right.
    fn rope(
        stream: &Stream,
        config: LaunchConfig,
        wide: bool,
        rope: &Rope,
        heads: (Heads<'_, Self>, Heads<'_, Self>),
        positions: (&GpuBuffer<u32>, u32, u32),
    ) -> Result<()>;
}

macro_rules! types {
    ($($ty:ident, $kind:literal, $w:literal;)*) => {$(
        impl Launch for $ty {
            fn rope(
                stream: &Stream,
                config: LaunchConfig,
                wide: bool,
                rope: &Rope,
                (q, k): (Heads<'_, Self>, Heads<'_, Self>),
                (positions, tokens, per_block): (&GpuBuffer<u32>, u32, u32),
            ) -> Result<()> {
                let launch = match (wide, rope.pairing) {
                    (true, Pairing::Halves) => rope_kernel::launch_on::<$kind, $w, true, $ty>,
                    (true, Pairing::Adjacent) => rope_kernel::launch_on::<$kind, $w, false, $ty>,
                    (false, Pairing::Halves) => rope_kernel::launch_on::<$kind, 1, true, $ty>,
                    (false, Pairing::Adjacent) => rope_kernel::launch_on::<$kind, 1, false, $ty>,
                };
                let (pairs, magnitude) = (rope.pairs as u32, rope.magnitude);
                let [q_first, q_stride, q_head] = q.rows.words();
                let [k_first, k_stride, k_head] = k.rows.words();
                // SAFETY: The rows of both operands were compared with their buffers and hold the
                // pairs, `positions` has a number for each token and axis, and the table a row for
                // each pair. A pair is read and written by one thread.
                unsafe {
                    launch(
                        stream, config, q.x, k.x, positions, &rope.table, tokens, pairs, per_block,
                        magnitude, q.count as u32, q_first, q_stride, q_head, k.count as u32,
                        k_first, k_stride, k_head,
                    )?;
                }
                Ok(())
            }
        }
    )*};
}

types! {
    f32, 0, 8;
    f16, 1, 4;
    bf16, 2, 4;
}

/// Turns the heads of `q`, and of `k`, by the positions of their tokens: `positions [axes, tokens]`.
/// Computed in `f32` and rounded once.
///
/// ```
/// use firesteel::prelude::*;
/// use firesteel_kernels::rope::{Axes, Heads, Pairing, Rope, Scaling, rope};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let device = Device::sim();
/// let stream = device.stream();
/// let table = Rope::new(&stream, 2, 10000.0, Pairing::Halves, &Scaling::None, Axes::One)?;
/// let mut q = device.alloc_from(&[1.0f32, 0.0, 1.0, 0.0])?;
/// let positions = device.alloc_from(&[0u32, 1])?;
/// rope(&stream, &table, Heads::new(&mut q, 1, 2), None, &positions)?;
/// let q = q.to_host(&device)?;
/// assert_eq!(q[..2], [1.0, 0.0]);
/// assert!((q[2] - 1f32.cos()).abs() < 1e-6 && (q[3] - 1f32.sin()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Rotary`] if heads are shorter than what turns; if `positions` are not as many for each
/// axis, an operand is too short for its heads or they overlap; and those of the device.
pub fn rope<T: Element>(
    stream: &Stream,
    rope: &Rope,
    q: Heads<'_, T>,
    k: Option<Heads<'_, T>>,
    positions: &GpuBuffer<u32>,
) -> Result<()> {
    let axes = rope.axes.count();
    shape::eq("positions", positions.len().next_multiple_of(axes), positions.len())?;
    let tokens = positions.len() / axes;
    let mut none = GpuBuffer::empty(stream)?;
    let k = k.unwrap_or(Heads::new(&mut none, 0, q.len));
    q.check("q", rope, tokens)?;
    k.check("k", rope, tokens)?;
    let info = stream.device().info()?;
    if info.compute_capability.0 < 9 {
        let got = info.compute_capability;
        return Err(Error::Machine { what: "rope", needs: (9, 0), got });
    }
    if tokens == 0 {
        return Ok(());
    }
    let lies_wide = |it: &Heads<'_, T>| it.count == 0 || it.rows.are_wide(it.x, rope.pairs);
    let wide = lies_wide(&q) && lies_wide(&k);
    let tokens = shape::count("tokens", tokens)?;
    let pieces = rope.pairs / if wide { 8 } else { 1 };
    let work = shape::count("pieces of a token", (q.count + k.count) * pieces * 4)? / 4;
    // Blocks for all multiprocessors first, then tokens that share a block.
    let multiprocessors = info.multiprocessors;
    let per_block = (tokens / (4 * multiprocessors)).clamp(1, TOKENS);
    let blocks = tokens.div_ceil(per_block);
    let parts = (2 * multiprocessors).div_ceil(blocks).min(work.div_ceil(256)).max(1);
    let config = LaunchConfig::new([blocks, parts, 1]).with_programmatic_dependent_launch();
    T::rope(stream, config, wide, rope, (q, k), (positions, tokens, per_block))
}

/// The PTX of every kernel.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    rope_kernel::INSTANCES.iter().map(|kernel| kernel.ptx())
}
