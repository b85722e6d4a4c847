//! Attention against its definition and golden data.

mod decode;
mod decode_golden;
mod prefill;
mod prefill_golden;
