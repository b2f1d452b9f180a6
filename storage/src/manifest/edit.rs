//! The edits the manifest is a log of, and their bytes. A record of the log holds one or more edits that
//! take effect together. What they do to the state is in `state.rs`.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::spec::{Extent, put_spec, read_spec};
use crate::format::{ByteReader, ByteWriter, FileId, Malformed, put_bitmap, read_bitmap};
use crate::history::History;
use crate::{TableId, TableSpec};

/// A segment as the manifest knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentRecord {
    pub(crate) file: FileId,
    pub(crate) rows: u64,
    /// Length of the file.
    pub(crate) bytes: u64,
    /// Bytes of the rows when decoded; bounds what a merge takes on.
    pub(crate) raw_bytes: u64,
    /// The footer's checksum: the file is the one that was published.
    pub(crate) footer_checksum: u64,
}

/// A run of event keys as the manifest knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunRecord {
    pub(crate) file: FileId,
    pub(crate) keys: u64,
    /// Length of the file.
    pub(crate) bytes: u64,
    /// When the first and the last of the keys arrived, in seconds since 1970.
    pub(crate) first_arrival: u32,
    pub(crate) last_arrival: u32,
    /// The directory's checksum: the file is the one that was published.
    pub(crate) checksum: u64,
}

/// A WAL file that recovery reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WalRecord {
    pub(crate) file: FileId,
    /// Sequence of the first commit the file can hold.
    pub(crate) first_sequence: u64,
    /// Where the file ends; `None` while it is the one being written.
    pub(crate) length: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Edit {
    CreateSchema {
        name: String,
        attributes: String,
    },
    /// Its tables are dropped by edits of their own in the same record.
    DropSchema {
        name: String,
    },
    CreateTable {
        id: TableId,
        schema: String,
        spec: TableSpec,
    },
    DropTable {
        id: TableId,
    },
    /// Removes all rows of the table committed up to `sequence`.
    Truncate {
        id: TableId,
        sequence: u64,
    },
    SetProperty {
        key: String,
        value: Option<String>,
    },
    /// Replaces segments of a table: a flush adds, a merge removes and adds.
    Segments {
        id: TableId,
        removed: Vec<FileId>,
        added: Vec<SegmentRecord>,
    },
    /// The segments hold all rows of the table committed up to `sequence`.
    Flushed {
        id: TableId,
        sequence: u64,
    },
    /// Lower bound for the next value of the table's counter.
    Counter {
        id: TableId,
        next: u64,
    },
    /// A new WAL file; the one before it ends at `previous_length`.
    WalAdded {
        file: FileId,
        first_sequence: u64,
        previous_length: u64,
    },
    WalRemoved {
        file: FileId,
    },
    /// More rows of a segment are deleted.
    Deleted {
        id: TableId,
        file: FileId,
        rows: Arc<RoaringBitmap>,
    },
    /// What a table is from now on: its name may be another, too.
    Define {
        id: TableId,
        schema: String,
        spec: TableSpec,
        history: Arc<History>,
    },
    /// Arrival number of the table's first row that is neither in segments nor gone.
    Arrived {
        id: TableId,
        rows: u64,
    },
    /// In a checkpoint: a WAL file with its final length.
    WalKept {
        record: WalRecord,
    },
    /// In a checkpoint: the secret of the hashes of unique keys.
    Secret {
        words: [u64; 2],
    },
    /// Replaces runs of event keys: a flush adds, a merge removes and adds, time removes.
    Runs {
        id: TableId,
        removed: Vec<FileId>,
        added: Vec<RunRecord>,
    },
    /// The table has another event key: runs and commits up to the sequence say nothing of it.
    EventsSince {
        id: TableId,
        sequence: u64,
    },
    /// A sweep that removes deleted rows from the files began, in seconds since 1970.
    Swept {
        id: TableId,
        seconds: u64,
    },
    /// In a checkpoint: numbers that must not be used again.
    Next {
        table: TableId,
        file: FileId,
    },
}

