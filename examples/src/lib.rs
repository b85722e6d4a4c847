//! Kernels to read and run.
