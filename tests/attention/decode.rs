//! Attention of a few new tokens over pages, against `f64`.

use std::any::TypeId;

use firesteel::prelude::{GpuBuffer, bf16, e4m3, f16};
use firesteel::{Device, DeviceCopy, Stream};
use firesteel_examples::data::{self, Random};
use firesteel_kernels::attention::decode::{
    self, Decode, DecodeElement, DecodeWorkspace, Queries, decode, decode_reference,
};
use firesteel_kernels::kv::{KvFormat, KvLayer, KvShape, PAGE, Pages};
use firesteel_kernels::shape::{Error, Result};
use firesteel_tests::ptxas;

#[test]
fn decode_stays_in_registers() {
    for text in decode::ptx() {
        // Codes of 8 bits want their scales beside the factors.
        let most = if text.contains("_i8_") { 16 } else { 0 };
        ptxas::demand_within(text, &[], most);
    }
}

/// Sequences, and what is computed of them.
#[derive(Debug, Clone)]
struct Case {
    dim: usize,
    heads: (usize, usize),
    /// Tokens and new tokens of each sequence.
    sequences: Vec<(usize, usize)>,
    window: Option<u32>,
    softcap: Option<f32>,
    format: KvFormat,
}

impl Case {
    fn new(format: KvFormat, dim: usize, heads: (usize, usize), of: &[(usize, usize)]) -> Self {
        let sequences = of.to_vec();
        Self { dim, heads, sequences, window: None, softcap: None, format }
    }

    fn scale(&self) -> f32 {
        2.0 / (self.dim as f32).sqrt()
    }
}

/// A cache whose cells without a token hold NaN where the format has one, and the numbers that the
/// others stand for: `[sequence][kv_head][token][dim]`.
struct Cache {
    layer: KvLayer,
    table: Vec<u32>,
    k: Vec<Vec<Vec<f64>>>,
    v: Vec<Vec<Vec<f64>>>,
}

/// Pages of one half with random numbers in the cells that `table` and the lengths name.
fn fill(
    device: &Device,
    case: &Case,
    shape: &KvShape,
    (table, max_pages): (&[u32], usize),
    seed: u64,
) -> Result<(Pages, Vec<Vec<Vec<f64>>>)> {
    let (dim, heads) = (case.dim, shape.kv_heads);
    let mut numbers = vec![f32::NAN; shape.len()];
    let mut scales = vec![f32::NAN; shape.len() / dim];
    let mut of_all = Vec::new();
    let mut random = Random::new(seed);
    for (s, &(length, _)) in case.sequences.iter().enumerate() {
        let mut of_sequence = Vec::new();
        for head in 0..heads {
            let mut of_head = Vec::new();
            for token in 0..length {
                let page = table[s * max_pages + token / PAGE as usize] as usize;
                let cell = (page * heads + head) * PAGE as usize + token % PAGE as usize;
                scales[cell] = (random.unit() + 1.25) / 127.0;
                for e in 0..dim {
                    let x = random.unit();
                    let stored = match case.format {
                        KvFormat::F16 => f16::from_f32(x).to_f32(),
                        KvFormat::Bf16 => bf16::from_f32(x).to_f32(),
                        KvFormat::E4m3 => e4m3::from_f32(x * 4.0).to_f32(),
                        KvFormat::Q8 => (x * 127.0).round(),
                    };
                    numbers[cell * dim + e] = stored;
                    let factor = match case.format {
                        KvFormat::F16 | KvFormat::Bf16 => 1.0,
                        KvFormat::E4m3 => 0.25,
                        KvFormat::Q8 => scales[cell],
                    };
                    of_head.push(f64::from(stored) * f64::from(factor));
                }
            }
            of_sequence.push(of_head);
        }
        of_all.push(of_sequence);
    }
    let pages = match case.format {
        KvFormat::F16 => Pages::F16(upload(device, &numbers, f16::from_f32)?),
        KvFormat::Bf16 => Pages::Bf16(upload(device, &numbers, bf16::from_f32)?),
        KvFormat::E4m3 => {
            let number =
                |x: f32| if x.is_nan() { e4m3::from_bits(0x7f) } else { e4m3::from_f32(x) };
            Pages::E4m3(upload(device, &numbers, number)?, 0.25)
        }
        KvFormat::Q8 => {
            Pages::Q8(upload(device, &numbers, |x| x as i8)?, device.alloc_from(&scales)?)
        }
    };
    Ok((pages, of_all))
}

fn upload<T: DeviceCopy>(
    device: &Device,
    x: &[f32],
    to: impl Fn(f32) -> T,
) -> Result<GpuBuffer<T>> {
    Ok(device.alloc_from(&x.iter().map(|&it| to(it)).collect::<Vec<T>>())?)
}

