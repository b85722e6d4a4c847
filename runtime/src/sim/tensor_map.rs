//! The simulator's own form of a tensor map: what a tensor copy must know of a tensor in global
//! memory, in the 128 bytes that a kernel gets as a parameter.
//!
//! The driver's form is opaque, so the host makes this one when a launch runs here. A magic number
//! tells it from anything else. Interleaved layouts and `im2col` maps do not exist here.

/// First word of every map, so that a foreign one is noticed.
const MAGIC: u64 = u64::from_le_bytes(*b"fsTmap01");

/// Words of a map.
pub const WORDS: usize = 16;

macro_rules! elements {
    ($($(#[doc = $doc:literal])* $Name:ident $bytes:literal,)*) => {
        /// The elements of a tensor: the data types of the driver's tensor maps.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Element { $($(#[doc = $doc])* $Name,)* }

        impl Element {
            const ALL: &'static [Self] = &[$(Self::$Name),*];

            /// Bytes of one.
            #[must_use]
            pub const fn bytes(self) -> u64 {
                match self { $(Self::$Name => $bytes,)* }
            }
        }
    };
}

elements! {
    /// Unsigned bytes, and whatever else has 8 bits.
    U8 1,
    /// Unsigned, 16 bits.
    U16 2,
    /// Unsigned, 32 bits.
    U32 4,
    /// Signed, 32 bits.
    S32 4,
    /// Unsigned, 64 bits.
    U64 8,
    /// Signed, 64 bits.
    S64 8,
    /// IEEE half precision.
    F16 2,
    /// Single precision.
    F32 4,
    /// Double precision.
    F64 8,
    /// bfloat16.
    BF16 2,
    /// Single precision, subnormals become zero.
    F32Ftz 4,
    /// Single precision that a load rounds to TensorFloat-32.
    TF32 4,
    /// [`Element::TF32`], subnormals become zero.
    TF32Ftz 4,
}

/// How the pieces of 16 bytes of a box are permuted in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swizzle {
    /// Not at all.
    None,
    /// Inside 32 bytes.
    B32,
    /// Inside 64 bytes.
    B64,
    /// Inside 128 bytes.
    B128,
}

impl Swizzle {
    const ALL: [Self; 4] = [Self::None, Self::B32, Self::B64, Self::B128];

    /// Bytes of a row of the pattern: the most that the inner dimension of a box may have.
    #[must_use]
    pub const fn span(self) -> u64 {
        match self {
            Self::None => 16,
            Self::B32 => 32,
            Self::B64 => 64,
            Self::B128 => 128,
        }
    }

    /// The shared address at which the hardware keeps what belongs at `address`: the bits that
    /// name a piece of 16 bytes, exclusive or the bits from 7 on.
    #[inline]
    #[must_use]
    pub const fn apply(self, address: u64) -> u64 {
        let pieces = self.span() / 16 - 1;
        address ^ ((address >> 7 & pieces) << 4)
    }
}

/// A tensor in global memory and the box of it that a copy moves. The innermost dimension comes
/// first; of the arrays, the first `rank` entries count (of the strides, one fewer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorMap {
    /// Address of the first element.
    pub address: u64,
    /// The elements.
    pub element: Element,
    /// Dimensions, 1 to 5.
    pub rank: u32,
    /// Elements in each dimension.
    pub dims: [u64; 5],
    /// Bytes from one element to the next in each dimension but the innermost.
    pub strides: [u64; 4],
    /// Elements of a box in each dimension.
    pub box_dims: [u32; 5],
    /// Steps, in elements, between those of a box that are copied.
    pub element_strides: [u32; 5],
    /// How a box lies in shared memory.
    pub swizzle: Swizzle,
    /// Whether elements outside the tensor are NaN instead of zero.
    pub nan_fill: bool,
}

/// Bits of one of five small numbers in a word.
const SMALL: u32 = 12;

fn pack(values: [u32; 5]) -> u64 {
    values.iter().rev().fold(0, |word, value| word << SMALL | u64::from(*value))
}

fn unpack(word: u64) -> [u32; 5] {
    std::array::from_fn(|at| (word >> (SMALL * at as u32)) as u32 & ((1 << SMALL) - 1))
}

impl TensorMap {
    /// The map as a parameter of a kernel.
    #[must_use]
    pub fn to_words(self) -> [u64; WORDS] {
        let element = Element::ALL.iter().position(|it| *it == self.element).unwrap_or_default();
        let swizzle = Swizzle::ALL.iter().position(|it| *it == self.swizzle).unwrap_or_default();
        let mut words = [0; WORDS];
        words[0] = MAGIC;
        words[1] = self.address;
        words[2] = pack([self.rank, element as u32, swizzle as u32, self.nan_fill.into(), 0]);
        words[3] = pack(self.box_dims);
        words[4] = pack(self.element_strides);
        words[5..10].copy_from_slice(&self.dims);
        words[10..14].copy_from_slice(&self.strides);
        words
    }

    /// The map in a parameter; `None` if somebody else made it.
    #[must_use]
    pub fn from_words(words: &[u64; WORDS]) -> Option<Self> {
        if words[0] != MAGIC {
            return None;
        }
        let [rank, element, swizzle, nan_fill, _] = unpack(words[2]);
        Some(Self {
            address: words[1],
            element: *Element::ALL.get(element as usize)?,
            rank: (1..=5).contains(&rank).then_some(rank)?,
            dims: std::array::from_fn(|at| words[5 + at]),
            strides: std::array::from_fn(|at| words[10 + at]),
            box_dims: unpack(words[3]),
            element_strides: unpack(words[4]),
            swizzle: *Swizzle::ALL.get(swizzle as usize)?,
            nan_fill: nan_fill != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_survive_the_way_into_a_kernel() {
        let map = TensorMap {
            address: 0x1000,
            element: Element::BF16,
            rank: 3,
            dims: [64, 100, 1 << 32, 0, 0],
            strides: [128, 12800, 0, 0],
            box_dims: [64, 256, 1, 0, 0],
            element_strides: [1, 2, 8, 0, 0],
            swizzle: Swizzle::B128,
            nan_fill: true,
        };
        assert_eq!(TensorMap::from_words(&map.to_words()), Some(map));
        let mut foreign = map.to_words();
        foreign[0] ^= 1;
        assert_eq!(TensorMap::from_words(&foreign), None);
    }

    #[test]
    fn swizzles_permute_pieces_of_16_bytes() {
        assert_eq!(Swizzle::None.apply(0x3f7), 0x3f7);
        assert_eq!(Swizzle::B128.apply(0x3f7), 0x387);
        assert_eq!(Swizzle::B64.apply(0x190), 0x1a0);
        assert_eq!(Swizzle::B32.apply(0x85), 0x95);
        for swizzle in Swizzle::ALL {
            let mut seen: Vec<u64> = (0..1024).map(|it| swizzle.apply(it)).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..1024), "{swizzle:?} is no permutation");
        }
    }
}
