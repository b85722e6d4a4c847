//! Instructions on bits and bytes.

use super::{Random, check_pairs, device, pairs, run_block};

fn words() -> Vec<u32> {
    let mut random = Random::new();
    let mut words = vec![0, 1, 0x0101_0101, 0x7f80_0102, 0x8000_0000, u32::MAX];
    words.extend((0..16).map(|_| random.bits() as u32));
    words
}

/// The bytes or halves of a word, extended.
fn lanes(word: u32, bits: u32, signed: bool) -> Vec<i64> {
    (0..32 / bits)
        .map(|lane| {
            let value = i64::from(word >> (lane * bits)) & ((1 << bits) - 1);
            if signed && value >> (bits - 1) == 1 { value - (1 << bits) } else { value }
        })
        .collect()
}

fn dot(a: Vec<i64>, b: &[i64]) -> i64 {
    a.into_iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn dot_products_of_bytes() {
    let device = device();
    let all = pairs(&words(), &words());
    for (suffix, a_signed, b_signed) in
        [("", true, true), ("_su", true, false), ("_us", false, true), ("_uu", false, false)]
    {
        let start = if suffix == "_uu" { "7" } else { "-7" };
        let from = if suffix == "_uu" { 7 } else { -7 };
        let call = format!("dp4a{suffix}(x, y, {start}) as u32");
        check_pairs(&device, ["u32"; 3], &call, &all, |x, y| {
            (from + dot(lanes(x, 8, a_signed), &lanes(y, 8, b_signed))) as u32
        });
        for (half, skip) in [("lo", 0), ("hi", 2)] {
            let call = format!("dp2a_{half}{suffix}(x, y, {start}) as u32");
            check_pairs(&device, ["u32"; 3], &call, &all, |x, y| {
                (from + dot(lanes(x, 16, a_signed), &lanes(y, 8, b_signed)[skip..])) as u32
            });
        }
    }
}

#[test]
fn bytes_are_picked() {
    let device = device();
    let all = pairs(&words(), &words());
    for selector in [0x3210_u32, 0x0123, 0x7654, 0x5140, 0xba98, 0xfedc, 0x1111] {
        let call = format!("prmt(x, y, {selector})");
        check_pairs(&device, ["u32"; 3], &call, &all, |x, y| {
            let bytes = (u64::from(y) << 32 | u64::from(x)).to_le_bytes();
            let byte = |at: u32| {
                let nibble = selector >> (4 * at) & 0xf;
                let byte = bytes[(nibble & 7) as usize];
                if nibble & 8 != 0 { (byte.cast_signed() >> 7).cast_unsigned() } else { byte }
            };
            u32::from_le_bytes([0, 1, 2, 3].map(byte))
        });
    }
}

#[test]
fn any_function_of_three_bits() {
    let device = device();
    let all = pairs(&words(), &words());
    for lut in [0x96_u32, 0xe8, 0xca, 0x01, 0xfe, 0x80] {
        let call = format!("lop3::<{lut}>(x, y, 0x3c5a_0ff1)");
        check_pairs(&device, ["u32"; 3], &call, &all, |x, y| {
            let z = 0x3c5a_0ff1_u32;
            (0..32).fold(0, |word, bit| {
                let index = (x >> bit & 1) << 2 | (y >> bit & 1) << 1 | z >> bit & 1;
                word | (lut >> index & 1) << bit
            })
        });
    }
}

#[test]
fn bit_fields() {
    let device = device();
    for (pos, len) in [(0_u32, 8_u32), (4, 4), (31, 1), (0, 32), (16, 16), (7, 0), (28, 4)] {
        let all = pairs(&words(), &words());
        let call = format!("bfe(x, {pos}, {len})");
        let mask = ((1_u64 << len) - 1) as u32;
        check_pairs(&device, ["u32"; 3], &call, &all, |x, _| x >> pos & mask);
        let signed: Vec<(i32, u8)> = words().iter().map(|x| (x.cast_signed(), 0)).collect();
        check_pairs(&device, ["i32", "u8", "i32"], &call, &signed, |x, _| {
            let up = 32 - pos - len;
            if len == 0 { 0 } else { x << up >> (32 - len) }
        });
        let call = format!("bfi(x, y, {pos}, {len})");
        check_pairs(&device, ["u32"; 3], &call, &all, |x, y| {
            y & !(mask << pos) | (x & mask) << pos
        });
        let wide: Vec<(u64, u64)> =
            all.iter().map(|(x, y)| (u64::from(*x) << 17 | 5, u64::from(*y) << 9)).collect();
        let mask = (1_u64 << len) - 1;
        check_pairs(&device, ["u64"; 3], &call, &wide, |x, y| {
            y & !(mask << pos) | (x & mask) << pos
        });
    }
}

#[test]
fn funnel_shifts() {
    let device = device();
    let all = pairs(&words(), &words());
    for amount in [0_u32, 1, 8, 31, 32, 40] {
        let both = |x: u32, y: u32| u64::from(y) << 32 | u64::from(x);
        let call = format!("funnel_shl(x, y, {amount})");
        check_pairs(&device, ["u32"; 3], &call, &all, |x, y| {
            (both(x, y) << (amount & 31) >> 32) as u32
        });
        let call = format!("funnel_shr(x, y, {amount})");
        check_pairs(&device, ["u32"; 3], &call, &all, |x, y| (both(x, y) >> (amount & 31)) as u32);
    }
}

#[test]
fn products_and_distances() {
    let device = device();
    let all = pairs(&words(), &words());
    check_pairs(&device, ["u32"; 3], "mul_hi(x, y)", &all, |x, y| {
        ((u64::from(x) * u64::from(y)) >> 32) as u32
    });
    check_pairs(&device, ["u32"; 3], "sad(x, y, 9)", &all, |x, y| x.abs_diff(y).wrapping_add(9));
    let signed: Vec<(i32, i32)> =
        all.iter().map(|(x, y)| (x.cast_signed(), y.cast_signed())).collect();
    check_pairs(&device, ["i32"; 3], "mul_hi(x, y)", &signed, |x, y| {
        ((i64::from(x) * i64::from(y)) >> 32) as i32
    });
    check_pairs(&device, ["i32", "i32", "u32"], "sad(x, y, 9)", &signed, |x, y| {
        x.abs_diff(y).wrapping_add(9)
    });
    let wide: Vec<(u64, u64)> = all
        .iter()
        .map(|(x, y)| {
            (u64::from(*x).wrapping_mul(0x1_0000_0001), u64::from(*y).wrapping_mul(0x1_2345_6789))
        })
        .collect();
    check_pairs(&device, ["u64"; 3], "mul_hi(x, y)", &wide, |x, y| {
        ((u128::from(x) * u128::from(y)) >> 64) as u64
    });
    let wide: Vec<(i64, i64)> =
        wide.iter().map(|(x, y)| (x.cast_signed(), y.cast_signed())).collect();
    check_pairs(&device, ["i64"; 3], "mul_hi(x, y)", &wide, |x, y| {
        ((i128::from(x) * i128::from(y)) >> 64) as i64
    });
}

#[test]
fn clocks_go_forward() {
    let device = device();
    let body = "let a = clock64(); let b = globaltimer(); nanosleep(20); let c = clock();
        y[t] = (clock64() >= a && globaltimer() >= b && (clock() - c) < 0x8000_0000) as u32;";
    let got = run_block(&device, [32, 1, 1], "", ["u8", "u32"], body, &[0u8], &[0u32; 32]);
    assert_eq!(got, [1; 32]);
}
