//! DataFusion filters as storage predicates.
//!
//! Only terms of the form `column op literal`, IN lists and NULL tests translate; anything else prunes
//! nothing. A translated predicate may keep rows the filter drops, never the other way round.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator, expr::InList};
use storno_storage::{CompareOp, Predicate, StringTest, Value};

use crate::functions::collated::Collated;

/// The conjunction of predicates that `filter` implies; empty when it implies none.
pub fn predicates(filter: &Expr, schema: &Schema) -> Vec<Predicate> {
    let mut found = Vec::new();
    collect(filter, schema, &mut found);
    found
}

fn collect(filter: &Expr, schema: &Schema, found: &mut Vec<Predicate>) {
    match filter {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And,
            right,
        }) => {
            collect(left, schema, found);
            collect(right, schema, found);
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let Some(op) = compare_op(*op) else { return };
            if let (Some(column), Some(value)) = (column(left, schema), literal(right)) {
                found.push(Predicate::Compare { column, op, value });
            } else if let (Some(value), Some(column)) = (literal(left), column(right, schema)) {
                found.push(Predicate::Compare {
                    column,
                    op: mirrored(op),
                    value,
                });
            }
        }
        Expr::Between(Between {
            expr,
            negated: false,
            low,
            high,
        }) => {
            let Some(column) = column(expr, schema) else {
                return;
            };
            for (op, bound) in [(CompareOp::GtEq, low), (CompareOp::LtEq, high)] {
                if let Some(value) = literal(bound) {
                    found.push(Predicate::Compare { column, op, value });
                }
            }
        }
        Expr::InList(InList {
            expr,
            list,
            negated: false,
        }) => {
            let values: Option<Vec<Value>> = list.iter().map(literal).collect();
            if let (Some(column), Some(values)) = (column(expr, schema), values) {
                found.push(Predicate::In { column, values });
            }
        }
        Expr::ScalarFunction(call) => found.extend(collated(filter, &call.args, schema)),
        Expr::IsNull(expr) => {
            found.extend(column(expr, schema).map(|column| Predicate::IsNull { column }));
        }
        Expr::IsNotNull(expr) => {
            found.extend(column(expr, schema).map(|column| Predicate::IsNotNull { column }));
        }
        _ => {}
    }
}

/// A comparison of a column with literals under a collation.
fn collated(expr: &Expr, args: &[Expr], schema: &Schema) -> Option<Predicate> {
    let function = Collated::of(expr)?;
    let (Expr::Column(column), literals) = args.split_first()? else {
        return None;
    };
    let text = |e: &Expr| match e {
        Expr::Literal(value, _) => value.try_as_str().map(|text| text.map(str::to_owned)),
        _ => None,
    };
    let literals: Option<Vec<Option<String>>> = literals.iter().map(text).collect();
    Some(Predicate::Passes {
        column: schema.index_of(&column.name).ok()?,
        test: StringTest(Arc::new(function.test(&literals?)?)),
    })
}

fn compare_op(op: Operator) -> Option<CompareOp> {
    Some(match op {
        Operator::Eq => CompareOp::Eq,
        Operator::NotEq => CompareOp::NotEq,
        Operator::Lt => CompareOp::Lt,
        Operator::LtEq => CompareOp::LtEq,
        Operator::Gt => CompareOp::Gt,
        Operator::GtEq => CompareOp::GtEq,
        _ => return None,
    })
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtEq => CompareOp::GtEq,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtEq => CompareOp::LtEq,
        same => same,
    }
}

/// A column, also below casts that keep its order and cannot make two values equal.
pub(super) fn column(expr: &Expr, schema: &Schema) -> Option<usize> {
    match expr {
        Expr::Column(c) => schema.index_of(&c.name).ok(),
        Expr::Cast(cast) => {
            let index = column(&cast.expr, schema)?;
            let from = schema.field(index).data_type();
            widens(from, cast.field.data_type()).then_some(index)
        }
        _ => None,
    }
}

