//! Encrypted connections.

use std::sync::Arc;

use storno_wire::{Limits, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::raw::*;
use crate::toy::{ToyServer, start, start_with};

const SSL: u32 = 1 << 11;

/// A server with a certificate of its own, and a client that trusts it.
async fn encrypted(required: bool) -> (ToyServer, TlsConnector) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let tls = Tls::from_pem(chain.as_bytes(), key.as_bytes(), required).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certified.cert)).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (
        start_with(Limits::default(), Some(tls)).await,
        TlsConnector::from(Arc::new(config)),
    )
}

fn request() -> Vec<u8> {
    let mut request = (BASIC | SSL).to_le_bytes().to_vec();
    request.resize(32, 0);
    packet(1, &request)
}

/// Goes over to TLS, sending `extra` in the clear behind the request.
async fn upgrade(
    raw: Raw,
    connector: &TlsConnector,
    extra: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut stream = raw.stream;
    stream.write_all(&[&request(), extra].concat()).await?;
    connector
        .connect("localhost".try_into().unwrap(), stream)
        .await
}

async fn read_packet(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let length = stream.read_u32_le().await.unwrap() & 0xFF_FFFF;
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.unwrap();
    payload
}

#[tokio::test]
async fn a_client_that_asks_for_tls_logs_in_encrypted() {
    let (server, connector) = encrypted(true).await;
    let raw = Raw::connect(server.address).await;
    let (scramble, id) = (raw.scramble.clone(), raw.connection_id);
    let mut stream = upgrade(raw, &connector, b"").await.unwrap();
    let mut who = Who::new("sha2", "secret", SHA2);
    who.capabilities |= SSL;
    stream
        .write_all(&packet(2, &handshake_response(&who, &scramble)))
        .await
        .unwrap();
    assert_eq!(read_packet(&mut stream).await, [1, 3]);
    assert_eq!(read_packet(&mut stream).await[0], 0);
    assert!(server.toy.login(id).encrypted);
    stream
        .write_all(&packet(0, b"\x03rows 100000"))
        .await
        .unwrap();
    for _ in 0..5 + 100_000 {
        read_packet(&mut stream).await;
    }
    assert_eq!(read_packet(&mut stream).await, [0xFE, 0, 0, 2, 0]);
}

#[tokio::test]
async fn packets_behind_the_request_for_tls_are_not_taken_for_packets() {
    let (server, connector) = encrypted(false).await;
    let raw = Raw::connect(server.address).await;
    let response = handshake_response(&Who::new("root", "", SHA2), &raw.scramble);
    let smuggled = [packet(2, &response), packet(0, b"\x03rows 1")].concat();
    assert!(upgrade(raw, &connector, &smuggled).await.is_err());
    assert_eq!(
        server.toy.begun.load(std::sync::atomic::Ordering::SeqCst),
        0
    );
    assert_eq!(
        server
            .toy
            .sessions
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}

#[tokio::test]
async fn clients_in_the_clear_are_refused_only_where_tls_is_required() {
    let (strict, _) = encrypted(true).await;
    let who = Who::new("sha2", "secret", SHA2);
    let (_, answer) = Raw::try_login(strict.address, &who).await;
    assert!(matches!(answer, Answer::Error(3159, _)), "{answer:?}");
    let (lenient, _) = encrypted(false).await;
    let (raw, answer) = Raw::try_login(lenient.address, &who).await;
    assert_eq!(answer, Answer::Ok);
    assert!(!lenient.toy.login(raw.connection_id).encrypted);
}

#[tokio::test]
async fn a_server_without_a_certificate_takes_no_request_for_tls() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::connect(server.address).await;
    raw.stream.write_all(&request()).await.unwrap();
    assert!(matches!(raw.answer().await, Answer::Error(1043, _)));
}

#[test]
fn a_key_that_is_none_is_an_error() {
    assert!(Tls::from_pem(b"", b"", false).is_err());
    assert!(Tls::from_pem(b"nonsense", b"nonsense", false).is_err());
}
