//! Serves the tests' toy backend, to try clients by hand and to measure the wire alone:
//! `cargo run --release -p storno-wire --example toy_server -- 127.0.0.1:3307`, then for example
//! `mysql -h 127.0.0.1 -P 3307 -u sha2 -psecret -e 'rows 5'`. The statements it understands are
//! listed in `tests/it/toy.rs`; Ctrl-C shuts it down. Two further arguments, PEM files of a certificate
//! and its key, turn TLS on.

#[path = "../tests/it/toy.rs"]
#[allow(unreachable_pub)]
mod toy;

use std::sync::Arc;

use storno_wire::{Limits, Server, Tls};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:3307".into());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    let tls = match (std::env::args().nth(2), std::env::args().nth(3)) {
        (Some(chain), Some(key)) => Some(Tls::from_pem(
            &std::fs::read(chain)?,
            &std::fs::read(key)?,
            false,
        )?),
        _ => None,
    };
    println!("listening on {}", listener.local_addr()?);
    let backend = Arc::new(toy::ToyBackend(Arc::default()));
    let server = Server::new(backend, Limits::default(), tls)?;
    let shutdown = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    server.serve(listener, shutdown).await;
    Ok(())
}
