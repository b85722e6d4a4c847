//! Methods of integers, bit for bit.

use super::{Random, check_pairs, device, pairs};

/// Ends of the range, single bits and their neighbours, and a few others.
macro_rules! values {
    ($ty:ident) => {{
        let mut values = vec![<$ty>::MIN, <$ty>::MAX, 0, 1, 2, 3, 7, 41, 100];
        for bit in 0..<$ty>::BITS {
            let one = (1 as $ty) << bit;
            values.extend([one, one.wrapping_sub(1), !one]);
        }
        let mut random = Random::new();
        values.extend((0..20).map(|_| random.bits() as $ty));
        values
    }};
}

macro_rules! one_argument {
    ($device:ident $ty:ident: $($method:ident -> $ret:ident;)*) => { $(
        let call = concat!("x.", stringify!($method), "()");
        let types = [stringify!($ty), "u8", stringify!($ret)];
        check_pairs(&$device, types, call, &pairs(&values!($ty), &[0u8]), |x, _| x.$method());
    )* };
}

macro_rules! two_arguments {
    ($device:ident $ty:ident: $($method:ident $arg:ident -> $ret:ident, $values:expr;)*) => { $(
        let call = concat!("x.", stringify!($method), "(y)");
        let types = [stringify!($ty), stringify!($arg), stringify!($ret)];
        check_pairs(&$device, types, call, &$values, |x, y: $arg| x.$method(y));
    )* };
}

macro_rules! every_int {
    ($device:ident $ty:ident $bits:ident) => {
        one_argument! { $device $ty:
            count_ones -> u32;
            count_zeros -> u32;
            leading_zeros -> u32;
            leading_ones -> u32;
            trailing_zeros -> u32;
            trailing_ones -> u32;
            reverse_bits -> $ty;
            swap_bytes -> $ty;
            wrapping_neg -> $ty;
        }
        let values = values!($ty);
        let all = pairs(&values, &values);
        let some = pairs(&values, &[1, 2, 3, 7, 100, <$ty>::MAX, <$ty>::MIN + 1]);
        let some: Vec<_> = some.into_iter().filter(|(_, y)| *y != 0).collect();
        let amounts = pairs(&values, &[0u32, 1, 3, 7, 8, 9, 15, 16, 31, 32, 33, 63, 64, 100]);
        two_arguments! { $device $ty:
            wrapping_add $ty -> $ty, all;
            wrapping_sub $ty -> $ty, all;
            wrapping_mul $ty -> $ty, all;
            wrapping_div $ty -> $ty, some;
            wrapping_rem $ty -> $ty, some;
            saturating_add $ty -> $ty, all;
            saturating_sub $ty -> $ty, all;
            abs_diff $ty -> $bits, all;
            min $ty -> $ty, all;
            max $ty -> $ty, all;
            rem_euclid $ty -> $ty, some;
            div_euclid $ty -> $ty, some;
            rotate_left u32 -> $ty, amounts;
            rotate_right u32 -> $ty, amounts;
            wrapping_shl u32 -> $ty, amounts;
            wrapping_shr u32 -> $ty, amounts;
        }
        let name = stringify!($ty);
        let powers = pairs(&values, &[0u32, 1, 2, 3, 5, 8, 31, 40]);
        check_pairs(&$device, [name, "u32", name], "x.pow(y)", &powers, |x, y| x.wrapping_pow(y));
        let none = pairs(&values, &[0u8]);
        for power in [0, 1, 2, 3, 4, 7, 10] {
            let call = format!("x.pow({power})");
            check_pairs(&$device, [name, "u8", name], &call, &none, |x, _| x.wrapping_pow(power));
        }
        let clamp = "x.clamp(y.min(41), y.max(41))";
        check_pairs(&$device, [name, name, name], clamp, &all, |x, y| {
            x.clamp(y.min(41), y.max(41))
        });
        let positive: Vec<_> = none.iter().copied().filter(|(x, _)| *x > 0).collect();
        check_pairs(&$device, [name, "u8", "u32"], "x.ilog2()", &positive, |x, _| x.ilog2());
    };
}

macro_rules! unsigned {
    ($($test:ident $ty:ident;)*) => { $(
        #[test]
        fn $test() {
            let device = device();
            every_int!(device $ty $ty);
            one_argument! { device $ty: is_power_of_two -> bool; }
            let name = stringify!($ty);
            let values = values!($ty);
            let none = pairs(&values, &[0u8]);
            check_pairs(&device, [name, "u8", name], "x.next_power_of_two()", &none, |x, _| {
                x.checked_next_power_of_two().unwrap_or(0)
            });
            let some = pairs(&values, &[1, 2, 3, 7, 100, <$ty>::MAX]);
            two_arguments! { device $ty: div_ceil $ty -> $ty, some; }
            check_pairs(&device, [name, name, name], "x.next_multiple_of(y)", &some, |x, y| {
                x.checked_next_multiple_of(y).unwrap_or_else(|| x.wrapping_add(y - x % y))
            });
        }
    )* };
}

macro_rules! signed {
    ($($test:ident $ty:ident $bits:ident;)*) => { $(
        #[test]
        fn $test() {
            let device = device();
            every_int!(device $ty $bits);
            one_argument! { device $ty:
                wrapping_abs -> $ty;
                unsigned_abs -> $bits;
                signum -> $ty;
            }
            let name = stringify!($ty);
            let none = pairs(&values!($ty), &[0u8]);
            check_pairs(&device, [name, "u8", name], "x.abs()", &none, |x, _| x.wrapping_abs());
            check_pairs(&device, [name, "u8", name], "abs(x)", &none, |x, _| x.wrapping_abs());
            let least = [(<$ty>::MIN, -1 as $ty)];
            check_pairs(&device, [name; 3], "x.wrapping_div(y)", &least, |x, _| x);
            check_pairs(&device, [name; 3], "x.wrapping_rem(y)", &least, |_, _| 0 as $ty);
        }
    )* };
}

unsigned! {
    methods_of_u8 u8;
    methods_of_u16 u16;
    methods_of_u32 u32;
    methods_of_u64 u64;
    methods_of_usize usize;
}

signed! {
    methods_of_i8 i8 u8;
    methods_of_i16 i16 u16;
    methods_of_i32 i32 u32;
    methods_of_i64 i64 u64;
    methods_of_isize isize usize;
}
