//! The groups of one source that are kept until it is known which of them are wanted, each with its rank:
//! what it comes to, in this source, by the measure that the first are chosen by.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::domain::Domain;
use super::fields::Totals;
use super::folded::{FoldedKeys, UNRANKED, rank_twins};
use super::numbering::Numbering;
use super::partial::{Chosen, Partial, Records, Wanted};
use super::plan::{GroupSet, Plan};
use super::request::AggregateError;
use super::source::Source;

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) source: Arc<Source>,
    pub(super) number: u64,
    pub(super) domains: Vec<Domain>,
    pub(super) numbering: Numbering,
    /// Per output of the plan, of those that are folded.
    folded: Vec<Option<FoldedKeys>>,
    /// By place in `groups`.
    totals: Totals,
    /// Those that have rows, ascending.
    groups: Vec<u32>,
    /// By place.
    ranks: Vec<i64>,
}

impl Kept {
    /// Keeps the groups of the query's own set that have rows, ranked by a target of the plan.
    pub(super) fn new(
        (source, number): (Arc<Source>, u64),
        (mut domains, mut numbering): (Vec<Domain>, Numbering),
        (mut totals, groups): (Totals, Vec<u32>),
        folded: Vec<Option<FoldedKeys>>,
        (plan, target): (&Plan, usize),
    ) -> Result<Self, AggregateError> {
        domains.iter_mut().for_each(Domain::forget_numbers);
        numbering.forget_table();
        totals.keep(&groups);
        let mut kept = Self {
            ranks: Vec::new(),
            source,
            number,
            folded,
            domains,
            numbering,
            totals,
            groups,
        };
        kept.ranks = kept.ranked(plan, target)?;
        Ok(kept)
    }

    fn ranked(&self, plan: &Plan, target: usize) -> Result<Vec<i64>, AggregateError> {
        let target = plan.targets.get(target);
        let rank = |place: usize| target.map_or(0, |target| self.totals.rank(place, target));
        let within = |rank: i128| rank.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let mut ranks: Vec<i64> = (0..self.groups.len()).map(|at| within(rank(at))).collect();
        if let Some(set) = plan.sets.first() {
            rank_twins(&self.partial(plan, set), &self.groups, rank, &mut ranks)?;
        }
        Ok(ranks)
    }

    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Bytes that it takes, but for its source.
    pub(super) fn memory(&self) -> usize {
        let domains = self.domains.iter().map(Domain::memory).sum::<usize>();
        let groups = self.groups.capacity() * size_of::<u32>();
        let ranks = self.ranks.capacity() * size_of::<i64>();
        let folded = self.folded.iter().flatten().map(FoldedKeys::memory);
        let folded: usize = folded.sum();
        domains + self.numbering.memory() + self.totals.memory() + groups + ranks + folded
    }

    /// The identities of the first so many groups by rank, with their ranks.
    pub(super) fn first(
        &self,
        plan: &Plan,
        count: usize,
    ) -> Result<Vec<(u64, i64)>, AggregateError> {
        let mut best: BinaryHeap<Reverse<(i64, usize)>> = BinaryHeap::with_capacity(count + 1);
        let mut least = i64::MIN;
        let ranks = self.ranks.iter().enumerate();
        for (place, &rank) in ranks.filter(|(_, rank)| **rank != UNRANKED) {
            if best.len() < count || rank > least {
                best.push(Reverse((rank, place)));
                if best.len() > count {
                    best.pop();
                }
                least = best.peek().map_or(i64::MIN, |Reverse((rank, _))| *rank);
            }
        }
        let mut places: Vec<usize> = best.into_iter().map(|Reverse((_, place))| place).collect();
        places.sort_unstable();
        let identities = self.identities(plan, &places)?;
        let rank = |place: &usize| self.ranks.get(*place).copied().unwrap_or(0);
        Ok(identities
            .into_iter()
            .zip(places.iter().map(rank))
            .collect())
    }

    /// The identities of the groups that rank so high.
    pub(super) fn named_from_rank(
        &self,
        plan: &Plan,
        least: i64,
    ) -> Result<Vec<u64>, AggregateError> {
        let ranks = self.ranks.iter().enumerate();
        let places: Vec<usize> = ranks
            .filter(|(_, r)| **r >= least)
            .map(|(at, _)| at)
            .collect();
        self.identities(plan, &places)
    }

    fn identities(&self, plan: &Plan, places: &[usize]) -> Result<Vec<u64>, AggregateError> {
        let group = |place: &usize| self.groups.get(*place).copied().unwrap_or(0);
        let groups: Vec<u32> = places.iter().map(group).collect();
        match plan.sets.first() {
            Some(set) => self.partial(plan, set).identities(&groups),
            None => Ok(Vec::new()),
        }
    }

    /// Makes records of those of its groups that are wanted; of all of them if nothing is said.
    pub(super) fn emit(
        &self,
        plan: &Plan,
        wanted: Option<&Wanted>,
        records: &mut Records,
    ) -> Result<(), AggregateError> {
        let Some(set) = plan.sets.first() else {
            return Ok(());
        };
        let chosen = Chosen::Kept(wanted);
        self.partial(plan, set).emit(&self.groups, chosen, records)
    }

    fn partial<'a>(&'a self, plan: &'a Plan, set: &'a GroupSet) -> Partial<'a> {
        Partial {
            plan,
            set,
            source: &self.source,
            number: self.number,
            domains: &self.domains,
            numbering: &self.numbering,
            totals: Some(&self.totals),
            folded: &self.folded,
        }
    }
}
