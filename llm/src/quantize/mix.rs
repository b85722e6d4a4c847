//! Which format each tensor of a file gets.
//!
//! Source: llama.cpp, `src/llama-quant.cpp`: the choice of `llama-quantize` without an importance
//! matrix, for the architectures that are run here.

use std::{fmt, str::FromStr};

use firesteel_kernels::quant::Format;

/// How a tensor is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As 32-bit floats.
    F32,
    /// As 16-bit floats with 5 bits of exponent.
    F16,
    /// As 16-bit floats with 8 bits of exponent.
    Bf16,
    /// In blocks.
    Blocks(Format),
}

impl Kind {
    /// ggml's number of the type.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Bf16 => 30,
            Self::Blocks(format) => format.ggml_type(),
        }
    }

    /// Bytes of a tensor whose rows are whole blocks.
    pub(crate) fn bytes(self, len: usize) -> usize {
        match self {
            Self::F32 => len * 4,
            Self::F16 | Self::Bf16 => len * 2,
            Self::Blocks(format) => len / format.block_len() * format.block_bytes(),
        }
    }
}

/// The list of mixes: variant, name, format of most tensors, number of `general.file_type`.
macro_rules! mixes {
    ($($variant:ident, $name:literal, $format:ident, $number:literal;)*) => {
        /// A mix of formats, as llama.cpp names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mix {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
        }

        impl Mix {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name, for example `q4_k_m`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The format of most tensors.
            const fn format(self) -> Format {
                match self { $(Self::$variant => Format::$format,)* }
            }

            /// The number of `general.file_type`.
            pub(crate) const fn file_type(self) -> u32 {
                match self { $(Self::$variant => $number,)* }
            }
        }
    };
}

mixes! {
    Q4_0, "q4_0", Q4_0, 2;
    Q4_1, "q4_1", Q4_1, 3;
    Q5_0, "q5_0", Q5_0, 8;
    Q5_1, "q5_1", Q5_1, 9;
    Q8_0, "q8_0", Q8_0, 7;
    Q2K, "q2_k", Q2K, 10;
    Q3KS, "q3_k_s", Q3K, 11;
    Q3KM, "q3_k_m", Q3K, 12;
    Q3KL, "q3_k_l", Q3K, 13;
    Q4KS, "q4_k_s", Q4K, 14;
    Q4KM, "q4_k_m", Q4K, 15;
    Q5KS, "q5_k_s", Q5K, 16;
    Q5KM, "q5_k_m", Q5K, 17;
    Q6K, "q6_k", Q6K, 18;
}

/// No mix has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no type of quantisation is named `{got}`\nhelp: the types are {}", all())]
pub struct UnknownMix {
    /// The name.
    pub got: String,
}

/// Their names, for messages.
fn all() -> String {
    let name = |mix: &Mix| format!("`{mix}`");
    Mix::ALL.iter().map(name).collect::<Vec<_>>().join(", ")
}

impl FromStr for Mix {
    type Err = UnknownMix;

    fn from_str(text: &str) -> Result<Self, UnknownMix> {
        let found = Self::ALL.iter().find(|mix| mix.name().eq_ignore_ascii_case(text));
        found.copied().ok_or_else(|| UnknownMix { got: text.to_owned() })
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the choice depends on beside the tensor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// Layers.
    pub(crate) layers: usize,
    /// Tensors that make values: one for each layer.
    pub(crate) values: usize,
    /// Experts; 0 where there are none.
    pub(crate) experts: usize,
    /// Query heads of each key/value head.
    pub(crate) group: usize,
    /// Whether the embedding is the output matrix as well.
    pub(crate) tied: bool,
    /// Whether the model is one of llama.cpp's size "70B".
    pub(crate) is_70b: bool,
}

/// Chooses for one tensor after the other, layer by layer.
#[derive(Debug, Clone)]
pub(crate) struct Chooser {
    mix: Mix,
    facts: Facts,
    /// Tensors that make values so far.
    seen: usize,
}

/// What a tensor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Output,
    Embedding,
    Values,
    Keys,
    Down,
    AttentionOutput,
    Other,
}

impl Part {
    fn of(name: &str, tied: bool) -> Self {
        let part = name.split('.').nth(2).unwrap_or(name);
        match part {
            _ if name == "output.weight" => Self::Output,
            _ if name == "token_embd.weight" && tied => Self::Output,
            _ if name == "token_embd.weight" => Self::Embedding,
            "attn_v" | "attn_qkv" => Self::Values,
            "attn_k" => Self::Keys,
            "attn_output" => Self::AttentionOutput,
            part if part.starts_with("ffn_down") => Self::Down,
            _ => Self::Other,
        }
    }
}

