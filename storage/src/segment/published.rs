//! A segment that the manifest names, as versions share it. When it has been replaced or its table is
//! gone, the last one to let go of it removes the file.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::SchemaRef;

use super::reader::SegmentReader;
use super::writer::segment_path;
use crate::fs::FileSystem;
use crate::home::{Home, Place};
use crate::manifest::SegmentRecord;
use crate::{Error, Result, TableId};

#[derive(Debug)]
pub(crate) struct PublishedSegment {
    pub(crate) record: SegmentRecord,
    path: PathBuf,
    fs: Arc<dyn FileSystem>,
    home: Arc<Home>,
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
            fs,
            home: Home::new(Place::Segment(record.file)),
            reader,
            obsolete,
        })
    }

    pub(crate) fn reader(&self) -> Result<&SegmentReader> {
        self.reader.as_ref().map_err(Error::clone)
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
            // What cannot be removed now is found unnamed, and removed, at the next open.
            if let Err(error) = self.fs.remove(&self.path) {
                tracing::warn!(path = %self.path.display(), %error, "an obsolete segment stays");
            }
        }
    }
}
