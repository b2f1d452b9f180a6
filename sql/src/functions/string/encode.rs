//! Functions between numbers, bytes and their written forms: HEX, CONV, CHAR, BASE64, FORMAT, SOUNDEX.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::common::{Result, ScalarValue};

use super::types::{bytes, text, text_of_bytes};
use crate::functions::argument::Call;
use crate::functions::builtin::{ANY, Definition};
use crate::functions::convert::number::{clamp_i64, divide_half_up, pow10};
use crate::functions::convert::text::{push_decimal, push_fixed};
use crate::functions::failure::not_supported;
use crate::functions::numeric::round_double;

pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "{byte:02X}");
    }
}

/// Bytes of a string, or a number in base 16.
fn hex(call: &Call<'_>) -> Result<ArrayRef> {
    if call.data_type(0).is_numeric() || call.data_type(0) == DataType::Boolean {
        let numbers = call.bits(0)?;
        return Ok(Arc::new(call.collect_text(|row, out| {
            numbers
                .get(row)
                .map(|number| write!(out, "{number:X}"))
                .is_some()
        })));
    }
    let values = call.bytes(0)?;
    Ok(Arc::new(call.bounded_text(|row, out| {
        values.get(row).map(|bytes| push_hex(out, bytes)).is_some()
    })?))
}

fn unhex(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.bytes(0)?;
    Ok(Arc::new(call.bounded_bytes(|row, out| {
        let Some(text) = texts.get(row) else {
            return false;
        };
        let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
        let Some(digits) = text.iter().map(digit).collect::<Option<Vec<u8>>>() else {
            return false;
        };
        // An odd number of digits begins with half a byte.
        let (first, rest) = digits.split_at(digits.len() % 2);
        out.extend_from_slice(first);
        out.extend(rest.chunks(2).map(|pair| pair[0] << 4 | pair[1]));
        true
    })?))
}

fn push_base(out: &mut String, mut value: u64, base: u64) {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((value % base) as u32, base as u32).unwrap_or('0'));
        value /= base;
        if value == 0 {
            break;
        }
    }
    out.extend(digits.iter().rev().map(char::to_ascii_uppercase));
}

/// The longest prefix that is a number of the base, as MySQL's `strntoull` (unsigned) or `strntoll`.
fn parse_base(text: &str, base: i64) -> u64 {
    let text = text.trim_start();
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let radix = base.unsigned_abs() as u32;
    let mut value = 0_u128;
    for c in digits.chars() {
        let Some(digit) = c.to_digit(radix) else {
            break;
        };
        value = (value * u128::from(radix) + u128::from(digit)).min(u128::from(u64::MAX) + 1);
    }
    if base < 0 {
        let value = value.min(1 << 63) as i128;
        return clamp_i64(if negative { -value } else { value }) as u64;
    }
    match u64::try_from(value) {
        Ok(value) if negative => value.wrapping_neg(),
        Ok(value) => value,
        Err(_) => u64::MAX,
    }
}

fn push_converted(out: &mut String, text: &str, from: i64, to: i64) -> bool {
    let valid = |base: i64| (2..=36).contains(&base.unsigned_abs());
    if !valid(from) || !valid(to) || text.is_empty() {
        return false;
    }
    let value = parse_base(text, from);
    let signed = value as i64;
    if to < 0 && signed < 0 {
        out.push('-');
        push_base(out, signed.unsigned_abs(), to.unsigned_abs());
    } else {
        push_base(out, value, to.unsigned_abs());
    }
    true
}

fn conv(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, froms, tos) = (call.text(0)?, call.int(1)?, call.int(2)?);
    Ok(Arc::new(call.collect_text(|row, out| {
        match (texts.get(row), froms.get(row), tos.get(row)) {
            (Some(text), Some(from), Some(to)) => push_converted(out, text, from, to),
            _ => false,
        }
    })))
}

