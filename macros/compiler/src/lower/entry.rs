//! The function around the body: parameters, shared arrays, directives, and its module.

use firesteel_ptx::builder::Builder;
use firesteel_ptx::ir::{Directive, Len, Linkage, Module, Reg, Target, Var};
use firesteel_ptx::isa::{Cvta, Mov};
use firesteel_ptx::modifier::Space;
use firesteel_ptx::operand::{Addr, Use};
use firesteel_ptx::ty::{AddressTy, MovTy, Ty as PtxTy};

use super::val::{mem_ty, reg_ty};
use super::{Lower, Operand, op};
use crate::hir::{Elem, LocalId, Options, ParamId, ParamKind, Scalar};
use crate::layout;

/// The parameter that holds the channel's address. No Rust name has a `$`.
pub(super) const CHANNEL: &str = "$channel";
/// The parameter that holds the kernel's number.
pub(super) const KERNEL_ID: &str = "$kernel";

/// What dynamic shared memory is aligned to.
const DYNAMIC_ALIGN: u32 = 16;
/// The most bytes of shared memory that a function may declare; what needs more is dynamic.
const MOST_STATIC: u32 = 48 * 1024;
/// The symbol of the static arrays where they are in dynamic memory. No Rust name has a `$`.
const POOL: &str = "$shared";

/// The size and the alignment of a tensor map. PTX ISA, "Tensor-map".
const MAP_BYTES: u64 = 128;
const MAP_ALIGN: u32 = 64;

/// The parameter that holds the length of a slice.
pub(super) fn len_name(slice: &str) -> String {
    format!("{slice}$len")
}

