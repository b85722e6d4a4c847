//! Shared memory of the other blocks of a cluster.

use firesteel::prelude::*;

use crate::device;

/// Each block reads what the other one holds, from the end on, adds it to the sum in block 0, and
/// writes it back there plus 1.
#[gpu_kernel(block_size = 32, cluster = 2, arch = "sm_90")]
fn exchanged(x: &[u32], y: &mut [u32], flags: &mut [u32]) {
    let tile = shared_mem![u32; 32];
    let sum = shared_mem![i32; 1];
    let flag = shared_mem![bool; 32];
    let (i, rank, block) = (thread_idx_x(), cluster_rank(), block_idx_x());
    tile[i] = x[block * 32 + i];
    if i == 0 {
        sum[0] = 0;
    }
    cluster_sync();
    let other = cluster_load(&tile[31 - i], rank ^ 1);
    cluster_atomic_add(&mut sum[0], 0, other as i32);
    cluster_sync();
    cluster_store(&mut tile[i], rank ^ 1, other + 1);
    cluster_store(&mut flag[i], rank ^ 1, other % 2 == 0);
    cluster_sync();
    y[block * 64 + i] = tile[i];
    y[block * 64 + 32 + i] = if rank == 0 { sum[0] as u32 } else { 0 };
    flags[block * 32 + i] = flag[i] as u32;
}

#[test]
fn blocks_of_a_cluster_reach_each_other() {
    let device = device();
    let x: Vec<u32> = (0..128).map(|i| i * i).collect();
    let from = device.alloc_from(&x).unwrap();
    let mut y = device.alloc_zeros::<u32>(256).unwrap();
    let mut flags = device.alloc_zeros::<u32>(128).unwrap();
    exchanged::launch(&device, &from, &mut y, &mut flags, (4, 1, 1)).unwrap();
    let (got, flags) = (y.to_host(&device).unwrap(), flags.to_host(&device).unwrap());
    for block in 0..4 {
        let own = &x[block * 32..][..32];
        let want: Vec<u32> = own.iter().rev().map(|it| it + 1).collect();
        assert_eq!(got[block * 64..][..32], want);
        let pair = &x[block / 2 * 64..][..64];
        let sum = if block % 2 == 0 { pair.iter().sum() } else { 0 };
        assert_eq!(got[block * 64 + 32..][..32], [sum; 32]);
        let want: Vec<u32> = own.iter().rev().map(|it| u32::from(it % 2 == 0)).collect();
        assert_eq!(flags[block * 32..][..32], want);
    }
}
