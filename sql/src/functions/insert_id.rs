//! LAST_INSERT_ID(expr): gives its argument and has the session remember it.
//!
//! Without an argument it is the session's own business, and a constant of the statement.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt64Array};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::argument::Call;
use super::builtin::{Declared, Definition, Shape};
use super::warnings;

pub(crate) const FUNCTIONS: &[Definition] =
    &[Definition::new("last_insert_id", (1, 1), unsigned, remember).volatile()];

fn unsigned(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::UInt64.into())
}

fn remember(call: &Call<'_>) -> Result<ArrayRef> {
    let ids = call.int(0)?;
    // As MySQL does: a negative number is the unsigned one of the same bits.
    let ids: UInt64Array = (0..call.rows)
        .map(|row| ids.get(row).map(i64::cast_unsigned))
        .collect();
    if let Some(last) = ids.iter().flatten().last() {
        warnings::set_insert_id(last);
    }
    Ok(Arc::new(ids))
}
