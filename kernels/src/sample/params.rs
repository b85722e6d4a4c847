//! What a row is sampled by.

use firesteel::prelude::*;

use crate::shape::{Error, Result};

/// How the token of a row is chosen. It lies in device memory, so that a graph that was captured
/// can be replayed with other numbers.
#[gpu_struct]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// The seed of the row's draws.
    pub seed: u64,
    /// The number of the draw. A choice adds 1 to it, so that a replay goes on.
    pub step: u32,
    /// Keeps the `top_k` largest logits and those equal to the last of them. 0 keeps all.
    pub top_k: u32,
    /// Divides the logits. 0 is greedy: the largest logit, of equal ones the lowest id.
    pub temperature: f32,
    /// Keeps the most probable tokens whose probabilities together reach `top_p`. 1 keeps all.
    pub top_p: f32,
    /// Keeps tokens at least `min_p` times as probable as the most probable. 0 keeps all.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens of the history, once each. 1 is
    /// neutral.
    pub repetition_penalty: f32,
    /// Subtracted once from the logit of every token that was generated. 0 is neutral.
    pub presence_penalty: f32,
    /// Subtracted for every time that a token was generated. 0 is neutral.
    pub frequency_penalty: f32,
}

impl Default for Params {
    /// Draws from the model's own distribution.
    fn default() -> Self {
        Self {
            seed: 0,
            step: 0,
            top_k: 0,
            temperature: 1.0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
        }
    }
}

impl Params {
    /// The largest logit.
    pub const GREEDY: Self = Self {
        seed: 0,
        step: 0,
        top_k: 0,
        temperature: 0.0,
        top_p: 1.0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        presence_penalty: 0.0,
        frequency_penalty: 0.0,
    };

    /// Checks that the numbers have a meaning; `row` is what the error names.
    ///
    /// The kernel takes any: there a temperature that is NaN or below 0 is greedy, and so is a
    /// `top_p` of 0 or less or a `min_p` of 1 or more; a NaN elsewhere filters nothing.
    ///
    /// # Errors
    /// [`Error::Parameter`] for the first that has none.
    pub fn check(&self, row: usize) -> Result<()> {
        let finite = "finite";
        let checks = [
            ("temperature", self.temperature, self.temperature >= 0.0, "0 or more"),
            ("top_p", self.top_p, (0.0..=1.0).contains(&self.top_p), "0 to 1"),
            ("min_p", self.min_p, (0.0..=1.0).contains(&self.min_p), "0 to 1"),
            (
                "repetition_penalty",
                self.repetition_penalty,
                self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite(),
                "finite and above 0",
            ),
            ("presence_penalty", self.presence_penalty, self.presence_penalty.is_finite(), finite),
            (
                "frequency_penalty",
                self.frequency_penalty,
                self.frequency_penalty.is_finite(),
                finite,
            ),
        ];
        match checks.into_iter().find(|&(_, _, fits, _)| !fits) {
            Some((what, got, _, want)) => {
                Err(Error::Parameter { what, row, want, got: got.into() })
            }
            None => Ok(()),
        }
    }

    /// Whether only the most probable token can be chosen.
    pub(super) fn is_greedy(&self) -> bool {
        self.temperature.is_nan()
            || self.temperature <= 0.0
            || self.top_k == 1
            || self.top_p <= 0.0
            || self.min_p >= 1.0
    }
}

/// Puts checked parameters into device memory, a row each.
///
/// # Errors
/// [`Error::Parameter`] for one that has no meaning, and those of the device.
pub fn upload_params(stream: &Stream, rows: &[Params]) -> Result<GpuBuffer<Params>> {
    rows.iter().enumerate().try_for_each(|(row, it)| it.check(row))?;
    Ok(stream.alloc_from(rows)?)
}
