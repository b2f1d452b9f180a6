//! Getting a port: the one asked for, or MySQL's or the next free one after it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use crate::error::{Error, Result};

/// MySQL's.
const PORT: u16 = 3306;
/// Ports tried when none is asked for.
const TRIES: u16 = 100;
/// Connections that may wait to be accepted; the kernel lowers it to its own bound.
const BACKLOG: u32 = 4096;

/// Listens on `wanted`, or on the first free port from 3306 on at 127.0.0.1.
pub(crate) fn listen(wanted: Option<SocketAddr>) -> Result<TcpListener> {
    match wanted {
        Some(address) => bind(address),
        None => first_free(PORT..PORT + TRIES),
    }
}

fn first_free(ports: std::ops::Range<u16>) -> Result<TcpListener> {
    let first = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports.start);
    for port in ports {
        match bind(SocketAddr::new(first.ip(), port)) {
            Err(Error::AddressInUse(_)) => {}
            done => return done,
        }
    }
    Err(Error::AddressInUse(first))
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        // Ports of connections that were closed lately can be had at once; a port that someone
        // listens on cannot.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listener().map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => Error::AddressInUse(address),
        _ => Error::Listen { address, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_names_it_when_it_was_asked_for() {
        let first = listen(Some(local(0))).unwrap();
        let taken = first.local_addr().unwrap();
        let error = listen(Some(taken)).unwrap_err();
        assert_eq!(error.exit_code(), 4);
        assert!(
            error.to_string().contains(&taken.port().to_string()),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_taken_port_is_passed_over_when_none_was_asked_for() {
        let first = listen(Some(local(0))).unwrap();
        let taken = first.local_addr().unwrap().port();
        let found = first_free(taken..taken.saturating_add(50)).unwrap();
        assert!(found.local_addr().unwrap().port() > taken);
        assert!(matches!(
            first_free(taken..taken + 1),
            Err(Error::AddressInUse(_))
        ));
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_an_error() {
        let error = listen(Some("192.0.2.1:0".parse().unwrap())).unwrap_err();
        assert!(matches!(error, Error::Listen { .. }), "{error}");
    }
}
