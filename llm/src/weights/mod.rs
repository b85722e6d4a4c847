//! Where weights come from: one interface over GGUF files and folders of safetensors.
//!
//! Tensors are asked for by their GGUF names (`blk.0.attn_q.weight`) and with the shape that the
//! configuration implies, so a file that contradicts itself is an error before anything is read.

pub mod gguf;
pub mod safetensors;

use crate::error::Result;
use crate::models::layers::linear::Linear;

/// A file or folder that holds a model's tensors.
pub trait Weights {
    /// Whether there is a tensor of this name.
    fn has(&self, name: &str) -> bool;

    /// The shape of a tensor, outermost dimension first.
    fn shape(&self, name: &str) -> Option<Vec<usize>>;

    /// A matrix that maps rows of `inputs` numbers to rows of `outputs`.
    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear>;

    /// The matrices of `count` experts.
    fn experts(
        &mut self,
        name: &str,
        count: usize,
        outputs: usize,
        inputs: usize,
    ) -> Result<Vec<Linear>>;

    /// A small tensor, widened to `f32`. Dimensions of one number do not count: formats differ
    /// in them.
    fn numbers(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>>;

    /// A vector, widened to `f32`.
    fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>> {
        self.numbers(name, &[len])
    }
}

/// Whether two shapes differ in dimensions of one number only.
fn alike(a: &[usize], b: &[usize]) -> bool {
    a.iter().filter(|it| **it > 1).eq(b.iter().filter(|it| **it > 1))
}
