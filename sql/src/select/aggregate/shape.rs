//! What storage computes of an aggregate, and what is left to do with its numbers.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::{AggregateFunction, Case};
use storno_storage::{GroupKey, Measure};

use super::plain::only_column;
use crate::collation::Order;
use crate::functions::aggregates::input::{exact_digits, is_exact};
use crate::functions::collated::{Collated, Operation, is_first};
use crate::select::prune::widens;
use crate::select::table::SnapshotTable;

/// Keys that a record of storage has room for.
const KEYS_MAX: usize = 7;

/// An aggregate taken apart. Columns are positions in the table.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Shape {
    /// A column, or a function of one.
    pub(super) keys: Vec<(usize, Option<Expr>)>,
    /// Conditions of single aggregates.
    pub(super) cases: Vec<(usize, Expr)>,
    pub(super) measures: Vec<Measure>,
    /// Columns of strings that are one where they compare equal; groups show one of them.
    pub(super) folds: Vec<(usize, Order)>,
    /// Per aggregate, but for those that show a key.
    pub(super) outputs: Vec<Output>,
    /// Per aggregate the key that it shows.
    pub(super) shown: Vec<Option<usize>>,
}

impl Shape {
    /// Whether keys are folded: the strings are given in their places.
    pub(super) fn shows_strings(&self) -> bool {
        (0..self.keys.len()).any(|key| self.fold_of(key).is_some())
    }

    /// The order that a key is folded by.
    pub(super) fn fold_of(&self, key: usize) -> Option<Order> {
        let (column, function) = self.keys.get(key)?;
        if let Some(function) = function {
            return folded(function).map(|(_, order)| order);
        }
        let fold = self.folds.iter().find(|(folded, _)| folded == column);
        fold.map(|(_, order)| *order)
    }
}

/// How an aggregate follows from measures (their positions).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Output {
    Count(usize),
    Sum {
        measure: usize,
        of: Summed,
    },
    /// The sum of a constant over some rows.
    Constant {
        rows: usize,
        factor: i128,
        of: Summed,
    },
    Extreme(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summed {
    pub(super) average: bool,
    /// Of the values that are summed.
    pub(super) scale: i8,
    /// What errors call it.
    pub(super) name: String,
    /// The measure that counts all rows of the group, when rows that do not count are zeros.
    pub(super) zeros: Option<usize>,
}

/// Takes an aggregate apart; `None` when storage cannot compute some of it.
pub(super) fn shape_of(keys: &[Expr], aggregates: &[Expr], table: &SnapshotTable) -> Option<Shape> {
    let mut builder = Builder {
        table,
        shape: Shape::default(),
        by_bytes: Vec::new(),
    };
    for key in keys {
        builder.add_key(key)?;
    }
    for aggregate in aggregates {
        builder.add_aggregate(aggregate)?;
    }
    (builder.shape.keys.len() <= KEYS_MAX).then_some(builder.shape)
}

struct Builder<'a> {
    table: &'a SnapshotTable,
    shape: Shape,
    /// Columns whose values are told apart as they are.
    by_bytes: Vec<usize>,
}

/// How a key of strings is made.
pub(super) fn made_by(expr: &Expr) -> Option<Operation> {
    let collated = Collated::of(unaliased(expr)).filter(|c| c.makes_keys());
    collated.map(|collated| collated.operation)
}

/// The argument of a function that makes keys of strings, and its order. Keys that are made in different ways are
/// not to be compared with each other (`made_by`).
pub(super) fn folded(expr: &Expr) -> Option<(&Expr, Order)> {
    let collated = Collated::of(expr).filter(|c| c.makes_keys())?;
    match expr {
        // Common sub-expressions are given names.
        Expr::ScalarFunction(call) => {
            let argument = call.args.first()?;
            Some((unaliased(argument), collated.order))
        }
        _ => None,
    }
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

/// Below casts of integers that keep the value.
fn uncast<'e>(expr: &'e Expr, table: &SnapshotTable) -> &'e Expr {
    let Expr::Cast(cast) = expr else { return expr };
    let Expr::Column(column) = cast.expr.as_ref() else {
        return expr;
    };
    let field = table.arrow_schema().field_with_name(&column.name);
    let to = cast.field.data_type();
    let keeps = |from: &DataType| to.is_integer() && widens(from, to);
    match field {
        Ok(field) if keeps(field.data_type()) => &cast.expr,
        _ => expr,
    }
}

