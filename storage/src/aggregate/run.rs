//! Running an aggregation: workers take sources off a queue and make records of their groups, then parts
//! of the records are merged. Both may be done by any number of threads.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use parking_lot::Mutex;

use super::batch::{BatchShape, BatchSource, Encoded};
use super::domain::Domain;
use super::fields::{FieldBuffers, Totals};
use super::first::First;
use super::folded::Folding;
use super::kept::Kept;
use super::merging::Merging;
use super::numbering::{BlockGroups, GroupBuffer, NumberBuffers, Numberer, Numbering, number_seen};
use super::partial::{Chosen, Partial, Records, SOURCES_MAX};
use super::plan::{GroupSet, Plan};
use super::prepare::{Prepared, prepare};
use super::request::{AggregateError, AggregateRequest};
use super::source::Source;
use crate::scan::{Rows, ScanRequest, ScanStats, SegmentScan, SelectBuffers};
use crate::{Error, Morsel, Result, TableSnapshot};

/// A segment is split between threads into parts of no fewer rows.
const PART_ROWS: u64 = 1 << 18;

/// An aggregation over one snapshot of a table.
#[derive(Debug)]
pub struct Aggregation {
    pub(super) request: AggregateRequest,
    pub(super) plan: Plan,
    /// That sources keep their groups, since only the first of all are wanted.
    pub(super) first: Option<First>,
    stats: ScanStats,
    /// Of the batches; what is tested and what is grouped or added up.
    columns: Vec<usize>,
    seed: u64,
    items: Mutex<VecDeque<Item>>,
    /// By number, where strings of their groups may be asked for.
    pub(super) sources: Mutex<Vec<Option<Arc<Source>>>>,
}

#[derive(Debug)]
enum Item {
    Segment(SegmentScan),
    Rows(Morsel),
}

/// What one thread has found, and memory it uses again.
#[derive(Debug, Default)]
pub struct Worker {
    /// Per set.
    pub(super) records: Vec<Records>,
    /// In place of records of the first set.
    pub(super) kept: Vec<Kept>,
    buffers: Buffers,
}

#[derive(Debug, Default)]
struct Buffers {
    select: SelectBuffers,
    numbers: NumberBuffers,
    groups: GroupBuffer,
    fields: FieldBuffers,
}

impl Worker {
    /// Bytes that its groups take.
    pub fn memory(&self) -> usize {
        let records = self.records.iter().map(Records::memory).sum::<usize>();
        records + self.kept.iter().map(Kept::memory).sum::<usize>()
    }
}

impl TableSnapshot {
    /// Prepares an aggregation for so many threads; reads nothing but metadata and dictionaries.
    pub fn aggregate(&self, request: AggregateRequest, threads: usize) -> Result<Aggregation> {
        Aggregation::new(self, request, threads)
    }
}

impl Aggregation {
    fn new(table: &TableSnapshot, request: AggregateRequest, threads: usize) -> Result<Self> {
        let plan = Plan::new(&request, table.meta(), table.rows())?;
        let tested = request.conditions.iter().chain(&request.cases);
        let mut columns: Vec<usize> = tested.map(|c| c.column).collect();
        columns.extend(&plan.coded);
        columns.sort_unstable();
        columns.dedup();
        let predicates = request.conditions.iter().flat_map(|c| c.implies.clone());
        let scan = table.scan(ScanRequest {
            columns: columns.clone(),
            predicates: predicates.collect(),
        })?;
        let stats = scan.stats();
        let coded = scan.into_coded();
        let seed = coded.segments.first().map(SegmentScan::string_seed);
        // Every thread is to have as much as the others, also where one segment has nearly all.
        let rows: u64 = coded.segments.iter().map(SegmentScan::rows).sum();
        let share = (rows / threads.max(1) as u64).max(PART_ROWS);
        let split = |segment: SegmentScan| {
            let parts = (segment.rows() + share / 2) / share;
            segment.split(parts.max(1) as usize)
        };
        let segments = coded.segments.into_iter().flat_map(split);
        let items = segments.map(Item::Segment);
        let items = items
            .chain(coded.rest.into_iter().map(Item::Rows))
            .collect();
        Ok(Self {
            first: First::of(&request, &plan),
            request,
            plan,
            stats,
            columns,
            seed: seed.transpose()?.unwrap_or(0),
            items: Mutex::new(items),
            sources: Mutex::default(),
        })
    }

    /// What pruning left.
    pub fn stats(&self) -> ScanStats {
        self.stats
    }

    /// How many threads can be of use.
    pub fn parallelism(&self) -> usize {
        self.items.lock().len()
    }

