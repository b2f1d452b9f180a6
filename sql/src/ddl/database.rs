//! CREATE and DROP DATABASE, DROP TABLE.

use serde::{Deserialize, Serialize};
use sqlparser::tokenizer::Token;

use super::TableName;
use super::cursor::Cursor;
use super::options::{charset_option, take_equals};
use crate::error::{Result, SqlError, Warning};
use crate::types::charset::{self, BIN_COLLATION, DEFAULT_COLLATION};

/// Characters of a name.
const NAME_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateDatabase {
    pub name: String,
    pub if_not_exists: bool,
    pub attributes: SchemaAttributes,
    pub warnings: Vec<Warning>,
}

/// What storage keeps of a database, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaAttributes {
    pub collation: String,
}

impl SchemaAttributes {
    /// An empty text is that of a database without attributes.
    pub fn from_json(json: &str) -> Result<Self> {
        if json.is_empty() {
            return Ok(Self {
                collation: BIN_COLLATION.to_owned(),
            });
        }
        serde_json::from_str(json)
            .map_err(|error| SqlError::internal(format!("Internal error: attributes: {error}")))
    }
    pub fn to_json(&self) -> String {
        // One string: serde_json cannot fail on it.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropDatabase {
    pub name: String,
    pub if_exists: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropTable {
    /// In the statement's order; all or none are dropped.
    pub tables: Vec<TableName>,
    pub if_exists: bool,
}

/// Behind CREATE DATABASE.
pub(super) fn create(cursor: &mut Cursor<'_>) -> Result<CreateDatabase> {
    let if_not_exists = cursor.take("IF NOT EXISTS");
    let name = cursor.name()?;
    check_name(&name)?;
    let (mut charset, mut collation, mut warnings) = (None, None, Vec::new());
    while !cursor.at_end() && !cursor.is_symbol(&Token::SemiColon) {
        cursor.take("DEFAULT");
        if charset_option(cursor, &mut charset, &mut collation)? {
            continue;
        }
        if cursor.take("ENCRYPTION") {
            take_equals(cursor);
            cursor.string()?;
            warnings.push(Warning::no_effect("ENCRYPTION"));
        } else if cursor.take("COMMENT") {
            take_equals(cursor);
            cursor.string()?;
        } else {
            return Err(cursor.error());
        }
    }
    let resolved = charset::resolve(charset.as_deref(), collation.as_deref(), DEFAULT_COLLATION)?;
    warnings.extend(resolved.warnings);
    let attributes = SchemaAttributes {
        collation: resolved.collation,
    };
    Ok(CreateDatabase {
        name,
        if_not_exists,
        attributes,
        warnings,
    })
}

/// Behind DROP DATABASE.
pub(super) fn drop(cursor: &mut Cursor<'_>) -> Result<DropDatabase> {
    let if_exists = cursor.take("IF EXISTS");
    Ok(DropDatabase {
        name: cursor.name()?,
        if_exists,
    })
}

/// Behind DROP TABLE. A temporary table never exists here.
pub(super) fn drop_table(cursor: &mut Cursor<'_>) -> Result<DropTable> {
    let if_exists = cursor.take("IF EXISTS");
    let mut tables = Vec::new();
    loop {
        let (schema, table) = cursor.qualified_name()?;
        tables.push(TableName { schema, table });
        if !cursor.take_symbol(&Token::Comma) {
            break;
        }
    }
    // Words without meaning, in MySQL as well.
    cursor.take_any(&["RESTRICT", "CASCADE"]);
    Ok(DropTable { tables, if_exists })
}

/// 1102 and 1059.
fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.ends_with(' ') {
        return Err(SqlError::incorrect_database_name(name));
    }
    if name.chars().count() > NAME_MAX {
        return Err(SqlError::identifier_too_long(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::ddl::{Ddl, DdlContext, parse};
    use crate::types::TimeZone;

    fn read(sql: &str) -> Ddl {
        let context = DdlContext {
            collation: "utf8mb4_bin",
            time_zone: TimeZone::UTC,
        };
        parse(sql, &context).expect(sql).expect(sql)
    }

    #[test]
    fn charset_clauses_of_databases_are_read_in_every_spelling() {
        for sql in [
            "CREATE DATABASE IF NOT EXISTS `x` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            "create schema if not exists x default charset='utf8mb4' collate 'utf8mb4_general_ci'",
            "create database if not exists x /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE \
             utf8mb4_general_ci */ /*!80016 DEFAULT ENCRYPTION='N' */;",
        ] {
            let Ddl::CreateDatabase(create) = read(sql) else {
                panic!("{sql}")
            };
            assert_eq!(create.attributes.collation, "utf8mb4_general_ci", "{sql}");
            assert!(create.if_not_exists);
        }
    }

    #[test]
    fn several_tables_are_dropped_by_one_statement() {
        let Ddl::DropTable(drop) = read("DROP TABLE IF EXISTS a, `b`.`c` CASCADE") else {
            panic!("not a DROP TABLE")
        };
        assert!(drop.if_exists);
        let names: Vec<_> = drop
            .tables
            .iter()
            .map(|t| (t.schema.as_deref(), &*t.table))
            .collect();
        assert_eq!(names, [(None, "a"), (Some("b"), "c")]);
    }

    #[test]
    fn truncate_needs_no_table_keyword() {
        for sql in ["TRUNCATE t", "truncate table `t`;"] {
            let Ddl::TruncateTable(name) = read(sql) else {
                panic!("{sql}")
            };
            assert_eq!(name.table, "t");
        }
    }

    #[test]
    fn other_statements_are_not_read() {
        let context = DdlContext {
            collation: "utf8mb4_bin",
            time_zone: TimeZone::UTC,
        };
        for sql in ["CREATE VIEW v AS SELECT 1", "DROP VIEW v", "SELECT 1"] {
            assert_eq!(parse(sql, &context), Ok(None), "{sql}");
        }
    }
}
