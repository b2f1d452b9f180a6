//! The public face: a cloneable handle on an open data directory.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use parking_lot::Mutex;

use crate::commit::{Commit, Delete, OnDuplicate, PreparedCommit, WriteBatch};
use crate::engine::{Activity, Done, Engine, Threads, Writer};
use crate::load::Load;
use crate::options::{Environment, Options, Schedule};
use crate::snapshot::Snapshot;
use crate::{Alteration, Error, LastLook, Result, TableId, TableMeta, TableSpec};

/// An open data directory. Cheap to clone; the last clone dropped flushes nothing but stops the threads
/// cleanly (the WAL holds what is not flushed).
#[derive(Debug, Clone)]
pub struct Store {
    handle: Arc<Handle>,
}

/// Ends the store when the last clone goes.
#[derive(Debug)]
struct Handle {
    engine: Arc<Engine>,
    threads: Mutex<Threads>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.engine.close(self.threads.get_mut());
    }
}

impl Store {
    /// Locks the directory (created when missing), recovers, starts the background threads.
    pub fn open(options: Options) -> Result<Self> {
        Self::open_in(options, Environment::default())
    }

    /// `open` in a given environment: other files, a fixed seed, no threads.
    pub fn open_in(options: Options, environment: Environment) -> Result<Self> {
        let schedule = environment.schedule;
        let engine = Arc::new(Engine::open(options, environment)?);
        let threads = Mutex::new(Threads::default());
        let store = Self {
            handle: Arc::new(Handle { engine, threads }),
        };
        if schedule == Schedule::Threads {
            store.handle.threads.lock().start(&store.handle.engine)?;
        }
        // Memtables that recovery filled may be due for a flush, and segments for a merge.
        store.ask(|writer| {
            writer.catch_up();
            Ok(())
        })?;
        Ok(store)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.handle.engine
    }

    /// Pins the newest committed state: catalog and rows.
    pub fn snapshot(&self) -> Snapshot {
        let shared = &self.engine().shared;
        Snapshot {
            version: shared.version(),
            cache: Arc::clone(&shared.cache),
            hasher: shared.hasher,
        }
    }

    pub fn create_schema(&self, name: &str, attributes: &str) -> Result<()> {
        let (name, attributes) = (name.to_owned(), attributes.to_owned());
        self.ask(move |writer| writer.create_schema(&name, &attributes))
    }

    /// Drops the schema and its tables.
    pub fn drop_schema(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.ask(move |writer| writer.drop_schema(&name))
    }

    pub fn create_table(&self, schema: &str, spec: TableSpec) -> Result<TableId> {
        let schema = schema.to_owned();
        self.ask(move |writer| writer.create_table(&schema, spec))
    }

    pub fn drop_table(&self, schema: &str, table: &str) -> Result<()> {
        let (schema, table) = (schema.to_owned(), table.to_owned());
        self.ask(move |writer| writer.drop_table(&schema, &table))
    }

    /// Changes columns, attributes and name of a table. Snapshots taken before keep what they saw; rows
    /// that were prepared for the table as it was fail with `Error::TableChanged`. A change that would
    /// have to rewrite rows is `Error::NotSupported`.
    ///
    /// A new unique key is checked against all rows, in bounded memory and while others write;
    /// `Error::NotUnique` has the first value found twice.
    pub fn alter_table(&self, schema: &str, table: &str, alteration: Alteration) -> Result<()> {
        self.alter_table_after((schema, table), alteration, None)
    }

    /// `alter_table`, unless a last look at the table says otherwise.
    pub fn alter_table_after(
        &self,
        table: (&str, &str),
        alteration: Alteration,
        look: Option<LastLook>,
    ) -> Result<()> {
        let ask = |request| self.ask(request);
        self.engine().alter_table(table, alteration, look, ask)
    }

    /// Gives a table another name, possibly in another schema. Both are `(schema, table)`.
    pub fn rename_table(&self, from: (&str, &str), to: (&str, &str)) -> Result<()> {
        let owned = |(schema, table): (&str, &str)| (schema.to_owned(), table.to_owned());
        let (from, to) = (owned(from), owned(to));
        self.ask(move |writer| writer.rename_table((&from.0, &from.1), (&to.0, &to.1)))
    }

