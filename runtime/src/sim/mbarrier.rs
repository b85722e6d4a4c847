//! `mbarrier` objects. PTX ISA, "Parallel Synchronization and Communication Instructions:
//! mbarrier".
//!
//! The object's 64 bits are opaque in PTX, so what it holds is kept beside shared memory, by
//! address.

use super::cluster::Thread;
use super::report::MbarrierProblem;

/// Largest count of arrivals or bytes.
const LARGEST: u32 = (1 << 20) - 1;

/// A barrier in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mbarrier {
    /// Completed phases.
    phase: u64,
    /// Arrivals of the next phases.
    expected: u32,
    /// Arrivals that the current phase waits for.
    pending: u32,
    /// Bytes that the current phase waits for.
    bytes: i64,
    /// Who made it, and the stamp of the warp then.
    pub(crate) made: (Thread, u32),
}

/// The state that an arrival gives: the phase, and the arrivals it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) u64);

impl Token {
    /// The arrivals that the phase still waited for.
    pub(crate) fn pending(self) -> u32 {
        self.0 as u32 & LARGEST
    }

    fn phase(self) -> u64 {
        self.0 >> 20
    }
}

impl Mbarrier {
    /// For `count` arrivals a phase.
    pub(crate) fn new(count: u32, made: (Thread, u32)) -> Result<Self, MbarrierProblem> {
        if count == 0 || count > LARGEST {
            return Err(MbarrierProblem::CountOutOfRange { count });
        }
        Ok(Self { phase: 0, expected: count, pending: count, bytes: 0, made })
    }

    fn token(self) -> Token {
        Token(self.phase << 20 | u64::from(self.pending))
    }

    /// Arrives `count` times; the state before.
    pub(crate) fn arrive(&mut self, count: u32) -> Result<Token, MbarrierProblem> {
        let token = self.token();
        let Some(pending) = self.pending.checked_sub(count).filter(|_| count != 0) else {
            return Err(MbarrierProblem::TooManyArrivals { expected: self.expected });
        };
        self.pending = pending;
        self.complete();
        Ok(token)
    }

    /// [`Self::arrive`], expecting as many fewer from the next phase on.
    pub(crate) fn arrive_drop(&mut self, count: u32) -> Result<Token, MbarrierProblem> {
        let Some(expected) = self.expected.checked_sub(count) else {
            return Err(MbarrierProblem::TooManyArrivals { expected: self.expected });
        };
        self.expected = expected;
        self.arrive(count)
    }

    /// One more arrival is expected in this phase.
    pub(crate) fn expect_one_more(&mut self) -> Result<(), MbarrierProblem> {
        if self.pending >= LARGEST {
            return Err(MbarrierProblem::CountOutOfRange { count: self.pending + 1 });
        }
        self.pending += 1;
        Ok(())
    }

    /// Waits for so many bytes more.
    pub(crate) fn expect_bytes(&mut self, bytes: u32) -> Result<(), MbarrierProblem> {
        self.bytes += i64::from(bytes);
        if self.bytes > LARGEST.into() {
            return Err(MbarrierProblem::TransactionOverflow);
        }
        Ok(())
    }

    /// Whether the current phase waits for bytes alone.
    pub(crate) fn awaits_bytes(self) -> bool {
        self.pending == 0 && self.bytes > 0
    }

    /// Phases that are complete: the number of the current one.
    pub(crate) fn phase(self) -> u64 {
        self.phase
    }

    /// Arrivals that the current phase still waits for.
    pub(crate) fn arrivals_left(self) -> u32 {
        self.pending
    }

    /// Bytes that the current phase still waits for.
    pub(crate) fn bytes_left(self) -> i64 {
        self.bytes
    }

    /// So many bytes have arrived.
    pub(crate) fn complete_bytes(&mut self, bytes: u32) -> Result<(), MbarrierProblem> {
        let left = self.bytes - i64::from(bytes);
        if left < 0 {
            return Err(MbarrierProblem::TooManyBytes { expected: self.bytes, got: bytes });
        }
        self.bytes = left;
        self.complete();
        Ok(())
    }

    fn complete(&mut self) {
        if self.pending == 0 && self.bytes == 0 {
            self.phase += 1;
            self.pending = self.expected;
        }
    }

    /// Whether the phase of a state is complete.
    pub(crate) fn is_complete(self, token: Token) -> bool {
        token.phase() < self.phase
    }

    /// Whether the last phase of that parity is complete.
    pub(crate) fn is_parity_complete(self, parity: u32) -> bool {
        self.phase & 1 != u64::from(parity & 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: (Thread, u32) = (Thread(0), 1);

    #[test]
    fn phases_complete_by_arrivals_and_bytes() {
        let mut barrier = Mbarrier::new(2, MADE).expect("in range");
        let first = barrier.arrive(1).expect("expected");
        assert_eq!(first.pending(), 2);
        assert!(!barrier.is_complete(first) && !barrier.is_parity_complete(0));
        assert!(barrier.is_parity_complete(1));
        let second = barrier.arrive(1).expect("expected");
        assert_eq!(second.pending(), 1);
        assert!(barrier.is_complete(first) && barrier.is_parity_complete(0));
        barrier.expect_bytes(16).expect("in range");
        barrier.arrive(2).expect("expected");
        assert!(!barrier.is_parity_complete(1) && barrier.awaits_bytes());
        let problem = MbarrierProblem::TooManyBytes { expected: 16, got: 32 };
        assert_eq!(barrier.complete_bytes(32), Err(problem));
        barrier.complete_bytes(16).expect("expected");
        assert!(barrier.is_parity_complete(1));
    }

    #[test]
    fn too_many_arrivals_are_a_problem() {
        let mut barrier = Mbarrier::new(1, MADE).expect("in range");
        let problem = Err(MbarrierProblem::TooManyArrivals { expected: 1 });
        assert_eq!(barrier.arrive(2), problem);
        assert_eq!(Mbarrier::new(0, MADE), Err(MbarrierProblem::CountOutOfRange { count: 0 }));
    }
}
