//! The bytes of a table's specification. What came later than the first tables is written only for tables
//! that have it, under tags of its own, so that directories without it stay as they were.

use crate::column_type::{type_of_tag, type_tag};
use crate::format::{ByteReader, ByteWriter, Malformed};
use crate::{ColumnSpec, Division, EventKeySpec, Keep, KeySpec, Retention, TableSpec};

/// Stands for "no value" where a position or a number may be absent.
const ABSENT_U32: u32 = u32::MAX;
const ABSENT_U64: u64 = u64::MAX;

/// How much of a specification is written; each has what the one before has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extent {
    Plain,
    /// With event key and retention.
    Care,
    /// With the division, too.
    Division,
}

impl Extent {
    /// The least that leaves nothing out.
    pub(super) fn of(spec: &TableSpec) -> Self {
        if spec.division != Division::default() {
            Self::Division
        } else if spec.event_key.is_some() || spec.retention != Retention::default() {
            Self::Care
        } else {
            Self::Plain
        }
    }
}

/// 0 stands for what the store's options say.
fn put_division(out: &mut Vec<u8>, division: Division) {
    out.put_u32(division.shards.unwrap_or(0));
    out.put_u32(division.segment_rows.unwrap_or(0));
}

fn read_division(reader: &mut ByteReader<'_>) -> Result<Division, Malformed> {
    let mut number = || reader.u32().map(|n| Some(n).filter(|&n| n > 0));
    Ok(Division {
        shards: number()?,
        segment_rows: number()?,
    })
}

fn put_care(out: &mut Vec<u8>, spec: &TableSpec) {
    let event_key = spec.event_key.as_ref();
    put_positions(out, event_key.map_or(&[], |key| &key.columns));
    out.put_u32(event_key.map_or(0, |key| key.retain_days));
    let keep = spec.retention.keep;
    out.put_u32(keep.map_or(ABSENT_U32, |keep| keep.column as u32));
    out.put_u64(keep.map_or(0, |keep| keep.seconds));
    out.put_u64(spec.retention.erase_after.unwrap_or(ABSENT_U64));
}

fn read_care(reader: &mut ByteReader<'_>, spec: &mut TableSpec) -> Result<(), Malformed> {
    let (columns, retain_days) = (read_positions(reader)?, reader.u32()?);
    spec.event_key = (!columns.is_empty()).then_some(EventKeySpec {
        columns,
        retain_days,
    });
    let (column, seconds) = (reader.u32()?, reader.u64()?);
    spec.retention = Retention {
        keep: (column != ABSENT_U32).then_some(Keep {
            column: column as usize,
            seconds,
        }),
        erase_after: Some(reader.u64()?).filter(|&seconds| seconds != ABSENT_U64),
    };
    Ok(())
}

pub(super) fn put_spec(out: &mut Vec<u8>, spec: &TableSpec) {
    out.put_str(&spec.name);
    out.put_length(spec.columns.len());
    for column in &spec.columns {
        out.put_str(&column.name);
        out.put(&type_tag(&column.data_type).unwrap_or_default());
        out.put_u8(u8::from(column.nullable));
        out.put_str(&column.attributes);
    }
    put_positions(out, &spec.sort_key);
    put_positions(out, &spec.shard_key);
    out.put_length(spec.unique_keys.len());
    for key in &spec.unique_keys {
        out.put_str(&key.name);
        put_positions(out, &key.columns);
    }
    out.put_u32(spec.auto_increment.map_or(ABSENT_U32, |c| c as u32));
    out.put_str(&spec.attributes);
    let extent = Extent::of(spec);
    if extent >= Extent::Care {
        put_care(out, spec);
    }
    if extent >= Extent::Division {
        put_division(out, spec.division);
    }
}

fn put_positions(out: &mut Vec<u8>, positions: &[usize]) {
    out.put_length(positions.len());
    for &position in positions {
        out.put_length(position);
    }
}

pub(super) fn read_spec(
    reader: &mut ByteReader<'_>,
    extent: Extent,
) -> Result<TableSpec, Malformed> {
    let name = reader.str()?.into();
    let mut columns = Vec::new();
    for _ in 0..reader.count(13)? {
        columns.push(ColumnSpec {
            name: reader.str()?.into(),
            data_type: type_of_tag(reader.array()?)?,
            nullable: reader.u8()? != 0,
            attributes: reader.str()?.into(),
        });
    }
    let sort_key = read_positions(reader)?;
    let shard_key = read_positions(reader)?;
    let mut unique_keys = Vec::new();
    for _ in 0..reader.count(8)? {
        unique_keys.push(KeySpec {
            name: reader.str()?.into(),
            columns: read_positions(reader)?,
        });
    }
    let auto_increment = Some(reader.u32()?)
        .filter(|&c| c != ABSENT_U32)
        .map(|c| c as usize);
    let attributes = reader.str()?.into();
    let mut spec = TableSpec {
        name,
        columns,
        sort_key,
        shard_key,
        unique_keys,
        event_key: None,
        retention: Retention::default(),
        division: Division::default(),
        auto_increment,
        attributes,
    };
    if extent >= Extent::Care {
        read_care(reader, &mut spec)?;
    }
    if extent >= Extent::Division {
        spec.division = read_division(reader)?;
    }
    spec.check()
        .map_err(|_| Malformed("a table specification contradicts itself"))?;
    Ok(spec)
}

fn read_positions(reader: &mut ByteReader<'_>) -> Result<Vec<usize>, Malformed> {
    (0..reader.count(4)?).map(|_| reader.length()).collect()
}
