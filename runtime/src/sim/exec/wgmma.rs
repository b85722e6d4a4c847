//! Matrices of a warpgroup. PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions".
//!
//! Four warps multiply; each has 16 rows of the left factor and of the sum, so each works alone.

mod layout;

use std::sync::Arc;

use firesteel_ptx::isa::*;
use firesteel_ptx::modifier::WgmmaShape;
use firesteel_ptx::operand::{Switch, Use, Value};
use firesteel_ptx::ty::{MmaAccTy, MmaTy, Ty};

use self::layout::Layout;
use super::matrix::{Factor, Fragment, factor, whole_warp};
use super::{Decoded, Decoder};
use crate::sim::link::decoder::{Predicate, Source};
use crate::sim::memory::Checked;
use crate::sim::num::dot::{self, MmaFloat};
use crate::sim::race::Party;
use crate::sim::registers::{ALL, File, Lanes, Row, Slot};
use crate::sim::report::{Fault, Violation};
use crate::sim::warp::Cx;
use crate::sim::warpgroup::{Left, Started};

/// Rows of a warp.
const ROWS: usize = 16;

/// What a matrix instruction computes, but for the values of its operands.
pub(crate) struct Product {
    n: usize,
    k: usize,
    /// The numbers, from the left and from the right.
    left: Factor,
    right: Factor,
    /// Bytes of an element.
    bytes: usize,
    sum: MmaAccTy,
    satfinite: bool,
    /// Whether a factor changes its sign.
    negated: (bool, bool),
    /// Whether a factor lies along M or N instead of K.
    transposed: (bool, bool),
    d: Vec<Slot>,
    /// Registers of the left factor, if it is there.
    a: Vec<Slot>,
}

impl Product {
    /// The words that it uses in the background.
    pub(crate) fn registers(&self) -> impl Iterator<Item = Slot> {
        self.d.iter().chain(&self.a).copied()
    }
}

