//! A file of the log without what concerns other tables than some: commits keep their sequences.

use std::path::Path;

use crate::format::{
    ByteReader, FILE_HEADER_BYTES, FileHeader, FileKind, FrameHeader, Frames, Malformed, Seal,
    encode_frame,
};
use crate::manifest::WalRecord;
use crate::wal::{put_commit, put_delete, put_insert, read_commit};
use crate::{Error, Result, TableId};

/// Writes the file anew, up to the record's length.
pub(super) fn filtered(
    path: &Path,
    file: &[u8],
    (seal, record): (Seal, WalRecord),
    keep: impl Fn(TableId) -> bool,
) -> Result<Vec<u8>> {
    let length = record.length.unwrap_or_default();
    let file = usize::try_from(length).ok().and_then(|end| file.get(..end));
    let file = file.ok_or_else(|| Error::corruption(path, length, "the file is too short"))?;
    let mut out = FileHeader {
        kind: FileKind::Wal,
        seal,
    }
    .encode();
    let mut frames = Frames::new(file, seal);
    for frame in frames.by_ref() {
        let corrupt = |e: Malformed| Error::corruption(path, frame.offset, e.0);
        let mut payload = Vec::new();
        let mut reader = ByteReader::new(frame.payload);
        for _ in 0..frame.header.count {
            let mut commit = read_commit(&mut reader, frame.payload_offset()).map_err(corrupt)?;
            commit.inserts.retain(|insert| keep(insert.table));
            commit.deletes.retain(|delete| keep(delete.table));
            put_commit(&mut payload, commit.inserts.len(), commit.deletes.len());
            for insert in &commit.inserts {
                put_insert(&mut payload, insert.table, insert.arrival, insert.body);
            }
            for delete in &commit.deletes {
                put_delete(&mut payload, delete.table, &delete.parts);
            }
        }
        let offset = out.len() as u64;
        let header = FrameHeader {
            synced: offset,
            ..frame.header
        };
        encode_frame(&mut out, seal, offset, header, &payload);
    }
    if frames.end() < length || out.len() < FILE_HEADER_BYTES {
        let end = frames.end();
        return Err(Error::corruption(
            path,
            end,
            "a bad frame in what had been synced",
        ));
    }
    Ok(out)
}
