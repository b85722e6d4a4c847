//! Matrices of a warpgroup. PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions".

use firesteel_ptx::isa::*;

use super::{Decoded, Decoder};

fn unknown() -> Decoded {
    Err("matrix instructions of a warpgroup are not simulated".to_owned())
}

pub(super) fn wgmma_fence(_: &mut Decoder<'_>, _: &WgmmaFence) -> Decoded {
    unknown()
}

pub(super) fn wgmma_commit(_: &mut Decoder<'_>, _: &WgmmaCommit) -> Decoded {
    unknown()
}

pub(super) fn wgmma_wait(_: &mut Decoder<'_>, _: &WgmmaWait) -> Decoded {
    unknown()
}

pub(super) fn wgmma(_: &mut Decoder<'_>, _: &Wgmma) -> Decoded {
    unknown()
}

pub(super) fn wgmma_registers(_: &mut Decoder<'_>, _: &WgmmaRegisters) -> Decoded {
    unknown()
}
