//! Which tokens stay in the draw, in one or two passes over the vocabulary.
//!
//! A vocabulary has 150,000 tokens and a draw keeps a few of them, so nothing here sorts more
//! than the tokens that can matter: `top_k` finds its threshold with a heap, `top_p` first
//! counts how much weight lies in each band of logits and sorts only the bands above its cut.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::Params;

/// Tokens and their weights; the largest weight is 1.
pub(super) type Kept = Vec<(u32, f32)>;

/// A logit as every function here sees it: no NaN, and no positive infinity, so that
/// differences from the largest are numbers or negative infinity.
pub(super) fn finite(logit: f32) -> f32 {
    if logit.is_nan() { f32::NEG_INFINITY } else { logit.min(f32::MAX) }
}

/// The largest logit and the lowest id that has it; token 0 if there is none.
pub(super) fn argmax(logits: &[f32]) -> (u32, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, &logit) in logits.iter().enumerate() {
        // False for NaN.
        if logit > best.1 {
            best = (id as u32, logit);
        }
    }
    (best.0, finite(best.1))
}

/// A logit with the order of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Logit(f32);

impl Eq for Logit {}

impl Ord for Logit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Logit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The ids of the `count` largest logits, largest first, of equal ones the lowest id first.
pub(super) fn largest(logits: &[f32], count: usize) -> Vec<u32> {
    if count == 0 {
        return Vec::new();
    }
    // `-0.0 + 0.0` is `0.0`: the total order would tell the two zeros apart.
    let entry = |id: usize| (Logit(finite(logits[id]) + 0.0), Reverse(id as u32));
    let mut heap = BinaryHeap::with_capacity(count.min(logits.len()) + 1);
    for id in 0..logits.len() {
        let entry = entry(id);
        if heap.len() < count {
            heap.push(Reverse(entry));
        } else if let Some(mut least) = heap.peek_mut()
            && entry > least.0
        {
            *least = Reverse(entry);
        }
    }
    heap.into_sorted_vec().into_iter().map(|Reverse((_, Reverse(id)))| id).collect()
}

/// The `k`-th largest logit; negative infinity if there are not more than `k`.
fn threshold(logits: &[f32], k: usize) -> f32 {
    if k == 0 || k >= logits.len() {
        return f32::NEG_INFINITY;
    }
    // A heap costs a comparison a token while it is small; beyond that selection is cheaper.
    if k <= 1024 {
        return largest(logits, k)
            .last()
            .map_or(f32::NEG_INFINITY, |&id| finite(logits[id as usize]));
    }
    let mut values: Vec<f32> = logits.iter().copied().map(finite).collect();
    *values.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1
}

/// The tokens that stay, by id unless `top_p` sorted them. `largest` is the largest logit.
pub(super) fn keep(logits: &[f32], largest: f32, params: &Params) -> Kept {
    let least = threshold(logits, params.top_k);
    // `max` turns the NaN of an infinite difference and an infinite temperature into "never".
    let scaled =
        |logit: f32| ((finite(logit) - largest) / params.temperature).max(f32::NEG_INFINITY);
    let ids = (0_u32..).zip(logits).filter(|&(_, &logit)| finite(logit) >= least);
    let mut kept: Kept = ids.map(|(id, &logit)| (id, scaled(logit))).collect();
    if params.top_p < 1.0 {
        kept = nucleus(kept, f64::from(params.top_p));
    }
    for (_, scaled) in &mut kept {
        *scaled = scaled.exp();
    }
    if params.min_p > 0.0 {
        kept.retain(|&(_, weight)| weight >= params.min_p);
    }
    kept
}

/// Bands of an eighth, down to the scaled logit whose weight is too small to count in an `f32`.
const BANDS: usize = 8 * 104;

fn band(scaled: f32) -> usize {
    // The cast saturates: negative infinity lands in the last band.
    ((-scaled * 8.0) as usize).min(BANDS - 1)
}

/// The shortest prefix of the tokens in descending order whose weights reach `top_p` of all.
/// Takes and returns scaled logits, of which the largest is 0.
fn nucleus(kept: Kept, top_p: f64) -> Kept {
    let mut weights = [0_f64; BANDS];
    for &(_, scaled) in &kept {
        weights[band(scaled)] += f64::from(scaled.exp());
    }
    let want = top_p * weights.iter().sum::<f64>();
    let mut reached = 0.0;
    let mut last = BANDS - 1;
    for (band, weight) in weights.iter().enumerate() {
        reached += weight;
        // With a margin for the order of the additions, which differs from the one below.
        if reached > want * (1.0 + 1e-9) {
            last = band;
            break;
        }
    }
    let mut sorted = kept;
    sorted.retain(|&(_, scaled)| band(scaled) <= last);
    sorted.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut sum = 0.0;
    let cut = sorted.iter().position(|&(_, scaled)| {
        sum += f64::from(scaled.exp());
        sum >= want
    });
    sorted.truncate(cut.map_or(sorted.len(), |cut| cut + 1));
    sorted
}
