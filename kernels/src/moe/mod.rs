//! Mixtures of experts: which experts a token goes to, and the order of its rows for products
//! that take one expert at a time.
//!
//! `T` tokens, `E` experts (at most 512), `K` experts for a token (at most 16). A *pair* is a token
//! and one of its experts; pair `t * K + i` is that of token `t` and its `i`-th expert.
//!
//! A layer with grouped products is [`route`], [`Permutation::sort`], [`gather_rows`], the products
//! over the rows `offsets[e] .. offsets[e + 1]` of each expert `e`, and [`combine_rows`]. For a
//! token or a few, [`gemv_experts`](crate::gemv::gemv_experts) takes what [`route`] gives as it is.

mod permute;
mod route;
mod rows;

pub use permute::{Permutation, permutation_reference};
pub use route::{RouterLogit, Routing, Scoring, route, route_reference};
pub use rows::{Row, combine_rows, combine_rows_reference, gather_rows};

/// The PTX of every instance of every kernel of this module.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    let instances = route::route_kernel::INSTANCES.iter();
    let instances = instances.chain(rows::gather_kernel::INSTANCES.iter());
    let instances = instances.chain(rows::combine_kernel::INSTANCES.iter());
    instances.map(|it| it.ptx()).chain([permute::sort_kernel::PTX])
}
