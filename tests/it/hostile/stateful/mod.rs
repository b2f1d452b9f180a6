//! A fuzzer that speaks the protocol: whole conversations, in which packets are bent, cut, repeated,
//! numbered wrongly, sent ahead of their answers or left unfinished.
//!
//! Checked: every packet that was sent whole is answered in the form its command has, or the connection
//! is closed; nothing hangs; nothing panics; sessions do not stay behind.
//!
//! STORNO_FUZZ_PACKETS sets the number of packets, STORNO_FUZZ_SEED the seed.

mod answers;
mod packets;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use self::answers::Ending;
use self::packets::{Known, bend, command, login};
use crate::harness::random::Random;
use crate::harness::raw::{PROTOCOL_41, RawConnection};
use crate::harness::{Outcome, Server, ensure};

const PACKETS: u64 = 20_000;
const CLIENTS: u64 = 6;
/// CONNECT_WITH_DB, SECURE_CONNECTION and PLUGIN_AUTH are always there.
const BASE: u32 = PROTOCOL_41 | 1 << 15 | 1 << 19;
/// FOUND_ROWS, LOCAL_FILES, IGNORE_SPACE, INTERACTIVE, MULTI_STATEMENTS, MULTI_RESULTS,
/// PS_MULTI_RESULTS, SESSION_TRACK, DEPRECATE_EOF.
const OPTIONAL: [u32; 9] = [
    1 << 1,
    1 << 7,
    1 << 8,
    1 << 10,
    1 << 16,
    1 << 17,
    1 << 18,
    1 << 23,
    1 << 24,
];
/// More than any statement here takes on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn conversations_with_bent_packets_end_at_most_their_connection(
    server: &mut Server,
) -> Outcome {
    let mut root = server.connect_to("fuzz").await?;
    root.run("CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, s VARCHAR(50), d DATETIME(6), n DECIMAL(9,3))")
        .await?;
    if !server.is_judge() {
        root.run("SET GLOBAL local_infile = 1").await?;
    }
    let left = Arc::new(AtomicU64::new(number("STORNO_FUZZ_PACKETS", PACKETS)));
    let seed = number("STORNO_FUZZ_SEED", 1);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let random = Random::new(seed.wrapping_mul(1_000).wrapping_add(client));
        let mut client = Client {
            port: server.port(),
            random,
            left: left.clone(),
        };
        clients.spawn(async move {
            client
                .run()
                .await
                .map_err(|failure| failure.message().unwrap_or("failed").to_owned())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    server.must_be_running()?;
    let log = server.whole_log();
    ensure(!log.contains("panic"), || {
        "a panic is in the log".to_owned()
    })?;
    // A bent KILL may have hit the session above.
    let mut root = server.connect().await?;
    // Sessions end with their connections; what runs may take a moment to notice.
    for _ in 0..300 {
        if root.lines("SHOW PROCESSLIST").await?.len() == 1 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(format!("left behind: {:?}", root.lines("SHOW PROCESSLIST").await?).into())
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One client after the other, until all packets are sent.
struct Client {
    port: u16,
    random: Random,
    left: Arc<AtomicU64>,
}

impl Client {
    fn may_send(&self, packets: u64) -> bool {
        let take = |left: u64| left.checked_sub(packets);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    async fn run(&mut self) -> Outcome {
        while self.may_send(1) {
            self.conversation().await?;
        }
        Ok(())
    }

    async fn conversation(&mut self) -> Outcome {
        let capabilities = OPTIONAL
            .iter()
            .fold(BASE, |sum, bit| match self.random.chance(50) {
                true => sum | bit,
                false => sum,
            });
        let mut connection = RawConnection::greeted(self.port).await?;
        connection.expects(capabilities);
        let (packet, is_bent) = login(&mut self.random, capabilities);
        connection.send(&packet).await?;
        match answers::login(&mut connection, &mut self.random).await? {
            Ending::Open => {}
            Ending::Closed => return ensure(is_bent, || "a good login was refused".to_owned()),
        }
        if is_bent {
            // It may mean other capabilities by now, so that answers cannot be read.
            return Ok(());
        }
        let mut known = Known::default();
        while self.may_send(1) {
            if let Ending::Closed = self.step(&mut connection, &mut known).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One exchange, or several sent at once.
    async fn step(&mut self, connection: &mut RawConnection, known: &mut Known) -> Outcome<Ending> {
        match self.random.below(100) {
            0 => return self.misbehave(connection).await,
            1..8 => return self.pipeline(connection, known).await,
            _ => {}
        }
        let mut packet = command(&mut self.random, known);
        if self.random.chance(30) {
            bend(&mut self.random, &mut packet);
        }
        connection.send_command(&packet).await?;
        self.read(connection, known, &packet).await
    }

    async fn read(
        &mut self,
        connection: &mut RawConnection,
        known: &mut Known,
        packet: &[u8],
    ) -> Outcome<Ending> {
        let answer = answers::of(connection, &mut self.random, known, packet);
        let failed = |why: String| {
            let shown: String = packet
                .iter()
                .take(200)
                .map(|byte| byte.escape_ascii().to_string())
                .collect();
            format!("{why}, after {} bytes {shown}", packet.len())
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(ending)) => Ok(ending),
            Ok(Err(failure)) => {
                Err(failed(failure.message().unwrap_or("failed").to_owned()).into())
            }
            Err(_) => Err(failed("no answer in time".to_owned()).into()),
        }
    }

    /// Commands sent ahead of their answers, which must come in order.
    async fn pipeline(
        &mut self,
        connection: &mut RawConnection,
        known: &mut Known,
    ) -> Outcome<Ending> {
        let count = 2 + self.random.below(6);
        let packets: Vec<Vec<u8>> = (0..count)
            .map(|_| command(&mut self.random, known))
            // These are conversations of their own.
            .filter(|packet| packets::is_monologue(packet))
            .collect();
        for packet in &packets {
            if !self.may_send(1) || connection.send_command(packet).await.is_err() {
                return Ok(Ending::Closed);
            }
        }
        for packet in &packets {
            if let Ending::Closed = self.read(connection, known, packet).await? {
                return Ok(Ending::Closed);
            }
        }
        Ok(Ending::Open)
    }

    /// Framing that ends the connection, or a client that goes in the middle of something.
    async fn misbehave(&mut self, connection: &mut RawConnection) -> Outcome<Ending> {
        let bytes: Vec<u8> = match self.random.below(5) {
            // A number out of order.
            0 => vec![1, 0, 0, 1 + self.random.below(255) as u8, 0x0E],
            // A packet that never ends.
            1 => vec![0xFF, 0xFF, 0xFF, 0, 3, b'S'],
            2 => vec![9, 0, 0, 0, 3],
            // Gone while a statement runs, or a result is sent.
            3 => b"\x23\0\0\0\x03SELECT a.s, b.s FROM fuzz.t a, t b"[..].to_vec(),
            _ => (0..self.random.below(600))
                .map(|_| self.random.next() as u8)
                .collect(),
        };
        let _ = connection.send_bytes(&bytes).await;
        Ok(Ending::Closed)
    }
}
