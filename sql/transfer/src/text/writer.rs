//! Record batches to lines.
//!
//! With an escape character this writes what MySQL's INTO OUTFILE writes. Without one, a quote within
//! quotes is doubled, which MySQL leaves out, so that its file cannot be read back.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};

use super::{CellText, ColumnText, TextRules};
use crate::error::{Result, TransferError};

/// Characters that mean something behind an escape character, so that it does not take their own
/// meaning as an enclosing mark away: such a mark is doubled.
const ESCAPE_CHARACTERS: &[u8] = b"ntrb0ZN";
const NUMERIC_CHARACTERS: &[u8] = b".0123456789e+-";

/// What is to be done about a byte of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Care {
    Plain,
    Escape,
    Double,
}

#[derive(Debug)]
pub(crate) struct TextWriter {
    rules: TextRules,
    columns: Vec<Column>,
    /// Which columns of the result are written.
    places: Vec<usize>,
    null: Vec<u8>,
}

#[derive(Debug)]
struct Column {
    enclosed: bool,
    /// By byte; `None`: values need no look.
    care: Option<Box<[Care; 256]>>,
}

/// Whether MySQL treats values of this type as strings when it writes them: all but numbers.
fn is_text_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text_type(values),
        DataType::Boolean | DataType::Null => false,
        other => !other.is_numeric(),
    }
}

impl TextWriter {
    /// `schema`: of the columns that are written; `places`: which of the result they are.
    pub(crate) fn new(rules: &TextRules, schema: &Schema, places: Vec<usize>) -> Self {
        let fields = schema.fields().iter();
        let columns = fields.map(|field| Column::new(rules, is_text_type(field.data_type())));
        let null = match rules.escape {
            Some(escape) => vec![escape, b'N'],
            None => b"NULL".to_vec(),
        };
        Self {
            columns: columns.collect(),
            rules: rules.clone(),
            places,
            null,
        }
    }

    /// The line of names.
    pub(crate) fn header(&self, schema: &Schema, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.rules.line_start);
        let text = Column::new(&self.rules, true);
        for (at, field) in schema.fields().iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(&self.rules.field_end);
            }
            self.put(&text, field.name().as_bytes(), out);
        }
        out.extend_from_slice(self.line_end());
    }

    /// Appends the lines of `rows` of a batch.
    pub(crate) fn write(
        &self,
        cells: &dyn CellText,
        batch: &RecordBatch,
        rows: std::ops::Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let failed = |e| TransferError::Source(e);
        let printers: Vec<ColumnText<'_>> = cells.bind(batch, &self.places).map_err(failed)?;
        let mut value = Vec::new();
        for row in rows {
            out.extend_from_slice(&self.rules.line_start);
            for (at, (printer, column)) in printers.iter().zip(&self.columns).enumerate() {
                if at > 0 {
                    out.extend_from_slice(&self.rules.field_end);
                }
                if column.care.is_none() && !column.enclosed {
                    if !printer(row, out).map_err(failed)? {
                        out.extend_from_slice(&self.null);
                    }
                    continue;
                }
                value.clear();
                match printer(row, &mut value).map_err(failed)? {
                    true => self.put(column, &value, out),
                    false => out.extend_from_slice(&self.null),
                }
            }
            out.extend_from_slice(self.line_end());
        }
        Ok(())
    }

    /// Lines without a mark of their own end as fields do.
    fn line_end(&self) -> &[u8] {
        match self.rules.line_end.is_empty() {
            true => &self.rules.field_end,
            false => &self.rules.line_end,
        }
    }

    fn put(&self, column: &Column, value: &[u8], out: &mut Vec<u8>) {
        let mark = self.rules.enclosed.filter(|_| column.enclosed);
        out.extend(mark);
        match &column.care {
            None => out.extend_from_slice(value),
            Some(care) => self.put_with_care(care, value, out),
        }
        out.extend(mark);
    }

    fn put_with_care(&self, care: &[Care; 256], value: &[u8], out: &mut Vec<u8>) {
        let mut plain = 0;
        for (at, byte) in value.iter().enumerate() {
            let first = match care.get(usize::from(*byte)) {
                None | Some(Care::Plain) => continue,
                Some(Care::Double) => *byte,
                Some(Care::Escape) => self.rules.escape.unwrap_or(*byte),
            };
            out.extend_from_slice(value.get(plain..at).unwrap_or_default());
            out.extend_from_slice(&[
                first,
                if *byte == 0 && first != 0 {
                    b'0'
                } else {
                    *byte
                },
            ]);
            plain = at + 1;
        }
        out.extend_from_slice(value.get(plain..).unwrap_or_default());
    }
}

