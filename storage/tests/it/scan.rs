//! Scans with predicates against a plain filter of the same rows: by batches and by codes, over shards,
//! memtable and deleted rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, RecordBatch, StringViewArray, UInt32Array,
};
use arrow::datatypes::{DataType, Int32Type, UInt32Type, UInt64Type};
use proptest::prelude::*;
use storno_storage::{
    ColumnSpec, CompareOp, Delete, IfGone, Meaning, OnDuplicate, Options, Predicate, Rows,
    ScanRequest, SegmentScan, SelectBuffers, Store, SyncMode, TableSnapshot, TableSpec, Value,
    WriteBatch,
};

/// Site, minute, page, measure; the first two are the sort key.
type Row = (u32, i32, Option<String>, Option<i32>);

const ROWS: u32 = 60_000;

fn spec() -> TableSpec {
    let column = |name: &str, data_type, nullable| ColumnSpec {
        name: name.into(),
        data_type,
        nullable,
        attributes: String::new(),
    };
    TableSpec {
        name: "t".into(),
        columns: vec![
            column("site", DataType::UInt32, false),
            column("minute", DataType::Int32, false),
            column("page", DataType::Utf8View, true),
            column("measure", DataType::Int32, true),
        ],
        sort_key: vec![0, 1],
        shard_key: vec![0, 1],
        unique_keys: vec![],
        event_key: None,
        retention: Default::default(),
        division: Default::default(),
        auto_increment: None,
        attributes: String::new(),
    }
}

fn row(number: u32) -> Row {
    let mixed = number.wrapping_mul(2_654_435_761) >> 7;
    let site = [3, 3, 3, 8, 11, 11, 20][mixed as usize % 7];
    let page = (!mixed.is_multiple_of(5)).then(|| format!("/page/of/some/length/{}", mixed % 977));
    let measure = (!mixed.is_multiple_of(3)).then_some((mixed % 200) as i32 - 50);
    (site, (number / 40) as i32, page, measure)
}

fn batch(table: &TableSnapshot, rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|r| r.0))),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.1))),
        Arc::new(
            rows.iter()
                .map(|r| r.2.as_deref())
                .collect::<StringViewArray>(),
        ),
        Arc::new(rows.iter().map(|r| r.3).collect::<Int32Array>()),
    ];
    RecordBatch::try_new(Arc::clone(&table.meta().arrow), columns).unwrap()
}

fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let sites = batch.column(0).as_primitive::<UInt32Type>();
    let minutes = batch.column(1).as_primitive::<Int32Type>();
    let pages = batch.column(2).as_string_view();
    let measures = batch.column(3).as_primitive::<Int32Type>();
    let row = |at| {
        let page = pages.is_valid(at).then(|| pages.value(at).to_owned());
        let measure = measures.is_valid(at).then(|| measures.value(at));
        (sites.value(at), minutes.value(at), page, measure)
    };
    (0..batch.num_rows()).map(row).collect()
}

struct Filled {
    store: Store,
    rows: Vec<Row>,
    _dir: tempfile::TempDir,
}

impl Filled {
    fn table(&self) -> TableSnapshot {
        self.store.snapshot().table("s", "t").unwrap()
    }
}

fn commit(store: &Store, batch: WriteBatch) {
    store.commit(batch).unwrap();
}

