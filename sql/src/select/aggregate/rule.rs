//! The optimiser rule: an aggregate above nothing but filters and projections of a stored table, or a join that only
//! chooses its rows (`joined`), becomes one operator. A sort above that wants only some of the groups tells it so.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::default_table_source::source_as_provider;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::error::Result;
use datafusion::logical_expr::utils::{split_conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, Extension, Filter, LogicalPlan, Projection, Sort,
};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use storno_storage::{Having, Predicate, Top, Value};

use super::below::Below;
use super::joined::joined;
use super::node::AggregateScan;
use super::plain::only_column;
use super::shape::{Output, Shape, made_by, shape_of};
use crate::functions::collated::{Collated, Operation};
use crate::select::prune::predicates;
use crate::select::table::SnapshotTable;

/// The rule; stateless.
#[derive(Debug)]
pub struct AggregateInStorage;

impl OptimizerRule for AggregateInStorage {
    fn name(&self) -> &str {
        "aggregate_in_storage"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let found = match &plan {
            LogicalPlan::Aggregate(aggregate) => match in_storage(aggregate)? {
                Some(found) => Some(found),
                None => joined(aggregate)?,
            },
            LogicalPlan::Sort(sort) => with_top(sort)?,
            _ => None,
        };
        Ok(match found {
            Some(found) => Transformed::yes(found),
            None => Transformed::no(plan),
        })
    }
}

fn extension(scan: AggregateScan) -> LogicalPlan {
    let node = Arc::new(scan);
    LogicalPlan::Extension(Extension { node })
}

/// The operator that computes an aggregate, if storage can.
fn in_storage(aggregate: &Aggregate) -> Result<Option<LogicalPlan>> {
    let keys = aggregate.group_expr.len();
    let exprs = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
    let mut below = Below {
        exprs: exprs.cloned().collect(),
        filters: Vec::new(),
    };
    let Some(scan) = below.descend(&aggregate.input)? else {
        return Ok(None);
    };
    let provider = source_as_provider(&scan.source)?;
    let exprs = below.exprs.split_at(keys);
    match scan_of(aggregate, exprs, below.filters, &provider)? {
        Some(scan) => above_strings(scan, exprs.0, &aggregate.schema).map(Some),
        None => Ok(None),
    }
}

/// What storage computes of a table, given what the aggregate's keys and aggregates are there; `None` if it cannot.
pub(super) fn scan_of(
    aggregate: &Aggregate,
    (keys, aggregates): (&[Expr], &[Expr]),
    filters: Vec<Expr>,
    provider: &Arc<dyn TableProvider>,
) -> Result<Option<AggregateScan>> {
    let Some(table) = provider.as_ref().downcast_ref::<SnapshotTable>() else {
        return Ok(None);
    };
    let shape = shape_of(keys, aggregates, table);
    let Some((shape, conditions)) = shape.zip(conditions(filters, table)) else {
        return Ok(None);
    };
    let schema = match shape.shows_strings() {
        false => Arc::clone(&aggregate.schema),
        true => Arc::new(with_strings(&shape, &aggregate.schema)?),
    };
    Ok(Some(AggregateScan {
        shape,
        conditions,
        matching: None,
        having: Vec::new(),
        top: None,
        schema,
        table: Arc::clone(provider),
    }))
}

pub(super) fn string_name(key: usize) -> String {
    format!("__string_{key}")
}

/// The schema of an operator that gives strings where the aggregate gives their keys, and leaves out the
/// aggregates that show them.
fn with_strings(shape: &Shape, schema: &DFSchema) -> Result<DFSchema> {
    let keys = shape.keys.len();
    let key = |at: usize| match shape.fold_of(at) {
        Some(_) => (
            None,
            Arc::new(Field::new(string_name(at), DataType::Utf8View, true)),
        ),
        None => qualified(schema, at),
    };
    let computed = (keys..schema.fields().len()).zip(&shape.shown);
    let computed = computed.filter(|(_, shown)| shown.is_none());
    let fields = (0..keys).map(key);
    let fields = fields.chain(computed.map(|(at, _)| qualified(schema, at)));
    DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone())
}

fn qualified(schema: &DFSchema, at: usize) -> (Option<TableReference>, FieldRef) {
    let (qualifier, field) = schema.qualified_field(at);
    (qualifier.cloned(), Arc::clone(field))
}

/// What an aggregate gives of an operator that gives strings: their keys, and themselves. `grouped`: what it groups by.
/// Others compare its keys with keys that were made in the same way.
pub(super) fn above_strings(
    scan: AggregateScan,
    grouped: &[Expr],
    schema: &DFSchema,
) -> Result<LogicalPlan> {
    if !scan.shape.shows_strings() {
        return Ok(extension(scan));
    }
    let keys = scan.shape.keys.len();
    let string = |key: usize| Expr::Column(Column::new_unqualified(string_name(key)));
    let column = |at: usize| {
        let shown = at.checked_sub(keys).and_then(|at| scan.shape.shown.get(at));
        let expr = match (scan.shape.fold_of(at).filter(|_| at < keys), shown) {
            (Some(order), _) => {
                let operation = grouped.get(at).and_then(made_by);
                Collated::call(
                    operation.unwrap_or(Operation::Same),
                    order,
                    vec![string(at)],
                )
            }
            (None, Some(Some(key))) => string(*key),
            _ => return Expr::Column(Column::from(schema.qualified_field(at))),
        };
        let (qualifier, field) = qualified(schema, at);
        let metadata = Some(FieldMetadata::from(field.metadata()));
        expr.alias_qualified_with_metadata(qualifier, field.name(), metadata)
    };
    let columns = (0..schema.fields().len()).map(column).collect();
    Projection::try_new(columns, Arc::new(extension(scan))).map(LogicalPlan::Projection)
}

