//! What to do about an opcode that no row of the table takes.

use crate::isa::READERS;
use crate::modifier;
use crate::ty::Ty;

/// Starts of opcodes that PTX has and this library does not, with the reason.
const UNSUPPORTED: &[(&[&str], &str)] = &[
    (
        &["tex", "tld4", "txq", "suld", "sust", "sured", "suq"],
        "textures and surfaces are not supported",
    ),
    (
        &["tcgen05", "wmma"],
        "of the matrix instructions, `mma.sync` and `wgmma.mma_async` are supported",
    ),
    (&["tensormap", "multimem", "clusterlaunchcontrol"], "not supported"),
    (&["alloca", "stacksave", "stackrestore"], "stacks of variable size are not supported"),
    (
        &["vadd", "vsub", "vabsdiff", "vmin", "vmax", "vshl", "vshr", "vmad", "vset"],
        "video instructions are not supported",
    ),
    (
        &["vadd2", "vsub2", "vavrg2", "vabsdiff2", "vmin2", "vmax2", "vset2"],
        "video instructions are not supported",
    ),
    (
        &["vadd4", "vsub4", "vavrg4", "vabsdiff4", "vmin4", "vmax4", "vset4"],
        "video instructions are not supported",
    ),
    (&["ldu", "pmevent", "istypep", "discard"], "not supported"),
];

/// Forms of instructions that this library does not have, with the reason.
const FORMS: &[(&str, &str)] = &[
    ("wgmma.mma_async.sp", "sparse matrices are not supported"),
    ("red.async", "asynchronous reductions are not supported"),
    ("mma.sp", "sparse matrices are not supported"),
    ("vote.sync", ""),
    ("vote.", "forms without `.sync` ended with sm_70: write `vote.sync` and a mask of lanes"),
    ("shfl.sync", ""),
    ("shfl.", "forms without `.sync` ended with sm_70: write `shfl.sync` and a mask of lanes"),
    ("match.any.sync", ""),
    ("match.all.sync", ""),
    ("match.", "write `match.any.sync` or `match.all.sync` and a mask of lanes"),
];

/// A sentence for whoever wrote `opcode`, if there is something to say.
pub(super) fn help(opcode: &str) -> Option<String> {
    let mnemonic = opcode.split('.').next().unwrap_or_default();
    let group = UNSUPPORTED.iter().find(|(names, _)| names.contains(&mnemonic));
    let form = FORMS.iter().find(|(start, _)| opcode.starts_with(start));
    let known = group.map(|it| it.1).or(form.map(|it| it.1)).filter(|it| !it.is_empty());
    if let Some(known) = known {
        return Some(known.to_owned());
    }
    let first = |mnemonic: &'static str| mnemonic.split('.').next().unwrap_or_default();
    let names = READERS.iter().map(|(mnemonic, _)| first(mnemonic));
    match nearest(mnemonic, names)? {
        near if near == mnemonic => near_modifier(opcode),
        near => Some(format!("did you mean `{near}`?")),
    }
}

/// A modifier close to one of the opcode's that exists nowhere.
fn near_modifier(opcode: &str) -> Option<String> {
    let words = || {
        let modifiers = modifier::words().chain(READERS.iter().map(|(mnemonic, _)| *mnemonic));
        let parts = modifiers.flat_map(|it| it.split('.'));
        parts.chain(Ty::ALL.iter().map(|it| it.text()))
    };
    let odd = opcode.split('.').skip(1).find(|part| !words().any(|word| word == *part))?;
    nearest(odd, words()).map(|near| format!("did you mean `.{near}`?"))
}

/// The candidate that is least far, at most a change for every third of its characters.
fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let rated = candidates.map(|it| (distance(name, it), it));
    let key = |(far, it): &(usize, &str)| (*far, it.len().abs_diff(name.len()));
    let (far, near) = rated.min_by_key(key)?;
    (far * 3 <= near.len().max(3) * REPLACE).then_some(near)
}

/// What a changed character counts, and one too many, one too few or two that are swapped.
const REPLACE: usize = 3;
const SLIP: usize = 2;

/// Characters to insert, delete, replace or swap with their neighbour, weighed.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(32).collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).map(|j| j * SLIP).collect::<Vec<usize>>()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![(i + 1) * SLIP];
        for (j, y) in b.iter().enumerate() {
            let changed = rows[i][j] + REPLACE * usize::from(x != y);
            let mut least = changed.min(rows[i][j + 1] + SLIP).min(row[j] + SLIP);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(rows[i - 1][j - 1] + SLIP);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_of_the_finger_is_near() {
        assert_eq!(help("addd.s32").as_deref(), Some("did you mean `add`?"));
        assert_eq!(help("sfhl.sync").as_deref(), Some("did you mean `shfl`?"));
        assert_eq!(help("frobnicate"), None);
        assert_eq!(help("ld.globl.u32").as_deref(), Some("did you mean `.global`?"));
        assert_eq!(help("add.complicated"), None);
    }
}
