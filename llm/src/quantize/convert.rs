//! What GGUF files hold otherwise than the hub's checkpoints: rows in another order, and numbers
//! that are worked out beforehand.
//!
//! Source: llama.cpp, `convert_hf_to_gguf.py`, for the architectures that are run here.

use crate::config::Config;
use crate::models::layers::delta_net::{DeltaHeads, HeadOrder};
use crate::models::layers::rope::{Rope, Scaling};

/// What happens to the numbers of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    Same,
    PlusOne,
    /// `-exp(x)`.
    Decay,
}

/// How a tensor comes from one of the hub's. A vector is rows of one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    /// The rows that are taken, in their new order; without, all of them.
    rows: Option<Vec<usize>>,
    /// Likewise the numbers of a row.
    columns: Option<Vec<usize>>,
    numbers: Numbers,
}

impl Recipe {
    const SAME: Self = Self { rows: None, columns: None, numbers: Numbers::Same };

    fn rows(rows: Vec<usize>) -> Self {
        Self { rows: Some(rows), ..Self::SAME }
    }

    /// Rows of the result, of a tensor with `rows`.
    pub(super) fn count(&self, rows: usize) -> usize {
        self.rows.as_ref().map_or(rows, Vec::len)
    }

    /// Whether all that it takes is there.
    pub(super) fn fits(&self, rows: usize, columns: usize) -> bool {
        let within = |taken: &Option<Vec<usize>>, len: usize| {
            taken.as_ref().is_none_or(|it| it.iter().all(|index| *index < len))
        };
        within(&self.rows, rows) && within(&self.columns, columns)
    }

    /// Applies it to rows of `columns` numbers.
    pub(super) fn apply(&self, mut x: Vec<f32>, columns: usize) -> Vec<f32> {
        if let Some(rows) = &self.rows {
            x = rows.iter().flat_map(|row| &x[row * columns..][..columns]).copied().collect();
        }
        if let Some(order) = &self.columns {
            let row = |row: &[f32]| order.iter().map(|column| row[*column]).collect::<Vec<_>>();
            x = x.chunks_exact(columns).flat_map(row).collect();
        }
        match self.numbers {
            Numbers::Same => {}
            Numbers::PlusOne => x.iter_mut().for_each(|it| *it += 1.0),
            Numbers::Decay => x.iter_mut().for_each(|it| *it = -it.exp()),
        }
        x
    }
}

/// The tensors of a file that come from one of the hub's, by their names in GGUF.
pub(super) fn recipes(config: &Config, name: &str) -> Vec<(String, Recipe)> {
    if let (Some(delta), Some(block)) = (&config.delta, name.strip_suffix("ssm_in.weight")) {
        let [qkv, gate] = by_key_head(&delta.heads);
        return vec![
            (format!("{block}attn_qkv.weight"), Recipe::rows(qkv)),
            (format!("{block}attn_gate.weight"), Recipe::rows(gate)),
        ];
    }
    vec![(name.to_owned(), recipe(config, name))]
}

fn recipe(config: &Config, name: &str) -> Recipe {
    let part = name.split('.').nth(2).unwrap_or(name);
    let Some(delta) = &config.delta else {
        return match part {
            "attn_q" if is_llama(config) => {
                Recipe::rows(adjacent(config.heads.query, config.heads.width))
            }
            "attn_k" if is_llama(config) => {
                Recipe::rows(adjacent(config.heads.kv, config.heads.width))
            }
            _ => Recipe::SAME,
        };
    };
    if name.ends_with("_norm.weight") && part != "ssm_norm" {
        return Recipe { numbers: Numbers::PlusOne, ..Recipe::SAME };
    }
    let numbers = if part == "ssm_a" { Numbers::Decay } else { Numbers::Same };
    let tiled = config.architecture.delta == Some(HeadOrder::Tiled);
    let reordered = tiled && delta.heads.key != delta.heads.value;
    if !reordered {
        return Recipe { numbers, ..Recipe::SAME };
    }
    let DeltaHeads { value_width, .. } = delta.heads;
    let fixed = 2 * delta.heads.key * delta.heads.key_width;
    match part {
        "attn_qkv" | "ssm_conv1d" => Recipe::rows(tiles(&delta.heads, value_width, fixed)),
        "attn_gate" => Recipe::rows(tiles(&delta.heads, value_width, 0)),
        "ssm_a" | "ssm_dt" | "ssm_alpha" | "ssm_beta" => {
            Recipe { numbers, ..Recipe::rows(tiles(&delta.heads, 1, 0)) }
        }
        "ssm_out" => {
            let columns = tiles(&delta.heads, value_width, 0);
            Recipe { columns: Some(columns), ..Recipe::SAME }
        }
        _ => Recipe::SAME,
    }
}

