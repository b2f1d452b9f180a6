//! Conditions a scan can use to leave out segments and blocks.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::sync::Arc;

use crate::ValueMap;

/// A literal. Its kind need not equal the column's: an integer may be compared with any integer,
/// decimal or float column; `Int` also serves Date32 (days), Timestamp and Duration (microseconds).
/// A pair that storage cannot compare prunes nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bool(bool),
    Int(i128),
    Float(f64),
    /// Unscaled value and scale.
    Decimal(i128, i8),
    Str(String),
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

impl CompareOp {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] = [
        Self::Eq,
        Self::NotEq,
        Self::Lt,
        Self::LtEq,
        Self::Gt,
        Self::GtEq,
    ];

    /// Whether values that stand like this to each other satisfy it.
    pub(crate) fn holds(self, ordering: Ordering) -> bool {
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

/// One term of a conjunction over column `column` (its position in the table). Comparison is by value,
/// binary for strings; a NULL never satisfies `Compare` or `In`.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    Compare {
        column: usize,
        op: CompareOp,
        value: Value,
    },
    In {
        column: usize,
        values: Vec<Value>,
    },
    IsNull {
        column: usize,
    },
    IsNotNull {
        column: usize,
    },
    /// A test of strings that the caller knows: asked once per entry of a dictionary. NULL never passes.
    Passes {
        column: usize,
        test: StringTest,
    },
}

/// A test of strings, given as bytes; the same one equals itself alone.
#[derive(Debug, Clone)]
pub struct StringTest(pub Arc<dyn PassesString>);

/// Decides about a string. It must give equal answers for equal strings.
pub trait PassesString: Debug + Send + Sync {
    fn passes(&self, string: &[u8]) -> bool;

    /// What it comes to, if that is equality under a fold.
    fn equality(&self) -> Option<FoldedEquality> {
        None
    }

    /// Tests with equal names give equal answers, now and later.
    fn name(&self) -> Option<String> {
        None
    }
}

/// That a test of strings is whether what a fold makes of them is among some keys.
#[derive(Debug, Clone)]
pub struct FoldedEquality {
    /// Has a name.
    pub fold: Arc<dyn ValueMap>,
    /// Results of the fold.
    pub keys: Vec<Vec<u8>>,
    /// Whether those pass that are among them, or the others.
    pub equal: bool,
}

impl PartialEq for StringTest {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
