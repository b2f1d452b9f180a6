//! Time zones: names (the IANA data is built in), offsets such as `+05:30`, and conversion to and from
//! UTC. CONVERT_TZ, UNIX_TIMESTAMP and FROM_UNIXTIME.
//!
//! The session's zone comes from DataFusion's `execution.time_zone` option; without it, it is UTC.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use datafusion::common::Result;

use super::arithmetic::DATETIME;
use super::parts::text;
use super::{format, now};
use crate::functions::argument::Call;
use crate::functions::builtin::{Declared, Definition, Shape};
use crate::functions::failure::raise;

/// 3001-01-19 03:14:08 UTC: MySQL converts no later instants.
const LAST_SECOND: i64 = 32_536_771_199;
/// Before 1973 clocks changed at odd seconds; since then on whole quarters of an hour.
const QUARTERS_FROM_US: i64 = 94_694_400_000_000;
const QUARTER_US: i64 = 900_000_000;

/// Zones by their lower-case name.
static NAMES: LazyLock<HashMap<String, Tz>> = LazyLock::new(|| {
    chrono_tz::TZ_VARIANTS
        .iter()
        .map(|tz| (tz.name().to_ascii_lowercase(), *tz))
        .collect()
});

/// A time zone that MySQL can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Microseconds east of Greenwich.
    Fixed(i64),
    Named(Tz),
}

impl Zone {
    pub(crate) const UTC: Self = Self::Fixed(0);

    /// `SYSTEM` (which is UTC here), `+HH:MM` from -13:59 to +14:00, or an IANA name in any case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (sign, digits) = match name.as_bytes() {
            [b'+', digits @ ..] => (1, digits),
            [b'-', digits @ ..] => (-1, digits),
            _ if name.eq_ignore_ascii_case("SYSTEM") => return Some(Self::UTC),
            _ => {
                return NAMES
                    .get(&name.to_ascii_lowercase())
                    .copied()
                    .map(Self::Named);
            }
        };
        let digits = std::str::from_utf8(digits).ok()?;
        let (hours, minutes) = digits.split_once(':')?;
        let number = |text: &str| {
            let plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            if plain {
                i64::from_str(text).ok()
            } else {
                None
            }
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let total = sign * (hours * 60 + minutes);
        let valid = (0..60).contains(&minutes) && (-839..=840).contains(&total);
        valid.then_some(Self::Fixed(total * 60_000_000))
    }

    /// The session's zone.
    pub(crate) fn session(name: Option<&str>) -> Result<Self> {
        let Some(name) = name else {
            return Ok(Self::UTC);
        };
        Self::parse(name).ok_or_else(|| {
            let message = format!("Unknown or incorrect time zone: '{name}'");
            raise(crate::error::SqlError::new(1298, "HY000", message))
        })
    }

    fn naive(micros: i64) -> Option<NaiveDateTime> {
        DateTime::from_timestamp_micros(micros).map(|instant| instant.naive_utc())
    }

    /// Microseconds to add to UTC at that instant.
    fn offset_at(self, utc: i64) -> Option<i64> {
        match self {
            Self::Fixed(offset) => Some(offset),
            Self::Named(tz) => {
                let offset = tz.offset_from_utc_datetime(&Self::naive(utc)?).fix();
                Some(i64::from(offset.local_minus_utc()) * 1_000_000)
            }
        }
    }

    /// UTC to the zone's wall clock.
    pub(crate) fn to_local(self, utc: i64) -> Option<i64> {
        utc.checked_add(self.offset_at(utc)?)
    }

    /// The zone's wall clock to UTC. A time that occurs twice is the earlier one; a time that a clock
    /// change skips is the instant of the change.
    pub(crate) fn to_utc(self, local: i64) -> Option<i64> {
        let Self::Named(tz) = self else {
            return local.checked_sub(self.offset_at(local)?);
        };
        let naive = Self::naive(local)?;
        match tz.offset_from_local_datetime(&naive).earliest() {
            Some(offset) => Some(local - i64::from(offset.fix().local_minus_utc()) * 1_000_000),
            None => Self::gap_end(tz, naive),
        }
    }

    fn gap_end(tz: Tz, naive: NaiveDateTime) -> Option<i64> {
        // Clocks skip at most a day, in whole minutes; bisect between a valid time on either side.
        let day = TimeDelta::days(1);
        let valid = |at: NaiveDateTime| tz.offset_from_local_datetime(&at).earliest();
        let (mut before, mut after) = (naive - day, naive + day);
        while after - before > TimeDelta::seconds(1) {
            let middle = before + (after - before) / 2;
            let middle = if middle > naive && valid(middle).is_some() {
                after = middle;
                continue;
            } else {
                middle
            };
            before = middle;
        }
        let after = DateTime::from_timestamp(after.and_utc().timestamp(), 0)?.naive_utc();
        let offset = valid(after)?.fix().local_minus_utc();
        Some((after.and_utc().timestamp() - i64::from(offset)) * 1_000_000)
    }
}

/// Keeps the last quarter of an hour's offset: neighbouring rows are close in time.
pub(crate) struct LocalClock {
    zone: Zone,
    last: Option<(i64, i64)>,
}

impl LocalClock {
    pub(crate) fn new(zone: Zone) -> Self {
        Self { zone, last: None }
    }

    #[allow(clippy::wrong_self_convention)] // keeps the last offset for the next row
    pub(crate) fn to_local(&mut self, utc: i64) -> Option<i64> {
        if let Zone::Fixed(offset) = self.zone {
            return utc.checked_add(offset);
        }
        if utc < QUARTERS_FROM_US {
            return self.zone.to_local(utc);
        }
        let quarter = utc / QUARTER_US;
        match self.last {
            Some((seen, offset)) if seen == quarter => Some(utc + offset),
            _ => {
                let offset = self.zone.offset_at(utc)?;
                self.last = Some((quarter, offset));
                Some(utc + offset)
            }
        }
    }
}

