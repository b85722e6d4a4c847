//! Instructions drawn from the table, for the other tests.

use firesteel_ptx::ir::*;
use firesteel_ptx::isa::{Mma, Op, Wgmma, WgmmaRegisters, mma_registers, wgmma_registers};
use firesteel_ptx::modifier::{Layout, MmaShape, SatFinite, WgmmaShape};
use firesteel_ptx::operand::{Fit, PredUse, Switch, Use, Value, VecChange, VecDef, VecUse};
use firesteel_ptx::sample::{ROWS, Sampler};
use firesteel_ptx::ty::{MmaAccTy, MmaTy, Since, Ty};
use firesteel_ptx::{required, verify};

/// A small generator with a fixed seed (`xorshift64*`).
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        high as usize % n.max(1)
    }
}

/// Goes through all sequences of choices, the last choice first.
#[derive(Default)]
struct Odometer {
    /// The choice made and the number of choices at each place.
    wheels: Vec<(usize, usize)>,
    at: usize,
}

impl Odometer {
    fn pick(&mut self, n: usize) -> usize {
        if self.at == self.wheels.len() {
            self.wheels.push((0, n));
        }
        self.at += 1;
        self.wheels[self.at - 1].0
    }

    /// Goes on to the next sequence; false after the last.
    fn turn(&mut self) -> bool {
        self.at = 0;
        while let Some((choice, n)) = self.wheels.pop() {
            if choice + 1 < n {
                self.wheels.push((choice + 1, n));
                return true;
            }
        }
        false
    }
}

/// An instruction, and the function that declares what it names.
#[derive(Clone)]
pub(crate) struct Drawn {
    pub(crate) op: Op,
    pub(crate) function: Function,
}

/// Instructions of the row at `index`, valid ones: each combination of modifiers if there are at
/// most `limit`, else so many at random.
pub(crate) fn row(index: usize, limit: usize, any_value: bool) -> Vec<Drawn> {
    let mut rng = Rng::new(index as u64 + 1);
    match ROWS[index].0 {
        "Mma" => return mma(&mut rng, limit),
        "Wgmma" => return wgmma(&mut rng, limit, false),
        "WgmmaRegisters" => return wgmma(&mut rng, limit, true),
        _ => {}
    }
    let mut drawn = Vec::new();
    let mut odometer = Odometer::default();
    loop {
        // A combination may suit some operands only: vectors and constants.
        let found = (0..200).find_map(|_| {
            odometer.at = 0;
            one(index, &mut |n| odometer.pick(n), &mut |n| rng.below(n), any_value)
        });
        drawn.extend(found);
        if !odometer.turn() {
            return drawn;
        }
        if drawn.len() > limit {
            return at_random(index, limit, any_value);
        }
    }
}

fn at_random(index: usize, limit: usize, any_value: bool) -> Vec<Drawn> {
    let (mut left, mut right) = (Rng::new(index as u64 + 1), Rng::new(index as u64 + 1000));
    let tries = (0..limit * 2000)
        .filter_map(|_| one(index, &mut |n| left.below(n), &mut |n| right.below(n), any_value));
    tries.take(limit).collect()
}

/// Instructions of the row at `index` that are valid on no machine, and why not.
pub(crate) fn invalid(index: usize, limit: usize) -> Vec<(Drawn, String)> {
    let (mut left, mut right) = (Rng::new(index as u64 + 1), Rng::new(index as u64 + 2000));
    let tries = (0..limit * 20).filter_map(|_| {
        let mut modifiers = |n| left.below(n);
        let mut operands = |n| right.below(n);
        let mut sampler = Sampler::new(&mut modifiers, &mut operands);
        let op = ROWS[index].1(&mut sampler);
        check(op, &sampler).err().map(|refused| *refused)
    });
    tries.take(limit).collect()
}

fn one(
    index: usize,
    modifiers: &mut dyn FnMut(usize) -> usize,
    operands: &mut dyn FnMut(usize) -> usize,
    any_value: bool,
) -> Option<Drawn> {
    let mut sampler = Sampler::new(modifiers, operands);
    sampler.any_value = any_value;
    let op = ROWS[index].1(&mut sampler);
    if any_value && op.objection().is_none() {
        let function = sampler.function("f", vec![op.clone().into()]);
        return Some(Drawn { op, function });
    }
    check(op, &sampler).ok()
}

/// Whether the instruction is valid for some machine.
fn check(op: Op, sampler: &Sampler<'_>) -> Result<Drawn, Box<(Drawn, String)>> {
    let function = sampler.function("f", vec![op.clone().into()]);
    let since = required(&function);
    let module = module(version(since), machine(since), vec![function.clone()]);
    let drawn = Drawn { op, function };
    match verify(&module) {
        Ok(()) => Ok(drawn),
        Err(error) => Err(Box::new((drawn, error.message))),
    }
}

/// The oldest version that has what is required, and its machine.
pub(crate) fn version(since: Since) -> (u8, u8) {
    since.ptx.max(machine(since).version())
}

/// The oldest machine that has what is required.
pub(crate) fn machine(since: Since) -> Target {
    Target { sm: since.sm, suffix: since.exact.then_some('a'), debug: false }
}

