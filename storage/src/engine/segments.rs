//! Writing sorted rows into new segment files, wherever the rows come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::DataType;
use parking_lot::Mutex;
use roaring::RoaringBitmap;

use super::Shared;
use super::clustering::cluster;
use super::cutting::{Output, cut};
use super::parallel::in_order;
use crate::events::EventRun;
use crate::format::{FileId, Seal};
use crate::history::History;
use crate::home::Move;
use crate::keys::{KeyColumns, KeyIndex, key_columns, key_path, write_index};
use crate::placement::Placement;
use crate::segment::{
    CheckedStrings, CodedStrings, EncodedColumn, PublishedSegment, SegmentWriter, StringCoder,
    segment_path,
};
use crate::sort::sorted_rows;
use crate::{Error, Result, TableMeta};

/// Rows to be written: a sealed memtable, a large commit, or the segments of a merge.
pub(super) trait RowSource: Sync {
    fn rows(&self) -> usize;

    /// About how many bytes they take in memory.
    fn raw_bytes(&self) -> u64;

    /// Whether the rows are in the order of their arrival, and not of segments.
    fn is_new(&self) -> bool {
        true
    }

    /// A column of all rows, in parts.
    fn column(&self, column: usize) -> Result<Vec<ArrayRef>>;

    /// A column of text or bytes of all rows, in parts.
    fn strings(&self, column: usize) -> Result<Vec<Strings>> {
        Ok(self
            .column(column)?
            .into_iter()
            .map(Strings::Rows)
            .collect())
    }

    /// Numbers of the rows that are not to be written.
    fn deleted(&self) -> RoaringBitmap;

    /// Where all of them belong.
    fn placement(&self) -> Placement;
}

/// Some rows of a column of text or bytes.
pub(super) enum Strings {
    Rows(ArrayRef),
    /// Codes of a dictionary with these entries, cut into chunks, and their hashes.
    Codes {
        codes: Vec<u32>,
        null_code: bool,
        entries: Vec<Arc<CheckedStrings>>,
        hashes: Vec<u64>,
    },
}

/// What a flush or a merge wrote.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) segments: Vec<Arc<PublishedSegment>>,
    /// Event keys of a flushed memtable.
    pub(super) events: Option<Arc<EventRun>>,
    /// Numbers of the source's rows in the order they were written, over all segments.
    pub(super) order: Vec<u32>,
}

impl Written {
    /// Where the rows went; `rows` is how many the source had.
    pub(super) fn as_move(&self, rows: usize) -> Arc<Move> {
        let targets = self.segments.iter();
        let targets = targets.map(|s| (Arc::clone(s.home()), s.record.rows));
        Move::new(rows, &self.order, &targets.collect::<Vec<_>>())
    }
}

impl Shared {
    /// Writes the rows in order of the sort key into as many segments as they need, on so many threads.
    /// The files are durable and unnamed: they count only once the manifest names them.
    pub(super) fn write_segments(
        &self,
        (meta, history): (&TableMeta, &History),
        source: &dyn RowSource,
        threads: usize,
    ) -> Result<Written> {
        let unique = key_columns(history, &meta.spec.unique_keys, &meta.folds);
        let keys = meta.spec.sort_key.iter().map(|&c| whole_column(source, c));
        let mut sorted = sorted_rows(&keys.collect::<Result<Vec<_>>>()?, source.rows())?;
        if source.is_new() {
            cluster(meta, source, &mut sorted)?;
        }
        let order = without(sorted.order, &source.deleted());
        let outputs = cut(&self.options, meta, source, order)?;
        let mut paths = Vec::new();
        let written = self.write_files((meta, &unique), (source, &outputs), threads, &mut paths);
        let synced = written.and_then(|segments| {
            let synced = self.fs.sync_dir(&self.dir);
            synced.map_err(|e| Error::io("sync", &self.dir, &e))?;
            Ok(segments)
        });
        if synced.is_err() {
            // Room for others; what stays is removed by the next open.
            paths.iter().for_each(|path| drop(self.fs.remove(path)));
        }
        let order = outputs.iter().flat_map(|(_, rows)| rows.values()).copied();
        Ok(Written {
            segments: synced?,
            events: None,
            order: order.collect(),
        })
    }

    /// Writes segments side by side, column by column. `paths` receives the files that were begun.
    fn write_files(
        &self,
        (meta, unique): (&TableMeta, &[KeyColumns]),
        (source, outputs): (&dyn RowSource, &[Output]),
        threads: usize,
        paths: &mut Vec<PathBuf>,
    ) -> Result<Vec<Arc<PublishedSegment>>> {
        let mut writers = Vec::with_capacity(outputs.len());
        for (placement, rows) in outputs {
            let seal = Seal {
                database: self.database,
                file: self.file_ids.take(),
            };
            let path = segment_path(&self.dir, seal.file);
            paths.push(path.clone());
            if !unique.is_empty() {
                paths.push(key_path(&self.dir, seal.file));
            }
            let sort_key = &meta.spec.sort_key;
            let mut writer = SegmentWriter::create(&*self.fs, &path, seal, meta.id, sort_key)?;
            writer.place(*placement);
            writers.push((writer, (seal.file, rows)));
        }
        let columns = &meta.spec.columns;
        let encode = |number: usize| match columns.get(number) {
            Some(column) => self.encode(source, (number, &column.data_type), outputs),
            None => Ok(Vec::new()),
        };
        in_order(threads, columns.len(), encode, |encoded| {
            let mut columns = writers.iter_mut().zip(encoded);
            columns.try_for_each(|((writer, _), column)| writer.append(column))
        })?;
        let writers: Vec<_> = writers.into_iter().map(|w| Mutex::new(Some(w))).collect();
        let finish = |number: usize| {
            let writer = writers.get(number).and_then(|w| w.lock().take());
            let Some((writer, (file, rows))) = writer else {
                return Err(Error::Invalid("a segment is finished once".into()));
            };
            let (fs, dir, table) = (&self.fs, &self.dir, (meta.id, &meta.arrow));
            let record = writer.finish()?;
            self.write_keys(file, unique, |column| sorted_column(source, column, rows))?;
            let segment = PublishedSegment::open(fs, dir, self.database, record, table)?;
            segment.reader()?;
            Ok(Arc::new(match unique {
                [] => segment,
                _ => segment.with_keys(Ok(self.open_keys(file, unique)?)),
            }))
        };
        let mut segments = Vec::with_capacity(writers.len());
        in_order(threads, writers.len(), finish, |segment| {
            segments.push(segment);
            Ok(())
        })?;
        Ok(segments)
    }

