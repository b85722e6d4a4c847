//! How a product is cut into units.

/// The tiles of a product, and their parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Vectors of a tile: 32, 64, or 128.
    pub(super) tokens: u32,
    /// Parts of a tile's panels.
    pub(super) parts: u32,
}

/// What a product is to its plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    /// Vectors, or rows of all experts, and those of an expert on average.
    pub(super) rows: u32,
    pub(super) usual: u32,
    /// Groups of 16 rows of weights, of one expert, and panels of a group.
    pub(super) groups: u32,
    pub(super) panels: u32,
    /// Experts; 0 if all vectors have one matrix.
    pub(super) experts: u32,
}

impl Plan {
    /// The one that takes the least time, with room for the sums of the parts.
    pub(super) fn new(size: Size, multiprocessors: u32, room: usize) -> Self {
        let tokens = size.usual.next_power_of_two().clamp(32, 128);
        let tiles = Self { tokens, parts: 1 }.tiles(size);
        // A unit begins and ends in the time of a panel; the sums of parts take that of another.
        let time = |parts: u32| {
            let turns = (tiles * parts).div_ceil(multiprocessors);
            turns * (size.panels.div_ceil(parts) + if parts == 1 { 1 } else { 2 })
        };
        let fits = |parts: u32| {
            let plan = Self { tokens, parts };
            parts == 1 || (tiles * parts * plan.rows() * tokens) as usize <= room
        };
        let most = if size.experts == 0 { size.panels.min(8) } else { 1 };
        let parts = (1..=most).filter(|parts| fits(*parts)).min_by_key(|parts| time(*parts));
        Self { tokens, parts: parts.unwrap_or(1) }
    }

    /// Rows of weights of a tile.
    pub(super) fn rows(self) -> u32 {
        if self.tokens == 128 { 128 } else { 64 }
    }

    /// Tiles side by side, with room for experts whose last one is not full.
    pub(super) fn along(self, size: Size) -> u32 {
        match size.experts {
            0 => size.rows.div_ceil(self.tokens),
            experts => size.rows / self.tokens + experts,
        }
    }

    /// All tiles.
    pub(super) fn tiles(self, size: Size) -> u32 {
        self.along(size) * size.groups.div_ceil(self.rows() / 16)
    }
}
