//! Capture of a stream and replay of what it captured.

use std::ptr;

use cudarc::driver::sys::{self, CUgraphExec_st, CUstreamCaptureMode};

use super::driver::check;
use super::{Context, Handle, RawStream};
use crate::error::Result;

/// An instantiated graph.
#[derive(Debug)]
pub(crate) struct RawGraph {
    context: &'static Context,
    raw: Handle<CUgraphExec_st>,
}

impl RawGraph {
    /// Starts to capture the stream: its work is recorded and not run.
    ///
    /// The mode leaves other threads' calls alone.
    pub(crate) fn begin(stream: &RawStream) -> Result<()> {
        stream.context.bind()?;
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: Current, Alive.
        let code = unsafe { sys::cuStreamBeginCapture_v2(stream.raw(), mode) };
        check("cuStreamBeginCapture", code)
    }

    /// Ends the capture and makes a graph of it; none where `keep` is false or nothing came.
    pub(crate) fn end(stream: &RawStream, keep: bool) -> Result<Option<Self>> {
        let context = stream.context;
        context.bind()?;
        let mut graph = ptr::null_mut();
        // SAFETY: Current, Alive; `graph` is a place for a graph.
        let code = unsafe { sys::cuStreamEndCapture(stream.raw(), &mut graph) };
        let ended = check("cuStreamEndCapture", code);
        if graph.is_null() {
            return ended.map(|()| None);
        }
        let instance = match (&ended, keep) {
            (Ok(()), true) => instantiate(graph).map(Some),
            (Ok(()) | Err(_), _) => Ok(None),
        };
        // SAFETY: The graph is ours and the instance does not need it. A failure leaves nothing to
        // do.
        let _ = unsafe { sys::cuGraphDestroy(graph) };
        ended?;
        Ok(instance?.map(|raw| Self { context, raw: Handle(raw) }))
    }

    /// Puts the graph's work on the stream.
    pub(crate) fn launch(&self, stream: &RawStream) -> Result<()> {
        self.context.bind()?;
        // SAFETY: Current, Alive.
        let code = unsafe { sys::cuGraphLaunch(self.raw.0, stream.raw()) };
        check("cuGraphLaunch", code)
    }
}

fn instantiate(graph: sys::CUgraph) -> Result<*mut CUgraphExec_st> {
    let mut raw = ptr::null_mut();
    // SAFETY: Current; the graph was just captured and no flag is set.
    let code = unsafe { sys::cuGraphInstantiateWithFlags(&mut raw, graph, 0) };
    check("cuGraphInstantiate", code)?;
    Ok(raw)
}

impl Drop for RawGraph {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: Current, and nobody else has the handle; a running instance is freed when it
            // is done. A failure leaves nothing to do.
            let _ = unsafe { sys::cuGraphExecDestroy(self.raw.0) };
        }
    }
}
