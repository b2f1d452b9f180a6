//! Collations of columns as storage's folds of keys: a unique key takes for one what compares equal.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewBuilder};
use storno_storage::{BoxError, ColumnSpec, KeyFold, KeyFolds};

use super::order::Order;
use crate::types::ColumnAttributes;

/// The folds of Storno's columns: what `storno_storage::Options::folds` is to be for a directory of tables.
pub fn key_folds() -> Arc<dyn KeyFolds> {
    Arc::new(CollationFolds)
}

#[derive(Debug)]
struct CollationFolds;

#[derive(Debug)]
struct OrderFold {
    order: Order,
}

impl KeyFolds for CollationFolds {
    fn of(&self, column: &ColumnSpec) -> Option<Arc<dyn KeyFold>> {
        let attributes = ColumnAttributes::from_json(&column.attributes).ok()?;
        let order = attributes.key_order()?;
        Some(Arc::new(OrderFold { order }))
    }
}

impl KeyFold for OrderFold {
    fn name(&self) -> &str {
        self.order.name()
    }

    fn fold(&self, values: &ArrayRef) -> Result<ArrayRef, BoxError> {
        let strings = values
            .as_string_view_opt()
            .ok_or("a fold of what is no text")?;
        Ok(Arc::new(keys_of(self.order, strings.iter(), strings.len())))
    }
}

/// The keys of strings as an array; NULL stays NULL.
pub(crate) fn keys_of<'a>(
    order: Order,
    strings: impl Iterator<Item = Option<&'a str>>,
    count: usize,
) -> arrow::array::BinaryViewArray {
    let (mut keys, mut key) = (BinaryViewBuilder::with_capacity(count), Vec::new());
    for string in strings {
        match string {
            Some(string) => {
                key.clear();
                order.put_key(string, &mut key);
                keys.append_value(&key);
            }
            None => keys.append_null(),
        }
    }
    keys.finish()
}
