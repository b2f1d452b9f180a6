//! Rows on their way into a table: values in the statement's order become columns in the table's.
//!
//! Shared by literal INSERT, prepared INSERT and anything else that brings rows (INSERT .. SELECT,
//! LOAD DATA): they differ in where values come from, not in what happens to them.

mod fields;
mod fill;

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter;

use super::auto_increment::{self, AutoIncrement};
use super::column::{ColumnWriter, Surroundings};
use super::invalid::{Invalid, is_of_row};
use super::{Datum, Diagnostics, InvalidRow, Scalar, Settings};
use crate::error::{Result, SqlError, Warning};
use crate::types::{MysqlType, TableDefinition};
use fill::{Fill, takes_first};

/// What an INSERT came to; to be committed by the caller.
#[derive(Debug)]
pub struct InsertBatch {
    /// In the table's exact Arrow schema, rows in the statement's order.
    pub batch: RecordBatch,
    /// At most 1,024 of `warning_count`.
    pub warnings: Vec<Warning>,
    pub warning_count: u64,
    /// First generated AUTO_INCREMENT value, for LAST_INSERT_ID().
    pub first_insert_id: Option<u64>,
    /// Rows set aside; there is a warning for each.
    pub invalid: Vec<InvalidRow>,
    /// The texts of the rows in `batch`, where they had some and are asked for if they turn out invalid.
    pub texts: Vec<Vec<u8>>,
}

impl InsertBatch {
    /// No rows, of no table.
    pub fn nothing() -> Self {
        Self {
            batch: RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty())),
            warnings: Vec::new(),
            warning_count: 0,
            first_insert_id: None,
            invalid: Vec::new(),
            texts: Vec::new(),
        }
    }
}

/// Takes the next `count` AUTO_INCREMENT values of the table and returns the first.
pub type Reserve<'a> = &'a mut dyn FnMut(u64) -> Result<u64>;

/// Rows that room is made for when their number is not known.
const MANY: usize = 1024;

/// Collects rows.
#[derive(Debug)]
pub struct RowWriter {
    settings: Settings,
    columns: Vec<ColumnWriter>,
    fills: Vec<Fill>,
    /// Table position of each value of a row.
    targets: Vec<usize>,
    /// Table positions without a value.
    others: Vec<usize>,
    auto_increment: Option<AutoIncrement>,
    /// Table positions of columns that take no value but DEFAULT.
    generated: Vec<usize>,
    diagnostics: Diagnostics,
    schema: arrow::datatypes::SchemaRef,
    /// Where rows that cannot be stored are set aside.
    invalid: Option<Invalid>,
    /// Rows of the batch so far; of the batches before.
    rows: u64,
    rows_before: u64,
    /// More than one row follows: a NULL for NOT NULL is then no error in lenient modes.
    multi_row: bool,
}

impl RowWriter {
    /// `columns`: those the statement names (in any case), or `None` for all in the table's order.
    /// 1054, 1110 and, in strict mode, 1364 for a column left out that has no default.
    pub fn new(
        table: &TableDefinition,
        columns: Option<&[String]>,
        settings: Settings,
    ) -> Result<Self> {
        Self::for_rows(table, columns, settings, MANY)
    }

    /// The same for about so many rows: what is set aside for many costs a single one dearly.
    pub fn for_rows(
        table: &TableDefinition,
        columns: Option<&[String]>,
        settings: Settings,
        rows: usize,
    ) -> Result<Self> {
        let spec = &table.meta.spec;
        let targets = match columns {
            None => (0..spec.columns.len()).collect(),
            Some(names) => resolve(table, names)?,
        };
        let mut named = vec![false; spec.columns.len()];
        for target in &targets {
            named[*target] = true;
        }
        let others = (0..spec.columns.len())
            .filter(|position| !named[*position])
            .collect();
        let mut writers = Vec::with_capacity(spec.columns.len());
        let mut fills = Vec::with_capacity(spec.columns.len());
        for (at, (column, attributes)) in spec.columns.iter().zip(&table.columns).enumerate() {
            writers.push(ColumnWriter::of_table(table, at, rows)?);
            fills.push(Fill::of(attributes, column.nullable, settings.time_zone));
        }
        let mut writer = Self {
            diagnostics: Diagnostics::new(settings.mode),
            settings,
            columns: writers,
            fills,
            targets,
            others,
            auto_increment: auto_increment_of(table),
            generated: (0..spec.columns.len())
                .filter(|at| table.is_generated(*at))
                .collect(),
            schema: Arc::clone(&table.meta.arrow),
            invalid: None,
            rows: 0,
            rows_before: 0,
            multi_row: true,
        };
        if table.attributes.on_invalid.is_some() {
            writer.set_invalid_aside(table.keeps_texts());
        }
        match writer.check_others() {
            Ok(()) => {}
            Err(error) => match &mut writer.invalid {
                Some(invalid) => invalid.fail_all(error),
                None => return Err(error),
            },
        }
        Ok(writer)
    }

