//! Encrypted connections.

use std::sync::Arc;

use storno_wire::{Limits, Tls};
use tokio::io::AsyncWriteExt;
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
) -> std::io::Result<Raw<TlsStream<TcpStream>>> {
    let mut stream = raw.stream;
    stream.write_all(&[&request(), extra].concat()).await?;
    let name = "localhost".try_into().unwrap();
    Ok(Raw::over(connector.connect(name, stream).await?))
}

/// An encrypted client that has sent its first proof, and the id of its connection.
async fn knock(
    server: &ToyServer,
    connector: &TlsConnector,
    user: &str,
    password: &str,
) -> (Raw<TlsStream<TcpStream>>, u32) {
    let raw = Raw::connect(server.address).await;
    let (scramble, id) = (raw.scramble.clone(), raw.connection_id);
    let mut raw = upgrade(raw, connector, b"").await.unwrap();
    let mut who = Who::new(user, password, SHA2);
    who.capabilities |= SSL;
    raw.send(2, &handshake_response(&who, &scramble)).await;
    (raw, id)
}

#[tokio::test]
async fn a_client_that_asks_for_tls_logs_in_encrypted() {
    let (server, connector) = encrypted(true).await;
    let (mut raw, id) = knock(&server, &connector, "sha2", "secret").await;
    assert_eq!(raw.answer().await, Answer::Other(vec![1, 3]));
    assert_eq!(raw.answer().await, Answer::Ok);
    assert!(server.toy.login(id).encrypted);
    let (rows, end) = raw.query("rows 100000").await;
    assert_eq!(rows.len(), 100_000);
    assert_eq!(end, Answer::Other(vec![0xFE, 0, 0, 2, 0]));
}

/// sqlx makes its proof in the order of mysql_native_password; MySQL then asks for the password itself.
#[tokio::test]
async fn a_proof_that_is_none_is_mended_by_the_password_where_it_is_encrypted() {
    let (server, connector) = encrypted(false).await;
    for (user, password, expected) in [
        ("sha2", &b"secret\0"[..], None),
        ("sha2", b"secret", None),
        ("sha2", b"guess\0", Some(1045)),
        ("sha2", b"", Some(1045)),
        ("sha2", b"\0", Some(1045)),
        ("nobody", b"secret\0", Some(1045)),
    ] {
        let (mut raw, _) = knock(&server, &connector, user, "no proof").await;
        assert_eq!(raw.packet().await, Some((3, vec![1, 4])));
        raw.send(4, password).await;
        match (raw.answer().await, expected) {
            (Answer::Ok, None) => assert_eq!(raw.ping().await, Answer::Ok),
            (Answer::Error(code, _), Some(expected)) => assert_eq!(code, expected),
            (answer, _) => panic!("{user} {password:?}: {answer:?}"),
        }
    }
    // Nobody is asked to say it aloud, nor without having tried to prove anything.
    let wrong = Who::new("sha2", "no proof", SHA2);
    let (_, answer) = Raw::try_login(server.address, &wrong).await;
    assert!(matches!(answer, Answer::Error(1045, _)), "{answer:?}");
    let (mut raw, _) = knock(&server, &connector, "sha2", "").await;
    assert!(matches!(raw.answer().await, Answer::Error(1045, _)));
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
