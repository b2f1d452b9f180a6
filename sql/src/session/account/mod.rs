//! Statements about accounts: who there is, what each may do. They take effect at once, also for
//! sessions that are open, and commit what is open before, as definitions do.

mod change;
pub mod parse;
pub mod secret;
mod show;

pub(super) use show::{create_user, grants};

use super::{Session, done};
use crate::accounts::{AccountName, List, Plugin};
use crate::dialect::Lexed;
use crate::error::{Result, SqlError, Warning};
use crate::result::Outcome;

impl Session {
    pub(super) async fn account_statement(&mut self, lexed: &Lexed) -> Result<Outcome> {
        let statement = parse::parse(lexed)?;
        self.commit().await?;
        let context = change::Context {
            own: self.account.clone(),
            database: self.database.clone(),
            snapshot: self.engine.store().snapshot(),
            views: self.engine.views(),
        };
        let warnings = self
            .change_accounts(move |list| change::apply(statement, &context, list))
            .await?;
        self.warn(warnings);
        Ok(done(0))
    }

    /// SET PASSWORD. 1133 for an account that does not exist.
    pub(super) async fn set_password(
        &mut self,
        account: Option<(String, String)>,
        password: String,
    ) -> Result<()> {
        let named = account.map(|(user, host)| AccountName::new(&user, &host.to_lowercase()));
        let name = named.unwrap_or_else(|| self.account.clone());
        self.change_accounts(move |list| {
            let account = list.find_mut(&name).ok_or_else(|| {
                SqlError::new(
                    1133,
                    "42000",
                    "Can't find any matching row in the user table",
                )
            })?;
            account.secret = account.plugin.secret(&password);
            Ok(())
        })
        .await
    }

    async fn change_accounts<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut List) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let engine = self.engine.clone();
        let work = move |store: &storno_storage::Store| engine.accounts().change(store, change);
        self.engine.blocking_sql(work).await
    }
}

/// The plugin of accounts of which nothing is said.
fn default_plugin() -> Plugin {
    Plugin::default()
}

/// A note that something was so already.
fn note(code: u16, name: &AccountName, what: &str) -> Warning {
    Warning::note(code, format!("Authorization ID {name} {what}"))
}
