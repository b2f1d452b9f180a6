//! Long chains as balanced trees: what recurses over them then needs no deep stack.

use sqlparser::ast::{BinaryOperator, Expr, SetExpr, SetOperator, SetQuantifier};

use super::expr::binary;

/// A long AND or OR chain as a balanced tree: depth grows with the logarithm of its length.
pub(super) fn balance(expr: Expr) -> Expr {
    let Expr::BinaryOp {
        op: op @ (BinaryOperator::And | BinaryOperator::Or),
        ..
    } = &expr
    else {
        return expr;
    };
    let op = op.clone();
    let mut terms = Vec::new();
    let mut stack = vec![expr];
    while let Some(next) = stack.pop() {
        match next {
            Expr::BinaryOp {
                left,
                op: inner,
                right,
            } if inner == op => {
                stack.push(*right);
                stack.push(*left);
            }
            other => terms.push(other),
        }
    }
    halves(terms, &mut |a, b| {
        binary(
            Expr::Nested(Box::new(a)),
            op.clone(),
            Expr::Nested(Box::new(b)),
        )
    })
}

/// Joins neighbours until one item is left: a tree as deep as the logarithm of their number.
pub(super) fn halves<T>(mut items: Vec<T>, join: &mut dyn FnMut(T, T) -> T) -> T {
    while items.len() > 1 {
        let mut next = Vec::with_capacity(items.len().div_ceil(2));
        let mut iter = items.into_iter();
        while let Some(a) = iter.next() {
            match iter.next() {
                Some(b) => next.push(join(a, b)),
                None => next.push(a),
            }
        }
        items = next;
    }
    match items.pop() {
        Some(item) => item,
        None => unreachable!("callers pass at least one item"),
    }
}

/// A chain of UNION ALL as a balanced tree.
pub(super) fn balance_unions(body: &mut SetExpr) {
    let is_all = |b: &SetExpr| {
        matches!(
            b,
            SetExpr::SetOperation {
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::All,
                ..
            }
        )
    };
    if !is_all(body) {
        return;
    }
    let placeholder = SetExpr::Values(sqlparser::ast::Values {
        explicit_row: false,
        rows: Vec::new(),
        value_keyword: false,
    });
    let mut branches = Vec::new();
    let mut stack = vec![std::mem::replace(body, placeholder)];
    while let Some(next) = stack.pop() {
        match next {
            SetExpr::SetOperation {
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::All,
                left,
                right,
            } => {
                stack.push(*right);
                stack.push(*left);
            }
            other => branches.push(other),
        }
    }
    *body = halves(branches, &mut |left, right| SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier: SetQuantifier::All,
        left: Box::new(left),
        right: Box::new(right),
    });
}
