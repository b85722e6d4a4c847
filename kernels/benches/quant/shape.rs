//! The shape of the weights.

use std::fmt;
use std::str::FromStr;

use crate::harness::Failure;

/// A matrix of weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

impl Shape {
    /// The usual one; the simulator gets a small one.
    pub(crate) fn usual(simulated: bool) -> Self {
        let [rows, cols] = if simulated { [3, 1024] } else { [12288, 4096] };
        Self { rows, cols }
    }

    pub(crate) fn weights(self) -> usize {
        self.rows * self.cols
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.cols)
    }
}

impl FromStr for Shape {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let sizes: Vec<usize> = text.split('x').map(str::parse).collect::<Result<_, _>>()?;
        match sizes.as_slice() {
            [rows, cols] if !sizes.contains(&0) => Ok(Self { rows: *rows, cols: *cols }),
            _ => Err(format!("a shape is ROWSxCOLUMNS, got `{text}`").into()),
        }
    }
}
