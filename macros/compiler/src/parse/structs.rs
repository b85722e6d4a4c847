//! Structs of the device: their types, values, patterns, functions and constants.

use std::rc::Rc;

use proc_macro2::Ident;
use syn::{Fields, ImplItem, ItemFn, ItemStruct, ReceiverKind};

use super::Parser;
use super::pat::At;
use super::scope::Def;
use crate::ast::{
    Candidate, ConstId, Expr, ExprKind, InlineParam, LocalDecl, Member, MethodCall, Pat, PatKind,
    StructDecl, StructId, StructOf, TyExpr, TyExprKind,
};
use crate::diag::{Code, Diags, nearest};
use crate::fragment::FragmentKind;
use crate::intrinsics::Class;
use crate::link::{Item, Kind};
use crate::span::SpanRange;

/// Types and variants of the standard library that a kernel might name by mistake.
const HOST_NAMES: [&str; 12] = [
    "String", "Vec", "Box", "Option", "Some", "None", "Result", "Ok", "Err", "Rc", "Arc", "HashMap",
];

/// What every kernel sees, beside classes of scalars and parts of matrices.
const OWN_NAMES: [&str; 10] = [
    "AnyRank",
    "FactorA",
    "FactorB",
    "Lanes",
    "Order",
    "Registers",
    "Scope",
    "Slice",
    "TensorMap",
    "WarpgroupSum",
];

/// Whether `firesteel::dsl` has a type or a trait of this name.
fn is_own_name(name: &str) -> bool {
    Class::bounds().any(|class| class.name() == name)
        || FragmentKind::from_name(name).is_some()
        || OWN_NAMES.contains(&name)
}

/// Whether Rust's convention makes the name that of a type, which may be a struct.
pub(super) fn is_struct_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && !HOST_NAMES.contains(&name)
}

/// The type and the name in `Block::new`, `blocks::Block::BITS`, `Self::BITS`.
pub(super) fn of_a_type(path: &syn::Path) -> Option<(syn::Path, Ident)> {
    let last = path.segments.last()?.ident.clone();
    let count = path.segments.len().checked_sub(1)?;
    let segments: Vec<_> = path.segments.iter().take(count).cloned().collect();
    if !is_struct_name(&segments.last()?.ident.to_string()) {
        return None;
    }
    let leading_colon = path.leading_colon;
    Some((syn::Path { leading_colon, segments: segments.into_iter().collect() }, last))
}

/// A function of an `impl`.
pub(crate) fn as_function(method: &syn::ImplItemFn) -> ItemFn {
    ItemFn {
        attrs: method.attrs.clone(),
        vis: method.vis.clone(),
        modifiers: method.modifiers.clone(),
        sig: method.sig.clone(),
        block: Box::new(method.block.clone()),
    }
}

/// A constant of an `impl`.
pub(crate) fn as_constant(constant: &syn::ImplItemConst) -> syn::ItemConst {
    syn::ItemConst {
        attrs: constant.attrs.clone(),
        vis: constant.vis.clone(),
        modifiers: constant.modifiers.clone(),
        const_token: constant.const_token,
        ident: constant.ident.clone(),
        generics: constant.generics.clone(),
        colon_token: constant.colon_token,
        ty: Box::new(constant.ty.clone()),
        eq_token: constant.eq_token,
        expr: Box::new(constant.expr.clone()),
        semi_token: constant.semi_token,
    }
}

fn methods(item: &Item) -> impl Iterator<Item = &syn::ImplItemFn> {
    let items: &[ImplItem] = match &item.kind {
        Kind::Impl(_, item) => &item.items,
        Kind::Function(_) | Kind::Const(_) | Kind::Struct(..) | Kind::Kernel(..) | Kind::Broken => {
            &[]
        }
    };
    items.iter().filter_map(|item| match item {
        ImplItem::Fn(method) => Some(method),
        _ => None,
    })
}

fn method_named<'a>(item: &'a Item, name: &str) -> Option<&'a syn::ImplItemFn> {
    methods(item).find(|method| method.sig.ident == name)
}

