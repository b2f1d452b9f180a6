//! Messages over a byte stream: the framing of `frame` tied to a socket.
//!
//! Reading is cancel-safe: bytes that came stay in the inbox. Nothing is written until a flush.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::compress::{Algorithm, Compression};
use crate::frame::{FrameError, Inbox, Outbox};

/// A client's byte stream.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How long a closing connection waits for the client to read what was said last.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes thrown away meanwhile.
const LINGER_BYTES: usize = 4 << 20;

/// Why no message came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("client closed the connection")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
}

pub(crate) struct Channel<S> {
    stream: S,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    /// Longest time without the client taking a byte.
    pub(crate) write_timeout: Duration,
    compression: Option<Box<Compression>>,
    /// What came cannot be unpacked.
    is_undecodable: bool,
}

impl<S: Stream> Channel<S> {
    pub(crate) fn new(stream: S, message_limit: usize, write_timeout: Duration) -> Self {
        let (inbox, outbox) = (Inbox::new(message_limit), Outbox::default());
        Channel {
            stream,
            inbox,
            outbox,
            write_timeout,
            compression: None,
            is_undecodable: false,
        }
    }

    /// Both sides compress from here on.
    pub(crate) fn compress(&mut self, algorithm: Algorithm) {
        let received = self.inbox.take_pending();
        self.inbox.expect_compression();
        self.compression = Some(Box::new(Compression::new(algorithm, received)));
    }

    /// The client has begun a message and not finished it.
    pub(crate) fn is_mid_message(&self) -> bool {
        let compression = self.compression.as_ref();
        self.inbox.is_mid_message() || compression.is_some_and(|c| c.is_mid_packet())
    }

    /// The stream itself, to put another in its place.
    pub(crate) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Reads once from the socket, or one compressed packet; 0 bytes is the end. Cancel-safe.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        let Some(compression) = &mut self.compression else {
            return self.stream.read_buf(self.inbox.room()).await;
        };
        loop {
            match compression.unpack() {
                Ok(None) => {}
                Ok(Some(bytes)) if bytes.is_empty() => continue,
                Ok(Some(bytes)) => {
                    self.inbox.append(&bytes);
                    return Ok(bytes.len());
                }
                Err(_) => {
                    self.is_undecodable = true;
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
            if self.stream.read_buf(compression.room()).await? == 0 {
                return Ok(0);
            }
        }
    }

    /// A new command has its sequence ids from 0 on.
    pub(crate) fn begin_command(&mut self) {
        self.inbox.set_sequence(0);
        self.outbox.set_sequence(0);
        if let Some(compression) = &mut self.compression {
            compression.begin();
        }
    }

    /// The next message if all of it has come. The answer continues its sequence ids.
    pub(crate) fn decoded(&mut self) -> Result<Option<Bytes>, FrameError> {
        if self.is_undecodable {
            return Err(FrameError::Undecodable);
        }
        let message = self.inbox.next();
        if !matches!(message, Ok(None)) {
            self.outbox.set_sequence(self.inbox.sequence());
            if let Some(compression) = &mut self.compression {
                compression.answer(self.inbox.taken());
            }
        }
        message
    }

    /// Sends what is in the outbox and reads the client's answer to it.
    pub(crate) async fn ask(&mut self) -> Result<Bytes, ReadError> {
        self.flush().await?;
        self.inbox.set_sequence(self.outbox.sequence());
        loop {
            if let Some(message) = self.decoded()? {
                return Ok(message);
            }
            if self.fill().await? == 0 {
                return Err(ReadError::Closed);
            }
        }
    }

    /// Writes the outbox to the socket, waiting for the client to take it.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        let mut rest = self.outbox.bytes();
        if let Some(compression) = &mut self.compression {
            compression.pack(rest);
            rest = compression.packed();
        }
        while !rest.is_empty() {
            let written = timeout(self.write_timeout, self.stream.write(rest)).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = rest.get(written..).unwrap_or_default();
        }
        self.outbox.clear();
        timeout(self.write_timeout, self.stream.flush()).await?
    }

    /// Flushes and closes in a way that lets the client read the last packet: closing a socket with
    /// unread input would reset the connection and could overtake the packet.
    pub(crate) async fn close(mut self) {
        self.write_timeout = self.write_timeout.min(LINGER);
        if self.flush().await.is_err() || self.stream.shutdown().await.is_err() {
            return;
        }
        let drain = async {
            let mut scrap = vec![0; 8 << 10];
            let mut left = LINGER_BYTES;
            while let Ok(count @ 1..) = self.stream.read(&mut scrap).await {
                left = match left.checked_sub(count) {
                    Some(left) => left,
                    None => break,
                };
            }
        };
        let _ = timeout(LINGER, drain).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_read_before_a_cancelled_wait_are_kept() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut channel = Channel::new(server, 100, Duration::from_secs(1));
        client.write_all(&[2, 0, 0, 0, 7]).await.unwrap();
        let wait = timeout(Duration::from_millis(20), channel.ask());
        assert!(wait.await.is_err());
        client.write_all(&[8]).await.unwrap();
        assert_eq!(channel.ask().await.unwrap()[..], [7, 8]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (_client, server) = tokio::io::duplex(16);
        let mut channel = Channel::new(server, 100, Duration::from_secs(60));
        channel.outbox.message(|out| out.resize(100, 0));
        let started = tokio::time::Instant::now();
        assert_eq!(
            channel.flush().await.unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
        assert_eq!(started.elapsed(), Duration::from_secs(60));
    }
}
