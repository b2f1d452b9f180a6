//! A client made of bytes: it can say what no driver would.

use std::net::SocketAddr;
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub const CONNECT_WITH_DB: u32 = 1 << 3;
pub const PROTOCOL_41: u32 = 1 << 9;
pub const SECURE_CONNECTION: u32 = 1 << 15;
pub const PLUGIN_AUTH: u32 = 1 << 19;
pub const SESSION_TRACK: u32 = 1 << 23;
pub const DEPRECATE_EOF: u32 = 1 << 24;
pub const BASIC: u32 = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;

pub const NATIVE: &str = "mysql_native_password";
pub const SHA2: &str = "caching_sha2_password";

/// Longest wait for anything in a test.
const PATIENCE: Duration = Duration::from_secs(10);

/// Over a socket, or over what a socket was made into.
pub struct Raw<S = TcpStream> {
    pub stream: S,
    pub scramble: Vec<u8>,
    pub connection_id: u32,
    /// Bytes read and not looked at.
    buffer: Vec<u8>,
}

/// Who logs in and how.
#[derive(Clone)]
pub struct Who<'a> {
    pub user: &'a str,
    pub password: &'a str,
    pub plugin: &'a str,
    pub database: Option<&'a str>,
    pub capabilities: u32,
}

impl<'a> Who<'a> {
    pub fn new(user: &'a str, password: &'a str, plugin: &'a str) -> Self {
        Who {
            user,
            password,
            plugin,
            database: None,
            capabilities: BASIC,
        }
    }
}

/// What a server packet is, by its first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Ok,
    Error(u16, String),
    Other(Vec<u8>),
    /// The connection is closed.
    End,
}

