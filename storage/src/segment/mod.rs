//! Segments: immutable files of sorted rows, column by column.
//!
//! `layout` and `zone` are the structures in the file, `integers` and `strings` the encodings, `writer`
//! and `sink` write a segment, `reader` reads one, `dictionary` keeps decoded dictionary chunks,
//! `string_views` makes Arrow arrays of them. When an encoding is added, touch `layout::Encoding`,
//! `writer`, `reader`, docs/format.md and the tests here.

mod dictionary;
mod integers;
mod layout;
mod published;
mod reader;
mod sink;
mod string_views;
mod strings;
#[cfg(test)]
mod tests;
mod verified;
mod writer;
mod zone;

pub(crate) use dictionary::ChunkCache;
pub(crate) use layout::BLOCK_ROWS;
pub(crate) use published::PublishedSegment;
pub(crate) use reader::ColumnCursor;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use reader::{SegmentReader, segment_summary};
pub(crate) use sink::Sink;
pub(crate) use verified::Verified;
pub(crate) use writer::{SegmentWriter, segment_path};
pub(crate) use zone::{Bounds, Prefix, Zone};
