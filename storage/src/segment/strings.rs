//! Writing strings: a dictionary where they repeat or are short, lengths and bytes per block where they
//! are long and nearly unique. Rows are numbered by their strings once, in the order they come, and only
//! the numbers are brought into the order of a segment. Reading strings is in `dictionary` and `reader`.

use arrow::array::{Array, AsArray, GenericByteViewArray};
use arrow::datatypes::{ByteViewType, DataType};
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

/// The strings of some rows, each once, and per row which is its own.
#[derive(Debug, Default)]
pub(crate) struct CodedStrings<'a> {
    entries: Vec<&'a [u8]>,
    hashes: Vec<u64>,
    /// Per row 0 for NULL, else the position of its entry plus one.
    ids: Vec<u32>,
}

/// Makes `CodedStrings` of arrays and of rows that have been coded before.
pub(crate) struct StringCoder<'a> {
    coded: CodedStrings<'a>,
    seen: HashTable<u32>,
    seed: u64,
}

impl<'a> StringCoder<'a> {
    /// For about so many rows. The hashes have the seed.
    pub(crate) fn new(rows: usize, seed: u64) -> Self {
        let mut coded = CodedStrings::default();
        coded.ids.reserve(rows);
        Self {
            coded,
            seen: HashTable::new(),
            seed,
        }
    }

    /// Adds the rows of an array of text or bytes.
    pub(crate) fn add_array(&mut self, array: &'a dyn Array) {
        match array.data_type() {
            DataType::Utf8View => self.add_views(array.as_string_view()),
            DataType::BinaryView => self.add_views(array.as_binary_view()),
            _ => {}
        }
    }

    fn add_views<T: ByteViewType>(&mut self, array: &'a GenericByteViewArray<T>) {
        // A view that is repeated is the same string; of a short one the view is all there is.
        let mut last = None;
        let mut last_id = 0;
        for (row, &view) in array.views().iter().enumerate() {
            if last == Some(view) && array.is_valid(row) {
                self.coded.ids.push(last_id);
                continue;
            }
            if array.is_null(row) {
                self.coded.ids.push(0);
                continue;
            }
            let value: &[u8] = array.value(row).as_ref();
            last_id = self.id_of(value, xxh3_64_with_seed(value, self.seed));
            last = Some(view);
            self.coded.ids.push(last_id);
        }
    }

    /// Adds rows that are codes of a dictionary with these entries and hashes of the same seed. `false`
    /// when a code is beyond it.
    pub(crate) fn add_codes(
        &mut self,
        codes: &[u32],
        null_code: bool,
        entries: impl Iterator<Item = (&'a [u8], u64)>,
    ) -> bool {
        let mut ids: Vec<u32> = Vec::new();
        if null_code {
            ids.push(0);
        }
        ids.extend(entries.map(|(value, hash)| self.id_of(value, hash)));
        let all = codes.iter().map(|&code| ids.get(code as usize).copied());
        let before = self.coded.ids.len();
        self.coded.ids.extend(all.map_while(|id| id));
        self.coded.ids.len() == before + codes.len()
    }

    fn id_of(&mut self, value: &'a [u8], hash: u64) -> u32 {
        let CodedStrings {
            entries, hashes, ..
        } = &mut self.coded;
        let same = |&entry: &u32| entries.get(entry as usize).is_some_and(|e| *e == value);
        if let Some(entry) = self.seen.find(hash, same) {
            return entry + 1;
        }
        let entry = entries.len() as u32;
        entries.push(value);
        hashes.push(hash);
        let hash_of = |&entry: &u32| hashes.get(entry as usize).copied().unwrap_or(0);
        self.seen.insert_unique(hash, entry, hash_of);
        entry + 1
    }

    pub(crate) fn finish(self) -> CodedStrings<'a> {
        self.coded
    }
}

/// Distinct values in order of first appearance, and per row its code: the position of its value, plus
/// one where there are NULLs, which have code 0. In sorted rows neighbours then have near codes, and
/// what comes often has a small one.
pub(crate) struct Dictionary<'a> {
    pub(crate) entries: Vec<&'a [u8]>,
    /// Of the entries.
    pub(crate) hashes: Vec<u64>,
    pub(crate) codes: Vec<u32>,
    pub(crate) nulls: usize,
}

impl<'a> CodedStrings<'a> {
    /// The rows in an order; a row beyond the end is NULL.
    pub(crate) fn in_order(&self, order: &[u32]) -> Dictionary<'a> {
        let mut numbers = vec![0u32; self.entries.len() + 1];
        let (mut firsts, mut nulls) = (Vec::new(), 0);
        let mut codes = Vec::with_capacity(order.len());
        for &row in order {
            let id = self.ids.get(row as usize).copied().unwrap_or(0);
            let number = numbers.get_mut(id as usize);
            codes.push(match number {
                Some(number) if id > 0 => {
                    if *number == 0 {
                        firsts.push(id as usize - 1);
                        *number = firsts.len() as u32;
                    }
                    *number
                }
                _ => {
                    nulls += 1;
                    0
                }
            });
        }
        if nulls == 0 {
            codes.iter_mut().for_each(|code| *code -= 1);
        }
        let entries = firsts.iter().filter_map(|&at| self.entries.get(at));
        let hashes = firsts.iter().filter_map(|&at| self.hashes.get(at));
        Dictionary {
            entries: entries.copied().collect(),
            hashes: hashes.copied().collect(),
            codes,
            nulls,
        }
    }
}

