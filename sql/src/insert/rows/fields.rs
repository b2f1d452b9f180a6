//! Fields of files, which may be missing.

use super::RowWriter;
use super::fill::Fill;
use crate::error::{Result, SqlError};
use crate::insert::Datum;
use crate::types::MysqlType;

impl RowWriter {
    /// A field of a file as the `position`-th value.
    pub(crate) fn append_field(&mut self, position: usize, text: &[u8]) -> Result<()> {
        let target = self.targets[position];
        match self.invalid {
            None => self.store_field(target, text),
            Some(_) => self.in_row(target, Datum::Text(text), |writer| {
                writer.store_field(target, text)
            }),
        }
    }

    fn store_field(&mut self, target: usize, text: &[u8]) -> Result<()> {
        let auto_increment = self
            .auto_increment
            .as_ref()
            .is_some_and(|auto| auto.column == target);
        let is_plain = !auto_increment && self.generated.is_empty();
        if is_plain && self.columns[target].append_plain(text) {
            return Ok(());
        }
        self.store(target, Datum::Text(text))
    }

    /// NULL in a file: for a NOT NULL column 1263 and its implicit value, or the statement's time.
    pub(crate) fn append_null_field(&mut self, position: usize) -> Result<()> {
        let target = self.targets[position];
        self.in_row(target, Datum::Null, |writer| {
            writer.store_null_field(target)
        })
    }

    fn store_null_field(&mut self, target: usize) -> Result<()> {
        self.check_given(target)?;
        let column = &mut self.columns[target];
        let auto_increment = self.auto_increment.as_ref();
        if column.nullable || auto_increment.is_some_and(|auto| auto.column == target) {
            return self.store(target, Datum::Null);
        }
        if let MysqlType::Timestamp { fsp } = column.mysql_type {
            column.append_now(fsp, &self.settings);
            return Ok(());
        }
        let error = SqlError::null_to_not_null(column.name(), self.diagnostics.row);
        self.diagnostics.raise(error)?;
        column.append_implicit()
    }

    /// A field that a line lacks: 1261, and the column's implicit value, unless its default is NULL.
    pub(crate) fn append_missing_field(&mut self, position: usize) -> Result<()> {
        self.warn_of_missing_field()?;
        let target = self.targets[position];
        self.in_row(target, Datum::Null, |writer| {
            writer.store_missing_field(target)
        })
    }

    fn store_missing_field(&mut self, target: usize) -> Result<()> {
        let column = &mut self.columns[target];
        match (&self.fills[target], &column.mysql_type) {
            (Fill::Null, _) => column.append_null(),
            (Fill::AutoIncrement, _) => return self.generate(),
            (Fill::Generated, _) => column.append_placeholder(),
            (_, MysqlType::Timestamp { fsp }) if !column.nullable => {
                column.append_now(*fsp, &self.settings);
            }
            _ => column.append_implicit()?,
        }
        Ok(())
    }

    pub(crate) fn warn_of_missing_field(&mut self) -> Result<()> {
        let error = SqlError::too_few_fields(self.diagnostics.row);
        let raised = self.diagnostics.raise(error);
        self.or_aside(raised)
    }

    /// 1262: the current line has more fields than were taken.
    pub(crate) fn warn_of_cut_line(&mut self) -> Result<()> {
        let error = SqlError::too_many_fields(self.diagnostics.row);
        let raised = self.diagnostics.raise(error);
        self.or_aside(raised)
    }
}
