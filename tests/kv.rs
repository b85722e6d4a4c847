//! The cache of keys and values: what is stored, read and copied, against `f64`.

use std::any::TypeId;

use firesteel::prelude::{GpuBuffer, bf16, e4m3, f16};
use firesteel::{Device, Stream};
use firesteel_examples::data;
use firesteel_kernels::kv::{
    self, HeadNorm, Heads, KvFormat, KvLayer, KvShape, NO_SLOT, NewTokens, PAGE, Pages, Rope,
    WriteElement, copy_pages, gather, write_reference,
};
use firesteel_kernels::shape::{Error, Result};
use firesteel_tests::ptxas;

#[test]
fn kernels_assemble_without_spills() {
    for text in kv::ptx() {
        ptxas::demand(text, &[]);
    }
}

const Q_HEADS: usize = 3;
const KV_HEADS: usize = 2;
const TOKENS: usize = 5;
/// Slots of the tokens, the first cells of a page and the last, and one token that has none.
const SLOTS: [u32; TOKENS] = [PAGE - 1, 2 * PAGE, 0, NO_SLOT, 3 * PAGE - 1];
const POSITIONS: [u32; TOKENS] = [0, 1, 77, 5000, 123_456];

/// What is done to heads.
#[derive(Debug, Clone, Copy)]
struct Case {
    dim: usize,
    /// What is added to weights.
    norm: Option<f32>,
    /// Pairs, a factor, and whether they are neighbours.
    rope: Option<(usize, f32, bool)>,
    /// A gate of the same size behind each query.
    gated: bool,
}

/// Operands on the host: heads side by side, weights, angles.
struct Operands {
    rows: Vec<f32>,
    row: usize,
    q_head: usize,
    weights: [Vec<f32>; 2],
    inv_freq: Vec<f32>,
}

impl Operands {
    fn new(case: &Case, round: impl Fn(f32) -> f32) -> Self {
        let q_head = if case.gated { 2 * case.dim } else { case.dim };
        let row = Q_HEADS * q_head + 2 * KV_HEADS * case.dim;
        let pairs = case.rope.map_or(0, |it| it.0);
        let frequency = |i: usize| 1e4f32.powf(-(i as f32) / pairs as f32);
        Self {
            rows: data::floats(1, TOKENS * row).into_iter().map(round).collect(),
            row,
            q_head,
            weights: [data::floats(2, case.dim), data::floats(3, case.dim)],
            inv_freq: (0..pairs).map(frequency).collect(),
        }
    }

    /// A head of a token: 0 of queries, 1 of keys, 2 of values.
    fn head(&self, case: &Case, kind: usize, token: usize, head: usize) -> &[f32] {
        let keys = Q_HEADS * self.q_head;
        let at = match kind {
            0 => head * self.q_head,
            _ => keys + ((kind - 1) * KV_HEADS + head) * case.dim,
        };
        &self.rows[token * self.row + at..][..case.dim]
    }

    fn want(&self, case: &Case, kind: usize, token: usize, head: usize) -> Vec<f64> {
        let x = self.head(case, kind, token, head);
        if kind == 2 {
            return x.iter().map(|&it| f64::from(it)).collect();
        }
        let norm = case.norm.map(|offset| (&self.weights[kind][..], 1e-6, offset));
        let position = POSITIONS[token];
        let rope = case.rope.map(|(_, scale, pairs)| (&self.inv_freq[..], position, scale, pairs));
        write_reference(x, norm, rope)
    }
}

/// Writes the tokens; the queries, and the keys and values of each token in a buffer.
fn written<X: WriteElement, O: WriteElement + Into<f64>>(
    device: &Device,
    stream: &Stream,
    case: &Case,
    operands: &Operands,
    layer: &mut KvLayer,
    round: impl Fn(f32) -> X,
) -> Result<Vec<f64>> {
    let rows: Vec<X> = operands.rows.iter().map(|&it| round(it)).collect();
    let rows = device.alloc_from(&rows)?;
    let [q, k] = &operands.weights;
    let (q, k) = (device.alloc_from(q)?, device.alloc_from(k)?);
    let inv_freq = device.alloc_from(&operands.inv_freq)?;
    let (positions, slots) = (device.alloc_from(&POSITIONS)?, device.alloc_from(&SLOTS)?);
    let keys = Q_HEADS * operands.q_head;
    let heads = |first| Heads::new(&rows, first, operands.row, case.dim);
    let new = NewTokens {
        q: heads(0).head_stride(operands.q_head),
        k: heads(keys),
        v: heads(keys + KV_HEADS * case.dim),
        q_heads: Q_HEADS,
        positions: &positions,
        slots: &slots,
        norm: case.norm.map(|offset| HeadNorm { q: &q, k: &k, eps: 1e-6, offset }),
        rope: case.rope.map(|(_, scale, interleaved)| Rope {
            inv_freq: &inv_freq,
            scale,
            interleaved,
        }),
    };
    let mut out: GpuBuffer<O> = device.alloc_uninit(TOKENS * Q_HEADS * case.dim)?;
    kv::write(stream, &mut out, layer, &new)?;
    Ok(out.to_host(device)?.into_iter().map(Into::into).collect())
}

