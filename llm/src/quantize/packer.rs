//! Where weights are packed: on a device or on the host's cores, to the same bytes.

use std::fmt;

use firesteel::{Device, DeviceId};
use firesteel_kernels::quant::{self, Format};
use firesteel_kernels::shape;

/// Weights that a device is given at once: 256 MiB of them.
const AT_ONCE: usize = 1 << 26;

/// Packs weights.
#[derive(Debug, Clone)]
pub enum Packer {
    /// On the host's cores.
    Cpu,
    /// By kernels.
    Device(Device),
}

impl Packer {
    /// The first GPU, or the host's cores where there is none.
    pub fn fastest() -> firesteel::Result<Self> {
        let gpu = firesteel::devices().into_iter().find(|it| it.id != DeviceId::Sim);
        gpu.map_or(Ok(Self::Cpu), |it| Ok(Self::Device(it.open()?)))
    }

    /// Packs rows of `cols` weights.
    pub(crate) fn pack(&self, format: Format, x: &[f32], cols: usize) -> shape::Result<Vec<u8>> {
        let mut blocks = vec![0; x.len() / format.block_len() * format.block_bytes()];
        match self {
            Self::Cpu => quant::cpu::quantize(format, &mut blocks, x, cols)?,
            Self::Device(device) => on_device(device, format, &mut blocks, x, cols)?,
        }
        Ok(blocks)
    }
}

fn on_device(
    device: &Device,
    format: Format,
    blocks: &mut [u8],
    x: &[f32],
    cols: usize,
) -> shape::Result<()> {
    let rows = (AT_ONCE / cols.max(1)).max(1);
    let bytes = rows * cols / format.block_len() * format.block_bytes();
    let pieces = x.chunks(rows * cols).zip(blocks.chunks_mut(bytes));
    for (piece, (x, blocks)) in pieces.enumerate() {
        let x = device.alloc_from(x)?;
        let mut there = device.alloc_zeros::<u8>(blocks.len())?;
        let packed = quant::quantize(&device.stream(), format, &mut there, &x, cols);
        packed.map_err(|error| beyond(error, piece * rows * cols))?;
        blocks.copy_from_slice(&there.to_host(device)?);
    }
    Ok(())
}

/// The error of a piece that begins at weight `start`.
fn beyond(error: shape::Error, start: usize) -> shape::Error {
    match error {
        shape::Error::NotFinite { what, index } => {
            shape::Error::NotFinite { what, index: start + index }
        }
        other => other,
    }
}

impl fmt::Display for Packer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Device(device) => write!(f, "{}", device.id()),
        }
    }
}
