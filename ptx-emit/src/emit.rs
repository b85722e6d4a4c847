//! Modules as PTX text.

use std::fmt::Write;

use crate::ir::*;
use crate::modifier::Modifier;
use crate::operand::{Addr, Operand, Value};

/// The PTX text of `module`. `parse(emit(m)) == m` for every module that [`crate::verify`] accepts.
#[must_use]
pub fn emit(module: &Module) -> String {
    let mut out = String::with_capacity(4096);
    header(&mut out, module);
    for var in &module.vars {
        variable(&mut out, var);
        out.push_str(";\n");
    }
    for func in &module.functions {
        function(&mut out, func);
    }
    for (number, path) in &module.files {
        line(&mut out, format_args!(".file {number} \"{path}\""));
    }
    out
}

/// The text of one instruction of `func`, without indentation.
#[must_use]
pub fn instruction_text(func: &Function, inst: &Inst) -> String {
    let mut out = String::new();
    let mut printer = Printer { out: &mut out, func, first: true, line: 0, tables: 0 };
    printer.statement(&Stmt::Inst(inst.clone()));
    out.trim().to_owned()
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}

fn header(out: &mut String, module: &Module) {
    let (major, minor) = module.version;
    let Target { sm, suffix, debug } = module.target;
    let suffix = suffix.map(String::from).unwrap_or_default();
    let debug = if debug { ", debug" } else { "" };
    line(out, format_args!(".version {major}.{minor}"));
    line(out, format_args!(".target sm_{sm}{suffix}{debug}"));
    line(out, format_args!(".address_size 64\n"));
}

fn variable(out: &mut String, var: &Var) {
    if let Some(linkage) = var.linkage {
        out.push_str(linkage.text());
        out.push(' ');
    }
    var.space.print(out);
    if let Some(align) = var.align {
        let _ = write!(out, " .align {align}");
    }
    out.push(' ');
    var.ty.print(out);
    out.push(' ');
    out.push_str(&var.name);
    match var.len {
        Len::One => {}
        Len::Array(n) => {
            let _ = write!(out, "[{n}]");
        }
        Len::Unsized => out.push_str("[]"),
    }
    initialiser(out, var);
}

fn initialiser(out: &mut String, var: &Var) {
    if var.init.is_empty() {
        return;
    }
    let elements: Vec<String> = var.init.iter().map(|it| init_text(it, var)).collect();
    let elements = elements.join(", ");
    let _ = match var.len {
        Len::One => write!(out, " = {elements}"),
        Len::Array(_) | Len::Unsized => write!(out, " = {{{elements}}}"),
    };
}

fn init_text(init: &Init, var: &Var) -> String {
    match init {
        Init::Int(value) => value.to_string(),
        Init::Float(bits) if var.ty.bits() == 64 => format!("0d{bits:016X}"),
        Init::Float(bits) => format!("0f{bits:08X}"),
        Init::Address(name, 0) => name.clone(),
        Init::Address(name, offset) => format!("{name}+{offset}"),
    }
}

fn function(out: &mut String, func: &Function) {
    out.push('\n');
    if let Some(linkage) = func.linkage {
        out.push_str(linkage.text());
        out.push(' ');
    }
    out.push_str(if func.entry { ".entry " } else { ".func " });
    if !func.results.is_empty() {
        params(out, &func.results);
        out.push(' ');
    }
    out.push_str(&func.name);
    params(out, &func.params);
    for directive in &func.directives {
        line(out, format_args!("\n{}", directive_text(directive)));
        out.pop();
    }
    match &func.body {
        None => out.push_str(";\n"),
        Some(statements) => body(out, func, statements),
    }
}

fn params(out: &mut String, params: &[Var]) {
    out.push('(');
    for (index, param) in params.iter().enumerate() {
        out.push_str(if index == 0 { "\n    " } else { ",\n    " });
        variable(out, param);
    }
    out.push_str(if params.is_empty() { ")" } else { "\n)" });
}

fn directive_text(directive: &Directive) -> String {
    match directive {
        Directive::MaxThreads([x, y, z]) => format!(".maxntid {x}, {y}, {z}"),
        Directive::RequiredThreads([x, y, z]) => format!(".reqntid {x}, {y}, {z}"),
        Directive::MinBlocks(n) => format!(".minnctapersm {n}"),
        Directive::MaxRegisters(n) => format!(".maxnreg {n}"),
        Directive::NoReturn => ".noreturn".to_owned(),
        Directive::Pragma(text) => format!(".pragma \"{text}\";"),
        Directive::ExplicitCluster => ".explicitcluster".to_owned(),
        Directive::MaxClusterRank(n) => format!(".maxclusterrank {n}"),
        Directive::RequiredCluster([x, y, z]) => format!(".reqnctapercluster {x}, {y}, {z}"),
    }
}

fn body(out: &mut String, func: &Function, statements: &[Stmt]) {
    out.push_str("\n{\n");
    registers(out, &func.regs);
    for var in &func.vars {
        out.push_str("    ");
        variable(out, var);
        out.push_str(";\n");
    }
    let mut printer = Printer { out, func, first: true, line: 0, tables: 0 };
    for statement in statements {
        printer.statement(statement);
    }
    out.push_str("}\n");
}

