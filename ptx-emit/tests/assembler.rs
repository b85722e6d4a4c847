//! The table against NVIDIA's assembler.

use std::collections::BTreeMap;

use firesteel_ptx::ir::{Module, Target};
use firesteel_ptx::sample::ROWS;
use firesteel_ptx::{emit, required};

use crate::draw::{self, Drawn};
use crate::ptxas::{self, Complaint};

/// The oldest architecture that current assemblers know.
const OLDEST_SM: u32 = 50;

/// Instructions to draw of each row; `FIRESTEEL_SAMPLES` multiplies their number.
fn samples(few: usize) -> usize {
    let factor = std::env::var("FIRESTEEL_SAMPLES").ok().and_then(|it| it.parse().ok());
    few * factor.unwrap_or(1)
}

/// Parts of valid instructions at which the assembler itself crashes.
const CRASHES: &[&str] = &["add.noftz.bf16 _,"];

#[test]
fn every_row_assembles_for_its_oldest_machine() {
    let Some(path) = ptxas::find() else {
        eprintln!("skipped: no `ptxas` on PATH or in FIRESTEEL_PTXAS (.ci/ptxas installs one)");
        return;
    };
    eprintln!("asking {}", path.display());
    let mut groups: BTreeMap<((u8, u8), u32, bool), Vec<Drawn>> = BTreeMap::new();
    for (index, row) in ROWS.iter().enumerate() {
        let drawn = draw::row(index, samples(32), false);
        assert!(!drawn.is_empty(), "no valid instruction of the row `{}` was drawn", row.0);
        let crashes = |it: &Drawn| CRASHES.iter().any(|part| describe(it).contains(part));
        for it in drawn.into_iter().filter(|it| !crashes(it)) {
            let since = required(&it.function);
            let key = (draw::version(since), since.sm.max(OLDEST_SM), since.exact);
            groups.entry(key).or_default().push(it);
        }
    }
    let mut complaints = Vec::new();
    for ((version, sm, exact), drawn) in groups {
        let target = Target { sm, suffix: exact.then_some('a'), debug: false };
        for (at, why) in refused(version, target, &drawn, 0) {
            complaints.push(format!("{version:?} sm_{sm} {}\n      {why}", describe(&drawn[at])));
        }
    }
    assert!(complaints.is_empty(), "{} refused:\n{}", complaints.len(), complaints.join("\n"));
}

/// What [`verify`] rejects although the assembler takes it: row, part of the message, reason.
const STRICTER: &[(&str, &str, &str)] = &[
    ("Setp", "a pair of halves", "one predicate of a pair is an accident"),
    ("SetpBool", "a pair of halves", "one predicate of a pair is an accident"),
    ("FmaFloat", "halves round to nearest", "the ISA has no other rounding"),
    ("Rcp", "`.ftz` needs", "the ISA has it for `.f32` alone"),
    ("Set", "`set`", "types that nobody emits"),
    ("MovPack", "2 or 4 elements", "one element is a plain `mov`"),
    ("MovUnpack", "2 or 4 elements", "one element is a plain `mov`"),
    ("Stmatrix", "in registers", "the assembler is inconsistent about constants"),
    ("MbarrierInit", "at least one arrival", "a barrier without arrivals never completes"),
    ("CpAsync", "a policy stands behind", "without the number, the operand is another"),
    ("CpAsync", "copied bytes", "with a policy alone, the operand is another"),
    ("Getctarank", "64 bits", "the assembler crashes if it is a register"),
    ("Mapa", "64 bits", "the assembler crashes if it is a register"),
    ("StAsync", "is to `.shared::cluster`", "the ISA has no other space"),
    ("StAsync", "vector length", "the assembler is inconsistent about single values"),
    ("Ld", "at most 16 bytes", "the assembler is inconsistent about the space"),
    ("", "multiple of 32 threads", "no threads: nothing to wait for"),
    ("", "`.b128`, which an integer", "the assembler crashes"),
];

#[test]
fn what_verify_rejects_the_assembler_refuses() {
    if ptxas::find().is_none() {
        return;
    }
    let target = Target { sm: 100, suffix: Some('a'), debug: false };
    let mut taken = Vec::new();
    for index in 0..ROWS.len() {
        let (drawn, why): (Vec<Drawn>, Vec<String>) =
            draw::invalid(index, samples(40)).into_iter().unzip();
        let mut accepted: Vec<bool> = vec![true; drawn.len()];
        for (at, _) in refused((8, 8), target, &drawn, 0) {
            accepted[at] = false;
        }
        for (at, it) in drawn.iter().enumerate().filter(|(at, _)| accepted[*at]) {
            let known = |(row, part, _): &&(&str, &str, &str)| {
                (row.is_empty() || *row == it.op.name()) && why[at].contains(part)
            };
            if !STRICTER.iter().any(|entry| known(&entry)) {
                taken.push(format!("{}\n      rejected: {}", describe(it), why[at]));
            }
        }
    }
    assert!(taken.is_empty(), "{} accepted:\n{}", taken.len(), taken.join("\n"));
}

/// Versions and machines of which each step back must be refused.
const VERSIONS: &[(u8, u8)] = &[
    (6, 0),
    (6, 1),
    (6, 2),
    (6, 3),
    (6, 4),
    (6, 5),
    (7, 0),
    (7, 1),
    (7, 2),
    (7, 3),
    (7, 4),
    (7, 5),
    (7, 6),
    (7, 7),
    (7, 8),
    (8, 0),
    (8, 1),
    (8, 2),
    (8, 3),
    (8, 4),
    (8, 5),
    (8, 6),
    (8, 7),
    (8, 8),
];
const MACHINES: &[u32] = &[50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90, 100, 120];

