//! Files against those that llama.cpp made of the same checkpoints, byte for byte.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel::Device;
use firesteel_kernels::quant::Format;

use super::*;
use crate::load;
use crate::models::{Model, Slice};
use crate::weights::Weights;
use crate::weights::safetensors::Safetensors;

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/models").join(path)
}

/// A folder of its own for each caller, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("firesteel-quantize-{}-{call}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A checkpoint, unpacked where it is stored packed.
    fn checkpoint(&self, model: &str) -> PathBuf {
        let path = self.0.join(model);
        fs::create_dir_all(&path).unwrap();
        for entry in fs::read_dir(golden(model)).unwrap() {
            let entry = entry.unwrap().path();
            let name = entry.file_name().unwrap().to_str().unwrap();
            match name {
                "model.safetensors.gz" => {
                    let packed = File::open(&entry).unwrap();
                    let mut to = File::create(path.join("model.safetensors")).unwrap();
                    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut to).unwrap();
                }
                "golden_logits.safetensors" | "llama_cpp_logits.safetensors" => {}
                name if name.ends_with(".gguf") => {}
                name => {
                    fs::copy(&entry, path.join(name)).unwrap();
                }
            }
        }
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn made(from: &Path, to: &Path, mix: &str) -> Result<Summary> {
    quantize(from, to, mix.parse().unwrap(), &Packer::Cpu, false, &mut |_, _, _| {})
}

fn open(path: &Path) -> Gguf {
    Gguf::new(Box::new(File::open(path).unwrap())).unwrap()
}

/// What another library's functions work out, in the last bits.
const COMPUTED: [&str; 2] = ["rope_freqs.weight", "ssm_a"];

