//! Planted bugs: each check of the simulator against a kernel that breaks it, and against the
//! same kernel mended.

mod barriers;
mod hopper;
mod memory;
mod progress;
mod races;

use firesteel::sim::report::{FaultKind, Report};
use firesteel::sim::{Checks, LaunchStats, Sim, SimOptions};

/// A kernel `f` with a parameter `out` in `%out` (and `in` in `%in`), and some registers.
fn kernel(body: &str) -> String {
    format!(
        ".version 8.7\n.target sm_90\n.address_size 64\n\
         .file 1 \"bug.cu\"\n\
         .extern .shared .align 16 .b8 dynamic[];\n\
         .visible .entry f(.param .u64 out, .param .u64 in)\n{{\n\
         .reg .pred %p<8>;\n.reg .b16 %h<8>;\n.reg .b32 %r<16>;\n.reg .b64 %rd<16>;\n\
         .reg .b64 %out;\n.reg .b64 %in;\n.reg .b32 %tid;\n.reg .b32 %bid;\n\
         .shared .align 16 .b8 tile[1024];\n\
         ld.param.u64 %out, [out];\nld.param.u64 %in, [in];\n\
         mov.u32 %tid, %tid.x;\nmov.u32 %bid, %ctaid.x;\n\
         {body}\nret;\n}}\n"
    )
}

/// Blocks and threads a block.
#[derive(Clone, Copy)]
struct Shape(u32, u32);

/// A device with two buffers of 1024 bytes, `in` written and `out` not.
struct Bench {
    sim: Sim,
    out: u64,
    input: u64,
}

impl Bench {
    fn new(options: SimOptions) -> Self {
        let sim = Sim::new(options);
        let (out, input) = (sim.alloc(1024), sim.alloc(1024));
        sim.write(input, &[0; 1024]).unwrap();
        Self { sim, out, input }
    }

    fn run(&self, body: &str, Shape(blocks, threads): Shape) -> Result<LaunchStats, Box<Report>> {
        let module = self.sim.load(&kernel(body)).unwrap_or_else(|error| panic!("{error}"));
        let kernel = module.kernel("f").unwrap();
        let arguments = [self.out, self.input];
        self.sim.launch(&kernel, [blocks, 1, 1], [threads, 1, 1], 256, &arguments)
    }

    fn word(&self, index: u64) -> u32 {
        let mut bytes = [0; 4];
        self.sim.read(self.out + 4 * index, &mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    }
}

fn run(body: &str, shape: Shape) -> Result<LaunchStats, Box<Report>> {
    Bench::new(SimOptions::default()).run(body, shape)
}

/// The kernel must be caught, by all checks.
fn caught(kind: FaultKind, body: &str, shape: Shape) -> Box<Report> {
    let report = run(body, shape).expect_err("a bug went unnoticed");
    assert_eq!(report.kind(), kind, "{report}");
    assert_eq!(report.kernel, "f");
    report
}

/// The kernel must pass, with checks and without.
fn passes(body: &str, shape: Shape) {
    for checks in [Checks::All, Checks::None] {
        let bench = Bench::new(SimOptions { checks, ..SimOptions::default() });
        if let Err(report) = bench.run(body, shape) {
            panic!("{checks:?}: {report}");
        }
    }
}
