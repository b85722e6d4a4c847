//! Random programs: rustc's results against our compiler's and the simulator's, bit for bit.
//!
//! A case is one program on one set of inputs. `FIRESTEEL_CASES` sets how many there are,
//! `FIRESTEEL_SEED` which. The device is that of `FIRESTEEL_DEVICE`, or the simulator.
//! `FIRESTEEL_ORACLE` names a folder that keeps rustc's results: a machine without rustc, such as
//! one that has a GPU and nothing else, takes them from there.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use firesteel::{Arg, Device, GpuBuffer, LaunchConfig, Stream};

use super::generate::{INPUTS, Random, Ty, program};

/// Threads of the one block, each with its own inputs.
const LANES: usize = 32;
/// Programs that rustc compiles at a time.
const BATCH: usize = 100;

struct Program {
    block: String,
    ty: Ty,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn random_programs_mean_what_they_mean_to_rustc() {
    let cases = setting("FIRESTEEL_CASES", 12_800) as usize;
    let seed = setting("FIRESTEEL_SEED", 20_240_229);
    let mut random = Random(seed);
    let device = crate::device();
    let mut left = cases.div_ceil(LANES);
    while left > 0 {
        let batch = left.min(BATCH);
        left -= batch;
        let programs: Vec<Program> = (0..batch)
            .map(|_| {
                let (block, ty) = program(&mut random);
                Program { block, ty }
            })
            .collect();
        let inputs = inputs(&mut random);
        check(&device, &programs, &inputs, seed);
    }
}

fn check(device: &Device, programs: &[Program], inputs: &[Vec<u64>], seed: u64) {
    let want = oracle(programs, inputs, seed);
    for (number, program) in programs.iter().enumerate() {
        let got = run(device, program, inputs);
        for lane in 0..LANES {
            let (got, want) = (got[lane], want[number * LANES + lane]);
            assert!(
                same(program.ty, got, want),
                "seed {seed}, lane {lane}: got {got:#x}, rustc says {want:#x}, with {}\n{}",
                show(inputs, lane),
                kernel_text(program)
            );
        }
    }
}

fn show(inputs: &[Vec<u64>], lane: usize) -> String {
    let one = |((name, ty), values): (&(&str, Ty), &Vec<u64>)| {
        format!("{name}: {} = {:#x}", ty.text(), values[lane])
    };
    INPUTS.iter().zip(inputs).map(one).collect::<Vec<_>>().join(", ")
}

/// Equal bits; any `NaN` equals any other, since Rust leaves their bits open.
fn same(ty: Ty, got: u64, want: u64) -> bool {
    let nan = |bits: u64| match ty {
        Ty::F32 => f32::from_bits(bits as u32).is_nan(),
        Ty::F64 => f64::from_bits(bits).is_nan(),
        _ => false,
    };
    got == want || (nan(got) && nan(want))
}

/// For each input its bits for each lane; half of them are edges.
fn inputs(random: &mut Random) -> Vec<Vec<u64>> {
    let edges = |ty: Ty| -> &'static [u64] {
        match ty {
            Ty::F32 => &[0, 0x8000_0000, 0x3F80_0000, 0x7F80_0000, 0xFF80_0000, 0x7FC0_0000, 1],
            Ty::F64 => &[0, 1 << 63, 0x3FF0 << 48, 0x7FF0 << 48, 0x7FF8 << 48, 1, 0x41EF << 48],
            _ => &[0, 1, 2, 3, 7, 31, 127, 128, 255, 0x7FFF, 0x8000, 0x7FFF_FFFF, 0x8000_0000, !0],
        }
    };
    let value = |random: &mut Random, ty: Ty| match random.below(4) {
        0 | 1 => edges(ty)[random.below(edges(ty).len())],
        2 if ty == Ty::F32 => u64::from((random.below(2000) as f32 / 8.0 - 125.0).to_bits()),
        2 if ty == Ty::F64 => (random.below(2000) as f64 / 8.0 - 125.0).to_bits(),
        2 => random.below(100) as u64,
        _ => random.bits(),
    };
    INPUTS.iter().map(|(_, ty)| (0..LANES).map(|_| value(random, *ty)).collect()).collect()
}

/// What rustc computes: for each program and lane the bits of the value.
fn oracle(programs: &[Program], inputs: &[Vec<u64>], seed: u64) -> Vec<u64> {
    let text = oracle_text(programs, inputs);
    let Some(folder) = std::env::var_os("FIRESTEEL_ORACLE").map(PathBuf::from) else {
        return numbers(&ask_rustc(&text, seed));
    };
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let kept = folder.join(format!("{:016x}.txt", hasher.finish()));
    let results = std::fs::read_to_string(&kept).unwrap_or_else(|_| {
        let results = ask_rustc(&text, seed);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&kept, &results).unwrap();
        results
    });
    numbers(&results)
}

fn numbers(text: &str) -> Vec<u64> {
    text.lines().map(|line| u64::from_str_radix(line, 16).unwrap()).collect()
}

