//! Matrices. PTX ISA, "Warp Level Matrix Multiply-Accumulate Instructions".

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::{MmaShape, Space};
use firesteel_ptx::operand::{Addr, Value};
use firesteel_ptx::ty::{MmaAccTy, MmaTy, Ty};

use super::memory::{At, Named, named};
use super::{Decoded, Decoder};
use crate::sim::link::decoder::{Address, Sink, Source};
use crate::sim::memory::{Access, Checked};
use crate::sim::num::dot::{self, MmaFloat};
use crate::sim::program::{Action, Collective};
use crate::sim::race::Party;
use crate::sim::registers::{ALL, Row};
use crate::sim::report::{Fault, Violation};
use crate::sim::warp::Cx;

/// An instruction of the whole warp.
pub(super) fn whole_warp(run: impl Fn(&mut Cx<'_>) -> Checked + Send + Sync + 'static) -> Decoded {
    let run = move |cx: &mut Cx<'_>, mask: u32| {
        if mask == ALL {
            return run(cx);
        }
        let fault: Fault<Party> = Fault::DivergentSync { mask: ALL, present: mask };
        Err(Box::new(Violation { lane: mask.trailing_zeros(), fault }))
    };
    Ok(Action::Collective(Box::new(Collective {
        members: None,
        anywhere: false,
        run: Box::new(run),
    })))
}

/// A row of a matrix of 8 by 8 halves is 16 bytes.
const ROW: Access = Access::vector(4, 4);

/// The lanes that give the addresses of the rows of `count` matrices.
fn row_lanes(count: usize) -> u32 {
    ALL >> (32 - 8 * count)
}

struct Matrices {
    address: Address,
    space: Named,
    count: usize,
    trans: bool,
}

fn matrices(
    cx: &mut Decoder<'_>,
    addr: &Addr,
    space: Option<Space>,
    (count, trans): (usize, bool),
) -> Result<Matrices, String> {
    Ok(Matrices { address: cx.address(addr)?, space: named(space), count, trans })
}

/// The `index`-th half of a row of four words.
fn half(row: &[Row<u64>], lane: usize, index: usize) -> u64 {
    row[index / 2][lane] >> (16 * (index % 2)) & 0xffff
}

pub(super) fn ldmatrix(cx: &mut Decoder<'_>, it: &Ldmatrix) -> Decoded {
    let sinks: Vec<Option<Sink>> =
        it.d.0
            .iter()
            .map(|reg| reg.map(|reg| cx.def_any(reg)).transpose())
            .collect::<Result<_, _>>()?;
    let from = matrices(cx, &it.addr, it.space, (sinks.len(), it.trans.is_some()))?;
    whole_warp(move |cx| {
        let addresses = from.address.load(cx.regs);
        let mut rows = [[0; 32]; 4];
        let at = At { addresses: &addresses, mask: row_lanes(from.count) };
        cx.by_space(from.space, at, |cx, space, at| cx.load_from(space, ROW, at, &mut rows))?;
        for (matrix, sink) in sinks.iter().enumerate() {
            let Some(sink) = sink else { continue };
            sink.store(cx.regs, ALL, |lane| {
                let (i, j) = (lane / 4, lane % 4);
                if from.trans {
                    let low = half(&rows, 8 * matrix + 2 * j, i);
                    let high = half(&rows, 8 * matrix + 2 * j + 1, i);
                    high << 16 | low
                } else {
                    rows[j][8 * matrix + i]
                }
            });
        }
        Ok(())
    })
}

