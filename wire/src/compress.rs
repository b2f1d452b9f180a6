//! The compressed protocol: ordinary packets travel inside compressed ones, from behind the login's
//! OK on.
//!
//! A compressed packet says how long it is packed and unpacked; an unpacked length of 0 means that it
//! is not compressed. Where one ends has nothing to do with where the packets inside end. Sequence
//! numbers of incoming packets are not checked here, neither outer nor inner ones: client libraries
//! disagree about them. Those of answers go on from the compressed packet that ended the request.

use std::collections::VecDeque;
use std::io::Read;

use bytes::{Buf, Bytes, BytesMut};

use crate::frame::MAX_PACKET;

const HEADER: usize = 7;
/// Shorter ones are not worth compressing; MySQL's bound.
const COMPRESSED_MIN: usize = 50;
/// Unpacked bytes of an outgoing packet.
const CHUNK: usize = 1 << 20;
/// Room made for a read, at least and at most.
const READ: (usize, usize) = (4 << 10, 1 << 20);
/// Capacity that an idle connection keeps.
const KEEP: usize = 4 << 10;
/// Above this zstd takes more of the server's time than a client may decide.
const ZSTD_LEVEL_MAX: u8 = 9;
/// Packets that are remembered until they are answered: those of a request of 1 GiB.
const ENDS_MAX: usize = 1 << 16;
/// Bytes of memory that a zstd frame may make its decoder hold: 2 to this power.
const ZSTD_WINDOW_LOG: u32 = 24;

/// How both sides compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Zlib,
    /// With a level.
    Zstd(u8),
}

impl Algorithm {
    /// zstd at the level that a client asks for, within bounds.
    pub(crate) fn zstd(level: u8) -> Self {
        Algorithm::Zstd(level.clamp(1, ZSTD_LEVEL_MAX))
    }
}

/// A compressed packet's content is not what its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// One connection's compression, both ways.
#[derive(Debug)]
pub(crate) struct Compression {
    algorithm: Algorithm,
    /// Bytes as they came from the socket.
    received: BytesMut,
    /// Bytes missing of the packet under way.
    wanted: usize,
    /// Bytes unpacked since the beginning.
    unpacked: u64,
    /// Where in those each packet ended that was not answered yet, and its number.
    ends: VecDeque<(u64, u8)>,
    /// Where the last packet that has been answered as a whole ended.
    answered: u64,
    /// Number of the next packet to the client.
    sequence: u8,
    packed: Vec<u8>,
}

impl Compression {
    /// `received` was read behind the last packet that was not compressed.
    pub(crate) fn new(algorithm: Algorithm, received: Bytes) -> Self {
        Compression {
            algorithm,
            received: BytesMut::from(received),
            wanted: 0,
            unpacked: 0,
            ends: VecDeque::new(),
            answered: 0,
            sequence: 0,
            packed: Vec::new(),
        }
    }

    /// A part of a packet has come.
    pub(crate) fn is_mid_packet(&self) -> bool {
        !self.received.is_empty()
    }

