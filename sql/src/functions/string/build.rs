//! Functions that make longer or changed strings: CONCAT, REPEAT, LPAD, REPLACE, UPPER ...

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;

use super::bounds::{VALUE_MAX, fits};
use super::slice::{length, offset};
use super::types::{integer, integer_of_text, is_binary, text, text_or_bytes};
use crate::functions::argument::Call;
use crate::functions::builtin::{ANY, Definition};

fn concat(call: &Call<'_>) -> Result<ArrayRef> {
    if *call.return_type() == DataType::BinaryView {
        let parts = (0..call.len())
            .map(|i| call.bytes(i))
            .collect::<Result<Vec<_>>>()?;
        return Ok(Arc::new(call.bounded_bytes(|row, out| {
            parts
                .iter()
                .all(|part| part.get(row).map(|p| out.extend_from_slice(p)).is_some())
        })?));
    }
    let parts = (0..call.len())
        .map(|i| call.text(i))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(call.bounded_text(|row, out| {
        parts
            .iter()
            .all(|part| part.get(row).map(|p| out.push_str(p)).is_some())
    })?))
}

/// NULL arguments are left out; a NULL separator makes the result NULL.
fn concat_ws(call: &Call<'_>) -> Result<ArrayRef> {
    let parts = (0..call.len())
        .map(|i| call.text(i))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(call.bounded_text(|row, out| {
        let Some(separator) = parts[0].get(row) else {
            return false;
        };
        for (index, part) in parts[1..]
            .iter()
            .filter_map(|part| part.get(row))
            .enumerate()
        {
            if index > 0 {
                out.push_str(separator);
            }
            out.push_str(part);
        }
        true
    })?))
}

fn repeat(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, counts) = (call.text(0)?, call.int(1)?);
    Ok(Arc::new(call.bounded_text(|row, out| {
        let (Some(text), Some(count)) = (texts.get(row), counts.get(row)) else {
            return false;
        };
        let count = usize::try_from(count).unwrap_or(0);
        if !fits(call.name, text.len().saturating_mul(count)) {
            return false;
        }
        out.extend(std::iter::repeat_n(
            text,
            if text.is_empty() { 0 } else { count },
        ));
        true
    })?))
}

fn space(call: &Call<'_>) -> Result<ArrayRef> {
    let counts = call.int(0)?;
    Ok(Arc::new(call.bounded_text(|row, out| {
        let Some(count) = counts.get(row) else {
            return false;
        };
        let count = usize::try_from(count).unwrap_or(0);
        if !fits(call.name, count) {
            return false;
        }
        out.extend(std::iter::repeat_n(' ', count));
        true
    })?))
}

fn pad(call: &Call<'_>, leading: bool) -> Result<ArrayRef> {
    let (texts, widths, pads) = (call.text(0)?, call.int(1)?, call.text(2)?);
    Ok(Arc::new(call.bounded_text(|row, out| {
        let (Some(text), Some(width)) = (texts.get(row), widths.get(row)) else {
            return false;
        };
        let Some(pad) = pads.get(row) else {
            return false;
        };
        let Ok(width) = usize::try_from(width) else {
            return false;
        };
        let have = length(text);
        if width <= have {
            out.push_str(&text[..offset(text, width)]);
            return true;
        }
        // Four bytes per character at most; MySQL too refuses by that measure.
        if pad.is_empty()
            || !fits(
                call.name,
                width.saturating_mul(4).min(VALUE_MAX.saturating_mul(4)) / 4,
            )
        {
            return false;
        }
        if !leading {
            out.push_str(text);
        }
        out.extend(pad.chars().cycle().take(width - have));
        if leading {
            out.push_str(text);
        }
        true
    })?))
}

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, froms, tos) = (call.text(0)?, call.text(1)?, call.text(2)?);
    Ok(Arc::new(call.bounded_text(|row, out| {
        let (Some(text), Some(from), Some(to)) = (texts.get(row), froms.get(row), tos.get(row))
        else {
            return false;
        };
        if from.is_empty() {
            out.push_str(text);
            return true;
        }
        let mut rest = 0;
        for (at, found) in text.match_indices(from) {
            out.push_str(&text[rest..at]);
            out.push_str(to);
            rest = at + found.len();
            if out.len() > VALUE_MAX {
                return fits(call.name, out.len());
            }
        }
        out.push_str(&text[rest..]);
        true
    })?))
}

/// INSERT(text, position, count, new)
fn insert(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, positions) = (call.text(0)?, call.int(1)?);
    let (counts, news) = (call.int(2)?, call.text(3)?);
    Ok(Arc::new(call.bounded_text(|row, out| {
        let (Some(text), Some(position)) = (texts.get(row), positions.get(row)) else {
            return false;
        };
        let (Some(count), Some(new)) = (counts.get(row), news.get(row)) else {
            return false;
        };
        let chars = length(text) as i64;
        if !(1..=chars).contains(&position) {
            out.push_str(text);
            return true;
        }
        let left = chars - position + 1;
        let count = if (0..=left).contains(&count) {
            count
        } else {
            left
        };
        let from = offset(text, position as usize - 1);
        let to = from + offset(&text[from..], count as usize);
        out.push_str(&text[..from]);
        out.push_str(new);
        out.push_str(&text[to..]);
        true
    })?))
}

