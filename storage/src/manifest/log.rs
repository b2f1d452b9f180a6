//! The file MANIFEST: a checkpoint followed by records of edits, each synced before the next is
//! written. It is replaced as a whole, by rename, at every open and when it has grown.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::edit::{Edit, decode_edits, encode_edits};
use super::state::ManifestState;
use crate::format::{
    FILE_HEADER_BYTES, FileHeader, FileId, FileKind, Frame, FrameHeader, Frames, Malformed, Seal,
    Tail, encode_frame,
};
use crate::fs::{File, FileSystem};
use crate::{Error, Result};

const NAME: &str = "MANIFEST";
const TEMPORARY_NAME: &str = "MANIFEST.new";

/// A log shorter than this is never rewritten while running.
const REWRITE_BYTES_MIN: u64 = 1 << 20;

pub(crate) fn manifest_path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// Hands out numbers for new files. A number is used up only once an edit names it; an open starts
/// above every number it finds on a file.
#[derive(Debug, Clone)]
pub(crate) struct FileIds(Arc<AtomicU64>);

impl FileIds {
    pub(crate) fn starting_at(next: FileId) -> Self {
        Self(Arc::new(AtomicU64::new(next.0)))
    }

    pub(crate) fn take(&self) -> FileId {
        FileId(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn next(&self) -> FileId {
        FileId(self.0.load(Ordering::Relaxed))
    }
}

/// What a manifest file says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recovered {
    pub(crate) database: u64,
    pub(crate) state: ManifestState,
    /// Number of the last record.
    pub(crate) edit: u64,
    /// Sequence of the last commit the WAL had durably reached when the last record was written.
    pub(crate) sequence: u64,
}

/// Reads a manifest from its bytes. A torn last record was never acknowledged and is left out.
pub(crate) fn decode_manifest(path: &Path, file: &[u8]) -> Result<Recovered> {
    let header = FileHeader::decode(FileKind::Manifest, path, file)?;
    let seal = header.seal;
    let mut found = Recovered {
        database: seal.database,
        state: ManifestState::default(),
        edit: 0,
        sequence: 0,
    };
    found.state.next_file = FileId(seal.file.0.saturating_add(1));
    let mut frames = Frames::new(file, seal);
    for (index, frame) in frames.by_ref().enumerate() {
        let corrupt = |e: Malformed| Error::corruption(path, frame.offset, e.0);
        replay(&mut found, index, &frame).map_err(corrupt)?;
    }
    let bad = frames.end();
    if bad == FILE_HEADER_BYTES as u64 {
        // The file got its name only after the checkpoint had been synced.
        return Err(Error::corruption(
            path,
            bad,
            "the checkpoint is missing or damaged",
        ));
    }
    if frames.tail() == Tail::Damaged {
        return Err(Error::corruption(
            path,
            bad,
            "a bad record before good ones",
        ));
    }
    Ok(found)
}

fn replay(
    found: &mut Recovered,
    index: usize,
    frame: &Frame<'_>,
) -> std::result::Result<(), Malformed> {
    let header = frame.header;
    if index > 0 && found.edit.checked_add(1) != Some(header.first) {
        return Err(Malformed("the numbers of the records are not consecutive"));
    }
    if header.other < found.sequence {
        return Err(Malformed("a record goes back in time"));
    }
    for edit in decode_edits(frame.payload)? {
        found.state.apply(edit)?;
    }
    found.edit = header.first;
    found.sequence = header.other;
    Ok(())
}

/// A manifest of nothing but a checkpoint, whose record has the number `edit`.
pub(crate) fn checkpoint_file(recovered: &Recovered, seal: Seal) -> Vec<u8> {
    let mut bytes = FileHeader {
        kind: FileKind::Manifest,
        seal,
    }
    .encode();
    let start = FILE_HEADER_BYTES as u64;
    let header = FrameHeader {
        first: recovered.edit,
        count: 1,
        synced: start,
        other: recovered.sequence,
    };
    let edits = encode_edits(&recovered.state.checkpoint());
    encode_frame(&mut bytes, seal, start, header, &edits);
    bytes
}

/// The open manifest. INVARIANT: after an error of `append` or `rewrite` that is not "disk full" the
/// content of the file is unknown and the store must stop writing.
#[derive(Debug)]
pub(crate) struct ManifestLog {
    fs: Arc<dyn FileSystem>,
    dir: PathBuf,
    file: Box<dyn File>,
    seal: Seal,
    state: ManifestState,
    file_ids: FileIds,
    edit: u64,
    length: u64,
    checkpoint_length: u64,
}

impl ManifestLog {
    /// Writes a new manifest that begins with a checkpoint of `recovered` and lets it take the name.
    pub(crate) fn create(
        fs: &Arc<dyn FileSystem>,
        dir: &Path,
        recovered: Recovered,
        file_ids: &FileIds,
    ) -> Result<Self> {
        let log = Self::write_new(fs, dir, recovered, file_ids)?;
        log.take_name()?;
        Ok(log)
    }

