//! A version of the log of a Delta table, which adds all files and removes those that were there.
//!
//! After the Delta transaction log protocol: `protocol`, `metaData`, and one `remove` or `add` per file, a JSON
//! object a line.

use arrow::datatypes::{DataType, Field, Schema};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

use super::layout::{encoded, inner};
use super::schema::FileSchema;
use super::spec::{ExportSpec, PartFile};
use super::table::Table;
use crate::error::{Result, TransferError};

/// `table`: what it takes the place of.
pub(super) fn log(spec: &ExportSpec, files: &[PartFile], table: &Table) -> Result<String> {
    let places = (0..spec.schema.fields().len()).collect();
    let schema = FileSchema::new(&spec.schema, places, true).schema;
    let partition: Vec<&str> = spec
        .partition_by
        .iter()
        .map(|at| schema.field(*at).name().as_str())
        .collect();
    let now = chrono::Utc::now().timestamp_millis();
    let id = table.id().map(str::to_owned);
    let metadata = json!({"metaData": {
        "id": id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": schema_string(&schema)?,
        "partitionColumns": partition,
        "configuration": table.configuration(),
        "createdTime": now,
    }});
    let protocol = json!({ "protocol": table.protocol(protocol(&schema)) });
    let mut lines = vec![protocol.to_string(), metadata.to_string()];
    lines.extend(table.removals(now).map(|remove| remove.to_string()));
    for file in files {
        lines.push(add(spec, file, now)?.to_string());
    }
    Ok(lines.join("\n") + "\n")
}

/// Times without a zone are a feature that a reader has to know.
fn protocol(schema: &Schema) -> Value {
    let mut types = schema.fields().iter().map(|field| field.data_type());
    match types.any(|t| matches!(t, DataType::Timestamp(..))) {
        false => json!({"minReaderVersion": 1, "minWriterVersion": 2}),
        true => json!({
            "minReaderVersion": 3,
            "minWriterVersion": 7,
            "readerFeatures": ["timestampNtz"],
            "writerFeatures": ["timestampNtz"],
        }),
    }
}

fn schema_string(schema: &Schema) -> Result<String> {
    let fields = schema.fields().iter().map(|field| {
        Ok(json!({
            "name": field.name(),
            "type": type_name(field)?,
            "nullable": true,
            "metadata": {},
        }))
    });
    let fields: Vec<Value> = fields.collect::<Result<_>>()?;
    Ok(json!({"type": "struct", "fields": fields}).to_string())
}

fn type_name(field: &Field) -> Result<String> {
    use DataType::*;
    Ok(match field.data_type() {
        Boolean => "boolean".into(),
        Int8 => "byte".into(),
        Int16 => "short".into(),
        Int32 => "integer".into(),
        Int64 => "long".into(),
        Float32 => "float".into(),
        Float64 => "double".into(),
        Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        Date32 => "date".into(),
        Timestamp(..) => "timestamp_ntz".into(),
        Utf8 | LargeUtf8 | Utf8View => "string".into(),
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => "binary".into(),
        other => {
            let text = format!("column '{}': Delta has no type for {other}", field.name());
            return Err(TransferError::Encode(text));
        }
    })
}

fn add(spec: &ExportSpec, file: &PartFile, now: i64) -> Result<Value> {
    let relative = file.path.as_ref();
    let relative = relative.strip_prefix(&inner(spec.place.prefix()));
    let relative = relative.ok_or_else(|| TransferError::Internal("a file elsewhere".into()))?;
    let mut values = Map::new();
    for (name, value) in &file.partition {
        let value = value.clone().filter(|v| !v.is_empty());
        values.insert(name.clone(), value.map_or(Value::Null, Value::String));
    }
    // A path is a URL in the log: each part of it is encoded once more.
    let path: Vec<String> = relative.split('/').map(in_url).collect();
    Ok(json!({"add": {
        "path": path.join("/"),
        "partitionValues": values,
        "size": file.bytes,
        "modificationTime": now,
        "dataChange": true,
        "stats": file.stats,
    }}))
}

fn in_url(part: &str) -> String {
    match part.split_once('=') {
        Some((name, value)) => format!("{}={}", encoded(name), encoded(value)).replace(' ', "%20"),
        None => encoded(part).replace(' ', "%20"),
    }
}

/// Rows, NULLs, and the bounds of integers and dates.
pub(super) fn stats(metadata: &ParquetMetaData, rows: u64) -> String {
    let (mut low, mut high, mut nulls) = (Map::new(), Map::new(), Map::new());
    let schema = metadata.file_metadata().schema_descr();
    for (at, column) in schema.columns().iter().enumerate() {
        let groups = metadata.row_groups().iter();
        let all: Option<Vec<&Statistics>> = groups.map(|g| g.column(at).statistics()).collect();
        let Some(all) = all else { continue };
        let name = column.name().to_owned();
        let count: Option<u64> = all.iter().map(|s| s.null_count_opt()).sum();
        if let Some(count) = count {
            nulls.insert(name.clone(), count.into());
        }
        let is_date = matches!(
            column.logical_type_ref(),
            Some(parquet::basic::LogicalType::Date)
        );
        let is_plain = match column.logical_type_ref() {
            None => true,
            Some(parquet::basic::LogicalType::Integer(kind)) => kind.is_signed,
            Some(_) => is_date,
        };
        let bounds: Vec<(i64, i64)> = all.iter().filter_map(|s| bounds(s)).collect();
        let (Some(min), Some(max)) = (
            bounds.iter().map(|b| b.0).min(),
            bounds.iter().map(|b| b.1).max(),
        ) else {
            continue;
        };
        if is_plain {
            low.insert(name.clone(), bound(min, is_date));
            high.insert(name, bound(max, is_date));
        }
    }
    json!({"numRecords": rows, "minValues": low, "maxValues": high, "nullCount": nulls}).to_string()
}

fn bounds(statistics: &Statistics) -> Option<(i64, i64)> {
    match statistics {
        Statistics::Int32(s) => Some(((*s.min_opt()?).into(), (*s.max_opt()?).into())),
        Statistics::Int64(s) => Some((*s.min_opt()?, *s.max_opt()?)),
        _ => None,
    }
}

fn bound(value: i64, is_date: bool) -> Value {
    if !is_date {
        return value.into();
    }
    let day = chrono::DateTime::from_timestamp(value.saturating_mul(86_400), 0);
    day.map_or(Value::Null, |day| day.format("%Y-%m-%d").to_string().into())
}
