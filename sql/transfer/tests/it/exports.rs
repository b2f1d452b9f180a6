//! What is exported is there, whole, under its name.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use storno_transfer::{
    Cancel, Compression, Encoding, ExportSpec, Layout, ParquetFile, Place, Progress, TextRules,
    TransferError, Which, export, files_of,
};

use crate::s3::S3Server;
use crate::setting::{csv, parquet, place, rows, run, source};

/// All rows of all Parquet files that the manifest names.
pub async fn parquet_rows(place: &Place, which: Which) -> RecordBatch {
    let files = files_of(place, which).await.expect("files");
    let handle = tokio::runtime::Handle::current();
    let place = place.clone();
    let read = move || {
        let mut batches = Vec::new();
        for file in files {
            let file = ParquetFile::open(place.clone(), file, handle.clone(), Cancel::default());
            let file = file.expect("a Parquet file");
            let all: Vec<usize> = (0..file.schema().fields().len()).collect();
            batches.extend(
                file.read(&all)
                    .expect("reads")
                    .map(|batch| batch.expect("rows")),
            );
        }
        concat_batches(&batches[0].schema(), &batches).expect("one schema")
    };
    tokio::task::spawn_blocking(read).await.expect("ends")
}

fn ids(batch: &RecordBatch) -> Vec<i64> {
    batch
        .column(0)
        .as_primitive::<Int64Type>()
        .values()
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_comes_back_in_order_and_in_its_types() {
    let server = S3Server::start();
    let place = place(&server, "dir/p");
    let exported = run(parquet(place.clone()), 200_000)
        .await
        .result
        .expect("exported");
    assert_eq!((exported.rows, exported.files.len()), (200_000, 1));
    assert_eq!(
        server.keys(),
        ["dir/p.manifest", "dir/p.part_00000.parquet"]
    );
    let back = parquet_rows(&place.at("dir/p.manifest".into()), Which::Manifest).await;
    let expected = rows(0, 200_000);
    assert!(ids(&back).iter().zip(0..).all(|(id, n)| *id == n));
    // TIME is text; all others keep their values.
    for column in 0..6 {
        let back = arrow::compute::cast(back.column(column), expected.column(column).data_type());
        assert_eq!(&back.expect("casts"), expected.column(column), "{column}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_part_exceeds_the_size_asked_for() {
    let server = S3Server::start();
    for (name, spec) in [
        ("p", parquet(place(&server, "p"))),
        ("c", csv(place(&server, "c"), Compression::Gzip)),
    ] {
        let limit = 2 << 20;
        let spec = ExportSpec {
            part_bytes: limit,
            ..spec
        };
        let exported = run(spec, 600_000).await.result.expect("exported");
        assert!(exported.files.len() > 2, "{name}: {}", exported.files.len());
        for file in &exported.files {
            assert!(file.bytes <= limit, "{name}: {}", file.bytes);
            let length = std::fs::metadata(server.file(file.path.as_ref()))
                .expect("there")
                .len();
            assert_eq!(length, file.bytes);
        }
        assert_eq!(exported.rows, 600_000);
    }
    let back = parquet_rows(&place(&server, "p"), Which::Prefix).await;
    assert!(ids(&back).iter().zip(0..).all(|(id, n)| *id == n));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_larger_than_a_piece_is_uploaded_in_several() {
    let server = S3Server::start();
    let exported = run(csv(place(&server, "big"), Compression::None), 600_000).await;
    let exported = exported.result.expect("exported");
    assert!(exported.bytes > 24 << 20, "{}", exported.bytes);
    let text = std::fs::read(server.file("big.part_00000")).expect("there");
    assert_eq!(text.len() as u64, exported.bytes);
    use sha2::Digest;
    let digest = sha2::Sha256::digest(&text);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(exported.files[0].sha256, digest);
    assert!(server.open_uploads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_text_is_the_text() {
    let server = S3Server::start();
    let plain = csv(place(&server, "plain"), Compression::None);
    run(plain, 50_000).await.result.expect("exported");
    let text = std::fs::read(server.file("plain.part_00000")).expect("there");
    assert!(text.starts_with(b"\"id\",\"site\",\"path\""));
    run(csv(place(&server, "gz"), Compression::Gzip), 50_000)
        .await
        .result
        .expect("exported");
    let mut unzipped = Vec::new();
    let file = std::fs::File::open(server.file("gz.part_00000")).expect("there");
    flate2::read::MultiGzDecoder::new(file)
        .read_to_end(&mut unzipped)
        .expect("unzips");
    assert!(unzipped == text);
    run(csv(place(&server, "zst"), Compression::Zstd), 50_000)
        .await
        .result
        .expect("exported");
    let file = std::fs::File::open(server.file("zst.part_00000")).expect("there");
    assert!(zstd::decode_all(file).expect("decodes") == text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_overwritten_only_when_asked() {
    let server = S3Server::start();
    let spec = || ExportSpec {
        part_bytes: 1 << 20,
        ..csv(place(&server, "x"), Compression::None)
    };
    run(spec(), 100_000).await.result.expect("exported");
    assert!(server.keys().len() > 3);
    let before = server.keys();
    let error = run(spec(), 10).await.result.expect_err("there is one");
    assert!(matches!(error, TransferError::Exists(_)), "{error}");
    assert_eq!(server.keys(), before, "nothing is touched");
    let again = ExportSpec {
        overwrite: true,
        ..spec()
    };
    run(again, 10).await.result.expect("exported");
    // Numbers that were taken when it began are left out, and free the next time.
    let keys = server.keys();
    assert_eq!(keys.len(), 2, "{keys:?}");
    let again = ExportSpec {
        overwrite: true,
        ..spec()
    };
    run(again, 10).await.result.expect("exported");
    assert_eq!(server.keys(), ["x.manifest", "x.part_00000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_fails_leaves_what_it_was_to_overwrite() {
    let server = S3Server::start();
    let delta = || ExportSpec {
        layout: Layout::Delta,
        ..parquet(place(&server, "d"))
    };
    let single = || ExportSpec {
        layout: Layout::Single,
        ..csv(place(&server, "s"), Compression::None)
    };
    let specs: [&dyn Fn() -> ExportSpec; 3] = [
        &|| csv(place(&server, "c"), Compression::None),
        &delta,
        &single,
    ];
    for spec in specs {
        run(spec(), 1_000).await.result.expect("exported");
    }
    let contents = || {
        let keys = server.keys().into_iter();
        keys.map(|key| (std::fs::read(server.file(&key)).expect("reads"), key))
            .collect::<Vec<_>>()
    };
    let before = contents();
    for spec in specs {
        let again = ExportSpec {
            overwrite: true,
            ..spec()
        };
        // Enough for parts that are whole before the end.
        let again = match again.layout {
            Layout::Single => again,
            _ => ExportSpec {
                part_bytes: 1 << 20,
                ..again
            },
        };
        let broken = futures::stream::iter([Err("no more".into())]);
        let batches = source(200_000, 5_000).chain(broken).boxed();
        let (progress, cancel) = (Arc::new(Progress::default()), Cancel::default());
        let delivery = export(again, batches, progress, cancel).await;
        let error = delivery.result.expect_err("breaks off");
        assert!(matches!(error, TransferError::Source(_)), "{error}");
        assert_eq!(delivery.left, Vec::<String>::new());
        assert!(contents() == before, "{:?}", server.keys());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_nothing_has_one_file() {
    let server = S3Server::start();
    for spec in [
        parquet(place(&server, "p")),
        csv(place(&server, "c"), Compression::Gzip),
    ] {
        let exported = run(spec, 0).await.result.expect("exported");
        assert_eq!((exported.files.len(), exported.rows), (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_directories_and_files_stay_few_in_memory() {
    let server = S3Server::start();
    let spec = ExportSpec {
        partition_by: vec![1],
        ..parquet(place(&server, "t"))
    };
    let exported = run(spec, 100_000).await.result.expect("exported");
    assert_eq!(exported.files.len(), 3);
    let of_one = parquet_rows(&place(&server, "t/site=1/"), Which::Prefix).await;
    assert_eq!(
        of_one.num_columns(),
        6,
        "the directory's column is left out"
    );
    assert!(ids(&of_one).iter().zip(0..).all(|(id, n)| *id == 3 * n + 1));
    // A thousand directories, of which few are open at once.
    let spec = ExportSpec {
        partition_by: vec![0],
        ..csv(place(&server, "many"), Compression::None)
    };
    let exported = run(spec, 300).await.result.expect("exported");
    assert_eq!((exported.files.len(), exported.rows), (300, 300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_table_has_a_log_that_names_its_files() {
    let server = S3Server::start();
    let spec = ExportSpec {
        layout: Layout::Delta,
        partition_by: vec![1],
        ..parquet(place(&server, "delta"))
    };
    run(spec, 1_000).await.result.expect("exported");
    let log = std::fs::read_to_string(server.file("delta/_delta_log/00000000000000000000.json"));
    let log = log.expect("there");
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 5, "protocol, metadata, three files");
    assert_eq!(lines[1]["metaData"]["partitionColumns"][0], "site");
    for line in &lines[2..] {
        let path = line["add"]["path"].as_str().expect("a path");
        assert!(server.file(&format!("delta/{path}")).exists(), "{path}");
        let stats: serde_json::Value =
            serde_json::from_str(line["add"]["stats"].as_str().expect("text")).expect("JSON");
        assert!(stats["maxValues"]["id"].as_i64().expect("a number") >= 997);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_export_leaves_nothing() {
    let server = S3Server::start();
    let cancel = Cancel::default();
    let progress = Arc::new(Progress::default());
    let own = (cancel.clone(), Arc::clone(&progress));
    let endless = source(1 << 40, 5_000).inspect(move |_| {
        if own.1.bytes() > 20 << 20 {
            own.0.cancel();
        }
    });
    let spec = ExportSpec {
        part_bytes: 10 << 20,
        ..csv(place(&server, "c"), Compression::None)
    };
    let delivery = export(spec, endless.boxed(), progress, cancel).await;
    let error = delivery.result.expect_err("cancelled");
    assert!(matches!(error, TransferError::Cancelled), "{error}");
    assert_eq!(delivery.left, Vec::<String>::new());
    assert_eq!(server.keys(), Vec::<String>::new());
    assert_eq!(server.open_uploads(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_fail_to_come_leave_nothing() {
    let server = S3Server::start();
    let failing = source(200_000, 5_000).chain(futures::stream::iter([Err("no more".into())]));
    let spec = csv(place(&server, "c"), Compression::None);
    let delivery = export(spec, failing.boxed(), Arc::default(), Cancel::default()).await;
    assert_eq!(delivery.result.expect_err("failed").to_string(), "no more");
    assert_eq!(server.keys(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_of_this_machine_is_written_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = || ExportSpec {
        layout: Layout::Single,
        encoding: Encoding::Text {
            rules: TextRules::tabs(),
            header: false,
            compression: Compression::None,
        },
        ..csv(
            Place::local(dir.path(), "out.txt").expect("opens"),
            Compression::None,
        )
    };
    run(spec(), 2).await.result.expect("exported");
    let text = std::fs::read_to_string(dir.path().join("out.txt")).expect("there");
    assert!(text.starts_with("0\t0\t\\N\t\\N\t1970-01-01\t"), "{text}");
    let error = run(spec(), 2).await.result.expect_err("there is one");
    assert!(matches!(error, TransferError::Exists(_)));
}
