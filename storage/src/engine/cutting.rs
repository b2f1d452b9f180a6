//! Among which segments some sorted rows are spread: by shard, and by period or in the order of the sort
//! key where there are too many for one. It decides; `segments` writes.

use std::ops::Range;

use arrow::array::{Array, AsArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};

use super::segments::{RowSource, whole_column};
use crate::placement::{Placement, period_column, shards_of};
use crate::{Error, Options, Result, TableMeta};

/// Decoded bytes of a full segment. Bounds blocks, and the memory of a later merge.
pub(super) const SEGMENT_RAW_BYTES_MAX: u64 = 1 << 30;

/// Rows are parted into shards once they come to this part of a full segment for each,
const SHARD_FRACTION: u64 = 16;
/// or to this part of one: what a merge gathers is as much, however many shards there are.
const LOT_FRACTION: u64 = 2;

/// Periods end at midnight, so that retention by day drops whole segments.
const DAY_MICROS: i64 = 86_400_000_000;

/// The rows of one segment, in order.
pub(super) type Output = (Placement, UInt32Array);

/// Among how many segments of about equal size some rows are spread, so that none is longer than five
/// quarters of a full one. `rows_full` is the length of a full one.
pub(super) fn fills_segments(rows: u64, raw_bytes: u64, rows_full: u64) -> u64 {
    let parts = |size: u64, full: u64| size.div_ceil((full + full / 4).max(1));
    let parts = parts(rows, rows_full).max(parts(raw_bytes, SEGMENT_RAW_BYTES_MAX));
    parts.max(1)
}

/// Spreads the rows of a source, given in order, among segments in which they stay so.
pub(super) fn cut(
    options: &Options,
    meta: &TableMeta,
    source: &dyn RowSource,
    order: Vec<u32>,
) -> Result<Vec<Output>> {
    let sizes = row_bytes(meta, source)?;
    let rows_full = options.segment_rows_of(&meta.spec);
    let mut outputs = Vec::new();
    for (placement, rows) in parted(options, meta, source, order)? {
        let parts = sizes.parts(&rows, rows_full);
        let periods = match period_column(&meta.spec) {
            Some(column) if parts > 1 => by_period(source, column, (&rows, parts))?,
            _ => None,
        };
        for rows in periods.unwrap_or_else(|| vec![rows]) {
            let rows = UInt32Array::from(rows);
            let cuts = sizes.cuts(rows.values(), rows_full).into_iter();
            outputs.extend(cuts.map(|cut| (placement, rows.slice(cut.start, cut.len()))));
        }
    }
    Ok(outputs)
}

/// Parts sorted rows by shard if there are enough of them.
fn parted(
    options: &Options,
    meta: &TableMeta,
    source: &dyn RowSource,
    order: Vec<u32>,
) -> Result<Vec<(Placement, Vec<u32>)>> {
    let (shards, full) = (
        options.shards_of(&meta.spec),
        options.segment_rows_of(&meta.spec),
    );
    let rows_min = (full / SHARD_FRACTION).max(1) * u64::from(shards);
    let rows_min = rows_min.min((full / LOT_FRACTION).max(1)) as usize;
    let leading = meta.spec.shard_key.first();
    let leading = leading.filter(|_| shards > 1 && order.len() >= rows_min);
    let (Placement::Mixed, Some(&leading)) = (source.placement(), leading) else {
        return Ok(vec![(source.placement(), order)]);
    };
    let places = shards_of(&whole_column(source, leading)?, shards);
    let mut by_shard = vec![Vec::new(); shards as usize];
    for row in order {
        let shard = places.get(row as usize).copied().unwrap_or(0);
        if let Some(rows) = by_shard.get_mut(shard as usize) {
            rows.push(row);
        }
    }
    let place = |(shard, rows): (u32, Vec<u32>)| (Placement::Shard { shard, shards }, rows);
    let filled = (0..).zip(by_shard).filter(|(_, rows)| !rows.is_empty());
    Ok(filled.map(place).collect())
}

