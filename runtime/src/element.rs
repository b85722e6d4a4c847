//! The types that host and device share.

use half::{bf16, f16};

use crate::error::Result;
use crate::narrow::{e4m3, e5m2};
use crate::nibbles::{i4x8, u4x8};
use crate::pair::{bf16x2, f16x2};

mod sealed {
    pub trait Sealed {}
}

/// A scalar that has the same bytes on host and device: the element type of buffers and the type of
/// scalar arguments.
///
/// Sealed: implemented for `u8` to `u64`, `i8` to `i64`, `usize`, `isize`, `e4m3`, `e5m2`, `f16`,
/// `bf16`, `f16x2`, `bf16x2`, `i4x8`, `u4x8`, `f32`, `f64` and `bool`.
pub trait DeviceCopy: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The type's name, for messages.
    #[doc(hidden)]
    const NAME: &'static str;
    /// The value whose bytes are all zero.
    #[doc(hidden)]
    fn zero() -> Self;
    /// The bytes of a slice.
    #[doc(hidden)]
    fn bytes(values: &[Self]) -> &[u8];
    /// Lets `fill` write the bytes of a slice. Any byte is a value of each type but `bool`, where
    /// every byte but 0 is read as true.
    #[doc(hidden)]
    fn fill(values: &mut [Self], fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()>;
}

/// A [`DeviceCopy`] type that is one number or truth value: the type of scalar arguments.
pub trait DeviceScalar: DeviceCopy {
    /// The value in the low bits of a kernel argument, the rest zero.
    #[doc(hidden)]
    fn argument(self) -> u64;
}

/// A struct with `#[repr(C)]` under [`gpu_struct`](crate::gpu_struct), which implements it.
#[doc(hidden)]
pub trait DeviceStruct: bytemuck::Pod + Send + Sync {
    /// The struct's name, for messages.
    const NAME: &'static str;
}

impl<T: DeviceStruct> sealed::Sealed for T {}
impl<T: DeviceStruct> DeviceCopy for T {
    const NAME: &'static str = <T as DeviceStruct>::NAME;

    fn zero() -> Self {
        bytemuck::Zeroable::zeroed()
    }

    fn bytes(values: &[Self]) -> &[u8] {
        bytemuck::cast_slice(values)
    }

    fn fill(values: &mut [Self], fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
        fill(bytemuck::cast_slice_mut(values))
    }
}
impl<T: DeviceStruct> Plain for T {}

/// A [`DeviceCopy`] type of which every bit pattern is a value: all but `bool`. Only these can be
/// seen in place in a `PinnedBuffer`, which the device writes.
pub trait Plain: DeviceCopy + bytemuck::Pod {}

macro_rules! plain {
    ($($ty:ty: $zero:expr, |$value:ident| $argument:expr;)*) => { $(
        impl sealed::Sealed for $ty {}
        impl DeviceCopy for $ty {
            const NAME: &'static str = stringify!($ty);

            fn zero() -> Self {
                $zero
            }

            fn bytes(values: &[Self]) -> &[u8] {
                bytemuck::must_cast_slice(values)
            }

            fn fill(values: &mut [Self], fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
                fill(bytemuck::must_cast_slice_mut(values))
            }
        }
        impl DeviceScalar for $ty {
            fn argument(self) -> u64 {
                let $value = self;
                $argument
            }
        }
        impl Plain for $ty {}
    )* };
}

plain! {
    u8: 0, |it| u64::from(it);
    u16: 0, |it| u64::from(it);
    u32: 0, |it| u64::from(it);
    u64: 0, |it| it;
    usize: 0, |it| it as u64;
    i8: 0, |it| u64::from(it as u8);
    i16: 0, |it| u64::from(it as u16);
    i32: 0, |it| u64::from(it as u32);
    i64: 0, |it| it as u64;
    isize: 0, |it| it as u64;
    e4m3: e4m3::ZERO, |it| u64::from(it.to_bits());
    e5m2: e5m2::ZERO, |it| u64::from(it.to_bits());
    f16: f16::ZERO, |it| u64::from(it.to_bits());
    bf16: bf16::ZERO, |it| u64::from(it.to_bits());
    f16x2: f16x2::ZERO, |it| u64::from(it.to_bits());
    bf16x2: bf16x2::ZERO, |it| u64::from(it.to_bits());
    i4x8: i4x8::ZERO, |it| u64::from(it.to_bits());
    u4x8: u4x8::ZERO, |it| u64::from(it.to_bits());
    f32: 0.0, |it| u64::from(it.to_bits());
    f64: 0.0, |it| it.to_bits();
}

impl sealed::Sealed for bool {}
impl DeviceCopy for bool {
    const NAME: &'static str = "bool";

    fn zero() -> Self {
        false
    }

    fn bytes(values: &[Self]) -> &[u8] {
        bytemuck::must_cast_slice(values)
    }

    fn fill(values: &mut [Self], fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<()> {
        let mut bytes = vec![0; values.len()];
        fill(&mut bytes)?;
        for (value, byte) in values.iter_mut().zip(bytes) {
            *value = byte != 0;
        }
        Ok(())
    }
}
impl DeviceScalar for bool {
    fn argument(self) -> u64 {
        u64::from(self)
    }
}

/// Bytes of `count` elements, or an error where they exceed 64 bits.
pub(crate) fn bytes_of<T>(count: usize) -> Result<u64> {
    let size = size_of::<T>();
    match count.checked_mul(size) {
        Some(bytes) if bytes <= isize::MAX as usize => Ok(bytes as u64),
        Some(_) | None => Err(crate::Error::SizeOverflow { count, size }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_hold_the_value_in_the_low_bits() {
        assert_eq!((-1i8).argument(), 0xff);
        assert_eq!((-1i32).argument(), 0xffff_ffff);
        assert_eq!((-1i64).argument(), u64::MAX);
        assert_eq!(1.0f32.argument(), 0x3f80_0000);
        assert_eq!(bf16::from_f32(1.0).argument(), 0x3f80);
        assert_eq!(e4m3::from_f32(-1.0).argument(), 0xb8);
        assert_eq!(true.argument(), 1);
    }

    #[test]
    fn any_byte_but_zero_is_true() {
        let mut values = [false; 3];
        bool::fill(&mut values, |bytes| {
            bytes.copy_from_slice(&[0, 1, 200]);
            Ok(())
        })
        .unwrap();
        assert_eq!(values, [false, true, true]);
    }

    #[test]
    fn sizes_beyond_the_address_space_are_refused() {
        assert_eq!(bytes_of::<f32>(3).unwrap(), 12);
        assert!(bytes_of::<u64>(usize::MAX / 4).is_err());
    }
}
