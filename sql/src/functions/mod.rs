//! MySQL's functions, operators and aggregates as DataFusion functions.
//!
//! SQL sees exactly what is registered here: [`scalar`], [`aggregate`] and [`window`] look names up, and
//! [`MysqlExprPlanner`] maps operators. Semantics are MySQL's: result types, NULL, conversions and
//! overflow errors. Strings compare by their bytes; `collated` has what compares under other collations.

pub(crate) mod aggregates;
mod argument;
mod builtin;
pub(crate) mod collated;
mod control;
pub(crate) mod convert;
pub(crate) mod datetime;
#[cfg(test)]
mod facts;
pub(crate) mod failure;
mod insert_id;
mod json;
mod numeric;
mod operators;
mod string;
#[cfg(test)]
mod testing;
pub(crate) mod warnings;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::functions_window as df;
use datafusion::logical_expr::{ScalarUDF, WindowUDF};

pub(crate) use aggregates::with_order;
pub(crate) use aggregates::{FIRST, LAST};
pub use aggregates::{aggregate, aggregate_names, group_concat, move_separator};
pub use builtin::FSP_KEY;
pub use control::{convert_to, unified_type};
pub use json::JSON_KEY;
pub use operators::digits::KeepDivisionDigits;
pub use operators::planner::{MysqlExprPlanner, truth, unary_function};
pub use operators::types::DECIMALS_KEY;

static SCALARS: LazyLock<HashMap<&'static str, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let tables = [
        aggregates::FUNCTIONS,
        collated::FUNCTIONS,
        insert_id::FUNCTIONS,
        json::FUNCTIONS,
        json::EDITS,
        operators::logic::FUNCTIONS,
    ];
    let mut functions: HashMap<&'static str, Arc<ScalarUDF>> = tables
        .into_iter()
        .chain(control::FUNCTIONS)
        .chain(datetime::FUNCTIONS)
        .chain(numeric::FUNCTIONS)
        .chain(string::FUNCTIONS)
        .flatten()
        .map(|definition| (definition.name, definition.udf()))
        .collect();
    functions.insert("mod", Arc::clone(&operators::planner::ARITHMETIC[6]));
    functions
});

static WINDOWS: LazyLock<HashMap<&'static str, Arc<WindowUDF>>> = LazyLock::new(|| {
    HashMap::from([
        ("row_number", df::row_number::row_number_udwf()),
        ("rank", df::rank::rank_udwf()),
        ("dense_rank", df::rank::dense_rank_udwf()),
        ("percent_rank", df::rank::percent_rank_udwf()),
        ("cume_dist", df::cume_dist::cume_dist_udwf()),
        ("ntile", df::ntile::ntile_udwf()),
        ("lag", df::lead_lag::lag_udwf()),
        ("lead", df::lead_lag::lead_udwf()),
        ("first_value", df::nth_value::first_value_udwf()),
        ("last_value", df::nth_value::last_value_udwf()),
        ("nth_value", df::nth_value::nth_value_udwf()),
    ])
});

/// The scalar function with this lower-case name.
pub fn scalar(name_lower: &str) -> Option<Arc<ScalarUDF>> {
    SCALARS.get(name_lower).cloned()
}

/// The window function with this lower-case name; aggregates are window functions too.
pub fn window(name_lower: &str) -> Option<Arc<WindowUDF>> {
    WINDOWS.get(name_lower).cloned()
}

/// Lower-case names of all scalar functions.
pub fn scalar_names() -> Vec<String> {
    SCALARS.keys().map(|name| (*name).to_owned()).collect()
}

/// Lower-case names of all window functions.
pub fn window_names() -> Vec<String> {
    WINDOWS.keys().map(|name| (*name).to_owned()).collect()
}