/// Parts rows into so many periods of whole days, if each gets at least half its even share.
fn by_period(
    source: &dyn RowSource,
    column: usize,
    (rows, parts): (&[u32], u64),
) -> Result<Option<Vec<Vec<u32>>>> {
    let whole = whole_column(source, column)?;
    let day = match whole.data_type() {
        DataType::Timestamp(..) => DAY_MICROS,
        _ => 1,
    };
    let whole = cast(&whole, &DataType::Int64).map_err(|e| Error::Invalid(e.to_string()))?;
    let whole = whole.as_primitive::<Int64Type>();
    let day_of = |&row: &u32| {
        let row = row as usize;
        let known = row < whole.len() && whole.is_valid(row);
        known.then(|| whole.value(row).div_euclid(day))
    };
    let mut days: Vec<Option<i64>> = rows.iter().map(day_of).collect();
    let mut sorted = days.clone();
    sorted.sort_unstable();
    let border = |part: u64| {
        sorted
            .get((rows.len() as u64 * part / parts) as usize)
            .copied()
    };
    let borders: Vec<Option<i64>> = (1..parts).filter_map(border).collect();
    let mut periods = vec![Vec::new(); borders.len() + 1];
    for (&row, day) in rows.iter().zip(days.drain(..)) {
        let period = borders.partition_point(|border| *border <= day);
        if let Some(period) = periods.get_mut(period) {
            period.push(row);
        }
    }
    let share = rows.len() / periods.len() / 2;
    let large = periods
        .iter()
        .all(|rows: &Vec<u32>| rows.len() >= share.max(1));
    Ok(large.then_some(periods))
}

/// How many bytes rows take when decoded.
enum Sizes {
    /// All about as many.
    Even(u64),
    /// Row by row.
    Each(Vec<u64>),
}

/// About how many bytes each row takes. Looked at closely only where there may be too many.
fn row_bytes(meta: &TableMeta, source: &dyn RowSource) -> Result<Sizes> {
    if source.raw_bytes() <= SEGMENT_RAW_BYTES_MAX {
        return Ok(Sizes::Even(
            source.raw_bytes() / (source.rows() as u64).max(1),
        ));
    }
    let fixed = 8 * meta.spec.columns.len() as u64;
    let mut sizes = vec![fixed; source.rows()];
    for (number, column) in meta.spec.columns.iter().enumerate() {
        if !matches!(column.data_type, DataType::Utf8View | DataType::BinaryView) {
            continue;
        }
        let mut rows = sizes.iter_mut();
        for part in source.column(number)? {
            let views = match part.data_type() {
                DataType::Utf8View => part.as_string_view().views().clone(),
                _ => part.as_binary_view().views().clone(),
            };
            // The low 32 bits of a view are the length of its string.
            let lengths = views.iter().map(|&view| u64::from(view as u32));
            rows.by_ref()
                .zip(lengths)
                .for_each(|(size, length)| *size += 16 + length);
        }
    }
    Ok(Sizes::Each(sizes))
}

impl Sizes {
    fn of(&self, row: u32) -> u64 {
        match self {
            Self::Even(size) => *size,
            Self::Each(sizes) => sizes.get(row as usize).copied().unwrap_or(0),
        }
    }

    fn parts(&self, rows: &[u32], rows_full: u64) -> u64 {
        let bytes = rows.iter().map(|&row| self.of(row)).sum();
        fills_segments(rows.len() as u64, bytes, rows_full)
    }

    /// Where to cut sorted rows so that no segment has too many rows or bytes, and all of them about as
    /// many rows.
    fn cuts(&self, rows: &[u32], rows_full: u64) -> Vec<Range<usize>> {
        let parts = self.parts(rows, rows_full) as usize;
        let rows_max = rows.len().div_ceil(parts);
        let bytes_max = SEGMENT_RAW_BYTES_MAX + SEGMENT_RAW_BYTES_MAX / 4;
        let (mut cuts, mut start, mut bytes) = (Vec::new(), 0, 0);
        for (at, &row) in rows.iter().enumerate() {
            let size = self.of(row);
            let full = at - start >= rows_max || bytes + size > bytes_max;
            if full && at > start {
                cuts.push(start..at);
                (start, bytes) = (at, 0);
            }
            bytes += size;
        }
        if start < rows.len() {
            cuts.push(start..rows.len());
        }
        cuts
    }
}
