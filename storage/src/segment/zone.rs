//! Zone maps: what is known of the values of a block, or of a whole column of a segment, without reading
//! them. Bounds are inclusive and conservative. Which predicates they rule out is in `scan::prune`.

use crate::format::{ByteReader, ByteWriter, Malformed};

#[cfg(test)]
const ZONE_BYTES: usize = 48;

/// Bytes of a string's prefix kept as a bound.
const PREFIX_BYTES: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Zone {
    pub(crate) rows: u32,
    pub(crate) nulls: u32,
    pub(crate) bounds: Bounds,
}

/// Bounds of the values that are not NULL.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Bounds {
    /// Nothing is known, or there are no values.
    Unknown,
    /// Booleans, integers, dates and times by value; decimals unscaled.
    Int(i128, i128),
    /// No NaN among the values.
    Float(f64, f64),
    Bytes(Prefix, Prefix),
}

/// The beginning of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    bytes: [u8; PREFIX_BYTES],
    length: u8,
    /// The string goes on.
    pub(crate) truncated: bool,
}

impl Prefix {
    pub(crate) fn of(value: &[u8]) -> Self {
        let length = value.len().min(PREFIX_BYTES);
        let mut bytes = [0; PREFIX_BYTES];
        for (target, source) in bytes.iter_mut().zip(value) {
            *target = *source;
        }
        Self {
            bytes,
            length: length as u8,
            truncated: value.len() > PREFIX_BYTES,
        }
    }

    /// The first eight bytes as a number, how many there are, and whether the string goes on.
    pub(crate) fn first_eight(&self) -> (u64, u8, bool) {
        let [a, b, c, d, e, f, g, h, ..] = self.bytes;
        let length = self.length.min(8);
        let goes_on = self.truncated || self.length > 8;
        (
            u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            length,
            goes_on,
        )
    }

    /// The inverse of `first_eight`.
    pub(crate) fn of_eight(number: u64, length: u8, truncated: bool) -> Result<Self, Malformed> {
        let mut prefix = Self::of(
            number
                .to_le_bytes()
                .get(..length.into())
                .ok_or(Malformed("a prefix"))?,
        );
        prefix.truncated = truncated;
        Ok(prefix)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

impl Zone {
    pub(crate) fn has_no_values(&self) -> bool {
        self.nulls == self.rows
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.rows);
        out.put_u32(self.nulls);
        let (kind, lengths, flags, min, max) = match self.bounds {
            Bounds::Unknown => (0, [0, 0], 0, [0; 16], [0; 16]),
            Bounds::Int(min, max) => (1, [0, 0], 0, min.to_le_bytes(), max.to_le_bytes()),
            Bounds::Float(min, max) => (2, [0, 0], 0, float_bytes(min), float_bytes(max)),
            Bounds::Bytes(min, max) => {
                let flags = u8::from(min.truncated) | u8::from(max.truncated) << 1;
                (3, [min.length, max.length], flags, min.bytes, max.bytes)
            }
        };
        out.put(&[kind, lengths[0], lengths[1], flags]);
        out.put_u32(0);
        out.put(&min);
        out.put(&max);
    }

    pub(crate) fn decode(reader: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        let (rows, nulls) = (reader.u32()?, reader.u32()?);
        let [kind, min_length, max_length, flags] = reader.array()?;
        let zero = reader.u32()?;
        let (min, max): ([u8; 16], [u8; 16]) = (reader.array()?, reader.array()?);
        let prefix = |bytes: [u8; 16], length: u8, truncated| {
            let whole = usize::from(length) <= PREFIX_BYTES;
            whole
                .then_some(Prefix {
                    bytes,
                    length,
                    truncated,
                })
                .ok_or(Malformed("a zone prefix"))
        };
        let bounds = match kind {
            0 => Bounds::Unknown,
            1 => Bounds::Int(i128::from_le_bytes(min), i128::from_le_bytes(max)),
            2 => Bounds::Float(float_of(min), float_of(max)),
            3 => Bounds::Bytes(
                prefix(min, min_length, flags & 1 != 0)?,
                prefix(max, max_length, flags & 2 != 0)?,
            ),
            _ => return Err(Malformed("an unknown kind of zone")),
        };
        if nulls > rows || zero != 0 {
            return Err(Malformed("a zone is out of range"));
        }
        Ok(Self {
            rows,
            nulls,
            bounds,
        })
    }
}

fn float_bytes(value: f64) -> [u8; 16] {
    u128::from(value.to_bits()).to_le_bytes()
}

fn float_of(bytes: [u8; 16]) -> f64 {
    f64::from_bits(u128::from_le_bytes(bytes) as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn zones_come_back_as_written() {
        let long = Prefix::of(b"a string of more than sixteen bytes");
        let all = [
            Bounds::Unknown,
            Bounds::Int(i128::MIN, i128::MAX),
            Bounds::Float(-0.5, 1e300),
            Bounds::Bytes(Prefix::of(b""), long),
        ];
        for bounds in all {
            let zone = Zone {
                rows: 9,
                nulls: 3,
                bounds,
            };
            let mut bytes = Vec::new();
            zone.encode(&mut bytes);
            assert_eq!(bytes.len(), ZONE_BYTES);
            assert_eq!(Zone::decode(&mut ByteReader::new(&bytes)).unwrap(), zone);
        }
    }

    #[test]
    fn a_block_keeps_eight_bytes_of_a_string() {
        for text in [
            "",
            "seven b",
            "eight by",
            "nine byte",
            "more than sixteen bytes",
        ] {
            let (number, length, goes_on) = Prefix::of(text.as_bytes()).first_eight();
            let prefix = Prefix::of_eight(number, length, goes_on).unwrap();
            assert_eq!(prefix.bytes(), &text.as_bytes()[..text.len().min(8)]);
            assert_eq!(prefix.truncated, text.len() > 8);
        }
        assert!(Prefix::of_eight(0, 9, false).is_err());
    }
}
