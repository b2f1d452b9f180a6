//! Reading a segment by its codes: what a column's codes mean, the codes of a block, the dictionary
//! behind them. For predicates and for computing in place; `reader` makes Arrow arrays.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;

use super::arrays;
use super::codes::CodeBlock;
use super::dictionary::{ChunkCache, ChunkKey};
use super::integers::Frame;
use super::layout::{CHUNK_ENTRIES, Content, Encoding};
use super::packing::Lane;
use super::reader::{ColumnCursor, SegmentReader};
use super::string_views::CheckedStrings;
use super::zone::{Bounds, Zone};
use crate::format::Malformed;
use crate::scan::CodeSet;
use crate::{Error, Result};

/// What codes stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ColumnKind {
    /// Numbers in steps; the order of codes is that of values.
    Frame(Frame),
    /// Entries of a dictionary of integers: the distances of values from the least.
    Numbers { base: i128 },
    /// Entries of a dictionary of strings.
    Dictionary,
}

/// A column with codes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodesInfo {
    pub(crate) kind: ColumnKind,
    /// Code 0 is NULL.
    pub(crate) null_code: bool,
    /// The order of codes is that of values, NULL before them.
    pub(crate) ascending: bool,
    /// The greatest code.
    pub(crate) high: u64,
}

impl SegmentReader {
    /// What the codes of a column mean; `None` when it has none.
    pub(crate) fn codes_info(&self, column: usize) -> Result<Option<CodesInfo>> {
        let entry = self.column(column)?;
        let kind = match entry.encoding {
            Encoding::Frame { base, scale } => {
                ColumnKind::Frame(Frame::new(base, scale, entry.null_code))
            }
            Encoding::Numbers { base } => ColumnKind::Numbers { base },
            Encoding::Dictionary => ColumnKind::Dictionary,
            _ => return Ok(None),
        };
        Ok(Some(CodesInfo {
            kind,
            null_code: entry.null_code,
            ascending: entry.ascending || matches!(kind, ColumnKind::Frame(_)),
            high: entry.high,
        }))
    }

    /// Whether every row of a column is NULL, which takes no codes.
    pub(crate) fn is_all_null(&self, column: usize) -> Result<bool> {
        Ok(self.column(column)?.encoding == Encoding::AllNull)
    }

    /// What is known of the values of a block; of a dictionary's, only how many are NULL.
    pub(crate) fn block_zone(&self, column: usize, block: usize) -> Result<Zone> {
        let rows = self.block_rows(block) as u32;
        if self.column(column)?.encoding == Encoding::AllNull {
            let bounds = Bounds::Unknown;
            return Ok(Zone {
                rows,
                nulls: rows,
                bounds,
            });
        }
        let entry = self.block(column, block)?;
        let nulls = u32::from(entry.nulls);
        let bounds = match (self.codes_info(column)?, entry.code_range()) {
            (Some(info), (low, high)) if nulls < rows => match info.kind {
                // Where there are NULLs the least value has code 1.
                ColumnKind::Frame(frame) => {
                    let low = low.max(info.null_code.into());
                    Bounds::Int(frame.value(low), frame.value(high))
                }
                _ => Bounds::Unknown,
            },
            _ => entry.bounds(),
        };
        Ok(Zone {
            rows,
            nulls,
            bounds,
        })
    }

