//! The operators of a plan, under the collations of what they group, order and join by.
//!
//! An operator's output keeps its names: operators above know columns by them.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DFSchemaRef, JoinConstraint, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, GroupingSet};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{grouping_set_to_exprlist, merge_schema};
use datafusion::logical_expr::{
    Aggregate, Case, Distinct, Expr, Filter, Join, LogicalPlan, Projection, Union, lit,
};

use super::derive::{Derived, Deriver, comparing, mix};
use super::expr::{same, without_marks};
use crate::collation::Order;
use crate::functions::collated::{Choice, Collated, chosen};

/// One operator whose inputs are rewritten already.
pub(super) fn rewrite(plan: LogicalPlan, connection: &str) -> Result<Transformed<LogicalPlan>> {
    let schema = match &plan {
        LogicalPlan::TableScan(_) => return Ok(Transformed::no(plan)),
        _ => merge_schema(&plan.inputs()),
    };
    let deriver = Deriver {
        schema: &schema,
        connection,
    };
    let names = Arc::clone(plan.schema());
    let plan = compared(plan, &deriver)?;
    let plan = match plan {
        LogicalPlan::Aggregate(aggregate) => by_keys(aggregate, &names, &deriver)?,
        LogicalPlan::Distinct(Distinct::All(input)) => distinct(input, &deriver)?,
        LogicalPlan::Join(join) => LogicalPlan::Join(joined(join, connection)?),
        LogicalPlan::Sort(mut sort) => {
            sort.expr = deriver.sorts(sort.expr)?;
            LogicalPlan::Sort(sort)
        }
        LogicalPlan::Filter(filter) if filter.predicate.contains_outer() => {
            keys_as_columns(filter)?
        }
        LogicalPlan::Union(union) => return united(union, connection).map(Transformed::yes),
        other => other,
    };
    let plan = unmarked(plan, &schema)?;
    Ok(Transformed::yes(plan.recompute_schema()?))
}

/// The plan with its comparisons under their collations, and the collations of what it gives out told.
fn compared(plan: LogicalPlan, deriver: &Deriver<'_>) -> Result<LogicalPlan> {
    let names = NamePreserver::new(&plan);
    let tells = matches!(
        plan,
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)
    );
    let plan = plan.map_expressions(|expr| {
        if let Expr::GroupingSet(_) = expr {
            // Has no name of its own, and stands under none.
            return expr.transform_up(|e| deriver.rewrite(e));
        }
        let name = names.save(&expr);
        let derived = match &expr {
            expr if tells && !is_column(expr) => told(expr, deriver)?,
            _ => None,
        };
        let rewritten = expr.transform_up(|e| deriver.rewrite(e))?;
        Ok(rewritten.update_data(|e| {
            let named = name.restore(e);
            match derived {
                Some(derived) => telling(named, &derived),
                None => named,
            }
        }))
    })?;
    Ok(plan.data)
}

fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_column(&alias.expr),
        other => matches!(other, Expr::Column(_)),
    }
}

/// The collation of an expression that readers of its field would not guess.
fn told(expr: &Expr, deriver: &Deriver<'_>) -> Result<Option<Derived>> {
    let derived = deriver.of(expr)?;
    Ok(derived.filter(|derived| *derived != deriver.literal()))
}

/// An expression whose field has its collation.
fn telling(expr: Expr, derived: &Derived) -> Expr {
    let (relation, name) = expr.qualified_name();
    match expr {
        Expr::Alias(mut alias) => {
            let mut metadata = derived.metadata();
            if let Some(own) = alias.metadata.take() {
                metadata.extend(own);
            }
            alias.metadata = Some(metadata);
            Expr::Alias(alias)
        }
        other => other.alias_qualified_with_metadata(relation, name, Some(derived.metadata())),
    }
}

fn unmarked(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    let names = NamePreserver::new(&plan);
    let plan = plan.map_expressions(|expr| {
        if let Expr::GroupingSet(_) = expr {
            return Ok(Transformed::yes(without_marks(expr, schema)?));
        }
        let name = names.save(&expr);
        Ok(Transformed::yes(name.restore(without_marks(expr, schema)?)))
    })?;
    Ok(plan.data)
}

/// The order of an expression that is grouped by, if it is not by bytes.
fn folding(expr: &Expr, deriver: &Deriver<'_>) -> Result<Option<Order>> {
    let derived = deriver.of(expr)?;
    let order = derived.map(|derived| derived.order());
    Ok(order.filter(|order| *order != Order::Bytes))
}

