//! Tensors of a checkpoint of the hub, as a GGUF file has them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::convert::{Recipe, factors, recipes};
use super::{Error, Kind, Result, Source, Tensor, metadata, order};
use crate::config::{self, Config};
use crate::error;
use crate::load::folder;
use crate::weights::gguf::widened;
use crate::weights::gguf::write::Entry;
use crate::weights::safetensors::Safetensors;
use crate::weights::safetensors::names::to_gguf;

/// Tensors that follow from the configuration.
const DERIVED: [&str; 1] = ["rotary_emb.inv_freq"];

/// A folder of safetensors.
pub(super) struct Folder {
    path: PathBuf,
    config: Config,
    weights: Safetensors,
    tensors: Vec<(Tensor, Origin)>,
}

/// Where the numbers of a tensor are.
#[derive(Debug, Clone)]
enum Origin {
    /// In tensors of the hub, one for each expert, of this shape.
    Hub { names: BTreeMap<usize, String>, shape: Vec<usize>, recipe: Recipe },
    /// Here.
    Numbers(Vec<f32>),
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let Some(text) = folder::optional(&path.join("config.json"))? else {
            let got = "a folder without `config.json`";
            return Err(error::Error::NotAModel { path: path.to_owned(), got }.into());
        };
        let config = config::from_json(&path.join("config.json"), &text)?;
        let weights = Safetensors::open(path)?;
        let tensors = place(&config, &weights)?;
        Ok(Self { path: path.to_owned(), config, weights, tensors })
    }
}

/// The tensors of the new file, in their order.
fn place(config: &Config, weights: &Safetensors) -> Result<Vec<(Tensor, Origin)>> {
    let mut found: BTreeMap<String, Origin> = BTreeMap::new();
    for (hub, shape, _, _) in weights.tensors() {
        if DERIVED.iter().any(|it| hub.ends_with(it)) {
            continue;
        }
        let named = to_gguf(hub, weights.prefix(), config.delta.is_some());
        let (name, expert) = named.ok_or_else(|| Error::Unplaced {
            tensor: hub.to_owned(),
            architecture: config.architecture.name(),
        })?;
        if config.tied && name == "output.weight" {
            continue;
        }
        for (name, recipe) in recipes(config, &name) {
            let names = BTreeMap::new();
            let new = Origin::Hub { names, shape: shape.to_vec(), recipe };
            let from = found.entry(name).or_insert(new);
            if let Origin::Hub { names, shape: first, .. } = from {
                if first.as_slice() != shape {
                    let (want, got) = (first.clone(), shape.to_vec());
                    return Err(error::Error::Shape { tensor: hub.to_owned(), want, got }.into());
                }
                names.insert(expert.unwrap_or(0), hub.to_owned());
            }
        }
    }
    if let Some(factors) = factors(config) {
        found.insert("rope_freqs.weight".to_owned(), Origin::Numbers(factors));
    }
    let mut tensors = found
        .into_iter()
        .map(|(name, from)| Ok((tensor(config, &name, &from)?, from)))
        .collect::<Result<Vec<_>>>()?;
    tensors.sort_by(|(a, _), (b, _)| order(&a.name).cmp(&order(&b.name)));
    Ok(tensors)
}

/// A tensor of the new file: of experts one behind the other, without dimensions of one number.
fn tensor(config: &Config, name: &str, from: &Origin) -> Result<Tensor> {
    let (shape, pieces) = match from {
        Origin::Numbers(numbers) => (vec![numbers.len()], 1),
        Origin::Hub { names, shape, recipe } => {
            let (rows, columns) = matrix(shape);
            if !recipe.fits(rows, columns) {
                let want = vec![config.hidden];
                let tensor = name.to_owned();
                return Err(error::Error::Shape { tensor, want, got: shape.clone() }.into());
            }
            let taken = recipe.count(rows);
            let all = if shape.len() > 1 { vec![taken, columns] } else { vec![taken] };
            let mut shape: Vec<usize> = all.into_iter().filter(|size| *size > 1).collect();
            if shape.is_empty() {
                shape.push(1);
            }
            if name.contains("_exps.") {
                let count = config.experts.map_or(0, |it| it.count);
                if names.keys().copied().ne(0..count) {
                    let what = format!("weights of all {count} experts for `{name}`");
                    return Err(error::Error::Missing { what }.into());
                }
                shape.insert(0, count);
            }
            (shape, names.len())
        }
    };
    Ok(Tensor { name: name.to_owned(), shape, plain: Kind::F32, pieces })
}

/// Rows and columns; a vector is rows of one number.
fn matrix(shape: &[usize]) -> (usize, usize) {
    match shape {
        [] => (1, 1),
        [len] => (*len, 1),
        [rows, rest @ ..] => (*rows, rest.iter().product()),
    }
}

impl Source for Folder {
    fn config(&self) -> &Config {
        &self.config
    }

    fn tensors(&self) -> Vec<Tensor> {
        self.tensors.iter().map(|(tensor, _)| tensor.clone()).collect()
    }

    fn read(&mut self, tensor: usize, piece: usize) -> Result<Vec<f32>> {
        match &self.tensors[tensor].1 {
            Origin::Numbers(numbers) => Ok(numbers.clone()),
            Origin::Hub { names, shape, recipe } => {
                let missing = || error::Error::Missing { what: format!("part {piece}") };
                let name = names.values().nth(piece).ok_or_else(missing)?;
                let (format, bytes) = self.weights.stored(name)?;
                Ok(recipe.apply(widened(format, &bytes, shape)?, matrix(shape).1))
            }
        }
    }

    fn metadata(&mut self) -> Result<Vec<(String, Entry)>> {
        metadata::of_folder(&self.path, &self.config)
    }
}
