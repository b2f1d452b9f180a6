//! The same conversation however the bytes are torn or glued on their way.

use proptest::prelude::*;
use storno_wire::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::raw::*;
use crate::toy::start;

/// Login and commands as one client would send them without waiting for answers.
fn conversation(scramble: &[u8]) -> Vec<u8> {
    let who = Who::new("sha2", "secret", SHA2);
    [
        packet(1, &handshake_response(&who, scramble)),
        packet(0, b"\x16echo ?"),
        packet(0, b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xFD\0\x03abc"),
        packet(0, b"\x19\x01\0\0\0"),
        packet(0, b"\x03echo after close"),
        packet(0, b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xFD\0\x03abc"),
        packet(0, b"\x03rows 3"),
        packet(0, b"\x0E"),
        packet(0, b"\x01"),
    ]
    .concat()
}

/// Everything the server says to the conversation sent in `pieces` of so many bytes each.
async fn answers(address: std::net::SocketAddr, piece: usize) -> Vec<u8> {
    let mut raw = Raw::connect(address).await;
    let bytes = conversation(&raw.scramble);
    let (mut read, mut write) = raw.stream.split();
    let send = async {
        for piece in bytes.chunks(piece) {
            write.write_all(piece).await.unwrap();
            if bytes.len() / piece.len() > 1 {
                tokio::task::yield_now().await;
            }
        }
    };
    let mut answers = Vec::new();
    let receive = async {
        let _ = read.read_to_end(&mut answers).await;
    };
    tokio::join!(send, receive);
    answers
}

#[tokio::test]
async fn torn_and_glued_packets_get_the_same_answers() {
    let server = start(Limits::default()).await;
    let glued = answers(server.address, usize::MAX).await;
    let text = String::from_utf8_lossy(&glued);
    assert!(text.contains("after close") && text.contains("Unknown prepared statement handler"));
    assert!(text.contains("/docs/page-2"));
    for piece in [1, 2, 3, 4, 5, 7, 11, 64, 100] {
        assert_eq!(
            answers(server.address, piece).await,
            glued,
            "pieces of {piece}"
        );
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Whether a connection answers a ping after it said `bytes`, or was closed with an error packet.
async fn survives(raw: &mut Raw, bytes: &[u8]) -> bool {
    if raw.stream.write_all(bytes).await.is_err() {
        return false;
    }
    let _ = raw.stream.shutdown().await;
    let mut rest = Vec::new();
    let _ = raw.stream.read_to_end(&mut rest).await;
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Garbage at any moment of a connection's life harms nobody else.
    #[test]
    fn garbage_harms_no_other_connection(
        garbage in prop::collection::vec(any::<u8>(), 1..200),
        framed in any::<bool>(),
        logged_in in any::<bool>(),
        command in 0u8..0x25,
    ) {
        runtime().block_on(async {
            let server = start(Limits::default()).await;
            let mut raw = if logged_in {
                Raw::login(server.address).await
            } else {
                Raw::connect(server.address).await
            };
            let payload = if logged_in { [&[command], &garbage[..]].concat() } else { garbage };
            let bytes = if framed { packet(u8::from(!logged_in), &payload) } else { payload };
            survives(&mut raw, &bytes).await;
            assert_eq!(Raw::login(server.address).await.ping().await, Answer::Ok);
        });
    }
}
