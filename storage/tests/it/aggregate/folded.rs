//! Strings under a fold that does not tell case apart, against plain loops: grouped, the first groups of many, and compared
//! with literals, whether what the fold makes of dictionaries is kept, or has no room, or must not be kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryViewArray, BooleanArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use proptest::prelude::*;
use storno_storage::{
    AggregateRequest, BoxError, Condition, Delete, Fold, FoldedEquality, GroupKey, Groups, IfGone,
    Measure, MeasureValues, Options, PassesString, Predicate, ScanRequest, Store, StringTest,
    TableSnapshot, Top, ValueMap, ValueTest,
};

use super::conditions::By;
use super::data::{AMOUNT, BROWSER, CLIENT, PAGE, Row, SITE, batch, commit, spec};
use super::firsts::{FLUSH_ROWS, FLUSHES, Shape, shaped};
use super::{expected, run, shown};

/// Makes lower case of capitals.
#[derive(Debug, Clone, Copy)]
struct Lower {
    named: bool,
}

impl ValueMap for Lower {
    fn map(&self, values: &ArrayRef) -> Result<ArrayRef, BoxError> {
        let strings = values.as_string_view().iter();
        let lower = strings.map(|s| s.map(|s| s.to_lowercase().into_bytes()));
        Ok(Arc::new(lower.collect::<BinaryViewArray>()))
    }

    fn name(&self) -> Option<&str> {
        self.named.then_some("lower")
    }
}

/// Whether a string is one of some in lower case.
#[derive(Debug, Clone)]
struct IsLower {
    wanted: Vec<String>,
    equal: bool,
    fold: Lower,
    /// Keys that it says it looks for, but does not: as if their hashes were those of others.
    others: Vec<String>,
}

impl IsLower {
    fn holds(&self, string: &str) -> bool {
        self.wanted.contains(&string.to_lowercase()) == self.equal
    }

    fn says(&self) -> Option<FoldedEquality> {
        let keys = self.wanted.iter().chain(&self.others);
        Some(FoldedEquality {
            fold: Arc::new(self.fold),
            keys: keys.map(|key| key.clone().into_bytes()).collect(),
            equal: self.equal,
        })
    }
}

impl ValueTest for IsLower {
    fn test(&self, values: &ArrayRef) -> Result<BooleanArray, BoxError> {
        let strings = values.as_string_view().iter();
        Ok(strings.map(|s| s.map(|s| self.holds(s))).collect())
    }

    fn equality(&self) -> Option<FoldedEquality> {
        self.says()
    }
}

impl PassesString for IsLower {
    fn passes(&self, string: &[u8]) -> bool {
        self.holds(std::str::from_utf8(string).unwrap())
    }

    fn equality(&self) -> Option<FoldedEquality> {
        self.says()
    }
}

/// Pages and browsers in all cases, within a flush and between them. One page is among the first only with all of its
/// cases together.
fn cased(shape: Shape, number: u32) -> Row {
    let mut row = shaped(shape, number);
    if number.is_multiple_of(28) {
        let capital = |at: usize| (number / 28) >> at & 1 == 1;
        let letters = "spread".chars().enumerate();
        let cased = letters.map(|(at, c)| {
            if capital(at) {
                c.to_ascii_uppercase()
            } else {
                c
            }
        });
        row.page = Some(cased.collect());
        return row;
    }
    let mixed = number.wrapping_mul(0x9E37_79B9) >> 7;
    // Most of the first pages have one case: sources then name as many as are wanted.
    let is_cased = |page: &&mut String| mixed.is_multiple_of(3) && page.len() > "/page/10".len();
    if let Some(page) = row.page.as_mut().filter(is_cased) {
        *page = match mixed % 4 {
            0 => page.to_uppercase(),
            1 => page.replace("/p", "/P"),
            _ => page.replace("ge", "GE"),
        };
    }
    if mixed.is_multiple_of(5) {
        row.browser = row.browser.to_uppercase();
    }
    row
}

