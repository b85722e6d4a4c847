//! Tokens a second on the CPU: the model in the box, and random weights in the shape of
//! Qwen3-0.6B, against candle's own `quantized_qwen3` on the same threads, in turns.
//!
//! `cargo bench -p firesteel-llm --bench decode` prints the page; `-- --write` also writes it to
//! `docs/src/benchmarks/llm-cpu.md`, and `-- story` leaves out the large model.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark reports and may stop")]

#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/models/random.rs"]
mod random;

use candle_core::quantized::{GgmlDType, gguf_file};
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_qwen3::ModelWeights;
use firesteel_llm::engine::{Engine, Event, Job, Options};
use firesteel_llm::load::from_reader;
use firesteel_llm::models::{Model, Slice};
use firesteel_llm::sample::Params;
use random::{Kind, Shape};
use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;
use std::time::{Duration, Instant};

/// Tokens of the prompt, and tokens after it.
const PROMPT: usize = 128;
const ANSWER: usize = 48;
/// Other programs only ever take time away, so the best round counts.
const ROUNDS: usize = 5;
const REQUESTS: usize = 8;

const SHAPE: Shape = Shape {
    layers: 28,
    hidden: 1024,
    inner: 3072,
    heads: 16,
    kv: 8,
    width: 128,
    vocab: 151_936,
    context: 4096,
    theta: 1e6,
};
const QWEN3: Kind =
    Kind { name: "qwen3", head_norms: true, bias: false, experts: None, tied: true };

/// Tokens a second.
#[derive(Debug, Clone, Copy, Default)]
struct Speed {
    prefill: f64,
    decode: f64,
}

impl Speed {
    fn best(self, other: Self) -> Self {
        let (prefill, decode) = (self.prefill.max(other.prefill), self.decode.max(other.decode));
        Self { prefill, decode }
    }
}

/// Times a prompt and then single tokens; `step` reads tokens at a position.
fn speed(vocab: usize, mut step: impl FnMut(&[u32], usize)) -> Speed {
    let token = |at: usize| (at * 7919 % vocab) as u32;
    let prompt: Vec<u32> = (0..PROMPT).map(token).collect();
    let began = Instant::now();
    step(&prompt, 0);
    let prefill = PROMPT as f64 / began.elapsed().as_secs_f64();
    let began = Instant::now();
    for at in PROMPT..PROMPT + ANSWER {
        step(&[token(at)], at);
    }
    Speed { prefill, decode: ANSWER as f64 / began.elapsed().as_secs_f64() }
}

fn ours(model: &mut dyn Model) -> Speed {
    let mut state = model.new_state();
    speed(model.vocab(), |tokens, _| {
        model.forward(&mut [Slice { tokens, state: &mut state, logits: true }]).unwrap();
    })
}

