//! The convolution and the gates on the device.

use firesteel::half::bf16;
use firesteel_kernels::gdn::reference::{causal_conv1d_reference, gdn_gating_reference};
use firesteel_kernels::gdn::{
    Conv, Convolves, Gated, NO_SLOT, Prompt, Rows, Sequences, causal_conv1d_full,
    causal_conv1d_update, fused_gdn_gating,
};
use firesteel_kernels::shape::{Error, Result};

use super::data::{Kind, close, doubles, numbers, of, rounded};
use super::golden::{File, transposed};

#[test]
fn conv_on_the_device_is_that_of_golden_data() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let file = File::read("pieces.safetensors");
    let (channels, tokens) = (96, 5);
    let get = |name: &str| file.get(&format!("conv_c96_t5_f32.{name}"));
    let x = of::<f32>(&transposed(&get("x"), channels, tokens));
    let old = of::<f32>(&transposed(&get("state_in"), channels, 3));
    let (x, mut state) = (device.alloc_from(&x)?, device.alloc_from(&old)?);
    let weight = device.alloc_from(&of::<f32>(&get("w")))?;
    let slots = device.alloc_from(&[0u32, 1])?;
    let conv = Conv {
        channels: 96,
        weight: &weight,
        bias: None,
        silu: true,
        settled: false,
        slots: &slots,
    };
    let prompts = [Prompt { tokens: 5, fresh: false }; 2];
    let sequences = Sequences::new(&stream, &prompts)?;
    let mut y = device.alloc_uninit::<f32>(2 * channels * tokens)?;
    let rows = Rows::dense(&x, 96);
    causal_conv1d_full(&stream, &mut y, &mut state, rows, &conv, &sequences)?;
    let want = transposed(&get("y"), channels, tokens);
    let want_state = transposed(&get("state_out"), channels, 3);
    close(&doubles(&y.to_host(&device)?), &want, 1e-6, "prompts");
    close(&doubles(&state.to_host(&device)?), &want_state, 0.0, "states of prompts");

    let mut state = device.alloc_from(&old)?;
    causal_conv1d_update(&stream, &mut y, &mut state, rows, &conv)?;
    close(&doubles(&y.to_host(&device)?), &want, 1e-6, "tokens");
    close(&doubles(&state.to_host(&device)?), &want_state, 0.0, "states of tokens");

    let mut state = device.alloc_from(&old)?;
    let fresh = Sequences::new(&stream, &[Prompt { tokens: 5, fresh: true }; 2])?;
    causal_conv1d_full(&stream, &mut y, &mut state, rows, &conv, &fresh)?;
    let want = transposed(&get("y_zero_state"), channels, tokens);
    close(&doubles(&y.to_host(&device)?), &want, 1e-6, "fresh prompts");
    Ok(())
}

/// Sequences of these lengths, the second without a slot, with taps and a bias, against the
/// definition. Rows are wider than the channels.
fn check_conv<T: Convolves + Kind>(taps: usize, lengths: &[usize], tolerance: f64) -> Result<()> {
    const CHANNELS: usize = 24;
    const STRIDE: usize = 40;
    let device = crate::device();
    let stream = device.stream();
    let count: usize = lengths.iter().sum();
    let old = (taps - 1) * CHANNELS;
    let x = rounded::<T>(&numbers(1, 8 + count * STRIDE));
    let weight = rounded::<T>(&numbers(2, taps * CHANNELS));
    let bias = rounded::<T>(&numbers(3, CHANNELS));
    let mut pool = rounded::<T>(&numbers(4, lengths.len() * old));
    let slots: Vec<u32> =
        (0..lengths.len() as u32).map(|at| if at == 1 { NO_SLOT } else { at }).collect();
    let [x_buffer, weight_buffer, bias_buffer] =
        [&x, &weight, &bias].map(|it| device.alloc_from(&of::<T>(it)));
    let (x_buffer, weight_buffer, bias_buffer) = (x_buffer?, weight_buffer?, bias_buffer?);
    let mut state = device.alloc_from(&of::<T>(&pool))?;
    let slot_buffer = device.alloc_from(&slots)?;
    let mut y = device.alloc_zeros::<T>(count * CHANNELS)?;
    let prompts: Vec<Prompt> =
        lengths.iter().map(|it| Prompt { tokens: *it as u32, fresh: false }).collect();
    let conv = Conv {
        channels: CHANNELS as u32,
        weight: &weight_buffer,
        bias: Some(&bias_buffer),
        silu: false,
        settled: true,
        slots: &slot_buffer,
    };
    let rows = Rows { buffer: &x_buffer, first: 8, stride: STRIDE as u32 };
    let sequences = Sequences::new(&stream, &prompts)?;
    causal_conv1d_full(&stream, &mut y, &mut state, rows, &conv, &sequences)?;
    let (mut want, mut first) = (Vec::new(), 0);
    for (sequence, &length) in lengths.iter().enumerate() {
        let row = |token: usize| &x[8 + token * STRIDE..][..CHANNELS];
        let inputs: Vec<f64> = (first..first + length).flat_map(row).copied().collect();
        first += length;
        if slots[sequence] == NO_SLOT {
            want.extend(vec![0.0; inputs.len()]);
            continue;
        }
        let state = &mut pool[sequence * old..][..old];
        want.extend(causal_conv1d_reference(&inputs, &weight, &bias, CHANNELS, false, state));
    }
    let what = format!("{taps} taps, {lengths:?}");
    close(&doubles(&y.to_host(&device)?), &want, tolerance, &what);
    close(&doubles(&state.to_host(&device)?), &pool, 0.0, format!("{what}, states"));
    Ok(())
}

