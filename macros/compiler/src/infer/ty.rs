//! Types with holes, and their unification.

use crate::fragment::{Fragment, FragmentKind};
use crate::hir;
use crate::value::Scalar;

/// A type that is perhaps not known in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ty {
    Var(usize),
    Scalar(Scalar),
    /// The lane may be a hole, where the table says `T::X4`.
    Vector(Box<Ty>, u32),
    /// The element may be a hole; the number is that of the columns.
    Fragment(FragmentKind, Box<Ty>, u32),
    Unit,
    Never,
    Tuple(Vec<Ty>),
    Array(Box<Ty>, u32),
    /// A struct of the user, by its number.
    Struct(usize),
    Error,
}

impl Ty {
    pub(super) const BOOL: Self = Self::Scalar(Scalar::Bool);
}

/// What may fill a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anything.
    Any,
    /// An integer: the hole of a literal such as `1`.
    Int,
    /// A float: the hole of a literal such as `1.0`.
    Float,
}

#[derive(Clone, Debug)]
enum Slot {
    Free(Kind),
    Is(Ty),
}

/// The holes.
#[derive(Debug, Default)]
pub(super) struct Vars {
    slots: Vec<Slot>,
    /// The structs: their names, and the names and types of their fields.
    pub(super) structs: Vec<(String, Vec<(String, Ty)>)>,
}

/// Two types differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct Differ;

impl Vars {
    pub(super) fn fresh(&mut self, kind: Kind) -> Ty {
        self.slots.push(Slot::Free(kind));
        Ty::Var(self.slots.len() - 1)
    }

    /// The number of holes so far: a mark for [`Self::default_from`].
    pub(super) fn mark(&self) -> usize {
        self.slots.len()
    }

    /// The type with its outermost hole filled, if it is.
    pub(super) fn shallow(&self, ty: &Ty) -> Ty {
        let mut ty = ty;
        while let Ty::Var(var) = ty {
            match &self.slots[*var] {
                Slot::Free(_) => break,
                Slot::Is(is) => ty = is,
            }
        }
        // Two halves are one scalar.
        if let Ty::Vector(elem, 2) = ty
            && let Ty::Scalar(elem) = self.shallow(elem)
            && let Some(pair) = elem.pair()
        {
            return Ty::Scalar(pair);
        }
        ty.clone()
    }

    /// What may still fill the type, if it is a hole.
    pub(super) fn kind(&self, ty: &Ty) -> Option<Kind> {
        match self.shallow(ty) {
            Ty::Var(var) => match self.slots[var] {
                Slot::Free(kind) => Some(kind),
                Slot::Is(_) => None,
            },
            _ => None,
        }
    }

    /// Makes both equal. `Ty::Error` equals everything, so that a mistake is reported once.
    pub(super) fn unify(&mut self, a: &Ty, b: &Ty) -> Result<(), Differ> {
        let (a, b) = (self.shallow(a), self.shallow(b));
        match (a, b) {
            // A hole that meets a mistake is filled with it, so that it is not reported as unknown.
            (Ty::Error, Ty::Var(var)) | (Ty::Var(var), Ty::Error) => {
                self.slots[var] = Slot::Is(Ty::Error);
                Ok(())
            }
            (Ty::Error, _) | (_, Ty::Error) => Ok(()),
            (Ty::Var(a), Ty::Var(b)) if a == b => Ok(()),
            (Ty::Var(a), Ty::Var(b)) => self.join(a, b),
            (Ty::Var(var), ty) | (ty, Ty::Var(var)) => self.fill(var, ty),
            (Ty::Vector(a, m), Ty::Vector(b, n)) if m == n => self.unify(&a, &b),
            (Ty::Vector(elem, 2), Ty::Scalar(pair)) | (Ty::Scalar(pair), Ty::Vector(elem, 2)) => {
                let half = pair.half().ok_or(Differ)?;
                self.unify(&elem, &Ty::Scalar(half))
            }
            (Ty::Fragment(j, a, m), Ty::Fragment(k, b, n)) if (j, m) == (k, n) => {
                self.unify(&a, &b)
            }
            (Ty::Array(a, m), Ty::Array(b, n)) if m == n => self.unify(&a, &b),
            (Ty::Tuple(a), Ty::Tuple(b)) if a.len() == b.len() => {
                a.iter().zip(&b).try_for_each(|(a, b)| self.unify(a, b))
            }
            (a, b) if a == b => Ok(()),
            _ => Err(Differ),
        }
    }

