//! The shapes a table has had. ALTER TABLE rewrites nothing: segments and WAL records keep the shape they
//! were written in, and a conversion makes their columns look like those of the newest shape. A column
//! has an identity of its own, so one that is dropped and another that takes its name are not mixed up.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow::compute;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::column_type::{type_of_tag, type_tag};
use crate::format::{ByteReader, ByteWriter, FileId, Malformed};
use crate::rows::make_batch;
use crate::wal::{decode_batch, encode_batch};
use crate::{Error, Result, TableSpec};

/// Identifies a column of a table for as long as the table lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ColumnId(pub(crate) u32);

/// What the rows of a table look like from some point on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    /// Commits after this one have it.
    pub(crate) sequence: u64,
    /// Segments with a larger number have it.
    pub(crate) file: FileId,
    pub(crate) columns: Vec<(ColumnId, DataType)>,
}

/// All shapes, and what stands in for columns that older rows lack.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct History {
    /// Oldest first; the last is that of the table. Not empty.
    shapes: Vec<Shape>,
    /// Per column that was added: its type then, and a batch of one row, encoded.
    fills: BTreeMap<ColumnId, (DataType, Vec<u8>)>,
}

/// Whether every value of one type is the same value of the other.
pub(crate) fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Float32, Float64};
    use DataType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    match (from, to) {
        (a, b) if a == b => true,
        (Int8, Int16 | Int32 | Int64) | (Int16, Int32 | Int64) | (Int32, Int64) => true,
        (UInt8, UInt16 | UInt32 | UInt64 | Int16 | Int32 | Int64) => true,
        (UInt16, UInt32 | UInt64 | Int32 | Int64) | (UInt32, UInt64 | Int64) => true,
        (Float32, Float64) => true,
        (Decimal128(p, s), Decimal128(wider, same)) => wider >= p && s == same,
        _ => false,
    }
}

impl History {
    /// That of a new table.
    pub(crate) fn new(spec: &TableSpec) -> Self {
        let types = spec.columns.iter().map(|c| c.data_type.clone());
        let columns = (0..).map(ColumnId).zip(types).collect();
        let shape = Shape {
            sequence: 0,
            file: FileId(0),
            columns,
        };
        Self {
            shapes: vec![shape],
            fills: BTreeMap::new(),
        }
    }

    /// Whether the table has always looked like this.
    pub(crate) fn is_short(&self) -> bool {
        self.shapes.len() == 1
    }

    /// Number of the table's shape.
    pub(crate) fn current(&self) -> usize {
        self.shapes.len().saturating_sub(1)
    }

    fn shape(&self, number: usize) -> &[(ColumnId, DataType)] {
        self.shapes.get(number).map_or(&[], |s| &s.columns)
    }

    pub(crate) fn columns(&self) -> &[(ColumnId, DataType)] {
        self.shape(self.current())
    }

    /// Number of the shape of a commit.
    pub(crate) fn shape_of_commit(&self, sequence: u64) -> usize {
        let older = |s: &Shape| s.sequence < sequence;
        self.shapes.partition_point(older).saturating_sub(1)
    }

    /// Number of the shape of a segment.
    pub(crate) fn shape_of_file(&self, file: FileId) -> usize {
        let older = |s: &Shape| s.file < file;
        self.shapes.partition_point(older).saturating_sub(1)
    }

    /// Types of a shape, as a schema with columns that have no real name and may all be NULL: deleted
    /// rows can have a NULL where none is allowed since.
    pub(crate) fn schema(&self, number: usize) -> SchemaRef {
        let columns = self.shape(number).iter();
        let field = |(id, data_type): &(ColumnId, DataType)| {
            Field::new(format!("#{}", id.0), data_type.clone(), true)
        };
        Arc::new(Schema::new(columns.map(field).collect::<Vec<_>>()))
    }

    /// An identity that no column has had.
    pub(crate) fn next_column(&self) -> ColumnId {
        let all = self.shapes.iter().flat_map(|s| &s.columns);
        ColumnId(all.map(|(id, _)| id.0 + 1).max().unwrap_or(0))
    }

    /// This history, gone on with another shape and what fills its new columns.
    pub(crate) fn extended(&self, shape: Shape, fills: Vec<(ColumnId, ArrayRef)>) -> Result<Self> {
        let mut next = self.clone();
        next.shapes.push(shape);
        for (id, value) in fills {
            let data_type = value.data_type().clone();
            let batch = make_batch(&one_column(&data_type), vec![value], 1)?;
            next.fills.insert(id, (data_type, encode_batch(&batch)));
        }
        Ok(next)
    }

    /// How to make rows of a shape look like the table's; `None` when they do.
    pub(crate) fn conversion(&self, from: usize) -> Result<Option<Arc<Conversion>>> {
        let stored = self.shape(from);
        if stored == self.columns() {
            return Ok(None);
        }
        let sources = self.columns().iter().map(|(id, data_type)| {
            let at = stored.iter().position(|(other, _)| other == id);
            Ok(match (at, at.and_then(|at| stored.get(at))) {
                (Some(at), Some((_, old))) if old == data_type => Source::Stored(at),
                (Some(at), _) => Source::Widened(at, data_type.clone()),
                (None, _) => Source::Constant(self.fill(*id, data_type)?),
            })
        });
        Ok(Some(Arc::new(Conversion(sources.collect::<Result<_>>()?))))
    }

