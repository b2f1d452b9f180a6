//! `storno demo`: a server with the demo's data in it, its dashboard, and how to go on from there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use console::Term;
use mysql_async::{Conn, Opts, OptsBuilder};
use tempfile::TempDir;

use super::serve::until_stopped;
use super::signals::{Signals, end_or_exit};
use super::{client_line, open, reachable, say, server_options};
use crate::cli::DemoArgs;
use crate::config::Settings;
use crate::demo::{self, Canvas, Found, Plan, Progress, Traffic};
use crate::error::{Error, Result};
use crate::server::Server;

pub(super) async fn run(settings: &Settings, args: &DemoArgs) -> Result<()> {
    let mut signals = Signals::new()?;
    let place = Place::choose(args)?;
    let engine = open(place.dir(), settings, &mut signals).await?;
    let mut server = Server::start(engine.clone(), server_options(settings, place.dir())?).await?;
    let address = server.local_addr();
    let outcome = tokio::select! {
        shown = show(address, args) => shown,
        error = server.failed() => Err(error),
        () = signals.next() => Ok(Shown::Interrupted),
    };
    if matches!(outcome, Ok(Shown::Dashboard)) && !args.exit {
        say(&how_to_go_on(address, &place));
        until_stopped(&mut server, &mut signals).await?;
    }
    end_or_exit(&mut signals, server.shutdown()).await?;
    drop(engine);
    outcome.map(|_| ())
}

/// Where the demo's data lies.
enum Place {
    Given(PathBuf),
    /// Removed when dropped.
    Temporary(TempDir),
}

impl Place {
    fn choose(args: &DemoArgs) -> Result<Self> {
        // Only the flag counts: a directory that the environment or a file names is not for play.
        if let Some(dir) = &args.common.data_dir {
            return Ok(Self::Given(dir.clone()));
        }
        let dir = tempfile::Builder::new().prefix("storno-demo-").tempdir();
        let dir = dir.map_err(|why| Error::DataDir {
            dir: std::env::temp_dir(),
            message: format!("cannot make a temporary directory in it: {why}"),
        })?;
        Ok(Self::Temporary(dir))
    }

    fn dir(&self) -> &std::path::Path {
        match self {
            Self::Given(dir) => dir,
            Self::Temporary(dir) => dir.path(),
        }
    }
}

enum Shown {
    Dashboard,
    Interrupted,
}

/// Loads what is missing and prints the dashboard, all over MySQL connections.
async fn show(address: SocketAddr, args: &DemoArgs) -> Result<Shown> {
    let opts = client_options(address);
    let mut conn = Conn::new(opts.clone())
        .await
        .map_err(|why| Error::Demo(format!("cannot log in as root without a password: {why}")))?;
    let asked = Plan {
        rows: args.rows,
        seed: args.seed,
        today: args.end,
    };
    let plan = match demo::inspect(&mut conn).await? {
        Found::Whole(plan) => {
            if plan != asked {
                say(&format!(
                    "This directory holds the demo of --rows {} --seed {} --end {}; \
                     showing that.\n",
                    plan.rows, plan.seed, plan.today
                ));
            }
            plan
        }
        Found::Nothing | Found::Interrupted => {
            fill(&opts, asked).await?;
            asked
        }
    };
    let traffic = Traffic::new(plan);
    let scope = demo::scope(&traffic);
    let answers = demo::ask(&mut conn, &scope).await?;
    let domain = |id: &str| {
        let known = id.parse().ok().and_then(|id| traffic.domain(id));
        known.map_or_else(|| format!("site {id}"), str::to_string)
    };
    say(&demo::render(&answers, &scope, canvas(), domain));
    conn.disconnect()
        .await
        .map_err(|why| Error::Demo(why.to_string()))?;
    Ok(Shown::Dashboard)
}

async fn fill(opts: &Opts, plan: Plan) -> Result<()> {
    let traffic = Arc::new(Traffic::new(plan));
    let progress = Progress::new(plan.rows, Term::stderr().is_term());
    let loaded = demo::load(opts, &traffic, progress).await?;
    let seconds = loaded.time.as_secs_f64();
    eprintln!(
        "Loaded {} rows in {seconds:.1} s ({:.0} rows/s).\n",
        loaded.rows,
        loaded.rows as f64 / seconds.max(1e-3)
    );
    Ok(())
}

