//! Key values as 128-bit keyed hashes.
//!
//! The hash key is random and secret, so nobody can choose values that collide, and n values collide by
//! chance with probability n^2 / 2^129: less than 10^-18 for ten billion rows. Equal hashes are taken for
//! equal values. Values keep their hash when their column becomes wider.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type};
use siphasher::sip128::SipHasher13;

use crate::column_type::{FixedType, IntegerType, with_integer_type};
use crate::{Error, Result, TableMeta};

/// The hash of one key value.
pub(crate) type KeyHash = u128;

/// Turns key values into hashes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyHasher(SipHasher13);

impl KeyHasher {
    pub(crate) fn new(secret: [u64; 2]) -> Self {
        let [first, second] = secret;
        Self(SipHasher13::new_with_keys(first, second))
    }

    /// Per row the hash of its key; `None` when a column of the key is NULL. `columns` are the key's.
    pub(crate) fn hash(&self, columns: &[ArrayRef]) -> Result<Vec<Option<KeyHash>>> {
        let rows = columns.first().map_or(0, |c| c.len());
        let writers = columns
            .iter()
            .map(value_writer)
            .collect::<Result<Vec<_>>>()?;
        let mut bytes = Vec::new();
        let hash = |row: usize| {
            if columns.iter().any(|c| c.is_null(row)) {
                return None;
            }
            bytes.clear();
            writers.iter().for_each(|write| write(row, &mut bytes));
            Some(u128::from(self.0.hash(&bytes)))
        };
        Ok((0..rows).map(hash).collect())
    }

    /// A number that tells hashers with different secrets apart.
    pub(crate) fn fingerprint(&self) -> u64 {
        u128::from(self.0.hash(b"fingerprint")) as u64
    }

    /// The hashes of every key of a table, for all rows of a batch.
    pub(crate) fn hash_keys(
        &self,
        meta: &TableMeta,
        batch: &RecordBatch,
    ) -> Result<Vec<Vec<Option<KeyHash>>>> {
        meta.spec
            .unique_keys
            .iter()
            .map(|key| {
                let projected = batch
                    .project(&key.columns)
                    .map_err(|e| Error::Invalid(e.to_string()))?;
                self.hash(&meta.folds.folded(&key.columns, projected.columns())?)
            })
            .collect()
    }
}

type ValueWriter<'a> = Box<dyn Fn(usize, &mut Vec<u8>) + 'a>;

/// Appends the value of a row such that different sequences of values have different bytes.
fn value_writer(column: &ArrayRef) -> Result<ValueWriter<'_>> {
    fn string(value: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
        out.extend_from_slice(value);
    }
    // Zero equals negative zero; adding zero makes them one.
    Ok(match column.data_type() {
        DataType::Boolean => {
            let array = column.as_boolean();
            Box::new(|row, out| out.push(u8::from(array.value(row))))
        }
        DataType::Utf8View => {
            let array = column.as_string_view();
            Box::new(|row, out| string(array.value(row).as_bytes(), out))
        }
        DataType::BinaryView => {
            let array = column.as_binary_view();
            Box::new(|row, out| string(array.value(row), out))
        }
        DataType::Float32 => {
            let array = column.as_primitive::<Float32Type>();
            Box::new(|row, out| Float64Type::put_le(f64::from(array.value(row)) + 0.0, out))
        }
        DataType::Float64 => {
            let array = column.as_primitive::<Float64Type>();
            Box::new(|row, out| Float64Type::put_le(array.value(row) + 0.0, out))
        }
        DataType::Decimal128(..) => {
            let array = column.as_primitive::<Decimal128Type>();
            Box::new(|row, out| Decimal128Type::put_le(array.value(row), out))
        }
        // All widths alike: a column may become wider, and its keys stay the same.
        other => with_integer_type!(other, T => {
            let array = column.as_primitive::<T>();
            Box::new(|row, out: &mut Vec<u8>| {
                out.extend_from_slice(&T::widen(array.value(row)).to_le_bytes());
            })
        }, else return Err(Error::Invalid("a key column of an unsupported type".into()))),
    })
}

/// The hashes are already random: their low half is as good as any hash of them.
#[derive(Default)]
pub(crate) struct LowHalf(u64);

impl Hasher for LowHalf {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

/// The values of one key.
pub(crate) type KeySet = HashSet<KeyHash, BuildHasherDefault<LowHalf>>;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, StringViewArray};
    use std::sync::Arc;

    fn text(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(values.iter().collect::<StringViewArray>())
    }

    #[test]
    fn equal_keys_have_equal_hashes_and_shifted_bytes_do_not() {
        let hasher = KeyHasher::new([1, 2]);
        let first = text(&[Some("ab"), Some("a"), Some("ab"), None]);
        let second = text(&[Some("c"), Some("bc"), Some("c"), Some("c")]);
        let hashes = hasher.hash(&[first, second]).unwrap();
        assert_eq!(hashes[0], hashes[2]);
        assert_ne!(hashes[0], hashes[1]);
        assert_eq!(hashes[3], None);
    }

    #[test]
    fn negative_zero_equals_zero() {
        let column: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0]));
        let hashes = KeyHasher::new([1, 2]).hash(&[column]).unwrap();
        assert_eq!(hashes[0], hashes[1]);
    }
}
