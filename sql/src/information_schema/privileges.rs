//! Privileges of accounts: of all to those who may read them all, otherwise of one's own.

use super::column::{longtext, name, row, varchar};
use super::{CATALOG, Row, VirtualTable, no_rows};
use crate::accounts::{Account, Privileges};
use crate::select::planner::View;

pub static USER_PRIVILEGES: VirtualTable = VirtualTable {
    name: "USER_PRIVILEGES",
    columns: &[
        varchar("GRANTEE", 292),
        varchar("TABLE_CATALOG", 512),
        name("PRIVILEGE_TYPE"),
        varchar("IS_GRANTABLE", 3),
    ],
    rows: |view, _| Ok(accounts(view, user_rows)),
};

pub static SCHEMA_PRIVILEGES: VirtualTable = VirtualTable {
    name: "SCHEMA_PRIVILEGES",
    columns: &[
        varchar("GRANTEE", 292),
        varchar("TABLE_CATALOG", 512),
        name("TABLE_SCHEMA"),
        name("PRIVILEGE_TYPE"),
        varchar("IS_GRANTABLE", 3),
    ],
    rows: |view, _| Ok(accounts(view, schema_rows)),
};

pub static TABLE_PRIVILEGES: VirtualTable = VirtualTable {
    name: "TABLE_PRIVILEGES",
    columns: &[
        varchar("GRANTEE", 292),
        varchar("TABLE_CATALOG", 512),
        name("TABLE_SCHEMA"),
        name("TABLE_NAME"),
        name("PRIVILEGE_TYPE"),
        varchar("IS_GRANTABLE", 3),
    ],
    rows: |view, _| Ok(accounts(view, table_rows)),
};

pub static COLUMN_PRIVILEGES: VirtualTable = VirtualTable {
    name: "COLUMN_PRIVILEGES",
    columns: &[
        varchar("GRANTEE", 292),
        varchar("TABLE_CATALOG", 512),
        name("TABLE_SCHEMA"),
        name("TABLE_NAME"),
        name("COLUMN_NAME"),
        name("PRIVILEGE_TYPE"),
        varchar("IS_GRANTABLE", 3),
    ],
    rows: no_rows,
};

pub static USER_ATTRIBUTES: VirtualTable = VirtualTable {
    name: "USER_ATTRIBUTES",
    columns: &[
        varchar("USER", 32),
        varchar("HOST", 255),
        longtext("ATTRIBUTE").or_null(),
    ],
    rows: |view, _| Ok(accounts(view, attribute_rows)),
};

pub static ENABLED_ROLES: VirtualTable = VirtualTable {
    name: "ENABLED_ROLES",
    columns: &[
        varchar("ROLE_NAME", 255).or_null(),
        varchar("ROLE_HOST", 255).or_null(),
        varchar("IS_DEFAULT", 3).or_null(),
        varchar("IS_MANDATORY", 3),
    ],
    rows: no_rows,
};

pub static APPLICABLE_ROLES: VirtualTable = VirtualTable {
    name: "APPLICABLE_ROLES",
    columns: &[
        varchar("USER", 97).or_null(),
        varchar("HOST", 256).or_null(),
        varchar("GRANTEE", 97).or_null(),
        varchar("GRANTEE_HOST", 256).or_null(),
        varchar("ROLE_NAME", 255).or_null(),
        varchar("ROLE_HOST", 255).or_null(),
        varchar("IS_GRANTABLE", 3),
        varchar("IS_DEFAULT", 3).or_null(),
        varchar("IS_MANDATORY", 3),
    ],
    rows: no_rows,
};

