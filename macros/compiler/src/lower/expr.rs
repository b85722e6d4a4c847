//! Expressions and statements.

use firesteel_ptx::ir::Reg;

use super::val::{immediate, layout, width};
use super::{Binding, Lower, Operand, Val};
use crate::hir::{
    BinOp, Block, Expr, ExprKind, LocalId, Place, Root, Scalar, Step, Stmt, StmtKind, Ty, Value,
};
use crate::walk;

impl Lower<'_> {
    /// Evaluates an expression.
    pub(crate) fn expr(&mut self, expr: &Expr) -> Val {
        match &expr.kind {
            ExprKind::Value(value) => Val::scalar(immediate(*value)),
            ExprKind::Unit => Val::unit(),
            ExprKind::Zero => {
                let zeros =
                    layout(&expr.ty).into_iter().map(|ty| immediate(Value::from_bits(ty, 0)));
                Val::parts(zeros.collect())
            }
            ExprKind::Load(place) => self.load(place),
            ExprKind::Len(memory) => Val::scalar(self.len(*memory)),
            ExprKind::Unary(op, a) => {
                let (ty, a) = (scalar_of(&a.ty), self.scalar(a));
                self.loc(expr.span);
                Val::scalar(self.unary(*op, ty, a))
            }
            ExprKind::Binary(op, a, b) => self.binary_expr(*op, a, b, expr),
            ExprKind::Logic { and, left, right } => Val::scalar(self.logic(*and, left, right)),
            ExprKind::Cast(a) => {
                let (from, a) = (scalar_of(&a.ty), self.scalar(a));
                self.loc(expr.span);
                Val::scalar(self.convert(a, from, scalar_of(&expr.ty)))
            }
            ExprKind::Tuple(items) | ExprKind::Array(items) => {
                let parts = self.exprs(items).into_iter().flat_map(Val::into_parts);
                Val::parts(parts.collect())
            }
            ExprKind::Repeat(item) => self.repeat(item, &expr.ty),
            ExprKind::Call(call) => {
                self.loc(expr.span);
                self.call(call, &expr.ty, expr.span)
            }
            ExprKind::If { cond, then, otherwise } => {
                self.if_expr(cond, then, otherwise.as_ref(), &expr.ty)
            }
            ExprKind::Block { label, block } => self.block_expr(*label, block, &expr.ty),
            ExprKind::Loop { id, body } => self.loop_expr(*id, body, &expr.ty),
            ExprKind::While { id, cond, body } => self.while_loop(*id, cond, body),
            ExprKind::For(it) => self.for_loop(it),
            ExprKind::Break { target, value } => self.break_expr(*target, value.as_deref()),
            ExprKind::Continue { target } => self.continue_expr(*target),
            ExprKind::Return => {
                self.loc(expr.span);
                self.ret();
                Val::unit()
            }
            ExprKind::Assign { place, value } => self.assign_expr(place, value),
            ExprKind::AssignOp { op, place, value } => self.assign_op(*op, place, value, expr),
            ExprKind::Assert { cond, message } => {
                self.loc(expr.span);
                self.assert(cond, message, expr.span);
                Val::unit()
            }
            ExprKind::Print { format, args } => {
                self.loc(expr.span);
                self.print(format, args, expr.span);
                Val::unit()
            }
        }
    }

    /// Evaluates an expression of scalar type.
    pub(crate) fn scalar(&mut self, expr: &Expr) -> Operand {
        self.expr(expr).one()
    }

    /// Evaluates several expressions in order. What one of them assigns does not change the
    /// values of those before.
    pub(crate) fn exprs(&mut self, exprs: &[Expr]) -> Vec<Val> {
        let mut values = Vec::with_capacity(exprs.len());
        for (index, expr) in exprs.iter().enumerate() {
            let value = self.expr(expr);
            let assigned_later = exprs[index + 1..].iter().any(walk::assigns);
            values.push(if assigned_later { self.pin(value) } else { value });
        }
        values
    }

    /// Evaluates two scalars in order.
    pub(crate) fn operands(&mut self, a: &Expr, b: &Expr) -> (Operand, Operand) {
        let mut left = self.scalar(a);
        if walk::assigns(b) {
            left = self.pin_operand(left);
        }
        (left, self.scalar(b))
    }

    fn binary_expr(&mut self, op: BinOp, a: &Expr, b: &Expr, whole: &Expr) -> Val {
        let (left, right) = self.operands(a, b);
        self.loc(whole.span);
        let (ty, b_ty) = (scalar_of(&a.ty), scalar_of(&b.ty));
        Val::scalar(self.binary(op, ty, left, (right, b_ty), whole.span))
    }

    fn repeat(&mut self, item: &Expr, ty: &Ty) -> Val {
        let parts = self.expr(item).into_parts();
        let times = width(ty).checked_div(parts.len()).unwrap_or(0);
        Val::parts(parts.iter().cycle().take(times * parts.len()).cloned().collect())
    }

    /// Evaluates a block without a label.
    pub(crate) fn block(&mut self, block: &Block) -> Val {
        for stmt in &block.stmts {
            self.stmt(stmt);
        }
        block.tail.as_deref().map_or_else(Val::unit, |tail| {
            self.loc(tail.span);
            self.expr(tail)
        })
    }

    fn stmt(&mut self, stmt: &Stmt) {
        if !self.is_reachable() {
            return;
        }
        self.loc(stmt.span);
        match &stmt.kind {
            StmtKind::Let { local, init } => self.declare(*local, init.as_ref()),
            StmtKind::View(view) => self.check_view(*view, stmt.span),
            StmtKind::Expr(expr) => {
                self.expr(expr);
            }
        }
    }

    fn declare(&mut self, local: LocalId, init: Option<&Expr>) {
        let declared = &self.kernel.locals[local.0];
        let value = init.map(|init| self.expr(init));
        if !self.is_reachable() {
            return;
        }
        match value {
            Some(value) if !declared.mutable => {
                let value = self.pin(value);
                self.bind_operands(local, value.into_parts());
            }
            value => {
                let scalars = layout(&declared.ty);
                let regs: Vec<_> = scalars.into_iter().map(|scalar| self.fresh(scalar)).collect();
                value.iter().for_each(|value| self.keep_several(value));
                for (reg, operand) in regs.iter().zip(value.iter().flat_map(Val::as_slice)) {
                    self.assign(*reg, operand.clone());
                }
                self.bind_registers(local, regs);
            }
        }
    }

    /// Reads a place.
    pub(crate) fn load(&mut self, place: &Place) -> Val {
        match &place.root {
            Root::Element { .. } => {
                let addresses = self.addresses_of(place);
                self.loc(place.span);
                Val::parts(addresses.iter().map(|address| self.load_from(address)).collect())
            }
            Root::Local(local) => {
                self.keep();
                let parts = self.part(*local, place);
                let operands = match &self.locals[local.0] {
                    None => Vec::new(),
                    Some(Binding::Operands(operands)) => operands[parts].to_vec(),
                    Some(Binding::Registers(regs)) => {
                        regs[parts].iter().map(|reg| Operand::Reg(*reg)).collect()
                    }
                };
                Val::parts(operands)
            }
        }
    }

    /// The operands of a variable that a place means. If the variable has not been bound,
    /// because its declaration is not reached, there are none.
    fn part(&self, local: LocalId, place: &Place) -> std::ops::Range<usize> {
        if self.locals[local.0].is_none() {
            return 0..0;
        }
        let mut ty = &self.kernel.locals[local.0].ty;
        let mut start = 0;
        for step in &place.path {
            let (offset, inner) = project(ty, step);
            start += offset;
            ty = match inner {
                Some(inner) => inner,
                // A lane of a vector has no further parts.
                None => return start..start + 1,
            };
        }
        start..start + width(ty)
    }

    /// The registers of a variable, or of a part of one, on which an operation works in place.
    pub(super) fn registers_of(&mut self, place: &Place) -> Vec<Reg> {
        let Root::Local(local) = place.root else {
            unreachable!("`infer` lets operations work on variables alone");
        };
        self.keep();
        let parts = self.part(local, place);
        let regs = match &self.locals[local.0] {
            Some(Binding::Registers(regs)) => regs[parts].to_vec(),
            // Not reached.
            Some(Binding::Operands(_)) | None => Vec::new(),
        };
        for reg in &regs {
            self.written(*reg);
        }
        regs
    }

    fn assign_expr(&mut self, place: &Place, value: &Expr) -> Val {
        let value = self.expr(value);
        match &place.root {
            Root::Element { index, .. } => {
                let value = if assigns_an_index(index, place) { self.pin(value) } else { value };
                let addresses = self.addresses_of(place);
                self.loc(place.span);
                for (address, part) in addresses.iter().zip(value.as_slice()) {
                    self.store_to(address, part.clone());
                }
            }
            Root::Local(local) => {
                // The parts may trade places: `a = (a.1, a.0)`.
                let value = if value.as_slice().len() > 1 { self.pin(value) } else { value };
                self.assign_part(*local, place, value);
            }
        }
        Val::unit()
    }

    fn assign_part(&mut self, local: LocalId, place: &Place, value: Val) {
        let parts = self.part(local, place);
        let Some(Binding::Registers(regs)) = &self.locals[local.0] else {
            // Not reached.
            return;
        };
        let regs = regs[parts].to_vec();
        self.keep_several(&value);
        for (reg, operand) in regs.into_iter().zip(value.into_parts()) {
            self.assign(reg, operand);
        }
    }

    /// `place op= value`: the value first, then the place, once.
    fn assign_op(&mut self, op: BinOp, place: &Place, value: &Expr, whole: &Expr) -> Val {
        let (ty, value_ty) = (scalar_of(&place.ty), scalar_of(&value.ty));
        let value = self.scalar(value);
        match &place.root {
            Root::Element { index, .. } => {
                let value =
                    if assigns_an_index(index, place) { self.pin_operand(value) } else { value };
                let addresses = self.addresses_of(place);
                self.loc(whole.span);
                // An operator works on one scalar.
                for address in &addresses {
                    let old = self.load_from(address);
                    let new = self.binary(op, ty, old, (value.clone(), value_ty), whole.span);
                    self.store_to(address, new);
                }
            }
            Root::Local(local) => {
                let old = self.load(place).one();
                self.loc(whole.span);
                let new = self.binary(op, ty, old, (value, value_ty), whole.span);
                self.assign_part(*local, place, Val::scalar(new));
            }
        }
        Val::unit()
    }
}

