//! Files in a store, behind a link or of typed formats: what LOAD DATA says of them.

use storno_transfer::Which;

use super::statement::ClauseReader;
use crate::error::{Result, SqlError};
use crate::export::{StoreOptions, Where};

/// Files that are not read from the server's or the client's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) place: Where,
    pub(crate) which: Which,
    pub(crate) options: StoreOptions,
}

/// How a file's rows are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFormat {
    /// FIELDS and LINES.
    Lines,
    /// The same, with FORMAT CSV's marks where the statement says none.
    Csv,
    Parquet,
    /// One JSON object per line.
    Ndjson,
}

impl Stored {
    /// `FROM S3 [FILE | PREFIX | MANIFEST] 'url'`, `S3 'bucket/path'`, `LINK name 'path'`; `None`: another
    /// kind of file.
    pub(crate) fn read(reader: &mut ClauseReader<'_>) -> Result<Option<Self>> {
        if reader.take(&["FROM", "S3"]) {
            let which = match () {
                () if reader.take(&["PREFIX"]) => Which::Prefix,
                () if reader.take(&["MANIFEST"]) => Which::Manifest,
                () => {
                    reader.take(&["FILE"]);
                    Which::File
                }
            };
            let url = reader.text()?;
            return Self::at(Where::Url(url), which, reader).map(Some);
        }
        if reader.take(&["LINK"]) {
            let mut name = reader.name()?;
            while reader.take(&["."]) {
                name = reader.name()?;
            }
            let which = Self::which(reader);
            let path = reader.text()?;
            return Self::at(Where::Link { name, path }, which, reader).map(Some);
        }
        for (word, scheme) in [("S3", "s3"), ("GCS", "gs"), ("AZURE", "az")] {
            if reader.take(&[word]) {
                let which = Self::which(reader);
                let path = reader.text()?;
                let url = match path.contains("://") {
                    true => path,
                    false => format!("{scheme}://{path}"),
                };
                return Self::at(Where::Url(url), which, reader).map(Some);
            }
        }
        Ok(None)
    }

    /// A path of SingleStore's means all files that begin so.
    fn which(reader: &mut ClauseReader<'_>) -> Which {
        match () {
            () if reader.take(&["FILE"]) => Which::File,
            () if reader.take(&["MANIFEST"]) => Which::Manifest,
            () => {
                reader.take(&["PREFIX"]);
                Which::Prefix
            }
        }
    }

    fn at(place: Where, which: Which, reader: &mut ClauseReader<'_>) -> Result<Self> {
        let mut options = StoreOptions::default();
        while options.read(reader)? {}
        Ok(Self {
            place,
            which,
            options,
        })
    }
}

impl FileFormat {
    /// Rows have names, not lines with fields.
    pub(crate) fn is_typed(self) -> bool {
        matches!(self, Self::Parquet | Self::Ndjson)
    }

    /// By its name in a statement.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name.to_uppercase().as_str() {
            "PARQUET" => Some(Self::Parquet),
            "NDJSON" | "JSON" | "JSONL" => Some(Self::Ndjson),
            "TEXT" | "TSV" => Some(Self::Lines),
            "CSV" => Some(Self::Csv),
            _ => None,
        }
    }

    /// `FORMAT [=] name`, which is not repeated; `None`: no such clause.
    pub(crate) fn read(reader: &mut ClauseReader<'_>) -> Result<Option<Self>> {
        if !reader.take(&["FORMAT"]) {
            return Ok(None);
        }
        reader.take(&["="]);
        let name = reader.word_or_string()?;
        let unknown = || SqlError::not_supported(&format!("LOAD DATA .. FORMAT {name}"));
        Self::named(&name).ok_or_else(unknown).map(Some)
    }
}
