//! Whole rows in both formats, over every array type.

use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::*;
use arrow_schema::{DataType, Field, Schema};

use super::*;
use crate::column::DECIMALS_NOT_FIXED;

fn column(column_type: ColumnType) -> Column {
    Column::expression("c", column_type)
}

fn unsigned(column_type: ColumnType) -> Column {
    Column {
        flags: ColumnFlags::UNSIGNED,
        ..column(column_type)
    }
}

fn with_decimals(column_type: ColumnType, decimals: u8) -> Column {
    Column {
        decimals,
        ..column(column_type)
    }
}

fn batch(arrays: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<Field> = arrays
        .iter()
        .map(|array| Field::new("c", array.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn rows(array: ArrayRef, column: Column, format: RowFormat) -> Result<Vec<Vec<u8>>, SqlError> {
    let (batch, columns) = (batch(vec![array]), [column]);
    let bound = BatchRows::bind(&batch, &columns)?;
    (0..bound.len())
        .map(|row| {
            let mut out = Vec::new();
            bound.put(row, format, &mut out).map(|()| out)
        })
        .collect()
}

/// The text values of a one-column batch; None is NULL.
fn texts(array: ArrayRef, column: Column) -> Vec<Option<String>> {
    let decode = |row: Vec<u8>| match row[..] {
        [0xFB] => None,
        [length, ref text @ ..] => {
            assert_eq!(usize::from(length), text.len());
            Some(String::from_utf8(text.to_vec()).unwrap())
        }
        [] => panic!("empty row"),
    };
    rows(array, column, RowFormat::Text)
        .unwrap()
        .into_iter()
        .map(decode)
        .collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts
        .iter()
        .map(|text| (!text.is_empty()).then(|| text.to_string()))
        .collect()
}

/// The binary values of a one-column batch, without header and bitmap; None is NULL.
fn binaries(array: ArrayRef, column: Column) -> Vec<Option<Vec<u8>>> {
    let decode = |row: Vec<u8>| match row[..] {
        [0, 4] => None,
        [0, 0, ref value @ ..] => Some(value.to_vec()),
        _ => panic!("{row:?}"),
    };
    rows(array, column, RowFormat::Binary)
        .unwrap()
        .into_iter()
        .map(decode)
        .collect()
}

#[test]
fn integers_of_every_width_are_sent_in_both_formats() {
    let cases: Vec<(ArrayRef, Column, &str, Vec<u8>)> = vec![
        (
            Arc::new(BooleanArray::from(vec![true])),
            column(ColumnType::Tiny),
            "1",
            vec![1],
        ),
        (
            Arc::new(Int8Array::from(vec![-2])),
            column(ColumnType::Tiny),
            "-2",
            vec![0xFE],
        ),
        (
            Arc::new(UInt8Array::from(vec![254])),
            unsigned(ColumnType::Tiny),
            "254",
            vec![254],
        ),
        (
            Arc::new(Int16Array::from(vec![-2])),
            column(ColumnType::Short),
            "-2",
            vec![0xFE, 0xFF],
        ),
        (
            Arc::new(UInt16Array::from(vec![2024])),
            column(ColumnType::Year),
            "2024",
            vec![0xE8, 7],
        ),
        (
            Arc::new(Int16Array::from(vec![7])),
            column(ColumnType::Year),
            "0007",
            vec![7, 0],
        ),
        (
            Arc::new(Int32Array::from(vec![-1])),
            column(ColumnType::Int24),
            "-1",
            vec![0xFF; 4],
        ),
        (
            Arc::new(UInt32Array::from(vec![u32::MAX])),
            unsigned(ColumnType::Long),
            "4294967295",
            vec![0xFF; 4],
        ),
        (
            Arc::new(Int64Array::from(vec![-1])),
            column(ColumnType::LongLong),
            "-1",
            vec![0xFF; 8],
        ),
        (
            Arc::new(UInt64Array::from(vec![u64::MAX])),
            unsigned(ColumnType::LongLong),
            "18446744073709551615",
            vec![0xFF; 8],
        ),
        (
            Arc::new(Int64Array::from(vec![5])),
            column(ColumnType::NewDecimal),
            "5",
            vec![1, b'5'],
        ),
    ];
    for (array, column, text, binary) in cases {
        assert_eq!(texts(array.clone(), column.clone()), some(&[text]));
        assert_eq!(binaries(array, column), [Some(binary)]);
    }
}

#[test]
fn nulls_are_nulls_in_both_formats() {
    let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    assert_eq!(
        texts(array.clone(), column(ColumnType::LongLong)),
        some(&["1", ""])
    );
    assert_eq!(binaries(array, column(ColumnType::LongLong))[1], None);
    let array: ArrayRef = Arc::new(NullArray::new(1));
    assert_eq!(binaries(array.clone(), column(ColumnType::Null)), [None]);
    assert_eq!(texts(array, column(ColumnType::VarString)), [None]);
}

#[test]
fn floating_point_without_a_mysql_value_is_null() {
    let array: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, 2.5]));
    let column = with_decimals(ColumnType::Double, DECIMALS_NOT_FIXED);
    assert_eq!(texts(array.clone(), column.clone()), some(&["", "", "2.5"]));
    let expected = [None, None, Some(2.5f64.to_le_bytes().to_vec())];
    assert_eq!(binaries(array, column), expected);
}

