//! A router on a socket, from the first connection to the last.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::serve::ListenerExt;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    time::{interval, timeout},
};

use super::{Server, router};

/// How long ended streams may take to tell their clients.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves until `shutdown`, then finishes what is under way within the bound of the options.
/// Says whether everything was finished.
pub async fn serve(
    listener: TcpListener,
    server: Arc<Server>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<bool> {
    // A token is smaller than a packet, and must not wait for one to fill.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
    });
    let upkeep = tokio::spawn(upkeep(Arc::clone(&server)));
    let (closing, closed) = oneshot::channel();
    let engine = Arc::clone(&server);
    let shutdown = async move {
        shutdown.await;
        engine.runner.engine.close();
        tracing::info!("draining: no new requests are taken");
        let _ = closing.send(());
    };
    let app = axum::serve(listener, router(&server)).with_graceful_shutdown(shutdown);
    let mut app = tokio::spawn(app.into_future());
    let finished = tokio::select! {
        ended = &mut app => return ended.map_err(io::Error::other)?.map(|()| true),
        _ = closed => timeout(server.options.drain, &mut app).await.is_ok(),
    };
    if !finished {
        tracing::warn!("the time to drain is over: the remaining requests are ended");
        server.runner.engine.abort();
        // Their clients are told, if they listen.
        let _ = timeout(FAREWELL, &mut app).await;
        app.abort();
    }
    upkeep.abort();
    Ok(finished)
}

/// Histograms keep single observations until somebody adds them up.
async fn upkeep(server: Arc<Server>) {
    let mut interval = interval(Duration::from_secs(1));
    loop {
        interval.tick().await;
        server.metrics.run_upkeep();
    }
}
