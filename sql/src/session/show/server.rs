//! SHOW of the server: variables, status, accounts, connections, warnings, logs.

use super::form::Form;
use super::{Projection, Shown, exports};
use crate::error::{Level, Result, SqlError};
use crate::information_schema::{
    self, Cell, Column, PRIVILEGES, Row, Scope, Status, bigint, name, row, text, ubigint, uint,
    varchar,
};
use crate::select::planner::View;
use crate::session::{Session, account};
use crate::show::ENGINE;

static ENGINES: Projection = Projection {
    table: &information_schema::ENGINES,
    columns: &[
        ("Engine", 0),
        ("Support", 1),
        ("Comment", 2),
        ("Transactions", 3),
        ("XA", 4),
        ("Savepoints", 5),
    ],
    like: 0,
};

static PLUGINS: Projection = Projection {
    table: &information_schema::PLUGINS,
    columns: &[
        ("Name", 0),
        ("Status", 2),
        ("Type", 3),
        ("Library", 5),
        ("License", 9),
    ],
    like: 0,
};

static CHARACTER_SETS: Projection = Projection {
    table: &information_schema::CHARACTER_SETS,
    columns: &[
        ("Charset", 0),
        ("Description", 2),
        ("Default collation", 1),
        ("Maxlen", 3),
    ],
    like: 0,
};

static COLLATIONS: Projection = Projection {
    table: &information_schema::COLLATIONS,
    columns: &[
        ("Collation", 0),
        ("Charset", 1),
        ("Id", 2),
        ("Default", 3),
        ("Compiled", 4),
        ("Sortlen", 5),
        ("Pad_attribute", 6),
    ],
    like: 0,
};

static PROCESSES: Projection = Projection {
    table: &information_schema::PROCESSLIST,
    columns: &[
        ("Id", 0),
        ("User", 1),
        ("Host", 2),
        ("db", 3),
        ("Command", 4),
        ("Time", 5),
        ("State", 6),
        ("Info", 7),
    ],
    like: 0,
};

/// Characters of a statement that SHOW PROCESSLIST without FULL shows.
const INFO_CHARACTERS: usize = 100;

pub(super) fn show(session: &Session, form: &Form, view: &View) -> Result<Shown> {
    let all = Scope::default();
    match form {
        Form::Variables { global } => Ok(named_values(
            information_schema::variable_values(view, *global),
            if *global {
                "global_variables"
            } else {
                "session_variables"
            },
        )),
        Form::Status { global } => {
            let (status, table) = match global {
                true => (Status::Global, "global_status"),
                false => (Status::Session, "session_status"),
            };
            let values = information_schema::status_values(view, status);
            Ok(named_values(values, table))
        }
        Form::Engines => ENGINES.show(view, &all),
        Form::EngineStatus { engine } => engine_status(engine, view),
        Form::Plugins => PLUGINS.show(view, &all),
        Form::CharacterSets => CHARACTER_SETS.show(view, &all),
        Form::Collations => COLLATIONS.show(view, &all),
        Form::Privileges => Ok(privileges()),
        Form::Grants { account } => grants(account.as_ref(), view),
        Form::Exports => Ok(exports::exports(session)),
        Form::Links => exports::links(session),
        Form::Processes { full } => processes(view, *full),
        Form::Profiles => Ok(Shown::new("", &PROFILES, Vec::new())),
        Form::Profile => Ok(Shown::new("", &PROFILE, Vec::new())),
        Form::BinaryLogs => Err(SqlError::new(
            1381,
            "HY000",
            "You are not using binary logging",
        )),
        Form::BinaryLogStatus => Ok(Shown::new("", &BINARY_LOG_STATUS, Vec::new())),
        Form::Replicas => Ok(Shown::new("", &REPLICAS, Vec::new())),
        Form::ReplicaStatus { old_words } => Ok(replica_status(*old_words)),
        Form::Warnings {
            errors,
            offset,
            count,
        } => Ok(warnings(session, *errors, (*offset, *count))),
        Form::Count { errors } => Ok(count(session, *errors)),
        _ => Err(SqlError::internal("Internal error: a SHOW without rows")),
    }
}

