//! `firesteel serve`

use std::net::{IpAddr, SocketAddr, TcpListener};

use super::{failure::Failure, model::ModelArgs};

const EXAMPLES: &str = "\
Examples:
  firesteel serve                              the model in the box, at http://127.0.0.1:8080
  firesteel serve -m model.gguf --host 0.0.0.0 --port 9000";

/// Serves a model over HTTP.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The address to listen on; 0.0.0.0 is all of them
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port to listen on; 0 is any that is free
    #[arg(long, short, default_value_t = 8080)]
    port: u16,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let address = SocketAddr::new(args.host, args.port);
    let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Failure::PortInUse { address },
        _ => Failure::Io(error),
    })?;
    let runner = args.model.start(crate::engine::Options::default())?;
    drop((listener, runner));
    Err(Failure::Usage("this build has no HTTP server".to_owned()))
}
