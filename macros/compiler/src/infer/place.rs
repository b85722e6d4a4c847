//! Elements, fields and assignments.

use proc_macro2::Ident;

use super::Infer;
use super::check::{Indexed, Pending};
use super::ty::{Kind, Ty};
use crate::ast::{Expr, ExprKind, Member, NodeId};
use crate::diag::Code;
use crate::fragment::FragmentKind;
use crate::hir::{Elem, Memory, ParamKind};
use crate::span::SpanRange;
use crate::value::{BinOp, Scalar};

impl<'a> Infer<'a> {
    /// The type of an element of memory, and whether it can be written.
    pub(super) fn memory(&mut self, memory: Memory) -> (Ty, bool) {
        match memory {
            Memory::Slice(id) => match self.ast.signature.params[id.0].kind {
                ParamKind::Slice { elem, mutable } => {
                    let elem = match elem {
                        Elem::Scalar(elem) => Ty::Scalar(elem),
                        Elem::Struct(id) => Ty::Struct(id),
                    };
                    (elem, mutable || self.excused.contains(&memory))
                }
                ParamKind::Scalar { .. } | ParamKind::TensorMap { .. } => {
                    unreachable!("`parse` names slices alone so")
                }
            },
            Memory::Shared(id) => (self.shared[id.0].clone().unwrap_or(Ty::Error), true),
            Memory::View(id) => {
                let (_, writable) = self.memory(self.ast.views[id.0].of);
                let writable = writable || self.excused.contains(&memory);
                (self.views[id.0].clone().unwrap_or(Ty::Error), writable)
            }
        }
    }

    pub(super) fn index(&mut self, base: &'a Expr, index: &'a Expr) -> Ty {
        if let ExprKind::Memory(memory, _) = base.kind {
            let (elem, _) = self.memory(memory);
            let of = match memory {
                Memory::Slice(_) | Memory::View(_) => Indexed::Unbounded,
                Memory::Shared(id) => match self.ast.shared[id.0].len {
                    Some(len) => self.length(len).map_or(Indexed::Unbounded, Indexed::Shared),
                    None => Indexed::Unbounded,
                },
            };
            self.index_value(index, of);
            return elem;
        }
        let ty = self.known(base);
        match ty {
            Ty::Array(elem, len) | Ty::Vector(elem, len) => {
                self.index_value(index, Indexed::Register(len));
                *elem
            }
            Ty::Fragment(kind, elem, cols) if kind.is_sum() => {
                let count = match (kind, self.vars.shallow(&elem)) {
                    (FragmentKind::WarpgroupC, _) => cols / 2,
                    (_, Ty::Scalar(Scalar::F64)) => 2,
                    _ => 4,
                };
                self.index_value(index, Indexed::Register(count));
                *elem
            }
            Ty::Error => {
                self.expr(index);
                Ty::Error
            }
            Ty::Var(_) if self.vars.kind(&ty) == Some(Kind::Any) => {
                self.expr(index);
                self.unknown_type(base)
            }
            other => {
                self.expr(index);
                let message = format!("{} cannot be indexed", self.vars.show(&other));
                let help = "index a slice, a shared array, an array or a vector";
                self.error(Code::BadIndex, base.span, message, help);
                Ty::Error
            }
        }
    }

    pub(super) fn index_value(&mut self, index: &'a Expr, of: Indexed) {
        let ty = self.value(index);
        self.pending.push(Pending::Index { index, ty, of, at: index.span });
    }

    fn unknown_type(&mut self, expr: &'a Expr) -> Ty {
        let message = "the type of this is not known yet";
        let help = "write it at its `let`";
        self.error(Code::CannotInfer, expr.span, message, help);
        Ty::Error
    }

    /// The type of an expression whose parts are looked at.
    pub(super) fn known(&mut self, expr: &'a Expr) -> Ty {
        let ty = self.referent(expr);
        self.solve();
        match self.vars.shallow(&ty) {
            Ty::Never => Ty::Error,
            ty => ty,
        }
    }

