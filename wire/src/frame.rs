//! Framing: messages to and from packets of at most 0xFFFFFF bytes, with sequence ids.
//!
//! Pure state machines over buffers; sockets are `channel`'s business. A message whose length is an
//! exact multiple of 0xFFFFFF ends with an empty packet, in both directions.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::SqlError;

/// Payload bytes of the largest packet. A packet of this size is always followed by another.
pub(crate) const MAX_PACKET: usize = 0xFF_FFFF;
const HEADER: usize = 4;

/// Room made for a read when nothing is known of what comes.
const READ_MIN: usize = 4 << 10;
/// Room made for a read while a client sends a file.
const READ_FILE: usize = 256 << 10;
/// Room made at once for a packet that said it is larger: memory follows the bytes that really come,
/// not the length that was claimed.
const READ_MAX: usize = 1 << 20;

/// Why incoming bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// The sequence id is not the next one; nothing after it can be trusted.
    #[error("packets out of order")]
    OutOfOrder,
    /// The message is above the limit. If the decoder drains, the next message is intact.
    #[error("message too large")]
    TooLarge,
    /// A compressed packet cannot be unpacked; nothing after it can be trusted.
    #[error("undecodable compressed packet")]
    Undecodable,
}

impl From<FrameError> for SqlError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::OutOfOrder => SqlError::new(1156, *b"08S01", "Got packets out of order"),
            FrameError::TooLarge => {
                let text = "Got a packet bigger than 'max_allowed_packet' bytes";
                SqlError::new(1153, *b"08S01", text)
            }
            FrameError::Undecodable => {
                let text = "Couldn't uncompress communication packet";
                SqlError::new(1157, *b"08S01", text)
            }
        }
    }
}

/// Cuts incoming bytes into messages.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Bytes as they came from the socket, not yet looked at beyond `wanted`.
    buffer: BytesMut,
    /// Packets of a message whose last packet has not come.
    message: BytesMut,
    /// Where in a message of several packets the decoder is.
    state: State,
    /// The sequence id that the next packet must have.
    sequence: u8,
    /// The numbers are those of a compressed stream, which are not checked.
    unordered: bool,
    /// Bytes of all messages since the beginning, or since compression began.
    taken: u64,
    limit: usize,
    drains: bool,
    /// Bytes known to be missing of the packet under way.
    wanted: usize,
    /// Room made for a read at least.
    room: usize,
    /// The buffer held more than a few packets; give its memory back when it is empty.
    grown: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between messages.
    Fresh,
    /// A packet of full size was taken; the message goes on.
    Continued,
    /// The message is above the limit: so many bytes of this packet to drop, then a header
    /// unless it was the last one.
    Dropping { bytes: usize, last: bool },
}

impl Inbox {
    /// A decoder for the time before login: a message above `limit` is an error at its header.
    pub(crate) fn new(limit: usize) -> Self {
        Inbox {
            buffer: BytesMut::new(),
            message: BytesMut::new(),
            state: State::Fresh,
            sequence: 0,
            unordered: false,
            taken: 0,
            limit,
            drains: false,
            wanted: 0,
            room: READ_MIN,
            grown: false,
        }
    }

    /// After login: a new limit, and messages above it are read to their end before they are an
    /// error, so that the client gets to read the error and the connection lives on.
    pub(crate) fn trust(&mut self, limit: usize) {
        self.limit = limit;
        self.drains = true;
    }

    /// From here on bytes come out of compressed packets.
    pub(crate) fn expect_compression(&mut self) {
        self.unordered = true;
        self.taken = 0;
    }

