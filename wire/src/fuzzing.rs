//! Entry points for fuzzers, and the same run as ordinary property tests. Not part of the crate's API:
//! compiled for tests and behind the feature `fuzzing` only.
//!
//! An input is a byte string; the first bytes choose limits and how the rest is torn. What is checked
//! besides "no panic": a message never exceeds the limit, tearing changes nothing, and a connection
//! ends when its bytes do.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use crate::auth::Credential;
use crate::backend::{Account, Backend, Done, Login, Outcome, Prepared, Rows, Session, Status};
use crate::capability::OFFERED;
use crate::column::{Column, ColumnType};
use crate::command::Command;
use crate::compress::{Algorithm, Compression};
use crate::connection::Connection;
use crate::error::SqlError;
use crate::execute::decode_params;
use crate::frame::{FrameError, Inbox, MAX_PACKET};
use crate::handshake::{HandshakeResponse, Identity};
use crate::limits::Limits;
use crate::line::Phase;
use crate::login::login;
use crate::param::Param;
use crate::server::Shared;
use crate::statement::LongData;

/// Framing, handshake, commands and parameters, without a connection around them.
pub fn decode(input: &[u8]) {
    let Some((&[limit, tear, mode], bytes)) = input.split_first_chunk::<3>() else {
        return;
    };
    let limit = usize::from(limit) * 16;
    let torn = messages(bytes, usize::from(tear).max(1), limit, mode & 1 == 1);
    let glued = messages(bytes, bytes.len().max(1), limit, mode & 1 == 1);
    assert_eq!(torn, glued, "tearing changes messages");
    // As in a connection, the types last bound belong to one statement with its number of parameters.
    let mut types = HashMap::new();
    for message in glued.iter().flatten() {
        assert!(message.len() <= limit);
        let _ = HandshakeResponse::decode(message, OFFERED);
        match Command::decode(message) {
            Ok(Command::Execute {
                statement, body, ..
            }) => {
                let count = (statement % 70) as u16;
                let types = types.entry(count).or_default();
                let long_data = LongData::from([((statement >> 16) as u16, vec![1])]);
                if let Ok(params) = decode_params(body, count, types, long_data) {
                    assert_eq!(params.len(), usize::from(count));
                }
            }
            Ok(Command::ChangeUser(body)) => {
                let _ = Identity::decode_change_user(body, OFFERED, 255);
            }
            _ => {}
        }
    }
}

/// Compressed packets: whatever they hold is unpacked, the same however it is torn, or refused.
pub fn unpack(input: &[u8]) {
    let Some((&[mode, tear], bytes)) = input.split_first_chunk::<2>() else {
        return;
    };
    let algorithm = match mode & 1 {
        0 => Algorithm::Zlib,
        _ => Algorithm::zstd(mode >> 1),
    };
    let torn = unpacked(algorithm, bytes, usize::from(tear).max(1));
    let glued = unpacked(algorithm, bytes, bytes.len().max(1));
    assert!(torn == glued, "tearing changes packets");
    // What is packed is unpacked to the same.
    let mut packing = Compression::new(algorithm, Bytes::new());
    packing.pack(bytes);
    let back = unpacked(algorithm, packing.packed(), usize::from(tear).max(1));
    assert!(back.is_some_and(|back| back == bytes));
}

/// What comes out of compressed bytes; `None`: they are refused somewhere.
fn unpacked(algorithm: Algorithm, bytes: &[u8], piece: usize) -> Option<Vec<u8>> {
    let mut compression = Compression::new(algorithm, Bytes::new());
    let mut all = Vec::new();
    for piece in bytes.chunks(piece) {
        compression.room().extend_from_slice(piece);
        while let Some(bytes) = compression.unpack().ok()? {
            assert!(bytes.len() <= MAX_PACKET);
            all.extend_from_slice(&bytes);
        }
    }
    Some(all)
}

