//! sqlparser's MySQL dialect with MySQL's operator precedence.
//!
//! sqlparser parses `a DIV 3 * 2` as `a DIV (3 * 2)`, gives `||` the precedence of `*` and does not
//! know `&&`; all of these would be silently wrong answers. Of `a -> '$.x' = 1` it takes all behind the arrow for the path.

use std::any::TypeId;

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DateTimeField, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, Interval, ObjectName,
    Statement, UnaryOperator,
};
use sqlparser::dialect::{Dialect, MySqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// The dialect every statement is parsed with.
#[derive(Debug, Default)]
pub struct StornoDialect(MySqlDialect);

/// Every switch of the wrapped dialect, passed on.
macro_rules! as_mysql {
    ($($name:ident)*) => { $(fn $name(&self) -> bool { self.0.$name() })* };
}

/// Words behind UPDATE and DELETE that sqlparser does not know.
const MODIFIERS: [&str; 3] = ["LOW_PRIORITY", "QUICK", "IGNORE"];

/// The first word of an UPDATE or DELETE with such words, which are skipped with it.
fn skip_modifiers(parser: &mut Parser) -> Option<(TokenWithSpan, Keyword)> {
    let word = |parser: &Parser, n: usize| match parser.peek_nth_token(n).token {
        Token::Word(word) if word.quote_style.is_none() => Some(word),
        _ => None,
    };
    let keyword = word(parser, 0)?.keyword;
    let is_modifier = |parser: &Parser| {
        word(parser, 1).is_some_and(|word| {
            let is_it = |m: &&str| m.eq_ignore_ascii_case(&word.value);
            MODIFIERS.iter().any(is_it) && (keyword == Keyword::DELETE || !is_it(&"QUICK"))
        })
    };
    if !matches!(keyword, Keyword::UPDATE | Keyword::DELETE) || !is_modifier(parser) {
        return None;
    }
    let token = parser.peek_token();
    while is_modifier(parser) {
        parser.next_token();
    }
    parser.next_token();
    Some((token, keyword))
}

/// Operators from loosest to tightest, as in the MySQL manual, "Operator Precedence".
const OR: u8 = 5;
const XOR: u8 = 7;
const AND: u8 = 10;
const BIT_OR: u8 = 22;
const BIT_AND: u8 = 24;
const SHIFT: u8 = 26;
const MULTIPLY: u8 = 40;
const BIT_XOR: u8 = 45;
/// `column -> path`: tighter than any other.
const PATH: u8 = 60;

/// Reserved words that sqlparser would take for a column where an operand is missing, so that it
/// would find the error one word late.
const NO_OPERAND: [Keyword; 27] = [
    Keyword::AND,
    Keyword::AS,
    Keyword::BETWEEN,
    Keyword::BY,
    Keyword::DESC,
    Keyword::ELSE,
    Keyword::FROM,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::IN,
    Keyword::INTO,
    Keyword::IS,
    Keyword::JOIN,
    Keyword::LIKE,
    Keyword::LIMIT,
    Keyword::ON,
    Keyword::OR,
    Keyword::ORDER,
    Keyword::REGEXP,
    Keyword::RLIKE,
    Keyword::SET,
    Keyword::THEN,
    Keyword::UNION,
    Keyword::USING,
    Keyword::WHEN,
    Keyword::WHERE,
    Keyword::XOR,
];

/// `SOUNDS LIKE`
fn is_sounds_like(parser: &Parser) -> bool {
    let word = |n: usize, text: &str| match &parser.peek_nth_token_ref(n).token {
        Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text),
        _ => false,
    };
    word(0, "sounds") && word(1, "like")
}

fn binary(left: &Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left.clone()),
        op,
        right: Box::new(right),
    }
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(FunctionArgExpr::Expr);
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.map(FunctionArg::Unnamed).collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// `INTERVAL expr unit`, or the function `INTERVAL(n, n1, n2, ...)`.
fn interval(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.expect_keyword(Keyword::INTERVAL)?;
    if parser.peek_token_ref().token == Token::LParen
        && let Some(args) = parser.maybe_parse(several_arguments)?
    {
        return Ok(call("interval", args));
    }
    let value = Box::new(parser.parse_expr()?);
    Ok(Expr::Interval(Interval {
        value,
        leading_field: Some(DateTimeField::Custom(parser.parse_identifier()?)),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    }))
}