/// Rows that the ISA dates later than the assembler does: some of their text, and the reason.
const LATER: &[(&str, &str)] = &[
    ("nanosleep", "PTX ISA 6.3"),
    ("cp.async.ca.shared::cta.", "PTX ISA 7.8, as all explicit windows"),
    ("cp.async.cg.shared::cta.", "PTX ISA 7.8, as all explicit windows"),
    ("mbarrier.arrive_drop", "PTX ISA 7.1 if it gives no state"),
    ("fence.acquire.", "PTX ISA 8.6 and sm_90"),
    ("fence.release.", "PTX ISA 8.6 and sm_90"),
];

#[test]
fn no_row_assembles_for_an_older_machine() {
    if ptxas::find().is_none() {
        return;
    }
    let mut groups: BTreeMap<((u8, u8), u32), Vec<Drawn>> = BTreeMap::new();
    for index in 0..ROWS.len() {
        for it in draw::row(index, samples(24), false) {
            let since = required(&it.function);
            let (version, sm) = (draw::version(since), since.sm.max(OLDEST_SM));
            let before = |at: usize| at.checked_sub(1);
            let older = VERSIONS.iter().position(|it| *it == version).and_then(before);
            if let Some(older) = older.filter(|it| VERSIONS[*it] >= Target::sm(sm).version()) {
                let copy = Drawn { op: it.op.clone(), function: it.function.clone() };
                groups.entry((VERSIONS[older], sm)).or_default().push(copy);
            }
            if let Some(older) = MACHINES.iter().position(|it| *it == sm).and_then(before) {
                groups.entry((version, MACHINES[older])).or_default().push(it);
            }
        }
    }
    let mut taken = Vec::new();
    for ((version, sm), drawn) in groups {
        let mut accepted = vec![true; drawn.len()];
        for (at, _) in refused(version, Target::sm(sm), &drawn, 0) {
            accepted[at] = false;
        }
        for it in drawn.iter().zip(accepted).filter_map(|(it, taken)| taken.then_some(it)) {
            let (since, text) = (required(&it.function), describe(it));
            if LATER.iter().any(|(part, _)| text.contains(part)) {
                continue;
            }
            taken.push(format!(
                "{version:?} sm_{sm} {}\n      not only {:?} sm_{}",
                text, since.ptx, since.sm
            ));
        }
    }
    assert!(taken.is_empty(), "{} accepted:\n{}", taken.len(), taken.join("\n"));
}

/// Places of the instructions that the assembler refuses, counted from `first`, and its words.
fn refused(
    version: (u8, u8),
    target: Target,
    drawn: &[Drawn],
    first: usize,
) -> Vec<(usize, String)> {
    let arch = format!("sm_{}{}", target.sm, target.suffix.map(String::from).unwrap_or_default());
    let mut left: Vec<usize> = (0..drawn.len()).collect();
    let mut refusals = Vec::new();
    while !left.is_empty() {
        let text = emit(&module(version, target, left.iter().map(|at| &drawn[*at])));
        let Err(complaints) = ptxas::assemble(&text, &arch) else { break };
        let mut out: BTreeMap<usize, String> = BTreeMap::new();
        for it in &complaints {
            if let Some(at) = place(&text, it) {
                out.insert(at, it.message.clone());
            }
        }
        if out.is_empty() && drawn.len() == 1 {
            out.insert(0, complaints[0].message.clone());
        }
        if out.is_empty() {
            // It does not say which: ask about the halves.
            let rest: Vec<Drawn> = left.iter().map(|at| drawn[*at].clone()).collect();
            let (low, high) = rest.split_at(rest.len() / 2);
            let halves =
                [refused(version, target, low, 0), refused(version, target, high, low.len())];
            let found = halves.into_iter().flatten();
            refusals.extend(found.map(|(at, why)| (first + left[at], why)));
            break;
        }
        refusals.extend(out.iter().map(|(at, why)| (first + left[*at], why.clone())));
        let kept = left.iter().enumerate().filter(|(at, _)| !out.contains_key(at));
        left = kept.map(|(_, it)| *it).collect();
    }
    refusals
}

fn module<'a>(
    version: (u8, u8),
    target: Target,
    drawn: impl IntoIterator<Item = &'a Drawn>,
) -> Module {
    let named = |(at, it): (usize, &Drawn)| {
        let mut function = it.function.clone();
        function.name = format!("f{at}");
        function
    };
    draw::module(version, target, drawn.into_iter().enumerate().map(named).collect())
}

/// The declarations and the instruction, in one line.
fn describe(drawn: &Drawn) -> String {
    let module = draw::module((0, 0), Target::sm(0), vec![drawn.function.clone()]);
    let text = emit(&module);
    let lines = text.lines().skip_while(|it| !it.contains(".entry")).skip(2);
    let lines: Vec<&str> = lines.take_while(|it| !it.starts_with('$')).map(str::trim).collect();
    format!("{}: {}", drawn.op.name(), lines.join(" "))
}

/// Which function the complaint is about.
fn place(text: &str, complaint: &Complaint) -> Option<usize> {
    let before = text.lines().take(complaint.line).collect::<Vec<_>>();
    let head = before.iter().rev().find(|line| line.contains(".entry f"))?;
    let name = head.split(".entry f").nth(1)?;
    name.split('(').next()?.parse().ok()
}
