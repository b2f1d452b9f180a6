//! Cuts a file into lines and fields, as MySQL's `READ_INFO` does: the marks of the statement, escapes,
//! enclosed fields, lines that are too short or too long.
//!
//! It finds where fields begin and end in a window of the file; what is inside them is `field`'s part.
//! A line that is not in the window as a whole is asked for again when more of it is there.

use super::statement::Format;

/// A field in the window, without what encloses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Enclosed and properly closed.
    pub(super) enclosed: bool,
    /// It begins like an enclosed one and is not closed: that quote belongs to it.
    pub(super) unclosed: bool,
    /// Something in it does not stand for itself: escapes, doubled quotes.
    pub(super) escaped: bool,
}

/// What is at a place in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// A line; the next one begins at `next`. `cut`: it has more fields than were wanted.
    Fields { next: usize, cut: bool },
    /// Its end is not in the window.
    More,
    /// The file ends.
    End,
}

/// Finds lines.
#[derive(Debug)]
pub(super) struct Lines {
    format: Format,
    /// Bytes at which a field that is not enclosed may end or hold something special.
    special: [bool; 256],
}

/// The window ends before what was looked for; the file may go on.
struct More;

type Looked<T> = std::result::Result<T, More>;

/// How a field ended.
struct Found {
    span: Span,
    /// Behind the mark that ended it.
    next: usize,
    ends_line: bool,
    /// The file ended, not a mark.
    ends_file: bool,
}

impl Lines {
    pub(super) fn new(format: Format) -> Self {
        let mut special = [false; 256];
        let marks = [&format.field_end, &format.line_end];
        let firsts = marks.into_iter().filter_map(|mark| mark.first().copied());
        let returns = format.crlf.then_some(b'\r');
        for byte in firsts.chain(format.escape).chain(returns) {
            special[usize::from(byte)] = true;
        }
        Self { format, special }
    }

    pub(super) fn format(&self) -> &Format {
        &self.format
    }

    /// Reads the line at `at` into at most `width` spans. `is_last`: the file ends with the window.
    pub(super) fn read(
        &self,
        (text, is_last): (&[u8], bool),
        at: usize,
        width: usize,
        spans: &mut Vec<Span>,
    ) -> Line {
        spans.clear();
        self.fields((text, is_last), at, width, spans)
            .unwrap_or(Line::More)
    }

    fn fields(
        &self,
        window: (&[u8], bool),
        at: usize,
        width: usize,
        spans: &mut Vec<Span>,
    ) -> Looked<Line> {
        let Some(mut at) = self.line_start(window, at)? else {
            return Ok(Line::End);
        };
        while spans.len() < width {
            let Some(found) = self.field(window, at)? else {
                // Behind a mark that ended a field, and at the file's end.
                return Ok(match spans.is_empty() {
                    true => Line::End,
                    false => Line::Fields {
                        next: at,
                        cut: false,
                    },
                });
            };
            spans.push(found.span);
            at = found.next;
            if found.ends_line || found.ends_file {
                return Ok(Line::Fields {
                    next: at,
                    cut: false,
                });
            }
        }
        if self.format.line_end.is_empty() {
            return Ok(Line::Fields {
                next: at,
                cut: false,
            });
        }
        let (end, next) = self.rest_of_line(window, at)?;
        // What stands there at the file's end without a mark behind it passes unnoticed.
        let cut = next > end && end > at;
        Ok(Line::Fields { next, cut })
    }

    /// Where the line's fields begin; `None` at the file's end.
    fn line_start(&self, (text, is_last): (&[u8], bool), at: usize) -> Looked<Option<usize>> {
        let mark = &self.format.line_start;
        if mark.is_empty() {
            return match (at < text.len(), is_last) {
                (true, _) => Ok(Some(at)),
                (false, true) => Ok(None),
                (false, false) => Err(More),
            };
        }
        let rest = text.get(at..).unwrap_or_default();
        match rest.windows(mark.len()).position(|bytes| bytes == mark) {
            Some(found) => Ok(Some(at + found + mark.len())),
            None if is_last => Ok(None),
            None => Err(More),
        }
    }

    /// The field at `at`; `None` at the file's end.
    fn field(&self, window: (&[u8], bool), at: usize) -> Looked<Option<Found>> {
        let (text, is_last) = window;
        match text.get(at) {
            None if is_last => Ok(None),
            None => Err(More),
            Some(first) if Some(*first) == self.format.enclosed => {
                self.enclosed_field(window, at).map(Some)
            }
            Some(_) => self.plain_field(window, at).map(Some),
        }
    }

