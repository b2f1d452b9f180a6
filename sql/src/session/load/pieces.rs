//! A plain file read by several threads: it is cut where lines end, each piece becomes batches by itself, and
//! they are taken in the file's order.
//!
//! Plain is a file whose lines end where an unescaped line feed is: without enclosed fields, which may hold
//! one. Numbers that the table makes, user variables and SET go the way of one thread.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::task::JoinHandle;

use super::input::check;
use super::loader::{Built, Loader};
use crate::error::{Result, SqlError, Warning};
use crate::load::{Format, LoadWriter, Progress, Window};

/// Bytes of a piece: some ten thousand rows.
const PIECE_BYTES: usize = 4 << 20;
/// Warnings kept, as of any statement.
const WARNINGS_KEPT: usize = 1024;

/// What became of a file, or of a piece of it.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) records: u64,
    /// Kept ones, and how many there were.
    pub(super) warnings: (Vec<Warning>, u64),
}

struct Piece {
    built: Vec<Built>,
    lines: Lines,
}

/// How a plain file is cut: the byte that makes the next one plain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cutter {
    escape: Option<u8>,
}

impl Cutter {
    /// `None`: the file is not plain.
    pub(super) fn new(format: &Format) -> Option<Self> {
        let plain = format.enclosed.is_none()
            && format.line_start.is_empty()
            && format.line_end == b"\n"
            && !format.field_end.is_empty()
            && !format.field_end.contains(&b'\n')
            && format
                .escape
                .is_none_or(|escape| escape != b'\n' && !format.field_end.contains(&escape));
        plain.then_some(Self {
            escape: format.escape,
        })
    }

    /// Whether a line ends with the line feed at `at`: an even number of escapes is before it.
    fn ends_line(&self, text: &[u8], at: usize) -> bool {
        let Some(escape) = self.escape else {
            return true;
        };
        let before = text.get(..at).unwrap_or_default().iter().rev();
        before.take_while(|byte| **byte == escape).count() % 2 == 0
    }

    /// Behind the last whole line; 0 when there is none.
    fn end(&self, text: &[u8]) -> usize {
        let mut rest = text;
        while let Some(at) = rest.iter().rposition(|byte| *byte == b'\n') {
            if self.ends_line(text, at) {
                return at + 1;
            }
            rest = rest.get(..at).unwrap_or_default();
        }
        0
    }

    /// Lines, the last of which may lack its end.
    fn count(&self, text: &[u8]) -> u64 {
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let escaped = self.escape.is_some_and(|escape| text.contains(&escape));
        let whole = match escaped {
            true => ends.filter(|(at, _)| self.ends_line(text, *at)).count(),
            false => ends.count(),
        };
        let whole = whole as u64;
        whole + u64::from(self.end(text) < text.len())
    }

    /// The next piece; `None` at the file's end.
    fn next(&self, window: &mut Window<impl Read>) -> Result<Option<Vec<u8>>> {
        loop {
            let (text, is_last) = window.text();
            if is_last && text.is_empty() {
                return Ok(None);
            }
            let end = match (is_last, text.len() >= PIECE_BYTES) {
                (true, _) => text.len(),
                (false, true) => self.end(text),
                (false, false) => 0,
            };
            if end > 0 {
                let piece = text.get(..end).unwrap_or_default().to_vec();
                window.take(end);
                return Ok(Some(piece));
            }
            window.fill()?;
        }
    }
}

