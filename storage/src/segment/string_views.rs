//! Arrow view arrays made without validating every row: the strings of a dictionary chunk or block are
//! validated once when they are loaded, their views are computed then, and rows only copy views. The
//! types here keep the proof and the views together; this is the only place that skips Arrow's checks.
#![allow(unsafe_code)]

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryViewArray, StringViewArray, make_view};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};

use crate::format::{ByteReader, Malformed};

/// Which array the strings become. Text has been checked to be UTF-8, bytes have not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StringKind {
    Text,
    Bytes,
}

/// Validated strings in one buffer, with a view for each. Immutable.
#[derive(Debug)]
pub(crate) struct CheckedStrings {
    /// INVARIANT: every view lies within `buffer`, names it as buffer `index`, has the right prefix,
    /// and, for text, covers valid UTF-8.
    views: Vec<u128>,
    /// Where in `buffer` each string ends.
    ends: Vec<u32>,
    buffer: Buffer,
    kind: StringKind,
    index: u32,
}

impl CheckedStrings {
    /// Parses `count` lengths of 4 bytes followed by the bytes of all strings. The strings will be
    /// buffer `index` of the arrays made of them.
    pub(crate) fn parse(
        raw: Vec<u8>,
        count: usize,
        kind: StringKind,
        index: u32,
    ) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(&raw);
        let lengths = reader.bytes(count.saturating_mul(4))?;
        let start = lengths.len();
        let bytes = raw.get(start..).unwrap_or_default();
        if bytes.len() > i32::MAX as usize {
            return Err(Malformed("strings are too long"));
        }
        let text = match kind {
            StringKind::Text => {
                Some(std::str::from_utf8(bytes).map_err(|_| Malformed("text is not UTF-8"))?)
            }
            StringKind::Bytes => None,
        };
        let (mut views, mut ends) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut from = 0usize;
        for &length in lengths.as_chunks().0 {
            let to = from + u32::from_le_bytes(length) as usize;
            let value = bytes.get(from..to);
            let value = value.ok_or(Malformed("strings are longer than their bytes"))?;
            // A boundary inside a character would make two invalid strings of a valid text.
            if text.is_some_and(|t| !t.is_char_boundary(from)) {
                return Err(Malformed("a string ends inside a character"));
            }
            views.push(make_view(value, index, from as u32));
            ends.push(to as u32);
            from = to;
        }
        if from != bytes.len() {
            return Err(Malformed("strings do not cover their bytes"));
        }
        let buffer = Buffer::from_vec(raw).slice(start);
        Ok(Self {
            views,
            ends,
            buffer,
            kind,
            index,
        })
    }

    /// One of the strings.
    pub(crate) fn get(&self, slot: usize) -> Option<&[u8]> {
        let end = *self.ends.get(slot)? as usize;
        let before = slot.checked_sub(1).and_then(|before| self.ends.get(before));
        self.buffer
            .get(before.map_or(0, |&start| start as usize)..end)
    }

    /// The strings in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).map_while(|slot| self.get(slot))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        20 * self.views.len() + self.buffer.len()
    }

    /// All strings in order, as an array of their own. `index` must have been 0.
    pub(crate) fn into_array(self, nulls: Option<NullBuffer>) -> Result<ArrayRef, Malformed> {
        if self.index != 0 || nulls.as_ref().is_some_and(|n| n.len() != self.views.len()) {
            return Err(Malformed("strings and rows do not match"));
        }
        let buffers: Arc<[Buffer]> = Arc::new([self.buffer]);
        // SAFETY: `views` upholds the invariant of `CheckedStrings` over this one buffer, and the
        // lengths of views and nulls have been compared.
        Ok(unsafe { array(self.views, buffers, nulls, self.kind) })
    }
}

/// Loaded chunks of one dictionary, ready to make arrays. Chunk `i` has index `i`.
#[derive(Debug)]
pub(crate) struct ChunkSet {
    chunks: Vec<Option<Arc<CheckedStrings>>>,
    /// INVARIANT: buffer `i` is that of chunk `i`, or empty while it is not loaded.
    buffers: Arc<[Buffer]>,
    kind: StringKind,
}

impl ChunkSet {
    pub(crate) fn new(chunks: usize, kind: StringKind) -> Self {
        let empty = Buffer::from_vec(Vec::<u8>::new());
        let buffers = vec![empty; chunks].into();
        Self {
            chunks: vec![None; chunks],
            buffers,
            kind,
        }
    }

    pub(crate) fn is_loaded(&self, chunk: usize) -> bool {
        matches!(self.chunks.get(chunk), Some(Some(_)))
    }

    /// Whether no chunk is missing.
    pub(crate) fn is_complete(&self) -> bool {
        self.chunks.iter().all(Option::is_some)
    }