fn constant_named<'a>(item: &'a Item, name: &str) -> Option<&'a syn::ImplItemConst> {
    let Kind::Impl(_, item) = &item.kind else { return None };
    item.items.iter().find_map(|item| match item {
        ImplItem::Const(constant) if constant.ident == name => Some(constant),
        _ => None,
    })
}

impl Parser<'_, '_> {
    /// Whether a struct is one that the device can have. If not, it is reported.
    pub(super) fn struct_shape(&mut self, item: &ItemStruct) -> bool {
        if let Some(param) = item.generics.params.first() {
            let message = "a struct of the device has no generic parameters";
            let help = "write one for each type, or make its methods generic";
            self.error(Code::BadStruct, SpanRange::of(param), message, help);
            return false;
        }
        let name = item.ident.to_string();
        if is_own_name(&name) {
            let message = format!("a struct cannot be called `{name}`: the language has that name");
            self.error(Code::BadStruct, item.ident.span(), message, "rename it");
        }
        if item.fields.is_empty() {
            let message = "a struct of the device has at least one field";
            self.error(Code::BadStruct, item.ident.span(), message, "add a field");
        }
        true
    }

    /// Its fields, in the place of its definition.
    pub(super) fn struct_decl(&mut self, item: &ItemStruct) -> StructDecl {
        let fields = item.fields.iter().enumerate().map(|(i, field)| {
            let name = field.ident.as_ref().map_or(i.to_string(), ToString::to_string);
            let help = "a field is a scalar, a short vector, a part of a matrix, another struct of \
                        the device, or a tuple or an array of those";
            let span = SpanRange::of(&field.ty);
            let error = TyExpr { kind: TyExprKind::Error, span };
            (name, self.ty_or(&field.ty, Code::BadStruct, help).unwrap_or(error))
        });
        let fields = fields.collect();
        let in_memory = item.attrs.iter().any(is_repr_c);
        StructDecl { name: item.ident.to_string(), in_memory, fields }
    }

    /// The item that the path of a type leads to; `Self` in a method.
    fn struct_item(&mut self, path: &syn::Path) -> Option<Rc<Item>> {
        let item = if path.is_ident("Self") {
            self.own_struct().or_else(|| {
                let message = "kernels have no type `Self`";
                let help = "name the struct; `Self` is known in its `impl`";
                self.error(Code::UnknownType, SpanRange::of(path), message, help);
                None
            })?
        } else {
            self.device_item(path)?
        };
        match &item.kind {
            Kind::Struct(..) => Some(item),
            Kind::Broken => {
                self.linker.broken = true;
                None
            }
            Kind::Function(_) | Kind::Const(_) | Kind::Impl(..) | Kind::Kernel(..) => {
                let message = format!("`{}` is not a struct", item.name);
                let help = "name one that is under `#[gpu_struct]`";
                self.error(Code::WrongKind, SpanRange::of(path), message, help);
                None
            }
        }
    }

    /// The struct in whose `impl` the body stands.
    fn own_struct(&self) -> Option<Rc<Item>> {
        let Kind::Impl(of, _) = &self.inside.last()?.kind else { return None };
        self.linker.links.get(of)
    }

    /// The struct that a path names. What is no struct was reported or is wanted.
    pub(super) fn struct_of(&mut self, path: &syn::Path) -> Option<StructId> {
        let item = self.struct_item(path)?;
        Some(self.struct_id(&item))
    }

    fn struct_id(&mut self, item: &Rc<Item>) -> StructId {
        if let Some(id) = self.linked_structs.get(&item.id) {
            return *id;
        }
        let decl = match &item.kind {
            Kind::Struct(written, _) => {
                let scopes = std::mem::replace(&mut self.scopes, super::Scopes::new());
                self.inside.push(Rc::clone(item));
                let decl = self.struct_decl(written);
                self.inside.pop();
                self.scopes = scopes;
                decl
            }
            Kind::Function(_)
            | Kind::Const(_)
            | Kind::Impl(..)
            | Kind::Kernel(..)
            | Kind::Broken => {
                unreachable!("`struct_item` gives structs")
            }
        };
        self.structs.push(decl);
        let id = StructId(self.structs.len() - 1);
        self.linked_structs.insert(item.id.clone(), id);
        id
    }

