//! SHOW GRANTS and SHOW CREATE USER.

use crate::accounts::{Account, AccountName};
use crate::error::{Result, SqlError};
use crate::select::planner::View;

/// Heading and lines of SHOW GRANTS; of one's own account without a name. 1141 for an account that
/// does not exist.
pub fn grants(account: Option<&(String, String)>, view: &View) -> Result<(String, Vec<String>)> {
    let name = named(account, view);
    let list = view.session.engine.accounts().list();
    let AccountName { user, host } = &name;
    let missing = || {
        let text = format!("There is no such grant defined for user '{user}' on host '{host}'");
        SqlError::new(1141, "42000", text)
    };
    let account = list.find(&name).ok_or_else(missing)?;
    let heading = format!("Grants for {user}@{host}");
    Ok((heading, account.grants.statements(&name)))
}

/// Heading and line of SHOW CREATE USER. 3162 for an account that does not exist.
pub fn create_user(user: &str, host: &str, view: &View) -> Result<(String, String)> {
    let name = match (user, host) {
        ("CURRENT_USER" | "current_user", "%") => view.session.account.clone(),
        _ => AccountName::new(user, &host.to_lowercase()),
    };
    let list = view.session.engine.accounts().list();
    let missing = || {
        let text = format!("Authorization ID {name} does not exist");
        SqlError::new(3162, "HY000", text)
    };
    let account = list.find(&name).ok_or_else(missing)?;
    let heading = format!("CREATE USER for {}@{}", name.user, name.host);
    Ok((heading, statement(account)))
}

fn statement(account: &Account) -> String {
    let name = account.name.quoted();
    let plugin = account.plugin.name();
    let stored = account.secret.text().map(|text| format!(" AS '{text}'"));
    let stored = stored.unwrap_or_default();
    let require = if account.encrypted_only {
        "SSL"
    } else {
        "NONE"
    };
    let lock = if account.locked { "LOCK" } else { "UNLOCK" };
    let comment = match account.comment.as_str() {
        "" => String::new(),
        text => format!(
            " COMMENT '{}'",
            text.replace('\\', "\\\\").replace('\'', "\\'")
        ),
    };
    format!(
        "CREATE USER {name} IDENTIFIED WITH '{plugin}'{stored} REQUIRE {require} PASSWORD EXPIRE \
         DEFAULT ACCOUNT {lock} PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL DEFAULT PASSWORD \
         REQUIRE CURRENT DEFAULT{comment}"
    )
}

fn named(account: Option<&(String, String)>, view: &View) -> AccountName {
    match account {
        Some((user, host)) => AccountName::new(user, &host.to_lowercase()),
        None => view.session.account.clone(),
    }
}
