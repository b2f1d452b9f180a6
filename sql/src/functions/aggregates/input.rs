//! Rows of one batch fed to accumulators: integers and decimals as i128, everything else as doubles.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Float64Array, PrimitiveArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, prep_null_mask_filter};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::common::Result;

use crate::functions::convert::arrays;
use crate::functions::failure::internal;

/// The groups of a batch's rows and the FILTER clause.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) groups: &'a [usize],
    pub(crate) filter: Option<&'a BooleanArray>,
}

/// Rows that count: neither NULL nor filtered out. `None`: all of them.
pub(crate) fn counted(array: &dyn Array, filter: Option<&BooleanArray>) -> Option<NullBuffer> {
    let filter = filter.map(|filter| {
        let filter = if filter.null_count() > 0 {
            &prep_null_mask_filter(filter)
        } else {
            filter
        };
        NullBuffer::new(filter.values().clone())
    });
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    NullBuffer::union(nulls, filter.as_ref())
}

/// Calls `each(group, value)` for every row that counts.
pub(crate) fn for_each<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    rows: Rows<'_>,
    mut each: impl FnMut(usize, T::Native),
) {
    let pairs = rows.groups.iter().zip(array.values().iter());
    match counted(array, rows.filter) {
        None => pairs.for_each(|(group, value)| each(*group, *value)),
        Some(valid) => pairs.zip(valid.iter()).for_each(|((group, value), valid)| {
            if valid {
                each(*group, *value);
            }
        }),
    }
}

/// Whether a column of this type is summed exactly.
pub(crate) fn is_exact(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Decimal128(..)
                | DataType::Date32
                | DataType::Timestamp(..)
                | DataType::Duration(_)
        )
}

/// (precision, scale) of a column that is summed exactly.
pub(crate) fn exact_digits(data_type: &DataType) -> (u8, i8) {
    match data_type {
        DataType::Boolean => (1, 0),
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::UInt64 => (20, 0),
        DataType::Decimal128(precision, scale) => (*precision, *scale),
        DataType::Date32 => (8, 0),
        DataType::Timestamp(..) => (20, 6),
        DataType::Duration(_) => (13, 6),
        _ => (38, 0),
    }
}

/// Runs `$body` with `$array` bound to the typed array: one compiled loop per input type, so that
/// narrow integers are never widened into an array of decimals.
macro_rules! with_exact {
    ($input:expr, $array:ident => $body:expr) => {{
        use arrow::datatypes::DataType::*;
        let input: &arrow::array::ArrayRef = $input;
        match input.data_type() {
            Int8 => with_exact!(@ Int8Type, input, $array => $body),
            Int16 => with_exact!(@ Int16Type, input, $array => $body),
            Int32 => with_exact!(@ Int32Type, input, $array => $body),
            Int64 => with_exact!(@ Int64Type, input, $array => $body),
            UInt8 => with_exact!(@ UInt8Type, input, $array => $body),
            UInt16 => with_exact!(@ UInt16Type, input, $array => $body),
            UInt32 => with_exact!(@ UInt32Type, input, $array => $body),
            UInt64 => with_exact!(@ UInt64Type, input, $array => $body),
            Decimal128(..) => with_exact!(@ Decimal128Type, input, $array => $body),
            Boolean => {
                let bytes = arrow::compute::cast(input, &Int8)?;
                with_exact!(@ Int8Type, bytes, $array => $body)
            }
            _ => {
                let other = $crate::functions::aggregates::input::rare_exact(input)?;
                let $array = &other;
                $body
            }
        }
    }};
    (@ $type:ident, $input:expr, $array:ident => $body:expr) => {{
        let $array =
            arrow::array::AsArray::as_primitive::<arrow::datatypes::$type>($input.as_ref());
        $body
    }};
}
pub(crate) use with_exact;

/// Dates and times as decimals.
pub(crate) fn rare_exact(array: &ArrayRef) -> Result<Decimal128Array> {
    let (_, scale) = exact_digits(array.data_type());
    arrays::to_decimal(array, 38, scale)
}

