//! The first groups by a measure, found without merging all there are.
//!
//! What a group comes to is the sum of its ranks in all sources. Each source names its own first groups; together
//! these give an estimate of what the last of the wanted groups comes to. A group that in each of `n` sources ranks below
//! an n-th of that comes to less, so only groups that reach an n-th in some source are candidates, and all
//! that is known of these anywhere is merged: a few records instead of one per group and source. The estimate is
//! proved in the end. If it was too high, as negative values can make it, or most groups are candidates,
//! all groups are merged after all.
//!
//! The idea is that of the three-phase uniform threshold algorithm (Cao and Wang, PODC 2004).

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::kept::Kept;
use super::partial::{Records, Wanted};
use super::plan::{Identity, Output, Plan, Slot};
use super::request::{AggregateError, AggregateRequest, Measure};

/// More groups are seldom asked for, and most of all would be candidates.
const COUNT_MAX: usize = 1000;

/// Fewer groups are merged as fast as candidates are found.
const GROUPS_MIN: usize = 8192;

/// One in so many groups may be a candidate; with more of them there is nothing to gain.
const CANDIDATES_SHARE: usize = 4;

/// What of the estimate is relied on, in eighths: corrections that a source does not know of may make the true
/// value somewhat less.
const RELIED_EIGHTHS: i128 = 7;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct First {
    /// Of the plan.
    pub(super) target: usize,
    pub(super) count: usize,
}

impl First {
    /// Whether the groups that an aggregation asks for may be found so.
    pub(super) fn of(request: &AggregateRequest, plan: &Plan) -> Option<Self> {
        let top = request.top.filter(|top| top.descending)?;
        let sums = |target: &super::plan::Target| {
            let distinct = matches!(target.measure, Measure::Distinct { .. });
            !distinct && matches!(target.slot, Slot::Count | Slot::Narrow | Slot::Wide)
        };
        let possible = plan.sets.len() == 1
            && plan.keys > 0
            && request.having.is_empty()
            // Of other keys several groups of one source may be one in the end, and it is not known which.
            && plan.outputs.iter().take(plan.keys).all(is_known_apart)
            && (1..=COUNT_MAX).contains(&top.count)
            && plan.targets.get(top.measure).is_some_and(sums);
        possible.then_some(Self {
            target: top.measure,
            count: top.count,
        })
    }
}

/// Whether it is known of the groups of a source which of them are one by this key. Under folds those count as the first
/// of them, whose rank is that of all.
fn is_known_apart(key: &Output) -> bool {
    matches!(
        key.identity,
        Identity::Word { .. } | Identity::String | Identity::Folded(_)
    )
}

/// The search among the groups of all sources. In each of its steps every source has its turn, on any thread;
/// one step is over before the next one begins.
#[derive(Debug)]
pub(super) struct Search {
    first: First,
    kept: Vec<Kept>,
    /// The rank that candidates have in some source; `None`: all groups are merged.
    least: Option<i64>,
    /// Identities of candidates.
    named: Mutex<Vec<u64>>,
    /// The candidates once all are named; `None`: all groups.
    wanted: OnceLock<Option<Wanted>>,
    /// The source whose turn is next, for each step.
    next: [AtomicUsize; STEPS],
}

const STEPS: usize = 3;

impl Search {
    pub(super) fn new(first: First, kept: Vec<Kept>, plan: &Plan) -> Result<Self, AggregateError> {
        let least = estimate(first, &kept, plan)?;
        Ok(Self {
            first,
            kept,
            least,
            named: Mutex::default(),
            wanted: OnceLock::new(),
            next: Default::default(),
        })
    }

    /// Whether records may have to be made of all groups after all.
    pub(super) fn may_fail(&self) -> bool {
        self.least.is_some()
    }

    /// The plan's target that the first groups are chosen by.
    pub(super) fn target(&self) -> usize {
        self.first.target
    }

    fn turn(&self, step: usize) -> Option<&Kept> {
        let next = self.next.get(step)?.fetch_add(1, Ordering::Relaxed);
        self.kept.get(next)
    }

    /// Has a source name its candidates; `false` when all have.
    pub(super) fn name(&self, plan: &Plan) -> Result<bool, AggregateError> {
        let (Some(least), Some(kept)) = (self.least, self.turn(0)) else {
            return Ok(false);
        };
        let named = kept.named_from_rank(plan, least)?;
        self.named.lock().extend(named);
        Ok(true)
    }

    /// Makes records of the candidates of a source; `None` when all have been made.
    pub(super) fn emit(&self, plan: &Plan) -> Result<Option<Records>, AggregateError> {
        let wanted = self.wanted.get_or_init(|| {
            let named = self.named.lock();
            let few = named.len() <= groups(&self.kept) / CANDIDATES_SHARE;
            (self.least.is_some() && few).then(|| Wanted::new(&named))
        });
        self.records(1, plan, wanted.as_ref())
    }

    /// Makes records of all groups of a source, once `is_proved` has said no.
    pub(super) fn emit_all(&self, plan: &Plan) -> Result<Option<Records>, AggregateError> {
        self.records(2, plan, None)
    }

    fn records(
        &self,
        step: usize,
        plan: &Plan,
        wanted: Option<&Wanted>,
    ) -> Result<Option<Records>, AggregateError> {
        let Some(kept) = self.turn(step) else {
            return Ok(None);
        };
        let mut records = Records::default();
        kept.emit(plan, wanted, &mut records)?;
        Ok(Some(records))
    }

    /// Whether no other group comes to as much as the last that is wanted, given what those merged come to.
    pub(super) fn is_proved(&self, mut merged: Vec<i128>) -> bool {
        let (Some(Some(_)), Some(least)) = (self.wanted.get(), self.least) else {
            return true;
        };
        let Some(at) = self
            .first
            .count
            .checked_sub(1)
            .filter(|at| *at < merged.len())
        else {
            return false;
        };
        let (_, last, _) = merged.select_nth_unstable_by(at, |a, b| b.cmp(a));
        *last > sources(&self.kept) * i128::from(least - 1)
    }
}

/// How many sources have groups.
fn sources(kept: &[Kept]) -> i128 {
    kept.iter().filter(|kept| kept.groups() > 0).count() as i128
}

fn groups(kept: &[Kept]) -> usize {
    kept.iter().map(Kept::groups).sum()
}

/// The rank in some source of every group that is wanted, by what is known of the first groups of each.
fn estimate(first: First, kept: &[Kept], plan: &Plan) -> Result<Option<i64>, AggregateError> {
    if groups(kept) < GROUPS_MIN {
        return Ok(None);
    }
    let mut sums: HashMap<u64, i128> = HashMap::new();
    for kept in kept {
        for (identity, rank) in kept.first(plan, first.count)? {
            *sums.entry(identity).or_default() += i128::from(rank);
        }
    }
    let mut sums: Vec<i128> = sums.into_values().collect();
    let Some(at) = first.count.checked_sub(1).filter(|at| *at < sums.len()) else {
        return Ok(None);
    };
    let (_, last, _) = sums.select_nth_unstable_by(at, |a, b| b.cmp(a));
    let least = *last * RELIED_EIGHTHS / 8 / sources(kept).max(1);
    // Below 2 it would tell candidates from groups that come to nothing at most.
    Ok(i64::try_from(least).ok().filter(|&least| least > 1))
}
