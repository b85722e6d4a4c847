//! Attention of prompts against `tests/golden/attention`.

use std::path::Path as FilePath;

use firesteel::half::{bf16, f16};
use firesteel_kernels::attention::prefill::{Path, Prefill, prefill_reference};
use serde_json::Value;

use super::prefill::{Batch, Input, distance};

pub(super) struct Golden {
    bytes: Vec<u8>,
    header: Value,
    cases: Vec<Value>,
}

pub(super) struct Case {
    pub(super) name: String,
    pub(super) dtype: String,
    pub(super) prefill: Prefill,
    /// Queries and keys.
    pub(super) lengths: [u32; 2],
}

impl Golden {
    pub(super) fn read() -> Self {
        let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("golden/attention");
        let file = std::fs::read(folder.join("prefill.safetensors")).unwrap();
        let manifest = std::fs::read(folder.join("prefill.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let (length, rest) = file.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        Self {
            bytes: rest[length..].to_vec(),
            header: serde_json::from_slice(&rest[..length]).unwrap(),
            cases: manifest["cases"].as_array().unwrap().clone(),
        }
    }

    pub(super) fn cases(&self) -> Vec<Case> {
        let case = |it: &Value| {
            let number = |name: &str| it[name].as_u64().unwrap() as u32;
            assert_eq!(number("B"), 1);
            let mut prefill = Prefill::new(number("Hq"), number("Hkv"), number("D"))
                .scale(it["scale"].as_f64().unwrap() as f32);
            prefill.window = it["window"].as_u64().map(|keys| keys as u32);
            prefill.softcap = it["softcap"].as_f64().map(|cap| cap as f32);
            Case {
                name: it["name"].as_str().unwrap().to_owned(),
                dtype: it["dtype"].as_str().unwrap().to_owned(),
                prefill,
                lengths: [number("q_len"), number("kv_len")],
            }
        };
        self.cases.iter().map(case).collect()
    }

    /// A tensor `[1, heads, tokens, ..]` as `[tokens, heads, ..]`.
    pub(super) fn tensor(&self, case: &Case, name: &str) -> Vec<f64> {
        let entry = &self.header[format!("{}.{name}", case.name)];
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        let [begin, end] = [0, 1].map(|i| number(&entry["data_offsets"][i]));
        let bytes = &self.bytes[begin..end];
        let values: Vec<f64> = match entry["dtype"].as_str().unwrap() {
            "F32" => bytes.as_chunks().0.iter().map(|it| f32::from_le_bytes(*it).into()).collect(),
            "F16" => bytes.as_chunks().0.iter().map(|it| f16::from_le_bytes(*it).into()).collect(),
            "BF16" => {
                bytes.as_chunks().0.iter().map(|it| bf16::from_le_bytes(*it).into()).collect()
            }
            other => panic!("a tensor of {other}"),
        };
        let shape = entry["shape"].as_array().unwrap();
        let (heads, tokens) = (number(&shape[1]), number(&shape[2]));
        let width = values.len() / (heads * tokens);
        let at = |i: usize| {
            let (token, head, inner) = (i / width / heads, i / width % heads, i % width);
            values[(head * tokens + token) * width + inner]
        };
        (0..values.len()).map(at).collect()
    }
}

#[test]
fn the_reference_is_that_of_golden_data() {
    let golden = Golden::read();
    for case in golden.cases() {
        let [q, k, v] = ["q", "k", "v"].map(|name| golden.tensor(&case, name));
        let [queries, keys] = case.lengths;
        let got = prefill_reference(&case.prefill, [&q, &k, &v], [&[0, queries], &[0, keys]]);
        // Results of `bf16` cases are kept as `f16`.
        let bound = if case.dtype == "f32" { 1e-6 } else { 5e-4 };
        let o = distance(&got.o, &golden.tensor(&case, "o"));
        assert!(o < bound, "{}: {o}", case.name);
        let lse = distance(&got.lse, &golden.tensor(&case, "lse"));
        assert!(lse < 1e-6, "{}: {lse}", case.name);
    }
}

#[test]
fn kernels_agree_with_golden_data() {
    let golden = Golden::read();
    for path in [Path::Wgmma, Path::Mma] {
        for case in golden.cases().iter().filter(|case| case.dtype == "bf16") {
            let to_bf16 = |name| {
                let values = golden.tensor(case, name).into_iter();
                values.map(bf16::from_f64).collect::<Vec<bf16>>()
            };
            let [queries, keys] = case.lengths;
            let input = Input { q: to_bf16("q"), k: to_bf16("k"), v: to_bf16("v") };
            let batch = Batch { queries: vec![queries], keys: vec![keys], paged: false };
            let got = input.run(&case.prefill.path(path), &batch).unwrap();
            let bound = if case.prefill.softcap.is_some() { 4e-2 } else { 1.5e-2 };
            let o = distance(&got.o, &golden.tensor(case, "o"));
            assert!(o < bound, "{} {path:?}: {o}", case.name);
            let lse = distance(&got.lse, &golden.tensor(case, "lse"));
            assert!(lse < 1e-5, "{} {path:?}: {lse}", case.name);
        }
    }
}
