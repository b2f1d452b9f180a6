//! From an Arrow array to its values: [`Source`] is a downcast array, [`Cell`] one value of it.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::NullBuffer;
use arrow_buffer::i256;
use arrow_schema::{DataType, TimeUnit};

use crate::column::ColumnType;

/// One value. Integers of all widths are widened, times of all units brought to microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    /// Unscaled value and scale.
    Decimal(Wide, i8),
    /// Days since 1970-01-01.
    Date(i32),
    DateTime(Instant),
    /// Microseconds, negative below zero.
    Time(i64),
    Bytes(&'a [u8]),
}

/// An unscaled decimal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Wide {
    Small(i128),
    Large(i256),
}

/// A wall clock reading, counted from 1970-01-01 00:00:00.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Instant {
    pub(super) seconds: i64,
    /// 0 to 999,999.
    pub(super) micros: u32,
}

impl Instant {
    fn new(value: i64, per_second: i64) -> Self {
        let fraction = value.rem_euclid(per_second);
        let micros = if per_second <= 1_000_000 {
            fraction * (1_000_000 / per_second)
        } else {
            fraction / (per_second / 1_000_000)
        };
        Instant {
            seconds: value.div_euclid(per_second),
            micros: micros as u32,
        }
    }
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Microseconds of a duration; out of an i64's range is far out of TIME's, too.
fn duration_micros(value: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => value.saturating_mul(1_000_000),
        TimeUnit::Millisecond => value.saturating_mul(1_000),
        TimeUnit::Microsecond => value,
        TimeUnit::Nanosecond => value / 1_000,
    }
}