impl Column {
    fn new(rules: &TextRules, is_text: bool) -> Self {
        let optionally = rules.optionally && !rules.field_end.is_empty();
        let enclosed = rules.enclosed.is_some() && (!optionally || is_text);
        let field_end = rules.field_end.first().copied();
        // What MySQL calls the separator: the enclosing mark, else the beginning of a field's end.
        let separator = rules.enclosed.or(field_end);
        let line_end = rules.line_end.first().copied().or(field_end);
        let unsafe_separator = separator.is_some_and(|s| NUMERIC_CHARACTERS.contains(&s));
        let Some(escape) = rules.escape else {
            let care =
                enclosed.then(|| table(|b| (Some(b) == rules.enclosed).then_some(Care::Double)));
            return Self { enclosed, care };
        };
        if !is_text && !unsafe_separator {
            return Self {
                enclosed,
                care: None,
            };
        }
        let ambiguous = separator.is_some_and(|s| ESCAPE_CHARACTERS.contains(&s));
        let ambiguous_end = ambiguous && rules.enclosed.is_none();
        let care = table(|byte| {
            let ends = if enclosed { separator } else { field_end };
            let special =
                byte == escape || Some(byte) == ends || Some(byte) == line_end || byte == 0;
            // A field's end cannot be doubled: only enclosing marks can.
            if !special || (!enclosed && ambiguous_end && Some(byte) == field_end) {
                return None;
            }
            Some(match Some(byte) == separator && ambiguous {
                true => Care::Double,
                false => Care::Escape,
            })
        });
        Self {
            enclosed,
            care: Some(care),
        }
    }
}

fn table(care: impl Fn(u8) -> Option<Care>) -> Box<[Care; 256]> {
    let mut table = Box::new([Care::Plain; 256]);
    for (place, byte) in table.iter_mut().zip(0..=255) {
        *place = care(byte).unwrap_or(Care::Plain);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, AsArray, Int32Array, StringArray};
    use arrow::datatypes::Int32Type;

    use super::*;
    use crate::error::BoxError;

    /// Integers and strings.
    #[derive(Debug)]
    struct Plain;

    impl CellText for Plain {
        fn bind<'a>(
            &'a self,
            batch: &'a RecordBatch,
            _places: &[usize],
        ) -> std::result::Result<Vec<ColumnText<'a>>, BoxError> {
            let columns = batch.columns().iter();
            Ok(columns
                .map(|array| -> ColumnText<'a> {
                    Box::new(move |row, out| {
                        if array.is_null(row) {
                            return Ok(false);
                        }
                        match array.as_string_opt::<i32>() {
                            Some(text) => out.extend_from_slice(text.value(row).as_bytes()),
                            None => {
                                let value = array.as_primitive::<Int32Type>().value(row);
                                out.extend_from_slice(value.to_string().as_bytes());
                            }
                        }
                        Ok(true)
                    })
                })
                .collect())
        }
    }

    fn written(rules: &TextRules, text: &[Option<&str>]) -> String {
        let numbers: Vec<Option<i32>> = (0..text.len()).map(|n| (n > 0).then_some(-1)).collect();
        let batch = RecordBatch::try_from_iter([
            ("n", Arc::new(Int32Array::from(numbers)) as Arc<dyn Array>),
            ("s", Arc::new(StringArray::from(text.to_vec())) as _),
        ]);
        let batch = batch.expect("a batch");
        let writer = TextWriter::new(rules, batch.schema_ref(), vec![0, 1]);
        let mut out = Vec::new();
        writer
            .write(&Plain, &batch, 0..batch.num_rows(), &mut out)
            .expect("written");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn tabs_newlines_and_escapes_are_escaped_as_mysql_does() {
        let out = written(&TextRules::tabs(), &[Some("a\tb\nc\\d\0e"), None, Some("")]);
        assert_eq!(out, "\\N\ta\\\tb\\\nc\\\\d\\0e\n-1\t\\N\n-1\t\n");
    }

    #[test]
    fn enclosing_marks_are_escaped_and_null_is_not_enclosed() {
        let rules = TextRules {
            field_end: b",".to_vec(),
            enclosed: Some(b'"'),
            ..TextRules::tabs()
        };
        let out = written(&rules, &[Some("a\",b"), None]);
        assert_eq!(out, "\\N,\"a\\\",b\"\n\"-1\",\\N\n");
        let rules = TextRules {
            optionally: true,
            ..rules
        };
        assert_eq!(written(&rules, &[None, Some("x")]), "\\N,\\N\n-1,\"x\"\n");
    }

    #[test]
    fn csv_doubles_quotes_and_keeps_backslashes() {
        let out = written(&TextRules::csv(), &[Some("a\"b\\,\n"), None, Some("NULL")]);
        assert_eq!(out, "NULL,\"a\"\"b\\,\n\"\n-1,NULL\n-1,\"NULL\"\n");
    }

    #[test]
    fn a_mark_that_means_something_behind_the_escape_is_doubled() {
        let rules = TextRules {
            enclosed: Some(b'n'),
            ..TextRules::tabs()
        };
        assert_eq!(written(&rules, &[Some("ann")]), "\\N\tnannnnn\n");
        // A number that holds the separator is escaped, too.
        let rules = TextRules {
            field_end: b"-".to_vec(),
            ..TextRules::tabs()
        };
        assert_eq!(
            written(&rules, &[None, Some("a-b")]),
            "\\N-\\N\n\\-1-a\\-b\n"
        );
    }
}
