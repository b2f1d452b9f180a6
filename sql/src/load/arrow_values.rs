//! Values of files that carry types, in the types that MySQL has.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, DurationMicrosecondArray, TimestampMicrosecondArray};
use arrow::compute::kernels::arity::unary;
use arrow::datatypes::{
    DataType, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};

use crate::types::TimeZone;

/// Moments of UTC become what the session's clock shows then, as a TIMESTAMP is written and read; times of day become
/// TIME. Finer parts than microseconds are cut towards the past. Other values stay as they are.
pub(crate) fn of_session(array: &ArrayRef, zone: TimeZone) -> ArrayRef {
    let moments = |micros: TimestampMicrosecondArray, in_utc: bool| -> ArrayRef {
        match in_utc {
            true => Arc::new(unary::<_, _, TimestampMicrosecondType>(&micros, |utc| {
                zone.from_utc(utc)
            })),
            false => Arc::new(micros),
        }
    };
    let times = |micros: DurationMicrosecondArray| -> ArrayRef { Arc::new(micros) };
    match array.data_type() {
        DataType::Timestamp(unit, of) => {
            let micros = match unit {
                TimeUnit::Second => unary(array.as_primitive::<TimestampSecondType>(), |value| {
                    value.saturating_mul(1_000_000)
                }),
                TimeUnit::Millisecond => {
                    unary(array.as_primitive::<TimestampMillisecondType>(), |value| {
                        value.saturating_mul(1_000)
                    })
                }
                TimeUnit::Microsecond => {
                    unary(array.as_primitive::<TimestampMicrosecondType>(), |value| {
                        value
                    })
                }
                TimeUnit::Nanosecond => {
                    unary(array.as_primitive::<TimestampNanosecondType>(), |value| {
                        value.div_euclid(1_000)
                    })
                }
            };
            moments(micros, of.is_some())
        }
        DataType::Time32(TimeUnit::Second) => {
            times(unary(array.as_primitive::<Time32SecondType>(), |value| {
                i64::from(value) * 1_000_000
            }))
        }
        DataType::Time32(_) => times(unary(
            array.as_primitive::<Time32MillisecondType>(),
            |value| i64::from(value) * 1_000,
        )),
        DataType::Time64(TimeUnit::Nanosecond) => times(unary(
            array.as_primitive::<Time64NanosecondType>(),
            |value| value.div_euclid(1_000),
        )),
        DataType::Time64(_) => times(unary(
            array.as_primitive::<Time64MicrosecondType>(),
            |value| value,
        )),
        _ => Arc::clone(array),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Int32Array, Time32SecondArray, Time64NanosecondArray, TimestampNanosecondArray,
        TimestampSecondArray,
    };
    use arrow::datatypes::DurationMicrosecondType;

    use super::*;

    fn micros(array: ArrayRef, zone: &str) -> Vec<Option<i64>> {
        let zone = TimeZone::parse(zone).expect("a zone");
        let found = of_session(&array, zone);
        match found.data_type() {
            DataType::Duration(_) => {
                let found = found.as_primitive::<DurationMicrosecondType>();
                found.iter().collect()
            }
            _ => {
                let found = found.as_primitive::<TimestampMicrosecondType>();
                found.iter().collect()
            }
        }
    }

    #[test]
    fn moments_of_utc_are_shown_by_the_sessions_clock() {
        let utc = TimestampSecondArray::from(vec![Some(1_700_000_000), None]).with_timezone("UTC");
        let shown = Some(1_700_007_200_000_000);
        assert_eq!(micros(Arc::new(utc), "+02:00"), [shown, None]);
        let local = TimestampSecondArray::from(vec![5]);
        assert_eq!(micros(Arc::new(local), "+02:00"), [Some(5_000_000)]);
    }

    #[test]
    fn parts_of_a_microsecond_are_cut_towards_the_past() {
        let before = TimestampNanosecondArray::from(vec![-1, 1_999]);
        assert_eq!(micros(Arc::new(before), "UTC"), [Some(-1), Some(1)]);
    }

    #[test]
    fn times_of_day_are_times() {
        let seconds = Time32SecondArray::from(vec![3_661]);
        assert_eq!(micros(Arc::new(seconds), "UTC"), [Some(3_661_000_000)]);
        let nanos = Time64NanosecondArray::from(vec![Some(1_500), None]);
        assert_eq!(micros(Arc::new(nanos), "UTC"), [Some(1), None]);
    }

    #[test]
    fn other_values_stay() {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        assert_eq!(&of_session(&numbers, TimeZone::UTC), &numbers);
    }
}
