//! Views in queries: each stands for its own query, as a derived table.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef,
    TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::planner::View;
use crate::dialect::{lex, parse_query};
use crate::error::{Result, SqlError};
use crate::views::StoredView;

/// Views within views.
const DEPTH_MAX: usize = 32;

/// Puts the queries of views in the place of their names.
pub fn expand(query: &mut Query, view: &View) -> Result<()> {
    if view.views.is_empty() {
        return Ok(());
    }
    expand_within(query, view, &mut Vec::new())
}

type Name = (String, String);

fn expand_within(query: &mut Query, view: &View, around: &mut Vec<Name>) -> Result<()> {
    let mut expander = Expander {
        view,
        around,
        ctes: Vec::new(),
    };
    match query.visit(&mut expander) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Expander<'a> {
    view: &'a View,
    /// The views whose queries this is in.
    around: &'a mut Vec<Name>,
    /// Names that WITH gives to queries around, per query.
    ctes: Vec<Vec<String>>,
}

/// The names that a query's WITH defines.
fn cte_names(query: &Query) -> Vec<String> {
    let tables = query.with.iter().flat_map(|with| &with.cte_tables);
    tables.map(|cte| cte.alias.name.value.clone()).collect()
}

fn is_defined(ctes: &[Vec<String>], name: &str) -> bool {
    ctes.iter()
        .flatten()
        .any(|cte| cte.eq_ignore_ascii_case(name))
}

impl VisitorMut for Expander<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.ctes.push(cte_names(query));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.ctes.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        match self.expanded(factor) {
            Ok(Some(derived)) => *factor = derived,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

impl Expander<'_> {
    fn expanded(&mut self, factor: &TableFactor) -> Result<Option<TableFactor>> {
        let TableFactor::Table { name, alias, .. } = factor else {
            return Ok(None);
        };
        let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        let (schema, table) = match parts.as_slice() {
            [table] if is_defined(&self.ctes, &table.value) => return Ok(None),
            [table] => (self.view.database.as_deref(), *table),
            [schema, table] => (Some(schema.value.as_str()), *table),
            _ => return Ok(None),
        };
        let found = schema.and_then(|schema| {
            let found = self.view.views.get(schema, &table.value)?;
            Some((schema.to_owned(), found))
        });
        let Some((schema, stored)) = found else {
            return Ok(None);
        };
        let own = (schema, table.value.clone());
        if self.around.contains(&own) || self.around.len() >= DEPTH_MAX {
            let text = format!("`{}`.`{}` contains view recursion", own.0, own.1);
            return Err(SqlError::new(1462, "HY000", text));
        }
        let mut query = parse_query(&lex(&stored.query)?)?;
        qualify(&mut query, &stored.database);
        self.around.push(own);
        let expanded = expand_within(&mut query, self.view, self.around);
        self.around.pop();
        expanded?;
        Ok(Some(derived(query, stored, alias.as_ref(), table)))
    }
}

/// The view's query under the name by which it is read.
fn derived(
    query: Query,
    stored: &StoredView,
    alias: Option<&TableAlias>,
    own_name: &Ident,
) -> TableFactor {
    let quoted = |name: &str| Ident::with_quote('`', name);
    let columns = || stored.columns.iter().map(|c| quoted(&c.name));
    let mut alias = alias.cloned().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: quoted(&own_name.value),
        columns: Vec::new(),
        at: None,
    });
    let query = match stored.by_place {
        true => {
            if alias.columns.is_empty() {
                let column = |name| TableAliasColumnDef {
                    name,
                    data_type: None,
                };
                alias.columns = columns().map(column).collect();
            }
            query
        }
        // Columns that tables have got since are none of the view's.
        false => chosen(query, columns().collect(), alias.name.clone()),
    };
    TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: Some(alias),
        sample: None,
    }
}

/// Some columns of a query, by name.
fn chosen(query: Query, columns: Vec<Ident>, name: Ident) -> Query {
    let Ok(mut outer) = lex("SELECT 1 FROM t").and_then(|lexed| parse_query(&lexed)) else {
        return query;
    };
    if let SetExpr::Select(select) = outer.body.as_mut() {
        let Select {
            projection, from, ..
        } = select.as_mut();
        let item = |name| SelectItem::UnnamedExpr(Expr::Identifier(name));
        *projection = columns.into_iter().map(item).collect();
        *from = vec![TableWithJoins {
            relation: TableFactor::Derived {
                lateral: false,
                subquery: Box::new(query),
                alias: Some(TableAlias {
                    explicit: true,
                    name,
                    columns: Vec::new(),
                    at: None,
                }),
                sample: None,
            },
            joins: Vec::new(),
        }];
    }
    outer
}

/// Puts a database before the names of tables that have none.
fn qualify(query: &mut Query, database: &str) {
    // It breaks never.
    let _ = query.visit(&mut Qualifier {
        database,
        ctes: Vec::new(),
    });
}

struct Qualifier<'a> {
    database: &'a str,
    ctes: Vec<Vec<String>>,
}

impl VisitorMut for Qualifier<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.ctes.push(cte_names(query));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.ctes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        let own = match relation.0.as_slice() {
            [part] => part.as_ident().cloned(),
            _ => None,
        };
        let is_cte = |name: &Ident| {
            is_defined(&self.ctes, &name.value) || name.value.eq_ignore_ascii_case("dual")
        };
        if let Some(name) = own.filter(|name| !is_cte(name)) {
            *relation = ObjectName::from(vec![Ident::with_quote('`', self.database), name]);
        }
        ControlFlow::Continue(())
    }
}
