//! Aggregation in place against plain loops over the same rows: segments, memtable, deleted rows, columns
//! that older segments do not have, conditions and functions of every kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Int32Array, Int64Array,
    RecordBatch, StringViewArray, TimestampMicrosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;
use storno_storage::{
    AggregateRequest, Alteration, BoxError, ColumnOrigin, ColumnSpec, CompareOp, Condition, Delete,
    GroupKey, Groups, Having, IfGone, KeyFunction, Measure, MeasureValues, OnDuplicate, Options,
    Predicate, ScanRequest, Store, SyncMode, TableSnapshot, TableSpec, Top, Value, ValueMap,
    ValueTest, WriteBatch,
};

const ROWS: u32 = 40_000;
const DAY: i64 = 86_400_000_000;

const SITE: usize = 0;
const AT: usize = 1;
const PAGE: usize = 2;
const BROWSER: usize = 3;
const CLIENT: usize = 4;
const AMOUNT: usize = 5;
const PRICE: usize = 6;
const BIG: usize = 7;
const EMPTY: usize = 8;
const PLAN: usize = 9;

#[derive(Debug, Clone)]
struct Row {
    site: u32,
    at: i64,
    page: Option<String>,
    browser: String,
    client: u64,
    amount: Option<i32>,
    price: Option<i128>,
    big: Option<i64>,
    plan: Option<String>,
}

fn row(number: u32) -> Row {
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

fn spec() -> TableSpec {
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
        auto_increment: None,
        attributes: String::new(),
    }
}

