//! What is to be multiplied: shapes, orders, strides, and the definition.

use super::Path;
use crate::shape::{self, Error, Result};

/// How B lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Row-major `[n, k]`: each column of B is contiguous, as a layer's weights are.
    Nk,
    /// Row-major `[k, n]`.
    Kn,
}

/// How A lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderA {
    /// Row-major `[m, k]`.
    Mk,
    /// Row-major `[k, m]`: each column of A is contiguous, as activations are to the gradient of
    /// weights.
    Km,
}

/// What is to be multiplied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Product {
    /// Rows of A and C.
    pub m: u32,
    /// Columns of B and C.
    pub n: u32,
    /// Columns of A, rows of B.
    pub k: u32,
    /// How A lies in memory.
    pub order_a: OrderA,
    /// How B lies in memory.
    pub order: Order,
    /// What the product is multiplied with.
    pub alpha: f32,
    /// What C is multiplied with before the product is added to it; if 0, C is not read.
    pub beta: f32,
    /// How many products of this shape there are.
    pub batch: u32,
    /// Elements from one matrix A, B and C of the batch to the next; `None` if each begins where
    /// the one before ends.
    pub batch_strides: Option<[u32; 3]>,
    /// Elements from one row in memory of A, B and C to the next; `None` if they lie one after the
    /// other.
    pub row_strides: Option<[u32; 3]>,
    /// The kernel; `None` for the fastest.
    pub path: Option<Path>,
    /// Whether no kernel that may still run writes B, see [`Product::fixed_b`].
    pub fixed_b: bool,
    /// Whether `f32` is multiplied as TF32, see [`Product::tf32`].
    pub tf32: bool,
    /// Into how many parts K is split; `None` to decide by the shape, see [`Product::splits`].
    pub splits: Option<u32>,
    /// How much of K each product of the batch takes, the next one the next part; 0 for all.
    pub(super) share: u32,
}

impl Product {
    /// `C [m, n] = A [m, k] B [n, k]ᵀ`.
    #[must_use]
    pub const fn new(m: u32, n: u32, k: u32) -> Self {
        Self {
            m,
            n,
            k,
            order_a: OrderA::Mk,
            order: Order::Nk,
            alpha: 1.0,
            beta: 0.0,
            batch: 1,
            batch_strides: None,
            row_strides: None,
            path: None,
            fixed_b: false,
            tf32: false,
            splits: None,
            share: 0,
        }
    }

    /// With B in another order.
    #[must_use]
    pub const fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// With A in another order.
    #[must_use]
    pub const fn order_a(self, order_a: OrderA) -> Self {
        Self { order_a, ..self }
    }

    /// Multiplied with `alpha`.
    #[must_use]
    pub const fn alpha(self, alpha: f32) -> Self {
        Self { alpha, ..self }
    }

    /// Added to `beta` times what C holds. With 0, the default, C is not read, whatever it holds.
    #[must_use]
    pub const fn beta(self, beta: f32) -> Self {
        Self { beta, ..self }
    }

    /// So many products, of matrices that lie one after the other.
    #[must_use]
    pub const fn batch(self, count: u32) -> Self {
        Self { batch: count, ..self }
    }

    /// Elements from one matrix A, B and C of the batch to the next. All products share an A or B
    /// of stride 0.
    #[must_use]
    pub const fn batch_strides(self, strides: [u32; 3]) -> Self {
        Self { batch_strides: Some(strides), ..self }
    }

    /// Elements from one row in memory of A, B and C to the next, their leading dimensions.
    #[must_use]
    pub const fn row_strides(self, strides: [u32; 3]) -> Self {
        Self { row_strides: Some(strides), ..self }
    }

    /// By this kernel.
    #[must_use]
    pub const fn path(self, path: Path) -> Self {
        Self { path: Some(path), ..self }
    }

    /// B is not written by kernels that may still run on the stream, as weights are not: then
    /// [`Path::Stream`] begins to read it before they end. Of a B that one of them does write, it
    /// may see the values before.
    #[must_use]
    pub const fn fixed_b(self) -> Self {
        Self { fixed_b: true, ..self }
    }

