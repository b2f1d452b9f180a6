//! Rows of a Parquet file.

use std::io::{self, Read};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::{Buf, Bytes};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use tokio::runtime::Handle;

use super::blocks::Blocks;
use crate::cancel::Cancel;
use crate::error::{Result, TransferError};
use crate::place::{Found, Place};

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// A footer of more bytes is damage, or an attack.
const FOOTER_BYTES_MAX: u64 = 64 << 20;

/// A file whose footer has been read.
#[derive(Debug)]
pub struct ParquetFile {
    source: Source,
    metadata: ArrowReaderMetadata,
}

#[derive(Debug, Clone)]
struct Source(Arc<Blocks>);

impl Length for Source {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Source {
    type T = Running;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Running> {
        Ok(Running {
            source: self.clone(),
            at: start,
            current: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let end = start
            .checked_add(length as u64)
            .filter(|end| *end <= self.0.len());
        let end = end.ok_or_else(|| ParquetError::EOF("beyond the end of the file".into()))?;
        let block = self.0.from(start).map_err(external)?;
        match block.len() >= length {
            true => Ok(block.slice(..length)),
            false => self.0.range(start, end).map_err(external),
        }
    }
}

fn external(error: TransferError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// Reads on from an offset.
struct Running {
    source: Source,
    at: u64,
    current: Bytes,
}

impl Read for Running {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() {
            self.current = self.source.0.from(self.at).map_err(io::Error::other)?;
        }
        let count = room.len().min(self.current.len());
        if let (Some(room), Some(bytes)) = (room.get_mut(..count), self.current.get(..count)) {
            room.copy_from_slice(bytes);
        }
        self.current.advance(count);
        self.at += count as u64;
        Ok(count)
    }
}

impl ParquetFile {
    /// Reads the footer. Blocking.
    ///
    /// # Errors
    /// `Content` for what is no Parquet file, or one of other rows than a manifest says.
    pub fn open(place: Place, file: Found, handle: Handle, cancel: Cancel) -> Result<Self> {
        let expected = file.said.rows;
        let source = Source(Arc::new(Blocks::new(place, file, handle, cancel)));
        let fail = |why: &dyn std::fmt::Display| TransferError::content(source.0.name(), why);
        let length = source.0.len();
        if length < 12 {
            return Err(fail(&"too short for a Parquet file"));
        }
        let tail = source.0.range(length - 8, length)?;
        let [a, b, c, d, b'P', b'A', b'R', b'1'] = *tail else {
            return Err(fail(&"not a Parquet file"));
        };
        if u64::from(u32::from_le_bytes([a, b, c, d])) > FOOTER_BYTES_MAX.min(length - 8) {
            return Err(fail(&"the footer's length is not one"));
        }
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::load(&source, options).map_err(|e| fail(&e))?;
        let file = Self { source, metadata };
        match expected {
            Some(expected) if expected != file.rows() => {
                let why = format!("{} rows, and {expected} by the manifest", file.rows());
                Err(TransferError::content(file.source.0.name(), why))
            }
            _ => Ok(file),
        }
    }

    pub fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    pub fn rows(&self) -> u64 {
        let rows = self.metadata.metadata().file_metadata().num_rows();
        u64::try_from(rows).unwrap_or(0)
    }

    /// The rows of some columns, in the file's order of columns. Blocking.
    ///
    /// # Errors
    /// `Content`
    pub fn read(&self, columns: &[usize]) -> Result<Batches> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            self.source.clone(),
            self.metadata.clone(),
        );
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        let reader = builder
            .with_batch_size(BATCH_ROWS)
            .with_projection(mask)
            .build()
            .map_err(|e| TransferError::content(self.source.0.name(), e))?;
        Ok(Batches {
            reader,
            name: self.source.0.name(),
        })
    }
}

/// Batches of a file.
pub struct Batches {
    reader: ParquetRecordBatchReader,
    name: String,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.reader.next()?;
        Some(next.map_err(|e| TransferError::content(&self.name, e)))
    }
}