    pub fn worker(&self) -> Worker {
        let mut worker = Worker::default();
        worker
            .records
            .resize_with(self.plan.sets.len(), Records::default);
        worker
    }

    /// Takes something off the queue and works through it; `false` when nothing is left.
    pub fn work(&self, worker: &mut Worker) -> Result<bool, AggregateError> {
        let item = self.items.lock().pop_front();
        match item {
            None => return Ok(false),
            Some(Item::Rows(rows)) => self.add_rows(rows, worker)?,
            Some(Item::Segment(segment)) => {
                let AggregateRequest {
                    conditions, cases, ..
                } = &self.request;
                match prepare(segment, &self.plan.coded, conditions, cases)? {
                    Prepared::Coded(source) => self.add(source, worker)?,
                    Prepared::Uncoded(segment) => {
                        self.add_rows(segment.read(&self.columns)?, worker)?;
                    }
                    Prepared::Nothing => {}
                }
            }
        }
        Ok(true)
    }

    fn add_rows(&self, rows: Morsel, worker: &mut Worker) -> Result<(), AggregateError> {
        for batch in rows {
            self.add_batch(batch?, worker)?;
        }
        Ok(())
    }

    fn add_batch(&self, batch: RecordBatch, worker: &mut Worker) -> Result<(), AggregateError> {
        let shape = BatchShape {
            columns: &self.columns,
            coded: &self.plan.coded,
            conditions: &self.request.conditions,
            cases: &self.request.cases,
            seed: self.seed,
        };
        match BatchSource::encode(batch, &shape)? {
            Encoded::Source(batch) => self.add(Source::Batch(batch), worker),
            Encoded::Nothing => Ok(()),
            Encoded::TooWide(batch) => {
                // One row never is.
                let half = batch.num_rows().div_ceil(2);
                self.add_batch(batch.slice(0, half), worker)?;
                self.add_batch(batch.slice(half, batch.num_rows() - half), worker)
            }
        }
    }

    /// Groups the rows of a source.
    fn add(&self, mut source: Source, worker: &mut Worker) -> Result<(), AggregateError> {
        let blocks = source.blocks();
        let rows = blocks.iter().map(|b| b.rows.len() as u64).sum();
        let locals = self.plan.locals.iter();
        let domains = locals.map(|local| Domain::new(&source, local, &blocks));
        let mut domains = domains.collect::<Result<Vec<_>>>()?;
        let keys = self.plan.sets.iter().map(|set| set.locals.as_slice());
        let mut sorted = self.plan.locals.iter();
        let sorted = sorted.position(|local| source.is_sorted_by(local.column));
        number_seen(&mut domains, keys, (&source, &blocks), (rows, sorted))?;
        let numbering = |set: &GroupSet| {
            let numbering = Numbering::new(&domains, &set.locals, (rows, sorted));
            Found::new(match set.own {
                // They are made different when they are counted.
                Some(_) => numbering.repeating(),
                None => numbering,
            })
        };
        let mut sets: Vec<Found> = self.plan.sets.iter().map(numbering).collect();
        let Some(mut totals) = Totals::new(&source, &self.plan, rows)? else {
            return match source {
                Source::Segment(segment, _) => self.add_rows(segment.read(&self.columns)?, worker),
                Source::Batch(_) => Err(Error::Invalid("a batch is too wide".into()).into()),
            };
        };
        let Buffers {
            select,
            numbers,
            groups,
            fields,
        } = &mut worker.buffers;
        for at in &blocks {
            let rows = source.select(at, select)?;
            if is_empty(rows) {
                continue;
            }
            numbers.next_block(domains.len());
            for (number, (set, found)) in self.plan.sets.iter().zip(&mut sets).enumerate() {
                let by = Numberer {
                    source: &source,
                    domains: &domains,
                    locals: &set.locals,
                };
                let block = found.numbering.number(&by, (at, rows), numbers, groups)?;
                if number == 0 {
                    totals.grow(found.numbering.groups());
                    totals.add(&source, (at, rows), block, fields)?;
                } else {
                    found.mark(rows, block);
                }
            }
        }
        source.forget_codes();
        let grouped = Grouped {
            domains,
            sets,
            totals,
        };
        self.finish(source, grouped, worker)
    }

