//! Operators, bit for bit.

use firesteel::half::{bf16, f16};

use super::{check_pairs, device, pairs};

macro_rules! int_operators {
    ($($test:ident $ty:ident;)*) => { $(
        #[test]
        fn $test() {
            let device = device();
            let name = stringify!($ty);
            let values: Vec<$ty> = [
                <$ty>::MIN, <$ty>::MIN.wrapping_add(1), <$ty>::MAX, <$ty>::MAX - 1,
                <$ty>::MAX / 2, <$ty>::MAX / 3, 0, 1, 2, 3, 7, 10, 41, 100, (0 as $ty).wrapping_sub(1),
                (0 as $ty).wrapping_sub(7),
            ]
            .to_vec();
            let all = pairs(&values, &values);
            let nonzero: Vec<_> = all.iter().copied().filter(|(_, y)| *y != 0).collect();
            let same = [name, name, name];
            let truth = [name, name, "bool"];
            check_pairs(&device, same, "x + y", &all, |x, y| x.wrapping_add(y));
            check_pairs(&device, same, "x - y", &all, |x, y| x.wrapping_sub(y));
            check_pairs(&device, same, "x * y", &all, |x, y| x.wrapping_mul(y));
            check_pairs(&device, same, "x / y", &nonzero, |x, y| x.wrapping_div(y));
            check_pairs(&device, same, "x % y", &nonzero, |x, y| x.wrapping_rem(y));
            check_pairs(&device, same, "x / 7 + x % 7 - x / 8 - x % 8", &all, |x, _| {
                (x / 7).wrapping_add(x % 7).wrapping_sub(x / 8).wrapping_sub(x % 8)
            });
            check_pairs(&device, same, "x & y", &all, |x, y| x & y);
            check_pairs(&device, same, "x | y", &all, |x, y| x | y);
            check_pairs(&device, same, "x ^ y", &all, |x, y| x ^ y);
            check_pairs(&device, same, "!x", &all, |x, _| !x);
            check_pairs(&device, same, "x << y", &all, |x, y| x.wrapping_shl(y as u32));
            check_pairs(&device, same, "x >> y", &all, |x, y| x.wrapping_shr(y as u32));
            check_pairs(&device, same, "(x << 3) >> 2", &all, |x, _| x.wrapping_shl(3) >> 2);
            check_pairs(&device, truth, "x == y", &all, |x, y| x == y);
            check_pairs(&device, truth, "x != y", &all, |x, y| x != y);
            check_pairs(&device, truth, "x < y", &all, |x, y| x < y);
            check_pairs(&device, truth, "x <= y", &all, |x, y| x <= y);
            check_pairs(&device, truth, "x > y", &all, |x, y| x > y);
            check_pairs(&device, truth, "x >= y", &all, |x, y| x >= y);
            check_pairs(&device, same, "let mut m = x; m += y; m *= 3; m -= 1; m", &all, |x, y| {
                x.wrapping_add(y).wrapping_mul(3).wrapping_sub(1)
            });
        }
    )* };
}

int_operators! {
    operators_of_i8 i8;
    operators_of_i16 i16;
    operators_of_i32 i32;
    operators_of_i64 i64;
    operators_of_isize isize;
    operators_of_u8 u8;
    operators_of_u16 u16;
    operators_of_u32 u32;
    operators_of_u64 u64;
    operators_of_usize usize;
}

