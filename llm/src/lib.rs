
#![forbid(unsafe_code)]

pub mod error;
pub mod load;
pub mod models;
pub mod page;
pub mod sample;
pub mod state;
pub mod template;
pub mod text;
pub mod tokenizer;
