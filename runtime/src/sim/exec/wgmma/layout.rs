//! How a factor lies in shared memory: what its descriptor says. PTX ISA, "Asynchronous Warpgroup
//! Level Matrix Shared Memory Layout" and "Matrix Descriptor Format".
//!
//! The unit is a *core matrix* of 8 rows of 16 bytes. Along K, a row of the factor lies in a row of
//! core matrices; along M or N (transposed), a position along K does.

use crate::sim::tensor_map::Swizzle;

/// A decoded descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    start: u64,
    /// The two strides, in bytes.
    leading: u64,
    stride: u64,
    swizzle: Swizzle,
    /// Whether it lies along M or N instead of K.
    transposed: bool,
    /// Bytes of an element.
    bytes: u64,
}

/// The 14 bits from `at` on, which count 16 bytes.
fn field(descriptor: u64, at: u32) -> u64 {
    (descriptor >> at & 0x3fff) << 4
}

impl Layout {
    /// What a descriptor says of a factor whose elements have `bytes` bytes.
    pub(super) fn of(descriptor: u64, transposed: bool, bytes: usize) -> Result<Self, String> {
        if descriptor >> 49 & 7 != 0 {
            return Err("matrix descriptors with a base offset are not simulated".to_owned());
        }
        let swizzle = match descriptor >> 62 {
            0 => Swizzle::None,
            1 => Swizzle::B128,
            2 => Swizzle::B64,
            _ => Swizzle::B32,
        };
        Ok(Self {
            start: field(descriptor, 0),
            leading: field(descriptor, 16),
            stride: field(descriptor, 32),
            swizzle,
            transposed,
            bytes: bytes as u64,
        })
    }

    /// Elements of 16 bytes.
    fn piece(self) -> u64 {
        16 / self.bytes
    }

    /// The address of the element of a line (a row of the left, a column of the right factor) at
    /// position `k`.
    pub(super) fn address(self, line: usize, k: usize) -> u64 {
        let (line, k) = (line as u64, k as u64);
        let (fast, slow) = if self.transposed { (line, k) } else { (k, line) };
        let inside = fast % self.piece() * self.bytes;
        self.swizzle.apply(self.start + self.offset(fast / self.piece(), slow)) + inside
    }

    /// Where the `piece`-th 16 bytes of a row are; `row` counts along the other direction.
    fn offset(self, piece: u64, row: u64) -> u64 {
        let (row, group) = (row % 8, row / 8);
        let pieces = self.swizzle.span() / 16;
        match (self.swizzle, self.transposed) {
            (Swizzle::None, false) => row * 16 + group * self.stride + piece * self.leading,
            (Swizzle::None, true) => row * 16 + group * self.leading + piece * self.stride,
            // The leading stride does not count: a row is as long as the pattern.
            (Swizzle::B32 | Swizzle::B64 | Swizzle::B128, false) => {
                row * self.swizzle.span() + group * self.stride + piece * 16
            }
            (Swizzle::B32 | Swizzle::B64 | Swizzle::B128, true) => {
                let (piece, block) = (piece % pieces, piece / pieces);
                row * self.swizzle.span() + group * self.stride + piece * 16 + block * self.leading
            }
        }
    }

    /// Addresses and lengths of the bytes that `lines` lines from `first` on take, `k` long.
    pub(super) fn runs(self, first: usize, lines: usize, k: usize) -> Vec<(u64, u32)> {
        let piece = self.piece() as usize;
        let (fast, slow) = if self.transposed {
            (first..first + lines, 0..k)
        } else {
            (0..k, first..first + lines)
        };
        let mut runs: Vec<(u64, u32)> = Vec::new();
        for row in slow {
            for at in fast.clone().step_by(piece) {
                let (line, k) = if self.transposed { (at, row) } else { (row, at) };
                let address = self.address(line, k);
                match runs.last_mut() {
                    Some((start, bytes)) if *start + u64::from(*bytes) == address => *bytes += 16,
                    _ => runs.push((address, 16)),
                }
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(start: u64, leading: u64, stride: u64, mode: u64) -> u64 {
        start >> 4 | leading >> 4 << 16 | stride >> 4 << 32 | mode << 62
    }

    #[test]
    fn rows_of_128_bytes_are_swizzled() {
        let layout = Layout::of(descriptor(0x400, 16, 1024, 1), false, 2).expect("plain");
        assert_eq!(layout.address(0, 0), 0x400);
        assert_eq!(layout.address(1, 0), 0x480 + 0x10);
        assert_eq!(layout.address(9, 10), 0x400 + 1024 + 128 + 4);
        assert_eq!(layout.runs(0, 1, 16), [(0x400, 32)]);
    }

    #[test]
    fn core_matrices_lie_where_the_strides_say() {
        let layout = Layout::of(descriptor(0, 128, 256, 0), false, 2).expect("plain");
        assert_eq!(layout.address(1, 1), 18);
        assert_eq!(layout.address(0, 8), 128);
        assert_eq!(layout.address(8, 0), 256);
        let across = Layout::of(descriptor(0, 128, 256, 0), true, 2).expect("plain");
        assert_eq!(across.address(1, 1), 18);
        assert_eq!(across.address(8, 0), 256);
        assert_eq!(across.address(0, 8), 128);
    }

    #[test]
    fn transposed_rows_go_on_in_the_next_block() {
        let layout = Layout::of(descriptor(0, 2048, 1024, 1), true, 2).expect("plain");
        assert_eq!(layout.address(0, 1), 128 + 16);
        assert_eq!(layout.address(64, 0), 2048);
        assert_eq!(layout.address(0, 8), 1024);
    }
}
