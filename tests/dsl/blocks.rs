//! Structs in memory: slices of blocks, whose parts are read and written where they are.

use firesteel::prelude::*;

use crate::device;

/// The layout of ggml's `block_q6_K`.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct BlockQ6K {
    ql: [u8; 128],
    qh: [u8; 64],
    scales: [i8; 16],
    d: f16,
}

#[gpu_struct]
impl BlockQ6K {
    const WEIGHTS: u32 = 256;

    /// The weight `i` of the block.
    fn weight(&self, i: u32) -> f32 {
        let (half, rest) = (i / 128, i % 128);
        let (quarter, l) = (rest / 32, rest % 32);
        let low = self.ql[half * 64 + quarter % 2 * 32 + l] as u32 >> (quarter / 2 * 4) & 15;
        let high = self.qh[half * 32 + l] as u32 >> (2 * quarter) & 3;
        let q = (low | high << 4) as i32 - 32;
        let scale = self.scales[half * 8 + quarter * 2 + l / 16] as i32;
        self.d.to_f32() * (scale * q) as f32
    }
}

#[gpu_kernel(block_size = 256)]
fn unpack(blocks: &[BlockQ6K], y: &mut [f32], n: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < n {
        y[i] = blocks[i / BlockQ6K::WEIGHTS].weight(i % BlockQ6K::WEIGHTS);
    }
}

fn block(seed: usize) -> BlockQ6K {
    let byte = |i: usize| ((i + seed) * 167 % 251) as u8;
    BlockQ6K {
        ql: std::array::from_fn(byte),
        qh: std::array::from_fn(|i| byte(i + 128)),
        scales: std::array::from_fn(|i| byte(i + 192) as i8),
        d: f16::from_f32(0.25 + seed as f32),
    }
}

/// As ggml's `dequantize_row_q6_K` walks through a block.
fn weights(block: &BlockQ6K) -> Vec<f32> {
    let mut y = vec![0.0; 256];
    for half in 0..2 {
        let (ql, qh) = (&block.ql[half * 64..], &block.qh[half * 32..]);
        let scales = &block.scales[half * 8..];
        for l in 0..32 {
            let q = [
                ql[l] & 15 | (qh[l] & 3) << 4,
                ql[l + 32] & 15 | (qh[l] >> 2 & 3) << 4,
                ql[l] >> 4 | (qh[l] >> 4 & 3) << 4,
                ql[l + 32] >> 4 | (qh[l] >> 6) << 4,
            ];
            for (k, q) in q.into_iter().enumerate() {
                let scaled = i32::from(scales[l / 16 + 2 * k]) * (i32::from(q) - 32);
                y[half * 128 + k * 32 + l] = block.d.to_f32() * scaled as f32;
            }
        }
    }
    y
}

#[test]
fn a_block_of_weights_is_read_a_byte_at_a_time() {
    let device = device();
    let blocks: Vec<BlockQ6K> = (0..3).map(block).collect();
    let x = device.alloc_from(&blocks).unwrap();
    let mut y = device.alloc_zeros::<f32>(768).unwrap();
    unpack::launch(&device, &x, &mut y, 768).unwrap();
    let want: Vec<f32> = blocks.iter().flat_map(weights).collect();
    assert_eq!(y.to_host(&device).unwrap(), want);
    assert_eq!(x.to_host(&device).unwrap(), blocks);
    let bytes = unpack::PTX.lines().filter(|line| line.contains("ld.global.")).count();
    assert_eq!(bytes, 4, "two bytes, a scale and `d`");
}

mod rows {
    use firesteel::prelude::*;

    #[gpu_struct]
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(super) struct Cell {
        pub(super) at: [[u16; 2]; 3],
        pub(super) count: u32,
    }

    #[gpu_struct]
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(super) struct Row {
        pub(super) total: i64,
        pub(super) cells: [Cell; 2],
    }

    #[gpu_fn]
    fn bump(cell: &mut Cell, k: u32) {
        cell.count += 1;
        cell.at[k][1] = cell.at[k][0] + 1;
    }

    #[gpu_kernel(block_size = 32)]
    pub(super) fn update(rows: &mut [Row], copies: &mut [Cell], n: u32) {
        let i = thread_idx_x();
        if i < n {
            let k = i % 3;
            rows[i].total -= rows[i].cells[i % 2].count as i64;
            bump(&mut rows[i].cells[i % 2], k);
            let cell = rows[i].cells[1];
            copies[i] = Cell { count: cell.count * 2, ..cell };
            rows[i].cells[0].at[2] = [7, cell.at[0][0]];
        }
    }
}

use rows::{Cell, Row, update};

#[test]
fn parts_are_written_and_whole_structs_are_copied() {
    let device = device();
    let cell = |i: u16| Cell { at: [[i, 1], [i + 1, 2], [i + 2, 3]], count: u32::from(i) + 10 };
    let mut rows: Vec<Row> =
        (0..32).map(|i| Row { total: 5, cells: [cell(i), cell(100 + i)] }).collect();
    let mut memory = device.alloc_from(&rows).unwrap();
    let mut copies = device.alloc_zeros::<Cell>(32).unwrap();
    update::launch(&device, &mut memory, &mut copies, 32).unwrap();
    let mut want = Vec::new();
    for (i, row) in rows.iter_mut().enumerate() {
        let cell = &mut row.cells[i % 2];
        row.total -= i64::from(cell.count);
        cell.count += 1;
        cell.at[i % 3][1] = cell.at[i % 3][0] + 1;
        want.push(Cell { count: row.cells[1].count * 2, ..row.cells[1] });
        row.cells[0].at[2] = [7, row.cells[1].at[0][0]];
    }
    assert_eq!(memory.to_host(&device).unwrap(), rows);
    assert_eq!(copies.to_host(&device).unwrap(), want);
}

#[gpu_kernel(block_size = 1)]
fn outside(blocks: &[BlockQ6K], y: &mut [u32], block: u32, i: i32) {
    y[0] = blocks[block].qh[i] as u32;
}

#[test]
fn both_indices_are_checked() {
    let device = device();
    let blocks = device.alloc_from(&[block(0), block(1)]).unwrap();
    let mut y = device.alloc_zeros::<u32>(1).unwrap();
    let mut fault = |at, i| {
        outside::launch_on(&device.stream(), (1, 1, 1).into(), &blocks, &mut y, at, i).unwrap();
        device.stream().synchronize().map_err(|error| error.to_string())
    };
    assert_eq!(fault(1, 63), Ok(()));
    let of_block = fault(2, 0).unwrap_err();
    assert!(of_block.contains("index 2") && of_block.contains("`blocks`"), "{of_block}");
    let of_byte = fault(0, 64).unwrap_err();
    assert!(of_byte.contains("index 64") && of_byte.contains("`blocks[..]`"), "{of_byte}");
    assert!(fault(0, -1).unwrap_err().contains("index -1"));
}
