//! Attention of prompts against its definition.

use firesteel::half::{bf16, f16};
use firesteel::{GpuBuffer, Plain};
use firesteel_examples::data;
use firesteel_kernels::attention::prefill::{
    self, Attend, Attended, Keys, PAGE, Path, Prefill, Rows, prefill, prefill_reference,
};
use firesteel_kernels::shape::{Error, Result};
use firesteel_tests::ptxas;

const PATHS: [Path; 2] = [Path::Wgmma, Path::Mma];

#[test]
fn sums_and_scores_stay_in_registers() {
    if ptxas::find().is_none() {
        return;
    }
    // The kernels of `f16` differ in the instruction that packs alone.
    for text in prefill::ptx().filter(|text| text.contains("bf16")) {
        // With `mma.sync`, numbers that are needed once a block of keys may be in local memory.
        let (target, most) = if text.contains("wgmma") { ("sm_90a", 0) } else { ("sm_80", 96) };
        let resources = ptxas::assemble(text, target).unwrap();
        assert!(resources.spill_bytes <= most, "{target}: {resources:?}");
    }
}

/// A type, and what its rounding takes at most of a number.
pub(super) trait Element: Attend + Plain + Copy + Into<f64> {
    const UNIT: f64;
    fn of(value: f32) -> Self;
}

impl Element for f16 {
    const UNIT: f64 = 1.0 / 2048.0;
    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }
}

impl Element for bf16 {
    const UNIT: f64 = 1.0 / 256.0;
    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }
}

/// The largest distance over the largest number.
pub(super) fn distance(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let largest = want.iter().filter(|it| it.is_finite()).fold(0.0f64, |a, b| a.max(b.abs()));
    let far = got.iter().zip(want).map(|(got, want)| if got == want { 0.0 } else { got - want });
    far.fold(0.0f64, |a, b| if b.is_nan() { b } else { a.max(b.abs()) }) / largest
}

/// The sequences of a batch.
pub(super) struct Batch {
    pub(super) queries: Vec<u32>,
    pub(super) keys: Vec<u32>,
    pub(super) paged: bool,
}

impl Batch {
    fn new(queries: &[u32], keys: &[u32]) -> Self {
        Self { queries: queries.to_vec(), keys: keys.to_vec(), paged: false }
    }

    fn paged(self) -> Self {
        Self { paged: true, ..self }
    }
}

/// Where sequences begin, and the end.
fn starts(lengths: &[u32]) -> Vec<u32> {
    let ends = lengths.iter().scan(0, |sum, length| {
        *sum += length;
        Some(*sum)
    });
    std::iter::once(0).chain(ends).collect()
}

/// Dense operands.
pub(super) struct Input<T> {
    pub(super) q: Vec<T>,
    pub(super) k: Vec<T>,
    pub(super) v: Vec<T>,
}

/// Pages of keys or values in an order of their own, with NaN where no token is, and the table.
fn pages<T: Element>(prefill: &Prefill, dense: &[T], lengths: &[u32]) -> (Vec<T>, Vec<u32>) {
    let (heads, dim) = (prefill.kv_heads as usize, prefill.head_dim as usize);
    let of_sequence = |length: &u32| (*length as usize).div_ceil(PAGE);
    let count: usize = lengths.iter().map(of_sequence).sum();
    let most = lengths.iter().map(of_sequence).max().unwrap() + 1;
    let mut cells = vec![T::of(f32::NAN); (count + 1) * heads * PAGE * dim];
    // What no token leads to may lead anywhere.
    let mut table = vec![u32::MAX; most * lengths.len()];
    let (mut next, mut token) = (count, 0);
    for (sequence, &length) in lengths.iter().enumerate() {
        for at in 0..length as usize {
            if at % PAGE == 0 {
                table[sequence * most + at / PAGE] = next as u32;
                next = next.saturating_sub(1);
            }
            let page = table[sequence * most + at / PAGE] as usize;
            for head in 0..heads {
                let to = ((page * heads + head) * PAGE + at % PAGE) * dim;
                let from = (token * heads + head) * dim;
                cells[to..to + dim].copy_from_slice(&dense[from..from + dim]);
            }
            token += 1;
        }
    }
    (cells, table)
}

impl<T: Element> Input<T> {
    fn new(prefill: &Prefill, batch: &Batch, sharpness: f32) -> Self {
        let [q_tokens, kv_tokens] =
            [&batch.queries, &batch.keys].map(|it| it.iter().sum::<u32>() as usize);
        let of = |seed, len: usize, factor: f32| {
            data::floats(seed, len).into_iter().map(|x| T::of(x * factor)).collect::<Vec<T>>()
        };
        let [q_width, kv_width] =
            [prefill.q_heads, prefill.kv_heads].map(|it| (it * prefill.head_dim) as usize);
        Self {
            q: of(1, q_tokens * q_width, sharpness),
            k: of(2, kv_tokens * kv_width, 1.0),
            v: of(3, kv_tokens * kv_width, 1.0),
        }
    }

