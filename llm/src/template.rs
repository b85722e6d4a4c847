//! Chat templates: Jinja as transformers sets it up.
//!
//! A template comes with the model and was written for Python: `trim_blocks` and
//! `lstrip_blocks` are on, strings, lists and dictionaries have Python's methods, `tojson` is
//! `json.dumps` without HTML escapes, and `raise_exception` and `strftime_now` exist.
//! See `apply_chat_template` in transformers' `utils/chat_template_utils.py`.

use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, ErrorKind};

mod date;
mod json;
mod methods;
#[cfg(test)]
mod tests;

/// Instructions that one rendering may take. A long chat takes about a hundred thousand; a
/// template that goes in circles is stopped within seconds.
const FUEL: u64 = 10_000_000;

/// Bytes that a rendering may have. No context is as long, and a loop that repeats a message
/// could fill the memory before its fuel is used up.
const LONGEST: usize = 64 << 20;

/// Why a chat could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model's template is not Jinja.
    #[error(
        "the chat template does not parse: {message} (line {line})\n\
         help: give another one with `--chat-template FILE`"
    )]
    Syntax {
        /// The line of the template.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// The template itself refuses these messages; its own words.
    #[error("{0}")]
    Raised(String),
    /// The template uses what the messages do not have, or what this engine does not know.
    #[error("the chat template fails on these messages: {message} (line {line})")]
    Render {
        /// The line of the template; 0 if it is not known.
        line: usize,
        /// What failed there.
        message: String,
    },
}

/// The argument of `raise_exception`, found again among the causes of a failed rendering.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

/// A model's chat template.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    bos: Option<String>,
    eos: Option<String>,
}

const NAME: &str = "chat";

impl Template {
    /// Parses a template. `bos` and `eos` are the texts that it sees as `bos_token` and
    /// `eos_token`.
    pub fn new(source: &str, bos: Option<String>, eos: Option<String>) -> Result<Self, Error> {
        let mut environment = environment();
        let source = without_generation_marks(source);
        environment
            .add_template_owned(NAME, source)
            .map_err(|it| Error::Syntax { line: it.line().unwrap_or(0), message: message(&it) })?;
        Ok(Self { environment, bos, eos })
    }

    /// The text of a chat.
    ///
    /// `messages` and `tools` are lists in OpenAI's form; what else the template shall see,
    /// such as `enable_thinking`, is in `kwargs`, which win over everything.
    pub fn render(
        &self,
        messages: &serde_json::Value,
        tools: Option<&serde_json::Value>,
        add_generation_prompt: bool,
        kwargs: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<String, Error> {
        let mut context = vec![
            ("messages", json::value(messages)),
            ("tools", tools.map_or_else(|| Value::from(()), json::value)),
            ("add_generation_prompt", Value::from(add_generation_prompt)),
        ];
        // A token that the model does not have stays undefined, which prints as nothing.
        context.extend(self.bos.as_ref().map(|it| ("bos_token", Value::from(it.as_str()))));
        context.extend(self.eos.as_ref().map(|it| ("eos_token", Value::from(it.as_str()))));
        context.extend(kwargs.iter().map(|(k, v)| (k.as_str(), json::value(v))));
        let template = self.environment.get_template(NAME).map_err(failed)?;
        let mut text = Bounded(Vec::new());
        let render = || template.render_captured_to(Value::from_pairs(context), &mut text);
        // Debug builds of minijinja panic where its arithmetic overflows, as in `x[1:9:-1]`.
        match catch_unwind(AssertUnwindSafe(|| render().map(drop))) {
            Ok(rendered) => rendered.map_err(failed)?,
            Err(_) => return Err(Error::Render { line: 0, message: "it panicked".to_owned() }),
        }
        Ok(String::from_utf8_lossy(&text.0).into_owned())
    }
}

/// The text of a rendering, which ends with an error rather than grow without bound.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(io::Error::other(format!("its text is longer than {LONGEST} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.build().unwrap_or_default());
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(methods::call);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("tojson", json::tojson);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", |format: &str| {
        date::format(format, std::time::SystemTime::now())
    });
    // Whatever has a length and can be indexed is a sequence to Jinja: strings and
    // dictionaries too.
    environment.add_test("sequence", |value: &Value| {
        matches!(
            value.kind(),
            ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Undefined
        )
    });
    environment
}

fn raise_exception(text: &Value) -> Result<Value, minijinja::Error> {
    let raised = Raised(text.to_string());
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, raised.0.clone()).with_source(raised))
}

fn failed(error: minijinja::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(it) = cause {
        if let Some(raised) = it.downcast_ref::<Raised>() {
            return Error::Raised(raised.0.clone());
        }
        cause = it.source();
    }
    Error::Render { line: error.line().unwrap_or(0), message: message(&error) }
}

/// What went wrong, without the place, which the error type has as data.
fn message(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

/// Turns `{% generation %}` blocks, transformers' marks around what an assistant said, into
/// blocks that are always rendered.
fn without_generation_marks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let end = tag.find("%}").map_or(tag.len(), |end| end + 2);
        let (tag, after) = tag.split_at(end);
        let word = tag
            .trim_start_matches("{%")
            .trim_end_matches("%}")
            .trim_matches(|it: char| it.is_whitespace() || it == '-' || it == '+');
        match word {
            "generation" => out.push_str(&tag.replacen("generation", "if true", 1)),
            "endgeneration" => out.push_str(&tag.replacen("endgeneration", "endif", 1)),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
