//! BACKUP DATABASE: a job like an export, and what the client is told of it.

use std::sync::{Arc, OnceLock};

use arrow::array::ArrayRef;
use chrono::SecondsFormat;

use super::export::{Waiting, counted, seconds, table, texts};
use super::{Session, secrets};
use crate::backup::{BackupStatement, Of, Taken, copy};
use crate::dialect::Lexed;
use crate::error::{Result, SqlError};
use crate::export::{Asked, JobEnd, JobKind, Summary};
use crate::result::{Outcome, ResultColumn, Rows};

impl Session {
    pub(super) async fn backup(&mut self, lexed: &Lexed) -> Result<Outcome> {
        let statement = BackupStatement::parse(lexed)?;
        let database = match &statement.database {
            None => None,
            Some(name) => Some(self.existing_database(name)?),
        };
        let place = self.open_place(&statement.place, &statement.options)?;
        let asked = Asked {
            connection: self.context.connection_id,
            user: self.context.user.clone(),
            url: place.url(),
            statement: secrets::hidden(&lexed.text).into_owned(),
        };
        let of = Of {
            store: self.engine.store().clone(),
            database,
            place,
        };
        let result: Arc<OnceLock<Taken>> = Arc::default();
        let kept = Arc::clone(&result);
        let job =
            self.engine
                .jobs()
                .start(asked, JobKind::Backup, |progress, cancel| async move {
                    let taken = copy(of, progress, cancel).await?;
                    let summary = Summary {
                        files: taken.done.files,
                        rows: taken.rows,
                        bytes: taken.done.bytes,
                        manifest: Some(taken.done.manifest.clone()),
                    };
                    let _ = kept.set(taken);
                    Ok(summary)
                })?;
        if statement.detached {
            let columns = vec![
                ("id", counted(job.id)),
                ("url", texts(Some(job.url.clone()))),
            ];
            return table(columns).map(Outcome::Rows);
        }
        let waiting = Waiting(job.cancel.clone());
        let JobEnd {
            took,
            result: ended,
            ..
        } = job.wait().await?;
        drop(waiting);
        ended?;
        let taken = result.get().ok_or_else(SqlError::interrupted)?;
        let millis = i128::try_from(took.as_millis()).unwrap_or(i128::MAX);
        told(Some(taken), millis).map(Outcome::Rows)
    }

    /// The columns of a backup's result.
    pub(super) fn backup_columns(lexed: &Lexed) -> Result<Vec<ResultColumn>> {
        Ok(match BackupStatement::parse(lexed)?.detached {
            true => table(vec![("id", counted(0)), ("url", texts(None))])?.columns,
            false => told(None, 0)?.columns,
        })
    }

    /// A database that is there; 1049.
    fn existing_database(&self, name: &str) -> Result<String> {
        match self.engine.store().snapshot().tables(name) {
            Some(_) => Ok(name.to_owned()),
            None => Err(SqlError::unknown_database(name)),
        }
    }
}

fn told(taken: Option<&Taken>, millis: i128) -> Result<Rows> {
    let number = |of: fn(&Taken) -> u64| counted(taken.map_or(0, of));
    let text = |of: fn(&Taken) -> String| texts(taken.map(of));
    let moment = |taken: &Taken| taken.moment.to_rfc3339_opts(SecondsFormat::Micros, true);
    let columns: [(&str, ArrayRef); 9] = [
        ("backup", text(|taken| taken.done.id.clone())),
        ("files", number(|taken| taken.done.files)),
        ("bytes", number(|taken| taken.done.bytes)),
        ("new_files", number(|taken| taken.done.new_files)),
        ("new_bytes", number(|taken| taken.done.new_bytes)),
        ("seconds", seconds(millis)?),
        ("sequence", number(|taken| taken.sequence)),
        ("moment", text(moment)),
        ("manifest", text(|taken| taken.done.manifest.clone())),
    ];
    table(columns.into())
}
