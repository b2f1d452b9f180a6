//! System variables: a closed list with scope, kind and default; the values of one session.
//!
//! A name that is not listed is error 1193. Nothing of DataFusion's configuration is reachable here.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use crate::error::{Result, SqlError};

/// Where a variable lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Session value, taken from the global one at login.
    Both,
    /// One value for the server; readable in a session.
    Global,
    /// A session's alone; there is no global value.
    Session,
    /// Fixed for the server's life; SET is error 1238.
    ReadOnly,
}

/// What values a variable takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    Text,
    /// ON/OFF, shown as such; `SELECT @@x` gives 1 or 0.
    Switch,
    Integer {
        min: u64,
        max: u64,
    },
    SqlMode,
    TimeZone,
    Isolation,
    Charset,
    Collation,
}

/// One system variable.
#[derive(Debug)]
pub struct Variable {
    pub name: &'static str,
    pub scope: Scope,
    pub domain: Domain,
    pub default: &'static str,
}

impl Variable {
    fn has_session_value(&self) -> bool {
        matches!(self.scope, Scope::Both | Scope::Session)
    }
}

const fn v(name: &'static str, scope: Scope, domain: Domain, default: &'static str) -> Variable {
    Variable {
        name,
        scope,
        domain,
        default,
    }
}

pub const DEFAULT_SQL_MODE: &str = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,\
     NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";

use Domain::{Charset, Collation, Isolation, SqlMode, Switch, Text, TimeZone};
use Scope::{Both, Global, ReadOnly};

const fn int(min: u64, max: u64) -> Domain {
    Domain::Integer { min, max }
}

const U32: u64 = u32::MAX as u64;

/// Sorted by name.
#[rustfmt::skip]
pub static VARIABLES: &[Variable] = &[
    v("auto_increment_increment", Both, int(1, 1), "1"),
    v("auto_increment_offset", Both, int(1, 1), "1"),
    v("autocommit", Both, Switch, "ON"),
    v("big_tables", Both, Switch, "OFF"),
    v("bind_address", ReadOnly, Text, "*"),
    v("character_set_client", Both, Charset, "utf8mb4"),
    v("character_set_connection", Both, Charset, "utf8mb4"),
    v("character_set_database", Both, Charset, "utf8mb4"),
    v("character_set_filesystem", Both, Charset, "binary"),
    v("character_set_results", Both, Charset, "utf8mb4"),
    v("character_set_server", Both, Charset, "utf8mb4"),
    v("character_set_system", ReadOnly, Charset, "utf8mb3"),
    v("collation_connection", Both, Collation, "utf8mb4_bin"),
    v("collation_database", Both, Collation, "utf8mb4_bin"),
    v("collation_server", Both, Collation, "utf8mb4_bin"),
    v("connect_timeout", Global, int(2, 31_536_000), "10"),
    v("default_storage_engine", Both, Text, "InnoDB"),
    v("default_week_format", Both, int(0, 0), "0"),
    v("div_precision_increment", Both, int(4, 4), "4"),
    v("explicit_defaults_for_timestamp", Both, Switch, "ON"),
    v("foreign_key_checks", Both, Switch, "ON"),
    v("group_concat_max_len", Both, int(4, u64::MAX), "1024"),
    v("have_ssl", ReadOnly, Text, "DISABLED"),
    v("hostname", ReadOnly, Text, "localhost"),
    v("init_connect", Global, Text, ""),
    v("innodb_flush_log_at_trx_commit", Global, int(0, 2), "1"),
    v("innodb_lock_wait_timeout", Both, int(1, 1_073_741_824), "50"),
    v("innodb_read_only", ReadOnly, Switch, "OFF"),
    v("interactive_timeout", Both, int(1, 31_536_000), "28800"),
    v("license", ReadOnly, Text, "Apache-2.0"),
    v("local_infile", Global, Switch, "OFF"),
    v("lock_wait_timeout", Both, int(1, 31_536_000), "31536000"),
    v("lower_case_file_system", ReadOnly, Switch, "OFF"),
    v("lower_case_table_names", ReadOnly, int(0, 2), "0"),
    v("max_allowed_packet", Both, int(1_024, 1_073_741_824), "67108864"),
    v("max_connections", Global, int(1, 100_000), "4000"),
    v("max_error_count", Both, int(0, 65_535), "1024"),
    v("max_execution_time", Both, int(0, U32), "0"),
    v("max_join_size", Both, int(1, u64::MAX), "18446744073709551615"),
    v("max_prepared_stmt_count", Global, int(0, 4_194_304), "16382"),
    v("max_sort_length", Both, int(4, 8_388_608), "1024"),
    v("net_buffer_length", Both, int(1_024, 1_048_576), "16384"),
    v("net_read_timeout", Both, int(1, 31_536_000), "30"),
    v("net_write_timeout", Both, int(1, 31_536_000), "60"),
    v("performance_schema", ReadOnly, Switch, "OFF"),
    v("port", ReadOnly, int(0, 65_535), "0"),
    v("protocol_version", ReadOnly, int(10, 10), "10"),
    v("query_cache_size", ReadOnly, int(0, 0), "0"),
    v("query_cache_type", ReadOnly, Text, "OFF"),
    v("read_only", Global, Switch, "OFF"),
    v("secure_file_priv", ReadOnly, Text, "NULL"),
    v("server_id", Global, int(0, U32), "1"),
    v("session_track_gtids", Both, Text, "OFF"),
    v("session_track_schema", Both, Switch, "ON"),
    v("session_track_state_change", Both, Switch, "OFF"),
    v("session_track_system_variables", Both, Text, "time_zone,autocommit,character_set_client,character_set_results,character_set_connection"),
    v("skip_networking", ReadOnly, Switch, "OFF"),
    v("sql_auto_is_null", Both, Switch, "OFF"),
    v("sql_big_selects", Both, Switch, "ON"),
    v("sql_buffer_result", Both, Switch, "OFF"),
    v("sql_log_bin", Both, Switch, "ON"),
    v("sql_mode", Both, SqlMode, DEFAULT_SQL_MODE),
    v("sql_notes", Both, Switch, "ON"),
    v("sql_quote_show_create", Both, Switch, "ON"),
    v("sql_safe_updates", Both, Switch, "OFF"),
    v("sql_select_limit", Both, int(0, u64::MAX), "18446744073709551615"),
    v("sql_warnings", Both, Switch, "OFF"),
    v("system_time_zone", ReadOnly, Text, "UTC"),
    v("table_definition_cache", Global, int(400, 524_288), "2000"),
    v("thread_cache_size", Global, int(0, 16_384), "9"),
    v("time_zone", Both, TimeZone, "SYSTEM"),
    v("transaction_isolation", Both, Isolation, "REPEATABLE-READ"),
    v("transaction_read_only", Both, Switch, "OFF"),
    v("tx_isolation", Both, Isolation, "REPEATABLE-READ"),
    v("tx_read_only", Both, Switch, "OFF"),
    v("unique_checks", Both, Switch, "ON"),
    v("version", ReadOnly, Text, ""),
    v("version_comment", ReadOnly, Text, "Storno, columnar analytics database"),
    v("version_compile_machine", ReadOnly, Text, std::env::consts::ARCH),
    v("version_compile_os", ReadOnly, Text, std::env::consts::OS),
    v("wait_timeout", Both, int(1, 31_536_000), "28800"),
];

