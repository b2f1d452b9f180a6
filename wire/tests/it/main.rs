//! The protocol against a toy backend over real sockets: with a driver, and byte by byte.

#![allow(unreachable_pub)]

mod compressed;
mod cursors;
mod driver;
mod files;
mod lifecycle;
mod login;
mod raw;
mod statements;
mod tearing;
mod tls;
mod toy;
