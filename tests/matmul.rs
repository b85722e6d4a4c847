//! The matrix products of the kernel library against their definition.

use firesteel::Plain;
use firesteel::e4m3;
use firesteel::half::{bf16, f16};
use firesteel_examples::data;
use firesteel_kernels::matmul::{
    self, Multiply, Order, Path, Product, matmul, matmul_on, matmul_reference,
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

/// Multiplies, and compares each element with the bound that the module states.
fn check<T: Element>(path: Option<Path>, product: &Product) -> Result<()> {
    let device = crate::device();
    let [m, n, k] = [product.m, product.n, product.k].map(|it| it as usize);
    let of = |seed, len| data::floats(seed, len).into_iter().map(T::of).collect::<Vec<T>>();
    let (a, b) = (of(1, m * k), of(2, n * k));
    let (x, y) = (device.alloc_from(&a)?, device.alloc_from(&b)?);
    // What is not written stays a value that no product has.
    let mut c = device.alloc_from(&vec![T::out(30_000.0); m * n])?;
    match path {
        Some(path) => matmul_on(&device.stream(), path, &mut c, &x, &y, product)?,
        None => matmul(&device.stream(), &mut c, &x, &y, product)?,
    }
    let (a, b): (Vec<f64>, Vec<f64>) =
        (a.into_iter().map(Into::into).collect(), b.into_iter().map(Into::into).collect());
    let want = matmul_reference(&a, &b, product);
    let absolute = |x: &[f64]| x.iter().map(|it| it.abs()).collect::<Vec<_>>();
    let weight = matmul_reference(&absolute(&a), &absolute(&b), product);
    for (at, (got, (want, weight))) in
        c.to_host(&device)?.into_iter().zip(want.into_iter().zip(weight)).enumerate()
    {
        let allowed =
            want.abs() * T::HALF_UNIT + weight.abs() * (f64::from(product.k) + 1.0) * T::SUM_UNIT;
        let got: f64 = got.into();
        assert!(
            (got - want).abs() <= allowed,
            "{path:?} {product:?} at {}, {}: {got} instead of {want}, allowed {allowed:e}",
            at / n,
            at % n,
        );
    }
    Ok(())
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
    assert!(no(Path::Mma, odd.order(Order::Kn)).contains("B must be `[n, k]`"));
    assert!(no(Path::Simt, odd).contains("it multiplies `f32`"));
    let error = matmul(&device.stream(), &mut c, &a, &b, &Product::new(10, 10, 8)).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "a", want: 80, got: 70 }), "{error}");
    Ok(())
}
