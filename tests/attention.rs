//! Attention against its definition and golden data.

mod prefill;
mod prefill_golden;