fn in_base(call: &Call<'_>, base: i64) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    Ok(Arc::new(call.collect_text(|row, out| {
        texts
            .get(row)
            .is_some_and(|text| push_converted(out, text, 10, base))
    })))
}

/// CHAR(n ...): each number as up to four bytes; NULLs are left out.
fn char_bytes(call: &Call<'_>) -> Result<ArrayRef> {
    let numbers = (0..call.len())
        .map(|i| call.bits(i))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(call.bounded_bytes(|row, out| {
        for number in numbers.iter().filter_map(|number| number.get(row)) {
            let bytes = (number as u32).to_be_bytes();
            let zeros = bytes.iter().take(3).take_while(|byte| **byte == 0).count();
            out.extend_from_slice(&bytes[zeros..]);
        }
        true
    })?))
}

fn to_base64(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.bytes(0)?;
    Ok(Arc::new(call.bounded_text(|row, out| {
        let Some(value) = values.get(row) else {
            return false;
        };
        // Lines of 76 characters: 57 bytes each.
        for (index, line) in value.chunks(57).enumerate() {
            if index > 0 {
                out.push('\n');
            }
            STANDARD.encode_string(line, out);
        }
        true
    })?))
}

fn from_base64(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.bytes(0)?;
    Ok(Arc::new(call.bounded_bytes(|row, out| {
        let Some(value) = values.get(row) else {
            return false;
        };
        let digits: Vec<u8> = value
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        STANDARD.decode_vec(digits, out).is_ok()
    })?))
}

/// FORMAT(x, digits): thousands separated by commas.
fn format(call: &Call<'_>) -> Result<ArrayRef> {
    if call.len() > 2 {
        let locales = call.text(2)?;
        let english = locales
            .get(0)
            .is_none_or(|name| name.to_ascii_lowercase().starts_with("en_"));
        if !locales.is_scalar() || !english {
            return Err(not_supported("FORMAT with another locale than en_US"));
        }
    }
    let digits = call.int(1)?;
    let data_type = call.data_type(0);
    let exact = data_type.is_integer() || data_type == DataType::Boolean || data_type.is_decimal();
    if exact {
        let scale = if let DataType::Decimal128(_, scale) = data_type {
            scale
        } else {
            0
        };
        let values = call.decimal(0, 38, scale)?;
        return Ok(Arc::new(call.collect_text(|row, out| {
            let (Some(value), Some(digits)) = (values.get(row), digits.get(row)) else {
                return false;
            };
            let digits = digits.clamp(0, 30) as i8;
            let drop = (scale - digits).max(0);
            let value = divide_half_up(value, pow10(drop.unsigned_abs().into()));
            push_grouped(out, value, scale - drop, digits);
            true
        })));
    }
    let values = call.double(0)?;
    Ok(Arc::new(call.collect_text(|row, out| {
        let (Some(value), Some(digits)) = (values.get(row), digits.get(row)) else {
            return false;
        };
        let digits = digits.clamp(0, 30);
        let mut text = String::new();
        push_fixed(&mut text, round_double(value, digits, false), digits as u8);
        group_thousands(out, &text);
        true
    })))
}

fn push_grouped(out: &mut String, value: i128, scale: i8, digits: i8) {
    let mut text = String::new();
    push_decimal(&mut text, value, scale);
    if digits > scale {
        if scale == 0 {
            text.push('.');
        }
        text.extend(std::iter::repeat_n(
            '0',
            (digits - scale).unsigned_abs().into(),
        ));
    }
    group_thousands(out, &text);
}

