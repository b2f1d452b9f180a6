//! Functions that cut a string: LEFT, RIGHT, SUBSTRING, SUBSTRING_INDEX, TRIM. Positions count
//! characters, in binary strings bytes.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryViewBuilder};
use datafusion::common::Result;

use super::types::{is_binary, text, text_or_bytes};
use crate::functions::argument::Call;
use crate::functions::builtin::Definition;

/// Byte offset of the character number `chars`, at most the text's length.
pub(crate) fn offset(text: &str, chars: usize) -> usize {
    if text.is_ascii() {
        return chars.min(text.len());
    }
    text.char_indices()
        .nth(chars)
        .map_or(text.len(), |(offset, _)| offset)
}

pub(crate) fn length(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    }
}

/// The range of characters that `(position, count)` of SUBSTRING names in a string of `length`.
fn substring_range(length: usize, position: i64, count: Option<i64>) -> (usize, usize) {
    let length = length as i64;
    let start = if position > 0 {
        position - 1
    } else {
        length + position
    };
    if position == 0 || start < 0 || start >= length {
        return (0, 0);
    }
    let count = count.unwrap_or(i64::MAX).clamp(0, length - start);
    (start as usize, (start + count) as usize)
}

/// Cuts every row by a range of characters of its length; `None` is NULL.
fn cut(
    call: &Call<'_>,
    range: impl Fn(usize, usize) -> Option<(usize, usize)>,
) -> Result<ArrayRef> {
    if is_binary(&call.data_type(0)) {
        let bytes = call.bytes(0)?;
        let mut builder = BinaryViewBuilder::with_capacity(call.rows);
        for row in 0..call.rows {
            builder.append_option(bytes.get(row).and_then(|bytes| {
                let (from, to) = range(row, bytes.len())?;
                bytes.get(from..to)
            }));
        }
        return Ok(Arc::new(builder.finish()));
    }
    let texts = call.text(0)?;
    Ok(Arc::new(call.collect_str(|row| {
        let text = texts.get(row)?;
        let (from, to) = range(row, length(text))?;
        let start = offset(text, from);
        Some(&text[start..start + offset(&text[start..], to - from)])
    })))
}

fn left(call: &Call<'_>) -> Result<ArrayRef> {
    let count = call.int(1)?;
    cut(call, |row, length| {
        Some((0, count.get(row)?.clamp(0, length as i64) as usize))
    })
}

fn right(call: &Call<'_>) -> Result<ArrayRef> {
    let count = call.int(1)?;
    cut(call, |row, length| {
        Some((
            length - count.get(row)?.clamp(0, length as i64) as usize,
            length,
        ))
    })
}

fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let position = call.int(1)?;
    let count = if call.len() > 2 {
        Some(call.int(2)?)
    } else {
        None
    };
    cut(call, |row, length| {
        let position = position.get(row)?;
        let count = match &count {
            Some(count) => Some(count.get(row)?),
            None => None,
        };
        Some(substring_range(length, position, count))
    })
}

fn substring_index(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, delimiters, counts) = (call.text(0)?, call.text(1)?, call.int(2)?);
    Ok(Arc::new(call.collect_str(|row| {
        let (text, delimiter) = (texts.get(row)?, delimiters.get(row)?);
        let count = counts.get(row)?;
        if delimiter.is_empty() || count == 0 {
            return Some("");
        }
        let nth = usize::try_from(count.unsigned_abs() - 1).unwrap_or(usize::MAX);
        Some(if count > 0 {
            text.match_indices(delimiter)
                .nth(nth)
                .map_or(text, |(at, _)| &text[..at])
        } else {
            text.rmatch_indices(delimiter)
                .nth(nth)
                .map_or(text, |(at, found)| &text[at + found.len()..])
        })
    })))
}

/// Which ends TRIM works on.
#[derive(Clone, Copy)]
struct Ends {
    leading: bool,
    trailing: bool,
}

const BOTH: Ends = Ends {
    leading: true,
    trailing: true,
};
const LEADING: Ends = Ends {
    leading: true,
    trailing: false,
};
const TRAILING: Ends = Ends {
    leading: false,
    trailing: true,
};

fn trim(call: &Call<'_>, ends: Ends) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let removed = if call.len() > 1 {
        Some(call.text(1)?)
    } else {
        None
    };
    Ok(Arc::new(call.collect_str(|row| {
        let mut text = texts.get(row)?;
        let removed = match &removed {
            Some(removed) => removed.get(row)?,
            None => " ",
        };
        if removed.is_empty() {
            return Some(text);
        }
        if ends.leading {
            text = text.trim_start_matches(removed);
        }
        if ends.trailing {
            text = text.trim_end_matches(removed);
        }
        Some(text)
    })))
}

const SUBSTRING: Definition = Definition::new("substring", (2, 3), text_or_bytes, substring);

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("left", (2, 2), text_or_bytes, left),
    Definition::new("right", (2, 2), text_or_bytes, right),
    SUBSTRING,
    SUBSTRING.named("substr"),
    SUBSTRING.named("mid"),
    Definition::new("substring_index", (3, 3), text, substring_index),
    Definition::new("trim", (1, 2), text, |call| trim(call, BOTH)),
    Definition::new("btrim", (1, 2), text, |call| trim(call, BOTH)),
    Definition::new("ltrim", (1, 2), text, |call| trim(call, LEADING)),
    Definition::new("rtrim", (1, 2), text, |call| trim(call, TRAILING)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substrings_count_from_either_end() {
        assert_eq!(substring_range(5, 2, Some(3)), (1, 4));
        assert_eq!(substring_range(5, -3, None), (2, 5));
        assert_eq!(substring_range(5, 0, None), (0, 0));
        assert_eq!(substring_range(5, -9, None), (0, 0));
        assert_eq!(substring_range(5, 4, Some(i64::MAX)), (3, 5));
        assert_eq!(substring_range(5, 1, Some(-1)), (0, 0));
    }
}
