//! Random numbers, and the distance of two products.

use firesteel::prelude::*;

/// Values that are repeated: more would only take time to draw.
const PERIOD: usize = (1 << 20) + 7;

/// Marsaglia, "Xorshift RNGs", 2003.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Puts the elements into a random order.
    pub(crate) fn shuffle<T>(&mut self, of: &mut [T]) {
        for at in (1..of.len()).rev() {
            of.swap(at, (self.next() >> 32) as usize % (at + 1));
        }
    }
}

/// Normal values of a matrix.
pub(crate) struct Host {
    drawn: Vec<f32>,
    len: usize,
}

impl Host {
    /// `len` values with mean 0 and deviation 1.
    pub(crate) fn normal(seed: u64, len: usize) -> Self {
        let mut random = Random::new(seed);
        // Above 0, whose logarithm is none.
        let mut uniform = || ((random.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        // Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958.
        let mut one = || {
            let radius = (-2.0 * uniform().ln()).sqrt();
            (radius * (std::f64::consts::TAU * uniform()).cos()) as f32
        };
        Self { drawn: (0..len.min(PERIOD)).map(|_| one()).collect(), len }
    }

    fn map<T: Copy>(&self, convert: impl Fn(f32) -> T) -> Vec<T> {
        let converted: Vec<T> = self.drawn.iter().map(|&it| convert(it)).collect();
        converted.iter().copied().cycle().take(self.len).collect()
    }

    pub(crate) fn f32(&self) -> Vec<f32> {
        self.map(|it| it)
    }

    pub(crate) fn bf16(&self) -> Vec<bf16> {
        self.map(bf16::from_f32)
    }

    pub(crate) fn f16(&self) -> Vec<f16> {
        self.map(f16::from_f32)
    }

    /// In steps of a thirty-second.
    pub(crate) fn i8(&self) -> Vec<i8> {
        self.map(|it| (it * 32.0).round().clamp(-127.0, 127.0) as i8)
    }

    pub(crate) fn e4m3(&self) -> Vec<e4m3> {
        self.map(e4m3::from_f32)
    }
}

/// `‖got − want‖ / ‖want‖` in the Frobenius norm.
pub(crate) fn distance(got: &[f64], want: &[f64]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|it| it * it).sum::<f64>();
    let difference = square(&mut got.iter().zip(want).map(|(got, want)| got - want));
    let size = square(&mut want.iter().copied());
    // Equal even where both are zero.
    if difference == 0.0 { 0.0 } else { (difference / size).sqrt() }
}
