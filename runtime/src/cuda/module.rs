//! Modules, functions and their launch.

use std::ffi::{CStr, CString, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cudarc::driver::sys::{
    self, CUfunc_st, CUfunction_attribute as Attribute, CUjit_option, CUlaunchAttributeID as Id,
    CUmod_st,
};

use super::driver::{check, require};
use super::{Context, Handle, RawStream};
use crate::dispatch::Behind;
use crate::error::{DriverFailure, Error, PtxFailure, Result};
use crate::launch::LaunchConfig;

/// The first version of CUDA with `cuLaunchKernelEx`.
const LAUNCH_ATTRIBUTES: (u32, u32) = (11, 8);
/// The first compute capability with programmatic dependent launch.
const DEPENDENT_LAUNCH: (u32, u32) = (9, 0);
/// The blocks that a cluster may have on every device with clusters.
const PORTABLE_CLUSTER: u32 = 8;
/// Bytes of the buffer for the JIT's complaints.
const LOG_BYTES: usize = 16 << 10;

/// A loaded module.
#[derive(Debug)]
pub(crate) struct RawModule {
    context: &'static Context,
    raw: Handle<CUmod_st>,
    /// The time that the driver took to compile and load it.
    pub(crate) load_time: Duration,
}

impl RawModule {
    /// Lets the driver compile PTX text. `kernel` names it in errors.
    pub(crate) fn load(
        context: &'static Context,
        ptx: &str,
        kernel: Option<&'static str>,
    ) -> Result<Arc<Self>> {
        context.bind()?;
        let fail = |log: String| ptx_failure(context, ptx, kernel, log);
        let image = CString::new(ptx).map_err(|_| fail("the text holds a zero byte".to_owned()))?;
        let start = Instant::now();
        match jit(&image) {
            Ok(raw) => {
                let load_time = start.elapsed();
                Ok(Arc::new(Self { context, raw: Handle(raw), load_time }))
            }
            Err((failure, log)) if log.is_empty() => Err(fail(failure.to_string())),
            Err((failure, log)) => Err(fail(format!("{} ({})\n{log}", failure.text, failure.name))),
        }
    }

    /// The entry `name`, whose clusters have so many blocks.
    pub(crate) fn function(self: &Arc<Self>, name: &str, cluster: [u32; 3]) -> Result<Function> {
        self.context.bind()?;
        let symbol = CString::new(name)
            .map_err(|_| Error::NoKernel { name: name.to_owned(), have: Vec::new() })?;
        let mut raw = ptr::null_mut();
        // SAFETY: Current, Alive; `symbol` is terminated.
        let code = unsafe { sys::cuModuleGetFunction(&mut raw, self.raw.0, symbol.as_ptr()) };
        check("cuModuleGetFunction", code)?;
        let raw = Handle(raw);
        if cluster.iter().product::<u32>() > PORTABLE_CLUSTER {
            let allowed = Attribute::CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED;
            set_attribute(&raw, allowed, 1)?;
        }
        let threads = attribute(&raw, Attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?;
        let shared = attribute(&raw, Attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?;
        let dynamic = attribute(&raw, Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)?;
        Ok(Function {
            module: Arc::clone(self),
            raw,
            threads_per_block: threads,
            static_shared: shared,
            dynamic_shared: AtomicU32::new(dynamic),
        })
    }
}

impl Drop for RawModule {
    fn drop(&mut self) {
        // Kernels of the module may still run, so the next wait for the device unloads it: this
        // one, unless the thread is in a capture.
        let module = Handle(self.raw.0);
        self.context.unneeded.lock().unwrap_or_else(PoisonError::into_inner).push(module);
        // A failure leaves nothing to do.
        let _ = self.context.synchronize();
    }
}

/// A kernel of a loaded module.
#[derive(Debug)]
pub(crate) struct Function {
    module: Arc<RawModule>,
    raw: Handle<CUfunc_st>,
    /// Most threads that a block of this kernel may have, given its registers.
    pub(crate) threads_per_block: u32,
    /// Bytes of shared memory that the kernel declares.
    pub(crate) static_shared: u32,
    /// Bytes of dynamic shared memory that the driver allows so far.
    dynamic_shared: AtomicU32,
}

impl Function {
    /// The module that the function is of.
    pub(crate) fn module(&self) -> &Arc<RawModule> {
        &self.module
    }

    /// Registers of a thread.
    pub(crate) fn registers(&self) -> Result<u32> {
        self.module.context.bind()?;
        attribute(&self.raw, Attribute::CU_FUNC_ATTRIBUTE_NUM_REGS)
    }

    /// Bytes of local memory of a thread.
    pub(crate) fn local_bytes(&self) -> Result<u32> {
        self.module.context.bind()?;
        attribute(&self.raw, Attribute::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)
    }

    /// How many blocks of so many threads a multiprocessor holds.
    pub(crate) fn blocks_per_multiprocessor(&self, threads: u32, dynamic: u32) -> Result<u32> {
        self.module.context.bind()?;
        if dynamic > self.dynamic_shared.load(Ordering::Relaxed) {
            self.raise_dynamic_shared(dynamic)?;
        }
        let mut blocks = 0;
        let threads = i32::try_from(threads).unwrap_or(i32::MAX);
        // SAFETY: Current, Alive; `blocks` is a place for an int.
        let code = unsafe {
            sys::cuOccupancyMaxActiveBlocksPerMultiprocessor(
                &mut blocks,
                self.raw.0,
                threads,
                dynamic as usize,
            )
        };
        check("cuOccupancyMaxActiveBlocksPerMultiprocessor", code)?;
        Ok(u32::try_from(blocks).unwrap_or(0))
    }

    /// Excludes other threads from loading on this device.
    pub(crate) fn loading(context: &Context) -> MutexGuard<'_, ()> {
        context.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a launch on the stream. `arguments` has one value for each parameter, in the low bits,
    /// and what is behind it; `pointers` is scratch of the same length.
    ///
    /// The caller has compared count and sizes of the arguments with the kernel's parameters, and
    /// grid, block and shared memory with the device's limits. What the kernel does with the
    /// addresses among them is its author's promise (`KernelDef`, `Kernel::launch`).
    #[inline]
    pub(crate) fn launch(
        &self,
        stream: &RawStream,
        config: &LaunchConfig,
        block: [u32; 3],
        (arguments, behind): (&[u64], &[Behind<'_>]),
        pointers: &mut [*mut c_void],
    ) -> Result<()> {
        assert_eq!(arguments.len(), pointers.len(), "one pointer for each argument");
        assert_eq!(arguments.len(), behind.len(), "something behind each argument");
        stream.context.bind()?;
        let (grid, dynamic_shared) = (config.grid, config.dynamic_shared);
        if dynamic_shared > self.dynamic_shared.load(Ordering::Relaxed) {
            self.raise_dynamic_shared(dynamic_shared)?;
        }
        for ((pointer, argument), behind) in pointers.iter_mut().zip(arguments).zip(behind) {
            *pointer = match behind {
                Behind::Nothing | Behind::Memory(_) => ptr::from_ref(argument).cast_mut().cast(),
                Behind::Map(map) => ptr::from_ref(&map.words).cast_mut().cast(),
            };
        }
        if config.programmatic_dependent_launch || config.cooperative {
            return self.launch_with_attributes(stream, config, block, pointers);
        }
        // SAFETY: Current, Alive. The driver reads from each pointer the parameter's size, at most
        // the 8 bytes of a `u64` or all 128 of a tensor map, before it returns; the machine is
        // little endian.
        let code = unsafe {
            sys::cuLaunchKernel(
                self.raw.0,
                grid[0],
                grid[1],
                grid[2],
                block[0],
                block[1],
                block[2],
                dynamic_shared,
                stream.raw(),
                pointers.as_mut_ptr(),
                ptr::null_mut(),
            )
        };
        check("cuLaunchKernel", code)
    }

    /// The end of [`Function::launch`] for launches that are not ordinary.
    fn launch_with_attributes(
        &self,
        stream: &RawStream,
        config: &LaunchConfig,
        block: [u32; 3],
        pointers: &mut [*mut c_void],
    ) -> Result<()> {
        require(LAUNCH_ATTRIBUTES)?;
        // Without the attribute the launch waits for its turn, which is always right.
        let dependent = config.programmatic_dependent_launch
            && stream.context.info.compute_capability >= DEPENDENT_LAUNCH;
        let mut attributes = [launch_attribute(); 2];
        let mut count = 0;
        if dependent {
            attributes[count].id = Id::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
            attributes[count].value.programmaticStreamSerializationAllowed = 1;
            count += 1;
        }
        if config.cooperative {
            attributes[count].id = Id::CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
            attributes[count].value.cooperative = 1;
            count += 1;
        }
        let launch = sys::CUlaunchConfig {
            gridDimX: config.grid[0],
            gridDimY: config.grid[1],
            gridDimZ: config.grid[2],
            blockDimX: block[0],
            blockDimY: block[1],
            blockDimZ: block[2],
            sharedMemBytes: config.dynamic_shared,
            hStream: stream.raw(),
            attrs: attributes.as_mut_ptr(),
            numAttrs: count as u32,
        };
        // SAFETY: Current, Alive, and the driver has the function. The pointers are as in `launch`;
        // `attrs` has `numAttrs` attributes, alive until the call returns.
        let code = unsafe {
            sys::cuLaunchKernelEx(&launch, self.raw.0, pointers.as_mut_ptr(), ptr::null_mut())
        };
        check("cuLaunchKernelEx", code)
    }

    /// The time of `count` calls of the driver's own launch, as a measure for [`Function::launch`].
    pub(crate) fn time_raw_launches(
        &self,
        stream: &RawStream,
        config: &LaunchConfig,
        block: [u32; 3],
        arguments: (&[u64], &[Behind<'_>]),
        pointers: &mut [*mut c_void],
        count: u32,
    ) -> Result<Duration> {
        // The first makes the context current and sets the pointers.
        self.launch(stream, config, block, arguments, pointers)?;
        let (function, queue, pointers) = (self.raw.0, stream.raw(), pointers.as_mut_ptr());
        let ([gx, gy, gz], [bx, by, bz], extra) = (config.grid, block, ptr::null_mut());
        let shared = config.dynamic_shared;
        let start = Instant::now();
        for _ in 0..count {
            // SAFETY: As in `launch`, which has just filled `pointers` with places in `arguments`.
            let code = unsafe {
                sys::cuLaunchKernel(
                    function, gx, gy, gz, bx, by, bz, shared, queue, pointers, extra,
                )
            };
            check("cuLaunchKernel", code)?;
        }
        Ok(start.elapsed())
    }

    /// Beyond 48 KB a kernel must ask for its dynamic shared memory.
    #[cold]
    fn raise_dynamic_shared(&self, bytes: u32) -> Result<()> {
        let attribute = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        set_attribute(&self.raw, attribute, bytes)?;
        self.dynamic_shared.fetch_max(bytes, Ordering::Relaxed);
        Ok(())
    }
}

fn attribute(function: &Handle<CUfunc_st>, attribute: Attribute) -> Result<u32> {
    let mut value = 0;
    // SAFETY: Current, Alive; `value` is a place for an int.
    let code = unsafe { sys::cuFuncGetAttribute(&mut value, attribute, function.0) };
    check("cuFuncGetAttribute", code)?;
    Ok(u32::try_from(value).unwrap_or(0))
}

fn set_attribute(function: &Handle<CUfunc_st>, attribute: Attribute, value: u32) -> Result<()> {
    let value = i32::try_from(value).unwrap_or(i32::MAX);
    // SAFETY: Current, Alive; the driver checks the value.
    let code = unsafe { sys::cuFuncSetAttribute(function.0, attribute, value) };
    check("cuFuncSetAttribute", code)
}

/// An attribute that says nothing.
fn launch_attribute() -> sys::CUlaunchAttribute {
    sys::CUlaunchAttribute {
        id: Id::CU_LAUNCH_ATTRIBUTE_IGNORE,
        pad: [0; 4],
        value: sys::CUlaunchAttributeValue { pad: [0; 64] },
    }
}

/// Compiles and loads, or says what the JIT said.
fn jit(image: &CStr) -> Result<*mut CUmod_st, (DriverFailure, String)> {
    let mut log = vec![0u8; LOG_BYTES];
    let mut options =
        [CUjit_option::CU_JIT_ERROR_LOG_BUFFER, CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
    // The size travels as a pointer's value.
    let mut values = [log.as_mut_ptr().cast::<c_void>(), ptr::without_provenance_mut(LOG_BYTES)];
    let mut raw = ptr::null_mut();
    // SAFETY: Current; the image is terminated, and the options give a buffer and its size, both
    // alive until the call returns.
    let code = unsafe {
        sys::cuModuleLoadDataEx(
            &mut raw,
            image.as_ptr().cast(),
            options.len() as u32,
            options.as_mut_ptr(),
            values.as_mut_ptr(),
        )
    };
    match check("cuModuleLoadDataEx", code) {
        Ok(()) => Ok(raw),
        Err(Error::Driver(failure)) => {
            let end = log.iter().position(|&byte| byte == 0).unwrap_or(LOG_BYTES);
            Err((*failure, String::from_utf8_lossy(&log[..end]).trim().to_owned()))
        }
        Err(error) => unreachable!("`check` makes driver errors only, got {error}"),
    }
}

fn ptx_failure(context: &Context, ptx: &str, kernel: Option<&'static str>, log: String) -> Error {
    let line = named_line(&log);
    let source = line.and_then(|line| ptx.lines().nth(line as usize - 1)).map(str::to_owned);
    let device = context.info.name.clone();
    Error::Ptx(Box::new(PtxFailure { kernel, device, log, line, source }))
}

/// The first line that the JIT's log names: `ptxas application ptx input, line 12; error : …`.
fn named_line(log: &str) -> Option<u32> {
    let (_, rest) = log.split_once("line ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|&line| line > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_read_from_the_log() {
        let log = "ptxas application ptx input, line 12; error   : Unknown symbol '%r9'";
        assert_eq!(named_line(log), Some(12));
        assert_eq!(named_line("ptxas fatal   : Ptx assembly aborted due to errors"), None);
    }
}
