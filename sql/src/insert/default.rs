//! A column's default as it is kept: coerced like any value, then printed.

use super::column::{ColumnWriter, Surroundings};
use super::{Diagnostics, Scalar, Settings};
use crate::error::Result;
use crate::types::{ColumnAttributes, TimeZone, exact_text};

/// The text of a default; that of a TIMESTAMP in UTC. An error where the column cannot hold the
/// value; `Ok(None)` for bytes that are no text.
pub(crate) fn default_text(
    value: &Scalar,
    column: &str,
    attributes: &ColumnAttributes,
    settings: Settings,
) -> Result<Option<String>> {
    let mut writer = ColumnWriter::alone(column, attributes)?;
    let mut diagnostics = Diagnostics::new(settings.mode);
    let around = &mut Surroundings {
        settings: &settings,
        diagnostics: &mut diagnostics,
    };
    writer.append(value.datum(), around)?;
    Ok(exact_text(
        &attributes.mysql_type,
        &writer.finish(),
        0,
        TimeZone::UTC,
    ))
}
