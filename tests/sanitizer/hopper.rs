//! Bulk and tensor copies, matrix instructions of a warpgroup, clusters: what they compute, and the
//! bugs that only asynchronous units and other blocks make possible.

mod cluster;
mod cluster_copies;
mod cluster_stages;
mod copies;
mod endless;
mod matrices;

use firesteel::sim::report::{FaultKind, Report};
use firesteel::sim::tensor_map::{Element, Swizzle, TensorMap};
use firesteel::sim::{Checks, Sim, SimOptions};

/// A device and what its kernels get: two tensor maps `ma` and `mb`, addresses `in` and `out`.
struct Bench {
    sim: Sim,
    maps: [Option<TensorMap>; 2],
    input: u64,
    out: u64,
}

/// Bytes of each buffer.
const BUFFER: u64 = 1 << 16;
/// Bytes of the shared variable `tile`.
const TILE: u32 = 1 << 15;

fn kernel(body: &str) -> String {
    format!(
        ".version 8.6\n.target sm_90a\n.address_size 64\n\
         .visible .entry f(.param .align 64 .b8 ma[128], .param .align 64 .b8 mb[128],\n\
         .param .u64 in, .param .u64 out)\n{{\n\
         .reg .pred %p<8>;\n.reg .b32 %r<32>;\n.reg .b64 %rd<16>;\n.reg .f32 %d<64>;\n\
         .reg .b32 %x<64>;\n.reg .b64 %out;\n.reg .b64 %in;\n.reg .b64 %ma;\n.reg .b64 %mb;\n\
         .reg .b32 %tid;\n.reg .b32 %rank;\n.reg .pred %first;\n\
         .shared .align 1024 .b8 tile[{TILE}];\n.shared .align 8 .b64 bar;\n\
         .shared .align 8 .b64 empty;\n\
         ld.param.u64 %out, [out];\nld.param.u64 %in, [in];\n\
         cvta.param.u64 %ma, ma;\nmov.b64 %mb, mb;\ncvta.param.u64 %mb, %mb;\n\
         mov.u32 %tid, %tid.x;\nmov.u32 %rank, %cluster_ctarank;\nsetp.eq.u32 %first, %tid, 0;\n\
         {body}\nret;\n}}\n"
    )
}

/// The first thread makes the barrier, for one arrival, and all see it.
const INIT: &str = "@%first mbarrier.init.shared.b64 [bar], 1;\nbar.sync 0;\n";

/// Waits for the first phase of the barrier.
const WAIT: &str = "$wait:\nmbarrier.try_wait.parity.shared.b64 %p1, [bar], 0;\n@!%p1 bra $wait;\n";

fn expect(bytes: u32) -> String {
    format!("@%first mbarrier.arrive.expect_tx.shared.b64 _, [bar], {bytes};\n")
}

impl Bench {
    fn new(checks: Checks) -> Self {
        let sim = Sim::new(SimOptions { checks, step_limit: 1 << 22, ..SimOptions::default() });
        let (input, out) = (sim.alloc(BUFFER), sim.alloc(BUFFER));
        let ramp: Vec<u8> = (0..BUFFER).map(|it| (it * 7 + it / 256) as u8).collect();
        sim.write(input, &ramp).unwrap();
        Self { sim, maps: [None; 2], input, out }
    }

    fn run(&self, body: &str, threads: u32) -> Result<(), Box<Report>> {
        self.run_clusters(body, ([1; 3], [1; 3]), threads)
    }

    /// Runs a grid of clusters.
    fn run_clusters(
        &self,
        body: &str,
        shape: ([u32; 3], [u32; 3]),
        threads: u32,
    ) -> Result<(), Box<Report>> {
        let module = self.sim.load(&kernel(body)).unwrap_or_else(|error| panic!("{error}"));
        let words = |map: Option<TensorMap>| map.map_or([0; 16], TensorMap::to_words);
        let [a, b] = self.maps.map(words);
        let args: Vec<u64> = a.into_iter().chain(b).chain([self.input, self.out]).collect();
        let kernel = module.kernel("f").unwrap();
        self.sim.launch_clusters(&kernel, shape, [threads, 1, 1], 0, &args).map(drop)
    }

    fn words(&self, count: usize) -> Vec<u32> {
        let bytes = self.read(self.out, 4 * count);
        bytes.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().unwrap())).collect()
    }

    fn read(&self, address: u64, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        self.sim.read(address, &mut read).unwrap();
        read
    }
}

/// A matrix of `rows` by `columns` elements at `address`, and boxes of it.
fn map(
    address: u64,
    element: Element,
    [rows, columns]: [u64; 2],
    boxes: [u32; 2],
    swizzle: Swizzle,
) -> TensorMap {
    TensorMap {
        address,
        element,
        rank: 2,
        dims: [columns, rows, 0, 0, 0],
        strides: [columns * element.bytes(), 0, 0, 0],
        box_dims: [boxes[1], boxes[0], 0, 0, 0],
        element_strides: [1, 1, 0, 0, 0],
        swizzle,
        nan_fill: false,
    }
}

/// A matrix of 40 by 24 words at the input, in boxes of 8 by 8.
fn words(bench: &Bench) -> TensorMap {
    map(bench.input, Element::U32, [40, 24], [8, 8], Swizzle::None)
}

/// A grid of one cluster of that many blocks.
fn one(blocks: u32) -> ([u32; 3], [u32; 3]) {
    ([blocks, 1, 1], [blocks, 1, 1])
}

/// The kernel must be caught in a cluster of `blocks`, by all checks.
fn caught_in(blocks: u32, kind: FaultKind, body: &str, threads: u32) -> Box<Report> {
    let bench = Bench::new(Checks::All);
    let report = bench.run_clusters(body, one(blocks), threads).expect_err("a bug went unnoticed");
    assert_eq!(report.kind(), kind, "{report}");
    report
}

/// The kernel must pass in a cluster of `blocks`, with checks and without; gives words of `out`.
fn passes_in(blocks: u32, body: &str, threads: u32, words: usize) -> Vec<u32> {
    let run = |checks| {
        let bench = Bench::new(checks);
        if let Err(report) = bench.run_clusters(body, one(blocks), threads) {
            panic!("{checks:?}: {report}");
        }
        bench.words(words)
    };
    let checked = run(Checks::All);
    assert_eq!(run(Checks::None), checked);
    checked
}

/// The kernel must be caught, by all checks.
fn caught(kind: FaultKind, body: &str, threads: u32) -> Box<Report> {
    let mut bench = Bench::new(Checks::All);
    bench.maps = [Some(words(&bench)), None];
    let report = bench.run(body, threads).expect_err("a bug went unnoticed");
    assert_eq!(report.kind(), kind, "{report}");
    report
}

/// The kernel must pass, with checks and without.
fn passes(body: &str, threads: u32) {
    for checks in [Checks::All, Checks::None] {
        let mut bench = Bench::new(checks);
        bench.maps = [Some(words(&bench)), None];
        if let Err(report) = bench.run(body, threads) {
            panic!("{checks:?}: {report}");
        }
    }
}
