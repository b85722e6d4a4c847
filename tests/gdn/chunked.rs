//! Prompts in chunks on the device.

use firesteel::half::bf16;
use firesteel_kernels::gdn::reference::gated_delta_rule_reference;
use firesteel_kernels::gdn::{
    ChunkState, Chunked, Gates, Heads, NO_SLOT, Prompt, Recurrence, Sequences, Tokens, Workspace,
    chunked_gated_delta_rule, gated_delta_rule_recurrence,
};
use firesteel_kernels::shape::{Error, Result};

use super::data::{Kind, Sequence, close, doubles, numbers, of, rounded};

const SMALL: Heads = Heads { key_heads: 1, value_heads: 2, key_dim: 64, value_dim: 64 };
/// What products of `bf16` may lose, of the largest number.
const TOLERANCE: f64 = 2e-2;

/// Outputs, and all states of the pool.
type Results = (Vec<f64>, Vec<f64>);

/// All sequences' inputs on the device, in chunks.
fn run<S: ChunkState + Kind>(
    heads: Heads,
    inputs: &Sequence,
    prompts: &[Prompt],
    slots: &[u32],
    saves: Option<&[u32]>,
    pool: &[f64],
) -> Result<Results> {
    let device = crate::device();
    let stream = device.stream();
    let [q, k, v] = [&inputs.q, &inputs.k, &inputs.v].map(|it| device.alloc_from(&of::<bf16>(it)));
    let (q, k, v) = (q?, k?, v?);
    let [g, beta] = [&inputs.g, &inputs.beta].map(|it| device.alloc_from(&of::<f32>(it)));
    let (g, beta) = (g?, beta?);
    let sequences = Sequences::new(&stream, prompts)?;
    let slots = device.alloc_from(slots)?;
    let saves = saves.map(|it| device.alloc_from(it)).transpose()?;
    let mut state = device.alloc_from(&of::<S>(pool))?;
    let mut out = device.alloc_zeros::<bf16>(sequences.tokens() * heads.values() as usize)?;
    let mut workspace = Workspace::new(&stream, &heads, sequences.chunks())?;
    let tokens = Tokens::apart(&q, &k, &v, &heads, sequences.tokens());
    let gates = Gates::Ready { g: &g, beta: &beta };
    let chunked = Chunked { saves: saves.as_ref(), ..Chunked::new(heads, &sequences, &slots) };
    chunked_gated_delta_rule(
        &stream,
        &mut out,
        &mut state,
        &tokens,
        &gates,
        &mut workspace,
        &chunked,
    )?;
    Ok((doubles(&out.to_host(&device)?), doubles(&state.to_host(&device)?)))
}

/// The inputs of some tokens.
fn part(inputs: &Sequence, heads: &Heads, tokens: std::ops::Range<usize>) -> Sequence {
    let rows = |x: &[f64], width: u32| {
        x[tokens.start * width as usize..tokens.end * width as usize].to_vec()
    };
    Sequence {
        q: rows(&inputs.q, heads.keys()),
        k: rows(&inputs.k, heads.keys()),
        v: rows(&inputs.v, heads.values()),
        g: rows(&inputs.g, heads.value_heads),
        beta: rows(&inputs.beta, heads.value_heads),
    }
}

/// Sequences of these lengths, the second of which is fresh, and the last but one of four without a
/// slot, against the definition.
fn check<S: ChunkState + Kind>(heads: Heads, lengths: &[u32]) -> Result<()> {
    let prompts: Vec<Prompt> = lengths.iter().enumerate().map(prompt).collect();
    let slots: Vec<u32> = (0..lengths.len()).map(slot_of).collect();
    let count: u32 = lengths.iter().sum();
    let inputs = Sequence::new::<bf16>(21, &heads, count as usize);
    let len = heads.state_len();
    let mut pool = rounded::<S>(&numbers(22, lengths.len() * len));
    let (out, state) = run::<S>(heads, &inputs, &prompts, &slots, None, &pool)?;
    let mut first = 0;
    let mut want = Vec::new();
    for (prompt, slot) in prompts.iter().zip(slots) {
        let tokens = first..first + prompt.tokens as usize;
        first = tokens.end;
        if slot == NO_SLOT {
            want.extend(vec![0.0; tokens.len() * heads.values() as usize]);
            continue;
        }
        let state = &mut pool[slot as usize * len..][..len];
        if prompt.fresh && prompt.tokens > 0 {
            state.fill(0.0);
        }
        let inputs = part(&inputs, &heads, tokens);
        want.extend(gated_delta_rule_reference(&heads, &inputs.inputs(), true, state));
    }
    let what = format!("{heads:?}, {lengths:?}");
    close(&out, &want, TOLERANCE, &what);
    close(&state, &pool, TOLERANCE, format!("{what}, state"));
    Ok(())
}

