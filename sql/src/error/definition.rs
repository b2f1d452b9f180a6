//! Errors of table definitions.

use super::SqlError;

impl SqlError {
    /// 1091: DROP of a column or a key that is not there.
    pub fn cannot_drop(name: &str) -> Self {
        let text = format!("Can't DROP '{name}'; check that column/key exists");
        Self::new(1091, "42000", text)
    }
    pub fn cannot_drop_all_columns() -> Self {
        let text = "You can't delete all columns with ALTER TABLE; use DROP TABLE instead";
        Self::new(1090, "42000", text)
    }
    /// 1176: a key named in RENAME INDEX.
    pub fn unknown_key(key: &str, table: &str) -> Self {
        let text = format!("Key '{key}' doesn't exist in table '{table}'");
        Self::new(1176, "42000", text)
    }
    /// 1138: rows have NULL in a column that is to be NOT NULL.
    pub fn invalid_use_of_null() -> Self {
        Self::new(1138, "22004", "Invalid use of NULL value")
    }
    pub fn duplicate_column_name(column: &str) -> Self {
        Self::new(1060, "42S21", format!("Duplicate column name '{column}'"))
    }
    pub fn duplicate_key_name(key: &str) -> Self {
        Self::new(1061, "42000", format!("Duplicate key name '{key}'"))
    }
    pub fn incorrect_column_specifier(column: &str) -> Self {
        Self::new(
            1063,
            "42000",
            format!("Incorrect column specifier for column '{column}'"),
        )
    }
    pub fn invalid_default(column: &str) -> Self {
        Self::new(
            1067,
            "42000",
            format!("Invalid default value for '{column}'"),
        )
    }
    pub fn multiple_primary_key() -> Self {
        Self::new(1068, "42000", "Multiple primary key defined")
    }
    pub fn too_many_keys(max: usize) -> Self {
        Self::new(
            1069,
            "42000",
            format!("Too many keys specified; max {max} keys allowed"),
        )
    }
    pub fn too_many_key_parts(max: usize) -> Self {
        Self::new(
            1070,
            "42000",
            format!("Too many key parts specified; max {max} parts allowed"),
        )
    }
    pub fn key_column_does_not_exist(column: &str) -> Self {
        Self::new(
            1072,
            "42000",
            format!("Key column '{column}' doesn't exist in table"),
        )
    }
    /// `max`: characters for CHAR and VARCHAR, bytes for BINARY and VARBINARY.
    pub fn column_too_long(column: &str, max: u32) -> Self {
        Self::new(
            1074,
            "42000",
            format!(
                "Column length too big for column '{column}' (max = {max}); \
                 use BLOB or TEXT instead"
            ),
        )
    }
    pub fn wrong_auto_column() -> Self {
        Self::new(
            1075,
            "42000",
            "Incorrect table definition; there can be only one auto column and it must be \
             defined as a key",
        )
    }
    pub fn incorrect_prefix_key() -> Self {
        Self::new(
            1089,
            "HY000",
            "Incorrect prefix key; the used key part isn't a string, the used length is longer \
             than the key part, or the storage engine doesn't support unique prefix keys",
        )
    }
    pub fn blob_cannot_have_default(column: &str) -> Self {
        Self::new(
            1101,
            "42000",
            format!("BLOB, TEXT, GEOMETRY or JSON column '{column}' can't have a default value"),
        )
    }
    pub fn table_without_columns() -> Self {
        Self::new(1113, "42000", "A table must have at least 1 column")
    }
    pub fn too_many_columns() -> Self {
        Self::new(1117, "HY000", "Too many columns")
    }
    pub fn nullable_primary_key() -> Self {
        Self::new(
            1171,
            "42000",
            "All parts of a PRIMARY KEY must be NOT NULL; if you need NULL in a key, use UNIQUE \
             instead",
        )
    }
    /// `kind`: "ENUM" or "SET".
    pub fn duplicated_type_value(column: &str, value: &str, kind: &str) -> Self {
        Self::new(
            1291,
            "HY000",
            format!("Column '{column}' has duplicated value '{value}' in {kind}"),
        )
    }
    /// `kind`: "ENUM" or "SET".
    pub fn too_many_type_values(column: &str, kind: &str) -> Self {
        Self::new(
            1097,
            "HY000",
            format!("Too many strings for column {column} and {kind}"),
        )
    }
    /// 1367: a member of a SET contains a comma.
    pub fn illegal_set_value(value: &str) -> Self {
        Self::new(
            1367,
            "22007",
            format!("Illegal set '{value}' value found during parsing"),
        )
    }
    pub fn invalid_on_update(column: &str) -> Self {
        Self::new(
            1294,
            "HY000",
            format!("Invalid ON UPDATE clause for '{column}' column"),
        )
    }
    /// `number` as written: it may be larger than any integer type.
    pub fn scale_too_big(number: u64, column: &str, max: u8) -> Self {
        Self::new(
            1425,
            "42000",
            format!("Too big scale {number} specified for column '{column}'. Maximum is {max}."),
        )
    }
    pub fn precision_too_big(number: u64, column: &str, max: u8) -> Self {
        Self::new(
            1426,
            "42000",
            format!("Too-big precision {number} specified for '{column}'. Maximum is {max}."),
        )
    }
    pub fn scale_larger_than_precision(column: &str) -> Self {
        Self::new(
            1427,
            "42000",
            format!(
                "For float(M,D), double(M,D) or decimal(M,D), M must be >= D (column '{column}')."
            ),
        )
    }
    pub fn display_width_out_of_range(column: &str, max: u64) -> Self {
        Self::new(
            1439,
            "42000",
            format!("Display width out of range for column '{column}' (max = {max})"),
        )
    }
    /// 1221: `one` and `other` do not go together.
    pub fn incorrect_usage(one: &str, other: &str) -> Self {
        let text = format!("Incorrect usage of {one} and {other}");
        Self::new(1221, "HY000", text)
    }
    /// 3105
    pub fn value_for_generated(column: &str, table: &str) -> Self {
        let text = format!("The value specified for generated column '{column}' in table");
        Self::new(3105, "HY000", format!("{text} '{table}' is not allowed."))
    }
    /// 3773: DEFAULT(column) of a column whose value is computed.
    pub fn default_of_expression() -> Self {
        let text = "DEFAULT function cannot be used with default value expressions";
        Self::new(3773, "HY000", text)
    }
    /// 3106
    pub fn unsupported_of_generated(what: &str) -> Self {
        let text = format!("'{what}' is not supported for generated columns.");
        Self::new(3106, "HY000", text)
    }
    /// 3107
    pub fn generated_uses_later() -> Self {
        let text = "Generated column can refer only to generated columns defined prior to it.";
        Self::new(3107, "HY000", text)
    }
    /// 3108: a column that is to go, or to have another name.
    pub fn used_by_generated(column: &str) -> Self {
        let text = format!("Column '{column}' has a generated column dependency.");
        Self::new(3108, "HY000", text)
    }
    /// 3109
    pub fn generated_uses_auto_increment(column: &str) -> Self {
        let text = format!("Generated column '{column}' cannot refer to auto-increment column.");
        Self::new(3109, "HY000", text)
    }
    /// 3102: a sub-query, an aggregate.
    pub fn generated_uses_query(column: &str) -> Self {
        let text = "contains a disallowed function.";
        let text = format!("Expression of generated column '{column}' {text}");
        Self::new(3102, "HY000", text)
    }
    /// 3763: a function whose value is not the same each time.
    pub fn generated_uses_function(column: &str, function: &str) -> Self {
        let text = format!("contains a disallowed function: {function}.");
        let text = format!("Expression of generated column '{column}' {text}");
        Self::new(3763, "HY000", text)
    }
    /// 3764
    pub fn generated_uses_row(column: &str) -> Self {
        let text = "cannot refer to a row value.";
        let text = format!("Expression of generated column '{column}' {text}");
        Self::new(3764, "HY000", text)
    }
    /// 3765
    pub fn generated_uses_variable(column: &str) -> Self {
        let text = "cannot refer user or system variables.";
        let text = format!("Expression of generated column '{column}' {text}");
        Self::new(3765, "HY000", text)
    }
    /// 3812
    pub fn check_is_no_condition(check: &str) -> Self {
        let text = "An expression of non-boolean type specified to a check constraint";
        Self::new(3812, "HY000", format!("{text} '{check}'."))
    }
    /// 3813: a column's own constraint names another column.
    pub fn check_uses_other_column(check: &str) -> Self {
        let text = format!("Column check constraint '{check}' references other column.");
        Self::new(3813, "HY000", text)
    }
    /// 3814: a function whose value is not the same each time.
    pub fn check_uses_function(check: &str, function: &str) -> Self {
        let text = "contains disallowed function";
        let text = format!("An expression of a check constraint '{check}' {text}: {function}.");
        Self::new(3814, "HY000", text)
    }
    /// 3815: a sub-query, an aggregate.
    pub fn check_uses_query(check: &str) -> Self {
        let text = "contains disallowed function";
        let text = format!("An expression of a check constraint '{check}' {text}.");
        Self::new(3815, "HY000", text)
    }
    pub fn check_uses_variable(check: &str) -> Self {
        let text = "cannot refer to a user or system variable";
        let text = format!("An expression of a check constraint '{check}' {text}.");
        Self::new(3816, "HY000", text)
    }
    pub fn check_uses_row(check: &str) -> Self {
        let text = format!("Check constraint '{check}' cannot refer to a row value.");
        Self::new(3817, "HY000", text)
    }
    pub fn check_uses_auto_increment(check: &str) -> Self {
        let text = "cannot refer to an auto-increment column";
        Self::new(3818, "HY000", format!("Check constraint '{check}' {text}."))
    }
    /// 3819: a row for which a constraint is false.
    pub fn check_violated(check: &str) -> Self {
        let text = format!("Check constraint '{check}' is violated.");
        Self::new(3819, "HY000", text)
    }
    pub fn check_uses_unknown_column(check: &str, column: &str) -> Self {
        let text = format!("Check constraint '{check}' refers to non-existing column '{column}'.");
        Self::new(3820, "HY000", text)
    }
    pub fn check_not_found(check: &str) -> Self {
        let text = format!("Check constraint '{check}' is not found in the table.");
        Self::new(3821, "HY000", text)
    }
    pub fn duplicate_check(check: &str) -> Self {
        let text = format!("Duplicate check constraint name '{check}'.");
        Self::new(3822, "HY000", text)
    }
    /// 3940: DROP CONSTRAINT of what is neither key nor CHECK.
    pub fn constraint_not_found(name: &str) -> Self {
        let text = format!("Constraint '{name}' does not exist.");
        Self::new(3940, "HY000", text)
    }
    /// 3959: `user` is "Check constraint 'c'", "EVENT KEY" ...
    pub fn column_is_used(user: &str, column: &str, done: &str) -> Self {
        let text = format!("{user} uses column '{column}', hence column cannot be {done}.");
        Self::new(3959, "HY000", text)
    }
}