/// Rounding of a number of so many bits behind the point, and of what is computed before.
fn near(got: f64, want: f64, bits: i32, at: &str) {
    let error = (got - want).abs();
    let bound = want.abs() * 0.5f64.powi(bits) + 2e-6;
    assert!(error <= bound, "{at}: {got}, {want}: {error:e} over {bound:e}");
}

fn check<X: WriteElement, O: WriteElement + Into<f64> + 'static>(
    case: Case,
    format: KvFormat,
    to: impl Fn(f32) -> X,
    back: impl Fn(X) -> f32,
) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let shape = KvShape { pages: 3, kv_heads: KV_HEADS, head_dim: case.dim };
    let mut layer = KvLayer::new(&stream, format, shape)?.with_scales(0.5, 0.25);
    let operands = Operands::new(&case, |it| back(to(it)));
    let q = written::<X, O>(&device, &stream, &case, &operands, &mut layer, &to)?;
    let q_bits = if TypeId::of::<O>() == TypeId::of::<f16>() { 11 } else { 8 };
    for (at, got) in q.chunks(case.dim).enumerate() {
        let want = operands.want(&case, 0, at / Q_HEADS, at % Q_HEADS);
        for (got, want) in got.iter().zip(want) {
            near(*got, want, q_bits, &format!("{case:?} {format} query {at}"));
        }
    }
    let len = 3 * PAGE as usize * KV_HEADS * case.dim;
    let (mut k, mut v): (GpuBuffer<f32>, _) =
        (device.alloc_uninit(len)?, device.alloc_uninit(len)?);
    let table = device.alloc_from(&[9u32, 0, 1, 2])?;
    gather(&stream, &mut k, &mut v, &layer, (&table, 1), 3 * PAGE as usize)?;
    for (kind, got) in [(1, k.to_host(&device)?), (2, v.to_host(&device)?)] {
        let mut used = vec![false; 3 * PAGE as usize];
        for (token, &slot) in SLOTS.iter().enumerate().filter(|it| *it.1 != NO_SLOT) {
            used[slot as usize] = true;
            for head in 0..KV_HEADS {
                let want = operands.want(&case, kind, token, head);
                let got = &got[(slot as usize * KV_HEADS + head) * case.dim..][..case.dim];
                let largest = want.iter().fold(0.0f64, |max, it| max.max(it.abs()));
                for (got, want) in got.iter().zip(want) {
                    let got = f64::from(*got);
                    let at = format!("{case:?} {format} {kind} {token} {head}");
                    match format {
                        KvFormat::F16 => near(got, want, 11, &at),
                        KvFormat::Bf16 => near(got, want, 8, &at),
                        // Below 2^-6 the step is 2^-9, here times the scale.
                        KvFormat::E4m3 => {
                            let bound = (want.abs() / 16.0).max(0.5 / 1024.0) + 2e-6;
                            assert!((got - want).abs() <= bound, "{at}: {got}, {want}");
                        }
                        KvFormat::Q8 => {
                            let bound = largest / 253.9 + 2e-6;
                            assert!((got - want).abs() <= bound, "{at}: {got}, {want}");
                        }
                    }
                }
            }
        }
        let cells = got.chunks(KV_HEADS * case.dim).zip(used);
        assert!(cells.filter(|it| !it.1).all(|it| it.0.iter().all(|x| *x == 0.0)), "{format}");
    }
    Ok(())
}

const QWEN3: Case = Case { dim: 128, norm: Some(0.0), rope: Some((64, 1.0, false)), gated: false };

#[test]
fn tokens_are_written_in_every_format() -> Result<()> {
    for format in KvFormat::ALL {
        let case = Case { dim: 64, rope: Some((32, 1.0, false)), ..QWEN3 };
        if format == KvFormat::F16 {
            check::<f32, f16>(case, format, |it| it, |it| it)?;
        } else {
            check::<f32, bf16>(case, format, |it| it, |it| it)?;
        }
    }
    check::<f16, f16>(QWEN3, KvFormat::Q8, f16::from_f32, f16::to_f32)
}

