//! Files as record batches.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use storno_transfer::{Cancel, FileReader, Found, ParquetFile, Place, files_of};
use tokio::runtime::Handle;

use super::call::FilesCall;
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::load::{
    FileFormat, Format, JsonRows, TextRows, TypedRows, decoded, json_names, places_of, unreadable,
};

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// Files whose columns are known.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    pub(super) schema: SchemaRef,
    pub(super) files: Vec<Found>,
    place: Place,
    call: Arc<FilesCall>,
    handle: Handle,
}

/// Finds the files of a call and looks into the first. To be run on `handle`.
pub(crate) async fn open(place: Place, call: FilesCall, handle: Handle) -> Result<Opened> {
    let files = files_of(&place, call.which).await?;
    let opened = Opened {
        schema: Arc::new(Schema::empty()),
        files,
        place,
        call: Arc::new(call),
        handle: handle.clone(),
    };
    let look = move || -> Result<Opened> {
        let schema = opened.look()?;
        Ok(Opened { schema, ..opened })
    };
    let looked = handle.spawn_blocking(look).await;
    looked.map_err(|e| SqlError::internal(e.to_string()))?
}

impl Opened {
    fn reader(&self, file: &Found, cancel: &Cancel) -> Result<Box<dyn Read + Send>> {
        let files = vec![file.clone()];
        let reader = FileReader::new(
            self.place.clone(),
            files,
            self.handle.clone(),
            cancel.clone(),
        );
        decoded(reader, self.call.compression).map_err(|e| unreadable(&e))
    }

    fn parquet(&self, file: &Found, cancel: &Cancel) -> Result<ParquetFile> {
        let (place, handle) = (self.place.clone(), self.handle.clone());
        Ok(ParquetFile::open(
            place,
            file.clone(),
            handle,
            cancel.clone(),
        )?)
    }

    /// Runs a reader on a thread of its own, where it may wait for a client as long as that likes: the threads
    /// that wait for stores are few, and everybody's.
    pub(super) fn spawn(read: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new().name("storno-files".into());
        let spawned = thread.spawn(read);
        spawned
            .map(drop)
            .map_err(|e| SqlError::internal(e.to_string()))
    }

    fn format(&self) -> Format {
        match self.call.layout {
            FileFormat::Csv => Format::csv(),
            _ => Format::default(),
        }
    }

