//! The choice of tokens: the kernel against its twin on the host, to the bit; the twin against
//! golden probabilities and against sums in `f64`.

use std::path::Path;

use firesteel::half::bf16;
use firesteel_examples::data;
use firesteel_kernels::sample::{
    Biases, Context, History, Logit, Params, RankLogit, RowContext, Source, argmax,
    exact_reference, logprobs, philox_reference, probabilities_reference, processed_reference,
    sample, sample_reference, top_k, uniform_reference, upload_params, weight_reference,
};
use firesteel_kernels::shape::{Error, Result};
use serde_json::Value;

#[test]
fn kernels_assemble_without_spills() {
    firesteel_kernels::sample::ptx().for_each(|text| firesteel_tests::ptxas::demand(text, &[]));
}

#[test]
fn philox_gives_the_known_answers() {
    // The vectors of Random123's `kat_vectors` for `philox4x32 10`.
    let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
    let cases = [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (pi, [0xa409_3822, 0x299f_31d0], [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
    ];
    for (counter, key, want) in cases {
        assert_eq!(philox_reference(key, counter), want);
    }
}

#[test]
fn weights_fall_with_the_distance() {
    let mut last = 1.0;
    for i in 0..400_000u32 {
        let distance = i as f32 * 1e-4;
        let got = weight_reference(distance, 1.3);
        assert!(got <= last, "{distance}: {got} after {last}");
        last = got;
        let want = (-f64::from(distance) / f64::from(1.3f32)).exp();
        let allowed = want * f64::from(2.0 + distance) * 2.0f64.powi(-23) + 2.0f64.powi(-40);
        assert!((got - want).abs() <= allowed, "{distance}: {got}, {want}");
    }
    assert_eq!(weight_reference(0.0, 0.01), 1.0);
    assert_eq!(weight_reference(f32::INFINITY, f32::INFINITY), 0.0);
    assert_eq!(weight_reference(1e30, f32::INFINITY), 1.0);
    assert_eq!((weight_reference(0.0, 1e-40), weight_reference(1e-3, 1e-40)), (1.0, 0.0));
}

/// The tensors of a golden file, and the manifest of the distributions.
struct Golden {
    bytes: Vec<u8>,
    header: Value,
    manifest: Value,
}

impl Golden {
    fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/ops");
        let file = std::fs::read(folder.join(name)).unwrap();
        let manifest = std::fs::read(folder.join("sampling.json")).unwrap();
        let (length, rest) = file.split_at(8);
        let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
        Self {
            bytes: rest[length..].to_vec(),
            header: serde_json::from_slice(&rest[..length]).unwrap(),
            manifest: serde_json::from_slice(&manifest).unwrap(),
        }
    }

    fn tensor<T: bytemuck::AnyBitPattern>(&self, name: &str) -> Vec<T> {
        let offsets = &self.header[name]["data_offsets"];
        let [begin, end] = [0, 1].map(|i| offsets[i].as_u64().unwrap() as usize);
        let chunks = self.bytes[begin..end].chunks_exact(size_of::<T>());
        chunks.map(bytemuck::pod_read_unaligned).collect()
    }

    fn cases(&self) -> Vec<(usize, Params)> {
        let cases = self.manifest["cases"].as_array().unwrap();
        let read = |case: &Value| {
            let number = |name: &str, default: f32| {
                case["params"][name].as_f64().map_or(default, |it| it as f32)
            };
            let params = Params {
                temperature: number("temperature", 1.0),
                top_k: number("top_k", 0.0) as u32,
                top_p: number("top_p", 1.0),
                min_p: number("min_p", 0.0),
                repetition_penalty: number("repetition_penalty", 1.0),
                presence_penalty: number("presence_penalty", 0.0),
                frequency_penalty: number("frequency_penalty", 0.0),
                ..Params::default()
            };
            (case["index"].as_u64().unwrap() as usize, params)
        };
        cases.iter().map(read).collect()
    }
}

#[test]
fn probabilities_are_those_of_transformers() {
    let golden = Golden::read("sampling.safetensors");
    let logits = golden.tensor::<f32>("logits");
    let previous: Vec<u32> = golden.tensor::<i64>("previous").iter().map(|&it| it as u32).collect();
    for (index, params) in golden.cases() {
        let want = golden.tensor::<f64>(&format!("p{index}.hf"));
        for row in 0..4 {
            let context =
                RowContext { generated: &previous[row * 12..][..12], ..RowContext::default() };
            let mut got = probabilities_reference(&logits[row * 96..][..96], &params, &context);
            let mut want = want[row * 96..][..96].to_vec();
            if row == 1 {
                // A cut may fall among equal logits; which of them stay is not compared.
                got.sort_by(f64::total_cmp);
                want.sort_by(f64::total_cmp);
            }
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() <= 1e-5, "{params:?}, row {row}: {got}, {want}");
            }
        }
    }
}

