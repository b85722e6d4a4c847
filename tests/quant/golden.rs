//! ggml's own blocks: `tests/golden/quant`.

use std::path::Path;

use firesteel_kernels::quant::Format;
use serde_json::Value;

/// Rows of weights of many distributions.
pub(super) struct Rows {
    bytes: Vec<u8>,
    header: Value,
    manifest: Value,
}

/// A row.
pub(super) struct Row {
    /// Its distribution.
    pub(super) name: String,
    /// Its number.
    pub(super) index: usize,
    /// The weights.
    pub(super) x: Vec<f32>,
}

impl Row {
    /// Whether the blocks are those of ggml for sure: not where the scale is beyond `f16`.
    pub(super) fn is_exact(&self) -> bool {
        self.name != "huge_1e30"
    }
}

/// The 64-bit FNV-1a digest.
pub(super) fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Rows {
    pub(super) fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/quant");
        let file = std::fs::read(folder.join("rows.safetensors")).unwrap();
        let manifest = std::fs::read(folder.join("rows.json")).unwrap();
        let (length, rest) = file.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        Self {
            bytes: rest[length..].to_vec(),
            header: serde_json::from_slice(&rest[..length]).unwrap(),
            manifest: serde_json::from_slice(&manifest).unwrap(),
        }
    }

    /// A row of a tensor as bytes.
    fn row(&self, tensor: &str, index: usize) -> &[u8] {
        let entry = &self.header[tensor];
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        let [begin, end] = [0, 1].map(|i| number(&entry["data_offsets"][i]));
        let bytes = (end - begin) / number(&entry["shape"][0]);
        &self.bytes[begin + index * bytes..][..bytes]
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let names = self.manifest["distributions"].as_array().unwrap();
        let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        let row = |(index, name): (usize, &Value)| Row {
            name: name.as_str().unwrap().to_owned(),
            index,
            x: self.row("x", index).chunks_exact(4).map(float).collect(),
        };
        names.iter().enumerate().map(row).collect()
    }

    /// The blocks of a row.
    pub(super) fn packed(&self, format: Format, row: &Row) -> &[u8] {
        self.row(&format!("{format}.packed"), row.index)
    }

    /// The digest of the weights of these blocks.
    pub(super) fn digest(&self, format: Format, row: &Row) -> u64 {
        let digest = &self.manifest["weights_fnv1a64"][format.name()][row.index];
        u64::from_str_radix(digest.as_str().unwrap(), 16).unwrap()
    }
}
