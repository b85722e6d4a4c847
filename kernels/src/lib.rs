//! The kernel library of Firesteel, written in its DSL.