/// Logits of a spread, some of them equal.
fn made(seed: u64, vocabulary: usize, spread: f32) -> Vec<f32> {
    data::floats(seed, vocabulary * 3)
        .chunks(3)
        .map(|it| spread * (it[0] + it[1] + it[2]))
        .collect()
}

/// Every kind of filter, with and without others.
fn filters() -> Vec<Params> {
    let mut out = vec![Params::GREEDY, Params { top_k: 1, ..Params::default() }];
    for (top_k, top_p, min_p, temperature) in [
        (0, 1.0, 0.0, 1.0),
        (0, 1.0, 0.07, 0.7),
        (0, 0.9, 0.0, 1.0),
        (0, 0.6, 0.02, 1.6),
        (0, 0.999, 0.3, 0.5),
        (3, 1.0, 0.0, 1.0),
        (20, 0.95, 0.05, 0.7),
        (40, 0.8, 0.0, 1.3),
        (150, 1.0, 0.01, 1.0),
        (300, 0.9, 0.0, 2.0),
    ] {
        out.push(Params { top_k, top_p, min_p, temperature, ..Params::default() });
    }
    out
}

#[test]
fn the_twin_is_exact_but_for_rounding() {
    let mut different = 0;
    for (seed, spread) in [(1, 4.0), (2, 0.02), (3, 9.0)] {
        let logits = made(seed, 700, spread);
        for params in filters().into_iter().filter(|it| it.temperature > 0.0 && it.top_k != 1) {
            for step in 0..200 {
                let params = Params { seed, step, ..params };
                let context = RowContext::default();
                let got = sample_reference(&logits, &params, &context);
                let uniform = uniform_reference(seed, step);
                let (want, margin) = exact_reference(&logits, &params, &context, uniform);
                // Weights are off by some 2^-20 of themselves at most.
                assert!(got == want || margin < 2e-6, "{params:?}: {got}, {want}, {margin}");
                different += u32::from(got != want);
            }
        }
    }
    assert!(different <= 5, "{different} of 6000 draws are not the same");
}

/// Draws `draws` times from rows with these parameters, and compares each with the twin.
fn check<T: Logit + Copy>(
    logits: &[T],
    to_f32: impl Fn(T) -> f32,
    params: &[Params],
    draws: u32,
) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let vocabulary = logits.len() / params.len();
    let mut ids = device.alloc_zeros::<u32>(params.len())?;
    let (from, mut rows) = (device.alloc_from(logits)?, upload_params(&stream, params)?);
    let logits: Vec<f32> = logits.iter().map(|&it| to_f32(it)).collect();
    for draw in 0..draws {
        sample(&stream, &mut ids, &mut rows, &from, Context::default())?;
        for (row, (&got, &params)) in ids.to_host(&device)?.iter().zip(params).enumerate() {
            let params = Params { step: params.step + draw, ..params };
            let logits = &logits[row * vocabulary..][..vocabulary];
            let want = sample_reference(logits, &params, &RowContext::default());
            assert_eq!(got, want, "row {row} of {vocabulary} tokens, {params:?}");
        }
    }
    let steps = rows.to_host(&device)?.into_iter().zip(params);
    steps.for_each(|(got, from)| assert_eq!(got.step, from.step + draws));
    Ok(())
}