/// Rows in shards, the last in the memtable, every seventh minute deleted.
fn filled() -> Filled {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path().join("data"));
    options.segment_rows = 25_000;
    options.shards = 3;
    let store = Store::open(options).unwrap();
    store.create_schema("s", "").unwrap();
    store.create_table("s", spec()).unwrap();
    let table = store.snapshot().table("s", "t").unwrap();
    let all: Vec<Row> = (0..ROWS).map(row).collect();
    for (number, rows) in all.chunks(11_000).enumerate() {
        let inserts = vec![(table.meta().id, batch(&table, rows))];
        commit(
            &store,
            WriteBatch {
                inserts,
                deletes: vec![],
                arrivals: Vec::new(),
                on_duplicate: OnDuplicate::Fail,
                sync: SyncMode::Durable,
            },
        );
        if number < 5 {
            store.flush().unwrap();
        }
    }
    let is_deleted = |minute: i32| minute % 7 == 0;
    let table = store.snapshot().table("s", "t").unwrap();
    let scan = table
        .scan(ScanRequest {
            columns: vec![1],
            predicates: vec![],
        })
        .unwrap();
    let mut selection = table.selection();
    for found in scan
        .with_row_positions()
        .into_morsels()
        .into_iter()
        .flatten()
    {
        let found = found.unwrap();
        let minutes = found.column(0).as_primitive::<Int32Type>().values();
        let positions = found.column(1).as_primitive::<UInt64Type>().values();
        let gone = minutes
            .iter()
            .zip(positions)
            .filter(|(m, _)| is_deleted(**m));
        selection
            .extend(&gone.map(|(_, &p)| p).collect::<Vec<_>>())
            .unwrap();
    }
    commit(
        &store,
        WriteBatch {
            inserts: vec![],
            deletes: vec![Delete {
                rows: selection,
                if_gone: IfGone::Ignore,
            }],
            arrivals: Vec::new(),
            on_duplicate: OnDuplicate::Fail,
            sync: SyncMode::Durable,
        },
    );
    let rows = all.into_iter().filter(|row| !is_deleted(row.1)).collect();
    Filled {
        store,
        rows,
        _dir: dir,
    }
}

fn satisfies(row: &Row, predicate: &Predicate) -> bool {
    let text = |value: &Value| match value {
        Value::Str(text) => text.clone(),
        _ => unreachable!(),
    };
    let number = |value: &Value| match value {
        Value::Int(number) => *number,
        _ => unreachable!(),
    };
    let holds = |op: &CompareOp, ordering: std::cmp::Ordering| match op {
        CompareOp::Eq => ordering.is_eq(),
        CompareOp::NotEq => ordering.is_ne(),
        CompareOp::Lt => ordering.is_lt(),
        CompareOp::LtEq => ordering.is_le(),
        CompareOp::Gt => ordering.is_gt(),
        CompareOp::GtEq => ordering.is_ge(),
    };
    let numbers = [
        Some(i128::from(row.0)),
        Some(row.1.into()),
        None,
        row.3.map(i128::from),
    ];
    match predicate {
        Predicate::Compare {
            column: 2,
            op,
            value,
        } => row
            .2
            .as_ref()
            .is_some_and(|page| holds(op, page.cmp(&text(value)))),
        Predicate::Compare { column, op, value } => {
            numbers[*column].is_some_and(|n| holds(op, n.cmp(&number(value))))
        }
        Predicate::In { column: 2, values } => row
            .2
            .as_ref()
            .is_some_and(|page| values.iter().any(|v| text(v) == *page)),
        Predicate::In { column, values } => {
            numbers[*column].is_some_and(|n| values.iter().any(|v| number(v) == n))
        }
        Predicate::IsNull { column: 2 } => row.2.is_none(),
        Predicate::IsNull { column } => numbers[*column].is_none(),
        Predicate::IsNotNull { column: 2 } => row.2.is_some(),
        Predicate::IsNotNull { column } => numbers[*column].is_some(),
    }
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let op = prop::sample::select(vec![
        CompareOp::Eq,
        CompareOp::NotEq,
        CompareOp::Lt,
        CompareOp::LtEq,
        CompareOp::Gt,
        CompareOp::GtEq,
    ]);
    let literal = (0usize..4).prop_flat_map(|column| {
        let numbers = |range: std::ops::Range<i128>| range.prop_map(Value::Int).boxed();
        let value = match column {
            0 => prop::sample::select(vec![3, 8, 11, 20, 21])
                .prop_map(Value::Int)
                .boxed(),
            1 => numbers(-5..1600),
            2 => (0u32..990)
                .prop_map(|n| Value::Str(format!("/page/of/some/length/{n}")))
                .boxed(),
            _ => numbers(-60..160),
        };
        (Just(column), prop::collection::vec(value, 1..4))
    });
    prop_oneof![
        4 => (literal.clone(), op).prop_map(|((column, mut values), op)| {
            Predicate::Compare { column, op, value: values.remove(0) }
        }),
        1 => literal.prop_map(|(column, values)| Predicate::In { column, values }),
        1 => (0usize..4).prop_map(|column| Predicate::IsNull { column }),
        1 => (0usize..4).prop_map(|column| Predicate::IsNotNull { column }),
    ]
}