fn client_options(address: SocketAddr) -> Opts {
    let address = reachable(address);
    OptsBuilder::default()
        .ip_or_hostname(address.ip().to_string())
        .tcp_port(address.port())
        .user(Some("root"))
        .prefer_socket(false)
        .into()
}

/// What standard output can show. Not a terminal: 100 columns and no colour.
fn canvas() -> Canvas {
    let term = Term::stdout();
    let width = term
        .size_checked()
        .map_or(100, |(_, columns)| usize::from(columns));
    Canvas {
        width,
        colour: term.is_term() && console::colors_enabled(),
    }
}

fn how_to_go_on(address: SocketAddr, place: &Place) -> String {
    let fate = match place {
        Place::Given(dir) => format!("The data stays in {}.", dir.display()),
        Place::Temporary(_) => "The data is removed then; --data-dir DIR keeps it.".into(),
    };
    format!(
        "Storno is still serving. Connect with:\n\n    {} demo\n\nand ask, for example:\n\n    \
         SELECT browser, SUM(pageviews) AS views\n    FROM pageviews GROUP BY browser \
         ORDER BY views DESC;\n\nCtrl-C stops it. {fate}",
        client_line(address)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::demo::DAYS;
    use crate::server::ServerOptions;
    use mysql_async::prelude::Queryable;

    const SMALL: Plan = Plan {
        rows: 12_000,
        seed: 3,
        today: demo::DEFAULT_TODAY,
    };

    /// A server on an empty directory, and how to reach it.
    async fn server() -> (TempDir, Server, Opts) {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path().join("data")).unwrap();
        let listen = Some("127.0.0.1:0".parse().unwrap());
        let options = ServerOptions {
            listen,
            ..ServerOptions::default()
        };
        let server = Server::start(engine, options).await.unwrap();
        let opts = client_options(server.local_addr());
        (dir, server, opts)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn dashboard_shows_the_figures_worked_out_without_the_engine() {
        let (_dir, server, opts) = server().await;
        fill(&opts, SMALL).await.unwrap();
        let traffic = Traffic::new(SMALL);
        let scope = demo::scope(&traffic);
        let mut conn = Conn::new(opts).await.unwrap();
        let answers = demo::ask(&mut conn, &scope).await.unwrap();
        let rows: Vec<_> = (0..DAYS).flat_map(|day| traffic.day(day)).collect();
        assert_eq!(answers.figures, demo::expected(&rows, &scope));
        server.shutdown().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_whole_load_is_recognised_and_an_interrupted_one_made_anew() {
        let (_dir, server, opts) = server().await;
        let mut conn = Conn::new(opts.clone()).await.unwrap();
        assert_eq!(demo::inspect(&mut conn).await.unwrap(), Found::Nothing);
        fill(&opts, SMALL).await.unwrap();
        assert_eq!(demo::inspect(&mut conn).await.unwrap(), Found::Whole(SMALL));
        for sql in [
            "TRUNCATE TABLE demo.loads",
            "INSERT INTO demo.loads VALUES ('started', 1, 2, '2026-11-01')",
        ] {
            conn.query_drop(sql).await.unwrap();
        }
        assert_eq!(demo::inspect(&mut conn).await.unwrap(), Found::Interrupted);
        fill(&opts, SMALL).await.unwrap();
        let rows: Option<u64> = conn
            .query_first("SELECT SUM(pageviews) FROM demo.pageviews")
            .await
            .unwrap();
        let traffic = Traffic::new(SMALL);
        let views: i32 = (0..DAYS)
            .flat_map(|d| traffic.day(d))
            .map(|row| row.measures.pageviews)
            .sum();
        assert_eq!(
            rows,
            Some(views as u64),
            "the rows of the broken load are gone"
        );
        server.shutdown().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_table_of_the_users_is_left_alone() {
        let (_dir, server, opts) = server().await;
        let mut conn = Conn::new(opts).await.unwrap();
        for sql in [
            "CREATE DATABASE demo",
            "CREATE TABLE demo.pageviews (a INT)",
        ] {
            conn.query_drop(sql).await.unwrap();
        }
        let error = demo::inspect(&mut conn).await.unwrap_err();
        assert!(error.to_string().contains("--data-dir"), "{error}");
        server.shutdown().await.unwrap();
    }
}
