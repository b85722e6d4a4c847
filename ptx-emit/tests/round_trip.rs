//! `parse(emit(m)) == m` for whatever the table can say.

use firesteel_ptx::ir::Target;
use firesteel_ptx::sample::ROWS;
use firesteel_ptx::{emit, parse};

use crate::draw;

#[test]
fn every_row_reads_back_what_it_prints() {
    for index in 0..ROWS.len() {
        let drawn = draw::row(index, 400, true);
        assert!(!drawn.is_empty(), "no valid instruction of the row `{}` was drawn", ROWS[index].0);
        for it in drawn {
            let row = it.op.name();
            let module = draw::module((8, 8), Target::sm(90), vec![it.function]);
            let text = emit(&module);
            let read = parse(&text).unwrap_or_else(|error| panic!("{row}: {error}\n{text}"));
            assert_eq!(read, module, "{row}:\n{text}");
        }
    }
}
