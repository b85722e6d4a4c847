//! Gated activations, softmax and rotary embeddings, against `f64`.

mod embedding;
mod rope;

use firesteel::Device;
use firesteel::half::{bf16, f16};
use firesteel_examples::data;
use firesteel_kernels::elementwise::{
    self, Activation, activate, activation_reference, add, gated, gated_halves,
};
use firesteel_kernels::rows::Rows;
use firesteel_kernels::shape::{Error, Result};
use firesteel_kernels::softmax::{self, Softmax, log_softmax, softmax, softmax_reference};
use firesteel_tests::ptxas;

use crate::golden::Tensors;
use crate::norm::{Type, near, typed, wide};

#[test]
fn kernels_assemble_without_spills() {
    let rope = firesteel_kernels::rope::ptx();
    for text in elementwise::gated_ptx().chain(softmax::ptx()).chain(rope) {
        ptxas::demand(text, &[]);
    }
}

const ALL: [Activation; 3] = [Activation::Silu, Activation::Gelu, Activation::GeluTanh];

fn check_gated<T: Type>() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    // Around pieces and blocks; a length that is no multiple of a piece.
    for len in [8, 1000, 4096, 4104, 9000, 37, 8193] {
        let gate: Vec<f32> = data::floats(1, len).iter().map(|x| 12.0 * x).collect();
        let (gate, up): (Vec<T>, Vec<T>) = (typed(&gate), typed(&data::floats(2, len)));
        let (dg, du) = (device.alloc_from(&gate)?, device.alloc_from(&up)?);
        let mut out = device.alloc_zeros::<T>(len)?;
        for activation in ALL {
            let want: Vec<f64> =
                wide(&gate).iter().map(|x| activation_reference(activation, *x)).collect();
            let check = |got: Vec<T>, factors: &[f64]| {
                let numbers = wide(&got).into_iter().zip(&want).zip(factors).zip(wide(&gate));
                for (((got, want), factor), x) in numbers {
                    let want = want * factor;
                    // The exponential's argument is rounded.
                    let allowed = T::half_step(want) * 1.01 + (x.abs() + 6.0) * 2e-7 * want.abs();
                    let error = (got - want).abs();
                    assert!(error <= allowed + 1e-9, "{activation:?} {len} {x}: {got}, {want}");
                }
            };
            gated(&stream, &mut out, &dg, &du, activation)?;
            check(out.to_host(&device)?, &wide(&up));
            activate(&stream, &mut out, &dg, activation)?;
            check(out.to_host(&device)?, &vec![1.0; len]);
        }
        let mut sum = device.alloc_from(&gate)?;
        add(&stream, &mut sum, &du)?;
        let want = gate.iter().zip(&up).map(|(a, b)| T::nearest((*a).into() + (*b).into()));
        assert!(sum.to_host(&device)?.into_iter().zip(want).all(|(a, b)| a.into() == b.into()));
    }
    Ok(())
}

#[test]
fn gates_of_every_type_are_activated() -> Result<()> {
    check_gated::<f32>()?;
    check_gated::<f16>()?;
    check_gated::<bf16>()
}

#[test]
fn halves_of_rows_are_gate_and_up() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    for (rows, n) in [(3, 64), (5, 4104), (70_000, 8), (3, 33)] {
        let x: Vec<bf16> = typed(&data::floats(1, rows * n * 2));
        let part = |first: usize| -> Vec<bf16> {
            x.chunks(2 * n).flat_map(|row| row[first..][..n].iter().copied()).collect()
        };
        let (gate, up) = (device.alloc_from(&part(0))?, device.alloc_from(&part(n))?);
        let x = device.alloc_from(&x)?;
        let (mut got, mut want) =
            (device.alloc_zeros::<bf16>(rows * n)?, device.alloc_zeros::<bf16>(rows * n)?);
        gated_halves(&stream, &mut got, &x, n, Activation::Silu)?;
        gated(&stream, &mut want, &gate, &up, Activation::Silu)?;
        assert_eq!(got.to_host(&device)?, want.to_host(&device)?, "{rows} {n}");
    }
    Ok(())
}

#[test]
fn golden_gates_are_met() -> Result<()> {
    let tensors = Tensors::read("ops/basic.safetensors");
    golden_gates::<f32>(&tensors, "swiglu_4x256_f32", 1e-6)?;
    golden_gates::<bf16>(&tensors, "swiglu_3x512_bf16", 5e-3)
}

fn golden_gates<T: Type>(tensors: &Tensors, name: &str, most: f64) -> Result<()> {
    let device = crate::device();
    let part = |part: &str| tensors.floats(&format!("{name}.{part}"));
    let gate = device.alloc_from(&typed::<T>(&part("gate")))?;
    let up = device.alloc_from(&typed::<T>(&part("up")))?;
    let mut out = device.alloc_zeros::<T>(gate.len())?;
    for (activation, want) in [(Activation::Silu, "y_silu"), (Activation::GeluTanh, "y_gelu_tanh")]
    {
        gated(&device.stream(), &mut out, &gate, &up, activation)?;
        near(&out.to_host(&device)?, &part(want), gate.len(), most, name);
    }
    Ok(())
}

