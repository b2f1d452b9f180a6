//! The same scenario through other languages' drivers, each in its own process.
//!
//! A client that is not installed makes its test ignored, never passed; tests/run installs the
//! clients and names the missing ones at the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Trial;

use crate::harness::judge::program;
use crate::harness::{Outcome, Server, ensure};

/// Where tests/run puts what it installs: below the target directory.
fn installed() -> PathBuf {
    let from_environment = std::env::var_os("STORNO_TEST_CLIENTS").map(PathBuf::from);
    from_environment.unwrap_or_else(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
        target.unwrap_or(Path::new(".")).join("test-clients")
    })
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

pub fn trials() -> Vec<Trial> {
    let python = installed().join("venv/bin/python");
    let has_pymysql = python.is_file();
    let modules = installed().join("node/node_modules");
    let node = program("node").filter(|_| modules.join("mysql2").is_dir());
    let php = program("php").filter(|_| php_knows_mysql());
    let cli = program("mariadb").or_else(|| program("mysql"));
    let missing = PathBuf::new;
    let of_matrix = [
        matrix("pymysql", &python, has_pymysql, &["dbapi.py", "pymysql"]),
        matrix(
            "pdo_native",
            &path_or(&php),
            php.is_some(),
            &["pdo.php", "native"],
        ),
        matrix(
            "pdo_emulated",
            &path_or(&php),
            php.is_some(),
            &["pdo.php", "emulated"],
        ),
        matrix("mysqli", &path_or(&php), php.is_some(), &["mysqli.php"]),
        matrix(
            "mysqli_compressed",
            &path_or(&php),
            php.is_some(),
            &["mysqli.php", "compress"],
        ),
        matrix(
            "mysql2",
            &path_or(&node),
            node.is_some(),
            &["drivers.js", "mysql2"],
        ),
        matrix(
            "mysql2_compressed",
            &path_or(&node),
            node.is_some(),
            &["drivers.js", "mysql2", "compress"],
        ),
    ];
    let mut all = vec![
        scenario(
            "pymysql",
            python,
            has_pymysql,
            &["pymysql_scenario.py"],
            &[],
        ),
        scenario(
            "pdo_native",
            php.clone().unwrap_or_else(missing),
            php.is_some(),
            &["pdo.php"],
            &["native"],
        ),
        scenario(
            "pdo_emulated",
            php.clone().unwrap_or_else(missing),
            php.is_some(),
            &["pdo.php"],
            &["emulated"],
        ),
        scenario(
            "node_mysql2",
            node.clone().unwrap_or_else(missing),
            node.is_some(),
            &["mysql2.js"],
            &[],
        ),
        Trial::test("clients::command_line", {
            let cli = cli.clone().unwrap_or_else(missing);
            move || command_line(&cli, "cli")
        })
        .with_ignored_flag(cli.is_none()),
        Trial::test("clients::load_command_line", {
            let cli = cli.clone().unwrap_or_else(missing);
            move || command_line(&cli, "load")
        })
        .with_ignored_flag(cli.is_none()),
        Trial::test("clients::load_pymysql", {
            let python = installed().join("venv/bin/python");
            move || script(&python, "load.py", "load_py.expected")
        })
        .with_ignored_flag(!has_pymysql),
        Trial::test("clients::resend_example", {
            let python = installed().join("venv/bin/python");
            move || script(&python, "../../examples/resend.py", "resend_py.expected")
        })
        .with_ignored_flag(!has_pymysql),
        Trial::test("clients::corrections_pymysql", {
            let python = installed().join("venv/bin/python");
            let example = "../../examples/corrections/tracker.py";
            move || script(&python, example, "corrections_py.expected")
        })
        .with_ignored_flag(!has_pymysql),
        Trial::test("clients::corrections_mysql2", {
            let node = node.clone().unwrap_or_else(missing);
            let example = "../../examples/corrections/tracker.js";
            move || script(&node, example, "corrections_js.expected")
        })
        .with_ignored_flag(node.is_none()),
        Trial::test("clients::load_pdo", {
            let php = php.clone().unwrap_or_else(missing);
            move || script(&php, "load.php", "load_php.expected")
        })
        .with_ignored_flag(php.is_none()),
    ];
    all.extend(of_matrix);
    all
}

fn path_or(program: &Option<PathBuf>) -> PathBuf {
    program.clone().unwrap_or_default()
}

