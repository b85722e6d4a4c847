//! The simulator: runs PTX on the CPU, thread by thread, and checks what each thread does.

pub mod memory;
pub mod num;
pub mod race;
pub mod report;
