//! The forms of SHOW, as parsed.

/// A table that may be qualified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub schema: Option<String>,
    pub table: String,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    Databases,
    Tables {
        schema: Option<String>,
        full: bool,
    },
    OpenTables {
        schema: Option<String>,
    },
    TableStatus {
        schema: Option<String>,
    },
    Columns {
        target: Target,
        full: bool,
    },
    Index {
        target: Target,
    },
    CreateTable(Target),
    CreateView(Target),
    CreateDatabase {
        name: String,
        if_not_exists: bool,
    },
    CreateUser(String, String),
    /// PROCEDURE, FUNCTION, TRIGGER, EVENT: none exists.
    CreateObject {
        kind: &'static str,
        name: String,
    },
    Variables {
        global: bool,
    },
    Status {
        global: bool,
    },
    Engines,
    EngineStatus {
        engine: String,
    },
    Plugins,
    CharacterSets,
    Collations,
    Privileges,
    /// `None`: those of the session's own account.
    Grants {
        account: Option<(String, String)>,
    },
    Processes {
        full: bool,
    },
    Triggers {
        schema: Option<String>,
    },
    Events {
        schema: Option<String>,
    },
    Routines,
    Exports,
    Links,
    Profiles,
    Profile,
    BinaryLogs,
    BinaryLogStatus,
    Replicas,
    /// In the words of before 8.0.22?
    ReplicaStatus {
        old_words: bool,
    },
    Warnings {
        errors: bool,
        offset: u64,
        count: u64,
    },
    Count {
        errors: bool,
    },
}

/// Which of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    All,
    Like(String),
    /// The condition's text begins at this byte of the statement.
    Where {
        from: usize,
    },
}

/// A parsed SHOW.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    pub form: Form,
    pub filter: Filter,
}