const CREATE_SCHEMA: u32 = 1;
const DROP_SCHEMA: u32 = 2;
const DROP_TABLE: u32 = 4;
const TRUNCATE: u32 = 5;
const SET_PROPERTY: u32 = 6;
const SEGMENTS: u32 = 7;
const FLUSHED: u32 = 8;
const COUNTER: u32 = 9;
const WAL_ADDED: u32 = 10;
const WAL_REMOVED: u32 = 11;
const WAL_KEPT: u32 = 12;
const NEXT: u32 = 13;
const DELETED: u32 = 14;
const ARRIVED: u32 = 15;
const SECRET: u32 = 17;
const RUNS: u32 = 34;
const EVENTS_SINCE: u32 = 35;
const SWEPT: u32 = 36;

/// By how much of the specification follows.
const CREATE_TABLE: [(u32, Extent); 3] = [
    (3, Extent::Plain),
    (32, Extent::Care),
    (37, Extent::Division),
];
const DEFINE: [(u32, Extent); 3] = [
    (16, Extent::Plain),
    (33, Extent::Care),
    (38, Extent::Division),
];

/// Stands for "no value" where a length may be absent.
const ABSENT_U64: u64 = u64::MAX;

/// Encodes a record: the edits one after the other.
pub(crate) fn encode_edits(edits: &[Edit]) -> Vec<u8> {
    let mut out = Vec::new();
    for edit in edits {
        encode_edit(&mut out, edit);
    }
    out
}

pub(crate) fn decode_edits(payload: &[u8]) -> Result<Vec<Edit>, Malformed> {
    let mut reader = ByteReader::new(payload);
    let mut edits = Vec::new();
    while !reader.is_empty() {
        edits.push(decode_edit(&mut reader)?);
    }
    Ok(edits)
}

fn encode_edit(out: &mut Vec<u8>, edit: &Edit) {
    match edit {
        Edit::CreateSchema { name, attributes } => {
            out.put_u32(CREATE_SCHEMA);
            out.put_str(name);
            out.put_str(attributes);
        }
        Edit::DropSchema { name } => {
            out.put_u32(DROP_SCHEMA);
            out.put_str(name);
        }
        Edit::CreateTable { id, schema, spec } => {
            put_numbers(out, tag_of(&CREATE_TABLE, spec), &[id.0]);
            out.put_str(schema);
            put_spec(out, spec);
        }
        Edit::DropTable { id } => put_numbers(out, DROP_TABLE, &[id.0]),
        Edit::Truncate { id, sequence } => put_numbers(out, TRUNCATE, &[id.0, *sequence]),
        Edit::SetProperty { key, value } => {
            out.put_u32(SET_PROPERTY);
            out.put_str(key);
            out.put_u8(u8::from(value.is_some()));
            out.put_str(value.as_deref().unwrap_or_default());
        }
        Edit::Segments { id, removed, added } => {
            put_numbers(out, SEGMENTS, &[id.0]);
            put_files(out, removed, added, SegmentRecord::put);
        }
        Edit::Flushed { id, sequence } => put_numbers(out, FLUSHED, &[id.0, *sequence]),
        Edit::Deleted { id, file, rows } => {
            put_numbers(out, DELETED, &[id.0, file.0]);
            put_bitmap(out, rows);
        }
        Edit::Define {
            id,
            schema,
            spec,
            history,
        } => {
            put_numbers(out, tag_of(&DEFINE, spec), &[id.0]);
            out.put_str(schema);
            put_spec(out, spec);
            history.encode(out);
        }
        Edit::Arrived { id, rows } => put_numbers(out, ARRIVED, &[id.0, *rows]),
        Edit::Counter { id, next } => put_numbers(out, COUNTER, &[id.0, *next]),
        Edit::WalAdded {
            file,
            first_sequence,
            previous_length,
        } => {
            put_numbers(out, WAL_ADDED, &[file.0, *first_sequence, *previous_length]);
        }
        Edit::WalRemoved { file } => put_numbers(out, WAL_REMOVED, &[file.0]),
        Edit::WalKept { record } => {
            let length = record.length.unwrap_or(ABSENT_U64);
            put_numbers(
                out,
                WAL_KEPT,
                &[record.file.0, record.first_sequence, length],
            );
        }
        Edit::Runs { id, removed, added } => {
            put_numbers(out, RUNS, &[id.0]);
            put_files(out, removed, added, RunRecord::put);
        }
        Edit::EventsSince { id, sequence } => put_numbers(out, EVENTS_SINCE, &[id.0, *sequence]),
        Edit::Swept { id, seconds } => put_numbers(out, SWEPT, &[id.0, *seconds]),
        Edit::Secret { words } => put_numbers(out, SECRET, words),
        Edit::Next { table, file } => put_numbers(out, NEXT, &[table.0, file.0]),
    }
}

