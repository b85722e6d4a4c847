//! The header of a GGUF file.

use super::{Metadata, Source};
use crate::error::{Error, Result};
use candle_core::quantized::GgmlDType;
use std::collections::HashMap;
use std::io::{BufReader, Read, Seek, SeekFrom};

/// More entries than any model has; a table of this length takes some megabytes.
const MOST_ENTRIES: u64 = 1 << 16;
/// Longer than any name of a key or tensor.
const LONGEST_NAME: u64 = 1 << 10;
const DEFAULT_ALIGNMENT: u64 = 32;
const LARGEST_ALIGNMENT: u64 = 1 << 20;

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// An unsigned integer of any width.
    Unsigned(u64),
    /// A signed integer of any width.
    Signed(i64),
    /// A float of either width.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A string.
    Text(String),
    /// An array, whose elements are still in the file.
    Array(Array),
}

/// An array of the metadata: where it is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    kind: Kind,
    len: u64,
    offset: u64,
}

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
}

/// Types of values, by their number in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

impl Kind {
    const BY_NUMBER: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::Text,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    fn read(file: &mut Cursor<'_>, what: &str) -> Result<Self> {
        let number = file.u32(what)?;
        let kind = usize::try_from(number).ok().and_then(|it| Self::BY_NUMBER.get(it));
        kind.copied().ok_or_else(|| corrupt(what, "a type from 0 to 12", number))
    }

    /// Bytes of a value, and for a string of its length.
    fn width(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::Text => 8,
            Self::Array => 12,
        }
    }
}

fn corrupt(what: &str, want: &'static str, got: impl ToString) -> Error {
    Error::Corrupt { what: what.to_owned(), want, got: got.to_string() }
}

/// A reader that knows how much is left.
struct Cursor<'a> {
    file: BufReader<&'a mut dyn Source>,
    at: u64,
    end: u64,
}

impl<'a> Cursor<'a> {
    fn new(source: &'a mut dyn Source, at: u64, end: u64) -> Result<Self> {
        let mut file = BufReader::new(source);
        let left = end.saturating_sub(at);
        file.seek(SeekFrom::Start(at)).map_err(|_| truncated("the header", 1, left))?;
        Ok(Self { file, at, end })
    }

    /// Fails unless `count` bytes are left.
    fn demand(&self, count: u64, what: &str) -> Result<()> {
        let left = self.end - self.at;
        if count > left { Err(truncated(what, count, left)) } else { Ok(()) }
    }

    fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        self.demand(N as u64, what)?;
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|_| truncated(what, N as u64, 0))?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes(what)?))
    }

    fn text(&mut self, what: &str, longest: u64) -> Result<String> {
        let len = self.u64(what)?;
        self.demand(len, what)?;
        if len > longest {
            return Err(corrupt(what, "a shorter name", format!("{len} bytes")));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.file.read_exact(&mut bytes).map_err(|_| truncated(what, len, 0))?;
        self.at += len;
        // Some vocabularies hold broken UTF-8; a replacement character is what others show, too.
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    fn skip(&mut self, count: u64, what: &str) -> Result<()> {
        self.demand(count, what)?;
        let step = i64::try_from(count).map_err(|_| truncated(what, count, 0))?;
        self.file.seek_relative(step).map_err(|_| truncated(what, count, 0))?;
        self.at += count;
        Ok(())
    }
}

fn truncated(what: &str, want: u64, got: u64) -> Error {
    Error::Truncated { what: what.to_owned(), want, got }
}

fn read_value(file: &mut Cursor<'_>, key: &str) -> Result<Value> {
    Ok(match Kind::read(file, key)? {
        Kind::U8 => Value::Unsigned(u8::from_le_bytes(file.bytes(key)?).into()),
        Kind::I8 => Value::Signed(i8::from_le_bytes(file.bytes(key)?).into()),
        Kind::U16 => Value::Unsigned(u16::from_le_bytes(file.bytes(key)?).into()),
        Kind::I16 => Value::Signed(i16::from_le_bytes(file.bytes(key)?).into()),
        Kind::U32 => Value::Unsigned(u32::from_le_bytes(file.bytes(key)?).into()),
        Kind::I32 => Value::Signed(i32::from_le_bytes(file.bytes(key)?).into()),
        Kind::F32 => Value::Float(f32::from_le_bytes(file.bytes(key)?).into()),
        Kind::Bool => match file.bytes(key)? {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            [other] => return Err(corrupt(key, "0 or 1", other)),
        },
        Kind::Text => Value::Text(file.text(key, u64::MAX)?),
        Kind::Array => Value::Array(read_array(file, key)?),
        Kind::U64 => Value::Unsigned(file.u64(key)?),
        Kind::I64 => Value::Signed(i64::from_le_bytes(file.bytes(key)?)),
        Kind::F64 => Value::Float(f64::from_le_bytes(file.bytes(key)?)),
    })
}

/// Walks over an array: its elements are checked for length, not kept.
fn read_array(file: &mut Cursor<'_>, key: &str) -> Result<Array> {
    let kind = Kind::read(file, key)?;
    let len = file.u64(key)?;
    let bytes = len.saturating_mul(kind.width());
    file.demand(bytes, key)?;
    let offset = file.at;
    match kind {
        Kind::Text => {
            for _ in 0..len {
                let bytes = file.u64(key)?;
                file.skip(bytes, key)?;
            }
        }
        Kind::Array => return Err(corrupt(key, "an array of plain values", "nested arrays")),
        Kind::U8
        | Kind::I8
        | Kind::U16
        | Kind::I16
        | Kind::U32
        | Kind::I32
        | Kind::F32
        | Kind::Bool
        | Kind::U64
        | Kind::I64
        | Kind::F64 => file.skip(bytes, key)?,
    }
    Ok(Array { kind, len, offset })
}

impl Array {
    /// The number of elements.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The raw bytes of fixed-width elements, whose extent the header's reader has checked.
    fn raw(&self, key: &str, source: &mut dyn Source) -> Result<Vec<u8>> {
        let bytes = self.len * self.kind.width();
        let failed = |_| truncated(key, bytes, 0);
        let mut raw = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        source.seek(SeekFrom::Start(self.offset)).map_err(failed)?;
        source.read_exact(&mut raw).map_err(failed)?;
        Ok(raw)
    }

    pub(super) fn integers(&self, key: &str, source: &mut dyn Source) -> Result<Vec<u32>> {
        let wanted = matches!(self.kind, Kind::I32 | Kind::U32);
        if !wanted {
            return Err(corrupt(key, "an array of 32-bit integers", format!("{:?}", self.kind)));
        }
        let raw = self.raw(key, source)?;
        Ok(raw.as_chunks().0.iter().map(|it| u32::from_le_bytes(*it)).collect())
    }

    pub(super) fn floats(&self, key: &str, source: &mut dyn Source) -> Result<Vec<f32>> {
        if self.kind != Kind::F32 {
            return Err(corrupt(key, "an array of 32-bit floats", format!("{:?}", self.kind)));
        }
        let raw = self.raw(key, source)?;
        Ok(raw.as_chunks().0.iter().map(|it| f32::from_le_bytes(*it)).collect())
    }

    pub(super) fn strings(
        &self,
        key: &str,
        source: &mut dyn Source,
        end: u64,
    ) -> Result<Vec<String>> {
        if self.kind != Kind::Text {
            return Err(corrupt(key, "an array of strings", format!("{:?}", self.kind)));
        }
        // An empty string takes more memory than it takes in the file.
        if self.len.saturating_mul(size_of::<String>() as u64) > end.saturating_mul(2) {
            return Err(corrupt(key, "fewer strings", self.len));
        }
        let mut file = Cursor::new(source, self.offset, end)?;
        (0..self.len).map(|_| file.text(key, u64::MAX)).collect()
    }
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

/// The formats that candle reads, by their number in the file.
fn format_by_number(number: u32) -> Option<GgmlDType> {
    Some(match number {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        9 => GgmlDType::Q8_1,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        15 => GgmlDType::Q8K,
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
        for _ in 0..n_entries {
            let key = file.text("a metadata key", LONGEST_NAME)?;
            let value = read_value(&mut file, &key)?;
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
        let mut header = Self { metadata, tensors, file_size: size };
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
mod tests {
    use super::super::Gguf;
    use crate::error::Error;
    use std::io::Cursor;

    fn open(bytes: &[u8]) -> Result<Gguf, Error> {
        Gguf::new(Box::new(Cursor::new(bytes.to_vec())))
    }

    fn head(tensors: u64, entries: u64) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(entries.to_le_bytes());
        bytes
    }

    fn text(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }

    #[test]
    fn an_empty_header_is_read() {
        assert!(open(&head(0, 0)).unwrap().header.tensors.is_empty());
    }

    #[test]
    fn other_files_are_refused() {
        assert!(matches!(open(b"PK\x03\x04 and more"), Err(Error::Magic { .. })));
        assert!(matches!(open(b"GG"), Err(Error::Truncated { .. })));
        assert!(matches!(open(b""), Err(Error::Truncated { .. })));
    }

    #[test]
    fn counts_beyond_the_file_are_refused() {
        assert!(matches!(open(&head(u64::MAX, 0)), Err(Error::Truncated { .. })));
        assert!(matches!(open(&head(0, 1 << 60)), Err(Error::Truncated { .. })));
    }

    #[test]
    fn long_strings_and_arrays_are_refused() {
        let mut string = head(0, 1);
        string.extend(u64::MAX.to_le_bytes());
        string.extend([0; 32]);
        assert!(matches!(open(&string), Err(Error::Truncated { .. })));

        let mut array = head(0, 1);
        text(&mut array, "key");
        array.extend(9_u32.to_le_bytes());
        array.extend(5_u32.to_le_bytes());
        array.extend((1_u64 << 62).to_le_bytes());
        array.extend([0; 32]);
        assert!(matches!(open(&array), Err(Error::Truncated { .. })));
    }

    #[test]
    fn products_that_overflow_are_refused() {
        let mut bytes = head(1, 0);
        text(&mut bytes, "w");
        bytes.extend(4_u32.to_le_bytes());
        for _ in 0..4 {
            bytes.extend((1_u64 << 33).to_le_bytes());
        }
        bytes.extend([0; 12]);
        assert!(matches!(open(&bytes), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn tensors_outside_of_the_file_are_refused() {
        let mut bytes = head(1, 0);
        text(&mut bytes, "w");
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(8_u64.to_le_bytes());
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(u64::MAX.to_le_bytes());
        bytes.extend([0; 64]);
        assert!(matches!(open(&bytes), Err(Error::Truncated { .. })));
    }
}
