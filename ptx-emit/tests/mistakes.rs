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
    (
        "addd.s32 %r1, %r2, %r3;",
        "line 9, column 5: expected an instruction, found `addd.s32` (help: did you mean `add`?)",
    ),
    ("frobnicate.u32 %r1;", "line 9, column 5: expected an instruction, found `frobnicate.u32`"),
    (
        "add.q32 %r1, %r2, %r3;",
        "line 9, column 5: expected a supported `ty` modifier of `add`, found `.q32` in `add.q32` (help: did you mean `.b32`?)",
    ),
    (
        "add.s32.x2 %r1, %r2, %r3;",
        "line 9, column 5: expected no further modifier of `add`, found `.x2` in `add.s32.x2`",
    ),
    ("add.s32 %r1 %r2, %r3;", "line 9, column 17: expected `,`, found `%r2`"),
    ("add.s32 %r1, %r2;", "line 9, column 21: expected `,`, found `;`"),
    ("add.s32 %r1, %r2, %r3, %r0;", "line 9, column 26: expected `;`, found `,`"),
    ("add.s32 %r1, %r2, %r3", "line 10, column 5: expected `;`, found `ret`"),
    ("add.s32 %r9, %r2, %r3;", "line 9, column 13: expected a declared register, found `%r9`"),
    (
        "add.s32 %r1, %r2, %r9;",
        "line 9, column 23: expected a declared or special register, found `%r9`",
    ),
    ("add.s32 5, %r2, %r3;", "line 9, column 13: expected a declared register, found `5`"),
    ("ld.global.u32 %r1, %rd1;", "line 9, column 24: expected `[`, found `%rd1`"),
    ("ld.global.u32 %r1, [%rd1;", "line 9, column 29: expected `]`, found `;`"),
    (
        "ld.global.v2.u32 {%r1, %r2, [%rd1];",
        "line 9, column 33: expected a declared register, found `[`",
    ),
    (
        "ld.globl.u32 %r1, [%rd1];",
        "line 9, column 5: expected a supported `ty` modifier of `ld`, found `.globl` in `ld.globl.u32` (help: did you mean `.global`?)",
    ),
    ("@%q bra L;", "line 9, column 6: expected a declared register, found `%q`"),
    ("bra NOWHERE;", "line 9, column 9: expected a label of this function, found `NOWHERE`"),
    ("setp.lt.s32 %p1, %r1;", "line 9, column 25: expected `,`, found `;`"),
    (
        "setp.less.s32 %p1, %r1, %r2;",
        "line 9, column 5: expected a supported `cmp` modifier of `setp`, found `.less` in `setp.less.s32`",
    ),
    (
        "mov.u32 %r1, %tid;",
        "line 9, column 18: expected a declared or special register, found `%tid`",
    ),
    ("mov.f32 %r1, 0f3F8;", "line 9, column 18: expected a number, found `0f3F8`"),
    (
        "brx.idx %r1, table;",
        "line 9, column 18: expected the name of a `.branchtargets`, found `table`",
    ),
    (
        "vote.all.pred %p1, %p1;",
        "line 9, column 5: expected an instruction, found `vote.all.pred` (help: forms without `.sync` ended with sm_70: write `vote.sync` and a mask of lanes)",
    ),
    (
        "shfl.down.b32 %r1, %r2, 1, 31;",
        "line 9, column 5: expected an instruction, found `shfl.down.b32` (help: forms without `.sync` ended with sm_70: write `shfl.sync` and a mask of lanes)",
    ),
    (
        "tex.2d.v4.f32.f32 {%r1}, [t, {%r1}];",
        "line 9, column 5: expected an instruction, found `tex.2d.v4.f32.f32` (help: textures and surfaces are not supported)",
    ),
    (
        "tcgen05.commit;",
        "line 9, column 5: expected an instruction, found `tcgen05.commit` (help: of the matrix instructions, `mma.sync` and `wgmma.mma_async` are supported)",
    ),
    (
        "cp.async.bulk.commit_grup;",
        "line 9, column 5: expected a supported `route` modifier of `cp`, found `.commit_grup` in `cp.async.bulk.commit_grup` (help: did you mean `.commit_group`?)",
    ),
    (
        "proto: .callprototype (.param .b32 _) _ (.param .b32 _);",
        "line 9, column 12: expected a statement, found `.callprototype` (help: calls through a register are not supported)",
    ),
    (".reg .q32 %x;", "line 9, column 10: expected a type such as `.b32`, found `.q32`"),
    (
        ".reg .b32 %r1;",
        "line 9, column 15: expected a name that the scope does not have yet, found `%r1`",
    ),
    (".pragma nounroll;", "line 9, column 13: expected a string in quotes, found `nounroll`"),
    (".loc 1 2;", "line 9, column 13: expected a column, found `;`"),
    (".shared .b8 a[-1];", "line 9, column 19: expected a number of elements, found `-`"),
    ("$ 5;", "line 9, column 5: expected an instruction, found `$`"),
];

