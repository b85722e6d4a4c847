//! Tensor maps on their way into kernels.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 32, arch = "sm_90")]
fn between(n: u32, a: &TensorMap<bf16, 2>, y: &mut [u32], c: &mut TensorMap<f32, 3>, last: u64) {
    prefetch_tensor_map(a);
    prefetch(c);
    if thread_idx_x() == 0 {
        y[0] = n;
        y[1] = last as u32;
    }
}

/// A device function takes a map as it takes a slice.
#[gpu_fn]
fn prefetch(map: &TensorMap<f32, 3>) {
    prefetch_tensor_map(map);
}

/// Whether the device has tensor maps.
fn has_maps(device: &Device) -> bool {
    device.info().unwrap().compute_capability >= (9, 0)
}

#[test]
fn arguments_beside_a_map_arrive() -> Result<()> {
    let device = crate::device();
    if !has_maps(&device) {
        return Ok(());
    }
    let a = device.alloc_zeros::<bf16>(64 * 64)?;
    let mut c = device.alloc_zeros::<f32>(32 * 32 * 4)?;
    let mut y = device.alloc_zeros(2)?;
    let map = TensorMap::tiled(&a, Tiling::new([64, 64], [64, 8]).swizzle(Swizzle::B128))?;
    let mut out = TensorMapMut::tiled(&mut c, Tiling::new([32, 32, 4], [32, 8, 1]))?;
    between::launch(&device, 3, &map, &mut y, &mut out, 7)?;
    assert_eq!(y.to_host(&device)?, [3, 7]);
    Ok(())
}

/// Copies the 16 words of its map to `out`.
const WORDS: &str = "
    .version 8.0
    .target sm_90
    .address_size 64
    .visible .entry words(.param .align 64 .b8 map[128], .param .u64 out) {
        .reg .b32 %r<2>;
        .reg .b64 %rd<6>;
        ld.param.u64 %rd0, [out];
        mov.u32 %r0, %tid.x;
        mul.wide.u32 %rd1, %r0, 8;
        mov.b64 %rd2, map;
        cvta.param.u64 %rd3, %rd2;
        add.u64 %rd3, %rd3, %rd1;
        ld.u64 %rd4, [%rd3];
        add.u64 %rd5, %rd0, %rd1;
        st.global.u64 [%rd5], %rd4;
        ret;
    }";

#[test]
fn foreign_kernels_take_all_words_of_a_map() -> Result<()> {
    let device = crate::device();
    if !has_maps(&device) {
        return Ok(());
    }
    let kernel = device.load_ptx(WORDS)?.kernel("words")?;
    let a = device.alloc_zeros::<f32>(1024)?;
    let words = |tiling: Tiling<2>| -> Result<Vec<u64>> {
        let map = TensorMap::tiled(&a, tiling)?;
        let out = device.alloc_zeros::<u64>(16)?;
        let args = [Arg::from(&map), Arg::from(&out)];
        kernel.launch(&device.stream(), [1; 3], [16, 1, 1], &args)?;
        out.to_host(&device)
    };
    let whole = Tiling::new([32, 32], [32, 8]);
    let (first, again) = (words(whole)?, words(whole)?);
    assert_eq!(first, again);
    assert_ne!(first, words(whole.swizzle(Swizzle::B128))?);
    // The address is in the map, wherever the device keeps it.
    assert_ne!(first, words(Tiling::new([32, 31], [32, 8]).offset(32))?);
    Ok(())
}

#[test]
fn a_map_of_another_device_is_refused() -> Result<()> {
    let (here, there) = (Device::sim(), Device::sim());
    let (a, mut c) = (there.alloc_zeros::<bf16>(64)?, here.alloc_zeros::<f32>(64)?);
    let mut y = here.alloc_zeros(2)?;
    let map = TensorMap::tiled(&a, Tiling::new([8, 8], [8, 8]))?;
    let mut out = TensorMapMut::tiled(&mut c, Tiling::new([4, 4, 4], [4, 4, 4]))?;
    let error = between::launch(&here, 3, &map, &mut y, &mut out, 7).unwrap_err();
    assert!(matches!(error, Error::OtherDevice { .. }), "{error}");
    assert!(error.to_string().contains("argument `a` of kernel `between`"), "{error}");
    Ok(())
}
