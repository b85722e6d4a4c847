//! Models from GGUF files.

use super::{Description, GenerationDefaults, Loaded};
use crate::config;
use crate::error::{Error, Result};
use crate::models;
use crate::tokenizer::TokenizerSource;
use crate::weights::gguf::{Gguf, Header, Source, TensorInfo, is_widened};

/// Tokens that end a turn wherever they are control tokens; files name only one of them.
const TURN_ENDS: [&str; 7] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<end_of_turn>",
    "</s>",
];
/// The number of control tokens among `tokenizer.ggml.token_type`.
const CONTROL: u32 = 3;

pub(super) fn load(source: Box<dyn Source>, stem: &str) -> Result<Loaded> {
    let mut file = Gguf::new(source)?;
    let config = config::from_gguf(&mut file)?;
    super::demand_memory(memory(&file.header))?;
    let tokenizer = tokenizer(&mut file)?;
    let description = Description {
        architecture: config.architecture.name().to_owned(),
        parameters: file.header.tensors.values().map(|it| elements(&it.shape)).sum(),
        bytes: file.header.tensors.values().map(|it| it.bytes as u64).sum(),
        quantisation: quantisation(&file.header)?,
        context: config.context,
    };
    let header = &file.header;
    let float = |key: &str| Ok::<_, Error>(header.float(key)?.map(|it| it as f32));
    let top_k = header.unsigned("general.sampling.top_k")?;
    let defaults = GenerationDefaults {
        temperature: float("general.sampling.temp")?,
        top_k: top_k.and_then(|it| usize::try_from(it).ok()),
        top_p: float("general.sampling.top_p")?,
        min_p: float("general.sampling.min_p")?,
        repetition_penalty: float("general.sampling.penalty_repeat")?,
    };
    Ok(Loaded {
        name: header.text("general.name")?.unwrap_or(stem).to_owned(),
        chat_template: header.text("tokenizer.chat_template")?.map(str::to_owned),
        bos: token(header, "tokenizer.ggml.bos_token_id")?,
        stop_ids: stop_ids(header, &tokenizer)?,
        tokenizer,
        defaults,
        description,
        model: models::load(config, &mut file)?,
    })
}

fn elements(shape: &[usize]) -> u64 {
    shape.iter().map(|size| *size as u64).product()
}

/// Bytes of the weights once they are loaded.
fn memory(header: &Header) -> u64 {
    let bytes = |it: &TensorInfo| match is_widened(it.format, it.shape.last().copied().unwrap_or(0))
    {
        true => elements(&it.shape) * size_of::<f32>() as u64,
        false => it.bytes as u64,
    };
    header.tensors.values().map(bytes).sum()
}

/// llama.cpp's name for the mixture of formats.
fn quantisation(header: &Header) -> Result<String> {
    let name = match header.unsigned("general.file_type")? {
        Some(0) => "F32",
        Some(1) => "F16",
        Some(2) => "Q4_0",
        Some(3) => "Q4_1",
        Some(7) => "Q8_0",
        Some(8) => "Q5_0",
        Some(9) => "Q5_1",
        Some(10) => "Q2_K",
        Some(11) => "Q3_K_S",
        Some(12) => "Q3_K_M",
        Some(13) => "Q3_K_L",
        Some(14) => "Q4_K_S",
        Some(15) => "Q4_K_M",
        Some(16) => "Q5_K_S",
        Some(17) => "Q5_K_M",
        Some(18) => "Q6_K",
        Some(32) => "BF16",
        _ => {
            let largest = header.tensors.values().max_by_key(|it| it.bytes);
            return Ok(largest.map_or_else(String::new, |it| format!("{:?}", it.format)));
        }
    };
    Ok(name.to_owned())
}

fn token(header: &Header, key: &str) -> Result<Option<u32>> {
    Ok(header.unsigned(key)?.and_then(|id| u32::try_from(id).ok()))
}

pub(super) fn tokenizer(file: &mut Gguf) -> Result<TokenizerSource> {
    let missing = || Error::Missing { what: "key `tokenizer.ggml.model`".to_owned() };
    let kind = file.header.text("tokenizer.ggml.model")?.ok_or_else(missing)?.to_owned();
    let pre = file.header.text("tokenizer.ggml.pre")?.unwrap_or("default").to_owned();
    let bos = token(&file.header, "tokenizer.ggml.bos_token_id")?;
    // As llama.cpp has it where the key is absent.
    let by_kind = bos.is_some() && (kind == "llama" || pre == "llama-bpe");
    Ok(TokenizerSource::Gguf {
        tokens: file.strings("tokenizer.ggml.tokens")?,
        types: file.integers("tokenizer.ggml.token_type")?,
        merges: file.strings("tokenizer.ggml.merges")?,
        scores: file.floats("tokenizer.ggml.scores")?,
        bos,
        eos: token(&file.header, "tokenizer.ggml.eos_token_id")?,
        add_bos: file.header.bool("tokenizer.ggml.add_bos_token")?.unwrap_or(by_kind),
        kind,
        pre,
    })
}

fn stop_ids(header: &Header, tokenizer: &TokenizerSource) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for key in ["eos", "eot", "eom"] {
        ids.extend(token(header, &format!("tokenizer.ggml.{key}_token_id"))?);
    }
    if let TokenizerSource::Gguf { tokens, types, .. } = tokenizer {
        let ends = tokens.iter().zip(types).zip(0_u32..);
        let ends = ends
            .filter(|((text, kind), _)| **kind == CONTROL && TURN_ENDS.contains(&text.as_str()));
        ids.extend(ends.map(|(_, id)| id));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
