//! Two tables, rows for them, and ways to read everything back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
    UInt32Array, UInt64Array,
};
use arrow::datatypes::{
    DataType, Int64Type, TimeUnit, TimestampMicrosecondType, UInt32Type, UInt64Type,
};
use storno_storage::{
    ColumnSpec, KeySpec, Result, ScanRequest, Snapshot, TableId, TableMeta, TableSnapshot,
    TableSpec,
};

pub(crate) const SCHEMA: &str = "shop";

/// A row of the tables of this fixture.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) id: u64,
    pub(crate) site: u32,
    pub(crate) at: i64,
    pub(crate) path: Option<String>,
    pub(crate) amount: Option<i64>,
}

pub(crate) fn row(id: u64) -> Row {
    let site = (id % 7) as u32;
    let path = (!id.is_multiple_of(5)).then(|| format!("/path/of/some/length/{}", id % 11));
    let amount = (!id.is_multiple_of(3)).then_some(id as i64 * -3);
    Row {
        id,
        site,
        at: 1_700_000_000_000_000 + (id % 13) as i64 * 60_000_000,
        path,
        amount,
    }
}

pub(crate) fn spec(name: &str) -> TableSpec {
    let column = |name: &str, data_type, nullable| ColumnSpec {
        name: name.into(),
        data_type,
        nullable,
        attributes: format!("{{\"of\":\"{name}\"}}"),
    };
    TableSpec {
        name: name.into(),
        columns: vec![
            column("id", DataType::UInt64, false),
            column("site", DataType::UInt32, false),
            column(
                "at",
                DataType::Timestamp(TimeUnit::Microsecond, None),
                false,
            ),
            column("path", DataType::Utf8View, true),
            column("amount", DataType::Int64, true),
        ],
        sort_key: vec![1, 2],
        shard_key: vec![1],
        unique_keys: vec![
            KeySpec {
                name: "PRIMARY".into(),
                columns: vec![0],
            },
            KeySpec {
                name: "once".into(),
                columns: vec![0, 3],
            },
        ],
        auto_increment: Some(0),
        attributes: "attributes of the table".into(),
    }
}

pub(crate) fn batch(meta: &TableMeta, rows: &[Row]) -> RecordBatch {
    let paths: StringViewArray = rows.iter().map(|r| r.path.as_deref()).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.id))),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.site))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(
            rows.iter().map(|r| r.at),
        )),
        Arc::new(paths),
        Arc::new(rows.iter().map(|r| r.amount).collect::<Int64Array>()),
    ];
    RecordBatch::try_new(Arc::clone(&meta.arrow), columns).unwrap()
}

/// The rows of batches that have all columns.
pub(crate) fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let ids = batch.column(0).as_primitive::<UInt64Type>();
    let sites = batch.column(1).as_primitive::<UInt32Type>();
    let ats = batch.column(2).as_primitive::<TimestampMicrosecondType>();
    let paths = batch.column(3).as_string_view();
    let amounts = batch.column(4).as_primitive::<Int64Type>();
    (0..batch.num_rows())
        .map(|i| Row {
            id: ids.value(i),
            site: sites.value(i),
            at: ats.value(i),
            path: paths.is_valid(i).then(|| paths.value(i).to_owned()),
            amount: amounts.is_valid(i).then(|| amounts.value(i)),
        })
        .collect()
}

pub(crate) fn scan(table: &TableSnapshot, request: ScanRequest) -> Result<Vec<RecordBatch>> {
    table
        .scan(request)?
        .into_morsels()
        .into_iter()
        .flatten()
        .collect()
}

/// All rows of a table, sorted.
pub(crate) fn read(table: &TableSnapshot) -> Result<Vec<Row>> {
    let request = ScanRequest {
        columns: (0..5).collect(),
        predicates: Vec::new(),
    };
    let mut rows: Vec<Row> = scan(table, request)?.iter().flat_map(rows_of).collect();
    rows.sort();
    Ok(rows)
}

/// Everything in the schema, by table name.
pub(crate) fn read_all(snapshot: &Snapshot) -> Result<BTreeMap<String, Vec<Row>>> {
    let tables = snapshot.tables(SCHEMA).unwrap_or_default();
    let read_one = |meta: Arc<TableMeta>| {
        let table = snapshot.table(SCHEMA, &meta.spec.name).unwrap();
        Ok((meta.spec.name.clone(), read(&table)?))
    };
    tables.into_iter().map(read_one).collect()
}

pub(crate) fn table_id(snapshot: &Snapshot, name: &str) -> TableId {
    snapshot.table(SCHEMA, name).unwrap().meta().id
}
