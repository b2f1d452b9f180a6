//! Backups: a copy of a running store is the state of one moment, whatever happens while it is copied; and a
//! directory restored from it is that state or does not open.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use storno_storage::fs::{Fault, FaultKind, FileSystem, SimFs};
use storno_storage::{
    Backup, BackupScope, Environment, Error, ManualClock, OnDuplicate, Options, Restore, Result,
    Schedule, Store, SyncMode, WriteBatch,
};

use crate::fixture::{SCHEMA, batch, row, spec, table_id};
use crate::states::{Insert, State, Step};
use crate::workload::{Random, Seed, random_step, rounds};
use crate::world::{World, observe, options};

const COPY: &str = "/copy";

fn scope(flush: bool) -> BackupScope {
    BackupScope {
        flush,
        ..BackupScope::all()
    }
}

fn open_at(fs: &SimFs, dir: &str) -> Result<Store> {
    let options = Options {
        dir: dir.into(),
        ..options()
    };
    let environment = Environment {
        fs: Arc::new(fs.clone()),
        clock: Arc::<ManualClock>::default(),
        seed: Some(11),
        schedule: Schedule::Manual,
    };
    Store::open_in(options, environment)
}

/// The files of a backup as they were read.
fn contents(backup: &Backup) -> Vec<(String, Vec<u8>)> {
    let read = |file: &storno_storage::BackupFile| {
        let bytes = file.open().unwrap();
        let half = file.bytes() / 2;
        let mut all = bytes.read(0, half as usize).unwrap();
        all.extend(bytes.read(half, (file.bytes() - half) as usize).unwrap());
        assert!(bytes.read(1, file.bytes() as usize).is_err());
        (file.name().to_owned(), all)
    };
    backup.files.iter().map(read).collect()
}

fn restore(fs: &SimFs, dir: &str, files: &[(String, Vec<u8>)]) -> Result<()> {
    let mut restore = Restore::begin(Arc::new(fs.clone()), Path::new(dir))?;
    for (name, content) in files {
        let mut file = restore.create(name)?;
        let (first, second) = content.split_at(content.len() / 3);
        file.write(first)?;
        file.write(second)?;
        file.finish()?;
    }
    restore.finish()
}

/// A world some way into a random workload.
fn world(seed: u64, steps: u64) -> (World, Random) {
    let mut random = Random(seed);
    let mut world = World::new(seed);
    world.open().unwrap();
    for step in [
        Step::CreateSchema,
        Step::CreateTable("a"),
        Step::CreateTable("b"),
    ] {
        world.step(&step).unwrap();
    }
    for _ in 0..steps {
        world.step(&random_step(&mut random)).unwrap();
    }
    (world, random)
}

#[test]
fn a_copy_is_the_state_of_its_moment_whatever_comes_after() {
    for seed in 0..rounds("STORNO_BACKUP_SEEDS", 60) {
        let _seed = Seed(seed);
        let (mut world, mut random) = world(seed, 40);
        let flush = seed % 3 == 0;
        let backup = world.store.as_ref().unwrap().backup(&scope(flush)).unwrap();
        let expected = world.current().clone();
        // Flushes, merges, truncations and drops, while the files are still to be read.
        for _ in 0..30 {
            match random_step(&mut random) {
                Step::Reopen => {}
                step => world.step(&step).unwrap(),
            }
        }
        let files = contents(&backup);
        assert_eq!(files.last().unwrap().0, "MANIFEST");
        drop(backup);
        restore(&world.fs, COPY, &files).unwrap();
        // What was synced is all that counts.
        let fs = world.fs.fork(seed);
        fs.power_cut();
        let copy = open_at(&fs, COPY).unwrap();
        assert_eq!(observe(&copy).unwrap(), expected);
        assert!(copy.check().unwrap().problems.is_empty());
        goes_on(&copy, &expected);
        drop(copy);
        assert!(
            open_at(&fs, COPY)
                .unwrap()
                .check()
                .unwrap()
                .problems
                .is_empty()
        );
    }
}

/// The copy takes rows, knows its keys, and flushes.
fn goes_on(copy: &Store, expected: &State) {
    for (name, rows) in &expected.tables {
        let meta = copy.snapshot().table(SCHEMA, name).unwrap().meta().clone();
        let commit = |rows: &[crate::fixture::Row]| {
            copy.commit(WriteBatch {
                inserts: vec![(meta.id, batch(&meta, rows))],
                deletes: Vec::new(),
                arrivals: Vec::new(),
                on_duplicate: OnDuplicate::Skip,
                sync: SyncMode::Durable,
            })
        };
        assert_eq!(commit(rows).unwrap().rows_inserted, 0);
        let new: Vec<_> = (5000..5100).map(|id| expected.row(name, id)).collect();
        assert_eq!(commit(&new).unwrap().rows_inserted, 100);
    }
    copy.flush().unwrap();
}

