//! Shifts, bit fields, permutations and logic on words.
//!
//! PTX ISA, "Logic and Shift Instructions" and the bit-field entries of "Integer Arithmetic
//! Instructions".

/// `shl.b16/.b32/.b64` on the low `bits`. Amounts beyond the width give zero.
#[inline(always)]
pub fn shl(a: u64, amount: u32, bits: u32) -> u64 {
    if amount >= bits { 0 } else { (a << amount) & (u64::MAX >> (64 - bits)) }
}

/// `shr.u*` and `shr.b*` on the low `bits`. Amounts beyond the width give zero.
#[inline(always)]
pub fn shr(a: u64, amount: u32, bits: u32) -> u64 {
    if amount >= bits { 0 } else { (a & (u64::MAX >> (64 - bits))) >> amount }
}

/// `shr.s*` on the low `bits`. Amounts beyond the width fill with the sign.
#[inline(always)]
pub fn shr_signed(a: u64, amount: u32, bits: u32) -> u64 {
    let extended = ((a << (64 - bits)) as i64) >> (64 - bits);
    (extended >> amount.min(bits - 1)) as u64 & (u64::MAX >> (64 - bits))
}

/// What an operand beyond 31 does in `shf`, `bmsk` and `szext`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Beyond {
    /// `.clamp`: it counts as 32.
    Clamp,
    /// `.wrap`: only its low five bits count.
    Wrap,
}

impl Beyond {
    const fn amount(self, a: u32) -> u32 {
        match self {
            Beyond::Clamp if a > 32 => 32,
            Beyond::Clamp => a,
            Beyond::Wrap => a & 31,
        }
    }
}

/// `shf.l.mode.b32 d, a, b, c`: the upper word of `{b, a} << c`.
#[inline]
pub fn shf_l(a: u32, b: u32, c: u32, mode: Beyond) -> u32 {
    (((u64::from(b) << 32 | u64::from(a)) << mode.amount(c)) >> 32) as u32
}

/// `shf.r.mode.b32 d, a, b, c`: the lower word of `{b, a} >> c`.
#[inline]
pub fn shf_r(a: u32, b: u32, c: u32, mode: Beyond) -> u32 {
    ((u64::from(b) << 32 | u64::from(a)) >> mode.amount(c)) as u32
}

/// `bfe` on the low `bits` (32 or 64): `len` bits of `a` from `pos`, sign-filled if `signed`.
///
/// The sign is bit `pos + len - 1`, or the top bit beyond it. PTX restricts both operands to 0 to
/// 255; above, the hardware counts modulo 256 in words, and takes double words as they are.
pub fn bfe(a: u64, pos: u32, len: u32, bits: u32, signed: bool) -> u64 {
    let (pos, len) = field_operands(pos, len, bits);
    let width = u64::MAX >> (64 - bits);
    let a = a & width;
    let field = if len >= 64 { u64::MAX } else { (1 << len) - 1 };
    let taken = if pos >= bits { 0 } else { (a >> pos) & field };
    if !signed || len == 0 || (a >> (pos + len - 1).min(bits - 1)) & 1 == 0 {
        return taken;
    }
    // Ones from the first bit that the field or the word does not reach.
    let reached = len.min(bits.saturating_sub(pos));
    let fill = if reached >= 64 { 0 } else { u64::MAX << reached };
    (taken | fill) & width
}

fn field_operands(pos: u32, len: u32, bits: u32) -> (u32, u32) {
    if bits == 32 { (pos & 0xff, len & 0xff) } else { (pos.min(255), len.min(255)) }
}

/// `bfi d, a, b, pos, len` on the low `bits`: `b` with the low `len` bits of `a` put at `pos`.
///
/// For operands above 255 see [`bfe`].
pub fn bfi(a: u64, b: u64, pos: u32, len: u32, bits: u32) -> u64 {
    let (pos, len) = field_operands(pos, len, bits);
    let width = u64::MAX >> (64 - bits);
    if pos >= bits {
        return b & width;
    }
    let field = if len >= 64 { u64::MAX } else { (1 << len) - 1 };
    ((b & !(field << pos)) | ((a & field) << pos)) & width
}

