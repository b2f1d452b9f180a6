//! Kernels of integer arithmetic: BIGINT and BIGINT UNSIGNED, exact, overflow reported.
//!
//! Two signed operands take a branch-free loop; as soon as one is unsigned, i128 decides.

use arrow::array::{Array, ArrayRef, Int64Array, PrimitiveArray, UInt64Array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowPrimitiveType, Int64Type, UInt64Type};

use super::types::Op;
use crate::functions::warnings::division_by_zero;

/// One integer operand: an array of the rows, or one value for all of them.
pub(crate) enum Operand {
    Signed(Int64Array),
    Unsigned(UInt64Array),
}

impl Operand {
    fn len(&self) -> usize {
        match self {
            Self::Signed(a) => a.len(),
            Self::Unsigned(a) => a.len(),
        }
    }

    fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Self::Signed(a) => a.nulls(),
            Self::Unsigned(a) => a.nulls(),
        }
    }

    /// The value at `row`, NULL or not.
    fn wide(&self, row: usize) -> i128 {
        match self {
            Self::Signed(a) => a.values()[row].into(),
            Self::Unsigned(a) => a.values()[row].into(),
        }
    }
}

/// A result outside the range of its type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// Both operands over `rows`; an operand of one row is repeated.
pub(crate) struct Pair<'a> {
    pub(crate) left: &'a Operand,
    pub(crate) right: &'a Operand,
    pub(crate) rows: usize,
}

impl Pair<'_> {
    fn steps(&self) -> (usize, usize) {
        let step = |operand: &Operand| usize::from(operand.len() == self.rows);
        (step(self.left), step(self.right))
    }

    /// Rows that are NULL because an operand is.
    fn nulls(&self) -> Option<NullBuffer> {
        let spread = |operand: &Operand| -> Option<NullBuffer> {
            let nulls = operand.nulls()?;
            if operand.len() == self.rows {
                return Some(nulls.clone());
            }
            nulls.is_null(0).then(|| NullBuffer::new_null(self.rows))
        };
        NullBuffer::union(spread(self.left).as_ref(), spread(self.right).as_ref())
    }

    /// `unsigned`: the type of the result.
    pub(crate) fn evaluate(&self, op: Op, unsigned: bool) -> Result<ArrayRef, Overflow> {
        if let (Operand::Signed(left), Operand::Signed(right)) = (self.left, self.right)
            && matches!(op, Op::Add | Op::Sub | Op::Mul)
            && let Some(values) = self.signed(op, left, right)
        {
            return Ok(std::sync::Arc::new(Int64Array::new(
                values.into(),
                self.nulls(),
            )));
        }
        Ok(if unsigned {
            std::sync::Arc::new(self.wide::<UInt64Type>(op, |v| u64::try_from(v).ok())?)
        } else {
            std::sync::Arc::new(self.wide::<Int64Type>(op, |v| i64::try_from(v).ok())?)
        })
    }

    /// The fast loop; `None` when any row, NULL or not, might have overflowed.
    fn signed(&self, op: Op, left: &Int64Array, right: &Int64Array) -> Option<Vec<i64>> {
        match op {
            Op::Add => self.loops(left.values(), right.values(), i64::overflowing_add),
            Op::Sub => self.loops(left.values(), right.values(), i64::overflowing_sub),
            _ => self.loops(left.values(), right.values(), i64::overflowing_mul),
        }
    }

    fn loops(
        &self,
        left: &ScalarBuffer<i64>,
        right: &ScalarBuffer<i64>,
        op: impl Fn(i64, i64) -> (i64, bool),
    ) -> Option<Vec<i64>> {
        let mut overflow = false;
        let mut apply = |x: i64, y: i64| {
            let (value, over) = op(x, y);
            overflow |= over;
            value
        };
        let values: Vec<i64> = match self.steps() {
            (1, 1) => left
                .iter()
                .zip(right.iter())
                .map(|(x, y)| apply(*x, *y))
                .collect(),
            (1, 0) => {
                let y = right[0];
                left.iter().map(|x| apply(*x, y)).collect()
            }
            (0, 1) => {
                let x = left[0];
                right.iter().map(|y| apply(x, *y)).collect()
            }
            _ => (0..self.rows).map(|_| apply(left[0], right[0])).collect(),
        };
        (!overflow).then_some(values)
    }

    fn wide<T: ArrowPrimitiveType>(
        &self,
        op: Op,
        narrow: impl Fn(i128) -> Option<T::Native>,
    ) -> Result<PrimitiveArray<T>, Overflow> {
        let (left_step, right_step) = self.steps();
        let nulls = self.nulls();
        (0..self.rows)
            .map(|row| {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    return Ok(None);
                }
                let x = self.left.wide(row * left_step);
                let y = self.right.wide(row * right_step);
                match calculate(op, x, y) {
                    Ok(None) => Ok(None),
                    Ok(Some(value)) => narrow(value).map(Some).ok_or(Overflow),
                    Err(overflow) => Err(overflow),
                }
            })
            .collect()
    }
}

