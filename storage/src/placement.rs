//! Which shard a row belongs to: by hash of the leading column of its table's shard key, so that the rows
//! of one site lie in few segments, and equal keys of tables with equal shard keys in equal shards.
//! Periods have no fixed borders: within a shard, segments near in time are merged until they are full.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type};
use xxhash_rust::xxh3::xxh3_64;

use crate::column_type::{IntegerType, with_integer_type};
use crate::{TableSpec, Value};

/// Where the rows of a segment belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Placement {
    /// Rows of any shard: too few to be parted.
    Mixed,
    /// Rows of shard `shard` of `shards`.
    Shard { shard: u32, shards: u32 },
}

/// The column that tells the period of a row, where the keys have one after a leading column.
pub(crate) fn period_column(spec: &TableSpec) -> Option<usize> {
    let later = [&spec.sort_key, &spec.shard_key].map(|key| key.get(1..).unwrap_or_default());
    let is_time = |column: &usize| {
        let column = spec.columns.get(*column);
        column.is_some_and(|c| matches!(c.data_type, DataType::Timestamp(..) | DataType::Date32))
    };
    later.into_iter().flatten().copied().find(is_time)
}

/// NULL is in the shard of this.
const NULL_HASH: u64 = 0;

/// The hash that places a value. It is kept for ever: files depend on it. Numbers of one value have one
/// hash, whatever the width of their column.
fn hash_of(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

fn hash_of_integer(value: i128) -> u64 {
    hash_of(&value.to_le_bytes())
}

/// Like `hash_of_integer`, for floats; both zeros are one value.
fn hash_of_float(value: f64) -> u64 {
    hash_of(&(value + 0.0).to_bits().to_le_bytes())
}

fn shard_of(hash: u64, shards: u32) -> u32 {
    // The high half of the product: as even as the hash, without a division.
    ((u128::from(hash) * u128::from(shards)) >> 64) as u32
}

/// The shard of every row of the leading column of the shard key.
pub(crate) fn shards_of(column: &ArrayRef, shards: u32) -> Vec<u32> {
    let shard = |hash: Option<u64>| shard_of(hash.unwrap_or(NULL_HASH), shards);
    let numbers = |hash: Vec<Option<u64>>| hash.into_iter().map(shard).collect::<Vec<_>>();
    numbers(match column.data_type() {
        DataType::Utf8View => {
            let text = column.as_string_view().iter();
            text.map(|v| v.map(|v| hash_of(v.as_bytes()))).collect()
        }
        DataType::BinaryView => column
            .as_binary_view()
            .iter()
            .map(|v| v.map(hash_of))
            .collect(),
        DataType::Boolean => {
            let bits = column.as_boolean().iter();
            bits.map(|v| v.map(|v| hash_of_integer(v.into()))).collect()
        }
        DataType::Decimal128(..) => {
            let numbers = column.as_primitive::<Decimal128Type>().iter();
            numbers.map(|v| v.map(hash_of_integer)).collect()
        }
        DataType::Float32 => {
            let floats = column.as_primitive::<Float32Type>().iter();
            floats.map(|v| v.map(|v| hash_of_float(v.into()))).collect()
        }
        DataType::Float64 => {
            let floats = column.as_primitive::<Float64Type>().iter();
            floats.map(|v| v.map(hash_of_float)).collect()
        }
        other => with_integer_type!(other, T => {
            let value = |v| if T::SIGNED {
                i128::from(T::widen(v) as i64)
            } else {
                i128::from(T::widen(v))
            };
            let numbers = column.as_primitive::<T>().iter();
            numbers.map(|v| v.map(|v| hash_of_integer(value(v)))).collect()
        }, else vec![None; column.len()]),
    })
}

impl Placement {
    /// The same for a merge in a table of so many shards: rows placed among another number are of any shard.
    pub(crate) fn among(self, table_shards: u32) -> Self {
        match self {
            Self::Shard { shards, .. } if shards != table_shards => Self::Mixed,
            same => same,
        }
    }

    /// Whether rows whose leading column equals `value`, of a column of type `data_type`, may be here.
    pub(crate) fn may_hold(self, value: &Value, data_type: &DataType) -> bool {
        let Self::Shard { shard, shards } = self else {
            return true;
        };
        let is_whole = data_type.is_integer()
            || matches!(data_type, DataType::Boolean | DataType::Date32)
            || matches!(data_type, DataType::Timestamp(..) | DataType::Duration(_));
        let hash = match value {
            Value::Int(value) if is_whole => hash_of_integer(*value),
            Value::Bool(value) if is_whole => hash_of_integer((*value).into()),
            Value::Str(text) if *data_type == DataType::Utf8View => hash_of(text.as_bytes()),
            Value::Bytes(bytes) if *data_type == DataType::BinaryView => hash_of(bytes),
            // Equal values of other kinds need not have equal bytes.
            _ => return true,
        };
        shard_of(hash, shards) == shard
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::testing::{all_types, arbitrary_column};
    use arrow::array::{Int64Array, StringViewArray, UInt8Array};
    use proptest::prelude::*;
    use std::sync::Arc;

    #[test]
    fn equal_numbers_of_any_width_share_a_shard_and_literals_find_it() {
        let narrow: ArrayRef = Arc::new(UInt8Array::from(vec![7, 200, 0]));
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![7, 200, 0]));
        let shards = shards_of(&narrow, 16);
        assert_eq!(shards, shards_of(&wide, 16));
        let text: ArrayRef = Arc::new(StringViewArray::from(vec!["a", "b"]));
        let of_text = shards_of(&text, 16);
        for shard in 0..16 {
            let here = Placement::Shard { shard, shards: 16 };
            assert_eq!(
                here.may_hold(&Value::Int(7), &DataType::UInt8),
                shard == shards[0]
            );
            let b = Value::Str("b".into());
            assert_eq!(here.may_hold(&b, &DataType::Utf8View), shard == of_text[1]);
            assert!(here.may_hold(&Value::Int(7), &DataType::Float64));
        }
        assert!(Placement::Mixed.may_hold(&Value::Int(7), &DataType::UInt8));
    }

    #[test]
    fn rows_spread_evenly() {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..8000));
        let mut counts = [0; 8];
        shards_of(&ids, 8)
            .iter()
            .for_each(|&s| counts[s as usize] += 1);
        assert!(
            counts.iter().all(|count| (900..1100).contains(count)),
            "{counts:?}"
        );
    }

    proptest! {
        #[test]
        fn every_row_of_every_type_has_a_shard(number in 0usize..17, rows in 1usize..30, shards in 1u32..9) {
            let data_type = &all_types()[number];
            let mut runner = proptest::test_runner::TestRunner::deterministic();
            let column = arbitrary_column(data_type, rows).new_tree(&mut runner).unwrap().current();
            let found = shards_of(&column, shards);
            prop_assert_eq!(found.len(), rows);
            prop_assert!(found.iter().all(|&shard| shard < shards));
        }
    }
}
