//! The limits every statement passes before anything recursive sees it, and the calls into sqlparser.
//!
//! A flat chain of operators is as deep a tree as nested parentheses, so the depth of the finished
//! tree counts, not only the nesting of the text.

use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, Query, SetExpr, Statement, Visit, Visitor};
use sqlparser::parser::{Parser, ParserError};

use super::grammar::StornoDialect;
use super::lexer::{Kind, Lexed, syntax_error_at};
use crate::error::{Result, SqlError};

/// Parentheses and brackets nested in the text.
const NESTING_MAX: usize = 200;
/// Operators of one expression tree, measured along its longest path, AND/OR chains not counted.
const CHAIN_MAX: usize = 1_000;
/// SELECTs of one statement, over all its unions and sub-queries.
const SELECTS_MAX: usize = 500;
/// SELECTs inside one another, as in MySQL.
const SELECT_NESTING_MAX: usize = 63;
/// Terms of AND and OR in one statement: the optimizer compares them with each other.
const TERMS_MAX: usize = 4_000;
/// Digits of a number; the widest type has far fewer.
const DIGITS_MAX: usize = 1_000;
/// sqlparser's own recursion budget; its frames are large, so statements parse on a large stack.
const RECURSION_MAX: usize = 2_000;

/// MySQL's answer to a statement that is too deep for its thread stack.
fn too_deep(what: &str, limit: usize) -> SqlError {
    SqlError::new(
        1436,
        "HY000",
        format!("Thread stack overrun: more than {limit} {what}"),
    )
}

fn check_nesting(lexed: &Lexed) -> Result<()> {
    // For every open parenthesis: does a SELECT follow?
    let mut open: Vec<bool> = Vec::new();
    let (mut selects, mut terms) = (0usize, 0usize);
    for (i, token) in lexed.tokens.iter().enumerate() {
        let text = lexed.slice(*token);
        match (token.kind, text) {
            (Kind::Symbol, "(") => {
                let select = lexed.is(i + 1, "SELECT") || lexed.is(i + 1, "WITH");
                selects += usize::from(select);
                open.push(select);
            }
            (Kind::Symbol, ")") => selects -= usize::from(open.pop().unwrap_or(false)),
            (Kind::Symbol, "&&" | "||") => terms += 1,
            (Kind::Word, word) if is_term(word) => terms += 1,
            (Kind::Number, digits) if digits.len() > DIGITS_MAX => return Err(lexed.error_at(i)),
            _ => {}
        }
        if open.len() > NESTING_MAX {
            return Err(match closed_again(lexed, i, open.len()) {
                true => too_deep("nested parentheses", NESTING_MAX),
                false => syntax_error_at(&lexed.text, lexed.text.len()),
            });
        }
        if selects > SELECT_NESTING_MAX {
            let text = "Too high level of nesting for select";
            return Err(SqlError::new(1473, "HY000", text));
        }
        if terms > TERMS_MAX {
            return Err(too_deep("terms of AND and OR", TERMS_MAX));
        }
    }
    Ok(())
}

/// Whether the parentheses open at token `from` are closed in the end.
fn closed_again(lexed: &Lexed, from: usize, depth: usize) -> bool {
    let mut open = depth;
    for i in from + 1..lexed.tokens.len() {
        match lexed.word(i) {
            "(" => open += 1,
            ")" => open = open.saturating_sub(1),
            _ => {}
        }
    }
    open == 0
}

fn is_term(word: &str) -> bool {
    word.eq_ignore_ascii_case("AND") || word.eq_ignore_ascii_case("OR")
}

fn parser_error(lexed: &Lexed, error: ParserError) -> SqlError {
    let message = match error {
        ParserError::RecursionLimitExceeded => return too_deep("nested expressions", NESTING_MAX),
        ParserError::ParserError(m) | ParserError::TokenizerError(m) => m,
    };
    // "... at Line: 1, Column: 8" is all that sqlparser tells of the place.
    let number = |label: &str| -> Option<usize> {
        let at = message.rfind(label)? + label.len();
        let digits: String = message
            .get(at..)?
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().ok()
    };
    let start = match (number("Line: "), number("Column: ")) {
        (Some(line), Some(column)) => byte_offset(&lexed.text, line, column),
        _ => lexed.text.len(),
    };
    syntax_error_at(&lexed.text, start)
}

/// Byte offset of a 1-based line and character column.
fn byte_offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let rest = text.get(start..).unwrap_or("");
    rest.char_indices()
        .nth(column.saturating_sub(1))
        .map_or(text.len(), |(i, _)| start + i)
}

