//! The types of the matrix units: parts of matrices in registers, and tiles in shared memory; and
//! cache policies, which are words of the machine like the descriptors of tiles.
//!
//! Each kind has one shape for an element type: that in which a step along K is 32 bytes wide, the
//! widest that the instructions have.

use crate::value::Scalar;

/// A part of a matrix that a warp or a warpgroup holds, or a tile that the matrix units read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// What it is a part of.
    pub kind: FragmentKind,
    /// The type of an element.
    pub elem: Scalar,
    /// The columns of a [`FragmentKind::WarpgroupC`]; 0 of any other.
    pub cols: u32,
}

/// What a fragment is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FragmentKind {
    /// The left factor of `mma`: 16 rows, 32 bytes along K.
    A,
    /// The right factor of `mma`: 32 bytes along K, 8 columns.
    B,
    /// The sum of `mma`: 16 rows, 8 columns.
    C,
    /// The sum of `wgmma`: 64 rows and any columns, in the registers of four warps.
    WarpgroupC,
    /// A tile in shared memory whose rows run along K.
    TileK,
    /// A tile in shared memory whose rows run along M or N.
    TileMn,
    /// No part of a matrix: how long the L2 cache keeps what an access touches.
    CachePolicy,
}

impl FragmentKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::A, Self::B, Self::C, Self::WarpgroupC, Self::TileK, Self::TileMn, Self::CachePolicy];

    /// The name of its type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "FragA",
            Self::B => "FragB",
            Self::C => "FragC",
            Self::WarpgroupC => "WarpgroupC",
            Self::TileK => "TileK",
            Self::TileMn => "TileMn",
            Self::CachePolicy => "CachePolicy",
        }
    }

    /// The kind whose type has this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it is a sum, whose elements the kernel reads and writes one by one.
    pub const fn is_sum(self) -> bool {
        matches!(self, Self::C | Self::WarpgroupC)
    }
}

impl Fragment {
    /// The registers of a thread: their type and their number.
    pub const fn registers(self) -> (Scalar, u32) {
        match (self.kind, self.elem) {
            (FragmentKind::A | FragmentKind::B, Scalar::F64) => (Scalar::F64, 1),
            (FragmentKind::A, _) => (Scalar::U32, 4),
            (FragmentKind::B, _) => (Scalar::U32, 2),
            (FragmentKind::C, Scalar::F64) => (Scalar::F64, 2),
            (FragmentKind::C, elem) => (elem, 4),
            (FragmentKind::WarpgroupC, elem) => (elem, self.cols / 2),
            (FragmentKind::TileK | FragmentKind::TileMn | FragmentKind::CachePolicy, _) => {
                (Scalar::U64, 1)
            }
        }
    }
}

impl std::fmt::Display for Fragment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, elem) = (self.kind.name(), self.elem);
        match self.kind {
            FragmentKind::WarpgroupC => write!(f, "{name}<{elem}, {}>", self.cols),
            FragmentKind::CachePolicy => f.write_str(name),
            FragmentKind::A
            | FragmentKind::B
            | FragmentKind::C
            | FragmentKind::TileK
            | FragmentKind::TileMn => write!(f, "{name}<{elem}>"),
        }
    }
}

/// The type in which products of this type are summed; itself where there are none.
pub const fn sum_of(factor: Scalar) -> Scalar {
    match factor {
        Scalar::E4m3 | Scalar::E5m2 | Scalar::F16 | Scalar::Bf16 | Scalar::F32 => Scalar::F32,
        Scalar::I8 | Scalar::U8 | Scalar::I4x8 | Scalar::U4x8 => Scalar::I32,
        _ => factor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_follow_the_shape() {
        let of = |kind, elem, cols| Fragment { kind, elem, cols }.registers();
        assert_eq!(of(FragmentKind::A, Scalar::Bf16, 0), (Scalar::U32, 4));
        assert_eq!(of(FragmentKind::B, Scalar::I8, 0), (Scalar::U32, 2));
        assert_eq!(of(FragmentKind::C, Scalar::F64, 0), (Scalar::F64, 2));
        assert_eq!(of(FragmentKind::WarpgroupC, Scalar::F32, 256), (Scalar::F32, 128));
    }

    #[test]
    fn a_name_leads_to_its_kind() {
        for kind in FragmentKind::ALL {
            assert_eq!(FragmentKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(FragmentKind::from_name("FragD"), None);
    }
}