/// Rows of all filters for each seed.
fn seeded(seeds: std::ops::Range<u64>) -> Vec<Params> {
    let row = |seed| filters().into_iter().map(move |it| Params { seed, step: 7, ..it });
    seeds.flat_map(row).collect()
}

#[test]
fn one_block_chooses_as_its_twin() -> Result<()> {
    for (vocabulary, spread) in
        [(1, 1.0), (3, 2.0), (97, 3.0), (256, 0.5), (1000, 4.0), (1031, 0.1)]
    {
        let params = seeded(0..4);
        let logits = made(vocabulary as u64, vocabulary * params.len(), spread);
        check(&logits, |it| it, &params, 2)?;
    }
    Ok(())
}

#[test]
fn a_cluster_chooses_as_its_twin() -> Result<()> {
    for (vocabulary, spread) in [(5000, 3.0), (5003, 0.01)] {
        let params = seeded(0..1);
        let logits = made(vocabulary as u64, vocabulary * params.len(), spread);
        check(&logits, |it| it, &params, 1)?;
    }
    Ok(())
}

#[test]
fn logits_of_bf16_have_many_equal_ones() -> Result<()> {
    let params = seeded(0..2);
    let logits = made(5, 1200 * params.len(), 0.4);
    let logits: Vec<bf16> = logits.into_iter().map(bf16::from_f32).collect();
    check(&logits, bf16::to_f32, &params, 1)
}

#[test]
fn equal_logits_are_drawn_by_their_ids() -> Result<()> {
    // More than blocks compare each with each, so histograms go to their last digit.
    let params = seeded(0..2);
    let mut logits = vec![0.25f32; 1000 * params.len()];
    logits.iter_mut().step_by(3).for_each(|it| *it = -0.0);
    logits.iter_mut().step_by(7).for_each(|it| *it = 0.0);
    check(&logits, |it| it, &params, 1)
}

#[test]
fn odd_logits_are_survived() -> Result<()> {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let kinds: [&[f32]; 8] = [
        &[nan],
        &[nan, 1.0, nan],
        &[inf, 1.0, inf],
        &[-inf, -inf],
        &[-inf, 0.0],
        &[f32::MAX, f32::MIN, 0.0],
        &[nan, inf, -inf, 0.0],
        &[-1e30, 1e-40, -1e-40, 0.0],
    ];
    for kind in kinds {
        for vocabulary in [40, 600] {
            let params = seeded(3..4);
            let logits: Vec<f32> =
                kind.iter().copied().cycle().take(vocabulary * params.len()).collect();
            check(&logits, |it| it, &params, 1)?;
        }
    }
    Ok(())
}

#[test]
fn odd_parameters_are_survived() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let odd = [0.0, 1e-30, 1e-45, 0.5, 1.0, 2.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let mut params = Vec::new();
    for temperature in odd {
        for other in odd {
            for top_k in [0, 2, u32::MAX] {
                let p = Params { temperature, top_k, top_p: other, ..Params::default() };
                params.extend([p, Params { top_p: 0.9, min_p: other, ..p }]);
            }
        }
    }
    let logits = made(9, 300 * params.len(), 2.0);
    let mut ids = device.alloc_zeros::<u32>(params.len())?;
    // Past the check, as whoever writes the buffer can.
    let mut rows = device.alloc_from(&params)?;
    sample(&stream, &mut ids, &mut rows, &device.alloc_from(&logits)?, Context::default())?;
    for (row, (&got, params)) in ids.to_host(&device)?.iter().zip(&params).enumerate() {
        let want = sample_reference(&logits[row * 300..][..300], params, &RowContext::default());
        assert_eq!(got, want, "{params:?}");
    }
    Ok(())
}

fn penalised(params: Params) -> Params {
    let (presence_penalty, frequency_penalty) = (0.4, 0.3);
    Params { repetition_penalty: 1.3, presence_penalty, frequency_penalty, ..params }
}

