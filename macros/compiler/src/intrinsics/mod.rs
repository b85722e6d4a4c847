//! The intrinsics: what they are called, what they take and give, and what they need.
//!
//! [`table`] is the one list. From it come name resolution and near-miss names (`parse`), arity
//! and types (`infer`), the rustdoc'd Rust functions that rustc and rust-analyzer see (`shims`),
//! the page `docs/src/intrinsics.md` (`page`) and, through [`Op`], an exhaustive match in `lower`.

mod classes;
mod page;
mod shims;
mod sig;
mod table;

pub use page::page;
pub use shims::shims;
pub use sig::{Class, SigTy};
pub use table::{Op, SECTIONS};

/// A titled part of the table.
#[derive(Debug)]
pub struct Section {
    /// What its intrinsics are about.
    pub title: &'static str,
    /// What holds for all of them.
    pub intro: &'static str,
    /// The operations.
    pub ops: &'static [OpRow],
}

/// An operation and its names in Rust.
#[derive(Debug)]
pub struct OpRow {
    /// The operation.
    pub op: Op,
    /// The lowest architecture that has it, 70 for `sm_70`.
    pub sm: u32,
    /// The functions and methods that mean it.
    pub rows: &'static [Row],
}

/// One function or method.
#[derive(Debug)]
pub struct Row {
    /// What it means.
    pub op: Op,
    /// How it is called.
    pub kind: Kind,
    /// Arguments that this form does not show.
    pub fill: Fill,
    /// The name, without `fast::` or `f32::`.
    pub name: &'static str,
    /// Generic parameters and their bounds, in order.
    pub generics: &'static [(&'static str, Class)],
    /// Parameters and their types; a method's first one is the receiver.
    pub params: &'static [(&'static str, &'static str)],
    /// The result, empty for unit.
    pub ret: &'static str,
    /// The lines of documentation.
    pub doc: &'static [&'static str],
    /// The lowest architecture that has it.
    pub sm: u32,
}

/// How an intrinsic is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `name(..)`.
    Free,
    /// `name(..)`, with KAIO's name and meaning.
    Kaio,
    /// `x.name(..)`, which Rust's own scalar types have.
    Method,
    /// `x.name(..)`, which Rust does not have.
    Extension,
    /// `fast::name(..)`.
    Fast,
    /// `f32::name(..)`, on the type that the result has.
    Associated,
    /// `f16x2::name(..)`.
    Pair,
    /// `x.name(..)` of a pair.
    PairMethod,
}

/// Arguments that the short form of an intrinsic leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// None.
    Nothing,
    /// A first argument: the mask of all 32 lanes.
    FullMask,
    /// Two last arguments: the device's scope, and no order.
    Relaxed,
}

/// Every row, in the order of the table.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    SECTIONS.iter().flat_map(|section| section.ops).flat_map(|op| op.rows)
}

/// The free function of this path: `warp_reduce_sum`, `fast::exp`.
pub fn function(path: &[&str]) -> Option<&'static Row> {
    match path {
        [name] => rows().find(|row| row.name == *name && row.kind.is_free()),
        ["fast", name] => rows().find(|row| row.name == *name && row.kind == Kind::Fast),
        _ => None,
    }
}

/// The free function whose name is most like this one, if one is near enough to be meant.
pub(crate) fn near(name: &str) -> Option<&'static str> {
    let free = rows().filter(|row| row.kind.is_free());
    crate::diag::nearest(name, free.map(|row| row.name))
}

/// The method of this name; of two, that of numbers.
pub fn method(name: &str) -> Option<&'static Row> {
    let is_method = |kind: Kind| kind.is_method() || kind == Kind::PairMethod;
    rows().find(|row| row.name == name && is_method(row.kind))
}

/// The function of this name on a scalar type.
pub fn associated(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.name == name && row.kind == Kind::Associated)
}

/// The function of this name on a pair.
pub fn of_pair(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.name == name && row.kind == Kind::Pair)
}

/// The method of this name that pairs alone have.
pub fn pair_method(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.name == name && row.kind == Kind::PairMethod)
}

impl Kind {
    /// Called by its bare name.
    pub const fn is_free(self) -> bool {
        matches!(self, Self::Free | Self::Kaio)
    }

    /// Called on a value.
    pub const fn is_method(self) -> bool {
        matches!(self, Self::Method | Self::Extension)
    }
}

/// Where an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// A shared array.
    Shared,
    /// A slice parameter.
    Global,
}