    /// The codes of a block, decoded by `decode` and only then trusted.
    fn with_codes<R>(
        &self,
        column: usize,
        block: usize,
        decode: impl FnOnce(CodeBlock<'_>) -> std::result::Result<R, Malformed>,
    ) -> Result<R> {
        let info = self.block(column, block)?;
        let corrupt = |e| self.corrupt(info.data.offset, e);
        let codes = self.code_block_of(column, block, &info)?;
        let codes = codes.ok_or_else(|| corrupt(Malformed("a column without codes")))?;
        let decoded = decode(codes).map_err(corrupt)?;
        self.intact(decoded)
    }

    /// The codes of a block in place of what `out` holds; `T` holds the column's greatest.
    pub(crate) fn codes<T: Lane>(
        &self,
        column: usize,
        block: usize,
        out: &mut Vec<T>,
    ) -> Result<()> {
        self.with_codes(column, block, |codes| codes.rows(out))
    }

    /// The codes of a block run by run, with the row each run ends before; `false` when the block is
    /// not laid out in runs.
    pub(crate) fn code_runs<T: Lane>(
        &self,
        (column, block): (usize, usize),
        values: &mut Vec<T>,
        ends: &mut Vec<u32>,
    ) -> Result<bool> {
        self.with_codes(column, block, |codes| codes.runs(values, ends))
    }

    /// Rows of a block whose codes ascend, in runs of codes that are in one stretch: `CodeBlock::ascending_runs`.
    pub(crate) fn ascending_runs(
        &self,
        (column, block): (usize, usize),
        rows: (Range<usize>, usize),
        last: impl Fn(u64) -> u64,
        runs: (&mut Vec<u64>, &mut Vec<u32>),
    ) -> Result<bool> {
        self.with_codes(column, block, |codes| {
            codes.ascending_runs(rows, last, runs)
        })
    }

    /// The codes of the runs of a block, some perhaps several times; `false` when the block is not laid out
    /// in runs.
    pub(crate) fn run_values<T: Lane>(
        &self,
        (column, block): (usize, usize),
        values: &mut Vec<T>,
    ) -> Result<bool> {
        self.with_codes(column, block, |codes| codes.run_values(values))
    }

    /// The sum of a block's values and how many are not NULL, where it is kept.
    pub(crate) fn block_sum(&self, column: usize, block: usize) -> Result<Option<(i128, u64)>> {
        let Encoding::Frame { base, scale } = self.column(column)?.encoding else {
            return Ok(None);
        };
        let entry = self.block(column, block)?;
        let values = self.block_rows(block).saturating_sub(entry.nulls.into()) as u64;
        let Content::Codes(_, Some(sum)) = entry.content else {
            return Ok(None);
        };
        let steps = i128::from(sum).checked_mul(scale.into());
        let origins = base.checked_mul(values.into());
        let sum = steps.zip(origins).and_then(|(a, b)| a.checked_add(b));
        Ok(sum.map(|sum| (sum, values)))
    }

    /// The first row of `rows` of a block whose code passes.
    pub(crate) fn first_in_block(
        &self,
        column: usize,
        block: usize,
        rows: Range<usize>,
        test: impl Fn(u64) -> bool,
    ) -> Result<Option<usize>> {
        let (mut codes, mut ends) = (Vec::<u64>::new(), Vec::new());
        if self.code_runs((column, block), &mut codes, &mut ends)? {
            let ends = ends.iter().map(|&end| end as usize);
            let later = codes.iter().zip(ends).filter(|(_, end)| *end > rows.start);
            let mut start = rows.start;
            for (&code, end) in later {
                if start >= rows.end {
                    break;
                }
                if test(code) {
                    return Ok(Some(start));
                }
                start = end;
            }
            return Ok(None);
        }
        self.codes(column, block, &mut codes)?;
        let codes = codes.get(rows.clone()).unwrap_or_default();
        Ok(codes
            .iter()
            .position(|&code| test(code))
            .map(|at| rows.start + at))
    }

    /// The values of a dictionary of integers, entry by entry.
    pub(crate) fn number_values(&self, column: usize) -> Result<Vec<i128>> {
        let Encoding::Numbers { base } = self.column(column)?.encoding else {
            return Ok(Vec::new());
        };
        let numbers = self.numbers(column)?;
        let values = numbers
            .iter()
            .map(|n| base.wrapping_add(n.into()))
            .collect();
        self.intact(values)
    }

    /// The low 64 bits of the values of some entries of a dictionary of integers.
    pub(crate) fn number_words(&self, column: usize, entries: &[u32]) -> Result<Vec<u64>> {
        let entry = self.column(column)?;
        let Encoding::Numbers { base } = entry.encoding else {
            return Err(Error::Invalid(
                "the column has no dictionary of integers".into(),
            ));
        };
        let corrupt = |e| self.corrupt(entry.index_offset, e);
        let mut words = self.numbers(column)?.gather(entries).map_err(corrupt)?;
        let base = base as u64;
        words
            .iter_mut()
            .for_each(|word| *word = word.wrapping_add(base));
        self.intact(words)
    }

    /// The stored hashes of a dictionary of strings, entry by entry, in place of what `out` holds. Equal
    /// strings have equal hashes in all segments of a database.
    pub(crate) fn hashes(&self, column: usize, out: &mut Vec<u64>) -> Result<()> {
        out.clear();
        let entry = self.column(column)?;
        if entry.encoding != Encoding::Dictionary {
            return Ok(());
        }
        // So many must be there before memory is asked for.
        let entries = entry.dictionary_entries as usize;
        self.bytes(entry.hashes_offset, entries.saturating_mul(8))?;
        out.reserve(entries);
        let mut offset = entry.hashes_offset;
        for number in 0..entry.chunk_count() {
            let chunk = self.chunk(column, number)?;
            let length = (chunk.entries as usize).saturating_mul(8);
            let part = self.hashes_part(column, number);
            let bytes = self.checked((column, part), offset, length, chunk.hashes_checksum)?;
            out.extend(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&hash| u64::from_le_bytes(hash)),
            );
            offset = offset.saturating_add(length as u64);
        }
        if out.len() != entry.dictionary_entries as usize {
            return Err(self.corrupt(offset, Malformed("a chunk with another number of entries")));
        }
        self.intact(())
    }