/// None to three biases, each of another token.
fn some_biases(row: u32) -> Vec<(u32, f32)> {
    (0..row % 4).map(|i| (row * 13 % 90 + i * 3, 1.5 - i as f32)).collect()
}

#[test]
fn penalties_biases_and_masks_come_first() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    for vocabulary in [101, 700] {
        let params: Vec<Params> = seeded(0..1).into_iter().map(penalised).collect();
        let rows = params.len();
        let logits = made(vocabulary as u64, vocabulary * rows, 1.0);
        let mut random = data::Random::new(vocabulary as u64);
        let mut tokens = |n: usize| -> Vec<u32> {
            (0..n).map(|_| random.bits() % (vocabulary as u32 + 3)).collect()
        };
        let mut history = History::new(&stream, rows + 1, vocabulary)?;
        let prompts: Vec<_> = (0..rows).map(|_| tokens(20)).collect();
        let mut generated: Vec<_> = (0..rows).map(|_| tokens(40)).collect();
        for row in 0..rows {
            history.remember(&stream, row, &device.alloc_from(&[5u32; 3])?, Source::Generated)?;
            history.forget(&stream, row)?;
            history.remember(&stream, row, &device.alloc_from(&prompts[row])?, Source::Prompt)?;
            history.remember(
                &stream,
                row,
                &device.alloc_from(&generated[row])?,
                Source::Generated,
            )?;
        }
        let biases: Vec<_> = (0..rows as u32).map(some_biases).collect();
        let slices: Vec<&[(u32, f32)]> = biases.iter().map(Vec::as_slice).collect();
        let on_device = Biases::upload(&stream, &slices)?;
        let words = vocabulary.div_ceil(32);
        let mask: Vec<u32> =
            tokens(words * rows).iter().map(|it| it.wrapping_mul(0x9e37_79b9) | 1).collect();
        let on_device_mask = device.alloc_from(&mask)?;
        let mut ids = device.alloc_zeros::<u32>(rows)?;
        let (from, mut of_rows) = (device.alloc_from(&logits)?, upload_params(&stream, &params)?);
        for draw in 0..3 {
            let context = Context {
                history: Some(&mut history),
                mask: Some(&on_device_mask),
                biases: Some(&on_device),
            };
            sample(&stream, &mut ids, &mut of_rows, &from, context)?;
            for (row, &got) in ids.to_host(&device)?.iter().enumerate() {
                let context = RowContext {
                    prompt: &prompts[row],
                    generated: &generated[row],
                    bias: &biases[row],
                    mask: Some(&mask[row * words..][..words]),
                };
                let params = Params { step: params[row].step + draw, ..params[row] };
                let logits = &logits[row * vocabulary..][..vocabulary];
                let want = sample_reference(logits, &params, &context);
                assert_eq!(got, want, "row {row} of {vocabulary} tokens, {params:?}");
                assert!(processed_reference(logits, &params, &context)[got as usize].is_finite());
                generated[row].push(got);
            }
        }
    }
    Ok(())
}

/// The `k` largest of each row, as the kernel gives them and by a sort.
fn check_top_k<T: RankLogit + Copy>(
    logits: &[T],
    to_f32: impl Fn(T) -> f32,
    (rows, k): (usize, usize),
) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (mut ids, mut values) = (device.alloc_zeros(rows * k)?, device.alloc_zeros(rows * k)?);
    let from = device.alloc_from(logits)?;
    top_k(&stream, &mut ids, &mut values, &from, k)?;
    let mut first = device.alloc_zeros(rows)?;
    argmax(&stream, &mut first, &from)?;
    let (ids, values) = (ids.to_host(&device)?, values.to_host(&device)?);
    let first = first.to_host(&device)?;
    let vocabulary = logits.len() / rows;
    for (row, logits) in logits.chunks(vocabulary).enumerate() {
        let logits: Vec<f32> = logits.iter().map(|&it| to_f32(it)).collect();
        let finite = processed_reference(&logits, &Params::GREEDY, &RowContext::default());
        let mut order: Vec<u32> = (0..vocabulary as u32).collect();
        let key = |id: u32| finite[id as usize];
        order.sort_by(|&a, &b| key(b).total_cmp(&key(a)).then(a.cmp(&b)));
        let what = format!("{k} of {vocabulary}, row {row}");
        assert_eq!(ids[row * k..][..k], order[..k], "{what}");
        let want: Vec<f32> = order[..k].iter().map(|&id| key(id)).collect();
        assert_eq!(values[row * k..][..k], want, "{what}");
        assert_eq!(first[row], order[0], "{what}");
    }
    Ok(())
}

