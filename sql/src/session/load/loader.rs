//! The thread of a load: reads the file and builds batches.
//!
//! Outside transactions the batches go on to `committer`, so that a load of any size takes as much memory
//! as one of its segments.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::common::TableReference;
use datafusion::execution::session_state::SessionState;
use futures::TryStreamExt;
use sqlparser::ast::Query;
use storno_storage::{OnDuplicate, TableSnapshot};

use super::super::aside::AsideTable;
use super::super::numbers::Numbers;
use super::super::query::SessionEnvironment;
use super::super::upsert::Counts;
use super::committer::{Committer, Target};
use super::input::{Input, Source, Wanted, check};
use super::pieces::{self, Cutter, Lines};
use crate::door::Door;
use crate::engine::Engine;
use crate::error::{Result, SqlError, Warning};
use crate::functions::warnings::Sink;
use crate::insert::Settings;
use crate::known::KnownTable;
use crate::load::{LoadStatement, LoadWriter, Progress};
use crate::memory::{compacted, held_bytes, rows_limit};
use crate::select::compile_over;
use crate::select::planner::View;
use crate::select::run;

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
    /// Rows that cannot be stored, and those of them that were not committed, with their table.
    pub(super) invalid: u64,
    pub(super) aside: Option<(TableSnapshot, RecordBatch)>,
    /// The warnings kept, and how many there were.
    pub(super) warnings: (Vec<Warning>, u64),
    /// User variables as the last line left them.
    pub(super) variables: Vec<(String, Option<Vec<u8>>)>,
    pub(super) first_insert_id: Option<u64>,
}

pub(super) struct Loader {
    pub(super) engine: Engine,
    pub(super) load: Arc<LoadStatement>,
    pub(super) table: Arc<KnownTable>,
    pub(super) door: Door,
    /// Where rows go that cannot be stored.
    pub(super) aside: Option<AsideTable>,
    pub(super) settings: Settings,
    pub(super) destination: Destination,
    pub(super) wanted: Wanted,
    pub(super) evaluation: Evaluation,
    /// Whether notes are wanted (`sql_notes`).
    pub(super) notes: bool,
}

/// A batch of the file.
pub(super) struct Built {
    pub(super) rows: RecordBatch,
    /// The first number that was generated for them.
    first: Option<u64>,
    /// Those that cannot be stored, as rows of the table for them.
    pub(super) aside: Option<RecordBatch>,
}

/// What has been read.
struct Taken {
    gathered: Option<Gathered>,
    first_insert_id: Option<u64>,
    invalid: u64,
}

impl Taken {
    /// Takes a batch. After an error there is nothing gathered any more.
    fn add(&mut self, built: Built) -> Result<()> {
        self.first_insert_id = self.first_insert_id.or(built.first);
        self.invalid += built.aside.as_ref().map_or(0, RecordBatch::num_rows) as u64;
        let gathered = self.gathered.take();
        let gathered = gathered.ok_or_else(|| SqlError::internal("a load without its rows"))?;
        self.gathered = Some(gathered.take(built)?);
        Ok(())
    }
}

/// Where rows are gathered.
enum Gathered {
    Committer(Committer),
    Memory {
        batches: Vec<RecordBatch>,
        aside: Vec<RecordBatch>,
        bytes: usize,
    },
}

impl Loader {
    /// Reads the whole source. When `cancelled` says so, nothing is committed.
    pub(super) fn run(
        self,
        mut writer: LoadWriter,
        source: Source,
        cancelled: &AtomicBool,
    ) -> Result<Loaded> {
        let loader = Arc::new(self);
        let mut input = Input::new(source, loader.wanted.clone());
        let mut taken = Taken {
            gathered: Some(loader.gather()?),
            first_insert_id: None,
            invalid: 0,
        };
        let cutter = Cutter::new(&loader.load.format).filter(|_| writer.is_plain());
        let read = match cutter.filter(|_| input.is_one_text()) {
            Some(cutter) => {
                let source = (&mut writer, &mut input);
                loader.read_pieces(cutter, source, cancelled, &mut taken)
            }
            None => loader.read_lines((&mut writer, &mut input), cancelled, &mut taken),
        };
        let Lines { records, warnings } = match read {
            Ok(lines) => lines,
            Err(error) => {
                taken.gathered.into_iter().for_each(Gathered::give_up);
                return Err(error);
            }
        };
        let (counts, batches, aside) = match taken.gathered {
            Some(gathered) => gathered.end()?,
            None => return Err(SqlError::internal("a load without its rows")),
        };
        let aside = match (&loader.aside, aside.first()) {
            (Some(table), Some(first)) => {
                let rows = concat_batches(&first.schema(), &aside);
                let rows = rows.map_err(|e| SqlError::internal(e.to_string()))?;
                Some((table.table.clone(), rows))
            }
            _ => None,
        };
        Ok(Loaded {
            records,
            counts,
            batches,
            invalid: taken.invalid,
            aside,
            variables: writer.variables(),
            warnings,
            first_insert_id: taken.first_insert_id,
        })
    }

