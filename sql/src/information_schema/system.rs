//! The few tables of the databases `mysql` and `performance_schema` that clients read.
//!
//! The databases themselves are not listed and cannot be made current: dumps and copies would take them
//! for data.

use super::column::{name, row, text, uint, varchar};
use super::{Cell, Row, VirtualTable};
use crate::accounts::{Account, Level, Privileges, Secret};
use crate::select::planner::View;
use crate::session::PERFORMANCE_SCHEMA;

const MYSQL_SCHEMA: &str = "mysql";

/// Tables of `mysql`.
pub static MYSQL: [&VirtualTable; 3] = [&USER, &DB, &TABLES_PRIV];
/// Tables of `performance_schema`.
pub static PERFORMANCE: [&VirtualTable; 2] = [&ATTRIBUTES, &ACCOUNT_ATTRIBUTES];

/// Is it one of the databases that MySQL keeps for itself, information_schema apart?
pub fn is_server_schema(schema: &str) -> bool {
    [MYSQL_SCHEMA, PERFORMANCE_SCHEMA]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(schema))
}

/// A table of one of them.
pub fn find_in(schema: &str, table: &str) -> Option<&'static VirtualTable> {
    let tables: &[&'static VirtualTable] = match schema.eq_ignore_ascii_case(MYSQL_SCHEMA) {
        true => &MYSQL,
        false => &PERFORMANCE,
    };
    let found = tables.iter().find(|t| t.name.eq_ignore_ascii_case(table));
    found.copied()
}

/// Privileges in the order of the columns of mysql.user.
const USER_COLUMNS: [Privileges; 29] = [
    Privileges::SELECT,
    Privileges::INSERT,
    Privileges::UPDATE,
    Privileges::DELETE,
    Privileges::CREATE,
    Privileges::DROP,
    Privileges::RELOAD,
    Privileges::SHUTDOWN,
    Privileges::PROCESS,
    Privileges::FILE,
    Privileges::GRANT_OPTION,
    Privileges::REFERENCES,
    Privileges::INDEX,
    Privileges::ALTER,
    Privileges::SHOW_DATABASES,
    Privileges::SUPER,
    Privileges::CREATE_TEMPORARY_TABLES,
    Privileges::LOCK_TABLES,
    Privileges::EXECUTE,
    Privileges::REPLICATION_SLAVE,
    Privileges::REPLICATION_CLIENT,
    Privileges::CREATE_VIEW,
    Privileges::SHOW_VIEW,
    Privileges::CREATE_ROUTINE,
    Privileges::ALTER_ROUTINE,
    Privileges::CREATE_USER,
    Privileges::EVENT,
    Privileges::TRIGGER,
    Privileges::CREATE_TABLESPACE,
];

/// The same of mysql.db.
const DB_COLUMNS: [Privileges; 19] = [
    Privileges::SELECT,
    Privileges::INSERT,
    Privileges::UPDATE,
    Privileges::DELETE,
    Privileges::CREATE,
    Privileges::DROP,
    Privileges::GRANT_OPTION,
    Privileges::REFERENCES,
    Privileges::INDEX,
    Privileges::ALTER,
    Privileges::CREATE_TEMPORARY_TABLES,
    Privileges::LOCK_TABLES,
    Privileges::CREATE_VIEW,
    Privileges::SHOW_VIEW,
    Privileges::CREATE_ROUTINE,
    Privileges::ALTER_ROUTINE,
    Privileges::EXECUTE,
    Privileges::EVENT,
    Privileges::TRIGGER,
];

static USER: VirtualTable = VirtualTable {
    name: "user",
    columns: &[
        varchar("Host", 255),
        varchar("User", 32),
        varchar("Select_priv", 1),
        varchar("Insert_priv", 1),
        varchar("Update_priv", 1),
        varchar("Delete_priv", 1),
        varchar("Create_priv", 1),
        varchar("Drop_priv", 1),
        varchar("Reload_priv", 1),
        varchar("Shutdown_priv", 1),
        varchar("Process_priv", 1),
        varchar("File_priv", 1),
        varchar("Grant_priv", 1),
        varchar("References_priv", 1),
        varchar("Index_priv", 1),
        varchar("Alter_priv", 1),
        varchar("Show_db_priv", 1),
        varchar("Super_priv", 1),
        varchar("Create_tmp_table_priv", 1),
        varchar("Lock_tables_priv", 1),
        varchar("Execute_priv", 1),
        varchar("Repl_slave_priv", 1),
        varchar("Repl_client_priv", 1),
        varchar("Create_view_priv", 1),
        varchar("Show_view_priv", 1),
        varchar("Create_routine_priv", 1),
        varchar("Alter_routine_priv", 1),
        varchar("Create_user_priv", 1),
        varchar("Event_priv", 1),
        varchar("Trigger_priv", 1),
        varchar("Create_tablespace_priv", 1),
        varchar("ssl_type", 9),
        varchar("plugin", 64),
        text("authentication_string").or_null(),
        varchar("password_expired", 1),
        varchar("account_locked", 1),
    ],
    rows: |view, _| Ok(accounts(view, user)),
};

