//! Which values a variable takes, and in which form they are kept.

use super::Domain::{Charset, Collation, Isolation, SqlMode, Switch, Text, TimeZone};
use super::{Domain, Scope, Variable};
use crate::error::{Result, SqlError, Warning};
use crate::insert::Scalar;
use crate::types::charset;

/// 1228 for a session's variable set with GLOBAL, 1229 for a server's set without, 1238 for one that
/// never changes.
pub fn wrong_scope(variable: &Variable) -> SqlError {
    let name = variable.name;
    match variable.scope {
        Scope::ReadOnly => SqlError::new(
            1238,
            "HY000",
            format!("Variable '{name}' is a read only variable"),
        ),
        Scope::Session => SqlError::new(
            1228,
            "HY000",
            format!("Variable '{name}' is a SESSION variable and can't be used with SET GLOBAL"),
        ),
        _ => SqlError::new(
            1229,
            "HY000",
            format!("Variable '{name}' is a GLOBAL variable and should be set with SET GLOBAL"),
        ),
    }
}

/// 1238 for reading a value in a scope that the variable does not have.
pub fn check_scope(variable: &Variable, scope: &str) -> Result<()> {
    let other = match (scope.to_lowercase().as_str(), variable.scope) {
        ("global", Scope::Session) => "SESSION",
        ("session" | "local", Scope::Global | Scope::ReadOnly) => "GLOBAL",
        _ => return Ok(()),
    };
    let text = format!("Variable '{}' is a {other} variable", variable.name);
    Err(SqlError::new(1238, "HY000", text))
}

/// 1231 and 1232 for a value of a type that the variable does not take.
pub fn check_type(variable: &Variable, value: &Scalar) -> Result<()> {
    let wrong = match variable.domain {
        Domain::Integer { .. } => !matches!(value, Scalar::Int(_)),
        Switch => matches!(value, Scalar::Decimal(_) | Scalar::Double(_)),
        Text => matches!(
            value,
            Scalar::Int(_) | Scalar::Decimal(_) | Scalar::Double(_)
        ),
        _ => false,
    };
    match wrong {
        true => Err(wrong_type(variable)),
        // character_set_results = NULL means: send as stored.
        false if *value == Scalar::Null && variable.domain != Charset => {
            Err(wrong_value(variable, "NULL"))
        }
        false => Ok(()),
    }
}

/// MySQL's warning that a number was moved to the nearest bound.
pub fn bound_warning(variable: &Variable, value: &str, kept: &str) -> Option<Warning> {
    let number = value.parse::<i128>().ok()?;
    let moved = matches!(variable.domain, Domain::Integer { .. }) && number.to_string() != kept;
    let name = variable.name;
    moved.then(|| Warning::new(1292, format!("Truncated incorrect {name} value: '{value}'")))
}

fn wrong_type(variable: &Variable) -> SqlError {
    let text = format!("Incorrect argument type to variable '{}'", variable.name);
    SqlError::new(1232, "42000", text)
}

fn wrong_value(variable: &Variable, value: &str) -> SqlError {
    let text = format!(
        "Variable '{}' can't be set to the value of '{value}'",
        variable.name
    );
    SqlError::new(1231, "42000", text)
}
/// The canonical form of a value, or 1231/1232/1115/1273/1298.
pub fn check(variable: &Variable, value: &str) -> Result<String> {
    match variable.domain {
        Text => Ok(value.to_string()),
        Switch => match value.to_uppercase().as_str() {
            "1" | "ON" | "TRUE" => Ok("ON".into()),
            "0" | "OFF" | "FALSE" => Ok("OFF".into()),
            _ => Err(wrong_value(variable, value)),
        },
        // As MySQL does, a number out of range is moved to the nearest bound.
        Domain::Integer { min, max } => match value.parse::<i128>() {
            Ok(n) => Ok(n.clamp(min.into(), max.into()).to_string()),
            Err(_) => Err(wrong_type(variable)),
        },
        SqlMode => sql_mode(variable, value),
        TimeZone => time_zone(value),
        Isolation => {
            const NAMES: [&str; 4] = [
                "READ-UNCOMMITTED",
                "READ-COMMITTED",
                "REPEATABLE-READ",
                "SERIALIZABLE",
            ];
            let upper = value.to_uppercase();
            match NAMES.contains(&upper.as_str()) {
                true => Ok(upper),
                false => Err(wrong_value(variable, value)),
            }
        }
        Charset => charset(value),
        Collation => collation(value),
    }
}

