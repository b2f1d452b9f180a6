//! Generators of tables and rows for this crate's own tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array,
    DurationMicrosecondArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray, UInt8Array, UInt16Array,
    UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// One type of each kind storage supports.
pub(crate) fn all_types() -> Vec<DataType> {
    vec![
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(38, 4),
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Duration(TimeUnit::Microsecond),
        DataType::Utf8View,
        DataType::BinaryView,
    ]
}

/// A batch with one nullable column of every type.
pub(crate) fn arbitrary_batch(rows: Range<usize>) -> impl Strategy<Value = RecordBatch> {
    rows.prop_flat_map(|rows| {
        let columns: Vec<_> = all_types()
            .iter()
            .map(|data_type| arbitrary_column(data_type, rows))
            .collect();
        columns.prop_map(|columns| {
            let fields: Vec<Field> = columns
                .iter()
                .enumerate()
                .map(|(i, c)| Field::new(format!("c{i}"), c.data_type().clone(), true))
                .collect();
            RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
        })
    })
}

/// A column of one type: a mixture of constant, narrow, stepped and arbitrary values, with or without
/// NULLs, so that every encoding occurs.
pub(crate) fn arbitrary_column(data_type: &DataType, rows: usize) -> BoxedStrategy<ArrayRef> {
    macro_rules! column {
        ($array:ty, $value:expr) => {
            nullable($value, rows)
                .prop_map(|v| Arc::new(<$array>::from(v)) as ArrayRef)
                .boxed()
        };
    }
    macro_rules! integers {
        ($array:ty, $native:ty) => {
            column!(
                $array,
                prop_oneof![
                    Just(prop::strategy::Just(<$native>::MAX / 3).boxed()),
                    Just((0..3 as $native).boxed()),
                    Just((0..100 as $native).prop_map(|v| <$native>::MAX - v).boxed()),
                    Just(
                        (0..20 as $native)
                            .prop_map(|v| <$native>::MIN + 6 * v)
                            .boxed()
                    ),
                    Just(any::<$native>().boxed()),
                ]
            )
        };
    }
    match data_type {
        DataType::Boolean => column!(BooleanArray, Just(any::<bool>().boxed())),
        DataType::Int8 => integers!(Int8Array, i8),
        DataType::Int16 => integers!(Int16Array, i16),
        DataType::Int32 => integers!(Int32Array, i32),
        DataType::Int64 => integers!(Int64Array, i64),
        DataType::UInt8 => integers!(UInt8Array, u8),
        DataType::UInt16 => integers!(UInt16Array, u16),
        DataType::UInt32 => integers!(UInt32Array, u32),
        DataType::UInt64 => integers!(UInt64Array, u64),
        DataType::Float32 => column!(Float32Array, Just(floats().prop_map(|v| v as f32).boxed())),
        DataType::Float64 => column!(Float64Array, Just(floats().boxed())),
        DataType::Date32 => integers!(Date32Array, i32),
        DataType::Timestamp(..) => integers!(TimestampMicrosecondArray, i64),
        DataType::Duration(..) => integers!(DurationMicrosecondArray, i64),
        DataType::Decimal128(precision, scale) => {
            let (precision, scale) = (*precision, *scale);
            let limit = 10i128.pow(u32::from(precision)) - 1;
            let values = prop_oneof![
                Just((0..1000i128).prop_map(|v| v * 100).boxed()),
                Just((-limit..limit).boxed()),
            ];
            nullable(values, rows)
                .prop_map(move |v| {
                    let array = Decimal128Array::from(v);
                    Arc::new(array.with_precision_and_scale(precision, scale).unwrap()) as ArrayRef
                })
                .boxed()
        }
        DataType::Utf8View => column!(StringViewArray, strings().prop_map(|s| s.boxed())),
        DataType::BinaryView => nullable(
            strings().prop_map(|s| s.prop_map(String::into_bytes).boxed()),
            rows,
        )
        .prop_map(|v| {
            Arc::new(BinaryViewArray::from_iter(v.iter().map(|v| v.as_deref()))) as ArrayRef
        })
        .boxed(),
        other => panic!("{other} is not supported"),
    }
}

/// Finite, without negative zero: equality of arrays then means equality of values.
fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.5), -1e30..1e30, (0..5i32).prop_map(f64::from)]
}

/// Few or many different strings, short (inline in a view) and long.
fn strings() -> impl Strategy<Value = BoxedStrategy<String>> {
    prop_oneof![
        Just(Just("a constant that is not inline".to_owned()).boxed()),
        Just("[a-c]{0,2}".boxed()),
        Just("/blog/2025/[a-d]/[a-z]{1,3}".boxed()),
        Just("\\PC{0,40}".boxed()),
    ]
}

fn nullable<T: std::fmt::Debug + Clone + 'static>(
    values: impl Strategy<Value = BoxedStrategy<T>>,
    rows: usize,
) -> impl Strategy<Value = Vec<Option<T>>> {
    (values, prop_oneof![Just(0.0), Just(0.2), Just(0.95)]).prop_flat_map(move |(value, nulls)| {
        if nulls == 0.0 {
            vec(value.prop_map(Some), rows).boxed()
        } else {
            vec(option::weighted(1.0 - nulls, value), rows).boxed()
        }
    })
}
