//! Reading WAL files at open: which commits they hold, in order, and where the log ends. It decides
//! whether a bad end may be cut; what the rows mean is decided by recovery.

use std::path::Path;

use super::record::{LoggedCommit, read_commit};
use crate::format::{
    ByteReader, FILE_HEADER_BYTES, FileHeader, FileKind, Frame, Frames, Malformed, Seal, Tail,
};
use crate::manifest::WalRecord;
use crate::{Error, Result};

/// One replayed commit.
#[derive(Debug)]
pub(crate) struct ReplayedCommit<'a> {
    pub(crate) sequence: u64,
    pub(crate) logged: LoggedCommit<'a>,
}

/// What one file holds.
#[derive(Debug)]
pub(crate) struct WalContents<'a> {
    pub(crate) commits: Vec<ReplayedCommit<'a>>,
    /// Sequence of the first commit that is not in the file.
    pub(crate) next_sequence: u64,
    /// Largest number of a manifest edit that a frame vouches for.
    pub(crate) edit: u64,
    /// End of the last good frame.
    pub(crate) end: u64,
    /// Bytes up to here are known to have been synced; what follows may be in the page cache only.
    pub(crate) proved: u64,
}

/// Reads a WAL file. `file` is its whole content.
pub(crate) fn read_wal<'a>(
    path: &Path,
    file: &'a [u8],
    database: u64,
    record: WalRecord,
) -> Result<WalContents<'a>> {
    // The header was synced before the manifest named the file: it can only be damaged, not torn.
    let header = FileHeader::decode(FileKind::Wal, path, file)?;
    if header.seal
        != (Seal {
            database,
            file: record.file,
        })
    {
        return Err(Error::corruption(path, 0, "the file belongs elsewhere"));
    }
    let file = match record.length {
        None => file,
        Some(length) => usize::try_from(length)
            .ok()
            .and_then(|length| file.get(..length))
            .ok_or_else(|| Error::corruption(path, file.len() as u64, "the file is too short"))?,
    };
    let mut contents = WalContents {
        commits: Vec::new(),
        next_sequence: record.first_sequence,
        edit: 0,
        end: FILE_HEADER_BYTES as u64,
        proved: FILE_HEADER_BYTES as u64,
    };
    let mut frames = Frames::new(file, header.seal);
    for frame in frames.by_ref() {
        let corrupt = |e: Malformed| Error::corruption(path, frame.offset, e.0);
        read_frame(&mut contents, frame).map_err(corrupt)?;
    }
    contents.end = frames.end();
    match (frames.tail(), record.length) {
        (Tail::Clean, _) | (Tail::Torn, None) => Ok(contents),
        (Tail::Torn, Some(_)) | (Tail::Damaged, _) => Err(Error::corruption(
            path,
            contents.end,
            "a bad frame in what had been synced",
        )),
    }
}

fn read_frame<'a>(
    contents: &mut WalContents<'a>,
    frame: Frame<'a>,
) -> std::result::Result<(), Malformed> {
    if frame.header.first != contents.next_sequence {
        return Err(Malformed(
            "the sequences of the commits are not consecutive",
        ));
    }
    let mut reader = ByteReader::new(frame.payload);
    for _ in 0..frame.header.count {
        let logged = read_commit(&mut reader, frame.payload_offset())?;
        contents.commits.push(ReplayedCommit {
            sequence: contents.next_sequence,
            logged,
        });
        contents.next_sequence = contents
            .next_sequence
            .checked_add(1)
            .ok_or(Malformed("a sequence overflows"))?;
    }
    reader.finish()?;
    contents.edit = contents.edit.max(frame.header.other);
    contents.proved = contents.proved.max(frame.header.synced.min(frame.offset));
    Ok(())
}