/// `bfind{.shiftamt}` on the low `bits`: position of the top bit that differs from the sign.
///
/// `u32::MAX` if there is none. With `shiftamt`, the shift that brings that bit to the top.
pub fn bfind(a: u64, bits: u32, signed: bool, shiftamt: bool) -> u32 {
    let width = u64::MAX >> (64 - bits);
    let negative = signed && (a >> (bits - 1)) & 1 == 1;
    let magnitude = (if negative { !a } else { a }) & width;
    if magnitude == 0 {
        return u32::MAX;
    }
    let position = 63 - magnitude.leading_zeros();
    if shiftamt { bits - 1 - position } else { position }
}

/// Byte selections of `prmt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prmt {
    /// No mode: each nibble of `c` picks a byte, its top bit replicates that byte's sign.
    Generic,
    /// `.f4e`: four bytes upwards.
    F4e,
    /// `.b4e`: four bytes downwards.
    B4e,
    /// `.rc8`: one byte everywhere.
    Rc8,
    /// `.ecl`: edge clamped to the left.
    Ecl,
    /// `.ecr`: edge clamped to the right.
    Ecr,
    /// `.rc16`: one half everywhere.
    Rc16,
}

impl Prmt {
    /// The nibbles that the generic mode would use for control `c`. PTX ISA, `prmt`, its table.
    const fn selector(self, c: u32) -> u32 {
        let row = match self {
            Prmt::Generic => return c,
            Prmt::F4e => [0x3210, 0x4321, 0x5432, 0x6543],
            Prmt::B4e => [0x5670, 0x6701, 0x7012, 0x0123],
            Prmt::Rc8 => [0x0000, 0x1111, 0x2222, 0x3333],
            Prmt::Ecl => [0x3210, 0x3211, 0x3222, 0x3333],
            Prmt::Ecr => [0x0000, 0x1110, 0x2210, 0x3210],
            Prmt::Rc16 => [0x1010, 0x3232, 0x1010, 0x3232],
        };
        row[(c & 3) as usize]
    }
}

/// `prmt.b32{.mode} d, a, b, c`: bytes picked from `{b, a}`.
#[inline]
pub fn prmt(a: u32, b: u32, c: u32, mode: Prmt) -> u32 {
    let source = u64::from(b) << 32 | u64::from(a);
    let selector = mode.selector(c);
    let mut result = 0;
    for byte in 0..4 {
        let nibble = selector >> (4 * byte);
        let value = (source >> (8 * (nibble & 7))) as u8;
        let value = if nibble & 8 != 0 { ((value as i8) >> 7) as u8 } else { value };
        result |= u32::from(value) << (8 * byte);
    }
    result
}

/// `lop3.b32 d, a, b, c, table`: bit `4a + 2b + c` of `table`, in each position.
#[inline]
pub fn lop3(a: u32, b: u32, c: u32, table: u8) -> u32 {
    let mut result = 0;
    for row in 0..8 {
        if table >> row & 1 == 1 {
            let pick = |word: u32, bit: u32| if row >> bit & 1 == 1 { word } else { !word };
            result |= pick(a, 2) & pick(b, 1) & pick(c, 0);
        }
    }
    result
}

/// `fns.b32 d, mask, base, offset`: position of the `offset`-th set bit from `base` on.
///
/// Upwards for a positive offset, downwards for a negative one, `base` itself for zero;
/// `u32::MAX` if there is none.
pub fn fns(mask: u32, base: u32, offset: i32) -> u32 {
    let is_set = |position: u32| position < 32 && mask >> position & 1 == 1;
    let nth = offset.unsigned_abs().saturating_sub(1) as usize;
    let found = match offset {
        0 => is_set(base).then_some(base),
        1.. => (base..32).filter(|it| is_set(*it)).nth(nth),
        _ if base < 32 => (0..=base).rev().filter(|it| is_set(*it)).nth(nth),
        _ => None,
    };
    found.unwrap_or(u32::MAX)
}

