//! The same attention, slow and obvious, in `f64`.

/// Attention of one query `q [D]` at `position` over the keys and values `[tokens, D]` of its head,
/// before the result is rounded.
///
/// Source: Vaswani and others 2017, equation 1; the cap as in Gemma 2, section 2.
#[must_use]
pub fn decode_reference(
    q: &[f64],
    (k, v): (&[f64], &[f64]),
    position: i64,
    (scale, window, softcap): (f64, Option<u32>, Option<f64>),
) -> Vec<f64> {
    let dim = q.len();
    let mut scores = Vec::new();
    for (token, key) in k.chunks(dim).enumerate() {
        let behind = position - token as i64;
        if behind >= 0 && window.is_none_or(|it| behind < i64::from(it)) {
            let dot: f64 = q.iter().zip(key).map(|(q, k)| q * k).sum();
            let score = softcap.map_or(scale * dot, |cap| cap * (scale * dot / cap).tanh());
            scores.push((token, score));
        }
    }
    let largest = scores.iter().fold(f64::NEG_INFINITY, |max, it| max.max(it.1));
    let sum: f64 = scores.iter().map(|it| (it.1 - largest).exp()).sum();
    let mut out = vec![0.0; dim];
    for (token, score) in scores {
        let weight = (score - largest).exp() / sum;
        for (out, v) in out.iter_mut().zip(&v[token * dim..]) {
            *out += weight * v;
        }
    }
    out
}
