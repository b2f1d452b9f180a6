//! Rows without codes, from memtables or columns that are stored otherwise, given codes as they come.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::{filter_record_batch, prep_null_mask_filter, take};
use arrow::datatypes::DataType;
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::request::{AggregateError, Condition};
use super::values::array_of;
use crate::scan::{CodedColumn, Meaning};
use crate::segment::distances;
use crate::{Error, Result};

/// A batch as columns of codes.
#[derive(Debug)]
pub(super) struct BatchSource {
    pub(super) rows: usize,
    columns: Vec<(usize, BatchColumn)>,
    cases: Vec<Vec<bool>>,
}

#[derive(Debug)]
pub(super) struct BatchColumn {
    pub(super) coded: CodedColumn,
    pub(super) codes: Vec<u64>,
    /// Of a dictionary of strings.
    pub(super) hashes: Vec<u64>,
    /// The strings of a dictionary; else nothing but the type counts.
    entries: ArrayRef,
}

/// What became of a batch.
pub(super) enum Encoded {
    Source(BatchSource),
    /// No row passes the conditions.
    Nothing,
    /// The values of a column, with NULL, take more than 64 bits: fewer rows may do.
    TooWide(RecordBatch),
}

/// Which columns a batch has, and what is asked of it.
pub(super) struct BatchShape<'a> {
    /// Positions in the table of the batch's columns.
    pub(super) columns: &'a [usize],
    /// Those that need codes.
    pub(super) coded: &'a [usize],
    pub(super) conditions: &'a [Condition],
    pub(super) cases: &'a [Condition],
    /// What hashes of strings start from.
    pub(super) seed: u64,
}

fn no_column() -> Error {
    Error::Invalid("no such column".into())
}

impl BatchShape<'_> {
    fn column<'b>(&self, batch: &'b RecordBatch, column: usize) -> Result<&'b ArrayRef> {
        let at = self.columns.iter().position(|&c| c == column);
        at.and_then(|at| batch.columns().get(at))
            .ok_or_else(no_column)
    }

    /// Which rows of a batch pass a condition; NULL is no.
    fn passing(
        &self,
        batch: &RecordBatch,
        condition: &Condition,
    ) -> Result<BooleanArray, AggregateError> {
        let values = self.column(batch, condition.column)?;
        let passes = condition
            .test
            .test(values)
            .map_err(AggregateError::Caller)?;
        if passes.len() != values.len() {
            return Err(Error::Invalid("a test with another number of answers".into()).into());
        }
        Ok(match passes.null_count() {
            0 => passes,
            _ => prep_null_mask_filter(&passes),
        })
    }

    /// The rows that pass all conditions.
    fn filtered(&self, batch: RecordBatch) -> Result<RecordBatch, AggregateError> {
        let mut batch = batch;
        for condition in self.conditions {
            let passing = self.passing(&batch, condition)?;
            match passing.true_count() {
                0 => return Ok(batch.slice(0, 0)),
                all if all == batch.num_rows() => {}
                _ => {
                    batch = filter_record_batch(&batch, &passing)
                        .map_err(|e| Error::Invalid(e.to_string()))?;
                }
            }
        }
        Ok(batch)
    }
}

impl BatchSource {
    /// The rows of a batch that pass the conditions.
    pub(super) fn encode(
        batch: RecordBatch,
        shape: &BatchShape<'_>,
    ) -> Result<Encoded, AggregateError> {
        let batch = shape.filtered(batch)?;
        if batch.num_rows() == 0 {
            return Ok(Encoded::Nothing);
        }
        let cases = shape.cases.iter().map(|case| {
            let passing = shape.passing(&batch, case)?;
            Ok::<_, AggregateError>(passing.values().iter().collect())
        });
        let cases = cases.collect::<Result<_, _>>()?;
        let mut columns = Vec::with_capacity(shape.coded.len());
        for &column in shape.coded {
            let values = shape.column(&batch, column)?;
            let Some(encoded) = BatchColumn::new(values, shape.seed)? else {
                return Ok(Encoded::TooWide(batch));
            };
            columns.push((column, encoded));
        }
        Ok(Encoded::Source(Self {
            rows: batch.num_rows(),
            columns,
            cases,
        }))
    }

    pub(super) fn column(&self, column: usize) -> Result<&BatchColumn> {
        let mut columns = self.columns.iter();
        let found = columns.find(|(c, _)| *c == column);
        found.map(|(_, column)| column).ok_or_else(no_column)
    }

    pub(super) fn forget_codes(&mut self) {
        self.cases = Vec::new();
        for (_, column) in &mut self.columns {
            column.codes = Vec::new();
        }
    }

