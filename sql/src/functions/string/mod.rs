//! String functions. Strings are compared and searched byte by byte: no collation is known here.

mod bounds;
mod build;
mod encode;
mod hash;
mod regexp;
mod search;
pub(crate) mod slice;
pub(crate) mod types;

use super::builtin::Definition;

pub(crate) use slice::{length, offset};

/// Every function of this folder.
pub(crate) const FUNCTIONS: [&[Definition]; 6] = [
    build::FUNCTIONS,
    encode::FUNCTIONS,
    hash::FUNCTIONS,
    regexp::FUNCTIONS,
    search::FUNCTIONS,
    slice::FUNCTIONS,
];