fn convertible(utc: i64) -> bool {
    (0..=LAST_SECOND).contains(&utc.div_euclid(1_000_000))
}

/// Reads the zone arguments once when they are literals.
fn zones(call: &Call<'_>, index: usize) -> Result<impl Fn(usize) -> Option<Zone>> {
    let names = call.text(index)?;
    let literal = names
        .is_scalar()
        .then(|| names.get(0).and_then(Zone::parse));
    Ok(move |row: usize| match literal {
        Some(zone) => zone,
        None => names.get(row).and_then(Zone::parse),
    })
}

fn convert_tz(call: &Call<'_>) -> Result<ArrayRef> {
    let datetime = call.datetime(0)?;
    let (from, to) = (zones(call, 1)?, zones(call, 2)?);
    let mut clock = LocalClock::new(Zone::UTC);
    Ok(Arc::new(call.collect::<TimestampMicrosecondType>(|row| {
        let local = datetime.get(row)?;
        let (from, to) = (from(row)?, to(row)?);
        if clock.zone != to {
            clock = LocalClock::new(to);
        }
        let utc = from.to_utc(local)?;
        // The first second of 1970 too is outside MySQL's range here.
        if convertible(utc) && utc >= 1_000_000 {
            clock.to_local(utc)
        } else {
            Some(local)
        }
    })))
}

fn convert_tz_type(shape: &Shape<'_>) -> Result<Declared> {
    Ok(Declared::temporal(DATETIME, shape.temporal_fsp(0)))
}

fn unix_timestamp_type(shape: &Shape<'_>) -> Result<Declared> {
    Ok(match shape.temporal_fsp(0).unwrap_or(0) {
        0 => DataType::Int64,
        scale => DataType::Decimal128(11 + scale, scale as i8),
    }
    .into())
}

fn unix_timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    if call.len() == 0 {
        return now::unix_seconds(call);
    }
    let zone = Zone::session(call.time_zone())?;
    let datetime = call.datetime(0)?;
    // Before 1970 and after 3001 the answer is 0.
    let utc = |local: i64| {
        zone.to_utc(local)
            .filter(|utc| convertible(*utc))
            .unwrap_or(0)
    };
    match call.return_type() {
        DataType::Decimal128(precision, scale) => {
            let divisor = 10_i64.pow(6 - u32::from(scale.unsigned_abs()));
            let array = call.collect::<Decimal128Type>(|row| {
                datetime
                    .get(row)
                    .map(|local| i128::from(utc(local) / divisor))
            });
            Ok(Arc::new(
                array.with_precision_and_scale(*precision, *scale)?,
            ))
        }
        _ => Ok(Arc::new(call.collect::<Int64Type>(|row| {
            datetime.get(row).map(|local| utc(local) / 1_000_000)
        }))),
    }
}

fn from_unixtime_type(shape: &Shape<'_>) -> Result<Declared> {
    if shape.len() == 2 {
        return text(shape);
    }
    Ok(Declared::temporal(DATETIME, Some(shape.seconds_fsp(0))))
}

fn from_unixtime(call: &Call<'_>) -> Result<ArrayRef> {
    let zone = Zone::session(call.time_zone())?;
    let seconds = call.decimal(0, 38, 6)?;
    let local = |row: usize, clock: &mut LocalClock| {
        let utc = i64::try_from(seconds.get(row)?).ok()?;
        if utc >= 0 && convertible(utc) {
            clock.to_local(utc)
        } else {
            None
        }
    };
    let mut clock = LocalClock::new(zone);
    if call.len() == 1 {
        return Ok(Arc::new(call.collect::<TimestampMicrosecondType>(|row| {
            local(row, &mut clock)
        })));
    }
    let values: Vec<Option<i64>> = (0..call.rows).map(|row| local(row, &mut clock)).collect();
    format::print(call, |row| values[row])
}

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("convert_tz", (3, 3), convert_tz_type, convert_tz),
    Definition::new(
        "unix_timestamp",
        (0, 1),
        unix_timestamp_type,
        unix_timestamp,
    )
    .stable()
    .simplified_by(now::simplify_unix_timestamp),
    Definition::new("from_unixtime", (1, 2), from_unixtime_type, from_unixtime).stable(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::datetime::literal::datetime;

    #[test]
    fn zones_have_names_and_offsets() {
        assert_eq!(Zone::parse("+05:30"), Some(Zone::Fixed(19_800_000_000)));
        assert_eq!(Zone::parse("-00:00"), Some(Zone::UTC));
        assert_eq!(Zone::parse("+14:01"), None);
        assert_eq!(Zone::parse("5:30"), None);
        assert_eq!(
            Zone::parse("europe/berlin"),
            Some(Zone::Named(Tz::Europe__Berlin))
        );
        assert_eq!(Zone::parse("Nope/Zone"), None);
    }

    #[test]
    fn skipped_times_are_the_instant_of_the_change() {
        let berlin = Zone::Named(Tz::Europe__Berlin);
        let utc = |text: &str| berlin.to_utc(datetime(text).unwrap());
        let change = datetime("2024-03-31 01:00:00");
        assert_eq!(utc("2024-03-31 02:00:00"), change);
        assert_eq!(utc("2024-03-31 02:30:00"), change);
        assert_eq!(utc("2024-03-31 02:59:59"), change);
        assert_eq!(utc("2024-03-31 03:00:00"), change);
        assert_eq!(utc("2024-03-31 01:59:59"), datetime("2024-03-31 00:59:59"));
        assert_eq!(utc("2024-10-27 02:30:00"), datetime("2024-10-27 00:30:00"));
    }
}
