//! Shape errors: what was wanted of an operand, and what came.

/// What a host function of this crate can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operand has the wrong number of elements.
    #[error("`{what}` must have {want} elements, got {got}")]
    Shape {
        /// The operand.
        what: &'static str,
        /// Elements wanted.
        want: usize,
        /// Elements given.
        got: usize,
    },
    /// An operand with strides has too few elements.
    #[error("`{what}` must have at least {want} elements, got {got}")]
    Short {
        /// The operand.
        what: &'static str,
        /// The elements from the first to the last.
        want: usize,
        /// Elements given.
        got: usize,
    },
    /// Rows are longer than the distance from one to the next.
    #[error("rows of `{what}` have {want} elements, and begin {got} elements apart")]
    RowStride {
        /// The operand.
        what: &'static str,
        /// Elements of a row.
        want: usize,
        /// Elements from one row to the next.
        got: usize,
    },
    /// The results of a batch share elements.
    #[error(
        "{batch} products of {m} x {n} that begin {stride} elements apart, with rows {row_stride} \
         apart, share elements of `c`\nhelp: begin each behind the one before, or between its rows"
    )]
    Overlap {
        /// Rows of a product.
        m: usize,
        /// Columns of a product.
        n: usize,
        /// Products.
        batch: usize,
        /// Elements from one row to the next.
        row_stride: usize,
        /// Elements from one product to the next.
        stride: usize,
    },
    /// An operand has more elements than a kernel can count.
    #[error("`{what}` has {got} elements, more than {}\nhelp: split it", u32::MAX)]
    TooLong {
        /// The operand.
        what: &'static str,
        /// Elements given.
        got: usize,
    },
    /// Rows are no multiple of a block.
    #[error("rows have {got} weights, no multiple of the {block} of a block of `{format}`")]
    Row {
        /// ggml's name of the format.
        format: &'static str,
        /// Weights of a block.
        block: usize,
        /// Weights of a row.
        got: usize,
    },
    /// A weight that is to be packed is infinite or NaN.
    #[error("`{what}[{index}]` is not finite")]
    NotFinite {
        /// The operand.
        what: &'static str,
        /// Where the first such weight is.
        index: usize,
    },
    /// A path of a product does not take its shape or the device.
    #[error("{path:?} does not multiply {m} x {k} by {k} x {n}: {why}")]
    Path {
        /// The path.
        path: crate::matmul::Path,
        /// Rows.
        m: u32,
        /// Columns.
        n: u32,
        /// What is summed over.
        k: u32,
        /// What it does not take.
        why: &'static str,
    },
    /// A matrix is not one of whole blocks.
    #[error(
        "a matrix of {n} rows of {k} weights is not one of blocks of {format}: rows must be a multiple of {len}, and there must be one"
    )]
    Blocks {
        /// Rows.
        n: usize,
        /// Weights of a row.
        k: usize,
        /// Weights of a block.
        len: usize,
        /// The format.
        format: crate::quant::Format,
    },
    /// A format is for activations alone.
    #[error("{format} is a format of activations, not of weights")]
    Weights {
        /// The format.
        format: crate::quant::Format,
    },
    /// There are too many vectors, or none.
    #[error("there must be 1 to 8 vectors, got {got}")]
    Vectors {
        /// Vectors given.
        got: usize,
    },
    /// Vectors do not fit into shared memory.
    #[error(
        "{vectors} vectors of {k} values do not fit into shared memory\nhelp: take fewer at once"
    )]
    LongVectors {
        /// Vectors.
        vectors: usize,
        /// Values of one.
        k: usize,
    },
    /// The rows of a part of a matrix are no multiple of a panel's.
    #[error("{what} has {got} rows, no multiple of {multiple}")]
    Rows {
        /// The part.
        what: &'static str,
        /// What they must be a multiple of.
        multiple: usize,
        /// Rows given.
        got: usize,
    },
    /// Rows cannot be those of so many experts.
    #[error(
        "{rows} rows are not those of {experts} experts: each must have a multiple of {multiple}"
    )]
    Experts {
        /// Rows of all.
        rows: usize,
        /// Experts.
        experts: usize,
        /// What the rows of one must be a multiple of.
        multiple: usize,
    },
    /// What turns of a head is odd, or more than there is.
    #[error(
        "{rotary} numbers of heads of {head} cannot turn\nhelp: take an even number up to {head}"
    )]
    Rotary {
        /// Numbers that are to turn.
        rotary: usize,
        /// The most that can: the length of a head, or what the kernels take.
        head: usize,
    },
    /// Rows are not those of the heads of whole tokens.
    #[error("{rows} rows are not those of tokens of {heads} heads each")]
    RowsOfHeads {
        /// Rows of all.
        rows: usize,
        /// Heads of a token.
        heads: usize,
    },
    /// A product does not take a matrix, or vectors, as they are laid out.
    #[error("`{what}` cannot take this operand: {why}\nhelp: {help}")]
    Layout {
        /// The product.
        what: &'static str,
        /// What it does not take.
        why: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// No kernel takes heads of these numbers or widths.
    #[error(
        "no kernel takes {value_heads} value heads of width {value_dim} over {key_heads} key heads \
         of width {key_dim}\nhelp: widths are 64, 128 or 256, and value heads a multiple of key \
         heads; a fused norm needs equal widths"
    )]
    Heads {
        /// Heads of keys.
        key_heads: u32,
        /// Heads of values.
        value_heads: u32,
        /// Width of keys.
        key_dim: u32,
        /// Width of values.
        value_dim: u32,
    },
    /// Rows do not begin where they can be read several elements at a time.
    #[error(
        "rows of `{what}` begin at {first} and {stride} apart, which must be multiples of {by}"
    )]
    Aligned {
        /// The operand.
        what: &'static str,
        /// Where the first row begins.
        first: u32,
        /// Elements from one row to the next.
        stride: u32,
        /// What both must be a multiple of.
        by: u32,
    },
    /// A pool of states has none, or not whole ones.
    #[error("`{what}` has {got} elements, which are not those of slots of {slot}")]
    Pool {
        /// The pool.
        what: &'static str,
        /// Elements given.
        got: usize,
        /// Elements of a slot.
        slot: usize,
    },
    /// Tokens cannot be shared out equally, or sequences do not add up.
    #[error("{tokens} tokens are not those of {sequences} sequences")]
    Sequences {
        /// Tokens given.
        tokens: usize,
        /// Sequences given.
        sequences: usize,
    },
    /// A convolution has another width than the kernels take.
    #[error("convolutions have 2 to 4 taps, got {got}")]
    Taps {
        /// Taps given.
        got: usize,
    },
    /// A length is no multiple of what a kernel takes at once.
    #[error("{what} must have a multiple of {multiple} elements, got {got}")]
    Multiple {
        /// The operand.
        what: &'static str,
        /// What its length must be a multiple of.
        multiple: usize,
        /// Elements given.
        got: usize,
    },
    /// A size is none of those that kernels are made for.
    #[error("{what} must be one of {want:?}, got {got}")]
    OneOf {
        /// The size.
        what: &'static str,
        /// Those that there are.
        want: &'static [usize],
        /// What came.
        got: usize,
    },
    /// Keys or values are stored as something else.
    #[error("{what} must be stored as {want}, got {got}")]
    KvFormat {
        /// The operand.
        what: &'static str,
        /// The format wanted.
        want: crate::kv::KvFormat,
        /// The format given.
        got: crate::kv::KvFormat,
    },
    /// Queries are of a type that does not go with the cache.
    #[error("queries beside a cache of {format} must be {want}")]
    KvQueries {
        /// The types that go with it.
        want: &'static str,
        /// The format of the cache.
        format: crate::kv::KvFormat,
    },
    /// Attention has no kernel for heads of this size.
    #[error("heads of attention have 64, 80, 96, 128 or 256 elements, got {got}")]
    HeadDim {
        /// Elements given.
        got: u32,
    },
    /// Query heads do not share those of keys and values evenly.
    #[error("{q_heads} query heads are no multiple of {kv_heads} heads of keys and values")]
    QueryHeads {
        /// Heads of queries.
        q_heads: u32,
        /// Heads of keys and values.
        kv_heads: u32,
    },
    /// A parameter is not a positive number.
    #[error("`{what}` must be positive and finite, got {got}")]
    Positive {
        /// The parameter.
        what: &'static str,
        /// What was given.
        got: f32,
    },
    /// A kernel of attention does not take its operands or the device.
    #[error("the path `{path}` does not take this attention: {why}\nhelp: leave the path out")]
    NoAttention {
        /// The path.
        path: &'static str,
        /// What it does not take.
        why: &'static str,
    },
    /// A kernel is for newer machines.
    #[error("`{what}` needs compute capability {}.{}, the device has {}.{}", needs.0, needs.1, got.0, got.1)]
    Machine {
        /// The operation.
        what: &'static str,
        /// What it needs.
        needs: (u32, u32),
        /// What there is.
        got: (u32, u32),
    },
    /// A number is outside of its range.
    #[error("`{what}` must be {least} to {most}, got {got}")]
    Range {
        /// The number.
        what: &'static str,
        /// The smallest that is allowed.
        least: usize,
        /// The largest that is allowed.
        most: usize,
        /// The number given.
        got: usize,
    },
    /// A parameter of a row has no meaning.
    #[error("`{what}` of row {row} must be {want}, got {got}")]
    Parameter {
        /// The parameter.
        what: &'static str,
        /// The row.
        row: usize,
        /// What it must be.
        want: &'static str,
        /// What it is.
        got: f64,
    },
    /// A row has two values for a token.
    #[error("row {row} has more than one `{what}` for token {got}\nhelp: add them up")]
    Repeated {
        /// What there must be one of.
        what: &'static str,
        /// The row.
        row: usize,
        /// The token.
        got: u32,
    },
    /// The device could not.
    #[error(transparent)]
    Device(#[from] firesteel::Error),
}

/// The result of the host functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// `what` must have `want` elements.
///
/// # Errors
/// [`Error::Shape`] if it has not.
pub fn eq(what: &'static str, want: usize, got: usize) -> Result<()> {
    if want == got { Ok(()) } else { Err(Error::Shape { what, want, got }) }
}

/// `what` must have at least `want` elements.
///
/// # Errors
/// [`Error::Short`] if it has not.
pub fn at_least(what: &'static str, want: usize, got: usize) -> Result<()> {
    if want <= got { Ok(()) } else { Err(Error::Short { what, want, got }) }
}

/// The number of elements as kernels count.
///
/// # Errors
/// [`Error::TooLong`] beyond 32 bits.
pub fn count(what: &'static str, got: usize) -> Result<u32> {
    u32::try_from(got).map_err(|_| Error::TooLong { what, got })
}

/// `what` must be one of `least` to `most`.
///
/// # Errors
/// [`Error::Range`] if it is not.
pub fn range(what: &'static str, (least, most): (usize, usize), got: usize) -> Result<()> {
    if (least..=most).contains(&got) {
        Ok(())
    } else {
        Err(Error::Range { what, least, most, got })
    }
}
