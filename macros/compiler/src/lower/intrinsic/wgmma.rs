//! Products of a warpgroup.

use firesteel_ptx::ir::Reg;
use firesteel_ptx::isa::{Wgmma, WgmmaCommit, WgmmaFence, WgmmaRegisters, WgmmaWait};
use firesteel_ptx::modifier::WgmmaShape;
use firesteel_ptx::operand::{Addr, PredUse, Switch, Use, VecChange, VecUse};
use firesteel_ptx::ty::{CvtTy, IntTy, LogicTy, MmaAccTy, MmaTy, Ty as PtxTy};

use super::super::val::Address;
use super::super::{Lower, Operand, Val, op};
use super::matrix::factor_of;
use super::vector::memory_and_index;
use crate::hir::{Arg, Call, Fragment, FragmentKind, Op, Scalar, SpanRange, Ty};

/// The bytes of a step along K.
const STEP: u32 = 32;
/// The rows after which a swizzle pattern repeats.
const PATTERN_ROWS: i64 = 8;

/// A factor of a product.
enum Factor {
    /// A descriptor of a tile, and whether its rows run along M or N.
    Tile(Operand, bool),
    /// Four registers.
    Registers(Vec<Operand>),
}

impl Lower<'_> {
    pub(super) fn wgmma(&mut self, call: &Call, _ty: &Ty, span: SpanRange) -> Val {
        match call.op {
            Op::WgmmaFence => self.emit(WgmmaFence {}),
            Op::WgmmaCommit => self.emit(WgmmaCommit {}),
            Op::WgmmaWait => {
                let groups = self.operands_of(call).pop().unwrap_or(Operand::Int(0));
                self.emit(WgmmaWait { n: Use(groups) });
            }
            Op::TileK | Op::TileMn => return self.tile(call, span).into(),
            Op::Wgmma | Op::WgmmaOrSet => self.product(call),
            other => unreachable!("`{other:?}` is no product of a warpgroup"),
        }
        Val::unit()
    }

    /// The descriptor of a tile. PTX ISA, "Matrix Descriptor Format".
    fn tile(&mut self, call: &Call, span: SpanRange) -> Reg {
        let (memory, index) = memory_and_index(call);
        let at = self.element(memory, index, 1, span);
        let constants: Vec<i64> = call
            .args
            .iter()
            .filter_map(Arg::value)
            .skip(1)
            .map(|expr| match self.scalar(expr) {
                Operand::Int(value) => value,
                other => unreachable!("`fold` makes sure that {other:?} is constant"),
            })
            .collect();
        let swizzle = constants.first().copied().unwrap_or(128);
        // Ignored where the rows run along K and are swizzled.
        let leading = constants.get(1).copied().unwrap_or(16);
        let layout: i64 = match swizzle {
            128 => 1,
            64 => 2,
            _ => 3,
        };
        let stride = PATTERN_ROWS * swizzle;
        let high = layout << 62 | (stride >> 4) << 32 | (leading >> 4) << 16;
        self.descriptor(&at, high)
    }

    /// The start of a tile, in units of 16 bytes, under the other fields. What tiles at constant
    /// distances share is computed once.
    fn descriptor(&mut self, at: &Address, fields: i64) -> Reg {
        let Addr { base, offset } = at.addr.clone();
        let (base, rest) = match base {
            Operand::Reg(reg) if offset % 16 == 0 => (reg, offset >> 4),
            _ => (self.shared_pointer(at), 0),
        };
        use firesteel_ptx::ty::ShrTy;
        let units = self.pure(PtxTy::B32, |d| op::shr(ShrTy::U32, d, base, Operand::Int(4)));
        let wide = self.pure(PtxTy::B64, |d| op::cvt(None, CvtTy::U64, d, CvtTy::U32, units));
        let whole = self.pure(PtxTy::B64, |d| op::or(LogicTy::B64, d, wide, Operand::Int(fields)));
        match rest {
            0 => whole,
            _ => self.pure(PtxTy::B64, |d| op::add(IntTy::S64, d, whole, Operand::Int(rest))),
        }
    }

    fn product(&mut self, call: &Call) {
        let elem = factor_of(call);
        let sums = self.in_place_argument(call);
        let args: Vec<_> = call.args.iter().filter_map(Arg::value).cloned().collect();
        let mut values = self.exprs(&args).into_iter().zip(&args);
        let (Some((a, a_expr)), Some((b, b_expr))) = (values.next(), values.next()) else {
            unreachable!("a product has two factors")
        };
        let (a, b) = (self.factor(&a, &a_expr.ty), self.factor(&b, &b_expr.ty));
        let add = match values.next() {
            None => Switch::Known(true),
            Some((add, _)) => match add.one() {
                Operand::Reg(reg) => Switch::Pred(PredUse { reg, negated: false }),
                constant => Switch::Known(constant != Operand::Int(0)),
            },
        };
        if !sums.is_empty() {
            self.emit_product(elem, sums, a, b, add);
        }
    }

    fn factor(&mut self, val: &Val, ty: &Ty) -> Factor {
        match ty {
            Ty::Fragment(Fragment { kind: FragmentKind::A, .. }) => {
                let words = val.as_slice().iter();
                Factor::Registers(words.map(|it| self.in_reg(it, Scalar::U32).into()).collect())
            }
            Ty::Fragment(Fragment { kind, .. }) => {
                let tile = self.in_reg(&val.one(), Scalar::U64);
                Factor::Tile(tile.into(), *kind == FragmentKind::TileMn)
            }
            other => unreachable!("`infer` multiplies no {other:?}"),
        }
    }

    fn emit_product(&mut self, elem: Scalar, sums: Vec<Reg>, a: Factor, b: Factor, add: Switch) {
        let (ty, sum) = types(elem);
        let shape = WgmmaShape { n: sums.len() as u16 * 2, k: (STEP / elem.bytes()) as u16 };
        let float = sum == MmaAccTy::F32;
        let scale = || float.then_some(Use(Operand::Int(1)));
        let half = elem.bytes() == 2;
        let trans = |mn: bool| half.then_some(Use(Operand::Int(i64::from(mn))));
        let Factor::Tile(b, b_mn) = b else { unreachable!("the right factor is a tile") };
        let (d, b, b_trans) = (VecChange(sums), Use(b), trans(b_mn));
        let (satfinite, dty, aty, bty) = (None, sum, ty, ty);
        let (a_scale, b_scale) = (scale(), scale());
        match a {
            Factor::Tile(a, a_mn) => {
                let (a, a_trans) = (Use(a), trans(a_mn));
                self.emit(Wgmma {
                    shape,
                    satfinite,
                    dty,
                    aty,
                    bty,
                    d,
                    a,
                    b,
                    add,
                    a_scale,
                    b_scale,
                    a_trans,
                    b_trans,
                });
            }
            Factor::Registers(a) => {
                let a = VecUse(a);
                self.emit(WgmmaRegisters {
                    shape,
                    satfinite,
                    dty,
                    aty,
                    bty,
                    d,
                    a,
                    b,
                    add,
                    a_scale,
                    b_scale,
                    b_trans,
                });
            }
        }
    }
}

/// The types of factors and sum.
fn types(elem: Scalar) -> (MmaTy, MmaAccTy) {
    match elem {
        Scalar::E4m3 => (MmaTy::E4m3, MmaAccTy::F32),
        Scalar::E5m2 => (MmaTy::E5m2, MmaAccTy::F32),
        Scalar::F16 => (MmaTy::F16, MmaAccTy::F32),
        Scalar::Bf16 => (MmaTy::BF16, MmaAccTy::F32),
        Scalar::F32 => (MmaTy::TF32, MmaAccTy::F32),
        Scalar::I8 => (MmaTy::S8, MmaAccTy::S32),
        Scalar::U8 => (MmaTy::U8, MmaAccTy::S32),
        other => unreachable!("`infer` lets nobody multiply tiles of {other}"),
    }
}
