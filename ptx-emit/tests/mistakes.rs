//! What the parser says about common mistakes: the place, what it wanted, what came, what to do.

use firesteel_ptx::parse;

/// A kernel whose ninth line is the mistake, four blanks in.
fn kernel(line: &str) -> String {
    format!(
        ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry f(.param .u64 p)\n{{\n\
         .reg .b32 %r<4>;\n.reg .pred %p<2>;\n.reg .b64 %rd<3>;\n    {line}\n    ret;\n}}\n"
    )
}

/// A statement, and what the parser says about it.
const STATEMENTS: &[(&str, &str)] = &[
    ("addd.s32 %r1, %r2, %r3;", ""),
    ("frobnicate.u32 %r1;", ""),
    ("add.q32 %r1, %r2, %r3;", ""),
    ("add.s32.x2 %r1, %r2, %r3;", ""),
    ("add.s32 %r1 %r2, %r3;", ""),
    ("add.s32 %r1, %r2;", ""),
    ("add.s32 %r1, %r2, %r3, %r0;", ""),
    ("add.s32 %r1, %r2, %r3", ""),
    ("add.s32 %r9, %r2, %r3;", ""),
    ("add.s32 %r1, %r2, %r9;", ""),
    ("add.s32 5, %r2, %r3;", ""),
    ("ld.global.u32 %r1, %rd1;", ""),
    ("ld.global.u32 %r1, [%rd1;", ""),
    ("ld.global.v2.u32 {%r1, %r2, [%rd1];", ""),
    ("ld.globl.u32 %r1, [%rd1];", ""),
    ("@%q bra L;", ""),
    ("bra NOWHERE;", ""),
    ("setp.lt.s32 %p1, %r1;", ""),
    ("setp.less.s32 %p1, %r1, %r2;", ""),
    ("mov.u32 %r1, %tid;", ""),
    ("mov.f32 %r1, 0f3F8;", ""),
    ("brx.idx %r1, table;", ""),
    ("vote.all.pred %p1, %p1;", ""),
    ("shfl.down.b32 %r1, %r2, 1, 31;", ""),
    ("tex.2d.v4.f32.f32 {%r1}, [t, {%r1}];", ""),
    ("wgmma.fence.sync.aligned;", ""),
    ("cp.async.bulk.commit_group;", ""),
    ("proto: .callprototype (.param .b32 _) _ (.param .b32 _);", ""),
    (".reg .q32 %x;", ""),
    (".reg .b32 %r1;", ".reg"),
    (".pragma nounroll;", ""),
    (".loc 1 2;", ""),
    (".shared .b8 a[-1];", ""),
    ("$ 5;", ""),
];

/// A whole text, and what the parser says about it.
const TEXTS: &[(&str, &str)] = &[
    ("", ""),
    (".version seven", ""),
    (".version 7.0\n.target compute_70\n", ""),
    (".version 7.0\n.target sm_70\n.address_size 32\n", ""),
    (".version 7.0\n.target sm_70\n.entry f()\n{\n    ret;\n", ""),
    (".version 7.0\n.target sm_70\n.entry f()\n    ret;\n}\n", ""),
    (".version 7.0\n.target sm_70\n.entry f()\n{\n    ret;\n}\n}\n", ""),
    (".version 7.0\n.target sm_70\n.tex .u32 t;\n", ""),
    (".version 7.0\n.target sm_70\n.global .texref t;\n", ""),
    (".version 7.0\n.target sm_70\n.func f(.reg .b32 a)\n", ""),
    (".version 7.0\n.target sm_70\n.global .b32 a = {1, {2}};\n", ""),
    (".version 7.0\n.target sm_70\n.file 1 \"unfinished\n", ""),
    (".version 7.0\n.target sm_70\n.alias a, b;\n", ""),
    (".version 7.0\n.target sm_70\n.global .attribute(.managed) .b32 a;\n", ""),
];

#[test]
fn mistakes_in_statements_are_told_where_they_are() {
    for (line, want) in STATEMENTS {
        let got = parse(&kernel(line)).map_err(|it| it.to_string());
        println!("    ({line:?}, {:?}),", got.map(drop));
        let _ = want;
    }
}

#[test]
fn mistakes_in_modules_are_told_where_they_are() {
    for (text, want) in TEXTS {
        let got = parse(text).map_err(|it| it.to_string());
        println!("    ({text:?}, {:?}),", got.map(drop));
        let _ = want;
    }
}
