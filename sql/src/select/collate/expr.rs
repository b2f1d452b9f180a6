//! Expressions that compare strings, under the collation that applies.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, InList, InSubquery, Like, ScalarFunction, SetComparison, Sort,
    WindowFunctionParams,
};
use datafusion::logical_expr::{
    BinaryExpr, Case, Expr, ExprSchemable, LogicalPlan, Operator, Projection, Subquery,
    WindowFunctionDefinition, lit,
};

use super::derive::{COLLATE, Derived, Deriver, comparing, is_text};
use crate::collation::Order;
use crate::functions::collated::{Choice, Collated, Comparison, Operation, chosen};
use crate::functions::with_order;

/// The key of a string, or what it is where that compares by bytes.
pub(super) fn key(expr: Expr, order: Order) -> Expr {
    match order {
        Order::Bytes => expr,
        _ => Collated::call(Operation::Key, order, vec![expr]),
    }
}

/// What is equal where strings are, or the string where that is so by bytes.
pub(super) fn same(expr: Expr, order: Order) -> Expr {
    match order {
        Order::Bytes => expr,
        _ => Collated::call(Operation::Same, order, vec![expr]),
    }
}

/// Without the marks of COLLATE clauses, which have been heeded; what is no text becomes text by them.
pub(super) fn without_marks(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let unmarked = expr.transform_up(|e| {
        Ok(match e {
            Expr::ScalarFunction(call) if call.name() == COLLATE => match call.args.as_slice() {
                [text, _] if is_text(&text.get_type(schema)?) => Transformed::yes(text.clone()),
                _ => Transformed::no(Expr::ScalarFunction(call)),
            },
            other => Transformed::no(other),
        })
    })?;
    Ok(unmarked.data)
}

pub(super) fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(..) => true,
        Expr::ScalarFunction(call) if call.name() == COLLATE => {
            call.args.first().is_some_and(is_literal)
        }
        _ => false,
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr {
        left: Box::new(left),
        op,
        right: Box::new(right),
    })
}

/// How errors call an operator.
fn operation_name(op: Operator) -> String {
    match op {
        Operator::NotEq => "<>".into(),
        Operator::IsNotDistinctFrom | Operator::IsDistinctFrom => "<=>".into(),
        other => other.to_string(),
    }
}

