//! Entry points for fuzzers, and the same run as ordinary property tests. Not part of the crate's API:
//! compiled for tests and behind the feature `fuzzing` only.
//!
//! An input is the content of a file. Checksums would stop nearly every mutation at the door, so they
//! are taken as zero on the fuzzing thread: what lies behind them has to stand on its own. What is
//! checked: no panic, and no array that Arrow itself would refuse.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use crate::TableId;
use crate::events::{RunKey, RunReader, sorted_probe};
use crate::format::{ByteReader, FileId, Seal};
use crate::fs::{FileSystem, SimFs};
use crate::history::ColumnId;
use crate::manifest::{RunRecord, SegmentRecord, WalRecord, decode_manifest};
use crate::segment::{ChunkCache, ColumnCursor, SegmentReader, segment_summary};
use crate::wal::{decode_batch, read_wal};

/// Blocks of a segment that are read; its footer may claim billions.
const BLOCKS_READ: usize = 4;

thread_local! {
    static UNCHECKED: Cell<bool> = const { Cell::new(false) };
}

/// Whether checksums are off on this thread.
pub(crate) fn checksums_are_off() -> bool {
    UNCHECKED.get()
}

/// Runs with checksums off on this thread.
fn unchecked(run: impl FnOnce()) {
    UNCHECKED.set(true);
    run();
    UNCHECKED.set(false);
}

/// A manifest.
pub fn manifest(file: &[u8]) {
    unchecked(|| drop(decode_manifest(Path::new("MANIFEST"), file)));
}

/// A WAL file of tables with a column of every type.
pub fn wal(file: &[u8]) {
    let seal = header_seal(file);
    let record = WalRecord {
        file: seal.file,
        first_sequence: 1,
        length: None,
    };
    let schema = Arc::new(every_type());
    unchecked(|| {
        let Ok(contents) = read_wal(Path::new("wal"), file, seal.database, record) else {
            return;
        };
        for insert in contents
            .commits
            .iter()
            .flat_map(|commit| &commit.logged.inserts)
        {
            if let Ok(batch) = decode_batch(&schema, insert.body) {
                batch.columns().iter().for_each(|column| validate(column));
            }
        }
    });
}

/// A segment.
pub fn segment(file: &[u8]) {
    unchecked(|| {
        let _ = read_segment(file);
    });
}

fn read_segment(file: &[u8]) -> Option<()> {
    let (table, rows, checksum, types) = segment_summary(file)?;
    let seal = header_seal(file);
    let record = SegmentRecord {
        file: seal.file,
        rows,
        bytes: file.len() as u64,
        raw_bytes: 0,
        footer_checksum: checksum,
    };
    let fields = types
        .iter()
        .map(|t| Field::new("column", t.clone(), true))
        .collect::<Vec<_>>();
    let schema = Arc::new(Schema::new(fields));
    let fs = SimFs::new(0);
    let path = Path::new("/segment");
    fs.create(path).ok()?.write_at(0, file).ok()?;
    let table = (table, &schema);
    let reader = SegmentReader::open(&fs, path, seal.database, &record, table).ok()?;
    let cache = ChunkCache::new(1 << 20);
    for column in 0..types.len() {
        let mut cursor = ColumnCursor::default();
        for block in 0..reader.blocks().min(BLOCKS_READ) {
            if let Ok(array) = reader.read(column, block, &cache, &mut cursor) {
                validate(&array);
            }
            read_codes(&reader, (column, block));
        }
        let _ = reader.hashes(column, &mut Vec::new());
        let _ = reader.number_values(column);
        let _ = reader.find_string(column, &cache, b"a");
        let _ = reader.string_set(column, &cache, |entry| entry.len() > 1);
    }
    Some(())
}

/// The other way to read a block. Codes that come out are no greater than the column's greatest.
fn read_codes(reader: &SegmentReader, (column, block): (usize, usize)) {
    let (mut codes, mut runs, mut ends) = (Vec::<u32>::new(), Vec::<u64>::new(), Vec::new());
    let high = reader
        .codes_info(column)
        .ok()
        .flatten()
        .map(|info| info.high);
    if reader.codes(column, block, &mut codes).is_ok() {
        assert_eq!(codes.len(), reader.block_rows(block));
        assert!(codes.iter().all(|&code| Some(u64::from(code)) <= high));
    }
    if matches!(
        reader.code_runs((column, block), &mut runs, &mut ends),
        Ok(true)
    ) {
        assert!(runs.len() == ends.len() && runs.iter().all(|&code| Some(code) <= high));
    }
    let _ = reader.block_sum(column, block);
    let _ = reader.first_in_block(column, block, 0..reader.block_rows(block), |code| code > 3);
}

