//! The cases, and what the page says of them.

use firesteel::prelude::*;
use firesteel_kernels::gdn::{
    Chunked, Conv, GatedNorm, Gates, Heads, Prompt, Recurrence, Rows, Sequences, Tokens, Workspace,
    causal_conv1d_full, causal_conv1d_update, chunked_gated_delta_rule,
    gated_delta_rule_recurrence,
};
use serde_json::json;

use super::harness::Failure;
use super::harness::data::Host;
use super::harness::options::Options;
use super::harness::page::Page;
use super::harness::turns::{Contestant, Spread, take_turns};

/// Bytes of all buffers of a case that should not be in the L2 cache: several times as large.
const ROTATED: usize = 300 << 20;
/// Launches of a graph.
const LAUNCHES: usize = 32;

/// As many bytes read as written, 16 at a time.
#[gpu_kernel(block_size = 512, unchecked)]
fn copy_kernel(x: &[u32], y: &mut [u32], pieces: u32) {
    let stride = grid_dim_x() * 512;
    let mut at = block_idx_x() * 512 + thread_idx_x();
    while at + stride * 3 < pieces {
        let a = load_vec4_stream(x, at * 4);
        let b = load_vec4_stream(x, (at + stride) * 4);
        let c = load_vec4_stream(x, (at + stride * 2) * 4);
        let d = load_vec4_stream(x, (at + stride * 3) * 4);
        store_vec4(y, at * 4, a);
        store_vec4(y, (at + stride) * 4, b);
        store_vec4(y, (at + stride * 2) * 4, c);
        store_vec4(y, (at + stride * 3) * 4, d);
        at += stride * 4;
    }
    while at < pieces {
        store_vec4(y, at * 4, load_vec4_stream(x, at * 4));
        at += stride;
    }
}

fn heads(value_heads: u32) -> Heads {
    Heads { key_heads: 16, value_heads, key_dim: 128, value_dim: 128 }
}

/// How many copies of so many bytes, and how often they are gone round.
fn rotation(device: &Device, bytes: usize) -> (usize, usize) {
    if device.is_sim() {
        return (1, 1);
    }
    let copies = ROTATED.div_ceil(bytes).clamp(2, 64);
    (copies, LAUNCHES.div_ceil(copies) * copies)
}

fn bf16s(stream: &Stream, seed: u64, len: usize) -> Result<GpuBuffer<bf16>, Failure> {
    Ok(stream.alloc_from(&Host::normal(seed, len).bf16())?)
}

fn f32s(stream: &Stream, seed: u64, len: usize) -> Result<GpuBuffer<f32>, Failure> {
    Ok(stream.alloc_from(&Host::normal(seed, len).f32())?)
}

/// A case's name, its bytes if they bound it, and its times.
struct Line {
    name: String,
    bytes: Option<usize>,
    times: Spread,
    /// A copy of as many bytes.
    copy: Option<Spread>,
}

struct Bench {
    device: Device,
    stream: Stream,
    options: Options,
    lines: Vec<Line>,
}

impl Bench {
    fn wants(&self, name: &str) -> bool {
        name.contains(&self.options.only)
    }

    /// Lets a case run, against a copy if its bytes are given.
    fn run(
        &mut self,
        name: String,
        bytes: Option<usize>,
        launches: usize,
        work: impl FnMut(usize) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut contestants = vec![Contestant::new(&self.stream, &name, launches, work)?];
        // A copy reads half of the bytes and writes the other.
        let (mut from, mut to) = (Vec::new(), Vec::new());
        if let Some(bytes) = bytes {
            let (copies, _) = rotation(&self.device, bytes);
            for _ in 0..copies {
                from.push(self.stream.alloc_zeros::<u32>(bytes / 8)?);
                to.push(self.stream.alloc_zeros::<u32>(bytes / 8)?);
            }
            let blocks = self.device.info()?.multiprocessors * 4;
            let stream = &self.stream;
            contestants.push(Contestant::new(stream, "copy", launches, |at| {
                let config = LaunchConfig::new([blocks, 1, 1]);
                let (from, to) = (&from[at % copies], &mut to[at % copies]);
                // SAFETY: The pieces are those of the buffers.
                unsafe { copy_kernel::launch_on(stream, config, from, to, (bytes / 32) as u32)? };
                Ok(())
            })?);
        }
        let times = take_turns(&self.stream, &contestants, self.options.rounds)?;
        self.lines.push(Line { name, bytes, times: times[0], copy: times.get(1).copied() });
        Ok(())
    }