    /// Empties the table at once; its counter starts again at 1.
    pub fn truncate_table(&self, schema: &str, table: &str) -> Result<()> {
        let (schema, table) = (schema.to_owned(), table.to_owned());
        self.ask(move |writer| writer.truncate_table(&schema, &table))
    }

    /// A durable key-value pair of the layer above (accounts, settings). `None` removes it.
    pub fn set_property(&self, key: &str, value: Option<&str>) -> Result<()> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        self.ask(move |writer| writer.set_property(&key, value.as_deref()))
    }

    pub fn property(&self, key: &str) -> Option<String> {
        self.engine().shared.version().properties.get(key).cloned()
    }

    /// Takes the next `count` values of the table's counter; returns the first. Never hands out a value
    /// at or below one that is stored. Values taken and never stored may come again after a restart.
    pub fn reserve_ids(&self, table: TableId, count: u64) -> Result<u64> {
        self.engine()
            .shared
            .version()
            .table(table)?
            .counter
            .take(count)
    }

    /// Queues a commit; `done` is called once when it is durable and visible, or has failed: from the writer's thread, or
    /// from this one if the commit is small, nobody else commits, and syncs take less than a millisecond. Checking and encoding happen here, so a batch that does not fit its table fails at once,
    /// on the calling thread. Under memory pressure `done` is called later; `submit` does not wait for that.
    ///
    /// A commit of `Options::bulk_bytes` or more is written into segments here, which takes as long as
    /// that takes; if it deletes rows that are still in memory, everything is flushed first.
    pub fn submit(&self, batch: WriteBatch, done: Box<dyn FnOnce(Result<Commit>) + Send>) {
        self.submit_made_for(batch, Vec::new(), done);
    }

    /// `submit` of rows that were made for these definitions: when the commit's turn has come and a table
    /// has another one, whatever has changed of it, the commit fails with `Error::TableChanged`.
    pub fn submit_made_for(
        &self,
        batch: WriteBatch,
        made_for: Vec<Arc<TableMeta>>,
        done: Box<dyn FnOnce(Result<Commit>) + Send>,
    ) {
        match self.prepare(batch, made_for) {
            Ok(commit) => self.engine().submit(commit, Done::new(done)),
            Err(error) => done(Err(error)),
        }
    }

    /// Whether `submit` writes this batch into segments, and may take as long as that takes.
    pub fn is_large(&self, batch: &WriteBatch) -> bool {
        let version = self.snapshot().version;
        self.engine().shared.is_bulk(&version, batch)
    }

    fn prepare(&self, batch: WriteBatch, made_for: Vec<Arc<TableMeta>>) -> Result<PreparedCommit> {
        let is_bulk = self.is_large(&batch);
        let in_memory = |delete: &Delete| delete.rows.is_in_memory();
        if is_bulk && batch.deletes.iter().any(in_memory) {
            self.flush()?;
        }
        let mut commit = PreparedCommit::new(&self.snapshot(), batch, made_for, is_bulk)?;
        if is_bulk {
            self.engine().write_bulk(&mut commit)?;
        }
        Ok(commit)
    }

    /// Writes the rows of a large commit into segments.
    pub(crate) fn write_bulk(&self, commit: &mut PreparedCommit) -> Result<()> {
        self.engine().write_bulk(commit)
    }

    /// Writes the event keys of a large commit.
    pub(crate) fn write_bulk_events(&self, commit: &mut PreparedCommit) -> Result<()> {
        self.engine().write_bulk_events(commit)
    }

    /// Queues a commit that has been prepared and waits for it.
    pub(crate) fn commit_prepared(&self, commit: PreparedCommit) -> Result<Commit> {
        let (sender, receiver) = channel();
        let done = Done::new(Box::new(move |result| drop(sender.send(result))));
        self.engine().submit(commit, done);
        self.wait(&receiver)
    }

    /// Begins to load rows into a table, in bounded memory and one commit.
    pub fn load(&self, table: TableId, on_duplicate: OnDuplicate) -> Result<Load> {
        Load::new(self.clone(), table, Vec::new(), on_duplicate)
    }

    /// `load` of rows that are made for a definition, and of `others` for `Load::commit_with`: as
    /// `submit_made_for`.
    pub fn load_made_for(
        &self,
        table: &Arc<TableMeta>,
        others: impl IntoIterator<Item = Arc<TableMeta>>,
        on_duplicate: OnDuplicate,
    ) -> Result<Load> {
        let made_for = [Arc::clone(table)].into_iter().chain(others).collect();
        Load::new(self.clone(), table.id, made_for, on_duplicate)
    }

    /// Begins to write rows, made for a definition, that take the place of others, for `Load::commit_replacing`. In a
    /// table with an event key they stay whether or not their events are known.
    pub fn load_replacing(&self, table: &Arc<TableMeta>) -> Result<Load> {
        let load = self.load_made_for(table, [], OnDuplicate::Fail)?;
        Ok(load.replacing())
    }

    /// Rows of a full segment of a table.
    pub(crate) fn segment_rows_of(&self, spec: &TableSpec) -> u64 {
        self.engine().shared.options.segment_rows_of(spec)
    }

    /// What has been done in the background since the store was opened, and what is waiting.
    pub fn activity(&self) -> Activity {
        self.engine().activity()
    }

    /// `submit` and wait.
    pub fn commit(&self, batch: WriteBatch) -> Result<Commit> {
        self.commit_made_for(batch, Vec::new())
    }

    /// `submit_made_for` and wait.
    pub(crate) fn commit_made_for(
        &self,
        batch: WriteBatch,
        made_for: Vec<Arc<TableMeta>>,
    ) -> Result<Commit> {
        let (sender, receiver) = channel();
        let done = Box::new(move |result| drop(sender.send(result)));
        self.submit_made_for(batch, made_for, done);
        self.wait(&receiver)
    }

    /// Writes every memtable into segments and waits for it.
    pub fn flush(&self) -> Result<()> {
        let (sender, receiver) = channel();
        self.engine()
            .request(Box::new(move |writer| writer.flush_all(sender)));
        self.wait(&receiver)
    }

    /// Has every segment of a table that has deleted rows rewritten, however few they are, so that nothing
    /// of them stays on the disk: after `flush`, when `TableSnapshot::deleted_rows` is 0, it is done, but
    /// for files that snapshots still hold. Returns when the rewrites are queued.
    pub fn erase_deleted(&self, schema: &str, table: &str) -> Result<()> {
        // Rows in memory are still in the log: a flush leaves deleted ones out and drops it.
        self.flush()?;
        let (schema, table) = (schema.to_owned(), table.to_owned());
        self.ask(move |writer| writer.erase_deleted(&schema, &table))
    }

    /// Has the writer do something and waits for the answer.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = channel();
        self.engine()
            .request(Box::new(move |writer| drop(sender.send(request(writer)))));
        self.wait(&receiver)
    }

    /// Waits for an answer of the writer; without threads, does what the answer needs.
    fn wait<T>(&self, answer: &Receiver<Result<T>>) -> Result<T> {
        let gone = || Err(Error::ReadOnly("the writer has died".into()));
        if self.engine().shared.environment.schedule == Schedule::Threads {
            return answer.recv().unwrap_or_else(|_| gone());
        }
        loop {
            self.run_writer();
            match answer.try_recv() {
                Ok(answer) => return answer,
                Err(TryRecvError::Empty) if self.run_job() => {}
                Err(_) => return gone(),
            }
        }
    }

    /// With `Schedule::Manual`: does everything that is queued, and what the clock has made due.
    pub fn run_writer(&self) {
        self.engine().run_writer();
    }

    /// With `Schedule::Manual`: runs one queued background job, flushes first. `false` when there is
    /// none. The writer learns of its result at the next `run_writer`.
    pub fn run_job(&self) -> bool {
        let shared = &self.engine().shared;
        shared.run_one_flush() || shared.run_one_merge() || shared.run_one_care()
    }
}
