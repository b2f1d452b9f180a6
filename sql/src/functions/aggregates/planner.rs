//! Aggregates in DataFusion's SQL planner: spellings that become other aggregates or arguments.
//!
//! COUNT(*), COUNT(DISTINCT a, b), GROUP_CONCAT without a separator, and the variances, which
//! calculate on doubles.

use datafusion::common::Result;
use datafusion::functions_aggregate::planner::AggregateFunctionPlanner;
use datafusion::functions_window::planner::WindowFunctionPlanner;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawWindowExpr,
};
use datafusion::logical_expr::{Expr, lit};
use datafusion::sql::sqlparser::ast;

use crate::functions::failure::{internal, not_supported};
use crate::functions::scalar;

pub(crate) fn plan(mut expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
    match expr.func.name() {
        "count" if expr.distinct && expr.args.len() > 1 => {
            expr.args = vec![call("row_key", expr.args)?];
            Ok(PlannerResult::Planned(aggregate(expr)))
        }
        "approx_count_distinct" if expr.args.len() > 1 => {
            expr.args = vec![call("row_key", expr.args)?];
            Ok(PlannerResult::Planned(aggregate(expr)))
        }
        "json_arrayagg" if expr.args.len() == 1 => {
            expr.args = vec![call("json_array", expr.args)?];
            Ok(PlannerResult::Planned(aggregate(expr)))
        }
        "json_objectagg" if expr.args.len() == 2 => {
            expr.args = vec![call("json_object", expr.args)?];
            Ok(PlannerResult::Planned(aggregate(expr)))
        }
        "count" => AggregateFunctionPlanner.plan_aggregate(expr),
        "group_concat" => {
            let separator = match expr.args.last() {
                Some(Expr::ScalarFunction(call)) if call.name() == SEPARATOR => expr.args.pop(),
                _ => None,
            };
            let separator = separator.unwrap_or_else(|| lit(","));
            let text = if expr.args.len() == 1 {
                expr.args.remove(0)
            } else {
                call("concat", std::mem::take(&mut expr.args))?
            };
            expr.args = vec![text, separator];
            Ok(PlannerResult::Planned(aggregate(expr)))
        }
        "var_pop" | "var" | "stddev_pop" | "stddev" => {
            if expr.distinct {
                return Err(not_supported("DISTINCT in a variance"));
            }
            expr.args = doubles(expr.args)?;
            Ok(PlannerResult::Planned(aggregate(expr)))
        }
        _ => Ok(PlannerResult::Original(expr)),
    }
}

pub(crate) fn plan_window(mut expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
    if expr.distinct {
        return Err(not_supported("<window function>(DISTINCT ..)"));
    }
    match expr.func_def.name() {
        "group_concat" => Err(not_supported("GROUP_CONCAT as a window function")),
        "json_arrayagg" | "json_objectagg" => {
            Err(not_supported("a JSON aggregate as a window function"))
        }
        "var_pop" | "var" | "stddev_pop" | "stddev" => {
            expr.args = doubles(expr.args)?;
            Ok(PlannerResult::Original(expr))
        }
        _ => WindowFunctionPlanner.plan_window(expr),
    }
}

fn doubles(args: Vec<Expr>) -> Result<Vec<Expr>> {
    args.into_iter()
        .map(|arg| call("cast_double", vec![arg]))
        .collect()
}

fn call(name: &str, args: Vec<Expr>) -> Result<Expr> {
    let function = scalar(name).ok_or_else(|| internal(format!("{name} is not registered")))?;
    Ok(function.call(args))
}

fn aggregate(expr: RawAggregateExpr) -> Expr {
    Expr::AggregateFunction(AggregateFunction::new_udf(
        expr.func,
        expr.args,
        expr.distinct,
        expr.filter,
        expr.order_by,
        expr.null_treatment,
    ))
}

/// The scalar function (its argument, unchanged) that marks the separator of GROUP_CONCAT.
const SEPARATOR: &str = "group_concat_separator";

/// Moves the SEPARATOR clause of GROUP_CONCAT, which DataFusion's planner refuses, into the last
/// argument. For a rewrite of the AST before planning; other functions are left alone.
pub fn move_separator(function: &mut ast::Function) {
    let is_group_concat = function
        .name
        .to_string()
        .eq_ignore_ascii_case("group_concat");
    let ast::FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    if !is_group_concat {
        return;
    }
    let at = |clause: &ast::FunctionArgumentClause| {
        matches!(clause, ast::FunctionArgumentClause::Separator(_))
    };
    let Some(index) = list.clauses.iter().position(at) else {
        return;
    };
    if let ast::FunctionArgumentClause::Separator(value) = list.clauses.remove(index) {
        let separator = ast::Expr::Value(value);
        let marked = ast::Function {
            name: ast::ObjectName::from(vec![ast::Ident::new(SEPARATOR)]),
            uses_odbc_syntax: false,
            parameters: ast::FunctionArguments::None,
            args: ast::FunctionArguments::List(ast::FunctionArgumentList {
                duplicate_treatment: None,
                args: vec![ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(
                    separator,
                ))],
                clauses: Vec::new(),
            }),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        };
        let argument = ast::FunctionArgExpr::Expr(ast::Expr::Function(marked));
        list.args.push(ast::FunctionArg::Unnamed(argument));
    }
}