    /// A column as each of the segments will have it. It is gathered once.
    fn encode(
        &self,
        source: &dyn RowSource,
        (column, data_type): (usize, &DataType),
        outputs: &[Output],
    ) -> Result<Vec<EncodedColumn>> {
        if !matches!(data_type, DataType::Utf8View | DataType::BinaryView) {
            let whole = whole_column(source, column)?;
            let encode = |(_, rows): &Output| {
                let sorted = take(&whole, rows, None).map_err(|e| Error::Invalid(e.to_string()))?;
                Ok(EncodedColumn::of_array(&sorted, self.database))
            };
            return outputs.iter().map(encode).collect();
        }
        let parts = source.strings(column)?;
        let strings = coded(&parts, source.rows(), self.database)?;
        let encode =
            |(_, rows): &Output| EncodedColumn::of_strings(data_type, &strings, rows.values());
        Ok(outputs.iter().map(encode).collect())
    }

    /// Writes the key file of a segment, whose columns are given by position.
    pub(super) fn write_keys(
        &self,
        file: FileId,
        unique: &[KeyColumns],
        column: impl Fn(usize) -> Result<ArrayRef>,
    ) -> Result<()> {
        match unique {
            [] => Ok(()),
            unique => self.write_keys_to(&key_path(&self.dir, file), file, unique, column),
        }
    }

    /// The same into a file of any name.
    pub(super) fn write_keys_to(
        &self,
        path: &Path,
        file: FileId,
        unique: &[KeyColumns],
        column: impl Fn(usize) -> Result<ArrayRef>,
    ) -> Result<()> {
        let hashes = unique.iter().map(|key| {
            let columns = key.positions.iter().map(|&c| column(c));
            let hashes = self
                .hasher
                .hash(&key.folded(&columns.collect::<Result<Vec<_>>>()?)?)?;
            Ok((key.ids.clone(), hashes))
        });
        let hashes = hashes.collect::<Result<Vec<_>>>()?;
        let seal = Seal {
            database: self.database,
            file,
        };
        write_index(&*self.fs, path, (seal, self.hasher.fingerprint()), &hashes)
    }

    /// Opens the key file of a segment. One of another secret or without one of the keys is damaged.
    pub(super) fn open_keys(&self, file: FileId, unique: &[KeyColumns]) -> Result<KeyIndex> {
        let path = key_path(&self.dir, file);
        let seal = Seal {
            database: self.database,
            file,
        };
        let index = KeyIndex::open(&*self.fs, &path, seal)?;
        let complete = unique.iter().all(|key| index.slot(&key.ids).is_some());
        if !complete || index.secret() != self.hasher.fingerprint() {
            return Err(Error::corruption(&path, 0, "the keys of another table"));
        }
        Ok(index)
    }
}

fn sorted_column(source: &dyn RowSource, column: usize, rows: &UInt32Array) -> Result<ArrayRef> {
    let whole = whole_column(source, column)?;
    take(&whole, rows, None).map_err(|e| Error::Invalid(e.to_string()))
}

fn without(mut order: Vec<u32>, deleted: &RoaringBitmap) -> Vec<u32> {
    if !deleted.is_empty() {
        order.retain(|&row| !deleted.contains(row));
    }
    order
}

/// The strings of all parts, each once. `seed` is that of their hashes.
fn coded(parts: &[Strings], rows: usize, seed: u64) -> Result<CodedStrings<'_>> {
    let mut coder = StringCoder::new(rows, seed);
    for part in parts {
        match part {
            Strings::Rows(array) => coder.add_array(array),
            Strings::Codes {
                codes,
                null_code,
                entries,
                hashes,
            } => {
                let entries = entries.iter().flat_map(|chunk| chunk.iter());
                let entries = entries.zip(hashes.iter().copied());
                if !coder.add_codes(codes, *null_code, entries) {
                    return Err(Error::Invalid("a code is beyond its dictionary".into()));
                }
            }
        }
    }
    Ok(coder.finish())
}

pub(super) fn whole_column(source: &dyn RowSource, column: usize) -> Result<ArrayRef> {
    let parts = source.column(column)?;
    let parts: Vec<&dyn Array> = parts.iter().map(|p| p.as_ref()).collect();
    // Views keep pointing into the buffers of the parts: no string is copied here.
    concat(&parts).map_err(|e| Error::Invalid(e.to_string()))
}
