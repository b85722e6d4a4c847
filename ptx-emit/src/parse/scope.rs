//! Names of a function: what is declared where, and under which unique name it moves up.

use std::collections::{HashMap, HashSet};

use super::{Parser, Result};
use crate::ir::{Function, Label};
use crate::lex::Kind;

/// Names in nested scopes: the innermost wins.
pub(super) struct Scopes<T> {
    stack: Vec<HashMap<String, T>>,
}

impl<T: Clone> Scopes<T> {
    pub(super) const fn new() -> Self {
        Self { stack: Vec::new() }
    }

    pub(super) fn open(&mut self, names: HashMap<String, T>) {
        self.stack.push(names);
    }

    pub(super) const fn depth(&self) -> usize {
        self.stack.len()
    }

    pub(super) fn close(&mut self) {
        self.stack.pop();
    }

    pub(super) fn get(&self, name: &str) -> Option<T> {
        self.stack.iter().rev().find_map(|scope| scope.get(name).cloned())
    }

    /// Declares `name` in the innermost scope; false if it is there already.
    pub(super) fn declare(&mut self, name: String, value: T) -> bool {
        self.stack.last_mut().is_some_and(|scope| scope.insert(name, value).is_none())
    }
}

/// The names that a function has given away.
#[derive(Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// The number to try next for a name that is taken.
    next: HashMap<String, u32>,
}

impl Names {
    /// The names that the head of `function` takes.
    pub(super) fn of(function: &Function) -> Self {
        let vars = function.params.iter().chain(&function.results);
        Self { taken: vars.map(|it| it.name.clone()).collect(), next: HashMap::new() }
    }

    /// `name` if it is free, else `name_1`, `name_2`, … whichever is.
    pub(super) fn claim(&mut self, name: &str) -> String {
        if self.taken.insert(name.to_owned()) {
            return name.to_owned();
        }
        let next = self.next.entry(name.to_owned()).or_insert(1);
        loop {
            let numbered = format!("{name}_{next}");
            *next += 1;
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

/// What a block declares anywhere in it, so that jumps may go forward.
#[derive(Default)]
pub(super) struct Block {
    pub(super) labels: HashMap<String, Label>,
    /// Tables of `brx.idx` to the place of their first label.
    pub(super) tables: HashMap<String, usize>,
}

/// The blocks of the coming body by the place of their brace; their labels go to `function`.
pub(super) fn blocks(
    parser: &Parser<'_>,
    function: &mut Function,
    names: &mut Names,
) -> Result<HashMap<usize, Block>> {
    let mut blocks: HashMap<usize, Block> = HashMap::new();
    let mut open: Vec<usize> = Vec::new();
    let mut ahead = Parser { tokens: parser.tokens, at: parser.at };
    while ahead.token().kind != Kind::End {
        let at = ahead.at;
        ahead.at += 1;
        let (word, second, third) = (&ahead.tokens[at], ahead.token(), ahead.next());
        if word.is_punct("{") {
            open.push(at);
        } else if word.is_punct("}") {
            open.pop();
        } else if word.kind == Kind::Word && second.is_punct(":") {
            let Some(brace) = open.last() else { break };
            let block = blocks.entry(*brace).or_default();
            if third.text == ".branchtargets" {
                block.tables.insert(word.text.to_owned(), at + 3);
            } else if !third.text.starts_with(".call") {
                let label = Label(u32::try_from(function.labels.len()).unwrap_or(u32::MAX));
                if block.labels.insert(word.text.to_owned(), label).is_some() {
                    ahead.at = at;
                    return Err(ahead.error("a label that the block does not have yet"));
                }
                function.labels.push(names.claim(word.text));
            }
        }
        if open.is_empty() {
            break;
        }
    }
    Ok(blocks)
}