    pub(super) fn run(&self, prefill: &Prefill, batch: &Batch) -> Result<Attended> {
        let device = crate::device();
        let (q_starts, kv_starts) = (starts(&batch.queries), starts(&batch.keys));
        let tokens = *q_starts.last().unwrap() as usize;
        let q = device.alloc_from(&self.q)?;
        let mut o = device.alloc_from(&vec![T::of(f32::NAN); self.q.len()])?;
        let mut lse = device.alloc_from(&vec![f32::NAN; tokens * prefill.q_heads as usize])?;
        let q_starts = device.alloc_from(&q_starts)?;
        let run = |o: &mut GpuBuffer<T>, lse: &mut GpuBuffer<f32>, keys: &Keys<'_, T>| {
            self::prefill(&device.stream(), o, Some(lse), &q, &q_starts, keys, prefill)
        };
        if batch.paged {
            let (k, table) = pages(prefill, &self.k, &batch.keys);
            let (v, _) = pages(prefill, &self.v, &batch.keys);
            let (k, v) = (device.alloc_from(&k)?, device.alloc_from(&v)?);
            let (table, lengths) = (device.alloc_from(&table)?, device.alloc_from(&batch.keys)?);
            let keys = Keys::Paged { k: &k, v: &v, table: &table, lengths: &lengths };
            run(&mut o, &mut lse, &keys)?;
        } else {
            let (k, v) = (device.alloc_from(&self.k)?, device.alloc_from(&self.v)?);
            let starts = device.alloc_from(&kv_starts)?;
            run(&mut o, &mut lse, &Keys::Dense { k: &k, v: &v, starts: &starts })?;
        }
        Ok(Attended {
            o: doubles(&o.to_host(&device)?),
            lse: lse.to_host(&device)?.into_iter().map(f64::from).collect(),
        })
    }
}

fn doubles<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
    values.iter().map(|it| (*it).into()).collect()
}

/// Compares each element with what the rounding of the weights and of the result may take, and
/// `2^-15` of the weighed absolute values, what scores of up to 128 lose in `f32`.
fn check<T: Element>(prefill: &Prefill, batch: &Batch, sharpness: f32) {
    let input = Input::<T>::new(prefill, batch, sharpness);
    let (q_starts, kv_starts) = (starts(&batch.queries), starts(&batch.keys));
    let [q, k, v] = [&input.q, &input.k, &input.v].map(|it| doubles(it));
    let absolute: Vec<f64> = v.iter().map(|it| it.abs()).collect();
    let want = prefill_reference(prefill, [&q, &k, &v], [&q_starts, &kv_starts]);
    let weighed = prefill_reference(prefill, [&q, &k, &absolute], [&q_starts, &kv_starts]);
    let paths = prefill.path.map_or(PATHS.to_vec(), |path| vec![path]);
    for path in paths {
        let got = input.run(&prefill.path(path), batch).unwrap();
        for (at, (got, want)) in got.o.iter().zip(&want.o).enumerate() {
            // The smallest weights of `f16` are lost.
            let bound = T::UNIT * (want.abs() + weighed.o[at])
                + weighed.o[at] / 32_768.0
                + f64::from(u16::try_from(batch.keys.iter().sum::<u32>()).unwrap()) / 33_554_432.0;
            let far = (got - want).abs();
            assert!(far <= bound, "{path:?}, element {at}: {got}, not {want}");
        }
        for (at, (got, want)) in got.lse.iter().zip(&want.lse).enumerate() {
            let right = got == want || (got - want).abs() <= 1e-5 * want.abs().max(1.0);
            assert!(right, "{path:?}, logarithm {at}: {got}, not {want}");
        }
    }
}

#[test]
fn heads_of_every_size() {
    for dim in [64, 80, 96, 128, 256] {
        check::<bf16>(&Prefill::new(2, 1, dim), &Batch::new(&[33], &[140]), 1.0);
    }
}

#[test]
fn halves() {
    check::<f16>(&Prefill::new(2, 2, 128), &Batch::new(&[40], &[40]), 1.0);
    check::<f16>(&Prefill::new(3, 1, 64), &Batch::new(&[30], &[150]).paged(), 2.0);
}

