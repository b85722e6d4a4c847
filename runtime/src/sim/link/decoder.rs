//! Operands of one function, resolved to rows and addresses.

use std::collections::HashMap;

use firesteel_ptx::ir::{Function, Label, Reg};
use firesteel_ptx::operand::{Addr, PairDef, PredUse, Special, Value};
use firesteel_ptx::ty::{Kind, Ty};

use super::frame::{Frame, Home, Place, file_of};
use super::pool::{Pool, TRUE};
use crate::sim::registers::{File, Lane, Registers, Row, Slot, load_any, store_any};

/// A module's variable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol {
    pub(crate) address: u64,
}

/// Turns the instructions of one function into actions.
pub(crate) struct Decoder<'a> {
    pub(crate) func: &'a Function,
    pub(crate) frame: usize,
    pub(crate) frames: &'a [Frame],
    /// All functions of the module, by the index that frames have.
    pub(crate) functions: &'a [Function],
    pub(crate) symbols: &'a HashMap<String, Symbol>,
    pub(crate) pool: &'a mut Pool,
    /// The instruction that is being decoded.
    pub(crate) pc: u32,
}

/// A value of any width: the row and the bits of it that count.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    pub(crate) file: File,
    pub(crate) slot: Slot,
    mask: u64,
}

impl Source {
    #[inline(always)]
    pub(crate) fn load(self, regs: &Registers) -> Row<u64> {
        load_any(regs, self.file, self.slot).map(|it| it & self.mask)
    }
}

/// A register of any width that is written.
#[derive(Clone, Copy)]
pub(crate) struct Sink {
    pub(crate) file: File,
    pub(crate) slot: Slot,
    mask: u64,
}

impl Sink {
    #[inline(always)]
    pub(crate) fn store(self, regs: &mut Registers, mask: u32, value: impl Fn(usize) -> u64) {
        store_any(regs, (self.file, self.slot), mask, |lane| value(lane) & self.mask);
    }
}

/// A predicate that is read.
#[derive(Clone, Copy)]
pub(crate) struct Predicate {
    pub(crate) slot: Slot,
    /// All ones if it is negated.
    pub(crate) invert: u32,
}

impl Predicate {
    /// The lanes for which it holds.
    #[inline(always)]
    pub(crate) fn lanes(self, regs: &Registers) -> u32 {
        regs.pred(self.slot) ^ self.invert
    }
}

/// An address that is computed when the instruction runs.
#[derive(Clone, Copy)]
pub(crate) struct Address {
    pub(crate) base: Source,
    pub(crate) offset: u64,
}

impl Address {
    #[inline(always)]
    pub(crate) fn load(self, regs: &Registers) -> Row<u64> {
        let base = self.base.load(regs);
        std::array::from_fn(|lane| base[lane].wrapping_add(self.offset))
    }
}