/// Compiles and runs the programs; a hexadecimal number a line.
fn ask_rustc(text: &str, seed: u64) -> String {
    let folder =
        std::env::temp_dir().join(format!("firesteel-random-{}-{seed}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (source, binary) = (folder.join("cases.rs"), folder.join("cases"));
    std::fs::write(&source, text).unwrap();
    let rustc = std::env::var_os("RUSTC").map_or(PathBuf::from("rustc"), PathBuf::from);
    let built = Command::new(rustc)
        .args(["--edition=2024", "--cap-lints=allow", "-Aarithmetic_overflow"])
        .args(["-Coverflow-checks=off", "-Cdebug-assertions=off", "-Copt-level=0", "-o"])
        .args([&binary, &source])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let run = Command::new(&binary).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    std::fs::remove_dir_all(&folder).unwrap();
    String::from_utf8(run.stdout).unwrap()
}

fn oracle_text(programs: &[Program], inputs: &[Vec<u64>]) -> String {
    let params: Vec<String> =
        INPUTS.iter().map(|(name, ty)| format!("{name}: {}", ty.text())).collect();
    let params = params.join(", ");
    let mut text = String::from("#![allow(warnings, arithmetic_overflow, unconditional_panic)]\n");
    for (number, Program { block, ty }) in programs.iter().enumerate() {
        let _ = writeln!(text, "fn p{number}({params}) -> {} {block}", ty.text());
    }
    let _ = writeln!(text, "fn main() {{");
    for ((name, ty), values) in INPUTS.iter().zip(inputs) {
        let _ = writeln!(text, "let {name}: [u64; {LANES}] = {values:?};");
        let convert = if ty.is_float() {
            let bits = if *ty == Ty::F32 { "u32" } else { "u64" };
            format!("{}::from_bits(it as {bits})", ty.text())
        } else {
            format!("it as {}", ty.text())
        };
        let _ = writeln!(text, "let {name} = {name}.map(|it| {convert});");
    }
    let args: Vec<String> = INPUTS.iter().map(|(name, _)| format!("{name}[lane]")).collect();
    for (number, Program { ty, .. }) in programs.iter().enumerate() {
        let bits = match ty {
            Ty::F32 | Ty::F64 => "r.to_bits() as u64",
            Ty::Bool => "r as u64",
            Ty::I8 | Ty::U8 => "r as u8 as u64",
            Ty::I16 | Ty::U16 => "r as u16 as u64",
            Ty::I32 | Ty::U32 => "r as u32 as u64",
            Ty::I64 | Ty::U64 | Ty::Isize | Ty::Usize => "r as u64",
        };
        let args = args.join(", ");
        let _ = writeln!(
            text,
            "for lane in 0..{LANES} {{ let r = p{number}({args}); println!(\"{{:x}}\", {bits}); }}"
        );
    }
    text.push_str("}\n");
    text
}

/// The same block as a kernel: thread `i` takes the inputs of lane `i`.
fn kernel_text(program: &Program) -> String {
    let mut text = String::from("fn case(");
    for (name, ty) in INPUTS {
        let _ = write!(text, "x{name}: &[{}], ", ty.text());
    }
    let _ = writeln!(text, "out: &mut [{}]) {{\nlet i = thread_idx_x();", program.ty.text());
    for (name, _) in INPUTS {
        let _ = writeln!(text, "let {name} = x{name}[i];");
    }
    let _ = writeln!(text, "out[i] = {};\n}}", program.block);
    text
}

fn run(device: &Device, program: &Program, inputs: &[Vec<u64>]) -> Vec<u64> {
    let text = kernel_text(program);
    let ptx = crate::compile("block_size = 32, unchecked", &text);
    let stream = device.stream();
    let module = device.load_ptx(&ptx).unwrap_or_else(|error| panic!("{error}\n{text}\n{ptx}"));
    let kernel = module.kernel("case").unwrap();
    let buffers: Vec<GpuBuffer<u8>> =
        INPUTS.iter().zip(inputs).map(|((_, ty), bits)| upload(device, *ty, bits)).collect();
    let bytes = bytes(program.ty);
    let mut out = device.alloc_zeros::<u8>(LANES * bytes).unwrap();
    let mut args: Vec<Arg<'_>> = Vec::new();
    for buffer in &buffers {
        args.extend([Arg::from(buffer), Arg::from(LANES as u64)]);
    }
    args.extend([Arg::from(&mut out), Arg::from(LANES as u64)]);
    launch(&kernel, &stream, &args).unwrap_or_else(|error| panic!("{error}\n{text}\n{ptx}"));
    drop(args);
    let out = out.to_host(device).unwrap_or_else(|error| panic!("{error}\n{text}\n{ptx}"));
    out.chunks_exact(bytes).map(word).collect()
}

fn launch(kernel: &firesteel::Kernel, stream: &Stream, args: &[Arg<'_>]) -> firesteel::Result<()> {
    kernel.launch(stream, LaunchConfig::new([1, 1, 1]), [LANES as u32, 1, 1], args)
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn bytes(ty: Ty) -> usize {
    match ty {
        Ty::Bool | Ty::I8 | Ty::U8 => 1,
        Ty::I16 | Ty::U16 => 2,
        Ty::I32 | Ty::U32 | Ty::F32 => 4,
        Ty::I64 | Ty::U64 | Ty::Isize | Ty::Usize | Ty::F64 => 8,
    }
}

fn upload(device: &Device, ty: Ty, bits: &[u64]) -> GpuBuffer<u8> {
    let bytes: Vec<u8> =
        bits.iter().flat_map(|bits| bits.to_le_bytes()[..bytes(ty)].to_vec()).collect();
    device.alloc_from(&bytes).unwrap()
}
