//! ALTER USER: setting and removing root's password.

use super::{Session, account_name, done};
use crate::accounts::{Plugin, set_password};
use crate::dialect::Lexed;
use crate::error::{Result, SqlError};
use crate::result::Outcome;

/// A parsed `ALTER USER`.
struct AlterUser {
    user: String,
    plugin: Plugin,
    password: String,
}

impl Session {
    pub(super) async fn alter_user(&mut self, lexed: &Lexed) -> Result<Outcome> {
        let AlterUser {
            user,
            plugin,
            password,
        } = parse(lexed, &self.context.user)?;
        let set =
            move |store: &storno_storage::Store| set_password(store, &user, &password, plugin);
        self.engine.blocking_sql(set).await?;
        Ok(done(0))
    }
}

/// `ALTER USER [IF EXISTS] {user | USER()} IDENTIFIED [WITH plugin] BY 'password'`
fn parse(lexed: &Lexed, current: &str) -> Result<AlterUser> {
    let mut at = if lexed.are(2, &["IF", "EXISTS"]) {
        4
    } else {
        2
    };
    let own = (lexed.is(at, "USER") || lexed.is(at, "CURRENT_USER")) && lexed.word(at + 1) == "(";
    let user = if own {
        at += 3;
        current.to_string()
    } else {
        let ((user, _host), next) = account_name(lexed, at)?;
        at = next;
        user
    };
    if !lexed.is(at, "IDENTIFIED") {
        return Err(match lexed.word(at) {
            "" => lexed.error_at(at),
            other => SqlError::not_supported(&format!("ALTER USER ... {}", other.to_uppercase())),
        });
    }
    at += 1;
    let mut plugin = Plugin::CachingSha2;
    if lexed.is(at, "WITH") {
        let name = lexed
            .string(at + 1)
            .or_else(|| lexed.identifier(at + 1))
            .unwrap_or_default();
        plugin = match name.to_lowercase().as_str() {
            "caching_sha2_password" => Plugin::CachingSha2,
            "mysql_native_password" => Plugin::Native,
            _ => {
                return Err(SqlError::new(
                    1524,
                    "HY000",
                    format!("Plugin '{name}' is not loaded"),
                ));
            }
        };
        at += 2;
    }
    if !lexed.is(at, "BY") {
        return Err(lexed.error_at(at));
    }
    let password = lexed.string(at + 1).ok_or_else(|| lexed.error_at(at + 1))?;
    let end = if lexed.is(at + 2, ";") {
        at + 3
    } else {
        at + 2
    };
    match end < lexed.tokens.len() {
        true => Err(lexed.error_at(end)),
        false => Ok(AlterUser {
            user,
            plugin,
            password,
        }),
    }
}
