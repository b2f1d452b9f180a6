//! The command line: what can be asked for, not what is done about it.

use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Parser, Subcommand};

use crate::config::Listen;
use crate::demo;

const SOURCES: &str = "\
Settings also come from STORNO_* environment variables and a configuration file: see
docs/configuration.md.";

/// MySQL-compatible, embedded columnar analytics database server.
///
/// Without a command, `storno` serves ./storno-data on 127.0.0.1:3306 or the next free port.
#[derive(Debug, Parser)]
#[command(name = "storno", version, args_conflicts_with_subcommands = true, after_help = SOURCES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a data directory to MySQL clients (the default)
    Serve(ServeArgs),
    /// Load generated page views and show a dashboard over them, then keep serving
    Demo(DemoArgs),
    /// Make a data directory of a backup
    Restore(RestoreArgs),
    /// List the backups of a place, or remove old ones
    Backups(BackupsArgs),
}

/// A place of backups and how it is reached.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// Where BACKUP DATABASE put them: s3://bucket/path, gs://.., az://.., https://host/bucket/path, or a
    /// directory
    #[arg(value_name = "URL|DIR")]
    pub place: String,
    /// Region and endpoint as in a statement's CONFIG: '{"region": "..", "endpoint_url": ".."}'
    #[arg(long, value_name = "JSON")]
    pub store_config: Option<String>,
    /// File with keys as in a statement's CREDENTIALS [default: those of the environment or the instance]
    #[arg(long, value_name = "FILE")]
    pub store_credentials: Option<PathBuf>,
    /// Configuration file (TOML); see docs/configuration.md
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log filter: error, warn, info, debug, trace
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Directory to make, which is missing or empty [default: storno-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The newest backup of this moment or before, as in 2026-11-30T12:00:00Z [default: the newest]
    #[arg(long, value_name = "TIME", conflicts_with = "backup")]
    pub at: Option<DateTime<Utc>>,
    /// A backup of this database [default: of everything, if there is one]
    #[arg(long, value_name = "DATABASE", conflicts_with = "backup")]
    pub of: Option<String>,
    /// The backup with this id, as `storno backups` lists it
    #[arg(long, value_name = "ID")]
    pub backup: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct BackupsArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Remove all but the newest N backups, and files that belong to none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,
    /// With --keep: no backup is under way there, though it looks like it
    #[arg(long, requires = "keep")]
    pub force: bool,
}

/// What `serve` and `demo` share. `None`: ask the environment, then the file, then the default.
#[derive(Debug, Clone, Default, Args)]
pub struct CommonArgs {
    /// Directory that holds the data, created when missing [default: storno-data; demo: a temporary
    /// one]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address to serve MySQL clients on [default: 127.0.0.1:3306 or the next free port]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<Listen>,
    /// Address to take rows on over HTTP [default: none]
    #[arg(long, value_name = "ADDR:PORT")]
    pub http_listen: Option<Listen>,
    /// Configuration file (TOML); see docs/configuration.md
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log filter: error, warn, info, debug, trace, or per target as in "info,storno_sql=debug"
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// Refuse clients that do not encrypt
    #[arg(long)]
    pub require_secure_transport: bool,
}

#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub common: CommonArgs,
}

#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// About this many rows; page views and their corrections both count
    #[arg(long, value_name = "N", default_value_t = demo::DEFAULT_ROWS,
          value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    pub rows: u64,
    /// The same seed gives the same rows
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The demo's "today": data ends the day before
    #[arg(long, value_name = "YYYY-MM-DD", default_value_t = demo::DEFAULT_TODAY)]
    pub end: NaiveDate,
    /// Stop after the dashboard instead of serving on
    #[arg(long)]
    pub exit: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bare_call_serves_and_takes_serve_options() {
        let cli = Cli::try_parse_from(["storno", "--data-dir", "x"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.serve.common.data_dir, Some(PathBuf::from("x")));
    }

    #[test]
    fn options_before_a_command_are_refused_rather_than_dropped() {
        assert!(Cli::try_parse_from(["storno", "--data-dir", "x", "demo"]).is_err());
    }

    #[test]
    fn demo_defaults_are_fixed_so_that_figures_repeat() {
        let cli = Cli::try_parse_from(["storno", "demo"]).unwrap();
        let Some(Command::Demo(args)) = cli.command else {
            panic!("not demo")
        };
        assert_eq!(
            (args.rows, args.seed, args.exit),
            (demo::DEFAULT_ROWS, 1, false)
        );
        assert_eq!(args.end, demo::DEFAULT_TODAY);
    }

    #[test]
    fn nonsense_values_are_usage_errors() {
        for bad in [
            &["storno", "--listen", "3306"][..],
            &["storno", "demo", "--rows", "0"],
            &["storno", "demo", "--end", "2026-02-30"],
            &["storno", "serve", "--port", "1"],
            &["storno", "restore"],
            &["storno", "restore", "d", "--at", "noon"],
            &["storno", "backups", "d", "--keep", "0"],
            &["storno", "backups", "d", "--force"],
        ] {
            assert_eq!(
                Cli::try_parse_from(bad).unwrap_err().exit_code(),
                2,
                "{bad:?}"
            );
        }
    }
}