fn check_softmax<T: Type>(device: &Device, (rows, n): (usize, usize)) -> Result<()> {
    let stream = device.stream();
    let mut x: Vec<f32> = data::floats(n as u64, rows * n).iter().map(|x| 8.0 * x).collect();
    x[..n].iter_mut().for_each(|x| *x *= 5.0);
    x[(rows - 1) * n..].iter_mut().step_by(2).for_each(|x| *x = f32::NEG_INFINITY);
    x[rows * n - 1] = -100.0;
    let x: Vec<T> = typed(&x);
    let dx = device.alloc_from(&x)?;
    let (mut out, mut lse) = (device.alloc_zeros::<T>(rows * n)?, device.alloc_zeros(rows)?);
    let of = Softmax::new(rows, n).scale(0.5);
    softmax(&stream, &mut out, Some(&mut lse), &dx, &of)?;
    let (got, sums) = (out.to_host(device)?, lse.to_host(device)?);
    log_softmax(&stream, &mut out, None, &dx, &of)?;
    let logs = out.to_host(device)?;
    for (row, x) in x.chunks(n).enumerate() {
        let x: Vec<f64> = wide(x).iter().map(|x| 0.5 * x).collect();
        let (want, sum) = softmax_reference(&x);
        let most = want.iter().fold(0.0f64, |most, it| most.max(*it));
        assert!((f64::from(sums[row]) - sum).abs() <= 1e-6 * sum.abs().max(1.0), "{n} {row}");
        let part = row * n..(row + 1) * n;
        let results = wide(&got[part.clone()]).into_iter().zip(wide(&logs[part]));
        for (((got, log), want), x) in results.zip(want).zip(x) {
            let error = (got - want).abs();
            assert!(error <= T::half_step(want) * 1.01 + 1e-6 * most, "{n} {row}: {got}, {want}");
            let want = x - sum;
            let near = (log - want).abs() <= T::half_step(want) * 1.01 + 3e-6 * sum.abs().max(1.0);
            assert!(near || log == want, "{n} {row}: {log}, {want}");
        }
    }
    Ok(())
}

#[test]
fn softmax_of_rows_is_that_of_the_reference() -> Result<()> {
    let device = crate::device();
    for n in [8, 256, 1000, 2048, 4096, 5000, 8200, 33, 1] {
        check_softmax::<f32>(&device, (3, n))?;
        check_softmax::<bf16>(&device, (2, n))?;
    }
    check_softmax::<f16>(&device, (2, 1032))?;
    check_softmax::<f32>(&device, (1100, 16))
}

#[test]
fn golden_softmax_is_met() -> Result<()> {
    let device = crate::device();
    let tensors = Tensors::read("ops/basic.safetensors");
    for (name, n) in [("softmax_4x33", 33), ("softmax_3x1000", 1000)] {
        let x = device.alloc_from(&tensors.floats(&format!("{name}.x")))?;
        let rows = x.len() / n;
        let (mut out, mut lse) = (device.alloc_zeros::<f32>(x.len())?, device.alloc_zeros(rows)?);
        softmax(&device.stream(), &mut out, Some(&mut lse), &x, &Softmax::new(rows, n))?;
        near(&out.to_host(&device)?, &tensors.floats(&format!("{name}.y")), n, 1e-6, name);
        near(&lse.to_host(&device)?, &tensors.floats(&format!("{name}.lse")), 1, 1e-6, name);
    }
    Ok(())
}

#[test]
fn a_row_without_numbers_has_no_softmax() -> Result<()> {
    let device = crate::device();
    for n in [8, 2048, 9] {
        let x = device.alloc_from(&vec![f32::NEG_INFINITY; n])?;
        let (mut out, mut lse) = (device.alloc_zeros::<f32>(n)?, device.alloc_zeros(1)?);
        softmax(&device.stream(), &mut out, Some(&mut lse), &x, &Softmax::new(1, n))?;
        assert!(out.to_host(&device)?.iter().all(|it| it.is_nan()), "{n}");
        assert_eq!(lse.to_host(&device)?, [f32::NEG_INFINITY], "{n}");
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (x, mut out) = (device.alloc_zeros::<f32>(12)?, device.alloc_zeros::<f32>(6)?);
    let error = gated(&stream, &mut out, &x, &x, Activation::Silu).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "gate", want: 6, got: 12 }), "{error}");
    let error = gated_halves(&stream, &mut out, &x, 4, Activation::Silu).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "out", want: 8, got: 6 }), "{error}");
    gated_halves(&stream, &mut out, &x, 3, Activation::Silu)?;
    let error = add(&stream, &mut out, &x).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "x", want: 6, got: 12 }), "{error}");
    let of = Softmax::new(2, 6).x(Rows::strided(6, 0, 8));
    let error = softmax(&stream, &mut out, None, &x, &of).unwrap_err();
    assert!(matches!(error, Error::Short { what: "x", want: 14, got: 12 }), "{error}");
    Ok(())
}
