//! The matrix products of the kernel library against their definition.

mod epilogue;
mod layouts;
mod splits;
mod terms;
mod types;

use firesteel::Plain;
use firesteel::e4m3;
use firesteel::half::{bf16, f16};
use firesteel_examples::data;
use firesteel_kernels::matmul::{
    self, Multiply, Order, OrderA, Path, Product, matmul, matmul_bias, matmul_on, matmul_reference,
};
use firesteel_kernels::shape::{Error, Result};
use firesteel_tests::ptxas;

/// Sides that are no multiples of tiles, pieces and warps.
const ODD: &[u32] = &[1, 17, 63, 129, 1000];
/// The same where rows must be multiples of 16 bytes.
const EVEN: &[u32] = &[8, 24, 64, 136, 1000];

#[test]
fn products_assemble_without_spills() {
    for text in matmul::ptx() {
        ptxas::demand(text, &[]);
    }
}

/// An element type, and half a unit of its last place.
trait Element: Multiply<Output: Plain + Into<f64> + Copy> + Plain + Into<f64> {
    const HALF_UNIT: f64;
    /// What an addition to a sum may lose of it.
    const SUM_UNIT: f64 = 1.0 / 8_388_608.0;
    fn of(value: f32) -> Self;
    fn out(value: f32) -> Self::Output;
}

impl Element for f16 {
    const HALF_UNIT: f64 = 1.0 / 2048.0;
    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }
    fn out(value: f32) -> Self {
        Self::from_f32(value)
    }
}

impl Element for bf16 {
    const HALF_UNIT: f64 = 1.0 / 256.0;
    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }
    fn out(value: f32) -> Self {
        Self::from_f32(value)
    }
}

impl Element for f32 {
    const HALF_UNIT: f64 = 1.0 / 16_777_216.0;
    fn of(value: f32) -> Self {
        value
    }
    fn out(value: f32) -> Self {
        value
    }
}

impl Element for e4m3 {
    const HALF_UNIT: f64 = bf16::HALF_UNIT;
    /// The tensor cores add 32 products of these at once, and keep 13 bits of the sum at least.
    const SUM_UNIT: f64 = 1.0 / (32.0 * 8192.0);
    fn of(value: f32) -> Self {
        Self::from_f32(value)
    }
    fn out(value: f32) -> bf16 {
        bf16::from_f32(value)
    }
}

/// Of the sums, which are exact, the conversion to `f32` is rounded, and its product with alpha.
impl Element for i8 {
    const HALF_UNIT: f64 = 2.0 * f32::HALF_UNIT;
    const SUM_UNIT: f64 = 0.0;
    fn of(value: f32) -> Self {
        (value * 128.0) as Self
    }
    fn out(value: f32) -> f32 {
        value
    }
}

/// Multiplies, and compares each element with the bound that the module states.
fn check<T: Element>(path: Option<Path>, product: &Product) -> Result<()> {
    check_terms::<T>(path, product, false)
}