impl Builder<'_> {
    /// A column that storage has as queries see it.
    fn column(&self, expr: &Expr) -> Option<usize> {
        let Expr::Column(column) = expr else {
            return None;
        };
        let at = self.table.arrow_schema().index_of(&column.name).ok()?;
        self.table.is_stored_as_shown(at).then_some(at)
    }

    fn data_type(&self, column: usize) -> &DataType {
        self.table.arrow_schema().field(column).data_type()
    }

    /// A column whose different values are wanted, folded or as they are; `None` if both are asked for.
    fn told_apart(&mut self, expr: &Expr) -> Option<usize> {
        let (expr, order) = match folded(expr) {
            Some((argument, order)) => (argument, Some(order)),
            None => (expr, None),
        };
        let column = self.column(expr)?;
        let known = self
            .shape
            .folds
            .iter()
            .find(|(folded, _)| *folded == column);
        let known = known.map(|(_, order)| *order);
        match (order, known) {
            (None, None) => self.by_bytes.push(column),
            (Some(order), None) if !self.by_bytes.contains(&column) => {
                self.shape.folds.push((column, order));
            }
            (Some(order), Some(known)) if order == known => {}
            _ => return None,
        }
        Some(column)
    }

    fn add_key(&mut self, key: &Expr) -> Option<()> {
        let key = unaliased(key);
        let (column, function) = match self.told_apart(key) {
            Some(column) => (column, None),
            None if self.column(key).is_some() => return None,
            None => {
                let column = only_column(key, self.table)?;
                let shown = self.table.is_stored_as_shown(column);
                (shown.then_some(column)?, Some(key.clone()))
            }
        };
        let group = GroupKey {
            column,
            function: None,
        };
        if !group.is_supported(self.data_type(column)) {
            return None;
        }
        self.shape.keys.push((column, function));
        Some(())
    }

    fn measure(&mut self, measure: Measure) -> Option<usize> {
        let data_type = measure.column().map(|c| self.data_type(c));
        if !measure.is_supported(data_type.unwrap_or(&DataType::Null)) {
            return None;
        }
        let measures = &mut self.shape.measures;
        let known = measures.iter().position(|m| *m == measure);
        Some(known.unwrap_or_else(|| {
            measures.push(measure);
            measures.len() - 1
        }))
    }

    fn case(&mut self, condition: &Expr) -> Option<usize> {
        let column = only_column(condition, self.table)?;
        if !self.table.is_stored_as_shown(column) {
            return None;
        }
        let case = (column, condition.clone());
        let cases = &mut self.shape.cases;
        let known = cases.iter().position(|c| *c == case);
        Some(known.unwrap_or_else(|| {
            cases.push(case);
            cases.len() - 1
        }))
    }

    fn add_aggregate(&mut self, aggregate: &Expr) -> Option<()> {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = unaliased(aggregate)
        else {
            return None;
        };
        let [argument] = params.args.as_slice() else {
            return None;
        };
        if params.filter.is_some() || !params.order_by.is_empty() {
            return None;
        }
        if is_first(func) {
            let shows = |key: &usize| match self.shape.keys.get(*key) {
                Some((column, None)) => {
                    self.shape.fold_of(*key).is_some() && self.column(argument) == Some(*column)
                }
                Some((_, Some(function))) => {
                    folded(function).is_some_and(|(inner, _)| inner == unaliased(argument))
                }
                None => false,
            };
            let key = (0..self.shape.keys.len()).find(shows)?;
            self.shape.shown.push(Some(key));
            return Some(());
        }
        let output = match (func.name(), params.distinct) {
            ("count", false) => Output::Count(self.count(argument)?),
            ("count", true) => {
                let column = self.told_apart(argument)?;
                Output::Count(self.measure(Measure::Distinct { column })?)
            }
            ("sum", false) => self.sum(argument, false)?,
            ("avg", false) => self.sum(argument, true)?,
            ("min", _) => {
                let column = self.column(argument)?;
                Output::Extreme(self.measure(Measure::Least { column })?)
            }
            ("max", _) => {
                let column = self.column(argument)?;
                Output::Extreme(self.measure(Measure::Greatest { column })?)
            }
            _ => return None,
        };
        self.shape.outputs.push(output);
        self.shape.shown.push(None);
        Some(())
    }

    fn count(&mut self, argument: &Expr) -> Option<usize> {
        match argument {
            Expr::Literal(value, _) if !value.is_null() => {
                self.measure(Measure::Rows { case: None })
            }
            Expr::Case(case) => {
                let (condition, value, otherwise) = taken_apart(case)?;
                let (Expr::Literal(value, _), None) = (value, otherwise) else {
                    return None;
                };
                let case = (!value.is_null()).then(|| self.case(condition))??;
                self.measure(Measure::Rows { case: Some(case) })
            }
            other => {
                let column = self.column(other)?;
                self.measure(Measure::Count { column, case: None })
            }
        }
    }

    fn sum(&mut self, argument: &Expr, average: bool) -> Option<Output> {
        let mut of = Summed {
            average,
            scale: 0,
            name: argument.to_string(),
            zeros: None,
        };
        let (value, case) = match argument {
            Expr::Case(case) => {
                let (condition, value, otherwise) = taken_apart(case)?;
                if let Some(otherwise) = otherwise {
                    // An average over zeros is another one.
                    if average || integer(otherwise) != Some(0) {
                        return None;
                    }
                    of.zeros = Some(self.measure(Measure::Rows { case: None })?);
                }
                (value, Some(self.case(condition)?))
            }
            other => (other, None),
        };
        if let Some(factor) = integer(value).filter(|_| !average) {
            let rows = self.measure(Measure::Rows { case })?;
            return Some(Output::Constant { rows, factor, of });
        }
        let column = self.column(uncast(value, self.table))?;
        let data_type = self.data_type(column).clone();
        // Where a row that counts may be NULL, zeros of other rows would have to be told apart.
        let nullable = self.table.arrow_schema().field(column).is_nullable();
        if !is_exact(&data_type) || of.zeros.is_some() && nullable {
            return None;
        }
        (_, of.scale) = exact_digits(&data_type);
        let measure = self.measure(Measure::Sum { column, case })?;
        Some(Output::Sum { measure, of })
    }
}

