//! DEFAULT clauses: read, checked against the column, and brought into the text that SHOW prints.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, Value,
};

use super::DdlContext;
use crate::error::{Result, SqlError};
use crate::insert::{Mode, Scalar, Settings, default_text, literal};
use crate::types::{ColumnAttributes, DefaultValue, MysqlType};

/// What a DEFAULT clause says, before it is checked.
enum Clause {
    Null,
    Value { value: Scalar, parenthesized: bool },
    Now { fsp: u8 },
}

/// The default of a column whose other attributes are known. `nullable`: as declared. `None` for
/// DEFAULT NULL, which is what a column has that takes NULL and has no clause.
pub(super) fn check(
    default: &Expr,
    column: &str,
    (attributes, nullable): (&ColumnAttributes, bool),
    context: &DdlContext<'_>,
) -> Result<Option<DefaultValue>> {
    let invalid = || SqlError::invalid_default(column);
    // The counter is the default.
    if attributes.auto_increment {
        return Err(invalid());
    }
    match clause_of(default)? {
        Clause::Null if nullable => Ok(None),
        Clause::Null => Err(invalid()),
        Clause::Now { fsp } => match attributes.mysql_type {
            MysqlType::DateTime { fsp: own } | MysqlType::Timestamp { fsp: own } if own == fsp => {
                Ok(Some(DefaultValue::Now { fsp }))
            }
            _ => Err(invalid()),
        },
        Clause::Value {
            parenthesized: false,
            ..
        } if attributes.mysql_type.is_blob() => Err(SqlError::blob_cannot_have_default(column)),
        // Members are named, not numbered.
        Clause::Value { value, .. }
            if matches!(
                attributes.mysql_type,
                MysqlType::Enum { .. } | MysqlType::Set { .. }
            ) && !matches!(value, Scalar::Text(_)) =>
        {
            Err(invalid())
        }
        Clause::Value { value, .. } => {
            let settings = Settings {
                mode: Mode::STRICT,
                time_zone: context.time_zone,
                now_utc: 0,
            };
            let text = default_text(&value, column, attributes, settings).map_err(|_| invalid())?;
            text.map(|text| Some(DefaultValue::Literal(text)))
                .ok_or_else(invalid)
        }
    }
}

fn clause_of(expr: &Expr) -> Result<Clause> {
    if let Expr::Nested(inner) = expr {
        return Ok(match clause_of(inner)? {
            Clause::Value { value, .. } => Clause::Value {
                value,
                parenthesized: true,
            },
            other => other,
        });
    }
    if let Some(fsp) = now(expr) {
        return Ok(Clause::Now { fsp });
    }
    match literal(expr)? {
        Some(Scalar::Null) => Ok(Clause::Null),
        Some(value) => Ok(Clause::Value {
            value,
            parenthesized: false,
        }),
        None => Err(SqlError::not_supported("expressions as DEFAULT")),
    }
}

/// Fractional digits of CURRENT_TIMESTAMP or a synonym.
fn now(expr: &Expr) -> Option<u8> {
    let is_now = |name: &str| {
        ["CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"]
            .iter()
            .any(|now| name.eq_ignore_ascii_case(now))
    };
    match expr {
        Expr::Identifier(name) if name.quote_style.is_none() => is_now(&name.value).then_some(0),
        Expr::Function(function) => {
            let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else {
                return None;
            };
            if !is_now(&name.value) {
                return None;
            }
            match &function.args {
                FunctionArguments::None => Some(0),
                FunctionArguments::List(list) => match list.args.as_slice() {
                    [] => Some(0),
                    [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] => {
                        match &value.value {
                            Value::Number(digits, _) => digits.parse().ok(),
                            _ => None,
                        }
                    }
                    _ => None,
                },
                FunctionArguments::Subquery(_) => None,
            }
        }
        _ => None,
    }
}
