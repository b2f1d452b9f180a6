//! Rows from a JSON array of objects, or from lines that are one object each (NDJSON), perhaps gzipped.

use std::io::Read;

use serde_json::{Map, Value};

use super::GivenRow;
use crate::insert::Scalar;

/// A body as it came.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    pub bytes: &'a [u8],
    pub gzip: bool,
    /// Bytes that it may have when it is unpacked.
    pub bytes_max: usize,
}

/// Why a body cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body is not gzip: {0}")]
    Gzip(String),
    #[error("the body is neither an array of objects nor lines of one object each: {0}")]
    Json(String),
}

/// The rows of a body. A line of NDJSON that is no object is a row that says so; an array is read as a whole
/// or not at all.
pub fn rows_of_json(body: Body<'_>) -> Result<Vec<GivenRow>, BodyError> {
    let unpacked;
    let bytes = match body.gzip {
        true => {
            unpacked = unpack(body)?;
            unpacked.as_slice()
        }
        false if body.bytes.len() > body.bytes_max => {
            return Err(BodyError::TooLarge(body.bytes_max));
        }
        false => body.bytes,
    };
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => array(bytes),
        _ => Ok(lines(bytes)),
    }
}

fn unpack(body: Body<'_>) -> Result<Vec<u8>, BodyError> {
    let mut unpacked = Vec::new();
    let limit = body.bytes_max as u64 + 1;
    let mut reader = flate2::read::MultiGzDecoder::new(body.bytes).take(limit);
    let read = reader.read_to_end(&mut unpacked);
    read.map_err(|why| BodyError::Gzip(why.to_string()))?;
    match unpacked.len() > body.bytes_max {
        true => Err(BodyError::TooLarge(body.bytes_max)),
        false => Ok(unpacked),
    }
}

fn array(bytes: &[u8]) -> Result<Vec<GivenRow>, BodyError> {
    let values: Vec<Value> =
        serde_json::from_slice(bytes).map_err(|why| BodyError::Json(why.to_string()))?;
    let row = |value: Value| {
        let text = value.to_string().into_bytes();
        match value {
            Value::Object(object) => row(object, text),
            _ => no_row("not an object".into(), text),
        }
    };
    Ok(values.into_iter().map(row).collect())
}

fn lines(bytes: &[u8]) -> Vec<GivenRow> {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines = lines.filter(|line| !line.is_empty());
    let row = |line: &[u8]| match serde_json::from_slice::<Map<String, Value>>(line) {
        Ok(object) => row(object, line.to_vec()),
        Err(why) => no_row(why.to_string(), line.to_vec()),
    };
    lines.map(row).collect()
}

fn row(object: Map<String, Value>, text: Vec<u8>) -> GivenRow {
    let values = object
        .into_iter()
        .map(|(name, value)| (name, scalar(value)));
    GivenRow {
        values: values.collect(),
        text: Some(text),
        unreadable: None,
    }
}

fn no_row(why: String, text: Vec<u8>) -> GivenRow {
    GivenRow {
        values: Vec::new(),
        text: Some(text),
        unreadable: Some(why),
    }
}

/// Arrays and objects are JSON for a JSON column.
fn scalar(value: Value) -> Scalar {
    match value {
        Value::Null => Scalar::Null,
        Value::Bool(truth) => Scalar::Int(truth.into()),
        Value::String(text) => Scalar::Text(text),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => Scalar::Int(integer.into()),
            (_, Some(integer), _) => Scalar::Int(integer.into()),
            (_, _, Some(double)) => Scalar::Double(double),
            _ => Scalar::Text(number.to_string()),
        },
        nested => Scalar::Text(nested.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<GivenRow>, BodyError> {
        rows_of_json(Body {
            bytes,
            gzip: false,
            bytes_max: 1000,
        })
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
            Scalar::Double(0.5),
            Scalar::Int(1),
        ];
        assert_eq!(numbers, expected);
    }

    #[test]
    fn a_bad_line_is_a_bad_row_and_a_bad_array_is_none() {
        let rows = read(b"{\"a\":1}\n{\"a\":\n17\n{\"a\":2}").expect("lines");
        let readable: Vec<bool> = rows.iter().map(|row| row.unreadable.is_none()).collect();
        assert_eq!(readable, [true, false, false, true]);
        assert!(matches!(read(b"[{\"a\":1},"), Err(BodyError::Json(_))));
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
        let read = |bytes: &[u8]| {
            rows_of_json(Body {
                bytes,
                gzip: true,
                bytes_max: 1000,
            })
        };
        assert_eq!(read(&packed(b"{\"a\":1}")).expect("a line").len(), 1);
        assert_eq!(
            read(&packed(&[b' '; 100_000])),
            Err(BodyError::TooLarge(1000))
        );
        assert!(matches!(read(b"{\"a\":1}"), Err(BodyError::Gzip(_))));
    }
}
