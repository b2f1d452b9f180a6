//! The grammar of SHOW, on tokens: which form it is and how its rows are filtered.

use super::form::{Filter, Form, Show, Target};
use crate::dialect::{Kind, Lexed};
use crate::error::{Result, SqlError};
use crate::session::command::account_name;

/// SHOW WARNINGS, SHOW ERRORS and their counts leave the list as it is.
pub fn is_diagnostic(lexed: &Lexed) -> bool {
    ["WARNINGS", "ERRORS", "COUNT"]
        .iter()
        .any(|word| lexed.is(1, word))
}

/// Parses a SHOW statement (token 0 is SHOW).
pub fn parse(lexed: &Lexed) -> Result<Show> {
    let mut cursor = Cursor { lexed, at: 1 };
    let form = cursor.form()?;
    let filter = cursor.filter(&form)?;
    Ok(Show { form, filter })
}

/// Parses DESCRIBE t [column | 'pattern'] (token 0 is DESCRIBE).
pub fn parse_describe(lexed: &Lexed) -> Result<Show> {
    let mut cursor = Cursor { lexed, at: 1 };
    let first = cursor.name()?;
    let target = match cursor.accept(&["."]) {
        true => Target {
            schema: Some(first),
            table: cursor.name()?,
        },
        false => Target {
            schema: None,
            table: first,
        },
    };
    let filter = match cursor.at < lexed.tokens.len() && !lexed.is(cursor.at, ";") {
        true => Filter::Like(cursor.text().map_or_else(|| cursor.name(), Ok)?),
        false => Filter::All,
    };
    cursor.end()?;
    let form = Form::Columns {
        target,
        full: false,
    };
    Ok(Show { form, filter })
}

/// Position in a SHOW statement.
struct Cursor<'a> {
    lexed: &'a Lexed,
    at: usize,
}

