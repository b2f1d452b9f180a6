//! What a statement gives its client: an OK, or columns and a stream of batches.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::stream::{self, BoxStream, StreamExt};

use crate::error::Result;
use crate::functions::warnings::Sink;
use crate::session::process::Running;
use crate::types::FieldType;

/// A result of one statement.
#[derive(Debug)]
pub enum Outcome {
    Done(Done),
    Rows(Rows),
    /// The client is to send the file of this name: `Session::file_data` and `file_end` follow.
    File(String),
}

impl Outcome {
    /// ROW_COUNT() after the statement.
    pub(crate) fn row_count(&self) -> i64 {
        match self {
            Self::Done(done) => i64::try_from(done.affected_rows).unwrap_or(i64::MAX),
            Self::Rows(_) | Self::File(_) => -1,
        }
    }

    /// Keeps the statement shown as running until its last row is on its way; an error on that way is
    /// the statement's.
    pub(crate) fn during(self, running: Running, sink: Sink) -> Self {
        match self {
            other @ (Self::Done(_) | Self::File(_)) => other,
            Self::Rows(rows) => Self::Rows(Rows {
                batches: rows
                    .batches
                    .map(move |batch| {
                        let _ = &running;
                        batch.inspect_err(|error| sink.push_error(error))
                    })
                    .boxed(),
                ..rows
            }),
        }
    }
}

/// An OK packet's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    pub affected_rows: u64,
    pub last_insert_id: u64,
    /// `Records: 3  Duplicates: 0  Warnings: 0`, mostly empty.
    pub info: String,
}

/// A result set. Arrays of every batch are in the order of `columns`.
pub struct Rows {
    pub columns: Vec<ResultColumn>,
    pub schema: SchemaRef,
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

/// A column definition packet's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    pub schema: String,
    /// Alias of the table in the statement, and its own name.
    pub table: String,
    pub org_table: String,
    pub name: String,
    pub org_name: String,
    pub field: FieldType,
    /// Of text, where it is not that of the table's column or the connection's. Clients are not told.
    pub collation: Option<String>,
}

impl ResultColumn {
    /// A column that comes from no table.
    pub fn computed(name: impl Into<String>, field: FieldType) -> Self {
        Self {
            schema: String::new(),
            table: String::new(),
            org_table: String::new(),
            name: name.into(),
            org_name: String::new(),
            field,
            collation: None,
        }
    }
}

impl Rows {
    /// A result set that is there already, as SHOW gives it.
    pub fn of_batch(columns: Vec<ResultColumn>, batch: RecordBatch) -> Self {
        let schema = batch.schema();
        Self {
            columns,
            schema,
            batches: stream::iter([Ok(batch)]).boxed(),
        }
    }

    /// A table of texts under the given headings; `None` is NULL.
    pub fn of_texts(names: &[&str], rows: &[Vec<Option<String>>]) -> Result<Self> {
        let arrays = (0..names.len()).map(|i| {
            let values = rows.iter().map(|row| row.get(i).and_then(|v| v.as_deref()));
            Arc::new(values.collect::<StringViewArray>()) as ArrayRef
        });
        let arrays: Vec<ArrayRef> = arrays.collect();
        let fields: Vec<Field> = names
            .iter()
            .map(|n| Field::new(*n, DataType::Utf8View, true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema, arrays)
            .map_err(|e| crate::SqlError::internal(e.to_string()))?;
        let field = FieldType::of_expression(&DataType::Utf8View, true);
        let columns = names
            .iter()
            .map(|n| ResultColumn::computed(*n, field))
            .collect();
        Ok(Self::of_batch(columns, batch))
    }
}
