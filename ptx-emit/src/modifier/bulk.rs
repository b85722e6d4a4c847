//! Modifiers of bulk copies, of tensor copies and of the matrix instructions of a warpgroup.

use super::{Modifier, Parts};
#[cfg(feature = "sample")]
use crate::sample::Sampler;
use crate::ty::{Since, since};

modifiers! {
    /// Where a bulk copy from global memory goes.
    BulkRoute {
        /// To shared memory of the cluster: of this block, or of those that a mask names.
        Cluster "shared::cluster.global",
        /// To shared memory of this block.
        Cta "shared::cta.global" since since(8, 6, 90),
    }
    /// From shared memory of this block to global memory.
    BulkStoreRoute {
        /// The only way.
        Global "global.shared::cta",
    }
    /// From global memory to the second level of the cache.
    BulkPrefetchRoute {
        /// The only way.
        L2 "L2.global",
    }
    /// How a copy to shared memory tells that it is complete.
    CompleteTx {
        /// Its bytes count as a transaction of the `mbarrier`.
        Bytes "mbarrier::complete_tx::bytes",
    }
    /// How a copy to global memory tells that it is complete.
    BulkGroup {
        /// It belongs to the group that the thread commits next.
        Group "bulk_group",
    }
    /// The copy goes to several blocks of the cluster, which a mask names.
    Multicast {
        /// To the same offset in each block.
        Cluster "multicast::cluster",
    }
    /// Only the sources must be free.
    ReadOnly {
        /// Waits until the sources have been read.
        Read "read",
    }
    /// What a bulk copy does with the destination.
    BulkOp {
        /// Addition.
        Add "add",
        /// Minimum.
        Min "min",
        /// Maximum.
        Max "max",
        /// Counts up to the operand, then wraps to zero.
        Inc "inc",
        /// Counts down to zero, then wraps to the operand.
        Dec "dec",
        /// Bitwise and.
        And "and",
        /// Bitwise or.
        Or "or",
        /// Bitwise exclusive or.
        Xor "xor",
    }
    /// Dimensions of a tensor.
    TensorDim {
        /// One.
        D1 "1d",
        /// Two.
        D2 "2d",
        /// Three.
        D3 "3d",
        /// Four.
        D4 "4d",
        /// Five.
        D5 "5d",
    }
    /// How the elements of a tensor lie in shared memory.
    LoadMode {
        /// As a box, the default.
        Tile "tile",
    }
    /// What a prefetch brings near.
    PrefetchKind {
        /// The description of a tensor.
        Tensormap "tensormap",
    }
}

impl TensorDim {
    /// Number of coordinates.
    #[must_use]
    pub const fn count(self) -> usize {
        match self {
            Self::D1 => 1,
            Self::D2 => 2,
            Self::D3 => 3,
            Self::D4 => 4,
            Self::D5 => 5,
        }
    }

    /// The dimension with that number of coordinates.
    #[must_use]
    pub fn of(count: usize) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.count() == count)
    }
}

/// Shape of a matrix instruction of a warpgroup: 64 by `n` by `k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WgmmaShape {
    /// Columns of the right factor and of the sum.
    pub n: u16,
    /// The inner dimension.
    pub k: u16,
}

impl WgmmaShape {
    /// Rows of the left factor and of the sum.
    pub const M: u16 = 64;

    fn from_text(text: &str) -> Option<Self> {
        let (n, k) = text.strip_prefix("m64n")?.split_once('k')?;
        let shape = Self { n: n.parse().ok()?, k: k.parse().ok()? };
        (shape.n.is_multiple_of(8) && (8..=256).contains(&shape.n)).then_some(shape)
    }
}

impl Modifier for WgmmaShape {
    fn parse(parts: &mut Parts<'_>) -> Option<Self> {
        parts.take_if(Self::from_text)
    }

    fn print(&self, out: &mut String) {
        out.push_str(&format!(".m64n{}k{}", self.n, self.k));
    }

    fn since(&self) -> Since {
        Since::BASE
    }

    #[cfg(feature = "sample")]
    fn sample(from: &mut Sampler<'_>) -> Self {
        let n = 8 * from.modifier(&[1, 2, 3, 4, 5, 8, 16, 31, 32]);
        Self { n, k: from.modifier(&[8, 16, 32]) }
    }
}