    /// The number of the field of that name. One that is not there is reported.
    fn field_index(&mut self, id: StructId, member: &Member) -> Option<u32> {
        let (name, at) = match member {
            Member::Index(index, at) => (index.to_string(), *at),
            Member::Named(name) => (name.to_string(), name.span()),
        };
        let decl = &self.structs[id.0];
        let found = decl.fields.iter().position(|(known, _)| *known == name);
        if found.is_none() {
            let names: Vec<&str> = decl.fields.iter().map(|(name, _)| name.as_str()).collect();
            let help = match nearest(&name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has `{}`", names.join("`, `")),
            };
            let message = format!("`{}` has no field `{name}`", decl.name);
            self.error(Code::UnknownField, at, message, help);
        }
        found.map(|at| at as u32)
    }

    /// `Point { x, y: 0.0, ..base }`.
    pub(super) fn struct_literal(&mut self, literal: &syn::ExprStruct) -> Expr {
        let path = literal.path.clone();
        let span = SpanRange::of(&path).to(literal.brace_token.span.close().into());
        let id = self.struct_of(&path);
        let mut fields = Vec::new();
        let mut parts = Vec::new();
        for field in &literal.fields {
            let value = self.expr(&field.expr);
            let member = member(&field.member);
            match id.and_then(|id| self.field_index(id, &member)) {
                Some(index) => fields.push((index, member, value)),
                None => parts.push(value),
            }
        }
        let base = literal.rest.as_ref().map(|base| Box::new(self.expr(base)));
        let Some(id) = id.filter(|_| parts.is_empty()) else {
            parts.extend(fields.into_iter().map(|(_, _, value)| value));
            parts.extend(base.map(|base| *base));
            return self.node(ExprKind::Error(parts), span);
        };
        let written: Vec<u32> = fields.iter().map(|(index, ..)| *index).collect();
        self.every_field(id, &written, base.is_some(), SpanRange::of(&path));
        let value = StructOf { path, id, positional: false, fields };
        self.node(ExprKind::Struct(value, base), span)
    }

    /// Reports fields that are left out or given twice.
    fn every_field(&mut self, id: StructId, written: &[u32], has_base: bool, at: SpanRange) {
        let decl = &self.structs[id.0];
        let missing = decl.fields.iter().enumerate();
        let missing = missing.filter(|(i, _)| !has_base && !written.contains(&(*i as u32)));
        let missing: Vec<&str> = missing.map(|(_, (name, _))| name.as_str()).collect();
        let repeated = written.iter().enumerate();
        let repeated = repeated.filter(|(i, field)| written[..*i].contains(field));
        let repeated: Vec<&str> =
            repeated.map(|(_, field)| decl.fields[*field as usize].0.as_str()).collect();
        let (message, help) = if let Some(first) = missing.first() {
            let names = missing.join("`, `");
            let help = format!("give it a value: `{first}: ..`, or end with `..other`");
            (format!("`{}` needs a value for `{names}`", decl.name), help)
        } else if let Some(first) = repeated.first() {
            (format!("the field `{first}` is given twice"), "remove one of them".to_owned())
        } else {
            return;
        };
        self.error(Code::BadStruct, at, message, help);
    }