fn bit_mask(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

/// The bits of a float constant where `bits` bits are wanted: a double may stand for a single.
fn float_bits(double: u64, bits: u32) -> u64 {
    match bits {
        64 => double,
        32 => u64::from((f64::from_bits(double) as f32).to_bits()),
        _ => u64::from(half::f16::from_f64(f64::from_bits(double)).to_bits()),
    }
}

impl Decoder<'_> {
    pub(crate) fn home(&self, reg: Reg) -> Result<Home, String> {
        let home = self.frames[self.frame].regs.get(reg.0 as usize).copied();
        home.ok_or_else(|| "uses a register that is not declared".to_owned())
    }

    fn wrong_width(&self, reg: Reg, bits: u32) -> String {
        let decl = &self.func.regs[reg.0 as usize];
        format!("wants a register of {bits} bits, but `{}` is a `.{}`", decl.name, decl.ty.text())
    }

    /// A register in the file of `T`.
    fn row<T: Lane>(&self, reg: Reg) -> Result<Slot, String> {
        let home = self.home(reg)?;
        let bits = 8 * size_of::<T>() as u32;
        if home.file == T::FILE { Ok(home.slot) } else { Err(self.wrong_width(reg, bits)) }
    }

    /// A written register of `T`.
    pub(crate) fn def<T: Lane>(&self, reg: Reg) -> Result<Slot, String> {
        self.row::<T>(reg)
    }

    /// A written register of any width but a predicate.
    pub(crate) fn def_any(&self, reg: Reg) -> Result<Sink, String> {
        let Home { file, slot, bits, .. } = self.home(reg)?;
        Ok(Sink { file, slot, mask: bit_mask(bits) })
    }

    /// A written predicate.
    pub(crate) fn def_pred(&self, reg: Reg) -> Result<Slot, String> {
        let home = self.home(reg)?;
        if home.file == File::Pred { Ok(home.slot) } else { Err(self.wrong_width(reg, 1)) }
    }

    pub(crate) fn pred_pair(&self, p: PairDef) -> Result<(Slot, Option<Slot>), String> {
        let second = p.second.map(|it| self.def_pred(it)).transpose()?;
        Ok((self.def_pred(p.first)?, second))
    }

    /// A predicate that is read.
    pub(crate) fn pred(&self, p: PredUse) -> Result<Predicate, String> {
        let slot = self.def_pred(p.reg)?;
        Ok(Predicate { slot, invert: if p.negated { u32::MAX } else { 0 } })
    }

    /// A predicate, or 0 or 1.
    pub(crate) fn pred_value(&self, value: &Value) -> Result<Predicate, String> {
        match value {
            Value::Reg(reg) => self.pred(PredUse { reg: *reg, negated: false }),
            Value::Int(0) => Ok(Predicate { slot: TRUE, invert: u32::MAX }),
            Value::Int(_) => Ok(Predicate { slot: TRUE, invert: 0 }),
            Value::F32(_) | Value::F64(_) | Value::Special(_) | Value::Symbol(_, _) => {
                Err("a predicate must be a register or an integer".to_owned())
            }
        }
    }

    /// A value of type `T`.
    pub(crate) fn value<T: Lane>(&mut self, value: &Value) -> Result<Slot, String> {
        match value {
            Value::Reg(reg) => self.row::<T>(*reg),
            _ => self.held(value, T::FILE, 8 * size_of::<T>() as u32),
        }
    }

    /// A value of type `ty`, in a register that may be wider.
    pub(crate) fn value_of(&mut self, value: &Value, ty: Ty) -> Result<Source, String> {
        let bits = ty.bits();
        let (file, slot) = match value {
            Value::Reg(reg) => {
                let home = self.home(*reg)?;
                (home.file, home.slot)
            }
            _ => (file_of(ty), self.held(value, file_of(ty), bits)?),
        };
        Ok(Source { file, slot, mask: bit_mask(bits) })
    }

    /// A row with a constant, a special register or an address.
    fn held(&mut self, value: &Value, file: File, bits: u32) -> Result<Slot, String> {
        let constant = match value {
            Value::Reg(_) => return Err("a register was expected to be resolved".to_owned()),
            Value::Int(value) => value.cast_unsigned(),
            Value::F32(single) if bits == 64 => f64::from(f32::from_bits(*single)).to_bits(),
            Value::F32(single) => u64::from(*single),
            Value::F64(double) => float_bits(*double, bits),
            Value::Special(special) => return self.special(*special, file),
            Value::Symbol(name, offset) => match self.place(name)? {
                Place::Fixed(address) => address.wrapping_add(offset.cast_unsigned()),
                Place::Frame(at) => {
                    let at = at.wrapping_add(*offset as u32);
                    return Ok(self.pool.frame_place(file, self.frame, at));
                }
            },
        };
        Ok(self.pool.constant(file, constant & bit_mask(bits)))
    }

    fn special(&mut self, special: Special, file: File) -> Result<Slot, String> {
        if is_clock(special) {
            return Err(format!("`{}` can only be read by `mov`", special.text()));
        }
        Ok(self.pool.special(file, special))
    }

    /// The address of a variable in its space.
    pub(crate) fn place(&self, name: &str) -> Result<Place, String> {
        let frame = &self.frames[self.frame];
        if let Some(place) = frame.places.get(name) {
            return Ok(*place);
        }
        let symbol = self.symbols.get(name).map(|it| Place::Fixed(it.address));
        symbol.ok_or_else(|| format!("`{name}` has no address"))
    }

    /// The operand of an access to memory.
    pub(crate) fn address(&mut self, addr: &Addr) -> Result<Address, String> {
        let ty = match &addr.base {
            Value::Reg(reg) => match self.home(*reg)?.bits {
                32 => Ty::U32,
                _ => Ty::U64,
            },
            _ => Ty::U64,
        };
        let base = self.value_of(&addr.base, ty)?;
        Ok(Address { base, offset: addr.offset.cast_unsigned() })
    }

    /// Whether the register is exactly as wide as `ty`.
    pub(crate) fn is_as_wide(&self, reg: Reg, ty: Ty) -> bool {
        self.home(reg).is_ok_and(|it| it.bits == ty.bits())
    }

    /// Whether a value needs no narrowing to `ty`.
    pub(crate) fn value_is_as_wide(&self, value: &Value, ty: Ty) -> bool {
        match value {
            Value::Reg(reg) => self.is_as_wide(*reg, ty),
            Value::F64(_) => ty.kind() == Kind::Float,
            Value::Int(_) | Value::F32(_) | Value::Special(_) | Value::Symbol(_, _) => true,
        }
    }

    /// The instruction that a label stands before.
    pub(crate) fn label(&self, label: Label) -> Result<u32, String> {
        let at = self.frames[self.frame].labels.get(label.0 as usize).copied();
        at.ok_or_else(|| "jumps to a label that does not exist".to_owned())
    }
}

/// Whether a special register changes while the warp runs.
pub(crate) fn is_clock(special: Special) -> bool {
    matches!(
        special,
        Special::Clock
            | Special::ClockHi
            | Special::Clock64
            | Special::Globaltimer
            | Special::GlobaltimerLo
            | Special::GlobaltimerHi
    )
}
