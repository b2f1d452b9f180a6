//! What is to be exported, and what became of it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::Layout;
use super::layout::is_partition_of;
use crate::error::{Result, TransferError};
use crate::place::{Place, Site};
use crate::text::{CellText, TextRules};

/// How rows become bytes.
#[derive(Debug, Clone)]
pub enum Encoding {
    /// Typed columns, compressed with zstd.
    Parquet,
    /// Lines of text.
    Text {
        rules: TextRules,
        header: bool,
        compression: Compression,
    },
    /// One row's values one after the other, nothing between them.
    Dump,
}

/// Of text files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// An export as asked for.
#[derive(Debug, Clone)]
pub struct ExportSpec {
    pub place: Place,
    pub layout: Layout,
    pub encoding: Encoding,
    pub schema: SchemaRef,
    pub cells: Arc<dyn CellText>,
    /// Columns whose values name directories; they are left out of the files.
    pub partition_by: Vec<usize>,
    /// What is there goes when the new is there as a whole.
    pub overwrite: bool,
    /// Bytes of a file that are not exceeded; one load of rows fits in any case.
    pub part_bytes: u64,
    /// Threads that encode.
    pub threads: usize,
}

/// All names that an export may give to files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// What is addressed, and not how it is spelled: there are several URLs of one bucket.
    site: Site,
    path: String,
    layout: Layout,
}

impl Names {
    /// Whether files of the two could have one name.
    pub fn meet(&self, other: &Self) -> bool {
        let owns = |a: &Self, b: &Self| {
            a.layout.owns_name(&a.path, &b.path) || is_partition_of(&a.path, &b.path)
        };
        let same = self.path.trim_end_matches('/') == other.path.trim_end_matches('/');
        self.site == other.site && (same || owns(self, other) || owns(other, self))
    }
}

impl ExportSpec {
    pub fn names(&self) -> Names {
        let (site, path) = self.place.address();
        Names {
            site,
            path,
            layout: self.layout.clone(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |why: &str| Err(TransferError::Encode(why.into()));
        let all = self.schema.fields().len();
        if self.partition_by.iter().any(|column| *column >= all) {
            return refuse("PARTITION BY names a column that is not there");
        }
        if self.partition_by.len() >= all {
            return refuse("PARTITION BY leaves no column for the files");
        }
        if matches!(self.layout, Layout::Single) && !self.partition_by.is_empty() {
            return refuse("a single file cannot be partitioned");
        }
        if matches!(self.layout, Layout::Delta) && !matches!(self.encoding, Encoding::Parquet) {
            return refuse("a Delta table consists of Parquet files");
        }
        match matches!(self.encoding, Encoding::Parquet) {
            true => super::schema::check_names(&self.schema),
            false => Ok(()),
        }
    }
}

/// A file that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFile {
    pub path: object_store::path::Path,
    pub bytes: u64,
    pub rows: u64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Column names and values of its directory; `None`: NULL.
    pub partition: Vec<(String, Option<String>)>,
    /// Statistics as the Delta protocol has them.
    pub(super) stats: Option<String>,
}

/// An export that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    pub files: Vec<PartFile>,
    pub rows: u64,
    pub bytes: u64,
    /// Where the manifest is, if one was asked for.
    pub manifest: Option<String>,
}

/// How an export ended: what was delivered, or an error and what could not be removed.
#[derive(Debug)]
pub struct Delivery {
    pub result: Result<Exported>,
    /// Files of the failed export that may still be there.
    pub left: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::spec;
    use crate::place::{Credentials, Endpoint, Location, Patience, Reach};

    #[test]
    fn exports_to_one_object_meet_however_it_is_spelled() {
        let own = ["http://127.0.0.1:9000", "http://127.0.0.1:9001"];
        let reach = Reach {
            endpoints: own
                .map(|text| text.parse::<Endpoint>().expect("reads"))
                .to_vec(),
            ambient: false,
        };
        let credentials = Credentials {
            id: Some("x".into()),
            secret: Some("y".into()),
            ..Credentials::default()
        };
        // As a link does: the endpoint is in no URL.
        let names = |url: &str, endpoint: Option<&str>| {
            let mut location = Location::parse(url).expect("a URL");
            location.endpoint = location.endpoint.or(endpoint.map(str::to_owned));
            let place = Place::open(&location, &credentials, &reach, Patience::default());
            spec(place.expect("opens")).names()
        };
        let [first, second] = own;
        let amazon = "https://s3.us-east-2.amazonaws.com";
        for (url, endpoint, other, other_endpoint, meets) in [
            ("s3://b/x", None, "s3-us-east-1://b/x", None, true),
            ("s3://b/x", None, "s3://b/x", Some(amazon), true),
            (
                "s3://b/x",
                Some(first),
                "http://127.0.0.1:9000/b/x/",
                None,
                true,
            ),
            (
                "s3://b/x",
                Some(first),
                "http://127.0.0.1:9000/b/x/d=1",
                None,
                true,
            ),
            ("s3://b/x", Some(first), "s3://b/x", Some(second), false),
            ("s3://b/x", Some(first), "s3://b/x", None, false),
            ("s3://b/x", Some(first), "s3://c/x", Some(first), false),
            ("s3://b/x", None, "gs://b/x", None, false),
        ] {
            let (one, two) = (names(url, endpoint), names(other, other_endpoint));
            assert_eq!(one.meet(&two), meets, "{url} {other}");
            assert_eq!(two.meet(&one), meets, "{url} {other}");
        }
    }

    #[test]
    fn exports_below_each_other_meet_only_in_partitions() {
        let parts = |url: &str| Names {
            site: Site::Here,
            path: url.into(),
            layout: Layout::Parts {
                manifest: true,
                extension: String::new(),
            },
        };
        let all = parts("s3://b/exports");
        for (url, meets) in [
            ("s3://b/exports", true),
            ("s3://b/exports/", true),
            ("s3://b/exports/d=1", true),
            ("s3://b/exports/d=1/e=2/", true),
            ("s3://b/exports.part_00000", true),
            ("s3://b/exports/site1", false),
            ("s3://b/exports/site1/d=1", false),
            ("s3://b/exports2", false),
        ] {
            assert_eq!(all.meet(&parts(url)), meets, "{url}");
            assert_eq!(parts(url).meet(&all), meets, "{url}");
        }
    }
}
