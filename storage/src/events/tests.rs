//! Runs as a whole: written, asked, merged, damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::layout::{Prefix, prefix_of, run_path};
use super::{EventRun, Opened, RunKey, RunWriter, merge_runs};
use crate::TableId;
use crate::format::{FileId, Seal};
use crate::fs::{FileSystem, SimFs};
use crate::history::ColumnId;
use crate::manifest::RunRecord;

const DATABASE: u64 = 3;

fn key() -> RunKey {
    RunKey {
        table: TableId(1),
        columns: vec![ColumnId(4)],
        secret: 5,
    }
}

fn hash(n: u64) -> u128 {
    xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes())
}

fn prefixes(numbers: impl Iterator<Item = u64>) -> Vec<Prefix> {
    let mut all: Vec<Prefix> = numbers.map(|n| prefix_of(hash(n))).collect();
    all.sort_unstable();
    all
}

/// Writes a run with room for more keys than it gets.
fn write(fs: &Arc<dyn FileSystem>, file: u64, keys: &[Prefix]) -> (RunRecord, PathBuf) {
    let path = run_path(Path::new("/"), FileId(file));
    let seal = Seal {
        database: DATABASE,
        file: FileId(file),
    };
    let mut writer = RunWriter::create(&**fs, &path, seal, &key(), keys.len() as u64 + 9).unwrap();
    keys.iter().for_each(|&key| writer.push(key).unwrap());
    let summary = writer.finish().unwrap();
    let record = RunRecord {
        file: FileId(file),
        keys: summary.keys,
        bytes: summary.bytes,
        first_arrival: 1,
        last_arrival: 2,
        checksum: summary.checksum,
    };
    (record, path)
}

fn open(fs: &Arc<dyn FileSystem>, record: RunRecord) -> EventRun {
    let opened = Opened {
        fs,
        dir: Path::new("/"),
        database: DATABASE,
    };
    EventRun::open(opened, record, &key()).unwrap()
}

/// Which of the numbers a run has; an error, if it is damaged.
fn find(run: &EventRun, numbers: std::ops::Range<u64>) -> crate::Result<Vec<bool>> {
    let hashes: Vec<_> = numbers.map(|n| Some(hash(n))).collect();
    let mut seen = vec![false; hashes.len()];
    run.reader()?
        .find(&super::run::sorted_probe(&hashes), &mut seen)?;
    Ok(seen)
}

fn sim() -> Arc<dyn FileSystem> {
    Arc::new(SimFs::new(1))
}

#[test]
fn a_run_has_exactly_the_keys_it_was_given() {
    for count in [0, 1, 5, 63, 64, 300, 5_000, 600_000] {
        let fs = sim();
        let (record, _) = write(&fs, 7, &prefixes(0..count));
        assert_eq!(record.keys, count);
        let run = open(&fs, record);
        run.check().unwrap();
        let seen = find(&run, 0..count + 20_000).unwrap();
        assert!(seen.iter().take(count as usize).all(|&seen| seen));
        assert!(
            !seen.iter().skip(count as usize).any(|&seen| seen),
            "{count}"
        );
        // Twelve bytes and a filter at most; pages and directory for the rest.
        assert!(
            count < 5_000 || record.bytes < 14 * count,
            "{}",
            record.bytes
        );
    }
}

#[test]
fn rows_without_a_key_are_in_no_run() {
    let fs = sim();
    let (record, _) = write(&fs, 7, &prefixes(0..10));
    let mut seen = vec![false; 3];
    let hashes = [None, Some(hash(3)), None];
    let probe = super::run::sorted_probe(&hashes);
    open(&fs, record)
        .reader()
        .unwrap()
        .find(&probe, &mut seen)
        .unwrap();
    assert_eq!(seen, [false, true, false]);
}

#[test]
fn a_merged_run_has_every_key_once() {
    let fs = sim();
    let sources = [0..9_000u64, 8_000..8_500, 20_000..90_000, 0..0, 5..6];
    let runs: Vec<EventRun> = (1..)
        .zip(&sources)
        .map(|(file, numbers)| open(&fs, write(&fs, file, &prefixes(numbers.clone())).0))
        .collect();
    let readers: Vec<_> = runs.iter().map(|run| run.reader().unwrap()).collect();
    let (file, path) = (FileId(9), run_path(Path::new("/"), FileId(9)));
    let seal = Seal {
        database: DATABASE,
        file,
    };
    let writer = RunWriter::create(&*fs, &path, seal, &key(), 79_501).unwrap();
    let summary = merge_runs(&readers, writer).unwrap();
    assert_eq!(summary.keys, 79_000);
    let record = RunRecord {
        file,
        keys: summary.keys,
        bytes: summary.bytes,
        checksum: summary.checksum,
        ..runs[0].record
    };
    let run = open(&fs, record);
    run.check().unwrap();
    let seen = find(&run, 0..100_000).unwrap();
    for (number, seen) in (0..).zip(seen) {
        assert_eq!(
            seen,
            sources.iter().any(|s| s.contains(&number)),
            "{number}"
        );
    }
}

#[test]
fn a_run_of_another_table_key_or_place_is_refused() {
    let fs = sim();
    let (record, path) = write(&fs, 7, &prefixes(0..100));
    let foreign = |change: fn(&mut RunKey)| {
        let mut other = key();
        change(&mut other);
        let opened = Opened {
            fs: &fs,
            dir: Path::new("/"),
            database: DATABASE,
        };
        EventRun::open(opened, record, &other)
            .unwrap()
            .reader()
            .is_err()
    };
    assert!(!foreign(|_| {}));
    assert!(foreign(|key| key.table = TableId(2)));
    assert!(foreign(|key| key.columns = vec![ColumnId(5)]));
    assert!(foreign(|key| key.secret = 6));
    fs.rename(&path, &run_path(Path::new("/"), FileId(8)))
        .unwrap();
    let moved = RunRecord {
        file: FileId(8),
        ..record
    };
    assert!(open(&fs, moved).reader().is_err());
    // Missing: reported when it is asked.
    assert!(open(&fs, record).reader().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_flipped_bit_is_an_error_or_changes_nothing(
        count in 1u64..700,
        place: prop::sample::Index,
        bit in 0u8..8,
    ) {
        let sim = SimFs::new(1);
        let fs: Arc<dyn FileSystem> = Arc::new(sim.clone());
        let (record, path) = write(&fs, 7, &prefixes(0..count));
        let before = find(&open(&fs, record), 0..2 * count).unwrap();
        let mut bytes = fs.read(&path).unwrap();
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        sim.damage(&path, bytes);
        if let Ok(found) = find(&open(&fs, record), 0..2 * count) {
            prop_assert_eq!(found, before);
        }
    }
}
