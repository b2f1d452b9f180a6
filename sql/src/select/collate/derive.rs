//! The collation of an expression, and how firmly it holds: MySQL's coercibility.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{DFSchema, ExprSchema};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion::logical_expr::{Expr, ExprSchemable};

use crate::collation::Order;
use crate::error::SqlError;
use crate::functions::JSON_KEY;
use crate::functions::failure::raise;

/// Field metadata: the collation of a column's text.
pub(crate) const COLLATION_KEY: &str = "storno.collation";

/// The function that COLLATE becomes: an expression and the collation's name.
pub(super) const COLLATE: &str = "collate";

/// How firmly a collation holds; the lesser wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Coercibility {
    /// By a COLLATE clause.
    Explicit,
    /// Two that hold equally firmly met.
    None,
    /// A column's.
    Implicit,
    /// A literal's, the connection's.
    Coercible,
}

impl Coercibility {
    fn name(self) -> &'static str {
        match self {
            Self::Explicit => "EXPLICIT",
            Self::None => "NONE",
            Self::Implicit => "IMPLICIT",
            Self::Coercible => "COERCIBLE",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Derived {
    pub(super) collation: Arc<str>,
    pub(super) coercibility: Coercibility,
}

impl Derived {
    fn new(collation: &str, coercibility: Coercibility) -> Self {
        Self {
            collation: collation.into(),
            coercibility,
        }
    }

    pub(super) fn order(&self) -> Order {
        Order::of(&self.collation)
    }

    /// What tells readers of a field its collation.
    pub(super) fn metadata(&self) -> FieldMetadata {
        let name = self.collation.to_string();
        FieldMetadata::from(BTreeMap::from([(COLLATION_KEY.to_owned(), name)]))
    }

    fn shown(&self) -> String {
        format!("({},{})", self.collation, self.coercibility.name())
    }
}

pub(super) fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// The collation of expressions over a schema.
pub(super) struct Deriver<'a> {
    pub(super) schema: &'a DFSchema,
    pub(super) connection: &'a str,
}

impl Deriver<'_> {
    pub(super) fn literal(&self) -> Derived {
        Derived::new(self.connection, Coercibility::Coercible)
    }

    pub(super) fn field(&self, field: &Field) -> Option<Derived> {
        if !is_text(field.data_type()) {
            return None;
        }
        if field.metadata().contains_key(JSON_KEY) {
            return Some(Derived::new("utf8mb4_bin", Coercibility::Implicit));
        }
        Some(match field.metadata().get(COLLATION_KEY) {
            Some(collation) => Derived::new(collation, Coercibility::Implicit),
            None => self.literal(),
        })
    }

    /// The collation of an expression; `None` for what is no text.
    pub(super) fn of(&self, expr: &Expr) -> Result<Option<Derived>> {
        match expr {
            Expr::Alias(alias) => self.of(&alias.expr),
            Expr::Column(column) => Ok(self.field(self.schema.field_from_column(column)?)),
            Expr::OuterReferenceColumn(field, _) => Ok(self.field(field)),
            Expr::ScalarSubquery(query) => {
                let field = query.subquery.schema().fields().first();
                Ok(field.and_then(|field| self.field(field)))
            }
            _ if !is_text(&expr.get_type(self.schema)?) => Ok(None),
            Expr::ScalarFunction(call) => self.of_call(call).map(Some),
            Expr::Case(case) => {
                let values = case.when_then_expr.iter().map(|(_, then)| then.as_ref());
                let values: Vec<&Expr> = values.chain(case.else_expr.as_deref()).collect();
                self.mixed(&values, "case").map(Some)
            }
            Expr::Cast(cast) => Ok(self.of(&cast.expr)?.or_else(|| Some(self.literal()))),
            Expr::AggregateFunction(AggregateFunction { func, params }) => {
                let args: Vec<&Expr> = params.args.iter().collect();
                self.mixed(&args, func.name()).map(Some)
            }
            Expr::WindowFunction(window) => {
                let WindowFunction { fun, params } = window.as_ref();
                let args: Vec<&Expr> = params.args.iter().collect();
                self.mixed(&args, fun.name()).map(Some)
            }
            _ => Ok(Some(self.literal())),
        }
    }

