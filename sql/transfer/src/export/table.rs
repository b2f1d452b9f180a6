//! The Delta table that an export takes the place of: what its log says, and what the next version says of it.
//!
//! The new version is one more file of the log, which takes the old files out and puts the new ones in. Until it
//! is there readers see the old table, and from then on the new one, whoever else has written versions before.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use object_store::path::Path;
use serde_json::{Map, Value, json};

use super::layout::{DELTA_LOG, inner};
use crate::error::{Result, TransferError};
use crate::place::Place;

/// Versions read at once.
const AT_ONCE: usize = 8;
/// Properties that say what all files and columns of a table have which an export does not write. The new version
/// consists of its files alone, so that it does without.
const OF_OTHER_FILES: [&str; 7] = [
    "delta.columnMapping.",
    "delta.enableIcebergCompat",
    "delta.universalFormat.",
    "delta.enableRowTracking",
    "delta.rowTracking.",
    "delta.enableInCommitTimestamps",
    "delta.inCommitTimestamp",
];

/// What a table's log says, up to its last version.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The number of the next version.
    next: u64,
    id: Option<String>,
    protocol: Option<Value>,
    /// The table's properties, as the last who changed them wrote them.
    configuration: Map<String, Value>,
    /// What belongs to the table now, by the path in the log and the name of its deletion vector.
    files: BTreeMap<(String, String), Value>,
    /// All files it ever had, which are removed with it.
    pub(super) paths: BTreeSet<Path>,
}

/// The file of a version.
fn version_path(prefix: &str, version: u64) -> String {
    format!("{}{DELTA_LOG}/{version:020}.json", inner(prefix))
}

impl Table {
    /// `log`: the files that are in the directory of the log.
    ///
    /// # Errors
    /// `Place` for a log that cannot be continued, `Content`, `Store`
    pub(super) async fn read(place: &Place, log: &BTreeSet<Path>) -> Result<Self> {
        let prefix = place.prefix();
        let versions = log.iter().filter(|path| version_of(path).is_some()).count() as u64;
        let paths = (0..versions).map(|version| verbatim(&version_path(prefix, version)));
        let paths: Vec<Path> = paths.collect::<Result<_>>()?;
        let is_whole = versions > 0 && paths.iter().all(|path| log.contains(path));
        if !log.is_empty() && !is_whole {
            let why = "the log of the Delta table there does not begin with version 0, so it cannot be \
                       overwritten: remove the table first";
            return Err(TransferError::Place {
                place: place.url(),
                why: why.into(),
            });
        }
        let mut table = Self {
            next: versions,
            ..Self::default()
        };
        let texts = stream::iter(paths).map(|path| async move {
            let text = place.read(&path).await;
            (path, text)
        });
        let mut texts = texts.buffered(AT_ONCE);
        while let Some((path, text)) = texts.next().await {
            table.replay(place, &path, &text?)?;
        }
        Ok(table)
    }

    fn replay(&mut self, place: &Place, path: &Path, text: &[u8]) -> Result<()> {
        for action in serde_json::Deserializer::from_slice(text).into_iter::<Value>() {
            let action = action.map_err(|e| TransferError::content(place.url_of(path), e))?;
            if let Some(add) = action.get("add") {
                self.paths.extend(path_of(place.prefix(), add));
                self.files.insert(key_of(add), add.clone());
            }
            if let Some(removed) = action.get("remove") {
                self.files.remove(&key_of(removed));
            }
            if let Some(protocol) = action.get("protocol") {
                self.protocol = Some(protocol.clone());
            }
            if let Some(metadata) = action.get("metaData") {
                let configuration = metadata.get("configuration").and_then(Value::as_object);
                self.configuration = configuration.cloned().unwrap_or_default();
            }
            let id = action.pointer("/metaData/id").and_then(Value::as_str);
            self.id = id.map(str::to_owned).or(self.id.take());
        }
        Ok(())
    }

    /// # Errors
    /// `Place` for a table of which nothing may be taken out.
    pub(super) fn check_overwritable(&self, place: &Place) -> Result<()> {
        let is_true = |value: &Value| match value {
            Value::String(text) => text.eq_ignore_ascii_case("true"),
            other => other.as_bool() == Some(true),
        };
        match self.configuration.get("delta.appendOnly") {
            Some(value) if is_true(value) => Err(TransferError::Place {
                place: place.url(),
                why: "the Delta table there has the property delta.appendOnly: it cannot be \
                      overwritten"
                    .into(),
            }),
            _ => Ok(()),
        }
    }

