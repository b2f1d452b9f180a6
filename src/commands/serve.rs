//! `storno serve`: opens a data directory and serves it until told to stop.

use std::net::SocketAddr;

use super::signals::{Signals, end_or_exit};
use super::{backups, client_line, open, say, server_options};
use crate::config::Settings;
use crate::engine::Engine;
use crate::error::Result;
use crate::http::Receiver;
use crate::server::Server;

pub(super) async fn run(settings: &Settings) -> Result<()> {
    let mut signals = Signals::new()?;
    let engine = open(&settings.data_dir, settings, &mut signals).await?;
    backups::follow(&engine, settings)?;
    let mut server = Server::start(
        engine.clone(),
        server_options(settings, &settings.data_dir)?,
    )
    .await?;
    let receiver = match settings.http_listen {
        Some(listen) => Some(Receiver::start(engine.clone(), listen.0).await?),
        None => None,
    };
    let mut text = greeting(&engine, server.local_addr(), settings);
    if let Some(receiver) = &receiver {
        let address = receiver.local_addr();
        text.push_str(&format!(
            "\nRows over HTTP: http://{address}/v1/ingest/DATABASE/TABLE\n"
        ));
    }
    say(&text);
    until_stopped(&mut server, &mut signals).await?;
    tracing::info!("stopping: running statements may finish; a second signal stops at once");
    let stopped = async {
        if let Some(receiver) = receiver {
            receiver.shutdown().await;
        }
        server.shutdown().await
    };
    end_or_exit(&mut signals, stopped).await?;
    // The last handle: closes the store.
    drop(engine);
    tracing::info!("stopped");
    Ok(())
}

/// Serves until a signal, which is fine, or until serving fails, which is an error.
pub(super) async fn until_stopped(server: &mut Server, signals: &mut Signals) -> Result<()> {
    tokio::select! {
        error = server.failed() => Err(error),
        () = signals.next() => Ok(()),
    }
}

fn greeting(engine: &Engine, address: SocketAddr, settings: &Settings) -> String {
    let dir = std::path::absolute(&settings.data_dir).unwrap_or(settings.data_dir.clone());
    let mut text = format!(
        "Storno {} serves {} on {address}.\n\nConnect with:\n\n    {}\n",
        crate::VERSION,
        dir.display(),
        client_line(address)
    );
    if !address.ip().is_loopback() && engine.is_local_only() {
        text.push_str(
            "\nroot has no password yet, so it may log in from this machine only. To set \
             one:\n\n    ALTER USER 'root' IDENTIFIED BY '...';\n",
        );
    }
    text
}