/// Integers and decimals that count, with their group.
#[allow(clippy::useless_conversion)] // the macro also expands for i128
pub(crate) fn for_each_exact(
    input: &ArrayRef,
    rows: Rows<'_>,
    mut each: impl FnMut(usize, i128),
) -> Result<()> {
    with_exact!(input, array => for_each(array, rows, |group, value| each(group, value.into())));
    Ok(())
}

/// Sum and count of a whole batch. `None`: more than an i128 holds.
pub(crate) fn sum_exact(input: &ArrayRef) -> Result<Option<(i128, u64)>> {
    let count = (input.len() - input.null_count()) as u64;
    let sum = match input.data_type() {
        DataType::Int8 => Some(sum_narrow::<Int8Type>(input)),
        DataType::Int16 => Some(sum_narrow::<Int16Type>(input)),
        DataType::Int32 => Some(sum_narrow::<Int32Type>(input)),
        DataType::UInt8 => Some(sum_narrow::<UInt8Type>(input)),
        DataType::UInt16 => Some(sum_narrow::<UInt16Type>(input)),
        DataType::UInt32 => Some(sum_narrow::<UInt32Type>(input)),
        DataType::Boolean => {
            // Casting is cheaper than a decimal per row.
            let bytes = cast(input, &DataType::Int8)?;
            Some(sum_narrow::<Int8Type>(&bytes))
        }
        DataType::Int64 => sum_wide::<Int64Type>(input),
        DataType::UInt64 => sum_wide::<UInt64Type>(input),
        DataType::Decimal128(..) => sum_wide::<Decimal128Type>(input),
        _ => {
            let decimals: ArrayRef = std::sync::Arc::new(rare_exact(input)?);
            sum_wide::<Decimal128Type>(&decimals)
        }
    };
    Ok(sum.map(|sum| (sum, count)))
}

/// Integers of at most 32 bits: an i64 holds the sum of 2^31 of them, and the loop vectorises.
fn sum_narrow<T: ArrowPrimitiveType>(input: &ArrayRef) -> i128
where
    T::Native: Into<i64>,
{
    const CHUNK: usize = 1 << 16;
    let array = input.as_primitive::<T>();
    if array.null_count() > 0 {
        return array
            .iter()
            .flatten()
            .map(|value| -> i64 { value.into() })
            .map(i128::from)
            .sum();
    }
    let chunk = |values: &[T::Native]| -> i64 { values.iter().map(|v| (*v).into()).sum() };
    array
        .values()
        .chunks(CHUNK)
        .map(|values| i128::from(chunk(values)))
        .sum()
}

fn sum_wide<T: ArrowPrimitiveType>(input: &ArrayRef) -> Option<i128>
where
    T::Native: Into<i128>,
{
    let array = input.as_primitive::<T>();
    let mut sum = 0_i128;
    if array.null_count() > 0 {
        for value in array.iter().flatten() {
            sum = sum.checked_add(value.into())?;
        }
    } else {
        for value in array.values() {
            sum = sum.checked_add((*value).into())?;
        }
    }
    Some(sum)
}

/// Everything that is not summed exactly, as doubles.
pub(crate) fn doubles(input: &ArrayRef) -> Result<Float64Array> {
    arrays::to_double(arrays::canonical(input)?.as_ref())
}

/// The state column `index`, or an error that names the aggregate.
pub(crate) fn state_column(states: &[ArrayRef], index: usize) -> Result<&ArrayRef> {
    states
        .get(index)
        .ok_or_else(|| internal("an aggregate's state has too few columns"))
}

/// NULL where a row does not count.
pub(crate) fn mask(array: &ArrayRef, filter: Option<&BooleanArray>) -> Result<ArrayRef> {
    let Some(filter) = filter else {
        return Ok(array.clone());
    };
    let dropped = arrow::compute::not(&prep_null_mask_filter(filter))?;
    Ok(arrow::compute::nullif(array, &dropped)?)
}