/// Declares registers, consecutive ones named `prefix0`, `prefix1`, … as one range.
fn registers(out: &mut String, regs: &[RegDecl]) {
    let mut rest = regs;
    while let Some(first) = rest.first() {
        let prefix = first.name.strip_suffix('0').filter(|prefix| !ends_in_digit(prefix));
        let count = prefix.map_or(0, |prefix| run_length(rest, prefix));
        match prefix {
            Some(prefix) if count > 1 => {
                line(out, format_args!("    .reg .{} {prefix}<{count}>;", first.ty.text()));
            }
            _ => line(out, format_args!("    .reg .{} {};", first.ty.text(), first.name)),
        }
        rest = &rest[count.max(1)..];
    }
}

fn ends_in_digit(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_digit())
}

/// How many registers at the front are `prefix0`, `prefix1`, … of one type.
fn run_length(regs: &[RegDecl], prefix: &str) -> usize {
    let numbered = |(index, reg): &(usize, &RegDecl)| {
        reg.ty == regs[0].ty
            && reg.name.strip_prefix(prefix).is_some_and(|number| *number == index.to_string())
    };
    regs.iter().enumerate().take_while(numbered).count()
}

/// Writes the statements of a function.
pub struct Printer<'a> {
    out: &'a mut String,
    func: &'a Function,
    /// Whether the next operand is the first.
    first: bool,
    /// Where the line of the instruction starts.
    line: usize,
    /// Tables of `brx.idx` so far.
    tables: usize,
}

impl Printer<'_> {
    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Label(label) => {
                line(self.out, format_args!("{}:", self.func.labels[label.0 as usize]));
            }
            Stmt::Loc(Loc { file, line: number, column }) => {
                line(self.out, format_args!("    .loc {file} {number} {column}"));
            }
            Stmt::Pragma(text) => line(self.out, format_args!("    .pragma \"{text}\";")),
            Stmt::Inst(Inst { guard, op }) => {
                self.line = self.out.len();
                self.out.push_str("    ");
                if let Some(Guard { reg, negated }) = guard {
                    self.text(if *negated { "@!" } else { "@" });
                    self.reg(*reg);
                    self.text(" ");
                }
                op.print(self);
            }
        }
    }

    pub(crate) fn out(&mut self) -> &mut String {
        self.out
    }

    pub(crate) fn opcode(&mut self, mnemonic: &str) {
        self.first = true;
        self.out.push_str(mnemonic);
    }

    pub(crate) fn operand(&mut self, operand: &impl Operand) {
        if operand.is_absent() {
            return;
        }
        self.out.push_str(if self.first { " " } else { ", " });
        self.first = false;
        operand.print(self);
    }

    pub(crate) fn end(&mut self) {
        self.out.push_str(";\n");
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub(crate) fn reg(&mut self, reg: Reg) {
        self.out.push_str(&self.func.regs[reg.0 as usize].name);
    }

    pub(crate) fn reg_or_sink(&mut self, reg: Option<Reg>) {
        match reg {
            Some(reg) => self.reg(reg),
            None => self.text("_"),
        }
    }

    pub(crate) fn label(&mut self, label: Label) {
        self.out.push_str(&self.func.labels[label.0 as usize]);
    }

    /// Declares the table in a line of its own in front of the instruction, and names it here.
    pub(crate) fn targets(&mut self, targets: &[Label]) {
        let mut name = format!("$targets{}", self.tables);
        while self.func.labels.contains(&name) {
            name.insert(0, '$');
        }
        self.tables += 1;
        let labels: Vec<&str> =
            targets.iter().map(|it| self.func.labels[it.0 as usize].as_str()).collect();
        let table = format!("    {name}: .branchtargets {};\n", labels.join(", "));
        self.out.insert_str(self.line, &table);
        self.text(&name);
    }

    pub(crate) fn value(&mut self, value: &Value) {
        let _ = match value {
            Value::Reg(reg) => {
                self.reg(*reg);
                Ok(())
            }
            Value::Int(value) => write!(self.out, "{value}"),
            Value::F32(bits) => write!(self.out, "0f{bits:08X}"),
            Value::F64(bits) => write!(self.out, "0d{bits:016X}"),
            Value::Special(special) => self.out.write_str(special.text()),
            Value::Symbol(name, 0) => self.out.write_str(name),
            // A negative offset is `+-4`: the assembler does not know subtraction there.
            Value::Symbol(name, offset) => write!(self.out, "{name}+{offset}"),
        };
    }

    pub(crate) fn address(&mut self, addr: &Addr) {
        self.text("[");
        self.value(&addr.base);
        if addr.offset != 0 {
            let _ = write!(self.out, "+{}", addr.offset);
        }
        self.text("]");
    }

    pub(crate) fn braced<T>(&mut self, items: &[T], print: impl FnMut(&mut Self, &T)) {
        self.text("{");
        self.list(items, print);
        self.text("}");
    }

    pub(crate) fn parenthesised(&mut self, values: &[Value]) {
        self.text("(");
        self.list(values, Self::value);
        self.text(")");
    }

    fn list<T>(&mut self, items: &[T], mut print: impl FnMut(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            self.text(if index == 0 { "" } else { ", " });
            print(self, item);
        }
    }
}
