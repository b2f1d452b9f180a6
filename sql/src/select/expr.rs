//! MySQL's expression syntax, rewritten on the tree into what the planner knows.
//!
//! Every rule here replaces a form that DataFusion would refuse or, worse, read differently. It works
//! bottom-up on one expression and knows nothing of tables; names and clauses are `rewrite`'s part.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, DateTimeField, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Ident,
    Interval, ObjectName, TrimWhereField, UnaryOperator, Value, ValueWithSpan,
};

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

fn nested(expr: Expr) -> Expr {
    Expr::Nested(Box::new(expr))
}

fn not(expr: Expr) -> Expr {
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
        } => in_list(*expr, list, negated),
        Expr::Case {
            case_token,
            end_token,
            operand,
            conditions,
            else_result,
        } => {
            let conditions = conditions
                .into_iter()
                .map(|when| case_when(&operand, when))
                .collect();
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
        Expr::Function(function) => self::function(function, env)?,
        Expr::MatchAgainst { .. } => return Err(SqlError::not_supported("MATCH ... AGAINST")),
        Expr::MemberOf(_) => return Err(SqlError::not_supported("MEMBER OF")),
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

fn typed_string(typed: sqlparser::ast::TypedString) -> Result<Expr> {
    let name = match typed.data_type {
        DataType::Date => "cast_date",
        DataType::Time(..) => "cast_time",
        DataType::Timestamp(..) | DataType::Datetime(_) => "cast_datetime",
        other => return Err(SqlError::not_supported(&format!("{other} literal"))),
    };
    let mut args = vec![value(typed.value.value)];
    if name != "cast_date" {
        args.push(number(6));
    }
    Ok(call(name, args))
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
        B::Eq | B::NotEq | B::Spaceship => match (left, right) {
            (Expr::Tuple(a), Expr::Tuple(b)) if a.len() == b.len() => {
                let equal = tuples_equal(a, b);
                if op == B::NotEq { not(equal) } else { equal }
            }
            (left, right) => binary(left, op, right),
        },
        B::Assignment => return Err(SqlError::not_supported("assignment in an expression")),
        B::Arrow => call("json_extract", vec![left, right]),
        B::LongArrow => call(
            "json_unquote",
            vec![call("json_extract", vec![left, right])],
        ),
        op => binary(left, op, right),
    })
}

