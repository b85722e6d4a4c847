//! Streams and events.

use std::ptr;

use cudarc::driver::sys::{self, CUevent_flags, CUevent_st, CUresult, CUstream_flags, CUstream_st};

use super::driver::check;
use super::{Context, Handle};
use crate::error::{Error, Result};

/// A stream that this object owns.
#[derive(Debug)]
pub(crate) struct RawStream {
    pub(super) context: &'static Context,
    raw: Handle<CUstream_st>,
}

impl RawStream {
    /// A stream that does not wait for the legacy default stream, since only such streams can be
    /// captured beside other users of the device.
    pub(crate) fn new(context: &'static Context) -> Result<Self> {
        context.bind()?;
        let mut raw = ptr::null_mut();
        let flags = CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
        // SAFETY: Current; `raw` is a place for a stream.
        let code = unsafe { sys::cuStreamCreate(&mut raw, flags) };
        check("cuStreamCreate", code)?;
        Ok(Self { context, raw: Handle(raw) })
    }

    /// The context that the stream is of.
    pub(crate) fn context(&self) -> &'static Context {
        self.context
    }

    /// The driver's handle.
    #[inline]
    pub(crate) fn raw(&self) -> sys::CUstream {
        self.raw.0
    }

    /// Waits for all work on the stream.
    pub(crate) fn synchronize(&self) -> Result<()> {
        self.context.bind()?;
        // SAFETY: Current, Alive.
        let code = unsafe { sys::cuStreamSynchronize(self.raw.0) };
        check("cuStreamSynchronize", code)
    }

    /// Whether all work on the stream is done.
    pub(crate) fn is_idle(&self) -> Result<bool> {
        self.context.bind()?;
        // SAFETY: Current, Alive.
        let code = unsafe { sys::cuStreamQuery(self.raw.0) };
        ready("cuStreamQuery", code)
    }

    /// Lets later work on the stream wait for the event.
    pub(crate) fn wait(&self, event: &RawEvent) -> Result<()> {
        self.context.bind()?;
        // SAFETY: Current, Alive; 0 is the only flag outside graphs of external events.
        let code = unsafe { sys::cuStreamWaitEvent(self.raw.0, event.raw.0, 0) };
        check("cuStreamWaitEvent", code)
    }
}

impl Drop for RawStream {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: Current, and nobody else has the handle: the driver finishes the stream's
            // work before it frees it. A failure leaves nothing to do.
            let _ = unsafe { sys::cuStreamDestroy_v2(self.raw.0) };
        }
    }
}

/// An event that this object owns.
#[derive(Debug)]
pub(crate) struct RawEvent {
    context: &'static Context,
    raw: Handle<CUevent_st>,
}

impl RawEvent {
    /// Records the point that the stream's work has come to. `timed` events cost a little more.
    pub(crate) fn record(stream: &RawStream, timed: bool) -> Result<Self> {
        let context = stream.context;
        context.bind()?;
        let flags = match timed {
            true => CUevent_flags::CU_EVENT_DEFAULT,
            false => CUevent_flags::CU_EVENT_DISABLE_TIMING,
        };
        let mut raw = ptr::null_mut();
        // SAFETY: Current; `raw` is a place for an event.
        let code = unsafe { sys::cuEventCreate(&mut raw, flags as u32) };
        check("cuEventCreate", code)?;
        let event = Self { context, raw: Handle(raw) };
        // SAFETY: Current, Alive; event and stream are of the same context.
        let code = unsafe { sys::cuEventRecord(event.raw.0, stream.raw.0) };
        check("cuEventRecord", code)?;
        Ok(event)
    }

    /// Waits until the point is reached.
    pub(crate) fn synchronize(&self) -> Result<()> {
        self.context.bind()?;
        // SAFETY: Current, Alive.
        let code = unsafe { sys::cuEventSynchronize(self.raw.0) };
        check("cuEventSynchronize", code)
    }

    /// Whether the point is reached.
    pub(crate) fn is_reached(&self) -> Result<bool> {
        self.context.bind()?;
        // SAFETY: Current, Alive.
        let code = unsafe { sys::cuEventQuery(self.raw.0) };
        ready("cuEventQuery", code)
    }

    /// Milliseconds from this event to `later`, both timed and reached.
    pub(crate) fn elapsed_ms(&self, later: &RawEvent) -> Result<f32> {
        self.context.bind()?;
        let mut milliseconds = 0.0;
        // SAFETY: Current, Alive. The driver refuses events that are not timed or not reached.
        let code = unsafe { sys::cuEventElapsedTime(&mut milliseconds, self.raw.0, later.raw.0) };
        match code {
            CUresult::CUDA_ERROR_NOT_READY => Err(Error::EventNotReached),
            code => check("cuEventElapsedTime", code).map(|()| milliseconds),
        }
    }
}

impl Drop for RawEvent {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: Current, and nobody else has the handle: the driver frees it once it is
            // reached. A failure leaves nothing to do.
            let _ = unsafe { sys::cuEventDestroy_v2(self.raw.0) };
        }
    }
}

/// `CUDA_ERROR_NOT_READY` is an answer, not an error.
fn ready(call: &'static str, code: CUresult) -> Result<bool> {
    match code {
        CUresult::CUDA_ERROR_NOT_READY => Ok(false),
        code => check(call, code).map(|()| true),
    }
}
