//! The table that aggregates are computed over: rows of every type in segments of several shards and in the
//! memtable, some deleted, some without a column that came later.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType, UInt64Type};
use storno_storage::{
    Alteration, ColumnOrigin, ColumnSpec, Delete, IfGone, OnDuplicate, Options, ScanRequest, Store,
    SyncMode, TableSnapshot, TableSpec, WriteBatch,
};

pub(super) const ROWS: u32 = 40_000;
pub(super) const DAY: i64 = 86_400_000_000;

pub(super) const SITE: usize = 0;
pub(super) const AT: usize = 1;
pub(super) const PAGE: usize = 2;
pub(super) const BROWSER: usize = 3;
pub(super) const CLIENT: usize = 4;
pub(super) const AMOUNT: usize = 5;
pub(super) const PRICE: usize = 6;
pub(super) const BIG: usize = 7;
pub(super) const EMPTY: usize = 8;
pub(super) const PLAN: usize = 9;

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) site: u32,
    pub(super) at: i64,
    pub(super) page: Option<String>,
    pub(super) browser: String,
    pub(super) client: u64,
    pub(super) amount: Option<i32>,
    pub(super) price: Option<i128>,
    pub(super) big: Option<i64>,
    pub(super) plan: Option<String>,
}

pub(super) fn row(number: u32) -> Row {
    let mixed = number.wrapping_mul(2_654_435_761) >> 5;
    let wide = u64::from(mixed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let spread = i64::from(number) * 37_000_000;
    Row {
        site: [3, 3, 3, 8, 11, 11, 20][mixed as usize % 7],
        at: 1_735_600_000_000_000 + spread - spread % 1_000_000,
        page: (!mixed.is_multiple_of(9)).then(|| format!("/page/{}/x", mixed % 1777)),
        browser: ["Firefox", "Chrome", "Safari", ""][mixed as usize % 4].into(),
        client: (wide % 5000).wrapping_mul(0x0101_0101_0101_0101),
        amount: (!mixed.is_multiple_of(4)).then_some((mixed % 200) as i32 - 50),
        price: (!mixed.is_multiple_of(6)).then_some(i128::from(mixed % 9999) - 5000),
        big: match mixed % 1000 {
            0 => Some(i64::MIN),
            1 => Some(i64::MAX),
            n if n < 100 => None,
            _ => Some(wide as i64),
        },
        plan: (number >= ROWS / 2 && !number.is_multiple_of(3))
            .then(|| ["basic", "pro"][number as usize % 2].into()),
    }
}

pub(super) fn spec() -> TableSpec {
    let moment = DataType::Timestamp(TimeUnit::Microsecond, None);
    let columns = [
        ("site", DataType::UInt32, false),
        ("at", moment, false),
        ("page", DataType::Utf8View, true),
        ("browser", DataType::Utf8View, false),
        ("client", DataType::UInt64, false),
        ("amount", DataType::Int32, true),
        ("price", DataType::Decimal128(10, 2), true),
        ("big", DataType::Int64, true),
        ("empty", DataType::Int32, true),
    ];
    let column = |(name, data_type, nullable): (&str, DataType, bool)| ColumnSpec {
        name: name.into(),
        data_type,
        nullable,
        attributes: String::new(),
    };
    TableSpec {
        name: "t".into(),
        columns: columns.into_iter().map(column).collect(),
        sort_key: vec![SITE, AT],
        shard_key: vec![SITE, AT],
        unique_keys: vec![],
        event_key: None,
        retention: Default::default(),
        division: Default::default(),
        auto_increment: None,
        attributes: String::new(),
    }
}

pub(super) fn batch(table: &TableSnapshot, rows: &[Row]) -> RecordBatch {
    let prices: Decimal128Array = rows.iter().map(|r| r.price).collect();
    let prices = prices.with_precision_and_scale(10, 2).unwrap();
    let pages = rows.iter().map(|r| r.page.as_deref());
    let plans = rows.iter().map(|r| r.plan.as_deref());
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.site))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(
            rows.iter().map(|r| r.at),
        )),
        Arc::new(pages.collect::<StringViewArray>()),
        Arc::new(StringViewArray::from_iter_values(
            rows.iter().map(|r| &r.browser),
        )),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|r| r.client))),
        Arc::new(rows.iter().map(|r| r.amount).collect::<Int32Array>()),
        Arc::new(prices),
        Arc::new(rows.iter().map(|r| r.big).collect::<Int64Array>()),
        Arc::new(Int32Array::new_null(rows.len())),
        Arc::new(plans.collect::<StringViewArray>()),
    ];
    columns.truncate(table.meta().spec.columns.len());
    RecordBatch::try_new(Arc::clone(&table.meta().arrow), columns).unwrap()
}

pub(super) fn commit(
    store: &Store,
    inserts: Vec<(storno_storage::TableId, RecordBatch)>,
    deletes: Vec<Delete>,
) {
    let batch = WriteBatch {
        inserts,
        deletes,
        arrivals: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Durable,
    };
    store.commit(batch).unwrap();
}

pub(super) fn add_plan(store: &Store) {
    let table = store.snapshot().table("s", "t").unwrap();
    let mut spec = table.meta().spec.clone();
    let mut columns: Vec<_> = (0..spec.columns.len())
        .map(ColumnOrigin::Existing)
        .collect();
    spec.columns.push(ColumnSpec {
        name: "plan".into(),
        data_type: DataType::Utf8View,
        nullable: true,
        attributes: String::new(),
    });
    columns.push(ColumnOrigin::New { fill: None });
    let alteration = Alteration { spec, columns };
    store.alter_table("s", "t", alteration).unwrap();
}

pub(super) struct Filled {
    pub(super) table: TableSnapshot,
    pub(super) rows: Vec<Row>,
    _store: (Store, tempfile::TempDir),
}

/// Rows in shards, some in the memtable, every eleventh day deleted.
pub(super) fn filled() -> Filled {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path().join("data"));
    (options.segment_rows, options.shards) = (12_000, 3);
    let store = Store::open(options).unwrap();
    store.create_schema("s", "").unwrap();
    store.create_table("s", spec()).unwrap();
    let all: Vec<Row> = (0..ROWS).map(row).collect();
    for (number, rows) in all.chunks(5_000).enumerate() {
        if number == 4 {
            add_plan(&store);
        }
        let table = store.snapshot().table("s", "t").unwrap();
        commit(&store, vec![(table.meta().id, batch(&table, rows))], vec![]);
        if number < 7 {
            store.flush().unwrap();
        }
    }
    let is_deleted = |at: i64| at / DAY % 11 == 0;
    let table = store.snapshot().table("s", "t").unwrap();
    let request = ScanRequest {
        columns: vec![AT],
        predicates: vec![],
    };
    let scan = table.scan(request).unwrap().with_row_positions();
    let mut selection = table.selection();
    for found in scan.into_morsels().into_iter().flatten() {
        let found = found.unwrap();
        let moments = found.column(0).as_primitive::<TimestampMicrosecondType>();
        let positions = found.column(1).as_primitive::<UInt64Type>();
        let rows = moments.values().iter().zip(positions.values());
        let gone = rows.filter(|(at, _)| is_deleted(**at)).map(|(_, &p)| p);
        selection.extend(&gone.collect::<Vec<_>>()).unwrap();
    }
    let delete = Delete {
        rows: selection,
        if_gone: IfGone::Ignore,
    };
    commit(&store, vec![], vec![delete]);
    Filled {
        table: store.snapshot().table("s", "t").unwrap(),
        rows: all.into_iter().filter(|r| !is_deleted(r.at)).collect(),
        _store: (store, dir),
    }
}
