//! Kernels from tokens to PTX.
use std::str::FromStr;

use proc_macro2::TokenStream;

fn ptx(attr: &str, item: &str) -> String {
    let tokens = |text| TokenStream::from_str(text).unwrap();
    let kernel = firesteel_compiler::analyze(tokens(attr), tokens(item)).unwrap();
    let lowered = firesteel_compiler::lower::lower(&kernel);
    let text = firesteel_ptx::emit(&lowered.module);
    if let Err(error) = firesteel_ptx::verify(&lowered.module) {
        panic!("{error}\n{text}");
    }
    text
}

#[test]
fn saxpy() {
    let text = ptx(
        "block_size = 256",
        "fn saxpy(x: &[f32], y: &mut [f32], a: f32, n: u32) {
            let i = block_idx_x() * block_dim_x() + thread_idx_x();
            if i < n {
                y[i] = a * x[i] + y[i];
            }
        }",
    );
    println!("{text}");
}