/// A whole text, and what the parser says about it.
const TEXTS: &[(&str, &str)] = &[
    ("", "line 1, column 1: expected `.version`, found the end of the text"),
    (".version seven", "line 1, column 10: expected a version such as `7.0`, found `seven`"),
    (
        ".version 7.0\n.target compute_70\n",
        "line 2, column 9: expected an architecture such as `sm_80`, found `compute_70`",
    ),
    (
        ".version 7.0\n.target sm_70\n.address_size 32\n",
        "line 3, column 15: expected `64`, found `32` (help: 32-bit PTX is not supported)",
    ),
    (
        ".version 7.0\n.target sm_70\n.entry f()\n{\n    ret;\n",
        "line 6, column 1: expected a statement or `}`, found the end of the text",
    ),
    (
        ".version 7.0\n.target sm_70\n.entry f()\n    ret;\n}\n",
        "line 4, column 5: expected `{`, found `ret`",
    ),
    (
        ".version 7.0\n.target sm_70\n.entry f()\n{\n    ret;\n}\n}\n",
        "line 7, column 1: expected `.entry`, `.func`, `.file`, `.section` or a variable, found `}`",
    ),
    (
        ".version 7.0\n.target sm_70\n.tex .u32 t;\n",
        "line 3, column 1: expected `.entry`, `.func`, `.file`, `.section` or a variable, found `.tex` (help: textures are not supported)",
    ),
    (
        ".version 7.0\n.target sm_70\n.global .texref t;\n",
        "line 3, column 9: expected a type such as `.b32`, found `.texref` (help: textures and surfaces are not supported)",
    ),
    (
        ".version 7.0\n.target sm_70\n.func f(.reg .b32 a)\n",
        "line 3, column 9: expected `.param`, found `.reg` (help: parameters in registers are not supported)",
    ),
    (
        ".version 7.0\n.target sm_70\n.global .b32 a = {1, {2}};\n",
        "line 3, column 22: expected elements without nested braces, found `{`",
    ),
    (
        ".version 7.0\n.target sm_70\n.file 1 \"unfinished\n",
        "line 3, column 9: expected a string in quotes, found a string without an end",
    ),
    (
        ".version 7.0\n.target sm_70\n.alias a, b;\n",
        "line 3, column 1: expected `.entry`, `.func`, `.file`, `.section` or a variable, found `.alias` (help: aliases are not supported)",
    ),
    (
        ".version 7.0\n.target sm_70\n.global .attribute(.managed) .b32 a;\n",
        "line 3, column 9: expected a type such as `.b32`, found `.attribute` (help: attributes of variables are not supported)",
    ),
];

fn says(text: &str) -> String {
    parse(text).map_or_else(|error| error.to_string(), |_| "nothing".to_owned())
}

#[test]
fn mistakes_in_statements_are_told_where_they_are() {
    for (line, want) in STATEMENTS {
        assert_eq!(says(&kernel(line)), *want, "{line}");
    }
}

#[test]
fn mistakes_in_modules_are_told_where_they_are() {
    for (text, want) in TEXTS {
        assert_eq!(says(text), *want, "{text}");
    }
}
