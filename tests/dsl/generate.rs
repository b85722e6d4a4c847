//! Random programs of the language, well typed by construction.
//!
//! A program is a block with a value. It means the same to rustc and to our compiler: division
//! is by numbers that are not zero, loops are bounded, and of floating point only what IEEE 754
//! defines to the bit is used.

use std::fmt::Write;

/// The inputs of every program: name and type.
pub(super) const INPUTS: &[(&str, Ty)] = &[
    ("a", Ty::I32),
    ("b", Ty::U32),
    ("c", Ty::I64),
    ("d", Ty::U64),
    ("e", Ty::F32),
    ("f", Ty::F64),
    ("g", Ty::I8),
    ("h", Ty::U8),
    ("k", Ty::I16),
    ("l", Ty::U16),
];

/// A type of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ty {
    Bool,
    I8,
    I16,
    I32,
    I64,
    Isize,
    U8,
    U16,
    U32,
    U64,
    Usize,
    F32,
    F64,
}

impl Ty {
    pub(super) const ALL: &'static [Self] = &[
        Self::I32,
        Self::U32,
        Self::F32,
        Self::Bool,
        Self::I64,
        Self::U64,
        Self::F64,
        Self::I8,
        Self::U8,
        Self::I16,
        Self::U16,
        Self::Isize,
        Self::Usize,
    ];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Isize => "isize",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::Usize => "usize",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    fn is_int(self) -> bool {
        !self.is_float() && self != Self::Bool
    }

    fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64 | Self::Isize)
    }
}

/// A source of random numbers (`splitmix64`).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

struct Var {
    name: String,
    ty: Ty,
    mutable: bool,
}

/// Writes one program.
pub(super) struct Generator<'r> {
    random: &'r mut Random,
    vars: Vec<Var>,
    n_names: usize,
    /// Statements that may still be written, so that programs stay small.
    budget: usize,
    in_loop: bool,
}

/// A program: the text of a block, and the type of its value.
pub(super) fn program(random: &mut Random) -> (String, Ty) {
    let ty = *random.pick(Ty::ALL);
    let vars = INPUTS
        .iter()
        .map(|(name, ty)| Var { name: (*name).to_owned(), ty: *ty, mutable: false })
        .collect();
    let budget = 3 + random.below(10);
    let mut generator = Generator { random, vars, n_names: 0, budget, in_loop: false };
    let mut text = String::from("{\n");
    generator.statements(&mut text, 2);
    let value = generator.expr(ty, 3);
    let _ = writeln!(text, "{value}\n}}");
    (text, ty)
}