/// Reads the whole file; batches are given to `take` in order.
pub(super) fn read(
    loader: &Arc<Loader>,
    cutter: Cutter,
    window: &mut Window<impl Read>,
    cancelled: &AtomicBool,
    take: &mut dyn FnMut(Built) -> Result<()>,
) -> Result<Lines> {
    let pool = loader.engine.pool()?.clone();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut under_way: VecDeque<JoinHandle<Result<Piece>>> = VecDeque::new();
    let (mut all, mut first_row) = (Lines::default(), 0);
    loop {
        check(cancelled)?;
        let piece = cutter.next(window)?;
        let has_ended = piece.is_none();
        if let Some(piece) = piece {
            let (loader, row) = (Arc::clone(loader), first_row);
            first_row += cutter.count(&piece);
            under_way.push_back(pool.spawn_blocking(move || read_piece(&loader, &piece, row)));
        }
        while under_way.len() > threads || (has_ended && !under_way.is_empty()) {
            let Some(first) = under_way.pop_front() else {
                break;
            };
            let piece = pool.block_on(first);
            let piece = piece.map_err(|e| SqlError::internal(e.to_string()))??;
            piece.built.into_iter().try_for_each(&mut *take)?;
            all.add(piece.lines);
        }
        if has_ended {
            return Ok(all);
        }
    }
}

fn read_piece(loader: &Loader, piece: &[u8], first_row: u64) -> Result<Piece> {
    let mut writer = LoadWriter::new(&loader.load, &loader.table, loader.settings)?;
    writer.begin_at(first_row);
    let (mut built, mut at) = (Vec::new(), 0);
    loop {
        let rest = piece.get(at..).unwrap_or_default();
        let (taken, progress) = writer.push((rest, true))?;
        at += taken;
        if writer.pending() > 0 {
            built.push(loader.batch(&mut writer)?);
        }
        if progress != Progress::Full {
            break;
        }
    }
    Ok(Piece {
        built,
        lines: Lines {
            records: writer.records(),
            warnings: writer.take_warnings(),
        },
    })
}

impl Lines {
    fn add(&mut self, more: Self) {
        self.records += more.records;
        let (kept, count) = &mut self.warnings;
        let room = WARNINGS_KEPT.saturating_sub(kept.len());
        kept.extend(more.warnings.0.into_iter().take(room));
        *count += more.warnings.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &[u8], escape: Option<u8>) -> (usize, u64) {
        let cutter = Cutter { escape };
        (cutter.end(text), cutter.count(text))
    }

    #[test]
    fn pieces_end_where_lines_do() {
        assert_eq!(pieces(b"a\nb\nc", Some(b'\\')), (4, 3));
        assert_eq!(pieces(b"a\nb\\\nc", Some(b'\\')), (2, 2));
        assert_eq!(pieces(b"a\nb\\\\\nc\n", Some(b'\\')), (8, 3));
        assert_eq!(pieces(b"a\nb\\\nc", None), (5, 3));
        assert_eq!(pieces(b"a\\\nb", Some(b'\\')), (0, 1));
        assert_eq!(pieces(b"", Some(b'\\')), (0, 0));
    }

    #[test]
    fn a_file_in_pieces_is_the_file() {
        let line = |i: u32| format!("{i}\tsome \\\n text\\\\\n");
        let text: String = (0..700_000).map(line).collect();
        let mut window = Window::new(text.as_bytes(), 64 << 20);
        let cutter = Cutter::new(&Format::default()).expect("plain");
        let (mut read, mut lines, mut count) = (Vec::new(), 0, 0);
        while let Some(piece) = cutter.next(&mut window).expect("reads") {
            lines += cutter.count(&piece);
            count += 1;
            read.extend(piece);
        }
        assert!(read == text.as_bytes() && count > 2);
        assert_eq!(lines, 700_000);
    }

    #[test]
    fn files_with_enclosed_fields_or_other_ends_are_not_cut() {
        let plain = Format::default();
        for format in [
            Format {
                enclosed: Some(b'"'),
                ..plain.clone()
            },
            Format {
                line_end: b"\r\n".to_vec(),
                ..plain.clone()
            },
            Format {
                line_start: b"x".to_vec(),
                ..plain.clone()
            },
            Format {
                field_end: Vec::new(),
                ..plain
            },
        ] {
            assert!(Cutter::new(&format).is_none(), "{format:?}");
        }
    }
}
