//! Rows of many types, and sums that tell them from all others.

use crate::data::kinds::COLUMNS;
pub(super) use crate::data::kinds::insert;
use crate::harness::{Outcome, Session};

pub(super) const ROWS: u64 = 20_000;

pub(super) async fn fill(session: &mut Session) -> Outcome {
    let create = format!("CREATE TABLE t ({COLUMNS}, PRIMARY KEY (id), SORT KEY (id))");
    session.run(create).await?;
    insert(session, 0..ROWS).await
}

/// Aggregates over all columns, one of which tells every other set of rows.
pub(super) async fn sums(session: &mut Session) -> Outcome<Vec<String>> {
    let sql = "SELECT COUNT(*), SUM(id), COUNT(s), SUM(CRC32(CONCAT_WS('|', id, s, d, f, HEX(b), at, day, \
               took, y, n))), SUM(d), ROUND(SUM(f), 3), COUNT(DISTINCT b), MIN(at), MAX(at), MIN(day), \
               MAX(took), SUM(y), SUM(n) FROM t";
    Ok(session.lines(sql).await?)
}
