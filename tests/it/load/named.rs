//! Files whose values have names, NDJSON and Parquet: each value reaches its column or is an error, also when there
//! are several files that differ, and in directories that are named after values.

use std::path::Path;

use libtest_mimic::Trial;

use super::{offer, storno};
use crate::harness::{Outcome, Refusal, Session, block_on, ensure, same};

pub fn trials() -> Vec<Trial> {
    let plain = |name: &str, test: fn() -> Outcome| Trial::test(format!("load::{name}"), test);
    vec![
        plain("a_name_that_comes_late_is_no_less_a_column", || {
            block_on(late_names())
        }),
        plain("what_an_object_does_not_say_is_the_default", || {
            block_on(defaults())
        }),
        plain("parquet_files_that_differ_are_not_mixed_up", || {
            block_on(parquet_files())
        }),
        plain("a_value_that_does_not_fit_does_not_become_null", || {
            block_on(narrow_types())
        }),
        plain("directories_give_their_columns", || block_on(directories())),
    ]
}

fn texts<const N: usize>(lines: [&str; N]) -> Vec<String> {
    lines.map(str::to_owned).to_vec()
}

/// An error of this number whose message has this in it; and `t` is as it was.
async fn refused(session: &mut Session, sql: &str, code: u16, words: &str) -> Outcome {
    let rows = "SELECT COUNT(*) FROM t";
    let before = session.lines(rows).await?;
    match session.refused(sql).await? {
        Refusal::Server {
            code: other,
            message,
            ..
        } if other == code => ensure(message.contains(words), || format!("{sql}: {message}"))?,
        other => return Err(format!("{sql}: {other}").into()),
    }
    same("rows after an error", &before, &session.lines(rows).await?)
}

/// Lines of which the last ones have one more name.
fn late(name: &str) -> String {
    let line = |i: u32| match i {
        1_400.. => format!("{{\"id\": {i}, \"{name}\": \"x{i}\"}}\n"),
        _ => format!("{{\"id\": {i}}}\n"),
    };
    (0..1_500).map(line).collect()
}

async fn late_names() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = storno(dir.path())?;
    let mut session = server.connect_to("db").await?;
    session
        .run("CREATE TABLE t (id INT NOT NULL, late VARCHAR(10), other INT)")
        .await?;
    std::fs::create_dir(dir.path().join("j"))?;
    std::fs::write(dir.path().join("j/1.ndjson"), late("late"))?;
    std::fs::write(
        dir.path().join("j/2.ndjson"),
        "{\"id\": -1, \"Other\": 7}\n",
    )?;
    let load = "LOAD DATA FROM S3 PREFIX 'j/' INTO TABLE t FORMAT NDJSON";
    session.run(load).await?;
    let sums = "SELECT COUNT(*), COUNT(late), MAX(late), SUM(other) FROM t";
    let expected = texts(["1501|100|x1499|7"]);
    same("all names", &expected, &session.lines(sums).await?)?;
    let list = "LOAD DATA INFILE 'j/1.ndjson' INTO TABLE t FORMAT NDJSON (id)";
    session.run(list).await?;
    let expected = texts(["3001|100|x1499|7"]);
    same("a list chooses", &expected, &session.lines(sums).await?)?;

    std::fs::write(dir.path().join("lost.ndjson"), late("lost"))?;
    let load = "LOAD DATA INFILE 'lost.ndjson' INTO TABLE t FORMAT NDJSON";
    let words = "'lost' in 'line 1401 of ";
    refused(&mut session, load, 1054, words).await?;
    refused(&mut session, load, 1054, "/lost.ndjson'").await?;
    // Of a file that a client sends, what has no column is left out.
    offer(&mut session, late("lost").as_bytes());
    let load = "LOAD DATA LOCAL INFILE 'x' INTO TABLE t FORMAT NDJSON";
    same("rows", &1_500, &session.run(load).await?.affected_rows)
}

async fn defaults() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = storno(dir.path())?;
    let mut session = server.connect_to("db").await?;
    session
        .run(
            "CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT NOT NULL DEFAULT 5, \
             b VARCHAR(5) DEFAULT 'b', c INT AS (a + 1), must INT NOT NULL)",
        )
        .await?;
    let lines = "{\"must\": 1, \"a\": 2}\n{\"must\": 2, \"b\": null}\n";
    std::fs::write(dir.path().join("d.ndjson"), lines)?;
    session
        .run("LOAD DATA INFILE 'd.ndjson' INTO TABLE t FORMAT NDJSON")
        .await?;
    let rows = "SELECT id, a, b, c, must FROM t ORDER BY id";
    let expected = texts(["1|2|b|3|1", "2|5|NULL|6|2"]);
    same("loaded", &expected, &session.lines(rows).await?)?;
    offer(&mut session, lines.as_bytes());
    session
        .run("LOAD DATA LOCAL INFILE 'x' INTO TABLE t FORMAT NDJSON")
        .await?;
    let all = "SELECT COUNT(*), SUM(a), COUNT(b), SUM(c) FROM t";
    same("sent", &texts(["4|14|2|18"]), &session.lines(all).await?)?;
    std::fs::write(dir.path().join("m.ndjson"), "{\"must\": 1}\n{\"a\": 1}\n")?;
    let load = "LOAD DATA INFILE 'm.ndjson' INTO TABLE t FORMAT NDJSON";
    refused(&mut session, load, 1364, "'must'").await
}