/// Rows of which one in ten is deleted, in segments and the memtable.
fn table(
    shape: Shape,
    folded_bytes: usize,
) -> (TableSnapshot, Vec<Row>, (Store, tempfile::TempDir)) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path().join("data"));
    (options.segment_rows, options.shards) = (FLUSH_ROWS as usize, 1);
    options.folded_cache_bytes = folded_bytes;
    let store = Store::open(options).unwrap();
    store.create_schema("s", "").unwrap();
    store.create_table("s", spec()).unwrap();
    let all: Vec<Row> = (0..FLUSHES * FLUSH_ROWS).map(|n| cased(shape, n)).collect();
    let table = || store.snapshot().table("s", "t").unwrap();
    for (number, rows) in all.chunks(FLUSH_ROWS as usize).enumerate() {
        let rows = batch(&table(), rows);
        commit(&store, vec![(table().meta().id, rows)], vec![]);
        if number as u32 + 1 < FLUSHES {
            store.flush().unwrap();
        }
    }
    let is_deleted = |client: u64| client % 10 == 3;
    let request = ScanRequest {
        columns: vec![CLIENT],
        predicates: vec![],
    };
    let scan = table().scan(request).unwrap().with_row_positions();
    let mut selection = table().selection();
    for found in scan.into_morsels().into_iter().flatten() {
        let found = found.unwrap();
        let numbers = |column: usize| found.column(column).as_primitive::<UInt64Type>().values();
        let rows = numbers(0).iter().zip(numbers(1));
        let gone = rows.filter(|(client, _)| is_deleted(**client));
        let gone: Vec<u64> = gone.map(|(_, &position)| position).collect();
        selection.extend(&gone).unwrap();
    }
    let delete = Delete {
        rows: selection,
        if_gone: IfGone::Ignore,
    };
    commit(&store, vec![], vec![delete]);
    let kept = all.into_iter().filter(|r| !is_deleted(r.client)).collect();
    (table(), kept, (store, dir))
}

type Ranked = BTreeMap<Vec<String>, Vec<Option<i128>>>;

fn keys_of(row: &Row, keys: &[By]) -> Vec<String> {
    keys.iter().map(|key| key.of(row)).collect()
}

fn all_folded(key: &[String]) -> Vec<String> {
    key.iter().map(|k| folded(k)).collect()
}

/// That a group shows a string as one of its keys.
fn shows(key: &[String], at: usize) -> Vec<String> {
    let mut whole = all_folded(key);
    whole.extend([at.to_string(), key[at].clone()]);
    whole
}

/// What groups may show: each key a string of some row by itself.
fn may_show(rows: &[&Row], keys: &[By]) -> BTreeSet<Vec<String>> {
    let of_row = |row: &&Row| {
        let key = keys_of(row, keys);
        (0..keys.len()).map(move |at| shows(&key, at))
    };
    rows.iter().flat_map(of_row).collect()
}

/// Groups in plain loops.
fn grouped(rows: &[&Row], keys: &[By], measures: &[Measure], top: Option<usize>) -> Ranked {
    let mut by_key: BTreeMap<Vec<String>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = all_folded(&keys_of(row, keys));
        by_key.entry(key).or_default().push(row);
    }
    let values = |rows: &Vec<&Row>| {
        let values = measures.iter().map(|m| expected(*m, &[], rows, false));
        values.collect::<Vec<_>>()
    };
    let groups = by_key.iter();
    let mut all: Ranked = groups
        .map(|(key, rows)| (key.clone(), values(rows)))
        .collect();
    let rank = |values: &[Option<i128>]| values[0].unwrap_or(i128::MIN);
    let mut ranks: Vec<i128> = all.values().map(|v| rank(v)).collect();
    ranks.sort_unstable_by(|a, b| b.cmp(a));
    if let Some(last) = top.and_then(|count| ranks.get(count - 1)) {
        all.retain(|_, values| rank(values) >= *last);
    }
    all
}

fn folded(string: &str) -> String {
    match string {
        "NULL" => "NULL".into(),
        other => other.to_lowercase(),
    }
}

/// What was found, which must show strings of its own rows.
fn ranked(groups: &Groups, keys: &[By], may_show: &BTreeSet<Vec<String>>) -> Ranked {
    let value = |measure: &MeasureValues, at: usize| match measure {
        MeasureValues::Counts(counts) => Some(counts[at].into()),
        MeasureValues::Sums { sums, counts } => (counts[at] > 0).then_some(sums[at]),
        MeasureValues::Extremes(values) => values[at],
    };
    let mut found = Ranked::new();
    for row in 0..groups.rows {
        let key = groups.keys.iter().zip(keys);
        let key: Vec<String> = key.map(|(key, by)| shown(key, *by, row)).collect();
        for at in 0..keys.len() {
            assert!(may_show.contains(&shows(&key, at)), "{key:?} is of no row");
        }
        let values = groups.measures.iter().map(|m| value(m, row));
        let before = found.insert(all_folded(&key), values.collect());
        assert!(before.is_none(), "a group came twice");
    }
    found
}

