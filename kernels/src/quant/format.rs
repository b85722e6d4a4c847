//! The formats as values, and what the host knows of each.

use firesteel::Plain;

use super::Format;

/// A block of a format: [`BlockQ6K`](super::BlockQ6K) and so on.
pub trait Block: Plain + PartialEq {
    /// The format.
    const FORMAT: Format;
    /// Weights of a block.
    const LEN: usize;
    /// What is subtracted from a code.
    const OFFSET: i32;

    /// The code of weight `i`: an unsigned number.
    fn code(&self, i: u32) -> u32;

    /// The weight `i`.
    fn weight(&self, i: u32) -> f32;

    /// Packs [`LEN`](Self::LEN) weights; what is missing is 0.
    fn pack(x: &[f32]) -> Self;

    /// The block of these bytes; what is missing is 0.
    #[must_use]
    fn from_bytes(bytes: &[u8]) -> Self {
        let mut block = [Self::zero()];
        let filled = Self::fill(&mut block, |to| {
            to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
            Ok(())
        });
        debug_assert!(filled.is_ok(), "only what fills it fails");
        block[0]
    }
}

/// What is done with a format whose block is a type: see [`Format::visit`].
pub trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it.
    fn visit<B: Block>(self) -> Self::Output;
}

/// No format has this name or number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownFormat {
    /// No format has this name.
    #[error("no block format is named `{0}`\nhelp: the formats are {all}", all = list())]
    Name(String),
    /// No format has this number in ggml.
    #[error("no block format has the number {0} in ggml\nhelp: the formats are {all}", all = list())]
    Type(u32),
}

/// Their names, for messages.
fn list() -> String {
    let name = |format: &Format| format!("`{}`", format.name());
    Format::ALL.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The list of formats: variant, module, block, ggml's name, ggml's number.
macro_rules! formats {
    ($($variant:ident, $module:ident, $block:ident, $name:literal, $number:literal;)*) => {
        $(pub use $module::$block;)*

        launch::launch!(f32, 0: $($variant, $module;)*);
        launch::launch!(f16, 1: $($variant, $module;)*);
        launch::launch!(bf16, 2: $($variant, $module;)*);

        /// A block format of ggml.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Format {
            $(#[doc = concat!("`", $name, "`: [`", stringify!($block), "`].")] $variant,)*
        }

        impl Format {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Weights of a block.
            #[must_use]
            pub const fn block_len(self) -> usize {
                match self { $(Self::$variant => <$block as Block>::LEN,)* }
            }

            /// Bytes of a block.
            #[must_use]
            pub const fn block_bytes(self) -> usize {
                match self { $(Self::$variant => size_of::<$block>(),)* }
            }

            /// ggml's name, for example `q6_K`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// ggml's number of the type, which GGUF files have.
            #[must_use]
            pub const fn ggml_type(self) -> u32 {
                match self { $(Self::$variant => $number,)* }
            }

            /// Does something that depends on the type of the block.
            pub fn visit<V: format::Visitor>(self, visitor: V) -> V::Output {
                match self { $(Self::$variant => visitor.visit::<$block>(),)* }
            }
        }

        /// The PTX of every kernel.
        pub fn ptx() -> impl Iterator<Item = &'static str> {
            let kernels = finite::find_kernel::INSTANCES.iter()
                $(.chain($module::quantize_kernel::INSTANCES.iter())
                .chain($module::dequantize_kernel::INSTANCES.iter()))*;
            kernels.map(|kernel| kernel.ptx())
        }

        $(
            impl Block for $block {
                const FORMAT: Format = Format::$variant;
                const LEN: usize = $block::LEN as usize;
                const OFFSET: i32 = $block::OFFSET;

                fn code(&self, i: u32) -> u32 {
                    $block::code(self, i)
                }

                fn weight(&self, i: u32) -> f32 {
                    $block::weight(self, i)
                }

                fn pack(x: &[f32]) -> Self {
                    let mut weights = [0.0; <Self as Block>::LEN];
                    weights.iter_mut().zip(x).for_each(|(weight, x)| *weight = *x);
                    $block::pack(&weights)
                }
            }
        )*
    };
}
pub(super) use formats;

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Format {
    type Err = UnknownFormat;

    /// By ggml's name, whatever the case of its letters.
    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let mut all = Self::ALL.iter().copied();
        all.find(|format| format.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownFormat::Name(name.to_owned()))
    }
}

impl TryFrom<u32> for Format {
    type Error = UnknownFormat;

    /// By ggml's number of the type.
    fn try_from(number: u32) -> Result<Self, UnknownFormat> {
        let mut all = Self::ALL.iter().copied();
        all.find(|format| format.ggml_type() == number).ok_or(UnknownFormat::Type(number))
    }
}
