//! Comparisons of rows, `(a, b) < (1, 2)`, as comparisons of their columns.

use sqlparser::ast::{BinaryOperator, Expr, Query, SelectItem, SetExpr, TableFactor, Value};

use super::balance::halves;
use super::expr::{binary, nested, not, value};
use super::rewrite::has_aggregate_item;
use crate::dialect::{lex, parse_query};
use crate::error::{Result, SqlError};

/// `left op right`, where both sides may be rows; 1241 when they differ in width.
pub(super) fn compare(left: Expr, op: BinaryOperator, right: Expr) -> Result<Expr> {
    match (left, right) {
        (Expr::Tuple(a), Expr::Tuple(b)) if a.len() == b.len() => columns(a, op, b),
        (Expr::Tuple(row), Expr::Subquery(query)) => {
            columns(row.clone(), op, parts(&query, row.len())?)
        }
        (Expr::Subquery(query), Expr::Tuple(row)) => columns(parts(&query, row.len())?, op, row),
        (Expr::Tuple(row), _) => Err(wrong_width(row.len())),
        (_, Expr::Tuple(_)) => Err(wrong_width(1)),
        (left, right) => Ok(binary(left, op, right)),
    }
}

/// The columns of a sub-query that gives one row, each as a sub-query by itself.
fn parts(query: &Query, width: usize) -> Result<Vec<Expr>> {
    let part = |at: usize| {
        let mut query = query.clone();
        match query.body.as_mut() {
            SetExpr::Select(select) if select.projection.iter().all(is_one) => {
                if select.projection.len() != width {
                    return Err(wrong_width(width));
                }
                // The others may be what DISTINCT and ORDER BY speak of, or make one row of many.
                let depends = select.projection.iter().any(has_aggregate_item);
                if select.distinct.is_none() && query.order_by.is_none() && !depends {
                    select.projection = select.projection.drain(..).skip(at).take(1).collect();
                    return Ok(Expr::Subquery(Box::new(query)));
                }
            }
            _ => {}
        }
        column_of(query, width, at)
    };
    (0..width).map(part).collect()
}

fn is_one(item: &SelectItem) -> bool {
    matches!(
        item,
        SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
    )
}

/// One column of a query, which becomes a derived table.
fn column_of(query: Query, width: usize, at: usize) -> Result<Expr> {
    let names: Vec<String> = (0..width).map(|i| format!("`part {i}`")).collect();
    let text = format!(
        "SELECT `part {at}` FROM (SELECT 1) AS `row` ({})",
        names.join(", ")
    );
    let mut outer = parse_query(&lex(&text)?)?;
    if let SetExpr::Select(select) = outer.body.as_mut()
        && let Some(TableFactor::Derived { subquery, .. }) =
            select.from.first_mut().map(|from| &mut from.relation)
    {
        **subquery = query;
    }
    Ok(Expr::Subquery(Box::new(outer)))
}

/// 1241 for a row where one value is wanted.
pub(super) fn refuse_row(expr: &Expr) -> Result<()> {
    match expr {
        Expr::Tuple(_) => Err(wrong_width(1)),
        Expr::Nested(inner) => refuse_row(inner),
        _ => Ok(()),
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
