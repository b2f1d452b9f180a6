//! Expressions that may be evaluated for a value that no wanted row has, and once for many equal ones:
//! they depend on nothing but the value, never fail and never warn.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::super::prune::widens;
use crate::functions::collated::{Collated, is_first};
use crate::select::table::SnapshotTable;

/// Functions that give NULL where they cannot give a result, silently.
const FUNCTIONS: &[&str] = &[
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "date",
    "date_format",
    "day",
    "dayname",
    "dayofmonth",
    "dayofweek",
    "dayofyear",
    "hour",
    "if",
    "ifnull",
    "last_day",
    "lcase",
    "left",
    "length",
    "locate",
    "lower",
    "ltrim",
    "microsecond",
    "minute",
    "month",
    "monthname",
    "nullif",
    "quarter",
    "replace",
    "reverse",
    "right",
    "rtrim",
    "second",
    "substr",
    "substring",
    "substring_index",
    "to_days",
    "trim",
    "ucase",
    "upper",
    "week",
    "weekday",
    "weekofyear",
    "year",
    "yearweek",
];

/// The only column of such an expression, as its position in the table; `None` when it has none or
/// several, or may not be evaluated so.
pub(super) fn only_column(expr: &Expr, table: &SnapshotTable) -> Option<usize> {
    let (mut column, mut plain) = (None, true);
    let visited = expr.apply(|e| {
        plain &= is_plain(e, table);
        if let Expr::Column(c) = e {
            let found = table.arrow_schema().index_of(&c.name).ok();
            plain &= found.is_some() && (column.is_none() || column == found);
            column = found;
        }
        Ok(if plain {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    });
    column.filter(|_| plain && visited.is_ok())
}

/// Whether an expression has nothing to warn of, whatever its columns are.
pub(super) fn never_warns(expr: &Expr) -> bool {
    !expr.exists(|e| Ok(!is_silent(e))).unwrap_or(true)
}

fn is_silent(expr: &Expr) -> bool {
    match expr {
        Expr::Cast(_) => false,
        Expr::AggregateFunction(call) => {
            matches!(call.func.name(), "count" | "min" | "max") || is_first(&call.func)
        }
        other => is_known(other),
    }
}

fn is_plain(expr: &Expr, table: &SnapshotTable) -> bool {
    match expr {
        Expr::Cast(cast) => match cast.expr.as_ref() {
            Expr::Column(c) => {
                let field = table.arrow_schema().field_with_name(&c.name);
                field.is_ok_and(|f| widens(f.data_type(), cast.field.data_type()))
            }
            _ => false,
        },
        other => is_known(other),
    }
}

/// Apart from casts, which depend on the types.
fn is_known(expr: &Expr) -> bool {
    use Operator::{And, Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq, Or};
    match expr {
        Expr::Column(_) | Expr::Literal(..) | Expr::Alias(_) | Expr::Case(_) => true,
        Expr::Like(_) | Expr::InList(_) | Expr::Between(_) | Expr::Not(_) => true,
        Expr::IsNull(_) | Expr::IsNotNull(_) => true,
        Expr::IsTrue(_) | Expr::IsFalse(_) | Expr::IsUnknown(_) => true,
        Expr::IsNotTrue(_) | Expr::IsNotFalse(_) | Expr::IsNotUnknown(_) => true,
        Expr::BinaryExpr(BinaryExpr { op, .. }) => matches!(
            op,
            And | Or | Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
        ),
        Expr::ScalarFunction(call) => {
            Collated::of(expr).is_some() || FUNCTIONS.binary_search(&call.name()).is_ok()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::FUNCTIONS;

    #[test]
    fn the_list_is_sorted_and_names_functions_there_are() {
        assert!(FUNCTIONS.is_sorted());
        let unknown = FUNCTIONS
            .iter()
            .filter(|name| crate::functions::scalar(name).is_none());
        assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}
