//! Servers that fail: an export is whole or absent.

use std::sync::atomic::Ordering;

use storno_transfer::{Compression, ExportSpec, Location, Place, TransferError, Which, files_of};

use crate::s3::{BUCKET, S3Server, SECRET_KEY};
use crate::setting::{credentials, csv, parquet, patience, place, reach, run};

fn runs() -> u64 {
    let asked = std::env::var("STORNO_EXPORT_FAULT_RUNS").ok();
    asked.and_then(|runs| runs.parse().ok()).unwrap_or(100)
}

/// Whether all that the manifest names is there; `None`: there is no manifest.
async fn is_whole(place: &Place) -> Option<bool> {
    let manifest = place.at(format!("{}.manifest", place.path()).into());
    match files_of(&manifest, Which::Manifest).await {
        Err(TransferError::Missing(name)) if name.ends_with(".manifest") => None,
        files => Some(files.is_ok()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_faults_the_manifest_is_there_iff_all_parts_are() {
    let server = S3Server::start();
    let (mut whole, mut absent) = (0, 0);
    for seed in 0..runs() {
        let prefix = format!("run{seed}/p");
        let place = place(&server, &prefix);
        server.faults.seed(seed + 1);
        // From what retries can bear to what they cannot.
        let per_mille = [20, 100, 250, 450, 650][seed as usize % 5];
        server.faults.per_mille.store(per_mille, Ordering::Relaxed);
        let spec = match seed % 2 {
            0 => parquet(place.clone()),
            _ => csv(place.clone(), Compression::None),
        };
        let spec = ExportSpec {
            part_bytes: 9 << 20,
            ..spec
        };
        let delivery = run(spec, 150_000).await;
        server.faults.per_mille.store(0, Ordering::Relaxed);
        let keys: Vec<String> = server.keys();
        let own: Vec<&String> = keys.iter().filter(|key| key.starts_with(&prefix)).collect();
        match (&delivery.result, is_whole(&place).await) {
            (Ok(exported), Some(true)) => {
                whole += 1;
                assert_eq!(own.len(), exported.files.len() + 1, "run {seed}: {own:?}");
                assert_eq!(exported.rows, 150_000, "run {seed}");
            }
            (Err(_), None) => {
                absent += 1;
                let left = delivery.left.len();
                assert!(
                    own.len() <= left,
                    "run {seed}: {own:?}, told of {:?}",
                    delivery.left
                );
            }
            (result, found) => panic!("run {seed}: {result:?}, manifest {found:?}"),
        }
        if own.is_empty() {
            continue;
        }
        // Again over whatever is there, without faults.
        let again = ExportSpec {
            overwrite: true,
            ..parquet(place.clone())
        };
        run(again, 1_000).await.result.expect("exported");
        assert_eq!(is_whole(&place).await, Some(true), "run {seed}");
    }
    let failed = server.faults.failed.load(Ordering::Relaxed);
    println!("{whole} whole, {absent} absent, {failed} requests failed");
    assert!(whole > 0 && failed > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials_end_the_export_without_a_manifest() {
    let server = S3Server::start();
    server.faults.expired.store(true, Ordering::Relaxed);
    let error = run(parquet(place(&server, "e")), 1_000)
        .await
        .result
        .expect_err("refused");
    assert!(error.to_string().contains("ExpiredToken"), "{error}");
    server.faults.expired.store(false, Ordering::Relaxed);
    assert_eq!(server.keys(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_ends_the_export() {
    let server = S3Server::start();
    server.faults.dead.store(true, Ordering::Relaxed);
    let error = run(parquet(place(&server, "e")), 1_000)
        .await
        .result
        .expect_err("gone");
    assert!(matches!(error, TransferError::Store { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_refused_and_not_repeated() {
    let server = S3Server::start();
    let mut wrong = credentials();
    wrong.secret = Some(format!("{SECRET_KEY}-wrong"));
    let mut location = Location::parse(&format!("s3://{BUCKET}/p")).expect("a URL");
    location.endpoint = Some(server.endpoint());
    let place = Place::open(&location, &wrong, &reach(&server), patience()).expect("opens");
    let error = run(parquet(place), 10).await.result.expect_err("refused");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("SignatureDoesNotMatch"), "{shown}");
    assert!(!shown.contains(SECRET_KEY), "{shown}");
}
