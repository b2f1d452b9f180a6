//! Names: of files, of the manifest, of directories of partitions.

use object_store::path::Path;

/// Which files there are beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// `prefix.part_00000` and so on; with a manifest `prefix.manifest`, written last. Behind a prefix that ends
    /// with a slash, `prefix/part_00000` and `prefix/.manifest`.
    Parts { manifest: bool, extension: String },
    /// One file of the name given, of any size.
    Single,
    /// A Delta table in the directory `prefix`. Its files are `part_00000.<word>.parquet`: exports of other servers
    /// that are under way to the same table have other words, so that none writes over another's.
    Delta,
}

/// Hive's name of the directory of NULL.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// The directory of a Delta table's log.
pub(super) const DELTA_LOG: &str = "_delta_log";

impl Layout {
    /// `word`: one that no other export has.
    pub(super) fn part(
        &self,
        prefix: &str,
        (number, word): (usize, &str),
        partition: &[(String, Option<String>)],
    ) -> Path {
        let (extension, inside) = match self {
            Self::Single => return verbatim(prefix.to_owned()),
            Self::Delta => (format!(".{word}.parquet"), true),
            Self::Parts { extension, .. } => (extension.clone(), !partition.is_empty()),
        };
        if !inside {
            return verbatim(format!("{}part_{number:05}{extension}", stem(prefix)));
        }
        let mut path = inner(prefix);
        for (name, value) in partition {
            path.push_str(&directory(name, value.as_deref()));
            path.push('/');
        }
        verbatim(format!("{path}part_{number:05}{extension}"))
    }

    /// Not of tables: their log has a file for every version.
    pub(super) fn manifest(&self, prefix: &str) -> Option<Path> {
        match self {
            Self::Parts { manifest: true, .. } => Some(manifest_beside(prefix)),
            _ => None,
        }
    }

    /// Whether a file that is there belongs to an export of this prefix.
    pub(super) fn owns(&self, prefix: &str, path: &Path) -> bool {
        self.owns_name(prefix, path.as_ref())
    }

    /// The same of the texts of paths or URLs. Other exports may be below the same directory.
    pub(super) fn owns_name(&self, prefix: &str, name: &str) -> bool {
        let below = |directory: String| name.strip_prefix(&directory);
        match self {
            Self::Single => name == prefix,
            Self::Delta => below(inner(prefix)).is_some_and(|rest| {
                let log = rest.strip_prefix(DELTA_LOG);
                log.is_some_and(|log| log.starts_with('/'))
                    || is_data(rest, 0) && rest.ends_with(".parquet")
            }),
            Self::Parts { .. } => {
                name == format!("{prefix}.manifest")
                    || below(stem(prefix)).is_some_and(is_part)
                    || below(inner(prefix)).is_some_and(|rest| is_data(rest, 1))
            }
        }
    }

    /// What names begin with that may be those of an export of this prefix, but for the manifest and for files
    /// in directories of partitions.
    pub(super) fn beginnings(&self, prefix: &str) -> Vec<String> {
        match self {
            Self::Single => Vec::new(),
            Self::Delta => {
                let directory = inner(prefix);
                vec![
                    format!("{directory}{DELTA_LOG}/"),
                    format!("{directory}part_"),
                ]
            }
            Self::Parts { .. } => vec![format!("{}part_", stem(prefix))],
        }
    }
}

pub(super) fn manifest_beside(prefix: &str) -> Path {
    verbatim(format!("{prefix}.manifest"))
}

/// What stands before `part_00000`.
fn stem(prefix: &str) -> String {
    match prefix.is_empty() || prefix.ends_with('/') {
        true => prefix.to_owned(),
        false => format!("{prefix}."),
    }
}

/// The directory of partitions, and of a table.
pub(super) fn inner(prefix: &str) -> String {
    match prefix.trim_end_matches('/') {
        "" => String::new(),
        whole => format!("{whole}/"),
    }
}

/// Whether all between a prefix and what is below it could be directories of its partitions.
pub(super) fn is_partition_of(prefix: &str, name: &str) -> bool {
    let rest = name.strip_prefix(&inner(prefix));
    let rest = rest.map(|rest| rest.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.split('/').all(is_directory))
}

/// `column=value/part_00000`, of at least so many columns.
fn is_data(rest: &str, columns: usize) -> bool {
    let mut names: Vec<&str> = rest.split('/').collect();
    let file = names.pop().unwrap_or_default();
    is_part(file) && names.len() >= columns && names.into_iter().all(is_directory)
}

