//! Little-endian primitives over byte slices. Reading checks every bound and never panics; it knows no
//! file names, so its error only says what was expected.

/// Bytes that do not follow the format; the caller adds file and offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Bytes to add so that `length` becomes a multiple of 8.
pub(crate) const fn pad8(length: usize) -> usize {
    length.wrapping_neg() & 7
}

/// A cursor over a byte slice.
#[derive(Debug, Clone)]
pub(crate) struct ByteReader<'a> {
    rest: &'a [u8],
    position: usize,
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            position: 0,
        }
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Malformed("too short"))?;
        self.rest = rest;
        self.position += length;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(Malformed("too short"))?;
        self.rest = rest;
        self.position += N;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i128(&mut self) -> Result<i128, Malformed> {
        Ok(i128::from_le_bytes(self.array()?))
    }

    /// A u32 as a length or count that fits the memory.
    pub(crate) fn length(&mut self) -> Result<usize, Malformed> {
        Ok(self.u32()? as usize)
    }

    /// A u32 count of items of at least `item_bytes` each, so that no count can ask for more memory
    /// than there are bytes.
    pub(crate) fn count(&mut self, item_bytes: usize) -> Result<usize, Malformed> {
        let count = self.length()?;
        if count.saturating_mul(item_bytes) > self.rest.len() {
            return Err(Malformed("a count exceeds the bytes"));
        }
        Ok(count)
    }

    pub(crate) fn str(&mut self) -> Result<&'a str, Malformed> {
        let length = self.length()?;
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Malformed("text is not UTF-8"))
    }

    /// Skips to the next multiple of 8 from where the reader began; the padding must be zero.
    pub(crate) fn align8(&mut self) -> Result<(), Malformed> {
        let padding = self.bytes(pad8(self.position))?;
        if padding.iter().any(|&b| b != 0) {
            return Err(Malformed("padding is not zero"));
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed("trailing bytes"))
        }
    }
}

/// The counterpart of [`ByteReader`] on a growing vector.
pub(crate) trait ByteWriter {
    fn put(&mut self, bytes: &[u8]);
    /// Pads with zeros so that the bytes since `start` are a multiple of 8.
    fn put_align8(&mut self, start: usize);

    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    fn put_i128(&mut self, value: i128) {
        self.put(&value.to_le_bytes());
    }

    /// A length or count. INVARIANT: everything written is bounded far below 4 Gi items by the limit
    /// on the size of a commit, a frame and a segment.
    fn put_length(&mut self, value: usize) {
        debug_assert!(u32::try_from(value).is_ok());
        self.put_u32(value as u32);
    }

    fn put_str(&mut self, text: &str) {
        self.put_length(text.len());
        self.put(text.as_bytes());
    }
}

impl ByteWriter for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_align8(&mut self, start: usize) {
        let padding = pad8(self.len() - start);
        self.resize(self.len() + padding, 0);
    }
}
