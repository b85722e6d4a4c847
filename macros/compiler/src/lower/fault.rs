//! Checks that fail, assertions and prints: what a kernel says through its channel.
//!
//! A failing check leaves the straight path: each has a block behind the function's body that
//! loads the site and the two operands and goes to one recorder, which writes the fault record
//! and ends the thread. The layout of the channel is [`firesteel_ptx::channel`].

use firesteel_ptx::channel;
use firesteel_ptx::ir::{Label, Reg};
use firesteel_ptx::isa::{Atom, AtomCas, Cvta, Exit, Membar, MovUnpack};
use firesteel_ptx::modifier::{AtomOp, BarLevel, CasOp, Cmp, Space, ToSpace};
use firesteel_ptx::operand::{Addr, Def, SinkDef, Special, Use, VecDef};
use firesteel_ptx::ty::{
    AddressTy, AtomTy, BitsTy, CasTy, CompareTy, IntTy, MemTy, Ty as PtxTy, WideTy,
};

use super::emit::when;
use super::entry::{CHANNEL, KERNEL_ID};
use super::{Lower, Operand, Val, op};
use crate::hir::{Expr, Scalar, SpanRange};

/// A place in the source that may speak through the channel. Its number is its position.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where it is.
    pub span: SpanRange,
    /// What it says.
    pub kind: SiteKind,
}

/// What a site says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteKind {
    /// An index was out of bounds: `a` is the index, sign extended, `b` the length.
    Bounds {
        /// The slice or shared array.
        array: String,
    },
    /// An integer was divided by zero.
    DivisionByZero,
    /// An assertion did not hold.
    Assert {
        /// Its message.
        message: String,
    },
    /// `gpu_println!`.
    Print {
        /// The format.
        format: String,
        /// The types of the arguments.
        args: Vec<Scalar>,
    },
}

/// A check that has failed: what the block at `label` records.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    label: Label,
    site: u32,
    span: SpanRange,
    a: (Operand, Scalar),
    b: (Operand, Scalar),
}

/// What the recorder is given.
struct Record {
    label: Label,
    site: Reg,
    a: Reg,
    b: Reg,
}

const NOTHING: (Operand, Scalar) = (Operand::Int(0), Scalar::U64);
const BLOCK_INDEX: [Special; 3] = [Special::CtaidX, Special::CtaidY, Special::CtaidZ];
const THREAD_INDEX: [Special; 3] = [Special::TidX, Special::TidY, Special::TidZ];