fn folds(named: bool) -> Vec<Fold> {
    let fold = |column| Fold {
        column,
        map: Arc::new(Lower { named }),
    };
    vec![fold(PAGE), fold(BROWSER)]
}

fn of_page(number: u32) -> String {
    format!("/page/{number}")
}

#[test]
fn groups_under_a_fold_are_those_of_plain_loops() {
    // Without room, with room for some dictionaries, with room for all.
    for (shape, bytes) in [
        (Shape::Steep, 0),
        (Shape::Flat, 300_000),
        (Shape::TakenBack, 64 << 20),
        (Shape::Steep, 64 << 20),
    ] {
        let (table, rows, _store) = table(shape, bytes);
        let sum = Measure::Sum {
            column: AMOUNT,
            case: None,
        };
        let rows_of = Measure::Rows { case: None };
        let least = Measure::Least { column: AMOUNT };
        let pages = Measure::Distinct { column: PAGE };
        let keys = prop::sample::select(vec![
            vec![PAGE],
            vec![PAGE],
            vec![BROWSER],
            vec![SITE, PAGE],
            vec![PAGE, BROWSER],
        ]);
        let measures = prop::sample::select(vec![
            vec![sum],
            vec![rows_of, sum, least],
            vec![sum, rows_of, sum],
            vec![rows_of, pages],
        ]);
        let condition = (0u32..400, any::<bool>(), any::<bool>(), 1usize..12);
        let strategy = (
            keys,
            measures,
            prop::option::weighted(0.8, 1usize..40),
            1usize..3,
            prop::option::weighted(0.4, condition),
            prop::bool::weighted(0.8),
        );
        let mut config = ProptestConfig::with_cases(20);
        config.failure_persistence = None;
        proptest!(config, |((columns, measures, top, threads, condition, named) in strategy)| {
            let keys: Vec<By> = columns.iter().map(|&column| By::Column(column)).collect();
            let test = condition.map(|(page, equal, lies, count)| IsLower {
                wanted: (page..).step_by(3).take(count).map(of_page).collect(),
                equal,
                fold: Lower { named },
                others: (0..400).filter(|_| lies).take(9).map(|n| of_page(n * 7)).collect(),
            });
            // A test says of which strings it may be wrong to say anything.
            let test = test.map(|mut test| {
                test.others.retain(|other| !test.wanted.contains(other));
                test
            });
            let request = AggregateRequest {
                conditions: test.iter().map(|test| Condition {
                    column: PAGE,
                    test: Arc::new(test.clone()),
                    implies: vec![],
                    exact: false,
                }).collect(),
                keys: columns.iter().map(|&column| GroupKey { column, function: None }).collect(),
                measures: measures.clone(),
                folds: folds(named),
                top: top.map(|count| Top { measure: 0, descending: true, count }),
                ..AggregateRequest::default()
            };
            let passes = |row: &&Row| test.as_ref().is_none_or(|test| {
                row.page.as_ref().is_some_and(|page| test.holds(page))
            });
            let passing: Vec<&Row> = rows.iter().filter(passes).collect();
            let lowered: Vec<Row> = passing.iter().map(|row| Row {
                page: row.page.as_ref().map(|page| page.to_lowercase()),
                ..(*row).clone()
            }).collect();
            let lowered: Vec<&Row> = lowered.iter().collect();
            let expected = grouped(&lowered, &keys, &measures, top);
            let may_show = may_show(&passing, &keys);
            let found = ranked(&run(&table, request, threads), &keys, &may_show);
            prop_assert_eq!(found, expected, "{:?} {}", shape, bytes);
        });
    }
}

