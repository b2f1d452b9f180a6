//! What statements about accounts do to the list. All of a statement or nothing.

use std::sync::Arc;

use storno_storage::Snapshot;

use super::parse::{Auth, Named, Options, Statement, User, Which};
use super::{default_plugin, note};
use crate::accounts::{Account, AccountName, Level, List, Privileges, Secret};
use crate::error::{Result, SqlError, Warning};
use crate::views::Views;

/// What of the session and the store a statement depends on.
pub struct Context {
    pub own: AccountName,
    pub database: Option<String>,
    pub snapshot: Snapshot,
    pub views: Arc<Views>,
}

impl Context {
    fn name(&self, named: Named) -> AccountName {
        match named {
            Named::Own => self.own.clone(),
            Named::Other(name) => name,
        }
    }

    fn names(&self, named: Vec<Named>) -> Vec<AccountName> {
        named.into_iter().map(|named| self.name(named)).collect()
    }
}

/// Carries a statement out. 1396 names all accounts for which it failed.
pub fn apply(statement: Statement, context: &Context, list: &mut List) -> Result<Vec<Warning>> {
    match statement {
        Statement::Create {
            if_not_exists,
            users,
            options,
        } => create(users, &options, if_not_exists, context, list),
        Statement::Alter {
            if_exists,
            users,
            options,
        } => alter(users, &options, if_exists, context, list),
        Statement::Drop { if_exists, names } => drop_users(context.names(names), if_exists, list),
        Statement::Rename(pairs) => rename(pairs, context, list),
        Statement::Grant {
            which,
            with_grant_option,
            level,
            to,
        } => {
            let level = level.level(context.database.as_deref())?;
            let mut privileges = privileges_at(which, &level)?;
            check_table(&level, privileges, context)?;
            if with_grant_option {
                privileges |= Privileges::GRANT_OPTION;
            }
            grant(context.names(to), privileges, &level, list)
        }
        Statement::Revoke {
            if_exists,
            ignore_unknown_user,
            which,
            level,
            from,
        } => {
            let level = level.level(context.database.as_deref())?;
            let mut privileges = privileges_at(which, &level)?;
            if which == Which::All {
                privileges = privileges.without(Privileges::GRANT_OPTION);
            }
            let lenient = (if_exists, ignore_unknown_user);
            revoke(context.names(from), privileges, &level, lenient, list)
        }
        Statement::RevokeEverything {
            if_exists,
            ignore_unknown_user,
            from,
        } => {
            let lenient = if_exists || ignore_unknown_user;
            revoke_everything(context.names(from), lenient, list)
        }
    }
}

/// 1396: the operation failed for these accounts.
fn failed(operation: &str, names: &[AccountName]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let text = format!("Operation {operation} failed for {}", names.join(","));
    Err(SqlError::new(1396, "HY000", text))
}

fn set(account: &mut Account, auth: Option<Auth>, options: &Options) {
    if let Some(Auth { plugin, secret }) = auth {
        (account.plugin, account.secret) = (plugin, secret);
    }
    account.encrypted_only = options.encrypted_only.unwrap_or(account.encrypted_only);
    account.locked = options.locked.unwrap_or(account.locked);
    if let Some(comment) = &options.comment {
        account.comment.clone_from(comment);
    }
}

fn create(
    users: Vec<User>,
    options: &Options,
    if_not_exists: bool,
    context: &Context,
    list: &mut List,
) -> Result<Vec<Warning>> {
    let (mut warnings, mut there) = (Vec::new(), Vec::new());
    for User { name, auth } in users {
        let name = context.name(name);
        if list.find(&name).is_some() {
            warnings.push(note(3163, &name, "already exists."));
            there.push(name);
            continue;
        }
        let auth = auth.unwrap_or(Auth {
            plugin: default_plugin(),
            secret: Secret::None,
        });
        let mut account = Account::new(name);
        set(&mut account, Some(auth), options);
        list.accounts.push(account);
    }
    match if_not_exists {
        true => Ok(warnings),
        false => failed("CREATE USER", &there).map(|()| Vec::new()),
    }
}

fn alter(
    users: Vec<User>,
    options: &Options,
    if_exists: bool,
    context: &Context,
    list: &mut List,
) -> Result<Vec<Warning>> {
    let (mut warnings, mut missing) = (Vec::new(), Vec::new());
    for User { name, auth } in users {
        let name = context.name(name);
        match list.find_mut(&name) {
            Some(account) => set(account, auth, options),
            None => {
                warnings.push(note(3162, &name, "does not exist."));
                missing.push(name);
            }
        }
    }
    match if_exists {
        true => Ok(warnings),
        false => failed("ALTER USER", &missing).map(|()| Vec::new()),
    }
}