    /// Makes records of the groups of a source, or keeps them.
    fn finish(
        &self,
        source: Source,
        grouped: Grouped,
        worker: &mut Worker,
    ) -> Result<(), AggregateError> {
        let groups = grouped.groups();
        let folding = Folding {
            plan: &self.plan,
            source: &source,
            domains: &grouped.domains,
            seed: self.seed,
        };
        let numberings = grouped.sets.iter().map(|found| &found.numbering);
        let found = numberings.zip(groups.iter().map(Vec::as_slice));
        let folded = folding.keys(&found.collect::<Vec<_>>())?;
        let (source, number) = self.register(source)?;
        let Grouped {
            domains,
            mut sets,
            totals,
        } = grouped;
        if let Some(first) = self.first
            && let Some(found) = sets.pop()
        {
            let groups = groups.into_iter().next().unwrap_or_default();
            worker.kept.push(Kept::new(
                (source, number),
                (domains, found.numbering),
                (totals, groups),
                folded,
                (&self.plan, first.target),
            )?);
            return Ok(());
        }
        let sets = self.plan.sets.iter().zip(&sets).zip(&groups);
        for (at, ((set, found), groups)) in sets.enumerate() {
            let partial = Partial {
                plan: &self.plan,
                set,
                source: &source,
                number,
                domains: &domains,
                numbering: &found.numbering,
                totals: (at == 0).then_some(&totals),
                folded: &folded,
            };
            if let Some(records) = worker.records.get_mut(at) {
                partial.emit(groups, Chosen::Numbered, records)?;
            }
        }
        Ok(())
    }

    /// Gives a source a number, and keeps it when strings may be asked of it.
    fn register(&self, source: Source) -> Result<(Arc<Source>, u64)> {
        let source = Arc::new(source);
        let keep = self.plan.sets.iter().any(|set| !set.strings.is_empty());
        let mut sources = self.sources.lock();
        let number = sources.len();
        if number >= SOURCES_MAX {
            return Err(Error::NotSupported("so many pieces in one query".into()));
        }
        sources.push(keep.then(|| Arc::clone(&source)));
        Ok((source, number as u64))
    }

    /// Goes on to merging, once no worker has anything left to do.
    pub fn merging(self: Arc<Self>, workers: Vec<Worker>) -> Result<Merging, AggregateError> {
        Merging::new(self, workers)
    }
}

/// The rows of a source in groups.
struct Grouped {
    domains: Vec<Domain>,
    sets: Vec<Found>,
    /// Of the first set.
    totals: Totals,
}

impl Grouped {
    /// The groups of each set that have rows.
    fn groups(&self) -> Vec<Vec<u32>> {
        let of_set = |(at, found): (usize, &Found)| match at {
            0 => found_groups(&found.numbering, &self.totals),
            _ => found.groups(),
        };
        self.sets.iter().enumerate().map(of_set).collect()
    }
}

/// The groups that have rows.
fn found_groups(numbering: &Numbering, totals: &Totals) -> Vec<u32> {
    let groups = 0..numbering.groups();
    let groups = groups.filter(|group| totals.rows(*group) > 0);
    groups.map(|group| group as u32).collect()
}

/// The groups of one set in one source.
struct Found {
    numbering: Numbering,
    /// A bit per group that has rows, when groups are numbered by position.
    present: Vec<u64>,
}

impl Found {
    fn new(numbering: Numbering) -> Self {
        Self {
            numbering,
            present: Vec::new(),
        }
    }

    fn mark(&mut self, rows: Rows<'_>, block: BlockGroups<'_>) {
        if let Numbering::Interned(_) = self.numbering {
            return;
        }
        self.present.resize(self.numbering.groups().div_ceil(64), 0);
        let mut mark = |group: u32| {
            if let Some(word) = self.present.get_mut(group as usize / 64) {
                *word |= 1 << (group % 64);
            }
        };
        block.each_run(rows, |group, _| mark(group));
        match (block, rows) {
            (BlockGroups::PerRow(groups), Rows::Range(from, to)) => {
                let groups = groups.get(from..to).unwrap_or_default();
                groups.iter().for_each(|&group| mark(group));
            }
            (BlockGroups::PerRow(groups), Rows::Picked(rows)) => {
                let groups = rows.iter().filter_map(|&row| groups.get(row as usize));
                groups.for_each(|&group| mark(group));
            }
            (BlockGroups::One(_) | BlockGroups::Runs(_), _) => {}
        }
    }

    /// The groups that have rows.
    fn groups(&self) -> Vec<u32> {
        let all = 0..self.numbering.groups() as u32;
        if let Numbering::Interned(_) = self.numbering {
            return all.collect();
        }
        let present = |group: &u32| {
            let word = self.present.get(*group as usize / 64);
            word.is_some_and(|word| word >> (group % 64) & 1 == 1)
        };
        all.filter(present).collect()
    }
}

fn is_empty(rows: Rows<'_>) -> bool {
    match rows {
        Rows::Range(from, to) => from >= to,
        Rows::Picked(rows) => rows.is_empty(),
    }
}