    /// `Pair(a, b)`.
    pub(super) fn positional_struct(
        &mut self,
        path: &syn::Path,
        item: &Rc<Item>,
        written: &ItemStruct,
        args: Vec<Expr>,
        span: SpanRange,
    ) -> Expr {
        let id = self.struct_id(item);
        if !matches!(written.fields, Fields::Unnamed(_)) {
            let message = format!("`{}` has fields with names", item.name);
            let help = format!("write `{} {{ .. }}`", item.name);
            self.error(Code::WrongKind, SpanRange::of(path), message, help);
            return self.node(ExprKind::Error(args), span);
        }
        let want = written.fields.len();
        if want != args.len() {
            let plural = if want == 1 { "" } else { "s" };
            let message = format!("`{}` has {want} field{plural}, not {}", item.name, args.len());
            let help = "give each a value";
            self.error(Code::WrongArity, SpanRange::of(path), message, help);
            return self.node(ExprKind::Error(args), span);
        }
        let fields = args.into_iter().enumerate().map(|(i, value)| {
            let at = value.span.start;
            (i as u32, Member::Index(i as u32, at), value)
        });
        let fields = fields.collect();
        let value = StructOf { path: path.clone(), id, positional: true, fields };
        self.node(ExprKind::Struct(value, None), span)
    }

    /// `Point { x, y: 0, .. }` and `Pair(a, b)`; `None` if it was reported.
    pub(super) fn struct_pat(&mut self, pat: &syn::Pat, at: At) -> Option<PatKind> {
        let mut fields = Vec::new();
        let (path, has_rest) = match pat {
            syn::Pat::Struct(it) => (&it.path, it.rest.is_some()),
            syn::Pat::TupleStruct(it) => (&it.path, false),
            _ => return None,
        };
        if path.get_ident().is_some_and(|name| !is_struct_name(&name.to_string())) {
            return None;
        }
        let id = self.struct_of(path);
        let pairs: Vec<(Member, &syn::Pat)> = match pat {
            syn::Pat::Struct(it) => {
                it.fields.iter().map(|field| (member(&field.member), &*field.pat)).collect()
            }
            syn::Pat::TupleStruct(it) => {
                let pats = it.elems.iter().enumerate();
                pats.map(|(i, pat)| (Member::Index(i as u32, it.paren_token.span.open()), pat))
                    .collect()
            }
            _ => return None,
        };
        let Some(id) = id else {
            for (_, pat) in pairs {
                self.bad_pat(pat);
            }
            return Some(PatKind::Error);
        };
        for (member, pat) in pairs {
            let index = self.field_index(id, &member);
            let pat: Pat = self.pat(pat, at);
            if let Some(index) = index {
                fields.push((index, member, pat));
            }
        }
        let written: Vec<u32> = fields.iter().map(|(index, ..)| *index).collect();
        self.every_field(id, &written, has_rest, SpanRange::of(path));
        let positional = matches!(pat, syn::Pat::TupleStruct(_));
        let of = StructOf { path: path.clone(), id, positional, fields };
        Some(PatKind::Struct(of, has_rest))
    }

    /// The `impl` of a struct.
    fn impl_of(&self, item: &Item) -> Option<Rc<Item>> {
        let is_its = |it: &&Rc<Item>| matches!(&it.kind, Kind::Impl(of, _) if *of == item.id);
        let own = self.linker.own_impl.iter();
        self.linker.links.items().chain(own).find(is_its).map(Rc::clone)
    }

    /// Reports a function or constant that a struct does not have.
    fn nothing_associated(&mut self, item: &Item, name: &Ident, what: &str) {
        let implementation = self.impl_of(item);
        let names: Vec<String> = match implementation.as_ref().map(|it| &it.kind) {
            Some(Kind::Impl(_, item)) => {
                let names = item.items.iter().filter_map(|item| match item {
                    ImplItem::Fn(method) => Some(method.sig.ident.to_string()),
                    ImplItem::Const(constant) => Some(constant.ident.to_string()),
                    _ => None,
                });
                names.collect()
            }
            _ => Vec::new(),
        };
        let help = match nearest(&name.to_string(), names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if implementation.is_none() => {
                "write `#[gpu_struct(methods)]` at the struct, and `#[gpu_struct]` at its `impl`"
                    .to_owned()
            }
            None => format!("define it in the `impl` of `{}`", item.name),
        };
        let message = format!("`{}` has no {what} `{name}`", item.name);
        self.error(Code::UnknownAssociated, name.span(), message, help);
    }

