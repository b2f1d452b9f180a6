//! Long runs on real files, against what a real machine does to a process: SIGKILL, syncs that fail, a full disk.
//!
//!     cargo build --release -p storno-storage --example soak
//!     target/release/examples/soak kill 1000 [seed]      # SIGKILL at a random moment, then look
//!     target/release/examples/soak sync 200              # the n-th sync fails (needs strace)
//!     target/release/examples/soak full 100              # a full 64 MiB image (needs root)
//!
//! A writer tells on its standard output what it is about to commit and what has been acknowledged. Afterwards
//! every acknowledged row is there once, every other commit is there as a whole or not at all, every
//! acknowledged event is known, and `check` finds nothing. One line at the end, or a panic.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringViewArray, UInt64Array};
use arrow::datatypes::{DataType, UInt64Type};
use storno_storage::{
    ColumnSpec, Delete, Error, EventKeySpec, IfGone, KeySpec, OnDuplicate, Options, Result,
    ScanRequest, Store, SyncMode, TableSnapshot, TableSpec, WriteBatch,
};

/// Rows of a commit.
const ROWS: u64 = 40;

/// A commit: rows `ROWS * number ..` are written, and those of the commit `deletes` are deleted.
#[derive(Debug, Clone, Copy)]
struct Planned {
    deletes: Option<u64>,
}

fn spec() -> TableSpec {
    let column = |name: &str, data_type| ColumnSpec {
        name: name.into(),
        data_type,
        nullable: false,
        attributes: String::new(),
    };
    TableSpec {
        name: "rows".into(),
        columns: vec![
            column("id", DataType::UInt64),
            column("event", DataType::Utf8View),
        ],
        sort_key: vec![1],
        shard_key: vec![1],
        unique_keys: vec![KeySpec {
            name: "PRIMARY".into(),
            columns: vec![0],
        }],
        event_key: Some(EventKeySpec {
            columns: vec![1],
            retain_days: EventKeySpec::RETAIN_DAYS,
        }),
        retention: Default::default(),
        division: Default::default(),
        auto_increment: None,
        attributes: String::new(),
    }
}

fn options(dir: &Path) -> Options {
    let mut options = Options::new(dir);
    (options.memtable_bytes, options.segment_rows) = (24 << 10, 2000);
    options.scrub_bytes_per_second = 1 << 20;
    options
}

/// Opens the directory; creates what is missing, as the last one to write may not have come to it.
fn open(dir: &Path) -> Result<Store> {
    let store = Store::open(options(dir))?;
    if store.snapshot().tables("soak").is_none() {
        store.create_schema("soak", "")?;
    }
    if store.snapshot().table("soak", "rows").is_none() {
        store.create_table("soak", spec())?;
    }
    Ok(store)
}

fn table(store: &Store) -> TableSnapshot {
    let table = store.snapshot().table("soak", "rows");
    table.expect("it was created")
}

fn rows(table: &TableSnapshot, ids: impl Iterator<Item = u64> + Clone) -> RecordBatch {
    let event = |id: u64| {
        format!(
            "{:032x}",
            u128::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15 << 9)
        )
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(ids.clone())),
        Arc::new(StringViewArray::from_iter_values(ids.map(event))),
    ];
    RecordBatch::try_new(Arc::clone(&table.meta().arrow), columns).expect("the table's columns")
}

fn ids(number: u64) -> std::ops::Range<u64> {
    ROWS * number..ROWS * (number + 1)
}

/// Ids and positions of all rows.
fn scan(table: &TableSnapshot) -> Result<Vec<(u64, u64)>> {
    let request = ScanRequest {
        columns: vec![0],
        predicates: Vec::new(),
    };
    let mut found = Vec::new();
    let scan = table.scan(request)?.with_row_positions();
    for batch in scan.into_morsels().into_iter().flatten() {
        let batch = batch?;
        let ids = batch.column(0).as_primitive::<UInt64Type>().values().iter();
        let positions = batch.column(1).as_primitive::<UInt64Type>().values();
        found.extend(ids.copied().zip(positions.iter().copied()));
    }
    Ok(found)
}

/// Commits a batch; some of its rows have been sent before. Nothing of those may come in.
fn commit(store: &Store, number: u64, planned: Planned) -> Result<()> {
    let table = table(store);
    let mut chosen = table.selection();
    if let Some(deletes) = planned.deletes {
        let found = scan(&table)?.into_iter();
        let found = found.filter(|(id, _)| ids(deletes).contains(id));
        chosen.extend(&found.map(|(_, position)| position).collect::<Vec<_>>())?;
    }
    let again = number
        .checked_sub(1 + number % 7)
        .map(ids)
        .into_iter()
        .flatten()
        .take(5);
    let sent = ids(number).chain(again.collect::<Vec<_>>());
    let done = store.commit(WriteBatch {
        inserts: Vec::new(),
        arrivals: vec![(table.meta().id, rows(&table, sent))],
        deletes: vec![Delete {
            rows: chosen,
            if_gone: IfGone::Ignore,
        }],
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Durable,
    })?;
    assert_eq!(done.rows_inserted, ROWS, "{done:?}");
    Ok(())
}