/// Of a checkpoint the file that llama.cpp made of it.
fn like_llama_cpp(model: &str, name: &str) {
    let folder = Folder::new();
    let to = folder.0.join("made.gguf");
    let summary = made(&folder.checkpoint(model), &to, name).unwrap();
    assert_eq!(summary.bytes, fs::metadata(&to).unwrap().len());
    let (mut got, mut want) = (open(&to), open(&golden(&format!("{model}/{model}.{name}.gguf"))));
    let names = |file: &Gguf| {
        let mut all: Vec<_> =
            file.header.tensors.iter().map(|(name, it)| (it.offset, name.clone())).collect();
        all.sort();
        all.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    assert_eq!(names(&got), names(&want));
    assert_eq!(summary.tensors, names(&want).len());
    for name in names(&want) {
        assert_eq!(got.shape(&name), want.shape(&name), "{name}");
        let (got, want) = (got.stored(&name).unwrap(), want.stored(&name).unwrap());
        assert_eq!(got.0, want.0, "{name}");
        if COMPUTED.iter().any(|it| name.ends_with(it)) {
            let floats = |bytes: &[u8]| {
                bytes.as_chunks().0.iter().map(|it| f32::from_le_bytes(*it)).collect::<Vec<_>>()
            };
            for (got, want) in floats(&got.1).iter().zip(floats(&want.1)) {
                assert!((got - want).abs() <= 1e-5 * want.abs(), "{name}: {got} for {want}");
            }
        } else {
            assert!(got.1 == want.1, "{name} has other bytes");
        }
    }
    keys(&mut got, &mut want);
}

/// Every key of llama.cpp's is there with the same value.
fn keys(got: &mut Gguf, want: &mut Gguf) {
    let got = got.raw_metadata().unwrap();
    for (key, want) in want.raw_metadata().unwrap() {
        // The first is for people to read. The second names a rule whose merging agrees with the
        // checkpoint, where the converter was told another.
        if key == "general.size_label" {
            continue;
        }
        if key == "tokenizer.ggml.pre" && want.ends_with(b"llama-bpe") {
            continue;
        }
        let value = got.iter().find(|it| it.0 == key).map(|it| &it.1);
        assert!(value == Some(&want), "{key}: want {want:?}, got {value:?}");
    }
}

#[test]
fn llama_is_made_as_llama_cpp_makes_it() {
    like_llama_cpp("llama-tiny", "Q4_K_M");
}

#[test]
fn qwen3_is_made_as_llama_cpp_makes_it() {
    for name in ["Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0"] {
        like_llama_cpp("qwen3-tiny", name);
    }
}

#[test]
fn experts_are_made_as_llama_cpp_makes_them() {
    like_llama_cpp("qwen3moe-tiny", "Q6_K");
}

#[test]
fn hybrids_are_made_as_llama_cpp_makes_them() {
    like_llama_cpp("qwen3_5-tiny", "Q4_K_M");
    like_llama_cpp("qwen3next-tiny", "Q4_K_M");
}

/// The largest difference to the logits of the unquantised model, over all prompts.
fn loss(path: &Path, model: &str) -> f32 {
    let mut loaded = load::load(path).unwrap();
    let text = fs::read_to_string(golden(&format!("{model}/golden.json"))).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut logits = Safetensors::open(&golden(model)).unwrap();
    let mut worst = 0.0_f32;
    for (index, prompt) in json["prompts"].as_array().unwrap().iter().enumerate() {
        let ids = prompt["token_ids"].as_array().unwrap();
        let tokens: Vec<u32> = ids.iter().map(|id| id.as_u64().unwrap() as u32).collect();
        let model: &mut dyn Model = &mut *loaded.model;
        let mut state = model.new_state();
        let got = model.forward(&mut [Slice { tokens: &tokens, state: &mut state, logits: true }]);
        let name = format!("p{index}.last_logits");
        let want = logits.vector(&name, model.vocab()).unwrap();
        let got = got.unwrap().remove(0);
        let difference = got.iter().zip(&want).map(|(a, b)| (a - b).abs());
        worst = difference.fold(worst, f32::max);
    }
    worst
}

/// Types that llama.cpp's files here do not have.
#[test]
fn other_types_run_and_lose_what_their_bits_allow() {
    let folder = Folder::new();
    let from = folder.checkpoint("llama-tiny");
    let mut last = u64::MAX;
    for (name, bound) in [("q5_1", 1.0), ("q4_0", 2.0), ("q3_k_m", 4.0), ("q2_k", 6.0)] {
        let to = folder.0.join(name);
        let bytes = made(&from, &to, name).unwrap().bytes;
        assert!(bytes < last, "{name}: {bytes} bytes");
        last = bytes;
        let loss = loss(&to, "llama-tiny");
        println!("{name}: {loss}");
        assert!(loss > 0.0 && loss < bound, "{name}: {loss}");
    }
}

#[test]
fn files_of_floats_are_quantised_too() {
    let folder = Folder::new();
    let to = folder.0.join("made.gguf");
    let from = golden("qwen3-tiny-tied/qwen3-tiny-tied.F16.gguf");
    made(&from, &to, "q6_k").unwrap();
    let (mut got, mut want) = (open(&to), open(&from));
    assert_eq!(got.header.unsigned("general.file_type").unwrap(), Some(18));
    assert_eq!(got.header.tensors["token_embd.weight"].format, GgmlDType::Q6K);
    assert_eq!(got.header.tensors["output_norm.weight"].format, GgmlDType::F32);
    let key = "tokenizer.ggml.merges";
    assert_eq!(got.strings(key).unwrap(), want.strings(key).unwrap());
    assert!(loss(&to, "qwen3-tiny-tied") < 0.6);
}

#[test]
fn the_device_packs_to_the_same_bytes() {
    let device = Packer::Device(Device::sim());
    let x: Vec<f32> = (0..1024_u32).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect();
    for format in [Format::Q4_0, Format::Q8_0, Format::Q4K, Format::Q6K] {
        let want = Packer::Cpu.pack(format, &x, 512).unwrap();
        assert_eq!(device.pack(format, &x, 512).unwrap(), want, "{}", format.name());
    }
}

#[test]
fn what_cannot_be_quantised_is_said_and_nothing_is_left() {
    let folder = Folder::new();
    let to = folder.0.join("made.gguf");
    let from = golden("qwen3-tiny/qwen3-tiny.Q8_0.gguf");
    assert!(matches!(made(&from, &to, "q4_0"), Err(Error::Quantised { .. })));
    let from = folder.checkpoint("llama-tiny");
    assert!(matches!(
        made(&from, &folder.0.join("no/made.gguf"), "q4_0"),
        Err(Error::Write { .. })
    ));

    let mut tokenizer = fs::read_to_string(from.join("tokenizer.json")).unwrap();
    fs::write(from.join("tokenizer.json"), tokenizer.replace(r"\\p{N}{1,3}", r"\\p{N}{1,7}"))
        .unwrap();
    assert!(matches!(made(&from, &to, "q4_0"), Err(Error::Tokenizer { .. })));
    tokenizer = tokenizer.replace(r#""merges":"#, r#""nothing":"#);
    fs::write(from.join("tokenizer.json"), tokenizer).unwrap();
    assert!(matches!(made(&from, &to, "q4_0"), Err(Error::BrokenTokenizer { .. })));

    let from = folder.checkpoint("llama-tiny");
    let weights = from.join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    // A NaN of 16 bits where the first tensor begins, which is the embedding.
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[start..start + 2].copy_from_slice(&[0xc0, 0x7f]);
    fs::write(&weights, &bytes).unwrap();
    let error = made(&from, &to, "q4_0").map(|_| ()).unwrap_err();
    let what = error.to_string();
    assert!(what.contains("token_embd.weight") && what.contains("`x[0]`"), "{what}");
    assert!(matches!(error, Error::Pack { source: shape::Error::NotFinite { .. }, .. }), "{what}");
    let left: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["llama-tiny"]);

    fs::write(&to, "mine").unwrap();
    assert!(matches!(made(&from, &to, "q4_0"), Err(Error::Exists { .. })));
    assert_eq!(fs::read(&to).unwrap(), b"mine");
}

#[test]
fn weights_quantised_while_loading_are_those_of_the_file() {
    let folder = Folder::new();
    for (model, name) in [("qwen3-tiny", "Q4_K_M"), ("qwen3moe-tiny", "Q6_K")] {
        let path = folder.checkpoint(model);
        let mut loaded = load::quantised(&path, name.parse().unwrap(), Packer::Cpu).unwrap();
        assert_eq!(loaded.description.quantisation, name);
        let mut file = load::load(&golden(&format!("{model}/{model}.{name}.gguf"))).unwrap();
        let logits = |model: &mut dyn Model| {
            let mut state = model.new_state();
            let tokens = [7, 77, 177, 277];
            let slice = Slice { tokens: &tokens, state: &mut state, logits: true };
            model.forward(&mut [slice]).unwrap().remove(0)
        };
        assert_eq!(logits(&mut *loaded.model), logits(&mut *file.model), "{model}");
    }
}
