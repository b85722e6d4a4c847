//! Checks of one instruction: availability, operand types, constants, addresses, vectors.

use super::Checker;
use crate::ir::*;
use crate::isa::Op;
use crate::modifier::{Space, VecLen};
use crate::operand::{Fit, Slot, Special, Value};
use crate::ty::{CvtTy, Kind, Since, Ty};

type Result<T = (), E = String> = std::result::Result<T, E>;

impl Checker<'_> {
    pub(super) fn inst(&self, inst: &Inst) -> Result {
        if let Some(guard) = inst.guard {
            self.reg(guard.reg, Ty::Pred, Fit::Exact)?;
        }
        if let Some(objection) = inst.op.objection() {
            return Err(objection.to_owned());
        }
        self.available(inst.op.since())?;
        self.pack(&inst.op)?;
        let mut result = Ok(());
        inst.op.visit(&mut |slot| {
            if result.is_ok() {
                result = self.slot(&inst.op, &slot);
            }
        });
        inst.op.vectors(&mut |regs| {
            if result.is_ok() {
                result = self.vector(regs);
            }
        });
        let mut spaces = access_spaces(&inst.op).iter();
        inst.op.addresses(&mut |base| {
            let space = spaces.next().copied().or(inst.op.space());
            if result.is_ok() {
                result = self.address(&inst.op, space, base);
            }
        });
        result
    }

    pub(super) fn available(&self, since: Since) -> Result {
        let Target { sm, suffix, .. } = self.module.target;
        let (major, minor) = since.ptx;
        if self.module.version < since.ptx {
            return Err(format!("needs `.version {major}.{minor}`"));
        }
        if since.exact && (sm != since.sm || suffix.is_none()) {
            return Err(format!("needs `.target sm_{}a`", since.sm));
        }
        if sm < since.sm {
            return Err(format!("needs `.target sm_{}` or newer", since.sm));
        }
        Ok(())
    }

    fn slot(&self, op: &Op, slot: &Slot<'_>) -> Result {
        match *slot {
            Slot::Def(reg, ty, fit) | Slot::Use(&Value::Reg(reg), ty, fit) => {
                self.reg(reg, ty, if is_exact(op) { Fit::Exact } else { fit })
            }
            Slot::Use(value, ty, _) => self.constant(op, value, ty),
            // `address` sees it too, with its space.
            Slot::Address(_) => Ok(()),
            Slot::Target(label) => match self.placed.get(label.0 as usize) {
                Some(true) => Ok(()),
                Some(false) | None => Err("jumps to a label that is nowhere".to_owned()),
            },
        }
    }

    fn decl(&self, reg: Reg) -> Result<&RegDecl> {
        let decl = self.func.regs.get(reg.0 as usize);
        decl.ok_or_else(|| "uses a register that is not declared".to_owned())
    }

    fn reg(&self, reg: Reg, want: Ty, fit: Fit) -> Result {
        let RegDecl { name, ty } = self.decl(reg)?;
        let fits = match fit {
            Fit::Exact => ty.fits(want),
            Fit::AtLeast => ty.fits_wide(want),
        };
        if fits {
            return Ok(());
        }
        Err(format!("wants a `.{}`, but `{name}` is a `.{}`", want.text(), ty.text()))
    }

    /// The registers of a vector are of one kind and width.
    fn vector(&self, regs: &[Reg]) -> Result {
        for (at, &first) in regs.iter().enumerate() {
            for &second in &regs[at + 1..] {
                let (first, second) = (self.decl(first)?, self.decl(second)?);
                if !first.ty.fits(second.ty) {
                    let [(a, x), (b, y)] = [first, second].map(|it| (&it.name, it.ty.text()));
                    return Err(format!("a vector holds the `.{x}` `{a}` and the `.{y}` `{b}`"));
                }
            }
        }
        Ok(())
    }

    /// A constant beside registers of floats has no type.
    fn pack(&self, op: &Op) -> Result {
        let Op::MovPack(it) = op else { return Ok(()) };
        let float = |value: &Value| match value {
            Value::Reg(reg) => self.decl(*reg).is_ok_and(|it| it.ty.kind() == Kind::Float),
            Value::Int(_)
            | Value::F32(_)
            | Value::F64(_)
            | Value::Special(_)
            | Value::Symbol(..) => false,
        };
        let registers = it.a.0.iter().filter(|it| matches!(it, Value::Reg(_))).count();
        if registers < it.a.0.len() && it.a.0.iter().any(float) {
            return Err("packs a constant with a register of a float type".to_owned());
        }
        Ok(())
    }

    fn constant(&self, op: &Op, value: &Value, want: Ty) -> Result {
        let fits = match value {
            Value::Symbol(name, _) => return self.symbol(op, name, want),
            Value::Special(special) => return special_fits(op, *special, want),
            Value::Reg(_) => true,
            Value::Int(_) => want.kind() != Kind::Float && want != Ty::B128,
            Value::F32(_) => matches!(want, Ty::F32 | Ty::F64 | Ty::B32),
            Value::F64(_) => matches!(want, Ty::F32 | Ty::F64 | Ty::B64),
        };
        if fits {
            return Ok(());
        }
        let (what, want) = (describe(value), want.text());
        Err(format!("wants a `.{want}`, which {what} constant cannot be"))
    }

    /// A symbol as a value: `mov` and `cvta` take its address.
    fn symbol(&self, op: &Op, name: &str, want: Ty) -> Result {
        let space = self.lookup(name)?;
        match op {
            Op::Cvta(it) if !windows(it.space, space) => {
                Err(format!("`{name}` is not in `.{}`", it.space.text()))
            }
            Op::Mov(_) | Op::Cvta(_) if want.bits() == 64 && want.kind() != Kind::Float => Ok(()),
            Op::Mov(_) | Op::Cvta(_) if want.bits() == 32 && space.is_some_and(is_small) => Ok(()),
            Op::Mov(_) | Op::Cvta(_) => {
                Err(format!("the address of `{name}` does not fit a `.{}`", want.text()))
            }
            _ => Err(format!("the address of `{name}` must go through `mov` or `cvta`")),
        }
    }

    fn address(&self, op: &Op, space: Option<Space>, base: &Value) -> Result {
        match base {
            Value::Reg(reg) => {
                let ty = self.decl(*reg)?.ty;
                let small = space.is_some_and(is_small);
                let narrow = matches!(ty, Ty::B32 | Ty::U32 | Ty::S32);
                if matches!(ty, Ty::B64 | Ty::U64 | Ty::S64) || (narrow && small) {
                    return Ok(());
                }
                Err(format!("an address cannot be in a `.{}` register", ty.text()))
            }
            Value::Symbol(name, _) => {
                let home = self.lookup(name)?;
                let inside = match space {
                    Some(space) => windows(space, home),
                    None => true,
                };
                if inside {
                    return self.writable(op, name);
                }
                let space = space.map_or("", Space::text);
                Err(format!("`{name}` is not in `.{space}`"))
            }
            Value::Int(_) if space == Some(Space::Local) => Ok(()),
            Value::Int(_) | Value::F32(_) | Value::F64(_) | Value::Special(_) => {
                Err(format!("an address cannot be {}", describe(base)))
            }
        }
    }

    /// A kernel reads its parameters only.
    fn writable(&self, op: &Op, name: &str) -> Result {
        let store = matches!(op, Op::St(it) if it.space == Some(Space::Param));
        if store && self.func.entry && self.func.params.iter().any(|it| it.name == name) {
            return Err(format!("`{name}` is a parameter of the kernel, which it cannot write"));
        }
        Ok(())
    }

    /// Where the symbol lives; `None` for functions.
    fn lookup(&self, name: &str) -> Result<Option<Space>> {
        let Function { vars, params, results, .. } = self.func;
        let local = vars.iter().chain(params).chain(results).find(|it| it.name == name);
        if let Some(var) = local {
            return Ok(Some(var.space));
        }
        let space = self.globals.get(name).copied();
        space.ok_or_else(|| format!("`{name}` is not declared"))
    }
}