/// A column of a batch. The arrays are borrowed; only a dictionary's keys are brought to one form.
pub(super) enum Source<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a Int8Array),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    UInt8(&'a UInt8Array),
    UInt16(&'a UInt16Array),
    UInt32(&'a UInt32Array),
    UInt64(&'a UInt64Array),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal128(&'a Decimal128Array, i8),
    Decimal256(&'a Decimal256Array, i8),
    Date(&'a Date32Array),
    /// Nulls, values and their unit; time zones are the backend's business.
    Timestamp(Option<&'a NullBuffer>, &'a [i64], TimeUnit),
    Duration(Option<&'a NullBuffer>, &'a [i64], TimeUnit),
    Time32(Option<&'a NullBuffer>, &'a [i32], TimeUnit),
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    FixedBinary(&'a FixedSizeBinaryArray),
    /// Nulls of the keys, keys as indexes into the values, and the values.
    Dictionary(Option<&'a NullBuffer>, Vec<usize>, Box<Source<'a>>),
}

impl<'a> Source<'a> {
    /// None for array types that no MySQL type corresponds to.
    pub(super) fn new(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Null => Source::Null,
            DataType::Boolean => Source::Boolean(array.as_boolean_opt()?),
            DataType::Int8 => Source::Int8(array.as_primitive_opt()?),
            DataType::Int16 => Source::Int16(array.as_primitive_opt()?),
            DataType::Int32 => Source::Int32(array.as_primitive_opt()?),
            DataType::Int64 => Source::Int64(array.as_primitive_opt()?),
            DataType::UInt8 => Source::UInt8(array.as_primitive_opt()?),
            DataType::UInt16 => Source::UInt16(array.as_primitive_opt()?),
            DataType::UInt32 => Source::UInt32(array.as_primitive_opt()?),
            DataType::UInt64 => Source::UInt64(array.as_primitive_opt()?),
            DataType::Float32 => Source::Float32(array.as_primitive_opt()?),
            DataType::Float64 => Source::Float64(array.as_primitive_opt()?),
            DataType::Decimal128(_, scale) => Source::Decimal128(array.as_primitive_opt()?, *scale),
            DataType::Decimal256(_, scale) => Source::Decimal256(array.as_primitive_opt()?, *scale),
            DataType::Date32 => Source::Date(array.as_primitive_opt()?),
            DataType::Utf8 => Source::Utf8(array.as_string_opt()?),
            DataType::LargeUtf8 => Source::LargeUtf8(array.as_string_opt()?),
            DataType::Utf8View => Source::Utf8View(array.as_string_view_opt()?),
            DataType::Binary => Source::Binary(array.as_binary_opt()?),
            DataType::LargeBinary => Source::LargeBinary(array.as_binary_opt()?),
            DataType::BinaryView => Source::BinaryView(array.as_binary_view_opt()?),
            DataType::FixedSizeBinary(_) => Source::FixedBinary(array.as_fixed_size_binary_opt()?),
            DataType::Dictionary(_, _) => {
                let dictionary = array.as_any_dictionary_opt()?;
                let values = Source::new(dictionary.values().as_ref())?;
                let keys = if dictionary.values().is_empty() {
                    vec![0; dictionary.keys().len()]
                } else {
                    dictionary.normalized_keys()
                };
                Source::Dictionary(dictionary.keys().nulls(), keys, Box::new(values))
            }
            _ => return Source::new_temporal(array),
        })
    }

    fn new_temporal(array: &'a dyn Array) -> Option<Self> {
        use TimeUnit::*;
        let nulls = array.nulls();
        Some(match array.data_type() {
            DataType::Timestamp(unit, _) => {
                let values = match unit {
                    Second => array.as_primitive_opt::<TimestampSecondType>()?.values(),
                    Millisecond => array
                        .as_primitive_opt::<TimestampMillisecondType>()?
                        .values(),
                    Microsecond => array
                        .as_primitive_opt::<TimestampMicrosecondType>()?
                        .values(),
                    Nanosecond => array
                        .as_primitive_opt::<TimestampNanosecondType>()?
                        .values(),
                };
                Source::Timestamp(nulls, values, *unit)
            }
            DataType::Duration(unit) => {
                let values = match unit {
                    Second => array.as_primitive_opt::<DurationSecondType>()?.values(),
                    Millisecond => array
                        .as_primitive_opt::<DurationMillisecondType>()?
                        .values(),
                    Microsecond => array
                        .as_primitive_opt::<DurationMicrosecondType>()?
                        .values(),
                    Nanosecond => array.as_primitive_opt::<DurationNanosecondType>()?.values(),
                };
                Source::Duration(nulls, values, *unit)
            }
            DataType::Time64(Microsecond) => {
                let array: &Time64MicrosecondArray = array.as_primitive_opt()?;
                Source::Duration(nulls, array.values(), Microsecond)
            }
            DataType::Time64(Nanosecond) => {
                let array: &Time64NanosecondArray = array.as_primitive_opt()?;
                Source::Duration(nulls, array.values(), Nanosecond)
            }
            DataType::Time32(Second) => {
                let array: &Time32SecondArray = array.as_primitive_opt()?;
                Source::Time32(nulls, array.values(), Second)
            }
            DataType::Time32(Millisecond) => {
                let array: &Time32MillisecondArray = array.as_primitive_opt()?;
                Source::Time32(nulls, array.values(), Millisecond)
            }
            _ => return None,
        })
    }

    /// Whether values of this array can be sent as `column_type`.
    pub(super) fn fits(&self, column_type: ColumnType) -> bool {
        use ColumnType::*;
        match self {
            Source::Null => true,
            Source::Dictionary(_, _, values) => values.fits(column_type),
            Source::Boolean(_)
            | Source::Int8(_)
            | Source::Int16(_)
            | Source::Int32(_)
            | Source::Int64(_)
            | Source::UInt8(_)
            | Source::UInt16(_)
            | Source::UInt32(_)
            | Source::UInt64(_) => {
                column_type.is_integer() || matches!(column_type, Decimal | NewDecimal)
            }
            Source::Decimal128(_, 0) if column_type.is_integer() => true,
            Source::Decimal128(..) | Source::Decimal256(..) => {
                matches!(column_type, Decimal | NewDecimal)
            }
            Source::Float32(_) | Source::Float64(_) => matches!(column_type, Float | Double),
            Source::Date(_) => column_type == Date,
            Source::Timestamp(..) => matches!(column_type, DateTime | Timestamp),
            Source::Duration(..) | Source::Time32(..) => column_type == Time,
            Source::Utf8(_)
            | Source::LargeUtf8(_)
            | Source::Utf8View(_)
            | Source::Binary(_)
            | Source::LargeBinary(_)
            | Source::BinaryView(_)
            | Source::FixedBinary(_) => column_type.is_bytes(),
        }
    }

    /// The value at `row`, which is below the array's length.
    #[inline]
    pub(super) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Source::Null => Cell::Null,
            Source::Boolean(a) => get(*a, row, |v| Cell::Int(v.into())),
            Source::Int8(a) => get(*a, row, |v| Cell::Int(v.into())),
            Source::Int16(a) => get(*a, row, |v| Cell::Int(v.into())),
            Source::Int32(a) => get(*a, row, |v| Cell::Int(v.into())),
            Source::Int64(a) => get(*a, row, Cell::Int),
            Source::UInt8(a) => get(*a, row, |v| Cell::UInt(v.into())),
            Source::UInt16(a) => get(*a, row, |v| Cell::UInt(v.into())),
            Source::UInt32(a) => get(*a, row, |v| Cell::UInt(v.into())),
            Source::UInt64(a) => get(*a, row, Cell::UInt),
            // MySQL has neither NaN nor infinities.
            Source::Float32(a) => get(*a, row, |v| finite(v.is_finite(), Cell::Float(v))),
            Source::Float64(a) => get(*a, row, |v| finite(v.is_finite(), Cell::Double(v))),
            Source::Decimal128(a, scale) => get(*a, row, |v| Cell::Decimal(Wide::Small(v), *scale)),
            Source::Decimal256(a, scale) => get(*a, row, |v| Cell::Decimal(Wide::Large(v), *scale)),
            Source::Date(a) => get(*a, row, Cell::Date),
            Source::Timestamp(nulls, values, unit) => raw(nulls, values, row, |v| {
                Cell::DateTime(Instant::new(v, per_second(*unit)))
            }),
            Source::Duration(nulls, values, unit) => raw(nulls, values, row, |v| {
                Cell::Time(duration_micros(v, *unit))
            }),
            Source::Time32(nulls, values, unit) => raw(nulls, values, row, |v| {
                Cell::Time(duration_micros(v.into(), *unit))
            }),
            Source::Utf8(a) => get(*a, row, |v| Cell::Bytes(v.as_bytes())),
            Source::LargeUtf8(a) => get(*a, row, |v| Cell::Bytes(v.as_bytes())),
            Source::Utf8View(a) => get(*a, row, |v| Cell::Bytes(v.as_bytes())),
            Source::Binary(a) => get(*a, row, Cell::Bytes),
            Source::LargeBinary(a) => get(*a, row, Cell::Bytes),
            Source::BinaryView(a) => get(*a, row, Cell::Bytes),
            Source::FixedBinary(a) => get(*a, row, Cell::Bytes),
            Source::Dictionary(nulls, keys, values) => {
                match (nulls.is_some_and(|nulls| nulls.is_null(row)), keys.get(row)) {
                    (false, Some(&key)) => values.cell(key),
                    _ => Cell::Null,
                }
            }
        }
    }
}

fn finite<'a>(is_finite: bool, cell: Cell<'a>) -> Cell<'a> {
    if is_finite { cell } else { Cell::Null }
}

#[inline]
fn get<'a, A: ArrayAccessor>(
    array: A,
    row: usize,
    cell: impl FnOnce(A::Item) -> Cell<'a>,
) -> Cell<'a> {
    if array.is_null(row) {
        Cell::Null
    } else {
        cell(array.value(row))
    }
}

#[inline]
fn raw<'a, T: Copy>(
    nulls: &Option<&NullBuffer>,
    values: &[T],
    row: usize,
    cell: impl FnOnce(T) -> Cell<'a>,
) -> Cell<'a> {
    match (
        nulls.is_some_and(|nulls| nulls.is_null(row)),
        values.get(row),
    ) {
        (false, Some(value)) => cell(*value),
        _ => Cell::Null,
    }
}

impl ColumnType {
    fn is_integer(self) -> bool {
        use ColumnType::*;
        matches!(self, Tiny | Short | Int24 | Long | LongLong | Year)
    }

    fn is_bytes(self) -> bool {
        use ColumnType::*;
        matches!(
            self,
            VarChar
                | Bit
                | Json
                | Enum
                | Set
                | TinyBlob
                | MediumBlob
                | LongBlob
                | Blob
                | VarString
                | String
                | Geometry
        )
    }
}