/// Parses one statement; anything behind it but a `;` is a syntax error.
pub fn parse_statement(lexed: &Lexed) -> Result<Statement> {
    let statement = parse_with(lexed, |p| p.parse_statement())?;
    check_tree(&statement)?;
    Ok(statement)
}

/// Parses a SELECT, VALUES, TABLE, WITH or parenthesised query.
pub fn parse_query(lexed: &Lexed) -> Result<Query> {
    let query = parse_with(lexed, |p| p.parse_query().map(|q| *q))?;
    check_tree(&query)?;
    Ok(query)
}

/// Parses a single expression.
pub fn parse_expression(lexed: &Lexed) -> Result<Expr> {
    let expr = parse_with(lexed, |p| p.parse_expr())?;
    check_tree(&expr)?;
    Ok(expr)
}

fn parse_with<T>(
    lexed: &Lexed,
    parse: impl FnOnce(&mut Parser) -> std::result::Result<T, ParserError>,
) -> Result<T> {
    check_nesting(lexed)?;
    let dialect = StornoDialect::default();
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(RECURSION_MAX)
        .try_with_sql(&lexed.text)
        .map_err(|e| parser_error(lexed, e))?;
    let tree = parse(&mut parser).map_err(|e| parser_error(lexed, e))?;
    while parser.consume_token(&sqlparser::tokenizer::Token::SemiColon) {}
    let next = parser.peek_token();
    if next.token == sqlparser::tokenizer::Token::EOF {
        return Ok(tree);
    }
    let (line, column) = (next.span.start.line, next.span.start.column);
    let offset = byte_offset(&lexed.text, line as usize, column as usize);
    Err(syntax_error_at(&lexed.text, offset))
}

/// Counts SELECTs and the longest chain of operators.
#[derive(Default)]
struct Measure {
    selects: usize,
    depth: usize,
}

impl Visitor for Measure {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        let mut left = query.body.as_ref();
        let mut branches = 1;
        while let SetExpr::SetOperation { left: next, .. } = left {
            branches += 1;
            left = next;
        }
        self.selects += branches;
        if self.selects > SELECTS_MAX {
            return ControlFlow::Break(too_deep("SELECTs", SELECTS_MAX));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SqlError> {
        self.depth += usize::from(!is_logical(expr));
        if self.depth > CHAIN_MAX {
            return ControlFlow::Break(too_deep("chained operators", CHAIN_MAX));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SqlError> {
        self.depth -= usize::from(!is_logical(expr));
        ControlFlow::Continue(())
    }
}

/// AND and OR chains are balanced before planning, so their length does not make depth.
fn is_logical(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::BinaryOp {
            op: BinaryOperator::And | BinaryOperator::Or,
            ..
        }
    )
}

fn check_tree(tree: &impl Visit) -> Result<()> {
    match tree.visit(&mut Measure::default()) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::lex;
    use super::*;

    /// The parsers expect the engine's large planning stacks.
    fn on_large_stack<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(f);
        thread.expect("spawns").join().expect("does not overflow")
    }

    fn code(sql: String) -> u16 {
        on_large_stack(move || match lex(&sql).and_then(|l| parse_query(&l)) {
            Ok(_) => 0,
            Err(e) => e.code,
        })
    }

    #[test]
    fn deep_and_long_statements_are_refused_not_fatal() {
        assert_eq!(
            code(format!(
                "select {}1{}",
                "(".repeat(10_000),
                ")".repeat(10_000)
            )),
            1436
        );
        assert_eq!(code(format!("select 1{}", "+1".repeat(20_000))), 1436);
        assert_eq!(
            code(format!(
                "select {}1",
                "-".repeat(20_000).replace("--", "- ")
            )),
            1436
        );
        assert_eq!(
            code(format!("select 1{}", " union all select 1".repeat(3_000))),
            1436
        );
        // sqlparser reports its own recursion limit as a syntax error here.
        assert_eq!(code(format!("select {}1", "not ".repeat(50_000))), 1064);
    }

    #[test]
    fn long_flat_statements_are_fine() {
        assert_eq!(
            code(format!("select 1 where a=1{}", " and a=1".repeat(3_000))),
            0
        );
        assert_eq!(code(format!("select a in (1{})", ",1".repeat(100_000))), 0);
        assert_eq!(code(format!("select 1{}", "+1".repeat(900))), 0);
    }

    #[test]
    fn syntax_errors_quote_the_text_from_the_offending_token() {
        let error =
            parse_query(&lex("select 1\nfrom t wher x = 1").expect("lexes")).expect_err("bad");
        assert_eq!(error.code, 1064);
        assert!(
            error.message.ends_with("near 'x = 1' at line 2"),
            "{}",
            error.message
        );
    }
}
