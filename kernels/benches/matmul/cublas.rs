//! cuBLASLt, opened at run time: as much of it as a plain product needs.
//!
//! Our matrices are row-major and cuBLASLt's column-major, so it is asked for `Cᵀ = Bᵀ · Aᵀ`: the
//! same memory, with rows and columns called each other's names.
//!
//! Invariants that the `SAFETY` comments lean on:
//! - *Open*: function pointers come from the library that [`Library`] keeps open, with the
//!   signatures of `cublasLt.h`; they are called while it lives.
//! - *Alive*: handles, descriptors, layouts and preferences are destroyed in `Drop` only.
//! - *Current*: the device's context is current on this thread since its stream was last used.
//!
//! Source: cuBLAS documentation, "Using the cuBLASLt API"; the values of constants are those of
//! `cublasLt.h`, `cublas_api.h` and `library_types.h`.

use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use firesteel::prelude::*;
use libloading::Library as Shared;

use crate::case::{Case, Format, Matrix, Order, Problem, Shape};
use crate::harness::Failure;
use crate::measure;

/// The variable that names the library.
const VARIABLE: &str = "FIRESTEEL_CUBLASLT";
const NAMES: [&str; 4] =
    ["libcublasLt.so", "libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"];
const WORKSPACE: usize = 32 << 20;
/// Algorithms of the heuristic that are tried.
const ALGORITHMS: usize = 8;
/// Products with each of them, of which the best counts.
const TRIALS: usize = 5;

type Status = i32;
type Handle = *mut c_void;
type Create = unsafe extern "C" fn(*mut Handle) -> Status;
type Destroy = unsafe extern "C" fn(Handle) -> Status;
type CreateDesc = unsafe extern "C" fn(*mut Handle, i32, i32) -> Status;
type CreateLayout = unsafe extern "C" fn(*mut Handle, i32, u64, u64, i64) -> Status;
type SetAttribute = unsafe extern "C" fn(Handle, i32, *const c_void, usize) -> Status;
type Heuristic = unsafe extern "C" fn(
    Handle,
    Handle,
    Handle,
    Handle,
    Handle,
    Handle,
    Handle,
    i32,
    *mut Found,
    *mut i32,
) -> Status;
type Matmul = unsafe extern "C" fn(
    Handle,
    Handle,
    *const c_void,
    u64,
    Handle,
    u64,
    Handle,
    *const c_void,
    u64,
    Handle,
    u64,
    Handle,
    *const Algorithm,
    u64,
    usize,
    *mut c_void,
) -> Status;

/// `cublasLtMatmulAlgo_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct Algorithm([u64; 8]);

/// `cublasLtMatmulHeuristicResult_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    algorithm: Algorithm,
    workspace: usize,
    status: Status,
    waves: f32,
    reserved: [i32; 4],
}

/// `cudaDataType_t`.
const R_32F: i32 = 0;
const R_16F: i32 = 2;
const R_8I: i32 = 3;
const R_32I: i32 = 10;
const R_16BF: i32 = 14;
const R_8F_E4M3: i32 = 28;
/// `cublasComputeType_t`.
const COMPUTE_32F: i32 = 68;
const COMPUTE_32I: i32 = 72;
const COMPUTE_32F_FAST_TF32: i32 = 77;
/// `cublasLtMatmulDescAttributes_t`.
const TRANSPOSE_A: i32 = 3;
const A_SCALE: i32 = 17;
const B_SCALE: i32 = 18;
/// `cublasLtMatmulPreferenceAttributes_t`.
const MAX_WORKSPACE: i32 = 1;
/// `cublasOperation_t`.
const TRANSPOSED: i32 = 1;

