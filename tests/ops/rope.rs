//! Rotary embeddings: golden data, and the formula in `f64`.

use std::path::Path;

use firesteel::half::{bf16, f16};
use firesteel_examples::data;
use firesteel_kernels::rope::{Axes, Heads, Pairing, Rope, Scaling, frequencies, rope};
use firesteel_kernels::rows::Rows;
use firesteel_kernels::shape::{Error, Result};
use serde_json::Value;

use crate::golden::Tensors;
use crate::norm::{Type, typed, wide};

/// A head turned in `f64`, by the angle of each pair.
fn turned(head: &[f64], angles: &[f64], magnitude: f64, pairing: Pairing) -> Vec<f64> {
    let mut out = head.to_vec();
    for (pair, angle) in angles.iter().enumerate() {
        let (i, j) = match pairing {
            Pairing::Halves => (pair, pair + angles.len()),
            Pairing::Adjacent => (2 * pair, 2 * pair + 1),
        };
        let (a, b) = (head[i], head[j]);
        let (sin, cos) = angle.sin_cos();
        out[i] = magnitude * (a * cos - b * sin);
        out[j] = magnitude * (b * cos + a * sin);
    }
    out
}

/// Queries and keys in one buffer, both turned in one launch, and values behind them that stay.
fn check<T: Type>(
    pairing: Pairing,
    (head_dim, rotary): (usize, usize),
    axes: Axes,
    positions: &[u32],
) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (theta, heads, keys) = (1e6, 3, 2);
    let tokens = positions.len() / axes.count();
    let stride = (heads + 2 * keys) * head_dim;
    let old: Vec<T> = typed(&data::floats(1, tokens * stride));
    let table = Rope::new(&stream, rotary, theta, pairing, &Scaling::None, axes)?;
    let positions_there = device.alloc_from(positions)?;
    let mut x = device.alloc_from(&old)?;
    let both = Heads::new(&mut x, heads + keys, head_dim);
    let both = both.rows(Rows::strided(head_dim, 0, stride));
    rope(&stream, &table, both, None, &positions_there)?;
    let got = x.to_host(&device)?;
    // Apart, in one launch, the results have the same bits.
    let part = |first: usize, count: usize| -> Vec<T> {
        let row = |row: &[T]| row[first * head_dim..][..count * head_dim].to_vec();
        old.chunks(stride).flat_map(row).collect()
    };
    let (mut q, mut k) =
        (device.alloc_from(&part(0, heads))?, device.alloc_from(&part(heads, keys))?);
    let k_heads = Heads::new(&mut k, keys, head_dim);
    rope(&stream, &table, Heads::new(&mut q, heads, head_dim), Some(k_heads), &positions_there)?;
    let (q, k) = (wide(&q.to_host(&device)?), wide(&k.to_host(&device)?));

    let frequencies = frequencies(rotary, theta, &Scaling::None);
    for (token, (got, old)) in got.chunks(stride).zip(old.chunks(stride)).enumerate() {
        let angles: Vec<f64> = frequencies
            .iter()
            .enumerate()
            .map(|(pair, frequency)| {
                f64::from(positions[axes.of(pair) * tokens + token]) * frequency
            })
            .collect();
        let apart = q[token * heads * head_dim..][..heads * head_dim].iter();
        let apart = apart.chain(&k[token * keys * head_dim..][..keys * head_dim]);
        assert!(apart.zip(wide(got)).all(|(apart, got)| *apart == got), "{token}");
        for (head, (got, old)) in got.chunks(head_dim).zip(old.chunks(head_dim)).enumerate() {
            let (got, old) = (wide(got), wide(old));
            if head >= heads + keys {
                assert_eq!(got, old, "{token} {head}");
                continue;
            }
            let want = turned(&old, &angles, 1.0, pairing);
            for (at, (got, want)) in got.iter().zip(&want).enumerate() {
                let allowed = T::half_step(*want) * 1.01 + 8e-7;
                let what = format!("{pairing:?} {head_dim} token {token} head {head} at {at}");
                assert!((got - want).abs() <= allowed, "{what}: {got}, {want}");
            }
        }
    }
    Ok(())
}

/// Near and far; far more than an angle in `f32` could tell apart.
const POSITIONS: &[u32] = &[0, 1, 2, 4095, 131_071, 1_000_003, 16_777_215];

#[test]
fn heads_turn_at_any_distance() -> Result<()> {
    for pairing in [Pairing::Halves, Pairing::Adjacent] {
        check::<f32>(pairing, (128, 128), Axes::One, POSITIONS)?;
        check::<f32>(pairing, (80, 20), Axes::One, POSITIONS)?;
        check::<bf16>(pairing, (256, 64), Axes::One, POSITIONS)?;
        check::<f16>(pairing, (64, 64), Axes::One, POSITIONS)?;
        check::<bf16>(pairing, (256, 256), Axes::One, &[7])?;
        check::<bf16>(pairing, (34, 34), Axes::One, POSITIONS)?;
    }
    Ok(())
}

#[test]
fn many_tokens_share_blocks() -> Result<()> {
    let tokens = 4 * 132 * 4 + 3;
    let positions: Vec<u32> = (0..tokens).map(|token| token * 37 % 5000).collect();
    check::<f32>(Pairing::Halves, (16, 16), Axes::One, &positions)
}

