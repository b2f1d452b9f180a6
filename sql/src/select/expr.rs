//! MySQL's expression syntax, rewritten on the tree into what the planner knows.
//!
//! Every rule here replaces a form that DataFusion would refuse or, worse, read differently. It works
//! bottom-up on one expression and knows nothing of tables; names and clauses are `rewrite`'s part.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, UnaryOperator, Value,
    ValueWithSpan,
};

use super::calls::{add_interval, function, trim, unit};
use super::casts::{cast, collate, convert_using, typed_string};
use super::rows;
use crate::error::{Result, SqlError};

/// What an expression may ask of its session.
pub trait Environment {
    /// `@@name`, `@@session.name`, `@@global.name` (without the @@) or `@name` (with the @).
    fn variable(&self, name: &str) -> Result<Expr>;
    /// The statement's time on the session's wall clock, microseconds since 1970.
    fn now(&self) -> i64;
    /// The session's time zone; "+00:00" for UTC.
    fn time_zone(&self) -> String;
    /// DATABASE(), USER(), VERSION(), CONNECTION_ID() and their like; `None`: not one of them.
    fn session_function(&self, name: &str) -> Option<Expr>;
}

pub fn value(value: Value) -> Expr {
    Expr::Value(ValueWithSpan {
        value,
        span: sqlparser::tokenizer::Span::empty(),
    })
}

pub fn text(s: impl Into<String>) -> Expr {
    value(Value::SingleQuotedString(s.into()))
}

pub fn number(n: impl ToString) -> Expr {
    value(Value::Number(n.to_string(), false))
}

/// A call of one of our functions.
pub fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args
        .into_iter()
        .map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

pub fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

pub(super) fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

pub(super) fn not(expr: Expr) -> Expr {
    Expr::UnaryOp {
        op: UnaryOperator::Not,
        expr: Box::new(nested(expr)),
    }
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, value(Value::Null))
}

/// A condition as the planner wants it: boolean. MySQL takes any type; non-zero is true.
pub fn truth(expr: Expr) -> Expr {
    if is_boolean(&expr) {
        expr
    } else {
        call("truth", vec![expr])
    }
}

/// Is the form itself boolean, whatever the types inside?
fn is_boolean(expr: &Expr) -> bool {
    use BinaryOperator as B;
    match expr {
        Expr::Nested(inner) => is_boolean(inner),
        Expr::BinaryOp { op, .. } => matches!(
            op,
            B::And | B::Or | B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq | B::Spaceship
        ),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            ..
        }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::AnyOp { .. }
        | Expr::AllOp { .. }
        | Expr::Exists { .. } => true,
        Expr::Value(v) => matches!(v.value, Value::Boolean(_)),
        Expr::Function(f) => f.name.to_string() == "truth",
        _ => false,
    }
}

