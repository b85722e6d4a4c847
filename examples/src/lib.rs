//! Kernels to read and run.
//!
//! One file a kernel: what it computes, the kernel, a reference on the CPU in `f64` or integers,
//! and a run that compares the two. [`EXAMPLES`] lists them; `cargo run` runs them.

pub mod data;
pub mod kernels;
pub mod own_format;

use firesteel::{Device, KernelInfo, Result};

pub use kernels::EXAMPLES;

/// A kernel with its reference.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The kernel's name.
    pub name: &'static str,
    /// What it computes, in a line.
    pub about: &'static str,
    /// The kernel as PTX.
    pub ptx: &'static str,
    /// What it takes on a device.
    pub info: fn(&Device) -> Result<KernelInfo>,
    /// Runs it and its reference.
    pub run: fn(&Device) -> Result<Outcome>,
}

/// How a kernel's output compares with the reference's.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// How many elements were compared.
    pub elements: usize,
    /// The largest |got − want| / max(|want|, 1).
    pub error: f64,
    /// The largest error that rounding explains.
    pub allowed: f64,
}

impl Outcome {
    /// Compares floats; `allowed` is the error that rounding explains.
    #[must_use]
    pub fn close(got: &[f32], want: &[f64], allowed: f64) -> Self {
        assert_eq!(got.len(), want.len(), "the reference has another length");
        let error = |(got, want): (&f32, &f64)| {
            let distance = (f64::from(*got) - want).abs() / want.abs().max(1.0);
            // A `NaN` must not pass as a small error.
            if distance.is_nan() { f64::INFINITY } else { distance }
        };
        let error = got.iter().zip(want).map(error).fold(0.0, f64::max);
        Self { elements: got.len(), error, allowed }
    }

    /// Compares integers, which must be equal.
    #[must_use]
    pub fn equal<T: PartialEq>(got: &[T], want: &[T]) -> Self {
        assert_eq!(got.len(), want.len(), "the reference has another length");
        let wrong = got.iter().zip(want).filter(|(got, want)| got != want).count();
        Self { elements: got.len(), error: wrong as f64, allowed: 0.0 }
    }

    /// Whether the kernel agrees with its reference.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.error <= self.allowed
    }
}