/// Writes the result of a query as a Parquet file.
async fn write_parquet(session: &mut Session, query: &str, name: &str) -> Outcome {
    session
        .run(format!(
            "{query} INTO OUTFILE URL '{name}' FORMAT PARQUET MANIFEST OFF"
        ))
        .await?;
    Ok(())
}

fn directory(root: &Path, names: &[&str]) -> Outcome {
    for name in names {
        std::fs::create_dir(root.join(name))?;
    }
    Ok(())
}

async fn parquet_files() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = storno(dir.path())?;
    let mut session = server.connect_to("db").await?;
    session.run("CREATE TABLE t (a INT, b INT, c INT)").await?;
    directory(dir.path(), &["less", "more", "turned", "named"])?;
    for (query, name) in [
        ("SELECT 1 AS a, 2 AS b", "less/1"),
        ("SELECT 3 AS b, 4 AS c", "less/2"),
        ("SELECT 1 AS a, 2 AS b", "more/1"),
        ("SELECT 3 AS a, 4 AS b, 5 AS c", "more/2"),
        ("SELECT 1 AS a, 2 AS b", "turned/1"),
        ("SELECT 4 AS B, 3 AS A", "turned/2"),
        ("SELECT 1 AS x, 2 AS y", "named/1"),
        ("SELECT 3 AS b, 4 AS a", "named/2"),
    ] {
        write_parquet(&mut session, query, name).await?;
    }
    let load = |name: &str, list: &str| {
        format!("LOAD DATA FROM S3 PREFIX '{name}/' FORMAT PARQUET INTO TABLE t {list}")
    };
    let words = "less/2.part_00000.parquet'";
    refused(&mut session, &load("less", ""), 1054, words).await?;
    // The first file has these names: they are none of places in the second one.
    refused(&mut session, &load("less", "(a, b)"), 1054, words).await?;
    let words = "'c' in 'first file', which '";
    refused(&mut session, &load("more", ""), 1054, words).await?;
    let read = "SELECT SUM(a) FROM FILES('less/', files => PREFIX, format => parquet)";
    let words = "less/2.part_00000.parquet'";
    refused(&mut session, read, 1054, words).await?;

    let rows = "SELECT a, b, c FROM t ORDER BY a";
    session.run(load("more", "(a, b)")).await?;
    let expected = texts(["1|2|NULL", "3|4|NULL"]);
    same("of the list", &expected, &session.lines(rows).await?)?;
    session.run("TRUNCATE t").await?;
    session.run(load("turned", "")).await?;
    same("by name", &expected, &session.lines(rows).await?)?;
    session.run("TRUNCATE t").await?;
    // A list of other names than the first file's stands for places, in all files.
    session.run(load("named", "(a, b)")).await?;
    same("by place", &expected, &session.lines(rows).await?)?;
    refused(&mut session, &load("named", "(a, b, c)"), 1054, "'c' in ").await
}

async fn narrow_types() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = storno(dir.path())?;
    let mut session = server.connect_to("db").await?;
    for sql in [
        "CREATE TABLE narrow (a INT, d DECIMAL(10,2))",
        "CREATE TABLE wide (a BIGINT, d DECIMAL(10,4))",
        "CREATE TABLE t (a BIGINT, d DECIMAL(10,4))",
        "INSERT INTO narrow VALUES (1, 1.25)",
        "INSERT INTO wide VALUES (5000000000, 1.2599), (7, 1.2500)",
    ] {
        session.run(sql).await?;
    }
    directory(dir.path(), &["a", "d", "fits"])?;
    for (query, name) in [
        ("SELECT a FROM narrow", "a/1"),
        ("SELECT a FROM wide", "a/2"),
        ("SELECT d FROM narrow", "d/1"),
        ("SELECT d FROM wide", "d/2"),
        ("SELECT a, d FROM narrow", "fits/1"),
        ("SELECT a, d FROM wide WHERE a = 7", "fits/2"),
    ] {
        write_parquet(&mut session, query, name).await?;
    }
    for column in ["a", "d"] {
        let insert = format!(
            "INSERT INTO t ({column}) SELECT {column} FROM FILES('{column}/', files => PREFIX, \
             format => parquet)"
        );
        let words = format!("{column}/2.part_00000.parquet'");
        refused(&mut session, &insert, 3000, &words).await?;
    }
    let sums = "SELECT SUM(a), SUM(d) FROM FILES('fits/', files => PREFIX, format => parquet)";
    same("fits", &texts(["8|2.50"]), &session.lines(sums).await?)
}

