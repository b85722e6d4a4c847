//! PTX of another compiler on the simulator, with every check.
//!
//! `golden/ptx/README.md` says what the files hold. The kernels named `bug_*` must be caught.

use std::path::{Path, PathBuf};

use firesteel::sim::report::{FaultKind, Report};
use firesteel::sim::{Sim, SimOptions};
use serde_json::Value;

/// A parameter of a golden launch, on the device.
struct Argument {
    name: String,
    bits: u64,
    bytes: usize,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/ptx")
}

/// Every description, with its name.
fn descriptions() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "json") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((name, serde_json::from_str(&text).unwrap()));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// The PTX files of a description.
fn files(name: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        if file.starts_with(&format!("{name}.")) && file.ends_with(".ptx") {
            found.push((file, std::fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        other => other.as_f64().unwrap(),
    }
}

/// Nested arrays, row major.
fn flatten(value: &Value, into: &mut Vec<f64>) {
    match value {
        Value::Array(items) => items.iter().for_each(|it| flatten(it, into)),
        other => into.push(number(other)),
    }
}

fn encode(dtype: &str, value: f64) -> Vec<u8> {
    match dtype {
        "float32" => (value as f32).to_le_bytes().to_vec(),
        "float16" => firesteel::half::f16::from_f64(value).to_le_bytes().to_vec(),
        "int32" => (value as i32).to_le_bytes().to_vec(),
        "uint32" => (value as u32).to_le_bytes().to_vec(),
        "uint16" => (value as u16).to_le_bytes().to_vec(),
        "uint8" => vec![value as u8],
        "int8" => vec![value as i8 as u8],
        other => panic!("unknown dtype {other}"),
    }
}

/// The bytes of an array of a description.
fn bytes(array: &Value) -> Vec<u8> {
    let dtype = array["dtype"].as_str().unwrap();
    if let Some(hex) = array["bits_hex"].as_str() {
        let digits = hex.as_bytes().chunks(2).map(|it| std::str::from_utf8(it).unwrap());
        return digits.map(|it| u8::from_str_radix(it, 16).unwrap()).collect();
    }
    let mut values = Vec::new();
    flatten(&array["values"], &mut values);
    values.into_iter().flat_map(|it| encode(dtype, it)).collect()
}

fn triple(value: &Value) -> [u32; 3] {
    std::array::from_fn(|k| value[k].as_u64().unwrap() as u32)
}

fn argument(sim: &Sim, param: &Value) -> Argument {
    if let Some(ty) = param["scalar"].as_str() {
        let bits = match ty {
            "f32" => u64::from((param["value"].as_f64().unwrap() as f32).to_bits()),
            _ => param["value"].as_i64().unwrap() as u64,
        };
        return Argument { name: String::new(), bits, bytes: 0 };
    }
    let initial = bytes(&param["initial"]);
    assert_eq!(initial.len() as u64, param["bytes"].as_u64().unwrap());
    let address = sim.alloc(initial.len() as u64);
    sim.write(address, &initial).unwrap();
    let name = param["buffer"].as_str().unwrap().to_owned();
    Argument { name, bits: address, bytes: initial.len() }
}

/// Launches as described; the arguments, and how it went.
fn launch(sim: &Sim, ptx: &str, it: &Value) -> (Vec<Argument>, Result<(), Box<Report>>) {
    let module = sim.load(ptx).unwrap();
    let kernel = module.kernel(it["kernel"].as_str().unwrap()).unwrap();
    let params = it["params"].as_array().unwrap();
    let arguments: Vec<Argument> = params.iter().map(|it| argument(sim, it)).collect();
    let bits: Vec<u64> = arguments.iter().map(|it| it.bits).collect();
    let dynamic = it["dynamic_shared_bytes"].as_u64().unwrap() as u32;
    let result = sim.launch(&kernel, triple(&it["grid"]), triple(&it["block"]), dynamic, &bits);
    (arguments, result.map(drop))
}

fn decode(dtype: &str, bytes: &[u8]) -> Vec<f64> {
    let chunks = |size: usize| bytes.chunks_exact(size);
    match dtype {
        "float32" => {
            chunks(4).map(|it| f32::from_le_bytes(it.try_into().unwrap()).into()).collect()
        }
        "int32" => chunks(4).map(|it| i32::from_le_bytes(it.try_into().unwrap()).into()).collect(),
        "uint32" => chunks(4).map(|it| u32::from_le_bytes(it.try_into().unwrap()).into()).collect(),
        "uint16" => chunks(2).map(|it| u16::from_le_bytes(it.try_into().unwrap()).into()).collect(),
        _ => bytes.iter().map(|it| (*it).into()).collect(),
    }
}

/// Largest difference relative to the largest value; zero only if all bits agree.
fn difference(want: &Value, got: &[u8]) -> f64 {
    let want_bytes = bytes(want);
    assert_eq!(want_bytes.len(), got.len());
    if want_bytes == got {
        return 0.0;
    }
    let dtype = want["dtype"].as_str().unwrap();
    let (want, got) = (decode(dtype, &want_bytes), decode(dtype, got));
    let largest = want.iter().filter(|it| it.is_finite()).fold(0f64, |max, it| max.max(it.abs()));
    let differ = |(want, got): (&f64, &f64)| match want.is_finite() {
        true => (want - got).abs() / largest,
        false if want.to_bits() == got.to_bits() || (want.is_nan() && got.is_nan()) => 0.0,
        false => f64::INFINITY,
    };
    want.iter().zip(&got).map(differ).fold(f64::MIN_POSITIVE, f64::max)
}

fn check(sim: &Sim, file: &str, it: &Value, arguments: &[Argument]) {
    for (name, want) in it["expected"].as_object().unwrap() {
        let argument = arguments.iter().find(|it| it.name == *name).unwrap();
        let mut got = vec![0; argument.bytes];
        sim.read(argument.bits, &mut got).unwrap();
        let tolerance = it["tolerance_abs_over_max"][name].as_f64().unwrap();
        let found = difference(want, &got);
        assert!(found <= tolerance, "{file}, `{name}`: differs by {found:e}, not {tolerance:e}");
    }
}

#[test]
fn every_foreign_kernel_gives_what_the_gpu_gave() {
    let mut count = 0;
    for (name, it) in descriptions().iter().filter(|it| !it.0.starts_with("bug_")) {
        for (file, ptx) in files(name) {
            let sim = Sim::new(SimOptions::default());
            let (arguments, result) = launch(&sim, &ptx, it);
            if let Err(report) = result {
                panic!("{file}: {report}");
            }
            check(&sim, &file, it, &arguments);
            count += 1;
        }
    }
    assert_eq!(count, 23);
}

#[test]
fn every_bug_of_a_foreign_kernel_is_reported() {
    let mut count = 0;
    for (name, it) in descriptions().iter().filter(|it| it.0.starts_with("bug_")) {
        for (file, ptx) in files(name) {
            let sim = Sim::new(SimOptions::default());
            let (_, result) = launch(&sim, &ptx, it);
            let report = result.expect_err(&file);
            let want = match it["bug"]["kind"].as_str().unwrap() {
                "race" => FaultKind::Race,
                "out_of_bounds" => FaultKind::OutOfBounds,
                "misaligned" => FaultKind::Misaligned,
                "divergent_barrier" => FaultKind::DivergentBarrier,
                other => panic!("{file}: unknown kind {other}"),
            };
            assert_eq!(report.kind(), want, "{file}: {report}");
            check_place(&file, &it["bug"], &report);
            count += 1;
        }
    }
    assert_eq!(count, 7);
}

/// Where the description names the thread, the report does too.
fn check_place(file: &str, bug: &Value, report: &Report) {
    let first = &bug["first"];
    if first.is_null() {
        return;
    }
    let thread = report.thread.unwrap();
    assert_eq!(thread.block, triple(&first["block"]), "{file}: {report}");
    assert_eq!(thread.thread, triple(&first["thread"]), "{file}: {report}");
}
