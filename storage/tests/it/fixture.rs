//! Two tables, rows for them, and ways to read everything back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type};
use storno_storage::{
    Alteration, ColumnOrigin, ColumnSpec, KeySpec, Result, ScanRequest, Snapshot, TableId,
    TableMeta, TableSnapshot, TableSpec,
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
    /// Of a column that not every table has.
    pub(crate) extra: Option<i64>,
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
        extra: None,
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
        event_key: None,
        retention: Default::default(),
        division: Default::default(),
        auto_increment: Some(0),
        attributes: "attributes of the table".into(),
    }
}

/// Rows with the columns the table has.
pub(crate) fn batch(meta: &TableMeta, rows: &[Row]) -> RecordBatch {
    let column = |spec: &ColumnSpec| -> ArrayRef {
        let column: ArrayRef = match spec.name.as_str() {
            "id" => Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.id))),
            "site" => Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.site))),
            "at" => Arc::new(TimestampMicrosecondArray::from_iter_values(
                rows.iter().map(|r| r.at),
            )),
            "path" => Arc::new(
                rows.iter()
                    .map(|r| r.path.as_deref())
                    .collect::<StringViewArray>(),
            ),
            "amount" => Arc::new(rows.iter().map(|r| r.amount).collect::<Int64Array>()),
            "extra" => Arc::new(rows.iter().map(|r| r.extra).collect::<Int64Array>()),
            other => panic!("no column {other}"),
        };
        arrow::compute::cast(&column, &spec.data_type).unwrap()
    };
    let columns = meta.spec.columns.iter().map(column).collect();
    RecordBatch::try_new(Arc::clone(&meta.arrow), columns).unwrap()
}

/// The rows of batches that have all columns of the table.
pub(crate) fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let wide = |name: &str, to: DataType| {
        let column = batch.column_by_name(name)?;
        Some(arrow::compute::cast(column, &to).unwrap())
    };
    let ids = batch
        .column_by_name("id")
        .unwrap()
        .as_primitive::<UInt64Type>();
    let sites = wide("site", DataType::UInt64).unwrap();
    let sites = sites.as_primitive::<UInt64Type>();
    let ats = batch
        .column_by_name("at")
        .unwrap()
        .as_primitive::<TimestampMicrosecondType>();
    let paths = batch.column_by_name("path").unwrap().as_string_view();
    let optional = |name, row| {
        let column = wide(name, DataType::Int64)?;
        let column = column.as_primitive::<Int64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    (0..batch.num_rows())
        .map(|i| Row {
            id: ids.value(i),
            site: sites.value(i) as u32,
            at: ats.value(i),
            path: paths.is_valid(i).then(|| paths.value(i).to_owned()),
            amount: optional("amount", i),
            extra: optional("extra", i),
        })
        .collect()
}

/// The specification with another column in second place, or without it; and where the columns come from.
pub(crate) fn with_extra(old: &TableSpec, fill: Option<i64>) -> Alteration {
    let mut spec = old.clone();
    let mut columns: Vec<ColumnOrigin> = (0..spec.columns.len())
        .map(ColumnOrigin::Existing)
        .collect();
    let shift = |spec: &mut TableSpec, by: isize| {
        let keys = spec.unique_keys.iter_mut().map(|k| &mut k.columns);
        for key in keys.chain([&mut spec.sort_key, &mut spec.shard_key]) {
            for column in key.iter_mut().filter(|c| **c > 0) {
                *column = column.strict_add_signed(by);
            }
        }
    };
    if let Some(at) = spec.columns.iter().position(|c| c.name == "extra") {
        assert_eq!(at, 1);
        spec.columns.remove(1);
        columns.remove(1);
        shift(&mut spec, -1);
    }
    if let Some(fill) = fill {
        // Sometimes NULL, and then it may be.
        let value = (fill % 3 > 0).then_some(fill);
        let column = ColumnSpec {
            name: "extra".into(),
            data_type: DataType::Int32,
            nullable: value.is_none(),
            attributes: fill.to_string(),
        };
        let array: Option<ArrayRef> =
            value.map(|v| Arc::new(Int32Array::from(vec![v as i32])) as ArrayRef);
        spec.columns.insert(1, column);
        columns.insert(1, ColumnOrigin::New { fill: array });
        shift(&mut spec, 1);
    }
    Alteration { spec, columns }
}

/// The specification with a wider type for `site` and, if it is there, `extra`.
pub(crate) fn widened(old: &TableSpec) -> Alteration {
    let mut spec = old.clone();
    for column in &mut spec.columns {
        match column.name.as_str() {
            "site" => column.data_type = DataType::UInt64,
            "extra" => column.data_type = DataType::Int64,
            _ => {}
        }
    }
    let columns = (0..spec.columns.len())
        .map(ColumnOrigin::Existing)
        .collect();
    Alteration { spec, columns }
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
        columns: (0..table.meta().spec.columns.len()).collect(),
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