/// Finds a variable by name, any case.
pub fn find(name: &str) -> Result<&'static Variable> {
    let lower = name.to_lowercase();
    VARIABLES
        .binary_search_by(|v| v.name.cmp(lower.as_str()))
        .ok()
        .and_then(|i| VARIABLES.get(i))
        .ok_or_else(|| SqlError::unknown_variable(name))
}

/// A value as SELECT gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableValue {
    Text(String),
    Integer(u64),
    Null,
}

/// Values that differ from the defaults, for the server as a whole.
#[derive(Debug, Clone, Default)]
pub struct GlobalVariables(Arc<RwLock<BTreeMap<&'static str, String>>>);

impl GlobalVariables {
    /// The value as text; SHOW VARIABLES prints it so.
    pub fn get(&self, variable: &'static Variable) -> String {
        let values = self
            .0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        values
            .get(variable.name)
            .cloned()
            .unwrap_or_else(|| variable.default.to_string())
    }

    /// Sets a value that `check` has passed, or one the server itself knows (port, version).
    pub fn set(&self, variable: &'static Variable, value: String) {
        let mut values = self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        values.insert(variable.name, value);
    }
}

/// A session's own values over the global ones.
#[derive(Debug, Clone)]
pub struct SessionVariables {
    globals: GlobalVariables,
    /// Shared with the statement that runs; SET makes a copy.
    own: Arc<BTreeMap<&'static str, String>>,
}

impl SessionVariables {
    pub fn new(globals: GlobalVariables) -> Self {
        let both = VARIABLES.iter().filter(|v| v.has_session_value());
        let own = Arc::new(both.map(|v| (v.name, globals.get(v))).collect());
        Self { globals, own }
    }

    pub fn globals(&self) -> &GlobalVariables {
        &self.globals
    }

    /// Session value as text (global where there is no session value).
    pub fn get(&self, variable: &'static Variable) -> String {
        self.own
            .get(variable.name)
            .cloned()
            .unwrap_or_else(|| self.globals.get(variable))
    }

    /// By a name that is known to exist; "" otherwise.
    pub fn text(&self, name: &str) -> String {
        find(name).map(|v| self.get(v)).unwrap_or_default()
    }

    pub fn is_on(&self, name: &str) -> bool {
        self.text(name) == "ON"
    }

    pub fn integer(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }

    /// Sets a session value; `None` is DEFAULT (the global value). Twins change together.
    pub fn set(&mut self, variable: &'static Variable, value: Option<&str>) -> Result<()> {
        if !variable.has_session_value() {
            return Err(wrong_scope(variable));
        }
        let value = match value {
            Some(v) => check(variable, v)?,
            None => self.globals.get(variable),
        };
        let twin = match variable.name {
            "tx_isolation" => Some("transaction_isolation"),
            "transaction_isolation" => Some("tx_isolation"),
            "tx_read_only" => Some("transaction_read_only"),
            "transaction_read_only" => Some("tx_read_only"),
            _ => None,
        };
        let own = Arc::make_mut(&mut self.own);
        if let Some(twin) = twin {
            own.insert(twin, value.clone());
        }
        own.insert(variable.name, value);
        Ok(())
    }
}

/// 1229 for a server-wide variable set without GLOBAL, 1238 for one that never changes.
pub fn wrong_scope(variable: &Variable) -> SqlError {
    let name = variable.name;
    match variable.scope {
        ReadOnly => SqlError::new(
            1238,
            "HY000",
            format!("Variable '{name}' is a read only variable"),
        ),
        _ => SqlError::new(
            1229,
            "HY000",
            format!("Variable '{name}' is a GLOBAL variable and should be set with SET GLOBAL"),
        ),
    }
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
            Err(_) => Err(SqlError::new(
                1232,
                "42000",
                format!("Incorrect argument type to variable '{}'", variable.name),
            )),
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
    let known = ["utf8mb4_", "utf8mb3_", "utf8_", "latin1_", "ascii_"];
    if lower == "binary" || known.iter().any(|k| lower.starts_with(k)) {
        return Ok(lower);
    }
    Err(SqlError::new(
        1273,
        "HY000",
        format!("Unknown collation: '{value}'"),
    ))
}

/// A variable's value as `SELECT @@name` gives it.
pub fn select_value(variable: &Variable, text: &str) -> VariableValue {
    match variable.domain {
        Switch => VariableValue::Integer(u64::from(text == "ON")),
        Domain::Integer { .. } => text
            .parse()
            .map_or(VariableValue::Null, VariableValue::Integer),
        _ if variable.name == "secure_file_priv" => VariableValue::Null,
        Charset if text.is_empty() => VariableValue::Null,
        _ => VariableValue::Text(text.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_sorted_and_its_defaults_are_valid() {
        assert!(VARIABLES.is_sorted_by(|a, b| a.name < b.name));
        for variable in VARIABLES {
            assert_eq!(
                check(variable, variable.default).as_deref(),
                Ok(variable.default),
                "{variable:?}"
            );
        }
    }

    #[test]
    fn values_are_checked_by_domain() {
        let set = |name: &str, value: &str| check(find(name).expect(name), value);
        assert_eq!(set("autocommit", "false").as_deref(), Ok("OFF"));
        assert_eq!(set("time_zone", "+5:30").as_deref(), Ok("+05:30"));
        assert_eq!(
            set("time_zone", "Europe/Berlin").as_deref(),
            Ok("Europe/Berlin")
        );
        assert_eq!(
            set("time_zone", "Mars/Olympus").expect_err("no zone").code,
            1298
        );
        assert_eq!(set("time_zone", "+15:00").expect_err("too far").code, 1298);
        assert_eq!(
            set("sql_mode", "strict_trans_tables,,NO_ZERO_DATE").as_deref(),
            Ok("STRICT_TRANS_TABLES,NO_ZERO_DATE")
        );
        assert_eq!(set("sql_mode", "NONSENSE").expect_err("no mode").code, 1231);
        assert_eq!(
            set("sql_mode", "ANSI_QUOTES").expect_err("not built").code,
            1235
        );
        assert_eq!(
            set("wait_timeout", "abc").expect_err("no number").code,
            1232
        );
        assert_eq!(find("nosuch").expect_err("unknown").code, 1193);
    }
}
