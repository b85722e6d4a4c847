//! Conditions, blocks, loops and jumps.

use firesteel_ptx::ir::{Guard, Label, Reg};
use firesteel_ptx::ty::{LogicTy, Ty as PtxTy};

use super::val::{constant, layout};
use super::{Binding, Jump, Lower, Operand, Val, op};
use crate::hir::{
    BinOp, Block, Expr, ExprKind, LocalId, LoopId, Root, Scalar, Step, StmtKind, Ty, UnOp, Value,
};
use crate::walk;

/// How many operations both arms of an `if` may have together to be computed both.
const SELECT_COST: u32 = 4;

impl Lower<'_> {
    /// Jumps to `to` where the condition is `outcome`, else goes on.
    ///
    /// What the whole condition has computed is at hand where control goes on, but of `a && b`
    /// with `outcome` false (and `a || b` with true) not at `to`: the caller opens a scope that
    /// ends before `to`, unless `to` lies behind the end of the body.
    pub(crate) fn branch(&mut self, cond: &Expr, to: Label, outcome: bool) {
        match &cond.kind {
            ExprKind::Unary(UnOp::Not, inner) => self.branch(inner, to, !outcome),
            ExprKind::Logic { and, left, right } if *and != outcome => {
                self.branch(left, to, outcome);
                self.branch(right, to, outcome);
            }
            ExprKind::Logic { left, right, .. } => {
                let skip = self.label();
                self.branch(left, skip, !outcome);
                self.scoped(|cx| cx.branch(right, to, outcome));
                self.place(skip);
            }
            _ => {
                self.loc(cond.span);
                let operand = self.scalar(cond);
                self.branch_on(&operand, to, outcome);
            }
        }
    }

    pub(super) fn branch_on(&mut self, cond: &Operand, to: Label, outcome: bool) {
        match cond {
            Operand::Reg(reg) => self.jump_if(Guard { reg: *reg, negated: !outcome }, to),
            other => {
                let holds = constant(other, Scalar::Bool).is_some_and(Value::as_bool);
                if holds == outcome {
                    self.jump(to);
                }
            }
        }
    }

    /// `left && right` or `left || right` as a value.
    pub(crate) fn logic(&mut self, and: bool, left: &Expr, right: &Expr) -> Operand {
        if cost(right).is_some() {
            let (a, b) = self.operands(left, right);
            return self.logic_of(and, a, b);
        }
        let result = self.fresh(Scalar::Bool);
        let skip = self.label();
        let left = self.expr(left);
        self.fill(&[result], &left);
        self.branch_on(&result.into(), skip, !and);
        self.scoped(|cx| {
            let right = cx.expr(right);
            cx.fill(&[result], &right);
        });
        self.place(skip);
        result.into()
    }

    /// `a && b` or `a || b` of what is computed already.
    pub(crate) fn logic_of(&mut self, and: bool, a: Operand, b: Operand) -> Operand {
        for (x, y) in [(&a, &b), (&b, &a)] {
            if let Some(value) = constant(x, Scalar::Bool) {
                return if value.as_bool() == and { y.clone() } else { x.clone() };
            }
        }
        let ty = LogicTy::Pred;
        if and {
            self.pure(PtxTy::Pred, |d| op::and(ty, d, a, b)).into()
        } else {
            self.pure(PtxTy::Pred, |d| op::or(ty, d, a, b)).into()
        }
    }

    /// Registers for a result that several places give.
    fn result_registers(&mut self, ty: &Ty) -> Vec<Reg> {
        layout(ty).into_iter().map(|scalar| self.fresh(scalar)).collect()
    }

    /// Gives one of the values of a result. Nobody reads the registers before the place where
    /// all ways meet, so they count as written once.
    fn fill(&mut self, regs: &[Reg], value: &Val) {
        self.keep_several(value);
        for (reg, operand) in regs.iter().zip(value.as_slice()) {
            self.move_into(*reg, operand.clone());
        }
    }

    /// `if`, with or without `else`.
    pub(crate) fn if_expr(
        &mut self,
        cond: &Expr,
        then: &Block,
        otherwise: Option<&Block>,
        ty: &Ty,
    ) -> Val {
        if otherwise.is_none()
            && let Some(to) = self.lone_jump(then)
        {
            self.branch(cond, to, true);
            return Val::unit();
        }
        if let Some((then, otherwise)) = selectable(then, otherwise) {
            return self.select_expr(cond, then, otherwise);
        }
        let results = self.result_registers(ty);
        let (other, end) = (self.label(), self.label());
        let decided_at_once = !matches!(cond.kind, ExprKind::Logic { .. });
        if decided_at_once {
            self.branch(cond, other, false);
        }
        self.scoped(|cx| {
            if !decided_at_once {
                cx.branch(cond, other, false);
            }
            let value = cx.block(then);
            cx.fill(&results, &value);
        });
        if let Some(otherwise) = otherwise {
            self.jump(end);
            self.place(other);
            self.scoped(|cx| {
                let value = cx.block(otherwise);
                cx.fill(&results, &value);
            });
            self.place(end);
        } else {
            self.place(other);
        }
        Val::parts(results.into_iter().map(Operand::Reg).collect())
    }

    /// The target of a block that only jumps and takes no value along.
    fn lone_jump(&self, block: &Block) -> Option<Label> {
        let jump = match (&*block.stmts, &block.tail) {
            ([], Some(tail)) => tail,
            ([stmt], None) => match &stmt.kind {
                StmtKind::Expr(expr) => expr,
                StmtKind::Let { .. } | StmtKind::View(_) => return None,
            },
            _ => return None,
        };
        match &jump.kind {
            ExprKind::Return => Some(self.exit),
            ExprKind::Break { target, value: None } => {
                self.jumps[target.0].as_ref().map(|jump| jump.on_break)
            }
            ExprKind::Continue { target } => {
                self.jumps[target.0].as_ref().and_then(|jump| jump.on_continue)
            }
            _ => None,
        }
    }

    /// Computes both values and takes one.
    fn select_expr(&mut self, cond: &Expr, then: &Expr, otherwise: &Expr) -> Val {
        let cond = self.scalar(cond);
        let (a, b) = (self.expr(then), self.expr(otherwise));
        let scalars = layout(&then.ty);
        let pairs = a.into_parts().into_iter().zip(b.into_parts()).zip(scalars);
        Val::parts(pairs.map(|((a, b), ty)| self.select(ty, cond.clone(), a, b)).collect())
    }

    /// A block, perhaps with a label.
    pub(crate) fn block_expr(&mut self, label: Option<LoopId>, block: &Block, ty: &Ty) -> Val {
        let Some(label) = label else {
            return self.block(block);
        };
        let result = self.result_registers(ty);
        let on_break = self.label();
        self.jumps[label.0] = Some(Jump { on_break, on_continue: None, result: result.clone() });
        self.scoped(|cx| {
            let value = cx.block(block);
            cx.fill(&result, &value);
        });
        self.place(on_break);
        Val::parts(result.into_iter().map(Operand::Reg).collect())
    }

    /// `loop`.
    pub(crate) fn loop_expr(&mut self, id: LoopId, body: &Block, ty: &Ty) -> Val {
        let result = self.result_registers(ty);
        let (head, end) = (self.label(), self.label());
        self.jumps[id.0] =
            Some(Jump { on_break: end, on_continue: Some(head), result: result.clone() });
        self.enter_loop(body);
        self.place_head(head);
        self.scoped(|cx| {
            cx.block(body);
        });
        self.jump(head);
        self.place(end);
        Val::parts(result.into_iter().map(Operand::Reg).collect())
    }

    /// `while`.
    pub(crate) fn while_loop(&mut self, id: LoopId, cond: &Expr, body: &Block) -> Val {
        let (head, end) = (self.label(), self.label());
        self.jumps[id.0] =
            Some(Jump { on_break: end, on_continue: Some(head), result: Vec::new() });
        self.enter_loop(body);
        walk::expr(cond, &mut |it| {
            if let Some(local) = walk::assigned_root(it) {
                self.forget(local);
            }
        });
        self.place_head(head);
        self.scoped(|cx| {
            cx.branch(cond, end, false);
            cx.block(body);
        });
        self.jump(head);
        self.place(end);
        Val::unit()
    }

    /// Forgets what is known about the variables that a loop assigns.
    pub(crate) fn enter_loop(&mut self, body: &Block) {
        for local in walk::assigned(body) {
            self.forget(local);
        }
    }

    fn forget(&mut self, local: LocalId) {
        if let Some(Binding::Registers(regs)) = self.locals[local.0].clone() {
            regs.into_iter().for_each(|reg| self.written(reg));
        }
    }

    /// `break`, with or without a value.
    pub(crate) fn break_expr(&mut self, target: LoopId, value: Option<&Expr>) -> Val {
        let value = value.map(|value| self.expr(value));
        // Without an entry the loop is not reached.
        if let Some(jump) = self.jumps[target.0].clone() {
            if let Some(value) = value {
                self.fill(&jump.result, &value);
            }
            self.jump(jump.on_break);
        }
        Val::unit()
    }

    /// `continue`.
    pub(crate) fn continue_expr(&mut self, target: LoopId) -> Val {
        if let Some(label) = self.jumps[target.0].as_ref().and_then(|jump| jump.on_continue) {
            self.jump(label);
        }
        Val::unit()
    }

    /// Where the jumps of a loop without a value go.
    pub(super) fn set_jumps(&mut self, id: LoopId, on_break: Label, on_continue: Label) {
        self.jumps[id.0] =
            Some(Jump { on_break, on_continue: Some(on_continue), result: Vec::new() });
    }
}