/// `CASE WHEN condition THEN value [ELSE otherwise] END`; an ELSE of NULL is none.
fn taken_apart(case: &Case) -> Option<(&Expr, &Expr, Option<&Expr>)> {
    let [(condition, value)] = case.when_then_expr.as_slice() else {
        return None;
    };
    if case.expr.is_some() {
        return None;
    }
    let is_null = |e: &&Expr| matches!(e, Expr::Literal(value, _) if value.is_null());
    let otherwise = case.else_expr.as_deref().filter(|e| !is_null(e));
    Some((condition, value, otherwise))
}

/// The value of an integer literal.
fn integer(expr: &Expr) -> Option<i128> {
    let Expr::Literal(value, _) = expr else {
        return None;
    };
    Some(match value {
        ScalarValue::Int8(Some(v)) => (*v).into(),
        ScalarValue::Int16(Some(v)) => (*v).into(),
        ScalarValue::Int32(Some(v)) => (*v).into(),
        ScalarValue::Int64(Some(v)) => (*v).into(),
        ScalarValue::UInt8(Some(v)) => (*v).into(),
        ScalarValue::UInt16(Some(v)) => (*v).into(),
        ScalarValue::UInt32(Some(v)) => (*v).into(),
        ScalarValue::UInt64(Some(v)) => (*v).into(),
        ScalarValue::Decimal128(Some(v), _, 0) => *v,
        _ => return None,
    })
}