/// Whether files say `llama`: then pairs of a head that turn are neighbours.
pub(super) fn is_llama(config: &Config) -> bool {
    config.architecture.gguf.is_none_or(|it| it == "llama")
}

/// Number `i` of a head and number `i + half` one behind the other.
fn adjacent(heads: usize, width: usize) -> Vec<usize> {
    let half = width / 2;
    let of_head =
        |head: usize| (0..half).flat_map(move |i| [head * width + i, head * width + half + i]);
    (0..heads).flat_map(of_head).collect()
}

/// Behind `fixed` rows the value heads, of `width` rows: the first of each key head, then the second.
fn tiles(heads: &DeltaHeads, width: usize, fixed: usize) -> Vec<usize> {
    let group = heads.value / heads.key;
    let order = (0..group).flat_map(|j| (0..heads.key).map(move |key| key * group + j));
    let rows = order.flat_map(|head| fixed + head * width..fixed + (head + 1) * width);
    (0..fixed).chain(rows).collect()
}

/// Of rows that have query, key, values and gates of each key head: all queries, keys and values,
/// and all gates.
fn by_key_head(heads: &DeltaHeads) -> [Vec<usize>; 2] {
    let values = heads.value / heads.key * heads.value_width;
    let size = 2 * heads.key_width + 2 * values;
    let part = |start: usize, len: usize| {
        (0..heads.key).flat_map(move |key| key * size + start..key * size + start + len)
    };
    let width = heads.key_width;
    let qkv = part(0, width).chain(part(width, width)).chain(part(2 * width, values));
    [qkv.collect(), part(2 * width + values, values).collect()]
}

/// `rope_freqs.weight`, by which frequencies are divided: Llama 3's scaling is in no key.
pub(super) fn factors(config: &Config) -> Option<Vec<f32>> {
    let rope = &config.rope;
    let Scaling::Llama3 { .. } = rope.scaling else { return None };
    let plain = Rope::new(rope.width, rope.theta, rope.pairs, &Scaling::None);
    let scaled = Rope::new(rope.width, rope.theta, rope.pairs, &rope.scaling);
    let pairs = plain.frequencies().iter().zip(scaled.frequencies());
    Some(pairs.map(|(plain, scaled)| (plain / scaled) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: DeltaHeads = DeltaHeads {
        key: 2,
        value: 4,
        key_width: 1,
        value_width: 2,
        taps: 4,
        order: HeadOrder::Grouped,
    };

    #[test]
    fn pairs_become_neighbours() {
        assert_eq!(adjacent(2, 4), [0, 2, 1, 3, 4, 6, 5, 7]);
    }

    #[test]
    fn value_heads_are_tiled() {
        assert_eq!(tiles(&HEADS, 1, 0), [0, 2, 1, 3]);
        assert_eq!(tiles(&HEADS, 2, 3), [0, 1, 2, 3, 4, 7, 8, 5, 6, 9, 10]);
    }

    #[test]
    fn inputs_by_key_head_are_taken_apart() {
        let [qkv, gate] = by_key_head(&HEADS);
        // A key head has query 0, key 1, values 2 to 5, gates 6 to 9.
        assert_eq!(qkv, [0, 10, 1, 11, 2, 3, 4, 5, 12, 13, 14, 15]);
        assert_eq!(gate, [6, 7, 8, 9, 16, 17, 18, 19]);
    }

    #[test]
    fn numbers_are_worked_out() {
        let decay = Recipe { numbers: Numbers::Decay, ..Recipe::rows(vec![1, 0]) };
        assert_eq!(decay.apply(vec![0.0, 1.0], 1), [-1.0_f32.exp(), -1.0]);
        let turned = Recipe { columns: Some(vec![1, 0]), ..Recipe::SAME };
        assert_eq!(turned.apply(vec![1.0, 2.0, 3.0, 4.0], 2), [2.0, 1.0, 4.0, 3.0]);
        assert!(turned.fits(1, 2) && !turned.fits(1, 1));
    }
}
