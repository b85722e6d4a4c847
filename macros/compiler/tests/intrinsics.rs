//! Every intrinsic, from tokens to PTX that the verifier accepts.

use std::str::FromStr;

use proc_macro2::TokenStream;

/// The PTX of a kernel with that body and these slices: `x` is read, `y` written, of type `T`.
fn ptx(attr: &str, ty: &str, out: &str, body: &str) -> String {
    let item = format!("fn k(x: &[{ty}], y: &mut [{out}], n: u32) {{ {body} }}");
    let tokens = |text: &str| TokenStream::from_str(text).unwrap();
    let kernel = firesteel_compiler::analyze(tokens(attr), tokens(&item))
        .unwrap_or_else(|diags| panic!("{item}: {diags:?}"));
    let lowered = firesteel_compiler::lower::lower(&kernel);
    let text = firesteel_ptx::emit(&lowered.module);
    if let Err(error) = firesteel_ptx::verify(&lowered.module) {
        panic!("{error}\n{text}");
    }
    let again = firesteel_ptx::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(firesteel_ptx::emit(&again), text);
    text
}

const FLOATS: [&str; 4] = ["f16", "bf16", "f32", "f64"];

#[test]
fn functions_of_one_float() {
    let names = "sqrt recip exp exp2 exp_m1 ln ln_1p log2 log10 sin cos tan tanh floor ceil round \
                 round_ties_even trunc fract rsqrt signum abs";
    for ty in FLOATS {
        for name in names.split_whitespace() {
            ptx("block_size = 64", ty, ty, &format!("let i = thread_idx_x(); y[i] = x[i].{name}();"));
        }
    }
}
