//! Structs in registers, and their methods.

use firesteel::prelude::*;

#[gpu_struct(methods)]
#[derive(Clone, Copy)]
struct Ray {
    from: [f32; 2],
    length: f32,
}

#[gpu_struct]
impl Ray {
    const STEP: f32 = 0.5;

    fn new(x: f32) -> Self {
        Self { length: 1.0, from: [x, 2.0] }
    }

    fn advance(&mut self, speed: f32) {
        self.length = speed.mul_add(Self::STEP, self.length);
    }

    fn end(&self, axis: f32) -> f32 {
        self.from[0] + self.length * axis
    }
}

#[gpu_kernel(block_size = 128)]
pub fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let i = thread_idx_x();
    if i < n {
        let mut ray = Ray::new(x[i]);
        ray.advance(3.0);
        y[i] = ray.end(x[0]);
    }
}