    /// The buffer to read into, with room.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        if self.received.is_empty() && self.received.capacity() > KEEP {
            self.received = BytesMut::new();
        }
        self.received.reserve(self.wanted.clamp(READ.0, READ.1));
        &mut self.received
    }

    /// Unpacks the next packet, at most 16 MiB; None until all of it has come.
    pub(crate) fn unpack(&mut self) -> Result<Option<Bytes>, Undecodable> {
        let Some(&[a, b, c, number, x, y, z]) = self.received.first_chunk::<HEADER>() else {
            self.wanted = HEADER - self.received.len();
            return Ok(None);
        };
        let packed = u32::from_le_bytes([a, b, c, 0]) as usize;
        let claimed = u32::from_le_bytes([x, y, z, 0]) as usize;
        let missing = (HEADER + packed).saturating_sub(self.received.len());
        if missing > 0 {
            self.wanted = missing;
            return Ok(None);
        }
        self.wanted = 0;
        self.received.advance(HEADER);
        let body = self.received.split_to(packed).freeze();
        let bytes = match claimed {
            0 => body,
            _ => self.expand(&body, claimed)?.into(),
        };
        if !bytes.is_empty() {
            if self.ends.len() == ENDS_MAX {
                // The answer's number may be one of a later packet then.
                self.ends.pop_back();
            }
            self.unpacked += bytes.len() as u64;
            self.ends.push_back((self.unpacked, number));
        }
        Ok(Some(bytes))
    }

    fn expand(&self, body: &[u8], claimed: usize) -> Result<Vec<u8>, Undecodable> {
        let limit = claimed as u64 + 1;
        let mut bytes = Vec::new();
        let read = match self.algorithm {
            Algorithm::Zlib => flate2::read::ZlibDecoder::new(body)
                .take(limit)
                .read_to_end(&mut bytes),
            Algorithm::Zstd(_) => {
                let decoder = zstd::stream::read::Decoder::with_buffer(body);
                let mut decoder = decoder.map_err(|_| Undecodable)?;
                let window = decoder.window_log_max(ZSTD_WINDOW_LOG);
                window.map_err(|_| Undecodable)?;
                decoder.take(limit).read_to_end(&mut bytes)
            }
        };
        match read {
            Ok(length) if length == claimed => Ok(bytes),
            _ => Err(Undecodable),
        }
    }

    /// The next packet out begins an exchange by itself.
    pub(crate) fn begin(&mut self) {
        self.sequence = 0;
        self.packed.shrink_to(KEEP);
    }

    /// The next packet out answers what ended at byte `taken` of all that was unpacked.
    pub(crate) fn answer(&mut self, taken: u64) {
        while let Some(&(end, number)) = self.ends.front() {
            // One that begins behind the request was sent ahead.
            if self.answered >= taken {
                break;
            }
            self.sequence = number.wrapping_add(1);
            if end > taken {
                break;
            }
            self.answered = end;
            self.ends.pop_front();
        }
    }

    /// Packs bytes for the socket.
    pub(crate) fn pack(&mut self, bytes: &[u8]) {
        self.packed.clear();
        for chunk in bytes.chunks(CHUNK) {
            let compressed = (chunk.len() >= COMPRESSED_MIN)
                .then(|| self.compressed(chunk))
                .flatten()
                .filter(|small| small.len() < chunk.len());
            let (body, unpacked) = match &compressed {
                Some(small) => (small.as_slice(), chunk.len()),
                None => (chunk, 0),
            };
            debug_assert!(body.len() < MAX_PACKET);
            let [a, b, c, ..] = (body.len() as u32).to_le_bytes();
            let [x, y, z, ..] = (unpacked as u32).to_le_bytes();
            self.packed.extend([a, b, c, self.sequence, x, y, z]);
            self.packed.extend_from_slice(body);
            self.sequence = self.sequence.wrapping_add(1);
        }
    }

    /// None if the library fails, which it has no reason to; then the bytes go as they are.
    fn compressed(&self, chunk: &[u8]) -> Option<Vec<u8>> {
        match self.algorithm {
            Algorithm::Zlib => {
                let level = flate2::Compression::fast();
                let mut out = Vec::new();
                flate2::read::ZlibEncoder::new(chunk, level)
                    .read_to_end(&mut out)
                    .ok()?;
                Some(out)
            }
            Algorithm::Zstd(level) => zstd::bulk::compress(chunk, level.into()).ok(),
        }
    }

    /// What `pack` made.
    pub(crate) fn packed(&self) -> &[u8] {
        &self.packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: [Algorithm; 2] = [Algorithm::Zlib, Algorithm::Zstd(3)];

    fn packed(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
        let mut compression = Compression::new(algorithm, Bytes::new());
        compression.pack(bytes);
        compression.packed().to_vec()
    }

    fn unpacked(algorithm: Algorithm, bytes: &[u8]) -> Result<Option<Bytes>, Undecodable> {
        let mut compression = Compression::new(algorithm, Bytes::new());
        compression.room().extend_from_slice(bytes);
        compression.unpack()
    }

    #[test]
    fn short_and_incompressible_bytes_go_as_they_are() {
        for algorithm in BOTH {
            assert_eq!(packed(algorithm, b"abc"), b"\x03\0\0\0\0\0\0abc");
            let mut state = 0x9E37_79B9_7F4A_7C15_u64;
            let mut noise = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            };
            let noise: Vec<u8> = (0..200).map(|_| noise()).collect();
            assert_eq!(packed(algorithm, &noise)[4..7], [0, 0, 0]);
            let even = packed(algorithm, &[7; 1000]);
            assert!(even.len() < 100 && even[4..7] == [0xE8, 3, 0], "{even:?}");
        }
    }

    #[test]
    fn a_packet_that_unpacks_to_another_length_is_refused() {
        for algorithm in BOTH {
            let good = packed(algorithm, &[7; 1000]);
            assert!(
                matches!(unpacked(algorithm, &good), Ok(Some(bytes)) if bytes[..] == [7; 1000])
            );
            for claimed in [999u32, 1001, 1 << 23] {
                let mut bad = good.clone();
                bad[4..7].copy_from_slice(&claimed.to_le_bytes()[..3]);
                assert_eq!(unpacked(algorithm, &bad), Err(Undecodable));
            }
            assert_eq!(
                unpacked(algorithm, b"\x03\0\0\0\x64\0\0abc"),
                Err(Undecodable)
            );
        }
    }

    #[test]
    fn answers_go_on_from_the_packet_that_ended_the_request() {
        let mut compression = Compression::new(Algorithm::Zlib, Bytes::new());
        // A command in two packets, and the next one sent ahead.
        let bytes = b"\x03\0\0\0\0\0\0abc\x02\0\0\x01\0\0\0de\x01\0\0\0\0\0\0f";
        compression.room().extend_from_slice(bytes);
        while compression.unpack() != Ok(None) {}
        compression.answer(5);
        compression.pack(b"x");
        assert_eq!(compression.packed()[3], 2);
        compression.begin();
        compression.answer(6);
        compression.pack(b"y");
        assert_eq!(compression.packed()[3], 1);
    }

    #[test]
    fn little_is_remembered_of_small_packets() {
        let mut compression = Compression::new(Algorithm::Zlib, Bytes::new());
        let mut unpack = |packet: &[u8], count: usize| {
            compression.room().extend_from_slice(&packet.repeat(count));
            while compression.unpack() != Ok(None) {}
            compression.ends.len()
        };
        assert_eq!(unpack(&[0; HEADER], 100_000), 0);
        assert_eq!(unpack(b"\x01\0\0\x07\0\0\0x", ENDS_MAX + 10), ENDS_MAX);
        compression.answer((ENDS_MAX + 10) as u64);
        compression.pack(b"y");
        assert_eq!((compression.ends.len(), compression.packed()[3]), (0, 8));
    }

    proptest! {
        #[test]
        fn bytes_survive_any_tearing(
            bytes in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 1..3000),
            cut in 1usize..100,
            zlib: bool,
        ) {
            let algorithm = BOTH[usize::from(zlib)];
            let mut compression = Compression::new(algorithm, Bytes::new());
            let mut seen = Vec::new();
            for piece in packed(algorithm, &bytes).chunks(cut) {
                compression.room().extend_from_slice(piece);
                while let Some(bytes) = compression.unpack().unwrap() {
                    seen.extend_from_slice(&bytes);
                }
            }
            prop_assert_eq!(seen, bytes);
            prop_assert!(!compression.is_mid_packet());
        }
    }
}
