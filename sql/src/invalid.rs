//! Where rows go that cannot be stored: the table of ON INVALID INTO, its shape and its rows.
//!
//! It has the columns of the table that it belongs to, all of them nullable text (binary ones: bytes), and
//! some of its own. Which rows are invalid is decided where they are read (`insert`) and checked (`check`).

use crate::ddl::{CreateTable, DdlContext, NewTable, create_table};
use crate::error::{Result, SqlError};
use crate::insert::{Datum, InvalidRow, Mode, RowWriter, Settings};
use crate::types::{MysqlType, QuotedName, TableDefinition, TimeZone, charset, same_name};
use arrow::array::RecordBatch;
use storno_storage::TableSpec;

/// Columns of its own, and their types.
const OWN: [(&str, &str); 5] = [
    ("invalid_code", "SMALLINT UNSIGNED NULL"),
    ("invalid_reason", "TEXT NULL"),
    ("invalid_at", "TIMESTAMP(6) NULL"),
    ("invalid_client", "VARCHAR(512) NULL"),
    ("invalid_row", "LONGBLOB NULL"),
];

/// Is this the name of one of its own columns?
pub(crate) fn is_own_column(name: &str) -> bool {
    OWN.iter().any(|(own, _)| same_name(own, name))
}

/// What the table for invalid rows of `table` is to be like.
pub(crate) fn spec(table: &TableDefinition, name: &str) -> Result<TableSpec> {
    let columns = table.meta.spec.columns.iter().zip(&table.columns);
    let columns = columns.map(|(column, attributes)| {
        let kind = match is_binary(&attributes.mysql_type) {
            true => "LONGBLOB",
            false => "LONGTEXT",
        };
        format!("{} {kind} NULL", QuotedName(&column.name))
    });
    let own = OWN.iter().map(|(name, kind)| format!("{name} {kind}"));
    let columns: Vec<String> = columns.chain(own).collect();
    let text = format!(
        "CREATE TABLE {} ({}, SORT KEY (invalid_at)) COMMENT='rows that {} could not take'",
        QuotedName(name),
        columns.join(", "),
        table.meta.spec.name.replace(['\'', '\\'], " "),
    );
    let context = DdlContext {
        collation: charset::DEFAULT_COLLATION,
        time_zone: TimeZone::UTC,
    };
    let CreateTable { table, .. } = create_table(&text, &context)?;
    match table {
        NewTable::Defined { spec, .. } => Ok(spec),
        NewTable::Like { .. } => Err(SqlError::internal("a table like another")),
    }
}

fn is_binary(mysql_type: &MysqlType) -> bool {
    matches!(
        mysql_type,
        MysqlType::Binary { .. } | MysqlType::VarBinary { .. } | MysqlType::Blob { .. }
    )
}

/// 1210 for a table that is not one for invalid rows. These are written as they are: there must be nothing that
/// rows of the table are held against, or changed by.
pub(crate) fn check(table: &TableDefinition) -> Result<()> {
    let has = |name: &str| table.position(name).is_some();
    let attributes = &table.attributes;
    let is_fit = OWN.iter().all(|(name, _)| has(name))
        && table.columns.iter().all(|column| column.privacy.is_none())
        && !attributes.checks.iter().any(|check| check.enforced)
        && attributes.on_invalid.is_none();
    match is_fit {
        true => Ok(()),
        false => {
            let name = &table.meta.spec.name;
            let text = format!(
                "Incorrect arguments to ON INVALID INTO: '{name}' is not a table for invalid rows (columns invalid_code \
                 and so on, no CHECK, no private column)"
            );
            Err(SqlError::new(1210, "HY000", text))
        }
    }
}

/// Who sent the rows, and when.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) client: String,
    /// Microseconds since 1970 in UTC.
    pub(crate) now_utc: i64,
}