/// Whether to find a place in memory may assign a variable.
fn assigns_an_index(index: &Expr, place: &Place) -> bool {
    walk::assigns(index)
        || place.path.iter().any(|step| match step {
            Step::Index(index) => walk::assigns(index),
            Step::Field(_) | Step::Lane(_) => false,
        })
}

/// Where a part begins and its type; none for a lane.
fn project<'t>(ty: &'t Ty, step: &Step) -> (usize, Option<&'t Ty>) {
    match (ty, step) {
        (Ty::Tuple(items), Step::Field(field)) => {
            let field = *field as usize;
            (items[..field].iter().map(width).sum(), Some(&items[field]))
        }
        (Ty::Array(elem, _), Step::Index(index)) => {
            (constant_index(index) * width(elem), Some(&**elem))
        }
        (_, Step::Lane(lane)) => (*lane as usize, None),
        (_, Step::Index(index)) => (constant_index(index), None),
        (_, Step::Field(_)) => unreachable!("`infer` lets only tuples have numbered fields"),
    }
}

fn constant_index(index: &Expr) -> usize {
    match index.kind {
        ExprKind::Value(value) => usize::try_from(value.as_int()).unwrap_or(0),
        _ => unreachable!("`fold` reports register indices that are not constant"),
    }
}

/// The scalar type of an operand. What does not return may stand for any.
pub(crate) fn scalar_of(ty: &Ty) -> Scalar {
    ty.scalar().unwrap_or(Scalar::U32)
}
