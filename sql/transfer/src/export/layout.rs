//! Names: of files, of the manifest, of directories of partitions.

use object_store::path::Path;

/// Which files there are beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// `prefix.part_00000` and so on; with a manifest `prefix.manifest`, written last.
    Parts { manifest: bool, extension: String },
    /// One file of the name given, of any size.
    Single,
    /// A Delta table in the directory `prefix`.
    Delta,
}

/// Hive's name of the directory of NULL.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

impl Layout {
    pub(super) fn part(
        &self,
        prefix: &Path,
        number: usize,
        partition: &[(String, Option<String>)],
    ) -> Path {
        let (extension, inside) = match self {
            Self::Single => return prefix.clone(),
            Self::Delta => (".parquet", true),
            Self::Parts { extension, .. } => (extension.as_str(), !partition.is_empty()),
        };
        if !inside {
            return verbatim(format!("{prefix}.part_{number:05}{extension}"));
        }
        let mut path = prefix.to_string();
        for (name, value) in partition {
            path.push('/');
            path.push_str(&directory(name, value.as_deref()));
        }
        verbatim(format!("{path}/part_{number:05}{extension}"))
    }

    pub(super) fn manifest(&self, prefix: &Path) -> Option<Path> {
        match self {
            Self::Parts { manifest: true, .. } => Some(verbatim(format!("{prefix}.manifest"))),
            Self::Parts { .. } | Self::Single => None,
            Self::Delta => Some(verbatim(format!("{prefix}/_delta_log/{:020}.json", 0))),
        }
    }

    /// Whether a file that is there belongs to an export of this prefix.
    pub(super) fn owns(&self, prefix: &Path, path: &Path) -> bool {
        self.owns_name(prefix.as_ref(), path.as_ref())
    }

    /// The same of the texts of paths or URLs.
    pub(super) fn owns_name(&self, prefix: &str, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(prefix) else {
            return false;
        };
        match self {
            Self::Single => rest.is_empty(),
            Self::Delta => rest.starts_with('/'),
            Self::Parts { .. } => {
                rest == ".manifest" || is_part(rest, ".part_") || {
                    let name = rest.rsplit('/').next().unwrap_or_default();
                    rest.starts_with('/') && is_part(name, "part_")
                }
            }
        }
    }
}

/// `part_` and digits, whatever the extension.
fn is_part(name: &str, begin: &str) -> bool {
    name.strip_prefix(begin)
        .and_then(|rest| rest.get(..5))
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
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
        let prefix = Path::from("a/p");
        let path = parts().part(&prefix, 7, &[]);
        assert_eq!(path.as_ref(), "a/p.part_00007.gz");
        let manifest = parts().manifest(&prefix).expect("there is one");
        assert_eq!(manifest.as_ref(), "a/p.manifest");
        assert_eq!(Layout::Single.part(&prefix, 0, &[]).as_ref(), "a/p");
    }

    #[test]
    fn directories_of_partitions_are_hives() {
        let partition = [
            ("site".to_owned(), Some("a/b=ü".to_owned())),
            ("d".to_owned(), None),
        ];
        let path = parts().part(&Path::from("p"), 0, &partition);
        let expected = "p/site=a%2Fb%3D%C3%BC/d=__HIVE_DEFAULT_PARTITION__/part_00000.gz";
        assert_eq!(path.as_ref(), expected);
        let up = parts().part(&Path::from("p"), 0, &[("x".into(), Some("..".into()))]);
        assert_eq!(up.as_ref(), "p/x=../part_00000.gz");
    }

    #[test]
    fn only_what_an_export_wrote_is_its_own() {
        let prefix = Path::from("a/p");
        let owns = |name: &str| parts().owns(&prefix, &Path::from(name));
        assert!(owns("a/p.part_00000") && owns("a/p.manifest"));
        assert!(owns("a/p/x=1/part_00000.parquet"));
        assert!(!owns("a/p.part_0x") && !owns("a/p.csv") && !owns("a/p") && !owns("a/q"));
        assert!(!owns("a/p/notes.txt"));
    }
}