    /// From now on rows that cannot be stored do not end the statement. `keeps_texts`: what
    /// `note_text` is given goes with them.
    pub(crate) fn set_invalid_aside(&mut self, keeps_texts: bool) {
        self.invalid = Some(Invalid::new(self.columns.len(), keeps_texts));
    }

    /// Whatever the table says, no row is set aside.
    pub(crate) fn take_all(&mut self) {
        self.invalid = None;
    }

    /// For the columns at these table positions alone, as UPDATE needs it; to be ended with
    /// `finish_columns`.
    pub fn for_columns(
        table: &TableDefinition,
        columns: &[usize],
        settings: Settings,
    ) -> Result<Self> {
        Self::for_columns_of(table, columns, settings, MANY)
    }

    /// The same for values that generated columns get, of about so many rows.
    pub(crate) fn for_generated(
        table: &TableDefinition,
        columns: &[usize],
        settings: Settings,
        rows: usize,
    ) -> Result<Self> {
        Self::for_columns_of(table, columns, settings, rows.clamp(1, MANY))
    }

    fn for_columns_of(
        table: &TableDefinition,
        columns: &[usize],
        settings: Settings,
        rows: usize,
    ) -> Result<Self> {
        let mut writer = Self::for_rows(table, None, settings, rows)?;
        writer.targets = columns.to_vec();
        writer.others = Vec::new();
        writer.auto_increment = None;
        writer.generated = Vec::new();
        writer.invalid = None;
        Ok(writer)
    }

    /// Whether rows may get numbers of an AUTO_INCREMENT column.
    pub(crate) fn makes_numbers(&self) -> bool {
        self.auto_increment.is_some()
    }

    /// The next row is not the statement's first: so many were before it.
    pub(crate) fn begin_at(&mut self, rows: u64) {
        self.rows_before = rows;
        self.diagnostics.row = rows + 1;
    }

    /// Values per row.
    pub fn width(&self) -> usize {
        self.targets.len()
    }

    pub(super) fn has_warnings(&self) -> bool {
        self.diagnostics.count() > 0
    }

    /// The statement has this one row only.
    pub fn single_row(&mut self) {
        self.multi_row = false;
    }

    fn check_others(&mut self) -> Result<()> {
        for position in &self.others {
            let column = &self.columns[*position];
            if matches!(self.fills[*position], Fill::Missing) && !takes_first(column) {
                self.diagnostics
                    .raise(SqlError::no_default_value(column.name()))?;
            }
        }
        Ok(())
    }

    /// One whole row.
    pub fn append_row(&mut self, values: &[Scalar]) -> Result<()> {
        for (position, value) in values.iter().enumerate() {
            self.append(position, value.datum())?;
        }
        self.finish_row()
    }

    /// The `position`-th value of the current row; values must come in order.
    pub(crate) fn append(&mut self, position: usize, datum: Datum<'_>) -> Result<()> {
        let target = self.targets[position];
        match self.invalid {
            None => self.store(target, datum),
            Some(_) => self.in_row(target, datum, |writer| writer.store(target, datum)),
        }
    }

    /// Stores a value, or, where rows are set aside, decides so of the current one.
    fn in_row(
        &mut self,
        target: usize,
        given: Datum<'_>,
        store: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let Some(invalid) = &mut self.invalid else {
            return store(self);
        };
        invalid.note(target, given);
        if !invalid.row_failed() {
            let stored = store(self);
            if stored.is_ok() {
                return stored;
            }
            self.or_aside(stored)?;
        }
        // Its place is held until the batch ends without the row.
        let column = &mut self.columns[target];
        if column.len() as u64 == self.rows {
            column.append_null();
        }
        Ok(())
    }

