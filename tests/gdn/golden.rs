//! Golden data: `tests/golden/gdn`.

use std::path::Path;

use firesteel::half::bf16;
use serde_json::Value;

/// The tensors of a file.
pub(super) struct File {
    bytes: Vec<u8>,
    header: Value,
}

/// A case of the recurrence.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) batch: usize,
    pub(super) tokens: usize,
    /// `H_k`, `H_v`, `K`, `V`.
    pub(super) sizes: [u32; 4],
    pub(super) l2norm: bool,
}

impl File {
    pub(super) fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/gdn");
        let file = std::fs::read(folder.join(name)).unwrap();
        let (length, rest) = file.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        let header = serde_json::from_slice(&rest[..length]).unwrap();
        Self { bytes: rest[length..].to_vec(), header }
    }

    /// A tensor, if there is one of this name, in the order in which it is stored.
    pub(super) fn find(&self, name: &str) -> Option<Vec<f64>> {
        let entry = self.header.get(name)?;
        let [begin, end] = [0, 1].map(|i| entry["data_offsets"][i].as_u64().unwrap() as usize);
        let bytes = &self.bytes[begin..end];
        Some(match entry["dtype"].as_str().unwrap() {
            "F64" => bytes.chunks(8).map(|it| f64::from_le_bytes(it.try_into().unwrap())).collect(),
            "F32" => bytes
                .chunks(4)
                .map(|it| f64::from(f32::from_le_bytes(it.try_into().unwrap())))
                .collect(),
            "BF16" => bytes
                .chunks(2)
                .map(|it| bf16::from_le_bytes(it.try_into().unwrap()).to_f64())
                .collect(),
            other => panic!("{name} is of {other}"),
        })
    }

    pub(super) fn get(&self, name: &str) -> Vec<f64> {
        self.find(name).unwrap_or_else(|| panic!("there is no tensor {name}"))
    }
}

/// The cases of the recurrence.
pub(super) fn cases() -> Vec<Case> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/gdn/delta_rule.json");
    let manifest: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    let number = |case: &Value, name: &str| case[name].as_u64().unwrap();
    let case = |case: &Value| Case {
        name: case["name"].as_str().unwrap().to_owned(),
        batch: number(case, "B") as usize,
        tokens: number(case, "T") as usize,
        sizes: ["Hk", "Hv", "K", "V"].map(|name| number(case, name) as u32),
        l2norm: case["l2norm_in_kernel"].as_bool().unwrap(),
    };
    let cases: Vec<Case> = manifest["cases"].as_array().unwrap().iter().map(case).collect();
    assert!(!cases.is_empty());
    cases
}

/// States `[heads, K, V]` as ours, `[heads, V, K]`, and back with the widths in the other order.
pub(super) fn transposed(state: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let mut result = vec![0.0; state.len()];
    for (at, x) in state.iter().enumerate() {
        let (head, row, column) = (at / (rows * columns), at / columns % rows, at % columns);
        result[head * rows * columns + column * rows + row] = *x;
    }
    result
}
