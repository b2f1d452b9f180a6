//! Parameters of a prepared statement as literals in the syntax tree, and results as scalars.

use std::ops::ControlFlow;

use datafusion::common::ScalarValue;
use sqlparser::ast::{Expr, Spanned, UnaryOperator, Value, Visit, VisitMut, Visitor, VisitorMut};
use sqlparser::tokenizer::Location;

use super::expr::{call, number, text, value};
use crate::error::{Result, SqlError};
use crate::insert::Scalar;

/// Replaces every placeholder by its parameter. They are matched by their order in the text, which the
/// order of the tree's nodes need not be.
pub fn parameters<T: Visit + VisitMut>(tree: &mut T, params: &[Scalar]) -> Result<()> {
    let mut found = Found::default();
    let _ = Visit::visit(tree, &mut found);
    if found.0.len() != params.len() {
        return Err(SqlError::new(
            1210,
            "HY000",
            "Incorrect arguments to EXECUTE",
        ));
    }
    if params.is_empty() {
        return Ok(());
    }
    found.0.sort();
    let _ = VisitMut::visit(
        tree,
        &mut Replace {
            places: &found.0,
            params,
        },
    );
    Ok(())
}

/// The same for an expression of VALUES, whose placeholders are named `$1`, `$2` ...
pub fn numbered(expr: &mut Expr, params: &[Scalar]) -> Result<()> {
    struct Numbered<'a>(&'a [Scalar]);
    impl VisitorMut for Numbered<'_> {
        type Break = SqlError;
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
            let Expr::Value(v) = expr else {
                return ControlFlow::Continue(());
            };
            let Value::Placeholder(name) = &v.value else {
                return ControlFlow::Continue(());
            };
            let index = name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
            match index.and_then(|i| self.0.get(i.checked_sub(1)?)) {
                Some(param) => {
                    *expr = literal(param);
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(SqlError::new(
                    1210,
                    "HY000",
                    "Incorrect arguments to EXECUTE",
                )),
            }
        }
    }
    match VisitMut::visit(expr, &mut Numbered(params)) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn is_placeholder(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(v) if matches!(v.value, Value::Placeholder(_)))
}

#[derive(Default)]
struct Found(Vec<Location>);

impl Visitor for Found {
    type Break = ();
    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if is_placeholder(expr) {
            self.0.push(expr.span().start);
        }
        ControlFlow::Continue(())
    }
}

struct Replace<'a> {
    places: &'a [Location],
    params: &'a [Scalar],
}

impl VisitorMut for Replace<'_> {
    type Break = ();
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if is_placeholder(expr)
            && let Ok(index) = self.places.binary_search(&expr.span().start)
            && let Some(param) = self.params.get(index)
        {
            *expr = literal(param);
        }
        ControlFlow::Continue(())
    }
}

/// A scalar as an expression of the same type and value.
pub fn literal(scalar: &Scalar) -> Expr {
    let negated = |digits: String| match digits.strip_prefix('-') {
        Some(rest) => Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: Box::new(number(rest)),
        },
        None => number(digits),
    };
    match scalar {
        Scalar::Null => value(Value::Null),
        Scalar::Int(i) => negated(i.to_string()),
        Scalar::Decimal(d) => negated(d.clone()),
        Scalar::Double(d) => call("cast_double", vec![text(d.to_string())]),
        Scalar::Text(t) => text(t.clone()),
        Scalar::Bytes(b) | Scalar::Bits(b) => {
            let hex: String = b.iter().map(|byte| format!("{byte:02X}")).collect();
            value(Value::HexStringLiteral(hex))
        }
        Scalar::Date(days) => {
            let mut s = String::new();
            crate::functions::convert::text::push_date(&mut s, *days);
            call("cast_date", vec![text(s)])
        }
        Scalar::DateTime { micros, fsp } => {
            let mut s = String::new();
            crate::functions::convert::text::push_datetime(&mut s, *micros, Some(*fsp));
            call("cast_datetime", vec![text(s), number(fsp)])
        }
        Scalar::Time { micros, fsp } => {
            let mut s = String::new();
            crate::functions::convert::text::push_time(&mut s, *micros, Some(*fsp));
            call("cast_time", vec![text(s), number(fsp)])
        }
    }
}

/// A computed value as a scalar.
pub fn scalar(value: &ScalarValue) -> Result<Scalar> {
    use ScalarValue as V;
    if value.is_null() {
        return Ok(Scalar::Null);
    }
    Ok(match value {
        V::Boolean(Some(b)) => Scalar::Int((*b).into()),
        V::Int8(Some(i)) => Scalar::Int((*i).into()),
        V::Int16(Some(i)) => Scalar::Int((*i).into()),
        V::Int32(Some(i)) => Scalar::Int((*i).into()),
        V::Int64(Some(i)) => Scalar::Int((*i).into()),
        V::UInt8(Some(i)) => Scalar::Int((*i).into()),
        V::UInt16(Some(i)) => Scalar::Int((*i).into()),
        V::UInt32(Some(i)) => Scalar::Int((*i).into()),
        V::UInt64(Some(i)) => Scalar::Int((*i).into()),
        V::Float32(Some(f)) => Scalar::Double((*f).into()),
        V::Float64(Some(f)) => Scalar::Double(*f),
        V::Decimal128(Some(d), _, scale) => {
            let mut s = String::new();
            crate::functions::convert::text::push_decimal(&mut s, *d, *scale);
            Scalar::Decimal(s)
        }
        V::Utf8(Some(s)) | V::Utf8View(Some(s)) | V::LargeUtf8(Some(s)) => Scalar::Text(s.clone()),
        V::Binary(Some(b)) | V::BinaryView(Some(b)) | V::LargeBinary(Some(b)) => {
            Scalar::Bytes(b.clone())
        }
        V::Date32(Some(days)) => Scalar::Date(*days),
        V::TimestampMicrosecond(Some(micros), None) => Scalar::DateTime {
            micros: *micros,
            fsp: fraction_digits(*micros),
        },
        V::DurationMicrosecond(Some(micros)) => Scalar::Time {
            micros: *micros,
            fsp: fraction_digits(*micros),
        },
        other => {
            return Err(SqlError::not_supported(&format!(
                "{} value",
                other.data_type()
            )));
        }
    })
}

/// As many digits as the value needs: its declared number is not part of a computed value.
fn fraction_digits(micros: i64) -> u8 {
    if micros % 1_000_000 == 0 { 0 } else { 6 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{lex, parse_query};

    #[test]
    fn placeholders_are_matched_by_their_place_in_the_text() {
        let sql =
            "select ?, a from t where b in (?, ?) group by a having a > ? order by ? limit ?, ?";
        let mut query = parse_query(&lex(sql).expect("lexes")).expect("parses");
        let params: Vec<Scalar> = (1..=7).map(Scalar::Int).collect();
        parameters(&mut query, &params).expect("binds");
        assert_eq!(
            query.to_string(),
            "SELECT 1, a FROM t WHERE b IN (2, 3) GROUP BY a HAVING a > 4 ORDER BY 5 LIMIT 6, 7"
        );
    }

    #[test]
    fn a_wrong_number_of_parameters_is_an_error() {
        let mut query = parse_query(&lex("select ?").expect("lexes")).expect("parses");
        assert_eq!(parameters(&mut query, &[]).expect_err("missing").code, 1210);
    }
}
