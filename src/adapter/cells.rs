//! The protocol's text of values, lent to `sql` for the files that it writes.

use std::sync::Arc;

use arrow::array::RecordBatch;
use storno_sql::ResultColumn;
use storno_sql::transfer::{BoxError, CellText, ColumnText};
use storno_wire as wire;

/// Prints the values of a result as a client is sent them.
pub(crate) fn cells(columns: Vec<ResultColumn>) -> Arc<dyn CellText> {
    let columns = columns.into_iter().map(super::column::column).collect();
    Arc::new(Cells(columns))
}

#[derive(Debug)]
struct Cells(Vec<wire::Column>);

impl CellText for Cells {
    fn bind<'a>(
        &'a self,
        batch: &'a RecordBatch,
        places: &[usize],
    ) -> Result<Vec<ColumnText<'a>>, BoxError> {
        let columns = batch.columns().iter().zip(places);
        columns
            .map(|(array, place)| {
                let column = self.0.get(*place).ok_or("a column without a definition")?;
                let text = wire::ColumnText::bind(array.as_ref(), column)?;
                let put: ColumnText<'a> = Box::new(move |row, out| Ok(text.put(row, out)?));
                Ok(put)
            })
            .collect()
    }
}
