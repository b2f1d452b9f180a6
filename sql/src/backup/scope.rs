//! Which settings go along with the tables.
//!
//! Of everything: accounts with the hashes of their passwords, the hashes of tokens, variables, views, and links
//! without their keys: whoever finds a backup must not get into other places by it. Of one database: its views.
//! Keys of pseudonyms, which are files of their own, never: they would outlive their time there.

use storno_storage::BackupScope;

use crate::export::{Links, link};
use crate::views::{self, Views};

pub(super) fn scope(database: Option<String>, flush: bool) -> BackupScope {
    let only = database.clone();
    BackupScope {
        schema: database,
        flush,
        property: Box::new(move |key, value| match (&only, key) {
            (None, link::PROPERTY) => Links::without_credentials(value),
            (None, _) => Some(value.to_owned()),
            (Some(database), views::PROPERTY) => Views::of_database(value, database),
            (Some(_), _) => None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_of_a_link_goes_along() {
        let links = r#"{"l": {"kind": "S3", "config": "{\"region\": \"x\"}", "description": "d",
            "credentials": {"id": "AK", "secret": "CANARY", "token": "CANARY"}}}"#;
        let kept = (scope(None, true).property)("links", links).expect("kept");
        assert!(!kept.contains("CANARY") && !kept.contains("AK"), "{kept}");
        assert!(kept.contains("region"), "{kept}");
        assert_eq!(
            (scope(None, true).property)("links", "no JSON: CANARY"),
            None
        );
        assert_eq!(
            (scope(None, true).property)("accounts", "[]").as_deref(),
            Some("[]")
        );
    }

    #[test]
    fn a_database_takes_its_views_along_and_nothing_of_the_server() {
        let one = scope(Some("a".into()), true);
        for key in [
            "accounts",
            "links",
            "ingest_tokens",
            "variables",
            "anything",
        ] {
            assert_eq!((one.property)(key, "{}"), None, "{key}");
        }
        let views = r#"{"databases": {"a": {}, "b": {}}}"#;
        let kept = (one.property)("views", views).expect("kept");
        assert!(kept.contains("\"a\"") && !kept.contains("\"b\""), "{kept}");
    }
}
