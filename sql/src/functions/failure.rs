//! The MySQL errors that functions and operators raise while they are planned or run.
//!
//! Each leaves as `DataFusionError::External` around an `SqlError`, so that it reaches the client
//! unchanged. Warnings are not errors: they go through `warnings`.

use datafusion::common::DataFusionError;

use crate::error::SqlError;

/// An `SqlError` on its way through DataFusion.
pub(crate) fn raise(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// 1690: `kind` is "BIGINT", "BIGINT UNSIGNED", "DECIMAL" or "DOUBLE".
pub(crate) fn out_of_range(kind: &str, expression: &str) -> DataFusionError {
    raise(SqlError::new(
        1690,
        "22003",
        format!("{kind} value is out of range in '{expression}'"),
    ))
}

/// 1582: a native function called with a number of arguments that it does not take.
pub(crate) fn wrong_argument_count(function: &str) -> DataFusionError {
    let name = function.to_ascii_uppercase();
    raise(SqlError::new(
        1582,
        "42000",
        format!("Incorrect parameter count in the call to native function '{name}'"),
    ))
}

/// 1235: known to MySQL, refused here rather than answered wrongly.
pub(crate) fn not_supported(what: &str) -> DataFusionError {
    raise(SqlError::not_supported(what))
}

/// 1210: an argument that the function can never accept.
pub(crate) fn wrong_arguments(function: &str) -> DataFusionError {
    raise(SqlError::new(
        1210,
        "HY000",
        format!("Incorrect arguments to {function}"),
    ))
}

/// A bug of ours: a value of a type that planning should have excluded.
pub(crate) fn internal(message: impl Into<String>) -> DataFusionError {
    raise(SqlError::internal(message))
}
