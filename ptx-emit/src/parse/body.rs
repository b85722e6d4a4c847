//! The statements of a function.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::help::help;
use super::scope::{self, Block, Names, Scopes};
use super::{ParseError, Parser, Result, number};
use crate::ir::*;
use crate::isa::{READERS, Reader};
use crate::lex::Kind;
use crate::modifier::{Parts, Space};
use crate::operand::{Addr, Operand, Special, Value};
use crate::ty::Ty;

/// Reads `{ … }` into `function`.
pub(super) fn read(parser: &mut Parser<'_>, function: &mut Function) -> Result<()> {
    let mut names = Names::of(function);
    let mut body = OperandParser {
        blocks: scope::blocks(parser, function, &mut names)?,
        parser: Parser { tokens: parser.tokens, at: parser.at },
        names,
        labels: Scopes::new(),
        tables: Scopes::new(),
        regs: Scopes::new(),
        reg_decls: Vec::new(),
        vars: Scopes::new(),
        var_decls: Vec::new(),
        statements: Vec::new(),
        opcode: Opcode::default(),
    };
    body.block()?;
    parser.at = body.parser.at;
    function.regs = body.reg_decls;
    function.vars = body.var_decls;
    function.body = Some(body.statements);
    Ok(())
}

/// Reads the statements of a function; operands read themselves from it.
pub struct OperandParser<'a> {
    parser: Parser<'a>,
    names: Names,
    blocks: HashMap<usize, Block>,
    labels: Scopes<Label>,
    tables: Scopes<usize>,
    regs: Scopes<Reg>,
    reg_decls: Vec<RegDecl>,
    /// Names as written to names in [`Function::vars`].
    vars: Scopes<String>,
    var_decls: Vec<Var>,
    statements: Vec<Stmt>,
    opcode: Opcode,
}

/// How far one row of the table got with the opcode at hand.
#[derive(Default)]
struct Opcode {
    /// Place of the opcode in the tokens.
    at: usize,
    /// Modifiers that the row could not place.
    unread: usize,
    /// Whether an operand has been read, so that a comma must come first.
    comma: bool,
}

/// Blocks in each other that a function may have; a name is sought in all of them.
const DEEPEST: usize = 100;

/// The rows whose mnemonic starts with `word`, in the order of the table.
fn rows_of(word: &str) -> &'static [Reader] {
    static ROWS: LazyLock<HashMap<&str, Vec<Reader>>> = LazyLock::new(|| {
        let mut rows: HashMap<&str, Vec<Reader>> = HashMap::new();
        for (mnemonic, reader) in READERS {
            rows.entry(mnemonic.split('.').next().unwrap_or_default()).or_default().push(*reader);
        }
        rows
    });
    ROWS.get(word).map_or(&[], Vec::as_slice)
}

