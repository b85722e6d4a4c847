use firesteel::prelude::*;

struct Model;

impl Model {
    #[gpu_kernel(block_size = 256)]
    fn kernel(&self, y: &mut [f32]) {
        y[0] = 1.0;
    }
}

fn main() {}
