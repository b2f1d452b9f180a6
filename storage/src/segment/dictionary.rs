//! The cache of decoded dictionary chunks, folded dictionaries and what passed tests, shared by all segments of a
//! store and bounded in bytes.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::folded::FoldedCache;
use super::string_views::CheckedStrings;
use crate::Result;
use crate::format::FileId;
use crate::scan::KeptSets;

/// Sets take so many-th part of what folded dictionaries may: a bit for a hash.
const SETS_SHARE: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ChunkKey {
    pub(crate) file: FileId,
    pub(crate) column: u32,
    pub(crate) chunk: u32,
}

#[derive(Debug, Clone)]
struct ByMemory;

impl Weighter<ChunkKey, Arc<CheckedStrings>> for ByMemory {
    fn weight(&self, _: &ChunkKey, strings: &Arc<CheckedStrings>) -> u64 {
        // Never 0: an entry without weight would never leave.
        strings.memory_bytes() as u64 + 128
    }
}

/// Chunks in use by a scan stay alive beyond eviction.
pub(crate) struct ChunkCache {
    chunks: Cache<ChunkKey, Arc<CheckedStrings>, ByMemory>,
    folded: FoldedCache,
    sets: KeptSets,
}

impl ChunkCache {
    /// Keeps no folded dictionaries and no sets.
    pub(crate) fn new(bytes: usize) -> Self {
        Self::with_folded(bytes, 0)
    }

    /// With so many bytes for folded dictionaries besides, and a part of that for sets.
    pub(crate) fn with_folded(bytes: usize, folded_bytes: usize) -> Self {
        // An expectation only: chunks of 8,192 short strings.
        let items = (bytes / (256 << 10)).max(64);
        Self {
            chunks: Cache::with_weighter(items, bytes as u64, ByMemory),
            folded: FoldedCache::new(folded_bytes),
            sets: KeptSets::new(folded_bytes / SETS_SHARE),
        }
    }

    pub(super) fn folded(&self) -> &FoldedCache {
        &self.folded
    }

    pub(crate) fn sets(&self) -> &KeptSets {
        &self.sets
    }

    /// The chunk, loaded unless it is there. Two threads may load the same chunk at the same time.
    pub(crate) fn get(
        &self,
        key: ChunkKey,
        load: impl FnOnce() -> Result<CheckedStrings>,
    ) -> Result<Arc<CheckedStrings>> {
        if let Some(strings) = self.chunks.get(&key) {
            return Ok(strings);
        }
        let strings = Arc::new(load()?);
        self.chunks.insert(key, Arc::clone(&strings));
        Ok(strings)
    }
}

impl std::fmt::Debug for ChunkCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ChunkCache({} of {} bytes, folded {}, sets {})",
            self.chunks.weight(),
            self.chunks.capacity(),
            self.folded.weight(),
            self.sets.weight()
        )
    }
}
