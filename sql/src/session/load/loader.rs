//! The thread of a load: reads the file, builds batches, commits them.
//!
//! It holds at most two parts of `COMMIT_BYTES`: one that grows and one that is being committed.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::common::TableReference;
use datafusion::execution::session_state::SessionState;
use futures::TryStreamExt;
use sqlparser::ast::Query;
use storno_storage::{Commit, OnDuplicate, WriteBatch};
use tokio::task::JoinHandle;

use super::super::query::SessionEnvironment;
use super::super::upsert::Counts;
use super::source::Source;
use crate::engine::Engine;
use crate::error::{Result, SqlError, Warning};
use crate::functions::warnings::Sink;
use crate::insert::{Settings, duplicate_entry};
use crate::load::{LoadWriter, Progress, Window};
use crate::select::compile_over;
use crate::select::planner::View;
use crate::select::run;
use crate::types::TableDefinition;

/// Bytes of rows that are committed together.
pub(super) const COMMIT_BYTES: usize = 128 << 20;
/// Bytes of rows that may wait in memory for the file's end, as in any transaction.
const MEMORY_BYTES_MAX: usize = 1 << 30;
/// Longest line.
const LINE_BYTES_MAX: usize = 64 << 20;

/// Where rows go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    /// They are committed; `skip`: those whose key is there are left out.
    Store { skip: bool },
    /// They are given back.
    Memory,
}

/// What SET needs to compute.
pub(super) struct Evaluation {
    view: View,
    env: Arc<SessionEnvironment>,
    state: SessionState,
    sink: Sink,
}

impl Evaluation {
    pub(super) fn new(
        view: View,
        env: SessionEnvironment,
        mut state: SessionState,
        sink: Sink,
    ) -> Self {
        // Rows must come out in the order in which they go in.
        state.config_mut().options_mut().execution.target_partitions = 1;
        Self {
            view,
            env: Arc::new(env),
            state,
            sink,
        }
    }
}

/// What a load came to.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) records: u64,
    /// Of what was committed.
    pub(super) counts: Counts,
    /// What was not.
    pub(super) batches: Vec<RecordBatch>,
    /// The warnings kept, and how many there were.
    pub(super) warnings: (Vec<Warning>, u64),
    /// User variables as the last line left them.
    pub(super) variables: Vec<(String, Option<Vec<u8>>)>,
    pub(super) first_insert_id: Option<u64>,
}

pub(super) struct Loader {
    pub(super) engine: Engine,
    pub(super) table: TableDefinition,
    pub(super) settings: Settings,
    pub(super) destination: Destination,
    pub(super) evaluation: Evaluation,
}

/// Rows that are not committed yet, and the commit under way.
#[derive(Default)]
struct Part {
    batches: Vec<RecordBatch>,
    bytes: usize,
    committing: Option<Committing>,
    counts: Counts,
}

struct Committing {
    task: JoinHandle<storno_storage::Result<Commit>>,
    batches: Vec<RecordBatch>,
}

impl Loader {
    /// Reads the whole source. When `cancelled` says so, nothing more is committed.
    pub(super) fn run(
        self,
        mut writer: LoadWriter,
        source: Source,
        cancelled: &AtomicBool,
    ) -> Result<Loaded> {
        let mut window = Window::new(source, LINE_BYTES_MAX);
        let (mut part, mut first_insert_id) = (Part::default(), None);
        loop {
            let progress = read_on(&mut writer, &mut window, cancelled)?;
            let ended = progress == Progress::Ended;
            if writer.pending() > 0 {
                let (batch, first) = self.batch(&mut writer)?;
                first_insert_id = first_insert_id.or(first);
                self.take(&mut part, batch, cancelled)?;
            }
            if ended {
                break;
            }
        }
        if self.destination != Destination::Memory {
            self.commit(&mut part, cancelled)?;
            self.finish_commit(&mut part)?;
        }
        Ok(Loaded {
            records: writer.records(),
            counts: part.counts,
            batches: part.batches,
            variables: writer.variables(),
            warnings: writer.warnings(),
            first_insert_id,
        })
    }

    fn batch(&self, writer: &mut LoadWriter) -> Result<(RecordBatch, Option<u64>)> {
        let store = self.engine.store();
        let id = self.table.meta.id;
        let mut reserve = |count| Ok(store.reserve_ids(id, count)?);
        let mut evaluate = |query: &Query, rows| self.evaluate(query, rows);
        writer.take_batch(&mut evaluate, &mut reserve)
    }

