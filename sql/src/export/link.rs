//! Links: named connections to stores, so that statements need no keys. Kept durably.
//!
//! `SHOW LINKS` and errors never show what a link's credentials are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use storno_storage::Store;
use storno_transfer::{Credentials, Scheme};

use super::options::{Config, StoreOptions};
use crate::dialect::Lexed;
use crate::error::{Result, SqlError};
use crate::load::ClauseReader;

/// Key of the durable property that holds them.
pub(crate) const PROPERTY: &str = "links";

/// A link as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Link {
    /// "S3", "GCS" or "AZURE".
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) config: String,
    pub(crate) credentials: Credentials,
    #[serde(default)]
    pub(crate) description: String,
}

/// All links, by name.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Links(BTreeMap<String, Link>);

impl Links {
    pub(crate) fn read(store: &Store) -> Result<Self> {
        match store.property(PROPERTY) {
            None => Ok(Self::default()),
            // The parser's error would quote what it read.
            Some(json) => serde_json::from_str(&json)
                .map_err(|_| SqlError::internal("the links cannot be read")),
        }
    }

    fn write(&self, store: &Store) -> Result<()> {
        let json = serde_json::to_string(self)
            .map_err(|_| SqlError::internal("the links cannot be written"))?;
        store.set_property(PROPERTY, Some(&json))?;
        Ok(())
    }

    /// 3167 in MySQL's family of missing objects: no such link.
    pub(crate) fn get(&self, name: &str) -> Result<&Link> {
        self.0.get(&folded(name)).ok_or_else(|| unknown(name))
    }

    /// The kept form of all links without what proves who asks.
    pub(crate) fn without_credentials(json: &str) -> Option<String> {
        let mut links: Self = serde_json::from_str(json).ok()?;
        for link in links.0.values_mut() {
            link.credentials = Credentials::default();
        }
        serde_json::to_string(&links).ok()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &Link)> {
        self.0.iter()
    }
}

fn folded(name: &str) -> String {
    name.to_lowercase()
}

fn unknown(name: &str) -> SqlError {
    SqlError::new(1477, "HY000", format!("The link '{name}' does not exist"))
}

/// CREATE LINK and DROP LINK.
#[derive(Debug, Clone)]
pub(crate) enum LinkStatement {
    Create {
        name: String,
        link: Box<Link>,
        if_not_exists: bool,
        or_replace: bool,
    },
    Drop {
        name: String,
        if_exists: bool,
    },
}

impl LinkStatement {
    pub(crate) fn is(lexed: &Lexed) -> bool {
        lexed.are(0, &["CREATE", "LINK"])
            || lexed.are(0, &["CREATE", "OR", "REPLACE", "LINK"])
            || lexed.are(0, &["DROP", "LINK"])
    }

    pub(crate) fn parse(lexed: &Lexed) -> Result<Self> {
        let mut reader = ClauseReader { lexed, at: 1 };
        let or_replace = reader.take(&["OR", "REPLACE"]);
        reader.expect(&["LINK"])?;
        if lexed.is(0, "DROP") {
            let if_exists = reader.take(&["IF", "EXISTS"]);
            let name = qualified(&mut reader)?;
            end(&mut reader)?;
            return Ok(Self::Drop { name, if_exists });
        }
        let if_not_exists = reader.take(&["IF", "NOT", "EXISTS"]);
        let name = qualified(&mut reader)?;
        reader.expect(&["AS"])?;
        let kind = reader.name()?.to_uppercase();
        let scheme = scheme_of(&kind)?;
        let mut options = StoreOptions::default();
        let mut description = String::new();
        loop {
            if reader.take(&["DESCRIPTION"]) {
                description = reader.text()?;
            } else if !options.read(&mut reader)? {
                break;
            }
        }
        end(&mut reader)?;
        Config::parse(options.config.as_deref())?;
        let credentials = options.credentials.unwrap_or_else(|| "{}".into());
        let link = Link {
            credentials: Credentials::from_json(scheme, &credentials)?,
            config: options.config.unwrap_or_default(),
            kind,
            description,
        };
        Ok(Self::Create {
            name,
            link: Box::new(link),
            if_not_exists,
            or_replace,
        })
    }

    /// Carries it out, durably. False: there was nothing to do.
    pub(crate) fn apply(self, store: &Store) -> Result<bool> {
        let mut links = Links::read(store)?;
        match self {
            Self::Create {
                name,
                link,
                if_not_exists,
                or_replace,
            } => {
                if links.0.contains_key(&folded(&name)) && !or_replace {
                    if if_not_exists {
                        return Ok(false);
                    }
                    let text = format!("The link '{name}' already exists");
                    return Err(SqlError::new(1476, "HY000", text));
                }
                links.0.insert(folded(&name), *link);
            }
            Self::Drop { name, if_exists } => {
                if links.0.remove(&folded(&name)).is_none() {
                    return match if_exists {
                        true => Ok(false),
                        false => Err(unknown(&name)),
                    };
                }
            }
        }
        links.write(store)?;
        Ok(true)
    }
}

pub(crate) fn scheme_of(kind: &str) -> Result<Scheme> {
    match kind {
        "S3" => Ok(Scheme::S3),
        "GCS" => Ok(Scheme::Gcs),
        "AZURE" => Ok(Scheme::Azure),
        other => Err(SqlError::not_supported(&format!(
            "CREATE LINK .. AS {other}"
        ))),
    }
}

/// SingleStore's links belong to a database; Storno's to the server, so that the qualifier says nothing.
fn qualified(reader: &mut ClauseReader<'_>) -> Result<String> {
    let mut name = reader.name()?;
    while reader.take(&["."]) {
        name = reader.name()?;
    }
    Ok(name)
}

fn end(reader: &mut ClauseReader<'_>) -> Result<()> {
    reader.take(&[";"]);
    match reader.at < reader.lexed.tokens.len() {
        true => Err(reader.error()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::lex;

    #[test]
    fn a_link_shows_nothing_of_its_secret() {
        let sql = r#"CREATE OR REPLACE LINK db.l AS s3 CREDENTIALS
            '{"aws_access_key_id": "AK", "aws_secret_access_key": "CANARY"}'
            CONFIG '{"region": "x"}' DESCRIPTION 'backups'"#;
        let lexed = lex(sql).expect("lexes");
        assert!(LinkStatement::is(&lexed));
        let statement = LinkStatement::parse(&lexed).expect("parses");
        assert!(!format!("{statement:?}").contains("CANARY"));
        let LinkStatement::Create { name, link, .. } = statement else {
            panic!("creates")
        };
        assert_eq!((name.as_str(), link.kind.as_str()), ("l", "S3"));
        assert_eq!(link.credentials.secret.as_deref(), Some("CANARY"));
    }

    #[test]
    fn nonsense_is_refused() {
        for sql in [
            "CREATE LINK l AS FTP",
            "CREATE LINK l",
            "CREATE LINK l AS S3 CREDENTIALS '{\"x\": \"y\"}'",
            "CREATE LINK l AS S3 CONFIG '{\"x\": 1}'",
            "DROP LINK",
        ] {
            assert!(
                LinkStatement::parse(&lex(sql).expect("lexes")).is_err(),
                "{sql}"
            );
        }
    }
}
