//! An expression as MySQL prints it in a definition: every operation in parentheses, names quoted,
//! keywords and functions in lower case, strings with their character set.
//!
//! What it prints, `parse` reads as the same expression.

use std::fmt::Write;
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator as B, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Interval,
    UnaryOperator, Value, VisitMut, VisitorMut,
};

use crate::types::{QuotedLiteral, QuotedName};

/// The text; names without the table's.
pub(crate) fn definition_text(expr: &Expr) -> String {
    let mut text = String::new();
    push(&mut text, expr);
    text
}

// Writing to a String cannot fail, here and below.
fn push(text: &mut String, expr: &Expr) {
    match expr {
        Expr::Nested(inner) => push(text, inner),
        Expr::Identifier(name) => {
            let _ = write!(text, "{}", QuotedName(&name.value));
        }
        Expr::CompoundIdentifier(parts) => {
            let name = parts.last().map_or("", |part| &part.value);
            let _ = write!(text, "{}", QuotedName(name));
        }
        Expr::Value(v) => value(text, &v.value),
        Expr::Prefixed { prefix, value } => introduced(text, &prefix.value, value),
        Expr::BinaryOp { left, op, right } => binary(text, left, op, right),
        Expr::UnaryOp { op, expr } => unary(text, *op, expr),
        Expr::IsNull(e) => suffixed(text, e, "is null"),
        Expr::IsNotNull(e) => suffixed(text, e, "is not null"),
        Expr::IsTrue(e) => suffixed(text, e, "is true"),
        Expr::IsNotTrue(e) => suffixed(text, e, "is not true"),
        Expr::IsFalse(e) => suffixed(text, e, "is false"),
        Expr::IsNotFalse(e) => suffixed(text, e, "is not false"),
        Expr::IsUnknown(e) => suffixed(text, e, "is null"),
        Expr::IsNotUnknown(e) => suffixed(text, e, "is not null"),
        Expr::InList {
            expr,
            list,
            negated,
        } => {
            text.push('(');
            push(text, expr);
            text.push_str(if *negated { " not in (" } else { " in (" });
            separated(text, list.iter());
            text.push_str("))");
        }
        Expr::Between {
            expr,
            negated,
            low,
            high,
        } => {
            text.push('(');
            push(text, expr);
            text.push_str(if *negated {
                " not between "
            } else {
                " between "
            });
            push(text, low);
            text.push_str(" and ");
            push(text, high);
            text.push(')');
        }
        Expr::Like {
            negated,
            expr,
            pattern,
            escape_char,
            ..
        } => {
            text.push('(');
            push(text, expr);
            text.push_str(if *negated { " not like " } else { " like " });
            push(text, pattern);
            if let Some(escape) = escape_char {
                text.push_str(" escape ");
                bare_string(text, &escape.value);
            }
            text.push(')');
        }
        Expr::RLike {
            negated,
            expr,
            pattern,
            ..
        } => {
            text.push_str(if *negated {
                "(not(regexp_like("
            } else {
                "regexp_like("
            });
            separated(text, [expr.as_ref(), pattern.as_ref()].into_iter());
            text.push_str(if *negated { ")))" } else { ")" });
        }
        Expr::Case {
            operand,
            conditions,
            else_result,
            ..
        } => {
            text.push_str("(case");
            if let Some(operand) = operand {
                text.push(' ');
                push(text, operand);
            }
            for when in conditions {
                text.push_str(" when ");
                push(text, &when.condition);
                text.push_str(" then ");
                push(text, &when.result);
            }
            if let Some(other) = else_result {
                text.push_str(" else ");
                push(text, other);
            }
            text.push_str(" end)");
        }
        Expr::Cast {
            expr, data_type, ..
        } => {
            text.push_str("cast(");
            push(text, expr);
            let _ = write!(text, " as {})", data_type.to_string().to_lowercase());
        }
        Expr::Interval(Interval {
            value,
            leading_field: Some(unit),
            ..
        }) => {
            text.push_str("interval ");
            push(text, value);
            let _ = write!(text, " {}", unit.to_string().to_lowercase());
        }
        Expr::Function(function) => call(text, function),
        other => text.push_str(&quoted(other)),
    }
}

fn suffixed(text: &mut String, expr: &Expr, suffix: &str) {
    text.push('(');
    push(text, expr);
    let _ = write!(text, " {suffix})");
}

fn separated<'a>(text: &mut String, exprs: impl Iterator<Item = &'a Expr>) {
    for (i, expr) in exprs.enumerate() {
        if i > 0 {
            text.push(',');
        }
        push(text, expr);
    }
}

fn value(text: &mut String, value: &Value) {
    let _ = match value {
        Value::SingleQuotedString(s)
        | Value::DoubleQuotedString(s)
        | Value::NationalStringLiteral(s) => write!(text, "_utf8mb4{}", QuotedLiteral(s)),
        Value::HexStringLiteral(digits) => write!(text, "0x{digits}"),
        Value::SingleQuotedByteStringLiteral(digits) => write!(text, "0b{digits}"),
        Value::Boolean(truth) => write!(text, "{truth}"),
        Value::Null => write!(text, "NULL"),
        other => write!(text, "{other}"),
    };
}

