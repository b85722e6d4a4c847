//! The choice of the next token, and the router of a mixture of experts, on one GPU.
//!
//! `--only TEXT` takes what has that in its name, `--rounds N` the turns, `--json FILE` the figures.

#[path = "../harness/mod.rs"]
mod harness;

use firesteel::half::bf16;
use firesteel::prelude::*;
use firesteel_kernels::moe::{Permutation, Routing, Scoring, combine_rows, gather_rows, route};
use firesteel_kernels::sample::{Context, Params, argmax, sample, top_k, upload_params};
use serde_json::json;

use harness::Failure;
use harness::data::Host;
use harness::options::Options;
use harness::page::Page;
use harness::turns::{Contestant, Spread, take_turns};

/// Qwen3's.
const VOCABULARY: usize = 151_936;
/// Copies of a row: 61 MB of `f32`, more than the L2 cache.
const COPIES: usize = 100;

/// Logits of a kind.
fn logits(kind: &str, rows: usize) -> Vec<f32> {
    let one = |(i, x): (usize, f32)| match kind {
        // A few hundred tokens far above all others, as a model that knows what comes has them.
        "peaked" if i % 700 == 3 => 12.0 + 4.0 * x,
        "peaked" => 2.0 * x - 4.0,
        "spread" => 3.0 * x,
        _ => 0.01 * x,
    };
    Host::normal(7, VOCABULARY * rows).f32().into_iter().enumerate().map(one).collect()
}

/// What is asked for, and its name.
fn choices() -> Vec<(&'static str, Params)> {
    let p = Params::default();
    vec![
        ("greedy", Params::GREEDY),
        ("temperature", p),
        ("temperature, min_p 0.05", Params { temperature: 0.7, min_p: 0.05, ..p }),
        (
            "temperature, top_k 20, top_p 0.95, min_p 0.05",
            Params { temperature: 0.7, top_k: 20, top_p: 0.95, min_p: 0.05, ..p },
        ),
        ("top_k 100, top_p 0.9", Params { top_k: 100, top_p: 0.9, ..p }),
        ("top_k 1000", Params { top_k: 1000, ..p }),
        ("top_p 0.95", Params { top_p: 0.95, ..p }),
    ]
}

fn us(spread: &Spread) -> String {
    format!("{:.2}", spread.median * 1e6)
}

fn of_one_row(stream: &Stream, page: &mut Page, options: &Options) -> Result<(), Failure> {
    page.text("## One row");
    page.text(&format!(
        "Microseconds of a choice among {VOCABULARY} tokens, the median of {} turns, and the tenth \
         and ninetieth percentile; 100 rows, which together exceed the L2 cache, one behind the \
         other in a graph. *Peaked* logits are normal with a few hundred far above, *spread* ones \
         normal with a deviation of 3, *flat* ones of 0.01.",
        options.rounds
    ));
    page.table(&["logits", "choice", "f32, µs", "10% to 90%", "bf16, µs"]);
    for kind in ["peaked", "spread", "flat"] {
        let row = logits(kind, 1);
        let half: Vec<bf16> = row.iter().map(|&it| bf16::from_f32(it)).collect();
        let rows = (0..COPIES).map(|_| stream.alloc_from(&row)).collect::<Result<Vec<_>, _>>()?;
        let halves =
            (0..COPIES * 2).map(|_| stream.alloc_from(&half)).collect::<Result<Vec<_>, _>>()?;
        let mut ids = stream.alloc_zeros::<u32>(1)?;
        for (name, p) in choices().into_iter().filter(|it| it.0.contains(&options.only)) {
            let mut params = upload_params(stream, &[p])?;
            let whole = Contestant::new(stream, name, COPIES, |i| {
                Ok(sample(stream, &mut ids, &mut params, &rows[i], Context::default())?)
            })?;
            let half = Contestant::new(stream, name, COPIES * 2, |i| {
                Ok(sample(stream, &mut ids, &mut params, &halves[i], Context::default())?)
            })?;
            let times = take_turns(stream, &[whole, half], options.rounds)?;
            let cells =
                [kind.into(), name.into(), us(&times[0]), times[0].range_us(), us(&times[1])];
            page.row(
                &cells,
                json!({ "logits": kind, "choice": name, "rows": 1, "f32": times[0].median,
                        "bf16": times[1].median }),
            );
        }
    }
    Ok(())
}

