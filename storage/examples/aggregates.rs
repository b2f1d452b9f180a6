//! Measures dashboard questions as storage answers them: aggregates on codes, by themselves, without SQL, on a
//! directory that `load_page_views` filled.
//!
//! `cargo run --release -p storno-storage --example aggregates -- <data directory> [site [words of names ...]]`

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{ArrayRef, BooleanArray, Int64Array, Scalar, StringViewArray};
use arrow::compute::kernels::cmp;
use arrow::compute::{cast, or};
use arrow::datatypes::DataType;
use storno_storage::{
    AggregateRequest, BoxError, CompareOp, Condition, GroupKey, Groups, KeyFunction, Measure,
    Options, Predicate, Store, TableSnapshot, Top, Value, ValueMap, ValueTest,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const DAY_MICROS: i64 = 86_400_000_000;
/// 2026-01-01, in days since 1970: the end of the data.
const END: i64 = 20_454;
const ROUNDS: usize = 9;

/// `column op value`, or `column = value` for any of several.
#[derive(Debug)]
struct Compares(CompareOp, Vec<ArrayRef>);

impl ValueTest for Compares {
    fn test(&self, values: &ArrayRef) -> std::result::Result<BooleanArray, BoxError> {
        let mut all: Option<BooleanArray> = None;
        for value in &self.1 {
            let value = Scalar::new(Arc::clone(value));
            let one = match self.0 {
                CompareOp::Eq => cmp::eq(values, &value),
                CompareOp::NotEq => cmp::neq(values, &value),
                CompareOp::Lt => cmp::lt(values, &value),
                CompareOp::LtEq => cmp::lt_eq(values, &value),
                CompareOp::Gt => cmp::gt(values, &value),
                CompareOp::GtEq => cmp::gt_eq(values, &value),
            }?;
            all = Some(match all {
                Some(all) => or(&all, &one)?,
                None => one,
            });
        }
        Ok(all.ok_or("nothing to compare with")?)
    }
}

/// The day of a moment.
#[derive(Debug)]
struct Day;

impl ValueMap for Day {
    fn map(&self, values: &ArrayRef) -> std::result::Result<ArrayRef, BoxError> {
        Ok(cast(values, &DataType::Date32)?)
    }
}

/// A question with its name.
struct Question {
    name: &'static str,
    request: AggregateRequest,
}

/// Builds questions about one table.
struct Asking<'a> {
    table: &'a TableSnapshot,
    site: i64,
}

