//! Control flow: branches, loops and jumps.

use syn::{Expr as Syn, Lifetime};

use super::expr::ungroup;
use super::pat::At;
use super::scope::Jump;
use super::{Parser, Returns};
use crate::ast::{Adapter, Arm, Expr, ExprKind, For, Label};
use crate::diag::{Code, nearest};
use crate::hir::Unroll;
use crate::span::SpanRange;

const RANGE_HELP: &str = "write `for i in 0..n`, with `.step_by(k)` and `.rev()` if need be";

impl Parser<'_, '_> {
    pub(super) fn control(&mut self, expr: &Syn) -> Expr {
        match expr {
            Syn::If(it) => self.branch(it),
            Syn::Match(it) => self.matching(it),
            Syn::Block(it) => self.block_expr(it),
            Syn::Loop(it) => {
                let label = self.enter_loop(it.label.as_ref(), Jump::Loop);
                let body = self.block(&it.body);
                self.scopes.leave_target();
                let span = SpanRange { start: it.loop_token.span, end: body.span.end };
                self.node(ExprKind::Loop(label, body), span)
            }
            Syn::While(it) => {
                let label = self.enter_loop(it.label.as_ref(), Jump::Counted);
                let cond = Box::new(self.condition(&it.cond));
                let body = self.block(&it.body);
                self.scopes.leave_target();
                let span = SpanRange { start: it.while_token.span, end: body.span.end };
                self.node(ExprKind::While(label, cond, body), span)
            }
            Syn::ForLoop(it) => self.for_loop(it),
            Syn::Break(it) => self.break_expr(it),
            Syn::Continue(it) => self.continue_expr(it),
            Syn::Return(it) => self.return_expr(it),
            other => self.unsupported_expr(other),
        }
    }

    fn condition(&mut self, cond: &Syn) -> Expr {
        if let Syn::Let(it) = ungroup(cond) {
            let span = SpanRange::of(it);
            self.unsupported(span, "`if let` and `while let`", "use `match`, or a comparison");
            return self.error_node(span);
        }
        self.expr(cond)
    }

    fn branch(&mut self, branch: &syn::ExprIf) -> Expr {
        let cond = Box::new(self.condition(&branch.cond));
        let then = self.block(&branch.then_branch);
        let otherwise = branch.else_branch.as_ref().map(|(_, it)| Box::new(self.expr(it)));
        let end = otherwise.as_ref().map_or(then.span, |it| it.span);
        let span = SpanRange::from(branch.if_token.span).to(end);
        self.node(ExprKind::If(cond, then, otherwise), span)
    }

    fn matching(&mut self, expr: &syn::ExprMatch) -> Expr {
        let scrutinee = Box::new(self.expr(&expr.expr));
        let arms = expr.arms.iter().map(|arm| self.arm(arm)).collect();
        let span = expr.brace_token.span.close();
        let span = SpanRange { start: expr.match_token.span, end: span };
        self.node(ExprKind::Match(scrutinee, arms), span)
    }

    fn arm(&mut self, arm: &syn::Arm) -> Arm {
        self.scopes.enter();
        let (pat, guard) = match &arm.pat {
            syn::Pat::Guard(it) => (&*it.pat, Some(&*it.guard)),
            pat => (pat, None),
        };
        let pat = self.pat(pat, At::Match);
        let guard = guard.map(|guard| self.condition(guard));
        let body = self.expr(&arm.body);
        self.scopes.leave();
        Arm { pat, guard, body }
    }

    fn block_expr(&mut self, expr: &syn::ExprBlock) -> Expr {
        let Some(label) = &expr.label else {
            let block = self.block(&expr.block);
            let span = block.span;
            return self.node(ExprKind::Block(None, block), span);
        };
        let label = self.enter_loop(Some(label), Jump::Block);
        let block = self.block(&expr.block);
        self.scopes.leave_target();
        let span = block.span;
        self.node(ExprKind::Block(Some(label), block), span)
    }

    fn enter_loop(&mut self, label: Option<&syn::Label>, jump: Jump) -> Label {
        let id = self.loop_id();
        let name = label.map(|label| label.name.clone());
        self.scopes.enter_target(name.as_ref().map(|name| name.ident.to_string()), id, jump);
        Label { id, name }
    }

