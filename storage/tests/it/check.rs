//! Checking a store, running and closed: every damage is found, and nothing is changed by looking.

use std::path::Path;
use std::sync::Arc;

use storno_storage::fs::{FileSystem, SimFs};
use storno_storage::{CheckReport, Error, check_directory};

use crate::states::{Insert, Step};
use crate::workload::{Random, kind, rounds};
use crate::world::World;

/// A store with rows in segments, some of them deleted, in an altered table, and in the log.
fn store() -> World {
    let mut world = World::new(9);
    world.open().unwrap();
    let commit = |ids: std::ops::Range<u64>| {
        let rows = vec![("a", ids.clone().collect()), ("b", ids.collect())];
        Step::Commits(vec![Insert::durable(rows)])
    };
    let steps = [
        Step::CreateSchema,
        Step::CreateTable("a"),
        Step::CreateTable("b"),
        commit(0..100),
        Step::Flush,
        Step::AddColumn("a", 7),
        Step::Widen("b"),
        Step::Commits(vec![Insert::delete("a", vec![3, 4, 5])]),
        commit(200..230),
        Step::Flush,
        Step::Commits(vec![Insert::update("b", vec![7, 220])]),
        commit(300..305),
    ];
    steps.iter().for_each(|step| world.step(step).unwrap());
    world
}

fn check(fs: &SimFs) -> CheckReport {
    check_directory(Arc::new(fs.clone()), Path::new("/db")).unwrap()
}

#[test]
fn a_good_store_has_no_problems_and_is_not_changed_by_looking() {
    let mut world = store();
    let running = world.store.as_ref().unwrap().check().unwrap();
    assert_eq!(running.problems.len(), 0, "{:?}", running.problems);
    assert!(running.tables == 2 && running.rows >= 260 && running.files >= 8);
    let locked = check_directory(Arc::new(world.fs.clone()), Path::new("/db"));
    assert!(matches!(locked, Err(Error::Locked(_))));
    world.store = None;
    let contents = |fs: &SimFs| -> Vec<_> {
        let read = |path: &std::path::PathBuf| (path.clone(), fs.read(path).unwrap());
        fs.files().iter().map(read).collect()
    };
    let before = contents(&world.fs);
    let closed = check(&world.fs);
    assert_eq!(closed.problems.len(), 0, "{:?}", closed.problems);
    assert_eq!((closed.rows, closed.files), (running.rows, running.files));
    assert!(contents(&world.fs) == before);
    assert!(check_directory(Arc::new(world.fs.clone()), Path::new("/none")).is_err());
}

/// Unlike a scan, a check reads everything. What may change without being noticed is padding between
/// sections, and the last frame of a log, which nothing but the log itself vouches for.
#[test]
fn flipped_bits_are_found() {
    let mut world = store();
    world.store = None;
    let mut random = Random(3);
    let files = world
        .fs
        .files()
        .into_iter()
        .filter(|path| !path.ends_with("LOCK") && !path.ends_with("RESERVE"));
    let (mut flips, mut missed) = (0, 0);
    for path in files {
        let content = world.fs.read(&path).unwrap();
        for _ in 0..rounds("STORNO_CHECK_FLIPS", 30) {
            let bit = random.below(8 * content.len() as u64);
            let mut damaged = content.clone();
            damaged[bit as usize / 8] ^= 1 << (bit % 8);
            let copy = world.fs.fork(0);
            copy.damage(&path, damaged);
            let found = !check(&copy).problems.is_empty();
            flips += 1;
            missed += u64::from(!found);
        }
    }
    assert!(
        missed * 8 < flips,
        "{missed} of {flips} flips were not noticed"
    );
}

#[test]
fn a_problem_names_table_and_file_and_the_rest_is_checked_all_the_same() {
    let mut world = store();
    world.store = None;
    let segment = world
        .fs
        .files()
        .into_iter()
        .find(|path| kind(path) == "segment")
        .unwrap();
    let mut content = world.fs.read(&segment).unwrap();
    content[100] ^= 1;
    world.fs.damage(&segment, content);
    let report = check(&world.fs);
    assert_eq!(
        (report.tables, report.problems.len()),
        (2, 1),
        "{:?}",
        report.problems
    );
    let problem = &report.problems[0];
    assert_eq!(problem.table.as_ref().unwrap().schema, "shop");
    assert!(
        problem
            .error
            .to_string()
            .contains(&segment.display().to_string())
    );
}