impl<'a> Dictionary<'a> {
    /// Whether the column should be stored so: not when long values hardly repeat, or a chunk would be
    /// too long.
    pub(crate) fn suits(&self) -> bool {
        let entries = &self.entries;
        let bytes: usize = entries.iter().map(|e| e.len()).sum();
        if entries.len() > self.codes.len() / 2 + 1 && bytes > LENGTH_MAX * entries.len() {
            return false;
        }
        let fits =
            |chunk: &[&[u8]]| chunk.iter().map(|v| v.len()).sum::<usize>() <= CHUNK_BYTES_MAX;
        entries.chunks(CHUNK_ENTRIES).all(fits)
    }

    /// The rows themselves; NULL is `None`.
    pub(crate) fn rows(&self) -> Vec<Option<&'a [u8]>> {
        let null = usize::from(self.nulls > 0);
        let value = |&code: &u32| {
            self.entries
                .get((code as usize).checked_sub(null)?)
                .copied()
        };
        self.codes.iter().map(value).collect()
    }

    /// Bytes of the rows as an array of views, NULL bitmap included.
    pub(crate) fn raw_bytes(&self) -> u64 {
        let outside = |entry: &&[u8]| {
            if entry.len() > 12 {
                entry.len() as u64
            } else {
                0
            }
        };
        let mut sizes: Vec<u64> = Vec::with_capacity(self.entries.len() + 1);
        if self.nulls > 0 {
            sizes.push(0);
        }
        sizes.extend(self.entries.iter().map(outside));
        let size = |&code: &u32| sizes.get(code as usize).copied().unwrap_or(0);
        let (rows, strings): (_, u64) =
            (self.codes.len() as u64, self.codes.iter().map(size).sum());
        let bitmap = if self.nulls > 0 { rows.div_ceil(8) } else { 0 };
        16 * rows + strings + bitmap
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
    use arrow::array::StringViewArray;

    fn coded(array: &StringViewArray, seed: u64) -> CodedStrings<'_> {
        let mut coder = StringCoder::new(array.len(), seed);
        coder.add_array(array);
        coder.finish()
    }

    fn all(rows: usize) -> Vec<u32> {
        (0..rows as u32).collect()
    }

    #[test]
    fn codes_count_values_as_they_appear_after_null() {
        let values = ["pear", "apple", "pear", "fig", "apple", "apple", "fig"];
        let array = StringViewArray::from_iter_values(values);
        let dictionary = coded(&array, 5).in_order(&all(7));
        assert_eq!(dictionary.entries, [b"pear" as &[u8], b"apple", b"fig"]);
        assert_eq!(dictionary.codes, [0, 1, 0, 2, 1, 1, 2]);
        assert_eq!(dictionary.hashes[1], xxh3_64_with_seed(b"apple", 5));
        let array = StringViewArray::from_iter(values.map(Some).into_iter().chain([None]));
        let coded = coded(&array, 5);
        let dictionary = coded.in_order(&all(8));
        assert_eq!(
            (dictionary.codes, dictionary.nulls),
            (vec![1, 2, 1, 3, 2, 2, 3, 0], 1)
        );
        let dictionary = coded.in_order(&[3, 1, 6]);
        assert_eq!(dictionary.entries, [b"fig" as &[u8], b"apple"]);
        assert_eq!((dictionary.codes, dictionary.nulls), (vec![0, 1, 0], 0));
    }

    #[test]
    fn codes_of_other_dictionaries_and_arrays_meet_in_one() {
        let array =
            StringViewArray::from_iter([Some("a long string with a tail"), None, Some("b")]);
        let hash = |value: &str| xxh3_64_with_seed(value.as_bytes(), 9);
        let mut coder = StringCoder::new(0, 9);
        coder.add_array(&array);
        let entries = ["b", "c", "a long string with a tail"];
        let entries = || entries.iter().map(|v| (v.as_bytes(), hash(v)));
        assert!(coder.add_codes(&[0, 3, 2, 1], true, entries()));
        assert!(coder.add_codes(&[1, 0], false, entries()));
        assert!(!coder.add_codes(&[0, 3], false, entries()));
        let dictionary = coder.finish().in_order(&all(9));
        let rows: Vec<_> = dictionary.rows();
        let text = |row: Option<&[u8]>| row.map(|r| String::from_utf8(r.to_vec()).unwrap());
        let rows: Vec<_> = rows.into_iter().map(text).collect();
        let long = Some("a long string with a tail".to_owned());
        let (b, c) = (Some("b".to_owned()), Some("c".to_owned()));
        assert_eq!(rows[..3], [long.clone(), None, b.clone()]);
        assert_eq!(rows[3..], [None, long, c.clone(), b.clone(), c, b]);
        assert_eq!(dictionary.entries.len(), 3);
        assert_eq!(dictionary.raw_bytes(), 9 * 16 + 2 * 25 + 2);
    }

    #[test]
    fn long_values_that_hardly_repeat_get_no_dictionary() {
        let suits = |length: usize| {
            let values = (0..1000).map(|i| format!("{i:0length$}"));
            let array = StringViewArray::from_iter_values(values);
            coded(&array, 0).in_order(&all(1000)).suits()
        };
        assert!(suits(20) && !suits(200));
    }
}
