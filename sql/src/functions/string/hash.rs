//! Digests and addresses: MD5, SHA1, SHA2, CRC32, UUID, INET_ATON ...

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Int64Type, UInt32Type};
use datafusion::common::Result;
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use uuid::Uuid;

use super::types::{boolean, bytes, integer, text, text_of_bytes};
use crate::functions::argument::Call;
use crate::functions::builtin::Definition;

fn push_lower_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
        }
    }
}

fn digest<D: Digest>(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.bytes(0)?;
    Ok(Arc::new(call.collect_text(|row, out| {
        values
            .get(row)
            .map(|bytes| push_lower_hex(out, &D::digest(bytes)))
            .is_some()
    })))
}

fn sha2(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, lengths) = (call.bytes(0)?, call.int(1)?);
    Ok(Arc::new(call.collect_text(|row, out| {
        let (Some(value), Some(length)) = (values.get(row), lengths.get(row)) else {
            return false;
        };
        match length {
            224 => push_lower_hex(out, &Sha224::digest(value)),
            0 | 256 => push_lower_hex(out, &Sha256::digest(value)),
            384 => push_lower_hex(out, &Sha384::digest(value)),
            512 => push_lower_hex(out, &Sha512::digest(value)),
            _ => return false,
        }
        true
    })))
}

fn crc32(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.bytes(0)?;
    Ok(Arc::new(call.collect::<UInt32Type>(|row| {
        values.get(row).map(crc32fast::hash)
    })))
}

/// A version 1 UUID as MySQL makes them, with a random node: time first, so that they sort by it when
/// UUID_TO_BIN swaps their parts.
fn uuid(call: &Call<'_>) -> Result<ArrayRef> {
    // 100 ns ticks from 1582-10-15 to 1970-01-01.
    const GREGORIAN: u64 = 0x01b2_1dd2_1381_4000;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut ticks = now.map_or(0, |now| now.as_nanos() as u64 / 100) + GREGORIAN;
    let random = Uuid::new_v4().into_bytes();
    let sequence = u16::from_be_bytes([random[0], random[1]]) & 0x3fff | 0x8000;
    // The multicast bit says that the node is no hardware address.
    let node = [
        random[2] | 1,
        random[3],
        random[4],
        random[5],
        random[10],
        random[11],
    ];
    Ok(Arc::new(call.collect_text(|_, out| {
        ticks += 1;
        let (low, middle) = (ticks as u32, (ticks >> 32) as u16);
        let high = (ticks >> 48) as u16 & 0x0fff | 0x1000;
        let [s1, s2] = sequence.to_be_bytes();
        let [n1, n2, n3, n4, n5, n6] = node;
        let uuid = Uuid::from_fields(low, middle, high, &[s1, s2, n1, n2, n3, n4, n5, n6]);
        out.push_str(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        true
    })))
}

/// Plain, hyphenated or braced, as MySQL accepts.
fn parse_uuid(text: &str) -> Option<Uuid> {
    matches!(text.len(), 32 | 36 | 38).then(|| Uuid::try_parse(text).ok())?
}

fn swap(bytes: [u8; 16]) -> [u8; 16] {
    let mut swapped = bytes;
    swapped[0..2].copy_from_slice(&bytes[6..8]);
    swapped[2..4].copy_from_slice(&bytes[4..6]);
    swapped[4..8].copy_from_slice(&bytes[0..4]);
    swapped
}

fn unswap(bytes: [u8; 16]) -> [u8; 16] {
    let mut plain = bytes;
    plain[0..4].copy_from_slice(&bytes[4..8]);
    plain[4..6].copy_from_slice(&bytes[2..4]);
    plain[6..8].copy_from_slice(&bytes[0..2]);
    plain
}

/// UUID_TO_BIN and BIN_TO_UUID's second argument.
fn swaps(call: &Call<'_>) -> Result<impl Fn(usize) -> bool> {
    let flag = if call.len() > 1 {
        Some(call.truth(1)?)
    } else {
        None
    };
    Ok(move |row: usize| {
        flag.as_ref()
            .and_then(|flag| flag.get(row))
            .unwrap_or(false)
    })
}

fn wrong_uuid(text: &str, function: &str) -> datafusion::common::DataFusionError {
    let message = format!("Incorrect string value: '{text}' for function {function}");
    crate::functions::failure::raise(crate::error::SqlError::new(1411, "HY000", message))
}

fn uuid_to_bin(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, swaps) = (call.text(0)?, swaps(call)?);
    let mut wrong = None;
    let array = call.bounded_bytes(|row, out| {
        let Some(text) = texts.get(row) else {
            return false;
        };
        let Some(uuid) = parse_uuid(text) else {
            wrong = Some(text.to_owned());
            return false;
        };
        let bytes = uuid.into_bytes();
        out.extend_from_slice(&if swaps(row) { swap(bytes) } else { bytes });
        true
    })?;
    match wrong {
        Some(text) => Err(wrong_uuid(&text, "uuid_to_bin")),
        None => Ok(Arc::new(array)),
    }
}

