//! The frame log: what MANIFEST and the WAL files are made of after their header. A frame is written by
//! one write call. Reading stops at the first bad frame and decides whether it is a torn tail, which may
//! be cut, or damage to bytes that had once been synced, which may not.

use super::{ByteReader, ByteWriter, FILE_HEADER_BYTES, Malformed, Seal, pad8};

const MAGIC: u32 = u32::from_le_bytes(*b"FRAM");
const HEADER_BYTES: usize = 56;

/// Longest payload: bounds the memory one damaged length can ask for.
const MAX_PAYLOAD: usize = 1 << 31;

/// What the writer of a frame states about it and about the log so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// WAL: sequence of the first commit in it. Manifest: number of the edit.
    pub(crate) first: u64,
    /// WAL: number of commits. Manifest: 1.
    pub(crate) count: u32,
    /// Every byte of this file below this offset had been synced when the frame was written.
    pub(crate) synced: u64,
    /// What the other log had durably reached when the frame was written. WAL: number of the last
    /// manifest edit. Manifest: sequence of the last commit. Each log so vouches for the other's tail.
    pub(crate) other: u64,
}

/// Appends a frame that will stand at `offset` of its file.
pub(crate) fn encode_frame(
    out: &mut Vec<u8>,
    seal: Seal,
    offset: u64,
    header: FrameHeader,
    payload: &[u8],
) {
    let start = out.len();
    out.put_u32(MAGIC);
    out.put_length(payload.len());
    out.put_u64(header.first);
    out.put_u32(header.count);
    out.put_u32(0);
    out.put_u64(header.synced);
    out.put_u64(header.other);
    out.put_u64(seal.checksum(offset + HEADER_BYTES as u64, payload));
    let covered = out.get(start..).unwrap_or_default();
    let sum = seal.checksum(offset, covered);
    out.put_u64(sum);
    out.put(payload);
    out.put_align8(start);
}

/// A frame whose checksums are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) header: FrameHeader,
    pub(crate) payload: &'a [u8],
    /// Where it begins and ends in the file.
    pub(crate) offset: u64,
    pub(crate) end: u64,
}

impl Frame<'_> {
    /// Where the payload begins in the file.
    pub(crate) fn payload_offset(&self) -> u64 {
        self.offset + HEADER_BYTES as u64
    }
}

/// How a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// With its last frame.
    Clean,
    /// With bytes that were never synced as far as the rest of the file tells.
    Torn,
    /// A frame says that the bytes that are bad here had been synced.
    Damaged,
}

/// Iterates over the frames of a file up to the first bad one.
#[derive(Debug)]
pub(crate) struct Frames<'a> {
    file: &'a [u8],
    seal: Seal,
    offset: usize,
}

impl<'a> Frames<'a> {
    /// `file` is the whole file, its header included.
    pub(crate) fn new(file: &'a [u8], seal: Seal) -> Self {
        Self {
            file,
            seal,
            offset: FILE_HEADER_BYTES,
        }
    }

    /// End of the last good frame.
    pub(crate) fn end(&self) -> u64 {
        self.offset as u64
    }

