//! System variables: a closed list with scope, kind and default; the values of one session.
//!
//! A name that is not listed is error 1193. Nothing of DataFusion's configuration is reachable here.

mod check;
mod list;

use std::borrow::Cow;
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
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its place in the list.
    position: usize,
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

/// A variable that the server itself asks for: it costs no search, and a name that is not listed does not
/// compile.
macro_rules! known {
    ($name:literal) => {
        const { $crate::session::variables::listed($name) }
    };
}
pub(crate) use known;

/// The work of `known`, for constants.
pub const fn listed(name: &str) -> &'static Variable {
    let mut at = 0;
    while at < list::LIST.len() {
        let variable = &list::LIST[at];
        if is_same(variable.name.as_bytes(), name.as_bytes()) {
            return variable;
        }
        at += 1;
    }
    panic!("no such system variable")
}

/// Comparison of strings is no constant function.
const fn is_same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([first_a, rest_a @ ..], [first_b, rest_b @ ..]) = (a, b) {
        if *first_a != *first_b {
            return false;
        }
        (a, b) = (rest_a, rest_b);
    }
    a.is_empty() && b.is_empty()
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
pub struct GlobalVariables(Arc<Globals>);

/// Values by position in the list; "" where there is no session value.
type Beginning = Arc<[String]>;

#[derive(Debug, Default)]
struct Globals {
    values: RwLock<BTreeMap<&'static str, String>>,
    /// What a new session begins with, shared by all that began since the last SET GLOBAL.
    beginning: RwLock<Option<Beginning>>,
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

    fn beginning(&self) -> Beginning {
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
        let value = |variable: &'static Variable| match variable.has_session_value() {
            true => self.get(variable),
            false => String::new(),
        };
        let made = known.get_or_insert_with(|| VARIABLES.iter().map(value).collect());
        Arc::clone(made)
    }
}

/// A session's own values over the global ones.
#[derive(Debug, Clone)]
pub struct SessionVariables {
    globals: GlobalVariables,
    /// The values that the session began with.
    beginning: Beginning,
    /// What it has set, by position: a few. Shared with the statement that runs; SET makes a copy.
    own: Arc<Vec<(usize, String)>>,
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
    pub fn get(&self, variable: &'static Variable) -> Cow<'_, str> {
        if !variable.has_session_value() {
            return Cow::Owned(self.globals.get(variable));
        }
        let mut own = self.own.iter();
        let own = own.find(|(position, _)| *position == variable.position);
        let beginning = || self.beginning.get(variable.position).map(String::as_str);
        let value = own.map(|(_, value)| value.as_str()).or_else(beginning);
        Cow::Borrowed(value.unwrap_or(variable.default))
    }

    pub fn is_on(&self, variable: &'static Variable) -> bool {
        self.get(variable) == "ON"
    }

    pub fn integer(&self, variable: &'static Variable) -> u64 {
        self.get(variable).parse().unwrap_or(0)
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
            "tx_isolation" => Some(known!("transaction_isolation")),
            "transaction_isolation" => Some(known!("tx_isolation")),
            "tx_read_only" => Some(known!("transaction_read_only")),
            "transaction_read_only" => Some(known!("tx_read_only")),
            _ => None,
        };
        if let Some(twin) = twin {
            self.keep(twin.position, value.clone());
        }
        self.keep(variable.position, value);
        Ok(())
    }

    fn keep(&mut self, position: usize, value: String) {
        let own = Arc::make_mut(&mut self.own);
        own.retain(|(other, _)| *other != position);
        own.push((position, value));
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
        for (at, variable) in VARIABLES.iter().enumerate() {
            assert_eq!(
                (at, listed(variable.name).name),
                (variable.position, variable.name)
            );
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
