//! Character sets and collations that definitions and connections may name, with MySQL's ids.

use super::column::{choice, name, row, ubigint, uint, varchar};
use super::{Row, VirtualTable};
use crate::types::charset::DEFAULT_COLLATION;

pub static CHARACTER_SETS: VirtualTable = VirtualTable {
    name: "CHARACTER_SETS",
    columns: &[
        name("CHARACTER_SET_NAME"),
        name("DEFAULT_COLLATE_NAME"),
        varchar("DESCRIPTION", 2048),
        uint("MAXLEN"),
    ],
    rows: |_, _| Ok(charset_rows()),
};

pub static COLLATIONS: VirtualTable = VirtualTable {
    name: "COLLATIONS",
    columns: &[
        name("COLLATION_NAME"),
        name("CHARACTER_SET_NAME"),
        ubigint("ID"),
        varchar("IS_DEFAULT", 3),
        varchar("IS_COMPILED", 3),
        uint("SORTLEN"),
        choice("PAD_ATTRIBUTE", &["PAD SPACE", "NO PAD"]),
    ],
    rows: |_, _| Ok(collation_rows()),
};

pub static COLLATION_CHARACTER_SET_APPLICABILITY: VirtualTable = VirtualTable {
    name: "COLLATION_CHARACTER_SET_APPLICABILITY",
    columns: &[name("COLLATION_NAME"), name("CHARACTER_SET_NAME")],
    rows: |_, _| Ok(COLLATION_LIST.iter().map(|c| row![c.0, c.1]).collect()),
};

/// Name, default collation, description, bytes of a character.
const CHARSETS: [(&str, &str, &str, u32); 5] = [
    ("ascii", "ascii_general_ci", "US ASCII", 1),
    ("binary", "binary", "Binary pseudo charset", 1),
    ("latin1", "latin1_swedish_ci", "cp1252 West European", 1),
    ("utf8mb3", "utf8mb3_general_ci", "UTF-8 Unicode", 3),
    ("utf8mb4", DEFAULT_COLLATION, "UTF-8 Unicode", 4),
];

/// Name, character set, id, sort length; those that pad with spaces.
const COLLATION_LIST: [(&str, &str, u64, u32, bool); 20] = [
    ("ascii_bin", "ascii", 65, 1, true),
    ("ascii_general_ci", "ascii", 11, 1, true),
    ("binary", "binary", 63, 1, false),
    ("latin1_bin", "latin1", 47, 1, true),
    ("latin1_general_ci", "latin1", 48, 1, true),
    ("latin1_general_cs", "latin1", 49, 1, true),
    ("latin1_german1_ci", "latin1", 5, 1, true),
    ("latin1_swedish_ci", "latin1", 8, 1, true),
    ("utf8mb3_bin", "utf8mb3", 83, 1, true),
    ("utf8mb3_general_ci", "utf8mb3", 33, 1, true),
    ("utf8mb3_unicode_520_ci", "utf8mb3", 214, 8, true),
    ("utf8mb3_unicode_ci", "utf8mb3", 192, 8, true),
    ("utf8mb4_0900_ai_ci", "utf8mb4", 255, 0, false),
    ("utf8mb4_0900_as_ci", "utf8mb4", 305, 0, false),
    ("utf8mb4_0900_as_cs", "utf8mb4", 278, 0, false),
    ("utf8mb4_0900_bin", "utf8mb4", 309, 1, false),
    ("utf8mb4_bin", "utf8mb4", 46, 1, true),
    ("utf8mb4_general_ci", "utf8mb4", 45, 1, true),
    ("utf8mb4_unicode_520_ci", "utf8mb4", 246, 8, true),
    ("utf8mb4_unicode_ci", "utf8mb4", 224, 8, true),
];

fn charset_rows() -> Vec<Row> {
    let row = |(name, collation, description, bytes)| row![name, collation, description, bytes];
    CHARSETS.into_iter().map(row).collect()
}

/// The collation that MySQL has given this number.
pub fn collation_of_number(number: u16) -> Option<&'static str> {
    let found = COLLATION_LIST.iter().find(|c| c.2 == u64::from(number));
    found.map(|c| c.0)
}

fn collation_rows() -> Vec<Row> {
    let row = |(name, charset, id, length, pads)| {
        let default = CHARSETS.iter().any(|c| c.1 == name);
        row![
            name,
            charset,
            id,
            if default { "Yes" } else { "" },
            "Yes",
            length,
            if pads { "PAD SPACE" } else { "NO PAD" },
        ]
    };
    COLLATION_LIST.into_iter().map(row).collect()
}