fn drop_users(names: Vec<AccountName>, if_exists: bool, list: &mut List) -> Result<Vec<Warning>> {
    let (mut warnings, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        let before = list.accounts.len();
        list.accounts.retain(|account| account.name != name);
        if list.accounts.len() == before {
            warnings.push(note(3162, &name, "does not exist."));
            missing.push(name);
        }
    }
    match if_exists {
        true => Ok(warnings),
        false => failed("DROP USER", &missing).map(|()| Vec::new()),
    }
}

fn rename(pairs: Vec<(Named, Named)>, context: &Context, list: &mut List) -> Result<Vec<Warning>> {
    let mut wrong = Vec::new();
    for (from, to) in pairs {
        let (from, to) = (context.name(from), context.name(to));
        let is_taken = list.find(&to).is_some();
        match list.find_mut(&from).filter(|_| !is_taken) {
            Some(account) => account.name = to,
            None => wrong.push(from),
        }
    }
    failed("RENAME USER", &wrong).map(|()| Vec::new())
}

/// 1221 and 1144 for privileges that mean nothing there, 3619 for those of `*.*` alone.
fn privileges_at(which: Which, level: &Level) -> Result<Privileges> {
    let known = Privileges::all_at(level) | Privileges::GRANT_OPTION;
    let Which::These(privileges) = which else {
        return Ok(Privileges::all_at(level));
    };
    let wrong = privileges.without(known);
    if wrong.is_none() {
        return Ok(privileges);
    }
    if let Some((_, name)) = wrong.each().find(|(one, _)| one.is_dynamic()) {
        let text = format!("Illegal privilege level specified for {name}");
        return Err(SqlError::new(3619, "HY000", text));
    }
    Err(match level {
        Level::Schema(_) => SqlError::new(
            1221,
            "HY000",
            "Incorrect usage of DB GRANT and GLOBAL PRIVILEGES",
        ),
        _ => SqlError::new(
            1144,
            "42000",
            "Illegal GRANT/REVOKE command; please consult the manual to see which privileges can \
             be used",
        ),
    })
}

/// 1146 for a grant on a table or view that is not there, unless it lets create it.
fn check_table(level: &Level, privileges: Privileges, context: &Context) -> Result<()> {
    let Level::Table { schema, table } = level else {
        return Ok(());
    };
    let is_there = context.snapshot.table(schema, table).is_some()
        || context.views.get(schema, table).is_some();
    match is_there || privileges.has(Privileges::CREATE) {
        true => Ok(()),
        false => Err(SqlError::unknown_table(schema, table)),
    }
}

fn grant(
    names: Vec<AccountName>,
    privileges: Privileges,
    level: &Level,
    list: &mut List,
) -> Result<Vec<Warning>> {
    for name in names {
        let account = list.find_mut(&name).ok_or_else(|| {
            let text = "You are not allowed to create a user with GRANT";
            SqlError::new(1410, "42000", text)
        })?;
        let held = account.grants.at(level).unwrap_or_default();
        account.grants.set(level, held | privileges);
    }
    Ok(Vec::new())
}

fn revoke(
    names: Vec<AccountName>,
    privileges: Privileges,
    level: &Level,
    (if_exists, ignore_unknown_user): (bool, bool),
    list: &mut List,
) -> Result<Vec<Warning>> {
    let mut warnings = Vec::new();
    for name in names {
        let Some(account) = list.find_mut(&name) else {
            if ignore_unknown_user || if_exists {
                warnings.push(note(3162, &name, "does not exist."));
                continue;
            }
            return Err(no_such_grant(&name, level));
        };
        match account.grants.at(level) {
            Some(held) => account.grants.set(level, held.without(privileges)),
            None if if_exists => {
                warnings.push(Warning::new(1141, no_such_grant(&name, level).message));
            }
            None => return Err(no_such_grant(&name, level)),
        }
    }
    Ok(warnings)
}

/// 1141; 1147 for a table.
fn no_such_grant(name: &AccountName, level: &Level) -> SqlError {
    let AccountName { user, host } = name;
    let text = format!("There is no such grant defined for user '{user}' on host '{host}'");
    match level {
        Level::Table { table, .. } => {
            SqlError::new(1147, "42000", format!("{text} on table '{table}'"))
        }
        _ => SqlError::new(1141, "42000", text),
    }
}

fn revoke_everything(
    names: Vec<AccountName>,
    lenient: bool,
    list: &mut List,
) -> Result<Vec<Warning>> {
    let (mut warnings, mut is_missing) = (Vec::new(), false);
    for name in names {
        match list.find_mut(&name) {
            Some(account) => account.grants = Default::default(),
            None => {
                warnings.push(note(3162, &name, "does not exist."));
                is_missing = true;
            }
        }
    }
    match is_missing && !lenient {
        true => Err(SqlError::new(
            1269,
            "HY000",
            "Can't revoke all privileges for one or more of the requested users",
        )),
        false => Ok(warnings),
    }
}
