//! Statement x privilege x object: each statement runs with exactly what it needs, granted at every
//! level at which it can be, and fails as soon as one of it is missing, whatever else is granted.

use crate::accounts::Privileges as P;
use crate::engine::{Engine, EngineOptions};
use crate::error::SqlError;
use crate::session::{Session, SessionContext};
use futures::StreamExt;

/// What a need is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// `d.t`
    T,
    /// `d.u`
    U,
    /// A table of `d` that is not there.
    New,
    /// The database `d` itself: a grant on a table of it does not do.
    Database,
    Server,
}

struct World {
    engine: Engine,
    root: Session,
    _dir: tempfile::TempDir,
}

fn open(engine: &Engine, user: &str) -> Session {
    engine.session(SessionContext {
        connection_id: 7,
        user: user.into(),
        host: "localhost".into(),
        database: None,
        found_rows: false,
        local_files: true,
        multi_statements: false,
        interrupt: None,
    })
}

async fn run(session: &mut Session, sql: &str) -> Result<(), SqlError> {
    if let crate::Outcome::Rows(mut rows) = session.query(sql.as_bytes()).await? {
        while let Some(batch) = rows.batches.next().await {
            batch?;
        }
    }
    Ok(())
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let options = storno_storage::Options::new(dir.path());
        let store = storno_storage::Store::open(options).expect("opens");
        let engine = Engine::new(store, EngineOptions::default()).expect("starts");
        let mut root = open(&engine, "root");
        for sql in ["CREATE USER u", "CREATE USER other", "CREATE DATABASE e"] {
            run(&mut root, sql).await.expect(sql);
        }
        Self {
            engine,
            root,
            _dir: dir,
        }
    }

    /// Puts the tables back to what they were.
    async fn anew(&mut self) {
        for sql in [
            "DROP DATABASE IF EXISTS d",
            "DROP USER IF EXISTS third",
            "CREATE DATABASE d",
            "CREATE TABLE d.t (a INT PRIMARY KEY, b INT)",
            "CREATE TABLE d.u (a INT PRIMARY KEY, b INT)",
            "INSERT INTO d.t VALUES (1, 1)",
        ] {
            run(&mut self.root, sql).await.expect(sql);
        }
    }

    /// `u` has these and nothing else.
    async fn grant(&mut self, grants: &[(On, P)], level: usize) {
        run(&mut self.root, "REVOKE ALL, GRANT OPTION FROM u")
            .await
            .expect("revokes");
        for (on, privilege) in grants {
            let place = match (on, level) {
                (On::Server, _) | (_, 2) => "*.*",
                (On::Database, _) | (_, 1) => "d.*",
                (On::T, _) => "d.t",
                (On::U, _) => "d.u",
                (On::New, _) => "d.fresh",
            };
            // The table may be granted on before it is there only with CREATE.
            let create = if *on == On::New && level == 0 {
                ", CREATE"
            } else {
                ""
            };
            let sql = format!("GRANT {privilege}{create} ON {place} TO u");
            run(&mut self.root, &sql).await.expect(&sql);
        }
    }

    async fn try_as_u(&self, sql: &str) -> Result<(), SqlError> {
        let mut session = open(&self.engine, "u");
        // Without any privilege there, the database cannot be chosen; all names are qualified.
        run(&mut session, sql).await
    }
}

fn is_denied(result: &Result<(), SqlError>) -> bool {
    matches!(result, Err(error) if [1044, 1045, 1142, 1143, 1227].contains(&error.code))
}

