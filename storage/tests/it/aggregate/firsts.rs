//! The first groups of many, which few of the sources' groups are merged for: where values fall off steeply, where
//! they hardly do, and where later rows take back what earlier ones say.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use storno_storage::{
    AggregateRequest, GroupKey, Measure, MeasureValues, Options, Store, TableSnapshot, Top,
};

use super::conditions::By;
use super::data::{AMOUNT, BROWSER, CLIENT, PAGE, Row, SITE, batch, commit, row, spec};
use super::{expected, run, shown};

pub(super) const FLUSHES: u32 = 6;
pub(super) const FLUSH_ROWS: u32 = 9_000;

/// How the amounts of a page are spread over the flushes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A few pages have most of the rows.
    Steep,
    /// All pages have about as many.
    Flat,
    /// What the first pages have is taken back in the end, by many small rows.
    TakenBack,
}

pub(super) fn shaped(shape: Shape, number: u32) -> Row {
    let mixed = number.wrapping_mul(2_654_435_761) >> 8;
    let part = f64::from(mixed % 100_000) / 100_000.0;
    let last = number / FLUSH_ROWS == FLUSHES - 1;
    let page = match shape {
        Shape::Flat => part * 7000.0,
        Shape::TakenBack if last => part * 300.0,
        Shape::Steep | Shape::TakenBack => part.powi(4) * 7000.0,
    };
    let amount = match shape {
        Shape::TakenBack if last => -40,
        _ => (mixed % 7) as i32 - 1,
    };
    let page = page as u64;
    Row {
        page: (page != 5).then(|| format!("/page/{page}")),
        client: page.wrapping_mul(0x0101_0101_0101_0101),
        amount: (!mixed.is_multiple_of(11)).then_some(amount),
        ..row(number)
    }
}

fn table(shape: Shape) -> (TableSnapshot, Vec<Row>, (Store, tempfile::TempDir)) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path().join("data"));
    (options.segment_rows, options.shards) = (FLUSH_ROWS as usize, 1);
    let store = Store::open(options).unwrap();
    store.create_schema("s", "").unwrap();
    store.create_table("s", spec()).unwrap();
    let all: Vec<Row> = (0..FLUSHES * FLUSH_ROWS)
        .map(|n| shaped(shape, n))
        .collect();
    let table = || store.snapshot().table("s", "t").unwrap();
    for (number, rows) in all.chunks(FLUSH_ROWS as usize).enumerate() {
        commit(
            &store,
            vec![(table().meta().id, batch(&table(), rows))],
            vec![],
        );
        // The last stay in the memtable.
        if number as u32 + 1 < FLUSHES {
            store.flush().unwrap();
        }
    }
    (table(), all, (store, dir))
}

/// Bytes of the records that the ten first pages by rows take to be found, and their number.
fn records_of_ten(shape: Shape) -> (usize, usize) {
    let (table, _, _store) = table(shape);
    let request = AggregateRequest {
        keys: vec![GroupKey {
            column: PAGE,
            function: None,
        }],
        measures: vec![Measure::Rows { case: None }],
        top: Some(Top {
            measure: 0,
            descending: true,
            count: 10,
        }),
        ..AggregateRequest::default()
    };
    let run = Arc::new(table.aggregate(request, 1).unwrap());
    let mut worker = run.worker();
    while run.work(&mut worker).unwrap() {}
    let merging = run.merging(vec![worker]).unwrap();
    let mut bytes = 0;
    for stage in 0..merging.stages() {
        while merging.work(stage).unwrap() {
            bytes += merging.more_memory();
        }
    }
    (bytes, merging.finish().unwrap().rows)
}

#[test]
fn few_records_are_made_where_values_fall_off_steeply() {
    let (few, found) = records_of_ten(Shape::Steep);
    let (all, _) = records_of_ten(Shape::Flat);
    assert!(found >= 10);
    assert!(8 * few < all, "{few} of {all} bytes");
}

type Ranked = BTreeMap<Vec<String>, Vec<Option<i128>>>;

/// All groups whose first measure is among the first `count`.
fn first(rows: &[Row], keys: &[By], measures: &[Measure], count: usize) -> Ranked {
    let mut by_key: BTreeMap<Vec<String>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = keys.iter().map(|key| key.of(row)).collect();
        by_key.entry(key).or_default().push(row);
    }
    let values = |rows: &Vec<&Row>| {
        measures
            .iter()
            .map(|m| expected(*m, &[], rows, false))
            .collect()
    };
    let mut all: Ranked = by_key
        .iter()
        .map(|(key, rows)| (key.clone(), values(rows)))
        .collect();
    let rank = |values: &[Option<i128>]| values[0].unwrap_or(i128::MIN);
    let mut ranks: Vec<i128> = all.values().map(|v| rank(v)).collect();
    ranks.sort_unstable_by(|a, b| b.cmp(a));
    if let Some(last) = ranks.get(count - 1) {
        all.retain(|_, values| rank(values) >= *last);
    }
    all
}

#[test]
fn the_first_of_many_groups_are_those_of_plain_loops() {
    for shape in [Shape::Steep, Shape::Flat, Shape::TakenBack] {
        let (table, rows, _store) = table(shape);
        let sum = Measure::Sum {
            column: AMOUNT,
            case: None,
        };
        let least = Measure::Least { column: AMOUNT };
        let count = Measure::Count {
            column: AMOUNT,
            case: None,
        };
        let rows_of = Measure::Rows { case: None };
        let keys = prop::sample::select(vec![
            vec![PAGE],
            vec![CLIENT],
            vec![SITE, PAGE],
            vec![PAGE, BROWSER],
        ]);
        let measures = prop::sample::select(vec![
            vec![sum],
            vec![rows_of, sum, least],
            vec![count, rows_of],
            vec![sum, count, sum],
        ]);
        let strategy = (
            keys,
            measures,
            prop_oneof![1usize..12, 12usize..400],
            1usize..3,
        );
        let mut config = ProptestConfig::with_cases(24);
        config.failure_persistence = None;
        proptest!(config, |((columns, measures, count, threads) in strategy)| {
            let keys: Vec<By> = columns.iter().map(|&column| By::Column(column)).collect();
            let request = AggregateRequest {
                keys: columns.iter().map(|&column| GroupKey { column, function: None }).collect(),
                measures: measures.clone(),
                top: Some(Top { measure: 0, descending: true, count }),
                ..AggregateRequest::default()
            };
            let groups = run(&table, request, threads);
            let value = |measure: &MeasureValues, at: usize| match measure {
                MeasureValues::Counts(counts) => Some(counts[at].into()),
                MeasureValues::Sums { sums, counts } => (counts[at] > 0).then_some(sums[at]),
                MeasureValues::Extremes(values) => values[at],
            };
            let mut found = Ranked::new();
            for at in 0..groups.rows {
                let key = groups.keys.iter().zip(&keys).map(|(key, by)| shown(key, *by, at));
                let values = groups.measures.iter().map(|m| value(m, at));
                let before = found.insert(key.collect(), values.collect());
                prop_assert!(before.is_none());
            }
            prop_assert_eq!(found, first(&rows, &keys, &measures, count), "{:?}", shape);
        });
    }
}
