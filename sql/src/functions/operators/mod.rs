//! MySQL's operators: arithmetic, logic, bits, and the planner that maps them.

mod arithmetic;
mod decimal;
pub(crate) mod digits;
mod expression_text;
mod integer;
pub(crate) mod logic;
pub(crate) mod planner;
#[cfg(test)]
mod tests;
pub(crate) mod types;

pub(crate) use decimal::{Scales, calculate};
pub(crate) use expression_text::name_of;
