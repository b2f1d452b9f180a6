//! GENERATED ALWAYS AS: read, and checked by MySQL's rules for what such a column may refer to.

use sqlparser::ast::Expr;

use super::column::ColumnDefinition;
use super::cursor::Cursor;
use super::table::Definition;
use crate::computed::{self, Forbidden, columns_of, forbidden};
use crate::error::{Result, SqlError};
use crate::types::{Generated, Privacy, same_name};

/// The expression of a column as written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GeneratedDefinition {
    pub(super) expression: Expr,
    pub(super) stored: bool,
}

impl GeneratedDefinition {
    /// Behind AS.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let start = cursor.location();
        let text = cursor.parenthesized()?;
        if text.trim().is_empty() {
            return Err(cursor.error_at(start));
        }
        let expression = computed::parse(text)?;
        let stored = cursor.take("STORED");
        if !stored {
            cursor.take("VIRTUAL");
        }
        Ok(Self { expression, stored })
    }

    /// The columns that it names.
    pub(super) fn columns(&self) -> Vec<String> {
        columns_of(&self.expression)
    }

    pub(super) fn uses(&self, column: &str) -> bool {
        self.columns().iter().any(|used| same_name(used, column))
    }

    /// As it is kept.
    pub(super) fn stored(&self) -> Generated {
        Generated {
            expression: computed::definition_text(&self.expression),
            stored: self.stored,
            filling: false,
        }
    }
}

/// Checks the generated columns of a table.
pub(super) fn check(definition: &Definition) -> Result<()> {
    for (at, column) in definition.columns.iter().enumerate() {
        if let Some(generated) = &column.generated {
            check_clauses(column)?;
            check_form(&column.name, &generated.expression)?;
            check_columns(definition, at, generated)?;
        }
    }
    Ok(())
}

/// 1221 for clauses that would give the column another value.
fn check_clauses(column: &ColumnDefinition) -> Result<()> {
    let clauses = [
        (column.default.is_some(), "DEFAULT"),
        (column.on_update.is_some(), "ON UPDATE"),
        (column.auto_increment, "AUTO_INCREMENT"),
        (column.privacy == Some(Privacy::Minute), "ROUND TO MINUTE"),
        (column.privacy.is_some(), "PSEUDONYMISE"),
    ];
    match clauses.into_iter().find(|(there, _)| *there) {
        Some((_, clause)) => Err(SqlError::incorrect_usage(clause, "generated column")),
        None => Ok(()),
    }
}

fn check_form(column: &str, expression: &Expr) -> Result<()> {
    match forbidden(expression) {
        None => Ok(()),
        Some(Forbidden::Function(name)) => Err(SqlError::generated_uses_function(column, &name)),
        Some(Forbidden::Query) => Err(SqlError::generated_uses_query(column)),
        Some(Forbidden::Variable | Forbidden::Placeholder) => {
            Err(SqlError::generated_uses_variable(column))
        }
        Some(Forbidden::Row) => Err(SqlError::generated_uses_row(column)),
    }
}

/// Plain columns wherever they stand, generated ones only before this one.
fn check_columns(
    definition: &Definition,
    at: usize,
    generated: &GeneratedDefinition,
) -> Result<()> {
    for name in generated.columns() {
        let columns = &definition.columns;
        let used = columns.iter().position(|c| same_name(&c.name, &name));
        let unknown = || SqlError::unknown_column(&name, "generated column function");
        let used = used.ok_or_else(unknown)?;
        let Some(column) = columns.get(used) else {
            continue;
        };
        if column.generated.is_some() && used >= at {
            return Err(SqlError::generated_uses_later());
        }
        if column.auto_increment {
            let own = columns.get(at).map_or("", |c| &c.name);
            return Err(SqlError::generated_uses_auto_increment(own));
        }
    }
    Ok(())
}
