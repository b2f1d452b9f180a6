//! Storno.