    /// The one value of a column that rows lack.
    fn fill(&self, id: ColumnId, data_type: &DataType) -> Result<ArrayRef> {
        let Some((old, body)) = self.fills.get(&id) else {
            return Ok(new_null_array(data_type, 1));
        };
        let batch = decode_batch(&one_column(old), body);
        let batch = batch.map_err(|e| Error::Invalid(e.0.into()))?;
        let value = batch.columns().first().filter(|c| c.len() == 1);
        let value = value.ok_or_else(|| Error::Invalid("a column has no one value".into()))?;
        widen(value, data_type)
    }

    /// The number up to which segments have older shapes.
    pub(crate) fn last_file(&self) -> FileId {
        self.shapes.last().map_or(FileId(0), |s| s.file)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_length(self.shapes.len());
        for shape in &self.shapes {
            out.put_u64(shape.sequence);
            out.put_u64(shape.file.0);
            out.put_length(shape.columns.len());
            for (id, data_type) in &shape.columns {
                out.put_u32(id.0);
                out.put(&type_tag(data_type).unwrap_or_default());
            }
        }
        out.put_length(self.fills.len());
        for (id, (data_type, body)) in &self.fills {
            out.put_u32(id.0);
            out.put(&type_tag(data_type).unwrap_or_default());
            out.put_length(body.len());
            out.put(body);
        }
    }

    pub(crate) fn decode(
        reader: &mut ByteReader<'_>,
        spec: &TableSpec,
    ) -> std::result::Result<Self, Malformed> {
        let mut shapes: Vec<Shape> = Vec::new();
        for _ in 0..reader.count(20)? {
            let (sequence, file) = (reader.u64()?, FileId(reader.u64()?));
            let count = reader.count(8)?;
            let column = |_| Ok((column_id(reader)?, type_of_tag(reader.array()?)?));
            let columns = (0..count)
                .map(column)
                .collect::<std::result::Result<_, _>>()?;
            shapes.push(Shape {
                sequence,
                file,
                columns,
            });
        }
        let mut fills = BTreeMap::new();
        for _ in 0..reader.count(12)? {
            let id = column_id(reader)?;
            let data_type = type_of_tag(reader.array()?)?;
            let length = reader.length()?;
            fills.insert(id, (data_type, reader.bytes(length)?.to_vec()));
        }
        let history = Self { shapes, fills };
        history.check(spec)?;
        Ok(history)
    }

    fn check(&self, spec: &TableSpec) -> std::result::Result<(), Malformed> {
        let types = self.columns().iter().map(|(_, data_type)| data_type);
        if self.shapes.is_empty() || !types.eq(spec.columns.iter().map(|c| &c.data_type)) {
            return Err(Malformed("the shape of a table is not its specification's"));
        }
        let ordered = |a: &Shape, b: &Shape| a.sequence <= b.sequence && a.file < b.file;
        if !self.shapes.is_sorted_by(ordered) {
            return Err(Malformed("the shapes of a table are out of order"));
        }
        for number in 0..self.shapes.len() {
            let widened = |(id, to): &(ColumnId, DataType)| {
                let old = self.shape(number).iter().find(|(other, _)| other == id);
                old.is_none_or(|(_, from)| widens(from, to))
            };
            if !self.columns().iter().all(widened) || self.conversion(number).is_err() {
                return Err(Malformed("a column has changed into something else"));
            }
        }
        Ok(())
    }
}

fn column_id(reader: &mut ByteReader<'_>) -> std::result::Result<ColumnId, Malformed> {
    let id = reader.u32()?;
    if id == u32::MAX {
        return Err(Malformed("the identity of a column is out of range"));
    }
    Ok(ColumnId(id))
}

fn one_column(data_type: &DataType) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(
        "value",
        data_type.clone(),
        true,
    )]))
}

fn widen(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    compute::cast(column, to).map_err(|e| Error::Invalid(e.to_string()))
}

/// Where the columns of the table come from, in rows of an older shape.
#[derive(Debug)]
pub(crate) struct Conversion(Vec<Source>);

#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Column number so-and-so, as it is.
    Stored(usize),
    /// The same in a narrower type, which has the same values.
    Widened(usize, DataType),
    /// Not there: every row has this one value.
    Constant(ArrayRef),
}

impl Source {
    /// A stored column, as the table has it.
    pub(crate) fn widened(&self, column: ArrayRef) -> Result<ArrayRef> {
        match self {
            Self::Widened(_, to) => widen(&column, to),
            _ => Ok(column),
        }
    }
}

/// `rows` times a value given as an array of one.
pub(crate) fn repeat(value: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    let zeros = UInt32Array::from(vec![0; rows]);
    compute::take(value, &zeros, None).map_err(|e| Error::Invalid(e.to_string()))
}

impl Conversion {
    pub(crate) fn source(&self, column: usize) -> Option<&Source> {
        self.0.get(column)
    }

    /// Rows as the table has them, under its schema.
    pub(crate) fn convert(&self, schema: &SchemaRef, rows: &RecordBatch) -> Result<RecordBatch> {
        let convert = |source: &Source| match source {
            Source::Stored(at) | Source::Widened(at, _) => {
                let column = rows.columns().get(*at).cloned();
                let column = column.ok_or_else(|| Error::Invalid("a column is missing".into()));
                source.widened(column?)
            }
            Source::Constant(value) => repeat(value, rows.num_rows()),
        };
        let columns = self.0.iter().map(convert).collect::<Result<_>>()?;
        make_batch(schema, columns, rows.num_rows())
    }
}
