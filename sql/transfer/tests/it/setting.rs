//! What the tests share: places, rows, and a printer of cells.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, DurationMicrosecondArray, Int64Array,
    RecordBatch, StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use storno_transfer::{
    BoxError, Cancel, CellText, ColumnText, Compression, Credentials, Delivery, Encoding,
    ExportSpec, Layout, Location, Patience, Place, Progress, Reach, TextRules, export,
};

use crate::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};

/// Arrow's own text of values; NULL is not printed.
#[derive(Debug)]
pub struct Printed;

impl CellText for Printed {
    fn bind<'a>(
        &'a self,
        batch: &'a RecordBatch,
        _places: &[usize],
    ) -> Result<Vec<ColumnText<'a>>, BoxError> {
        let columns = batch.columns().iter();
        columns.map(|array| printer(array.as_ref())).collect()
    }
}

fn printer(array: &dyn Array) -> Result<ColumnText<'_>, BoxError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    // The options are the defaults, so the text can be made when it is asked for.
    drop(formatter);
    Ok(Box::new(move |row, out| {
        if array.is_null(row) {
            return Ok(false);
        }
        if let Some(text) = array.as_string_view_opt() {
            out.extend_from_slice(text.value(row).as_bytes());
            return Ok(true);
        }
        let options = FormatOptions::default();
        let formatter = ArrayFormatter::try_new(array, &options)?;
        out.extend_from_slice(formatter.value(row).to_string().as_bytes());
        Ok(true)
    }))
}

/// Fails fast, tries often.
pub fn patience() -> Patience {
    Patience {
        retries: 12,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(20),
        total: Duration::from_secs(20),
        request: Duration::from_secs(10),
    }
}

pub fn reach(server: &S3Server) -> Reach {
    Reach {
        endpoints: vec![server.endpoint().parse().expect("an endpoint")],
        ambient: false,
    }
}

pub fn credentials() -> Credentials {
    Credentials {
        id: Some(ACCESS_KEY.into()),
        secret: Some(SECRET_KEY.into()),
        ..Credentials::default()
    }
}

pub fn place(server: &S3Server, path: &str) -> Place {
    let mut location = Location::parse(&format!("s3://{BUCKET}/{path}")).expect("a URL");
    location.endpoint = Some(server.endpoint());
    Place::open(&location, &credentials(), &reach(server), patience()).expect("opens")
}

/// Rows `from..to`: ids, sites, paths, amounts, days, times, durations.
pub fn rows(from: i64, to: i64) -> RecordBatch {
    let ids = from..to;
    let every = |n: i64, of: i64| n % of != 0;
    let text = ids
        .clone()
        .map(|n| every(n, 7).then(|| format!("/page/{}\t\"{n}\"\n", n % 100)));
    let amounts: Decimal128Array = ids
        .clone()
        .map(|n| every(n, 5).then_some(i128::from(n) * 3 - 70))
        .collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(ids.clone().collect::<Int64Array>())),
        (
            "site",
            Arc::new(ids.clone().map(|n| n as u64 % 3).collect::<UInt64Array>()),
        ),
        ("path", Arc::new(text.collect::<StringViewArray>())),
        (
            "amount",
            Arc::new(amounts.with_precision_and_scale(12, 2).expect("fits")),
        ),
        (
            "day",
            Arc::new(
                ids.clone()
                    .map(|n| Some((n % 20_000) as i32))
                    .collect::<Date32Array>(),
            ),
        ),
        (
            "at",
            Arc::new(
                ids.clone()
                    .map(|n| Some(n * 1_000_003))
                    .collect::<TimestampMicrosecondArray>(),
            ),
        ),
        (
            "took",
            Arc::new(
                ids.map(|n| every(n, 3).then_some(n - 50))
                    .collect::<DurationMicrosecondArray>(),
            ),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
        .expect("a batch")
}

/// `count` rows in batches of `step`.
pub fn source(count: i64, step: i64) -> BoxStream<'static, Result<RecordBatch, BoxError>> {
    stream::iter((0..count).step_by(step as usize))
        .map(move |from| Ok(rows(from, count.min(from + step))))
        .boxed()
}

pub fn parquet(place: Place) -> ExportSpec {
    ExportSpec {
        place,
        layout: Layout::Parts {
            manifest: true,
            extension: ".parquet".into(),
        },
        encoding: Encoding::Parquet,
        schema: rows(0, 0).schema(),
        cells: Arc::new(Printed),
        partition_by: Vec::new(),
        overwrite: false,
        part_bytes: 6 << 30,
        threads: 2,
    }
}

pub fn csv(place: Place, compression: Compression) -> ExportSpec {
    ExportSpec {
        encoding: Encoding::Text {
            rules: TextRules::csv(),
            header: true,
            compression,
        },
        layout: Layout::Parts {
            manifest: true,
            extension: String::new(),
        },
        ..parquet(place)
    }
}

pub async fn run(spec: ExportSpec, count: i64) -> Delivery {
    let progress = Arc::new(Progress::default());
    export(spec, source(count, 5_000), progress, Cancel::default()).await
}
