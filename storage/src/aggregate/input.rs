//! What the values of an aggregated column are in one source.

use arrow::array::Array;

use super::source::Source;
use super::values::integers_of;
use crate::Result;
use crate::scan::{BlockRows, LaneBuffer, Lanes, Meaning};

/// What an input's values are in one source: `origin + lane * step`; with NULLs lane 0 is one.
#[derive(Debug, Clone)]
pub(super) struct InputColumn {
    pub(super) column: usize,
    pub(super) origin: i128,
    pub(super) step: u64,
    pub(super) null_code: bool,
    pub(super) high: u64,
    /// Lanes of codes that are entries of a dictionary.
    pub(super) lanes: Option<Vec<u64>>,
}

impl InputColumn {
    /// `None` when the values, with NULL, take more than 64 bits.
    pub(super) fn new(source: &Source, column: usize) -> Result<Option<Self>> {
        let coded = source.column(column)?;
        let (null_code, null) = (coded.null_code, u64::from(coded.null_code));
        let mut input = Self {
            column,
            origin: 0,
            step: 1,
            null_code,
            high: coded.high,
            lanes: None,
        };
        match coded.meaning {
            Meaning::Steps { origin, step } => (input.origin, input.step) = (origin, step),
            // Only counted.
            Meaning::String => {}
            Meaning::Constant => {
                let value = source.values(column, &[0])?;
                input.null_code = value.null_count() > 0;
                if !input.null_code && !is_text(&value) {
                    let value = integers_of(&value)?.first().copied();
                    input.origin = value.flatten().unwrap_or(0);
                }
            }
            Meaning::Number => {
                let numbers = source.numbers(column)?;
                let least = numbers.iter().copied().min().unwrap_or(0);
                input.origin = least - i128::from(null);
                let lane = |n: &i128| ((n - least) as u64).checked_add(null);
                let lanes = (0..null).map(Some).chain(numbers.iter().map(lane));
                let Some(lanes) = lanes.collect::<Option<Vec<u64>>>() else {
                    return Ok(None);
                };
                input.high = lanes.iter().copied().max().unwrap_or(0);
                input.lanes = Some(lanes);
            }
        }
        Ok(Some(input))
    }

    /// The lanes of all rows of a block.
    pub(super) fn read<'b>(
        &self,
        source: &Source,
        at: &BlockRows,
        buffer: &'b mut LaneBuffer,
    ) -> Result<Lanes<'b>> {
        let codes = source.codes_of(self.column, at);
        match &self.lanes {
            Some(lanes) => buffer.read_mapped(&codes, lanes),
            None => buffer.read(&codes, self.high),
        }
    }

    /// The sum of lanes whose values have this sum.
    pub(super) fn lane_sum(&self, (sum, values): (i128, u64)) -> u64 {
        ((sum - self.origin * i128::from(values)) / i128::from(self.step.max(1))) as u64
    }

    /// The sum of values whose lanes have this sum.
    pub(super) fn value_sum(&self, lanes: u128, values: u64) -> i128 {
        self.origin * i128::from(values) + lanes as i128 * i128::from(self.step)
    }

    pub(super) fn value(&self, lane: u64) -> i128 {
        self.origin + i128::from(lane) * i128::from(self.step)
    }
}

fn is_text(array: &arrow::array::ArrayRef) -> bool {
    use arrow::datatypes::DataType::{BinaryView, Utf8View};
    matches!(array.data_type(), Utf8View | BinaryView)
}
