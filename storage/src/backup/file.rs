//! One file of a copy, and its bytes.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::engine::Shared;
use crate::events::EventRun;
use crate::fs::{FileSystem, Mapping};
use crate::version::{LiveSegment, TableVersion};
use crate::{Error, Result, TableId};

/// A file of a state. It is there for as long as this is held.
#[derive(Debug)]
pub struct BackupFile {
    name: String,
    content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// The beginning of a file of the log.
    Log(Mapping, PathBuf, u64),
    Segment {
        fs: Arc<dyn FileSystem>,
        segment: Box<LiveSegment>,
        table: TableId,
        shape: SchemaRef,
    },
    Run {
        fs: Arc<dyn FileSystem>,
        run: Arc<EventRun>,
    },
}

/// The bytes of a file that has been found whole.
#[derive(Debug)]
pub struct BackupBytes<'a> {
    path: PathBuf,
    source: Source<'a>,
}

#[derive(Debug)]
enum Source<'a> {
    Bytes(&'a [u8]),
    /// The beginning of a file, so many bytes.
    Borrowed(&'a Mapping, u64),
    Mapped(Mapping),
}

impl BackupFile {
    pub(super) fn new(name: String, content: Content) -> Self {
        Self { name, content }
    }

    pub(super) fn of_segment(shared: &Shared, table: &TableVersion, segment: &LiveSegment) -> Self {
        let history = &table.history;
        let shape = history.schema(history.shape_of_file(segment.record.file));
        let content = Content::Segment {
            fs: Arc::clone(&shared.fs),
            segment: Box::new(segment.clone()),
            table: table.meta.id,
            shape,
        };
        Self::new(format!("{:016x}.seg", segment.record.file.0), content)
    }

    pub(super) fn of_run(shared: &Shared, run: Arc<EventRun>) -> Self {
        let name = format!("{:016x}.evt", run.record.file.0);
        let fs = Arc::clone(&shared.fs);
        Self::new(name, Content::Run { fs, run })
    }

    /// Its name below the data directory: `MANIFEST`, `0000000000000001.seg`, `wal/0000000000000002.wal`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Of a file that never changes: a word that no other content of any database has. It covers the
    /// checksums of all parts, so that a directory that was restored and went another way is told apart.
    pub fn identity(&self) -> Option<String> {
        match &self.content {
            Content::Segment { segment, .. } => {
                Some(format!("{:016x}", segment.record.footer_checksum))
            }
            Content::Run { run, .. } => Some(format!("{:016x}", run.record.checksum)),
            Content::Bytes(_) | Content::Log(..) => None,
        }
    }

    pub fn bytes(&self) -> u64 {
        match &self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Log(_, _, length) => *length,
            Content::Segment { segment, .. } => segment.record.bytes,
            Content::Run { run, .. } => run.record.bytes,
        }
    }

    /// Reads the file, compares it with its checksums, and hands out its bytes. What is damaged is not copied.
    pub fn open(&self) -> Result<BackupBytes<'_>> {
        let (path, source) = match &self.content {
            Content::Bytes(bytes) => (PathBuf::from(&self.name), Source::Bytes(bytes)),
            Content::Log(map, path, length) => {
                if (map.len() as u64) < *length {
                    return Err(Error::corruption(path, *length, "the file is too short"));
                }
                (path.clone(), Source::Borrowed(map, *length))
            }
            Content::Segment {
                fs,
                segment,
                table,
                shape,
            } => {
                let reader = segment.open_file_again((*table, shape))?;
                if let Some(damage) = reader.damage() {
                    return Err(damage.error);
                }
                let path = segment.path().to_path_buf();
                let map = fs.map(&path).map_err(|e| Error::io("map", &path, &e))?;
                (path, Source::Mapped(map))
            }
            Content::Run { fs, run } => {
                run.check()?;
                let path = run.path().to_path_buf();
                let map = fs.map(&path).map_err(|e| Error::io("map", &path, &e))?;
                (path, Source::Mapped(map))
            }
        };
        Ok(BackupBytes { path, source })
    }
}

impl BackupBytes<'_> {
    /// So many bytes from an offset on.
    pub fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let (all, map) = match &self.source {
            Source::Bytes(bytes) => (*bytes, None),
            Source::Borrowed(map, length) => {
                let begin = usize::try_from(*length).ok().and_then(|end| map.get(..end));
                (begin.unwrap_or_default(), Some(*map))
            }
            Source::Mapped(map) => (&**map, Some(map)),
        };
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| all.get(start..start.checked_add(length)?));
        let bytes = range.map(<[u8]>::to_vec);
        let bytes = bytes.filter(|_| map.is_none_or(Mapping::is_intact));
        bytes.ok_or_else(|| Error::corruption(&self.path, offset, "the file cannot be read"))
    }
}
