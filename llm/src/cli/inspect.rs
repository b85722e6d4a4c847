//! `firesteel inspect`
//!
//! Only headers are read, so that a file of any size, architecture and quantisation can be
//! looked at.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::{failure::Failure, model::Source};
use crate::{
    error::{Error, Result},
    load,
    models::Architecture,
    weights::{
        gguf::{self, Gguf, Value},
        safetensors::Safetensors,
    },
};

const EXAMPLES: &str = "\
Examples:
  firesteel inspect                            the model in the box
  firesteel inspect model.gguf
  firesteel inspect hf:Qwen/Qwen3-0.6B --tensors
  firesteel inspect --json model.gguf | jq .tokenizer";

/// Shows what a model's files hold.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A GGUF file, a folder with a model, or hf:REPO[/FILE]; without one, the model in the box
    file: Option<Source>,
    /// Lists the tensors too
    #[arg(long)]
    tensors: bool,
    /// Writes JSON: all of the metadata and every tensor
    #[arg(long)]
    json: bool,
}

/// What `--json` writes.
#[derive(Debug, Default, Serialize)]
struct Sheet {
    name: Option<String>,
    container: &'static str,
    architecture: String,
    supported: bool,
    parameters: u64,
    /// Of the tensors.
    bytes: u64,
    /// Bytes of the tensors in each format.
    formats: BTreeMap<String, u64>,
    context: Option<u64>,
    tokenizer: Json,
    chat_template: Option<String>,
    metadata: Json,
    tensors: Vec<Tensor>,
}

#[derive(Debug, Serialize)]
struct Tensor {
    name: String,
    /// Outermost dimension first.
    shape: Vec<usize>,
    format: String,
    bytes: u64,
}

pub(super) fn run(args: &Args) -> std::result::Result<(), Failure> {
    let model = args.file.as_ref().map_or_else(|| "story".to_owned(), Source::to_string);
    let path = args.file.as_ref().map(Source::path).transpose()?;
    let sheet = match &path {
        None => from_gguf(Box::new(load::story())),
        Some(path) => read(path),
    };
    let sheet = sheet.map_err(|source| Failure::Load { model, source })?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let text = serde_json::to_string_pretty(&sheet).map_err(std::io::Error::from)?;
        writeln!(out, "{text}")?;
        return Ok(());
    }
    sheet.write(&mut out)?;
    if args.tensors {
        writeln!(out)?;
        let width = sheet.tensors.iter().map(|it| it.name.len()).max().unwrap_or(0);
        for Tensor { name, shape, format, bytes } in &sheet.tensors {
            let shape = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
            writeln!(out, "{name:width$}  {format:<6} {:>10}  {shape}", size(*bytes))?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Sheet> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.is_dir() {
        return from_folder(path);
    }
    from_gguf(Box::new(File::open(path).map_err(failed)?))
}

fn from_gguf(source: Box<dyn gguf::Source>) -> Result<Sheet> {
    let file = Gguf::new(source)?;
    let header = &file.header;
    let text = |key: &str| Ok::<_, Error>(header.text(key)?.map(str::to_owned));
    let architecture = text("general.architecture")?.unwrap_or_default();
    let tokens = header.metadata.get("tokenizer.ggml.tokens").map(json_of);
    let mut tensors: Vec<_> = header.tensors.iter().collect();
    tensors.sort_by_key(|(_, info)| info.offset);
    let tensors = tensors.into_iter().map(|(name, info)| Tensor {
        name: name.clone(),
        shape: info.shape.clone(),
        format: format!("{:?}", info.format),
        bytes: info.bytes as u64,
    });
    let metadata: BTreeMap<_, _> = header.metadata.iter().collect();
    Ok(Sheet {
        name: text("general.name")?,
        container: "GGUF",
        supported: Architecture::from_gguf(&architecture).is_ok(),
        context: header.unsigned(&format!("{architecture}.context_length"))?,
        tokenizer: json!({
            "kind": text("tokenizer.ggml.model")?,
            "pre": text("tokenizer.ggml.pre")?,
            "tokens": tokens,
            "bos": header.unsigned("tokenizer.ggml.bos_token_id")?,
            "eos": header.unsigned("tokenizer.ggml.eos_token_id")?,
        }),
        chat_template: text("tokenizer.chat_template")?,
        metadata: metadata.into_iter().map(|(key, value)| (key.clone(), json_of(value))).collect(),
        architecture,
        ..Sheet::default()
    }
    .with(tensors.collect()))
}

/// Arrays are shown by their length: a vocabulary has a hundred thousand elements.
fn json_of(value: &Value) -> Json {
    match value {
        Value::Unsigned(number) => (*number).into(),
        Value::Signed(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Bool(value) => (*value).into(),
        Value::Text(text) => text.as_str().into(),
        Value::Array(array) => array.len().into(),
    }
}

fn from_folder(folder: &Path) -> Result<Sheet> {
    let config = json_file(&folder.join("config.json"))?.ok_or(Error::NotAModel {
        path: folder.to_owned(),
        got: "a folder without `config.json`",
    })?;
    let special = json_file(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
    let tokenizer = json_file(&folder.join("tokenizer.json"))?.unwrap_or_default();
    let template = std::fs::read_to_string(folder.join("chat_template.jinja")).ok();
    let architecture = config["model_type"].as_str().unwrap_or_default().to_owned();
    // Models that see as well as read keep the text's numbers a level deeper.
    let text = config.get("text_config").unwrap_or(&config);
    let vocabulary = tokenizer["model"]["vocab"].as_object().map(Map::len);
    let mut tensors: Vec<_> = Safetensors::open(folder)?
        .tensors()
        .map(|(name, shape, format, bytes)| Tensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            format,
            bytes: bytes as u64,
        })
        .collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Sheet {
        name: folder.file_name().map(|it| it.to_string_lossy().into_owned()),
        container: "safetensors",
        supported: Architecture::from_hub(&architecture).is_ok(),
        context: text["max_position_embeddings"].as_u64(),
        tokenizer: json!({
            "kind": tokenizer["model"]["type"],
            "tokens": vocabulary,
            "bos": special["bos_token"],
            "eos": special["eos_token"],
        }),
        chat_template: template.or_else(|| special["chat_template"].as_str().map(str::to_owned)),
        metadata: config,
        architecture,
        ..Sheet::default()
    }
    .with(tensors))
}

/// The content of a JSON file, if there is one.
fn json_file(path: &PathBuf) -> Result<Option<Json>> {
    match std::fs::read(path) {
        Ok(bytes) => {
            let json = serde_json::from_slice(&bytes);
            json.map(Some).map_err(|source| Error::Json { path: path.clone(), source })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path: path.clone(), source }),
    }
}

