//! Retention: the rows below a bound of a column, found by the zones as far as they tell, so that most of
//! what is old is never read. When that is due is known to the caller, or to `Retention` (engine/retention).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use roaring::RoaringBitmap;

use crate::commit::{Delete, IfGone, OnDuplicate, WriteBatch};
use crate::format::FileId;
use crate::segment::{BLOCK_ROWS, Bounds, ColumnCursor, Zone};
use crate::version::LiveSegment;
use crate::{Error, Result, RowSelection, Store, SyncMode, TableSnapshot};

/// What a zone tells of the rows below a bound.
enum Share {
    None,
    All,
    Unknown,
}

fn share(zone: &Zone, bound: i64) -> Share {
    match zone.bounds {
        Bounds::Int(_, max) if max < bound.into() && zone.nulls == 0 => Share::All,
        Bounds::Int(min, _) if min >= bound.into() => Share::None,
        _ if zone.has_no_values() => Share::None,
        _ => Share::Unknown,
    }
}

/// What is below a bound.
#[derive(Debug)]
pub(crate) struct Expired {
    /// Segments that have no other rows, but for deleted ones.
    pub(crate) segments: Vec<FileId>,
    /// Of the others, the rows.
    pub(crate) rows: RowSelection,
    /// Why some segments could not be looked at.
    pub(crate) unreadable: Vec<Error>,
}

impl Expired {
    /// Has the rows of the segments chosen row by row.
    pub(crate) fn put_back(&mut self, chosen: impl Fn(FileId) -> bool) {
        let table = Arc::clone(&self.rows.snapshot.table);
        for (segment, rows) in table.segments.iter().zip(&mut self.rows.rows) {
            let file = segment.record.file;
            if self.segments.contains(&file) && chosen(file) {
                rows.insert_range(0..segment.record.rows as u32);
                *rows -= &*segment.deleted;
            }
        }
        self.segments.retain(|&file| !chosen(file));
    }
}

impl Store {
    /// Deletes the rows of a table whose `column` (a position: integers, dates in days, moments in
    /// microseconds) is below `bound`; how many. NULLs stay. The space is given back by the rewrites that
    /// follow.
    pub fn expire(&self, schema: &str, table: &str, column: usize, bound: i64) -> Result<u64> {
        let found = self.snapshot().table(schema, table);
        let found = found.ok_or_else(|| Error::UnknownTable(schema.into(), table.into()))?;
        let rows = found.rows_below(column, bound)?;
        if rows.is_empty() {
            return Ok(0);
        }
        let done = self.commit(WriteBatch {
            inserts: Vec::new(),
            deletes: vec![Delete {
                rows,
                if_gone: IfGone::Ignore,
            }],
            arrivals: Vec::new(),
            on_duplicate: OnDuplicate::Fail,
            sync: SyncMode::Durable,
        })?;
        Ok(done.rows_deleted)
    }
}

impl TableSnapshot {
    /// The rows whose `column` is below `bound`. Reads only blocks that have rows on both sides.
    pub fn rows_below(&self, column: usize, bound: i64) -> Result<RowSelection> {
        let mut found = self.expired(column, bound)?;
        match found.unreadable.pop() {
            Some(error) => Err(error),
            None => {
                found.put_back(|_| true);
                Ok(found.rows)
            }
        }
    }

    /// The same, whole segments apart. Segments that cannot be read are left out.
    pub(crate) fn expired(&self, column: usize, bound: i64) -> Result<Expired> {
        let fields = self.meta().arrow.fields();
        let data_type = fields.get(column).map(|f| f.data_type());
        let fits = data_type.is_some_and(|t| {
            t.is_integer() || matches!(t, DataType::Date32 | DataType::Timestamp(..))
        });
        if !fits {
            return Err(Error::Invalid(
                "a bound of a column that is not counted".into(),
            ));
        }
        let (mut segments, mut unreadable) = (Vec::new(), Vec::new());
        let mut selection = self.selection();
        let mut homes = selection.rows.iter_mut();
        for (segment, rows) in self.table.segments.iter().zip(&mut homes) {
            if let Err(error) = self.segment_below(segment, (column, bound), rows) {
                unreadable.push(error);
                rows.clear();
                continue;
            }
            *rows |= &*segment.deleted;
            if rows.len() == segment.record.rows {
                segments.push(segment.record.file);
                rows.clear();
            }
            *rows -= &*segment.deleted;
        }
        for (memtable, rows) in self.table.memtables().zip(homes) {
            let mut first = 0;
            for chunk in memtable.chunks() {
                if let Some(values) = chunk.columns().get(column) {
                    add_below(rows, first, values, bound)?;
                }
                first += chunk.num_rows();
            }
            *rows -= &**memtable.deleted();
        }
        Ok(Expired {
            segments,
            rows: selection,
            unreadable,
        })
    }

    fn segment_below(
        &self,
        segment: &LiveSegment,
        (column, bound): (usize, i64),
        rows: &mut RoaringBitmap,
    ) -> Result<()> {
        let length = segment.record.rows as usize;
        match segment.zone(column)?.map(|zone| share(&zone, bound)) {
            Some(Share::None) => return Ok(()),
            Some(Share::All) => {
                rows.insert_range(0..length as u32);
                return Ok(());
            }
            _ => {}
        }
        let mut cursor = ColumnCursor::default();
        for block in 0..segment.reader()?.blocks() {
            let first = block * BLOCK_ROWS;
            match share(&segment.block_zone(column, block)?, bound) {
                Share::None => {}
                Share::All => {
                    rows.insert_range(first as u32..length.min(first + BLOCK_ROWS) as u32);
                }
                Share::Unknown => {
                    let values = segment.read(column, block, &self.cache, &mut cursor)?;
                    add_below(rows, first, &values, bound)?;
                }
            }
        }
        Ok(())
    }
}

/// Adds those of the rows from number `first` on whose value is below the bound.
fn add_below(rows: &mut RoaringBitmap, first: usize, values: &ArrayRef, bound: i64) -> Result<()> {
    let invalid = |e: arrow::error::ArrowError| Error::Invalid(e.to_string());
    let days = matches!(values.data_type(), DataType::Date32);
    let values = match days {
        true => cast(values, &DataType::Int32).map_err(invalid)?,
        false => values.clone(),
    };
    // A number too large for this type becomes NULL, and stays.
    let values = cast(&values, &DataType::Int64).map_err(invalid)?;
    let values = values.as_primitive::<Int64Type>();
    let below = |row: &usize| values.is_valid(*row) && values.value(*row) < bound;
    rows.extend(
        (0..values.len())
            .filter(below)
            .map(|row| (first + row) as u32),
    );
    Ok(())
}
