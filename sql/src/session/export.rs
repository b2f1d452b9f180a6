//! SELECT .. INTO files: a query whose rows an export job takes, and what the client is told of it.
//!
//! A session that ends, or whose statement is killed, cancels its job; the job cleans up on its own
//! threads. With ASYNC nothing but KILL EXPORT does.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, RecordBatch, StringViewArray, UInt64Array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use futures::StreamExt;
use storno_transfer::{Cancel, Compression, Encoding, ExportSpec, Layout, Place};

use super::variables::known;
use super::{Session, done, secrets};
use crate::dialect::{Lexed, lex};
use crate::error::{Result, SqlError};
use crate::export::{Asked, Content, ExportStatement, Job, JobEnd, Target, Where, open_store};
use crate::insert::Scalar;
use crate::result::{Outcome, ResultColumn, Rows};
use crate::select::in_order;
use crate::types::{FieldType, same_name};

/// For decoded dictionaries of the segments that an export reads at a time.
const CACHE_BYTES: usize = 48 << 20;

/// Cancels a job when nobody waits for it any more.
pub(super) struct Waiting(pub(super) Cancel);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Session {
    /// `at`: the token INTO.
    pub(super) async fn export(
        &mut self,
        lexed: Lexed,
        at: usize,
        params: Vec<Scalar>,
    ) -> Result<Outcome> {
        let statement = ExportStatement::parse(&lexed, at)?;
        let place = self.export_place(&statement)?;
        let rows = self.exported_rows(&statement, params).await?;
        let url = place.url();
        let spec = self.export_spec(&statement, place, &rows)?;
        let asked = Asked {
            connection: self.context.connection_id,
            user: self.context.user.clone(),
            url,
            statement: secrets::hidden(&lexed.text).into_owned(),
        };
        let job = self.engine.jobs().begin(asked, spec, rows)?;
        if statement.detached {
            return begun(&job).map(Outcome::Rows);
        }
        let waiting = Waiting(job.cancel.clone());
        let JobEnd { took, result, .. } = job.wait().await?;
        drop(waiting);
        let summary = result?;
        if matches!(statement.target, Target::File(_)) {
            return Ok(done(summary.rows));
        }
        let millis = i128::try_from(took.as_millis()).unwrap_or(i128::MAX);
        let columns: [(&str, ArrayRef); 5] = [
            ("files", counted(summary.files)),
            ("rows", counted(summary.rows)),
            ("bytes", counted(summary.bytes)),
            ("seconds", seconds(millis)?),
            ("manifest", texts(summary.manifest)),
        ];
        table(columns.into()).map(Outcome::Rows)
    }

    /// The columns of an export's result.
    pub(super) fn export_columns(lexed: &Lexed, at: usize) -> Result<Vec<ResultColumn>> {
        let statement = ExportStatement::parse(lexed, at)?;
        if matches!(statement.target, Target::File(_)) {
            return Ok(Vec::new());
        }
        let columns: Vec<(&str, ArrayRef)> = match statement.detached {
            true => vec![("id", counted(0)), ("url", texts(None))],
            false => vec![
                ("files", counted(0)),
                ("rows", counted(0)),
                ("bytes", counted(0)),
                ("seconds", seconds(0)?),
                ("manifest", texts(None)),
            ],
        };
        Ok(table(columns)?.columns)
    }

    fn export_place(&self, statement: &ExportStatement) -> Result<Place> {
        let place = match &statement.target {
            Target::File(name) => Where::Url(format!("file://{name}")),
            Target::Url(url) => Where::Url(url.clone()),
            Target::Link { name, path } => Where::Link {
                name: name.clone(),
                path: path.clone(),
            },
        };
        let place = self.open_place(&place, &statement.options)?;
        match place.path().as_ref().is_empty() {
            true => Err(SqlError::wrong_value("URL", "no name behind the bucket")),
            false => Ok(place),
        }
    }

    /// Opens a place with what the configuration permits.
    pub(super) fn open_place(
        &self,
        place: &Where,
        options: &crate::export::StoreOptions,
    ) -> Result<Place> {
        let permitted = self.variables.get(known!("secure_file_priv"));
        let permitted = (self.engine.reach(), &*permitted);
        open_store(place, options, self.engine.store(), permitted)
    }