fn several_arguments(parser: &mut Parser) -> Result<Vec<Expr>, ParserError> {
    parser.expect_token(&Token::LParen)?;
    let args = parser.parse_comma_separated(Parser::parse_expr)?;
    parser.expect_token(&Token::RParen)?;
    match args.len() {
        0 | 1 => parser.expected("a second argument", parser.peek_token()),
        _ => Ok(args),
    }
}

/// `CHAR(n, ... USING charset)`; without USING it is an ordinary function.
fn char_using(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.expect_keyword(Keyword::CHAR)?;
    parser.expect_token(&Token::LParen)?;
    let args = parser.parse_comma_separated(Parser::parse_expr)?;
    parser.expect_keyword(Keyword::USING)?;
    let charset = parser.parse_object_name(false)?;
    parser.expect_token(&Token::RParen)?;
    Ok(Expr::Convert {
        is_try: false,
        expr: Box::new(call("char", args)),
        data_type: None,
        charset: Some(charset),
        target_before_value: false,
        styles: Vec::new(),
    })
}

/// `-` and `~` bind tighter than any operator between two operands, also than `^`.
fn sign(parser: &mut Parser, op: UnaryOperator) -> Result<Expr, ParserError> {
    parser.next_token();
    Ok(Expr::UnaryOp {
        op,
        expr: Box::new(parser.parse_subexpr(BIT_XOR)?),
    })
}

/// `BINARY expr` binds tighter than any operator between two operands.
fn binary_prefix(parser: &mut Parser) -> Result<Expr, ParserError> {
    parser.expect_keyword(Keyword::BINARY)?;
    Ok(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(parser.parse_subexpr(u8::MAX)?),
        data_type: DataType::Binary(None),
        array: false,
        format: None,
    })
}