/// The parts that both forms of the instruction have.
struct Parts<'a> {
    shape: WgmmaShape,
    satfinite: bool,
    types: (MmaTy, MmaTy, MmaAccTy),
    d: &'a [firesteel_ptx::ir::Reg],
    b: &'a Value,
    add: Switch,
    scales: [&'a Option<Use>; 2],
    trans: [&'a Option<Use>; 2],
}

/// Where the left factor comes from.
enum From {
    Descriptor(Source),
    Registers([Source; 4]),
}

/// Whether the sum is added to.
#[derive(Clone, Copy)]
enum Adds {
    Known(bool),
    If(Predicate),
}

pub(super) fn wgmma_fence(_: &mut Decoder<'_>, _: &WgmmaFence) -> Decoded {
    whole_warp(|cx| {
        cx.memory.matrices.fence();
        Ok(())
    })
}

pub(super) fn wgmma_commit(_: &mut Decoder<'_>, _: &WgmmaCommit) -> Decoded {
    whole_warp(|cx| {
        cx.memory.matrices.commit();
        Ok(())
    })
}

pub(super) fn wgmma_wait(_: &mut Decoder<'_>, it: &WgmmaWait) -> Decoded {
    let Value::Int(pending) = it.n.0 else {
        return Err("the number of groups must be an integer".to_owned());
    };
    let pending = u32::try_from(pending).unwrap_or(u32::MAX);
    whole_warp(move |cx| {
        while let Some(started) = cx.memory.matrices.land(pending) {
            cx.multiply(&started);
            cx.block.pending.end_reading(started.reading);
        }
        Ok(())
    })
}

pub(super) fn wgmma(cx: &mut Decoder<'_>, it: &Wgmma) -> Decoded {
    let a = From::Descriptor(cx.value_of(&it.a.0, Ty::U64)?);
    let parts = Parts {
        shape: it.shape,
        satfinite: it.satfinite.is_some(),
        types: (it.aty, it.bty, it.dty),
        d: &it.d.0,
        b: &it.b.0,
        add: it.add,
        scales: [&it.a_scale, &it.b_scale],
        trans: [&it.a_trans, &it.b_trans],
    };
    decode(cx, &parts, a)
}

pub(super) fn wgmma_registers(cx: &mut Decoder<'_>, it: &WgmmaRegisters) -> Decoded {
    let sources: Result<Vec<Source>, String> =
        it.a.0.iter().map(|value| cx.value_of(value, Ty::B32)).collect();
    let sources = sources?.try_into().map_err(|_| "the left factor has four registers")?;
    let parts = Parts {
        shape: it.shape,
        satfinite: it.satfinite.is_some(),
        types: (it.aty, it.bty, it.dty),
        d: &it.d.0,
        b: &it.b.0,
        add: it.add,
        scales: [&it.a_scale, &it.b_scale],
        trans: [&None, &it.b_trans],
    };
    decode(cx, &parts, From::Registers(sources))
}

fn is(constant: &Option<Use>, value: i64) -> bool {
    constant.as_ref().is_some_and(|it| it.0 == Value::Int(value))
}

fn decode(cx: &mut Decoder<'_>, it: &Parts<'_>, from: From) -> Decoded {
    let (aty, bty, sum) = it.types;
    let word = |reg: &firesteel_ptx::ir::Reg| {
        let home = cx.home(*reg)?;
        let wrong = || "wants registers of 32 bits".to_owned();
        if home.file == File::Word { Ok(home.slot) } else { Err(wrong()) }
    };
    let d: Vec<Slot> = it.d.iter().map(word).collect::<Result<_, String>>()?;
    let a = match &from {
        From::Descriptor(_) => Vec::new(),
        From::Registers(sources) => sources.iter().map(|it| it.slot).collect(),
    };
    let product = Arc::new(Product {
        n: it.shape.n.into(),
        k: it.shape.k.into(),
        left: factor(aty, bty)?,
        right: factor(bty, aty)?,
        bytes: aty.ty().bits() as usize / 8,
        sum,
        satfinite: it.satfinite,
        negated: (is(it.scales[0], -1), is(it.scales[1], -1)),
        transposed: (is(it.trans[0], 1), is(it.trans[1], 1)),
        d,
        a,
    });
    let b = cx.value_of(it.b, Ty::U64)?;
    let adds = match it.add {
        Switch::Known(known) => Adds::Known(known),
        Switch::Pred(pred) => Adds::If(cx.pred(pred)?),
    };
    whole_warp(move |cx| {
        let left = match &from {
            From::Descriptor(source) => Left::Descriptor(uniform(&source.load(cx.regs))?),
            From::Registers(sources) => {
                Left::Registers(Box::new(sources.each_ref().map(|it| it.load(cx.regs))))
            }
        };
        let adds = match adds {
            Adds::Known(known) => known,
            Adds::If(pred) => uniform_pred(pred.lanes(cx.regs))?,
        };
        let right = uniform(&b.load(cx.regs))?;
        cx.start(&product, (left, right), adds)
    })
}

fn illegal(reason: String) -> Box<Violation> {
    let fault: Fault<Party> = Fault::Illegal { reason };
    Violation::boxed(0, fault)
}

/// The one value that all lanes have.
fn uniform(row: &Row<u64>) -> Result<u64, Box<Violation>> {
    if row.iter().all(|it| *it == row[0]) {
        return Ok(row[0]);
    }
    Err(illegal("the lanes of a warp have different matrix descriptors".to_owned()))
}

fn uniform_pred(lanes: u32) -> Result<bool, Box<Violation>> {
    match lanes {
        0 => Ok(false),
        ALL => Ok(true),
        _ => Err(illegal("the lanes of a warp have different `scale-d`".to_owned())),
    }
}

impl Cx<'_> {
    /// First row of the left factor that this warp multiplies.
    fn first_row(&self) -> usize {
        self.warp as usize % 4 * ROWS
    }

    fn layouts(
        &self,
        product: &Product,
        left: &Left,
        right: u64,
    ) -> Result<(Option<Layout>, Layout), Box<Violation>> {
        let (a_trans, b_trans) = product.transposed;
        let left = match left {
            Left::Descriptor(it) => Some(Layout::of(*it, a_trans, product.bytes).map_err(illegal)?),
            Left::Registers(_) => None,
        };
        Ok((left, Layout::of(right, b_trans, product.bytes).map_err(illegal)?))
    }

    /// An instruction begins: whatever it reads must be there.
    fn start(&mut self, product: &Arc<Product>, (left, right): (Left, u64), adds: bool) -> Checked {
        if !self.block.threads.is_multiple_of(128) {
            return Err(illegal("a block of no whole warpgroups multiplies matrices".to_owned()));
        }
        if self.launch.checked
            && let Some(slot) = self.memory.matrices.unfenced(product.registers())
        {
            let register = self.launch.program.register_name(self.pc, File::Word, slot);
            return Err(Violation::boxed(0, Fault::MissingWgmmaFence { register }));
        }
        let (a, b) = self.layouts(product, &left, right)?;
        let mut runs = b.runs(0, product.n, product.k);
        if let Some(a) = a {
            runs.extend(a.runs(self.first_row(), ROWS, product.k));
        }
        for (address, bytes) in &runs {
            self.check_async_read(0, *address, *bytes)?;
        }
        let reading = self.begin_reading(0, runs.into_iter());
        self.memory.matrices.start(Arc::clone(product), (left, right), adds, reading);
        Ok(())
    }

    /// The factor's raw elements, by line and position along K.
    fn gather(
        &self,
        layout: Layout,
        (first, lines): (usize, usize),
        product: &Product,
    ) -> Vec<u32> {
        let mut elements = Vec::with_capacity(lines * product.k);
        for line in first..first + lines {
            for k in 0..product.k {
                let bytes = self.block.shared.peek(layout.address(line, k), product.bytes);
                elements.push(bytes.iter().rev().fold(0, |word, it| word << 8 | u32::from(*it)));
            }
        }
        elements
    }

    /// Computes the rows of this warp.
    fn multiply(&mut self, it: &Started) {
        let product = &*it.product;
        let Ok((a, b)) = self.layouts(product, &it.left, it.right) else {
            unreachable!("the descriptors were checked when the instruction began")
        };
        let left = match (&it.left, a) {
            (Left::Registers(rows), _) => from_registers(rows, product),
            (Left::Descriptor(_), Some(a)) => self.gather(a, (self.first_row(), ROWS), product),
            (Left::Descriptor(_), None) => unreachable!("a descriptor has a layout"),
        };
        let right = self.gather(b, (0, product.n), product);
        match (product.left, product.right) {
            (Factor::Float(a), Factor::Float(b)) => {
                let sums = float_sums(product, (&left, a), (&right, b));
                self.add_floats(product, &sums, it.adds);
            }
            (Factor::Byte(a, b), _) => {
                let sums = integer_sums(product, (&left, a), (&right, b));
                self.add_integers(product, &sums, it.adds);
            }
            (Factor::Float(_) | Factor::Nibble(..) | Factor::Double, _) => {
                unreachable!("`verify` admits floats of at most 32 bits and bytes")
            }
        }
    }

    fn add_floats(&mut self, product: &Product, sums: &[f64], adds: bool) {
        let halves = product.sum == MmaAccTy::F16;
        for (register, slot) in product.d.iter().enumerate() {
            let row = &mut self.regs.words[slot.0 as usize];
            for lane in Lanes(ALL) {
                let old = row[lane];
                let total = |index: usize, old: f64| {
                    sums[place(lane, index, product.n)] + if adds { old } else { 0.0 }
                };
                row[lane] = if halves {
                    let part = |half: usize| {
                        let old = MmaFloat::F16.element(old, half as u32);
                        u32::from(dot::accumulate_f16(total(2 * register + half, old)))
                    };
                    part(1) << 16 | part(0)
                } else {
                    dot::accumulate_f32(total(register, f32::from_bits(old).into()))
                };
            }
        }
    }

    fn add_integers(&mut self, product: &Product, sums: &[i64], adds: bool) {
        for (register, slot) in product.d.iter().enumerate() {
            let row = &mut self.regs.words[slot.0 as usize];
            for lane in Lanes(ALL) {
                let old = if adds { row[lane].cast_signed() } else { 0 };
                let sum = sums[place(lane, register, product.n)];
                row[lane] = dot::accumulate_s32(old, sum, product.satfinite).cast_unsigned();
            }
        }
    }
}

