//! CREATE LINK and DROP LINK.

use super::{Session, done};
use crate::dialect::Lexed;
use crate::error::Result;
use crate::export::LinkStatement;
use crate::result::Outcome;

impl Session {
    pub(super) async fn link(&mut self, lexed: &Lexed) -> Result<Outcome> {
        let statement = LinkStatement::parse(lexed)?;
        // A definition commits what is pending, and is changed one at a time.
        self.commit().await?;
        let engine = self.engine.clone();
        let _alone = engine.definitions().lock().await;
        engine
            .blocking_sql(move |store| statement.apply(store))
            .await?;
        Ok(done(0))
    }
}