/// As [`check`], perhaps with a bias.
fn check_terms<T: Element>(path: Option<Path>, product: &Product, with_bias: bool) -> Result<()> {
    let device = crate::device();
    let mut product = *product;
    product.path = path.or(product.path);
    let product = &product;
    let [len_a, len_b, len_c] = lengths(product);
    let of = |seed, len| data::floats(seed, len).into_iter().map(T::of).collect::<Vec<T>>();
    let out = |seed, len| data::floats(seed, len).into_iter().map(T::out).collect::<Vec<_>>();
    let (a, b) = (of(1, len_a), of(2, len_b));
    // What is not read may be anything, and what is not written stays as it is.
    let old = if product.beta == 0.0 { vec![T::out(f32::NAN); len_c] } else { out(3, len_c) };
    let bias = if with_bias { out(4, product.n as usize) } else { Vec::new() };
    let (x, y, mut c) = (device.alloc_from(&a)?, device.alloc_from(&b)?, device.alloc_from(&old)?);
    if with_bias {
        let bias = device.alloc_from(&bias)?;
        matmul_bias(&device.stream(), &mut c, &x, &y, &bias, product)?;
    } else {
        matmul(&device.stream(), &mut c, &x, &y, product)?;
    }
    let (a, b, bias) = (doubles(a), doubles(b), doubles(bias));
    let old = doubles(old);
    let want = matmul_reference(&old, &a, &b, &bias, product);
    let bound = bound::<T>([&old, &a, &b, &bias], product);
    let got = doubles(c.to_host(&device)?);
    for (at, (got, (want, bound))) in got.into_iter().zip(want.into_iter().zip(bound)).enumerate() {
        let allowed = want.abs() * T::HALF_UNIT + bound;
        assert!(
            (got - want).abs() <= allowed || got.is_nan() && want.is_nan(),
            "{product:?} with a bias {with_bias}, at {at}: {got} instead of {want}, allowed \
             {allowed:e}",
        );
    }
    Ok(())
}

fn doubles<T: Into<f64>>(values: Vec<T>) -> Vec<f64> {
    values.into_iter().map(Into::into).collect()
}

/// What sums and terms may lose before they are rounded to the type of C.
fn bound<T: Element>([old, a, b, bias]: [&[f64]; 4], product: &Product) -> Vec<f64> {
    let absolute = |x: &[f64]| x.iter().map(|it| it.abs()).collect::<Vec<_>>();
    let (old, a, b, bias) = (absolute(old), absolute(a), absolute(b), absolute(bias));
    let product = &product.alpha(product.alpha.abs()).beta(product.beta.abs());
    let sums = matmul_reference(&old, &a, &b, &[], &product.beta(0.0));
    let terms = matmul_reference(&old, &a, &b, &bias, product);
    let is_plain = bias.is_empty() && product.beta == 0.0;
    let of_terms = if is_plain { 0.0 } else { 3.0 / 16_777_216.0 };
    // A factor of TF32 has lost less than a unit in 2^10.
    let of_factors = if product.tf32 { 1.0 / 512.0 } else { 0.0 };
    let of_sums = (f64::from(product.k) + 1.0) * T::SUM_UNIT + of_factors;
    sums.iter().zip(&terms).map(|(sum, term)| sum * of_sums + term * of_terms).collect()
}

/// The elements that A, B and C take.
fn lengths(product: &Product) -> [usize; 3] {
    let &Product { m, n, k, batch, .. } = product;
    let a = if product.order_a == OrderA::Mk { [m, k] } else { [k, m] };
    let b = if product.order == Order::Nk { [n, k] } else { [k, n] };
    let span = |i: usize, [rows, columns]: [u32; 2]| {
        let row_stride = product.row_strides.map_or(columns, |it| it[i]);
        let stride = product.batch_strides.map_or(rows * row_stride, |it| it[i]);
        let is_empty = rows == 0 || columns == 0 || batch == 0;
        let last = || (batch - 1) * stride + (rows - 1) * row_stride + columns;
        if is_empty { 0 } else { last() as usize }
    };
    [span(0, a), span(1, b), span(2, [m, n])]
}

/// The shapes: all of the sides on a GPU, a few small ones on the simulator.
fn shapes(rows: &[u32], sides: &[u32], depths: &[u32]) -> Vec<[u32; 3]> {
    if crate::device().is_sim() {
        let last = |sides: &[u32]| sides[sides.len().min(3) - 1];
        return vec![[rows[0], sides[1], depths[0]], [last(rows), last(sides), last(depths)]];
    }
    let pairs = rows.iter().flat_map(|m| sides.iter().map(move |n| [*m, *n]));
    // The reference takes its time.
    let shapes = pairs.flat_map(|[m, n]| depths.iter().map(move |k| [m, n, *k]));
    shapes.filter(|[m, n, k]| m * n * k <= 1 << 23).collect()
}

