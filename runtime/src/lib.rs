//! Write NVIDIA GPU kernels in stable Rust; run them on the GPU or on a checking CPU simulator.

pub mod sim;