/// Row count and sum of the measure per page.
type Groups = BTreeMap<Option<String>, (u64, i128)>;

fn grouped<'a>(rows: impl Iterator<Item = &'a Row>) -> Groups {
    let mut groups = Groups::new();
    for row in rows {
        let group = groups.entry(row.2.clone()).or_default();
        group.0 += 1;
        group.1 += row.3.map_or(0, i128::from);
    }
    groups
}

fn positions(rows: Rows<'_>) -> Vec<usize> {
    match rows {
        Rows::Range(from, to) => (from..to).collect(),
        Rows::Picked(rows) => rows.iter().map(|&row| row as usize).collect(),
    }
}

/// Groups of a segment, by nothing but codes until the end.
fn group_codes(segment: &SegmentScan, groups: &mut Groups) {
    let page = segment.column(2).unwrap().unwrap();
    let measure = segment.column(3).unwrap().unwrap();
    assert_eq!(page.meaning, Meaning::String);
    let Meaning::Steps { origin, step } = measure.meaning else {
        panic!("small integers are steps");
    };
    let mut sums = vec![(0u64, 0i128); page.high as usize + 1];
    let (mut pages, mut measures) = (Vec::<u32>::new(), Vec::<u16>::new());
    let mut buffers = SelectBuffers::default();
    for block in segment.blocks() {
        segment.codes(2, &block, &mut pages).unwrap();
        segment.codes(3, &block, &mut measures).unwrap();
        let rows = positions(segment.select(&block, &mut buffers).unwrap());
        let mut total = 0;
        let mut values = 0;
        for row in rows {
            let code = u64::from(measures[row]);
            let is_null = measure.null_code && code == 0;
            let value = if is_null {
                0
            } else {
                origin + i128::from(code) * i128::from(step)
            };
            let sum = &mut sums[pages[row] as usize];
            *sum = (sum.0 + 1, sum.1 + value);
            total += value;
            values += u64::from(!is_null);
        }
        if let Some(known) = segment.sum(3, &block).unwrap() {
            assert_eq!(known, (total, values));
        }
    }
    let mut hashes = Vec::new();
    let entries = page.high as usize + 1 - usize::from(page.null_code);
    segment.hashes_of(2, 0..entries, &mut hashes).unwrap();
    for (code, (count, sum)) in sums.into_iter().enumerate().filter(|(_, s)| s.0 > 0) {
        let name = segment.values(2, &[code as u64]).unwrap();
        let name = name.as_string_view().iter().next().unwrap();
        assert_eq!(name.is_none(), page.null_code && code == 0);
        if let Some(name) = name {
            let entry = code - usize::from(page.null_code);
            assert_eq!(hashes[entry], segment.string_hash(name.as_bytes()).unwrap());
        }
        let name = name.map(str::to_owned);
        let group = groups.entry(name).or_default();
        *group = (group.0 + count, group.1 + sum);
    }
}

