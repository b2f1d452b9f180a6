//! IF, IFNULL, COALESCE, NULLIF, ISNULL, GREATEST, LEAST and INTERVAL().
//!
//! IF, IFNULL and COALESCE become CASE when the plan is simplified, so that a branch is evaluated only
//! where it is chosen.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::cast::{convert_to, convert_to_declared};
use super::compare::{Basis, comparison};
use super::unify::{choose, convert, spread, unified_type};
use crate::functions::argument::Call;
use crate::functions::builtin::{ANY, Declared, Definition, Shape};
use crate::functions::convert::arrays;
use crate::functions::operators::planner::truth;

/// The unified type of the arguments from `first` on; dates and doubles keep their declared digits.
fn unified(shape: &Shape<'_>, first: usize) -> Declared {
    let types: Vec<DataType> = shape.types().skip(first).cloned().collect();
    let data_type = unified_type(&types);
    let declared = matches!(
        data_type,
        DataType::Timestamp(..) | DataType::Duration(_) | DataType::Float64
    );
    // Unknown digits of one branch make those of the result unknown.
    let known = (first..shape.len()).filter(|i| !shape.data_type(*i).is_null());
    let digits = known
        .map(|i| match shape.data_type(i) {
            DataType::Date32 | DataType::Boolean => Some(0),
            DataType::Decimal128(_, scale) => Some(scale.max(&0).unsigned_abs()),
            t if t.is_integer() => Some(0),
            _ => shape.fsp(i),
        })
        .reduce(|a, b| Some(a?.max(b?)))
        .flatten();
    Declared::temporal(data_type, if declared { digits } else { None })
}

/// Argument `index` as the result's type, over all rows.
fn branch(call: &Call<'_>, index: usize) -> Result<ArrayRef> {
    let array = convert(&call.array(index)?, call.return_type(), call.fsp(index))?;
    spread(array, call.rows)
}

fn condition(call: &Call<'_>, index: usize) -> Result<ArrayRef> {
    spread(Arc::new(arrays::to_truth(&call.array(index)?)?), call.rows)
}

fn if_else(call: &Call<'_>) -> Result<ArrayRef> {
    choose(&condition(call, 0)?, &branch(call, 1)?, &branch(call, 2)?)
}

fn coalesce(call: &Call<'_>) -> Result<ArrayRef> {
    let mut result = branch(call, 0)?;
    for index in 1..call.len() {
        if result.null_count() == 0 {
            break;
        }
        let present: ArrayRef = Arc::new(arrow::compute::is_not_null(&result)?);
        result = choose(&present, &result, &branch(call, index)?)?;
    }
    Ok(result)
}

fn nullif(call: &Call<'_>) -> Result<ArrayRef> {
    let basis = Basis::of(&[call.data_type(0), call.data_type(1)]);
    let compare = comparison(call, basis, 0, 1)?;
    let equal = call.collect_bool(|row| Some(compare(row) == Some(Ordering::Equal)));
    let value = branch(call, 0)?;
    Ok(arrow::compute::nullif(&value, &equal)?)
}

/// NULLIF has the first argument's type.
fn nullif_type(shape: &Shape<'_>) -> Result<Declared> {
    let data_type = unified_type(&[shape.data_type(0).clone()]);
    Ok(Declared::temporal(data_type, shape.fsp(0)))
}

fn isnull(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(Arc::new(arrow::compute::is_null(&spread(
        call.array(0)?,
        call.rows,
    )?)?))
}

/// Dates with text compare as dates, but the result is the text of the one that wins.
fn extreme(call: &Call<'_>, wanted: Ordering) -> Result<ArrayRef> {
    let types: Vec<DataType> = (0..call.len()).map(|index| call.data_type(index)).collect();
    let basis = Basis::of(&types);
    let mut winner = branch(call, 0)?;
    // Index of the winning argument per row; `None` as soon as an argument is NULL.
    let mut best: Vec<Option<usize>> = vec![Some(0); call.rows];
    for index in 1..call.len() {
        let comparisons = (0..index)
            .map(|other| comparison(call, basis, index, other))
            .collect::<Result<Vec<_>>>()?;
        let better = call.collect_bool(|row| {
            let order = comparisons[best[row]?](row);
            best[row] = match order {
                None => None,
                Some(order) if order == wanted => Some(index),
                Some(_) => best[row],
            };
            Some(order == Some(wanted))
        });
        winner = choose(
            &(Arc::new(better) as ArrayRef),
            &branch(call, index)?,
            &winner,
        )?;
    }
    let lost = call.collect_bool(|row| Some(best[row].is_none()));
    Ok(arrow::compute::nullif(&winner, &lost)?)
}

