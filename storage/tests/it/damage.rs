//! Damage: bits flip, files are cut, parts are swapped, in every kind of file. An open or a scan then
//! reports it or returns the right rows; it never returns others, and never panics.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use storno_storage::fs::{FileSystem, SimFs};
use storno_storage::{Error, OnDuplicate, SyncMode, WriteBatch};

use crate::states::{Insert, State, Step};
use crate::workload::{Random, kind, rounds};
use crate::world::World;

/// A store with rows in segments and in the WAL, closed cleanly.
fn closed_store() -> (SimFs, State) {
    let mut world = World::new(5);
    world.open().unwrap();
    let commit = |ids: std::ops::Range<u64>| {
        let rows = vec![("a", ids.clone().collect()), ("b", ids.collect())];
        Step::Commits(vec![Insert::durable(rows)])
    };
    let steps = [
        Step::CreateSchema,
        Step::CreateTable("a"),
        Step::CreateTable("b"),
        commit(0..60),
        Step::Flush,
        commit(100..105),
        Step::Commits(vec![Insert::delete("a", vec![3, 4, 5, 101])]),
        Step::SetProperty(Some("kept".into())),
        commit(105..109),
    ];
    steps.iter().for_each(|step| world.step(step).unwrap());
    let state = world.current().clone();
    world.store = None;
    (world.fs, state)
}

/// Opens and reads a damaged copy. What it finds, when nothing is reported.
fn read_damaged(fs: SimFs) -> Result<State, Error> {
    let mut world = World::on(fs);
    world.open()?;
    let found = world.observe()?;
    // No row may come twice, whatever became of the keys.
    let store = world.store.as_ref().unwrap();
    for name in ["a", "b"] {
        let table = store.snapshot().table("shop", name).unwrap();
        let rows = crate::fixture::batch(table.meta(), &found.tables[name]);
        let again = store.commit(WriteBatch {
            inserts: vec![(table.meta().id, rows)],
            deletes: Vec::new(),
            arrivals: Vec::new(),
            on_duplicate: OnDuplicate::Skip,
            sync: SyncMode::Durable,
        })?;
        assert_eq!(again.rows_inserted, 0);
    }
    Ok(found)
}

fn check(found: Result<State, Error>, state: &State, what: &str) -> bool {
    match found {
        Ok(found) => {
            assert_eq!(&found, state, "{what}");
            false
        }
        Err(Error::Corruption { .. } | Error::UnsupportedVersion { .. } | Error::Io { .. }) => true,
        Err(error) => panic!("{what}: {error}"),
    }
}

fn damage(fs: &SimFs, path: &Path, content: Vec<u8>) -> SimFs {
    let copy = fs.fork(0);
    copy.damage(path, content);
    copy
}

fn data_files(fs: &SimFs) -> Vec<PathBuf> {
    fs.files()
        .into_iter()
        .filter(|path| !path.ends_with("LOCK") && !path.ends_with("RESERVE"))
        .collect()
}

#[test]
fn flipped_bits_are_reported_or_harmless() {
    let (fs, state) = closed_store();
    let mut detected: BTreeMap<&str, u64> = BTreeMap::new();
    let mut random = Random(1);
    let flips = rounds("STORNO_FLIPS", 400);
    for path in data_files(&fs) {
        let content = fs.read(&path).unwrap();
        for _ in 0..flips.min(8 * content.len() as u64) {
            let bit = random.below(8 * content.len() as u64);
            let mut damaged = content.clone();
            damaged[bit as usize / 8] ^= 1 << (bit % 8);
            let what = format!("bit {bit} of {}", path.display());
            let found = check(read_damaged(damage(&fs, &path, damaged)), &state, &what);
            *detected.entry(kind(&path)).or_default() += u64::from(found);
        }
    }
    assert!(
        detected.len() == 4 && detected.values().all(|&n| n > 20),
        "{detected:?}"
    );
}

