//! Expressions.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{Shadow, scalar, written};
use crate::ast::{
    Adapter, Arm, Block, Call, Closure, ClosureKind, Expr, ExprKind, For, Inline, Label, Lit,
    Member, MethodCall, NodeId, Return, StructOf, TyExpr, TyExprKind,
};
use crate::hir::Ty;
use crate::intrinsics::{Row, SigTy, method};
use crate::value::{BinOp, Scalar, UnOp};

impl Shadow<'_> {
    fn node(&self, expr: &Expr) -> &Ty {
        &self.facts.nodes[expr.id.0]
    }

    pub(super) fn expr(&self, expr: &Expr) -> TokenStream {
        let span = expr.span.start;
        match &expr.kind {
            ExprKind::Lit(lit) => literal(lit, self.node(expr), false, span),
            ExprKind::Local(_, name) | ExprKind::Memory(_, name) | ExprKind::Map(_, name) => {
                quote!(#name)
            }
            ExprKind::Associated(path, ty, name) => self.associated(path, ty, name),
            ExprKind::Const(_, path) | ExprKind::Scope(path, _) | ExprKind::Order(path, _) => {
                quote!(#path)
            }
            ExprKind::Unary(op, at, inner) => self.unary(*op, *at, inner, expr),
            ExprKind::Binary(op, at, left, right) => {
                let (left, right) = (self.operand(left), self.operand(right));
                let op = operator(*op, at.start);
                quote!(#left #op #right)
            }
            ExprKind::Logic(and, at, left, right) => {
                let (left, right) = (self.operand(left), self.operand(right));
                if *and {
                    quote_spanned!(at.start=> #left && #right)
                } else {
                    quote_spanned!(at.start=> #left || #right)
                }
            }
            _ => self.compound(expr, span),
        }
    }

    /// A constant or function of a type. Those of our own traits are qualified: other traits that
    /// the user imports may have some of the same name.
    fn associated(&self, path: &syn::Path, ty: &TyExpr, name: &Ident) -> TokenStream {
        let of = match name.to_string().as_str() {
            // What is not computed with is no `Number`, and has them itself.
            "ZERO" | "ONE" | "from_f32"
                if matches!(ty.kind, TyExprKind::Scalar(scalar)
                    if scalar.is_narrow() || scalar.is_packed()) =>
            {
                return of_short(path);
            }
            "ZERO" | "ONE" | "from_f32" => quote!(Number),
            "BITS" | "BYTES" => quote!(Scalar),
            _ => return of_short(path),
        };
        let ty = self.ty(ty);
        quote_spanned!(name.span()=> <#ty as ::firesteel::dsl::#of>::#name)
    }

    /// Casts, parts and calls.
    fn compound(&self, expr: &Expr, span: Span) -> TokenStream {
        match &expr.kind {
            ExprKind::Cast(inner, ty) => {
                let to = self.node(expr);
                // `as _` would let rustc choose.
                let ty = match ty.kind {
                    TyExprKind::Infer => written(to, ty.span.start),
                    _ => self.ty(ty),
                };
                self.cast(inner, to, &ty, span)
            }
            ExprKind::From(ty, path, inner) => {
                let inner = self.expr(inner);
                let path = match path.segments.last() {
                    Some(last) if last.ident == "from_f32" => {
                        self.associated(path, ty, &last.ident)
                    }
                    Some(_) | None => of_short(path),
                };
                quote_spanned!(span=> #path(#inner))
            }
            ExprKind::Index(base, index) => self.index(base, index, span),
            ExprKind::Field(base, member) => self.field(base, member),
            ExprKind::Ref(mutable, inner) => {
                if let Some(place) = self.element(inner, *mutable, span) {
                    return place;
                }
                let (mutable, inner) = (mutable.then(|| quote!(mut)), self.operand(inner));
                quote_spanned!(span=> &#mutable #inner)
            }
            ExprKind::Deref(at, inner) => {
                let inner = self.operand(inner);
                quote_spanned!(*at=> *#inner)
            }
            ExprKind::Call(call) => self.call(call, span),
            ExprKind::Zero(path, _) => quote_spanned!(span=> #path()),
            ExprKind::Inline(inline) => self.inline(inline, span),
            ExprKind::Closure(closure) => self.closure(closure, span),
            ExprKind::Method(receiver, name, args) => {
                let receiver = self.operand(receiver);
                let row = method(&name.to_string());
                let args = self.arguments(row, 1, args);
                quote_spanned!(name.span()=> #receiver.#name(#(#args),*))
            }
            ExprKind::Vector { ty, function, args, .. } => {
                let args = args.iter().map(|arg| self.expr(arg));
                quote_spanned!(ty.span()=> #ty::#function(#(#args),*))
            }
            _ => self.aggregate(expr, span),
        }
    }

    /// Values of several parts.
    fn aggregate(&self, expr: &Expr, span: Span) -> TokenStream {
        match &expr.kind {
            ExprKind::Struct(of, base) => self.structure(of, base.as_deref(), span),
            ExprKind::MethodCall(call) => self.method_call(call, expr.id),
            ExprKind::Tuple(elems) => {
                let elems = elems.iter().map(|elem| self.expr(elem));
                quote_spanned!(span=> (#(#elems,)*))
            }
            ExprKind::Array(elems) => {
                let elems = elems.iter().map(|elem| self.expr(elem));
                quote_spanned!(span=> [#(#elems),*])
            }
            ExprKind::Repeat(elem, len) => {
                let elem = self.expr(elem);
                if self.is_computed(*len) {
                    return quote_spanned!(span=> ::firesteel::dsl::registers(#elem));
                }
                let len = self.length(*len);
                quote_spanned!(span=> [#elem; #len])
            }
            _ => self.effect(expr, span),
        }
    }

    /// In parentheses, for a condition could not begin with its braces.
    fn structure(&self, of: &StructOf<Expr>, base: Option<&Expr>, span: Span) -> TokenStream {
        let path = &of.path;
        if of.positional {
            let values = of.fields.iter().map(|(_, _, value)| self.expr(value));
            return quote_spanned!(span=> #path(#(#values),*));
        }
        let fields = of.fields.iter().map(|(_, name, value)| {
            let (name, value) = (member(name), self.expr(value));
            quote!(#name: #value)
        });
        let base = base.map(|base| {
            let base = self.expr(base);
            quote!(..#base)
        });
        quote_spanned!(span=> (#path { #(#fields,)* #base }))
    }

    fn method_call(&self, call: &MethodCall, id: NodeId) -> TokenStream {
        let MethodCall { receiver, name, generics, args, candidates: _ } = call;
        let receiver = self.operand(receiver);
        let args: Vec<TokenStream> = match self.facts.methods.contains_key(&id) {
            true => args.iter().map(|arg| self.argument(arg)).collect(),
            false => self.arguments(method(&name.to_string()), 1, args),
        };
        quote_spanned!(name.span()=> #receiver.#name #generics (#(#args),*))
    }

    fn field(&self, base: &Expr, member: &Member) -> TokenStream {
        let (base, name) = (self.operand(base), self::member(member));
        let at = match member {
            Member::Index(_, at) => *at,
            Member::Named(name) => name.span(),
        };
        quote_spanned!(at=> #base.#name)
    }

    /// Assignments, macros and control flow.
    fn effect(&self, expr: &Expr, span: Span) -> TokenStream {
        match &expr.kind {
            ExprKind::Assign(place, value) => {
                let (place, value) = (self.target(place, span), self.expr(value));
                quote_spanned!(span=> #place = #value)
            }
            ExprKind::AssignOp(op, at, place, value) => {
                let (place, value) = (self.target(place, span), self.expr(value));
                let op = assign_operator(*op, at.start);
                quote!(#place #op #value)
            }
            ExprKind::Assert(cond, _) => {
                let cond = self.expr(cond);
                quote_spanned!(span=> { let _: bool = #cond; })
            }
            ExprKind::Print(_, args) => {
                let args = args.iter().map(|arg| self.expr(arg));
                quote_spanned!(span=> { let _ = (#(#args,)*); })
            }
            ExprKind::Error(parts) => {
                let parts = parts.iter().map(|part| self.expr(part));
                quote_spanned!(span=> { let _ = (#(#parts,)*); ::core::unreachable!() })
            }
            _ => self.control(expr, span),
        }
    }

    /// A reference to an element of memory, if the expression is one.
    ///
    /// `u[u[0]] += 1` is fine on a GPU, but for rustc the one index would borrow `u` while the
    /// other reads it. These methods borrow nothing; `infer` checks who may write.
    fn element(&self, expr: &Expr, mutable: bool, span: Span) -> Option<TokenStream> {
        let ExprKind::Index(base, index) = &expr.kind else { return None };
        let ExprKind::Memory(_, name) = &base.kind else { return None };
        let index = self.expr(index);
        let place = Ident::new(if mutable { "place_mut" } else { "place" }, span);
        Some(quote_spanned!(span=> #name.#place(#index)))
    }

    /// What an assignment writes.
    fn target(&self, place: &Expr, span: Span) -> TokenStream {
        match self.element(place, true, span) {
            Some(element) => quote_spanned!(span=> *#element),
            None => self.expr(place),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each form of an expression")]
    fn control(&self, expr: &Expr, span: Span) -> TokenStream {
        match &expr.kind {
            ExprKind::If(cond, then, otherwise) => {
                self.branch(cond, then, otherwise.as_deref(), span)
            }
            ExprKind::Block(of, block) => {
                let (of, block) = (of.as_ref().map(label), self.block(block));
                quote!(#of #block)
            }
            ExprKind::Loop(of, body) => {
                let (of, body) = (label(of), self.block(body));
                quote_spanned!(span=> #of loop #body)
            }
            ExprKind::While(of, cond, body) => {
                let (of, cond, body) = (label(of), self.expr(cond), self.block(body));
                quote_spanned!(span=> #of while #cond #body)
            }
            ExprKind::For(parts) => self.for_loop(parts, span),
            ExprKind::Match(scrutinee, arms) => {
                let scrutinee = self.expr(scrutinee);
                let arms = arms.iter().map(|arm| self.arm(arm));
                quote_spanned!(span=> match #scrutinee { #(#arms)* })
            }
            ExprKind::Break(_, of, value) => {
                let value = value.as_ref().map(|value| self.expr(value));
                quote_spanned!(span=> break #of #value)
            }
            ExprKind::Continue(_, of) => quote_spanned!(span=> continue #of),
            ExprKind::Return(of) => self.returning(of.as_ref(), span),
            ExprKind::Lit(_)
            | ExprKind::Local(..)
            | ExprKind::Memory(..)
            | ExprKind::Map(..)
            | ExprKind::Const(..)
            | ExprKind::Associated(..)
            | ExprKind::Scope(..)
            | ExprKind::Order(..)
            | ExprKind::Unary(..)
            | ExprKind::Binary(..)
            | ExprKind::Logic(..)
            | ExprKind::Cast(..)
            | ExprKind::Index(..)
            | ExprKind::Field(..)
            | ExprKind::Tuple(_)
            | ExprKind::Array(_)
            | ExprKind::Struct(..)
            | ExprKind::MethodCall(_)
            | ExprKind::Repeat(..)
            | ExprKind::Ref(..)
            | ExprKind::Deref(..)
            | ExprKind::Call(_)
            | ExprKind::Inline(_)
            | ExprKind::Closure(_)
            | ExprKind::Method(..)
            | ExprKind::Vector { .. }
            | ExprKind::Zero(..)
            | ExprKind::From(..)
            | ExprKind::Assign(..)
            | ExprKind::AssignOp(..)
            | ExprKind::Assert(..)
            | ExprKind::Print(..)
            | ExprKind::Error(_) => unreachable!("`expr` handles {:?} before", expr.kind),
        }
    }

    fn branch(
        &self,
        cond: &Expr,
        then: &Block,
        otherwise: Option<&Expr>,
        span: Span,
    ) -> TokenStream {
        let (cond, then) = (self.expr(cond), self.block(then));
        let otherwise = otherwise.map(|otherwise| {
            let (at, otherwise) = (otherwise.span.start, self.expr(otherwise));
            quote_spanned!(at=> else #otherwise)
        });
        quote_spanned!(span=> if #cond #then #otherwise)
    }

    fn returning(&self, of: Option<&Return>, span: Span) -> TokenStream {
        let value = of.and_then(|of| of.value.as_ref()).map(|value| self.expr(value));
        quote_spanned!(span=> return #value)
    }

    fn arm(&self, arm: &Arm) -> TokenStream {
        let (pat, body) = (self.pat(&arm.pat), self.expr(&arm.body));
        let guard = arm.guard.as_ref().map(|guard| {
            let (at, guard) = (guard.span.start, self.expr(guard));
            quote_spanned!(at=> if #guard)
        });
        quote_spanned!(arm.pat.span.end=> #pat #guard => #body,)
    }

    fn for_loop(&self, parts: &For, span: Span) -> TokenStream {
        let (of, pat) = (label(&parts.label), self.pat(&parts.pat));
        let (start, end) = (self.operand(&parts.start), self.operand(&parts.end));
        let at = parts.start.span.start;
        let mut range = if parts.inclusive {
            quote_spanned!(at=> (#start..=#end))
        } else {
            quote_spanned!(at=> (#start..#end))
        };
        for adapter in &parts.adapters {
            range = match adapter {
                Adapter::Rev(name) => quote_spanned!(name.span()=> #range.#name()),
                Adapter::StepBy(name, step) => {
                    let step = self.expr(step);
                    quote_spanned!(name.span()=> #range.#name(#step))
                }
            };
        }
        let body = self.block(&parts.body);
        quote_spanned!(span=> #of for #pat in #range #body)
    }

    /// An operand, in parentheses unless it is one token or closed by itself.
    fn operand(&self, expr: &Expr) -> TokenStream {
        let tokens = self.expr(expr);
        let closed = matches!(
            expr.kind,
            ExprKind::Local(..)
                | ExprKind::Memory(..)
                | ExprKind::Map(..)
                | ExprKind::Const(..)
                | ExprKind::Associated(..)
                | ExprKind::Index(..)
                | ExprKind::Field(..)
                | ExprKind::Call(_)
                | ExprKind::Inline(_)
                | ExprKind::Method(..)
                | ExprKind::MethodCall(_)
                | ExprKind::Struct(..)
                | ExprKind::Lit(_)
                | ExprKind::Tuple(_)
                | ExprKind::Array(_)
        );
        if closed { tokens } else { quote_spanned!(expr.span.start=> (#tokens)) }
    }

    fn unary(&self, op: UnOp, at: Span, inner: &Expr, expr: &Expr) -> TokenStream {
        match (op, &inner.kind) {
            (UnOp::Neg, ExprKind::Lit(lit)) => literal(lit, self.node(expr), true, at),
            (UnOp::Neg, _) => {
                let inner = self.operand(inner);
                quote_spanned!(at=> -#inner)
            }
            (UnOp::Not, _) => {
                let inner = self.operand(inner);
                quote_spanned!(at=> !#inner)
            }
        }
    }

    fn cast(&self, inner: &Expr, to: &Ty, ty: &TokenStream, span: Span) -> TokenStream {
        let from = self.node(inner);
        let short = [from, to].iter().any(|ty| ty.scalar().is_some_and(Self::is_short));
        // Of types that are not known, rustc finds out.
        let unknown = (*from == Ty::Error || *to == Ty::Error) && !self.in_const.get();
        if short || unknown {
            let (from, inner) = (written(from, span), self.expr(inner));
            return quote_spanned!(span=> ::firesteel::dsl::cast::<#from, #ty>(#inner));
        }
        let inner = self.operand(inner);
        // In parentheses: `a as u32 < b` would begin a generic argument.
        quote_spanned!(span=> (#inner as #ty))
    }

    fn index(&self, base: &Expr, index: &Expr, span: Span) -> TokenStream {
        // Everything that can be indexed takes `usize`, so a type that is not known gets it too.
        let of_array = matches!(self.node(base), Ty::Array(..) | Ty::Error)
            && !matches!(base.kind, ExprKind::Memory(..));
        let base = self.operand(base);
        if of_array {
            let index = self.operand(index);
            quote_spanned!(span=> #base[#index as usize])
        } else {
            let index = self.expr(index);
            quote_spanned!(span=> #base[#index])
        }
    }

    fn call(&self, call: &Call, span: Span) -> TokenStream {
        let (path, args) = (&call.path, self.arguments(Some(call.row), 0, &call.args));
        let path = of_short(path);
        quote_spanned!(span=> #path(#(#args),*))
    }

    /// A device function is an ordinary function to rustc.
    fn inline(&self, inline: &Inline, span: Span) -> TokenStream {
        let (path, args) = (&inline.path, inline.args.iter().map(|arg| self.argument(arg)));
        if inline.written.iter().any(|id| self.is_computed(*id)) {
            // Rust takes no expression of a const parameter as an argument.
            return quote_spanned!(span=> { let _ = (#(#args,)*); ::firesteel::dsl::any() });
        }
        quote_spanned!(span=> #path(#(#args),*))
    }

    /// An argument of a device function. A slice or tensor map goes by its name, which is a
    /// reference already.
    fn argument(&self, arg: &Expr) -> TokenStream {
        let mut target = arg;
        while let ExprKind::Ref(_, inner) = &target.kind {
            target = inner;
        }
        match target.kind {
            ExprKind::Memory(..) | ExprKind::Map(..) => self.expr(target),
            _ => self.expr(arg),
        }
    }

    fn closure(&self, closure: &Closure, span: Span) -> TokenStream {
        match &closure.kind {
            ClosureKind::Written { capture, params, ret, body } => {
                let params = params.iter().map(|(pat, ty)| {
                    let pat = self.pat(pat);
                    let ty = ty.as_ref().map(|ty| self.ty(ty));
                    let ty = ty.map(|ty| quote!(: #ty));
                    quote!(#pat #ty)
                });
                let ret = ret.as_ref().map(|ret| self.ty(ret));
                let body = self.expr(body);
                match ret {
                    Some(ret) => quote_spanned!(span=> #capture |#(#params),*| -> #ret { #body }),
                    None => quote_spanned!(span=> #capture |#(#params),*| #body),
                }
            }
            ClosureKind::Function(path) => quote!(#path),
            // By reference, so that it can be passed on again.
            ClosureKind::Param(name) => quote!(&#name),
        }
    }

    /// Arguments; whole slices and tensor maps go without `&`, since their names are references already.
    fn arguments(&self, row: Option<&Row>, skip: usize, args: &[Expr]) -> Vec<TokenStream> {
        let wants_memory = |i: usize| {
            let param = row.and_then(|row| row.params.get(i + skip));
            let sig = param.and_then(|(_, ty)| SigTy::parse(ty));
            matches!(sig, Some(SigTy::Memory { .. } | SigTy::Map { .. }))
        };
        let one = |(i, arg): (usize, &Expr)| {
            let mut arg = arg;
            while let (true, ExprKind::Ref(_, inner)) = (wants_memory(i), &arg.kind) {
                arg = inner;
            }
            self.expr(arg)
        };
        args.iter().enumerate().map(one).collect()
    }
}

/// The name of a field.
pub(super) fn member(member: &Member) -> TokenStream {
    match member {
        Member::Index(field, at) => {
            let mut field = Literal::u32_unsuffixed(*field);
            field.set_span(*at);
            quote!(#field)
        }
        Member::Named(name) => quote!(#name),
    }
}

/// A path with the short floats found, whatever the user imports.
fn of_short(path: &syn::Path) -> TokenStream {
    match path.segments.first() {
        Some(first) if path.segments.len() == 2 && is_short_name(&first.ident) => {
            quote_spanned!(first.ident.span()=> ::firesteel::dsl::#path)
        }
        Some(_) | None => quote!(#path),
    }
}

fn is_short_name(name: &Ident) -> bool {
    Scalar::from_name(&name.to_string()).is_some_and(Shadow::is_short)
}

fn label(label: &Label) -> TokenStream {
    match &label.name {
        Some(name) => quote!(#name:),
        None => TokenStream::new(),
    }
}

/// A literal with its type. A short float has no literal in Rust.
fn literal(lit: &Lit, ty: &Ty, negative: bool, span: Span) -> TokenStream {
    let sign = if negative { "-" } else { "" };
    let (Lit::Int(_, written) | Lit::Float(_, written)) = lit else {
        let name = Ident::new(if matches!(lit, Lit::Bool(true)) { "true" } else { "false" }, span);
        return quote!(#name);
    };
    let ty = ty.scalar().or(*written);
    let suffix = match ty {
        Some(scalar) if !Shadow::is_short(scalar) => scalar.name(),
        _ => "",
    };
    let digits = match lit {
        Lit::Bool(value) => value.to_string(),
        Lit::Int(value, _) => value.to_string(),
        Lit::Float(digits, _) => digits.clone(),
    };
    if let Some(half @ (Scalar::F16 | Scalar::Bf16)) = ty {
        let (half, value) = (scalar(half, span), number(&digits, "f64", span));
        let sign = negative.then(|| quote_spanned!(span=> -));
        return quote_spanned!(span=> #half::from_f64_const(#sign #value));
    }
    let value = number(&digits, suffix, span);
    if sign.is_empty() { quote!(#value) } else { quote_spanned!(span=> -#value) }
}

fn number(digits: &str, suffix: &str, span: Span) -> Literal {
    let text = format!("{digits}{suffix}");
    match text.parse::<Literal>() {
        Ok(mut literal) => {
            literal.set_span(span);
            literal
        }
        Err(_) => unreachable!("`parse` read `{text}` as a number"),
    }
}

fn operator(op: BinOp, span: Span) -> TokenStream {
    match op {
        BinOp::Add => quote_spanned!(span=> +),
        BinOp::Sub => quote_spanned!(span=> -),
        BinOp::Mul => quote_spanned!(span=> *),
        BinOp::Div => quote_spanned!(span=> /),
        BinOp::Rem => quote_spanned!(span=> %),
        BinOp::BitAnd => quote_spanned!(span=> &),
        BinOp::BitOr => quote_spanned!(span=> |),
        BinOp::BitXor => quote_spanned!(span=> ^),
        BinOp::Shl => quote_spanned!(span=> <<),
        BinOp::Shr => quote_spanned!(span=> >>),
        BinOp::Eq => quote_spanned!(span=> ==),
        BinOp::Ne => quote_spanned!(span=> !=),
        BinOp::Lt => quote_spanned!(span=> <),
        BinOp::Le => quote_spanned!(span=> <=),
        BinOp::Gt => quote_spanned!(span=> >),
        BinOp::Ge => quote_spanned!(span=> >=),
    }
}

fn assign_operator(op: BinOp, span: Span) -> TokenStream {
    match op {
        BinOp::Add => quote_spanned!(span=> +=),
        BinOp::Sub => quote_spanned!(span=> -=),
        BinOp::Mul => quote_spanned!(span=> *=),
        BinOp::Div => quote_spanned!(span=> /=),
        BinOp::Rem => quote_spanned!(span=> %=),
        BinOp::BitAnd => quote_spanned!(span=> &=),
        BinOp::BitOr => quote_spanned!(span=> |=),
        BinOp::BitXor => quote_spanned!(span=> ^=),
        BinOp::Shl => quote_spanned!(span=> <<=),
        BinOp::Shr => quote_spanned!(span=> >>=),
        BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge => {
            unreachable!("`parse` makes no assignment of `{}`", op.symbol())
        }
    }
}