    /// A plain file, by several threads.
    fn read_pieces(
        self: &Arc<Self>,
        cutter: Cutter,
        (writer, input): (&mut LoadWriter, &mut Input),
        cancelled: &AtomicBool,
        taken: &mut Taken,
    ) -> Result<Lines> {
        writer.begin_file();
        let Some(mut window) = input.take_text()? else {
            return Ok(Lines::default());
        };
        loop {
            check(cancelled)?;
            let is_last = window.text().1;
            let (bytes, is_done) = writer.skip(window.text());
            window.take(bytes);
            if is_done || is_last {
                break;
            }
            window.fill()?;
        }
        pieces::read(self, cutter, &mut window, cancelled, &mut |built| {
            taken.add(built)
        })
    }

    /// Any files, row by row.
    fn read_lines(
        &self,
        (writer, input): (&mut LoadWriter, &mut Input),
        cancelled: &AtomicBool,
        taken: &mut Taken,
    ) -> Result<Lines> {
        loop {
            let (progress, built) = self.next(writer, input, cancelled)?;
            if let Some(built) = built {
                taken.add(built)?;
            }
            if progress == Progress::Ended {
                return Ok(Lines {
                    records: writer.records(),
                    warnings: writer.take_warnings(),
                });
            }
        }
    }

    /// Reads the next batch; there may be none at the end.
    fn next(
        &self,
        writer: &mut LoadWriter,
        input: &mut Input,
        cancelled: &AtomicBool,
    ) -> Result<(Progress, Option<Built>)> {
        let progress = input.read_on(writer, cancelled)?;
        let batch = (writer.pending() > 0).then(|| self.batch(writer));
        let batch = batch.transpose()?;
        check(cancelled)?;
        Ok((progress, batch))
    }

    fn gather(&self) -> Result<Gathered> {
        let on_duplicate = match self.destination {
            Destination::Memory => {
                return Ok(Gathered::Memory {
                    batches: Vec::new(),
                    aside: Vec::new(),
                    bytes: 0,
                });
            }
            Destination::Store { skip: true } => OnDuplicate::Skip,
            Destination::Store { skip: false } => OnDuplicate::Fail,
        };
        let target = Target {
            table: Arc::clone(&self.table),
            aside: self
                .aside
                .as_ref()
                .map(|aside| Arc::clone(aside.table.meta())),
            on_duplicate,
            time_zone: self.settings.time_zone,
            sink: self.evaluation.sink.clone(),
            notes: self.notes,
        };
        Committer::start(&self.engine, target).map(Gathered::Committer)
    }

    pub(super) fn batch(&self, writer: &mut LoadWriter) -> Result<Built> {
        let store = self.engine.store();
        let id = self.table.meta.id;
        let mut reserve = |count| Ok(store.reserve_ids(id, count)?);
        let mut evaluate = |query: &Query, rows| self.evaluate(query, rows);
        let (batch, first) = writer.take_batch(&mut evaluate, &mut reserve)?;
        let (mut invalid, texts) = writer.take_invalid();
        let sink = &self.evaluation.sink;
        let admitted = sink.within(|| self.door.admit_rows(batch, &mut invalid, texts));
        let (rows, warnings) = admitted?;
        let unkept = warnings.count.saturating_sub(warnings.list.len() as u64);
        warnings.list.into_iter().for_each(|w| sink.push(w));
        sink.count_more(unkept);
        sink.check_division(self.settings.mode.strict && !self.settings.mode.ignore)?;
        let aside = match &self.aside {
            Some(aside) if !invalid.is_empty() => Some(aside.rows(&self.table, &invalid)?),
            _ => None,
        };
        Ok(Built { rows, first, aside })
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

impl Gathered {
    fn take(self, batch: Built) -> Result<Self> {
        match self {
            Self::Committer(committer) => committer.push(batch).map(Self::Committer),
            Self::Memory {
                mut batches,
                mut aside,
                mut bytes,
            } => {
                let rows = compacted(batch.rows);
                let invalid = batch.aside.map(compacted);
                bytes += held_bytes(&rows) + invalid.as_ref().map_or(0, held_bytes);
                batches.push(rows);
                aside.extend(invalid);
                if bytes > rows_limit() {
                    let mib = rows_limit() >> 20;
                    let text = format!(
                        "Multi-statement transaction required more than {mib} MiB of memory; load the file in smaller parts"
                    );
                    return Err(SqlError::new(1197, "HY000", text));
                }
                Ok(Self::Memory {
                    batches,
                    aside,
                    bytes,
                })
            }
        }
    }

    /// Nothing is committed any more when this returns.
    fn give_up(self) {
        if let Self::Committer(committer) = self {
            committer.give_up();
        }
    }

    /// What was committed, and what was not: rows of the table, and of that for invalid ones.
    fn end(self) -> Result<(Counts, Vec<RecordBatch>, Vec<RecordBatch>)> {
        match self {
            Self::Memory { batches, aside, .. } => Ok((Counts::default(), batches, aside)),
            Self::Committer(committer) => {
                let total = committer.commit()?;
                let mut counts = Counts::inserted(total.inserted, Numbers::default());
                counts.duplicates = total.skipped;
                Ok((counts, Vec::new(), Vec::new()))
            }
        }
    }
}
