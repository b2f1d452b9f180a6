//! The text of an expression in error 1690, carried in the names of result fields.

use arrow::datatypes::FieldRef;
use datafusion::common::ScalarValue;

use crate::functions::convert::arrays;

/// Longer expressions are cut: the name is built anew at every level.
const TEXT_MAX: usize = 256;

/// A literal as it was written, a column or an expression by its field's name.
pub(crate) fn name_of(field: &FieldRef, literal: Option<&ScalarValue>) -> String {
    match literal {
        None => field.name().clone(),
        Some(value) if value.is_null() => "NULL".to_owned(),
        Some(value) => literal_text(value),
    }
}

fn literal_text(value: &ScalarValue) -> String {
    let text = value
        .to_array_of_size(1)
        .and_then(|array| arrays::to_text(&array, None))
        .map_or_else(|_| value.to_string(), |text| text.value(0).to_owned());
    match value {
        ScalarValue::Utf8(_) | ScalarValue::Utf8View(_) | ScalarValue::LargeUtf8(_) => {
            format!("'{text}'")
        }
        _ => text,
    }
}

/// `(a + b)`
pub(crate) fn binary_text(left: &str, operator: &str, right: &str) -> String {
    let mut text = format!("({left} {operator} {right})");
    if text.len() > TEXT_MAX {
        let end = (0..=TEXT_MAX)
            .rev()
            .find(|end| text.is_char_boundary(*end))
            .unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
    text
}