    fn join(&mut self, a: usize, b: usize) -> Result<(), Differ> {
        let (Slot::Free(kind_a), Slot::Free(kind_b)) = (&self.slots[a], &self.slots[b]) else {
            unreachable!("`shallow` leaves holes that are free");
        };
        let kind = match (*kind_a, *kind_b) {
            (Kind::Any, kind) | (kind, Kind::Any) => kind,
            (x, y) if x == y => x,
            _ => return Err(Differ),
        };
        self.slots[b] = Slot::Free(kind);
        self.slots[a] = Slot::Is(Ty::Var(b));
        Ok(())
    }

    fn fill(&mut self, var: usize, ty: Ty) -> Result<(), Differ> {
        let fits = match (&self.slots[var], &ty) {
            (Slot::Free(Kind::Any), _) => !self.occurs(var, &ty),
            (Slot::Free(Kind::Int), Ty::Scalar(scalar)) => scalar.is_int(),
            (Slot::Free(Kind::Float), Ty::Scalar(scalar)) => scalar.is_float(),
            _ => false,
        };
        if !fits {
            return Err(Differ);
        }
        self.slots[var] = Slot::Is(ty);
        Ok(())
    }

    fn occurs(&self, var: usize, ty: &Ty) -> bool {
        match self.shallow(ty) {
            Ty::Var(other) => other == var,
            Ty::Vector(elem, _) | Ty::Array(elem, _) | Ty::Fragment(_, elem, _) => {
                self.occurs(var, &elem)
            }
            Ty::Tuple(elems) => elems.iter().any(|elem| self.occurs(var, elem)),
            Ty::Scalar(_) | Ty::Unit | Ty::Never | Ty::Struct(_) | Ty::Error => false,
        }
    }

    /// Whether a type has a name of the user's in it.
    pub(super) fn is_named(&self, ty: &Ty) -> bool {
        match self.shallow(ty) {
            Ty::Struct(_) => true,
            Ty::Array(elem, _) => self.is_named(&elem),
            Ty::Tuple(elems) => elems.iter().any(|elem| self.is_named(elem)),
            Ty::Var(_)
            | Ty::Scalar(_)
            | Ty::Vector(..)
            | Ty::Fragment(..)
            | Ty::Unit
            | Ty::Never
            | Ty::Error => false,
        }
    }

    /// Rust's defaults for the holes of literals, from the mark on: `i32` and `f32`.
    ///
    /// (Rust's own default for floats is `f64`; a GPU computes in `f32`, and so does KAIO.)
    pub(super) fn default_from(&mut self, mark: usize) {
        for slot in &mut self.slots[mark..] {
            match slot {
                Slot::Free(Kind::Int) => *slot = Slot::Is(Ty::Scalar(Scalar::I32)),
                Slot::Free(Kind::Float) => *slot = Slot::Is(Ty::Scalar(Scalar::F32)),
                Slot::Free(Kind::Any) | Slot::Is(_) => {}
            }
        }
    }

    /// The same for one hole.
    pub(super) fn default_literal(&mut self, ty: &Ty) {
        let default = match self.kind(ty) {
            Some(Kind::Int) => Scalar::I32,
            Some(Kind::Float) => Scalar::F32,
            Some(Kind::Any) | None => return,
        };
        // The hole takes every type of its kind.
        let _ = self.unify(ty, &Ty::Scalar(default));
    }

    /// The type as messages show it.
    pub(super) fn show(&self, ty: &Ty) -> String {
        match self.shallow(ty) {
            Ty::Var(_) => match self.kind(ty) {
                Some(Kind::Int) => "integer".to_owned(),
                Some(Kind::Float) => "float".to_owned(),
                Some(Kind::Any) | None => "_".to_owned(),
            },
            Ty::Scalar(scalar) => format!("`{scalar}`"),
            other => format!("`{}`", self.spell(&other)),
        }
    }