    /// An error of the current row's values, where rows are set aside, is the row's alone.
    fn or_aside(&mut self, result: Result<()>) -> Result<()> {
        match (result, &mut self.invalid) {
            (Err(error), Some(invalid)) if is_of_row(&error) => {
                invalid.fail(error);
                Ok(())
            }
            (result, _) => result,
        }
    }

    /// The current row cannot be stored. Only where rows are set aside.
    pub(crate) fn fail_row(&mut self, error: SqlError) {
        if let Some(invalid) = &mut self.invalid {
            invalid.fail(error);
        }
    }

    /// How many rows of the batch are set aside so far.
    pub(crate) fn set_aside(&self) -> usize {
        self.invalid.as_ref().map_or(0, |i| i.failed().len())
    }

    /// The text of the current row, before it is finished.
    pub(crate) fn note_text(&mut self, text: &[u8]) {
        if let Some(invalid) = &mut self.invalid {
            invalid.note_text(text);
        }
    }

    /// 3105
    fn check_given(&self, target: usize) -> Result<()> {
        match self.columns.get(target) {
            Some(column) if self.generated.contains(&target) => Err(SqlError::value_for_generated(
                column.name(),
                column.table_name(),
            )),
            _ => Ok(()),
        }
    }

    fn store(&mut self, target: usize, datum: Datum<'_>) -> Result<()> {
        if !self.generated.is_empty() {
            self.check_given(target)?;
        }
        let auto_increment = self
            .auto_increment
            .as_ref()
            .is_some_and(|auto| auto.column == target);
        if let Datum::Null = datum {
            return if auto_increment {
                self.generate()
            } else {
                self.append_null(target)
            };
        }
        let column = &mut self.columns[target];
        if !column.append_plain_datum(datum) {
            let diagnostics = &mut self.diagnostics;
            column.append(
                datum,
                &mut Surroundings {
                    settings: &self.settings,
                    diagnostics,
                },
            )?;
        }
        if auto_increment && column.ends_in_zero() && !self.settings.mode.no_auto_value_on_zero {
            self.number_row();
        }
        Ok(())
    }

    fn append_null(&mut self, target: usize) -> Result<()> {
        let column = &mut self.columns[target];
        if column.nullable {
            column.append_null();
            return Ok(());
        }
        let error = SqlError::cannot_be_null(column.name());
        // A single row with NULL is an error in every mode but IGNORE.
        if !self.multi_row && !self.settings.mode.ignore {
            return Err(error);
        }
        self.diagnostics.raise(error)?;
        column.append_implicit()
    }

    /// An AUTO_INCREMENT value for this row; 0 holds its place until `finish`.
    fn generate(&mut self) -> Result<()> {
        self.number_row();
        if let Some(auto) = &self.auto_increment {
            self.columns[auto.column].append_integer(0);
        }
        Ok(())
    }

    fn number_row(&mut self) {
        if let Some(auto) = &mut self.auto_increment {
            auto.generate_at(self.rows as usize);
        }
    }

    /// Fills the columns that have no value in the statement.
    pub(crate) fn finish_row(&mut self) -> Result<()> {
        for position in 0..self.others.len() {
            let target = self.others[position];
            self.in_row(target, Datum::Null, |writer| {
                writer.append_fill(target, target, false)
            })?;
        }
        let numbers = (self.rows as usize, self.rows_before + self.rows);
        if let Some(invalid) = &mut self.invalid
            && let Some(error) = invalid.end_row(numbers)
        {
            self.diagnostics.push(error.into());
        }
        self.rows += 1;
        self.diagnostics.row += 1;
        Ok(())
    }

    /// The statement's time as the `position`-th value: ON UPDATE CURRENT_TIMESTAMP.
    pub(crate) fn append_time_of_change(&mut self, position: usize) {
        let column = &mut self.columns[self.targets[position]];
        column.append_now(column.mysql_type.fraction().unwrap_or(0), &self.settings);
    }

