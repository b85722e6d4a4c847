//! What a head becomes before it is stored, slow and obvious, in `f64`.

/// A head of queries or keys after norm and rotation.
///
/// `norm` has the weights, `eps` and what is added to each weight; `rope` the angle of a position for
/// each pair, the position, the factor of the results, and whether pairs are neighbours. An angle is
/// the `f32` product of position and frequency, as in transformers' `RotaryEmbedding`.
///
/// Sources: Zhang and Sennrich 2019, equation 4; Su et al. 2021, section 3.2.2.
#[must_use]
pub fn write_reference(
    head: &[f32],
    norm: Option<(&[f32], f32, f32)>,
    rope: Option<(&[f32], u32, f32, bool)>,
) -> Vec<f64> {
    let mut x: Vec<f64> = head.iter().map(|&it| f64::from(it)).collect();
    if let Some((weight, eps, offset)) = norm {
        let square: f64 = x.iter().map(|it| it * it).sum();
        let root = (square / x.len() as f64 + f64::from(eps)).sqrt();
        for (x, &weight) in x.iter_mut().zip(weight) {
            *x = *x / root * (f64::from(offset) + f64::from(weight));
        }
    }
    if let Some((inv_freq, position, scale, interleaved)) = rope {
        for (i, &frequency) in inv_freq.iter().enumerate() {
            let (a, b) = if interleaved { (2 * i, 2 * i + 1) } else { (i, i + inv_freq.len()) };
            let (sin, cos) = f64::from(position as f32 * frequency).sin_cos();
            let (first, last) = (x[a], x[b]);
            x[a] = f64::from(scale) * (first * cos - last * sin);
            x[b] = f64::from(scale) * (last * cos + first * sin);
        }
    }
    x
}
