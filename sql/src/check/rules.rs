//! What a CHECK constraint may say, and what it is called: MySQL's rules for definitions.

use datafusion::execution::session_state::SessionState;
use sqlparser::ast::Expr;
use storno_storage::TableId;

use super::Checks;
use crate::computed::{Forbidden, columns_of, definition_text, forbidden, is_condition};
use crate::error::{Result, SqlError};
use crate::select::planner::View;
use crate::types::{Check, TableDefinition, TimeZone, folded_name, same_name};

/// A constraint as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckDefinition {
    pub(crate) name: Option<String>,
    pub(crate) condition: Expr,
    pub(crate) enforced: bool,
    /// The column in whose definition it stands.
    pub(crate) column: Option<String>,
}

impl CheckDefinition {
    /// The columns that it names.
    pub(crate) fn columns(&self) -> Vec<String> {
        columns_of(&self.condition)
    }
}

/// A column of the table to be, for the rules.
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    pub(crate) auto_increment: bool,
}

/// Names the constraints of a table and checks what can be told from their form. 3812 to 3822.
pub(crate) fn named_checks(
    table: &str,
    definitions: &[CheckDefinition],
    columns: &[Column<'_>],
) -> Result<Vec<Check>> {
    let mut checks: Vec<Check> = Vec::with_capacity(definitions.len());
    let named = definitions.iter().filter_map(|d| d.name.clone());
    let named: Vec<Check> = named
        .map(|name| Check {
            name,
            clause: String::new(),
            enforced: true,
        })
        .collect();
    // Numbers go on behind the highest that is there.
    let mut number = named
        .iter()
        .filter_map(|c| c.generated_number(table))
        .max()
        .unwrap_or(0);
    for definition in definitions {
        let name = match &definition.name {
            Some(name) => name.clone(),
            None => {
                number += 1;
                Check::generated_name(table, number)
            }
        };
        check_form(&name, definition, columns)?;
        let folded = folded_name(&name);
        if checks.iter().any(|c| folded_name(&c.name) == folded) {
            return Err(SqlError::duplicate_check(&name));
        }
        checks.push(Check {
            clause: definition_text(&definition.condition),
            enforced: definition.enforced,
            name,
        });
    }
    Ok(checks)
}

fn check_form(name: &str, definition: &CheckDefinition, columns: &[Column<'_>]) -> Result<()> {
    match forbidden(&definition.condition) {
        None => {}
        Some(Forbidden::Function(function)) => {
            return Err(SqlError::check_uses_function(name, &function));
        }
        Some(Forbidden::Query) => return Err(SqlError::check_uses_query(name)),
        Some(Forbidden::Variable | Forbidden::Placeholder) => {
            return Err(SqlError::check_uses_variable(name));
        }
        Some(Forbidden::Row) => return Err(SqlError::check_uses_row(name)),
    }
    if !is_condition(&definition.condition) {
        return Err(SqlError::check_is_no_condition(name));
    }
    for used in definition.columns() {
        let Some(column) = columns.iter().find(|c| same_name(c.name, &used)) else {
            return Err(SqlError::check_uses_unknown_column(name, &used));
        };
        if column.auto_increment {
            return Err(SqlError::check_uses_auto_increment(name));
        }
        if let Some(own) = &definition.column
            && !same_name(own, &used)
        {
            return Err(SqlError::check_uses_other_column(name));
        }
    }
    Ok(())
}

/// 3822 for a name that another table of the database has. `own`: the table itself, if it is there.
pub(crate) fn unique_check_names(
    view: &View,
    table: &TableDefinition,
    own: Option<TableId>,
) -> Result<()> {
    let mine = &table.attributes.checks;
    if mine.is_empty() {
        return Ok(());
    }
    for meta in view.snapshot.tables(&table.meta.schema).unwrap_or_default() {
        if Some(meta.id) == own {
            continue;
        }
        let others = view.session.engine.tables().get(&meta)?;
        let others = &others.attributes.checks;
        let taken = |check: &&Check| others.iter().any(|o| same_name(&o.name, &check.name));
        if let Some(check) = mine.iter().find(taken) {
            return Err(SqlError::duplicate_check(&check.name));
        }
    }
    Ok(())
}

/// Compiles all constraints of a table that is to be, enforced or not: what cannot be computed is an error
/// of its definition. On a planning thread.
pub(crate) fn verify(
    table: &TableDefinition,
    zone: TimeZone,
    with: (&View, &SessionState),
) -> Result<()> {
    let mut all = table.clone();
    for check in &mut all.attributes.checks {
        check.enforced = true;
    }
    Checks::compile(&all, zone, with).map(drop)
}