fn candles(model: &mut ModelWeights, vocab: usize) -> Speed {
    model.clear_kv_cache();
    speed(vocab, |tokens, at| {
        let tokens = Tensor::new(tokens, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        let logits = model.forward(&tokens, at).unwrap();
        logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    })
}

/// Requests at once: tokens a second of all together, and the share of the slowest's tokens
/// when the fastest ends.
fn served(engine: &Engine, requests: usize) -> (f64, f64) {
    let token = |request: usize| (0..16).map(move |at| (request * 31 + at * 17) as u32 % 300);
    let began = Instant::now();
    let handles: Vec<_> = (0..requests)
        .map(|request| {
            let params = Params { temperature: 0.0, ..Params::default() };
            let prompt = token(request).collect();
            engine.submit(Job { prompt, params, max_tokens: ANSWER, stop_ids: Vec::new() }).unwrap()
        })
        .collect();
    let threads: Vec<_> = handles
        .into_iter()
        .map(|mut handle| {
            std::thread::spawn(move || {
                let mut tokens = Vec::new();
                while let Some(event) = handle.blocking_recv() {
                    match event {
                        Event::Token(_) => tokens.push(began.elapsed()),
                        Event::Failed(message) => panic!("{message}"),
                        Event::Started | Event::Done(_) => {}
                    }
                }
                tokens
            })
        })
        .collect();
    let times: Vec<Vec<Duration>> = threads.into_iter().map(|it| it.join().unwrap()).collect();
    let tokens: usize = times.iter().map(Vec::len).sum();
    let ends = times.iter().map(|it| it.last().copied().unwrap_or_default());
    let (first, last) = (ends.clone().min().unwrap(), ends.max().unwrap());
    let by_then = |it: &Vec<Duration>| it.iter().filter(|it| **it <= first).count();
    let slowest = times.iter().map(by_then).min().unwrap_or(0);
    (tokens as f64 / last.as_secs_f64(), slowest as f64 / ANSWER as f64)
}

/// One model's part of the page.
fn measure(page: &mut String, name: &str, bytes: Vec<u8>) {
    let mut file = Cursor::new(bytes.clone());
    let content = gguf_file::Content::read(&mut file).unwrap();
    let mut candle = ModelWeights::from_gguf(content, &mut file, &Device::Cpu).unwrap();
    drop(file);
    let mut model = from_reader(Box::new(Cursor::new(bytes)), name).unwrap().model;
    let (mut own, mut other) = (Speed::default(), Speed::default());
    for _ in 0..ROUNDS {
        own = own.best(ours(&mut *model));
        other = other.best(candles(&mut candle, model.vocab()));
    }
    drop(candle);
    let engine = Engine::start(model, Options { max_batch: REQUESTS, ..Options::default() });
    let (mut one, mut many, mut share) = (0.0_f64, 0.0_f64, 1.0_f64);
    for _ in 0..ROUNDS {
        one = one.max(served(&engine, 1).0);
        let (speed, slowest) = served(&engine, REQUESTS);
        many = many.max(speed);
        share = share.min(slowest);
    }
    for (what, own, other, by) in [
        ("prefill", own.prefill, other.prefill, "candle"),
        ("decode", own.decode, other.decode, "candle"),
    ] {
        let ratio = own / other;
        writeln!(page, "| {name}, {what} | {own:.1} | {other:.1} ({by}) | {ratio:.2} |").unwrap();
    }
    let ratio = many / one;
    let row = format!("| {name}, {REQUESTS} requests | {many:.1} | {one:.1} (one request) |");
    writeln!(page, "{row} {ratio:.2} |").unwrap();
    println!("{name}: the slowest request had {:.0} % when the first ended", 100.0 * share);
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|it| it.strip_prefix("model name"));
    line.map_or("unknown", |it| it.trim_start_matches([' ', '\t', ':'])).to_owned()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| arguments.iter().any(|it| it == name);
    let threads = candle_core::utils::barrier_pool().n_workers() + 1;
    let mut page = format!(
        "# Models on the CPU\n\n\
         `cargo bench -p firesteel-llm --bench decode -- --write`: tokens a second, the best of \
         {ROUNDS} rounds.\nPrompts have {PROMPT} tokens and answers {ANSWER}; the other side is \
         candle's own `quantized_qwen3`, in turns with ours on the same threads.\nWith \
         {REQUESTS} requests at once the figure is that of all together, through the engine.\n\n\
         {}, {threads} threads.\n\n\
         | model | Firesteel | other | ratio |\n| --- | --- | --- | --- |\n",
        processor(),
    );
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/story-q8_0.gguf");
    measure(&mut page, "story model, Q8_0", std::fs::read(assets).unwrap());
    if !given("story") {
        let bytes =
            random::gguf(&SHAPE, &QWEN3, &random::weights(&SHAPE, &QWEN3, 1), GgmlDType::Q8_0);
        measure(&mut page, "Qwen3-0.6B's shape, Q8_0", bytes);
    }
    println!("\n{page}");
    if given("--write") {
        let path = "../docs/src/benchmarks/llm-cpu.md";
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), page).unwrap();
    }
}