impl Generator<'_> {
    fn name(&mut self) -> String {
        // Now and then an old name, for shadowing.
        if self.random.chance(15) && self.n_names > 0 {
            return format!("v{}", self.random.below(self.n_names));
        }
        self.n_names += 1;
        format!("v{}", self.n_names - 1)
    }

    fn fresh(&mut self) -> String {
        self.n_names += 1;
        format!("v{}", self.n_names - 1)
    }

    fn ty(&mut self) -> Ty {
        *self.random.pick(Ty::ALL)
    }

    fn int(&mut self) -> Ty {
        loop {
            let ty = self.ty();
            if ty.is_int() {
                return ty;
            }
        }
    }

    /// Declares after the value was written, as Rust's scoping demands.
    fn declare(&mut self, name: String, ty: Ty, mutable: bool) {
        self.vars.retain(|var| var.name != name);
        self.vars.push(Var { name, ty, mutable });
    }

    /// Runs `write` in a scope of its own.
    fn scope(&mut self, write: impl FnOnce(&mut Self)) {
        let before: Vec<(String, Ty, bool)> =
            self.vars.iter().map(|var| (var.name.clone(), var.ty, var.mutable)).collect();
        write(self);
        self.vars =
            before.into_iter().map(|(name, ty, mutable)| Var { name, ty, mutable }).collect();
    }

    fn statements(&mut self, out: &mut String, depth: usize) {
        for _ in 0..1 + self.random.below(4) {
            if self.budget == 0 {
                return;
            }
            self.budget -= 1;
            self.statement(out, depth);
        }
    }

    fn statement(&mut self, out: &mut String, depth: usize) {
        match self.random.below(if depth == 0 { 6 } else { 12 }) {
            0..=2 => self.let_statement(out),
            3 | 4 => self.assignment(out),
            5 => self.tuple(out),
            6 | 7 => self.if_statement(out, depth),
            8 => self.for_statement(out, depth),
            9 => self.while_statement(out, depth),
            10 => self.loop_value(out, depth),
            _ => self.array(out),
        }
    }

    fn let_statement(&mut self, out: &mut String) {
        let (name, ty, mutable) = (self.name(), self.ty(), self.random.chance(60));
        let value = self.expr(ty, 3);
        let keyword = if mutable { "let mut" } else { "let" };
        let _ = writeln!(out, "{keyword} {name}: {} = {value};", ty.text());
        self.declare(name, ty, mutable);
    }

    fn assignment(&mut self, out: &mut String) {
        let places: Vec<(String, Ty)> = (self.vars.iter())
            .filter(|var| var.mutable)
            .map(|var| (var.name.clone(), var.ty))
            .collect();
        if places.is_empty() {
            return self.let_statement(out);
        }
        let (name, ty) = self.random.pick(&places).clone();
        let value = self.expr(ty, 2);
        let op = match ty {
            Ty::Bool => *self.random.pick(&["=", "&=", "|=", "^="]),
            _ if ty.is_float() => *self.random.pick(&["=", "+=", "-=", "*="]),
            _ => *self.random.pick(&["=", "+=", "-=", "*=", "&=", "|=", "^="]),
        };
        let _ = writeln!(out, "{name} {op} {value};");
    }

    fn tuple(&mut self, out: &mut String) {
        let (first, second) = (self.ty(), self.ty());
        let values = (self.expr(first, 2), self.expr(second, 2));
        let names = (self.name(), format!("v{}", self.n_names));
        self.n_names += 1;
        let _ = writeln!(out, "let ({}, {}) = ({}, {});", names.0, names.1, values.0, values.1);
        self.declare(names.0, first, false);
        self.declare(names.1, second, false);
    }

    fn if_statement(&mut self, out: &mut String, depth: usize) {
        let cond = self.expr(Ty::Bool, 2);
        let _ = writeln!(out, "if {cond} {{");
        self.scope(|it| it.statements(out, depth - 1));
        if self.in_loop && self.random.chance(25) {
            let jump = *self.random.pick(&["break;", "continue;"]);
            let _ = writeln!(out, "{jump}");
        }
        if self.random.chance(50) {
            let _ = writeln!(out, "}} else {{");
            self.scope(|it| it.statements(out, depth - 1));
        }
        out.push_str("}\n");
    }

    fn for_statement(&mut self, out: &mut String, depth: usize) {
        let ty = self.int();
        let name = self.name();
        let bound = self.small(ty);
        let range = match self.random.below(5) {
            0 => format!("0..{bound}"),
            1 => format!("1..={bound}"),
            2 => format!("(0..{bound}).rev()"),
            3 => format!("(1..{bound}).step_by({})", 1 + self.random.below(3)),
            _ => format!("0..{}{}", self.random.below(5), ty.text()),
        };
        let _ = writeln!(out, "for {name} in {range} {{");
        let outer = std::mem::replace(&mut self.in_loop, true);
        self.scope(|it| {
            it.declare(name, ty, false);
            it.statements(out, depth - 1);
        });
        self.in_loop = outer;
        out.push_str("}\n");
    }

    /// A number of `ty` between 0 and 7 that the program computes.
    fn small(&mut self, ty: Ty) -> String {
        let value = self.expr(ty, 1);
        format!("({value} & 7{})", ty.text())
    }

    fn while_statement(&mut self, out: &mut String, depth: usize) {
        let counter = self.fresh();
        let limit = self.small(Ty::U32);
        let cond = self.expr(Ty::Bool, 1);
        let _ = writeln!(out, "let mut {counter} = 0u32;");
        self.declare(counter.clone(), Ty::U32, false);
        let _ = writeln!(out, "while {counter} < {limit} && ({cond} || {counter} < 2) {{");
        let _ = writeln!(out, "{counter} += 1;");
        let outer = std::mem::replace(&mut self.in_loop, true);
        // A name of the body must not hide the counter from the condition's next turn: Rust's
        // scopes see to that.
        self.scope(|it| it.statements(out, depth - 1));
        self.in_loop = outer;
        out.push_str("}\n");
    }

    fn loop_value(&mut self, out: &mut String, depth: usize) {
        let (counter, name, ty) = (self.fresh(), self.name(), self.ty());
        let _ = writeln!(out, "let mut {counter} = 0i32;");
        self.declare(counter.clone(), Ty::I32, false);
        let limit = self.random.below(4);
        let mut body = String::new();
        let outer = std::mem::replace(&mut self.in_loop, false);
        let mut value = String::new();
        self.scope(|it| {
            let cond = it.expr(Ty::Bool, 1);
            it.vars.retain(|var| var.name != counter);
            it.vars.push(Var { name: counter.clone(), ty: Ty::I32, mutable: false });
            let _ = writeln!(body, "{counter} += 1;");
            value = it.expr(ty, 2);
            let _ = writeln!(body, "if {counter} > {limit} || {cond} {{ break {value}; }}");
            it.statements(&mut body, depth - 1);
        });
        self.in_loop = outer;
        let _ = writeln!(out, "let {name}: {} = loop {{\n{body}}};", ty.text());
        self.declare(name, ty, false);
    }

    /// An array in registers, filled and summed up by loops that unroll.
    fn array(&mut self, out: &mut String) {
        let (array, sum) = (format!("v{}", self.n_names), format!("v{}", self.n_names + 1));
        self.n_names += 2;
        let ty = if self.random.chance(50) { self.int() } else { Ty::F32 };
        let n = 1 + self.random.below(4);
        let (fill, term) = (self.expr(ty, 1), self.expr(ty, 1));
        let text = ty.text();
        let _ = writeln!(out, "let mut {array} = [{fill}; {n}];");
        let _ = writeln!(out, "for j in 0..{n} {{ {array}[j] += {term}; }}");
        let _ = writeln!(out, "let mut {sum}: {text} = {array}[0];");
        let _ = writeln!(out, "for j in 1..{n} {{ {sum} -= {array}[j] * {array}[j - 1]; }}");
        self.declare(sum, ty, true);
    }

    fn expr(&mut self, ty: Ty, depth: usize) -> String {
        if depth == 0 || self.random.chance(15) {
            return self.leaf(ty);
        }
        match ty {
            Ty::Bool => self.bool_expr(depth - 1),
            Ty::F32 | Ty::F64 => self.float_expr(ty, depth - 1),
            _ => self.int_expr(ty, depth - 1),
        }
    }

    fn leaf(&mut self, ty: Ty) -> String {
        let known: Vec<String> =
            self.vars.iter().filter(|var| var.ty == ty).map(|var| var.name.clone()).collect();
        if known.is_empty() || self.random.chance(25) {
            return self.literal(ty);
        }
        self.random.pick(&known).clone()
    }

    fn literal(&mut self, ty: Ty) -> String {
        match ty {
            Ty::Bool => (*self.random.pick(&["true", "false"])).to_owned(),
            Ty::F32 | Ty::F64 => {
                let value = *self.random.pick(&["0.0", "1.0", "0.5", "3.25", "1e10", "7.0e-3"]);
                format!("{value}{}", ty.text())
            }
            _ if self.random.chance(20) => {
                format!("{}::{}", ty.text(), self.random.pick(&["MAX", "MIN"]))
            }
            _ => format!("{}{}", self.random.below(100), ty.text()),
        }
    }

    fn bool_expr(&mut self, depth: usize) -> String {
        match self.random.below(6) {
            0 => format!("!{}", self.expr(Ty::Bool, depth)),
            1 => self.binary(Ty::Bool, &["&&", "||"], depth),
            2 => self.binary(Ty::Bool, &["&", "|", "^", "==", "!="], depth),
            _ => {
                let ty = self.ty();
                self.binary(ty, &["<", "<=", ">", ">=", "==", "!="], depth)
            }
        }
    }

    fn binary(&mut self, ty: Ty, ops: &[&str], depth: usize) -> String {
        let op = *self.random.pick(ops);
        let (left, right) = (self.expr(ty, depth), self.expr(ty, depth));
        format!("({left} {op} {right})")
    }

    fn if_expr(&mut self, ty: Ty, depth: usize) -> String {
        let cond = self.expr(Ty::Bool, depth);
        let (then, otherwise) = (self.expr(ty, depth), self.expr(ty, depth));
        format!("(if {cond} {{ {then} }} else {{ {otherwise} }})")
    }

    fn match_expr(&mut self, ty: Ty, depth: usize) -> String {
        let of = self.int();
        let value = self.expr(of, depth);
        let arms = [self.expr(ty, depth), self.expr(ty, depth), self.expr(ty, depth)];
        let guard = self.expr(Ty::Bool, depth);
        format!(
            "(match {value} {{ 0 | 3 => {}, 5..=60 if {guard} => {}, _ => {} }})",
            arms[0], arms[1], arms[2]
        )
    }

    fn cast(&mut self, ty: Ty, depth: usize) -> String {
        let mut from = self.ty();
        if ty.is_float() && from == Ty::Bool {
            from = Ty::I16;
        }
        format!("({} as {})", self.expr(from, depth), ty.text())
    }

    fn int_expr(&mut self, ty: Ty, depth: usize) -> String {
        match self.random.below(14) {
            0..=3 => self.binary(ty, &["+", "-", "*", "&", "|", "^"], depth),
            4 => {
                // Between 1 and 8: neither zero, nor the -1 on which the least integer overflows.
                let (value, by) = (self.expr(ty, depth), self.expr(ty, depth));
                let op = *self.random.pick(&["/", "%"]);
                format!("({value} {op} (({by} & 7) + 1))")
            }
            5 => {
                let amount = self.int();
                let op = *self.random.pick(&["<<", ">>"]);
                let amount = self.expr(amount, depth);
                format!("({} {op} {amount})", self.expr(ty, depth))
            }
            6 | 7 => self.cast(ty, depth),
            8 => self.if_expr(ty, depth),
            9 => self.match_expr(ty, depth),
            10 if ty.is_signed() => format!("(-{})", self.expr(ty, depth)),
            10 | 11 => format!("(!{})", self.expr(ty, depth)),
            _ => self.int_method(ty, depth),
        }
    }

    fn int_method(&mut self, ty: Ty, depth: usize) -> String {
        let value = self.expr(ty, depth);
        // A method of a literal reads better, and parses for sure, behind parentheses.
        let value = format!("({value})");
        match self.random.below(4) {
            0 => {
                let method = *self.random.pick(&[
                    "count_ones",
                    "leading_zeros",
                    "trailing_zeros",
                    "count_zeros",
                ]);
                format!("({value}.{method}() as {})", ty.text())
            }
            1 => {
                let method = *self.random.pick(&["swap_bytes", "reverse_bits"]);
                format!("{value}.{method}()")
            }
            2 => {
                let method = *self.random.pick(&["rotate_left", "rotate_right", "wrapping_shl"]);
                let amount = self.expr(Ty::U32, depth);
                format!("{value}.{method}({amount})")
            }
            _ => {
                let method = *self.random.pick(&[
                    "wrapping_add",
                    "wrapping_sub",
                    "wrapping_mul",
                    "min",
                    "max",
                    "saturating_add",
                    "saturating_sub",
                ]);
                let other = self.expr(ty, depth);
                format!("{value}.{method}({other})")
            }
        }
    }

    fn float_expr(&mut self, ty: Ty, depth: usize) -> String {
        match self.random.below(10) {
            0..=3 => self.binary(ty, &["+", "-", "*", "/"], depth),
            4 => {
                let (a, b) = (self.expr(ty, depth), self.expr(ty, depth));
                format!("({}).mul_add({a}, {b})", self.expr(ty, depth))
            }
            5 => {
                let method = *self.random.pick(&["abs", "floor", "ceil", "trunc", "round"]);
                format!("({}).{method}()", self.expr(ty, depth))
            }
            6 => format!("({}).abs().sqrt()", self.expr(ty, depth)),
            7 => self.cast(ty, depth),
            8 => self.if_expr(ty, depth),
            _ => format!("(-{})", self.expr(ty, depth)),
        }
    }
}
