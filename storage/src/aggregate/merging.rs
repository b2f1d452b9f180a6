//! The second half of an aggregation: the groups of all sources are brought together, in stages. The work of
//! one stage may be done by any number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::distinct::{count_distinct, count_values, counted};
use super::first::Search;
use super::merge::{merge_part, parts_with_records};
use super::output::{Groups, Merged};
use super::partial::Records;
use super::plan::{GroupSet, Target};
use super::request::{AggregateError, Measure};
use super::run::{Aggregation, Worker};
use crate::Error;

/// What is done in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Sources name the groups that may be among the first.
    Name,
    /// And make records of those that were named.
    Emit,
    /// Records of a set other than the first become counts of the first's groups.
    Count(usize),
    /// Records of the first set are merged.
    Merge,
    /// If those that were named turn out not to be the first, sources make records of all groups.
    EmitAll,
}

/// What is left to be done once all rows have been read. Its stages come one after the other.
#[derive(Debug)]
pub struct Merging {
    aggregation: Arc<Aggregation>,
    stages: Vec<Stage>,
    search: Option<Search>,
    is_proved: OnceLock<bool>,
    /// Bytes of the records that were made here and nobody has asked for.
    emitted: AtomicUsize,
    /// Per set, the records of all workers.
    lists: Vec<Mutex<Vec<Records>>>,
    /// Per set, parts to be merged.
    queues: Vec<Mutex<Vec<usize>>>,
    merged: Mutex<Vec<Vec<u64>>>,
}

impl Merging {
    pub(super) fn new(
        aggregation: Arc<Aggregation>,
        workers: Vec<Worker>,
    ) -> Result<Self, AggregateError> {
        let sets = aggregation.plan.sets.len();
        let mut lists: Vec<Vec<Records>> = Vec::new();
        lists.resize_with(sets, Vec::new);
        let mut kept = Vec::new();
        for mut worker in workers {
            kept.append(&mut worker.kept);
            for (list, records) in lists.iter_mut().zip(worker.records) {
                list.push(records);
            }
        }
        let plan = &aggregation.plan;
        let search = aggregation
            .first
            .map(|first| Search::new(first, kept, plan));
        // The query's own groups come last: the others become counts of theirs.
        let mut stages: Vec<Stage> = (1..sets).map(Stage::Count).collect();
        match search {
            Some(_) => stages.extend([Stage::Name, Stage::Emit, Stage::Merge]),
            None => stages.push(Stage::Merge),
        }
        let search = search.transpose()?;
        if search.as_ref().is_some_and(Search::may_fail) {
            stages.extend([Stage::EmitAll, Stage::Merge]);
        }
        let queue = |list: &Vec<Records>| Mutex::new(parts_with_records(list));
        Ok(Self {
            queues: lists.iter().map(queue).collect(),
            lists: lists.into_iter().map(Mutex::new).collect(),
            merged: Mutex::default(),
            is_proved: OnceLock::new(),
            emitted: AtomicUsize::new(0),
            aggregation,
            stages,
            search,
        })
    }

    pub fn stages(&self) -> usize {
        self.stages.len()
    }

    /// Bytes taken, beyond those of the workers, since this was last asked.
    pub fn more_memory(&self) -> usize {
        self.emitted.swap(0, Ordering::Relaxed)
    }

    /// Does some of the work of a stage; `false` when it has none left.
    pub fn work(&self, stage: usize) -> Result<bool, AggregateError> {
        let plan = &self.aggregation.plan;
        let search = self.search.as_ref();
        let records = match self.stages.get(stage) {
            None => return Ok(false),
            Some(Stage::Name) => return search.map_or(Ok(false), |s| s.name(plan)),
            Some(Stage::Count(set)) => return Ok(self.merge(*set)),
            Some(Stage::Merge) => return Ok(self.merge(0)),
            Some(Stage::Emit) => search.map_or(Ok(None), |s| s.emit(plan))?,
            Some(Stage::EmitAll) if self.is_proved() => None,
            Some(Stage::EmitAll) => search.map_or(Ok(None), |s| s.emit_all(plan))?,
        };
        let (Some(records), Some(list)) = (records, self.lists.first()) else {
            return Ok(false);
        };
        self.emitted.fetch_add(records.memory(), Ordering::Relaxed);
        list.lock().push(records);
        Ok(true)
    }

    /// Whether the groups that were merged are the first. If not they are forgotten.
    fn is_proved(&self) -> bool {
        *self.is_proved.get_or_init(|| {
            let Some(search) = &self.search else {
                return true;
            };
            let mut merged = self.merged.lock();
            let values = Merged::values(&self.aggregation.plan, search.target(), &merged);
            let is_proved = search.is_proved(values);
            if !is_proved {
                merged.clear();
            }
            is_proved
        })
    }

    /// Merges a part of a set; `false` when it has none left.
    fn merge(&self, number: usize) -> bool {
        let plan = &self.aggregation.plan;
        let (Some(queue), Some(lists), Some(set)) = (
            self.queues.get(number),
            self.lists.get(number),
            plan.sets.get(number),
        ) else {
            return false;
        };
        let Some(part) = next_part(queue, lists) else {
            return false;
        };
        let taken: Vec<Vec<u64>> = {
            let mut lists = lists.lock();
            let parts = lists.iter_mut().filter_map(|l| l.parts.get_mut(part));
            parts.map(std::mem::take).collect()
        };
        let records: Vec<&[u64]> = taken.iter().map(Vec::as_slice).collect();
        if number == 0 {
            let merged = merge_part(set, plan, &records);
            let request = &self.aggregation.request;
            let merged = Merged::wanted(plan, set, merged, request);
            self.merged.lock().push(merged);
        } else {
            self.count(number, set, &records);
        }
        true
    }

    /// Hands the different values of a COUNT(DISTINCT) to the query's own groups.
    fn count(&self, number: usize, set: &GroupSet, records: &[&[u64]]) {
        let plan = &self.aggregation.plan;
        let distinct = |t: &&Target| matches!(t.measure, Measure::Distinct { .. });
        let target = plan.targets.iter().filter(distinct).nth(number - 1);
        if let (Some(target), Some(own), Some(lists)) =
            (target, plan.sets.first(), self.lists.first())
        {
            let to = (own, target.offset);
            let counts = match set.width() {
                2 if plan.keys == 0 => counted(count_values(records), to),
                _ => count_distinct((set, records), to),
            };
            lists.lock().push(counts);
        }
    }

    /// The result, after all stages.
    pub fn finish(&self) -> Result<Groups, AggregateError> {
        let plan = &self.aggregation.plan;
        let set = plan.sets.first();
        let set = set.ok_or_else(|| Error::Invalid("nothing to compute".into()))?;
        let sources = self.aggregation.sources.lock();
        let merged = Merged {
            plan,
            set,
            parts: std::mem::take(&mut *self.merged.lock()),
            sources: &sources,
        };
        Ok(merged.groups(&self.aggregation.request)?)
    }
}

/// The next part to be merged. An earlier stage may have made records in parts that had none.
fn next_part(queue: &Mutex<Vec<usize>>, lists: &Mutex<Vec<Records>>) -> Option<usize> {
    let mut queue = queue.lock();
    if queue.is_empty() {
        *queue = parts_with_records(&lists.lock());
    }
    queue.pop()
}
