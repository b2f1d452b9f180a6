//! Expressions that belong to a table: kept as text in its definition, compiled once, and computed over
//! whole batches of rows in the table's own Arrow schema.
//!
//! `text` writes an expression as MySQL prints it in definitions, `inspect` tells what one names and which
//! parts a definition may not have, `compiled` computes, `generated` fills columns with the values. What
//! else becomes of them (a CHECK that fails) is the caller's part, and so are the errors' texts.

mod compiled;
mod generated;
mod inspect;
mod text;

pub(crate) use compiled::Compiled;
pub(crate) use generated::{Filled, GeneratedColumns};
pub(crate) use inspect::{Forbidden, columns_of, forbidden, is_condition};
pub(crate) use text::definition_text;

use sqlparser::ast::Expr;

use crate::dialect::{lex, parse_expression};
use crate::error::Result;

/// Reads an expression as a definition holds it. On a planning thread: it is a tree.
pub(crate) fn parse(text: &str) -> Result<Expr> {
    parse_expression(&lex(text)?)
}

#[cfg(test)]
mod tests;
