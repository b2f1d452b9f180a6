//! CAST, CONVERT, COLLATE and typed literals, as calls of ours.

use sqlparser::ast::{DataType, Expr, ObjectName, Value};

use super::expr::{call, number, text, value};
use crate::error::{Result, SqlError};
use crate::types::charset;

pub(super) fn typed_string(typed: sqlparser::ast::TypedString) -> Result<Expr> {
    let name = match typed.data_type {
        DataType::Date => "cast_date",
        DataType::Time(..) => "cast_time",
        DataType::Timestamp(..) | DataType::Datetime(_) => "cast_datetime",
        other => return Err(SqlError::not_supported(&format!("{other} literal"))),
    };
    let literal = match &typed.value.value {
        Value::SingleQuotedString(s) | Value::DoubleQuotedString(s) => s.as_str(),
        _ => "",
    };
    // As many fractional digits as are written.
    let fraction = literal.rsplit_once('.').map_or("", |(_, digits)| digits);
    let fsp = fraction.trim_end().len().min(6);
    let mut args = vec![value(typed.value.value)];
    if name != "cast_date" {
        args.push(number(fsp));
    }
    Ok(call(name, args))
}

pub(super) fn cast(expr: Expr, data_type: &DataType) -> Result<Expr> {
    use sqlparser::ast::ExactNumberInfo as Exact;
    let with = |name: &str, rest: Vec<Expr>| {
        call(name, std::iter::once(expr.clone()).chain(rest).collect())
    };
    Ok(match data_type {
        DataType::Signed | DataType::SignedInteger | DataType::BigInt(_) | DataType::Int(_) => {
            with("cast_signed", vec![])
        }
        DataType::Unsigned | DataType::UnsignedInteger => with("cast_unsigned", vec![]),
        DataType::Decimal(info) | DataType::Dec(info) | DataType::Numeric(info) => {
            let (p, s) = match info {
                Exact::None => (10, 0),
                Exact::Precision(p) => (*p, 0),
                Exact::PrecisionAndScale(p, s) => (*p, u64::try_from(*s).unwrap_or(0)),
            };
            with("cast_decimal", vec![number(p), number(s)])
        }
        DataType::Char(length) | DataType::Varchar(length) | DataType::Character(length) => {
            with("cast_char", char_length(length.as_ref()))
        }
        DataType::Nvarchar(_) | DataType::String(_) | DataType::Text => with("cast_char", vec![]),
        DataType::Binary(length) => with("cast_binary", length.iter().map(number).collect()),
        DataType::Varbinary(_) => with("cast_binary", vec![]),
        DataType::JSON => with("cast_json", vec![]),
        DataType::Date => with("cast_date", vec![]),
        DataType::Datetime(fsp) => with("cast_datetime", vec![number(fsp.unwrap_or(0))]),
        DataType::Time(fsp, _) => with("cast_time", vec![number(fsp.unwrap_or(0))]),
        DataType::Double(_) | DataType::DoublePrecision | DataType::Real | DataType::Float(_) => {
            with("cast_double", vec![])
        }
        DataType::Custom(name, args) => match name.to_string().to_lowercase().as_str() {
            "signed" => with("cast_signed", vec![]),
            "unsigned" => with("cast_unsigned", vec![]),
            "nchar" | "char" => with("cast_char", args.iter().map(number).collect()),
            other => return Err(SqlError::not_supported(&format!("CAST AS {other}"))),
        },
        other => return Err(SqlError::not_supported(&format!("CAST AS {other}"))),
    })
}

fn char_length(length: Option<&sqlparser::ast::CharacterLength>) -> Vec<Expr> {
    match length {
        Some(sqlparser::ast::CharacterLength::IntegerLength { length, .. }) => vec![number(length)],
        _ => Vec::new(),
    }
}

pub(super) fn convert_using(expr: Expr, charset: &ObjectName) -> Result<Expr> {
    match charset.to_string().to_lowercase().as_str() {
        "utf8mb4" | "utf8" | "utf8mb3" => Ok(call("cast_char", vec![expr])),
        "binary" => Ok(call("cast_binary", vec![expr])),
        other => Err(SqlError::not_supported(&format!(
            "CONVERT ... USING {other}"
        ))),
    }
}

/// A call that marks an expression with its collation, which `collate` heeds.
pub(super) fn collate(expr: Expr, collation: &str) -> Result<Expr> {
    let name = collation.trim_matches(['`', '\'', '"']).to_lowercase();
    charset::known(&name)?;
    Ok(call("collate", vec![expr, text(charset::stored(&name))]))
}
