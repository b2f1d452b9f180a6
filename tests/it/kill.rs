//! SIGKILL at random moments: what was acknowledged is there, once and whole.
//!
//! Writers keep a ledger of what they sent and what was acknowledged. After each kill and restart
//! every acknowledged insert must be there with all its rows, an insert that was under way wholly
//! or not at all, and nothing else. Rows that violate a constraint are set aside in the same commit: they are
//! there exactly with those of their insert. A kill loses no page cache: power cuts are tested in storage,
//! over an injected file system.
//!
//! STORNO_KILL_CYCLES sets the number of cycles, STORNO_KILL_SEED the seed.

use std::collections::BTreeMap;
use std::time::Duration;

use libtest_mimic::Trial;
use mysql_async::{Params, Value};

use crate::harness::random::Random;
use crate::harness::{Outcome, Refusal, Server, Session, block_on, ensure, same};

const CYCLES: u64 = 20;
const CYCLES_PER_TABLE: u64 = 25;
const WRITERS: u64 = 4;
const BATCH_ROWS_MAX: i64 = 60;
const PAYLOAD: &str = "some text that makes a row as wide as a small event";

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("kill::acknowledged_rows_survive_once_and_whole", || {
            block_on(cycles(&[("STORNO_MEMTABLE_BYTES", "8388608")]))
        }),
        Trial::test("kill::acknowledged_rows_survive_flushes_and_merges", || {
            block_on(cycles(&[
                ("STORNO_MEMTABLE_BYTES", "1048576"),
                ("STORNO_SEGMENT_ROWS", "1024"),
            ]))
        }),
    ]
}

fn number_from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// What one writer knows of one insert: its rows, and whether an OK came.
#[derive(Debug, Clone, Copy)]
struct Entry {
    rows: u64,
    /// Rows beside them that violate a constraint.
    invalid: u64,
    acknowledged: bool,
}

/// Inserts by writer and number.
type Ledger = BTreeMap<(u64, u64), Entry>;

async fn cycles(environment: &[(&str, &str)]) -> Outcome {
    let cycles = number_from_environment("STORNO_KILL_CYCLES", CYCLES);
    let mut random = Random::new(number_from_environment("STORNO_KILL_SEED", 1));
    let mut server = Server::start_with(environment)?;
    let (mut ledger, mut table, mut inserts) = (Ledger::new(), String::new(), 0);
    let mut tables: Vec<(String, bool)> = Vec::new();
    for cycle in 0..cycles {
        if cycle % CYCLES_PER_TABLE == 0 {
            table = format!("ledger_{}", cycle / CYCLES_PER_TABLE);
            ledger.clear();
            create(&server, &table).await?;
        }
        let duration = Duration::from_millis(30 + random.below(250));
        let (entries, made) = write_until_killed(&mut server, &table, cycle, duration).await?;
        inserts += entries.values().filter(|entry| entry.acknowledged).count();
        ledger.extend(entries);
        tables.extend(made);
        if random.chance(30) {
            server.kill_while_starting(Duration::from_millis(random.below(60)))?;
        }
        server.start_again()?;
        verify(&server, &table, &ledger).await.map_err(|failure| {
            let text = failure.message().unwrap_or("").to_owned();
            format!("cycle {cycle}: {text}\n{}", server.log_tail())
        })?;
        verify_tables(&server, &tables).await?;
    }
    // Cycles in which nothing was written would prove nothing.
    ensure(inserts as u64 >= cycles, || {
        format!("only {inserts} inserts were acknowledged")
    })?;
    server.stop()
}

async fn create(server: &Server, table: &str) -> Outcome {
    let mut session = server.connect_to("kill").await?;
    let columns = "writer INT NOT NULL, number BIGINT NOT NULL, place INT NOT NULL, \
                   rows_sent INT NOT NULL, payload VARCHAR(100) NOT NULL";
    session
        .run(format!(
            "CREATE TABLE {table} ({columns}, CHECK (place >= 0)) ON INVALID INTO {table}_bad"
        ))
        .await?;
    Ok(())
}

/// Lets the writers write for so long, then kills the server under them.
async fn write_until_killed(
    server: &mut Server,
    table: &str,
    cycle: u64,
    duration: Duration,
) -> Outcome<(Ledger, Vec<(String, bool)>)> {
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let session = Session::open(server.port(), Some("kill")).await?;
        writers.push(tokio::spawn(write(
            session,
            table.to_owned(),
            writer,
            cycle,
        )));
    }
    let session = Session::open(server.port(), Some("kill")).await?;
    let maker = tokio::spawn(make_tables(session, cycle));
    tokio::time::sleep(duration).await;
    server.kill()?;
    let mut ledger = Ledger::new();
    for writer in writers {
        ledger.extend(writer.await??);
    }
    Ok((ledger, maker.await??))
}