    fn prompts(&mut self, value_heads: u32, tokens: usize) -> Result<(), Failure> {
        let name = format!("prompts, {value_heads} value heads, T = {tokens}");
        if !self.wants(&name) {
            return Ok(());
        }
        let (stream, heads) = (self.stream.clone(), heads(value_heads));
        let (channels, values) = (heads.channels() as usize, heads.values() as usize);
        let (copies, launches) = rotation(&self.device, tokens * (channels + values) * 2);
        let (copies, launches) = (copies.min(16), launches.min(16));
        let (mut qkv, mut out) = (Vec::new(), Vec::new());
        for copy in 0..copies {
            qkv.push(bf16s(&stream, copy as u64, tokens * channels)?);
            out.push(stream.alloc_zeros::<bf16>(tokens * values)?);
        }
        let n_gates = tokens * value_heads as usize;
        let (a, b) = (bf16s(&stream, 2, n_gates)?, bf16s(&stream, 3, n_gates)?);
        let a_log = f32s(&stream, 4, value_heads as usize)?;
        let dt_bias = f32s(&stream, 5, value_heads as usize)?;
        let mut state = stream.alloc_zeros::<f32>(heads.state_len())?;
        let slots = stream.alloc_from(&[0u32])?;
        let prompt = Prompt { tokens: tokens as u32, fresh: false };
        let sequences = Sequences::new(&stream, &[prompt])?;
        let mut workspace = Workspace::new(&stream, &heads, sequences.chunks())?;
        let gates = Gates::Raw { a: &a, b: &b, a_log: &a_log, dt_bias: &dt_bias };
        let run = Chunked::new(heads, &sequences, &slots);
        self.run(name, None, launches, |at| {
            let tokens = Tokens::packed(&qkv[at % copies], &heads, tokens);
            let (out, workspace) = (&mut out[at % copies], &mut workspace);
            chunked_gated_delta_rule(&stream, out, &mut state, &tokens, &gates, workspace, &run)?;
            Ok(())
        })
    }

    /// The recurrence alone, or all steps of a layer between its projections.
    fn decoding(&mut self, value_heads: u32, batch: usize, layer: bool) -> Result<(), Failure> {
        let what = if layer { "layer" } else { "recurrence" };
        let name = format!("{what}, {value_heads} value heads, batch {batch}");
        if !self.wants(&name) {
            return Ok(());
        }
        let (stream, heads) = (self.stream.clone(), heads(value_heads));
        let bytes = batch * heads.state_len() * 4;
        let (copies, launches) = rotation(&self.device, bytes);
        let (channels, values) = (heads.channels() as usize, heads.values() as usize);
        let mixed = bf16s(&stream, 1, batch * channels)?;
        let mut qkv = bf16s(&stream, 1, batch * channels)?;
        let taps = bf16s(&stream, 2, 4 * channels)?;
        let mut conv_state = stream.alloc_zeros::<bf16>(batch * 3 * channels)?;
        let a = bf16s(&stream, 3, batch * value_heads as usize)?;
        let b = bf16s(&stream, 4, batch * value_heads as usize)?;
        let a_log = f32s(&stream, 5, value_heads as usize)?;
        let dt_bias = f32s(&stream, 6, value_heads as usize)?;
        let (z, weight) = (bf16s(&stream, 7, batch * values)?, f32s(&stream, 8, 128)?);
        let mut out = stream.alloc_zeros::<bf16>(batch * values)?;
        let slots = stream.alloc_from(&(0..batch as u32).collect::<Vec<_>>())?;
        let mut states = Vec::new();
        for _ in 0..copies {
            states.push(stream.alloc_zeros::<f32>(batch * heads.state_len())?);
        }
        let conv = Conv {
            channels: heads.channels(),
            weight: &taps,
            bias: None,
            silu: true,
            settled: true,
            slots: &slots,
        };
        let gates = Gates::Raw { a: &a, b: &b, a_log: &a_log, dt_bias: &dt_bias };
        let z = Rows::dense(&z, heads.values());
        let norm = layer.then_some(GatedNorm { z, weight: &weight, eps: 1e-6 });
        let run = Recurrence { settled: true, norm, ..Recurrence::new(heads, &slots) };
        self.run(name, (!layer).then_some(2 * bytes), launches, |at| {
            if layer {
                let mixed = Rows::dense(&mixed, heads.channels());
                causal_conv1d_update(&stream, &mut qkv, &mut conv_state, mixed, &conv)?;
            }
            let tokens = Tokens::packed(&qkv, &heads, batch);
            let state = &mut states[at % copies];
            gated_delta_rule_recurrence(&stream, &mut out, state, &tokens, &gates, &run)?;
            Ok(())
        })
    }

