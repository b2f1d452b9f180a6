//! Where backups go in a test, and the program run on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use crate::harness::{Outcome, Refusal, Server, Session, ensure};

/// Where backups go in a test: an S3 server, or a directory of the server's.
pub(super) struct Place {
    pub(super) s3: Option<S3Server>,
    pub(super) dir: tempfile::TempDir,
}

impl Place {
    pub(super) fn s3() -> Outcome<Self> {
        let (s3, dir) = (Some(S3Server::start()), tempfile::tempdir()?);
        Ok(Self { s3, dir })
    }

    pub(super) fn local() -> Outcome<Self> {
        let (s3, dir) = (None, tempfile::tempdir()?);
        Ok(Self { s3, dir })
    }

    pub(super) fn server(&self) -> &S3Server {
        self.s3.as_ref().expect("a place in S3")
    }

    /// A server that may write there, with small segments.
    pub(super) fn start(&self) -> Outcome<Server> {
        let endpoint = self.s3.as_ref().map(S3Server::endpoint).unwrap_or_default();
        let dir = self.dir.path().to_string_lossy();
        let mut settings = vec![
            ("STORNO_SECURE_FILE_PRIV", &*dir),
            ("STORNO_SEGMENT_ROWS", "1024"),
        ];
        if self.s3.is_some() {
            settings.push(("STORNO_STORE_ENDPOINTS", &endpoint));
        }
        Server::start_with(&settings)
    }

    pub(super) fn backup(&self, of: &str) -> String {
        match &self.s3 {
            Some(s3) => format!(
                "BACKUP DATABASE {of} TO S3 '{BUCKET}/all' CONFIG '{{\"endpoint_url\": \"{}\"}}' \
                 CREDENTIALS '{{\"aws_access_key_id\": \"{ACCESS_KEY}\", \
                 \"aws_secret_access_key\": \"{SECRET_KEY}\"}}'",
                s3.endpoint()
            ),
            None => format!("BACKUP DATABASE {of} TO 'all'"),
        }
    }

    pub(super) fn url(&self) -> String {
        match &self.s3 {
            Some(_) => format!("s3://{BUCKET}/all"),
            None => self.dir.path().join("all").to_string_lossy().into_owned(),
        }
    }

    /// Where an object is.
    pub(super) fn object(&self, path: &str) -> PathBuf {
        match &self.s3 {
            Some(s3) => s3.file(&format!("all/{path}")),
            None => self.dir.path().join("all").join(path),
        }
    }

    /// Runs the program on this place.
    pub(super) fn storno(&self, command: &str, more: &[&str]) -> Outcome<Output> {
        let mut storno = Command::new(Server::program());
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| name.to_string_lossy().starts_with("STORNO_")) {
            storno.env_remove(name);
        }
        storno.arg(command).arg(self.url()).args(more);
        if let Some(s3) = &self.s3 {
            storno.env("AWS_ENDPOINT_URL", s3.endpoint());
            storno.env("AWS_ACCESS_KEY_ID", ACCESS_KEY);
            storno.env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        }
        Ok(storno.output()?)
    }

    pub(super) fn restore(&self, dir: &Path, more: &[&str]) -> Outcome<Output> {
        let dir = dir.to_string_lossy();
        let options = [&["--data-dir", &*dir], more].concat();
        self.storno("restore", &options)
    }

    /// A server on a directory restored from here.
    pub(super) fn restored(&self, more: &[&str]) -> Outcome<Server> {
        let mut server = Server::prepare()?;
        let output = self.restore(&server.data_dir(), more)?;
        ensure(output.status.success(), || told(&output))?;
        server.start_again()?;
        Ok(server)
    }

    /// Lines of `storno backups` without the first.
    pub(super) fn listed(&self) -> Outcome<Vec<String>> {
        let output = self.storno("backups", &[])?;
        ensure(output.status.success(), || told(&output))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().skip(1).map(str::to_owned).collect())
    }
}

pub(super) fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}: {}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

pub(super) fn code(refusal: &Refusal) -> Option<u16> {
    match refusal {
        Refusal::Server { code, .. } => Some(*code),
        _ => None,
    }
}

/// A cell of a backup's result: backup, files, bytes, new_files, new_bytes, seconds, sequence, moment, manifest.
pub(super) fn cell(line: &str, number: usize) -> &str {
    line.split('|').nth(number).unwrap_or_default()
}

pub(super) fn number(line: &str, cell_number: usize) -> u64 {
    cell(line, cell_number).parse().unwrap_or_default()
}

pub(super) async fn back_up(session: &mut Session, place: &Place, of: &str) -> Outcome<String> {
    Ok(session.lines(place.backup(of)).await?.remove(0))
}

/// Whether a file below a directory has these bytes in it.
pub(super) fn tells(directory: &Path, bytes: &[u8]) -> Outcome<bool> {
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory)?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                waiting.push(path);
            } else if std::fs::read(&path)?
                .windows(bytes.len())
                .any(|w| w == bytes)
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
