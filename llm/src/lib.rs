//! LLMs on Firesteel: models, an engine that batches requests, an OpenAI-compatible server.

#![forbid(unsafe_code)]

pub mod answer;
pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod http;
pub mod hub;
pub mod load;
pub mod models;
pub mod page;
pub mod quantize;
pub mod runner;
pub mod sample;
pub mod state;
pub mod template;
pub mod text;
pub mod tokenizer;
pub mod weights;