impl Cache {
    fn new(device: &Device, case: &Case) -> Result<Self> {
        let pages_of = |length: usize| length.div_ceil(PAGE as usize);
        let max_pages = case.sequences.iter().map(|it| pages_of(it.0)).max().unwrap().max(1) + 1;
        let used: usize = case.sequences.iter().map(|it| pages_of(it.0)).sum();
        // Pages from the last to the first; entries without a page lead nowhere.
        let mut next = used as u32;
        let mut table = Vec::new();
        for &(length, _) in &case.sequences {
            for page in 0..max_pages {
                next -= u32::from(page < pages_of(length));
                table.push(if page < pages_of(length) { next } else { u32::MAX });
            }
        }
        let shape = KvShape { pages: used.max(1), kv_heads: case.heads.1, head_dim: case.dim };
        let (k_pages, k) = fill(device, case, &shape, (&table, max_pages), 3)?;
        let (v_pages, v) = fill(device, case, &shape, (&table, max_pages), 4)?;
        Ok(Self { layer: KvLayer::from_pages(k_pages, v_pages, shape)?, table, k, v })
    }
}

/// Runs a case; the results, with what they are to be.
fn run<X: DecodeElement + Into<f64>>(
    device: &Device,
    stream: &Stream,
    case: &Case,
    round: impl Fn(f32) -> X,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let cache = Cache::new(device, case)?;
    let (heads, kv_heads) = case.heads;
    let tokens: usize = case.sequences.iter().map(|it| it.1).sum();
    let q: Vec<X> = data::floats(5, tokens * heads * case.dim).into_iter().map(&round).collect();
    let to_f64: Vec<f64> = q.iter().map(|&it| it.into()).collect();
    let q = device.alloc_from(&q)?;
    let mut o: GpuBuffer<X> = device.alloc_uninit(q.len())?;
    let lengths: Vec<u32> = case.sequences.iter().map(|it| it.0 as u32).collect();
    let mut starts = vec![0u32];
    for it in &case.sequences {
        starts.push(starts.last().unwrap() + it.1 as u32);
    }
    let first = case.sequences[0].1;
    let uniform = case.sequences.iter().all(|it| it.1 == first);
    let most = case.sequences.iter().map(|it| it.1).max().unwrap();
    let starts = device.alloc_from(&starts)?;
    let queries =
        if uniform { Queries::Each(first) } else { Queries::Ragged { starts: &starts, most } };
    let mut attention = Decode::new(heads).queries(queries).scale(case.scale());
    if let Some(window) = case.window {
        attention = attention.window(window);
    }
    if let Some(cap) = case.softcap {
        attention = attention.softcap(cap);
    }
    let sizes = (case.sequences.len(), most, heads);
    let mut workspace = DecodeWorkspace::new(stream, sizes, &cache.layer.shape())?;
    let (table, lengths) = (device.alloc_from(&cache.table)?, device.alloc_from(&lengths)?);
    let of = (&table, &lengths);
    decode(stream, &mut o, &q, &cache.layer, of, &mut workspace, &attention)?;
    let got = o.to_host(device)?;
    // The workspace is as it was: another launch gives the same bits.
    decode(stream, &mut o, &q, &cache.layer, of, &mut workspace, &attention)?;
    let bits = |x: Vec<X>| x.into_iter().map(|it| it.into().to_bits()).collect::<Vec<u64>>();
    assert_eq!(bits(o.to_host(device)?), bits(got.clone()), "{case:?}");

    let mut want = Vec::new();
    let mut rows = to_f64.chunks(case.dim);
    for (s, &(length, count)) in case.sequences.iter().enumerate() {
        for i in 0..count {
            for head in 0..heads {
                let of_head = head / (heads / kv_heads);
                let position = length as i64 - count as i64 + i as i64;
                want.extend(decode_reference(
                    rows.next().unwrap(),
                    (&cache.k[s][of_head], &cache.v[s][of_head]),
                    position,
                    (f64::from(case.scale()), case.window, case.softcap.map(f64::from)),
                ));
            }
        }
    }
    Ok((got.into_iter().map(Into::into).collect(), want))
}

/// Weights are rounded to 8 bits in `bf16` and to 11 in `f16`, their errors add up like the weights,
/// which sum to 1; values are at most 1.5, and the result is rounded.
fn check<X: DecodeElement + Into<f64> + 'static>(
    case: &Case,
    round: impl Fn(f32) -> X,
) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (got, want) = run(&device, &stream, case, round)?;
    let bits = if case.format == KvFormat::Bf16 { 8 } else { 10 };
    let bits_out = if TypeId::of::<X>() == TypeId::of::<bf16>() { 8 } else { 10 };
    for (at, (got, want)) in got.iter().zip(&want).enumerate() {
        let bound = 0.5f64.powi(bits) + want.abs() * 0.5f64.powi(bits_out) + 1e-6;
        assert!((got - want).abs() <= bound, "{case:?} {at}: {got}, {want}, {bound}");
    }
    Ok(())
}

