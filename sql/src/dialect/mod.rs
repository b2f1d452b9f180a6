//! From bytes to a syntax tree: limits, MySQL's tokens, sqlparser with MySQL's precedences.

pub mod bytes;
pub mod grammar;
pub mod lexer;
pub mod limits;

pub use bytes::readable;
pub use lexer::{Kind, Lexed, OWN_VERSION, Token, lex};
pub use limits::{parse_expression, parse_query, parse_statement};
