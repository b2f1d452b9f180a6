//! Functions that look for a string in others: LOCATE, FIND_IN_SET, FIELD, ELT, STRCMP ...
//!
//! Strings are compared byte by byte: collations are not known here.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;

use super::slice::{length, offset};
use super::types::{integer, integer_of_text, text};
use crate::functions::argument::Call;
use crate::functions::builtin::{ANY, Definition};
use crate::functions::control::unified_type;

/// Position (from 1, in characters) of `part` at or behind `position`; 0 when it is not there.
fn position_of(part: &str, text: &str, position: i64) -> i64 {
    let skipped = position.checked_sub(1);
    let Some(skipped) = skipped.and_then(|skipped| usize::try_from(skipped).ok()) else {
        return 0;
    };
    if skipped > length(text) {
        return 0;
    }
    let from = offset(text, skipped);
    match text[from..].find(part) {
        Some(at) => (length(&text[..from + at]) + 1) as i64,
        None => 0,
    }
}

fn locate(call: &Call<'_>) -> Result<ArrayRef> {
    let (parts, texts) = (call.text(0)?, call.text(1)?);
    let positions = if call.len() > 2 {
        Some(call.int(2)?)
    } else {
        None
    };
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        let position = match &positions {
            Some(positions) => positions.get(row)?,
            None => 1,
        };
        Some(position_of(parts.get(row)?, texts.get(row)?, position))
    })))
}

fn instr(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, parts) = (call.text(0)?, call.text(1)?);
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        Some(position_of(parts.get(row)?, texts.get(row)?, 1))
    })))
}

fn find_in_set(call: &Call<'_>) -> Result<ArrayRef> {
    let (parts, lists) = (call.text(0)?, call.text(1)?);
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        let (part, list) = (parts.get(row)?, lists.get(row)?);
        if list.is_empty() {
            return Some(0);
        }
        let found = list.split(',').position(|member| member == part);
        Some(found.map_or(0, |index| index as i64 + 1))
    })))
}

/// FIELD(x, a, b ...): compared as text when all are text, as integers or doubles otherwise.
fn field(call: &Call<'_>) -> Result<ArrayRef> {
    let types: Vec<DataType> = (0..call.len()).map(|index| call.data_type(index)).collect();
    let is_text = |t: &DataType| {
        t.is_string() || super::types::is_binary(t) || t.is_null() || t.is_temporal()
    };
    if types.iter().all(is_text) {
        let values = (0..call.len())
            .map(|i| call.bytes(i))
            .collect::<Result<Vec<_>>>()?;
        return Ok(Arc::new(call.collect::<Int64Type>(|row| {
            let Some(wanted) = values[0].get(row) else {
                return Some(0);
            };
            let found = values[1..]
                .iter()
                .position(|value| value.get(row) == Some(wanted));
            Some(found.map_or(0, |index| index as i64 + 1))
        })));
    }
    if let DataType::Decimal128(_, scale) = unified_type(&types) {
        let values = (0..call.len())
            .map(|i| call.decimal(i, 38, scale))
            .collect::<Result<Vec<_>>>()?;
        return Ok(Arc::new(call.collect::<Int64Type>(|row| {
            let Some(wanted) = values[0].get(row) else {
                return Some(0);
            };
            let found = values[1..]
                .iter()
                .position(|value| value.get(row) == Some(wanted));
            Some(found.map_or(0, |index| index as i64 + 1))
        })));
    }
    let values = (0..call.len())
        .map(|i| call.double(i))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        let Some(wanted) = values[0].get(row) else {
            return Some(0);
        };
        let found = values[1..]
            .iter()
            .position(|value| value.get(row) == Some(wanted));
        Some(found.map_or(0, |index| index as i64 + 1))
    })))
}

fn elt(call: &Call<'_>) -> Result<ArrayRef> {
    let numbers = call.int(0)?;
    let values = (1..call.len())
        .map(|i| call.text(i))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(call.collect_str(|row| {
        let number = usize::try_from(numbers.get(row)?).ok()?;
        values.get(number.checked_sub(1)?)?.get(row)
    })))
}

/// MAKE_SET(bits, a, b ...): the strings whose bit is set, NULL ones left out.
fn make_set(call: &Call<'_>) -> Result<ArrayRef> {
    let numbers = call.bits(0)?;
    let values = (1..call.len())
        .map(|i| call.text(i))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(call.bounded_text(|row, out| {
        let Some(bits) = numbers.get(row) else {
            return false;
        };
        let mut first = true;
        for (bit, value) in values.iter().enumerate().take(64) {
            if let (1, Some(value)) = (bits >> bit & 1, value.get(row)) {
                if !first {
                    out.push(',');
                }
                first = false;
                out.push_str(value);
            }
        }
        true
    })?))
}

fn strcmp(call: &Call<'_>) -> Result<ArrayRef> {
    let (a, b) = (call.bytes(0)?, call.bytes(1)?);
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        Some(match a.get(row)?.cmp(b.get(row)?) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        })
    })))
}

const LOCATE: Definition = Definition::new("locate", (2, 3), integer_of_text, locate);

pub(crate) const FUNCTIONS: &[Definition] = &[
    LOCATE,
    LOCATE.named("position"),
    Definition::new("instr", (2, 2), integer_of_text, instr),
    Definition::new("find_in_set", (2, 2), integer_of_text, find_in_set),
    Definition::new("field", (2, ANY), integer, field),
    Definition::new("elt", (2, ANY), text, elt),
    Definition::new("make_set", (2, ANY), text, make_set),
    Definition::new("strcmp", (2, 2), integer, strcmp),
];
