//! Folded dictionaries: of each entry of a segment's dictionary the hash of what a fold makes of it, kept for later
//! queries and bounded in bytes.
//!
//! Folding a whole dictionary is worth it once queries have met as many entries as half of it; before that
//! they fold, or test, what they meet. Entries with equal hashes count as equal, as strings of different segments do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::buckets::Buckets;
use super::dictionary::ChunkCache;
use super::layout::{CHUNK_ENTRIES, Encoding};
use super::reader::SegmentReader;
use crate::format::FileId;
use crate::{BoxError, Result, ValueMap};

/// A whole dictionary is folded once so many-th part of its entries has been met.
const MET_SHARE: u64 = 2;

/// Dictionaries of which it is remembered how many entries have been met.
const MET_ITEMS: usize = 1 << 14;

/// What a fold makes of the entries of a dictionary. Immutable.
#[derive(Debug)]
pub(crate) struct FoldedDictionary {
    hashes: Vec<u64>,
    buckets: Buckets,
    shared: Shared,
}

impl FoldedDictionary {
    fn new(hashes: Vec<u64>) -> Self {
        let buckets = Buckets::of(&hashes);
        Self {
            shared: Shared::in_buckets(&hashes, &buckets),
            buckets,
            hashes,
        }
    }

    /// By position in the dictionary.
    pub(crate) fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// Entries that others are equal to under the fold.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The entries with one of some hashes, ascending.
    pub(crate) fn positions(&self, mut sought: Vec<u64>) -> Vec<u32> {
        sought.sort_unstable();
        sought.dedup();
        let with = |hash: u64| {
            let near = self.buckets.near(hash).iter().copied();
            near.filter(move |&at| self.hashes.get(at as usize) == Some(&hash))
        };
        let mut found: Vec<u32> = sought.into_iter().flat_map(with).collect();
        found.sort_unstable();
        found
    }

    fn memory_bytes(&self) -> usize {
        8 * self.hashes.len() + self.shared.memory() + self.buckets.memory()
    }
}

/// Which of some hashes are there more than once: a bit for each, none where none is.
#[derive(Debug, Default)]
pub(crate) struct Shared(Vec<u64>);

impl Shared {
    pub(crate) fn of(hashes: &[u64]) -> Self {
        Self::in_buckets(hashes, &Buckets::of(hashes))
    }

    fn in_buckets(hashes: &[u64], buckets: &Buckets) -> Self {
        let hash = |at: &u32| hashes.get(*at as usize);
        let mut bits = Vec::new();
        for bucket in buckets.all() {
            for several in bucket.chunk_by(|a, b| hash(a) == hash(b)) {
                if several.len() == 1 {
                    continue;
                }
                bits.resize(hashes.len().div_ceil(64), 0u64);
                for &at in several {
                    if let Some(word) = bits.get_mut(at as usize / 64) {
                        *word |= 1 << (at % 64);
                    }
                }
            }
        }
        Self(bits)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, at: usize) -> bool {
        let word = self.0.get(at / 64).copied().unwrap_or(0);
        word >> (at % 64) & 1 == 1
    }

    pub(crate) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }
}

/// The hash of each folded string, `None` for NULL; no list for an array of anything else.
pub(crate) fn folded_hashes(strings: &ArrayRef, seed: u64) -> Option<Vec<Option<u64>>> {
    let hash = |bytes: &[u8]| xxh3_64_with_seed(bytes, seed);
    Some(match strings.data_type() {
        DataType::Utf8View => {
            let strings = strings.as_string_view().iter();
            strings.map(|s| s.map(|s| hash(s.as_bytes()))).collect()
        }
        DataType::BinaryView => {
            let strings = strings.as_binary_view().iter();
            strings.map(|s| s.map(hash)).collect()
        }
        DataType::Binary => {
            let strings = strings.as_binary::<i32>().iter();
            strings.map(|s| s.map(hash)).collect()
        }
        _ => return None,
    })
}

/// A dictionary under a fold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FoldKey {
    file: FileId,
    column: u32,
    /// The fold's name.
    fold: String,
}

#[derive(Debug, Clone)]
struct ByMemory;

impl Weighter<FoldKey, Arc<FoldedDictionary>> for ByMemory {
    fn weight(&self, _: &FoldKey, folded: &Arc<FoldedDictionary>) -> u64 {
        // Never 0: an entry without weight would never leave.
        weight_of(folded.memory_bytes() as u64)
    }
}

fn weight_of(bytes: u64) -> u64 {
    bytes + 256
}

/// Dictionaries in use by a query stay alive beyond eviction.
pub(super) struct FoldedCache {
    whole: Cache<FoldKey, Arc<FoldedDictionary>, ByMemory>,
    /// How many entries have been met of those that are not there.
    met: Cache<FoldKey, Arc<AtomicU64>>,
}

