//! The shape of a launch.

/// How many blocks a launch has, how much dynamic shared memory each of them gets, and how the
/// launch stands to others.
///
/// The sizes of block and cluster belong to the kernel (`block_size = …`, `cluster = …`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LaunchConfig {
    /// Blocks along x, y and z. A zero anywhere makes the launch do nothing.
    pub grid: [u32; 3],
    /// Bytes of dynamic shared memory for each block.
    pub dynamic_shared: u32,
    /// See [`LaunchConfig::with_programmatic_dependent_launch`].
    pub programmatic_dependent_launch: bool,
    /// See [`LaunchConfig::cooperative`].
    pub cooperative: bool,
}

impl LaunchConfig {
    /// A grid, no dynamic shared memory, an ordinary launch.
    #[must_use]
    pub const fn new(grid: [u32; 3]) -> Self {
        Self { grid, dynamic_shared: 0, programmatic_dependent_launch: false, cooperative: false }
    }

    /// The same grid with `bytes` of dynamic shared memory for each block.
    #[must_use]
    pub const fn with_dynamic_shared(self, bytes: u32) -> Self {
        Self { dynamic_shared: bytes, ..self }
    }

    /// The same launch, allowed to begin before the kernel ahead of it on the stream has ended
    /// (CUDA's programmatic dependent launch).
    ///
    /// It begins once every block of the kernel ahead has ended or executed
    /// `griddepcontrol.launch_dependents`. What it does before its own `griddepcontrol.wait` runs
    /// beside that kernel, so nothing that the kernel writes may be read before it, and nothing
    /// that it reads may be written. A kernel without that wait must not be launched so after one
    /// that it depends on.
    ///
    /// A permission only: devices before compute capability 9.0 and the simulator run the launch
    /// in its turn.
    #[must_use]
    pub const fn with_programmatic_dependent_launch(self) -> Self {
        Self { programmatic_dependent_launch: true, ..self }
    }

    /// The same launch, whose blocks all run at the same time, so that they may wait for each
    /// other (CUDA's cooperative launch).
    ///
    /// The driver refuses a grid that the device cannot hold at once. The simulator holds any
    /// grid: there it is an ordinary launch.
    #[must_use]
    pub const fn cooperative(self) -> Self {
        Self { cooperative: true, ..self }
    }

    /// The grid rounded up to whole clusters.
    ///
    /// ```
    /// use firesteel::{Grid, LaunchConfig};
    ///
    /// assert_eq!(Grid::cover(700, 256).in_clusters([2, 1, 1]), LaunchConfig::new([4, 1, 1]));
    /// ```
    ///
    /// # Panics
    /// If an element of `cluster` is 0.
    #[must_use]
    pub const fn in_clusters(self, cluster: [u32; 3]) -> Self {
        let [x, y, z] = self.grid;
        let grid = [
            x.next_multiple_of(cluster[0]),
            y.next_multiple_of(cluster[1]),
            z.next_multiple_of(cluster[2]),
        ];
        Self { grid, ..self }
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