impl Op {
    /// Where the argument at this position must be, if the instruction reaches one memory only.
    pub const fn home(self, position: usize) -> Option<Home> {
        match (self, position) {
            (
                Self::TmaLoad
                | Self::TmaLoadMulticast
                | Self::TmaLoadPolicy
                | Self::TmaLoadMulticastPolicy
                | Self::BulkLoad
                | Self::BulkLoadPolicy,
                0 | 3,
            )
            | (Self::BulkStore | Self::BulkReduceAdd, 1)
            | (Self::TmaStore | Self::TmaStorePolicy | Self::TmaReduceAdd, 2)
            | (
                Self::MbarrierInit
                | Self::MbarrierInval
                | Self::MbarrierArrive
                | Self::MbarrierArriveRemote
                | Self::MbarrierArriveExpectTx
                | Self::MbarrierExpectTx
                | Self::MbarrierTryWait
                | Self::MbarrierWait
                | Self::CpAsyncMbarrierArrive
                | Self::ClusterLoad
                | Self::ClusterStore
                | Self::ClusterAtomicAdd
                | Self::TileK
                | Self::TileMn
                | Self::LdmatrixA
                | Self::LdmatrixATrans
                | Self::LdmatrixB
                | Self::LdmatrixBTrans
                | Self::LdmatrixB2
                | Self::LdmatrixB2Trans
                | Self::StmatrixX4
                | Self::StmatrixX4Trans,
                0,
            ) => Some(Home::Shared),
            (Self::BulkLoad | Self::BulkLoadPolicy, 1)
            | (Self::BulkStore | Self::BulkReduceAdd | Self::BulkPrefetch, 0) => Some(Home::Global),
            (
                Self::CpAsync4
                | Self::CpAsync8
                | Self::CpAsync16
                | Self::CpAsync16Policy
                | Self::CpAsync4Or0
                | Self::CpAsync8Or0
                | Self::CpAsync16Or0,
                0 | 1,
            ) => Some(if position == 0 { Home::Shared } else { Home::Global }),
            _ => None,
        }
    }

    /// Whether no machine but that of its architecture has the instruction.
    pub const fn is_of_hopper(self) -> bool {
        matches!(
            self,
            Self::Wgmma
                | Self::WgmmaOrSet
                | Self::WgmmaFence
                | Self::WgmmaCommit
                | Self::WgmmaWait
                | Self::SetmaxnregInc
                | Self::SetmaxnregDec
        )
    }

    /// The position of the number of elements that a bulk copy moves.
    pub const fn bulk_count(self) -> Option<usize> {
        match self {
            Self::BulkLoad | Self::BulkLoadPolicy | Self::BulkStore | Self::BulkReduceAdd => {
                Some(2)
            }
            Self::BulkPrefetch => Some(1),
            _ => None,
        }
    }

    /// Whether it makes a cache policy for a fraction of the accesses.
    pub const fn makes_policy(self) -> bool {
        matches!(
            self,
            Self::PolicyEvictFirst
                | Self::PolicyEvictLast
                | Self::PolicyEvictNormal
                | Self::PolicyEvictUnchanged
        )
    }

    /// The positions of the arguments that must be constants.
    pub const fn constant_arguments(self) -> &'static [usize] {
        match self {
            Self::CpAsyncWait
            | Self::TmaWait
            | Self::TmaWaitRead
            | Self::WgmmaWait
            | Self::SetmaxnregInc
            | Self::SetmaxnregDec => &[0],
            Self::TileK => &[2],
            Self::TileMn => &[2, 3],
            _ => &[],
        }
    }

    /// What a constant argument of the operation must be, if this one is not.
    pub const fn constant_fault(self, position: usize, value: i128) -> Option<&'static str> {
        let fits = match (self, position) {
            (Self::SetmaxnregInc | Self::SetmaxnregDec, _) => {
                return if value >= 24 && value <= 256 && value % 8 == 0 {
                    None
                } else {
                    Some("a multiple of 8 from 24 to 256")
                };
            }
            (Self::TileK | Self::TileMn, 2) => {
                return if value == 32 || value == 64 || value == 128 {
                    None
                } else {
                    Some("a swizzle of 32, 64 or 128 bytes")
                };
            }
            (Self::TileMn, _) => {
                return if value >= 0 && value < 1 << 18 && value % 16 == 0 {
                    None
                } else {
                    Some("a multiple of 16 bytes, below 2^18")
                };
            }
            _ => value >= 0 && value < 1 << 16,
        };
        if fits { None } else { Some("a small number") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_parses_and_is_documented() {
        for row in rows() {
            assert!(!row.doc.is_empty(), "{} has no documentation", row.name);
            for (_, ty) in row.params {
                assert!(SigTy::parse(ty).is_some(), "{}: `{ty}`", row.name);
            }
            assert!(SigTy::parse(row.ret).is_some(), "{}: `{}`", row.name, row.ret);
        }
    }

    #[test]
    fn a_name_means_one_thing() {
        let mut seen = std::collections::HashSet::new();
        for row in rows() {
            let space = if row.kind.is_free() { Kind::Free } else { row.kind };
            let space = if space.is_method() { Kind::Method } else { space };
            assert!(seen.insert((row.name, format!("{space:?}"))), "`{}` twice", row.name);
        }
    }

    #[test]
    fn names_are_found_by_their_path() {
        assert_eq!(function(&["warp_reduce_sum"]).map(|row| row.op), Some(Op::WarpReduceSum));
        assert_eq!(function(&["fast", "exp"]).map(|row| row.op), Some(Op::FastExp));
        assert_eq!(method("exp").map(|row| row.op), Some(Op::Exp));
        assert_eq!(function(&["fast"]).map(|row| row.op), None);
    }
}
