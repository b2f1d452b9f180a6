//! The files of a load, one after the other, as lines or as rows with typed values.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use storno_transfer::{FileReader, Found, ParquetFile, Place};
use tokio::runtime::Handle;

use super::source::Arrived;
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::load::{
    BatchRows, Compression, Described, FileFormat, Given, JsonRows, LoadWriter, Matching, Origin,
    Progress, TypedRows, Window, decoded, of_session, unreadable, values_in,
};
use crate::types::{TimeZone, same_name};

/// Longest line.
const LINE_BYTES_MAX: usize = 64 << 20;
/// Rows between looks at whether the load is still wanted.
const LOOK_ROWS: usize = 1_024;

/// Where a load's bytes come from.
pub(super) enum Source {
    File(File),
    Client(Arrived),
    Stored(StoredFiles),
}

/// Files of a store, or of this machine where a format needs to look at several places of a file.
#[derive(Debug, Clone)]
pub(super) struct StoredFiles {
    pub(super) place: Place,
    pub(super) files: Vec<Found>,
    pub(super) handle: Handle,
    pub(super) cancel: storno_transfer::Cancel,
}

/// What of the files is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) layout: FileFormat,
    pub(super) compression: Compression,
    /// The columns that values go into, and how they are found; of typed files.
    pub(super) names: Vec<String>,
    pub(super) matching: Matching,
    pub(super) time_zone: TimeZone,
}

/// The files of a load.
pub(super) struct Input {
    waiting: VecDeque<Source>,
    wanted: Wanted,
    open: Option<Open>,
}

enum Open {
    Lines(Window<Box<dyn Read + Send>>),
    Rows(Box<dyn TypedRows>),
}

impl StoredFiles {
    fn reader(self) -> FileReader {
        FileReader::new(self.place, self.files, self.handle, self.cancel)
    }

    /// One file after the other.
    fn each(self) -> impl Iterator<Item = Self> {
        let Self {
            place,
            files,
            handle,
            cancel,
        } = self;
        files.into_iter().map(move |file| Self {
            place: place.clone(),
            files: vec![file],
            handle: handle.clone(),
            cancel: cancel.clone(),
        })
    }

    fn parquet(self) -> Result<Option<ParquetFile>> {
        let Some(file) = self.files.into_iter().next() else {
            return Ok(None);
        };
        let opened = ParquetFile::open(self.place, file, self.handle, self.cancel);
        Ok(Some(opened?))
    }

    /// Names of the first file's columns, which is one of Parquet. Blocking.
    pub(super) fn columns(&self) -> Result<Vec<String>> {
        let first = self.clone().each().next();
        let file = first.map(Self::parquet).transpose()?.flatten();
        let fields = file.iter().flat_map(|file| file.schema().fields().iter());
        Ok(fields.map(|field| field.name().clone()).collect())
    }