/// The library and its functions.
struct Library {
    create_desc: CreateDesc,
    destroy_desc: Destroy,
    set_desc: SetAttribute,
    create_layout: CreateLayout,
    destroy_layout: Destroy,
    create_preference: Create,
    destroy_preference: Destroy,
    set_preference: SetAttribute,
    heuristic: Heuristic,
    matmul: Matmul,
    destroy: Destroy,
    handle: Handle,
    version: usize,
    /// Last, so that it closes when nothing can call it.
    _shared: Shared,
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: Open, Alive. A failure leaves nothing to do.
        let _ = unsafe { (self.destroy)(self.handle) };
    }
}

/// cuBLASLt on one device.
pub(crate) struct CublasLt {
    library: Rc<Library>,
    workspace: Rc<GpuBuffer<u8>>,
    /// 1.0 for the scales of e4m3, which cuBLASLt reads on the device.
    one: Rc<GpuBuffer<f32>>,
}

fn check(call: &str, status: Status) -> Result<(), Failure> {
    match status {
        0 => Ok(()),
        status => Err(format!("{call} returned {status}").into()),
    }
}

/// The first library that opens.
fn open() -> Result<Shared, Failure> {
    let named = std::env::var(VARIABLE).ok();
    let names: Vec<&str> = match &named {
        Some(path) => vec![path],
        None => NAMES.to_vec(),
    };
    let mut error = None;
    for name in names {
        // SAFETY: The initialisers of cuBLASLt have no preconditions. A path in the variable is
        // the user's own choice of a library of that kind.
        match unsafe { Shared::new(name) } {
            Ok(shared) => return Ok(shared),
            Err(reason) => error = Some(reason),
        }
    }
    let reason = error.map_or_else(String::new, |it| it.to_string());
    Err(format!("{reason}\nhelp: set {VARIABLE} to the path of libcublasLt").into())
}

/// A function of the library.
fn symbol<T: Copy>(shared: &Shared, name: &str) -> Result<T, Failure> {
    // SAFETY: The callers name a function of `cublasLt.h` and a type that is its signature.
    let symbol = unsafe { shared.get::<T>(name.as_bytes()) }?;
    Ok(*symbol)
}

impl CublasLt {
    /// Opens the library for a device, whose context this makes current.
    pub(crate) fn open(device: &Device) -> Result<Self, Failure> {
        let shared = open()?;
        device.synchronize()?;
        let create: Create = symbol(&shared, "cublasLtCreate")?;
        let version: unsafe extern "C" fn() -> usize = symbol(&shared, "cublasLtGetVersion")?;
        let mut handle = ptr::null_mut();
        // SAFETY: Open, Current; `handle` is a place for a handle.
        let status = unsafe { create(&mut handle) };
        check("cublasLtCreate", status)?;
        // SAFETY: Open.
        let version = unsafe { version() };
        let library = Library {
            create_desc: symbol(&shared, "cublasLtMatmulDescCreate")?,
            destroy_desc: symbol(&shared, "cublasLtMatmulDescDestroy")?,
            set_desc: symbol(&shared, "cublasLtMatmulDescSetAttribute")?,
            create_layout: symbol(&shared, "cublasLtMatrixLayoutCreate")?,
            destroy_layout: symbol(&shared, "cublasLtMatrixLayoutDestroy")?,
            create_preference: symbol(&shared, "cublasLtMatmulPreferenceCreate")?,
            destroy_preference: symbol(&shared, "cublasLtMatmulPreferenceDestroy")?,
            set_preference: symbol(&shared, "cublasLtMatmulPreferenceSetAttribute")?,
            heuristic: symbol(&shared, "cublasLtMatmulAlgoGetHeuristic")?,
            matmul: symbol(&shared, "cublasLtMatmul")?,
            destroy: symbol(&shared, "cublasLtDestroy")?,
            handle,
            version,
            _shared: shared,
        };
        Ok(Self {
            library: Rc::new(library),
            workspace: Rc::new(device.alloc_zeros(WORKSPACE)?),
            one: Rc::new(device.alloc_from(&[1.0])?),
        })
    }