static DB: VirtualTable = VirtualTable {
    name: "db",
    columns: &[
        varchar("Host", 255),
        name("Db"),
        varchar("User", 32),
        varchar("Select_priv", 1),
        varchar("Insert_priv", 1),
        varchar("Update_priv", 1),
        varchar("Delete_priv", 1),
        varchar("Create_priv", 1),
        varchar("Drop_priv", 1),
        varchar("Grant_priv", 1),
        varchar("References_priv", 1),
        varchar("Index_priv", 1),
        varchar("Alter_priv", 1),
        varchar("Create_tmp_table_priv", 1),
        varchar("Lock_tables_priv", 1),
        varchar("Create_view_priv", 1),
        varchar("Show_view_priv", 1),
        varchar("Create_routine_priv", 1),
        varchar("Alter_routine_priv", 1),
        varchar("Execute_priv", 1),
        varchar("Event_priv", 1),
        varchar("Trigger_priv", 1),
    ],
    rows: |view, _| Ok(accounts(view, databases)),
};

static TABLES_PRIV: VirtualTable = VirtualTable {
    name: "tables_priv",
    columns: &[
        varchar("Host", 255),
        name("Db"),
        varchar("User", 32),
        name("Table_name"),
        varchar("Grantor", 288),
        varchar("Table_priv", 255),
        varchar("Column_priv", 64),
    ],
    rows: |view, _| Ok(accounts(view, tables)),
};

static ATTRIBUTES: VirtualTable = VirtualTable {
    name: "session_connect_attrs",
    columns: &[
        uint("PROCESSLIST_ID"),
        varchar("ATTR_NAME", 32),
        varchar("ATTR_VALUE", 1024).or_null(),
        uint("ORDINAL_POSITION").or_null(),
    ],
    rows: |view, _| {
        let sees_all = view.rights().grants().global.has(Privileges::PROCESS);
        Ok(attributes(view, sees_all))
    },
};

static ACCOUNT_ATTRIBUTES: VirtualTable = VirtualTable {
    name: "session_account_connect_attrs",
    columns: &[
        uint("PROCESSLIST_ID"),
        varchar("ATTR_NAME", 32),
        varchar("ATTR_VALUE", 1024).or_null(),
        uint("ORDINAL_POSITION").or_null(),
    ],
    rows: |view, _| Ok(attributes(view, false)),
};

fn accounts(view: &View, rows: fn(&Account) -> Vec<Row>) -> Vec<Row> {
    let list = view.session.engine.accounts().list();
    list.accounts.iter().flat_map(rows).collect()
}

fn marks<const N: usize>(granted: Privileges, columns: [Privileges; N]) -> Vec<Cell> {
    let mark = |column: Privileges| if granted.has(column) { "Y" } else { "N" };
    columns.map(|column| Cell::from(mark(column))).into()
}

fn user(account: &Account) -> Vec<Row> {
    let yes_or_no = |yes: bool| if yes { "Y" } else { "N" };
    let mut row = row![&account.name.host, &account.name.user];
    row.extend(marks(account.grants.global, USER_COLUMNS));
    // That there is a password may be known, not what is stored of it.
    let stored = match account.secret {
        Secret::None => "",
        _ => "<secret>",
    };
    row.extend(row![
        if account.encrypted_only { "ANY" } else { "" },
        account.plugin.name(),
        stored,
        "N",
        yes_or_no(account.locked),
    ]);
    vec![row]
}

fn databases(account: &Account) -> Vec<Row> {
    let row = |(schema, granted): (&String, &Privileges)| {
        let mut row = row![&account.name.host, schema, &account.name.user];
        row.extend(marks(*granted, DB_COLUMNS));
        row
    };
    account.grants.schemas.iter().map(row).collect()
}

fn tables(account: &Account) -> Vec<Row> {
    let mut rows = Vec::new();
    for (schema, tables) in &account.grants.tables {
        for (table, granted) in tables {
            let known = *granted & Privileges::all_at(&Level::Schema(String::new()));
            let words = known.each().map(|(_, name)| in_words(name));
            let words = words.collect::<Vec<_>>().join(",");
            let (host, user) = (&account.name.host, &account.name.user);
            rows.push(row![host, schema, user, table, "", words, ""]);
        }
    }
    rows
}

/// `CREATE VIEW` as `Create View`, as the SET of that table has it.
fn in_words(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(1.min(word.len()));
        format!("{first}{}", rest.to_lowercase())
    };
    name.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn attributes(view: &View, of_all: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    let own = &view.session.context.user;
    let all = view.session.engine.processes().all();
    for process in all.iter().filter(|p| of_all || p.user == *own) {
        for (position, (name, value)) in process.attributes().iter().enumerate() {
            rows.push(row![process.id, name, value, position as u32]);
        }
    }
    rows
}
