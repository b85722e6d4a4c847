//! Attention as it is defined.

use super::Prefill;

/// What attention gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Attended {
    /// Results, `[tokens, q_heads, head_dim]`.
    pub o: Vec<f64>,
    /// Logarithms of the sums of exponentials, `[tokens, q_heads]`.
    pub lse: Vec<f64>,
}

/// Attention of dense operands in `f64`, one score after the other (Vaswani and others, "Attention
/// Is All You Need", 2017, equation 1, with the masks of the [module](super)). `starts` are where the
/// sequences' queries and keys begin, and the ends.
#[must_use]
pub fn prefill_reference(
    prefill: &Prefill,
    [q, k, v]: [&[f64]; 3],
    [q_starts, kv_starts]: [&[u32]; 2],
) -> Attended {
    let [heads, kv_heads, dim] =
        [prefill.q_heads, prefill.kv_heads, prefill.head_dim].map(|it| it as usize);
    let mut o = vec![0.0; q.len()];
    let mut lse = vec![f64::NEG_INFINITY; q.len() / dim];
    for (queries, keys) in q_starts.windows(2).zip(kv_starts.windows(2)) {
        let count = keys[1] as usize - keys[0] as usize;
        let offset = count as i64 - i64::from(queries[1] - queries[0]);
        for row in queries[0]..queries[1] {
            let position = offset + i64::from(row - queries[0]);
            for head in 0..heads {
                let at = row as usize * heads + head;
                let kv = |key: usize| {
                    ((keys[0] as usize + key) * kv_heads + head / (heads / kv_heads)) * dim
                };
                let seen: Vec<usize> =
                    (0..count).filter(|&key| sees(prefill, position, key as i64)).collect();
                let score = |&key: &usize| {
                    let terms = (0..dim).map(|i| q[at * dim + i] * k[kv(key) + i]);
                    let score = terms.sum::<f64>() * f64::from(prefill.score_scale());
                    let Some(cap) = prefill.softcap.map(f64::from) else { return score };
                    cap * (score / cap).tanh()
                };
                let scores: Vec<f64> = seen.iter().map(score).collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
                let total: f64 = weights.iter().sum();
                if seen.is_empty() {
                    continue;
                }
                lse[at] = largest + total.ln();
                for i in 0..dim {
                    let terms = seen.iter().zip(&weights).map(|(&key, w)| w * v[kv(key) + i]);
                    o[at * dim + i] = terms.sum::<f64>() / total;
                }
            }
        }
    }
    Attended { o, lse }
}

/// Whether a query at a position sees a key.
fn sees(prefill: &Prefill, position: i64, key: i64) -> bool {
    (!prefill.causal || key <= position)
        && prefill.window.is_none_or(|window| key > position - i64::from(window))
}
