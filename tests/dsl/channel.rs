//! Failed checks and prints, as the channel holds them.

use firesteel::{Arg, GpuBuffer};
use firesteel_ptx::channel;

use super::{device, load};

/// Words of the print log.
const LOG: u32 = 64;

/// Runs one block of 64 threads of a kernel over `x: &[i32]` and `y: &mut [i32]`, of eight elements
/// each, and gives `y` and the channel.
fn run(body: &str, k: i64) -> (Vec<i32>, Vec<u32>) {
    let device = device();
    let source = format!("fn kernel(x: &[i32], y: &mut [i32], k: i64) {{ {body} }}");
    let kernel = load(&device, "block_size = 64", &source);
    let x = device.alloc_from(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    let y = device.alloc_zeros::<i32>(8).unwrap();
    let mut words = vec![0u32; channel::channel_bytes(LOG) as usize / 4];
    words[channel::PRINT_CAPACITY as usize / 4] = LOG;
    let channel: GpuBuffer<u32> = device.alloc_from(&words).unwrap();
    let args: [Arg<'_>; 7] = [
        (&x).into(),
        8u64.into(),
        (&y).into(),
        8u64.into(),
        k.into(),
        (&channel).into(),
        77u32.into(),
    ];
    kernel.launch(&device.stream(), [1, 1, 1], [64, 1, 1], &args).unwrap();
    (y.to_host(&device).unwrap(), channel.to_host(&device).unwrap())
}

fn word(words: &[u32], offset: u32) -> u32 {
    words[offset as usize / 4]
}

fn wide(words: &[u32], offset: u32) -> u64 {
    u64::from(word(words, offset)) | u64::from(word(words, offset + 4)) << 32
}

/// Demands a fault of thread `thread` at site 0 with operands `a` and `b`.
fn demand_fault(words: &[u32], thread: u32, a: u64, b: u64) {
    demand_fault_at(0, words, thread, a, b);
}

fn demand_fault_at(site: u32, words: &[u32], thread: u32, a: u64, b: u64) {
    assert_eq!(word(words, channel::CLAIMED), 1);
    assert_eq!(word(words, channel::READY), 1);
    assert_eq!(word(words, channel::KERNEL), 77);
    assert_eq!(word(words, channel::SITE), site);
    assert_eq!(word(words, channel::THREAD), thread);
    assert_eq!((wide(words, channel::A), wide(words, channel::B)), (a, b));
}

#[test]
fn index_out_of_bounds_is_recorded() {
    let (y, words) =
        run("let t = thread_idx_x(); if t == 5 { y[t + 3] = 1; } if t < 5 { y[t] = 2; }", 0);
    demand_fault(&words, 5, 8, 8);
    assert_eq!(y, [2, 2, 2, 2, 2, 0, 0, 0]);
}

#[test]
fn indices_of_every_type_are_checked() {
    for (index, a) in [
        ("8u8", 8),
        ("k as i8", -1_i64 as u64),
        ("k as i16", -1_i64 as u64),
        ("k as u16", 0xffff),
        ("k as i32", -1_i64 as u64),
        ("k as u32", 0xffff_ffff),
        ("k", -1_i64 as u64),
        ("k as u64", u64::MAX),
        ("k as usize", u64::MAX),
        ("k as isize", u64::MAX),
        ("8", 8),
        ("k as i32 + 9", 8),
    ] {
        let (y, words) = run(&format!("if thread_idx_x() == 3 {{ y[{index}] = 1; }}"), -1);
        demand_fault(&words, 3, a, 8);
        assert_eq!(y, [0; 8], "{index}");
    }
}

#[test]
fn the_last_element_is_in_bounds() {
    for index in ["k as u8", "k as i8", "k as u32", "k as i32", "k", "k as usize", "7"] {
        let (y, words) = run(&format!("if thread_idx_x() == 3 {{ y[{index}] = x[{index}]; }}"), 7);
        assert_eq!(word(&words, channel::CLAIMED), 0, "{index}");
        assert_eq!(y[7], 8, "{index}");
    }
}

#[test]
fn shared_arrays_are_checked() {
    let body = "let t = shared_mem![i32; 64]; let i = thread_idx_x() as i64; t[i] = 1;
                bar_sync();
                if i == 9 { t[i + k] = 2; }";
    let (_, words) = run(body, 55);
    demand_fault(&words, 9, 64, 64);
    let (_, words) = run(body, -9);
    assert_eq!(word(&words, channel::CLAIMED), 0);
    let (_, words) = run(body, -10);
    demand_fault(&words, 9, -1_i64 as u64, 64);
}

#[test]
fn what_stands_before_a_failing_check_is_done() {
    let (y, words) = run("if thread_idx_x() == 0 { y[0] = x[1]; y[1] = x[k]; y[2] = 5; }", 9);
    assert_eq!(y[..3], [2, 0, 0]);
    demand_fault_at(2, &words, 0, 9, 8);
}

#[test]
fn the_first_of_two_failing_checks_is_recorded() {
    let (_, words) = run("if thread_idx_x() == 0 { y[0] = x[k] + x[k + 1]; }", 8);
    demand_fault(&words, 0, 8, 8);
    let (_, words) = run("if thread_idx_x() == 0 { y[0] = x[k] + y[k - 9]; }", 7);
    demand_fault_at(1, &words, 0, -2_i64 as u64, 8);
}

#[test]
fn a_changed_index_is_checked_as_it_is_then() {
    let body = "let mut i = k; let a = x[i]; i += 20; let b = x[i]; y[0] = a + b;";
    let (_, words) = run(&format!("if thread_idx_x() == 0 {{ {body} }}"), 3);
    demand_fault_at(1, &words, 0, 23, 8);
}

#[test]
fn division_by_zero_is_recorded() {
    let (_, words) =
        run("let t = thread_idx_x() as i32; if t == 2 { let q = t / (k as i32); y[0] = q; }", 0);
    demand_fault(&words, 2, 0, 0);
}

#[test]
fn assertions_are_recorded() {
    let (y, words) =
        run("let i = thread_idx_x(); assert!(i != 1 || k == 5); if i < 8 { y[i] = 1; }", 4);
    demand_fault(&words, 1, 0, 0);
    assert_eq!(y, [1, 0, 1, 1, 1, 1, 1, 1]);
    let (y, words) =
        run("let i = thread_idx_x(); assert!(i != 1 || k == 5); if i < 8 { y[i] = 1; }", 5);
    assert_eq!(word(&words, channel::CLAIMED), 0);
    assert_eq!(y, [1; 8]);
}

#[test]
fn prints_are_logged() {
    let body = "let i = thread_idx_x();
                if i == 6 { gpu_println!(\"{} {} {}\", x[1], k as i8, 1.5f32); }";
    let (_, words) = run(body, -2);
    let size = channel::print_record_words(3);
    assert_eq!(word(&words, channel::PRINT_CURSOR), size);
    let log = &words[channel::PRINT_WORDS as usize / 4..];
    assert_eq!(log[channel::PRINT_KERNEL_WORD as usize], 77);
    assert_eq!(log[channel::PRINT_THREAD_WORD as usize], 6);
    let args = &log[channel::PRINT_HEADER_WORDS as usize..size as usize];
    assert_eq!(args, [2, 0, -2_i32 as u32, u32::MAX, 1.5f32.to_bits(), 0]);
}

#[test]
fn a_print_that_does_not_fit_is_dropped() {
    let (_, words) = run("gpu_println!(\"{}\", k);", 1);
    let size = channel::print_record_words(1);
    assert_eq!(word(&words, channel::PRINT_CURSOR), 64 * size);
    let log = &words[channel::PRINT_WORDS as usize / 4..];
    let written = log.chunks(size as usize).filter(|record| record[0] == 77).count();
    assert_eq!(written, (LOG / size) as usize);
}
