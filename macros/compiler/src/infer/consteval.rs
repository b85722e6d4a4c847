//! The values of constants.

use super::Infer;
use super::literal::literal;
use super::ty::Ty;
use crate::ast::{Block, Expr, ExprKind, Member, StructOf};
use crate::diag::{Code, Diag};
use crate::intrinsics::Op;
use crate::parse::associated_constant;
use crate::value::{BinOp, Scalar, UnOp, Value};

/// A value known at build time.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// A scalar.
    Scalar(Value),
    /// A tuple; unit is the empty one.
    Tuple(Vec<Constant>),
    /// An array.
    Array(Vec<Constant>),
}

/// `Err(None)` for what has been reported already.
type Result<T> = std::result::Result<T, Option<Box<Diag>>>;

/// Evaluates an expression whose types are settled.
#[expect(clippy::too_many_lines, reason = "an arm for each form")]
pub(super) fn eval(cx: &mut Infer<'_>, expr: &Expr) -> Result<Constant> {
    match &expr.kind {
        ExprKind::Lit(lit) => {
            let ty = scalar_type(cx, expr)?;
            literal(lit, ty, false).map(Constant::Scalar).ok_or_else(|| not_constant(expr))
        }
        ExprKind::Const(id, _) => cx.const_value(*id).ok_or(None),
        ExprKind::Associated(_, ty, name) => {
            let written = cx.written(ty);
            // A literal whose type is needed here cannot wait for more to be known.
            cx.vars.default_literal(&written);
            let Ty::Scalar(ty) = cx.vars.shallow(&written) else {
                let message = "the type of this constant is not known here";
                let help = "write the type at the call: `f::<f32>(..)`";
                let diag = Diag::new(Code::CannotInfer, expr.span, message).help(help);
                return Err((written != Ty::Error).then(|| Box::new(diag)));
            };
            let value = associated_constant(ty, &name.to_string());
            value.map(Constant::Scalar).ok_or_else(|| not_constant(expr))
        }
        ExprKind::Unary(op, _, inner) => unary(cx, expr, *op, inner),
        ExprKind::Binary(op, _, left, right) => binary(cx, expr, *op, left, right),
        ExprKind::Logic(and, _, left, right) => {
            let left = scalar(cx, left)?.as_bool();
            if left == *and { eval(cx, right) } else { Ok(Constant::Scalar(Value::bool(left))) }
        }
        ExprKind::Cast(inner, _) | ExprKind::From(_, _, inner) => {
            let ty = scalar_type(cx, expr)?;
            Ok(Constant::Scalar(scalar(cx, inner)?.cast(ty)))
        }
        ExprKind::Tuple(elems) => Ok(Constant::Tuple(all(cx, elems)?)),
        ExprKind::Array(elems) => Ok(Constant::Array(all(cx, elems)?)),
        ExprKind::Repeat(elem, len) => {
            let elem = eval(cx, elem)?;
            let len = cx.length(*len).ok_or(None)?;
            Ok(Constant::Array(vec![elem; len as usize]))
        }
        ExprKind::Index(base, index) => element(cx, base, index),
        ExprKind::Field(base, member) => {
            let at = match (cx.fields.get(&expr.id), member) {
                (Some(at), _) | (None, Member::Index(at, _)) => *at,
                (None, Member::Named(_)) => return Err(not_constant(expr)),
            };
            field(cx, base, at)?.ok_or_else(|| not_constant(expr))
        }
        ExprKind::Struct(of, base) => structure(cx, of, base.as_deref()),
        ExprKind::If(cond, then, otherwise) => {
            if scalar(cx, cond)?.as_bool() {
                block(cx, expr, then)
            } else {
                otherwise.as_ref().map_or(Ok(Constant::Tuple(vec![])), |it| eval(cx, it))
            }
        }
        ExprKind::Block(None, inner) => block(cx, expr, inner),
        ExprKind::Method(receiver, name, args) => {
            let mut values = vec![scalar(cx, receiver)?];
            for arg in args {
                values.push(scalar(cx, arg)?);
            }
            called(&name.to_string(), &values).ok_or_else(|| not_constant(expr))
        }
        ExprKind::Error(_) => Err(None),
        ExprKind::Local(..)
        | ExprKind::Memory(..)
        | ExprKind::Map(..)
        | ExprKind::Scope(..)
        | ExprKind::Order(..)
        | ExprKind::MethodCall(_)
        | ExprKind::Ref(..)
        | ExprKind::Deref(..)
        | ExprKind::Call(_)
        | ExprKind::Inline(_)
        | ExprKind::Closure(_)
        | ExprKind::Vector { .. }
        | ExprKind::Zero(..)
        | ExprKind::Block(Some(_), _)
        | ExprKind::Loop(..)
        | ExprKind::While(..)
        | ExprKind::For(_)
        | ExprKind::Match(..)
        | ExprKind::Break(..)
        | ExprKind::Continue(..)
        | ExprKind::Return(_)
        | ExprKind::Assign(..)
        | ExprKind::AssignOp(..)
        | ExprKind::Assert(..)
        | ExprKind::Print(..) => Err(not_constant(expr)),
    }
}

