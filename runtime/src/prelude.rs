//! What a program with kernels names: `use firesteel::prelude::*;`.

pub use half::{bf16, f16};

pub use crate::{
    Arg, Device, DeviceCopy, Error, Event, GpuBuffer, Graph, Grid, LaunchConfig, PinnedBuffer,
    Result, Stream, Swizzle, TensorMap, TensorMapMut, Tiling, bf16x2, e4m3, e5m2, f16x2, gpu_const,
    gpu_fn, gpu_instantiate, gpu_kernel, gpu_struct, i4x8, u4x8,
};
