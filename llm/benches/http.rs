//! What the HTTP server costs, with an engine whose tokens cost nothing.
//!
//! `cargo bench -p firesteel-llm --bench http -- --write` writes `docs/src/benchmarks/http.md`.
//! The server is a process of its own. Its clients run beside it on the same cores, so what
//! they cost counts against it.

#![allow(clippy::print_stdout, reason = "a benchmark answers on stdout")]

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use firesteel_llm::{
    engine::{
        self,
        stub::{Gate, Stub},
    },
    http::{Options, Server, serve},
    runner::Runner,
};

const CONNECTIONS: usize = 64;
const TOKENS: usize = 2000;
const TIME: Duration = Duration::from_secs(10);
const IDLE: usize = 1000;
/// Time of a step of the engine that is not in a hurry.
const PACE: Duration = Duration::from_micros(2400);

/// The page that this program writes.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/benchmarks/http.md");

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("serve") => return host(&arguments[2]),
        // Without it this is a run of the tests, which is not the time to measure.
        _ if !arguments.iter().any(|it| it == "--bench") => return Ok(()),
        _ => {}
    }
    let (instant, paced) = (stream("instant")?, stream("paced")?);
    let page = page(&instant, &paced, &idle()?);
    print!("{page}");
    if arguments.iter().any(|it| it == "--write") {
        fs::write(PAGE, page)?;
    }
    Ok(())
}

/// The server's process: says its address on stdout and runs until it is killed.
fn host(kind: &str) -> io::Result<()> {
    let model = Stub::new(|token| 97 + (token + 8) % 26);
    let (gate, prefill_chunk) = match kind {
        "instant" => (Arc::default(), 256),
        "paced" => (ticking(PACE), 256),
        // A long prompt that is read slowly: the stream is open, and nothing comes.
        _ => (ticking(Duration::from_millis(20)), 1),
    };
    let model = Stub { context: 1 << 20, gate, ..model };
    let limits = engine::Options { max_batch: IDLE, max_queue: 0, prefill_chunk };
    let runner = Runner::start(model.loaded(), limits).map_err(io::Error::other)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        serve(listener, Server::new(runner, Options::default()), std::future::pending()).await
    })?;
    Ok(())
}

/// A gate that lets a step through again and again.
fn ticking(period: Duration) -> Arc<Gate> {
    let gate = Gate::closed();
    let ticks = Arc::clone(&gate);
    thread::spawn(move || {
        loop {
            thread::sleep(period);
            ticks.open(1);
        }
    });
    gate
}

/// A server's process, which ends with this value.
struct Host {
    child: Child,
    address: SocketAddr,
}

impl Host {
    fn start(kind: &str) -> io::Result<Self> {
        // A thousand connections are more than a process may have open by default.
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n 4096; exec \"$0\" serve \"$1\""])
            .arg(env::current_exe()?)
            .arg(kind)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("it has no stdout"))?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { child, address })
    }

    /// MiB of memory that it holds.
    fn resident(&self) -> io::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
        let kib = line.and_then(|it| it.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        kib.map(|it| it / 1024.0).ok_or_else(|| io::Error::other("/proc has no VmRSS"))
    }

    /// Asks for a stream.
    fn ask(&self, content: &str, max_tokens: usize) -> io::Result<TcpStream> {
        let body = format!(
            "{{\"messages\":[{{\"role\":\"user\",\"content\":\"{content}\"}}],\"stream\":true,\
             \"max_tokens\":{max_tokens}}}"
        );
        let mut stream = TcpStream::connect(self.address)?;
        write!(
            stream,
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        Ok(stream)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // If it is gone already there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What clients saw of a busy server.
#[derive(Default)]
struct Busy {
    tokens: usize,
    seconds: f64,
    /// Between two arrivals of tokens on a connection, sorted.
    gaps: Vec<Duration>,
    /// From the request to the first token, sorted.
    firsts: Vec<Duration>,
}

impl Busy {
    fn add(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.gaps.extend(other.gaps);
        self.firsts.extend(other.firsts);
    }
}

fn stream(kind: &str) -> io::Result<Busy> {
    let host = Host::start(kind)?;
    let began = Instant::now();
    let mut all = Busy::default();
    let parts: Vec<io::Result<Busy>> = thread::scope(|scope| {
        let client = || -> io::Result<Busy> {
            let mut busy = Busy::default();
            while began.elapsed() < TIME {
                read(&host, &mut busy)?;
            }
            Ok(busy)
        };
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(client)).collect();
        let joined = clients.into_iter().map(|it| it.join());
        joined.map(|it| it.unwrap_or_else(|_| Err(io::Error::other("a client panicked")))).collect()
    });
    for part in parts {
        all.add(part?);
    }
    all.seconds = began.elapsed().as_secs_f64();
    all.gaps.sort_unstable();
    all.firsts.sort_unstable();
    Ok(all)
}

/// Reads one stream to its end, and counts.
fn read(host: &Host, busy: &mut Busy) -> io::Result<()> {
    let asked = Instant::now();
    let mut stream = host.ask("hi", TOKENS)?;
    let (mut buffer, mut last, mut events) = (vec![0; 1 << 16], None, 0);
    let mut newline = false;
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        let before = events;
        for &byte in &buffer[..n] {
            // An event ends with two line feeds; the frame around it has none of its own.
            events += usize::from(newline && byte == b'\n');
            newline = byte == b'\n';
        }
        // The first event is the role.
        if events > before.max(1) {
            let now = Instant::now();
            match last {
                Some(last) => busy.gaps.push(now - last),
                None => busy.firsts.push(now - asked),
            }
            last = Some(now);
        }
    }
    // The role, the reason of the end and `[DONE]` are no tokens.
    if events != TOKENS + 3 {
        return Err(io::Error::other(format!("want {} events, got {events}", TOKENS + 3)));
    }
    busy.tokens += TOKENS;
    Ok(())
}

