//! Input/output errors: the n-th operation fails, once or from then on. Nothing panics, nothing that
//! failed is reported as done, and the directory opens again with everything that was promised.

use storno_storage::Error;
use storno_storage::fs::{Fault, FaultKind};

use crate::crash::check_writable;
use crate::states::{Insert, State, Step};
use crate::workload::{Seed, rounds, workload};
use crate::world::World;

/// Runs a workload with one fault. `false` when it did not fire.
fn run(seed: u64, steps: &[Step], fault: Fault, power: bool) -> bool {
    let _named = Seed(seed);
    let mut world = World::new(seed ^ fault.operation.rotate_left(32));
    world.fs.arm(fault);
    let mut failed = world.open().is_err();
    // If the name of a new directory cannot be made durable, nor the directory be removed again, the next
    // one who opens it cannot know. See "What is not promised" in docs/durability.md.
    let forgettable = failed && fault.lasting;
    if world.store.is_some() {
        for step in steps {
            let result = world.step(step);
            let Err(error) = result else { continue };
            failed = true;
            let expected = matches!(error, Error::Io { .. } | Error::ReadOnly(_));
            assert!(expected, "{fault:?}: {step:?} failed with {error}");
            if world.store.is_none() {
                break;
            }
            // What is in doubt after the first error stays so; reading goes on.
            check_readable(&world);
            // A full disk passes by itself, unless it was a sync that met it.
            if fault.lasting || fault.kind == FaultKind::Io || !goes_on(&mut world) {
                break;
            }
        }
    }
    world.halt();
    if power {
        world.fs.power_cut()
    } else {
        world.fs.kill()
    }
    world.recover();
    if !forgettable {
        check_writable(&mut world);
    }
    world.halt();
    world.fs.power_cut();
    world.recover();
    failed
}

/// Reading works, and shows the current state, or the one in doubt if it was applied.
fn check_readable(world: &World) {
    let found = world.observe().unwrap();
    let mut known: Vec<&State> = vec![world.current()];
    known.extend(&world.in_doubt);
    assert!(known.contains(&&found), "{found:#?} instead of {known:#?}");
}

/// Whether the store still takes writes. If so, the step that failed has left nothing behind.
fn goes_on(world: &mut World) -> bool {
    if world
        .store
        .as_ref()
        .unwrap()
        .set_property("probe", None)
        .is_err()
    {
        return false;
    }
    assert_eq!(
        &world.observe().unwrap(),
        world.current(),
        "a failed step left something"
    );
    world.in_doubt.clear();
    true
}

#[test]
fn an_error_of_any_operation_is_reported_and_survived() {
    let mut fired = 0;
    for seed in 0..rounds("STORNO_FAULT_SEEDS", 2) {
        let steps = workload(seed, 40);
        for operation in 0..rounds("STORNO_FAULT_OPERATIONS", 260) {
            for kind in [FaultKind::Io, FaultKind::NoSpace] {
                let power = operation.is_multiple_of(2);
                fired += u64::from(run(seed, &steps, Fault::once(operation, kind), power));
                let lasting = Fault::lasting(operation, kind);
                fired += u64::from(run(seed, &steps, lasting, !power));
            }
        }
    }
    assert!(fired > 500, "only {fired} faults were noticed");
}

/// A full disk stops nothing for good: once there is space, the same store goes on.
#[test]
fn writing_goes_on_once_a_full_disk_has_space_again() {
    let mut refused = 0;
    for seed in 0..rounds("STORNO_FULL_SEEDS", 40) {
        let steps = workload(seed, 60);
        let mut world = World::new(seed);
        world.open().unwrap();
        for (number, step) in steps.iter().enumerate() {
            if matches!(step, Step::Reopen) {
                continue;
            }
            let full = number % 5 == 4;
            if full {
                world
                    .fs
                    .arm(Fault::lasting(world.fs.operations(), FaultKind::NoSpace));
            }
            let result = world.step(step);
            world.fs.disarm();
            match result {
                Ok(()) => {}
                // A sync that fails proves nothing about what is on the disk: that is for good.
                Err(Error::ReadOnly(_)) => break,
                Err(error) => {
                    assert!(full, "seed {seed}, {step:?}: {error}");
                    refused += 1;
                    if world
                        .store
                        .as_ref()
                        .unwrap()
                        .set_property("probe", None)
                        .is_err()
                    {
                        break;
                    }
                    world.in_doubt.clear();
                }
            }
            assert_eq!(
                &world.observe().unwrap(),
                world.current(),
                "seed {seed}, {step:?}"
            );
            world.step(&Step::Tick).unwrap();
        }
    }
    assert!(refused > 40, "only {refused} steps met a full disk");
}

#[test]
fn a_full_disk_has_room_for_an_open_and_a_drop() {
    let mut world = World::new(1);
    world.open().unwrap();
    for step in [
        Step::CreateSchema,
        Step::CreateTable("a"),
        Step::CreateTable("b"),
        // The minute after which space is set aside.
        Step::Rest(61),
    ] {
        world.step(&step).unwrap();
    }
    let set_aside = |world: &World| world.fs.files().iter().any(|f| f.ends_with("RESERVE"));
    assert!(set_aside(&world));
    let full = |world: &World, after| {
        let fault = Fault::once(world.fs.operations() + after, FaultKind::NoSpace);
        world.fs.arm(fault);
    };
    full(&world, 0);
    world.step(&Step::DropTable("a")).unwrap();
    assert!(!set_aside(&world));
    let mut given = 0;
    for after in 0..60 {
        world.step(&Step::Rest(61)).unwrap();
        assert!(set_aside(&world));
        full(&world, after);
        match world.step(&Step::Reopen) {
            Ok(()) => given += u32::from(!set_aside(&world)),
            // Of a sync, after which nothing is certain.
            Err(Error::Io { kind, .. }) if kind != std::io::ErrorKind::StorageFull => {
                world.fs.disarm();
                world.step(&Step::Reopen).unwrap();
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(&world.observe().unwrap(), world.current());
    }
    assert!(given > 3, "{given}");
}

#[test]
fn a_flush_that_is_asked_for_does_not_wait_for_the_next_try_after_a_full_disk() {
    let mut world = World::new(1);
    world.open().unwrap();
    let rows = Insert::durable(vec![("a", (0..20).collect())]);
    for step in [
        Step::CreateSchema,
        Step::CreateTable("a"),
        Step::Commits(vec![rows]),
        // Sealed, and its flush is queued.
        Step::Rest(10),
    ] {
        world.step(&step).unwrap();
    }
    let full = Fault::lasting(world.fs.operations(), FaultKind::NoSpace);
    world.fs.arm(full);
    world.step(&Step::Job).unwrap();
    world.fs.disarm();
    world.step(&Step::Flush).unwrap();
    assert_eq!(&world.observe().unwrap(), world.current());
}