#[test]
fn tokens_are_written_with_every_option() -> Result<()> {
    let cases = [
        Case { norm: None, rope: None, ..QWEN3 },
        Case { dim: 80, norm: None, ..QWEN3 },
        Case { dim: 96, rope: Some((48, 1.25, true)), ..QWEN3 },
        Case { dim: 256, norm: Some(1.0), rope: Some((32, 1.0, false)), gated: true },
        Case { dim: 80, norm: Some(1.0), rope: None, gated: true },
    ];
    for case in cases {
        let rope = case.rope.map(|it| (it.0.min(case.dim / 2), it.1, it.2));
        let case = Case { rope, ..case };
        check::<bf16, bf16>(case, KvFormat::Bf16, bf16::from_f32, bf16::to_f32)?;
    }
    Ok(())
}

#[test]
fn pages_are_copied_in_every_layer() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let shape = KvShape { pages: 4, kv_heads: KV_HEADS, head_dim: 80 };
    let mut layers = Vec::new();
    for seed in 1..3 {
        let codes = |seed| data::words(seed, shape.len()).into_iter().map(|it| it as i8);
        let (k, v): (Vec<i8>, Vec<i8>) = (codes(seed).collect(), codes(seed + 7).collect());
        let of = |seed| device.alloc_from(&data::floats(seed, 4 * KV_HEADS * PAGE as usize));
        let k = Pages::Q8(device.alloc_from(&k)?, of(seed + 20)?);
        let v = Pages::Q8(device.alloc_from(&v)?, of(seed + 30)?);
        layers.push(KvLayer::from_pages(k, v, shape)?);
    }
    let read = |layers: &[KvLayer]| -> Result<Vec<(Vec<i8>, Vec<f32>)>> {
        let halves = layers.iter().flat_map(|it| [it.k(), it.v()]);
        let host = halves.map(|half| match half {
            Pages::Q8(codes, scales) => Ok((codes.to_host(&device)?, scales.to_host(&device)?)),
            Pages::F16(_) | Pages::Bf16(_) | Pages::E4m3(..) => unreachable!("they are of Q8"),
        });
        host.collect()
    };
    let before = read(&layers)?;
    copy_pages(&stream, &mut layers, &device.alloc_from(&[1u32, 3, 0, 2])?)?;
    for ((codes, scales), (old, old_scales)) in read(&layers)?.into_iter().zip(before) {
        let half = old.len() / 2;
        assert_eq!(codes[..half], old[..half]);
        assert_eq!(codes[half..], old[..half]);
        let half = old_scales.len() / 2;
        assert_eq!(scales[half..], old_scales[..half]);
    }
    Ok(())
}

#[test]
fn mistakes_are_named() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let shape = KvShape { pages: 1, kv_heads: 1, head_dim: 40 };
    let error = KvLayer::new(&stream, KvFormat::F16, shape).unwrap_err();
    assert!(matches!(error, Error::Multiple { multiple: 16, got: 40, .. }), "{error}");
    let shape = KvShape { head_dim: 272, ..shape };
    let error = KvLayer::new(&stream, KvFormat::F16, shape).unwrap_err();
    assert!(matches!(error, Error::Range { most: 256, got: 272, .. }), "{error}");
    let shape = KvShape { head_dim: 64, ..shape };
    let k = Pages::E4m3(device.alloc_zeros::<e4m3>(shape.len())?, 1.0);
    let v = Pages::Bf16(device.alloc_zeros(shape.len())?);
    let error = KvLayer::from_pages(k, v, shape).unwrap_err();
    let text = "values must be stored as e4m3, got bf16";
    assert_eq!(error.to_string(), text);

    let mut layer = KvLayer::new(&stream, KvFormat::Bf16, shape)?;
    let rows = device.alloc_zeros::<f32>(3 * 64)?;
    let (positions, slots) = (device.alloc_from(&[0u32])?, device.alloc_from(&[64u32])?);
    let heads = |first| Heads::new(&rows, first, 3 * 64, 64);
    let (q, k, v) = (heads(0), heads(64), heads(128));
    let (norm, rope) = (None, None);
    let (positions, slots) = (&positions, &slots);
    let new = NewTokens { q, k, v, q_heads: 1, positions, slots, norm, rope };
    let error = kv::write(&stream, &mut device.alloc_zeros::<f16>(64)?, &mut layer, &new);
    assert_eq!(error.unwrap_err().to_string(), "queries beside a cache of bf16 must be bf16");
    let error = kv::write(&stream, &mut device.alloc_zeros::<bf16>(32)?, &mut layer, &new);
    assert!(matches!(error, Err(Error::Shape { want: 64, got: 32, .. })));
    // The slot is that of a page which the layer does not have.
    kv::write(&stream, &mut device.alloc_zeros::<bf16>(64)?, &mut layer, &new)?;
    assert!(stream.synchronize().unwrap_err().to_string().contains("out of bounds"));
    Ok(())
}