pub(super) fn stmatrix(cx: &mut Decoder<'_>, it: &Stmatrix) -> Decoded {
    let sources: Vec<Source> =
        it.a.0.iter().map(|value| cx.value_of(value, Ty::B32)).collect::<Result<_, _>>()?;
    let to = matrices(cx, &it.addr, it.space, (sources.len(), it.trans.is_some()))?;
    whole_warp(move |cx| {
        let addresses = to.address.load(cx.regs);
        let mut rows = [[0; 32]; 4];
        for (matrix, source) in sources.iter().enumerate() {
            let values = source.load(cx.regs);
            for (lane, value) in values.into_iter().enumerate() {
                let (i, j) = (lane / 4, lane % 4);
                if to.trans {
                    let place = |row: usize| 8 * matrix + row;
                    let shift = 16 * (i % 2);
                    rows[i / 2][place(2 * j)] |= (value & 0xffff) << shift;
                    rows[i / 2][place(2 * j + 1)] |= (value >> 16 & 0xffff) << shift;
                } else {
                    rows[j][8 * matrix + i] = value;
                }
            }
        }
        let at = At { addresses: &addresses, mask: row_lanes(to.count) };
        cx.by_space(to.space, at, |cx, space, at| cx.store_to(space, ROW, at, &rows))
    })
}

/// Rows of the left factor, and columns of the right one and of the sum.
const M: usize = 16;
const N: usize = 8;
/// Largest inner dimension.
const K: usize = 64;

/// Size of a matrix instruction.
#[derive(Clone, Copy)]
struct Size {
    m: usize,
    k: usize,
}

fn size(shape: MmaShape) -> Size {
    let (m, k) = match shape {
        MmaShape::M8n8k4 => (8, 4),
        MmaShape::M8n8k16 => (8, 16),
        MmaShape::M8n8k32 => (8, 32),
        MmaShape::M16n8k4 => (16, 4),
        MmaShape::M16n8k8 => (16, 8),
        MmaShape::M16n8k16 => (16, 16),
        MmaShape::M16n8k32 => (16, 32),
        MmaShape::M16n8k64 => (16, 64),
    };
    Size { m, k }
}

/// Where the elements of the factors lie: PTX ISA, "Matrix Fragments for mma", in one formula.
///
/// Lane `l` is lane `t = l % 4` of group `g = l / 4`. A register holds `e` elements of one row of
/// `A` (column of `B`) from `k = t * e`. Registers of `A` go down by 8 rows first (if there are
/// 16), then right by `4 * e`; those of `B` go down by `4 * e`.
#[derive(Clone, Copy)]
pub(super) struct Fragment {
    /// Elements of a register.
    pub(super) elements: usize,
    /// Registers one below the other: 2 in `A` of 16 rows, else 1.
    pub(super) stacked: usize,
}

impl Fragment {
    /// Row (of `A`; column of `B`) and position along `k` of an element.
    #[inline(always)]
    pub(super) fn place(self, lane: usize, register: usize, element: usize) -> (usize, usize) {
        let (group, thread) = (lane / 4, lane % 4);
        let line = group + 8 * (register % self.stacked);
        let k = register / self.stacked * 4 * self.elements + thread * self.elements + element;
        (line, k)
    }
}

/// Row and column of the `index`-th element of the sum.
#[inline(always)]
fn sum_place(lane: usize, index: usize) -> (usize, usize) {
    (lane / 4 + 8 * (index / 2), lane % 4 * 2 + index % 2)
}

/// The operands of a matrix instruction.
struct Operands {
    d: Vec<Option<Sink>>,
    a: Vec<Source>,
    b: Vec<Source>,
    c: Vec<Source>,
}

fn operands(cx: &mut Decoder<'_>, it: &Mma) -> Result<Operands, String> {
    let mut sources = |values: &[Value], ty: Ty| -> Result<Vec<Source>, String> {
        values.iter().map(|value| cx.value_of(value, ty)).collect()
    };
    let factor = if it.aty == MmaTy::F64 { Ty::B64 } else { Ty::B32 };
    let sum = if it.cty == MmaAccTy::F64 { Ty::B64 } else { Ty::B32 };
    let (a, b, c) = (sources(&it.a.0, factor)?, sources(&it.b.0, factor)?, sources(&it.c.0, sum)?);
    let sink = |reg: &Option<firesteel_ptx::ir::Reg>| reg.map(|reg| cx.def_any(reg)).transpose();
    let d = it.d.0.iter().map(sink).collect::<Result<_, _>>()?;
    Ok(Operands { d, a, b, c })
}