    /// The properties that the new version keeps.
    pub(super) fn configuration(&self) -> Map<String, Value> {
        let kept = self.configuration.iter().filter(|(key, _)| {
            let mut others = OF_OTHER_FILES.iter();
            !others.any(|begin| key.starts_with(*begin))
        });
        kept.map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// The number of the next version.
    pub(super) fn next_version(&self) -> u64 {
        self.next
    }

    /// Where the next version is written.
    pub(super) fn next_path(&self, prefix: &str) -> Result<Path> {
        verbatim(&version_path(prefix, self.next))
    }

    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The actions that take all files out.
    pub(super) fn removals(&self, now: i64) -> impl Iterator<Item = Value> {
        self.files.values().map(move |add| {
            let mut remove = json!({
                "path": add.get("path"),
                "deletionTimestamp": now,
                "dataChange": true,
            });
            // A file is another one with each vector of rows that are gone from it.
            if let (Some(vector), Value::Object(remove)) = (add.get("deletionVector"), &mut remove)
            {
                remove.insert("deletionVector".into(), vector.clone());
            }
            json!({ "remove": remove })
        })
    }

    /// What readers and writers must know for the old versions as well as for the new one.
    pub(super) fn protocol(&self, new: Value) -> Value {
        let Some(old) = &self.protocol else {
            return new;
        };
        let mut both = new;
        for key in ["minReaderVersion", "minWriterVersion"] {
            let number = |value: &Value| value.get(key).and_then(Value::as_u64).unwrap_or(1);
            both[key] = number(old).max(number(&both)).into();
        }
        for (key, version, least) in [
            ("readerFeatures", "minReaderVersion", 3),
            ("writerFeatures", "minWriterVersion", 7),
        ] {
            if both[version].as_u64() < Some(least) {
                continue;
            }
            let of = |value: &Value| value.get(key).and_then(Value::as_array).cloned();
            let mut features = of(&both).unwrap_or_default();
            for feature in of(old).unwrap_or_default() {
                if !features.contains(&feature) {
                    features.push(feature);
                }
            }
            both[key] = features.into();
        }
        both
    }
}

fn verbatim(text: &str) -> Result<Path> {
    Path::parse(text).map_err(|e| TransferError::Internal(e.to_string()))
}

/// `00000000000000000000.json`: what other names there are belongs to checkpoints.
fn version_of(path: &Path) -> Option<u64> {
    let digits = path.filename()?.strip_suffix(".json")?;
    let is_number = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

fn key_of(file: &Value) -> (String, String) {
    let text = |pointer: &str| file.pointer(pointer).map(Value::to_string);
    let vector = text("/deletionVector/pathOrInlineDv").unwrap_or_default();
    let offset = text("/deletionVector/offset").unwrap_or_default();
    (
        text("/path").unwrap_or_default(),
        format!("{vector} {offset}"),
    )
}

/// Where a file is; `None`: outside of the table, which is nobody's to remove.
fn path_of(prefix: &str, file: &Value) -> Option<Path> {
    let path = file.get("path")?.as_str()?;
    let is_url = path.starts_with('/') || path.contains("://");
    let path = decoded(path)?;
    // The parser refuses what climbs.
    (!is_url).then(|| Path::parse(format!("{}{path}", inner(prefix))).ok())?
}

/// A path of the log as it was before it was made a URL.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        (rest, _) = match (*first, byte) {
            (b'%', Some(byte)) => (behind.get(2..)?, out.push(byte)),
            (other, _) => (behind, out.push(other)),
        };
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::fake::Fake;

    #[tokio::test]
    async fn a_log_says_what_belongs_to_the_table() {
        let place = Fake::default().place("t/");
        let write = async |name: &str, text: &str| {
            let path = verbatim(&format!("t/_delta_log/{name}")).expect("a path");
            let put = place.put(&path, text.to_owned().into()).await;
            put.expect("written");
            path
        };
        let mut log = BTreeSet::new();
        log.insert(
            write(
                "00000000000000000000.json",
                "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n\
                 {\"metaData\":{\"id\":\"x\"}}\n\
                 {\"add\":{\"path\":\"x=a%252Fb/one\"}}\n{\"add\":{\"path\":\"two\"}}\n",
            )
            .await,
        );
        log.insert(
            write(
                "00000000000000000001.json",
                "{\"remove\":{\"path\":\"two\"}}\n\
                 {\"add\":{\"path\":\"two\",\"deletionVector\":{\"pathOrInlineDv\":\"v\"}}}\n\
                 {\"add\":{\"path\":\"../up\"}}\n{\"add\":{\"path\":\"s3://other/x\"}}\n",
            )
            .await,
        );
        let table = Table::read(&place, &log).await.expect("reads");
        let next = table.next_path("t/").expect("a path");
        assert_eq!(next.as_ref(), "t/_delta_log/00000000000000000002.json");
        assert_eq!(table.id(), Some("x"));
        let removed: Vec<String> = table
            .removals(7)
            .map(|r| r["remove"]["path"].to_string())
            .collect();
        assert_eq!(removed.len(), 4, "{removed:?}");
        let vectors = table
            .removals(7)
            .filter(|r| r.pointer("/remove/deletionVector").is_some());
        assert_eq!(vectors.count(), 1);
        let paths: Vec<&str> = table.paths.iter().map(AsRef::as_ref).collect();
        assert_eq!(paths, ["t/two", "t/x=a%2Fb/one"]);
        log.pop_first();
        assert!(Table::read(&place, &log).await.is_err(), "it was cut");
    }

    #[test]
    fn no_version_forgets_what_an_older_one_needs() {
        let table = |protocol| Table {
            protocol: Some(protocol),
            ..Table::default()
        };
        let plain = json!({"minReaderVersion": 1, "minWriterVersion": 2});
        let features = json!({
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["deletionVectors"],
            "writerFeatures": ["deletionVectors", "rowTracking"],
        });
        assert_eq!(table(plain.clone()).protocol(plain.clone()), plain);
        assert_eq!(table(features.clone()).protocol(plain.clone()), features);
        assert_eq!(table(plain).protocol(features.clone()), features);
    }
}
