//! `firesteel serve`

use std::{
    future::Future,
    io::IsTerminal,
    net::{IpAddr, SocketAddr},
    pin::pin,
    time::Duration,
};

use axum::http::HeaderValue;
use tokio::net::TcpListener;

use super::{failure::Failure, model::ModelArgs};
use crate::{
    engine,
    http::{self, Server},
};

const EXAMPLES: &str = "\
Examples:
  firesteel serve                        the story model in the box, at http://127.0.0.1:8080
  firesteel serve -m qwen3-0.6b-q8_0.gguf --port 9000
  firesteel serve --max-batch 16 --max-queue 200 --queue-timeout 10
  FIRESTEEL_API_KEY=secret firesteel serve --host 0.0.0.0

Ask it:
  curl http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' \\
    -d '{\"messages\": [{\"role\": \"user\", \"content\": \"Tell me a story.\"}], \"stream\": true}'
  With OpenAI's clients set the base URL http://127.0.0.1:8080/v1 and any API key.

Stopping:
  Ctrl-C or SIGTERM takes no new requests and finishes those under way, for at most
  --drain-timeout seconds; a second one stops at once.";

/// Serves a model over HTTP, as OpenAI's API and as a chat page.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The name that clients call the model by, instead of its own
    #[arg(long)]
    name: Option<String>,
    /// The address to listen on; 0.0.0.0 is all of them
    #[arg(long, default_value = "127.0.0.1", help_heading = "Network")]
    host: IpAddr,
    /// The port to listen on; 0 is any that is free
    #[arg(long, short, default_value_t = 8080, help_heading = "Network")]
    port: u16,
    /// A key that clients must send as `Authorization: Bearer KEY`; repeat it for several.
    /// The environment variable FIRESTEEL_API_KEY keeps it out of the list of processes
    #[arg(long, value_name = "KEY", hide_env_values = true, help_heading = "Network")]
    api_key: Vec<String>,
    /// An origin whose web pages may use the server, such as https://example.org, or `*`
    #[arg(long, value_name = "ORIGIN", help_heading = "Network")]
    cors_origin: Vec<HeaderValue>,
    /// The longest body of a request, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20, help_heading = "Network")]
    max_body: usize,
    /// Ignores parameters that are not implemented, and says so in the header `warning`,
    /// instead of refusing the request
    #[arg(long, help_heading = "Requests")]
    lenient: bool,
    /// Requests that are answered at the same time; each of them holds memory for its context
    #[arg(long, value_name = "N", default_value_t = 8, help_heading = "Requests")]
    max_batch: usize,
    /// Requests that may wait; the next is told to come back later (429)
    #[arg(long, value_name = "N", default_value_t = 64, help_heading = "Requests")]
    max_queue: usize,
    /// How long a request may wait before it is told to come back later (503)
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds,
          help_heading = "Requests")]
    queue_timeout: Duration,
    /// Prompt tokens read in one step. More is faster, less delays the others' answers less
    #[arg(long, value_name = "N", default_value_t = 256, help_heading = "Requests")]
    prefill_chunk: usize,
    /// Silence after which a stream gets a comment, so that nobody takes it for dead
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds,
          help_heading = "Requests")]
    keep_alive: Duration,
    /// How long requests may go on after the signal to stop
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds,
          help_heading = "Requests")]
    drain_timeout: Duration,
}

/// Seconds, with a fraction if need be.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("want seconds, got `{text}`"))?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("want seconds from 0, got {text}"))
}

impl Args {
    fn engine(&self) -> engine::Options {
        let Self { max_batch, max_queue, prefill_chunk, .. } = *self;
        engine::Options { max_batch, max_queue, prefill_chunk }
    }

    fn http(self) -> http::Options {
        http::Options {
            lenient: self.lenient,
            queue_timeout: self.queue_timeout,
            // A period of zero would be a comment after each comment.
            keep_alive: self.keep_alive.max(Duration::from_millis(100)),
            drain: self.drain_timeout,
            max_body: self.max_body,
            api_keys: self.api_key,
            cors: self.cors_origin,
        }
    }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let address = SocketAddr::new(args.host, args.port);
    // The port comes first: a model may take minutes to load.
    let listener = runtime.block_on(TcpListener::bind(address)).map_err(|it| match it.kind() {
        std::io::ErrorKind::AddrInUse => Failure::PortInUse { address },
        _ => Failure::Io(it),
    })?;
    let mut runner = args.model.start(args.engine())?;
    if let Some(name) = &args.name {
        runner.name.clone_from(name);
    }
    let served = runtime.block_on(async {
        let stop = signals()?;
        greet(&runner.name, listener.local_addr()?, !args.api_key.is_empty());
        http::serve(listener, Server::new(runner, args.http()), stop).await
    });
    // A thread that reads a long prompt ends by itself; nobody waits for it.
    runtime.shutdown_background();
    served?;
    Ok(())
}

/// Says where the server is, and what to do next.
fn greet(model: &str, address: SocketAddr, has_key: bool) {
    tracing::info!(%address, %model, "listening");
    if !std::io::stderr().is_terminal() {
        return;
    }
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let key = if has_key { " -H 'authorization: Bearer KEY'" } else { "" };
    eprintln!(
        "\n  {model} is served: a chat page at http://{address}, OpenAI's API at http://{address}/v1\n\n  \
         curl http://{address}/v1/chat/completions{key} \\\n    \
         -H 'content-type: application/json' \\\n    \
         -d '{{\"messages\": [{{\"role\": \"user\", \"content\": \"Tell me a story.\"}}]}}'\n\n  \
         Ctrl-C stops it.\n"
    );
}

/// Ready at the first signal to stop; the second ends the process.
fn signals() -> std::io::Result<impl Future<Output = ()> + Send> {
    #[cfg(unix)]
    let mut terminate = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate())?
    };
    #[cfg(not(unix))]
    let mut terminate = tokio::signal::windows::ctrl_close()?;
    Ok(async move {
        {
            let interrupt = pin!(tokio::signal::ctrl_c());
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            tracing::warn!("stopped by a second signal");
            std::process::exit(130);
        });
    })
}
