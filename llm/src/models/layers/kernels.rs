//! Loops over `f32`, written so that the compiler vectorises them, and their threads.

use std::sync::Mutex;

/// Sums in flight: enough independent lanes for two vectors of the widest common unit.
const LANES: usize = 16;
/// Multiplications below which waking the other threads costs more than it saves.
const WORTH_THREADS: usize = 1 << 17;

/// `Σ a[i] * b[i]`.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// `out[i] += a * x[i]`.
pub(crate) fn axpy(out: &mut [f32], a: f32, x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += a * x;
    }
}

/// `out[i] += x[i]`.
pub(crate) fn add(out: &mut [f32], x: &[f32]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += x;
    }
}

/// Replaces scores by their softmax.
pub(crate) fn softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in &mut *scores {
        *score = (*score - max).exp();
        sum += *score;
    }
    let scale = 1.0 / sum;
    scores.iter_mut().for_each(|score| *score *= scale);
}

/// `x / (1 + e^-x)`.
pub(crate) fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}

/// `1 / (1 + e^-x)`.
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `ln(1 + e^x)`.
pub(crate) fn softplus(x: f32) -> f32 {
    // Where the sum is `e^x` alone, the logarithm undoes the exponential, which may overflow.
    if x > 20.0 { x } else { x.exp().ln_1p() }
}

/// Does `work` to every part, on candle's threads if there is enough of it.
///
/// `cost` is the number of multiplications of all parts together.
pub(crate) fn for_each<T: Send>(parts: Vec<T>, cost: usize, work: impl Fn(T) + Sync) {
    if cost < WORTH_THREADS || parts.len() < 2 {
        return parts.into_iter().for_each(work);
    }
    let parts: Vec<Mutex<Option<T>>> = parts.into_iter().map(|it| Mutex::new(Some(it))).collect();
    candle_core::utils::barrier_pool().execute_chunked(parts.len(), |range| {
        for part in &parts[range] {
            // Each part is taken once, by whoever has its index, so the lock is never contended.
            if let Some(part) = part.lock().ok().and_then(|mut part| part.take()) {
                work(part);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_counts_the_rest() {
        let a: Vec<f32> = (0..37_u8).map(f32::from).collect();
        assert_eq!(dot(&a, &a), 16206.0);
    }

    #[test]
    fn softmax_sums_to_one() {
        let mut scores = [1000.0, 1001.0, 999.0];
        softmax(&mut scores);
        assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(scores[1] > scores[0] && scores[0] > scores[2]);
    }

    #[test]
    fn threads_do_every_part_once() {
        let mut out = vec![0_u32; 1000];
        for_each(out.iter_mut().collect(), usize::MAX, |it| *it += 1);
        assert!(out.iter().all(|it| *it == 1));
    }
}
