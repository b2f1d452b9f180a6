//! Prepared statements of a session: their texts, and what PREPARE tells the client.
//!
//! Only the text is kept. EXECUTE binds its parameters as literals and plans anew, so that a prepared
//! statement means exactly what the same text with literals means.

use std::collections::HashMap;

use super::command::{self, Command};
use super::{Session, utf8};
use arrow::datatypes::DataType;

use crate::dialect::lex;
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
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
    text: Vec<u8>,
    params: usize,
}

impl Statements {
    fn add(&mut self, text: Vec<u8>, params: usize) -> u32 {
        // Ids wrap after four billion; one in use is skipped.
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            if !self.texts.contains_key(&self.last_id) {
                break;
            }
        }
        self.texts.insert(self.last_id, Statement { text, params });
        self.last_id
    }

    pub(super) fn close(&mut self, id: u32) {
        self.texts.remove(&id);
    }

    /// The statement's text, if it exists (1243) and has that many placeholders (1210).
    pub(super) fn text(&self, id: u32, params: usize) -> Result<Vec<u8>> {
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
        Ok(statement.text.clone())
    }
}

impl Session {
    pub(super) async fn prepare_statement(&mut self, sql: &[u8]) -> Result<Prepared> {
        self.forget_warnings();
        let lexed = lex(utf8(sql)?)?;
        let count = command::placeholders(&lexed);
        if count > PLACEHOLDERS_MAX {
            let text = "Prepared statement contains too many placeholders";
            return Err(SqlError::new(1390, "HY000", text));
        }
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
                self.check_insert(lexed, count).await?;
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
        let id = self.statements.add(sql.to_vec(), count);
        let param =
            ResultColumn::computed("?", FieldType::of_expression(&DataType::Utf8View, true));
        Ok(Prepared {
            id,
            params: vec![param; count],
            columns,
        })
    }
}
