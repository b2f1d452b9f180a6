//! Rows from a JSON array of objects, or from lines that are one object each (NDJSON), perhaps gzipped. They are
//! read one by one: a body takes no more memory than its text.

use std::fmt;
use std::io::Read;

use bytes::Bytes;
use serde::Deserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::GivenRow;
use crate::json_object::values_of;

/// Bytes that are unpacked at a time.
const STEP: usize = 64 << 10;

/// A body as it came.
#[derive(Debug, Clone)]
pub struct Body {
    pub bytes: Bytes,
    pub gzip: bool,
    /// Bytes that it may have when it is unpacked.
    pub bytes_max: usize,
}

/// Why a body cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// Its rows would take more memory than there is for all bodies.
    #[error("the rows of the body take too much memory")]
    TooManyRows,
    /// There is not enough memory while others are worked on.
    #[error("too much is under way")]
    Busy,
    #[error("the body is not gzip: {0}")]
    Gzip(String),
    #[error("the body is neither an array of objects nor lines of one object each: {0}")]
    Json(String),
}

/// Memory that bodies share.
pub trait Room: Send + Sync {
    /// Takes so many more bytes for a body.
    ///
    /// # Errors
    /// `Busy` or `TooManyRows`.
    fn take(&self, bytes: usize) -> Result<(), BodyError>;
}

impl Body {
    /// Unpacks it, and takes room for what comes out.
    ///
    /// # Errors
    /// `TooLarge`, `Gzip`, those of `room`.
    pub(crate) fn unpacked(self, room: &dyn Room) -> Result<Bytes, BodyError> {
        if !self.gzip {
            return match self.bytes.len() > self.bytes_max {
                true => Err(BodyError::TooLarge(self.bytes_max)),
                false => Ok(self.bytes),
            };
        }
        let mut unpacked = Vec::new();
        let limit = self.bytes_max as u64 + 1;
        let mut reader = flate2::read::MultiGzDecoder::new(&*self.bytes).take(limit);
        loop {
            let step = (&mut reader).take(STEP as u64).read_to_end(&mut unpacked);
            let step = step.map_err(|why| BodyError::Gzip(why.to_string()))?;
            if step == 0 {
                return Ok(unpacked.into());
            }
            if unpacked.len() > self.bytes_max {
                return Err(BodyError::TooLarge(self.bytes_max));
            }
            room.take(step)?;
        }
    }
}

/// Why reading ended early: the body's fault, or what `each` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop<E> {
    Body(BodyError),
    Each(E),
}

/// Gives the rows of an unpacked body one by one. A line of NDJSON that is no object is a row that says so; an
/// array is read as a whole or not at all, so that rows of one that is none may have been given.
pub(crate) fn read_rows<E>(
    bytes: &[u8],
    each: &mut dyn FnMut(GivenRow<'_>) -> Result<(), E>,
) -> Result<(), Stop<E>> {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => array(bytes, each),
        _ => {
            let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            let mut lines = lines.filter(|line| !line.is_empty());
            lines.try_for_each(|line| each(row(line)).map_err(Stop::Each))
        }
    }
}

fn array<E>(
    bytes: &[u8],
    each: &mut dyn FnMut(GivenRow<'_>) -> Result<(), E>,
) -> Result<(), Stop<E>> {
    let mut stopped = None;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let elements = Elements {
        each: &mut |text| match each(row(text.as_bytes())) {
            Ok(()) => true,
            Err(error) => {
                stopped = Some(error);
                false
            }
        },
    };
    let read = reader.deserialize_seq(elements);
    let read = read.and_then(|()| reader.end());
    match (stopped, read) {
        (Some(error), _) => Err(Stop::Each(error)),
        (None, Err(why)) => Err(Stop::Body(BodyError::Json(why.to_string()))),
        (None, Ok(())) => Ok(()),
    }
}

/// The elements of an array, as long as `each` wants more of them.
struct Elements<'a> {
    each: &'a mut dyn FnMut(&str) -> bool,
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            if !(self.each)(element.get()) {
                return Err(A::Error::custom("nobody wants more"));
            }
        }
        Ok(())
    }
}