    /// The columns of `for_columns`, in that order, the warnings and their number.
    pub fn finish_columns(mut self) -> Result<(Vec<ArrayRef>, Vec<Warning>, u64)> {
        let columns = self.targets.iter().map(|t| self.columns[*t].finish());
        let columns = columns.collect();
        let (warnings, count) = self.diagnostics.finish();
        Ok((columns, warnings, count))
    }

    /// Generates AUTO_INCREMENT values and closes the batch.
    pub fn finish(mut self, reserve: Reserve<'_>) -> Result<InsertBatch> {
        let (batch, first_insert_id) = self.take_batch(reserve)?;
        let (invalid, texts) = self.take_invalid();
        let (warnings, warning_count) = self.diagnostics.finish();
        Ok(InsertBatch {
            batch,
            warnings,
            warning_count,
            first_insert_id,
            invalid,
            texts,
        })
    }

    /// The warnings kept so far, and how many there were.
    pub(crate) fn take_warnings(&mut self) -> (Vec<Warning>, u64) {
        let fresh = Diagnostics::new(self.settings.mode);
        std::mem::replace(&mut self.diagnostics, fresh).finish()
    }

    /// The rows of the last batch that were set aside, and the texts of those that were not.
    pub(crate) fn take_invalid(&mut self) -> (Vec<InvalidRow>, Vec<Vec<u8>>) {
        let invalid = self.invalid.as_mut();
        invalid.map(Invalid::take).unwrap_or_default()
    }

    /// Leaves the rows out of a batch that were set aside; how many stay.
    fn leave_out(&mut self, arrays: &mut [ArrayRef]) -> Result<u64> {
        let failed = self.invalid.as_ref().map_or(&[][..], Invalid::failed);
        let rows = std::mem::take(&mut self.rows);
        self.rows_before += rows;
        if failed.is_empty() {
            return Ok(rows);
        }
        let mut keep = vec![true; rows as usize];
        for row in failed {
            keep[*row] = false;
        }
        let keep = BooleanArray::from(keep);
        for array in arrays {
            *array = filter(array, &keep)
                .map_err(|error| SqlError::internal(format!("Internal error: {error}")))?;
        }
        if let Some(auto) = &mut self.auto_increment {
            auto.leave_out(failed);
        }
        Ok(rows - failed.len() as u64)
    }

    /// The rows since the last batch, and the first AUTO_INCREMENT value made for them.
    pub(crate) fn take_batch(
        &mut self,
        reserve: Reserve<'_>,
    ) -> Result<(RecordBatch, Option<u64>)> {
        debug_assert!(
            self.columns
                .iter()
                .all(|column| column.len() as u64 == self.rows)
        );
        let mut arrays: Vec<ArrayRef> = self.columns.iter_mut().map(ColumnWriter::finish).collect();
        let rows = self.leave_out(&mut arrays)?;
        let mut first_insert_id = None;
        if let Some(auto) = &mut self.auto_increment
            && let Some(array) = arrays.get_mut(auto.column)
        {
            let (filled, first) = auto_increment::fill(auto, array, reserve)?;
            (*array, first_insert_id) = (filled, first);
            auto.begin_batch();
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows as usize));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| SqlError::internal(format!("Internal error: {error}")))?;
        Ok((batch, first_insert_id))
    }
}

fn resolve(table: &TableDefinition, names: &[String]) -> Result<Vec<usize>> {
    let mut targets = Vec::with_capacity(names.len());
    let mut named = vec![false; table.columns.len()];
    for name in names {
        let position = table
            .position(name)
            .ok_or_else(|| SqlError::unknown_column(name, "field list"))?;
        if std::mem::replace(&mut named[position], true) {
            return Err(SqlError::column_specified_twice(name));
        }
        targets.push(position);
    }
    Ok(targets)
}

fn auto_increment_of(table: &TableDefinition) -> Option<AutoIncrement> {
    let column = table.meta.spec.auto_increment?;
    match table.columns.get(column)?.mysql_type {
        MysqlType::Int {
            width, unsigned, ..
        } => {
            let name = table.meta.spec.columns.get(column)?.name.clone();
            Some(AutoIncrement::new(column, name, width.range(unsigned).1))
        }
        _ => None,
    }
}
