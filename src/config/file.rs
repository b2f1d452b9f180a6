//! The configuration file. Anything wrong in it is refused with file, line and key, so that a
//! typing error never means a default.

use std::ops::Range;
use std::path::Path;

use super::Layer;
use crate::error::{Error, Result};

/// Reads `path`. A relative path in it is relative to the file's own directory, so that it means the
/// same wherever the server is started from.
pub(super) fn read(path: &Path) -> Result<Layer> {
    let text = std::fs::read_to_string(path).map_err(|why| {
        Error::Config(format!(
            "cannot read the configuration file {}: {why}",
            path.display()
        ))
    })?;
    let mut layer = parse(&text)
        .map_err(|what| Error::Config(format!("configuration file {}{what}", path.display())))?;
    let parent = path.parent().unwrap_or(Path::new(""));
    let paths = [
        &mut layer.data_dir,
        &mut layer.tls_cert,
        &mut layer.tls_key,
        &mut layer.backup_credentials,
    ];
    for named in paths
        .into_iter()
        .flatten()
        .filter(|named| named.as_os_str() != "")
    {
        *named = parent.join(&named);
    }
    Ok(layer)
}

/// Errors begin with where, to be put behind the file's name: `, line 3, key listen: ...`.
fn parse(text: &str) -> std::result::Result<Layer, String> {
    toml::from_str(text).map_err(|error| match error.span() {
        Some(span) => format!("{}: {}", place(text, &span), error.message()),
        None => format!(": {}", error.message()),
    })
}

/// The line of `span`, counted from 1, and the key that stands there if one does.
fn place(text: &str, span: &Range<usize>) -> String {
    let at = span.start.min(text.len());
    let before = text.get(..at).unwrap_or(text);
    let line_number = before.matches('\n').count() + 1;
    let line = text.lines().nth(line_number - 1).unwrap_or("");
    let key = line
        .split(['=', '#'])
        .next()
        .map(str::trim)
        .filter(|_| line.contains('='));
    match key {
        Some(key) if !key.is_empty() => format!(", line {line_number}, key {key}"),
        _ => format!(", line {line_number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_line_and_key() {
        let error = parse("log = 'info'\n\ndata-dir = 'x'\n").unwrap_err();
        assert!(
            error.starts_with(", line 3, key data-dir: unknown field `data-dir`"),
            "{error}"
        );
        assert!(
            error.contains("data_dir"),
            "lists what it could have been: {error}"
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused_with_line_and_key() {
        for (text, place) in [
            (
                "max_connections = 'many'",
                ", line 1, key max_connections: ",
            ),
            ("\nmax_connections = -1", ", line 2, key max_connections: "),
            (
                "log = 'info'\nlisten = 'here'",
                ", line 2, key listen: 'here' is not ADDR:PORT",
            ),
            ("log = 'a'\nlog = 'b'", ", line 2, key log: "),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(place), "{text}: {error}");
        }
    }

    #[test]
    fn broken_toml_is_refused_with_its_line() {
        let error = parse("log = 'info'\nlisten = '127.0.0.1:1\n").unwrap_err();
        assert!(error.starts_with(", line 2"), "{error}");
    }

    #[test]
    fn an_unreadable_file_is_named() {
        let error = read(Path::new("no/such/storno.toml")).unwrap_err();
        assert!(error.to_string().contains("no/such/storno.toml"), "{error}");
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn relative_paths_are_relative_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("storno.toml");
        std::fs::write(&path, "data_dir = 'db'\ntls_key = 'k'\ntls_cert = '/c'\n").unwrap();
        let layer = read(&path).unwrap();
        assert_eq!(layer.data_dir, Some(dir.path().join("db")));
        assert_eq!(layer.tls_key, Some(dir.path().join("k")));
        assert_eq!(layer.tls_cert, Some("/c".into()));
    }
}