/// A run of event keys.
pub fn events(file: &[u8]) {
    let seal = header_seal(file);
    let fs = SimFs::new(0);
    let path = Path::new("/run");
    let written = fs.create(path).and_then(|f| f.write_at(0, file));
    let trailer = ByteReader::new(
        file.get(file.len().saturating_sub(16)..)
            .unwrap_or_default(),
    );
    let (Ok(()), Ok(checksum)) = (written, trailer.clone().u64()) else {
        return;
    };
    let key = RunKey {
        table: TableId(1),
        columns: vec![ColumnId(1)],
        secret: 1,
    };
    let hashes: Vec<_> = (0..64u128).map(|n| Some(n << 122)).collect();
    // The number of keys is the first thing that is compared: try what small files can have.
    for keys in 0..=64 {
        let record = RunRecord {
            file: seal.file,
            keys,
            bytes: file.len() as u64,
            first_arrival: 0,
            last_arrival: 0,
            checksum,
        };
        unchecked(|| {
            if let Ok(run) = RunReader::open(&fs, path, seal, (&record, &key)) {
                let _ = run.find(&sorted_probe(&hashes), &mut [false; 64]);
                let _ = run.check();
            }
        });
    }
}

/// The numbers in a file header, so that they need not be guessed.
fn header_seal(file: &[u8]) -> Seal {
    let mut reader = ByteReader::new(file.get(16..32).unwrap_or_default());
    let database = reader.u64().unwrap_or(0);
    Seal {
        database,
        file: FileId(reader.u64().unwrap_or(0)),
    }
}

fn validate(array: &dyn Array) {
    let checked = array.to_data().validate_full();
    // A decimal beyond its precision is a wrong value, not an unsound array.
    let sound = checked.is_ok() || matches!(array.data_type(), DataType::Decimal128(..));
    assert!(sound, "{checked:?}");
}

fn every_type() -> Schema {
    let types = [
        DataType::Boolean,
        DataType::Int8,
        DataType::UInt16,
        DataType::Int32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(20, 3),
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Duration(TimeUnit::Microsecond),
        DataType::Utf8View,
        DataType::BinaryView,
    ];
    Schema::new(types.map(|t| Field::new("column", t, true)).to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::events::RunWriter;
    use crate::format::{FileHeader, FileKind};
    use crate::segment::SegmentWriter;
    use crate::testing::arbitrary_batch;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    fn mutate(file: &mut [u8], changes: &[(Index, u8)]) {
        for (place, byte) in changes {
            let at = place.index(file.len());
            file[at] = *byte;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_segment_with_changed_bytes_and_right_checksums_does_no_harm(
            batch in arbitrary_batch(1..20), changes in vec(any::<(Index, u8)>(), 1..4),
        ) {
            let fs = SimFs::new(1);
            let path = Path::new("/segment");
            let seal = Seal { database: 1, file: FileId(2) };
            let mut file = Vec::new();
            unchecked(|| {
                let mut writer = SegmentWriter::create(&fs, path, seal, TableId(1), &[]).unwrap();
                batch.columns().iter().for_each(|column| writer.column(column).unwrap());
                writer.finish().unwrap();
                file = fs.read(path).unwrap();
            });
            segment(&file);
            mutate(&mut file, &changes);
            segment(&file);
        }

        #[test]
        fn a_run_with_changed_bytes_and_right_checksums_does_no_harm(
            keys in vec(any::<u64>(), 1..200), changes in vec(any::<(Index, u8)>(), 1..4),
        ) {
            let fs = SimFs::new(1);
            let path = Path::new("/run");
            let seal = Seal { database: 1, file: FileId(2) };
            let key = RunKey { table: TableId(1), columns: vec![ColumnId(1)], secret: 1 };
            let mut sorted: Vec<u128> = keys.iter().map(|&key| u128::from(key) << 32).collect();
            sorted.sort_unstable();
            let mut file = Vec::new();
            unchecked(|| {
                let mut writer = RunWriter::create(&fs, path, seal, &key, 300).unwrap();
                sorted.iter().for_each(|&key| writer.push(key).unwrap());
                writer.finish().unwrap();
                file = fs.read(path).unwrap();
            });
            events(&file);
            mutate(&mut file, &changes);
            events(&file);
        }

        #[test]
        fn arbitrary_logs_do_no_harm(payload: Vec<u8>) {
            for kind in [FileKind::Manifest, FileKind::Wal] {
                let seal = Seal { database: 1, file: FileId(2) };
                let mut file = Vec::new();
                unchecked(|| {
                    file = FileHeader { kind, seal }.encode();
                    let offset = file.len() as u64;
                    let header =
                        crate::format::FrameHeader { first: 1, count: 1, synced: 0, other: 0 };
                    crate::format::encode_frame(&mut file, seal, offset, header, &payload);
                });
                manifest(&file);
                wal(&file);
            }
        }
    }
}
