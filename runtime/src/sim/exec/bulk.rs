//! Bulk copies. PTX ISA, "Data Movement and Conversion Instructions: Bulk copy" and "Tensor
//! copy".

use firesteel_ptx::isa::*;

use super::{Decoded, Decoder};
use crate::sim::program::Action;

/// What is wanted of the cluster, whose blocks run alone.
fn cluster() -> Decoded {
    Err("copies to other blocks of a cluster are not simulated".to_owned())
}

fn unknown() -> Decoded {
    Err("bulk copies are not simulated".to_owned())
}

pub(super) fn cp_async_bulk_load(_: &mut Decoder<'_>, _: &CpAsyncBulkLoad) -> Decoded {
    unknown()
}

pub(super) fn cp_async_bulk_multicast(_: &mut Decoder<'_>, _: &CpAsyncBulkMulticast) -> Decoded {
    cluster()
}

pub(super) fn cp_async_bulk_share(_: &mut Decoder<'_>, _: &CpAsyncBulkShare) -> Decoded {
    cluster()
}

pub(super) fn cp_async_bulk_store(_: &mut Decoder<'_>, _: &CpAsyncBulkStore) -> Decoded {
    unknown()
}

pub(super) fn cp_reduce_async_bulk(_: &mut Decoder<'_>, _: &CpReduceAsyncBulk) -> Decoded {
    unknown()
}

/// There is no cache to fill.
pub(super) fn cp_async_bulk_prefetch(_: &mut Decoder<'_>, _: &CpAsyncBulkPrefetch) -> Decoded {
    Ok(Action::Nothing)
}

pub(super) fn cp_async_bulk_tensor_load(_: &mut Decoder<'_>, _: &CpAsyncBulkTensorLoad) -> Decoded {
    unknown()
}

pub(super) fn cp_async_bulk_tensor_multicast(
    _: &mut Decoder<'_>,
    _: &CpAsyncBulkTensorMulticast,
) -> Decoded {
    cluster()
}

pub(super) fn cp_async_bulk_tensor_store(
    _: &mut Decoder<'_>,
    _: &CpAsyncBulkTensorStore,
) -> Decoded {
    unknown()
}

pub(super) fn cp_reduce_async_bulk_tensor(
    _: &mut Decoder<'_>,
    _: &CpReduceAsyncBulkTensor,
) -> Decoded {
    unknown()
}

pub(super) fn cp_async_bulk_tensor_prefetch(
    _: &mut Decoder<'_>,
    _: &CpAsyncBulkTensorPrefetch,
) -> Decoded {
    Ok(Action::Nothing)
}

pub(super) fn cp_async_bulk_commit(_: &mut Decoder<'_>, _: &CpAsyncBulkCommit) -> Decoded {
    unknown()
}

pub(super) fn cp_async_bulk_wait(_: &mut Decoder<'_>, _: &CpAsyncBulkWait) -> Decoded {
    unknown()
}