#[test]
fn more_queries_than_a_tile_has() {
    check::<bf16>(&Prefill::new(1, 1, 64), &Batch::new(&[200], &[205]), 1.0);
    check::<bf16>(&Prefill::new(1, 1, 128), &Batch::new(&[130], &[130]), 1.0);
}

#[test]
fn sequences_of_any_length() {
    let batch = Batch::new(&[3, 0, 33, 1, 1, 2], &[3, 5, 150, 0, 1, 64]);
    check::<bf16>(&Prefill::new(4, 2, 64), &batch, 1.0);
    check::<bf16>(&Prefill::new(4, 2, 64), &batch.paged(), 1.0);
}

#[test]
fn queries_before_the_first_key_see_nothing() {
    check::<bf16>(&Prefill::new(1, 1, 80), &Batch::new(&[20], &[7]), 1.0);
}

#[test]
fn windows() {
    let batch = Batch::new(&[140], &[150]);
    for keys in [1, 17, 64, 1000, u32::MAX] {
        check::<bf16>(&Prefill::new(1, 1, 64).window(keys), &batch, 1.0);
    }
    check::<bf16>(&Prefill::new(2, 1, 96).window(70), &Batch::new(&[9], &[300]).paged(), 1.0);
}

#[test]
fn caps() {
    check::<bf16>(&Prefill::new(2, 1, 128).softcap(5.0), &Batch::new(&[30], &[70]), 8.0);
    check::<bf16>(&Prefill::new(1, 1, 64).softcap(30.0).scale(1.0), &Batch::new(&[9], &[9]), 2.0);
}

#[test]
fn large_scores() {
    check::<bf16>(&Prefill::new(1, 1, 64).scale(1.0), &Batch::new(&[50], &[170]), 4.0);
}

#[test]
fn keys_behind_the_query() {
    check::<bf16>(&Prefill::new(2, 1, 128).everything(), &Batch::new(&[20], &[150]), 1.0);
    let prefill = Prefill::new(1, 1, 64).everything().window(5);
    check::<bf16>(&prefill, &Batch::new(&[9, 3], &[70, 70]).paged(), 1.0);
}

#[test]
fn rows_of_one_buffer() {
    let device = crate::device();
    let (batch, prefill) = (Batch::new(&[7, 30], &[7, 30]), Prefill::new(4, 2, 64));
    let input = Input::<bf16>::new(&prefill, &batch, 1.0);
    let widths = [256, 128, 128];
    let (mut all, stride) = (vec![bf16::NAN; 8], 256 + 128 + 128 + 8);
    for token in 0..37 {
        for (of, width) in [&input.q, &input.k, &input.v].into_iter().zip(widths) {
            all.extend_from_slice(&of[token * width..(token + 1) * width]);
        }
        all.extend([bf16::NAN; 8]);
    }
    let want = input.run(&prefill, &batch).unwrap();
    let all = device.alloc_from(&all).unwrap();
    let starts = device.alloc_from(&starts(&batch.queries)).unwrap();
    let [q, k, v] = [8, 8 + 256, 8 + 384].map(|offset| Rows { offset, stride });
    for path in PATHS {
        let mut o = device.alloc_zeros::<bf16>(input.q.len()).unwrap();
        let keys = Keys::Dense { k: &all, v: &all, starts: &starts };
        let prefill = prefill.rows(q, k, v).path(path);
        self::prefill(&device.stream(), &mut o, None, &all, &starts, &keys, &prefill).unwrap();
        let o = doubles(&o.to_host(&device).unwrap());
        assert!(distance(&o, &want.o) < 1e-2, "{path:?}");
    }
}

#[test]
fn numbers_beyond_what_there_is_stand_for_none() {
    let device = crate::device();
    let prefill = Prefill::new(1, 1, 64);
    let ones = |len| device.alloc_from(&vec![bf16::ONE; len]).unwrap();
    let (q, cells) = (ones(20 * 64), ones(2 * PAGE * 64));
    for path in PATHS {
        let mut o = device.alloc_zeros::<bf16>(20 * 64).unwrap();
        let numbers = |of: &[u32]| device.alloc_from(of).unwrap();
        let (starts, lengths) = (numbers(&[0, 3, 9000, 2]), numbers(&[1 << 31, 9000, 7]));
        let table = numbers(&[7, 1, 0, u32::MAX, 0, 0]);
        let keys = Keys::Paged { k: &cells, v: &cells, table: &table, lengths: &lengths };
        let prefill = prefill.path(path);
        self::prefill(&device.stream(), &mut o, None, &q, &starts, &keys, &prefill).unwrap();
        let starts = numbers(&[0, 20]);
        let keys = Keys::Dense { k: &cells, v: &cells, starts: &numbers(&[90, 9000]) };
        self::prefill(&device.stream(), &mut o, None, &q, &starts, &keys, &prefill).unwrap();
        let o = doubles(&o.to_host(&device).unwrap());
        assert!(o.iter().all(|it| *it == 1.0), "{path:?}: {o:?}");
    }
}