#[test]
fn a_second_backup_has_the_same_files_under_the_same_identities() {
    let (mut world, _) = world(5, 0);
    let rows = |ids: std::ops::Range<u64>| {
        Step::Commits(vec![Insert::durable(vec![("a", ids.collect())])])
    };
    let identities = |world: &World| -> BTreeSet<(String, String)> {
        let backup = world.store.as_ref().unwrap().backup(&scope(true)).unwrap();
        let files = backup.files.iter();
        files
            .filter_map(|file| Some((file.name().to_owned(), file.identity()?)))
            .collect()
    };
    for start in [0, 1000, 2000] {
        world.step(&rows(start..start + 120)).unwrap();
    }
    world.step(&Step::Flush).unwrap();
    let first = identities(&world);
    assert!(first.len() >= 9, "{first:?}");
    world.step(&rows(9000..9002)).unwrap();
    let second = identities(&world);
    let new = second.difference(&first).count();
    assert_eq!((new, first.difference(&second).count()), (1, 0));
    // A directory that was restored and went another way has other identities under the same numbers.
    let backup = world.store.as_ref().unwrap().backup(&scope(true)).unwrap();
    restore(&world.fs, COPY, &contents(&backup)).unwrap();
    let copy = open_at(&world.fs, COPY).unwrap();
    let id = table_id(&copy.snapshot(), "a");
    for (store, number) in [(world.store.as_ref().unwrap(), 9500), (&copy, 9600)] {
        let meta = store.snapshot().table(SCHEMA, "a").unwrap().meta().clone();
        let inserts = vec![(id, batch(&meta, &[row(number)]))];
        store
            .commit(WriteBatch {
                inserts,
                deletes: Vec::new(),
                arrivals: Vec::new(),
                on_duplicate: OnDuplicate::Fail,
                sync: SyncMode::Durable,
            })
            .unwrap();
    }
    let other = copy.backup(&scope(true)).unwrap();
    let other: BTreeSet<_> = other
        .files
        .iter()
        .filter_map(|file| Some((file.name().to_owned(), file.identity()?)))
        .collect();
    let own = identities(&world);
    assert_eq!(own.intersection(&other).count(), second.len());
}

#[test]
fn a_backup_of_one_schema_holds_nothing_of_others() {
    for flush in [false, true] {
        let (mut world, _) = world(7, 0);
        let insert = Insert::durable(vec![("a", (0..30).collect()), ("b", (0..9).collect())]);
        world.step(&Step::Commits(vec![insert])).unwrap();
        world
            .step(&Step::Commits(vec![Insert::delete("a", vec![3])]))
            .unwrap();
        let store = world.store.as_ref().unwrap();
        store.create_schema("other", "").unwrap();
        store.create_table("other", spec("secret")).unwrap();
        store.set_property("p", Some("kept")).unwrap();
        store.set_property("q", Some("CANARY")).unwrap();
        let secret = store
            .snapshot()
            .table("other", "secret")
            .unwrap()
            .meta()
            .clone();
        let mut hidden = row(1);
        hidden.path = Some("CANARY in a row that is long enough".into());
        let commit = WriteBatch {
            inserts: vec![
                (secret.id, batch(&secret, &[hidden])),
                (table_id(&store.snapshot(), "b"), batch(&secret, &[row(77)])),
            ],
            deletes: Vec::new(),
            arrivals: Vec::new(),
            on_duplicate: OnDuplicate::Fail,
            sync: SyncMode::Durable,
        };
        store.commit(commit).unwrap();
        let backup = store
            .backup(&BackupScope {
                schema: Some(SCHEMA.into()),
                flush,
                property: Box::new(|key, value| (key == "p").then(|| value.to_owned())),
            })
            .unwrap();
        let files = contents(&backup);
        for (name, content) in &files {
            let found = content.windows(6).any(|window| window == b"CANARY");
            assert!(!found, "{name} tells of another schema");
        }
        restore(&world.fs, COPY, &files).unwrap();
        let copy = open_at(&world.fs, COPY).unwrap();
        assert!(copy.snapshot().tables("other").is_none());
        assert_eq!(copy.property("p").as_deref(), Some("kept"));
        assert_eq!(copy.property("q"), None);
        let (all, own) = (observe(store).unwrap(), observe(&copy).unwrap());
        assert_eq!(own.tables, all.tables);
        assert_eq!(own.tables["b"].len(), 10);
    }
    let (world, _) = world(1, 0);
    let missing = BackupScope {
        schema: Some("nowhere".into()),
        ..BackupScope::all()
    };
    let refused = world.store.as_ref().unwrap().backup(&missing);
    assert!(matches!(refused, Err(Error::UnknownSchema(_))));
}

