//! `wgmma`: a tile that tensor copies bring, multiplied by a warpgroup, against the product on the
//! CPU.

use firesteel::half::{bf16, f16};
use firesteel::sim::Checks;
use firesteel::sim::report::FaultKind;
use firesteel::sim::tensor_map::{Element, Swizzle};

use super::{Bench, INIT, WAIT, expect, map};

/// Threads of a warpgroup.
const THREADS: u32 = 128;
const M: usize = 64;
const N: usize = 32;
/// Where the right factor lies in the tile.
const RIGHT: u64 = 8192;

/// How the factors lie in memory, and what the descriptors say.
#[derive(Clone, Copy)]
struct Case {
    ty: &'static str,
    k: usize,
    bytes: usize,
    swizzle: Swizzle,
    /// Whether the right factor has its columns side by side.
    across: bool,
    /// Whether the left factor is in registers.
    registers: bool,
}

const BF16: Case =
    Case { ty: "bf16", k: 16, bytes: 2, swizzle: Swizzle::B128, across: false, registers: false };

fn value(bytes: &[u8], ty: &str) -> f64 {
    match ty {
        "bf16" => bf16::from_le_bytes([bytes[0], bytes[1]]).to_f64(),
        "f16" => f16::from_le_bytes([bytes[0], bytes[1]]).to_f64(),
        "tf32" => f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).into(),
        "s8" => bytes[0].cast_signed().into(),
        _ => small_float(bytes[0]),
    }
}

/// `e4m3`: a sign, four bits of exponent, three of fraction.
fn small_float(bits: u8) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 3 & 15), f64::from(bits & 7));
    let magnitude = match exponent {
        0 => fraction / 8.0 * 2f64.powi(-6),
        _ => (1.0 + fraction / 8.0) * 2f64.powi(exponent - 7),
    };
    if bits & 0x80 == 0 { magnitude } else { -magnitude }
}

/// A small number that every type has.
fn element(index: usize, ty: &str) -> Vec<u8> {
    let small = (index * 37 + index / 64 * 11) % 17;
    let number = small as f32 - 8.0;
    match ty {
        "bf16" => bf16::from_f32(number / 4.0).to_le_bytes().to_vec(),
        "f16" => f16::from_f32(number / 4.0).to_le_bytes().to_vec(),
        "tf32" => (number / 4.0).to_le_bytes().to_vec(),
        "s8" => vec![(number as i8).cast_unsigned()],
        _ => vec![(0x30 + small as u8) | if small.is_multiple_of(3) { 0x80 } else { 0 }],
    }
}

impl Case {
    fn span(self) -> usize {
        self.swizzle.span() as usize
    }

    /// Elements along K that a box has.
    fn columns(self) -> usize {
        self.span() / self.bytes
    }

    /// The mode bits of a descriptor.
    fn mode(self) -> u64 {
        match self.swizzle {
            Swizzle::None => 0,
            Swizzle::B128 => 1,
            Swizzle::B64 => 2,
            Swizzle::B32 => 3,
        }
    }

