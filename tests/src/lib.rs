//! Cross-crate tests of Firesteel.