    /// The version that the library states.
    pub(crate) fn version(&self) -> usize {
        self.library.version
    }

    /// The best of the heuristic's first algorithms for a case, as measured.
    pub(crate) fn best(
        &self,
        stream: &Stream,
        case: &Case,
        problem: &mut Problem,
    ) -> Result<Plan, Failure> {
        let mut plan = Plan::new(self, case)?;
        let mut best = (f64::INFINITY, Algorithm::default());
        for algorithm in plan.algorithms()? {
            plan.algorithm = algorithm;
            for _ in 0..TRIALS {
                let mut run = |stream: &Stream, problem: &mut Problem| plan.run(stream, problem);
                let problems = std::slice::from_mut(problem);
                let took = measure::batch(stream, &mut run, problems, 1)?.as_secs_f64();
                if took < best.0 {
                    best = (took, algorithm);
                }
            }
        }
        plan.algorithm = best.1;
        Ok(plan)
    }
}

/// An object of the library, and what destroys it.
struct Owned {
    raw: Handle,
    destroy: Destroy,
    _library: Rc<Library>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: Open, Alive, and nobody else has the handle. A failure leaves nothing to do.
        let _ = unsafe { (self.destroy)(self.raw) };
    }
}

/// A product that cuBLASLt is ready to do.
pub(crate) struct Plan {
    library: Rc<Library>,
    workspace: Rc<GpuBuffer<u8>>,
    _one: Rc<GpuBuffer<f32>>,
    case: Case,
    desc: Owned,
    /// Of our B, which is its A; of our A; and of C.
    layouts: [Owned; 3],
    algorithm: Algorithm,
}

/// The types of A and B, of C, of the sums and of alpha.
const fn types(format: Format) -> [i32; 4] {
    match format {
        Format::F32 => [R_32F, R_32F, COMPUTE_32F, R_32F],
        Format::Tf32 => [R_32F, R_32F, COMPUTE_32F_FAST_TF32, R_32F],
        Format::Bf16 => [R_16BF, R_16BF, COMPUTE_32F, R_32F],
        Format::F16 => [R_16F, R_16F, COMPUTE_32F, R_32F],
        Format::I8 => [R_8I, R_32I, COMPUTE_32I, R_32I],
        Format::E4m3 => [R_8F_E4M3, R_16BF, COMPUTE_32F, R_32F],
    }
}

impl Plan {
    fn new(cublas: &CublasLt, case: &Case) -> Result<Self, Failure> {
        let library = &cublas.library;
        let [input, output, compute, scale] = types(case.format);
        let Shape { m, n, k } = case.shape;
        let mut raw = ptr::null_mut();
        // SAFETY: Open; `raw` is a place for a descriptor.
        let status = unsafe { (library.create_desc)(&mut raw, compute, scale) };
        check("cublasLtMatmulDescCreate", status)?;
        let (destroy, keep) = (library.destroy_desc, Rc::clone(library));
        let desc = Owned { raw, destroy, _library: keep };
        let b = match case.b {
            Order::Kn => layout(library, input, n, k)?,
            Order::Nk => {
                set(library.set_desc, &desc, TRANSPOSE_A, &TRANSPOSED)?;
                layout(library, input, k, n)?
            }
        };
        if case.format == Format::E4m3 {
            let one = cublas.one.address();
            set(library.set_desc, &desc, A_SCALE, &one)?;
            set(library.set_desc, &desc, B_SCALE, &one)?;
        }
        let layouts = [b, layout(library, input, k, m)?, layout(library, output, n, m)?];
        Ok(Self {
            library: Rc::clone(library),
            workspace: Rc::clone(&cublas.workspace),
            _one: Rc::clone(&cublas.one),
            case: *case,
            desc,
            layouts,
            algorithm: Algorithm::default(),
        })
    }

