//! The files of an export that are open, and those on their last way.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use object_store::path::Path;
use tokio::task::JoinSet;

use super::Layout;
use super::before::Before;
use super::crew::Crew;
use super::encoder::Encoder;
use super::finish::Begun;
use super::part::{Ended, Part, rows_of, typed};
use super::partition::{Key, split};
use super::spec::{Encoding, ExportSpec, PartFile};
use super::upload::{Sender, Upload};
use crate::error::{Result, TransferError};

/// Files open at once: each holds a piece and the pages of a row group.
const OPEN_MAX: usize = 16;
/// Files open at once hold as many bytes together; an average of one piece each.
const OPEN_BYTES: u64 = 160 << 20;
/// Files on their last way at once, and the bytes that they hold together, if it is more than one.
const ENDING_MAX: usize = 8;
const ENDING_BYTES: u64 = 80 << 20;
/// Directories and files of one export: all are remembered until it ends.
const PARTITIONS_MAX: usize = 10_000;
const FILES_MAX: usize = 100_000;

/// What the thread that writes and the one that waits for it know of an export.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) spec: Arc<ExportSpec>,
    pub(super) before: Arc<Before>,
    pub(super) crew: Arc<Crew>,
    /// What may exist, whatever becomes of the thread that writes it.
    pub(super) begun: Arc<Mutex<Begun>>,
}

/// How a file came to its end, and the bytes that it held on its last way.
type Arrival = (Upload, Result<PartFile>, u64);

/// Writes loads into files. Blocking.
pub(super) struct Parts {
    spec: Arc<ExportSpec>,
    shared: Shared,
    encoder: Encoder,
    sender: Sender,
    open: HashMap<Key, Part>,
    ending: JoinSet<Arrival>,
    ending_bytes: u64,
    partitions: HashSet<Key>,
    files: Vec<PartFile>,
    number: usize,
    /// In names of files, where other exports may be under way to the same place.
    word: String,
    turn: u64,
}

impl Parts {
    pub(super) fn new(shared: Shared, sender: Sender) -> Result<Self> {
        let spec = Arc::clone(&shared.spec);
        Ok(Self {
            encoder: Encoder::new(&spec)?,
            spec,
            shared,
            sender,
            open: HashMap::new(),
            ending: JoinSet::new(),
            ending_bytes: 0,
            partitions: HashSet::new(),
            files: Vec::new(),
            number: 0,
            word: uuid::Uuid::new_v4().simple().to_string(),
            turn: 0,
        })
    }

    pub(super) fn write(&mut self, load: Vec<RecordBatch>) -> Result<()> {
        let rows = rows_of(&load);
        if self.spec.partition_by.is_empty() {
            self.write_to(Key::new(), load)?;
        } else {
            let spec = Arc::clone(&self.spec);
            let split = split(&load, &spec)?;
            self.count_partitions(split.iter().map(|(key, _)| key))?;
            for (key, batches) in split {
                self.sender.cancel.check()?;
                self.write_to(key, batches)?;
                self.close_idle()?;
            }
        }
        self.sender.progress.add_rows(rows);
        Ok(())
    }

