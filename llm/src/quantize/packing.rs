//! Weights that are quantised while a model is loaded: `--quantize`.

use super::{Chooser, Facts, Kind, Mix, Packer};
use crate::error::{Error, Result};
use crate::models::layers::linear::Linear;
use crate::weights::gguf;

/// Quantises matrices as a file of the same mix has them.
#[derive(Debug, Clone)]
pub(crate) struct Packing {
    chooser: Chooser,
    packer: Packer,
}

impl Packing {
    pub(crate) fn new(mix: Mix, facts: Facts, packer: Packer) -> Self {
        Self { chooser: Chooser::new(mix, facts), packer }
    }

    /// The matrix of a tensor that [`is_quantised`](super::is_quantised); `name` is GGUF's.
    pub(crate) fn linear(
        &mut self,
        name: &str,
        x: Vec<f32>,
        outputs: usize,
        inputs: usize,
    ) -> Result<Linear> {
        match self.chooser.choose(name, inputs) {
            Kind::F32 | Kind::F16 | Kind::Bf16 => Ok(Linear::dense(x, outputs, inputs)),
            Kind::Blocks(format) => {
                let failed = |source| Error::Pack { tensor: name.to_owned(), source };
                let blocks = self.packer.pack(format, &x, inputs).map_err(failed)?;
                gguf::matrix_of_blocks(name, format.ggml_type(), &blocks, outputs, inputs)
            }
        }
    }
}