/// An aggregate that groups strings by their keys and shows one string of each group, under the names of `names`.
fn by_keys(aggregate: Aggregate, names: &DFSchema, deriver: &Deriver<'_>) -> Result<LogicalPlan> {
    // Anew, for its schema: expressions that were given a collation do not change it by themselves.
    let Aggregate {
        input,
        group_expr,
        aggr_expr,
        ..
    } = aggregate;
    let aggregate = Aggregate::try_new(input, group_expr, aggr_expr)?;
    let grouped: Vec<Expr> = grouping_set_to_exprlist(&aggregate.group_expr)?
        .into_iter()
        .cloned()
        .collect();
    let orders = grouped.iter().map(|expr| folding(expr, deriver));
    let orders = orders.collect::<Result<Vec<_>>>()?;
    let in_sets = matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]);
    // What is within a grouping set has no alias that would keep its name.
    let differs = |at| names.field(at).name() != aggregate.schema.field(at).name();
    let is_renamed = in_sets && (0..grouped.len()).any(differs);
    if orders.iter().all(Option::is_none) && !is_renamed {
        return Ok(LogicalPlan::Aggregate(aggregate));
    }
    let keyed = |expr: Expr| match grouped.iter().position(|g| *g == expr) {
        Some(at) => match orders.get(at).copied().flatten() {
            Some(order) => same(unaliased(expr), order),
            None => expr,
        },
        None => expr,
    };
    let group_expr = aggregate.group_expr.into_iter();
    let group_expr = group_expr.map(|expr| match expr {
        Expr::GroupingSet(set) => Expr::GroupingSet(map_set(set, &keyed)),
        expr => keyed(expr),
    });
    let mut aggr_expr = grouping_of_keys(aggregate.aggr_expr, &keyed)?;
    for (at, (expr, order)) in grouped.iter().zip(&orders).enumerate() {
        if order.is_some() {
            let first = AggregateFunction::new_udf(
                chosen(Choice::First, Order::Bytes),
                vec![unaliased(expr.clone())],
                false,
                None,
                Vec::new(),
                None,
            );
            aggr_expr.push(Expr::AggregateFunction(first).alias(shown_name(at)));
        }
    }
    let schema = aggregate.schema;
    let by_keys = Aggregate::try_new(aggregate.input, group_expr.collect(), aggr_expr)?;
    let inner = Arc::clone(&by_keys.schema);
    let output = |at: usize| {
        let own = Expr::Column(Column::from(inner.qualified_field(at)));
        if orders.get(at).copied().flatten().is_none() {
            return match is_renamed && at < grouped.len() {
                true => as_field(own, (names, schema.as_ref()), at),
                false => own,
            };
        }
        let shown = Expr::Column(Column::new_unqualified(shown_name(at)));
        // What a row of sub-totals leaves out is NULL, whatever its rows have.
        let shown = match in_sets {
            true => Expr::Case(Case::new(
                None,
                vec![(Box::new(own.is_not_null()), Box::new(shown))],
                Some(Box::new(lit(ScalarValue::Utf8View(None)))),
            )),
            false => shown,
        };
        as_field(shown, (names, schema.as_ref()), at)
    };
    // The number of a grouping set is for GROUPING() alone, which is resolved below this projection.
    let told = |at: &usize| schema.field(*at).name() != Aggregate::INTERNAL_GROUPING_ID;
    let output = (0..schema.fields().len())
        .filter(told)
        .map(output)
        .collect();
    let input = Arc::new(LogicalPlan::Aggregate(by_keys));
    Projection::try_new(output, input).map(LogicalPlan::Projection)
}

fn shown_name(at: usize) -> String {
    format!("__shown_{at}")
}

fn unaliased(expr: Expr) -> Expr {
    match expr {
        Expr::Alias(alias) => *alias.expr,
        other => other,
    }
}

fn map_set(set: GroupingSet, map: &impl Fn(Expr) -> Expr) -> GroupingSet {
    let all = |exprs: Vec<Expr>| exprs.into_iter().map(map).collect::<Vec<_>>();
    match set {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(all(exprs)),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(all(exprs)),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.into_iter().map(all).collect())
        }
    }
}

/// GROUPING() is about what is grouped by.
fn grouping_of_keys(exprs: Vec<Expr>, keyed: &impl Fn(Expr) -> Expr) -> Result<Vec<Expr>> {
    let of_keys = |expr: Expr| {
        let name = expr.schema_name().to_string();
        let replaced = expr.transform_up(|e| {
            Ok(match e {
                Expr::AggregateFunction(mut call) if call.func.name() == "grouping" => {
                    let args = std::mem::take(&mut call.params.args);
                    call.params.args = args.into_iter().map(keyed).collect();
                    Transformed::yes(Expr::AggregateFunction(call))
                }
                other => Transformed::no(other),
            })
        })?;
        Ok(match replaced.transformed {
            true => replaced.data.alias(name),
            false => replaced.data,
        })
    };
    exprs.into_iter().map(of_keys).collect()
}

