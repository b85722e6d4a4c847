//! The kernels, one a file.

use crate::Example;

/// Declares the modules and the table of examples from one list.
macro_rules! examples {
    ($($module:ident: $about:literal;)*) => {
        $(pub mod $module;)*

        /// Every example, in the order in which it is best read.
        pub const EXAMPLES: &[Example] = &[$(
            Example {
                name: stringify!($module),
                about: $about,
                ptx: $module::$module::PTX,
                info: $module::$module::info,
                run: $module::run,
            },
        )*];
    };
}

examples! {
    saxpy: "y = a x + y";
    fused_silu_gate: "silu(x) * gate, as in a gated feed-forward layer";
    gelu: "GELU, in its tanh form";
    dequant_i8: "four signed bytes a word to floats";
    unpack_6bit: "four 6-bit numbers in three bytes";
    softmax: "softmax of each row";
    rms_norm: "RMS norm of each row";
    layer_norm: "layer norm of each row";
    reduce: "sum of an array, block by block";
    histogram: "counts of byte values, in shared memory first";
    transpose: "transpose through a padded tile";
    matmul: "matrix product through 16 by 16 tiles";
    scan: "running sums within blocks";
}
