//! `parse(emit(m)) == m` for whatever the table and the rest of the IR can say.

use firesteel_ptx::ir::*;
use firesteel_ptx::isa::{Call, Ld, Op, Ret, St};
use firesteel_ptx::modifier::Space;
use firesteel_ptx::operand::{Addr, Callee, Defs, LeadingParams, Params, Uses, Value};
use firesteel_ptx::sample::{ROWS, Sampler};
use firesteel_ptx::ty::{MemTy, Ty};
use firesteel_ptx::{emit, parse};

use crate::draw::{self, Rng};

#[test]
fn every_row_reads_back_what_it_prints() {
    for (index, row) in ROWS.iter().enumerate() {
        let drawn = draw::row(index, 400, true);
        assert!(!drawn.is_empty(), "no valid instruction of the row `{}` was drawn", row.0);
        for it in drawn {
            let row = it.op.name();
            let module = draw::module((8, 8), Target::sm(90), vec![it.function]);
            let text = emit(&module);
            let read = parse(&text).unwrap_or_else(|error| panic!("{row}: {error}\n{text}"));
            assert_eq!(read, module, "{row}:\n{text}");
        }
    }
}

#[test]
fn random_modules_read_back_what_they_print() {
    for seed in 0..300 {
        let module = random_module(&mut Rng::new(seed));
        let text = emit(&module);
        let read = parse(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
        assert_eq!(read, module, "seed {seed}:\n{text}");
        assert_eq!(emit(&read), text, "seed {seed}");
    }
}

fn one_of<T: Clone>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.below(all.len())].clone()
}

fn some<T>(rng: &mut Rng, most: usize, mut make: impl FnMut(&mut Rng, usize) -> T) -> Vec<T> {
    (0..rng.below(most + 1)).map(|at| make(rng, at)).collect()
}

fn random_module(rng: &mut Rng) -> Module {
    let sm = one_of(rng, &[70, 80, 90, 100]);
    let suffix = one_of(rng, &[None, Some('a'), Some('f')]);
    let versions = [(6, 0), (7, 8), (8, 8), (9, 0)];
    let mut module = draw::module(one_of(rng, &versions), Target::sm(sm), Vec::new());
    module.target = Target { sm, suffix, debug: rng.below(4) == 0 };
    module.files = some(rng, 3, |rng, at| {
        (at as u32 + 1, one_of(rng, &["a.rs", "src/b c.rs", "\\d\\é.cu"]).to_owned())
    });
    module.vars.extend(some(rng, 5, |rng, at| variable(rng, &format!("global{at}"))));
    module.functions.extend(some(rng, 3, |rng, at| device_function(rng, &format!("func{at}"))));
    let callees = module.functions.clone();
    let kernels = some(rng, 3, |rng, at| kernel(rng, &format!("kernel{at}"), &callees));
    module.functions.extend(kernels);
    module
}

fn variable(rng: &mut Rng, name: &str) -> Var {
    let space = one_of(rng, &[Space::Global, Space::Const, Space::Shared]);
    let tys = [Ty::B8, Ty::S16, Ty::U32, Ty::B64, Ty::F32, Ty::F64, Ty::F16, Ty::B128];
    let ty = one_of(rng, &tys);
    let len = one_of(rng, &[Len::One, Len::Array(3), Len::Array(7), Len::Unsized]);
    let linkage = one_of(
        rng,
        &[
            None,
            Some(Linkage::Extern),
            Some(Linkage::Visible),
            Some(Linkage::Weak),
            Some(Linkage::Common),
        ],
    );
    let align = one_of(rng, &[None, Some(1), Some(16), Some(128)]);
    let count = match len {
        Len::One => 1,
        Len::Array(count) => count as usize,
        Len::Unsized => 0,
    };
    let values = if space == Space::Shared { 0 } else { rng.below(count + 1) };
    let init = (0..values).map(|_| initial(rng, ty)).collect();
    Var { linkage, space, align, ty, name: name.to_owned(), len, init }
}

fn initial(rng: &mut Rng, ty: Ty) -> Init {
    let single = [0, 0x3F80_0000, 0xFF80_0000];
    match rng.below(3) {
        0 if ty.bits() == 64 => Init::Address("buffer".to_owned(), one_of(rng, &[0, 8])),
        1 if ty == Ty::F64 => Init::Float(one_of(rng, &[0, u64::MAX, 1.5f64.to_bits()])),
        1 if ty.bits() == 32 => Init::Float(one_of(rng, &single)),
        _ => Init::Int(one_of(rng, &[0, 1, -1, 255, i64::MAX, i64::MIN])),
    }
}

fn param(ty: Ty, name: String) -> Var {
    let (linkage, align, len) = (None, None, Len::One);
    Var { linkage, space: Space::Param, align, ty, name, len, init: Vec::new() }
}

/// A function that may be only declared, may give a result, and may take a structure.
fn device_function(rng: &mut Rng, name: &str) -> Function {
    let mut function = body(rng, name, &[]);
    function.entry = false;
    function.linkage = one_of(rng, &[None, Some(Linkage::Visible), Some(Linkage::Weak)]);
    function.results = some(rng, 1, |_, _| param(Ty::B32, format!("{name}_result")));
    function.params = some(rng, 3, |rng, at| Var {
        align: one_of(rng, &[None, Some(8)]),
        len: one_of(rng, &[Len::One, Len::Array(24)]),
        ..param(Ty::B8, format!("{name}_param_{at}"))
    });
    function.directives = some(rng, 1, |_, _| Directive::NoReturn);
    if rng.below(4) == 0 {
        function.linkage = Some(Linkage::Extern);
        function.body = None;
        (function.regs, function.vars, function.labels) = (Vec::new(), Vec::new(), Vec::new());
    }
    function
}

