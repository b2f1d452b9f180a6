//! Whether a session's account may do what a statement asks: the one place where that is decided.
//!
//! `needs` reads a statement's needs from its text, before anything of it runs; here they are held
//! against what the account was granted. A kind of statement that is not known there needs every
//! privilege, so that a new one is never open to all.
//!
//! Names are those of the text: whether a view's definer may read what the view reads is asked where views are
//! put in the place of their names (`select::views`), and the planner asks once more for each table that it reads
//! (`select::planner`).

mod needs;
mod relations;
mod targets;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Session;
use super::command::Command;
use crate::accounts::{AccountName, Grants, Level, List, Privileges};
use crate::dialect::Lexed;
use crate::error::{Result, SqlError};
use crate::information_schema::is_information_schema;

pub(crate) use needs::Need;
pub(crate) use relations::{Relation, relations};

/// The schema of tables about the server that anybody may read.
pub const PERFORMANCE_SCHEMA: &str = "performance_schema";

/// What an account may do, as it is now.
#[derive(Debug, Clone)]
pub struct Rights {
    list: Arc<List>,
    account: AccountName,
}

static NO_GRANTS: std::sync::LazyLock<Grants> = std::sync::LazyLock::new(Grants::default);

impl Rights {
    pub fn new(list: Arc<List>, account: AccountName) -> Self {
        Self { list, account }
    }

    /// Nothing, if the account is gone.
    pub fn grants(&self) -> &Grants {
        let account = self.list.find(&self.account);
        account.map_or(&NO_GRANTS, |account| &account.grants)
    }

    /// Every privilege everywhere.
    fn are_all(&self) -> bool {
        let all = Privileges::all_at(&Level::Global) | Privileges::GRANT_OPTION;
        self.grants().global.has(all)
    }

    /// Whether there is the account.
    pub fn are_of_account(&self) -> bool {
        self.list.find(&self.account).is_some()
    }

    /// Whether a table, or a view, may be read.
    pub fn may_read(&self, schema: &str, table: &str) -> bool {
        let granted = self.grants().on_table(schema, table);
        granted.has(Privileges::SELECT) || is_open(schema, Privileges::SELECT)
    }

    /// Whether the text of a view may be seen.
    pub fn may_show_view(&self, schema: &str, view: &str) -> bool {
        let both = Privileges::SELECT | Privileges::SHOW_VIEW;
        self.grants().on_table(schema, view).has(both)
    }

    /// Databases that SHOW and information_schema tell of.
    pub fn see_schema(&self, schema: &str) -> bool {
        is_information_schema(schema) || self.grants().sees_schema(schema)
    }

    /// Tables that SHOW and information_schema tell of.
    pub fn see_table(&self, schema: &str, table: &str) -> bool {
        is_information_schema(schema) || self.grants().sees_table(schema, table)
    }
}

impl Session {
    pub(super) fn rights(&self) -> Rights {
        Rights::new(self.engine.accounts().list(), self.account.clone())
    }

    /// An error unless the session's account may run this statement.
    pub(super) async fn authorize(&self, command: &Command, lexed: &Lexed) -> Result<()> {
        let rights = self.rights();
        if rights.are_all() || needs::are_none(command, lexed) {
            return Ok(());
        }
        let reads_anything = rights.grants().global.has(Privileges::SELECT);
        if *command == Command::Query && reads_anything && !needs::writes_file(lexed) {
            return Ok(());
        }
        let context = needs::Context {
            database: self.database.clone(),
            collation: self.database_collation(),
            time_zone: self.time_zone(),
            own: self.account.clone(),
        };
        let (command, lexed) = (command.clone(), lexed.clone());
        let work = move || needs::of(&command, &lexed, &context);
        for need in self.engine.planning().run(work).await? {
            self.check(&rights, &need)?;
        }
        Ok(())
    }

    /// The same for needs that are no statement's, and for those of statements read without a syntax
    /// tree.
    pub(super) fn authorize_needs(&self, needs: &[Need]) -> Result<()> {
        let rights = self.rights();
        if rights.are_all() {
            return Ok(());
        }
        needs.iter().try_for_each(|need| self.check(&rights, need))
    }

    /// INSERT and REPLACE of literals.
    pub(super) fn authorize_insert(
        &self,
        schema: Option<&str>,
        table: &str,
        replaces: bool,
    ) -> Result<()> {
        let Some(schema) = schema.or(self.database.as_deref()) else {
            // The statement itself says what is missing.
            return Ok(());
        };
        let mut privileges = Privileges::INSERT;
        if replaces {
            privileges |= Privileges::DELETE;
        }
        self.authorize_needs(&[Need::Table {
            schema: schema.into(),
            table: table.into(),
            privileges,
        }])
    }

