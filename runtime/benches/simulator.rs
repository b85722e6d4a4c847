//! Speed of the simulator: thread instructions a second, with and without checks.
//!
//! `cargo bench -p firesteel --bench simulator > docs/src/benchmarks/simulator.md`

use std::fmt::Write;
use std::time::{Duration, Instant};

use firesteel::sim::{Checks, Sim, SimKernel, SimOptions};

/// How long each measurement runs.
const BUDGET: Duration = Duration::from_secs(2);

/// One kernel with its launch.
struct Case {
    name: &'static str,
    ptx: String,
    grid: [u32; 3],
    block: [u32; 3],
    /// Bytes of each buffer, which come first among the arguments if `buffers_first`.
    buffers: Vec<u64>,
    arguments: fn(&[u64]) -> Vec<u64>,
}

fn saxpy() -> Case {
    const N: u32 = 1 << 20;
    Case {
        name: "saxpy",
        ptx: include_str!("../../tests/golden/ptx/saxpy.sm_80.ptx").to_owned(),
        grid: [N / 256, 1, 1],
        block: [256, 1, 1],
        buffers: vec![4 * u64::from(N); 2],
        arguments: |it| vec![N.into(), 1.5f32.to_bits().into(), it[0], it[1]],
    }
}

/// `c = a * b` of 256 by 256 singles in tiles of 16 by 16, as a compiler unrolls it.
fn matmul() -> Case {
    Case {
        name: "matmul",
        ptx: matmul_ptx(),
        grid: [16, 16, 1],
        block: [16, 16, 1],
        buffers: vec![4 * 256 * 256; 3],
        arguments: <[u64]>::to_vec,
    }
}

const MATMUL_HEAD: &str = "
.version 7.0
.target sm_70
.address_size 64
.visible .entry matmul(.param .u64 a, .param .u64 b, .param .u64 c)
{
    .reg .pred %p<2>;
    .reg .b32 %r<16>;
    .reg .f32 %f<8>;
    .reg .b64 %rd<16>;
    .shared .align 4 .b8 as[1024];
    .shared .align 4 .b8 bs[1024];
    ld.param.u64 %rd1, [a];
    ld.param.u64 %rd2, [b];
    ld.param.u64 %rd3, [c];
    mov.u32 %r1, %tid.x;
    mov.u32 %r2, %tid.y;
    mov.u32 %r3, %ctaid.x;
    mov.u32 %r4, %ctaid.y;
    shl.b32 %r5, %r4, 4;
    add.s32 %r5, %r5, %r2;
    shl.b32 %r6, %r5, 8;
    add.s32 %r7, %r6, %r1;
    mul.wide.s32 %rd4, %r7, 4;
    add.s64 %rd5, %rd1, %rd4;
    shl.b32 %r8, %r3, 4;
    add.s32 %r8, %r8, %r1;
    shl.b32 %r9, %r2, 8;
    add.s32 %r9, %r9, %r8;
    mul.wide.s32 %rd6, %r9, 4;
    add.s64 %rd7, %rd2, %rd6;
    mov.u32 %r10, as;
    shl.b32 %r11, %r2, 6;
    add.s32 %r12, %r10, %r11;
    shl.b32 %r13, %r1, 2;
    add.s32 %r14, %r12, %r13;
    mov.u32 %r10, bs;
    add.s32 %r15, %r10, %r13;
    add.s32 %r11, %r15, %r11;
    mov.f32 %f1, 0f00000000;
    mov.u32 %r9, 0;
$loop:
    ld.global.f32 %f2, [%rd5];
    st.shared.f32 [%r14], %f2;
    ld.global.f32 %f3, [%rd7];
    st.shared.f32 [%r11], %f3;
    bar.sync 0;
";

const MATMUL_TAIL: &str = "
    bar.sync 0;
    add.s64 %rd5, %rd5, 64;
    add.s64 %rd7, %rd7, 16384;
    add.s32 %r9, %r9, 1;
    setp.lt.s32 %p1, %r9, 16;
    @%p1 bra $loop;
    add.s32 %r7, %r6, %r8;
    mul.wide.s32 %rd8, %r7, 4;
    add.s64 %rd9, %rd3, %rd8;
    st.global.f32 [%rd9], %f1;
    ret;
}
";

fn matmul_ptx() -> String {
    let mut text = MATMUL_HEAD.to_owned();
    for k in 0..16 {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "    ld.shared.f32 %f2, [%r12+{}];\n    ld.shared.f32 %f3, [%r15+{}];\n    \
             fma.rn.f32 %f1, %f2, %f3, %f1;\n",
            4 * k,
            64 * k
        );
    }
    text + MATMUL_TAIL
}

/// Thread instructions a second, in millions.
fn measure(case: &Case, checks: Checks) -> Result<f64, Box<dyn std::error::Error>> {
    let sim = Sim::new(SimOptions { checks, ..SimOptions::default() });
    let module = sim.load(&case.ptx)?;
    let kernel = module.kernel(case.name).ok_or("no such kernel")?;
    let mut buffers = Vec::new();
    for bytes in &case.buffers {
        let address = sim.alloc(*bytes);
        sim.write(address, &vec![0; *bytes as usize])?;
        buffers.push(address);
    }
    let arguments = (case.arguments)(&buffers);
    let run = |kernel: &SimKernel| sim.launch(kernel, case.grid, case.block, 0, &arguments);
    run(&kernel)?;
    let (start, mut instructions) = (Instant::now(), 0);
    while start.elapsed() < BUDGET {
        instructions += run(&kernel)?.thread_instructions;
    }
    Ok(instructions as f64 / start.elapsed().as_secs_f64() / 1e6)
}

#[allow(clippy::print_stdout, reason = "the table is the result")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = std::thread::available_parallelism()?;
    println!("# The simulator\n");
    println!("`cargo bench -p firesteel --bench simulator` on {threads} cores. Millions of thread");
    println!("instructions a second:\n");
    println!("| kernel | all checks | no checks |");
    println!("| --- | --- | --- |");
    for case in [saxpy(), matmul()] {
        let checked = measure(&case, Checks::All)?;
        let unchecked = measure(&case, Checks::None)?;
        println!("| {} | {checked:.0} | {unchecked:.0} |", case.name);
    }
    Ok(())
}