fn kernel(rng: &mut Rng, name: &str, callees: &[Function]) -> Function {
    let mut function = body(rng, name, callees);
    function.params = some(rng, 4, |rng, at| {
        let ty = one_of(rng, &[Ty::U64, Ty::F32, Ty::B16, Ty::U8]);
        param(ty, format!("{name}_param_{at}"))
    });
    let all = [
        Directive::MaxThreads([256, 1, 1]),
        Directive::RequiredThreads([16, 16, 2]),
        Directive::MinBlocks(2),
        Directive::MaxRegisters(128),
        Directive::Pragma("nounroll".to_owned()),
        Directive::ExplicitCluster,
        Directive::MaxClusterRank(8),
        Directive::RequiredCluster([2, 1, 1]),
    ];
    function.directives = some(rng, 4, |rng, _| one_of(rng, &all));
    function
}

/// A body of instructions of random rows, some guarded, with calls, labels, places and pragmas.
fn body(rng: &mut Rng, name: &str, callees: &[Function]) -> Function {
    let rows: Vec<usize> = (0..rng.below(30)).map(|_| rng.below(ROWS.len())).collect();
    let (mut left, mut right) =
        (Rng::new(rng.below(1 << 20) as u64), Rng::new(rng.below(1 << 20) as u64));
    let (mut modifiers, mut operands) = (|n| left.below(n), |n| right.below(n));
    let mut sampler = Sampler::new(&mut modifiers, &mut operands);
    sampler.any_value = true;
    let mut insts: Vec<Inst> = Vec::new();
    for row in rows {
        let op = ROWS[row].1(&mut sampler);
        if op.objection().is_some() {
            continue;
        }
        let reg = sampler.reg(Ty::Pred, firesteel_ptx::operand::Fit::Exact);
        let guard = Guard { reg, negated: rng.below(2) == 0 };
        insts.push(Inst { guard: (rng.below(3) == 0).then_some(guard), op });
    }
    let mut function = sampler.function(name, insts);
    function.vars = some(rng, 3, local_variable);
    let statements = function.body.get_or_insert_default();
    for _ in 0..rng.below(4) {
        let at = rng.below(statements.len());
        let loc = Loc { file: 1, line: rng.below(900) as u32, column: rng.below(90) as u32 };
        let statement = one_of(rng, &[Stmt::Loc(loc), Stmt::Pragma("nounroll".to_owned())]);
        statements.insert(at, statement);
    }
    if let Some(callee) = callees.get(rng.below(callees.len().max(1))) {
        call(&mut function, callee);
    }
    function
}

fn local_variable(rng: &mut Rng, at: usize) -> Var {
    let space = one_of(rng, &[Space::Shared, Space::Local, Space::Param]);
    let len = one_of(rng, &[Len::One, Len::Array(64)]);
    Var { space, len, ..param(Ty::B8, format!("local{at}")) }
}

/// Appends a call as compilers write it: arguments stored, result loaded.
fn call(function: &mut Function, callee: &Function) {
    let reg = Reg(function.regs.len() as u32);
    function.regs.push(RegDecl { name: "%call".to_owned(), ty: Ty::B32 });
    let mut name = |name: &str| {
        function.vars.push(param(Ty::B32, name.to_owned()));
        Value::Symbol(name.to_owned(), 0)
    };
    let results: Vec<Value> = callee.results.iter().map(|_| name("result")).collect();
    let args: Vec<Value> = (0..callee.params.len()).map(|at| name(&format!("arg{at}"))).collect();
    let store = |arg: &Value| {
        let addr = Addr { base: arg.clone(), offset: 0 };
        let a = Uses(vec![Value::Reg(reg)]);
        let (sem, scope, cache, evict, hint, vec, policy) =
            (None, None, None, None, None, None, None);
        let (space, ty) = (Some(Space::Param), MemTy::B32);
        Op::St(St { sem, scope, space, cache, evict, hint, vec, ty, addr, a, policy })
    };
    let load = |result: &Value| {
        let addr = Addr { base: result.clone(), offset: 0 };
        let (sem, scope, cache, evict, hint, prefetch) = (None, None, None, None, None, None);
        let (space, vec, ty, policy) = (Some(Space::Param), None, MemTy::B32, None);
        let d = Defs(vec![reg]);
        Op::Ld(Ld { sem, scope, space, cache, evict, hint, prefetch, vec, ty, d, addr, policy })
    };
    let call = Op::Call(Call {
        uni: None,
        results: LeadingParams(results.clone()),
        callee: Callee(callee.name.clone()),
        args: Params(args.clone()),
    });
    let ops = args.iter().map(store).chain([call]).chain(results.iter().map(load));
    let insts = ops.chain([Op::Ret(Ret { uni: None })]).map(|op| Stmt::Inst(op.into()));
    function.body.get_or_insert_default().extend(insts);
}
