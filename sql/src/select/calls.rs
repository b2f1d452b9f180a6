//! Functions, interval arithmetic and units in MySQL's spelling, as calls of ours.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, Interval, ObjectName, TrimWhereField, Value,
};

use super::buckets::bucket_call;
use super::expr::{Environment, binary, call, number, text, truth, value};
use crate::error::{Result, SqlError};
use crate::functions::move_separator;

/// An interval's or EXTRACT's unit as text, e.g. 'DAY_HOUR'.
pub(super) fn unit(field: &DateTimeField) -> Result<Expr> {
    let name = field.to_string().to_uppercase();
    const UNITS: [&str; 20] = [
        "MICROSECOND",
        "SECOND",
        "MINUTE",
        "HOUR",
        "DAY",
        "WEEK",
        "MONTH",
        "QUARTER",
        "YEAR",
        "SECOND_MICROSECOND",
        "MINUTE_MICROSECOND",
        "MINUTE_SECOND",
        "HOUR_MICROSECOND",
        "HOUR_SECOND",
        "HOUR_MINUTE",
        "DAY_MICROSECOND",
        "DAY_SECOND",
        "DAY_MINUTE",
        "DAY_HOUR",
        "YEAR_MONTH",
    ];
    let known = UNITS.iter().find(|u| **u == name.trim_matches('`'));
    known
        .map(|u| text(*u))
        .ok_or_else(|| SqlError::syntax(&name, 1))
}

pub(super) fn add_interval(to: Expr, interval: Interval, subtract: bool) -> Result<Expr> {
    let field = interval
        .leading_field
        .as_ref()
        .ok_or_else(|| SqlError::syntax("INTERVAL", 1))?;
    let name = if subtract {
        "date_sub_unit"
    } else {
        "date_add_unit"
    };
    Ok(call(name, vec![to, *interval.value, unit(field)?]))
}

pub(super) fn trim(place: Option<TrimWhereField>, what: Option<Box<Expr>>, expr: Expr) -> Expr {
    let name = match place {
        Some(TrimWhereField::Leading) => "ltrim",
        Some(TrimWhereField::Trailing) => "rtrim",
        _ => "trim",
    };
    call(
        name,
        std::iter::once(expr).chain(what.map(|w| *w)).collect(),
    )
}

fn argument(arg: FunctionArg) -> Option<Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
        _ => None,
    }
}

pub(super) fn function(mut function: Function, env: &dyn Environment) -> Result<Expr> {
    let [part] = function.name.0.as_slice() else {
        return Err(SqlError::not_supported(&format!(
            "FUNCTION {}",
            function.name
        )));
    };
    let name = part
        .as_ident()
        .map(|i| i.value.to_lowercase())
        .unwrap_or_default();
    function.name = ObjectName::from(vec![Ident::new(&name)]);
    if let Some(known) = env.session_function(&name) {
        let arguments = match &function.args {
            FunctionArguments::List(list) => list.args.len(),
            _ => 0,
        };
        return match (name.as_str(), arguments) {
            (_, 0) => Ok(known),
            ("last_insert_id", _) => Ok(Expr::Function(function)),
            _ => Err(wrong_argument_count(&name)),
        };
    }
    if let Some(now) = clock(&name, &function.args, env)? {
        return Ok(now);
    }
    move_separator(&mut function);
    let FunctionArguments::List(list) = &mut function.args else {
        // CURRENT_TIMESTAMP and its like need no parentheses.
        function.args = FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: Vec::new(),
            clauses: Vec::new(),
        });
        return Ok(Expr::Function(function));
    };
    let plain = function.over.is_none() && list.clauses.is_empty();
    if !plain || list.duplicate_treatment.is_some() {
        return Ok(Expr::Function(function));
    }
    let args: Option<Vec<Expr>> = list.args.iter().cloned().map(argument).collect();
    match args {
        Some(args) => match zoned_call(&name, &args, &env.time_zone()) {
            Some(call) => Ok(call),
            None if let Some(call) = bucket_call(&name, &args, &env.time_zone()) => call,
            None => special_call(&name, args).unwrap_or(Ok(Expr::Function(function))),
        },
        None => Ok(Expr::Function(function)),
    }
}

fn wrong_argument_count(name: &str) -> SqlError {
    let name = name.to_uppercase();
    let text = format!("Incorrect parameter count in the call to native function '{name}'");
    SqlError::new(1582, "42000", text)
}

/// NOW() and its like: one moment for the whole statement, in the session's time zone.
fn clock(name: &str, args: &FunctionArguments, env: &dyn Environment) -> Result<Option<Expr>> {
    let (date, time) = match name {
        "now" | "current_timestamp" | "localtime" | "localtimestamp" | "sysdate" => (true, true),
        "curdate" | "current_date" => (true, false),
        "curtime" | "current_time" => (false, true),
        _ => return Ok(None),
    };
    let args = match args {
        FunctionArguments::List(list) => list.args.as_slice(),
        _ => &[],
    };
    let fsp = match args {
        [] => 0,
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(v)))] => match &v.value {
            Value::Number(n, _) => n.parse::<u8>().unwrap_or(7),
            _ => 7,
        },
        _ => {
            return Err(wrong_argument_count(name));
        }
    };
    if fsp > 6 {
        let text = format!("Too-big precision {fsp} specified for '{name}'. Maximum is 6.");
        return Err(SqlError::new(1426, "42000", text));
    }
    let mut s = String::new();
    crate::functions::convert::text::push_datetime(&mut s, env.now(), Some(fsp));
    let part = |i: usize| s.split(' ').nth(i).unwrap_or_default().to_string();
    Ok(Some(match (date, time) {
        (true, true) => call("cast_datetime", vec![text(s), number(fsp)]),
        (true, false) => call("cast_date", vec![text(part(0))]),
        _ => call("cast_time", vec![text(part(1)), number(fsp)]),
    }))
}

