//! MySQL's aggregate functions.
//!
//! COUNT, MIN, MAX, ANY_VALUE, GROUPING and the variances are DataFusion's (the variances over doubles, see
//! `planner`); the others are ours for their result types and exactness.

mod approximate;
mod bits;
mod distinct;
mod double;
mod exact;
mod extreme;
mod group_concat;
pub(crate) mod input;
mod json;
pub(crate) mod planner;
mod row_key;
mod sum;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::functions_aggregate as df;
use datafusion::logical_expr::AggregateUDF;

use crate::collation::Order;

pub(crate) use exact::Exact;
pub use planner::move_separator;
pub(crate) use row_key::FUNCTIONS;

/// FIRST(value, time) and LAST(value, time) with the time as ORDER BY. As window functions DataFusion's own
/// names mean something else.
pub(crate) const FIRST: &str = "first_by_time";
pub(crate) const LAST: &str = "last_by_time";

static AGGREGATES: LazyLock<HashMap<&'static str, Arc<AggregateUDF>>> = LazyLock::new(|| {
    let json = |kind| Arc::new(AggregateUDF::new_from_impl(json::JsonAggregate::new(kind)));
    let bits = |op| Arc::new(AggregateUDF::new_from_impl(bits::BitAggregate::new(op)));
    HashMap::from([
        (
            "sum",
            Arc::new(AggregateUDF::new_from_impl(sum::Sum::total())),
        ),
        (
            "avg",
            Arc::new(AggregateUDF::new_from_impl(sum::Sum::avg())),
        ),
        ("count", df::count::count_udaf()),
        ("min", extreme::Extreme::udaf(df::min_max::min_udaf())),
        ("max", extreme::Extreme::udaf(df::min_max::max_udaf())),
        (
            "any_value",
            extreme::Extreme::udaf(df::any_value::any_value_udaf()),
        ),
        ("grouping", df::grouping::grouping_udaf()),
        (FIRST, df::first_last::first_value_udaf()),
        (LAST, df::first_last::last_value_udaf()),
        (
            "approx_count_distinct",
            Arc::new(AggregateUDF::new_from_impl(
                approximate::ApproxCountDistinct::new(),
            )),
        ),
        ("json_arrayagg", json(json::Kind::Array)),
        ("json_objectagg", json(json::Kind::Object)),
        ("group_concat", group_concat(group_concat::LENGTH_MAX)),
        ("bit_and", bits(bits::BitOp::And)),
        ("bit_or", bits(bits::BitOp::Or)),
        ("bit_xor", bits(bits::BitOp::Xor)),
        ("std", df::stddev::stddev_pop_udaf()),
        ("stddev", df::stddev::stddev_pop_udaf()),
        ("stddev_pop", df::stddev::stddev_pop_udaf()),
        ("stddev_samp", df::stddev::stddev_udaf()),
        ("variance", df::variance::var_pop_udaf()),
        ("var_pop", df::variance::var_pop_udaf()),
        ("var_samp", df::variance::var_samp_udaf()),
    ])
});

/// AVG that keeps the digits which MySQL calculates with; see `operators::digits`.
pub(crate) fn avg_with_internal_digits() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(
        sum::Sum::avg_with_internal_digits(),
    ))
}

/// The aggregate with this lower-case name.
pub fn aggregate(name_lower: &str) -> Option<Arc<AggregateUDF>> {
    AGGREGATES.get(name_lower).cloned()
}

/// Lower-case names of all aggregates.
pub fn aggregate_names() -> Vec<String> {
    AGGREGATES.keys().map(|name| (*name).to_owned()).collect()
}

/// GROUP_CONCAT that tells strings apart in an order; `None` for other aggregates.
pub(crate) fn with_order(function: &AggregateUDF, order: Order) -> Option<Arc<AggregateUDF>> {
    let concat = function
        .inner()
        .downcast_ref::<group_concat::GroupConcat>()?;
    Some(Arc::new(AggregateUDF::new_from_impl(
        concat.in_order(order),
    )))
}

/// GROUP_CONCAT for a session with its own `group_concat_max_len`, in bytes.
pub fn group_concat(length_max: usize) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(group_concat::GroupConcat::new(
        length_max,
    )))
}
