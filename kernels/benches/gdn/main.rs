//! Gated DeltaNet: prints a page of the book.
//!
//! `cargo bench -p firesteel-kernels --bench gdn -- --json gdn.json > docs/src/benchmarks/gdn.md`
//!
//! | option | meaning |
//! | --- | --- |
//! | `--only prompts` | only the contestants whose name holds this |
//! | `--rounds 21` | turns of each |
//! | `--json PATH` | the figures as JSON too |

#[path = "../harness/mod.rs"]
mod harness;
mod report;

fn main() -> Result<(), harness::Failure> {
    report::report()
}
