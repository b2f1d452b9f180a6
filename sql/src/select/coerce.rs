//! MySQL's comparison coercion, as an analyzer rule that runs before DataFusion's own.
//!
//! Where a column meets a literal, the literal is converted to the column's type, so that pruning
//! still sees `column op literal`. Strings meet numbers as doubles, dates and times as such.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::{Between, InList, Like};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, cast, lit};
use datafusion::optimizer::AnalyzerRule;

use crate::error::SqlError;
use crate::functions::convert::number::text_to_double;
use crate::functions::datetime::literal;
use crate::functions::failure::raise;

const DAY_MICROS: i64 = 86_400_000_000;

/// The rule; stateless.
#[derive(Debug)]
pub struct MysqlCoercion;

impl AnalyzerRule for MysqlCoercion {
    fn name(&self) -> &str {
        "mysql_coercion"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> DfResult<LogicalPlan> {
        plan.transform_up_with_subqueries(coerce_node)
            .map(|t| t.data)
    }
}

fn coerce_node(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        let source =
            DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?;
        schema.merge(&source);
    }
    let names = NamePreserver::new(&plan);
    let plan = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        expr.transform_up(|e| coerce_expr(e, &schema))
            .map(|t| t.update_data(|e| name.restore(e)))
    })?;
    plan.map_data(LogicalPlan::recompute_schema)
}

fn coerce_expr(expr: Expr, schema: &DFSchema) -> DfResult<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
            let (left, right) = compare(*left, *right, schema)?;
            Ok(Transformed::yes(binary(left, op, right)))
        }
        Expr::Between(Between {
            expr,
            negated,
            low,
            high,
        }) => {
            let (a, low) = compare((*expr).clone(), *low, schema)?;
            let (b, high) = compare(*expr, *high, schema)?;
            let both = binary(a, Operator::GtEq, low).and(binary(b, Operator::LtEq, high));
            Ok(Transformed::yes(if negated {
                Expr::Not(Box::new(both))
            } else {
                both
            }))
        }
        Expr::InList(InList {
            expr,
            list,
            negated,
        }) => in_list(*expr, list, negated, schema),
        Expr::Like(like) => Ok(Transformed::yes(Expr::Like(text_operands(like, schema)?))),
        other => Ok(Transformed::no(other)),
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr {
        left: Box::new(left),
        op,
        right: Box::new(right),
    })
}

fn is_comparison(op: Operator) -> bool {
    use Operator::*;
    matches!(
        op,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
    )
}

/// A list whose items all meet the left side as it is stays a list; otherwise it becomes comparisons.
fn in_list(
    expr: Expr,
    list: Vec<Expr>,
    negated: bool,
    schema: &DFSchema,
) -> DfResult<Transformed<Expr>> {
    let mut items = Vec::with_capacity(list.len());
    let mut same = true;
    for item in list {
        let (left, item) = compare(expr.clone(), item, schema)?;
        same &= left == expr;
        items.push((left, item));
    }
    if same {
        let list = items.into_iter().map(|(_, item)| item).collect();
        return Ok(Transformed::yes(Expr::InList(InList {
            expr: Box::new(expr),
            list,
            negated,
        })));
    }
    let any = items
        .into_iter()
        .map(|(left, item)| binary(left, Operator::Eq, item))
        .reduce(|a, b| a.or(b))
        .unwrap_or_else(|| lit(false));
    Ok(Transformed::yes(if negated {
        Expr::Not(Box::new(any))
    } else {
        any
    }))
}

