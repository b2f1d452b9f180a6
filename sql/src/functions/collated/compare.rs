//! Comparisons under a collation, and keys for what compares many strings with each other.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringViewBuilder};
use datafusion::logical_expr::Operator;

use storno_storage::{BoxError, FoldedEquality, PassesString, ValueMap};

use super::{Collated, Operation, Texts};
use crate::collation::{Needle, Order, Pattern, keys_of, same_of};
use crate::functions::convert::arrays::to_text;

/// Lists that are longer are looked up by key.
const NEEDLES_MAX: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Comparison {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

impl Comparison {
    /// `None` for operators that do not compare, or know NULL.
    pub(crate) fn of(op: Operator) -> Option<Self> {
        Some(match op {
            Operator::Eq => Self::Eq,
            Operator::NotEq => Self::NotEq,
            Operator::Lt => Self::Lt,
            Operator::LtEq => Self::LtEq,
            Operator::Gt => Self::Gt,
            Operator::GtEq => Self::GtEq,
            _ => return None,
        })
    }

    /// The same with its sides exchanged.
    pub(crate) fn mirrored(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::LtEq => Self::GtEq,
            Self::Gt => Self::Lt,
            Self::GtEq => Self::LtEq,
            same => same,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Eq => "collated_eq",
            Self::NotEq => "collated_not_eq",
            Self::Lt => "collated_lt",
            Self::LtEq => "collated_lt_eq",
            Self::Gt => "collated_gt",
            Self::GtEq => "collated_gt_eq",
        }
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Eq => ordering.is_eq(),
            Self::NotEq => ordering.is_ne(),
            Self::Lt => ordering.is_lt(),
            Self::LtEq => ordering.is_le(),
            Self::Gt => ordering.is_gt(),
            Self::GtEq => ordering.is_ge(),
        }
    }
}

/// What is equal where strings are in an order, as storage calls it.
#[derive(Debug)]
pub(crate) struct SameStrings(pub(crate) Order);

impl ValueMap for SameStrings {
    fn map(&self, values: &ArrayRef) -> Result<ArrayRef, BoxError> {
        Ok(Arc::new(same_of(self.0, &to_text(values, None)?)))
    }

    fn name(&self) -> Option<&str> {
        Some(self.0.name())
    }
}

/// A comparison with literals, asked about single strings.
#[derive(Debug)]
pub(crate) struct LiteralTest {
    kind: Kind,
    /// Of the comparison, the collation and the literals.
    name: String,
}

#[derive(Debug)]
enum Kind {
    Compare(Comparison, Needle),
    Ordered(Comparison, Order, Vec<u8>),
    In(Vec<Needle>),
    Like(Pattern),
}

impl Collated {
    /// The comparison with these literals; `None` for operations that are none. NULL passes nothing.
    pub(crate) fn test(&self, literals: &[Option<String>]) -> Option<LiteralTest> {
        let order = self.order;
        let needle = |text: &String| Needle::new(order, text);
        let kind = match (self.operation, literals) {
            (Operation::Compare(c @ (Comparison::Eq | Comparison::NotEq)), [Some(text)]) => {
                Kind::Compare(c, needle(text))
            }
            (Operation::Compare(c), [Some(text)]) => Kind::Ordered(c, order, order.key(text)),
            (Operation::In, list) => Kind::In(list.iter().flatten().map(needle).collect()),
            (Operation::Like, [Some(pattern)]) => Kind::Like(Pattern::new(order, pattern)),
            _ => return None,
        };
        let (operation, order) = (self.operation, order.name());
        let name = format!("{operation:?} {order} {literals:?}");
        Some(LiteralTest { kind, name })
    }
}

impl PassesString for LiteralTest {
    fn passes(&self, string: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(string) else {
            return true;
        };
        match &self.kind {
            Kind::Compare(comparison, needle) => {
                needle.equals(text) == (*comparison == Comparison::Eq)
            }
            Kind::Ordered(comparison, order, key) => comparison.holds(order.key(text).cmp(key)),
            Kind::In(needles) => needles.iter().any(|needle| needle.equals(text)),
            Kind::Like(pattern) => pattern.matches(text),
        }
    }

    fn name(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn equality(&self) -> Option<FoldedEquality> {
        let (needles, equal) = match &self.kind {
            Kind::Compare(Comparison::Eq, needle) => (std::slice::from_ref(needle), true),
            Kind::Compare(Comparison::NotEq, needle) => (std::slice::from_ref(needle), false),
            Kind::In(needles) => (needles.as_slice(), true),
            _ => return None,
        };
        Some(FoldedEquality {
            fold: Arc::new(SameStrings(needles.first()?.order())),
            keys: needles.iter().map(Needle::same).collect(),
            equal,
        })
    }
}

impl Texts<'_> {
    pub(super) fn keys(&self) -> ArrayRef {
        let texts = (0..self.rows).map(|row| self.get(0, row));
        Arc::new(keys_of(self.order, texts, self.rows))
    }