    /// The heuristic's first algorithms.
    fn algorithms(&self) -> Result<Vec<Algorithm>, Failure> {
        let library = &self.library;
        let mut raw = ptr::null_mut();
        // SAFETY: Open; `raw` is a place for a preference.
        let status = unsafe { (library.create_preference)(&mut raw) };
        check("cublasLtMatmulPreferenceCreate", status)?;
        let (destroy, keep) = (library.destroy_preference, Rc::clone(library));
        let preference = Owned { raw, destroy, _library: keep };
        set(library.set_preference, &preference, MAX_WORKSPACE, &WORKSPACE)?;
        let mut found = [Found::default(); ALGORITHMS];
        let mut count = 0;
        let [b, a, c] = self.layouts.each_ref().map(|it| it.raw);
        // SAFETY: Open, Alive, Current; `found` has room for as many as are asked for.
        let status = unsafe {
            (library.heuristic)(
                library.handle,
                self.desc.raw,
                b,
                a,
                c,
                c,
                preference.raw,
                ALGORITHMS as i32,
                found.as_mut_ptr(),
                &mut count,
            )
        };
        check("cublasLtMatmulAlgoGetHeuristic", status)?;
        let found = found.iter().take(usize::try_from(count)?).filter(|it| it.status == 0);
        let algorithms: Vec<Algorithm> = found.map(|it| it.algorithm).collect();
        match algorithms.is_empty() {
            true => Err(format!("cuBLASLt has no algorithm for {}", self.case).into()),
            false => Ok(algorithms),
        }
    }

    /// Puts the product on the stream.
    pub(crate) fn run(&self, stream: &Stream, problem: &mut Problem) -> Result<(), Failure> {
        let handle = stream.cuda_handle().ok_or("cuBLASLt runs on GPUs only")?;
        let (float, int) = ([1.0f32, 0.0], [1i32, 0]);
        let scales: [*const c_void; 2] = match self.case.format {
            Format::I8 => int.each_ref().map(|it| ptr::from_ref(it).cast()),
            Format::F32 | Format::Tf32 | Format::Bf16 | Format::F16 | Format::E4m3 => {
                float.each_ref().map(|it| ptr::from_ref(it).cast())
            }
        };
        let [b, a, c] = self.layouts.each_ref().map(|it| it.raw);
        let at = [&problem.b, &problem.a, &problem.c].map(Matrix::address);
        // SAFETY: Open, Alive, Current. The problem was made for this case, so its matrices have
        // the types and sizes of the layouts; the workspace has the size that is stated. alpha and
        // beta are on the host and of the descriptor's type.
        let status = unsafe {
            (self.library.matmul)(
                self.library.handle,
                self.desc.raw,
                scales[0],
                at[0],
                b,
                at[1],
                a,
                scales[1],
                at[2],
                c,
                at[2],
                c,
                &self.algorithm,
                self.workspace.address(),
                WORKSPACE,
                handle,
            )
        };
        check("cublasLtMatmul", status)
    }
}

/// A column-major matrix without gaps.
fn layout(library: &Rc<Library>, ty: i32, rows: u32, columns: u32) -> Result<Owned, Failure> {
    let mut raw = ptr::null_mut();
    // SAFETY: Open; `raw` is a place for a layout.
    let status = unsafe {
        (library.create_layout)(&mut raw, ty, rows.into(), columns.into(), i64::from(rows))
    };
    check("cublasLtMatrixLayoutCreate", status)?;
    Ok(Owned { raw, destroy: library.destroy_layout, _library: Rc::clone(library) })
}

/// Sets an attribute whose type is `T`.
fn set<T>(set: SetAttribute, of: &Owned, attribute: i32, value: &T) -> Result<(), Failure> {
    // SAFETY: Open, Alive; the callers pass values of the attributes' types.
    let status = unsafe { set(of.raw, attribute, ptr::from_ref(value).cast(), size_of::<T>()) };
    check("a cuBLASLt attribute", status)
}
