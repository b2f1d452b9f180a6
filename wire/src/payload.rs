//! Reading fields out of a packet's payload, never past its end.
//!
//! Every read either gives the value or [`Malformed`]; nothing here allocates, so a length a client
//! claims costs nothing until the bytes are really there.

/// The payload is shorter than its own fields say, or a field has a form that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed packet")]
pub(crate) struct Malformed;

/// The unread rest of a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payload<'a> {
    rest: &'a [u8],
}

impl<'a> Payload<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Payload { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Everything not read yet.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    /// A length-encoded integer; the NULL marker 0xFB and 0xFF are malformed here.
    pub(crate) fn lenenc(&mut self) -> Result<u64, Malformed> {
        match self.u8()? {
            small @ 0..=0xFA => Ok(u64::from(small)),
            0xFC => self.u16().map(u64::from),
            0xFD => {
                let [a, b, c] = self.array()?;
                Ok(u64::from(u32::from_le_bytes([a, b, c, 0])))
            }
            0xFE => self.u64(),
            0xFB | 0xFF => Err(Malformed),
        }
    }

    /// A string preceded by its length-encoded length.
    pub(crate) fn lenenc_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.lenenc()?;
        self.bytes(usize::try_from(length).map_err(|_| Malformed)?)
    }

    /// A string ended by NUL; the NUL is consumed and not returned.
    pub(crate) fn nul_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self
            .rest
            .iter()
            .position(|&byte| byte == 0)
            .ok_or(Malformed)?;
        let text = self.bytes(length)?;
        self.bytes(1)?;
        Ok(text)
    }

    /// As [`Self::nul_bytes`], but the payload's end may stand for the NUL.
    pub(crate) fn nul_bytes_or_rest(&mut self) -> &'a [u8] {
        self.nul_bytes()
            .unwrap_or_else(|Malformed| std::mem::take(&mut self.rest))
    }
}

/// Appends a length-encoded integer.
pub(crate) fn put_lenenc(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_le_bytes();
    let [a, b, c, ..] = bytes;
    match value {
        0..=0xFA => out.push(a),
        0xFB..=0xFFFF => out.extend_from_slice(&[0xFC, a, b]),
        0x1_0000..=0xFF_FFFF => out.extend_from_slice(&[0xFD, a, b, c]),
        _ => {
            out.push(0xFE);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Appends a string preceded by its length-encoded length.
pub(crate) fn put_lenenc_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_lenenc(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a string and a NUL; the string is cut at its first NUL, which it could not carry.
pub(crate) fn put_nul_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes.iter().take_while(|&&byte| byte != 0));
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lenenc_integers_survive_a_round_trip(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_lenenc(&mut out, value);
            let mut payload = Payload::new(&out);
            prop_assert_eq!(payload.lenenc(), Ok(value));
            prop_assert!(payload.is_empty());
        }

        #[test]
        fn lenenc_strings_survive_a_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut out = Vec::new();
            put_lenenc_bytes(&mut out, &bytes);
            prop_assert_eq!(Payload::new(&out).lenenc_bytes(), Ok(bytes.as_slice()));
            out.pop();
            prop_assert_eq!(Payload::new(&out).lenenc_bytes(), Err(Malformed));
        }

        #[test]
        fn no_read_goes_past_the_end(bytes in prop::collection::vec(any::<u8>(), 0..20), reads: [u8; 6]) {
            let mut payload = Payload::new(&bytes);
            for read in reads {
                let before = payload.rest().len();
                let result = match read % 7 {
                    0 => payload.u8().map(|_| 1),
                    1 => payload.u16().map(|_| 2),
                    2 => payload.u32().map(|_| 4),
                    3 => payload.u64().map(|_| 8),
                    4 => payload.lenenc_bytes().map(<[u8]>::len),
                    5 => payload.nul_bytes().map(|text| text.len() + 1),
                    _ => payload.bytes(usize::from(read)).map(<[u8]>::len),
                };
                if let Ok(taken) = result {
                    prop_assert!(before - payload.rest().len() >= taken);
                }
            }
        }
    }

    #[test]
    fn null_marker_is_no_length() {
        assert_eq!(Payload::new(&[0xFB]).lenenc(), Err(Malformed));
        assert_eq!(Payload::new(&[0xFF]).lenenc(), Err(Malformed));
        assert_eq!(Payload::new(&[0xFE; 9]).lenenc_bytes(), Err(Malformed));
    }

    #[test]
    fn a_missing_nul_is_malformed_or_the_end() {
        assert_eq!(Payload::new(b"abc").nul_bytes(), Err(Malformed));
        assert_eq!(Payload::new(b"abc").nul_bytes_or_rest(), b"abc");
        assert_eq!(Payload::new(b"abc\0d").nul_bytes_or_rest(), b"abc");
    }
}
