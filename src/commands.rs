//! What the program does for each command. Not for programs that embed the engine.

mod backups;
mod demo;
mod serve;
mod signals;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

use signals::{Signals, end_or_exit};
use storno_sql::transfer::Reach;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::cli::{Cli, Command, CommonArgs};
use crate::config::{self, Loaded, Settings};
use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Result};
use crate::memory;
use crate::server::{ServerOptions, TlsFiles, certificate};

/// Runs what the command line asks for, until it is done or the process is told to stop.
pub fn run(cli: Cli) -> Result<()> {
    let command = cli.command.unwrap_or(Command::Serve(cli.serve));
    let (common, default_log) = match &command {
        Command::Serve(args) => (args.common.clone(), "info"),
        Command::Demo(args) => (args.common.clone(), "warn"),
        Command::Restore(args) => (backups::common(&args.place, args.data_dir.clone()), "warn"),
        Command::Backups(args) => (backups::common(&args.place, None), "warn"),
    };
    let loaded = load(&common, default_log)?;
    raise_file_limit(loaded.settings.max_connections);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|why| Error::Server(format!("cannot start threads: {why}")))?;
    runtime.block_on(async {
        match command {
            Command::Serve(_) => serve::run(&loaded.settings).await,
            Command::Demo(args) => demo::run(&loaded.settings, &args).await,
            Command::Restore(args) => backups::restore(&loaded.settings, args).await,
            Command::Backups(args) => backups::list(&loaded.settings, args).await,
        }
    })
}

/// Reads the settings and starts the log.
fn load(common: &CommonArgs, default_log: &str) -> Result<Loaded> {
    // Variables that are not Unicode cannot be ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let loaded = config::load(common, environment)?;
    start_log(loaded.settings.log.as_deref().unwrap_or(default_log))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded)
}

/// Log lines go to standard error; standard output is for what the user asked to see.
fn start_log(filter: &str) -> Result<()> {
    let targets = Targets::from_str(filter)
        .map_err(|why| Error::Config(format!("log: cannot use the filter '{filter}': {why}")))?;
    let colour = console::Term::stderr().is_term() && console::colors_enabled_stderr();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .init();
    Ok(())
}

/// A connection takes a file descriptor, and so does a segment in use; the usual soft limit is
/// 1,024.
fn raise_file_limit(max_connections: u32) {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < u64::from(max_connections) + 1024 => tracing::warn!(
            "the limit of open files is {limit}: too low for {max_connections} connections"
        ),
        Ok(_) => {}
        Err(why) => tracing::warn!("the limit of open files cannot be raised: {why}"),
    }
}

/// Settings that clients see as system variables.
fn variables(settings: &Settings) -> Vec<(String, String)> {
    let connections = settings.max_connections.to_string();
    let required = on_or_off(settings.require_secure_transport);
    let mut variables = vec![
        ("max_connections".to_owned(), connections),
        ("require_secure_transport".to_owned(), required),
    ];
    if let Some(on) = settings.local_infile {
        variables.push(("local_infile".into(), on_or_off(on)));
    }
    if let Some(directory) = &settings.secure_file_priv {
        variables.push(("secure_file_priv".into(), directory.clone()));
    }
    variables
}

fn on_or_off(on: bool) -> String {
    if on { "ON" } else { "OFF" }.to_owned()
}

/// Opens the directory; recovery may take a while. A signal meanwhile ends the process at once.
async fn open(dir: &Path, settings: &Settings, signals: &mut Signals) -> Result<Engine> {
    let dir = dir.to_path_buf();
    let options = engine_options(settings);
    let opening = tokio::task::spawn_blocking(move || Engine::open_with(dir, options));
    let opened = async {
        opening
            .await
            .map_err(|why| Error::Server(why.to_string()))?
    };
    end_or_exit(signals, opened).await
}

fn engine_options(settings: &Settings) -> EngineOptions {
    let available = memory::available();
    EngineOptions {
        memtable_bytes: settings.memtable_bytes,
        segment_rows: settings.segment_rows,
        threads: settings.threads,
        memory_bytes: settings.memory_bytes.or(available.map(memory::for_queries)),
        process_memory_bytes: available.map(memory::for_all),
        dictionary_bytes: available.map(memory::for_all).map(memory::for_dictionaries),
        variables: variables(settings),
        reach: reach(settings),
    }
}

/// Servers of files that may be reached.
fn reach(settings: &Settings) -> Reach {
    let endpoints = settings.store_endpoints.iter();
    Reach {
        endpoints: endpoints.map(|endpoint| endpoint.0.clone()).collect(),
        ambient: settings.store_ambient_credentials,
    }
}

/// `dir` is where the server's own certificate lies.
fn server_options(settings: &Settings, dir: &Path) -> Result<ServerOptions> {
    let required = settings.require_secure_transport;
    let tls = match settings.certificate.clone() {
        _ if !settings.tls => None,
        Some((certificate, key)) => Some(TlsFiles {
            certificate,
            key,
            required,
        }),
        None => Some(certificate::own(dir, required)?),
    };
    Ok(ServerOptions {
        listen: settings.listen.map(|listen| listen.0),
        max_connections: settings.max_connections as usize,
        tls,
        ..ServerOptions::default()
    })
}

/// Where a client on this machine reaches a server that listens on `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The line to paste into a shell.
fn client_line(address: SocketAddr) -> String {
    let address = reachable(address);
    format!("mysql -h {} -P {} -u root", address.ip(), address.port())
}

/// Writes to standard output; that nobody reads it is no reason to stop serving.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_paste_names_an_address_a_client_can_use() {
        for (listen, line) in [
            ("127.0.0.1:3307", "mysql -h 127.0.0.1 -P 3307 -u root"),
            ("0.0.0.0:3306", "mysql -h 127.0.0.1 -P 3306 -u root"),
            ("[::]:3306", "mysql -h ::1 -P 3306 -u root"),
            ("192.0.2.7:1", "mysql -h 192.0.2.7 -P 1 -u root"),
        ] {
            assert_eq!(client_line(listen.parse().unwrap()), line);
        }
    }
}
