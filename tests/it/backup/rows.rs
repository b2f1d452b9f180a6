//! Rows of many types, and sums that tell them from all others.

use crate::harness::{Outcome, Session};

pub(super) const ROWS: u64 = 20_000;

pub(super) async fn fill(session: &mut Session) -> Outcome {
    session
        .run(
            "CREATE TABLE t (id BIGINT UNSIGNED NOT NULL, s VARCHAR(40), d DECIMAL(12,3), f DOUBLE, \
             b VARBINARY(9), at DATETIME(3), day DATE, took TIME(2), y YEAR, n TINYINT, \
             PRIMARY KEY (id), SORT KEY (id))",
        )
        .await?;
    insert(session, 0..ROWS).await
}

pub(super) async fn insert(session: &mut Session, ids: std::ops::Range<u64>) -> Outcome {
    let values = ids.map(|i| {
        let text = match i % 11 {
            0 => "NULL".to_owned(),
            _ => format!("'line {}\\n\\t\"q\" é'", i % 50),
        };
        format!(
            "({i}, {text}, {}.125, {}e-3, X'00{:02X}0A', '2024-02-29 12:00:{:02}.250', \
             '2024-01-{:02}', '-0{}:10:00.5', {}, {})",
            i % 1000,
            i * 7,
            i % 256,
            i % 60,
            i % 28 + 1,
            i % 9,
            1970 + i % 100,
            i % 100
        )
    });
    let values: Vec<String> = values.collect();
    for chunk in values.chunks(5_000) {
        session
            .run(format!("INSERT INTO t VALUES {}", chunk.join(",")))
            .await?;
    }
    Ok(())
}

/// Aggregates over all columns, one of which tells every other set of rows.
pub(super) async fn sums(session: &mut Session) -> Outcome<Vec<String>> {
    let sql = "SELECT COUNT(*), SUM(id), COUNT(s), SUM(CRC32(CONCAT_WS('|', id, s, d, f, HEX(b), at, day, \
               took, y, n))), SUM(d), ROUND(SUM(f), 3), COUNT(DISTINCT b), MIN(at), MAX(at), MIN(day), \
               MAX(took), SUM(y), SUM(n) FROM t";
    Ok(session.lines(sql).await?)
}