/// An expression under the name of one schema's field and with the metadata of another's.
fn as_field(expr: Expr, (names, schema): (&DFSchema, &DFSchema), at: usize) -> Expr {
    let (relation, field) = names.qualified_field(at);
    let told = schema.field(at).metadata();
    let metadata = Some(told.into()).filter(|_| !told.is_empty());
    expr.alias_qualified_with_metadata(relation.cloned(), field.name(), metadata)
}

fn columns_of(schema: &DFSchemaRef) -> Vec<Expr> {
    schema.iter().map(Expr::from).collect()
}

/// Different rows; of strings those with different keys.
fn distinct(input: Arc<LogicalPlan>, deriver: &Deriver<'_>) -> Result<LogicalPlan> {
    let columns = columns_of(input.schema());
    let mut folds = false;
    for column in &columns {
        folds |= folding(column, deriver)?.is_some();
    }
    if !folds {
        return Ok(LogicalPlan::Distinct(Distinct::All(input)));
    }
    let aggregate = Aggregate::try_new(input, columns, Vec::new())?;
    let names = Arc::clone(&aggregate.schema);
    by_keys(aggregate, &names, deriver)
}

/// A join whose equal columns are equal as keys.
fn joined(mut join: Join, connection: &str) -> Result<Join> {
    let side = |plan: &Arc<LogicalPlan>, expr: &Expr| {
        let deriver = Deriver {
            schema: plan.schema(),
            connection,
        };
        deriver.of(expr)
    };
    for (left, right) in &mut join.on {
        let (Some(a), Some(b)) = (side(&join.left, left)?, side(&join.right, right)?) else {
            continue;
        };
        let order = comparing(&[a, b], "=")?.map_or(Order::Bytes, |d| d.order());
        if order != Order::Bytes {
            *left = same(std::mem::take(left), order);
            *right = same(std::mem::take(right), order);
            // Columns of USING are columns.
            join.join_constraint = JoinConstraint::On;
        }
    }
    Ok(join)
}

/// A filter that compares with columns of outer queries, over a projection that has the keys of its own strings:
/// sub-queries with aggregates become joins only by columns.
fn keys_as_columns(filter: Filter) -> Result<LogicalPlan> {
    let columns = columns_of(filter.input.schema());
    let mut keys: Vec<Expr> = Vec::new();
    let own_key = |expr: &Expr| {
        let is_key = Collated::of(expr).is_some_and(Collated::makes_keys);
        is_key && !expr.contains_outer() && expr.any_column_refs()
    };
    let predicate = filter.predicate.transform_down(|expr| {
        if !own_key(&expr) {
            return Ok(Transformed::no(expr));
        }
        let at = keys.iter().position(|key| *key == expr).unwrap_or_else(|| {
            keys.push(expr);
            keys.len() - 1
        });
        Ok(Transformed::yes(Expr::Column(Column::new_unqualified(
            key_name(at),
        ))))
    })?;
    if keys.is_empty() {
        let filter = Filter::try_new(predicate.data, filter.input)?;
        return Ok(LogicalPlan::Filter(filter));
    }
    let named = keys.into_iter().enumerate();
    let named = named.map(|(at, key)| key.alias(key_name(at)));
    let input = Projection::try_new(columns.iter().cloned().chain(named).collect(), filter.input)?;
    let filtered = Filter::try_new(predicate.data, Arc::new(LogicalPlan::Projection(input)))?;
    let filtered = Arc::new(LogicalPlan::Filter(filtered));
    Projection::try_new(columns, filtered).map(LogicalPlan::Projection)
}

fn key_name(at: usize) -> String {
    format!("__key_{at}")
}

/// A union whose columns have the collation of all their parts.
fn united(union: Union, connection: &str) -> Result<LogicalPlan> {
    let schema = Arc::clone(&union.schema);
    let (mut output, mut tells) = (columns_of(&schema), false);
    for (at, column) in output.iter_mut().enumerate() {
        let parts = union.inputs.iter().filter_map(|input| {
            let deriver = Deriver {
                schema: input.schema(),
                connection,
            };
            deriver.field(input.schema().fields().get(at)?)
        });
        let parts: Vec<Derived> = parts.collect();
        let deriver = Deriver {
            schema: &schema,
            connection,
        };
        let own = deriver.field(schema.field(at));
        if let Some(mixed) = mix(&parts, "UNION")?
            && own.is_some_and(|own| own.collation != mixed.collation)
        {
            *column = telling(std::mem::take(column), &mixed);
            tells = true;
        }
    }
    let union = LogicalPlan::Union(union);
    match tells {
        true => Projection::try_new(output, Arc::new(union)).map(LogicalPlan::Projection),
        false => Ok(union),
    }
}
