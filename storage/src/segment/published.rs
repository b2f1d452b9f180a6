//! A segment that the manifest names, as versions share it. When it has been replaced or its table is
//! gone, the last one to let go of it removes the file.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::SchemaRef;
use parking_lot::RwLock;

use super::reader::SegmentReader;
use super::writer::segment_path;
use crate::fs::FileSystem;
use crate::home::{Home, Place};
use crate::keys::KeyIndex;
use crate::manifest::SegmentRecord;
use crate::{Error, Result, TableId};

#[derive(Debug)]
pub(crate) struct PublishedSegment {
    pub(crate) record: SegmentRecord,
    path: PathBuf,
    database: u64,
    fs: Arc<dyn FileSystem>,
    home: Arc<Home>,
    /// Its key file, if its table has unique keys; the error, if that cannot be read.
    keys: RwLock<Option<Result<Arc<KeyIndex>>>>,
    /// The error, when the file is damaged: its table then fails to scan, the others do not.
    reader: Result<SegmentReader>,
    obsolete: AtomicBool,
}

impl PublishedSegment {
    /// Opens a segment of a table with the columns of `schema`. A file that is missing or damaged fails
    /// when it is read; only an input/output error, which may pass, is returned here.
    pub(crate) fn open(
        fs: &Arc<dyn FileSystem>,
        dir: &std::path::Path,
        database: u64,
        record: SegmentRecord,
        table: (TableId, &SchemaRef),
    ) -> Result<Self> {
        let path = segment_path(dir, record.file);
        let reader = match SegmentReader::open(&**fs, &path, database, &record, table) {
            Err(Error::Io {
                kind: std::io::ErrorKind::NotFound,
                ..
            }) => Err(Error::corruption(&path, 0, "the segment is missing")),
            Err(error @ Error::Io { .. }) => return Err(error),
            reader => reader,
        };
        let (fs, obsolete) = (Arc::clone(fs), AtomicBool::new(false));
        Ok(Self {
            record,
            path,
            database,
            fs,
            home: Home::new(Place::Segment(record.file)),
            keys: RwLock::default(),
            reader,
            obsolete,
        })
    }

    pub(crate) fn reader(&self) -> Result<&SegmentReader> {
        self.reader.as_ref().map_err(Error::clone)
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The file of the rows opened once more: nothing of it counts as checked.
    pub(crate) fn open_file_again(&self, table: (TableId, &SchemaRef)) -> Result<SegmentReader> {
        SegmentReader::open(&*self.fs, &self.path, self.database, &self.record, table)
    }

    /// Nothing of the rows counts as checked any more.
    pub(crate) fn forget_checked(&self) {
        if let Ok(reader) = &self.reader {
            reader.forget_checked();
        }
    }

    /// Opens the key file once more and compares all of it with its checksums.
    pub(crate) fn check_keys(&self) -> Result<()> {
        self.keys()?.open_again(&*self.fs)?.check()
    }

    /// The same files opened once more: nothing of them counts as checked. Errors are returned at once.
    pub(crate) fn open_again(&self, table: (TableId, &SchemaRef)) -> Result<Self> {
        let (fs, dir) = (&self.fs, self.path.parent());
        let dir = dir.unwrap_or_else(|| std::path::Path::new("."));
        let again = Self::open(fs, dir, self.database, self.record, table)?;
        again.reader()?;
        let keys = self.keys.read().clone();
        Ok(match keys {
            None => again,
            Some(keys) => again.with_keys(Ok(keys?.open_again(&**fs)?)),
        })
    }

    /// The segment with its key file.
    pub(crate) fn with_keys(self, keys: Result<KeyIndex>) -> Self {
        *self.keys.write() = Some(keys.map(Arc::new));
        self
    }

    /// Puts another key file, which has the keys of the one before and more, in its place.
    pub(crate) fn set_keys(&self, keys: Arc<KeyIndex>) {
        *self.keys.write() = Some(Ok(keys));
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.keys.read().is_some()
    }

    pub(crate) fn keys(&self) -> Result<Arc<KeyIndex>> {
        // Without the rows the keys are of no use.
        self.reader()?;
        let keys = self.keys.read().clone();
        keys.unwrap_or_else(|| Err(Error::Invalid("a segment without keys".into())))
    }

    /// Bytes of the key file.
    pub(crate) fn key_bytes(&self) -> u64 {
        match &*self.keys.read() {
            Some(Ok(keys)) => keys.bytes(),
            _ => 0,
        }
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// The manifest no longer names the file: it goes with the last reference.
    pub(crate) fn make_obsolete(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for PublishedSegment {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire) {
            let keys = self.has_keys().then(|| self.path.with_extension("key"));
            for path in keys.iter().chain([&self.path]) {
                // What cannot be removed now is found unnamed, and removed, at the next open.
                if let Err(error) = self.fs.remove(path) {
                    tracing::warn!(path = %path.display(), %error, "an obsolete file stays");
                }
            }
        }
    }
}
