//! The parser answers to any text, soon, and without panicking.

use firesteel_ptx::parse;

use crate::draw::Rng;
use crate::foreign;

/// What is put in the place of other tokens.
const TOKENS: &[&str] = &[
    "",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    ";",
    ":",
    ",",
    "+",
    "-",
    "=",
    "|",
    "!",
    "@",
    "%p1",
    "_",
    "0",
    "-1",
    "0x",
    "0f3F800000",
    "0d",
    "1.5",
    "99999999999999999999",
    ".b32",
    ".reg",
    ".loc",
    ".param",
    ".entry",
    ".func",
    ".section",
    ".branchtargets",
    ".callprototype",
    ".pragma",
    ".align",
    "\"",
    "//",
    "/*",
    "mov.u32",
    "bra",
    "call",
    "ld.global.v4.f32",
    "bar.red.popc.u32",
    "é",
    "\0",
    "generic",
    "brx.idx",
    "setp.eq.s32",
    "a::b",
    "::",
    ".",
    "..",
    "mov.",
    "\n",
];

/// Pieces of the text: words and single characters, with the blanks that follow.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_alphanumeric() || "._%$".contains(c);
        let end = match word(first) {
            true => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        pieces.push(&rest[..end]);
        rest = &rest[end..];
    }
    pieces
}

#[test]
fn cut_texts_are_answered() {
    for (path, text) in foreign::files() {
        let mut end = 0;
        for (at, piece) in pieces(&text).iter().enumerate() {
            if at % 7 == 0 {
                // A text cut before its last brace is never a module, cut elsewhere it may be.
                let _ = parse(&text[..end]);
            }
            end += piece.len();
        }
        let body = text.rfind('}').unwrap();
        assert!(parse(&text[..body]).is_err(), "{path} without its end");
    }
}

#[test]
fn texts_with_wrong_tokens_are_answered() {
    let mut rng = Rng::new(7);
    for (_, text) in foreign::files() {
        let whole = pieces(&text);
        for _ in 0..60 {
            let mut mutated = whole.clone();
            for _ in 0..=rng.below(3) {
                let at = rng.below(mutated.len());
                mutated[at] = match rng.below(3) {
                    0 => TOKENS[rng.below(TOKENS.len())],
                    1 => whole[rng.below(whole.len())],
                    _ => "",
                };
            }
            let _ = parse(&mutated.concat());
        }
    }
}

#[test]
fn noise_is_answered() {
    let mut rng = Rng::new(8);
    for _ in 0..3000 {
        let head = [".version 7.0 .target sm_70 .entry f() {", ""][rng.below(2)];
        let tokens: String = (0..rng.below(40)).map(|_| TOKENS[rng.below(TOKENS.len())]).collect();
        let _ = parse(&format!("{head} {tokens}"));
        let bytes: Vec<u8> = (0..rng.below(60)).map(|_| rng.below(256) as u8).collect();
        let _ = parse(&format!("{head}{}", String::from_utf8_lossy(&bytes)));
    }
}

#[test]
fn deep_blocks_and_endless_registers_are_refused() {
    let head = ".version 7.0 .target sm_70 .entry f() ";
    let deep = parse(&format!("{head}{}", "{".repeat(200_000))).unwrap_err();
    assert!(deep.expected.contains("blocks"), "{deep}");
    let many = ".reg .b32 %r<1000000>; ".repeat(2);
    let many = parse(&format!("{head}{{ {many} }}")).unwrap_err();
    assert!(many.expected.contains("registers"), "{many}");
}

/// Whatever were quadratic in the length would take hours here.
#[test]
fn long_texts_are_read() {
    let head = ".version 7.0\n.target sm_70\n.address_size 64\n.entry f()\n{\n\
                .reg .b32 %r<1000>;\n.reg .b64 %rd<1000>;\n.reg .pred %p<1000>;\n";
    let line = "ld.global.v2.u32 {%r1, %r2}, [%rd3+16];\nmad.lo.s32 %r3, %r1, %r2, 7;\n\
                setp.lt.and.s32 %p1|%p2, %r1, %r2, %p3;\n";
    let block = "{ .reg .b32 x; mov.u32 x, %tid.x; L: @%p1 bra L; }\n";
    let text = format!("{head}{}{}}}\n", line.repeat(25_000), block.repeat(25_000));
    let module = parse(&text).unwrap();
    let again = parse(&firesteel_ptx::emit(&module)).unwrap();
    assert_eq!(module, again);
}