fn tuples_equal(left: Vec<Expr>, right: Vec<Expr>) -> Expr {
    let terms = left
        .into_iter()
        .zip(right)
        .map(|(a, b)| binary(a, BinaryOperator::Eq, b));
    let all = terms.reduce(|a, b| binary(a, BinaryOperator::And, b));
    nested(all.unwrap_or_else(|| value(Value::Boolean(true))))
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

/// `(a, b) IN ((1, 2), (3, 4))` as comparisons; other lists as they are.
fn in_list(expr: Expr, list: Vec<Expr>, negated: bool) -> Expr {
    let Expr::Tuple(left) = expr else {
        return Expr::InList {
            expr: Box::new(expr),
            list,
            negated,
        };
    };
    let matches = list.into_iter().map(|item| match item {
        Expr::Tuple(right) if right.len() == left.len() => tuples_equal(left.clone(), right),
        other => binary(Expr::Tuple(left.clone()), BinaryOperator::Eq, other),
    });
    let any = matches.reduce(|a, b| binary(a, BinaryOperator::Or, b));
    let any = nested(any.unwrap_or_else(|| value(Value::Boolean(false))));
    if negated { not(any) } else { any }
}

fn case_when(operand: &Option<Box<Expr>>, when: CaseWhen) -> CaseWhen {
    let condition = match operand {
        Some(operand) => binary((**operand).clone(), BinaryOperator::Eq, when.condition),
        None => truth(when.condition),
    };
    CaseWhen {
        condition,
        result: when.result,
    }
}

fn cast(expr: Expr, data_type: &DataType) -> Result<Expr> {
    use sqlparser::ast::ExactNumberInfo as Exact;
    let with = |name: &str, rest: Vec<Expr>| {
        call(name, std::iter::once(expr.clone()).chain(rest).collect())
    };
    Ok(match data_type {
        DataType::Signed | DataType::SignedInteger | DataType::BigInt(_) | DataType::Int(_) => {
            with("cast_signed", vec![])
        }
        DataType::Unsigned | DataType::UnsignedInteger => with("cast_unsigned", vec![]),
        DataType::Decimal(info) | DataType::Dec(info) | DataType::Numeric(info) => {
            let (p, s) = match info {
                Exact::None => (10, 0),
                Exact::Precision(p) => (*p, 0),
                Exact::PrecisionAndScale(p, s) => (*p, u64::try_from(*s).unwrap_or(0)),
            };
            with("cast_decimal", vec![number(p), number(s)])
        }
        DataType::Char(length) | DataType::Varchar(length) | DataType::Character(length) => {
            with("cast_char", char_length(length.as_ref()))
        }
        DataType::Nvarchar(_) | DataType::String(_) | DataType::Text => with("cast_char", vec![]),
        DataType::Binary(_) | DataType::Varbinary(_) => with("cast_binary", vec![]),
        DataType::Date => with("cast_date", vec![]),
        DataType::Datetime(fsp) => with("cast_datetime", vec![number(fsp.unwrap_or(0))]),
        DataType::Time(fsp, _) => with("cast_time", vec![number(fsp.unwrap_or(0))]),
        DataType::Double(_) | DataType::DoublePrecision | DataType::Real | DataType::Float(_) => {
            with("cast_double", vec![])
        }
        DataType::Custom(name, args) => match name.to_string().to_lowercase().as_str() {
            "signed" => with("cast_signed", vec![]),
            "unsigned" => with("cast_unsigned", vec![]),
            "nchar" | "char" => with("cast_char", args.iter().map(number).collect()),
            other => return Err(SqlError::not_supported(&format!("CAST AS {other}"))),
        },
        other => return Err(SqlError::not_supported(&format!("CAST AS {other}"))),
    })
}

fn char_length(length: Option<&sqlparser::ast::CharacterLength>) -> Vec<Expr> {
    match length {
        Some(sqlparser::ast::CharacterLength::IntegerLength { length, .. }) => vec![number(length)],
        _ => Vec::new(),
    }
}

fn convert_using(expr: Expr, charset: &ObjectName) -> Result<Expr> {
    match charset.to_string().to_lowercase().as_str() {
        "utf8mb4" | "utf8" | "utf8mb3" => Ok(call("cast_char", vec![expr])),
        "binary" => Ok(call("cast_binary", vec![expr])),
        other => Err(SqlError::not_supported(&format!(
            "CONVERT ... USING {other}"
        ))),
    }
}

/// Strings compare by their bytes so far; asking for that is fine, asking for more is refused.
fn collate(expr: Expr, collation: &str) -> Result<Expr> {
    let name = collation.trim_matches(['`', '\'', '"']).to_lowercase();
    if name.ends_with("_bin") || name == "binary" {
        return Ok(expr);
    }
    if name.starts_with("utf8") || name.starts_with("latin1") || name.starts_with("ascii") {
        return Err(SqlError::not_supported(&format!("COLLATE {name}")));
    }
    Err(SqlError::new(
        1273,
        "HY000",
        format!("Unknown collation: '{name}'"),
    ))
}

/// An interval's or EXTRACT's unit as text, e.g. 'DAY_HOUR'.
fn unit(field: &DateTimeField) -> Result<Expr> {
    let name = field.to_string().to_uppercase();
    const UNITS: [&str; 20] = [
        "MICROSECOND",
        "SECOND",
        "MINUTE",
        "HOUR",
        "DAY",
        "WEEK",
        "MONTH",
        "QUARTER",
        "YEAR",
        "SECOND_MICROSECOND",
        "MINUTE_MICROSECOND",
        "MINUTE_SECOND",
        "HOUR_MICROSECOND",
        "HOUR_SECOND",
        "HOUR_MINUTE",
        "DAY_MICROSECOND",
        "DAY_SECOND",
        "DAY_MINUTE",
        "DAY_HOUR",
        "YEAR_MONTH",
    ];
    let known = UNITS.iter().find(|u| **u == name.trim_matches('`'));
    known
        .map(|u| text(*u))
        .ok_or_else(|| SqlError::syntax(&name, 1))
}

fn add_interval(to: Expr, interval: Interval, subtract: bool) -> Result<Expr> {
    let field = interval
        .leading_field
        .as_ref()
        .ok_or_else(|| SqlError::syntax("INTERVAL", 1))?;
    let name = if subtract {
        "date_sub_unit"
    } else {
        "date_add_unit"
    };
    Ok(call(name, vec![to, *interval.value, unit(field)?]))
}

fn trim(place: Option<TrimWhereField>, what: Option<Box<Expr>>, expr: Expr) -> Expr {
    let name = match place {
        Some(TrimWhereField::Leading) => "ltrim",
        Some(TrimWhereField::Trailing) => "rtrim",
        _ => "trim",
    };
    call(
        name,
        std::iter::once(expr).chain(what.map(|w| *w)).collect(),
    )
}

fn argument(arg: FunctionArg) -> Option<Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
        _ => None,
    }
}

