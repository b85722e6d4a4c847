//! The recurrence on the device.

use firesteel::half::bf16;
use firesteel_kernels::gdn::reference::{
    gated_delta_rule_reference, gated_rms_norm_reference, gdn_gating_reference,
};
use firesteel_kernels::gdn::{
    GatedNorm, Gates, Heads, NO_SLOT, Recurrence, Recurs, Rows, Tokens, gated_delta_rule_recurrence,
};
use firesteel_kernels::shape::{Error, Result};

use super::data::{Kind, Sequence, close, doubles, numbers, of, rounded};
use super::golden::{self, File, transposed};

const SMALL: Heads = Heads { key_heads: 1, value_heads: 2, key_dim: 64, value_dim: 64 };

#[test]
fn recurrence_is_that_of_golden_data() -> Result<()> {
    let device = crate::device();
    let file = File::read("delta_rule.safetensors");
    for case in golden::cases() {
        let [key_heads, value_heads, key_dim, value_dim] = case.sizes;
        let heads = Heads { key_heads, value_heads, key_dim, value_dim };
        let get = |name: &str| file.get(&format!("{}.{name}", case.name));
        let [q, k, v, g, beta] = ["q", "k", "v", "g", "beta"].map(|it| of::<f32>(&get(it)));
        let [q, k, v, g, beta] = [&q, &k, &v, &g, &beta].map(|it| device.alloc_from(it));
        let (q, k, v, g, beta) = (q?, k?, v?, g?, beta?);
        let state = file.find(&format!("{}.state_in", case.name));
        let state = state.unwrap_or_else(|| vec![0.0; case.batch * heads.state_len()]);
        let state = transposed(&state, key_dim as usize, value_dim as usize);
        let mut state = device.alloc_from(&of::<f32>(&state))?;
        let slots: Vec<u32> = (0..case.batch as u32).collect();
        let slots = device.alloc_from(&slots)?;
        let tokens = case.batch * case.tokens;
        let mut out = device.alloc_uninit::<f32>(tokens * heads.values() as usize)?;
        let tokens = Tokens::apart(&q, &k, &v, &heads, tokens);
        let gates = Gates::Ready { g: &g, beta: &beta };
        let run = Recurrence { l2norm: case.l2norm, ..Recurrence::new(heads, &slots) };
        let stream = device.stream();
        gated_delta_rule_recurrence(&stream, &mut out, &mut state, &tokens, &gates, &run)?;
        let want = transposed(&get("state_out"), key_dim as usize, value_dim as usize);
        close(&doubles(&out.to_host(&device)?), &get("o"), 1e-5, &case.name);
        close(&doubles(&state.to_host(&device)?), &want, 1e-5, format!("{}, state", case.name));
    }
    Ok(())
}

/// Three sequences of a packed batch with their own slots, one of which takes no part, with the
/// layer's gates; numbers are those that a kernel gets.
struct Batch {
    heads: Heads,
    lengths: [usize; 3],
    normed: bool,
    qkv: Vec<f64>,
    a: Vec<f64>,
    b: Vec<f64>,
    a_log: Vec<f64>,
    dt_bias: Vec<f64>,
    z: Vec<f64>,
    weight: Vec<f64>,
    pool: Vec<f64>,
}

const SLOTS: [u32; 3] = [2, NO_SLOT, 0];

impl Batch {
    fn new<T: Kind, S: Kind>(heads: Heads, lengths: [usize; 3], normed: bool) -> Self {
        let count: usize = lengths.iter().sum();
        let n_heads = heads.value_heads as usize;
        let wide = |seed| -> Vec<f64> {
            rounded::<T>(
                &numbers(seed, count * n_heads).iter().map(|x| 3.0 * x).collect::<Vec<_>>(),
            )
        };
        Self {
            heads,
            lengths,
            normed,
            qkv: rounded::<T>(&numbers(1, count * heads.channels() as usize)),
            a: wide(2),
            b: wide(3),
            a_log: rounded::<f32>(&numbers(4, n_heads)),
            dt_bias: rounded::<f32>(&numbers(5, n_heads)),
            z: rounded::<T>(&numbers(6, count * heads.values() as usize)),
            weight: rounded::<f32>(&numbers(7, heads.value_dim as usize)),
            pool: rounded::<S>(&numbers(8, 4 * heads.state_len())),
        }
    }

    /// The first token of each sequence, and the number of tokens.
    fn starts(&self) -> [usize; 4] {
        let [first, second, third] = self.lengths;
        [0, first, first + second, first + second + third]
    }

