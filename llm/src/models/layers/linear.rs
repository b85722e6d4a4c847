//! Matrix products with weights, quantised or not.

use super::kernels;
use crate::error::{Error, Result};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};

/// Weight rows of one thread's piece of a dense product.
const TILE: usize = 16;
/// From 32 rows on, candle multiplies Q4_K on matrix units, whose sums round otherwise.
const MOST_ROWS_Q4K: usize = 31;

/// `y = x · Wᵀ + b`.
pub struct Linear {
    weights: Weights,
    bias: Option<Vec<f32>>,
    outputs: usize,
    inputs: usize,
}

enum Weights {
    Quantised(QTensor),
    /// `[outputs, inputs]`.
    Dense(Vec<f32>),
}

impl Linear {
    pub(crate) fn quantised(tensor: QTensor, outputs: usize, inputs: usize) -> Self {
        Self { weights: Weights::Quantised(tensor), bias: None, outputs, inputs }
    }

    pub(crate) fn dense(weights: Vec<f32>, outputs: usize, inputs: usize) -> Self {
        Self { weights: Weights::Dense(weights), bias: None, outputs, inputs }
    }

    pub(crate) fn with_bias(self, bias: Option<Vec<f32>>) -> Self {
        Self { bias, ..self }
    }

    /// Numbers in the weights.
    pub fn parameters(&self) -> usize {
        self.outputs * self.inputs + self.bias.as_ref().map_or(0, Vec::len)
    }

    /// Bytes that the weights take in memory.
    pub fn bytes(&self) -> usize {
        match &self.weights {
            Weights::Quantised(tensor) => tensor.storage_size_in_bytes(),
            Weights::Dense(weights) => size_of_val(weights.as_slice()),
        }
    }

    /// The storage format, as GGUF calls it.
    pub fn format(&self) -> String {
        match &self.weights {
            Weights::Quantised(tensor) => format!("{:?}", tensor.dtype()),
            Weights::Dense(_) => "F32".to_owned(),
        }
    }

    /// Multiplies rows of `inputs` numbers, back to back, to rows of `outputs`.
    pub(crate) fn forward(&self, x: &[f32]) -> Result<Vec<f32>> {
        let mut y = match &self.weights {
            Weights::Quantised(tensor) => self.quantised_product(tensor, x)?,
            Weights::Dense(weights) => self.dense_product(weights, x),
        };
        self.add_bias(&mut y);
        Ok(y)
    }

    /// [`Self::forward`] of several matrices with the same input: its activations are quantised
    /// once where candle can.
    pub(crate) fn forward_all<const N: usize>(all: [&Self; N], x: &[f32]) -> Result<[Vec<f32>; N]> {
        if let Some(outputs) = Self::fused(&all, x)?
            && let Ok(mut outputs) = <[Vec<f32>; N]>::try_from(outputs)
        {
            for (linear, y) in all.iter().zip(&mut outputs) {
                linear.add_bias(y);
            }
            return Ok(outputs);
        }
        let mut outputs = [const { Vec::new() }; N];
        for (linear, y) in all.iter().zip(&mut outputs) {
            *y = linear.forward(x)?;
        }
        Ok(outputs)
    }

    fn fused(all: &[&Self], x: &[f32]) -> Result<Option<Vec<Vec<f32>>>> {
        let mut tensors = Vec::with_capacity(all.len());
        for linear in all {
            match &linear.weights {
                Weights::Quantised(tensor) => tensors.push(tensor),
                Weights::Dense(_) => return Ok(None),
            }
        }
        let inputs = all.first().map_or(1, |it| it.inputs);
        let x = Tensor::from_slice(x, (x.len() / inputs, inputs), &Device::Cpu)?;
        let Some(outputs) = QTensor::gemv_fused_shared_lhs(&tensors, &x)? else { return Ok(None) };
        Ok(Some(outputs.iter().map(flat).collect::<Result<_>>()?))
    }

    fn add_bias(&self, y: &mut [f32]) {
        if let Some(bias) = &self.bias {
            y.chunks_exact_mut(self.outputs).for_each(|row| kernels::add(row, bias));
        }
    }

    fn quantised_product(&self, tensor: &QTensor, x: &[f32]) -> Result<Vec<f32>> {
        let rows = x.len() / self.inputs;
        match tensor.dtype() {
            // One row runs another kernel, which sums in another order, than several: two do not.
            GgmlDType::Q6K if rows == 1 => {
                let mut y = self.product(tensor, &[x, x].concat())?;
                y.truncate(self.outputs);
                Ok(y)
            }
            GgmlDType::Q4K if rows > MOST_ROWS_Q4K => {
                let mut y = Vec::with_capacity(rows * self.outputs);
                for x in x.chunks(MOST_ROWS_Q4K * self.inputs) {
                    y.extend(self.product(tensor, x)?);
                }
                Ok(y)
            }
            _ => self.product(tensor, x),
        }
    }

