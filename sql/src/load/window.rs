//! The part of a file that is being looked at: it moves on as lines are taken.

use std::io::Read;

use storno_transfer::TransferError;

use crate::error::{Result, SqlError};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// The part of a file that is being looked at.
#[derive(Debug)]
pub(crate) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of the buffer is the file's and not yet done with.
    start: usize,
    end: usize,
    is_last: bool,
    line_bytes_max: usize,
}

impl<R: Read> Window<R> {
    /// A line may be `line_bytes_max` long.
    pub(crate) fn new(source: R, line_bytes_max: usize) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            is_last: false,
            line_bytes_max,
        }
    }

    /// The bytes, and whether the file ends with them.
    pub(crate) fn text(&self) -> (&[u8], bool) {
        let text = self.buffer.get(self.start..self.end);
        (text.unwrap_or_default(), self.is_last)
    }

    /// Is done with the first `count` bytes.
    pub(crate) fn take(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Reads on. 1153 for a line without end.
    pub(crate) fn fill(&mut self) -> Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end > self.line_bytes_max {
            let text = "Got a packet bigger than 'max_allowed_packet' bytes";
            return Err(SqlError::new(1153, "08S01", text));
        }
        if self.buffer.len() < self.end + READ_BYTES / 2 {
            self.buffer.resize((2 * self.end).max(READ_BYTES), 0);
        }
        loop {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.source.read(room) {
                Ok(0) => self.is_last = true,
                Ok(count) => self.end += count,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(unreadable(&e)),
            }
            return Ok(());
        }
    }
}

/// What the reader of a client's file fails with when the client, or the session, is gone.
pub(crate) fn unreadable(error: &std::io::Error) -> SqlError {
    let inner = error.get_ref();
    if let Some(TransferError::Cancelled) = inner.and_then(|e| e.downcast_ref()) {
        return SqlError::interrupted();
    }
    match inner.and_then(|e| e.downcast_ref::<SqlError>()) {
        Some(error) => error.clone(),
        None => {
            let code = error.raw_os_error().unwrap_or(0);
            let text = format!("Error reading file (OS errno {code} - {error})");
            SqlError::new(1024, "HY000", text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_longer_than_allowed_is_an_error() {
        let mut window = Window::new(std::io::repeat(b'x'), 3 << 20);
        let failed = (0..10).find_map(|_| window.fill().err());
        assert_eq!(failed.map(|e| e.code), Some(1153));
    }
}
