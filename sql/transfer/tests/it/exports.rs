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

/// Keys and contents of all that is there.
fn contents(server: &S3Server) -> Vec<(String, Vec<u8>)> {
    let keys = server.keys().into_iter();
    keys.map(|key| {
        (
            key.clone(),
            std::fs::read(server.file(&key)).expect("reads"),
        )
    })
    .collect()
}

fn write(server: &S3Server, key: &str, text: &str) {
    let file = server.file(key);
    std::fs::create_dir_all(file.parent().expect("a directory")).expect("made");
    std::fs::write(file, text).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_below_the_same_directory_are_left_alone() {
    let server = S3Server::start();
    let partitioned = |path| ExportSpec {
        partition_by: vec![1],
        ..csv(place(&server, path), Compression::None)
    };
    run(partitioned("exports/site1"), 30)
        .await
        .result
        .expect("exported");
    write(&server, "exports/notes.txt", "n");
    write(&server, "exports/part_00000.parquet", "of a table");
    let before = contents(&server);
    let whole = || csv(place(&server, "exports"), Compression::None);
    run(whole(), 10)
        .await
        .result
        .expect("nothing is in its way");
    for spec in [whole(), partitioned("exports")] {
        let again = ExportSpec {
            overwrite: true,
            ..spec
        };
        run(again, 10).await.result.expect("exported");
    }
    // Its own directories go, too.
    assert!(
        server.keys().contains(&"exports/site=1/part_00001".into()),
        "{:?}",
        server.keys()
    );
    let again = ExportSpec {
        overwrite: true,
        ..whole()
    };
    run(again, 10).await.result.expect("exported");
    let after = contents(&server);
    assert_eq!(after.len(), before.len() + 2, "{:?}", server.keys());
    assert!(
        before.iter().all(|one| after.contains(one)),
        "{:?}",
        server.keys()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_overwritten_takes_nothing_else_with_it() {
    let server = S3Server::start();
    let delta = || ExportSpec {
        layout: Layout::Delta,
        partition_by: vec![1],
        overwrite: true,
        ..parquet(place(&server, "data"))
    };
    let others = [
        "data/logs/a.csv",
        "data/x=1/raw.csv",
        "data/site1/d=1/part_00000.parquet",
    ];
    for key in others {
        write(&server, key, key);
    }
    run(delta(), 30).await.result.expect("exported");
    // Another engine goes on with it.
    let log = |version| format!("data/_delta_log/{version:020}.json");
    let add = |path: &str| format!("{{\"add\":{{\"path\":\"{path}\",\"size\":1}}}}\n");
    write(&server, &log(1), &add("site=1/theirs.parquet"));
    write(&server, "data/site=1/theirs.parquet", "rows");
    write(&server, "data/site=1/unknown.parquet", "rows");
    let exported = run(delta(), 30).await.result.expect("exported");
    let manifest = exported.manifest.expect("a log");
    assert!(manifest.ends_with(&log(2)), "{manifest}");
    let text = std::fs::read_to_string(server.file(&log(2))).expect("there");
    assert_eq!(text.matches("{\"remove\":").count(), 4, "{text}");
    let keys = server.keys();
    for key in others
        .iter()
        .copied()
        .chain(["data/site=1/unknown.parquet"])
    {
        assert!(keys.contains(&key.to_owned()), "{key}: {keys:?}");
    }
    assert!(
        !keys.contains(&"data/site=1/theirs.parquet".into()),
        "{keys:?}"
    );
    let parts = keys.iter().filter(|key| key.starts_with("data/site="));
    assert_eq!(parts.count(), 3 + 1, "{keys:?}");
    // Other layouts do not mix with its directories.
    let mixed = ExportSpec {
        partition_by: vec![1],
        overwrite: true,
        ..parquet(place(&server, "data"))
    };
    let error = run(mixed, 10).await.result.expect_err("a table is there");
    assert!(matches!(error, TransferError::Exists(_)), "{error}");
    assert_eq!(server.keys(), keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slash_at_the_end_means_a_directory() {
    let server = S3Server::start();
    let spec = || csv(place(&server, "dir/"), Compression::None);
    let exported = run(spec(), 10).await.result.expect("exported");
    assert_eq!(server.keys(), ["dir/.manifest", "dir/part_00000"]);
    assert_eq!(
        exported.manifest.as_deref(),
        Some("s3://bucket/dir/.manifest")
    );
    let error = run(spec(), 10).await.result.expect_err("there is one");
    assert!(matches!(error, TransferError::Exists(_)), "{error}");
    for prefix in ["dir/", "dir"] {
        let files = files_of(&place(&server, prefix), Which::Prefix).await;
        assert_eq!(files.expect("files").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_of_others_are_not_listed() {
    let server = S3Server::start();
    let asked = async |path: &str, overwrite| {
        let before = server
            .faults
            .requests
            .load(std::sync::atomic::Ordering::Relaxed);
        let spec = ExportSpec {
            overwrite,
            ..csv(place(&server, path), Compression::None)
        };
        let result = run(spec, 10).await.result;
        let after = server
            .faults
            .requests
            .load(std::sync::atomic::Ordering::Relaxed);
        (after - before, result)
    };
    let (few, result) = asked("empty", false).await;
    result.expect("exported");
    // Pages are of a thousand.
    for n in 0..3_500 {
        write(&server, &format!("full/deep/{n}"), "x");
        write(&server, &format!("full-{n}"), "x");
        write(&server, &format!("old.part_{n:05}"), "x");
    }
    let (many, result) = asked("full", false).await;
    result.expect("exported");
    assert_eq!(many, few);
    let (first, result) = asked("old", false).await;
    result.expect_err("there is one");
    assert!(first <= few, "{first}");
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_are_limited_in_number() {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = ExportSpec {
        partition_by: vec![0],
        ..csv(
            Place::local(dir.path(), "p").expect("opens"),
            Compression::None,
        )
    };
    let delivery = run(spec, 10_001).await;
    let error = delivery.result.expect_err("too many");
    assert!(error.to_string().contains("10000"), "{error}");
    assert_eq!(delivery.left, Vec::<String>::new());
    assert!(!dir.path().join("p.manifest").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_has_left_in_a_directory_goes() {
    let dir = tempfile::tempdir().expect("a directory");
    let left = ["p.part_00000#1", "p.manifest#2", "p/x=1/part_00007#1"];
    std::fs::create_dir_all(dir.path().join("p/x=1")).expect("made");
    for name in left.iter().chain(&["p.other#1", "p.part_00000#"]) {
        std::fs::write(dir.path().join(name), "half").expect("written");
    }
    let spec = |overwrite| ExportSpec {
        overwrite,
        ..csv(
            Place::local(dir.path(), "p").expect("opens"),
            Compression::None,
        )
    };
    run(spec(false), 10)
        .await
        .result
        .expect("such are no files");
    assert!(left.iter().all(|name| dir.path().join(name).exists()));
    run(spec(true), 10).await.result.expect("exported");
    assert!(!left.iter().any(|name| dir.path().join(name).exists()));
    assert!(dir.path().join("p.other#1").exists() && dir.path().join("p.part_00000#").exists());
}
