//! Writing strings: a sorted dictionary where values repeat, offsets and bytes per block where they are
//! nearly unique. Reading them is in `dictionary` and `reader`.

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::layout::CHUNK_ENTRIES;
use super::zone::{Bounds, Prefix, Zone};
use crate::format::ByteWriter;

/// Decoded bytes of the longest dictionary chunk; longer strings are stored per block.
const CHUNK_BYTES_MAX: usize = 256 << 20;

/// A column of strings as bytes; NULL is `None`.
pub(crate) fn rows_of(array: &dyn Array) -> Vec<Option<&[u8]>> {
    match array.data_type() {
        DataType::Utf8View => {
            let array = array.as_string_view();
            array.iter().map(|v| v.map(str::as_bytes)).collect()
        }
        DataType::BinaryView => array.as_binary_view().iter().collect(),
        _ => Vec::new(),
    }
}

/// Distinct values in ascending order, and per row the position of its value (of any, for NULL).
pub(crate) struct Dictionary<'a> {
    pub(crate) entries: Vec<&'a [u8]>,
    pub(crate) codes: Vec<u64>,
}

impl<'a> Dictionary<'a> {
    /// `None` when too few values repeat for a dictionary to pay, or a chunk would be too long.
    pub(crate) fn build(rows: &[Option<&'a [u8]>]) -> Option<Self> {
        let limit = rows.len() / 2 + 1;
        let mut seen: HashTable<u32> = HashTable::new();
        let mut entries: Vec<&[u8]> = Vec::new();
        let mut codes = Vec::with_capacity(rows.len());
        let mut last: Option<(&[u8], u32)> = None;
        for row in rows {
            let Some(value) = *row else {
                codes.push(0);
                continue;
            };
            // Sorted rows repeat: the comparison is cheaper than the hash.
            if let Some((_, code)) = last.filter(|(v, _)| *v == value) {
                codes.push(u64::from(code));
                continue;
            }
            let code = intern(&mut seen, &mut entries, value);
            if entries.len() > limit {
                return None;
            }
            last = Some((value, code));
            codes.push(u64::from(code));
        }
        let fits =
            |chunk: &[&[u8]]| chunk.iter().map(|v| v.len()).sum::<usize>() <= CHUNK_BYTES_MAX;
        entries
            .chunks(CHUNK_ENTRIES)
            .all(fits)
            .then(|| Self { entries, codes }.sorted())
    }

    /// Orders the entries, so that the order of codes is that of values.
    fn sorted(mut self) -> Self {
        let mut order: Vec<u32> = (0..self.entries.len() as u32).collect();
        let entry = |&i: &u32| self.entries.get(i as usize).copied().unwrap_or_default();
        order.sort_unstable_by_key(entry);
        let mut rank = vec![0u64; order.len()];
        for (new, old) in order.iter().enumerate() {
            if let Some(slot) = rank.get_mut(*old as usize) {
                *slot = new as u64;
            }
        }
        for code in &mut self.codes {
            *code = rank.get(*code as usize).copied().unwrap_or(0);
        }
        let entries = order.iter().map(entry).collect();
        Self {
            entries,
            codes: self.codes,
        }
    }

    /// The bounds of a single code.
    pub(crate) fn bounds(&self, code: u64) -> Bounds {
        match self.entries.get(code as usize) {
            Some(value) => Bounds::Bytes(Prefix::of(value), Prefix::of(value)),
            None => Bounds::Unknown,
        }
    }
}

/// The code of `value` in order of first appearance.
fn intern<'a>(seen: &mut HashTable<u32>, entries: &mut Vec<&'a [u8]>, value: &'a [u8]) -> u32 {
    let hash = xxh3_64(value);
    let same = |&code: &u32| entries.get(code as usize).is_some_and(|e| *e == value);
    if let Some(&code) = seen.find(hash, same) {
        return code;
    }
    let code = entries.len() as u32;
    entries.push(value);
    let hash_of = |&code: &u32| entries.get(code as usize).map_or(0, |e| xxh3_64(e));
    seen.insert_unique(hash, code, hash_of);
    code
}

/// Offsets and bytes of strings, the form `CheckedStrings` reads.
pub(crate) fn put_strings<'a>(out: &mut Vec<u8>, strings: impl Iterator<Item = &'a [u8]> + Clone) {
    let mut offset = 0u32;
    out.put_u32(offset);
    for value in strings.clone() {
        offset = offset.saturating_add(value.len() as u32);
        out.put_u32(offset);
    }
    strings.for_each(|value| out.put(value));
}

/// The zone of one block of strings.
pub(crate) fn string_zone(rows: &[Option<&[u8]>]) -> Zone {
    let values = || rows.iter().flatten();
    let nulls = rows.len() - values().count();
    let bounds = match (values().min(), values().max()) {
        (Some(min), Some(max)) => Bounds::Bytes(Prefix::of(min), Prefix::of(max)),
        _ => Bounds::Unknown,
    };
    Zone {
        rows: rows.len() as u32,
        nulls: nulls as u32,
        bounds,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ordered_as_their_values() {
        let values = ["pear", "apple", "pear", "fig", "apple", "apple", "fig"];
        let rows: Vec<_> = values
            .iter()
            .map(|v| Some(v.as_bytes()))
            .chain([None])
            .collect();
        let dictionary = Dictionary::build(&rows).unwrap();
        assert_eq!(dictionary.entries, [b"apple" as &[u8], b"fig", b"pear"]);
        assert_eq!(dictionary.codes, [2, 0, 2, 1, 0, 0, 1, 2]);
    }

    #[test]
    fn nearly_unique_values_get_no_dictionary() {
        let values: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
        let rows: Vec<_> = values.iter().map(|v| Some(v.as_bytes())).collect();
        assert!(Dictionary::build(&rows).is_none());
    }
}