    pub(super) fn case(&self, case: usize) -> Result<&[bool]> {
        let rows = self.cases.get(case).map(Vec::as_slice);
        rows.ok_or_else(|| Error::Invalid("no such case".into()))
    }
}

impl BatchColumn {
    /// `values` has at least one row. `None` when its integers, with NULL, take more than 64 bits.
    fn new(values: &ArrayRef, seed: u64) -> Result<Option<Self>> {
        if values.null_count() == values.len() {
            let (coded, codes) = (coded(Meaning::Constant, true, 0), vec![0; values.len()]);
            return Ok(Some(Self::of(coded, codes, values.slice(0, 1))));
        }
        if matches!(
            values.data_type(),
            DataType::Utf8View | DataType::BinaryView
        ) {
            return Self::of_strings(values, seed).map(Some);
        }
        let null_code = values.null_count() > 0;
        // An array may have room for NULLs and none of them.
        let nulls = values.nulls().filter(|_| null_code);
        let Some(frame) = distances(values).and_then(|d| d.into_codes(nulls)) else {
            return Ok(None);
        };
        let origin = frame.base - i128::from(frame.scale) * i128::from(null_code);
        let step = frame.scale;
        let high = frame.codes.iter().copied().max().unwrap_or(0);
        let coded = coded(Meaning::Steps { origin, step }, null_code, high);
        Ok(Some(Self::of(coded, frame.codes, values.slice(0, 0))))
    }

    fn of(coded: CodedColumn, codes: Vec<u64>, entries: ArrayRef) -> Self {
        Self {
            coded,
            codes,
            hashes: Vec::new(),
            entries,
        }
    }

    fn of_strings(values: &ArrayRef, seed: u64) -> Result<Self> {
        let rows: Vec<Option<&[u8]>> = match values.data_type() {
            DataType::Utf8View => {
                let strings = values.as_string_view().iter();
                strings.map(|v| v.map(str::as_bytes)).collect()
            }
            _ => values.as_binary_view().iter().collect(),
        };
        let null_code = values.null_count() > 0;
        let mut seen: HashTable<u32> = HashTable::new();
        let (mut firsts, mut hashes): (Vec<u32>, Vec<u64>) = (Vec::new(), Vec::new());
        let value_of = |entry: u32, firsts: &[u32]| {
            let row = firsts.get(entry as usize).copied().unwrap_or(0);
            rows.get(row as usize).copied().flatten()
        };
        let mut codes = Vec::with_capacity(rows.len());
        for (number, row) in rows.iter().enumerate() {
            let Some(value) = *row else {
                codes.push(0);
                continue;
            };
            let hash = xxh3_64_with_seed(value, seed);
            let same = |&entry: &u32| value_of(entry, &firsts) == Some(value);
            let entry = match seen.find(hash, same) {
                Some(&entry) => entry,
                None => {
                    let entry = firsts.len() as u32;
                    firsts.push(number as u32);
                    hashes.push(hash);
                    let hash_of = |&entry: &u32| hashes.get(entry as usize).copied().unwrap_or(0);
                    seen.insert_unique(hash, entry, hash_of);
                    entry
                }
            };
            codes.push(u64::from(entry) + u64::from(null_code));
        }
        let high = firsts.len() as u64 - 1 + u64::from(null_code);
        let entries = taken(values, &UInt32Array::from(firsts))?;
        let coded = coded(Meaning::String, null_code, high);
        Ok(Self {
            hashes,
            ..Self::of(coded, codes, entries)
        })
    }

    /// What codes stand for.
    pub(super) fn values(&self, codes: &[u64]) -> Result<ArrayRef> {
        let null = u64::from(self.coded.null_code);
        let entry = |&code: &u64| code.checked_sub(null);
        match self.coded.meaning {
            Meaning::String => {
                let entries: UInt64Array = codes.iter().map(entry).collect();
                taken(&self.entries, &entries)
            }
            Meaning::Constant => {
                let zeros = UInt64Array::from(vec![0; codes.len()]);
                taken(&self.entries, &zeros)
            }
            Meaning::Number => Err(Error::Invalid("batches have no such columns".into())),
            Meaning::Steps { origin, step } => {
                let value =
                    |code: &u64| entry(code).map(|_| origin + i128::from(*code) * i128::from(step));
                let values: Vec<_> = codes.iter().map(value).collect();
                array_of(self.entries.data_type(), &values)
            }
        }
    }
}

fn coded(meaning: Meaning, null_code: bool, high: u64) -> CodedColumn {
    CodedColumn {
        meaning,
        null_code,
        high,
    }
}

fn taken(values: &ArrayRef, rows: &dyn Array) -> Result<ArrayRef> {
    take(values, rows, None).map_err(|e| Error::Invalid(e.to_string()))
}
