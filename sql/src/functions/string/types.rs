//! Result types of string functions: text, or a binary string where an argument is one.

use arrow::datatypes::DataType;
use datafusion::common::Result;

use crate::functions::builtin::{Declared, Shape};
use crate::functions::failure::not_supported;

pub(crate) fn is_binary(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(
        data_type,
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_)
    )
}

/// Text; binary strings, whose bytes need not be text, are refused.
pub(crate) fn text(shape: &Shape<'_>) -> Result<Declared> {
    if shape.types().any(is_binary) {
        let name = shape.name.to_ascii_uppercase();
        return Err(not_supported(&format!("{name} of binary strings")));
    }
    Ok(DataType::Utf8View.into())
}

/// Text whatever the arguments are: they are read as bytes.
pub(crate) fn text_of_bytes(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::Utf8View.into())
}

/// A binary string when any argument is one, else text.
pub(crate) fn text_or_bytes(shape: &Shape<'_>) -> Result<Declared> {
    let binary = shape.types().any(is_binary);
    Ok(if binary {
        DataType::BinaryView
    } else {
        DataType::Utf8View
    }
    .into())
}

pub(crate) fn bytes(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::BinaryView.into())
}

pub(crate) fn integer(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::Int64.into())
}

pub(crate) fn boolean(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::Boolean.into())
}

/// Integers from text; binary strings are refused.
pub(crate) fn integer_of_text(shape: &Shape<'_>) -> Result<Declared> {
    text(shape)?;
    integer(shape)
}
