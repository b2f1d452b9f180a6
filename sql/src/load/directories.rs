//! Values in the names of directories, as Hive and exports with PARTITION BY write them:
//! `prefix/site=7/day=2026-01-01/part_00000.parquet`. The files themselves do not have these columns.

use crate::insert::Scalar;
use crate::types::same_name;

/// A name and its value.
pub(crate) type Given = (String, Scalar);

/// Hive's name of the directory of NULL.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// What the directories of a file say, from the outermost on; of two of one name the inner one holds. `url`: of
/// the file.
pub(crate) fn values_in(url: &str) -> Vec<Given> {
    let directories = url
        .rsplit_once('/')
        .map_or("", |(directories, _)| directories);
    let mut values: Vec<Given> = Vec::new();
    for directory in directories.split('/') {
        let Some((name, value)) = directory.split_once('=').filter(|(n, _)| !n.is_empty()) else {
            continue;
        };
        let name = decoded(name);
        let value = match value {
            NULL => Scalar::Null,
            text => Scalar::Text(decoded(text)),
        };
        values.retain(|(known, _)| !same_name(known, &name));
        values.push((name, value));
    }
    values
}

/// The value that directories give a column.
pub(crate) fn given<'a>(values: &'a [Given], name: &str) -> Option<&'a Scalar> {
    let value = values.iter().find(|(known, _)| same_name(known, name));
    value.map(|(_, value)| value)
}

/// The text of `%2F` and its like; what does not come to UTF-8 stays as it is written.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let coded = match (first, behind) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match coded {
            Some((high, low)) => {
                bytes.push((high << 4) | low);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.into())
    }

    #[test]
    fn directories_give_values() {
        let values =
            values_in("s3://b/x/site=a%2Fb%3D%c3%bc/d=__HIVE_DEFAULT_PARTITION__/e=/p=1.csv");
        let expected = [
            ("site", text("a/b=ü")),
            ("d", Scalar::Null),
            ("e", text("")),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(values, expected);
        assert_eq!(given(&values, "SITE"), Some(&text("a/b=ü")));
        assert_eq!(given(&values, "p"), None, "is the file");
        assert_eq!(values_in("/a=1/b/A=2/f"), [("A".to_owned(), text("2"))]);
        for url in ["f", "", "s3://b/=x/f", "/a/b/f=1"] {
            assert_eq!(values_in(url), [], "{url}");
        }
    }

    #[test]
    fn what_is_not_encoded_stays() {
        for same in ["100%", "%", "%4", "%zz", "%FF", "a+b"] {
            assert_eq!(decoded(same), same);
        }
        assert_eq!(decoded("%25%41%"), "%A%");
    }
}