fn put_numbers(out: &mut Vec<u8>, tag: u32, numbers: &[u64]) {
    out.put_u32(tag);
    for &number in numbers {
        out.put_u64(number);
    }
}

/// Files that go, and what is known of those that come in their place.
fn put_files<R>(out: &mut Vec<u8>, removed: &[FileId], added: &[R], put: fn(&R, &mut Vec<u8>)) {
    out.put_length(removed.len());
    removed.iter().for_each(|file| out.put_u64(file.0));
    out.put_length(added.len());
    added.iter().for_each(|record| put(record, out));
}

fn read_files<R>(
    reader: &mut ByteReader<'_>,
    read: fn(&mut ByteReader<'_>) -> Result<R, Malformed>,
) -> Result<(Vec<FileId>, Vec<R>), Malformed> {
    let removed = 0..reader.count(8)?;
    let removed = removed.map(|_| file(reader)).collect::<Result<_, _>>()?;
    let added = 0..reader.count(RECORD_BYTES)?;
    let added = added.map(|_| read(reader)).collect::<Result<_, _>>()?;
    Ok((removed, added))
}

/// Of a segment's record as of a run's.
const RECORD_BYTES: usize = 40;

impl SegmentRecord {
    fn put(&self, out: &mut Vec<u8>) {
        let numbers = [self.file.0, self.rows, self.bytes];
        numbers.iter().for_each(|&number| out.put_u64(number));
        out.put_u64(self.raw_bytes);
        out.put_u64(self.footer_checksum);
    }

    fn read(reader: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            file: file(reader)?,
            rows: reader.u64()?,
            bytes: reader.u64()?,
            raw_bytes: reader.u64()?,
            footer_checksum: reader.u64()?,
        })
    }
}

impl RunRecord {
    fn put(&self, out: &mut Vec<u8>) {
        let numbers = [self.file.0, self.keys, self.bytes, self.checksum];
        numbers.iter().for_each(|&number| out.put_u64(number));
        out.put_u32(self.first_arrival);
        out.put_u32(self.last_arrival);
    }

    fn read(reader: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            file: file(reader)?,
            keys: reader.u64()?,
            bytes: reader.u64()?,
            checksum: reader.u64()?,
            first_arrival: reader.u32()?,
            last_arrival: reader.u32()?,
        })
    }
}

fn table(reader: &mut ByteReader<'_>) -> Result<TableId, Malformed> {
    reader.u64().map(TableId)
}

fn file(reader: &mut ByteReader<'_>) -> Result<FileId, Malformed> {
    reader.u64().map(FileId)
}