    /// Factors of `f32` are multiplied as TF32, without the low 13 bits of their fractions, which the
    /// tensor cores do many times as fast: an element's error is within `2^-9` of the sum of the
    /// absolute products beside that of the sums. Says nothing of other types.
    #[must_use]
    pub const fn tf32(self) -> Self {
        Self { tf32: true, ..self }
    }

    /// Sums over so many parts of K at once, and then adds the sums in their order: the same in
    /// every run. 1 is not to split. By itself a path splits K where a product has few tiles and is
    /// long; then it needs memory of the stream, so while the stream's work is captured it does not.
    #[must_use]
    pub const fn splits(self, parts: u32) -> Self {
        Self { splits: Some(parts), ..self }
    }

    /// Whether there is one product, and rows of `f32` as long as its would begin at multiples of 16
    /// bytes.
    pub(super) fn can_be_split(&self) -> bool {
        self.batch == 1 && self.n.is_multiple_of(4)
    }

    /// The product as a batch of at most `parts`, each to a dense matrix of its own, in steps of
    /// `depth` elements along K.
    pub(super) fn split(&self, parts: u32, depth: u32) -> Self {
        let steps = self.k.div_ceil(depth);
        let share = steps.div_ceil(parts);
        let batch = steps.div_ceil(share);
        let row_strides = Some([self.a().row_stride, self.b().row_stride, self.n]);
        let batch_strides = Some([0, 0, self.m * self.n]);
        let share = share * depth;
        let (alpha, beta) = (1.0, 0.0);
        Self { row_strides, batch_strides, share, batch, alpha, beta, ..*self }
    }

    /// A as it lies in memory.
    pub(super) fn a(&self) -> Matrix {
        let sides = match self.order_a {
            OrderA::Mk => [self.m, self.k],
            OrderA::Km => [self.k, self.m],
        };
        self.matrix(0, sides)
    }

    /// B as it lies in memory.
    pub(super) fn b(&self) -> Matrix {
        let sides = match self.order {
            Order::Nk => [self.n, self.k],
            Order::Kn => [self.k, self.n],
        };
        self.matrix(1, sides)
    }

    /// C as it lies in memory.
    pub(super) fn c(&self) -> Matrix {
        self.matrix(2, [self.m, self.n])
    }

    fn matrix(&self, operand: usize, [rows, columns]: [u32; 2]) -> Matrix {
        let row_stride = self.row_strides.map_or(columns, |strides| strides[operand]);
        let dense = u64::from(rows) * u64::from(row_stride);
        let stride = self.batch_strides.map_or(dense, |strides| u64::from(strides[operand]));
        Matrix { rows, columns, row_stride, batch: self.batch, stride }
    }

    /// The operands' lengths against their shapes.
    pub(super) fn check(&self, [len_a, len_b, len_c]: [usize; 3]) -> Result<()> {
        let (a, b, c) = (self.a(), self.b(), self.c());
        let strided = self.row_strides.is_some() || self.batch_strides.is_some();
        for (what, matrix, len) in [("a", a, len_a), ("b", b, len_b), ("c", c, len_c)] {
            if matrix.rows > 1 && matrix.row_stride < matrix.columns {
                let (want, got) = (matrix.columns as usize, matrix.row_stride as usize);
                return Err(Error::RowStride { what, want, got });
            }
            let want = matrix.span();
            if strided {
                shape::at_least(what, want, len)?;
            } else {
                shape::eq(what, want, len)?;
            }
        }
        if c.overlaps() {
            let [m, n, batch] = [self.m, self.n, self.batch].map(|it| it as usize);
            let [row_stride, stride] = [c.row_stride as usize, c.stride as usize];
            return Err(Error::Overlap { m, n, batch, row_stride, stride });
        }
        Ok(())
    }

    pub(super) fn no(&self, path: Path, why: &'static str) -> Error {
        Error::Path { path, m: self.m, n: self.n, k: self.k, why }
    }

