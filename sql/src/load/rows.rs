//! Lines of a file on their way into the table's columns.
//!
//! Fields that go into columns are coerced where they stand in the file. Where user variables or SET
//! are used, lines are gathered first and their expressions computed for many at once.

use arrow::array::RecordBatch;

use super::expressions::{Evaluate, Expressions, Gathered};
use super::field::{Field, decode, in_utf8};
use super::lines::{Line, Lines, Span};
use super::statement::{FileCharset, LoadStatement, Target};
use crate::error::{Result, SqlError, Warning};
use crate::insert::{InvalidRow, Reserve, RowWriter, Scalar, Settings};
use crate::types::{MysqlType, TableDefinition, same_name};

/// Lines of a batch, and bytes of the file.
const BATCH_ROWS: u64 = 32_768;
const BATCH_BYTES: usize = 16 << 20;

/// Where the fields of a line go.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Position among the writer's values; `None`: into a user variable.
    value: Option<usize>,
    /// Bytes are taken as they are, whatever the file's character set.
    is_binary: bool,
}

/// Reads lines into record batches.
#[derive(Debug)]
pub(crate) struct LoadWriter {
    lines: Lines,
    charset: FileCharset,
    slots: Vec<Slot>,
    /// Names of the user variables, by slot.
    variables: Vec<Option<String>>,
    writer: RowWriter,
    expressions: Option<Gathered>,
    skip_lines: u64,
    to_skip: u64,
    /// Lines read since the last batch, and bytes.
    rows: u64,
    bytes: usize,
    /// Lines read.
    records: u64,
    spans: Vec<Span>,
    scratch: [Vec<u8>; 2],
    /// What the variables were in the last line.
    last: Vec<Option<Vec<u8>>>,
}

/// How far `push` came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More of the file is needed.
    Hungry,
    /// As many lines are there as should be taken as a batch.
    Full,
    /// The file is at its end.
    Ended,
}

impl LoadWriter {
    /// 1054 and 1110 for columns that are not there or named twice; 1364 in strict mode.
    pub(crate) fn new(
        load: &LoadStatement,
        table: &TableDefinition,
        settings: Settings,
    ) -> Result<Self> {
        let targets = load.targets.clone().unwrap_or_else(|| all_columns(table));
        let assigned: Vec<&String> = load.assignments.iter().map(|(column, _)| column).collect();
        // A field whose column SET assigns is for its expressions alone.
        let is_value = |target: &Target| match target {
            Target::Column(column) => !assigned.iter().any(|a| same_name(a, column)),
            Target::Variable(_) => false,
        };
        let mut columns = Vec::new();
        let mut slots = Vec::with_capacity(targets.len());
        for target in &targets {
            let value = is_value(target).then_some(columns.len());
            if let (Target::Column(column), Some(_)) = (target, value) {
                columns.push(column.clone());
            }
            let is_binary = is_binary(table, target)?;
            slots.push(Slot { value, is_binary });
        }
        columns.extend(assigned.into_iter().cloned());
        let expressions = Expressions::new(load, &targets, table)?;
        let positions: Vec<Option<usize>> = slots.iter().map(|slot| slot.value).collect();
        let expressions = expressions.map(|e| Gathered::new(e, positions, settings));
        Ok(Self {
            lines: Lines::new(load.format.clone()),
            charset: load.charset,
            variables: targets.iter().map(variable).collect(),
            last: vec![None; targets.len()],
            slots,
            writer: RowWriter::new(table, Some(&columns), settings)?,
            expressions,
            skip_lines: load.skip_lines,
            to_skip: load.skip_lines,
            rows: 0,
            bytes: 0,
            records: 0,
            spans: Vec::new(),
            scratch: [Vec::new(), Vec::new()],
        })
    }

    /// Whether a line is its fields and nothing else: no numbers are made for it, nothing is computed or kept
    /// of it.
    pub(crate) fn is_plain(&self) -> bool {
        let in_columns = self.slots.iter().all(|slot| slot.value.is_some());
        in_columns && self.expressions.is_none() && !self.writer.makes_numbers()
    }