fn row(text: &[u8]) -> GivenRow<'_> {
    let (values, unreadable) = match values_of(text) {
        Ok(values) => (values, None),
        Err(why) => (Vec::new(), Some(why.to_string())),
    };
    GivenRow {
        values,
        text,
        unreadable,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::insert::Scalar;

    /// So much.
    struct Limit(AtomicUsize);

    impl Room for Limit {
        fn take(&self, bytes: usize) -> Result<(), BodyError> {
            let left = |left: usize| left.checked_sub(bytes);
            let taken = self.0.fetch_update(Relaxed, Relaxed, left);
            taken.map(drop).map_err(|_| BodyError::Busy)
        }
    }

    #[derive(Debug, PartialEq)]
    struct Row {
        values: Vec<(String, Scalar)>,
        unreadable: Option<String>,
    }

    fn read(bytes: &[u8]) -> Result<Vec<Row>, Stop<()>> {
        let mut rows = Vec::new();
        read_rows(bytes, &mut |row| {
            rows.push(Row {
                values: row.values,
                unreadable: row.unreadable,
            });
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn arrays_and_lines_give_the_same_rows() {
        let array = read(br#" [{"a":1,"b":"x"},{"a":null,"c":[1,{"d":true}]}]"#).expect("array");
        let lines =
            read(b"{\"a\":1,\"b\":\"x\"}\r\n\n{\"a\":null,\"c\":[1,{\"d\":true}]}").expect("lines");
        assert_eq!(array, lines);
        assert_eq!(array.len(), 2);
        assert_eq!(array[0].values[1], ("b".into(), Scalar::Text("x".into())));
        assert_eq!(
            array[1].values[1].1,
            Scalar::Text("[1,{\"d\":true}]".into())
        );
        let numbers = read(b"{\"a\":18446744073709551615,\"b\":-1,\"c\":0.5,\"d\":true}");
        let numbers: Vec<Scalar> = numbers.expect("a line")[0]
            .values
            .iter()
            .map(|v| v.1.clone())
            .collect();
        let expected = [
            Scalar::Int(u64::MAX.into()),
            Scalar::Int(-1),
            Scalar::Decimal("0.5".into()),
            Scalar::Int(1),
        ];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn a_bad_line_is_a_bad_row_and_a_bad_array_is_none() {
        let rows = read(b"{\"a\":1}\n{\"a\":\n17\n{\"a\":2}").expect("lines");
        let readable: Vec<bool> = rows.iter().map(|row| row.unreadable.is_none()).collect();
        assert_eq!(readable, [true, false, false, true]);
        assert!(matches!(
            read(b"[{\"a\":1},"),
            Err(Stop::Body(BodyError::Json(_)))
        ));
        let mixed = read(b"[{\"a\":1}, 2]").expect("an array");
        assert!(mixed[1].unreadable.is_some());
        assert_eq!(read(b" \n "), Ok(Vec::new()));
    }

    #[test]
    fn what_is_packed_is_bounded_unpacked() {
        let packed = |bytes: &[u8]| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            gzip.write_all(bytes).expect("packs");
            gzip.finish().expect("packs")
        };
        let unpack = |bytes: &[u8], room: usize| {
            let body = Body {
                bytes: bytes.to_vec().into(),
                gzip: true,
                bytes_max: 1 << 20,
            };
            body.unpacked(&Limit(AtomicUsize::new(room)))
        };
        let line = b"{\"a\":1}";
        assert_eq!(unpack(&packed(line), 10).as_deref(), Ok(&line[..]));
        let spaces = |count| packed(&vec![b' '; count]);
        let whole = unpack(&spaces(1 << 20), 1 << 20).expect("fits");
        assert_eq!(whole.len(), 1 << 20);
        let too_large = Err(BodyError::TooLarge(1 << 20));
        assert_eq!(unpack(&spaces(100 << 20), usize::MAX), too_large);
        assert_eq!(unpack(&spaces(1 << 20), 100_000), Err(BodyError::Busy));
        assert!(matches!(unpack(line, 10), Err(BodyError::Gzip(_))));
    }

    #[test]
    fn reading_ends_when_nobody_wants_more() {
        for text in ["[0,0,0,0", "0\n0\n0"] {
            let mut count = 0;
            let read = read_rows(text.as_bytes(), &mut |_| {
                count += 1;
                if count < 2 { Ok(()) } else { Err("enough") }
            });
            assert_eq!((read, count), (Err(Stop::Each("enough")), 2));
        }
    }
}
