use super::*;
use crate::device::Device;
use crate::error::Error;

fn fault<T: TensorElement, const RANK: usize>(len: usize, tiling: Tiling<RANK>) -> TensorMapFault {
    let buffer = Device::sim().alloc_zeros::<T>(len).unwrap();
    match TensorMap::tiled(&buffer, tiling) {
        Err(Error::TensorMap(fault)) => *fault,
        other => panic!("wanted a fault of the map, got {other:?}"),
    }
}

fn tensor<T: TensorElement, const RANK: usize>(len: usize, tiling: Tiling<RANK>) -> sim::TensorMap {
    let buffer = Device::sim().alloc_zeros::<T>(len).unwrap();
    let map = TensorMap::tiled(&buffer, tiling).unwrap();
    let mut tensor = sim::TensorMap::from_words(&map.map().words.0).unwrap();
    tensor.address -= buffer.address();
    tensor
}

#[test]
fn a_dense_tensor_has_the_strides_of_its_dimensions() {
    let got = tensor::<f16, 3>(64 * 3 * 5, Tiling::new([64, 3, 5], [64, 2, 1]));
    assert_eq!((got.address, got.rank, got.element), (0, 3, sim::Element::F16));
    assert_eq!(got.dims[..3], [64, 3, 5]);
    assert_eq!(got.strides[..2], [128, 384]);
    assert_eq!(got.box_dims[..3], [64, 2, 1]);
}

#[test]
fn a_part_of_a_buffer_has_offset_and_strides() {
    let part = Tiling::new([8, 3], [8, 3]).strides([1, 12]).offset(4).swizzle(Swizzle::B32);
    // The last element is 4 + 7 + 2 * 12.
    let got = tensor::<f32, 2>(36, part);
    assert_eq!((got.address, got.strides[0], got.swizzle), (16, 48, sim::Swizzle::B32));
    assert_eq!(fault::<f32, 2>(35, part), TensorMapFault::Bounds { want: Some(36), got: 35 });
}

#[test]
fn the_dimension_at_fault_is_named() {
    use TensorMapFault as F;
    let dims = [64, 64];
    assert_eq!(
        fault::<f32, 2>(4096, Tiling::new([64, 0], [4, 4])),
        F::Dimension { dim: 1, got: 0 }
    );
    assert_eq!(fault::<f32, 2>(4096, Tiling::new(dims, [4, 257])), F::Box { dim: 1, got: 257 });
    assert_eq!(fault::<f32, 2>(4096, Tiling::new(dims, [0, 4])), F::Box { dim: 0, got: 0 });
    let odd = fault::<u8, 2>(4096, Tiling::new(dims, [24, 4]));
    assert_eq!(odd, F::BoxRow { elements: 24, bytes: 24 });
    let wide = Tiling::new(dims, [32, 4]).swizzle(Swizzle::B64);
    assert_eq!(fault::<f32, 2>(4096, wide), F::SwizzledRow { bytes: 128, most: 64 });
    let sparse = Tiling::new(dims, [4, 4]).strides([2, 64]);
    assert_eq!(fault::<f32, 2>(8192, sparse), F::InnerStride { got: 2 });
    let odd = Tiling::new([62, 64], [4, 4]);
    let want = F::Stride { dim: 1, elements: 62, bytes: Some(248) };
    assert_eq!(fault::<f32, 2>(4096, odd), want);
    let late = Tiling::new([60], [4]).offset(2);
    assert_eq!(fault::<f32, 1>(64, late), F::Offset { elements: 2, bytes: 8 });
    assert_eq!(fault::<i32, 1>(64, Tiling::new([64], [4]).nan_fill()), F::NanFill);
    assert_eq!(fault::<f32, 6>(64, Tiling::new([1; 6], [4; 6])), F::Rank { got: 6 });
}

#[test]
fn sizes_that_overflow_are_out_of_bounds() {
    let huge = Tiling::new([4, 1 << 32], [4, 4]).strides([1, 1 << 37]);
    assert_eq!(fault::<f32, 2>(64, huge), TensorMapFault::Bounds { want: None, got: 64 });
    let far = Tiling::new([4], [4]).offset(u64::MAX);
    assert_eq!(fault::<f32, 1>(64, far), TensorMapFault::Bounds { want: None, got: 64 });
    let dense = Tiling::new([1 << 32; 5], [16, 1, 1, 1, 1]);
    assert!(matches!(fault::<u8, 5>(64, dense), TensorMapFault::Stride { dim: 2, .. }));
}

#[test]
fn a_fault_reads_as_a_sentence() {
    let fault = fault::<f32, 2>(4096, Tiling::new([62, 64], [4, 4]));
    assert_eq!(
        Error::TensorMap(Box::new(fault)).to_string(),
        "the stride of dimension 1, 62 elements, is 248 bytes, which must be a multiple of 16\n\
         help: pad the rows of the buffer, or use several maps"
    );
}

#[test]
fn a_box_has_the_bytes_of_its_elements() {
    assert_eq!(Tiling::new([64, 64], [32, 8]).box_bytes::<bf16>(), 512);
}
