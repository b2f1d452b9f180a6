//! Comparing two arguments of one call by MySQL's rules, for NULLIF, GREATEST and INTERVAL().
//!
//! Text with text compares byte by byte, a date with anything as dates, everything else as numbers.
//! The comparison operators themselves are DataFusion's.

use std::cmp::Ordering;

use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::unify::unified_type;
use crate::functions::argument::Call;
use crate::functions::string::types::is_binary;

/// What two expressions are compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    Text,
    DateTime,
    Time,
    /// Integers and decimals, by their scale.
    Exact(i8),
    Double,
}

impl Basis {
    pub(crate) fn of(types: &[DataType]) -> Self {
        let any = |test: fn(&DataType) -> bool| types.iter().any(test);
        let all = |test: fn(&DataType) -> bool| types.iter().all(|t| t.is_null() || test(t));
        if any(|t| matches!(t, DataType::Date32 | DataType::Timestamp(..))) {
            return Self::DateTime;
        }
        if any(|t| matches!(t, DataType::Duration(_))) {
            return Self::Time;
        }
        if all(|t| t.is_string() || is_binary(t)) {
            return Self::Text;
        }
        if any(|t| t.is_string() || is_binary(t) || t.is_floating()) {
            return Self::Double;
        }
        match unified_type(types) {
            DataType::Decimal128(_, scale) => Self::Exact(scale),
            _ => Self::Exact(0),
        }
    }
}

type Compare<'a> = Box<dyn Fn(usize) -> Option<Ordering> + 'a>;

/// Compares arguments `a` and `b` row by row; NULL with anything is `None`.
pub(crate) fn comparison<'a>(
    call: &'a Call<'_>,
    basis: Basis,
    a: usize,
    b: usize,
) -> Result<Compare<'a>> {
    macro_rules! by {
        ($column:ident) => {{
            let (a, b) = (call.$column(a)?, call.$column(b)?);
            Box::new(move |row| a.get(row)?.partial_cmp(&b.get(row)?))
        }};
    }
    Ok(match basis {
        Basis::Text => {
            let (a, b) = (call.bytes(a)?, call.bytes(b)?);
            Box::new(move |row| Some(a.get(row)?.cmp(b.get(row)?)))
        }
        Basis::DateTime => by!(datetime),
        Basis::Time => by!(time),
        Basis::Exact(scale) => {
            let (a, b) = (call.decimal(a, 38, scale)?, call.decimal(b, 38, scale)?);
            Box::new(move |row| Some(a.get(row)?.cmp(&b.get(row)?)))
        }
        Basis::Double => by!(double),
    })
}
