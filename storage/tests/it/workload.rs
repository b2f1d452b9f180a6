//! Workloads that follow from a seed, and how many of them a run takes.

use std::path::Path;

use storno_storage::{IfGone, OnDuplicate, SyncMode};

use crate::states::{Insert, Step};

/// A small random generator for workloads.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

const TABLES: [&str; 3] = ["a", "b", "c"];
/// Rows have ids below this.
const ROW_IDS: u64 = 600;

/// A workload that follows from the seed.
pub(crate) fn workload(seed: u64, steps: usize) -> Vec<Step> {
    let mut random = Random(seed);
    let mut all = vec![
        Step::CreateSchema,
        Step::CreateTable("a"),
        Step::CreateTable("b"),
    ];
    while all.len() < steps {
        all.push(random_step(&mut random));
    }
    all
}

pub(crate) fn random_step(random: &mut Random) -> Step {
    let table = |random: &mut Random| TABLES[random.below(3) as usize];
    match random.below(51) {
        49 => Step::Rest(10),
        50 => Step::Rest(300),
        44 | 45 => Step::AddColumn(table(random), random.below(100) as i64),
        46 => Step::DropColumn(table(random)),
        47 => Step::Widen(table(random)),
        48 => Step::Rename(table(random), table(random)),
        40 | 41 => Step::Choose(table(random), random_ids(random)),
        42 => Step::DeleteChosen(random_if_gone(random)),
        43 => Step::DeleteChosen(IfGone::Ignore),
        0 => Step::CreateTable(table(random)),
        1 => Step::DropTable(table(random)),
        2 => Step::Truncate(table(random)),
        3 => {
            let value = random.below(100);
            Step::SetProperty((value > 20).then(|| value.to_string()))
        }
        4..=6 => Step::Flush,
        7..=14 => Step::Job,
        15 | 16 => Step::Tick,
        17 => Step::Reopen,
        _ => Step::Commits(
            (0..1 + random.below(3))
                .map(|_| random_commit(random))
                .collect(),
        ),
    }
}

/// Many of few, so that rows are met again.
fn random_ids(random: &mut Random) -> Vec<u64> {
    let from = random.below(ROW_IDS);
    (from..from + 1 + random.below(ROW_IDS / 3)).collect()
}

fn random_if_gone(random: &mut Random) -> IfGone {
    [IfGone::Conflict, IfGone::Ignore][random.below(2) as usize]
}

fn random_commit(random: &mut Random) -> Insert {
    let rows = (0..1 + random.below(2)).map(|_| {
        let table = TABLES[random.below(3) as usize];
        let count = [1, 1, 3, 12][random.below(4) as usize];
        (table, (0..count).map(|_| random.below(ROW_IDS)).collect())
    });
    let mut rows: Vec<_> = rows.collect();
    let mut deletes = Vec::new();
    if random.below(3) == 0 {
        let ids = random_ids(random);
        let table = TABLES[random.below(3) as usize];
        match random.below(3) {
            0 => rows.clear(),
            // An update: the same rows again.
            1 => rows = vec![(table, ids.clone())],
            _ => {}
        }
        deletes.push((table, ids, random_if_gone(random)));
    }
    let sync = match random.below(8) {
        0 => SyncMode::Buffered,
        1 => SyncMode::Written,
        _ => SyncMode::Durable,
    };
    let on_duplicate = if random.below(2) == 0 {
        OnDuplicate::Fail
    } else {
        OnDuplicate::Skip
    };
    Insert {
        rows,
        deletes,
        sync,
        on_duplicate,
    }
}

/// How often to repeat what can be repeated: a number given in the environment, or a default that
/// keeps the normal run short.
pub(crate) fn rounds(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

/// Names the seed of a run that fails.
pub(crate) struct Seed(pub(crate) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was seed {}", self.0);
        }
    }
}

/// Whether the path is below the WAL directory, a segment, or the manifest.
pub(crate) fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()) {
        Some("wal") => "wal",
        Some("seg") => "segment",
        Some("key") => "keys",
        _ => "manifest",
    }
}
