use super::{choose, reference::is_safe, *};

fn parse(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn references_name_repository_revision_and_file() {
    let all = parse("hf:Qwen/Qwen3-0.6B@v1.0/sub/model.gguf");
    assert_eq!((&*all.repo, &*all.revision), ("Qwen/Qwen3-0.6B", "v1.0"));
    assert_eq!(all.file.as_deref(), Some("sub/model.gguf"));
    assert_eq!(all.to_string(), "hf:Qwen/Qwen3-0.6B@v1.0/sub/model.gguf");
    assert_eq!(parse("hf:a/b").to_string(), "hf:a/b");
    for wrong in
        ["hf:", "hf:a", "hf:a/", "hf:../b", "hf:a/b/../c", "hf:a/b@/c", "hf:a/b c", "hf:a/b/"]
    {
        assert!(wrong.parse::<Reference>().is_err(), "{wrong}");
    }
}

#[test]
fn paths_stay_in_their_folder() {
    assert!(is_safe("a") && is_safe("a/b.gguf") && is_safe("..a"));
    for wrong in ["", "/a", "a//b", "..", "a/../b", "a\\b", "c:a", "a/"] {
        assert!(!is_safe(wrong), "{wrong}");
    }
}

fn chosen(reference: &str, names: &[&str]) -> std::result::Result<String, String> {
    let names: Vec<String> = names.iter().map(|&it| it.to_owned()).collect();
    let chosen = choose::files(&parse(reference), &names).map_err(|it| it.to_string())?;
    Ok(format!("{} {}", chosen.place(std::path::Path::new("S")).display(), chosen.files.join(" ")))
}

#[test]
fn the_files_of_a_model_are_chosen() {
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(chosen("hf:a/b", &["README.md", "x.gguf"]), ok("S/x.gguf x.gguf"));
    let many = ["m-Q8_0.gguf", "m-q4_k_m.gguf", "m-F16.gguf"];
    assert_eq!(chosen("hf:a/b", &many), ok("S/m-q4_k_m.gguf m-q4_k_m.gguf"));
    assert_eq!(chosen("hf:a/b/q8_0", &many), ok("S/m-Q8_0.gguf m-Q8_0.gguf"));
    assert_eq!(chosen("hf:a/b/m-F16.gguf", &many), ok("S/m-F16.gguf m-F16.gguf"));
    let error = chosen("hf:a/b/Q5", &many).unwrap_err();
    assert!(error.contains("`Q5`") && error.contains("m-Q8_0.gguf"), "{error}");
    let folder =
        ["config.json", "tokenizer.json", "model.safetensors", "consolidated.safetensors", "x.bin"];
    assert_eq!(chosen("hf:a/b", &folder), ok("S config.json tokenizer.json model.safetensors"));
    let sharded = [
        "config.json",
        "model.safetensors.index.json",
        "model-00001-of-00001.safetensors",
        "other.safetensors",
    ];
    let want = "S config.json model.safetensors.index.json model-00001-of-00001.safetensors";
    assert_eq!(chosen("hf:a/b", &sharded), ok(want));
    assert!(chosen("hf:a/b", &["README.md"]).is_err());
}
