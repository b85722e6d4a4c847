//! Copies of whole boxes of tensors.

use firesteel_ptx::isa::{
    CpAsyncBulkCommit, CpAsyncBulkTensorLoad, CpAsyncBulkTensorMulticast,
    CpAsyncBulkTensorPrefetch, CpAsyncBulkTensorStore, CpAsyncBulkWait, CpReduceAsyncBulkTensor,
};
use firesteel_ptx::modifier::{
    BulkGroup, BulkOp, BulkPrefetchRoute, BulkRoute, BulkStoreRoute, CacheHint, CompleteTx,
    Multicast, ReadOnly, TensorDim,
};
use firesteel_ptx::operand::{TensorAddr, Use};

use super::super::val::Address;
use super::super::{Lower, Operand, Val};
use super::async_copy::element;
use super::memory::hinted;
use crate::hir::{Arg, Call, Op, Scalar, SpanRange, Ty};

impl Lower<'_> {
    pub(super) fn tma(&mut self, call: &Call, _ty: &Ty, span: SpanRange) -> Val {
        match call.op {
            Op::TmaCommit => self.emit(CpAsyncBulkCommit {}),
            Op::TmaWait => self.tma_wait(call, None),
            Op::TmaWaitRead => self.tma_wait(call, Some(ReadOnly::Read)),
            Op::TmaLoad | Op::TmaLoadPolicy => self.tma_load(call, span),
            Op::TmaLoadMulticast | Op::TmaLoadMulticastPolicy => {
                self.tma_load_multicast(call, span);
            }
            Op::TmaStore | Op::TmaStorePolicy => self.tma_store(call, span),
            Op::TmaReduceAdd => self.tma_reduce(call, span),
            Op::TmaPrefetch => self.tma_prefetch(call),
            other => unreachable!("`{other:?}` copies no box"),
        }
        Val::unit()
    }

    fn tma_wait(&mut self, call: &Call, read: Option<ReadOnly>) {
        let groups = self.operands_of(call).pop().unwrap_or(Operand::Int(0));
        self.emit(CpAsyncBulkWait { read, n: Use(groups) });
    }

    /// The elements of shared memory among the arguments, in order.
    fn shared_elements(&mut self, call: &Call, span: SpanRange) -> Vec<Address> {
        let places: Vec<_> = call.args.iter().filter_map(element).collect();
        places.into_iter().map(|(memory, index)| self.element(memory, index, 1, span)).collect()
    }

    /// The box of a tensor: its map and where it begins, and the other arguments by value.
    fn tensor_box(&mut self, call: &Call) -> (TensorDim, TensorAddr, Vec<Operand>) {
        let param = call.args.iter().find_map(Arg::map);
        let param = param.unwrap_or_else(|| unreachable!("`{:?}` has a tensor map", call.op));
        let mut values = self.values(call).into_iter();
        let coords = values.next().map(Val::into_parts).unwrap_or_default();
        let map = Operand::Reg(self.map_address(param));
        let dim = TensorDim::of(coords.len()).unwrap_or(TensorDim::D1);
        (dim, TensorAddr { map, coords }, values.map(|val| val.one()).collect())
    }

    /// The policy of a call that has one, the last of its other arguments.
    fn tensor_policy(
        &mut self,
        call: &Call,
        others: &mut Vec<Operand>,
    ) -> (Option<CacheHint>, Option<Use>) {
        let has_one =
            matches!(call.op, Op::TmaLoadPolicy | Op::TmaLoadMulticastPolicy | Op::TmaStorePolicy);
        hinted(has_one.then(|| self.policy_of(others)))
    }

    fn tma_load(&mut self, call: &Call, span: SpanRange) {
        let (dim, from, mut others) = self.tensor_box(call);
        let (hint, policy) = self.tensor_policy(call, &mut others);
        let [to, barrier] = two(self.shared_elements(call, span));
        self.emit(CpAsyncBulkTensorLoad {
            dim,
            route: BulkRoute::Cluster,
            mode: None,
            tx: CompleteTx::Bytes,
            hint,
            to: to.addr,
            from,
            barrier: barrier.addr,
            policy,
        });
    }

    fn tma_load_multicast(&mut self, call: &Call, span: SpanRange) {
        let (dim, from, mut others) = self.tensor_box(call);
        let (hint, policy) = self.tensor_policy(call, &mut others);
        let [to, barrier] = two(self.shared_elements(call, span));
        let mask = others.first().cloned().unwrap_or(Operand::Int(0));
        let mask = self.convert(mask, Scalar::U32, Scalar::U16);
        let mask = Use(self.in_reg(&mask, Scalar::U16).into());
        self.emit(CpAsyncBulkTensorMulticast {
            dim,
            route: BulkRoute::Cluster,
            mode: None,
            tx: CompleteTx::Bytes,
            multicast: Multicast::Cluster,
            hint,
            to: to.addr,
            from,
            barrier: barrier.addr,
            mask,
            policy,
        });
    }

    fn tma_store(&mut self, call: &Call, span: SpanRange) {
        let (dim, to, mut others) = self.tensor_box(call);
        let (hint, policy) = self.tensor_policy(call, &mut others);
        let from = one(self.shared_elements(call, span)).addr;
        let (route, mode, group) = (BulkStoreRoute::Global, None, BulkGroup::Group);
        self.emit(CpAsyncBulkTensorStore { dim, route, mode, group, hint, to, from, policy });
    }

    fn tma_reduce(&mut self, call: &Call, span: SpanRange) {
        let (dim, to, _) = self.tensor_box(call);
        let from = one(self.shared_elements(call, span)).addr;
        let (route, op, group) = (BulkStoreRoute::Global, BulkOp::Add, BulkGroup::Group);
        let (mode, hint, policy) = (None, None, None);
        self.emit(CpReduceAsyncBulkTensor { dim, route, op, mode, group, hint, to, from, policy });
    }

    fn tma_prefetch(&mut self, call: &Call) {
        let (dim, from, _) = self.tensor_box(call);
        let (route, mode, hint, policy) = (BulkPrefetchRoute::L2, None, None, None);
        self.emit(CpAsyncBulkTensorPrefetch { dim, route, mode, hint, from, policy });
    }
}

fn one(places: Vec<Address>) -> Address {
    let [place] = <[Address; 1]>::try_from(places)
        .unwrap_or_else(|places| unreachable!("{} places instead of one", places.len()));
    place
}

fn two(places: Vec<Address>) -> [Address; 2] {
    <[Address; 2]>::try_from(places)
        .unwrap_or_else(|places| unreachable!("{} places instead of two", places.len()))
}
