//! Crashes: the power goes at some operation of a workload, or the process is killed there. What is
//! found afterwards must be a state the store went through, none older than what was promised; and what
//! is committed after that must survive the next crash.

use storno_storage::fs::{Fault, FaultKind};
use storno_storage::{IfGone, OnDuplicate, SyncMode};

use crate::states::{Insert, Step};
use crate::workload::{Seed, rounds, workload};
use crate::world::World;

/// How the machine goes down.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Crash {
    Power,
    /// Written data stays readable, synced or not.
    Kill,
}

/// Runs a workload up to operation `at` of the file system. `false` when it ended before.
fn crash_at(seed: u64, steps: &[Step], at: u64, crash: Crash) -> bool {
    let mut world = World::new(seed ^ at.rotate_left(32));
    world.fs.arm(Fault::once(at, FaultKind::Crash));
    let _ = world
        .open()
        .and_then(|()| steps.iter().try_for_each(|step| world.step(step)));
    let crashed = world.fs.is_dead();
    go_down(&mut world, crash);
    world.recover();
    check_writable(&mut world);
    go_down(&mut world, Crash::Power);
    world.recover();
    crashed
}

fn go_down(world: &mut World, crash: Crash) {
    world.halt();
    match crash {
        Crash::Power => world.fs.power_cut(),
        // After a kill nothing is lost that had been written.
        Crash::Kill => world.fs.kill(),
    }
}

/// The recovered store takes commits and keeps its promises about them.
pub(crate) fn check_writable(world: &mut World) {
    if !world.current().schema {
        world.step(&Step::CreateSchema).unwrap();
    }
    if !world.current().tables.contains_key("a") {
        world.step(&Step::CreateTable("a")).unwrap();
    }
    let insert = Insert::durable(vec![("a", (0..5).chain(9000..9003).collect())]);
    let insert = Insert {
        on_duplicate: OnDuplicate::Skip,
        ..insert
    };
    world.step(&Step::Commits(vec![insert])).unwrap();
    assert_eq!(&world.observe().unwrap(), world.current());
}

/// A short workload with everything in it.
fn fixed_workload() -> Vec<Step> {
    let commit = |table, ids: std::ops::Range<u64>| {
        Step::Commits(vec![Insert::durable(vec![(table, ids.collect())])])
    };
    let written = Insert {
        sync: SyncMode::Written,
        ..Insert::durable(vec![("b", vec![70, 71])])
    };
    let both = Insert::durable(vec![("a", vec![80]), ("b", vec![80, 81])]);
    let mut steps = vec![
        Step::CreateSchema,
        Step::CreateTable("a"),
        Step::CreateTable("b"),
        commit("a", 0..3),
        Step::SetProperty(Some("value".into())),
        commit("b", 0..20),
        Step::Commits(vec![written, both]),
        Step::Flush,
        commit("a", 100..104),
        Step::Reopen,
        commit("a", 104..108),
        Step::Flush,
    ];
    for i in 0..5 {
        steps.push(commit("a", 200 + 10 * i..203 + 10 * i));
        steps.push(Step::Flush);
    }
    steps.extend([
        Step::Choose("a", vec![100, 101, 202]),
        Step::Commits(vec![Insert::delete("a", (0..102).collect())]),
        Step::Commits(vec![Insert::update("a", vec![102, 200, 201])]),
        Step::Job,
        Step::DeleteChosen(IfGone::Ignore),
        commit("b", 90..93),
        Step::Commits(vec![Insert::delete("b", vec![3, 91])]),
        Step::Flush,
        Step::Commits(vec![Insert::update("b", vec![2, 92])]),
        Step::Reopen,
        Step::Flush,
        // The log with a delete from one table is kept when nothing else in it counts any more.
        Step::Commits(vec![Insert::delete("a", vec![102, 220])]),
        commit("b", 300..340),
        Step::Truncate("b"),
        commit("b", 0..9),
        Step::Reopen,
    ]);
    // Large commits, which do not go through the log: alone, beside small ones, of two tables, with rows
    // that are there, and in the place of others.
    let large = |rows| Insert {
        on_duplicate: OnDuplicate::Skip,
        ..Insert::durable(rows)
    };
    steps.extend([
        commit("a", 500..540),
        Step::Commits(vec![
            Insert::durable(vec![("b", vec![500])]),
            large(vec![("a", (530..570).collect()), ("b", (20..60).collect())]),
            Insert::durable(vec![("b", vec![501])]),
        ]),
        Step::Choose("a", (510..550).collect()),
        Step::Commits(vec![Insert::update("a", (500..560).collect())]),
        Step::DeleteChosen(IfGone::Ignore),
        Step::Reopen,
    ]);
    steps.extend([Step::Job, Step::Job, Step::Truncate("b"), commit("b", 0..4)]);
    steps.extend([
        Step::AddColumn("a", 5),
        commit("a", 400..404),
        Step::Choose("a", vec![200, 402]),
        Step::Flush,
        Step::AddColumn("b", 9),
        Step::Widen("a"),
        commit("a", 404..406),
        Step::DeleteChosen(IfGone::Conflict),
        Step::DropColumn("a"),
        Step::Rename("a", "c"),
        Step::Reopen,
        commit("c", 406..408),
        Step::AddColumn("c", 4),
        Step::Job,
        Step::Rename("c", "a"),
    ]);
    steps.extend([
        Step::DropTable("a"),
        Step::CreateTable("a"),
        commit("a", 0..2),
    ]);
    steps.extend([Step::Tick, Step::Reopen, commit("b", 30..33)]);
    // At rest everything goes to segments, and the log with it.
    steps.extend([Step::Rest(10), Step::Job, commit("b", 33..35)]);
    steps.extend([Step::Rest(300), Step::Job, Step::Job, Step::Reopen]);
    steps
}

