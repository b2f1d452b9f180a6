//! A virtual table as DataFusion reads it.
//!
//! The rows are made when the plan is, for the schema and the table that the filters name. The
//! filters themselves run above.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use storno_storage::{CompareOp, Predicate, Value};

use super::column::batch;
use super::{Scope, VirtualTable};
use crate::error::Result;
use crate::functions::failure::raise;
use crate::select::planner::View;
use crate::select::{prune, table::plan_schema};

/// Rows of one virtual table as one statement sees them.
#[derive(Debug)]
pub struct VirtualSource {
    table: &'static VirtualTable,
    view: View,
    schema: SchemaRef,
}

impl VirtualSource {
    pub fn try_new(table: &'static VirtualTable, view: View) -> Result<Self> {
        Ok(Self {
            table,
            schema: plan_schema(table.definition()?.as_ref()),
            view,
        })
    }

    fn position(&self, column: &str) -> Option<usize> {
        self.table.columns.iter().position(|c| c.name == column)
    }

    /// `TABLE_SCHEMA = '..'` and `TABLE_NAME = '..'` among the filters.
    fn scope(&self, filters: &[Expr]) -> Scope {
        let (schema, table) = (self.position("TABLE_SCHEMA"), self.position("TABLE_NAME"));
        let mut scope = Scope::default();
        let found = filters
            .iter()
            .flat_map(|f| prune::predicates(f, &self.schema));
        for predicate in found {
            let Predicate::Compare {
                column,
                op: CompareOp::Eq,
                value: Value::Str(text),
            } = predicate
            else {
                continue;
            };
            if Some(column) == schema {
                scope.schema = Some(text);
            } else if Some(column) == table {
                scope.table = Some(text);
            }
        }
        scope
    }
}

#[async_trait]
impl TableProvider for VirtualSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let rows = (self.table.rows)(&self.view, &self.scope(filters)).map_err(raise)?;
        let batch = batch(self.schema(), &rows).map_err(raise)?;
        let plan =
            MemorySourceConfig::try_new_exec(&[vec![batch]], self.schema(), projection.cloned())?;
        Ok(plan)
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DfResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
