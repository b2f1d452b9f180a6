//! Memory of running statements.
//!
//! What the operators of a plan reserve is drawn from one [`Budget`] and counted in the statement's
//! [`Account`], which bounds it too. Reservations are voluntary: what functions, results and libraries take
//! besides is seen only from outside, by the guard, which looks at the memory of the whole process every few
//! milliseconds and ends statements with error 1041; loops over strings wait meanwhile ([`brake`]). That is no proof
//! against the operating system's end of the process, but `tests/memory/run` finds none.

mod account;
pub(crate) mod brake;
mod budget;
mod guard;
mod held;
mod rows;

pub use account::Account;
pub use budget::Budget;
pub use guard::watch;
pub use held::Held;
pub(crate) use held::rows_limit;
pub(crate) use rows::{compacted, copied_bytes, held_bytes};
