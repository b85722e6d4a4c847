//! The sampler against transformers' probabilities, and what holds for any logits.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::*;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/ops").join(name)
}

/// The probabilities with which tokens are chosen.
fn probabilities(params: &Params, logits: &[f32], generated: &[u32]) -> Vec<f64> {
    let mut logits = logits.to_vec();
    let mut history = History::default();
    history.extend(params, &[], generated);
    history.penalise(params, &mut logits);
    let (best, largest) = filter::argmax(&logits);
    let mut out = vec![0.0; logits.len()];
    if params.is_greedy() {
        out[best as usize] = 1.0;
        return out;
    }
    let kept = filter::keep(&logits, largest, params);
    let total: f64 = kept.iter().map(|it| f64::from(it.1)).sum();
    for (id, weight) in kept {
        out[id as usize] = f64::from(weight) / total;
    }
    out
}

fn params(json: &Value) -> Params {
    let number = |name: &str, neutral: f32| json[name].as_f64().map_or(neutral, |it| it as f32);
    Params {
        temperature: number("temperature", 1.0),
        top_k: json["top_k"].as_u64().unwrap_or(0) as usize,
        top_p: number("top_p", 1.0),
        min_p: number("min_p", 0.0),
        presence_penalty: number("presence_penalty", 0.0),
        frequency_penalty: number("frequency_penalty", 0.0),
        repetition_penalty: number("repetition_penalty", 1.0),
        ..Params::default()
    }
}

fn assert_close(want: &[f64], got: &[f64], what: &str) {
    assert_eq!(want.len(), got.len());
    for (id, (want, got)) in want.iter().zip(got).enumerate() {
        assert!((want - got).abs() < 1e-5, "{what}, token {id}: want {want}, got {got}");
    }
}

#[test]
fn probabilities_match_transformers() {
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(golden("sampling.json")).unwrap()).unwrap();
    let tensors: HashMap<String, Tensor> =
        candle_core::safetensors::load(golden("sampling.safetensors"), &Device::Cpu).unwrap();
    let logits = tensors["logits"].to_vec2::<f32>().unwrap();
    let previous = tensors["previous"].to_vec2::<i64>().unwrap();
    let cases = manifest["cases"].as_array().unwrap();
    assert!(cases.len() >= 18);
    for case in cases {
        let want = tensors[&format!("p{}.hf", case["index"])].to_vec2::<f64>().unwrap();
        for row in 0..logits.len() {
            let generated: Vec<u32> = previous[row].iter().map(|&id| id as u32).collect();
            let mut got = probabilities(&params(&case["params"]), &logits[row], &generated);
            let mut want = want[row].clone();
            if row == 1 {
                // A cut may fall among equal logits; which of them stay is not compared.
                got.sort_by(f64::total_cmp);
                want.sort_by(f64::total_cmp);
            }
            assert_close(&want, &got, &format!("{}, row {row}", case["params"]));
        }
    }
}

/// Logits from a generator that needs no crate: `spread` times a sum of four uniform numbers.
fn made(seed: u64, vocab: usize, spread: f32) -> Vec<f32> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut one = || (0..4).map(|_| rng.next_u32() as f32 / u32::MAX as f32 - 0.5).sum::<f32>();
    (0..vocab).map(|_| one() * spread).collect()
}

/// `top_k`, `top_p` and `min_p` as their definitions say, with a full sort.
fn reference(params: &Params, logits: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    if params.top_k > 0 && params.top_k < order.len() {
        let least = logits[order[params.top_k - 1]];
        order.retain(|&id| logits[id] >= least);
    }
    let weight = |id: usize| f64::from((logits[id] - logits[order[0]]) / params.temperature).exp();
    let total: f64 = order.iter().map(|&id| weight(id)).sum();
    let (mut sum, mut kept) = (0.0, Vec::new());
    for &id in &order {
        if params.top_p < 1.0 && sum >= f64::from(params.top_p) * total {
            break;
        }
        sum += weight(id);
        kept.push(id);
    }
    kept.retain(|&id| weight(id) >= f64::from(params.min_p));
    let total: f64 = kept.iter().map(|&id| weight(id)).sum();
    let mut out = vec![0.0; logits.len()];
    kept.iter().for_each(|&id| out[id] = weight(id) / total);
    out
}

