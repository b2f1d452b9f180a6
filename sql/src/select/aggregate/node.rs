//! An aggregate over a stored table as an operator; its input, if any, says which rows count.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::DFSchemaRef;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use storno_storage::{Having, Top};

use super::shape::Shape;
use crate::collation::Order;
use crate::select::table::SnapshotTable;

/// A join that decides which rows count: those whose value of a column is among the rows of a query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Hash)]
pub(super) struct Matching {
    /// Of the table.
    pub(super) column: usize,
    /// What the strings of the column are equal by; `None` for what is equal by itself.
    pub(super) order: Option<Order>,
    /// The query, of one column, which is to be equal.
    pub(super) keys: Arc<LogicalPlan>,
    /// The whole by other operators, for keys that occur more than once and count so often; `None`: they count once.
    pub(super) otherwise: Option<Arc<LogicalPlan>>,
}

/// What is computed of which table.
#[derive(Debug, Clone)]
pub(super) struct AggregateScan {
    pub(super) table: Arc<dyn TableProvider>,
    pub(super) shape: Shape,
    /// Conditions on single columns, all of which hold.
    pub(super) conditions: Vec<(usize, Expr)>,
    pub(super) matching: Option<Matching>,
    /// Which groups are wanted; operators above decide once more.
    pub(super) having: Vec<Having>,
    pub(super) top: Option<Top>,
    /// The keys, then the aggregates.
    pub(super) schema: DFSchemaRef,
}

impl AggregateScan {
    /// The table, which is always one of ours.
    pub(super) fn table(&self) -> Option<&SnapshotTable> {
        self.table.as_ref().downcast_ref::<SnapshotTable>()
    }
}

impl PartialEq for AggregateScan {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.table, &other.table)
            && self.shape == other.shape
            && self.conditions == other.conditions
            && self.matching == other.matching
            && self.having == other.having
            && self.top == other.top
            && self.schema == other.schema
    }
}

impl Eq for AggregateScan {}

impl Hash for AggregateScan {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.shape.keys.hash(state);
        self.conditions.hash(state);
    }
}

impl PartialOrd for AggregateScan {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for AggregateScan {
    fn name(&self) -> &str {
        "AggregateScan"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        self.matching.iter().map(|m| m.keys.as_ref()).collect()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    /// None: its own are over the table, which other rules do not see.
    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "AggregateScan")
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut scan = self.clone();
        if let (Some(matching), Some(keys)) = (&mut scan.matching, inputs.into_iter().next()) {
            matching.keys = Arc::new(keys);
        }
        Ok(scan)
    }
}