    /// Outputs and states of the device.
    fn run<T: Recurs<S> + Kind, S: Kind>(&self) -> Result<(Vec<f64>, Vec<f64>)> {
        let device = crate::device();
        let heads = self.heads;
        let count = self.starts()[3];
        let qkv = device.alloc_from(&of::<T>(&self.qkv))?;
        let (a, b) = (device.alloc_from(&of::<T>(&self.a))?, device.alloc_from(&of::<T>(&self.b))?);
        let a_log = device.alloc_from(&of::<f32>(&self.a_log))?;
        let dt_bias = device.alloc_from(&of::<f32>(&self.dt_bias))?;
        let z = device.alloc_from(&of::<T>(&self.z))?;
        let weight = device.alloc_from(&of::<f32>(&self.weight))?;
        let mut state = device.alloc_from(&of::<S>(&self.pool))?;
        let slots = device.alloc_from(&SLOTS)?;
        let starts = device.alloc_from(&self.starts().map(|it| it as u32))?;
        let equal = self.lengths.iter().all(|it| *it == self.lengths[0]);
        let mut out = device.alloc_zeros::<T>(count * heads.values() as usize)?;
        let tokens = Tokens::packed(&qkv, &heads, count);
        let gates = Gates::Raw { a: &a, b: &b, a_log: &a_log, dt_bias: &dt_bias };
        let z = Rows::dense(&z, heads.values());
        let run = Recurrence {
            starts: (!equal).then_some(&starts),
            settled: true,
            norm: self.normed.then_some(GatedNorm { z, weight: &weight, eps: 1e-6 }),
            ..Recurrence::new(heads, &slots)
        };
        let stream = device.stream();
        gated_delta_rule_recurrence(&stream, &mut out, &mut state, &tokens, &gates, &run)?;
        Ok((doubles(&out.to_host(&device)?), doubles(&state.to_host(&device)?)))
    }

    /// Those of the definition.
    fn expected(&self) -> (Vec<f64>, Vec<f64>) {
        let heads = self.heads;
        let starts = self.starts();
        let (g, beta) = gdn_gating_reference(&self.a, &self.b, &self.a_log, &self.dt_bias);
        let [keys, values] = [heads.keys(), heads.values()].map(|it| it as usize);
        let mut pool = self.pool.clone();
        let mut out = vec![0.0; starts[3] * values];
        for (sequence, slot) in SLOTS.into_iter().enumerate().filter(|it| it.1 != NO_SLOT) {
            let range = starts[sequence]..starts[sequence + 1];
            let rows = |first: usize, width: usize| -> Vec<f64> {
                let row = |token: usize| &self.qkv[token * (2 * keys + values) + first..][..width];
                range.clone().flat_map(row).copied().collect()
            };
            let n_heads = heads.value_heads as usize;
            let of_heads = range.start * n_heads..range.end * n_heads;
            let inputs = Sequence {
                q: rows(0, keys),
                k: rows(keys, keys),
                v: rows(2 * keys, values),
                g: g[of_heads.clone()].to_vec(),
                beta: beta[of_heads].to_vec(),
            };
            let len = heads.state_len();
            let state = &mut pool[slot as usize * len..][..len];
            let mut y = gated_delta_rule_reference(&heads, &inputs.inputs(), true, state);
            let of_values = range.start * values..range.end * values;
            if self.normed {
                y = gated_rms_norm_reference(&y, &self.z[of_values.clone()], &self.weight, 1e-6);
            }
            out[of_values].copy_from_slice(&y);
        }
        (out, pool)
    }
}

fn check<T: Recurs<S> + Kind, S: Kind>(
    heads: Heads,
    lengths: [usize; 3],
    normed: bool,
    (tolerance, state_tolerance): (f64, f64),
) -> Result<()> {
    let batch = Batch::new::<T, S>(heads, lengths, normed);
    let ((out, state), (want, want_state)) = (batch.run::<T, S>()?, batch.expected());
    let what = format!("{heads:?}, {lengths:?}, normed: {normed}");
    close(&out, &want, tolerance, &what);
    close(&state, &want_state, state_tolerance, format!("{what}, state"));
    Ok(())
}

/// Outputs of 16 bits are rounded to 2^-8 of themselves, and so are states.
const HALF_UNIT: f64 = 1.0 / 256.0;