fn prompt((at, tokens): (usize, &u32)) -> Prompt {
    Prompt { tokens: *tokens, fresh: at == 1 }
}

fn slot_of(at: usize) -> u32 {
    if at == 2 { NO_SLOT } else { at as u32 }
}

#[test]
fn chunks_of_ragged_batches_are_the_definition() -> Result<()> {
    check::<f32>(SMALL, &[65, 1, 3, 128])?;
    check::<bf16>(SMALL, &[0, 63])?;
    let grouped = Heads { key_heads: 1, value_heads: 3, key_dim: 128, value_dim: 128 };
    check::<f32>(grouped, &[70])?;
    let mixed = Heads { key_heads: 2, value_heads: 10, key_dim: 64, value_dim: 128 };
    check::<f32>(mixed, &[40, 30])
}

/// A batch of many heads takes two warpgroups a block.
#[test]
fn chunks_of_many_heads_are_the_definition() -> Result<()> {
    let heads = Heads { key_heads: 4, value_heads: 132, key_dim: 64, value_dim: 128 };
    check::<f32>(heads, &[5])
}

/// States behind chunks are those with which the rest goes on as the whole does, by chunks and by
/// tokens.
#[test]
fn parts_are_the_whole() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let heads = Heads { key_heads: 1, value_heads: 1, ..SMALL };
    let inputs = Sequence::new::<bf16>(31, &heads, 150);
    let len = heads.state_len();
    let whole = [Prompt { tokens: 150, fresh: true }];
    let saves = [1, NO_SLOT, 2];
    let pool = vec![0.0; 3 * len];
    let (out, state) = run::<f32>(heads, &inputs, &whole, &[0], Some(&saves), &pool)?;
    assert_eq!(state[..len], state[2 * len..], "the state behind the last chunk is the last one");

    let behind = part(&inputs, &heads, 64..150);
    let pool = state[len..2 * len].to_vec();
    let rest = [Prompt { tokens: 86, fresh: false }];
    let (rest_out, rest_state) = run::<f32>(heads, &behind, &rest, &[0], None, &pool)?;
    assert_eq!(rest_out, out[64 * heads.values() as usize..], "outputs of the rest");
    assert_eq!(rest_state, state[..len], "state of the rest");

    let [q, k, v] = [&behind.q, &behind.k, &behind.v].map(|it| device.alloc_from(&of::<bf16>(it)));
    let [g, beta] = [&behind.g, &behind.beta].map(|it| device.alloc_from(&of::<f32>(it)));
    let (q, k, v, g, beta) = (q?, k?, v?, g?, beta?);
    let mut state_f32 = device.alloc_from(&of::<f32>(&pool))?;
    let mut out_bf16 = device.alloc_zeros::<bf16>(86 * heads.values() as usize)?;
    let slots = device.alloc_from(&[0u32])?;
    gated_delta_rule_recurrence(
        &stream,
        &mut out_bf16,
        &mut state_f32,
        &Tokens::apart(&q, &k, &v, &heads, 86),
        &Gates::Ready { g: &g, beta: &beta },
        &Recurrence::new(heads, &slots),
    )?;
    let by_token = doubles(&out_bf16.to_host(&device)?);
    close(&by_token, &rest_out, TOLERANCE, "outputs token by token");
    close(&doubles(&state_f32.to_host(&device)?), &rest_state, TOLERANCE, "state token by token");
    Ok(())
}

/// The inverse of `I + A` as `(I - A)(I + A²)(I + A⁴)…` in `f32`, and the largest number on the way.
fn by_squaring(a: &[f32], n: usize) -> (Vec<f32>, f32) {
    let multiply = |x: &[f32], y: &[f32]| -> Vec<f32> {
        let entry = |at: usize| (0..n).map(|i| x[at / n * n + i] * y[i * n + at % n]).sum();
        (0..n * n).map(entry).collect()
    };
    let identity = |at: usize| if at / n == at % n { 1.0 } else { 0.0 };
    let mut power: Vec<f32> = a.iter().map(|x| -x).collect();
    let mut inverse: Vec<f32> = (0..n * n).map(|at| identity(at) + power[at]).collect();
    let mut largest = 0.0f32;
    for _ in 0..5 {
        power = multiply(&power, &power);
        largest = power.iter().fold(largest, |max, x| max.max(x.abs()));
        let factor: Vec<f32> = (0..n * n).map(|at| identity(at) + power[at]).collect();
        inverse = multiply(&inverse, &factor);
    }
    (inverse, largest)
}