fn reverse(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    Ok(Arc::new(call.collect_text(
        |row, out| match texts.get(row) {
            Some(text) => {
                out.extend(text.chars().rev());
                true
            }
            None => false,
        },
    )))
}

/// Letters one by one: a letter whose other case needs two (ß) stays, as in MySQL.
fn change_case(call: &Call<'_>, change: fn(char) -> char) -> Result<ArrayRef> {
    if is_binary(&call.data_type(0)) {
        let bytes = call.bytes(0)?;
        return Ok(Arc::new(call.bounded_bytes(|row, out| {
            bytes
                .get(row)
                .map(|bytes| out.extend_from_slice(bytes))
                .is_some()
        })?));
    }
    let texts = call.text(0)?;
    Ok(Arc::new(call.collect_text(
        |row, out| match texts.get(row) {
            Some(text) => {
                out.extend(text.chars().map(change));
                true
            }
            None => false,
        },
    )))
}

fn one_to_one(mut changed: impl Iterator<Item = char>, original: char) -> char {
    match (changed.next(), changed.next()) {
        (Some(one), None) => one,
        _ => original,
    }
}

fn lower(c: char) -> char {
    if c.is_ascii() {
        c.to_ascii_lowercase()
    } else {
        one_to_one(c.to_lowercase(), c)
    }
}

fn upper(c: char) -> char {
    if c.is_ascii() {
        c.to_ascii_uppercase()
    } else {
        one_to_one(c.to_uppercase(), c)
    }
}

fn byte_length(call: &Call<'_>, factor: i64) -> Result<ArrayRef> {
    let values = call.bytes(0)?;
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        values.get(row).map(|v| v.len() as i64 * factor)
    })))
}

fn char_length(call: &Call<'_>) -> Result<ArrayRef> {
    if is_binary(&call.data_type(0)) {
        return byte_length(call, 1);
    }
    let values = call.text(0)?;
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        values.get(row).map(|v| length(v) as i64)
    })))
}

fn quote(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    Ok(Arc::new(call.bounded_text(|row, out| {
        let Some(text) = texts.get(row) else {
            out.push_str("NULL");
            return true;
        };
        out.push('\'');
        for c in text.chars() {
            match c {
                '\'' | '\\' => out.extend(['\\', c]),
                '\0' => out.push_str("\\0"),
                '\u{1a}' => out.push_str("\\Z"),
                _ => out.push(c),
            }
        }
        out.push('\'');
        true
    })?))
}

const LENGTH: Definition = Definition::new("length", (1, 1), integer, |c| byte_length(c, 1));
const CHAR_LENGTH: Definition = Definition::new("char_length", (1, 1), integer, char_length);
const LOWER: Definition = Definition::new("lower", (1, 1), text_or_bytes, |call| {
    change_case(call, lower)
});
const UPPER: Definition = Definition::new("upper", (1, 1), text_or_bytes, |call| {
    change_case(call, upper)
});

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("concat", (1, ANY), text_or_bytes, concat),
    Definition::new("concat_ws", (2, ANY), text, concat_ws),
    Definition::new("repeat", (2, 2), text, repeat),
    Definition::new("space", (1, 1), text, space),
    Definition::new("lpad", (3, 3), text, |call| pad(call, true)),
    Definition::new("rpad", (3, 3), text, |call| pad(call, false)),
    Definition::new("replace", (3, 3), text, replace),
    Definition::new("insert", (4, 4), text, insert),
    Definition::new("reverse", (1, 1), text, reverse),
    LOWER,
    LOWER.named("lcase"),
    UPPER,
    UPPER.named("ucase"),
    LENGTH,
    LENGTH.named("octet_length"),
    Definition::new("bit_length", (1, 1), integer, |call| byte_length(call, 8)),
    CHAR_LENGTH,
    CHAR_LENGTH.named("character_length"),
    Definition::new("quote", (1, 1), text, quote),
    Definition::new("ascii", (1, 1), integer, |call| {
        let values = call.bytes(0)?;
        let first = |bytes: &[u8]| bytes.first().map_or(0, |byte| i64::from(*byte));
        Ok(Arc::new(
            call.collect::<Int64Type>(|row| values.get(row).map(first)),
        ))
    }),
    Definition::new("ord", (1, 1), integer_of_text, |call| {
        let values = call.text(0)?;
        let code = |text: &str| {
            let bytes = text.chars().next().map_or(0, char::len_utf8);
            text.bytes()
                .take(bytes)
                .fold(0, |code, byte| code * 256 + i64::from(byte))
        };
        Ok(Arc::new(
            call.collect::<Int64Type>(|row| values.get(row).map(code)),
        ))
    }),
];
