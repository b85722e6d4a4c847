//! Inputs: random, and the same on every run.

/// A small generator (`xorshift64*`), good enough for test data.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of that seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    /// A number in `[-1, 1)`.
    pub fn unit(&mut self) -> f32 {
        // 24 bits, so that every step is exact.
        (self.bits() >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// `n` numbers in `[-1, 1)`.
#[must_use]
pub fn floats(seed: u64, n: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..n).map(|_| random.unit()).collect()
}

/// `n` random words.
#[must_use]
pub fn words(seed: u64, n: usize) -> Vec<u32> {
    let mut random = Random::new(seed);
    (0..n).map(|_| random.bits()).collect()
}
