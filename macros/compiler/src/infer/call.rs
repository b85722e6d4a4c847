//! Calls of intrinsics: arguments against the rows of the table.

use proc_macro2::{Ident, Span};

use super::Infer;
use super::check::{CONVERT, Indexed, Pending};
use super::ty::{Kind, Ty};
use crate::ast::{Call, Expr, ExprKind, Generic, MapTy};
use crate::diag::Code;
use crate::fragment::{FragmentKind, sum_of};
use crate::hir::{Memory, Options, ParamId, ParamKind};
use crate::intrinsics::{self, Class, Fill, Home, Op, Row, SigTy};
use crate::span::SpanRange;
use crate::value::Scalar;

/// The types that the generic parameters of a row stand for.
type Subst = Vec<(&'static str, Ty)>;

fn of(subst: &Subst, name: &str) -> Ty {
    subst.iter().find(|(known, _)| *known == name).map_or(Ty::Error, |(_, ty)| ty.clone())
}

/// Whether the operation uses every lane of a warp.
fn wants_full_warps(row: &Row) -> bool {
    row.fill == Fill::FullMask
        || matches!(row.op, Op::WarpReduceSum | Op::WarpReduceMax | Op::WarpReduceMin)
}

impl<'a> Infer<'a> {
    pub(super) fn call(&mut self, call: &'a Call, at: SpanRange) -> Ty {
        let name = call.path.segments.last().map_or(at.start, |last| last.ident.span());
        let mut subst = self.instantiate(call.row);
        if let (Some(on), Some((_, ty))) = (&call.on, subst.first_mut()) {
            *ty = self.written(on);
        }
        for (i, generic) in call.generics.iter().enumerate() {
            match generic {
                Generic::Ty(written) => {
                    let want = self.written(written);
                    if let Some((_, ty)) = subst.get(i) {
                        self.expect(&ty.clone(), &want, written.span);
                    }
                }
                Generic::Const(id) => {
                    self.const_value(*id);
                }
            }
        }
        let constant = call.row.generics.iter().any(|(_, class)| *class == Class::ConstU8);
        if constant && call.generics.is_empty() {
            let message = format!("`{}` needs its constant", call.row.name);
            let help = format!("write `{}::<0x96>(..)`", call.row.name);
            self.error(Code::BadArgument, name, message, help);
        }
        let args: Vec<&Expr> = call.args.iter().collect();
        self.apply(call.row, &subst, &args, name, at)
    }

    pub(super) fn method(
        &mut self,
        receiver: &'a Expr,
        name: &'a Ident,
        args: &'a [Expr],
        at: SpanRange,
    ) -> Ty {
        let text = name.to_string();
        if let ExprKind::Memory(_, slice) = &receiver.kind {
            if text == "len" && args.is_empty() {
                return Ty::Scalar(Scalar::Usize);
            }
            let message = format!("the slice `{slice}` has no method `{text}` like this");
            let help = format!("use `{slice}.len()` or an element, `{slice}[i]`");
            self.error(Code::UnknownMethod, name.span(), message, help);
            return Ty::Error;
        }
        if text == "to_f32" {
            return self.as_f32(receiver, args, name);
        }
        let Some(row) = intrinsics::method(&text) else {
            return self.length_method(receiver, name);
        };
        let subst = self.instantiate(row);
        self.dereferenced.insert(receiver.id);
        let all: Vec<&Expr> = std::iter::once(receiver).chain(args).collect();
        self.apply(row, &subst, &all, name.span(), at)
    }

    /// `to_f32`, which every number has.
    fn as_f32(&mut self, receiver: &'a Expr, args: &'a [Expr], name: &Ident) -> Ty {
        if !args.is_empty() {
            let message = format!("`to_f32` takes 0 arguments, not {}", args.len());
            self.error(Code::WrongArity, name.span(), message, "write `to_f32()`");
        }
        self.dereferenced.insert(receiver.id);
        let ty = self.value(receiver);
        let to = Ty::Scalar(Scalar::F32);
        self.solve();
        if matches!(self.vars.shallow(&ty), Ty::Scalar(scalar) if scalar.is_pair()) {
            return Ty::Tuple(vec![to.clone(), to]);
        }
        self.pending.push(Pending::Cast { from: ty, to: to.clone(), at: receiver.span });
        to
    }

    /// `len`, which arrays have too.
    fn length_method(&mut self, receiver: &'a Expr, name: &Ident) -> Ty {
        let ty = self.referent(receiver);
        match self.vars.shallow(&ty) {
            Ty::Array(..) => Ty::Scalar(Scalar::Usize),
            Ty::Error => Ty::Error,
            _ => {
                let message = format!("{} has no method `{name}`", self.vars.show(&ty));
                let help = "slices and arrays have a length";
                self.error(Code::UnknownMethod, name.span(), message, help);
                Ty::Error
            }
        }
    }

    fn instantiate(&mut self, row: &Row) -> Subst {
        let classes = row.generics.iter();
        classes.map(|(name, class)| (*name, self.generic_hole(*class))).collect()
    }

    fn generic_hole(&mut self, class: Class) -> Ty {
        match class {
            Class::U32Only => Ty::Scalar(Scalar::U32),
            Class::U64Only => Ty::Scalar(Scalar::U64),
            _ => self.fresh(),
        }
    }

    fn apply(
        &mut self,
        row: &'static Row,
        subst: &Subst,
        args: &[&'a Expr],
        name: Span,
        at: SpanRange,
    ) -> Ty {
        self.requirements(row, name);
        if args.len() != row.params.len() {
            self.wrong_arity(row, args.len(), name);
        }
        for (i, arg) in args.iter().copied().enumerate() {
            match row.params.get(i).and_then(|(_, ty)| SigTy::parse(ty)) {
                Some(SigTy::Coordinates) => self.coordinates(args, arg),
                Some(sig) => self.argument(row, &sig, subst, arg),
                None => {
                    self.expr(arg);
                }
            }
        }
        for (position, arg) in args.iter().copied().enumerate() {
            if let Some(home) = row.op.home(position) {
                self.home(row, home, arg);
            }
        }
        self.classes(row, subst, args, at);
        self.result(row, subst, at)
    }

    /// Whether an argument is in the memory that the instruction reaches.
    fn home(&mut self, row: &'static Row, home: Home, arg: &'a Expr) {
        let mut target = arg;
        while let ExprKind::Ref(_, inner) | ExprKind::Index(inner, _) = &target.kind {
            target = inner;
        }
        let ExprKind::Memory(memory, name) = &target.kind else { return };
        let mut root = *memory;
        while let Memory::View(id) = root {
            root = self.ast.views[id.0].of;
        }
        let (wants, is) = match (home, root) {
            (Home::Shared, Memory::Slice(_)) => ("a shared array", "a slice"),
            (Home::Global, Memory::Shared(_)) => ("a slice", "a shared array"),
            (Home::Shared, Memory::Shared(_)) | (Home::Global, Memory::Slice(_)) => return,
            (_, Memory::View(_)) => unreachable!("the root of a view is none"),
        };
        // A slice of a device function may stand for a shared array.
        if self.ast.signature.options == Options::DEVICE {
            return;
        }
        let message = format!("`{}` wants {wants} here, and `{name}` is {is}", row.name);
        let help = match home {
            Home::Shared => "copy it to a `shared_mem!` array first",
            Home::Global => "read the shared array directly",
        };
        self.error(Code::BadArgument, arg.span, message, help);
    }

    fn wrong_arity(&mut self, row: &Row, got: usize, name: Span) {
        let hidden = usize::from(row.kind.is_method());
        let (want, got) = (row.params.len() - hidden, got.saturating_sub(hidden));
        let plural = if want == 1 { "" } else { "s" };
        let message = format!("`{}` takes {want} argument{plural}, not {got}", row.name);
        let names: Vec<_> = row.params.iter().skip(hidden).map(|(name, _)| *name).collect();
        let help = format!("write `{}({})`", row.name, names.join(", "));
        self.error(Code::WrongArity, name, message, help);
    }

    /// Reports what the kernel's architecture does not have.
    pub(super) fn needs_arch(&mut self, what: &str, need: u32, at: impl Into<SpanRange>) {
        let sm = self.ast.signature.options.sm;
        let message = format!("{what} needs sm_{need}, and the kernel is for sm_{sm}");
        let help = format!("write `#[gpu_kernel(.., arch = \"sm_{need}\")]`");
        self.error(Code::NeedsArch, at, message, help);
    }

    /// The architecture and the shape of the block.
    fn requirements(&mut self, row: &Row, name: Span) {
        let options = &self.ast.signature.options;
        let (sm, block) = (options.sm, options.block);
        if row.sm > sm {
            let need = row.sm;
            self.needs_arch(&format!("`{}`", row.name), need, name);
        }
        if row.op.is_of_hopper() && sm > row.sm && sm != u32::MAX {
            let message =
                format!("`{}` is of sm_{} alone, and the kernel is for sm_{sm}", row.name, row.sm);
            let help =
                format!("write `arch = \"sm_{}\"`, and another kernel for later ones", row.sm);
            self.error(Code::NeedsArch, name, message, help);
        }
        let threads: u32 = block.iter().product();
        if wants_full_warps(row) && !threads.is_multiple_of(32) {
            let message = format!(
                "`{}` needs whole warps of 32 threads, and the block has {threads}",
                row.name
            );
            let near = threads.next_multiple_of(32);
            let help = format!("use a block of {near} threads");
            self.error(Code::BadBlockShape, name, message, help);
        }
    }

    /// The bounds of the generic parameters, reported at the argument that gives the type.
    fn classes(&mut self, row: &'static Row, subst: &Subst, args: &[&'a Expr], at: SpanRange) {
        for (name, class) in row.generics {
            // Constants are checked as such, and indices like those in brackets.
            if *class == Class::ConstU8 || *name == "I" {
                continue;
            }
            let ty = of(subst, name);
            self.pending_default(&ty, *class);
            let position = row.params.iter().position(|(_, ty)| names_generic(ty, name));
            let arg = position.and_then(|i| args.get(i));
            let in_memory = arg.is_some_and(|arg| {
                matches!(arg.kind, ExprKind::Ref(..) | ExprKind::Memory(..) | ExprKind::Map(..))
            });
            let help = if in_memory { "use a slice of such a type" } else { CONVERT };
            let (what, at) = (row.name.to_owned(), arg.map_or(at, |arg| arg.span));
            self.pending.push(Pending::Class { ty, class: *class, what, help, at });
        }
    }

    /// A hole that can only be a float becomes that of a float literal, and an integer's likewise:
    /// then `let x = 2.0; x.sqrt()` takes its default.
    pub(super) fn pending_default(&mut self, ty: &Ty, class: Class) {
        if self.vars.kind(ty) != Some(Kind::Any) {
            return;
        }
        let kind = match class {
            Class::Float | Class::Half => Kind::Float,
            Class::NumberOrPair
            | Class::SignedOrPair
            | Class::FloatOrPair
            | Class::HasBits
            | Class::Pair => return,
            Class::MmaFactor | Class::WgmmaFactor | Class::MatrixElem | Class::U64Only => return,
            Class::Int | Class::SignedInt | Class::UnsignedInt | Class::WideInt | Class::Int32 => {
                Kind::Int
            }
            Class::Scalar
            | Class::Real
            | Class::Number
            | Class::Signed
            | Class::AtomicAdd
            | Class::Word
            | Class::AtomicCas
            | Class::U32Only
            | Class::Lane
            | Class::ConstU8 => return,
        };
        let hole = self.vars.fresh(kind);
        // A hole for anything takes any hole.
        let _ = self.vars.unify(ty, &hole);
    }

    fn result(&mut self, row: &'static Row, subst: &Subst, at: SpanRange) -> Ty {
        match SigTy::parse(row.ret) {
            Some(sig) => self.sig_ty(&sig, subst, at),
            None => unreachable!("a test parses every signature of the table"),
        }
    }

    /// The type that a signature means here.
    fn sig_ty(&mut self, sig: &SigTy, subst: &Subst, at: SpanRange) -> Ty {
        match sig {
            SigTy::Unit => Ty::Unit,
            SigTy::Never => Ty::Never,
            SigTy::Scalar(scalar) => Ty::Scalar(*scalar),
            SigTy::Generic(name) => of(subst, name),
            SigTy::Bits(name) => {
                let is = self.vars.fresh(Kind::Int);
                self.follows(of(subst, name), &is, Scalar::unsigned, at);
                is
            }
            SigTy::Half(name) => {
                let is = self.fresh();
                let half = |pair: Scalar| pair.half().unwrap_or(pair);
                self.follows(of(subst, name), &is, half, at);
                is
            }
            SigTy::Sum(name) => {
                let is = self.fresh();
                self.follows(of(subst, name), &is, sum_of, at);
                is
            }
            SigTy::Fragment(kind, elem) => {
                let elem = self.sig_ty(elem, subst, at);
                Ty::Fragment(*kind, Box::new(elem), 0)
            }
            SigTy::CachePolicy => {
                Ty::Fragment(FragmentKind::CachePolicy, Box::new(Ty::Scalar(Scalar::U64)), 0)
            }
            SigTy::Words(count) => Ty::Array(Box::new(Ty::Scalar(Scalar::U32)), *count),
            SigTy::Vector(name, lanes) => {
                let elem = of(subst, name);
                self.pending.push(Pending::Vector { elem: elem.clone(), lanes: *lanes, at });
                Ty::Vector(Box::new(elem), *lanes)
            }
            SigTy::FixedVector(elem, lanes) => Ty::Vector(Box::new(Ty::Scalar(*elem)), *lanes),
            SigTy::Tuple(elems) => {
                Ty::Tuple(elems.iter().map(|elem| self.sig_ty(elem, subst, at)).collect())
            }
            SigTy::Place { .. }
            | SigTy::Memory { .. }
            | SigTy::Map { .. }
            | SigTy::Scope
            | SigTy::Order
            | SigTy::InPlace(_)
            | SigTy::WarpgroupSum(_)
            | SigTy::Coordinates
            | SigTy::Factor { .. } => Ty::Error,
        }
    }

    fn argument(&mut self, row: &'static Row, sig: &SigTy, subst: &Subst, arg: &'a Expr) {
        match sig {
            SigTy::Place { elem, mutable } => {
                let want = of(subst, elem);
                self.place_argument(row, &want, *mutable, arg);
            }
            SigTy::Memory { elem, mutable } => {
                let want = self.sig_ty(elem, subst, arg.span);
                self.memory_argument(row, &want, *mutable, arg);
            }
            SigTy::InPlace(inner) => {
                let want = self.sig_ty(inner, subst, arg.span);
                let got = self.in_place(row, arg);
                self.expect(&want, &got, arg.span);
            }
            SigTy::WarpgroupSum(factor) => self.warpgroup_sum(row, &of(subst, factor), arg),
            SigTy::Factor { elem, registers } => {
                self.factor(row, &of(subst, elem), *registers, arg);
            }
            SigTy::Map { elem, rank, mutable } => {
                let want = self.sig_ty(elem, subst, arg.span);
                self.map_argument(row, &want, *rank, *mutable, arg);
            }
            SigTy::Scope => {
                if !matches!(arg.kind, ExprKind::Scope(..) | ExprKind::Error(_)) {
                    self.wrong_argument(row, "a scope", "`Scope::Device`", arg);
                }
            }
            SigTy::Order => {
                if !matches!(arg.kind, ExprKind::Order(..) | ExprKind::Error(_)) {
                    self.wrong_argument(row, "an order", "`Order::Relaxed`", arg);
                }
            }
            _ => {
                let got = self.value(arg);
                // `index: I` is any integer, like the index in brackets.
                if let SigTy::Generic("I") = sig {
                    let of = Indexed::Unbounded;
                    let ty = got.clone();
                    self.pending.push(Pending::Index { index: arg, ty, of, at: arg.span });
                }
                let want = self.sig_ty(sig, subst, arg.span);
                self.expect(&want, &got, arg.span);
            }
        }
    }

    fn wrong_argument(&mut self, row: &Row, what: &str, help: &str, arg: &'a Expr) {
        if let ExprKind::Error(_) = arg.kind {
            return;
        }
        let message = format!("`{}` wants {what} here", row.name);
        self.error(Code::BadArgument, arg.span, message, format!("write {help}"));
    }

    /// `&x[i]` or `&mut x[i]`.
    fn place_argument(&mut self, row: &'static Row, want: &Ty, mutable: bool, arg: &'a Expr) {
        let (symbol, what) = if mutable { ("&mut ", "`&mut y[i]`") } else { ("&", "`&x[i]`") };
        let ExprKind::Ref(is_mut, target) = &arg.kind else {
            let element = matches!(arg.kind, ExprKind::Index(..));
            let help = if element { format!("put `{symbol}` before it") } else { what.to_owned() };
            self.part_of_argument(arg);
            let message = format!("`{}` wants an element of memory here", row.name);
            let help = if element { help } else { format!("write {help}") };
            self.error(Code::BadArgument, arg.span, message, help);
            return;
        };
        let is_element = matches!(&target.kind, ExprKind::Index(base, _)
            if matches!(base.kind, ExprKind::Memory(..)));
        let got =
            if matches!(target.kind, ExprKind::Memory(..)) { Ty::Error } else { self.expr(target) };
        if !is_element {
            if got != Ty::Error || matches!(target.kind, ExprKind::Memory(..)) {
                self.wrong_argument(row, "an element of a slice or shared array", what, arg);
            }
            return;
        }
        if mutable && !is_mut {
            self.wrong_argument(row, "an element that it may write", what, arg);
        } else if mutable {
            self.writable(target, true);
        }
        self.expect(want, &got, target.span);
    }

    /// `x`, `&x` or `&mut x`.
    fn memory_argument(&mut self, row: &'static Row, want: &Ty, mutable: bool, arg: &'a Expr) {
        let mut target = arg;
        while let ExprKind::Ref(_, inner) = &target.kind {
            target = inner;
        }
        let ExprKind::Memory(memory, name) = &target.kind else {
            self.part_of_argument(arg);
            self.wrong_argument(row, "a slice or a shared array", "its name", arg);
            return;
        };
        let (elem, writable) = self.memory(*memory);
        if mutable && !writable {
            let message = format!("the slice `{name}` cannot be written");
            let help = self.writable_help(*memory, name, &elem);
            self.error(Code::WriteToShared, arg.span, message, help);
        }
        self.expect(want, &elem, arg.span);
    }

    /// `a`, `&a` or `&mut a`.
    fn map_argument(
        &mut self,
        row: &'static Row,
        want: &Ty,
        rank: Option<u32>,
        mutable: bool,
        arg: &'a Expr,
    ) {
        let mut target = arg;
        while let ExprKind::Ref(_, inner) = &target.kind {
            target = inner;
        }
        let ExprKind::Map(param, name) = &target.kind else {
            self.part_of_argument(arg);
            self.wrong_argument(row, "a tensor map", "the name of a `&TensorMap<T, 2>`", arg);
            return;
        };
        let got = self.map(*param);
        if let Some(rank) = rank.filter(|rank| *rank != got.rank) {
            let message =
                format!("`{}` wants {rank} dimensions, and `{name}` has {}", row.name, got.rank);
            let help = format!("take the form for {} dimensions", got.rank);
            self.error(Code::BadArgument, arg.span, message, help);
        }
        if mutable && !got.mutable && !self.excused_maps.contains(param) {
            self.read_only_map(name, got, arg.span);
        }
        self.expect(want, &Ty::Scalar(got.elem), arg.span);
    }

    pub(super) fn map(&self, param: ParamId) -> MapTy {
        match self.ast.signature.params[param.0].kind {
            ParamKind::TensorMap { elem, rank, mutable } => MapTy { elem, rank, mutable },
            ParamKind::Scalar { .. } | ParamKind::Slice { .. } => {
                unreachable!("`parse` names tensor maps alone so")
            }
        }
    }

    pub(super) fn read_only_map(&mut self, name: &Ident, got: MapTy, at: SpanRange) {
        let message = format!("the tensor of `{name}` cannot be written");
        let want = MapTy { mutable: true, ..got };
        self.error(
            Code::WriteToShared,
            at,
            message,
            format!("make the parameter `{name}: {want}`"),
        );
    }

    /// Reports what is wrong inside of an argument that is wrong itself.
    fn part_of_argument(&mut self, arg: &'a Expr) {
        if !matches!(
            arg.kind,
            ExprKind::Memory(..)
                | ExprKind::Map(..)
                | ExprKind::Ref(..)
                | ExprKind::Scope(..)
                | ExprKind::Order(..)
        ) {
            self.expr(arg);
        }
    }
}

impl<'a> Infer<'a> {
    fn follows(&mut self, of: Ty, is: &Ty, how: fn(Scalar) -> Scalar, at: SpanRange) {
        self.pending.push(Pending::Follows { of, is: is.clone(), how, at });
        self.solve();
    }

    /// `&mut c`: a variable, or a part of one, that the operation works on.
    fn in_place(&mut self, row: &'static Row, arg: &'a Expr) -> Ty {
        let target = match &arg.kind {
            ExprKind::Ref(true, target) => Some(&**target),
            ExprKind::Local(id, _) if self.ast.locals[id.0].reference.is_some() => Some(arg),
            _ => None,
        };
        let Some(target) = target else {
            self.part_of_argument(arg);
            self.wrong_argument(row, "a variable that it works on", "`&mut sum`", arg);
            return Ty::Error;
        };
        let ty = match target.kind {
            // `&mut sum` of a `sum` that is a reference is one to a reference.
            ExprKind::Local(..) if !std::ptr::eq(target, arg) => self.expr(target),
            _ => self.referent(target),
        };
        self.writable(target, false);
        ty
    }

    /// As many coordinates as the tensor map among the arguments has dimensions.
    fn coordinates(&mut self, args: &[&'a Expr], arg: &'a Expr) {
        let got = self.value(arg);
        let rank = args.iter().find_map(|arg| {
            let mut target = *arg;
            while let ExprKind::Ref(_, inner) = &target.kind {
                target = inner;
            }
            match &target.kind {
                ExprKind::Map(param, _) => Some(self.map(*param).rank),
                _ => None,
            }
        });
        if let Some(rank) = rank {
            let want = Ty::Array(Box::new(Ty::Scalar(Scalar::I32)), rank);
            self.expect(&want, &got, arg.span);
        }
    }

    /// A sum of any width whose elements are those of products of the type.
    fn warpgroup_sum(&mut self, row: &'static Row, factor: &Ty, arg: &'a Expr) {
        let got = self.in_place(row, arg);
        match self.vars.shallow(&got) {
            Ty::Fragment(FragmentKind::WarpgroupC, elem, _) => {
                self.follows(factor.clone(), &elem, sum_of, arg.span);
            }
            Ty::Error => {}
            _ => {
                self.wrong_argument(row, "the sum of a warpgroup", "a `WarpgroupC<f32, 128>`", arg)
            }
        }
    }

    /// A tile in shared memory, or a fragment in registers where those are allowed.
    fn factor(&mut self, row: &'static Row, elem: &Ty, registers: bool, arg: &'a Expr) {
        let got = self.value(arg);
        match self.vars.shallow(&got) {
            Ty::Fragment(FragmentKind::TileK | FragmentKind::TileMn, of, _) => {
                self.expect(elem, &of, arg.span);
            }
            Ty::Fragment(FragmentKind::A, of, _) if registers => self.expect(elem, &of, arg.span),
            Ty::Error => {}
            _ if registers => {
                self.wrong_argument(
                    row,
                    "a tile or a `FragA`",
                    "a `TileK`, `TileMn` or `FragA`",
                    arg,
                );
            }
            _ => self.wrong_argument(row, "a tile in shared memory", "a `TileK` or `TileMn`", arg),
        }
    }
}

/// Whether a parameter's type mentions the generic parameter as the type of a value.
fn names_generic(ty: &'static str, name: &str) -> bool {
    match SigTy::parse(ty) {
        Some(SigTy::Generic(generic)) => generic == name,
        Some(SigTy::Place { elem, .. }) => elem == name,
        Some(SigTy::Memory { elem, .. } | SigTy::Map { elem, .. }) => {
            matches!(*elem, SigTy::Generic(generic) if generic == name)
        }
        _ => false,
    }
}
