//! The judge: a private MariaDB, configured as close to MySQL 8's defaults as it goes.
//!
//! Its data directory, socket and port belong to one test; no MariaDB of the machine is touched.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Outcome, ensure};

/// MySQL 8's default sql_mode, and what makes MariaDB round fractions of a second as MySQL does.
const SQL_MODE: &str = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
                        ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,\
                        TIME_ROUND_FRACTIONAL";

const OPTIONS: &[&str] = &[
    "--no-defaults",
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_bin",
    "--default-time-zone=+00:00",
    "--max-allowed-packet=64M",
    "--group-concat-max-len=1M",
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-fast-shutdown=2",
    "--performance-schema=OFF",
    "--skip-log-bin",
    // A thread's stack, so that deep statements are refused and do not end the judge.
    "--thread-stack=8M",
];

/// Is everything the judge needs installed? A cheap look, no process is started.
pub fn is_installed() -> bool {
    program("mariadbd").is_some() && program("mariadb-install-db").is_some()
}

/// Where a program is; /usr/sbin is looked at too, which a user's PATH may lack.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn required(name: &str) -> Outcome<PathBuf> {
    program(name).ok_or_else(|| format!("{name} is not installed; tests/run installs it").into())
}

pub fn create_data_directory(dir: &Path) -> Outcome {
    let data = dir.join("data");
    let output = Command::new(required("mariadb-install-db")?)
        .arg("--no-defaults")
        .arg(format!("--datadir={}", data.display()))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg(format!("--tmpdir={}", dir.display()))
        .arg("--innodb-log-file-size=4M")
        .args(run_as())
        .stdin(Stdio::null())
        .output()?;
    ensure(output.status.success(), || {
        format!(
            "mariadb-install-db: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

pub fn command(dir: &Path, port: u16) -> Outcome<Command> {
    let mut command = Command::new(required("mariadbd")?);
    command
        .args(OPTIONS)
        .args(run_as())
        .arg(format!("--sql-mode={SQL_MODE}"))
        .arg(format!("--datadir={}", dir.join("data").display()))
        .arg(format!("--socket={}", dir.join("sock").display()))
        .arg(format!("--pid-file={}", dir.join("pid").display()))
        .arg(format!("--tmpdir={}", dir.display()))
        .arg(format!("--port={port}"));
    Ok(command)
}

/// mariadbd refuses to run as root unless told so.
fn run_as() -> Option<&'static str> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|meta| {
        use std::os::unix::fs::MetadataExt;
        meta.uid() == 0
    });
    root.then_some("--user=root")
}

pub fn is_ready(log: &str) -> bool {
    log.contains("ready for connections")
}

/// A port nobody listens on. Taken between two servers only if the kernel wraps its whole range.
pub fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// What MariaDB 10.11 calls a clause, and what MySQL 8 calls it. Only the words after ` in ` are
/// translated, longest first.
const CLAUSES: &[(&str, &str)] = &[
    ("'INSERT INTO'", "'field list'"),
    ("'SELECT'", "'field list'"),
    ("'WHERE'", "'where clause'"),
    ("'GROUP BY'", "'group statement'"),
    ("'ORDER BY'", "'order clause'"),
    ("'HAVING'", "'having clause'"),
    ("'ON'", "'on clause'"),
    ("SELECT is ambiguous", "field list is ambiguous"),
    ("WHERE is ambiguous", "where clause is ambiguous"),
    ("GROUP BY is ambiguous", "group statement is ambiguous"),
    ("ORDER BY is ambiguous", "order clause is ambiguous"),
];

/// MariaDB's text of an error as MySQL 8 words the same error.
pub fn in_mysql_words(text: &str) -> String {
    let mut text = text.replace("MariaDB server", "MySQL server");
    text = text.replace("ERROR 1366 (22007)", "ERROR 1366 (HY000)");
    for (theirs, ours) in CLAUSES {
        text = text.replace(&format!(" in {theirs}"), &format!(" in {ours}"));
    }
    // for column `db`.`t`.`c` at row 1 -> for column 'c' at row 1
    if let Some((before, rest)) = text.split_once("for column `")
        && let Some((path, after)) = rest.split_once("` at row")
    {
        let column = path.rsplit("`.`").next().unwrap_or(path);
        return format!("{before}for column '{column}' at row{after}");
    }
    text
}
