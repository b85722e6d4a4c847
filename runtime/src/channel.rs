//! The host's end of the channel: faults and prints of the kernels of one stream.
//!
//! The layout is [`firesteel_ptx::channel`]. A channel belongs to one stream (or one graph), so
//! when the stream's work is done, nothing writes to its channel.

use std::sync::Arc;

use firesteel_ptx::channel as layout;

use crate::backend::Queue;
use crate::cuda::HostMemory;
use crate::device::Device;
use crate::error::{Fault, FaultKind, Result};
use crate::expansion::{KernelDef, SiteKind, kernel_of};
use crate::print;
use crate::simulated::Simulated;

/// Words of the print log: at least 5000 prints of two values between two synchronisations.
const PRINT_WORDS: u32 = 1 << 16;

/// One channel, from allocation to release.
#[derive(Debug)]
pub(crate) struct Channel {
    memory: Shared,
    address: u64,
}

/// Memory that host and kernels share.
#[derive(Debug)]
enum Shared {
    Cuda(HostMemory),
    Sim(Arc<Simulated>),
}

impl Channel {
    pub(crate) fn new(queue: &Queue) -> Result<Self> {
        let bytes = layout::channel_bytes(PRINT_WORDS);
        let channel = match queue {
            Queue::Cuda(stream) => {
                let memory = HostMemory::new(stream.context(), bytes as usize)?;
                let address = memory.device_address()?;
                Self { memory: Shared::Cuda(memory), address }
            }
            Queue::Sim(sim) => {
                let address = sim.alloc(bytes);
                sim.write(address, &vec![0; bytes as usize])?;
                Self { memory: Shared::Sim(Arc::clone(sim)), address }
            }
        };
        channel.store(layout::PRINT_CAPACITY, PRINT_WORDS);
        Ok(channel)
    }

    /// Where kernels see it.
    #[inline]
    pub(crate) fn address(&self) -> u64 {
        self.address
    }

    fn load(&self, offset: u32) -> u32 {
        match &self.memory {
            Shared::Cuda(memory) => memory.load(offset),
            Shared::Sim(sim) => {
                let mut word = [0; 4];
                let read = sim.read(&mut word, self.address + u64::from(offset));
                debug_assert!(read.is_ok(), "the channel is allocated as long as it lives");
                u32::from_le_bytes(word)
            }
        }
    }

    fn store(&self, offset: u32, value: u32) {
        match &self.memory {
            Shared::Cuda(memory) => memory.store(offset, value),
            Shared::Sim(sim) => {
                let written = sim.write(self.address + u64::from(offset), &value.to_le_bytes());
                debug_assert!(written.is_ok(), "the channel is allocated as long as it lives");
            }
        }
    }

    fn load_wide(&self, offset: u32) -> u64 {
        u64::from(self.load(offset)) | u64::from(self.load(offset + 4)) << 32
    }

    fn load_axes(&self, offset: u32) -> [u32; 3] {
        [0, 4, 8].map(|axis| self.load(offset + axis))
    }

    /// Whether a fault is recorded that nobody has taken.
    pub(crate) fn has_failed(&self) -> bool {
        self.load(layout::READY) != 0
    }

    /// Reports the recorded fault and makes room for the next.
    pub(crate) fn take_fault(&self) -> Result<()> {
        let Some(fault) = self.failure() else { return Ok(()) };
        self.store(layout::READY, 0);
        // Last, since from here on a running kernel may claim the record again.
        self.store(layout::CLAIMED, 0);
        Err(fault.into())
    }

    /// The recorded fault, which stays.
    pub(crate) fn failure(&self) -> Option<Fault> {
        self.has_failed().then(|| self.fault())
    }

    fn fault(&self) -> Fault {
        let kernel = kernel_of(self.load(layout::KERNEL));
        let site = kernel.and_then(|it| it.sites().get(self.load(layout::SITE) as usize));
        let (Some(kernel), Some(site)) = (kernel, site) else {
            return self.unknown_fault(kernel);
        };
        let (a, b) = (self.load_wide(layout::A), self.load_wide(layout::B));
        let what = match site.kind {
            // No slice has 2^63 elements, so an index of that size was negative.
            SiteKind::Bounds { array } => {
                FaultKind::OutOfBounds { array, index: i128::from(a as i64), length: b }
            }
            SiteKind::DivisionByZero => FaultKind::DivisionByZero,
            SiteKind::Assert { message } => FaultKind::Assert { message },
            SiteKind::Print { format, .. } => FaultKind::Assert { message: format },
        };
        Fault {
            kernel: kernel.name(),
            file: site.file,
            line: site.line,
            column: site.column,
            what,
            block: self.load_axes(layout::BLOCK),
            thread: self.load_axes(layout::THREAD),
        }
    }

