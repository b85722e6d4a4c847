//! Options of `chat` and `run` about the choice of tokens.

use serde_json::{Map, Value};

use crate::{load::GenerationDefaults, runner::Runner, sample::Params};

/// How answers are chosen. What is not given is the model's own recommendation.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Sampling")]
pub(super) struct Sampling {
    /// The longest answer, in tokens [default: to the end of the context]
    #[arg(long, short = 'n', value_name = "N")]
    max_tokens: Option<usize>,
    /// Randomness; 0 always takes the likeliest token
    #[arg(long, short, value_name = "T", value_parser = not_negative)]
    temperature: Option<f32>,
    /// Chooses among the K likeliest tokens; 0 is all
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Chooses among the likeliest tokens of this much probability together
    #[arg(long, value_name = "P", value_parser = share)]
    top_p: Option<f32>,
    /// Chooses among tokens at least P times as likely as the likeliest
    #[arg(long, value_name = "P", value_parser = share)]
    min_p: Option<f32>,
    /// Subtracted from tokens that the answer has
    #[arg(long, value_name = "X", allow_negative_numbers = true, default_value_t = 0.0)]
    presence_penalty: f32,
    /// Subtracted from tokens for each time that the answer has them
    #[arg(long, value_name = "X", allow_negative_numbers = true, default_value_t = 0.0)]
    frequency_penalty: f32,
    /// Divides the chances of tokens that have occurred
    #[arg(long, value_name = "X", value_parser = not_negative)]
    repetition_penalty: Option<f32>,
    /// The same seed gives the same text [default: another each time]
    #[arg(long, short)]
    seed: Option<u64>,
    /// A text that ends the answer; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub(super) stop: Vec<String>,
    /// Whether the model thinks before it answers, if its template offers the choice
    #[arg(long, value_name = "YES")]
    thinking: Option<bool>,
}

impl Sampling {
    /// The parameters, with the model's own where none are given.
    pub(super) fn params(&self, runner: &Runner) -> Params {
        let own = runner.params();
        Params {
            temperature: self.temperature.unwrap_or(own.temperature),
            top_k: self.top_k.unwrap_or(own.top_k),
            top_p: self.top_p.unwrap_or(own.top_p),
            min_p: self.min_p.unwrap_or(own.min_p),
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            repetition_penalty: self.repetition_penalty.unwrap_or(own.repetition_penalty),
            seed: self.seed.unwrap_or(own.seed),
            ..own
        }
    }

    /// The longest answer to a prompt of `prompt` tokens.
    pub(super) fn max_tokens(&self, prompt: usize, runner: &Runner) -> usize {
        self.max_tokens.unwrap_or(runner.engine.context().saturating_sub(prompt))
    }

    /// Variables of the chat template.
    pub(super) fn variables(&self) -> Map<String, Value> {
        self.thinking.map(|it| ("enable_thinking".to_owned(), it.into())).into_iter().collect()
    }
}

/// The model's recommendations in a line.
pub(super) fn describe(defaults: &GenerationDefaults) -> String {
    let GenerationDefaults { temperature, top_k, top_p, min_p, repetition_penalty } = defaults;
    let float = |name: &str, value: &Option<f32>| value.map(|it| format!("{name} {it}"));
    let all = [
        float("temperature", temperature),
        top_k.map(|it| format!("top-k {it}")),
        float("top-p", top_p),
        float("min-p", min_p),
        float("repetition penalty", repetition_penalty),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn not_negative(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("want a number that is not negative".to_owned()),
    }
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("want a number from 0 to 1".to_owned()),
    }
}
