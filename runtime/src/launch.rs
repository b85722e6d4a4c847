//! The shape of a launch.

/// How many blocks a launch has, and how much dynamic shared memory each of them gets.
///
/// The block's own size belongs to the kernel (`block_size = …`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LaunchConfig {
    /// Blocks along x, y and z. A zero anywhere makes the launch do nothing.
    pub grid: [u32; 3],
    /// Bytes of dynamic shared memory for each block.
    pub dynamic_shared: u32,
}

impl LaunchConfig {
    /// A grid and no dynamic shared memory.
    #[must_use]
    pub const fn new(grid: [u32; 3]) -> Self {
        Self { grid, dynamic_shared: 0 }
    }

    /// The same grid with `bytes` of dynamic shared memory for each block.
    #[must_use]
    pub const fn with_dynamic_shared(self, bytes: u32) -> Self {
        Self { grid: self.grid, dynamic_shared: bytes }
    }
}

impl From<[u32; 3]> for LaunchConfig {
    fn from(grid: [u32; 3]) -> Self {
        Self::new(grid)
    }
}

impl From<(u32, u32, u32)> for LaunchConfig {
    fn from((x, y, z): (u32, u32, u32)) -> Self {
        Self::new([x, y, z])
    }
}

/// Grids that cover a number of elements.
///
/// ```
/// use firesteel::{Grid, LaunchConfig};
///
/// assert_eq!(Grid::cover(1000, 256), LaunchConfig::new([4, 1, 1]));
/// assert_eq!(Grid::cover_2d([33, 64], [16, 16]), LaunchConfig::new([3, 4, 1]));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Grid;

impl Grid {
    /// The fewest blocks of `per_block` elements that hold `count`; none for none.
    ///
    /// # Panics
    /// If `per_block` is 0.
    #[must_use]
    pub const fn cover(count: u32, per_block: u32) -> LaunchConfig {
        LaunchConfig::new([count.div_ceil(per_block), 1, 1])
    }

    /// [`Grid::cover`] along x and y.
    ///
    /// # Panics
    /// If an element of `per_block` is 0.
    #[must_use]
    pub const fn cover_2d(count: [u32; 2], per_block: [u32; 2]) -> LaunchConfig {
        let [x, y] = [count[0].div_ceil(per_block[0]), count[1].div_ceil(per_block[1])];
        LaunchConfig::new([x, y, 1])
    }
}