async fn directories() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = storno(dir.path())?;
    let mut session = server.connect_to("db").await?;
    let columns = "(id INT, name VARCHAR(20), day DATE, n INT)";
    session.run(format!("CREATE TABLE t {columns}")).await?;
    session
        .run(
            "INSERT INTO t VALUES (1, 'a/b=c', '2026-01-02', 5), (2, NULL, '2026-01-02', 6), \
             (3, '100% é', NULL, 7), (4, '%2F', '2026-01-03', NULL)",
        )
        .await?;
    let all = "SELECT id, name, day, n FROM t ORDER BY id";
    let rows = session.lines(all).await?;
    session
        .run("SELECT * FROM t INTO OUTFILE URL 'p' FORMAT PARQUET PARTITION BY (name, day)")
        .await?;
    session.run("TRUNCATE t").await?;
    for files in ["MANIFEST 'p.manifest'", "PREFIX 'p/'"] {
        let load = format!("LOAD DATA FROM S3 {files} FORMAT PARQUET INTO TABLE t");
        session.run(load).await?;
        same(files, &rows, &session.lines(all).await?)?;
        session.run("TRUNCATE t").await?;
    }
    // A list has the columns that are wanted.
    session
        .run("LOAD DATA FROM S3 PREFIX 'p/' FORMAT PARQUET INTO TABLE t (day, id)")
        .await?;
    let expected = texts(["4|0|3"]);
    let counts = "SELECT COUNT(*), COUNT(name), COUNT(day) FROM t";
    same("a list", &expected, &session.lines(counts).await?)?;
    // Nothing of the files themselves is wanted, only how many rows they have.
    session.run("TRUNCATE t").await?;
    session
        .run("LOAD DATA FROM S3 PREFIX 'p/' FORMAT PARQUET INTO TABLE t (day, name)")
        .await?;
    let expected = texts(["4|3|3"]);
    same(
        "directories alone",
        &expected,
        &session.lines(counts).await?,
    )?;
    let files = "FILES('p.manifest', files => MANIFEST, format => parquet)";
    let read = format!("SELECT id, name, day, n FROM {files} ORDER BY id");
    same("FILES", &rows, &session.lines(read).await?)?;
    let one = format!("SELECT name FROM {files} WHERE day = '2026-01-03'");
    same("one column", &texts(["%2F"]), &session.lines(one).await?)?;
    let count = format!("SELECT COUNT(*), COUNT(DISTINCT day) FROM {files}");
    same("no column", &texts(["4|2"]), &session.lines(count).await?)?;

    for (place, line) in [
        ("j/day=2026-01-05/1.ndjson", "{\"id\": 1, \"n\": 2}\n"),
        (
            "j/day=2026-01-06/1.ndjson",
            "{\"id\": 2, \"day\": \"2026-02-01\"}\n",
        ),
        ("c/day=2026-01-05/1.csv", "id,n\n1,2\n"),
        ("c/day=2026-01-06/1.csv", "id,n\n2,NULL\n"),
        ("e/day=2026-01-06/1.csv", "id,n\n2,NULL\n"),
        ("e/1.csv", "id,n\n2,NULL\n"),
    ] {
        let path = dir.path().join(place);
        path.parent().map(std::fs::create_dir_all).transpose()?;
        std::fs::write(path, line)?;
    }
    session.run("TRUNCATE t").await?;
    session
        .run("LOAD DATA FROM S3 PREFIX 'j/' INTO TABLE t FORMAT NDJSON")
        .await?;
    let expected = texts(["1|NULL|2026-01-05|2", "2|NULL|2026-02-01|NULL"]);
    same("NDJSON", &expected, &session.lines(all).await?)?;
    let csv = "SELECT id, day, n FROM FILES('c/', files => PREFIX, format => csv) ORDER BY id";
    let expected = texts(["1|2026-01-05|2", "2|2026-01-06|NULL"]);
    same("CSV", &expected, &session.lines(csv).await?)?;
    let some = "SELECT id FROM FILES('e/', files => PREFIX, format => csv)";
    same(
        "not asked for",
        &texts(["2", "2"]),
        &session.lines(some).await?,
    )?;
    let all = "SELECT id, day FROM FILES('e/', files => PREFIX, format => csv)";
    refused(&mut session, all, 1054, "e/1.csv'").await
}
