//! Tensor maps as parameters: what the front accepts, and what it says of the rest.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use firesteel_compiler::hir::{Kernel, ParamKind};
use firesteel_compiler::value::Scalar;
use proc_macro2::TokenStream;

fn tokens(source: &str) -> TokenStream {
    source.parse().unwrap()
}

fn analyze(source: &str) -> Result<Kernel, Vec<String>> {
    let attr = tokens("block_size = 32, arch = \"sm_90\"");
    firesteel_compiler::analyze(attr, tokens(source))
        .map_err(|diags| diags.into_iter().map(|diag| diag.message).collect())
}

/// The one message.
fn reject(source: &str) -> String {
    let mut messages = analyze(source).unwrap_err();
    assert_eq!(messages.len(), 1, "{source}: {messages:?}");
    messages.remove(0)
}

#[test]
fn maps_are_parameters() {
    let kernel = analyze("fn k(a: &TensorMap<bf16, 2>, c: &mut TensorMap<f32, 5>) {}").unwrap();
    let kinds: Vec<_> = kernel.signature.params.iter().map(|param| param.kind).collect();
    let (read, written) = (
        ParamKind::TensorMap { elem: Scalar::Bf16, rank: 2, mutable: false },
        ParamKind::TensorMap { elem: Scalar::F32, rank: 5, mutable: true },
    );
    assert_eq!(kinds, [read, written]);
}

#[test]
fn a_map_is_a_parameter_of_its_bytes() {
    let attr = tokens("block_size = 32, arch = \"sm_90\"");
    let item = tokens("fn k(n: u32, a: &TensorMap<f16, 3>, y: &mut [u32]) { y[0] = n; }");
    let ptx = firesteel_compiler::compile(attr, item).unwrap().ptx;
    assert!(ptx.contains(".param .u32 n,\n    .param .align 64 .b8 a[128],\n"), "{ptx}");
}

#[test]
fn wrong_types_are_explained() {
    for (ty, part) in [
        ("&TensorMap<f32>", "1 to 5 dimensions"),
        ("&TensorMap", "1 to 5 dimensions"),
        ("&TensorMap<f32, 0>", "1 to 5 dimensions"),
        ("&TensorMap<f32, 6>", "1 to 5 dimensions"),
        ("&TensorMap<bool, 2>", "are numbers"),
        ("&TensorMap<f32x4, 2>", "are numbers"),
        ("TensorMap<f32, 2>", "no type `TensorMap`"),
    ] {
        let message = reject(&format!("fn k(a: {ty}) {{}}"));
        assert!(message.contains(part), "{ty}: {message}");
    }
    assert!(reject("fn k(mut a: &TensorMap<f32, 2>) {}").contains("is not `mut`"));
}

#[test]
fn a_map_is_no_value() {
    let params = "a: &TensorMap<f32, 2>, y: &mut [f32]";
    for body in ["let b = a;", "y[0] = a[0];", "let n = a.len();", "if a {}"] {
        let message = reject(&format!("fn k({params}) {{ {body} }}"));
        assert!(message.contains("`a` is a tensor map, not a value"), "{body}: {message}");
    }
    let message = reject(&format!("fn k({params}) {{ let v = load_vec4(a, 0); }}"));
    assert!(message.contains("wants a slice or a shared array"), "{message}");
    let message = reject(&format!("fn k({params}) {{ prefetch_tensor_map(y); }}"));
    assert!(message.contains("wants a tensor map"), "{message}");
}
