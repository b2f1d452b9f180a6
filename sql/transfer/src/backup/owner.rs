//! Whose the list is that is to be replaced: a backup that is renewed belongs to one server at a time.
//!
//! A server that begins does not remember what it wrote before. It takes over the list whose state its own has gone
//! on from, which is no later one: none of its numbered files is another here, and what it has of the log is the
//! beginning of the log here. From then on the list is its own by the word in it, or it is not replaced.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use object_store::UpdateVersion;
use sha2::{Digest, Sha256};

use super::copy::{object_of, read};
use super::manifest::{BackupHeader, FileEntry, Manifest, hex};
use super::{BackupSpec, Backups, SourceFile};
use crate::cancel::Cancel;
use crate::error::{Result, TransferError};

/// The line that says whose a list is has fewer bytes.
const HEADER_BYTES: u64 = 8 << 10;
/// Times that a list is written that did not arrive: a request with a condition is not repeated by itself when its
/// connection breaks off.
const TRIES: u32 = 4;

/// Who renews a backup.
pub(super) struct Owner {
    backups: Backups,
    /// Of the backup.
    id: String,
    /// In the lists of this process, and in no others.
    writer: String,
    /// Whether a list of its own has been there.
    has_written: bool,
}

/// What is there to be replaced.
pub(super) enum List {
    Missing,
    Own(UpdateVersion),
    /// Of an earlier process of this server, as far as can be known.
    Earlier(UpdateVersion),
    /// And how that is known.
    Others(String),
}

impl Owner {
    pub(super) fn new(backups: Backups, id: &str, writer: &str) -> Self {
        Self {
            backups,
            id: id.into(),
            writer: writer.into(),
            has_written: false,
        }
    }

    pub(super) fn signed(&self, header: BackupHeader) -> BackupHeader {
        BackupHeader {
            writer: Some(self.writer.clone()),
            ..header
        }
    }

    /// Whose list is there. The files of `spec` are read for it, if that is not known by a word.
    pub(super) async fn look(&mut self, spec: &mut BackupSpec) -> Result<List> {
        let path = self.backups.manifest_path(&self.id);
        let looked = self.backups.place.look(&path, HEADER_BYTES).await?;
        let Some((begin, version)) = looked else {
            return Ok(List::Missing);
        };
        if self.is_own(&begin) {
            self.has_written = true;
            return Ok(List::Own(version));
        }
        if self.has_written {
            return Ok(List::Others("it has replaced this server's".into()));
        }
        let list = match self.backups.manifest(&self.id).await {
            Err(TransferError::Missing(_)) => return Ok(List::Missing),
            // It is of no use to anybody.
            Err(error @ TransferError::Content { .. }) => {
                tracing::warn!(%error, "a damaged list of a continuous backup is replaced");
                return Ok(List::Earlier(version));
            }
            list => list?,
        };
        let (sequence, files) = (spec.sequence, std::mem::take(&mut spec.files));
        let compared = tokio::task::spawn_blocking(move || {
            let difference = difference(&list, sequence, &files);
            (files, difference)
        });
        let compared = compared.await;
        let (files, difference) = compared.map_err(|e| TransferError::Internal(e.to_string()))?;
        spec.files = files;
        Ok(match difference? {
            None => List::Earlier(version),
            Some(why) => List::Others(why),
        })
    }

    /// Whether a list of its own has been there and is not any more: what it named may go then.
    pub(super) fn has_lost(&self, list: &List) -> bool {
        self.has_written && !matches!(list, List::Own(_))
    }

    /// What may be replaced; `None`: nothing is there.
    pub(super) fn replaceable(&self, list: List) -> Result<Option<UpdateVersion>> {
        match list {
            List::Missing => Ok(None),
            List::Own(version) | List::Earlier(version) => Ok(Some(version)),
            List::Others(why) => Err(self.refused(&why)),
        }
    }

    fn refused(&self, why: &str) -> TransferError {
        let path = self.backups.manifest_path(&self.id);
        TransferError::Place {
            place: self.backups.place.url_of(&path),
            why: format!(
                "this is the continuous backup of another server: {why}. Give each server a place of its own, \
                 or remove that list"
            ),
        }
    }

