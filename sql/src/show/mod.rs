//! What SHOW CREATE TABLE, SHOW COLUMNS and DESCRIBE say of a table.
//!
//! Texts and rows only; the session turns them into result sets, and information_schema is
//! elsewhere.

mod columns;
mod create_table;

pub use columns::{ColumnRow, column_rows};
pub use create_table::{ENGINE, create_table_text};

#[cfg(test)]
mod tests;
