//! The aggregates through SQL, in one and in several partitions.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int8Array, Int32Array, Int64Array,
    StringViewArray, UInt64Array,
};
use arrow::datatypes::DataType;

use crate::functions::testing::Database;

fn databases() -> [Database; 2] {
    [1, 4].map(|partitions| {
        let decimals = Decimal128Array::from(vec![Some(10), Some(-250), None, Some(305)]);
        Database::new().with_partitions(partitions).with_table(
            "t",
            vec![
                (
                    "g",
                    Arc::new(StringViewArray::from(vec!["a", "b", "a", "b"])) as ArrayRef,
                ),
                (
                    "i",
                    Arc::new(Int32Array::from(vec![Some(1), Some(2), None, Some(3)])),
                ),
                ("tiny", Arc::new(Int8Array::from(vec![127, 127, 127, -1]))),
                (
                    "big",
                    Arc::new(Int64Array::from(vec![i64::MAX, i64::MAX, 1, 0])),
                ),
                (
                    "ubig",
                    Arc::new(UInt64Array::from(vec![u64::MAX, u64::MAX, 1, 0])),
                ),
                (
                    "d",
                    Arc::new(decimals.with_precision_and_scale(5, 2).unwrap()),
                ),
                (
                    "f",
                    Arc::new(Float64Array::from(vec![
                        Some(1e300),
                        Some(0.5),
                        None,
                        Some(-1e300),
                    ])),
                ),
                (
                    "s",
                    Arc::new(StringViewArray::from(vec![
                        Some("x"),
                        Some("12"),
                        None,
                        Some("x"),
                    ])),
                ),
                (
                    "n",
                    Arc::new(Int32Array::from(vec![None; 4] as Vec<Option<i32>>)),
                ),
                (
                    "b",
                    Arc::new(BooleanArray::from(vec![true, false, true, true])),
                ),
            ],
        )
    })
}

fn check(cases: &[(&str, &str)]) {
    for database in databases() {
        for (select, expected) in cases {
            let rows = database.query(&format!("SELECT {select}"));
            let rows: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
            assert_eq!(rows.join(" | "), *expected, "{select}");
        }
    }
}

#[test]
fn sums_are_exact_beyond_64_bits() {
    check(&[
        (
            "sum(i), sum(tiny), sum(big) from t",
            "6,380,18446744073709551615",
        ),
        ("sum(ubig) from t", "36893488147419103231"),
        ("sum(d) from t", "0.65"),
        ("sum(s) from t", "12"),
        ("sum(b), sum(i > 1) from t", "3,2"),
        ("sum(n), sum(i) from t where i > 99", "NULL,NULL"),
        (
            "g, sum(i), sum(big) from t group by g order by g",
            "a,1,9223372036854775808 | b,5,9223372036854775807",
        ),
        ("g, sum(n) from t group by g order by g", "a,NULL | b,NULL"),
    ]);
}

#[test]
fn averages_add_four_digits() {
    check(&[
        (
            "avg(i), avg(d), avg(tiny) from t",
            "2.0000,0.216667,95.0000",
        ),
        (
            "g, avg(i), avg(d) from t group by g order by g",
            "a,1.0000,0.100000 | b,2.5000,0.275000",
        ),
        ("avg(n), avg(f) from t where i < 3", "NULL,5e299"),
        ("g, avg(s) from t group by g order by g", "a,0 | b,6"),
    ]);
}

#[test]
fn result_types_are_mysqls() {
    let types = |sql: &str| -> Vec<DataType> {
        let plan = databases()[0].plan(sql).unwrap();
        plan.schema()
            .fields()
            .iter()
            .map(|f| f.data_type().clone())
            .collect()
    };
    let decimal = DataType::Decimal128;
    assert_eq!(
        types("select sum(i), sum(tiny), sum(big), sum(d), avg(i), avg(d), sum(f), avg(s) from t"),
        [
            decimal(32, 0),
            decimal(25, 0),
            decimal(38, 0),
            decimal(27, 2),
            decimal(14, 4),
            decimal(9, 6),
            DataType::Float64,
            DataType::Float64,
        ]
    );
    assert_eq!(
        types("select count(*), bit_or(i) from t"),
        [DataType::Int64, DataType::UInt64]
    );
}