#[test]
fn decimals_are_text_in_both_formats() {
    let array = Decimal128Array::from(vec![-1234])
        .with_precision_and_scale(10, 3)
        .unwrap();
    let array: ArrayRef = Arc::new(array);
    assert_eq!(
        texts(array.clone(), with_decimals(ColumnType::NewDecimal, 3)),
        some(&["-1.234"])
    );
    let expected = [Some(b"\x06-1.234".to_vec())];
    assert_eq!(
        binaries(array, with_decimals(ColumnType::NewDecimal, 3)),
        expected
    );
}

#[test]
fn times_of_every_unit_are_sent() {
    let cases: Vec<(ArrayRef, Column, &str)> = vec![
        (
            Arc::new(Date32Array::from(vec![19_782])),
            column(ColumnType::Date),
            "2024-02-29",
        ),
        (
            Arc::new(TimestampSecondArray::from(vec![1])),
            with_decimals(ColumnType::DateTime, 0),
            "1970-01-01 00:00:01",
        ),
        (
            Arc::new(TimestampMillisecondArray::from(vec![1])),
            with_decimals(ColumnType::Timestamp, 3),
            "1970-01-01 00:00:00.001",
        ),
        (
            Arc::new(TimestampMicrosecondArray::from(vec![-1])),
            with_decimals(ColumnType::DateTime, 6),
            "1969-12-31 23:59:59.999999",
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![1_500])),
            with_decimals(ColumnType::DateTime, 6),
            "1970-01-01 00:00:00.000001",
        ),
        (
            Arc::new(Time64MicrosecondArray::from(vec![1])),
            with_decimals(ColumnType::Time, 6),
            "00:00:00.000001",
        ),
        (
            Arc::new(Time32SecondArray::from(vec![3_600])),
            with_decimals(ColumnType::Time, 0),
            "01:00:00",
        ),
        (
            Arc::new(DurationMicrosecondArray::from(vec![-3_600_000_000])),
            with_decimals(ColumnType::Time, 0),
            "-01:00:00",
        ),
        (
            Arc::new(DurationSecondArray::from(vec![360_000])),
            with_decimals(ColumnType::Time, 0),
            "100:00:00",
        ),
    ];
    for (array, column, text) in cases {
        assert_eq!(texts(array, column), some(&[text]));
    }
}

#[test]
fn bytes_of_every_layout_are_sent() {
    let values = ["", "a", "a string that is longer than a view holds"];
    let bytes: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(values.to_vec())),
        Arc::new(LargeStringArray::from(values.to_vec())),
        Arc::new(StringViewArray::from(values.to_vec())),
        Arc::new(BinaryArray::from(bytes.clone())),
        Arc::new(LargeBinaryArray::from(bytes.clone())),
        Arc::new(BinaryViewArray::from(bytes)),
        Arc::new(values.into_iter().collect::<DictionaryArray<Int8Type>>()),
    ];
    for array in arrays {
        let rows = rows(array, column(ColumnType::VarString), RowFormat::Text).unwrap();
        for (row, value) in rows.iter().zip(values) {
            assert_eq!(row[1..], *value.as_bytes());
        }
    }
}

#[test]
fn dictionaries_are_null_by_key_and_by_value() {
    let keys = Int8Array::from(vec![Some(0), None, Some(1)]);
    let values = StringArray::from(vec![Some("x"), None]);
    let array = DictionaryArray::new(keys, Arc::new(values));
    assert_eq!(
        texts(Arc::new(array), column(ColumnType::VarString)),
        some(&["x", "", ""])
    );
    let keys = Int8Array::from(vec![None, None]);
    let array = DictionaryArray::new(keys, Arc::new(StringArray::from(Vec::<&str>::new())));
    assert_eq!(
        texts(Arc::new(array), column(ColumnType::VarString)),
        some(&["", ""])
    );
}

