//! Tensors of the golden data: `tests/golden/README`s say what each is.

use firesteel::half::{bf16, f16};

/// A file of tensors.
pub(crate) struct Tensors {
    bytes: Vec<u8>,
    header: serde_json::Value,
}

impl Tensors {
    /// Reads `tests/golden/{path}`.
    pub(crate) fn read(path: &str) -> Self {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(path);
        let file = std::fs::read(path).unwrap();
        let (length, rest) = file.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        let header = serde_json::from_slice(&rest[..length]).unwrap();
        Self { bytes: rest[length..].to_vec(), header }
    }

    fn bytes(&self, name: &str) -> &[u8] {
        let offsets = &self.header[name]["data_offsets"];
        let [begin, end] = [0, 1].map(|i| offsets[i].as_u64().unwrap() as usize);
        &self.bytes[begin..end]
    }

    /// The elements of a tensor of floats, widened.
    pub(crate) fn floats(&self, name: &str) -> Vec<f32> {
        let bytes = self.bytes(name);
        let half = |bytes: &[u8]| u16::from_le_bytes(bytes.try_into().unwrap());
        match self.header[name]["dtype"].as_str().unwrap() {
            "F32" => bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect(),
            "F16" => bytes.chunks_exact(2).map(|it| f16::from_bits(half(it)).to_f32()).collect(),
            "BF16" => bytes.chunks_exact(2).map(|it| bf16::from_bits(half(it)).to_f32()).collect(),
            other => unreachable!("{name} has elements of {other}"),
        }
    }

    /// The elements of a tensor of integers of 64 bits, which are small.
    pub(crate) fn integers(&self, name: &str) -> Vec<u32> {
        let integers = self.bytes(name).chunks_exact(8);
        integers.map(|it| u32::try_from(bytemuck::pod_read_unaligned::<i64>(it)).unwrap()).collect()
    }

    /// The length of a tensor's rows.
    pub(crate) fn row(&self, name: &str) -> usize {
        let shape = self.header[name]["shape"].as_array().unwrap();
        shape[shape.len() - 1].as_u64().unwrap() as usize
    }
}