    /// The lines that come are not the first: so many were before them.
    pub(crate) fn begin_at(&mut self, row: u64) {
        self.to_skip = 0;
        self.writer.begin_at(row);
    }

    /// Leaves out the lines that the statement does not want; how many bytes of them, and whether that is all.
    pub(crate) fn skip(&mut self, window: (&[u8], bool)) -> (usize, bool) {
        let mut at = 0;
        while self.to_skip > 0 {
            match self.lines.skip(window, at) {
                Some(next) => at = next,
                None => return (at, false),
            }
            self.to_skip -= 1;
        }
        (at, true)
    }

    /// Another file: its first lines are left out, too.
    pub(crate) fn begin_file(&mut self) {
        self.to_skip = self.skip_lines;
    }

    /// Takes a row of values for the columns, which are not of a line; a column without a value gets its default.
    pub(crate) fn typed_row(&mut self, row: &[Option<Scalar>]) -> Result<Progress> {
        for (position, value) in row.iter().enumerate() {
            match value {
                Some(value) => self.writer.append(position, value.datum())?,
                None => self.writer.append_default(position)?,
            }
        }
        self.writer.finish_row()?;
        self.rows += 1;
        self.records += 1;
        self.bytes += row.iter().map(text_bytes).sum::<usize>();
        Ok(match self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            true => Progress::Full,
            false => Progress::Hungry,
        })
    }

    /// Takes lines; how many bytes of them, and why it stopped.
    pub(crate) fn push(&mut self, window: (&[u8], bool)) -> Result<(usize, Progress)> {
        let mut at = 0;
        if !self.lines.format().line_end.is_empty() {
            let (skipped, is_done) = self.skip(window);
            if !is_done {
                return Ok((skipped, Progress::Hungry));
            }
            at = skipped;
        }
        loop {
            if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
                return Ok((at, Progress::Full));
            }
            let width = self.slots.len();
            match self.lines.read(window, at, width, &mut self.spans) {
                Line::More => return Ok((at, Progress::Hungry)),
                Line::End => return Ok((window.0.len(), Progress::Ended)),
                Line::Fields { next, .. } if self.to_skip > 0 => {
                    self.to_skip -= 1;
                    at = next;
                }
                Line::Fields { next, cut } => {
                    self.line(window.0, (at, next), cut)?;
                    self.rows += 1;
                    self.records += 1;
                    self.bytes += next - at;
                    at = next;
                }
            }
        }
    }

    fn line(&mut self, text: &[u8], (at, next): (usize, usize), cut: bool) -> Result<()> {
        if let Some(gathered) = &mut self.expressions {
            gathered.begin_line(self.spans.len(), cut);
        }
        for slot in 0..self.slots.len() {
            self.field(text, slot)?;
        }
        if self.expressions.is_none() {
            let line = text.get(at..next).unwrap_or_default();
            let end = &self.lines.format().line_end;
            self.writer
                .note_text(line.strip_suffix(end.as_slice()).unwrap_or(line));
            end_line(&mut self.writer, cut)?;
        }
        Ok(())
    }

    fn field(&mut self, text: &[u8], at: usize) -> Result<()> {
        let Some(slot) = self.slots.get(at).copied() else {
            return Ok(());
        };
        let Some(span) = self.spans.get(at).copied() else {
            return self.missing(at, slot);
        };
        let [scratch, converted] = &mut self.scratch;
        let value = match decode(self.lines.format(), text, span, scratch) {
            Field::Null => None,
            Field::Text(text) if slot.is_binary => Some(text),
            Field::Text(text) => Some(in_utf8(self.charset, text, converted)),
        };
        if let Some(gathered) = &mut self.expressions {
            gathered.push(at, value);
        }
        match (slot.value, value) {
            (None, value) => {
                if let Some(last) = self.last.get_mut(at) {
                    keep(last, value);
                }
                Ok(())
            }
            _ if self.expressions.is_some() => Ok(()),
            (Some(position), Some(text)) => self.writer.append_field(position, text),
            (Some(position), None) => self.writer.append_null_field(position),
        }
    }

    fn missing(&mut self, at: usize, slot: Slot) -> Result<()> {
        if let Some(gathered) = &mut self.expressions {
            gathered.push(at, None);
        }
        match slot.value {
            Some(position) if self.expressions.is_none() => {
                self.writer.append_missing_field(position)
            }
            _ => {
                if let Some(last) = self.last.get_mut(at) {
                    *last = None;
                }
                Ok(())
            }
        }
    }

    /// Rows read and not yet taken.
    pub(crate) fn pending(&self) -> u64 {
        self.rows
    }

    /// Lines read in all.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// The rows read since the last call, and the first AUTO_INCREMENT value made for them.
    pub(crate) fn take_batch(
        &mut self,
        evaluate: Evaluate<'_>,
        reserve: Reserve<'_>,
    ) -> Result<(RecordBatch, Option<u64>)> {
        (self.rows, self.bytes) = (0, 0);
        if let Some(gathered) = &mut self.expressions {
            gathered.write(&mut self.writer, evaluate)?;
        }
        self.writer.take_batch(reserve)
    }

    /// The rows of the last batch that were set aside, and the texts of the others.
    pub(crate) fn take_invalid(&mut self) -> (Vec<InvalidRow>, Vec<Vec<u8>>) {
        self.writer.take_invalid()
    }

    /// The warnings kept so far, and how many there were.
    pub(crate) fn take_warnings(&mut self) -> (Vec<Warning>, u64) {
        self.writer.take_warnings()
    }

    /// The user variables as the last line left them.
    pub(crate) fn variables(&self) -> Vec<(String, Option<Vec<u8>>)> {
        if self.records == 0 {
            return Vec::new();
        }
        let named = self.variables.iter().zip(&self.last);
        let named = named.filter_map(|(name, last)| Some((name.clone()?, last.clone())));
        named.collect()
    }
}