fn plan(number: u64) -> Planned {
    let deletes = (number % 5 == 4).then(|| number - 1 - number / 5 % 3);
    Planned { deletes }
}

/// Writes until it is killed, or until an error comes; says so.
fn write(dir: &Path, first: u64, count: u64) {
    let mut out = std::io::stdout().lock();
    let mut say = |line: String| {
        let said = writeln!(out, "{line}").and_then(|()| out.flush());
        said.expect("somebody listens");
    };
    let store = match open(dir) {
        Ok(store) => store,
        Err(error) => return say(format!("error open {error}")),
    };
    for number in first..first + count {
        say(format!("try {number}"));
        match commit(&store, number, plan(number)) {
            Ok(()) => say(format!("ack {number}")),
            Err(error) => {
                say(format!("error {number} {error}"));
                // Nothing may be acknowledged after this.
                for number in number + 1..number + 4 {
                    if commit(&store, number, plan(number)).is_ok() {
                        say(format!("ack {number}"));
                    }
                }
                return;
            }
        }
    }
}

/// What is known of the commits: acknowledged, or not.
#[derive(Default)]
struct Ledger {
    acked: BTreeSet<u64>,
    tried: BTreeSet<u64>,
    errors: u64,
}

impl Ledger {
    /// Reads what a writer says. `false` when something was acknowledged after an error.
    fn read(&mut self, output: impl std::io::Read, mut each: impl FnMut()) -> bool {
        let (mut failed, mut good) = (false, true);
        for line in BufReader::new(output)
            .lines()
            .map_while(std::io::Result::ok)
        {
            let mut words = line.split(' ');
            let (what, number) = (words.next(), words.next().and_then(|n| n.parse().ok()));
            match (what, number) {
                (Some("try"), Some(number)) => {
                    self.tried.insert(number);
                }
                (Some("ack"), Some(number)) => {
                    good &= !failed;
                    self.acked.insert(number);
                }
                _ => {
                    failed = true;
                    self.errors += 1;
                }
            }
            each();
        }
        good
    }

    fn next(&self) -> u64 {
        self.tried.last().map_or(0, |last| last + 1)
    }

    /// Compares a store with the ledger; what was in doubt is settled by it.
    fn verify(&mut self, store: &Store) -> Result<()> {
        let table = table(store);
        let mut found: BTreeMap<u64, u64> = BTreeMap::new();
        for (id, _) in scan(&table)? {
            assert_eq!(found.insert(id, 1), None, "row {id} is there twice");
        }
        for &number in &self.tried {
            let rows = ids(number).filter(|id| found.contains_key(id)).count() as u64;
            let by = (number + 1..number + 9).find(|&n| plan(n).deletes == Some(number));
            let deleted = by.is_some_and(|by| self.acked.contains(&by));
            let perhaps = by.is_some_and(|by| self.tried.contains(&by));
            match (self.acked.contains(&number), rows) {
                (_, n) if n != 0 && n != ROWS => panic!("{n} rows of commit {number}"),
                (_, ROWS) if deleted => panic!("the deleted rows of {number} are back"),
                (true, 0) if !perhaps => panic!("commit {number} is lost"),
                _ => {}
            }
        }
        let doubt: Vec<u64> = self.tried.difference(&self.acked).copied().collect();
        for number in doubt {
            // Deleted or not, its events tell whether it came through.
            if knows(store, number)? {
                self.acked.insert(number);
            } else {
                self.tried.remove(&number);
            }
        }
        for &number in self.acked.iter().rev().step_by(7).take(20) {
            assert!(
                knows(store, number)?,
                "the events of {number} are forgotten"
            );
        }
        let problems = store.check()?.problems;
        assert!(problems.is_empty(), "{problems:?}");
        Ok(())
    }
}

/// Whether the events of a commit are known, without leaving any behind.
fn knows(store: &Store, number: u64) -> Result<bool> {
    let table = table(store);
    let mut pending = table.pending();
    let known = pending.arrive(&rows(&table, ids(number)))?.len() as u64;
    assert!(
        known == 0 || known == ROWS,
        "{known} events of {number} are known"
    );
    Ok(known > 0)
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn writer(dir: &Path, first: u64, count: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a name"));
    command
        .arg("write")
        .arg(dir)
        .arg(first.to_string())
        .arg(count.to_string());
    command
}

fn kill(cycles: u64, seed: u64, dir: &Path) -> Result<()> {
    let (mut ledger, mut random) = (Ledger::default(), Random(seed | 1));
    for cycle in 0..cycles {
        // From time to time anew: what is looked at grows.
        if cycle % 50 == 49 {
            std::fs::remove_dir_all(dir).expect("the directory can be removed");
            ledger = Ledger::default();
        }
        let mut command = writer(dir, ledger.next(), 1 << 40);
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.expect("the writer starts");
        let output = child.stdout.take().expect("it is piped");
        let pause = Duration::from_millis(random.below(400));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(pause);
            child.kill().expect("it runs");
            child.wait().expect("it is a child")
        });
        assert!(
            ledger.read(output, || ()),
            "something was acknowledged after an error"
        );
        assert_eq!(ledger.errors, 0, "the writer met an error");
        killer.join().expect("the writer is gone");
        ledger.verify(&open(dir)?)?;
    }
    println!("{cycles} times SIGKILL: nothing acknowledged lost, no half commit, all opened");
    Ok(())
}

