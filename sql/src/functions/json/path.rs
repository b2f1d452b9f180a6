//! JSON paths: `$.a."b c"[0][last-1][1 to 3].*[*]**`.
//!
//! Source: MySQL manual, "Searching and Modifying JSON Values", path syntax.

use serde_json::Value;

use super::edit::Edit;
use crate::error::SqlError;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Leg {
    Member(String),
    AnyMember,
    /// Both ends; one element when they are equal.
    Range(Index, Index),
    AnyElement,
    /// `**`: the value and everything below it.
    Descend,
}

/// A position in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    FromStart(usize),
    /// `last` is 0.
    FromEnd(usize),
}

impl Index {
    fn at(self, length: usize) -> Option<usize> {
        match self {
            Self::FromStart(index) => Some(index),
            Self::FromEnd(back) => length.checked_sub(back + 1),
        }
    }
}

/// A parsed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    legs: Vec<Leg>,
}

impl Path {
    /// `None` when the text is no path.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser {
            rest: text.trim().strip_prefix('$')?,
        };
        let mut legs = Vec::new();
        loop {
            parser.skip_spaces();
            if parser.rest.is_empty() {
                break;
            }
            legs.push(parser.leg()?);
        }
        // A path must not end in `**`.
        (legs.last() != Some(&Leg::Descend)).then_some(Self { legs })
    }

    /// Whether it can name several values.
    pub(crate) fn is_wild(&self) -> bool {
        self.legs.iter().any(|leg| match leg {
            Leg::AnyMember | Leg::AnyElement | Leg::Descend => true,
            Leg::Range(from, to) => from != to,
            Leg::Member(_) => false,
        })
    }

    /// Changes a document where the path points to. It must not be wild.
    pub(crate) fn edit(
        &self,
        document: &mut Value,
        edit: Edit,
        value: Value,
    ) -> Result<(), SqlError> {
        let Some((last, before)) = self.legs.split_last() else {
            return edit_root(document, edit, value);
        };
        let mut at = document;
        for leg in before {
            match inner(leg, at) {
                Some(next) => at = next,
                None => return Ok(()),
            }
        }
        if edit == Edit::Append {
            if let Some(target) = inner(last, at) {
                append(target, value);
            }
            return Ok(());
        }
        match (last, at) {
            (Leg::Member(_), _) if edit == Edit::ArrayInsert => {
                let text = "A path expression is not a path to a cell in an array.";
                return Err(SqlError::new(3165, "42000", text));
            }
            (Leg::Member(name), Value::Object(members)) => {
                let is_there = members.contains_key(name);
                match edit {
                    Edit::Remove => drop(members.remove(name)),
                    Edit::Insert if is_there => {}
                    Edit::Replace if !is_there => {}
                    _ => drop(members.insert(name.clone(), value)),
                }
            }
            (Leg::Range(index, _), Value::Array(elements)) => {
                edit_element(elements, *index, edit, value);
            }
            (Leg::Range(index, _), scalar) => edit_scalar(scalar, *index, edit, value),
            _ => {}
        }
        Ok(())
    }

    /// Every value that the path names, in document order.
    pub(crate) fn find<'v>(&self, document: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![document];
        for leg in &self.legs {
            let mut next = Vec::new();
            for value in found {
                step(leg, value, &mut next);
            }
            found = next;
        }
        found
    }
}

fn edit_root(document: &mut Value, edit: Edit, value: Value) -> Result<(), SqlError> {
    match edit {
        Edit::Set | Edit::Replace => *document = value,
        Edit::Append => append(document, value),
        Edit::Insert => {}
        Edit::Remove => {
            let text = "The path expression '$' is not allowed in this context.";
            return Err(SqlError::new(3153, "42000", text));
        }
        Edit::ArrayInsert => {
            let text = "A path expression is not a path to a cell in an array.";
            return Err(SqlError::new(3165, "42000", text));
        }
    }
    Ok(())
}

/// To the end of an array; what is none becomes one.
fn append(target: &mut Value, value: Value) {
    match target {
        Value::Array(elements) => elements.push(value),
        scalar => *scalar = Value::Array(vec![scalar.take(), value]),
    }
}

fn edit_element(elements: &mut Vec<Value>, index: Index, edit: Edit, value: Value) {
    let length = elements.len();
    let found = index.at(length).filter(|at| *at < length);
    match (edit, found) {
        (Edit::Remove, Some(at)) => drop(elements.remove(at)),
        (Edit::ArrayInsert, _) => elements.insert(index.at(length).unwrap_or(0).min(length), value),
        (Edit::Set | Edit::Replace, Some(at)) => {
            if let Some(slot) = elements.get_mut(at) {
                *slot = value;
            }
        }
        // Behind the end is the end; before the beginning, the beginning.
        (Edit::Set | Edit::Insert, None) => match index {
            Index::FromStart(_) => elements.push(value),
            Index::FromEnd(_) => elements.insert(0, value),
        },
        _ => {}
    }
}

