//! Of DDL, views and tokens of the HTTP receiver.

use super::{Need, Needs};
use crate::accounts::{AccountName, Level, Privileges};
use crate::ddl::{Ddl, NewTable, TableName, ViewStatement};
use crate::dialect::{Lexed, lex, parse_statement};
use crate::error::Result;

impl Needs<'_> {
    pub(super) fn define(&mut self, ddl: &Ddl, lexed: &Lexed) -> Result<()> {
        match ddl {
            Ddl::CreateTable(create) => match &create.table {
                NewTable::Defined { spec, .. } => {
                    self.table(create.schema.clone(), spec.name.clone(), Privileges::CREATE)
                }
                NewTable::Like { name, source } => {
                    self.table(create.schema.clone(), name.clone(), Privileges::CREATE)?;
                    self.named(source, Privileges::SELECT)
                }
            },
            Ddl::DropTable(drop) => {
                let mut tables = drop.tables.iter();
                tables.try_for_each(|table| self.named(table, Privileges::DROP))
            }
            Ddl::TruncateTable(name) => self.named(name, Privileges::DROP),
            Ddl::AlterTable(alter) => {
                // CREATE INDEX and DROP INDEX are ALTER TABLE, too.
                let privilege = match lexed.is(0, "ALTER") {
                    true => Privileges::ALTER,
                    false => Privileges::INDEX,
                };
                self.named(&alter.name, privilege)?;
                match &alter.rename {
                    Some(new) => self.renamed(&alter.name, new),
                    None => Ok(()),
                }
            }
            Ddl::RenameTables(pairs) => pairs.iter().try_for_each(|(old, new)| {
                self.named(old, Privileges::ALTER)?;
                self.renamed(old, new)
            }),
            Ddl::CreateDatabase(create) => {
                self.found
                    .push(Need::Schema(create.name.clone(), Privileges::CREATE));
                Ok(())
            }
            Ddl::DropDatabase(drop) => {
                self.found
                    .push(Need::Schema(drop.name.clone(), Privileges::DROP));
                Ok(())
            }
            #[allow(unreachable_patterns)]
            _ => {
                self.found.push(Need::Everything);
                Ok(())
            }
        }
    }

    /// Who makes a view has to be allowed to read what it reads; who reads it, only the view.
    pub(super) fn view(&mut self, statement: &ViewStatement) -> Result<()> {
        match statement {
            ViewStatement::Create(view) => {
                let mut privileges = Privileges::CREATE_VIEW;
                if view.or_replace || view.alter {
                    privileges |= Privileges::DROP;
                }
                self.named(&view.name, privileges)?;
                let own = &self.context.own;
                let is_own = view.definer.as_ref().is_none_or(|(user, host)| {
                    AccountName::new(user, &host.to_lowercase()) == *own
                });
                if !is_own {
                    self.any_of(Privileges::SUPER);
                }
                self.read(&parse_statement(&lex(&view.query)?)?)
            }
            ViewStatement::Drop(drop) => {
                let mut views = drop.names.iter();
                views.try_for_each(|view| self.named(view, Privileges::DROP))
            }
        }
    }

    /// Who has a token writes without an account: who makes it has to be allowed to let others write.
    pub(super) fn ingest_tokens(&mut self, lexed: &Lexed) -> Result<()> {
        self.any_of(Privileges::CREATE_USER);
        if !lexed.is(0, "CREATE") {
            return Ok(());
        }
        let part = |at: usize| lexed.identifier(at).ok_or_else(|| lexed.error_at(at));
        // CREATE INGEST TOKEN name ON [schema.]table
        let (schema, table) = match lexed.is(6, ".") {
            true => (Some(part(5)?), part(7)?),
            false => (None, part(5)?),
        };
        let schema = self.schema(schema)?;
        let level = Level::Table { schema, table };
        self.found.push(Need::Grant(level, Privileges::INSERT));
        Ok(())
    }

    fn renamed(&mut self, old: &TableName, new: &TableName) -> Result<()> {
        self.named(old, Privileges::DROP)?;
        self.named(new, Privileges::CREATE | Privileges::INSERT)
    }
}
