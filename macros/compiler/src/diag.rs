//! What the compiler says to the user: every code, and how a diagnostic becomes tokens.
//!
//! Passes push into [`Diags`] and go on with [`crate::hir::Ty::Error`], so that one build reports
//! every mistake once. A message is lower case, has no full stop, names things in backticks and
//! says what was wanted before what came; the help is one thing to do.

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, TokenStream, TokenTree};

use crate::span::SpanRange;

/// One mistake of the user.
#[derive(Clone, Debug)]
pub struct Diag {
    /// What kind of mistake.
    pub code: Code,
    /// The user's tokens that are wrong.
    pub span: SpanRange,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diag {
    /// A diagnostic without help.
    pub fn new(code: Code, span: impl Into<SpanRange>, message: impl Into<String>) -> Self {
        Self { code, span: span.into(), message: message.into(), help: None }
    }

    /// Adds the help line.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `compile_error!("message\nhelp: ..")`, drawn at the user's tokens.
    ///
    /// rustc underlines a macro call from the span of its first token to that of its last.
    fn to_tokens(&self) -> TokenStream {
        let text = match &self.help {
            Some(help) => format!("{}\nhelp: {help}", self.message),
            None => self.message.clone(),
        };
        let mut literal = Literal::string(&text);
        literal.set_span(self.span.end);
        let mut group = Group::new(Delimiter::Brace, TokenTree::from(literal).into());
        group.set_span(self.span.end);
        let punct = |symbol, spacing| {
            let mut punct = Punct::new(symbol, spacing);
            punct.set_span(self.span.start);
            TokenTree::from(punct)
        };
        let ident = |name: &str| TokenTree::from(Ident::new(name, self.span.start));
        TokenStream::from_iter([
            punct(':', Spacing::Joint),
            punct(':', Spacing::Alone),
            ident("core"),
            punct(':', Spacing::Joint),
            punct(':', Spacing::Alone),
            ident("compile_error"),
            punct('!', Spacing::Alone),
            group.into(),
        ])
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $code:ident,)*) => {
        /// The kind of a mistake. Each has a case in `ui-tests/fail`, and a test that it has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])* $code,)*
        }

        impl Code {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$code,)*];
        }
    };
}

codes! {
    // Attribute and signature.
    /// An argument of `#[gpu_kernel]` that does not exist, is given twice or has a wrong value.
    BadAttribute,
    /// `block_size` is missing, zero, above 1024 or has too many axes.
    BadBlockSize,
    /// The function is generic, `async`, `const`, `unsafe`, `extern`, returns a value or is no
    /// function at all.
    BadSignature,
    /// A parameter of a type that a kernel cannot take, or with a pattern instead of a name.
    BadParameter,
    // Syntax.
    /// A construct of Rust that kernels do not have.
    Unsupported,
    /// A loop attribute with a wrong value or in a wrong place.
    BadLoopAttribute,
    // Names.
    /// A device function or constant that needs itself.
    Recursion,
    /// A variable that is not declared.
    UnknownVariable,
    /// A function that is not an intrinsic.
    UnknownFunction,
    /// A method that the type does not have.
    UnknownMethod,
    /// A macro that kernels do not have.
    UnknownMacro,
    /// A type that kernels do not have.
    UnknownType,
    /// An associated constant or function that does not exist.
    UnknownAssociated,
    /// A field that the type does not have.
    UnknownField,
    /// A label that is not in scope.
    UnknownLabel,
    /// A name used for something that it is not, such as a slice used as a value.
    WrongKind,
    // Types.
    /// A type other than the context wants.
    MismatchedTypes,
    /// An operator that the types do not have.
    BadOperator,
    /// A cast that Rust does not have.
    BadCast,
    /// An argument of a type that the intrinsic does not take.
    BadArgument,
    /// Too many or too few arguments.
    WrongArity,
    /// A type that nothing determines.
    CannotInfer,
    /// Something that cannot be indexed, or an index that is no integer.
    BadIndex,
    /// A literal that does not fit its type.
    LiteralOutOfRange,
    // Places and control flow.
    /// Assigning a variable that is not `mut`.
    AssignImmutable,
    /// Writing through `&[T]`.
    WriteToShared,
    /// Assigning something that is not a place.
    BadPlace,
    /// `break` or `continue` outside of a loop, or with a value where none can be.
    BadJump,
    /// A pattern that a kernel cannot match.
    BadPattern,
    /// A struct that the device cannot have, or a value that leaves out a field.
    BadStruct,
    // Constants.
    /// An expression that must be constant and is not.
    NotConstant,
    /// A constant expression that divides by zero or overflows.
    BadConstant,
    /// An array whose length is zero or too large, or a constant index outside of it.
    BadLength,
    // The machine.
    /// `shared_mem!` in a place where it cannot be, or with wrong arguments.
    BadSharedMemory,
    /// More static shared memory than a block can have.
    TooMuchSharedMemory,
    /// An intrinsic above the stated architecture.
    NeedsArch,
    /// A warp or block operation that the shape of the block cannot carry.
    BadBlockShape,
    /// A format string and its arguments do not agree.
    BadFormat,
    /// The index of a register array is not constant after unrolling.
    DynamicRegisterIndex,
    /// `#[unroll]` on a loop whose trip count is not constant, or too large.
    CannotUnroll,
    // Ours.
    /// A defect of the compiler.
    Internal,
}

