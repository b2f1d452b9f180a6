//! Rows of a table `t` with a column of each kind: what leaves the server and comes back has to be the same.

use std::ops::Range;

use crate::harness::{Outcome, Session};

/// `id` tells rows apart.
pub const COLUMNS: &str = "id BIGINT UNSIGNED NOT NULL, s VARCHAR(40), d DECIMAL(12,3), f DOUBLE, \
                           b VARBINARY(9), at DATETIME(3), day DATE, took TIME(2), y YEAR, n TINYINT";

pub async fn insert(session: &mut Session, ids: Range<u64>) -> Outcome {
    let values = ids.map(|i| {
        let text = match i % 11 {
            0 => "NULL".to_owned(),
            _ => format!("'line {}\\n\\t\"q\" \\\\ ,é'", i % 50),
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