/// `_utf8mb4'..'`, `_binary'..'`
fn introduced(text: &mut String, charset: &str, value: &Expr) {
    text.push_str(&charset.to_lowercase());
    match value {
        Expr::Value(v) => bare_string(text, &v.value),
        other => push(text, other),
    }
}

/// An escape character, which takes no character set.
fn bare_string(text: &mut String, value: &Value) {
    let _ = match value {
        Value::SingleQuotedString(s) | Value::DoubleQuotedString(s) => {
            write!(text, "{}", QuotedLiteral(s))
        }
        other => write!(text, "{other}"),
    };
}

fn binary(text: &mut String, left: &Expr, op: &B, right: &Expr) {
    let word = match op {
        B::And => "and".to_owned(),
        B::Or | B::StringConcat => "or".to_owned(),
        B::Xor => "xor".to_owned(),
        B::Spaceship => "<=>".to_owned(),
        B::NotEq => "<>".to_owned(),
        B::Modulo => "%".to_owned(),
        B::MyIntegerDivide => "DIV".to_owned(),
        other => other.to_string(),
    };
    text.push('(');
    if matches!(op, B::And | B::Or) {
        // A chain is one operation of many operands.
        let mut operands = Vec::new();
        chain(left, op, &mut operands);
        chain(right, op, &mut operands);
        for (i, operand) in operands.into_iter().enumerate() {
            if i > 0 {
                let _ = write!(text, " {word} ");
            }
            push(text, operand);
        }
    } else {
        push(text, left);
        let _ = write!(text, " {word} ");
        push(text, right);
    }
    text.push(')');
}

fn chain<'a>(expr: &'a Expr, op: &B, operands: &mut Vec<&'a Expr>) {
    match expr {
        Expr::Nested(inner) => chain(inner, op, operands),
        Expr::BinaryOp {
            left,
            op: other,
            right,
        } if other == op => {
            chain(left, op, operands);
            chain(right, op, operands);
        }
        other => operands.push(other),
    }
}

fn unary(text: &mut String, op: UnaryOperator, expr: &Expr) {
    match op {
        UnaryOperator::Plus => push(text, expr),
        UnaryOperator::Minus => {
            text.push_str("-(");
            push(text, expr);
            text.push(')');
        }
        UnaryOperator::Not | UnaryOperator::BangNot => {
            text.push_str("(not(");
            push(text, expr);
            text.push_str("))");
        }
        other => {
            let _ = write!(text, "{other}(");
            push(text, expr);
            text.push(')');
        }
    }
}

fn call(text: &mut String, function: &Function) {
    let FunctionArguments::List(list) = &function.args else {
        text.push_str(&quoted(&Expr::Function(function.clone())));
        return;
    };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e.clone()),
        _ => None,
    };
    let arguments: Option<Vec<Expr>> = list.args.iter().map(plain).collect();
    match arguments.filter(|_| list.clauses.is_empty() && list.duplicate_treatment.is_none()) {
        Some(arguments) if is_date(function, &arguments) => {
            text.push_str("cast(");
            separated(text, arguments.iter());
            text.push_str(" as date)");
        }
        Some(arguments) => {
            text.push_str(&function.name.to_string().to_lowercase());
            text.push('(');
            match arguments.split_first() {
                Some((Expr::Identifier(unit), rest)) if unit_first(function) => {
                    text.push_str(&unit.value.to_uppercase());
                    for argument in rest {
                        text.push(',');
                        push(text, argument);
                    }
                }
                _ => separated(text, arguments.iter()),
            }
            text.push(')');
        }
        None => text.push_str(&quoted(&Expr::Function(function.clone()))),
    }
}

/// Whether a function's first argument is a word and no column, as in TIMESTAMPDIFF(DAY, a, b).
pub(super) fn unit_first(function: &Function) -> bool {
    let name = function.name.to_string().to_lowercase();
    matches!(
        name.as_str(),
        "timestampdiff" | "timestampadd" | "get_format"
    )
}

/// DATE(x), which MySQL keeps as the cast that it is.
fn is_date(function: &Function, arguments: &[Expr]) -> bool {
    arguments.len() == 1 && function.name.to_string().eq_ignore_ascii_case("date")
}

/// A form that has no spelling of its own here, as the parser prints it, with its names quoted.
fn quoted(expr: &Expr) -> String {
    struct Quote;
    impl VisitorMut for Quote {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Identifier(name) = expr {
                name.quote_style = Some('`');
            }
            ControlFlow::Continue(())
        }
    }
    let mut expr = expr.clone();
    let _ = VisitMut::visit(&mut expr, &mut Quote);
    format!("({expr})")
}