/// Rewrites one node whose children are rewritten already.
pub fn rewrite(expr: &mut Expr, env: &dyn Environment) -> Result<()> {
    let new = match take(expr) {
        Expr::Identifier(ident) => identifier(ident, env)?,
        Expr::CompoundIdentifier(parts) => compound(parts, env)?,
        Expr::Value(v) => literal(v)?,
        Expr::Prefixed { prefix, value } if prefix.value.eq_ignore_ascii_case("_binary") => {
            call("cast_binary", vec![*value])
        }
        Expr::Prefixed { value, .. } => *value,
        Expr::TypedString(typed) => typed_string(typed)?,
        Expr::BinaryOp { left, op, right } => binary_op(*left, op, *right)?,
        Expr::UnaryOp { op, expr } => unary_op(op, *expr)?,
        Expr::IsTrue(e) => Expr::IsTrue(Box::new(truth(*e))),
        Expr::IsNotTrue(e) => Expr::IsNotTrue(Box::new(truth(*e))),
        Expr::IsFalse(e) => Expr::IsFalse(Box::new(truth(*e))),
        Expr::IsNotFalse(e) => Expr::IsNotFalse(Box::new(truth(*e))),
        Expr::IsUnknown(e) => Expr::IsNull(Box::new(truth(*e))),
        Expr::IsNotUnknown(e) => Expr::IsNotNull(Box::new(truth(*e))),
        Expr::RLike {
            negated,
            expr,
            pattern,
            ..
        } => {
            let call = call("regexp_like", vec![*expr, *pattern]);
            if negated { not(truth(call)) } else { call }
        }
        Expr::Like {
            negated,
            any,
            expr,
            pattern,
            escape_char: Some(escape),
        } => Expr::Like {
            negated,
            any,
            expr,
            pattern: Box::new(escaped_pattern(*pattern, &escape)?),
            escape_char: None,
        },
        Expr::InList {
            expr,
            list,
            negated,
        } => rows::in_list(*expr, list, negated)?,
        Expr::Case {
            case_token,
            end_token,
            operand,
            conditions,
            else_result,
        } => {
            let conditions = conditions.into_iter().map(|when| case_when(&operand, when));
            let conditions = conditions.collect::<Result<_>>()?;
            Expr::Case {
                case_token,
                end_token,
                operand: None,
                conditions,
                else_result,
            }
        }
        Expr::Cast {
            kind: CastKind::Cast,
            expr,
            data_type,
            ..
        } => cast(*expr, &data_type)?,
        Expr::Convert {
            expr,
            data_type: Some(data_type),
            ..
        } => cast(*expr, &data_type)?,
        Expr::Convert {
            expr,
            charset: Some(charset),
            ..
        } => convert_using(*expr, &charset)?,
        Expr::Collate { expr, collation } => collate(*expr, &collation.to_string())?,
        Expr::Extract { field, expr, .. } => call("extract_unit", vec![unit(&field)?, *expr]),
        Expr::Ceil { expr, .. } => call("ceil", vec![*expr]),
        Expr::Floor { expr, .. } => call("floor", vec![*expr]),
        Expr::Position { expr, r#in } => call("locate", vec![*expr, *r#in]),
        Expr::Substring {
            expr,
            substring_from,
            substring_for,
            ..
        } => {
            let rest = [substring_from, substring_for]
                .into_iter()
                .flatten()
                .map(|e| *e);
            call("substring", std::iter::once(*expr).chain(rest).collect())
        }
        Expr::Trim {
            trim_where,
            trim_what,
            expr,
            ..
        } => trim(trim_where, trim_what, *expr),
        Expr::Function(call) => function(call, env)?,
        Expr::MatchAgainst { .. } => return Err(SqlError::not_supported("MATCH ... AGAINST")),
        Expr::MemberOf(member) => call("member_of", vec![*member.value, *member.array]),
        other => other,
    };
    *expr = new;
    Ok(())
}

fn identifier(ident: Ident, env: &dyn Environment) -> Result<Expr> {
    if ident.quote_style.is_none() && ident.value.starts_with('@') {
        let name = ident.value.strip_prefix("@@").unwrap_or(&ident.value);
        return env.variable(name);
    }
    // `0b101`, which the parser reads as a name.
    if ident.quote_style.is_none()
        && let Some(bits) = ident.value.strip_prefix("0b")
        && !bits.is_empty()
        && bits.bytes().all(|b| matches!(b, b'0' | b'1'))
    {
        return Ok(value(Value::HexStringLiteral(bits_to_hex(bits)?)));
    }
    Ok(Expr::Identifier(column_ident(&ident)))
}

fn compound(mut parts: Vec<Ident>, env: &dyn Environment) -> Result<Expr> {
    if let Some(first) = parts.first().filter(|p| p.quote_style.is_none())
        && let Some(scope) = first.value.strip_prefix("@@")
    {
        let names: Vec<&str> = parts.iter().skip(1).map(|p| p.value.as_str()).collect();
        return env.variable(&format!("{scope}.{}", names.join(".")));
    }
    if let Some(last) = parts.last_mut() {
        *last = column_ident(last);
    }
    Ok(Expr::CompoundIdentifier(parts))
}

/// Column names are case-insensitive in MySQL, quoted or not.
pub fn column_ident(ident: &Ident) -> Ident {
    Ident::with_quote('`', ident.value.to_lowercase())
}

fn literal(v: ValueWithSpan) -> Result<Expr> {
    Ok(match v.value {
        Value::Number(n, _) if n.contains(['e', 'E']) => call("cast_double", vec![text(n)]),
        Value::NationalStringLiteral(s) => text(s),
        Value::SingleQuotedByteStringLiteral(bits) => {
            value(Value::HexStringLiteral(bits_to_hex(&bits)?))
        }
        Value::HexStringLiteral(h) if h.len() % 2 == 1 => {
            value(Value::HexStringLiteral(format!("0{h}")))
        }
        other => value(other),
    })
}

fn bits_to_hex(bits: &str) -> Result<String> {
    if !bits.chars().all(|c| matches!(c, '0' | '1')) {
        return Err(SqlError::syntax(bits, 1));
    }
    let padded = format!("{}{bits}", "0".repeat((8 - bits.len() % 8) % 8));
    let byte = |chunk: &[u8]| chunk.iter().fold(0u8, |b, c| (b << 1) | (c - b'0'));
    Ok(padded
        .as_bytes()
        .chunks(8)
        .map(|chunk| format!("{:02X}", byte(chunk)))
        .collect())
}

fn binary_op(left: Expr, op: BinaryOperator, right: Expr) -> Result<Expr> {
    use BinaryOperator as B;
    Ok(match op {
        B::And | B::Or => binary(truth(left), op, truth(right)),
        B::Plus | B::Minus => match (left, right) {
            (Expr::Interval(i), other) if op == B::Plus => add_interval(other, i, false)?,
            (other, Expr::Interval(i)) => add_interval(other, i, op == B::Minus)?,
            (left, right) => binary(left, op, right),
        },
        B::Eq | B::NotEq | B::Spaceship | B::Lt | B::LtEq | B::Gt | B::GtEq => {
            rows::compare(left, op, right)?
        }
        B::Assignment => return Err(SqlError::not_supported("assignment in an expression")),
        B::Arrow => call("json_extract", vec![left, right]),
        B::LongArrow => call(
            "json_unquote",
            vec![call("json_extract", vec![left, right])],
        ),
        op => binary(left, op, right),
    })
}

fn unary_op(op: UnaryOperator, expr: Expr) -> Result<Expr> {
    Ok(match op {
        UnaryOperator::Not | UnaryOperator::BangNot => Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr: Box::new(truth(expr)),
        },
        UnaryOperator::Plus => expr,
        UnaryOperator::Minus => match &expr {
            Expr::Value(v) if matches!(v.value, Value::Number(..)) => Expr::UnaryOp {
                op,
                expr: Box::new(expr),
            },
            _ => call("unary_minus", vec![expr]),
        },
        UnaryOperator::BitwiseNot => call("bit_not", vec![expr]),
        other => return Err(SqlError::not_supported(&other.to_string())),
    })
}

