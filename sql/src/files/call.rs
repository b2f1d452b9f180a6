//! The call of FILES in a statement.

use storno_transfer::Which;

use crate::dialect::{Kind, Lexed, lex};
use crate::error::{Result, SqlError};
use crate::export::{StoreOptions, Where};
use crate::load::{ClauseReader, Compression, FileFormat};

/// What a call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilesCall {
    pub(crate) place: Where,
    pub(crate) which: Which,
    pub(crate) options: StoreOptions,
    pub(crate) layout: FileFormat,
    pub(crate) compression: Compression,
    /// The first line of each file has the names.
    pub(crate) header: bool,
}

/// The statement with a table's name in the place of each call, and the calls. `None`: there is none.
pub(crate) fn with_tables(lexed: &Lexed) -> Result<Option<(Lexed, Vec<FilesCall>)>> {
    let mut text = String::new();
    let mut kept = 0;
    let mut calls = Vec::new();
    let mut at = 0;
    while at < lexed.tokens.len() {
        if !begins(lexed, at) {
            at += 1;
            continue;
        }
        let mut reader = ClauseReader { lexed, at: at + 2 };
        let call = FilesCall::read(&mut reader)?;
        let start = lexed.tokens.get(at).map_or(0, |t| t.start);
        let end = lexed
            .tokens
            .get(reader.at.saturating_sub(1))
            .map_or(0, |t| t.end);
        text.push_str(lexed.text.get(kept..start).unwrap_or_default());
        text.push_str(&format!("`{}`", super::name_of(calls.len())));
        kept = end;
        calls.push(call);
        at = reader.at;
    }
    if calls.is_empty() {
        return Ok(None);
    }
    text.push_str(lexed.text.get(kept..).unwrap_or_default());
    Ok(Some((lex(&text)?, calls)))
}

/// `FROM FILES ('..`, also behind JOIN and a comma.
fn begins(lexed: &Lexed, at: usize) -> bool {
    let is_text = |at: usize| lexed.tokens.get(at).is_some_and(|t| t.kind == Kind::Text);
    at > 0
        && lexed.are(at, &["FILES", "("])
        && is_text(at + 2)
        && ["FROM", "JOIN", ",", "("]
            .iter()
            .any(|word| lexed.is(at - 1, word))
}

impl FilesCall {
    /// Behind `FILES (`, up to and with the closing parenthesis.
    fn read(reader: &mut ClauseReader<'_>) -> Result<Self> {
        let url = reader.text()?;
        let mut call = Self {
            place: Where::Url(url.clone()),
            which: Which::File,
            options: StoreOptions::default(),
            layout: format_of(&url),
            compression: Compression::Auto,
            header: true,
        };
        while reader.take(&[","]) {
            call.argument(reader, &url)?;
        }
        reader.expect(&[")"])?;
        Ok(call)
    }

    fn argument(&mut self, reader: &mut ClauseReader<'_>, url: &str) -> Result<()> {
        let start = reader.at;
        let name = reader.name()?.to_lowercase();
        reader.expect(&["="])?;
        reader.expect(&[">"])?;
        let value = reader.word_or_string()?;
        let wrong = |what: &str| SqlError::wrong_value(what, &value);
        match name.as_str() {
            "format" => self.layout = FileFormat::named(&value).ok_or_else(|| wrong("format"))?,
            "compression" => {
                let compression = Compression::named(&value);
                self.compression = compression.ok_or_else(|| wrong("compression"))?;
            }
            "header" => {
                self.header = match value.to_uppercase().as_str() {
                    "ON" | "TRUE" => true,
                    "OFF" | "FALSE" => false,
                    _ => return Err(wrong("header")),
                };
            }
            "files" => {
                self.which = match value.to_uppercase().as_str() {
                    "FILE" => Which::File,
                    "PREFIX" => Which::Prefix,
                    "MANIFEST" => Which::Manifest,
                    _ => return Err(wrong("files")),
                };
            }
            "link" => {
                self.place = Where::Link {
                    name: value,
                    path: url.into(),
                };
            }
            "config" => self.options.config = Some(value),
            "credentials" => self.options.credentials = Some(value),
            _ => return Err(reader.lexed.error_at(start)),
        }
        Ok(())
    }
}

/// By the name's end; without a word, lines with commas.
fn format_of(url: &str) -> FileFormat {
    let name = url.to_lowercase();
    let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
    match name.rsplit('.').next() {
        Some("parquet") => FileFormat::Parquet,
        Some("ndjson" | "jsonl" | "json") => FileFormat::Ndjson,
        Some("tsv" | "txt") => FileFormat::Lines,
        _ => FileFormat::Csv,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_become_names_of_tables() {
        let sql = "INSERT INTO t SELECT a FROM FILES('s3://b/x.parquet', link => l) f \
                   JOIN files('y', format => 'csv', header => OFF, files => PREFIX) USING (a)";
        let (lexed, calls) = with_tables(&lex(sql).expect("lexes"))
            .expect("reads")
            .expect("calls");
        assert_eq!(
            lexed.text,
            "INSERT INTO t SELECT a FROM `\u{2}0` f JOIN `\u{2}1` USING (a)"
        );
        assert_eq!(calls[0].layout, FileFormat::Parquet);
        assert!(matches!(&calls[0].place, Where::Link { name, .. } if name == "l"));
        assert_eq!((calls[1].header, calls[1].which), (false, Which::Prefix));
        assert_eq!(super::super::number_of("\u{2}1"), Some(1));
    }

    #[test]
    fn a_table_called_files_is_none() {
        for sql in [
            "SELECT * FROM files",
            "SELECT files('x')",
            "SELECT 'FROM FILES('",
        ] {
            assert!(
                with_tables(&lex(sql).expect("lexes"))
                    .expect("reads")
                    .is_none(),
                "{sql}"
            );
        }
        for sql in [
            "SELECT * FROM FILES('x', a => 'b')",
            "SELECT * FROM FILES('x'",
        ] {
            assert!(with_tables(&lex(sql).expect("lexes")).is_err(), "{sql}");
        }
    }
}
