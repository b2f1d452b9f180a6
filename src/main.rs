//! The program: reads the command line and the settings, runs a command, ends with its exit code.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use storno::cli::Cli;

/// It gives memory back to the system soon after it is freed: the guard of queries' memory looks at what
/// the process holds.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match storno::commands::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storno: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
