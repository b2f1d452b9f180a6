//! Aggregates over one stored table, computed by storage on the codes of its segments.
//!
//! `rule` finds them in logical plans; `shape` says what storage can compute of one, `plain` which
//! expressions may be evaluated once per value instead of once per row, `granule` for how long a function
//! of a moment stays the same. `node` is the operator in logical plans, `exec` in physical ones: `recipe` is what it
//! computes, with `functions` for the expressions it hands to storage and `finish` for the results.
//!
//! A join that only says which rows count is computed in place, too: `joined` finds it, `keys` holds what the other side
//! gives, `matched` is the physical operator.
//!
//! What does not fit stays with DataFusion's own operators.

mod below;
mod exec;
mod finish;
mod functions;
mod granule;
mod joined;
mod keys;
mod matched;
mod node;
mod plain;
mod recipe;
mod rule;
mod shape;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

use super::stoppable::stoppable;

pub(super) use exec::AggregateScanExec;
pub(super) use recipe::Recipe;
pub use rule::AggregateInStorage;

/// DataFusion's planner that knows this operator.
#[derive(Debug)]
pub struct StornoPlanner;

#[async_trait]
impl QueryPlanner for StornoPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let ours = Arc::new(exec::AggregateScanPlanner);
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![ours]);
        stoppable(planner.create_physical_plan(plan, session).await?)
    }
}
