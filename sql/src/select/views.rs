//! Views in queries: each stands for its own query, as a derived table.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef,
    TableFactor, TableWithJoins, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use super::calendar::is_calendar;
use super::collate::literals_of;
use super::ctes::Scopes;
use super::planner::{TableName, View};
use crate::accounts::AccountName;
use crate::dialect::{lex, parse_query};
use crate::error::{Result, SqlError};
use crate::session::{Rights, relations};
use crate::views::StoredView;

/// Views within views.
const DEPTH_MAX: usize = 32;

/// Tables and views that the views of one query name. Each time a view is named its query is planned anew.
const NAMED_MAX: usize = 1_000;

/// Puts the queries of views in the place of their names; which tables these read. 1356 and 1449 where those by whose
/// privileges a view is read may not.
pub fn expand(query: &mut Query, view: &View) -> Result<Vec<TableName>> {
    if view.views.is_empty() {
        return Ok(Vec::new());
    }
    let mut expansion = Expansion {
        view,
        around: Vec::new(),
        read: Vec::new(),
    };
    expansion.expand(query, &view.session.account)?;
    Ok(expansion.read)
}

/// 1146, as in MySQL, if the new query of a view, whose names are in `database`, comes to the view itself.
pub(crate) fn check_recursion(
    text: &str,
    database: &str,
    own: TableName,
    view: &View,
) -> Result<()> {
    let mut query = parse_query(&lex(text)?)?;
    qualify(&mut query, database);
    let names = relations(&query)?.into_iter();
    if names
        .map(|r| (r.schema.unwrap_or_default(), r.table))
        .any(|name| name == own)
    {
        return Err(SqlError::unknown_table(&own.0, &own.1));
    }
    let mut expansion = Expansion {
        view,
        around: vec![own.clone()],
        read: Vec::new(),
    };
    let expanded = expansion.expand(&mut query, &view.session.account);
    expanded.map_err(|error| match error == contains_itself(&own) {
        true => SqlError::unknown_table(&own.0, &own.1),
        false => error,
    })
}

struct Expansion<'a> {
    view: &'a View,
    /// The views whose queries this is in.
    around: Vec<TableName>,
    /// What views read.
    read: Vec<TableName>,
}

impl Expansion<'_> {
    /// `reader`: by whose privileges.
    fn expand(&mut self, query: &mut Query, reader: &AccountName) -> Result<()> {
        let mut expander = Expander {
            expansion: self,
            reader,
            scopes: Scopes::default(),
        };
        match query.visit(&mut expander) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    /// A view's query, those of views in it put in their places.
    fn query_of(
        &mut self,
        own: TableName,
        stored: &StoredView,
        reader: &AccountName,
    ) -> Result<Query> {
        if self.around.contains(&own) || self.around.len() >= DEPTH_MAX {
            return Err(contains_itself(&own));
        }
        let mut query = parse_query(&lex(&stored.query)?)?;
        qualify(&mut query, &stored.database);
        let reader = match stored.security.as_str() {
            "INVOKER" => reader.clone(),
            _ => definer(stored)?,
        };
        self.check(&query, &own, &reader, stored)?;
        self.around.push(own);
        let expanded = self.expand(&mut query, &reader);
        self.around.pop();
        expanded.map(|()| query)
    }

    /// Whether the reader of a view may read what it reads, which is noted.
    fn check(
        &mut self,
        query: &Query,
        own: &TableName,
        reader: &AccountName,
        stored: &StoredView,
    ) -> Result<()> {
        let accounts = self.view.session.engine.accounts().list();
        let rights = Rights::new(accounts, reader.clone());
        if stored.security != "INVOKER" && !rights.are_of_account() {
            let text = format!("The user specified as a definer ({reader}) does not exist");
            return Err(SqlError::new(1449, "HY000", text));
        }
        for relation in relations(query)? {
            let Some(schema) = relation.schema else {
                continue;
            };
            if !rights.may_read(&schema, &relation.table) {
                return Err(lacks_rights(own));
            }
            self.read.push((schema, relation.table));
        }
        match self.read.len() > NAMED_MAX {
            true => {
                let text = format!(
                    "Too many tables; Storno can only use {NAMED_MAX} tables in the views of a query"
                );
                Err(SqlError::new(1116, "HY000", text))
            }
            false => Ok(()),
        }
    }
}