/// Whether a tensor is quantised at all; `shape` is outermost dimension first.
pub(crate) fn is_quantised(name: &str, shape: &[usize]) -> bool {
    let rank = shape.iter().skip_while(|size| **size == 1).count();
    rank >= 2
        && name.ends_with(".weight")
        && !["_norm.weight", "ffn_gate_inp.weight", "ssm_conv1d.weight"]
            .iter()
            .any(|it| name.ends_with(it))
}

impl Chooser {
    pub(crate) fn new(mix: Mix, facts: Facts) -> Self {
        Self { mix, facts, seen: 0 }
    }

    /// The format of a tensor that [`is_quantised`], with rows of `cols` weights.
    pub(crate) fn choose(&mut self, name: &str, cols: usize) -> Kind {
        let format = match Part::of(name, self.facts.tied) {
            Part::Output => self.output(cols),
            Part::Values => self.values(),
            Part::Keys if self.facts.experts == 8 => Format::Q8_0,
            Part::Down => self.down(name),
            Part::AttentionOutput => self.attention_output(),
            Part::Keys | Part::Embedding | Part::Other => self.mix.format(),
        };
        fitting(format, cols)
    }

    fn output(&self, cols: usize) -> Format {
        let format = self.mix.format();
        match format == Format::Q8_0 || !cols.is_multiple_of(format.block_len()) {
            true => Format::Q8_0,
            false => Format::Q6K,
        }
    }

    fn values(&mut self) -> Format {
        let index = self.seen;
        self.seen += 1;
        let format = match self.mix {
            Mix::Q2K if self.facts.group >= 4 => Format::Q4K,
            Mix::Q2K => Format::Q3K,
            Mix::Q3KM if index < 2 => Format::Q5K,
            Mix::Q3KM => Format::Q4K,
            Mix::Q3KL => Format::Q5K,
            Mix::Q4KS if index < 4 => Format::Q5K,
            Mix::Q4KM | Mix::Q5KM if is_sensitive(index, self.facts.values) => Format::Q6K,
            other => other.format(),
        };
        match format {
            _ if self.facts.experts == 8 => Format::Q8_0,
            // Eight query heads share these.
            Format::Q3K | Format::Q4K if self.facts.is_70b => Format::Q5K,
            other => other,
        }
    }

    fn down(&self, name: &str) -> Format {
        let layer = name.split('.').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
        let layers = self.facts.layers;
        match self.mix {
            Mix::Q2K => Format::Q3K,
            Mix::Q3KM if layer < layers / 16 => Format::Q5K,
            Mix::Q3KM => Format::Q4K,
            Mix::Q3KL => Format::Q5K,
            Mix::Q4KS if layer < layers / 8 => Format::Q5K,
            Mix::Q4KM | Mix::Q5KM if is_sensitive(layer, layers) => Format::Q6K,
            other => other.format(),
        }
    }

    fn attention_output(&self) -> Format {
        let few_experts = self.facts.experts == 8;
        match self.mix {
            Mix::Q2K | Mix::Q3KS | Mix::Q3KM | Mix::Q4KS | Mix::Q4KM if few_experts => Format::Q5K,
            Mix::Q2K => Format::Q3K,
            Mix::Q3KM => Format::Q4K,
            Mix::Q3KL if !few_experts => Format::Q5K,
            other => other.format(),
        }
    }
}

/// The first and last eighth of the layers, and every third between.
fn is_sensitive(layer: usize, layers: usize) -> bool {
    let first = layers / 8;
    layer < first || layer >= 7 * layers / 8 || (layer - first) % 3 == 2
}

