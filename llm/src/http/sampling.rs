//! The parameters that the two endpoints have in common.

use serde_json::{Map, Value};

use super::{
    error::ApiError,
    params::{Fields, unknown, unsupported, wrong},
};
use crate::{runner::Runner, sample::Params};

type Result<T> = std::result::Result<T, ApiError>;

/// What both endpoints ask for.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) params: Params,
    pub(super) n: usize,
    pub(super) stop: Vec<String>,
    pub(super) stop_ids: Vec<u32>,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
}

/// Takes them all.
pub(super) fn take(fields: &mut Fields, runner: &Runner) -> Result<Common> {
    if let Some(model) = fields.string("model")?
        && model != runner.name
    {
        return Err(ApiError::unknown_model(&model, &runner.name));
    }
    let (stream, include_usage) = streaming(fields)?;
    Ok(Common {
        params: params(fields, runner)?,
        n: fields.integer("n", 1, 128)?.unwrap_or(1),
        stop: fields.strings("stop", 16)?,
        stop_ids: stop_ids(fields, runner)?,
        stream,
        include_usage,
    })
}

fn params(fields: &mut Fields, runner: &Runner) -> Result<Params> {
    let model = runner.params();
    let top_k = fields.signed("top_k", -1)?.map(|it| usize::try_from(it).unwrap_or(0));
    let seed = fields.signed("seed", i64::MIN)?.map(i64::cast_unsigned);
    let mut number = |name, low, high, default| -> Result<f32> {
        Ok(fields.number(name, low, high)?.unwrap_or(default))
    };
    Ok(Params {
        temperature: number("temperature", 0.0, 2.0, model.temperature)?,
        top_k: top_k.unwrap_or(model.top_k),
        top_p: number("top_p", 0.0, 1.0, model.top_p)?,
        min_p: number("min_p", 0.0, 1.0, model.min_p)?,
        presence_penalty: number("presence_penalty", -2.0, 2.0, 0.0)?,
        frequency_penalty: number("frequency_penalty", -2.0, 2.0, 0.0)?,
        repetition_penalty: number("repetition_penalty", 0.01, 10.0, model.repetition_penalty)?,
        seed: seed.unwrap_or(model.seed),
        logit_bias: logit_bias(fields, runner)?,
        logprobs: None,
    })
}

fn streaming(fields: &mut Fields) -> Result<(bool, bool)> {
    let stream = fields.boolean("stream")?;
    let Some(options) = fields.object("stream_options")? else { return Ok((stream, false)) };
    if !stream {
        let message = "`stream_options` is allowed with `stream` only; help: leave it out";
        return Err(ApiError::invalid("stream_options", message));
    }
    let mut include_usage = false;
    for (key, value) in options {
        let name = format!("stream_options.{key}");
        match (key.as_str(), &value) {
            (_, Value::Null) | ("include_obfuscation", Value::Bool(false)) => {}
            ("include_usage", Value::Bool(it)) => include_usage = *it,
            ("include_usage", _) => return Err(wrong(&name, "true or false", &value)),
            ("include_obfuscation", _) => return Err(unsupported(&name, &["false"])),
            (_, _) => return Err(unknown(&name)),
        }
    }
    Ok((stream, include_usage))
}

fn logit_bias(fields: &mut Fields, runner: &Runner) -> Result<Vec<(u32, f32)>> {
    let map: Map<String, Value> = fields.object("logit_bias")?.unwrap_or_default();
    let vocab = runner.engine.vocab();
    let bias = |(key, value): (String, Value)| {
        let id = key.parse().ok().filter(|it| (*it as usize) < vocab);
        let Some(id) = id else {
            let message = format!("keys of `logit_bias` must be token ids below {vocab}");
            return Err(ApiError::invalid("logit_bias", message));
        };
        let bias = value.as_f64().filter(|it| (-100.0..=100.0).contains(it));
        let Some(bias) = bias else {
            return Err(wrong(&format!("logit_bias.{id}"), "a number from -100 to 100", &value));
        };
        Ok((id, bias as f32))
    };
    map.into_iter().map(bias).collect()
}

fn stop_ids(fields: &mut Fields, runner: &Runner) -> Result<Vec<u32>> {
    let ids = fields.ids("stop_token_ids")?.unwrap_or_default();
    let vocab = runner.engine.vocab();
    if let Some(id) = ids.iter().find(|it| **it as usize >= vocab) {
        let message = format!("`stop_token_ids` must be below {vocab}, got {id}");
        return Err(ApiError::invalid("stop_token_ids", message));
    }
    Ok([runner.stop_ids.clone(), ids].concat())
}