#[test]
fn recurrence_of_ragged_batches_is_the_definition() -> Result<()> {
    check::<f32, f32>(SMALL, [1, 1, 1], false, (1e-5, 1e-5))?;
    check::<f32, f32>(SMALL, [3, 2, 1], true, (1e-5, 1e-5))?;
    let grouped = Heads { key_heads: 2, value_heads: 6, key_dim: 128, value_dim: 128 };
    check::<bf16, f32>(grouped, [1, 1, 1], true, (HALF_UNIT, 1e-5))?;
    check::<bf16, bf16>(grouped, [2, 1, 3], false, (HALF_UNIT, HALF_UNIT))?;
    // With many heads, a block takes all of one.
    let many = Heads { key_heads: 15, value_heads: 45, key_dim: 128, value_dim: 128 };
    check::<bf16, f32>(many, [1, 2, 0], true, (HALF_UNIT, 1e-5))?;
    let mixed = Heads { key_heads: 1, value_heads: 1, key_dim: 128, value_dim: 64 };
    check::<f32, bf16>(mixed, [2, 2, 2], false, (1e-5, HALF_UNIT))?;
    let wide = Heads { key_heads: 1, value_heads: 1, key_dim: 256, value_dim: 256 };
    check::<bf16, f32>(wide, [1, 0, 2], true, (HALF_UNIT, 1e-5))?;
    check::<bf16, bf16>(wide, [1, 1, 1], false, (HALF_UNIT, HALF_UNIT))
}

/// Ten thousand tokens in one call, and each as a call, stay at the definition's state.
#[test]
fn many_steps_stay_finite() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let heads = Heads { key_heads: 1, value_heads: 1, ..SMALL };
    let steps = if device.is_sim() { 2_000 } else { 100_000 };
    // A slow decay, under which errors stay for long.
    let mut inputs = Sequence::new::<f32>(11, &heads, steps);
    inputs.g = rounded::<f32>(&inputs.g.iter().map(|g| g * 1e-3).collect::<Vec<_>>());
    let [q, k, v, g, beta] = [&inputs.q, &inputs.k, &inputs.v, &inputs.g, &inputs.beta]
        .map(|it| device.alloc_from(&of::<f32>(it)));
    let (q, k, v, g, beta) = (q?, k?, v?, g?, beta?);
    let slots = device.alloc_from(&[0u32])?;
    let mut state = device.alloc_zeros::<f32>(heads.state_len())?;
    let mut out = device.alloc_uninit::<f32>(steps * heads.values() as usize)?;
    let tokens = Tokens::apart(&q, &k, &v, &heads, steps);
    let gates = Gates::Ready { g: &g, beta: &beta };
    let run = Recurrence::new(heads, &slots);
    gated_delta_rule_recurrence(&stream, &mut out, &mut state, &tokens, &gates, &run)?;
    let mut want_state = vec![0.0; heads.state_len()];
    let want = gated_delta_rule_reference(&heads, &inputs.inputs(), true, &mut want_state);
    close(&doubles(&out.to_host(&device)?), &want, 1e-2, "outputs");
    close(&doubles(&state.to_host(&device)?), &want_state, 1e-2, "state");
    Ok(())
}

#[test]
fn operands_that_do_not_fit_are_reported() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let heads = SMALL;
    let qkv = device.alloc_zeros::<f32>(heads.channels() as usize)?;
    let (g, beta) = (device.alloc_zeros::<f32>(2)?, device.alloc_zeros::<f32>(2)?);
    let slots = device.alloc_from(&[0u32])?;
    let mut out = device.alloc_zeros::<f32>(heads.values() as usize)?;
    let mut state = device.alloc_zeros::<f32>(heads.state_len() + 1)?;
    let gates = Gates::Ready { g: &g, beta: &beta };
    let run = Recurrence::new(heads, &slots);
    let tokens = Tokens::packed(&qkv, &heads, 1);
    let result = gated_delta_rule_recurrence(&stream, &mut out, &mut state, &tokens, &gates, &run);
    assert!(matches!(result, Err(Error::Pool { what: "state", .. })), "{result:?}");
    let mut state = device.alloc_zeros::<f32>(heads.state_len())?;
    let two = Tokens::packed(&qkv, &heads, 2);
    let result = gated_delta_rule_recurrence(&stream, &mut out, &mut state, &two, &gates, &run);
    assert!(matches!(result, Err(Error::Short { what: "q", .. })), "{result:?}");
    let odd = Heads { key_dim: 96, ..heads };
    let run = Recurrence::new(odd, &slots);
    let result = gated_delta_rule_recurrence(&stream, &mut out, &mut state, &tokens, &gates, &run);
    assert!(matches!(result, Err(Error::Heads { key_dim: 96, .. })), "{result:?}");
    Ok(())
}
