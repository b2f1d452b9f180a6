//! The list of a backup's files: a line of JSON for the backup, one for each file, and one that says that the
//! list is whole.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Result, TransferError};

/// Of the list, not of the files.
pub(super) const FORMAT: u32 = 1;

/// What the backup is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHeader {
    pub format: u32,
    pub id: String,
    /// What it is of: `ALL`, or a database's name.
    pub title: String,
    /// The number of the database, in hexadecimal digits.
    pub database: String,
    /// The last commit in it.
    pub sequence: u64,
    /// When that was the newest one.
    #[serde(with = "rfc3339")]
    pub moment: DateTime<Utc>,
    /// The program that wrote it.
    pub version: String,
    /// Of a backup that is renewed: a word that only the process has that wrote this list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
}

/// A file of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    /// Below the directory that was backed up.
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// What it consists of, in order.
    pub(super) objects: Vec<Piece>,
}

/// An object, below the directory of all backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) path: String,
    pub(super) bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    files: u64,
    bytes: u64,
    /// Of all lines before this one.
    sha256: String,
}

/// Moments as people read them.
mod rfc3339 {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        moment: &DateTime<Utc>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&moment.to_rfc3339_opts(SecondsFormat::Micros, true))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DateTime<Utc>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A list that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) header: BackupHeader,
    pub(super) files: Vec<FileEntry>,
}

pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Manifest {
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let failed = |e: serde_json::Error| TransferError::Encode(e.to_string());
        serde_json::to_writer(&mut text, &self.header).map_err(failed)?;
        for file in &self.files {
            text.push(b'\n');
            serde_json::to_writer(&mut text, file).map_err(failed)?;
        }
        text.push(b'\n');
        let end = End {
            files: self.files.len() as u64,
            bytes: self.bytes(),
            sha256: hex(&Sha256::digest(&text)),
        };
        serde_json::to_writer(&mut text, &end).map_err(failed)?;
        text.push(b'\n');
        Ok(text)
    }

    /// `name`: of the file, for errors.
    pub(super) fn decode(name: &str, text: &[u8]) -> Result<Self> {
        let damaged = |why: &str| TransferError::content(name, why);
        let body = text.strip_suffix(b"\n").unwrap_or(text);
        let split = body.iter().rposition(|byte| *byte == b'\n');
        let split = split.ok_or_else(|| damaged("the list of files is cut"))?;
        let (lines, end) = body.split_at(split + 1);
        let end: End =
            serde_json::from_slice(end).map_err(|_| damaged("the list of files is cut"))?;
        if end.sha256 != hex(&Sha256::digest(lines)) {
            return Err(damaged("the list of files is damaged: its SHA-256 differs"));
        }
        let mut lines = lines.split(|byte| *byte == b'\n').filter(|l| !l.is_empty());
        let header = lines.next().unwrap_or_default();
        let header: BackupHeader = serde_json::from_slice(header)
            .map_err(|e| damaged(&format!("the list of files cannot be read: {e}")))?;
        if header.format > FORMAT {
            let why = format!(
                "format {} is of a newer version of the program",
                header.format
            );
            return Err(damaged(&why));
        }
        let files = lines.map(serde_json::from_slice).collect::<Result<_, _>>();
        let files =
            files.map_err(|e| damaged(&format!("the list of files cannot be read: {e}")))?;
        let manifest = Self { header, files };
        match manifest.files.len() as u64 == end.files && manifest.bytes() == end.bytes {
            true => Ok(manifest),
            false => Err(damaged("the list of files is damaged: files are missing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(files: u64) -> Manifest {
        let file = |n: u64| FileEntry {
            name: format!("{n:016x}.seg"),
            bytes: n,
            sha256: hex(&Sha256::digest(n.to_le_bytes())),
            objects: vec![Piece {
                path: format!("files/{n:016x}-\u{e9}\n.seg"),
                bytes: n,
            }],
        };
        Manifest {
            header: BackupHeader {
                format: FORMAT,
                id: "x".into(),
                title: "ALL".into(),
                database: "00".into(),
                sequence: 7,
                moment: DateTime::UNIX_EPOCH,
                version: "1".into(),
                writer: Some("w".into()),
            },
            files: (0..files).map(file).collect(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_any_other_byte_is_noticed() {
        for files in [0, 1, 5] {
            let manifest = manifest(files);
            let text = manifest.encode().expect("writes");
            assert_eq!(Manifest::decode("m", &text).expect("reads"), manifest);
            for cut in 0..text.len() - 1 {
                assert!(Manifest::decode("m", &text[..cut]).is_err(), "cut at {cut}");
            }
            for at in 0..text.len() - 1 {
                let mut other = text.clone();
                other[at] ^= 1;
                let read = Manifest::decode("m", &other);
                assert!(read.is_err(), "{at}: {:?}", other[at] as char);
            }
        }
    }

    #[test]
    fn a_newer_list_is_refused() {
        let mut manifest = manifest(1);
        manifest.header.format = FORMAT + 1;
        let text = manifest.encode().expect("writes");
        let error = Manifest::decode("m", &text).expect_err("newer");
        assert!(error.to_string().contains("newer"), "{error}");
    }
}
