//! Control flow, casts, and the rules by which types unify and compare.

mod branch;
mod cast;
mod compare;
mod unify;

use super::builtin::Definition;

pub use cast::convert_to;
pub use unify::unified_type;

/// Every function of this folder.
pub(crate) const FUNCTIONS: [&[Definition]; 2] = [branch::FUNCTIONS, cast::FUNCTIONS];