#[test]
fn a_crash_at_any_operation_of_a_fixed_workload_loses_nothing_promised() {
    let steps = fixed_workload();
    let seeds = rounds("STORNO_CRASH_SEEDS_PER_POINT", 3);
    let mut at = 0;
    loop {
        let mut crashed = crash_at(1000, &steps, at, Crash::Kill);
        for seed in 0..seeds {
            crashed |= crash_at(seed, &steps, at, Crash::Power);
        }
        if !crashed {
            break;
        }
        at += 1;
    }
    assert!(at > 200, "the workload has only {at} operations");
}

/// What a process leaves behind that is killed while it makes the directory is not durable, and looks to the
/// next one as if it were.
#[test]
fn a_kill_while_the_directory_is_made_loses_nothing_that_is_promised_later() {
    let steps = vec![Step::CreateSchema, Step::CreateTable("a")];
    for at in 0..16 {
        for seed in 0..16 {
            let _named = Seed(seed);
            crash_at(seed, &steps, at, Crash::Kill);
        }
    }
}

#[test]
fn a_crash_at_a_random_operation_of_a_random_workload_loses_nothing_promised() {
    let mut crashes = 0;
    for seed in 0..rounds("STORNO_CRASH_SEEDS", 400) {
        let _named = Seed(seed);
        let steps = workload(seed, 60);
        // About as many operations as such a workload has.
        let at = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let crash = if seed.is_multiple_of(4) {
            Crash::Kill
        } else {
            Crash::Power
        };
        crashes += u64::from(crash_at(seed, &steps, at % 500, crash));
    }
    assert!(
        crashes > 100,
        "only {crashes} workloads were long enough to be hit"
    );
}

/// The machine goes down again and again, also while it recovers.
#[test]
fn crashes_during_recovery_lose_nothing_either() {
    for seed in 0..rounds("STORNO_CRASH_RECOVERY_SEEDS", 60) {
        let mut world = World::new(seed);
        world.open().unwrap();
        let _ = workload(seed, 40)
            .iter()
            .try_for_each(|step| world.step(step));
        world.halt();
        world.fs.power_cut();
        // Each attempt leaves one more file for the next to clear away: take larger steps than that.
        for at in (seed % 3..).step_by(3) {
            let operation = world.fs.operations() + at;
            world.fs.arm(Fault::once(operation, FaultKind::Crash));
            if world.open().is_ok() && !world.fs.is_dead() {
                break;
            }
            world.halt();
            if (seed + at).is_multiple_of(4) {
                world.fs.kill()
            } else {
                world.fs.power_cut()
            }
        }
        world.fs.disarm();
        world.recover();
        check_writable(&mut world);
    }
}
