//! Rows of tables of embeddings.

use firesteel::Device;
use firesteel::half::{bf16, f16};
use firesteel_examples::data;
use firesteel_kernels::embedding::{self, Launch, LaunchBlocks, embed, embed_quantized};
use firesteel_kernels::quant::{self, Format};
use firesteel_kernels::shape::{Error, Result};
use firesteel_tests::ptxas;

use crate::norm::{Type, typed, wide};

#[test]
fn kernels_assemble_without_spills() {
    for text in embedding::ptx() {
        ptxas::demand(text, &[]);
    }
}

const IDS: [u32; 4] = [3, 0, 4, 3];

fn check_floats<E: Type + Launch<T>, T: Type>(device: &Device) -> Result<()> {
    let stream = device.stream();
    for n in [1, 37, 2050] {
        let table: Vec<E> = typed(&data::floats(1, 5 * n));
        let (there, ids) = (device.alloc_from(&table)?, device.alloc_from(&IDS)?);
        let mut out = device.alloc_zeros::<T>(IDS.len() * n)?;
        embed(&stream, &mut out, &there, &ids, n)?;
        let rows = IDS.iter().flat_map(|id| &table[*id as usize * n..][..n]);
        let want: Vec<T> = rows.map(|it| T::nearest((*it).into())).collect();
        assert_eq!(wide(&out.to_host(device)?), wide(&want), "{n}");
    }
    Ok(())
}

#[test]
fn rows_of_floats_are_found() -> Result<()> {
    let device = crate::device();
    check_floats::<f32, f32>(&device)?;
    check_floats::<f32, f16>(&device)?;
    check_floats::<f32, bf16>(&device)?;
    check_floats::<f16, f32>(&device)?;
    check_floats::<f16, f16>(&device)?;
    check_floats::<f16, bf16>(&device)?;
    check_floats::<bf16, f32>(&device)?;
    check_floats::<bf16, f16>(&device)?;
    check_floats::<bf16, bf16>(&device)
}

fn check_blocks<T: Type + LaunchBlocks>(device: &Device, format: Format) -> Result<()> {
    let stream = device.stream();
    let n = 1280;
    let table = device.alloc_from(&data::floats(2, 5 * n))?;
    let bytes = 5 * n / format.block_len() * format.block_bytes();
    let mut blocks = device.alloc_zeros::<u8>(bytes)?;
    quant::quantize(&stream, format, &mut blocks, &table, n)?;
    let mut weights = device.alloc_zeros::<T>(5 * n)?;
    quant::dequantize(&stream, format, &mut weights, &blocks)?;
    let weights = weights.to_host(device)?;
    let (ids, mut out) = (device.alloc_from(&IDS)?, device.alloc_zeros::<T>(IDS.len() * n)?);
    embed_quantized(&stream, format, &mut out, &blocks, &ids, n)?;
    let want: Vec<T> =
        IDS.iter().flat_map(|id| weights[*id as usize * n..][..n].iter().copied()).collect();
    assert_eq!(wide(&out.to_host(device)?), wide(&want), "{format}");
    Ok(())
}

#[test]
fn rows_of_every_format_are_unpacked() -> Result<()> {
    let device = crate::device();
    for &format in Format::ALL {
        check_blocks::<f32>(&device, format)?;
        check_blocks::<bf16>(&device, format)?;
    }
    check_blocks::<f16>(&device, Format::Q6K)
}

#[test]
fn an_id_beyond_the_table_is_reported() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (table, ids) = (device.alloc_zeros::<f32>(5 * 8)?, device.alloc_from(&[4u32, 5])?);
    let mut out = device.alloc_zeros::<f32>(16)?;
    embed(&stream, &mut out, &table, &ids, 8)?;
    let error = out.to_host(&device).unwrap_err();
    assert!(matches!(error, firesteel::Error::Fault { .. }), "{error}");
    assert!(error.to_string().contains("`table` of length 40"), "{error}");
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (table, ids) = (device.alloc_zeros::<f32>(41)?, device.alloc_zeros::<u32>(2)?);
    let mut out = device.alloc_zeros::<f32>(16)?;
    let error = embed(&stream, &mut out, &table, &ids, 8).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "table", want: 48, got: 41 }), "{error}");
    let error = embed(&stream, &mut out, &table, &ids, 4).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "out", want: 8, got: 16 }), "{error}");
    let blocks = device.alloc_zeros::<u8>(36)?;
    let error = embed_quantized(&stream, Format::Q4_0, &mut out, &blocks, &ids, 8).unwrap_err();
    assert!(matches!(error, Error::Row { block: 32, got: 8, .. }), "{error}");
    Ok(())
}
