//! Date and time: the calendar, literals, and MySQL's date and time functions.

pub(crate) mod calendar;
pub(crate) mod literal;
