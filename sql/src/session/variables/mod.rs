//! System variables: a closed list with scope, kind and default; the values of one session.
//!
//! A name that is not listed is error 1193. Nothing of DataFusion's configuration is reachable here.

mod check;
mod list;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use storno_storage::Store;

use crate::error::{Result, SqlError};
use Domain::{Charset, Switch};

pub use check::{bound_warning, check, check_scope, check_type, wrong_scope};
pub use list::VARIABLES;

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

type Values = BTreeMap<&'static str, String>;

/// Values that differ from the defaults, for the server as a whole.
#[derive(Debug, Clone, Default)]
pub struct GlobalVariables(Arc<Globals>);

#[derive(Debug, Default)]
struct Globals {
    values: RwLock<Values>,
    /// What a new session begins with, shared by all that began since the last SET GLOBAL.
    beginning: RwLock<Option<Arc<Values>>>,
}

impl GlobalVariables {
    /// The value as text; SHOW VARIABLES prints it so.
    pub fn get(&self, variable: &'static Variable) -> String {
        let chosen = self.chosen(variable);
        chosen.unwrap_or_else(|| variable.default.to_string())
    }

    /// The value that somebody has set.
    pub fn chosen(&self, variable: &'static Variable) -> Option<String> {
        let values = self.0.values.read().unwrap_or_else(PoisonError::into_inner);
        values.get(variable.name).cloned()
    }

    /// Sets a value that `check` has passed, or one the server itself knows (port, version).
    pub fn set(&self, variable: &'static Variable, value: String) {
        let mut values = self
            .0
            .values
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        values.insert(variable.name, value);
        drop(values);
        let mut beginning = self
            .0
            .beginning
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *beginning = None;
    }

    fn beginning(&self) -> Arc<Values> {
        let known = self
            .0
            .beginning
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Arc::clone(known);
        }
        drop(known);
        // Held while it is made: a SET GLOBAL that comes meanwhile has it made once more.
        let mut known = self
            .0
            .beginning
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let both = VARIABLES.iter().filter(|v| v.has_session_value());
        let made =
            known.get_or_insert_with(|| Arc::new(both.map(|v| (v.name, self.get(v))).collect()));
        Arc::clone(made)
    }
}

/// A session's own values over the global ones.
#[derive(Debug, Clone)]
pub struct SessionVariables {
    globals: GlobalVariables,
    /// The values that the session began with.
    beginning: Arc<Values>,
    /// What it has set. Shared with the statement that runs; SET makes a copy.
    own: Arc<Values>,
}

impl SessionVariables {
    pub fn new(globals: GlobalVariables) -> Self {
        Self {
            beginning: globals.beginning(),
            own: Arc::default(),
            globals,
        }
    }

    pub fn globals(&self) -> &GlobalVariables {
        &self.globals
    }

    /// Session value as text (global where there is no session value).
    pub fn get(&self, variable: &'static Variable) -> String {
        self.own
            .get(variable.name)
            .or_else(|| self.beginning.get(variable.name))
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

/// Key of the durable property that holds what SET PERSIST was given, as JSON.
const PROPERTY: &str = "variables";

/// Keeps a global value over restarts. `value` has passed `check`.
pub fn persist(store: &Store, variable: &'static Variable, value: String) -> Result<()> {
    let mut kept = persisted(store)?;
    kept.insert(variable.name.into(), value);
    let json = serde_json::to_string(&kept).map_err(|e| SqlError::internal(e.to_string()))?;
    Ok(store.set_property(PROPERTY, Some(&json))?)
}

/// Global values that were kept, by name.
pub fn persisted(store: &Store) -> Result<BTreeMap<String, String>> {
    match store.property(PROPERTY) {
        None => Ok(BTreeMap::new()),
        Some(json) => serde_json::from_str(&json).map_err(|e| SqlError::internal(e.to_string())),
    }
}

/// A variable's value as `SELECT @@name` gives it.
pub fn select_value(variable: &Variable, text: &str) -> VariableValue {
    match variable.domain {
        Switch => VariableValue::Integer(u64::from(text == "ON")),
        Domain::Integer { .. } => text
            .parse()
            .map_or(VariableValue::Null, VariableValue::Integer),
        _ if variable.name == "secure_file_priv" && text == "NULL" => VariableValue::Null,
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
