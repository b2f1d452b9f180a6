//! The keys of one side of a join, and the test of values of the other: whether they are among them.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, BinaryViewBuilder, BooleanArray};
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result;
use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use storno_storage::{BoxError, FoldedEquality, ValueTest};

use crate::collation::{Order, same_of};
use crate::functions::collated::SameStrings;
use crate::functions::failure::internal;

/// How values become bytes that are equal where they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sameness(pub(super) Option<Order>);

impl Sameness {
    /// Of values of a column; NULL stays NULL.
    pub(super) fn of(self, values: &ArrayRef) -> Result<BinaryViewArray> {
        match (self.0, values.data_type()) {
            (Some(order), DataType::Utf8View) => {
                return Ok(same_of(order, values.as_string_view()));
            }
            // Made of strings already.
            (Some(_), DataType::BinaryView) | (None, _) => {}
            (Some(_), _) => return Err(internal("a key of strings that is of none")),
        }
        match values.data_type() {
            DataType::Utf8View => Ok(values.as_string_view().clone().to_binary_view()),
            DataType::BinaryView => Ok(values.as_binary_view().clone()),
            other => {
                let converter = RowConverter::new(vec![SortField::new(other.clone())])?;
                let rows = converter.convert_columns(&[Arc::clone(values)])?;
                let mut bytes = BinaryViewBuilder::with_capacity(values.len());
                for (at, row) in rows.iter().enumerate() {
                    bytes.append_option(values.is_valid(at).then_some(row));
                }
                Ok(bytes.finish())
            }
        }
    }
}

/// So many keys are copied for each segment that is asked.
const FEW: usize = 32_768;

/// Different keys, found by value.
pub(super) struct Keys {
    sameness: Sameness,
    /// Of the keys, to which that of the values may be widened.
    data_type: DataType,
    bytes: BinaryViewArray,
    /// Positions in `bytes`.
    positions: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Whether a key occurred more than once.
    pub(super) repeat: bool,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.positions.len())
    }
}

impl Keys {
    /// Of what `sameness` has made of keys of a type; NULL is no key.
    pub(super) fn new(
        (sameness, data_type): (Sameness, DataType),
        arrays: &[BinaryViewArray],
    ) -> Result<Self> {
        let arrays: Vec<&dyn Array> = arrays.iter().map(|array| array as &dyn Array).collect();
        let bytes = match arrays.is_empty() {
            true => BinaryViewBuilder::new().finish(),
            false => concat(&arrays)?.as_binary_view().clone(),
        };
        // Positions have 32 bits.
        if bytes.len() > u32::MAX as usize {
            return Err(internal("too many keys of a join"));
        }
        let mut keys = Self {
            sameness,
            data_type,
            positions: HashTable::with_capacity(bytes.len()),
            hasher: DefaultHashBuilder::default(),
            repeat: false,
            bytes,
        };
        let (bytes, hasher) = (&keys.bytes, &keys.hasher);
        let hash = |key: &[u8]| hasher.hash_one(key);
        for (at, key) in bytes.iter().enumerate() {
            let Some(key) = key else { continue };
            let is_it = |other: &u32| bytes.value(*other as usize) == key;
            let entry = keys
                .positions
                .entry(hash(key), is_it, |other| hash(bytes.value(*other as usize)));
            match entry {
                Entry::Occupied(_) => keys.repeat = true,
                Entry::Vacant(free) => {
                    free.insert(at as u32);
                }
            }
        }
        Ok(keys)
    }

    /// Bytes that it holds.
    pub(super) fn memory(&self) -> usize {
        self.bytes.get_buffer_memory_size() + self.positions.capacity() * 2 * size_of::<u32>()
    }

    fn has(&self, key: &[u8]) -> bool {
        let hash = self.hasher.hash_one(key);
        let is_it = |other: &u32| self.bytes.value(*other as usize) == key;
        self.positions.find(hash, is_it).is_some()
    }
}

impl ValueTest for Keys {
    fn test(&self, values: &ArrayRef) -> std::result::Result<BooleanArray, BoxError> {
        let widened = self.sameness.0.is_none() && values.data_type() != &self.data_type;
        let values = match widened {
            true => self.sameness.of(&cast(values, &self.data_type)?)?,
            false => self.sameness.of(values)?,
        };
        let answers = values
            .iter()
            .map(|value| Some(value.is_some_and(|key| self.has(key))));
        Ok(answers.collect())
    }

    /// Few are looked for among the strings, instead of all strings among them.
    fn equality(&self) -> Option<FoldedEquality> {
        let order = self.sameness.0.filter(|_| self.positions.len() <= FEW)?;
        let keys = self.positions.iter();
        let keys = keys.map(|&at| self.bytes.value(at as usize).to_vec());
        Some(FoldedEquality {
            fold: Arc::new(SameStrings(order)),
            keys: keys.collect(),
            equal: true,
        })
    }
}
