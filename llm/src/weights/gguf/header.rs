//! The header of a GGUF file.

use super::cursor::{Cursor, corrupt, truncated};
use super::values::{Array, Value, read_value};
use super::{Metadata, Source};
use crate::error::{Error, Result};
use candle_core::quantized::GgmlDType;
use std::collections::HashMap;
use std::io::SeekFrom;
use std::ops::Range;

/// More entries than any model has; a table of this length takes some megabytes.
const MOST_ENTRIES: u64 = 1 << 16;
/// Longer than any name of a key or tensor.
const LONGEST_NAME: u64 = 1 << 10;
const DEFAULT_ALIGNMENT: u64 = 32;
const LARGEST_ALIGNMENT: u64 = 1 << 20;

/// A tensor: what it is and where in the file.
#[derive(Debug, Clone)]
pub struct TensorInfo {
    /// Outermost dimension first.
    pub shape: Vec<usize>,
    /// How its blocks are stored.
    pub format: GgmlDType,
    /// From the beginning of the file.
    pub offset: u64,
    /// Bytes of its blocks.
    pub bytes: usize,
}

/// What the header of a GGUF file says.
#[derive(Debug)]
pub struct Header {
    /// Keys and values.
    pub metadata: Metadata,
    /// Tensors by name.
    pub tensors: HashMap<String, TensorInfo>,
    /// Bytes of the whole file.
    pub file_size: u64,
    /// Where type and value of each key are in the file, in its order.
    pub(super) places: Vec<(String, Range<u64>)>,
}

/// A tensor's entry before its place is known to lie in the file.
fn read_tensor(file: &mut Cursor<'_>) -> Result<(String, TensorInfo)> {
    let name = file.text("a tensor's name", LONGEST_NAME)?;
    let what = format!("tensor `{name}`");
    let rank = file.u32(&what)?;
    if !(1..=4).contains(&rank) {
        return Err(corrupt(&what, "1 to 4 dimensions", rank));
    }
    let mut shape = Vec::new();
    for _ in 0..rank {
        let size = file.u64(&what)?;
        let size = usize::try_from(size).ok().filter(|size| *size > 0 && *size as u64 <= 1 << 40);
        shape.push(size.ok_or_else(|| corrupt(&what, "a dimension from 1 to 2^40", "another"))?);
    }
    shape.reverse();
    let number = file.u32(&what)?;
    let format = format_by_number(number);
    let format =
        format.ok_or_else(|| Error::Format { tensor: name.clone(), got: number.to_string() })?;
    let offset = file.u64(&what)?;
    let row = shape.last().copied().unwrap_or(1);
    if row % format.block_size() != 0 {
        return Err(corrupt(&what, "rows of whole blocks", format!("rows of {row}")));
    }
    let elements = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    let bytes = elements.and_then(|it| (it / format.block_size()).checked_mul(format.type_size()));
    let bytes = bytes.ok_or_else(|| corrupt(&what, "dimensions that fit memory", "more"))?;
    Ok((name, TensorInfo { shape, format, offset, bytes }))
}

/// The formats that candle reads, by their number in the file. Q8_1 and Q8_K, numbers 9 and
/// 15, it only computes with.
pub(super) fn format_by_number(number: u32) -> Option<GgmlDType> {
    Some(match number {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    })
}

impl Header {
    /// Reads and checks a header.
    pub(super) fn read(source: &mut dyn Source) -> Result<Self> {
        let size = source.seek(SeekFrom::End(0)).map_err(|_| truncated("the header", 24, 0))?;
        let mut file = Cursor::new(source, 0, size)?;
        let magic = file.bytes("the magic number")?;
        if magic != *b"GGUF" {
            return Err(Error::Magic { got: magic });
        }
        let version = file.u32("the version")?;
        if !(2..=3).contains(&version) {
            return Err(Error::Version { got: version });
        }
        let n_tensors = count(&mut file, "the number of tensors", 24)?;
        let n_entries = count(&mut file, "the number of metadata entries", 13)?;
        let mut metadata = Metadata::new();
        let mut places = Vec::new();
        for _ in 0..n_entries {
            let key = file.text("a metadata key", LONGEST_NAME)?;
            let start = file.at;
            let value = read_value(&mut file, &key)?;
            places.push((key.clone(), start..file.at));
            if metadata.insert(key.clone(), value).is_some() {
                return Err(corrupt(&key, "one value", "two"));
            }
        }
        let mut tensors = HashMap::new();
        for _ in 0..n_tensors {
            let (name, info) = read_tensor(&mut file)?;
            if tensors.insert(name.clone(), info).is_some() {
                return Err(corrupt(&name, "one tensor of this name", "two"));
            }
        }
        let start = file.at;
        let mut header = Self { metadata, tensors, file_size: size, places };
        header.place(start)?;
        Ok(header)
    }

    /// Makes the tensors' offsets absolute and checks that all of them lie in the file.
    fn place(&mut self, start: u64) -> Result<()> {
        let alignment = self.unsigned("general.alignment")?.unwrap_or(DEFAULT_ALIGNMENT);
        if !alignment.is_power_of_two() || alignment > LARGEST_ALIGNMENT {
            return Err(corrupt("general.alignment", "a power of two up to 2^20", alignment));
        }
        let start = start.next_multiple_of(alignment);
        let mut total = start;
        for (name, info) in &mut self.tensors {
            info.offset = start.saturating_add(info.offset);
            let (end, bytes) = (info.offset.saturating_add(info.bytes as u64), info.bytes as u64);
            total = total.saturating_add(bytes);
            // Together they fit as well: no two may share their bytes.
            if end > self.file_size || total > self.file_size {
                let got = self.file_size.saturating_sub(info.offset.max(total - bytes));
                return Err(truncated(&format!("tensor `{name}`"), bytes, got));
            }
        }
        Ok(())
    }

    /// A number that is not negative, if the key is there.
    pub fn unsigned(&self, key: &str) -> Result<Option<u64>> {
        Ok(Some(match self.metadata.get(key) {
            None => return Ok(None),
            Some(Value::Unsigned(number)) => *number,
            Some(Value::Signed(number)) if *number >= 0 => number.unsigned_abs(),
            Some(other) => return Err(mismatch(key, "a number that is not negative", other)),
        }))
    }

    /// A float, if the key is there.
    pub fn float(&self, key: &str) -> Result<Option<f64>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Float(number)) if number.is_finite() => Ok(Some(*number)),
            Some(other) => Err(mismatch(key, "a finite float", other)),
        }
    }

    /// A truth value, if the key is there.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(mismatch(key, "true or false", other)),
        }
    }

    /// A string, if the key is there.
    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(mismatch(key, "a string", other)),
        }
    }

    pub(super) fn array(&self, key: &str) -> Result<Option<Array>> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(Value::Array(array)) => Ok(Some(array.clone())),
            Some(other) => Err(mismatch(key, "an array", other)),
        }
    }
}

fn mismatch(key: &str, want: &'static str, got: &Value) -> Error {
    let got = match got {
        Value::Text(text) => format!("a string of {} bytes", text.len()),
        other => format!("{other:?}"),
    };
    corrupt(&format!("`{key}`"), want, got)
}

/// A count of entries that take at least `smallest` bytes each.
fn count(file: &mut Cursor<'_>, what: &str, smallest: u64) -> Result<u64> {
    let count = file.u64(what)?;
    file.demand(count.saturating_mul(smallest), what)?;
    if count > MOST_ENTRIES {
        return Err(corrupt(what, "at most 65536", count));
    }
    Ok(count)
}

#[cfg(test)]
mod tests;