    fn for_loop(&mut self, expr: &syn::ExprForLoop) -> Expr {
        let unroll = self.unroll(&expr.attrs);
        let mut adapters = Vec::new();
        let range = self.range(&expr.expr, &mut adapters);
        self.scopes.enter();
        let pat = self.pat(&expr.pat, At::For);
        let label = self.enter_loop(expr.label.as_ref(), Jump::Counted);
        let body = self.block(&expr.body);
        self.scopes.leave_target();
        self.scopes.leave();
        let span = SpanRange { start: expr.for_token.span, end: body.span.end };
        let Some((start, end, inclusive)) = range else {
            return self.error_node(span);
        };
        let parts = For { label, pat, start, end, inclusive, adapters, unroll, body };
        self.node(ExprKind::For(Box::new(parts)), span)
    }

    /// The range under its methods, which are collected innermost first.
    fn range(&mut self, expr: &Syn, adapters: &mut Vec<Adapter>) -> Option<(Expr, Expr, bool)> {
        match expr {
            Syn::Group(it) => self.range(&it.expr, adapters),
            Syn::Paren(it) => self.range(&it.expr, adapters),
            Syn::Range(it) => {
                let (Some(start), Some(end)) = (&it.start, &it.end) else {
                    let message = "a loop runs over a range with a start and an end";
                    self.error(Code::Unsupported, SpanRange::of(it), message, RANGE_HELP);
                    return None;
                };
                let (start, end) = (self.expr(start), self.expr(end));
                Some((start, end, matches!(it.limits, syn::RangeLimits::Closed(_))))
            }
            Syn::MethodCall(it) => {
                let range = self.range(&it.receiver, adapters)?;
                let args: Vec<&Syn> = it.args.iter().collect();
                match (it.method.to_string().as_str(), args.as_slice()) {
                    ("rev", []) => adapters.push(Adapter::Rev(it.method.clone())),
                    ("step_by", [step]) => {
                        let step = self.expr(step);
                        adapters.push(Adapter::StepBy(it.method.clone(), step));
                    }
                    (name, _) => {
                        let message =
                            format!("a range in a kernel has no method `{name}` like this");
                        self.error(Code::Unsupported, it.method.span(), message, RANGE_HELP);
                    }
                }
                self.check_adapters(adapters);
                Some(range)
            }
            other => {
                let message = "a loop in a kernel runs over a range";
                self.error(Code::Unsupported, SpanRange::of(other), message, RANGE_HELP);
                None
            }
        }
    }

    /// At most one of each kind: more would be legal Rust, but nobody needs it.
    fn check_adapters(&mut self, adapters: &mut Vec<Adapter>) {
        let Some((last, rest)) = adapters.split_last() else { return };
        let same = rest.iter().any(|it| std::mem::discriminant(it) == std::mem::discriminant(last));
        if same {
            let (Adapter::Rev(name) | Adapter::StepBy(name, _)) = last;
            let (name, at) = (name.to_string(), name.span());
            let message = format!("`.{name}` stands twice");
            self.error(Code::Unsupported, at, message, RANGE_HELP);
            adapters.pop();
        }
    }

    /// What the attributes of a `for` say.
    fn unroll(&mut self, attrs: &[syn::Attribute]) -> Unroll {
        let mut result = Unroll::Auto;
        let mut seen = false;
        for attr in attrs {
            let value = match attr.path().get_ident().map(ToString::to_string).as_deref() {
                Some("unroll") => self.unroll_value(attr),
                Some("no_unroll") => Unroll::Never,
                _ => continue,
            };
            if seen {
                let message = "a loop has one loop attribute";
                self.error(Code::BadLoopAttribute, SpanRange::of(attr), message, "remove this one");
            }
            (result, seen) = (value, true);
        }
        result
    }

    fn unroll_value(&mut self, attr: &syn::Attribute) -> Unroll {
        if matches!(attr.meta, syn::Meta::Path(_)) {
            return Unroll::Full;
        }
        match attr.parse_args::<syn::LitInt>().map(|lit| lit.base10_parse::<u32>()) {
            Ok(Ok(n)) if (1..=1024).contains(&n) => Unroll::By(n),
            _ => {
                let message = "the number of turns to unroll is a literal from 1 to 1024";
                let help = "write `#[unroll]` or `#[unroll(4)]`";
                self.error(Code::BadLoopAttribute, SpanRange::of(attr), message, help);
                Unroll::Auto
            }
        }
    }

