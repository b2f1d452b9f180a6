//! Errors of values being written. `row` counts from 1.

use super::SqlError;

impl SqlError {
    /// 1261: a line of LOAD DATA with fewer fields than columns.
    pub fn too_few_fields(row: u64) -> Self {
        let text = format!("Row {row} doesn't contain data for all columns");
        Self::new(1261, "01000", text)
    }
    /// 1262: a line of LOAD DATA with more fields than columns.
    pub fn too_many_fields(row: u64) -> Self {
        let text = format!(
            "Row {row} was truncated; it contained more data than there were input columns"
        );
        Self::new(1262, "01000", text)
    }
    /// 1263: NULL in a file for a column that is NOT NULL.
    pub fn null_to_not_null(column: &str, row: u64) -> Self {
        let text = format!(
            "Column set to default value; NULL supplied to NOT NULL column '{column}' at row {row}"
        );
        Self::new(1263, "22004", text)
    }

    pub fn cannot_be_null(column: &str) -> Self {
        Self::new(1048, "23000", format!("Column '{column}' cannot be null"))
    }
    /// `entry`: the key's values as text, joined by `-`; `key`: `table.key`.
    pub fn duplicate_entry(entry: &str, key: &str) -> Self {
        // MySQL cuts the entry at 64 characters, so that a long text does not fill the message.
        let entry: String = entry.chars().take(64).collect();
        Self::new(
            1062,
            "23000",
            format!("Duplicate entry '{entry}' for key '{key}'"),
        )
    }
    pub fn column_specified_twice(column: &str) -> Self {
        Self::new(1110, "42000", format!("Column '{column}' specified twice"))
    }
    pub fn value_count_mismatch(row: u64) -> Self {
        Self::new(
            1136,
            "21S01",
            format!("Column count doesn't match value count at row {row}"),
        )
    }
    pub fn out_of_range(column: &str, row: u64) -> Self {
        Self::new(
            1264,
            "22003",
            format!("Out of range value for column '{column}' at row {row}"),
        )
    }
    pub fn data_truncated(column: &str, row: u64) -> Self {
        Self::new(
            1265,
            "01000",
            format!("Data truncated for column '{column}' at row {row}"),
        )
    }
    /// `kind`: "date", "datetime" or "time".
    pub fn incorrect_temporal(kind: &str, value: &str, column: &str, row: u64) -> Self {
        Self::new(
            1292,
            "22007",
            format!("Incorrect {kind} value: '{value}' for column '{column}' at row {row}"),
        )
    }
    /// `kind`: "DATE", "TIME" or "DATETIME".
    pub fn incorrect_typed_literal(kind: &str, value: &str) -> Self {
        Self::new(1525, "HY000", format!("Incorrect {kind} value: '{value}'"))
    }
    pub fn illegal_double(value: &str) -> Self {
        Self::new(
            1367,
            "22007",
            format!("Illegal double '{value}' value found during parsing"),
        )
    }
    pub fn no_default_value(column: &str) -> Self {
        Self::new(
            1364,
            "HY000",
            format!("Field '{column}' doesn't have a default value"),
        )
    }
    /// `kind`: "integer", "decimal", "double" or "string".
    pub fn incorrect_value(kind: &str, value: &str, column: &str, row: u64) -> Self {
        Self::new(
            1366,
            "HY000",
            format!("Incorrect {kind} value: '{value}' for column '{column}' at row {row}"),
        )
    }
    pub fn data_too_long(column: &str, row: u64) -> Self {
        Self::new(
            1406,
            "22001",
            format!("Data too long for column '{column}' at row {row}"),
        )
    }
    pub fn auto_increment_out_of_range(column: &str, row: u64) -> Self {
        Self::new(
            167,
            "22003",
            format!("Out of range value for column '{column}' at row {row}"),
        )
    }
    pub fn auto_increment_exhausted() -> Self {
        Self::new(
            1467,
            "HY000",
            "Failed to read auto-increment value from storage engine",
        )
    }
    /// 1300: `value` is the hexadecimal text of the first offending bytes.
    pub fn invalid_character_string(value: &str) -> Self {
        Self::new(
            1300,
            "HY000",
            format!("Invalid utf8mb4 character string: '{value}'"),
        )
    }
    /// `column` as `table.column`; `what` as MySQL's JSON parser words it, with its full stop.
    pub fn invalid_json(what: &str, position: usize, column: &str) -> Self {
        Self::new(
            3140,
            "22032",
            format!(
                "Invalid JSON text: \"{what}\" at position {position} in value for column \
                 '{column}'."
            ),
        )
    }
    pub fn json_from_binary() -> Self {
        Self::new(
            3144,
            "22032",
            "Cannot create a JSON value from a string with CHARACTER SET 'binary'.",
        )
    }
    pub fn json_too_deep() -> Self {
        Self::new(
            3157,
            "22032",
            "The JSON document exceeds the maximum depth.",
        )
    }
}