#[test]
fn slices_show_their_own_rows() {
    let array: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(0), None, Some(60)]));
    let shown = texts(array.slice(1, 2), column(ColumnType::DateTime));
    assert_eq!(shown, some(&["", "1970-01-01 00:01:00"]));
    let array: DictionaryArray<Int8Type> = ["x", "y", "z"].into_iter().collect();
    let shown = texts(Arc::new(array.slice(2, 1)), column(ColumnType::VarString));
    assert_eq!(shown, some(&["z"]));
}

#[test]
fn the_null_bitmap_starts_at_its_third_bit() {
    let arrays: Vec<ArrayRef> = (0..9)
        .map(|i| Arc::new(Int8Array::from(vec![(i % 2 == 0).then_some(i)])) as _)
        .collect();
    let (batch, columns) = (batch(arrays), vec![column(ColumnType::Tiny); 9]);
    let mut out = Vec::new();
    BatchRows::bind(&batch, &columns)
        .unwrap()
        .put(0, RowFormat::Binary, &mut out)
        .unwrap();
    assert_eq!(out, [0, 0b1010_1000, 0b0000_0010, 0, 2, 4, 6, 8]);
}

#[test]
fn an_array_that_does_not_fit_its_column_is_an_error() {
    let cases: Vec<(ArrayRef, ColumnType)> = vec![
        (Arc::new(StringArray::from(vec!["1"])), ColumnType::LongLong),
        (Arc::new(Int64Array::from(vec![1])), ColumnType::VarString),
        (Arc::new(Int64Array::from(vec![1])), ColumnType::Double),
        (
            Arc::new(Float64Array::from(vec![1.0])),
            ColumnType::NewDecimal,
        ),
        (Arc::new(Date32Array::from(vec![1])), ColumnType::DateTime),
        (
            Arc::new(TimestampSecondArray::from(vec![1])),
            ColumnType::Date,
        ),
        (
            Arc::new(DurationSecondArray::from(vec![1])),
            ColumnType::DateTime,
        ),
        (
            new_null_array(
                &DataType::List(Arc::new(Field::new("i", DataType::Int8, true))),
                1,
            ),
            ColumnType::Blob,
        ),
    ];
    for (array, column_type) in cases {
        for format in [RowFormat::Text, RowFormat::Binary] {
            let error = rows(array.clone(), column(column_type), format).unwrap_err();
            assert_eq!(error.code, 1105, "{column_type:?}");
        }
    }
}

#[test]
fn a_value_that_does_not_fit_its_column_is_an_error() {
    let cases: Vec<(ArrayRef, Column, RowFormat)> = vec![
        (
            Arc::new(Int64Array::from(vec![128])),
            column(ColumnType::Tiny),
            RowFormat::Binary,
        ),
        (
            Arc::new(Int64Array::from(vec![-1])),
            unsigned(ColumnType::LongLong),
            RowFormat::Binary,
        ),
        (
            Arc::new(UInt64Array::from(vec![u64::MAX])),
            column(ColumnType::LongLong),
            RowFormat::Binary,
        ),
        (
            Arc::new(Date32Array::from(vec![i32::MAX])),
            column(ColumnType::Date),
            RowFormat::Text,
        ),
        (
            Arc::new(TimestampSecondArray::from(vec![i64::MAX])),
            column(ColumnType::DateTime),
            RowFormat::Binary,
        ),
        (
            Arc::new(DurationSecondArray::from(vec![i64::MAX])),
            column(ColumnType::Time),
            RowFormat::Text,
        ),
    ];
    for (array, column, format) in cases {
        assert_eq!(rows(array, column, format).unwrap_err().code, 1105);
    }
}

#[test]
fn a_batch_with_too_few_arrays_is_an_error() {
    let batch = batch(vec![Arc::new(Int8Array::from(vec![1]))]);
    let columns = vec![column(ColumnType::Tiny); 2];
    assert!(BatchRows::bind(&batch, &columns).is_err());
}

#[test]
fn fixed_decimals_may_need_a_long_length() {
    let array: ArrayRef = Arc::new(Float64Array::from(vec![1e300]));
    let row = rows(array, with_decimals(ColumnType::Double, 2), RowFormat::Text)
        .unwrap()
        .remove(0);
    assert_eq!(row[..3], [0xFC, 48, 1]);
    assert_eq!(row.len(), 3 + 304);
}
