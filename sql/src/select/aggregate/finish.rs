//! From storage's numbers to the columns of the operator.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::error::{DataFusionError, Result};
use storno_storage::{Groups, MeasureValues};

use super::shape::{Output, Summed};
use crate::functions::aggregates::Exact;
use crate::functions::failure::internal;

/// The column of an aggregate.
pub(super) fn column_of(output: &Output, groups: &Groups, field: &Field) -> Result<ArrayRef> {
    let array: ArrayRef = match output {
        Output::Count(measure) => {
            let counts = counts(groups, *measure)?.iter().map(|count| *count as i64);
            Arc::new(Int64Array::from_iter_values(counts))
        }
        Output::Sum { measure, of } => {
            let MeasureValues::Sums { sums, counts } = measure_of(groups, *measure)? else {
                return Err(internal("a sum that is none"));
            };
            let sums = sums.iter().copied().zip(counts.iter().copied());
            summed(sums, of, groups, field)?
        }
        Output::Constant { rows, factor, of } => {
            let rows = counts(groups, *rows)?.iter();
            let sums = rows.map(|count| (i128::from(*count) * factor, *count));
            summed(sums, of, groups, field)?
        }
        Output::Extreme(measure) => {
            let MeasureValues::Extremes(values) = measure_of(groups, *measure)? else {
                return Err(internal("an extreme that is none"));
            };
            storno_storage::integer_array(field.data_type(), values)
                .map_err(|e| DataFusionError::External(Box::new(e)))?
        }
    };
    match array.data_type() == field.data_type() {
        true => Ok(array),
        false => Ok(cast(&array, field.data_type())?),
    }
}

fn measure_of(groups: &Groups, measure: usize) -> Result<&MeasureValues> {
    let found = groups.measures.get(measure);
    found.ok_or_else(|| internal("a measure that is not there"))
}

fn counts(groups: &Groups, measure: usize) -> Result<&[u64]> {
    match measure_of(groups, measure)? {
        MeasureValues::Counts(counts) => Ok(counts),
        _ => Err(internal("a count that is none")),
    }
}

/// Sums, each with the number of its values: of none it is NULL, or zero if other rows are zeros.
fn summed(
    sums: impl Iterator<Item = (i128, u64)>,
    of: &Summed,
    groups: &Groups,
    field: &Field,
) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = *field.data_type() else {
        return Err(internal("an exact sum that is no decimal"));
    };
    let exact = Exact {
        text: format!("{}({})", if of.average { "avg" } else { "sum" }, of.name),
        average: of.average,
        scale: of.scale,
        result_precision: precision,
        result_scale: scale,
    };
    let zeros = of.zeros.map(|rows| counts(groups, rows)).transpose()?;
    let value = |(at, (sum, count)): (usize, (i128, u64))| {
        let some = match zeros {
            Some(rows) => rows.get(at).is_some_and(|rows| *rows > 0),
            None => count > 0,
        };
        some.then(|| exact.result(sum, count)).transpose()
    };
    let values: Result<Vec<Option<i128>>> = sums.enumerate().map(value).collect();
    let array: Decimal128Array = values?.into_iter().collect();
    Ok(Arc::new(array.with_precision_and_scale(precision, scale)?))
}
