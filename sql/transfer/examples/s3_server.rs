//! An S3 server on a directory, for benches and for trying things out: `s3_server DIR PORT`.
//!
//! The bucket is `bucket`; keys are printed. Not for anything that matters.

#![allow(dead_code)]

#[path = "../../../tests/it/harness/s3.rs"]
mod s3;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, directory, port] = arguments.as_slice() else {
        eprintln!("s3_server DIR PORT");
        std::process::exit(2);
    };
    let port = port.parse().expect("a port");
    let server = s3::S3Server::start_at(directory.into(), port);
    println!(
        "{} {} {} {}",
        server.endpoint(),
        s3::BUCKET,
        s3::ACCESS_KEY,
        s3::SECRET_KEY
    );
    loop {
        std::thread::park();
    }
}