struct Idle {
    before: f64,
    after: f64,
}

fn idle() -> io::Result<Idle> {
    let host = Host::start("idle")?;
    let before = host.resident()?;
    let prompt = "x".repeat(1000);
    let streams: io::Result<Vec<TcpStream>> = (0..IDLE).map(|_| host.ask(&prompt, 1)).collect();
    let mut streams = streams?;
    for stream in &mut streams {
        // Each of them is open: its head has come.
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        if !head.ends_with(b"200") {
            return Err(io::Error::other("a stream was refused"));
        }
    }
    // Long enough for a comment on each of them.
    thread::sleep(Duration::from_secs(6));
    Ok(Idle { before, after: host.resident()? })
}

fn page(instant: &Busy, paced: &Busy, idle: &Idle) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let at = |sorted: &[Duration], share: f64| {
        let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(index).map_or(0.0, |it| it.as_secs_f64() * 1e3)
    };
    let row = |what: &str, value: &dyn Fn(&Busy) -> String| {
        format!("| {what} | {} | {} |\n", value(instant), value(paced))
    };
    let mut page = format!(
        "# The HTTP server\n\n\
         `cargo bench -p firesteel-llm --bench http` on {cores} cores, which the clients share,\n\
         in the {profile} profile.\n\
         The engine's tokens cost nothing, so this is what the server adds.\n\n\
         {CONNECTIONS} connections stream chats of {TOKENS} tokens, one after another, for \
         {:.0} seconds.\n\
         *Instant*: the engine has all tokens of an answer at once, and the server is busy \
         without end.\n\
         *Paced*: the engine makes a token for each connection every {:.1} ms.\n\n\
         | | instant | paced |\n| --- | --- | --- |\n",
        TIME.as_secs_f64(),
        PACE.as_secs_f64() * 1e3,
    );
    page += &row("streamed tokens a second", &|it| format!("{:.0}", it.tokens as f64 / it.seconds));
    for (what, share) in [("median", 0.5), ("99th percentile", 0.99), ("longest", 1.0)] {
        let what = format!("gap between arrivals on a connection, {what}");
        page += &row(&what, &|it| format!("{:.2} ms", at(&it.gaps, share)));
    }
    for (what, share) in [("median", 0.5), ("99th percentile", 0.99)] {
        let what = format!("request to first token, {what}");
        page += &row(&what, &|it| format!("{:.2} ms", at(&it.firsts, share)));
    }
    page + &format!(
        "\nTokens that arrive together count as one arrival, so no gap is zero.\n\n\
         {IDLE} open streams on which nothing happens but keep-alive comments:\n\n\
         | | |\n| --- | --- |\n\
         | memory of the process before | {:.0} MiB |\n\
         | with the streams | {:.0} MiB |\n\
         | each stream | {:.1} KiB |\n",
        idle.before,
        idle.after,
        (idle.after - idle.before) * 1024.0 / IDLE as f64,
    )
}
