//! The model in the box, against transformers in `f32`.

use super::{best, ids, json, step};
use firesteel_llm::load::builtin;

/// The weights' rounding to 8 bits moves logits by some 0.07, so the margin of two by twice that.
const CLEAR: f64 = 0.15;

#[test]
fn tokens_with_clear_margins_are_the_references() {
    let mut loaded = builtin().unwrap();
    let model = &mut *loaded.model;
    let (mut clear, mut all) = (0, 0);
    for case in json("demo/golden.json")["cases"].as_array().unwrap() {
        let mut state = model.new_state();
        let mut logits = step(model, &mut state, &ids(&case["prompt_ids"]));
        let margins = case["top1_margins"].as_array().unwrap();
        for (want, margin) in ids(&case["greedy_ids"]).into_iter().zip(margins) {
            all += 1;
            if margin.as_f64().unwrap() > CLEAR {
                clear += 1;
                assert_eq!(best(&logits), want, "after {} tokens", state.len());
            }
            logits = step(model, &mut state, &[want]);
        }
    }
    assert!(clear * 10 > all * 9, "{clear} of {all} tokens have a clear margin");
}

#[test]
fn the_file_says_how_it_is_used() {
    let loaded = builtin().unwrap();
    assert_eq!(loaded.name, "story-qwen3");
    assert_eq!(loaded.stop_ids, [0, 2]);
    assert_eq!(loaded.bos, None);
    assert_eq!(loaded.defaults.temperature, Some(0.7));
    assert_eq!(loaded.defaults.top_k, Some(40));
    assert_eq!(loaded.defaults.repetition_penalty, None);
    assert!(loaded.chat_template.unwrap().contains("<|im_start|>"));
    assert_eq!(loaded.description.context, 1024);
    assert_eq!((loaded.description.parameters + 50_000) / 100_000, 84);
}