fn definer(stored: &StoredView) -> Result<AccountName> {
    let unreadable = |()| SqlError::internal(format!("the definer {}", stored.definer));
    stored.definer.parse().map_err(unreadable)
}

/// 1462
fn contains_itself((schema, name): &TableName) -> SqlError {
    let text = format!("`{schema}`.`{name}` contains view recursion");
    SqlError::new(1462, "HY000", text)
}

/// 1356
fn lacks_rights((schema, name): &TableName) -> SqlError {
    let text = format!(
        "View '{schema}.{name}' references invalid table(s) or column(s) or function(s) or definer/invoker of \
         view lack rights to use them"
    );
    SqlError::new(1356, "HY000", text)
}

struct Expander<'a, 'b> {
    expansion: &'a mut Expansion<'b>,
    reader: &'a AccountName,
    scopes: Scopes,
}

impl VisitorMut for Expander<'_, '_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.scopes.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.scopes.leave();
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

impl Expander<'_, '_> {
    fn expanded(&mut self, factor: &TableFactor) -> Result<Option<TableFactor>> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
        else {
            return Ok(None);
        };
        let view = self.expansion.view;
        let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        let (schema, table) = match parts.as_slice() {
            [table] if self.scopes.has(&table.value) => return Ok(None),
            [table] => (view.database.as_deref(), *table),
            [schema, table] => (Some(schema.value.as_str()), *table),
            _ => return Ok(None),
        };
        let found = schema.and_then(|schema| {
            let found = view.views.get(schema, &table.value)?;
            Some((schema.to_owned(), found))
        });
        let Some((schema, stored)) = found else {
            return Ok(None);
        };
        let own = (schema, table.value.clone());
        let mut query = self.expansion.query_of(own, stored, self.reader)?;
        if stored.collation != view.collation_connection() {
            query = all_of(
                query,
                Ident::with_quote('`', literals_of(&stored.collation)),
            );
        }
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
    let item = |name| SelectItem::UnnamedExpr(Expr::Identifier(name));
    selected(query, columns.into_iter().map(item).collect(), name)
}

/// A query under a name within another.
fn all_of(query: Query, name: Ident) -> Query {
    let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
    selected(query, vec![all], name)
}

fn selected(query: Query, items: Vec<SelectItem>, name: Ident) -> Query {
    let Ok(mut outer) = lex("SELECT 1 FROM t").and_then(|lexed| parse_query(&lexed)) else {
        return query;
    };
    if let SetExpr::Select(select) = outer.body.as_mut() {
        let Select {
            projection, from, ..
        } = select.as_mut();
        *projection = items;
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
        scopes: Scopes::default(),
        function: false,
    });
}

struct Qualifier<'a> {
    database: &'a str,
    scopes: Scopes,
    /// The next name is a table function's.
    function: bool,
}

impl VisitorMut for Qualifier<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.scopes.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.scopes.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        self.function = is_calendar(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        if std::mem::take(&mut self.function) {
            return ControlFlow::Continue(());
        }
        let own = match relation.0.as_slice() {
            [part] => part.as_ident().cloned(),
            _ => None,
        };
        let is_query =
            |name: &Ident| self.scopes.has(&name.value) || name.value.eq_ignore_ascii_case("dual");
        if let Some(name) = own.filter(|name| !is_query(name)) {
            *relation = ObjectName::from(vec![Ident::with_quote('`', self.database), name]);
        }
        ControlFlow::Continue(())
    }
}
