//! LOAD DATA [LOCAL] INFILE of a session: what may be read, the thread that reads it, what the client
//! is told.
//!
//! A load outside a transaction is one commit, of any size, in bounded memory; into a table with an event
//! key it is one for every 8 million rows. Inside a transaction, and with REPLACE, all rows wait in memory for the end of the
//! file.

mod committer;
mod input;
mod loader;
mod locate;
mod pieces;
mod source;

use std::sync::Arc;

use arrow::compute::concat_batches;
use bytes::Bytes;
use storno_storage::TableSnapshot;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Session;
use super::aside::Aside;
use super::process::Running;
use super::upsert::{Counts, Upsert};
use super::variables::known;
use crate::change::OnConflict;
use crate::dialect::Lexed;
use crate::door::Door;
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::load::{LoadStatement, LoadWriter, OnRepeatedKey};
use crate::result::{Done, Outcome};
use crate::types::TableDefinition;
use input::{Source, StoredFiles};
use loader::{Destination, Evaluation, Loaded, Loader};
use locate::Located;
use source::{Arrived, Cancel};

/// Pieces of a client's file on their way to the thread that reads them.
const PIECES: usize = 64;

/// A load whose file the client is sending. Dropping it ends the load.
#[derive(Debug)]
pub(super) struct Upload {
    pieces: mpsc::Sender<Option<Bytes>>,
    load: Started,
    running: Option<Running>,
}

/// A load under way.
#[derive(Debug)]
struct Started {
    task: JoinHandle<Result<Loaded>>,
    table: TableSnapshot,
    on_conflict: Option<OnConflict>,
    _cancel: Cancel,
}

/// A statement ready to read its file.
struct Prepared {
    load: Arc<LoadStatement>,
    table: TableSnapshot,
    writer: LoadWriter,
    loader: Loader,
    /// Files that are not the client's, nor read through from the server's disk.
    stored: Option<StoredFiles>,
}

impl Session {
    pub(super) async fn load(&mut self, lexed: Lexed) -> Result<Outcome> {
        let Prepared {
            load,
            table,
            writer,
            loader,
            stored,
        } = self.prepare_load(lexed).await?;
        let on_conflict = on_conflict(&load, &table);
        let waits = stored.as_ref().map(|files| files.cancel.clone());
        let (cancel, cancelled) = Cancel::new(waits);
        let pool = self.engine.pool()?.clone();
        let start = |source: Source| {
            let task = pool.spawn_blocking(move || loader.run(writer, source, &cancelled));
            Started {
                task,
                table,
                on_conflict,
                _cancel: cancel,
            }
        };
        if load.local {
            let (pieces, arriving) = mpsc::channel(PIECES);
            let load_started = start(Source::Client(Arrived::new(arriving)));
            self.upload = Some(Upload {
                pieces,
                load: load_started,
                running: None,
            });
            return Ok(Outcome::File(load.file.clone()));
        }
        let source = match stored {
            Some(files) => Source::Stored(files),
            None => Source::File(source::open(&self.readable_file(&load.file)?)?),
        };
        let started = start(source);
        self.finish_load(started).await
    }

    async fn prepare_load(&mut self, lexed: Lexed) -> Result<Prepared> {
        let parse = move || LoadStatement::parse(&lexed);
        let load = self.engine.planning().run(parse).await?;
        let located = self.locate(&load).await?;
        let mut prepared = self.plan_load(load, located).await?;
        let table = Arc::clone(&prepared.loader.table);
        // Whether there are invalid rows is known when most are written.
        self.authorize_rows_aside(&table)?;
        prepared.loader.aside = self.aside_table(&table).await?;
        Ok(prepared)
    }

    async fn plan_load(
        &mut self,
        mut load: LoadStatement,
        located: Option<Located>,
    ) -> Result<Prepared> {
        let (view, env, state) = (self.read_view(), self.environment(), self.engine.state());
        let (engine, sink, settings) = (self.engine.clone(), self.sink.clone(), self.settings());
        let may_be_local = self.context.local_files && self.variables.is_on(known!("local_infile"));
        let notes = self.variables.is_on(known!("sql_notes"));
        let in_transaction = self.open_transaction().is_some();
        if let Some(transaction) = self.open_transaction() {
            transaction.check_writable()?;
        }
        let work = move || {
            if load.local && !may_be_local {
                return Err(SqlError::local_files_disabled());
            }
            let ignore = load.on_repeated_key == OnRepeatedKey::Ignore;
            let settings = crate::insert::Settings {
                mode: settings.mode.with_ignore(ignore),
                ..settings
            };
            let table = view.table(load.schema.as_deref(), &load.table)?;
            let definition = engine.tables().get(table.meta())?;
            let door = Door::new(&definition, &view, settings, ignore)?;
            let described: (&TableDefinition, _) = (&definition, settings.time_zone);
            let wanted = locate::wanted(&mut load, located.as_ref(), described);
            let load = Arc::new(load);
            let writer = LoadWriter::new(&load, &definition, settings)?;
            let destination = match on_conflict(&load, &table) {
                _ if in_transaction => Destination::Memory,
                Some(OnConflict::Replace) => Destination::Memory,
                Some(_) => Destination::Store { skip: true },
                None => Destination::Store { skip: false },
            };
            let evaluation = Evaluation::new(view, env, state, sink);
            let loader = Loader {
                engine,
                load: Arc::clone(&load),
                table: definition,
                door,
                aside: None,
                settings,
                destination,
                wanted,
                evaluation,
                notes,
            };
            Ok(Prepared {
                load,
                table,
                writer,
                loader,
                stored: located.map(|located| located.files),
            })
        };
        self.engine.planning().run(work).await
    }

