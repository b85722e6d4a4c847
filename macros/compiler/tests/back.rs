//! Kernels from tokens to PTX.

use std::str::FromStr;

use proc_macro2::TokenStream;

/// The PTX of a kernel.
fn ptx(attr: &str, item: &str) -> String {
    let tokens = |text| TokenStream::from_str(text).expect("the source is Rust");
    match firesteel_compiler::compile(tokens(attr), tokens(item)) {
        Ok(compiled) => compiled.ptx,
        Err(diags) => panic!("{diags:#?}"),
    }
}

/// The PTX of a body over the parameters that most bodies need.
fn body(text: &str) -> String {
    let item = format!(
        "fn kernel(x: &[f32], y: &mut [f32], w: &[i32], z: &mut [i32], b: &mut [i8], \
         h: &mut [f16], g: &mut [bf16], d: &mut [f64], q: &mut [bool], l: &mut [i64], n: u32, \
         k: i32, a: f32) {{ let i = block_idx_x() * block_dim_x() + thread_idx_x(); {text} }}"
    );
    ptx("block_size = 256", &item)
}

const BODIES: &[&str] = &[
    "if i >= n { return; } y[i] = x[i];",
    "if i >= n || k < 0 { return; } y[i] = if a > 0.0 { x[i] } else { -x[i] };",
    "let mut s = 0.0; for j in 0..n { s += x[j]; } y[i] = s;",
    "let mut s = 0.0; let mut j = i; while j < n { s += x[j]; j += 256; } y[i] = s;",
    "let mut acc = [0.0f32; 4]; for j in 0..4 { acc[j] = x[i * 4 + j]; } for j in 0..4 { y[i * 4 + j] = acc[3 - j]; }",
    "let t = shared_mem![f32; 256]; let u = thread_idx_x(); t[u] = x[i]; y[i] = t[255 - u];",
    "let mut s = 0; for j in (0..k).rev().step_by(3) { s += w[j]; } for j in (0..=k).step_by(2).rev() { s ^= w[j]; } z[i] = s;",
    "let mut s = 0; #[unroll(4)] for j in 0..k { if j == 7 { continue; } if j == 9 { break; } s += w[j]; } z[i] = s;",
    "let mut s = 0; for j in 0..=255u8 { s += w[j] * (j as i32); } z[i] = s;",
    "z[i] = w[i] / k + w[i] % k + w[i] / 3 + (w[i] >> 1) + (w[i] << n);",
    "b[i] = b[i] + 1; b[i] = (b[i] as u8 >> 1) as i8; b[i] = x[i] as i8; b[i] /= b[0];",
    "h[i] = h[i] * (2.0f32 as f16) + h[0] / h[1]; g[i] = g[i] - g[0] * g[1];",
    "d[i] = d[i] * (x[i] as f64); l[i] = d[i] as i64; z[i] = d[i] as i32; y[i] = l[i] as f32;",
    "q[i] = !q[i] && (k > 3 || q[0]); q[0] ^= q[1]; z[i] = q[i] as i32;",
    "let (p, r) = (x[i], x[0]); let t = (p, (r, k)); y[i] = t.0 + t.1.0; z[i] = t.1.1;",
    "let mut t = (1, 2); t = (t.1, t.0); z[i] = t.0 - t.1;",
    "let v = 'a: { if k > 3 { break 'a 5; } k }; z[i] = v;",
    "let mut j = 0; let v = loop { j += 1; if w[j] == k { break j; } }; z[i] = v;",
    "z[i] = match k { 0 => 1, 1 | 2 => 7, 3..=9 => k, _ => -1 };",
    "assert!(k > 0 && n > 3, \"k is positive\"); gpu_println!(\"i = {} x = {}\", i, x[i]);",
    "'o: for r in 0..k { for c in 0..k { if w[c] > r { continue 'o; } if w[r] == 3 { break 'o; } z[c] += 1; } }",
    "z[i] = { let mut m = k; let s = m + { m = 3; m } + m; s };",
    "let u = x.len() as u32; z[i] = u as i32; y[u - 1] = 3.0; y[l[i]] = 2.0; y[7] = x[3] + x[3];",
    "y[i] = x[i] % a; d[i] %= 3.0; h[i] %= h[0];",
    "let t = shared_mem![f32; 256]; let r = thread_idx_x() / 16; let c = thread_idx_x() % 16; t[r * 16 + c] = x[i]; bar_sync(); let mut s = 0.0; for j in 0..16 { s += t[r * 16 + j] * t[j * 16 + c]; } y[i] = s;",
    "#[no_unroll] for j in 0..9 { y[i * 16 + j] = x[j]; y[i * 16 + j + 1] = 2.0; }",
    "let e; if k > 3 { e = 1; } else { e = 2; } z[i] = e;",
    "let c = [1, 2, 4]; let mut s = 0; for j in 0..3 { s += w[c[j]]; } z[i] = s; let idx = thread_idx_x(); let r = idx % 3; z[r] = 1;",
];

#[test]
fn bodies_verify() {
    for text in BODIES {
        let ptx = body(text);
        if let Ok(dir) = std::env::var("DUMP") {
            let at = BODIES.iter().position(|it| it == text).unwrap();
            std::fs::write(format!("{dir}/{at}.ptx"), &ptx).unwrap();
        }
        assert!(ptx.contains(".entry kernel"));
    }
}
