//! A Parquet file: columns encoded by all threads at once, row groups appended one after the other.
//!
//! Only a row group's compressed pages are held. Row groups and pages carry minimum, maximum and the
//! number of NULLs.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::crew::Crew;
use crate::error::Result;

/// A row group ends with as many rows, or bytes of pages and dictionaries.
const GROUP_ROWS: usize = 1 << 20;
const GROUP_BYTES: u64 = 48 << 20;

/// Where the file's bytes wait to be taken.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file being written. What is ready is handed to `take`.
pub(super) struct ParquetEncoder {
    schema: SchemaRef,
    sink: Sink,
    writer: SerializedFileWriter<Sink>,
    factory: ArrowRowGroupWriterFactory,
    /// Of the row group that is open; empty: none is.
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
}

/// Takes bytes of the file.
pub(super) type Take<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

impl ParquetEncoder {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_created_by(concat!("storno version ", env!("CARGO_PKG_VERSION")).into())
            .build();
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            // Readers take the types from Parquet's own schema.
            .with_skip_arrow_metadata(true);
        let sink = Sink::default();
        let writer = ArrowWriter::try_new_with_options(sink.clone(), Arc::clone(schema), options)?;
        let (writer, factory) = writer.into_serialized_writer()?;
        Ok(Self {
            schema: Arc::clone(schema),
            sink,
            writer,
            factory,
            columns: Vec::new(),
            rows: 0,
        })
    }

    pub(super) fn encode(
        &mut self,
        batches: &[RecordBatch],
        crew: &Crew,
        take: Take<'_>,
    ) -> Result<()> {
        if self.columns.is_empty() {
            let number = self.writer.flushed_row_groups().len();
            self.columns = self.factory.create_column_writers(number)?;
        }
        let schema = &self.schema;
        let columns: Vec<_> = self.columns.iter_mut().enumerate().collect();
        crew.each(columns, |(at, writer)| {
            for batch in batches {
                for leaf in compute_leaves(schema.field(at), batch.column(at))? {
                    writer.write(&leaf)?;
                }
            }
            Ok(())
        })?;
        self.rows += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        match self.rows >= GROUP_ROWS || self.held() >= GROUP_BYTES {
            true => self.end_group(crew, take),
            false => Ok(()),
        }
    }

    /// Bytes that the open row group will add, at most about.
    pub(super) fn pending(&self) -> u64 {
        let columns = self.columns.iter();
        let bytes: usize = columns
            .map(ArrowColumnWriter::get_estimated_total_bytes)
            .sum();
        bytes as u64
    }

    /// Bytes in memory.
    pub(super) fn held(&self) -> u64 {
        let held: usize = self
            .columns
            .iter()
            .map(ArrowColumnWriter::memory_size)
            .sum();
        held as u64
    }

    fn end_group(&mut self, crew: &Crew, take: Take<'_>) -> Result<()> {
        self.rows = 0;
        let columns = std::mem::take(&mut self.columns);
        if columns.is_empty() {
            return Ok(());
        }
        let chunks = crew.each(columns, |column| Ok(column.close()?))?;
        let mut group = self.writer.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
            take(&self.sink.take())?;
        }
        group.close()?;
        take(&self.sink.take())
    }

    /// Writes the rest and the footer.
    pub(super) fn finish(mut self, crew: &Crew, take: Take<'_>) -> Result<ParquetMetaData> {
        self.end_group(crew, take)?;
        let metadata = self.writer.close()?;
        take(&self.sink.take())?;
        Ok(metadata)
    }
}