macro_rules! negation {
    ($($ty:ident)*) => { $({
        let name = stringify!($ty);
        let device = device();
        let values = [<$ty>::MIN, <$ty>::MIN + 1, <$ty>::MAX, 0, 1, -1, 77];
        let values = pairs(&values, &[1, 2, 3, -5, <$ty>::MIN, <$ty>::MAX]);
        let same = [name, name, name];
        check_pairs(&device, same, "-x", &values, |x, _| x.wrapping_neg());
        // Each use of the result must see that it has wrapped.
        let negations: [(&str, fn($ty) -> $ty); 4] = [
            ("(-x)", |x| x.wrapping_neg()),
            ("(0 - x)", |x| x.wrapping_neg()),
            ("((x ^ x) - x)", |x| x.wrapping_neg()),
            ("x.wrapping_abs()", |x| x.wrapping_abs()),
        ];
        for (text, negate) in negations {
            let uses = [name, name, "i64"];
            let wide = format!("{text} as i64");
            check_pairs(&device, uses, &wide, &values, |x, _| negate(x) as i64);
            let shifted = format!("{text} >> 1");
            check_pairs(&device, same, &shifted, &values, |x, _| negate(x) >> 1);
            let divided = format!("{text} / y");
            check_pairs(&device, same, &divided, &values, |x, y| negate(x).wrapping_div(y));
            let compared = format!("{text} < y");
            check_pairs(&device, [name, name, "bool"], &compared, &values, |x, y| negate(x) < y);
            let single = format!("{text} as f32");
            check_pairs(&device, [name, name, "f32"], &single, &values, |x, _| negate(x) as f32);
        }
    })* };
}

#[test]
fn negation_wraps() {
    negation!(i8 i16 i32 i64 isize);
}

macro_rules! float_operators {
    ($($test:ident $ty:ident |$from:ident| $convert:expr;)*) => { $(
        #[test]
        fn $test() {
            let device = device();
            let name = stringify!($ty);
            let values: Vec<$ty> = FLOATS.iter().map(|$from| $convert).collect();
            let all = pairs(&values, &values);
            let (same, truth) = ([name, name, name], [name, name, "bool"]);
            check_pairs(&device, same, "x + y", &all, |x, y| x + y);
            check_pairs(&device, same, "x - y", &all, |x, y| x - y);
            check_pairs(&device, same, "x * y", &all, |x, y| x * y);
            check_pairs(&device, same, "x / y", &all, |x, y| x / y);
            check_pairs(&device, same, "x % y", &all, |x, y| x % y);
            check_pairs(&device, same, "-x", &all, |x, _| -x);
            check_pairs(&device, same, "x * y + y", &all, |x, y| x * y + y);
            check_pairs(&device, truth, "x == y", &all, |x, y| x == y);
            check_pairs(&device, truth, "x != y", &all, |x, y| x != y);
            check_pairs(&device, truth, "x < y", &all, |x, y| x < y);
            check_pairs(&device, truth, "x <= y", &all, |x, y| x <= y);
            check_pairs(&device, truth, "x > y", &all, |x, y| x > y);
            check_pairs(&device, truth, "x >= y", &all, |x, y| x >= y);
        }
    )* };
}

const FLOATS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    -0.3,
    1.5,
    3.0,
    7.3,
    1000.7,
    -123.456,
    65504.0,
    1e-7,
    6e-8,
    1e-40,
    -3e38,
    1e300,
    f64::MAX,
    f64::MIN_POSITIVE,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

float_operators! {
    operators_of_f16 f16 |x| f16::from_f64(*x);
    operators_of_bf16 bf16 |x| bf16::from_f64(*x);
    operators_of_f32 f32 |x| *x as f32;
    operators_of_f64 f64 |x| *x;
}

#[test]
fn operators_of_bool() {
    let device = device();
    let all = pairs(&[false, true], &[false, true]);
    let check = |expr: &str, want: fn(bool, bool) -> bool| {
        check_pairs(&device, ["bool"; 3], expr, &all, want);
    };
    check("x & y", |x, y| x & y);
    check("x | y", |x, y| x | y);
    check("x ^ y", |x, y| x ^ y);
    check("!x", |x, _| !x);
    check("x && y", |x, y| x && y);
    check("x || !y", |x, y| x || !y);
    check("x == y", |x, y| x == y);
    check("x != y", |x, y| x != y);
    check("x < y", |x, y| !x & y);
    check("x <= y", |x, y| x <= y);
    check("x > y", |x, y| x & !y);
    check("x >= y", |x, y| x >= y);
    check("if x { y } else { !y }", |x, y| if x { y } else { !y });
}
