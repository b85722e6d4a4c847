//! Four 6-bit numbers in three bytes, as quantised weights store them.

use firesteel::prelude::*;

use crate::{Outcome, data};

/// Numbers `4 g .. 4 g + 4` from bytes `3 g .. 3 g + 3`, low bits first, centred on zero.
#[gpu_kernel(block_size = 128)]
pub fn unpack_6bit(packed: &[u8], out: &mut [i8], groups: u32) {
    let group = thread_idx_x() + block_idx_x() * block_dim_x();
    if group < groups {
        let at = group * 3;
        let bits = packed[at] as u32 | (packed[at + 1] as u32) << 8 | (packed[at + 2] as u32) << 16;
        for k in 0..4 {
            let code = bfe(bits, 6 * k, 6);
            out[group * 4 + k] = (code as i32 - 32) as i8;
        }
    }
}

fn reference(packed: &[u8]) -> Vec<i8> {
    let group = |bytes: &[u8]| {
        let bits = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
        [0, 6, 12, 18].map(|shift| ((bits >> shift) & 63) as i8 - 32)
    };
    packed.chunks_exact(3).flat_map(group).collect()
}

/// Runs the kernel and its reference.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let groups = 10_000;
    let packed: Vec<u8> = data::words(7, 3 * groups).into_iter().map(|word| word as u8).collect();
    let want = reference(&packed);
    let packed = device.alloc_from(&packed)?;
    let mut out = device.alloc_zeros::<i8>(4 * groups)?;
    unpack_6bit::launch(device, &packed, &mut out, groups as u32)?;
    Ok(Outcome::equal(&out.to_host(device)?, &want))
}
