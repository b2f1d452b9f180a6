//! What the tests of this crate's INSERT and DDL share: a table from its definition, rows from
//! text.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use sqlparser::ast::{Insert, Statement};
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::Parser;
use storno_storage::{TableId, TableMeta, TableSpec};

use super::{InsertBatch, InsertPlan, LiteralInsert, Mode, Scalar, Settings};
use crate::ddl::{DdlContext, NewTable, create_table};
use crate::error::{Result, SqlError};
use crate::types::{TableDefinition, TimeZone, value_text};

/// 2026-11-22 12:00:00.987654.
pub(crate) const NOW_UTC: i64 = 1_795_348_800_987_654;

pub(crate) const STRICT: Settings = Settings {
    mode: Mode::STRICT,
    time_zone: TimeZone::UTC,
    now_utc: NOW_UTC,
};

pub(crate) const LENIENT: Settings = Settings {
    mode: Mode {
        strict: false,
        ..Mode::STRICT
    },
    ..STRICT
};

pub(crate) const CONTEXT: DdlContext<'static> = DdlContext {
    collation: "utf8mb4_bin",
    time_zone: TimeZone::UTC,
};

/// The table that a definition makes, as the catalog would give it.
pub(crate) fn table_of(spec: TableSpec) -> TableDefinition {
    let fields: Vec<Field> = spec
        .columns
        .iter()
        .map(|column| Field::new(&column.name, column.data_type.clone(), column.nullable))
        .collect();
    let arrow = Arc::new(Schema::new(fields));
    let meta = TableMeta {
        id: TableId(1),
        schema: "app".into(),
        spec,
        arrow,
        folds: Default::default(),
    };
    TableDefinition::read(Arc::new(meta)).expect("attributes that were just written")
}

pub(crate) fn table(sql: &str) -> TableDefinition {
    let create = create_table(sql, &CONTEXT).expect(sql);
    let NewTable::Defined { spec, .. } = create.table else {
        panic!("{sql}")
    };
    table_of(spec)
}

pub(crate) fn parse_insert(sql: &str) -> Insert {
    let mut statements = Parser::parse_sql(&MySqlDialect {}, sql).expect(sql);
    match statements.pop() {
        Some(Statement::Insert(insert)) => insert,
        other => panic!("{other:?}"),
    }
}

/// Runs an INSERT by its syntax tree, counting generated values from 1.
pub(crate) fn insert_as(
    table: &TableDefinition,
    sql: &str,
    settings: Settings,
    parameters: &[Scalar],
) -> Result<InsertBatch> {
    let plan = InsertPlan::from_ast(&parse_insert(sql))?;
    let evaluate = |expr: &sqlparser::ast::Expr| Err(SqlError::not_supported(&expr.to_string()));
    plan.run(table, settings, parameters, &evaluate, &mut counter())
}

/// Runs an INSERT from its bytes. `None`: not plain.
pub(crate) fn literal_insert_as(
    table: &TableDefinition,
    sql: &[u8],
    settings: Settings,
) -> Option<Result<InsertBatch>> {
    let insert = LiteralInsert::parse(sql, settings.mode)?;
    insert.run(table, settings, &mut counter()).transpose()
}

/// Hands out ascending values from 1.
pub(crate) fn counter() -> impl FnMut(u64) -> Result<u64> {
    let mut next = 1;
    move |count| {
        next += count;
        Ok(next - count)
    }
}

/// All values as text, row by row; NULL as "NULL".
pub(crate) fn rows(table: &TableDefinition, batch: &InsertBatch) -> Vec<Vec<String>> {
    let value = |row: usize, column: usize| {
        let mysql_type = &table.columns[column].mysql_type;
        let array = batch.batch.column(column);
        value_text(mysql_type, array, row, TimeZone::UTC).unwrap_or_else(|| "NULL".into())
    };
    let columns = batch.batch.num_columns();
    (0..batch.batch.num_rows())
        .map(|row| (0..columns).map(|column| value(row, column)).collect())
        .collect()
}