/// Invalid rows of `table` as rows of `aside`, a table of that shape or of one from before: what it has no column
/// for is in the text of the row alone.
pub(crate) fn batch(
    table: &TableDefinition,
    aside: &TableDefinition,
    rows: &[InvalidRow],
    sender: &Sender,
) -> Result<RecordBatch> {
    let columns = table.meta.spec.columns.iter().enumerate();
    let shared = columns.filter(|(_, column)| aside.position(&column.name).is_some());
    let shared: Vec<(usize, String)> = shared.map(|(at, c)| (at, c.name.clone())).collect();
    let own = OWN.iter().map(|(name, _)| *name);
    let own: Vec<&str> = own.filter(|name| aside.position(name).is_some()).collect();
    let mut names: Vec<String> = shared.iter().map(|(_, name)| name.clone()).collect();
    names.extend(own.iter().map(|name| (*name).to_owned()));
    // Whatever this table is like, it takes what it can.
    let settings = Settings {
        mode: Mode::STRICT.with_ignore(true),
        time_zone: TimeZone::UTC,
        now_utc: sender.now_utc,
    };
    let mut writer = RowWriter::new(aside, Some(&names), settings)?;
    writer.take_all();
    for row in rows {
        for (position, (column, _)) in shared.iter().enumerate() {
            let value = row.values.get(*column).and_then(Option::as_deref);
            writer.append(position, value.map_or(Datum::Null, Datum::Text))?;
        }
        let raw = row.raw.clone().unwrap_or_else(|| tuple(&row.values));
        for (i, name) in own.iter().enumerate() {
            let value = match *name {
                "invalid_code" => Datum::Int(row.error.code.into()),
                "invalid_reason" => Datum::Text(row.error.message.as_bytes()),
                "invalid_at" => Datum::DateTime {
                    micros: sender.now_utc,
                    fsp: 6,
                },
                "invalid_client" => Datum::Text(sender.client.as_bytes()),
                _ => Datum::Bytes(&raw),
            };
            writer.append(shared.len() + i, value)?;
        }
        writer.finish_row()?;
    }
    // A generated number of such a table would be nobody's.
    let built = writer.finish(&mut |_| Ok(1))?;
    Ok(built.batch)
}

/// The values as they would stand in VALUES, for a row that came as none.
fn tuple(values: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut text = vec![b'('];
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            text.push(b',');
        }
        let Some(value) = value else {
            text.extend_from_slice(b"NULL");
            continue;
        };
        text.push(b'\'');
        for byte in value {
            if matches!(byte, b'\'' | b'\\') {
                text.push(b'\\');
            }
            text.push(*byte);
        }
        text.push(b'\'');
    }
    text.push(b')');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insert::testing;

    #[test]
    fn invalid_rows_keep_what_they_were() {
        let table = testing::table("CREATE TABLE t (id INT NOT NULL, b BINARY(2), s VARCHAR(3))");
        let aside = spec(&table, "bad").expect("a table");
        assert!(aside.columns.iter().all(|column| column.nullable));
        let aside = TableDefinition::of_spec("db", aside).expect("reads");
        let rows = [InvalidRow {
            row: 0,
            error: SqlError::data_too_long("s", 1),
            values: vec![
                Some(b"x".to_vec()),
                Some(vec![0xff, 0]),
                Some(b"it's".to_vec()),
            ],
            raw: None,
        }];
        let sender = Sender {
            client: "root@localhost".into(),
            now_utc: 1,
        };
        let batch = batch(&table, &aside, &rows, &sender).expect("a batch");
        let text = |column: usize| {
            let attributes = &aside.columns[column];
            crate::types::value_text(
                &attributes.mysql_type,
                batch.column(column),
                0,
                TimeZone::UTC,
            )
        };
        assert_eq!(text(0).as_deref(), Some("x"));
        assert_eq!(text(2).as_deref(), Some("it's"));
        assert_eq!(text(3).as_deref(), Some("1406"));
        assert_eq!(text(6).as_deref(), Some("root@localhost"));
        assert_eq!(tuple(&rows[0].values[2..]), b"('it\\'s')");
    }
}
