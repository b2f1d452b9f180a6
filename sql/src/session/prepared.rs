//! Prepared statements of a session: their texts, and what PREPARE tells the client.
//!
//! Of most only the text is kept. EXECUTE binds its parameters as literals and plans anew, so that a prepared
//! statement means exactly what the same text with literals means. An INSERT whose values are parameters and
//! literals is kept as it was read: there is nothing to plan.

use std::collections::HashMap;
use std::sync::Arc;

use super::Session;
use super::command::{self, Command};
use arrow::datatypes::DataType;

use crate::dialect::{lex, readable};
use crate::error::{Result, SqlError};
use crate::insert::{InsertPlan, Scalar};
use crate::result::ResultColumn;
use crate::types::FieldType;

/// MySQL's limit; the count is 16 bits in the protocol.
const PLACEHOLDERS_MAX: usize = 65_535;

/// What PREPARE gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub id: u32,
    pub params: Vec<ResultColumn>,
    /// Empty when EXECUTE gives no rows.
    pub columns: Vec<ResultColumn>,
}

#[derive(Debug, Default)]
pub(super) struct Statements {
    last_id: u32,
    texts: HashMap<u32, Statement>,
}

#[derive(Debug)]
struct Statement {
    text: Arc<[u8]>,
    params: usize,
    insert: Option<Arc<InsertPlan>>,
}

/// A statement to be executed.
pub(super) struct Found {
    pub(super) text: Arc<[u8]>,
    /// As it was read, if it needs no more than its parameters.
    pub(super) insert: Option<Arc<InsertPlan>>,
}

impl Statements {
    fn add(&mut self, statement: Statement) -> u32 {
        // Ids wrap after four billion; one in use is skipped.
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            if !self.texts.contains_key(&self.last_id) {
                break;
            }
        }
        self.texts.insert(self.last_id, statement);
        self.last_id
    }

    pub(super) fn close(&mut self, id: u32) {
        self.texts.remove(&id);
    }

    /// The statement, if it exists (1243) and has that many placeholders (1210).
    pub(super) fn find(&self, id: u32, params: usize) -> Result<Found> {
        let unknown = || {
            let text = format!("Unknown prepared statement handler ({id}) given to EXECUTE");
            SqlError::new(1243, "HY000", text)
        };
        let statement = self.texts.get(&id).ok_or_else(unknown)?;
        if statement.params != params {
            return Err(SqlError::new(
                1210,
                "HY000",
                "Incorrect arguments to EXECUTE",
            ));
        }
        Ok(Found {
            text: Arc::clone(&statement.text),
            insert: statement.insert.clone(),
        })
    }
}

impl Session {
    pub(super) async fn prepare_statement(&mut self, sql: &[u8]) -> Result<Prepared> {
        self.forget_warnings();
        let (text, warnings) = readable(sql)?;
        let lexed = lex(&text)?;
        self.check_pipes(&lexed)?;
        self.warn(warnings);
        let count = command::placeholders(&lexed);
        if count > PLACEHOLDERS_MAX {
            let text = "Prepared statement contains too many placeholders";
            return Err(SqlError::new(1390, "HY000", text));
        }
        let mut insert = None;
        let command = command::classify(&lexed)?;
        let (lexed, command) = self.bind_files(lexed, command).await?;
        self.authorize(&command, &lexed).await?;
        let columns = match command {
            Command::Empty => return Err(SqlError::new(1065, "42000", "Query was empty")),
            Command::Query => {
                let nulls = vec![Scalar::Null; count];
                self.compile(lexed, nulls, None).await?.columns
            }
            Command::Export { at } => Self::export_columns(&lexed, at)?,
            Command::Backup => Self::backup_columns(&lexed)?,
            Command::Maintain => {
                crate::result::Rows::of_texts(&super::maintain::COLUMNS, &[])?.columns
            }
            Command::Show | Command::Describe => self.shown_columns(&lexed)?,
            Command::Explain { .. } => {
                vec![ResultColumn::computed(
                    "EXPLAIN",
                    FieldType::of_expression(&DataType::Utf8View, true),
                )]
            }
            Command::Insert => {
                insert = self.check_insert(lexed, count).await?;
                Vec::new()
            }
            Command::Change => {
                self.check_change(lexed, count).await?;
                Vec::new()
            }
            Command::Use(_)
            | Command::Load
            | Command::Prepare
            | Command::Execute
            | Command::Deallocate
            | Command::Begin { .. }
            | Command::Savepoint(_)
            | Command::RollbackTo(_)
            | Command::Release(_) => {
                let text = "This command is not supported in the prepared statement protocol yet";
                return Err(SqlError::new(1295, "HY000", text));
            }
            _ => Vec::new(),
        };
        let id = self.statements.add(Statement {
            text: sql.into(),
            params: count,
            insert,
        });
        let param =
            ResultColumn::computed("?", FieldType::of_expression(&DataType::Utf8View, true));
        Ok(Prepared {
            id,
            params: vec![param; count],
            columns,
        })
    }
}
