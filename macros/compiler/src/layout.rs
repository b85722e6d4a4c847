//! Where the parts of a struct are in memory: the layout of `#[repr(C)]`.
//!
//! A struct is the tuple of its fields here. Each field is aligned as its own type wants, and the
//! whole is as long as a multiple of the largest alignment (Rust reference, "The C
//! representation"). The front lets only numbers, arrays and structs into memory, and no padding.

use crate::hir::{Scalar, Ty};

/// Bytes of a type, and what its address is a multiple of.
pub(crate) fn size_align(ty: &Ty) -> (u64, u64) {
    match ty {
        Ty::Scalar(scalar) => (u64::from(scalar.bytes()), u64::from(scalar.bytes())),
        Ty::Array(elem, len) => {
            let (size, align) = size_align(elem);
            (size * u64::from(*len), align)
        }
        Ty::Tuple(fields) => {
            let aligns = fields.iter().map(|field| size_align(field).1);
            let align = aligns.max().unwrap_or(1);
            let end = fields.iter().fold(0, |end: u64, field| {
                let (size, align) = size_align(field);
                end.next_multiple_of(align) + size
            });
            (end.next_multiple_of(align), align)
        }
        Ty::Vector(_) | Ty::Fragment(_) | Ty::Unit | Ty::Never | Ty::Error => (0, 1),
    }
}

/// Where a field begins.
pub(crate) fn offset_of(fields: &[Ty], field: usize) -> u64 {
    let before = fields.iter().take(field).fold(0, |end: u64, field| {
        let (size, align) = size_align(field);
        end.next_multiple_of(align) + size
    });
    before.next_multiple_of(fields.get(field).map_or(1, |field| size_align(field).1))
}

/// The scalars of a type in the order in which registers hold them, and where each begins.
pub(crate) fn scalars(ty: &Ty) -> Vec<(u64, Scalar)> {
    let mut found = Vec::new();
    collect(ty, 0, &mut found);
    found
}

fn collect(ty: &Ty, start: u64, into: &mut Vec<(u64, Scalar)>) {
    match ty {
        Ty::Scalar(scalar) => into.push((start, *scalar)),
        Ty::Array(elem, len) => {
            let (size, _) = size_align(elem);
            (0..u64::from(*len)).for_each(|i| collect(elem, start + i * size, into));
        }
        Ty::Tuple(fields) => {
            for (i, field) in fields.iter().enumerate() {
                collect(field, start + offset_of(fields, i), into);
            }
        }
        Ty::Vector(_) | Ty::Fragment(_) | Ty::Unit | Ty::Never | Ty::Error => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_the_compiler_of_c_puts_them() {
        let array = |elem, len| Ty::Array(Box::new(Ty::Scalar(elem)), len);
        let q6k = [
            array(Scalar::U8, 128),
            array(Scalar::U8, 64),
            array(Scalar::I8, 16),
            Ty::Scalar(Scalar::F16),
        ];
        assert_eq!(offset_of(&q6k, 3), 208);
        assert_eq!(size_align(&Ty::Tuple(q6k.to_vec())), (210, 2));
        let padded = [Ty::Scalar(Scalar::U8), Ty::Scalar(Scalar::U32), Ty::Scalar(Scalar::U16)];
        assert_eq!((offset_of(&padded, 1), offset_of(&padded, 2)), (4, 8));
        let padded = Ty::Tuple(padded.to_vec());
        assert_eq!(size_align(&padded), (12, 4));
        let pairs = Ty::Array(Box::new(padded), 2);
        let want = [0, 4, 8, 12, 16, 20];
        assert_eq!(scalars(&pairs).iter().map(|it| it.0).collect::<Vec<_>>(), want);
    }
}
