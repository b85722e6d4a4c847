//! The registers of a warp: one row of 32 lanes a register, in one file a width.
//!
//! Constants and the special registers that do not change live in rows too, filled in when the
//! warp starts, so an instruction reads every operand the same way.

/// Lanes of a warp.
pub(crate) const WARP: usize = 32;

/// A mask of all lanes.
pub(crate) const ALL: u32 = u32::MAX;

/// One value a lane.
pub(crate) type Row<T> = [T; WARP];

/// A register file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum File {
    /// Predicates, a lane mask each.
    Pred,
    /// Registers of at most 32 bits, zero-extended.
    Word,
    /// Registers of 64 bits.
    Double,
    /// Registers of 128 bits.
    Quad,
}

/// A register: its index in the file that the reader's type implies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot(pub(crate) u32);

/// The registers of one warp.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registers {
    pub(crate) preds: Vec<u32>,
    pub(crate) words: Vec<Row<u32>>,
    pub(crate) doubles: Vec<Row<u64>>,
    pub(crate) quads: Vec<Row<u128>>,
    /// `CC.CF` of each lane.
    pub(crate) carry: u32,
}

impl Registers {
    #[inline(always)]
    pub(crate) fn pred(&self, slot: Slot) -> u32 {
        self.preds[slot.0 as usize]
    }

    /// Sets the predicate of the lanes in `mask`.
    #[inline(always)]
    pub(crate) fn set_pred(&mut self, slot: Slot, mask: u32, value: u32) {
        let row = &mut self.preds[slot.0 as usize];
        *row = (*row & !mask) | (value & mask);
    }

    #[inline(always)]
    pub(crate) fn words(&self, slot: Slot) -> &Row<u32> {
        &self.words[slot.0 as usize]
    }
}

/// The lanes of a mask, lowest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes(pub(crate) u32);

impl Iterator for Lanes {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let lane = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(lane as usize)
    }
}

/// Calls `f` for each lane of `mask`; a loop of fixed length if all are in it, which the
/// compiler turns into vector code.
#[inline(always)]
pub(crate) fn each_lane(mask: u32, mut f: impl FnMut(usize)) {
    if mask == ALL {
        for lane in 0..WARP {
            f(lane);
        }
    } else {
        for lane in Lanes(mask) {
            f(lane);
        }
    }
}

/// The lanes of `mask` for which `f` holds.
#[inline(always)]
pub(crate) fn ballot(mask: u32, f: impl Fn(usize) -> bool) -> u32 {
    let mut result = 0;
    each_lane(mask, |lane| result |= u32::from(f(lane)) << lane);
    result
}

/// A type whose values live in a file.
pub(crate) trait Lane: Copy + Send + Sync + 'static {
    const FILE: File;
    /// All 32 values.
    fn load(regs: &Registers, slot: Slot) -> Row<Self>;
    /// Writes the lanes of `mask`.
    fn store(regs: &mut Registers, slot: Slot, mask: u32, value: impl Fn(usize) -> Self);
}

macro_rules! lanes {
    ($($T:ty, $U:ty, $Stored:ty, $file:ident, $File:ident;)*) => {$(
        impl Lane for $T {
            const FILE: File = File::$File;

            #[inline(always)]
            fn load(regs: &Registers, slot: Slot) -> Row<Self> {
                let row = &regs.$file[slot.0 as usize];
                std::array::from_fn(|lane| row[lane] as $T)
            }

            #[inline(always)]
            fn store(regs: &mut Registers, slot: Slot, mask: u32, value: impl Fn(usize) -> Self) {
                let row = &mut regs.$file[slot.0 as usize];
                each_lane(mask, |lane| row[lane] = <$Stored>::from(value(lane) as $U));
            }
        }
    )*};
}

lanes! {
    u8, u8, u32, words, Word;
    i8, u8, u32, words, Word;
    u16, u16, u32, words, Word;
    i16, u16, u32, words, Word;
    u32, u32, u32, words, Word;
    i32, u32, u32, words, Word;
    u64, u64, u64, doubles, Double;
    i64, u64, u64, doubles, Double;
}

/// Reads a register of any width as 64 bits; the instruction takes the low ones that it wants.
#[inline(always)]
pub(crate) fn load_any(regs: &Registers, file: File, slot: Slot) -> Row<u64> {
    match file {
        File::Pred => std::array::from_fn(|lane| u64::from(regs.pred(slot) >> lane & 1)),
        File::Word => u32::load(regs, slot).map(u64::from),
        File::Double => u64::load(regs, slot),
        File::Quad => regs.quads[slot.0 as usize].map(|it| it as u64),
    }
}

/// Writes a register of any width from 64 bits, of which a narrow register keeps the low ones.
#[inline(always)]
pub(crate) fn store_any(
    regs: &mut Registers,
    (file, slot): (File, Slot),
    mask: u32,
    value: impl Fn(usize) -> u64,
) {
    match file {
        File::Pred => {
            let bits = ballot(mask, |lane| value(lane) & 1 == 1);
            regs.set_pred(slot, mask, bits);
        }
        File::Word => u32::store(regs, slot, mask, |lane| value(lane) as u32),
        File::Double => u64::store(regs, slot, mask, value),
        File::Quad => {
            let row = &mut regs.quads[slot.0 as usize];
            each_lane(mask, |lane| row[lane] = u128::from(value(lane)));
        }
    }
}