#[test]
fn cut_files_are_reported_or_harmless() {
    let (fs, state) = closed_store();
    for path in data_files(&fs) {
        let content = fs.read(&path).unwrap();
        let step = (content.len() / rounds("STORNO_CUTS", 100) as usize).max(1);
        for cut in (0..content.len()).step_by(step) {
            let what = format!("{} cut at {cut}", path.display());
            check(
                read_damaged(damage(&fs, &path, content[..cut].to_vec())),
                &state,
                &what,
            );
        }
    }
}

#[test]
fn zeroed_and_swapped_stretches_are_reported_or_harmless() {
    let (fs, state) = closed_store();
    let files = data_files(&fs);
    let mut random = Random(2);
    for _ in 0..rounds("STORNO_SWAPS", 600) {
        let path = &files[random.below(files.len() as u64) as usize];
        let content = fs.read(path).unwrap();
        let length = (1 + random.below(512) as usize).min(content.len());
        let from = random.below((content.len() - length + 1) as u64) as usize;
        let to = random.below((content.len() - length + 1) as u64) as usize;
        let mut damaged = content.clone();
        if random.below(2) == 0 {
            damaged[to..to + length].fill(0);
        } else {
            damaged.copy_within(from..from + length, to);
        }
        let what = format!("{length} bytes at {to} of {}, from {from}", path.display());
        check(read_damaged(damage(&fs, path, damaged)), &state, &what);
    }
}

#[test]
fn a_missing_or_foreign_file_is_reported() {
    let (fs, state) = closed_store();
    let files = data_files(&fs);
    // A key file is made again; anything else is missed.
    for path in files.iter().filter(|path| kind(path) != "keys") {
        let copy = fs.fork(0);
        copy.remove(path).unwrap();
        assert!(
            check(read_damaged(copy), &state, "removed"),
            "{} was not missed",
            path.display()
        );
        for other in files.iter().filter(|other| *other != path) {
            let copy = damage(&fs, path, fs.read(other).unwrap());
            let what = format!("{} in place of {}", other.display(), path.display());
            assert!(
                check(read_damaged(copy), &state, &what),
                "{what} was not noticed"
            );
        }
    }
}

#[test]
fn a_missing_or_foreign_key_file_is_made_again_or_reported() {
    let (fs, state) = closed_store();
    let files = data_files(&fs);
    let keys: Vec<_> = files.iter().filter(|path| kind(path) == "keys").collect();
    assert!(keys.len() >= 2);
    for path in keys {
        let copy = fs.fork(0);
        copy.remove(path).unwrap();
        assert!(!check(read_damaged(copy.clone()), &state, "removed"));
        assert!(copy.exists(path).unwrap());
        for other in files.iter().filter(|other| *other != path) {
            let copy = damage(&fs, path, fs.read(other).unwrap());
            let what = format!("{} in place of {}", other.display(), path.display());
            assert!(!check(read_damaged(copy), &state, &what), "{what}");
        }
    }
}

/// The tables whose files are whole keep working.
#[test]
fn a_damaged_segment_fails_its_table_only() {
    let (fs, state) = closed_store();
    let mut worlds = 0;
    for path in data_files(&fs)
        .iter()
        .filter(|path| kind(path) == "segment")
    {
        let mut content = fs.read(path).unwrap();
        let middle = content.len() - 40;
        content[middle] ^= 1;
        let mut world = World::on(damage(&fs, path, content));
        world.open().unwrap();
        let snapshot = world.store.as_ref().unwrap().snapshot();
        let read = |name| crate::fixture::read(&snapshot.table("shop", name).unwrap());
        let (a, b) = (read("a"), read("b"));
        assert!(a.is_ok() != b.is_ok());
        let (good, name) = if a.is_ok() { (a, "a") } else { (b, "b") };
        assert_eq!(good.unwrap(), state.tables[name]);
        worlds += 1;
    }
    assert!(worlds >= 2);
}