/// Conversions of the younger floats take no wider registers, and neither do 32-byte accesses and
/// asynchronous stores.
fn is_exact(op: &Op) -> bool {
    let young = |ty| matches!(ty, CvtTy::BF16 | CvtTy::TF32);
    match op {
        Op::Cvt(it) => young(it.dty) || young(it.aty),
        Op::Ld(it) => it.vec == Some(VecLen::V8),
        Op::LdNc(it) => it.vec == Some(VecLen::V8),
        Op::St(it) => it.vec == Some(VecLen::V8),
        Op::StAsync(_) => true,
        _ => false,
    }
}

/// Special registers are read by `mov` and `cvt`; one of them is an integer constant.
fn special_fits(op: &Op, special: Special, want: Ty) -> Result {
    let name = special.text();
    if special == Special::WarpSize && want.kind() != Kind::Float {
        return Ok(());
    }
    if !matches!(op, Op::Mov(_) | Op::Cvt(_)) {
        return Err(format!("`{name}` must be read by `mov`"));
    }
    if !special.ty().fits_wide(want) || want.kind() == Kind::Float {
        return Err(format!("`{name}` does not fit a `.{}`", want.text()));
    }
    Ok(())
}

/// The spaces of the addresses of an instruction whose mnemonic or route says them, in order.
fn access_spaces(op: &Op) -> &'static [Space] {
    use Space::{Global, SharedCluster, SharedCta};
    match op {
        Op::LdNc(_) | Op::CpAsyncBulkPrefetch(_) => &[Global],
        Op::CpAsync(_) => &[SharedCta, Global],
        Op::CpAsyncBulkLoad(_) | Op::CpAsyncBulkMulticast(_) => {
            &[SharedCluster, Global, SharedCluster]
        }
        Op::CpAsyncBulkShare(_) => &[SharedCluster, SharedCta, SharedCluster],
        Op::CpAsyncBulkStore(_) | Op::CpReduceAsyncBulk(_) => &[Global, SharedCta],
        Op::CpAsyncBulkTensorLoad(_) | Op::CpAsyncBulkTensorMulticast(_) => {
            &[SharedCluster, SharedCluster]
        }
        Op::CpAsyncBulkTensorStore(_) | Op::CpReduceAsyncBulkTensor(_) => &[SharedCta],
        _ => &[],
    }
}

/// Whether addresses of the space fit 32 bits.
const fn is_small(space: Space) -> bool {
    !matches!(space, Space::Global)
}

/// Whether an access to `space` reaches a variable of `home`.
fn windows(space: Space, home: Option<Space>) -> bool {
    match space {
        Space::Shared | Space::SharedCta | Space::SharedCluster => home == Some(Space::Shared),
        Space::Global | Space::Local | Space::Param | Space::Const => home == Some(space),
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Reg(_) => "a register",
        Value::Int(_) => "an integer",
        Value::F32(_) => "a single precision",
        Value::F64(_) => "a double precision",
        Value::Special(_) => "a special register",
        Value::Symbol(..) => "a symbol",
    }
}
