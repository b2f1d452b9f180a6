//! Files as record batches.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringViewBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use storno_transfer::{Cancel, FileReader, Found, ParquetFile, Place, files_of};
use tokio::runtime::Handle;

use super::call::FilesCall;
use super::fit::{fitted, plain_type};
use super::part::{Part, once_each};
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::load::{
    Described, FileFormat, Format, JsonRows, Matching, Origin, TextRows, TypedRows, decoded,
    json_names, of_session, unreadable, values_in,
};
use crate::types::{TimeZone, same_name};

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// Files whose columns are known.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    /// The columns of the files, then those that directories have values for.
    pub(super) schema: SchemaRef,
    own: usize,
    pub(super) files: Vec<Found>,
    place: Place,
    call: Arc<FilesCall>,
    handle: Handle,
    /// The session's.
    time_zone: TimeZone,
}

/// Finds the files of a call and looks into the first. To be run on `handle`.
pub(crate) async fn open(
    place: Place,
    call: FilesCall,
    (handle, time_zone): (Handle, TimeZone),
) -> Result<Opened> {
    let files = files_of(&place, call.which).await?;
    let opened = Opened {
        schema: Arc::new(Schema::empty()),
        own: 0,
        files,
        place,
        call: Arc::new(call),
        handle: handle.clone(),
        time_zone,
    };
    let look = move || -> Result<Opened> {
        let mut fields = once_each(opened.look()?, opened.call.layout)?;
        let own = fields.len();
        opened.add_directories(&mut fields);
        Ok(Opened {
            schema: Arc::new(Schema::new(fields)),
            own,
            ..opened
        })
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
    fn look(&self) -> Result<Vec<Field>> {
        let cancel = Cancel::default();
        let Some(first) = self.files.first() else {
            return Err(SqlError::wrong_value("FILES", "no files"));
        };
        let fields: Vec<Field> = match self.call.layout {
            FileFormat::Parquet => {
                let file = self.parquet(first, &cancel)?;
                let fields = file.schema().fields().iter();
                let fields = fields.map(|field| {
                    // Whose values nobody asks for is no matter.
                    let data_type = match field.data_type().is_nested() {
                        true => DataType::Utf8View,
                        false => plain_type(field.data_type())?,
                    };
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
                let name = |(at, value): (usize, Option<Scalar>)| match value {
                    Some(Scalar::Text(name)) if self.call.header => name,
                    _ => format!("c{}", at + 1),
                };
                texts(row.into_iter().enumerate().map(name).collect())
            }
        };
        if fields.is_empty() {
            return Err(SqlError::wrong_value("FILES", "a file without columns"));
        }
        Ok(fields)
    }

    /// Names that directories have values for and files do not.
    fn add_directories(&self, fields: &mut Vec<Field>) {
        for file in &self.files {
            let values = values_in(&self.place.url_of(&file.path));
            for (name, _) in values {
                if !fields.iter().any(|field| same_name(field.name(), &name)) {
                    fields.extend(texts(vec![name]));
                }
            }
        }
    }

    /// The rows of a file, of these columns alone. Blocking; `take` says whether to go on, and so does the result.
    pub(super) fn read(
        &self,
        file: &Found,
        columns: &[usize],
        cancel: &Cancel,
        take: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<bool> {
        let part = Part::of(
            &self.schema,
            (self.own, columns),
            &self.place.url_of(&file.path),
        )?;
        let mut rows: Box<dyn TypedRows> = match self.call.layout {
            FileFormat::Parquet => return self.read_parquet(file, &part, cancel, take),
            FileFormat::Ndjson => {
                let reader = self.reader(file, cancel)?;
                Box::new(JsonRows::new(reader, part.names()))
            }
            FileFormat::Lines | FileFormat::Csv => {
                let reader = self.reader(file, cancel)?;
                let mut rows = TextRows::new(reader, self.format(), Some(part.places().to_vec()));
                if self.call.header {
                    rows.next(&mut Vec::new())?;
                }
                Box::new(rows)
            }
        };
        while let Some((arrays, count)) = some_texts(rows.as_mut(), part.places().len())? {
            cancel.check()?;
            if !take(part.batch(arrays, count)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read_parquet(
        &self,
        file: &Found,
        part: &Part,
        cancel: &Cancel,
        take: &mut dyn FnMut(RecordBatch) -> bool,
    ) -> Result<bool> {
        let opened = self.parquet(file, cancel)?;
        let url = self.place.url_of(&file.path);
        let described = Described {
            url: &url,
            schema: opened.schema(),
            given: &[],
        };
        let origins = described.origins(&part.names(), Matching::Listed)?;
        let place = |origin: &Origin| match origin {
            Origin::Column(place) => Some(*place),
            Origin::Directory(_) => None,
        };
        let places: Vec<usize> = origins.iter().filter_map(place).collect();
        let mut columns = places.clone();
        columns.sort_unstable();
        for batch in opened.read(&columns)? {
            let batch = batch?;
            let arrays = places
                .iter()
                .zip(part.own().fields())
                .map(|(place, field)| {
                    let at = columns.binary_search(place).unwrap_or(0);
                    let array = batch.columns().get(at);
                    let array = array.ok_or_else(|| SqlError::internal("a column is missing"))?;
                    fitted(&of_session(array, self.time_zone), field, &url)
                });
            let arrays: Vec<ArrayRef> = arrays.collect::<Result<_>>()?;
            if !take(part.batch(arrays, batch.num_rows())?) {
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

/// The next rows as texts, so many columns of them, and how many they are; `None` at the end.
fn some_texts(rows: &mut dyn TypedRows, width: usize) -> Result<Option<(Vec<ArrayRef>, usize)>> {
    let mut columns: Vec<StringViewBuilder> = Vec::new();
    columns.resize_with(width, StringViewBuilder::new);
    let (mut row, mut count) = (Vec::new(), 0);
    while count < BATCH_ROWS && rows.next(&mut row)? {
        for (column, value) in columns.iter_mut().zip(&row) {
            match value {
                Some(Scalar::Text(text) | Scalar::Decimal(text)) => column.append_value(text),
                Some(Scalar::Int(value)) => column.append_value(value.to_string()),
                Some(Scalar::Double(value)) => {
                    column.append_value(crate::types::double_text(*value));
                }
                _ => column.append_null(),
            }
        }
        count += 1;
    }
    let arrays = columns
        .iter_mut()
        .map(|column| Arc::new(column.finish()) as ArrayRef);
    Ok((count > 0).then(|| (arrays.collect(), count)))
}
