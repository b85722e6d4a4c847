//! LLMs on Firesteel: models, an engine that batches requests, an OpenAI-compatible server.

#![forbid(unsafe_code)]

pub mod config;
pub mod error;
pub mod load;
pub mod models;
pub mod state;
pub mod tokenizer;
pub mod weights;
