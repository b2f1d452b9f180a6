//! Files that are read: whole ones, and those that are something else.

use std::io::Read;

use storno_transfer::{
    Cancel, Compression, ExportSpec, FileReader, Location, ParquetFile, Place, TransferError,
    Which, files_of,
};

use crate::s3::S3Server;
use crate::setting::{credentials, csv, parquet, patience, place, reach, run};

/// Whether the files of the manifest `m` can be opened and read to their ends.
async fn read_all(server: &S3Server, is_parquet: bool) -> Result<usize, String> {
    let place = place(server, "m");
    let files = files_of(&place, Which::Manifest).await;
    let files = files.map_err(|e| e.to_string())?;
    let handle = tokio::runtime::Handle::current();
    let read = move || -> Result<usize, String> {
        if is_parquet {
            let file = files.into_iter().next().expect("a file");
            let opened = ParquetFile::open(place, file, handle, Cancel::default());
            return opened
                .map(|file| file.rows() as usize)
                .map_err(|e| e.to_string());
        }
        let mut reader = FileReader::new(place, files, handle, Cancel::default());
        let read = reader.read_to_end(&mut Vec::new());
        read.map_err(|e| e.to_string())
    };
    tokio::task::spawn_blocking(read).await.expect("ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_one_after_the_other() {
    let server = S3Server::start();
    let spec = ExportSpec {
        part_bytes: 5 << 20,
        ..csv(place(&server, "x"), Compression::None)
    };
    let exported = run(spec, 300_000).await.result.expect("exported");
    assert!(exported.files.len() > 1);
    server
        .faults
        .per_mille
        .store(100, std::sync::atomic::Ordering::Relaxed);
    let whole = place(&server, "x");
    let files = files_of(&whole.at("x.manifest".into()), Which::Manifest)
        .await
        .expect("files");
    let handle = tokio::runtime::Handle::current();
    let read = move || {
        let mut text = Vec::new();
        let mut reader = FileReader::new(whole, files, handle, Cancel::default());
        reader.read_to_end(&mut text).map(|_| text)
    };
    let text = tokio::task::spawn_blocking(read)
        .await
        .expect("ends")
        .expect("reads");
    let mut expected = Vec::new();
    for file in &exported.files {
        expected.extend(std::fs::read(server.file(file.path.as_ref())).expect("there"));
    }
    assert!(text == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_leads_elsewhere_or_lies_is_refused() {
    let server = S3Server::start();
    run(csv(place(&server, "x"), Compression::None), 10)
        .await
        .result
        .expect("exported");
    let write = |text: &str| std::fs::write(server.file("m"), text).expect("written");
    let read = async || files_of(&place(&server, "m"), Which::Manifest).await;
    write(
        r#"{"entries":[{"url":"s3://bucket/x.part_00000"},{"url":"s3://bucket/y","mandatory":false}]}"#,
    );
    assert_eq!(read().await.expect("files").len(), 1);
    for text in [
        r#"{"entries":[{"url":"s3://other/x.part_00000"}]}"#,
        r#"{"entries":[{"url":"file:///etc/passwd"}]}"#,
        r#"{"entries":[{"url":"s3://bucket/missing"}]}"#,
        r#"{"entries":[{"url":"s3://bucket/x.part_00000","meta":{"content_length":1}}]}"#,
        "{}",
        "",
    ] {
        write(text);
        assert!(read().await.is_err(), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_read_however_its_bucket_is_spelled() {
    let server = S3Server::start();
    run(csv(place(&server, "x"), Compression::None), 10)
        .await
        .result
        .expect("exported");
    // The link of the setting, and the server itself.
    let direct = Location::parse(&format!("{}/bucket/m", server.endpoint())).expect("a URL");
    let direct = Place::open(&direct, &credentials(), &reach(&server), patience());
    let places = [place(&server, "m"), direct.expect("opens")];
    let other = S3Server::start();
    for (base, is_own) in [
        ("s3://bucket".to_owned(), true),
        ("s3-us-east-2://bucket".to_owned(), true),
        (format!("{}/bucket", server.endpoint()), true),
        (format!("{}/bucket", other.endpoint()), false),
        (format!("{}/other", server.endpoint()), false),
        ("s3-us-east-2://other".to_owned(), false),
        ("az://bucket".to_owned(), false),
    ] {
        let text = format!(r#"{{"entries":[{{"url":"{base}/x.part_00000"}}]}}"#);
        std::fs::write(server.file("m"), text).expect("written");
        for place in &places {
            let files = files_of(place, Which::Manifest).await;
            match (files, is_own) {
                (Ok(files), true) => assert_eq!(files[0].path.as_ref(), "x.part_00000"),
                (Err(TransferError::Place { .. }), false) => {}
                (files, _) => panic!("{base}: {files:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_what_its_manifest_says_is_not_read_to_its_end() {
    let server = S3Server::start();
    // Files of several pieces.
    let spec = ExportSpec {
        part_bytes: 6 << 20,
        ..csv(place(&server, "x"), Compression::None)
    };
    let exported = run(spec, 300_000).await.result.expect("exported");
    assert!(exported.files.len() > 1);
    let manifest = std::fs::read_to_string(server.file("x.manifest")).expect("there");
    std::fs::write(server.file("m"), &manifest).expect("written");
    let whole = read_all(&server, false).await.expect("whole");
    assert_eq!(whole as u64, exported.bytes);
    let damaged = server.file("x.part_00001");
    let mut bytes = std::fs::read(&damaged).expect("there");
    bytes[7] ^= 1;
    std::fs::write(&damaged, bytes).expect("written");
    let error = read_all(&server, false).await.expect_err("damaged");
    let words = ["x.part_00001", "SHA-256"];
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
    // Other systems' manifests say less, or something else.
    for (from, to) in [("sha256", "other"), ("\"sha256\":\"", "\"sha256\":\"-")] {
        std::fs::write(server.file("m"), manifest.replace(from, to)).expect("written");
        read_all(&server, false).await.expect("nothing is compared");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parquet_file_of_other_rows_than_its_manifest_says_is_refused() {
    let server = S3Server::start();
    run(parquet(place(&server, "x")), 10)
        .await
        .result
        .expect("exported");
    let manifest = std::fs::read_to_string(server.file("x.manifest")).expect("there");
    assert!(manifest.contains("\"record_count\":10"), "{manifest}");
    for (to, expected) in [("10", Ok(10)), ("11", Err(())), ("\"many\"", Ok(10))] {
        let to = format!("\"record_count\":{to}");
        let text = manifest.replace("\"record_count\":10", &to);
        std::fs::write(server.file("m"), text).expect("written");
        let read = read_all(&server, true).await;
        assert_eq!(read.as_ref().ok(), expected.as_ref().ok(), "{to}: {read:?}");
        assert!(
            read.err()
                .is_none_or(|error| error.contains("11 by the manifest"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_parquet_file_is_an_error() {
    let server = S3Server::start();
    for bytes in [
        &b""[..],
        b"PAR1PAR1PAR1",
        b"PAR1xxxxxxxxxxxxxxxx\xff\xff\xff\x7fPAR1",
        b"a,b\n1,2\n3,4\n5,6\n",
    ] {
        std::fs::write(server.file("f"), bytes).expect("written");
        let place = place(&server, "f");
        let file = files_of(&place, Which::File)
            .await
            .expect("there")
            .remove(0);
        let handle = tokio::runtime::Handle::current();
        let open = move || ParquetFile::open(place, file, handle, Cancel::default()).map(|_| ());
        let opened = tokio::task::spawn_blocking(open).await.expect("ends");
        assert!(
            matches!(opened, Err(TransferError::Content { .. })),
            "{opened:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_takes_every_key_that_begins_so() {
    let server = S3Server::start();
    for key in [
        "day=2026-01-01/a.csv",
        "day=2026-01-02/b/c.csv",
        "day=2026-01-02/_SUCCESS",
        "logs/a.csv",
        "logs/_temporary/x.csv",
        "logs-old.csv",
    ] {
        let file = server.file(key);
        std::fs::create_dir_all(file.parent().expect("a directory")).expect("made");
        std::fs::write(file, "1").expect("written");
    }
    let found = async |path: &str| {
        let files = files_of(&place(&server, path), Which::Prefix).await;
        let files = files.expect("found").into_iter();
        files.map(|file| file.path.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        found("day=").await,
        ["day=2026-01-01/a.csv", "day=2026-01-02/b/c.csv"]
    );
    assert_eq!(found("logs/").await, ["logs/a.csv"]);
    assert_eq!(found("logs").await, ["logs-old.csv", "logs/a.csv"]);
    let none = files_of(&place(&server, "nothing/"), Which::Prefix).await;
    assert!(matches!(none, Err(TransferError::Missing(_))), "{none:?}");
}
