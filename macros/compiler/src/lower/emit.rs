//! Instructions, registers, labels and source places.

use firesteel_ptx::ir::{Guard, Label, Loc, Reg};
use firesteel_ptx::isa::{Bra, Mov, Op, Ret};
use firesteel_ptx::operand::{Def, Target, Use};
use firesteel_ptx::ty::{MovTy, Ty as PtxTy};

use super::number::{RESULT, with_result};
use super::val::{Operand, Val, constant, immediate, reg_ty};
use super::{Binding, Lower};
use crate::hir::{LocalId, Scalar, SpanRange, Value};

impl Lower<'_> {
    /// A fresh register for a scalar.
    pub(crate) fn fresh(&mut self, ty: Scalar) -> Reg {
        self.ptx.reg(reg_ty(ty))
    }

    /// The type in which a register is declared.
    pub(super) fn reg_ty(&self, reg: Reg) -> PtxTy {
        self.ptx.reg_ty(reg)
    }

    /// A fresh register of a PTX type.
    pub(crate) fn fresh_ptx(&mut self, ty: PtxTy) -> Reg {
        self.ptx.reg(ty)
    }

    /// Appends an instruction with an effect, or into a register of the caller's choice.
    pub(crate) fn emit(&mut self, op: impl Into<Op>) {
        self.temporary = None;
        if self.reachable {
            self.ptx.push(op);
        }
    }

    /// Appends an instruction that only the threads execute for which `guard` holds.
    pub(crate) fn emit_if(&mut self, guard: Guard, op: impl Into<Op>) {
        self.temporary = None;
        if self.reachable {
            self.ptx.push_if(guard, op);
        }
    }

    /// The result of an instruction without effects, of which only the operands count: neither
    /// memory nor time nor other threads. It is emitted unless its result is at hand. Nobody may
    /// write the register that this gives.
    ///
    /// `build` makes the instruction from its destination.
    pub(crate) fn pure<O: Into<Op>>(&mut self, ty: PtxTy, build: impl FnOnce(Def) -> O) -> Reg {
        let key = self.numbers.key(build(Def(RESULT)).into());
        self.temporary = None;
        if let Some(reg) = self.numbers.find(&key) {
            return reg;
        }
        let reg = self.ptx.reg(ty);
        if self.reachable {
            self.ptx.push(with_result(key.op().clone(), reg));
            self.temporary = Some((reg, key.hash()));
            self.numbers.insert(key, reg);
        }
        reg
    }

    /// [`Self::pure`] at the very beginning of the kernel: for parameters.
    pub(crate) fn hoisted<O: Into<Op>>(&mut self, ty: PtxTy, build: impl FnOnce(Def) -> O) -> Reg {
        let key = self.numbers.key(build(Def(RESULT)).into());
        if let Some(reg) = self.numbers.find_hoisted(&key) {
            return reg;
        }
        let reg = self.ptx.reg(ty);
        self.ptx.hoist(with_result(key.op().clone(), reg));
        self.numbers.insert_hoisted(key, reg);
        reg
    }

    /// A scalar in a register: immediates are moved into one.
    pub(crate) fn in_reg(&mut self, operand: &Operand, ty: Scalar) -> Reg {
        match operand {
            Operand::Reg(reg) => *reg,
            Operand::Int(_)
            | Operand::F32(_)
            | Operand::F64(_)
            | Operand::Special(_)
            | Operand::Symbol(..) => self.in_ptx_reg(operand, reg_ty(ty)),
        }
    }

    /// The same for a register of a PTX type.
    pub(crate) fn in_ptx_reg(&mut self, operand: &Operand, ty: PtxTy) -> Reg {
        let mov = match operand {
            Operand::Reg(reg) => return *reg,
            Operand::Special(special) => mov_ty(special.ty()),
            Operand::Int(_) | Operand::F32(_) | Operand::F64(_) | Operand::Symbol(..) => mov_ty(ty),
        };
        self.pure(ty, |d| Mov { ty: mov, d, a: Use(operand.clone()) })
    }

    /// Writes a register that is written in several places, such as that of a variable.
    pub(crate) fn assign(&mut self, reg: Reg, operand: Operand) {
        self.numbers.written(reg);
        self.move_into(reg, operand);
    }

    /// Moves an operand into a register; if the last instruction made it for nobody else, that
    /// instruction writes the register itself.
    pub(super) fn move_into(&mut self, reg: Reg, operand: Operand) {
        if operand == Operand::Reg(reg) || !self.reachable {
            return;
        }
        if let Some((temporary, hash)) = self.temporary.take()
            && operand == Operand::Reg(temporary)
            && self.ptx.retarget_last(temporary, reg)
        {
            self.numbers.remove(temporary, hash);
            return;
        }
        let ty = mov_ty(self.ptx.reg_ty(reg));
        self.emit(Mov { ty, d: Def(reg), a: Use(operand) });
    }

    /// Says that the last instruction has made `reg` for its one user.
    pub(crate) fn made(&mut self, reg: Reg) {
        self.temporary = self.reachable.then_some((reg, 0));
    }

    /// Says that a variable or a result stands for the operand: it is no temporary.
    pub(super) fn keep(&mut self) {
        self.temporary = None;
    }

    /// Of several operands two may be the same, so none is a temporary.
    pub(super) fn keep_several(&mut self, value: &Val) {
        if value.as_slice().len() > 1 {
            self.keep();
        }
    }

    /// Whether control gets here.
    pub(crate) const fn is_reachable(&self) -> bool {
        self.reachable
    }

    /// Says that the next [`Self::emit`] writes `reg`, which is written in several places.
    pub(crate) fn written(&mut self, reg: Reg) {
        self.numbers.written(reg);
    }

    /// The value as it is, whatever is assigned later.
    pub(crate) fn pin(&mut self, val: Val) -> Val {
        let parts = val.into_parts().into_iter();
        Val::parts(parts.map(|operand| self.pin_operand(operand)).collect())
    }

    /// The operand as it is, whatever is assigned later.
    pub(crate) fn pin_operand(&mut self, operand: Operand) -> Operand {
        match operand {
            Operand::Reg(reg) if self.numbers.is_mutable(reg) => {
                let ty = self.ptx.reg_ty(reg);
                let mov = mov_ty(ty);
                Operand::Reg(self.pure(ty, |d| Mov { ty: mov, d, a: Use(Operand::Reg(reg)) }))
            }
            other => other,
        }
    }

    /// The constant that an operand is, if it is one.
    pub(crate) fn constant(&self, operand: &Operand, ty: Scalar) -> Option<Value> {
        constant(operand, ty)
    }

    /// A constant as an operand.
    pub(crate) fn immediate(&self, value: Value) -> Operand {
        immediate(value)
    }

    /// A fresh label.
    pub(crate) fn label(&mut self) -> Label {
        let label = self.ptx.label();
        self.used_labels.insert(label, false);
        label
    }

    /// Puts a label here: what follows is reached if this point is or if something jumps here.
    /// A label that nothing has jumped to is not printed, so jumps come before their label; for
    /// the head of a loop use [`Self::place_head`].
    pub(crate) fn place(&mut self, label: Label) {
        let used = self.used_labels.get(&label).copied().unwrap_or(false);
        if used {
            self.keep();
            self.ptx.place(label);
        }
        self.reachable |= used;
    }

    /// Puts the label of a loop here, to which jumps will come.
    pub(crate) fn place_head(&mut self, label: Label) {
        if self.reachable {
            self.ptx.place(label);
        }
    }

    /// Jumps.
    pub(crate) fn jump(&mut self, to: Label) {
        if self.reachable {
            self.used_labels.insert(to, true);
            self.emit(Bra { uni: None, to: Target(to) });
            self.reachable = false;
        }
    }

    /// Jumps where `guard` holds.
    pub(crate) fn jump_if(&mut self, guard: Guard, to: Label) {
        if self.reachable {
            self.used_labels.insert(to, true);
            self.emit_if(guard, Bra { uni: None, to: Target(to) });
        }
    }

    /// Ends the thread.
    pub(crate) fn ret(&mut self) {
        self.emit(Ret { uni: None });
        self.reachable = false;
    }

    /// Notes that what was emitted last does not return.
    pub(crate) fn never_returns(&mut self) {
        self.reachable = false;
    }

    /// Runs `body`, which not every thread that gets here may execute to its end: what it
    /// computes is not at hand afterwards.
    pub(crate) fn scoped<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        self.numbers.push();
        let result = body(self);
        self.numbers.pop();
        result
    }

    /// What follows comes from this place in the source.
    pub(crate) fn loc(&mut self, span: SpanRange) {
        let (line, column) = (span.line(), span.column());
        if line == 0 || !self.reachable {
            return;
        }
        let file = self.file(span);
        let loc = Loc { file, line, column };
        if self.last_loc != Some(loc) {
            self.last_loc = Some(loc);
            self.ptx.loc(loc);
        }
    }

    /// The number of the file that a span is in, from 1.
    fn file(&mut self, span: SpanRange) -> u32 {
        let path = span.file();
        let index = self.files.iter().position(|file| *file == path).unwrap_or_else(|| {
            self.files.push(path);
            self.files.len() - 1
        });
        u32::try_from(index + 1).unwrap_or(u32::MAX)
    }

    /// Gives a variable its own registers.
    pub(crate) fn bind_registers(&mut self, local: LocalId, regs: Vec<Reg>) {
        for reg in &regs {
            self.numbers.written(*reg);
        }
        self.locals[local.0] = Some(Binding::Registers(regs));
    }

    /// Makes a variable stand for operands.
    pub(crate) fn bind_operands(&mut self, local: LocalId, operands: Vec<Operand>) {
        self.keep();
        self.locals[local.0] = Some(Binding::Operands(operands));
    }
}

/// The type in which a register is moved.
fn mov_ty(ty: PtxTy) -> MovTy {
    MovTy::from_ty(ty).unwrap_or_else(|| unreachable!("no register is declared as {ty:?}"))
}

/// Where `reg` holds.
pub(crate) const fn when(reg: Reg) -> Guard {
    Guard { reg, negated: false }
}

/// Where `reg` does not hold.
pub(crate) const fn unless(reg: Reg) -> Guard {
    Guard { reg, negated: true }
}
