//! The compressed protocol, with a driver and byte by byte.

use std::io::Read;

use mysql_async::prelude::*;
use mysql_async::{Compression, Conn, Opts, OptsBuilder};
use storno_wire::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::raw::*;
use crate::toy::{ToyServer, start, until};

const COMPRESS: u32 = 1 << 5;
const ZSTD: u32 = 1 << 26;

/// A client behind its login, whose packets travel compressed.
struct Packed {
    raw: Raw,
    zstd: bool,
    /// Bytes that were unpacked and not read.
    unpacked: Vec<u8>,
    /// Numbers of the compressed packets that came.
    numbers: Vec<u8>,
}

impl Packed {
    async fn login(server: &ToyServer, capabilities: u32) -> Packed {
        let raw = Raw::login_with(server.address, BASIC | capabilities).await;
        Packed {
            raw,
            zstd: capabilities & COMPRESS == 0,
            unpacked: Vec::new(),
            numbers: Vec::new(),
        }
    }

    fn squeeze(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match self.zstd {
            true => zstd::stream::copy_encode(bytes, &mut out, 3).unwrap(),
            false => {
                let level = flate2::Compression::default();
                flate2::read::ZlibEncoder::new(bytes, level)
                    .read_to_end(&mut out)
                    .unwrap();
            }
        }
        out
    }

    /// Sends bytes in one compressed packet that claims to hold `claimed`.
    async fn send(&mut self, number: u8, body: &[u8], claimed: usize) {
        let [a, b, c, _] = (body.len() as u32).to_le_bytes();
        let [x, y, z, _] = (claimed as u32).to_le_bytes();
        let packet = [&[a, b, c, number, x, y, z], body].concat();
        self.raw.stream.write_all(&packet).await.unwrap();
    }

    async fn command(&mut self, command: &[u8]) {
        self.numbers.clear();
        let inner = packet(0, command);
        let body = self.squeeze(&inner);
        self.send(0, &body, inner.len()).await;
    }

    /// One packet out of compressed ones, or None at the end of the stream.
    async fn packet(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let [a, b, c, number, rest @ ..] = self.unpacked.as_slice() {
                let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
                if rest.len() >= length {
                    let found = (*number, rest[..length].to_vec());
                    self.unpacked.drain(..4 + length);
                    return Some(found);
                }
            }
            let mut head = [0; 7];
            self.raw.stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
            let claimed = u32::from_le_bytes([head[4], head[5], head[6], 0]) as usize;
            let mut body = vec![0; length];
            self.raw.stream.read_exact(&mut body).await.ok()?;
            self.numbers.push(head[3]);
            let bytes = match (claimed, self.zstd) {
                (0, _) => body,
                (_, true) => zstd::stream::decode_all(body.as_slice()).unwrap(),
                (_, false) => {
                    let mut out = Vec::new();
                    flate2::read::ZlibDecoder::new(body.as_slice())
                        .read_to_end(&mut out)
                        .unwrap();
                    out
                }
            };
            assert!(claimed == 0 || claimed == bytes.len());
            self.unpacked.extend_from_slice(&bytes);
        }
    }

    async fn answer(&mut self) -> Answer {
        answer(self.packet().await)
    }
}

#[tokio::test]
async fn commands_and_answers_travel_in_both_algorithms() {
    let server = start(Limits::default()).await;
    for capabilities in [COMPRESS, ZSTD, COMPRESS | ZSTD] {
        let mut client = Packed::login(&server, capabilities).await;
        for _ in 0..3 {
            client.command(b"\x0E").await;
            assert_eq!(client.answer().await, Answer::Ok);
            assert_eq!(client.numbers, [1], "answers go on from the request");
        }
        client.command(b"\x03rows 3000").await;
        let mut packets = 0;
        let mut last = 0;
        while let Some((number, row)) = client.packet().await {
            packets += 1;
            last = number;
            if row[0] == 0xFE && row.len() == 5 && packets > 5 {
                break;
            }
        }
        assert_eq!(packets, 1 + 3 + 1 + 3000 + 1);
        assert_eq!(usize::from(last), packets % 256, "inner numbers go on, too");
        let expected: Vec<u8> = (1..=client.numbers.len() as u8).collect();
        assert_eq!(client.numbers, expected);
    }
}

