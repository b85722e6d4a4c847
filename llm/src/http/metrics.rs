//! The metrics of the process: what there is, and the buckets of its histograms.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds of durations, from a token of a small model to a long prompt of a large one.
const SECONDS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0,
];
const SEQUENCES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Collects from here on. A process has one set of metrics, however many servers it has.
pub(super) fn collect() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(install).clone()
}

fn install() -> PrometheusHandle {
    let builder = PrometheusBuilder::new();
    // Only an empty list of bounds is refused.
    let builder = builder
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
        .and_then(|it| {
            it.set_buckets_for_metric(Matcher::Suffix("_sequences".to_owned()), SEQUENCES)
        })
        .unwrap_or_default();
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another recorder has the metrics; /metrics stays empty");
    }
    describe();
    handle
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("firesteel_http_requests_total", "Responses, by route and status.");
    describe_histogram!("firesteel_http_request_seconds", "Time to the head of a response.");
    describe_histogram!("firesteel_request_seconds", "Time of complete answers.");
    describe_histogram!("firesteel_time_to_first_token_seconds", "From arrival to first token.");
    describe_histogram!("firesteel_inter_token_seconds", "Between two tokens of an answer.");
    describe_histogram!("firesteel_queue_seconds", "Wait for a place in the batch.");
    describe_histogram!("firesteel_step_seconds", "Steps of the engine.");
    describe_histogram!("firesteel_step_sequences", "Sequences in a step.");
    describe_counter!("firesteel_prompt_tokens_total", "Tokens of prompts that were started.");
    describe_counter!("firesteel_generated_tokens_total", "Tokens that were generated.");
    describe_counter!("firesteel_failed_requests_total", "Requests that the engine failed.");
    describe_counter!("firesteel_cancelled_requests_total", "Clients that went away.");
    describe_counter!("firesteel_queue_timeouts_total", "Requests that waited too long.");
    describe_gauge!("firesteel_requests_running", "Sequences in the batch.");
    describe_gauge!("firesteel_requests_waiting", "Requests in the queue.");
}
