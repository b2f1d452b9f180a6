//! The parts of `sql_mode` that decide how values are read and stored.

/// Decoded once per statement from the session's `sql_mode` and the statement's IGNORE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// A value that does not fit is an error; otherwise it is clipped, with a warning.
    pub strict: bool,
    /// IGNORE was written: errors of single values become warnings, also in strict mode.
    pub ignore: bool,
    /// 0 is an ordinary value of an AUTO_INCREMENT column.
    pub no_auto_value_on_zero: bool,
    /// Double quotes enclose names.
    pub ansi_quotes: bool,
    /// A backslash in a string is a backslash.
    pub no_backslash_escapes: bool,
    /// Fractional seconds beyond the column's are cut, not rounded.
    pub truncate_fractional: bool,
}

impl Mode {
    /// Of the default `sql_mode`.
    pub const STRICT: Self = Self {
        strict: true,
        ignore: false,
        no_auto_value_on_zero: false,
        ansi_quotes: false,
        no_backslash_escapes: false,
        truncate_fractional: false,
    };

    /// Reads `sql_mode` as the session keeps it: upper-case names joined by commas. ANSI and
    /// TRADITIONAL are expected to be expanded, as MySQL does when they are set.
    pub fn of_sql_mode(sql_mode: &str) -> Self {
        let has = |name: &str| {
            sql_mode
                .split(',')
                .any(|mode| mode.trim().eq_ignore_ascii_case(name))
        };
        Self {
            strict: has("STRICT_TRANS_TABLES") || has("STRICT_ALL_TABLES"),
            ignore: false,
            no_auto_value_on_zero: has("NO_AUTO_VALUE_ON_ZERO"),
            ansi_quotes: has("ANSI_QUOTES"),
            no_backslash_escapes: has("NO_BACKSLASH_ESCAPES"),
            truncate_fractional: has("TIME_TRUNCATE_FRACTIONAL"),
        }
    }

    pub fn with_ignore(self, ignore: bool) -> Self {
        Self { ignore, ..self }
    }

    /// Whether a value that does not fit ends the statement.
    pub(super) fn is_fatal(self) -> bool {
        self.strict && !self.ignore
    }
}
