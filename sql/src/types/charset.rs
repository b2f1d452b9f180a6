//! Character sets and collations by name, and what becomes of them here.
//!
//! Strings are held in UTF-8. The character sets that are subsets of it are accepted under their names, and
//! their collations become utf8mb4's. Nothing here compares: `collation` does.

use crate::error::{Result, SqlError, Warning};

/// Collation of databases, tables and columns that ask for none.
pub const DEFAULT_COLLATION: &str = "utf8mb4_0900_ai_ci";
/// Collation of what was defined before others were applied, and of what compares by its bytes.
pub const BIN_COLLATION: &str = "utf8mb4_bin";
/// Collation of everything that is not text.
pub const BINARY: &str = "binary";

/// Wire ids.
pub const UTF8MB4_ID: u16 = 255;
pub const BINARY_ID: u16 = 63;

/// What a CHARACTER SET or COLLATE clause comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Stored collation, of utf8mb4, or "binary".
    pub collation: String,
    pub warnings: Vec<Warning>,
}

/// Character sets whose strings are held as utf8mb4 with a note.
const SUBSETS: [&str; 6] = ["utf8", "utf8mb3", "latin1", "ascii", "ucs2", "utf16"];

/// Character sets of MySQL that Storno does not convert.
const FOREIGN: [&str; 32] = [
    "armscii8", "big5", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932",
    "dec8", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8",
    "keybcs2", "koi8r", "koi8u", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7",
    "tis620", "ujis",
];

/// Collations that are applied to the letter. The others are accepted without what they change for a language.
const APPLIED: [&str; 9] = [
    BINARY,
    "utf8mb4_0900_ai_ci",
    "utf8mb4_0900_as_ci",
    "utf8mb4_0900_as_cs",
    "utf8mb4_0900_bin",
    "utf8mb4_bin",
    "utf8mb4_general_ci",
    "utf8mb4_unicode_520_ci",
    "utf8mb4_unicode_ci",
];

/// Parts of utf8mb4 collation names between the character set and the final `_ci`, `_bin` ...
const GENERAL: [&str; 33] = [
    "general_ci",
    "bin",
    "unicode_ci",
    "unicode_520_ci",
    "0900_ai_ci",
    "0900_as_ci",
    "0900_as_cs",
    "0900_bin",
    "general_nopad_ci",
    "nopad_bin",
    "unicode_nopad_ci",
    "unicode_520_nopad_ci",
    "icelandic_ci",
    "latvian_ci",
    "romanian_ci",
    "slovenian_ci",
    "polish_ci",
    "estonian_ci",
    "spanish_ci",
    "swedish_ci",
    "turkish_ci",
    "czech_ci",
    "danish_ci",
    "lithuanian_ci",
    "slovak_ci",
    "spanish2_ci",
    "roman_ci",
    "persian_ci",
    "esperanto_ci",
    "hungarian_ci",
    "sinhala_ci",
    "german2_ci",
    "croatian_ci",
];

/// Languages with `_0900_ai_ci` and `_0900_as_cs` collations.
const LANGUAGES: [&str; 31] = [
    "bg",
    "bs",
    "cs",
    "da",
    "de_pb",
    "eo",
    "es",
    "es_trad",
    "et",
    "gl",
    "hr",
    "hu",
    "is",
    "ja",
    "la",
    "lt",
    "lv",
    "mn_cyrl",
    "nb",
    "nn",
    "pl",
    "ro",
    "ru",
    "sk",
    "sl",
    "sr_latn",
    "sv",
    "tr",
    "vi",
    "zh",
    "vietnamese",
];

/// Resolves the clauses of one table, column or database. `inherited`: the collation one level up.
pub fn resolve(
    charset: Option<&str>,
    collation: Option<&str>,
    inherited: &str,
) -> Result<Resolved> {
    let charset = charset.map(str::to_ascii_lowercase);
    let collation = collation.map(str::to_ascii_lowercase);
    match (charset, collation) {
        (None, None) => Ok(Resolved {
            collation: inherited.to_owned(),
            warnings: Vec::new(),
        }),
        (Some(charset), None) => Ok(Resolved {
            warnings: known_charset(&charset)?,
            collation: stored(default_of(&charset)),
        }),
        (charset, Some(collation)) => {
            if collation == "default" {
                return Ok(Resolved {
                    collation: inherited.to_owned(),
                    warnings: Vec::new(),
                });
            }
            let own = charset_of(&collation)?;
            if let Some(charset) = charset.filter(|charset| !same_charset(charset, own)) {
                known_charset(&charset)?;
                return Err(SqlError::collation_of_other_charset(&collation, &charset));
            }
            resolve_collation(own, &collation)
        }
    }
}

fn resolve_collation(charset: &str, collation: &str) -> Result<Resolved> {
    let mut warnings = known_charset(charset)?;
    let collation = stored(collation);
    if !APPLIED.contains(&collation.as_str()) {
        warnings.push(Warning::collation_not_tailored(&collation));
    }
    Ok(Resolved {
        collation,
        warnings,
    })
}