fn batch(table: &TableSnapshot, rows: &[Row]) -> RecordBatch {
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

fn commit(
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

fn add_plan(store: &Store) {
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

struct Filled {
    table: TableSnapshot,
    rows: Vec<Row>,
    _store: (Store, tempfile::TempDir),
}

/// Rows in shards, some in the memtable, every eleventh day deleted.
fn filled() -> Filled {
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

/// Conditions of the tests, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Site(u32),
    /// At or after an hour of the data.
    Since(i64),
    PageContains(u8),
    PageIsNull,
    BrowserIsNot(usize),
    AmountAbove(i32),
    BigIsEven,
    PlanIs(bool),
}

const BROWSERS: [&str; 4] = ["Firefox", "Chrome", "Safari", ""];

impl Test {
    fn since(hour: i64) -> i64 {
        1_735_600_000_000_000 + hour * 3_600_000_000
    }

    fn column(self) -> usize {
        match self {
            Self::Site(_) => SITE,
            Self::Since(_) => AT,
            Self::PageContains(_) | Self::PageIsNull => PAGE,
            Self::BrowserIsNot(_) => BROWSER,
            Self::AmountAbove(_) => AMOUNT,
            Self::BigIsEven => BIG,
            Self::PlanIs(_) => PLAN,
        }
    }

    fn holds(self, row: &Row) -> bool {
        match self {
            Self::Site(site) => row.site == site,
            Self::Since(hour) => row.at >= Self::since(hour),
            Self::PageContains(digit) => {
                let digit = char::from(b'0' + digit % 10);
                row.page.as_ref().is_some_and(|p| p.contains(digit))
            }
            Self::PageIsNull => row.page.is_none(),
            Self::BrowserIsNot(number) => row.browser != BROWSERS[number % 4],
            Self::AmountAbove(amount) => row.amount.is_some_and(|a| a > amount),
            Self::BigIsEven => row.big.is_some_and(|b| b % 2 == 0),
            Self::PlanIs(pro) => row.plan.as_deref() == Some(["basic", "pro"][usize::from(pro)]),
        }
    }

    fn condition(self) -> Condition {
        let compare = |op, value| Predicate::Compare {
            column: self.column(),
            op,
            value,
        };
        let (implies, exact) = match self {
            Self::Site(site) => (vec![compare(CompareOp::Eq, Value::Int(site.into()))], true),
            Self::Since(hour) => {
                let value = Value::Int(Self::since(hour).into());
                (vec![compare(CompareOp::GtEq, value)], true)
            }
            // Only part of the truth.
            Self::AmountAbove(amount) => {
                let value = Value::Int((amount - 10).into());
                (vec![compare(CompareOp::GtEq, value)], false)
            }
            _ => (vec![], false),
        };
        Condition {
            column: self.column(),
            test: Arc::new(self),
            implies,
            exact,
        }
    }
}

impl ValueTest for Test {
    fn test(&self, values: &ArrayRef) -> Result<BooleanArray, BoxError> {
        let blank = row(0);
        let passes = (0..values.len()).map(|at| {
            let mut one = blank.clone();
            let valid = values.is_valid(at);
            match self.column() {
                SITE => {
                    one.site = values
                        .as_primitive::<arrow::datatypes::UInt32Type>()
                        .value(at)
                }
                AT => one.at = values.as_primitive::<TimestampMicrosecondType>().value(at),
                PAGE => one.page = valid.then(|| values.as_string_view().value(at).into()),
                BROWSER => one.browser = values.as_string_view().value(at).into(),
                AMOUNT => {
                    let amounts = values.as_primitive::<arrow::datatypes::Int32Type>();
                    one.amount = valid.then(|| amounts.value(at));
                }
                BIG => one.big = valid.then(|| values.as_primitive::<Int64Type>().value(at)),
                _ => one.plan = valid.then(|| values.as_string_view().value(at).into()),
            }
            Some(self.holds(&one))
        });
        Ok(passes.collect())
    }
}

/// Keys of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Column(usize),
    Day,
    Hour,
    /// The page's length.
    PageLength,
    /// Nothing where the amount is odd.
    AmountHalf,
}

impl By {
    fn key(self) -> GroupKey {
        let function = |data_type, granule: Option<i64>| {
            Some(KeyFunction {
                map: Arc::new(self),
                data_type,
                granule: granule.map(|g| g as u64),
            })
        };
        let (column, function) = match self {
            Self::Column(column) => (column, None),
            Self::Day => (AT, function(DataType::Date32, Some(DAY))),
            Self::Hour => (AT, function(DataType::Int64, Some(DAY / 24))),
            Self::PageLength => (PAGE, function(DataType::Int64, None)),
            Self::AmountHalf => (AMOUNT, function(DataType::Int64, None)),
        };
        GroupKey { column, function }
    }

    fn of(self, row: &Row) -> String {
        fn text<T: ToString>(value: Option<T>) -> String {
            value.map_or("NULL".into(), |v| v.to_string())
        }
        match self {
            Self::Column(SITE) => row.site.to_string(),
            Self::Column(AT) => row.at.to_string(),
            Self::Column(PAGE) => text(row.page.clone()),
            Self::Column(BROWSER) => row.browser.clone(),
            Self::Column(CLIENT) => row.client.to_string(),
            Self::Column(AMOUNT) => text(row.amount),
            Self::Column(PRICE) => text(row.price),
            Self::Column(BIG) => text(row.big),
            Self::Column(PLAN) => text(row.plan.clone()),
            Self::Column(_) => "NULL".into(),
            Self::Day => (row.at / DAY).to_string(),
            Self::Hour => (row.at / (DAY / 24) % 24).to_string(),
            Self::PageLength => text(row.page.as_ref().map(String::len)),
            Self::AmountHalf => text(row.amount.filter(|a| a % 2 == 0).map(|a| a / 2)),
        }
    }
}

impl ValueMap for By {
    fn map(&self, values: &ArrayRef) -> Result<ArrayRef, BoxError> {
        let moments = || values.as_primitive::<TimestampMicrosecondType>().iter();
        let day = |at: Option<i64>| at.map(|at| at.div_euclid(DAY) as i32);
        Ok(match self {
            Self::Day => Arc::new(moments().map(day).collect::<Date32Array>()),
            Self::Hour => {
                let hours = moments().map(|at| at.map(|at| at / (DAY / 24) % 24));
                Arc::new(hours.collect::<Int64Array>())
            }
            Self::PageLength => {
                let pages = values.as_string_view().iter();
                Arc::new(
                    pages
                        .map(|p| p.map(|p| p.len() as i64))
                        .collect::<Int64Array>(),
                )
            }
            _ => {
                let amounts = values.as_primitive::<arrow::datatypes::Int32Type>().iter();
                let half = amounts.map(|a| a.filter(|a| a % 2 == 0).map(|a| i64::from(a / 2)));
                Arc::new(half.collect::<Int64Array>())
            }
        })
    }
}

fn number(column: usize, row: &Row) -> Option<i128> {
    match column {
        SITE => Some(row.site.into()),
        AT => Some(row.at.into()),
        CLIENT => Some(row.client.into()),
        AMOUNT => row.amount.map(i128::from),
        PRICE => row.price,
        BIG => row.big.map(i128::from),
        _ => None,
    }
}

/// A measure by a plain loop; `None` stands for NULL.
fn expected(measure: Measure, cases: &[Test], rows: &[&Row]) -> Option<i128> {
    let of = |case: Option<usize>| {
        let rows = rows.iter().copied();
        rows.filter(move |r| case.is_none_or(|c| cases[c].holds(r)))
    };
    match measure {
        Measure::Rows { case } => Some(of(case).count() as i128),
        Measure::Count { column, case } => {
            let has = |r: &&Row| By::Column(column).of(r) != "NULL";
            Some(of(case).filter(has).count() as i128)
        }
        Measure::Sum { column, case } => {
            let values: Vec<i128> = of(case).filter_map(|r| number(column, r)).collect();
            (!values.is_empty()).then(|| values.iter().sum())
        }
        Measure::Least { column } => of(None).filter_map(|r| number(column, r)).min(),
        Measure::Greatest { column } => of(None).filter_map(|r| number(column, r)).max(),
        Measure::Distinct { column } => {
            let values = of(None).map(|r| By::Column(column).of(r));
            let values: BTreeSet<String> = values.filter(|v| v != "NULL").collect();
            Some(values.len() as i128)
        }
    }
}

const OPS: [CompareOp; 6] = [
    CompareOp::Eq,
    CompareOp::NotEq,
    CompareOp::Lt,
    CompareOp::LtEq,
    CompareOp::Gt,
    CompareOp::GtEq,
];

fn holds(having: &Having, value: Option<i128>) -> bool {
    let Some(ordering) = value.map(|v| v.cmp(&having.value)) else {
        return false;
    };
    match having.op {
        CompareOp::Eq => ordering.is_eq(),
        CompareOp::NotEq => ordering.is_ne(),
        CompareOp::Lt => ordering.is_lt(),
        CompareOp::LtEq => ordering.is_le(),
        CompareOp::Gt => ordering.is_gt(),
        CompareOp::GtEq => ordering.is_ge(),
    }
}

type Answer = BTreeMap<Vec<String>, Vec<Option<i128>>>;

fn shown(key: &ArrayRef, by: By, at: usize) -> String {
    if key.is_null(at) {
        return "NULL".into();
    }
    match by {
        By::Column(AT) => key
            .as_primitive::<TimestampMicrosecondType>()
            .value(at)
            .to_string(),
        By::Column(PRICE) => {
            let prices = key.as_primitive::<arrow::datatypes::Decimal128Type>();
            prices.value(at).to_string()
        }
        By::Day => {
            let days = key.as_primitive::<arrow::datatypes::Date32Type>();
            days.value(at).to_string()
        }
        _ => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(key.as_ref(), &options).unwrap();
            formatter.value(at).to_string()
        }
    }
}

fn answer(groups: &Groups, keys: &[By]) -> Answer {
    let mut answer = Answer::new();
    for at in 0..groups.rows {
        let key = groups.keys.iter().zip(keys);
        let key = key.map(|(key, by)| shown(key, *by, at)).collect();
        let measures = groups.measures.iter().map(|measure| match measure {
            MeasureValues::Counts(counts) => Some(counts[at].into()),
            MeasureValues::Sums { sums, counts } => (counts[at] > 0).then_some(sums[at]),
            MeasureValues::Extremes(values) => values[at],
        });
        let before = answer.insert(key, measures.collect());
        assert!(before.is_none(), "a group came twice");
    }
    answer
}

fn run(table: &TableSnapshot, request: AggregateRequest, threads: usize) -> Groups {
    let run = Arc::new(table.aggregate(request, threads).unwrap());
    let workers = std::thread::scope(|scope| {
        let work = || {
            let mut worker = run.worker();
            while run.work(&mut worker).unwrap() {}
            worker
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let merging = run.merging(workers);
    for stage in 0..merging.stages() {
        while merging.work(stage).unwrap() {}
    }
    merging.finish().unwrap()
}

fn tests() -> impl Strategy<Value = Test> {
    prop_oneof![
        prop::sample::select(vec![3, 8, 20, 99]).prop_map(Test::Site),
        (0i64..420).prop_map(Test::Since),
        (0u8..10).prop_map(Test::PageContains),
        Just(Test::PageIsNull),
        (0usize..4).prop_map(Test::BrowserIsNot),
        (-60i32..160).prop_map(Test::AmountAbove),
        Just(Test::BigIsEven),
        any::<bool>().prop_map(Test::PlanIs),
    ]
}

fn keys() -> impl Strategy<Value = By> {
    let columns = vec![
        SITE, AT, PAGE, BROWSER, CLIENT, AMOUNT, PRICE, BIG, EMPTY, PLAN,
    ];
    prop_oneof![
        5 => prop::sample::select(columns).prop_map(By::Column),
        1 => Just(By::Day),
        1 => Just(By::Hour),
        1 => Just(By::PageLength),
        1 => Just(By::AmountHalf),
    ]
}

fn measures() -> impl Strategy<Value = Measure> {
    let case = || prop_oneof![Just(None), (0usize..2).prop_map(Some)];
    let numbers = || prop::sample::select(vec![SITE, CLIENT, AMOUNT, PRICE, BIG, EMPTY]);
    let words = prop::sample::select(vec![SITE, AT, CLIENT, AMOUNT, PRICE, BIG, EMPTY]);
    let any = || prop::sample::select(vec![AT, PAGE, BROWSER, CLIENT, AMOUNT, BIG, PLAN]);
    prop_oneof![
        1 => case().prop_map(|case| Measure::Rows { case }),
        1 => (any(), case()).prop_map(|(column, case)| Measure::Count { column, case }),
        3 => (numbers(), case()).prop_map(|(column, case)| Measure::Sum { column, case }),
        1 => words.clone().prop_map(|column| Measure::Least { column }),
        1 => words.prop_map(|column| Measure::Greatest { column }),
        1 => any().prop_map(|column| Measure::Distinct { column }),
    ]
}

#[test]
fn any_aggregation_gives_what_plain_loops_give() {
    let filled = filled();
    let strategy = (
        prop::collection::vec(tests(), 0..3),
        prop::collection::vec(tests(), 2),
        prop::collection::vec(keys(), 0..4),
        prop::collection::vec(measures(), 0..5),
        prop_oneof![Just(None), (1usize..40, any::<bool>()).prop_map(Some)],
        1usize..3,
        prop::collection::vec((0usize..5, 0usize..6, -60i128..400), 0..2),
    );
    let mut config = ProptestConfig::with_cases(160);
    config.failure_persistence = None;
    proptest!(config, |((conditions, cases, keys, measures, top, threads, having) in strategy)| {
        let having: Vec<Having> = having
            .into_iter()
            .filter(|h| h.0 < measures.len())
            .map(|(measure, op, value)| Having { measure, op: OPS[op], value })
            .collect();
        let top = top.filter(|_| !measures.is_empty());
        let request = AggregateRequest {
            conditions: conditions.iter().map(|t| t.condition()).collect(),
            cases: cases.iter().map(|t| t.condition()).collect(),
            keys: keys.iter().map(|k| k.key()).collect(),
            measures: measures.clone(),
            having: having.clone(),
            top: top.map(|(count, descending)| Top { measure: 0, descending, count }),
        };
        let groups = run(&filled.table, request, threads);
        let found = answer(&groups, &keys);
        let mut by_key: BTreeMap<Vec<String>, Vec<&Row>> = BTreeMap::new();
        for row in filled.rows.iter().filter(|r| conditions.iter().all(|c| c.holds(r))) {
            let key = keys.iter().map(|k| k.of(row)).collect();
            by_key.entry(key).or_default().push(row);
        }
        if keys.is_empty() {
            by_key.entry(vec![]).or_default();
        }
        let mut all: Answer = by_key
            .into_iter()
            .map(|(key, rows)| {
                let values = measures.iter().map(|m| expected(*m, &cases, &rows));
                (key, values.collect())
            })
            .collect();
        all.retain(|_, values| having.iter().all(|h| holds(h, values[h.measure])));
        if let Some((count, descending)) = top {
            let rank = |values: &Vec<Option<i128>>| {
                let value = values[0].unwrap_or(i128::MIN);
                if descending { !value } else { value }
            };
            let mut ranks: Vec<i128> = all.values().map(rank).collect();
            ranks.sort_unstable();
            if let Some(last) = ranks.get(count - 1).filter(|_| count < ranks.len()) {
                all.retain(|_, values| rank(values) <= *last);
            }
        }
        prop_assert_eq!(found, all);
    });
}

/// A function that fails, as those of SQL may.
#[derive(Debug)]
struct Failing;

impl ValueTest for Failing {
    fn test(&self, _: &ArrayRef) -> Result<BooleanArray, BoxError> {
        Err("no".into())
    }
}

#[test]
fn an_error_of_a_condition_comes_back_as_it_is() {
    let filled = filled();
    let request = AggregateRequest {
        conditions: vec![Condition {
            column: BROWSER,
            test: Arc::new(Failing),
            implies: vec![],
            exact: false,
        }],
        ..AggregateRequest::default()
    };
    let run = filled.table.aggregate(request, 1).unwrap();
    let error = run.work(&mut run.worker()).unwrap_err();
    assert_eq!(error.to_string(), "no");
}