/// Equal keys, strengths of one and no decay: the inverse has ones and minus ones alone, but powers
/// of `A` are binomial coefficients, beyond what `f16` holds and far beyond the digits of `f32`.
/// The kernel substitutes.
#[test]
fn equal_keys_do_not_overflow() -> Result<()> {
    let below = |at: usize| if at % 64 < at / 64 { 1.0 } else { 0.0 };
    let (inverse, largest) = by_squaring(&(0..64 * 64).map(below).collect::<Vec<f32>>(), 64);
    assert!(largest > 1e15, "powers grow to {largest:e} only");
    let exact = |at: usize| match at / 64 - (at % 64).min(at / 64) {
        _ if at % 64 > at / 64 => 0.0f32,
        0 => 1.0,
        1 => -1.0,
        _ => 0.0,
    };
    let error = inverse.iter().enumerate().map(|(at, x)| (x - exact(at)).abs());
    let error = error.fold(0.0, f32::max);
    assert!(error > 1.0, "squaring is off by {error:e} only");

    let heads = Heads { key_heads: 1, value_heads: 1, ..SMALL };
    let mut inputs = Sequence::new::<bf16>(41, &heads, 128);
    let key = inputs.k[..64].to_vec();
    inputs.k = key.iter().copied().cycle().take(inputs.k.len()).collect();
    inputs.g.fill(0.0);
    inputs.beta.fill(1.0);
    // Each token takes back what the one before wrote: 64 values of up to twice the largest, each
    // rounded to 2^-9 of itself, whose errors add up as independent ones do.
    check_alone(heads, &inputs, 8.0 * 2.0 / 512.0, "equal keys")
}

/// One sequence from a state of zeros against the definition.
fn check_alone(heads: Heads, inputs: &Sequence, tolerance: f64, what: &str) -> Result<()> {
    let tokens = inputs.g.len() / heads.value_heads as usize;
    let prompts = [Prompt { tokens: tokens as u32, fresh: true }];
    let pool = vec![1.0; heads.state_len()];
    let (out, state) = run::<f32>(heads, inputs, &prompts, &[0], None, &pool)?;
    let mut want_state = vec![0.0; heads.state_len()];
    let want = gated_delta_rule_reference(&heads, &inputs.inputs(), true, &mut want_state);
    close(&out, &want, tolerance, what);
    close(&state, &want_state, tolerance, format!("{what}, state"));
    Ok(())
}

#[test]
fn extreme_inputs_stay_right() -> Result<()> {
    let heads = Heads { key_heads: 1, value_heads: 1, ..SMALL };
    let mut huge = Sequence::new::<bf16>(51, &heads, 70);
    huge.q = rounded::<bf16>(&huge.q.iter().map(|x| x * 1e15).collect::<Vec<_>>());
    huge.k = rounded::<bf16>(&huge.k.iter().map(|x| x * 1e15).collect::<Vec<_>>());
    check_alone(heads, &huge, TOLERANCE, "huge norms")?;
    let mut strong = Sequence::new::<bf16>(52, &heads, 70);
    strong.g.iter_mut().for_each(|g| *g = f64::from((*g * 400.0) as f32));
    strong.beta.fill(1.0);
    check_alone(heads, &strong, TOLERANCE, "strong decay")?;
    let mut zero = Sequence::new::<bf16>(53, &heads, 70);
    zero.k.fill(0.0);
    zero.q.fill(0.0);
    zero.g.fill(0.0);
    let prompts = [Prompt { tokens: 70, fresh: false }];
    let pool = numbers(54, heads.state_len());
    let (out, state) = run::<f32>(heads, &zero, &prompts, &[0], None, &pool)?;
    assert!(out.iter().all(|x| *x == 0.0), "outputs of queries that are zero");
    close(&state, &rounded::<f32>(&pool), 1e-6, "a state that nothing writes");
    Ok(())
}

#[test]
fn batches_that_do_not_fit_are_reported() -> Result<()> {
    let inputs = Sequence::new::<bf16>(61, &SMALL, 2);
    let pool = vec![0.0; SMALL.state_len()];
    let prompts = [Prompt { tokens: 2, fresh: false }];
    let result = run::<f32>(SMALL, &inputs, &prompts, &[0, 1], None, &pool);
    assert!(matches!(result, Err(Error::Shape { what: "slots", want: 1, got: 2 })), "{result:?}");
    let result = run::<f32>(SMALL, &inputs, &prompts, &[0], Some(&[0, 0]), &pool);
    assert!(matches!(result, Err(Error::Shape { what: "saves", .. })), "{result:?}");
    let wide = Heads { key_dim: 256, ..SMALL };
    let inputs = Sequence::new::<bf16>(62, &wide, 2);
    let result = run::<f32>(wide, &inputs, &prompts, &[0], None, &vec![0.0; wide.state_len()]);
    assert!(matches!(result, Err(Error::Heads { key_dim: 256, .. })), "{result:?}");
    Ok(())
}
