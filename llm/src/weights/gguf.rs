//! GGUF files: header, metadata, tensors.
//!
//! Source: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
//!
//! A header is foreign data: every count, length, offset and product of dimensions is compared
//! with the size of the file before anything is allocated for it. The elements of arrays stay
//! in the file until they are asked for.

use super::Weights;
use crate::error::{Error, Result};
use crate::models::layers::linear::Linear;
use candle_core::Device;
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};

mod cursor;
mod header;
mod values;
pub(crate) mod write;

pub use header::{Header, TensorInfo};
pub use values::{Array, Value};

/// What a GGUF file is read from.
pub trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

/// An open GGUF file.
pub struct Gguf {
    source: Box<dyn Source>,
    /// What the header says.
    pub header: Header,
}

impl Gguf {
    /// Reads the header.
    pub fn new(mut source: Box<dyn Source>) -> Result<Self> {
        let header = Header::read(&mut *source)?;
        Ok(Self { source, header })
    }

    /// The elements of an array of strings.
    pub fn strings(&mut self, key: &str) -> Result<Vec<String>> {
        let Some(array) = self.header.array(key)? else { return Ok(Vec::new()) };
        array.strings(key, &mut *self.source, self.header.file_size)
    }

    /// The elements of an array of integers.
    pub fn integers(&mut self, key: &str) -> Result<Vec<u32>> {
        let Some(array) = self.header.array(key)? else { return Ok(Vec::new()) };
        array.integers(key, &mut *self.source)
    }

    /// The elements of an array of 32-bit floats.
    pub fn floats(&mut self, key: &str) -> Result<Vec<f32>> {
        let Some(array) = self.header.array(key)? else { return Ok(Vec::new()) };
        array.floats(key, &mut *self.source)
    }

    /// The elements of an array of truth values.
    pub fn bools(&mut self, key: &str) -> Result<Vec<bool>> {
        let Some(array) = self.header.array(key)? else { return Ok(Vec::new()) };
        array.bools(key, &mut *self.source)
    }

    /// Keys with the bytes of type and value, in the order of the file.
    pub(crate) fn raw_metadata(&mut self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut entries = Vec::new();
        for (key, range) in &self.header.places {
            let want = range.end - range.start;
            let failed = |_| Error::Truncated { what: format!("`{key}`"), want, got: 0 };
            let mut bytes = vec![0; usize::try_from(want).unwrap_or(usize::MAX)];
            self.source.seek(SeekFrom::Start(range.start)).map_err(failed)?;
            self.source.read_exact(&mut bytes).map_err(failed)?;
            entries.push((key.clone(), bytes));
        }
        Ok(entries)
    }

    /// The format and the bytes of a tensor as they are stored.
    pub(crate) fn stored(&mut self, name: &str) -> Result<(GgmlDType, Vec<u8>)> {
        let shape = self.shape(name).unwrap_or_default();
        let info = self.info(name, &shape)?;
        Ok((info.format, self.bytes(name, &info)?))
    }

    fn info(&self, name: &str, want: &[usize]) -> Result<TensorInfo> {
        let info = self.header.tensors.get(name);
        let info = info.ok_or_else(|| Error::Missing { what: format!("tensor `{name}`") })?;
        if info.shape != want {
            let (want, got) = (want.to_vec(), info.shape.clone());
            return Err(Error::Shape { tensor: name.to_owned(), want, got });
        }
        Ok(info.clone())
    }

    fn bytes(&mut self, name: &str, info: &TensorInfo) -> Result<Vec<u8>> {
        let failed = |_| Error::Truncated {
            what: format!("tensor `{name}`"),
            want: info.bytes as u64,
            got: self.header.file_size.saturating_sub(info.offset),
        };
        let mut bytes = vec![0; info.bytes];
        self.source.seek(SeekFrom::Start(info.offset)).map_err(failed)?;
        self.source.read_exact(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }
}

/// Makes candle's tensor of the raw blocks.
fn tensor(format: GgmlDType, bytes: &[u8], shape: &[usize]) -> Result<QTensor> {
    let storage = QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, format)?;
    Ok(QTensor::new(storage, shape)?)
}

/// All numbers of a tensor.
pub(crate) fn widened(format: GgmlDType, bytes: &[u8], shape: &[usize]) -> Result<Vec<f32>> {
    let tensor = tensor(format, bytes, shape)?;
    Ok(tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()?)
}

/// Whether a matrix with rows of this length is kept as `f32`.
pub(crate) fn is_widened(format: GgmlDType, inputs: usize) -> bool {
    match format {
        // Their products round activations to 16 bits or run unvectorised in candle.
        GgmlDType::F32 | GgmlDType::F16 | GgmlDType::BF16 => true,
        // candle's products take their blocks in pairs.
        GgmlDType::Q4_1 | GgmlDType::Q5_0 | GgmlDType::Q5_1 => {
            !(inputs / format.block_size()).is_multiple_of(2)
        }
        GgmlDType::Q4_0
        | GgmlDType::Q8_0
        | GgmlDType::Q8_1
        | GgmlDType::Q2K
        | GgmlDType::Q3K
        | GgmlDType::Q4K
        | GgmlDType::Q5K
        | GgmlDType::Q6K
        | GgmlDType::Q8K => false,
    }
}

pub(super) fn matrix(
    format: GgmlDType,
    bytes: &[u8],
    outputs: usize,
    inputs: usize,
) -> Result<Linear> {
    let shape = [outputs, inputs];
    match is_widened(format, inputs) {
        true => Ok(Linear::dense(widened(format, bytes, &shape)?, outputs, inputs)),
        false => Ok(Linear::quantised(tensor(format, bytes, &shape)?, outputs, inputs)),
    }
}

/// The matrix of blocks in the format of this number.
pub(crate) fn matrix_of_blocks(
    name: &str,
    number: u32,
    bytes: &[u8],
    outputs: usize,
    inputs: usize,
) -> Result<Linear> {
    let unread = || Error::Format { tensor: name.to_owned(), got: number.to_string() };
    let format = header::format_by_number(number).ok_or_else(unread)?;
    matrix(format, bytes, outputs, inputs)
}

impl Weights for Gguf {
    fn has(&self, name: &str) -> bool {
        self.header.tensors.contains_key(name)
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.header.tensors.get(name).map(|info| info.shape.clone())
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        let info = self.info(name, &[outputs, inputs])?;
        let bytes = self.bytes(name, &info)?;
        matrix(info.format, &bytes, outputs, inputs)
    }

    fn experts(
        &mut self,
        name: &str,
        count: usize,
        outputs: usize,
        inputs: usize,
    ) -> Result<Vec<Linear>> {
        let info = self.info(name, &[count, outputs, inputs])?;
        let bytes = self.bytes(name, &info)?;
        // A row is whole blocks and a tensor has no zero dimension: see `Header::read`.
        let experts = bytes.chunks_exact(info.bytes / count);
        experts.map(|bytes| matrix(info.format, bytes, outputs, inputs)).collect()
    }

    fn numbers(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let stored = self.shape(name).filter(|stored| super::alike(stored, shape));
        let info = self.info(name, stored.as_deref().unwrap_or(shape))?;
        let bytes = self.bytes(name, &info)?;
        widened(info.format, &bytes, &info.shape)
    }
}

/// Numbers of the metadata that are kept in the header.
pub(crate) type Metadata = HashMap<String, Value>;
