//! The privileges of one account: everywhere, by database, by table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AccountName, Level, Privileges, matches};
use crate::types::QuotedName;

/// What one account was granted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Grants {
    pub global: Privileges,
    /// By pattern of databases.
    #[serde(default)]
    pub schemas: BTreeMap<String, Privileges>,
    /// By database and table.
    #[serde(default)]
    pub tables: BTreeMap<String, BTreeMap<String, Privileges>>,
}

impl Grants {
    /// What holds for all of a database.
    pub fn on_schema(&self, schema: &str) -> Privileges {
        let fitting = self.schemas.iter().filter(|(p, _)| matches(p, schema));
        fitting.fold(self.global, |all, (_, granted)| all | *granted)
    }

    /// What holds for a table.
    pub fn on_table(&self, schema: &str, table: &str) -> Privileges {
        let own = self.tables.get(schema).and_then(|tables| tables.get(table));
        self.on_schema(schema) | own.copied().unwrap_or_default()
    }

    /// Anything in the database, or in a table of it.
    pub fn sees_schema(&self, schema: &str) -> bool {
        let visible = Privileges::OF_SCHEMAS | Privileges::SHOW_DATABASES;
        !(self.on_schema(schema) & visible).is_none() || self.tables.contains_key(schema)
    }

    /// Anything in the table.
    pub fn sees_table(&self, schema: &str, table: &str) -> bool {
        !(self.on_table(schema, table) & Privileges::OF_TABLES).is_none()
    }

    /// What was granted at exactly this level.
    pub fn at(&self, level: &Level) -> Option<Privileges> {
        match level {
            Level::Global => Some(self.global),
            Level::Schema(schema) => self.schemas.get(schema).copied(),
            Level::Table { schema, table } => self.tables.get(schema)?.get(table).copied(),
        }
    }

    /// What holds there, from that level or a wider one.
    pub fn holds_at(&self, level: &Level) -> Privileges {
        match level {
            Level::Global => self.global,
            Level::Schema(schema) => {
                self.global | self.on_schema(schema) | self.at(level).unwrap_or_default()
            }
            Level::Table { schema, table } => self.on_table(schema, table),
        }
    }

    pub fn set(&mut self, level: &Level, privileges: Privileges) {
        match level {
            Level::Global => self.global = privileges,
            Level::Schema(schema) => match privileges.is_none() {
                true => drop(self.schemas.remove(schema)),
                false => drop(self.schemas.insert(schema.clone(), privileges)),
            },
            Level::Table { schema, table } => {
                let tables = self.tables.entry(schema.clone()).or_default();
                match privileges.is_none() {
                    true => drop(tables.remove(table)),
                    false => drop(tables.insert(table.clone(), privileges)),
                }
                self.tables.retain(|_, tables| !tables.is_empty());
            }
        }
    }

    /// The statements that would grant all of it, as SHOW GRANTS prints them.
    pub fn statements(&self, name: &AccountName) -> Vec<String> {
        let dynamic = Privileges::CONNECTION_ADMIN | Privileges::SYSTEM_VARIABLES_ADMIN;
        let (fixed, named) = (self.global.without(dynamic), self.global & dynamic);
        let everything = Privileges::all_at(&Level::Global);
        // All of them have one name; MySQL lists them, which no reader is better off with.
        let mut all = match self.global.has(everything) {
            true => vec![statement_named(
                "ALL PRIVILEGES",
                self.global,
                &Level::Global,
                name,
            )],
            false => vec![statement(fixed, &Level::Global, name)],
        };
        if !named.is_none() && !self.global.has(everything) {
            let granted = named | (self.global & Privileges::GRANT_OPTION);
            all.push(statement(granted, &Level::Global, name));
        }
        for (schema, granted) in &self.schemas {
            all.push(statement(*granted, &Level::Schema(schema.clone()), name));
        }
        for (schema, tables) in &self.tables {
            for (table, granted) in tables {
                let level = Level::Table {
                    schema: schema.clone(),
                    table: table.clone(),
                };
                all.push(statement(*granted, &level, name));
            }
        }
        all
    }
}

fn statement(granted: Privileges, level: &Level, name: &AccountName) -> String {
    let own = granted.without(Privileges::GRANT_OPTION);
    let is_all = *level != Level::Global && own == Privileges::all_at(level);
    let words = match own {
        own if own.is_none() => "USAGE".to_owned(),
        _ if is_all => "ALL PRIVILEGES".to_owned(),
        own => own.to_string(),
    };
    statement_named(&words, granted, level, name)
}

fn statement_named(words: &str, granted: Privileges, level: &Level, name: &AccountName) -> String {
    let place = match level {
        Level::Global => "*.*".to_owned(),
        Level::Schema(schema) => format!("{}.*", QuotedName(schema)),
        Level::Table { schema, table } => {
            format!("{}.{}", QuotedName(schema), QuotedName(table))
        }
    };
    let option = match granted.has(Privileges::GRANT_OPTION) {
        true => " WITH GRANT OPTION",
        false => "",
    };
    format!("GRANT {words} ON {place} TO {}{option}", name.quoted())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_add_up() {
        let mut grants = Grants::default();
        grants.set(&Level::Schema("app%".into()), Privileges::SELECT);
        let table = Level::Table {
            schema: "app1".into(),
            table: "t".into(),
        };
        grants.set(&table, Privileges::INSERT);
        assert_eq!(
            grants.on_table("app1", "t"),
            Privileges::SELECT | Privileges::INSERT
        );
        assert_eq!(grants.on_table("app1", "u"), Privileges::SELECT);
        assert!(grants.on_table("other", "t").is_none());
        assert!(grants.sees_schema("app2") && !grants.sees_schema("other"));
        grants.set(&table, Privileges::NONE);
        assert!(grants.tables.is_empty());
    }

    #[test]
    fn statements_are_as_mysql_prints_them() {
        let name = AccountName::new("app", "%");
        let mut grants = Grants::default();
        grants.set(
            &Level::Schema("d".into()),
            Privileges::all_at(&Level::Schema("d".into())),
        );
        let table = Level::Table {
            schema: "e".into(),
            table: "t".into(),
        };
        grants.set(
            &table,
            Privileges::SELECT | Privileges::UPDATE | Privileges::GRANT_OPTION,
        );
        assert_eq!(
            grants.statements(&name),
            [
                "GRANT USAGE ON *.* TO `app`@`%`",
                "GRANT ALL PRIVILEGES ON `d`.* TO `app`@`%`",
                "GRANT SELECT, UPDATE ON `e`.`t` TO `app`@`%` WITH GRANT OPTION",
            ]
        );
    }
}
