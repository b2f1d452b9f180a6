//! Aggregation in place against plain loops over the same rows: segments, memtable, deleted rows, columns
//! that older segments do not have, conditions and functions of every kind.

mod conditions;
mod data;
mod firsts;
mod folded;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;
use storno_storage::{
    AggregateRequest, BoxError, CompareOp, Condition, Fold, Groups, Having, Measure, MeasureValues,
    TableSnapshot, Top, ValueMap, ValueTest,
};

use conditions::{By, Test, keys, measures, tests};
use data::{AMOUNT, AT, BIG, BROWSER, CLIENT, PAGE, PRICE, Row, SITE, filled};

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
fn expected(measure: Measure, cases: &[Test], rows: &[&Row], folded: bool) -> Option<i128> {
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
            let values = of(None).map(|r| key_of(By::Column(column), r, folded));
            let values: BTreeSet<String> = values.filter(|v| v != "NULL").collect();
            Some(values.len() as i128)
        }
    }
}

/// Takes pages for one that have the same second digit, or none.
#[derive(Debug)]
struct FoldPages;

fn fold_page(page: &str) -> String {
    page.chars().skip("/page/".len() + 1).take(1).collect()
}

impl ValueMap for FoldPages {
    fn map(&self, values: &ArrayRef) -> Result<ArrayRef, BoxError> {
        let pages = values.as_string_view().iter();
        let folded = pages.map(|p| p.map(|p| fold_page(p).into_bytes()));
        Ok(Arc::new(folded.collect::<BinaryViewArray>()))
    }
}

/// What stands for a key's value: of pages, when they are folded, what they are folded to.
fn key_of(by: By, row: &Row, folded: bool) -> String {
    match (by, &row.page) {
        (By::Column(PAGE), Some(page)) if folded => fold_page(page),
        _ => by.of(row),
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

fn answer(groups: &Groups, keys: &[By], folded: bool) -> Answer {
    let mut answer = Answer::new();
    for at in 0..groups.rows {
        let key = groups.keys.iter().zip(keys);
        let key = key.map(|(key, by)| match (by, shown(key, *by, at)) {
            (By::Column(PAGE), page) if folded && page != "NULL" => fold_page(&page),
            (_, shown) => shown,
        });
        let key = key.collect();
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
    let merging = run.merging(workers).unwrap();
    for stage in 0..merging.stages() {
        while merging.work(stage).unwrap() {}
    }
    merging.finish().unwrap()
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
        any::<bool>(),
    );
    let mut config = ProptestConfig::with_cases(160);
    config.failure_persistence = None;
    proptest!(config, |((conditions, cases, keys, measures, top, threads, having, folded) in strategy)| {
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
            folds: match folded {
                true => vec![Fold { column: PAGE, map: Arc::new(FoldPages) }],
                false => vec![],
            },
        };
        let groups = run(&filled.table, request, threads);
        let found = answer(&groups, &keys, folded);
        let mut by_key: BTreeMap<Vec<String>, Vec<&Row>> = BTreeMap::new();
        for row in filled.rows.iter().filter(|r| conditions.iter().all(|c| c.holds(r))) {
            let key = keys.iter().map(|k| key_of(*k, row, folded)).collect();
            by_key.entry(key).or_default().push(row);
        }
        if keys.is_empty() {
            by_key.entry(vec![]).or_default();
        }
        let mut all: Answer = by_key
            .into_iter()
            .map(|(key, rows)| {
                let values = measures.iter().map(|m| expected(*m, &cases, &rows, folded));
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
    fn test(&self, _: &ArrayRef) -> Result<arrow::array::BooleanArray, BoxError> {
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
