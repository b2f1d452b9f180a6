//! Aggregates above a join whose other side only decides which rows count: they are computed by storage over the one
//! table, on the rows whose key is among those of the other side.
//!
//! That needs one pair of columns to be equal; pairs that both sides compare with the same literal are equal as it is. Of
//! an inner join a row counts as often as its key occurs, which shows only at work: for keys that repeat the node
//! keeps the aggregate as it was. So the other side must be one that may be read twice, and it has to be the smaller one.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, NullEquality};
use datafusion::error::Result;
use datafusion::logical_expr::{Aggregate, Expr, Join, LogicalPlan, Projection};
use storno_storage::{CompareOp, Predicate, Value};

use super::below::Below;
use super::node::Matching;
use super::plain::never_warns;
use super::rule::{above_strings, scan_of, string_name};
use super::shape::{Shape, folded, made_by};
use crate::collation::Order;
use crate::functions::collated::Operation;
use crate::select::prune::{column, predicates};
use crate::select::table::SnapshotTable;

/// So many keys are never too many.
const FEW: u64 = 1_000;

/// The name of the keys of the other side.
const KEY: &str = "__matching";

/// The operator that computes an aggregate above a join, if storage can.
pub(super) fn joined(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let exprs = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
    let mut below = Below {
        exprs: exprs.cloned().collect(),
        filters: Vec::new(),
    };
    let LogicalPlan::Join(join) = below.pass(&aggregate.input)? else {
        return Ok(None);
    };
    let plain = join.filter.is_none() && join.null_equality == NullEquality::NullEqualsNothing;
    let sides = match join.join_type {
        JoinType::Inner => [Some(Side::Left), Some(Side::Right)],
        JoinType::LeftSemi => [Some(Side::Left), None],
        JoinType::RightSemi => [Some(Side::Right), None],
        _ => [None, None],
    };
    for side in sides.into_iter().flatten().filter(|_| plain) {
        if let Some(found) = matched(aggregate, join, side, &below)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The side of a join whose rows are aggregated.
#[derive(Debug, Clone, Copy)]
enum Side {
    Left,
    Right,
}

fn matched(
    aggregate: &Aggregate,
    join: &Join,
    side: Side,
    below: &Below,
) -> Result<Option<LogicalPlan>> {
    let (plan, other) = match side {
        Side::Left => (&join.left, &join.right),
        Side::Right => (&join.right, &join.left),
    };
    let mut exprs = below.exprs.iter().chain(&below.filters);
    if !exprs.all(|expr| is_over(expr, plan.schema())) {
        return Ok(None);
    }
    let pairs = join.on.iter().map(|(left, right)| match side {
        Side::Left => (left, right),
        Side::Right => (right, left),
    });
    let (own, others): (Vec<&Expr>, Vec<&Expr>) = pairs.unzip();
    let aggregated = below.exprs.len();
    let mut below = below.clone();
    below.exprs.extend(own.into_iter().cloned());
    let Some(scan) = below.descend(plan)? else {
        return Ok(None);
    };
    let provider = source_as_provider(&scan.source)?;
    let Some(table) = provider.as_ref().downcast_ref::<SnapshotTable>() else {
        return Ok(None);
    };
    let inner = join.join_type == JoinType::Inner;
    if !may_be_keys(other, table.rows_within(&below.filters)?, inner)? {
        return Ok(None);
    }
    let (exprs, own) = below.exprs.split_at(aggregated);
    let filters = (below.filters.as_slice(), table.arrow_schema().as_ref());
    let Some((own, key)) = only_pair(own, &others, filters, other)? else {
        return Ok(None);
    };
    let widened = column(key, other.schema().as_arrow()).is_some();
    if inner && !widened && !never_warns(key) {
        return Ok(None);
    }
    let Some((column, order)) = key_column(own, table) else {
        return Ok(None);
    };
    let exprs = exprs.split_at(aggregate.group_expr.len());
    let Some(mut scan) = scan_of(aggregate, exprs, below.filters.clone(), &provider)? else {
        return Ok(None);
    };
    let otherwise = match inner {
        true => match otherwise(aggregate, &scan.shape)? {
            Some(plan) => Some(Arc::new(plan)),
            None => return Ok(None),
        },
        false => None,
    };
    let keys = Projection::try_new(vec![key.clone().alias(KEY)], Arc::clone(other))?;
    scan.matching = Some(Matching {
        column,
        order,
        keys: Arc::new(LogicalPlan::Projection(keys)),
        otherwise,
    });
    above_strings(scan, exprs.0, &aggregate.schema).map(Some)
}

/// Whether an expression's columns are all of a schema.
fn is_over(expr: &Expr, schema: &DFSchema) -> bool {
    let mut columns = expr.column_refs().into_iter();
    columns.all(|c| schema.maybe_index_of_column(c).is_some())
}

/// Whether the other side of a join may become a set of keys for a table of which so many rows may be wanted.
fn may_be_keys(other: &LogicalPlan, rows: u64, inner: bool) -> Result<bool> {
    let few = (rows / 2).max(FEW);
    let is_smaller = rows_in(other)?.is_some_and(|rows| rows <= few);
    Ok(is_smaller && (!inner || is_quiet(other)?))
}

/// At most so many rows a query reads, if all are of stored tables.
fn rows_in(plan: &LogicalPlan) -> Result<Option<u64>> {
    let mut all = Some(0u64);
    plan.apply(|plan| {
        if let LogicalPlan::TableScan(scan) = plan {
            let provider = source_as_provider(&scan.source)?;
            let table = provider.as_ref().downcast_ref::<SnapshotTable>();
            let rows = table.map(|table| table.rows_within(&scan.filters));
            let rows = rows.transpose()?;
            all = all.zip(rows).map(|(all, rows)| all.saturating_add(rows));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(all)
}

/// Whether a query may be run twice without anybody seeing it: it reads stored tables and warns of nothing.
fn is_quiet(plan: &LogicalPlan) -> Result<bool> {
    let mut quiet = true;
    plan.apply(|plan| {
        quiet &= match plan {
            LogicalPlan::TableScan(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Projection(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Distinct(_) => {
                let mut exprs = plan.expressions().into_iter();
                exprs.all(|expr| never_warns(&expr))
            }
            LogicalPlan::Extension(node) => node.node.name() == "AggregateScan",
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(quiet)
}

/// The one pair of columns whose equality says something, or any if none does; `None` if there are several.
fn only_pair<'e>(
    own: &'e [Expr],
    others: &[&'e Expr],
    (filters, schema): (&[Expr], &Schema),
    other: &LogicalPlan,
) -> Result<Option<(&'e Expr, &'e Expr)>> {
    let mut there = Below {
        exprs: others.iter().map(|expr| (*expr).clone()).collect(),
        filters: Vec::new(),
    };
    let scanned = there.descend(other)?.map(|scan| scan.source.schema());
    let value_there = |expr| fixed(expr, &there.filters, scanned.as_ref()?);
    let mut only = None;
    for ((one, other), below) in own.iter().zip(others).zip(&there.exprs) {
        let here = fixed(one, filters, schema);
        if here.is_some() && here == value_there(below) {
            continue;
        }
        if only.replace((one, *other)).is_some() {
            return Ok(None);
        }
    }
    let first = own.first().zip(others.first().copied());
    Ok(only.or(first))
}

/// The value that filters say a column has.
fn fixed(expr: &Expr, filters: &[Expr], schema: &Schema) -> Option<Value> {
    let column = column(expr, schema)?;
    let mut implied = filters.iter().flat_map(|filter| predicates(filter, schema));
    implied.find_map(|predicate| match predicate {
        Predicate::Compare {
            column: own,
            op: CompareOp::Eq,
            value,
        } => (own == column).then_some(value),
        _ => None,
    })
}

/// The column that a side of an equality is, and what its strings are equal by.
fn key_column(expr: &Expr, table: &SnapshotTable) -> Option<(usize, Option<Order>)> {
    // The other way to make keys is for comparisons that storage does not know.
    let (expr, order) = match (folded(expr), made_by(expr)) {
        (Some((strings, order)), Some(Operation::Same)) => (strings, Some(order)),
        (Some(_), _) => return None,
        (None, _) => (expr, None),
    };
    let at = column(expr, table.arrow_schema())?;
    let data_type = table.arrow_schema().field(at).data_type();
    // Zero has two forms there.
    let exact = !data_type.is_floating();
    (exact && table.is_stored_as_shown(at)).then_some((at, order))
}

/// The aggregate as it was, with what the operator gives out; `None` if it has no strings to show.
fn otherwise(aggregate: &Aggregate, shape: &Shape) -> Result<Option<LogicalPlan>> {
    let plan = LogicalPlan::Aggregate(aggregate.clone());
    if !shape.shows_strings() {
        return Ok(Some(plan));
    }
    let keys = shape.keys.len();
    let column = |at: usize| {
        let (qualifier, field) = aggregate.schema.qualified_field(at);
        (
            qualifier.cloned(),
            field.name(),
            Column::from((qualifier, field)),
        )
    };
    let mut columns = Vec::new();
    for key in 0..keys {
        let (qualifier, name, own) = column(key);
        if shape.fold_of(key).is_none() {
            columns.push(Expr::Column(own).alias_qualified(qualifier, name));
            continue;
        }
        let Some(shown) = shape.shown.iter().position(|shown| *shown == Some(key)) else {
            return Ok(None);
        };
        let (_, _, shown) = column(keys + shown);
        columns.push(Expr::Column(shown).alias(string_name(key)));
    }
    let computed = shape.shown.iter().enumerate();
    for (at, _) in computed.filter(|(_, shown)| shown.is_none()) {
        columns.push(Expr::Column(column(keys + at).2));
    }
    Projection::try_new(columns, Arc::new(plan)).map(|p| Some(LogicalPlan::Projection(p)))
}