impl OperandParser<'_> {
    fn block(&mut self) -> Result<()> {
        self.open()?;
        let mut depth = 1;
        while depth > 0 {
            if self.parser.at("{") {
                depth += 1;
                self.open()?;
            } else if self.parser.eat("}") {
                depth -= 1;
                self.close();
            } else {
                self.statement()?;
            }
        }
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        if self.regs.depth() == DEEPEST {
            return Err(self.parser.error("at most 100 blocks in each other"));
        }
        let Block { labels, tables } = self.blocks.remove(&self.parser.at).unwrap_or_default();
        self.parser.expect("{")?;
        self.labels.open(labels);
        self.tables.open(tables);
        self.regs.open(HashMap::new());
        self.vars.open(HashMap::new());
        Ok(())
    }

    fn close(&mut self) {
        self.labels.close();
        self.tables.close();
        self.regs.close();
        self.vars.close();
    }

    fn statement(&mut self) -> Result<()> {
        let token = self.parser.token();
        match token.text {
            _ if !matches!(token.kind, Kind::Word | Kind::Punct) => {
                Err(self.parser.error("a statement or `}`"))
            }
            ".reg" => self.registers(),
            ".loc" => self.loc(),
            ".pragma" => {
                self.parser.at += 1;
                let text = self.parser.text()?.to_owned();
                self.statements.push(Stmt::Pragma(text));
                self.parser.expect(";")
            }
            text if Space::directive(text).is_some() => self.variable(),
            text if token.kind == Kind::Word && self.parser.next().is_punct(":") => {
                self.labelled(text)
            }
            _ => self.instruction(),
        }
    }

    /// A label, or the table of a `brx.idx`, which its reader looks up.
    fn labelled(&mut self, name: &str) -> Result<()> {
        self.parser.at += 2;
        if self.parser.eat(".branchtargets") {
            while !self.parser.eat(";") {
                self.parser.word("a label of this function")?;
                self.parser.eat(",");
            }
            return Ok(());
        }
        let Some(label) = self.labels.get(name) else {
            let help = "calls through a register are not supported";
            return Err(self.parser.error_with_help("a statement", help));
        };
        self.statements.push(Stmt::Label(label));
        Ok(())
    }

    /// `.reg .type name, range<n>, …;`
    fn registers(&mut self) -> Result<()> {
        self.parser.at += 1;
        let ty = self.parser.ty()?;
        loop {
            let error = self.parser.error("a name that the scope does not have yet");
            let name = self.parser.word("the name of a register")?;
            if self.parser.eat("<") {
                let too_many = self.parser.error("fewer than 2^20 registers");
                let count: u32 = self.parser.count("a number of registers")?;
                if self.reg_decls.len() as u64 + u64::from(count) >= 1 << 20 {
                    return Err(too_many);
                }
                self.parser.expect(">")?;
                for index in 0..count {
                    self.register(format!("{name}{index}"), ty).map_err(|()| error.clone())?;
                }
            } else {
                self.register(name.to_owned(), ty).map_err(|()| error)?;
            }
            if !self.parser.eat(",") {
                return self.parser.expect(";");
            }
        }
    }

    /// Declares a register; fails if the scope has the name.
    fn register(&mut self, name: String, ty: Ty) -> Result<(), ()> {
        let reg = Reg(u32::try_from(self.reg_decls.len()).unwrap_or(u32::MAX));
        // A register of an outer or an earlier scope may have the name.
        let unique = self.names.claim(&name);
        if !self.regs.declare(name, reg) {
            return Err(());
        }
        self.reg_decls.push(RegDecl { name: unique, ty });
        Ok(())
    }

    fn variable(&mut self) -> Result<()> {
        let error = self.parser.error("a variable that the scope does not have yet");
        let mut var = self.parser.variable(None)?;
        let written = std::mem::take(&mut var.name);
        var.name = self.names.claim(&written);
        if !self.vars.declare(written, var.name.clone()) {
            return Err(error);
        }
        self.var_decls.push(var);
        self.parser.expect(";")
    }

    /// `.loc file line column[, function_name label[+n], inlined_at file line column]`
    fn loc(&mut self) -> Result<()> {
        self.parser.at += 1;
        let file = self.parser.count("the number of a file")?;
        let line = self.parser.count("a line")?;
        let column = self.parser.count("a column")?;
        self.statements.push(Stmt::Loc(Loc { file, line, column }));
        while self.parser.eat(",") {
            match self.parser.word("`function_name` or `inlined_at`")? {
                "function_name" => {
                    self.parser.word("a label")?;
                    if self.parser.eat("+") {
                        self.parser.count::<i64>("an offset")?;
                    }
                }
                "inlined_at" => {
                    for part in ["the number of a file", "a line", "a column"] {
                        self.parser.count::<u32>(part)?;
                    }
                }
                _ => {
                    self.parser.at -= 1;
                    return Err(self.parser.error("`function_name` or `inlined_at`"));
                }
            }
        }
        Ok(())
    }

    /// Tries the rows of the table whose mnemonic starts alike; reports the row that got furthest.
    fn instruction(&mut self) -> Result<()> {
        let guard = self.guard()?;
        let start = self.parser.at;
        let opcode = self.parser.word("an instruction")?;
        let parts: Vec<&str> = opcode.split('.').collect();
        let mut furthest = None;
        for reader in rows_of(parts[0]) {
            self.parser.at = start + 1;
            self.opcode = Opcode { at: start, unread: 0, comma: false };
            match reader(&parts, self) {
                Ok(op) => {
                    self.statements.push(Stmt::Inst(Inst { guard, op }));
                    return Ok(());
                }
                Err(error) => {
                    let reach = (Reverse(self.opcode.unread), self.parser.at);
                    if furthest.as_ref().is_none_or(|(best, _)| *best < reach) {
                        furthest = Some((reach, error));
                    }
                }
            }
        }
        self.parser.at = start;
        let mut error =
            furthest.map_or_else(|| self.parser.error("an instruction"), |(_, error)| error);
        if error.help.is_none() && (error.line, error.column) == self.parser.place() {
            error.help = help(opcode);
        }
        Err(error)
    }

    fn guard(&mut self) -> Result<Option<Guard>> {
        if !self.parser.eat("@") {
            return Ok(None);
        }
        let negated = self.parser.eat("!");
        let reg = self.reg()?;
        Ok(Some(Guard { reg, negated }))
    }

    pub(crate) fn reg(&mut self) -> Result<Reg> {
        let token = self.parser.token();
        match self.regs.get(token.text) {
            Some(reg) if token.kind == Kind::Word => {
                self.parser.at += 1;
                Ok(reg)
            }
            _ => Err(self.parser.error("a declared register")),
        }
    }

    pub(crate) fn value(&mut self) -> Result<Value> {
        const EXPECTED: &str = "a register, a number or a name";
        let token = self.parser.token();
        if token.text == "-" {
            self.parser.at += 1;
            return self.number(true);
        }
        if token.kind != Kind::Word {
            return Err(self.parser.error(EXPECTED));
        }
        if let Some(reg) = self.regs.get(token.text) {
            self.parser.at += 1;
            return Ok(Value::Reg(reg));
        }
        if let Some(special) = Special::from_text(token.text) {
            self.parser.at += 1;
            return Ok(Value::Special(special));
        }
        match token.text.chars().next() {
            Some(c) if c.is_ascii_digit() => self.number(false),
            Some('%') => Err(self.parser.error("a declared or special register")),
            Some('.') | None => Err(self.parser.error(EXPECTED)),
            Some(_) => self.symbol(),
        }
    }

    fn number(&mut self, negative: bool) -> Result<Value> {
        let error = self.parser.error("a number");
        let word = self.parser.word("a number")?;
        let value = match (number::float(word), number::integer(word)) {
            (Some(number::Float::Single(bits)), _) => {
                Value::F32(bits ^ if negative { 1 << 31 } else { 0 })
            }
            (Some(number::Float::Double(bits)), _) => {
                Value::F64(bits ^ if negative { 1 << 63 } else { 0 })
            }
            (None, Some(value)) => Value::Int(if negative { value.wrapping_neg() } else { value }),
            (None, None) => return Err(error),
        };
        Ok(value)
    }

    /// `name` or `name+4`, a variable of this scope under its unique name.
    fn symbol(&mut self) -> Result<Value> {
        let written = self.parser.name("a name")?;
        let name = self.vars.get(&written).unwrap_or(written);
        Ok(Value::Symbol(name, self.offset()?))
    }

    /// `+4`, `-4`, `+-4` or nothing.
    fn offset(&mut self) -> Result<i64> {
        if self.parser.eat("+") || self.parser.at("-") {
            self.parser.count("an offset in bytes")
        } else {
            Ok(0)
        }
    }

    /// Another row may know this mnemonic.
    pub(crate) fn not_this(&mut self) -> ParseError {
        self.opcode.unread = usize::MAX;
        self.parser.at = self.opcode.at;
        self.parser.error("an instruction")
    }

    /// The row has no place for the first unread modifier, or misses its modifier `wanted`.
    pub(crate) fn bad_modifier(&mut self, unread: &Parts<'_>, wanted: &str) -> ParseError {
        self.opcode.unread = unread.len() + 1;
        self.parser.at = self.opcode.at;
        let opcode = self.parser.token().text;
        let mnemonic = opcode.split('.').next().unwrap_or_default();
        let mut error = self.parser.error(match (wanted, unread.first()) {
            ("", _) => format!("no further modifier of `{mnemonic}`"),
            (wanted, _) => format!("a supported `{wanted}` modifier of `{mnemonic}`"),
        });
        let part = unread.first().map_or("nothing".to_owned(), |part| format!("`.{part}`"));
        error.found = format!("{part} in `{opcode}`");
        error
    }

    /// The next operand, with the comma in front of it.
    pub(crate) fn next_operand<O: Operand>(&mut self) -> Result<O> {
        if let Some(absent) = O::absent()
            && !O::stands(self)
        {
            return Ok(absent);
        }
        if self.opcode.comma {
            self.parser.expect(",")?;
        }
        let operand = O::parse(self)?;
        self.opcode.comma |= !operand.is_absent();
        Ok(operand)
    }

    pub(crate) fn end(&mut self) -> Result<()> {
        self.parser.expect(";")
    }

    pub(crate) fn at(&self, text: &str) -> bool {
        self.parser.at(text)
    }

    pub(crate) fn eat(&mut self, text: &str) -> bool {
        self.parser.eat(text)
    }

    pub(crate) fn expect(&mut self, text: &str) -> Result<()> {
        self.parser.expect(text)
    }

    pub(crate) fn name(&mut self) -> Result<String> {
        self.parser.name("the name of a function")
    }

    pub(crate) fn reg_or_sink(&mut self) -> Result<Option<Reg>> {
        if self.parser.eat("_") { Ok(None) } else { self.reg().map(Some) }
    }

    pub(crate) fn label(&mut self) -> Result<Label> {
        let label = self.labels.get(self.parser.token().text);
        let label = label.ok_or_else(|| self.parser.error("a label of this function"))?;
        self.parser.at += 1;
        Ok(label)
    }

    /// The labels of a table, which stands elsewhere in the function.
    pub(crate) fn targets(&mut self) -> Result<Vec<Label>> {
        let table = self.tables.get(self.parser.token().text);
        let table = table.ok_or_else(|| self.parser.error("the name of a `.branchtargets`"))?;
        let after = self.parser.at + 1;
        self.parser.at = table;
        let mut labels = vec![self.label()?];
        while self.parser.eat(",") {
            labels.push(self.label()?);
        }
        self.parser.expect(";")?;
        self.parser.at = after;
        Ok(labels)
    }

    /// Whether `, x, y;` comes next: the operand at hand is there, and is not the last.
    pub(crate) fn at_last_but_one(&self) -> bool {
        let rest = self.parser.tokens.iter().skip(self.parser.at);
        rest.take_while(|it| !it.is_punct(";")).filter(|it| it.is_punct(",")).count() == 2
    }

    /// `[base]` or `[base + offset]`.
    pub(crate) fn address(&mut self) -> Result<Addr> {
        self.parser.expect("[")?;
        let (base, offset) = match self.value()? {
            Value::Symbol(name, offset) => (Value::Symbol(name, 0), offset),
            base => (base, self.offset()?),
        };
        self.parser.expect("]")?;
        Ok(Addr { base, offset })
    }

    pub(crate) fn braced<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.parser.expect("{")?;
        let mut items = vec![read(self)?];
        while self.parser.eat(",") {
            items.push(read(self)?);
        }
        self.parser.expect("}")?;
        Ok(items)
    }

    pub(crate) fn parenthesised(&mut self) -> Result<Vec<Value>> {
        self.parser.expect("(")?;
        let mut values = Vec::new();
        while !self.parser.eat(")") {
            values.push(self.value()?);
            if !self.parser.at(")") {
                self.parser.expect(",")?;
            }
        }
        Ok(values)
    }
}
