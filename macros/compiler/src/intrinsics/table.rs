//! The table of intrinsics.
//!
//! An operation, the lowest architecture that has it, and the Rust functions that mean it.
//! `lower` sees the [`Op`] and the arguments, with the types of the arguments; it never sees a
//! name. Where two forms of one operation differ in arguments, the short one names what is
//! filled in: `free(mask)` puts the mask of all lanes first, `free(relaxed)` appends the device's
//! scope and the relaxed order.
//!
//! Kinds: `free` and `kaio` functions, `fast` functions in a module of that name, `method`s that
//! Rust's scalars have, `extension` methods that they do not have, `assoc`iated
//! functions, and those that pairs alone have.

use super::{Class, Fill, Kind, OpRow, Row, Section};

macro_rules! kind {
    (free) => {
        Kind::Free
    };
    (kaio) => {
        Kind::Kaio
    };
    (method) => {
        Kind::Method
    };
    (extension) => {
        Kind::Extension
    };
    (fast) => {
        Kind::Fast
    };
    (assoc) => {
        Kind::Associated
    };
    (pair) => {
        Kind::Pair
    };
    (pair_method) => {
        Kind::PairMethod
    };
}

macro_rules! fill {
    () => {
        Fill::Nothing
    };
    (mask) => {
        Fill::FullMask
    };
    (relaxed) => {
        Fill::Relaxed
    };
}