#[tokio::test]
async fn a_command_may_be_torn_over_packets_compressed_or_not() {
    let server = start(Limits::default()).await;
    for capabilities in [COMPRESS, ZSTD] {
        let mut client = Packed::login(&server, capabilities).await;
        let text = format!("\x03echo {}", "abc".repeat(500));
        let inner = packet(0, text.as_bytes());
        let (first, rest) = inner.split_at(2);
        client.send(0, first, 0).await;
        let body = client.squeeze(&rest[..1000]);
        client.send(1, &body, 1000).await;
        client.send(2, &rest[1000..], 0).await;
        let mut packets = Vec::new();
        for _ in 0..5 {
            packets.push(client.packet().await.unwrap().1);
        }
        assert!(packets[3].ends_with(b"abcabc"));
        assert_eq!(client.numbers, [3]);
    }
}

#[tokio::test]
async fn a_file_sent_compressed_arrives_whatever_its_numbers() {
    let server = start(Limits::default()).await;
    let mut client = Packed::login(&server, COMPRESS).await;
    client.command(b"\x03load f").await;
    assert_eq!(client.answer().await, Answer::Other(b"\xFBf".to_vec()));
    let file = [packet(2, &[7; 5000]), packet(3, &[8; 100]), packet(4, b"")].concat();
    let body = client.squeeze(&file);
    // Client libraries begin inner numbers anew, or not.
    client.send(2, &body, file.len()).await;
    let (_, ok) = client.packet().await.unwrap();
    assert_eq!(ok[..4], [0, 0xFC, 0xEC, 0x13], "5,100 rows");
}

#[tokio::test]
async fn what_cannot_be_unpacked_is_1157_and_the_end() {
    let server = start(Limits::default()).await;
    for capabilities in [COMPRESS, ZSTD] {
        for (body, claimed) in [(&b"garbage"[..], 500), (b"", 10)] {
            let mut client = Packed::login(&server, capabilities).await;
            client.send(0, body, claimed).await;
            let Answer::Error(1157, _) = client.answer().await else {
                panic!("no error")
            };
            assert_eq!(client.answer().await, Answer::End);
        }
        // It says that it is small, and is 16 MiB.
        let mut client = Packed::login(&server, capabilities).await;
        let bomb = client.squeeze(&vec![0; 16 << 20]);
        client.send(0, &bomb, 100).await;
        let Answer::Error(1157, _) = client.answer().await else {
            panic!("no error")
        };
    }
}

#[tokio::test]
async fn a_message_above_the_limit_is_drained_compressed_too() {
    let limits = Limits {
        max_allowed_packet: 100_000,
        ..Limits::default()
    };
    let server = start(limits).await;
    let mut client = Packed::login(&server, ZSTD).await;
    client.command(&vec![3; 200_000]).await;
    let Answer::Error(1153, _) = client.answer().await else {
        panic!("no error")
    };
    client.command(b"\x0E").await;
    assert_eq!(client.answer().await, Answer::Ok);
}

#[tokio::test]
async fn a_client_that_vanishes_takes_its_statement_with_it() {
    let server = start(Limits::default()).await;
    let mut client = Packed::login(&server, COMPRESS).await;
    client.command(b"\x03sleep").await;
    until("a statement begins", || async {
        server.toy.begun.load(std::sync::atomic::Ordering::SeqCst) == 1
    })
    .await;
    drop(client);
    until("its session ends", || async {
        server
            .toy
            .sessions
            .load(std::sync::atomic::Ordering::SeqCst)
            == 0
    })
    .await;
}

#[tokio::test]
async fn a_driver_sends_and_reads_more_than_16_mib() {
    let server = start(Limits::default()).await;
    let options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(server.address.port())
        .user(Some("sha2"))
        .pass(Some("secret"))
        .prefer_socket(false)
        .max_allowed_packet(Some(64 << 20))
        .wait_timeout(Some(1000))
        .compression(Compression::fast());
    let mut conn = Conn::new(Opts::from(options)).await.unwrap();
    for length in [0xFF_FFFE, 0xFF_FFFF, 20_000_000] {
        let text: Vec<u8> = (0..length).map(|i: u32| (i % 251) as u8).collect();
        let back: Option<Vec<u8>> = conn.exec_first("echo ?", (text.clone(),)).await.unwrap();
        assert!(back == Some(text), "{length}");
        let big: Option<Vec<u8>> = conn.query_first(format!("big {length}")).await.unwrap();
        assert_eq!(big.unwrap().len(), length as usize);
    }
    conn.ping().await.unwrap();
}