impl Asking<'_> {
    fn column(&self, name: &str) -> Result<usize> {
        Ok(self.table.meta().arrow.index_of(name)?)
    }

    fn number(&self, name: &str, op: CompareOp, value: i64) -> Result<Condition> {
        let column = self.column(name)?;
        let data_type = self.table.meta().arrow.field(column).data_type();
        let array: ArrayRef = match data_type {
            DataType::Timestamp(..) => Arc::new(TimestampMicrosecondArray::from(vec![value])),
            other => cast(&Int64Array::from(vec![value]), other)?,
        };
        Ok(Condition {
            column,
            test: Arc::new(Compares(op, vec![array])),
            implies: vec![Predicate::Compare {
                column,
                op,
                value: Value::Int(value.into()),
            }],
            exact: true,
        })
    }

    fn strings(&self, name: &str, values: &[&str]) -> Result<Condition> {
        let column = self.column(name)?;
        let one = |v: &&str| Arc::new(StringViewArray::from(vec![*v])) as ArrayRef;
        let listed = values.iter().map(|v| Value::Str((*v).into()));
        Ok(Condition {
            column,
            test: Arc::new(Compares(CompareOp::Eq, values.iter().map(one).collect())),
            implies: vec![Predicate::In {
                column,
                values: listed.collect(),
            }],
            exact: true,
        })
    }

    /// Rows of the site in the last so many days; `None`: of all sites.
    fn within(&self, days: i64, site: Option<i64>) -> Result<Vec<Condition>> {
        let mut conditions = vec![
            self.number("timestamp", CompareOp::GtEq, (END - days) * DAY_MICROS)?,
            self.number("timestamp", CompareOp::Lt, END * DAY_MICROS)?,
        ];
        if let Some(site) = site {
            conditions.push(self.number("site_id", CompareOp::Eq, site)?);
        }
        Ok(conditions)
    }

    fn by(&self, names: &[&str]) -> Result<Vec<GroupKey>> {
        let key = |name: &&str| {
            Ok(GroupKey {
                column: self.column(name)?,
                function: None,
            })
        };
        names.iter().map(key).collect()
    }

    fn by_day(&self) -> Result<Vec<GroupKey>> {
        let function = KeyFunction {
            fold: None,
            map: Arc::new(Day),
            data_type: DataType::Date32,
            granule: Some(DAY_MICROS as u64),
        };
        Ok(vec![GroupKey {
            column: self.column("timestamp")?,
            function: Some(function),
        }])
    }

    fn sums(&self, names: &[&str]) -> Result<Vec<Measure>> {
        let sum = |name: &&str| {
            Ok(Measure::Sum {
                column: self.column(name)?,
                case: None,
            })
        };
        names.iter().map(sum).collect()
    }

    fn questions(&self) -> Result<Vec<Question>> {
        let mut all = Vec::new();
        let mut ask = |name, conditions, keys, measures, top| {
            let request = AggregateRequest {
                conditions,
                keys,
                measures,
                top,
                ..Default::default()
            };
            all.push(Question { name, request });
        };
        let ten = Some(Top {
            measure: 0,
            descending: true,
            count: 10,
        });
        let (site, month, year) = (Some(self.site), 30, 365);
        let two = || self.sums(&["pageviews", "uniques"]);
        let five = || self.sums(&["pageviews", "visits", "uniques", "bounces", "duration"]);
        let distinct = || -> Result<Vec<Measure>> {
            Ok(vec![Measure::Distinct {
                column: self.column("client_id")?,
            }])
        };
        ask(
            "totals_12m",
            self.within(year, site)?,
            vec![],
            five()?,
            None,
        );
        ask(
            "days_12m",
            self.within(year, site)?,
            self.by_day()?,
            five()?,
            None,
        );
        ask(
            "browsers_12m",
            self.within(year, site)?,
            self.by(&["browser"])?,
            two()?,
            ten,
        );
        ask(
            "countries_12m",
            self.within(year, site)?,
            self.by(&["country_code"])?,
            two()?,
            ten,
        );
        ask(
            "hosts_pages_30d",
            self.within(month, site)?,
            self.by(&["hostname", "pathname"])?,
            two()?,
            ten,
        );
        ask(
            "pages_30d",
            self.within(month, site)?,
            self.by(&["pathname"])?,
            two()?,
            ten,
        );
        ask(
            "pages_12m",
            self.within(year, site)?,
            self.by(&["pathname"])?,
            two()?,
            ten,
        );
        let utm = self.by(&["utm_source", "utm_medium", "utm_campaign"])?;
        ask("utm_12m", self.within(year, site)?, utm, two()?, ten);
        let mut from = self.within(year, site)?;
        from.push(self.strings("referrer_hostname", &["t.co", "www.linkedin.com"])?);
        ask("filter_in_12m", from, self.by_day()?, two()?, None);
        let mut both = self.within(month, site)?;
        both.push(self.strings("country_code", &["US"])?);
        both.push(self.strings("browser", &["Chrome"])?);
        ask("filter_eq2_30d", both, self.by(&["pathname"])?, two()?, ten);
        ask(
            "distinct_12m",
            self.within(year, site)?,
            vec![],
            distinct()?,
            None,
        );
        ask(
            "distinct_pages_30d",
            self.within(month, site)?,
            self.by(&["pathname"])?,
            distinct()?,
            ten,
        );
        ask("all_totals", vec![], vec![], five()?, None);
        ask(
            "all_days_30d",
            self.within(month, None)?,
            self.by_day()?,
            five()?,
            None,
        );
        ask("all_sites", vec![], self.by(&["site_id"])?, five()?, ten);
        ask(
            "all_pages_30d",
            self.within(month, None)?,
            self.by(&["site_id", "pathname"])?,
            two()?,
            ten,
        );
        ask("all_distinct", vec![], vec![], distinct()?, None);
        Ok(all)
    }
}

fn answer(
    table: &TableSnapshot,
    request: &AggregateRequest,
    threads: usize,
) -> Result<(Groups, u64)> {
    let aggregation = Arc::new(table.aggregate(request.clone(), threads)?);
    let work = || -> Result<_> {
        let mut worker = aggregation.worker();
        while aggregation.work(&mut worker)? {}
        Ok(worker)
    };
    let workers = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut workers = vec![work()?];
        for other in others {
            workers.push(other.join().map_err(|_| "a thread panicked")??);
        }
        Ok::<_, Box<dyn Error + Send + Sync>>(workers)
    })?;
    let merging = Arc::clone(&aggregation).merging(workers)?;
    for stage in 0..merging.stages() {
        while merging.work(stage)? {}
    }
    Ok((merging.finish()?, aggregation.stats().rows))
}

/// The median and the best of some rounds, in milliseconds.
fn timed(mut run: impl FnMut() -> Result<()>) -> Result<(f64, f64)> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        run()?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[ROUNDS / 2], times[0]))
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments
        .next()
        .ok_or("expected: <data directory> [site [words ...]]")?;
    let site: i64 = arguments.next().map_or(Ok(412), |site| site.parse())?;
    let words: Vec<String> = arguments.collect();
    let store = Store::open(Options::new(dir))?;
    let table = store
        .snapshot()
        .table("bench", "pageviews")
        .ok_or("no such table")?;
    println!(
        "{} rows, {} segments, {} bytes",
        table.rows(),
        table.segments(),
        table.bytes()
    );
    println!(
        "{:<20} {:>10} {:>9} {:>22} {:>9} {:>22}",
        "", "rows", "groups", "1 thread, ms (best)", "ns/row", "2 threads, ms (best)"
    );
    for Question { name, request } in (Asking {
        table: &table,
        site,
    })
    .questions()?
    {
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let (groups, rows) = answer(&table, &request, 1)?;
        let one = timed(|| answer(&table, &request, 1).map(drop))?;
        let two = timed(|| answer(&table, &request, 2).map(drop))?;
        let per_row = one.1 * 1e6 / rows.max(1) as f64;
        println!(
            "{name:<20} {rows:>10} {:>9} {:>12.2} ({:>7.2}) {per_row:>9.2} {:>12.2} ({:>7.2})",
            groups.rows, one.0, one.1, two.0, two.1
        );
    }
    Ok(())
}