/// Inserts until the connection breaks: single rows and batches, as text and as bound parameters.
async fn write(mut session: Session, table: String, writer: u64, cycle: u64) -> Outcome<Ledger> {
    let mut random = Random::new(cycle * 1_000 + writer);
    let mut ledger = Ledger::new();
    for step in 0.. {
        let number = cycle * 1_000_000 + step;
        let rows = if random.chance(50) {
            1
        } else {
            random.between(2, BATCH_ROWS_MAX) as u64
        };
        let invalid = u64::from(random.chance(20));
        let entry = |acknowledged| Entry {
            rows,
            invalid,
            acknowledged,
        };
        ledger.insert((writer, number), entry(false));
        let places = (0..rows as i64).chain((invalid > 0).then_some(-1));
        let answer = if random.chance(50) {
            let tuple = |place| format!("({writer},{number},{place},{rows},'{PAYLOAD}')");
            let tuples: Vec<String> = places.map(tuple).collect();
            session
                .run(format!("INSERT INTO {table} VALUES {}", tuples.join(",")))
                .await
        } else {
            let tuples = vec!["(?,?,?,?,?)"; (rows + invalid) as usize].join(",");
            let values = places.flat_map(|place| {
                let numbers = [writer as i64, number as i64, place, rows as i64];
                let values = numbers.map(Value::from).into_iter();
                values.chain([PAYLOAD.into()])
            });
            let values = Params::Positional(values.collect());
            session
                .execute(&format!("INSERT INTO {table} VALUES {tuples}"), values)
                .await
        };
        match answer {
            Ok(answer) => {
                same("affected rows", &rows, &answer.affected_rows)?;
                ledger.insert((writer, number), entry(true));
            }
            Err(Refusal::Broken(_)) => break,
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Ok(ledger)
}

/// Makes and drops tables; says for each whether it must exist. The last one may be in doubt: left
/// out.
async fn make_tables(mut session: Session, cycle: u64) -> Outcome<Vec<(String, bool)>> {
    let mut tables = Vec::new();
    for step in 0.. {
        let name = format!("made_{cycle}_{step}");
        match session.run(format!("CREATE TABLE {name} (a INT)")).await {
            Ok(_) => {}
            Err(Refusal::Broken(_)) => break,
            Err(refusal) => return Err(refusal.into()),
        }
        if step % 2 == 1 {
            match session.run(format!("DROP TABLE {name}")).await {
                Ok(_) => tables.push((name, false)),
                Err(Refusal::Broken(_)) => break,
                Err(refusal) => return Err(refusal.into()),
            }
        } else {
            tables.push((name, true));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(tables)
}

async fn verify(server: &Server, table: &str, ledger: &Ledger) -> Outcome {
    let mut session = server.connect_to("kill").await?;
    let sql = format!(
        "SELECT writer, number, COUNT(*), COUNT(DISTINCT place), MIN(rows_sent), MAX(rows_sent), \
         COUNT(DISTINCT payload) FROM {table} GROUP BY writer, number"
    );
    let mut found = BTreeMap::new();
    for line in session.lines(sql).await? {
        let cells: Vec<u64> = line.split('|').map(str::parse).collect::<Result<_, _>>()?;
        let [writer, number, rest @ ..] = cells.as_slice() else {
            return Err(format!("not a group: {line}").into());
        };
        found.insert((*writer, *number), rest.to_vec());
    }
    let sql = format!("SELECT writer, number, COUNT(*) FROM {table}_bad GROUP BY writer, number");
    let mut aside = BTreeMap::new();
    for line in session.lines(sql).await? {
        let cells: Vec<u64> = line.split('|').map(str::parse).collect::<Result<_, _>>()?;
        let [writer, number, count] = cells.as_slice() else {
            return Err(format!("not a group: {line}").into());
        };
        aside.insert((*writer, *number), *count);
    }
    for (key, entry) in ledger {
        let with_it = aside.remove(key).unwrap_or(0);
        let expected = if found.contains_key(key) {
            entry.invalid
        } else {
            0
        };
        same(
            &format!("invalid rows of insert {key:?} of {entry:?}"),
            &expected,
            &with_it,
        )?;
        let whole = vec![entry.rows, entry.rows, entry.rows, entry.rows, 1];
        match found.remove(key) {
            Some(groups) => same(&format!("insert {key:?} of {entry:?}"), &whole, &groups)?,
            None => ensure(!entry.acknowledged, || {
                format!("lost: insert {key:?} of {entry:?}")
            })?,
        }
    }
    same("invalid rows nobody sent", &BTreeMap::new(), &aside)?;
    same("inserts nobody sent", &BTreeMap::new(), &found)
}

async fn verify_tables(server: &Server, tables: &[(String, bool)]) -> Outcome {
    let mut session = server.connect_to("kill").await?;
    let there = session.lines("SHOW TABLES LIKE 'made%'").await?;
    for (name, must_exist) in tables {
        same(
            &format!("table {name} exists"),
            must_exist,
            &there.contains(name),
        )?;
    }
    Ok(())
}