    fn accumulator(self) -> &'static str {
        if self.ty == "s8" { "s32" } else { "f32" }
    }

    fn descriptor(self, start: usize, leading: usize) -> u64 {
        let stride = 8 * self.span();
        (start as u64) >> 4
            | (leading as u64 >> 4) << 16
            | (stride as u64 >> 4) << 32
            | self.mode() << 62
    }

    /// Multiplies the box of `columns` along K.
    fn products(self) -> String {
        let names = |prefix: &str, count: usize| {
            (0..count).map(|it| format!("{prefix}{it}")).collect::<Vec<_>>().join(", ")
        };
        let sum = if self.ty == "s8" { "%x" } else { "%d" };
        let mut text = String::new();
        for step in 0..self.columns() / self.k {
            let a = self.descriptor(step * self.k * self.bytes, 16);
            let b = if self.across {
                self.descriptor(RIGHT as usize + step * self.k * self.span(), 2048)
            } else {
                self.descriptor(RIGHT as usize + step * self.k * self.bytes, 16)
            };
            let left = if self.registers {
                text += &self.load_left(step);
                format!("{{{}}}", names(&format!("%r{}", 10 + step), 4))
            } else {
                text += &format!("mov.b64 %rd4, {a};\n");
                "%rd4".to_owned()
            };
            text += &format!("mov.b64 %rd5, {b};\nwgmma.fence.sync.aligned;\n");
            let signs = if self.ty == "s8" { "" } else { ", 1, 1" };
            let trans = match (self.bytes, self.registers) {
                (2, false) => format!(", 0, {}", u8::from(self.across)),
                (2, true) => format!(", {}", u8::from(self.across)),
                _ => String::new(),
            };
            text += &format!(
                "setp.ne.u32 %p3, {step}, 0;\n\
                 wgmma.mma_async.sync.aligned.m64n{N}k{}.{}.{ty}.{ty} {{{}}}, {left}, %rd5, %p3{signs}{trans};\n",
                self.k,
                self.accumulator(),
                names(sum, N / 2),
                ty = self.ty,
            );
        }
        text + "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n"
    }

    /// The fragment of the left factor, from the unswizzled input in global memory.
    fn load_left(self, step: usize) -> String {
        let row = self.columns() * self.bytes;
        let mut text = String::new();
        for register in 0..4 {
            let (down, right) = (register % 2 * 8, register / 2 * 16);
            text += &format!(
                ".reg .b32 %r{n}{register};\nshr.u32 %r1, %tid, 5;\nshl.b32 %r1, %r1, 4;\n\
                 and.b32 %r2, %tid, 31;\nshr.u32 %r3, %r2, 2;\nadd.u32 %r1, %r1, %r3;\n\
                 add.u32 %r1, %r1, {down};\nmul.lo.u32 %r1, %r1, {row};\nand.b32 %r2, %r2, 3;\n\
                 shl.b32 %r2, %r2, 2;\nadd.u32 %r1, %r1, %r2;\nadd.u32 %r1, %r1, {};\n\
                 cvt.u64.u32 %rd6, %r1;\nadd.u64 %rd6, %rd6, %in;\n\
                 ld.global.b32 %r{n}{register}, [%rd6];\n",
                right + step * 32,
                n = 10 + step,
            );
        }
        text
    }

    /// Stores the sums: 64 rows of `N` words.
    fn store(self) -> String {
        let sum = if self.ty == "s8" { "%x" } else { "%d" };
        let mut text = format!(
            "shr.u32 %r1, %tid, 5;\nshl.b32 %r1, %r1, 4;\nand.b32 %r2, %tid, 31;\n\
             shr.u32 %r3, %r2, 2;\nadd.u32 %r1, %r1, %r3;\nmul.lo.u32 %r1, %r1, {};\n\
             and.b32 %r2, %r2, 3;\nshl.b32 %r2, %r2, 3;\nadd.u32 %r1, %r1, %r2;\n\
             cvt.u64.u32 %rd6, %r1;\nadd.u64 %rd6, %rd6, %out;\n",
            4 * N
        );
        for index in 0..N / 2 {
            let offset = index / 4 * 32 + index / 2 % 2 * 8 * 4 * N + index % 2 * 4;
            text += &format!("st.global.b32 [%rd6+{offset}], {sum}{index};\n");
        }
        text
    }

    /// The whole kernel: two copies, the products, the stores.
    fn kernel(self) -> String {
        let (a, b) = (M * self.span(), self.columns() * N * self.bytes);
        let load = |to: u64, map: &str| {
            format!(
                "@%first cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes \
                 [tile+{to}], [{map}, {{0, 0}}], [bar];\n"
            )
        };
        let expected = expect((a + b) as u32);
        [
            INIT,
            &expected,
            &load(0, "%ma"),
            &load(RIGHT, "%mb"),
            WAIT,
            &self.products(),
            &self.store(),
        ]
        .concat()
    }

    fn element(self) -> Element {
        match self.ty {
            "bf16" => Element::BF16,
            "f16" => Element::F16,
            "tf32" => Element::F32,
            _ => Element::U8,
        }
    }

    /// A device whose maps describe the factors, and their elements.
    fn bench(self, checks: Checks) -> (Bench, Vec<f64>, Vec<f64>) {
        let mut bench = Bench::new(checks);
        let (k, right) = (self.columns(), bench.input + 32768);
        let shape = if self.across { [k, N] } else { [N, k] };
        let fill = |address: u64, count: usize, seed: usize| {
            let bytes: Vec<u8> = (0..count).flat_map(|it| element(it + seed, self.ty)).collect();
            bench.sim.write(address, &bytes).unwrap();
            bytes.chunks_exact(self.bytes).map(|it| value(it, self.ty)).collect::<Vec<f64>>()
        };
        let (a, b) = (fill(bench.input, M * k, 0), fill(right, N * k, 5));
        let boxes = |shape: [usize; 2]| (shape.map(|it| it as u64), shape.map(|it| it as u32));
        let (left, left_box) = boxes([M, k]);
        let (shape, right_box) = boxes(shape);
        bench.maps = [
            Some(map(bench.input, self.element(), left, left_box, self.swizzle)),
            Some(map(right, self.element(), shape, right_box, self.swizzle)),
        ];
        (bench, a, b)
    }

    fn check(self) {
        for checks in [Checks::All, Checks::None] {
            let (bench, a, b) = self.bench(checks);
            bench.run(&self.kernel(), THREADS).unwrap_or_else(|it| panic!("{}: {it}", self.ty));
            let (k, out) = (self.columns(), bench.read(bench.out, 4 * M * N));
            for row in 0..M {
                for column in 0..N {
                    let right = |it: usize| {
                        if self.across { b[it * N + column] } else { b[column * k + it] }
                    };
                    // Small multiples of a power of two: every order of summation is exact.
                    let want: f64 = (0..k).map(|it| a[row * k + it] * right(it)).sum();
                    let bits =
                        u32::from_le_bytes(out[(row * N + column) * 4..][..4].try_into().unwrap());
                    let got = match self.ty {
                        "s8" => f64::from(bits.cast_signed()),
                        _ => f64::from(f32::from_bits(bits)),
                    };
                    assert_eq!(got, want, "{} {row}, {column}", self.ty);
                }
            }
        }
    }
}