/// What is no array counts as an array of itself.
fn edit_scalar(scalar: &mut Value, index: Index, edit: Edit, value: Value) {
    match (edit, index.at(1)) {
        (Edit::Set | Edit::Replace, Some(0)) => *scalar = value,
        (Edit::Set | Edit::Insert, at) if at != Some(0) => {
            let own = scalar.take();
            *scalar = Value::Array(match index {
                Index::FromStart(_) => vec![own, value],
                Index::FromEnd(_) => vec![value, own],
            });
        }
        _ => {}
    }
}

fn inner<'v>(leg: &Leg, value: &'v mut Value) -> Option<&'v mut Value> {
    match (leg, value) {
        (Leg::Member(name), Value::Object(members)) => members.get_mut(name),
        (Leg::Range(index, _), Value::Array(elements)) => {
            let at = index.at(elements.len())?;
            elements.get_mut(at)
        }
        (Leg::Range(index, _), scalar) if index.at(1) == Some(0) => Some(scalar),
        _ => None,
    }
}

#[allow(clippy::collapsible_match)] // a guard would hide what the arm consumes
fn step<'v>(leg: &Leg, value: &'v Value, found: &mut Vec<&'v Value>) {
    match (leg, value) {
        (Leg::Member(name), Value::Object(members)) => found.extend(members.get(name)),
        (Leg::AnyMember, Value::Object(members)) => {
            found.extend(super::value::sorted(members).map(|m| m.1))
        }
        (Leg::AnyElement, Value::Array(elements)) => found.extend(elements),
        (Leg::Range(from, to), Value::Array(elements)) => {
            let length = elements.len();
            if let (Some(from), Some(to)) = (from.at(length), to.at(length)) {
                found.extend(elements.iter().take(to.saturating_add(1)).skip(from));
            }
        }
        // What is no array counts as an array of itself.
        (Leg::Range(from, to), scalar) => {
            if from.at(1) == Some(0) && to.at(1).is_some() {
                found.push(scalar);
            }
        }
        (Leg::Descend, value) => {
            let mut waiting = vec![value];
            while let Some(value) = waiting.pop() {
                found.push(value);
                match value {
                    Value::Array(elements) => waiting.extend(elements.iter().rev()),
                    Value::Object(members) => {
                        let mut below: Vec<_> =
                            super::value::sorted(members).map(|m| m.1).collect();
                        below.reverse();
                        waiting.extend(below);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn leg(&mut self) -> Option<Leg> {
        if self.take("**") {
            return Some(Leg::Descend);
        }
        if self.take(".") {
            self.skip_spaces();
            return if self.take("*") {
                Some(Leg::AnyMember)
            } else {
                self.member()
            };
        }
        if !self.take("[") {
            return None;
        }
        self.skip_spaces();
        let leg = if self.take("*") {
            Leg::AnyElement
        } else {
            let from = self.index()?;
            self.skip_spaces();
            if self.take("to ") {
                Leg::Range(from, self.index()?)
            } else {
                Leg::Range(from, from)
            }
        };
        self.skip_spaces();
        self.take("]").then_some(leg)
    }

    fn member(&mut self) -> Option<Leg> {
        if self.rest.starts_with('"') {
            let mut texts = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
            let name = texts.next()?.ok()?;
            self.rest = &self.rest[texts.byte_offset()..];
            return Some(Leg::Member(name));
        }
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let end = self.rest.find(|c| !plain(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let begins_well = !name.starts_with(|c: char| c.is_ascii_digit());
        self.rest = rest;
        (!name.is_empty() && begins_well).then(|| Leg::Member(name.to_owned()))
    }

    fn number(&mut self) -> Option<usize> {
        self.skip_spaces();
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits
            .parse()
            .ok()
            .filter(|index| *index <= u32::MAX as usize)
    }

    fn index(&mut self) -> Option<Index> {
        self.skip_spaces();
        if !self.take("last") {
            return self.number().map(Index::FromStart);
        }
        self.skip_spaces();
        if self.take("-") {
            self.number().map(Index::FromEnd)
        } else {
            Some(Index::FromEnd(0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, document: &str) -> Vec<String> {
        let document: Value = serde_json::from_str(document).unwrap();
        let path = Path::parse(path).unwrap();
        path.find(&document)
            .into_iter()
            .map(Value::to_string)
            .collect()
    }

    #[test]
    fn paths_name_members_elements_and_ranges() {
        let document = r#"{"a": [1, 2, 3, {"b c": "x"}], "d": {"a": 9}}"#;
        assert_eq!(find("$.a[1]", document), ["2"]);
        assert_eq!(find("$.a[last].\"b c\"", document), ["\"x\""]);
        assert_eq!(find("$.a[last-1]", document), ["3"]);
        assert_eq!(find("$.a[0 to 1]", document), ["1", "2"]);
        assert_eq!(find("$.d[0].a", document), ["9"]);
        assert_eq!(find("$**.a", document), ["[1,2,3,{\"b c\":\"x\"}]", "9"]);
        assert_eq!(find("$.d.*", document), ["9"]);
        assert!(find("$.nope", document).is_empty());
    }

    #[test]
    fn broken_paths_are_refused() {
        for path in ["", "a", "$.", "$[", "$[x]", "$.a b", "$**", "$.1a", "$[1"] {
            assert_eq!(Path::parse(path), None, "{path}");
        }
    }
}
