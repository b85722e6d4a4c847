//! Attention of new tokens against `tests/golden/attention`.

use firesteel::half::bf16;
use firesteel_kernels::attention::decode::{Decode, DecodeWorkspace, Queries, decode};
use firesteel_kernels::kv::{KvLayer, KvShape, PAGE, Pages};
use firesteel_kernels::shape::Result;

use super::prefill::distance;
use super::prefill_golden::Golden;

/// `[tokens, heads, dim]` in pages, cells without a token NaN.
fn in_pages(x: &[bf16], shape: &KvShape) -> Vec<bf16> {
    let mut pages = vec![bf16::NAN; shape.len()];
    let (heads, page) = (shape.kv_heads, PAGE as usize);
    for (row, from) in x.chunks(shape.head_dim).enumerate() {
        let (token, head) = (row / heads, row % heads);
        let cell = (token / page * heads + head) * page + token % page;
        pages[cell * shape.head_dim..][..shape.head_dim].copy_from_slice(from);
    }
    pages
}

#[test]
fn decode_agrees_with_golden_data() -> Result<()> {
    let (golden, device) = (Golden::read(), crate::device());
    let stream = device.stream();
    for case in golden.cases().iter().filter(|case| case.dtype == "bf16") {
        let to_bf16 = |name| -> Vec<bf16> {
            golden.tensor(case, name).into_iter().map(bf16::from_f64).collect()
        };
        let [queries, keys] = case.lengths.map(|it| it as usize);
        let of = &case.prefill;
        let (q_heads, kv_heads) = (of.q_heads as usize, of.kv_heads as usize);
        let pages = keys.div_ceil(PAGE as usize);
        let shape = KvShape { pages, kv_heads, head_dim: of.head_dim as usize };
        let [k, v] = ["k", "v"].map(|name| in_pages(&to_bf16(name), &shape));
        let (k, v) = (Pages::Bf16(device.alloc_from(&k)?), Pages::Bf16(device.alloc_from(&v)?));
        let layer = KvLayer::from_pages(k, v, shape)?;
        let table: Vec<u32> = (0..pages as u32).collect();
        let (table, lengths) = (device.alloc_from(&table)?, device.alloc_from(&[keys as u32])?);
        let q = device.alloc_from(&to_bf16("q"))?;
        let mut o = device.alloc_uninit::<bf16>(q.len())?;
        let mut workspace = DecodeWorkspace::new(&stream, (1, queries, q_heads), &shape)?;
        let mut attention = Decode::new(q_heads).queries(Queries::Each(queries));
        if let Some(scale) = of.scale {
            attention = attention.scale(scale);
        }
        if let Some(window) = of.window {
            attention = attention.window(window);
        }
        if let Some(cap) = of.softcap {
            attention = attention.softcap(cap);
        }
        let of = (&table, &lengths);
        decode(&stream, &mut o, &q, &layer, of, &mut workspace, &attention)?;
        let got: Vec<f64> = o.to_host(&device)?.into_iter().map(f64::from).collect();
        let o = distance(&got, &golden.tensor(case, "o"));
        let bound = if case.prefill.softcap.is_some() { 4e-2 } else { 1.5e-2 };
        assert!(o < bound, "{}: {o}", case.name);
    }
    Ok(())
}