fn is_directory(name: &str) -> bool {
    name.split_once('=')
        .is_some_and(|(column, _)| !column.is_empty())
}

/// `part_` and digits, whatever the extension.
fn is_part(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("part_") else {
        return false;
    };
    let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() - behind.len() >= 5
        && (behind.is_empty() || behind.starts_with('.'))
        && !behind.contains('/')
}

/// A path as it is written: `Path::from` would encode its percent signs.
fn verbatim(text: String) -> Path {
    Path::parse(&text).unwrap_or_else(|_| Path::from(text))
}

/// `column=value`, with what means something in paths percent-encoded as Hive does it.
fn directory(name: &str, value: Option<&str>) -> String {
    let value = match value {
        None | Some("") => HIVE_NULL.to_owned(),
        Some(value) => encoded(value),
    };
    format!("{}={value}", encoded(name))
}

pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b' ' | b'.' | b',' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Layout {
        Layout::Parts {
            manifest: true,
            extension: ".gz".into(),
        }
    }

    #[test]
    fn parts_and_manifest_are_named_as_aurora_names_them() {
        let path = parts().part("a/p", (7, "w"), &[]);
        assert_eq!(path.as_ref(), "a/p.part_00007.gz");
        let manifest = parts().manifest("a/p").expect("there is one");
        assert_eq!(manifest.as_ref(), "a/p.manifest");
        assert_eq!(Layout::Single.part("a/p", (0, "w"), &[]).as_ref(), "a/p");
        assert_eq!(
            parts().part("a/", (7, "w"), &[]).as_ref(),
            "a/part_00007.gz"
        );
        let path = Layout::Delta.part("a/p", (7, "w"), &[]);
        assert_eq!(path.as_ref(), "a/p/part_00007.w.parquet");
        assert!(Layout::Delta.owns("a/p", &path));
        let manifest = parts().manifest("a/").expect("there is one");
        assert_eq!(manifest.as_ref(), "a/.manifest");
    }

    #[test]
    fn directories_of_partitions_are_hives() {
        let partition = [
            ("site".to_owned(), Some("a/b=ü".to_owned())),
            ("d".to_owned(), None),
        ];
        for prefix in ["p", "p/"] {
            let path = parts().part(prefix, (0, "w"), &partition);
            let expected = "p/site=a%2Fb%3D%C3%BC/d=__HIVE_DEFAULT_PARTITION__/part_00000.gz";
            assert_eq!(path.as_ref(), expected);
        }
        let up = parts().part("p", (0, "w"), &[("x".into(), Some("..".into()))]);
        assert_eq!(up.as_ref(), "p/x=../part_00000.gz");
    }

    #[test]
    fn only_what_an_export_wrote_is_its_own() {
        let owns = |name: &str| parts().owns("a/p", &Path::from(name));
        assert!(owns("a/p.part_00000") && owns("a/p.manifest") && owns("a/p.part_123456.gz"));
        assert!(owns("a/p/x=1/part_00000.parquet") && owns("a/p/x=1/y=/part_00000"));
        assert!(!owns("a/p.part_0x") && !owns("a/p.csv") && !owns("a/p") && !owns("a/q"));
        assert!(!owns("a/p.part_00000-old") && !owns("a/p.part_00000.d/x"));
        assert!(!owns("a/p/notes.txt"));
        // Another export, and a table, below the same directory.
        assert!(!owns("a/p/site1/d=1/part_00000") && !owns("a/p/part_00000.parquet"));
        let owns = |name: &str| parts().owns("a/p/", &Path::from(name));
        assert!(owns("a/p/part_00000") && owns("a/p/.manifest") && owns("a/p/x=1/part_00000"));
        assert!(!owns("a/p/b.part_00000") && !owns("a/p/q/part_00000"));
        let owns = |name: &str| Layout::Delta.owns("a/p", &Path::from(name));
        assert!(owns("a/p/_delta_log/00000000000000000000.json"));
        assert!(owns("a/p/part_00000.parquet") && owns("a/p/x=1/part_00000.parquet"));
        assert!(!owns("a/p/logs/2026.csv") && !owns("a/p/site1/d=1/part_00000"));
        assert!(!owns("a/p.part_00000"));
    }
}