    async fn exported_rows(
        &mut self,
        statement: &ExportStatement,
        params: Vec<Scalar>,
    ) -> Result<Rows> {
        let mut view = self.read_view();
        view.snapshot = view.snapshot.read_apart(CACHE_BYTES);
        let query = lex(&statement.query)?;
        let mut compiled = self.compile_over(view, query, params, None).await?;
        // The same rows make the same files.
        compiled.plan = in_order(compiled.plan)?;
        // The job may be longer than the statement: it ends the query when it lets go of its rows.
        let going_on = self.sink.outlive();
        let rows = self.start(compiled)?;
        let batches = rows.batches.map(move |batch| {
            let _ = &going_on;
            batch
        });
        Ok(Rows {
            batches: batches.boxed(),
            ..rows
        })
    }

    fn export_spec(
        &self,
        statement: &ExportStatement,
        place: Place,
        rows: &Rows,
    ) -> Result<ExportSpec> {
        let by = statement.partition_by.iter();
        let by = by.map(|name| {
            let mut columns = rows.columns.iter();
            let found = columns.position(|column| same_name(&column.name, name));
            found.ok_or_else(|| SqlError::unknown_column(name, "PARTITION BY"))
        });
        let (encoding, extension) = encoding(&statement.content);
        let layout = match (&statement.target, &statement.content) {
            (Target::File(_), _) => Layout::Single,
            (_, Content::Delta) => Layout::Delta,
            _ => Layout::Parts {
                manifest: statement.manifest,
                extension: extension.into(),
            },
        };
        Ok(ExportSpec {
            place,
            encoding,
            schema: named_schema(rows),
            cells: self.engine.cells(rows.columns.clone())?,
            partition_by: by.collect::<Result<_>>()?,
            overwrite: statement.overwrite,
            // MySQL's one file may be of any size.
            part_bytes: match layout {
                Layout::Single => u64::MAX,
                _ => statement.part_bytes,
            },
            layout,
            threads: self.engine.threads(),
        })
    }
}

fn encoding(content: &Content) -> (Encoding, &'static str) {
    match content {
        Content::Parquet | Content::Delta => (Encoding::Parquet, ".parquet"),
        Content::Dump => (Encoding::Dump, ""),
        Content::Text {
            rules,
            header,
            compression,
        } => {
            let extension = match compression {
                Compression::None => "",
                Compression::Gzip => ".gz",
                Compression::Zstd => ".zst",
            };
            let encoding = Encoding::Text {
                rules: rules.clone(),
                header: *header,
                compression: *compression,
            };
            (encoding, extension)
        }
    }
}

/// The batches' types under the names that the client would see.
fn named_schema(rows: &Rows) -> SchemaRef {
    let fields = rows.schema.fields().iter().zip(&rows.columns);
    let fields = fields.map(|(field, column)| {
        Field::new(&column.name, field.data_type().clone(), field.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// What a client is told that does not wait.
fn begun(job: &Job) -> Result<Rows> {
    table(vec![
        ("id", counted(job.id)),
        ("url", texts(Some(job.url.clone()))),
    ])
}

pub(super) fn counted(value: u64) -> ArrayRef {
    Arc::new(UInt64Array::from(vec![value]))
}

pub(super) fn seconds(millis: i128) -> Result<ArrayRef> {
    let value = Decimal128Array::from(vec![millis]).with_precision_and_scale(14, 3);
    let value = value.map_err(|e| SqlError::internal(e.to_string()))?;
    Ok(Arc::new(value))
}

pub(super) fn texts(value: Option<String>) -> ArrayRef {
    Arc::new(StringViewArray::from(vec![value.as_deref()]))
}

/// A result of one row.
pub(super) fn table(columns: Vec<(&str, ArrayRef)>) -> Result<Rows> {
    let described = columns.iter().map(|(name, array)| {
        let field = FieldType::of_expression(array.data_type(), array.is_nullable());
        ResultColumn::computed(*name, field)
    });
    let described = described.collect();
    let batch = RecordBatch::try_from_iter(columns);
    let batch = batch.map_err(|e| SqlError::internal(e.to_string()))?;
    Ok(Rows::of_batch(described, batch))
}
