//! COLUMNS and COLUMN_STATISTICS.

use super::column::{
    Cell, bigint, choice, json, longtext, mediumtext, name, row, text, ubigint, uint, varchar,
};
use super::tables::{Sized, each_table};
use super::{CATALOG, INFORMATION_SCHEMA, Row, Scope, VirtualTable, no_rows};
use crate::error::Result;
use crate::select::planner::View;
use crate::show::{ColumnRow, column_rows};
use crate::types::charset::stored_charset;
use crate::types::{IntWidth, MysqlType};

pub static COLUMNS: VirtualTable = VirtualTable {
    name: "COLUMNS",
    columns: &[
        name("TABLE_CATALOG"),
        name("TABLE_SCHEMA"),
        name("TABLE_NAME"),
        name("COLUMN_NAME").or_null(),
        uint("ORDINAL_POSITION"),
        text("COLUMN_DEFAULT").or_null(),
        varchar("IS_NULLABLE", 3),
        longtext("DATA_TYPE").or_null(),
        bigint("CHARACTER_MAXIMUM_LENGTH").or_null(),
        bigint("CHARACTER_OCTET_LENGTH").or_null(),
        ubigint("NUMERIC_PRECISION").or_null(),
        ubigint("NUMERIC_SCALE").or_null(),
        uint("DATETIME_PRECISION").or_null(),
        name("CHARACTER_SET_NAME").or_null(),
        name("COLLATION_NAME").or_null(),
        mediumtext("COLUMN_TYPE"),
        choice("COLUMN_KEY", &["", "PRI", "UNI", "MUL"]),
        varchar("EXTRA", 256).or_null(),
        varchar("PRIVILEGES", 154).or_null(),
        text("COLUMN_COMMENT"),
        longtext("GENERATION_EXPRESSION"),
        uint("SRS_ID").or_null(),
    ],
    rows,
};

pub static COLUMN_STATISTICS: VirtualTable = VirtualTable {
    name: "COLUMN_STATISTICS",
    columns: &[
        name("SCHEMA_NAME"),
        name("TABLE_NAME"),
        name("COLUMN_NAME"),
        json("HISTOGRAM"),
    ],
    rows: no_rows,
};

fn rows(view: &View, scope: &Scope) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    each_table(view, scope, &mut |table| {
        let shown = column_rows(&table.definition);
        let types = table.definition.columns.iter().map(|c| &c.mysql_type);
        for (i, (column, mysql_type)) in (1u32..).zip(shown.into_iter().zip(types)) {
            rows.push(column_row(&table, i, column, mysql_type));
        }
        Ok(())
    })?;
    Ok(rows)
}

fn column_row(table: &Sized, position: u32, column: ColumnRow, mysql_type: &MysqlType) -> Row {
    let (characters, octets) = text_lengths(mysql_type).unzip();
    let (precision, scale) = digits(mysql_type);
    let charset = column.collation.as_deref().map(stored_charset);
    let privileges = match table.schema == INFORMATION_SCHEMA {
        true => "select",
        false => column.privileges,
    };
    row![
        CATALOG,
        &table.schema,
        &table.name,
        column.field,
        position,
        column.default,
        column.null,
        mysql_type.name(),
        characters,
        octets,
        precision,
        scale,
        mysql_type.fraction(),
        charset,
        column.collation,
        column.column_type,
        column.key,
        column.extra,
        privileges,
        column.comment,
        column.generation,
        Cell::Null,
    ]
}

/// Characters and bytes that a value may have.
fn text_lengths(mysql_type: &MysqlType) -> Option<(u64, u64)> {
    let count = |text: &String| text.chars().count() as u64;
    let characters = |n: u64| Some((n, n * 4));
    match mysql_type {
        MysqlType::Char { length } | MysqlType::VarChar { length } => characters((*length).into()),
        MysqlType::Enum { values } => characters(values.iter().map(count).max().unwrap_or(0)),
        MysqlType::Set { values } => {
            let all: u64 = values.iter().map(|v| count(v) + 1).sum();
            characters(all.saturating_sub(1))
        }
        // As in MySQL, the bytes of TEXT are given for both.
        MysqlType::Text { max_bytes: n }
        | MysqlType::Blob { max_bytes: n }
        | MysqlType::Binary { length: n }
        | MysqlType::VarBinary { length: n } => Some(((*n).into(), (*n).into())),
        _ => None,
    }
}

/// Digits in all and behind the point.
fn digits(mysql_type: &MysqlType) -> (Option<u64>, Option<u64>) {
    match mysql_type {
        MysqlType::Int {
            width, unsigned, ..
        } => {
            let digits = match width {
                IntWidth::Tiny => 3,
                IntWidth::Small => 5,
                IntWidth::Medium => 7,
                IntWidth::Int => 10,
                IntWidth::Big => 19 + u64::from(*unsigned),
            };
            (Some(digits), Some(0))
        }
        MysqlType::Float {
            digits: Some((m, d)),
            ..
        }
        | MysqlType::Double {
            digits: Some((m, d)),
            ..
        } => (Some((*m).into()), Some((*d).into())),
        MysqlType::Float { .. } => (Some(12), None),
        MysqlType::Double { .. } => (Some(22), None),
        MysqlType::Decimal {
            precision, scale, ..
        } => (Some((*precision).into()), Some((*scale).into())),
        _ => (None, None),
    }
}