#[test]
fn filters_match_a_full_sort() {
    for (seed, vocab, spread) in [(1, 7, 3.0), (2, 1000, 8.0), (3, 5000, 0.01), (4, 5000, 40.0)] {
        let logits = made(seed, vocab, spread);
        for top_k in [0, 2, 50, 3000] {
            for top_p in [0.05, 0.5, 0.9, 0.999, 1.0] {
                for (min_p, temperature) in [(0.0, 0.3), (0.1, 1.0), (0.013, 1.7)] {
                    let params = Params { temperature, top_k, top_p, min_p, ..Params::default() };
                    let got = probabilities(&params, &logits, &[]);
                    assert_close(&reference(&params, &logits), &got, &format!("{params:?}"));
                }
            }
        }
    }
}

#[test]
fn draws_follow_the_distribution() {
    let logits = [0.0, 2.0, 1.0, -1.0];
    let params = Params { seed: 7, ..Params::default() };
    let want = probabilities(&params, &logits, &[]);
    let mut sampler = Sampler::new(params);
    let draws = 20_000;
    let mut counts = [0_u32; 4];
    for step in 0..draws {
        let generated = vec![0; step];
        counts[sampler.sample(&logits, &[], &generated).id as usize] += 1;
    }
    for (want, count) in want.iter().zip(counts) {
        let got = f64::from(count) / draws as f64;
        // Four standard deviations of a binomial share.
        let bound = 4.0 * (want * (1.0 - want) / draws as f64).sqrt();
        assert!((want - got).abs() < bound, "want {want}, got {got}");
    }
}

#[test]
fn a_seed_repeats_its_tokens_whatever_ran_before() {
    let logits: Vec<Vec<f32>> = (0..20).map(|step| made(step, 300, 6.0)).collect();
    let run = |seed: u64, fresh_each_step: bool| {
        let new = || Sampler::new(Params { seed, top_p: 0.95, ..Params::default() });
        let (mut sampler, mut generated) = (new(), Vec::new());
        for logits in &logits {
            if fresh_each_step {
                sampler = new();
            }
            generated.push(sampler.sample(logits, &[5], &generated).id);
        }
        generated
    };
    assert_eq!(run(1, false), run(1, false));
    assert_eq!(run(1, false), run(1, true), "a resumed sequence goes on as before");
    assert_ne!(run(1, false), run(2, false));
}

#[test]
fn greedy_takes_the_lowest_of_equal_ids() {
    for params in [
        Params { temperature: 0.0, ..Params::default() },
        Params { temperature: f32::NAN, ..Params::default() },
        Params { top_k: 1, ..Params::default() },
        Params { top_p: 0.0, ..Params::default() },
        Params { min_p: 1.0, ..Params::default() },
    ] {
        let choice = Sampler::new(params).sample(&[1.0, 3.0, 2.0, 3.0], &[], &[]);
        assert_eq!(choice, Choice { id: 1, logprob: 0.0, top: vec![] });
    }
}

#[test]
fn penalties_and_biases_move_the_greedy_choice() {
    let logits = [2.0, 1.9, -1.0, 1.0];
    let greedy = Params { temperature: 0.0, ..Params::default() };
    let id = |params: &Params, prompt: &[u32], generated: &[u32]| {
        Sampler::new(params.clone()).sample(&logits, prompt, generated).id
    };
    assert_eq!(id(&greedy, &[0], &[0]), 0);
    let presence = Params { presence_penalty: 0.2, ..greedy.clone() };
    assert_eq!(id(&presence, &[0], &[]), 0, "presence counts generated tokens only");
    assert_eq!(id(&presence, &[], &[0]), 1);
    let frequency = Params { frequency_penalty: 0.06, ..greedy.clone() };
    assert_eq!(id(&frequency, &[], &[0]), 0);
    assert_eq!(id(&frequency, &[], &[0, 0]), 1);
    let repetition = Params { repetition_penalty: 1.2, ..greedy.clone() };
    assert_eq!(id(&repetition, &[0], &[]), 1, "repetition counts the prompt too");
    let bias = Params { logit_bias: vec![(3, 1.5), (9999, 5.0)], ..greedy };
    assert_eq!(id(&bias, &[], &[]), 3);
}

