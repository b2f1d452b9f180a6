//! The calls of FILES in a statement: their files are found before it is planned.

use std::sync::Arc;

use super::Session;
use super::access::Need;
use super::command::{self, Command};
use crate::accounts::Privileges;
use crate::dialect::Lexed;
use crate::error::{Result, SqlError};
use crate::files::{FilesTable, open, with_tables};

impl Session {
    /// Opens the files that a statement reads, and has names of tables stand for them.
    pub(super) async fn bind_files(
        &mut self,
        lexed: Lexed,
        command: Command,
    ) -> Result<(Lexed, Command)> {
        if !self.files.is_empty() {
            self.files = Arc::default();
        }
        let reads = matches!(
            command,
            Command::Query
                | Command::Insert
                | Command::Explain { .. }
                | Command::CreateSelect(_)
                | Command::Export { .. }
        );
        if !reads {
            return Ok((lexed, command));
        }
        let Some((lexed, calls)) = with_tables(&lexed)? else {
            return Ok((lexed, command));
        };
        self.authorize_needs(&[Need::AnyOf(Privileges::FILE)])?;
        let (handle, time_zone) = (self.engine.jobs().handle()?, self.time_zone());
        let mut tables = Vec::with_capacity(calls.len());
        for call in calls {
            let place = self.open_place(&call.place, &call.options)?;
            let opening = handle.spawn(open(place, call, (handle.clone(), time_zone)));
            let opened = opening
                .await
                .map_err(|e| SqlError::internal(e.to_string()))??;
            tables.push(Arc::new(FilesTable::new(opened)));
        }
        self.files = tables.into();
        // Places in the text have moved.
        let command = command::classify(&lexed)?;
        Ok((lexed, command))
    }
}
