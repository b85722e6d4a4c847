//! Prompts, and chunks of prompts on top of a cache.

use firesteel::prelude::*;
use firesteel_kernels::attention::prefill::{Keys, PAGE, Path, Prefill, prefill};
use serde_json::json;

use super::harness::Failure;
use super::harness::data::{Host, distance};
use super::harness::options::Options;
use super::harness::page::Page;
use super::harness::turns::{Contestant, take_turns};

const Q_HEADS: u32 = 32;
const KV_HEADS: u32 = 8;
const DIMS: &[u32] = &[64, 128, 256];
const TOKENS: &[u32] = &[512, 2048, 8192, 16384];
const PATHS: [(Path, &str); 2] = [(Path::Wgmma, "wgmma"), (Path::Mma, "mma")];
/// Queries of a chunk, and the sequences of a batch.
const CHUNK: u32 = 512;
const SEQUENCES: u32 = 4;

/// Operands, and a result for each path.
struct Case {
    prefill: Prefill,
    starts: GpuBuffer<u32>,
    q: GpuBuffer<bf16>,
    k: GpuBuffer<bf16>,
    v: GpuBuffer<bf16>,
    /// The table and the lengths of pages.
    pages: Option<(GpuBuffer<u32>, GpuBuffer<u32>)>,
    results: Vec<GpuBuffer<bf16>>,
    /// Of the two products with the keys that are seen.
    flops: f64,
}

impl Case {
    /// One prompt.
    fn prompt(device: &Device, dim: u32, tokens: u32) -> Result<Self, Failure> {
        let starts = device.alloc_from(&[0, tokens])?;
        let pairs = f64::from(tokens) * f64::from(tokens) / 2.0;
        Self::new(device, dim, (starts, tokens, tokens), None, pairs)
    }

    /// The last [`CHUNK`] tokens of each of [`SEQUENCES`] sequences of `keys` in pages.
    fn chunk(device: &Device, dim: u32, keys: u32) -> Result<Self, Failure> {
        let starts: Vec<u32> = (0..=SEQUENCES).map(|at| at * CHUNK).collect();
        let pages = SEQUENCES * keys / PAGE as u32;
        // Neighbours in a sequence are far apart in memory.
        let table: Vec<u32> = (0..pages).map(|at| at * 37 % pages).collect();
        let table = device.alloc_from(&table)?;
        let lengths = device.alloc_from(&vec![keys; SEQUENCES as usize])?;
        let seen = f64::from(keys) - f64::from(CHUNK) / 2.0;
        let pairs = f64::from(SEQUENCES) * f64::from(CHUNK) * seen;
        let tokens = (device.alloc_from(&starts)?, SEQUENCES * CHUNK, SEQUENCES * keys);
        let mut case = Self::new(device, dim, tokens, Some((table, lengths)), pairs)?;
        case.prefill = case.prefill.longest(CHUNK);
        Ok(case)
    }

    fn new(
        device: &Device,
        dim: u32,
        (starts, queries, keys): (GpuBuffer<u32>, u32, u32),
        pages: Option<(GpuBuffer<u32>, GpuBuffer<u32>)>,
        pairs: f64,
    ) -> Result<Self, Failure> {
        let of = |seed, tokens: u32, heads: u32| {
            let host = Host::normal(seed, (tokens * heads * dim) as usize);
            device.alloc_from(&host.bf16())
        };
        let q = of(1, queries, Q_HEADS)?;
        let result = || device.alloc_zeros(q.len());
        Ok(Self {
            prefill: Prefill::new(Q_HEADS, KV_HEADS, dim),
            results: vec![result()?, result()?],
            starts,
            k: of(2, keys, KV_HEADS)?,
            v: of(3, keys, KV_HEADS)?,
            q,
            pages,
            flops: pairs * f64::from(Q_HEADS) * f64::from(dim) * 4.0,
        })
    }

    /// Times both paths, and writes a line for each.
    fn run(
        mut self,
        device: &Device,
        page: &mut Page,
        options: &Options,
        (dim, tokens): (u32, u32),
    ) -> Result<(), Failure> {
        let stream = device.create_stream()?;
        let mut results = std::mem::take(&mut self.results);
        let mut contestants = Vec::new();
        for ((path, name), o) in PATHS.iter().zip(&mut results) {
            if !name.contains(&options.only) {
                continue;
            }
            let keys = match &self.pages {
                None => Keys::Dense { k: &self.k, v: &self.v, starts: &self.starts },
                Some((table, lengths)) => Keys::Paged { k: &self.k, v: &self.v, table, lengths },
            };
            let what = self.prefill.path(*path);
            contestants.push(Contestant::new(&stream, name, 1, |_| {
                Ok(prefill(&stream, o, None, &self.q, &self.starts, &keys, &what)?)
            })?);
        }
        let times = take_turns(&stream, &contestants, options.rounds)?;
        let apart = if contestants.len() == 2 {
            let [a, b] = [0, 1].map(|at| results[at].to_host(device));
            let doubles = |values: Vec<bf16>| values.into_iter().map(f64::from).collect::<Vec<_>>();
            format!("{:.1e}", distance(&doubles(a?), &doubles(b?)))
        } else {
            String::new()
        };
        for (contestant, time) in contestants.iter().zip(times) {
            let rate = self.flops / time.median / 1e12;
            let cells = [
                dim.to_string(),
                tokens.to_string(),
                contestant.name.clone(),
                format!("{:.1}", time.median * 1e6),
                time.range_us(),
                format!("{rate:.0}"),
                apart.clone(),
            ];
            let figures = json!({
                "dim": dim,
                "tokens": tokens,
                "paged": self.pages.is_some(),
                "path": contestant.name,
                "seconds": time.median,
                "tflops": rate,
            });
            page.row(&cells, figures);
        }
        Ok(())
    }
}

fn or<'a>(given: &'a [u32], usual: &'a [u32]) -> &'a [u32] {
    if given.is_empty() { usual } else { given }
}

/// One prompt of each length.
pub(crate) fn prompts(
    device: &Device,
    page: &mut Page,
    options: &Options,
    (dims, tokens): (&[u32], &[u32]),
) -> Result<(), Failure> {
    page.text("## Prompts");
    page.text(
        "One sequence, causal, `bf16`, 32 query heads on 8 heads of keys. The rate counts half of \
         the pairs of a query and a key, two products each; the distance is that of the two paths' \
         results.",
    );
    page.table(&["head", "tokens", "path", "µs", "10% to 90%", "TFLOP/s", "distance"]);
    for &dim in or(dims, DIMS) {
        for &tokens in or(tokens, TOKENS) {
            Case::prompt(device, dim, tokens)?.run(device, page, options, (dim, tokens))?;
        }
    }
    Ok(())
}

/// The last tokens of several sequences in pages.
pub(crate) fn chunks(
    device: &Device,
    page: &mut Page,
    options: &Options,
    dims: &[u32],
) -> Result<(), Failure> {
    page.text("## Chunks on top of a cache");
    page.text(&format!(
        "The last {CHUNK} tokens of each of {SEQUENCES} sequences in pages, otherwise the same."
    ));
    page.table(&["head", "tokens", "path", "µs", "10% to 90%", "TFLOP/s", "distance"]);
    for &dim in or(dims, DIMS) {
        for tokens in [2048, 8192, 32768] {
            Case::chunk(device, dim, tokens)?.run(device, page, options, (dim, tokens))?;
        }
    }
    Ok(())
}
