//! The types that values of files have in expressions, and values of later files in those of the first.

use arrow::array::ArrayRef;
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::error::ArrowError;
use storno_transfer::TransferError;

use crate::error::{Result, SqlError};

/// The type that values of a file have in expressions.
pub(super) fn plain_type(data_type: &DataType) -> Result<DataType> {
    use DataType::*;
    Ok(match data_type {
        Utf8 | LargeUtf8 | Utf8View | Null => Utf8View,
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => BinaryView,
        Float16 => Float32,
        Date64 => Date32,
        Decimal32(p, s) | Decimal64(p, s) => Decimal128(*p, *s),
        Time32(_) | Time64(_) => Duration(TimeUnit::Microsecond),
        Timestamp(..) => Timestamp(TimeUnit::Microsecond, None),
        Dictionary(_, values) => plain_type(values)?,
        other if other.is_nested() => {
            return Err(SqlError::not_supported(&format!(
                "FILES with a column of {other}"
            )));
        }
        other => other.clone(),
    })
}

/// The values of a file in the column's type, which is that of the first file. An error that names the file `url`
/// if there is one that another type does not hold: it would become NULL, or another value.
pub(super) fn fitted(array: &ArrayRef, field: &Field, url: &str) -> Result<ArrayRef> {
    let plain = plain_type(array.data_type())?;
    let fitted = exact(array, &plain, field.data_type());
    fitted.map_err(|why| {
        let why = format!("column '{}': {why}", field.name());
        let name = url.to_owned();
        TransferError::Content { name, why }.into()
    })
}

fn exact(
    array: &ArrayRef,
    plain: &DataType,
    wanted: &DataType,
) -> std::result::Result<ArrayRef, ArrowError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let own = cast_with_options(array, plain, &options)?;
    if plain == wanted {
        return Ok(own);
    }
    let values = cast_with_options(&own, wanted, &options)?;
    // Digits that are cut off are no error of the cast.
    let back = cast_with_options(&values, plain, &options)?;
    match not_distinct(&back, &own)?.false_count() {
        0 => Ok(values),
        _ => Err(ArrowError::CastError(format!(
            "a value does not fit into {wanted}, the type in the first file"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Array, AsArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
        NullArray, StringArray, TimestampMillisecondArray,
    };
    use arrow::datatypes::{Int32Type, TimestampMicrosecondType};

    use super::*;

    fn into(array: impl Array + 'static, wanted: DataType) -> Result<ArrayRef> {
        let array: ArrayRef = Arc::new(array);
        fitted(&array, &Field::new("a", wanted, true), "s3://b/2")
    }

    #[test]
    fn values_of_wider_types_are_taken_if_they_fit() {
        let small = into(Int64Array::from(vec![Some(7), None]), DataType::Int32).expect("fits");
        assert_eq!(
            small.as_primitive::<Int32Type>().iter().collect::<Vec<_>>(),
            [Some(7), None]
        );
        let numbers = into(StringArray::from(vec!["-5"]), DataType::Int32).expect("fits");
        assert_eq!(numbers.as_primitive::<Int32Type>().value(0), -5);
        let texts = into(Int32Array::from(vec![5]), DataType::Utf8View).expect("fits");
        assert_eq!(texts.as_string_view().value(0), "5");
        let nulls = into(NullArray::new(3), DataType::Int32).expect("fits");
        assert_eq!(nulls.null_count(), 3);
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let times = into(TimestampMillisecondArray::from(vec![5]), micros).expect("fits");
        assert_eq!(
            times.as_primitive::<TimestampMicrosecondType>().value(0),
            5_000
        );
    }

    #[test]
    fn a_value_that_does_not_fit_is_an_error_with_the_file() {
        let decimal = Decimal128Array::from(vec![12_345])
            .with_precision_and_scale(10, 4)
            .expect("a decimal");
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        for refused in [
            into(
                Int64Array::from(vec![Some(1), Some(1 << 40)]),
                DataType::Int32,
            ),
            into(StringArray::from(vec!["abc"]), DataType::Int32),
            into(Float64Array::from(vec![1.5]), DataType::Int64),
            into(Float64Array::from(vec![0.1]), DataType::Float32),
            into(decimal, DataType::Decimal128(10, 2)),
            into(StringArray::from(vec!["x"]), micros.clone()),
            into(StringArray::from(vec!["x"]), DataType::Date32),
            into(Date32Array::from(vec![1]), DataType::Float64),
            into(TimestampMillisecondArray::from(vec![5]), DataType::Date32),
        ] {
            let error = refused.expect_err("does not fit");
            assert_eq!(error.code, 3000);
            assert!(error.message.contains("'s3://b/2'"), "{}", error.message);
            assert!(error.message.contains("column 'a'"), "{}", error.message);
        }
    }
}
