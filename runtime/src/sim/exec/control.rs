//! Control flow. PTX ISA, "Control Flow Instructions" and "Miscellaneous Instructions".

use firesteel_ptx::ir::Var;
use firesteel_ptx::isa::*;
use firesteel_ptx::operand::Value;
use firesteel_ptx::ty::Ty;

use super::{Decoded, Decoder};
use crate::sim::link::frame::{CALL_PARAMS, Place};
use crate::sim::program::{self, Action, Passed};

pub(super) fn bra(cx: &mut Decoder<'_>, it: &Bra) -> Decoded {
    cx.label(it.to.0).map(Action::Jump)
}

pub(super) fn brx_idx(cx: &mut Decoder<'_>, it: &BrxIdx) -> Decoded {
    let index = cx.value::<u32>(&it.index.0)?;
    let targets: Vec<u32> = it.to.0.iter().map(|it| cx.label(*it)).collect::<Result<_, _>>()?;
    Ok(Action::Switch { index, targets: targets.into() })
}

/// What a call names: a `.param` variable of the caller, or a value.
fn passed(cx: &mut Decoder<'_>, value: &Value, ty: Ty) -> Result<Passed, String> {
    if let Value::Symbol(name, offset) = value
        && let Place::Fixed(address) = cx.place(name)?
        && let Some(at) = address.checked_sub(CALL_PARAMS)
    {
        return Ok(Passed::Memory(at.wrapping_add_signed(*offset) as u32));
    }
    let source = cx.value_of(value, ty)?;
    Ok(Passed::Register(source.file, source.slot))
}

fn offset_of(cx: &Decoder<'_>, frame: usize, var: &Var) -> Result<u32, String> {
    match cx.frames[frame].places.get(&var.name) {
        Some(Place::Fixed(address)) => Ok((address - CALL_PARAMS) as u32),
        Some(Place::Frame(_)) | None => Err(format!("parameter `{}` has no place", var.name)),
    }
}

pub(super) fn call(cx: &mut Decoder<'_>, it: &Call) -> Decoded {
    let name = it.callee.0.as_str();
    // What `assert` of CUDA C++ ends in.
    if name == "__assertfail" {
        return Ok(Action::Trap);
    }
    let functions = cx.functions;
    let is_callee = |func: usize| functions[func].name == name && functions[func].body.is_some();
    let Some(frame) = cx.frames.iter().position(|it| is_callee(it.function)) else {
        return Err(format!("calls `{name}`, which has no body"));
    };
    let callee = &functions[cx.frames[frame].function];
    if callee.params.len() != it.args.0.len() || callee.results.len() != it.results.0.len() {
        return Err(format!("`{name}` takes another number of parameters"));
    }
    let mut call = program::Call { frame, arguments: Vec::new(), results: Vec::new() };
    for (var, value) in callee.params.iter().zip(&it.args.0) {
        let from = passed(cx, value, var.ty)?;
        call.arguments.push((from, offset_of(cx, frame, var)?, var.bytes() as u32));
    }
    for (var, value) in callee.results.iter().zip(&it.results.0) {
        let to = passed(cx, value, var.ty)?;
        call.results.push((offset_of(cx, frame, var)?, to, var.bytes() as u32));
    }
    Ok(Action::Call(Box::new(call)))
}

pub(super) fn ret(_: &mut Decoder<'_>, _: &Ret) -> Decoded {
    Ok(Action::Return)
}

pub(super) fn exit(_: &mut Decoder<'_>, _: &Exit) -> Decoded {
    Ok(Action::Exit)
}

pub(super) fn trap(_: &mut Decoder<'_>, _: &Trap) -> Decoded {
    Ok(Action::Trap)
}

/// Without a debugger a breakpoint does nothing.
pub(super) fn brkpt(_: &mut Decoder<'_>, _: &Brkpt) -> Decoded {
    Ok(Action::Nothing)
}

/// Whoever sleeps waits for somebody.
pub(super) fn nanosleep(cx: &mut Decoder<'_>, it: &Nanosleep) -> Decoded {
    cx.value::<u32>(&it.t.0).map(|_| Action::Yield)
}