    /// Shows the statement as running while its file comes.
    pub(super) fn upload_runs(&mut self, running: Running) {
        if let Some(upload) = &mut self.upload {
            upload.running = Some(running);
        }
    }

    /// The next bytes of the file that a statement asked for.
    pub async fn file_data(&mut self, data: Bytes) -> Result<()> {
        let Some(upload) = &self.upload else {
            return Err(SqlError::internal("no file was asked for"));
        };
        if upload.pieces.send(Some(data)).await.is_ok() {
            return Ok(());
        }
        // The thread has ended before the file: it says why.
        let result = self.end_upload().await.and_then(|_| {
            let text = "the file was read to its end before its end came";
            Err(SqlError::internal(text))
        });
        self.finished(result)
    }

    /// The end of the file: the statement's result.
    pub async fn file_end(&mut self) -> Result<Outcome> {
        let result = self.end_upload().await;
        let outcome = self.finished(result)?;
        self.row_count = outcome.row_count();
        Ok(outcome)
    }

    async fn end_upload(&mut self) -> Result<Outcome> {
        let Some(upload) = self.upload.take() else {
            return Err(SqlError::internal("no file was asked for"));
        };
        let Upload {
            pieces,
            load,
            running: _running,
        } = upload;
        // A thread that has failed takes nothing more.
        let _ = pieces.send(None).await;
        self.finish_load(load).await
    }

    async fn finish_load(&mut self, started: Started) -> Result<Outcome> {
        let joined = started.task.await;
        let loaded = joined.map_err(|e| SqlError::internal(e.to_string()))??;
        let Loaded {
            records,
            mut counts,
            batches,
            invalid,
            aside,
            warnings: (warnings, warning_count),
            variables,
            first_insert_id,
        } = loaded;
        for (name, value) in variables {
            let value = value.map(|v| Scalar::Text(String::from_utf8_lossy(&v).into_owned()));
            let value = value.unwrap_or(Scalar::Null);
            self.user_variables.insert(name, value);
        }
        let unkept = warning_count.saturating_sub(warnings.len() as u64);
        self.warn(warnings);
        self.sink.count_more(unkept);
        let aside = aside.map(|(table, rows)| Aside { table, rows });
        match started.on_conflict {
            _ if batches.is_empty() && aside.is_none() => {}
            Some(on_conflict) => {
                let schema = &started.table.meta().arrow;
                let rows = concat_batches(schema, &batches);
                let upsert = Upsert {
                    rows: rows.map_err(|e| SqlError::internal(e.to_string()))?,
                    table: started.table,
                    first_id: first_insert_id,
                    on_conflict,
                    assignments: None,
                    from_query: false,
                    aside,
                };
                counts = self.upsert(upsert).await?;
            }
            None => {
                let table = self.engine.tables().get(started.table.meta())?;
                if let (Some(aside), Some(transaction)) = (aside, self.open_transaction()) {
                    transaction.insert(&aside.table, &aside.rows)?;
                }
                for batch in &batches {
                    let resent = match self.open_transaction() {
                        Some(transaction) => transaction.insert(&started.table, batch)?,
                        None => Vec::new(),
                    };
                    let notes = self.note_resent(&table, batch, &resent);
                    counts.affected += batch.num_rows() as u64;
                    counts.inserted += batch.num_rows() as u64;
                    counts = counts.without(resent.len() as u64, notes);
                }
            }
        }
        // After rows that met others, their own first number is known.
        let made = counts.numbers.made.or(first_insert_id);
        if let Some(id) = made.filter(|_| counts.inserted > 0) {
            self.last_insert_id = id;
        }
        Ok(Outcome::Done(Done {
            affected_rows: counts.affected,
            last_insert_id: 0,
            info: self.load_info(records, counts, invalid),
        }))
    }

    fn load_info(&self, records: u64, counts: Counts, invalid: u64) -> String {
        let mut info = format!(
            "Records: {records}  Deleted: {}  Skipped: {}  Warnings: {}",
            counts.affected - counts.inserted,
            records.saturating_sub(counts.inserted),
            self.sink.total(),
        );
        if invalid > 0 {
            info.push_str(&format!("  Invalid: {invalid}"));
        }
        info
    }

    /// The file on the server's side, if it may be read: 1290.
    fn readable_file(&self, name: &str) -> Result<std::path::PathBuf> {
        let allowed = self.variables.get(known!("secure_file_priv"));
        source::allowed_path(name, &allowed).ok_or_else(SqlError::secure_file_priv)
    }
}

/// What a statement does about lines whose key is there. Without a unique key there is none.
fn on_conflict(load: &LoadStatement, table: &TableSnapshot) -> Option<OnConflict> {
    let has_keys = !table.meta().spec.unique_keys.is_empty();
    match load.on_repeated_key {
        OnRepeatedKey::Ignore if has_keys => Some(OnConflict::Skip),
        OnRepeatedKey::Replace if has_keys => Some(OnConflict::Replace),
        _ => None,
    }
}