    /// Whether another session may be ended, or its statements be seen.
    pub(super) fn authorize_thread(&self, id: u32, user: &str) -> Result<()> {
        let admin = Privileges::SUPER | Privileges::CONNECTION_ADMIN;
        let may = !(self.rights().grants().global & admin).is_none();
        match may || user == self.context.user {
            true => Ok(()),
            false => {
                let text = format!("You are not owner of thread {id}");
                Err(SqlError::new(1095, "HY000", text))
            }
        }
    }

    fn check(&self, rights: &Rights, need: &Need) -> Result<()> {
        let grants = rights.grants();
        match need {
            Need::AnyOf(privileges) => match (grants.global & *privileges).is_none() {
                true => Err(self.missing_global(*privileges)),
                false => Ok(()),
            },
            Need::Schema(schema, privileges) => match grants.on_schema(schema).has(*privileges) {
                true => Ok(()),
                false => Err(self.schema_denied(schema)),
            },
            Need::SeenSchema(schema) => match rights.see_schema(schema) {
                true => Ok(()),
                false => Err(self.schema_denied(schema)),
            },
            Need::Table {
                schema,
                table,
                privileges,
            } => {
                let missing = privileges.without(grants.on_table(schema, table));
                match missing.is_none() || is_open(schema, missing) {
                    true => Ok(()),
                    false => Err(self.table_denied(&missing.to_string(), table)),
                }
            }
            Need::SeenTable(schema, table) => {
                match rights.see_table(schema, table) || is_open(schema, Privileges::SELECT) {
                    true => Ok(()),
                    false => Err(self.table_denied("SELECT", table)),
                }
            }
            Need::Column {
                schema,
                table,
                column,
            } => match grants.on_table(schema, table).has(Privileges::SELECT) {
                true => Ok(()),
                false => Err(self.column_denied(column, table)),
            },
            Need::Grant(level, privileges) => {
                let wanted = *privileges | Privileges::GRANT_OPTION;
                match grants.holds_at(level).has(wanted) {
                    true => Ok(()),
                    false => Err(self.grant_denied(level)),
                }
            }
            Need::Everything => Err(self.missing_global(Privileges::SUPER)),
        }
    }

    /// 1227
    fn missing_global(&self, privileges: Privileges) -> SqlError {
        let names: Vec<&str> = privileges.each().map(|(_, name)| name).collect();
        let text = format!(
            "Access denied; you need (at least one of) the {} privilege(s) for this operation",
            names.join(" or ")
        );
        SqlError::new(1227, "42000", text)
    }

    /// 1044
    fn schema_denied(&self, schema: &str) -> SqlError {
        let text = format!(
            "Access denied for user {} to database '{schema}'",
            self.account
        );
        SqlError::new(1044, "42000", text)
    }

    /// The account's user and the client's host, as MySQL names them where a table is meant.
    fn user_and_host(&self) -> String {
        AccountName::new(&self.account.user, &self.context.host).to_string()
    }

    /// 1142
    fn table_denied(&self, command: &str, table: &str) -> SqlError {
        let user = self.user_and_host();
        let text = format!("{command} command denied to user {user} for table '{table}'");
        SqlError::new(1142, "42000", text)
    }

    /// 1143
    fn column_denied(&self, column: &str, table: &str) -> SqlError {
        let user = self.user_and_host();
        let text = format!(
            "SELECT command denied to user {user} for column '{column}' in table '{table}'"
        );
        SqlError::new(1143, "42000", text)
    }

    /// 1045, 1044 or 1142, by the level.
    fn grant_denied(&self, level: &Level) -> SqlError {
        match level {
            Level::Global => {
                let user = self.user_and_host();
                let text = format!("Access denied for user {user} (using password: YES)");
                SqlError::new(1045, "28000", text)
            }
            Level::Schema(schema) => self.schema_denied(schema),
            Level::Table { table, .. } => self.table_denied("GRANT", table),
        }
    }
}

/// Tables that everybody reads; what is in them is chosen by who reads.
fn is_open(schema: &str, privileges: Privileges) -> bool {
    privileges == Privileges::SELECT
        && (is_information_schema(schema) || schema.eq_ignore_ascii_case(PERFORMANCE_SCHEMA))
}