fn decode_edit(reader: &mut ByteReader<'_>) -> Result<Edit, Malformed> {
    let tag = reader.u32()?;
    Ok(match tag {
        CREATE_SCHEMA => Edit::CreateSchema {
            name: reader.str()?.into(),
            attributes: reader.str()?.into(),
        },
        DROP_SCHEMA => Edit::DropSchema {
            name: reader.str()?.into(),
        },
        DROP_TABLE => Edit::DropTable { id: table(reader)? },
        TRUNCATE => Edit::Truncate {
            id: table(reader)?,
            sequence: reader.u64()?,
        },
        SET_PROPERTY => {
            let key = reader.str()?.into();
            let present = reader.u8()? != 0;
            let value = reader.str()?;
            Edit::SetProperty {
                key,
                value: present.then(|| value.into()),
            }
        }
        SEGMENTS => {
            let id = table(reader)?;
            let (removed, added) = read_files(reader, SegmentRecord::read)?;
            Edit::Segments { id, removed, added }
        }
        FLUSHED => Edit::Flushed {
            id: table(reader)?,
            sequence: reader.u64()?,
        },
        DELETED => Edit::Deleted {
            id: table(reader)?,
            file: file(reader)?,
            rows: Arc::new(read_bitmap(reader)?),
        },
        ARRIVED => Edit::Arrived {
            id: table(reader)?,
            rows: reader.u64()?,
        },
        COUNTER => Edit::Counter {
            id: table(reader)?,
            next: reader.u64()?,
        },
        WAL_ADDED => Edit::WalAdded {
            file: file(reader)?,
            first_sequence: reader.u64()?,
            previous_length: reader.u64()?,
        },
        WAL_REMOVED => Edit::WalRemoved {
            file: file(reader)?,
        },
        WAL_KEPT => Edit::WalKept {
            record: WalRecord {
                file: file(reader)?,
                first_sequence: reader.u64()?,
                length: Some(reader.u64()?).filter(|&l| l != ABSENT_U64),
            },
        },
        RUNS => {
            let id = table(reader)?;
            let (removed, added) = read_files(reader, RunRecord::read)?;
            Edit::Runs { id, removed, added }
        }
        EVENTS_SINCE => Edit::EventsSince {
            id: table(reader)?,
            sequence: reader.u64()?,
        },
        SWEPT => Edit::Swept {
            id: table(reader)?,
            seconds: reader.u64()?,
        },
        SECRET => Edit::Secret {
            words: [reader.u64()?, reader.u64()?],
        },
        NEXT => Edit::Next {
            table: table(reader)?,
            file: file(reader)?,
        },
        tag => return decode_table(reader, tag),
    })
}

/// The edits with a specification.
fn decode_table(reader: &mut ByteReader<'_>, tag: u32) -> Result<Edit, Malformed> {
    let extent = |tags: &[(u32, Extent)]| tags.iter().find(|(t, _)| *t == tag).map(|(_, e)| *e);
    let (created, defined) = (extent(&CREATE_TABLE), extent(&DEFINE));
    let Some(extent) = created.or(defined) else {
        return Err(Malformed("an unknown edit"));
    };
    let (id, schema) = (table(reader)?, reader.str()?.into());
    let spec = read_spec(reader, extent)?;
    if created.is_some() {
        return Ok(Edit::CreateTable { id, schema, spec });
    }
    let history = Arc::new(History::decode(reader, &spec)?);
    Ok(Edit::Define {
        id,
        schema,
        spec,
        history,
    })
}

