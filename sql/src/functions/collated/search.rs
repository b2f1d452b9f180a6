//! LOCATE, INSTR, FIND_IN_SET, FIELD and STRCMP under a collation.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, PrimitiveArray};
use arrow::datatypes::Int64Type;

use super::Texts;
use crate::collation::find;
use crate::functions::argument::Column;
use crate::functions::string::{length, offset};

impl Texts<'_> {
    fn numbers(&self, mut number: impl FnMut(usize) -> Option<i64>) -> ArrayRef {
        let numbers = (0..self.rows).map(&mut number);
        Arc::new(numbers.collect::<Int64Array>())
    }

    /// Position (from 1, in characters) of one argument in the other, at or behind a position.
    pub(super) fn located(
        &self,
        (part, text): (usize, usize),
        positions: Option<Column<PrimitiveArray<Int64Type>>>,
    ) -> ArrayRef {
        self.numbers(|row| {
            let position = match &positions {
                Some(positions) => positions.get(row)?,
                None => 1,
            };
            let (part, text) = (self.get(part, row)?, self.get(text, row)?);
            let skipped = position.checked_sub(1);
            let skipped = skipped.and_then(|skipped| usize::try_from(skipped).ok());
            let Some(skipped) = skipped.filter(|&skipped| skipped <= length(text)) else {
                return Some(0);
            };
            let from = offset(text, skipped);
            let found = find(self.order, part, text.get(from..)?);
            Some(match found {
                Some(at) => (length(text.get(..from + at)?) + 1) as i64,
                None => 0,
            })
        })
    }

    pub(super) fn found_in_set(&self) -> ArrayRef {
        self.numbers(|row| {
            let (part, list) = (self.get(0, row)?, self.get(1, row)?);
            if list.is_empty() {
                return Some(0);
            }
            let is_part = |member: &str| self.order.compare(member, part).is_eq();
            let found = list.split(',').position(is_part);
            Some(found.map_or(0, |index| index as i64 + 1))
        })
    }

    pub(super) fn field(&self) -> ArrayRef {
        self.numbers(|row| {
            let Some(wanted) = self.get(0, row) else {
                return Some(0);
            };
            let is_wanted = |argument: &usize| {
                let text = self.get(*argument, row);
                text.is_some_and(|text| self.order.compare(text, wanted).is_eq())
            };
            let found = (1..self.texts.len()).find(is_wanted);
            Some(found.map_or(0, |argument| argument as i64))
        })
    }

    pub(super) fn strcmp(&self) -> ArrayRef {
        self.numbers(|row| {
            let (one, other) = (self.get(0, row)?, self.get(1, row)?);
            Some(self.order.compare(one, other) as i64)
        })
    }
}
