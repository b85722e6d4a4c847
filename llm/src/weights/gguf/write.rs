//! Writing GGUF files: the header, and where tensors go.
//!
//! Source: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

/// Tensors begin at multiples of this, which is what readers assume.
pub(crate) const ALIGNMENT: usize = 32;
const VERSION: u32 = 3;

/// A value of the metadata that is to be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    /// A 32-bit integer.
    U32(u32),
    /// A signed 32-bit integer.
    I32(i32),
    /// A 32-bit float.
    F32(f32),
    /// A truth value.
    Bool(bool),
    /// A string.
    Text(String),
    /// An array of 32-bit integers.
    Integers(Vec<i32>),
    /// An array of truth values.
    Bools(Vec<bool>),
    /// An array of strings.
    Texts(Vec<String>),
    /// The type and the value as another file has them.
    Raw(Vec<u8>),
}

/// Numbers of types in the file.
mod kind {
    pub(super) const U32: u32 = 4;
    pub(super) const I32: u32 = 5;
    pub(super) const F32: u32 = 6;
    pub(super) const BOOL: u32 = 7;
    pub(super) const TEXT: u32 = 8;
    pub(super) const ARRAY: u32 = 9;
}

/// A tensor that is to be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    pub(crate) name: String,
    /// Outermost dimension first.
    pub(crate) shape: Vec<usize>,
    /// ggml's number of the format.
    pub(crate) format: u32,
    pub(crate) bytes: usize,
}

/// The bytes of a file up to where its first tensor begins. The tensors follow in their order, each
/// [`padded`].
pub(crate) fn header(metadata: &[(String, Entry)], tensors: &[Place]) -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    file.extend(VERSION.to_le_bytes());
    count(&mut file, tensors.len());
    count(&mut file, metadata.len());
    for (key, value) in metadata {
        text(&mut file, key);
        entry(&mut file, value);
    }
    let mut offset = 0;
    for tensor in tensors {
        text(&mut file, &tensor.name);
        file.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().rev().for_each(|size| count(&mut file, *size));
        file.extend(tensor.format.to_le_bytes());
        count(&mut file, offset);
        offset += padded(tensor.bytes);
    }
    file.resize(padded(file.len()), 0);
    file
}

/// Bytes with those that keep what follows aligned.
pub(crate) fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
}

fn entry(file: &mut Vec<u8>, value: &Entry) {
    let kind = |file: &mut Vec<u8>, kind: u32| file.extend(kind.to_le_bytes());
    let array = |file: &mut Vec<u8>, of: u32, len: usize| {
        kind(file, kind::ARRAY);
        kind(file, of);
        count(file, len);
    };
    match value {
        Entry::U32(number) => {
            kind(file, kind::U32);
            file.extend(number.to_le_bytes());
        }
        Entry::I32(number) => {
            kind(file, kind::I32);
            file.extend(number.to_le_bytes());
        }
        Entry::F32(number) => {
            kind(file, kind::F32);
            file.extend(number.to_le_bytes());
        }
        Entry::Bool(value) => {
            kind(file, kind::BOOL);
            file.push(u8::from(*value));
        }
        Entry::Text(value) => {
            kind(file, kind::TEXT);
            text(file, value);
        }
        Entry::Integers(values) => {
            array(file, kind::I32, values.len());
            values.iter().for_each(|it| file.extend(it.to_le_bytes()));
        }
        Entry::Bools(values) => {
            array(file, kind::BOOL, values.len());
            file.extend(values.iter().map(|it| u8::from(*it)));
        }
        Entry::Texts(values) => {
            array(file, kind::TEXT, values.len());
            values.iter().for_each(|it| text(file, it));
        }
        Entry::Raw(bytes) => file.extend(bytes),
    }
}

fn count(file: &mut Vec<u8>, count: usize) {
    file.extend((count as u64).to_le_bytes());
}

fn text(file: &mut Vec<u8>, text: &str) {
    count(file, text.len());
    file.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::{Gguf, Value};
    use super::*;
    use std::io::Cursor;

    #[test]
    fn what_is_written_is_read() {
        let metadata = [
            ("n", Entry::U32(7)),
            ("i", Entry::I32(-7)),
            ("x", Entry::F32(0.5)),
            ("yes", Entry::Bool(true)),
            ("name", Entry::Text("née".to_owned())),
            ("list", Entry::Integers(vec![1, 2])),
            ("flags", Entry::Bools(vec![true, false])),
            ("words", Entry::Texts(vec!["a".to_owned(), String::new()])),
        ];
        let mut metadata = metadata.map(|(key, value)| (key.to_owned(), value)).to_vec();
        let place = |name: &str, shape: &[usize], bytes| Place {
            name: name.to_owned(),
            shape: shape.to_vec(),
            format: 0,
            bytes,
        };
        let tensors = [place("a", &[3], 12), place("b", &[2, 5], 40)];
        let mut file = header(&metadata, &tensors);
        file.resize(file.len() + padded(12) + padded(40), 0);
        let mut read = Gguf::new(Box::new(Cursor::new(file))).unwrap();
        assert_eq!(read.header.unsigned("n").unwrap(), Some(7));
        assert_eq!(read.header.metadata["i"], Value::Signed(-7));
        assert_eq!(read.header.float("x").unwrap(), Some(0.5));
        assert_eq!(read.header.metadata["yes"], Value::Bool(true));
        assert_eq!(read.header.text("name").unwrap(), Some("née"));
        assert_eq!(read.integers("list").unwrap(), [1, 2]);
        assert_eq!(read.bools("flags").unwrap(), [true, false]);
        assert_eq!(read.strings("words").unwrap(), ["a", ""]);
        assert_eq!(read.header.tensors["b"].shape, [2, 5]);
        assert_eq!(read.header.tensors["b"].offset - read.header.tensors["a"].offset, 32);
        // And once more from the values as they stand in that file.
        let copied = read.raw_metadata().unwrap();
        assert_eq!(copied.len(), metadata.len());
        metadata = copied.into_iter().map(|(key, bytes)| (key, Entry::Raw(bytes))).collect();
        let mut again = header(&metadata, &tensors);
        again.resize(again.len() + padded(12) + padded(40), 0);
        let read = Gguf::new(Box::new(Cursor::new(again))).unwrap();
        assert_eq!(read.header.text("name").unwrap(), Some("née"));
    }
}
