//! Positions against `tests/golden/ops`.

use super::*;
use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

#[test]
fn both_pairings_turn_alike() {
    let halves = Rope::new(4, 10000.0, Pairs::Halves, &Scaling::None);
    let adjacent = Rope::new(4, 10000.0, Pairs::Adjacent, &Scaling::None);
    let angles = halves.angles(&[7]);
    let (mut a, mut b) = ([1.0, 2.0, 3.0, 4.0, 9.0], [1.0, 3.0, 2.0, 4.0, 9.0]);
    halves.apply(&mut a, 1, 5, &angles);
    adjacent.apply(&mut b, 1, 5, &angles);
    assert_eq!([a[0], a[2], a[1], a[3], a[4]], b);
    assert_eq!(a[4], 9.0, "beyond the width nothing turns");
    assert!((a[0] - (7_f32.cos() - 3.0 * 7_f32.sin())).abs() < 1e-5);
}

#[test]
fn llama3_keeps_high_and_divides_low_frequencies() {
    let scaling = Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 8192.0 };
    let plain = Rope::new(128, 500_000.0, Pairs::Halves, &Scaling::None).frequencies;
    let scaled = Rope::new(128, 500_000.0, Pairs::Halves, &scaling).frequencies;
    assert_eq!(plain[0], scaled[0]);
    assert_eq!(plain[63] / 8.0, scaled[63]);
}

#[test]
fn yarn_keeps_high_and_divides_low_frequencies() {
    let scaling = Scaling::Yarn {
        factor: 4.0,
        original: 32768.0,
        beta_fast: 32.0,
        beta_slow: 1.0,
        attention: None,
    };
    let plain = Rope::new(128, 1e6, Pairs::Halves, &Scaling::None).frequencies;
    let scaled = Rope::new(128, 1e6, Pairs::Halves, &scaling);
    assert_eq!(plain[0], scaled.frequencies[0]);
    assert_eq!(plain[63] / 4.0, scaled.frequencies[63]);
    assert!((scaled.magnitude - 1.138_629).abs() < 1e-5);
}

/// Inputs, results and frequencies by transformers and in `f64`; an angle in `f32` is off by up
/// to 6e-8 of the position, and a result by the angle times the numbers that turn.
#[test]
fn every_variant_matches_the_reference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/ops");
    let manifest = std::fs::read_to_string(folder.join("rope.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let tensors = candle_core::safetensors::load(folder.join("rope.safetensors"), &Device::Cpu);
    let tensors = tensors.unwrap();
    for case in manifest["cases"].as_array().unwrap() {
        check(case, &tensors);
    }
}

fn check(case: &Value, tensors: &HashMap<String, Tensor>) {
    let name = case["name"].as_str().unwrap();
    let get = |part: &str| {
        let tensor = tensors[&format!("{name}.{part}")].to_dtype(DType::F32).unwrap();
        tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let size = |key: &str| case[key].as_u64().unwrap() as usize;
    let pairs = if case["style"] == "neox" { Pairs::Halves } else { Pairs::Adjacent };
    let theta = case["rope_theta"].as_f64().unwrap();
    let rope = Rope::new(size("rotary_dim"), theta, pairs, &scaling(&case["rope_scaling"]));
    for (got, want) in rope.frequencies.iter().zip(get("inv_freq")) {
        assert!((*got as f32 - want).abs() <= 1e-6 * want, "{name}: frequency {got}, {want}");
    }
    assert!((rope.magnitude - case["attention_factor"].as_f64().unwrap()).abs() < 1e-6, "{name}");
    let positions: Vec<usize> = get("positions").iter().map(|it| *it as usize).collect();
    let angles = rope.angles(&positions);
    let (heads, width) = (2, size("head_dim"));
    let (x, want) = (get("x"), get("y")); // [heads, T, width]
    for head in 0..heads {
        let part = head * positions.len() * width..(head + 1) * positions.len() * width;
        let (mut got, want) = (x[part.clone()].to_vec(), &want[part]);
        rope.apply(&mut got, 1, width, &angles);
        let rows = got.chunks(width).zip(want.chunks(width)).zip(&positions);
        for ((got, want), position) in rows {
            let largest = want.iter().map(|it| it.abs()).fold(0.0, f32::max);
            let tolerance = (1e-6 + 1.2e-7 * *position as f32) * largest;
            for (got, want) in got.iter().zip(want) {
                assert!((got - want).abs() <= tolerance, "{name} at {position}: {got}, {want}");
            }
        }
    }
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
