//! `as`: every scalar type to every other.

use firesteel::half::{bf16, f16};
use firesteel::{e4m3, e5m2};
use firesteel_compiler::value::{Scalar, Value};

use super::{Element, check_pairs, device, pairs};

/// Casts `values` to every type whose name is given; rustc says what it gives.
macro_rules! casts {
    ($device:expr, $from:ident, $values:expr; $($to:ident)*) => { $(
        let values = pairs(&$values, &[0u8]);
        let types = [stringify!($from), "u8", stringify!($to)];
        let expr = concat!("x as ", stringify!($to));
        check_pairs($device, types, expr, &values, |x, _| x as $to);
    )* };
}

/// The same to and from the short floats, which rustc does not have: the compiler's own constants
/// say what it gives, whose rounding is tested with them.
macro_rules! short_casts {
    ($device:expr, $from:ident, $values:expr; $($to:ident)*) => { $(
        let values = pairs(&$values, &[0u8]);
        let (from, to) = (stringify!($from), stringify!($to));
        let expr = format!("x as {to}");
        let types = [Scalar::from_name(from).unwrap(), Scalar::from_name(to).unwrap()];
        check_pairs($device, [from, "u8", to], &expr, &values, |x: $from, _| {
            let bits = Value::from_bits(types[0], x.bits()).cast(types[1]).bits();
            <$to as Short>::of(bits)
        });
    )* };
}

/// The value of some bits.
trait Short {
    fn of(bits: u64) -> Self;
}

macro_rules! shorts {
    ($($ty:ty: |$bits:ident| $of:expr;)*) => { $(
        impl Short for $ty {
            fn of($bits: u64) -> Self {
                $of
            }
        }
    )* };
}

shorts! {
    i8: |bits| bits as i8;
    i16: |bits| bits as i16;
    i32: |bits| bits as i32;
    i64: |bits| bits as i64;
    u8: |bits| bits as u8;
    u16: |bits| bits as u16;
    u32: |bits| bits as u32;
    u64: |bits| bits;
    e4m3: |bits| e4m3::from_bits(bits as u8);
    e5m2: |bits| e5m2::from_bits(bits as u8);
    f16: |bits| f16::from_bits(bits as u16);
    bf16: |bits| bf16::from_bits(bits as u16);
    f32: |bits| f32::from_bits(bits as u32);
    f64: |bits| f64::from_bits(bits);
}

macro_rules! int_casts {
    ($($test:ident $ty:ident;)*) => { $(
        #[test]
        fn $test() {
            let device = device();
            let mut values = vec![<$ty>::MIN, <$ty>::MAX, 0, 1, 2, 100];
            for bit in 0..<$ty>::BITS {
                let one = (1 as $ty) << bit;
                values.extend([one, one.wrapping_sub(1), one.wrapping_add(1), !one]);
                let lower = |by| one.checked_shr(by).unwrap_or(0);
                values.push(one | lower(8) | lower(9) | 1);
                values.push(one | lower(11) | lower(12));
                values.push((lower(1) | lower(9)) ^ one | 1);
            }
            casts!(&device, $ty, values;
                i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64);
            short_casts!(&device, $ty, values; e4m3 e5m2 f16 bf16);
        }
    )* };
}

int_casts! {
    casts_of_i8 i8;
    casts_of_i16 i16;
    casts_of_i32 i32;
    casts_of_i64 i64;
    casts_of_u8 u8;
    casts_of_u16 u16;
    casts_of_u32 u32;
    casts_of_u64 u64;
}

#[test]
fn casts_of_bool() {
    let device = device();
    casts!(&device, bool, [false, true]; i8 i16 i32 i64 isize u8 u16 u32 u64 usize);
}

/// Around the ends of each integer type, and where roundings decide.
fn floats() -> Vec<f64> {
    let mut values =
        vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN];
    for exponent in [0, 1, 6, 7, 8, 10, 11, 15, 16, 23, 24, 31, 32, 53, 62, 63, 64, 127, 128] {
        let power = 2f64.powi(exponent);
        for x in [power, power - 0.5, power + 0.5, power * 1.001, power * 0.999, power - 1.0] {
            values.extend([x, -x, 1.0 / x]);
        }
        // Between two short floats, and a little beside.
        for place in [3, 4, 8, 9, 11, 12] {
            let ulp = 2f64.powi(-place);
            let middle = power * (1.0 + ulp);
            values.extend([middle, middle * (1.0 + 1e-12), middle * (1.0 - 1e-12)]);
        }
    }
    values.extend([1e-41, 3e-39, 6e-8, 2.9e-8, 65519.9, 65520.0, 3.39e38, 3.3961e38]);
    values
}

#[test]
fn casts_of_f64() {
    let device = device();
    casts!(&device, f64, floats(); i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64);
    short_casts!(&device, f64, floats(); e4m3 e5m2 f16 bf16);
}

#[test]
fn casts_of_f32() {
    let device = device();
    let values: Vec<f32> = floats().into_iter().map(|x| x as f32).collect();
    casts!(&device, f32, values; i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64);
    short_casts!(&device, f32, values; e4m3 e5m2 f16 bf16);
}

#[test]
fn casts_of_f16() {
    let device = device();
    let values: Vec<f16> = (0..=u16::MAX).step_by(7).map(f16::from_bits).collect();
    short_casts!(&device, f16, values; i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 bf16 e4m3 e5m2);
}

#[test]
fn casts_of_bf16() {
    let device = device();
    let values: Vec<bf16> = (0..=u16::MAX).step_by(7).map(bf16::from_bits).collect();
    short_casts!(&device, bf16, values; i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 f16 e4m3 e5m2);
}

#[test]
fn casts_of_floats_of_8_bits() {
    let device = device();
    let values: Vec<e4m3> = (0..=u8::MAX).map(e4m3::from_bits).collect();
    short_casts!(&device, e4m3, values; i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 f16 bf16 e5m2);
    let values: Vec<e5m2> = (0..=u8::MAX).map(e5m2::from_bits).collect();
    short_casts!(&device, e5m2, values; i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 f16 bf16 e4m3);
}

/// From sm_80 on there is an instruction for what older machines compute.
#[test]
fn bf16_is_the_same_on_every_machine() {
    let device = device();
    let source = "fn kernel(x: &[f32], y: &mut [bf16]) {
        let i = block_idx_x() * block_dim_x() + thread_idx_x();
        if i < x.len() as u32 { y[i] = x[i] as bf16; }
    }";
    let values: Vec<f32> = floats().into_iter().map(|x| x as f32).collect();
    let x = device.alloc_from(&values).unwrap();
    let blocks = (values.len() as u32).div_ceil(super::BLOCK);
    for arch in ["sm_70", "sm_80"] {
        let attributes = format!("block_size = 64, unchecked, arch = \"{arch}\"");
        let kernel = super::load(&device, &attributes, source);
        let y = device.alloc_zeros::<bf16>(values.len()).unwrap();
        let len = values.len() as u64;
        let args = [(&x).into(), len.into(), (&y).into(), len.into()];
        kernel.launch(&device.stream(), [blocks, 1, 1], [super::BLOCK, 1, 1], &args).unwrap();
        for (x, got) in values.iter().zip(y.to_host(&device).unwrap()) {
            let want = bf16::from_f32(*x);
            let agree = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
            assert!(agree, "{x} on {arch}: {want}, not {got}");
        }
    }
}
