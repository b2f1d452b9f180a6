//! Background care: rows that are too old go, deleted ones leave the disk in time, damage is found before
//! anybody asks for the rows, and what is damaged stays where it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use storno_storage::fs::{Disk, Fault, FaultKind, FileSystem, SimFs};
use storno_storage::{
    Clock, Delete, Environment, Error, IfGone, Keep, ManualClock, OnDuplicate, Options, Result,
    Retention, ScanRequest, Schedule, Store, SyncMode, TableSnapshot, TableSpec, WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, read, row, scan, spec};
use crate::workload::{Random, rounds};
use crate::world::options;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

struct Care {
    clock: Arc<ManualClock>,
    fs: Arc<dyn FileSystem>,
    options: Options,
    store: Option<Store>,
}

impl Care {
    fn new(fs: Arc<dyn FileSystem>, options: Options) -> Self {
        let mut care = Self {
            clock: Arc::default(),
            fs,
            options,
            store: None,
        };
        care.open().unwrap();
        care
    }

    fn sim(seed: u64) -> (SimFs, Self) {
        let fs = SimFs::new(seed);
        let care = Self::new(Arc::new(fs.clone()), options());
        (fs, care)
    }

    fn open(&mut self) -> Result<()> {
        let clock = Arc::clone(&self.clock);
        let environment = Environment {
            fs: Arc::clone(&self.fs),
            clock,
            seed: Some(7),
            schedule: Schedule::Manual,
        };
        self.store = None;
        self.store = Some(Store::open_in(self.options.clone(), environment)?);
        Ok(())
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn create(&self, name: &str, retention: Retention) -> Result<()> {
        if self.store().snapshot().tables(SCHEMA).is_none() {
            self.store().create_schema(SCHEMA, "")?;
        }
        let spec = TableSpec {
            retention,
            ..spec(name)
        };
        self.store().create_table(SCHEMA, spec).map(drop)
    }

    fn table(&self, name: &str) -> TableSnapshot {
        self.store().snapshot().table(SCHEMA, name).unwrap()
    }

    fn insert(&self, name: &str, rows: &[Row]) -> Result<()> {
        let table = self.table(name);
        let write = WriteBatch {
            inserts: vec![(table.meta().id, batch(table.meta(), rows))],
            arrivals: Vec::new(),
            deletes: Vec::new(),
            on_duplicate: OnDuplicate::Fail,
            sync: SyncMode::Durable,
        };
        self.store().commit(write).map(drop)
    }

    fn delete(&self, name: &str, below: i64) -> u64 {
        self.store().expire(SCHEMA, name, 0, below).unwrap()
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.settle();
    }

    fn settle(&self) {
        self.store().run_writer();
        while self.store().run_job() {
            self.store().run_writer();
        }
    }

    /// Microseconds since 1970, so many seconds ago.
    fn ago(&self, seconds: u64) -> i64 {
        1_000_000 * (self.clock.wall().as_secs() as i64 - seconds as i64)
    }

    fn files(&self, kind: &str) -> Vec<PathBuf> {
        let dir = &self.options.dir;
        let names = self.fs.list(dir).unwrap().into_iter();
        let mut files: Vec<_> = names
            .filter(|n| n.ends_with(kind))
            .map(|n| dir.join(n))
            .collect();
        files.sort();
        files
    }
}

fn keep(seconds: u64) -> Retention {
    Retention {
        keep: Some(Keep { column: 2, seconds }),
        erase_after: None,
    }
}

#[test]
fn rows_that_are_too_old_go_and_others_stay() {
    for seed in 0..rounds("STORNO_RETENTION_SEEDS", 12) {
        let (_, mut care) = Care::sim(seed);
        care.create("a", keep(3 * DAY)).unwrap();
        care.create("b", Retention::default()).unwrap();
        let (mut random, mut rows) = (Random(seed), Vec::new());
        for round in 0..30u64 {
            let ids = 100 * round..100 * round + 1 + random.below(60);
            let at = |random: &mut Random| care.ago(random.below(4 * DAY));
            let new: Vec<Row> = ids
                .map(|id| Row {
                    at: at(&mut random),
                    ..row(id)
                })
                .collect();
            care.insert("a", &new).unwrap();
            care.insert("b", &new).unwrap();
            rows.extend(new);
            match random.below(4) {
                0 => care.store().flush().unwrap(),
                1 => care.open().unwrap(),
                _ => {}
            }
            care.pass(2 * HOUR + random.below(8 * HOUR));
            let oldest = care.ago(3 * DAY);
            rows.retain(|row| row.at >= oldest);
            let mut found = read(&care.table("a")).unwrap();
            found.sort();
            rows.sort();
            let ids = |rows: &[Row]| rows.iter().map(|row| row.id).collect::<Vec<_>>();
            assert_eq!(ids(&found), ids(&rows), "seed {seed}, round {round}");
        }
        // Whole segments go at once.
        assert!(!care.files("seg").is_empty());
        assert!(care.table("b").rows() > care.table("a").rows());
        care.pass(4 * DAY);
        assert_eq!(care.table("a").rows(), 0);
        assert!(
            care.store().care_stats().segments_expired > 0,
            "seed {seed}"
        );
        assert_eq!(care.store().check().unwrap().problems.len(), 0);
        care.open().unwrap();
        assert_eq!(care.table("a").rows(), 0);
    }
}

#[test]
fn a_very_short_life_leaves_other_tables_their_turns() {
    let (_, care) = Care::sim(1);
    care.create("a", keep(5)).unwrap();
    care.create("b", keep(DAY)).unwrap();
    let old = [Row {
        at: care.ago(2 * DAY),
        ..row(1)
    }];
    care.insert("b", &old).unwrap();
    // Ends, for one thing.
    care.settle();
    assert_eq!(care.table("b").rows(), 0);
}

#[test]
fn a_flush_waits_for_memtables_that_lose_rows_meanwhile() {
    let (_, care) = Care::sim(1);
    for name in ["a", "b", "c"] {
        care.create(name, Retention::default()).unwrap();
        let rows: Vec<Row> = (0..5).map(row).collect();
        care.insert(name, &rows).unwrap();
    }
    let (store, c) = (care.store().clone(), care.table("c"));
    let write = |delete: Option<Delete>| WriteBatch {
        inserts: Vec::new(),
        arrivals: Vec::new(),
        deletes: delete.into_iter().collect(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Durable,
    };
    let delete = write(Some(Delete {
        rows: c.rows_below(0, 2).unwrap(),
        if_gone: IfGone::Ignore,
    }));
    // Behind the request to flush, so that it meets sealed memtables, and before the last of them is flushed.
    let behind = Box::new(move |_| store.submit(delete, Box::new(|done| drop(done.unwrap()))));
    care.store().submit(write(None), behind);
    care.store().flush().unwrap();
    for (name, rows) in [("a", 5), ("b", 5), ("c", 3)] {
        let table = care.table(name);
        assert_eq!((table.segments(), table.rows()), (1, rows), "{name}");
    }
}

#[test]
fn a_crash_while_rows_expire_takes_no_others_and_brings_none_back_that_nobody_saw() {
    let mut crashes = 0;
    for at in 0..rounds("STORNO_RETENTION_CRASHES", 120) {
        let (fs, mut care) = Care::sim(at);
        care.create("a", keep(DAY)).unwrap();
        let old: Vec<Row> = (0..70)
            .map(|id| Row {
                at: care.ago(DAY - 60),
                ..row(id)
            })
            .collect();
        care.insert("a", &old).unwrap();
        care.store().flush().unwrap();
        let mixed = (100..150).map(|id| (id, care.ago(if id % 2 == 0 { 0 } else { DAY - 90 })));
        let mixed: Vec<Row> = mixed.map(|(id, at)| Row { at, ..row(id) }).collect();
        care.insert("a", &mixed).unwrap();
        care.store().flush().unwrap();
        care.insert(
            "a",
            &[Row {
                at: care.ago(DAY - 100),
                ..row(200)
            }],
        )
        .unwrap();
        fs.arm(Fault::once(fs.operations() + at % 40, FaultKind::Crash));
        care.pass(HOUR);
        crashes += u64::from(fs.is_dead());
        fs.halt();
        care.store = None;
        fs.power_cut();
        care.open().unwrap();
        let young: Vec<Row> = mixed
            .iter()
            .filter(|row| row.id % 2 == 0)
            .cloned()
            .collect();
        let found = read(&care.table("a")).unwrap();
        assert!(young.iter().all(|row| found.contains(row)));
        care.pass(HOUR);
        assert_eq!(read(&care.table("a")).unwrap(), young);
        assert_eq!(care.store().check().unwrap().problems.len(), 0);
    }
    assert!(crashes > 40, "{crashes}");
}

/// Whether a text stands in a file below the directory.
fn on_disk(fs: &SimFs, text: &str) -> bool {
    let has = |path: &PathBuf| {
        let content = fs.read(path).unwrap();
        content
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    fs.files().iter().any(has)
}

#[test]
fn deleted_rows_leave_every_file_in_time_whatever_else_happens() {
    for restarts in [false, true] {
        let (fs, mut care) = Care::sim(3);
        let erase = Retention {
            keep: None,
            erase_after: Some(2 * DAY),
        };
        care.create("a", erase).unwrap();
        care.create("quiet", Retention::default()).unwrap();
        // A row of another table keeps the log with the secret from being dropped by itself.
        care.insert("quiet", &[row(1)]).unwrap();
        let secret = |id| Row {
            path: Some(format!("a secret of {id} that nobody may keep")),
            ..row(id)
        };
        let rows: Vec<Row> = (0..20).map(secret).chain((100..120).map(row)).collect();
        care.insert("a", &rows).unwrap();
        care.store().flush().unwrap();
        care.pass(DAY / 2);
        care.insert("a", &(20..25).map(secret).collect::<Vec<_>>())
            .unwrap();
        assert!(on_disk(&fs, "a secret of 3 ") && on_disk(&fs, "a secret of 22 "));
        assert_eq!(care.delete("a", 100), 25);
        let mut waited = 0;
        while on_disk(&fs, "a secret of") {
            assert!(
                waited < 2 * DAY,
                "after {waited} seconds, {:?}",
                care.store().care_stats()
            );
            care.pass(3 * HOUR);
            waited += 3 * HOUR;
            if restarts && waited % (9 * HOUR) == 0 {
                care.open().unwrap();
            }
        }
        assert_eq!(read(&care.table("a")).unwrap().len(), 20);
        assert_eq!(read(&care.table("quiet")).unwrap().len(), 1);
    }
}

/// A store on real files, so that what is read changes under the mapping.
fn on_real_files(dir: &Path) -> Care {
    let mut options = options();
    options.dir = dir.to_path_buf();
    options.scrub_bytes_per_second = 1 << 40;
    let care = Care::new(Arc::new(Disk), options);
    for name in ["a", "b"] {
        care.create(name, Retention::default()).unwrap();
        let rows: Vec<Row> = (0..30).map(row).collect();
        care.insert(name, &rows).unwrap();
        care.store().flush().unwrap();
    }
    care.settle();
    care
}

fn flip(path: &Path, at: usize) {
    let mut content = std::fs::read(path).unwrap();
    content[at] ^= 0x10;
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &content[at..=at], at as u64).unwrap();
}

fn column(table: &TableSnapshot, column: usize) -> Result<usize> {
    let request = ScanRequest {
        columns: vec![column],
        predicates: Vec::new(),
    };
    Ok(scan(table, request)?.iter().map(|b| b.num_rows()).sum())
}

/// One pass through all files.
fn scrub_all(care: &Care) {
    let passes = care.store().care_stats().passes;
    for _ in 0..50 {
        care.pass(100);
        if care.store().care_stats().passes > passes {
            return;
        }
    }
    panic!("no pass ended: {:?}", care.store().care_stats());
}

#[test]
fn a_pass_reads_every_file_and_finds_nothing_wrong_with_good_ones() {
    let dir = tempfile::tempdir().unwrap();
    let care = on_real_files(dir.path());
    scrub_all(&care);
    let stats = care.store().care_stats();
    let size = |path: &PathBuf| std::fs::metadata(path).unwrap().len();
    let files = [care.files("seg"), care.files("key")].concat();
    assert!(stats.bytes_scrubbed >= files.iter().map(size).sum());
    assert_eq!(care.store().quarantined().len(), 0);
    // The next pass is a week later.
    care.pass(HOUR);
    assert_eq!(
        care.store().care_stats().files_scrubbed,
        stats.files_scrubbed
    );
    care.pass(7 * DAY);
    care.pass(1);
    assert!(care.store().care_stats().files_scrubbed > stats.files_scrubbed);
}

#[test]
fn scrubbing_keeps_to_its_rate() {
    let dir = tempfile::tempdir().unwrap();
    let mut care = on_real_files(dir.path());
    care.options.scrub_bytes_per_second = 50;
    care.open().unwrap();
    for _ in 0..600 {
        care.pass(1);
    }
    let stats = care.store().care_stats();
    assert!(
        (20_000..40_000).contains(&stats.bytes_scrubbed),
        "{stats:?}"
    );
}

#[test]
fn a_damaged_segment_is_named_and_fails_only_what_needs_its_damaged_rows() {
    let dir = tempfile::tempdir().unwrap();
    let care = on_real_files(dir.path());
    let segment = care.files("seg").remove(0);
    let length = std::fs::metadata(&segment).unwrap().len() as usize;
    let (mut found, mut partly) = (0, 0);
    for at in (64..length).step_by(29) {
        // Everything has been read and found good before.
        for name in ["a", "b"] {
            assert_eq!(read(&care.table(name)).unwrap().len(), 30);
        }
        flip(&segment, at);
        care.clock.advance(Duration::from_secs(7 * DAY));
        scrub_all(&care);
        let quarantined = care.store().quarantined();
        if let [damaged] = quarantined.as_slice() {
            found += 1;
            assert_eq!(damaged.path, segment);
            assert!((1..=damaged.rows).contains(&damaged.rows_at_stake));
            assert!(
                damaged
                    .error
                    .to_string()
                    .contains(&segment.display().to_string())
            );
            let name = damaged.table.table.clone();
            let columns: Vec<_> = (0..5).map(|c| column(&care.table(&name), c)).collect();
            for result in &columns {
                match result {
                    Ok(rows) => assert_eq!(*rows, 30),
                    Err(Error::Corruption { path, .. }) => assert_eq!(path, &segment),
                    Err(other) => panic!("{other}"),
                }
            }
            partly += usize::from(
                columns.iter().any(Result::is_ok) && columns.iter().any(Result::is_err),
            );
            let other = if name == "a" { "b" } else { "a" };
            assert_eq!(read(&care.table(other)).unwrap().len(), 30);
            let report = care.table(&name).check().unwrap();
            assert!(!report.problems.is_empty());
            // Nothing rewrites it.
            assert_eq!(care.files("seg")[0], segment);
        }
        flip(&segment, at);
    }
    assert!(found > 20 && partly > 10, "{found} found, {partly} in part");
}

#[test]
fn a_damaged_segment_keeps_no_other_from_being_merged() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options();
    options.dir = dir.path().to_path_buf();
    options.scrub_bytes_per_second = 0;
    let care = Care::new(Arc::new(Disk), options);
    care.create("a", Retention::default()).unwrap();
    for first in [0, 100, 200] {
        let rows: Vec<Row> = (first..first + 10).map(row).collect();
        care.insert("a", &rows).unwrap();
        care.store().flush().unwrap();
    }
    let segments = care.files("seg");
    let [first, bad, last] = segments.as_slice() else {
        panic!("{segments:?}");
    };
    (64..128).for_each(|at| flip(bad, at));
    care.pass(10);
    let left = care.files("seg");
    assert!(left.contains(bad), "{left:?}");
    assert!(!left.contains(first) && !left.contains(last), "{left:?}");
}

#[test]
fn a_damaged_key_file_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let care = on_real_files(dir.path());
    let keys = care.files("key").remove(0);
    let good = std::fs::read(&keys).unwrap();
    flip(&keys, 130);
    assert!(!care.store().check().unwrap().problems.is_empty());
    scrub_all(&care);
    assert_eq!(care.store().care_stats().key_files_remade, 1);
    assert_eq!(care.store().quarantined().len(), 0);
    assert_eq!(std::fs::read(&keys).unwrap(), good);
    assert!(care.store().check().unwrap().problems.is_empty());
    let again = care.insert("a", &[row(3)]);
    assert!(
        matches!(again, Err(Error::DuplicateKey { .. })),
        "{again:?}"
    );
}
