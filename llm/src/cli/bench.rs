//! `firesteel bench`
//!
//! Prefill is the reading of prompts: their tokens over the time until every request has its
//! first token. Decode is the writing of answers: the tokens after the first over the time that
//! they take. Prompts are random tokens, which cost what any others do.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use serde::Serialize;

use super::{
    failure::Failure,
    model::{Choice, Quantising},
    progress::Wait,
};
use crate::{
    engine::{Event, Handle, Job, Options},
    runner::Runner,
    sample::Params,
};

const EXAMPLES: &str = "\
Examples:
  firesteel bench
  firesteel bench -m model.gguf --prompt 512 --generate 64
  firesteel bench --batch 8 --json > bench.json";

/// Measures how fast a model reads prompts and writes answers.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    model: Choice,
    #[command(flatten)]
    quantising: Quantising,
    /// The length of the prompt, in tokens [default: 128, or half of a shorter context]
    #[arg(long, short, value_name = "N")]
    prompt: Option<usize>,
    /// The length of the answer, in tokens
    #[arg(long, short = 'n', value_name = "N", default_value_t = 64)]
    generate: usize,
    /// Requests at once
    #[arg(long, short, value_name = "N", default_value_t = 1)]
    batch: usize,
    /// Runs that count; one before them warms up
    #[arg(long, short, value_name = "N", default_value_t = 3)]
    repeat: usize,
    /// Writes JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    architecture: String,
    parameters: u64,
    quantisation: String,
    threads: usize,
    prompt: usize,
    generate: usize,
    batch: usize,
    load_seconds: f64,
    /// Medians of the runs.
    prefill_tokens_per_second: f64,
    decode_tokens_per_second: f64,
    first_token_seconds: f64,
    runs: Vec<Run>,
}

/// One run.
#[derive(Debug, Serialize)]
struct Run {
    prefill_tokens_per_second: f64,
    decode_tokens_per_second: f64,
    first_token_seconds: f64,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let began = Instant::now();
    let batch = args.batch.max(1);
    let options = Options { max_batch: batch, max_queue: batch, ..Options::default() };
    let runner = args.model.start(&args.quantising, options)?;
    let load = began.elapsed();
    let context = runner.engine.context();
    let (prompt, generate) = lengths(args, context)?;
    let mut runs = Vec::new();
    for i in 0..=args.repeat.max(1) {
        let _wait = Wait::new(format!("run {i} of {}", args.repeat.max(1)));
        let run = measure(&runner, batch, prompt, generate)?;
        // The first one warms caches up and is not counted.
        runs.extend((i > 0).then_some(run));
    }
    let report = Report {
        model: runner.name.clone(),
        architecture: runner.description.architecture.clone(),
        parameters: runner.description.parameters,
        quantisation: runner.description.quantisation.clone(),
        threads: std::thread::available_parallelism().map_or(1, Into::into),
        prompt,
        generate,
        batch,
        load_seconds: load.as_secs_f64(),
        prefill_tokens_per_second: median(&runs, |it| it.prefill_tokens_per_second),
        decode_tokens_per_second: median(&runs, |it| it.decode_tokens_per_second),
        first_token_seconds: median(&runs, |it| it.first_token_seconds),
        runs,
    };
    write(&report, args.json)
}

/// The lengths of prompt and answer, which must fit the context.
fn lengths(args: &Args, context: usize) -> Result<(usize, usize), Failure> {
    let prompt = args.prompt.unwrap_or_else(|| 128.min(context / 2));
    let sum = prompt.saturating_add(args.generate);
    if prompt == 0 || args.generate < 2 || sum > context {
        return Err(Failure::Usage(format!(
            "want a prompt of at least 1 token and at least 2 to generate, {context} together \
             at most, got {prompt} and {}\nhelp: the options are --prompt and --generate",
            args.generate
        )));
    }
    Ok((prompt, args.generate))
}

fn measure(runner: &Runner, batch: usize, prompt: usize, generate: usize) -> Result<Run, Failure> {
    let mut rng = ChaCha12Rng::seed_from_u64(0);
    let vocab = runner.engine.vocab() as u64;
    let jobs = (0..batch).map(|_| Job {
        prompt: (0..prompt).map(|_| (rng.next_u64() % vocab) as u32).collect(),
        params: Params { temperature: 0.0, ..Params::default() },
        max_tokens: generate,
        stop_ids: Vec::new(),
    });
    let began = Instant::now();
    let mut handles = runner.engine.submit_all(jobs.collect())?;
    let mut first = Duration::ZERO;
    for handle in &mut handles {
        token(handle)?;
        first = first.max(began.elapsed());
    }
    for handle in &mut handles {
        while token(handle)? {}
    }
    let decode = began.elapsed().saturating_sub(first);
    let rate = |tokens: usize, time: Duration| tokens as f64 / time.as_secs_f64().max(1e-9);
    Ok(Run {
        prefill_tokens_per_second: rate(batch * prompt, first),
        decode_tokens_per_second: rate(batch * (generate - 1), decode),
        first_token_seconds: first.as_secs_f64(),
    })
}

/// Waits for the next token; says whether there is one.
fn token(handle: &mut Handle) -> Result<bool, Failure> {
    loop {
        match handle.blocking_recv() {
            Some(Event::Started) => {}
            Some(Event::Token(_)) => return Ok(true),
            Some(Event::Done(_)) => return Ok(false),
            Some(Event::Failed(message)) => return Err(Failure::Answer(message)),
            None => return Err(Failure::Answer("the engine stopped".to_owned())),
        }
    }
}

fn median(runs: &[Run], of: impl Fn(&Run) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn write(report: &Report, json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if json {
        let text = serde_json::to_string_pretty(report).map_err(std::io::Error::from)?;
        writeln!(out, "{text}")?;
        return Ok(());
    }
    let Report { model, architecture, quantisation, threads, .. } = report;
    let millions = report.parameters as f64 / 1e6;
    writeln!(out, "{model}: {architecture}, {millions:.1} M, {quantisation}, {threads} threads")?;
    writeln!(out, "load     {:>10.2} s", report.load_seconds)?;
    let (batch, prompt, generate) = (report.batch, report.prompt, report.generate);
    let prefill = report.prefill_tokens_per_second;
    let (decode, first) = (report.decode_tokens_per_second, report.first_token_seconds * 1e3);
    writeln!(out, "prefill  {prefill:>10.1} tokens/s   {batch} x {prompt} tokens, {first:.1} ms")?;
    writeln!(out, "decode   {decode:>10.1} tokens/s   {batch} x {generate} tokens")?;
    Ok(())
}