/// MySQL's static privileges: name, what it is for, what it lets one do.
pub const PRIVILEGES: [(&str, &str, &str); 31] = [
    ("Alter", "Tables", "To alter the table"),
    (
        "Alter routine",
        "Functions,Procedures",
        "To alter or drop stored functions/procedures",
    ),
    (
        "Create",
        "Databases,Tables,Indexes",
        "To create new databases and tables",
    ),
    (
        "Create routine",
        "Databases",
        "To use CREATE FUNCTION/PROCEDURE",
    ),
    ("Create role", "Server Admin", "To create new roles"),
    (
        "Create temporary tables",
        "Databases",
        "To use CREATE TEMPORARY TABLE",
    ),
    ("Create view", "Tables", "To create new views"),
    ("Create user", "Server Admin", "To create new users"),
    ("Delete", "Tables", "To delete existing rows"),
    (
        "Drop",
        "Databases,Tables",
        "To drop databases, tables, and views",
    ),
    ("Drop role", "Server Admin", "To drop roles"),
    (
        "Event",
        "Server Admin",
        "To create, alter, drop and execute events",
    ),
    (
        "Execute",
        "Functions,Procedures",
        "To execute stored routines",
    ),
    (
        "File",
        "File access on server",
        "To read and write files on the server",
    ),
    (
        "Grant option",
        "Databases,Tables,Functions,Procedures",
        "To give to other users those privileges you possess",
    ),
    ("Index", "Tables", "To create or drop indexes"),
    ("Insert", "Tables", "To insert data into tables"),
    (
        "Lock tables",
        "Databases",
        "To use LOCK TABLES (together with SELECT privilege)",
    ),
    (
        "Process",
        "Server Admin",
        "To view the plain text of currently executing queries",
    ),
    ("Proxy", "Server Admin", "To make proxy user possible"),
    (
        "References",
        "Databases,Tables",
        "To have references on tables",
    ),
    (
        "Reload",
        "Server Admin",
        "To reload or refresh tables, logs and privileges",
    ),
    (
        "Replication client",
        "Server Admin",
        "To ask where the slave or master servers are",
    ),
    (
        "Replication slave",
        "Server Admin",
        "To read binary log events from the master",
    ),
    ("Select", "Tables", "To retrieve rows from table"),
    (
        "Show databases",
        "Server Admin",
        "To see all databases with SHOW DATABASES",
    ),
    ("Show view", "Tables", "To see views with SHOW CREATE VIEW"),
    ("Shutdown", "Server Admin", "To shut down the server"),
    (
        "Super",
        "Server Admin",
        "To use KILL thread, SET GLOBAL, CHANGE MASTER, etc.",
    ),
    ("Trigger", "Tables", "To use triggers"),
    ("Update", "Tables", "To update existing rows"),
];

fn accounts(view: &View, rows: fn(&Account) -> Vec<Row>) -> Vec<Row> {
    let rights = view.rights();
    let sees_all = rights.grants().on_schema("mysql").has(Privileges::SELECT);
    let list = view.session.engine.accounts().list();
    let own = &view.session.account;
    let seen = list
        .accounts
        .iter()
        .filter(|account| sees_all || account.name == *own);
    seen.flat_map(rows).collect()
}

/// Each privilege with whether it can be passed on; USAGE when there is none.
fn granted(held: Privileges) -> Vec<(&'static str, &'static str)> {
    let grantable = match held.has(Privileges::GRANT_OPTION) {
        true => "YES",
        false => "NO",
    };
    let own = held.without(Privileges::GRANT_OPTION);
    let names: Vec<&str> = match own.is_none() {
        true => vec!["USAGE"],
        false => own.each().map(|(_, name)| name).collect(),
    };
    names.into_iter().map(|name| (name, grantable)).collect()
}

fn user_rows(account: &Account) -> Vec<Row> {
    let grantee = account.name.to_string();
    let row = |(privilege, grantable)| row![&grantee, CATALOG, privilege, grantable];
    granted(account.grants.global)
        .into_iter()
        .map(row)
        .collect()
}

fn schema_rows(account: &Account) -> Vec<Row> {
    let grantee = account.name.to_string();
    let rows = |(schema, held): (&String, &Privileges)| -> Vec<Row> {
        let row = |(privilege, grantable)| row![&grantee, CATALOG, schema, privilege, grantable];
        granted(*held).into_iter().map(row).collect()
    };
    account.grants.schemas.iter().flat_map(rows).collect()
}

fn table_rows(account: &Account) -> Vec<Row> {
    let grantee = account.name.to_string();
    let mut rows = Vec::new();
    for (schema, tables) in &account.grants.tables {
        for (table, held) in tables {
            for (privilege, grantable) in granted(*held) {
                rows.push(row![&grantee, CATALOG, schema, table, privilege, grantable]);
            }
        }
    }
    rows
}

fn attribute_rows(account: &Account) -> Vec<Row> {
    let comment = (!account.comment.is_empty())
        .then(|| serde_json::json!({ "comment": account.comment }).to_string());
    vec![row![&account.name.user, &account.name.host, comment]]
}
