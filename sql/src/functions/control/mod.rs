//! Control flow and casts.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;

use super::argument::Call;
use super::builtin::Definition;

fn cast_double(call: &Call<'_>) -> Result<ArrayRef> {
    let value = call.double(0)?;
    Ok(Arc::new(call.collect::<Float64Type>(|row| value.get(row))))
}

pub(crate) const FUNCTIONS: &[Definition] =
    &[Definition::new("cast_double", (1, 1), |_| Ok(DataType::Float64.into()), cast_double)];
