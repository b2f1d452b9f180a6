//! The order of new rows that have equal sort keys. A table sorted by site and minute has many of them, and
//! in the order of arrival those of different visitors alternate. Brought together by visitor, they share
//! most columns with the row before: runs are longer, and there are fewer of them. Which column does this is
//! found in a sample; merges keep the order they find.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use xxhash_rust::xxh3::xxh3_64;

use super::segments::{RowSource, whole_column};
use crate::column_type::{FixedType, IntegerType, with_integer_type};
use crate::sort::Sorted;
use crate::{Result, TableMeta};

/// Stretches of rows that are looked at, and the rows of each.
const WINDOWS: usize = 8;
const WINDOW_ROWS: usize = 1024;

/// Fewer rows are not worth it.
const ROWS_MIN: usize = WINDOWS * WINDOW_ROWS;

/// A column must have one value in so many rows at least to tell what belongs together.
const ROWS_OF_A_VALUE: usize = 8;
/// And save one change from row to row in so many rows.
const ROWS_OF_A_CHANGE: usize = 32;

/// Brings rows with equal keys together by the column that makes neighbours most alike, if there is one.
pub(super) fn cluster(meta: &TableMeta, source: &dyn RowSource, sorted: &mut Sorted) -> Result<()> {
    let (rows, groups) = (sorted.order.len(), sorted.ends.len());
    if rows < ROWS_MIN || groups > rows - rows / ROWS_OF_A_CHANGE {
        return Ok(());
    }
    let sample = Sample::of(sorted);
    if let Some(column) = sample.choose(meta, source)? {
        let whole = whole_column(source, column)?;
        sorted.sort_groups(|row| number_of(&whole, row as usize));
    }
    Ok(())
}

/// Whether a column may be one that tells what belongs together: an identifier.
fn is_candidate(data_type: &DataType) -> bool {
    with_integer_type!(data_type, T => T::WIDTH >= 4 && data_type.is_integer(), else false)
}

/// A number such that equal values have equal ones; 0 for NULL and what cannot be compared.
fn number_of(column: &ArrayRef, row: usize) -> u64 {
    if row >= column.len() || column.is_null(row) {
        return 0;
    }
    match column.data_type() {
        DataType::Utf8View => xxh3_64(column.as_string_view().value(row).as_bytes()),
        other => with_integer_type!(other, T => {
            T::widen(column.as_primitive::<T>().value(row))
        }, else 0),
    }
}

/// Some stretches of sorted rows, by their positions in the sample.
struct Sample {
    /// The rows in their order of now.
    rows: Vec<u32>,
    sorted: Sorted,
}

impl Sample {
    fn of(sorted: &Sorted) -> Self {
        let mut sample = Self {
            rows: Vec::new(),
            sorted: Sorted::default(),
        };
        for window in 0..WINDOWS {
            let from = (sorted.order.len() / WINDOWS * window) as u32;
            let first = sorted.ends.partition_point(|&end| end <= from);
            let start = first.checked_sub(1).and_then(|at| sorted.ends.get(at));
            let mut start = start.copied().unwrap_or(0);
            let limit = sample.rows.len() + WINDOW_ROWS;
            for &end in sorted.ends.get(first..).unwrap_or_default() {
                let group = sorted.order.get(start as usize..end as usize);
                sample.rows.extend_from_slice(group.unwrap_or_default());
                sample.sorted.ends.push(sample.rows.len() as u32);
                start = end;
                if sample.rows.len() >= limit {
                    break;
                }
            }
        }
        sample.sorted.order = (0..sample.rows.len() as u32).collect();
        sample
    }

    /// The sample in the order that a column would bring it into.
    fn ordered_by(&self, numbers: &[u64]) -> Sorted {
        let mut sorted = Sorted {
            order: self.sorted.order.clone(),
            ends: self.sorted.ends.clone(),
        };
        sorted.sort_groups(|row| numbers.get(row as usize).copied().unwrap_or(0));
        sorted
    }

    fn choose(&self, meta: &TableMeta, source: &dyn RowSource) -> Result<Option<usize>> {
        let rows = self.rows.len();
        let columns = meta.spec.columns.iter().enumerate();
        let candidates = columns.filter(|(number, column)| {
            is_candidate(&column.data_type) && !meta.spec.sort_key.contains(number)
        });
        let mut best: Option<(usize, usize, Sorted)> = None;
        for (number, _) in candidates {
            let numbers = self.numbers(source, number)?;
            let distinct = numbers.iter().collect::<HashSet<_>>().len();
            let sorted = self.ordered_by(&numbers);
            let saved = changes(&numbers, &self.sorted).saturating_sub(changes(&numbers, &sorted));
            let tells = distinct * ROWS_OF_A_VALUE >= rows && saved * ROWS_OF_A_CHANGE >= rows;
            if tells && best.as_ref().is_none_or(|(most, ..)| distinct > *most) {
                best = Some((distinct, number, sorted));
            }
        }
        let Some((_, column, sorted)) = best else {
            return Ok(None);
        };
        // It must not pull apart what belongs together in all other columns.
        let (mut before, mut after) = (0, 0);
        for number in 0..meta.spec.columns.len() {
            let numbers = self.numbers(source, number)?;
            before += changes(&numbers, &self.sorted);
            after += changes(&numbers, &sorted);
        }
        Ok((after < before).then_some(column))
    }

