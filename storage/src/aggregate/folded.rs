//! Keys of strings under a fold in one source: the hashes of what the fold makes of them, from the segment's folded
//! dictionary if there is one, else made of the strings that occur.
//!
//! Groups are numbered by codes: several of one source may be one under a fold. Merging makes them one; where
//! only the first groups are looked for, such twins are ranked together (`rank_twins`).

use std::sync::Arc;

use super::domain::Domain;
use super::numbering::Numbering;
use super::partial::{KeyColumn, Partial};
use super::places::Places;
use super::plan::{GroupSet, Identity, Output, Plan};
use super::request::{AggregateError, ValueMap};
use super::source::Source;
use crate::segment::{FoldedDictionary, Shared, folded_hashes};
use crate::{Error, Result};

/// The keys of one column.
#[derive(Debug)]
pub(super) enum FoldedKeys {
    Whole(Arc<FoldedDictionary>),
    Met(Met),
}

/// Of the numbers that groups have.
#[derive(Debug)]
pub(super) struct Met {
    places: Places,
    /// By place.
    hashes: Vec<u64>,
    nulls: Vec<bool>,
}

/// What keys are folded of.
#[derive(Clone, Copy)]
pub(super) struct Folding<'a> {
    pub(super) plan: &'a Plan,
    pub(super) source: &'a Source,
    pub(super) domains: &'a [Domain],
    /// What hashes of strings start from.
    pub(super) seed: u64,
}

impl Folding<'_> {
    /// Per output of the plan its keys, if it is folded. `found`: how each set is numbered, and its groups.
    pub(super) fn keys(
        &self,
        found: &[(&Numbering, &[u32])],
    ) -> Result<Vec<Option<FoldedKeys>>, AggregateError> {
        let outputs = self.plan.outputs.iter().enumerate();
        let one = |(at, output): (usize, &Output)| match &output.identity {
            Identity::Folded(fold) => self.of_output((at, output), fold.as_ref(), found).map(Some),
            _ => Ok(None),
        };
        outputs.map(one).collect()
    }

    fn of_output(
        &self,
        (at, output): (usize, &Output),
        fold: &dyn ValueMap,
        found: &[(&Numbering, &[u32])],
    ) -> Result<FoldedKeys, AggregateError> {
        let missing = || Error::Invalid("no such key".into());
        let local = self.plan.locals.get(output.local).ok_or_else(missing)?;
        let domain = self.domains.get(output.local).ok_or_else(missing)?;
        if let Some(whole) = self.source.folded(local.column, fold, 0)? {
            return Ok(FoldedKeys::Whole(whole));
        }
        // All sets are of the same rows.
        let mut sets = self.plan.sets.iter().zip(found);
        let of_set = sets.find(|(set, _)| set.outputs.contains(&at));
        let (set, (numbering, groups)) = of_set.ok_or_else(missing)?;
        let numbers = numbers_of(set, numbering, (output.local, domain), groups);
        let (places, used) = Places::of(&numbers, domain.size);
        drop(numbers);
        let met = used.len() as u64;
        if let Some(whole) = self.source.folded(local.column, fold, met)? {
            return Ok(FoldedKeys::Whole(whole));
        }
        let codes: Vec<u64> = used.iter().map(|&n| domain.code(n)).collect();
        let values = self.source.values(local.column, &codes)?;
        let folded = fold.map(&values).map_err(AggregateError::Caller)?;
        let hashes = folded_hashes(&folded, self.seed).filter(|hashes| hashes.len() == used.len());
        let hashes = hashes.ok_or_else(|| Error::Invalid("a fold gave another array".into()))?;
        Ok(FoldedKeys::Met(Met {
            places,
            nulls: hashes.iter().map(Option::is_none).collect(),
            hashes: hashes.into_iter().map(Option::unwrap_or_default).collect(),
        }))
    }
}

/// The numbers of groups for one of the locals of their set.
fn numbers_of(
    set: &GroupSet,
    numbering: &Numbering,
    (local, domain): (usize, &Domain),
    groups: &[u32],
) -> Vec<u64> {
    let key = set.locals.iter().position(|l| *l == local).unwrap_or(0);
    numbering.numbers(key, domain.size, groups)
}