impl Lower<'_> {
    /// Adds a site and gives its number.
    fn site(&mut self, span: SpanRange, kind: SiteKind) -> u32 {
        self.sites.push(Site { span, kind });
        u32::try_from(self.sites.len() - 1).unwrap_or(u32::MAX)
    }

    /// The label of a block that records a fault of this kind without operands.
    pub(crate) fn fault(&mut self, span: SpanRange, kind: SiteKind) -> Label {
        self.fault_with(span, kind, NOTHING, NOTHING)
    }

    /// The label of a block that records a fault of this kind and its two operands.
    pub(crate) fn fault_with(
        &mut self,
        span: SpanRange,
        kind: SiteKind,
        a: (Operand, Scalar),
        b: (Operand, Scalar),
    ) -> Label {
        let label = self.label();
        if self.reachable {
            let site = self.site(span, kind);
            self.faults.push(Fault { label, site, span, a, b });
        }
        label
    }

    /// `assert!(cond, "message")`.
    pub(crate) fn assert(&mut self, cond: &Expr, message: &str, span: SpanRange) {
        let fault = self.fault(span, SiteKind::Assert { message: message.to_owned() });
        self.branch(cond, fault, false);
    }

    /// Whether a thread may end that others wait for.
    pub(super) fn may_fail(&self) -> bool {
        self.sites.iter().any(|site| !matches!(site.kind, SiteKind::Print { .. }))
    }

    /// The blocks of all faults, and the recorder, behind the end of the body.
    pub(super) fn emit_faults(&mut self) {
        let faults = std::mem::take(&mut self.faults);
        if faults.is_empty() {
            return;
        }
        let record = Record {
            label: self.label(),
            site: self.fresh(Scalar::U32),
            a: self.fresh(Scalar::U64),
            b: self.fresh(Scalar::U64),
        };
        let last = faults.len() - 1;
        for (at, fault) in faults.iter().enumerate() {
            self.scoped(|cx| cx.emit_fault(fault, &record, at == last));
        }
        self.place(record.label);
        self.emit_recorder(&record);
    }

    fn emit_fault(&mut self, fault: &Fault, record: &Record, last: bool) {
        self.place(fault.label);
        self.loc(fault.span);
        self.assign(record.site, Operand::Int(i64::from(fault.site)));
        let wide = |ty: Scalar| if ty.is_signed() { Scalar::I64 } else { Scalar::U64 };
        for (to, (operand, ty)) in [(record.a, &fault.a), (record.b, &fault.b)] {
            let operand = self.convert(operand.clone(), *ty, wide(*ty));
            self.assign(to, operand);
        }
        if last {
            // The recorder follows.
            self.used_labels.insert(record.label, true);
        } else {
            self.jump(record.label);
        }
    }

    /// Claims the fault record, fills it in, and ends the thread.
    fn emit_recorder(&mut self, record: &Record) {
        let base = self.channel();
        let claimed = self.fresh(Scalar::U32);
        self.emit(AtomCas {
            sem: None,
            scope: None,
            space: Some(Space::Global),
            cas: CasOp::Cas,
            ty: CasTy::B32,
            d: SinkDef(Some(claimed)),
            addr: field(base, channel::CLAIMED),
            b: Use(Operand::Int(0)),
            c: Use(Operand::Int(1)),
        });
        let taken = self.fresh(Scalar::Bool);
        self.emit(op::setp(Cmp::Ne, CompareTy::B32, Def(taken), claimed, Operand::Int(0)));
        let out = self.label();
        self.jump_if(when(taken), out);
        let kernel = self.kernel_number();
        self.store_word(field(base, channel::KERNEL), kernel);
        self.store_word(field(base, channel::SITE), record.site);
        self.emit(op::st(Space::Global, MemTy::U64, field(base, channel::A), record.a));
        self.emit(op::st(Space::Global, MemTy::U64, field(base, channel::B), record.b));
        self.store_specials(field(base, channel::BLOCK), BLOCK_INDEX);
        self.store_specials(field(base, channel::THREAD), THREAD_INDEX);
        self.emit(Membar { level: BarLevel::Sys });
        self.store_word(field(base, channel::READY), Operand::Int(1));
        self.place(out);
        self.emit(Exit {});
        self.never_returns();
    }

    /// `gpu_println!(format, args..)`: claims a record in the log and fills it in if it fits.
    pub(crate) fn print(&mut self, format: &str, args: &[Expr], span: SpanRange) {
        let values: Vec<Operand> = self.exprs(args).iter().map(Val::one).collect();
        if !self.reachable {
            return;
        }
        let types: Vec<Scalar> = args.iter().filter_map(|arg| arg.ty.scalar()).collect();
        let kind = SiteKind::Print { format: format.to_owned(), args: types.clone() };
        let site = self.site(span, kind);
        let base = self.channel();
        let (cursor, full) = self.claim_print(base, types.len());
        let done = self.label();
        self.jump_if(when(full), done);
        self.scoped(|cx| {
            let at = cx.record_address(base, cursor);
            cx.print_header(at, site);
            for (index, (operand, ty)) in values.into_iter().zip(types).enumerate() {
                cx.print_arg(at, index, operand, ty);
            }
        });
        self.place(done);
    }

    /// Claims the words of a record: the first of them, and whether they are too many.
    fn claim_print(&mut self, base: Reg, n_args: usize) -> (Reg, Reg) {
        let words = Operand::Int(i64::from(record_words(n_args)));
        let cursor = self.fresh(Scalar::U32);
        self.emit(Atom {
            sem: None,
            scope: None,
            space: Some(Space::Global),
            op: AtomOp::Add,
            noftz: None,
            ty: AtomTy::U32,
            d: SinkDef(Some(cursor)),
            addr: field(base, channel::PRINT_CURSOR),
            b: Use(words.clone()),
        });
        let capacity = self.fresh(Scalar::U32);
        let addr = field(base, channel::PRINT_CAPACITY);
        self.emit(op::ld(Space::Global, MemTy::U32, Def(capacity), addr));
        // In 64 bits: the cursor may be near the end of its range.
        let first = self.convert(cursor.into(), Scalar::U32, Scalar::U64);
        let capacity = self.convert(capacity.into(), Scalar::U32, Scalar::U64);
        let end = self.pure(PtxTy::B64, |d| op::add(IntTy::U64, d, first, words));
        let full = self.fresh(Scalar::Bool);
        self.emit(op::setp(Cmp::Gt, CompareTy::U64, Def(full), end, capacity));
        (cursor, full)
    }

    /// The address of the log minus [`channel::PRINT_WORDS`], at the word `cursor`.
    fn record_address(&mut self, base: Reg, cursor: Reg) -> Reg {
        let bytes =
            self.pure(PtxTy::B64, |d| op::mul_wide(WideTy::U32, d, cursor, Operand::Int(4)));
        self.pure(PtxTy::B64, |d| op::add(IntTy::S64, d, base, bytes))
    }

    fn print_header(&mut self, at: Reg, site: u32) {
        let kernel = self.kernel_number();
        self.store_word(word(at, channel::PRINT_KERNEL_WORD), kernel);
        self.store_word(word(at, channel::PRINT_SITE_WORD), Operand::Int(i64::from(site)));
        self.store_specials(word(at, channel::PRINT_BLOCK_WORD), BLOCK_INDEX);
        self.store_specials(word(at, channel::PRINT_THREAD_WORD), THREAD_INDEX);
    }

    /// Stores an argument as two words: records are aligned to words alone.
    fn print_arg(&mut self, at: Reg, index: usize, operand: Operand, ty: Scalar) {
        let bits = self.printed_bits(operand, ty);
        let (low, high) = (self.fresh(Scalar::U32), self.fresh(Scalar::U32));
        let d = VecDef(vec![Some(low), Some(high)]);
        self.emit(MovUnpack { ty: BitsTy::B64, d, a: Use(bits) });
        let first = record_words(index);
        self.store_word(word(at, first), low);
        self.store_word(word(at, first + 1), high);
    }

    /// The value as the host reads it: integers extended by their sign, floats as their bits.
    fn printed_bits(&mut self, operand: Operand, ty: Scalar) -> Operand {
        let bits = if ty.is_real() { self.float_bits(operand, ty) } else { operand };
        let from = if ty.is_real() { ty.unsigned() } else { ty };
        let to = if from.is_signed() { Scalar::I64 } else { Scalar::U64 };
        let wide = self.convert(bits, from, to);
        self.in_reg(&wide, to).into()
    }

    fn store_word(&mut self, addr: Addr, word: impl Into<Operand>) {
        self.emit(op::st(Space::Global, MemTy::U32, addr, word));
    }

    fn store_specials(&mut self, addr: Addr, specials: [Special; 3]) {
        for (offset, special) in (0..).step_by(4).zip(specials) {
            let value = self.special(special);
            let addr = Addr { base: addr.base.clone(), offset: addr.offset + offset };
            self.store_word(addr, value);
        }
    }

    /// The address of the channel in global memory.
    pub(super) fn channel(&mut self) -> Reg {
        self.uses_channel = true;
        // Not hoisted: most threads never need it.
        let generic = self.param_here(CHANNEL, Scalar::U64);
        self.pure(PtxTy::B64, |d| to_global(d, generic))
    }

    /// The number that the host gave to this kernel.
    fn kernel_number(&mut self) -> Reg {
        self.uses_channel = true;
        self.param_here(KERNEL_ID, Scalar::U32)
    }
}

/// A field of the channel.
pub(super) fn field(base: Reg, offset: u32) -> Addr {
    Addr::new(base, i64::from(offset))
}

/// A word of a print record.
fn word(at: Reg, index: u32) -> Addr {
    Addr::new(at, i64::from(channel::PRINT_WORDS + 4 * index))
}

fn record_words(n_args: usize) -> u32 {
    channel::print_record_words(u32::try_from(n_args).unwrap_or(u32::MAX))
}

/// The address in global memory of a generic address.
pub(super) fn to_global(d: Def, generic: Reg) -> Cvta {
    Cvta {
        to: Some(ToSpace::To),
        space: Space::Global,
        ty: AddressTy::U64,
        d,
        a: Use(generic.into()),
    }
}