fn bin_to_uuid(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, swaps) = (call.bytes(0)?, swaps(call)?);
    let mut wrong = None;
    let array = call.bounded_text(|row, out| {
        let Some(value) = values.get(row) else {
            return false;
        };
        let Ok(bytes) = <[u8; 16]>::try_from(value) else {
            wrong = Some(String::from_utf8_lossy(value).into_owned());
            return false;
        };
        let bytes = if swaps(row) { unswap(bytes) } else { bytes };
        let uuid = Uuid::from_bytes(bytes);
        out.push_str(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        true
    })?;
    match wrong {
        Some(text) => Err(wrong_uuid(&text, "bin_to_uuid")),
        None => Ok(Arc::new(array)),
    }
}

fn is_uuid(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    Ok(Arc::new(call.collect_bool(|row| {
        texts.get(row).map(|text| parse_uuid(text).is_some())
    })))
}

/// Dotted numbers, read as loosely as MySQL does: `a.b` and `a.b.c` are short for zeros before the last
/// number, an empty number is 0.
fn inet_number(text: &str) -> Option<i64> {
    let (mut result, mut number, mut dots) = (0_i64, 0_i64, 0);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => {
                number = number * 10 + i64::from(byte - b'0');
                if number > 255 {
                    return None;
                }
            }
            b'.' => {
                dots += 1;
                result = result.checked_mul(256)?.checked_add(number)?;
                number = 0;
            }
            _ => return None,
        }
    }
    // The text must end in a number.
    text.bytes().last().filter(|byte| *byte != b'.')?;
    let zeros = match dots {
        1 => 16,
        2 => 8,
        _ => 0,
    };
    (result << zeros).checked_mul(256)?.checked_add(number)
}

fn inet_aton(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    Ok(Arc::new(
        call.collect::<Int64Type>(|row| inet_number(texts.get(row)?)),
    ))
}

fn inet_ntoa(call: &Call<'_>) -> Result<ArrayRef> {
    let numbers = call.bits(0)?;
    Ok(Arc::new(call.collect_text(|row, out| {
        let number = numbers
            .get(row)
            .and_then(|number| u32::try_from(number).ok());
        number
            .map(|number| out.push_str(&Ipv4Addr::from(number).to_string()))
            .is_some()
    })))
}

fn inet6_aton(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    Ok(Arc::new(call.bounded_bytes(|row, out| {
        let Some(text) = texts.get(row) else {
            return false;
        };
        if let Ok(v4) = text.parse::<Ipv4Addr>() {
            out.extend_from_slice(&v4.octets());
            return true;
        }
        let Ok(v6) = text.parse::<Ipv6Addr>() else {
            return false;
        };
        out.extend_from_slice(&v6.octets());
        true
    })?))
}

fn inet6_ntoa(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.bytes(0)?;
    Ok(Arc::new(call.collect_text(|row, out| {
        let Some(value) = values.get(row) else {
            return false;
        };
        if let Ok(v4) = <[u8; 4]>::try_from(value) {
            out.push_str(&Ipv4Addr::from(v4).to_string());
            return true;
        }
        let Ok(v6) = <[u8; 16]>::try_from(value) else {
            return false;
        };
        let v6 = Ipv6Addr::from(v6);
        match v6.segments() {
            [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
                let [.., a, b, c, d] = v6.octets();
                out.push_str(&format!("::{}", Ipv4Addr::new(a, b, c, d)));
            }
            _ => out.push_str(&v6.to_string()),
        }
        true
    })))
}

fn is_address(call: &Call<'_>, valid: fn(&str) -> bool) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    // NULL is no address.
    Ok(Arc::new(call.collect_bool(|row| {
        Some(texts.get(row).is_some_and(valid))
    })))
}

const SHA1: Definition = Definition::new("sha1", (1, 1), text_of_bytes, digest::<Sha1>);

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("md5", (1, 1), text_of_bytes, digest::<Md5>),
    SHA1,
    SHA1.named("sha"),
    Definition::new("sha2", (2, 2), text_of_bytes, sha2),
    Definition::new("crc32", (1, 1), |_| Ok(DataType::UInt32.into()), crc32),
    Definition::new("uuid", (0, 0), text, uuid).volatile(),
    Definition::new("uuid_to_bin", (1, 2), bytes, uuid_to_bin),
    Definition::new("bin_to_uuid", (1, 2), text_of_bytes, bin_to_uuid),
    Definition::new("is_uuid", (1, 1), boolean, is_uuid),
    Definition::new("inet_aton", (1, 1), integer, inet_aton),
    Definition::new("inet_ntoa", (1, 1), text, inet_ntoa),
    Definition::new("inet6_aton", (1, 1), bytes, inet6_aton),
    Definition::new("inet6_ntoa", (1, 1), text_of_bytes, inet6_ntoa),
    Definition::new("is_ipv4", (1, 1), boolean, |call| {
        is_address(call, |text| text.parse::<Ipv4Addr>().is_ok())
    }),
    Definition::new("is_ipv6", (1, 1), boolean, |call| {
        is_address(call, |text| text.parse::<Ipv6Addr>().is_ok())
    }),
];
