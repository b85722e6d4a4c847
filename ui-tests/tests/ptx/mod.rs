//! The PTX of every construct in `pass/ptx/`, reviewed under its source.
//!
//! NVIDIA's assembler, if there is one, takes each too.

#[path = "../../../tests/src/ptxas.rs"]
#[allow(dead_code, unreachable_pub, reason = "public in the package of the tests")]
mod ptxas;

#[path = "../../pass/ptx/assertion.rs"]
mod assertion;
#[path = "../../pass/ptx/atomics.rs"]
mod atomics;
#[path = "../../pass/ptx/bfloat.rs"]
mod bfloat;
#[path = "../../pass/ptx/bfloat_sm_80.rs"]
mod bfloat_sm_80;
#[path = "../../pass/ptx/block_reduction.rs"]
mod block_reduction;
#[path = "../../pass/ptx/blocks.rs"]
mod blocks;
#[path = "../../pass/ptx/booleans.rs"]
mod booleans;
#[path = "../../pass/ptx/bytes.rs"]
mod bytes;
#[path = "../../pass/ptx/casts_to_floats.rs"]
mod casts_to_floats;
#[path = "../../pass/ptx/casts_to_integers.rs"]
mod casts_to_integers;
#[path = "../../pass/ptx/closures.rs"]
mod closures;
#[path = "../../pass/ptx/compound_assignment.rs"]
mod compound_assignment;
#[path = "../../pass/ptx/const_parameters.rs"]
mod const_parameters;
#[path = "../../pass/ptx/constant_indices.rs"]
mod constant_indices;
#[path = "../../pass/ptx/constants.rs"]
mod constants;
#[path = "../../pass/ptx/deferred_values.rs"]
mod deferred_values;
#[path = "../../pass/ptx/device_functions.rs"]
mod device_functions;
#[path = "../../pass/ptx/doubles.rs"]
mod doubles;
#[path = "../../pass/ptx/early_return.rs"]
mod early_return;
#[path = "../../pass/ptx/fast_math.rs"]
mod fast_math;
#[path = "../../pass/ptx/float_remainder.rs"]
mod float_remainder;
#[path = "../../pass/ptx/for_inclusive.rs"]
mod for_inclusive;
#[path = "../../pass/ptx/for_range.rs"]
mod for_range;
#[path = "../../pass/ptx/for_reverse.rs"]
mod for_reverse;
#[path = "../../pass/ptx/for_step.rs"]
mod for_step;
#[path = "../../pass/ptx/grid_3d.rs"]
mod grid_3d;
#[path = "../../pass/ptx/halves.rs"]
mod halves;
#[path = "../../pass/ptx/if_else_value.rs"]
mod if_else_value;
#[path = "../../pass/ptx/index_types.rs"]
mod index_types;
#[path = "../../pass/ptx/integer_division.rs"]
mod integer_division;
#[path = "../../pass/ptx/labelled_block.rs"]
mod labelled_block;
#[path = "../../pass/ptx/labelled_loops.rs"]
mod labelled_loops;
#[path = "../../pass/ptx/launch_attributes.rs"]
mod launch_attributes;
#[path = "../../pass/ptx/loop_value.rs"]
mod loop_value;
#[path = "../../pass/ptx/match_integers.rs"]
mod match_integers;
#[path = "../../pass/ptx/narrow.rs"]
mod narrow;
#[path = "../../pass/ptx/neighbours.rs"]
mod neighbours;
#[path = "../../pass/ptx/no_unroll.rs"]
mod no_unroll;
#[path = "../../pass/ptx/print.rs"]
mod print;
#[path = "../../pass/ptx/references.rs"]
mod references;
#[path = "../../pass/ptx/register_array.rs"]
mod register_array;
#[path = "../../pass/ptx/repeated_values.rs"]
mod repeated_values;
#[path = "../../pass/ptx/saxpy.rs"]
mod saxpy;
#[path = "../../pass/ptx/select.rs"]
mod select;
#[path = "../../pass/ptx/shared_tile.rs"]
mod shared_tile;
#[path = "../../pass/ptx/shifts.rs"]
mod shifts;
#[path = "../../pass/ptx/short_circuit.rs"]
mod short_circuit;
#[path = "../../pass/ptx/slice_length.rs"]
mod slice_length;
#[path = "../../pass/ptx/structs.rs"]
mod structs;
#[path = "../../pass/ptx/tensor_maps.rs"]
mod tensor_maps;
#[path = "../../pass/ptx/tuples.rs"]
mod tuples;
#[path = "../../pass/ptx/type_parameters.rs"]
mod type_parameters;
#[path = "../../pass/ptx/unchecked.rs"]
mod unchecked;
#[path = "../../pass/ptx/unroll_by.rs"]
mod unroll_by;
#[path = "../../pass/ptx/unroll_full.rs"]
mod unroll_full;
#[path = "../../pass/ptx/unsigned_division.rs"]
mod unsigned_division;
#[path = "../../pass/ptx/vector_load.rs"]
mod vector_load;
#[path = "../../pass/ptx/warp_reduction.rs"]
mod warp_reduction;
#[path = "../../pass/ptx/while_loop.rs"]
mod while_loop;

macro_rules! snapshots {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            let source = include_str!(concat!("../../pass/ptx/", stringify!($name), ".rs"));
            let ptx = super::$name::kernel::PTX;
            ptxas::demand(ptx, ptxas::MACHINES);
            let page = format!("{source}\n// ---- PTX ----\n{ptx}");
            insta::with_settings!(
                { omit_expression => true, prepend_module_to_snapshot => false },
                { insta::assert_snapshot!(stringify!($name), page) }
            );
        }
    )* };
}

mod snapshots {
    use super::ptxas;

    snapshots! {
        assertion atomics bfloat bfloat_sm_80 block_reduction blocks booleans bytes casts_to_floats casts_to_integers closures compound_assignment const_parameters constant_indices constants deferred_values device_functions doubles early_return fast_math float_remainder for_inclusive for_range for_reverse for_step grid_3d halves if_else_value index_types integer_division labelled_block labelled_loops launch_attributes loop_value match_integers narrow neighbours no_unroll print references register_array repeated_values saxpy select shared_tile shifts short_circuit slice_length structs tensor_maps tuples type_parameters unchecked unroll_by unroll_full unsigned_division vector_load warp_reduction while_loop
    }
}
