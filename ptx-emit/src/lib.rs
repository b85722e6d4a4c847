//! The PTX of Firesteel: intermediate representation, printer, parser and verifier.
//!
//! Everything hangs on [one table of instructions](isa). A row names the mnemonic, the
//! modifiers, the operands with their types and the oldest PTX version and architecture that
//! have the instruction. From the row come the Rust type, its text, its parser, its
//! verification and a required method of [`isa::Execute`], so an instruction that is in the
//! table but not, say, in the simulator does not compile.
//!
//! ```
//! let text = ".version 7.0\n.target sm_70\n.address_size 64\n\
//!             .visible .entry nothing()\n{\n    ret;\n}\n";
//! let module = firesteel_ptx::parse(text).unwrap();
//! firesteel_ptx::verify(&module).unwrap();
//! assert_eq!(firesteel_ptx::parse(&firesteel_ptx::emit(&module)).unwrap(), module);
//! ```
//!
//! Source of every statement about PTX: *Parallel Thread Execution ISA*, version 8.7.

#![forbid(unsafe_code)]

pub mod builder;
pub mod channel;
mod emit;
pub mod ir;
pub mod isa;
mod lex;
pub mod modifier;
pub mod operand;
mod parse;
#[cfg(feature = "sample")]
pub mod sample;
pub mod ty;
mod verify;

pub use emit::{Printer, emit, instruction_text};
pub use parse::{OperandParser, ParseError, parse};
pub use verify::{VerifyError, required, verify};
