//! The cache of decoded dictionary chunks, shared by all segments of a store and bounded in bytes.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::string_views::CheckedStrings;
use crate::Result;
use crate::format::FileId;

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
pub(crate) struct ChunkCache(Cache<ChunkKey, Arc<CheckedStrings>, ByMemory>);

impl ChunkCache {
    pub(crate) fn new(bytes: usize) -> Self {
        // An expectation only: chunks of 8,192 short strings.
        let items = (bytes / (256 << 10)).max(64);
        Self(Cache::with_weighter(items, bytes as u64, ByMemory))
    }

    /// The chunk, loaded unless it is there. Two threads may load the same chunk at the same time.
    pub(crate) fn get(
        &self,
        key: ChunkKey,
        load: impl FnOnce() -> Result<CheckedStrings>,
    ) -> Result<Arc<CheckedStrings>> {
        if let Some(strings) = self.0.get(&key) {
            return Ok(strings);
        }
        let strings = Arc::new(load()?);
        self.0.insert(key, Arc::clone(&strings));
        Ok(strings)
    }
}

impl std::fmt::Debug for ChunkCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ChunkCache({} of {} bytes)",
            self.0.weight(),
            self.0.capacity()
        )
    }
}
