//! Orders of the factors, strides and batches.

use firesteel::e4m3;
use firesteel::half::{bf16, f16};
use firesteel_kernels::matmul::{Order, OrderA, Path, Product, matmul};
use firesteel_kernels::shape::{Error, Result};

use super::{check, check_terms};

/// The orders of both factors.
pub(super) const ORDERS: [(OrderA, Order); 4] = [
    (OrderA::Mk, Order::Nk),
    (OrderA::Mk, Order::Kn),
    (OrderA::Km, Order::Nk),
    (OrderA::Km, Order::Kn),
];

#[test]
fn wgmma_takes_factors_in_every_order() -> Result<()> {
    for (order_a, order) in ORDERS {
        // Rows in memory must have a multiple of 16 bytes, which only such factors have of any K.
        let k = if (order_a, order) == (OrderA::Km, Order::Kn) { 17 } else { 24 };
        let product = Product::new(8, 24, k).order_a(order_a).order(order);
        check::<bf16>(Some(Path::Wgmma(128)), &product)?;
        let product = Product::new(136, 72, 72).order_a(order_a).order(order);
        check_terms::<f16>(Some(Path::Wgmma(128)), &product.beta(1.0), true)?;
    }
    Ok(())
}

#[test]
fn mma_takes_factors_in_every_order() -> Result<()> {
    for (order_a, order) in ORDERS {
        // The last has more steps than stages, and a tile of its own.
        for [m, n, k] in [[17, 33, 19], [136, 72, 72], [136, 136, 328]] {
            let product = Product::new(m, n, k).order_a(order_a).order(order);
            check::<bf16>(Some(Path::Mma), &product)?;
            check_terms::<f16>(Some(Path::Mma), &product.alpha(0.5).beta(1.0), true)?;
        }
    }
    Ok(())
}

#[test]
fn floats_take_factors_in_every_order() -> Result<()> {
    for (order_a, order) in ORDERS {
        for [m, n, k] in [[17, 33, 19], [132, 36, 20]] {
            check::<f32>(None, &Product::new(m, n, k).order_a(order_a).order(order))?;
        }
    }
    Ok(())
}

#[test]
fn mma_takes_more_wide_tiles_than_blocks() -> Result<()> {
    // More tiles than multiprocessors, which are the simulator's threads.
    let few = crate::device().is_sim();
    let (m, n, batch) = if few { (136, 264, 2) } else { (24, 24, 140) };
    for (order_a, order) in ORDERS {
        let product = Product::new(m, n, 264).order_a(order_a).order(order).batch(batch);
        check::<bf16>(Some(Path::Mma), &product)?;
        check_terms::<f16>(Some(Path::Mma), &product.alpha(0.5).beta(-1.0), true)?;
    }
    Ok(())
}

/// Batches that are dense, share a factor, lie between each other's rows, or are far apart.
fn batches(m: u32, n: u32, k: u32, piece: u32) -> [Product; 4] {
    let product = Product::new(m, n, k).batch(3);
    [
        product,
        product.batch_strides([m * k, 0, m * n]),
        // `[rows, batch, columns]`.
        product.row_strides([k * 3, k * 3, n * 3]).batch_strides([k, k, n]),
        product.row_strides([k + piece, k + piece * 2, n + piece * 3]).batch_strides([
            0,
            n * (k + piece * 2),
            m * (n + piece * 3) + piece,
        ]),
    ]
}

#[test]
fn wgmma_takes_batches_and_strides() -> Result<()> {
    for product in batches(72, 72, 40, 8) {
        check::<bf16>(Some(Path::Wgmma(64)), &product)?;
    }
    check_terms::<f16>(Some(Path::Wgmma(128)), &batches(136, 40, 24, 8)[3].beta(-0.5), true)?;
    for product in batches(40, 72, 48, 16) {
        check::<e4m3>(Some(Path::Wgmma(64)), &product)?;
    }
    let across = Product::new(72, 40, 24).order_a(OrderA::Km).order(Order::Kn).batch(2);
    check::<bf16>(Some(Path::Wgmma(128)), &across.row_strides([80, 48, 56]))
}

#[test]
fn mma_takes_batches_and_strides() -> Result<()> {
    for product in batches(24, 40, 24, 8).into_iter().chain(batches(5, 7, 3, 1)) {
        check::<bf16>(Some(Path::Mma), &product)?;
        check_terms::<f16>(Some(Path::Mma), &product.beta(2.0), true)?;
    }
    Ok(())
}

#[test]
fn floats_take_batches_and_strides() -> Result<()> {
    for product in batches(20, 36, 12, 4).into_iter().chain(batches(5, 7, 3, 1)) {
        check::<f32>(None, &product)?;
        check_terms::<f32>(None, &product.beta(2.0), true)?;
    }
    Ok(())
}

#[test]
fn a_path_is_found_for_every_layout() -> Result<()> {
    for product in batches(24, 16, 40, 8) {
        check::<bf16>(None, &product)?;
    }
    check::<f16>(None, &Product::new(24, 16, 40).order_a(OrderA::Km))
}

#[test]
fn layouts_that_do_not_fit_are_errors() -> Result<()> {
    let device = crate::device();
    let (a, b) = (device.alloc_zeros::<bf16>(64)?, device.alloc_zeros::<bf16>(64)?);
    let mut c = device.alloc_zeros::<bf16>(64)?;
    let mut no = |product: Product| matmul(&device.stream(), &mut c, &a, &b, &product).unwrap_err();
    let square = Product::new(8, 8, 8);
    let error = no(square.row_strides([8, 16, 8]));
    assert!(matches!(error, Error::Short { what: "b", want: 120, got: 64 }), "{error}");
    let error = no(square.row_strides([8, 8, 4]));
    assert!(matches!(error, Error::RowStride { what: "c", want: 8, got: 4 }), "{error}");
    let error = no(square.batch(2));
    assert!(matches!(error, Error::Shape { what: "a", want: 128, got: 64 }), "{error}");
    let error = no(Product::new(4, 4, 4).batch(2).batch_strides([16, 16, 8]));
    let message = "2 products of 4 x 4 that begin 8 elements apart, with rows 4 apart, share \
                   elements of `c`\nhelp: begin each behind the one before, or between its rows";
    assert_eq!(error.to_string(), message);
    let narrow = no(square.path(Path::Wgmma(64)).order_a(OrderA::Km));
    assert!(narrow.to_string().contains("of an A `[k, m]` a tile has 128 columns"), "{narrow}");
    Ok(())
}
