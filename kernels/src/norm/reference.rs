//! The norms in `f64`, a row at a time.

/// `x / sqrt(mean(x²) + eps) * (plus + weight)`. Zhang and Sennrich, 2019, equation 4; `plus` is 0 or
/// 1.
#[must_use]
pub fn rms_norm_reference(x: &[f64], weight: &[f32], eps: f64, plus: f64) -> Vec<f64> {
    let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    let scale = 1.0 / (mean + eps).sqrt();
    x.iter().zip(weight).map(|(x, w)| x * scale * (plus + f64::from(*w))).collect()
}

/// `rms_norm(x) * silu(gate)`. transformers, `Qwen3NextRMSNormGated`.
#[must_use]
pub fn gated_rms_norm_reference(x: &[f64], gate: &[f64], weight: &[f32], eps: f64) -> Vec<f64> {
    let normed = rms_norm_reference(x, weight, eps, 0.0);
    normed.iter().zip(gate).map(|(x, gate)| x * gate / (1.0 + (-gate).exp())).collect()
}

/// `(x - mean(x)) / sqrt(var(x) + eps) * weight + bias`. Ba et al., 2016, equation 4.
#[must_use]
pub fn layer_norm_reference(x: &[f64], weight: &[f32], bias: &[f32], eps: f64) -> Vec<f64> {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / x.len() as f64;
    let scale = 1.0 / (variance + eps).sqrt();
    let factors = x.iter().zip(weight).zip(bias);
    factors.map(|((x, w), b)| (x - mean) * scale * f64::from(*w) + f64::from(*b)).collect()
}
