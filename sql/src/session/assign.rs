//! What SET does: each part takes effect in its order; the first error ends the statement.

use super::accounts_of;
use super::query::{scalar_text, variable_text};
use super::set::{self, Assignment, Target, ValueText};
use super::variables::{self, Domain, Scope, wrong_scope};
use super::{Session, done};
use crate::accounts::{Plugin, set_password};
use crate::dialect::Lexed;
use crate::error::{Result, SqlError};
use crate::result::Outcome;

impl Session {
    pub(super) async fn set(&mut self, lexed: &Lexed) -> Result<Outcome> {
        for part in set::parse(lexed)? {
            match part {
                Assignment::Variable { target, value } => self.assign(target, value).await?,
                Assignment::Names { charset, collation } => self.set_names(charset, collation)?,
                Assignment::Transaction { global, settings } => {
                    for (name, value) in settings {
                        self.set_variable(global, name, Some(&value)).await?;
                    }
                }
                Assignment::Password { account, password } => {
                    let user = accounts_of(&self.context, account);
                    let set = move |store: &storno_storage::Store| {
                        set_password(store, &user, &password, Plugin::CachingSha2)
                    };
                    self.engine.blocking_sql(set).await?;
                }
            }
        }
        Ok(done(0))
    }

    async fn assign(&mut self, target: Target, value: ValueText) -> Result<()> {
        let (global, name) = match &target {
            Target::User(name) => {
                let text = match value {
                    ValueText::Word(w) | ValueText::Expression(w) => w,
                    ValueText::Default => return Err(SqlError::syntax("DEFAULT", 1)),
                };
                let scalar = self.evaluate(vec![text]).await?.pop();
                let scalar = scalar.ok_or_else(|| SqlError::internal("no value"))?;
                self.user_variables.insert(name.to_lowercase(), scalar);
                return Ok(());
            }
            Target::Session(name) => (false, name),
            Target::Global(name) => (true, name),
        };
        let variable = variables::find(name)?;
        match value {
            ValueText::Default => self.set_variable(global, name, None).await,
            ValueText::Word(word) => self.set_variable(global, name, Some(&word)).await,
            ValueText::Expression(text) => {
                let scalar = self.evaluate(vec![text]).await?.pop();
                let scalar = scalar.ok_or_else(|| SqlError::internal("no value"))?;
                // character_set_results = NULL means: send as stored.
                let text = match variable.domain {
                    Domain::Charset => scalar_text(&scalar),
                    _ => variable_text(variable.name, &scalar)?,
                };
                self.set_variable(global, name, Some(&text)).await
            }
        }
    }

    async fn set_variable(&mut self, global: bool, name: &str, value: Option<&str>) -> Result<()> {
        let variable = variables::find(name)?;
        if global {
            if variable.scope == Scope::ReadOnly {
                return Err(wrong_scope(variable));
            }
            let value = variables::check(variable, value.unwrap_or(variable.default))?;
            self.variables.globals().set(variable, value);
            return Ok(());
        }
        let committing = variable.name == "autocommit" && !self.variables.is_on("autocommit");
        self.variables.set(variable, value)?;
        // Turning autocommit on commits what is open.
        if committing && self.variables.is_on("autocommit") {
            self.commit().await?;
        }
        Ok(())
    }

    fn set_names(&mut self, charset: Option<String>, collation: Option<String>) -> Result<()> {
        let charset = charset.unwrap_or_else(|| "utf8mb4".into());
        // The text of statements is read as UTF-8; other character sets would be misread.
        if !matches!(
            charset.to_lowercase().as_str(),
            "utf8mb4" | "utf8" | "utf8mb3" | "binary" | "ascii"
        ) {
            variables::check(variables::find("character_set_client")?, &charset)?;
            return Err(SqlError::not_supported(&format!("SET NAMES {charset}")));
        }
        for name in [
            "character_set_client",
            "character_set_connection",
            "character_set_results",
        ] {
            self.variables.set(variables::find(name)?, Some(&charset))?;
        }
        let collation = collation.unwrap_or_else(|| "utf8mb4_bin".into());
        self.variables
            .set(variables::find("collation_connection")?, Some(&collation))
    }
}
