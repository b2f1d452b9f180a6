//! Segments: immutable files of sorted rows, column by column.
//!
//! `layout` and `zone` are the structures in the file. `integers`, `numbers` and `strings` turn values
//! into codes, `codes` and `packing` lay out the codes of a block. `encode` makes a column of them,
//! `writer` and `sink` write a segment,
//! `reader` reads one, `dictionary` keeps decoded dictionary chunks, `folded` what folds make of dictionaries, `string_views` makes Arrow arrays of
//! them. When an encoding is added, touch `layout::Encoding`, `encode`, `reader`, docs/format.md and the
//! tests here.

mod arrays;
mod ascending;
mod buckets;
mod coded;
mod codes;
mod dictionary;
mod encode;
mod folded;
mod integers;
mod layout;
mod numbers;
mod packing;
mod published;
mod reader;
mod scrub;
mod selection;
mod sink;
mod spread;
mod string_views;
mod strings;
#[cfg(test)]
mod tests;
mod verified;
mod writer;
mod zone;

pub(crate) use coded::ColumnKind;
pub(crate) use dictionary::ChunkCache;
pub(crate) use encode::EncodedColumn;
pub(crate) use folded::{FoldedDictionary, Shared, folded_hashes};
pub(crate) use integers::distances;
pub(crate) use layout::{BLOCK_ROWS, CHUNK_ENTRIES};
pub(crate) use packing::Lane;
pub(crate) use published::PublishedSegment;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use reader::segment_summary;
pub(crate) use reader::{ColumnCursor, SegmentReader};
pub(crate) use scrub::Damage;
pub(crate) use selection::Selection;
pub(crate) use sink::Sink;
pub(crate) use string_views::CheckedStrings;
pub(crate) use strings::{CodedStrings, StringCoder};
pub(crate) use verified::Verified;
pub(crate) use writer::{SegmentWriter, segment_path};
pub(crate) use zone::{Bounds, Prefix, Zone};
