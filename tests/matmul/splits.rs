//! Products whose K is split.

use firesteel::half::{bf16, f16};
use firesteel_examples::data;
use firesteel_kernels::matmul::{Order, OrderA, Path, Product, matmul};
use firesteel_kernels::shape::Result;

use super::{check, check_terms, lengths};

#[test]
fn wgmma_sums_parts_of_k() -> Result<()> {
    let path = Some(Path::Wgmma(128));
    for (parts, k) in [(2, 136), (3, 200), (64, 72), (1, 72)] {
        let product = Product::new(70, 72, k).splits(parts);
        check::<bf16>(path, &product)?;
        check_terms::<f16>(path, &product.order(Order::Kn).alpha(0.5).beta(-1.0), true)?;
    }
    let product = Product::new(20, 24, 288).splits(2);
    check_terms::<i8>(path, &product.beta(1.0), true)?;
    check_terms::<f32>(path, &product.row_strides([292, 296, 28]).tf32(), true)
}

#[test]
fn mma_sums_parts_of_k() -> Result<()> {
    let path = Some(Path::Mma);
    let product = Product::new(70, 76, 200).splits(3);
    check::<bf16>(path, &product)?;
    check_terms::<f16>(path, &product.order(Order::Kn).alpha(0.5).beta(-1.0), true)?;
    check::<bf16>(path, &Product::new(5, 4, 131).splits(2).order_a(OrderA::Km))?;
    check::<f16>(path, &Product::new(72, 8, 131).splits(2).order_a(OrderA::Km).order(Order::Kn))?;
    check_terms::<i8>(path, &Product::new(20, 24, 288).splits(2).beta(1.0), true)?;
    check_terms::<f32>(path, &Product::new(20, 24, 288).splits(9).tf32(), true)
}

#[test]
fn sums_of_parts_are_the_same_in_every_run() -> Result<()> {
    let device = crate::device();
    let of =
        |seed, len| data::floats(seed, len).into_iter().map(bf16::from_f32).collect::<Vec<_>>();
    let (a, b) = (device.alloc_from(&of(1, 40 * 256))?, device.alloc_from(&of(2, 24 * 256))?);
    let product = Product::new(40, 24, 256).path(Path::Wgmma(128)).splits(4);
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut c = device.alloc_zeros::<bf16>(40 * 24)?;
        matmul(&device.stream(), &mut c, &a, &b, &product)?;
        runs.push(c.to_host(&device)?);
    }
    assert_eq!(runs[0], runs[1]);
    Ok(())
}

#[test]
fn what_is_not_split_is_an_error() -> Result<()> {
    let device = crate::device();
    let no = |product: Product| {
        let zeros = lengths(&product).map(|len| device.alloc_zeros::<bf16>(len).unwrap());
        let [a, b, mut c] = zeros;
        let error = matmul(&device.stream(), &mut c, &a, &b, &product.splits(2)).unwrap_err();
        error.to_string()
    };
    let product = Product::new(8, 8, 32);
    assert!(no(product.batch(2).path(Path::Wgmma(128))).contains("one product alone is split"));
    let narrow = no(product.path(Path::Wgmma(64)));
    assert!(narrow.contains("for tiles of 128 columns"), "{narrow}");
    let across = no(product.path(Path::Wgmma(128)).order_a(OrderA::Km));
    assert!(across.contains("an A `[m, k]`"), "{across}");
    let stream = no(product.path(Path::Stream));
    assert!(stream.contains("it does not split K"), "{stream}");
    Ok(())
}
