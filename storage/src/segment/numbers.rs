//! A dictionary of integers, for wide ones that repeat, such as ids of visitors: codes in order of first
//! appearance are far narrower than the values, and grouping by them needs no hashing.

use hashbrown::HashTable;

/// Distinct distances in order of first appearance, and per row the code of its own.
pub(crate) struct NumberDictionary {
    pub(crate) entries: Vec<u64>,
    pub(crate) codes: Vec<u64>,
}

/// Bytes of an entry in the file.
pub(crate) const ENTRY_BYTES: usize = 8;

impl NumberDictionary {
    /// From codes of a frame of reference; with `null_code`, 0 is NULL and stays 0. `None` when there
    /// would be more than `entries_max` entries.
    pub(crate) fn build(frame: &[u64], null_code: bool, entries_max: usize) -> Option<Self> {
        let null = u64::from(null_code);
        let mut seen: HashTable<u32> = HashTable::new();
        let mut entries: Vec<u64> = Vec::new();
        let mut codes = Vec::with_capacity(frame.len());
        let mut last = (0, 0);
        let entry_of = |entries: &Vec<u64>, entry: u32| entries.get(entry as usize).copied();
        for &code in frame {
            if null_code && code == 0 {
                codes.push(0);
                continue;
            }
            if !codes.is_empty() && last.0 == code {
                codes.push(last.1);
                continue;
            }
            let (hash, value) = (mixed(code), code - null);
            let same = |&entry: &u32| entry_of(&entries, entry) == Some(value);
            let entry = match seen.find(hash, same) {
                Some(&entry) => entry,
                None => {
                    let entry = entries.len() as u32;
                    entries.push(value);
                    let hash_of = |&e: &u32| mixed(entry_of(&entries, e).unwrap_or(0) + null);
                    seen.insert_unique(hash, entry, hash_of);
                    entry
                }
            };
            if entries.len() > entries_max {
                return None;
            }
            last = (code, u64::from(entry) + null);
            codes.push(last.1);
        }
        Some(Self { entries, codes })
    }
}

/// Spreads a number over 64 bits: the table takes its tags from the high ones.
fn mixed(number: u64) -> u64 {
    let product = u128::from(number ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93;
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_codes_as_they_appear_and_null_stays_first() {
        let dictionary = NumberDictionary::build(&[9, 9, 5, 0, 9], false, 3).unwrap();
        assert_eq!(dictionary.entries, [9, 5, 0]);
        assert_eq!(dictionary.codes, [0, 0, 1, 2, 0]);
        let dictionary = NumberDictionary::build(&[0, 9, 5, 0, 9], true, 3).unwrap();
        assert_eq!(dictionary.entries, [8, 4]);
        assert_eq!(dictionary.codes, [0, 1, 2, 0, 1]);
        assert!(NumberDictionary::build(&[1, 2, 3], false, 2).is_none());
    }
}
