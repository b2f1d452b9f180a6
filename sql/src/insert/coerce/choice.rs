//! Values for ENUM and SET columns: by name or by number; stored by name.

use std::borrow::Cow;

use super::Cell;
use super::text::as_text;
use crate::error::Result;
use crate::insert::Datum;
use crate::types::charset;

/// The declared values, and how they are matched.
#[derive(Clone, Copy)]
pub(in crate::insert) struct Choice<'a> {
    pub(in crate::insert) values: &'a [String],
    pub(in crate::insert) collation: &'a str,
}

impl<'a> Choice<'a> {
    /// Exactly, else without case where the collation asks for it: a column that was declared so
    /// has such values written to it. Trailing spaces do not count.
    fn position(&self, name: &str) -> Option<usize> {
        let name = name.trim_end_matches(' ');
        let exact = self.values.iter().position(|value| value == name);
        exact.or_else(|| {
            if !charset::ignores_case(self.collation) {
                return None;
            }
            let folded = name.to_lowercase();
            self.values
                .iter()
                .position(|value| value.to_lowercase() == folded)
        })
    }

    fn at(&self, index: i128) -> Option<&'a str> {
        let position = usize::try_from(index.checked_sub(1)?).ok()?;
        self.values.get(position).map(String::as_str)
    }
}

/// For ENUM. What is no member is stored as the empty string, MySQL's member 0.
pub(in crate::insert) fn enum_value<'a>(
    datum: Datum<'_>,
    choice: Choice<'a>,
    cell: &mut Cell<'_>,
) -> Result<&'a str> {
    let member = match number(datum) {
        Some(index) => choice.at(index),
        None => {
            let text = as_text(datum, cell)?;
            let named = choice.position(&text).and_then(|at| choice.values.get(at));
            named
                .map(String::as_str)
                .or_else(|| choice.at(digits(&text)?))
        }
    };
    match member {
        Some(member) => Ok(member),
        None => cell.truncated().map(|()| ""),
    }
}

/// For SET: members in declared order, joined by commas.
pub(in crate::insert) fn set_value(
    datum: Datum<'_>,
    choice: Choice<'_>,
    cell: &mut Cell<'_>,
) -> Result<String> {
    let (members, complete) = match number(datum) {
        Some(bits) => (bits, true),
        None => {
            let text = as_text(datum, cell)?;
            set_of_names(&text, choice)
        }
    };
    let all = (1_i128 << choice.values.len()) - 1;
    if !complete || !(0..=all).contains(&members) {
        cell.truncated()?;
    }
    let chosen = choice
        .values
        .iter()
        .enumerate()
        .filter(|(at, _)| members >> at & 1 == 1);
    let names: Vec<&str> = chosen.map(|(_, value)| value.as_str()).collect();
    Ok(names.join(","))
}

/// Bits of the members named, and whether every name is one.
fn set_of_names(text: &str, choice: Choice<'_>) -> (i128, bool) {
    if text.is_empty() {
        return (0, true);
    }
    let (mut bits, mut complete) = (0_i128, true);
    for name in text.split(',') {
        match choice.position(name) {
            Some(at) => bits |= 1 << at,
            None => complete = false,
        }
    }
    match digits(text) {
        Some(number) if !complete => (number, true),
        _ => (bits, complete),
    }
}

/// Values that are numbers select by number; a fraction is cut.
fn number(datum: Datum<'_>) -> Option<i128> {
    match datum {
        Datum::Int(value) => Some(value),
        Datum::Double(value) => Some(value as i128),
        Datum::Decimal(text) => {
            let whole: Cow<'_, str> = text.split_once('.').map_or(text, |(whole, _)| whole).into();
            Some(whole.parse().unwrap_or(0))
        }
        _ => None,
    }
}

/// A string that is a number selects by number when it is no name.
fn digits(text: &str) -> Option<i128> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { text.parse().ok() } else { None }
}
