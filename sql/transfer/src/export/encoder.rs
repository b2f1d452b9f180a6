//! Loads of rows to pieces of a file, in any of the formats.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use flate2::write::GzEncoder;

use super::Layout;
use super::crew::Crew;
use super::schema::FileSchema;
use super::spec::{Compression, Encoding, ExportSpec};
use crate::error::{Result, TransferError};
use crate::text::{CellText, TextWriter};

/// Levels at which a core writes some 50 (gzip) and 300 (zstd) MB of text a second.
const GZIP_LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;

/// What all files of an export share.
#[derive(Debug)]
pub(super) enum Encoder {
    Parquet(FileSchema),
    Lines(Lines),
    Dump,
}

#[derive(Debug)]
pub(super) struct Lines {
    writer: TextWriter,
    compression: Compression,
    header: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(spec: &ExportSpec) -> Result<Self> {
        let all = 0..spec.schema.fields().len();
        let places: Vec<usize> = all.filter(|at| !spec.partition_by.contains(at)).collect();
        let schema = &spec.schema.project(&places)?;
        Ok(match &spec.encoding {
            Encoding::Parquet => {
                let delta = matches!(spec.layout, Layout::Delta);
                Self::Parquet(FileSchema::new(schema, places, delta))
            }
            Encoding::Dump => Self::Dump,
            Encoding::Text {
                rules,
                header,
                compression,
            } => {
                let writer = TextWriter::new(rules, schema, places);
                let mut text = Vec::new();
                if *header {
                    writer.header(schema, &mut text);
                    text = compressed(*compression, text)?;
                }
                Self::Lines(Lines {
                    writer,
                    compression: *compression,
                    header: text,
                })
            }
        })
    }
}

impl Lines {
    /// What every file begins with.
    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    /// Batches as text, one piece each, and its number of rows. Compressed pieces stand for themselves,
    /// so that any number of them is a file.
    pub(super) fn encode(
        &self,
        batches: Vec<RecordBatch>,
        cells: &Arc<dyn CellText>,
        crew: &Crew,
    ) -> Result<Vec<(Vec<u8>, u64)>> {
        crew.each(batches, |batch| {
            let rows = batch.num_rows();
            let mut text = Vec::with_capacity(rows * 16 * batch.num_columns());
            self.writer
                .write(cells.as_ref(), &batch, 0..rows, &mut text)?;
            Ok((compressed(self.compression, text)?, rows as u64))
        })
    }
}

fn compressed(compression: Compression, text: Vec<u8>) -> Result<Vec<u8>> {
    Ok(match compression {
        Compression::None => text,
        Compression::Gzip => {
            let level = flate2::Compression::new(GZIP_LEVEL);
            let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), level);
            encoder.write_all(&text)?;
            encoder.finish()?
        }
        Compression::Zstd => zstd::bulk::compress(&text, ZSTD_LEVEL)?,
    })
}

/// The one row of a dump.
pub(super) fn dumped(batches: &[RecordBatch], cells: &dyn CellText) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for batch in batches {
        let places: Vec<usize> = (0..batch.num_columns()).collect();
        let printers = cells.bind(batch, &places).map_err(TransferError::Source)?;
        for row in 0..batch.num_rows() {
            for printer in &printers {
                printer(row, &mut out).map_err(TransferError::Source)?;
            }
        }
    }
    Ok(out)
}