#[test]
fn mistakes_are_reported() {
    let device = crate::device();
    let stream = device.stream();
    let buffer = |len| device.alloc_zeros::<bf16>(len).unwrap();
    let numbers = |len| device.alloc_zeros::<u32>(len).unwrap();
    let (q, k, starts, page) = (buffer(512), buffer(256), numbers(2), buffer(2 * PAGE * 64));
    let mut o = buffer(512);
    let mut run = |prefill: Prefill, lse: usize, q_starts: usize, keys: &Keys<'_, bf16>| {
        let mut lse = device.alloc_zeros::<f32>(lse).unwrap();
        let (lse, starts) = ((!lse.is_empty()).then_some(&mut lse), numbers(q_starts));
        self::prefill(&stream, &mut o, lse, &q, &starts, keys, &prefill).unwrap_err().to_string()
    };
    let right = Prefill::new(4, 2, 64);
    let dense = Keys::Dense { k: &k, v: &k, starts: &starts };
    let wrong = |prefill, message: &str| assert_eq!(run(prefill, 0, 2, &dense), message);
    let mut wrong = wrong;
    wrong(
        Prefill::new(4, 2, 72),
        "heads of attention have 64, 80, 96, 128 or 256 elements, got 72",
    );
    wrong(Prefill::new(4, 3, 64), "4 query heads are no multiple of 3 heads of keys and values");
    wrong(right.scale(f32::NAN), "`scale` must be positive and finite, got NaN");
    wrong(right.softcap(0.0), "`softcap` must be positive and finite, got 0");
    wrong(right.window(0), "`window` must be positive and finite, got 0");
    let rows = |offset, stride| Rows { offset, stride };
    wrong(
        right.rows(rows(0, 256), rows(0, 64), rows(0, 128)),
        "rows of `k` have 128 elements, and begin 64 elements apart",
    );
    wrong(
        right.rows(rows(8, 256), rows(0, 128), rows(0, 128)),
        "`q` must have at least 520 elements, got 512",
    );
    wrong(
        right.rows(rows(0, 256), rows(4, 128), rows(0, 128)),
        "`prefill` cannot take this operand: rows of q, k and v must begin at multiples of 16 \
         bytes\nhelp: choose offsets and strides that are multiples of 8 elements",
    );
    assert_eq!(run(right, 3, 2, &dense), "`lse` must have 8 elements, got 3");
    assert_eq!(run(right, 0, 0, &dense), "`q_starts` must have at least 1 elements, got 0");
    assert_eq!(run(right, 0, 4, &dense), "`kv_starts` must have 4 elements, got 2");
    let lengths = numbers(1);
    let table = numbers(3);
    let keys = Keys::Paged { k: &page, v: &k, table: &table, lengths: &lengths };
    let message = format!("`v` must have {} elements, got 256", 2 * PAGE * 64);
    assert_eq!(run(right, 0, 2, &keys), message);
    let keys = Keys::Paged { k: &page, v: &page, table: &table, lengths: &starts };
    assert_eq!(run(right, 0, 2, &keys), "`kv_lengths` must have 1 elements, got 2");
    let keys = Keys::Paged { k: &page, v: &page, table: &table, lengths: &starts };
    assert_eq!(run(right, 0, 3, &keys), "`table` must have 2 elements, got 3");
}

#[test]
fn a_path_says_what_it_does_not_take() {
    let device = crate::device();
    let (q, none) = (device.alloc_zeros::<bf16>(64).unwrap(), device.alloc_zeros(0).unwrap());
    let mut o = device.alloc_zeros::<bf16>(64).unwrap();
    let (starts, no_keys) =
        (device.alloc_from(&[0u32, 1]).unwrap(), device.alloc_zeros::<u32>(2).unwrap());
    let keys = Keys::Dense { k: &none, v: &none, starts: &no_keys };
    let stream = device.stream();
    let mut run = |prefill| self::prefill(&stream, &mut o, None, &q, &starts, &keys, &prefill);
    let prefill = Prefill::new(1, 1, 64);
    let error = run(prefill.path(Path::Wgmma)).unwrap_err();
    assert!(matches!(error, Error::NoAttention { path: "wgmma", .. }), "{error}");
    run(prefill).unwrap();
}