    fn count_partitions<'a>(&mut self, keys: impl Iterator<Item = &'a Key>) -> Result<()> {
        for key in keys {
            if self.partitions.contains(key) {
                continue;
            }
            if self.partitions.len() >= PARTITIONS_MAX {
                let text = format!("PARTITION BY makes more than {PARTITIONS_MAX} directories");
                return Err(TransferError::Encode(text));
            }
            self.partitions.insert(key.clone());
        }
        Ok(())
    }

    fn write_to(&mut self, key: Key, batches: Vec<RecordBatch>) -> Result<()> {
        let spec = Arc::clone(&self.spec);
        self.turn += 1;
        match &self.encoder {
            Encoder::Lines(lines) => {
                let pieces = lines.encode(batches, &spec.cells, &self.shared.crew)?;
                for (text, rows) in pieces {
                    let length = text.len() as u64;
                    let too_large =
                        |part: &Part| part.rows > 0 && part.bytes() + length > spec.part_bytes;
                    if self.open.get(&key).is_some_and(too_large) {
                        self.end(&key)?;
                    }
                    self.part(&key)?.take_text(&text, rows)?;
                }
            }
            Encoder::Parquet(_) => {
                let rows = rows_of(&batches);
                let is_full = |part: &Part| !part.has_room(rows, spec.part_bytes);
                if self.open.get(&key).is_some_and(is_full) {
                    self.end(&key)?;
                }
                let batches = typed(&self.encoder, batches, (&spec, &self.shared.crew))?;
                let crew = Arc::clone(&self.shared.crew);
                self.part(&key)?.take_batches(&batches, &crew)?;
            }
            Encoder::Dump => {
                let part = self.part(&key)?;
                if part.rows + rows_of(&batches) > 1 {
                    return Err(TransferError::MoreThanOneRow);
                }
                part.take_dump(&batches, &spec)?;
            }
        }
        Ok(())
    }

    /// A name that no file has. The one name of a single file may be taken: the old file is there until the
    /// new one is whole.
    fn next_path(&mut self, partition: &[(String, Option<String>)]) -> Path {
        loop {
            let prefix = self.spec.place.prefix();
            let name = (self.number, self.word.as_str());
            let path = self.spec.layout.part(prefix, name, partition);
            self.number += 1;
            if !self.shared.before.has(&path) || matches!(self.spec.layout, Layout::Single) {
                return path;
            }
        }
    }

    /// The open file of these values.
    fn part(&mut self, key: &Key) -> Result<&mut Part> {
        if !self.open.contains_key(key) {
            if self.files.len() + self.ending.len() + self.open.len() >= FILES_MAX {
                let text = format!(
                    "the export makes more than {FILES_MAX} files: sort its rows by the columns of \
                     PARTITION BY, or make MAXFILESIZE larger"
                );
                return Err(TransferError::Encode(text));
            }
            let names = self.spec.partition_by.iter();
            let names = names.map(|at| self.spec.schema.field(*at).name().clone());
            let partition: Vec<_> = names.zip(key.iter().cloned()).collect();
            let path = self.next_path(&partition);
            let begun = self.shared.begun.lock();
            let mut begun = begun.unwrap_or_else(PoisonError::into_inner);
            begun.files.push(path.clone());
            drop(begun);
            let upload = Upload::new(self.sender.clone(), path.clone(), self.spec.part_bytes);
            let part = Part::new(&self.encoder, path, partition, upload)?;
            self.open.insert(key.clone(), part);
        }
        let turn = self.turn;
        let part = self.open.get_mut(key);
        let part = part.ok_or_else(|| TransferError::Internal("a file went missing".into()))?;
        part.used = turn;
        Ok(part)
    }

    /// Closes the files that have waited longest while there are too many, or they hold too much.
    fn close_idle(&mut self) -> Result<()> {
        loop {
            let held: u64 = self.open.values().map(Part::held).sum();
            if self.open.len() <= OPEN_MAX && (held <= OPEN_BYTES || self.open.len() <= 1) {
                return Ok(());
            }
            let oldest = self.open.iter().min_by_key(|(_, part)| part.used);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return Ok(());
            };
            self.end(&key)?;
        }
    }

    fn end(&mut self, key: &Key) -> Result<()> {
        let Some(part) = self.open.remove(key) else {
            return Ok(());
        };
        let handle = self.sender.handle.clone();
        match part.end(&self.spec, &self.shared.crew) {
            Err(failed) => {
                let (upload, error) = *failed;
                self.ending.spawn_on(
                    async move { (upload, Err(TransferError::Cancelled), 0) },
                    &handle,
                );
                return Err(error);
            }
            Ok(Ended { mut upload, file }) => {
                let held = upload.held();
                self.ending_bytes += held;
                let work = async move {
                    let arrived = upload.finish().await;
                    let file = arrived.map(|arrived| PartFile {
                        bytes: arrived.bytes,
                        sha256: arrived.sha256,
                        ..file
                    });
                    (upload, file, held)
                };
                self.ending.spawn_on(work, &handle);
            }
        }
        while self.ending.len() >= ENDING_MAX
            || (self.ending.len() > 1 && self.ending_bytes > ENDING_BYTES)
        {
            handle.block_on(self.arrived())?;
        }
        Ok(())
    }

    /// Waits for one file.
    async fn arrived(&mut self) -> Result<()> {
        let (upload, arrived, held) = match self.ending.join_next().await {
            None => return Ok(()),
            Some(joined) => joined.map_err(|e| TransferError::Internal(e.to_string()))?,
        };
        self.ending_bytes = self.ending_bytes.saturating_sub(held);
        match arrived {
            Ok(file) => {
                self.files.push(file);
                Ok(())
            }
            Err(error) => {
                give_up(upload, &self.shared.begun).await;
                Err(error)
            }
        }
    }

    /// Ends all files. An export of no rows has one, unless directories or a table are its frame.
    pub(super) fn finish(&mut self) -> Result<Vec<PartFile>> {
        let framed =
            !self.spec.partition_by.is_empty() || matches!(self.spec.layout, Layout::Delta);
        if self.number == 0 && !framed {
            if matches!(self.spec.encoding, Encoding::Dump) {
                return Err(TransferError::NoRow);
            }
            self.part(&Key::new())?;
        }
        let keys: Vec<Key> = self.open.keys().cloned().collect();
        for key in keys {
            self.end(&key)?;
        }
        let handle = self.sender.handle.clone();
        while !self.ending.is_empty() {
            handle.block_on(self.arrived())?;
        }
        self.files.sort_by_key(|file| number_of(&file.path));
        Ok(std::mem::take(&mut self.files))
    }

    /// Gives up all uploads.
    pub(super) fn abandon(mut self) {
        // What waits for retries stops.
        self.sender.cancel.cancel();
        let handle = self.sender.handle.clone();
        let begun = &self.shared.begun;
        handle.block_on(async {
            while let Some(joined) = self.ending.join_next().await {
                if let Ok((upload, ..)) = joined {
                    give_up(upload, begun).await;
                }
            }
            for (_, part) in self.open.drain() {
                give_up(part.upload, begun).await;
            }
        });
    }
}

/// Gives an upload up, and remembers when that is not sure to have been done.
async fn give_up(upload: Upload, begun: &Mutex<Begun>) {
    let path = upload.path().clone();
    if let Err(error) = upload.abort().await {
        tracing::warn!(%error, "an upload could not be given up");
        let mut begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.hanging.push(path);
    }
}

fn number_of(path: &Path) -> (usize, String) {
    let name = path.filename().unwrap_or_default();
    let digits = name.rsplit_once("part_").map_or("", |(_, rest)| rest);
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    (digits.parse().unwrap_or(0), name.to_owned())
}