/// The tag for a specification, among those by extent.
fn tag_of(tags: &[(u32, Extent)], spec: &TableSpec) -> u32 {
    let extent = Extent::of(spec);
    let found = tags.iter().find(|(_, e)| *e == extent);
    // INVARIANT: each list has every extent.
    found.map_or(0, |(tag, _)| *tag)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::testing::all_types;
    use crate::{ColumnSpec, Division, EventKeySpec, Keep, KeySpec, Retention};
    use arrow::datatypes::DataType;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    fn arbitrary_spec() -> impl Strategy<Value = TableSpec> {
        let types = prop::sample::select(all_types());
        let columns = vec((types, any::<bool>(), ".{0,8}"), 1..6);
        let care = (
            any::<bool>(),
            option::of(1u32..100),
            option::of(any::<u32>()),
            (option::of(1u32..257), option::of(1u32..1 << 26)),
        );
        (".{0,8}", columns, ".{0,8}", care).prop_map(|(name, columns, attributes, care)| {
            let last = columns.len() - 1;
            let columns = columns
                .into_iter()
                .enumerate()
                .map(|(i, (data_type, nullable, attributes))| ColumnSpec {
                    name: format!("c{i}"),
                    data_type,
                    nullable,
                    attributes,
                })
                .collect::<Vec<_>>();
            let integer = columns[0].data_type.is_integer();
            let (keep, retain_days, erase_after, (shards, segment_rows)) = care;
            let is_time =
                |c: &ColumnSpec| matches!(c.data_type, DataType::Date32 | DataType::Timestamp(..));
            let keep = columns.iter().position(is_time).filter(|_| keep);
            TableSpec {
                name,
                columns,
                sort_key: vec![last],
                shard_key: vec![0],
                unique_keys: vec![KeySpec {
                    name: "k".into(),
                    columns: vec![0],
                }],
                event_key: retain_days.map(|retain_days| EventKeySpec {
                    columns: vec![last],
                    retain_days,
                }),
                retention: Retention {
                    keep: keep.map(|column| Keep {
                        column,
                        seconds: 60,
                    }),
                    erase_after: erase_after.map(u64::from),
                },
                division: Division {
                    shards,
                    segment_rows,
                },
                auto_increment: integer.then_some(0),
                attributes,
            }
        })
    }

    fn arbitrary_edit() -> impl Strategy<Value = Edit> {
        let id = any::<u64>().prop_map(TableId);
        let file = any::<u64>().prop_map(FileId);
        let segment =
            any::<[u64; 5]>().prop_map(|[f, rows, bytes, raw_bytes, sum]| SegmentRecord {
                file: FileId(f),
                rows,
                bytes,
                raw_bytes,
                footer_checksum: sum,
            });
        let segments = (id.clone(), vec(file.clone(), 0..4), vec(segment, 0..4));
        let run = any::<[u64; 5]>().prop_map(|[f, keys, bytes, checksum, arrivals]| RunRecord {
            file: FileId(f),
            keys,
            bytes,
            first_arrival: arrivals as u32,
            last_arrival: (arrivals >> 32) as u32,
            checksum,
        });
        let runs = (id.clone(), vec(file.clone(), 0..4), vec(run, 0..4));
        prop_oneof![
            any::<(String, String)>()
                .prop_map(|(name, attributes)| Edit::CreateSchema { name, attributes }),
            any::<String>().prop_map(|name| Edit::DropSchema { name }),
            (id.clone(), any::<String>(), arbitrary_spec())
                .prop_map(|(id, schema, spec)| Edit::CreateTable { id, schema, spec }),
            any::<(String, Option<String>)>()
                .prop_map(|(key, value)| Edit::SetProperty { key, value }),
            segments.prop_map(|(id, removed, added)| Edit::Segments { id, removed, added }),
            runs.prop_map(|(id, removed, added)| Edit::Runs { id, removed, added }),
            (id.clone(), any::<u64>())
                .prop_map(|(id, sequence)| Edit::EventsSince { id, sequence }),
            any::<[u64; 2]>().prop_map(|[t, f]| Edit::Next {
                table: TableId(t),
                file: FileId(f)
            }),
            any::<(u64, u64, Option<u32>)>().prop_map(|(file, first_sequence, length)| {
                let length = length.map(u64::from);
                Edit::WalKept {
                    record: WalRecord {
                        file: FileId(file),
                        first_sequence,
                        length,
                    },
                }
            }),
            any::<[u64; 3]>().prop_map(|[f, first_sequence, previous_length]| Edit::WalAdded {
                file: FileId(f),
                first_sequence,
                previous_length
            }),
            (id.clone(), any::<u64>()).prop_map(|(id, sequence)| Edit::Truncate { id, sequence }),
            (id.clone(), any::<u64>()).prop_map(|(id, sequence)| Edit::Flushed { id, sequence }),
            (id.clone(), any::<u64>()).prop_map(|(id, rows)| Edit::Arrived { id, rows }),
            (id.clone(), any::<u64>(), vec(any::<u32>(), 0..9)).prop_map(|(id, file, rows)| {
                Edit::Deleted {
                    id,
                    file: FileId(file),
                    rows: Arc::new(rows.into_iter().collect()),
                }
            }),
            (id.clone(), any::<u64>()).prop_map(|(id, next)| Edit::Counter { id, next }),
            (id.clone(), any::<u64>()).prop_map(|(id, seconds)| Edit::Swept { id, seconds }),
            id.prop_map(|id| Edit::DropTable { id }),
            file.prop_map(|file| Edit::WalRemoved { file }),
        ]
    }

    proptest! {
        #[test]
        fn edits_come_back_as_written(edits in vec(arbitrary_edit(), 0..6)) {
            prop_assert_eq!(decode_edits(&encode_edits(&edits)).unwrap(), edits);
        }

        #[test]
        fn damaged_edits_do_no_harm(
            edits in vec(arbitrary_edit(), 1..4),
            place: prop::sample::Index,
            byte: u8,
        ) {
            let mut bytes = encode_edits(&edits);
            let at = place.index(bytes.len());
            bytes[at] = byte;
            let _ = decode_edits(&bytes);
            let _ = decode_edits(&bytes[..at]);
        }
    }
}
