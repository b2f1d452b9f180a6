//! Writes the key file of a segment. docs/format.md has the bytes.

use std::path::Path;

use xorf::{BinaryFuse8, DmaSerializable};

use super::hash::KeyHash;
use super::index::{
    Directory, KeyEntry, PAGE_ENTRIES, PageEntry, TRAILER_MAGIC, entry_of, short_hash,
};
use crate::format::{ByteWriter, FileHeader, FileKind, Seal};
use crate::fs::FileSystem;
use crate::history::ColumnId;
use crate::segment::Sink;
use crate::{Error, Result};

/// With fewer keys a filter saves nothing.
const FILTER_KEYS_MIN: usize = 64;

/// Writes and syncs the file `path` with some keys: their columns and a hash for each row of the
/// segment, made with the secret of this fingerprint. The directory is the caller's to sync.
pub(crate) fn write_index(
    fs: &dyn FileSystem,
    path: &Path,
    (seal, secret): (Seal, u64),
    keys: &[(Vec<ColumnId>, Vec<Option<KeyHash>>)],
) -> Result<()> {
    let mut sink = Sink::create(fs, path)?;
    let kind = FileKind::Keys;
    sink.put(&FileHeader { kind, seal }.encode())?;
    let mut directory = Directory {
        secret,
        keys: Vec::new(),
    };
    for (columns, hashes) in keys {
        directory
            .keys
            .push(write_key(&mut sink, seal, columns, hashes)?);
    }
    let bytes = directory.encode();
    let offset = sink.position();
    sink.put(&bytes)?;
    let mut trailer = Vec::new();
    trailer.put_u64(offset);
    trailer.put_length(bytes.len());
    trailer.put_u32(0);
    trailer.put_u64(seal.checksum(offset, &bytes));
    trailer.put(&TRAILER_MAGIC);
    sink.put(&trailer)?;
    sink.finish().map(drop)
}

fn write_key(
    sink: &mut Sink,
    seal: Seal,
    columns: &[ColumnId],
    hashes: &[Option<KeyHash>],
) -> Result<KeyEntry> {
    let numbered = (0u32..).zip(hashes);
    let mut entries: Vec<(u64, u32)> = numbered
        .filter_map(|(row, hash)| hash.map(|hash| (short_hash(hash), row)))
        .collect();
    entries.sort_unstable();
    let mut key = KeyEntry {
        columns: columns.to_vec(),
        count: entries.len() as u64,
        ..KeyEntry::default()
    };
    if entries.len() >= FILTER_KEYS_MIN {
        let mut distinct: Vec<u64> = entries.iter().map(|(hash, _)| *hash).collect();
        distinct.dedup();
        let filter = BinaryFuse8::try_from(&distinct).map_err(|e| Error::Invalid(e.into()))?;
        sink.align(64);
        filter.dma_copy_descriptor_to(&mut key.descriptor);
        let bytes = filter.dma_fingerprints();
        key.filter_offset = sink.position();
        key.filter_length = bytes.len() as u64;
        key.filter_checksum = seal.checksum(key.filter_offset, bytes);
        sink.put(bytes)?;
    }
    sink.align(64);
    key.entries_offset = sink.position();
    for page in entries.chunks(PAGE_ENTRIES) {
        let mut bytes = Vec::with_capacity(8 * page.len());
        page.iter()
            .for_each(|&(hash, row)| bytes.put_u64(entry_of(hash, row)));
        key.pages.push(PageEntry {
            checksum: seal.checksum(sink.position(), &bytes),
            first: page.first().map_or(0, |(hash, _)| (hash >> 32) as u32),
        });
        sink.put(&bytes)?;
    }
    Ok(key)
}
