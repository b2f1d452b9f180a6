//! REGEXP_LIKE, REGEXP_REPLACE, REGEXP_SUBSTR and REGEXP_INSTR.
//!
//! MySQL 8 takes ICU's expressions; this is the `regex` crate, which runs in linear time and has no
//! look-around and no back-references: such patterns are refused. Letters match in their own case
//! unless the match type says `i`.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray};
use arrow::datatypes::Int64Type;
use datafusion::common::{DataFusionError, Result};
use regex::{Captures, Regex, RegexBuilder};

use super::slice::{length, offset};
use super::types::{boolean, integer, text};
use crate::error::SqlError;
use crate::functions::argument::{Call, Column};
use crate::functions::builtin::{Declared, Definition, Shape};
use crate::functions::failure::{not_supported, raise};

/// Compiles patterns, keeping the last one.
struct Patterns {
    patterns: Column<StringViewArray>,
    match_types: Option<Column<StringViewArray>>,
    last: Option<(String, String, Regex)>,
}

impl Patterns {
    fn new(call: &Call<'_>, match_type: usize) -> Result<Self> {
        let match_types = if call.len() > match_type {
            Some(call.text(match_type)?)
        } else {
            None
        };
        Ok(Self {
            patterns: call.text(1)?,
            match_types,
            last: None,
        })
    }

    /// The row's expression; `None` for a NULL pattern or match type.
    fn get(&mut self, row: usize) -> Result<Option<&Regex>> {
        let Some(pattern) = self.patterns.get(row) else {
            return Ok(None);
        };
        let match_type = match &self.match_types {
            Some(types) => match types.get(row) {
                Some(match_type) => match_type,
                None => return Ok(None),
            },
            None => "",
        };
        let known = matches!(&self.last, Some((p, m, _)) if p == pattern && m == match_type);
        if !known {
            let regex = compile(pattern, match_type)?;
            self.last = Some((pattern.to_owned(), match_type.to_owned(), regex));
        }
        Ok(self.last.as_ref().map(|(_, _, regex)| regex))
    }
}

fn compile(pattern: &str, match_type: &str) -> Result<Regex> {
    if pattern.is_empty() {
        let message = "Illegal argument to a regular expression.";
        return Err(raise(SqlError::new(3685, "HY000", message)));
    }
    let mut builder = RegexBuilder::new(&unicode_classes(pattern));
    for option in match_type.chars() {
        match option {
            'c' => builder.case_insensitive(false),
            'i' => builder.case_insensitive(true),
            'm' => builder.multi_line(true),
            'n' => builder.dot_matches_new_line(true),
            'u' => builder.crlf(false),
            _ => return Err(crate::functions::failure::wrong_arguments("regexp_like")),
        };
    }
    builder.build().map_err(|error| unusable(&error))
}

/// ICU's POSIX classes hold the letters of every script, this crate's only ASCII's.
fn unicode_classes(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains("[:") {
        return Cow::Borrowed(pattern);
    }
    let classes = [
        ("[:alpha:]", r"\p{Alphabetic}"),
        ("[:digit:]", r"\p{Nd}"),
        ("[:alnum:]", r"\p{Alphabetic}\p{Nd}"),
        ("[:upper:]", r"\p{Uppercase}"),
        ("[:lower:]", r"\p{Lowercase}"),
        ("[:space:]", r"\s"),
        ("[:punct:]", r"\p{P}"),
    ];
    let replaced = classes
        .iter()
        .fold(pattern.to_owned(), |text, (posix, class)| {
            text.replace(posix, class)
        });
    Cow::Owned(replaced)
}

fn unusable(error: &regex::Error) -> DataFusionError {
    let text = error.to_string();
    if text.contains("look-around") || text.contains("backreference") {
        return not_supported("look-around and back-references in regular expressions");
    }
    let reason = text
        .lines()
        .last()
        .unwrap_or("")
        .trim_start_matches("error: ");
    raise(SqlError::new(
        1139,
        "42000",
        format!("Got error '{reason}' from regexp"),
    ))
}

fn regexp_like(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, mut patterns) = (call.text(0)?, Patterns::new(call, 2)?);
    let matches = (0..call.rows)
        .map(|row| {
            let Some(text) = texts.get(row) else {
                return Ok(None);
            };
            Ok(patterns.get(row)?.map(|regex| regex.is_match(text)))
        })
        .collect::<Result<arrow::array::BooleanArray>>()?;
    Ok(Arc::new(matches))
}

/// The optional position and occurrence arguments.
struct Start {
    position: Option<Column<arrow::array::Int64Array>>,
    occurrence: Option<Column<arrow::array::Int64Array>>,
    default_occurrence: i64,
}

impl Start {
    fn new(call: &Call<'_>, first: usize, default_occurrence: i64) -> Result<Self> {
        let argument = |index: usize| -> Result<Option<Column<arrow::array::Int64Array>>> {
            if call.len() > index {
                Ok(Some(call.int(index)?))
            } else {
                Ok(None)
            }
        };
        Ok(Self {
            position: argument(first)?,
            occurrence: argument(first + 1)?,
            default_occurrence,
        })
    }

    /// (byte offset to search from, occurrence); `None` when an argument is NULL.
    fn get(&self, text: &str, row: usize) -> Result<Option<(usize, i64)>> {
        let read = |column: &Option<Column<arrow::array::Int64Array>>, default: i64| match column {
            Some(column) => column.get(row),
            None => Some(default),
        };
        let position = read(&self.position, 1);
        let occurrence = read(&self.occurrence, self.default_occurrence);
        let (Some(position), Some(occurrence)) = (position, occurrence) else {
            return Ok(None);
        };
        let skipped = usize::try_from(position - 1).ok();
        match skipped.filter(|skipped| *skipped <= length(text)) {
            Some(skipped) => Ok(Some((offset(text, skipped), occurrence))),
            None => {
                let message = "Index out of bounds in regular expression search.";
                Err(raise(SqlError::new(3686, "HY000", message)))
            }
        }
    }
}

