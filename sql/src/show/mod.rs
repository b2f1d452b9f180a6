//! What SHOW CREATE TABLE, SHOW COLUMNS and DESCRIBE say of a table.
//!
//! Texts and rows only; the session turns them into result sets, and information_schema is
//! elsewhere.

mod columns;
mod create_table;
mod lifetime;

pub use columns::{ColumnRow, column_rows};
pub use create_table::{ENGINE, create_table_text, definition_text};
pub use lifetime::lifetime_text;

#[cfg(test)]
mod tests;