    pub(super) fn same(&self) -> ArrayRef {
        let whole = self.texts.first().and_then(|column| column.values());
        let single = || (0..self.rows).map(|row| self.get(0, row)).collect();
        Arc::new(match whole {
            Some(strings) => same_of(self.order, strings),
            None => same_of(self.order, &single()),
        })
    }

    pub(super) fn text_keys(&self) -> ArrayRef {
        let (mut keys, mut key) = (StringViewBuilder::with_capacity(self.rows), Vec::new());
        for row in 0..self.rows {
            key.clear();
            keys.append_option(self.get(0, row).map(|text| {
                self.order.put_key(text, &mut key);
                key.iter().map(|&byte| char::from(byte)).collect::<String>()
            }));
        }
        Arc::new(keys.finish())
    }

    fn answers(&self, mut answer: impl FnMut(usize) -> Option<bool>) -> ArrayRef {
        let answers = (0..self.rows).map(&mut answer);
        Arc::new(answers.collect::<BooleanArray>())
    }

    pub(super) fn compared(&self, comparison: Comparison) -> ArrayRef {
        let Some(wanted) = self.scalar(1) else {
            return self.answers(|row| {
                let (one, other) = (self.get(0, row)?, self.get(1, row)?);
                Some(comparison.holds(self.order.compare(one, other)))
            });
        };
        let Some(wanted) = wanted else {
            return Arc::new(BooleanArray::new_null(self.rows));
        };
        let needle = Needle::new(self.order, wanted);
        match comparison {
            Comparison::Eq => self.answers(|row| Some(needle.equals(self.get(0, row)?))),
            Comparison::NotEq => self.answers(|row| Some(!needle.equals(self.get(0, row)?))),
            _ => {
                let mut key = Vec::new();
                self.answers(|row| {
                    key.clear();
                    self.order.put_key(self.get(0, row)?, &mut key);
                    Some(comparison.holds(key.as_slice().cmp(needle.key())))
                })
            }
        }
    }

    /// Whether the first argument is among the others, which are the same in all rows; NULL among them
    /// makes a no unknown.
    pub(super) fn found_in_list(&self) -> ArrayRef {
        let list = || (1..self.texts.len()).map(|i| self.texts.get(i).and_then(|t| t.get(0)));
        let absent = match list().any(|item| item.is_none()) {
            true => None,
            false => Some(false),
        };
        let answer = |found: bool| if found { Some(true) } else { absent };
        if self.texts.len() <= NEEDLES_MAX + 1 {
            let needles = list().flatten().map(|item| Needle::new(self.order, item));
            let needles: Vec<Needle> = needles.collect();
            return self.answers(|row| {
                let text = self.get(0, row)?;
                answer(needles.iter().any(|needle| needle.equals(text)))
            });
        }
        let keys: HashSet<Vec<u8>> = list().flatten().map(|item| self.order.key(item)).collect();
        let mut key = Vec::new();
        self.answers(|row| {
            key.clear();
            self.order.put_key(self.get(0, row)?, &mut key);
            answer(keys.contains(&key))
        })
    }

    pub(super) fn like(&self) -> ArrayRef {
        if let Some(pattern) = self.scalar(1) {
            let pattern = pattern.map(|pattern| Pattern::new(self.order, pattern));
            return self.answers(|row| Some(pattern.as_ref()?.matches(self.get(0, row)?)));
        }
        let mut last: Option<(String, Pattern)> = None;
        self.answers(|row| {
            let (text, pattern) = (self.get(0, row)?, self.get(1, row)?);
            let known = last.take().filter(|(known, _)| known == pattern);
            let (_, compiled) = last.insert(
                known.unwrap_or_else(|| (pattern.to_owned(), Pattern::new(self.order, pattern))),
            );
            Some(compiled.matches(text))
        })
    }

    /// The first of the greatest or least arguments; NULL if any is.
    pub(super) fn extreme(&self, greatest: bool) -> ArrayRef {
        let mut builder = StringViewBuilder::with_capacity(self.rows);
        for row in 0..self.rows {
            let all = (0..self.texts.len()).map(|argument| self.get(argument, row));
            let all: Option<Vec<&str>> = all.collect();
            let wanted = if greatest {
                Ordering::Greater
            } else {
                Ordering::Less
            };
            let better = |best: &'_ str, other: &'_ str| self.order.compare(other, best) == wanted;
            builder.append_option(all.and_then(|all| {
                let mut all = all.into_iter();
                let first = all.next()?;
                Some(all.fold(
                    first,
                    |best, other| if better(best, other) { other } else { best },
                ))
            }));
        }
        Arc::new(builder.finish())
    }
}