/// Byte range of the `occurrence`th match at or behind `from`.
fn nth_match(regex: &Regex, text: &str, from: usize, occurrence: i64) -> Option<(usize, usize)> {
    let nth = usize::try_from(occurrence.max(1) - 1).ok()?;
    let mut at = from;
    let mut count = 0;
    while let Some(found) = regex.find_at(text, at) {
        if count == nth {
            return Some((found.start(), found.end()));
        }
        count += 1;
        at = next_start(text, found.start(), found.end())?;
    }
    None
}

/// Where the search goes on; behind an empty match one character further.
fn next_start(text: &str, start: usize, end: usize) -> Option<usize> {
    if end > start {
        return Some(end);
    }
    text[end..].chars().next().map(|c| end + c.len_utf8())
}

fn regexp_substr(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, start) = (call.text(0)?, Start::new(call, 2, 1)?);
    let mut patterns = Patterns::new(call, 4)?;
    let mut builder = arrow::array::StringViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        let found = match (texts.get(row), patterns.get(row)?) {
            (Some(text), Some(regex)) => start
                .get(text, row)?
                .and_then(|(from, occurrence)| nth_match(regex, text, from, occurrence))
                .map(|(from, to)| &text[from..to]),
            _ => None,
        };
        builder.append_option(found);
    }
    Ok(Arc::new(builder.finish()))
}

fn regexp_instr(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, start) = (call.text(0)?, Start::new(call, 2, 1)?);
    let mut patterns = Patterns::new(call, 5)?;
    let ends = if call.len() > 4 {
        Some(call.int(4)?)
    } else {
        None
    };
    Ok(Arc::new(call.try_collect::<Int64Type>(|row| {
        let (Some(text), Some(regex)) = (texts.get(row), patterns.get(row)?) else {
            return Ok(None);
        };
        let end = match &ends {
            Some(ends) => match ends.get(row) {
                Some(end) => end != 0,
                None => return Ok(None),
            },
            None => false,
        };
        let Some((from, occurrence)) = start.get(text, row)? else {
            return Ok(None);
        };
        let found = nth_match(regex, text, from, occurrence);
        let position = |(from, to)| length(&text[..if end { to } else { from }]) as i64 + 1;
        Ok(Some(found.map_or(0, position)))
    })?))
}

fn regexp_replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, replacements) = (call.text(0)?, call.text(2)?);
    let start = Start::new(call, 3, 0)?;
    let mut patterns = Patterns::new(call, 5)?;
    let mut error = None;
    let result = call.bounded_text(|row, out| {
        let (Some(text), Some(replacement)) = (texts.get(row), replacements.get(row)) else {
            return false;
        };
        let replaced = patterns.get(row).and_then(|regex| {
            let Some(regex) = regex else { return Ok(false) };
            let Some((from, occurrence)) = start.get(text, row)? else {
                return Ok(false);
            };
            replace(
                out,
                regex,
                text,
                Replacement {
                    text: replacement,
                    from,
                    occurrence,
                },
            )?;
            Ok(true)
        });
        replaced.unwrap_or_else(|e| {
            error = Some(e);
            false
        })
    })?;
    match error {
        Some(error) => Err(error),
        None => Ok(Arc::new(result)),
    }
}

struct Replacement<'a> {
    text: &'a str,
    from: usize,
    /// 0: every match.
    occurrence: i64,
}

fn replace(out: &mut String, regex: &Regex, text: &str, new: Replacement<'_>) -> Result<()> {
    let mut copied = 0;
    let mut at = Some(new.from);
    let mut count = 0;
    while let Some(found) = at.and_then(|at| regex.captures_at(text, at)) {
        let Some(whole) = found.get(0) else { break };
        count += 1;
        if new.occurrence <= 0 || count == new.occurrence {
            out.push_str(&text[copied..whole.start()]);
            expand(out, new.text, &found)?;
            copied = whole.end();
        }
        if new.occurrence > 0 && count >= new.occurrence {
            break;
        }
        at = next_start(text, whole.start(), whole.end());
    }
    out.push_str(&text[copied..]);
    Ok(())
}

/// ICU's replacement text: `$1` and `${name}` are groups, a backslash makes the next character plain.
fn expand(out: &mut String, replacement: &str, captures: &Captures<'_>) -> Result<()> {
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '$' if chars.peek() == Some(&'{') => {
                chars.next();
                let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                out.push_str(captures.name(&name).map_or("", |group| group.as_str()));
            }
            '$' => {
                let mut group = None;
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                    let next = group.unwrap_or(0) * 10 + digit as usize;
                    if group.is_some() && next >= captures.len() {
                        break;
                    }
                    group = Some(next);
                    chars.next();
                }
                match group.filter(|group| *group < captures.len()) {
                    Some(group) => out.push_str(captures.get(group).map_or("", |m| m.as_str())),
                    None => {
                        let message = "A capture group has an invalid name.";
                        return Err(raise(SqlError::new(3887, "HY000", message)));
                    }
                }
            }
            _ => out.push(c),
        }
    }
    Ok(())
}

fn truth_of_text(shape: &Shape<'_>) -> Result<Declared> {
    text(shape)?;
    boolean(shape)
}

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("regexp_like", (2, 3), truth_of_text, regexp_like),
    Definition::new("regexp_substr", (2, 5), text, regexp_substr),
    Definition::new("regexp_instr", (2, 6), integer, regexp_instr),
    Definition::new("regexp_replace", (3, 6), text, regexp_replace),
];