impl FoldedKeys {
    /// The keys that numbers of a domain stand for.
    pub(super) fn key(&self, domain: &Domain, numbers: &[u64]) -> KeyColumn {
        let codes = || numbers.iter().map(|&number| domain.code(number));
        let null = u64::from(domain.coded.null_code);
        let (words, nulls) = match self {
            Self::Whole(folded) => {
                let hash = |code: u64| {
                    let entry = code.checked_sub(null)?;
                    folded.hashes().get(entry as usize).copied()
                };
                let words = codes().map(|code| hash(code).unwrap_or(0)).collect();
                (words, codes().map(|code| code < null).collect())
            }
            Self::Met(met) => {
                let places = || numbers.iter().map(|&number| met.places.place(number));
                let words = places().map(|p| met.hashes.get(p).copied().unwrap_or(0));
                let nulls = places().map(|p| met.nulls.get(p).copied().unwrap_or(true));
                (words.collect(), nulls.collect())
            }
        };
        KeyColumn {
            words,
            nulls,
            codes: codes().map(|code| code as u32).collect(),
        }
    }

    /// Which of some numbers others of the source are equal to; no list where there are none.
    fn twins(&self, domain: &Domain, numbers: impl FnOnce() -> Vec<u64>) -> Option<Vec<bool>> {
        let null = u64::from(domain.coded.null_code);
        match self {
            Self::Whole(folded) => {
                let shared = Some(folded.shared()).filter(|shared| !shared.is_empty())?;
                let has = |number: u64| {
                    let entry = domain.code(number).checked_sub(null);
                    entry.is_some_and(|entry| shared.has(entry as usize))
                };
                Some(numbers().into_iter().map(has).collect())
            }
            Self::Met(met) => {
                let shared = Shared::of(&met.hashes);
                let has = |number: u64| shared.has(met.places.place(number));
                (!shared.is_empty()).then(|| numbers().into_iter().map(has).collect())
            }
        }
    }

    /// Bytes that it takes for itself.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Whole(_) => 0,
            Self::Met(met) => {
                let hashes = met.hashes.capacity() * size_of::<u64>();
                met.places.memory() + hashes + met.nulls.capacity()
            }
        }
    }
}

/// Groups of the first set that may be one with others of their source: places among them, ascending.
fn possible_twins(partial: &Partial<'_>, groups: &[u32]) -> Vec<usize> {
    let mut marked: Option<Vec<bool>> = None;
    for output in &partial.set.outputs {
        let keys = partial.folded.get(*output).and_then(Option::as_ref);
        let local = partial.plan.outputs.get(*output).map(|o| o.local);
        let domain = local.and_then(|local| Some((local, partial.domains.get(local)?)));
        let (Some(keys), Some((local, domain))) = (keys, domain) else {
            continue;
        };
        let numbers = || numbers_of(partial.set, partial.numbering, (local, domain), groups);
        let Some(twins) = keys.twins(domain, numbers) else {
            continue;
        };
        match &mut marked {
            None => marked = Some(twins),
            Some(marked) => marked.iter_mut().zip(twins).for_each(|(m, t)| *m |= t),
        }
    }
    let marked = marked.unwrap_or_default().into_iter().enumerate();
    marked.filter(|(_, twin)| *twin).map(|(at, _)| at).collect()
}

/// Ranks groups of a source that are one under their folds by what they come to together: the first of them by all,
/// the others below any. `rank` says what each comes to.
pub(super) fn rank_twins(
    partial: &Partial<'_>,
    groups: &[u32],
    rank: impl Fn(usize) -> i128,
    ranks: &mut [i64],
) -> Result<(), AggregateError> {
    let places = possible_twins(partial, groups);
    if places.is_empty() {
        return Ok(());
    }
    let possible = places
        .iter()
        .filter_map(|&place| groups.get(place).copied());
    let possible: Vec<u32> = possible.collect();
    let keys = partial.whole_keys(&possible)?;
    let width = partial.set.outputs.len() + 1;
    let key = |at: usize| keys.get(at * width..(at + 1) * width);
    let mut order: Vec<usize> = (0..possible.len()).collect();
    order.sort_unstable_by_key(|&at| (key(at), at));
    for twins in order.chunk_by(|a, b| key(*a) == key(*b)) {
        let places = || twins.iter().filter_map(|&at| places.get(at).copied());
        // Of a group alone it is what it is.
        let sum = places().map(&rank).fold(0, i128::saturating_add);
        let sum = sum.clamp((i64::MIN + 1).into(), i64::MAX.into()) as i64;
        for (number, place) in places().enumerate() {
            if let Some(slot) = ranks.get_mut(place) {
                *slot = if number == 0 { sum } else { UNRANKED };
            }
        }
    }
    Ok(())
}

/// The rank of a group that counts in another's.
pub(super) const UNRANKED: i64 = i64::MIN;