fn group_thousands(out: &mut String, number: &str) {
    let (sign, number) = match number.strip_prefix('-') {
        Some(rest) if rest.bytes().any(|b| (b'1'..=b'9').contains(&b)) => ("-", rest),
        Some(rest) => ("", rest),
        None => ("", number),
    };
    let (integer, fraction) = match number.find('.') {
        Some(at) => number.split_at(at),
        None => (number, ""),
    };
    out.push_str(sign);
    for (index, digit) in integer.chars().enumerate() {
        if index > 0 && (integer.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out.push_str(fraction);
}

/// MySQL's SOUNDEX: of any length, vowels dropped before equal neighbours are.
fn soundex(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    Ok(Arc::new(call.bounded_text(|row, out| {
        let Some(text) = texts.get(row) else {
            return false;
        };
        let mut letters = text.chars().filter(|c| c.is_alphabetic());
        let Some(first) = letters.next() else {
            return true;
        };
        out.extend(first.to_uppercase());
        let mut last = sound(first);
        for letter in letters {
            let sound = sound(letter);
            if sound == Some('0') {
                continue;
            }
            if sound != last {
                out.extend(sound);
                last = sound;
            }
        }
        let missing = 4_usize.saturating_sub(out.chars().count());
        out.extend(std::iter::repeat_n('0', missing));
        true
    })?))
}

fn sound(letter: char) -> Option<char> {
    const CODES: &[u8; 26] = b"01230120022455012623010202";
    let letter = letter.to_ascii_uppercase();
    if !letter.is_ascii_uppercase() {
        return Some('0');
    }
    CODES
        .get(letter as usize - 'A' as usize)
        .map(|code| char::from(*code))
}

/// EXPORT_SET(bits, on, off, separator, count)
fn export_set(call: &Call<'_>) -> Result<ArrayRef> {
    let (bits, on, off) = (call.bits(0)?, call.text(1)?, call.text(2)?);
    let separator = if call.len() > 3 {
        Some(call.text(3)?)
    } else {
        None
    };
    let count = if call.len() > 4 {
        Some(call.int(4)?)
    } else {
        None
    };
    Ok(Arc::new(call.bounded_text(|row, out| {
        let (Some(bits), Some(on), Some(off)) = (bits.get(row), on.get(row), off.get(row)) else {
            return false;
        };
        let separator = match &separator {
            Some(separator) => separator.get(row),
            None => Some(","),
        };
        let count = count.as_ref().map_or(Some(64), |count| count.get(row));
        let (Some(separator), Some(count)) = (separator, count) else {
            return false;
        };
        let count = if (0..=64).contains(&count) { count } else { 64 };
        for bit in 0..count {
            if bit > 0 {
                out.push_str(separator);
            }
            out.push_str(if bits >> bit & 1 == 1 { on } else { off });
        }
        true
    })?))
}

/// The charset of CHAR(n USING charset) and CONVERT(x USING charset): text if the bytes are.
fn bytes_as_text(call: &Call<'_>) -> Result<ArrayRef> {
    if let Some(ScalarValue::Utf8(Some(name)) | ScalarValue::Utf8View(Some(name))) = call.scalar(1)
        && !matches!(
            name.to_ascii_lowercase().as_str(),
            "utf8mb4" | "utf8" | "utf8mb3" | "ascii"
        )
    {
        return Err(not_supported(&format!(
            "conversion to character set {name}"
        )));
    }
    let values = call.bytes(0)?;
    Ok(Arc::new(call.bounded_text(|row, out| {
        let text = values
            .get(row)
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.map(|text| out.push_str(text)).is_some()
    })?))
}

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("hex", (1, 1), text_of_bytes, hex),
    Definition::new("unhex", (1, 1), bytes, unhex),
    Definition::new("conv", (3, 3), text, conv),
    Definition::new("bin", (1, 1), text, |call| in_base(call, 2)),
    Definition::new("oct", (1, 1), text, |call| in_base(call, 8)),
    Definition::new("char", (1, ANY), bytes, char_bytes),
    Definition::new("to_base64", (1, 1), text_of_bytes, to_base64),
    Definition::new("from_base64", (1, 1), bytes, from_base64),
    Definition::new("format", (2, 3), text, format),
    Definition::new("soundex", (1, 1), text, soundex),
    Definition::new("export_set", (3, 5), text, export_set),
    Definition::new("convert_using", (2, 2), text_of_bytes, bytes_as_text),
];
