//! What tests of exports share: a column of numbers, one of bytes, and a printer of both.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BinaryArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::StreamExt;

use super::{Compression, Delivery, Encoding, ExportSpec, Layout, export};
use crate::cancel::Cancel;
use crate::error::BoxError;
use crate::place::Place;
use crate::text::{CellText, ColumnText, TextRules};

#[derive(Debug)]
struct Printed;

impl CellText for Printed {
    fn bind<'a>(
        &'a self,
        batch: &'a RecordBatch,
        _places: &[usize],
    ) -> Result<Vec<ColumnText<'a>>, BoxError> {
        let columns = batch.columns().iter();
        let printers = columns.map(|array| -> ColumnText<'a> {
            Box::new(move |row, out| {
                if array.is_null(row) {
                    return Ok(false);
                }
                match array.as_binary_opt::<i32>() {
                    Some(bytes) => out.extend_from_slice(bytes.value(row)),
                    None => {
                        let number = array.as_primitive::<Int64Type>().value(row);
                        out.extend_from_slice(number.to_string().as_bytes());
                    }
                }
                Ok(true)
            })
        });
        Ok(printers.collect())
    }
}

pub(super) fn rows(bytes: &[&[u8]]) -> RecordBatch {
    let numbers: Int64Array = (0..bytes.len() as i64).collect();
    let bytes: BinaryArray = bytes.iter().map(|bytes| Some(*bytes)).collect();
    let columns: [(&str, Arc<dyn Array>); 2] = [("n", Arc::new(numbers)), ("b", Arc::new(bytes))];
    RecordBatch::try_from_iter(columns).expect("a batch")
}

/// Text, with a manifest.
pub(super) fn spec(place: Place) -> ExportSpec {
    ExportSpec {
        place,
        layout: Layout::Parts {
            manifest: true,
            extension: String::new(),
        },
        encoding: Encoding::Text {
            rules: TextRules::csv(),
            header: false,
            compression: Compression::None,
        },
        schema: rows(&[]).schema(),
        cells: Arc::new(Printed),
        partition_by: Vec::new(),
        overwrite: false,
        part_bytes: 6 << 30,
        threads: 1,
    }
}

pub(super) async fn run(spec: ExportSpec, batches: Vec<RecordBatch>, cancel: Cancel) -> Delivery {
    let batches = futures::stream::iter(batches).map(Ok).boxed();
    export(spec, batches, Arc::default(), cancel).await
}
