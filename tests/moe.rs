//! The router and the order of its pairs, against sorts and sums in `f64`.

use firesteel::half::bf16;
use firesteel_examples::data;
use firesteel_kernels::moe::{
    Permutation, Routing, Scoring, combine_rows, combine_rows_reference, gather_rows,
    permutation_reference, route, route_reference,
};
use firesteel_kernels::shape::{Error, Result};
use serde_json::Value;

#[test]
fn kernels_assemble_without_spills() {
    firesteel_kernels::moe::ptx().for_each(|text| firesteel_tests::ptxas::demand(text, &[]));
}

const SOFTMAX: Routing =
    Routing { top_k: 8, scoring: Scoring::Softmax, normalize: true, scale: 1.0 };

/// Experts and weights as the kernel gives them.
fn routed<T: firesteel_kernels::moe::RouterLogit>(
    logits: &[T],
    bias: Option<&[f32]>,
    count: usize,
    routing: &Routing,
) -> Result<(Vec<u32>, Vec<f32>)> {
    let device = crate::device();
    let stream = device.stream();
    let pairs = logits.len() / count * routing.top_k;
    let (mut experts, mut weights) = (device.alloc_zeros(pairs)?, device.alloc_zeros(pairs)?);
    let bias = bias.map(|it| device.alloc_from(it)).transpose()?;
    let logits = device.alloc_from(logits)?;
    route(&stream, &mut experts, &mut weights, &logits, bias.as_ref(), count, routing)?;
    Ok((experts.to_host(&device)?, weights.to_host(&device)?))
}

fn assert_near(got: &[f32], want: &[f64], relative: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let off = (f64::from(got) - want).abs();
        assert!(off <= relative * want.abs() + 1e-30, "{what}, {i}: {got}, {want}");
    }
}

#[test]
fn golden_routes_are_found() -> Result<()> {
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/ops/choice.safetensors"));
    let file = file.unwrap();
    let (length, rest) = file.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&rest[..length]).unwrap();
    let tensor = |name: &str| {
        let offsets = &header[name]["data_offsets"];
        let [begin, end] = [0, 1].map(|i| offsets[i].as_u64().unwrap() as usize);
        &rest[length..][begin..end]
    };
    for (case, count, top_k) in [("route_6x8_k2", 8, 2), ("route_3x64_k8", 64, 8)] {
        let logits = tensor(&format!("{case}.logits"));
        let logits: Vec<f32> = logits.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
        let experts = tensor(&format!("{case}.experts"));
        let experts: Vec<u32> = experts
            .chunks_exact(8)
            .map(|it| bytemuck::pod_read_unaligned::<i64>(it) as u32)
            .collect();
        for (normalize, weights) in [(false, "weights"), (true, "weights_norm")] {
            let weights = tensor(&format!("{case}.{weights}"));
            let weights: Vec<f64> =
                weights.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect();
            let got = routed(&logits, None, count, &Routing { top_k, normalize, ..SOFTMAX })?;
            assert_eq!(got.0, experts, "{case}");
            assert_near(&got.1, &weights, 1e-6, case);
        }
    }
    Ok(())
}

#[test]
fn routes_agree_with_the_reference() -> Result<()> {
    let mut seed = 0;
    for (count, top_k) in [(1, 1), (8, 2), (31, 3), (64, 16), (128, 8), (160, 6), (512, 10)] {
        for scoring in [Scoring::Softmax, Scoring::Sigmoid] {
            for (normalize, scale) in [(false, 1.0), (true, 2.5)] {
                seed += 1;
                let routing = Routing { top_k, scoring, normalize, scale };
                let logits: Vec<f32> =
                    data::floats(seed, count * 5).iter().map(|x| 6.0 * x).collect();
                // Steps of a quarter: wide apart against the rounding of a score.
                let bias: Vec<f32> =
                    (0..count).map(|i| ((i * 7 + seed as usize) % 5) as f32 * 0.25).collect();
                let what = format!("{count} experts, {routing:?}");
                let want = route_reference(&logits, None, count, &routing);
                let got = routed(&logits, None, count, &routing)?;
                assert_eq!(got.0, want.0, "{what}");
                assert_near(&got.1, &want.1, 2e-6, &what);
                let want = route_reference(&logits, Some(&bias), count, &routing);
                let got = routed(&logits, Some(&bias), count, &routing)?;
                assert_eq!(got.0, want.0, "{what}, with a bias");
                assert_near(&got.1, &want.1, 2e-6, &what);
            }
        }
    }
    Ok(())
}

#[test]
fn equal_logits_take_the_lowest_experts() -> Result<()> {
    // Of bf16, which has many equal ones; and both zeros are equal.
    let mut logits = vec![bf16::from_f32(1.0); 128];
    (logits[77], logits[100], logits[5]) =
        (bf16::from_f32(2.0), bf16::from_f32(2.0), bf16::from_f32(0.0));
    logits.extend((0..128).map(|i| bf16::from_f32(if i % 2 == 0 { 0.0 } else { -0.0 })));
    let (experts, weights) = routed(&logits, None, 128, &Routing { top_k: 4, ..SOFTMAX })?;
    assert_eq!(experts, [77, 100, 0, 1, 0, 1, 2, 3]);
    assert_eq!(weights[4..], [0.25; 4]);
    Ok(())
}