    /// Names and types of the first file.
    fn look(&self) -> Result<SchemaRef> {
        let cancel = Cancel::default();
        let Some(first) = self.files.first() else {
            return Err(SqlError::wrong_value("FILES", "no files"));
        };
        let fields: Vec<Field> = match self.call.layout {
            FileFormat::Parquet => {
                let file = self.parquet(first, &cancel)?;
                let fields = file.schema().fields().iter();
                let fields = fields.map(|field| {
                    let data_type = plain_type(field.data_type())?;
                    Ok(Field::new(field.name().to_lowercase(), data_type, true))
                });
                fields.collect::<Result<_>>()?
            }
            FileFormat::Ndjson => texts(json_names(self.reader(first, &cancel)?)?),
            FileFormat::Lines | FileFormat::Csv => {
                let reader = self.reader(first, &cancel)?;
                let mut rows = TextRows::new(reader, self.format(), None);
                let mut row = Vec::new();
                rows.next(&mut row)?;
                let name = |(at, value): (usize, Scalar)| match value {
                    Scalar::Text(name) if self.call.header => name,
                    _ => format!("c{}", at + 1),
                };
                texts(row.into_iter().enumerate().map(name).collect())
            }
        };
        if fields.is_empty() {
            return Err(SqlError::wrong_value("FILES", "a file without columns"));
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    /// The rows of a file, of these columns alone. Blocking; `take` says whether to go on, and so does the result.
    pub(super) fn read(
        &self,
        file: &Found,
        columns: &[usize],
        cancel: &Cancel,
        take: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<bool> {
        let schema = self.schema.project(columns);
        let schema = Arc::new(schema.map_err(|e| SqlError::internal(e.to_string()))?);
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let mut rows: Box<dyn TypedRows> = match self.call.layout {
            FileFormat::Parquet => return self.read_parquet(file, &schema, cancel, take),
            FileFormat::Ndjson => Box::new(JsonRows::new(self.reader(file, cancel)?, names)),
            FileFormat::Lines | FileFormat::Csv => {
                let reader = self.reader(file, cancel)?;
                let mut rows = TextRows::new(reader, self.format(), Some(columns.to_vec()));
                if self.call.header {
                    rows.next(&mut Vec::new())?;
                }
                Box::new(rows)
            }
        };
        while let Some(batch) = text_batch(rows.as_mut(), &schema)? {
            cancel.check()?;
            if !take(batch) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read_parquet(
        &self,
        file: &Found,
        schema: &SchemaRef,
        cancel: &Cancel,
        take: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<bool> {
        let opened = self.parquet(file, cancel)?;
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let places = places_of(opened.schema(), &names)?;
        let mut columns = places.clone();
        columns.sort_unstable();
        for batch in opened.read(&columns)? {
            let batch = batch?;
            let arrays = places.iter().zip(schema.fields()).map(|(place, field)| {
                let at = columns.binary_search(place).unwrap_or(0);
                let array = batch
                    .columns()
                    .get(at)
                    .map(|array| cast(array, field.data_type()));
                let missing = || SqlError::internal("a column is missing");
                array
                    .ok_or_else(missing)?
                    .map_err(|e| SqlError::internal(e.to_string()))
            });
            let arrays: Vec<ArrayRef> = arrays.collect::<Result<_>>()?;
            if !take(batch_of(schema, arrays, batch.num_rows())?) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn texts(names: Vec<String>) -> Vec<Field> {
    let names = names.into_iter();
    names
        .map(|name| Field::new(name.to_lowercase(), DataType::Utf8View, true))
        .collect()
}

/// The type that values of a file have in expressions.
fn plain_type(data_type: &DataType) -> Result<DataType> {
    use DataType::*;
    Ok(match data_type {
        Utf8 | LargeUtf8 | Utf8View | Null => Utf8View,
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => BinaryView,
        Float16 => Float32,
        Date64 => Date32,
        Decimal32(p, s) | Decimal64(p, s) => Decimal128(*p, *s),
        Time32(_) | Time64(_) => Duration(TimeUnit::Microsecond),
        Timestamp(..) => Timestamp(TimeUnit::Microsecond, None),
        Dictionary(_, values) => plain_type(values)?,
        other if other.is_nested() => {
            return Err(SqlError::not_supported(&format!(
                "FILES with a column of {other}"
            )));
        }
        other => other.clone(),
    })
}

/// The next rows as texts; `None` at the end.
fn text_batch(rows: &mut dyn TypedRows, schema: &SchemaRef) -> Result<Option<RecordBatch>> {
    let mut columns: Vec<StringViewBuilder> = schema
        .fields()
        .iter()
        .map(|_| StringViewBuilder::new())
        .collect();
    let (mut row, mut count) = (Vec::new(), 0);
    while count < BATCH_ROWS && rows.next(&mut row)? {
        for (column, value) in columns.iter_mut().zip(&row) {
            match value {
                Scalar::Null => column.append_null(),
                Scalar::Text(text) | Scalar::Decimal(text) => column.append_value(text),
                Scalar::Int(value) => column.append_value(value.to_string()),
                Scalar::Double(value) => column.append_value(crate::types::double_text(*value)),
                _ => column.append_null(),
            }
        }
        count += 1;
    }
    if count == 0 {
        return Ok(None);
    }
    let arrays = columns
        .iter_mut()
        .map(|column| Arc::new(column.finish()) as ArrayRef);
    batch_of(schema, arrays.collect(), count).map(Some)
}

/// Of no columns, too: COUNT(*) asks for none.
fn batch_of(schema: &SchemaRef, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options);
    batch.map_err(|e| SqlError::internal(e.to_string()))
}