impl Sheet {
    /// Adds the tensors and their sums.
    fn with(mut self, tensors: Vec<Tensor>) -> Self {
        for Tensor { shape, format, bytes, .. } in &tensors {
            self.parameters += shape.iter().map(|it| *it as u64).product::<u64>();
            self.bytes += bytes;
            *self.formats.entry(format.clone()).or_default() += bytes;
        }
        Self { tensors, ..self }
    }

    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut row = |key: &str, value: &str| writeln!(out, "{key:<14} {value}");
        row("name", self.name.as_deref().unwrap_or("-"))?;
        let note = if self.supported { "" } else { " (not supported)" };
        row("architecture", &format!("{}{note}, {}", self.architecture, self.container))?;
        let bits = 8.0 * self.bytes as f64 / self.parameters.max(1) as f64;
        let parameters = count(self.parameters);
        row("parameters", &format!("{parameters}, {}, {bits:.2} bits each", size(self.bytes)))?;
        let mut formats: Vec<_> = self.formats.iter().collect();
        formats.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
        let share = |bytes: u64| 100.0 * bytes as f64 / self.bytes.max(1) as f64;
        let formats = formats.iter().map(|(name, bytes)| format!("{name} {:.0} %", share(**bytes)));
        row("quantisation", &formats.collect::<Vec<_>>().join(", "))?;
        row("tensors", &self.tensors.len().to_string())?;
        row("context", &self.context.map_or("-".to_owned(), |it| format!("{it} tokens")))?;
        let fields = self.tokenizer.as_object().into_iter().flatten();
        let fields = fields.filter(|(_, value)| !value.is_null());
        let fields = fields.map(|(key, value)| match value.as_str() {
            Some(text) => format!("{key} {text}"),
            None => format!("{key} {value}"),
        });
        row("tokenizer", &fields.collect::<Vec<_>>().join(", "))?;
        let Some(template) = &self.chat_template else { return row("chat template", "none") };
        row("chat template", &format!("{} characters", template.chars().count()))?;
        for line in template.trim_end().lines() {
            row("", line)?;
        }
        Ok(())
    }
}

fn count(number: u64) -> String {
    match number {
        1_000_000_000.. => format!("{:.2} B", number as f64 / 1e9),
        1_000_000.. => format!("{:.1} M", number as f64 / 1e6),
        _ => number.to_string(),
    }
}

fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
