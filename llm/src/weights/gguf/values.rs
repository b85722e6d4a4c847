//! Values of the metadata.

use super::Source;
use super::cursor::{Cursor, corrupt, truncated};
use crate::error::Result;
use std::io::SeekFrom;

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

pub(super) fn read_value(file: &mut Cursor<'_>, key: &str) -> Result<Value> {
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

    pub(super) fn bools(&self, key: &str, source: &mut dyn Source) -> Result<Vec<bool>> {
        if self.kind != Kind::Bool {
            return Err(corrupt(key, "an array of truth values", format!("{:?}", self.kind)));
        }
        Ok(self.raw(key, source)?.into_iter().map(|it| it != 0).collect())
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
