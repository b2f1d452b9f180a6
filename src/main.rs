//! The program: reads the command line and the settings, runs a command, ends with its exit code.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use storno::cli::Cli;

fn main() -> ExitCode {
    match storno::commands::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("storno: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
