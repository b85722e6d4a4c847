//! Packing and unpacking.

use firesteel::prelude::*;
use firesteel_kernels::quant::{self, Element, Format, cpu};

use crate::harness::Failure;
use crate::harness::data::Host;
use crate::harness::turns::Contestant;
use crate::shape::Shape;

/// Copies of all buffers: of 12288 x 4096 weights each is larger than the L2 cache.
const COPIES: usize = 3;
/// Weights that the host packs and unpacks too, whole rows.
const COMPARED: usize = 1 << 18;

/// A contestant, and the bytes that it must read and write.
pub(crate) struct Conversion {
    pub(crate) bytes: u64,
    pub(crate) contestant: Contestant,
}

impl Conversion {
    /// `work(i)` works on copy `i`.
    fn new(
        stream: &Stream,
        name: &str,
        bytes: u64,
        work: impl FnMut(usize) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        Ok(Self { bytes, contestant: Contestant::new(stream, name, COPIES, work)? })
    }
}

/// The weights that are packed.
pub(crate) struct Weights {
    shape: Shape,
    bf16: Vec<GpuBuffer<bf16>>,
    f16: Vec<GpuBuffer<f16>>,
    f32: Vec<GpuBuffer<f32>>,
}

/// Something for each copy.
fn copies<T>(mut one: impl FnMut() -> Result<T>) -> Result<Vec<T>> {
    (0..COPIES).map(|_| one()).collect()
}

impl Weights {
    pub(crate) fn new(stream: &Stream, shape: Shape) -> Result<Self> {
        let host = Host::normal(1, shape.weights());
        let (brain, half, wide) = (host.bf16(), host.f16(), host.f32());
        Ok(Self {
            shape,
            bf16: copies(|| stream.alloc_from(&brain))?,
            f16: copies(|| stream.alloc_from(&half))?,
            f32: copies(|| stream.alloc_from(&wide))?,
        })
    }

    /// The ceiling: a copy within the device.
    pub(crate) fn copy(&self, stream: &Stream) -> Result<Conversion, Failure> {
        let mut to = copies(|| stream.alloc_uninit::<bf16>(self.shape.weights()))?;
        let bytes = 4 * self.shape.weights() as u64;
        Conversion::new(stream, "copy within the device", bytes, |i| {
            Ok(to[i].copy_from_buffer_on(stream, &self.bf16[i])?)
        })
    }

    /// All conversions of a format whose names hold the text.
    pub(crate) fn conversions(
        &self,
        stream: &Stream,
        format: Format,
        only: &str,
    ) -> Result<Vec<Conversion>, Failure> {
        let mut all = self.both(stream, format, "bf16", &self.bf16)?;
        all.extend(self.both(stream, format, "f16", &self.f16)?);
        all.extend(self.both(stream, format, "f32", &self.f32)?);
        all.retain(|it| it.contestant.name.contains(only));
        Ok(all)
    }

    /// Packing from a type of weights, and unpacking to it.
    fn both<T: Element>(
        &self,
        stream: &Stream,
        format: Format,
        name: &str,
        x: &[GpuBuffer<T>],
    ) -> Result<Vec<Conversion>, Failure> {
        let (weights, cols) = (self.shape.weights(), self.shape.cols);
        let bytes = weights / format.block_len() * format.block_bytes();
        let moved = (bytes + weights * size_of::<T>()) as u64;
        let mut blocks = copies(|| stream.alloc_uninit::<u8>(bytes))?;
        let mut y = copies(|| stream.alloc_uninit::<T>(weights))?;
        for (blocks, x) in blocks.iter_mut().zip(x) {
            quant::quantize(stream, format, blocks, x, cols)?;
        }
        quant::dequantize(stream, format, &mut y[0], &blocks[0])?;
        compare(stream.device(), format, (&blocks[0], &x[0], &y[0]), cols)?;
        let name = |what: &str| format!("{what} {name}");
        let unpack = Conversion::new(stream, &name("unpack to"), moved, |i| {
            Ok(quant::dequantize(stream, format, &mut y[i], &blocks[i])?)
        })?;
        let pack = Conversion::new(stream, &name("pack from"), moved, |i| {
            Ok(quant::quantize_finite(stream, format, &mut blocks[i], &x[i], cols)?)
        })?;
        Ok(vec![unpack, pack])
    }
}

/// The first rows, packed and unpacked by the host.
fn compare<T: Element>(
    device: &Device,
    format: Format,
    (blocks, x, y): (&GpuBuffer<u8>, &GpuBuffer<T>, &GpuBuffer<T>),
    cols: usize,
) -> Result<(), Failure> {
    let n = (COMPARED / cols).max(1) * cols;
    let n = n.min(x.len());
    let mut want = vec![0; n / format.block_len() * format.block_bytes()];
    cpu::quantize(format, &mut want, &x.to_host(device)?[..n], cols)?;
    let mut unpacked = vec![T::nearest(0.0); n];
    cpu::dequantize(format, &mut unpacked, &want)?;
    let bits = |y: &[T]| y.iter().map(|&y| Into::<f32>::into(y).to_bits()).collect::<Vec<_>>();
    if blocks.to_host(device)?[..want.len()] != want {
        return Err(format!("the blocks of {format} are not those of the host").into());
    }
    if bits(&y.to_host(device)?[..n]) != bits(&unpacked) {
        return Err(format!("the weights of {format} are not those of the host").into());
    }
    Ok(())
}
