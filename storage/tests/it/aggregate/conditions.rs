//! Conditions and keys of generated aggregates, each as the store is given it and as a plain function of a row.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use proptest::prelude::*;
use storno_storage::{
    BoxError, CompareOp, Condition, GroupKey, KeyFunction, Measure, Predicate, Value, ValueMap,
    ValueTest,
};

use super::data::{
    AMOUNT, AT, BIG, BROWSER, CLIENT, DAY, EMPTY, PAGE, PLAN, PRICE, Row, SITE, row,
};

/// Conditions of the tests, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
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

pub(super) const BROWSERS: [&str; 4] = ["Firefox", "Chrome", "Safari", ""];

const CONTAINS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

impl Test {
    pub(super) fn since(hour: i64) -> i64 {
        1_735_600_000_000_000 + hour * 3_600_000_000
    }

    pub(super) fn column(self) -> usize {
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

    pub(super) fn holds(self, row: &Row) -> bool {
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

    pub(super) fn condition(self) -> Condition {
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

    /// Some are kept from one aggregation to the next.
    fn name(&self) -> Option<&str> {
        match self {
            Self::PageContains(digit) => Some(CONTAINS[usize::from(digit % 10)]),
            Self::BrowserIsNot(number) => Some(BROWSERS[number % 4]),
            _ => None,
        }
    }
}

/// Keys of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Column(usize),
    Day,
    Hour,
    /// The page's length.
    PageLength,
    /// Nothing where the amount is odd.
    AmountHalf,
}

impl By {
    pub(super) fn key(self) -> GroupKey {
        let function = |data_type, granule: Option<i64>| {
            Some(KeyFunction {
                map: Arc::new(self),
                data_type,
                fold: None,
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

    pub(super) fn of(self, row: &Row) -> String {
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

pub(super) fn tests() -> impl Strategy<Value = Test> {
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

pub(super) fn keys() -> impl Strategy<Value = By> {
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

pub(super) fn measures() -> impl Strategy<Value = Measure> {
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
