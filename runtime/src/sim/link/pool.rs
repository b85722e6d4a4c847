//! Rows that hold constants and special registers.

use std::collections::HashMap;

use firesteel_ptx::operand::Special;

use super::frame::file_index;
use crate::sim::registers::{ALL, File, Registers, Slot, WARP};

/// What a warp's registers are before its first instruction.
#[derive(Debug, Default)]
pub(crate) struct Template {
    /// Zeros and constants.
    pub(crate) initial: Registers,
    /// Rows that differ from warp to warp.
    pub(crate) specials: Vec<(Special, File, Slot)>,
    /// Rows that hold addresses in the frame of a recursive function: function, offset, row.
    pub(crate) frame_places: Vec<(usize, u32, File, Slot)>,
}

/// A value that a row holds from the start.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Held {
    Constant(u64),
    Special(Special),
    /// Of a function's frame, and the offset in it.
    Frame(usize, u32),
}

/// The constants of a program, each in one row.
pub(crate) struct Pool {
    rows: [u32; 4],
    held: HashMap<(File, Held), Slot>,
}

/// The predicate that always holds.
pub(crate) const TRUE: Slot = Slot(0);

impl Pool {
    /// Behind `rows` rows of registers.
    pub(crate) fn new(rows: [u32; 4]) -> Self {
        Self { rows, held: HashMap::new() }
    }

    fn hold(&mut self, file: File, held: Held) -> Slot {
        let next = &mut self.rows[file_index(file)];
        *self.held.entry((file, held)).or_insert_with(|| {
            *next += 1;
            Slot(*next - 1)
        })
    }

    pub(crate) fn constant(&mut self, file: File, bits: u64) -> Slot {
        self.hold(file, Held::Constant(bits))
    }

    pub(crate) fn special(&mut self, file: File, special: Special) -> Slot {
        self.hold(file, Held::Special(special))
    }

    pub(crate) fn frame_place(&mut self, file: File, function: usize, offset: u32) -> Slot {
        self.hold(file, Held::Frame(function, offset))
    }

    pub(crate) fn finish(self) -> Template {
        let [preds, words, doubles, quads] = self.rows.map(|it| it as usize);
        let mut initial = Registers {
            preds: vec![0; preds],
            words: vec![[0; WARP]; words],
            doubles: vec![[0; WARP]; doubles],
            quads: vec![[0; WARP]; quads],
            carry: 0,
        };
        initial.preds[TRUE.0 as usize] = ALL;
        let mut template = Template::default();
        for ((file, held), slot) in self.held {
            let row = slot.0 as usize;
            match held {
                Held::Constant(bits) => match file {
                    File::Pred => initial.preds[row] = if bits & 1 == 1 { ALL } else { 0 },
                    File::Word => initial.words[row] = [bits as u32; WARP],
                    File::Double => initial.doubles[row] = [bits; WARP],
                    File::Quad => initial.quads[row] = [bits.into(); WARP],
                },
                Held::Special(special) => template.specials.push((special, file, slot)),
                Held::Frame(function, offset) => {
                    template.frame_places.push((function, offset, file, slot));
                }
            }
        }
        template.initial = initial;
        template
    }
}