/// What kind of numbers are multiplied.
#[derive(Clone, Copy)]
pub(super) enum Factor {
    Float(MmaFloat),
    /// Eight (or sixteen) bits a byte or nibble; whether each side is signed.
    Byte(bool, bool),
    Nibble(bool, bool),
    Double,
}

pub(super) fn factor(a: MmaTy, b: MmaTy) -> Result<Factor, String> {
    let signed = |ty| matches!(ty, MmaTy::S8 | MmaTy::S4);
    Ok(match a {
        MmaTy::F16 => Factor::Float(MmaFloat::F16),
        MmaTy::BF16 => Factor::Float(MmaFloat::Bf16),
        MmaTy::TF32 => Factor::Float(MmaFloat::Tf32),
        MmaTy::E4m3 => Factor::Float(MmaFloat::E4m3),
        MmaTy::E5m2 => Factor::Float(MmaFloat::E5m2),
        MmaTy::F64 => Factor::Double,
        MmaTy::S8 | MmaTy::U8 => Factor::Byte(signed(a), signed(b)),
        MmaTy::S4 | MmaTy::U4 => Factor::Nibble(signed(a), signed(b)),
        MmaTy::B1 => return Err("matrices of single bits are not simulated".to_owned()),
    })
}

pub(super) fn mma(cx: &mut Decoder<'_>, it: &Mma) -> Decoded {
    let (operands, size) = (operands(cx, it)?, size(it.shape));
    if it.shape == MmaShape::M8n8k4 && it.aty == MmaTy::F16 {
        return super::matrix_quad::mma(it, operands.d, [operands.a, operands.b, operands.c]);
    }
    let halves = it.cty == MmaAccTy::F16;
    let halves_out = it.dty == MmaAccTy::F16;
    let satfinite = it.satfinite.is_some();
    match (factor(it.aty, it.bty)?, factor(it.bty, it.aty)?) {
        (Factor::Float(a), Factor::Float(b)) => whole_warp(move |cx| {
            multiply_floats(cx, &operands, size, (a, b), (halves, halves_out));
            Ok(())
        }),
        (Factor::Double, _) => whole_warp(move |cx| {
            multiply_doubles(cx, &operands, size);
            Ok(())
        }),
        (Factor::Byte(a, b), _) => whole_warp(move |cx| {
            let pick = |word, index, signed| dot::byte(word, index, signed);
            multiply_integers(cx, &operands, size, (4, pick), (a, b), satfinite);
            Ok(())
        }),
        (Factor::Nibble(a, b), _) => whole_warp(move |cx| {
            let pick = |word, index, signed| dot::nibble(word, index, signed);
            multiply_integers(cx, &operands, size, (8, pick), (a, b), satfinite);
            Ok(())
        }),
        (Factor::Float(_), _) => Err("a float times something else".to_owned()),
    }
}

/// Gathers a factor: `f(word, element)` into `to[k][line]` (for `B`) or `to[line][k]`.
fn gather<T: Copy>(
    cx: &Cx<'_>,
    from: &[Source],
    fragment: Fragment,
    element: impl Fn(u64, u32) -> T,
    mut put: impl FnMut(usize, usize, T),
) {
    for (register, source) in from.iter().enumerate() {
        let row = source.load(cx.regs);
        for (lane, word) in row.into_iter().enumerate() {
            for index in 0..fragment.elements {
                let (line, k) = fragment.place(lane, register, index);
                put(line, k, element(word, index as u32));
            }
        }
    }
}

fn stacked(size: Size) -> usize {
    size.m / 8
}

