//! A loaded model that answers: tokenizer, template and engine in one.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    engine::{Engine, Options},
    load::{Description, GenerationDefaults, Loaded},
    sample::Params,
    template::{self, Template},
    tokenizer::{self, Tokenizer},
};

/// Why a model or a prompt cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tokenizer is broken, or cannot encode a text.
    #[error("tokenizer: {0}")]
    Tokenizer(#[from] tokenizer::Error),
    /// The chat template is broken, or refuses the messages.
    #[error("chat template: {0}")]
    Template(#[from] template::Error),
}

/// A model that runs.
#[derive(Debug)]
pub struct Runner {
    /// The model's name.
    pub name: String,
    /// The engine.
    pub engine: Engine,
    /// The tokenizer.
    pub tokenizer: Arc<Tokenizer>,
    /// Tokens that end an answer.
    pub stop_ids: Vec<u32>,
    /// The model's own defaults of sampling.
    pub defaults: GenerationDefaults,
    /// What the model is.
    pub description: Description,
    template: Option<Template>,
}

impl Runner {
    /// Starts the engine of a model.
    pub fn start(loaded: Loaded, options: Options) -> Result<Self, Error> {
        let tokenizer = Arc::new(Tokenizer::new(loaded.tokenizer)?);
        let text = |id: u32| tokenizer.decode(&[id]);
        let (bos, eos) = (loaded.bos.map(text), loaded.stop_ids.first().copied().map(text));
        let template = loaded.chat_template.map(|it| Template::new(&it, bos, eos)).transpose()?;
        Ok(Self {
            name: loaded.name,
            engine: Engine::start(loaded.model, options),
            tokenizer,
            stop_ids: loaded.stop_ids,
            defaults: loaded.defaults,
            description: loaded.description,
            template,
        })
    }

    /// The text that asks for an answer to `messages`. A model without a template continues
    /// the text of the messages.
    pub fn render(&self, messages: &Value, kwargs: &Map<String, Value>) -> Result<String, Error> {
        match &self.template {
            Some(template) => Ok(template.render(messages, None, true, kwargs)?),
            None => {
                let contents = messages.as_array().into_iter().flatten();
                let contents = contents.filter_map(|it| it["content"].as_str());
                Ok(contents.collect::<Vec<_>>().join("\n"))
            }
        }
    }

    /// Tokens of a rendered chat. The template has written the special tokens already.
    pub fn encode_chat(&self, prompt: &str) -> Result<Vec<u32>, Error> {
        Ok(self.tokenizer.encode(prompt, self.template.is_none())?)
    }

    /// The model's own sampling parameters, with a seed of no significance.
    pub fn params(&self) -> Params {
        let GenerationDefaults { temperature, top_k, top_p, min_p, repetition_penalty } =
            self.defaults.clone();
        Params {
            temperature: temperature.unwrap_or(1.0),
            top_k: top_k.unwrap_or(0),
            top_p: top_p.unwrap_or(1.0),
            min_p: min_p.unwrap_or(0.0),
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: repetition_penalty.unwrap_or(1.0),
            logit_bias: Vec::new(),
            seed: random(),
            logprobs: None,
        }
    }
}

/// A number that differs each time. The standard library seeds its hash maps from the
/// operating system, which saves a dependency.
pub fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::time::SystemTime::now())
}
