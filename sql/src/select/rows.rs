//! Comparisons of rows, `(a, b) < (1, 2)`, as comparisons of their columns.

use sqlparser::ast::{BinaryOperator, Expr, Value};

use super::expr::{binary, nested, not, value};
use super::rewrite::halves;
use crate::error::{Result, SqlError};

/// `left op right`, where both sides may be rows; 1241 when they differ in width.
pub(super) fn compare(left: Expr, op: BinaryOperator, right: Expr) -> Result<Expr> {
    match (left, right) {
        (Expr::Tuple(a), Expr::Tuple(b)) if a.len() == b.len() => columns(a, op, b),
        (Expr::Tuple(_), Expr::Subquery(_)) | (Expr::Subquery(_), Expr::Tuple(_)) => Err(
            SqlError::not_supported("comparison of a row with a sub-query"),
        ),
        (Expr::Tuple(row), _) => Err(wrong_width(row.len())),
        (_, Expr::Tuple(_)) => Err(wrong_width(1)),
        (left, right) => Ok(binary(left, op, right)),
    }
}

fn wrong_width(columns: usize) -> SqlError {
    let text = format!("Operand should contain {columns} column(s)");
    SqlError::new(1241, "21000", text)
}

fn columns(left: Vec<Expr>, op: BinaryOperator, right: Vec<Expr>) -> Result<Expr> {
    use BinaryOperator as B;
    let pairs = left.into_iter().zip(right).collect();
    Ok(match op {
        B::Eq | B::Spaceship => equal(pairs, &op)?,
        B::NotEq => not(equal(pairs, &B::Eq)?),
        B::Lt | B::LtEq => ordered(pairs, &B::Lt, &op)?,
        _ => ordered(pairs, &B::Gt, &op)?,
    })
}

fn equal(pairs: Vec<(Expr, Expr)>, op: &BinaryOperator) -> Result<Expr> {
    let mut all = None;
    for (a, b) in pairs {
        let term = compare(a, op.clone(), b)?;
        all = Some(match all {
            Some(before) => binary(before, BinaryOperator::And, term),
            None => term,
        });
    }
    Ok(nested(all.unwrap_or_else(|| value(Value::Boolean(true)))))
}

/// `(a, b, c) < (x, y, z)` is `a < x OR (a = x AND (b < y OR (b = y AND c < z)))`: only the last pair is
/// compared with the operator itself.
fn ordered(
    pairs: Vec<(Expr, Expr)>,
    strict: &BinaryOperator,
    last: &BinaryOperator,
) -> Result<Expr> {
    let mut rest: Option<Expr> = None;
    for (a, b) in pairs.into_iter().rev() {
        rest = Some(match rest {
            None => compare(a, last.clone(), b)?,
            Some(rest) => {
                let same = compare(a.clone(), BinaryOperator::Eq, b.clone())?;
                let later = nested(binary(same, BinaryOperator::And, nested(rest)));
                binary(compare(a, strict.clone(), b)?, BinaryOperator::Or, later)
            }
        });
    }
    Ok(nested(rest.unwrap_or_else(|| value(Value::Boolean(true)))))
}

/// `(a, b) IN ((1, 2), (3, 4))` as comparisons; other lists as they are.
pub(super) fn in_list(expr: Expr, list: Vec<Expr>, negated: bool) -> Result<Expr> {
    if !matches!(expr, Expr::Tuple(_)) {
        if list.iter().any(|item| matches!(item, Expr::Tuple(_))) {
            return Err(wrong_width(1));
        }
        return Ok(Expr::InList {
            expr: Box::new(expr),
            list,
            negated,
        });
    }
    let terms = list.into_iter();
    let terms = terms.map(|item| compare(expr.clone(), BinaryOperator::Eq, item));
    let terms = terms.collect::<Result<Vec<_>>>()?;
    let any = nested(halves(terms, &mut |a, b| {
        binary(nested(a), BinaryOperator::Or, nested(b))
    }));
    Ok(if negated { not(any) } else { any })
}