fn cases() -> Vec<(&'static str, Vec<(On, P)>)> {
    use On::{Database, New, Server, T, U};
    vec![
        ("SELECT a FROM d.t", vec![(T, P::SELECT)]),
        (
            "SELECT 1 FROM d.t, d.u",
            vec![(T, P::SELECT), (U, P::SELECT)],
        ),
        (
            "SELECT 1 FROM d.t WHERE a IN (SELECT a FROM d.u)",
            vec![(T, P::SELECT), (U, P::SELECT)],
        ),
        (
            "WITH t AS (SELECT a FROM d.u) SELECT t.a FROM t JOIN d.t AS x ON x.a = t.a",
            vec![(T, P::SELECT), (U, P::SELECT)],
        ),
        (
            "SELECT a FROM d.t UNION SELECT a FROM d.u",
            vec![(T, P::SELECT), (U, P::SELECT)],
        ),
        ("SELECT (SELECT MAX(a) FROM d.t)", vec![(T, P::SELECT)]),
        ("EXPLAIN SELECT a FROM d.t", vec![(T, P::SELECT)]),
        ("DO (SELECT MAX(a) FROM d.t)", vec![(T, P::SELECT)]),
        ("SET @a = (SELECT MAX(a) FROM d.t)", vec![(T, P::SELECT)]),
        (
            "SHOW VARIABLES WHERE EXISTS (SELECT 1 FROM d.t)",
            vec![(T, P::SELECT)],
        ),
        ("INSERT INTO d.t VALUES (2, 2)", vec![(T, P::INSERT)]),
        ("INSERT INTO d.t SET a = 3, b = 1 + 1", vec![(T, P::INSERT)]),
        (
            "INSERT INTO d.t SELECT a + 10, b FROM d.u",
            vec![(T, P::INSERT), (U, P::SELECT)],
        ),
        (
            "REPLACE INTO d.t VALUES (2, 2)",
            vec![(T, P::INSERT), (T, P::DELETE)],
        ),
        (
            "INSERT INTO d.t VALUES (1, 2) ON DUPLICATE KEY UPDATE b = VALUES(b)",
            vec![(T, P::INSERT), (T, P::UPDATE)],
        ),
        (
            "INSERT INTO d.t VALUES (1, 2) ON DUPLICATE KEY UPDATE b = b + 1",
            vec![(T, P::INSERT), (T, P::UPDATE), (T, P::SELECT)],
        ),
        ("UPDATE d.t SET b = 2", vec![(T, P::UPDATE)]),
        (
            "UPDATE d.t SET b = b + 2",
            vec![(T, P::UPDATE), (T, P::SELECT)],
        ),
        (
            "UPDATE d.t SET b = 2 WHERE a = 1",
            vec![(T, P::UPDATE), (T, P::SELECT)],
        ),
        (
            "UPDATE d.t AS x JOIN d.u AS y ON x.a = y.a SET x.b = y.b",
            vec![(T, P::UPDATE), (T, P::SELECT), (U, P::SELECT)],
        ),
        ("DELETE FROM d.t", vec![(T, P::DELETE)]),
        (
            "DELETE FROM d.t WHERE a = 1",
            vec![(T, P::DELETE), (T, P::SELECT)],
        ),
        (
            "UPDATE d.t AS x JOIN d.u AS y ON x.a = y.a SET b = 1",
            vec![
                (T, P::UPDATE),
                (T, P::SELECT),
                (U, P::UPDATE),
                (U, P::SELECT),
            ],
        ),
        (
            "CREATE INGEST TOKEN x ON d.t",
            vec![
                (Server, P::CREATE_USER),
                (T, P::INSERT),
                (T, P::GRANT_OPTION),
            ],
        ),
        (
            "CREATE TABLE d.fresh (a INT) ON INVALID INTO bad",
            vec![(Database, P::CREATE), (Database, P::INSERT)],
        ),
        (
            "DELETE x FROM d.t AS x JOIN d.u AS y ON x.a = y.a",
            vec![(T, P::DELETE), (T, P::SELECT), (U, P::SELECT)],
        ),
        ("TRUNCATE TABLE d.t", vec![(T, P::DROP)]),
        ("DROP TABLE d.t", vec![(T, P::DROP)]),
        ("DROP TABLE d.t, d.u", vec![(T, P::DROP), (U, P::DROP)]),
        ("ALTER TABLE d.t ADD COLUMN c INT", vec![(T, P::ALTER)]),
        ("CREATE INDEX i ON d.t (b)", vec![(T, P::INDEX)]),
        (
            "RENAME TABLE d.t TO d.fresh",
            vec![
                (T, P::ALTER),
                (T, P::DROP),
                (New, P::CREATE),
                (New, P::INSERT),
            ],
        ),
        (
            "ALTER TABLE d.t RENAME TO d.fresh",
            vec![
                (T, P::ALTER),
                (T, P::DROP),
                (New, P::CREATE),
                (New, P::INSERT),
            ],
        ),
        ("CREATE TABLE d.fresh (a INT)", vec![(New, P::CREATE)]),
        (
            "CREATE TABLE d.fresh LIKE d.t",
            vec![(New, P::CREATE), (T, P::SELECT)],
        ),
        (
            "CREATE TABLE d.fresh SELECT a FROM d.t",
            vec![(New, P::CREATE), (New, P::INSERT), (T, P::SELECT)],
        ),
        ("DROP DATABASE d", vec![(Database, P::DROP)]),
        (
            "CREATE DATABASE IF NOT EXISTS d",
            vec![(Database, P::CREATE)],
        ),
        ("CHECK TABLE d.t", vec![(T, P::SELECT)]),
        ("OPTIMIZE TABLE d.t", vec![(T, P::SELECT), (T, P::INSERT)]),
        (
            "LOAD DATA LOCAL INFILE 'x' INTO TABLE d.t",
            vec![(T, P::INSERT)],
        ),
        (
            "LOAD DATA INFILE '/x' INTO TABLE d.t",
            vec![(T, P::INSERT), (Server, P::FILE)],
        ),
        (
            "LOCK TABLES d.t READ",
            vec![(Database, P::LOCK_TABLES), (T, P::SELECT)],
        ),
        ("FLUSH TABLES", vec![(Server, P::RELOAD)]),
        (
            "SET GLOBAL wait_timeout = 100",
            vec![(Server, P::SYSTEM_VARIABLES_ADMIN)],
        ),
        ("SET PERSIST wait_timeout = 100", vec![(Server, P::SUPER)]),
        ("CREATE USER third", vec![(Server, P::CREATE_USER)]),
        (
            "ALTER USER other IDENTIFIED BY 'x'",
            vec![(Server, P::CREATE_USER)],
        ),
        (
            "SET PASSWORD FOR other = 'x'",
            vec![(Server, P::CREATE_USER)],
        ),
        ("SHOW ENGINE innodb STATUS", vec![(Server, P::PROCESS)]),
        (
            "GRANT SELECT ON d.t TO other",
            vec![(T, P::SELECT), (T, P::GRANT_OPTION)],
        ),
        (
            "REVOKE SELECT ON d.t FROM other",
            vec![(T, P::SELECT), (T, P::GRANT_OPTION)],
        ),
        (
            "GRANT SELECT ON d.* TO other",
            vec![(Database, P::SELECT), (Database, P::GRANT_OPTION)],
        ),
    ]
}

