//! SHOW EXPORTS and SHOW LINKS.

use super::Shown;
use crate::accounts::Privileges;
use crate::error::Result;
use crate::export::{Job, Links};
use crate::information_schema::{Column, Row, name, row, text, ubigint, varchar};
use crate::session::{Session, secrets};

static EXPORTS: [Column; 13] = [
    ubigint("Id"),
    ubigint("Connection"),
    name("User"),
    varchar("State", 16),
    varchar("Began", 19),
    varchar("Seconds", 20),
    ubigint("Rows"),
    ubigint("Bytes"),
    ubigint("Files"),
    varchar("Url", 2048),
    varchar("Manifest", 2048).or_null(),
    varchar("Error", 1024).or_null(),
    text("Statement"),
];

static LINKS: [Column; 5] = [
    name("Link"),
    varchar("Type", 8),
    varchar("Config", 2048),
    varchar("Credentials", 3),
    varchar("Description", 2048),
];

/// Those under way and those that ended lately; without PROCESS those of the same user.
pub(super) fn exports(session: &Session) -> Shown {
    let jobs = session.engine.jobs().all();
    let sees_all = session.rights().grants().global.has(Privileges::PROCESS);
    let seen = jobs
        .iter()
        .filter(|job| sees_all || job.user == session.context.user);
    let rows: Vec<Row> = seen.map(|job| export(job)).collect();
    Shown {
        like: 9,
        ..Shown::new("", &EXPORTS, rows)
    }
}

fn export(job: &Job) -> Row {
    let (mut manifest, mut error) = (None, None);
    let state = match job.ended() {
        None if job.cancel.is_cancelled() => "stopping",
        None => "running",
        Some(end) => match end.result {
            Ok(summary) => {
                manifest = summary.manifest;
                "done"
            }
            Err(why) => {
                error = Some(secrets::hidden(&why.message).into_owned());
                if end.stopped { "stopped" } else { "failed" }
            }
        },
    };
    row![
        job.id,
        job.connection,
        &job.user,
        state,
        job.began.format("%Y-%m-%d %H:%M:%S").to_string(),
        format!("{:.3}", job.seconds()),
        job.progress.rows(),
        job.progress.bytes(),
        job.progress.files(),
        &job.url,
        manifest,
        error,
        &job.statement,
    ]
}

pub(super) fn links(session: &Session) -> Result<Shown> {
    let links = Links::read(session.engine.store())?;
    let rows = links.all().map(|(name, link)| {
        let given = if link.credentials.is_empty() {
            ""
        } else {
            "***"
        };
        row![
            name,
            link.kind.clone(),
            secrets::hidden(&link.config).into_owned(),
            given,
            link.description.clone()
        ]
    });
    Ok(Shown::new("", &LINKS, rows.collect()))
}