impl Deriver<'_> {
    /// One expression whose parts are rewritten already.
    pub(super) fn rewrite(&self, expr: Expr) -> Result<Transformed<Expr>> {
        Ok(Transformed::yes(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
                let (left, right) = (*left, *right);
                return match self.compared(&left, &right, &operation_name(op))? {
                    Order::Bytes => Ok(Transformed::no(binary(left, op, right))),
                    order => Ok(Transformed::yes(compare(left, op, right, order))),
                };
            }
            Expr::Between(between) => return self.between(between),
            Expr::InList(list) => return self.in_list(list),
            Expr::InSubquery(query) => return self.in_subquery(query),
            Expr::SetComparison(comparison) => return self.set_comparison(comparison),
            Expr::Like(like) => return self.like(like),
            Expr::ScalarFunction(call) => return self.call(call),
            Expr::AggregateFunction(aggregate) => {
                Expr::AggregateFunction(self.aggregate(aggregate)?)
            }
            Expr::WindowFunction(mut window) => {
                let partition_by = std::mem::take(&mut window.params.partition_by);
                window.params.partition_by = self.keys(partition_by)?;
                let order_by = std::mem::take(&mut window.params.order_by);
                window.params.order_by = self.window_sorts(order_by)?;
                if let WindowFunctionDefinition::AggregateUDF(function) = &window.fun
                    && let Some(choice) = choice(function.name())
                    && let Some(order) = self.only_order(&window.params)?
                {
                    window.fun = WindowFunctionDefinition::AggregateUDF(chosen(choice, order));
                }
                Expr::WindowFunction(window)
            }
            other => return Ok(Transformed::no(other)),
        }))
    }

    /// How two sides compare; by bytes what is no text.
    fn compared(&self, left: &Expr, right: &Expr, operation: &str) -> Result<Order> {
        let (Some(a), Some(b)) = (self.side(left)?, self.side(right)?) else {
            return Ok(Order::Bytes);
        };
        let all: Vec<Derived> = [a, b].into_iter().flatten().collect();
        let derived = comparing(&all, operation)?;
        Ok(derived.map_or(Order::Bytes, |derived| derived.order()))
    }

    /// The collation of one side; nothing in it for NULL, `None` for what is neither.
    fn side(&self, expr: &Expr) -> Result<Option<Option<Derived>>> {
        if matches!(expr, Expr::Literal(ScalarValue::Null, _)) {
            return Ok(Some(None));
        }
        Ok(self.of(expr)?.map(Some))
    }

    /// What rows are grouped or ordered by: of strings their keys.
    pub(super) fn key_of(&self, expr: Expr) -> Result<Expr> {
        let derived = self.of(&expr)?;
        Ok(match derived {
            Some(derived) => key(expr, derived.order()),
            None => expr,
        })
    }

    fn keys(&self, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        exprs.into_iter().map(|e| self.key_of(e)).collect()
    }

    /// What is equal where the values are.
    fn all_same(&self, exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        let one = |expr: Expr| {
            let derived = self.of(&expr)?;
            Ok(match derived {
                Some(derived) => same(expr, derived.order()),
                None => expr,
            })
        };
        exprs.into_iter().map(one).collect()
    }

    /// What a window is ordered by: as `sorts`, with keys that are text.
    fn window_sorts(&self, sorts: Vec<Sort>) -> Result<Vec<Sort>> {
        let one = |sort: Sort| {
            let order = self.of(&sort.expr)?.map_or(Order::Bytes, |d| d.order());
            let expr = match order {
                Order::Bytes => sort.expr,
                order => Collated::call(Operation::TextKey, order, vec![sort.expr]),
            };
            Ok(Sort { expr, ..sort })
        };
        sorts.into_iter().map(one).collect()
    }

    pub(super) fn sorts(&self, sorts: Vec<Sort>) -> Result<Vec<Sort>> {
        let one = |sort: Sort| {
            Ok(Sort {
                expr: self.key_of(sort.expr)?,
                ..sort
            })
        };
        sorts.into_iter().map(one).collect()
    }

    fn between(&self, between: Between) -> Result<Transformed<Expr>> {
        let all = [&*between.expr, &*between.low, &*between.high];
        let sides = all.map(|e| self.side(e));
        let mut derived = Vec::new();
        for side in sides {
            match side? {
                Some(side) => derived.extend(side),
                None => return Ok(Transformed::no(Expr::Between(between))),
            }
        }
        let order = comparing(&derived, "between")?.map_or(Order::Bytes, |d| d.order());
        if order == Order::Bytes {
            return Ok(Transformed::no(Expr::Between(between)));
        }
        let low = compare((*between.expr).clone(), Operator::GtEq, *between.low, order);
        let high = compare(*between.expr, Operator::LtEq, *between.high, order);
        Ok(Transformed::yes(negated(low.and(high), between.negated)))
    }

    fn in_list(&self, list: InList) -> Result<Transformed<Expr>> {
        let Some(Some(own)) = self.side(&list.expr)? else {
            return Ok(Transformed::no(Expr::InList(list)));
        };
        let (mut derived, mut all_text) = (vec![own], true);
        for item in &list.list {
            match self.side(item)? {
                Some(side) => derived.extend(side),
                None => all_text = false,
            }
        }
        let order = comparing(&derived, "in")?.map_or(Order::Bytes, |d| d.order());
        if order == Order::Bytes {
            return Ok(Transformed::no(Expr::InList(list)));
        }
        if all_text && list.list.iter().all(is_literal) {
            let args = std::iter::once(*list.expr).chain(list.list).collect();
            let found = Collated::call(Operation::In, order, args);
            return Ok(Transformed::yes(negated(found, list.negated)));
        }
        let mut any: Option<Expr> = None;
        for item in list.list {
            let one = match self.side(&item)? {
                Some(_) => compare((*list.expr).clone(), Operator::Eq, item, order),
                None => binary((*list.expr).clone(), Operator::Eq, item),
            };
            any = Some(match any {
                Some(any) => any.or(one),
                None => one,
            });
        }
        let any = any.unwrap_or_else(|| lit(false));
        Ok(Transformed::yes(negated(any, list.negated)))
    }

    /// The order of a comparison with a sub-query's column.
    fn order_with(&self, expr: &Expr, query: &Subquery, operation: &str) -> Result<Order> {
        let field = query.subquery.schema().fields().first().cloned();
        let (Some(a), Some(b)) = (self.of(expr)?, field.and_then(|f| self.field(&f))) else {
            return Ok(Order::Bytes);
        };
        let derived = comparing(&[a, b], operation)?;
        Ok(derived.map_or(Order::Bytes, |derived| derived.order()))
    }

    fn in_subquery(&self, query: InSubquery) -> Result<Transformed<Expr>> {
        let order = self.order_with(&query.expr, &query.subquery, "in")?;
        if order == Order::Bytes {
            return Ok(Transformed::no(Expr::InSubquery(query)));
        }
        Ok(Transformed::yes(Expr::InSubquery(InSubquery {
            expr: Box::new(same(*query.expr, order)),
            subquery: keyed(query.subquery, |column| same(column, order))?,
            negated: query.negated,
        })))
    }

    fn set_comparison(&self, comparison: SetComparison) -> Result<Transformed<Expr>> {
        let operation = operation_name(comparison.op);
        let order = self.order_with(&comparison.expr, &comparison.subquery, &operation)?;
        if order == Order::Bytes {
            return Ok(Transformed::no(Expr::SetComparison(comparison)));
        }
        Ok(Transformed::yes(Expr::SetComparison(SetComparison {
            expr: Box::new(key(*comparison.expr, order)),
            subquery: keyed(comparison.subquery, |column| key(column, order))?,
            ..comparison
        })))
    }

    fn like(&self, like: Like) -> Result<Transformed<Expr>> {
        let all = [self.of(&like.expr)?, self.of(&like.pattern)?];
        let all: Vec<Derived> = all.into_iter().flatten().collect();
        let order = comparing(&all, "like")?.map_or(Order::Bytes, |d| d.order());
        if !order.ignores_case() && order != Order::Case {
            return Ok(Transformed::no(Expr::Like(like)));
        }
        let found = Collated::call(Operation::Like, order, vec![*like.expr, *like.pattern]);
        Ok(Transformed::yes(negated(found, like.negated)))
    }

    /// The order that text arguments of a call are compared in; `None` if one is no text.
    fn order_of(&self, args: &[&Expr], operation: &str) -> Result<Option<Order>> {
        let mut all = Vec::with_capacity(args.len());
        for arg in args {
            match self.side(arg)? {
                Some(side) => all.extend(side),
                None => return Ok(None),
            }
        }
        let derived = comparing(&all, operation)?;
        Ok(derived.map(|derived| derived.order()))
    }

    fn call(&self, mut call: ScalarFunction) -> Result<Transformed<Expr>> {
        let operation = match call.name() {
            _ if call.func.inner().downcast_ref::<Collated>().is_some() => None,
            "locate" => Some(Operation::Locate),
            "instr" => Some(Operation::Instr),
            "find_in_set" => Some(Operation::FindInSet),
            "field" => Some(Operation::Field),
            "strcmp" => Some(Operation::Strcmp),
            "greatest" => Some(Operation::Greatest),
            "least" => Some(Operation::Least),
            _ => None,
        };
        let name = call.name().to_owned();
        if let Some(operation) = operation {
            let compared: Vec<&Expr> = match operation {
                Operation::Locate => call.args.iter().take(2).collect(),
                _ => call.args.iter().collect(),
            };
            return Ok(match self.order_of(&compared, &name)? {
                None | Some(Order::Bytes) => Transformed::no(Expr::ScalarFunction(call)),
                Some(order) => Transformed::yes(Collated::call(operation, order, call.args)),
            });
        }
        match (name.as_str(), call.args.as_slice()) {
            ("nullif", [value, other]) => {
                let Some(order) = self.order_of(&[value, other], "nullif")? else {
                    return Ok(Transformed::no(Expr::ScalarFunction(call)));
                };
                let same = compare(value.clone(), Operator::Eq, other.clone(), order);
                let null = Box::new(lit(ScalarValue::Utf8View(None)));
                let otherwise = Some(Box::new(value.clone()));
                let case = Case::new(None, vec![(Box::new(same), null)], otherwise);
                Ok(Transformed::yes(Expr::Case(case)))
            }
            ("row_key", _) => {
                call.args = self.keys(call.args)?;
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            (name, [text, pattern, ..]) if name.starts_with("regexp_") => {
                let order = self.order_of(&[text, pattern], name)?;
                if !order.is_some_and(Order::ignores_case) {
                    return Ok(Transformed::no(Expr::ScalarFunction(call)));
                }
                call.args = ignoring_case(name, call.args);
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
        }
    }

    /// The order of a function's first argument, if that is text that does not compare by bytes.
    fn only_order(&self, params: &WindowFunctionParams) -> Result<Option<Order>> {
        let derived = params.args.first().map(|arg| self.of(arg)).transpose()?;
        let order = derived.flatten().map(|derived| derived.order());
        Ok(order.filter(|order| *order != Order::Bytes))
    }

    fn aggregate(&self, mut aggregate: AggregateFunction) -> Result<AggregateFunction> {
        let params = &mut aggregate.params;
        params.order_by = self.sorts(std::mem::take(&mut params.order_by))?;
        let Some(argument) = params.args.first() else {
            return Ok(aggregate);
        };
        let order = self.of(argument)?.map_or(Order::Bytes, |d| d.order());
        if order == Order::Bytes {
            return Ok(aggregate);
        }
        match (aggregate.func.name(), params.distinct) {
            ("count", true) => {
                params.args = self.all_same(std::mem::take(&mut params.args))?;
            }
            ("approx_count_distinct", _) => {
                params.args = self.keys(std::mem::take(&mut params.args))?;
            }
            ("group_concat", true) => {
                if let Some(function) = with_order(&aggregate.func, order) {
                    aggregate.func = function;
                }
            }
            (name, _) => {
                if let Some(choice) = choice(name) {
                    aggregate.func = chosen(choice, order);
                    params.distinct = false;
                }
            }
        }
        Ok(aggregate)
    }
}

fn choice(aggregate: &str) -> Option<Choice> {
    match aggregate {
        "min" => Some(Choice::Least),
        "max" => Some(Choice::Greatest),
        _ => None,
    }
}

fn is_comparison(op: Operator) -> bool {
    Comparison::of(op).is_some()
        || matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
}

fn negated(expr: Expr, negated: bool) -> Expr {
    match negated {
        true => Expr::Not(Box::new(expr)),
        false => expr,
    }
}

/// A comparison of strings: with a literal by a function, of others by their keys.
fn compare(left: Expr, op: Operator, right: Expr, order: Order) -> Expr {
    if let Some(comparison) = Comparison::of(op) {
        let call =
            |comparison, a, b| Collated::call(Operation::Compare(comparison), order, vec![a, b]);
        match (is_literal(&left), is_literal(&right)) {
            (_, true) => return call(comparison, left, right),
            (true, false) => return call(comparison.mirrored(), right, left),
            (false, false) => {}
        }
    }
    let key = match op {
        Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq => key,
        _ => same,
    };
    binary(key(left, order), op, key(right, order))
}

/// A sub-query whose only column is given by its keys.
fn keyed(query: Subquery, key: impl Fn(Expr) -> Expr) -> Result<Subquery> {
    let plan = query.subquery;
    let column = Expr::Column(Column::from(plan.schema().qualified_field(0)));
    let keys = key(column).alias("key");
    let projection = Projection::try_new(vec![keys], plan)?;
    Ok(Subquery {
        subquery: Arc::new(LogicalPlan::Projection(projection)),
        ..query
    })
}

/// The arguments of a function of regular expressions with a match type that ignores case, which one that
/// is given may overrule.
fn ignoring_case(name: &str, mut args: Vec<Expr>) -> Vec<Expr> {
    let defaults: &[i64] = match name {
        "regexp_like" => &[],
        "regexp_replace" => &[1, 0],
        "regexp_instr" => &[1, 1, 0],
        "regexp_substr" => &[1, 1],
        _ => return args,
    };
    // Text and pattern, and what they are replaced by.
    let first = if name == "regexp_replace" { 3 } else { 2 };
    let at = first + defaults.len();
    match args.get_mut(at) {
        Some(Expr::Literal(
            ScalarValue::Utf8(Some(given)) | ScalarValue::Utf8View(Some(given)),
            _,
        )) => {
            given.insert(0, 'i');
        }
        Some(_) => {}
        None => {
            let missing = defaults.iter().skip(args.len().saturating_sub(first));
            args.extend(missing.map(|&number| lit(number)));
            args.push(lit("i"));
        }
    }
    args
}