    fn take(&self, part: &mut Part, batch: RecordBatch, cancelled: &AtomicBool) -> Result<()> {
        part.bytes += batch.get_array_memory_size();
        part.batches.push(batch);
        match self.destination {
            Destination::Memory if part.bytes > MEMORY_BYTES_MAX => {
                let text = "Multi-statement transaction required more than 1 GiB of memory; \
                            load the file in smaller parts";
                Err(SqlError::new(1197, "HY000", text))
            }
            Destination::Store { .. } if part.bytes >= COMMIT_BYTES => self.commit(part, cancelled),
            _ => Ok(()),
        }
    }

    /// Starts the commit of the part, once that of the part before is through.
    fn commit(&self, part: &mut Part, cancelled: &AtomicBool) -> Result<()> {
        self.finish_commit(part)?;
        check(cancelled)?;
        let batches = std::mem::take(&mut part.batches);
        part.bytes = 0;
        if batches.is_empty() {
            return Ok(());
        }
        let id = self.table.meta.id;
        let write = WriteBatch {
            inserts: batches.iter().map(|rows| (id, rows.clone())).collect(),
            deletes: Vec::new(),
            arrivals: Vec::new(),
            on_duplicate: match self.destination {
                Destination::Store { skip: true } => OnDuplicate::Skip,
                _ => OnDuplicate::Fail,
            },
            sync: self.engine.sync_mode(),
        };
        let store = self.engine.store().clone();
        let task = self.engine.pool()?;
        let task = task.spawn_blocking(move || store.commit(write));
        part.committing = Some(Committing { task, batches });
        Ok(())
    }

    fn finish_commit(&self, part: &mut Part) -> Result<()> {
        let Some(Committing { task, batches }) = part.committing.take() else {
            return Ok(());
        };
        let done = self.engine.pool()?.block_on(task);
        let done = done.map_err(|e| SqlError::internal(e.to_string()))?;
        let commit = done.map_err(|error| {
            let place = match &error {
                storno_storage::Error::DuplicateKey { batch, .. } => batches.get(*batch),
                _ => None,
            };
            match place {
                Some(rows) => duplicate_entry(error, &self.table, rows, self.settings.time_zone),
                None => error.into(),
            }
        })?;
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        part.counts.affected += rows as u64 - commit.rows_skipped;
        part.counts.inserted += rows as u64 - commit.rows_skipped;
        part.counts.duplicates += commit.rows_skipped;
        Ok(())
    }

    /// Runs the query of SET over gathered lines.
    fn evaluate(&self, query: &Query, rows: RecordBatch) -> Result<RecordBatch> {
        let Evaluation {
            view,
            env,
            state,
            sink,
        } = &self.evaluation;
        let meta = &self.table.meta;
        let name = TableReference::partial(meta.schema.clone(), meta.spec.name.clone());
        let work = {
            let (query, view, env) = (query.clone(), view.clone(), Arc::clone(env));
            let (state, sink) = (state.clone(), sink.clone());
            move || {
                let env: &SessionEnvironment = &env;
                sink.within(|| compile_over(&query, (name, rows), &view, &state, env))
            }
        };
        let pool = self.engine.pool()?;
        let plan = pool.block_on(self.engine.planning().run(work))?;
        let schema = plan.schema();
        let batches = run::run(pool, plan, state.task_ctx(), None, sink);
        let batches: Vec<RecordBatch> = pool.block_on(batches.try_collect())?;
        sink.check_division(self.settings.mode.strict && !self.settings.mode.ignore)?;
        concat_batches(&schema, &batches).map_err(|e| SqlError::internal(e.to_string()))
    }
}

/// Reads until a batch is full or the file ends.
fn read_on(
    writer: &mut LoadWriter,
    window: &mut Window<impl Read>,
    cancelled: &AtomicBool,
) -> Result<Progress> {
    loop {
        check(cancelled)?;
        let (taken, progress) = writer.push(window.text())?;
        window.take(taken);
        match progress {
            Progress::Hungry => window.fill()?,
            progress => return Ok(progress),
        }
    }
}

fn check(cancelled: &AtomicBool) -> Result<()> {
    match cancelled.load(Ordering::Relaxed) {
        true => Err(SqlError::interrupted()),
        false => Ok(()),
    }
}