    fn of_call(&self, call: &ScalarFunction) -> Result<Derived> {
        if let Some(collation) = explicit(call) {
            return Ok(Derived::new(collation, Coercibility::Explicit));
        }
        match (
            call.name(),
            self.field(call_field(call, self.schema)?.as_ref()),
        ) {
            ("cast_char", _) => Ok(Derived::new(self.connection, Coercibility::Implicit)),
            // Their type is text, but it compares as JSON's strings do.
            ("json_unquote" | "json_quote", _) => {
                Ok(Derived::new("utf8mb4_bin", Coercibility::Coercible))
            }
            (_, Some(json)) if json.coercibility == Coercibility::Implicit => Ok(json),
            (name, _) => {
                let args: Vec<&Expr> = call.args.iter().collect();
                self.mixed(&args, name)
            }
        }
    }

    /// The collation of several expressions together, those that are no text left out; that of literals if
    /// there is none.
    pub(super) fn mixed(&self, exprs: &[&Expr], operation: &str) -> Result<Derived> {
        let mut all = Vec::with_capacity(exprs.len());
        for expr in exprs {
            all.extend(self.of(expr)?);
        }
        Ok(mix(&all, operation)?.unwrap_or_else(|| self.literal()))
    }
}

/// The field of a call's result.
fn call_field(call: &ScalarFunction, schema: &DFSchema) -> Result<Arc<Field>> {
    let expr = Expr::ScalarFunction(call.clone());
    Ok(expr.to_field(schema)?.1)
}

/// The collation that a COLLATE clause names.
pub(super) fn explicit(call: &ScalarFunction) -> Option<&str> {
    use datafusion::common::ScalarValue::{Utf8, Utf8View};
    match call.args.as_slice() {
        [_, Expr::Literal(Utf8(Some(name)) | Utf8View(Some(name)), _)]
            if call.name() == COLLATE =>
        {
            Some(name)
        }
        _ => None,
    }
}

/// The collation of what holds several; `None` of none. 1267 and its like where two COLLATE clauses differ.
pub(super) fn mix(all: &[Derived], operation: &str) -> Result<Option<Derived>> {
    let mut mixed: Option<Derived> = None;
    for one in all {
        mixed = Some(match mixed {
            None => one.clone(),
            Some(before) => pair(before, one, all, operation)?,
        });
    }
    Ok(mixed)
}

fn pair(a: Derived, b: &Derived, all: &[Derived], operation: &str) -> Result<Derived> {
    if a.collation == b.collation {
        let coercibility = a.coercibility.min(b.coercibility);
        return Ok(Derived { coercibility, ..a });
    }
    if a.coercibility != b.coercibility {
        return Ok(if a.coercibility < b.coercibility {
            a
        } else {
            b.clone()
        });
    }
    if a.coercibility == Coercibility::Explicit {
        return Err(raise(illegal(all, operation)));
    }
    let is_binary = |d: &Derived| d.collation.ends_with("_bin");
    Ok(match (is_binary(&a), is_binary(b)) {
        (true, false) => a,
        (false, true) => b.clone(),
        _ => Derived::new("utf8mb4_bin", Coercibility::None),
    })
}

/// The collation of an operation that compares; 1267 and its like when none is the firmest.
pub(super) fn comparing(all: &[Derived], operation: &str) -> Result<Option<Derived>> {
    match mix(all, operation)? {
        Some(mixed) if mixed.coercibility == Coercibility::None => {
            Err(raise(illegal(all, operation)))
        }
        mixed => Ok(mixed),
    }
}

fn illegal(all: &[Derived], operation: &str) -> SqlError {
    let (code, of) = match all {
        [a, b] => (1267, format!(" {} and {}", a.shown(), b.shown())),
        [a, b, c] => (
            1270,
            format!(" {}, {}, {}", a.shown(), b.shown(), c.shown()),
        ),
        _ => (1271, String::new()),
    };
    let text = format!("Illegal mix of collations{of} for operation '{operation}'");
    SqlError::new(code, "HY000", text)
}
