//! Numeric functions. Arithmetic operators: `operators`.

mod math;
mod round;

use super::builtin::Definition;

pub(crate) use round::round_double;

/// Every function of this folder.
pub(crate) const FUNCTIONS: [&[Definition]; 2] = [math::FUNCTIONS, round::FUNCTIONS];
