//! The recurrence and its pieces against `tests/golden/gdn`, whose `README.md` states the layouts
//! and tolerances.

use super::*;
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::path::PathBuf;

const RECURRENCE: f32 = 1e-5;
const PIECE: f32 = 1e-6;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/gdn").join(name)
}

struct Golden {
    case: String,
    tensors: HashMap<String, Tensor>,
}

impl Golden {
    fn open(file: &str, case: &str) -> Self {
        let tensors = candle_core::safetensors::load(path(file), &Device::Cpu).unwrap();
        Self { case: case.to_owned(), tensors }
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(&format!("{}.{name}", self.case))
    }

    fn get(&self, name: &str) -> Vec<f32> {
        let tensor = self.tensors[&format!("{}.{name}", self.case)].to_dtype(DType::F32).unwrap();
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }
}

fn close(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let error = got.iter().zip(want).map(|(got, want)| (got - want).abs()).fold(0.0, f32::max);
    let largest = want.iter().map(|it| it.abs()).fold(0.0, f32::max);
    assert!(error <= tolerance * largest, "{what}: {error} of {largest}");
}

/// `[heads, rows, columns]` to `[heads, columns, rows]`.
fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let column = |head: &[f32], column: usize| -> Vec<f32> {
        head.iter().skip(column).step_by(columns).copied().collect()
    };
    let heads = x.chunks_exact(rows * columns);
    heads.flat_map(|head| (0..columns).flat_map(move |it| column(head, it))).collect()
}

fn unit(x: &mut [f32], width: usize) {
    for head in x.chunks_exact_mut(width) {
        let scale = unit_scale(head);
        head.iter_mut().for_each(|it| *it *= scale);
    }
}

/// One sequence of a case: output and matrices.
fn run(golden: &Golden, heads: &DeltaHeads, sequence: usize, norm: bool) -> (Vec<f32>, Vec<f32>) {
    let gates = golden.get("g");
    let tokens = golden.tensors[&format!("{}.g", golden.case)].dims()[1];
    let of = |x: Vec<f32>, row: usize| x[sequence * tokens * row..][..tokens * row].to_vec();
    let (keys, values) = (heads.key * heads.key_width, heads.values());
    let (mut q, mut k) = (of(golden.get("q"), keys), of(golden.get("k"), keys));
    if norm {
        unit(&mut q, heads.key_width);
        unit(&mut k, heads.key_width);
    }
    q.iter_mut().for_each(|it| *it /= (heads.key_width as f32).sqrt());
    let v = of(golden.get("v"), values);
    let rows = q.chunks_exact(keys).zip(k.chunks_exact(keys)).zip(v.chunks_exact(values));
    let qkv: Vec<f32> = rows.flat_map(|((q, k), v)| [q, k, v].concat()).collect();
    let gates = of(gates, heads.value).into_iter().zip(of(golden.get("beta"), heads.value));
    let gates: Vec<Gate> = gates.map(|(g, beta)| Gate { keep: g.exp(), write: beta }).collect();
    let size = values * heads.key_width;
    let mut matrices = vec![0.0; size];
    if golden.has("state_in") {
        let state = &golden.get("state_in")[sequence * size..][..size];
        matrices = transposed(state, heads.key_width, heads.value_width);
    }
    // In two pieces, as chunks of a prompt come.
    let cut = tokens / 3;
    let mut out =
        recur(heads, &qkv[..cut * heads.channels()], &gates[..cut * heads.value], &mut matrices);
    let (qkv, gates) = (&qkv[cut * heads.channels()..], &gates[cut * heads.value..]);
    out.extend(recur(heads, qkv, gates, &mut matrices));
    (out, matrices)
}

#[test]
fn the_recurrence_matches_the_reference() {
    let manifest = std::fs::read_to_string(path("delta_rule.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    for case in manifest["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let size = |key: &str| case[key].as_u64().unwrap() as usize;
        let heads = DeltaHeads {
            key: size("Hk"),
            value: size("Hv"),
            key_width: size("K"),
            value_width: size("V"),
            taps: 4,
            order: HeadOrder::Grouped,
        };
        let golden = Golden::open("delta_rule.safetensors", name);
        let (mut out, mut matrices) = (Vec::new(), Vec::new());
        for sequence in 0..size("B") {
            let norm = case["l2norm_in_kernel"] == true;
            let (y, state) = run(&golden, &heads, sequence, norm);
            out.extend(y);
            matrices.extend(state);
        }
        close(&out, &golden.get("o"), RECURRENCE, name);
        let want = transposed(&golden.get("state_out"), heads.key_width, heads.value_width);
        close(&matrices, &want, RECURRENCE, name);
    }
}

#[test]
fn the_convolution_matches_the_reference() {
    let golden = Golden::open("pieces.safetensors", "conv_c96_t5_f32");
    let (channels, taps, tokens) = (96, 4, 5);
    let weights = transposed(&golden.get("w"), channels, taps);
    let [x, state, want] = [("x", tokens), ("state_in", taps - 1), ("y", tokens)]
        .map(|(name, length)| transposed(&golden.get(name), channels, length));
    for sequence in 0..2 {
        let part =
            |x: &[f32], rows: usize| x[sequence * rows * channels..][..rows * channels].to_vec();
        let seen = [part(&state, taps - 1), part(&x, tokens)].concat();
        let mut y = vec![0.0; tokens * channels];
        for (row, y) in y.chunks_exact_mut(channels).enumerate() {
            convolve(y, &seen[row * channels..], &weights);
        }
        close(&y, &part(&want, tokens), PIECE, "convolution");
    }
}

#[test]
fn gates_match_the_reference() {
    let golden = Golden::open("pieces.safetensors", "gate_f32");
    let [a, b, logs, bias, g, beta] =
        ["a", "b", "A_log", "dt_bias", "g", "beta"].map(|name| golden.get(name));
    let heads = logs.len();
    for (index, (a, b)) in a.iter().zip(&b).enumerate() {
        let gate = Gate::new(*b, *a, -logs[index % heads].exp(), bias[index % heads]);
        assert!((gate.keep - g[index].exp()).abs() <= PIECE, "{a}: {}", gate.keep);
        assert!((gate.write - beta[index]).abs() <= PIECE, "{b}: {}", gate.write);
    }
}

#[test]
fn value_heads_find_their_key_heads() {
    let heads = DeltaHeads {
        key: 2,
        value: 6,
        key_width: 1,
        value_width: 1,
        taps: 4,
        order: HeadOrder::Grouped,
    };
    let tiled = DeltaHeads { order: HeadOrder::Tiled, ..heads };
    let keys = |heads: DeltaHeads| (0..6).map(|it| heads.key_of(it)).collect::<Vec<_>>();
    assert_eq!(keys(heads), [0, 0, 0, 1, 1, 1]);
    assert_eq!(keys(tiled), [0, 1, 0, 1, 0, 1]);
}
