//! The clock: NOW() and its relatives, one instant for the whole statement, in the session's zone.
//!
//! They become literals when the plan is simplified, from the time at which the query started. Only
//! SYSDATE() reads the clock when it runs.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, DurationMicrosecondArray, Int64Array, TimestampMicrosecondArray,
};
use chrono::{DateTime, Utc};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};

use super::arithmetic::{DATETIME, TIME};
use super::calendar::{DAY_US, split};
use super::parts::date;
use super::zone::Zone;
use crate::functions::argument::Call;
use crate::functions::builtin::{Declared, Definition, FSP_KEY, Shape};
use crate::functions::failure::wrong_arguments;

/// What a clock function shows of the instant.
#[derive(Clone, Copy)]
enum Face {
    DateTime,
    Date,
    Time,
    UnixSeconds,
}

fn fsp_of(fsp: i64) -> Result<u8> {
    u8::try_from(fsp)
        .ok()
        .filter(|fsp| *fsp <= 6)
        .ok_or_else(|| wrong_arguments("fsp"))
}

fn cut(micros: i64, fsp: u8) -> i64 {
    let grain = 10_i64.pow(6 - u32::from(fsp));
    micros.div_euclid(grain) * grain
}

fn literal(face: Face, local: i64, fsp: u8) -> ScalarValue {
    let micros = cut(local, fsp);
    match face {
        Face::DateTime => ScalarValue::TimestampMicrosecond(Some(micros), None),
        Face::Date => ScalarValue::Date32(Some(split(micros).0)),
        Face::Time => ScalarValue::DurationMicrosecond(Some(micros.rem_euclid(DAY_US))),
        Face::UnixSeconds => ScalarValue::Int64(Some(micros.div_euclid(1_000_000))),
    }
}

fn local_instant(instant: DateTime<Utc>, zone: Option<&str>, utc: bool) -> Result<i64> {
    let micros = instant.timestamp_micros();
    if utc {
        return Ok(micros);
    }
    Ok(Zone::session(zone)?.to_local(micros).unwrap_or(micros))
}

fn simplify(
    args: Vec<Expr>,
    info: &SimplifyContext,
    face: Face,
    utc: bool,
) -> Result<ExprSimplifyResult> {
    let Some(instant) = info.query_execution_start_time() else {
        return Ok(ExprSimplifyResult::Original(args));
    };
    let fsp = match args.first() {
        None => 0,
        Some(Expr::Literal(ScalarValue::Int64(Some(fsp)), _)) => fsp_of(*fsp)?,
        Some(_) => return Err(wrong_arguments("fsp")),
    };
    let zone = info.config_options().execution.time_zone.as_deref();
    let value = literal(face, local_instant(instant, zone, utc)?, fsp);
    let metadata = match face {
        Face::DateTime | Face::Time => Some(FieldMetadata::from(std::collections::BTreeMap::from(
            [(FSP_KEY.to_owned(), fsp.to_string())],
        ))),
        Face::Date | Face::UnixSeconds => None,
    };
    Ok(ExprSimplifyResult::Simplified(Expr::Literal(
        value, metadata,
    )))
}

/// Without an optimiser, and for SYSDATE(): the clock now.
fn read_clock(call: &Call<'_>, face: Face, utc: bool) -> Result<ArrayRef> {
    let fsp = if call.len() == 0 {
        0
    } else {
        fsp_of(call.int(0)?.get(0).unwrap_or(0))?
    };
    let local = local_instant(Utc::now(), call.time_zone(), utc)?;
    let micros = cut(local, fsp);
    let rows = call.rows;
    Ok(match face {
        Face::DateTime => Arc::new(TimestampMicrosecondArray::from(vec![micros; rows])),
        Face::Date => Arc::new(Date32Array::from(vec![split(micros).0; rows])),
        Face::Time => Arc::new(DurationMicrosecondArray::from(vec![
            micros
                .rem_euclid(DAY_US);
            rows
        ])),
        Face::UnixSeconds => Arc::new(Int64Array::from(vec![micros.div_euclid(1_000_000); rows])),
    })
}

fn fsp_argument(shape: &Shape<'_>) -> Result<Option<u8>> {
    match shape.len() {
        0 => Ok(Some(0)),
        _ => shape.literal_int(0).map(fsp_of).transpose(),
    }
}

/// Midnight of the current day in the session's zone, for a TIME that is used as a DATETIME.
pub(crate) fn today_us(zone: Option<&str>) -> Result<i64> {
    let local = local_instant(Utc::now(), zone, false)?;
    Ok(local - local.rem_euclid(DAY_US))
}

fn datetime(shape: &Shape<'_>) -> Result<Declared> {
    Ok(Declared::temporal(DATETIME, fsp_argument(shape)?))
}

fn time(shape: &Shape<'_>) -> Result<Declared> {
    Ok(Declared::temporal(TIME, fsp_argument(shape)?))
}

const NOW: Definition = Definition::new("now", (0, 1), datetime, |call| {
    read_clock(call, Face::DateTime, false)
})
.stable()
.simplified_by(|args, info| simplify(args, info, Face::DateTime, false));

const CURDATE: Definition = Definition::new("curdate", (0, 0), date, |call| {
    read_clock(call, Face::Date, false)
})
.stable()
.simplified_by(|args, info| simplify(args, info, Face::Date, false));

const CURTIME: Definition = Definition::new("curtime", (0, 1), time, |call| {
    read_clock(call, Face::Time, false)
})
.stable()
.simplified_by(|args, info| simplify(args, info, Face::Time, false));

pub(crate) const FUNCTIONS: &[Definition] = &[
    NOW,
    NOW.named("current_timestamp"),
    NOW.named("localtime"),
    NOW.named("localtimestamp"),
    CURDATE,
    CURDATE.named("current_date"),
    CURTIME,
    CURTIME.named("current_time"),
    Definition::new("utc_timestamp", (0, 1), datetime, |c| {
        read_clock(c, Face::DateTime, true)
    })
    .stable()
    .simplified_by(|args, info| simplify(args, info, Face::DateTime, true)),
    Definition::new("utc_date", (0, 0), date, |call| {
        read_clock(call, Face::Date, true)
    })
    .stable()
    .simplified_by(|args, info| simplify(args, info, Face::Date, true)),
    Definition::new("utc_time", (0, 1), time, |call| {
        read_clock(call, Face::Time, true)
    })
    .stable()
    .simplified_by(|args, info| simplify(args, info, Face::Time, true)),
    Definition::new("sysdate", (0, 1), datetime, |c| {
        read_clock(c, Face::DateTime, false)
    })
    .volatile(),
];

/// UNIX_TIMESTAMP() when no optimiser has made it a literal.
pub(crate) fn unix_seconds(call: &Call<'_>) -> Result<ArrayRef> {
    read_clock(call, Face::UnixSeconds, true)
}

/// UNIX_TIMESTAMP() as a literal.
pub(crate) fn simplify_unix_timestamp(
    args: Vec<Expr>,
    info: &SimplifyContext,
) -> Result<ExprSimplifyResult> {
    if args.is_empty() {
        return simplify(args, info, Face::UnixSeconds, true);
    }
    Ok(ExprSimplifyResult::Original(args))
}
