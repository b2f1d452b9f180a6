//! FILE, PREFIX or MANIFEST: the files that a place means.

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Result, TransferError};
use crate::place::{Found, Place, Said};

/// A manifest of more bytes is none.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The path is a file.
    File,
    /// All files whose paths begin so, also below directories whose names do, but for manifests and what
    /// begins with a dot or an underscore.
    Prefix,
    /// The path is a file that names files.
    Manifest,
}

/// What an export writes; other systems' keys beside these are not looked at.
#[derive(Debug, Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    url: String,
    /// Whether a file that is not there is an error; without a word, it is.
    mandatory: Option<bool>,
    meta: Option<Meta>,
}

/// Aurora has the length alone. What others may mean by the names of the rest is not known: what has another form
/// than an export gives it is not looked at.
#[derive(Debug, Default, Deserialize)]
struct Meta {
    content_length: Option<u64>,
    #[serde(default)]
    record_count: Value,
    #[serde(default)]
    sha256: Value,
}

impl Meta {
    fn said(&self) -> Said {
        let is_digest =
            |text: &&str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        Said {
            rows: self.record_count.as_u64(),
            sha256: self.sha256.as_str().filter(is_digest).map(str::to_owned),
        }
    }
}

/// The files, in their order. What a manifest says of them beside their lengths is compared when they are read.
///
/// # Errors
/// `Missing`, `Content` for a manifest that is none or does not fit the files, `Place` for one that leads
/// to another store.
pub async fn files_of(place: &Place, which: Which) -> Result<Vec<Found>> {
    match which {
        Which::File => {
            let path = place.path().clone();
            let bytes = place.size(&path).await?;
            Ok(vec![Found::new(path, bytes)])
        }
        Which::Prefix => {
            let mut found = place.files(place.prefix()).await?;
            found.retain(|file| is_data(place.prefix(), file.path.as_ref()));
            match found.is_empty() {
                true => Err(TransferError::Missing(place.url())),
                false => Ok(found),
            }
        }
        Which::Manifest => named(place).await,
    }
}

/// Spark, Hive and Delta hide their own files so.
fn is_data(prefix: &str, path: &str) -> bool {
    let rest = path.strip_prefix(prefix).unwrap_or(path);
    // The rest of a name of which a part was given is as it was asked for.
    let begun = usize::from(!prefix.is_empty() && !prefix.ends_with('/'));
    let hidden = rest
        .split('/')
        .skip(begun)
        .any(|part| part.starts_with(['_', '.']));
    !hidden && !path.ends_with(".manifest")
}

async fn named(place: &Place) -> Result<Vec<Found>> {
    let path = place.path();
    let wrong = |why: &str| TransferError::content(place.url(), why);
    if place.size(path).await? > MANIFEST_BYTES_MAX {
        return Err(wrong("too large for a manifest"));
    }
    let text = place.read(path).await?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|e| wrong(&format!("not a manifest: {e}")))?;
    let mut files = Vec::with_capacity(manifest.entries.len());
    for entry in manifest.entries {
        let path = place
            .path_of(&entry.url)
            .ok_or_else(|| TransferError::Place {
                place: entry.url.clone(),
                why: "the manifest leads to another store than its own".into(),
            })?;
        let bytes = match place.size(&path).await {
            Err(TransferError::Missing(_)) if entry.mandatory == Some(false) => continue,
            size => size?,
        };
        let meta = entry.meta.unwrap_or_default();
        let said = meta.said();
        if meta.content_length.is_some_and(|length| length != bytes) {
            let url = place.url_of(&path);
            return Err(TransferError::content(
                url,
                "not of the length that the manifest says",
            ));
        }
        files.push(Found { path, bytes, said });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_describe_others_are_no_data() {
        for (path, expected) in [
            ("t.part_00000", true),
            ("t.manifest", false),
            ("t/x=1/part_00000.parquet", true),
            ("t/_delta_log/00000000000000000000.json", false),
            ("t/_SUCCESS", false),
            ("t/.crc", false),
        ] {
            assert_eq!(is_data("t", path), expected, "{path}");
        }
        assert!(!is_data("t/", "t/_SUCCESS") && !is_data("", ".crc"));
        assert!(is_data("t/_", "t/_SUCCESS"));
    }
}
