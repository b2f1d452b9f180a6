//! What SET does: each part takes effect in its order; the first error ends the statement.

use std::collections::VecDeque;

use super::query::scalar_text;
use super::set::{self, Assignment, Target, ValueText};
use super::variables::{self, Scope, bound_warning, known, wrong_scope};
use super::{Session, done};
use storno_storage::Store;

use crate::dialect::Lexed;
use crate::error::{Result, SqlError};
use crate::information_schema::collation_of_number;
use crate::insert::Scalar;
use crate::result::Outcome;
use crate::types::charset::default_of;

/// How far an assignment reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Session,
    Global,
    /// Global, also after a restart.
    Persist,
}

impl Session {
    pub(super) async fn set(&mut self, lexed: &Lexed, params: Vec<Scalar>) -> Result<Outcome> {
        let mut params = VecDeque::from(params);
        for part in set::parse(lexed)? {
            match part {
                Assignment::Variable { target, value } => {
                    self.assign(target, value, &mut params).await?;
                }
                Assignment::Names { charset, collation } => self.set_names(charset, collation)?,
                Assignment::Transaction { global, settings } => {
                    let reach = match global {
                        true => Reach::Global,
                        false => Reach::Session,
                    };
                    for (name, value) in settings {
                        self.set_variable(reach, name, Some(&value)).await?;
                    }
                }
                Assignment::Password { account, password } => {
                    self.set_password(account, password).await?;
                }
            }
        }
        Ok(done(0))
    }

    /// `params`: values of the placeholders that are still to come.
    async fn assign(
        &mut self,
        target: Target,
        value: ValueText,
        params: &mut VecDeque<Scalar>,
    ) -> Result<()> {
        let (reach, name) = match &target {
            Target::User(name) => {
                let text = match value {
                    ValueText::Word(w) | ValueText::Expression(w) => w,
                    ValueText::Default => return Err(SqlError::syntax("DEFAULT", 1)),
                };
                let scalar = self.evaluate(text, params).await?;
                self.user_variables.insert(name.to_lowercase(), scalar);
                return Ok(());
            }
            Target::Session(name) => (Reach::Session, name),
            Target::Global(name) => (Reach::Global, name),
            Target::Persist(name) => (Reach::Persist, name),
        };
        let variable = variables::find(name)?;
        match value {
            ValueText::Default => self.set_variable(reach, name, None).await,
            ValueText::Word(word) => self.set_variable(reach, name, Some(&word)).await,
            ValueText::Expression(text) => {
                let scalar = self.evaluate(text, params).await?;
                variables::check_type(variable, &scalar)?;
                let text = scalar_text(&scalar);
                self.set_variable(reach, name, Some(&text)).await
            }
        }
    }

    async fn set_variable(&mut self, reach: Reach, name: &str, value: Option<&str>) -> Result<()> {
        let variable = variables::find(name)?;
        if reach != Reach::Session {
            if matches!(variable.scope, Scope::ReadOnly | Scope::Session) {
                return Err(wrong_scope(variable));
            }
            let kept = variables::check(variable, value.unwrap_or(variable.default))?;
            self.warn(value.and_then(|v| bound_warning(variable, v, &kept)));
            if reach == Reach::Persist {
                let kept = kept.clone();
                let persist = move |store: &Store| variables::persist(store, variable, kept);
                self.engine.blocking_sql(persist).await?;
            }
            self.variables.globals().set(variable, kept);
            return Ok(());
        }
        let committing =
            variable.name == "autocommit" && !self.variables.is_on(known!("autocommit"));
        self.variables.set(variable, value)?;
        self.told.is_set(variable);
        let kept = self.variables.get(variable).into_owned();
        self.warn(value.and_then(|v| bound_warning(variable, v, &kept)));
        // Turning autocommit on commits what is open.
        if committing && self.variables.is_on(known!("autocommit")) {
            self.commit().await?;
        }
        Ok(())
    }

    /// Literals have the collation that the client named, by MySQL's number, when it logged in. Those of
    /// character sets other than UTF-8 and numbers nobody knows leave the server's.
    pub fn set_client_collation(&mut self, number: u16) {
        let named = collation_of_number(number).filter(|name| name.starts_with("utf8"));
        if let Some(name) = named {
            // A name of the list is one that the variable takes.
            let _ = (self.variables).set(known!("collation_connection"), Some(name));
        }
    }

    fn set_names(&mut self, charset: Option<String>, collation: Option<String>) -> Result<()> {
        let charset = charset.unwrap_or_else(|| "utf8mb4".into());
        // The text of statements is read as UTF-8; other character sets would be misread.
        if !matches!(
            charset.to_lowercase().as_str(),
            "utf8mb4" | "utf8" | "utf8mb3" | "binary" | "ascii"
        ) {
            variables::check(known!("character_set_client"), &charset)?;
            return Err(SqlError::not_supported(&format!("SET NAMES {charset}")));
        }
        for variable in [
            known!("character_set_client"),
            known!("character_set_connection"),
            known!("character_set_results"),
        ] {
            self.variables.set(variable, Some(&charset))?;
            self.told.is_set(variable);
        }
        let collation = collation.unwrap_or_else(|| default_of(&charset.to_lowercase()).into());
        self.variables
            .set(known!("collation_connection"), Some(&collation))
    }
}