#[test]
fn conv_of_ragged_batches_is_the_definition() -> Result<()> {
    check_conv::<f32>(4, &[130, 3, 1], 1e-6)?;
    check_conv::<f32>(2, &[65], 1e-6)?;
    check_conv::<bf16>(3, &[2, 1, 64], 1.0 / 256.0)?;
    check_conv::<bf16>(4, &[67, 1, 2], 1.0 / 256.0)
}

#[test]
fn convolutions_that_do_not_fit_are_reported() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let x = device.alloc_zeros::<f32>(8)?;
    let (mut y, mut state) = (device.alloc_zeros::<f32>(8)?, device.alloc_zeros::<f32>(24)?);
    let weight = device.alloc_zeros::<f32>(40)?;
    let slots = device.alloc_from(&[0u32])?;
    let conv = Conv {
        channels: 8,
        weight: &weight,
        bias: None,
        silu: true,
        settled: false,
        slots: &slots,
    };
    let rows = Rows::dense(&x, 8);
    let result = causal_conv1d_update(&stream, &mut y, &mut state, rows, &conv);
    assert!(matches!(result, Err(Error::Taps { got: 5 })), "{result:?}");
    let conv = Conv { channels: 4, ..conv };
    let result = causal_conv1d_update(&stream, &mut y, &mut state, rows, &conv);
    assert!(matches!(result, Err(Error::Rows { multiple: 8, got: 4, .. })), "{result:?}");
    Ok(())
}

/// Against golden data in `f32`, and the definition in the type of the inputs.
fn check_gating<T: Gated + Kind>() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let file = File::read("pieces.safetensors");
    let get = |name: &str| file.get(&format!("gate_f32.{name}"));
    let [a, b] = ["a", "b"].map(|name| rounded::<T>(&get(name)));
    let [a_log, dt_bias] = ["A_log", "dt_bias"].map(get);
    let [a_buffer, b_buffer] = [&a, &b].map(|it| device.alloc_from(&of::<T>(it)));
    let (a_buffer, b_buffer) = (a_buffer?, b_buffer?);
    let [a_log_buffer, dt_buffer] = [&a_log, &dt_bias].map(|it| device.alloc_from(&of::<f32>(it)));
    let (a_log_buffer, dt_buffer) = (a_log_buffer?, dt_buffer?);
    let mut g = device.alloc_uninit::<f32>(a.len())?;
    let mut beta = device.alloc_uninit::<f32>(a.len())?;
    fused_gdn_gating(&stream, &mut g, &mut beta, &a_buffer, &b_buffer, &a_log_buffer, &dt_buffer)?;
    let (want_g, want_beta) = gdn_gating_reference(&a, &b, &a_log, &dt_bias);
    close(&doubles(&g.to_host(&device)?), &want_g, 1e-6, "g");
    close(&doubles(&beta.to_host(&device)?), &want_beta, 1e-6, "beta");
    Ok(())
}

#[test]
fn gating_on_the_device_is_the_definition() -> Result<()> {
    check_gating::<f32>()?;
    check_gating::<bf16>()
}