    fn jump_target(
        &mut self,
        what: &str,
        label: Option<&Lifetime>,
        at: SpanRange,
    ) -> Option<(crate::hir::LoopId, Jump)> {
        let name = label.map(|label| label.ident.to_string());
        let target = self.scopes.target(name.as_deref());
        if target.is_none() {
            match (&name, label) {
                (Some(name), Some(label)) => {
                    let help = match nearest(name, self.scopes.labels()) {
                        Some(near) => format!("did you mean `'{near}`?"),
                        None => format!("put `'{name}:` before the loop that is meant"),
                    };
                    let message = format!("no loop has the label `'{name}`");
                    self.error(Code::UnknownLabel, label.span(), message, help);
                }
                _ => {
                    let help = "to end the thread, write `return`";
                    self.error(Code::BadJump, at, format!("`{what}` outside of a loop"), help);
                }
            }
        }
        target
    }

    fn break_expr(&mut self, expr: &syn::ExprBreak) -> Expr {
        let start = SpanRange::from(expr.break_token.span);
        let value = expr.expr.as_ref().map(|value| Box::new(self.expr(value)));
        let label_span = expr.label.as_ref().map(|label| SpanRange::from(label.ident.span()));
        let end = value.as_ref().map(|value| value.span).or(label_span).unwrap_or(start);
        let span = start.to(end);
        let Some((id, jump)) = self.jump_target("break", expr.label.as_ref(), start) else {
            return self.node(ExprKind::Error(value.into_iter().map(|it| *it).collect()), span);
        };
        if let (Some(value), Jump::Counted) = (&value, jump) {
            let at = value.span;
            let message = "only `loop` and labelled blocks are left with a value";
            let help = "assign it to a variable before the `break`";
            self.error(Code::BadJump, at, message, help);
        }
        self.node(ExprKind::Break(id, expr.label.clone(), value), span)
    }

    fn continue_expr(&mut self, expr: &syn::ExprContinue) -> Expr {
        let start = SpanRange::from(expr.continue_token.span);
        let label_span = expr.label.as_ref().map(|label| SpanRange::from(label.ident.span()));
        let span = start.to(label_span.unwrap_or(start));
        let Some((id, jump)) = self.jump_target("continue", expr.label.as_ref(), start) else {
            return self.error_node(span);
        };
        if jump == Jump::Block {
            let message = "`continue` names a block, not a loop";
            self.error(Code::BadJump, span, message, "write `break` to leave the block");
            return self.error_node(span);
        }
        self.node(ExprKind::Continue(id, expr.label.clone()), span)
    }

    fn return_expr(&mut self, expr: &syn::ExprReturn) -> Expr {
        let start = SpanRange::from(expr.return_token.span);
        if let Returns::Value(target) = self.returns {
            let end = expr.expr.as_ref().map_or(start, SpanRange::of);
            let kind = self.device_return(target, expr.expr.as_deref());
            return self.node(kind, start.to(end));
        }
        if let Returns::Closure = self.returns {
            let message = "a closure has no `return`";
            self.error(Code::BadJump, start, message, "make the value its last expression");
            return self.error_node(start);
        }
        if let Some(value) = &expr.expr
            && matches!(self.returns, Returns::Nothing)
            && !matches!(ungroup(value), Syn::Tuple(tuple) if tuple.elems.is_empty())
        {
            let at = SpanRange::of(value);
            let message = "a kernel returns nothing";
            let help = "write the value to a `&mut [T]` parameter, then `return;`";
            self.error(Code::BadJump, at, message, help);
        }
        self.node(ExprKind::Return(None), start)
    }

    fn unsupported_expr(&mut self, expr: &Syn) -> Expr {
        let (what, help) = match expr {
            Syn::Closure(_) => (
                "closures here",
                "pass it to a device function, or write the code where it is used",
            ),
            Syn::Async(_) | Syn::Await(_) => ("`async`", "use barriers to wait"),
            Syn::Struct(_) => ("structs", "use tuples and separate variables"),
            Syn::Try(_) | Syn::TryBlock(_) => ("`?`", "use `if` and `return`"),
            Syn::Unsafe(_) => ("`unsafe` blocks", "remove `unsafe`: nothing in a kernel needs it"),
            Syn::Range(_) => ("ranges outside of `for`", RANGE_HELP),
            Syn::Let(_) => ("`let` in a condition", "use `match`, or a comparison"),
            Syn::RawAddr(_) => ("raw pointers", "use slices"),
            Syn::Const(_) => ("`const` blocks", "write a `const` item"),
            _ => ("this expression", "see the language page of the documentation"),
        };
        let span = SpanRange::of(expr);
        self.unsupported(span, what, help);
        self.error_node(span)
    }
}