    /// The names that directories of the files have values for.
    pub(super) fn in_directories(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for file in &self.files {
            for (name, _) in values_in(&self.place.url_of(&file.path)) {
                if !names.iter().any(|known| same_name(known, &name)) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// The first file's name in errors, and what its directories say.
    fn described(&self) -> (String, Vec<Given>) {
        let first = self.files.first();
        let url = first.map_or_else(String::new, |file| self.place.url_of(&file.path));
        let given = values_in(&url);
        (url, given)
    }
}

impl Input {
    pub(super) fn new(source: Source, wanted: Wanted) -> Self {
        let waiting = match source {
            Source::Stored(files) => files.each().map(Source::Stored).collect(),
            one => VecDeque::from([one]),
        };
        Self {
            waiting,
            wanted,
            open: None,
        }
    }

    /// Whether all there is is one file of lines.
    pub(super) fn is_one_text(&self) -> bool {
        let lines = matches!(self.wanted.layout, FileFormat::Lines | FileFormat::Csv);
        lines && self.open.is_none() && self.waiting.len() == 1
    }

    /// The next file as lines, for a caller that reads it itself; `None`: there is none, or it has no lines.
    pub(super) fn take_text(&mut self) -> Result<Option<Window<Box<dyn Read + Send>>>> {
        let Some(source) = self.waiting.pop_front() else {
            return Ok(None);
        };
        Ok(match open(source, &self.wanted)? {
            Open::Lines(window) => Some(window),
            Open::Rows(_) => None,
        })
    }

    /// Reads until a batch is full or the last file ends.
    pub(super) fn read_on(
        &mut self,
        writer: &mut LoadWriter,
        cancelled: &AtomicBool,
    ) -> Result<Progress> {
        loop {
            check(cancelled)?;
            let open = match &mut self.open {
                Some(open) => open,
                None => {
                    let Some(source) = self.waiting.pop_front() else {
                        return Ok(Progress::Ended);
                    };
                    writer.begin_file();
                    self.open.insert(open(source, &self.wanted)?)
                }
            };
            let progress = match open {
                Open::Lines(window) => {
                    let (taken, progress) = writer.push(window.text())?;
                    window.take(taken);
                    if progress == Progress::Hungry {
                        window.fill()?;
                    }
                    progress
                }
                Open::Rows(rows) => some_rows(rows.as_mut(), writer)?,
            };
            match progress {
                Progress::Hungry => {}
                Progress::Full => return Ok(Progress::Full),
                Progress::Ended => self.open = None,
            }
        }
    }
}

fn some_rows(rows: &mut dyn TypedRows, writer: &mut LoadWriter) -> Result<Progress> {
    let mut row: Vec<Option<Scalar>> = Vec::new();
    for _ in 0..LOOK_ROWS {
        if !rows.next(&mut row)? {
            return Ok(Progress::Ended);
        }
        if writer.typed_row(&row)? == Progress::Full {
            return Ok(Progress::Full);
        }
    }
    Ok(Progress::Hungry)
}

fn open(source: Source, wanted: &Wanted) -> Result<Open> {
    let (source, described): (Box<dyn Read + Send>, _) = match source {
        Source::File(file) => (Box::new(file), None),
        Source::Client(arrived) => (Box::new(arrived), None),
        Source::Stored(files) if wanted.layout == FileFormat::Parquet => {
            return parquet(files, wanted);
        }
        Source::Stored(files) => {
            let described = files.described();
            (Box::new(files.reader()), Some(described))
        }
    };
    let file = decoded(source, wanted.compression).map_err(|e| unreadable(&e))?;
    Ok(match wanted.layout {
        FileFormat::Ndjson => Open::Rows(Box::new(json(file, described, wanted))),
        _ => Open::Lines(Window::new(file, LINE_BYTES_MAX)),
    })
}

fn json<R: Read>(file: R, described: Option<(String, Vec<Given>)>, wanted: &Wanted) -> JsonRows<R> {
    let rows = JsonRows::new(file, wanted.names.clone());
    let (url, given) = described.unwrap_or_default();
    let rows = rows.with_directories(&given, &wanted.names);
    match wanted.matching {
        Matching::All => rows.refusing_others(url),
        Matching::Listed | Matching::Placed => rows,
    }
}

fn parquet(files: StoredFiles, wanted: &Wanted) -> Result<Open> {
    let missing = || SqlError::internal("a file went missing");
    let (url, given) = files.described();
    let file = files.parquet()?.ok_or_else(missing)?;
    let described = Described {
        url: &url,
        schema: file.schema(),
        given: &given,
    };
    let mut origins = described.origins(&wanted.names, wanted.matching)?;
    let place = |origin: &Origin| match origin {
        Origin::Column(place) => Some(*place),
        Origin::Directory(_) => None,
    };
    let mut columns: Vec<usize> = origins.iter().filter_map(place).collect();
    columns.sort_unstable();
    columns.dedup();
    // Batches have the columns that are read, in the file's order.
    for origin in &mut origins {
        if let Origin::Column(place) = origin {
            *place = columns.binary_search(place).unwrap_or(0);
        }
    }
    let zone = wanted.time_zone;
    let batches = file.read(&columns)?;
    let batches = batches.map(move |batch| of_session_batch(&batch?, zone));
    Ok(Open::Rows(Box::new(BatchRows::new(batches, origins))))
}

fn of_session_batch(batch: &RecordBatch, zone: TimeZone) -> Result<RecordBatch> {
    let columns = batch.columns().iter();
    let columns: Vec<_> = columns.map(|column| of_session(column, zone)).collect();
    let schema = batch.schema();
    let fields = schema.fields().iter().zip(&columns);
    let fields = fields.map(|(field, column)| {
        field
            .as_ref()
            .clone()
            .with_data_type(column.data_type().clone())
    });
    // Of no columns, too: directories may say all that is wanted.
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .map_err(|e| SqlError::internal(e.to_string()))
}

pub(super) fn check(cancelled: &AtomicBool) -> Result<()> {
    match cancelled.load(Ordering::Relaxed) {
        true => Err(SqlError::interrupted()),
        false => Ok(()),
    }
}
