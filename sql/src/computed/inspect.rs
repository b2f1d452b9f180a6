//! What an expression of a definition names, and what it may not contain: its value must depend on its row
//! alone, whenever it is computed.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator as B, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    Query, UnaryOperator, Value, Visit, Visitor,
};

use super::text::unit_first;
use crate::types::same_name;

/// A part that a definition may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Forbidden {
    /// Its value is another one each time, or another one for each session. Named in lower case.
    Function(String),
    /// A sub-query, an aggregate, a window.
    Query,
    Variable,
    /// `(a, b)`
    Row,
    Placeholder,
}

/// Functions whose value does not depend on their arguments alone, as MySQL's manual lists them.
const UNSTABLE: [&str; 41] = [
    "benchmark",
    "connection_id",
    "curdate",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "curtime",
    "database",
    "found_rows",
    "get_lock",
    "is_free_lock",
    "is_used_lock",
    "last_insert_id",
    "load_file",
    "localtime",
    "localtimestamp",
    "master_pos_wait",
    "now",
    "ps_current_thread_id",
    "rand",
    "random_bytes",
    "release_all_locks",
    "release_lock",
    "row_count",
    "schema",
    "session_user",
    "sleep",
    "source_pos_wait",
    "statement_digest",
    "statement_digest_text",
    "sysdate",
    "system_user",
    "user",
    "utc_date",
    "utc_time",
    "utc_timestamp",
    "uuid",
    "uuid_short",
    "version",
];

const AGGREGATES: [&str; 22] = [
    "approx_count_distinct",
    "first",
    "last",
    "any_value",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "count",
    "group_concat",
    "grouping",
    "json_arrayagg",
    "json_objectagg",
    "max",
    "min",
    "std",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var_pop",
    "variance",
];

/// Names of functions without parentheses; a column of such a name has to be quoted.
const BARE: [&str; 9] = [
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "utc_date",
    "utc_time",
    "utc_timestamp",
];

/// MySQL's own name of a function that has several.
fn own_name(name: &str) -> &str {
    match name {
        "current_timestamp" | "localtime" | "localtimestamp" => "now",
        "current_date" => "curdate",
        "current_time" => "curtime",
        "session_user" | "system_user" => "user",
        "schema" => "database",
        other => other,
    }
}

/// The first part that a definition may not have.
pub(crate) fn forbidden(expr: &Expr) -> Option<Forbidden> {
    match Visit::visit(expr, &mut Search) {
        ControlFlow::Break(found) => Some(found),
        ControlFlow::Continue(()) => None,
    }
}

struct Search;

impl Visitor for Search {
    type Break = Forbidden;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<Forbidden> {
        ControlFlow::Break(Forbidden::Query)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Forbidden> {
        let found = match expr {
            Expr::Identifier(name) if name.quote_style.is_none() => {
                let lower = name.value.to_lowercase();
                match lower.as_str() {
                    _ if lower.starts_with('@') => Some(Forbidden::Variable),
                    _ if BARE.contains(&lower.as_str()) => {
                        Some(Forbidden::Function(own_name(&lower).to_owned()))
                    }
                    _ => None,
                }
            }
            Expr::CompoundIdentifier(parts) => parts
                .first()
                .filter(|p| p.quote_style.is_none() && p.value.starts_with('@'))
                .map(|_| Forbidden::Variable),
            Expr::Value(v) if matches!(v.value, Value::Placeholder(_)) => {
                Some(Forbidden::Placeholder)
            }
            Expr::Tuple(_) => Some(Forbidden::Row),
            Expr::MatchAgainst { .. } => Some(Forbidden::Function("match".into())),
            Expr::Function(function) => function_found(function),
            _ => None,
        };
        found.map_or(ControlFlow::Continue(()), ControlFlow::Break)
    }
}

fn function_found(function: &Function) -> Option<Forbidden> {
    let name = function.name.to_string().replace('`', "").to_lowercase();
    if function.over.is_some() || AGGREGATES.contains(&name.as_str()) {
        return Some(Forbidden::Query);
    }
    let arguments = match &function.args {
        sqlparser::ast::FunctionArguments::List(list) => list.args.len(),
        _ => 0,
    };
    // The time of a moment is a function of it; that of no moment is now.
    let clock = name == "unix_timestamp" && arguments == 0;
    (clock || UNSTABLE.contains(&name.as_str()))
        .then(|| Forbidden::Function(own_name(&name).to_owned()))
}

/// The columns that an expression names, each once, as written.
pub(crate) fn columns_of(expr: &Expr) -> Vec<String> {
    struct Names(Vec<String>, Option<Ident>);
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Function(function) = expr
                && unit_first(function)
            {
                self.1 = first_word(function);
            }
            let name = match expr {
                Expr::Identifier(name) if self.1.as_ref() == Some(name) => {
                    self.1 = None;
                    return ControlFlow::Continue(());
                }
                Expr::Identifier(name) if !is_bits(expr) => &name.value,
                Expr::CompoundIdentifier(parts) => match parts.last() {
                    Some(last) => &last.value,
                    None => return ControlFlow::Continue(()),
                },
                _ => return ControlFlow::Continue(()),
            };
            if !self.0.iter().any(|known| same_name(known, name)) {
                self.0.push(name.clone());
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(Vec::new(), None);
    let _ = Visit::visit(expr, &mut names);
    names.0
}

/// The first argument, where it is a word.
fn first_word(function: &Function) -> Option<Ident> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    match list.args.first() {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(word)))) => {
            Some(word.clone())
        }
        _ => None,
    }
}

/// `0b01`, which the parser reads as a name.
fn is_bits(expr: &Expr) -> bool {
    matches!(crate::insert::literal(expr), Ok(Some(_)))
}

/// Whether the form is that of a condition: it is true, false or unknown, and no other value.
pub(crate) fn is_condition(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_condition(inner),
        Expr::BinaryOp { op, .. } => matches!(
            op,
            B::And
                | B::Or
                | B::Xor
                | B::Eq
                | B::NotEq
                | B::Lt
                | B::LtEq
                | B::Gt
                | B::GtEq
                | B::Spaceship
                | B::Regexp
        ),
        Expr::UnaryOp { op, .. } => matches!(op, UnaryOperator::Not | UnaryOperator::BangNot),
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::InList { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::RLike { .. }
        | Expr::MemberOf(_) => true,
        Expr::Value(v) => matches!(v.value, Value::Boolean(_)),
        Expr::Function(function) => {
            let conditions = [
                "json_valid",
                "json_contains",
                "json_contains_path",
                "json_overlaps",
                "json_schema_valid",
                "regexp_like",
                "isnull",
                "is_ipv4",
                "is_ipv4_compat",
                "is_ipv4_mapped",
                "is_ipv6",
                "is_uuid",
            ];
            let name = function.name.to_string().to_lowercase();
            conditions.contains(&name.as_str())
        }
        _ => false,
    }
}