    /// Adds a chunk that was parsed with its own number as index.
    pub(crate) fn load(&mut self, strings: Arc<CheckedStrings>) -> Result<(), Malformed> {
        let number = strings.index as usize;
        let slot = self
            .chunks
            .get_mut(number)
            .ok_or(Malformed("a chunk is out of range"))?;
        if strings.kind != self.kind {
            return Err(Malformed("a chunk of another type"));
        }
        let buffer = strings.buffer.clone();
        *slot = Some(strings);
        let replaced = self.buffers.iter().enumerate();
        self.buffers = replaced
            .map(|(i, old)| {
                if i == number {
                    buffer.clone()
                } else {
                    old.clone()
                }
            })
            .collect();
        Ok(())
    }

    /// One row per code. Every code must lie in a loaded chunk, except those of NULL rows.
    pub(crate) fn gather<const CHUNK_ENTRIES: usize>(
        &self,
        codes: &[u32],
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, Malformed> {
        if nulls.as_ref().is_some_and(|n| n.len() != codes.len()) {
            return Err(Malformed("codes and rows do not match"));
        }
        let view = |code: u32| {
            let (chunk, slot) = (code as usize / CHUNK_ENTRIES, code as usize % CHUNK_ENTRIES);
            self.chunks.get(chunk)?.as_ref()?.views.get(slot).copied()
        };
        let views = match &nulls {
            // A view of 0 is an empty inline string: always valid.
            Some(nulls) => codes
                .iter()
                .zip(nulls.iter())
                .map(|(&code, valid)| if valid { view(code) } else { Some(0) })
                .collect::<Option<Vec<u128>>>(),
            None => codes.iter().map(|&code| view(code)).collect(),
        };
        let views = views.ok_or(Malformed("a code is beyond the dictionary"))?;
        // SAFETY: each view was copied from the loaded chunk `i` and names buffer `i`, which is that
        // chunk's buffer (invariants of `CheckedStrings` and `ChunkSet`), or is 0; a loaded chunk has
        // the set's kind; the lengths of views and nulls have been compared.
        Ok(unsafe { array(views, Arc::clone(&self.buffers), nulls, self.kind) })
    }
}

/// # Safety
/// Each view is valid for `buffers` and, for text, covers UTF-8; `nulls` has as many rows as `views`.
unsafe fn array(
    views: Vec<u128>,
    buffers: Arc<[Buffer]>,
    nulls: Option<NullBuffer>,
    kind: StringKind,
) -> ArrayRef {
    let views = ScalarBuffer::from(views);
    match kind {
        // SAFETY: the caller's promise is what `try_new` would check.
        StringKind::Text => {
            Arc::new(unsafe { StringViewArray::new_unchecked(views, buffers, nulls) })
        }
        // SAFETY: as above.
        StringKind::Bytes => {
            Arc::new(unsafe { BinaryViewArray::new_unchecked(views, buffers, nulls) })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};

    fn raw(strings: &[&[u8]]) -> Vec<u8> {
        let lengths = strings.iter().flat_map(|s| (s.len() as u32).to_le_bytes());
        lengths.chain(strings.concat()).collect()
    }

    #[test]
    fn arrays_of_checked_strings_pass_arrows_own_validation() {
        let strings: [&[u8]; 4] = [
            b"",
            b"short",
            "a string longer than a view é".as_bytes(),
            b"z",
        ];
        let second: [&[u8]; 1] = [b"another chunk with a long string"];
        let mut set = ChunkSet::new(3, StringKind::Text);
        let chunk = CheckedStrings::parse(raw(&strings), 4, StringKind::Text, 0).unwrap();
        set.load(Arc::new(chunk)).unwrap();
        let chunk = CheckedStrings::parse(raw(&second), 1, StringKind::Text, 2).unwrap();
        set.load(Arc::new(chunk)).unwrap();
        let nulls = NullBuffer::from(vec![true, true, false, true]);
        let array = set.gather::<4>(&[2, 8, 5, 0], Some(nulls)).unwrap();
        array.to_data().validate_full().unwrap();
        let found: Vec<_> = array.as_string_view().iter().collect();
        let long = Some("a string longer than a view é");
        assert_eq!(
            found,
            [
                long,
                Some("another chunk with a long string"),
                None,
                Some("")
            ]
        );
        assert!(
            set.gather::<4>(&[4], None).is_err(),
            "a code of a chunk that is not loaded"
        );
    }

    #[test]
    fn strings_that_split_a_character_or_are_not_utf8_are_refused() {
        let split: [&[u8]; 2] = [b"\xC3", b"\xA9"];
        assert!(CheckedStrings::parse(raw(&split), 2, StringKind::Text, 0).is_err());
        assert!(CheckedStrings::parse(raw(&[b"\xFF"]), 1, StringKind::Text, 0).is_err());
        assert!(CheckedStrings::parse(raw(&[b"\xFF"]), 1, StringKind::Bytes, 0).is_ok());
        assert!(CheckedStrings::parse(raw(&[b"abc"]), 2, StringKind::Bytes, 0).is_err());
    }
}