#[test]
fn penalties_count_what_was_added_between_calls() {
    let params = Params { temperature: 0.0, frequency_penalty: 1.0, ..Params::default() };
    let logits = [2.5, 0.0];
    let mut sampler = Sampler::new(params);
    let mut generated = Vec::new();
    for _ in 0..8 {
        generated.push(sampler.sample(&logits, &[], &generated).id);
    }
    // The logits of token 0 are 2.5 less its count, so it leads until the third time.
    assert_eq!(generated, [0, 0, 0, 1, 0, 1, 0, 1]);
}

#[test]
fn logprobs_are_of_the_raw_distribution() {
    let logits = [0.0_f32, 2.0, 1.0, 2.0];
    let params = Params {
        temperature: 0.0,
        logit_bias: vec![(0, 100.0)],
        logprobs: Some(3),
        ..Params::default()
    };
    let choice = Sampler::new(params).sample(&logits, &[], &[]);
    let lse = logits.iter().map(|&it| f64::from(it).exp()).sum::<f64>().ln() as f32;
    assert_eq!(choice.id, 0);
    assert!((choice.logprob + lse).abs() < 1e-6);
    let ids: Vec<u32> = choice.top.iter().map(|it| it.0).collect();
    assert_eq!(ids, [1, 3, 2], "of equal ones the lowest id first");
    for (id, logprob) in choice.top {
        assert!((logprob - (logits[id as usize] - lse)).abs() < 1e-6);
    }
    let all = Params { logprobs: Some(20), ..Params::default() };
    assert_eq!(Sampler::new(all).sample(&logits, &[], &[]).top.len(), 4);
    let none = Params { logprobs: Some(0), ..Params::default() };
    let choice = Sampler::new(none).sample(&logits, &[], &[]);
    assert!(choice.logprob < 0.0 && choice.top.is_empty());
}

#[test]
fn odd_logits_and_parameters_are_survived() {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let rows: [&[f32]; 8] = [
        &[],
        &[nan],
        &[nan, 1.0, nan],
        &[inf, 1.0, inf],
        &[-inf, -inf],
        &[-inf, 0.0],
        &[f32::MAX, f32::MIN, 0.0],
        &[nan, inf, -inf, 0.0],
    ];
    let odd = [0.0, 1e-30, 0.5, 1.0, 2.0, -1.0, nan, inf, -inf];
    for logits in rows {
        for temperature in odd {
            for other in odd {
                for top_k in [0, 2, usize::MAX] {
                    let params = Params {
                        temperature,
                        top_k,
                        top_p: other,
                        min_p: other,
                        presence_penalty: other,
                        repetition_penalty: other,
                        logit_bias: vec![(1, other)],
                        logprobs: Some(5),
                        ..Params::default()
                    };
                    let choice = Sampler::new(params).sample(logits, &[0, 7], &[1, 1]);
                    assert!((choice.id as usize) < logits.len().max(1));
                    assert!(choice.top.iter().all(|it| it.1.is_finite()));
                }
            }
        }
    }
    let certain = |logits: &[f32]| Sampler::new(Params::default()).sample(logits, &[], &[]).id;
    assert_eq!(certain(&[nan, 1.0, nan]), 1, "NaN is never chosen");
    assert_eq!(certain(&[-inf, 0.0]), 1);
    assert_eq!(certain(&[0.0, inf]), 1);
}