    /// The hashes of some entries of a dictionary of strings; only their chunks are touched.
    pub(crate) fn hashes_of(
        &self,
        column: usize,
        entries: Range<usize>,
        out: &mut Vec<u64>,
    ) -> Result<()> {
        out.clear();
        let entry = self.column(column)?;
        if entry.encoding != Encoding::Dictionary {
            return Err(no_strings());
        }
        let mut next = entries.start;
        while next < entries.end {
            let (number, from) = (next / CHUNK_ENTRIES, next % CHUNK_ENTRIES);
            let chunk = self.chunk(column, number)?;
            let length = (chunk.entries as usize).saturating_mul(8);
            let first = (number * CHUNK_ENTRIES).saturating_mul(8) as u64;
            let offset = entry.hashes_offset.saturating_add(first);
            let part = self.hashes_part(column, number);
            let bytes = self.checked((column, part), offset, length, chunk.hashes_checksum)?;
            let to = CHUNK_ENTRIES.min(from + entries.end - next);
            let hashes = bytes.as_chunks().0.get(from..to);
            let hashes = hashes.ok_or_else(|| {
                self.corrupt(offset, Malformed("a code is beyond the dictionary"))
            })?;
            out.extend(hashes.iter().map(|&hash| u64::from_le_bytes(hash)));
            next += to - from;
        }
        self.intact(())
    }

    /// What the given codes of a column stand for, one row per code.
    pub(crate) fn code_values(
        &self,
        column: usize,
        codes: &[u64],
        cache: &ChunkCache,
    ) -> Result<ArrayRef> {
        let entry = self.column(column)?;
        let corrupt = |e| self.corrupt(entry.index_offset, e);
        if codes.iter().any(|&code| code > entry.high) {
            return Err(corrupt(Malformed("a code beyond the column's greatest")));
        }
        let nulls = arrays::nulls_of(codes, entry.null_code);
        if let Encoding::Frame { base, scale } = entry.encoding {
            let frame = Frame::new(base, scale, entry.null_code);
            let array = arrays::of_codes(codes, frame, &entry.data_type, nulls);
            return self.intact(array.map_err(corrupt)?);
        }
        let entries: Vec<u32> = codes.iter().map(|&code| code as u32).collect();
        let entries = arrays::entries_of(entries, entry.null_code);
        let array = match entry.encoding {
            Encoding::Numbers { base } => {
                let distances = self.numbers(column)?.gather(&entries).map_err(corrupt)?;
                let frame = Frame::new(base, 1, false);
                arrays::of_codes(&distances, frame, &entry.data_type, nulls)
            }
            Encoding::Dictionary => {
                let mut cursor = ColumnCursor::default();
                let chunks = self.load_chunks(column, &entries, cache, &mut cursor)?;
                chunks.gather::<CHUNK_ENTRIES>(&entries, nulls)
            }
            _ => Err(Malformed("a column without codes")),
        };
        self.intact(array.map_err(corrupt)?)
    }

    /// Chunks of a dictionary.
    pub(crate) fn dictionary_chunks(&self, column: usize) -> Result<usize> {
        Ok(self.column(column)?.chunk_count())
    }

    /// A chunk of a dictionary of strings.
    pub(crate) fn strings_chunk(
        &self,
        column: usize,
        chunk: usize,
        cache: &ChunkCache,
    ) -> Result<Arc<CheckedStrings>> {
        let key = ChunkKey {
            file: self.file(),
            column: column as u32,
            chunk: chunk as u32,
        };
        cache.get(key, || self.read_chunk(column, chunk))
    }

    /// The codes of those of some strings that are there, ascending. Reads the stored hashes where they are,
    /// and of the strings only those whose hashes agree.
    pub(crate) fn find_strings(
        &self,
        column: usize,
        cache: &ChunkCache,
        wanted: &[&[u8]],
    ) -> Result<Vec<u64>> {
        let entry = self.column(column)?;
        if entry.encoding != Encoding::Dictionary {
            return Err(no_strings());
        }
        let mut sought: Vec<(u64, &[u8])> = Vec::with_capacity(wanted.len());
        sought.extend(wanted.iter().map(|s| (self.string_hash(s), *s)));
        sought.sort_unstable();
        sought.dedup();
        let (null, mut codes) = (u64::from(entry.null_code), Vec::new());
        let mut offset = entry.hashes_offset;
        for number in 0..entry.chunk_count() {
            let chunk = self.chunk(column, number)?;
            let length = (chunk.entries as usize).saturating_mul(8);
            let part = self.hashes_part(column, number);
            let bytes = self.checked((column, part), offset, length, chunk.hashes_checksum)?;
            let first = (number * CHUNK_ENTRIES) as u64 + null;
            for (at, strings) in candidates(bytes.as_chunks().0, &sought) {
                let entries = self.strings_chunk(column, number, cache)?;
                let found = entries.get(at);
                if strings.iter().any(|&(_, string)| found == Some(string)) {
                    codes.push(first + at as u64);
                }
            }
            offset = offset.saturating_add(length as u64);
        }
        codes.sort_unstable();
        self.intact(codes)
    }