/// 1262 for a line that goes on behind its last field.
pub(super) fn end_line(writer: &mut RowWriter, cut: bool) -> Result<()> {
    if cut {
        writer.warn_of_cut_line()?;
    }
    writer.finish_row()
}

fn text_bytes(value: &Option<Scalar>) -> usize {
    match value {
        Some(Scalar::Text(text) | Scalar::Decimal(text)) => text.len(),
        Some(Scalar::Bytes(bytes)) => bytes.len(),
        _ => 8,
    }
}

fn keep(place: &mut Option<Vec<u8>>, value: Option<&[u8]>) {
    match (place, value) {
        (Some(kept), Some(value)) => {
            kept.clear();
            kept.extend_from_slice(value);
        }
        (place, value) => *place = value.map(<[u8]>::to_vec),
    }
}

fn all_columns(table: &TableDefinition) -> Vec<Target> {
    let columns = table.meta.spec.columns.iter();
    columns.map(|c| Target::Column(c.name.clone())).collect()
}

fn variable(target: &Target) -> Option<String> {
    match target {
        Target::Column(_) => None,
        Target::Variable(name) => Some(name.clone()),
    }
}

fn is_binary(table: &TableDefinition, target: &Target) -> Result<bool> {
    let Target::Column(column) = target else {
        return Ok(false);
    };
    let unknown = || SqlError::unknown_column(column, "field list");
    let position = table.position(column).ok_or_else(unknown)?;
    let attributes = table.columns.get(position).ok_or_else(unknown)?;
    let binary = |t: &MysqlType| {
        matches!(
            t,
            MysqlType::Binary { .. } | MysqlType::VarBinary { .. } | MysqlType::Blob { .. }
        )
    };
    Ok(binary(&attributes.mysql_type))
}