/// INTERVAL(n, a, b ...): how many of the ascending numbers are not greater than n.
fn interval(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.double(0)?;
    let bounds = (1..call.len())
        .map(|i| call.double(i))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        let Some(value) = values.get(row) else {
            return Some(-1);
        };
        let reached = |bound: &crate::functions::argument::Column<arrow::array::Float64Array>| {
            bound.get(row).is_none_or(|bound| bound <= value)
        };
        Some(bounds.iter().take_while(|bound| reached(bound)).count() as i64)
    })))
}

fn case(when: Vec<(Expr, Expr)>, otherwise: Expr) -> Expr {
    let when = when
        .into_iter()
        .map(|(w, t)| (Box::new(w), Box::new(t)))
        .collect();
    Expr::Case(Case {
        expr: None,
        when_then_expr: when,
        else_expr: Some(Box::new(otherwise)),
    })
}

/// The branches as the type they unify to, and that type with its digits; `None` when one of them must not
/// be evaluated twice.
fn converted(args: &[Expr], info: &SimplifyContext) -> Result<Option<(Vec<Expr>, Declared)>> {
    if args.iter().any(Expr::is_volatile) {
        return Ok(None);
    }
    let schema = info.schema().as_ref();
    let fields = args
        .iter()
        .map(|arg| arg.to_field(schema).map(|(_, field)| field))
        .collect::<Result<Vec<_>>>()?;
    let literals = vec![None; fields.len()];
    let shape = Shape {
        name: "case",
        fields: &fields,
        literals: &literals,
    };
    let declared = unified(&shape, 0);
    let to = &declared.data_type;
    let branches = args.iter().zip(&fields).map(|(arg, field)| {
        if field.data_type() == to {
            arg.clone()
        } else {
            convert_to(to).call(vec![arg.clone()])
        }
    });
    Ok(Some((branches.collect(), declared)))
}

/// A CASE has no declared digits of its own.
fn with_digits(case: Expr, declared: &Declared) -> Expr {
    match declared.fsp {
        Some(_) => convert_to_declared(declared.clone()).call(vec![case]),
        None => case,
    }
}

fn simplify_if(args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
    let [condition, branches @ ..] = args.as_slice() else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    let Some((mut branches, declared)) = converted(branches, info)? else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    let (Some(otherwise), Some(then)) = (branches.pop(), branches.pop()) else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    let condition = truth(condition.clone(), info.schema())?;
    let case = case(vec![(condition, then)], otherwise);
    Ok(ExprSimplifyResult::Simplified(with_digits(case, &declared)))
}

fn simplify_coalesce(args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
    let Some((mut branches, declared)) = converted(&args, info)? else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    let Some(last) = branches.pop() else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    let when: Vec<_> = args
        .iter()
        .zip(branches)
        .map(|(arg, branch)| (Expr::IsNotNull(Box::new(arg.clone())), branch))
        .collect();
    let case = if when.is_empty() {
        last
    } else {
        case(when, last)
    };
    Ok(ExprSimplifyResult::Simplified(with_digits(case, &declared)))
}

const COALESCE: Definition = Definition::new(
    "coalesce",
    (1, ANY),
    |shape| Ok(unified(shape, 0)),
    coalesce,
)
.lazy()
.simplified_by(simplify_coalesce);

const IFNULL: Definition =
    Definition::new("ifnull", (2, 2), |shape| Ok(unified(shape, 0)), coalesce)
        .lazy()
        .simplified_by(simplify_coalesce);

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("if", (3, 3), |shape| Ok(unified(shape, 1)), if_else)
        .lazy()
        .simplified_by(simplify_if),
    IFNULL,
    COALESCE,
    Definition::new("nullif", (2, 2), nullif_type, nullif),
    Definition::new("isnull", (1, 1), |_| Ok(DataType::Boolean.into()), isnull),
    Definition::new(
        "greatest",
        (2, ANY),
        |shape| Ok(unified_extreme(shape)),
        |call| extreme(call, Ordering::Greater),
    ),
    Definition::new(
        "least",
        (2, ANY),
        |shape| Ok(unified_extreme(shape)),
        |call| extreme(call, Ordering::Less),
    ),
    Definition::new(
        "interval",
        (2, ANY),
        |_| Ok(DataType::Int64.into()),
        interval,
    ),
];

/// Numbers with text are compared, and returned, as doubles.
fn unified_extreme(shape: &Shape<'_>) -> Declared {
    let types: Vec<DataType> = shape.types().cloned().collect();
    match Basis::of(&types) {
        Basis::Double => DataType::Float64.into(),
        _ => unified(shape, 0),
    }
}
