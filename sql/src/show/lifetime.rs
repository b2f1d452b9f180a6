//! Event key, retention, ON INVALID INTO and division of a table as `ddl` reads them.

use std::fmt::Write;

use crate::ddl::EVENT_KEY;
use crate::types::{QuotedName, TableDefinition};

/// The clauses of a table; empty when it has none.
pub fn lifetime_text(table: &TableDefinition) -> String {
    let spec = &table.meta.spec;
    let mut text = String::new();
    let name = |position: &usize| {
        let column = spec.columns.get(*position);
        QuotedName(column.map_or("", |column| &column.name)).to_string()
    };
    // Writing to a String cannot fail.
    if let Some(key) = &spec.event_key {
        let columns: Vec<String> = key.columns.iter().map(name).collect();
        let _ = write!(text, "{EVENT_KEY} ({})", columns.join(","));
        let _ = write!(text, " RETAIN {} DAYS ", key.retain_days);
    }
    if let Some(keep) = &spec.retention.keep {
        let interval = interval_text(keep.seconds);
        let _ = write!(text, "TTL={} + INTERVAL {interval} ", name(&keep.column));
    }
    if let Some(seconds) = spec.retention.erase_after {
        let _ = write!(text, "ERASE AFTER {} ", interval_text(seconds));
    }
    if let Some(shards) = spec.division.shards {
        let _ = write!(text, "SHARDS={shards} ");
    }
    if let Some(rows) = spec.division.segment_rows {
        let _ = write!(text, "SEGMENT_ROWS={rows} ");
    }
    if let Some(name) = &table.attributes.on_invalid {
        let _ = write!(text, "ON INVALID INTO {} ", QuotedName(name));
    }
    text.truncate(text.trim_end().len());
    text
}

fn interval_text(seconds: u64) -> String {
    let units = [(86_400, "DAY"), (3_600, "HOUR"), (60, "MINUTE")];
    let fits = |(unit, _): &&(u64, &str)| seconds > 0 && seconds.is_multiple_of(*unit);
    let (unit, name) = units.iter().find(fits).unwrap_or(&(1, "SECOND"));
    format!("{} {name}", seconds / unit)
}