macro_rules! intrinsics {
    ($(
        $title:literal $intro:literal;
        $(
            $op:ident $sm:literal {
                $(
                    $(#[doc = $doc:literal])*
                    $kind:ident $(($fill:ident))? fn $name:ident
                    $(<$($generic:ident: $class:ident),*>)?
                    ($($param:ident: $ty:ty),*) $(-> $ret:ty)?;
                )+
            }
        )+
    )+) => {
        /// What an intrinsic does, whatever it is called.
        ///
        /// The arguments of each are those of its longest form in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the rows of the table document them")]
        pub enum Op {
            $($($op,)+)+
        }

        /// The table.
        pub static SECTIONS: &[Section] = &[$(
            Section {
                title: $title,
                intro: $intro,
                ops: &[$(
                    OpRow {
                        op: Op::$op,
                        sm: $sm,
                        rows: &[$(
                            Row {
                                op: Op::$op,
                                kind: kind!($kind),
                                fill: fill!($($fill)?),
                                name: stringify!($name),
                                generics: &[$($((stringify!($generic), Class::$class)),*)?],
                                params: &[$((stringify!($param), stringify!($ty))),*],
                                ret: concat!($(stringify!($ret))?),
                                doc: &[$($doc),*],
                                sm: $sm,
                            },
                        )+],
                    },
                )+],
            },
        )+];
    };
}

intrinsics! {
    "Indices"
    "Where the thread is. All are `u32`.";

    ThreadIdxX 50 {
        /// The index of the thread in its block along x.
        kaio fn thread_idx_x() -> u32;
    }
    ThreadIdxY 50 {
        /// The index of the thread in its block along y.
        kaio fn thread_idx_y() -> u32;
    }
    ThreadIdxZ 50 {
        /// The index of the thread in its block along z.
        kaio fn thread_idx_z() -> u32;
    }
    BlockIdxX 50 {
        /// The index of the block in the grid along x.
        kaio fn block_idx_x() -> u32;
    }
    BlockIdxY 50 {
        /// The index of the block in the grid along y.
        kaio fn block_idx_y() -> u32;
    }
    BlockIdxZ 50 {
        /// The index of the block in the grid along z.
        kaio fn block_idx_z() -> u32;
    }
    BlockDimX 50 {
        /// The number of threads of a block along x.
        kaio fn block_dim_x() -> u32;
    }
    BlockDimY 50 {
        /// The number of threads of a block along y.
        kaio fn block_dim_y() -> u32;
    }
    BlockDimZ 50 {
        /// The number of threads of a block along z.
        kaio fn block_dim_z() -> u32;
    }
    GridDimX 50 {
        /// The number of blocks of the grid along x.
        kaio fn grid_dim_x() -> u32;
    }
    GridDimY 50 {
        /// The number of blocks of the grid along y.
        kaio fn grid_dim_y() -> u32;
    }
    GridDimZ 50 {
        /// The number of blocks of the grid along z.
        kaio fn grid_dim_z() -> u32;
    }
    LaneId 50 {
        /// The index of the thread in its warp, 0 to 31.
        free fn lane_id() -> u32;
    }
    WarpId 50 {
        /// The index of the warp in its block: threads count x first, then y, then z.
        free fn warp_id() -> u32;
    }
    WarpsPerBlock 50 {
        /// The number of warps of a block, the last perhaps not full.
        free fn warps_per_block() -> u32;
    }
    ThreadRank 50 {
        /// The index of the thread in its block as one number: x first, then y, then z.
        free fn thread_rank() -> u32;
    }
    LaneMaskLt 50 {
        /// The mask of the lanes below this one.
        free fn lane_mask_lt() -> u32;
    }
    LaneMaskLe 50 {
        /// The mask of the lanes up to this one.
        free fn lane_mask_le() -> u32;
    }
    LaneMaskEq 50 {
        /// The mask of this lane alone.
        free fn lane_mask_eq() -> u32;
    }
    LaneMaskGe 50 {
        /// The mask of the lanes from this one on.
        free fn lane_mask_ge() -> u32;
    }
    LaneMaskGt 50 {
        /// The mask of the lanes above this one.
        free fn lane_mask_gt() -> u32;
    }

    "Barriers and fences"
    "A barrier that only some of its threads reach is an error: the simulator reports it, a GPU hangs.";

    BarSync 50 {
        /// Waits for all threads of the block; what they wrote before is seen after.
        kaio fn bar_sync();
    }
    BarSyncNamed 70 {
        /// Waits at barrier `id` (1 to 15) until `threads` threads have come, a multiple of 32.
        free fn bar_sync_named(id: u32, threads: u32);
    }
    BarArrive 70 {
        /// Counts this thread's warp at barrier `id` without waiting.
        free fn bar_arrive(id: u32, threads: u32);
    }
    BarAny 50 {
        /// A block barrier that tells whether `predicate` holds for any thread.
        free fn bar_any(predicate: bool) -> bool;
    }
    BarAll 50 {
        /// A block barrier that tells whether `predicate` holds for all threads.
        free fn bar_all(predicate: bool) -> bool;
    }
    BarCount 50 {
        /// A block barrier that tells for how many threads `predicate` holds.
        free fn bar_count(predicate: bool) -> u32;
    }
    WarpSync 70 {
        /// Waits for all lanes of the warp.
        free(mask) fn warp_sync();
        /// Waits for the lanes in `mask`.
        free fn warp_sync_mask(mask: u32);
    }
    FenceBlock 50 {
        /// What this thread wrote before is seen by its block before what it writes after.
        free fn fence_block();
    }
    FenceDevice 50 {
        /// The same for all threads of the device.
        free fn fence_device();
    }
    FenceSystem 50 {
        /// The same for all devices and the host.
        free fn fence_system();
    }

    "Warp shuffles"
    "Each lane gets the value of another lane. `width` is a power of two up to 32 and splits the warp into parts that do not see each other; a lane outside of the part gives back the own value. The short forms need all 32 lanes.";

    ShflDown 70 {
        /// The value of the lane `delta` above.
        kaio(mask) fn shfl_sync_down<T: Scalar>(value: T, delta: u32, width: u32) -> T;
        /// The value of the lane `delta` above. Only the lanes in `mask` take part.
        free fn shfl_down_mask<T: Scalar>(mask: u32, value: T, delta: u32, width: u32) -> T;
    }
    ShflUp 70 {
        /// The value of the lane `delta` below.
        kaio(mask) fn shfl_sync_up<T: Scalar>(value: T, delta: u32, width: u32) -> T;
        /// The value of the lane `delta` below. Only the lanes in `mask` take part.
        free fn shfl_up_mask<T: Scalar>(mask: u32, value: T, delta: u32, width: u32) -> T;
    }
    ShflBfly 70 {
        /// The value of the lane whose index differs in the bits of `lane_mask`.
        kaio(mask) fn shfl_sync_bfly<T: Scalar>(value: T, lane_mask: u32, width: u32) -> T;
        /// The value of the lane whose index differs in the bits of `lane_mask`. Only the lanes in `mask` take part.
        free fn shfl_bfly_mask<T: Scalar>(mask: u32, value: T, lane_mask: u32, width: u32) -> T;
    }
    ShflIdx 70 {
        /// The value of the lane `lane` of the part.
        free(mask) fn shfl_sync_idx<T: Scalar>(value: T, lane: u32, width: u32) -> T;
        /// The value of the lane `lane` of the part. Only the lanes in `mask` take part.
        free fn shfl_idx_mask<T: Scalar>(mask: u32, value: T, lane: u32, width: u32) -> T;
    }

    "Votes and matches"
    "Over the lanes of a warp. The short forms need all 32 lanes.";

    VoteAny 70 {
        /// Whether `predicate` holds in any lane.
        free(mask) fn vote_any(predicate: bool) -> bool;
        /// Whether `predicate` holds in any lane. Only the lanes in `mask` take part.
        free fn vote_any_mask(mask: u32, predicate: bool) -> bool;
    }
    VoteAll 70 {
        /// Whether `predicate` holds in all lanes.
        free(mask) fn vote_all(predicate: bool) -> bool;
        /// Whether `predicate` holds in all lanes. Only the lanes in `mask` take part.
        free fn vote_all_mask(mask: u32, predicate: bool) -> bool;
    }
    VoteUni 70 {
        /// Whether `predicate` is the same in all lanes.
        free(mask) fn vote_uni(predicate: bool) -> bool;
        /// Whether `predicate` is the same in all lanes. Only the lanes in `mask` take part.
        free fn vote_uni_mask(mask: u32, predicate: bool) -> bool;
    }
    Ballot 70 {
        /// The mask of the lanes in which `predicate` holds.
        free(mask) fn ballot(predicate: bool) -> u32;
        /// The mask of the lanes in which `predicate` holds. Only the lanes in `mask` take part.
        free fn ballot_mask(mask: u32, predicate: bool) -> u32;
    }
    ActiveMask 70 {
        /// The mask of the lanes that execute this together.
        free fn active_mask() -> u32;
    }
    MatchAny 70 {
        /// The mask of the lanes that have the same value as this one.
        free(mask) fn match_any<T: Word>(value: T) -> u32;
        /// The same among the lanes in `mask`.
        free fn match_any_mask<T: Word>(mask: u32, value: T) -> u32;
    }
    MatchAll 70 {
        /// The mask of all lanes and `true` if all have the same value, else 0 and `false`.
        free(mask) fn match_all<T: Word>(value: T) -> (u32, bool);
        /// The same among the lanes in `mask`.
        free fn match_all_mask<T: Word>(mask: u32, value: T) -> (u32, bool);
    }

    "Reductions"
    "Every thread gets the result. A warp reduction needs all lanes of the warp, a block reduction all threads of the block and any number of block reductions may follow each other. Floats are combined in a fixed order, so the result is the same in each run.";

    WarpReduceSum 70 {
        /// The sum of the values of the warp.
        kaio fn warp_reduce_sum<T: Number>(value: T) -> T;
    }
    WarpReduceMax 70 {
        /// The largest of the values of the warp.
        kaio fn warp_reduce_max<T: Number>(value: T) -> T;
    }
    WarpReduceMin 70 {
        /// The smallest of the values of the warp.
        kaio fn warp_reduce_min<T: Number>(value: T) -> T;
    }
    BlockReduceSum 70 {
        /// The sum of the values of the block. Contains barriers.
        kaio fn block_reduce_sum<T: Number>(value: T) -> T;
    }
    BlockReduceMax 70 {
        /// The largest of the values of the block. Contains barriers.
        kaio fn block_reduce_max<T: Number>(value: T) -> T;
    }
    BlockReduceMin 70 {
        /// The smallest of the values of the block. Contains barriers.
        kaio fn block_reduce_min<T: Number>(value: T) -> T;
    }
    ReduxAdd 80 {
        /// The sum, wrapping of the values of the warp, in one instruction.
        free(mask) fn redux_add<T: Int32>(value: T) -> T;
        /// The same among the lanes in `mask`.
        free fn redux_add_mask<T: Int32>(mask: u32, value: T) -> T;
    }
    ReduxMin 80 {
        /// The smallest of the values of the warp, in one instruction.
        free(mask) fn redux_min<T: Int32>(value: T) -> T;
        /// The same among the lanes in `mask`.
        free fn redux_min_mask<T: Int32>(mask: u32, value: T) -> T;
    }
    ReduxMax 80 {
        /// The largest of the values of the warp, in one instruction.
        free(mask) fn redux_max<T: Int32>(value: T) -> T;
        /// The same among the lanes in `mask`.
        free fn redux_max_mask<T: Int32>(mask: u32, value: T) -> T;
    }
    ReduxAnd 80 {
        /// The bitwise and of the values of the warp, in one instruction.
        free(mask) fn redux_and<T: Int32>(value: T) -> T;
        /// The same among the lanes in `mask`.
        free fn redux_and_mask<T: Int32>(mask: u32, value: T) -> T;
    }
    ReduxOr 80 {
        /// The bitwise or of the values of the warp, in one instruction.
        free(mask) fn redux_or<T: Int32>(value: T) -> T;
        /// The same among the lanes in `mask`.
        free fn redux_or_mask<T: Int32>(mask: u32, value: T) -> T;
    }
    ReduxXor 80 {
        /// The bitwise exclusive or of the values of the warp, in one instruction.
        free(mask) fn redux_xor<T: Int32>(value: T) -> T;
        /// The same among the lanes in `mask`.
        free fn redux_xor_mask<T: Int32>(mask: u32, value: T) -> T;
    }

    "Atomics"
    "On an element of a slice or of a shared array, given as `&mut y[i]`. They return the value before. The short forms are relaxed and atomic among all threads of the device; the `_with` forms say the scope (`Scope::Block`, `Scope::Device`, `Scope::System`) and the order (`Order::Relaxed`, `Order::Acquire`, `Order::Release`, `Order::AcqRel`).";

    AtomicAdd 70 {
        /// Adds `value`; integers wrap.
        free(relaxed) fn atomic_add<T: AtomicAdd>(place: &mut T, value: T) -> T;
        /// Adds `value`; integers wrap.
        free fn atomic_add_with<T: AtomicAdd>(place: &mut T, value: T, scope: Scope, order: Order) -> T;
    }
    AtomicSub 70 {
        /// Subtracts `value`; integers wrap.
        free(relaxed) fn atomic_sub<T: AtomicAdd>(place: &mut T, value: T) -> T;
        /// Subtracts `value`; integers wrap.
        free fn atomic_sub_with<T: AtomicAdd>(place: &mut T, value: T, scope: Scope, order: Order) -> T;
    }
    AtomicMin 50 {
        /// Stores the smaller one.
        free(relaxed) fn atomic_min<T: WideInt>(place: &mut T, value: T) -> T;
        /// Stores the smaller one.
        free fn atomic_min_with<T: WideInt>(place: &mut T, value: T, scope: Scope, order: Order) -> T;
    }
    AtomicMax 50 {
        /// Stores the larger one.
        free(relaxed) fn atomic_max<T: WideInt>(place: &mut T, value: T) -> T;
        /// Stores the larger one.
        free fn atomic_max_with<T: WideInt>(place: &mut T, value: T, scope: Scope, order: Order) -> T;
    }
    AtomicAnd 50 {
        /// Stores the bitwise and.
        free(relaxed) fn atomic_and<T: WideInt>(place: &mut T, value: T) -> T;
        /// Stores the bitwise and.
        free fn atomic_and_with<T: WideInt>(place: &mut T, value: T, scope: Scope, order: Order) -> T;
    }
    AtomicOr 50 {
        /// Stores the bitwise or.
        free(relaxed) fn atomic_or<T: WideInt>(place: &mut T, value: T) -> T;
        /// Stores the bitwise or.
        free fn atomic_or_with<T: WideInt>(place: &mut T, value: T, scope: Scope, order: Order) -> T;
    }
    AtomicXor 50 {
        /// Stores the bitwise exclusive or.
        free(relaxed) fn atomic_xor<T: WideInt>(place: &mut T, value: T) -> T;
        /// Stores the bitwise exclusive or.
        free fn atomic_xor_with<T: WideInt>(place: &mut T, value: T, scope: Scope, order: Order) -> T;
    }
    AtomicExch 50 {
        /// Stores `value`.
        free(relaxed) fn atomic_exch<T: Word>(place: &mut T, value: T) -> T;
        /// Stores `value`.
        free fn atomic_exch_with<T: Word>(place: &mut T, value: T, scope: Scope, order: Order) -> T;
    }
    AtomicCas 70 {
        /// Stores `value` if the element has the bits of `expected`.
        free(relaxed) fn atomic_cas<T: AtomicCas>(place: &mut T, expected: T, value: T) -> T;
        /// Stores `value` if the element has the bits of `expected`.
        free fn atomic_cas_with<T: AtomicCas>(place: &mut T, expected: T, value: T, scope: Scope, order: Order) -> T;
    }
    AtomicInc 50 {
        /// Adds 1, or stores 0 if the element is `bound` or more.
        free(relaxed) fn atomic_inc<T: U32Only>(place: &mut T, bound: T) -> T;
        /// Adds 1, or stores 0 if the element is `bound` or more.
        free fn atomic_inc_with<T: U32Only>(place: &mut T, bound: T, scope: Scope, order: Order) -> T;
    }
    AtomicDec 50 {
        /// Subtracts 1, or stores `bound` if the element is 0 or more than `bound`.
        free(relaxed) fn atomic_dec<T: U32Only>(place: &mut T, bound: T) -> T;
        /// Subtracts 1, or stores `bound` if the element is 0 or more than `bound`.
        free fn atomic_dec_with<T: U32Only>(place: &mut T, bound: T, scope: Scope, order: Order) -> T;
    }
    AtomicLoad 70 {
        /// Reads the element as an atomic does: relaxed.
        free(relaxed) fn atomic_load<T: Word>(place: &T) -> T;
        /// Reads the element as an atomic does; the order is `Relaxed` or `Acquire`.
        free fn atomic_load_with<T: Word>(place: &T, scope: Scope, order: Order) -> T;
    }
    AtomicStore 70 {
        /// Writes the element as an atomic does: relaxed.
        free(relaxed) fn atomic_store<T: Word>(place: &mut T, value: T);
        /// Writes the element as an atomic does; the order is `Relaxed` or `Release`.
        free fn atomic_store_with<T: Word>(place: &mut T, value: T, scope: Scope, order: Order);
    }
    AtomicAddVec2 70 {
        /// Adds a pair to the elements `index` and `index + 1`, each atomically; `index` is even. `bf16` needs `sm_90`.
        free(relaxed) fn atomic_add_vec2<T: Half, I: Int>(memory: &mut [T], index: I, value: T::X2) -> T::X2;
        /// Adds a pair to the elements `index` and `index + 1`, each atomically; `index` is even.
        free fn atomic_add_vec2_with<T: Half, I: Int>(memory: &mut [T], index: I, value: T::X2, scope: Scope, order: Order) -> T::X2;
    }

    "Loads and stores with hints"
    "A hint changes the speed, never the value; but for `load_nc` no thread may write the element during the kernel. Global memory only.";

    LoadNc 70 {
        /// Reads through the cache for data that nobody writes during the kernel.
        free fn load_nc<T: Scalar>(place: &T) -> T;
    }
    LoadCa 70 {
        /// Reads and keeps in all caches.
        free fn load_ca<T: Scalar>(place: &T) -> T;
    }
    LoadCg 70 {
        /// Reads through the L2 cache only.
        free fn load_cg<T: Scalar>(place: &T) -> T;
    }
    LoadCs 70 {
        /// Reads what is used once: it leaves the caches first.
        free fn load_cs<T: Scalar>(place: &T) -> T;
    }
    LoadLu 70 {
        /// Reads for the last time: the line need not be written back.
        free fn load_lu<T: Scalar>(place: &T) -> T;
    }
    LoadCv 70 {
        /// Reads memory anew, whatever the caches hold.
        free fn load_cv<T: Scalar>(place: &T) -> T;
    }
    LoadStream 70 {
        /// Reads data that nobody writes during the kernel, without keeping it in the L1 cache.
        free fn load_stream<T: Scalar>(place: &T) -> T;
    }
    LoadEvictFirst 70 {
        /// Reads; the line leaves the L1 cache first.
        free fn load_evict_first<T: Scalar>(place: &T) -> T;
    }
    LoadEvictLast 70 {
        /// Reads; the line leaves the L1 cache last.
        free fn load_evict_last<T: Scalar>(place: &T) -> T;
    }
    StoreWb 70 {
        /// Writes and keeps in all caches.
        free fn store_wb<T: Scalar>(place: &mut T, value: T);
    }
    StoreCg 70 {
        /// Writes to the L2 cache only.
        free fn store_cg<T: Scalar>(place: &mut T, value: T);
    }
    StoreCs 70 {
        /// Writes what is not used soon.
        free fn store_cs<T: Scalar>(place: &mut T, value: T);
    }
    StoreWt 70 {
        /// Writes through to memory.
        free fn store_wt<T: Scalar>(place: &mut T, value: T);
    }
    StoreStream 70 {
        /// Writes without keeping it in the L1 cache.
        free fn store_stream<T: Scalar>(place: &mut T, value: T);
    }
    PrefetchL1 50 {
        /// Fetches the element's line into the L1 cache.
        free fn prefetch_l1<T: Scalar>(place: &T);
    }
    PrefetchL2 50 {
        /// Fetches the element's line into the L2 cache.
        free fn prefetch_l2<T: Scalar>(place: &T);
    }
    PrefetchTensorMap 90 {
        /// Fetches a tensor map, so that the first copy of a box need not wait for it. One thread
        /// of a block is enough.
        free fn prefetch_tensor_map<T: Number>(map: &TensorMap<T, _>);
    }

    "Vector loads and stores"
    "Several neighbouring elements in one access, of a slice or a shared array. `index` counts elements and is a multiple of their number; together they have at most 16 bytes, from `sm_100` on 32. The lanes of the vector are `v.x`, `v.y`, `v.z`, `v.w` or `v[0]` to `v[15]`. Two `f16` or `bf16` are an `f16x2` or `bf16x2`: `v.lo()`, `v.hi()`.";

    LoadVec 50 {
        /// Reads 2 elements.
        free fn load_vec2<T: Lane, I: Int>(memory: &[T], index: I) -> T::X2;
        /// Reads 4 elements.
        free fn load_vec4<T: Lane, I: Int>(memory: &[T], index: I) -> T::X4;
        /// Reads 8 elements.
        free fn load_vec8<T: Lane, I: Int>(memory: &[T], index: I) -> T::X8;
        /// Reads 16 elements.
        free fn load_vec16<T: Lane, I: Int>(memory: &[T], index: I) -> T::X16;
    }
    LoadVecNc 70 {
        /// Reads 2 elements as `load_nc` does.
        free fn load_vec2_nc<T: Lane, I: Int>(memory: &[T], index: I) -> T::X2;
        /// Reads 4 elements as `load_nc` does.
        free fn load_vec4_nc<T: Lane, I: Int>(memory: &[T], index: I) -> T::X4;
        /// Reads 8 elements as `load_nc` does.
        free fn load_vec8_nc<T: Lane, I: Int>(memory: &[T], index: I) -> T::X8;
        /// Reads 16 elements as `load_nc` does.
        free fn load_vec16_nc<T: Lane, I: Int>(memory: &[T], index: I) -> T::X16;
    }
    LoadVecCs 70 {
        /// Reads 2 elements as `load_cs` does.
        free fn load_vec2_cs<T: Lane, I: Int>(memory: &[T], index: I) -> T::X2;
        /// Reads 4 elements as `load_cs` does.
        free fn load_vec4_cs<T: Lane, I: Int>(memory: &[T], index: I) -> T::X4;
        /// Reads 8 elements as `load_cs` does.
        free fn load_vec8_cs<T: Lane, I: Int>(memory: &[T], index: I) -> T::X8;
        /// Reads 16 elements as `load_cs` does.
        free fn load_vec16_cs<T: Lane, I: Int>(memory: &[T], index: I) -> T::X16;
    }
    LoadVecStream 70 {
        /// Reads 2 elements as `load_stream` does.
        free fn load_vec2_stream<T: Lane, I: Int>(memory: &[T], index: I) -> T::X2;
        /// Reads 4 elements as `load_stream` does.
        free fn load_vec4_stream<T: Lane, I: Int>(memory: &[T], index: I) -> T::X4;
        /// Reads 8 elements as `load_stream` does.
        free fn load_vec8_stream<T: Lane, I: Int>(memory: &[T], index: I) -> T::X8;
        /// Reads 16 elements as `load_stream` does.
        free fn load_vec16_stream<T: Lane, I: Int>(memory: &[T], index: I) -> T::X16;
    }
    StoreVec 50 {
        /// Writes 2 elements.
        free fn store_vec2<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X2);
        /// Writes 4 elements.
        free fn store_vec4<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X4);
        /// Writes 8 elements.
        free fn store_vec8<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X8);
        /// Writes 16 elements.
        free fn store_vec16<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X16);
    }
    StoreVecCs 70 {
        /// Writes 2 elements as `store_cs` does.
        free fn store_vec2_cs<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X2);
        /// Writes 4 elements as `store_cs` does.
        free fn store_vec4_cs<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X4);
        /// Writes 8 elements as `store_cs` does.
        free fn store_vec8_cs<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X8);
        /// Writes 16 elements as `store_cs` does.
        free fn store_vec16_cs<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X16);
    }

    "Cache policies"
    "How long the L2 cache keeps what an access touches. A policy is a value, made once and given to loads, stores and copies whose names end in `_policy`: it applies to that fraction of the accesses (above 0, at most 1), the others are as usual. Like every hint it changes the speed alone. Global memory only.";

    PolicyEvictFirst 80 {
        /// What is touched leaves the cache first: data that is used once.
        free fn policy_evict_first(fraction: f32) -> CachePolicy;
    }
    PolicyEvictLast 80 {
        /// What is touched leaves the cache last: data that many blocks read.
        free fn policy_evict_last(fraction: f32) -> CachePolicy;
    }
    PolicyEvictNormal 80 {
        /// What is touched is treated as usual, whatever was said of it before.
        free fn policy_evict_normal(fraction: f32) -> CachePolicy;
    }
    PolicyEvictUnchanged 80 {
        /// What is touched keeps its place in the order.
        free fn policy_evict_unchanged(fraction: f32) -> CachePolicy;
    }
    LoadPolicy 80 {
        /// Reads with a policy.
        free fn load_policy<T: Scalar>(place: &T, policy: CachePolicy) -> T;
    }
    LoadNcPolicy 80 {
        /// Reads as `load_nc` does, with a policy.
        free fn load_nc_policy<T: Scalar>(place: &T, policy: CachePolicy) -> T;
    }
    StorePolicy 80 {
        /// Writes with a policy.
        free fn store_policy<T: Scalar>(place: &mut T, value: T, policy: CachePolicy);
    }
    LoadVecPolicy 80 {
        /// Reads 2 elements with a policy.
        free fn load_vec2_policy<T: Lane, I: Int>(memory: &[T], index: I, policy: CachePolicy) -> T::X2;
        /// Reads 4 elements with a policy.
        free fn load_vec4_policy<T: Lane, I: Int>(memory: &[T], index: I, policy: CachePolicy) -> T::X4;
        /// Reads 8 elements with a policy.
        free fn load_vec8_policy<T: Lane, I: Int>(memory: &[T], index: I, policy: CachePolicy) -> T::X8;
        /// Reads 16 elements with a policy.
        free fn load_vec16_policy<T: Lane, I: Int>(memory: &[T], index: I, policy: CachePolicy) -> T::X16;
    }
    LoadVecNcPolicy 80 {
        /// Reads 2 elements as `load_nc` does, with a policy.
        free fn load_vec2_nc_policy<T: Lane, I: Int>(memory: &[T], index: I, policy: CachePolicy) -> T::X2;
        /// Reads 4 elements as `load_nc` does, with a policy.
        free fn load_vec4_nc_policy<T: Lane, I: Int>(memory: &[T], index: I, policy: CachePolicy) -> T::X4;
        /// Reads 8 elements as `load_nc` does, with a policy.
        free fn load_vec8_nc_policy<T: Lane, I: Int>(memory: &[T], index: I, policy: CachePolicy) -> T::X8;
        /// Reads 16 elements as `load_nc` does, with a policy.
        free fn load_vec16_nc_policy<T: Lane, I: Int>(memory: &[T], index: I, policy: CachePolicy) -> T::X16;
    }
    StoreVecPolicy 80 {
        /// Writes 2 elements with a policy.
        free fn store_vec2_policy<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X2, policy: CachePolicy);
        /// Writes 4 elements with a policy.
        free fn store_vec4_policy<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X4, policy: CachePolicy);
        /// Writes 8 elements with a policy.
        free fn store_vec8_policy<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X8, policy: CachePolicy);
        /// Writes 16 elements with a policy.
        free fn store_vec16_policy<T: Lane, I: Int>(memory: &mut [T], index: I, value: T::X16, policy: CachePolicy);
    }
    LoadAhead128 75 {
        /// Reads, and brings the 128 bytes around into the L2 cache.
        free fn load_ahead_128<T: Scalar>(place: &T) -> T;
    }
    LoadAhead256 80 {
        /// Reads, and brings the 256 bytes around into the L2 cache.
        free fn load_ahead_256<T: Scalar>(place: &T) -> T;
    }

    "Copies in the background"
    "`cp.async`: bytes from a slice to a shared array, past the registers. They arrive when the thread waits for their group; until then nobody may touch the destination, and other threads see them after a barrier behind the wait. The indices are multiples of the elements that one copy moves.";

    CpAsync4 80 {
        /// Begins to copy 4 bytes.
        free fn cp_async_4<T: MatrixElem>(to: &mut T, from: &T);
    }
    CpAsync8 80 {
        /// Begins to copy 8 bytes.
        free fn cp_async_8<T: Lane>(to: &mut T, from: &T);
    }
    CpAsync16 80 {
        /// Begins to copy 16 bytes, past the L1 cache.
        free fn cp_async_16<T: Lane>(to: &mut T, from: &T);
    }
    CpAsync4Or0 80 {
        /// Begins to copy 4 bytes, or to write zeros if `valid` does not hold; then the source may
        /// be outside of the slice.
        free fn cp_async_4_or_zero<T: MatrixElem>(to: &mut T, from: &T, valid: bool);
    }
    CpAsync8Or0 80 {
        /// Begins to copy 8 bytes, or to write zeros.
        free fn cp_async_8_or_zero<T: Lane>(to: &mut T, from: &T, valid: bool);
    }
    CpAsync16Or0 80 {
        /// Begins to copy 16 bytes, or to write zeros.
        free fn cp_async_16_or_zero<T: Lane>(to: &mut T, from: &T, valid: bool);
    }
    CpAsync16Policy 80 {
        /// Begins to copy 16 bytes, with a policy.
        free fn cp_async_16_policy<T: Lane>(to: &mut T, from: &T, policy: CachePolicy);
    }
    CpAsyncCommit 80 {
        /// Closes a group: the copies that this thread has begun since the last one.
        free fn cp_async_commit();
    }
    CpAsyncWait 80 {
        /// Waits until at most `groups` of this thread's groups are under way, a constant.
        free fn cp_async_wait(groups: u32);
    }

    "Matrices in registers"
    "Fragments of matrices, spread over the lanes of a warp, and their product. A step along K is 32 bytes: 16 elements of `f16` and `bf16`, 8 of `f32` (multiplied as TF32, without the low 13 bits), 32 of `i8`, `u8`, `e4m3` and `e5m2` (which need sm_89), 8 of `i4x8` and `u4x8`, which are 64 integers of 4 bits (machines from sm_90 on emulate their product); of `f64`, whose tiles are 8 by 8 by 4, it is 4 elements. Lane `l` holds of a `FragC` the elements `c[i]` in row `l / 4 + 8 * (i / 2)` and column `l % 4 * 2 + i % 2`. All lanes of the warp take part. In `ldmatrix` and `stmatrix` each lane gives the index where a row of 16 bytes begins, a multiple of 16 bytes; `tile` is a shared array.";

    LdmatrixA 75 {
        /// 16 rows of 32 bytes along K. Lane `l` gives row `l % 16`, its half `l / 16`.
        free fn ldmatrix_a<T: MatrixElem, I: Int>(tile: &[T], index: I) -> FragA<T>;
    }
    LdmatrixATrans 75 {
        /// The same from a tile whose rows run along M: lane `l` gives step `l % 8 + l / 16 * 8`
        /// along K, the half `l / 8 % 2` of the 16 elements.
        free fn ldmatrix_a_trans<T: Half, I: Int>(tile: &[T], index: I) -> FragA<T>;
    }
    LdmatrixB 75 {
        /// 8 columns, stored as rows of 32 bytes along K. Lane `l` below 16 gives column `l % 8`,
        /// its half `l / 8`; the other lanes' indices do not matter.
        free fn ldmatrix_b<T: MatrixElem, I: Int>(tile: &[T], index: I) -> FragB<T>;
    }
    LdmatrixBTrans 75 {
        /// The same from a tile whose rows run along N: lane `l` below 16 gives step `l` along K.
        free fn ldmatrix_b_trans<T: Half, I: Int>(tile: &[T], index: I) -> FragB<T>;
    }
    LdmatrixB2 75 {
        /// 16 columns, stored as rows of 32 bytes along K, as two fragments. Lane `l` gives column
        /// `l % 8 + l / 16 * 8`, its half `l / 8 % 2`.
        free fn ldmatrix_b2<T: MatrixElem, I: Int>(tile: &[T], index: I) -> (FragB<T>, FragB<T>);
    }
    LdmatrixB2Trans 75 {
        /// The same from a tile whose rows run along N: lane `l` gives step `l % 16` along K, the
        /// half `l / 16` of the 16 columns.
        free fn ldmatrix_b2_trans<T: Half, I: Int>(tile: &[T], index: I) -> (FragB<T>, FragB<T>);
    }
    StmatrixX4 90 {
        /// Stores four matrices of 8 by 8 elements, a word of two for each lane. Lane `l` gives row
        /// `l % 8` of matrix `l / 8`, and holds columns `l % 4 * 2` and the next of row `l / 4`.
        free fn stmatrix_x4<T: Half, I: Int>(tile: &mut [T], index: I, words: [u32; 4]);
    }
    StmatrixX4Trans 90 {
        /// The same, each matrix transposed.
        free fn stmatrix_x4_trans<T: Half, I: Int>(tile: &mut [T], index: I, words: [u32; 4]);
    }
    FragAFromWords 75 {
        /// The fragment of these words. The lane `l` holds, as pairs of 16-bit elements, row
        /// `l / 4` at K `l % 4 * 2`, row 8 further down, and both 8 further along K.
        free fn frag_a<T: MatrixElem>(words: [u32; 4]) -> FragA<T>;
    }
    FragAWords 75 {
        /// The words of a fragment.
        free fn frag_a_words<T: MatrixElem>(fragment: FragA<T>) -> [u32; 4];
    }
    FragBFromWords 75 {
        /// The fragment of these words. The lane `l` holds, as pairs of 16-bit elements, column
        /// `l / 4` at K `l % 4 * 2`, and 8 further along K.
        free fn frag_b<T: MatrixElem>(words: [u32; 2]) -> FragB<T>;
    }
    FragBWords 75 {
        /// The words of a fragment.
        free fn frag_b_words<T: MatrixElem>(fragment: FragB<T>) -> [u32; 2];
    }
    FragAFromF64 75 {
        /// The element in row `l / 4` and K `l % 4`.
        free fn frag_a_f64(value: f64) -> FragA<f64>;
    }
    FragBFromF64 75 {
        /// The element in K `l % 4` and column `l / 4`.
        free fn frag_b_f64(value: f64) -> FragB<f64>;
    }
    Mma 80 {
        /// `sum += a * b`, the products exact, summed in the type of the sum (`mma.sync`).
        free fn mma<T: MmaFactor>(sum: &mut FragC<T::Sum>, a: FragA<T>, b: FragB<T>);
    }
    PackF16x2 80 {
        /// Both rounded to `f16`, as a word with `low` in the low half.
        free fn pack_f16x2(low: f32, high: f32) -> u32;
    }
    PackBf16x2 80 {
        /// Both rounded to `bf16`, as a word with `low` in the low half.
        free fn pack_bf16x2(low: f32, high: f32) -> u32;
    }
    PackE4m3x2 89 {
        /// Both rounded to `e4m3`, of 448 at most, with `low` in the low byte.
        free fn pack_e4m3x2(low: f32, high: f32) -> u16;
    }
    PackE5m2x2 89 {
        /// Both rounded to `e5m2`, of 57344 at most, with `low` in the low byte.
        free fn pack_e5m2x2(low: f32, high: f32) -> u16;
    }
    UnpackE4m3x2 89 {
        /// The two `e4m3` of a pair, exactly; that in the low byte is the low half.
        free fn unpack_e4m3x2(pair: u16) -> f16x2;
    }
    UnpackE5m2x2 89 {
        /// The two `e5m2` of a pair, exactly; that in the low byte is the low half.
        free fn unpack_e5m2x2(pair: u16) -> f16x2;
    }

    "Barriers in shared memory"
    "An `mbarrier` is an element of a shared array of `u64`. One thread makes it, for a number of arrivals, and the block synchronises before others use it. A phase is complete when all have arrived and all announced bytes have come; then the next begins. A wait names the parity of the phase that it waits for: 0 for the first, then 1, 0, 1.";

    MbarrierInit 80 {
        /// Makes a barrier for `count` arrivals a phase.
        free fn mbarrier_init<B: U64Only>(barrier: &mut B, count: u32);
    }
    MbarrierInval 80 {
        /// Ends a barrier, so that its memory serves for something else.
        free fn mbarrier_inval<B: U64Only>(barrier: &mut B);
    }
    MbarrierArrive 80 {
        /// Arrives.
        free fn mbarrier_arrive<B: U64Only>(barrier: &mut B);
    }
    MbarrierArriveRemote 90 {
        /// Arrives at the barrier at the same place in block `rank` of the cluster.
        free fn mbarrier_arrive_remote<B: U64Only>(barrier: &mut B, rank: u32);
    }
    MbarrierArriveExpectTx 90 {
        /// Announces `bytes` of copies to this phase, and arrives.
        free fn mbarrier_arrive_expect_tx<B: U64Only>(barrier: &mut B, bytes: u32);
    }
    MbarrierExpectTx 90 {
        /// Announces `bytes` of copies to this phase.
        free fn mbarrier_expect_tx<B: U64Only>(barrier: &mut B, bytes: u32);
    }
    MbarrierTryWait 90 {
        /// Whether the phase of this parity is complete, after waiting for a while at most.
        free fn mbarrier_try_wait<B: U64Only>(barrier: &mut B, parity: u32) -> bool;
    }
    MbarrierWait 90 {
        /// Waits until the phase of this parity is complete.
        free fn mbarrier_wait<B: U64Only>(barrier: &mut B, parity: u32);
    }
    CpAsyncMbarrierArrive 80 {
        /// Arrives when this thread's background copies so far (`cp_async`) are complete.
        free fn cp_async_mbarrier_arrive<B: U64Only>(barrier: &mut B);
    }
    FenceMbarrierInit 90 {
        /// Barriers made before are seen by the cluster and by copies after.
        free fn fence_mbarrier_init();
    }
    FenceProxyAsync 90 {
        /// What this thread wrote to shared memory before is seen by tensor copies and `wgmma` after.
        free fn fence_proxy_async();
    }

    "Bulk copies"
    "One thread begins to copy a piece of a slice, which the machine does by itself (`cp.async.bulk`). `count` is the number of elements; both places and all bytes together are multiples of 16 bytes. Copies from shared memory belong to the groups of tensor copies: `tma_commit`, `tma_wait`, and a `fence_proxy_async` between the writing of shared memory and the copy.";

    BulkLoad 90 {
        /// Begins to copy to shared memory; `barrier` counts the bytes.
        free fn bulk_load<T: Lane, B: U64Only>(to: &mut T, from: &T, count: u32, barrier: &mut B);
    }
    BulkLoadPolicy 90 {
        /// The same with a policy.
        free fn bulk_load_policy<T: Lane, B: U64Only>(to: &mut T, from: &T, count: u32, barrier: &mut B, policy: CachePolicy);
    }
    BulkStore 90 {
        /// Begins to copy from shared memory, in the group that `tma_commit` closes.
        free fn bulk_store<T: Lane>(to: &mut T, from: &T, count: u32);
    }
    BulkReduceAdd 90 {
        /// Begins to add elements of shared memory to those of a slice, each atomically.
        free fn bulk_reduce_add<T: AtomicAdd>(to: &mut T, from: &T, count: u32);
    }
    BulkPrefetch 90 {
        /// Begins to fetch elements into the L2 cache.
        free fn bulk_prefetch<T: Lane>(from: &T, count: u32);
    }

    "Tensor copies"
    "The tensor memory accelerator: one thread begins to copy a whole box of a tensor. `at` is the element where the box begins, the innermost coordinate first, and may be outside of the tensor; what the box has outside is zero, and is not written. In shared memory a box begins at a multiple of 128 bytes, of 1024 if it is swizzled over 128 bytes. A box must fit the array, which only the simulator checks.";

    TmaLoad 90 {
        /// Begins to copy a box to shared memory; `barrier` counts its bytes.
        free fn tma_load<T: Lane, B: U64Only>(to: &mut T, map: &TensorMap<T, _>, at: [i32; R], barrier: &mut B);
    }
    TmaLoadMulticast 90 {
        /// The same to the same place in each block of the cluster whose bit in `blocks` is set, and
        /// counted by the barrier at the same place there.
        free fn tma_load_multicast<T: Lane, B: U64Only>(to: &mut T, map: &TensorMap<T, _>, at: [i32; R], barrier: &mut B, blocks: u32);
    }
    TmaLoadPolicy 90 {
        /// `tma_load` with a policy.
        free fn tma_load_policy<T: Lane, B: U64Only>(to: &mut T, map: &TensorMap<T, _>, at: [i32; R], barrier: &mut B, policy: CachePolicy);
    }
    TmaLoadMulticastPolicy 90 {
        /// `tma_load_multicast` with a policy.
        free fn tma_load_multicast_policy<T: Lane, B: U64Only>(to: &mut T, map: &TensorMap<T, _>, at: [i32; R], barrier: &mut B, blocks: u32, policy: CachePolicy);
    }
    TmaStore 90 {
        /// Begins to copy a box from shared memory, in the group that `tma_commit` closes.
        free fn tma_store<T: Lane>(map: &mut TensorMap<T, _>, at: [i32; R], from: &T);
    }
    TmaStorePolicy 90 {
        /// `tma_store` with a policy.
        free fn tma_store_policy<T: Lane>(map: &mut TensorMap<T, _>, at: [i32; R], from: &T, policy: CachePolicy);
    }
    TmaReduceAdd 90 {
        /// Begins to add a box from shared memory to the tensor, element by element and atomically.
        free fn tma_reduce_add<T: AtomicAdd>(map: &mut TensorMap<T, _>, at: [i32; R], from: &T);
    }
    TmaPrefetch 90 {
        /// Begins to fetch a box into the L2 cache.
        free fn tma_prefetch<T: Lane>(map: &TensorMap<T, _>, at: [i32; R]);
    }
    TmaCommit 90 {
        /// Closes a group: the copies from shared memory that this thread has begun since the last one.
        free fn tma_commit();
    }
    TmaWait 90 {
        /// Waits until at most `groups` of this thread's groups are under way, a constant.
        free fn tma_wait(groups: u32);
    }
    TmaWaitRead 90 {
        /// Waits until at most `groups` of them still read shared memory, a constant.
        free fn tma_wait_read(groups: u32);
    }

    "Products of warpgroups"
    "`wgmma`: four warps multiply a tile of 64 rows in the background, from shared memory. All threads of the four warps call these together. `wgmma_fence` stands before the first product that touches registers which other instructions have written; the sum may be read after the wait for its group. Tiles in shared memory are swizzled as a tensor copy with the same swizzle writes them.";

    TileK 90 {
        /// A tile whose rows run along K, of `swizzle` bytes each: 64 rows of a left factor, as many
        /// as the sum has columns of a right one. It begins at `index`, which may lie `swizzle` bytes
        /// or less into a row for a later step along K.
        free fn tile_k<T: WgmmaFactor, I: Int>(tile: &[T], index: I, swizzle: u32) -> TileK<T>;
    }
    TileMn 90 {
        /// A tile whose rows run along M or N, of `swizzle` bytes each, one for each step along K;
        /// further rows' worth of M or N begin `leading` bytes later, a constant.
        free fn tile_mn<T: Half, I: Int>(tile: &[T], index: I, swizzle: u32, leading: u32) -> TileMn<T>;
    }
    Wgmma 90 {
        /// Begins `sum += a * b`: 64 rows, 32 bytes along K.
        free fn wgmma<T: WgmmaFactor>(sum: &mut impl WarpgroupSum<T>, a: impl FactorA<T>, b: impl FactorB<T>);
    }
    WgmmaOrSet 90 {
        /// Begins `sum += a * b`, or `sum = a * b` if `add` does not hold.
        free fn wgmma_or_set<T: WgmmaFactor>(sum: &mut impl WarpgroupSum<T>, a: impl FactorA<T>, b: impl FactorB<T>, add: bool);
    }
    WgmmaFence 90 {
        /// Registers written before are seen by products after.
        free fn wgmma_fence();
    }
    WgmmaCommit 90 {
        /// Closes a group of products.
        free fn wgmma_commit();
    }
    WgmmaWait 90 {
        /// Waits until at most `groups` groups are under way, a constant.
        free fn wgmma_wait(groups: u32);
    }

    "Clusters, grids and registers"
    "Blocks of a cluster (`cluster = 2` in the attribute) run at the same time and reach each other's shared memory.";

    ClusterRank 90 {
        /// The index of the block in its cluster.
        free fn cluster_rank() -> u32;
    }
    ClusterSize 90 {
        /// The number of blocks of the cluster.
        free fn cluster_size() -> u32;
    }
    ClusterIdx 90 {
        /// The index of the cluster along x.
        free fn cluster_idx_x() -> u32;
    }
    ClusterArrive 90 {
        /// Arrives at the barrier of the cluster; what was written before is seen after the wait.
        free fn cluster_arrive();
    }
    ClusterWait 90 {
        /// Waits for all threads of the cluster to arrive.
        free fn cluster_wait();
    }
    ClusterSync 90 {
        /// Both.
        free fn cluster_sync();
    }
    GridDependencyWait 90 {
        /// Waits until the kernels before this one are complete, in a launch that may begin before
        /// (programmatic dependent launch).
        free fn grid_dependency_wait();
    }
    GridDependencyLaunch 90 {
        /// Lets the kernels after this one begin once all blocks have come here or ended.
        free fn grid_dependency_launch();
    }
    ElectOne 90 {
        /// Whether this is the one lane of the warp that was chosen.
        free fn elect_one() -> bool;
    }
    SetmaxnregInc 90 {
        /// Gives each thread of the warpgroup more registers: this many in all, a constant.
        free fn setmaxnreg_inc(registers: u32);
    }
    SetmaxnregDec 90 {
        /// Gives registers back: each thread of the warpgroup keeps this many, a constant.
        free fn setmaxnreg_dec(registers: u32);
    }

    "Shared memory of a cluster"
    "The element at the same place in the shared memory of block `rank` of the cluster. All blocks must run when one reaches into another and must not have ended: `cluster_sync` stands at the begin and at the end.";

    ClusterLoad 90 {
        /// Reads an element of another block.
        free fn cluster_load<T: Scalar>(place: &T, rank: u32) -> T;
    }
    ClusterStore 90 {
        /// Writes an element of another block.
        free fn cluster_store<T: Scalar>(place: &mut T, rank: u32, value: T);
    }
    ClusterAtomicAdd 90 {
        /// Adds to an element of another block, atomically in the cluster; gives the value before.
        free fn cluster_atomic_add<T: Int32>(place: &mut T, rank: u32, value: T) -> T;
    }

    "Bits and bytes"
    "";

    Dp4aSS 61 {
        /// `c` plus the products of the four signed bytes of `a` and `b`.
        free fn dp4a(a: u32, b: u32, c: i32) -> i32;
    }
    Dp4aSU 61 {
        /// The same with `a` signed and `b` unsigned.
        free fn dp4a_su(a: u32, b: u32, c: i32) -> i32;
    }
    Dp4aUS 61 {
        /// The same with `a` unsigned and `b` signed.
        free fn dp4a_us(a: u32, b: u32, c: i32) -> i32;
    }
    Dp4aUU 61 {
        /// The same with both unsigned.
        free fn dp4a_uu(a: u32, b: u32, c: u32) -> u32;
    }
    Dp2aLoSS 61 {
        /// `c` plus the products of the two signed halves of `a` and the two low signed bytes of `b`.
        free fn dp2a_lo(a: u32, b: u32, c: i32) -> i32;
    }
    Dp2aLoSU 61 {
        /// The same with `a` signed and `b` unsigned.
        free fn dp2a_lo_su(a: u32, b: u32, c: i32) -> i32;
    }
    Dp2aLoUS 61 {
        /// The same with `a` unsigned and `b` signed.
        free fn dp2a_lo_us(a: u32, b: u32, c: i32) -> i32;
    }
    Dp2aLoUU 61 {
        /// The same with both unsigned.
        free fn dp2a_lo_uu(a: u32, b: u32, c: u32) -> u32;
    }
    Dp2aHiSS 61 {
        /// `c` plus the products of the two signed halves of `a` and the two high signed bytes of `b`.
        free fn dp2a_hi(a: u32, b: u32, c: i32) -> i32;
    }
    Dp2aHiSU 61 {
        /// The same with `a` signed and `b` unsigned.
        free fn dp2a_hi_su(a: u32, b: u32, c: i32) -> i32;
    }
    Dp2aHiUS 61 {
        /// The same with `a` unsigned and `b` signed.
        free fn dp2a_hi_us(a: u32, b: u32, c: i32) -> i32;
    }
    Dp2aHiUU 61 {
        /// The same with both unsigned.
        free fn dp2a_hi_uu(a: u32, b: u32, c: u32) -> u32;
    }
    Prmt 50 {
        /// Picks four of the eight bytes of `a` (0 to 3) and `b` (4 to 7): a nibble of `selector` for each byte of the result, whose top bit repeats the byte's sign.
        free fn prmt(a: u32, b: u32, selector: u32) -> u32;
    }
    Lop3 50 {
        /// Any function of three bits, on each bit: the table `LUT` is the function of `0xF0`, `0xCC`, `0xAA`.
        free fn lop3<LUT: ConstU8>(a: u32, b: u32, c: u32) -> u32;
    }
    Bfe 50 {
        /// The `len` bits of `value` from bit `pos` on; sign-extended if the type is signed.
        free fn bfe<T: WideInt>(value: T, pos: u32, len: u32) -> T;
    }
    Bfi 50 {
        /// `into` with its `len` bits from bit `pos` on replaced by the low bits of `bits`.
        free fn bfi<T: WideInt>(bits: T, into: T, pos: u32, len: u32) -> T;
    }
    FunnelShl 50 {
        /// The high word of `(high, low)` shifted left by `amount & 31`.
        free fn funnel_shl(low: u32, high: u32, amount: u32) -> u32;
    }
    FunnelShr 50 {
        /// The low word of `(high, low)` shifted right by `amount & 31`.
        free fn funnel_shr(low: u32, high: u32, amount: u32) -> u32;
    }
    MulHi 50 {
        /// The high half of the product.
        free fn mul_hi<T: WideInt>(a: T, b: T) -> T;
    }
    Sad 50 {
        /// `c + |a - b|`.
        free fn sad<T: Int32>(a: T, b: T, c: u32) -> u32;
    }

    "Time and control"
    "";

    Clock 50 {
        /// The low word of the cycle counter.
        free fn clock() -> u32;
    }
    Clock64 50 {
        /// The cycle counter.
        free fn clock64() -> u64;
    }
    GlobalTimer 50 {
        /// Nanoseconds of a clock of the device.
        free fn globaltimer() -> u64;
    }
    Nanosleep 70 {
        /// Sleeps for about so many nanoseconds.
        free fn nanosleep(nanoseconds: u32);
    }
    Trap 50 {
        /// Stops the kernel with an error.
        free fn trap() -> !;
    }

    "Math with KAIO's meaning"
    "Free functions. `exp`, `log` and `tanh` are approximate; `sqrt` and `fma` are exact.";

    KaioExp 50 {
        /// e to the power of `x`, approximate: `ex2.approx` of `x * log2(e)`.
        kaio fn exp(x: f32) -> f32;
    }
    KaioLog 50 {
        /// The natural logarithm, approximate: `lg2.approx` times `ln(2)`.
        kaio fn log(x: f32) -> f32;
    }
    KaioTanh 50 {
        /// The hyperbolic tangent, approximate, and 1 for large `x`.
        kaio fn tanh(x: f32) -> f32;
    }
    Sqrt 50 {
        /// The square root, rounded to nearest.
        kaio fn sqrt<T: Float>(x: T) -> T;
        /// The square root, rounded to nearest.
        method fn sqrt<T: Float>(x: T) -> T;
    }
    MulAdd 50 {
        /// `a * b + c`, rounded once.
        kaio fn fma<T: FloatOrPair>(a: T, b: T, c: T) -> T;
        /// `x * a + b`, rounded once.
        method fn mul_add<T: FloatOrPair>(x: T, a: T, b: T) -> T;
    }
    Abs 50 {
        /// The absolute value; that of the smallest integer is itself.
        kaio fn abs<T: SignedOrPair>(x: T) -> T;
        /// The absolute value; that of the smallest integer is itself.
        method fn abs<T: SignedOrPair>(x: T) -> T;
    }
    Min 50 {
        /// The smaller one; of a NaN and a number, the number.
        kaio fn min<T: NumberOrPair>(a: T, b: T) -> T;
        /// The smaller one; of a NaN and a number, the number.
        method fn min<T: NumberOrPair>(x: T, other: T) -> T;
    }
    Max 50 {
        /// The larger one; of a NaN and a number, the number.
        kaio fn max<T: NumberOrPair>(a: T, b: T) -> T;
        /// The larger one; of a NaN and a number, the number.
        method fn max<T: NumberOrPair>(x: T, other: T) -> T;
    }

    "Approximate math"
    "In the module `fast`, for `f32`: one or two instructions, with the error that PTX states for them; denormals count as zero.";

    FastExp 50 {
        /// e to the power of `x`.
        fast fn exp(x: f32) -> f32;
    }
    FastExp2 50 {
        /// 2 to the power of `x`.
        fast fn exp2(x: f32) -> f32;
    }
    FastLn 50 {
        /// The natural logarithm.
        fast fn ln(x: f32) -> f32;
    }
    FastLog2 50 {
        /// The logarithm to base 2.
        fast fn log2(x: f32) -> f32;
    }
    FastSin 50 {
        /// The sine; good for small angles only.
        fast fn sin(x: f32) -> f32;
    }
    FastCos 50 {
        /// The cosine; good for small angles only.
        fast fn cos(x: f32) -> f32;
    }
    FastTanh 75 {
        /// The hyperbolic tangent; `sm_75`.
        fast fn tanh(x: f32) -> f32;
    }
    FastSqrt 50 {
        /// The square root.
        fast fn sqrt(x: f32) -> f32;
    }
    FastRsqrt 50 {
        /// 1 over the square root.
        fast fn rsqrt(x: f32) -> f32;
    }
    FastRecip 50 {
        /// 1 over `x`.
        fast fn recip(x: f32) -> f32;
    }
    FastDiv 50 {
        /// `x / y`, for `y` below 2^126.
        fast fn div(x: f32, y: f32) -> f32;
    }
    FastPowf 50 {
        /// `x` to the power of `y`, for positive `x`.
        fast fn powf(x: f32, y: f32) -> f32;
    }

    "Methods of floats"
    "With Rust's names. They are as accurate as Rust's own, to two units in the last place.";

    Recip 50 {
        /// 1 over `x`, rounded to nearest.
        method fn recip<T: Float>(x: T) -> T;
    }
    Exp 50 {
        /// e to the power of `x`.
        method fn exp<T: Float>(x: T) -> T;
    }
    Exp2 50 {
        /// 2 to the power of `x`.
        method fn exp2<T: Float>(x: T) -> T;
    }
    ExpM1 50 {
        /// `exp(x) - 1`, exact near 0.
        method fn exp_m1<T: Float>(x: T) -> T;
    }
    Ln 50 {
        /// The natural logarithm.
        method fn ln<T: Float>(x: T) -> T;
    }
    Ln1p 50 {
        /// `ln(1 + x)`, exact near 0.
        method fn ln_1p<T: Float>(x: T) -> T;
    }
    Log2 50 {
        /// The logarithm to base 2.
        method fn log2<T: Float>(x: T) -> T;
    }
    Log10 50 {
        /// The logarithm to base 10.
        method fn log10<T: Float>(x: T) -> T;
    }
    Sin 50 {
        /// The sine.
        method fn sin<T: Float>(x: T) -> T;
    }
    Cos 50 {
        /// The cosine.
        method fn cos<T: Float>(x: T) -> T;
    }
    Tan 50 {
        /// The tangent.
        method fn tan<T: Float>(x: T) -> T;
    }
    Tanh 50 {
        /// The hyperbolic tangent.
        method fn tanh<T: Float>(x: T) -> T;
    }
    Floor 50 {
        /// The largest integer not above.
        method fn floor<T: Float>(x: T) -> T;
    }
    Ceil 50 {
        /// The smallest integer not below.
        method fn ceil<T: Float>(x: T) -> T;
    }
    Round 50 {
        /// The nearest integer, half way away from 0.
        method fn round<T: Float>(x: T) -> T;
    }
    RoundTiesEven 50 {
        /// The nearest integer, half way to the even one.
        method fn round_ties_even<T: Float>(x: T) -> T;
    }
    Trunc 50 {
        /// Without the fraction.
        method fn trunc<T: Float>(x: T) -> T;
    }
    Fract 50 {
        /// The fraction, with the sign of `x`.
        method fn fract<T: Float>(x: T) -> T;
    }
    Rsqrt 50 {
        /// 1 over the square root.
        extension fn rsqrt<T: Float>(x: T) -> T;
    }
    Powi 50 {
        /// `x` to the power of an integer.
        method fn powi<T: Float>(x: T, n: i32) -> T;
    }
    Powf 50 {
        /// `x` to the power of `n`.
        method fn powf<T: Float>(x: T, n: T) -> T;
    }
    Copysign 50 {
        /// `x` with the sign of `sign`.
        method fn copysign<T: Float>(x: T, sign: T) -> T;
    }
    Signum 50 {
        /// -1 or 1 by the sign, NaN for NaN; for integers also 0.
        method fn signum<T: Signed>(x: T) -> T;
    }
    Clamp 50 {
        /// The nearest value between `min` and `max`.
        method fn clamp<T: Number>(x: T, min: T, max: T) -> T;
    }
    IsNan 50 {
        /// Whether it is not a number.
        method fn is_nan<T: Float>(x: T) -> bool;
    }
    IsFinite 50 {
        /// Whether it is neither infinite nor NaN.
        method fn is_finite<T: Float>(x: T) -> bool;
    }
    IsInfinite 50 {
        /// Whether it is infinite.
        method fn is_infinite<T: Float>(x: T) -> bool;
    }
    IsSignNegative 50 {
        /// Whether the sign bit is set.
        method fn is_sign_negative<T: Float>(x: T) -> bool;
    }
    ToBits 50 {
        /// The bits, as an unsigned integer; of a pair, the low half's are the low ones.
        method fn to_bits<T: HasBits>(x: T) -> T::Bits;
    }
    FromBits 50 {
        /// The float of these bits.
        assoc fn from_bits<T: HasBits>(bits: T::Bits) -> T;
    }
    ToF32 50 {
        /// The same number.
        method fn to_f32<T: Half>(x: T) -> f32;
    }
    FromF32 50 {
        /// Rounded to nearest.
        assoc fn from_f32<T: Half>(x: f32) -> T;
    }

    "Pairs of halves"
    "`f16x2` and `bf16x2`: two numbers of 16 bits in one register, computed with by one instruction. `+`, `-`, `*` and the methods `mul_add`, `min`, `max` and `abs` work on both halves; `bf16x2` has instructions of its own from `sm_80` on, and before that its halves are computed with one by one.";

    PairNew 50 {
        /// The pair of these halves.
        pair fn new<T: Pair>(lo: T::Half, hi: T::Half) -> T;
    }
    PairSplat 50 {
        /// Both halves the same.
        pair fn splat<T: Pair>(value: T::Half) -> T;
    }
    PairFromF32 50 {
        /// Both rounded to nearest.
        pair fn from_f32<T: Pair>(lo: f32, hi: f32) -> T;
    }
    PairLo 50 {
        /// The low half, which is the first in memory.
        pair_method fn lo<T: Pair>(x: T) -> T::Half;
    }
    PairHi 50 {
        /// The high half.
        pair_method fn hi<T: Pair>(x: T) -> T::Half;
    }
    PairToF32 50 {
        /// Both halves, exactly.
        pair_method fn to_f32<T: Pair>(x: T) -> (f32, f32);
    }

    "Methods of integers"
    "With Rust's names and meaning. `+`, `-` and `*` wrap already.";

    CountOnes 50 {
        /// The number of one bits.
        method fn count_ones<T: Int>(x: T) -> u32;
    }
    CountZeros 50 {
        /// The number of zero bits.
        method fn count_zeros<T: Int>(x: T) -> u32;
    }
    LeadingZeros 50 {
        /// The number of zero bits above the highest one.
        method fn leading_zeros<T: Int>(x: T) -> u32;
    }
    LeadingOnes 50 {
        /// The number of one bits above the highest zero.
        method fn leading_ones<T: Int>(x: T) -> u32;
    }
    TrailingZeros 50 {
        /// The number of zero bits below the lowest one.
        method fn trailing_zeros<T: Int>(x: T) -> u32;
    }
    TrailingOnes 50 {
        /// The number of one bits below the lowest zero.
        method fn trailing_ones<T: Int>(x: T) -> u32;
    }
    RotateLeft 50 {
        /// The bits moved up, those that leave coming back below.
        method fn rotate_left<T: Int>(x: T, n: u32) -> T;
    }
    RotateRight 50 {
        /// The bits moved down, those that leave coming back above.
        method fn rotate_right<T: Int>(x: T, n: u32) -> T;
    }
    ReverseBits 50 {
        /// The bits in the other order.
        method fn reverse_bits<T: Int>(x: T) -> T;
    }
    SwapBytes 50 {
        /// The bytes in the other order.
        method fn swap_bytes<T: Int>(x: T) -> T;
    }
    WrappingAdd 50 {
        /// `x + other`.
        method fn wrapping_add<T: Int>(x: T, other: T) -> T;
    }
    WrappingSub 50 {
        /// `x - other`.
        method fn wrapping_sub<T: Int>(x: T, other: T) -> T;
    }
    WrappingMul 50 {
        /// `x * other`.
        method fn wrapping_mul<T: Int>(x: T, other: T) -> T;
    }
    WrappingDiv 50 {
        /// `x / other`.
        method fn wrapping_div<T: Int>(x: T, other: T) -> T;
    }
    WrappingRem 50 {
        /// `x % other`.
        method fn wrapping_rem<T: Int>(x: T, other: T) -> T;
    }
    WrappingShl 50 {
        /// `x << n`, of `n` only the bits that count.
        method fn wrapping_shl<T: Int>(x: T, n: u32) -> T;
    }
    WrappingShr 50 {
        /// `x >> n`, of `n` only the bits that count.
        method fn wrapping_shr<T: Int>(x: T, n: u32) -> T;
    }
    WrappingNeg 50 {
        /// `0 - x`.
        method fn wrapping_neg<T: Int>(x: T) -> T;
    }
    WrappingAbs 50 {
        /// The absolute value; that of the smallest integer is itself.
        method fn wrapping_abs<T: SignedInt>(x: T) -> T;
    }
    SaturatingAdd 50 {
        /// The sum, or the nearest value that the type has.
        method fn saturating_add<T: Int>(x: T, other: T) -> T;
    }
    SaturatingSub 50 {
        /// The difference, or the nearest value that the type has.
        method fn saturating_sub<T: Int>(x: T, other: T) -> T;
    }
    AbsDiff 50 {
        /// The distance, unsigned.
        method fn abs_diff<T: Int>(x: T, other: T) -> T::Bits;
    }
    UnsignedAbs 50 {
        /// The absolute value, unsigned.
        method fn unsigned_abs<T: SignedInt>(x: T) -> T::Bits;
    }
    Pow 50 {
        /// `x` to the power of `n`, wrapping.
        method fn pow<T: Int>(x: T, n: u32) -> T;
    }
    IsPowerOfTwo 50 {
        /// Whether exactly one bit is one.
        method fn is_power_of_two<T: UnsignedInt>(x: T) -> bool;
    }
    NextPowerOfTwo 50 {
        /// The smallest power of two that is not below.
        method fn next_power_of_two<T: UnsignedInt>(x: T) -> T;
    }
    DivCeil 50 {
        /// The quotient rounded up.
        method fn div_ceil<T: UnsignedInt>(x: T, other: T) -> T;
    }
    NextMultipleOf 50 {
        /// The smallest multiple of `other` that is not below.
        method fn next_multiple_of<T: UnsignedInt>(x: T, other: T) -> T;
    }
    RemEuclid 50 {
        /// The remainder that is not negative.
        method fn rem_euclid<T: Int>(x: T, other: T) -> T;
    }
    DivEuclid 50 {
        /// The quotient that goes with `rem_euclid`.
        method fn div_euclid<T: Int>(x: T, other: T) -> T;
    }
    Ilog2 50 {
        /// The index of the highest one bit.
        method fn ilog2<T: Int>(x: T) -> u32;
    }
}
