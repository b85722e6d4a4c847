//! The kernel library against its references, on awkward lengths.

use firesteel_examples::data;
use firesteel_kernels::elementwise::{saxpy, saxpy_reference, silu_gate, silu_gate_reference};
use firesteel_kernels::shape::{Error, Result};
use firesteel_tests::ptxas::{self, MACHINES};

/// Around the vector, the block and the warp.
const LENGTHS: &[usize] = &[0, 1, 3, 4, 5, 127, 1023, 1024, 1025, 100_003];

#[test]
fn kernels_assemble_for_old_and_new_machines() {
    firesteel_kernels::PTX.iter().for_each(|ptx| ptxas::demand(ptx, MACHINES));
}

#[test]
fn saxpy_equals_its_reference() -> Result<()> {
    let device = crate::device();
    for &n in LENGTHS {
        let (x, y) = (data::floats(1, n), data::floats(2, n));
        let want = saxpy_reference(1.5, &x, &y);
        let (x, mut y) = (device.alloc_from(&x)?, device.alloc_from(&y)?);
        saxpy(&device.stream(), &mut y, 1.5, &x)?;
        assert_eq!(y.to_host(&device)?, want, "{n}");
    }
    Ok(())
}

#[test]
fn silu_gate_is_within_its_bound() -> Result<()> {
    let device = crate::device();
    for &n in LENGTHS {
        let x: Vec<f32> = data::floats(3, n).iter().map(|x| 30.0 * x).collect();
        let gate = data::floats(4, n);
        let want = silu_gate_reference(&x, &gate);
        let (dx, dgate) = (device.alloc_from(&x)?, device.alloc_from(&gate)?);
        let mut out = device.alloc_zeros::<f32>(n)?;
        silu_gate(&device.stream(), &mut out, &dx, &dgate)?;
        for ((got, want), x) in out.to_host(&device)?.iter().zip(want).zip(&x) {
            let allowed = (2.0 + f64::from(x.abs())) * 2.0_f64.powi(-22) * want.abs();
            assert!((f64::from(*got) - want).abs() <= allowed, "{x}: {got}, {want}");
        }
    }
    Ok(())
}

#[test]
fn lengths_must_agree() -> Result<()> {
    let device = crate::device();
    let (x, mut y) = (device.alloc_zeros::<f32>(3)?, device.alloc_zeros::<f32>(4)?);
    let error = saxpy(&device.stream(), &mut y, 1.0, &x).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "x", want: 4, got: 3 }), "{error}");
    Ok(())
}
