//! `mma.m8n8k4` on halves: four products at once, each by the eight lanes of a *quad pair*, lanes
//! `4q..4q+4` and `16+4q..20+4q`. PTX ISA, "Matrix Fragments for mma.m8n8k4 with .f16 floating
//! point type".

use firesteel_ptx::isa::Mma;
use firesteel_ptx::modifier::Layout;
use firesteel_ptx::ty::MmaAccTy;

use super::Decoded;
use super::matrix::whole_warp;
use crate::sim::link::decoder::{Sink, Source};
use crate::sim::num::dot::{self, MmaFloat};
use crate::sim::registers::{ALL, Row};

/// One product of 8 by 4 by 8 a quad pair.
#[derive(Default, Clone, Copy)]
struct Product {
    a: [[f64; 4]; 8],
    b: [[f64; 8]; 4],
}

/// Position of a lane among the eight of its quad pair.
fn position(lane: usize) -> usize {
    lane % 4 + if lane < 16 { 0 } else { 4 }
}

/// Line and position along `k` of the `index`-th half of a lane, if each lane has a whole line;
/// else four lines at one position.
fn place(lane: usize, index: usize, whole_line: bool) -> (usize, usize) {
    if whole_line {
        (position(lane), index)
    } else {
        (index % 4 + if lane < 16 { 0 } else { 4 }, lane % 4)
    }
}

/// Row and column of the `index`-th element of a sum of singles, or of halves.
fn sum_place(lane: usize, index: usize, halves: bool) -> (usize, usize) {
    if halves {
        return (position(lane), index);
    }
    let row = (lane & 1) + (index & 2) + if lane < 16 { 0 } else { 4 };
    (row, (index & 4) + (lane & 2) + (index & 1))
}

fn element(rows: &[Row<u64>], lane: usize, index: usize) -> f64 {
    MmaFloat::F16.element(rows[index / 2][lane] as u32, index as u32 % 2)
}

pub(super) fn mma(it: &Mma, d: Vec<Option<Sink>>, [a, b, c]: [Vec<Source>; 3]) -> Decoded {
    let a_lines = it.alayout == Layout::Row;
    let b_lines = it.blayout == Layout::Col;
    let (halves, halves_out) = (it.cty == MmaAccTy::F16, it.dty == MmaAccTy::F16);
    whole_warp(move |cx| {
        let load = |sources: &[Source]| -> Vec<Row<u64>> {
            sources.iter().map(|it| it.load(cx.regs)).collect()
        };
        let (a, b, c) = (load(&a), load(&b), load(&c));
        let mut products = [Product::default(); 4];
        for lane in 0..32 {
            let product = &mut products[lane / 4 % 4];
            for index in 0..4 {
                let (row, k) = place(lane, index, a_lines);
                product.a[row][k] = element(&a, lane, index);
                let (column, k) = place(lane, index, b_lines);
                product.b[k][column] = element(&b, lane, index);
            }
        }
        let addend = |lane: usize, (row, column): (usize, usize)| {
            // The sum that comes in may lie differently from the one that goes out.
            let quad = lane / 4 % 4;
            let lanes = (0..32).filter(|it| it / 4 % 4 == quad);
            let mut all = lanes.flat_map(|lane| (0..8).map(move |index| (lane, index)));
            let found = all.find(|(lane, index)| sum_place(*lane, *index, halves) == (row, column));
            let (lane, index) = found.unwrap_or((lane, 0));
            match halves {
                true => element(&c, lane, index),
                false => f64::from(f32::from_bits(c[index][lane] as u32)),
            }
        };
        let total = |lane: usize, index: usize| {
            let (row, column) = sum_place(lane, index, halves_out);
            let product = &products[lane / 4 % 4];
            let sum: f64 = (0..4).map(|k| product.a[row][k] * product.b[k][column]).sum();
            sum + addend(lane, (row, column))
        };
        for (register, sink) in d.iter().enumerate() {
            let Some(sink) = sink else { continue };
            sink.store(cx.regs, ALL, |lane| match halves_out {
                true => {
                    let low = dot::accumulate_f16(total(lane, 2 * register));
                    let high = dot::accumulate_f16(total(lane, 2 * register + 1));
                    u64::from(high) << 16 | u64::from(low)
                }
                false => dot::accumulate_f32(total(lane, register)).into(),
            });
        }
        Ok(())
    })
}
