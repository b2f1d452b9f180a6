//! The proof that the rows of a table have no value of a new key twice, made while others write. It goes on from
//! version to version: what has been looked at, a segment or the first rows of a memtable, stays as it
//! is but for rows that go; rows that have come, or have moved to a new segment, are compared with all.
//!
//! INVARIANT: of the live rows of what has been looked at no two have the same value of a new key, and the key files
//! and maps that say so have them all.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;
use roaring::RoaringBitmap;

use super::Shared;
use crate::home::Place;
use crate::keys::{KeyColumns, KeyHash, KeyHasher, find_in_segment, key_columns};
use crate::segment::{BLOCK_ROWS, ChunkCache, ColumnCursor};
use crate::version::TableVersion;
use crate::{Error, KeySpec, Result, TableMeta, TableName};

#[derive(Debug)]
pub(crate) struct Proof {
    /// The table as it is: after another change it takes another proof.
    meta: Arc<TableMeta>,
    /// Its new keys, by the positions that their columns have now.
    specs: Vec<KeySpec>,
    keys: Vec<KeyColumns>,
    /// How many rows of a home have been looked at.
    looked_at: HashMap<Place, u64>,
    /// Hashes that are held at once.
    hashes_max: usize,
}

/// Some rows: the columns of the key, and the hashes of those that are not deleted.
struct Part<'a> {
    columns: &'a [ArrayRef],
    hashes: Vec<Option<KeyHash>>,
}

impl Proof {
    /// The proof of some keys with nothing looked at. `memory`: bytes.
    pub(crate) fn new(table: &TableVersion, specs: Vec<KeySpec>, memory: usize) -> Self {
        let keys = key_columns(&table.history, &specs, &table.meta.folds);
        // What an earlier attempt has left there may be about rows that have gone.
        for memtable in table.memtables() {
            keys.iter().for_each(|key| memtable.keys().forget(&key.ids));
        }
        Self {
            meta: Arc::clone(&table.meta),
            keys,
            specs,
            looked_at: HashMap::new(),
            hashes_max: (memory / size_of::<KeyHash>()).max(1),
        }
    }

    /// Whether it is about this definition of the table.
    pub(crate) fn is_about(&self, table: &TableVersion) -> bool {
        Arc::ptr_eq(&self.meta, &table.meta)
    }

    /// Whether it is about a key of these columns.
    pub(crate) fn has_key(&self, columns: &[usize]) -> bool {
        self.specs.iter().any(|spec| spec.columns == columns)
    }

    /// The keys of the table and the new ones.
    pub(crate) fn all_keys(&self, table: &TableVersion) -> Vec<KeyColumns> {
        let mut all = key_columns(
            &table.history,
            &table.meta.spec.unique_keys,
            &table.meta.folds,
        );
        all.extend(self.keys.iter().cloned());
        all
    }

    fn rows_looked_at(&self, place: Place) -> u64 {
        self.looked_at.get(&place).copied().unwrap_or(0)
    }

    /// Rows that have not been looked at.
    pub(crate) fn backlog(&self, table: &TableVersion) -> u64 {
        let segments = table.segments.iter();
        let stored = segments.map(|s| (s.home().place(), s.record.rows));
        let recent = table.memtables().map(|m| (m.home().place(), m.rows()));
        let left = |(place, rows): (Place, u64)| rows - self.rows_looked_at(place).min(rows);
        stored.chain(recent).map(left).sum()
    }

    /// Looks at the rest of a table, all of whose segments have key files with the new keys.
    pub(crate) fn go_on(&mut self, table: &TableVersion, shared: &Shared) -> Result<()> {
        for (key, spec) in self.keys.iter().zip(&self.specs) {
            self.compare_rest(table, shared, (key, spec))?;
            if !self.looked_at.is_empty() {
                self.compare_with_known(table, shared, (key, spec))?;
            }
        }
        for memtable in table.memtables() {
            let from = self.rows_looked_at(memtable.home().place());
            for key in &self.keys {
                let mut first = from;
                self.hash_memtable(memtable, &shared.hasher, key, &mut |part| {
                    memtable.keys().add(&key.ids, first, &part.hashes);
                    first += part.hashes.len() as u64;
                    Ok(())
                })?;
            }
        }
        self.looked_at = HashMap::new();
        let segments = table.segments.iter();
        self.looked_at
            .extend(segments.map(|s| (s.home().place(), s.record.rows)));
        let memtables = table.memtables();
        self.looked_at
            .extend(memtables.map(|m| (m.home().place(), m.rows())));
        Ok(())
    }

    /// Compares the rows that have not been looked at with each other, in as many rounds as memory asks for.
    fn compare_rest(
        &self,
        table: &TableVersion,
        shared: &Shared,
        (key, spec): (&KeyColumns, &KeySpec),
    ) -> Result<()> {
        let rounds = self.backlog(table).div_ceil(self.hashes_max as u64).max(1);
        let round_of = |hash: KeyHash| (((hash >> 64) * u128::from(rounds)) >> 64) as u64;
        for round in 0..rounds {
            let mut held: Vec<KeyHash> = Vec::new();
            self.hash_rest(table, shared, key, &mut |part| {
                let hashes = part.hashes.into_iter().flatten();
                held.extend(hashes.filter(|&hash| round_of(hash) == round));
                Ok(())
            })?;
            held.sort_unstable();
            let twice = held.windows(2).find(|pair| pair.first() == pair.last());
            if let Some(&hash) = twice.and_then(|pair| pair.first()) {
                return self.hash_rest(table, shared, key, &mut |part| {
                    let at = part.hashes.iter().position(|h| *h == Some(hash));
                    at.map_or(Ok(()), |at| Err(self.twice(spec, part.columns, at)))
                });
            }
        }
        Ok(())
    }

