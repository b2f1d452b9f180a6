//! SHOW and DESCRIBE: every form gives a table of its own, which LIKE and WHERE filter.
//!
//! `parse` reads the statement, `catalog` and `server` make the rows, mostly from information_schema.
//! LIKE is applied here; WHERE becomes a query over the rows, so that any expression works.

mod catalog;
mod create;
mod exports;
mod form;
mod like;
mod parse;
mod server;

use std::sync::Arc;

use super::Session;
use crate::dialect::{Lexed, lex};
use crate::error::{Result, SqlError};
use crate::information_schema::{self, Column, Heading, Listing, Row, Scope, VirtualTable};
use crate::insert::Scalar;
use crate::result::{Outcome, ResultColumn};
use crate::select::planner::View;
use crate::select::{QueryText, compile};

pub(super) use form::{Filter, Form, Show, Target};
pub(super) use like::like;
pub(super) use parse::{is_diagnostic, parse, parse_describe};

/// Columns and rows of a SHOW statement before they are filtered.
struct Shown {
    /// What the wire calls the table that the rows come from.
    table: &'static str,
    headings: Vec<Heading>,
    rows: Vec<Row>,
    /// Position of the column that LIKE is applied to.
    like: usize,
}

impl Shown {
    fn new(table: &'static str, columns: &[Column], rows: Vec<Row>) -> Self {
        Self {
            table,
            headings: columns.iter().map(|c| Heading::from(*c)).collect(),
            rows,
            like: 0,
        }
    }

    /// One column of texts whose heading is known only now.
    fn under(table: &'static str, heading: String, rows: Vec<Row>) -> Self {
        let mut shown = Self::new(table, &[information_schema::varchar("", 1024)], rows);
        if let Some(first) = shown.headings.first_mut() {
            first.name = heading;
        }
        shown
    }

    fn keep(&mut self, pattern: &str) {
        let at = self.like;
        self.rows.retain(|row| {
            let text = row.get(at).and_then(|cell| cell.text());
            text.is_some_and(|t| like::like(pattern, &t))
        });
    }
}

/// A SHOW whose columns are those of an information_schema table under other names.
struct Projection {
    table: &'static VirtualTable,
    /// Heading and position in the table.
    columns: &'static [(&'static str, usize)],
    like: usize,
}

impl Projection {
    fn show(&self, view: &View, scope: &Scope) -> Result<Shown> {
        let columns = self.columns.iter().filter_map(|(heading, at)| {
            let column = self.table.columns.get(*at)?;
            Some(Heading {
                name: (*heading).into(),
                ..Heading::from(*column)
            })
        });
        let rows = (self.table.rows)(view, scope)?.into_iter().map(|row| {
            let cells = self.columns.iter().filter_map(|(_, at)| row.get(*at));
            cells.cloned().collect()
        });
        Ok(Shown {
            table: self.table.name,
            headings: columns.collect(),
            rows: rows.collect(),
            like: self.like,
        })
    }
}

impl Session {
    /// Answers a SHOW statement.
    pub(super) async fn show(&mut self, lexed: Lexed, params: Vec<Scalar>) -> Result<Outcome> {
        let show = parse::parse(&lexed)?;
        let listing = self.listing(&show)?;
        let Filter::Where { from } = show.filter else {
            return Ok(Outcome::Rows(listing.into_rows()));
        };
        let columns = listing.columns();
        let query = where_query(lexed.text.get(from..).unwrap_or_default())?;
        let mut view = self.catalog_view();
        view.listing = Some(Arc::new(listing));
        let (env, state) = (self.environment(), self.engine.state());
        let sink = self.sink.clone();
        let work = move || {
            let text = QueryText {
                lexed: &query,
                params: &params,
                kept_as: None,
            };
            sink.within(|| compile(&text, &view, &state, &env))
        };
        let (mut compiled, _) = self.engine.planning().run(work).await?;
        compiled.columns = columns;
        self.start(compiled).map(Outcome::Rows)
    }

    /// Answers DESCRIBE of a table: the rows of SHOW COLUMNS.
    pub(super) fn describe(&self, lexed: &Lexed) -> Result<Outcome> {
        let listing = self.listing(&parse::parse_describe(lexed)?)?;
        Ok(Outcome::Rows(listing.into_rows()))
    }

    /// The columns that a SHOW or DESCRIBE will have.
    pub(super) fn shown_columns(&self, lexed: &Lexed) -> Result<Vec<ResultColumn>> {
        let show = match lexed.is(0, "SHOW") {
            true => parse::parse(lexed)?,
            false => parse::parse_describe(lexed)?,
        };
        Ok(self.listing(&show)?.columns())
    }

    fn listing(&self, show: &Show) -> Result<Listing> {
        let view = self.catalog_view();
        let mut shown = match catalog::show(&show.form, &view)? {
            Some(shown) => shown,
            None => server::show(self, &show.form, &view)?,
        };
        if let Filter::Like(pattern) = &show.filter {
            shown.keep(pattern);
            // MySQL names the pattern in the heading of lists of names.
            if matches!(show.form, Form::Databases | Form::Tables { .. })
                && let Some(first) = shown.headings.first_mut()
            {
                first.name = format!("{} ({pattern})", first.name);
            }
        }
        Listing::new(shown.table, &shown.headings, &shown.rows)
    }
}

/// The rows for which a condition holds, as a query over them.
fn where_query(condition: &str) -> Result<Lexed> {
    let condition = condition.trim_end().trim_end_matches(';');
    let lexed = lex(condition)?;
    // A condition that closes a parenthesis it did not open would end the WHERE.
    let mut depth = 0usize;
    for i in 0..lexed.tokens.len() {
        match lexed.word(i) {
            "(" => depth += 1,
            ")" => depth = depth.checked_sub(1).ok_or_else(|| lexed.error_at(i))?,
            ";" => return Err(lexed.error_at(i)),
            _ => {}
        }
    }
    match depth {
        0 => lex(&format!(
            "SELECT * FROM `{}` WHERE ({condition})",
            Listing::NAME
        )),
        _ => Err(lexed.error_at(lexed.tokens.len())),
    }
}

/// 1049 unless the schema exists; gives the name as it is stored.
fn existing_schema(view: &View, schema: Option<&String>) -> Result<String> {
    use crate::information_schema::{INFORMATION_SCHEMA, is_information_schema};
    let schema = view.schema(schema.map(String::as_str))?;
    if is_information_schema(schema) {
        return Ok(INFORMATION_SCHEMA.into());
    }
    match view.snapshot.tables(schema) {
        Some(_) => Ok(schema.to_string()),
        None => Err(SqlError::unknown_database(schema)),
    }
}
