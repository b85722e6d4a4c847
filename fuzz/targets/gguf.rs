//! Model files come from strangers: whatever is in one, loading it ends, with an error or with a
//! model that reads a token.

use firesteel_llm::load;
use firesteel_llm::models::Slice;
use std::io::Cursor;

/// One run.
pub(crate) fn gguf(input: &[u8]) {
    let Ok(mut loaded) = load::from_reader(Box::new(Cursor::new(input.to_vec())), "input") else {
        return;
    };
    let mut state = loaded.model.new_state();
    let mut batch = [Slice { tokens: &[0], state: &mut state, logits: true }];
    if let Ok(logits) = loaded.model.forward(&mut batch) {
        assert_eq!(logits.len(), 1);
        assert_eq!(logits[0].len(), loaded.model.vocab());
    }
}