/// LIKE's pattern with another escape character, spelled with the backslash.
fn escaped_pattern(pattern: Expr, escape: &ValueWithSpan) -> Result<Expr> {
    let (Expr::Value(v), Some(escape)) = (&pattern, literal_text(&escape.value)) else {
        return Err(SqlError::not_supported(
            "LIKE ... ESCAPE with a pattern that is no literal",
        ));
    };
    let Some(text_of) = literal_text(&v.value) else {
        return Ok(pattern);
    };
    let mut chars = escape.chars();
    let escape = match (chars.next(), chars.next()) {
        (Some(c), None) => c,
        (None, _) => '\0',
        _ => {
            return Err(SqlError::new(
                1210,
                "HY000",
                "Incorrect arguments to ESCAPE",
            ));
        }
    };
    let mut out = String::new();
    let mut rest = text_of.chars();
    while let Some(c) = rest.next() {
        match c {
            c if c == escape => match rest.next() {
                Some(next) => out.extend(['\\', next]),
                None => out.push(c),
            },
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
    Ok(text(out))
}

fn literal_text(value: &Value) -> Option<&str> {
    match value {
        Value::SingleQuotedString(s) | Value::DoubleQuotedString(s) => Some(s),
        _ => None,
    }
}

fn case_when(operand: &Option<Box<Expr>>, when: CaseWhen) -> Result<CaseWhen> {
    let condition = match operand {
        Some(operand) => rows::compare((**operand).clone(), BinaryOperator::Eq, when.condition)?,
        None => truth(when.condition),
    };
    Ok(CaseWhen {
        condition,
        result: when.result,
    })
}