#[test]
fn odd_logits_are_chosen_last() -> Result<()> {
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let logits = [nan, 1.0, -inf, 0.0, nan, 5.0, inf, 1.0];
    let (experts, weights) = routed(&logits, None, 8, &Routing { top_k: 8, ..SOFTMAX })?;
    assert_eq!(experts, [6, 5, 1, 7, 3, 0, 2, 4]);
    assert_eq!(weights, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let sigmoid = Routing { top_k: 8, scoring: Scoring::Sigmoid, normalize: false, scale: 1.0 };
    let (_, weights) = routed(&logits, None, 8, &sigmoid)?;
    assert_eq!((weights[0], &weights[5..]), (1.0, &[0.0; 3][..]));
    Ok(())
}

#[test]
fn pairs_are_sorted_and_rows_come_back() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    for (tokens, top_k, count, columns) in
        [(1, 8, 128, 12), (0, 2, 4, 8), (5, 1, 1, 7), (37, 3, 9, 260), (300, 2, 5, 4)]
    {
        let what = format!("{tokens} tokens, {top_k} of {count}, {columns} columns");
        let mut random = data::Random::new(tokens as u64);
        let experts: Vec<u32> = (0..tokens * top_k).map(|_| random.bits() % count as u32).collect();
        let mut order = Permutation::new(&stream, experts.len(), count)?;
        order.sort(&stream, &device.alloc_from(&experts)?)?;
        let (offsets, pairs, places) = permutation_reference(&experts, count);
        assert_eq!(order.offsets().to_host(&device)?, offsets, "{what}");
        assert_eq!(order.pairs().to_host(&device)?, pairs, "{what}");
        assert_eq!(order.places().to_host(&device)?, places, "{what}");

        let x: Vec<bf16> =
            data::floats(1, tokens * columns).into_iter().map(bf16::from_f32).collect();
        let mut gathered = device.alloc_zeros::<bf16>(pairs.len() * columns)?;
        gather_rows(&stream, &mut gathered, &device.alloc_from(&x)?, &order, top_k)?;
        let rows = gathered.to_host(&device)?;
        for (row, &pair) in pairs.iter().enumerate() {
            let token = pair as usize / top_k;
            assert_eq!(rows[row * columns..][..columns], x[token * columns..][..columns], "{what}");
        }

        let weights = data::floats(2, pairs.len());
        let y = data::floats(3, pairs.len() * columns);
        let mut out = device.alloc_zeros::<f32>(tokens * columns)?;
        let (of_y, of_weights) = (device.alloc_from(&y)?, device.alloc_from(&weights)?);
        combine_rows(&stream, &mut out, &of_y, &of_weights, &order, top_k)?;
        let want = combine_rows_reference(&y, &weights, &places, top_k, columns);
        for (got, want) in out.to_host(&device)?.iter().zip(&want) {
            // Each of `top_k` terms is at most 1.
            let most = top_k as f64 * top_k as f64 * f64::from(f32::EPSILON);
            assert!((f64::from(*got) - want).abs() <= most, "{what}: {got}, {want}");
        }
    }
    Ok(())
}

#[test]
fn pairs_of_no_expert_are_left_out() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let mut order = Permutation::new(&stream, 4, 2)?;
    order.sort(&stream, &device.alloc_from(&[1u32, 7, 0, u32::MAX])?)?;
    assert_eq!(order.offsets().to_host(&device)?, [0, 1, 2]);
    assert_eq!(order.pairs().to_host(&device)?[..2], [2, 0]);
    assert_eq!(order.places().to_host(&device)?, [1, u32::MAX, 0, u32::MAX]);
    let y = device.alloc_from(&[1.0f32, 10.0, f32::NAN, f32::NAN])?;
    let weights = device.alloc_from(&[2.0f32, 3.0, 4.0, 5.0])?;
    let mut out = device.alloc_zeros::<f32>(2)?;
    combine_rows(&stream, &mut out, &y, &weights, &order, 2)?;
    assert_eq!(out.to_host(&device)?, [20.0, 4.0]);
    Ok(())
}

#[test]
fn wrong_sizes_are_refused() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let logits = device.alloc_zeros::<f32>(16)?;
    let (mut experts, mut weights) = (device.alloc_zeros(4)?, device.alloc_zeros(4)?);
    let mut refused = |count: usize, top_k: usize| {
        let routing = Routing { top_k, ..SOFTMAX };
        route(&stream, &mut experts, &mut weights, &logits, None, count, &routing).unwrap_err()
    };
    let error = refused(513, 2);
    assert!(matches!(error, Error::Range { what: "experts", most: 512, got: 513, .. }), "{error}");
    let error = refused(8, 9);
    assert_eq!(error.to_string(), "`top_k` must be 1 to 8, got 9");
    assert!(matches!(refused(7, 2), Error::Shape { what: "logits", want: 14, got: 16 }));
    assert!(matches!(refused(8, 3), Error::Shape { what: "experts", want: 6, got: 4 }));
    let mut order = Permutation::new(&stream, 4, 2)?;
    let error = order.sort(&stream, &device.alloc_zeros(5)?).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "experts", want: 4, got: 5 }), "{error}");
    Ok(())
}
