//! PTX text to modules: directives and declarations. Statements are in [`body`].

mod body;
mod help;
mod number;
mod scope;

use crate::ir::*;
use crate::lex::{Kind, Token, lex};
use crate::modifier::Space;
use crate::ty::Ty;

pub use body::OperandParser;

/// What the parser could not read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Line, from one.
    pub line: u32,
    /// Column, from one.
    pub column: u32,
    /// What was expected.
    pub expected: String,
    /// What stood there.
    pub found: String,
    /// What to do about it, if there is something to say.
    pub help: Option<String>,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, column, expected, found, help } = self;
        write!(f, "line {line}, column {column}: expected {expected}, found {found}")?;
        match help {
            Some(help) => write!(f, " (help: {help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}

/// Reads PTX text, ours or another compiler's.
///
/// Registers and variables of nested scopes move to the function and get unique names; debug
/// sections are skipped.
///
/// ```
/// let error = firesteel_ptx::parse(".version 7.0\n.target sm_70\n.entry f() { rte; }");
/// let text = error.unwrap_err().to_string();
/// assert!(text.starts_with("line 3, column 14: expected an instruction, found `rte`"), "{text}");
/// ```
///
/// # Errors
/// At the first thing that is not PTX or that this library does not support.
pub fn parse(text: &str) -> Result<Module, ParseError> {
    let tokens = lex(text);
    let mut parser = Parser { tokens: &tokens, at: 0 };
    parser.module()
}

/// A position in the tokens.
struct Parser<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

fn found(token: &Token<'_>) -> String {
    match token.kind {
        Kind::End => "the end of the text".to_owned(),
        Kind::Text => format!("\"{}\"", token.text),
        Kind::Stray if token.text.starts_with('"') => "a string without an end".to_owned(),
        Kind::Word | Kind::Punct | Kind::Stray => format!("`{}`", token.text),
    }
}

impl<'a> Parser<'a> {
    fn token(&self) -> &'a Token<'a> {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&self) -> &'a Token<'a> {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)]
    }

    /// Line and column of the next token.
    fn place(&self) -> (u32, u32) {
        let token = self.token();
        (token.line, token.column)
    }

    fn advance(&mut self) -> &'a Token<'a> {
        let token = self.token();
        self.at += 1;
        token
    }

    fn error(&self, expected: impl Into<String>) -> ParseError {
        let token = self.token();
        ParseError {
            line: token.line,
            column: token.column,
            expected: expected.into(),
            found: found(token),
            help: None,
        }
    }

    fn error_with_help(&self, expected: &str, help: &str) -> ParseError {
        ParseError { help: Some(help.to_owned()), ..self.error(expected) }
    }

    /// Whether the next token is this word or punctuation.
    fn at(&self, text: &str) -> bool {
        let token = self.token();
        token.text == text && matches!(token.kind, Kind::Word | Kind::Punct)
    }

    fn eat(&mut self, text: &str) -> bool {
        let here = self.at(text);
        self.at += usize::from(here);
        here
    }

    fn expect(&mut self, text: &str) -> Result<()> {
        if self.eat(text) { Ok(()) } else { Err(self.error(format!("`{text}`"))) }
    }

    fn word(&mut self, expected: &str) -> Result<&'a str> {
        let token = self.token();
        if token.kind != Kind::Word {
            return Err(self.error(expected));
        }
        self.at += 1;
        Ok(token.text)
    }

    /// A word that is not a directive or a number.
    fn name(&mut self, expected: &str) -> Result<String> {
        if self.token().text.starts_with(|c: char| c == '.' || c.is_ascii_digit()) {
            return Err(self.error(expected));
        }
        self.word(expected).map(str::to_owned)
    }

    fn text(&mut self) -> Result<&'a str> {
        let token = self.token();
        if token.kind != Kind::Text {
            return Err(self.error("a string in quotes"));
        }
        self.at += 1;
        Ok(token.text)
    }

    /// An integer that fits `T`.
    fn count<T: TryFrom<i64>>(&mut self, expected: &str) -> Result<T> {
        let error = self.error(expected);
        let negative = self.eat("-");
        let value = number::integer(self.word(expected)?).ok_or_else(|| error.clone())?;
        let value = if negative { value.wrapping_neg() } else { value };
        T::try_from(value).map_err(|_| error)
    }

    fn module(&mut self) -> Result<Module> {
        let version = self.version()?;
        let target = self.target()?;
        let mut module =
            Module { version, target, files: Vec::new(), vars: Vec::new(), functions: Vec::new() };
        self.address_size()?;
        while self.token().kind != Kind::End {
            self.item(&mut module)?;
        }
        Ok(module)
    }

    fn version(&mut self) -> Result<(u8, u8)> {
        self.expect(".version")?;
        let error = self.error("a version such as `7.0`");
        let text = self.word("a version such as `7.0`")?;
        let (major, minor) = text.split_once('.').ok_or_else(|| error.clone())?;
        match (major.parse(), minor.parse()) {
            (Ok(major), Ok(minor)) => Ok((major, minor)),
            _ => Err(error),
        }
    }

    fn target(&mut self) -> Result<Target> {
        const EXPECTED: &str = "an architecture such as `sm_80`";
        self.expect(".target")?;
        let error = self.error(EXPECTED);
        let name = self.word(EXPECTED)?.strip_prefix("sm_").ok_or_else(|| error.clone())?;
        let digits = name.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let suffix = name[digits.len()..].chars().next();
        let sm = digits.parse().map_err(|_| error)?;
        let mut target = Target { sm, suffix, debug: false };
        while self.eat(",") {
            target.debug |= self.word("an option of `.target`")? == "debug";
        }
        Ok(target)
    }

    fn address_size(&mut self) -> Result<()> {
        if self.eat(".address_size") && !self.eat("64") {
            return Err(self.error_with_help("`64`", "32-bit PTX is not supported"));
        }
        Ok(())
    }

    fn item(&mut self, module: &mut Module) -> Result<()> {
        if self.at(".file") {
            module.files.push(self.file()?);
            return Ok(());
        }
        if self.at(".section") {
            return self.skip_section();
        }
        let linkage = self.linkage();
        if self.at(".entry") || self.at(".func") {
            let function = self.function(linkage)?;
            module.functions.push(function);
            return Ok(());
        }
        if Space::directive(self.token().text).is_some() {
            let var = self.variable(linkage)?;
            module.vars.push(var);
            return self.expect(";");
        }
        const EXPECTED: &str = "`.entry`, `.func`, `.file`, `.section` or a variable";
        match self.token().text {
            ".alias" => Err(self.error_with_help(EXPECTED, "aliases are not supported")),
            ".tex" => Err(self.error_with_help(EXPECTED, "textures are not supported")),
            ".version" | ".target" => {
                Err(self.error_with_help(EXPECTED, "a module has one head; split the text"))
            }
            _ => Err(self.error(EXPECTED)),
        }
    }

    fn linkage(&mut self) -> Option<Linkage> {
        let linkage = Linkage::ALL.iter().copied().find(|it| it.text() == self.token().text)?;
        self.at += 1;
        Some(linkage)
    }

    /// `.file 1 "path"[, timestamp, size]`
    fn file(&mut self) -> Result<(u32, String)> {
        self.expect(".file")?;
        let number = self.count("the number of the file")?;
        let path = self.text()?.to_owned();
        if self.eat(",") {
            self.count::<i64>("a time stamp")?;
            self.expect(",")?;
            self.count::<i64>("a size")?;
        }
        Ok((number, path))
    }

    fn skip_section(&mut self) -> Result<()> {
        self.expect(".section")?;
        self.word("the name of the section")?;
        self.expect("{")?;
        while !self.eat("}") {
            if self.token().kind == Kind::End {
                return Err(self.error("`}` at the end of the section"));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// `.space [.align n] .type name[len]… [= init]`, without the semicolon.
    fn variable(&mut self, linkage: Option<Linkage>) -> Result<Var> {
        let space =
            Space::directive(self.token().text).ok_or_else(|| self.error("a state space"))?;
        self.at += 1;
        let mut align = self.align()?;
        if self.at(".attribute") {
            let help = "attributes of variables are not supported";
            return Err(self.error_with_help("a type such as `.b32`", help));
        }
        if [".texref", ".samplerref", ".surfref"].contains(&self.token().text) {
            let help = "textures and surfaces are not supported";
            return Err(self.error_with_help("a type such as `.b32`", help));
        }
        let ty = self.ty()?;
        // `.param .u64 .ptr .global .align 4 name` carries hints about a pointer.
        if self.eat(".ptr") {
            if Space::directive(self.token().text).is_some() {
                self.at += 1;
            }
            self.align()?;
        }
        align = align.filter(|align| *align > 0);
        let name = self.name("the name of a variable")?;
        let len = self.dimensions()?;
        let init = if self.eat("=") { self.initialiser(ty)? } else { Vec::new() };
        Ok(Var { linkage, space, align, ty, name, len, init })
    }

    fn align(&mut self) -> Result<Option<u32>> {
        if self.eat(".align") { self.count("an alignment").map(Some) } else { Ok(None) }
    }

    fn ty(&mut self) -> Result<Ty> {
        let text = self.token().text.strip_prefix('.').unwrap_or_default();
        let ty = Ty::from_text(text).ok_or_else(|| self.error("a type such as `.b32`"))?;
        self.at += 1;
        Ok(ty)
    }

    /// `[4][8]…`, multiplied; an empty one leaves the size open.
    fn dimensions(&mut self) -> Result<Len> {
        let mut len = Len::One;
        while self.eat("[") {
            if self.eat("]") {
                len = Len::Unsized;
                continue;
            }
            let error = self.error("a number of elements");
            let n: u64 = self.count("a number of elements")?;
            self.expect("]")?;
            let so_far = if let Len::Array(so_far) = len { so_far } else { 1 };
            // Beyond any address space, so that sizes in bytes cannot overflow.
            let total = so_far.checked_mul(n).filter(|total| *total < 1 << 48).ok_or(error)?;
            len = Len::Array(total);
        }
        Ok(len)
    }

    fn initialiser(&mut self, ty: Ty) -> Result<Vec<Init>> {
        if !self.eat("{") {
            return Ok(vec![self.init(ty)?]);
        }
        let mut elements = Vec::new();
        while !self.eat("}") {
            if self.at("{") {
                return Err(self.error("elements without nested braces"));
            }
            elements.push(self.init(ty)?);
            if !self.at("}") {
                self.expect(",")?;
            }
        }
        Ok(elements)
    }

    fn init(&mut self, ty: Ty) -> Result<Init> {
        let negative = self.eat("-");
        let error = self.error("a number or the name of a variable");
        let word = self.word("a number or the name of a variable")?;
        if let Some(float) = number::float(word) {
            return Ok(Init::Float(float.bits_as(ty, negative)));
        }
        if let Some(value) = number::integer(word) {
            return Ok(Init::Int(if negative { value.wrapping_neg() } else { value }));
        }
        if negative || word.starts_with(|c: char| c == '.' || c.is_ascii_digit()) {
            return Err(error);
        }
        // The generic address of a global variable is its address.
        let name = if word == "generic" && self.eat("(") {
            let name = self.name("the name of a variable")?;
            self.expect(")")?;
            name
        } else {
            word.to_owned()
        };
        let offset = if self.eat("+") { self.count("an offset")? } else { 0 };
        Ok(Init::Address(name, offset))
    }

    fn function(&mut self, linkage: Option<Linkage>) -> Result<Function> {
        let entry = self.advance().text == ".entry";
        let results = if !entry && self.at("(") { self.params()? } else { Vec::new() };
        let name = self.name("the name of a function")?;
        let params = if self.at("(") { self.params()? } else { Vec::new() };
        let directives = self.directives()?;
        let mut function = Function {
            linkage,
            entry,
            name,
            results,
            params,
            directives,
            regs: Vec::new(),
            vars: Vec::new(),
            labels: Vec::new(),
            body: None,
        };
        if !self.eat(";") {
            body::read(self, &mut function)?;
        }
        Ok(function)
    }

    fn params(&mut self) -> Result<Vec<Var>> {
        self.expect("(")?;
        let mut params = Vec::new();
        while !self.eat(")") {
            if self.at(".reg") {
                let help = "parameters in registers are not supported";
                return Err(self.error_with_help("`.param`", help));
            }
            params.push(self.variable(None)?);
            if !self.at(")") {
                self.expect(",")?;
            }
        }
        Ok(params)
    }

    fn directives(&mut self) -> Result<Vec<Directive>> {
        let mut directives = Vec::new();
        while self.token().text.starts_with('.') {
            let directive = match self.token().text {
                ".maxntid" => self.directive(|it| it.three().map(Directive::MaxThreads))?,
                ".reqntid" => self.directive(|it| it.three().map(Directive::RequiredThreads))?,
                ".reqnctapercluster" => {
                    self.directive(|it| it.three().map(Directive::RequiredCluster))?
                }
                ".minnctapersm" => {
                    self.directive(|it| it.count("a number of blocks").map(Directive::MinBlocks))?
                }
                ".maxnreg" => self.directive(|it| {
                    it.count("a number of registers").map(Directive::MaxRegisters)
                })?,
                ".maxclusterrank" => self.directive(|it| {
                    it.count("a number of blocks").map(Directive::MaxClusterRank)
                })?,
                ".noreturn" => self.directive(|_| Ok(Directive::NoReturn))?,
                ".explicitcluster" => self.directive(|_| Ok(Directive::ExplicitCluster))?,
                ".pragma" => self.directive(Self::pragma)?,
                _ => return Err(self.error("`{`, `;` or a directive of a kernel")),
            };
            directives.push(directive);
        }
        Ok(directives)
    }

    fn directive(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Directive>,
    ) -> Result<Directive> {
        self.at += 1;
        read(self)
    }

    fn pragma(&mut self) -> Result<Directive> {
        let text = self.text()?.to_owned();
        self.expect(";")?;
        Ok(Directive::Pragma(text))
    }

    /// One to three numbers; missing ones are 1.
    fn three(&mut self) -> Result<[u32; 3]> {
        let mut sizes = [1; 3];
        sizes[0] = self.count("a number of threads")?;
        for size in &mut sizes[1..] {
            if self.eat(",") {
                *size = self.count("a number of threads")?;
            }
        }
        Ok(sizes)
    }
}

impl Space {
    /// The space whose directive `text` is.
    fn directive(text: &str) -> Option<Self> {
        match text {
            ".global" => Some(Self::Global),
            ".shared" => Some(Self::Shared),
            ".local" => Some(Self::Local),
            ".param" => Some(Self::Param),
            ".const" => Some(Self::Const),
            _ => None,
        }
    }
}
