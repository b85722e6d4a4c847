// stub
//! Errors of loading and running a model.

/// What can go wrong with a model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A model that cannot be loaded.
    #[error("{0}")]
    Load(String),
}

/// A result of loading or running.
pub type Result<T> = std::result::Result<T, Error>;
