//! Date and time: the calendar, literals, and MySQL's date and time functions.

mod arithmetic;
pub(crate) mod bucket;
pub(crate) mod calendar;
mod difference;
mod format;
pub(crate) mod interval;
pub(crate) mod literal;
pub(crate) mod now;
mod parts;
mod scan;
mod str_to_date;
mod zone;

use super::builtin::Definition;

pub(crate) use arithmetic::{DATETIME, TIME};

/// Every function of this folder.
pub(crate) const FUNCTIONS: [&[Definition]; 8] = [
    arithmetic::FUNCTIONS,
    bucket::FUNCTIONS,
    difference::FUNCTIONS,
    format::FUNCTIONS,
    now::FUNCTIONS,
    parts::FUNCTIONS,
    str_to_date::FUNCTIONS,
    zone::FUNCTIONS,
];