fn sql_mode(variable: &Variable, value: &str) -> Result<String> {
    const MODES: [&str; 19] = [
        "ALLOW_INVALID_DATES",
        "ANSI_QUOTES",
        "ERROR_FOR_DIVISION_BY_ZERO",
        "HIGH_NOT_PRECEDENCE",
        "IGNORE_SPACE",
        "NO_AUTO_VALUE_ON_ZERO",
        "NO_BACKSLASH_ESCAPES",
        "NO_DIR_IN_CREATE",
        "NO_ENGINE_SUBSTITUTION",
        "NO_UNSIGNED_SUBTRACTION",
        "NO_ZERO_DATE",
        "NO_ZERO_IN_DATE",
        "ONLY_FULL_GROUP_BY",
        "PAD_CHAR_TO_FULL_LENGTH",
        "PIPES_AS_CONCAT",
        "REAL_AS_FLOAT",
        "STRICT_ALL_TABLES",
        "STRICT_TRANS_TABLES",
        "TIME_TRUNCATE_FRACTIONAL",
    ];
    // These would change what statements mean, and are not built yet.
    const REFUSED: [&str; 6] = [
        "ANSI_QUOTES",
        "HIGH_NOT_PRECEDENCE",
        "NO_BACKSLASH_ESCAPES",
        "NO_UNSIGNED_SUBTRACTION",
        "PAD_CHAR_TO_FULL_LENGTH",
        "ALLOW_INVALID_DATES",
    ];
    let mut modes: Vec<String> = Vec::new();
    for part in value.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let upper = part.to_uppercase();
        // MySQL 8 dropped this one; old applications still set it.
        if matches!(upper.as_str(), "NO_AUTO_CREATE_USER") {
            continue;
        }
        if upper == "TRADITIONAL" {
            let all = "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,\
                       ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";
            modes.extend(all.split(',').map(str::to_string));
            continue;
        }
        if !MODES.contains(&upper.as_str()) && upper != "ANSI" {
            return Err(wrong_value(variable, part));
        }
        if REFUSED.contains(&upper.as_str()) || upper == "ANSI" {
            return Err(SqlError::not_supported(&format!("sql_mode {upper}")));
        }
        modes.push(upper);
    }
    let mut seen = std::collections::HashSet::new();
    modes.retain(|m| seen.insert(m.clone()));
    Ok(modes.join(","))
}

/// An offset `+05:30`, `SYSTEM` or a zone's name.
fn time_zone(value: &str) -> Result<String> {
    let unknown = || {
        SqlError::new(
            1298,
            "HY000",
            format!("Unknown or incorrect time zone: '{value}'"),
        )
    };
    if value.eq_ignore_ascii_case("SYSTEM") {
        return Ok("SYSTEM".into());
    }
    if let Some(sign @ ('+' | '-')) = value.chars().next() {
        let (h, m) = value
            .get(1..)
            .and_then(|r| r.split_once(':'))
            .ok_or_else(unknown)?;
        let (h, m): (u32, u32) = (
            h.parse().map_err(|_| unknown())?,
            m.parse().map_err(|_| unknown())?,
        );
        let minutes = h * 60 + m;
        let limit = if sign == '+' { 14 * 60 } else { 13 * 60 + 59 };
        return if m < 60 && minutes <= limit {
            Ok(format!("{sign}{h:02}:{m:02}"))
        } else {
            Err(unknown())
        };
    }
    match value.parse::<chrono_tz::Tz>() {
        Ok(zone) => Ok(zone.name().to_string()),
        Err(_) => Err(unknown()),
    }
}

fn charset(value: &str) -> Result<String> {
    let lower = value.to_lowercase();
    match lower.as_str() {
        "utf8mb4" | "binary" | "latin1" | "ascii" => Ok(lower),
        "utf8" | "utf8mb3" => Ok("utf8mb3".into()),
        "null" | "" => Ok(String::new()),
        _ => Err(SqlError::new(
            1115,
            "42000",
            format!("Unknown character set: '{value}'"),
        )),
    }
}

fn collation(value: &str) -> Result<String> {
    let lower = value.to_lowercase();
    charset::known(&lower)?;
    Ok(match lower.strip_prefix("utf8_") {
        Some(rest) => format!("utf8mb3_{rest}"),
        None => lower,
    })
}
