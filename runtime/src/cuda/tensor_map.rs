//! Encoding of tensor maps.

use std::ptr;

use cudarc::driver::sys::{
    self, CUtensorMapDataType as DataType, CUtensorMapFloatOOBfill as Fill,
    CUtensorMapInterleave as Interleave, CUtensorMapL2promotion as Promotion,
    CUtensorMapSwizzle as DriverSwizzle,
};

use super::Context;
use super::driver::{check, require};
use crate::error::Result;
use crate::tensor_map::{ElementKind, L2Promotion, Swizzle, Tensor, Words};

/// The first version of CUDA with `cuTensorMapEncodeTiled`.
const TENSOR_MAPS: (u32, u32) = (12, 0);

/// The map as the hardware reads it.
pub(crate) fn encode_tiled(context: &Context, tensor: &Tensor) -> Result<Words> {
    require(TENSOR_MAPS)?;
    context.bind()?;
    let mut map = sys::CUtensorMap { opaque: [0; 16] };
    let fill = match tensor.nan_fill {
        true => Fill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA,
        false => Fill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
    };
    // SAFETY: Current, and the driver has the function. `map` is a place for a map, aligned as its
    // type is; the arrays have at least the `rank` (of the strides `rank - 1`) elements that are
    // read before the call returns. The address is only noted.
    let code = unsafe {
        sys::cuTensorMapEncodeTiled(
            &mut map,
            data_type(tensor.kind),
            tensor.rank,
            ptr::without_provenance_mut(tensor.address as usize),
            tensor.dims.as_ptr(),
            tensor.strides.as_ptr(),
            tensor.box_dims.as_ptr(),
            [1; 5].as_ptr(),
            Interleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
            swizzle(tensor.swizzle),
            promotion(tensor.l2_promotion),
            fill,
        )
    };
    check("cuTensorMapEncodeTiled", code)?;
    Ok(Words(map.opaque))
}

fn data_type(kind: ElementKind) -> DataType {
    match kind {
        ElementKind::U8 => DataType::CU_TENSOR_MAP_DATA_TYPE_UINT8,
        ElementKind::U16 => DataType::CU_TENSOR_MAP_DATA_TYPE_UINT16,
        ElementKind::U32 => DataType::CU_TENSOR_MAP_DATA_TYPE_UINT32,
        ElementKind::I32 => DataType::CU_TENSOR_MAP_DATA_TYPE_INT32,
        ElementKind::U64 => DataType::CU_TENSOR_MAP_DATA_TYPE_UINT64,
        ElementKind::I64 => DataType::CU_TENSOR_MAP_DATA_TYPE_INT64,
        ElementKind::F16 => DataType::CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
        ElementKind::Bf16 => DataType::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
        ElementKind::F32 => DataType::CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
        ElementKind::F64 => DataType::CU_TENSOR_MAP_DATA_TYPE_FLOAT64,
    }
}

fn swizzle(swizzle: Swizzle) -> DriverSwizzle {
    match swizzle {
        Swizzle::None => DriverSwizzle::CU_TENSOR_MAP_SWIZZLE_NONE,
        Swizzle::B32 => DriverSwizzle::CU_TENSOR_MAP_SWIZZLE_32B,
        Swizzle::B64 => DriverSwizzle::CU_TENSOR_MAP_SWIZZLE_64B,
        Swizzle::B128 => DriverSwizzle::CU_TENSOR_MAP_SWIZZLE_128B,
    }
}

fn promotion(promotion: L2Promotion) -> Promotion {
    match promotion {
        L2Promotion::None => Promotion::CU_TENSOR_MAP_L2_PROMOTION_NONE,
        L2Promotion::B64 => Promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_64B,
        L2Promotion::B128 => Promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
        L2Promotion::B256 => Promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
    }
}