fn multiply_floats(
    cx: &mut Cx<'_>,
    it: &Operands,
    size: Size,
    (a_ty, b_ty): (MmaFloat, MmaFloat),
    (halves, halves_out): (bool, bool),
) {
    let elements = a_ty.per_word() as usize;
    let (mut a, mut b) = ([[0f64; K]; M], [[0f64; N]; K]);
    let left = Fragment { elements, stacked: stacked(size) };
    gather(cx, &it.a, left, |w, i| a_ty.element(w as u32, i), |line, k, x| a[line][k] = x);
    let right = Fragment { elements, stacked: 1 };
    gather(cx, &it.b, right, |w, i| b_ty.element(w as u32, i), |line, k, x| b[k][line] = x);
    let mut sum = [[0f64; N]; M];
    for (sum, a) in sum.iter_mut().zip(&a).take(size.m) {
        for (a, b) in a.iter().zip(&b).take(size.k) {
            for (sum, b) in sum.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    // Two halves a register, or one single.
    let c: Vec<Row<u64>> = it.c.iter().map(|it| it.load(cx.regs)).collect();
    let addend = |lane: usize, index: usize| match halves {
        true => MmaFloat::F16.element(c[index / 2][lane] as u32, index as u32 % 2),
        false => f64::from(f32::from_bits(c[index][lane] as u32)),
    };
    let total = |lane: usize, index: usize| {
        let (row, column) = sum_place(lane, index);
        sum[row][column] + addend(lane, index)
    };
    for (register, sink) in it.d.iter().enumerate() {
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
}

fn multiply_doubles(cx: &mut Cx<'_>, it: &Operands, size: Size) {
    let (mut a, mut b) = ([[0u64; 16]; M], [[0u64; N]; 16]);
    let left = Fragment { elements: 1, stacked: stacked(size) };
    gather(cx, &it.a, left, |w, _| w, |line, k, x| a[line][k] = x);
    let right = Fragment { elements: 1, stacked: 1 };
    gather(cx, &it.b, right, |w, _| w, |line, k, x| b[k][line] = x);
    let c: Vec<Row<u64>> = it.c.iter().map(|it| it.load(cx.regs)).collect();
    for (register, sink) in it.d.iter().enumerate() {
        let Some(sink) = sink else { continue };
        sink.store(cx.regs, ALL, |lane| {
            let (row, column) = sum_place(lane, register);
            (0..size.k)
                .fold(c[register][lane], |sum, k| dot::accumulate_f64(a[row][k], b[k][column], sum))
        });
    }
}

fn multiply_integers(
    cx: &mut Cx<'_>,
    it: &Operands,
    size: Size,
    (elements, pick): (usize, fn(u32, u32, bool) -> i32),
    (a_signed, b_signed): (bool, bool),
    satfinite: bool,
) {
    let (mut a, mut b) = ([[0i32; K]; M], [[0i32; N]; K]);
    let left = Fragment { elements, stacked: stacked(size) };
    gather(cx, &it.a, left, |w, i| pick(w as u32, i, a_signed), |line, k, x| a[line][k] = x);
    let right = Fragment { elements, stacked: 1 };
    gather(cx, &it.b, right, |w, i| pick(w as u32, i, b_signed), |line, k, x| b[k][line] = x);
    // At most 64 products of 16 bits: no overflow.
    let mut sum = [[0i32; N]; M];
    for (sum, a) in sum.iter_mut().zip(&a).take(size.m) {
        for (a, b) in a.iter().zip(&b).take(size.k) {
            for (sum, b) in sum.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    let c: Vec<Row<u64>> = it.c.iter().map(|it| it.load(cx.regs)).collect();
    for (register, sink) in it.d.iter().enumerate() {
        let Some(sink) = sink else { continue };
        sink.store(cx.regs, ALL, |lane| {
            let (row, column) = sum_place(lane, register);
            let c = c[register][lane] as u32 as i32;
            u64::from(dot::accumulate_s32(c, sum[row][column].into(), satfinite) as u32)
        });
    }
}