#[test]
fn golden_largest_are_found() -> Result<()> {
    let golden = Golden::read("choice.safetensors");
    for vocabulary in [7, 32, 33, 1000] {
        let logits = golden.tensor::<f32>(&format!("topk_{vocabulary}.x"));
        let want = golden.tensor::<i64>(&format!("topk_{vocabulary}.topk"));
        let device = crate::device();
        let (mut ids, mut values) = (device.alloc_zeros(24)?, device.alloc_zeros(24)?);
        top_k(&device.stream(), &mut ids, &mut values, &device.alloc_from(&logits)?, 6)?;
        let got: Vec<i64> = ids.to_host(&device)?.into_iter().map(i64::from).collect();
        assert_eq!(got, want, "{vocabulary}");
        check_top_k(&logits, |it| it, (4, 1))?;
    }
    Ok(())
}

#[test]
fn the_largest_are_those_of_a_sort() -> Result<()> {
    let halves = |vocabulary: usize, rows: usize| -> Vec<bf16> {
        made(3, vocabulary * rows, 0.7).into_iter().map(bf16::from_f32).collect()
    };
    for (vocabulary, k) in [(1, 1), (5, 5), (300, 128), (1001, 20), (4096, 100)] {
        check_top_k(&made(1, vocabulary * 2, 2.0), |it| it, (2, k))?;
        check_top_k(&halves(vocabulary, 2), bf16::to_f32, (2, k))?;
    }
    check_top_k(&made(1, 6001, 2.0), |it| it, (1, 40))?;
    check_top_k(&halves(8000, 1), bf16::to_f32, (1, 128))?;
    // The largest are all in one warp, and there are many equal ones.
    let rising: Vec<f32> = (0..1600).map(|i| (i / 3) as f32 - 900.0).collect();
    check_top_k(&rising, |it| it, (1, 100))?;
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let odd = [nan, 0.0, -0.0, inf, f32::MAX, -inf, -1.0, nan];
    check_top_k(&odd, |it| it, (1, 8))?;
    check_top_k(&odd.repeat(60), |it| it, (1, 128))
}

#[test]
fn logprobs_are_of_the_rows_as_they_are() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let n = 5;
    for vocabulary in [9, 900, 5000] {
        let mut logits = made(vocabulary as u64, vocabulary * 3, 4.0);
        (logits[3], logits[4]) = (f32::NEG_INFINITY, f32::NAN);
        let chosen = [3, 7, vocabulary as u32];
        let (mut ids, mut of_ids) = (device.alloc_zeros(n * 3)?, device.alloc_zeros(n * 3)?);
        let (from, choice) = (device.alloc_from(&logits)?, device.alloc_from(&chosen)?);
        let mut of_chosen = device.alloc_zeros::<f32>(3)?;
        logprobs(&stream, &mut of_chosen, (&mut ids, &mut of_ids), &choice, &from)?;
        let (ids, of_ids) = (ids.to_host(&device)?, of_ids.to_host(&device)?);
        let of_chosen = of_chosen.to_host(&device)?;
        assert_eq!((of_chosen[0], of_chosen[2]), (-9999.0, -9999.0));
        for (row, logits) in logits.chunks(vocabulary).enumerate() {
            let finite = logits.iter().map(|&it| f64::from(it)).filter(|it| it.is_finite());
            let log = finite.map(f64::exp).sum::<f64>().ln();
            let near = |got: f32, id: u32| {
                let want = f64::from(logits[id as usize]) - log;
                let off = (f64::from(got) - want).abs();
                assert!(off <= 1e-6 + 1.2e-7 * want.abs(), "{vocabulary}, {row}: {got}, {want}");
            };
            if row == 1 {
                near(of_chosen[1], 7);
            }
            for i in row * n..row * n + n {
                near(of_ids[i], ids[i]);
                assert!(i == row * n || of_ids[i] <= of_ids[i - 1]);
            }
        }
        // Of the chosen ones alone.
        let mut alone = device.alloc_zeros::<f32>(3)?;
        let (mut none, mut nothing) = (device.alloc_zeros(0)?, device.alloc_zeros(0)?);
        logprobs(&stream, &mut alone, (&mut none, &mut nothing), &choice, &from)?;
        assert_eq!(alone.to_host(&device)?, of_chosen);
    }
    Ok(())
}