/// UNIX_TIMESTAMP and FROM_UNIXTIME speak the session's time zone, the functions below UTC.
fn zoned_call(name: &str, args: &[Expr], zone: &str) -> Option<Expr> {
    if zone == "+00:00" || zone == "SYSTEM" {
        return None;
    }
    let utc = || text("+00:00");
    match (name, args) {
        ("unix_timestamp", [at]) => {
            let at = call("convert_tz", vec![at.clone(), text(zone), utc()]);
            Some(call(name, vec![at]))
        }
        ("from_unixtime", [seconds, format @ ..]) => {
            let at = call(name, vec![seconds.clone()]);
            let at = call("convert_tz", vec![at, utc(), text(zone)]);
            Some(match format {
                [] => at,
                [format, ..] => call("date_format", vec![at, format.clone()]),
            })
        }
        _ => None,
    }
}

/// Functions that are syntax in disguise. `None`: an ordinary function.
fn special_call(name: &str, args: Vec<Expr>) -> Option<Result<Expr>> {
    let mut args_iter = args.into_iter();
    let (a, b, c) = (args_iter.next(), args_iter.next(), args_iter.next());
    let more = args_iter.next().is_some();
    Some(match (name, a, b, c) {
        ("if", Some(a), Some(b), Some(c)) if !more => Ok(case(truth(a), b, c)),
        ("ifnull", Some(a), Some(b), None) => Ok(call("coalesce", vec![a, b])),
        ("nullif", Some(a), Some(b), None) => Ok(case(
            binary(a.clone(), BinaryOperator::Eq, b),
            value(Value::Null),
            a,
        )),
        ("row", Some(a), Some(b), c) if !more => {
            Ok(Expr::Tuple([a, b].into_iter().chain(c).collect()))
        }
        ("get_format", Some(Expr::Identifier(kind)), Some(Expr::Value(v)), None) => {
            let region = match &v.value {
                Value::SingleQuotedString(region) => region.as_str(),
                _ => "",
            };
            let format = get_format(&kind.value, region)
                .map(|format| Value::SingleQuotedString(format.into()));
            Ok(value(format.unwrap_or(Value::Null)))
        }
        ("isnull", Some(a), None, None) => Ok(Expr::IsNull(Box::new(a))),
        ("mod", Some(a), Some(b), None) => Ok(binary(a, BinaryOperator::Modulo, b)),
        ("date_add" | "adddate", Some(a), Some(Expr::Interval(i)), None) => {
            add_interval(a, i, false)
        }
        ("date_sub" | "subdate", Some(a), Some(Expr::Interval(i)), None) => {
            add_interval(a, i, true)
        }
        ("adddate", Some(a), Some(days), None) => {
            Ok(call("date_add_unit", vec![a, days, text("DAY")]))
        }
        ("subdate", Some(a), Some(days), None) => {
            Ok(call("date_sub_unit", vec![a, days, text("DAY")]))
        }
        ("timestampdiff" | "timestampadd", Some(Expr::Identifier(u)), Some(b), Some(c)) => {
            Ok(call(name, vec![text(unit_name(&u.value)), b, c]))
        }
        _ => return None,
    })
}

/// GET_FORMAT, as MySQL's manual lists it.
fn get_format(kind: &str, region: &str) -> Option<&'static str> {
    let formats = match region.to_uppercase().as_str() {
        "USA" => ["%m.%d.%Y", "%Y-%m-%d %H.%i.%s", "%h:%i:%s %p"],
        "JIS" | "ISO" => ["%Y-%m-%d", "%Y-%m-%d %H:%i:%s", "%H:%i:%s"],
        "EUR" => ["%d.%m.%Y", "%Y-%m-%d %H.%i.%s", "%H.%i.%s"],
        "INTERNAL" => ["%Y%m%d", "%Y%m%d%H%i%s", "%H%i%s"],
        _ => return None,
    };
    let [date, datetime, time] = formats;
    match kind.to_uppercase().as_str() {
        "DATE" => Some(date),
        "DATETIME" | "TIMESTAMP" => Some(datetime),
        "TIME" => Some(time),
        _ => None,
    }
}

/// TIMESTAMPDIFF also takes the units of ODBC, e.g. SQL_TSI_DAY.
fn unit_name(name: &str) -> String {
    let upper = name.to_uppercase();
    upper.strip_prefix("SQL_TSI_").unwrap_or(&upper).to_string()
}

fn case(condition: Expr, yes: Expr, no: Expr) -> Expr {
    Expr::Case {
        case_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        end_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition,
            result: yes,
        }],
        else_result: Some(Box::new(no)),
    }
}