#[test]
fn three_positions_turn_their_sections() -> Result<()> {
    let positions: Vec<u32> = [[5u32, 6, 70_000], [10, 20, 30], [3, 2, 1]].concat();
    check::<f32>(Pairing::Halves, (128, 128), Axes::Sections([16, 24, 24]), &positions)?;
    check::<bf16>(Pairing::Halves, (256, 64), Axes::Interleaved([11, 11, 10]), &positions)
}

#[test]
fn axes_of_pairs_are_those_of_the_models() {
    let of = |axes: Axes| (0..8).map(|pair| axes.of(pair)).collect::<Vec<_>>();
    assert_eq!(of(Axes::Sections([2, 3, 3])), [0, 0, 1, 1, 1, 2, 2, 2]);
    assert_eq!(of(Axes::Interleaved([4, 2, 2])), [0, 1, 2, 0, 1, 2, 0, 0]);
}

#[test]
fn golden_embeddings_are_met() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/ops");
    let manifest = std::fs::read_to_string(folder.join("rope.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let tensors = Tensors::read("ops/rope.safetensors");
    for case in manifest["cases"].as_array().unwrap() {
        golden(case, &tensors)?;
    }
    Ok(())
}

/// An angle in `f32`, as the frequencies of the reference are, is off by up to 6e-8 of the position,
/// and a result by that times the numbers that turn.
fn golden(case: &Value, tensors: &Tensors) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let name = case["name"].as_str().unwrap();
    let part = |part: &str| tensors.floats(&format!("{name}.{part}"));
    let size = |key: &str| case[key].as_u64().unwrap() as usize;
    let (rotary, width) = (size("rotary_dim"), size("head_dim"));
    let theta = case["rope_theta"].as_f64().unwrap();
    let scaling = scaling(&case["rope_scaling"]);
    for (got, want) in frequencies(rotary, theta, &scaling).iter().zip(part("inv_freq")) {
        assert!((got - f64::from(want)).abs() <= 1e-6 * got, "{name}: frequency {got}, {want}");
    }
    let magnitude = case["attention_factor"].as_f64().unwrap();
    assert!((scaling.magnitude() - magnitude).abs() < 1e-6, "{name}");
    let pairing = if case["style"] == "neox" { Pairing::Halves } else { Pairing::Adjacent };
    let table = Rope::new(&stream, rotary, theta, pairing, &scaling, Axes::One)?;
    let positions: Vec<u32> = tensors.integers(&format!("{name}.positions"));
    let there = device.alloc_from(&positions)?;
    let (x, want) = (part("x"), part("y")); // [heads, T, width]
    let tokens = positions.len();
    let mut got = device.alloc_from(&x)?;
    let rows = Rows { first: 0, stride: width, head_stride: tokens * width };
    // Heads lie outside of tokens here.
    for head in 0..2 {
        let rows = Rows { first: head * rows.head_stride, ..rows };
        rope(&stream, &table, Heads::new(&mut got, 1, width).rows(rows), None, &there)?;
    }
    let got = got.to_host(&device)?;
    for (row, (got, want)) in got.chunks(width).zip(want.chunks(width)).enumerate() {
        let position = positions[row % tokens];
        let largest = want.iter().fold(0.0f32, |most, it| most.max(it.abs()));
        let allowed = (1e-6 + 1.2e-7 * position as f32) * largest;
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() <= allowed, "{name} at {position}: {got}, {want}");
        }
    }
    Ok(())
}

fn scaling(value: &Value) -> Scaling {
    let number = |key: &str| value[key].as_f64().unwrap();
    match value["rope_type"].as_str() {
        None => Scaling::None,
        Some("linear") => Scaling::Linear { factor: number("factor") },
        Some("llama3") => Scaling::Llama3 {
            factor: number("factor"),
            low: number("low_freq_factor"),
            high: number("high_freq_factor"),
            original: number("original_max_position_embeddings"),
        },
        Some("yarn") => Scaling::Yarn {
            factor: number("factor"),
            original: number("original_max_position_embeddings"),
            beta_fast: 32.0,
            beta_slow: 1.0,
            attention: None,
        },
        Some(other) => unreachable!("no case is {other}"),
    }
}

#[test]
fn what_cannot_turn_is_an_error() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let make =
        |rotary, axes| Rope::new(&stream, rotary, 1e4, Pairing::Halves, &Scaling::None, axes);
    for rotary in [0, 7, 258] {
        let error = make(rotary, Axes::One).unwrap_err();
        assert!(matches!(error, Error::Rotary { head: 256, .. }), "{error}");
    }
    let error = make(64, Axes::Sections([8, 8, 8])).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "sections", want: 32, got: 24 }), "{error}");
    let table = make(64, Axes::One)?;
    let positions = device.alloc_zeros::<u32>(2)?;
    let mut x = device.alloc_zeros::<f32>(128)?;
    let heads = Heads::new(&mut x, 1, 32);
    let error = rope(&stream, &table, heads, None, &positions).unwrap_err();
    assert!(matches!(error, Error::Rotary { rotary: 64, head: 32 }), "{error}");
    let heads = Heads::new(&mut x, 2, 64);
    let error = rope(&stream, &table, heads, None, &positions).unwrap_err();
    assert!(matches!(error, Error::Short { what: "q", want: 256, got: 128 }), "{error}");
    Ok(())
}
