//! The gates of a token.

use firesteel::prelude::*;

use crate::shape::{self, Error, Result};

/// `-exp(a_log) softplus(a + dt_bias)`, for any `a`.
#[gpu_fn]
pub(super) fn log_decay(a: f32, a_log: f32, dt_bias: f32) -> f32 {
    let x = a + dt_bias;
    -a_log.exp() * (x.max(0.0) + (-x.abs()).exp().ln_1p())
}

/// `1 / (1 + exp(-x))`.
#[gpu_fn]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `exp(x)` for `x` up to 0, within 2^-21 of itself; near 0, where decays of many tokens multiply,
/// as exact as an `f32` is.
#[gpu_fn]
pub(super) fn decay_of(x: f32) -> f32 {
    let mut near = x.mul_add(1.0 / 120.0, 1.0 / 24.0);
    near = x.mul_add(near, 1.0 / 6.0);
    near = x.mul_add(near, 0.5);
    near = x.mul_add(near, 1.0);
    near = x.mul_add(near, 1.0);
    if x > -0.0625 { near } else { fast::exp(x) }
}

/// `ln(1 + exp(x))` within 2^-18 of itself, in a few instructions.
#[gpu_fn]
pub(super) fn softplus(x: f32) -> f32 {
    let small = fast::exp(-x.abs());
    // The logarithm's series where that of `1 + small` would have lost digits.
    let mut near = small.mul_add(-1.0 / 6.0, 0.2);
    near = small.mul_add(near, -0.25);
    near = small.mul_add(near, 1.0 / 3.0);
    near = small.mul_add(near, -0.5);
    near = small.mul_add(near, 1.0) * small;
    let log = if small < 0.0625 { near } else { fast::ln(1.0 + small) };
    x.max(0.0) + log
}

/// `1 / (1 + exp(-x))` by the hardware's exponential and reciprocal, within 2^-20 of itself.
#[gpu_fn]
pub(super) fn fast_sigmoid(x: f32) -> f32 {
    fast::recip(1.0 + fast::exp(-x))
}

/// A token and a head for each thread.
#[gpu_kernel(block_size = 128, arch = "sm_90", unchecked, instances(T = [f32, bf16]))]
pub(super) fn gating_kernel<T: Float>(
    g: &mut [f32],
    beta: &mut [f32],
    a: &[T],
    b: &[T],
    a_log: &[f32],
    dt_bias: &[f32],
    heads: u32,
    n: u32,
) {
    grid_dependency_launch();
    grid_dependency_wait();
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    if i < n {
        g[i] = log_decay(a[i].to_f32(), a_log[i % heads], dt_bias[i % heads]);
        beta[i] = sigmoid(b[i].to_f32());
    }
}

/// The types of a layer's projections: `f32` and `bf16`.
pub trait Gated: Sized {
    #[doc(hidden)]
    fn launch(
        stream: &Stream,
        g: &mut GpuBuffer<f32>,
        beta: &mut GpuBuffer<f32>,
        inputs: (&GpuBuffer<Self>, &GpuBuffer<Self>, &GpuBuffer<f32>, &GpuBuffer<f32>),
    ) -> Result<()>;
}

macro_rules! host {
    ($($name:ident)*) => {$(
        impl Gated for $name {
            fn launch(
                stream: &Stream,
                g: &mut GpuBuffer<f32>,
                beta: &mut GpuBuffer<f32>,
                (a, b, a_log, dt_bias): (
                    &GpuBuffer<Self>, &GpuBuffer<Self>, &GpuBuffer<f32>, &GpuBuffer<f32>,
                ),
            ) -> Result<()> {
                let (heads, n) = (a_log.len() as u32, shape::count("a", a.len())?);
                let config = LaunchConfig::new([n.div_ceil(128), 1, 1])
                    .with_programmatic_dependent_launch();
                // SAFETY: All tensors have `n` numbers, and those of heads one for each.
                unsafe {
                    gating_kernel::launch_on::<$name>(
                        stream, config, g, beta, a, b, a_log, dt_bias, heads, n,
                    )?;
                }
                Ok(())
            }
        }
    )*};
}

host!(f32 bf16);

/// `g = -exp(a_log) softplus(a + dt_bias)` and `beta = sigmoid(b)` of `[T, H_v]`, computed in `f32`
/// within 1e-6 of the largest, for any inputs: see
/// [`gdn_gating_reference`](super::reference::gdn_gating_reference).
///
/// [`gated_delta_rule_recurrence`](super::gated_delta_rule_recurrence) and
/// [`chunked_gated_delta_rule`](super::chunked_gated_delta_rule) take
/// [`Gates::Raw`](super::Gates::Raw) too, and need no launch for them.
///
/// # Errors
/// If a length does not fit, the device is older than compute capability 9, or it cannot.
pub fn fused_gdn_gating<T: Gated>(
    stream: &Stream,
    g: &mut GpuBuffer<f32>,
    beta: &mut GpuBuffer<f32>,
    a: &GpuBuffer<T>,
    b: &GpuBuffer<T>,
    a_log: &GpuBuffer<f32>,
    dt_bias: &GpuBuffer<f32>,
) -> Result<()> {
    super::machine(stream, "fused_gdn_gating")?;
    let heads = a_log.len();
    shape::eq("dt_bias", heads, dt_bias.len())?;
    if !a.len().is_multiple_of(heads.max(1)) {
        return Err(Error::Rows { what: "`a`", multiple: heads, got: a.len() });
    }
    for (what, got) in [("b", b.len()), ("g", g.len()), ("beta", beta.len())] {
        shape::eq(what, a.len(), got)?;
    }
    T::launch(stream, g, beta, (a, b, a_log, dt_bias))
}