    /// A column of the sample; zeros where it cannot be compared.
    fn numbers(&self, source: &dyn RowSource, column: usize) -> Result<Vec<u64>> {
        let parts = source.column(column)?;
        let mut end = 0;
        let ends = parts.iter().map(|part| {
            end += part.len();
            end
        });
        let ends: Vec<usize> = ends.collect();
        let mut numbers = vec![0; self.rows.len()];
        for (number, &row) in numbers.iter_mut().zip(&self.rows) {
            let row = row as usize;
            let at = ends.partition_point(|&end| end <= row);
            let start = at.checked_sub(1).and_then(|at| ends.get(at)).copied();
            if let Some(part) = parts.get(at) {
                *number = number_of(part, row - start.unwrap_or(0));
            }
        }
        Ok(numbers)
    }
}

/// How many rows differ from the row before.
fn changes(numbers: &[u64], sorted: &Sorted) -> usize {
    let value = |&row: &u32| numbers.get(row as usize);
    let rows = sorted.order.iter().map(value);
    rows.clone()
        .zip(rows.skip(1))
        .filter(|(a, b)| a != b)
        .count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{StringViewArray, UInt32Array, UInt64Array};
    use roaring::RoaringBitmap;

    use super::*;
    use crate::placement::Placement;
    use crate::sort::sorted_rows;
    use crate::{ColumnSpec, TableId, TableSpec};

    const ROWS: usize = 20_000;

    struct Columns(Vec<ArrayRef>);

    impl RowSource for Columns {
        fn rows(&self) -> usize {
            ROWS
        }
        fn raw_bytes(&self) -> u64 {
            0
        }
        fn column(&self, column: usize) -> Result<Vec<ArrayRef>> {
            Ok(vec![Arc::clone(&self.0[column])])
        }
        fn deleted(&self) -> RoaringBitmap {
            RoaringBitmap::new()
        }
        fn placement(&self) -> Placement {
            Placement::Mixed
        }
    }

    /// Minutes of a hundred rows; visitors take turns. `page` tells what depends on what.
    fn visits(page: impl Fn(usize, u64) -> u64) -> (TableMeta, Columns) {
        let visitor = |row: usize| {
            let minute = (row / 100) as u64;
            minute * 1000 + (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) % 37
        };
        let minutes = UInt32Array::from_iter_values((0..ROWS).map(|row| (row / 100) as u32));
        let visitors = UInt64Array::from_iter_values((0..ROWS).map(visitor));
        let pages = (0..ROWS).map(|row| format!("/page/{}", page(row, visitor(row))));
        let pages = StringViewArray::from_iter_values(pages);
        let columns: Vec<ArrayRef> = vec![Arc::new(minutes), Arc::new(visitors), Arc::new(pages)];
        let spec = |column: &ArrayRef| ColumnSpec {
            name: String::new(),
            data_type: column.data_type().clone(),
            nullable: false,
            attributes: String::new(),
        };
        let spec = TableSpec {
            columns: columns.iter().map(spec).collect(),
            name: String::new(),
            sort_key: vec![0],
            shard_key: vec![0],
            unique_keys: Vec::new(),
            auto_increment: None,
            attributes: String::new(),
            event_key: None,
            retention: crate::schema::Retention::default(),
            division: crate::schema::Division::default(),
        };
        let meta = TableMeta {
            id: TableId(1),
            schema: String::new(),
            arrow: spec.arrow(),
            spec,
        };
        (meta, Columns(columns))
    }

    fn clustered(meta: &TableMeta, columns: &Columns) -> (Vec<u32>, Vec<u32>) {
        let key = [Arc::clone(&columns.0[0])];
        let mut sorted = sorted_rows(&key, ROWS).unwrap();
        let before = sorted.order.clone();
        cluster(meta, columns, &mut sorted).unwrap();
        (before, sorted.order)
    }

    #[test]
    fn rows_of_a_visitor_come_together_within_their_minute() {
        let (meta, columns) = visits(|_, visitor| visitor % 50);
        let (before, after) = clustered(&meta, &columns);
        let visitor = |&row: &u32| number_of(&columns.0[1], row as usize);
        let visitors: Vec<u64> = after.iter().map(visitor).collect();
        let minutes: Vec<u32> = after.iter().map(|row| row / 100).collect();
        assert!(minutes.is_sorted() && visitors.is_sorted());
        assert_ne!(before, after);
    }

    #[test]
    fn rows_stay_where_another_order_would_pull_them_apart() {
        // Ten rows in a row have the same page, whoever visits it.
        let (meta, mut columns) = visits(|row, _| (row / 10) as u64);
        let again = Arc::clone(&columns.0[2]);
        columns.0.push(again);
        let mut spec = meta.spec.clone();
        spec.columns.push(spec.columns[2].clone());
        let meta = TableMeta { spec, ..meta };
        let (before, after) = clustered(&meta, &columns);
        assert_eq!(before, after);
    }
}
