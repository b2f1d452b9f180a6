//! BACKUP DATABASE, read from tokens.

use crate::dialect::Lexed;
use crate::error::{Result, SqlError};
use crate::export::{StoreOptions, Where};
use crate::load::ClauseReader;

/// A backup as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackupStatement {
    /// `None`: ALL.
    pub(crate) database: Option<String>,
    pub(crate) place: Where,
    pub(crate) options: StoreOptions,
    /// The client does not wait.
    pub(crate) detached: bool,
}

impl BackupStatement {
    /// `BACKUP [DATABASE] name | ALL [WITH INIT | DIFFERENTIAL] TO 'place' | S3 'path' | LINK name 'path' ..`
    pub(crate) fn parse(lexed: &Lexed) -> Result<Self> {
        let mut reader = ClauseReader { lexed, at: 1 };
        reader.take_any(&["DATABASE", "SCHEMA"]);
        let database = match reader.take(&["ALL"]) {
            true => None,
            false => Some(reader.name()?),
        };
        // Every backup is whole, and sends only what is not there: SingleStore's kinds are one.
        if reader.take(&["WITH"]) && !reader.take_any(&["INIT", "DIFFERENTIAL"]) {
            return Err(reader.error());
        }
        reader.expect(&["TO"])?;
        let place = place(&mut reader)?;
        let (mut options, mut detached) = (StoreOptions::default(), false);
        loop {
            if reader.take(&["ASYNC"]) {
                detached = true;
            } else if reader.take(&["TIMEOUT"]) {
                return Err(SqlError::not_supported("BACKUP .. TIMEOUT"));
            } else if !options.read(&mut reader)? {
                break;
            }
        }
        reader.take(&[";"]);
        match reader.at < lexed.tokens.len() {
            true => Err(reader.error()),
            false => Ok(Self {
                database,
                place,
                options,
                detached,
            }),
        }
    }
}

fn place(reader: &mut ClauseReader<'_>) -> Result<Where> {
    if reader.take(&["LINK"]) {
        let mut name = reader.name()?;
        while reader.take(&["."]) {
            name = reader.name()?;
        }
        let path = reader.text()?;
        return Ok(Where::Link { name, path });
    }
    let schemes = [("S3", "s3"), ("GCS", "gs"), ("AZURE", "az")];
    let scheme = schemes.iter().find(|(word, _)| reader.take(&[word]));
    let path = reader.text()?;
    Ok(Where::Url(match scheme {
        Some((_, scheme)) if !path.contains("://") => format!("{scheme}://{path}"),
        _ => path,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::lex;

    fn parse(sql: &str) -> Result<BackupStatement> {
        BackupStatement::parse(&lex(sql).expect("lexes"))
    }

    fn url(url: &str) -> Where {
        Where::Url(url.into())
    }

    #[test]
    fn spellings_are_one_backup() {
        let plain = parse("BACKUP DATABASE shop TO 's3://b/p'").expect("parses");
        assert_eq!(plain.database.as_deref(), Some("shop"));
        assert_eq!(plain.place, url("s3://b/p"));
        let singlestore = parse(
            "BACKUP DATABASE shop WITH DIFFERENTIAL TO S3 \"b/p\" CONFIG '{}' CREDENTIALS '{}';",
        );
        let singlestore = singlestore.expect("parses");
        assert_eq!(
            (singlestore.database, singlestore.place),
            (plain.database, plain.place)
        );
        assert_eq!(singlestore.options.credentials.as_deref(), Some("{}"));
        let all = parse("backup all to LINK d.l 'b/p' ASYNC").expect("parses");
        assert!(all.database.is_none() && all.detached);
        assert!(matches!(all.place, Where::Link { name, .. } if name == "l"));
        let named = parse("BACKUP `ALL` TO 'nightly'").expect("parses");
        assert_eq!(named.database.as_deref(), Some("ALL"));
    }

    #[test]
    fn nonsense_is_refused() {
        for sql in [
            "BACKUP",
            "BACKUP DATABASE",
            "BACKUP ALL",
            "BACKUP ALL TO",
            "BACKUP ALL TO x",
            "BACKUP ALL TO 'x' 'y'",
            "BACKUP ALL WITH TO 'x'",
            "BACKUP ALL TO LINK 'x'",
            "BACKUP a, b TO 'x'",
        ] {
            assert_eq!(parse(sql).expect_err(sql).code, 1064, "{sql}");
        }
        let timeout = parse("BACKUP ALL TO 'x' TIMEOUT 5").expect_err("refused");
        assert_eq!(timeout.code, 1235);
    }
}