    /// What of the product a path does not take that has none of strides, batches, other orders
    /// of A, and terms beside the product.
    pub(super) fn plain(&self, path: Path, has_bias: bool) -> Result<()> {
        let why = if self.batch != 1 {
            "it multiplies one pair of matrices"
        } else if self
            .row_strides
            .is_some_and(|strides| strides != [self.a().columns, self.b().columns, self.n])
        {
            "rows must lie one after the other"
        } else if self.order_a != OrderA::Mk {
            "A must be `[m, k]`"
        } else if has_bias || self.beta != 0.0 {
            "it adds neither bias nor C"
        } else if self.splits.is_some_and(|parts| parts > 1) {
            "it does not split K"
        } else {
            return Ok(());
        };
        Err(self.no(path, why))
    }
}

/// Matrices of a batch as they lie in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix {
    pub(super) rows: u32,
    pub(super) columns: u32,
    /// Elements from one row to the next.
    pub(super) row_stride: u32,
    /// How many products use them.
    pub(super) batch: u32,
    /// Elements from one matrix to the next.
    pub(super) stride: u64,
}

impl Matrix {
    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        if self.stride == 0 { self.batch.min(1) } else { self.batch }
    }

    /// The elements from the first to the last, both included.
    pub(super) fn span(&self) -> usize {
        if self.rows == 0 || self.columns == 0 || self.batch == 0 {
            return 0;
        }
        let last = u64::from(self.batch - 1) * self.stride
            + u64::from(self.rows - 1) * u64::from(self.row_stride);
        usize::try_from(last).map_or(usize::MAX, |last| last.saturating_add(self.columns as usize))
    }

    /// Whether two products write one element. Each matrix lies behind the one before, or between
    /// its rows.
    fn overlaps(&self) -> bool {
        let (count, stride) = (u64::from(self.batch), self.stride);
        let (rows, row_stride) = (u64::from(self.rows), u64::from(self.row_stride));
        let columns = u64::from(self.columns);
        if self.span() == 0 || count == 1 {
            return false;
        }
        let behind = stride >= (rows - 1) * row_stride + columns;
        let between = stride >= columns && row_stride >= (count - 1) * stride + columns;
        !behind && !between
    }

    /// Whether rows and matrices begin at multiples of so many elements.
    pub(super) fn is_aligned(&self, elements: u32) -> bool {
        self.row_stride.is_multiple_of(elements) && self.stride.is_multiple_of(u64::from(elements))
    }
}

/// The products in `f64`, from the definition: C after `c = alpha a b + bias + beta c`, with what
/// lies between its rows as it was. `bias` is empty if there is none.
///
/// # Panics
/// If an operand is shorter than its shape.
#[must_use]
pub fn matmul_reference(
    c: &[f64],
    a: &[f64],
    b: &[f64],
    bias: &[f64],
    product: &Product,
) -> Vec<f64> {
    let [m, n, k] = [product.m, product.n, product.k].map(|it| it as usize);
    let place = |matrix: Matrix, batch: usize, row: usize, column: usize| {
        batch * matrix.stride as usize + row * matrix.row_stride as usize + column
    };
    // Where a row of A and a column of B begin, and the elements between two along K.
    let row_of_a = |batch: usize, row: usize| match product.order_a {
        OrderA::Mk => (place(product.a(), batch, row, 0), 1),
        OrderA::Km => (place(product.a(), batch, 0, row), product.a().row_stride as usize),
    };
    let column_of_b = |batch: usize, column: usize| match product.order {
        Order::Nk => (place(product.b(), batch, column, 0), 1),
        Order::Kn => (place(product.b(), batch, 0, column), product.b().row_stride as usize),
    };
    let (alpha, beta) = (f64::from(product.alpha), f64::from(product.beta));
    let mut result = c.to_vec();
    for batch in 0..product.batch as usize {
        for (row, column) in (0..m * n).map(|it| (it / n, it % n)) {
            let (a_first, a_step) = row_of_a(batch, row);
            let (b_first, b_step) = column_of_b(batch, column);
            let mut dot = 0.0;
            for i in 0..k {
                dot += a[a_first + i * a_step] * b[b_first + i * b_step];
            }
            let at = place(product.c(), batch, row, column);
            let old = if beta == 0.0 { 0.0 } else { beta * c[at] };
            result[at] = alpha * dot + bias.get(column).copied().unwrap_or(0.0) + old;
        }
    }
    result
}