fn function(mut function: Function, env: &dyn Environment) -> Result<Expr> {
    let [part] = function.name.0.as_slice() else {
        return Err(SqlError::not_supported(&format!(
            "FUNCTION {}",
            function.name
        )));
    };
    let name = part
        .as_ident()
        .map(|i| i.value.to_lowercase())
        .unwrap_or_default();
    function.name = ObjectName::from(vec![Ident::new(&name)]);
    if let Some(known) = env.session_function(&name) {
        return Ok(known);
    }
    if let Some(now) = clock(&name, &function.args, env)? {
        return Ok(now);
    }
    let FunctionArguments::List(list) = &mut function.args else {
        // CURRENT_TIMESTAMP and its like need no parentheses.
        function.args = FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: Vec::new(),
            clauses: Vec::new(),
        });
        return Ok(Expr::Function(function));
    };
    separator(list, &name);
    let plain = function.over.is_none() && list.clauses.is_empty();
    if !plain || list.duplicate_treatment.is_some() {
        return Ok(Expr::Function(function));
    }
    let args: Option<Vec<Expr>> = list.args.iter().cloned().map(argument).collect();
    match args {
        Some(args) => match zoned_call(&name, &args, &env.time_zone()) {
            Some(call) => Ok(call),
            None => special_call(&name, args).unwrap_or(Ok(Expr::Function(function))),
        },
        None => Ok(Expr::Function(function)),
    }
}

/// NOW() and its like: one moment for the whole statement, in the session's time zone.
fn clock(name: &str, args: &FunctionArguments, env: &dyn Environment) -> Result<Option<Expr>> {
    let (date, time) = match name {
        "now" | "current_timestamp" | "localtime" | "localtimestamp" | "sysdate" => (true, true),
        "curdate" | "current_date" => (true, false),
        "curtime" | "current_time" => (false, true),
        _ => return Ok(None),
    };
    let args = match args {
        FunctionArguments::List(list) => list.args.as_slice(),
        _ => &[],
    };
    let fsp = match args {
        [] => 0,
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(v)))] => match &v.value {
            Value::Number(n, _) => n.parse::<u8>().unwrap_or(7),
            _ => 7,
        },
        _ => {
            return Err(SqlError::new(
                1582,
                "42000",
                format!("Incorrect parameter count in the call to native function '{name}'"),
            ));
        }
    };
    if fsp > 6 {
        let text = format!("Too-big precision {fsp} specified for '{name}'. Maximum is 6.");
        return Err(SqlError::new(1426, "42000", text));
    }
    let mut s = String::new();
    crate::functions::convert::text::push_datetime(&mut s, env.now(), Some(fsp));
    let part = |i: usize| s.split(' ').nth(i).unwrap_or_default().to_string();
    Ok(Some(match (date, time) {
        (true, true) => call("cast_datetime", vec![text(s), number(fsp)]),
        (true, false) => call("cast_date", vec![text(part(0))]),
        _ => call("cast_time", vec![text(part(1)), number(fsp)]),
    }))
}