/// Filters as conditions on single columns.
fn conditions(filters: Vec<Expr>, table: &SnapshotTable) -> Option<Vec<(usize, Expr)>> {
    let mut conditions: Vec<(usize, Expr)> = Vec::new();
    for condition in filters.into_iter().flat_map(split_conjunction_owned) {
        let column = only_column(&condition, table)?;
        if !table.is_stored_as_shown(column) {
            return None;
        }
        let condition = (column, unqualified(condition));
        // The table's filters repeat those above it.
        if !conditions.contains(&condition) {
            conditions.push(condition);
        }
    }
    Some(conditions)
}

fn unqualified(expr: Expr) -> Expr {
    let bare = |e: Expr| {
        Ok(match e {
            Expr::Column(c) => Transformed::yes(Expr::Column(Column::new_unqualified(c.name))),
            other => Transformed::no(other),
        })
    };
    // The function fails never.
    expr.clone().transform(bare).map_or(expr, |t| t.data)
}

/// The sort above a marked operator, if the sort wants only the first rows by an aggregate.
fn with_top(sort: &Sort) -> Result<Option<LogicalPlan>> {
    let (Some(count), Some(first)) = (sort.fetch, sort.expr.first()) else {
        return Ok(None);
    };
    let Expr::Column(column) = &first.expr else {
        return Ok(None);
    };
    // NULL is less than any value.
    if first.asc != first.nulls_first {
        return Ok(None);
    }
    let input = marked(&sort.input, column, (count, !first.asc))?;
    Ok(input.map(|input| {
        LogicalPlan::Sort(Sort {
            input: Arc::new(input),
            ..sort.clone()
        })
    }))
}

/// The plan with its operator marked; `None` when there is none below, or it is marked already.
fn marked(
    plan: &LogicalPlan,
    column: &Column,
    (count, descending): (usize, bool),
) -> Result<Option<LogicalPlan>> {
    let Some(at) = plan.schema().maybe_index_of_column(column) else {
        return Ok(None);
    };
    match plan {
        LogicalPlan::Projection(projection) => {
            let below = projection.expr.get(at).map(|e| e.clone().unalias());
            let Some(Expr::Column(column)) = below else {
                return Ok(None);
            };
            let Some(input) = marked(&projection.input, &column, (count, descending))? else {
                return Ok(None);
            };
            let schema = Arc::clone(&projection.schema);
            let exprs = projection.expr.clone();
            let projection = Projection::try_new_with_schema(exprs, Arc::new(input), schema)?;
            Ok(Some(LogicalPlan::Projection(projection)))
        }
        LogicalPlan::Filter(filter) => {
            let Some(scan) = unmarked(&filter.input) else {
                return Ok(None);
            };
            let Some(having) = having(&filter.predicate, scan) else {
                return Ok(None);
            };
            let scan = AggregateScan {
                having,
                ..scan.clone()
            };
            let input = with_measure(&scan, at, (count, descending));
            Ok(input.map(|input| {
                let (predicate, input) = (filter.predicate.clone(), Arc::new(input));
                LogicalPlan::Filter(Filter::new(predicate, input))
            }))
        }
        other => Ok(unmarked(other).and_then(|scan| with_measure(scan, at, (count, descending)))),
    }
}

fn unmarked(plan: &LogicalPlan) -> Option<&AggregateScan> {
    let LogicalPlan::Extension(node) = plan else {
        return None;
    };
    let scan = node.node.as_any().downcast_ref::<AggregateScan>()?;
    scan.top.is_none().then_some(scan)
}

/// The measure that an output column of the operator is.
fn measure_of(scan: &AggregateScan, column: usize) -> Option<usize> {
    let output = column.checked_sub(scan.shape.keys.len())?;
    match scan.shape.outputs.get(output)? {
        Output::Count(measure) | Output::Extreme(measure) => Some(*measure),
        Output::Sum { measure, of } if !of.average && of.zeros.is_none() => Some(*measure),
        _ => None,
    }
}

fn with_measure(
    scan: &AggregateScan,
    column: usize,
    (count, descending): (usize, bool),
) -> Option<LogicalPlan> {
    let top = Top {
        measure: measure_of(scan, column)?,
        descending,
        count,
    };
    Some(extension(AggregateScan {
        top: Some(top),
        ..scan.clone()
    }))
}

/// A HAVING clause as comparisons of measures with numbers, if it is nothing else.
fn having(predicate: &Expr, scan: &AggregateScan) -> Option<Vec<Having>> {
    let schema = scan.schema.as_arrow();
    let mut found = Vec::new();
    for term in split_conjunction(predicate) {
        let Expr::BinaryExpr(BinaryExpr { left, .. }) = term else {
            return None;
        };
        let Expr::Column(column) = left.as_ref() else {
            return None;
        };
        let at = scan.schema.maybe_index_of_column(column)?;
        let measure = measure_of(scan, at)?;
        let mut implied = predicates(term, schema).into_iter();
        let (Some(Predicate::Compare { op, value, .. }), None) = (implied.next(), implied.next())
        else {
            return None;
        };
        let value = match (schema.field(at).data_type(), value) {
            (DataType::Decimal128(_, scale), Value::Decimal(value, other)) if *scale == other => {
                value
            }
            (DataType::Int64, Value::Int(value)) => value,
            _ => return None,
        };
        found.push(Having { measure, op, value });
    }
    Some(found)
}
