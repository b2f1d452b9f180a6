//! Parameters of COM_STMT_EXECUTE: null bitmap, types, values.

use crate::column::ColumnType;
use crate::param::Param;
use crate::payload::{Malformed, Payload};
use crate::statement::LongData;

/// The form in which a client sends a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ParamType {
    column_type: ColumnType,
    unsigned: bool,
}

/// Decodes the parameters after the fixed fields of an EXECUTE.
///
/// `types` holds the types of an earlier EXECUTE and is replaced if this one sends any. Values that
/// were sent as long data are not in the packet and come from `long_data`.
pub(crate) fn decode_params(
    mut body: Payload<'_>,
    count: u16,
    types: &mut Option<Vec<ParamType>>,
    mut long_data: LongData,
) -> Result<Vec<Param>, Malformed> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let nulls = body.bytes(usize::from(count).div_ceil(8))?;
    if body.u8()? == 1 {
        *types = Some(decode_types(&mut body, count)?);
    }
    let types = types.as_deref().ok_or(Malformed)?;
    let mut params = Vec::with_capacity(types.len());
    for (index, param_type) in (0..count).zip(types) {
        params.push(match long_data.remove(&index) {
            Some(data) => long_param(*param_type, data),
            None if is_null(nulls, index) => Param::Null,
            None => decode_value(&mut body, *param_type)?,
        });
    }
    Ok(params)
}

fn is_null(bitmap: &[u8], index: u16) -> bool {
    bitmap
        .get(usize::from(index / 8))
        .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

fn decode_types(body: &mut Payload<'_>, count: u16) -> Result<Vec<ParamType>, Malformed> {
    let pairs = body.bytes(usize::from(count) * 2)?;
    let (pairs, _) = pairs.as_chunks::<2>();
    let decode = |&[number, flags]: &[u8; 2]| {
        let column_type = param_type(number).ok_or(Malformed)?;
        Ok(ParamType {
            column_type,
            unsigned: flags & 0x80 != 0,
        })
    };
    pairs.iter().map(decode).collect()
}

/// The types a client may bind. JSON and the like are sent as text, BOOL (244) as TINYINT.
fn param_type(number: u8) -> Option<ColumnType> {
    use ColumnType::*;
    Some(match number {
        1 | 244 => Tiny,
        2 | 13 => Short,
        3 | 9 => Long,
        8 => LongLong,
        4 => Float,
        5 => Double,
        6 => Null,
        7 | 12 => DateTime,
        10 => Date,
        11 => Time,
        0 | 246 => NewDecimal,
        15 | 245 | 247 | 248 | 253 | 254 => VarString,
        16 | 249..=252 | 255 => Blob,
        _ => return None,
    })
}

fn long_param(param_type: ParamType, data: Vec<u8>) -> Param {
    match param_type.column_type {
        ColumnType::Blob => Param::Bytes(data),
        _ => Param::Text(data),
    }
}

fn decode_value(body: &mut Payload<'_>, param_type: ParamType) -> Result<Param, Malformed> {
    let unsigned = param_type.unsigned;
    let integer = |bits: u64, signed: i64| {
        if unsigned {
            Param::UInt(bits)
        } else {
            Param::Int(signed)
        }
    };
    Ok(match param_type.column_type {
        ColumnType::Null => Param::Null,
        ColumnType::Tiny => body.u8().map(|v| integer(v.into(), (v as i8).into()))?,
        ColumnType::Short => body.u16().map(|v| integer(v.into(), (v as i16).into()))?,
        ColumnType::Long => body.u32().map(|v| integer(v.into(), (v as i32).into()))?,
        ColumnType::LongLong => body.u64().map(|v| integer(v, v as i64))?,
        ColumnType::Float => Param::Float(f32::from_bits(body.u32()?)),
        ColumnType::Double => Param::Double(f64::from_bits(body.u64()?)),
        ColumnType::Date | ColumnType::DateTime => decode_date(body, param_type.column_type)?,
        ColumnType::Time => decode_time(body)?,
        ColumnType::NewDecimal => Param::Decimal(body.lenenc_bytes()?.to_vec()),
        ColumnType::Blob => Param::Bytes(body.lenenc_bytes()?.to_vec()),
        _ => Param::Text(body.lenenc_bytes()?.to_vec()),
    })
}

/// DATE and DATETIME have one form, in which trailing zero fields are left out.
fn decode_date(body: &mut Payload<'_>, column_type: ColumnType) -> Result<Param, Malformed> {
    let length = body.u8()?;
    let mut field = Payload::new(body.bytes(usize::from(length))?);
    if !matches!(length, 0 | 4 | 7 | 11) {
        return Err(Malformed);
    }
    let (mut year, mut month, mut day) = (0, 0, 0);
    if length >= 4 {
        (year, month, day) = (field.u16()?, field.u8()?, field.u8()?);
    }
    if length <= 4 && column_type == ColumnType::Date {
        return Ok(Param::Date { year, month, day });
    }
    let (mut hour, mut minute, mut second, mut micros) = (0, 0, 0, 0);
    if length >= 7 {
        (hour, minute, second) = (field.u8()?, field.u8()?, field.u8()?);
    }
    if length == 11 {
        micros = field.u32()?;
    }
    Ok(Param::DateTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
        micros,
    })
}