    /// A record that no kernel of this process can have written: something overwrote the channel.
    fn unknown_fault(&self, kernel: Option<&'static KernelDef>) -> Fault {
        Fault {
            kernel: kernel.map_or("unknown", KernelDef::name),
            file: kernel.map_or("unknown", KernelDef::file),
            line: kernel.map_or(0, KernelDef::line),
            column: 0,
            what: FaultKind::Assert { message: "the fault record was overwritten" },
            block: self.load_axes(layout::BLOCK),
            thread: self.load_axes(layout::THREAD),
        }
    }

    /// Writes the prints that were logged, and empties the log.
    pub(crate) fn drain_prints(&self, device: &Device) {
        let claimed = self.load(layout::PRINT_CURSOR);
        if claimed == 0 {
            return;
        }
        let used = claimed.min(PRINT_WORDS);
        let words: Vec<u32> =
            (0..used).map(|word| self.load(layout::PRINT_WORDS + 4 * word)).collect();
        let (lines, decoded) = print::decode(&words, kernel_of);
        device.print(&lines);
        if decoded < claimed {
            eprintln!(
                "firesteel: {} bytes of prints were lost, the log holds {}; synchronise more often",
                4 * u64::from(claimed - decoded),
                4 * PRINT_WORDS,
            );
        }
        // A record that did not fit leaves its words as they were: zero marks the end.
        for word in 0..used {
            self.store(layout::PRINT_WORDS + 4 * word, 0);
        }
        self.store(layout::PRINT_CURSOR, 0);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        match &self.memory {
            Shared::Cuda(_) => {}
            Shared::Sim(sim) => {
                let freed = sim.free(self.address);
                debug_assert!(freed.is_ok(), "the channel is freed once");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::expansion::{KernelSpec, PrintArg, Site};

    static KERNEL: KernelDef = KernelDef::new(KernelSpec {
        name: "probe",
        file: "src/probe.rs",
        line: 3,
        ptx: "",
        block: [32, 1, 1],
        cluster: [1; 3],
        params: &[],
        sites: &[
            Site {
                file: "src/probe.rs",
                line: 5,
                column: 9,
                kind: SiteKind::Bounds { array: "y" },
            },
            Site {
                file: "src/probe.rs",
                line: 6,
                column: 9,
                kind: SiteKind::Print { format: "x = {}", args: &[PrintArg::F32] },
            },
        ],
        uses_channel: true,
        static_shared: 0,
        reserved_shared: 0,
    });

    fn write_fault(channel: &Channel, site: u32, index: i64, length: u64) {
        channel.store(layout::CLAIMED, 1);
        channel.store(layout::KERNEL, KERNEL.id());
        channel.store(layout::SITE, site);
        for (offset, value) in [(layout::A, index as u64), (layout::B, length)] {
            channel.store(offset, value as u32);
            channel.store(offset + 4, (value >> 32) as u32);
        }
        for (axis, value) in [4, 5, 6].into_iter().enumerate() {
            channel.store(layout::BLOCK + 4 * axis as u32, value);
            channel.store(layout::THREAD + 4 * axis as u32, value + 10);
        }
        channel.store(layout::READY, 1);
    }

    #[test]
    fn a_fault_is_reported_once() {
        let device = Device::new(0).unwrap();
        let stream = device.create_stream().unwrap();
        let channel = stream.state().unwrap().channel().unwrap();
        write_fault(channel, 0, -1, 1000);
        let Err(Error::Fault(fault)) = stream.synchronize() else { panic!("a fault was written") };
        assert_eq!(fault.what, FaultKind::OutOfBounds { array: "y", index: -1, length: 1000 });
        assert_eq!((fault.kernel, fault.line, fault.column), ("probe", 5, 9));
        assert_eq!((fault.block, fault.thread), ([4, 5, 6], [14, 15, 16]));
        stream.synchronize().unwrap();
        assert_eq!(channel.load(layout::CLAIMED), 0);
    }

    #[test]
    fn a_record_of_no_kernel_is_not_trusted() {
        let device = Device::new(0).unwrap();
        let stream = device.create_stream().unwrap();
        let channel = stream.state().unwrap().channel().unwrap();
        write_fault(channel, 99, 0, 0);
        let error = stream.synchronize().unwrap_err();
        assert!(error.to_string().contains("the fault record was overwritten"), "{error}");
    }

    #[test]
    fn prints_are_written_and_the_log_is_emptied() {
        let device = Device::sim();
        let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let stream = device.create_stream().unwrap();
        let channel = stream.state().unwrap().channel().unwrap();
        let record = [KERNEL.id(), 1, 0, 0, 0, 7, 0, 0, 1.5f32.to_bits(), 0];
        for (word, value) in record.into_iter().enumerate() {
            channel.store(layout::PRINT_WORDS + 4 * word as u32, value);
        }
        channel.store(layout::PRINT_CURSOR, record.len() as u32);
        device.print_to(move |line| sink.lock().unwrap().push(line.to_owned()));
        stream.synchronize().unwrap();
        stream.synchronize().unwrap();
        assert_eq!(*lines.lock().unwrap(), ["x = 1.5"]);
        assert_eq!(channel.load(layout::PRINT_WORDS), 0);
    }
}