    fn product(&self, tensor: &QTensor, x: &[f32]) -> Result<Vec<f32>> {
        let x = Tensor::from_slice(x, (x.len() / self.inputs, self.inputs), &Device::Cpu)?;
        flat(&x.apply_op1_no_bwd(tensor)?)
    }

    fn dense_product(&self, weights: &[f32], x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.inputs;
        let tiles = self.outputs.div_ceil(TILE);
        let mut columns = vec![0.0; rows * self.outputs]; // [outputs, rows]
        let parts = columns.chunks_mut(TILE * rows).zip(weights.chunks(TILE * self.inputs));
        let parts: Vec<_> = parts.collect();
        debug_assert_eq!(parts.len(), tiles);
        kernels::for_each(parts, rows * weights.len(), |(columns, weights)| {
            for (x, row) in x.chunks_exact(self.inputs).zip(0..rows) {
                for (weights, column) in weights.chunks_exact(self.inputs).zip(0..) {
                    columns[column * rows + row] = kernels::dot(weights, x);
                }
            }
        });
        if rows == 1 { columns } else { transpose(&columns, rows) }
    }

    /// Row `row` of the matrix, as an embedding is looked up.
    pub(crate) fn rows(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let vocab = self.outputs;
        if let Some(got) = ids.iter().copied().find(|id| *id as usize >= vocab) {
            return Err(Error::Token { vocab, got });
        }
        match &self.weights {
            Weights::Quantised(tensor) => {
                flat(&tensor.embedding(&Tensor::from_slice(ids, ids.len(), &Device::Cpu)?)?)
            }
            Weights::Dense(weights) => {
                let row = |id: &u32| &weights[*id as usize * self.inputs..][..self.inputs];
                Ok(ids.iter().flat_map(row).copied().collect())
            }
        }
    }
}

fn flat(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

/// `[columns, rows]` to `[rows, columns]`.
fn transpose(x: &[f32], rows: usize) -> Vec<f32> {
    (0..rows).flat_map(|row| x[row..].iter().step_by(rows).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, mut state: u32) -> Vec<f32> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    /// Every format, alone and among others: the same bits.
    #[test]
    fn rows_do_not_know_each_other() {
        let (outputs, inputs) = (48, 512);
        let weights =
            Tensor::from_vec(numbers(outputs * inputs, 1), (outputs, inputs), &Device::Cpu);
        let weights = weights.unwrap();
        let formats = [
            GgmlDType::Q4_0,
            GgmlDType::Q4_1,
            GgmlDType::Q5_0,
            GgmlDType::Q5_1,
            GgmlDType::Q8_0,
            GgmlDType::Q8_1,
            GgmlDType::Q2K,
            GgmlDType::Q3K,
            GgmlDType::Q4K,
            GgmlDType::Q5K,
            GgmlDType::Q6K,
            GgmlDType::Q8K,
        ];
        let mut all = vec![Linear::dense(numbers(outputs * inputs, 1), outputs, inputs)];
        for format in formats {
            let tensor = QTensor::quantize(&weights, format).unwrap();
            all.push(Linear::quantised(tensor, outputs, inputs));
        }
        let x = numbers(70 * inputs, 2);
        for linear in all {
            let together = linear.forward(&x).unwrap();
            for (x, want) in x.chunks(inputs).zip(together.chunks(outputs)) {
                assert_eq!(linear.forward(x).unwrap(), want, "{}", linear.format());
            }
        }
    }

    #[test]
    fn bias_is_added_to_every_row() {
        let linear = Linear::dense(vec![1.0, 2.0, 3.0, 4.0], 2, 2);
        let linear = linear.with_bias(Some(vec![10.0, 20.0]));
        assert_eq!(linear.forward(&[1.0, 1.0, 2.0, 0.0]).unwrap(), [13.0, 27.0, 12.0, 26.0]);
        let [a, b] = Linear::forward_all([&linear, &linear], &[1.0, 1.0]).unwrap();
        assert_eq!((a, b), (vec![13.0, 27.0], vec![13.0, 27.0]));
    }

    #[test]
    fn embeddings_are_rows() {
        let linear = Linear::dense(vec![1.0, 2.0, 3.0, 4.0], 2, 2);
        assert_eq!(linear.rows(&[1, 0]).unwrap(), [3.0, 4.0, 1.0, 2.0]);
        assert!(matches!(linear.rows(&[2]), Err(Error::Token { vocab: 2, got: 2 })));
    }
}