fn text_operands(like: Like, schema: &DFSchema) -> DfResult<Like> {
    let text = |e: Box<Expr>| -> DfResult<Box<Expr>> {
        match class(&e.get_type(schema)?) {
            Class::Text | Class::Null => Ok(e),
            _ => Ok(Box::new(function("cast_char", *e)?)),
        }
    };
    Ok(Like {
        expr: text(like.expr)?,
        pattern: text(like.pattern)?,
        ..like
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Null,
    Bool,
    Number,
    Text,
    Bytes,
    Date,
    DateTime,
    Time,
    Other,
}

fn class(data_type: &DataType) -> Class {
    match data_type {
        DataType::Null => Class::Null,
        DataType::Boolean => Class::Bool,
        t if t.is_numeric() => Class::Number,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Class::Text,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Class::Bytes,
        DataType::Date32 => Class::Date,
        DataType::Timestamp(..) => Class::DateTime,
        DataType::Duration(_) => Class::Time,
        _ => Class::Other,
    }
}

/// Both sides in types that DataFusion compares as MySQL would.
fn compare(left: Expr, right: Expr, schema: &DFSchema) -> DfResult<(Expr, Expr)> {
    let (a, b) = (
        class(&left.get_type(schema)?),
        class(&right.get_type(schema)?),
    );
    if rank(a) <= rank(b) {
        pair((left, a), (right, b), schema)
    } else {
        pair((right, b), (left, a), schema).map(|(r, l)| (l, r))
    }
}

/// `pair` wants the temporal or numeric side first.
fn rank(class: Class) -> u8 {
    match class {
        Class::Date => 0,
        Class::DateTime => 1,
        Class::Time => 2,
        Class::Number => 3,
        Class::Bool => 4,
        Class::Bytes => 5,
        Class::Text => 6,
        Class::Null | Class::Other => 7,
    }
}

fn pair(
    (left, a): (Expr, Class),
    (right, b): (Expr, Class),
    schema: &DFSchema,
) -> DfResult<(Expr, Expr)> {
    use Class::*;
    Ok(match (a, b) {
        (Date, DateTime) => date_and_datetime(left, right),
        (Date | DateTime, Text) => temporal_and_text(left, a, right)?,
        (Date | DateTime, Number) => temporal_and_number(left, a, right)?,
        (Time, Text) => match text_literal(&right) {
            Some(s) => {
                let micros = literal::time(s).ok_or_else(|| wrong_value("TIME", s))?;
                (left, lit(ScalarValue::DurationMicrosecond(Some(micros))))
            }
            None => (left, function("cast_time", right)?),
        },
        (Time, Number) => (function("cast_double", left)?, right),
        (Date | DateTime | Time | Number, Bool) => {
            return pair((left, a), (integer(right), Number), schema);
        }
        (Number, Text) => number_and_text(left, right)?,
        (Bool, Text) => number_and_text(integer(left), right)?,
        (Number, Number) => numbers(left, right, schema)?,
        (Number, Bytes) => (left, function("cast_double", right)?),
        (Bytes, Text) => match text_literal(&right) {
            Some(s) => (
                left,
                lit(ScalarValue::BinaryView(Some(s.as_bytes().to_vec()))),
            ),
            None => (left, cast(right, DataType::BinaryView)),
        },
        _ => (left, right),
    })
}

/// A double meets a decimal as a double: not every double fits into a decimal.
fn numbers(left: Expr, right: Expr, schema: &DFSchema) -> DfResult<(Expr, Expr)> {
    let decimal = |t: &DataType| matches!(t, DataType::Decimal128(..) | DataType::Decimal256(..));
    let (a, b) = (left.get_type(schema)?, right.get_type(schema)?);
    Ok(if a.is_floating() && decimal(&b) {
        (left, cast(right, DataType::Float64))
    } else if decimal(&a) && b.is_floating() {
        (cast(left, DataType::Float64), right)
    } else {
        (left, right)
    })
}

fn integer(boolean: Expr) -> Expr {
    match boolean {
        Expr::Literal(ScalarValue::Boolean(v), _) => lit(ScalarValue::Int64(v.map(i64::from))),
        other => cast(other, DataType::Int64),
    }
}

fn text_literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(s) | ScalarValue::Utf8View(s), _) => s.as_deref(),
        _ => None,
    }
}

fn function(name: &str, arg: Expr) -> DfResult<Expr> {
    let udf = crate::functions::scalar(name)
        .ok_or_else(|| raise(SqlError::internal(format!("no function {name}"))))?;
    Ok(udf.call(vec![arg]))
}

/// MySQL 8 refuses a literal that is no date where a date is meant.
fn wrong_value(kind: &str, text: &str) -> datafusion::error::DataFusionError {
    raise(SqlError::new(
        1525,
        "HY000",
        format!("Incorrect {kind} value: '{text}'"),
    ))
}

fn number_and_text(left: Expr, right: Expr) -> DfResult<(Expr, Expr)> {
    let Some(s) = text_literal(&right) else {
        return Ok((left, function("cast_double", right)?));
    };
    // A plain integer stays exact and keeps `column op literal` in the column's own type.
    let plain = !s.is_empty() && s.len() < 19 && s.bytes().all(|b| b.is_ascii_digit());
    match s.parse::<i64>() {
        Ok(n) if plain => Ok((left, lit(n))),
        _ => Ok((left, lit(text_to_double(s)))),
    }
}

fn datetime_literal(micros: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(micros), None))
}

fn date_literal(days: i64) -> Expr {
    lit(ScalarValue::Date32(i32::try_from(days).ok()))
}

fn as_datetime(date: Expr) -> Expr {
    cast(date, DataType::Timestamp(TimeUnit::Microsecond, None))
}

/// A date column against a point in time: the literal becomes a date when it is midnight.
fn date_and_datetime(date: Expr, datetime: Expr) -> (Expr, Expr) {
    match &datetime {
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(t), None), _)
            if t.rem_euclid(DAY_MICROS) == 0 =>
        {
            let days = date_literal(t.div_euclid(DAY_MICROS));
            (date, days)
        }
        _ => (as_datetime(date), datetime),
    }
}

fn temporal_and_text(left: Expr, class: Class, right: Expr) -> DfResult<(Expr, Expr)> {
    let kind = if class == Class::Date {
        "DATE"
    } else {
        "DATETIME"
    };
    match text_literal(&right) {
        Some(s) => {
            let micros = literal::datetime(s).ok_or_else(|| wrong_value(kind, s))?;
            Ok(at_micros(left, class, micros))
        }
        None => {
            let right = function("cast_datetime", right)?;
            Ok((
                if class == Class::Date {
                    as_datetime(left)
                } else {
                    left
                },
                right,
            ))
        }
    }
}

fn at_micros(left: Expr, class: Class, micros: i64) -> (Expr, Expr) {
    match class {
        Class::Date => date_and_datetime(left, datetime_literal(micros)),
        _ => (left, datetime_literal(micros)),
    }
}

fn temporal_and_number(left: Expr, class: Class, right: Expr) -> DfResult<(Expr, Expr)> {
    if let Expr::Literal(ScalarValue::Int64(Some(n)), _) = &right
        && let Some(micros) = literal::datetime_from_number(*n, 0)
    {
        return Ok(at_micros(left, class, micros));
    }
    Ok((function("cast_double", left)?, right))
}

/// The rules in their order: ours, then DataFusion's.
pub fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(MysqlCoercion)];
    rules.extend(datafusion::optimizer::Analyzer::new().rules);
    rules
}
