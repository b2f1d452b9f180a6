//! How fast rows leave: `cargo run --release -p storno-wire --example stream_rows [ROWS]`.
//!
//! Server and client share the process and the loopback interface. The client counts bytes and
//! decodes nothing, so this is the wire's own speed. Peak memory is printed, because it must not grow
//! with the number of rows.

#[path = "../tests/it/raw.rs"]
#[allow(dead_code, unreachable_pub)]
mod raw;
#[path = "../tests/it/toy.rs"]
#[allow(unreachable_pub)]
mod toy;

use std::time::Instant;

use storno_wire::Limits;
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() {
    let rows: usize = std::env::args()
        .nth(1)
        .map_or(10_000_000, |rows| rows.parse().unwrap());
    let server = toy::start(Limits::default()).await;
    for protocol in ["text", "binary"] {
        let mut client = raw::Raw::login(server.address).await;
        let text = format!("rows {rows}");
        let command = match protocol {
            "text" => [b"\x03", text.as_bytes()].concat(),
            _ => {
                let id = client.prepare(&text).await.to_le_bytes();
                [b"\x17", &id[..], &[0, 1, 0, 0, 0]].concat()
            }
        };
        let begun = Instant::now();
        client.send(0, &command).await;
        let bytes = read_to_last_row(&mut client).await;
        let seconds = begun.elapsed().as_secs_f64();
        let (rate, rows_rate) = (bytes as f64 / seconds / 1e6, rows as f64 / seconds / 1e6);
        println!(
            "{protocol}: {bytes} bytes, {seconds:.2} s, {rate:.0} MB/s, {rows_rate:.2} M rows/s"
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!(
        "{}",
        status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap_or("no VmHWM")
    );
}

/// Reads until the bytes end with an EOF packet; a toy's row never ends like one.
async fn read_to_last_row(client: &mut raw::Raw) -> usize {
    let mut buffer = vec![0; 1 << 20];
    let (mut bytes, mut definitions) = (0, true);
    loop {
        let count = client.stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "the server closed the connection");
        bytes += count;
        let ends = buffer[..count].ends_with(&[0xFE, 0, 0, 2, 0]);
        if ends && !definitions {
            return bytes;
        }
        definitions = false;
    }
}
