//! Symmetric 8-bit quantisation: four signed bytes a word, one scale.

use firesteel::prelude::*;

use crate::{Outcome, data};

/// `out[4 w + k] = scale * (byte k of packed[w])` for `w < n_words`, in one block.
#[gpu_kernel(block_size = 256)]
pub fn dequant_i8(packed: *const [u32], out: *mut [f32], scale: f32, n_words: u32) {
    let tid = thread_idx_x();

    if tid < n_words {
        let word = packed[tid];

        // Extract each byte, sign-extend to i32, cast to f32, scale.
        let b0 = (((word & 0xFF) as i32) << 24) >> 24;
        let b1 = ((((word >> 8) & 0xFF) as i32) << 24) >> 24;
        let b2 = ((((word >> 16) & 0xFF) as i32) << 24) >> 24;
        let b3 = ((((word >> 24) & 0xFF) as i32) << 24) >> 24;

        let base = tid * 4;
        out[base] = (b0 as f32) * scale;
        out[base + 1] = (b1 as f32) * scale;
        out[base + 2] = (b2 as f32) * scale;
        out[base + 3] = (b3 as f32) * scale;
    }
}

/// Runs the kernel and its reference on one block of words.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let (n_words, scale) = (256, 0.037);
    let packed = data::words(6, n_words);
    let bytes = packed.iter().flat_map(|word| word.to_le_bytes());
    let want: Vec<u32> = bytes.map(|byte| (byte as i8 as f32 * scale).to_bits()).collect();
    let packed = device.alloc_from(&packed)?;
    let mut out = device.alloc_zeros::<f32>(4 * n_words)?;
    dequant_i8::launch(device, &packed, &mut out, scale, n_words as u32)?;
    // One product, rounded once: equal to the bit.
    let got: Vec<u32> = out.to_host(device)?.into_iter().map(f32::to_bits).collect();
    Ok(Outcome::equal(&got, &want))
}