fn check(filled: &Filled, predicates: Vec<Predicate>) {
    let matches = |row: &&Row| predicates.iter().all(|p| satisfies(row, p));
    let mut expected: Vec<Row> = filled.rows.iter().filter(matches).cloned().collect();
    expected.sort();
    let request = |columns| ScanRequest {
        columns,
        predicates: predicates.clone(),
    };
    let scan = filled.table().scan(request(vec![0, 1, 2, 3])).unwrap();
    let stats = scan.stats();
    let batches = scan.into_morsels().into_iter().flatten();
    let found: Vec<Row> = batches.flat_map(|b| rows_of(&b.unwrap())).collect();
    assert!(found.len() as u64 <= stats.rows, "{stats:?}");
    let mut found: Vec<Row> = found.into_iter().filter(|r| matches(&r)).collect();
    found.sort();
    assert!(
        found == expected,
        "{predicates:?}: {} of {}",
        found.len(),
        expected.len()
    );

    let coded = filled
        .table()
        .scan(request(vec![0, 1, 2, 3]))
        .unwrap()
        .into_coded();
    let rest = coded.rest.into_iter().flatten();
    let rest: Vec<Row> = rest.flat_map(|b| rows_of(&b.unwrap())).collect();
    let mut groups = grouped(rest.iter().filter(|r| matches(r)));
    for segment in &coded.segments {
        group_codes(segment, &mut groups);
        let decoded = segment.read(&[0, 1, 2, 3]).unwrap();
        let decoded: Vec<Row> = decoded.flat_map(|b| rows_of(&b.unwrap())).collect();
        assert!(
            decoded.iter().all(|r| matches(&r)),
            "every column here has codes"
        );
    }
    assert!(groups == grouped(expected.iter()), "{predicates:?}");
}

#[test]
fn scans_find_exactly_the_rows_that_a_plain_filter_finds() {
    let filled = filled();
    check(&filled, vec![]);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(60));
    let predicates = prop::collection::vec(predicate(), 1..4);
    let checked = runner.run(&predicates, |predicates| {
        check(&filled, predicates);
        Ok(())
    });
    checked.unwrap();
}

/// What a dashboard asks for: one shard, exact rows.
#[test]
fn a_site_and_a_period_are_counted_exactly_before_anything_is_read() {
    let filled = filled();
    let compare = |column, op, value| Predicate::Compare {
        column,
        op,
        value: Value::Int(value),
    };
    let predicates = vec![
        compare(0, CompareOp::Eq, 11),
        compare(1, CompareOp::GtEq, 200),
        compare(1, CompareOp::Lt, 300),
    ];
    let scan = filled
        .table()
        .scan(ScanRequest {
            columns: vec![3],
            predicates,
        })
        .unwrap();
    let stats = scan.stats();
    let in_memory: usize = scan
        .into_coded()
        .rest
        .iter()
        .map(storno_storage::Morsel::rows)
        .sum();
    let wanted = filled
        .rows
        .iter()
        .filter(|r| r.0 == 11 && (200..300).contains(&r.1));
    assert_eq!(stats.rows - in_memory as u64, wanted.count() as u64);
    assert!(stats.segments_kept < stats.segments_total, "{stats:?}");
}

/// LIKE and its kin: a test per entry of the dictionary, then by code.
#[test]
fn a_set_of_codes_is_a_test_like_any_other() {
    let filled = filled();
    let like = |page: &str| page.ends_with('7');
    let expected = filled
        .rows
        .iter()
        .filter(|r| r.2.as_deref().is_some_and(like));
    let request = ScanRequest {
        columns: vec![0, 1, 2, 3],
        predicates: vec![],
    };
    let coded = filled.table().scan(request).unwrap().into_coded();
    let mut groups = Groups::new();
    for segment in coded.segments {
        let passes = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(like);
        let set = segment.string_set(2, passes).unwrap();
        if let Some(segment) = segment.with_test(2, set).unwrap() {
            group_codes(&segment, &mut groups);
        }
    }
    let rest: Vec<Row> = coded
        .rest
        .into_iter()
        .flatten()
        .flat_map(|b| rows_of(&b.unwrap()))
        .collect();
    for (page, (count, sum)) in grouped(rest.iter().filter(|r| r.2.as_deref().is_some_and(like))) {
        let group = groups.entry(page).or_default();
        *group = (group.0 + count, group.1 + sum);
    }
    assert!(groups == grouped(expected));
}
