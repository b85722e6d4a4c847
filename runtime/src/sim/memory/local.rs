//! The local memory of the threads of one warp.

use super::shared::{get, put};
use super::{Access, Checked, Lanes, each_lane, try_each_lane};
use crate::sim::report::{AccessKind, Fault, Region, Space, Violation};

/// Local memory of the 32 threads of a warp, each with its own copy of every local variable.
#[derive(Clone, Debug)]
pub struct LocalMemory {
    bytes: Vec<u8>,
    each: usize,
    /// One flag a byte, if checked.
    written: Option<Vec<bool>>,
}

impl LocalMemory {
    /// `each` bytes a thread; `checked` tracks initialised bytes.
    pub fn new(each: usize, checked: bool) -> LocalMemory {
        let each = each.next_multiple_of(16);
        let written = checked.then(|| vec![false; 32 * each]);
        LocalMemory { bytes: vec![0; 32 * each], each, written }
    }

    /// Makes this the memory of the next warp: nothing is written.
    pub fn begin_block(&mut self) {
        if let Some(written) = &mut self.written {
            written.fill(false);
        }
    }

    /// Loads element `k` of each active lane's vector into `out[k][lane]`, zero-extended.
    pub fn load(&self, access: Access, addresses: &Lanes, mask: u32, out: &mut [Lanes]) -> Checked {
        self.check_bounds(access, AccessKind::Load, addresses, mask)?;
        let bytes = access.bytes() as usize;
        if let Some(written) = &self.written {
            try_each_lane(mask, |lane| {
                let start = self.start(addresses, lane);
                if written[start..start + bytes].iter().all(|it| *it) {
                    return Ok(());
                }
                let touch = access.touch(AccessKind::Load, Space::Local, addresses[lane]);
                Err(Violation::boxed(lane, Fault::Uninitialised { touch, region: None }))
            })?;
        }
        let width = access.width as usize;
        each_lane(mask, |lane| {
            let start = self.start(addresses, lane);
            for (k, row) in out.iter_mut().enumerate().take(access.count as usize) {
                row[lane] = get(&self.bytes, start + k * width, width);
            }
        });
        Ok(())
    }

    /// Stores `values[k][lane]` as element `k` of each active lane's vector.
    pub fn store(
        &mut self,
        access: Access,
        addresses: &Lanes,
        mask: u32,
        values: &[Lanes],
    ) -> Checked {
        self.check_bounds(access, AccessKind::Store, addresses, mask)?;
        let width = access.width as usize;
        each_lane(mask, |lane| {
            let start = self.start(addresses, lane);
            for (k, row) in values.iter().enumerate().take(access.count as usize) {
                put(&mut self.bytes, start + k * width, width, row[lane]);
            }
            if let Some(written) = &mut self.written {
                written[start..start + access.bytes() as usize].fill(true);
            }
        });
        Ok(())
    }

    fn start(&self, addresses: &Lanes, lane: usize) -> usize {
        lane * self.each + addresses[lane] as usize
    }

    fn check_bounds(
        &self,
        access: Access,
        kind: AccessKind,
        addresses: &Lanes,
        mask: u32,
    ) -> Checked {
        let (bytes, size) = (u64::from(access.bytes()), self.each as u64);
        try_each_lane(mask, |lane| {
            let address = addresses[lane];
            let touch = access.touch(kind, Space::Local, address);
            if bytes > size || address > size - bytes {
                let name = "the thread's local memory".to_owned();
                let nearest = (size != 0).then_some(Region { name, base: 0, size });
                return Err(Violation::boxed(lane, Fault::OutOfBounds { touch, nearest }));
            }
            if !address.is_multiple_of(bytes) {
                return Err(Violation::boxed(lane, Fault::Misaligned { touch }));
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::report::FaultKind;

    #[test]
    fn threads_have_their_own_copies() {
        let mut local = LocalMemory::new(32, true);
        let address = [8; 32];
        let values = std::array::from_fn(|lane| lane as u64 * 3);
        local.store(Access::scalar(4), &address, u32::MAX, &[values]).expect("in bounds");
        let mut out = [[0; 32]];
        local.load(Access::scalar(4), &address, u32::MAX, &mut out).expect("written");
        assert_eq!(out[0], values);
        let kind = |access, address, mask| {
            let mut out = [[0; 32]; 2];
            let found = local.load(access, &[address; 32], mask, &mut out);
            found.expect_err("wrong").fault.kind()
        };
        assert_eq!(kind(Access::scalar(8), 8, 1), FaultKind::Uninitialised);
        assert_eq!(kind(Access::scalar(4), 32, 1), FaultKind::OutOfBounds);
        assert_eq!(kind(Access::vector(4, 2), 4, 1), FaultKind::Misaligned);
    }
}
