//! What an operator computes, whichever snapshot of its table it is given.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::{Partitioning, PlanProperties};
use storno_storage::{
    AggregateRequest, Aggregation, Condition, Fold, GroupKey, KeyFunction, Predicate,
    TableSnapshot, ValueMap,
};

use super::functions::OfColumn;
use super::granule::granule;
use super::node::AggregateScan;
use super::shape::{Shape, folded};
use crate::collation::Order;
use crate::functions::collated::SameStrings;
use crate::select::prune::predicates;
use crate::select::table::SnapshotTable;

/// Free of rows: it may be kept for later statements over the same table.
#[derive(Debug)]
pub(in crate::select) struct Recipe {
    pub(super) shape: Shape,
    /// Conditions on single columns, all of which hold.
    conditions: Vec<(usize, Expr)>,
    pub(super) request: AggregateRequest,
    /// Upper bound.
    pub(super) threads: usize,
    /// The table's columns as plans see them.
    columns: SchemaRef,
    /// Of what comes out.
    pub(super) schema: SchemaRef,
    pub(super) properties: Arc<PlanProperties>,
}

impl Recipe {
    pub(super) fn of(node: &AggregateScan, table: &SnapshotTable, threads: usize) -> Result<Self> {
        let columns = table.arrow_schema();
        let key = |(column, function): &(usize, Option<Expr>)| {
            let function = function.as_ref();
            let function = function.map(|expr| key_function(*column, expr, columns));
            Ok(GroupKey {
                column: *column,
                function: function.transpose()?,
            })
        };
        let schema = Arc::clone(node.schema.inner());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        // It yields by itself.
        let properties = properties.with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            request: AggregateRequest {
                conditions: tested(&node.conditions, columns)?,
                cases: tested(&node.shape.cases, columns)?,
                keys: node.shape.keys.iter().map(key).collect::<Result<_>>()?,
                measures: node.shape.measures.clone(),
                folds: node.shape.folds.iter().map(fold).collect(),
                having: node.having.clone(),
                top: node.top,
            },
            shape: node.shape.clone(),
            conditions: node.conditions.clone(),
            threads,
            columns: Arc::clone(columns),
            schema,
            properties: Arc::new(properties),
        })
    }

    /// Column and expression of each condition.
    pub(in crate::select) fn conditions(&self) -> &[(usize, Expr)] {
        &self.conditions
    }

    /// The name of a column of the table, as plans call it.
    pub(in crate::select) fn column_name(&self, column: usize) -> Option<&str> {
        let field = self.columns.fields().get(column)?;
        Some(field.name())
    }

    /// The same under other conditions.
    pub(in crate::select) fn with_conditions(
        &self,
        conditions: Vec<(usize, Expr)>,
    ) -> Result<Self> {
        Ok(Self {
            request: AggregateRequest {
                conditions: tested(&conditions, &self.columns)?,
                ..self.request.clone()
            },
            shape: self.shape.clone(),
            conditions,
            threads: self.threads,
            columns: Arc::clone(&self.columns),
            schema: Arc::clone(&self.schema),
            properties: Arc::clone(&self.properties),
        })
    }

    /// Whether the other differs from this at most in the conditions' values.
    pub(in crate::select) fn is_alike(&self, other: &Self) -> bool {
        let conditions = || self.conditions.iter().zip(&other.conditions);
        let alike = |(one, other): (&(usize, Expr), &(usize, Expr))| {
            one.0 == other.0 && without_values(&one.1) == without_values(&other.1)
        };
        self.shape == other.shape
            && self.request.having == other.request.having
            && self.request.top == other.request.top
            && self.schema == other.schema
            && self.conditions.len() == other.conditions.len()
            && conditions().all(alike)
    }

    pub(super) fn aggregation(&self, table: &TableSnapshot) -> Result<Arc<Aggregation>> {
        self.start(table, self.request.clone())
    }

    /// The aggregation of those rows of a table that also fulfil a condition.
    pub(super) fn aggregation_of(
        &self,
        table: &TableSnapshot,
        condition: Condition,
    ) -> Result<Arc<Aggregation>> {
        let mut request = self.request.clone();
        request.conditions.push(condition);
        self.start(table, request)
    }

    /// What it implies for storage that a column has one of some values.
    pub(super) fn one_of(&self, column: usize, values: Vec<ScalarValue>) -> Vec<Predicate> {
        let Some(name) = self.column_name(column) else {
            return Vec::new();
        };
        let own = Box::new(Expr::Column(Column::new_unqualified(name)));
        let values = values.into_iter().map(|value| Expr::Literal(value, None));
        predicates(
            &Expr::InList(InList::new(own, values.collect(), false)),
            &self.columns,
        )
    }

    fn start(&self, table: &TableSnapshot, request: AggregateRequest) -> Result<Arc<Aggregation>> {
        let started = table.aggregate(request, self.threads);
        started
            .map(Arc::new)
            .map_err(|e| DataFusionError::External(Box::new(e)))
    }
}

