//! What must not compile, with its message, and the PTX of what does.
