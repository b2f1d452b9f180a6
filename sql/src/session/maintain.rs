//! ANALYZE, CHECK, OPTIMIZE and REPAIR TABLE: one line of the answer for each table.
//!
//! Storage keeps its own statistics and merges segments by itself; every block is checked when it is
//! read. What is left to do here is little: OPTIMIZE has the rows in memory written into segments.

use super::Session;
use crate::dialect::Lexed;
use crate::error::{Result, SqlError};
use crate::result::{Outcome, Rows};

pub(super) const COLUMNS: [&str; 4] = ["Table", "Op", "Msg_type", "Msg_text"];

impl Session {
    pub(super) async fn maintain(&mut self, lexed: &Lexed) -> Result<Outcome> {
        let operation = lexed.word(0).to_lowercase();
        let tables = tables(lexed)?;
        if operation == "optimize" {
            self.engine.blocking(storno_storage::Store::flush).await?;
        }
        let view = self.catalog_view();
        let mut lines = Vec::new();
        for (schema, table) in tables {
            let schema = schema.or_else(|| self.database.clone());
            let schema = schema.ok_or_else(SqlError::no_database_selected)?;
            let name = format!("{schema}.{table}");
            let line = |kind: &str, text: &str| {
                let cells = [&name, &operation, kind, text];
                cells.map(|cell| Some(cell.to_owned())).to_vec()
            };
            match view.relation(Some(&schema), &table) {
                Ok(_) => lines.push(line("status", "OK")),
                Err(error) => {
                    lines.push(line("Error", &error.message));
                    lines.push(line("status", "Operation failed"));
                }
            }
        }
        Rows::of_texts(&COLUMNS, &lines).map(Outcome::Rows)
    }
}

/// The tables that the statement names.
pub(super) fn tables(lexed: &Lexed) -> Result<Vec<(Option<String>, String)>> {
    let mut at = 1;
    while lexed.is(at, "NO_WRITE_TO_BINLOG") || lexed.is(at, "LOCAL") {
        at += 1;
    }
    if lexed.is(at, "VIEW") {
        let what = format!("{} {}", lexed.word(0), lexed.word(at)).to_uppercase();
        return Err(SqlError::not_supported(&what));
    }
    if !lexed.is(at, "TABLE") && !lexed.is(at, "TABLES") {
        return Err(lexed.error_at(at));
    }
    table_names(lexed, at + 1)
}

/// `[schema.]table, ...`; what follows (FOR UPGRADE, QUICK, EXTENDED ...) changes nothing.
fn table_names(lexed: &Lexed, mut at: usize) -> Result<Vec<(Option<String>, String)>> {
    let mut names = Vec::new();
    loop {
        let mut name = lexed.identifier(at).ok_or_else(|| lexed.error_at(at))?;
        let mut schema = None;
        if lexed.is(at + 1, ".") {
            let table = lexed.identifier(at + 2);
            schema = Some(name);
            name = table.ok_or_else(|| lexed.error_at(at + 2))?;
            at += 2;
        }
        names.push((schema, name));
        if !lexed.is(at + 1, ",") {
            return Ok(names);
        }
        at += 2;
    }
}
