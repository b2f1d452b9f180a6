//! The tables that an UPDATE or DELETE names, and which of them it changes.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, TableAlias, TableFactor, TableWithJoins,
    VisitMut, VisitorMut,
};

use crate::error::{Result, SqlError};
use crate::select::planner::View;
use crate::types::same_name;

/// A table in FROM.
struct Known {
    /// Its database; `None` for a query.
    schema: Option<String>,
    /// By which name the statement refers to it.
    name: String,
    aliased: bool,
    /// Lower-case names of its columns, where they are known.
    columns: Vec<String>,
}

pub(super) fn is_single(from: &[TableWithJoins]) -> bool {
    matches!(from, [one] if one.joins.is_empty())
}

pub(super) fn tables(from: &mut [TableWithJoins]) -> Vec<&mut TableFactor> {
    let mut all = Vec::new();
    for table in from {
        all.push(&mut table.relation);
        all.extend(table.joins.iter_mut().map(|join| &mut join.relation));
    }
    all
}

pub(super) fn identifiers(name: &ObjectName) -> Vec<String> {
    let part = |part: &ObjectNamePart| part.as_ident().map(|i| i.value.clone());
    name.0.iter().filter_map(part).collect()
}

pub(super) fn last(parts: &[String]) -> String {
    parts.last().cloned().unwrap_or_default()
}

/// The tables of FROM. 1066 when two of them cannot be told apart.
pub(super) struct Targets(Vec<Option<Known>>);

impl Targets {
    pub(super) fn of(from: &mut [TableWithJoins], view: &View) -> Result<Self> {
        let all: Vec<Option<Known>> = tables(from).iter().map(|t| known(t, view)).collect();
        for (at, one) in all.iter().enumerate() {
            let Some(one) = one else { continue };
            let earlier = all.iter().take(at).flatten();
            let same = |other: &Known| {
                let apart = !one.aliased && !other.aliased && one.schema != other.schema;
                same_name(&one.name, &other.name) && !apart
            };
            if earlier.into_iter().any(same) {
                let text = format!("Not unique table/alias: '{}'", one.name);
                return Err(SqlError::new(1066, "42000", text));
            }
        }
        Ok(Self(all))
    }

    /// The table that a name with or without a database means. 1066 when it may be either of two.
    fn named(&self, schema: Option<&str>, name: &str) -> Result<Option<usize>> {
        let fits = |known: &Known| {
            let in_schema = schema.is_none_or(|s| known.schema.as_deref() == Some(s));
            in_schema && same_name(&known.name, name)
        };
        let all = self.0.iter().enumerate();
        let mut found = all.filter(|(_, known)| known.as_ref().is_some_and(fits));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => {
                let text = format!("Not unique table/alias: '{name}'");
                Err(SqlError::new(1066, "42000", text))
            }
            (first, _) => Ok(first.map(|(at, _)| at)),
        }
    }

    /// The table that a DELETE names.
    pub(super) fn deleted(&self, name: &ObjectName) -> Result<usize> {
        let mut parts = identifiers(name);
        // DELETE t.* FROM t
        if parts.last().is_some_and(|part| part == "*") {
            parts.pop();
        }
        let table = parts.pop().unwrap_or_default();
        let found = self.named(parts.last().map(String::as_str), &table)?;
        found.ok_or_else(|| {
            let text = format!("Unknown table '{table}' in MULTI DELETE");
            SqlError::new(1109, "42S02", text)
        })
    }

    /// The one table that all assigned columns belong to.
    pub(super) fn updated(&self, names: &[Vec<String>]) -> Result<usize> {
        let mut found = None;
        for parts in names {
            let at = self.owner(parts)?;
            let at = at.ok_or_else(|| SqlError::unknown_column(&parts.join("."), "field list"))?;
            if found.is_some_and(|before| before != at) {
                return Err(SqlError::not_supported("UPDATE of several tables"));
            }
            found = Some(at);
        }
        Ok(found.unwrap_or(0))
    }

    /// The table of a column, by its name's parts.
    fn owner(&self, parts: &[String]) -> Result<Option<usize>> {
        match parts {
            [schema, table, _] => self.named(Some(schema), table),
            [table, column] => match self.named(None, table) {
                Err(_) => self.with_column(column, |known| same_name(&known.name, table)),
                found => found,
            },
            [column] => self.with_column(column, |_| true),
            _ => Ok(None),
        }
    }

    /// The table that has a column, of those that fit. 1052 when it may be either of two.
    fn with_column(&self, column: &str, fits: impl Fn(&Known) -> bool) -> Result<Option<usize>> {
        let has = |known: &Known| fits(known) && known.columns.iter().any(|c| same_name(c, column));
        let all = self.0.iter().enumerate();
        let mut found = all.filter(|(_, known)| known.as_ref().is_some_and(has));
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(ambiguous(column)),
            (first, _) => Ok(first.map(|(at, _)| at)),
        }
    }

    /// Whether a name without its database may mean two tables.
    fn is_shared(&self, name: &str) -> bool {
        let all = self.0.iter().flatten();
        all.filter(|known| same_name(&known.name, name)).count() > 1
    }

    /// Gives tables of one name in several databases aliases of their own, under which columns are
    /// looked up from then on. 1235 where a sub-query may mean either.
    pub(super) fn separate(
        &self,
        from: &mut [TableWithJoins],
        exprs: Vec<&mut Expr>,
    ) -> Result<()> {
        if !self
            .0
            .iter()
            .flatten()
            .any(|known| self.is_shared(&known.name))
        {
            return Ok(());
        }
        let mut renamer = Renamer(self);
        let joins = from.iter_mut().flat_map(|table| &mut table.joins);
        let mut flow = joins
            .map(|join| join.join_operator.visit(&mut renamer))
            .find(ControlFlow::is_break);
        for expr in exprs {
            flow = flow.or_else(|| Some(expr.visit(&mut renamer)).filter(ControlFlow::is_break));
        }
        if let Some(ControlFlow::Break(error)) = flow {
            return Err(error);
        }
        for (factor, known) in tables(from).into_iter().zip(&self.0) {
            let (TableFactor::Table { alias, .. }, Some(known)) = (factor, known) else {
                continue;
            };
            if self.is_shared(&known.name) {
                *alias = Some(TableAlias {
                    explicit: true,
                    name: known.own_alias(),
                    columns: Vec::new(),
                    at: None,
                });
            }
        }
        Ok(())
    }
}