/// A condition with NULL of the same type in the place of each literal; `None` for types that have none.
fn without_values(expr: &Expr) -> Option<Expr> {
    let blank = |e: Expr| {
        Ok(match e {
            Expr::Literal(value, metadata) => {
                let null = ScalarValue::try_from(&value.data_type())?;
                Transformed::yes(Expr::Literal(null, metadata))
            }
            other => Transformed::no(other),
        })
    };
    let blanked = expr.clone().transform(blank).ok()?;
    Some(blanked.data)
}

fn fold((column, order): &(usize, Order)) -> Fold {
    Fold {
        column: *column,
        map: Arc::new(SameStrings(*order)),
    }
}

fn of_column(column: usize, expr: &Expr, columns: &Schema) -> Result<OfColumn> {
    OfColumn::new(expr, columns.field(column), &ExecutionProps::default())
}

fn tested(conditions: &[(usize, Expr)], columns: &SchemaRef) -> Result<Vec<Condition>> {
    let one = |(column, expr): &(usize, Expr)| {
        let (implies, exact) = implied(expr, *column, columns);
        Ok(Condition {
            column: *column,
            test: Arc::new(of_column(*column, expr, columns)?),
            implies,
            exact,
        })
    };
    conditions.iter().map(one).collect()
}

fn key_function(column: usize, expr: &Expr, columns: &Schema) -> Result<KeyFunction> {
    // Groups are told apart by keys of strings, and show the strings.
    let (expr, order) = match folded(expr) {
        Some((strings, order)) => (strings, Some(order)),
        None => (expr, None),
    };
    let map = of_column(column, expr, columns)?;
    Ok(KeyFunction {
        fold: order.map(|order| Arc::new(SameStrings(order)) as Arc<dyn ValueMap>),
        data_type: map.data_type()?,
        map: Arc::new(map) as Arc<dyn ValueMap>,
        granule: granule(expr),
    })
}

/// What a condition implies for storage, and whether that is all it says.
fn implied(expr: &Expr, column: usize, schema: &Schema) -> (Vec<Predicate>, bool) {
    let mut implies = predicates(expr, schema);
    // Threads at work ask of the values that occur, and side by side.
    implies.retain(|p| !matches!(p, Predicate::Passes { .. }));
    let own_type = schema.field(column).data_type();
    let same = |e: &Expr| match e {
        Expr::Literal(value, _) => !value.is_null() && is_same(value, own_type),
        _ => false,
    };
    let is_column = |e: &Expr| matches!(e, Expr::Column(_));
    let exact = match expr {
        Expr::BinaryExpr(BinaryExpr { left, right, .. }) => {
            is_column(left) && same(right) || same(left) && is_column(right)
        }
        Expr::InList(list) => !list.negated && is_column(&list.expr) && list.list.iter().all(same),
        Expr::IsNull(e) | Expr::IsNotNull(e) => is_column(e),
        _ => false,
    };
    let exact = exact && implies.len() == 1;
    (implies, exact)
}

fn is_same(value: &ScalarValue, data_type: &DataType) -> bool {
    use DataType::{LargeUtf8, Utf8, Utf8View};
    let own = value.data_type();
    own == *data_type || matches!((own, data_type), (Utf8 | LargeUtf8, Utf8View))
}
