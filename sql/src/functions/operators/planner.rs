//! MySQL's operators in DataFusion's SQL planner: arithmetic, logic and bits to our functions.
//!
//! Comparisons (`=`, `<`, `<=>`, LIKE ...) stay DataFusion's: an analyzer rule types them. Unary
//! operators have no hook: `unary_function` names the function that a rewrite of the AST calls.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr,
};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, ScalarUDF, cast};
use datafusion::sql::sqlparser::ast::{BinaryOperator, UnaryOperator};

use super::arithmetic::Arithmetic;
use super::types::Op;
use crate::functions::failure::internal;
use crate::functions::{aggregates, scalar};

/// Register it first among the context provider's expression planners.
#[derive(Debug, Default)]
pub struct MysqlExprPlanner;

/// The arithmetic operators under the names that error messages print.
pub(crate) static ARITHMETIC: LazyLock<[Arc<ScalarUDF>; 7]> = LazyLock::new(|| {
    [
        Arithmetic::new(Op::Add, "+").udf(),
        Arithmetic::new(Op::Sub, "-").udf(),
        Arithmetic::new(Op::Mul, "*").udf(),
        Arithmetic::new(Op::Div, "/").udf(),
        Arithmetic::new(Op::IntDiv, "DIV").udf(),
        Arithmetic::new(Op::Mod, "%").udf(),
        Arithmetic::new(Op::Mod, "mod").udf(),
    ]
});

impl ExprPlanner for MysqlExprPlanner {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        use BinaryOperator::*;
        let arithmetic = |index: usize| Ok(Arc::clone(&ARITHMETIC[index]));
        let function = match &expr.op {
            Plus => arithmetic(0),
            Minus => arithmetic(1),
            Multiply => arithmetic(2),
            Divide => arithmetic(3),
            MyIntegerDivide | DuckIntegerDivide => arithmetic(4),
            Modulo => arithmetic(5),
            BitwiseAnd => known("bit_and_op"),
            BitwiseOr => known("bit_or_op"),
            BitwiseXor => known("bit_xor_op"),
            PGBitwiseShiftLeft => known("shift_left"),
            PGBitwiseShiftRight => known("shift_right"),
            And | PGOverlap => return logical(Operator::And, expr, schema),
            Or | StringConcat => return logical(Operator::Or, expr, schema),
            Xor => known("logical_xor"),
            Regexp => known("regexp_like"),
            Eq | NotEq | Lt | LtEq | Gt | GtEq | Spaceship => return Ok(compared(expr, schema)),
            _ => return Ok(PlannerResult::Original(expr)),
        }?;
        let args = vec![number_literal(expr.left), number_literal(expr.right)];
        Ok(PlannerResult::Planned(function.call(args)))
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(known("extract_unit")?.call(args)))
    }

    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(known("substring")?.call(args)))
    }

    /// DataFusion hands over (text, part).
    fn plan_position(&self, mut args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        args.reverse();
        Ok(PlannerResult::Planned(known("locate")?.call(args)))
    }

    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        aggregates::planner::plan(expr)
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        aggregates::planner::plan_window(expr)
    }
}

fn known(name: &str) -> Result<Arc<ScalarUDF>> {
    scalar(name).ok_or_else(|| internal(format!("function {name} is not registered")))
}

/// AND and OR stay DataFusion's, so that filters split and push down; operands become booleans.
fn logical(
    op: Operator,
    expr: RawBinaryExpr,
    schema: &DFSchema,
) -> Result<PlannerResult<RawBinaryExpr>> {
    let left = Box::new(truth(expr.left, schema)?);
    let right = Box::new(truth(expr.right, schema)?);
    Ok(PlannerResult::Planned(Expr::BinaryExpr(BinaryExpr::new(
        left, op, right,
    ))))
}

/// A condition that meets something else in a comparison is the number 1 or 0.
fn compared(mut expr: RawBinaryExpr, schema: &DFSchema) -> PlannerResult<RawBinaryExpr> {
    let number = |e: Expr| cast(e, DataType::Int64);
    match (
        is_boolean(&expr.left, schema),
        is_boolean(&expr.right, schema),
    ) {
        (true, false) => expr.left = number(expr.left),
        (false, true) => expr.right = number(expr.right),
        _ => {}
    }
    PlannerResult::Original(expr)
}

/// An expression as a condition: as it is when it is boolean, else compared with 0.
pub fn truth(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(if is_boolean(&expr, schema) {
        expr
    } else {
        known("truth")?.call(vec![expr])
    })
}

fn is_boolean(expr: &Expr, schema: &DFSchema) -> bool {
    use Operator::*;
    match expr {
        Expr::BinaryExpr(binary) => matches!(
            binary.op,
            Eq | NotEq
                | Lt
                | LtEq
                | Gt
                | GtEq
                | And
                | Or
                | IsDistinctFrom
                | IsNotDistinctFrom
                | LikeMatch
                | NotLikeMatch
                | RegexMatch
                | RegexIMatch
        ),
        Expr::Like(_)
        | Expr::SimilarTo(_)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::Between(_)
        | Expr::InList(_)
        | Expr::InSubquery(_)
        | Expr::Exists(_) => true,
        _ => matches!(expr.get_type(schema), Ok(DataType::Boolean)),
    }
}

/// A hexadecimal literal in arithmetic is a number: its bytes, the last one lowest.
fn number_literal(expr: Expr) -> Expr {
    let bytes = match &expr {
        Expr::Literal(ScalarValue::Binary(Some(bytes)), _) => bytes,
        _ => return expr,
    };
    if bytes.len() > 8 {
        return expr;
    }
    let value = bytes
        .iter()
        .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    Expr::Literal(ScalarValue::UInt64(Some(value)), None)
}

/// The function that stands for a unary operator, for a rewrite of the AST before planning.
/// `None`: the operator needs no rewrite (`+x` is x) or is unknown to MySQL.
pub fn unary_function(op: &UnaryOperator) -> Option<&'static str> {
    match op {
        UnaryOperator::Minus => Some("unary_minus"),
        UnaryOperator::Not | UnaryOperator::BangNot => Some("logical_not"),
        UnaryOperator::BitwiseNot => Some("bit_not"),
        _ => None,
    }
}