/// The collation that MySQL gives a character set.
pub fn default_of(charset: &str) -> &'static str {
    match charset {
        BINARY => BINARY,
        "utf8" | "utf8mb3" => "utf8mb3_general_ci",
        "latin1" => "latin1_swedish_ci",
        "ascii" => "ascii_general_ci",
        "ucs2" | "utf16" => "utf8mb4_general_ci",
        _ => DEFAULT_COLLATION,
    }
}

/// The utf8mb4 collation that stands for one of any character set: utf8mb3's have namesakes, those of the others
/// become utf8mb4_general_ci or utf8mb4_bin.
pub fn stored(collation: &str) -> String {
    let collation = collation.to_ascii_lowercase();
    match collation.split_once('_') {
        None => collation,
        Some(("utf8mb4", _)) => collation,
        Some(("utf8" | "utf8mb3", rest)) => format!("utf8mb4_{rest}"),
        Some((_, "bin")) => BIN_COLLATION.to_owned(),
        Some(_) => "utf8mb4_general_ci".to_owned(),
    }
}

/// Whether there is a collation of this name: 1273 if not.
pub fn known(collation: &str) -> Result<()> {
    charset_of(&collation.to_ascii_lowercase()).map(drop)
}

/// Ignores case.
pub fn ignores_case(collation: &str) -> bool {
    collation.ends_with("_ci")
}

/// Character set of a stored collation.
pub fn stored_charset(collation: &str) -> &'static str {
    if collation == BINARY {
        BINARY
    } else {
        "utf8mb4"
    }
}

/// Notes for a character set that is stored as another; 1115 for one that MySQL does not know.
fn known_charset(charset: &str) -> Result<Vec<Warning>> {
    match charset {
        "utf8mb4" | BINARY | "default" => Ok(Vec::new()),
        _ if SUBSETS.contains(&charset) => Ok(vec![Warning::charset_not_applied(charset)]),
        _ if FOREIGN.contains(&charset) => {
            Err(SqlError::not_supported(&format!("CHARACTER SET {charset}")))
        }
        _ => Err(SqlError::unknown_character_set(charset)),
    }
}

fn same_charset(written: &str, own: &str) -> bool {
    let utf8mb3 = ["utf8", "utf8mb3"];
    written == own || (utf8mb3.contains(&written) && utf8mb3.contains(&own))
}

/// Character set that a collation belongs to; 1273 for one that MySQL does not know.
fn charset_of(collation: &str) -> Result<&'static str> {
    let unknown = || SqlError::unknown_collation(collation);
    if collation == BINARY {
        return Ok(BINARY);
    }
    let charset = ["utf8mb4", "utf8mb3"]
        .into_iter()
        .chain(SUBSETS)
        .find(|charset| {
            collation
                .strip_prefix(charset)
                .is_some_and(|rest| rest.starts_with('_'))
        })
        .ok_or_else(unknown)?;
    let rest = collation.get(charset.len() + 1..).unwrap_or_default();
    let language = |suffix: &str| {
        rest.strip_suffix(suffix)
            .is_some_and(|language| LANGUAGES.contains(&language))
    };
    let known = GENERAL.contains(&rest)
        || language("_0900_ai_ci")
        || language("_0900_as_cs")
        || language("_ci")
        || rest.starts_with("uca1400_")
        || (charset == "latin1" && ["german1_ci", "general_cs"].contains(&rest));
    if known { Ok(charset) } else { Err(unknown()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frameworks_ask_for_is_accepted() {
        for (charset, collation, stored, warnings) in [
            (
                Some("utf8mb4"),
                Some("utf8mb4_unicode_ci"),
                "utf8mb4_unicode_ci",
                0,
            ),
            (Some("utf8mb4"), None, "utf8mb4_0900_ai_ci", 0),
            (Some("utf8"), None, "utf8mb4_general_ci", 1),
            (None, Some("utf8mb4_0900_bin"), "utf8mb4_0900_bin", 0),
            (
                Some("utf8"),
                Some("utf8_general_ci"),
                "utf8mb4_general_ci",
                1,
            ),
            (Some("utf8mb3"), Some("utf8_bin"), "utf8mb4_bin", 1),
            (Some("ascii"), None, "utf8mb4_general_ci", 1),
            (
                Some("latin1"),
                Some("latin1_swedish_ci"),
                "utf8mb4_general_ci",
                1,
            ),
            (Some("BINARY"), None, "binary", 0),
            (None, None, "utf8mb4_0900_ai_ci", 0),
            (
                None,
                Some("utf8mb4_de_pb_0900_ai_ci"),
                "utf8mb4_de_pb_0900_ai_ci",
                1,
            ),
        ] {
            let resolved = resolve(charset, collation, "utf8mb4_0900_ai_ci").unwrap();
            assert_eq!(resolved.collation, stored);
            assert_eq!(resolved.warnings.len(), warnings, "{stored}");
        }
    }

    #[test]
    fn unknown_names_and_mismatches_are_errors() {
        for (charset, collation, code) in [
            (Some("nope"), None, 1115),
            (None, Some("nope"), 1273),
            (None, Some("utf8mb4_nope_ci"), 1273),
            (Some("utf8mb4"), Some("latin1_swedish_ci"), 1253),
            (Some("gbk"), None, 1235),
        ] {
            assert_eq!(
                resolve(charset, collation, DEFAULT_COLLATION)
                    .unwrap_err()
                    .code,
                code
            );
        }
    }
}
