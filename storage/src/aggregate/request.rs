//! What can be asked of an aggregation.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::DataType;

use crate::{CompareOp, Error, FoldedEquality, Predicate};

/// An error of the caller's own functions.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why an aggregation ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum AggregateError {
    #[error(transparent)]
    Storage(#[from] Error),
    /// From a `ValueTest` or `ValueMap`, unchanged.
    #[error("{0}")]
    Caller(BoxError),
}

/// Decides about values of one column. It must give equal answers for equal values.
pub trait ValueTest: Debug + Send + Sync {
    /// One answer per value; NULL counts as no.
    fn test(&self, values: &ArrayRef) -> Result<BooleanArray, BoxError>;

    /// What it comes to, if it is a test of strings and equality under a fold.
    fn equality(&self) -> Option<FoldedEquality> {
        None
    }

    /// Tells tests of strings apart whose answers may be kept for later queries: those with equal names give equal
    /// answers, now and later. `None`: they may not be kept.
    fn name(&self) -> Option<&str> {
        None
    }
}

/// A function of one column. It must give equal results for equal values.
pub trait ValueMap: Debug + Send + Sync {
    /// One result per value.
    fn map(&self, values: &ArrayRef) -> Result<ArrayRef, BoxError>;

    /// Tells functions apart whose results for strings may be kept for later queries: those with equal names give
    /// equal results, now and later, and never fail. `None`: they may not be kept.
    fn name(&self) -> Option<&str> {
        None
    }
}

/// A condition on one column (its position in the table).
#[derive(Debug, Clone)]
pub struct Condition {
    pub column: usize,
    pub test: Arc<dyn ValueTest>,
    /// A conjunction that every row which passes satisfies; for pruning.
    pub implies: Vec<Predicate>,
    /// Whether `implies` holds for no other rows, and compares the column with values of its own type.
    pub exact: bool,
}

/// What rows are grouped by.
#[derive(Debug, Clone)]
pub struct GroupKey {
    pub column: usize,
    /// Not given: the column's own values.
    pub function: Option<KeyFunction>,
}

/// A function of a column that rows are grouped by.
#[derive(Debug, Clone)]
pub struct KeyFunction {
    pub map: Arc<dyn ValueMap>,
    /// What `map` returns.
    pub data_type: DataType,
    /// What makes results equal that are to be taken for one; a group shows one of its results.
    pub fold: Option<Arc<dyn ValueMap>>,
    /// For moments (microseconds): all of `n * granule .. (n + 1) * granule` have one result.
    pub granule: Option<u64>,
}

/// Makes values of a column equal that are to be taken for one.
#[derive(Debug, Clone)]
pub struct Fold {
    pub column: usize,
    /// Gives text or bytes.
    pub map: Arc<dyn ValueMap>,
}

/// What is computed per group. `case` is the position of a condition in `AggregateRequest::cases`: only rows
/// that pass it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// How many rows.
    Rows {
        case: Option<usize>,
    },
    /// How many rows with a value.
    Count {
        column: usize,
        case: Option<usize>,
    },
    /// The sum of integers or (unscaled) decimals of at most `SUM_DIGITS_MAX` digits.
    Sum {
        column: usize,
        case: Option<usize>,
    },
    /// The least value of an integer-like column of at most 64 bits.
    Least {
        column: usize,
    },
    Greatest {
        column: usize,
    },
    /// How many different values.
    Distinct {
        column: usize,
    },
}

/// That only the groups are wanted which may be among the first `count` by one measure. Groups that are
/// equal there all count as first: more may be returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Top {
    pub measure: usize,
    pub descending: bool,
    pub count: usize,
}

/// That only groups are wanted whose measure compares so with a number, in the measure's own unit. NULL never
/// does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Having {
    pub measure: usize,
    pub op: CompareOp,
    pub value: i128,
}

impl Having {
    pub(super) fn holds(&self, value: Option<i128>) -> bool {
        let Some(value) = value else { return false };
        match self.op {
            CompareOp::Eq => value == self.value,
            CompareOp::NotEq => value != self.value,
            CompareOp::Lt => value < self.value,
            CompareOp::LtEq => value <= self.value,
            CompareOp::Gt => value > self.value,
            CompareOp::GtEq => value >= self.value,
        }
    }
}

/// An aggregation. Rows that pass all conditions are grouped by all keys; without keys there is exactly one
/// group, whatever the rows.
#[derive(Debug, Clone, Default)]
pub struct AggregateRequest {
    pub conditions: Vec<Condition>,
    pub cases: Vec<Condition>,
    pub keys: Vec<GroupKey>,
    pub measures: Vec<Measure>,
    /// Columns of strings whose values are taken for one where their folds are equal: in keys without a
    /// function, of which a group shows one of its values, and in `Measure::Distinct`.
    pub folds: Vec<Fold>,
    /// A conjunction, decided before `top`.
    pub having: Vec<Having>,
    pub top: Option<Top>,
}

/// Decimals with more digits have no sums here: they could exceed 128 bits.
pub(super) const SUM_DIGITS_MAX: u8 = 27;

/// Decimals with more digits do not fit the 64 bits of a group's identity.
pub(super) const KEY_DIGITS_MAX: u8 = 18;

/// Whether values of a type can be group keys.
fn is_key(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8View | DataType::BinaryView => true,
        other => is_word(other),
    }
}

/// Whether a type's values are integer-like and fit 64 bits.
fn is_word(data_type: &DataType) -> bool {
    match data_type {
        DataType::Boolean | DataType::Date32 => true,
        DataType::Timestamp(..) | DataType::Duration(_) => true,
        DataType::Decimal128(digits, _) => *digits <= KEY_DIGITS_MAX,
        other => other.is_integer(),
    }
}

impl GroupKey {
    /// Whether rows can be grouped by it, given the type of its column.
    pub fn is_supported(&self, data_type: &DataType) -> bool {
        is_key(data_type)
    }
}

impl Measure {
    /// Whether it can be computed, given the type of its column (any type for `Rows`).
    pub fn is_supported(&self, data_type: &DataType) -> bool {
        match self {
            Self::Rows { .. } => true,
            Self::Count { .. } | Self::Distinct { .. } => is_key(data_type),
            Self::Least { .. } | Self::Greatest { .. } => is_word(data_type),
            Self::Sum { .. } => match data_type {
                DataType::Decimal128(digits, _) => *digits <= SUM_DIGITS_MAX,
                other => other.is_integer(),
            },
        }
    }

    /// The column it reads.
    pub fn column(&self) -> Option<usize> {
        match *self {
            Self::Rows { .. } => None,
            Self::Count { column, .. }
            | Self::Sum { column, .. }
            | Self::Least { column }
            | Self::Greatest { column }
            | Self::Distinct { column } => Some(column),
        }
    }

    pub(super) fn case(&self) -> Option<usize> {
        match *self {
            Self::Rows { case } | Self::Count { case, .. } | Self::Sum { case, .. } => case,
            _ => None,
        }
    }
}
