//! CHECK constraints: the rows of a batch that violate one, for every way rows come in or change.
//!
//! A constraint holds unless it is false; NULL passes. What a definition may say is `rules`' part.

mod rules;
mod stored;

pub(crate) use rules::{CheckDefinition, Column, named_checks, unique_check_names, verify};
pub(crate) use stored::{Survey, enforces_more};

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use datafusion::execution::session_state::SessionState;

use crate::computed::{self, Compiled};
use crate::error::{Result, SqlError};
use crate::select::planner::View;
use crate::types::{TableDefinition, TimeZone};

/// The enforced constraints of one table, compiled for one time zone.
#[derive(Debug)]
pub(crate) struct Checks {
    names: Vec<String>,
    compiled: Compiled,
}

/// A row that violates a constraint: its number in the batch, and that of the first such constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) row: usize,
    check: usize,
}

impl Checks {
    /// `None`: nothing is enforced. On a planning thread.
    pub(crate) fn compile(
        table: &TableDefinition,
        zone: TimeZone,
        with: (&View, &SessionState),
    ) -> Result<Option<Self>> {
        let enforced = table.attributes.checks.iter().filter(|c| c.enforced);
        let (mut names, mut expressions) = (Vec::new(), Vec::new());
        for check in enforced {
            names.push(check.name.clone());
            expressions.push(computed::parse(&check.clause)?);
        }
        if names.is_empty() {
            return Ok(None);
        }
        let compiled = Compiled::new(table, expressions, zone, with)?;
        Ok(Some(Self { names, compiled }))
    }

    /// The rows that violate a constraint, ascending.
    pub(crate) fn violations(&self, rows: &RecordBatch) -> Result<Vec<Violation>> {
        let mut first: Vec<Option<usize>> = Vec::new();
        for (check, values) in self.compiled.evaluate(rows)?.iter().enumerate() {
            let failed = |e: arrow::error::ArrowError| SqlError::internal(e.to_string());
            // An integer is true unless it is 0.
            let truth = cast(values, &DataType::Boolean).map_err(failed)?;
            let truth: &BooleanArray = truth.as_boolean();
            if truth.iter().all(|value| value != Some(false)) {
                continue;
            }
            first.resize(rows.num_rows(), None);
            for (slot, value) in first.iter_mut().zip(truth) {
                if value == Some(false) {
                    slot.get_or_insert(check);
                }
            }
        }
        let violation = |(row, check): (usize, Option<usize>)| {
            let check = check?;
            Some(Violation { row, check })
        };
        Ok(first
            .into_iter()
            .enumerate()
            .filter_map(violation)
            .collect())
    }

    /// 3819
    pub(crate) fn error(&self, violation: Violation) -> SqlError {
        let name = self.names.get(violation.check).map_or("", String::as_str);
        SqlError::check_violated(name)
    }

    /// Ends a statement whose rows violate a constraint.
    pub(crate) fn require(&self, rows: &RecordBatch) -> Result<()> {
        match self.violations(rows)?.first() {
            Some(violation) => Err(self.error(*violation)),
            None => Ok(()),
        }
    }
}

/// The rows but for those with some numbers.
pub(crate) fn without(rows: &RecordBatch, left_out: &[usize]) -> Result<RecordBatch> {
    let mut keep = vec![true; rows.num_rows()];
    for row in left_out {
        if let Some(keep) = keep.get_mut(*row) {
            *keep = false;
        }
    }
    filter_record_batch(rows, &keep.into()).map_err(|e| SqlError::internal(e.to_string()))
}