/// A field of a tuple; `None` of anything else.
fn field(cx: &mut Infer<'_>, base: &Expr, at: u32) -> Result<Option<Constant>> {
    Ok(match eval(cx, base)? {
        Constant::Tuple(elems) => elems.into_iter().nth(at as usize),
        Constant::Scalar(_) | Constant::Array(_) => None,
    })
}

/// The fields of a struct, in their order.
fn structure(cx: &mut Infer<'_>, of: &StructOf<Expr>, base: Option<&Expr>) -> Result<Constant> {
    let count = cx.ast.structs[of.id.0].fields.len();
    let mut fields = vec![Constant::Tuple(Vec::new()); count];
    if let Some(base) = base
        && let Constant::Tuple(values) = eval(cx, base)?
    {
        fields = values;
    }
    for (field, _, value) in &of.fields {
        fields[*field as usize] = eval(cx, value)?;
    }
    Ok(Constant::Tuple(fields))
}

/// The value of a method, if it is known while compiling.
fn called(name: &str, values: &[Value]) -> Option<Constant> {
    let row = crate::intrinsics::method(name)?;
    method(row.op, values).map(Constant::Scalar)
}

fn not_constant(expr: &Expr) -> Option<Box<Diag>> {
    let diag = Diag::new(Code::NotConstant, expr.span, "this is not a constant");
    Some(Box::new(diag.help("use literals, `const` items and operators")))
}

fn bad(expr: &Expr, message: &str, help: &str) -> Option<Box<Diag>> {
    Some(Box::new(Diag::new(Code::BadConstant, expr.span, message).help(help)))
}

fn scalar_type(cx: &Infer<'_>, expr: &Expr) -> Result<Scalar> {
    match cx.vars.shallow(&cx.nodes[expr.id.0]) {
        Ty::Scalar(scalar) => Ok(scalar),
        _ => Err(not_constant(expr)),
    }
}

fn scalar(cx: &mut Infer<'_>, expr: &Expr) -> Result<Value> {
    match eval(cx, expr)? {
        Constant::Scalar(value) => Ok(value),
        Constant::Tuple(_) | Constant::Array(_) => Err(not_constant(expr)),
    }
}

fn all(cx: &mut Infer<'_>, exprs: &[Expr]) -> Result<Vec<Constant>> {
    exprs.iter().map(|expr| eval(cx, expr)).collect()
}

fn block(cx: &mut Infer<'_>, expr: &Expr, block: &Block) -> Result<Constant> {
    match &block.tail {
        Some(tail) if block.stmts.is_empty() => eval(cx, tail),
        _ => Err(not_constant(expr)),
    }
}

