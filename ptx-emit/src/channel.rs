//! Layout of the channel: the block of memory through which a running kernel speaks to the host.
//!
//! The compiler emits stores to these offsets and the runtime reads them, so both take them from
//! here. The block is mapped into both address spaces; all fields are little endian and naturally
//! aligned. It has two halves:
//!
//! - The *fault record*. The first thread that fails a check claims it with `atom.cas` (0 to 1)
//!   on [`CLAIMED`], fills the fields in, issues `membar.sys`, stores 1 to [`READY`] and exits.
//!   Every later faulting thread finds it claimed and only exits.
//! - The *print log*. A printing thread claims `8 + 2 * n_args` words with one `atom.add` on
//!   [`PRINT_CURSOR`]. A record that ends beyond [`PRINT_CAPACITY`] is not written, but the cursor
//!   has moved, so the host knows how many words were lost.

/// `u32`: 0 while the fault record is free, 1 once a thread has claimed it.
pub const CLAIMED: u32 = 0;
/// `u32`: the number that the runtime gave to the kernel, its last argument.
pub const KERNEL: u32 = 4;
/// `u32`: index into the kernel's table of sites.
pub const SITE: u32 = 8;
/// `u64`: first operand of the failed check; of a bounds check the index, sign extended.
pub const A: u32 = 16;
/// `u64`: second operand of the failed check; of a bounds check the length.
pub const B: u32 = 24;
/// `u32` times 3: the block's index, x first.
pub const BLOCK: u32 = 32;
/// `u32` times 3: the thread's index, x first.
pub const THREAD: u32 = 44;
/// `u32`: 1 once every other field of the fault record is in memory.
pub const READY: u32 = 56;
/// Bytes from the start of the channel that the fault record may use.
pub const FAULT_BYTES: u32 = 64;

/// `u32`: words of the print log claimed since the host last emptied it; may exceed the capacity.
pub const PRINT_CURSOR: u32 = 64;
/// `u32`: words that the print log holds; the host writes it once.
pub const PRINT_CAPACITY: u32 = 68;
/// Offset of the print log's first word.
pub const PRINT_WORDS: u32 = 80;

/// Words of a print record before its arguments.
pub const PRINT_HEADER_WORDS: u32 = 8;
/// Words that each argument of a print takes: low half, then high half.
pub const PRINT_ARG_WORDS: u32 = 2;
/// Word of a print record that holds the kernel's number.
pub const PRINT_KERNEL_WORD: u32 = 0;
/// Word of a print record that holds the site.
pub const PRINT_SITE_WORD: u32 = 1;
/// First of the three words of a print record that hold the block's index.
pub const PRINT_BLOCK_WORD: u32 = 2;
/// First of the three words of a print record that hold the thread's index.
pub const PRINT_THREAD_WORD: u32 = 5;

/// Words of a print record with `n_args` arguments.
#[must_use]
pub const fn print_record_words(n_args: u32) -> u32 {
    PRINT_HEADER_WORDS + PRINT_ARG_WORDS * n_args
}

/// Bytes of a channel whose print log holds `print_words` words.
#[must_use]
pub const fn channel_bytes(print_words: u32) -> u64 {
    PRINT_WORDS as u64 + 4 * print_words as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_aligned_and_do_not_overlap() {
        let fields = [
            (CLAIMED, 4, 4),
            (KERNEL, 4, 4),
            (SITE, 4, 4),
            (A, 8, 8),
            (B, 8, 8),
            (BLOCK, 12, 4),
            (THREAD, 12, 4),
            (READY, 4, 4),
            (PRINT_CURSOR, 4, 4),
            (PRINT_CAPACITY, 4, 4),
            (PRINT_WORDS, 4, 16),
        ];
        for pair in fields.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?}");
        }
        for (offset, _, align) in fields {
            assert_eq!(offset % align, 0, "offset {offset}");
        }
    }

    #[test]
    fn record_sizes_add_up() {
        assert_eq!(print_record_words(0), PRINT_THREAD_WORD + 3);
        assert_eq!(print_record_words(3), 14);
        assert_eq!(channel_bytes(16), 144);
    }
}