/// Integer to wider integer or to a decimal that holds every value: comparisons keep their outcome.
pub(crate) fn widens(from: &DataType, to: &DataType) -> bool {
    let digits = |t: &DataType| match t {
        DataType::Int8 | DataType::UInt8 => Some(3),
        DataType::Int16 | DataType::UInt16 => Some(5),
        DataType::Int32 | DataType::UInt32 => Some(10),
        DataType::Int64 => Some(19),
        DataType::UInt64 => Some(20),
        _ => None,
    };
    match (digits(from), to) {
        (Some(n), DataType::Decimal128(p, s)) => i32::from(*p) - i32::from(*s) >= n,
        (Some(n), DataType::Int64) => n <= 19 && *from != DataType::UInt64,
        (Some(_), DataType::UInt64) => from.is_unsigned_integer(),
        (Some(n), DataType::Int32) => n <= 5 || *from == DataType::Int32,
        _ => false,
    }
}

fn literal(expr: &Expr) -> Option<Value> {
    let Expr::Literal(value, _) = expr else {
        return None;
    };
    Some(match value {
        ScalarValue::Boolean(Some(v)) => Value::Bool(*v),
        ScalarValue::Int8(Some(v)) => Value::Int((*v).into()),
        ScalarValue::Int16(Some(v)) => Value::Int((*v).into()),
        ScalarValue::Int32(Some(v)) => Value::Int((*v).into()),
        ScalarValue::Int64(Some(v)) => Value::Int((*v).into()),
        ScalarValue::UInt8(Some(v)) => Value::Int((*v).into()),
        ScalarValue::UInt16(Some(v)) => Value::Int((*v).into()),
        ScalarValue::UInt32(Some(v)) => Value::Int((*v).into()),
        ScalarValue::UInt64(Some(v)) => Value::Int((*v).into()),
        ScalarValue::Float32(Some(v)) => Value::Float((*v).into()),
        ScalarValue::Float64(Some(v)) => Value::Float(*v),
        ScalarValue::Decimal128(Some(v), _, scale) => Value::Decimal(*v, *scale),
        ScalarValue::Date32(Some(v)) => Value::Int((*v).into()),
        ScalarValue::TimestampMicrosecond(Some(v), None) => Value::Int((*v).into()),
        ScalarValue::DurationMicrosecond(Some(v)) => Value::Int((*v).into()),
        ScalarValue::Utf8(Some(v))
        | ScalarValue::Utf8View(Some(v))
        | ScalarValue::LargeUtf8(Some(v)) => Value::Str(v.clone()),
        ScalarValue::Binary(Some(v)) | ScalarValue::BinaryView(Some(v)) => Value::Bytes(v.clone()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, TimeUnit};
    use datafusion::prelude::{cast, col, lit};

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("site", DataType::UInt32, false),
            Field::new(
                "ts",
                DataType::Timestamp(TimeUnit::Microsecond, None),
                false,
            ),
            Field::new("name", DataType::Utf8View, true),
        ])
    }

    #[test]
    fn a_conjunction_translates_term_by_term() {
        let filter = col("site")
            .eq(lit(7_i64))
            .and(lit("x").lt(col("name")))
            .and(lit(true));
        let expected = vec![
            Predicate::Compare {
                column: 0,
                op: CompareOp::Eq,
                value: Value::Int(7),
            },
            Predicate::Compare {
                column: 2,
                op: CompareOp::Gt,
                value: Value::Str("x".into()),
            },
        ];
        assert_eq!(predicates(&filter, &schema()), expected);
    }

    #[test]
    fn what_could_lose_rows_prunes_nothing() {
        let s = schema();
        for filter in [
            col("site").eq(lit(7_i64)).or(col("name").eq(lit("x"))),
            col("site").in_list(vec![lit(1_i64), col("site")], false),
            col("site").in_list(vec![lit(1_i64)], true),
            cast(col("ts"), DataType::Date32).eq(lit(1)),
            col("site").eq(lit(ScalarValue::Null)),
            !col("site").eq(lit(1_i64)),
        ] {
            assert_eq!(predicates(&filter, &s), vec![], "{filter}");
        }
    }
}