impl Dialect for StornoDialect {
    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let precedence = match &parser.peek_token_ref().token {
            Token::StringConcat => OR,
            Token::Overlap => AND,
            Token::Word(w) if w.keyword == Keyword::XOR => XOR,
            Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case("mod") => {
                MULTIPLY
            }
            Token::Word(w) if w.keyword == Keyword::DIV => MULTIPLY,
            Token::Word(_) if is_sounds_like(parser) => self.prec_value(Precedence::Like),
            Token::Pipe => BIT_OR,
            Token::Ampersand => BIT_AND,
            Token::ShiftLeft | Token::ShiftRight => SHIFT,
            Token::Caret => BIT_XOR,
            Token::Arrow | Token::LongArrow => PATH,
            _ => return None,
        };
        Some(Ok(precedence))
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        match precedence {
            Precedence::Xor => XOR,
            other => self.0.prec_value(other),
        }
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let keyword = match &parser.peek_token_ref().token {
            Token::Word(word) if word.quote_style.is_none() => word.keyword,
            Token::Minus => return Some(sign(parser, UnaryOperator::Minus)),
            Token::Tilde => return Some(sign(parser, UnaryOperator::BitwiseNot)),
            _ => return None,
        };
        match keyword {
            Keyword::INTERVAL => Some(interval(parser)),
            Keyword::CHAR => parser.maybe_parse(char_using).transpose(),
            Keyword::BINARY => Some(binary_prefix(parser)),
            word if NO_OPERAND.contains(&word) => {
                Some(parser.expected("an expression", parser.peek_token()))
            }
            _ => None,
        }
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        if is_sounds_like(parser) {
            parser.next_token();
            parser.next_token();
            let right = parser.parse_subexpr(self.prec_value(Precedence::Like));
            let sound = |expr: Expr| call("soundex", vec![expr]);
            let same = |right| binary(&sound(expr.clone()), BinaryOperator::Eq, sound(right));
            return Some(right.map(|right| Expr::Nested(Box::new(same(right)))));
        }
        let (op, precedence) = match &parser.peek_token_ref().token {
            Token::StringConcat => (BinaryOperator::Or, OR),
            Token::Overlap => (BinaryOperator::And, AND),
            Token::ShiftLeft => (BinaryOperator::PGBitwiseShiftLeft, SHIFT),
            Token::ShiftRight => (BinaryOperator::PGBitwiseShiftRight, SHIFT),
            Token::Word(w) if w.keyword == Keyword::DIV => {
                (BinaryOperator::MyIntegerDivide, MULTIPLY)
            }
            Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case("mod") => {
                (BinaryOperator::Modulo, MULTIPLY)
            }
            _ => return None,
        };
        parser.next_token();
        Some(
            parser
                .parse_subexpr(precedence)
                .map(|right| binary(expr, op, right)),
        )
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    // MySQL's composite units, HOUR_MINUTE and its like, reach the rewriter as custom ones.
    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn parse_statement(&self, parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
        match skip_modifiers(parser) {
            Some((token, Keyword::UPDATE)) => Some(parser.parse_update(token)),
            Some((token, _)) => Some(parser.parse_delete(token)),
            None => self.0.parse_statement(parser),
        }
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }
    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }
    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.0.identifier_quote_style(identifier)
    }
    fn is_table_factor_alias(&self, explicit: bool, kw: &Keyword, parser: &mut Parser) -> bool {
        self.0.is_table_factor_alias(explicit, kw, parser)
    }
    as_mysql! {
        supports_string_literal_backslash_escape
        supports_string_literal_concatenation
        ignores_wildcard_escapes
        supports_numeric_prefix
        supports_bitwise_shift_operators
        supports_multiline_comment_hints
        require_interval_qualifier
        supports_limit_comma
        supports_create_table_select
        supports_insert_set
        supports_user_host_grantee
        supports_table_hints
        requires_single_line_comment_whitespace
        supports_match_against
        supports_select_modifiers
        supports_set_names
        supports_comma_separated_set_assignments
        supports_update_order_by
        supports_data_type_signed_suffix
        supports_cross_join_constraint
        supports_double_ampersand_operator
        supports_binary_kw_as_cast
        supports_comment_optimizer_hint
        supports_constraint_keyword_without_name
        supports_key_column_option
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(sql: &str) -> String {
        let dialect = StornoDialect::default();
        let mut parser = Parser::new(&dialect).try_with_sql(sql).expect("tokens");
        fn show(e: &Expr) -> String {
            match e {
                Expr::BinaryOp { left, op, right } => {
                    format!("({} {op} {})", show(left), show(right))
                }
                other => other.to_string(),
            }
        }
        show(&parser.parse_expr().expect(sql))
    }

    #[test]
    fn operators_bind_as_in_mysql() {
        assert_eq!(tree("a DIV 3 * 2"), "((a DIV 3) * 2)");
        assert_eq!(tree("a MOD 3 + 2"), "((a % 3) + 2)");
        assert_eq!(tree("a || b AND c"), "(a OR (b AND c))");
        assert_eq!(tree("a && b || c"), "((a AND b) OR c)");
        assert_eq!(tree("a XOR b AND c"), "(a XOR (b AND c))");
        assert_eq!(tree("a = 1 XOR b = 2"), "((a = 1) XOR (b = 2))");
        assert_eq!(tree("1 | 2 & 3 << 1 + 1"), "(1 | (2 & (3 << (1 + 1))))");
        assert_eq!(tree("2 * 3 ^ 1"), "(2 * (3 ^ 1))");
        assert_eq!(tree("a = b | c"), "(a = (b | c))");
        assert_eq!(tree("-a ^ 5"), "(-a ^ 5)");
        assert_eq!(tree("~a ^ 5 + 1"), "((~a ^ 5) + 1)");
    }

    #[test]
    fn prefixes_are_read_as_in_mysql() {
        assert_eq!(
            tree("BINARY a = b"),
            "(CAST(a AS BINARY) = b)",
            "tighter than ="
        );
        assert_eq!(tree("BINARY t.a = b"), "(CAST(t.a AS BINARY) = b)");
        assert_eq!(tree("INTERVAL(1, 2) + 3"), "(interval(1, 2) + 3)");
        let composite = tree("d + INTERVAL '1:2' HOUR_MINUTE");
        assert_eq!(composite, "(d + INTERVAL '1:2' HOUR_MINUTE)");
        assert_eq!(tree("d - INTERVAL (1) DAY"), "(d - INTERVAL (1) DAY)");
        assert_eq!(tree("d - INTERVAL 1 + 1 DAY"), "(d - INTERVAL 1 + 1 DAY)");
        assert_eq!(
            tree("CHAR(97 USING utf8mb4)"),
            "CONVERT(char(97) USING utf8mb4)"
        );
        assert_eq!(tree("CHAR(97, 98)"), "CHAR(97, 98)");
    }
}
