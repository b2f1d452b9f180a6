//! Types of the columns of a Parquet file: the result's own, but for those that readers do not know.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::error::{Result, TransferError};
use crate::text::CellText;

/// How a column gets into the file.
#[derive(Debug, Clone, PartialEq)]
enum Way {
    Keep,
    Null,
    Cast(DataType),
    /// As it is printed.
    Text,
}

/// The file's schema and the way of each column into it.
#[derive(Debug, Clone)]
pub(super) struct FileSchema {
    pub(super) schema: SchemaRef,
    ways: Vec<Way>,
    /// Which columns of the result they are.
    places: Vec<usize>,
}

/// Readers find columns by name.
pub(super) fn check_names(schema: &Schema) -> Result<()> {
    let mut seen = HashSet::new();
    for field in schema.fields() {
        if !seen.insert(field.name().to_lowercase()) {
            return Err(TransferError::DuplicateColumn(field.name().clone()));
        }
    }
    Ok(())
}

impl FileSchema {
    /// `delta`: with the types of Delta tables alone.
    pub(super) fn new(schema: &Schema, places: Vec<usize>, delta: bool) -> Self {
        let ways: Vec<Way> = schema
            .fields()
            .iter()
            .map(|field| way(field.data_type(), delta))
            .collect();
        let fields = schema.fields().iter().zip(&ways).map(|(field, way)| {
            let data_type = match way {
                Way::Keep => field.data_type().clone(),
                Way::Cast(to) => to.clone(),
                Way::Null | Way::Text => DataType::Utf8,
            };
            Field::new(field.name(), data_type, true)
        });
        Self {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            ways,
            places,
        }
    }

    pub(super) fn apply(&self, batch: &RecordBatch, cells: &dyn CellText) -> Result<RecordBatch> {
        let columns = batch.columns().iter().zip(&self.ways).enumerate();
        let columns = columns.map(|(at, (array, way))| match way {
            Way::Keep => Ok(Arc::clone(array)),
            Way::Null => Ok(new_null_array(&DataType::Utf8, array.len())),
            Way::Cast(to) => Ok(cast(array, to)?),
            Way::Text => {
                let place = self.places.get(at).copied().unwrap_or(at);
                printed(&batch.project(&[at])?, place, cells)
            }
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_>>()?;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

fn way(data_type: &DataType, delta: bool) -> Way {
    use DataType::*;
    match data_type {
        Null => Way::Null,
        // MySQL's TIME is longer than a day and may be negative, which no reader's TIME is.
        Duration(_) | Time32(_) | Time64(_) => Way::Text,
        Float16 => Way::Cast(Float32),
        Decimal32(p, s) | Decimal64(p, s) => Way::Cast(Decimal128(*p, *s)),
        Timestamp(TimeUnit::Microsecond, None) => Way::Keep,
        Timestamp(..) => Way::Cast(Timestamp(TimeUnit::Microsecond, None)),
        Dictionary(_, values) => match way(values, delta) {
            Way::Keep => Way::Cast(values.as_ref().clone()),
            other => other,
        },
        UInt8 if delta => Way::Cast(Int16),
        UInt16 if delta => Way::Cast(Int32),
        UInt32 if delta => Way::Cast(Int64),
        UInt64 if delta => Way::Cast(Decimal128(20, 0)),
        Decimal256(..) if delta => Way::Text,
        _ => Way::Keep,
    }
}

/// A column, given alone, as text.
fn printed(alone: &RecordBatch, place: usize, cells: &dyn CellText) -> Result<ArrayRef> {
    let printers = cells.bind(alone, &[place]).map_err(TransferError::Source)?;
    let Some(printer) = printers.first() else {
        return Ok(new_null_array(&DataType::Utf8, alone.num_rows()));
    };
    let mut out = StringBuilder::with_capacity(alone.num_rows(), alone.num_rows() * 10);
    let mut value = Vec::new();
    for row in 0..alone.num_rows() {
        value.clear();
        match printer(row, &mut value).map_err(TransferError::Source)? {
            true => out.append_value(String::from_utf8_lossy(&value)),
            false => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_readers_lack_are_replaced() {
        let schema = Schema::new(vec![
            Field::new("a", DataType::UInt64, false),
            Field::new("b", DataType::Duration(TimeUnit::Microsecond), true),
            Field::new("c", DataType::Null, true),
        ]);
        let of = |delta| {
            let file = FileSchema::new(&schema, vec![0, 1, 2], delta);
            let fields = file.schema.fields().iter();
            fields.map(|f| f.data_type().clone()).collect::<Vec<_>>()
        };
        assert_eq!(
            of(false),
            [DataType::UInt64, DataType::Utf8, DataType::Utf8]
        );
        assert_eq!(of(true).first(), Some(&DataType::Decimal128(20, 0)));
    }

    #[test]
    fn a_name_that_comes_twice_is_an_error() {
        let field = |name| Field::new(name, DataType::Int32, true);
        assert!(check_names(&Schema::new(vec![field("a"), field("A")])).is_err());
        assert!(check_names(&Schema::new(vec![field("a"), field("b")])).is_ok());
    }
}