fn check_any(case: &Case) -> Result<()> {
    match case.format {
        KvFormat::F16 => check(case, f16::from_f32),
        KvFormat::Bf16 => check(case, bf16::from_f32),
        KvFormat::E4m3 | KvFormat::Q8 => {
            check(case, f16::from_f32)?;
            check(case, bf16::from_f32)
        }
    }
}

/// No token, one, a page and its neighbours, several pages.
const LENGTHS: [(usize, usize); 6] = [(1, 1), (0, 1), (64, 1), (65, 1), (63, 1), (300, 1)];

#[test]
fn decode_takes_every_format() -> Result<()> {
    for format in KvFormat::ALL {
        check_any(&Case::new(format, 128, (8, 2), &LENGTHS))?;
    }
    Ok(())
}

#[test]
fn decode_takes_every_head_size() -> Result<()> {
    for dim in [64, 80, 96, 256] {
        for format in [KvFormat::Bf16, KvFormat::Q8] {
            check_any(&Case::new(format, dim, (4, 1), &[(130, 1), (70, 1)]))?;
        }
    }
    Ok(())
}

#[test]
fn decode_takes_several_queries() -> Result<()> {
    for format in [KvFormat::F16, KvFormat::E4m3] {
        // 48 rows of a head, of 64 and of more.
        check_any(&Case::new(format, 64, (8, 2), &[(200, 12), (12, 12), (5, 12)]))?;
        check_any(&Case::new(format, 80, (12, 2), &[(140, 16), (17, 16)]))?;
    }
    check_any(&Case::new(KvFormat::Bf16, 256, (8, 2), &[(100, 16)]))?;
    check_any(&Case::new(KvFormat::Bf16, 64, (6, 2), &[(100, 3), (66, 0), (20, 1), (129, 16)]))
}

#[test]
fn blocks_take_whole_items_and_even_parts() -> Result<()> {
    // More items than blocks, and fewer, with pages that blocks cannot have equally many of.
    check_any(&Case::new(KvFormat::Bf16, 64, (4, 2), &[(100, 1); 19]))?;
    check_any(&Case::new(KvFormat::Q8, 64, (2, 1), &[(64 * 7 + 1, 1)]))?;
    check_any(&Case::new(KvFormat::F16, 64, (2, 1), &[(64 * 11, 2)]))
}

#[test]
fn decode_takes_windows_and_caps() -> Result<()> {
    for window in [1, 64, 100, 5000] {
        let case = Case::new(KvFormat::Bf16, 64, (4, 2), &[(300, 3), (64, 3), (2, 3)]);
        check_any(&Case { window: Some(window), ..case })?;
    }
    let case = Case::new(KvFormat::F16, 64, (4, 4), &[(150, 2)]);
    check_any(&Case { softcap: Some(1.5), window: Some(70), ..case })
}

#[test]
fn mistakes_of_decode_are_named() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let shape = KvShape { pages: 1, kv_heads: 2, head_dim: 112 };
    let mut layer = KvLayer::new(&stream, KvFormat::Bf16, shape)?;
    let (table, lengths) = (device.alloc_from(&[0u32, 0, 0])?, device.alloc_from(&[1u32, 1])?);
    let run = |layer: &KvLayer, heads: usize, len: usize| {
        let q = device.alloc_zeros::<f16>(len)?;
        let mut o = device.alloc_zeros::<f16>(len)?;
        let mut workspace = DecodeWorkspace::new(&stream, (1, 1, 2), &layer.shape())?;
        let attention = Decode::new(heads);
        decode(&stream, &mut o, &q, layer, (&table, &lengths), &mut workspace, &attention)
    };
    let error = run(&layer, 2, 448).unwrap_err();
    assert!(matches!(error, Error::OneOf { got: 112, .. }), "{error}");
    layer = KvLayer::new(&stream, KvFormat::Bf16, KvShape { head_dim: 64, ..shape })?;
    let error = run(&layer, 3, 384).unwrap_err();
    assert!(matches!(error, Error::Multiple { multiple: 2, got: 3, .. }), "{error}");
    let error = run(&layer, 2, 256).unwrap_err();
    assert!(matches!(error, Error::Multiple { what: "table", got: 3, .. }), "{error}");
    Ok(())
}