/// `None` is division by zero.
fn calculate(op: Op, x: i128, y: i128) -> Result<Option<i128>, Overflow> {
    Ok(match op {
        Op::Add => Some(x + y),
        Op::Sub => Some(x - y),
        Op::Mul => Some(x.checked_mul(y).ok_or(Overflow)?),
        Op::Div | Op::IntDiv | Op::Mod if y == 0 => division_by_zero(),
        Op::Div | Op::IntDiv => x.checked_div(y),
        Op::Mod => x.checked_rem(y),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;

    fn signed(values: Vec<Option<i64>>) -> Operand {
        Operand::Signed(values.into())
    }

    #[test]
    fn nulls_and_scalars_spread_over_the_rows() {
        let left = signed(vec![Some(1), None, Some(3)]);
        let right = signed(vec![Some(10)]);
        let pair = Pair {
            left: &left,
            right: &right,
            rows: 3,
        };
        let sum = pair.evaluate(Op::Add, false).unwrap();
        assert_eq!(
            *sum.as_primitive(),
            Int64Array::from(vec![Some(11), None, Some(13)])
        );
        let right = signed(vec![None]);
        let pair = Pair {
            left: &left,
            right: &right,
            rows: 3,
        };
        assert_eq!(pair.evaluate(Op::Add, false).unwrap().null_count(), 3);
    }

    #[test]
    fn garbage_under_a_null_does_not_overflow() {
        let values = ScalarBuffer::from(vec![i64::MAX, 1]);
        let left = Operand::Signed(Int64Array::new(values, Some(vec![false, true].into())));
        let right = signed(vec![Some(1)]);
        let pair = Pair {
            left: &left,
            right: &right,
            rows: 2,
        };
        let sum = pair.evaluate(Op::Add, false).unwrap();
        assert_eq!(*sum.as_primitive(), Int64Array::from(vec![None, Some(2)]));
    }

    #[test]
    fn overflow_is_reported_for_either_sign() {
        let left = signed(vec![Some(i64::MAX)]);
        let one = signed(vec![Some(1)]);
        let pair = Pair {
            left: &left,
            right: &one,
            rows: 1,
        };
        assert_eq!(pair.evaluate(Op::Add, false).unwrap_err(), Overflow);
        let small = Operand::Unsigned(vec![1_u64].into());
        let two = signed(vec![Some(2)]);
        let pair = Pair {
            left: &small,
            right: &two,
            rows: 1,
        };
        assert_eq!(pair.evaluate(Op::Sub, true).unwrap_err(), Overflow);
        let large = Operand::Unsigned(vec![u64::MAX].into());
        let pair = Pair {
            left: &large,
            right: &large,
            rows: 1,
        };
        assert_eq!(pair.evaluate(Op::Mul, true).unwrap_err(), Overflow);
    }

    #[test]
    fn division_by_zero_is_null_and_the_rest_takes_the_dividends_sign() {
        let left = signed(vec![Some(-7), Some(7)]);
        let right = signed(vec![Some(3), Some(0)]);
        let pair = Pair {
            left: &left,
            right: &right,
            rows: 2,
        };
        let rest = pair.evaluate(Op::Mod, false).unwrap();
        assert_eq!(*rest.as_primitive(), Int64Array::from(vec![Some(-1), None]));
        let quotient = pair.evaluate(Op::IntDiv, false).unwrap();
        assert_eq!(
            *quotient.as_primitive(),
            Int64Array::from(vec![Some(-2), None])
        );
    }
}