fn of_many_rows(stream: &Stream, page: &mut Page, options: &Options) -> Result<(), Failure> {
    page.text("## Many rows, and the largest");
    page.text("Microseconds of a launch for so many rows of peaked `f32` logits.");
    page.table(&["rows", "choice", "µs", "10% to 90%"]);
    for rows in [1, 8, 32, 128] {
        let from = stream.alloc_from(&logits("peaked", rows))?;
        let mut contestants = Vec::new();
        for (name, p) in choices() {
            let mut ids = stream.alloc_zeros::<u32>(rows)?;
            let mut params = upload_params(stream, &vec![p; rows])?;
            contestants.push(Contestant::new(stream, name, 10, |_| {
                Ok(sample(stream, &mut ids, &mut params, &from, Context::default())?)
            })?);
        }
        let mut ids = stream.alloc_zeros::<u32>(rows)?;
        contestants.push(Contestant::new(stream, "`argmax`", 10, |_| {
            Ok(argmax(stream, &mut ids, &from)?)
        })?);
        let mut ids = stream.alloc_zeros::<u32>(rows * 20)?;
        let mut values = stream.alloc_zeros::<f32>(rows * 20)?;
        contestants.push(Contestant::new(stream, "`top_k`, 20", 10, |_| {
            Ok(top_k(stream, &mut ids, &mut values, &from, 20)?)
        })?);
        contestants.retain(|it| it.name.contains(&options.only));
        for (it, time) in contestants.iter().zip(take_turns(stream, &contestants, options.rounds)?)
        {
            let cells = [rows.to_string(), it.name.clone(), us(&time), time.range_us()];
            page.row(&cells, json!({ "choice": it.name, "rows": rows, "seconds": time.median }));
        }
    }
    Ok(())
}

fn of_experts(stream: &Stream, page: &mut Page, options: &Options) -> Result<(), Failure> {
    const COLUMNS: usize = 2048;
    page.text("## Mixtures of experts");
    page.text(&format!(
        "Microseconds of each step for `f32` logits and rows of {COLUMNS} `bf16`, the same buffers \
         each time."
    ));
    page.table(&["tokens", "experts", "route, µs", "sort, µs", "gather, µs", "combine, µs"]);
    for (tokens, count, top_k) in
        [(1, 128, 8), (1, 512, 10), (8, 128, 8), (256, 128, 8), (8192, 128, 8), (8192, 256, 8)]
    {
        let routing = Routing { top_k, scoring: Scoring::Softmax, normalize: true, scale: 1.0 };
        let from = stream.alloc_from(&Host::normal(5, tokens * count).f32())?;
        let pairs = tokens * top_k;
        let mut experts = stream.alloc_zeros::<u32>(pairs)?;
        let mut weights = stream.alloc_zeros::<f32>(pairs)?;
        let mut order = Permutation::new(stream, pairs, count)?;
        let x = stream.alloc_zeros::<bf16>(tokens * COLUMNS)?;
        let mut rows = stream.alloc_zeros::<bf16>(pairs * COLUMNS)?;
        let mut out = stream.alloc_zeros::<bf16>(tokens * COLUMNS)?;
        let first = Contestant::new(stream, "route", 20, |_| {
            Ok(route(stream, &mut experts, &mut weights, &from, None, count, &routing)?)
        })?;
        // What is captured, has not run.
        stream.synchronize()?;
        let second = Contestant::new(stream, "sort", 20, |_| Ok(order.sort(stream, &experts)?))?;
        let third = Contestant::new(stream, "gather", 20, |_| {
            Ok(gather_rows(stream, &mut rows, &x, &order, top_k)?)
        })?;
        let fourth = Contestant::new(stream, "combine", 20, |_| {
            Ok(combine_rows(stream, &mut out, &rows, &weights, &order, top_k)?)
        })?;
        let times = take_turns(stream, &[first, second, third, fourth], options.rounds)?;
        let mut cells = vec![tokens.to_string(), format!("{top_k} of {count}")];
        cells.extend(times.iter().map(us));
        let seconds: Vec<f64> = times.iter().map(|it| it.median).collect();
        page.row(
            &cells,
            json!({ "tokens": tokens, "experts": count, "top_k": top_k, "seconds": seconds }),
        );
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let options = Options::parse(|_, _| Ok(false))?;
    let device = Device::new(0)?;
    let stream = device.stream();
    let mut page = Page::new(&device, "sample", "Sampling and mixtures of experts")?;
    of_one_row(&stream, &mut page, &options)?;
    of_many_rows(&stream, &mut page, &options)?;
    if options.only.is_empty() {
        of_experts(&stream, &mut page, &options)?;
    }
    page.print(options.json.as_deref())
}
