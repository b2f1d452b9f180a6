//! MySQL's implicit conversions between numbers, text and dates, for single values and for columns.

pub(crate) mod arrays;
pub(crate) mod number;
pub(crate) mod temporal;
pub(crate) mod text;