    fn plain_field(&self, window: (&[u8], bool), start: usize) -> Looked<Found> {
        let (text, is_last) = window;
        let (mut at, mut escaped) = (start, false);
        let found = |end, escaped, next, ends_line, ends_file| Found {
            span: Span {
                start,
                end,
                enclosed: false,
                unclosed: false,
                escaped,
            },
            next,
            ends_line,
            ends_file,
        };
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let Some(plain) = rest.iter().position(|b| self.special[usize::from(*b)]) else {
                return match is_last {
                    true => Ok(found(text.len(), escaped, text.len(), false, true)),
                    false => Err(More),
                };
            };
            at += plain;
            if let Some(next) = self.escape_at(window, at)? {
                (at, escaped) = (next, true);
            } else if let Some(next) = self.line_end_at(window, at)? {
                return Ok(found(at, escaped, next, true, false));
            } else if let Some(next) = mark_at(window, at, &self.format.field_end)? {
                return Ok(found(at, escaped, next, false, false));
            } else {
                at += 1;
            }
        }
    }

    fn enclosed_field(&self, window: (&[u8], bool), start: usize) -> Looked<Found> {
        let (text, is_last) = window;
        let (mut at, mut escaped) = (start + 1, false);
        let closed = |end, escaped, next, ends_line, ends_file| Found {
            span: Span {
                start: start + 1,
                end,
                enclosed: true,
                unclosed: false,
                escaped,
            },
            next,
            ends_line,
            ends_file,
        };
        loop {
            let Some(byte) = text.get(at).copied() else {
                let span = Span {
                    start,
                    end: text.len(),
                    enclosed: false,
                    unclosed: true,
                    escaped,
                };
                return match is_last {
                    true => Ok(Found {
                        span,
                        next: text.len(),
                        ends_line: false,
                        ends_file: true,
                    }),
                    false => Err(More),
                };
            };
            if let Some(next) = self.escape_at(window, at)? {
                (at, escaped) = (next, true);
                continue;
            }
            if Some(byte) != self.format.enclosed {
                at += 1;
                continue;
            }
            match text.get(at + 1) {
                None if is_last => return Ok(closed(at, escaped, at + 1, true, true)),
                None => return Err(More),
                Some(next) if *next == byte => (at, escaped) = (at + 2, true),
                Some(_) => {
                    if let Some(next) = self.line_end_at(window, at + 1)? {
                        return Ok(closed(at, escaped, next, true, false));
                    }
                    if let Some(next) = mark_at(window, at + 1, &self.format.field_end)? {
                        return Ok(closed(at, escaped, next, false, false));
                    }
                    // A quote inside.
                    at += 1;
                }
            }
        }
    }

    /// Behind an escape and what it escapes, if there is one.
    fn escape_at(&self, (text, is_last): (&[u8], bool), at: usize) -> Looked<Option<usize>> {
        let Some(escape) = self.format.escape.filter(|e| text.get(at) == Some(e)) else {
            return Ok(None);
        };
        match text.get(at + 1) {
            // Quotes that escape themselves escape nothing else.
            Some(next) if self.format.enclosed == Some(escape) && *next != escape => Ok(None),
            Some(_) => Ok(Some(at + 2)),
            None if is_last && self.format.enclosed == Some(escape) => Ok(None),
            None if is_last => Ok(Some(at + 1)),
            None => Err(More),
        }
    }

    /// Behind the mark that ends a line, if it is at `at`.
    fn line_end_at(&self, window: (&[u8], bool), at: usize) -> Looked<Option<usize>> {
        let (text, is_last) = window;
        if !self.format.crlf || text.get(at) != Some(&b'\r') {
            return mark_at(window, at, &self.format.line_end);
        }
        match text.get(at + 1) {
            None if !is_last => Err(More),
            _ => mark_at(window, at + 1, &self.format.line_end),
        }
    }

    /// Where the line that goes on at `at` ends, and where the next one begins: the same at the file's end. Nothing
    /// is enclosed there any more.
    fn rest_of_line(&self, window: (&[u8], bool), mut at: usize) -> Looked<(usize, usize)> {
        let (text, is_last) = window;
        loop {
            let Some(byte) = text.get(at) else {
                return match is_last {
                    true => Ok((text.len(), text.len())),
                    false => Err(More),
                };
            };
            if Some(*byte) == self.format.escape {
                match text.get(at + 1) {
                    None if !is_last => return Err(More),
                    _ => at = (at + 2).min(text.len()),
                }
            } else if let Some(next) = self.line_end_at(window, at)? {
                return Ok((at, next));
            } else {
                at += 1;
            }
        }
    }

    /// Behind the line at `at`, which is not wanted; `None`: its end is not in the window.
    pub(super) fn skip(&self, window: (&[u8], bool), at: usize) -> Option<usize> {
        self.rest_of_line(window, at).ok().map(|(_, next)| next)
    }
}