/// A script of the matrix, as `tests/clients/matrix` runs it: it says itself what failed.
fn matrix(name: &str, program: &Path, is_there: bool, script: &'static [&'static str]) -> Trial {
    let program = program.to_owned();
    let test = move || {
        let server = Server::start()?;
        crate::harness::block_on(async {
            let mut root = server.connect().await?;
            root.run("CREATE DATABASE matrix").await?;
            Ok(())
        })?;
        let mut command = Command::new(&program);
        command.arg(
            scripts()
                .join("matrix.d")
                .join(script.first().unwrap_or(&"")),
        );
        command.args(script.iter().skip(1));
        command.env("NODE_PATH", installed().join("node/node_modules"));
        command.env("MATRIX_HOST", "127.0.0.1");
        command.env("MATRIX_PORT", server.port().to_string());
        command
            .env("MATRIX_USER", "root")
            .env("MATRIX_PASSWORD", "");
        command
            .env("MATRIX_DATABASE", "matrix")
            .env("PYTHONUTF8", "1");
        let output = command.stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure(
            output.status.success() && text.contains("pass large"),
            || {
                let errors = String::from_utf8_lossy(&output.stderr);
                format!(
                    "{text}\n{errors}\n--- the server said ---\n{}",
                    server.log_tail()
                )
            },
        )
    };
    Trial::test(format!("clients::matrix_{name}"), test).with_ignored_flag(!is_there)
}

/// Whether PHP's MySQL driver is there: Debian says so in a file per extension.
fn php_knows_mysql() -> bool {
    let versions = fs::read_dir("/etc/php").into_iter().flatten().flatten();
    let mut folders = versions.map(|version| version.path().join("cli/conf.d"));
    folders.any(|folder| {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        files
            .into_iter()
            .any(|file| file.file_name().to_string_lossy().contains("pdo_mysql"))
    })
}

fn scenario(
    name: &str,
    program: PathBuf,
    is_there: bool,
    script: &'static [&'static str],
    arguments: &'static [&'static str],
) -> Trial {
    let test = move || {
        let server = Server::start()?;
        let mut command = Command::new(program);
        command.args(script.iter().map(|file| scripts().join(file)));
        command.arg(server.port().to_string()).args(arguments);
        command.env("NODE_PATH", installed().join("node/node_modules"));
        command.env("PYTHONUTF8", "1").stdin(Stdio::null());
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        compare("transcript.expected", &text)
            .and_then(|()| {
                ensure(output.status.success(), || {
                    format!("{}\n{errors}", output.status)
                })
            })
            .map_err(|failure| {
                let failure = failure.message().unwrap_or("").to_owned();
                format!(
                    "{failure}\n--- the client said ---\n{errors}\n--- the server said ---\n{}",
                    server.log_tail()
                )
            })?;
        Ok(())
    };
    Trial::test(format!("clients::{name}"), test).with_ignored_flag(!is_there)
}

/// A script that is given the port; what it prints is that file.
fn script(program: &Path, script: &str, expected: &str) -> Outcome {
    let server = Server::start()?;
    let output = Command::new(program)
        .arg(scripts().join(script))
        .arg(server.port().to_string())
        .env("PYTHONUTF8", "1")
        .env("NODE_PATH", installed().join("node/node_modules"))
        .stdin(Stdio::null())
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    compare(expected, &String::from_utf8_lossy(&output.stdout))?;
    ensure(output.status.success(), || {
        format!("{}\n{errors}", output.status)
    })
}

/// The statements of a file, `NAME.sql`; what is printed is `NAME.expected`.
fn command_line(program: &Path, name: &str) -> Outcome {
    let server = Server::start()?;
    let output = Command::new(program)
        .args([
            "--no-defaults",
            "--host=127.0.0.1",
            "--user=root",
            "--batch",
            "--force",
        ])
        .args(["--default-character-set=utf8mb4", "--protocol=tcp"])
        .arg(format!("--local-infile={}", u8::from(name == "load")))
        .current_dir(scripts())
        .arg(format!("--port={}", server.port()))
        .stdin(fs::File::open(scripts().join(format!("{name}.sql")))?)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr).replace("MariaDB server", "MySQL server");
    let text = format!(
        "{}--- errors ---\n{errors}",
        String::from_utf8_lossy(&output.stdout)
    );
    compare(&format!("{name}.expected"), &text)
}

/// The first difference, with the lines around it. STORNO_CLIENTS_REWRITE=1 writes the file
/// instead, from the judge only.
fn compare(file: &str, actual: &str) -> Outcome {
    let path = scripts().join(file);
    if std::env::var_os("STORNO_CLIENTS_REWRITE").is_some_and(|value| value == "1") {
        let is_judge = Server::kind_under_test() == crate::harness::server::Kind::MariaDb;
        ensure(is_judge, || {
            "only the judge's answers are expected".to_owned()
        })?;
        return Ok(fs::write(path, actual)?);
    }
    let expected = fs::read_to_string(&path)?;
    if expected == actual {
        return Ok(());
    }
    let mut text = format!("the output is not {file}:");
    let (mut expected, mut actual) = (expected.lines(), actual.lines());
    let mut differences = 0;
    for line in 1.. {
        let pair = (expected.next(), actual.next());
        if pair == (None, None) || differences == 5 {
            break;
        }
        if pair.0 != pair.1 {
            differences += 1;
            let show = |line: Option<&str>| line.unwrap_or("(nothing)").to_owned();
            text += &format!(
                "\n  line {line}\n  - {}\n  + {}",
                show(pair.0),
                show(pair.1)
            );
        }
    }
    Err(text.into())
}