#[test]
fn wrong_parameters_and_sizes_are_refused() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let error = upload_params(&stream, &[Params::GREEDY, Params { top_p: 1.5, ..Params::GREEDY }]);
    assert_eq!(error.unwrap_err().to_string(), "`top_p` of row 1 must be 0 to 1, got 1.5");
    let nan = Params { temperature: f32::NAN, ..Params::GREEDY };
    let error = upload_params(&stream, &[nan]).unwrap_err();
    assert!(matches!(error, Error::Parameter { what: "temperature", row: 0, .. }), "{error}");
    let error = Biases::upload(&stream, &[&[(3, 1.0), (4, 1.0), (3, 2.0)]]).unwrap_err();
    assert!(matches!(error, Error::Repeated { row: 0, got: 3, .. }), "{error}");

    let mut params = upload_params(&stream, &[Params::GREEDY; 2])?;
    let mut refused = |logits: usize, ids: usize, context: Context<'_>| {
        let (mut ids, logits) = (device.alloc_zeros(ids)?, device.alloc_zeros::<f32>(logits)?);
        Ok::<_, Error>(sample(&stream, &mut ids, &mut params, &logits, context).unwrap_err())
    };
    let error = refused(7, 2, Context::default())?;
    assert!(matches!(error, Error::Shape { what: "logits", want: 6, got: 7 }), "{error}");
    let error = refused(8, 3, Context::default())?;
    assert!(matches!(error, Error::Shape { what: "ids", want: 2, got: 3 }), "{error}");
    let error = refused(0, 2, Context::default())?;
    assert!(matches!(error, Error::Range { what: "vocabulary", got: 0, .. }), "{error}");
    let error = refused(1_000_000, 2, Context::default())?;
    assert!(matches!(error, Error::Range { what: "vocabulary", got: 500_000, .. }), "{error}");
    let logits = device.alloc_zeros::<f32>(200)?;
    let (mut ids, mut values) = (device.alloc_zeros(258)?, device.alloc_zeros(258)?);
    let error = top_k(&stream, &mut ids, &mut values, &logits, 129).unwrap_err();
    assert_eq!(error.to_string(), "`k` must be 1 to 128, got 129");
    let (mut ids, mut values) = (device.alloc_zeros(202)?, device.alloc_zeros(202)?);
    let error = top_k(&stream, &mut ids, &mut values, &logits, 101).unwrap_err();
    assert!(matches!(error, Error::Range { what: "k", most: 100, got: 101, .. }), "{error}");
    let mask = device.alloc_zeros(1)?;
    let error = refused(8, 2, Context { mask: Some(&mask), ..Context::default() })?;
    assert!(matches!(error, Error::Shape { what: "mask", want: 2, got: 1 }), "{error}");
    let mut history = History::new(&stream, 1, 4)?;
    let error = refused(8, 2, Context { history: Some(&mut history), ..Context::default() })?;
    assert!(matches!(error, Error::Short { what: "rows of the history", .. }), "{error}");
    let error = history.forget(&stream, 1).unwrap_err();
    assert!(matches!(error, Error::Range { what: "row", most: 0, got: 1, .. }), "{error}");
    Ok(())
}