    /// Adds bytes that were unpacked.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.room().extend_from_slice(bytes);
        self.grown |= bytes.len() > READ_MIN;
    }

    /// Bytes of the messages taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// A file is on its way: reads may be large until `expect_commands`.
    pub(crate) fn expect_file(&mut self) {
        self.room = READ_FILE;
    }

    pub(crate) fn expect_commands(&mut self) {
        self.room = READ_MIN;
    }

    /// The sequence id of the next packet, from either side.
    pub(crate) fn sequence(&self) -> u8 {
        self.sequence
    }

    pub(crate) fn set_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// True when the client has begun a message and not finished it.
    pub(crate) fn is_mid_message(&self) -> bool {
        self.state != State::Fresh || !self.buffer.is_empty()
    }

    /// Takes the bytes received and not yet decoded, because they belong to another protocol.
    pub(crate) fn take_pending(&mut self) -> Bytes {
        std::mem::take(&mut self.buffer).freeze()
    }

    /// Bytes received and not yet decoded.
    pub(crate) fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The buffer to read into, with room.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        if self.buffer.is_empty() && self.grown && self.state == State::Fresh {
            self.buffer = BytesMut::new();
            self.grown = false;
        }
        let room = self.wanted.clamp(self.room, READ_MAX);
        self.grown |= room > READ_MIN;
        self.buffer.reserve(room);
        &mut self.buffer
    }

    /// The next whole message, None until more bytes have come.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        loop {
            if let State::Dropping { bytes, last } = self.state {
                if !self.drop_bytes(bytes, last) {
                    return Ok(None);
                }
                if last {
                    self.state = State::Fresh;
                    return Err(FrameError::TooLarge);
                }
            }
            let Some(&[a, b, c, sequence]) = self.buffer.first_chunk::<HEADER>() else {
                self.wanted = HEADER - self.buffer.len();
                return Ok(None);
            };
            let length = u32::from_le_bytes([a, b, c, 0]) as usize;
            if self.unordered {
                self.sequence = sequence;
            } else if sequence != self.sequence {
                return Err(FrameError::OutOfOrder);
            }
            let last = length < MAX_PACKET;
            let dropping = matches!(self.state, State::Dropping { .. });
            if dropping || self.message.len() + length > self.limit {
                self.message = BytesMut::new();
                if !self.drains {
                    return Err(FrameError::TooLarge);
                }
                self.take_header();
                self.state = State::Dropping {
                    bytes: length,
                    last,
                };
                continue;
            }
            let missing = (HEADER + length).saturating_sub(self.buffer.len());
            if missing > 0 {
                self.wanted = missing;
                return Ok(None);
            }
            self.take_header();
            let packet = self.buffer.split_to(length);
            self.taken += length as u64;
            if last && self.state == State::Fresh {
                return Ok(Some(packet.freeze()));
            }
            self.message.extend_from_slice(&packet);
            self.state = State::Continued;
            if last {
                self.state = State::Fresh;
                return Ok(Some(std::mem::take(&mut self.message).freeze()));
            }
        }
    }

    fn take_header(&mut self) {
        self.buffer.advance(HEADER);
        self.taken += HEADER as u64;
        self.sequence = self.sequence.wrapping_add(1);
        self.wanted = 0;
    }

    /// Drops what is there of `bytes`; true when all of them are gone.
    fn drop_bytes(&mut self, bytes: usize, last: bool) -> bool {
        let here = bytes.min(self.buffer.len());
        self.buffer.advance(here);
        self.taken += here as u64;
        let left = bytes - here;
        self.state = State::Dropping { bytes: left, last };
        self.wanted = left;
        left == 0
    }
}

/// Collects outgoing packets until they are flushed.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    buffer: Vec<u8>,
    sequence: u8,
}

/// Capacity kept between statements; more is given back.
const OUTBOX_KEEP: usize = 4 << 10;

impl Outbox {
    pub(crate) fn set_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    pub(crate) fn sequence(&self) -> u8 {
        self.sequence
    }

    /// Bytes ready for the socket.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Forgets what was sent, keeping the memory.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Gives memory above a small amount back; the buffer must be empty.
    pub(crate) fn shrink(&mut self) {
        self.buffer.shrink_to(OUTBOX_KEEP);
    }

    /// Appends one message whose payload `write` produces; split when it is large.
    pub(crate) fn message(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.begin();
        write(&mut self.buffer);
        self.seal(start);
    }