#[test]
fn distinct_values_count_once() {
    check(&[
        (
            "sum(distinct tiny), avg(distinct tiny), count(distinct tiny) from t",
            "126,63.0000,2",
        ),
        ("sum(distinct tiny), sum(i) from t", "126,6"),
        ("sum(distinct d), sum(distinct s) from t", "0.65,12"),
        (
            "count(distinct s), count(distinct g, s), count(distinct g, tiny) from t",
            "2,3,3",
        ),
        (
            "g, count(distinct s, tiny) from t group by g order by g",
            "a,1 | b,2",
        ),
        (
            "g, sum(distinct tiny), sum(distinct i) from t group by g order by g",
            "a,127,1 | b,126,5",
        ),
    ]);
}

#[test]
fn counts_and_extremes() {
    check(&[
        ("count(*), count(i), count(n) from t", "4,3,0"),
        ("count(*), count(i) from t where i > 99", "0,0"),
        (
            "min(i), max(i), min(s), max(s), min(d), max(f) from t",
            "1,3,12,x,-2.50,1e300",
        ),
        ("any_value(i) from t where i = 2", "2"),
    ]);
}

#[test]
fn bits_are_never_null() {
    check(&[
        ("bit_and(i), bit_or(i), bit_xor(i) from t", "0,3,0"),
        (
            "bit_and(n), bit_or(n), bit_xor(n) from t",
            "18446744073709551615,0,0",
        ),
        (
            "bit_and(i), bit_or(i) from t where i > 99",
            "18446744073709551615,0",
        ),
        (
            "g, bit_or(tiny) from t group by g order by g",
            "a,127 | b,18446744073709551615",
        ),
    ]);
}

#[test]
fn variances_are_doubles() {
    check(&[
        (
            "variance(tiny), std(ubig) > 1, var_samp(tiny) from t",
            "3072,1,4096",
        ),
        ("stddev_samp(tiny) from t", "64"),
        (
            "var_samp(i), var_pop(i), std(s) from t where i = 1",
            "NULL,0,0",
        ),
    ]);
}

#[test]
fn group_concat_sorts_and_separates() {
    check(&[
        (
            "group_concat(i order by i desc separator '-') from t",
            "3-2-1",
        ),
        ("group_concat(i order by i) from t", "1,2,3"),
        ("group_concat(distinct s order by s) from t", "12,x"),
        (
            "g, group_concat(g, i order by i separator '') from t group by g order by g",
            "a,a1 | b,b2b3",
        ),
        ("group_concat(n) from t", "NULL"),
        (
            "group_concat(d order by g, i desc separator '|') from t",
            "0.10|3.05|-2.50",
        ),
    ]);
}

#[test]
fn aggregates_slide_over_window_frames() {
    let sql = "select sum(i) over w, avg(d) over w, sum(f) over w, bit_or(i) over w, count(*) over w \
               from t window w as (order by tiny, g, big rows between 1 preceding and current row) \
               order by tiny, g, big";
    let expected = [
        "3,3.050000,-1e300,3,1",
        "3,3.050000,-1e300,3,2",
        "1,0.100000,1e300,1,2",
        "3,-1.200000,1e300,3,2",
    ];
    for database in databases() {
        let rows = database.query(sql);
        let rows: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
        assert_eq!(rows, expected);
    }
}

#[test]
fn distinct_window_aggregates_are_refused() {
    let [database, _] = databases();
    let error = database.value("select sum(distinct i) over (order by i) from t");
    assert!(error.starts_with("ERROR 1235"), "{error}");
}

#[test]
fn sums_of_wide_decimals_report_overflow() {
    let wide = Decimal128Array::from(vec![10_i128.pow(37) * 9; 20]);
    let wide = wide.with_precision_and_scale(38, 0).unwrap();
    let database = Database::new().with_table("t", vec![("w", Arc::new(wide))]);
    let expected = "ERROR 1690 DECIMAL value is out of range in 'sum(w)'";
    assert_eq!(database.value("select sum(w) from t"), expected);
    assert_eq!(database.value("select sum(w) from t group by w"), expected);
}

#[test]
fn sums_beside_distinct_counts_keep_their_type() {
    check(&[
        (
            "g, count(distinct tiny) from t group by g having sum(i) >= 2",
            "b,2",
        ),
        (
            "sum(i) / nullif(sum(tiny), 0), count(distinct g) from t",
            "0.0158,2",
        ),
    ]);
}

#[test]
fn extremes_keep_the_digits_of_their_argument() {
    let plan = databases()[0]
        .plan("select max(cast(s as datetime(3))), min(s) from t")
        .unwrap();
    let field = plan.schema().field(0);
    assert_eq!(
        field
            .metadata()
            .get(crate::functions::FSP_KEY)
            .map(String::as_str),
        Some("3")
    );
    assert!(plan.schema().field(1).metadata().is_empty());
}
