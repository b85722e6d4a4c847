//! NVIDIA's assembler, the judge of PTX. It needs no GPU.
//!
//! `FIRESTEEL_PTXAS` names it, else it is looked for on `PATH`; `.ci/ptxas` installs one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the kernels of a module take, the most of any of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes that a thread stores to local memory for want of registers.
    pub spill_bytes: u32,
    /// Bytes of a thread's stack frame.
    pub stack_bytes: u32,
    /// Bytes of shared memory of a block.
    pub shared_bytes: u32,
}

/// A complaint of the assembler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Line of the text, from one; zero if it does not say.
    pub line: usize,
    /// What it says.
    pub message: String,
}

/// The assembler, if there is one.
#[must_use]
pub fn find() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let works = |path: &PathBuf| Command::new(path).arg("--version").output().is_ok();
    FOUND
        .get_or_init(|| {
            let named = std::env::var_os("FIRESTEEL_PTXAS").map(PathBuf::from);
            Some(named.unwrap_or_else(|| PathBuf::from("ptxas"))).filter(works)
        })
        .as_deref()
}

/// Assembles `text` for `target` (`sm_80`).
///
/// # Errors
/// What the assembler says. If there is none, that; so ask [`find`] first.
pub fn assemble(text: &str, target: &str) -> Result<Resources, Vec<Complaint>> {
    let said = |message: String| vec![Complaint { line: 0, message }];
    let ptxas = find().ok_or_else(|| said("there is no `ptxas` to ask".to_owned()))?;
    let output = run(ptxas, text, target).map_err(|error| said(error.to_string()))?;
    let report = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(resources(&report));
    }
    let complaints: Vec<Complaint> = report.lines().filter_map(complaint).collect();
    Err(if complaints.is_empty() { said(report.into_owned()) } else { complaints })
}

/// The machines that kernels are assembled for.
pub const MACHINES: &[&str] = &["sm_70", "sm_80", "sm_90"];

/// Demands that the assembler, if there is one, takes a kernel for its own machine and for those of
/// `others` that are newer, and needs no local memory for it.
///
/// # Panics
/// If it does not.
pub fn demand(ptx: &str, others: &[&str]) {
    demand_within(ptx, others, 0);
}

/// As [`demand`], of a kernel that may keep so many bytes of a thread in local memory, for what is
/// needed seldom.
///
/// # Panics
/// If it does not.
pub fn demand_within(ptx: &str, others: &[&str], most: u32) {
    if find().is_none() {
        return;
    }
    let own = ptx.lines().find_map(|line| line.strip_prefix(".target ")).unwrap_or_default();
    let newer = others.iter().copied().filter(|it| *it > own);
    // What a machine alone has (`sm_90a`) is for no other.
    let newer = newer.filter(|_| !own.ends_with('a'));
    for target in std::iter::once(own).chain(newer) {
        match assemble(ptx, target) {
            Ok(it) if it.stack_bytes <= most && it.spill_bytes <= most => {}
            Ok(resources) => panic!("{target}: {resources:?}\n{ptx}"),
            // Assemblers of CUDA 13 begin at sm_75.
            Err(said) if said.iter().any(|it| it.message.contains("gpu-name")) => {}
            Err(said) => panic!("{target}: {said:?}\n{ptx}"),
        }
    }
}

fn run(ptxas: &Path, text: &str, target: &str) -> std::io::Result<Output> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("firesteel-{}-{number}", std::process::id());
    let input = std::env::temp_dir().join(format!("{name}.ptx"));
    let cubin = std::env::temp_dir().join(format!("{name}.cubin"));
    std::fs::write(&input, text)?;
    let output =
        Command::new(ptxas).args(["-v", "-arch", target, "-o"]).arg(&cubin).arg(&input).output();
    std::fs::remove_file(&input)?;
    // The assembler leaves no file behind if it fails.
    let _ = std::fs::remove_file(&cubin);
    output
}

/// `ptxas file.ptx, line 7; error   : Unknown symbol 'x'`
fn complaint(line: &str) -> Option<Complaint> {
    let severity = ["error", "fatal"].iter().find_map(|it| line.find(it))?;
    let number = line.split_once(", line ").and_then(|(_, rest)| rest.split(';').next());
    Some(Complaint {
        line: number.and_then(|it| it.trim().parse().ok()).unwrap_or(0),
        message: line[severity..].to_owned(),
    })
}

/// Reads `Used 12 registers, used 0 barriers, 48 bytes smem` and the line of the stack frame.
fn resources(report: &str) -> Resources {
    let most = |what: &str| -> u32 {
        let before = report.match_indices(what).filter_map(|(at, _)| {
            report[..at].split_whitespace().next_back().and_then(|it| it.parse().ok())
        });
        before.max().unwrap_or(0)
    };
    Resources {
        registers: most(" registers"),
        spill_bytes: most(" bytes spill stores"),
        stack_bytes: most(" bytes stack frame"),
        shared_bytes: most(" bytes smem"),
    }
}
