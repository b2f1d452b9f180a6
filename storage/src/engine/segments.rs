//! Writing sorted rows into new segment files, wherever the rows come from.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::DataType;
use roaring::RoaringBitmap;

use super::Shared;
use crate::events::EventRun;
use crate::format::{FileId, Seal};
use crate::history::History;
use crate::home::Move;
use crate::keys::{KeyColumns, KeyIndex, key_columns, key_path, write_index};
use crate::placement::{Placement, shards_of};
use crate::segment::{PublishedSegment, SegmentWriter, segment_path};
use crate::sort::sorted_order;
use crate::{Error, Result, TableMeta};

/// Decoded bytes a segment may reach. Bounds blocks, and the memory of a later merge.
pub(super) const SEGMENT_RAW_BYTES_MAX: u64 = 1 << 30;

/// Rows are parted into shards once they come to this part of a full segment for each.
const SHARD_FRACTION: usize = 64;

/// Rows to be written: a sealed memtable, or the segments of a merge.
pub(super) trait RowSource {
    fn rows(&self) -> usize;

    /// A column of all rows, in parts.
    fn column(&self, column: usize) -> Result<Vec<ArrayRef>>;

    /// Numbers of the rows that are not to be written.
    fn deleted(&self) -> RoaringBitmap;

    /// Where all of them belong.
    fn placement(&self) -> Placement;
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
    /// Writes the rows in order of the sort key into as many segments as they need. The files are
    /// durable and unnamed: they count only once the manifest names them.
    pub(super) fn write_segments(
        &self,
        meta: &TableMeta,
        history: &History,
        source: &dyn RowSource,
    ) -> Result<Written> {
        let unique = key_columns(history, &meta.spec.unique_keys);
        let keys = meta.spec.sort_key.iter().map(|&c| whole_column(source, c));
        let order = sorted_order(&keys.collect::<Result<Vec<_>>>()?)?;
        let order = match order {
            Some(order) => order.values().to_vec(),
            None => (0..source.rows() as u32).collect(),
        };
        let order = without(order, &source.deleted());
        let parts = self.parted(meta, source, order)?;
        let sizes = row_bytes(meta, source)?;
        let cut = |(placement, rows): &(Placement, UInt32Array)| {
            let cuts = self.cuts(&sizes, rows).into_iter();
            let rows = cuts.map(|cut| (*placement, rows.slice(cut.start, cut.len())));
            rows.collect::<Vec<_>>()
        };
        let outputs: Vec<_> = parts.iter().flat_map(cut).collect();
        let mut paths = Vec::new();
        let written = self.write_columns((meta, &unique), source, &outputs, &mut paths);
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

    /// Writes segments side by side, column by column: each column is gathered once. `paths` receives
    /// the files that were begun.
    fn write_columns(
        &self,
        (meta, unique): (&TableMeta, &[KeyColumns]),
        source: &dyn RowSource,
        outputs: &[(Placement, UInt32Array)],
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
        for column in 0..meta.spec.columns.len() {
            let whole = whole_column(source, column)?;
            for (writer, (_, rows)) in &mut writers {
                let sorted = take(&whole, rows, None).map_err(|e| Error::Invalid(e.to_string()))?;
                writer.column(&sorted)?;
            }
        }
        let open = |(writer, (file, rows)): (SegmentWriter, (FileId, &UInt32Array))| {
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
        writers.into_iter().map(open).collect()
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
            let hashes = self.hasher.hash(&columns.collect::<Result<Vec<_>>>()?)?;
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

    /// Where to cut the sorted rows so that no segment has too many rows or bytes.
    fn cuts(&self, sizes: &[u64], order: &UInt32Array) -> Vec<Range<usize>> {
        let rows_max = self.options.segment_rows;
        let (mut cuts, mut start, mut bytes) = (Vec::new(), 0, 0);
        for (at, &row) in order.values().iter().enumerate() {
            let size = sizes.get(row as usize).copied().unwrap_or(0);
            let full = at - start >= rows_max || bytes + size > SEGMENT_RAW_BYTES_MAX;
            if full && at > start {
                cuts.push(start..at);
                (start, bytes) = (at, 0);
            }
            bytes += size;
        }
        if start < order.len() {
            cuts.push(start..order.len());
        }
        cuts
    }

    /// Parts sorted rows by shard, in each of which they stay sorted, if there are enough of them.
    fn parted(
        &self,
        meta: &TableMeta,
        source: &dyn RowSource,
        order: Vec<u32>,
    ) -> Result<Vec<(Placement, UInt32Array)>> {
        let shards = self.options.shards;
        let rows_min = (self.options.segment_rows / SHARD_FRACTION).max(1) * shards as usize;
        let leading = meta.spec.shard_key.first();
        let leading = leading.filter(|_| shards > 1 && order.len() >= rows_min);
        let (Placement::Mixed, Some(&leading)) = (source.placement(), leading) else {
            return Ok(vec![(source.placement(), order.into())]);
        };
        let places = shards_of(&whole_column(source, leading)?, shards);
        let mut by_shard = vec![Vec::new(); shards as usize];
        for row in order {
            let shard = places.get(row as usize).copied().unwrap_or(0);
            if let Some(rows) = by_shard.get_mut(shard as usize) {
                rows.push(row);
            }
        }
        let place = |(shard, rows): (u32, Vec<u32>)| {
            (Placement::Shard { shard, shards }, UInt32Array::from(rows))
        };
        Ok((0..).zip(by_shard).map(place).collect())
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

fn whole_column(source: &dyn RowSource, column: usize) -> Result<ArrayRef> {
    let parts = source.column(column)?;
    let parts: Vec<&dyn Array> = parts.iter().map(|p| p.as_ref()).collect();
    // Views keep pointing into the buffers of the parts: no string is copied here.
    concat(&parts).map_err(|e| Error::Invalid(e.to_string()))
}

/// About how many bytes each row takes when decoded.
fn row_bytes(meta: &TableMeta, source: &dyn RowSource) -> Result<Vec<u64>> {
    let fixed = 8 * meta.spec.columns.len() as u64;
    let mut sizes = vec![fixed; source.rows()];
    for (number, column) in meta.spec.columns.iter().enumerate() {
        if !matches!(column.data_type, DataType::Utf8View | DataType::BinaryView) {
            continue;
        }
        let mut rows = sizes.iter_mut();
        for part in source.column(number)? {
            let views = match part.data_type() {
                DataType::Utf8View => part.as_string_view().views().clone(),
                _ => part.as_binary_view().views().clone(),
            };
            // The low 32 bits of a view are the length of its string.
            let lengths = views.iter().map(|&view| u64::from(view as u32));
            rows.by_ref()
                .zip(lengths)
                .for_each(|(size, length)| *size += 16 + length);
        }
    }
    Ok(sizes)
}
