//! An analyzer rule that keeps the digits of quotients until the end of an expression.
//!
//! MySQL declares `2/3` with four digits but calculates with nine: `2/3*100` is 66.6667, and
//! `ROUND(AVG(x), 6)` has six digits. So a division, or AVG, whose result another operation consumes
//! keeps MySQL's internal digits; what leaves the expression has the declared ones. Operations that
//! pass values on unchanged (CASE, IF, COALESCE) see the declared digits.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion::Jump;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, Filter, LogicalPlan, Operator, Projection};
use datafusion::optimizer::AnalyzerRule;

use super::arithmetic::Arithmetic;
use crate::functions::aggregates::avg_with_internal_digits;
use crate::functions::failure::internal;
use crate::functions::scalar;

/// Register it before type coercion.
#[derive(Debug, Default)]
pub struct KeepDivisionDigits;

impl AnalyzerRule for KeepDivisionDigits {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|plan| {
            let kept = plan.map_expressions(keep_in_operands)?;
            if kept.transformed {
                kept.map_data(LogicalPlan::recompute_schema)
            } else {
                Ok(kept)
            }
        })?;
        Ok(plan
            .data
            .transform_up_with_subqueries(keep_in_averages)?
            .data)
    }

    fn name(&self) -> &str {
        "keep_division_digits"
    }
}

/// Functions that reduce a decimal to fewer digits themselves, or calculate with all of them.
fn consumes(function: &str) -> bool {
    matches!(
        function,
        "round"
            | "truncate"
            | "floor"
            | "ceil"
            | "ceiling"
            | "format"
            | "sign"
            | "truth"
            | "cast_signed"
            | "cast_unsigned"
            | "cast_decimal"
            | "cast_double"
            | "cast_float"
    )
}

fn is_operator(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.inner().is::<Arithmetic>())
}

/// Their result has as many digits as their operand: they consume digits only where theirs are consumed.
fn passes_on(function: &str) -> bool {
    matches!(function, "abs" | "unary_minus")
}

fn keep_in_operands(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        let operator = is_operator(&expr);
        Ok(match expr {
            Expr::ScalarFunction(mut call) if operator || consumes(call.name()) => {
                let changed = widen_all(&mut call.args);
                marked(Expr::ScalarFunction(call), changed)
            }
            Expr::AggregateFunction(mut call) if matches!(call.func.name(), "sum" | "avg") => {
                let changed = widen_all(&mut call.params.args);
                marked(Expr::AggregateFunction(call), changed)
            }
            Expr::BinaryExpr(mut binary) if is_comparison(binary.op) => {
                let changed = widen(&mut binary.left) | widen(&mut binary.right);
                marked(Expr::BinaryExpr(binary), changed)
            }
            other => Transformed::no(other),
        })
    })
}

fn marked(expr: Expr, changed: bool) -> Transformed<Expr> {
    if changed {
        Transformed::yes(expr)
    } else {
        Transformed::no(expr)
    }
}