/// UNIX_TIMESTAMP and FROM_UNIXTIME speak the session's time zone, the functions below UTC.
fn zoned_call(name: &str, args: &[Expr], zone: &str) -> Option<Expr> {
    if zone == "+00:00" || zone == "SYSTEM" {
        return None;
    }
    let utc = || text("+00:00");
    match (name, args) {
        ("unix_timestamp", [at]) => {
            let at = call("convert_tz", vec![at.clone(), text(zone), utc()]);
            Some(call(name, vec![at]))
        }
        ("from_unixtime", [seconds, format @ ..]) => {
            let at = call(name, vec![seconds.clone()]);
            let at = call("convert_tz", vec![at, utc(), text(zone)]);
            Some(match format {
                [] => at,
                [format, ..] => call("date_format", vec![at, format.clone()]),
            })
        }
        _ => None,
    }
}

/// `GROUP_CONCAT(x ORDER BY y SEPARATOR ',')`: the separator becomes the second argument.
fn separator(list: &mut FunctionArgumentList, name: &str) {
    if name != "group_concat" {
        return;
    }
    let is_separator =
        |c: &FunctionArgumentClause| matches!(c, FunctionArgumentClause::Separator(_));
    if let Some(i) = list.clauses.iter().position(is_separator)
        && let FunctionArgumentClause::Separator(v) = list.clauses.remove(i)
    {
        list.args
            .push(FunctionArg::Unnamed(FunctionArgExpr::Expr(value(v.value))));
    }
}

/// Functions that are syntax in disguise. `None`: an ordinary function.
fn special_call(name: &str, args: Vec<Expr>) -> Option<Result<Expr>> {
    let mut args_iter = args.into_iter();
    let (a, b, c) = (args_iter.next(), args_iter.next(), args_iter.next());
    let more = args_iter.next().is_some();
    Some(match (name, a, b, c) {
        ("if", Some(a), Some(b), Some(c)) if !more => Ok(case(truth(a), b, c)),
        ("ifnull", Some(a), Some(b), None) => Ok(call("coalesce", vec![a, b])),
        ("nullif", Some(a), Some(b), None) => Ok(case(
            binary(a.clone(), BinaryOperator::Eq, b),
            value(Value::Null),
            a,
        )),
        ("isnull", Some(a), None, None) => Ok(Expr::IsNull(Box::new(a))),
        ("mod", Some(a), Some(b), None) => Ok(binary(a, BinaryOperator::Modulo, b)),
        ("date_add" | "adddate", Some(a), Some(Expr::Interval(i)), None) => {
            add_interval(a, i, false)
        }
        ("date_sub" | "subdate", Some(a), Some(Expr::Interval(i)), None) => {
            add_interval(a, i, true)
        }
        ("adddate", Some(a), Some(days), None) => {
            Ok(call("date_add_unit", vec![a, days, text("DAY")]))
        }
        ("subdate", Some(a), Some(days), None) => {
            Ok(call("date_sub_unit", vec![a, days, text("DAY")]))
        }
        ("timestampdiff" | "timestampadd", Some(Expr::Identifier(u)), Some(b), Some(c)) => {
            Ok(call(name, vec![text(unit_name(&u.value)), b, c]))
        }
        _ => return None,
    })
}

/// TIMESTAMPDIFF also takes the units of ODBC, e.g. SQL_TSI_DAY.
fn unit_name(name: &str) -> String {
    let upper = name.to_uppercase();
    upper.strip_prefix("SQL_TSI_").unwrap_or(&upper).to_string()
}

fn case(condition: Expr, yes: Expr, no: Expr) -> Expr {
    Expr::Case {
        case_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        end_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition,
            result: yes,
        }],
        else_result: Some(Box::new(no)),
    }
}