/// The values of both arms, if computing both is cheaper than a jump.
fn selectable<'b>(then: &'b Block, otherwise: Option<&'b Block>) -> Option<(&'b Expr, &'b Expr)> {
    let (then, otherwise) = (lone_value(then)?, lone_value(otherwise?)?);
    if then.ty.scalar()? == Scalar::Bool {
        return None;
    }
    (cost(then)? + cost(otherwise)? <= SELECT_COST).then_some((then, otherwise))
}

fn lone_value(block: &Block) -> Option<&Expr> {
    block.tail.as_deref().filter(|_| block.stmts.is_empty())
}

/// The number of operations of an expression without effects that is cheap to compute even
/// where it is not needed; `None` for all others.
fn cost(expr: &Expr) -> Option<u32> {
    match &expr.kind {
        ExprKind::Value(_) => Some(0),
        ExprKind::Load(place) => {
            let constant = |step: &Step| !matches!(step, Step::Index(index) if !is_value(index));
            let local = matches!(place.root, Root::Local(_));
            (local && place.path.iter().all(constant)).then_some(0)
        }
        ExprKind::Unary(_, a) | ExprKind::Cast(a) => Some(cost(a)? + 1),
        ExprKind::Binary(BinOp::Div | BinOp::Rem, ..) => None,
        ExprKind::Binary(_, a, b) => Some(cost(a)? + cost(b)? + 1),
        ExprKind::Logic { and: _, left, right } => Some(cost(left)? + cost(right)? + 1),
        ExprKind::Unit
        | ExprKind::Zero
        | ExprKind::Len(_)
        | ExprKind::Tuple(_)
        | ExprKind::Array(_)
        | ExprKind::Repeat(_)
        | ExprKind::Call(_)
        | ExprKind::If { .. }
        | ExprKind::Block { .. }
        | ExprKind::Loop { .. }
        | ExprKind::While { .. }
        | ExprKind::For(_)
        | ExprKind::Break { .. }
        | ExprKind::Continue { .. }
        | ExprKind::Return
        | ExprKind::Assign { .. }
        | ExprKind::AssignOp { .. }
        | ExprKind::Assert { .. }
        | ExprKind::Print { .. } => None,
    }
}

fn is_value(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Value(_))
}