    /// `Block::new(a, b)`.
    pub(super) fn associated_call(
        &mut self,
        path: &syn::Path,
        ty: &syn::Path,
        name: &Ident,
        args: Vec<Expr>,
        span: SpanRange,
    ) -> Expr {
        let Some(item) = self.struct_item(ty) else {
            return self.node(ExprKind::Error(args), span);
        };
        let found = self.impl_of(&item);
        let method = found.as_ref().and_then(|it| method_named(it, &name.to_string()));
        let (Some(found), Some(method)) = (&found, method) else {
            self.nothing_associated(&item, name, "function");
            return self.node(ExprKind::Error(args), span);
        };
        if !self.enter_method(found, name) {
            return self.node(ExprKind::Error(args), span);
        }
        let expr = self.inline(path, found, &as_function(method), args, span);
        self.calls.pop();
        expr
    }

    /// Notes that the body of a method is read; reports one that needs itself.
    fn enter_method(&mut self, item: &Item, name: &Ident) -> bool {
        let call = (item.id.clone(), name.to_string());
        if let Some(first) = self.calls.iter().position(|it| *it == call) {
            let chain: Vec<String> = self.calls[first..]
                .iter()
                .chain([&call])
                .map(|(_, name)| format!("`{}::{name}`", item.name))
                .collect();
            let message = format!("{} needs itself: {}", chain[0], chain.join(" -> "));
            let help = "device code is inlined and has no recursion: write a loop";
            self.error(Code::Recursion, name.span(), message, help);
            self.linker.broken = true;
            return false;
        }
        self.calls.push(call);
        true
    }

    /// `Block::BITS`.
    pub(super) fn associated_const(
        &mut self,
        path: &syn::Path,
        ty: &syn::Path,
        name: &Ident,
    ) -> Expr {
        let span = SpanRange::of(path);
        let Some(item) = self.struct_item(ty) else { return self.error_node(span) };
        let found = self.impl_of(&item);
        let constant = found.as_ref().and_then(|it| constant_named(it, &name.to_string()));
        let (Some(found), Some(constant)) = (&found, constant) else {
            self.nothing_associated(&item, name, "constant");
            return self.error_node(span);
        };
        let key = format!("{}::{name}", found.id);
        let id: ConstId = match self.linked_consts.get(&key) {
            Some(id) => *id,
            None => {
                if !self.enter_method(found, name) {
                    return self.error_node(span);
                }
                let id = self.device_const_value(found, key, &as_constant(constant));
                self.calls.pop();
                id
            }
        };
        self.node(ExprKind::Const(id, path.clone()), span)
    }

    /// `self`, `&self` or `&mut self`.
    pub(super) fn receiver(&mut self, receiver: &syn::Receiver) -> InlineParam {
        let span = SpanRange::of(receiver);
        let ident = Ident::new("self", receiver.self_token.span);
        let path = syn::Path::from(Ident::new("Self", receiver.self_token.span));
        let kind = match self.own_struct() {
            Some(item) => TyExprKind::Struct(self.struct_id(&item), path),
            None => TyExprKind::Error,
        };
        let ty = TyExpr { kind, span };
        let reference = match &receiver.kind {
            ReceiverKind::Value => Some(None),
            ReceiverKind::Reference(_, None, mutable) => Some(Some(mutable.is_some())),
            _ => None,
        };
        if reference.is_none() {
            let message = "a method takes `self`, `&self` or `&mut self`";
            self.error(Code::BadParameter, span, message, "write one of these");
        }
        let reference = reference.flatten();
        let local = self.declare_local(LocalDecl {
            ident,
            mutable: receiver.mutability.is_some(),
            deferred: false,
            param: None,
            reference,
        });
        self.scopes.define("self".to_owned(), Def::Local(local));
        match reference {
            Some(mutable) => InlineParam::Place { local, ty, mutable },
            None => {
                let kind = PatKind::Bind(local, None);
                InlineParam::Value(Pat { id: self.node_id(), kind, span }, ty)
            }
        }
    }

