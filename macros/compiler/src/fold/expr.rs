//! Expressions.

use super::{Fold, Known, known, value};
use crate::diag::Code;
use crate::hir::{
    self, Arg, BinOp, Block, Call, Expr, ExprKind, Memory, Op, Place, Root, Scalar, SpanRange,
    Stmt, StmtKind, Ty, Value,
};
use crate::walk;

/// The bytes of which bulk copies move multiples.
const BULK_PIECE: u32 = 16;

impl Fold<'_> {
    pub(super) fn expr(&mut self, expr: &Expr) -> Expr {
        let kind = self.kind(expr);
        // An unrolled loop or a decided `if` may have become something of another type only if
        // that does not return.
        Expr { kind, ty: expr.ty.clone(), span: expr.span }
    }

    fn boxed(&mut self, expr: &Expr) -> Box<Expr> {
        Box::new(self.expr(expr))
    }

    fn kind(&mut self, expr: &Expr) -> ExprKind {
        match &expr.kind {
            ExprKind::Value(value) => ExprKind::Value(*value),
            ExprKind::Unit => ExprKind::Unit,
            ExprKind::Zero => ExprKind::Zero,
            ExprKind::Load(place) => self.load(place),
            ExprKind::Len(memory) => self.len(*memory),
            ExprKind::Unary(op, a) => {
                let a = self.boxed(a);
                match value(&a).and_then(|a| a.unary(*op)) {
                    Some(value) => ExprKind::Value(value),
                    None => ExprKind::Unary(*op, a),
                }
            }
            ExprKind::Binary(op, a, b) => self.binary(*op, a, b),
            ExprKind::Logic { and, left, right } => self.logic(*and, left, right),
            ExprKind::Cast(a) => {
                let a = self.boxed(a);
                match (value(&a), &expr.ty) {
                    (Some(value), Ty::Scalar(to)) => ExprKind::Value(value.cast(*to)),
                    _ => ExprKind::Cast(a),
                }
            }
            ExprKind::Tuple(items) => ExprKind::Tuple(self.exprs(items)),
            ExprKind::Array(items) => ExprKind::Array(self.exprs(items)),
            ExprKind::Repeat(item) => ExprKind::Repeat(self.boxed(item)),
            ExprKind::Call(call) => self.call(call, expr.span),
            ExprKind::Assert { cond, message } => {
                ExprKind::Assert { cond: self.boxed(cond), message: message.clone() }
            }
            ExprKind::Print { format, args } => {
                ExprKind::Print { format: format.clone(), args: self.exprs(args) }
            }
            ExprKind::Assign { place, value } => self.assign(place, value),
            ExprKind::AssignOp { op, place, value } => self.assign_op(*op, place, value),
            ExprKind::If { .. }
            | ExprKind::Block { .. }
            | ExprKind::Loop { .. }
            | ExprKind::While { .. }
            | ExprKind::For(_)
            | ExprKind::Break { .. }
            | ExprKind::Continue { .. }
            | ExprKind::Return => self.control(expr),
        }
    }

    fn control(&mut self, expr: &Expr) -> ExprKind {
        match &expr.kind {
            ExprKind::If { cond, then, otherwise } => {
                self.if_expr(cond, then, otherwise.as_ref(), expr.span)
            }
            ExprKind::Block { label: None, block } => {
                ExprKind::Block { label: None, block: self.block(block) }
            }
            ExprKind::Block { label: Some(label), block } => {
                let label = self.declare_loop(*label);
                let assigned = walk::assigned(block);
                let block = self.block(block);
                self.forget(&assigned);
                ExprKind::Block { label: Some(label), block }
            }
            ExprKind::Loop { id, body } => {
                let id = self.declare_loop(*id);
                let body = self.repeated(body, |cx| cx.block(body));
                ExprKind::Loop { id, body }
            }
            ExprKind::While { id, cond, body } => self.while_loop(*id, cond, body),
            ExprKind::For(it) => self.for_loop(it, expr.span),
            ExprKind::Break { target, value } => ExprKind::Break {
                value: value.as_ref().map(|value| self.boxed(value)),
                target: self.loop_id(*target),
            },
            ExprKind::Continue { target } => self.continue_expr(*target),
            _ => ExprKind::Return,
        }
    }

    pub(super) fn exprs(&mut self, exprs: &[Expr]) -> Vec<Expr> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn len(&self, memory: Memory) -> ExprKind {
        match hir::static_len(self.shared, self.views, memory) {
            Some(len) => ExprKind::Value(Value::int(Scalar::Usize, i128::from(len))),
            None => ExprKind::Len(memory),
        }
    }

    fn binary(&mut self, op: BinOp, a: &Expr, b: &Expr) -> ExprKind {
        let (a, b) = (self.boxed(a), self.boxed(b));
        if let (Some(x), Some(y)) = (value(&a), value(&b))
            && let Some(value) = x.binary(op, y)
        {
            return ExprKind::Value(value);
        }
        ExprKind::Binary(op, a, b)
    }

    fn logic(&mut self, and: bool, left: &Expr, right: &Expr) -> ExprKind {
        let folded = self.boxed(left);
        match value(&folded) {
            Some(decided) if decided.as_bool() != and => return ExprKind::Value(decided),
            Some(_) => return self.kind(right),
            None => {}
        }
        let before = self.known.clone();
        let right = self.boxed(right);
        self.meet(&before);
        match value(&right) {
            Some(decided) if decided.as_bool() == and => folded.kind,
            // `left && false` is false, whatever `left` is, if it has no effect.
            Some(decided) if is_pure(&folded) => ExprKind::Value(decided),
            _ => ExprKind::Logic { and, left: folded, right },
        }
    }

    fn if_expr(
        &mut self,
        cond: &Expr,
        then: &Block,
        otherwise: Option<&Block>,
        span: SpanRange,
    ) -> ExprKind {
        let cond = self.boxed(cond);
        if let Some(decided) = value(&cond) {
            let taken = if decided.as_bool() { Some(then) } else { otherwise };
            let block = taken.map(|block| self.block(block));
            let nothing = Block { stmts: Vec::new(), tail: None, ty: Ty::Unit, span };
            return ExprKind::Block { label: None, block: block.unwrap_or(nothing) };
        }
        let before = self.known.clone();
        let then = self.block(then);
        let after_then = std::mem::replace(&mut self.known, before);
        let otherwise = otherwise.map(|block| self.block(block));
        let never = |block: &Block| matches!(block.ty, Ty::Never);
        if otherwise.as_ref().is_some_and(never) {
            self.known = after_then;
        } else if !never(&then) {
            self.meet(&after_then);
        }
        ExprKind::If { cond, then, otherwise }
    }

    fn while_loop(&mut self, id: crate::hir::LoopId, cond: &Expr, body: &Block) -> ExprKind {
        let mut assigned = walk::assigned(body);
        walk::expr(cond, &mut |it| assigned.extend(walk::assigned_root(it)));
        self.forget(&assigned);
        let id = self.declare_loop(id);
        let cond = self.boxed(cond);
        let body = match value(&cond) {
            Some(decided) if !decided.as_bool() => {
                let span = body.span;
                Block { stmts: Vec::new(), tail: None, ty: Ty::Unit, span }
            }
            _ => self.block(body),
        };
        self.forget(&assigned);
        ExprKind::While { id, cond, body }
    }

    fn assign(&mut self, place: &Place, value: &Expr) -> ExprKind {
        let value = self.boxed(value);
        let place = self.place(place);
        if let Root::Local(local) = place.root {
            let holds = known(&value).filter(|_| place.path.is_empty());
            self.learn(local, holds);
        }
        ExprKind::Assign { place, value }
    }

    fn assign_op(&mut self, op: BinOp, place: &Place, right: &Expr) -> ExprKind {
        let right = self.boxed(right);
        let place = self.place(place);
        if let Root::Local(local) = place.root {
            let holds = match (self.known.get(&local), value(&right)) {
                (Some(Known::Scalar(left)), Some(right)) => left.binary(op, right),
                _ => None,
            };
            self.learn(local, holds.filter(|_| place.path.is_empty()).map(Known::Scalar));
        }
        ExprKind::AssignOp { op, place, value: right }
    }

    fn call(&mut self, call: &Call, span: SpanRange) -> ExprKind {
        let args: Vec<Arg> = call.args.iter().map(|arg| self.arg(arg)).collect();
        self.in_place(&args);
        self.constant_arguments(call, &args, span);
        self.bulk_count(call, &args, span);
        self.policy_fraction(call, &args, span);
        let call = Call { op: call.op, args };
        match self.constant_call(&call) {
            Some(value) => ExprKind::Value(value),
            None => ExprKind::Call(call),
        }
    }

    /// What is not known any more of the variables that an operation works on in place.
    fn in_place(&mut self, args: &[Arg]) {
        for arg in args {
            if let Arg::Place(Place { root: Root::Local(local), .. }) = arg {
                self.learn(*local, None);
            }
        }
    }

    /// An instruction that holds one of its operands itself needs it to be a constant.
    fn constant_arguments(&mut self, call: &Call, args: &[Arg], span: SpanRange) {
        for at in call.op.constant_arguments() {
            let written = call.args.get(*at).and_then(Arg::value);
            let folded = args.get(*at).and_then(Arg::value);
            let (Some(written), Some(folded)) = (written, folded) else { continue };
            let place = if written.span.line() == 0 { span } else { written.span };
            let Some(constant) = value(folded) else {
                let message = "this must be a constant, which the instruction holds".to_owned();
                let help = "write a literal, a `const`, or the variable of an unrolled loop";
                self.report(written, Code::NotConstant, place, message, help);
                continue;
            };
            if let Some(want) = call.op.constant_fault(*at, constant.as_int()) {
                let message = format!("this must be {want}, not {}", constant.as_int());
                self.report(written, Code::BadConstant, place, message, "use another number");
            }
        }
    }

    /// A constant number of elements that a bulk copy moves is a whole number of pieces.
    fn bulk_count(&mut self, call: &Call, args: &[Arg], span: SpanRange) {
        let Some(at) = call.op.bulk_count() else { return };
        let elem = args.iter().find_map(|arg| match arg {
            Arg::Place(place) => place.ty.scalar(),
            _ => None,
        });
        let (Some(elem), Some(written)) = (elem, call.args.get(at).and_then(Arg::value)) else {
            return;
        };
        let Some(count) = args.get(at).and_then(Arg::value).and_then(value) else { return };
        let pieces = i128::from(BULK_PIECE / elem.bytes());
        if count.as_int() % pieces != 0 {
            let message = format!(
                "a bulk copy moves a multiple of 16 bytes, here of {pieces} elements, not {}",
                count.as_int()
            );
            let place = if written.span.line() == 0 { span } else { written.span };
            self.report(written, Code::BadConstant, place, message, "copy the rest by elements");
        }
    }

    /// A policy is for a part of the accesses.
    fn policy_fraction(&mut self, call: &Call, args: &[Arg], span: SpanRange) {
        if !call.op.makes_policy() {
            return;
        }
        let Some(written) = call.args.first().and_then(Arg::value) else { return };
        let Some(fraction) = args.first().and_then(Arg::value).and_then(value) else { return };
        if !(f64::from(f32::MIN_POSITIVE)..=1.0).contains(&fraction.as_f64()) {
            let message = format!("the fraction of a policy is not {}", fraction.as_f64());
            let help = "give a number above 0, at most 1.0";
            let place = if written.span.line() == 0 { span } else { written.span };
            self.report(written, Code::BadConstant, place, message, help);
        }
    }

    fn arg(&mut self, arg: &Arg) -> Arg {
        match arg {
            Arg::Value(expr) => Arg::Value(self.expr(expr)),
            Arg::Place(place) => Arg::Place(self.place(place)),
            Arg::Memory(memory) => Arg::Memory(*memory),
            Arg::Map(param) => Arg::Map(*param),
            Arg::Const(value) => Arg::Const(*value),
            Arg::Scope(scope) => Arg::Scope(*scope),
            Arg::Order(order) => Arg::Order(*order),
        }
    }

    /// The value of an intrinsic that is constant: the shape of the block, and what indices are
    /// computed with.
    fn constant_call(&self, call: &Call) -> Option<Value> {
        let [x, y, z] = self.block;
        let word = |value: u32| Some(Value::int(Scalar::U32, i128::from(value)));
        match call.op {
            Op::BlockDimX => return word(x),
            Op::BlockDimY => return word(y),
            Op::BlockDimZ => return word(z),
            Op::WarpsPerBlock => return word((x * y * z).div_ceil(32)),
            _ => {}
        }
        let args: Option<Vec<Value>> =
            call.args.iter().map(|arg| arg.value().and_then(value)).collect();
        let args = args?;
        let [a, b] = args[..] else { return None };
        if !a.ty().is_int() || a.ty() != b.ty() {
            return None;
        }
        match call.op {
            Op::Min => Some(if a.as_int() <= b.as_int() { a } else { b }),
            Op::Max => Some(if a.as_int() >= b.as_int() { a } else { b }),
            Op::WrappingAdd => a.binary(BinOp::Add, b),
            Op::WrappingSub => a.binary(BinOp::Sub, b),
            Op::WrappingMul => a.binary(BinOp::Mul, b),
            Op::DivCeil if b.as_int() != 0 => {
                Some(Value::int(a.ty(), (a.as_int() + b.as_int() - 1) / b.as_int()))
            }
            _ => None,
        }
    }
}

/// Whether an expression can be left out: variables and arithmetic that cannot fail.
fn is_pure(expr: &Expr) -> bool {
    let mut pure = true;
    walk::expr(expr, &mut |it| {
        pure &= match &it.kind {
            ExprKind::Value(_)
            | ExprKind::Unary(..)
            | ExprKind::Logic { .. }
            | ExprKind::Cast(_) => true,
            ExprKind::Binary(op, ..) => !matches!(op, BinOp::Div | BinOp::Rem),
            ExprKind::Load(place) => matches!(place.root, Root::Local(_)),
            _ => false,
        };
    });
    pure
}

/// A statement.
pub(super) fn statement(expr: Expr) -> Stmt {
    let span = expr.span;
    Stmt { kind: StmtKind::Expr(expr), span }
}