static PROFILES: [Column; 3] = [
    uint("Query_ID"),
    varchar("Duration", 20),
    varchar("Query", 300),
];
static PROFILE: [Column; 2] = [varchar("Status", 30), varchar("Duration", 20)];
static BINARY_LOG_STATUS: [Column; 5] = [
    varchar("File", 255),
    ubigint("Position"),
    varchar("Binlog_Do_DB", 255),
    varchar("Binlog_Ignore_DB", 255),
    varchar("Executed_Gtid_Set", 255),
];
static REPLICAS: [Column; 5] = [
    uint("Server_Id"),
    varchar("Host", 255),
    uint("Port"),
    uint("Source_Id"),
    varchar("Replica_UUID", 36),
];

fn named_values(values: Vec<(&'static str, String)>, table: &'static str) -> Shown {
    let columns = [name("Variable_name"), varchar("Value", 1024).or_null()];
    let row = |(name, value): (&'static str, String)| row![name, value];
    Shown::new(table, &columns, values.into_iter().map(row).collect())
}

/// 1286 for an engine that is not ours.
fn engine_status(engine: &str, view: &View) -> Result<Shown> {
    if !engine.eq_ignore_ascii_case(ENGINE) && !engine.eq_ignore_ascii_case("innodb") {
        return Err(SqlError::unknown_storage_engine(engine));
    }
    let values = information_schema::status_values(view, Status::Global);
    let lines = values
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    let status = lines.collect::<Vec<_>>().join("\n");
    let columns = [varchar("Type", 10), varchar("Name", 512), text("Status")];
    Ok(Shown::new("", &columns, vec![row![ENGINE, "", status]]))
}

fn privileges() -> Shown {
    let columns = [
        varchar("Privilege", 10),
        varchar("Context", 15),
        varchar("Comment", 512),
    ];
    let rows = PRIVILEGES
        .iter()
        .map(|(privilege, context, comment)| row![*privilege, *context, *comment]);
    Shown::new("", &columns, rows.collect())
}

fn grants(account: Option<&(String, String)>, view: &View) -> Result<Shown> {
    let (heading, lines) = account::grants(account, view)?;
    let rows = lines.into_iter().map(|line| row![line]).collect();
    Ok(Shown::under("", heading, rows))
}

fn processes(view: &View, full: bool) -> Result<Shown> {
    let mut shown = PROCESSES.show(view, &Scope::default())?;
    if !full {
        for info in shown.rows.iter_mut().filter_map(|row| row.last_mut()) {
            if let Cell::Text(text) = info {
                *info = Cell::from(text.chars().take(INFO_CHARACTERS).collect::<String>());
            }
        }
    }
    Ok(shown)
}

fn warnings(session: &Session, errors: bool, (offset, count): (u64, u64)) -> Shown {
    let level = |level| match level {
        Level::Note => "Note",
        Level::Warning => "Warning",
        Level::Error => "Error",
    };
    let limit = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let all = session.sink.kept();
    let shown = all.iter();
    let rows: Vec<Row> = shown
        .filter(|w| !errors || w.level == Level::Error)
        .skip(limit(offset))
        .take(limit(count))
        .map(|w| row![level(w.level), u32::from(w.code), &w.message])
        .collect();
    let columns = [varchar("Level", 7), uint("Code"), varchar("Message", 512)];
    Shown::new("", &columns, rows)
}

fn count(session: &Session, errors: bool) -> Shown {
    let (warnings, error_count) = session.diagnostics();
    let (column, count) = match errors {
        true => (bigint("@@session.error_count"), error_count),
        false => (bigint("@@session.warning_count"), warnings),
    };
    Shown::new("", &[column], vec![row![count]])
}

/// Columns of SHOW REPLICA STATUS, which has no rows.
fn replica_status(old_words: bool) -> Shown {
    const NAMES: [&str; 22] = [
        "Replica_IO_State",
        "Source_Host",
        "Source_User",
        "Source_Port",
        "Connect_Retry",
        "Source_Log_File",
        "Read_Source_Log_Pos",
        "Relay_Log_File",
        "Relay_Log_Pos",
        "Relay_Source_Log_File",
        "Replica_IO_Running",
        "Replica_SQL_Running",
        "Last_Errno",
        "Last_Error",
        "Exec_Source_Log_Pos",
        "Seconds_Behind_Source",
        "Last_IO_Errno",
        "Last_IO_Error",
        "Last_SQL_Errno",
        "Last_SQL_Error",
        "Source_Server_Id",
        "Source_UUID",
    ];
    let mut shown = Shown::new("", &NAMES.map(|n| varchar(n, 255)), Vec::new());
    if old_words {
        for heading in &mut shown.headings {
            let old = heading.name.replace("Replica", "Slave");
            heading.name = old.replace("Source", "Master");
        }
    }
    shown
}
