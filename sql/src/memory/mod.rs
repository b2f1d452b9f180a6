//! Memory of running statements.
//!
//! What the operators of a plan reserve is drawn from one [`Budget`] and counted in the statement's
//! [`Account`], which bounds it too. Reservations are voluntary: what functions, results and libraries take
//! besides is seen only from outside, by the guard, which looks at the memory of the whole process and
//! ends statements with error 1041 before the operating system ends the process.

mod account;
mod budget;
mod guard;

pub use account::Account;
pub use budget::Budget;
pub use guard::watch;