/// `bmsk.mode.b32 d, a, b`: `b` ones from bit `a` on.
pub fn bmsk(a: u32, b: u32, mode: Beyond) -> u32 {
    let (start, width) = match mode {
        Beyond::Clamp => (a.min(32), b.min(32)),
        Beyond::Wrap => (a & 31, b & 31),
    };
    let ones = ((1u64 << width) - 1) << start;
    ones as u32
}

/// `szext.mode.u32/.s32 d, a, b`: the low `b` bits of `a`, extended.
pub fn szext(a: u32, b: u32, signed: bool, mode: Beyond) -> u32 {
    let width = mode.amount(b);
    match width {
        0 => 0,
        32 => a,
        _ if signed => (((a << (32 - width)) as i32) >> (32 - width)) as u32,
        _ => a & ((1 << width) - 1),
    }
}

/// `brev` on the low `bits`.
#[inline]
pub fn brev(a: u64, bits: u32) -> u64 {
    a.reverse_bits() >> (64 - bits)
}

/// `clz` on the low `bits`.
#[inline]
pub fn clz(a: u64, bits: u32) -> u32 {
    (a << (64 - bits)).leading_zeros().min(bits)
}

/// `popc` on the low `bits`.
#[inline]
pub fn popc(a: u64, bits: u32) -> u32 {
    (a << (64 - bits)).count_ones()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rng;
    use super::*;

    /// The ISA's own loop over bits.
    fn bfe_by_bits(a: u64, pos: u32, len: u32, bits: u32, signed: bool) -> u64 {
        let msb = bits - 1;
        let sign = signed && len != 0 && a >> (pos + len - 1).min(msb) & 1 == 1;
        (0..=msb)
            .map(|i| {
                let bit = if i < len && pos + i <= msb { a >> (pos + i) & 1 == 1 } else { sign };
                u64::from(bit) << i
            })
            .sum()
    }

    fn bfi_by_bits(a: u64, b: u64, pos: u32, len: u32, bits: u32) -> u64 {
        let mut f = b & (u64::MAX >> (64 - bits));
        for i in 0..len {
            if pos + i < bits {
                f = f & !(1 << (pos + i)) | (a >> i.min(63) & 1) << (pos + i);
            }
        }
        f
    }

    #[test]
    fn fields_agree_with_the_definition_by_bits() {
        let mut rng = Rng(9);
        for round in 0..100_000u64 {
            let (a, b, r) = (rng.next(), rng.next(), rng.next());
            // Half the positions and lengths near the width, half anywhere.
            let limit = if round % 2 == 0 { 70 } else { 256 };
            let (pos, len) = (r as u32 % limit, (r >> 32) as u32 % limit);
            for bits in [32, 64] {
                let narrow = a & (u64::MAX >> (64 - bits));
                for signed in [false, true] {
                    let want = bfe_by_bits(narrow, pos, len, bits, signed);
                    assert_eq!(bfe(a, pos, len, bits, signed), want, "{a:x} {pos} {len} {bits}");
                }
                let want = bfi_by_bits(a, b, pos, len, bits);
                assert_eq!(bfi(a, b, pos, len, bits), want, "{a:x} {b:x} {pos} {len} {bits}");
            }
        }
    }

    #[test]
    fn shifts_clamp() {
        assert_eq!(shl(1, 31, 32), 0x8000_0000);
        assert_eq!(shl(1, 32, 32), 0);
        assert_eq!(shl(1, u32::MAX, 64), 0);
        assert_eq!(shr(0x8000_0000, 31, 32), 1);
        assert_eq!(shr(u64::MAX, 16, 16), 0);
        assert_eq!(shr_signed(0x8000_0000, 99, 32), 0xffff_ffff);
        assert_eq!(shr_signed(0x8000, 4, 16), 0xf800);
        assert_eq!(shf_l(0x8000_0000, 1, 1, Beyond::Wrap), 3);
        assert_eq!(shf_l(5, 1, 40, Beyond::Clamp), 5);
        assert_eq!(shf_r(5, 9, 32, Beyond::Clamp), 9);
        assert_eq!(shf_r(5, 9, 32, Beyond::Wrap), 5);
    }

    #[test]
    fn permutations() {
        let (a, b) = (0x8332_2110, 0x7766_5544);
        assert_eq!(prmt(a, b, 0x7654, Prmt::Generic), b);
        assert_eq!(prmt(a, b, 0xbbbb, Prmt::Generic), 0xffff_ffff);
        assert_eq!(prmt(a, b, 0x8888, Prmt::Generic), 0);
        assert_eq!(prmt(a, b, 1, Prmt::F4e), 0x4483_3221);
        assert_eq!(prmt(a, b, 0, Prmt::B4e), 0x5566_7710);
        assert_eq!(prmt(a, b, 2, Prmt::Rc8), 0x3232_3232);
        assert_eq!(prmt(a, b, 1, Prmt::Ecl), 0x8332_2121);
        assert_eq!(prmt(a, b, 1, Prmt::Ecr), 0x2121_2110);
        assert_eq!(prmt(a, b, 3, Prmt::Rc16), 0x8332_8332);
    }

    #[test]
    fn lop3_is_its_truth_table() {
        let (a, b, c) = (0xf0f0_1234, 0xcccc_5678, 0xaaaa_9abc);
        let table = |f: fn(u8, u8, u8) -> u8| f(0xf0, 0xcc, 0xaa);
        assert_eq!(lop3(a, b, c, table(|a, b, c| a & b & c)), a & b & c);
        assert_eq!(lop3(a, b, c, table(|a, b, c| a ^ b ^ c)), a ^ b ^ c);
        assert_eq!(lop3(a, b, c, table(|a, b, c| a & b | !c)), a & b | !c);
        assert_eq!(lop3(a, b, c, 0), 0);
    }

    #[test]
    fn searches() {
        assert_eq!(bfind(0x00ff_0000, 32, false, false), 23);
        assert_eq!(bfind(0x00ff_0000, 32, false, true), 8);
        assert_eq!(bfind(0xffff_ffff, 32, true, false), u32::MAX);
        assert_eq!(bfind(0xffff_fff0, 32, true, false), 3);
        assert_eq!(bfind(1 << 63, 64, false, false), 63);
        assert_eq!(fns(0b1011_0100, 3, 0), u32::MAX);
        assert_eq!(fns(0b1011_0100, 2, 0), 2);
        assert_eq!(fns(0b1011_0100, 3, 2), 5);
        assert_eq!(fns(0b1011_0100, 3, -1), 2);
        assert_eq!(fns(0b1011_0100, 31, -1), 7);
        assert_eq!(clz(0, 32), 32);
        assert_eq!(clz(1, 64), 63);
        assert_eq!(popc(0xffff_ffff_0000_ffff, 32), 16);
        assert_eq!(brev(1, 32), 0x8000_0000);
    }

    #[test]
    fn masks_and_extensions() {
        assert_eq!(bmsk(4, 8, Beyond::Clamp), 0xff0);
        assert_eq!(bmsk(28, 8, Beyond::Clamp), 0xf000_0000);
        assert_eq!(bmsk(0, 32, Beyond::Clamp), u32::MAX);
        assert_eq!(bmsk(40, 3, Beyond::Clamp), 0);
        assert_eq!(bmsk(33, 33, Beyond::Wrap), 2);
        assert_eq!(szext(0x1ff, 8, false, Beyond::Clamp), 0xff);
        assert_eq!(szext(0x1ff, 8, true, Beyond::Clamp), u32::MAX);
        assert_eq!(szext(0x1234, 40, true, Beyond::Clamp), 0x1234);
        assert_eq!(szext(0x1234, 32, true, Beyond::Wrap), 0);
    }
}
