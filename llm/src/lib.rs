//! LLMs on Firesteel: models, an engine that batches requests, an OpenAI-compatible server.

#![forbid(unsafe_code)]

pub mod tokenizer;