fn sync(cycles: u64, dir: &Path) -> Result<()> {
    let (mut failed, mut acked) = (0, 0);
    for number in 1..=cycles {
        let mut ledger = Ledger::default();
        let inner = writer(dir, 0, 400);
        let mut command = Command::new("strace");
        command.args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync,fdatasync",
            "-e",
        ]);
        command.arg(format!("inject=fsync,fdatasync:error=EIO:when={number}"));
        command.arg(inner.get_program()).args(inner.get_args());
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.expect("strace is there");
        let output = child.stdout.take().expect("it is piped");
        assert!(
            ledger.read(output, || ()),
            "sync {number}: acknowledged after a failure"
        );
        child.wait().expect("it is a child");
        failed += u64::from(ledger.errors > 0);
        acked += ledger.acked.len();
        ledger.verify(&open(dir)?)?;
        std::fs::remove_dir_all(dir).expect("the directory can be removed");
    }
    println!(
        "{cycles} syncs failed, {failed} seen by a commit, {acked} commits acknowledged: none falsely, all opened"
    );
    Ok(())
}

fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let status = command.status().expect("the program is there");
    assert!(status.success(), "{program} {arguments:?}");
}

/// Fills the image, meets the end, makes room, goes on in the same process.
fn full(cycles: u64, dir: &Path) -> Result<()> {
    let image: PathBuf = dir.with_extension("img");
    let file = std::fs::File::create(&image).expect("an image");
    file.set_len(64 << 20).expect("room for the image");
    let (image, mount) = (image.display().to_string(), dir.display().to_string());
    run("mkfs.ext4", &["-q", "-F", &image]);
    std::fs::create_dir_all(dir).expect("a place to mount it");
    run("mount", &["-o", "loop", &image, &mount]);
    let data = dir.join("data");
    let (mut ledger, mut random) = (Ledger::default(), Random(77));
    let (mut store, mut refused, mut stopped) = (open(&data)?, 0, 0);
    for cycle in 0..cycles {
        let filler = dir.join("filler");
        let mut big = std::fs::File::create(&filler).expect("a filler");
        while big.write_all(&[0; 1 << 16]).is_ok() {}
        drop(big);
        let length = std::fs::metadata(&filler).expect("the filler").len();
        let room = random.below(1 << 20).min(length);
        let shorter = std::fs::OpenOptions::new().write(true).open(&filler);
        shorter
            .and_then(|f| f.set_len(length - room))
            .expect("room again");
        let mut met = false;
        for number in ledger.next()..ledger.next() + 400 {
            ledger.tried.insert(number);
            match commit(&store, number, plan(number)) {
                Ok(()) => {
                    ledger.acked.insert(number);
                }
                Err(Error::Io { .. }) => (met, refused) = (true, refused + 1),
                // A sync that met the end: that is for good, and a restart mends it.
                Err(Error::ReadOnly(_)) => (met, stopped) = (true, stopped + 1),
                Err(other) => return Err(other),
            }
            if met {
                break;
            }
        }
        assert!(scan(&table(&store)).is_ok(), "reading goes on");
        std::fs::remove_file(&filler).expect("the filler goes");
        std::thread::sleep(Duration::from_millis(1100));
        if store.set_property("probe", None).is_err() {
            drop(store);
            store = open(&data)?;
        }
        ledger.verify(&store)?;
        let number = ledger.next();
        ledger.tried.insert(number);
        commit(&store, number, plan(number))?;
        ledger.acked.insert(number);
        if cycle % 20 == 19 {
            store.truncate_table("soak", "rows")?;
            ledger = Ledger::default();
        }
    }
    drop(store);
    run("umount", &[&mount]);
    std::fs::remove_file(image).expect("the image goes");
    println!(
        "{cycles} times a full disk, {refused} commits refused, {stopped} stopped at a sync: nothing lost"
    );
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let argument = |at: usize| arguments.get(at).map(String::as_str);
    let number = |at: usize, default| argument(at).and_then(|a| a.parse().ok()).unwrap_or(default);
    let dir = std::env::temp_dir().join(format!("storno-soak-{}", std::process::id()));
    let done = match argument(1) {
        Some("write") => {
            write(
                Path::new(argument(2).unwrap_or(".")),
                number(3, 0),
                number(4, 100),
            );
            return Ok(());
        }
        Some("kill") => kill(number(2, 20), number(3, 1), &dir),
        Some("sync") => sync(number(2, 20), &dir),
        Some("full") => full(number(2, 5), &dir),
        _ => panic!("kill, sync or full, and how often"),
    };
    // What is left is left for whoever looks, if something was wrong.
    done?;
    if dir.exists() {
        std::fs::remove_dir_all(&dir).expect("the directory can be removed");
    }
    Ok(())
}
