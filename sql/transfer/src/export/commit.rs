//! The next version of a Delta table's log. Whoever else writes to the table takes the same name for it, so that the
//! first who comes has the version; all others begin again.
//!
//! INVARIANT: a version that may be another's is neither written over nor removed.

use std::time::Duration;

use object_store::PutPayload;
use object_store::path::Path;

use super::spec::ExportSpec;
use super::table::Table;
use crate::error::{Result, TransferError};

/// Times that a version is written that did not arrive: a request with a condition is not repeated by itself when
/// its connection breaks off.
const TRIES: u32 = 4;

/// `begun` is called with false when the version is known not to be this export's.
pub(super) async fn commit(
    spec: &ExportSpec,
    table: &Table,
    (path, text): (&Path, &str),
    begun: impl Fn(bool),
) -> Result<()> {
    let place = &spec.place;
    let mut tries = 1;
    loop {
        let content = PutPayload::from(text.as_bytes().to_vec());
        let Err(error) = place.create(path, content).await else {
            return Ok(());
        };
        // The answer may have been lost, and not what was sent.
        match place.read(path).await {
            Ok(there) if there == text.as_bytes() => return Ok(()),
            Ok(_) => {
                begun(false);
                let why = format!(
                    "somebody else has written version {} of the Delta table meanwhile ('{}'): \
                     nothing was overwritten",
                    table.next_version(),
                    place.url_of(path)
                );
                let place = place.url();
                return Err(TransferError::Place { place, why });
            }
            Err(TransferError::Missing(_)) if tries >= TRIES => {
                begun(false);
                return Err(error);
            }
            Err(TransferError::Missing(_)) => {}
            // Nobody knows whose it is.
            Err(_) => return Err(error),
        }
        tokio::time::sleep(Duration::from_millis(50) * tries).await;
        tries += 1;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::cancel::Cancel;
    use crate::export::testing::{rows, run, spec};
    use crate::export::{Delivery, Encoding, Layout};
    use crate::place::fake::{Fake, Fate};

    fn version(number: u64) -> String {
        format!("t/_delta_log/{number:020}.json")
    }

    async fn overwrite(fake: &Fake) -> Delivery {
        let spec = ExportSpec {
            layout: Layout::Delta,
            encoding: Encoding::Parquet,
            overwrite: true,
            ..spec(fake.place("t"))
        };
        run(spec, vec![rows(&[b"a"])], Cancel::default()).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_version_that_somebody_else_writes_meanwhile_stays() {
        for is_plain in [false, true] {
            let fake = Fake::default();
            if is_plain {
                fake.without_conditions();
            }
            overwrite(&fake).await.result.expect("exported");
            let before = fake.keys().await;
            let other = fake.clone();
            // When its files are on their way.
            fake.rule(move |request| {
                if request.starts_with("put t/part_") {
                    other.insert(&version(1), "{\"add\":{\"path\":\"theirs.parquet\"}}");
                }
                Fate::Done
            });
            let delivery = overwrite(&fake).await;
            let error = delivery.result.expect_err("another was first").to_string();
            assert!(
                error.contains("version 1") && error.contains(&version(1)),
                "{error}"
            );
            assert_eq!(delivery.left, Vec::<String>::new());
            let text = fake.place("").read(&Path::from(version(1))).await;
            let text = text.expect("it is there");
            assert!(text.starts_with(b"{\"add\":{\"path\":\"theirs"), "{text:?}");
            // The table's own file and log are there, and nothing of the export that failed.
            let mut expected = before;
            expected.push(version(1));
            expected.sort();
            assert_eq!(fake.keys().await, expected);
            fake.rule(|_| Fate::Done);
            let again = overwrite(&fake).await.result.expect("exported");
            assert!(again.manifest.expect("a log").ends_with(&version(2)));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_version_that_may_be_anothers_is_not_removed() {
        let fake = Fake::default();
        overwrite(&fake).await.result.expect("exported");
        let log = version(1);
        let (put, get) = (format!("put {log}"), format!("get {log}"));
        fake.rule(move |request| match request == put || request == get {
            true => Fate::Fails,
            false => Fate::Done,
        });
        let delivery = overwrite(&fake).await;
        delivery.result.expect_err("nothing is known of it");
        assert_eq!(delivery.left.len(), 2, "{:?}", delivery.left);
        let done = fake.done();
        assert!(
            !done.iter().any(|done| done.starts_with("delete")),
            "{done:?}"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_table_is_configured_to_be_it_stays() {
        let fake = Fake::default();
        overwrite(&fake).await.result.expect("exported");
        let metadata = |configuration: &str| {
            format!("{{\"metaData\":{{\"id\":\"x\",\"configuration\":{configuration}}}}}")
        };
        let kept = r#"{"delta.logRetentionDuration":"interval 9 days","owner":"us"}"#;
        let mapped = r#"{"delta.logRetentionDuration":"interval 9 days","owner":"us",
            "delta.columnMapping.mode":"name"}"#;
        fake.insert(&version(1), &metadata(mapped));
        overwrite(&fake).await.result.expect("exported");
        let text = fake.place("").read(&Path::from(version(2))).await;
        let text = text.expect("it is there");
        let mut actions = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
        let found = actions.find_map(|action| {
            let action = action.expect("JSON");
            action.pointer("/metaData/configuration").cloned()
        });
        let kept: Value = serde_json::from_str(kept).expect("JSON");
        assert_eq!(found, Some(kept));
        // A table that only grows is not overwritten.
        fake.insert(&version(3), &metadata(r#"{"delta.appendOnly":"True"}"#));
        let before = fake.keys().await;
        let error = overwrite(&fake).await.result.expect_err("refused");
        assert!(error.to_string().contains("delta.appendOnly"), "{error}");
        assert_eq!(fake.keys().await, before);
    }
}
