//! What an account may do: MySQL's privileges, as a set.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

use serde::{Deserialize, Serialize};

/// A set of privileges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Privileges(u64);

macro_rules! privileges {
    ($($constant:ident = $bit:literal, $name:literal;)*) => {
        impl Privileges {
            $(pub const $constant: Self = Self(1 << $bit);)*
        }

        /// Every privilege by its name, in the order of SHOW GRANTS.
        const NAMES: &[(Privileges, &str)] = &[$((Privileges::$constant, $name),)*];
    };
}

privileges! {
    SELECT = 0, "SELECT";
    INSERT = 1, "INSERT";
    UPDATE = 2, "UPDATE";
    DELETE = 3, "DELETE";
    CREATE = 4, "CREATE";
    DROP = 5, "DROP";
    RELOAD = 6, "RELOAD";
    SHUTDOWN = 7, "SHUTDOWN";
    PROCESS = 8, "PROCESS";
    FILE = 9, "FILE";
    REFERENCES = 10, "REFERENCES";
    INDEX = 11, "INDEX";
    ALTER = 12, "ALTER";
    SHOW_DATABASES = 13, "SHOW DATABASES";
    SUPER = 14, "SUPER";
    CREATE_TEMPORARY_TABLES = 15, "CREATE TEMPORARY TABLES";
    LOCK_TABLES = 16, "LOCK TABLES";
    EXECUTE = 17, "EXECUTE";
    REPLICATION_SLAVE = 18, "REPLICATION SLAVE";
    REPLICATION_CLIENT = 19, "REPLICATION CLIENT";
    CREATE_VIEW = 20, "CREATE VIEW";
    SHOW_VIEW = 21, "SHOW VIEW";
    CREATE_ROUTINE = 22, "CREATE ROUTINE";
    ALTER_ROUTINE = 23, "ALTER ROUTINE";
    CREATE_USER = 24, "CREATE USER";
    EVENT = 25, "EVENT";
    TRIGGER = 26, "TRIGGER";
    CREATE_TABLESPACE = 27, "CREATE TABLESPACE";
    CREATE_ROLE = 28, "CREATE ROLE";
    DROP_ROLE = 29, "DROP ROLE";
    CONNECTION_ADMIN = 40, "CONNECTION_ADMIN";
    SYSTEM_VARIABLES_ADMIN = 41, "SYSTEM_VARIABLES_ADMIN";
    BACKUP_ADMIN = 42, "BACKUP_ADMIN";
    GRANT_OPTION = 63, "GRANT OPTION";
}

/// Where a privilege holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    Global,
    /// A pattern with `%` and `_`.
    Schema(String),
    Table {
        schema: String,
        table: String,
    },
}

impl Privileges {
    pub const NONE: Self = Self(0);

    /// Those that mean something to a table.
    pub const OF_TABLES: Self = Self(
        Self::SELECT.0
            | Self::INSERT.0
            | Self::UPDATE.0
            | Self::DELETE.0
            | Self::CREATE.0
            | Self::DROP.0
            | Self::REFERENCES.0
            | Self::INDEX.0
            | Self::ALTER.0
            | Self::CREATE_VIEW.0
            | Self::SHOW_VIEW.0
            | Self::TRIGGER.0,
    );

    /// Those that mean something to a database.
    pub const OF_SCHEMAS: Self = Self(
        Self::OF_TABLES.0
            | Self::CREATE_TEMPORARY_TABLES.0
            | Self::LOCK_TABLES.0
            | Self::EXECUTE.0
            | Self::CREATE_ROUTINE.0
            | Self::ALTER_ROUTINE.0
            | Self::EVENT.0,
    );

    /// What ALL means there, without GRANT OPTION.
    pub fn all_at(level: &Level) -> Self {
        match level {
            Level::Global => NAMES
                .iter()
                .fold(Self::NONE, |all, (one, _)| all | *one)
                .without(Self::GRANT_OPTION),
            Level::Schema(_) => Self::OF_SCHEMAS,
            Level::Table { .. } => Self::OF_TABLES,
        }
    }

    /// A privilege by its name in capital letters.
    pub fn named(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(privilege, _)| *privilege)
    }

    /// Those that only `*.*` knows of the newer kind, which have no place in a column of mysql.user.
    pub fn is_dynamic(self) -> bool {
        let dynamic = Self::CONNECTION_ADMIN | Self::SYSTEM_VARIABLES_ADMIN | Self::BACKUP_ADMIN;
        !self.is_none() && dynamic.has(self)
    }

    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `others` are among them.
    pub fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Each by itself, with its name.
    pub fn each(self) -> impl Iterator<Item = (Self, &'static str)> {
        NAMES.iter().copied().filter(move |(one, _)| self.has(*one))
    }
}

impl BitOr for Privileges {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Privileges {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Privileges {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Privileges {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0)
    }
}

/// Names with commas between.
impl fmt::Display for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (_, name)) in self.each().enumerate() {
            write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// A name that a later version wrote is left out: an account never gains by it.
impl From<Vec<String>> for Privileges {
    fn from(names: Vec<String>) -> Self {
        let known = names.iter().filter_map(|name| Self::named(name));
        known.fold(Self::NONE, |all, one| all | one)
    }
}

impl From<Privileges> for Vec<String> {
    fn from(privileges: Privileges) -> Self {
        privileges.each().map(|(_, name)| name.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_by_name_and_read_back() {
        let set = Privileges::SELECT | Privileges::CREATE_USER | Privileges::GRANT_OPTION;
        let json = serde_json::to_string(&set).expect("writes");
        assert_eq!(json, r#"["SELECT","CREATE USER","GRANT OPTION"]"#);
        assert_eq!(
            serde_json::from_str::<Privileges>(&json).expect("reads"),
            set
        );
        let later = serde_json::from_str::<Privileges>(r#"["SELECT","FLY"]"#).expect("reads");
        assert_eq!(later, Privileges::SELECT);
    }

    #[test]
    fn all_is_what_the_level_knows() {
        let table = Level::Table {
            schema: "d".into(),
            table: "t".into(),
        };
        let (global, schema) = (Level::Global, Level::Schema("d".into()));
        assert!(Privileges::all_at(&global).has(Privileges::SUPER | Privileges::CONNECTION_ADMIN));
        assert!(!Privileges::all_at(&global).has(Privileges::GRANT_OPTION));
        assert!(Privileges::all_at(&schema).has(Privileges::EVENT));
        assert!(!Privileges::all_at(&schema).has(Privileges::FILE));
        assert!(!Privileges::all_at(&table).has(Privileges::EVENT));
    }
}