    /// Whether a struct that is known here has a method of that name.
    pub(super) fn has_method(&self, name: &str) -> bool {
        self.implementations().any(|item| method_named(item, name).is_some())
    }

    /// The methods of all structs that are known here.
    pub(super) fn method_names(&self) -> Vec<String> {
        let names = self.implementations().flat_map(|item| methods(item));
        names.map(|method| method.sig.ident.to_string()).collect()
    }

    fn implementations(&self) -> impl Iterator<Item = &Rc<Item>> {
        self.linker.links.items().chain(&self.linker.own_impl)
    }

    /// `block.scale(i)`: each method of the name, until `infer` knows which.
    pub(super) fn method_call(&mut self, call: &syn::ExprMethodCall) -> Expr {
        let receiver = self.expr(&call.receiver);
        let args: Vec<Expr> = call.args.iter().map(|arg| self.device_argument(arg)).collect();
        let span = receiver.span.to(SpanRange::from(call.paren_token.span.close()));
        let name = call.method.clone();
        let with_method = |item: &&Rc<Item>| method_named(item, &name.to_string()).is_some();
        let items: Vec<Rc<Item>> =
            self.implementations().filter(with_method).map(Rc::clone).collect();
        let given: Vec<&Expr> = std::iter::once(&receiver).chain(&args).collect();
        let mut candidates = Vec::new();
        for item in items {
            candidates.extend(self.candidate(&item, call, &given));
        }
        let generics = call.turbofish.clone();
        let call = MethodCall { receiver, name, generics, args, candidates };
        self.node(ExprKind::MethodCall(Box::new(call)), span)
    }

    fn candidate(
        &mut self,
        item: &Rc<Item>,
        call: &syn::ExprMethodCall,
        given: &[&Expr],
    ) -> Option<Candidate> {
        let Kind::Impl(of, _) = &item.kind else { return None };
        let method = method_named(item, &call.method.to_string())?;
        let of = self.linker.links.get(of)?;
        let of = self.struct_id(&of);
        // What is wrong matters only if this is the method that is meant.
        let outer = std::mem::replace(self.diags, Diags::new());
        let inline = self.candidate_body(item, &as_function(method), call, given);
        let mut own = std::mem::replace(self.diags, outer);
        Some(Candidate { of, inline, diags: own.take() })
    }

    fn candidate_body(
        &mut self,
        item: &Rc<Item>,
        function: &ItemFn,
        call: &syn::ExprMethodCall,
        given: &[&Expr],
    ) -> Option<crate::ast::Inline> {
        let name = &call.method;
        if function.sig.receiver().is_none() {
            let message = format!("`{}::{name}` is a function, not a method", item.name);
            let help = format!("write `{}::{name}(..)`", item.name);
            self.error(Code::WrongKind, name.span(), message, help);
            return None;
        }
        let (want, got) = (function.sig.inputs.len() - 1, given.len() - 1);
        if want != got {
            let plural = if want == 1 { "" } else { "s" };
            let message = format!("`{name}` takes {want} argument{plural}, not {got}");
            let help = "give one for each parameter behind `self`";
            self.error(Code::WrongArity, name.span(), message, help);
            return None;
        }
        let broken = self.linker.broken;
        if !self.enter_method(item, name) {
            // Another one may be meant.
            self.linker.broken = broken;
            return None;
        }
        let generics = self.written_arguments(call.turbofish.as_ref(), function);
        let inline = generics.map(|generics| {
            self.inside.push(Rc::clone(item));
            let inline = self.device_body(name.clone().into(), function, generics, given);
            self.inside.pop();
            inline
        });
        self.calls.pop();
        inline
    }
}

/// Whether an attribute is `#[repr(C)]`.
fn is_repr_c(attr: &syn::Attribute) -> bool {
    attr.path().is_ident("repr") && attr.parse_args::<Ident>().is_ok_and(|repr| repr == "C")
}

fn member(member: &syn::Member) -> Member {
    match member {
        syn::Member::Named(name) => Member::Named(name.clone()),
        syn::Member::Unnamed(index) => Member::Index(index.index, index.span),
    }
}