/// What the decoder makes of `bytes` that come in pieces of `piece` bytes.
fn messages(
    bytes: &[u8],
    piece: usize,
    limit: usize,
    drains: bool,
) -> Vec<Result<Vec<u8>, FrameError>> {
    let mut inbox = Inbox::new(limit);
    if drains {
        inbox.trust(limit);
    }
    let mut messages = Vec::new();
    for piece in bytes.chunks(piece) {
        inbox.room().extend_from_slice(piece);
        loop {
            match inbox.next() {
                Ok(None) => break,
                Ok(Some(message)) => messages.push(Ok(message.to_vec())),
                Err(error) => {
                    messages.push(Err(error));
                    if error == FrameError::OutOfOrder || !drains {
                        return messages;
                    }
                }
            }
            inbox.set_sequence(0);
        }
    }
    messages
}

/// A whole connection: greeting, login and commands against a backend that has an answer to
/// everything. With an odd first byte the client logs in properly first. Returns what the server
/// said.
pub fn converse(input: &[u8]) -> Vec<u8> {
    let Some((&[mode, tear], rest)) = input.split_first_chunk::<2>() else {
        return Vec::new();
    };
    let mut bytes = Vec::new();
    if mode & 1 == 1 {
        bytes.extend_from_slice(&[0x23, 0, 0, 1]);
        // PROTOCOL_41 and SECURE_CONNECTION, at will COMPRESS, PLUGIN_AUTH, SESSION_TRACK,
        // DEPRECATE_EOF and ZSTD_COMPRESSION.
        let (zlib, zstd) = ((mode & 4) << 3, (mode & 16) >> 2);
        bytes.extend_from_slice(&[zlib, 0x82, mode & 0x88, mode >> 1 & 1 | zstd]);
        bytes.extend_from_slice(&[0; 28]);
        bytes.extend_from_slice(b"u\0\0");
    }
    bytes.extend_from_slice(rest);
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    let piece = usize::from(tear).max(1);
    let stream = Script {
        bytes,
        position: 0,
        piece,
        heard: heard.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    if let Ok(runtime) = runtime {
        runtime.block_on(serve(stream));
    }
    heard
        .lock()
        .map(|mut heard| std::mem::take(&mut *heard))
        .unwrap_or_default()
}

async fn serve(stream: Script) {
    let limits = Limits {
        max_allowed_packet: 4096,
        max_statements: 4,
        ..Limits::default()
    };
    let Ok(shared) = Shared::new(Arc::new(Yes), limits, None) else {
        return;
    };
    let (shared, phase) = (Arc::new(shared), watch::Sender::new(Phase::Serving));
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    if let Some((line, client, session)) = login(&shared, stream, peer, phase.subscribe()).await {
        Connection::new(shared, line, client, session).serve().await;
    }
}

/// A client that says its bytes, piece by piece, takes every answer, and leaves.
struct Script {
    bytes: Vec<u8>,
    position: usize,
    piece: usize,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let count = rest.len().min(self.piece).min(buffer.remaining());
        buffer.put_slice(rest.get(..count).unwrap_or_default());
        self.position += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if let Ok(mut heard) = self.heard.lock() {
            heard.extend_from_slice(bytes);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A backend that agrees to everything. Statements are prepared with a parameter per `?`.
struct Yes;

struct YesSession(Vec<(u32, usize)>);

impl Backend for Yes {
    type Session = YesSession;

    fn server_version(&self) -> String {
        "8.4.0".into()
    }

    fn account(&self, user: &str, _peer: SocketAddr) -> Option<Account> {
        (user == "u").then_some(Account {
            credential: Credential::None,
        })
    }

    async fn open(&self, _login: Login) -> Result<YesSession, SqlError> {
        Ok(YesSession(Vec::new()))
    }
}

impl Session for YesSession {
    async fn query(&mut self, text: &[u8]) -> Result<Outcome, SqlError> {
        match text.first() {
            Some(b'e') => Err(SqlError::unknown_command()),
            Some(b'd') => Ok(Outcome::Done(Done::default())),
            _ => Ok(one_row(text)),
        }
    }

    async fn prepare(&mut self, text: &[u8]) -> Result<Prepared, SqlError> {
        let params = text.iter().filter(|&&byte| byte == b'?').count();
        let id = self.0.len() as u32 + 1;
        self.0.push((id, params));
        let params = vec![Column::expression("?", ColumnType::VarString); params];
        Ok(Prepared {
            id,
            params,
            columns: Vec::new(),
        })
    }

    async fn execute(&mut self, id: u32, params: Vec<Param>) -> Result<Outcome, SqlError> {
        assert!(
            self.0.contains(&(id, params.len())),
            "executed with all of its parameters"
        );
        Ok(one_row(format!("{params:?}").as_bytes()))
    }

    fn close_statement(&mut self, id: u32) {
        assert!(
            self.0.iter().any(|(known, _)| *known == id),
            "only known statements are closed"
        );
    }

    async fn use_database(&mut self, _name: &str) -> Result<(), SqlError> {
        Ok(())
    }

    async fn reset(&mut self) -> Result<(), SqlError> {
        Ok(())
    }

    fn status(&self) -> Status {
        Status {
            autocommit: true,
            ..Status::default()
        }
    }
}

fn one_row(text: &[u8]) -> Outcome {
    let array: ArrayRef = Arc::new(BinaryArray::from(vec![text]));
    let batch = RecordBatch::try_from_iter([("c", array)]).map_err(|_| SqlError::unknown_command());
    let columns = vec![Column::expression("c", ColumnType::VarString)];
    Outcome::Rows(Rows {
        columns,
        batches: stream::iter([batch]).boxed(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes with the shape of packets, so that they get past the framing.
    fn packets() -> impl Strategy<Value = Vec<u8>> {
        let number = prop_oneof![any::<u8>(), 1u8..0x20, Just(0x16), Just(0x17), Just(0x18)];
        let text = prop::collection::vec(prop_oneof![any::<u8>(), 0u8..3, Just(b'?')], 0..60);
        let packet = (number, text, 0u8..40).prop_map(|(number, text, slip)| {
            let sequence = u8::from(slip == 39);
            [
                &[text.len() as u8 + 1, 0, 0, sequence, number],
                text.as_slice(),
            ]
            .concat()
        });
        prop::collection::vec(packet, 0..12).prop_map(|packets| packets.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(head: [u8; 3], bytes in packets()) {
            decode(&[&head, bytes.as_slice()].concat());
        }

        #[test]
        fn any_conversation_ends(mode: u8, tear: u8, bytes in packets()) {
            converse(&[&[mode, tear], bytes.as_slice()].concat());
        }

        #[test]
        fn noise_is_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            decode(&bytes);
            converse(&bytes);
            unpack(&bytes);
        }

        #[test]
        fn compressed_conversations_end(
            mode: u8, tear: u8, bytes in packets(), cut in 1usize..200, spoilt in 0usize..2000,
        ) {
            let (mode, algorithm) = match mode & 1 {
                0 => (mode & 0x88 | 1 | 4, Algorithm::Zlib),
                _ => (mode & 0x88 | 1 | 16, Algorithm::Zstd(1)),
            };
            let mut compression = Compression::new(algorithm, Bytes::new());
            let mut stream = vec![mode, tear];
            for part in bytes.chunks(cut) {
                compression.pack(part);
                stream.extend_from_slice(compression.packed());
            }
            if let Some(byte) = stream.get_mut(spoilt + 2) {
                *byte ^= 0x55;
            }
            converse(&stream);
            unpack(&stream);
        }
    }

    #[test]
    fn the_scripted_login_reaches_the_commands() {
        let ok = [
            7, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,
        ];
        assert!(
            converse(&[1, 1, 1, 0, 0, 0, 0x0E]).ends_with(&ok),
            "OK to login and to ping"
        );
        let refused = converse(&[0, 1, 1, 0, 0, 0, 0x0E]);
        assert!(String::from_utf8_lossy(&refused).contains("Got packets out of order"));
    }
}
