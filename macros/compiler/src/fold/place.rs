//! Places: constants read from variables, and the indices of arrays.

use super::{Fold, Known, value};
use crate::diag::Code;
use crate::hir::{self, Elem, Expr, ExprKind, Memory, ParamKind, Place, Root, Step, Ty};

const DYNAMIC_HELP: &str = "registers have no addresses: index it with the variable of a loop \
                            that has constant bounds, or keep the values in `shared_mem!`";
const BOUNDS_HELP: &str = "use an index from 0 on, below the length";

impl Fold<'_> {
    /// Reads a place.
    pub(super) fn load(&mut self, place: &Place) -> ExprKind {
        let place = self.place(place);
        match self.held(&place) {
            Some(Known::Scalar(value)) => ExprKind::Value(*value),
            Some(Known::Parts(_)) | None => ExprKind::Load(place),
        }
    }

    /// What a place is known to hold.
    fn held(&self, place: &Place) -> Option<&Known> {
        let Root::Local(local) = place.root else { return None };
        place.path.iter().try_fold(self.known.get(&local)?, |known, step| {
            let at = match step {
                Step::Field(at) | Step::Lane(at) => *at as usize,
                Step::Index(index) => usize::try_from(value(index)?.as_int()).ok()?,
            };
            match known {
                Known::Parts(parts) => parts.get(at)?.as_ref(),
                Known::Scalar(_) => None,
            }
        })
    }

    pub(super) fn place(&mut self, place: &Place) -> Place {
        let root = match &place.root {
            Root::Local(local) => Root::Local(self.local(*local)),
            Root::Element { memory, index } => {
                let folded = self.expr(index);
                self.check_shared(*memory, index, &folded);
                Root::Element { memory: *memory, index: Box::new(folded) }
            }
        };
        let path = self.path(&root, &place.path);
        Place { root, path, ty: place.ty.clone(), span: place.span }
    }

    fn path(&mut self, root: &Root, path: &[Step]) -> Vec<Step> {
        if path.is_empty() {
            return Vec::new();
        }
        let (name, mut ty, in_memory) = match root {
            Root::Local(local) => {
                let local = &self.locals[local.0];
                (local.name.clone(), local.ty.clone(), false)
            }
            Root::Element { memory, .. } => {
                (self.memory_name(*memory), self.element(*memory), true)
            }
        };
        let mut folded = Vec::with_capacity(path.len());
        for step in path {
            let (len, inner) = parts(&ty, step);
            folded.push(match step {
                Step::Field(field) => Step::Field(*field),
                Step::Lane(lane) => Step::Lane(*lane),
                Step::Index(index) => {
                    Step::Index(Box::new(self.register_index(index, &name, len, in_memory)))
                }
            });
            ty = inner;
        }
        folded
    }

    fn memory_name(&self, memory: Memory) -> String {
        match memory {
            Memory::Slice(param) => self.signature.params[param.0].name.to_string(),
            Memory::Shared(shared) => self.shared[shared.0].name.clone(),
            Memory::View(view) => self.views[view.0].name.clone(),
        }
    }

    /// The type of an element of memory that has parts.
    fn element(&self, memory: Memory) -> Ty {
        match memory {
            Memory::Slice(param) => match self.signature.params[param.0].kind {
                ParamKind::Slice { elem: Elem::Struct(id), .. } => self.structs[id].clone(),
                ParamKind::Slice { elem: Elem::Scalar(elem), .. }
                | ParamKind::Scalar { ty: elem, .. }
                | ParamKind::TensorMap { elem, .. } => Ty::Scalar(elem),
            },
            Memory::Shared(shared) => match self.shared[shared.0].elem {
                Elem::Scalar(elem) => Ty::Scalar(elem),
                Elem::Struct(id) => self.structs[id].clone(),
            },
            Memory::View(view) => Ty::Scalar(self.views[view.0].elem),
        }
    }

    /// The index of an array, within bounds if it is constant, as it must be in registers.
    fn register_index(&mut self, index: &Expr, name: &str, len: u32, in_memory: bool) -> Expr {
        let folded = self.expr(index);
        match value(&folded).map(crate::value::Value::as_int) {
            None if in_memory => {}
            None => {
                let message = format!("the index of the register array `{name}` is not constant");
                self.report(index, Code::DynamicRegisterIndex, index.span, message, DYNAMIC_HELP);
            }
            Some(at) if at < 0 || at >= i128::from(len) => {
                let message = format!("index {at} is outside of `{name}`, an array of {len}");
                self.report(index, Code::BadLength, index.span, message, BOUNDS_HELP);
            }
            Some(_) => {}
        }
        folded
    }

    /// A constant index of a static shared array is within bounds.
    fn check_shared(&mut self, memory: Memory, index: &Expr, folded: &Expr) {
        let len = hir::static_len(self.shared, self.views, memory);
        let (Some(len), Some(at)) = (len, value(folded)) else { return };
        let at = at.as_int();
        if at < 0 || at >= i128::from(len) {
            let name = match memory {
                Memory::Shared(shared) => &self.shared[shared.0].name,
                Memory::View(view) => &self.views[view.0].name,
                Memory::Slice(_) => unreachable!("the length of a slice is not known"),
            };
            let message = format!("index {at} is outside of `{name}`, a shared array of {len}");
            self.report(index, Code::BadLength, index.span, message, BOUNDS_HELP);
        }
    }
}

/// How many parts a type has, and the type of the part that a step leads to.
fn parts(ty: &Ty, step: &Step) -> (u32, Ty) {
    match (ty, step) {
        (Ty::Array(elem, len), _) => (*len, (**elem).clone()),
        (Ty::Vector(vector), _) => (vector.lanes, Ty::Scalar(vector.elem)),
        (Ty::Fragment(fragment), _) => {
            let (elem, count) = fragment.registers();
            (count, Ty::Scalar(elem))
        }
        (Ty::Tuple(items), Step::Field(field)) => {
            (items.len() as u32, items[*field as usize].clone())
        }
        _ => unreachable!("`infer` lets only tuples, arrays and vectors have parts"),
    }
}
