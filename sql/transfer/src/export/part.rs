//! One file of an export: rows in, an upload out.

use std::sync::Arc;

use arrow::array::RecordBatch;
use object_store::path::Path;

use super::crew::Crew;
use super::encoder::{Encoder, dumped};
use super::parquet::ParquetEncoder;
use super::spec::{ExportSpec, PartFile};
use super::upload::Upload;
use super::{Layout, delta};
use crate::error::{Result, TransferError};

/// A file being written.
pub(super) struct Part {
    path: Path,
    partition: Vec<(String, Option<String>)>,
    pub(super) upload: Upload,
    parquet: Option<ParquetEncoder>,
    pub(super) rows: u64,
    /// When rows last came; the part that waits longest is closed first.
    pub(super) used: u64,
}

/// A file whose bytes are all handed over.
pub(super) struct Ended {
    pub(super) upload: Upload,
    pub(super) file: PartFile,
}

impl Part {
    pub(super) fn new(
        encoder: &Encoder,
        path: Path,
        partition: Vec<(String, Option<String>)>,
        mut upload: Upload,
    ) -> Result<Self> {
        let mut parquet = None;
        match encoder {
            Encoder::Parquet(file) => parquet = Some(ParquetEncoder::new(&file.schema)?),
            Encoder::Lines(lines) => upload.write(lines.header())?,
            Encoder::Dump => {}
        }
        Ok(Self {
            path,
            partition,
            upload,
            parquet,
            rows: 0,
            used: 0,
        })
    }

    /// About how many bytes the file has, with what is not written yet.
    pub(super) fn bytes(&self) -> u64 {
        let pending = self.parquet.as_ref().map_or(0, ParquetEncoder::pending);
        self.upload.bytes() + pending
    }

    /// Bytes in memory.
    pub(super) fn held(&self) -> u64 {
        let pages = self.parquet.as_ref().map_or(0, ParquetEncoder::held);
        self.upload.held() + pages
    }

    /// Whether so many more rows would probably make it too large.
    pub(super) fn has_room(&self, rows: u64, bytes_max: u64) -> bool {
        if self.rows == 0 {
            return true;
        }
        let so_far = self.bytes();
        let more = u128::from(so_far) * u128::from(rows) / u128::from(self.rows);
        u128::from(so_far) + more <= u128::from(bytes_max)
    }

    pub(super) fn take_text(&mut self, text: &[u8], rows: u64) -> Result<()> {
        self.rows += rows;
        self.upload.write(text)
    }

    pub(super) fn take_batches(&mut self, batches: &[RecordBatch], crew: &Crew) -> Result<()> {
        self.rows += rows_of(batches);
        let Self {
            parquet, upload, ..
        } = self;
        match parquet {
            Some(parquet) => parquet.encode(batches, crew, &mut |bytes| upload.write(bytes)),
            None => Ok(()),
        }
    }

    pub(super) fn take_dump(&mut self, batches: &[RecordBatch], spec: &ExportSpec) -> Result<()> {
        self.rows += rows_of(batches);
        self.upload.write(&dumped(batches, spec.cells.as_ref())?)
    }

    /// Hands over the last bytes. Size and digest are filled in when they have arrived.
    pub(super) fn end(
        self,
        spec: &ExportSpec,
        crew: &Crew,
    ) -> Result<Ended, Box<(Upload, TransferError)>> {
        let Self {
            path,
            partition,
            mut upload,
            parquet,
            rows,
            ..
        } = self;
        let mut stats = None;
        if let Some(parquet) = parquet {
            match parquet.finish(crew, &mut |bytes| upload.write(bytes)) {
                // Kept until all files are there, for the log of a table alone.
                Ok(metadata) => {
                    let wanted = matches!(spec.layout, Layout::Delta);
                    stats = wanted.then(|| delta::stats(&metadata, rows));
                }
                Err(error) => return Err(Box::new((upload, error))),
            }
        }
        let file = PartFile {
            path,
            bytes: upload.bytes(),
            rows,
            sha256: String::new(),
            partition,
            stats,
        };
        Ok(Ended { upload, file })
    }
}

pub(super) fn rows_of(batches: &[RecordBatch]) -> u64 {
    batches.iter().map(|batch| batch.num_rows() as u64).sum()
}

/// Batches with the file's types.
pub(super) fn typed(
    encoder: &Encoder,
    batches: Vec<RecordBatch>,
    (spec, crew): (&ExportSpec, &Crew),
) -> Result<Vec<RecordBatch>> {
    let Encoder::Parquet(file) = encoder else {
        return Ok(batches);
    };
    let cells = Arc::clone(&spec.cells);
    crew.each(batches, |batch| file.apply(&batch, cells.as_ref()))
}

#[cfg(test)]
mod tests {
    use crate::cancel::Cancel;
    use crate::export::testing::{rows, run, spec};
    use crate::export::{Encoding, ExportSpec, Layout};
    use crate::place::fake::Fake;

    #[tokio::test(flavor = "multi_thread")]
    async fn only_tables_have_statistics_kept_for_them() {
        let fake = Fake::default();
        for (layout, expected) in [(spec(fake.place("p")).layout, false), (Layout::Delta, true)] {
            let spec = ExportSpec {
                layout,
                encoding: Encoding::Parquet,
                ..spec(fake.place("p"))
            };
            let delivery = run(spec, vec![rows(&[b"a"])], Cancel::default()).await;
            let exported = delivery.result.expect("exported");
            assert_eq!(exported.files[0].stats.is_some(), expected);
        }
    }
}