    pub(super) fn field(&mut self, id: NodeId, base: &'a Expr, member: &Member) -> Ty {
        let ty = self.known(base);
        let found = match (&ty, member) {
            (Ty::Error, _) => return Ty::Error,
            (Ty::Var(_), _) if self.vars.kind(&ty) == Some(Kind::Any) => {
                return self.unknown_type(base);
            }
            (Ty::Tuple(elems), Member::Index(index, _)) => elems.get(*index as usize).cloned(),
            (Ty::Struct(of), _) => self.struct_field(id, *of, member),
            (Ty::Vector(elem, lanes), Member::Named(name)) => {
                let lane = lane(&name.to_string());
                lane.filter(|lane| lane < lanes).map(|_| (**elem).clone())
            }
            _ => None,
        };
        found.unwrap_or_else(|| {
            let (name, at) = match member {
                Member::Index(index, at) => (index.to_string(), *at),
                Member::Named(name) => (name.to_string(), name.span()),
            };
            let help = match &ty {
                Ty::Tuple(elems) => format!("it has the fields 0 to {}", elems.len() - 1),
                Ty::Vector(_, lanes) if *lanes <= 4 => {
                    let names = &["x", "y", "z", "w"][..*lanes as usize];
                    format!("its lanes are `{}`", names.join("`, `"))
                }
                Ty::Struct(of) => self.field_help(*of, &name),
                Ty::Vector(..) => "write `v[i]` for the lanes of a long vector".to_owned(),
                Ty::Scalar(scalar) if scalar.is_pair() => {
                    "its halves are `x.lo()` and `x.hi()`".to_owned()
                }
                _ => "tuples have fields `.0`, `.1`, and short vectors `.x`, `.y`".to_owned(),
            };
            let message = format!("{} has no field `{name}`", self.vars.show(&ty));
            self.error(Code::UnknownField, at, message, help);
            Ty::Error
        })
    }

    pub(super) fn assign(&mut self, place: &'a Expr, value: &'a Expr) -> Ty {
        let got = self.expr(value);
        let want = self.expr(place);
        self.writable(place, true);
        self.expect(&want, &got, value.span);
        Ty::Unit
    }

    pub(super) fn assign_op(
        &mut self,
        op: BinOp,
        place: &'a Expr,
        value: &'a Expr,
        at: SpanRange,
    ) -> Ty {
        let right = self.value(value);
        let left = self.expr(place);
        self.writable(place, false);
        self.operands(op, &left, &right, value, at);
        Ty::Unit
    }

    /// How to make a slice writable.
    pub(super) fn writable_help(&self, memory: Memory, name: &Ident, elem: &Ty) -> String {
        match memory {
            Memory::View(id) => {
                format!("make the parameter `{}` a `&mut` slice", self.ast.views[id.0].of_ident)
            }
            Memory::Slice(_) | Memory::Shared(_) => {
                format!("make the parameter `{name}: &mut [{}]`", self.vars.spell(elem))
            }
        }
    }

    /// Reports a place that cannot be written. `whole` is an assignment of a new value.
    pub(super) fn writable(&mut self, place: &'a Expr, whole: bool) {
        match &place.kind {
            ExprKind::Local(id, name) => {
                let local = &self.ast.locals[id.0];
                if let Some(writable) = local.reference {
                    if !writable {
                        let ty = self.vars.spell(&self.locals[id.0]);
                        let message = format!("`{name}` is a `&`, which cannot be written");
                        let help = match name.to_string().as_str() {
                            "self" => "write `&mut self`".to_owned(),
                            _ => format!("make the parameter `{name}: &mut {ty}`"),
                        };
                        self.error(Code::WriteToShared, place.span, message, help);
                    }
                    return;
                }
                let first_value = local.deferred && whole;
                if !local.mutable && !first_value {
                    let message = format!("the variable `{name}` is not `mut`");
                    let help = match local.param {
                        Some(ty) => format!("write `mut {name}: {ty}`"),
                        None => format!("write `let mut {name}`"),
                    };
                    self.error(Code::AssignImmutable, place.span, message, help);
                }
            }
            ExprKind::Index(base, _) => match &base.kind {
                ExprKind::Memory(memory, name) => {
                    let (elem, mutable) = self.memory(*memory);
                    if !mutable {
                        let message = format!("the slice `{name}` cannot be written");
                        let help = self.writable_help(*memory, name, &elem);
                        self.error(Code::WriteToShared, place.span, message, help);
                    }
                }
                _ => self.writable(base, false),
            },
            ExprKind::Field(base, _) | ExprKind::Deref(_, base) => self.writable(base, false),
            ExprKind::Error(_) => {}
            _ => {
                let message = "this cannot be assigned";
                let help = "assign variables, elements and fields";
                self.error(Code::BadPlace, place.span, message, help);
            }
        }
    }
}

/// The number of a lane by its name.
pub(crate) fn lane(name: &str) -> Option<u32> {
    ["x", "y", "z", "w"].iter().position(|known| *known == name).map(|lane| lane as u32)
}
