//! Opening the driver, and its status codes as errors.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::OnceLock;

use cudarc::driver::sys::{self, CUresult};

use crate::error::{DriverFailure, Error, Result};

/// The first CUDA version with every function that the runtime always calls
/// (`cuGraphInstantiateWithFlags`). Whoever calls a newer one asks [`require`] first.
pub(super) const MIN_VERSION: (u32, u32) = (11, 4);

/// Turns a status into a result.
#[inline]
pub(super) fn check(call: &'static str, code: CUresult) -> Result<()> {
    match code {
        CUresult::CUDA_SUCCESS => Ok(()),
        code => Err(failure(call, code).into()),
    }
}

#[cold]
fn failure(call: &'static str, code: CUresult) -> DriverFailure {
    let mut name = ptr::null();
    // SAFETY: Loaded: `code` came from the driver. `name` is a valid place for a pointer.
    let named = unsafe { sys::cuGetErrorName(code, &mut name) };
    let mut text = ptr::null();
    // SAFETY: As above.
    let described = unsafe { sys::cuGetErrorString(code, &mut text) };
    DriverFailure {
        call,
        code: code as u32,
        name: string(named, name),
        text: string(described, text),
    }
}

fn string(code: CUresult, text: *const c_char) -> String {
    if code != CUresult::CUDA_SUCCESS || text.is_null() {
        return "unknown error".to_owned();
    }
    // SAFETY: The driver answered with a string of its own, static and terminated.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Opens the driver's library and initialises it, once in a process.
///
/// cudarc panics where the library is missing, so this asks before the first call.
pub(super) fn open() -> Result<()> {
    static OPENED: OnceLock<Result<(), String>> = OnceLock::new();
    match OPENED.get_or_init(initialise) {
        Ok(()) => require(MIN_VERSION),
        Err(reason) => Err(Error::NoDriver { reason: reason.clone() }),
    }
}

fn initialise() -> Result<(), String> {
    // SAFETY: Opens a library by name; libcuda's initialisers have no preconditions.
    let present = unsafe { sys::is_culib_present() };
    if !present {
        return Err("the library libcuda is not installed".to_owned());
    }
    // SAFETY: The library is present; 0 is the only valid value of the flags.
    let code = unsafe { sys::cuInit(0) };
    check("cuInit", code).map_err(|error| error.to_string())
}

/// Whether the driver has what came with a version of CUDA. cudarc panics where a function is
/// missing, so this asks before the first call of a newer one. The driver is open.
pub(super) fn require(want: (u32, u32)) -> Result<()> {
    let got = version()?;
    if got < want {
        return Err(Error::DriverTooOld { want, got });
    }
    Ok(())
}

/// The version of CUDA that the driver supports. It is open.
pub(crate) fn version() -> Result<(u32, u32)> {
    let mut version = 0;
    // SAFETY: The library is open and `version` is a place for an int.
    let code = unsafe { sys::cuDriverGetVersion(&mut version) };
    check("cuDriverGetVersion", code)?;
    // The driver states 1000 * major + 10 * minor.
    let version = version.unsigned_abs();
    Ok((version / 1000, version % 1000 / 10))
}

/// How many CUDA devices there are.
pub(crate) fn count() -> Result<usize> {
    open()?;
    let mut count: c_int = 0;
    // SAFETY: The driver is initialised and `count` is a place for an int.
    let code = unsafe { sys::cuDeviceGetCount(&mut count) };
    check("cuDeviceGetCount", code)?;
    Ok(usize::try_from(count).unwrap_or(0))
}