pub fn answer(packet: Option<(u8, Vec<u8>)>) -> Answer {
    match packet {
        None => Answer::End,
        Some((_, packet)) => match packet.as_slice() {
            [0, ..] => Answer::Ok,
            [0xFF, low, high, b'#', _, _, _, _, _, text @ ..] => {
                let text = String::from_utf8_lossy(text).into_owned();
                Answer::Error(u16::from_le_bytes([*low, *high]), text)
            }
            [0xFF, low, high, text @ ..] => {
                let text = String::from_utf8_lossy(text).into_owned();
                Answer::Error(u16::from_le_bytes([*low, *high]), text)
            }
            other => Answer::Other(other.to_vec()),
        },
    }
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// A plugin's proof of a password.
pub fn proof(plugin: &str, password: &str, scramble: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    if plugin == NATIVE {
        let once = Sha1::digest(password);
        let mask = Sha1::new()
            .chain_update(scramble)
            .chain_update(Sha1::digest(once))
            .finalize();
        return xor(&once, &mask);
    }
    let once = Sha256::digest(password);
    let twice = Sha256::digest(once);
    xor(
        &once,
        &Sha256::new()
            .chain_update(twice)
            .chain_update(scramble)
            .finalize(),
    )
}

pub fn handshake_response(who: &Who<'_>, scramble: &[u8]) -> Vec<u8> {
    let database = if who.database.is_some() {
        CONNECT_WITH_DB
    } else {
        0
    };
    let mut out = (who.capabilities | database).to_le_bytes().to_vec();
    out.extend_from_slice(&(1u32 << 24).to_le_bytes());
    out.push(255);
    out.extend_from_slice(&[0; 23]);
    out.extend_from_slice(who.user.as_bytes());
    out.push(0);
    let proof = proof(who.plugin, who.password, scramble);
    out.push(proof.len() as u8);
    out.extend_from_slice(&proof);
    if let Some(database) = who.database {
        out.extend_from_slice(database.as_bytes());
        out.push(0);
    }
    out.extend_from_slice(who.plugin.as_bytes());
    out.push(0);
    out
}

impl Raw {
    /// Connects and reads the greeting.
    pub async fn connect(address: SocketAddr) -> Raw {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut raw = Raw::over(stream);
        let (sequence, greeting) = raw.packet().await.unwrap();
        assert_eq!((sequence, greeting[0]), (0, 10));
        let version = greeting.iter().position(|&byte| byte == 0).unwrap();
        let rest = &greeting[version + 1..];
        raw.connection_id = u32::from_le_bytes(rest[..4].try_into().unwrap());
        raw.scramble = [&rest[4..12], &rest[31..43]].concat();
        raw
    }

    /// Connects and logs in; the last packet of the login with the connection.
    pub async fn try_login(address: SocketAddr, who: &Who<'_>) -> (Raw, Answer) {
        let mut raw = Raw::connect(address).await;
        let response = handshake_response(who, &raw.scramble);
        raw.send(1, &response).await;
        let answer = raw.finish_login(who.password).await;
        (raw, answer)
    }

    pub async fn login(address: SocketAddr) -> Raw {
        Self::login_with(address, BASIC).await
    }

    pub async fn login_with(address: SocketAddr, capabilities: u32) -> Raw {
        let who = Who {
            capabilities,
            ..Who::new("root", "", SHA2)
        };
        let (raw, answer) = Self::try_login(address, &who).await;
        assert_eq!(answer, Answer::Ok);
        raw
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// A client that has not read the greeting.
    pub fn over(stream: S) -> Self {
        Raw {
            stream,
            scramble: Vec::new(),
            connection_id: 0,
            buffer: Vec::new(),
        }
    }

    /// Answers auth switches until OK or an error.
    pub async fn finish_login(&mut self, password: &str) -> Answer {
        loop {
            let Some((sequence, packet)) = self.packet().await else {
                return Answer::End;
            };
            match packet.as_slice() {
                [0xFE, rest @ ..] => {
                    let mut parts = rest.splitn(2, |&byte| byte == 0);
                    let plugin = std::str::from_utf8(parts.next().unwrap())
                        .unwrap()
                        .to_owned();
                    self.scramble = parts.next().unwrap()[..20].to_vec();
                    let proof = proof(&plugin, password, &self.scramble);
                    self.send(sequence + 1, &proof).await;
                }
                [1, 3] => {}
                _ => return answer(Some((sequence, packet))),
            }
        }
    }

    /// One packet, or None at the end of the stream.
    pub async fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(PATIENCE, async {
            let head = self.take(4).await?;
            let payload = self.take(u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize);
            Some((head[3], payload.await?))
        })
        .await
        .expect("no answer in time")
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            self.buffer.reserve(64 << 10);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                _ => return None,
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    pub async fn answer(&mut self) -> Answer {
        answer(self.packet().await)
    }

    pub async fn send(&mut self, sequence: u8, payload: &[u8]) {
        self.stream
            .write_all(&packet(sequence, payload))
            .await
            .unwrap();
    }

    /// Sends a command and reads the first packet of its answer.
    pub async fn command(&mut self, payload: &[u8]) -> Answer {
        self.send(0, payload).await;
        self.answer().await
    }

    pub async fn ping(&mut self) -> Answer {
        self.command(&[0x0E]).await
    }

    /// Prepares a statement and reads its whole answer; None if it is an error.
    pub async fn prepare(&mut self, text: &str) -> u32 {
        self.send(0, &[b"\x16", text.as_bytes()].concat()).await;
        let (_, head) = self.packet().await.unwrap();
        assert_eq!(head[0], 0, "{head:?}");
        let columns = u16::from_le_bytes([head[5], head[6]]);
        let params = u16::from_le_bytes([head[7], head[8]]);
        for count in [params, columns] {
            for _ in 0..count + u16::from(count > 0) {
                self.packet().await.unwrap();
            }
        }
        u32::from_le_bytes(head[1..5].try_into().unwrap())
    }

    /// Reads a text or binary result set in the classic form; its rows, and what ended them.
    pub async fn rows(&mut self) -> (Vec<Vec<u8>>, Answer) {
        let (_, head) = self.packet().await.unwrap();
        if matches!(head[0], 0 | 0xFF) {
            return (Vec::new(), answer(Some((0, head))));
        }
        for _ in 0..head[0] {
            self.packet().await.unwrap();
        }
        let (_, eof) = self.packet().await.unwrap();
        assert_eq!((eof[0], eof.len()), (0xFE, 5));
        let mut rows = Vec::new();
        loop {
            match self.packet().await {
                Some((_, row)) if row[0] == 0xFF || (row[0] == 0xFE && row.len() == 5) => {
                    return (rows, answer(Some((0, row))));
                }
                Some((_, row)) => rows.push(row),
                None => return (rows, Answer::End),
            }
        }
    }

    pub async fn query(&mut self, text: &str) -> (Vec<Vec<u8>>, Answer) {
        self.send(0, &[b"\x03", text.as_bytes()].concat()).await;
        self.rows().await
    }
}

pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = (payload.len() as u32).to_le_bytes();
    [&[a, b, c, sequence], payload].concat()
}