/// The power goes at every operation of a restore: what is there then does not open, or is all of it.
#[test]
fn a_restore_is_whole_or_does_not_open() {
    let (world, _) = world(3, 25);
    let backup = world.store.as_ref().unwrap().backup(&scope(false)).unwrap();
    let (files, expected) = (contents(&backup), world.current().clone());
    let (mut refused, mut whole, mut at) = (0, 0, 0);
    loop {
        let fs = SimFs::new(at);
        fs.arm(Fault::once(at, FaultKind::Crash));
        let result = restore(&fs, COPY, &files);
        let ended = !fs.is_dead();
        fs.power_cut();
        let is_data = |path: &std::path::PathBuf| {
            let kind = path.extension().and_then(|e| e.to_str());
            matches!(kind, Some("seg" | "wal" | "evt")) || path.ends_with("MANIFEST")
        };
        let has_data = fs.files().iter().any(is_data);
        match open_at(&fs, COPY) {
            Err(Error::Unfinished(_)) => {
                assert!(result.is_err());
                refused += 1;
            }
            Err(other) => panic!("at {at}: {other}"),
            Ok(store) => {
                let found = observe(&store).unwrap();
                // Before anything was there, the directory is one that nobody has used.
                let untouched = found == State::default() && !has_data;
                assert!(untouched || found == expected, "at {at}");
                whole += u64::from(found == expected);
            }
        }
        if ended {
            result.unwrap();
            break;
        }
        at += 1;
    }
    assert!(
        refused > 20 && whole > 0,
        "{refused} refused, {whole} whole"
    );
}

#[test]
fn a_restore_takes_up_where_one_was_killed_and_touches_nobodys_files() {
    let (world, _) = world(4, 25);
    let backup = world.store.as_ref().unwrap().backup(&scope(false)).unwrap();
    let (files, expected) = (contents(&backup), world.current().clone());
    let fs = &world.fs;
    let occupied = restore(fs, "/db", &files).unwrap_err();
    assert!(matches!(occupied, Error::Locked(_)), "{occupied}");
    let mut begun = Restore::begin(Arc::new(fs.clone()), Path::new(COPY)).unwrap();
    let taken = Restore::begin(Arc::new(fs.clone()), Path::new(COPY)).unwrap_err();
    assert!(matches!(taken, Error::Locked(_)), "{taken}");
    begun.create(&files[0].0).unwrap().write(b"half").unwrap();
    assert!(begun.create(&files[0].0).is_err(), "twice");
    assert!(begun.create("../escaped").is_err());
    drop(begun);
    assert!(matches!(open_at(fs, COPY), Err(Error::Unfinished(_))));
    restore(fs, COPY, &files).unwrap();
    assert_eq!(observe(&open_at(fs, COPY).unwrap()).unwrap(), expected);
    // Now it is somebody's.
    let full = restore(fs, COPY, &files).unwrap_err();
    assert!(full.to_string().contains("not empty"), "{full}");
    assert_eq!(observe(&open_at(fs, COPY).unwrap()).unwrap(), expected);
    let without = &files[..files.len() - 1];
    assert!(restore(fs, "/other", without).is_err(), "no manifest");
    assert!(matches!(open_at(fs, "/other"), Err(Error::Unfinished(_))));
}

#[test]
fn what_is_damaged_is_not_copied() {
    let (mut world, _) = world(6, 0);
    let rows = Insert::durable(vec![("a", (0..100).collect())]);
    world.step(&Step::Commits(vec![rows])).unwrap();
    let backup = world.store.as_ref().unwrap().backup(&scope(true)).unwrap();
    let file = backup
        .files
        .iter()
        .find(|f| f.name().ends_with(".seg"))
        .unwrap();
    let path = Path::new("/db").join(file.name());
    let good = world.fs.read(&path).unwrap();
    assert!(file.open().is_ok());
    for at in (64..good.len()).step_by(good.len() / 9) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        world.fs.damage(&path, bad);
        // Between the parts there are bytes that nothing depends on.
        if let Ok(bytes) = file.open() {
            let read = bytes.read(0, good.len()).unwrap();
            assert_eq!(read.iter().zip(&good).filter(|(a, b)| a != b).count(), 1);
            continue;
        }
        assert!(
            matches!(file.open(), Err(Error::Corruption { .. })),
            "byte {at}"
        );
    }
    world.fs.damage(&path, good[..good.len() - 1].to_vec());
    assert!(file.open().is_err());
}
