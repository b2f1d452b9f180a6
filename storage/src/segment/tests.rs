//! Properties of writer and reader together.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray, UInt64Array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema};
use proptest::prelude::*;

use super::layout::Content;
use super::*;
use crate::format::{FileId, Seal};
use crate::fs::{FileSystem, SimFs};
use crate::manifest::SegmentRecord;
use crate::testing::arbitrary_batch;
use crate::{Error, Result, TableId};

const TABLE: TableId = TableId(3);
const SEAL: Seal = Seal {
    database: 11,
    file: FileId(4),
};

struct Written {
    fs: SimFs,
    path: PathBuf,
    record: SegmentRecord,
    batch: RecordBatch,
}

fn write(batch: RecordBatch) -> Written {
    let fs = SimFs::new(1);
    let path = segment_path(Path::new("/"), SEAL.file);
    let mut writer = SegmentWriter::create(&fs, &path, SEAL, TABLE, &[]).unwrap();
    for column in batch.columns() {
        writer.column(column).unwrap();
    }
    let record = writer.finish().unwrap();
    Written {
        fs,
        path,
        record,
        batch,
    }
}

impl Written {
    fn open(&self) -> Result<SegmentReader> {
        let table = (TABLE, &self.batch.schema());
        SegmentReader::open(&self.fs, &self.path, SEAL.database, &self.record, table)
    }

    fn column(&self, reader: &SegmentReader, column: usize) -> Result<ArrayRef> {
        let cache = ChunkCache::new(1 << 20);
        let mut cursor = ColumnCursor::default();
        let blocks: Vec<ArrayRef> = (0..reader.blocks())
            .map(|block| reader.read(column, block, &cache, &mut cursor))
            .collect::<Result<_>>()?;
        let blocks: Vec<&dyn Array> = blocks.iter().map(|b| b as &dyn Array).collect();
        Ok(concat(&blocks).unwrap())
    }

    fn read(&self) -> Result<RecordBatch> {
        let reader = self.open()?;
        let columns = (0..self.batch.num_columns()).map(|c| self.column(&reader, c));
        Ok(RecordBatch::try_new(self.batch.schema(), columns.collect::<Result<_>>()?).unwrap())
    }
}

fn zone_covers(zone: &Zone, values: &ArrayRef) -> bool {
    let counts = zone.rows as usize == values.len() && zone.nulls as usize == values.null_count();
    let bounds = match (zone.bounds, values.data_type()) {
        (Bounds::Int(min, max), DataType::Int32) => values
            .as_primitive::<arrow::datatypes::Int32Type>()
            .iter()
            .flatten()
            .all(|v| min <= v.into() && i128::from(v) <= max),
        (Bounds::Bytes(min, max), DataType::Utf8View) => {
            values.as_string_view().iter().flatten().all(|v| {
                let short = &v.as_bytes()[..v.len().min(16)];
                min.bytes() <= short && short <= max.bytes()
            })
        }
        (Bounds::Unknown, DataType::Int32 | DataType::Utf8View) => zone.has_no_values(),
        _ => true,
    };
    counts && bounds
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_of_every_type_come_back_as_written(batch in arbitrary_batch(1..60)) {
        let written = write(batch);
        prop_assert_eq!(written.read().unwrap(), written.batch);
    }

    #[test]
    fn zones_cover_their_values(batch in arbitrary_batch(1..60)) {
        let written = write(batch);
        let reader = written.open().unwrap();
        for (i, column) in written.batch.columns().iter().enumerate() {
            prop_assert!(zone_covers(&reader.zone(i).unwrap(), column));
        }
    }

    #[test]
    fn a_flipped_bit_is_an_error_or_changes_nothing(
        batch in arbitrary_batch(1..30),
        places in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 20),
    ) {
        let written = write(batch);
        let content = written.fs.read(&written.path).unwrap();
        for (place, bit) in places {
            let mut damaged = content.clone();
            damaged[place.index(content.len())] ^= 1 << (bit % 8);
            written.fs.damage(&written.path, damaged);
            match written.read() {
                Ok(batch) => prop_assert_eq!(batch, written.batch.clone()),
                Err(error) => {
                    let detected = matches!(
                        error, Error::Corruption { .. } | Error::UnsupportedVersion { .. });
                    prop_assert!(detected, "{}", error);
                }
            }
        }
    }

    #[test]
    fn a_truncated_segment_does_not_open(batch in arbitrary_batch(1..30), cut: prop::sample::Index) {
        let written = write(batch);
        let content = written.fs.read(&written.path).unwrap();
        let cut = cut.index(content.len());
        written.fs.damage(&written.path, content[..cut].to_vec());
        prop_assert!(written.open().is_err());
    }
}

