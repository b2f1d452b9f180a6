//! FILES('url', format => ..): files as a table in FROM.
//!
//! `call` reads the call from the statement's tokens, `table` is what DataFusion scans, `read` reads files
//! on threads of their own, `part` says what of a file is wanted, `fit` which types its values have. The session
//! opens files before the statement is planned: planning waits for nothing.

mod call;
mod fit;
mod part;
mod read;
mod table;

pub(crate) use call::with_tables;
pub(crate) use read::open;
pub(crate) use table::FilesTable;

/// What a table's name begins with that stands for the files of a call; no parser accepts it as typed.
const MARK: char = '\u{2}';

/// The name that stands for the `number`-th call of a statement.
pub(crate) fn name_of(number: usize) -> String {
    format!("{MARK}{number}")
}

/// The call that a table's name stands for.
pub(crate) fn number_of(name: &str) -> Option<usize> {
    name.strip_prefix(MARK)?.parse().ok()
}