impl Known {
    fn own_alias(&self) -> Ident {
        let schema = self.schema.as_deref().unwrap_or_default();
        Ident::with_quote('`', format!("{schema}.{}", self.name))
    }
}

fn ambiguous(column: &str) -> SqlError {
    let text = format!("Column '{column}' in field list is ambiguous");
    SqlError::new(1052, "23000", text)
}

fn known(factor: &TableFactor, view: &View) -> Option<Known> {
    match factor {
        TableFactor::Table { name, alias, .. } => {
            let mut parts = identifiers(name);
            let table = parts.pop().unwrap_or_default();
            let definition = view.relation_named(name).and_then(|r| r.definition());
            let columns = definition.iter().flat_map(|d| &d.meta.spec.columns);
            Some(Known {
                schema: parts.pop().or_else(|| view.database.clone()),
                columns: columns.map(|c| c.name.to_lowercase()).collect(),
                aliased: alias.is_some(),
                name: alias.as_ref().map_or(table, |a| a.name.value.clone()),
            })
        }
        TableFactor::Derived { alias, .. } => alias.as_ref().map(|alias| Known {
            schema: None,
            name: alias.name.value.clone(),
            aliased: true,
            columns: Vec::new(),
        }),
        _ => None,
    }
}

/// Puts tables' own aliases before the columns of those that share a name.
struct Renamer<'a>(&'a Targets);

impl VisitorMut for Renamer<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        ControlFlow::Break(SqlError::not_supported(
            "a sub-query in a change of tables of one name",
        ))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        let Expr::CompoundIdentifier(parts) = expr else {
            return ControlFlow::Continue(());
        };
        let names: Vec<String> = parts.iter().map(|part| part.value.clone()).collect();
        let is_shared = match names.as_slice() {
            [_, table, _] | [table, _] => self.0.is_shared(table),
            _ => false,
        };
        if !is_shared {
            return ControlFlow::Continue(());
        }
        let owner = match self.0.owner(&names) {
            Ok(owner) => owner,
            Err(error) => return ControlFlow::Break(error),
        };
        let known = owner.and_then(|at| self.0.0.get(at)?.as_ref());
        match (known, parts.pop()) {
            (Some(known), Some(column)) => {
                *expr = Expr::CompoundIdentifier(vec![known.own_alias(), column]);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(SqlError::unknown_column(&names.join("."), "field list")),
        }
    }
}