impl Cursor<'_> {
    fn accept(&mut self, words: &[&str]) -> bool {
        let found = self.lexed.are(self.at, words);
        if found {
            self.at += words.len();
        }
        found
    }

    fn any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|w| self.accept(&[w]))
    }

    fn error(&self) -> SqlError {
        self.lexed.error_at(self.at)
    }

    fn expect(&mut self, words: &[&str]) -> Result<()> {
        match self.accept(words) {
            true => Ok(()),
            false => Err(self.error()),
        }
    }

    fn name(&mut self) -> Result<String> {
        let name = self.lexed.identifier(self.at).ok_or_else(|| self.error())?;
        self.at += 1;
        Ok(name)
    }

    /// A string.
    fn text(&mut self) -> Option<String> {
        let text = self.lexed.string(self.at)?;
        self.at += 1;
        Some(text)
    }

    fn number(&mut self) -> Result<u64> {
        let token = self.lexed.tokens.get(self.at);
        let digits = token.filter(|t| t.kind == Kind::Number);
        let number = digits.and_then(|t| self.lexed.slice(*t).parse().ok());
        self.at += usize::from(number.is_some());
        number.ok_or_else(|| self.error())
    }

    /// `table`, `schema.table`, `table FROM schema`.
    fn target(&mut self) -> Result<Target> {
        let table = self.name()?;
        if self.accept(&["."]) {
            return Ok(Target {
                schema: Some(table),
                table: self.name()?,
            });
        }
        let schema = self.schema()?;
        Ok(Target { schema, table })
    }

    /// `FROM table`, with either word.
    fn target_behind_from(&mut self) -> Result<Target> {
        match self.any(&["FROM", "IN"]) {
            true => self.target(),
            false => Err(self.error()),
        }
    }

    fn schema(&mut self) -> Result<Option<String>> {
        match self.any(&["FROM", "IN"]) {
            true => self.name().map(Some),
            false => Ok(None),
        }
    }

    fn form(&mut self) -> Result<Form> {
        if let Some(form) = self.catalog_form()? {
            return Ok(form);
        }
        if let Some(form) = self.diagnostic_form()? {
            return Ok(form);
        }
        if let Some(form) = self.replication_form()? {
            return Ok(form);
        }
        self.server_form()
    }

    /// Databases, tables and what is in them.
    fn catalog_form(&mut self) -> Result<Option<Form>> {
        if self.any(&["DATABASES", "SCHEMAS"]) {
            return Ok(Some(Form::Databases));
        }
        if self.accept(&["CREATE"]) {
            return self.create_form().map(Some);
        }
        if self.accept(&["TABLE", "STATUS"]) {
            return Ok(Some(Form::TableStatus {
                schema: self.schema()?,
            }));
        }
        if self.accept(&["OPEN", "TABLES"]) {
            return Ok(Some(Form::OpenTables {
                schema: self.schema()?,
            }));
        }
        let start = self.at;
        self.accept(&["EXTENDED"]);
        let full = self.accept(&["FULL"]);
        if self.accept(&["TABLES"]) {
            let schema = self.schema()?;
            return Ok(Some(Form::Tables { schema, full }));
        }
        if self.any(&["COLUMNS", "FIELDS"]) {
            let target = self.target_behind_from()?;
            return Ok(Some(Form::Columns { target, full }));
        }
        if full && self.accept(&["PROCESSLIST"]) {
            return Ok(Some(Form::Processes { full }));
        }
        if !full && self.any(&["INDEX", "INDEXES", "KEYS"]) {
            let target = self.target_behind_from()?;
            return Ok(Some(Form::Index { target }));
        }
        match self.at > start {
            true => Err(self.error()),
            false => Ok(None),
        }
    }

    /// Behind SHOW CREATE.
    fn create_form(&mut self) -> Result<Form> {
        if self.accept(&["TABLE"]) {
            return self.qualified().map(Form::CreateTable);
        }
        if self.accept(&["VIEW"]) {
            return self.qualified().map(Form::CreateView);
        }
        if self.any(&["DATABASE", "SCHEMA"]) {
            let if_not_exists = self.accept(&["IF", "NOT", "EXISTS"]);
            let name = self.name()?;
            return Ok(Form::CreateDatabase {
                name,
                if_not_exists,
            });
        }
        if self.accept(&["USER"]) {
            let ((user, host), next) = account_name(self.lexed, self.at)?;
            self.at = next;
            return Ok(Form::CreateUser(user, host));
        }
        for kind in ["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT"] {
            if self.accept(&[kind]) {
                let name = self.qualified()?.table;
                return Ok(Form::CreateObject { kind, name });
            }
        }
        Err(self.error())
    }

    fn qualified(&mut self) -> Result<Target> {
        let first = self.name()?;
        Ok(match self.accept(&["."]) {
            true => Target {
                schema: Some(first),
                table: self.name()?,
            },
            false => Target {
                schema: None,
                table: first,
            },
        })
    }

    /// Warnings and errors.
    fn diagnostic_form(&mut self) -> Result<Option<Form>> {
        if self.accept(&["COUNT", "(", "*", ")"]) {
            let errors = self.accept(&["ERRORS"]);
            if !errors {
                self.expect(&["WARNINGS"])?;
            }
            return Ok(Some(Form::Count { errors }));
        }
        let errors = self.accept(&["ERRORS"]);
        if !errors && !self.accept(&["WARNINGS"]) {
            return Ok(None);
        }
        let (mut offset, mut count) = (0, u64::MAX);
        if self.accept(&["LIMIT"]) {
            count = self.number()?;
            if self.accept(&[","]) {
                (offset, count) = (count, self.number()?);
            } else if self.accept(&["OFFSET"]) {
                offset = self.number()?;
            }
        }
        Ok(Some(Form::Warnings {
            errors,
            offset,
            count,
        }))
    }

    /// Logs and replicas, of which there are none.
    fn replication_form(&mut self) -> Result<Option<Form>> {
        let form =
            if self.accept(&["BINARY", "LOG", "STATUS"]) || self.accept(&["MASTER", "STATUS"]) {
                Form::BinaryLogStatus
            } else if self.accept(&["BINARY", "LOGS"])
                || self.accept(&["MASTER", "LOGS"])
                || self.accept(&["BINLOG", "EVENTS"])
            {
                Form::BinaryLogs
            } else if self.accept(&["REPLICAS"]) || self.accept(&["SLAVE", "HOSTS"]) {
                Form::Replicas
            } else if self.accept(&["REPLICA", "STATUS"]) {
                Form::ReplicaStatus { old_words: false }
            } else if self.accept(&["SLAVE", "STATUS"]) {
                Form::ReplicaStatus { old_words: true }
            } else {
                return Ok(None);
            };
        // FOR CHANNEL 'name', IN 'log' FROM position: there is nothing to choose from.
        self.at = match form {
            Form::BinaryLogStatus | Form::Replicas => self.at,
            _ if self.lexed.is(self.at, ";") => self.at,
            _ => self.lexed.tokens.len(),
        };
        Ok(Some(form))
    }

    /// The server, its accounts and its connections.
    fn server_form(&mut self) -> Result<Form> {
        let global = self.accept(&["GLOBAL"]);
        let scoped = global || self.any(&["SESSION", "LOCAL"]);
        if self.accept(&["VARIABLES"]) {
            return Ok(Form::Variables { global });
        }
        if self.accept(&["STATUS"]) {
            return Ok(Form::Status { global });
        }
        if scoped {
            return Err(self.error());
        }
        if self.accept(&["ENGINE"]) {
            let engine = self.text().map_or_else(|| self.name(), Ok)?;
            return match self.any(&["STATUS", "MUTEX", "LOGS"]) {
                true => Ok(Form::EngineStatus { engine }),
                false => Err(self.error()),
            };
        }
        if self.accept(&["GRANTS"]) {
            let account = self.grantee()?;
            return Ok(Form::Grants { account });
        }
        if self.any(&["TRIGGERS"]) {
            return Ok(Form::Triggers {
                schema: self.schema()?,
            });
        }
        if self.any(&["EVENTS"]) {
            return Ok(Form::Events {
                schema: self.schema()?,
            });
        }
        if self.accept(&["PROFILE"]) {
            // ALL, CPU, FOR QUERY n ...: no profile is ever taken.
            self.at = self.lexed.tokens.len();
            return Ok(Form::Profile);
        }
        static PLAIN: [(&[&str], Form); 13] = [
            (&["EXPORTS"], Form::Exports),
            (&["LINKS"], Form::Links),
            (&["STORAGE", "ENGINES"], Form::Engines),
            (&["ENGINES"], Form::Engines),
            (&["PLUGINS"], Form::Plugins),
            (&["CHARACTER", "SET"], Form::CharacterSets),
            (&["CHARSET"], Form::CharacterSets),
            (&["COLLATION"], Form::Collations),
            (&["PRIVILEGES"], Form::Privileges),
            (&["PROCESSLIST"], Form::Processes { full: false }),
            (&["PROCEDURE", "STATUS"], Form::Routines),
            (&["FUNCTION", "STATUS"], Form::Routines),
            (&["PROFILES"], Form::Profiles),
        ];
        let found = PLAIN.iter().find(|(words, _)| self.accept(words));
        if let Some((_, form)) = found {
            return Ok(form.clone());
        }
        match ["BINLOG", "FUNCTION", "PARSE_TREE", "PROCEDURE", "RELAYLOG"]
            .iter()
            .find(|word| self.lexed.is(self.at, word))
        {
            Some(word) => Err(SqlError::not_supported(&format!("SHOW {word}"))),
            None => Err(self.error()),
        }
    }

    /// `[FOR user]`; `None` is the session's own account.
    fn grantee(&mut self) -> Result<Option<(String, String)>> {
        if !self.accept(&["FOR"]) {
            return Ok(None);
        }
        if self.accept(&["CURRENT_USER"]) {
            if self.accept(&["("]) {
                self.expect(&[")"])?;
            }
            return Ok(None);
        }
        let (account, next) = account_name(self.lexed, self.at)?;
        self.at = next;
        Ok(Some(account))
    }

    /// `[LIKE 'pattern' | WHERE condition]` where the form has it, and the end of the statement.
    fn filter(&mut self, form: &Form) -> Result<Filter> {
        let (like, condition) = match form {
            Form::Databases
            | Form::Tables { .. }
            | Form::OpenTables { .. }
            | Form::TableStatus { .. }
            | Form::Columns { .. }
            | Form::Variables { .. }
            | Form::Status { .. }
            | Form::CharacterSets
            | Form::Collations
            | Form::Triggers { .. }
            | Form::Events { .. }
            | Form::Exports
            | Form::Links
            | Form::Routines => (true, true),
            Form::Index { .. } => (false, true),
            _ => (false, false),
        };
        if like && self.accept(&["LIKE"]) {
            let pattern = self.text().ok_or_else(|| self.error())?;
            self.end()?;
            return Ok(Filter::Like(pattern));
        }
        if condition && self.accept(&["WHERE"]) {
            let first = self.lexed.tokens.get(self.at);
            let from = first.ok_or_else(|| self.error())?.start;
            return Ok(Filter::Where { from });
        }
        self.end()?;
        Ok(Filter::All)
    }

    fn end(&mut self) -> Result<()> {
        self.accept(&[";"]);
        match self.at < self.lexed.tokens.len() {
            true => Err(self.error()),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