    fn is_own(&self, list: &[u8]) -> bool {
        let line = list.split(|byte| *byte == b'\n').next();
        let header = line.map(serde_json::from_slice::<BackupHeader>);
        let writer = header.and_then(|header| header.ok()?.writer);
        writer.is_some_and(|writer| writer == self.writer)
    }

    /// Writes a list in the place of the one that was seen, and of no other.
    pub(super) async fn publish(
        &mut self,
        manifest: &Manifest,
        mut seen: Option<UpdateVersion>,
        cancel: &Cancel,
    ) -> Result<()> {
        let path = self.backups.manifest_path(&self.id);
        let text = Bytes::from(manifest.encode()?);
        let mut tries = 1;
        loop {
            cancel.check()?;
            let place = &self.backups.place;
            let put = place.replace(&path, text.clone().into(), seen.as_ref());
            let Err(error) = put.await else { break };
            // The answer may have been lost, and not what was sent.
            let Ok(there) = place.look(&path, text.len() as u64 + 1).await else {
                return Err(error);
            };
            seen = match there {
                None => None,
                Some((begin, _)) if begin == text => break,
                Some((begin, version)) => {
                    if seen.as_ref() != Some(&version) && !self.is_own(&begin) {
                        return Err(self.refused("it was written meanwhile"));
                    }
                    Some(version)
                }
            };
            if tries >= TRIES {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(50) * tries).await;
            tries += 1;
        }
        self.has_written = true;
        let place = &self.backups.place;
        place.make_durable(std::slice::from_ref(&path))
    }
}

/// Why a state has not gone on from a list's; `None`: it has, or has forgotten what would tell. Blocking.
fn difference(
    list: &Manifest,
    sequence: u64,
    files: &[Box<dyn SourceFile>],
) -> Result<Option<String>> {
    let theirs = list.header.sequence;
    if theirs > sequence {
        let why = format!("it is of commit {theirs}, and the newest one here is {sequence}");
        return Ok(Some(why));
    }
    let own: HashMap<&str, &dyn SourceFile> =
        files.iter().map(|file| (file.name(), &**file)).collect();
    for entry in &list.files {
        let Some(file) = own.get(entry.name.as_str()) else {
            continue;
        };
        let goes_on = match object_of(*file) {
            // Its name has what no other content has.
            Some(object) => entry.objects.iter().all(|piece| piece.path == object),
            None if file.grows() => begins_with(*file, entry)?,
            None => true,
        };
        if !goes_on {
            let why = format!("its '{}' is not the one here", entry.name);
            return Ok(Some(why));
        }
    }
    Ok(None)
}