impl Code {
    /// Whether rustc reports the same mistake in the shadow function, at the same token. Then the
    /// shadow is shown to rust-analyzer alone, so that the user reads one message.
    pub const fn rustc_agrees(self) -> bool {
        match self {
            Self::UnknownVariable
            | Self::UnknownFunction
            | Self::UnknownMethod
            | Self::UnknownMacro
            | Self::UnknownType
            | Self::UnknownAssociated
            | Self::UnknownField
            | Self::UnknownLabel
            | Self::MismatchedTypes
            | Self::BadOperator
            | Self::BadCast
            | Self::BadArgument
            | Self::WrongArity
            | Self::CannotInfer
            | Self::BadIndex
            | Self::LiteralOutOfRange
            | Self::AssignImmutable
            | Self::WriteToShared
            | Self::BadPlace
            | Self::BadJump
            | Self::BadPattern
            | Self::BadStruct
            | Self::NotConstant
            | Self::BadConstant
            | Self::BadLength
            | Self::WrongKind
            | Self::Unsupported
            | Self::BadSignature
            | Self::BadParameter
            | Self::BadSharedMemory
            | Self::BadFormat => true,
            Self::BadAttribute
            | Self::BadBlockSize
            | Self::Recursion
            | Self::BadLoopAttribute
            | Self::TooMuchSharedMemory
            | Self::NeedsArch
            | Self::BadBlockShape
            | Self::DynamicRegisterIndex
            | Self::CannotUnroll
            | Self::Internal => false,
        }
    }
}

/// The mistakes found so far. They must be taken: dropping them unread would hide them.
#[derive(Debug, Default)]
pub struct Diags {
    list: Vec<Diag>,
}

impl Diags {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one. What is compiled twice, the body of a device function or of a closure, has its
    /// mistakes once.
    pub fn push(&mut self, diag: Diag) {
        let place = |diag: &Diag| (diag.span.file(), diag.span.line(), diag.span.column());
        let is_new = |known: &Diag| known.message != diag.message || place(known) != place(&diag);
        if self.list.iter().all(is_new) {
            self.list.push(diag);
        }
    }

    /// Adds an error of syn, which is always one of syntax.
    pub fn push_syn(&mut self, error: &syn::Error) {
        for error in error.clone() {
            self.push(Diag::new(Code::Unsupported, error.span(), error.to_string()));
        }
    }

    /// Whether nothing was wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What was found, in the order of finding.
    pub fn iter(&self) -> std::slice::Iter<'_, Diag> {
        self.list.iter()
    }

    /// Whether rustc would report one of these again if it saw the shadow function.
    pub fn rustc_agrees(&self) -> bool {
        self.list.iter().any(|diag| diag.code.rustc_agrees())
    }

    /// Adds to the messages from a position on.
    pub(crate) fn say_where(&mut self, from: usize, place: &str) {
        for diag in self.list.iter_mut().skip(from) {
            diag.message.push_str(place);
        }
    }

    /// Moves what was reported from a position on to another place, and says where it was.
    pub(crate) fn move_to(&mut self, from: usize, at: SpanRange) {
        for diag in self.list.iter_mut().skip(from) {
            let (file, line) = (diag.span.file(), diag.span.line());
            diag.message.push_str(&format!(", at {file}:{line}"));
            diag.span = at;
        }
    }

    /// Takes the list: the caller now answers for it.
    pub fn take(&mut self) -> Vec<Diag> {
        std::mem::take(&mut self.list)
    }

    /// Takes everything as `compile_error!`s.
    pub fn take_tokens(&mut self) -> TokenStream {
        self.take().iter().map(Diag::to_tokens).collect()
    }
}

impl Drop for Diags {
    fn drop(&mut self) {
        if !self.list.is_empty() && !std::thread::panicking() {
            debug_assert!(false, "diagnostics were dropped unread: {:?}", self.list);
        }
    }
}

/// The name most like `name`, if one is near enough to be what the user meant.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Of one or two letters every name is near to every other.
    let limit = if name.len() < 3 { 0 } else { (name.len() / 3).max(1) };
    names
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *candidate != name)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=to.len()).collect();
    for i in 1..=from.len() {
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names = ["warp_reduce_sum", "warp_reduce_max", "lane_id"];
        assert_eq!(nearest("warp_reduce_smu", names), Some("warp_reduce_sum"));
        assert_eq!(nearest("lane_idx", names), Some("lane_id"));
        assert_eq!(nearest("matmul", names), None);
    }

    #[test]
    fn the_help_is_a_second_line() {
        let diag = Diag::new(Code::UnknownVariable, proc_macro2::Span::call_site(), "no `x`")
            .help("declare it");
        let text = diag.to_tokens().to_string();
        assert!(text.contains("\"no `x`\\nhelp: declare it\""), "{text}");
    }
}
