//! The server itself: variables, status, engines, plugins, connections.

use std::time::Instant;

use super::column::{int, longtext, name, row, ubigint, varchar};
use super::{Row, VirtualTable};
use crate::accounts::Privileges;
use crate::backup::Continuous;
use crate::export::JobKind;
use crate::select::planner::View;
use crate::session::variables::{Scope as VariableScope, VARIABLES, Variable};
use crate::show::ENGINE;

pub static GLOBAL_VARIABLES: VirtualTable = VirtualTable {
    name: "GLOBAL_VARIABLES",
    columns: &[name("VARIABLE_NAME"), varchar("VARIABLE_VALUE", 2048)],
    rows: |view, _| Ok(upper_names(variable_values(view, true))),
};

pub static SESSION_VARIABLES: VirtualTable = VirtualTable {
    name: "SESSION_VARIABLES",
    columns: &[name("VARIABLE_NAME"), varchar("VARIABLE_VALUE", 2048)],
    rows: |view, _| Ok(upper_names(variable_values(view, false))),
};

pub static GLOBAL_STATUS: VirtualTable = VirtualTable {
    name: "GLOBAL_STATUS",
    columns: &[name("VARIABLE_NAME"), varchar("VARIABLE_VALUE", 2048)],
    rows: |view, _| Ok(upper_names(status_values(view, Status::Global))),
};

pub static SESSION_STATUS: VirtualTable = VirtualTable {
    name: "SESSION_STATUS",
    columns: &[name("VARIABLE_NAME"), varchar("VARIABLE_VALUE", 2048)],
    rows: |view, _| Ok(upper_names(status_values(view, Status::Session))),
};

pub static ENGINES: VirtualTable = VirtualTable {
    name: "ENGINES",
    columns: &[
        name("ENGINE"),
        varchar("SUPPORT", 8),
        varchar("COMMENT", 80),
        varchar("TRANSACTIONS", 3).or_null(),
        varchar("XA", 3).or_null(),
        varchar("SAVEPOINTS", 3).or_null(),
    ],
    rows: |_, _| {
        let comment = "Columnar analytics (Storno)";
        Ok(vec![row![ENGINE, "DEFAULT", comment, "YES", "NO", "YES"]])
    },
};

pub static PLUGINS: VirtualTable = VirtualTable {
    name: "PLUGINS",
    columns: &[
        name("PLUGIN_NAME"),
        varchar("PLUGIN_VERSION", 20),
        varchar("PLUGIN_STATUS", 10),
        varchar("PLUGIN_TYPE", 80),
        varchar("PLUGIN_TYPE_VERSION", 20),
        name("PLUGIN_LIBRARY").or_null(),
        varchar("PLUGIN_LIBRARY_VERSION", 20).or_null(),
        name("PLUGIN_AUTHOR").or_null(),
        longtext("PLUGIN_DESCRIPTION").or_null(),
        varchar("PLUGIN_LICENSE", 80).or_null(),
        name("LOAD_OPTION"),
    ],
    rows: |_, _| Ok(plugins()),
};

pub static PROCESSLIST: VirtualTable = VirtualTable {
    name: "PROCESSLIST",
    columns: &[
        ubigint("ID"),
        varchar("USER", 32),
        varchar("HOST", 261),
        name("DB").or_null(),
        varchar("COMMAND", 16),
        int("TIME"),
        name("STATE").or_null(),
        varchar("INFO", 65_535).or_null(),
    ],
    rows: |view, _| Ok(processes(view)),
};

/// Whose counters SHOW STATUS shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Global,
    Session,
}

/// Name and value of every system variable, by name.
pub fn variable_values(view: &View, global: bool) -> Vec<(&'static str, String)> {
    let value = |v: &'static Variable| match global {
        true => view.session.variables.globals().get(v),
        false => view.session.variables.get(v).into_owned(),
    };
    let shown = VARIABLES
        .iter()
        .filter(|v| !global || v.scope != VariableScope::Session);
    shown.map(|v| (v.name, value(v))).collect()
}

/// Name and value of every status variable, by name.
pub fn status_values(view: &View, status: Status) -> Vec<(&'static str, String)> {
    let engine = &view.session.engine;
    let processes = engine.processes();
    let all = processes.all();
    let running = all.iter().filter(|p| p.state().is_running()).count();
    let questions = match status {
        Status::Global => processes.questions(),
        Status::Session => view.session.process.questions(),
    };
    let continuous = engine.continuous().map(Continuous::status);
    let mut values = vec![
        ("Connections", processes.opened().to_string()),
        ("Max_used_connections", processes.most().to_string()),
        ("Queries", processes.questions().to_string()),
        ("Questions", questions.to_string()),
        ("Ssl_cipher", String::new()),
        ("Ssl_version", String::new()),
        // Ours: queries that were not planned anew.
        ("Storno_plans_reused", engine.plans().reused().to_string()),
        ("Storno_rows_resent", engine.rows_resent().to_string()),
        ("Threads_connected", all.len().to_string()),
        ("Threads_running", running.to_string()),
        ("Uptime", engine.uptime().as_secs().to_string()),
    ];
    values.extend(continuous.into_iter().flatten());
    values.sort_by_key(|(name, _)| *name);
    values
}

/// As MariaDB has these tables: names in upper case.
fn upper_names(values: Vec<(&'static str, String)>) -> Vec<Row> {
    let row = |(name, value): (&str, String)| row![name.to_uppercase(), value];
    values.into_iter().map(row).collect()
}

fn plugins() -> Vec<Row> {
    let version = env!("CARGO_PKG_VERSION");
    let all = [
        (
            "mysql_native_password",
            "AUTHENTICATION",
            "Native MySQL authentication",
        ),
        (
            "caching_sha2_password",
            "AUTHENTICATION",
            "Caching sha2 authentication",
        ),
        (ENGINE, "STORAGE ENGINE", "Columnar analytics (Storno)"),
    ];
    let row = |(name, kind, description): (&'static str, &'static str, &'static str)| {
        let none = Option::<u32>::None;
        let mut row = row![name, version, "ACTIVE", kind, version, none, none];
        row.extend(row!["Storno", description, "Apache-2.0", "FORCE"]);
        row
    };
    all.into_iter().map(row).collect()
}

/// What a connection's statement is at.
fn doing(view: &View, connection: u32) -> String {
    match view.session.engine.jobs().of_connection(connection) {
        None => "executing".into(),
        Some(job) if job.kind == JobKind::Backup => format!(
            "backing up: {} files, {} bytes",
            job.progress.files(),
            job.progress.bytes()
        ),
        Some(job) => format!(
            "exporting: {} rows, {} files, {} bytes",
            job.progress.rows(),
            job.progress.files(),
            job.progress.bytes()
        ),
    }
}

/// All connections, the asking one included, by id; without PROCESS those of the same user.
pub fn processes(view: &View) -> Vec<Row> {
    let now = Instant::now();
    let row = |process: &crate::session::process::Process| {
        let state = process.state();
        let seconds = now.saturating_duration_since(state.since).as_secs();
        let running = state.is_running();
        row![
            process.id,
            &process.user,
            &process.host,
            state.database.as_ref(),
            state.command,
            seconds,
            if running {
                doing(view, process.id)
            } else {
                Default::default()
            },
            running.then(|| state.shown()),
        ]
    };
    let all = view.session.engine.processes().all();
    let sees_all = view.rights().grants().global.has(Privileges::PROCESS);
    let seen = all
        .iter()
        .filter(|p| sees_all || p.user == view.session.context.user);
    seen.map(|p| row(p)).collect()
}
