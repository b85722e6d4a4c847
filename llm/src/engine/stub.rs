//! A model that follows a rule instead of weights. What surrounds an engine is tested and
//! measured with it, since its answers are known beforehand and cost next to nothing.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::{
    error::Result,
    load::{Description, GenerationDefaults, Loaded},
    models::{Model, Slice},
    state::{State, StateShape},
    tokenizer::TokenizerSource,
};

/// Tokens: the 256 bytes, [`END`], and some that have no text.
pub const VOCAB: usize = 300;
/// The token that ends an answer.
pub const END: u32 = 256;
/// The model panics on it, unless it is told otherwise.
pub const POISON: u32 = 299;

/// Says the role of every message. With `think` the answer begins inside a thought.
const TEMPLATE: &str = "{% for it in messages %}{{ it.role }}: {{ it.content }}\n{% endfor %}\
                        {% if think %}<think>\n{% endif %}";

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets steps through one by one.
#[derive(Debug, Default)]
pub struct Gate {
    /// Steps that may still pass; `None` lets all of them through.
    steps: Mutex<Option<usize>>,
    opened: Condvar,
}

impl Gate {
    /// A gate that lets nothing through.
    pub fn closed() -> Arc<Self> {
        Arc::new(Self { steps: Mutex::new(Some(0)), opened: Condvar::new() })
    }

    /// Lets some more steps through.
    pub fn open(&self, steps: usize) {
        let mut left = lock(&self.steps);
        *left = left.map(|it| it + steps);
        self.opened.notify_all();
    }

    /// Lets everything through from here on.
    pub fn open_wide(&self) {
        *lock(&self.steps) = None;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let closed = |it: &mut Option<usize>| *it == Some(0);
        let steps = self.opened.wait_while(lock(&self.steps), closed);
        let mut steps = steps.unwrap_or_else(PoisonError::into_inner);
        *steps = steps.map(|it| it - 1);
    }
}

/// What token comes after a token.
pub type Rule = Box<dyn Fn(u32) -> u32 + Send>;

/// Lengths of the slices of each step.
pub type Log = Arc<Mutex<Vec<Vec<usize>>>>;

/// The model.
pub struct Stub {
    /// The next token, given the last.
    pub next: Rule,
    /// Where each step passes.
    pub gate: Arc<Gate>,
    /// The longest sequence.
    pub context: usize,
    /// Kept if there is one.
    pub log: Option<Log>,
    /// The model panics on it.
    pub poison: Option<u32>,
}

impl Stub {
    /// A model that follows a rule.
    pub fn new(next: impl Fn(u32) -> u32 + Send + 'static) -> Self {
        Self {
            next: Box::new(next),
            gate: Arc::default(),
            context: 1000,
            log: None,
            poison: Some(POISON),
        }
    }

    /// One whose steps wait at a gate.
    pub fn gated(next: impl Fn(u32) -> u32 + Send + 'static) -> (Self, Arc<Gate>) {
        let gate = Gate::closed();
        (Self { gate: Arc::clone(&gate), ..Self::new(next) }, gate)
    }

    /// One that answers `text`, a byte a token, to whatever ends in another byte.
    ///
    /// # Panics
    /// If a byte occurs twice, since the rule sees one token only.
    pub fn saying(text: &str) -> Self {
        let bytes: Vec<u32> = text.bytes().map(u32::from).collect();
        let mut next = vec![bytes[0]; VOCAB];
        for (i, &byte) in bytes.iter().enumerate() {
            assert!(!bytes[..i].contains(&byte), "byte {byte:#x} occurs twice in `{text}`");
            next[byte as usize] = bytes.get(i + 1).copied().unwrap_or(END);
        }
        Self::new(move |token| next[token as usize])
    }

    /// The model with a tokenizer whose tokens are bytes, and a chat template.
    pub fn loaded(self) -> Loaded {
        let description = Description {
            architecture: "stub".to_owned(),
            parameters: 0,
            bytes: 0,
            quantisation: "none".to_owned(),
            context: self.context,
        };
        Loaded {
            name: "stub".to_owned(),
            model: Box::new(self),
            tokenizer: tokenizer(),
            chat_template: Some(TEMPLATE.to_owned()),
            bos: None,
            stop_ids: vec![END],
            defaults: GenerationDefaults { temperature: Some(0.0), ..Default::default() },
            description,
        }
    }
}

/// Token `b` is byte `b`, in the spelling of byte-level BPE without merges.
fn tokenizer() -> TokenizerSource {
    let mut others = ('\u{100}'..).map(String::from);
    let mut tokens: Vec<String> = (0..=u8::MAX)
        .filter_map(|byte| match byte {
            0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => Some(char::from(byte).to_string()),
            _ => others.next(),
        })
        .collect();
    tokens.push("<|end|>".to_owned());
    let (normal, control) = (1, 3);
    let mut types = vec![normal; 256];
    types.push(control);
    TokenizerSource::Gguf {
        kind: "gpt2".to_owned(),
        pre: "gpt-2".to_owned(),
        tokens,
        types,
        merges: Vec::new(),
        scores: Vec::new(),
        bos: None,
        eos: Some(END),
        add_bos: false,
    }
}

impl Model for Stub {
    fn vocab(&self) -> usize {
        VOCAB
    }

    fn context(&self) -> usize {
        self.context
    }

    fn new_state(&self) -> State {
        State::new(StateShape::default())
    }

    fn forward(&mut self, batch: &mut [Slice<'_>]) -> Result<Vec<Vec<f32>>> {
        self.gate.pass();
        if let Some(log) = &self.log {
            lock(log).push(batch.iter().map(|it| it.tokens.len()).collect());
        }
        let poisoned = |it: &Slice<'_>| self.poison.is_some_and(|id| it.tokens.contains(&id));
        assert!(!batch.iter().any(poisoned), "poisoned");
        let row = |tokens: &[u32]| {
            let mut logits = vec![0.0; VOCAB];
            if let Some(&last) = tokens.last() {
                logits[(self.next)(last) as usize] = 50.0;
            }
            logits
        };
        Ok(batch.iter().filter(|it| it.logits).map(|it| row(it.tokens)).collect())
    }
}