    /// The codes of the entries of a dictionary of integers that lie in one of some ranges, which are apart and
    /// ascend. They are compared where they are.
    pub(crate) fn number_set(&self, column: usize, distances: &[(u64, u64)]) -> Result<CodeSet> {
        let entry = self.column(column)?;
        let (mut first, mut codes) = (u64::from(entry.null_code), Vec::new());
        for chunk in self.numbers(column)?.chunks() {
            let found = positions_within(chunk, distances);
            codes.extend(found.into_iter().map(|at| first + at as u64));
            first += chunk.len() as u64;
        }
        self.intact(CodeSet::of_ascending(entry.high, &codes))
    }

    /// The codes of the strings that pass `test`; NULL does not.
    pub(crate) fn string_set(
        &self,
        column: usize,
        cache: &ChunkCache,
        mut test: impl FnMut(&[u8]) -> bool,
    ) -> Result<CodeSet> {
        let entry = self.column(column)?;
        if entry.encoding != Encoding::Dictionary {
            return Err(no_strings());
        }
        let mut passing = Vec::new();
        if entry.null_code {
            passing.push(false);
        }
        for chunk in 0..entry.chunk_count() {
            let strings = self.strings_chunk(column, chunk, cache)?;
            passing.extend(strings.iter().map(&mut test));
        }
        Ok(CodeSet::collect(entry.high, |code| {
            passing.get(code as usize).copied().unwrap_or(false)
        }))
    }
}

/// Strings to look for, by their hashes, ascending.
type Sought<'a> = [(u64, &'a [u8])];

/// Up to so many strings are looked for one after the other, which takes hashes several at a time.
const ONE_BY_ONE_MAX: usize = 8;

/// Hashes or numbers that are compared at a time.
const AT_ONCE: usize = 16;

/// Which of a chunk's hashes are those of strings that are looked for, and of which.
fn candidates<'s, 'a>(hashes: &[[u8; 8]], sought: &'s Sought<'a>) -> Vec<(usize, &'s Sought<'a>)> {
    let same = |hash: u64| {
        let from = sought.partition_point(|(h, _)| *h < hash);
        let rest = sought.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|(h, _)| *h == hash).count();
        rest.get(..count).unwrap_or_default()
    };
    let mut found = Vec::new();
    if sought.len() > ONE_BY_ONE_MAX {
        let all = hashes.iter().map(|&hash| same(u64::from_le_bytes(hash)));
        found.extend(all.enumerate().filter(|(_, strings)| !strings.is_empty()));
        return found;
    }
    for strings in sought.chunk_by(|a, b| a.0 == b.0) {
        let Some(wanted) = strings.first().map(|(hash, _)| hash.to_le_bytes()) else {
            continue;
        };
        for (number, group) in hashes.chunks(AT_ONCE).enumerate() {
            // Without an early end, so that it is done in wide registers.
            if group
                .iter()
                .fold(false, |any, hash| any | (*hash == wanted))
            {
                let here = group.iter().enumerate().filter(|(_, h)| **h == wanted);
                found.extend(here.map(|(at, _)| (number * AT_ONCE + at, strings)));
            }
        }
    }
    found
}

/// Which numbers lie in one of some ranges, which are apart and ascend.
fn positions_within(numbers: &[[u8; 8]], ranges: &[(u64, u64)]) -> Vec<usize> {
    let number = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let [(from, to)] = ranges else {
        let within = |bytes: &[u8; 8]| {
            let at = ranges.partition_point(|(_, to)| *to < number(bytes));
            ranges
                .get(at)
                .is_some_and(|(from, _)| *from <= number(bytes))
        };
        let all = numbers.iter().enumerate();
        return all.filter(|(_, n)| within(n)).map(|(at, _)| at).collect();
    };
    let length = to.wrapping_sub(*from);
    let within = |bytes: &[u8; 8]| number(bytes).wrapping_sub(*from) <= length;
    let mut found = Vec::new();
    for (group, start) in numbers.chunks(AT_ONCE).zip((0..).step_by(AT_ONCE)) {
        // Without an early end, so that it is done in wide registers.
        if group.iter().fold(false, |any, n| any | within(n)) {
            let here = group.iter().enumerate().filter(|(_, n)| within(n));
            found.extend(here.map(|(at, _)| start + at));
        }
    }
    found
}

fn no_strings() -> Error {
    Error::Invalid("the column has no dictionary of strings in this segment".into())
}
