//! Inputs of layers, and how far results are from what they should be.

use firesteel::Plain;
use firesteel::half::bf16;
use firesteel_kernels::gdn::Heads;
use firesteel_kernels::gdn::reference::Inputs;

/// A number type of the kernels.
pub(super) trait Kind: Copy + Plain {
    fn of(x: f64) -> Self;
    fn to(self) -> f64;
}

impl Kind for f32 {
    fn of(x: f64) -> Self {
        x as Self
    }
    fn to(self) -> f64 {
        f64::from(self)
    }
}

impl Kind for bf16 {
    fn of(x: f64) -> Self {
        Self::from_f64(x)
    }
    fn to(self) -> f64 {
        self.to_f64()
    }
}

/// Numbers in -1 to 1 that do not repeat.
pub(super) fn numbers(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

pub(super) fn of<T: Kind>(x: &[f64]) -> Vec<T> {
    x.iter().map(|x| T::of(*x)).collect()
}

pub(super) fn doubles<T: Kind>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.to()).collect()
}

/// Rounded to `T`.
pub(super) fn rounded<T: Kind>(x: &[f64]) -> Vec<f64> {
    doubles(&of::<T>(x))
}

/// Inputs of a sequence, exactly as a kernel gets them.
pub(super) struct Sequence {
    pub(super) q: Vec<f64>,
    pub(super) k: Vec<f64>,
    pub(super) v: Vec<f64>,
    pub(super) g: Vec<f64>,
    pub(super) beta: Vec<f64>,
}

impl Sequence {
    pub(super) fn new<T: Kind>(seed: u64, heads: &Heads, tokens: usize) -> Self {
        let [keys, values] = [heads.keys(), heads.values()].map(|it| it as usize * tokens);
        let gates = heads.value_heads as usize * tokens;
        let g = numbers(seed + 3, gates).iter().map(|x| -0.1 * (x + 1.0)).collect::<Vec<_>>();
        let beta = numbers(seed + 4, gates).iter().map(|x| 0.5 + 0.5 * x).collect::<Vec<_>>();
        Self {
            q: rounded::<T>(&numbers(seed, keys)),
            k: rounded::<T>(&numbers(seed + 1, keys)),
            v: rounded::<T>(&numbers(seed + 2, values)),
            g: rounded::<f32>(&g),
            beta: rounded::<f32>(&beta),
        }
    }

    pub(super) fn inputs(&self) -> Inputs<'_> {
        Inputs { q: &self.q, k: &self.k, v: &self.v, g: &self.g, beta: &self.beta }
    }
}

/// The largest error against the largest number that there should be.
pub(super) fn distance(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let largest = want.iter().fold(f64::MIN_POSITIVE, |max, x| max.max(x.abs()));
    let error = |(got, want): (&f64, &f64)| {
        let error = (got - want).abs();
        if error.is_nan() { f64::INFINITY } else { error }
    };
    got.iter().zip(want).map(error).fold(0.0, f64::max) / largest
}

#[track_caller]
pub(super) fn close(got: &[f64], want: &[f64], tolerance: f64, what: impl std::fmt::Display) {
    let distance = distance(got, want);
    assert!(distance <= tolerance, "{what}: {distance:e} of the largest, more than {tolerance:e}");
}
