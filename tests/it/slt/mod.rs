//! SQL behaviour as golden files: every `tests/slt/**/*.slt` over the wire, in several
//! configurations.
//!
//! The files are in sqllogictest format; their expectations come from MariaDB 10.11 (the judge),
//! except in records marked `onlyif mysql`, where MySQL 8 answers differently. docs/testing.md says
//! how to write one and how to regenerate the expectations. Those in `tests/slt/storno` are about what
//! MySQL does not have, and never run against the judge.

mod column;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::Trial;
use sqllogictest::{Normalizer, Record, Runner};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use self::column::Class;
use self::wire::Wire;
use crate::harness::server::Kind;
use crate::harness::{Outcome, Server, ensure};

/// The smallest settings the server takes.
const SMALL_SEGMENTS: &[(&str, &str)] = &[
    ("STORNO_MEMTABLE_BYTES", "1048576"),
    ("STORNO_SEGMENT_ROWS", "1024"),
];

/// Under which circumstances the answers must be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Configuration {
    /// As it comes.
    Plain,
    /// Before every query that follows a change, the server is stopped and started again.
    Restart,
    /// The memtable holds next to nothing and a segment a few rows: answers come from segments.
    Segments,
    /// Every query is also prepared and executed: the binary result must equal the text one.
    Prepared,
}

const CONFIGURATIONS: [(Configuration, &str); 4] = [
    (Configuration::Plain, "plain"),
    (Configuration::Restart, "restart"),
    (Configuration::Segments, "segments"),
    (Configuration::Prepared, "prepared"),
];

/// One trial per file and configuration, so that each can be run and reported alone.
pub fn trials() -> Vec<Trial> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(
        !files.is_empty(),
        "no golden files below {}",
        root.display()
    );
    files.sort();
    if Server::kind_under_test() == Kind::MariaDb {
        files.retain(|file| !file.starts_with(root.join("storno")));
    }
    let mut trials = Vec::new();
    for (configuration, name) in CONFIGURATIONS {
        for file in &files {
            let topic = file.strip_prefix(&root).unwrap_or(file).with_extension("");
            let file = file.clone();
            trials.push(Trial::test(
                format!("slt::{name}::{}", topic.display()),
                move || Runtime::new()?.block_on(run_file(&file, configuration)),
            ));
        }
    }
    trials
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
}

async fn run_file(file: &Path, configuration: Configuration) -> Outcome {
    let settings: &[_] = match configuration {
        Configuration::Segments => SMALL_SEGMENTS,
        _ => &[],
    };
    let server = Server::start_with(settings)?;
    let is_judge = server.is_judge();
    let server = Arc::new(Mutex::new(server));
    let connections = Arc::clone(&server);
    let mut runner = Runner::new(move || Wire::open(Arc::clone(&connections), configuration));
    // `onlyif mysql`: where MySQL 8 and MariaDB differ, Storno follows MySQL.
    runner.add_label(if is_judge { "mariadb" } else { "mysql" });
    runner.with_validator(rows_are_equal);
    runner.with_column_validator(classes_are_equal);

    let rewrites = std::env::var_os("STORNO_SLT_REWRITE").is_some_and(|value| value == "1");
    if rewrites && configuration == Configuration::Plain {
        ensure(is_judge, || {
            "only the judge's answers are written to golden files".to_owned()
        })?;
        runner
            .update_test_file(
                file,
                "\t",
                rows_are_equal,
                sqllogictest::default_normalizer,
                classes_are_equal,
            )
            .await
            .map_err(|error| error.to_string())?;
        return Ok(());
    }

    let mut problems = Vec::new();
    for record in sqllogictest::parse_file::<Class>(file).map_err(|error| error.to_string())? {
        ensure(!matches!(record, Record::Halt { .. }), || {
            "a golden file may not halt".to_owned()
        })?;
        if let Err(error) = runner.run_async(record).await {
            problems.push(error.to_string());
        }
    }
    runner.shutdown_async().await;
    let mut server = server.lock().await;
    if let Err(failure) = server.must_be_running() {
        problems.push(failure.message().unwrap_or("the server ended").to_owned());
    }
    ensure(problems.is_empty(), || problems.join("\n"))
}

/// Cells are separated by a tab; everything else is compared as it is.
#[allow(clippy::ptr_arg)] // the type is the library's
fn rows_are_equal(_: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    let actual = actual.iter().map(|cells| cells.join("\t"));
    actual.eq(expected.iter().cloned())
}

/// `?` stands for any class, and alone for any columns: where servers differ and no driver cares.
#[allow(clippy::ptr_arg)] // the type is the library's
fn classes_are_equal(actual: &Vec<Class>, expected: &Vec<Class>) -> bool {
    let any = Class('?');
    let alike = |(actual, expected): (&Class, &Class)| *expected == any || actual == expected;
    *expected == [Class('?')]
        || actual.len() == expected.len() && actual.iter().zip(expected).all(alike)
}