    fn compare_with_known(
        &self,
        table: &TableVersion,
        shared: &Shared,
        (key, spec): (&KeyColumns, &KeySpec),
    ) -> Result<()> {
        let tools = (&shared.hasher, &*shared.cache);
        let known = |place| self.looked_at.contains_key(&place);
        let segments = table.segments.iter().filter(|s| known(s.home().place()));
        let segments: Vec<_> = segments.collect();
        self.hash_rest(table, shared, key, &mut |part| {
            for segment in &segments {
                let found = find_in_segment(segment, key, &part.hashes, &[], tools)?;
                let live = found
                    .iter()
                    .find(|(_, row)| !segment.deleted.contains(*row));
                if let Some(&(at, _)) = live {
                    return Err(self.twice(spec, part.columns, at));
                }
            }
            for memtable in table.memtables() {
                let found = memtable.keys().find(&key.ids, &part.hashes);
                let is_live =
                    |row: &Option<u32>| row.is_some_and(|row| !memtable.deleted().contains(row));
                if let Some(at) = found.iter().position(is_live) {
                    return Err(self.twice(spec, part.columns, at));
                }
            }
            Ok(())
        })
    }

    fn twice(&self, spec: &KeySpec, columns: &[ArrayRef], at: usize) -> Error {
        let fields = self.meta.arrow.fields();
        let fields = spec.columns.iter().filter_map(|&c| fields.get(c).cloned());
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let row = columns.iter().map(|column| column.slice(at, 1)).collect();
        match RecordBatch::try_new(Arc::new(schema), row) {
            Ok(row) => Error::NotUnique {
                table: TableName {
                    schema: self.meta.schema.clone(),
                    table: self.meta.spec.name.clone(),
                },
                key: spec.name.clone(),
                row,
            },
            Err(error) => Error::Invalid(error.to_string()),
        }
    }

    /// Goes through the live rows that have not been looked at.
    fn hash_rest(
        &self,
        table: &TableVersion,
        shared: &Shared,
        key: &KeyColumns,
        each: &mut dyn FnMut(Part<'_>) -> Result<()>,
    ) -> Result<()> {
        // Its own: what is read here is not what queries read.
        let cache = ChunkCache::new(16 << 20);
        for segment in table.segments.iter() {
            if self.looked_at.contains_key(&segment.home().place()) {
                continue;
            }
            let mut cursors: Vec<_> = key
                .positions
                .iter()
                .map(|_| ColumnCursor::default())
                .collect();
            for block in 0..segment.reader()?.blocks() {
                let columns = key.positions.iter().zip(&mut cursors);
                let columns = columns.map(|(&c, cursor)| segment.read(c, block, &cache, cursor));
                let columns = columns.collect::<Result<Vec<_>>>()?;
                let first = (block * BLOCK_ROWS) as u32;
                let hashes = live(
                    shared.hasher.hash(&key.folded(&columns)?)?,
                    first,
                    &segment.deleted,
                );
                each(Part {
                    columns: &columns,
                    hashes,
                })?;
            }
        }
        for memtable in table.memtables() {
            self.hash_memtable(memtable, &shared.hasher, key, each)?;
        }
        Ok(())
    }

    fn hash_memtable(
        &self,
        memtable: &crate::memtable::Memtable,
        hasher: &KeyHasher,
        key: &KeyColumns,
        each: &mut dyn FnMut(Part<'_>) -> Result<()>,
    ) -> Result<()> {
        let from = self.rows_looked_at(memtable.home().place()) as usize;
        let mut first = 0;
        for chunk in memtable.chunks() {
            let skip = from.saturating_sub(first).min(chunk.num_rows());
            let rest = chunk.slice(skip, chunk.num_rows() - skip);
            let start = (first + skip) as u32;
            first += chunk.num_rows();
            if rest.num_rows() == 0 {
                continue;
            }
            let columns = rest.project(&key.positions);
            let columns = columns.map_err(|e| Error::Invalid(e.to_string()))?;
            let hashes = live(
                hasher.hash(&key.folded(columns.columns())?)?,
                start,
                memtable.deleted(),
            );
            each(Part {
                columns: columns.columns(),
                hashes,
            })?;
        }
        Ok(())
    }
}

/// The hashes without those of deleted rows; the first is of row `first`.
fn live(
    mut hashes: Vec<Option<KeyHash>>,
    first: u32,
    deleted: &RoaringBitmap,
) -> Vec<Option<KeyHash>> {
    let end = u64::from(first) + hashes.len() as u64;
    for row in deleted.range(first..u32::try_from(end).unwrap_or(u32::MAX)) {
        if let Some(hash) = hashes.get_mut((row - first) as usize) {
            *hash = None;
        }
    }
    hashes
}