/// Few of the combinations of `mma` are valid, so chance would hardly find them.
fn mma(rng: &mut Rng, limit: usize) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for &shape in MmaShape::ALL {
        for &ty in MmaTy::ALL {
            for &acc in MmaAccTy::ALL {
                let Some(counts) = mma_registers(shape, ty, acc) else { continue };
                let some = (0..limit / 4).filter_map(|_| one_mma(rng, (shape, ty, acc), counts));
                drawn.extend(some);
            }
        }
    }
    drawn
}

fn one_mma(
    rng: &mut Rng,
    (shape, aty, acc): (MmaShape, MmaTy, MmaAccTy),
    (a, b, c): (usize, usize, usize),
) -> Option<Drawn> {
    let mut zero = |_: usize| 0;
    let mut random = |n: usize| rng.below(n);
    let mut sampler = Sampler::new(&mut zero, &mut random);
    let fragment = |ty| if matches!(ty, Ty::F64 | Ty::F32 | Ty::S32) { ty } else { Ty::B32 };
    let bty = sampler.operand(MmaTy::ALL);
    let mut values =
        |count, ty| VecUse(sampler.regs(count, fragment(ty)).into_iter().map(Value::Reg).collect());
    let (a, b, c, d) =
        (values(a, aty.ty()), values(b, bty.ty()), values(c, acc.ty()), values(c, acc.ty()));
    let d = d.0.iter().map(|it| if let Value::Reg(reg) = it { Some(*reg) } else { None });
    let op = Op::Mma(Mma {
        shape,
        alayout: sampler.operand(Layout::ALL),
        blayout: sampler.operand(Layout::ALL),
        satfinite: sampler.operand(&[None, Some(SatFinite::SatFinite)]),
        dty: acc,
        aty,
        bty,
        cty: acc,
        d: VecDef(d.collect()),
        a,
        b,
        c,
    });
    check(op, &sampler).ok()
}

/// As [`mma`], for the instructions of a warpgroup.
fn wgmma(rng: &mut Rng, limit: usize, registers: bool) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for &aty in MmaTy::ALL {
        for &dty in MmaAccTy::ALL {
            for k in [8, 16, 32] {
                let some = (0..limit).filter_map(|_| one_wgmma(rng, (k, aty, dty), registers));
                drawn.extend(some);
            }
        }
    }
    drawn
}

fn one_wgmma(
    rng: &mut Rng,
    (k, aty, dty): (u16, MmaTy, MmaAccTy),
    registers: bool,
) -> Option<Drawn> {
    let mut zero = |_: usize| 0;
    let mut random = |n: usize| rng.below(n);
    let mut sampler = Sampler::new(&mut zero, &mut random);
    let n = 8 * sampler.operand(&[1, 2, 3, 4, 5, 6, 8, 16, 31, 32]);
    let shape = WgmmaShape { n, k };
    let count = wgmma_registers(shape, aty, dty)?;
    let fragment = |ty| if matches!(ty, Ty::F32 | Ty::S32) { ty } else { Ty::B32 };
    let d = VecChange(sampler.regs(count, fragment(dty.ty())));
    let bty = sampler.operand(MmaTy::ALL);
    let mut one = |ty| Use(Value::Reg(sampler.reg(ty, Fit::Exact)));
    let (descriptor, b) = (one(Ty::U64), one(Ty::U64));
    let a = VecUse(sampler.regs(4, Ty::B32).into_iter().map(Value::Reg).collect());
    let add = match sampler.operand(&[0, 1, 2]) {
        2 => Switch::Pred(PredUse {
            reg: sampler.reg(Ty::Pred, Fit::Exact),
            negated: sampler.maybe(),
        }),
        known => Switch::Known(known == 1),
    };
    let integer = dty == MmaAccTy::S32;
    let satfinite = (integer && sampler.maybe()).then_some(SatFinite::SatFinite);
    let mut scale = || (!integer).then(|| Use(Value::Int(sampler.operand(&[1, -1]))));
    let (a_scale, b_scale) = (scale(), scale());
    let mut trans = || (k == 16).then(|| Use(Value::Int(sampler.operand(&[0, 1]))));
    let (a_trans, b_trans) = (trans(), trans());
    let op = if registers {
        let it = WgmmaRegisters {
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
        };
        Op::WgmmaRegisters(it)
    } else {
        let a = descriptor;
        Op::Wgmma(Wgmma {
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
        })
    };
    check(op, &sampler).ok()
}

/// A module for `functions` that holds what samples name.
pub(crate) fn module(version: (u8, u8), target: Target, functions: Vec<Function>) -> Module {
    let buffer = Var {
        linkage: None,
        space: firesteel_ptx::modifier::Space::Global,
        align: Some(16),
        ty: Ty::B8,
        name: "buffer".to_owned(),
        len: Len::Array(256),
        init: Vec::new(),
    };
    let callee = Function {
        linkage: None,
        entry: false,
        name: "callee".to_owned(),
        results: Vec::new(),
        params: Vec::new(),
        directives: Vec::new(),
        regs: Vec::new(),
        vars: Vec::new(),
        labels: Vec::new(),
        body: Some(Vec::new()),
    };
    let functions = std::iter::once(callee).chain(functions).collect();
    Module { version, target, files: Vec::new(), vars: vec![buffer], functions }
}