/// The format itself, or where rows are no multiple of its blocks, one with smaller blocks.
fn fitting(format: Format, cols: usize) -> Kind {
    if cols.is_multiple_of(format.block_len()) {
        return Kind::Blocks(format);
    }
    let smaller = match format {
        Format::Q2K | Format::Q3K => Format::Q4_0,
        Format::Q4K => Format::Q5_0,
        Format::Q5K => Format::Q5_1,
        Format::Q6K | Format::Q8K => Format::Q8_0,
        Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 | Format::Q8_0 | Format::Q8_1 => {
            return Kind::F16;
        }
    };
    match cols.is_multiple_of(smaller.block_len()) {
        true => Kind::Blocks(smaller),
        false => Kind::F16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts =
        Facts { layers: 32, values: 32, experts: 0, group: 4, tied: false, is_70b: false };

    fn chosen(mix: Mix, facts: Facts, names: impl Iterator<Item = String>) -> Vec<Kind> {
        let mut chooser = Chooser::new(mix, facts);
        names.map(|name| chooser.choose(&name, 4096)).collect()
    }

    #[test]
    fn half_of_the_values_of_q4_k_m_are_q6_k() {
        let names = (0..32).map(|layer| format!("blk.{layer}.attn_v.weight"));
        let kinds = chosen(Mix::Q4KM, FACTS, names);
        let wide = kinds.iter().filter(|it| **it == Kind::Blocks(Format::Q6K)).count();
        assert_eq!(wide, 16);
        assert_eq!(kinds[4], Kind::Blocks(Format::Q4K));
        assert_eq!(kinds[6], Kind::Blocks(Format::Q6K));
    }

    #[test]
    fn what_a_tensor_does_decides() {
        let one = |mix, facts, name: &str| chosen(mix, facts, [name.to_owned()].into_iter())[0];
        let eight = Facts { experts: 8, ..FACTS };
        let tied = Facts { tied: true, ..FACTS };
        for (mix, facts, name, want) in [
            (Mix::Q4_0, FACTS, "output.weight", Format::Q6K),
            (Mix::Q8_0, FACTS, "output.weight", Format::Q8_0),
            (Mix::Q4KM, FACTS, "token_embd.weight", Format::Q4K),
            (Mix::Q4KM, tied, "token_embd.weight", Format::Q6K),
            (Mix::Q2K, FACTS, "blk.9.attn_v.weight", Format::Q4K),
            (Mix::Q2K, FACTS, "blk.9.ffn_down.weight", Format::Q3K),
            (Mix::Q3KM, FACTS, "blk.1.ffn_down.weight", Format::Q5K),
            (Mix::Q3KM, FACTS, "blk.2.ffn_down.weight", Format::Q4K),
            (Mix::Q3KM, FACTS, "blk.2.attn_output.weight", Format::Q4K),
            (Mix::Q4KS, FACTS, "blk.3.ffn_down_exps.weight", Format::Q5K),
            (Mix::Q4KS, FACTS, "blk.4.ffn_down_exps.weight", Format::Q4K),
            (Mix::Q4KM, eight, "blk.4.attn_k.weight", Format::Q8_0),
            (Mix::Q4KM, eight, "blk.4.attn_v.weight", Format::Q8_0),
            (Mix::Q4KM, eight, "blk.4.attn_output.weight", Format::Q5K),
            (Mix::Q5KS, FACTS, "blk.4.ffn_up.weight", Format::Q5K),
        ] {
            assert_eq!(one(mix, facts, name), Kind::Blocks(want), "{mix} {name}");
        }
    }

    #[test]
    fn rows_that_do_not_fit_get_smaller_blocks() {
        assert_eq!(fitting(Format::Q4K, 128), Kind::Blocks(Format::Q5_0));
        assert_eq!(fitting(Format::Q6K, 96), Kind::Blocks(Format::Q8_0));
        assert_eq!(fitting(Format::Q6K, 100), Kind::F16);
        assert_eq!(fitting(Format::Q4_0, 48), Kind::F16);
    }

    #[test]
    fn norms_and_routers_are_not_quantised() {
        assert!(is_quantised("blk.0.attn_q.weight", &[512, 256]));
        for (name, shape) in [
            ("blk.0.attn_norm.weight", &[256][..]),
            ("blk.0.ffn_gate_inp.weight", &[8, 256]),
            ("blk.0.ssm_conv1d.weight", &[512, 4]),
            ("blk.0.ffn_gate_inp_shexp.weight", &[1, 256]),
            ("blk.0.attn_q.bias", &[256]),
        ] {
            assert!(!is_quantised(name, shape), "{name}");
        }
    }

    #[test]
    fn names_are_read_in_either_case() {
        assert_eq!("Q4_K_M".parse(), Ok(Mix::Q4KM));
        let error = "q4_k_x".parse::<Mix>().unwrap_err().to_string();
        assert!(error.contains("`q4_k_x`") && error.contains("`q3_k_l`"), "{error}");
    }
}
