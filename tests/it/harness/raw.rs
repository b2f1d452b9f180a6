//! A connection made of packets: for what a well-behaved driver never sends.
//!
//! It logs in as root without a password and then sends whatever it is told. No TLS, no
//! compression.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Outcome, Refusal, Server, ensure};

const PATIENCE: Duration = Duration::from_secs(60);

pub const PROTOCOL_41: u32 = 1 << 9;
/// CLIENT_LONG_PASSWORD | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | PLUGIN_AUTH
const CAPABILITIES: u32 = 1 | PROTOCOL_41 | 1 << 13 | 1 << 15 | 1 << 19;
const UTF8MB4: u8 = 45;

pub struct RawConnection {
    stream: BufReader<TcpStream>,
    sequence: u8,
    capabilities: u32,
    greeting: Vec<u8>,
}

impl RawConnection {
    pub async fn open(server: &Server) -> Outcome<Self> {
        Self::open_with(server, 0).await
    }

    /// Logged in with more capabilities than the usual ones.
    pub async fn open_with(server: &Server, capabilities: u32) -> Outcome<Self> {
        let mut connection = Self::greeted(server.port()).await?;
        connection.capabilities |= capabilities;
        connection.log_in().await?;
        Ok(connection)
    }

    /// A connection that has said nothing yet.
    pub async fn greeted(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let mut connection = Self {
            stream: BufReader::new(stream),
            sequence: 0,
            capabilities: CAPABILITIES,
            greeting: Vec::new(),
        };
        let greeting = connection.receive().await?;
        ensure(greeting.first() == Some(&10), || {
            format!("no greeting: {greeting:?}")
        })?;
        connection.greeting = greeting;
        Ok(connection)
    }

    pub fn greeting(&self) -> &[u8] {
        &self.greeting
    }

    /// The capabilities that the login will name.
    pub fn expects(&mut self, capabilities: u32) {
        self.capabilities = capabilities;
    }

    pub fn capabilities(&self) -> u32 {
        self.capabilities
    }

    async fn log_in(&mut self) -> Outcome {
        let mut response = self.capabilities.to_le_bytes().to_vec();
        response.extend((64u32 << 20).to_le_bytes());
        response.push(UTF8MB4);
        response.extend([0; 23]);
        response.extend(b"root\0");
        response.push(0); // an empty answer to the scramble: no password
        response.extend(b"mysql_native_password\0");
        self.send(&response).await?;
        self.let_in().await
    }

    /// COM_CHANGE_USER for a user without a password.
    pub async fn log_in_again(&mut self, command: &[u8]) -> Outcome {
        self.send_command(command).await?;
        self.let_in().await
    }

    async fn let_in(&mut self) -> Outcome {
        let mut answer = self.receive().await?;
        if answer.first() == Some(&0xFE) {
            self.send(&[]).await?; // another plugin is asked for; the password is still empty
            answer = self.receive().await?;
        }
        ensure(answer.first() == Some(&0), || {
            format!("not logged in: {}", refusal_of(&answer))
        })
    }

    /// A command (its first byte says which) in a new exchange; the first packet of the answer.
    pub async fn command(&mut self, payload: &[u8]) -> Outcome<Vec<u8>> {
        self.send_command(payload).await?;
        self.receive().await
    }

    /// The one text of a query, of less than 251 bytes, in the text protocol.
    pub async fn text(&mut self, query: &[u8]) -> Outcome<String> {
        let head = self.command(query).await?;
        ensure(head == [1], || {
            format!("not one column: {}", refusal_of(&head))
        })?;
        let mut packets = Vec::new();
        // Definition, EOF, row, EOF.
        for _ in 0..4 {
            packets.push(self.receive().await?);
        }
        let text = packets[2].get(1..).unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// A command whose answer is read later, or never.
    pub async fn send_command(&mut self, payload: &[u8]) -> Outcome {
        self.sequence = 0;
        self.send(payload).await
    }

    /// The same for packets that the server may leave unanswered or answer by closing: `None` then.
    pub async fn command_unless_silent(&mut self, payload: &[u8]) -> Outcome<Option<Vec<u8>>> {
        self.send_command(payload).await?;
        // A ping after it makes a server that stays silent on purpose say something.
        if self.send_command(&[0x0E]).await.is_err() {
            return Ok(None);
        }
        Ok(self.receive().await.ok())
    }

    /// Reads past the parameter and column definitions that follow a successful prepare.
    pub async fn skip_prepare_definitions(&mut self, prepared: &[u8]) -> Outcome {
        let count = |at: usize| prepared.get(at).map_or(0, |count| u16::from(*count));
        for definitions in [count(7), count(5)] {
            // Definitions of parameters, then of columns, each list ended by an EOF packet.
            let packets = if definitions == 0 { 0 } else { definitions + 1 };
            for _ in 0..packets {
                self.receive().await?;
            }
        }
        Ok(())
    }

    /// Connects, reads the greeting, sends bytes and hangs up.
    pub async fn knock(server: &Server, bytes: &[u8]) -> Outcome {
        let mut connection = Self::greeted(server.port()).await?;
        // The server may hang up first: that is its right.
        let _ = connection.send_bytes(bytes).await;
        Ok(())
    }

    /// COM_STMT_CLOSE, which is not answered.
    pub async fn send_close(&mut self, statement: u32) -> Outcome {
        let [a, b, c, d] = statement.to_le_bytes();
        self.send_command(&[0x19, a, b, c, d]).await
    }

    pub async fn send(&mut self, payload: &[u8]) -> Outcome {
        let header = (payload.len() as u32) | (u32::from(self.sequence) << 24);
        let packet = [&header.to_le_bytes(), payload].concat();
        self.send_bytes(&packet).await?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    /// Bytes as they are, without a packet header.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Outcome {
        Ok(timeout(PATIENCE, self.stream.write_all(bytes)).await??)
    }

    pub async fn receive(&mut self) -> Outcome<Vec<u8>> {
        let mut header = [0; 4];
        timeout(PATIENCE, self.stream.read_exact(&mut header)).await??;
        let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
        let mut payload = vec![0; length];
        timeout(PATIENCE, self.stream.read_exact(&mut payload)).await??;
        self.sequence = header[3].wrapping_add(1);
        Ok(payload)
    }
}

/// An error packet taken apart; anything else becomes `Broken`.
pub fn refusal_of(packet: &[u8]) -> Refusal {
    match packet {
        [0xFF, low, high, b'#', rest @ ..] if rest.len() >= 5 => Refusal::Server {
            code: u16::from_le_bytes([*low, *high]),
            state: String::from_utf8_lossy(&rest[..5]).into_owned(),
            message: String::from_utf8_lossy(&rest[5..]).into_owned(),
        },
        [0xFF, low, high, rest @ ..] => Refusal::Server {
            code: u16::from_le_bytes([*low, *high]),
            state: String::new(),
            message: String::from_utf8_lossy(rest).into_owned(),
        },
        other => Refusal::Broken(format!("not an error packet: {other:?}")),
    }
}
