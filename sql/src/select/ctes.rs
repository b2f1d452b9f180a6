//! The names that WITH gives to queries: where each may be used, and WITH RECURSIVE as the planner wants it.
//!
//! A name may be used behind it in the same WITH, in the query that the WITH belongs to and, with RECURSIVE, in its
//! own query. Anywhere else it means a table. Names are taken as they are written, as the planner takes them.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    Cte, ObjectName, Query, SetExpr, SetOperator, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::error::{Result, SqlError};

/// Which names mean queries, while a tree is walked.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    stack: Vec<HashSet<String>>,
    /// What the queries inside WITH see, by where they lie in the tree.
    inner: HashMap<*const Query, HashSet<String>>,
}

impl Scopes {
    /// Before anything of the query is visited.
    pub(crate) fn enter(&mut self, query: &Query) {
        let address: *const Query = query;
        let known = self.inner.remove(&address);
        let mut visible = known
            .or_else(|| self.stack.last().cloned())
            .unwrap_or_default();
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                let name = cte.alias.name.value.clone();
                let mut inside = visible.clone();
                if with.recursive {
                    inside.insert(name.clone());
                }
                self.inner.insert(&*cte.query, inside);
                visible.insert(name);
            }
        }
        self.stack.push(visible);
    }

    pub(crate) fn leave(&mut self) {
        self.stack.pop();
    }

    /// Whether a name without a database means a query.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.stack.last().is_some_and(|scope| scope.contains(name))
    }
}

/// Makes every WITH RECURSIVE one that the planner understands as MySQL does: it takes the two sides of a UNION for
/// the start and the rest, each by itself, and heeds nothing else of such a query. 3573 and 3574 as in MySQL, 1235
/// for what would be heeded by half.
pub(crate) fn arrange_recursion(query: &mut Query) -> Result<()> {
    match query.visit(&mut Arranger) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Arranger;

impl VisitorMut for Arranger {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        let Some(with) = query.with.as_mut().filter(|with| with.recursive) else {
            return ControlFlow::Continue(());
        };
        for cte in &mut with.cte_tables {
            if let Err(error) = arrange(cte) {
                return ControlFlow::Break(error);
            }
        }
        ControlFlow::Continue(())
    }
}

fn arrange(cte: &mut Cte) -> Result<()> {
    let name = cte.alias.name.value.clone();
    let is_union = |body: &SetExpr| matches!(body, SetExpr::SetOperation { op, .. } if *op == SetOperator::Union);
    if !names(cte.query.as_ref(), &name) {
        // In parentheses it is a query like any other.
        if is_union(&cte.query.body) {
            let inner = std::mem::replace(cte.query.as_mut(), plain(empty()));
            *cte.query = plain(parenthesised(inner));
        }
        return Ok(());
    }
    let of = format!("Recursive Common Table Expression '{name}'");
    let query = cte.query.as_mut();
    if query.with.is_some() || query.order_by.is_some() || query.limit_clause.is_some() {
        let what = format!("{of} with WITH, ORDER BY or LIMIT of its own");
        return Err(SqlError::not_supported(&what));
    }
    let SetExpr::SetOperation {
        op: SetOperator::Union,
        left,
        right,
        ..
    } = query.body.as_mut()
    else {
        let text = format!("{of} should contain a UNION");
        return Err(SqlError::new(3573, "HY000", text));
    };
    if names(left.as_ref(), &name) {
        return Err(match names(first_of(left), &name) {
            true => {
                let text = format!(
                    "{of} should have one or more non-recursive query blocks followed by one or more recursive ones"
                );
                SqlError::new(3574, "HY000", text)
            }
            false => SqlError::not_supported(&format!("{of} with several recursive query blocks")),
        });
    }
    // Kept apart from the rest, however unions are arranged.
    if is_union(left) {
        let start = std::mem::replace(left.as_mut(), empty());
        **left = parenthesised(plain(start));
    }
    if is_union(right) {
        let rest = std::mem::replace(right.as_mut(), empty());
        **right = parenthesised(plain(rest));
    }
    Ok(())
}

fn first_of(body: &SetExpr) -> &SetExpr {
    match body {
        SetExpr::SetOperation { left, .. } => first_of(left),
        other => other,
    }
}

/// Whether a tree means the query of this name.
fn names(tree: &impl Visit, name: &str) -> bool {
    let mut finder = NameFinder {
        name,
        scopes: Scopes::default(),
    };
    tree.visit(&mut finder).is_break()
}

struct NameFinder<'a> {
    name: &'a str,
    /// Names that are given anew inside.
    scopes: Scopes,
}

impl Visitor for NameFinder<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.scopes.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let is_it = match relation.0.as_slice() {
            [part] => part.as_ident().is_some_and(|i| i.value == self.name),
            _ => false,
        };
        match is_it && !self.scopes.has(self.name) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

fn empty() -> SetExpr {
    SetExpr::Values(sqlparser::ast::Values {
        explicit_row: false,
        rows: Vec::new(),
        value_keyword: false,
    })
}

fn plain(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

fn parenthesised(query: Query) -> SetExpr {
    SetExpr::Query(Box::new(query))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{lex, parse_query};

    fn arranged(sql: &str) -> Result<String> {
        let mut query = parse_query(&lex(sql)?)?;
        arrange_recursion(&mut query)?;
        Ok(query.to_string())
    }

    #[test]
    fn what_the_planner_would_understand_in_another_way_is_put_right_or_refused() {
        let cases = [
            ("SELECT * FROM t", 3573),
            ("SELECT * FROM t UNION SELECT 1", 3574),
            (
                "SELECT 1 UNION ALL SELECT a FROM t UNION ALL SELECT a + 1 FROM t",
                1235,
            ),
            ("SELECT 1 UNION ALL SELECT a + 1 FROM t LIMIT 3", 1235),
            (
                "WITH x AS (SELECT 1) SELECT 1 UNION ALL SELECT a + 1 FROM t",
                1235,
            ),
        ];
        for (own, code) in cases {
            let sql = format!("WITH RECURSIVE t (a) AS ({own}) SELECT * FROM t");
            assert_eq!(arranged(&sql).expect_err(own).code, code, "{own}");
        }
        let kept = [
            "WITH RECURSIVE t (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM t WHERE a < 9) SELECT * FROM t",
            "WITH RECURSIVE t AS (SELECT 1) SELECT * FROM t",
            "WITH RECURSIVE t AS (WITH t AS (SELECT 1) SELECT * FROM t) SELECT * FROM t",
        ];
        for sql in kept {
            assert_eq!(arranged(sql).expect(sql), sql);
        }
        assert_eq!(
            arranged("WITH RECURSIVE t AS (SELECT 1 UNION SELECT 2 LIMIT 1) SELECT * FROM t")
                .expect("kept"),
            "WITH RECURSIVE t AS ((SELECT 1 UNION SELECT 2 LIMIT 1)) SELECT * FROM t"
        );
        assert_eq!(
            arranged("WITH RECURSIVE t (a) AS (SELECT 1 UNION SELECT 2 UNION SELECT a FROM t) SELECT * FROM t")
                .expect("kept"),
            "WITH RECURSIVE t (a) AS ((SELECT 1 UNION SELECT 2) UNION SELECT a FROM t) SELECT * FROM t"
        );
    }
}