impl FoldedCache {
    pub(super) fn new(bytes: usize) -> Self {
        // An expectation only: dictionaries of half a million entries.
        let items = (bytes / (4 << 20)).max(64);
        Self {
            whole: Cache::with_weighter(items, bytes as u64, ByMemory),
            met: Cache::new(if bytes > 0 { MET_ITEMS } else { 0 }),
        }
    }

    /// Whether one of so many entries would be kept.
    fn has_room(&self, entries: u64) -> bool {
        let room = self.whole.capacity() / self.whole.num_shards() as u64;
        weight_of(entries.saturating_mul(8)) <= room / 2
    }

    /// The dictionary, if it is there, or so many more of its `entries` are met that it is to be made. Who needs it
    /// meanwhile waits for it.
    fn get(
        &self,
        key: FoldKey,
        (met, entries): (u64, u64),
        make: impl FnOnce() -> Result<Option<FoldedDictionary>>,
    ) -> Result<Option<Arc<FoldedDictionary>>> {
        if let Some(folded) = self.whole.get(&key) {
            return Ok(Some(folded));
        }
        if met == 0 || !self.has_room(entries) {
            return Ok(None);
        }
        let tally = |key: &FoldKey| {
            let tally = self.met.get(key);
            tally.unwrap_or_else(|| {
                let tally = Arc::new(AtomicU64::new(0));
                self.met.insert(key.clone(), Arc::clone(&tally));
                tally
            })
        };
        let so_far = tally(&key).fetch_add(met, Ordering::Relaxed) + met;
        if so_far < entries.div_ceil(MET_SHARE) {
            return Ok(None);
        }
        // Anew, should it be evicted, or be none that can be folded.
        self.met.remove(&key);
        let made = self.whole.get_or_insert_with(&key, || match make() {
            Ok(Some(folded)) => Ok(Arc::new(folded)),
            Ok(None) => Err(None),
            Err(error) => Err(Some(error)),
        });
        match made {
            Ok(folded) => Ok(Some(folded)),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    pub(super) fn weight(&self) -> u64 {
        self.whole.weight()
    }
}

impl SegmentReader {
    /// What a fold makes of a dictionary of strings, if that is kept, or is worth to be made now that so many of its
    /// entries are met (0: it is not made). `None` also for folds without a name and other columns.
    pub(crate) fn folded(
        &self,
        (column, cache): (usize, &ChunkCache),
        fold: &dyn ValueMap,
        met: u64,
    ) -> Result<Option<Arc<FoldedDictionary>>> {
        let entry = self.column(column)?;
        let (Some(name), Encoding::Dictionary) = (fold.name(), entry.encoding) else {
            return Ok(None);
        };
        let key = FoldKey {
            file: self.file(),
            column: column as u32,
            fold: name.to_owned(),
        };
        let entries = u64::from(entry.dictionary_entries);
        let make = || self.fold_all((column, cache), fold);
        cache.folded().get(key, (met, entries), make)
    }

    /// Folds chunk by chunk: only hashes stay. `None` where the fold fails: no row may need the entry it failed at.
    fn fold_all(
        &self,
        (column, cache): (usize, &ChunkCache),
        fold: &dyn ValueMap,
    ) -> Result<Option<FoldedDictionary>> {
        let entry = self.column(column)?;
        let (entries, null) = (
            entry.dictionary_entries as usize,
            u64::from(entry.null_code),
        );
        let mut hashes = Vec::new();
        while hashes.len() < entries {
            let from = hashes.len();
            let codes = (from..entries.min(from + CHUNK_ENTRIES)).map(|at| at as u64 + null);
            let codes: Vec<u64> = codes.collect();
            let strings = self.code_values(column, &codes, cache)?;
            let Ok(folded) = hashed(fold, &strings, self.string_seed()) else {
                return Ok(None);
            };
            hashes.extend(folded);
        }
        hashes.shrink_to_fit();
        Ok(Some(FoldedDictionary::new(hashes)))
    }
}

/// The hashes of folded strings, of which none is NULL.
fn hashed(
    fold: &dyn ValueMap,
    strings: &ArrayRef,
    seed: u64,
) -> std::result::Result<Vec<u64>, BoxError> {
    let hashes = folded_hashes(&fold.map(strings)?, seed);
    let hashes = hashes.ok_or("a fold gave no strings")?;
    let hashes: Option<Vec<u64>> = hashes.into_iter().collect();
    let hashes = hashes.ok_or("a fold gave NULL")?;
    match hashes.len() == strings.len() {
        true => Ok(hashes),
        false => Err("a fold gave another array".into()),
    }
}