#[tokio::test]
async fn every_statement_needs_exactly_its_privileges_at_any_level() {
    let mut world = World::new().await;
    for (sql, needs) in cases() {
        for level in 0..3 {
            world.anew().await;
            world.grant(&needs, level).await;
            let result = world.try_as_u(sql).await;
            assert!(
                !is_denied(&result),
                "{sql} with {needs:?} at {level}: {result:?}"
            );
            for missing in 0..needs.len() {
                // With INSERT on a new table CREATE comes along: see `grant`.
                if needs[missing] == (On::New, P::CREATE) && needs.contains(&(On::New, P::INSERT)) {
                    continue;
                }
                // One privilege more on the same table does not make up for it.
                let mut rest = needs.clone();
                let (on, privilege) = rest.remove(missing);
                // Granted for the database or for everything, another table's privilege covers this one.
                if level > 0 && rest.iter().any(|(_, other)| *other == privilege) {
                    continue;
                }
                let instead = [P::SELECT, P::INSERT, P::TRIGGER]
                    .into_iter()
                    .find(|p| *p != privilege && !needs.contains(&(on, *p)));
                if on != On::Server && on != On::New {
                    rest.extend(instead.map(|p| (on, p)));
                }
                world.anew().await;
                world.grant(&rest, level).await;
                let result = world.try_as_u(sql).await;
                assert!(
                    is_denied(&result),
                    "{sql} with {rest:?} at {level}: {result:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn all_privileges_but_one_are_not_enough() {
    let mut world = World::new().await;
    for (sql, needs) in cases() {
        for (on, privilege) in needs {
            if on == On::Server && (privilege == P::SUPER || privilege == P::SYSTEM_VARIABLES_ADMIN)
            {
                continue; // Either will do.
            }
            world.anew().await;
            for statement in [
                "REVOKE ALL, GRANT OPTION FROM u",
                "GRANT ALL ON *.* TO u WITH GRANT OPTION",
            ] {
                run(&mut world.root, statement).await.expect(statement);
            }
            let revoke = format!("REVOKE {privilege} ON *.* FROM u");
            run(&mut world.root, &revoke).await.expect(&revoke);
            let result = world.try_as_u(sql).await;
            assert!(is_denied(&result), "{sql} without {privilege}: {result:?}");
        }
    }
}

#[tokio::test]
async fn prepared_statements_are_asked_about_too() {
    let mut world = World::new().await;
    world.anew().await;
    let mut session = open(&world.engine, "u");
    let denied = session.prepare(b"SELECT a FROM d.t WHERE a = ?").await;
    assert_eq!(denied.expect_err("denied").code, 1142);
    let denied = run(&mut session, "PREPARE s FROM 'DELETE FROM d.t'").await;
    assert_eq!(denied.expect_err("denied").code, 1142);
    run(&mut world.root, "GRANT SELECT ON d.t TO u")
        .await
        .expect("grants");
    let prepared = session.prepare(b"SELECT a FROM d.t").await.expect("may");
    run(&mut world.root, "REVOKE SELECT ON d.t FROM u")
        .await
        .expect("revokes");
    let denied = session.execute(prepared.id, Vec::new()).await.map(drop);
    assert_eq!(denied.expect_err("no more").code, 1142);
}

#[tokio::test]
async fn plans_that_are_kept_open_no_table() {
    let mut world = World::new().await;
    world.anew().await;
    for _ in 0..4 {
        run(&mut world.root, "SELECT SUM(b) FROM d.t WHERE a = 1")
            .await
            .expect("runs");
    }
    let denied = world.try_as_u("SELECT SUM(b) FROM d.t WHERE a = 1").await;
    assert_eq!(denied.expect_err("denied").code, 1142);
}

#[tokio::test]
async fn names_of_with_hide_tables_only_where_they_hold() {
    let mut world = World::new().await;
    world.anew().await;
    run(&mut world.root, "GRANT SELECT ON d.u TO u")
        .await
        .expect("grants");
    let mut session = open(&world.engine, "u");
    run(&mut session, "USE d").await.expect("sees it");
    for sql in [
        "WITH t AS (SELECT * FROM t) SELECT * FROM t",
        "SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) x, t",
        "WITH x AS (SELECT * FROM t), t AS (SELECT 1 AS a) SELECT * FROM x",
        "WITH RECURSIVE x AS (SELECT * FROM t), t AS (SELECT 1 AS a) SELECT * FROM x",
        "WITH RECURSIVE t AS (WITH x AS (SELECT * FROM d.t) SELECT * FROM x) SELECT * FROM t",
    ] {
        let denied = run(&mut session, sql).await;
        assert_eq!(denied.expect_err(sql).code, 1142, "{sql}");
    }
    for sql in [
        "WITH t AS (SELECT a FROM u) SELECT * FROM t",
        "WITH RECURSIVE t AS (SELECT a FROM u) SELECT * FROM t",
        "WITH RECURSIVE t AS (SELECT 1 AS a UNION SELECT a + 1 FROM t WHERE a < 3) SELECT * FROM t",
    ] {
        run(&mut session, sql).await.expect(sql);
    }
}
