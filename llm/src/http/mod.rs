//! The HTTP server: OpenAI's dialect over one engine.
//!
//! Every response has an `x-request-id`, and every one that is no success has OpenAI's error
//! envelope, see [`error`]. No parameter is silently ignored, see [`params`].

mod body;
mod chat;
mod completions;
mod error;
mod generate;
mod layers;
mod messages;
mod metrics;
mod params;
mod sampling;
mod serve;
mod sse;
mod status;
mod tally;
mod tokens;
mod wire;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::HeaderValue,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::catch_panic::CatchPanicLayer;

use self::error::ApiError;
pub use self::{params::manual as parameters, serve::serve};
use crate::runner::Runner;

/// How a server behaves. The limits of the batch and the queue are the engine's.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether parameters that are not implemented are ignored with a warning.
    pub lenient: bool,
    /// How long a request may wait for a place in the batch.
    pub queue_timeout: Duration,
    /// Silence after which a stream gets a comment.
    pub keep_alive: Duration,
    /// How long requests may go on after the signal to stop.
    pub drain: Duration,
    /// Bytes of the longest body.
    pub max_body: usize,
    /// Keys that clients must have one of; none lets everybody in.
    pub api_keys: Vec<String>,
    /// Origins whose pages may use the server; `*` is any, none is none.
    pub cors: Vec<HeaderValue>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lenient: false,
            queue_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(5),
            drain: Duration::from_secs(30),
            max_body: 8 << 20,
            api_keys: Vec::new(),
            cors: Vec::new(),
        }
    }
}

/// A model that is served.
#[derive(Debug)]
pub struct Server {
    runner: Runner,
    options: Options,
    metrics: PrometheusHandle,
    created: u64,
}

impl Server {
    /// A server of this model.
    pub fn new(runner: Runner, options: Options) -> Arc<Self> {
        Arc::new(Self { runner, options, metrics: metrics::collect(), created: wire::now() })
    }

    /// The model.
    pub fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Runs what may take long on a thread where nobody else waits: templates and tokenizers
    /// read texts of megabytes.
    async fn off_the_loop<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let server = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&server)).await;
        done.unwrap_or_else(|error| Err(ApiError::internal(&format!("a handler died: {error}"))))
    }
}

/// The routes, and what surrounds them.
pub fn router(server: &Arc<Server>) -> Router {
    let routes = Router::new()
        .route("/", get(status::page))
        .route("/v1/models", get(status::models))
        .route("/v1/models/{*id}", get(status::model))
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/completions", post(completions::create))
        .route("/tokenize", post(tokens::tokenize))
        .route("/detokenize", post(tokens::detokenize))
        .route("/health/live", get(status::live))
        .route("/health/ready", get(status::ready))
        .route("/metrics", get(status::metrics));
    surround(routes, server)
}

fn surround(routes: Router<Arc<Server>>, server: &Arc<Server>) -> Router {
    let mut router = routes
        .with_state(Arc::clone(server))
        .layer(from_fn_with_state(Arc::clone(server), layers::authorize))
        .layer(CatchPanicLayer::custom(layers::panicked));
    if !server.options.cors.is_empty() {
        router = router.layer(layers::cors(&server.options.cors));
    }
    router.layer(from_fn(layers::observe))
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::Request,
    };
    use tower::ServiceExt;

    use super::*;
    use crate::engine::{self, stub::Stub};

    async fn boom() {
        panic!("a secret");
    }

    #[tokio::test]
    async fn a_panic_in_a_handler_is_an_envelope_and_the_server_lives_on() {
        let runner = Runner::start(Stub::saying("a").loaded(), engine::Options::default());
        let server = Server::new(runner.unwrap(), Options::default());
        let router = surround(Router::new().route("/boom", get(boom)), &server);
        for _ in 0..2 {
            let request = Request::get("/boom").body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), 500);
            assert!(response.headers().contains_key("x-request-id"));
            let body = to_bytes(response.into_body(), 9999).await.unwrap();
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(json["error"]["code"], "internal_error");
            assert!(!json.to_string().contains("secret"));
        }
    }
}
