//! Lines of a file as rows of texts, for those who want no table's columns.

use std::io::Read;

use super::field::{Field, decode};
use super::lines::{Line, Lines, Span};
use super::statement::Format;
use super::typed::TypedRows;
use super::window::Window;
use crate::error::{Result, SqlError};
use crate::insert::Scalar;

/// Longest line, and most fields of one.
const LINE_BYTES_MAX: usize = 64 << 20;
const FIELDS_MAX: usize = 4_096;

/// Rows of a file of lines.
pub(crate) struct TextRows<R> {
    window: Window<R>,
    lines: Lines,
    spans: Vec<Span>,
    scratch: Vec<u8>,
    /// Places of the fields that are wanted; `None`: all that a line has.
    places: Option<Vec<usize>>,
}

impl<R: Read> TextRows<R> {
    pub(crate) fn new(file: R, format: Format, places: Option<Vec<usize>>) -> Self {
        Self {
            window: Window::new(file, LINE_BYTES_MAX),
            lines: Lines::new(format),
            spans: Vec::new(),
            scratch: Vec::new(),
            places,
        }
    }

    /// Finds the next line; how many bytes it and what is before it take.
    fn line(&mut self) -> Result<Option<usize>> {
        loop {
            match self
                .lines
                .read(self.window.text(), 0, FIELDS_MAX, &mut self.spans)
            {
                Line::End => return Ok(None),
                Line::Fields { next, .. } => return Ok(Some(next)),
                Line::More => self.window.fill()?,
            }
        }
    }
}

impl<R: Read + Send> TypedRows for TextRows<R> {
    fn next(&mut self, row: &mut Vec<Option<Scalar>>) -> Result<bool> {
        let Some(length) = self.line()? else {
            return Ok(false);
        };
        row.clear();
        let (text, _) = self.window.text();
        let count = self.places.as_ref().map_or(self.spans.len(), Vec::len);
        for at in 0..count {
            let place = self
                .places
                .as_ref()
                .and_then(|places| places.get(at).copied());
            let span = self.spans.get(place.unwrap_or(at)).copied();
            let value = span.map(|span| decode(self.lines.format(), text, span, &mut self.scratch));
            row.push(match value {
                None => None,
                Some(Field::Null) => Some(Scalar::Null),
                Some(Field::Text(bytes)) => {
                    let text = std::str::from_utf8(bytes).map_err(|_| {
                        SqlError::new(1300, "HY000", "Invalid utf8mb4 character string in a file")
                    })?;
                    Some(Scalar::Text(text.to_owned()))
                }
            });
        }
        self.window.take(length);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_rows_of_texts() {
        let text = "a,\"b \"\"c\"\"\"\nNULL,x,y\n";
        let mut rows = TextRows::new(text.as_bytes(), Format::csv(), Some(vec![1, 0]));
        let mut row = Vec::new();
        assert_eq!(rows.next(&mut row), Ok(true));
        assert_eq!(
            row,
            ["b \"c\"", "a"].map(|text| Some(Scalar::Text(text.into())))
        );
        assert_eq!(rows.next(&mut row), Ok(true));
        assert_eq!(row, [Some(Scalar::Text("x".into())), Some(Scalar::Null)]);
        assert_eq!(rows.next(&mut row), Ok(false));
    }
}