fn unary(cx: &mut Infer<'_>, expr: &Expr, op: UnOp, inner: &Expr) -> Result<Constant> {
    if let (UnOp::Neg, ExprKind::Lit(lit)) = (op, &inner.kind) {
        let ty = scalar_type(cx, expr)?;
        return literal(lit, ty, true).map(Constant::Scalar).ok_or_else(|| not_constant(expr));
    }
    let value = scalar(cx, inner)?;
    let result = value.unary(op).ok_or_else(|| not_constant(expr))?;
    if op == UnOp::Neg && value.ty().is_int() && -value.as_int() != result.as_int() {
        return Err(bad(expr, "this constant overflows", "use a wider type"));
    }
    Ok(Constant::Scalar(result))
}

/// In a constant an overflow is an error, as it is for rustc.
fn binary(
    cx: &mut Infer<'_>,
    expr: &Expr,
    op: BinOp,
    left: &Expr,
    right: &Expr,
) -> Result<Constant> {
    let (a, b) = (scalar(cx, left)?, scalar(cx, right)?);
    let zero = b.ty().is_int() && b.as_int() == 0;
    if zero && matches!(op, BinOp::Div | BinOp::Rem) {
        return Err(bad(expr, "this constant divides by zero", "use another divisor"));
    }
    let result = a.binary(op, b).ok_or_else(|| not_constant(expr))?;
    let exact = if !a.ty().is_int() {
        None
    } else {
        match op {
            BinOp::Add => Some(a.as_int() + b.as_int()),
            BinOp::Sub => Some(a.as_int() - b.as_int()),
            BinOp::Mul => Some(a.as_int().saturating_mul(b.as_int())),
            _ => None,
        }
    };
    let too_far = op.is_shift() && !(0..i128::from(a.ty().bits())).contains(&b.as_int());
    if too_far || exact.is_some_and(|exact| exact != result.as_int()) {
        return Err(bad(expr, "this constant overflows", "use a wider type"));
    }
    Ok(Constant::Scalar(result))
}

fn element(cx: &mut Infer<'_>, base: &Expr, index: &Expr) -> Result<Constant> {
    let elems = match eval(cx, base)? {
        Constant::Array(elems) => elems,
        Constant::Scalar(_) | Constant::Tuple(_) => return Err(not_constant(base)),
    };
    let at = scalar(cx, index)?;
    let found = usize::try_from(at.as_int()).ok().and_then(|at| elems.get(at).cloned());
    found.ok_or_else(|| {
        let message = format!("index {} in an array of {}", at.as_int(), elems.len());
        bad(index, &message, "use a smaller index")
    })
}

/// The methods of integers that are worth having in a length.
fn method(op: Op, values: &[Value]) -> Option<Value> {
    let ty = values.first()?.ty();
    if !ty.is_int() {
        return None;
    }
    let x = values[0].as_int();
    let unsigned = values[0].bits();
    let count = |n: u32| Some(Value::int(Scalar::U32, i128::from(n)));
    let fits =
        |value: i128| (Value::int(ty, value).as_int() == value).then(|| Value::int(ty, value));
    match (op, values.get(1).map(|value| value.as_int())) {
        (Op::Min, Some(y)) => fits(x.min(y)),
        (Op::Max, Some(y)) => fits(x.max(y)),
        (Op::DivCeil, Some(y)) if y != 0 => fits((x + y - 1) / y),
        (Op::NextMultipleOf, Some(y)) if y != 0 => fits((x + y - 1) / y * y),
        (Op::Pow, Some(n)) => fits(x.checked_pow(u32::try_from(n).ok()?)?),
        (Op::NextPowerOfTwo, None) => fits(i128::from(unsigned.checked_next_power_of_two()?)),
        (Op::IsPowerOfTwo, None) => Some(Value::bool(unsigned.is_power_of_two())),
        (Op::Ilog2, None) => count(unsigned.checked_ilog2()?),
        (Op::CountOnes, None) => count(unsigned.count_ones()),
        (Op::TrailingZeros, None) => count(unsigned.trailing_zeros().min(ty.bits())),
        (Op::LeadingZeros, None) => count(unsigned.leading_zeros() - (64 - ty.bits())),
        _ => None,
    }
}
