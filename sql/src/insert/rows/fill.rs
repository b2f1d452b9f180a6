//! What a column gets without a value of its own.

use super::RowWriter;
use crate::error::{Result, SqlError};
use crate::insert::column::{ColumnWriter, Surroundings};
use crate::insert::{Datum, Scalar, Settings};
use crate::types::{ColumnAttributes, DefaultValue, MysqlType, TableDefinition, TimeZone};

/// What a column gets that the statement does not name, or for which it says DEFAULT.
#[derive(Debug, Clone)]
pub(super) enum Fill {
    Null,
    /// The zone is UTC for a TIMESTAMP's literal, which is stored so.
    Literal(Scalar, TimeZone),
    Now(u8),
    AutoIncrement,
    /// A generated column: something that holds its place until it is computed.
    Generated,
    /// NOT NULL without DEFAULT: an error in strict mode.
    Missing,
}

impl Fill {
    pub(super) fn of(attributes: &ColumnAttributes, nullable: bool, session: TimeZone) -> Self {
        if attributes.auto_increment {
            return Self::AutoIncrement;
        }
        if attributes.generated.is_some() {
            return Self::Generated;
        }
        match &attributes.default {
            None if nullable => Self::Null,
            None => Self::Missing,
            Some(DefaultValue::Null) => Self::Null,
            Some(DefaultValue::Now { fsp }) => Self::Now(*fsp),
            Some(DefaultValue::Literal(text)) => {
                let utc = matches!(attributes.mysql_type, MysqlType::Timestamp { .. });
                let zone = if utc { TimeZone::UTC } else { session };
                Self::Literal(Scalar::Text(text.clone()), zone)
            }
        }
    }
}

impl RowWriter {
    /// DEFAULT as the `position`-th value.
    pub(crate) fn append_default(&mut self, position: usize) -> Result<()> {
        let target = self.targets[position];
        self.in_row(target, Datum::Null, |writer| {
            writer.append_fill(target, target, true)
        })
    }

    /// DEFAULT(`column`) as the `position`-th value.
    pub(in crate::insert) fn append_default_of(
        &mut self,
        position: usize,
        table: &TableDefinition,
        column: &str,
    ) -> Result<()> {
        let source = table
            .position(column)
            .ok_or_else(|| SqlError::unknown_column(column, "field list"))?;
        let target = self.targets[position];
        self.in_row(target, Datum::Null, |writer| {
            writer.append_fill(target, source, true)
        })
    }

    /// The default of column `source` into column `target`.
    pub(super) fn append_fill(
        &mut self,
        target: usize,
        source: usize,
        explicit: bool,
    ) -> Result<()> {
        let column = &mut self.columns[target];
        match &self.fills[source] {
            Fill::Null if column.nullable => column.append_null(),
            Fill::Null => return Err(SqlError::cannot_be_null(column.name())),
            Fill::AutoIncrement => self.generate()?,
            Fill::Now(fsp) => column.append_now(*fsp, &self.settings),
            Fill::Generated if target != source => {
                return Err(SqlError::default_of_expression());
            }
            Fill::Generated => column.append_placeholder(),
            Fill::Literal(value, time_zone) => {
                let settings = Settings {
                    time_zone: *time_zone,
                    ..self.settings
                };
                let around = &mut Surroundings {
                    settings: &settings,
                    diagnostics: &mut self.diagnostics,
                };
                column.append(value.datum(), around)?;
            }
            Fill::Missing => {
                if explicit && !takes_first(column) {
                    self.diagnostics
                        .raise(SqlError::no_default_value(column.name()))?;
                }
                column.append_implicit()?;
            }
        }
        Ok(())
    }
}

/// MySQL gives an ENUM without a default its first member, also in strict mode.
pub(super) fn takes_first(column: &ColumnWriter) -> bool {
    matches!(column.mysql_type, MysqlType::Enum { .. })
}
