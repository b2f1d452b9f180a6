//! What all files share: little-endian primitives, checksums bound to their place, the file header and
//! the frame log. docs/format.md describes every byte; a change here is a change there.

mod bitmap;
mod bytes;
mod checksum;
mod frame;
mod header;

pub(crate) use bitmap::{put_bitmap, read_bitmap};
pub(crate) use bytes::{ByteReader, ByteWriter, Malformed, pad8};
pub(crate) use checksum::Seal;
pub(crate) use frame::{Frame, FrameHeader, Frames, Tail, encode_frame};
pub(crate) use header::{FILE_HEADER_BYTES, FileHeader, FileKind};

/// Identifies a file of one database; manifest generations, WAL files and segments draw from one
/// counter, so a number is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId(pub(crate) u64);
