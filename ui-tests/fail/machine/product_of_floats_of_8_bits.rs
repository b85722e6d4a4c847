use firesteel::prelude::*;

#[gpu_kernel(block_size = 32, arch = "sm_80")]
fn kernel(words: &[u32], y: &mut [f32]) {
    let a = frag_a::<e4m3>([words[0]; 4]);
    let b = frag_b::<e4m3>([words[1]; 2]);
    let mut sum = FragC::<f32>::zero();
    mma(&mut sum, a, b);
    y[0] = sum[0];
}

fn main() {}
