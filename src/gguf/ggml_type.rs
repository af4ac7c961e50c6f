//! The number formats of tensors: the number of elements that share a block, and the bytes of a
//! block.
//!
//! Quantised types store blocks of 32 or 256 elements with their scales.
//!
//! Source: `ggml_type` and the block structures of the ggml project (`ggml.h`, `ggml-common.h`).

use std::fmt;

/// The number format of a tensor, by ggml's own numbering. A number unknown to this library is kept
/// as it is.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GgmlType(pub u32);

/// The layout of a type's elements.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct BlockLayout {
    /// Number of elements in a block; a row is a whole number of blocks.
    pub elements: u32,
    /// Number of bytes of a block.
    pub bytes: u32,
}

macro_rules! ggml_types {
    ($($name:ident = $id:literal, $elements:literal, $bytes:literal;)*) => {
        #[allow(missing_docs, non_upper_case_globals)] // named as in ggml
        impl GgmlType {
            $(pub const $name: Self = Self($id);)*

            /// ggml's name of the type, if it is known.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($id => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// The layout of the elements, if the type is known.
            pub fn layout(self) -> Option<BlockLayout> {
                match self.0 {
                    $($id => Some(BlockLayout { elements: $elements, bytes: $bytes }),)*
                    _ => None,
                }
            }
        }
    };
}

ggml_types! {
    F32 = 0, 1, 4;
    F16 = 1, 1, 2;
    Q4_0 = 2, 32, 18;
    Q4_1 = 3, 32, 20;
    Q5_0 = 6, 32, 22;
    Q5_1 = 7, 32, 24;
    Q8_0 = 8, 32, 34;
    Q8_1 = 9, 32, 36;
    Q2_K = 10, 256, 84;
    Q3_K = 11, 256, 110;
    Q4_K = 12, 256, 144;
    Q5_K = 13, 256, 176;
    Q6_K = 14, 256, 210;
    Q8_K = 15, 256, 292;
    IQ2_XXS = 16, 256, 66;
    IQ2_XS = 17, 256, 74;
    IQ3_XXS = 18, 256, 98;
    IQ1_S = 19, 256, 50;
    IQ4_NL = 20, 32, 18;
    IQ3_S = 21, 256, 110;
    IQ2_S = 22, 256, 82;
    IQ4_XS = 23, 256, 136;
    I8 = 24, 1, 1;
    I16 = 25, 1, 2;
    I32 = 26, 1, 4;
    I64 = 27, 1, 8;
    F64 = 28, 1, 8;
    IQ1_M = 29, 256, 56;
    BF16 = 30, 1, 2;
    TQ1_0 = 34, 256, 54;
    TQ2_0 = 35, 256, 66;
    MXFP4 = 39, 32, 17;
}

impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "type {}", self.0),
        }
    }
}

impl fmt::Debug for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