/// Behind a mark, if it is there.
fn mark_at((text, is_last): (&[u8], bool), at: usize, mark: &[u8]) -> Looked<Option<usize>> {
    let there = text.get(at..).unwrap_or_default();
    match mark {
        [] => Ok(None),
        [byte] => Ok((there.first() == Some(byte)).then_some(at + 1)),
        _ if there.starts_with(mark) => Ok(Some(at + mark.len())),
        _ if !is_last && mark.starts_with(there) => Err(More),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::{Field, decode};
    use super::*;

    fn read(format: &Format, width: usize, text: &[u8]) -> Vec<Vec<Option<String>>> {
        let lines = Lines::new(format.clone());
        let (mut at, mut spans, mut all) = (0, Vec::new(), Vec::new());
        while let Line::Fields { next, .. } = lines.read((text, true), at, width, &mut spans) {
            let mut scratch = Vec::new();
            let value = |span: &Span| match decode(format, text, *span, &mut scratch) {
                Field::Null => None,
                Field::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
            };
            all.push(spans.iter().map(value).collect());
            at = next;
        }
        all
    }

    fn csv() -> Format {
        Format {
            field_end: b",".to_vec(),
            enclosed: Some(b'"'),
            ..Format::default()
        }
    }

    fn some(fields: &[&str]) -> Vec<Option<String>> {
        fields
            .iter()
            .map(|field| Some((*field).to_owned()))
            .collect()
    }

    #[test]
    fn fields_end_at_their_marks_and_escapes_hide_them() {
        let text = b"a\\tb\tc\n\\N\t\\\t\\\n\nx";
        let expected = vec![
            some(&["a\tb", "c"]),
            vec![None, Some("\t\n".to_owned())],
            some(&["x"]),
        ];
        assert_eq!(read(&Format::default(), 2, text), expected);
    }

    #[test]
    fn enclosed_fields_hold_marks_and_doubled_quotes() {
        let text = b"\"a,b\",\"c\"\"d\"\n\"e\nf\",\"g\"h\"\nNULL,\"NULL\"\n";
        let expected = vec![
            some(&["a,b", "c\"d"]),
            some(&["e\nf", "g\"h"]),
            vec![None, Some("NULL".to_owned())],
        ];
        assert_eq!(read(&csv(), 2, text), expected);
    }

    #[test]
    fn lines_of_csv_may_end_with_carriage_returns() {
        let text = b"id,name\r\n1,\"a\"\r\n2,\"b\r\nc\"\r\n3,d\re\n4,f,\r\n5,\"g\"";
        let expected = vec![
            some(&["id", "name"]),
            some(&["1", "a"]),
            some(&["2", "b\r\nc"]),
            some(&["3", "d\re"]),
            some(&["4", "f"]),
            some(&["5", "g"]),
        ];
        assert_eq!(read(&Format::csv(), 2, text), expected);
        let lines = Lines::new(Format::csv());
        let read = lines.read((b"4,f,\r\n", true), 0, 2, &mut Vec::new());
        let whole = Line::Fields {
            next: 6,
            cut: false,
        };
        assert_eq!(read, whole);
    }

    #[test]
    fn wherever_the_window_ends_the_lines_are_the_same() {
        windows_agree(
            Format {
                line_start: b"xx".to_vec(),
                line_end: b"\r\n".to_vec(),
                ..csv()
            },
            b"xx1,\"2\"\"\r\n\",3\r\nno xx\\\r\n4,5,6,7\r\nxx\"a\"\r\nxx",
        );
        windows_agree(
            Format::csv(),
            b"1,\"2\r\n\"\r\n3,4,5,6\r\n\r,\"\"\"\"\r\nx\r\n",
        );
    }

    fn windows_agree(format: Format, text: &[u8]) {
        let whole = read(&format, 3, text);
        let lines = Lines::new(format.clone());
        for cut in 0..text.len() {
            let (mut at, mut spans, mut count) = (0, Vec::new(), 0);
            let mut window: (&[u8], bool) = (&text[..cut], false);
            loop {
                match lines.read(window, at, 3, &mut spans) {
                    Line::Fields { next, .. } => (at, count) = (next, count + 1),
                    Line::More => window = (text, true),
                    Line::End => break,
                }
            }
            assert_eq!(count, whole.len(), "cut at {cut}");
        }
    }
}
