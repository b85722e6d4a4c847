//! GGUF files of our making.

/// A GGUF file in the making. See <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
#[derive(Default)]
pub(crate) struct Writer {
    metadata: Vec<u8>,
    n_metadata: u64,
    tensors: Vec<u8>,
    n_tensors: u64,
}

impl Writer {
    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key, 8);
        string(&mut self.metadata, value);
        self
    }

    pub(crate) fn number(mut self, key: &str, value: u32) -> Self {
        self.key(key, 4);
        self.metadata.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn float(mut self, key: &str, value: f32) -> Self {
        self.key(key, 6);
        self.metadata.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn strings(mut self, key: &str, values: &[&str]) -> Self {
        self.key(key, 9);
        self.metadata.extend(8_u32.to_le_bytes());
        self.metadata.extend((values.len() as u64).to_le_bytes());
        values.iter().for_each(|it| string(&mut self.metadata, it));
        self
    }

    /// A tensor of 32-bit floats at the beginning of the data, innermost dimension first.
    pub(crate) fn tensor(mut self, name: &str, shape: &[u64]) -> Self {
        string(&mut self.tensors, name);
        self.tensors.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|it| self.tensors.extend(it.to_le_bytes()));
        self.tensors.extend(0_u32.to_le_bytes());
        self.tensors.extend(0_u64.to_le_bytes());
        self.n_tensors += 1;
        self
    }

    /// The file up to where the data of the tensors begins.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3_u32.to_le_bytes());
        file.extend(self.n_tensors.to_le_bytes());
        file.extend(self.n_metadata.to_le_bytes());
        file.extend(self.metadata);
        file.extend(self.tensors);
        file.resize(file.len().next_multiple_of(32), 0);
        file
    }

    fn key(&mut self, key: &str, kind: u32) {
        string(&mut self.metadata, key);
        self.metadata.extend(kind.to_le_bytes());
        self.n_metadata += 1;
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The model in the box.
pub(crate) fn story() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/story-q8_0.gguf");
    std::fs::read(path).expect("the model is part of the repository")
}

/// Where the value of a metadata key begins.
pub(crate) fn value_of(file: &[u8], key: &str) -> usize {
    let found = file.windows(key.len()).position(|it| it == key.as_bytes());
    found.expect("the file has the key") + key.len() + 4
}