/// Many blocks, a dictionary of several chunks, and strings that are nearly unique.
#[test]
fn several_blocks_and_chunks_come_back_as_written() {
    let rows = 5 * BLOCK_ROWS + 77;
    let ids = UInt64Array::from_iter_values((0..rows as u64).map(|i| i * 1_000_003));
    let paths: StringViewArray = (0..rows)
        .map(|i| Some(format!("/articles/{:06}/index.html", i * 7 % 17_000)))
        .collect();
    let unique: StringViewArray = (0..rows)
        .map(|i| (i % 5 != 0).then(|| format!("visitor number {i:08}")))
        .collect();
    let fields = vec![
        Field::new("id", DataType::UInt64, false),
        Field::new("path", DataType::Utf8View, true),
        Field::new("unique", DataType::Utf8View, true),
    ];
    let columns: Vec<ArrayRef> = vec![Arc::new(ids), Arc::new(paths), Arc::new(unique)];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let written = write(batch);
    let reader = written.open().unwrap();
    assert_eq!(reader.blocks(), 6);
    assert_eq!(written.read().unwrap(), written.batch);
    let Content::Codes(shape, _) = reader.block(0, 2).unwrap().content else {
        panic!("numbers are codes");
    };
    let (first, last) = (2 * BLOCK_ROWS as u64, 3 * BLOCK_ROWS as u64 - 1);
    assert_eq!((shape.low, shape.high), (first, last));
    strings_are_found(
        &reader,
        (0..17_000).map(|i| format!("/articles/{i:06}/index.html")),
    );
}

/// One by one and many at once; each string has the code that its rows have.
fn strings_are_found(reader: &SegmentReader, strings: impl Iterator<Item = String>) {
    let (cache, mut codes) = (ChunkCache::new(1 << 20), Vec::new());
    let strings: Vec<String> = strings.collect();
    let all: Vec<&[u8]> = strings.iter().map(|s| s.as_bytes()).collect();
    let missing = [&b"/articles/000000"[..], b"", b"no such string"];
    for some in [&all[..1], &all[16_990..16_997], &all[100..120], &all] {
        let wanted: Vec<&[u8]> = some.iter().copied().chain(missing).rev().collect();
        codes = reader.find_strings(1, &cache, &wanted).unwrap();
        assert!(codes.is_sorted() && codes.len() == some.len());
        let values = reader.code_values(1, &codes, &cache).unwrap();
        let mut found: Vec<_> = values.as_string_view().iter().flatten().collect();
        found.sort_unstable();
        assert!(found.iter().map(|s| s.as_bytes()).eq(some.iter().copied()));
    }
    assert_eq!(codes.len(), strings.len());
    assert!(reader.find_strings(1, &cache, &missing).unwrap().is_empty());
}

/// Reading one column touches no byte of another.
#[test]
fn a_damaged_column_does_not_hinder_reading_another() {
    let one: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..100));
    let two: ArrayRef = Arc::new(UInt64Array::from_iter_values((0..100).map(|i| i * i)));
    let batch = RecordBatch::try_from_iter([("one", one), ("two", two)]).unwrap();
    let written = write(batch);
    let reader = written.open().unwrap();
    let at = reader.block(0, 0).unwrap().data.offset as usize;
    let mut content = written.fs.read(&written.path).unwrap();
    content[at] ^= 1;
    written.fs.damage(&written.path, content);
    let reader = written.open().unwrap();
    assert!(written.column(&reader, 0).is_err());
    assert_eq!(
        &written.column(&reader, 1).unwrap(),
        written.batch.column(1)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn numbers_of_a_dictionary_are_found_by_their_distances(
        pool in prop::collection::btree_set(any::<u64>(), 2..40), nulls: bool,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 3000),
        ends in prop::collection::btree_set(any::<prop::sample::Index>(), 0..30), step in 0u64..2,
    ) {
        let pool: Vec<u64> = pool.into_iter().collect();
        let value = |pick: &prop::sample::Index| {
            let at = pick.index(pool.len() + usize::from(nulls));
            pool.get(at).copied()
        };
        let column: ArrayRef = Arc::new(picks.iter().map(value).collect::<UInt64Array>());
        let schema = Schema::new(vec![Field::new("n", DataType::UInt64, nulls)]);
        let written = write(RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap());
        let reader = written.open().unwrap();
        let info = reader.codes_info(0).unwrap().unwrap();
        let ColumnKind::Numbers { base } = info.kind else {
            return Err(TestCaseError::reject("another encoding"));
        };
        let distances: Vec<u64> = reader.number_values(0).unwrap().iter()
            .map(|value| (value - base) as u64).collect();
        // Ranges apart, whose ends are values or their neighbours.
        let mut ends: Vec<u64> = ends.iter().map(|end| distances[end.index(distances.len())]).collect();
        ends.sort_unstable();
        ends.dedup();
        let ranges: Vec<(u64, u64)> = ends.as_chunks::<2>().0.iter()
            .map(|[from, to]| (from.saturating_add(step), *to)).filter(|(from, to)| from <= to).collect();
        let set = reader.number_set(0, &ranges).unwrap();
        let null = u64::from(info.null_code);
        for (code, distance) in (null..).zip(&distances) {
            let expected = ranges.iter().any(|(from, to)| (from..=to).contains(&distance));
            prop_assert_eq!(set.contains(code), expected, "{} {:?}", distance, ranges);
        }
        prop_assert!(!(info.null_code && set.contains(0)));
    }
}
