//! One type for several expressions: the branches of IF and CASE, the arguments of COALESCE.
//!
//! Source: MySQL manual, "Flow Control Functions": text with anything is text, doubles swallow numbers,
//! decimals swallow integers, dates with dates stay dates.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::Result;

use crate::functions::convert::{arrays, temporal};
use crate::functions::datetime::{DATETIME, TIME};
use crate::functions::operators::types::PRECISION_MAX;
use crate::functions::string::types::is_binary;

/// The type that values of all these types are brought to. `Null` when there is nothing else.
pub fn unified_type(types: &[DataType]) -> DataType {
    let mut known = types.iter().filter(|t| !t.is_null());
    let Some(first) = known.next() else {
        return DataType::Null;
    };
    let all = |test: fn(&DataType) -> bool| types.iter().all(|t| t.is_null() || test(t));
    let any = |test: fn(&DataType) -> bool| types.iter().any(test);
    if known.clone().all(|t| t == first) && !is_text(first) && !is_binary(first) {
        return first.clone();
    }
    if any(is_binary) {
        return DataType::BinaryView;
    }
    if all(is_date) {
        return unified_dates(types);
    }
    if !all(is_number) {
        return DataType::Utf8View;
    }
    if any(DataType::is_floating) {
        return DataType::Float64;
    }
    if any(DataType::is_decimal) || (any(is_signed) && any(|t| *t == DataType::UInt64)) {
        return unified_decimals(types);
    }
    if any(is_signed) {
        DataType::Int64
    } else {
        DataType::UInt64
    }
}

fn is_text(t: &DataType) -> bool {
    matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn is_date(t: &DataType) -> bool {
    matches!(
        t,
        DataType::Date32 | DataType::Timestamp(..) | DataType::Duration(_)
    )
}

fn is_number(t: &DataType) -> bool {
    t.is_integer() || t.is_floating() || t.is_decimal() || *t == DataType::Boolean
}

fn is_signed(t: &DataType) -> bool {
    t.is_signed_integer() || *t == DataType::Boolean
}

/// DATE and DATETIME are a DATETIME. A TIME with either has no date of its own: text.
fn unified_dates(types: &[DataType]) -> DataType {
    let time = |t: &&DataType| matches!(t, DataType::Duration(_));
    if types.iter().filter(time).count() > 0 {
        DataType::Utf8View
    } else {
        DATETIME
    }
}

fn unified_decimals(types: &[DataType]) -> DataType {
    let (mut integer, mut scale) = (0, 0);
    for data_type in types {
        let (p, s) = match data_type {
            DataType::Decimal128(p, s) => (*p, *s),
            DataType::Decimal256(_, s) => (PRECISION_MAX, *s),
            DataType::Boolean | DataType::Null => (1, 0),
            DataType::Int8 | DataType::UInt8 => (3, 0),
            DataType::Int16 | DataType::UInt16 => (5, 0),
            DataType::Int32 | DataType::UInt32 => (10, 0),
            DataType::UInt64 => (20, 0),
            _ => (19, 0),
        };
        integer = integer.max(i16::from(p) - i16::from(s));
        scale = scale.max(s);
    }
    let precision = (integer + i16::from(scale)).clamp(1, PRECISION_MAX.into()) as u8;
    DataType::Decimal128(precision.max(scale.unsigned_abs()), scale)
}

/// A column as one of the types that [`unified_type`] gives, by MySQL's conversions.
pub(crate) fn convert(array: &ArrayRef, to: &DataType, fsp: Option<u8>) -> Result<ArrayRef> {
    let array = arrays::canonical(array)?;
    if array.data_type() == to {
        return Ok(array);
    }
    Ok(match to {
        DataType::Utf8View => Arc::new(arrays::to_text(&array, fsp)?),
        DataType::BinaryView => Arc::new(arrays::to_bytes(&array, fsp)?),
        DataType::Float64 => Arc::new(arrays::to_double(&array)?),
        DataType::Int64 => Arc::new(arrays::to_int(&array)?),
        DataType::UInt64 => Arc::new(arrays::to_uint_bits(&array)?),
        DataType::Decimal128(p, s) => Arc::new(arrays::to_decimal(&array, *p, *s)?),
        DataType::Date32 => Arc::new(temporal::to_date(&array)?),
        DataType::Boolean => Arc::new(arrays::to_truth(&array)?),
        t if *t == DATETIME => Arc::new(temporal::to_datetime(&array)?),
        t if *t == TIME => Arc::new(temporal::to_time(&array)?),
        // Only a lone narrow type (Int8 ... with NULLs) is left.
        t => cast(&array, t)?,
    })
}

/// Rows of `array`, a scalar (one row) spread over all of them.
pub(crate) fn spread(array: ArrayRef, rows: usize) -> Result<ArrayRef> {
    if array.len() == rows {
        return Ok(array);
    }
    let first = arrow::array::UInt64Array::from(vec![0; rows]);
    Ok(arrow::compute::take(&array, &first, None)?)
}

/// `then` where the mask is true, `other` elsewhere (also where the mask is NULL).
pub(crate) fn choose(mask: &ArrayRef, then: &ArrayRef, other: &ArrayRef) -> Result<ArrayRef> {
    let mask = mask.as_boolean();
    Ok(arrow::compute::kernels::zip::zip(mask, then, other)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::*;

    #[test]
    fn types_unify_as_mysql_aggregates_them() {
        let decimal = Decimal128(5, 2);
        for (types, expected) in [
            (vec![Null, Null], Null),
            (vec![Int32, Null], Int32),
            (vec![Int32, Int64], Int64),
            (vec![UInt8, UInt32], UInt64),
            (vec![Int8, UInt64], Decimal128(20, 0)),
            (vec![Int64, decimal.clone()], Decimal128(21, 2)),
            (vec![decimal.clone(), Float64], Float64),
            (vec![Utf8, Int64], Utf8View),
            (vec![Utf8, Utf8], Utf8View),
            (vec![Utf8View, Binary], BinaryView),
            (vec![Date32, Date32], Date32),
            (vec![Date32, DATETIME], DATETIME),
            (vec![Date32, Int64], Utf8View),
            (vec![Boolean, Boolean], Boolean),
            (vec![Boolean, Int32], Int64),
        ] {
            assert_eq!(unified_type(&types), expected, "{types:?}");
        }
    }
}
