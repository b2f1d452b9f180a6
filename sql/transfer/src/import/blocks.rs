//! Blocks of a file that were read lately: a Parquet file is read column by column, at many places at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::reader::read_range;
use crate::cancel::Cancel;
use crate::error::Result;
use crate::place::{Found, Place};

/// Bytes of a block, and blocks kept.
const BLOCK_BYTES: u64 = 1 << 20;
const BLOCKS_MAX: usize = 128;

/// A file read in blocks.
#[derive(Debug)]
pub(super) struct Blocks {
    place: Place,
    file: Found,
    handle: Handle,
    cancel: Cancel,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// With the turn of their last use.
    blocks: HashMap<u64, (u64, Bytes)>,
    turn: u64,
}

impl Blocks {
    pub(super) fn new(place: Place, file: Found, handle: Handle, cancel: Cancel) -> Self {
        Self {
            place,
            file,
            handle,
            cancel,
            kept: Mutex::default(),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.file.bytes
    }

    pub(super) fn name(&self) -> String {
        self.place.url_of(&self.file.path)
    }

    /// The rest of the block in which `at` is; empty at the end of the file.
    pub(super) fn from(&self, at: u64) -> Result<Bytes> {
        if at >= self.file.bytes {
            return Ok(Bytes::new());
        }
        let number = at / BLOCK_BYTES;
        let begin = number * BLOCK_BYTES;
        let skip = usize::try_from(at - begin).unwrap_or(0);
        if let Some(block) = self.find(number) {
            return Ok(block.slice(skip.min(block.len())..));
        }
        let block = self.range(begin, self.file.bytes.min(begin + BLOCK_BYTES))?;
        self.keep(number, block.clone());
        Ok(block.slice(skip.min(block.len())..))
    }

    /// Bytes that are not kept.
    pub(super) fn range(&self, begin: u64, end: u64) -> Result<Bytes> {
        let read = read_range(&self.place, &self.file.path, begin..end);
        self.handle.block_on(self.cancel.or(read))?
    }

    fn find(&self, number: u64) -> Option<Bytes> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn += 1;
        let turn = kept.turn;
        let (used, block) = kept.blocks.get_mut(&number)?;
        *used = turn;
        Some(block.clone())
    }

    fn keep(&self, number: u64, block: Bytes) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.blocks.len() >= BLOCKS_MAX {
            let oldest = kept.blocks.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(number, _)| *number) {
                kept.blocks.remove(&oldest);
            }
        }
        let turn = kept.turn;
        kept.blocks.insert(number, (turn, block));
    }
}