/// The pages that a scan under a test gives back.
fn scanned(table: &TableSnapshot, test: Arc<dyn PassesString>) -> Vec<String> {
    let request = ScanRequest {
        columns: vec![PAGE],
        predicates: vec![Predicate::Passes {
            column: PAGE,
            test: StringTest(test),
        }],
    };
    let scan = table.scan(request).unwrap();
    let batches: Vec<RecordBatch> = scan
        .into_morsels()
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let pages = batches
        .iter()
        .flat_map(|b| b.column(0).as_string_view().iter());
    let mut pages: Vec<String> = pages.map(|p| p.unwrap_or("NULL").to_owned()).collect();
    pages.sort();
    pages
}

/// The same test, of which nothing is known.
#[derive(Debug)]
struct Opaque(IsLower);

impl PassesString for Opaque {
    fn passes(&self, string: &[u8]) -> bool {
        self.0.passes(string)
    }
}

#[test]
fn equality_under_a_fold_finds_the_rows_that_asking_every_entry_finds() {
    for bytes in [0, 64 << 20] {
        let (table, _, _store) = table(Shape::Steep, bytes);
        for round in 0..40u32 {
            let test = IsLower {
                wanted: (0..1 + round % 12)
                    .map(|n| of_page(round * 5 + n * n))
                    .collect(),
                equal: round % 3 > 0,
                fold: Lower { named: true },
                others: (9..9 + round % 4).map(|n| of_page(n * 1000)).collect(),
            };
            let expected = scanned(&table, Arc::new(Opaque(test.clone())));
            assert_eq!(
                scanned(&table, Arc::new(test.clone())),
                expected,
                "{test:?}"
            );
        }
    }
}

/// A fold that fails for strings that no row needs.
#[derive(Debug)]
struct Fails;

impl ValueMap for Fails {
    fn map(&self, values: &ArrayRef) -> Result<ArrayRef, BoxError> {
        let strings = values.as_string_view();
        if strings.iter().flatten().any(|s| s == "/page/0") {
            return Err("not this one".into());
        }
        Lower { named: false }.map(values)
    }

    fn name(&self) -> Option<&str> {
        Some("fails")
    }
}

#[test]
fn strings_that_no_row_has_are_not_missed_where_their_fold_fails() {
    let (table, rows, _store) = table(Shape::Steep, 64 << 20);
    let test = IsLower {
        wanted: vec![of_page(0)],
        equal: false,
        fold: Lower { named: false },
        others: vec![],
    };
    let request = AggregateRequest {
        conditions: vec![Condition {
            column: PAGE,
            test: Arc::new(test),
            implies: vec![],
            exact: false,
        }],
        keys: vec![GroupKey {
            column: PAGE,
            function: None,
        }],
        measures: vec![Measure::Rows { case: None }],
        folds: vec![Fold {
            column: PAGE,
            map: Arc::new(Fails),
        }],
        ..AggregateRequest::default()
    };
    let pages = rows.iter().filter_map(|row| row.page.as_ref());
    let pages: BTreeSet<String> = pages.map(|p| p.to_lowercase()).collect();
    for _ in 0..3 {
        let groups = run(&table, request.clone(), 1);
        assert_eq!(groups.rows, pages.len() - 1);
    }
}

/// Bytes of the records that the ten first pages by rows take to be found, and the pages.
fn records_of_ten(shape: Shape, bytes: usize) -> (usize, BTreeSet<String>) {
    let (table, _, _store) = table(shape, bytes);
    let request = AggregateRequest {
        keys: vec![GroupKey {
            column: PAGE,
            function: None,
        }],
        measures: vec![Measure::Rows { case: None }],
        folds: folds(true),
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
    let mut records = 0;
    for stage in 0..merging.stages() {
        while merging.work(stage).unwrap() {
            records += merging.more_memory();
        }
    }
    let groups = merging.finish().unwrap();
    let pages = groups.keys[0].as_string_view().iter();
    let pages = pages.map(|page| folded(page.unwrap_or("NULL")));
    (records, pages.collect())
}

#[test]
fn few_records_are_made_under_a_fold_and_none_of_a_group_is_missed() {
    for bytes in [0, 64 << 20] {
        let (few, found) = records_of_ten(Shape::Steep, bytes);
        let (all, _) = records_of_ten(Shape::Flat, bytes);
        assert!(8 * few < all, "{few} of {all} bytes");
        assert!(found.contains("spread"), "{found:?}");
    }
}