    pub(super) fn spell(&self, ty: &Ty) -> String {
        match self.shallow(ty) {
            Ty::Var(_) => match self.kind(ty) {
                Some(Kind::Int) => "{integer}".to_owned(),
                Some(Kind::Float) => "{float}".to_owned(),
                Some(Kind::Any) | None => "_".to_owned(),
            },
            Ty::Scalar(scalar) => scalar.name().to_owned(),
            Ty::Vector(elem, lanes) => format!("{}x{lanes}", self.spell(&elem)),
            Ty::Fragment(FragmentKind::CachePolicy, ..) => {
                FragmentKind::CachePolicy.name().to_owned()
            }
            Ty::Fragment(kind, elem, 0) => format!("{}<{}>", kind.name(), self.spell(&elem)),
            Ty::Fragment(kind, elem, cols) => {
                format!("{}<{}, {cols}>", kind.name(), self.spell(&elem))
            }
            Ty::Unit => "()".to_owned(),
            Ty::Never => "!".to_owned(),
            Ty::Tuple(elems) => {
                let elems: Vec<_> = elems.iter().map(|elem| self.spell(elem)).collect();
                if elems.len() == 1 {
                    format!("({},)", elems[0])
                } else {
                    format!("({})", elems.join(", "))
                }
            }
            Ty::Array(elem, len) => format!("[{}; {len}]", self.spell(&elem)),
            Ty::Struct(id) => self.structs[id].0.clone(),
            Ty::Error => "_".to_owned(),
        }
    }

    /// The final type; `None` if a hole is left.
    pub(super) fn finish(&self, ty: &Ty) -> Option<hir::Ty> {
        Some(match self.shallow(ty) {
            Ty::Var(_) => return None,
            Ty::Scalar(scalar) => hir::Ty::Scalar(scalar),
            Ty::Vector(elem, lanes) => match self.shallow(&elem) {
                Ty::Scalar(elem) => {
                    hir::Vector::new(elem, lanes).map_or(hir::Ty::Error, hir::Ty::Vector)
                }
                Ty::Var(_) => return None,
                _ => hir::Ty::Error,
            },
            Ty::Fragment(kind, elem, cols) => match self.shallow(&elem) {
                Ty::Scalar(elem) => hir::Ty::Fragment(Fragment { kind, elem, cols }),
                Ty::Var(_) => return None,
                _ => hir::Ty::Error,
            },
            Ty::Unit => hir::Ty::Unit,
            Ty::Never => hir::Ty::Never,
            Ty::Tuple(elems) => {
                hir::Ty::Tuple(elems.iter().map(|elem| self.finish(elem)).collect::<Option<_>>()?)
            }
            Ty::Array(elem, len) => hir::Ty::Array(Box::new(self.finish(&elem)?), len),
            // Behind the front, a struct is a tuple.
            Ty::Struct(id) => {
                let fields = self.structs[id].1.iter().map(|(_, ty)| self.finish(ty));
                hir::Ty::Tuple(fields.collect::<Option<_>>()?)
            }
            Ty::Error => hir::Ty::Error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_take_the_type_of_their_partner() {
        let mut vars = Vars::default();
        let (a, b) = (vars.fresh(Kind::Int), vars.fresh(Kind::Any));
        vars.unify(&a, &b).unwrap();
        vars.unify(&b, &Ty::Scalar(Scalar::U8)).unwrap();
        assert_eq!(vars.shallow(&a), Ty::Scalar(Scalar::U8));
        let float = vars.fresh(Kind::Float);
        assert!(vars.unify(&float, &a).is_err());
        vars.default_from(0);
        assert_eq!(vars.finish(&float), Some(hir::Ty::Scalar(Scalar::F32)));
    }

    #[test]
    fn a_type_does_not_contain_itself() {
        let mut vars = Vars::default();
        let a = vars.fresh(Kind::Any);
        assert!(vars.unify(&a, &Ty::Tuple(vec![a.clone()])).is_err());
    }

    #[test]
    fn two_halves_are_a_pair() {
        let mut vars = Vars::default();
        let lane = vars.fresh(Kind::Any);
        let open = Ty::Vector(Box::new(lane.clone()), 2);
        vars.unify(&open, &Ty::Scalar(Scalar::Bf16x2)).unwrap();
        assert_eq!(vars.finish(&lane), Some(hir::Ty::Scalar(Scalar::Bf16)));
        assert_eq!(vars.finish(&open), Some(hir::Ty::Scalar(Scalar::Bf16x2)));
        assert!(vars.unify(&open, &Ty::Scalar(Scalar::U32)).is_err());
    }

    #[test]
    fn a_vector_gives_its_lane() {
        let mut vars = Vars::default();
        let lane = vars.fresh(Kind::Any);
        let open = Ty::Vector(Box::new(lane.clone()), 4);
        vars.unify(&open, &Ty::Vector(Box::new(Ty::Scalar(Scalar::F32)), 4)).unwrap();
        assert_eq!(vars.finish(&lane), Some(hir::Ty::Scalar(Scalar::F32)));
    }
}