fn begins_with(file: &dyn SourceFile, entry: &FileEntry) -> Result<bool> {
    if file.bytes() < entry.bytes {
        return Ok(false);
    }
    let (mut sha256, mut left) = (Sha256::new(), entry.bytes);
    read(file, 0, &mut |piece| {
        let count = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
        sha256.update(piece.get(..count).unwrap_or_default());
        left -= count as u64;
        Ok(())
    })?;
    Ok(hex(&sha256.finalize()) == entry.sha256)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backup::{BackedUp, Shipper, restore};
    use crate::error::BoxError;
    use crate::place::fake::{Fake, Fate};

    const LIST: &str = "backups/continuous-0000000000000007.manifest";

    struct Made {
        name: &'static str,
        content: &'static str,
    }

    impl SourceFile for Made {
        fn name(&self) -> &str {
            self.name
        }

        fn identity(&self) -> Option<String> {
            (!self.grows()).then(|| self.content.into())
        }

        fn bytes(&self) -> u64 {
            self.content.len() as u64
        }

        fn grows(&self) -> bool {
            self.name.starts_with("wal/")
        }

        fn read(
            &self,
            from: u64,
            take: &mut dyn FnMut(&[u8]) -> Result<()>,
        ) -> Result<(), BoxError> {
            Ok(take(&self.content.as_bytes()[from as usize..])?)
        }
    }

    /// Commit, a segment, and the log.
    type State = (u64, &'static str, &'static str);

    async fn ship(fake: &Fake, shipper: &mut Shipper, state: State) -> Result<BackedUp> {
        let made = |name, content| Box::new(Made { name, content }) as Box<dyn SourceFile>;
        let spec = BackupSpec {
            place: fake.place(""),
            title: "ALL".into(),
            database: 7,
            sequence: state.0,
            moment: chrono::DateTime::UNIX_EPOCH,
            version: "test".into(),
            files: vec![made("1.seg", state.1), made("wal/2.wal", state.2)],
            threads: 1,
        };
        shipper.ship(spec, Arc::default(), &Cancel::default()).await
    }

    async fn list(fake: &Fake) -> String {
        let list = fake.place("").read(&LIST.into()).await.expect("there");
        String::from_utf8(list.to_vec()).expect("text")
    }

    fn shipper(fake: &Fake) -> Shipper {
        Shipper::new(fake.place(""), 7)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_takes_over_only_what_it_has_gone_on_from() {
        for is_plain in [false, true] {
            let fake = Fake::default();
            if is_plain {
                fake.without_conditions();
            }
            let first = ship(&fake, &mut shipper(&fake), (5, "s", "abc")).await;
            first.expect("shipped");
            let (before, there) = (list(&fake).await, fake.keys().await);
            for (what, state) in [
                ("it is behind", (4, "s", "abc")),
                ("its log is shorter", (6, "s", "ab")),
                ("its log is another", (6, "s", "abXde")),
                ("its segment is another", (6, "t", "abcd")),
            ] {
                let shipped = ship(&fake, &mut shipper(&fake), state).await;
                let error = shipped.expect_err(what);
                assert!(matches!(error, TransferError::Place { .. }), "{error}");
                assert_eq!(list(&fake).await, before, "{what}");
                assert_eq!(fake.keys().await, there, "{what}");
            }
            let next = ship(&fake, &mut shipper(&fake), (6, "s", "abcd")).await;
            next.expect("it goes on");
            assert_ne!(list(&fake).await, before);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_has_been_replaced_stops_and_sends_all_when_it_begins_again() {
        let fake = Fake::default();
        let mut one = shipper(&fake);
        let mut copy = shipper(&fake).keeping(Duration::ZERO);
        ship(&fake, &mut one, (5, "s", "abc"))
            .await
            .expect("shipped");
        // As long as nothing happens, nobody knows which of the two is the copy.
        ship(&fake, &mut copy, (5, "s", "abc"))
            .await
            .expect("shipped");
        let before = list(&fake).await;
        for _ in 0..2 {
            let shipped = ship(&fake, &mut one, (6, "s", "abcd")).await;
            let error = shipped.expect_err("it is another's").to_string();
            assert!(error.contains("another server"), "{error}");
            assert_eq!(list(&fake).await, before);
        }
        ship(&fake, &mut copy, (7, "s", "abcX"))
            .await
            .expect("shipped");
        // Pieces of the first have gone, and are not counted on.
        fake.take_away(LIST);
        ship(&fake, &mut one, (8, "s", "abcde"))
            .await
            .expect("shipped");
        let create = |_: &str| -> Result<Box<dyn crate::SinkFile>, BoxError> { Ok(Box::new(Gone)) };
        let restored = restore(
            fake.place(""),
            "continuous-0000000000000007",
            Box::new(create),
            Arc::default(),
            Cancel::default(),
        );
        assert_eq!(restored.await.expect("restored").header.sequence, 8);
    }

    struct Gone;

    impl crate::SinkFile for Gone {
        fn write(&mut self, _bytes: &[u8]) -> Result<(), BoxError> {
            Ok(())
        }

        fn finish(self: Box<Self>) -> Result<(), BoxError> {
            Ok(())
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_list_that_is_written_meanwhile_is_not_replaced() {
        let fake = Fake::default();
        let other = Fake::default();
        ship(&other, &mut shipper(&other), (9, "s", "abc"))
            .await
            .expect("shipped");
        let theirs = list(&other).await;
        let mut one = shipper(&fake);
        ship(&fake, &mut one, (5, "s", "abc"))
            .await
            .expect("shipped");
        let (own, text) = (fake.clone(), theirs.clone());
        fake.rule(move |request| {
            if request.starts_with("put ") && request.ends_with(LIST) {
                own.insert(LIST, &text);
            }
            Fate::Done
        });
        let shipped = ship(&fake, &mut one, (6, "s", "abcd")).await;
        let error = shipped.expect_err("another was faster").to_string();
        assert!(error.contains("another server"), "{error}");
        assert_eq!(list(&fake).await, theirs);
    }
}
