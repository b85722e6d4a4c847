//! Block formats of weights: their layouts, packing and unpacking, against ggml's.

mod errors;
mod golden;
mod pack;
mod unpack;

use firesteel_kernels::quant::{self, Format, UnknownFormat};
use firesteel_tests::ptxas;

#[test]
fn kernels_assemble_without_spills() {
    for text in quant::ptx() {
        ptxas::demand(text, &[]);
    }
}

#[test]
fn formats_have_the_names_numbers_and_sizes_of_ggml() {
    let sizes =
        Format::ALL.iter().map(|it| (it.name(), it.ggml_type(), it.block_len(), it.block_bytes()));
    let want = [
        ("q4_0", 2, 32, 18),
        ("q4_1", 3, 32, 20),
        ("q5_0", 6, 32, 22),
        ("q5_1", 7, 32, 24),
        ("q8_0", 8, 32, 34),
        ("q8_1", 9, 32, 36),
        ("q2_K", 10, 256, 84),
        ("q3_K", 11, 256, 110),
        ("q4_K", 12, 256, 144),
        ("q5_K", 13, 256, 176),
        ("q6_K", 14, 256, 210),
        ("q8_K", 15, 256, 292),
    ];
    assert!(sizes.eq(want));
    for &format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
        assert_eq!(format.name().to_uppercase().parse(), Ok(format));
        assert_eq!(Format::try_from(format.ggml_type()), Ok(format));
    }
    let error = "q7_K".parse::<Format>().unwrap_err();
    assert_eq!(error, UnknownFormat::Name("q7_K".to_owned()));
    assert!(error.to_string().contains("`q7_K`") && error.to_string().contains("`q6_K`"));
    assert_eq!(Format::try_from(4), Err(UnknownFormat::Type(4)));
}

#[test]
fn scales_of_six_bits_share_twelve_bytes() {
    let bytes = [0xc1, 0x82, 0x43, 0x04, 0x05, 0x46, 0x87, 0xc8, 0x21, 0x43, 0x65, 0x87];
    let byte = |k: u32| bytes[k as usize];
    let scales: Vec<u32> = (0..8).map(|j| quant::scale_of(byte, j)).collect();
    let mins: Vec<u32> = (0..8).map(|j| quant::min_of(byte, j)).collect();
    assert_eq!(scales, [1, 2, 3, 4, 1 + 48, 3 + 32, 5 + 16, 7]);
    assert_eq!(mins, [5, 6, 7, 8, 2, 4 + 16, 6 + 32, 8 + 48]);
}