fn is_comparison(op: Operator) -> bool {
    use Operator::*;
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

fn widen_all(args: &mut [Expr]) -> bool {
    args.iter_mut()
        .fold(false, |changed, arg| widen(arg) | changed)
}

/// Makes a division, and the arithmetic around one, keep its internal digits.
fn widen(expr: &mut Expr) -> bool {
    let Expr::ScalarFunction(call) = expr else {
        return false;
    };
    if let Some(arithmetic) = call.func.inner().downcast_ref::<Arithmetic>() {
        if arithmetic.keeps_digits() || !(arithmetic.divides() || has_digits(&call.args)) {
            return false;
        }
        call.func = arithmetic.with_internal_digits().udf();
        return true;
    }
    passes_on(call.name()) && widen_all(&mut call.args)
}

/// Whether an operand is one that was widened before.
fn has_digits(args: &[Expr]) -> bool {
    args.iter().any(|arg| match arg {
        Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<Arithmetic>() {
            Some(arithmetic) => arithmetic.keeps_digits(),
            None => passes_on(call.name()) && has_digits(&call.args),
        },
        _ => false,
    })
}

/// SELECT lists (and HAVING) directly above a GROUP BY: AVG keeps its digits where an operation consumes
/// it, and is rounded where it is selected as it is.
fn keep_in_averages(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Projection(projection) = &plan else {
        return Ok(Transformed::no(plan));
    };
    let (aggregate, having) = match projection.input.as_ref() {
        LogicalPlan::Aggregate(aggregate) => (aggregate, None),
        LogicalPlan::Filter(filter) => match filter.input.as_ref() {
            LogicalPlan::Aggregate(aggregate) => (aggregate, Some(filter)),
            _ => return Ok(Transformed::no(plan)),
        },
        _ => return Ok(Transformed::no(plan)),
    };
    let averages = average_columns(aggregate);
    let consumed = |expr: &Expr| {
        expr.exists(|e| Ok(consumes_one(e, &averages)))
            .unwrap_or(false)
    };
    if averages.is_empty() || !projection.expr.iter().any(consumed) {
        return Ok(Transformed::no(plan));
    }
    let mut input = Arc::new(LogicalPlan::Aggregate(with_internal_averages(aggregate)?));
    if let Some(filter) = having {
        let predicate = round_columns(filter.predicate.clone(), &averages)?;
        input = Arc::new(LogicalPlan::Filter(Filter::try_new(predicate, input)?));
    }
    let select = projection
        .expr
        .iter()
        .map(|expr| {
            let name = expr.qualified_name();
            let rounded = round_columns(expr.clone(), &averages)?;
            // The column keeps the name under which the rest of the plan knows it.
            Ok(if rounded == *expr {
                rounded
            } else {
                rounded.alias_qualified(name.0, name.1)
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Transformed::yes(LogicalPlan::Projection(
        Projection::try_new(select, input)?,
    )))
}

/// (column, declared precision and scale) of every AVG over exact numbers.
fn average_columns(aggregate: &Aggregate) -> Vec<(Column, u8, i8)> {
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let average = |(index, expr): (usize, &Expr)| {
        let is_avg = matches!(expr.clone().unalias(),
            Expr::AggregateFunction(call) if call.func.name() == "avg");
        let (qualifier, field) = aggregate.schema.qualified_field(groups + index);
        match field.data_type() {
            arrow::datatypes::DataType::Decimal128(precision, scale) if is_avg => {
                Some((Column::from((qualifier, field)), *precision, *scale))
            }
            _ => None,
        }
    };
    aggregate
        .aggr_expr
        .iter()
        .enumerate()
        .filter_map(average)
        .collect()
}

/// Whether an expression takes one of the columns as an operand.
fn consumes_one(expr: &Expr, averages: &[(Column, u8, i8)]) -> bool {
    let average = |arg: &Expr| matches!(arg, Expr::Column(column) if averages.iter().any(|(known, ..)| known == column));
    match expr {
        Expr::ScalarFunction(call) if is_operator(expr) || consumes(call.name()) => {
            call.args.iter().any(average)
        }
        _ => false,
    }
}

fn with_internal_averages(aggregate: &Aggregate) -> Result<Aggregate> {
    let exprs = aggregate
        .aggr_expr
        .iter()
        .map(|expr| {
            let changed = expr.clone().transform_down(|expr| {
                Ok(match expr {
                    Expr::AggregateFunction(AggregateFunction { func, params })
                        if func.name() == "avg" =>
                    {
                        let func = avg_with_internal_digits();
                        Transformed::yes(Expr::AggregateFunction(AggregateFunction {
                            func,
                            params,
                        }))
                    }
                    other => Transformed::no(other),
                })
            })?;
            Ok(changed.data)
        })
        .collect::<Result<Vec<_>>>()?;
    Aggregate::try_new(
        Arc::clone(&aggregate.input),
        aggregate.group_expr.clone(),
        exprs,
    )
}

/// Rounds the columns to their declared digits wherever they are not an operand.
fn round_columns(expr: Expr, averages: &[(Column, u8, i8)]) -> Result<Expr> {
    let decimal = scalar("cast_decimal").ok_or_else(|| internal("cast_decimal is missing"))?;
    let rounded = expr.transform_down(|expr| {
        if consumes_one(&expr, averages) {
            return consumed_operands(expr, averages);
        }
        Ok(match &expr {
            Expr::Column(column) => match averages.iter().find(|(known, ..)| known == column) {
                Some((_, precision, scale)) => {
                    let digits = [i64::from(*precision), i64::from(*scale)];
                    let [precision, scale] = digits.map(datafusion::logical_expr::lit);
                    let call = decimal.call(vec![expr.clone(), precision, scale]);
                    Transformed::new(call, true, Jump)
                }
                None => Transformed::no(expr),
            },
            _ => Transformed::no(expr),
        })
    })?;
    Ok(rounded.data)
}

/// The operands that are no such column are rewritten; those that are stay.
fn consumed_operands(expr: Expr, averages: &[(Column, u8, i8)]) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(mut call) = expr else {
        return Ok(Transformed::no(expr));
    };
    call.args = call
        .args
        .into_iter()
        .map(|arg| match arg {
            Expr::Column(_) => Ok(arg),
            other => round_columns(other, averages),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Transformed::new(Expr::ScalarFunction(call), true, Jump))
}