    /// Judges what follows the last good frame; to be called when the iteration has ended.
    pub(crate) fn tail(&self) -> Tail {
        if self.offset >= self.file.len() {
            return Tail::Clean;
        }
        let bad = self.offset as u64;
        // A frame that was written after the bad bytes had been synced says so in its header; a header
        // with a right checksum was written by us, whether or not its payload is whole.
        let contradicted = (self.offset + 8..self.file.len())
            .step_by(8)
            .filter_map(|at| header_at(self.file, self.seal, at).ok())
            .any(|(header, ..)| header.synced > bad);
        if contradicted {
            Tail::Damaged
        } else {
            Tail::Torn
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let frame = frame_at(self.file, self.seal, self.offset).ok()?;
        self.offset = frame.end as usize;
        Some(frame)
    }
}

/// The header at `at`, the length of its payload and the payload's checksum.
fn header_at(file: &[u8], seal: Seal, at: usize) -> Result<(FrameHeader, usize, u64), Malformed> {
    let bytes = file.get(at..).and_then(|rest| rest.get(..HEADER_BYTES));
    let bytes = bytes.ok_or(Malformed("too short"))?;
    let mut reader = ByteReader::new(bytes);
    if reader.u32()? != MAGIC {
        return Err(Malformed("no frame"));
    }
    let length = reader.length()?;
    let first = reader.u64()?;
    let (count, reserved) = (reader.u32()?, reader.u32()?);
    let (synced, other) = (reader.u64()?, reader.u64()?);
    let payload_sum = reader.u64()?;
    let covered = bytes.get(..HEADER_BYTES - 8).unwrap_or_default();
    if reader.u64()? != seal.checksum(at as u64, covered) {
        return Err(Malformed("the checksum of a frame header differs"));
    }
    if reserved != 0 || length > MAX_PAYLOAD {
        return Err(Malformed("a frame header is out of range"));
    }
    Ok((
        FrameHeader {
            first,
            count,
            synced,
            other,
        },
        length,
        payload_sum,
    ))
}

fn frame_at(file: &[u8], seal: Seal, at: usize) -> Result<Frame<'_>, Malformed> {
    let (header, length, sum) = header_at(file, seal, at)?;
    let start = at + HEADER_BYTES;
    let payload = file
        .get(start..start + length)
        .ok_or(Malformed("too short"))?;
    if sum != seal.checksum(start as u64, payload) {
        return Err(Malformed("the checksum of a frame differs"));
    }
    let end = start + length + pad8(HEADER_BYTES + length);
    let padding = file
        .get(start + length..end)
        .ok_or(Malformed("too short"))?;
    if padding.iter().any(|&b| b != 0) {
        return Err(Malformed("padding is not zero"));
    }
    Ok(Frame {
        header,
        payload,
        offset: at as u64,
        end: end as u64,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::FileId;
    use super::*;
    use proptest::prelude::*;

    const SEAL: Seal = Seal {
        database: 5,
        file: FileId(6),
    };

    /// Frames that were each synced before the next was written.
    fn log(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut file = vec![0; FILE_HEADER_BYTES];
        for (i, payload) in payloads.iter().enumerate() {
            let offset = file.len() as u64;
            let header = FrameHeader {
                first: i as u64,
                count: 1,
                synced: offset,
                other: 0,
            };
            encode_frame(&mut file, SEAL, offset, header, payload);
        }
        file
    }

    fn read(file: &[u8]) -> (Vec<Vec<u8>>, Tail) {
        let mut frames = Frames::new(file, SEAL);
        let payloads = frames.by_ref().map(|f| f.payload.to_vec()).collect();
        (payloads, frames.tail())
    }

    proptest! {
        #[test]
        fn frames_come_back_as_written(payloads: Vec<Vec<u8>>) {
            prop_assert_eq!(read(&log(&payloads)), (payloads, Tail::Clean));
        }

        #[test]
        fn a_cut_log_is_a_prefix(payloads: Vec<Vec<u8>>, cut: prop::sample::Index) {
            let file = log(&payloads);
            let cut = cut.index(file.len() - FILE_HEADER_BYTES + 1) + FILE_HEADER_BYTES;
            let (found, tail) = read(&file[..cut]);
            prop_assert_eq!(&payloads[..found.len()], &found[..]);
            prop_assert!(tail != Tail::Damaged);
        }

        #[test]
        fn a_flipped_bit_cuts_the_last_frame_and_is_damage_before_it(
            payloads in prop::collection::vec(any::<Vec<u8>>(), 1..5),
            place: prop::sample::Index,
            bit in 0u8..8,
        ) {
            let mut file = log(&payloads);
            let last = log(&payloads[..payloads.len() - 1]).len();
            let at = place.index(file.len() - FILE_HEADER_BYTES) + FILE_HEADER_BYTES;
            file[at] ^= 1 << bit;
            let (found, tail) = read(&file);
            prop_assert!(found.len() < payloads.len());
            prop_assert_eq!(&payloads[..found.len()], &found[..]);
            prop_assert_eq!(tail == Tail::Damaged, at < last);
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn a_later_frame_of_the_same_unsynced_stretch_does_not_make_a_torn_tail_damage() {
        let mut file = vec![0; FILE_HEADER_BYTES];
        for i in 0..2 {
            let offset = file.len() as u64;
            let synced = FILE_HEADER_BYTES as u64;
            let header = FrameHeader {
                first: i,
                count: 1,
                synced,
                other: 0,
            };
            encode_frame(&mut file, SEAL, offset, header, b"payload");
        }
        file[FILE_HEADER_BYTES + 60] ^= 1;
        assert_eq!(read(&file), (vec![], Tail::Torn));
    }
}