#[test]
fn bf16_rows_of_every_swizzle_multiply() {
    for swizzle in [Swizzle::B32, Swizzle::B64, Swizzle::B128] {
        Case { swizzle, ..BF16 }.check();
    }
}

#[test]
fn a_right_factor_across_multiplies() {
    // A row of 32 columns of two bytes fills the pattern of 64.
    Case { swizzle: Swizzle::B64, across: true, ..BF16 }.check_across();
    Case { ty: "f16", swizzle: Swizzle::B64, across: true, ..BF16 }.check_across();
}

#[test]
fn a_left_factor_in_registers_multiplies() {
    Case { registers: true, ..BF16 }.check();
    Case { ty: "f16", registers: true, ..BF16 }.check();
}

#[test]
fn every_type_multiplies() {
    Case { ty: "f16", ..BF16 }.check();
    Case { ty: "tf32", k: 8, bytes: 4, ..BF16 }.check();
    Case { ty: "e4m3", k: 32, bytes: 1, ..BF16 }.check();
    Case { ty: "s8", k: 32, bytes: 1, ..BF16 }.check();
}

impl Case {
    /// As [`Case::check`], when the right factor has as many columns as the pattern has room for.
    fn check_across(self) {
        assert_eq!(N * self.bytes, self.span(), "one block of columns");
        self.check();
    }

    /// The kernel with a part replaced must be caught.
    fn caught(self, kind: FaultKind, from: &str, to: &str) {
        let text = self.kernel();
        assert!(text.contains(from), "`{from}` is not in the kernel");
        let (bench, ..) = self.bench(Checks::All);
        let report = bench.run(&text.replace(from, to), THREADS).expect_err("a bug went unnoticed");
        assert_eq!(report.kind(), kind, "{report}");
    }
}

const MULTIPLIED: &str = "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n";

#[test]
fn sums_are_out_of_reach_until_the_wait() {
    BF16.caught(FaultKind::RegisterInFlight, MULTIPLIED, "wgmma.commit_group.sync.aligned;\n");
    let one = MULTIPLIED.replace("aligned 0", "aligned 1");
    BF16.caught(FaultKind::RegisterInFlight, MULTIPLIED, &one);
    let early = ["mov.f32 %d3, 0f00000000;\n", MULTIPLIED].concat();
    BF16.caught(FaultKind::RegisterInFlight, MULTIPLIED, &early);
}

#[test]
fn registers_need_a_fence_before_the_product() {
    BF16.caught(FaultKind::MissingWgmmaFence, "wgmma.fence.sync.aligned;\n", "");
    let touched = "wgmma.fence.sync.aligned;\nmov.f32 %d3, 0f00000000;\n";
    BF16.caught(FaultKind::MissingWgmmaFence, "wgmma.fence.sync.aligned;\n", touched);
}

#[test]
fn sums_that_are_added_to_have_a_value() {
    BF16.caught(
        FaultKind::UninitialisedRegister,
        "setp.ne.u32 %p3, 0, 0;",
        "setp.eq.u32 %p3, 0, 0;",
    );
}

#[test]
fn factors_have_landed_and_stay_until_the_wait() {
    BF16.caught(FaultKind::MissingWait, WAIT, "");
    let overwrite = ["@%first st.shared.u32 [tile+8192], 0;\n", MULTIPLIED].concat();
    BF16.caught(FaultKind::MissingWait, MULTIPLIED, &overwrite);
}

#[test]
fn factors_that_threads_store_need_a_proxy_fence() {
    let store = |fence: &str| {
        format!("{WAIT}bar.sync 0;\n@%first st.shared.u32 [tile+8192], 0;\n{fence}bar.sync 0;\n")
    };
    BF16.caught(FaultKind::MissingProxyFence, WAIT, &store(""));
    let (bench, ..) = BF16.bench(Checks::All);
    let mended = BF16.kernel().replace(WAIT, &store("fence.proxy.async;\n"));
    bench.run(&mended, THREADS).unwrap_or_else(|report| panic!("{report}"));
}
