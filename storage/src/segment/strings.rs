//! Writing strings: a dictionary where they repeat or are short, lengths and bytes per block where they
//! are long and nearly unique. Reading them is in `dictionary` and `reader`.

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::layout::CHUNK_ENTRIES;
use super::zone::{Bounds, Prefix};
use crate::format::ByteWriter;

/// Decoded bytes of the longest dictionary chunk; longer strings are stored per block.
const CHUNK_BYTES_MAX: usize = 256 << 20;

/// Mean bytes above which values that hardly repeat get no dictionary: reading one row would decode a
/// whole chunk. Below it a dictionary makes them ready for grouping and comparing by code or hash.
const LENGTH_MAX: usize = 128;

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

/// Distinct values in order of first appearance, and per row its code: the position of its value, plus
/// one where there are NULLs, which have code 0. In sorted rows neighbours then have near codes, and
/// what comes often has a small one.
pub(crate) struct Dictionary<'a> {
    pub(crate) entries: Vec<&'a [u8]>,
    /// Of the entries, with the seed given.
    pub(crate) hashes: Vec<u64>,
    pub(crate) codes: Vec<u64>,
}

impl<'a> Dictionary<'a> {
    /// `None` when long values hardly repeat, or a chunk would be too long.
    pub(crate) fn build(rows: &[Option<&'a [u8]>], seed: u64) -> Option<Self> {
        let null_code = u64::from(rows.iter().any(Option::is_none));
        let mut seen: HashTable<u32> = HashTable::new();
        let (mut entries, mut hashes): (Vec<&[u8]>, Vec<u64>) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        let mut codes = Vec::with_capacity(rows.len());
        let mut last: Option<(&[u8], u64)> = None;
        for row in rows {
            let Some(value) = *row else {
                codes.push(0);
                continue;
            };
            // Sorted rows repeat: the comparison is cheaper than the hash.
            if let Some((_, code)) = last.filter(|(v, _)| *v == value) {
                codes.push(code);
                continue;
            }
            let hash = xxh3_64_with_seed(value, seed);
            let same = |&entry: &u32| entries.get(entry as usize).is_some_and(|e| *e == value);
            let entry = match seen.find(hash, same) {
                Some(&entry) => entry,
                None => {
                    let entry = entries.len() as u32;
                    entries.push(value);
                    hashes.push(hash);
                    bytes += value.len();
                    let hash_of = |&entry: &u32| hashes.get(entry as usize).copied().unwrap_or(0);
                    seen.insert_unique(hash, entry, hash_of);
                    entry
                }
            };
            if entries.len() > rows.len() / 2 + 1 && bytes > LENGTH_MAX * entries.len() {
                return None;
            }
            let code = u64::from(entry) + null_code;
            last = Some((value, code));
            codes.push(code);
        }
        let fits =
            |chunk: &[&[u8]]| chunk.iter().map(|v| v.len()).sum::<usize>() <= CHUNK_BYTES_MAX;
        let fits = entries.chunks(CHUNK_ENTRIES).all(fits);
        fits.then_some(Self {
            entries,
            hashes,
            codes,
        })
    }

    /// The bounds of all values.
    pub(crate) fn bounds(&self) -> Bounds {
        match (self.entries.iter().min(), self.entries.iter().max()) {
            (Some(min), Some(max)) => Bounds::Bytes(Prefix::of(min), Prefix::of(max)),
            _ => Bounds::Unknown,
        }
    }
}

/// Lengths and bytes of strings, the form `CheckedStrings` reads.
pub(crate) fn put_strings<'a>(out: &mut Vec<u8>, strings: impl Iterator<Item = &'a [u8]> + Clone) {
    strings
        .clone()
        .for_each(|value| out.put_length(value.len()));
    strings.for_each(|value| out.put(value));
}

/// The bounds of one block of strings.
pub(crate) fn string_bounds(rows: &[Option<&[u8]>]) -> Bounds {
    let values = || rows.iter().flatten();
    match (values().min(), values().max()) {
        (Some(min), Some(max)) => Bounds::Bytes(Prefix::of(min), Prefix::of(max)),
        _ => Bounds::Unknown,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn codes_count_values_as_they_appear_after_null() {
        let values = ["pear", "apple", "pear", "fig", "apple", "apple", "fig"];
        let mut rows: Vec<_> = values.iter().map(|v| Some(v.as_bytes())).collect();
        let dictionary = Dictionary::build(&rows, 5).unwrap();
        assert_eq!(dictionary.entries, [b"pear" as &[u8], b"apple", b"fig"]);
        assert_eq!(dictionary.codes, [0, 1, 0, 2, 1, 1, 2]);
        assert_eq!(dictionary.hashes[1], xxh3_64_with_seed(b"apple", 5));
        rows.push(None);
        let dictionary = Dictionary::build(&rows, 5).unwrap();
        assert_eq!(dictionary.codes, [1, 2, 1, 3, 2, 2, 3, 0]);
    }

    #[test]
    fn long_values_that_hardly_repeat_get_no_dictionary() {
        let dictionary = |length: usize| {
            let values: Vec<String> = (0..1000).map(|i| format!("{i:0length$}")).collect();
            let rows: Vec<_> = values.iter().map(|v| Some(v.as_bytes())).collect();
            Dictionary::build(&rows, 0).is_some()
        };
        assert!(dictionary(20) && !dictionary(200));
    }
}
