//! The files of an export that are open, and those on their last way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use object_store::path::Path;
use tokio::task::JoinSet;

use super::Layout;
use super::encoder::Encoder;
use super::finish::{Before, Begun};
use super::part::{Ended, Part, rows_of, typed};
use super::partition::{Key, split};
use super::spec::{Encoding, ExportSpec, PartFile};
use super::upload::{Sender, Upload};
use crate::error::{Result, TransferError};

/// Files open at once: each holds a piece and the pages of a row group.
const OPEN_MAX: usize = 16;
/// Files open at once hold as many bytes together; an average of one piece each.
const OPEN_BYTES: u64 = 160 << 20;
/// Files on their last way at once.
const ENDING_MAX: usize = 8;

/// What the thread that writes and the one that waits for it know of an export.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) spec: Arc<ExportSpec>,
    pub(super) before: Arc<Before>,
    /// What may exist, whatever becomes of the thread that writes it.
    pub(super) begun: Arc<Mutex<Begun>>,
}

/// Writes loads into files. Blocking.
pub(super) struct Parts {
    spec: Arc<ExportSpec>,
    shared: Shared,
    encoder: Encoder,
    sender: Sender,
    open: HashMap<Key, Part>,
    ending: JoinSet<(Upload, Result<PartFile>)>,
    files: Vec<PartFile>,
    number: usize,
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
            files: Vec::new(),
            number: 0,
            turn: 0,
        })
    }

    pub(super) fn write(&mut self, load: Vec<RecordBatch>) -> Result<()> {
        let rows = rows_of(&load);
        if self.spec.partition_by.is_empty() {
            self.write_to(Key::new(), load)?;
        } else {
            let spec = Arc::clone(&self.spec);
            for (key, batches) in split(&load, &spec.partition_by, spec.cells.as_ref())? {
                self.sender.cancel.check()?;
                self.write_to(key, batches)?;
                self.close_idle()?;
            }
        }
        self.sender.progress.add_rows(rows);
        Ok(())
    }

    fn write_to(&mut self, key: Key, batches: Vec<RecordBatch>) -> Result<()> {
        let spec = Arc::clone(&self.spec);
        self.turn += 1;
        match &self.encoder {
            Encoder::Lines(lines) => {
                let pieces = lines.encode(batches, &spec.cells, spec.threads)?;
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
                let batches = typed(&self.encoder, batches, &spec)?;
                self.part(&key)?.take_batches(&batches, spec.threads)?;
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
            let place = self.spec.place.path();
            let path = self.spec.layout.part(place, self.number, partition);
            self.number += 1;
            if !self.shared.before.has(&path) || matches!(self.spec.layout, Layout::Single) {
                return path;
            }
        }
    }

    /// The open file of these values.
    fn part(&mut self, key: &Key) -> Result<&mut Part> {
        if !self.open.contains_key(key) {
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
        match part.end(&self.spec) {
            Err(failed) => {
                let (upload, error) = *failed;
                self.ending.spawn_on(
                    async move { (upload, Err(TransferError::Cancelled)) },
                    &handle,
                );
                return Err(error);
            }
            Ok(Ended { mut upload, file }) => {
                let work = async move {
                    let arrived = upload.finish().await;
                    let file = arrived.map(|arrived| PartFile {
                        bytes: arrived.bytes,
                        sha256: arrived.sha256,
                        ..file
                    });
                    (upload, file)
                };
                self.ending.spawn_on(work, &handle);
            }
        }
        while self.ending.len() >= ENDING_MAX {
            handle.block_on(self.arrived())?;
        }
        Ok(())
    }

    /// Waits for one file.
    async fn arrived(&mut self) -> Result<()> {
        match self.ending.join_next().await {
            None => Ok(()),
            Some(Err(e)) => Err(TransferError::Internal(e.to_string())),
            Some(Ok((_, Ok(file)))) => {
                self.files.push(file);
                Ok(())
            }
            Some(Ok((upload, Err(error)))) => {
                if let Err(e) = upload.abort().await {
                    tracing::warn!(error = %e, "an upload could not be given up");
                }
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
        handle.block_on(async {
            while let Some(joined) = self.ending.join_next().await {
                if let Ok((upload, _)) = joined {
                    give_up(upload).await;
                }
            }
            for (_, part) in self.open.drain() {
                give_up(part.upload).await;
            }
        });
    }
}

async fn give_up(upload: Upload) {
    if let Err(error) = upload.abort().await {
        tracing::warn!(%error, "an upload could not be given up");
    }
}

fn number_of(path: &Path) -> (usize, String) {
    let name = path.filename().unwrap_or_default();
    let digits = name.rsplit_once("part_").map_or("", |(_, rest)| rest);
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    (digits.parse().unwrap_or(0), name.to_owned())
}