#[test]
fn wgmma_multiplies_every_shape() -> Result<()> {
    for [m, n, k] in shapes(ODD, EVEN, EVEN) {
        for cols in [64, 128, 256] {
            let product = Product::new(m, n, k);
            check::<bf16>(Some(Path::Wgmma(cols)), &product)?;
            check::<f16>(Some(Path::Wgmma(cols)), &product.order(Order::Kn).alpha(0.5))?;
            check::<e4m3>(Some(Path::Wgmma(cols)), &Product::new(m, n, k.next_multiple_of(16)))?;
        }
    }
    Ok(())
}

#[test]
fn wgmma_takes_more_tiles_than_blocks_and_more_steps_than_stages() -> Result<()> {
    let device = crate::device();
    let large = if device.is_sim() { [260, 136, 328] } else { [520, 1032, 520] };
    let [m, n, k] = large;
    for order in [Order::Nk, Order::Kn] {
        check::<bf16>(Some(Path::Wgmma(64)), &Product::new(m, n, k).order(order))?;
    }
    Ok(())
}

#[test]
fn a_few_rows_stream() -> Result<()> {
    for [m, n, k] in shapes(&[1, 8, 17, 33, 64], &[1, 33, 129, 1000], &[8, 264, 1000, 4096]) {
        check::<bf16>(Some(Path::Stream), &Product::new(m, n, k))?;
        check::<f16>(Some(Path::Stream), &Product::new(m, n, k).alpha(-2.0).fixed_b())?;
    }
    Ok(())
}

#[test]
fn mma_multiplies_every_shape() -> Result<()> {
    for [m, n, k] in shapes(ODD, ODD, ODD) {
        check::<bf16>(Some(Path::Mma), &Product::new(m, n, k))?;
    }
    for [m, n, k] in shapes(ODD, ODD, EVEN) {
        check::<f16>(Some(Path::Mma), &Product::new(m, n, k).alpha(0.25))?;
    }
    Ok(())
}

#[test]
fn floats_of_every_shape_are_multiplied() -> Result<()> {
    for [m, n, k] in shapes(ODD, ODD, ODD) {
        check::<f32>(None, &Product::new(m, n, k))?;
    }
    for [m, n, k] in shapes(ODD, EVEN, EVEN) {
        check::<f32>(None, &Product::new(m, n, k).alpha(3.0))?;
    }
    Ok(())
}

#[test]
fn a_path_is_found_for_every_shape() -> Result<()> {
    for [m, n, k] in [[1, 40, 24], [40, 24, 72], [3, 5, 7], [0, 4, 4], [4, 4, 0]] {
        check::<bf16>(None, &Product::new(m, n, k))?;
        check::<f16>(None, &Product::new(m, n, k))?;
    }
    check::<bf16>(None, &Product::new(9, 16, 40).order(Order::Kn))
}

#[test]
fn what_a_path_does_not_take_is_an_error() -> Result<()> {
    let device = crate::device();
    let (a, b) = (device.alloc_zeros::<bf16>(70)?, device.alloc_zeros::<bf16>(70)?);
    let mut c = device.alloc_zeros::<bf16>(100)?;
    let mut no = |path, product: Product| {
        matmul_on(&device.stream(), path, &mut c, &a, &b, &product).unwrap_err().to_string()
    };
    let odd = Product::new(10, 10, 7);
    let message =
        "Wgmma(64) does not multiply 10 x 7 by 7 x 10: a row of A must have a multiple of 16 bytes";
    assert_eq!(no(Path::Wgmma(64), odd), message);
    assert!(no(Path::Wgmma(96), odd).contains("64, 128 or 256 columns"));
    assert!(no(Path::Stream, odd).contains("`k` must be a multiple of 8"));
    assert!(no(Path::Simt, odd).contains("it multiplies `f32`"));
    let error = matmul(&device.stream(), &mut c, &a, &b, &Product::new(10, 10, 8)).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "a", want: 80, got: 70 }), "{error}");
    Ok(())
}