fn decode_time(body: &mut Payload<'_>) -> Result<Param, Malformed> {
    let length = body.u8()?;
    let mut field = Payload::new(body.bytes(usize::from(length))?);
    if !matches!(length, 0 | 8 | 12) {
        return Err(Malformed);
    }
    let (mut negative, mut days, mut micros) = (false, 0, 0);
    let (mut hours, mut minutes, mut seconds) = (0, 0, 0);
    if length >= 8 {
        (negative, days) = (field.u8()? != 0, field.u32()?);
        (hours, minutes, seconds) = (field.u8()?, field.u8()?, field.u8()?);
    }
    if length == 12 {
        micros = field.u32()?;
    }
    Ok(Param::Time {
        negative,
        days,
        hours,
        minutes,
        seconds,
        micros,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::payload::put_lenenc_bytes;
    use proptest::prelude::*;

    /// The client's half: type number, flags and value bytes of a parameter.
    fn encode(param: &Param, out: &mut Vec<u8>) -> [u8; 2] {
        match param {
            Param::Null => [6, 0],
            Param::Int(v) => {
                out.extend_from_slice(&v.to_le_bytes());
                [8, 0]
            }
            Param::UInt(v) => {
                out.extend_from_slice(&v.to_le_bytes());
                [8, 0x80]
            }
            Param::Float(v) => {
                out.extend_from_slice(&v.to_le_bytes());
                [4, 0]
            }
            Param::Double(v) => {
                out.extend_from_slice(&v.to_le_bytes());
                [5, 0]
            }
            Param::Decimal(v) => {
                put_lenenc_bytes(out, v);
                [246, 0]
            }
            Param::Text(v) => {
                put_lenenc_bytes(out, v);
                [253, 0]
            }
            Param::Bytes(v) => {
                put_lenenc_bytes(out, v);
                [252, 0]
            }
            Param::Date { year, month, day } => {
                let [low, high] = year.to_le_bytes();
                out.extend_from_slice(&[4, low, high, *month, *day]);
                [10, 0]
            }
            Param::DateTime {
                year,
                month,
                day,
                hour,
                minute,
                second,
                micros,
            } => {
                let [low, high] = year.to_le_bytes();
                out.extend_from_slice(&[11, low, high, *month, *day, *hour, *minute, *second]);
                out.extend_from_slice(&micros.to_le_bytes());
                [12, 0]
            }
            Param::Time {
                negative,
                days,
                hours,
                minutes,
                seconds,
                micros,
            } => {
                out.extend_from_slice(&[12, u8::from(*negative)]);
                out.extend_from_slice(&days.to_le_bytes());
                out.extend_from_slice(&[*hours, *minutes, *seconds]);
                out.extend_from_slice(&micros.to_le_bytes());
                [11, 0]
            }
        }
    }

    /// The body of an EXECUTE, with types or without.
    fn body(params: &[Param], with_types: bool) -> Vec<u8> {
        let mut bitmap = vec![0u8; params.len().div_ceil(8)];
        let (mut types, mut values) = (Vec::new(), Vec::new());
        for (index, param) in params.iter().enumerate() {
            if *param == Param::Null {
                bitmap[index / 8] |= 1 << (index % 8);
            }
            types.extend_from_slice(&encode(param, &mut values));
        }
        bitmap.push(u8::from(with_types));
        if with_types {
            bitmap.extend_from_slice(&types);
        }
        bitmap.extend_from_slice(&values);
        bitmap
    }

    fn params() -> impl Strategy<Value = Param> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..300);
        prop_oneof![
            Just(Param::Null),
            any::<i64>().prop_map(Param::Int),
            any::<u64>().prop_map(Param::UInt),
            (-1e9f32..1e9).prop_map(Param::Float),
            (-1e300f64..1e300).prop_map(Param::Double),
            bytes().prop_map(Param::Decimal),
            bytes().prop_map(Param::Text),
            bytes().prop_map(Param::Bytes),
            any::<(u16, u8, u8)>().prop_map(|(year, month, day)| Param::Date { year, month, day }),
            any::<(u16, u8, u8, u8, u8, u8, u32)>().prop_map(
                |(year, month, day, hour, minute, second, micros)| Param::DateTime {
                    year,
                    month,
                    day,
                    hour,
                    minute,
                    second,
                    micros,
                }
            ),
            any::<(bool, u32, u8, u8, u8, u32)>().prop_map(
                |(negative, days, hours, minutes, seconds, micros)| Param::Time {
                    negative,
                    days,
                    hours,
                    minutes,
                    seconds,
                    micros,
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn parameters_survive_a_round_trip_also_without_types(
            params in prop::collection::vec(params(), 1..20),
        ) {
            let (count, mut types) = (params.len() as u16, None);
            let first = body(&params, true);
            let decoded =
                decode_params(Payload::new(&first), count, &mut types, LongData::new()).unwrap();
            prop_assert_eq!(&decoded, &params);
            let again = body(&params, false);
            let decoded =
                decode_params(Payload::new(&again), count, &mut types, LongData::new()).unwrap();
            prop_assert_eq!(&decoded, &params);
        }

        #[test]
        fn a_cut_body_is_malformed(params in prop::collection::vec(params(), 1..9), cut: u16) {
            let bytes = body(&params, true);
            let cut = usize::from(cut) % bytes.len();
            let result = decode_params(
                Payload::new(&bytes[..cut]), params.len() as u16, &mut None, LongData::new());
            prop_assert_eq!(result, Err(Malformed));
        }

        #[test]
        fn any_bytes_decode_or_are_malformed(
            bytes in prop::collection::vec(any::<u8>(), 0..200), count: u16,
        ) {
            let count = count % 40;
            if let Ok(params) = decode_params(Payload::new(&bytes), count, &mut None, LongData::new()) {
                prop_assert_eq!(params.len(), usize::from(count));
            }
        }
    }

    fn one(bytes: &[u8]) -> Result<Param, Malformed> {
        let params = decode_params(Payload::new(bytes), 1, &mut None, LongData::new())?;
        Ok(params.into_iter().next().unwrap())
    }

    #[test]
    fn narrow_integers_keep_their_sign() {
        assert_eq!(one(&[0, 1, 1, 0, 0xFF]), Ok(Param::Int(-1)));
        assert_eq!(one(&[0, 1, 1, 0x80, 0xFF]), Ok(Param::UInt(255)));
        assert_eq!(one(&[0, 1, 2, 0, 0xFE, 0xFF]), Ok(Param::Int(-2)));
        assert_eq!(
            one(&[0, 1, 3, 0x80, 0xFF, 0xFF, 0xFF, 0xFF]),
            Ok(Param::UInt(u32::MAX.into()))
        );
    }

    #[test]
    fn short_forms_of_dates_and_times_are_zero_filled() {
        let zero_date = Param::Date {
            year: 0,
            month: 0,
            day: 0,
        };
        assert_eq!(one(&[0, 1, 10, 0, 0]), Ok(zero_date));
        let midnight = Param::DateTime {
            year: 2024,
            month: 2,
            day: 29,
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
        };
        assert_eq!(one(&[0, 1, 12, 0, 4, 0xE8, 7, 2, 29]), Ok(midnight));
        let zero_time = Param::Time {
            negative: false,
            days: 0,
            hours: 0,
            minutes: 0,
            seconds: 0,
            micros: 0,
        };
        assert_eq!(one(&[0, 1, 11, 0, 0]), Ok(zero_time));
    }

    #[test]
    fn forms_that_do_not_exist_are_malformed() {
        assert_eq!(
            one(&[0, 1, 12, 0, 5, 1, 1, 1, 1, 1]),
            Err(Malformed),
            "length of a date"
        );
        assert_eq!(
            one(&[0, 1, 11, 0, 4, 1, 1, 1, 1]),
            Err(Malformed),
            "length of a time"
        );
        assert_eq!(one(&[0, 1, 99, 0, 1]), Err(Malformed), "type number");
        assert_eq!(one(&[0, 0, 1]), Err(Malformed), "types never bound");
        assert_eq!(
            one(&[0, 1, 253, 0, 0xFB]),
            Err(Malformed),
            "NULL marker as length"
        );
        assert_eq!(
            one(&[0, 1, 253, 0, 0xFE, 255, 255, 255, 255, 255, 255, 255, 255]),
            Err(Malformed)
        );
    }

    #[test]
    fn long_data_takes_the_place_of_a_value() {
        let bytes = [0, 1, 252, 0, 3, 0, 7, 0, 0, 0];
        let long = LongData::from([(0, b"blob".to_vec())]);
        let params = decode_params(Payload::new(&bytes), 2, &mut None, long);
        assert_eq!(
            params,
            Ok(vec![Param::Bytes(b"blob".to_vec()), Param::Int(7)])
        );
    }
}