    /// As [`Self::message`]; if `write` fails, nothing is appended.
    pub(crate) fn try_message<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.begin();
        match write(&mut self.buffer) {
            Ok(()) => {
                self.seal(start);
                Ok(())
            }
            Err(error) => {
                self.buffer.truncate(start);
                Err(error)
            }
        }
    }

    fn begin(&mut self) -> usize {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; HEADER]);
        start
    }

    fn next_header(&mut self, length: usize) -> [u8; HEADER] {
        let [a, b, c, ..] = (length as u32).to_le_bytes();
        let header = [a, b, c, self.sequence];
        self.sequence = self.sequence.wrapping_add(1);
        header
    }

    fn seal(&mut self, start: usize) {
        let length = self.buffer.len() - start - HEADER;
        if length >= MAX_PACKET {
            return self.split(start);
        }
        let header = self.next_header(length);
        if let Some(place) = self.buffer.get_mut(start..start + HEADER) {
            place.copy_from_slice(&header);
        }
    }

    fn split(&mut self, start: usize) {
        let payload = self.buffer.split_off(start + HEADER);
        self.buffer.truncate(start);
        for chunk in payload.chunks(MAX_PACKET) {
            let header = self.next_header(chunk.len());
            self.buffer.extend_from_slice(&header);
            self.buffer.extend_from_slice(chunk);
        }
        if payload.len().is_multiple_of(MAX_PACKET) {
            let header = self.next_header(0);
            self.buffer.extend_from_slice(&header);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(inbox: &mut Inbox, bytes: &[u8]) -> Result<Option<Bytes>, FrameError> {
        inbox.room().extend_from_slice(bytes);
        inbox.next()
    }

    fn round_trip(length: usize) {
        let payload: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let mut outbox = Outbox::default();
        outbox.message(|out| out.extend_from_slice(&payload));
        let mut inbox = Inbox::new(length);
        let message = decode(&mut inbox, outbox.bytes()).unwrap().unwrap();
        assert!(message == payload, "length {length}");
        assert_eq!(inbox.sequence() as usize, length / MAX_PACKET + 1);
        assert_eq!(inbox.sequence(), outbox.sequence());
        assert!(!inbox.is_mid_message());
    }

    #[test]
    fn messages_around_multiples_of_the_packet_size_survive() {
        for packets in 1..=2 {
            for length in packets * MAX_PACKET - 1..=packets * MAX_PACKET + 1 {
                round_trip(length);
            }
        }
    }

    #[test]
    fn an_exact_multiple_ends_with_an_empty_packet() {
        let mut outbox = Outbox::default();
        outbox.message(|out| out.extend_from_slice(&vec![7; MAX_PACKET]));
        assert_eq!(outbox.bytes().len(), MAX_PACKET + 8);
        assert_eq!(outbox.bytes()[MAX_PACKET + 4..], [0, 0, 0, 1]);
    }

    #[test]
    fn a_full_packet_alone_is_no_message() {
        let mut inbox = Inbox::new(MAX_PACKET * 2);
        let mut bytes = vec![0xFF, 0xFF, 0xFF, 0];
        bytes.resize(4 + MAX_PACKET, 1);
        assert_eq!(decode(&mut inbox, &bytes), Ok(None));
        assert!(inbox.is_mid_message());
        assert_eq!(
            decode(&mut inbox, &[0, 0, 0, 1]).unwrap().unwrap().len(),
            MAX_PACKET
        );
    }

    #[test]
    fn a_wrong_sequence_id_is_out_of_order() {
        let mut inbox = Inbox::new(100);
        assert_eq!(
            decode(&mut inbox, &[1, 0, 0, 1, 9]),
            Err(FrameError::OutOfOrder)
        );
    }

    #[test]
    fn before_login_a_large_header_is_refused_without_its_body() {
        let mut inbox = Inbox::new(100);
        assert_eq!(
            decode(&mut inbox, &[101, 0, 0, 0]),
            Err(FrameError::TooLarge)
        );
    }

    #[test]
    fn after_login_a_large_message_is_drained_and_the_next_is_intact() {
        let mut inbox = Inbox::new(10);
        inbox.trust(100);
        let mut bytes = vec![0xFF, 0xFF, 0xFF, 0];
        bytes.resize(4 + MAX_PACKET, 1);
        bytes.extend_from_slice(&[2, 0, 0, 1, 1, 1]);
        bytes.extend_from_slice(&[1, 0, 0, 0, 42]);
        let mut results = Vec::new();
        for chunk in bytes.chunks(100_001) {
            inbox.room().extend_from_slice(chunk);
            loop {
                match inbox.next() {
                    Ok(None) => break,
                    other => results.push(other),
                }
                inbox.set_sequence(0);
            }
        }
        let expected = vec![
            Err(FrameError::TooLarge),
            Ok(Some(Bytes::from_static(&[42]))),
        ];
        assert_eq!(results, expected);
    }

    #[test]
    fn a_claimed_length_reserves_no_more_than_the_read_size() {
        let mut inbox = Inbox::new(10);
        inbox.trust(64 << 20);
        assert_eq!(decode(&mut inbox, &[0, 0, 0xF0, 0]), Ok(None));
        assert!(inbox.room().capacity() <= 2 * READ_MAX);
    }

    #[test]
    fn a_failed_message_leaves_no_trace() {
        let mut outbox = Outbox::default();
        outbox.message(|out| out.push(1));
        let failed = outbox.try_message(|out| {
            out.extend_from_slice(b"half a row");
            Err(())
        });
        assert_eq!(failed, Err(()));
        outbox.message(|out| out.push(2));
        assert_eq!(outbox.bytes(), [1, 0, 0, 0, 1, 1, 0, 0, 1, 2]);
    }

    proptest! {
        #[test]
        fn messages_survive_any_tearing(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8),
            cut in 1usize..40,
        ) {
            let mut outbox = Outbox::default();
            for payload in &payloads {
                outbox.message(|out| out.extend_from_slice(payload));
            }
            let mut inbox = Inbox::new(1000);
            let mut seen = Vec::new();
            for piece in outbox.bytes().chunks(cut) {
                inbox.room().extend_from_slice(piece);
                while let Some(message) = inbox.next().unwrap() {
                    seen.push(message.to_vec());
                }
            }
            prop_assert_eq!(seen, payloads);
        }
    }
}
