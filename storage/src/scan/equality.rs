//! Equality of strings under a fold as a set of codes: found among the hashes of a folded dictionary, where one is
//! kept or worth to be made, so that only few entries have to be asked about.

use std::sync::atomic::{AtomicUsize, Ordering};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::code_set::CodeSet;
use crate::segment::{CHUNK_ENTRIES, ChunkCache, FoldedDictionary, SegmentReader};
use crate::{Error, FoldedEquality, PassesString, Result};

/// A test of an entry costs so many-th part of a fold.
const TEST_SHARE: u64 = 4;

/// Dictionaries that are folded while one scan is planned, on one thread: later scans fold others.
const FOLDED_PER_SCAN: usize = 2;

/// How many entries count as met, of which so many have been asked about.
pub(crate) fn met_by_tests(asked: u64) -> u64 {
    asked.div_ceil(TEST_SHARE)
}

/// The codes of the entries that pass a test which says `equality`. `null` is the code of the first entry, `high` that of
/// the last. `passes` is asked about some codes, which ascend.
pub(crate) fn equal_set<E>(
    (folded, seed): (&FoldedDictionary, u64),
    equality: &FoldedEquality,
    (null, high): (u64, u64),
    passes: impl FnOnce(&[u64]) -> std::result::Result<Vec<bool>, E>,
) -> std::result::Result<CodeSet, E> {
    let hashes = equality.keys.iter();
    let hashes = hashes.map(|key| xxh3_64_with_seed(key, seed)).collect();
    let positions = folded.positions(hashes);
    let codes: Vec<u64> = positions.iter().map(|&at| u64::from(at) + null).collect();
    if codes.is_empty() {
        return Ok(CodeSet::without((null, high), &[], equality.equal));
    }
    // Another string may have the same hash.
    let passing = passes(&codes)?.into_iter().zip(codes);
    let differing = passing.filter(|(passes, _)| *passes == equality.equal);
    let codes: Vec<u64> = differing.map(|(_, code)| code).collect();
    Ok(CodeSet::without((null, high), &codes, equality.equal))
}

/// The folding that the planning of one scan does.
#[derive(Debug, Default)]
pub(super) struct ScanFolds {
    made: AtomicUsize,
}

impl ScanFolds {
    /// The codes of the strings that pass a test, if they can be found so.
    pub(super) fn set(
        &self,
        (reader, column): (&SegmentReader, usize),
        cache: &ChunkCache,
        test: &dyn PassesString,
    ) -> Result<Option<CodeSet>> {
        let (Some(equality), Some(info)) = (test.equality(), reader.codes_info(column)?) else {
            return Ok(None);
        };
        let null = u64::from(info.null_code);
        let entries = (info.high + 1).saturating_sub(null);
        let fold = equality.fold.as_ref();
        let mut folded = reader.folded((column, cache), fold, 0)?;
        if folded.is_none() && self.made.load(Ordering::Relaxed) < FOLDED_PER_SCAN {
            folded = reader.folded((column, cache), fold, met_by_tests(entries))?;
            self.made
                .fetch_add(folded.is_some().into(), Ordering::Relaxed);
        }
        let Some(folded) = folded else {
            return Ok(None);
        };
        let passes = |codes: &[u64]| {
            let one = |&code: &u64| {
                let at = (code - null) as usize;
                let strings = reader.strings_chunk(column, at / CHUNK_ENTRIES, cache)?;
                let string = strings.get(at % CHUNK_ENTRIES);
                let string = string.ok_or_else(|| Error::Invalid("no such entry".into()))?;
                Ok(test.passes(string))
            };
            codes.iter().map(one).collect::<Result<Vec<bool>>>()
        };
        let folded = (&*folded, reader.string_seed());
        equal_set(folded, &equality, (null, info.high), passes).map(Some)
    }
}