impl Lower<'_> {
    /// Declares the parameters that the host passes always.
    pub(super) fn declare_params(&mut self) {
        for param in &self.kernel.signature.params {
            let name = identifier(&param.name.to_string());
            match param.kind {
                ParamKind::Scalar { ty, .. } => self.ptx.param(param_ty(ty), &name),
                ParamKind::Slice { .. } => {
                    self.ptx.param(PtxTy::U64, &name);
                    self.ptx.param(PtxTy::U64, &len_name(&name));
                }
                ParamKind::TensorMap { .. } => {
                    self.ptx.param_bytes(&name, MAP_ALIGN, MAP_BYTES);
                }
            }
            self.names.push(name);
        }
    }

    /// Binds the scalar parameters that the body reads.
    pub(super) fn bind_params(&mut self, is_read: impl Fn(LocalId) -> bool) {
        for (index, param) in self.kernel.signature.params.iter().enumerate() {
            if let ParamKind::Scalar { ty, local } = param.kind
                && is_read(local)
            {
                let name = self.names[index].clone();
                let reg = self.param(&name, ty);
                let value = self.value_form(reg.into(), ty);
                if self.kernel.locals[local.0].mutable {
                    let own = self.fresh(ty);
                    self.assign(own, value);
                    self.bind_registers(local, vec![own]);
                } else {
                    self.bind_operands(local, vec![value]);
                }
            }
        }
    }

    /// The generic address of a tensor map, found at the beginning of the kernel.
    pub(crate) fn map_address(&mut self, param: ParamId) -> Reg {
        let name = Operand::Symbol(self.names[param.0].clone(), 0);
        let local = self.hoisted(PtxTy::B64, |d| Mov { ty: MovTy::U64, d, a: Use(name) });
        self.hoisted(PtxTy::B64, |d| Cvta {
            to: None,
            space: Space::Param,
            ty: AddressTy::U64,
            d,
            a: Use(local.into()),
        })
    }

    /// Declares the shared arrays. Static ones that are too large together share the front of
    /// the dynamic memory, which every launch then makes large enough.
    pub(super) fn declare_shared(&mut self) {
        let mut offsets = Vec::new();
        let mut end: u32 = 0;
        for shared in &self.kernel.shared {
            let Some(len) = shared.len else {
                offsets.push(0);
                continue;
            };
            let start = end.next_multiple_of(shared.align);
            offsets.push(i64::from(start));
            end = start + len * self.bytes_of(shared.elem);
        }
        let pooled = end > MOST_STATIC;
        if pooled {
            // The dynamic array, if there is one, is behind the pool.
            let dynamic = self.kernel.shared.iter().find(|shared| shared.len.is_none());
            let align = dynamic.map_or(DYNAMIC_ALIGN, |shared| shared.align);
            self.reserved_shared = end.next_multiple_of(align);
            let align = self.kernel.shared.iter().map(|shared| shared.align).max();
            self.dynamic.push((POOL.to_owned(), align.unwrap_or(DYNAMIC_ALIGN)));
        }
        for (shared, offset) in self.kernel.shared.iter().zip(offsets) {
            let name = self.unique_name(&shared.name);
            let (name, offset) = match shared.len {
                Some(_) if pooled => (POOL.to_owned(), offset),
                Some(len) => {
                    let bytes = len * self.bytes_of(shared.elem);
                    self.add_shared(&name, bytes, shared.align);
                    (name, 0)
                }
                None => {
                    self.dynamic.push((name.clone(), shared.align));
                    (name, i64::from(self.reserved_shared))
                }
            };
            self.shared_names.push(name);
            self.shared_offsets.push(offset);
        }
    }

    fn bytes_of(&self, elem: Elem) -> u32 {
        match elem {
            Elem::Scalar(elem) => elem.bytes(),
            Elem::Struct(id) => layout::size_align(&self.kernel.structs[id]).0 as u32,
        }
    }

    /// Adds a static shared array of so many bytes and gives its name.
    pub(crate) fn scratch(&mut self, name: &str, bytes: u32) -> String {
        let name = self.unique_name(name);
        self.add_shared(&name, bytes, DYNAMIC_ALIGN);
        self.shared_names.push(name.clone());
        name
    }

    fn add_shared(&mut self, name: &str, bytes: u32, align: u32) {
        self.ptx.shared(name, align, u64::from(bytes));
        self.static_shared = self.static_shared.next_multiple_of(align) + bytes;
    }

    fn unique_name(&self, name: &str) -> String {
        let name = identifier(name);
        let taken = |name: &String| self.names.contains(name) || self.shared_names.contains(name);
        if !taken(&name) {
            return name;
        }
        let numbered = (1..).map(|n: u32| format!("{name}${n}")).find(|name| !taken(name));
        numbered.unwrap_or(name)
    }

    /// The value of a parameter, as memory holds it.
    pub(super) fn param(&mut self, name: &str, ty: Scalar) -> Reg {
        let reg = if ty == Scalar::Bool { PtxTy::B16 } else { reg_ty(ty) };
        self.hoisted(reg, |d| op::ld(Space::Param, mem_ty(ty), d, Addr::symbol(name, 0)))
    }

    /// The same, loaded where it is used.
    pub(super) fn param_here(&mut self, name: &str, ty: Scalar) -> Reg {
        self.pure(reg_ty(ty), |d| op::ld(Space::Param, mem_ty(ty), d, Addr::symbol(name, 0)))
    }

    /// What the author says of blocks and clusters.
    fn declare_shape(&mut self) {
        let Options { block, cluster, min_blocks, .. } = self.kernel.signature.options;
        self.ptx.directive(Directive::RequiredThreads(block));
        if cluster != [1; 3] {
            self.ptx.directive(Directive::ExplicitCluster);
            self.ptx.directive(Directive::RequiredCluster(cluster));
        }
        if let Some(blocks) = min_blocks {
            self.ptx.directive(Directive::MinBlocks(blocks));
        }
    }

    /// The finished module.
    pub(super) fn module(mut self) -> (Module, Self) {
        if self.uses_channel {
            self.ptx.param(PtxTy::U64, CHANNEL);
            self.ptx.param(PtxTy::U32, KERNEL_ID);
        }
        self.declare_shape();
        let empty = Builder::kernel("");
        let function = std::mem::replace(&mut self.ptx, empty).finish();
        let needs = firesteel_ptx::required(&function);
        let sm = needs.sm.max(self.kernel.signature.options.sm);
        let suffix = needs.exact.then_some('a');
        let module = Module {
            version: needs.ptx.max(version_of(sm)),
            target: Target { sm, suffix, debug: false },
            files: (1..).zip(self.files.iter().cloned()).collect(),
            vars: self.dynamic.iter().map(|(name, align)| dynamic_shared(name, *align)).collect(),
            functions: vec![function],
        };
        (module, self)
    }
}

/// The first PTX version that knows an architecture. PTX ISA, "Release Notes".
const fn version_of(sm: u32) -> (u8, u8) {
    match sm {
        0..=70 => (6, 0),
        71..=72 => (6, 1),
        73..=75 => (6, 3),
        76..=80 => (7, 0),
        81..=86 => (7, 1),
        87 => (7, 4),
        88..=90 => (7, 8),
        91..=100 => (8, 6),
        _ => (8, 7),
    }
}

fn dynamic_shared(name: &str, align: u32) -> Var {
    Var {
        linkage: Some(Linkage::Extern),
        space: Space::Shared,
        align: Some(align),
        ty: PtxTy::B8,
        name: name.to_owned(),
        len: Len::Unsized,
        init: Vec::new(),
    }
}

/// The type of the parameter that passes a scalar.
fn param_ty(ty: Scalar) -> PtxTy {
    mem_ty(ty).ty()
}

/// A Rust name as PTX can spell it: without `r#`, other than ASCII letters by their numbers.
pub(super) fn identifier(name: &str) -> String {
    let spell = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => c.to_string(),
        _ => format!("${:x}", u32::from(c)),
    };
    name.trim_start_matches("r#").chars().map(spell).collect()
}