    fn conv(&mut self, channels: u32, tokens: usize) -> Result<(), Failure> {
        let name = format!("convolution, {channels} channels, T = {tokens}");
        if !self.wants(&name) {
            return Ok(());
        }
        let stream = self.stream.clone();
        let len = tokens * channels as usize;
        let (copies, launches) = rotation(&self.device, len * 4);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for copy in 0..copies {
            x.push(bf16s(&stream, copy as u64, len)?);
            y.push(stream.alloc_zeros::<bf16>(len)?);
        }
        let taps = bf16s(&stream, 2, 4 * channels as usize)?;
        let mut state = stream.alloc_zeros::<bf16>(3 * channels as usize)?;
        let slots = stream.alloc_from(&[0u32])?;
        let prompt = Prompt { tokens: tokens as u32, fresh: false };
        let sequences = Sequences::new(&stream, &[prompt])?;
        let conv =
            Conv { channels, weight: &taps, bias: None, silu: true, settled: false, slots: &slots };
        self.run(name, Some(len * 4), launches, |at| {
            let (x, y) = (Rows::dense(&x[at % copies], channels), &mut y[at % copies]);
            causal_conv1d_full(&stream, y, &mut state, x, &conv, &sequences)?;
            Ok(())
        })
    }

    fn page(&self) -> Result<Page, Failure> {
        let mut page = Page::new(&self.device, "gdn", "Gated DeltaNet")?;
        page.text(
            "16 key heads, all heads 128 wide, inputs of `bf16`, states of `f32`.\n\
             *Prompts* are `chunked_gated_delta_rule` of one sequence with its gates and norms; \
             *recurrence* is `gated_delta_rule_recurrence` of a token each; *layer* is that with the \
             output's norm, and `causal_conv1d_update` before it.\n\
             Buffers are rotated so that states and tokens come from memory. Rates count each byte \
             of a state, or of the convolution's rows, read and written; a copy of as many bytes \
             takes turns with them.",
        );
        page.table(&["case", "µs", "p10 to p90", "GB/s", "copy µs", "of copy"]);
        for Line { name, bytes, times, copy } in &self.lines {
            let us = times.median * 1e6;
            let rate = bytes.map_or(String::new(), |it| format!("{:.0}", it as f64 / us / 1e3));
            let [copy_us, share] = copy.map_or([String::new(), String::new()], |copy| {
                let share = 100.0 * copy.median / times.median;
                [format!("{:.2}", copy.median * 1e6), format!("{share:.0} %")]
            });
            let figures = json!({
                "case": name, "bytes": bytes, "seconds": times.median, "seconds_p10": times.low,
                "seconds_p90": times.high, "copy_seconds": copy.map(|it| it.median),
            });
            let cells = [name.clone(), format!("{us:.2}"), times.range_us(), rate, copy_us, share];
            page.row(&cells, figures);
        }
        Ok(page)
    }
}

/// Measures all cases and prints the page.
pub(crate) fn report() -> Result<(), Failure> {
    let options = Options::parse(|_, _| Ok(false))?;
    let device = Device::new(0)?;
    let stream = device.create_stream()?;
    let simulated = device.is_sim();
    let mut bench = Bench { device, stream, options, lines: Vec::new() };
    let lengths: &[usize] = if simulated { &[70] } else { &[512, 2048, 8192, 32768] };
    let batches: &[usize] = if simulated { &[1] } else { &[1, 8, 32] };
    for value_heads in [32, 48] {
        for &tokens in lengths {
            bench.prompts(value_heads, tokens)?;
        }
        for layer in [false, true] {
            for &batch in batches {
                bench.decoding(value_heads, batch, layer)?;
            }
        }
    }
    for channels in [8192, 10240] {
        for &tokens in &lengths[..lengths.len().min(3)] {
            bench.conv(channels, tokens)?;
        }
    }
    bench.page()?.print(bench.options.json.as_deref())
}