    /// Writes and syncs a new manifest under another name.
    fn write_new(
        fs: &Arc<dyn FileSystem>,
        dir: &Path,
        recovered: Recovered,
        file_ids: &FileIds,
    ) -> Result<Self> {
        let Recovered {
            database,
            mut state,
            edit,
            sequence,
        } = recovered;
        let seal = Seal {
            database,
            file: file_ids.take(),
        };
        state.next_file = state.next_file.max(file_ids.next());
        let edit = edit.saturating_add(1);
        let recovered = Recovered {
            database,
            state,
            edit,
            sequence,
        };
        let bytes = checkpoint_file(&recovered, seal);
        let state = recovered.state;
        let path = dir.join(TEMPORARY_NAME);
        let file = fs
            .create(&path)
            .map_err(|e| Error::io("create", &path, &e))?;
        file.write_at(0, &bytes)
            .map_err(|e| Error::io("write", &path, &e))?;
        file.sync().map_err(|e| Error::io("sync", &path, &e))?;
        let (fs, dir, file_ids) = (Arc::clone(fs), dir.to_path_buf(), file_ids.clone());
        let length = bytes.len() as u64;
        let checkpoint_length = length;
        Ok(Self {
            fs,
            dir,
            file,
            seal,
            state,
            file_ids,
            edit,
            length,
            checkpoint_length,
        })
    }

    fn take_name(&self) -> Result<()> {
        let (temporary, path) = (self.dir.join(TEMPORARY_NAME), self.dir.join(NAME));
        self.fs
            .rename(&temporary, &path)
            .map_err(|e| Error::io("rename", &path, &e))?;
        self.fs
            .sync_dir(&self.dir)
            .map_err(|e| Error::io("sync", &self.dir, &e))
    }

    pub(crate) fn state(&self) -> &ManifestState {
        &self.state
    }

    /// Number of the last durable record.
    pub(crate) fn edit(&self) -> u64 {
        self.edit
    }

    /// Writes and syncs one record. `sequence` is that of the last durable commit. When the disk is
    /// full the record is taken back and the manifest stays usable.
    pub(crate) fn append(&mut self, edits: &[Edit], sequence: u64) -> Result<()> {
        let path = self.dir.join(NAME);
        let mut next = self.state.clone();
        for edit in edits {
            next.apply(edit.clone())
                .map_err(|e| Error::Invalid(e.0.into()))?;
        }
        let header = FrameHeader {
            first: self.edit + 1,
            count: 1,
            synced: self.length,
            other: sequence,
        };
        let mut bytes = Vec::new();
        encode_frame(
            &mut bytes,
            self.seal,
            self.length,
            header,
            &encode_edits(edits),
        );
        if let Err(error) = self.file.write_at(self.length, &bytes) {
            let error = Error::io("write", &path, &error);
            return Err(if error.is_no_space() {
                self.take_back(error)
            } else {
                error
            });
        }
        self.file
            .sync()
            .map_err(|e| stopped(Error::io("sync", &path, &e)))?;
        self.state = next;
        self.edit += 1;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Cuts off a record that did not fit on the disk. An error of that is no longer "disk full".
    fn take_back(&mut self, error: Error) -> Error {
        let cut = self
            .file
            .set_len(self.length)
            .and_then(|()| self.file.sync());
        match cut {
            Ok(()) => error,
            Err(cut) => stopped(Error::io("cut", &self.dir.join(NAME), &cut)),
        }
    }

    /// Whether the log has grown so far beyond its checkpoint that it should be rewritten.
    pub(crate) fn wants_rewrite(&self) -> bool {
        self.length > REWRITE_BYTES_MIN.max(4 * self.checkpoint_length)
    }

    /// Replaces the file by a fresh checkpoint. Without space for it the old one goes on.
    pub(crate) fn rewrite(&mut self, sequence: u64) -> Result<()> {
        let recovered = Recovered {
            database: self.seal.database,
            state: self.state.clone(),
            edit: self.edit,
            sequence,
        };
        let new = match Self::write_new(&self.fs, &self.dir, recovered, &self.file_ids) {
            Err(error) if error.is_no_space() => return Ok(()),
            new => new?,
        };
        // After a failure of this nobody knows which of the two has the name.
        new.take_name().map_err(stopped)?;
        *self = new;
        Ok(())
    }
}

/// Turns "disk full" into an error that stops the store: after it the file's content is unknown.
fn stopped(error: Error) -> Error {
    match error {
        Error::Io {
            operation,
            path,
            message,
            ..
        } => Error::Io {
            operation,
            path,
            kind: std::io::ErrorKind::Other,
            message,
        },
        other => other,
    }
}