/// Where the `index`-th element of a lane's sum is among the rows of the warp. PTX ISA,
/// "Register Fragments for wgmma.mma_async.m64nNk16", matrix D.
fn place(lane: usize, index: usize, n: usize) -> usize {
    let row = lane / 4 + 8 * (index / 2 % 2);
    row * n + index / 4 * 8 + lane % 4 * 2 + index % 2
}

/// The left factor's elements, by row and position along K, as `mma` has them in registers.
fn from_registers(rows: &[Row<u64>; 4], product: &Product) -> Vec<u32> {
    let mut elements = vec![0; ROWS * product.k];
    let fragment = Fragment { elements: 4 / product.bytes, stacked: 2 };
    let bits = 8 * product.bytes as u32;
    for (register, row) in rows.iter().enumerate() {
        for (lane, word) in row.iter().enumerate() {
            for index in 0..fragment.elements {
                let (line, k) = fragment.place(lane, register, index);
                let element = *word as u32 >> (bits * index as u32);
                elements[line * product.k + k] = element & (u32::MAX >> (32 - bits));
            }
        }
    }
    elements
}

fn float_sums(
    product: &Product,
    (left, a): (&[u32], MmaFloat),
    (right, b): (&[u32], MmaFloat),
) -> Vec<f64> {
    let value = |ty: MmaFloat, negated: bool| {
        move |it: &u32| ty.element(*it, 0) * if negated { -1.0 } else { 1.0 }
    };
    let left: Vec<f64> = left.iter().map(value(a, product.negated.0)).collect();
    let right: Vec<f64> = right.iter().map(value(b, product.negated.1)).collect();
    products(product, &left, &right, |a, b| a * b)
}

fn integer_sums(
    product: &Product,
    (left, a): (&[u32], bool),
    (right, b): (&[u32], bool),
) -> Vec<i64> {
    let value = |signed: bool| move |it: &u32| i64::from(dot::byte(*it, 0, signed));
    let left: Vec<i64> = left.iter().map(value(a)).collect();
    let right: Vec<i64> = right.iter().map(value(b)).collect();
    products(product, &left, &right, |a, b| a * b)
}

/// Scalar products of all lines of the left with all of the right factor.
fn products<T: Copy + std::iter::Sum>(
    product: &Product,
    left: &[T],
    right: &[T],
    times: impl Fn(T, T) -> T,
) -> Vec<T> {
    let mut sums = Vec::with_capacity(ROWS * product.n);
    for a in left.chunks_exact(product.k) {
        for b in right.chunks_exact(product.k) {
            sums.push(a.iter().zip(b).map(|(a, b)| times(*a, *b)).sum());
        }
    }
    sums
}
